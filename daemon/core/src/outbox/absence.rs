//! What an absence note of its recipient means for a mail that waits (H-OOO).

use super::MailState;
use crate::business_time::BusinessCalendar;
use crate::effect::{Audience, MailEffect, MailMode};
use crate::time::{DAY_MS, Timestamp};

/// Longest that a mail waits for somebody's return by itself: what is further away may be a
/// misread date or a joke, and much will have happened by then.
pub const AWAY_MS_MAX: i64 = 60 * DAY_MS;

/// What an absence means for a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Away {
    /// Nothing: somebody waits for it, or it may not leave by itself anyway.
    Nothing,
    /// It leaves on the working day after the return.
    Until(Timestamp),
    /// The return is too far away: a person decides.
    TooLong,
}

/// Decides about a mail to somebody who is back on the day that begins at `returns`. A mail that
/// offers times is not held up, for these would lapse; nor is one that a server was offered before,
/// whose tries have their own end.
#[must_use]
pub fn heed(
    mail: &MailEffect,
    returns: Timestamp,
    now: Timestamp,
    calendar: &BusinessCalendar,
) -> Away {
    let asks_again = mail.audience == Audience::Counterpart
        && mail.mode == MailMode::Send
        && mail.cancel_on_reply
        && mail.requires.is_empty();
    let waits = matches!(mail.state, MailState::Scheduled | MailState::Deferred);
    if !asks_again || !waits || mail.attempts > 0 {
        return Away::Nothing;
    }
    if returns.since(now) > AWAY_MS_MAX {
        return Away::TooLong;
    }
    match calendar.add_business_days(returns, 1) {
        after if after > mail.not_before => Away::Until(after),
        _ => Away::Nothing,
    }
}
