//! The states of a mail and the steps between them.
//!
//! | from | input | to |
//! |---|---|---|
//! | proposed | holds placed, mode approve | held |
//! | proposed | holds placed, mode draft or send | scheduled |
//! | proposed | a hold is lost | cancelled |
//! | held | approve / reject | approved / rejected |
//! | held | nobody decided for [`APPROVAL_MS`], and nothing of it was tried | expired |
//! | approved, scheduled, deferred | needs a person | held |
//! | approved, scheduled, deferred | lease | leased(before-dot) |
//! | leased(before-dot) | draft placed | drafted |
//! | leased(before-dot) | found in Sent: the owner sent the draft before we knew of it | sent |
//! | leased(before-dot) | entering the body | leased(after-dot) |
//! | leased(before-dot) | not sent, refused for now | deferred |
//! | leased | refused for good | failed |
//! | leased | not sent, and tried for two days | held |
//! | leased(after-dot) | accepted / refused for now / no verdict | sent / deferred / uncertain |
//! | leased(after-dot) | crash | uncertain |
//! | uncertain, or waiting for a person or another try after it | found in Sent, or proven so | sent |
//! | uncertain | not found | held |
//! | uncertain | not found, and its mailbox says that it is sent again | deferred |
//! | uncertain, held | a person knows that it was sent | resolved(sent) |
//! | uncertain | a person knows that it was not sent | approved |
//! | held | a person knows that it was not sent, and nothing of it was tried | resolved(not sent) |
//! | failed | a person has seen it | resolved(sent or not) |
//! | failed | a person wants another try | approved |
//! | drafted | found in Sent | sent |
//! | drafted | neither in Drafts nor in Sent for [`DRAFT_GONE_MS`] | cancelled |
//! | final, and not sent | found in Sent after all | sent |
//! | any that is not final | restored from a backup | uncertain |
//! | any before leased, drafted | overtaken | cancelled |
//! | held, approved, scheduled, deferred | a person changed its words | superseded |
//!
//! `sent`, `failed`, `resolved`, `rejected`, `cancelled`, `superseded` and `expired` are final: of
//! themselves nothing more happens. Only a person takes a mail out of `failed`, and only a copy in
//! Sent, an answer or a delivery report proves that a mail in doubt went out all the same.
//!
//! The bytes of a mail never change: `liaison outbox edit` makes a new mail, in the state that the
//! old one had, and the old one is `superseded`. The same wish of a plugin again has the key of the
//! old one and is a repeat.

pub mod absence;
pub mod approval;
pub mod words;

pub mod drafts;

mod edited;
mod refusal;

use std::fmt;

pub use drafts::{DRAFT_GONE_MS, DRAFT_LOOK_MS};
pub use edited::{difference, is_edit};
pub use refusal::{Refusal, weigh};
use serde::{Deserialize, Serialize};

use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};

/// How far an attempt got, durable before the next part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Not a byte of the body was sent: a crash here is tried again.
    BeforeDot,
    /// The body may have been sent: a crash here is `uncertain`.
    AfterDot,
}

/// Where a mail stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// Decided; waits for holds that it offers.
    Proposed,
    /// Waits for a person.
    Held,
    /// Lies in the owner's Drafts mailbox.
    Drafted,
    /// A person said yes.
    Approved,
    /// Waits for its time.
    Scheduled,
    /// Being carried out.
    Leased(Phase),
    /// The server took it.
    Sent,
    /// Refused or unreachable for now.
    Deferred,
    /// Refused for good, or given up.
    Failed,
    /// Nobody can say whether it went out.
    Uncertain,
    /// A person found out whether it went out.
    Resolved {
        /// It did.
        sent: bool,
    },
    /// A person said no.
    Rejected,
    /// Overtaken by events.
    Cancelled {
        /// By whom or what.
        by: String,
        /// Why.
        why: String,
    },
    /// Another mail took its place: a person changed its words.
    Superseded,
    /// Nobody approved it in time.
    Expired,
}

impl MailState {
    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            MailState::Proposed => "proposed",
            MailState::Held => "held",
            MailState::Drafted => "drafted",
            MailState::Approved => "approved",
            MailState::Scheduled => "scheduled",
            MailState::Leased(_) => "leased",
            MailState::Sent => "sent",
            MailState::Deferred => "deferred",
            MailState::Failed => "failed",
            MailState::Uncertain => "uncertain",
            MailState::Resolved { .. } => "resolved",
            MailState::Rejected => "rejected",
            MailState::Cancelled { .. } => "cancelled",
            MailState::Superseded => "superseded",
            MailState::Expired => "expired",
        }
    }

    /// Whether nothing more will happen to it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            MailState::Sent
                | MailState::Failed
                | MailState::Resolved { .. }
                | MailState::Rejected
                | MailState::Cancelled { .. }
                | MailState::Superseded
                | MailState::Expired
        )
    }

    /// Whether events may still call it off: nothing of it is with a server.
    #[must_use]
    pub fn can_be_cancelled(&self) -> bool {
        matches!(
            self,
            MailState::Proposed
                | MailState::Held
                | MailState::Approved
                | MailState::Scheduled
                | MailState::Deferred
                | MailState::Drafted
        )
    }

    /// Whether a person may still give it another time, or other words: it is decided, waits, and
    /// nothing of it is with a server.
    #[must_use]
    pub fn can_be_moved(&self) -> bool {
        *self == MailState::Held || self.is_due_work()
    }

    /// Whether the delivery worker has something to do, once its time has come.
    #[must_use]
    pub fn is_due_work(&self) -> bool {
        matches!(
            self,
            MailState::Approved | MailState::Scheduled | MailState::Deferred
        )
    }

    /// Whether the worker looks at it when its time comes: to carry it out, to find out what became
    /// of it, to see whether a draft still lies where it was laid, or to recover it after a crash.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.is_due_work()
            || matches!(
                self,
                MailState::Leased(_) | MailState::Uncertain | MailState::Drafted
            )
    }

    /// Whether nobody will hear of it any more, and nobody did: what was done for it alone can be
    /// undone.
    #[must_use]
    pub fn came_to_nothing(&self) -> bool {
        self.is_final() && !self.counts_as_contact()
    }

    /// Whether it is known to have gone out.
    #[must_use]
    pub fn went_out(&self) -> bool {
        matches!(self, MailState::Sent | MailState::Resolved { sent: true })
    }

    /// Whether it reached, or may have reached, or may still reach the recipient: what the
    /// frequency cap counts.
    #[must_use]
    pub fn counts_as_contact(&self) -> bool {
        !matches!(
            self,
            MailState::Failed
                | MailState::Resolved { sent: false }
                | MailState::Rejected
                | MailState::Cancelled { .. }
                | MailState::Superseded
                | MailState::Expired
        )
    }

    /// The state after `input`, or why there is none.
    ///
    /// # Errors
    /// When the table above has no such step.
    pub fn step(&self, input: Input) -> Result<MailState, IllegalStep> {
        use Input as I;
        use MailState as S;
        let next = match (self, &input) {
            (S::Proposed, I::Ready { approval: true }) => S::Held,
            (S::Proposed, I::Ready { approval: false }) => S::Scheduled,
            (S::Held, I::Approve) => S::Approved,
            (S::Held, I::Reject) => S::Rejected,
            (S::Held, I::Expire) => S::Expired,
            (S::Approved | S::Scheduled | S::Deferred | S::Leased(_), I::NeedsPerson) => S::Held,
            (S::Approved | S::Scheduled | S::Deferred, I::Lease) => S::Leased(Phase::BeforeDot),
            (S::Leased(Phase::BeforeDot), I::EnterBody) => S::Leased(Phase::AfterDot),
            (S::Leased(Phase::BeforeDot), I::DraftPlaced) => S::Drafted,
            (S::Leased(Phase::BeforeDot), I::FoundInSent) => S::Sent,
            (S::Leased(_), I::NotSent) => S::Deferred,
            (S::Leased(_), I::Refused { transient: true }) => S::Deferred,
            (S::Leased(_), I::Refused { transient: false } | I::GiveUp) => S::Failed,
            (S::Leased(Phase::AfterDot), I::Accepted) => S::Sent,
            (S::Leased(Phase::AfterDot), I::NoVerdict) => S::Uncertain,
            (
                S::Uncertain | S::Drafted | S::Held | S::Approved | S::Scheduled | S::Deferred,
                I::FoundInSent,
            ) => S::Sent,
            // What was called off can still go out: its owner sends the draft, or a copy turns up.
            (
                S::Cancelled { .. }
                | S::Rejected
                | S::Expired
                | S::Failed
                | S::Superseded
                | S::Resolved { sent: false },
                I::FoundInSent,
            ) => S::Sent,
            (S::Uncertain, I::NotFound) => S::Held,
            (S::Uncertain, I::Resend) => S::Deferred,
            (S::Uncertain, I::Resolve { sent: false }) => S::Approved,
            (S::Uncertain | S::Held | S::Failed, I::Resolve { sent }) => {
                S::Resolved { sent: *sent }
            }
            (S::Failed, I::TryAgain) => S::Approved,
            (state, I::Supersede) if state.can_be_moved() => S::Superseded,
            (state, I::Restored) if !state.is_final() => S::Uncertain,
            (state, I::Cancel { by, why }) if state.can_be_cancelled() => S::Cancelled {
                by: by.clone(),
                why: why.clone(),
            },
            _ => {
                return Err(IllegalStep {
                    from: self.clone(),
                    input,
                });
            }
        };
        Ok(next)
    }
}

impl fmt::Display for MailState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MailState::Leased(Phase::BeforeDot) => f.write_str("leased (before-dot)"),
            MailState::Leased(Phase::AfterDot) => f.write_str("leased (after-dot)"),
            MailState::Resolved { sent: true } => f.write_str("resolved (sent)"),
            MailState::Resolved { sent: false } => f.write_str("resolved (not sent)"),
            MailState::Cancelled { by, why } => write!(f, "cancelled (by {by}: {why})"),
            other => f.write_str(other.as_str()),
        }
    }
}

/// What happens to a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// All holds that it offers are placed.
    Ready {
        /// A person must say yes first.
        approval: bool,
    },
    /// A person says yes.
    Approve,
    /// A person says no.
    Reject,
    /// Nobody said anything for [`APPROVAL_MS`].
    Expire,
    /// It cannot go out by itself: a gate or the configuration stands against it.
    NeedsPerson,
    /// The worker takes it up.
    Lease,
    /// `354` was read; the body follows.
    EnterBody,
    /// It lies in Drafts.
    DraftPlaced,
    /// Nothing was handed over.
    NotSent,
    /// The server refused.
    Refused {
        /// For now only.
        transient: bool,
    },
    /// Too many attempts, or too old.
    GiveUp,
    /// The server took it.
    Accepted,
    /// The dot may have been sent, and no verdict came (or we crashed).
    NoVerdict,
    /// A copy was found in Sent, or somebody outside has it: they answered, or a server reported.
    FoundInSent,
    /// Looked for and not found.
    NotFound,
    /// Looked for and not found, and its mailbox says that it is sent again then.
    Resend,
    /// A person wants another try of what was refused for good.
    TryAgain,
    /// A person changed its words: another mail takes its place.
    Supersede,
    /// A person knows.
    Resolve {
        /// It was sent.
        sent: bool,
    },
    /// The record comes from a backup: what it waits for may have happened since.
    Restored,
    /// Overtaken by events.
    Cancel {
        /// By whom or what.
        by: String,
        /// Why.
        why: String,
    },
}

/// `if_uncertain` of a mailbox: what becomes of a mail of which nobody knows whether the server took
/// it, and which is not found in Sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IfUncertain {
    /// A person decides: it never goes out twice by itself.
    #[default]
    Hold,
    /// The same bytes are sent again, once.
    Resend,
}

/// A step that the table does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a mail that is {from} cannot take the step {input:?}")]
pub struct IllegalStep {
    /// Where it stands.
    pub from: MailState,
    /// What was asked.
    pub input: Input,
}

/// Most attempts that ended without any answer of the server (a crash, no connection counts too
/// only while it is the mail itself that may be at fault): then a person looks.
pub const CRASHED_ATTEMPTS_MAX: u32 = 6;
/// How long a mail waits for a person's yes: two weeks, after which what it answers has moved on
/// and a yes would send stale words.
pub const APPROVAL_MS: i64 = 14 * DAY_MS;
/// How long transient refusals are tried again.
pub const RETRY_AGE_MAX_MS: i64 = 48 * HOUR_MS;
/// Least tries before that is the end: nights and weekends in which nothing leaves must not be all
/// that a mail was given.
const TRIES_MIN: u32 = 8;
/// Delays between tries, the last one repeated.
const RETRY_DELAYS_MS: [i64; 5] = [
    MINUTE_MS,
    5 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
];

/// When a mail is tried again; `None` once [`RETRY_AGE_MAX_MS`] has passed since `created` and it
/// was tried often enough.
///
/// `attempt` counts finished tries and starts at 1. The delay is spread by up to 20 % using
/// `seed`, so that mails which failed together do not come back together.
#[must_use]
pub fn next_attempt(
    attempt: u32,
    created: Timestamp,
    now: Timestamp,
    seed: u64,
) -> Option<Timestamp> {
    if now.since(created) > RETRY_AGE_MAX_MS && attempt >= TRIES_MIN {
        return None;
    }
    Some(now.plus_millis(retry_delay_ms(attempt, seed)))
}

/// How long to wait after try `attempt` (from 1) of something that failed and may pass, in
/// milliseconds: 1 minute to an hour, spread by up to 20 % using `seed`.
#[must_use]
pub fn retry_delay_ms(attempt: u32, seed: u64) -> i64 {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let delay = RETRY_DELAYS_MS
        .get(index)
        .or(RETRY_DELAYS_MS.last())
        .copied()
        .unwrap_or(HOUR_MS);
    let permille = i64::try_from(seed % 200).unwrap_or(0);
    let spread = delay.saturating_mul(permille) / 1000;
    delay.saturating_add(spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_states() -> Vec<MailState> {
        use MailState as S;
        let cancelled = S::Cancelled {
            by: "x".into(),
            why: "y".into(),
        };
        vec![
            S::Proposed,
            S::Held,
            S::Drafted,
            S::Approved,
            S::Scheduled,
            S::Leased(Phase::BeforeDot),
            S::Leased(Phase::AfterDot),
            S::Sent,
            S::Deferred,
            S::Failed,
            S::Uncertain,
            S::Resolved { sent: true },
            S::Rejected,
            cancelled,
            S::Superseded,
            S::Expired,
        ]
    }

    fn all_inputs() -> Vec<Input> {
        use Input as I;
        vec![
            I::Ready { approval: true },
            I::Ready { approval: false },
            I::Approve,
            I::Reject,
            I::Expire,
            I::NeedsPerson,
            I::Lease,
            I::EnterBody,
            I::DraftPlaced,
            I::NotSent,
            I::Refused { transient: true },
            I::Refused { transient: false },
            I::GiveUp,
            I::Accepted,
            I::NoVerdict,
            I::FoundInSent,
            I::NotFound,
            I::Resend,
            I::TryAgain,
            I::Supersede,
            I::Resolve { sent: false },
            I::Restored,
            I::Cancel {
                by: "x".into(),
                why: "y".into(),
            },
        ]
    }

    #[test]
    fn final_states_take_no_step_but_a_persons_out_of_failed_and_proof() {
        for state in all_states().into_iter().filter(MailState::is_final) {
            for input in all_inputs() {
                let of_a_person = matches!(input, Input::TryAgain | Input::Resolve { .. });
                let taken = state.step(input.clone()).is_ok();
                let went_out =
                    matches!(state, MailState::Sent | MailState::Resolved { sent: true });
                let allowed = (state == MailState::Failed && of_a_person)
                    || (!went_out && input == Input::FoundInSent);
                assert_eq!(taken, allowed, "{state} {input:?}");
            }
        }
    }

    #[test]
    fn only_a_mail_whose_body_may_be_out_can_become_sent_or_uncertain() {
        for state in all_states() {
            for input in all_inputs() {
                let Ok(next) = state.step(input.clone()) else {
                    continue;
                };
                if next == MailState::Sent {
                    let after_body = state == MailState::Leased(Phase::AfterDot);
                    let proven = input == Input::FoundInSent;
                    assert!(after_body || proven, "{state} {input:?}");
                }
                if next == MailState::Uncertain && input != Input::Restored {
                    assert_eq!(state, MailState::Leased(Phase::AfterDot));
                }
            }
        }
    }

    #[test]
    fn an_uncertain_mail_is_never_leased_again_by_itself() {
        assert!(MailState::Uncertain.step(Input::Lease).is_err());
        assert_eq!(
            MailState::Uncertain.step(Input::NotFound).unwrap(),
            MailState::Held
        );
        assert!(!MailState::Held.is_due_work());
        for state in all_states() {
            let again = state.step(Input::Resend).is_ok();
            assert_eq!(again, state == MailState::Uncertain, "{state}");
        }
    }

    #[test]
    fn only_a_mail_of_which_nothing_is_with_a_server_is_replaced_by_an_edited_one() {
        for state in all_states() {
            let replaced = state.step(Input::Supersede).is_ok();
            let words = ["held", "approved", "scheduled", "deferred"];
            assert_eq!(replaced, words.contains(&state.as_str()), "{state}");
        }
    }

    #[test]
    fn retries_slow_down_and_end_after_two_days() {
        let start = Timestamp(0);
        let delay = |attempt| next_attempt(attempt, start, start, 0).unwrap().0;
        assert_eq!(
            [delay(1), delay(2), delay(3), delay(4), delay(5), delay(50)],
            [60_000, 300_000, 900_000, 1_800_000, 3_600_000, 3_600_000]
        );
        let late = Timestamp(RETRY_AGE_MAX_MS + 1);
        assert!(next_attempt(TRIES_MIN, start, late, 0).is_none());
        // Greylisted on a Friday evening, looked at again on Monday.
        assert!(next_attempt(2, start, late, 0).is_some());
        assert!(next_attempt(1, start, start, 199).unwrap().0 <= 72_000);
    }
}
