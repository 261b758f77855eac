//! `liaison run`: the daemon as a service, from the first lock to the last flush.
//!
//! `liaison reload` and SIGHUP read the configuration and the plugins again: all parts are built
//! anew beside the running ones, which end in order only when that succeeded. The store stays open
//! and locked all the while. What cannot be used is told, and everything goes on as it was.

mod reload;

use std::io::IsTerminal;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::{App, StartError, open_configured};
use crate::accounts::{AccountBook, DomainRules};
use crate::api::{ApiContext, Live, Wake};
use crate::books::registry::Registry;
use crate::books::{Books, sweep};
use crate::calendars::Calendars;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Control};
use crate::control::server::{BindError, ControlSocket, Counter};
use crate::freshness::SourceKind;
use crate::keeping;
use crate::store::StoreState;
use crate::store::progress::Progress;
use crate::store::sled::OpenError;
use crate::supervisor::{Stop, Supervisor, Waited};

/// How long the store may take to answer before the watchdog is no longer fed.
const PULSE_LIMIT: Duration = Duration::from_secs(5);

/// Open files besides those of mailboxes and calendars: the store's, the content's, the sockets of
/// commands.
const FILES_MIN: u64 = 256;

/// How long somebody else may have the store at the start. A command that found no daemon has it
/// for a moment; who keeps it longer is another daemon.
const STORE_WAIT: Duration = Duration::from_secs(10);

/// Pause between two tries to open a store that is in use.
const STORE_LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why the service ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not start.
    #[error("the daemon cannot start")]
    Start(#[from] StartError),
    /// The control socket could not be opened.
    #[error("the control socket cannot be opened")]
    Socket(#[from] BindError),
    /// Signals cannot be listened for.
    #[error("signals cannot be listened for")]
    Signals(#[source] std::io::Error),
    /// The store failed while running.
    #[error("the store failed ({0}); the daemon stopped in order, and the next start recovers")]
    Store(String),
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start, or the store fails; everything else is repaired or shown by `status`.
pub async fn run(config: &Config) -> Result<(), RunError> {
    // From here on, so that an end during the start is in order, too: it comes after the start.
    let mut signals = Signals::listen()?;
    allow_connections(config);
    let (mut config, mut opening) = (config.clone(), Supervisor::new());
    loop {
        let (opened, front) = open(&config).await?;
        shut_down(&opening).await;
        let result = match (&opened, &front) {
            (Ok(books), Ok(front)) => match ready(&config, books).await {
                Ok(()) => serve(&config, books, &mut signals, front).await,
                Err(error) => Err(error.into()),
            },
            _ => Ok(After::End),
        };
        if let Ok(front) = &front {
            shut_down(&front.tasks).await;
        }
        let books = opened?;
        if let Err(error) = books.store.close().await {
            tracing::error!(%error, "the store did not close in order");
        }
        front?;
        match result? {
            After::End => return Ok(()),
            After::Reopen(read_last) => config = *read_last,
        }
        drop(books);
        opening = Supervisor::new();
        feed_watchdog_meanwhile(&opening);
    }
}

/// Each mailbox needs two connections, and a usual shell allows a thousand files: takes as many as
/// the system grants, and says when that is too few.
fn allow_connections(config: &Config) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let edges = config.mailboxes.len().saturating_mul(2) + config.calendars.len();
    let wanted = u64::try_from(edges)
        .unwrap_or(u64::MAX)
        .saturating_add(FILES_MIN);
    if let Some(allowed) = getrlimit(Resource::Nofile)
        .current
        .filter(|allowed| *allowed < wanted)
    {
        tracing::error!(
            allowed,
            wanted,
            "fewer files may be open than the mailboxes need: raise LimitNOFILE of the unit"
        );
    }
}

/// What follows when the store is closed.
enum After {
    /// Nothing.
    End,
    /// It is opened again, with the configuration as it was read last.
    Reopen(Box<Config>),
}

/// The control socket. It answers from the moment on at which the store's lock is ours, so that
/// `status` can tell how far a long start is.
struct Front {
    counter: Counter,
    tasks: Supervisor,
}

impl Front {
    async fn open(config: &Config, progress: &Arc<Progress>) -> Result<Front, BindError> {
        progress.until_locked().await;
        let socket = ControlSocket::bind(&config.socket).await?;
        let counter = Counter::starting(progress.clone(), config.control.clone());
        let tasks = Supervisor::new();
        let (served, stop) = (counter.clone(), tasks.stop().child());
        tasks.spawn_once("control", async move {
            if let Err(error) = socket.serve(served, stop).await {
                tracing::error!(%error, "the control socket ended");
            }
        });
        Ok(Front { counter, tasks })
    }
}

/// Opens the store; while somebody has it, for at most [`STORE_WAIT`], that is waited for.
async fn open_store(config: &Config, progress: &Arc<Progress>) -> Result<Books, StartError> {
    let stop = Stop::new();
    let begun = tokio::time::Instant::now();
    loop {
        let (config, progress) = (config.clone(), progress.clone());
        // Opening reads the whole log; awaited right here.
        let opened = tokio::task::spawn_blocking(move || open_configured(&config, &progress))
            .await
            .map_err(|error| StartError::Broken(format!("opening the store broke: {error}")))?;
        match opened {
            Err(StartError::Store {
                source: OpenError::InUse { .. },
                ..
            }) if begun.elapsed() < STORE_WAIT => stop.sleep(STORE_LOOK_EVERY).await,
            other => return other.map(|(books, _)| books),
        };
    }
}

/// The store and the control socket, whichever is there first.
async fn open(
    config: &Config,
) -> Result<(Result<Books, StartError>, Result<Front, BindError>), StartError> {
    let progress = Arc::new(Progress::default());
    let (mut opening, mut front) = (
        pin!(open_store(config, &progress)),
        pin!(Front::open(config, &progress)),
    );
    let (opened, front) = tokio::select! {
        opened = &mut opening => match opened {
            Ok(books) => (Ok(books), front.await),
            // Without its lock the front would wait for ever.
            Err(error) => return Err(error),
        },
        front = &mut front => (opening.await, front),
    };
    progress.begin("loading the plugins", None);
    Ok((
        opened,
        front.inspect_err(|error| tracing::error!(%error, "no commands are taken")),
    ))
}

/// Before anything works on the records.
async fn ready(config: &Config, books: &Books) -> Result<(), StartError> {
    sweep::announce(books, Registry::own()).await?;
    let now = SystemClock.now();
    let settled = keeping::settle_imported(books, &config.state_dir, now).await;
    let settled = settled.map_err(|error| StartError::Imported(Box::new(error)))?;
    if let Some((mails, holds)) = settled {
        tracing::warn!(
            mails,
            holds,
            "imported rows: what was on its way is uncertain now"
        );
    }
    Ok(())
}

async fn serve(
    config: &Config,
    books: &Books,
    signals: &mut Signals,
    front: &Front,
) -> Result<After, RunError> {
    let mut config = config.clone();
    // One for all rounds: who asks while one begins is heard by the next.
    let wishes = Arc::new(Wishes::default());
    let mut round = Round::of(
        &config,
        reload::build(&config, books).await?,
        wishes.clone(),
    );
    let (context, access) = round.served(&config);
    front.counter.replace(context, access);
    loop {
        round.live.app.start(&round.tasks).await?;
        feed_watchdog(&round.tasks, books);
        tell_systemd(&[NotifyState::Ready]);
        tracing::info!(socket = %config.socket.display(), "liaison runs");
        match round.until_next(&config, books, signals).await {
            Next::End(ended) => {
                tell_systemd(&[NotifyState::Stopping]);
                // Who asked still gets the answer.
                tokio::join!(shut_down(&round.tasks), shut_down(&front.tasks));
                return ended.map(|()| After::End);
            }
            Next::Reopen => {
                tracing::info!("all work ends, and begins again with the store opened anew");
                // As above.
                shut_down(&front.tasks).await;
                shut_down(&round.tasks).await;
                return Ok(After::Reopen(Box::new(config)));
            }
            Next::Round(new) => {
                let (new_config, app) = *new;
                shut_down(&round.tasks).await;
                config = new_config;
                round = Round::of(&config, app, wishes.clone());
                let (context, access) = round.served(&config);
                front.counter.replace(context, access);
            }
        }
    }
}

async fn shut_down(supervisor: &Supervisor) {
    for name in supervisor.shut_down().await {
        tracing::warn!(task = %name, "task did not stop in time and was aborted");
    }
}

/// What follows a round.
enum Next {
    /// The end.
    End(Result<(), RunError>),
    /// The store is closed and opened again.
    Reopen,
    /// Another round with these.
    Round(Box<(Config, Arc<App>)>),
}

/// The daemon with one reading of its configuration.
struct Round {
    live: Arc<Running>,
    tasks: Supervisor,
}

impl Round {
    fn of(config: &Config, app: Arc<App>, wishes: Arc<Wishes>) -> Round {
        let tasks = Supervisor::new();
        let live = Arc::new(Running {
            app,
            supervisor: tasks.clone(),
            config: config.clone(),
            wishes,
            reload_trouble: Mutex::new(None),
        });
        Round { live, tasks }
    }

    /// What commands work on, and who may use it.
    fn served(&self, config: &Config) -> (ApiContext, Control) {
        let context = api_context(&self.live.app, Some(self.live.clone()));
        (context, config.control.clone())
    }

    /// Until the end, or until the configuration was read again and can be used.
    async fn until_next(&self, config: &Config, books: &Books, signals: &mut Signals) -> Next {
        loop {
            match signals.next(books, &self.live.wishes).await {
                Asked::End(ended) => return Next::End(ended),
                Asked::Reopen => return Next::Reopen,
                Asked::Reload => match reload::read_again(config, books).await {
                    Ok(new) => return Next::Round(Box::new(new)),
                    Err(why) => {
                        tracing::error!(%why, "reload: nothing is changed");
                        *self.live.trouble() = Some(why);
                    }
                },
            }
        }
    }
}

/// What the commands work on.
#[must_use]
pub fn api_context(app: &App, live: Option<Arc<dyn Live>>) -> ApiContext {
    ApiContext {
        books: app.books.clone(),
        accounts: AccountBook::new(app.books.clone(), DomainRules::of(&app.office)),
        clock: app.clock.clone(),
        office: app.office.clone(),
        case_kinds: app.case_kinds.clone(),
        dry_runs: Arc::default(),
        credentials: app.credentials.clone(),
        tallies: Arc::default(),
        live,
    }
}

/// What somebody wants of the service.
enum Asked {
    /// It ends.
    End(Result<(), RunError>),
    /// It reads its configuration again.
    Reload,
    /// It closes the store and opens it again.
    Reopen,
}

/// What commands may want of the service.
#[derive(Debug, Default)]
struct Wishes {
    reload: Notify,
    reopen: Notify,
}

/// The signals of the service.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// It was started at a terminal: SIGHUP may tell that this is gone.
    at_terminal: bool,
}

impl Signals {
    fn listen() -> Result<Signals, RunError> {
        let listen = |kind| signal(kind).map_err(RunError::Signals);
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
            at_terminal: std::io::stderr().is_terminal(),
        })
    }

    async fn next(&mut self, books: &Books, wishes: &Wishes) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End(Ok(())),
            _ = self.interrupt.recv() => Asked::End(Ok(())),
            _ = self.hangup.recv() => {
                // A window that was closed takes its foreground program with it, in order.
                match self.at_terminal && !std::io::stderr().is_terminal() {
                    true => Asked::End(Ok(())),
                    false => Asked::Reload,
                }
            }
            () = wishes.reload.notified() => Asked::Reload,
            () = wishes.reopen.notified() => Asked::Reopen,
            why = books.store.failed() => Asked::End(Err(RunError::Store(why.to_string()))),
        }
    }
}

/// Feeds systemd's watchdog, but only with proof: the store must answer.
fn feed_watchdog(supervisor: &Supervisor, books: &Books) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let books = books.clone();
    supervisor.spawn("watchdog", move |stop: Stop| {
        let books = books.clone();
        async move {
            loop {
                let pulse = tokio::time::timeout(PULSE_LIMIT, books.panic()).await;
                let open = books.store.health().state == StoreState::Open;
                if open && matches!(pulse, Ok(Ok(_))) {
                    tell_systemd(&[NotifyState::Watchdog]);
                } else {
                    tracing::error!("the store does not answer: the watchdog is not fed");
                }
                if stop.sleep(limit / 3).await == Waited::Stopped {
                    return;
                }
            }
        }
    });
}

/// While the store is opened again it cannot answer; how long that may take is its own affair.
fn feed_watchdog_meanwhile(supervisor: &Supervisor) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    supervisor.spawn("watchdog", move |stop: Stop| async move {
        loop {
            tell_systemd(&[NotifyState::Watchdog]);
            if stop.sleep(limit / 3).await == Waited::Stopped {
                return;
            }
        }
    });
}

fn tell_systemd(states: &[NotifyState<'_>]) {
    // Without systemd there is no socket to tell, which is no error.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// What only the running daemon knows.
#[derive(Debug)]
struct Running {
    app: Arc<App>,
    supervisor: Supervisor,
    config: Config,
    wishes: Arc<Wishes>,
    // A short lock without await: why the last reload changed nothing.
    reload_trouble: Mutex<Option<String>>,
}

impl Running {
    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.reload_trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live for Running {
    fn reload(&self) -> Result<Vec<String>, String> {
        let new = reload::usable(&self.config)?;
        let differences = self.config.differences(&new);
        self.wishes.reload.notify_one();
        Ok(differences)
    }

    fn reopen(&self) {
        self.wishes.reopen.notify_one();
    }

    fn wake(&self, what: Wake) {
        match what {
            Wake::Events => self.app.events.notify_one(),
            // One notify serves both workers: the one that hears it tells the other.
            Wake::Mail | Wake::Holds | Wake::Panic => self.app.effects.notify_one(),
            Wake::Backfill => {
                for source in self.app.sources.values() {
                    source.backfill();
                }
            }
        }
    }

    fn calendars(&self) -> Option<Calendars> {
        Some(self.app.calendars.clone())
    }

    fn may_hide_an_answer(&self, mailbox: &liaison_core::ids::MailboxId) -> bool {
        let now = self.app.clock.now();
        self.app.freshness.may_hide_an_answer(mailbox, now)
    }

    fn status(&self) -> Value {
        let now = self.app.clock.now();
        let faults = self.app.freshness.faults(now);
        let stale = |kind: SourceKind, source: &str| {
            let mut stale = faults.iter().filter(|fault| fault.stale);
            stale.any(|fault| (fault.kind, fault.source.as_str()) == (kind, source))
        };
        let sources: Vec<Value> = self
            .app
            .freshness
            .list()
            .into_iter()
            .map(|source| {
                json!({
                    "source": source.source,
                    "kind": source.kind,
                    "folder": source.folder,
                    "fresh_at": source.fresh_at,
                    "fresh_seconds_ago": source.fresh_at.map(|at| now.since(at) / 1_000),
                    "proof": source.proof,
                    "stale": stale(source.kind, &source.source),
                    "trouble": source.trouble,
                    "needs_person": source.needs_person,
                })
            })
            .collect();
        let plugins: Vec<Value> = self
            .app
            .pipeline
            .plugins()
            .iter()
            .map(|plugin| {
                json!({
                    "name": plugin.name(),
                    "version": plugin.plugin.manifest().plugin.version,
                    "digest": plugin.plugin.digest(),
                    "modes": {
                        "mail": plugin.modes.mail.as_str(),
                        "records": plugin.modes.records.as_str(),
                        "tasks": plugin.modes.tasks.as_str(),
                        "holds": plugin.modes.holds.as_str(),
                        "mailbox": plugin.modes.mailbox.as_str(),
                    },
                })
            })
            .collect();
        let troubles: Vec<Value> = self
            .app
            .plugin_troubles
            .iter()
            .map(|trouble| {
                json!({ "plugin": trouble.plugin, "why": trouble.why, "runs": trouble.runs })
            })
            .collect();
        let tasks: Vec<Value> = self
            .supervisor
            .tasks()
            .into_iter()
            .map(|(name, state)| {
                json!({
                    "name": name,
                    "running": state.running,
                    "restarts": state.restarts,
                    "last_end": state.last_end,
                })
            })
            .collect();
        json!({
            "pid": std::process::id(),
            "sources": sources,
            "plugins": plugins,
            "plugin_troubles": troubles,
            "tasks": tasks,
            "disk": self.app.room.reading(),
            "stale": faults.iter().filter(|fault| fault.stale).collect::<Vec<_>>(),
            "alarm_trouble": self.app.alarms.trouble(),
            "reload_trouble": *self.trouble(),
            "sweep": self.app.sweeper.progress(),
        })
    }
}
