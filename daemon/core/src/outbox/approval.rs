//! A held mail that nobody decides about: its owner is reminded, then somebody else is asked. By
//! itself it never goes out; after [`super::APPROVAL_MS`] it expires.
//!
//! That a person was told is a task, and the task is all that remembers it: its id follows from the
//! mail and from when it came to be held, so that each is told once, whatever happens in between.

use crate::business_time::{BusinessCalendar, BusinessDuration};
use crate::effect::{Cause, MailEffect};
use crate::ids::{EffectId, TaskId, derive};
use crate::message::cut_text;
use crate::records::{TITLE_CHARS_MAX, TaskRecord};
use crate::time::Timestamp;

/// `[approval]`: how long a held mail waits before somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// So long after it came to be held its owner is reminded.
    pub remind_after: BusinessDuration,
    /// So long after that somebody else is asked.
    pub escalate_after: BusinessDuration,
    /// Who; `None`: nobody else is asked.
    pub escalate_to: Option<String>,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            remind_after: BusinessDuration::BusinessDays(1),
            escalate_after: BusinessDuration::BusinessDays(1),
            escalate_to: None,
        }
    }
}

/// Who is told of a mail that waits too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nudge {
    /// Its owner.
    Remind,
    /// Whoever `[approval]` names.
    Escalate,
}

/// What is to be done about a held mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing before this time.
    Wait(Timestamp),
    /// Tell somebody now.
    Tell(Nudge),
    /// All were told.
    Done,
}

impl Nudge {
    /// Both, in their order.
    pub const ALL: [Nudge; 2] = [Nudge::Remind, Nudge::Escalate];

    /// The task by which somebody is told of a mail that is held since then.
    #[must_use]
    pub fn task_id(self, mail: &EffectId, since: Timestamp) -> TaskId {
        let step = match self {
            Nudge::Remind => "remind",
            Nudge::Escalate => "escalate",
        };
        let parts = [
            mail.as_str().as_bytes(),
            &since.0.to_be_bytes(),
            step.as_bytes(),
        ];
        let id = derive("liaison approval 1", &parts);
        TaskId(format!("task-{}", id.get(..16).unwrap_or(&id)))
    }

    /// The task itself.
    #[must_use]
    pub fn task(self, mail: &MailEffect, owner: Option<&str>, now: Timestamp) -> TaskRecord {
        let (id, to, since) = (&mail.id, &mail.recipient, mail.since);
        let cause = Cause {
            label: "approval".to_owned(),
            reason: format!("the mail {id} is held since {since}, and nobody decided"),
            ..mail.cause.clone()
        };
        let begin = match self {
            Nudge::Remind => "Decide on the mail to",
            Nudge::Escalate => "Nobody decides on the mail to",
        };
        let title = format!("{begin} {to}: {}", mail.subject_line);
        TaskRecord {
            urgent: self == Nudge::Escalate,
            title: cut_text(&title, TITLE_CHARS_MAX),
            body: format!(
                "It waits for a yes since {since} and does not go out by itself.\n\
                 Look at it: `liaison outbox show {id}`\n\
                 Then `liaison outbox approve {id}`, `edit {id}`, `reschedule {id}` or \
                 `reject {id}`.\n"
            ),
            owner: owner.map(str::to_owned),
            ..TaskRecord::new(self.task_id(id, since), cause, now)
        }
    }
}

impl Patience {
    /// When somebody is told of a mail that is held since then; `None` where nobody is.
    #[must_use]
    pub fn time_of(
        &self,
        nudge: Nudge,
        since: Timestamp,
        calendar: &BusinessCalendar,
    ) -> Option<Timestamp> {
        let remind = self.remind_after.after(since, calendar);
        match nudge {
            Nudge::Remind => Some(remind),
            Nudge::Escalate => {
                self.escalate_to.as_ref()?;
                Some(self.escalate_after.after(remind, calendar))
            }
        }
    }

    /// What comes next for a mail that is held since then; `told` says of whom there is a task.
    #[must_use]
    pub fn next(
        &self,
        (since, now): (Timestamp, Timestamp),
        told: impl Fn(Nudge) -> bool,
        calendar: &BusinessCalendar,
    ) -> Next {
        for nudge in Nudge::ALL {
            if told(nudge) {
                continue;
            }
            match self.time_of(nudge, since, calendar) {
                Some(at) if at > now => return Next::Wait(at),
                Some(_) => return Next::Tell(nudge),
                None => {}
            }
        }
        Next::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::business_time::WorkInterval;

    fn office() -> BusinessCalendar {
        let hours = WorkInterval {
            from: 540,
            to: 1020,
        };
        BusinessCalendar::weekdays("Europe/Berlin", hours).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_working_day_passes_before_each_is_told_and_each_is_told_once() {
        let patience = Patience {
            escalate_to: Some("boss@example.com".to_owned()),
            ..Patience::default()
        };
        // A Friday afternoon.
        let since = at("2026-03-06T14:00:00Z");
        let next = |now: &str, told: &[Nudge]| {
            patience.next((since, at(now)), |nudge| told.contains(&nudge), &office())
        };
        let (monday, tuesday) = (at("2026-03-09T14:00:00Z"), at("2026-03-10T14:00:00Z"));
        let both = Nudge::ALL;
        for (now, told, expected) in [
            ("2026-03-06T14:00:00Z", &[][..], Next::Wait(monday)),
            ("2026-03-08T14:00:00Z", &[], Next::Wait(monday)),
            ("2026-03-09T14:00:00Z", &[], Next::Tell(Nudge::Remind)),
            ("2026-03-09T14:00:00Z", &both[..1], Next::Wait(tuesday)),
            ("2026-03-12T14:00:00Z", &[], Next::Tell(Nudge::Remind)),
            (
                "2026-03-12T14:00:00Z",
                &both[..1],
                Next::Tell(Nudge::Escalate),
            ),
            ("2026-03-12T14:00:00Z", &both, Next::Done),
        ] {
            assert_eq!(next(now, told), expected, "{now} {told:?}");
        }
    }

    #[test]
    fn without_somebody_to_escalate_to_only_the_owner_is_told() {
        let patience = Patience::default();
        let since = at("2026-03-02T10:00:00Z");
        let late = at("2026-03-13T10:00:00Z");
        let told = |nudge| nudge == Nudge::Remind;
        assert_eq!(patience.next((since, late), told, &office()), Next::Done);
    }

    #[test]
    fn a_mail_that_comes_to_be_held_again_is_told_of_again() {
        let id = EffectId::from("m");
        let task = |since, nudge: Nudge| nudge.task_id(&id, Timestamp(since));
        assert_eq!(task(1, Nudge::Remind), task(1, Nudge::Remind));
        assert_ne!(task(1, Nudge::Remind), task(2, Nudge::Remind));
        assert_ne!(task(1, Nudge::Remind), task(1, Nudge::Escalate));
    }
}
