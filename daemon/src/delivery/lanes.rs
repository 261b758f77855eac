//! Who works where: due effects in lanes, and the workers of a lane.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use liaison_core::ids::EffectId;

use super::Due;
use crate::books::keys::DueKind;

/// Effects that share a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneName {
    pub(super) name: String,
    /// How many workers it may have.
    pub(super) workers: usize,
}

impl LaneName {
    /// A lane whose effects are handled one after the other.
    pub(super) fn single(name: String) -> LaneName {
        LaneName { name, workers: 1 }
    }
}

/// What is at work in this process: an effect that is in nobody's hands and leased all the same
/// was left behind by a crash.
#[derive(Debug, Clone, Default)]
pub(super) struct AtWork(Arc<Mutex<Hands>>);

#[derive(Debug, Default)]
struct Hands {
    workers: BTreeMap<String, usize>,
    entries: BTreeSet<(DueKind, EffectId)>,
}

impl AtWork {
    /// Places for further workers in a lane.
    pub(super) fn free(&self, lane: &LaneName) -> usize {
        let hands = self.lock();
        let busy = hands.workers.get(&lane.name).copied().unwrap_or(0);
        lane.workers.saturating_sub(busy)
    }

    /// Whether somebody has it in hand, or in the queue before it.
    pub(super) fn has(&self, due: &Due) -> bool {
        self.lock().entries.contains(&(due.kind, due.id.clone()))
    }

    /// Takes a place; `None` when there is none.
    pub(super) fn occupy(&self, lane: &LaneName) -> Option<Place> {
        let mut hands = self.lock();
        let busy = hands.workers.entry(lane.name.clone()).or_insert(0);
        (*busy < lane.workers).then(|| {
            *busy = busy.saturating_add(1);
            Place {
                lane: lane.name.clone(),
                at_work: self.clone(),
            }
        })
    }

    /// As many workers as there are places and entries, with one queue. What somebody else has in
    /// hand meanwhile is left out.
    pub(super) fn workers(&self, lane: &LaneName, entries: Vec<Due>) -> Vec<Worker> {
        let mut places: Vec<Place> = Vec::new();
        while places.len() < entries.len() {
            match self.occupy(lane) {
                Some(place) => places.push(place),
                None => break,
            }
        }
        if places.is_empty() {
            return Vec::new();
        }
        let mut waiting = VecDeque::new();
        {
            let mut hands = self.lock();
            for due in entries {
                if hands.entries.insert((due.kind, due.id.clone())) {
                    waiting.push_back(due);
                }
            }
        }
        let queue = Arc::new(Queue {
            waiting: Mutex::new(waiting),
            at_work: self.clone(),
        });
        let worker = |place| Worker {
            queue: queue.clone(),
            _place: place,
        };
        places.into_iter().map(worker).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a lane; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    lane: String,
    at_work: AtWork,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut hands = self.at_work.lock();
        if let Some(busy) = hands.workers.get_mut(&self.lane) {
            *busy = busy.saturating_sub(1);
            if *busy == 0 {
                hands.workers.remove(&self.lane);
            }
        }
    }
}

/// One worker of a lane.
#[derive(Debug)]
pub(super) struct Worker {
    queue: Arc<Queue>,
    _place: Place,
}

impl Worker {
    /// The next effect, in this worker's hands as long as what is returned lives.
    pub(super) fn next(&self) -> Option<InHand> {
        let due = self.queue.lock().pop_front()?;
        let at_work = self.queue.at_work.clone();
        Some(InHand { due, at_work })
    }

    /// All that is left.
    pub(super) fn rest(&self) -> Vec<InHand> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

/// What the workers of a lane share. An entry whose turn does not come is given back.
#[derive(Debug)]
struct Queue {
    waiting: Mutex<VecDeque<Due>>,
    at_work: AtWork,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Due>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut hands = self.at_work.lock();
        for due in self.lock().drain(..) {
            hands.entries.remove(&(due.kind, due.id));
        }
    }
}

/// An effect in the hands of a worker.
#[derive(Debug)]
pub(super) struct InHand {
    pub(super) due: Due,
    at_work: AtWork,
}

impl Drop for InHand {
    fn drop(&mut self) {
        let entry = (self.due.kind, self.due.id.clone());
        self.at_work.lock().entries.remove(&entry);
    }
}

#[cfg(test)]
mod tests {
    use liaison_core::time::Timestamp;

    use super::*;

    fn due(id: &str) -> Due {
        Due {
            at: Timestamp(0),
            kind: DueKind::Mail,
            id: EffectId::from(id),
        }
    }

    fn names(worker: &Worker) -> Vec<String> {
        let rest = worker.rest();
        rest.iter().map(|hand| hand.due.id.to_string()).collect()
    }

    #[test]
    fn nobody_gets_what_another_has_in_hand_or_in_the_queue() {
        let at_work = AtWork::default();
        let lane = LaneName {
            name: "transport smtp".to_owned(),
            workers: 2,
        };
        let mut first = at_work.workers(&lane, vec![due("a")]);
        assert_eq!((first.len(), at_work.free(&lane)), (1, 1));
        let second = at_work.workers(&lane, vec![due("a"), due("b"), due("c")]);
        assert_eq!((second.len(), at_work.free(&lane)), (1, 0));
        assert!(at_work.workers(&lane, vec![due("d")]).is_empty());

        let in_hand = second[0].next().unwrap();
        assert_eq!(in_hand.due.id.as_str(), "b", "a belongs to the first");
        assert!(at_work.has(&due("a")) && at_work.has(&due("b")) && at_work.has(&due("c")));
        drop(in_hand);
        assert!(!at_work.has(&due("b")));
        // Its turn did not come: it is anybody's again.
        drop(second);
        assert!(!at_work.has(&due("c")));
        assert_eq!(names(&first.remove(0)), ["a"]);
    }

    #[test]
    fn the_workers_of_a_lane_share_its_queue() {
        let at_work = AtWork::default();
        let lane = LaneName {
            name: "transport smtp".to_owned(),
            workers: 4,
        };
        let workers = at_work.workers(&lane, vec![due("a"), due("b"), due("c")]);
        assert_eq!(workers.len(), 3, "no more workers than work");
        let held = workers[1].next().unwrap();
        assert_eq!(names(&workers[0]), ["b", "c"]);
        assert_eq!(held.due.id.as_str(), "a");
        assert!(workers[2].next().is_none());
    }
}
