//! Where a command is carried out: by the running daemon, else on the store itself.

use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use liaison_core::business_time::{BusinessCalendar, QuietHours, WorkInterval};
use liaison_core::policy::{Firm, Limits};
use serde_json::{Value, json};

use super::wording::Wording;
use super::{CONFIGURATION, FAILURE, Failure, NOT_RUNNING, USAGE, shell_word};
use crate::accounts::{AccountBook, DomainRules};
use crate::api::{ApiContext, Caller, NEEDS_DAEMON, Role, call, role_of};
use crate::app::StartError;
use crate::books::registry::Registry;
use crate::books::{Books, sweep};
use crate::cases::CaseKinds;
use crate::clock::SystemClock;
use crate::config::{CONFIG_VARIABLE, Config, config_path};
use crate::control::client::{Client, ClientError};
use crate::oauth::Credentials;
use crate::office::Office;
use crate::store::content::ContentStore;
use crate::store::memory::MemoryStore;
use crate::store::sled::{OpenError, SledStore};
use crate::store::{Fence, ShardId, Store};

/// Has a command carried out; answers with how to put it for people, too.
pub(super) async fn ask(
    config: Option<&Path>,
    command: &str,
    arguments: Value,
) -> Result<(Value, Wording), Failure> {
    let named = config.is_some() || std::env::var_os(CONFIG_VARIABLE).is_some();
    let file = config_path(config);
    let mut wording = Wording {
        zone: TimeZone::UTC,
        config: config.map(|file| shell_word(file.as_os_str())),
    };
    if command == "match" && !named && !file.exists() {
        return Ok((match_without_records(&file, arguments).await?, wording));
    }
    let config = load(&file)?;
    wording.zone = config.firm.business.zone().clone();
    let asked = Client::new(&config.socket).call(command, &arguments).await;
    let answer = match asked {
        Err(ClientError::NotRunning(_)) if !NEEDS_DAEMON.contains(&command) => {
            on_store(&config, command, arguments).await
        }
        Err(error) => Err(client_failure(&error)),
        Ok(answer) => Ok(answer),
    };
    let answer = answer.map_err(|failure| failure.reworded(&wording))?;
    Ok((answer, wording))
}

/// Has a command carried out by the running daemon; `None` while none answers.
pub(super) async fn ask_daemon(
    config: Option<&Path>,
    command: &str,
) -> Result<Option<Value>, Failure> {
    let config = load(&config_path(config))?;
    match Client::new(&config.socket).call(command, &json!({})).await {
        Ok(answer) => Ok(Some(answer)),
        Err(ClientError::NotRunning(_) | ClientError::Broken(_) | ClientError::Late) => Ok(None),
        Err(error) => Err(client_failure(&error)),
    }
}

/// Has commands about logins carried out, one after the other: all by the daemon, or all here. No
/// store is opened for them, so that they work also where it cannot be.
pub(super) struct Logins {
    config: Config,
    client: Client,
    /// Nobody was asked yet, a daemon answered, or nobody does.
    daemon: Option<bool>,
}

impl Logins {
    pub(super) fn begin(config: Option<&Path>) -> Result<Logins, Failure> {
        let config = load(&config_path(config))?;
        Ok(Logins {
            client: Client::new(&config.socket),
            config,
            daemon: None,
        })
    }

    pub(super) async fn call(&mut self, command: &str, arguments: Value) -> Result<Value, Failure> {
        if self.daemon != Some(false) {
            match self.client.call(command, &arguments).await {
                Err(ClientError::NotRunning(_)) if self.daemon.is_none() => {}
                Err(error) => return Err(client_failure(&error)),
                Ok(answer) => {
                    self.daemon = Some(true);
                    return Ok(answer);
                }
            }
        }
        self.daemon = Some(false);
        // The credentials of the configuration remember what began.
        on_nothing(&self.config, command, arguments).await
    }
}

/// Several commands, one after the other: all by the daemon, or all on the store.
pub(super) struct Session {
    config: Config,
    wording: Wording,
    writes: bool,
    via: Via,
}

enum Via {
    /// A daemon answered, or nobody was asked yet.
    Daemon(Client, bool),
    Store(Box<ApiContext>, Arc<SledStore>),
}

impl Session {
    /// Begins; the first command finds out where they are carried out. Without `writes` no store is
    /// made where there is none.
    pub(super) fn begin(config: Option<&Path>, writes: bool) -> Result<Session, Failure> {
        let file = config_path(config);
        let wording = config.map(|file| shell_word(file.as_os_str()));
        let config = load(&file)?;
        let client = Client::new(&config.socket);
        Ok(Session {
            wording: Wording {
                zone: config.firm.business.zone().clone(),
                config: wording,
            },
            config,
            writes,
            via: Via::Daemon(client, false),
        })
    }

    /// How to put answers.
    pub(super) fn wording(&self) -> &Wording {
        &self.wording
    }

    /// Has a command carried out.
    pub(super) async fn call(&mut self, command: &str, arguments: Value) -> Result<Value, Failure> {
        let answer = match &mut self.via {
            Via::Store(context, _) => on_context(context, command, arguments).await,
            Via::Daemon(client, answered) => match client.call(command, &arguments).await {
                Err(ClientError::NotRunning(_)) if !*answered => {
                    if !self.writes && !self.config.state_dir.join("store").exists() {
                        return on_nothing(&self.config, command, arguments).await;
                    }
                    let (context, store) = open_store(&self.config).await?;
                    let answer = on_context(&context, command, arguments).await;
                    self.via = Via::Store(Box::new(context), store);
                    answer
                }
                Err(error) => Err(client_failure(&error)),
                Ok(answer) => {
                    *answered = true;
                    Ok(answer)
                }
            },
        };
        answer.map_err(|failure| failure.reworded(&self.wording))
    }

    /// Closes the store, where it was opened.
    pub(super) async fn end(self) -> Result<(), Failure> {
        match self.via {
            Via::Daemon(..) => Ok(()),
            Via::Store(_, store) => store
                .close()
                .await
                .map_err(|error| Failure::of(FAILURE, &error)),
        }
    }
}

/// Opens the store for one command. Writing its files anew is left to the daemon, and to `store
/// compact`: it would take as much memory again as the command itself.
async fn open_books(config: &Config) -> Result<(Books, Arc<SledStore>), Failure> {
    let mut configured = config.clone();
    configured.store.compact_bytes = u64::MAX;
    let opened = tokio::task::spawn_blocking(move || {
        crate::app::open_configured(&configured, &Arc::default())
    })
    .await;
    let opened = opened.map_err(|error| Failure::of(FAILURE, &error))?;
    opened.map_err(|error| store_failure(config, &error))
}

async fn open_store(config: &Config) -> Result<(ApiContext, Arc<SledStore>), Failure> {
    let (books, store) = open_books(config).await?;
    sweep::announce(&books, Registry::own())
        .await
        .map_err(|error| Failure::of(FAILURE, &error))?;
    Ok((context(Ourselves::of(config), books), store))
}

/// Reads the configuration; all its problems are one failure.
pub(super) fn load(file: &Path) -> Result<Config, Failure> {
    Config::load(file).map_err(|errors| Failure::new(CONFIGURATION, errors.to_string()))
}

fn client_failure(error: &ClientError) -> Failure {
    match error {
        ClientError::NotRunning(_) => Failure::of(NOT_RUNNING, error),
        ClientError::Daemon { code, message } => {
            Failure::new(exit_code(code), message.as_str()).word(code)
        }
        _ => Failure::of(FAILURE, error),
    }
}

/// The exit code for a word of [`crate::api::ApiError::code`].
fn exit_code(word: &str) -> u8 {
    match word {
        "arguments" => USAGE,
        "configuration" => CONFIGURATION,
        "not_running" => NOT_RUNNING,
        _ => FAILURE,
    }
}

async fn on_store(config: &Config, command: &str, arguments: Value) -> Result<Value, Failure> {
    let only_looks = role_of(command).is_none_or(|role| role == Role::Observe);
    if only_looks && !config.state_dir.join("store").exists() {
        return on_nothing(config, command, arguments).await;
    }
    let (books, store) = open_books(config).await?;
    let announced = match only_looks {
        true => Ok(()),
        false => sweep::announce(&books, Registry::own()).await,
    };
    let answer = match announced {
        Ok(()) => call_here(config, books, command, arguments).await,
        Err(error) => Err(Failure::of(FAILURE, &error)),
    };
    store
        .close()
        .await
        .map_err(|error| Failure::of(FAILURE, &error))?;
    answer
}

fn store_failure(config: &Config, error: &StartError) -> Failure {
    match error {
        StartError::Store {
            source: OpenError::InUse { owner, .. },
            ..
        } => Failure::new(
            NOT_RUNNING,
            format!(
                "the store is in use by {owner}, but no daemon answers on {}: wait until it has \
                 started, or look at its log",
                config.socket.display()
            ),
        ),
        other => Failure::of(FAILURE, other),
    }
}

/// Before the first run there are no records; looking at them must not make a store.
async fn on_nothing(config: &Config, command: &str, arguments: Value) -> Result<Value, Failure> {
    let empty = Empty::new()?;
    call_here(config, empty.books.clone(), command, arguments).await
}

async fn call_here(
    config: &Config,
    books: Books,
    command: &str,
    arguments: Value,
) -> Result<Value, Failure> {
    call_with(Ourselves::of(config), books, command, arguments).await
}

/// What commands need to know of the configuration.
struct Ourselves {
    office: Arc<Office>,
    case_kinds: Arc<CaseKinds>,
    credentials: Credentials,
}

impl Ourselves {
    fn of(config: &Config) -> Ourselves {
        Ourselves {
            office: Arc::new(crate::app::office(config)),
            case_kinds: crate::api::case_kinds(config),
            credentials: config.credentials.clone(),
        }
    }
}

async fn call_with(
    ourselves: Ourselves,
    books: Books,
    command: &str,
    arguments: Value,
) -> Result<Value, Failure> {
    on_context(&context(ourselves, books), command, arguments).await
}

fn context(ourselves: Ourselves, books: Books) -> ApiContext {
    let Ourselves {
        office,
        case_kinds,
        credentials,
    } = ourselves;
    ApiContext {
        accounts: AccountBook::new(books.clone(), DomainRules::of(&office)),
        books,
        clock: Arc::new(SystemClock),
        office,
        case_kinds,
        dry_runs: Arc::default(),
        credentials,
        tallies: Arc::default(),
        live: None,
    }
}

async fn on_context(
    context: &ApiContext,
    command: &str,
    arguments: Value,
) -> Result<Value, Failure> {
    let caller = Caller {
        who: format!("the command line (pid {})", std::process::id()),
        // Whoever can open the store can do everything to it.
        role: Role::Admin,
    };
    let answer = call(context, &caller, command, arguments).await;
    answer.map_err(|error| {
        let word = error.code();
        Failure::new(exit_code(word), error.chain()).word(word)
    })
}

/// `match` says what can be said of an address without any records.
async fn match_without_records(file: &Path, arguments: Value) -> Result<Value, Failure> {
    let empty = Empty::new()?;
    let ourselves = Ourselves {
        office: Arc::new(nobody()?),
        case_kinds: Arc::default(),
        credentials: Credentials::default(),
    };
    let mut answer = call_with(ourselves, empty.books.clone(), "match", arguments).await?;
    if let Some(answer) = answer.as_object_mut() {
        let note = format!(
            "there is no configuration ({}): no account and no address of ours is known",
            file.display()
        );
        answer.insert("note".to_owned(), json!(note));
    }
    Ok(answer)
}

fn nobody() -> Result<Office, Failure> {
    let hours = WorkInterval {
        from: 9 * 60,
        to: 17 * 60,
    };
    let business =
        BusinessCalendar::weekdays("UTC", hours).map_err(|error| Failure::of(FAILURE, &error))?;
    Ok(Office {
        firm: Firm {
            own_domains: Default::default(),
            own_addresses: Default::default(),
            sending_domain: String::new(),
            business,
            quiet: QuietHours::default(),
            send_delay_ms: 0,
        },
        limits: Limits::default(),
        authserv_ids: Vec::new(),
        dkim: None,
        free_mail: Default::default(),
        forms: Default::default(),
        review_days: 3,
        threads_by_subject: true,
        html: false,
        meetings: Default::default(),
        people: Default::default(),
        mailboxes: Default::default(),
        staff_route: None,
        signature: None,
        approval: Default::default(),
        unsubscribe: Default::default(),
    })
}

/// Books without a record, in memory; their folder for contents goes when they are dropped.
struct Empty {
    books: Books,
    folder: std::path::PathBuf,
}

impl Empty {
    fn new() -> Result<Empty, Failure> {
        let folder = std::env::temp_dir().join(format!("liaison-empty-{}", std::process::id()));
        let content = ContentStore::open(&folder).map_err(|error| Failure::of(FAILURE, &error))?;
        let fence = Fence {
            shard: ShardId::SINGLE,
            epoch: 0,
        };
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        Ok(Empty {
            books: Books::new(store, content, fence),
            folder,
        })
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::debug!(folder = %self.folder.display(), %error, "not removed");
        }
    }
}
