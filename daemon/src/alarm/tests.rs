use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use liaison_core::ids::MailboxId;

use super::*;
use crate::books::keys;
use crate::books::rows::WatchRow;
use crate::clock::ManualClock;
use crate::freshness::AUTOMATIC_MAIL;
use crate::source::{FolderRef, FolderRole};
use crate::store::content::ContentStore;
use crate::store::memory::MemoryStore;
use crate::store::watched::{Fate, Watched as WatchedStore};
use crate::store::{Batch, CommitError, CommitId, Fence, ShardId, Store};

const START: Timestamp = Timestamp(1_772_000_000_000);
const MINUTE_MS: i64 = 60_000;
const EVERY: Duration = Duration::from_secs(15);

/// Takes no commit while it is full.
#[derive(Debug, Default)]
struct Disk {
    full: AtomicBool,
}

impl Fate for Disk {
    fn commit<'a>(
        &'a self,
        base: &'a dyn Store,
        batch: Batch,
    ) -> BoxFuture<'a, Result<CommitId, CommitError>> {
        async move {
            match self.full.load(Ordering::SeqCst) {
                true => Err(CommitError::Full),
                false => base.commit(batch).await,
            }
        }
        .boxed()
    }
}

/// A firm with a mailbox and a transport, whose alarms are lines of a file.
struct Watch {
    store: Arc<WatchedStore<Disk>>,
    clock: ManualClock,
    alarms: Alarms,
    last: Timestamp,
    dir: tempfile::TempDir,
}

impl Watch {
    async fn new() -> Watch {
        let dir = tempfile::tempdir().unwrap();
        let memory = MemoryStore::new();
        let fence = Fence {
            shard: ShardId::SINGLE,
            epoch: memory.epoch(),
        };
        let store = Arc::new(WatchedStore {
            base: Arc::new(memory),
            fate: Disk::default(),
        });
        let content = ContentStore::open(&dir.path().join("content")).unwrap();
        let books = Books::new(store.clone(), content, fence);
        let clock = ManualClock::at(START);
        let told = format!(
            "cat > /dev/null; echo $LIAISON_ALARM $LIAISON_ALARM_SOURCE >> '{}'",
            dir.path().join("told").display()
        );
        let alarms = alarms(books, &clock, &told);
        alarms.begin().await.unwrap();
        let mut watch = Watch {
            store,
            last: clock.now(),
            clock,
            alarms,
            dir,
        };
        watch.proven_and_looked(2).await;
        watch
    }

    /// The process begins anew.
    async fn restart(&mut self, change: impl FnOnce(&mut Alarms)) {
        let way = self.alarms.settings.ways.clone();
        let mut alarms = alarms(self.alarms.books.clone(), &self.clock, "");
        alarms.settings.ways = way;
        change(&mut alarms);
        self.alarms = alarms;
        self.alarms.begin().await.unwrap();
        self.last = self.clock.now();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What was told so far; forgets it.
    fn told(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("told")).unwrap_or_default();
        let _ = fs::remove_file(self.path("told"));
        text.lines().map(str::to_owned).collect()
    }

    fn prove(&self) {
        let inbox = FolderRef {
            mailbox: MailboxId::from("sales"),
            folder: "INBOX".to_owned(),
            role: FolderRole::Inbox,
        };
        let freshness = &self.alarms.freshness;
        freshness.mail_proven(&inbox, self.clock.now(), "IDLE");
    }

    /// One look, in time.
    async fn look(&mut self) {
        self.clock.set(self.clock.now().plus_millis(millis(EVERY)));
        self.last = self.alarms.round(self.last, EVERY).await;
    }

    /// So many minutes pass, in which the mailbox is proven.
    async fn proven_and_looked(&mut self, minutes: i64) {
        for _ in 0..minutes * 4 {
            self.prove();
            self.look().await;
        }
    }

    fn smtp(&self, works: bool) {
        let freshness = &self.alarms.freshness;
        match works {
            true => freshness.transport_works("smtp"),
            false => freshness.transport_trouble("smtp", "AUTH was refused".to_owned(), true),
        };
    }

    async fn row(&self, source: &str) -> Option<WatchRow> {
        let key = keys::watched("transport", source);
        let stored = self.alarms.books.get::<WatchRow>(key).await.unwrap();
        stored.map(|stored| stored.record)
    }
}

fn alarms(books: Books, clock: &ManualClock, told: &str) -> Alarms {
    Alarms {
        books,
        clock: Arc::new(clock.clone()),
        freshness: Arc::default(),
        settings: AlarmSettings {
            ways: vec![shell(told)],
            ..AlarmSettings::default()
        },
        watched: vec![Watched {
            kind: SourceKind::Mail,
            source: "sales".to_owned(),
            stale_after_ms: 15 * MINUTE_MS,
        }],
        by_use: [
            (SourceKind::Transport, "smtp".to_owned()),
            (SourceKind::Outbox, AUTOMATIC_MAIL.to_owned()),
        ]
        .into(),
        firm: "Example".to_owned(),
        trouble: Mutex::default(),
        known: tokio::sync::Mutex::default(),
    }
}

fn shell(text: &str) -> AlarmWay {
    AlarmWay::Command(["sh", "-c", text].map(str::to_owned).to_vec())
}

#[tokio::test]
async fn a_transport_that_works_again_is_told_and_so_is_its_next_failure() {
    let mut watch = Watch::new().await;
    watch.smtp(false);
    watch.proven_and_looked(5).await;
    assert_eq!(watch.told(), ["raised smtp"]);
    watch.smtp(true);
    watch.proven_and_looked(10).await;
    assert_eq!(watch.told(), ["cleared smtp"]);
    watch.smtp(false);
    watch.proven_and_looked(1).await;
    assert_eq!(watch.told(), ["raised smtp"]);
}

#[tokio::test]
async fn the_circuit_breaker_is_told_once_per_trip_and_when_mail_may_leave_again() {
    let mut watch = Watch::new().await;
    let trips = |watch: &Watch, count: u32| {
        let what = format!("circuit breaker: {count} automatic mails within an hour");
        watch.alarms.freshness.breaker_trips(what)
    };
    assert!(trips(&watch, 60));
    watch.proven_and_looked(5).await;
    assert!(!trips(&watch, 61), "the same trip");
    watch.proven_and_looked(30).await;
    assert_eq!(watch.told(), ["raised automatic mail"]);
    // A restart in the middle says nothing until the mails of the hour were counted.
    watch.restart(|_| ()).await;
    watch.proven_and_looked(5).await;
    assert_eq!(watch.told(), [""; 0]);
    watch.alarms.freshness.breaker_rests();
    watch.proven_and_looked(1).await;
    assert_eq!(watch.told(), ["cleared automatic mail"]);
    watch.proven_and_looked(15).await;
    assert!(trips(&watch, 60));
    watch.proven_and_looked(1).await;
    assert_eq!(watch.told(), ["raised automatic mail"]);
}

/// What is proven by its use only is as it was until it is used; what is gone is over.
#[tokio::test]
async fn an_alarm_that_was_told_before_a_restart_ends_after_it() {
    let mut watch = Watch::new().await;
    watch.smtp(false);
    watch.look().await;
    assert_eq!(watch.told(), ["raised smtp"]);
    watch.restart(|_| ()).await;
    watch.proven_and_looked(5).await;
    assert_eq!(watch.told(), [""; 0], "nobody used it");
    watch.smtp(false);
    watch.proven_and_looked(5).await;
    assert_eq!(watch.told(), [""; 0], "nothing new");
    watch.restart(|_| ()).await;
    watch.smtp(true);
    watch.proven_and_looked(5).await;
    assert_eq!(watch.told(), ["cleared smtp"]);

    watch.proven_and_looked(10).await;
    watch.smtp(false);
    watch.look().await;
    assert_eq!(watch.told(), ["raised smtp"]);
    watch.restart(|alarms| alarms.by_use.clear()).await;
    watch.proven_and_looked(5).await;
    assert_eq!(watch.told(), ["cleared smtp"], "it is not configured now");
    watch.restart(|_| ()).await;
    watch.proven_and_looked(5).await;
    assert_eq!(watch.told(), [""; 0]);
}

#[tokio::test]
async fn an_alarm_is_told_once_also_while_it_cannot_be_written_down() {
    let mut watch = Watch::new().await;
    watch.store.fate.full.store(true, Ordering::SeqCst);
    watch.smtp(false);
    watch.proven_and_looked(20).await;
    assert_eq!(watch.told(), ["raised smtp"]);
    assert_eq!(watch.row("smtp").await, None);
    watch.store.fate.full.store(false, Ordering::SeqCst);
    watch.proven_and_looked(11).await;
    assert_eq!(watch.told(), [""; 0]);
    assert!(watch.row("smtp").await.unwrap().alarm.unwrap().open);
}

#[tokio::test]
async fn a_damaged_row_counts_as_none_and_silences_nobody() {
    let mut watch = Watch::new().await;
    // Of a source that is looked at before the other.
    let mut batch = watch.alarms.books.batch();
    let damaged = keys::watched("mail", "sales");
    batch.put(damaged.clone(), Bytes::from_static(b"no record"));
    watch.store.base.commit(batch).await.unwrap();
    watch.restart(|_| ()).await;
    watch.smtp(false);
    watch.proven_and_looked(5).await;
    assert_eq!(watch.told(), ["raised smtp"]);
    let mended = watch.alarms.books.get::<WatchRow>(damaged).await.unwrap();
    assert_eq!(mended.unwrap().record.proven.len(), 1);
}

#[tokio::test]
async fn a_way_that_hangs_is_no_pause_of_the_machine() {
    let mut watch = Watch::new().await;
    let (fifo, clock) = (watch.path("fifo"), watch.clock.clone());
    make_fifo(&fifo);
    let hang = format!("cat '{}'", fifo.display());
    watch.alarms.settings.ways.push(shell(&hang));
    watch.clock.set(START.plus_millis(60 * MINUTE_MS));
    watch.last = watch.clock.now();
    let hung = watch.clock.now().plus_millis(MINUTE_MS + 15_000 + 15_000);
    let waiting = tokio::task::spawn_blocking(move || {
        // Opens when the command reads.
        let opened = fs::OpenOptions::new().write(true).open(fifo).unwrap();
        clock.set(hung);
        drop(opened);
    });
    watch.look().await;
    waiting.await.unwrap();
    assert_eq!(watch.told(), ["raised sales"]);
    watch.clock.set(hung.plus_millis(millis(EVERY)));
    watch.alarms.passed(watch.last, watch.clock.now(), EVERY);
    let faults = watch.alarms.freshness.faults(watch.clock.now());
    assert_eq!(faults.len(), 1, "it is overdue all the same");
    // The machine stood still while a look was under way, or between two.
    for at_most in [EVERY, TELL_FOR + WAY_LIMIT] {
        let now = watch.clock.now().plus_millis(8 * 60 * MINUTE_MS);
        watch.alarms.passed(watch.clock.now(), now, at_most);
        watch.clock.set(now);
        assert!(!watch.alarms.freshness.is_settled(now));
    }
}

#[tokio::test]
async fn sources_are_told_beside_each_other() {
    let mut watch = Watch::new().await;
    for name in ["smtp", "other"] {
        make_fifo(&watch.path(name));
    }
    // Each waits for the other.
    let meet = format!(
        "cd '{}'; case $LIAISON_ALARM_SOURCE in smtp) echo > other; cat smtp;; \
         *) cat other; echo > smtp;; esac",
        watch.dir.path().display()
    );
    watch.alarms.settings.ways = vec![shell(&meet)];
    watch.smtp(false);
    let freshness = watch.alarms.freshness.clone();
    freshness.transport_trouble("other", "refused".to_owned(), true);
    watch.look().await;
    assert_eq!(watch.alarms.trouble(), None);
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_up_no_alarm() {
    let mut watch = Watch::new().await;
    let right = watch.clock.now();
    // Ahead for a moment: the last proof is of then.
    watch.clock.set(right.plus_millis(24 * 60 * MINUTE_MS));
    watch.look().await;
    watch.proven_and_looked(3).await;
    watch.clock.set(right);
    for _ in 0..4 * 18 {
        watch.look().await;
    }
    assert_eq!(watch.told(), ["raised sales"]);
    // What is written down is of the right clock.
    watch.prove();
    watch.look().await;
    assert_eq!(watch.told(), ["cleared sales"]);
    watch.restart(|_| ()).await;
    for _ in 0..4 * 18 {
        watch.look().await;
    }
    assert_eq!(watch.told(), ["raised sales"]);
}

/// A fault that ends before anybody heard of it leaves no wait to the next one.
#[tokio::test]
async fn the_first_try_of_the_next_alarm_comes_at_once() {
    let mut watch = Watch::new().await;
    let works = watch.alarms.settings.ways.clone();
    watch.alarms.settings.ways = vec![shell("exit 1")];
    watch.smtp(false);
    watch.proven_and_looked(20).await;
    let trouble = watch.alarms.trouble().unwrap();
    assert!(
        trouble.contains("smtp") || trouble.contains("exit"),
        "{trouble}"
    );
    watch.smtp(true);
    watch.look().await;
    assert_eq!(watch.alarms.trouble(), None);
    watch.alarms.settings.ways = works;
    watch.smtp(false);
    watch.look().await;
    assert_eq!(watch.told(), ["raised smtp"]);
}

fn make_fifo(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}
