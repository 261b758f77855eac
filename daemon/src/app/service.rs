//! `liaison run`: the daemon as a service, from the first lock to the last flush.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{App, StartError, open_books};
use crate::accounts::{AccountBook, DomainRules};
use crate::api::{ApiContext, Live, Wake};
use crate::books::Books;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::control::server::{BindError, ControlSocket};
use crate::store::StoreState;
use crate::store::sled::OpenError;
use crate::supervisor::{Stop, Supervisor, Waited};

/// How long the store may take to answer before the watchdog is no longer fed.
const PULSE_LIMIT: Duration = Duration::from_secs(5);

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
    let signals = EndSignals::listen()?;
    let books = open_store(config).await?;
    let result = serve(config, &books, signals).await;
    if let Err(error) = books.store.close().await {
        tracing::error!(%error, "the store did not close in order");
    }
    result
}

/// Opens the store; while somebody has it, for at most [`STORE_WAIT`], that is waited for.
async fn open_store(config: &Config) -> Result<Books, StartError> {
    let stop = Stop::new();
    let begun = tokio::time::Instant::now();
    loop {
        let state_dir = config.state_dir.clone();
        // Opening reads the whole log; awaited right here.
        let opened = tokio::task::spawn_blocking(move || open_books(&state_dir))
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

async fn serve(config: &Config, books: &Books, signals: EndSignals) -> Result<(), RunError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let app = Arc::new(App::build(config, books.clone(), clock).await?);
    // After the plugins are compiled: who can connect is also answered.
    let socket = ControlSocket::bind(&config.socket).await?;
    let supervisor = Supervisor::new();
    let live = Arc::new(Running {
        app: app.clone(),
        supervisor: supervisor.clone(),
    });
    let context = api_context(config, &app, Some(live));
    let access = config.control.clone();
    let stop = supervisor.stop().child();
    supervisor.spawn_once("control", async move {
        if let Err(error) = socket.serve(context, access, stop).await {
            tracing::error!(%error, "the control socket ended");
        }
    });
    app.start(&supervisor).await?;
    feed_watchdog(&supervisor, books);
    tell_systemd(&[NotifyState::Ready]);
    tracing::info!(socket = %config.socket.display(), "liaison runs");
    let ended = signals.wait_for_end(books).await;
    tell_systemd(&[NotifyState::Stopping]);
    for name in supervisor.shut_down().await {
        tracing::warn!(task = %name, "task did not stop in time and was aborted");
    }
    ended
}

/// What the commands work on.
#[must_use]
pub fn api_context(config: &Config, app: &App, live: Option<Arc<dyn Live>>) -> ApiContext {
    ApiContext {
        books: app.books.clone(),
        accounts: account_book(config, &app.books),
        clock: app.clock.clone(),
        office: app.office.clone(),
        live,
    }
}

/// The account book with the firm's rules.
#[must_use]
pub fn account_book(config: &Config, books: &Books) -> AccountBook {
    let rules = DomainRules {
        own: config.firm.domains.clone(),
        free_mail: config.firm.free_mail.clone(),
    };
    AccountBook::new(books.clone(), rules)
}

/// The signals that end the service in order.
struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    fn listen() -> Result<EndSignals, RunError> {
        let listen = |kind| signal(kind).map_err(RunError::Signals);
        Ok(EndSignals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn wait_for_end(mut self, books: &Books) -> Result<(), RunError> {
        tokio::select! {
            _ = self.terminate.recv() => Ok(()),
            _ = self.interrupt.recv() => Ok(()),
            why = books.store.failed() => Err(RunError::Store(why.to_string())),
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
}

impl Live for Running {
    fn wake(&self, what: Wake) {
        match what {
            Wake::Events => self.app.events.notify_one(),
            // One notify serves both workers: the one that hears it tells the other.
            Wake::Mail | Wake::Holds | Wake::Panic => self.app.effects.notify_one(),
        }
    }

    fn status(&self) -> Value {
        let now = self.app.clock.now();
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
                })
            })
            .collect();
        let troubles: Vec<Value> = self
            .app
            .plugin_troubles
            .iter()
            .map(|trouble| json!({ "plugin": trouble.plugin, "why": trouble.why }))
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
        })
    }
}
