//! Which conversation a message belongs to.

use serde::{Deserialize, Serialize};

use super::MessageView;
use super::address::Address;
use crate::account::free_mail::FreeMail;
use crate::account::matching::registrable;
use crate::ids::{ThreadId, derive};

/// Ids kept from either end of a long References field.
pub const MAX_REFERENCES_PER_END: usize = 20;
/// Base64 characters of the 22 bytes that name a conversation in Outlook's Thread-Index; the last
/// two of them depend on what follows and are left out.
const THREAD_INDEX_CHARS: usize = 28;

/// One thing by which a thread may be found, strongest first in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by", content = "value")]
pub enum ThreadEvidence {
    /// A Message-ID from In-Reply-To.
    InReplyTo(String),
    /// A Message-ID from References.
    Reference(String),
    /// The prefix of Thread-Index that all messages of an Outlook conversation share.
    ThreadIndex(String),
    /// The base subject (RFC 5256 2.1): too weak to join by, shown only.
    BaseSubject(String),
}

/// What an address is to a conversation.
///
/// To know a Message-ID is enough to write into a thread, and anybody can name anybody in To and
/// Cc. So nobody becomes a party by writing or by being named: only by what we did, or by records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Wrote into it, and that is all.
    Outsider,
    /// Of the same organisation as somebody below (never at a free-mail provider): an answer of
    /// theirs is an answer, their account is their own matter.
    Colleague,
    /// Began it, or it began with a mail of ours to them.
    Began,
    /// A person of ours wrote to them there, or they were matched to the account of the thread.
    Party,
}

impl Standing {
    /// Whether what they write there counts as an answer.
    #[must_use]
    pub fn may_answer(self) -> bool {
        self != Standing::Outsider
    }

    /// The byte under which it is kept.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Standing::Outsider => 0,
            Standing::Colleague => 1,
            Standing::Began => 2,
            Standing::Party => 3,
        }
    }

    /// What a byte stands for; an unknown one gives no standing.
    #[must_use]
    pub fn from_code(code: u8) -> Standing {
        match code {
            1 => Standing::Colleague,
            2 => Standing::Began,
            3 => Standing::Party,
            _ => Standing::Outsider,
        }
    }
}

/// Under which names the standing of an address is kept: itself without its `+tag`, and for
/// colleagues its organisation (`@example.com`, the registrable domain), which a free-mail
/// provider is not.
#[must_use]
pub fn standing_names(address: &Address, free_mail: &FreeMail) -> (String, Option<String>) {
    let own = address
        .without_tag()
        .map_or_else(|| address.key(), |base| base.key());
    let domain = registrable(address.domain().as_str());
    let shared = domain.filter(|domain| !free_mail.has(domain));
    (own, shared.map(|domain| format!("@{domain}")))
}

/// Cuts a list of ids to its first and last [`MAX_REFERENCES_PER_END`].
#[must_use]
pub fn cap_references(ids: &[String]) -> Vec<String> {
    let both = MAX_REFERENCES_PER_END.saturating_mul(2);
    if ids.len() <= both {
        return ids.to_vec();
    }
    let last = ids.len().saturating_sub(MAX_REFERENCES_PER_END);
    let (head, tail) = (ids.get(..MAX_REFERENCES_PER_END), ids.get(last..));
    [head.unwrap_or_default(), tail.unwrap_or_default()].concat()
}

/// By what the thread may be found, in the order in which to look.
///
/// Every id comes once; the message's own id, which looping programs put there, never. The base
/// subject comes last, and only where the subject or the header says that this is an answer.
#[must_use]
pub fn thread_candidates(view: &MessageView) -> Vec<ThreadEvidence> {
    let mut seen: Vec<&str> = view.message_id.as_deref().into_iter().collect();
    let mut out = Vec::new();
    for id in view.in_reply_to.iter().take(MAX_REFERENCES_PER_END) {
        if !seen.contains(&id.as_str()) {
            seen.push(id);
            out.push(ThreadEvidence::InReplyTo(id.clone()));
        }
    }
    let references = cap_references(&view.references);
    for id in references.iter().rev() {
        if !seen.contains(&id.as_str()) {
            seen.push(id);
            out.push(ThreadEvidence::Reference(id.clone()));
        }
    }
    if let Some(prefix) = &view.thread_index {
        out.push(ThreadEvidence::ThreadIndex(prefix.clone()));
    }
    let answers = !out.is_empty() || view.base_subject != view.subject;
    if answers && !view.base_subject.is_empty() {
        out.push(ThreadEvidence::BaseSubject(
            view.base_subject.to_lowercase(),
        ));
    }
    out
}

/// The id of the thread that this message starts, or would have started.
///
/// Derived from the root: the first of References, else In-Reply-To, else the message's own id.
/// So a reply that arrives before its original names the same thread.
#[must_use]
pub fn new_thread_id(view: &MessageView) -> ThreadId {
    let own = view.message_id.as_ref();
    let other = |id: &&String| Some(*id) != own;
    let root = view
        .references
        .iter()
        .find(other)
        .or_else(|| view.in_reply_to.iter().find(other));
    match root.or(own) {
        Some(id) => ThreadId(derive("liaison thread 1", &[id.as_bytes()])),
        None => ThreadId(derive(
            "liaison thread 1",
            &[view.key().as_str().as_bytes()],
        )),
    }
}

/// The shared prefix of a Thread-Index field, `None` when it is too short to hold one.
pub(crate) fn thread_index_prefix(value: &str) -> Option<String> {
    let compact: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    let base64 = compact
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
    let long_enough = compact.len() >= THREAD_INDEX_CHARS;
    (base64 && long_enough).then(|| compact.chars().take(THREAD_INDEX_CHARS).collect())
}

#[cfg(test)]
mod tests;
