//! Meetings as they are known from mail and calendars, and what a message changes of one.
//!
//! Observed, never executed: what comes in changes what we know and what plugins are told, not a
//! calendar. One meeting is one UID, whether it was seen in a mail or in a calendar of ours.
//!
//! | said by | counts when |
//! |---|---|
//! | the organizer (REQUEST, ADD, CANCEL, DECLINECOUNTER) | From is the organizer, proven; newer by SEQUENCE, then DTSTAMP |
//! | an attendee (REPLY, COUNTER, REFRESH) | From is that attendee, proven; newer than their last answer, and given to the time that holds now |
//! | a calendar of ours | not older than what is known |
//!
//! Everything else is told in words and changes nothing.

mod observe;

use serde::{Deserialize, Serialize};

use crate::calendar::PartStat;
use crate::calendar::itip::{Attending, Heard, HeardPart, Mark, meeting_id};
use crate::ids::{AccountId, CalendarId, ContactId, MessageKey, ThreadId};
use crate::message::Person;
use crate::time::{Timestamp, Window};

pub use observe::{Speaker, observe, observe_calendar};

/// Times of one series that differ from it and are remembered; the oldest go first.
pub const EXCEPTIONS_MAX: usize = 20;

/// One time of a meeting, or the whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// Which time of a series, by its original start; `None` for the whole meeting.
    pub at: Option<Timestamp>,
    /// When it takes place; of a series the first time.
    pub when: Option<Window>,
    /// A matter of days.
    pub all_day: bool,
    /// Digest of what makes it a series; empty for a single meeting.
    pub rule: String,
    /// The newest that the organizer said of it.
    pub mark: Mark,
    /// Since when it has this time: an answer to an older one says nothing of it.
    pub moved: Mark,
    /// It does not take place.
    pub cancelled: bool,
    /// Who takes part; of one time of a series only those whose answer to it is their own.
    pub people: Vec<Attending>,
}

/// A meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    /// Derived from the UID.
    pub id: String,
    /// iCalendar UID.
    pub uid: String,
    /// Its title.
    pub title: String,
    /// Who organises it.
    pub organizer: Option<Person>,
    /// The meeting itself; `None` while only single times of a series were heard of.
    pub whole: Option<Occurrence>,
    /// Times of a series that differ from it, by original start.
    pub exceptions: Vec<Occurrence>,
    /// How many attendees are not kept.
    pub left_out: u32,
    /// The account that it is about.
    pub account: Option<AccountId>,
    /// The contact.
    pub contact: Option<ContactId>,
    /// The conversation in which it came.
    pub thread: Option<ThreadId>,
    /// The message that said the latest.
    pub message: Option<MessageKey>,
    /// The calendar of ours that holds it.
    pub calendar: Option<CalendarId>,
    /// Our person who takes part.
    pub owner: Option<String>,
    /// When it was first heard of.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
    /// The end of which plugins were told.
    pub ended: Option<Timestamp>,
}

/// What happened to a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It was heard of for the first time.
    Created,
    /// Title, people or the like.
    Changed,
    /// It takes place at another time.
    Moved,
    /// It does not take place.
    Cancelled,
    /// Somebody answered.
    Answered,
    /// Somebody proposed another time; nothing moved.
    Countered,
    /// The organizer will not have the time that was proposed.
    CounterDeclined,
    /// Somebody who was not invited answered.
    Uninvited,
    /// Its end has passed.
    Ended,
}

impl What {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            What::Created => "created",
            What::Changed => "changed",
            What::Moved => "moved",
            What::Cancelled => "cancelled",
            What::Answered => "answered",
            What::Countered => "countered",
            What::CounterDeclined => "counter-declined",
            What::Uninvited => "uninvited",
            What::Ended => "ended",
        }
    }
}

/// One piece of news of a meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// What happened.
    pub what: What,
    /// To which time of a series; `None` for the whole.
    pub at: Option<Timestamp>,
    /// Who said so, where it is an answer.
    pub who: Option<Person>,
    /// Their answer.
    pub answer: Option<PartStat>,
    /// When it was to take place before.
    pub before: Option<Window>,
    /// When it takes place, or shall by a proposal.
    pub when: Option<Window>,
}

impl News {
    /// News of one time of a meeting.
    #[must_use]
    pub fn of(what: What, at: Option<Timestamp>, when: Option<Window>) -> News {
        News {
            what,
            at,
            who: None,
            answer: None,
            before: None,
            when,
        }
    }

    /// One sentence of it.
    #[must_use]
    pub fn told(&self) -> String {
        let time = |when: Option<Window>| {
            when.map_or_else(
                || "an unknown time".to_owned(),
                |when| when.start.to_string(),
            )
        };
        let who = self.who.as_ref().map_or("somebody", |who| &who.email);
        let of = self.at.map(|at| format!(" (the one of {at})"));
        let of = of.unwrap_or_default();
        match self.what {
            What::Created => format!("a meeting at {}", time(self.when)),
            What::Changed if self.who.is_some() => {
                format!("{who} is not invited to the meeting{of} any more")
            }
            What::Changed => format!("the meeting{of} changed"),
            What::Moved => format!(
                "the meeting{of} moved from {} to {}",
                time(self.before),
                time(self.when)
            ),
            What::Cancelled => format!("the meeting{of} was called off"),
            What::Answered => {
                let answer = answer_word(self.answer.unwrap_or_default());
                format!("{who} {answer} the meeting{of}")
            }
            What::Countered => format!("{who} proposed {} for the meeting{of}", time(self.when)),
            What::CounterDeclined => format!("the proposed time of the meeting{of} was declined"),
            What::Uninvited => {
                let answer = answer_word(self.answer.unwrap_or_default());
                format!("{who}, who was not invited, {answer} the meeting{of}")
            }
            What::Ended => format!("the meeting{of} ended"),
        }
    }
}

/// What somebody did with an invitation, as a verb.
#[must_use]
pub fn answer_word(answer: PartStat) -> &'static str {
    match answer {
        PartStat::NeedsAction => "has not answered",
        PartStat::Accepted => "accepted",
        PartStat::Declined => "declined",
        PartStat::Tentative => "tentatively accepted",
        PartStat::Delegated => "delegated",
    }
}

/// What came of a message about a meeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The meeting after it; `None` when nothing changed.
    pub meeting: Option<Meeting>,
    /// What plugins are told.
    pub news: Vec<News>,
    /// One sentence for the record.
    pub said: String,
}

impl Seen {
    fn nothing(said: impl Into<String>) -> Seen {
        Seen {
            meeting: None,
            news: Vec::new(),
            said: said.into(),
        }
    }
}

impl Occurrence {
    fn of(part: &HeardPart, at: Option<Timestamp>) -> Occurrence {
        Occurrence {
            at,
            when: part.when,
            all_day: part.all_day,
            rule: part.rule.clone(),
            mark: part.mark,
            moved: part.mark,
            cancelled: part.cancelled,
            people: part.people.clone(),
        }
    }

    /// Somebody who takes part, by any of their addresses.
    #[must_use]
    pub fn person(&self, addresses: &[String]) -> Option<&Attending> {
        let mut people = self.people.iter();
        people.find(|one| addresses.contains(&one.person.email))
    }
}

impl Meeting {
    /// A meeting of which nothing is known but who it is.
    fn new(heard: &Heard) -> Meeting {
        Meeting {
            id: meeting_id(&heard.uid),
            uid: heard.uid.clone(),
            title: heard.title.clone(),
            organizer: heard.organizer.clone(),
            whole: None,
            exceptions: Vec::new(),
            left_out: 0,
            account: None,
            contact: None,
            thread: None,
            message: None,
            calendar: None,
            owner: None,
            created: Timestamp::default(),
            changed: Timestamp::default(),
            ended: None,
        }
    }

    /// The whole meeting, or one time of it.
    #[must_use]
    pub fn occurrence(&self, at: Option<Timestamp>) -> Option<&Occurrence> {
        match at {
            None => self.whole.as_ref(),
            at => self.exceptions.iter().find(|one| one.at == at),
        }
    }

    /// Whether it takes place more than once.
    #[must_use]
    pub fn is_series(&self) -> bool {
        let whole = self.whole.as_ref();
        whole.is_none_or(|whole| !whole.rule.is_empty())
    }

    /// The end of which plugins are still to be told: of a meeting that takes place once.
    #[must_use]
    pub fn next_end(&self) -> Option<Timestamp> {
        let whole = self.whole.as_ref()?;
        let end = whole.when?.end;
        let told = self.ended.is_some_and(|told| told >= end);
        (!whole.cancelled && whole.rule.is_empty() && !told).then_some(end)
    }

    /// Addresses of all who take part, the organizer included.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let organizer = self.organizer.iter().map(|who| who.email.as_str());
        let parts = self.whole.iter().chain(&self.exceptions);
        let people = parts.flat_map(|part| &part.people);
        organizer.chain(people.map(|one| one.person.email.as_str()))
    }

    /// Puts one time in its place; the oldest of too many goes.
    fn put(&mut self, occurrence: Occurrence) {
        if occurrence.at.is_none() {
            self.whole = Some(occurrence);
            return;
        }
        self.exceptions.retain(|one| one.at != occurrence.at);
        self.exceptions.push(occurrence);
        self.exceptions.sort_by_key(|one| one.at);
        if self.exceptions.len() > EXCEPTIONS_MAX {
            self.exceptions.remove(0);
        }
    }

    /// Leaves out what can be missed most, so that a record fits the store; `false` when nothing
    /// is left to leave out.
    pub fn shrink(&mut self) -> bool {
        if !self.exceptions.is_empty() {
            self.exceptions.remove(0);
            return true;
        }
        let gone = self.whole.as_mut().and_then(|whole| whole.people.pop());
        self.left_out = self.left_out.saturating_add(u32::from(gone.is_some()));
        gone.is_some()
    }

    /// Whether it may count as held once its end has passed (policy H-CAL): not called off, and
    /// both sides said that they come. A tentative answer does not count.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn counts_as_held(&self, is_ours: impl Fn(&str) -> bool) -> Result<(), String> {
        let Some(whole) = &self.whole else {
            return Err("only single times of it are known".to_owned());
        };
        if whole.cancelled {
            return Err("it was called off".to_owned());
        }
        let organizer = self.organizer.as_ref().map(|who| who.email.as_str());
        let by_us = organizer.is_none_or(&is_ours);
        let others = whole.people.iter().filter(|one| {
            is_ours(&one.person.email) != by_us && Some(one.person.email.as_str()) != organizer
        });
        let answers: Vec<PartStat> = others.map(|one| one.answer).collect();
        let side = if by_us {
            "nobody outside"
        } else {
            "nobody of us"
        };
        if answers.contains(&PartStat::Accepted) {
            return Ok(());
        }
        Err(match answers.is_empty() {
            true => format!("{side} was invited"),
            false if answers.iter().all(|one| *one == PartStat::Declined) => {
                format!("{side} wanted to come")
            }
            false => format!("{side} said that they come"),
        })
    }
}

#[cfg(test)]
mod tests;
