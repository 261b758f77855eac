//! The recorded session cut at every byte, on the whole way in: the real ingest into a real store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use liaison_core::ids::MailboxId;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::cuts::{BACKOFF, DETOUR, MUCH, Told, beside, cuts};
use super::peer::FakeMailbox;
use super::server::{End, Fault, Server, Side};
use super::stage::{PausedClock, TASK, play, settings};
use crate::books::rows::{EventBody, EventRow};
use crate::books::{Books, keys};
use crate::clock::Clock;
use crate::dial::Route;
use crate::freshness::Freshness;
use crate::ingest::Ingest;
use crate::office::Office;
use crate::pipeline::tests::house::House;
use crate::source::imap::ImapSource;
use crate::source::imap::connection::FETCH_LIMIT;
use crate::source::{Cursor, FolderRef, FolderRole, Intake};
use crate::store::content::ContentStore;
use crate::store::memory::MemoryStore;
use crate::store::sled::{SledOptions, SledStore};
use crate::store::watched::{Fate, Watched};
use crate::store::{Batch, CommitError, CommitId, Fence, Ns, Range, ShardId, Store};
use crate::supervisor::{Stop, Supervisor};

/// Runs that share a store: each after the first finds one in use.
const SHELF_RUNS: usize = 20;
/// How often a run that took too long is made again by itself.
const RUNS_AGAIN_MAX: usize = 3;
/// What a lost connection costs besides: polls and ends of IDLE of the watch, and then turns of the
/// work beside it.
const DETOURS: Duration = Duration::from_secs(4 * DETOUR.as_secs());
/// How long a work connection may be open and unused.
const UNUSED: Duration = Duration::from_secs(60);
/// How often the books are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Every so manieth cut is made with sled, too, which takes much longer.
const SLED_EVERY: usize = 13;
/// How long it has to stay as it is then: another look at everything.
const STILL: Duration = Duration::from_secs(35);
/// What is in INBOX at first.
const OLD: [&str; 1] = ["old-1"];
/// What comes while somebody idles.
const ARRIVALS: [(&str, &[&str]); 2] = [("INBOX", &["new-1", "new-2"]), ("Sent", &["new-3"])];
/// Cursors in the end.
const NEXT: [(&str, u32, u32); 2] = [("INBOX", 7, 4), ("Sent", 9, 2)];

/// Lets no time of a paused clock pass while the thread of sled, of which the clock knows nothing,
/// is at work.
#[derive(Debug)]
struct Unhurried(Arc<SledStore>);

impl Fate for Unhurried {
    fn commit<'a>(
        &'a self,
        _base: &'a dyn Store,
        batch: Batch,
    ) -> BoxFuture<'a, Result<CommitId, CommitError>> {
        let (store, runtime) = (self.0.clone(), tokio::runtime::Handle::current());
        let wait = move || runtime.block_on(store.commit(batch));
        let done = tokio::task::spawn_blocking(wait);
        Box::pin(async move { done.await.unwrap() })
    }
}

/// Books that many runs share, each with a mailbox of its own.
struct Shelf {
    books: Books,
    office: Arc<Office>,
    _place: tempfile::TempDir,
}

/// In which store.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// The model that every store is held to.
    Memory,
    /// The daemon's.
    Sled,
}

impl Shelf {
    fn new(kind: Kind) -> Shelf {
        // In memory where there is such a place: a disk has nothing to do with it.
        let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let place = place.unwrap();
        let (store, epoch): (Arc<dyn Store>, u64) = match kind {
            Kind::Memory => {
                let store = Arc::new(MemoryStore::new());
                (store.clone(), store.epoch())
            }
            Kind::Sled => {
                let path = place.path().join("store");
                let base = Arc::new(SledStore::open(&path, SledOptions::default()).unwrap());
                let epoch = base.boot_epoch();
                let fate = Unhurried(base.clone());
                (Arc::new(Watched { base, fate }), epoch)
            }
        };
        let shard = ShardId::SINGLE;
        let content = ContentStore::open(&place.path().join("content")).unwrap();
        let books = Books::new(store, content, Fence { shard, epoch });
        let office = play(|| office(books.clone(), place.path().to_owned()));
        Shelf {
            books,
            office,
            _place: place,
        }
    }

    /// How many events each Message-ID has.
    async fn events(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let all = self.books.every::<EventRow>(Range::all(Ns::Event));
        for event in all.await.unwrap() {
            let EventBody::Message(key) = event.body else {
                panic!("an event of another kind: {event:?}");
            };
            let message = self.books.message(&key).await.unwrap().unwrap();
            *counts.entry(message.message_id.unwrap()).or_default() += 1;
        }
        counts
    }
}

async fn office(books: Books, place: std::path::PathBuf) -> Arc<Office> {
    let place: &Path = &place;
    House::over(books, place).await.office
}

fn message_id(name: &str, run: usize) -> String {
    format!("{name}.{run:05}@example.org")
}

/// Of the same length in each run.
fn message(name: &str, run: usize) -> Vec<u8> {
    let id = message_id(name, run);
    format!(
        "From: ann@example.org\r\nTo: sam@example.net\r\nMessage-ID: <{id}>\r\nSubject: {name}\r\n\
         Date: Mon, 2 Mar 2026 09:00:00 +0000\r\n\r\nHello.\r\n"
    )
    .into_bytes()
}

/// A session of a mailbox of its own, with one fault, until everything is taken.
fn run(shelf: &Shelf, number: usize, fault: Option<Fault>) -> Told {
    play(|| async {
        let mut inbox = FakeMailbox::with(7, 0);
        for (uid, name) in (1..).zip(OLD) {
            inbox.messages.insert(uid, message(name, number));
            inbox.uid_next = uid + 1;
        }
        let (server, callers) = Server::new(inbox);
        server.world().fault = fault;
        for (folder, names) in ARRIVALS {
            let messages = names.iter().map(|name| message(name, number)).collect();
            server.world().arrivals.push_back((folder, messages));
        }
        let acts = async {
            let took = watch(shelf, number, &server).await;
            let took = took.unwrap_or_else(|| panic!("{fault:?}: not all of it was taken"));
            Told::by(&server, took)
        };
        beside(&server, callers, acts).await
    })
}

/// How long it took until both cursors stood where they should; a while later they still do.
async fn watch(shelf: &Shelf, number: usize, server: &Arc<Server>) -> Option<Duration> {
    let clock: Arc<dyn Clock> = Arc::new(PausedClock::start());
    let ingest = Arc::new(Ingest::new(
        shelf.books.clone(),
        clock.clone(),
        shelf.office.clone(),
        Arc::new(Freshness::default()),
        Arc::new(Notify::new()),
    ));
    let mailbox = MailboxId(format!("m{number}"));
    let mut settings = settings();
    settings.route = Route::through(server.clone());
    let source = ImapSource::new(mailbox.clone(), settings, ingest.clone(), clock);
    let source = Arc::new(source);
    let supervisor = Supervisor::new();
    supervisor.spawn(TASK, move |stop| source.clone().run(stop));
    let (began, stop) = (Instant::now(), Stop::new());
    while !all_taken(shelf, (number, &ingest, &mailbox)).await {
        if began.elapsed() > MUCH {
            return None;
        }
        stop.sleep(LOOK_EVERY).await;
    }
    let took = began.elapsed();
    stop.sleep(STILL).await;
    let still = all_taken(shelf, (number, &ingest, &mailbox)).await;
    assert_eq!(supervisor.tasks()[TASK].restarts, 0, "the task panicked");
    let aborted = supervisor.shut_down().await;
    assert!(aborted.is_empty(), "the stop was not heeded");
    still.then_some(took)
}

/// Whether the cursors stand behind everything, and history is recorded too.
async fn all_taken(shelf: &Shelf, (number, ingest, mailbox): (usize, &Ingest, &MailboxId)) -> bool {
    for name in OLD {
        let id = message_id(name, number);
        if shelf.books.message_by_id(&id).await.unwrap().is_none() {
            return false;
        }
    }
    for (name, uid_validity, next_uid) in NEXT {
        let folder = FolderRef {
            mailbox: mailbox.clone(),
            folder: name.to_owned(),
            role: FolderRole::Inbox,
        };
        let behind = Cursor::Imap {
            uid_validity,
            next_uid,
        };
        if ingest.cursor(&folder).await.unwrap() != Some(behind) {
            return false;
        }
    }
    true
}

/// Of each message one record at one place, and one event of what was new.
async fn check(shelf: &Shelf, runs: &[(usize, Option<Fault>)]) {
    let events = shelf.events().await;
    for (number, fault) in runs {
        let arrivals = ARRIVALS.iter().flat_map(|(_, names)| names.iter());
        for name in OLD.iter().chain(arrivals) {
            let id = message_id(name, *number);
            let records = shelf.books.keys_under(keys::msgids(&id), 10).await.unwrap();
            assert_eq!(records.len(), 1, "{fault:?}: {id}");
            let message = shelf.books.message_by_id(&id).await.unwrap().unwrap();
            let copies = shelf.books.deliveries(&message.key).await.unwrap();
            assert_eq!(copies.len(), 1, "{fault:?}: {id}: {copies:?}");
            let new = usize::from(name.starts_with("new"));
            let count = events.get(&id).copied().unwrap_or(0);
            assert_eq!(count, new, "{fault:?}: events of {id}");
        }
    }
    let new: usize = ARRIVALS.iter().map(|(_, names)| names.len()).sum();
    assert_eq!(events.len(), new * runs.len(), "events of nobody's");
}

/// Whether a run kept its times, or what it did not keep.
type Bound = Result<(), String>;

fn within(most: Duration, took: Duration, what: &str) -> Bound {
    match took <= most {
        true => Ok(()),
        false => Err(format!("{what} {took:?}, at most {most:?}")),
    }
}

/// Runs all faults, on all cores, [`SHELF_RUNS`] in each store. On a busy machine the paused clock
/// may run on while a thread outside of the runtime writes: what was too long is run again by
/// itself, and only a time that is never kept is one.
fn run_all(kind: Kind, faults: &[Fault], bound: impl Fn(Fault, &Told) -> Bound + Sync) {
    let groups: Vec<&[Fault]> = faults.chunks(SHELF_RUNS).collect();
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (shelf, mut runs) = (Shelf::new(kind), Vec::new());
                    for (number, fault) in group.iter().enumerate() {
                        let mut kept = bound(*fault, &run(&shelf, number, Some(*fault)));
                        for _ in 0..RUNS_AGAIN_MAX {
                            if kept.is_ok() {
                                break;
                            }
                            let alone = Shelf::new(kind);
                            kept = bound(*fault, &run(&alone, 0, Some(*fault)));
                        }
                        assert_eq!(kept, Ok(()), "{fault:?}");
                        runs.push((number, Some(*fault)));
                    }
                    play(|| async { check(&shelf, &runs).await });
                }
            });
        }
    });
}

/// A store of files has threads of its own, for which the paused clock does not wait: there only
/// what came of it counts.
fn untimed(_: Fault, _: &Told) -> Bound {
    Ok(())
}

/// The session without a fault.
fn whole() -> Told {
    let shelf = Shelf::new(Kind::Memory);
    let told = run(&shelf, 0, None);
    play(|| async { check(&shelf, &[(0, None)]).await });
    told
}

#[test]
fn a_cut_at_every_byte_leaves_each_message_once_in_the_store() {
    let whole = whole();
    assert_eq!(whole.connections.len(), 2, "one watches, one works");
    let faults = cuts(&whole.connections);
    assert!(faults.len() > 1_500, "only {} bytes", faults.len());
    let bound = |fault: Fault, told: &Told| {
        let most = whole.took + BACKOFF + DETOURS + LOOK_EVERY;
        within(most, told.took, "took")?;
        // Nobody listens to a work connection that is not used.
        let most = BACKOFF + [Duration::ZERO, UNUSED][fault.connection.min(1)];
        within(most, told.noticed.unwrap_or_default(), "noticed after")
    };
    run_all(Kind::Memory, &faults, bound);
    let some: Vec<Fault> = faults.into_iter().step_by(SLED_EVERY).collect();
    run_all(Kind::Sled, &some, untimed);
}

#[test]
fn silence_behind_every_answer_leaves_each_message_once_in_the_store() {
    let whole = whole();
    let mut faults = Vec::new();
    for (connection, said) in whole.connections.iter().enumerate() {
        let places = said
            .borders
            .iter()
            .flat_map(|border| [*border, border.saturating_sub(1)]);
        faults.extend(places.map(|at| Fault {
            connection,
            side: Side::Server,
            at,
            end: End::Stall,
        }));
    }
    assert!(faults.len() > 40, "{}", faults.len());
    run_all(Kind::Sled, &faults, untimed);
    run_all(Kind::Memory, &faults, |fault, told| {
        let most = FETCH_LIMIT + BACKOFF;
        let heard = most + [Duration::ZERO, UNUSED][fault.connection.min(1)];
        within(heard, told.noticed.unwrap_or_default(), "noticed after")?;
        // Only what is old waits for the work connection, through the deadlines of another login.
        let again = [Duration::ZERO, 3 * FETCH_LIMIT][fault.connection.min(1)];
        let most = whole.took + most + again + DETOURS + LOOK_EVERY;
        within(most, told.took, "took")
    });
}
