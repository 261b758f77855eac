//! Contact with a customer: what counts as one, and what does not.
//!
//! Counts: mail that a person wrote, either way; a meeting that was held; a call; an act of client
//! love. Does not: automatic answers, bounces, newsletters and lists, forged senders, reminders to
//! ourselves, meetings that fell away or are yet to come, drafts that were not sent.

use serde::{Deserialize, Serialize};

use crate::crm::{CrmRecord, Kind};
use crate::ids::{AccountId, ContactId};
use crate::message::MessageRecord;
use crate::time::Timestamp;

/// Most contacts of one touch that are remembered: a call with more is one with the account.
pub const CONTACTS_MAX: usize = 8;

/// How there was contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// A mail of theirs.
    MailIn,
    /// A mail of ours.
    MailOut,
    /// A call.
    Call,
    /// A meeting.
    Meeting,
    /// An act of client love.
    Love,
}

impl Way {
    /// All of them.
    pub const ALL: [Way; 5] = [
        Way::MailIn,
        Way::MailOut,
        Way::Call,
        Way::Meeting,
        Way::Love,
    ];

    /// The word for it; it is in keys on disk.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Way::MailIn => "mail-in",
            Way::MailOut => "mail-out",
            Way::Call => "call",
            Way::Meeting => "meeting",
            Way::Love => "love",
        }
    }

    /// The way of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Way> {
        Way::ALL.into_iter().find(|way| way.word() == word)
    }

    /// People spoke with each other.
    #[must_use]
    pub fn is_spoken(self) -> bool {
        matches!(self, Way::Call | Way::Meeting)
    }
}

/// One contact with an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// The account.
    pub account: AccountId,
    /// When.
    pub at: Timestamp,
    /// How.
    pub way: Way,
    /// With whom, as far as it is known; at most [`CONTACTS_MAX`].
    pub contacts: Vec<ContactId>,
    /// Who of us: an address; for mail that came in, `mailbox:` and the name of the mailbox.
    pub person: Option<String>,
    /// The message or activity that it follows from.
    pub id: String,
}

/// What begins the `person` of a mail that came in: the name of the mailbox follows.
pub const MAILBOX: &str = "mailbox:";

/// The contact that a message is; `None` when it is none.
#[must_use]
pub fn touch_of_message(message: &MessageRecord) -> Option<Touch> {
    let account = message.account.clone()?;
    if !message.is_human() || message.authenticity == "fail" {
        return None;
    }
    let (way, person) = match message.outbound {
        true => (
            Way::MailOut,
            message.from.as_ref().map(|from| from.email.clone()),
        ),
        false => (
            Way::MailIn,
            Some(format!("{MAILBOX}{}", message.mailbox.as_str())),
        ),
    };
    Some(Touch {
        account,
        at: message.received,
        way,
        contacts: message.contact.iter().cloned().collect(),
        person,
        id: message.key.0.clone(),
    })
}

/// The contact that an activity is; `None` when it is none.
///
/// A meeting counts when somebody says that it was held; a call, unless somebody says that it was
/// not answered. A mail that was logged counts, unless its Message-ID says that Liaison saw it
/// itself.
#[must_use]
pub fn touch_of(record: &CrmRecord) -> Option<Touch> {
    if record.kind != Kind::Activity || record.merged_into.is_some() {
        return None;
    }
    let held = record.get("held").is_some().then(|| record.flag("held"));
    let way = match (record.text("kind")?, held) {
        ("meeting", Some(true)) => Way::Meeting,
        ("call", None | Some(true)) => Way::Call,
        ("love", None | Some(true)) => Way::Love,
        ("email", _) if record.text("message").is_none() => match record.text("direction") {
            Some("in") => Way::MailIn,
            _ => Way::MailOut,
        },
        _ => return None,
    };
    let contacts = record.texts("contacts").iter().take(CONTACTS_MAX);
    Some(Touch {
        account: AccountId::from(record.text("account")?),
        at: record.at("at")?,
        way,
        contacts: contacts.map(|id| ContactId::from(id.as_str())).collect(),
        person: record.text("person").map(str::to_owned),
        id: record.id.clone(),
    })
}

#[cfg(test)]
mod tests;
