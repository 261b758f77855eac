//! Days of many mailboxes in minutes: all parts of the daemon, real store included, on a
//! [`server`] in memory, under a clock that jumps to whatever is due next.
//!
//! Tokio's paused clock moves when no task has work and no blocking thread is busy. The store
//! reads and writes content on blocking threads; its commits go to a thread of its own, of which
//! Tokio knows nothing, so that [`Unhurried`] waits for each of them on a blocking thread. Time
//! therefore never passes while something is under way, and a run is as long as its work.
//!
//! No plugins: their threads are not Tokio's either.

pub mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use liaison::app::App;
use liaison::books::rows::{EventBody, EventRow, OutcomeRow, WatchRow};
use liaison::books::{Books, keys};
use liaison::clock::Clock;
use liaison::config::{Config, MailboxKind};
use liaison::dial::Route;
use liaison::store::content::ContentStore;
use liaison::store::sled::{SledOptions, SledStore};
use liaison::store::{
    Batch, CommitError, CommitId, Dir, Key, Leases, Ns, Page, Range, ReadError, ShardId, Store,
    StoreHealth, Versioned,
};
use liaison::supervisor::{Stop, Supervisor};
use liaison_core::time::Timestamp;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::chance::Chance;
use server::{Server, Traffic, Way, message_id};

/// Where the clock begins: a Monday.
const BEGIN: Timestamp = Timestamp(1_772_442_000_000);
/// Bytes of sled's page cache: full within the first hours, so that it does not look like growth.
const CACHE_BYTES: u64 = 2 << 20;
/// Bytes of the store's journal until it is cleared away; as the cache.
const JOURNAL_BYTES: u64 = 8 << 20;
/// Samples are taken so often.
pub const SAMPLE_HOURS: u64 = 8;
/// Minutes before a sample in which nothing goes wrong: a refused login is tried again after an
/// hour.
const CALM_BEFORE_MINUTES: u64 = 90;
/// Minutes before a sample in which nothing arrives.
const STILL_BEFORE_MINUTES: u64 = 15;
/// How old a proof may be, as `[alarm] stale_after` is where nothing is configured.
const STALE_AFTER: Duration = Duration::from_secs(15 * 60);
/// How long the whole server is away each day.
const DOWN_MINUTES: u64 = 6;
/// Minutes after which a message that was passed by is shown.
const REVEALED_AFTER_MINUTES: u64 = 60;
/// No message is passed by in so many last hours: it is found at the daily look.
const NOT_LATE_HOURS: u64 = 26;

/// How a run goes.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Mailboxes, each with INBOX and Sent.
    pub mailboxes: usize,
    /// How long, a multiple of [`SAMPLE_HOURS`].
    pub hours: u64,
    /// In which hours mail comes.
    pub mail_until_hour: u64,
    /// Minutes between two messages of one mailbox, on average.
    pub mail_every_minutes: u64,
    /// Minutes between two troubles of one mailbox, on average.
    pub trouble_every_minutes: u64,
    /// Bytes that the process uses.
    pub heap: fn() -> u64,
}

/// What is there at a moment when everything is calm.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Hours since the start.
    pub hour: u64,
    /// Tasks of the runtime, those of the server included.
    pub tasks: usize,
    /// Connections open.
    pub connections: usize,
    /// Bytes in use.
    pub heap: u64,
    /// Messages delivered.
    pub delivered: usize,
    /// So far.
    pub traffic: Traffic,
}

/// What went wrong on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Troubles {
    /// Connections ended.
    pub cuts: u64,
    /// Connections that said nothing more.
    pub silences: u64,
    /// Logins refused for a while.
    pub throttles: u64,
    /// Logins refused as wrong, for a while.
    pub refusals: u64,
    /// Messages that were shown late.
    pub late: u64,
    /// Times the whole server was away.
    pub outages: u64,
}

/// What came of a run.
#[derive(Debug)]
pub struct Told {
    /// Calm moments, every [`SAMPLE_HOURS`].
    pub samples: Vec<Sample>,
    /// What went wrong on purpose.
    pub troubles: Troubles,
    /// The oldest proof of a mailbox whose server was willing.
    pub oldest_proof: Duration,
    /// Everything that is not as it should be, in words.
    pub wrong: Vec<String>,
}

/// Runs `plan` to its end.
///
/// # Panics
/// When the daemon's parts cannot be built or do not stop.
pub fn run(plan: Plan) -> Told {
    let folder = folder();
    let config = config(folder.path(), plan.mailboxes);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let told = runtime.block_on(Box::pin(Course::begin(plan, config)));
    drop(runtime);
    told
}

/// In memory where there is such a place: what a disk takes is not asked here.
fn folder() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("liaison-days-");
    let memory = builder.tempdir_in("/dev/shm");
    memory.or_else(|_| builder.tempdir()).expect("temp dir")
}

fn config(folder: &Path, mailboxes: usize) -> Config {
    let secret = folder.join("password");
    fs::write(&secret, "anything\n").expect("write the secret");
    let mut text = format!(
        "state_dir = \"{}\"\n[firm]\nname = \"Example Consulting\"\nzone = \"Europe/Berlin\"\n\
         domains = [\"example.test\"]\n[[user]]\nname = \"Alice Ames\"\n\
         address = \"alice@example.test\"\n",
        folder.join("state").display()
    );
    for n in 0..mailboxes {
        text.push_str(&format!(
            "[[mailbox]]\nname = \"m{n}\"\nkind = \"imap\"\nowner = \"alice@example.test\"\n\
             address = \"m{n}@example.test\"\nhost = \"imap{}.example.test\"\nuser = \"m{n}\"\n\
             password = {{ file = \"{}\" }}\npoll_interval_secs = 900\n",
            n % 7,
            secret.display()
        ));
    }
    let file = folder.join("liaison.toml");
    fs::write(&file, text).expect("write the configuration");
    Config::load(&file).expect("the configuration")
}

/// Goes with the runtime's clock.
#[derive(Debug)]
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        BEGIN.plus_millis(i64::try_from(self.0.elapsed().as_millis()).expect("some days"))
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The store, which lets no time pass while a commit is under way.
#[derive(Debug)]
struct Unhurried(Arc<SledStore>);

impl Store for Unhurried {
    fn get<'a>(
        &'a self,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, ReadError>> {
        self.0.get(keys)
    }

    fn scan(
        &self,
        range: Range,
        dir: Dir,
        limit: usize,
        after: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        self.0.scan(range, dir, limit, after)
    }

    fn scan_many<'a>(&'a self, ranges: &'a [Range]) -> BoxFuture<'a, Result<Vec<Page>, ReadError>> {
        self.0.scan_many(ranges)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<CommitId, CommitError>> {
        let store = self.0.clone();
        let runtime = tokio::runtime::Handle::current();
        let wait = move || runtime.block_on(store.commit(batch));
        let done = tokio::task::spawn_blocking(wait);
        Box::pin(async move { done.await.expect("a commit panicked") })
    }

    fn health(&self) -> StoreHealth {
        self.0.health()
    }

    fn failed(&self) -> BoxFuture<'_, Arc<str>> {
        self.0.failed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), CommitError>> {
        self.0.close()
    }
}

async fn open(state_dir: &Path) -> (Books, Arc<SledStore>) {
    fs::create_dir_all(state_dir).expect("the state directory");
    let options = SledOptions {
        cache_bytes: CACHE_BYTES,
        segment_bytes: JOURNAL_BYTES,
        checkpoint_bytes: JOURNAL_BYTES,
        ..SledOptions::default()
    };
    let store = SledStore::open(&state_dir.join("store"), options).expect("open the store");
    let store = Arc::new(store);
    let content = ContentStore::open(&state_dir.join("content")).expect("the content files");
    let view = store.leases().beat().await.expect("the lease");
    let fence = view.fence(ShardId::SINGLE).expect("the only shard");
    let shared: Arc<dyn Store> = Arc::new(Unhurried(store.clone()));
    let books = Books::new(shared, content, fence).with_local(store.clone());
    (books, store)
}

/// Something that happens to a mailbox.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Mail,
    Sent,
    Late,
    Reveal,
    Cut,
    Silence,
    Refuse(&'static str),
    Relent,
}

/// What a server says that is busy.
const BUSY: &str = "[UNAVAILABLE] come back later";
/// What it says when the password is wrong.
const WRONG: &str = "[AUTHENTICATIONFAILED] no such login";

/// A run on its way.
struct Course {
    plan: Plan,
    server: Arc<Server>,
    app: App,
    chance: Chance,
    /// By minute.
    due: BTreeMap<u64, Vec<(usize, Happening)>>,
    /// Minute until which a mailbox may be without proof.
    excused: Vec<u64>,
    /// Message-ID of what has to become one event.
    expected: Vec<String>,
    told: Told,
}

impl Course {
    async fn begin(plan: Plan, mut config: Config) -> Told {
        let (books, store) = open(&config.state_dir).await;
        let server = Server::new(plan.mailboxes);
        let route = Route::through(Arc::new(Way(server.clone())));
        for mailbox in &mut config.mailboxes {
            if let MailboxKind::Imap(settings) = &mut mailbox.kind {
                settings.route = route.clone();
            }
        }
        let clock = Arc::new(PausedClock(Instant::now()));
        let app = App::build(&config, books, clock).await.expect("the parts");
        let supervisor = Supervisor::new();
        app.start(&supervisor).await.expect("a start");
        let mut course = Course {
            plan,
            server,
            app,
            chance: Chance::seeded(5),
            due: BTreeMap::new(),
            excused: vec![0; plan.mailboxes],
            expected: Vec::new(),
            told: Told {
                samples: Vec::new(),
                troubles: Troubles::default(),
                oldest_proof: Duration::ZERO,
                wrong: Vec::new(),
            },
        };
        course.pass().await;
        course.look_back(&supervisor).await;
        let aborted = supervisor.shut_down().await;
        if !aborted.is_empty() {
            course.told.wrong.push(format!("not stopped: {aborted:?}"));
        }
        let Course { app, told, .. } = course;
        drop(app);
        store.close().await.expect("close the store");
        told
    }

    /// All minutes, one after the other.
    async fn pass(&mut self) {
        let stop = Stop::new();
        for minute in 0..self.plan.hours * 60 {
            self.choose(minute);
            for (account, happening) in self.due.remove(&minute).unwrap_or_default() {
                self.happen(minute, account, happening);
            }
            stop.sleep(Duration::from_secs(60)).await;
            self.look(minute);
            if (minute + 1).is_multiple_of(SAMPLE_HOURS * 60) {
                self.sample((minute + 1) / 60, &stop).await;
            }
        }
    }

    /// What begins in a minute.
    fn choose(&mut self, minute: u64) {
        let left = SAMPLE_HOURS * 60 - minute % (SAMPLE_HOURS * 60);
        // The first look at everything is over then.
        if minute < 5 || left <= STILL_BEFORE_MINUTES {
            return;
        }
        for account in 0..self.plan.mailboxes {
            if minute < self.plan.mail_until_hour * 60 && self.one_in(self.plan.mail_every_minutes)
            {
                let happening = match self.chance.within(0..6) {
                    0 => Happening::Sent,
                    _ => Happening::Mail,
                };
                self.due
                    .entry(minute)
                    .or_default()
                    .push((account, happening));
            }
            if left > CALM_BEFORE_MINUTES && self.one_in(self.plan.trouble_every_minutes) {
                self.trouble(minute, account);
            }
        }
        let down = minute % (24 * 60);
        if down == 10 * 60 {
            self.server.set_down(true);
            self.told.troubles.outages += 1;
            for account in 0..self.plan.mailboxes {
                self.excuse(account, minute + 2 * DOWN_MINUTES + 1);
            }
        } else if down == 10 * 60 + DOWN_MINUTES {
            self.server.set_down(false);
        }
    }

    fn one_in(&mut self, minutes: u64) -> bool {
        self.chance.within(0..minutes) == 0
    }

    fn trouble(&mut self, minute: u64, account: usize) {
        let mut then = |after: u64, happening| {
            let due = self.due.entry(minute + after).or_default();
            due.push((account, happening));
        };
        let left_hours = self.plan.mail_until_hour.saturating_sub(minute / 60);
        match self.chance.within(0..20) {
            0..=7 => then(0, Happening::Cut),
            8..=13 => then(0, Happening::Silence),
            14..=16 => {
                then(0, Happening::Refuse(BUSY));
                then(4, Happening::Relent);
            }
            17 => {
                then(0, Happening::Refuse(WRONG));
                then(3, Happening::Relent);
            }
            _ if left_hours > NOT_LATE_HOURS || self.plan.hours - minute / 60 > NOT_LATE_HOURS => {
                if minute < self.plan.mail_until_hour * 60 {
                    then(0, Happening::Late);
                    then(REVEALED_AFTER_MINUTES, Happening::Reveal);
                }
            }
            _ => then(0, Happening::Cut),
        }
    }

    fn excuse(&mut self, account: usize, until: u64) {
        let excused = &mut self.excused[account];
        *excused = until.max(*excused);
    }

    fn happen(&mut self, minute: u64, account: usize, happening: Happening) {
        let (server, troubles) = (self.server.clone(), &mut self.told.troubles);
        match happening {
            Happening::Mail => {
                let uid = server.deliver(account);
                self.expected.push(message_id(account, "INBOX", uid));
            }
            Happening::Sent => {
                let uid = server.deliver_to_sent(account);
                self.expected.push(message_id(account, "Sent", uid));
            }
            Happening::Late => {
                troubles.late += 1;
                for uid in server.deliver_late(account) {
                    self.expected.push(message_id(account, "INBOX", uid));
                }
            }
            Happening::Reveal => server.reveal(account),
            Happening::Cut => {
                troubles.cuts += 1;
                server.cut(account);
            }
            Happening::Silence => {
                troubles.silences += 1;
                server.fall_silent(account);
            }
            Happening::Refuse(why) => {
                server.refuse(account, Some(why));
                // As long as the watcher waits before it tries again.
                let wait = match why {
                    BUSY => {
                        troubles.throttles += 1;
                        6
                    }
                    _ => {
                        troubles.refusals += 1;
                        61
                    }
                };
                self.excuse(account, minute + 4 + wait);
            }
            Happening::Relent => server.refuse(account, None),
        }
    }

    /// Whether everything is proven up to date that should be.
    fn look(&mut self, minute: u64) {
        let now = self.app.clock.now();
        for state in self.app.freshness.list() {
            let account = state.source.trim_start_matches('m').parse::<usize>();
            let account = account.expect("the name of a mailbox");
            let Some(at) = state.fresh_at.filter(|_| self.excused[account] <= minute) else {
                continue;
            };
            let age = Duration::from_millis(u64::try_from(now.since(at)).unwrap_or(0));
            self.told.oldest_proof = self.told.oldest_proof.max(age);
            if age > STALE_AFTER && self.told.wrong.len() < 20 {
                let words = format!("minute {minute}: {state:?} is {} s old", age.as_secs());
                self.told.wrong.push(words);
            }
        }
    }

    async fn sample(&mut self, hour: u64, stop: &Stop) {
        for _ in 0..60 {
            if self.server.idle() >= self.plan.mailboxes {
                break;
            }
            stop.sleep(Duration::from_secs(1)).await;
        }
        let idle = self.server.idle();
        if idle < self.plan.mailboxes {
            let words = format!("hour {hour}: only {idle} mailboxes are watched");
            self.told.wrong.push(words);
        }
        let metrics = tokio::runtime::Handle::current().metrics();
        self.told.samples.push(Sample {
            hour,
            tasks: metrics.num_alive_tasks(),
            connections: self.server.open(),
            heap: (self.plan.heap)(),
            delivered: self.expected.len(),
            traffic: self.server.traffic(),
        });
    }

    /// Each message is one event, each event was worked on, and nothing is left to tell.
    async fn look_back(&mut self, supervisor: &Supervisor) {
        let books = self.app.books.clone();
        let mut counts: BTreeMap<String, (bool, u32)> = BTreeMap::new();
        for id in self.expected.drain(..) {
            counts.insert(id, (true, 0));
        }
        let events = books.every::<EventRow>(Range::all(Ns::Event)).await;
        for event in events.expect("the events") {
            let EventBody::Message(key) = &event.body else {
                self.told
                    .wrong
                    .push(format!("an event of another kind: {event:?}"));
                continue;
            };
            let message = books.message(key).await.expect("a message");
            let id = message.and_then(|message| message.message_id);
            counts.entry(id.unwrap_or_default()).or_default().1 += 1;
        }
        let odd = counts.iter().filter(|(_, count)| **count != (true, 1));
        let odd = odd.map(|(id, (sent, events))| format!("{id}: sent {sent}, {events} events"));
        self.told.wrong.extend(odd.take(20));
        let outcomes = books.every::<OutcomeRow>(Range::all(Ns::Outcome)).await;
        let outcomes = outcomes.expect("the outcomes");
        let open = outcomes.iter().filter(|outcome| outcome.closed.is_none());
        let open = open.map(|outcome| format!("open: {outcome:?}"));
        self.told.wrong.extend(open.take(20));
        for account in 0..self.plan.mailboxes {
            let key = keys::watched("mail", &format!("m{account}"));
            let row = books.get::<WatchRow>(key).await.expect("the alarms");
            let alarm = row.and_then(|row| row.record.alarm);
            if let Some(alarm) = alarm.filter(|alarm| alarm.open) {
                self.told
                    .wrong
                    .push(format!("the alarm of m{account} goes on: {alarm:?}"));
            }
        }
        for (task, state) in supervisor.tasks() {
            if state.restarts > 0 {
                self.told.wrong.push(format!("{task}: {state:?}"));
            }
        }
    }
}
