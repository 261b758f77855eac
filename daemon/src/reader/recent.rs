//! What was just read, for who asks about it next.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use liaison_core::mail::MessageView;

/// Bytes of all kept messages together: some ten thousand letters. What is seen of a message takes
/// about three times its bytes.
const ROOM_BYTES: usize = 16 * 1024 * 1024;
/// Of a message above it nothing is kept.
const EACH_BYTES_MAX: usize = 32 * 1024;
/// What a message counts at least: what is seen of a small one is larger than itself.
const EACH_BYTES_MIN: usize = 1024;
/// Messages that found no room until the one that waits longest is taken for forgotten.
const PASSED_MAX: usize = 4_096;

/// Messages that were just taken in, so that they are not read a second time when plugins are asked
/// about them. Each is given once. While there is no room the new ones are not kept: those that
/// wait longest are asked for first.
#[derive(Debug, Default)]
pub struct Recent {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The one that waits longest first.
    by_age: BTreeMap<u64, Held>,
    ages: HashMap<String, u64>,
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    name: String,
    view: Arc<MessageView>,
    bytes: usize,
    /// How many others were offered while there was no room.
    passed: usize,
}

impl Recent {
    /// Keeps what is to be seen of the content `name`, which has so many bytes.
    pub fn keep(&self, name: &str, bytes: usize, view: &Arc<MessageView>) {
        if bytes > EACH_BYTES_MAX || name.is_empty() {
            return;
        }
        let bytes = bytes.max(EACH_BYTES_MIN);
        let mut kept = self.lock();
        kept.remove(name);
        while kept.bytes.saturating_add(bytes) > ROOM_BYTES {
            let Some(mut oldest) = kept.by_age.first_entry() else {
                return;
            };
            let held = oldest.get_mut();
            held.passed = held.passed.saturating_add(1);
            if held.passed < PASSED_MAX {
                return;
            }
            let forgotten = held.name.clone();
            kept.remove(&forgotten);
        }
        kept.add(Held {
            name: name.to_owned(),
            view: view.clone(),
            bytes,
            passed: 0,
        });
    }

    /// What is to be seen of the content `name`, if it is kept; it is not kept any more then.
    pub fn take(&self, name: &str) -> Option<Arc<MessageView>> {
        self.lock().remove(name).map(|held| held.view)
    }

    /// Keeps nothing any more: somebody's data is being erased.
    pub fn clear(&self) {
        *self.lock() = Kept::default();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn add(&mut self, held: Held) {
        let age = self.next;
        self.next = self.next.wrapping_add(1);
        self.bytes = self.bytes.saturating_add(held.bytes);
        self.ages.insert(held.name.clone(), age);
        self.by_age.insert(age, held);
    }

    fn remove(&mut self, name: &str) -> Option<Held> {
        let held = self.by_age.remove(&self.ages.remove(name)?)?;
        self.bytes = self.bytes.saturating_sub(held.bytes);
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use liaison_core::mail::{ParseLimits, parse_message};

    use super::*;

    #[test]
    fn what_was_read_is_given_once_and_nothing_fills_it_for_ever() {
        let recent = Recent::default();
        let view = parse_message(b"Subject: x\r\n\r\nHi.", &ParseLimits::default());
        let view = Arc::new(view);
        recent.keep("large", EACH_BYTES_MAX + 1, &view);
        assert!(recent.take("large").is_none());
        let most = ROOM_BYTES / EACH_BYTES_MAX;
        for n in 0..most {
            recent.keep(&n.to_string(), EACH_BYTES_MAX, &view);
        }
        recent.keep("no room", 0, &view);
        assert!(recent.take("no room").is_none());
        assert!(recent.take("0").is_some() && recent.take("0").is_none());
        recent.keep("room", EACH_BYTES_MAX, &view);
        recent.keep("room", EACH_BYTES_MAX, &view);
        assert!(recent.take("room").is_some() && recent.take("room").is_none());
        // Nobody asks for any of them.
        recent.keep("full again", EACH_BYTES_MAX, &view);
        for _ in 0..PASSED_MAX {
            recent.keep("late", 0, &view);
        }
        assert!(recent.take("late").is_some() && recent.take("1").is_none());
        assert!(recent.take("2").is_some());
        recent.clear();
        assert!(recent.take("3").is_none());
    }
}
