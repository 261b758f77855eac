//! Remembers what was being read when a connection or the task died, so that one message which
//! no parser survives does not stop the mailbox for ever.
//!
//! A range that fails [`STRIKES`] times is read message by message; a message that fails as often
//! is asked for with its body only; then it is reported as one that cannot be read now, and the
//! intake has it asked for again later. The memory outlives a
//! panic of the task, because it belongs to the source and not to the connection. Each of the two
//! connections of a mailbox answers for what it was reading itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Failures in a row at one place until it is read in a smaller way.
const STRIKES: u32 = 2;
/// Most messages remembered as difficult; the oldest places are forgotten and found again.
const DIFFICULT_MAX: usize = 1000;

/// Which of the connections of a mailbox reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    /// The one that stays on the inbox.
    Watch,
    /// The one for everything else.
    Work,
}

/// A folder under one UIDVALIDITY.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) folder: String,
    pub(crate) uid_validity: u32,
}

/// How much may be asked about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Level {
    Everything,
    BodyOnly,
    /// Nothing any more, and why.
    Nothing(String),
}

#[derive(Debug)]
struct Attempt {
    place: Place,
    first: u32,
    last: u32,
    strikes: u32,
    running: bool,
}

/// What one connection reads.
#[derive(Debug, Default)]
struct Reading {
    attempt: Option<Attempt>,
    one_by_one: Option<(Place, u32)>,
}

#[derive(Debug, Default)]
struct State {
    watch: Reading,
    work: Reading,
    difficult: BTreeMap<(Place, u32), Level>,
}

impl State {
    fn of(&mut self, link: Link) -> &mut Reading {
        match link {
            Link::Watch => &mut self.watch,
            Link::Work => &mut self.work,
        }
    }
}

/// What failed before.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    state: Mutex<State>,
}

impl Suspects {
    /// Whether the message at `uid` is to be fetched alone.
    pub(crate) fn alone(&self, link: Link, place: &Place, uid: u32) -> bool {
        let mut state = self.lock();
        let in_range = |(suspect, last): &(Place, u32)| suspect == place && uid <= *last;
        state.of(link).one_by_one.as_ref().is_some_and(in_range)
            || state.difficult.contains_key(&(place.clone(), uid))
    }

    /// What may be asked about the message.
    pub(crate) fn level(&self, place: &Place, uid: u32) -> Level {
        let state = self.lock();
        let level = state.difficult.get(&(place.clone(), uid));
        level.cloned().unwrap_or(Level::Everything)
    }

    /// A fetch of `first..=last` begins.
    pub(crate) fn begin(&self, link: Link, place: &Place, first: u32, last: u32) {
        let mut state = self.lock();
        match &mut state.of(link).attempt {
            Some(attempt)
                if attempt.place == *place && attempt.first == first && attempt.last == last =>
            {
                attempt.running = true;
            }
            other => {
                *other = Some(Attempt {
                    place: place.clone(),
                    first,
                    last,
                    strikes: 0,
                    running: true,
                });
            }
        }
    }

    /// A message that was reported is asked for once more: one failure is enough to report it
    /// again.
    pub(crate) fn begin_again(&self, link: Link, place: &Place, uid: u32) {
        self.lock().of(link).attempt = Some(Attempt {
            place: place.clone(),
            first: uid,
            last: uid,
            strikes: STRIKES.saturating_sub(1),
            running: true,
        });
    }

    /// A message of which nothing may be asked is reported; the next time its body may be.
    pub(crate) fn report(&self, place: &Place, uid: u32) {
        let mut state = self.lock();
        if let Some(level) = state.difficult.get_mut(&(place.clone(), uid)) {
            *level = Level::BodyOnly;
        }
    }

    /// The fetch that began last was answered.
    pub(crate) fn end(&self, link: Link) {
        let mut state = self.lock();
        let reading = state.of(link);
        let done = reading.attempt.take();
        if let (Some(attempt), Some((place, last))) = (done, &reading.one_by_one)
            && attempt.place == *place
            && attempt.last >= *last
        {
            reading.one_by_one = None;
        }
    }

    /// The connection or the task ended; if a fetch was running on it, that counts against it.
    pub(crate) fn failed(&self, link: Link, why: &str) {
        let mut state = self.lock();
        let reading = state.of(link);
        let Some(attempt) = reading.attempt.as_mut().filter(|attempt| attempt.running) else {
            return;
        };
        attempt.running = false;
        attempt.strikes = attempt.strikes.saturating_add(1);
        if attempt.strikes < STRIKES {
            return;
        }
        let (place, first, last) = (attempt.place.clone(), attempt.first, attempt.last);
        reading.attempt = None;
        if first == last {
            state.worsen((place, first), why);
        } else {
            reading.one_by_one = Some((place, last));
        }
    }

    /// A running fetch was given up for a reason that lies with us.
    pub(crate) fn forget_running(&self, link: Link) {
        self.lock().of(link).attempt = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn worsen(&mut self, key: (Place, u32), why: &str) {
        let next = match self.difficult.get(&key) {
            None | Some(Level::Everything) => Level::BodyOnly,
            Some(Level::BodyOnly | Level::Nothing(_)) => Level::Nothing(why.to_owned()),
        };
        self.difficult.insert(key, next);
        if self.difficult.len() > DIFFICULT_MAX {
            self.difficult.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_narrowed_to_the_one_message_that_fails() {
        let suspects = Suspects::default();
        let place = Place {
            folder: "INBOX".to_owned(),
            uid_validity: 7,
        };
        let fail = |first, last| {
            suspects.begin(Link::Watch, &place, first, last);
            suspects.failed(Link::Watch, "parser");
        };
        fail(1, 100);
        assert!(
            !suspects.alone(Link::Watch, &place, 1),
            "one failure is the network's"
        );
        fail(1, 100);
        assert!(suspects.alone(Link::Watch, &place, 1) && suspects.alone(Link::Watch, &place, 100));
        suspects.begin(Link::Watch, &place, 1, 1);
        suspects.end(Link::Watch);
        fail(2, 2);
        fail(2, 2);
        assert_eq!(suspects.level(&place, 2), Level::BodyOnly);
        fail(2, 2);
        fail(2, 2);
        assert_eq!(
            suspects.level(&place, 2),
            Level::Nothing("parser".to_owned())
        );
        suspects.begin(Link::Watch, &place, 100, 100);
        suspects.end(Link::Watch);
        assert!(
            !suspects.alone(Link::Watch, &place, 100),
            "the range is behind us"
        );
        suspects.failed(Link::Watch, "idle connection lost");
        assert_eq!(suspects.level(&place, 100), Level::Everything);
    }

    #[test]
    fn a_connection_that_dies_blames_only_what_it_was_reading_itself() {
        let suspects = Suspects::default();
        let place = Place {
            folder: "INBOX".to_owned(),
            uid_validity: 7,
        };
        for _ in 0..STRIKES {
            suspects.begin(Link::Watch, &place, 101, 101);
            suspects.begin(Link::Work, &place, 1, 100);
            suspects.failed(Link::Work, "reset");
        }
        assert!(suspects.alone(Link::Work, &place, 50));
        assert!(!suspects.alone(Link::Watch, &place, 50));
        assert_eq!(suspects.level(&place, 101), Level::Everything);
        // The range of the one is not behind us because the other is beyond it.
        suspects.end(Link::Watch);
        assert!(suspects.alone(Link::Work, &place, 50));
    }
}
