//! Messages for tests.

use crate::{
    Address, Attachment, Authenticity, Direction, Header, Message, MessageClass, OutOfOffice,
};

/// A message to feed to a plugin.
#[derive(Debug, Clone)]
pub struct Mail {
    pub(super) message: Message,
    pub(super) authenticity: Authenticity,
    /// Name of the plugin that proposed it, for one that Liaison sent.
    pub(super) plugin: Option<String>,
    pub(super) is_to_set: bool,
    pub(super) is_new_thread: bool,
}

/// Reads `Name <local@domain>` or a bare address.
#[must_use]
pub fn address(text: &str) -> Address {
    match text
        .trim()
        .strip_suffix('>')
        .and_then(|text| text.split_once('<'))
    {
        Some((name, email)) => Address {
            name: Some(name.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty()),
            email: email.trim().to_owned(),
        },
        None => Address {
            name: None,
            email: text.trim().to_owned(),
        },
    }
}

/// Reads addresses separated by `;`.
#[must_use]
pub fn addresses(text: &str) -> Vec<Address> {
    text.split(';')
        .filter(|part| !part.trim().is_empty())
        .map(address)
        .collect()
}

impl Mail {
    /// A human message from this address to the owner of the world, in a thread of its own.
    #[must_use]
    pub fn from(sender: &str) -> Mail {
        Mail {
            message: Message {
                id: String::new(),
                thread: String::new(),
                mailbox: "INBOX".to_owned(),
                direction: Direction::Inbound,
                date: 0,
                subject: "Hello".to_owned(),
                sender: address(sender),
                to: Vec::new(),
                cc: Vec::new(),
                reply_to: Vec::new(),
                headers: Vec::new(),
                text: String::new(),
                signature: String::new(),
                truncated: false,
                attachments: Vec::new(),
                tags: Vec::new(),
                class: MessageClass::Human,
                out_of_office: None,
            },
            authenticity: Authenticity::Pass,
            plugin: None,
            is_to_set: false,
            is_new_thread: false,
        }
    }

    /// A message of ours to these addresses (separated by `;`), for [`super::TestWorld::send`].
    #[must_use]
    pub fn to_outside(to: &str) -> Mail {
        Mail::from("").to(to)
    }

    /// Sets To (addresses separated by `;`).
    #[must_use]
    pub fn to(mut self, to: &str) -> Mail {
        self.message.to = addresses(to);
        self.is_to_set = true;
        self
    }

    /// Sets Cc (addresses separated by `;`).
    #[must_use]
    pub fn cc(mut self, cc: &str) -> Mail {
        self.message.cc = addresses(cc);
        self
    }

    /// Sets Reply-To.
    #[must_use]
    pub fn reply_to(mut self, reply_to: &str) -> Mail {
        self.message.reply_to = addresses(reply_to);
        self
    }

    /// Sets the subject. Messages with the same subject but for `Re:` share a thread.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Mail {
        subject.clone_into(&mut self.message.subject);
        self
    }

    /// Puts it in a thread of its own, whatever its subject.
    #[must_use]
    pub fn new_thread(mut self) -> Mail {
        self.is_new_thread = true;
        self
    }

    /// Puts it in the thread with this id, whatever its subject.
    #[must_use]
    pub fn in_thread(mut self, thread: &str) -> Mail {
        thread.clone_into(&mut self.message.thread);
        self
    }

    /// Sets what the sender newly wrote.
    #[must_use]
    pub fn text(mut self, text: &str) -> Mail {
        text.clone_into(&mut self.message.text);
        self
    }

    /// Sets the signature.
    #[must_use]
    pub fn signature(mut self, signature: &str) -> Mail {
        signature.clone_into(&mut self.message.signature);
        self
    }

    /// Sets the class.
    #[must_use]
    pub fn class(mut self, class: MessageClass) -> Mail {
        self.message.class = class;
        self
    }

    /// Makes it an out-of-office reply.
    #[must_use]
    pub fn out_of_office(mut self, returns: Option<i64>, left: bool) -> Mail {
        self.message.class = MessageClass::Ooo;
        self.message.out_of_office = Some(OutOfOffice { returns, left });
        self
    }

    /// Adds an attachment.
    #[must_use]
    pub fn attachment(mut self, filename: &str, media_type: &str, size: u64) -> Mail {
        let id = format!("attachment-{}", self.message.attachments.len() + 1);
        self.message.attachments.push(Attachment {
            id,
            filename: Some(filename.to_owned()),
            media_type: media_type.to_owned(),
            size,
        });
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Mail {
        self.message.headers.push(Header {
            name: name.to_owned(),
            value: value.to_owned(),
        });
        self
    }

    /// Sets what is known of the sender's authenticity.
    #[must_use]
    pub fn authenticity(mut self, authenticity: Authenticity) -> Mail {
        self.authenticity = authenticity;
        self
    }

    /// Makes it a mail that Liaison sent for this plugin.
    #[must_use]
    pub fn by_plugin(mut self, plugin: &str) -> Mail {
        self.plugin = Some(plugin.to_owned());
        self
    }
}
