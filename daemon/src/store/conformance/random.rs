//! Random programs, run against the model and a store side by side.

use std::collections::HashMap;

use super::*;

const STEPS: usize = 120;
const FAMILIES: [Ns; 3] = [Ns::Event, Ns::Effect, Ns::Timer];

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn key(&mut self) -> Key {
        let ns = FAMILIES[self.below(3) as usize];
        let length = self.below(3);
        let k: Vec<u8> = (0..length)
            .map(|_| [0, b'a', 0xFF][self.below(3) as usize])
            .collect();
        Key::new(ns, k)
    }

    fn step(&mut self) -> Step {
        match self.below(20) {
            0 if self.below(3) == 0 => Step::Restart,
            0..8 => Step::Look(self.key()),
            8..11 => {
                let prefix = self.key();
                let dir = [Dir::Forward, Dir::Reverse][self.below(2) as usize];
                let limit = self.below(4) as usize;
                Step::Scan(Range::prefix(prefix.ns, &prefix.k), dir, limit)
            }
            _ => self.commit(),
        }
    }

    fn commit(&mut self) -> Step {
        let mut draft = Batch::new();
        for _ in 0..self.below(4) {
            draft.put(self.key(), self.below(5).to_string());
        }
        for _ in 0..self.below(3) {
            draft.del(self.key());
        }
        let wanted = (0..self.below(3))
            .map(|_| {
                let wanted = [Wanted::Absent, Wanted::AsSeen, Wanted::SameValue];
                (self.key(), wanted[self.below(3) as usize].clone())
            })
            .collect();
        Step::Commit {
            draft,
            wanted,
            stale: self.below(12) == 0,
        }
    }
}

/// What both sides are asked; versions differ between stores, so they come from what a side saw.
#[derive(Debug, Clone)]
enum Wanted {
    Absent,
    AsSeen,
    SameValue,
}

#[derive(Debug)]
enum Step {
    Restart,
    Look(Key),
    Scan(Range, Dir, usize),
    Commit {
        draft: Batch,
        wanted: Vec<(Key, Wanted)>,
        stale: bool,
    },
}

struct Side<B> {
    backend: B,
    subject: Subject,
    seen: HashMap<Key, Option<Versioned>>,
}

impl<B: Backend> Side<B> {
    fn new() -> Side<B> {
        let mut backend = B::default();
        let subject = backend.start();
        Side {
            backend,
            subject,
            seen: HashMap::new(),
        }
    }

    /// Takes a step and tells what can be seen of it.
    async fn play(mut self, step: &Step) -> (Side<B>, String) {
        let outcome = match step {
            Step::Restart => {
                self.subject = self.backend.restart(self.subject).await;
                String::new()
            }
            Step::Look(key) => {
                let row = self.subject.row(key).await;
                self.seen.insert(key.clone(), row.clone());
                format!("{:?}", row.map(|row| row.value))
            }
            Step::Scan(range, dir, limit) => {
                format!("{:?}", self.subject.keys(range, *dir, *limit).await)
            }
            Step::Commit {
                draft,
                wanted,
                stale,
            } => {
                let batch = self.batch(draft, wanted, *stale);
                format!("{:?}", self.subject.store.commit(batch).await.map(drop))
            }
        };
        (self, outcome)
    }

    fn batch(&self, draft: &Batch, wanted: &[(Key, Wanted)], stale: bool) -> Batch {
        let mut batch = draft.clone();
        let epoch = if stale {
            self.subject.epoch - 1
        } else {
            self.subject.epoch
        };
        batch.fence = Some(Fence {
            shard: ShardId::SINGLE,
            epoch,
        });
        for (key, wanted) in wanted {
            let seen = self.seen.get(key).cloned().flatten();
            let expect = match (wanted, seen) {
                (Wanted::Absent, _) | (_, None) => Expect::Absent,
                (Wanted::AsSeen, Some(row)) => Expect::Version(row.version),
                (Wanted::SameValue, Some(row)) => Expect::ValueHash(value_hash(&row.value)),
            };
            batch.expect(key.clone(), expect);
        }
        batch
    }

    async fn everything(&self) -> Vec<(Ns, Bytes, Bytes)> {
        let mut rows = Vec::new();
        for ns in FAMILIES {
            let found = self
                .subject
                .store
                .scan_prefix(ns, b"", 1_000)
                .await
                .unwrap();
            rows.extend(found.into_iter().map(|(key, row)| (ns, key, row.value)));
        }
        rows
    }
}

pub(super) async fn random_programs_behave_as_the_model<B: Backend>() {
    for seed in [1, 7, 42, 1_789, 65_537, 0xC0FF_EE00, 0x5EED, 99_991] {
        let (mut model, mut tested) = (Side::<Memory>::new(), Side::<B>::new());
        let mut random = Random(seed);
        for number in 0..STEPS {
            let step = random.step();
            let (expected, found);
            (model, expected) = model.play(&step).await;
            (tested, found) = tested.play(&step).await;
            assert_eq!(expected, found, "seed {seed}, step {number}: {step:?}");
            if number % 10 == 9 {
                let rows = tested.everything().await;
                assert_eq!(model.everything().await, rows, "seed {seed}, step {number}");
            }
        }
        tested.subject.store.close().await.unwrap();
    }
}
