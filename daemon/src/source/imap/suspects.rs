//! Remembers what was being read when a connection or the task died, so that one message which
//! no parser survives does not stop the mailbox for ever.
//!
//! A range that fails [`STRIKES`] times is read message by message; a message that fails as often
//! is asked for with its body only; then it is reported as one that cannot be read now, and the
//! intake has it asked for again later. The memory outlives a
//! panic of the task, because it belongs to the source and not to the connection.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Failures in a row at one place until it is read in a smaller way.
const STRIKES: u32 = 2;
/// Most messages remembered as difficult; the oldest places are forgotten and found again.
const DIFFICULT_MAX: usize = 1000;

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

#[derive(Debug, Default)]
struct State {
    attempt: Option<Attempt>,
    one_by_one: Option<(Place, u32)>,
    difficult: BTreeMap<(Place, u32), Level>,
}

/// What failed before.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    state: Mutex<State>,
}

impl Suspects {
    /// Whether the message at `uid` is to be fetched alone.
    pub(crate) fn alone(&self, place: &Place, uid: u32) -> bool {
        let state = self.lock();
        let in_range = |(suspect, last): &(Place, u32)| suspect == place && uid <= *last;
        state.one_by_one.as_ref().is_some_and(in_range)
            || state.difficult.contains_key(&(place.clone(), uid))
    }

    /// What may be asked about the message.
    pub(crate) fn level(&self, place: &Place, uid: u32) -> Level {
        let state = self.lock();
        let level = state.difficult.get(&(place.clone(), uid));
        level.cloned().unwrap_or(Level::Everything)
    }

    /// A fetch of `first..=last` begins.
    pub(crate) fn begin(&self, place: &Place, first: u32, last: u32) {
        let mut state = self.lock();
        match &mut state.attempt {
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
    pub(crate) fn begin_again(&self, place: &Place, uid: u32) {
        self.lock().attempt = Some(Attempt {
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
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        let done = state.attempt.take();
        if let (Some(attempt), Some((place, last))) = (done, &state.one_by_one)
            && attempt.place == *place
            && attempt.last >= *last
        {
            state.one_by_one = None;
        }
    }

    /// The connection or the task ended; if a fetch was running, that counts against it.
    pub(crate) fn failed(&self, why: &str) {
        let mut state = self.lock();
        let Some(attempt) = state.attempt.as_mut().filter(|attempt| attempt.running) else {
            return;
        };
        attempt.running = false;
        attempt.strikes = attempt.strikes.saturating_add(1);
        if attempt.strikes < STRIKES {
            return;
        }
        let (place, first, last) = (attempt.place.clone(), attempt.first, attempt.last);
        state.attempt = None;
        if first == last {
            state.worsen((place, first), why);
        } else {
            state.one_by_one = Some((place, last));
        }
    }

    /// A running fetch was given up for a reason that lies with us.
    pub(crate) fn forget_running(&self) {
        self.lock().attempt = None;
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
            suspects.begin(&place, first, last);
            suspects.failed("parser");
        };
        fail(1, 100);
        assert!(!suspects.alone(&place, 1), "one failure is the network's");
        fail(1, 100);
        assert!(suspects.alone(&place, 1) && suspects.alone(&place, 100));
        suspects.begin(&place, 1, 1);
        suspects.end();
        fail(2, 2);
        fail(2, 2);
        assert_eq!(suspects.level(&place, 2), Level::BodyOnly);
        fail(2, 2);
        fail(2, 2);
        assert_eq!(
            suspects.level(&place, 2),
            Level::Nothing("parser".to_owned())
        );
        suspects.begin(&place, 100, 100);
        suspects.end();
        assert!(!suspects.alone(&place, 100), "the range is behind us");
        suspects.failed("idle connection lost");
        assert_eq!(suspects.level(&place, 100), Level::Everything);
    }
}
