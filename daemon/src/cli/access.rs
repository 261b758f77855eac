//! Where a command is carried out: by the running daemon, else on the store itself.

use std::path::Path;
use std::sync::Arc;

use liaison_core::business_time::{BusinessCalendar, WorkInterval};
use liaison_core::policy::{Firm, Limits};
use serde_json::{Value, json};

use super::{CONFIGURATION, FAILURE, Failure, NOT_RUNNING, USAGE};
use crate::accounts::{AccountBook, DomainRules};
use crate::api::{ApiContext, ApiError, Caller, Role, call, role_of};
use crate::app::StartError;
use crate::books::Books;
use crate::clock::SystemClock;
use crate::config::{CONFIG_VARIABLE, Config, config_path};
use crate::control::client::{Client, ClientError};
use crate::office::Office;
use crate::store::content::ContentStore;
use crate::store::memory::MemoryStore;
use crate::store::sled::OpenError;
use crate::store::{Fence, ShardId, Store};

/// Has a command carried out.
pub(super) async fn ask(
    config: Option<&Path>,
    command: &str,
    arguments: Value,
) -> Result<Value, Failure> {
    let named = config.is_some() || std::env::var_os(CONFIG_VARIABLE).is_some();
    let file = config_path(config);
    if command == "match" && !named && !file.exists() {
        return match_without_records(&file, arguments).await;
    }
    let config = load(&file)?;
    match Client::new(&config.socket).call(command, &arguments).await {
        Err(ClientError::NotRunning(_)) => on_store(&config, command, arguments).await,
        Err(error) => Err(client_failure(&error)),
        Ok(answer) => Ok(answer),
    }
}

/// Reads the configuration; all its problems are one failure.
pub(super) fn load(file: &Path) -> Result<Config, Failure> {
    Config::load(file).map_err(|errors| Failure::new(CONFIGURATION, errors.to_string()))
}

fn client_failure(error: &ClientError) -> Failure {
    let code = match error {
        ClientError::NotRunning(_) => NOT_RUNNING,
        ClientError::Daemon { code, .. } if code == "arguments" => USAGE,
        _ => FAILURE,
    };
    Failure::of(code, error)
}

async fn on_store(config: &Config, command: &str, arguments: Value) -> Result<Value, Failure> {
    let only_looks = role_of(command).is_none_or(|role| role == Role::Observe);
    if only_looks && !config.state_dir.join("store").exists() {
        return on_nothing(config, command, arguments).await;
    }
    let state_dir = config.state_dir.clone();
    let opened = tokio::task::spawn_blocking(move || crate::app::open_books(&state_dir)).await;
    let opened = opened.map_err(|error| Failure::of(FAILURE, &error))?;
    let (books, store) = opened.map_err(|error| store_failure(config, &error))?;
    let answer = call_here(config, books, command, arguments).await;
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
    let office = Arc::new(crate::app::office(config));
    call_with(office, books, command, arguments).await
}

async fn call_with(
    office: Arc<Office>,
    books: Books,
    command: &str,
    arguments: Value,
) -> Result<Value, Failure> {
    let rules = DomainRules {
        free_mail: office.free_mail.clone(),
        own: office.firm.own_domains.clone(),
    };
    let context = ApiContext {
        accounts: AccountBook::new(books.clone(), rules),
        books,
        clock: Arc::new(SystemClock),
        office,
        live: None,
    };
    let caller = Caller {
        who: format!("the command line (pid {})", std::process::id()),
        // Whoever can open the store can do everything to it.
        role: Role::Admin,
    };
    let answer = call(&context, &caller, command, arguments).await;
    answer.map_err(|error| {
        let code = match &error {
            ApiError::Arguments(_) => USAGE,
            _ => FAILURE,
        };
        Failure::new(code, error.chain())
    })
}

/// `match` says what can be said of an address without any records.
async fn match_without_records(file: &Path, arguments: Value) -> Result<Value, Failure> {
    let empty = Empty::new()?;
    let office = Arc::new(nobody()?);
    let mut answer = call_with(office, empty.books.clone(), "match", arguments).await?;
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
        },
        limits: Limits::default(),
        authserv_ids: Vec::new(),
        free_mail: Vec::new(),
        people: Default::default(),
        mailboxes: Default::default(),
        staff_route: None,
        signature: None,
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
