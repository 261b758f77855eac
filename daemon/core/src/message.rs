//! What is remembered of a message and of its thread: the facts that later decisions need.
//!
//! The bytes themselves lie in a content file; these records stay small (the store refuses values
//! over 4 KiB), so lists and texts are cut at named bounds.

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, ContactId, EffectId, MailboxId, MessageKey, PluginName, ThreadId};
use crate::time::Timestamp;

/// Longest subject kept, in characters.
pub const SUBJECT_CHARS_MAX: usize = 200;
/// Most addresses kept of each of To, Cc and Reply-To.
pub const ADDRESSES_MAX: usize = 12;
/// Most References kept: the first and the last ones.
pub const REFERENCES_MAX: usize = 10;
/// Longest Message-ID kept, in bytes; longer ones cannot be folded into a header either.
pub const MESSAGE_ID_BYTES_MAX: usize = 250;
/// Most tags of a message.
pub const TAGS_MAX: usize = 16;

/// Begins what stands in place of a content file's name when the bytes were removed on purpose.
const GONE: &str = "gone: ";

/// What stands in place of the name of a content file that was removed because of `why`.
#[must_use]
pub fn gone(why: &str) -> String {
    format!("{GONE}{why}")
}

/// Why a content file was removed on purpose; `None` when it was not.
#[must_use]
pub fn gone_why(content: &str) -> Option<&str> {
    content.strip_prefix(GONE)
}

/// An address with its name, as kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Display name, cleaned.
    pub name: Option<String>,
    /// Address in lookup form.
    pub email: String,
}

/// One message, whatever number of mailboxes hold a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRecord {
    /// The event key.
    pub key: MessageKey,
    /// Message-ID without brackets.
    pub message_id: Option<String>,
    /// Its conversation.
    pub thread: ThreadId,
    /// Mailbox in which it was seen first.
    pub mailbox: MailboxId,
    /// It is mail of ours: from one of our addresses, found in Sent.
    pub outbound: bool,
    /// It was there before the first start: recorded, never acted on.
    pub historical: bool,
    /// Date field, else arrival.
    pub date: Timestamp,
    /// When it reached the mailbox.
    pub received: Timestamp,
    /// Subject, cut at [`SUBJECT_CHARS_MAX`].
    pub subject: String,
    /// From; `None` when unreadable.
    pub from: Option<Person>,
    /// How many From addresses it has.
    pub from_count: u32,
    /// Reply-To.
    pub reply_to: Vec<Person>,
    /// To.
    pub to: Vec<Person>,
    /// Cc.
    pub cc: Vec<Person>,
    /// Message-IDs of its ancestors, oldest first.
    pub references: Vec<String>,
    /// Class, in the words of `liaison inspect`.
    pub class: String,
    /// Why it has this class.
    pub class_evidence: Vec<String>,
    /// Its header or sender says that it must not be answered by a machine, whatever its class.
    pub no_automatic_answer: bool,
    /// Authenticity of the sender: `pass|fail|none|unknown`.
    pub authenticity: String,
    /// Out-of-office: start of the day of return, and whether the person left.
    pub out_of_office: Option<(Option<Timestamp>, bool)>,
    /// The mail of ours that it is, when Liaison sent it.
    pub effect: Option<EffectId>,
    /// The plugin that proposed that mail.
    pub plugin: Option<PluginName>,
    /// The account it was matched to.
    pub account: Option<AccountId>,
    /// The contact it was matched to.
    pub contact: Option<ContactId>,
    /// Content file of the bytes; empty when they could not be had, [`gone`] when they were removed
    /// since.
    pub content: String,
    /// Size in bytes.
    pub size: u64,
    /// Attachments.
    pub attachments: u32,
    /// Tags.
    pub tags: Vec<String>,
    /// What was wrong with it.
    pub problems: Vec<String>,
    /// How its thread was found.
    pub threading: Threading,
}

/// How the thread of a message was found, and which other one it may belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threading {
    /// What joined it: the word of [`crate::mail::ThreadEvidence::parts`] and what was compared,
    /// cut; `None` when it began its thread.
    pub by: Option<(String, String)>,
    /// What it shares with others of Outlook's Thread-Index.
    pub index: Option<String>,
    /// A thread that it may belong to, as subject and people tell, and the message that they have
    /// in common with. Weak: it makes somebody look, and nothing else follows from it.
    pub perhaps: Option<(ThreadId, MessageKey)>,
}

impl MessageRecord {
    /// Whether a person wrote it.
    #[must_use]
    pub fn is_human(&self) -> bool {
        self.class == "human"
    }

    /// The subject under which answers without links look for it: of people's mail only, in lower
    /// case without `Re:` and the like.
    #[must_use]
    pub fn sought_subject(&self) -> Option<String> {
        let base = crate::mail::base_subject(&self.subject).to_lowercase();
        (self.is_human() && !base.is_empty()).then_some(base)
    }

    /// The addresses that take part, ours and theirs.
    pub fn participants(&self) -> impl Iterator<Item = &str> {
        let from = self.from.as_ref().map(|person| person.email.as_str());
        let others = self
            .to
            .iter()
            .chain(&self.cc)
            .map(|person| person.email.as_str());
        from.into_iter().chain(others)
    }
}

/// One conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadRecord {
    /// Its id.
    pub id: ThreadId,
    /// Subject of its first message seen.
    pub subject: String,
    /// The account that its messages were matched to, with the Message-ID that told so.
    pub account: Option<(AccountId, String)>,
    /// Messages seen.
    pub messages: u32,
    /// When a person outside last wrote.
    pub last_human_inbound: Option<Timestamp>,
    /// When one of us last wrote, by hand.
    pub last_human_outbound: Option<Timestamp>,
    /// Automatic messages of ours since a person last wrote (either side).
    pub automatic_since_human: u32,
    /// Latest message.
    pub last: Timestamp,
    /// A person of ours said that nothing more is to be written into it.
    pub closed: Option<ThreadClosed>,
}

/// That a conversation was closed: no mail of ours but a person's own goes into it until a person
/// outside writes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadClosed {
    /// When.
    pub at: Timestamp,
    /// Who said so.
    pub who: String,
    /// Why; empty where nobody said.
    pub why: String,
}

impl std::fmt::Display for ThreadClosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "closed by {} on {}", self.who, self.at)?;
        match self.why.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", self.why),
        }
    }
}

/// Cuts a list of addresses.
#[must_use]
pub fn cut<T>(mut list: Vec<T>, max: usize) -> Vec<T> {
    list.truncate(max);
    list
}

/// Cuts a text at `max` characters.
#[must_use]
pub fn cut_text(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Cuts a text at `max` bytes, between characters.
#[must_use]
pub fn cut_bytes(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// The ancestors worth keeping: the first ones tell the thread, the last ones what was answered.
#[must_use]
pub fn cut_references(ids: &[String]) -> Vec<String> {
    let fits = |id: &&String| id.len() <= MESSAGE_ID_BYTES_MAX;
    let ids: Vec<&String> = ids.iter().filter(fits).collect();
    let half = REFERENCES_MAX / 2;
    if ids.len() <= REFERENCES_MAX {
        return ids.into_iter().cloned().collect();
    }
    let tail = ids.len().saturating_sub(half);
    ids.iter()
        .take(half)
        .chain(ids.iter().skip(tail))
        .map(|id| (*id).clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_reference_lists_keep_both_ends() {
        let ids: Vec<String> = (0..40).map(|n| format!("{n}@example.com")).collect();
        let kept = cut_references(&ids);
        assert_eq!(kept.len(), REFERENCES_MAX);
        assert_eq!(
            (kept[0].as_str(), kept[9].as_str()),
            ("0@example.com", "39@example.com")
        );
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut_text("größer", 4), "größ…");
        assert_eq!(cut_text("kurz", 4), "kurz");
    }
}
