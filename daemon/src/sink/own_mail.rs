//! By what a mail of ours is known again in a folder.

use liaison_core::effect::MailEffect;
use liaison_core::mail::address::Address;
use liaison_core::mail::{MessageView, ParseLimits, parse_message};
use liaison_core::time::{DAY_MS, Timestamp};

/// How much earlier than the mail was decided a server may date what was put into a folder: clocks
/// differ, and a search by date knows whole days of some zone only.
const CLOCKS_MS: i64 = 2 * DAY_MS;

/// What is looked for in a folder: the Message-ID, and where a server or a program gave the mail
/// another one, our stamp together with its recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnMail {
    /// Message-ID without brackets.
    pub message_id: String,
    /// `X-Liaison-Id`.
    pub stamp: String,
    /// The one recipient, in lookup form.
    pub recipient: String,
    /// Nothing of it lies anywhere since before this.
    pub since: Timestamp,
}

/// A mail of ours that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The Message-ID that it carries there; empty where it has none.
    pub message_id: String,
    /// It lies in the mailbox of all messages only (RFC 6154 `\All`).
    pub in_all_mail: bool,
}

impl OwnMail {
    /// By what this mail is known.
    #[must_use]
    pub fn of(mail: &MailEffect) -> OwnMail {
        OwnMail {
            message_id: mail.message_id.clone(),
            stamp: mail.id.as_str().to_owned(),
            recipient: key(&mail.recipient),
            since: mail.created.minus_millis(CLOCKS_MS),
        }
    }

    /// The Message-ID with which a header section is this mail's; `None` when it is another's.
    pub(super) fn known_by(&self, header: &[u8]) -> Option<String> {
        let view = parse_message(header, &ParseLimits::default());
        let stamped = view.liaison_id.as_deref() == Some(self.stamp.as_str());
        let id = view.message_id.clone().unwrap_or_default();
        // Whoever writes anew out of a mail of ours, to somebody else, may keep the stamp.
        (id == self.message_id || (stamped && self.is_to(&view))).then_some(id)
    }

    /// Whether a message goes to the recipient of the mail, among others perhaps.
    pub(crate) fn is_to(&self, view: &MessageView) -> bool {
        let mut people = view.to.iter().chain(&view.cc).chain(&view.bcc);
        people.any(|person| person.address.key() == self.recipient)
    }
}

fn key(email: &str) -> String {
    Address::parse(email).map_or_else(|_| email.to_owned(), |address| address.key())
}

impl Sighting {
    /// Where and as what it was found, for the audit.
    #[must_use]
    pub fn words(&self, mail: &OwnMail) -> String {
        let place = match self.in_all_mail {
            true => "the mailbox of all messages",
            false => "the Sent mailbox",
        };
        match self.message_id == mail.message_id {
            true => format!("found in {place}"),
            false => format!(
                "found in {place} by our stamp, under the Message-ID <{}>",
                self.message_id
            ),
        }
    }
}
