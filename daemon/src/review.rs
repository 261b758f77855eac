//! Senders who may belong to several accounts: the question is kept, a person answers, and the
//! answer teaches.
//!
//! | state | means | leaves it by |
//! |---|---|---|
//! | open | nobody decided | resolve: resolved; dismiss: dismissed |
//! | open, stale | the same, and no message for some days | as open; another message: open |
//! | resolved | the address or its domain is an account's | reopen; another message that the rule does not cover: open |
//! | dismissed | it need not be decided | reopen |
//!
//! One question per address and set of candidates. A resolved one gives the account to the messages
//! that wait ([`decide`]); no plugin is asked again about what it was already asked, so that every
//! message keeps its one outcome.

pub mod decide;

use liaison_core::account::matching::MatchOutcome;
use liaison_core::ids::{AccountId, derive};
use liaison_core::message::MessageRecord;
use liaison_core::time::{DAY_MS, Timestamp};

use crate::accounts::whose::Whose;
use crate::books::rows::{ReviewRow, ReviewState};
use crate::books::{Books, BooksError, keys, replace};
use crate::store::Batch;

/// Most messages of a question that get the account when it is answered, the newest.
pub const MESSAGES_MAX: usize = 32;
/// Most reasons kept of a question: a row fits into 4 KiB.
const EVIDENCE_MAX: usize = 4;
/// Digits of an id.
const ID_CHARS: usize = 16;

/// The id of the question between these accounts for an address in lookup form.
#[must_use]
pub fn review_id(address: &str, candidates: &[AccountId]) -> String {
    let mut names: Vec<&str> = candidates.iter().map(AccountId::as_str).collect();
    names.sort_unstable();
    let mut parts = vec![address.as_bytes()];
    parts.extend(names.iter().map(|name| name.as_bytes()));
    derive("liaison review 1", &parts)
        .chars()
        .take(ID_CHARS)
        .collect()
}

/// Whether the suggestions of a question are older than `days` without another message.
#[must_use]
pub fn is_stale(row: &ReviewRow, days: u32, now: Timestamp) -> bool {
    row.state == ReviewState::Open && now.since(row.last) >= i64::from(days).saturating_mul(DAY_MS)
}

/// Stages the question whose a message is, when the match found several accounts. What a machine
/// wrote asks nothing, and neither does whoever lies about their address.
///
/// # Errors
/// As the store.
pub async fn stage(
    books: &Books,
    writes: &mut Batch,
    whose: &Whose,
    (message, now): (&MessageRecord, Timestamp),
) -> Result<(), BooksError> {
    let matched = &whose.matched;
    let asks = matched.outcome == MatchOutcome::Ambiguous && message.authenticity != "fail";
    let Some(address) = whose.address.as_ref().filter(|_| asks) else {
        return Ok(());
    };
    let address = address.key();
    let id = review_id(&address, &matched.candidates);
    let key = keys::review(&id);
    let seen = books.get::<ReviewRow>(key.clone()).await?;
    let version = seen.as_ref().map(|stored| stored.version);
    let mut row = seen
        .map(|stored| stored.record)
        .unwrap_or_else(|| ReviewRow {
            id,
            address,
            candidates: matched.candidates.clone(),
            evidence: Vec::new(),
            first: now,
            last: now,
            count: 0,
            messages: Vec::new(),
            state: ReviewState::Open,
        });
    // How far the sender is proven is said of each message, not of the question.
    let reasons = matched.evidence.iter().filter(|one| !one.is_about_sender());
    row.evidence = reasons.take(EVIDENCE_MAX).cloned().collect();
    row.last = now;
    row.count = row.count.saturating_add(1);
    row.messages.push(message.key.clone());
    let surplus = row.messages.len().saturating_sub(MESSAGES_MAX);
    row.messages.drain(..surplus);
    if let ReviewState::Resolved { .. } = row.state {
        row.state = ReviewState::Open;
    }
    replace(writes, key, version, &row)
}

#[cfg(test)]
mod tests;
