//! The watcher as the daemon runs it, on a [`Server`] in memory, under a clock that nobody waits
//! for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use liaison_core::ids::MailboxId;
use liaison_core::time::Timestamp;
use tokio::time::Instant;

use super::ledger::{Ledger, Table};
use super::server::Server;
use crate::clock::Clock;
use crate::dial::Route;
use crate::source::imap::{ImapSettings, ImapSource};
use crate::source::{BatchMode, Content};
use crate::supervisor::{Stop, Supervisor};

/// How often the ledger is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Where the clock begins.
const BEGIN: Timestamp = Timestamp(1_790_000_000_000);

/// A clock that goes with the runtime's, which jumps to the next timer when nobody has work.
#[derive(Debug)]
pub(crate) struct PausedClock(Instant);

impl PausedClock {
    pub(crate) fn start() -> PausedClock {
        PausedClock(Instant::now())
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Timestamp(BEGIN.0 + passed)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A source at work.
pub(crate) struct Stage {
    pub(crate) server: Arc<Server>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) source: Arc<ImapSource>,
    supervisor: Supervisor,
    began: Instant,
}

static STAGES: AtomicUsize = AtomicUsize::new(0);

pub(crate) const TASK: &str = "watch alice";

impl Stage {
    /// Starts watching; `change` may change the settings before.
    pub(crate) fn open(server: &Arc<Server>, change: impl FnOnce(&mut ImapSettings)) -> Stage {
        let mut settings = settings();
        settings.route = Route::through(server.clone());
        change(&mut settings);
        let ledger = Arc::new(Ledger::default());
        let began = Instant::now();
        let source = Arc::new(ImapSource::new(
            MailboxId("alice".to_owned()),
            settings,
            ledger.clone(),
            Arc::new(PausedClock(began)),
        ));
        let supervisor = Supervisor::new();
        let watched = source.clone();
        supervisor.spawn(TASK, move |stop| watched.clone().run(stop));
        Stage {
            server: server.clone(),
            ledger,
            source,
            supervisor,
            began,
        }
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, time: Duration) {
        Stop::new().sleep(time).await;
    }

    /// Waits until the ledger is as wanted; false when it is not within `limit`.
    pub(crate) async fn until(&self, limit: Duration, wanted: impl Fn(&Table) -> bool) -> bool {
        let until = Instant::now() + limit;
        while !wanted(&self.ledger.table()) {
            if Instant::now() >= until {
                return false;
            }
            self.pass(LOOK_EVERY).await;
        }
        true
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Ends the watch.
    ///
    /// # Panics
    /// When the task panicked meanwhile, or did not heed its stop.
    pub(crate) async fn close(self) {
        let restarts = self.supervisor.tasks().get(TASK).map(|task| task.restarts);
        assert_eq!(restarts, Some(0), "the task panicked");
        let aborted = self.supervisor.shut_down().await;
        assert!(aborted.is_empty(), "the stop was not heeded");
    }
}

/// Of a mailbox whose password is found without waiting.
pub(crate) fn settings() -> ImapSettings {
    let mut settings: ImapSettings = toml::from_str(
        r#"
        host = "imap.example.com"
        user = "alice@example.com"
        password = { env = "CARGO_PKG_NAME" }
        "#,
    )
    .unwrap();
    // Tests run beside each other, and a login has one work connection.
    let nth = STAGES.fetch_add(1, Ordering::Relaxed);
    settings.user = format!("alice{nth:08}@example.com");
    settings
}

/// Runs `play` beside the server, on a runtime of its own with a paused clock.
pub(crate) fn play<T>(server: impl FnOnce() -> T) -> T::Output
where
    T: Future,
{
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(server())
}

/// A message with this subject and so many bytes of text.
pub(crate) fn message(subject: &str, length: usize) -> Vec<u8> {
    let mut bytes = format!("Subject: {subject}\r\nFrom: ann@example.org\r\n\r\n").into_bytes();
    let text = b"abcdefghijklmnopqrstuvw".repeat(length.div_ceil(23));
    bytes.extend(&text[..length]);
    bytes.extend(b"\r\n");
    bytes
}

/// How often each message was handed in, and how it was taken first.
pub(crate) fn handed_in(table: &Table) -> BTreeMap<String, (usize, BatchMode)> {
    let mut counts = BTreeMap::new();
    for batch in &table.batches {
        for arrived in &batch.arrived {
            if let Content::Message(_) = arrived.content {
                let subject = super::ledger::subject(arrived);
                counts.entry(subject).or_insert((0, batch.mode)).0 += 1;
            }
        }
    }
    counts
}

/// Whether all `subjects` are there.
pub(crate) fn has_all(table: &Table, subjects: &[&str]) -> bool {
    subjects
        .iter()
        .all(|subject| table.first.contains_key(*subject))
}

/// Every message that was handed in is one of the server's, byte for byte.
pub(crate) fn unharmed(table: &Table, server: &Server) -> bool {
    let world = server.world();
    let arrived = table.batches.iter().flat_map(|batch| &batch.arrived);
    arrived.into_iter().all(|arrived| match &arrived.content {
        Content::Message(bytes) => world
            .peer
            .boxes
            .values()
            .flat_map(|found| found.messages.values())
            .any(|message| message[..] == bytes[..]),
        _ => true,
    })
}
