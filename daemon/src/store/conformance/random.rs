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

#[derive(Debug, Clone)]
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

/// Seeds that are played at each run; one that ever failed is added here, and stays.
const SEEDS: [u64; 8] = [1, 7, 42, 1_789, 65_537, 0xC0FF_EE00, 0x5EED, 99_991];

/// Plays a program on the model and on a store; tells where they differ.
async fn play<B: Backend>(program: &[Step]) -> Result<(), String> {
    let (mut model, mut tested) = (Side::<Memory>::new(), Side::<B>::new());
    for (number, step) in program.iter().enumerate() {
        let (expected, found);
        (model, expected) = model.play(step).await;
        (tested, found) = tested.play(step).await;
        if expected != found {
            return Err(format!("step {number}: {found}, the model says {expected}"));
        }
        if number % 10 == 9 || number + 1 == program.len() {
            let (expected, found) = (model.everything().await, tested.everything().await);
            if expected != found {
                return Err(format!(
                    "rows after step {number}: {found:?}, not {expected:?}"
                ));
            }
        }
    }
    tested
        .subject
        .store
        .close()
        .await
        .map_err(|error| error.to_string())
}

/// The shortest part of a failing program that `fails` still, found by leaving out ever smaller
/// parts of it.
async fn shrunk<F: Future<Output = bool>>(
    mut program: Vec<Step>,
    fails: impl Fn(Vec<Step>) -> F,
) -> Vec<Step> {
    let mut part = program.len() / 2;
    while part > 0 {
        let mut from = 0;
        while from < program.len() {
            let end = (from + part).min(program.len());
            let shorter = [&program[..from], &program[end..]].concat();
            if fails(shorter.clone()).await {
                program = shorter;
            } else {
                from = end;
            }
        }
        part /= 2;
    }
    program
}

pub(super) async fn random_programs_behave_as_the_model<B: Backend>() {
    for seed in SEEDS {
        let mut random = Random(seed);
        let program: Vec<Step> = (0..STEPS).map(|_| random.step()).collect();
        if let Err(why) = play::<B>(&program).await {
            let fails = |program: Vec<Step>| async move { play::<B>(&program).await.is_err() };
            let short = shrunk(program, fails).await;
            panic!("seed {seed}: {why}; keep the seed in SEEDS. Shortest program: {short:#?}");
        }
    }
}

#[tokio::test]
async fn a_failing_program_is_cut_to_what_fails() {
    let mut random = Random(7);
    let mut program: Vec<Step> = (0..STEPS).map(|_| random.step()).collect();
    program.retain(|step| !matches!(step, Step::Restart));
    program.insert(30, Step::Restart);
    program.insert(70, Step::Restart);
    // A store that breaks at its second restart.
    let fails = |program: Vec<Step>| async move {
        let restarts = program.iter().filter(|step| matches!(step, Step::Restart));
        restarts.count() > 1
    };
    let short = shrunk(program, fails).await;
    assert!(
        matches!(short[..], [Step::Restart, Step::Restart]),
        "{short:?}"
    );
}
