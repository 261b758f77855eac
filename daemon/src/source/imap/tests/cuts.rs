//! A recorded session, cut and silenced at every byte of either side.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::peer::FakeMailbox;
use super::server::{End, Fault, Said, Server, Side};
use super::stage::{Stage, handed_in, has_all, message, play, unharmed};
use crate::source::BatchMode;
use crate::source::imap::connection::FETCH_LIMIT;

/// A message that takes more than one piece of 1 MiB.
const LARGE: usize = 1_100_000;
/// The first wait after a lost connection, and a look of the test.
pub(crate) const BACKOFF: Duration = Duration::from_secs(3);
/// What a lost connection costs besides: another poll and the end of another IDLE.
pub(crate) const DETOUR: Duration = Duration::from_secs(45);
/// Longer than any session with one fault.
pub(crate) const MUCH: Duration = Duration::from_secs(3600);

/// What is in the mailbox and comes into it.
struct Story {
    old: &'static [&'static str],
    arrivals: &'static [(&'static str, &'static [&'static str])],
    length: usize,
}

const SMALL: Story = Story {
    old: &["old 1", "old 2", "old 3"],
    arrivals: &[
        ("INBOX", &["new 1"]),
        ("INBOX", &["new 2", "new 3"]),
        ("Sent", &["new sent"]),
    ],
    length: 20,
};

const BIG: Story = Story {
    old: &[],
    arrivals: &[("INBOX", &["new large"])],
    length: LARGE,
};

impl Story {
    fn subjects(&self) -> Vec<&'static str> {
        let arrivals = self.arrivals.iter().flat_map(|(_, subjects)| *subjects);
        self.old.iter().chain(arrivals).copied().collect()
    }
}

/// What a run told.
pub(super) struct Told {
    pub(super) connections: Vec<Said>,
    pub(super) took: Duration,
    /// From the fault to the next connection.
    pub(super) noticed: Option<Duration>,
}

impl Told {
    pub(super) fn by(server: &Server, took: Duration) -> Told {
        let world = server.world();
        Told {
            connections: world.connections.clone(),
            took,
            noticed: world.noticed(),
        }
    }
}

/// Plays the server until `acts` is through.
pub(super) async fn beside(
    server: &Arc<Server>,
    callers: mpsc::Receiver<DuplexStream>,
    acts: impl Future<Output = Told>,
) -> Told {
    tokio::select! {
        () = server.clone().serve(callers) => unreachable!("the server ended"),
        told = acts => told,
    }
}

/// The session of `story` with one fault, to its end; every message once, or a panic.
fn run(story: &Story, fault: Option<Fault>) -> Told {
    play(|| async {
        let mut inbox = FakeMailbox::with(7, 0);
        for (uid, subject) in (1..).zip(story.old) {
            inbox.messages.insert(uid, message(subject, story.length));
            inbox.uid_next = uid + 1;
        }
        let (server, callers) = Server::new(inbox);
        server.world().fault = fault;
        for (name, subjects) in story.arrivals {
            let messages = subjects
                .iter()
                .map(|subject| message(subject, story.length));
            let arrival = (*name, messages.collect());
            server.world().arrivals.push_back(arrival);
        }
        let acts = async {
            let stage = Stage::open(&server, |_| ());
            let subjects = story.subjects();
            let done = stage.until(MUCH, |table| has_all(table, &subjects)).await;
            assert!(done, "{fault:?}: {:?}", stage.ledger.table().first);
            let took = stage.elapsed();
            stage.pass(Duration::from_secs(65)).await;
            check(&stage, &subjects, fault);
            stage.close().await;
            Told::by(&server, took)
        };
        beside(&server, callers, acts).await
    })
}

fn check(stage: &Stage, subjects: &[&str], fault: Option<Fault>) {
    let table = stage.ledger.table();
    let counts = handed_in(&table);
    let known: Vec<&str> = counts.keys().map(String::as_str).collect();
    let mut expected = subjects.to_vec();
    expected.sort_unstable();
    assert_eq!(known, expected, "{fault:?}");
    for (subject, (count, mode)) in &counts {
        let live = match subject.starts_with("new") {
            true => BatchMode::Live,
            false => BatchMode::History,
        };
        assert_eq!((*count, *mode), (1, live), "{fault:?}: {subject}");
    }
    assert!(unharmed(&table, &stage.server), "{fault:?}");
    assert!(table.unread.is_empty(), "{fault:?}: {:?}", table.unread);
}

/// Runs all `faults`, on all cores.
fn run_all(story: &Story, faults: &[Fault], check: impl Fn(Fault, Told) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(*fault, run(story, Some(*fault)));
                }
            });
        }
    });
}

/// Cuts at every byte that was said on any connection.
pub(crate) fn cuts(connections: &[Said]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (connection, said) in connections.iter().enumerate() {
        for (side, length) in [(Side::Server, said.written), (Side::Client, said.heard)] {
            let end = End::Cut;
            let cut = |at| Fault {
                connection,
                side,
                at,
                end,
            };
            faults.extend((0..=length).map(cut));
        }
    }
    faults
}

#[test]
fn a_cut_at_every_byte_loses_nothing_and_doubles_nothing() {
    let whole = run(&SMALL, None);
    assert_eq!(whole.connections.len(), 2, "one watches, one works");
    let faults = cuts(&whole.connections);
    assert!(faults.len() > 2_500, "only {} bytes", faults.len());
    run_all(&SMALL, &faults, |fault, told| {
        let most = whole.took + BACKOFF + DETOUR;
        assert!(told.took <= most, "{fault:?} took {:?}", told.took);
        let noticed = told.noticed.unwrap_or_default();
        assert!(noticed <= BACKOFF, "{fault:?} noticed after {noticed:?}");
    });
}

#[test]
fn a_cut_within_a_large_message_has_it_whole_all_the_same() {
    let whole = run(&BIG, None);
    let mut faults = cuts(&whole.connections);
    // Inside a literal one byte is like another: all of its first and last, some between.
    let large = u64::try_from(LARGE).unwrap();
    let said = &whole.connections[0].borders;
    let near = |at: u64| said.iter().any(|border| at.abs_diff(*border) < 40);
    let total = whole.connections[0].written;
    faults.retain(|fault| {
        fault.side == Side::Server && (near(fault.at) || fault.at % (large / 17) == 0)
            || fault.side == Side::Client && fault.at % 5 == 0
    });
    assert!(total > large && faults.len() > 200, "{}", faults.len());
    run_all(&BIG, &faults, |fault, told| {
        let most = whole.took + BACKOFF + DETOUR;
        assert!(told.took <= most, "{fault:?} took {:?}", told.took);
    });
}

#[test]
fn silence_at_the_end_of_every_answer_is_noticed_and_overcome() {
    let whole = run(&SMALL, None);
    let mut faults = Vec::new();
    for (connection, said) in whole.connections.iter().enumerate() {
        for (side, at) in said.borders.iter().flat_map(|border| {
            [
                (Side::Server, *border),
                (Side::Server, border.saturating_sub(1)),
            ]
        }) {
            let end = End::Stall;
            faults.push(Fault {
                connection,
                side,
                at,
                end,
            });
        }
    }
    assert!(faults.len() > 40);
    run_all(&SMALL, &faults, |fault, told| {
        // At the very end nobody waits for anything any more.
        let noticed = told.noticed.unwrap_or_default();
        let most = FETCH_LIMIT + BACKOFF;
        assert!(noticed <= most, "{fault:?} noticed after {noticed:?}");
        let most = whole.took + most + DETOUR;
        assert!(told.took <= most, "{fault:?} took {:?}", told.took);
    });
}
