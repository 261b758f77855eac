//! Which conversation a message belongs to.

use serde::{Deserialize, Serialize};

use super::MessageView;
use super::address::Address;
use super::charset::TransferEncoding;
use crate::account::free_mail::FreeMail;
use crate::account::matching::registrable;
use crate::ids::{ThreadId, derive};
use crate::message::MESSAGE_ID_BYTES_MAX;
use crate::time::{DAY_MS, Timestamp};

/// Ids kept from either end of a long References field.
pub const MAX_REFERENCES_PER_END: usize = 20;
/// Octets of Thread-Index that name an Outlook conversation: a mark, the time, a GUID (MS-OXOMSG
/// 2.2.1.3); each answer adds five behind them.
const THREAD_INDEX_BYTES: usize = 22;
/// The mark with which they begin.
const THREAD_INDEX_MARK: u8 = 1;
/// Characters of an id of a server's own making; shorter ones are queue ids, which come again.
const MIN_SERVER_ID_CHARS: usize = 20;
/// Ids taken from one answer of a server.
const MAX_SERVER_IDS: usize = 4;
/// How long after a message one with its subject alone may belong to it.
pub const WEAK_WINDOW_MS: i64 = 14 * DAY_MS;

/// One thing by which a thread may be found, strongest first in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by", content = "value")]
pub enum ThreadEvidence {
    /// A Message-ID from In-Reply-To.
    InReplyTo(String),
    /// A Message-ID from References.
    Reference(String),
    /// The Message-ID of the mail that a delivery report is about.
    Bounced(String),
    /// The prefix of Thread-Index that all messages of an Outlook conversation share.
    ThreadIndex(String),
    /// The base subject (RFC 5256 2.1) of what says that it is an answer. Weak: with the same
    /// people within [`WEAK_WINDOW_MS`] it tells where a message may belong, and joins nothing.
    BaseSubject(String),
}

impl ThreadEvidence {
    /// The word under which it is kept, and what was compared.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            ThreadEvidence::InReplyTo(id) => ("in_reply_to", id),
            ThreadEvidence::Reference(id) => ("reference", id),
            ThreadEvidence::Bounced(id) => ("bounced", id),
            ThreadEvidence::ThreadIndex(prefix) => ("thread_index", prefix),
            ThreadEvidence::BaseSubject(subject) => ("base_subject", subject),
        }
    }
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
/// subject comes last, only where the subject or the header says that this is an answer, and never
/// for automatic mail: programs write the same subject again and again.
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
    let bounced = view.class.bounce.as_ref();
    let bounced = bounced.and_then(|report| report.original_message_id.as_ref());
    if let Some(id) = bounced.filter(|id| !seen.contains(&id.as_str())) {
        out.push(ThreadEvidence::Bounced(id.clone()));
    }
    if let Some(prefix) = &view.thread_index {
        out.push(ThreadEvidence::ThreadIndex(prefix.clone()));
    }
    let answers = !out.is_empty() || view.base_subject != view.subject.trim();
    if answers && !view.base_subject.is_empty() && !view.class.class.is_automatic() {
        out.push(ThreadEvidence::BaseSubject(
            view.base_subject.to_lowercase(),
        ));
    }
    out
}

/// Whether a message may belong to the conversation of an earlier one with its base subject: its
/// sender took part in that one, so did somebody it is written to, and not too long ago.
///
/// `earlier` are the addresses of the earlier message; both times are those of arrival.
#[must_use]
pub fn may_continue(
    view: &MessageView,
    received: Timestamp,
    (earlier, at): (&[&str], Timestamp),
) -> bool {
    let took_part = |address: &Address| {
        let own = address.key();
        let base = address.without_tag().map(|base| base.key());
        earlier
            .iter()
            .any(|other| *other == own || base.as_deref() == Some(other))
    };
    let apart = received.since(at);
    let from = view.from.first();
    (0..=WEAK_WINDOW_MS).contains(&apart)
        && from.is_some_and(|from| took_part(&from.address))
        && view
            .to
            .iter()
            .chain(&view.cc)
            .any(|to| from.is_none_or(|from| from.address != to.address) && took_part(&to.address))
}

/// The ids that a mail got on its way, as the server's answer to it tells: some replace the
/// Message-ID (`250 2.0.0 OK <id@example.outlook.com>`, `250 Ok 0102018e...-000000`), and answers
/// name theirs. Without brackets; of the second kind the part before the `@`.
#[must_use]
pub fn server_ids(reply: &str) -> Vec<String> {
    let plain = |word: &str| {
        let word = word.trim_matches(['<', '>', ',', ';', '(', ')', '[', ']', '.']);
        let long = word.len() >= MIN_SERVER_ID_CHARS && word.len() <= MESSAGE_ID_BYTES_MAX;
        let spelled = word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.@+=$".contains(c));
        let counted = word.chars().any(|c| c.is_ascii_digit());
        (long && spelled && counted && !word.contains('=')).then(|| word.to_owned())
    };
    if !reply.trim_start().starts_with('2') {
        return Vec::new();
    }
    reply
        .split_whitespace()
        .filter_map(plain)
        .take(MAX_SERVER_IDS)
        .collect()
}

/// The part of an id by which one of a server's own making is known, whatever domain the mail got
/// with it; `None` for one that is too short to be told from others by it.
#[must_use]
pub fn server_id_part(id: &str) -> Option<&str> {
    let part = id.rsplit_once('@').map_or(id, |(local, _)| local);
    (part.len() >= MIN_SERVER_ID_CHARS).then_some(part)
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

/// What all messages of a conversation share of Thread-Index, in hexadecimal; `None` when the field
/// is too short to hold it or no index at all.
pub(crate) fn thread_index_prefix(value: &str) -> Option<String> {
    let compact: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    let base64 = compact
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
    let octets = TransferEncoding::Base64.decode(compact.as_bytes());
    let shared = octets.get(..THREAD_INDEX_BYTES)?;
    // All octets alike are what broken programs write.
    let varied = shared
        .iter()
        .skip(1)
        .any(|octet| Some(octet) != shared.get(1));
    let fits = base64 && varied && shared.first() == Some(&THREAD_INDEX_MARK);
    fits.then(|| shared.iter().map(|octet| format!("{octet:02x}")).collect())
}

#[cfg(test)]
mod tests;
