//! What the two connections of a mailbox tell each other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use liaison_core::time::Timestamp;

use super::folders::OwnNames;

/// UIDVALIDITY and UIDNEXT of a mailbox.
pub(super) type Seen = (u32, u32);

/// Short locks without await.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Notes>);

#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The line of the inbox is drawn, so that there is work to do.
    pub(super) ready: bool,
    /// The own folders, as last found.
    pub(super) names: OwnNames,
    /// Sent as it was at its last complete look.
    pub(super) sent_seen: Option<Seen>,
    /// Sent is not as it was, or nobody can say.
    pub(super) sent_changed: bool,
    /// Sent cannot be opened; it is tried again then, or when it appears.
    pub(super) sent_barred: Option<Timestamp>,
    /// Sent as the server told it last, if it did.
    pub(super) sent_told: Option<Seen>,
    /// A message could not be read; when it is asked for again stands in the intake.
    pub(super) unread_found: bool,
    /// There may be old messages to be shown to the plugins.
    pub(super) backfill: bool,
    /// ... but not before.
    pub(super) backfill_at: Option<Timestamp>,
    /// There is more to do at once.
    pub(super) more: bool,
    /// When there is something to do next.
    pub(super) due: Option<Timestamp>,
    /// What is known of the inbox is not true any more; the watch has to open it anew.
    pub(super) revisit: bool,
}

impl Board {
    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    pub(super) fn backfill_due(&self, now: Timestamp) -> bool {
        self.backfill && self.backfill_at.is_none_or(|at| at <= now)
    }

    /// When there is something to do next, as far as that is known.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let backfill = self.backfill_at.filter(|_| self.backfill);
        self.due.into_iter().chain(backfill).min()
    }

    /// Whether there is work to do by `now`.
    pub(super) fn wants_work(&self, now: Timestamp) -> bool {
        let due = self.due.is_some_and(|at| at <= now);
        self.ready
            && (self.more
                || self.sent_changed
                || self.unread_found
                || self.backfill_due(now)
                || due)
    }
}
