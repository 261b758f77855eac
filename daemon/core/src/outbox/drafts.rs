//! A draft that lies in its owner's Drafts: whether it is still there, and who is told when it was
//! overtaken after its owner had changed it.
//!
//! A mail program that saves a draft writes a new message and removes the old one, and may give it
//! other ids. So that a draft is not there at one moment says nothing: it has to be missed for
//! [`DRAFT_GONE_MS`], in Drafts and in Sent.

use crate::effect::{Cause, MailEffect};
use crate::ids::{EffectId, TaskId, derive};
use crate::message::cut_text;
use crate::records::{TITLE_CHARS_MAX, TaskRecord};
use crate::time::{DAY_MS, HOUR_MS, Timestamp};

/// How often it is looked whether a draft is still there, and whether it may still be sent.
pub const DRAFT_LOOK_MS: i64 = HOUR_MS;
/// How long a draft is missed before it counts as deleted: a program that sends later (a laptop that
/// is closed, a mail that is put off until the morning) keeps it elsewhere until then.
pub const DRAFT_GONE_MS: i64 = DAY_MS;
/// Who called off a draft that is gone.
pub const OWNER: &str = "its owner";

/// What follows from a look into Drafts and Sent that saw a draft in neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// Missed since then: it is looked for again.
    Since(Timestamp),
    /// Its owner deleted it.
    Deleted,
}

/// What follows from not finding a draft; `missing_since` is what earlier looks came to.
#[must_use]
pub fn missed(missing_since: Option<Timestamp>, now: Timestamp) -> Missed {
    match missing_since {
        Some(since) if now.since(since) >= DRAFT_GONE_MS => Missed::Deleted,
        since => Missed::Since(since.unwrap_or(now)),
    }
}

/// The task by which the owner is told of a changed draft that was overtaken and is left to them.
#[must_use]
pub fn left_task_id(mail: &EffectId) -> TaskId {
    let id = derive("liaison draft left 1", &[mail.as_str().as_bytes()]);
    TaskId(format!("task-{}", id.get(..16).unwrap_or(&id)))
}

/// The task itself; `why` says what overtook the draft.
#[must_use]
pub fn left_task(mail: &MailEffect, why: &str, owner: Option<&str>, now: Timestamp) -> TaskRecord {
    let (id, to) = (&mail.id, &mail.recipient);
    let cause = Cause {
        label: "draft overtaken".to_owned(),
        reason: format!("the draft {id} was called off ({why}), and its owner had changed it"),
        ..mail.cause.clone()
    };
    let title = format!("Your draft to {to} was overtaken: {}", mail.subject_line);
    TaskRecord {
        title: cut_text(&title, TITLE_CHARS_MAX),
        body: format!(
            "{why}.\nYou changed this draft, so it is left in your Drafts: look at it again before \
             you send it, or delete it.\nWhat it was for: `liaison outbox show {id}`\n"
        ),
        owner: owner.map(str::to_owned),
        ..TaskRecord::new(left_task_id(id), cause, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_that_is_not_there_at_one_moment_is_not_deleted() {
        let start = Timestamp(1_000);
        assert_eq!(missed(None, start), Missed::Since(start));
        let soon = start.plus_millis(DRAFT_GONE_MS - 1);
        assert_eq!(missed(Some(start), soon), Missed::Since(start));
        let late = start.plus_millis(DRAFT_GONE_MS);
        assert_eq!(missed(Some(start), late), Missed::Deleted);
        // However long nobody looked: one look is one look.
        assert_eq!(missed(None, late), Missed::Since(late));
    }
}
