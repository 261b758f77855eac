//! Old messages that a person wants shown to the plugins: they are asked and their proposals
//! judged and recorded; nothing else follows.
//!
//! An event of a message that is history is such a rehearsal, whoever made it an event: of that
//! kind there is no other. No loop is closed by it, and it leaves no effect, no timer, no memory,
//! no strike and nothing that waits.

use liaison_core::message::MessageRecord;
use liaison_core::policy::{Modes, VerdictResult};

use super::call::{Called, Strike};
use crate::app::accepted::rehearsing;
use crate::books::rows::CallEnd;

/// Whether the event of this message only rehearses.
pub(super) fn is_rehearsal(message: Option<&MessageRecord>) -> bool {
    message.is_some_and(|message| message.historical)
}

/// The message as if it came now, so that it is judged as such a one would be.
pub(super) fn as_if_new(message: &MessageRecord) -> MessageRecord {
    MessageRecord {
        historical: false,
        ..message.clone()
    }
}

/// What a plugin may do about it.
pub(super) fn modes(granted: Modes, rehearsal: bool) -> Modes {
    match rehearsal {
        true => rehearsing(granted),
        false => granted,
    }
}

impl Called {
    /// Only what is recorded of it.
    pub(super) fn only_recorded(mut self) -> Called {
        self.decision.plans.clear();
        for verdict in &mut self.decision.verdicts {
            let done = |result: &VerdictResult| {
                !matches!(result, VerdictResult::Refused | VerdictResult::Repeated(_))
            };
            if done(&verdict.result) {
                verdict.result = VerdictResult::Rehearsed;
            }
        }
        self.kv_writes.clear();
        self.wait = None;
        self.strike = Strike::None;
        self.row.end = match self.row.end {
            CallEnd::Waiting(_, why) | CallEnd::Parked(why) => {
                CallEnd::Skipped(format!("not tried again in a rehearsal: {why}"))
            }
            end => end,
        };
        self
    }
}

/// What became of it, in one sentence.
pub(super) fn summary(told: &str) -> String {
    format!("rehearsed: from history, nothing was done; {told}")
}
