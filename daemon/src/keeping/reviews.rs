//! Questions whose a sender is, that nobody needs any more: they go with the facts they are about,
//! and above a number the ones that were asked longest ago.
//!
//! A question is no work that gets lost: the next message of its sender asks it anew. What an
//! answer taught is kept until a person takes it back, and with it the question by which they do.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use liaison_core::time::Timestamp;

use super::forget::{Forgetting, all_under};
use crate::books::rows::{MatchRuleRow, ReviewRow};
use crate::books::{Books, BooksError, keys};
use crate::review::decide::state_word;
use crate::store::{Dir, Key, Ns, Range};

/// Questions in one state that are kept, of some 2 KiB each: strangers can raise as many as they
/// can make up addresses in a domain that two accounts share, and nobody reads ten thousand.
pub(super) const REVIEWS_MAX: usize = 10_000;

/// A question that may go: when its last message came, its id and version; some 100 bytes.
type Old = (Timestamp, String, u64);

/// Removes questions whose last message is older than `until`, and of each state those above
/// `most`; tells how many rows that were.
///
/// # Errors
/// As the store; what was removed stays removed.
pub(super) async fn forget_reviews(
    books: &Books,
    until: Option<Timestamp>,
    most: usize,
) -> Result<u64, BooksError> {
    let mut teaching = HashSet::new();
    let rule = |rule: MatchRuleRow| {
        teaching.insert(rule.review);
    };
    books.each(Range::all(Ns::MatchRule), rule).await?;
    let mut by_state: BTreeMap<&'static str, Vec<Old>> = BTreeMap::new();
    books
        .each_row(Range::all(Ns::Review), Dir::Forward, |key, row| {
            let key = Key::new(Ns::Review, key);
            let stored = row.record::<ReviewRow>(&key)?;
            let (version, row) = (stored.version, stored.record);
            if !teaching.contains(&row.id) {
                let same = by_state.entry(state_word(&row.state)).or_default();
                same.push((row.last, row.id, version));
            }
            Ok(ControlFlow::Continue(()))
        })
        .await?;
    let mut forgetting = Forgetting::new(books, until.unwrap_or(Timestamp(i64::MIN)));
    for mut old in by_state.into_values() {
        old.sort_unstable_by_key(|(last, ..)| *last);
        let surplus = old.len().saturating_sub(most);
        for (nth, (last, id, version)) in old.into_iter().enumerate() {
            if nth >= surplus && until.is_none_or(|until| last >= until) {
                break;
            }
            let key = keys::review(&id);
            let mut rows = all_under(books, keys::audit_of(&id)).await?;
            rows.push(key.clone());
            forgetting.remove_with(&key, version, rows).await?;
        }
    }
    Ok(forgetting.removed())
}

#[cfg(test)]
mod tests;
