//! What people and programs may ask of Liaison, one function per command.
//!
//! The control socket serves these functions, and a CLI that opened the store itself calls them
//! directly: both get the same JSON. Every change commits with the version it read, leaves an
//! audit row, and answers with `changed` (what is different now) and `undo` (how to take it back,
//! or that nobody can).

mod accounts;
mod addresses;
mod agenda;
mod auth;
mod backfill;
mod cases;
mod exchange;
mod filter;
mod free;
mod holds;
mod matching;
mod metrics;
mod outbox;
mod plugins;
mod privacy;
mod proposals;
mod records;
mod report;
mod review;
mod schedule;
mod service;
mod status;
mod tasks;
mod threads;
mod timers;
mod touches;
mod unsubscribe;
mod why;

use std::collections::BTreeMap;
use std::sync::Arc;

use liaison_core::manifest::nearest;
use liaison_core::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::accounts::{AccountBook, AccountsError, By};
use crate::books::{Books, BooksError, chain};
use crate::calendars::Calendars;
use crate::clock::Clock;
pub use crate::config::Role;
use crate::exchange::dry::DryRuns;
use crate::oauth::{ConsentError, Credentials};
use crate::office::Office;
use crate::outbox::StepError;
use crate::privacy::PrivacyError;
pub use cases::case_kinds;
use liaison_core::ids::MailboxId;
pub use status::Tallies;

/// How often a change that lost a race is decided again.
const TRIES_MAX: u32 = 8;
/// Most rows of a listing that are answered; `more` tells when there are others.
pub const ANSWER_ROWS_MAX: usize = 1_000;

/// The word for a role.
#[must_use]
pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::Observe => "observe",
        Role::Approve => "approve",
        Role::Admin => "admin",
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// For the audit: `uid 1000 (pid 4242)`.
    pub who: String,
    /// What they may do.
    pub role: Role,
}

/// Which worker has something to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// A mail can be sent.
    Mail,
    /// A hold can be released.
    Holds,
    /// There is a new event.
    Events,
    /// The panic switch was moved.
    Panic,
    /// Old messages are to be shown to the plugins.
    Backfill,
}

/// What the running daemon adds: waking its workers, and what only it knows.
pub trait Live: Send + Sync + std::fmt::Debug + 'static {
    /// Something was committed that a worker waits for.
    fn wake(&self, what: Wake);

    /// How fresh the sources are, tasks and the like, for `status`.
    fn status(&self) -> Value;

    /// Our calendars as they are mirrored.
    fn calendars(&self) -> Option<Calendars>;

    /// Whether an answer may lie in this mailbox that nobody has seen yet.
    fn may_hide_an_answer(&self, mailbox: &MailboxId) -> bool;

    /// Has the configuration and the plugins read again, soon; tells what the file changes.
    ///
    /// # Errors
    /// Why the file cannot be used, in words; nothing is changed then.
    fn reload(&self) -> Result<Vec<String>, String>;

    /// Has the daemon end all work, close the store, and begin again with it, soon: what is to be
    /// erased is erased in between.
    fn reopen(&self);
}

/// What the commands work on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiContext {
    /// All records.
    pub books: Books,
    /// The account book.
    pub accounts: AccountBook,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ourselves.
    pub office: Arc<Office>,
    /// Kinds of cases that the configured plugins keep.
    pub case_kinds: Arc<crate::cases::CaseKinds>,
    /// Dry runs of imports that go on.
    pub dry_runs: Arc<DryRuns>,
    /// Where access tokens come from.
    pub credentials: Credentials,
    /// What `status` counted last.
    pub tallies: Arc<Tallies>,
    /// The running daemon; `None` when the caller opened the store itself.
    pub live: Option<Arc<dyn Live>>,
}

impl ApiContext {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn wake(&self, what: Wake) {
        if let Some(live) = &self.live {
            live.wake(what);
        }
    }

    fn by(&self, caller: &Caller, why: impl Into<String>) -> By {
        By {
            who: caller.who.clone(),
            why: why.into(),
            now: self.now(),
            source: liaison_core::crm::Source::Person,
        }
    }
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// There is no such command.
    #[error("there is no command `{0}`")]
    NoCommand(String),
    /// The arguments are not what the command takes.
    #[error("{0}")]
    Arguments(String),
    /// Nothing has this id.
    #[error("nothing is known under `{id}`: {hint}")]
    NotFound {
        /// What was asked for.
        id: String,
        /// Where to look.
        hint: String,
    },
    /// Several things begin with this.
    #[error("`{id}` is not unique, it may be {}: give more of the id", candidates.join(", "))]
    NotUnique {
        /// What was asked for.
        id: String,
        /// Some that begin with it.
        candidates: Vec<String>,
    },
    /// The thing is not in a state for it; says who moved it, and when.
    #[error("{0}")]
    NotNow(String),
    /// The caller may not.
    #[error("this needs the role `{}`, you have `{}`: ask an administrator to add your user id \
             under [control] in the configuration", role_word(*.needs), role_word(*.has))]
    NotAllowed {
        /// What the command needs.
        needs: Role,
        /// What the caller has.
        has: Role,
    },
    /// The caller may not even look.
    #[error(
        "user id {uid} has no role here: ask an administrator to add it under [control] in \
             the configuration"
    )]
    NoRole {
        /// The caller's user id.
        uid: u32,
    },
    /// Only a running daemon can do it.
    #[error(
        "no liaison is running, and only a running one can do this: start it with \
             `liaison run`"
    )]
    NotRunning,
    /// The daemon is not that far yet.
    #[error("liaison is starting: {0}; `liaison status` tells how far it is")]
    Starting(String),
    /// The configuration cannot be used.
    #[error("{0}")]
    Configuration(String),
    /// The account book refused.
    #[error(transparent)]
    Accounts(AccountsError),
    /// The import as a whole failed.
    #[error(transparent)]
    Import(#[from] crate::exchange::ImportError),
    /// The records could not be used.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// The data could not be kept or looked over.
    #[error(transparent)]
    Keeping(#[from] crate::keeping::KeepingError),
    /// The data of a person could not be shown or erased.
    #[error(transparent)]
    Privacy(#[from] crate::privacy::PrivacyError),
    /// Nobody is logged in.
    #[error(transparent)]
    Consent(#[from] ConsentError),
    /// A message breaks the reader.
    #[error(transparent)]
    Reader(#[from] crate::reader::ReaderBroke),
}

impl From<AccountsError> for ApiError {
    fn from(error: AccountsError) -> ApiError {
        match error {
            AccountsError::Books(error) => ApiError::Books(error),
            AccountsError::Unknown(id) => ApiError::NotFound {
                id,
                hint: "see `liaison accounts list`".to_owned(),
            },
            other => ApiError::Accounts(other),
        }
    }
}

impl From<StepError> for ApiError {
    fn from(error: StepError) -> ApiError {
        match error {
            StepError::Books(error) => ApiError::Books(error),
            StepError::Illegal(step) => ApiError::NotNow(step.to_string()),
            StepError::IllegalHold(step) => ApiError::NotNow(step.to_string()),
            StepError::Group(refusal) => ApiError::NotNow(refusal.to_string()),
        }
    }
}

impl From<crate::store::ReadError> for ApiError {
    fn from(error: crate::store::ReadError) -> ApiError {
        ApiError::Books(error.into())
    }
}

impl ApiError {
    /// A word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            ApiError::NoCommand(_) => "no_command",
            ApiError::Arguments(_) => "arguments",
            ApiError::NotFound { .. } => "not_found",
            ApiError::NotUnique { .. } => "not_unique",
            ApiError::NotNow(_) => "not_now",
            ApiError::NotAllowed { .. } | ApiError::NoRole { .. } => "not_allowed",
            ApiError::NotRunning | ApiError::Starting(_) => "not_running",
            ApiError::Configuration(_) => "configuration",
            ApiError::Accounts(_) | ApiError::Import(_) => "refused",
            ApiError::Privacy(PrivacyError::Address { .. }) => "arguments",
            ApiError::Privacy(PrivacyError::Own(_)) => "refused",
            ApiError::Privacy(PrivacyError::NotNow(_)) => "not_now",
            ApiError::Consent(ConsentError::Unknown { .. }) => "not_found",
            ApiError::Consent(ConsentError::Flow(_)) => "arguments",
            ApiError::Consent(ConsentError::Declined(_) | ConsentError::Refused(_)) => "refused",
            ApiError::Consent(_) => "failed",
            ApiError::Books(_)
            | ApiError::Reader(_)
            | ApiError::Keeping(_)
            | ApiError::Privacy(_) => "failed",
        }
    }

    /// The whole chain of causes in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }

    fn is_conflict(&self) -> bool {
        matches!(self, ApiError::Books(error) if error.is_conflict())
    }
}

macro_rules! commands {
    ($($name:literal $role:ident $function:path;)*) => {
        /// All commands with the role that each needs.
        pub const COMMANDS: &[(&str, Role)] = &[$(($name, Role::$role),)*];

        async fn dispatch(
            context: &ApiContext,
            caller: &Caller,
            command: &str,
            arguments: Value,
        ) -> Result<Value, ApiError> {
            match command {
                $($name => Box::pin($function(context, caller, parse(command, arguments)?)).await,)*
                other => Err(ApiError::NoCommand(other.to_owned())),
            }
        }
    };
}

commands! {
    "accounts-list" Observe accounts::list;
    "accounts-show" Observe accounts::show;
    "accounts-add" Admin accounts::add;
    "accounts-import" Admin accounts::import;
    "records-list" Observe records::list;
    "records-show" Observe records::show;
    "records-put" Approve records::put;
    "records-link" Approve records::link;
    "records-merge" Approve records::merge;
    "records-put-many" Admin exchange::put_many;
    "records-page" Admin exchange::page;
    "contacts-suggest" Observe exchange::suggest;
    "contacts-accept" Approve exchange::accept;
    "proposals-list" Observe proposals::list;
    "proposals-decide" Approve proposals::decide;
    "timeline" Observe accounts::timeline;
    "report" Observe report::ask;
    "reports" Observe report::list;
    "match" Observe matching::of;
    "review-list" Observe review::list;
    "review-show" Observe review::show;
    "review-rules" Observe review::rules;
    "review-resolve" Approve review::resolve;
    "review-dismiss" Approve review::dismiss;
    "review-reopen" Approve review::reopen;
    "addresses-list" Observe addresses::list;
    "addresses-show" Observe addresses::show;
    "addresses-allow" Approve addresses::allow;
    "unsubscribe-take" Observe unsubscribe::take;
    "unsubscribe-list" Observe unsubscribe::list;
    "unsubscribe-allow" Approve unsubscribe::allow;
    "cases-list" Observe cases::list;
    "cases-show" Observe cases::show;
    "cases-put" Approve cases::put;
    "cases-fields" Observe cases::fields;
    "tasks-list" Observe tasks::list;
    "tasks-show" Observe tasks::show;
    "tasks-put" Approve tasks::put;
    "tasks-done" Approve tasks::done;
    "tasks-fields" Observe tasks::fields;
    "outbox-list" Observe outbox::list;
    "outbox-show" Observe outbox::show;
    "outbox-changes" Observe outbox::changes;
    "outbox-select" Observe outbox::select;
    "outbox-decide-many" Approve outbox::decide_many;
    "outbox-edit" Approve outbox::edit;
    "outbox-approve" Approve outbox::approve;
    "outbox-reject" Approve outbox::reject;
    "outbox-reschedule" Approve outbox::reschedule;
    "outbox-resolve" Approve outbox::resolve;
    "outbox-retry" Approve outbox::retry;
    "outbox-cancel" Approve outbox::cancel;
    "holds-list" Observe holds::list;
    "holds-show" Observe holds::show;
    "holds-confirm" Approve holds::confirm;
    "holds-extend" Approve holds::extend;
    "holds-release" Approve holds::release;
    "timers-list" Observe timers::list;
    "backfill-list" Observe backfill::list;
    "backfill-start" Admin backfill::start;
    "backfill-cancel" Admin backfill::cancel;
    "plugins-list" Observe plugins::list;
    "plugin-parked" Observe plugins::parked;
    "plugin-unpark" Admin plugins::unpark;
    "plugin-resume" Admin plugins::resume;
    "plugin-accept" Admin plugins::accept;
    "why" Observe why::of;
    "thread-close" Approve threads::close;
    "thread-reopen" Approve threads::reopen;
    "explain-schedule" Observe schedule::explain;
    "free" Observe free::free;
    "agenda" Observe agenda::agenda;
    "status" Observe status::status;
    "metrics" Observe metrics::metrics;
    "panic" Admin status::panic;
    "auth-status" Observe auth::status;
    "auth-begin" Admin auth::begin;
    "auth-go-on" Admin auth::go_on;
    "auth-finish" Admin auth::finish;
    "auth-forget" Admin auth::forget;
    "reload" Admin service::reload;
    "backup" Admin service::backup;
    "export" Admin service::export;
    "store-indexes" Admin service::store_indexes;
    "verify" Observe service::verify;
    "store-stats" Observe service::store_stats;
    "store-compact" Admin service::store_compact;
    "privacy-export" Admin privacy::export;
    "privacy-erase" Admin privacy::erase;
    "privacy-erasures" Admin privacy::erasures;
}

/// Commands that only a running daemon can carry out.
pub const NEEDS_DAEMON: [&str; 1] = ["reload"];

/// The role that a command needs; `None` when there is no such command.
#[must_use]
pub fn role_of(command: &str) -> Option<Role> {
    let found = COMMANDS.iter().find(|(name, _)| *name == command);
    found.map(|(_, role)| *role)
}

/// Whether a caller with `has` may use `command`.
///
/// # Errors
/// [`ApiError::NoCommand`], [`ApiError::NotAllowed`].
pub fn allow(has: Role, command: &str) -> Result<(), ApiError> {
    match role_of(command) {
        None => Err(ApiError::NoCommand(command.to_owned())),
        Some(needs) if has < needs => Err(ApiError::NotAllowed { needs, has }),
        Some(_) => Ok(()),
    }
}

/// Carries out a command: checks the role, reads the arguments, answers with JSON.
///
/// # Errors
/// [`ApiError`]; nothing was changed then.
pub async fn call(
    context: &ApiContext,
    caller: &Caller,
    command: &str,
    arguments: Value,
) -> Result<Value, ApiError> {
    allow(caller.role, command)?;
    dispatch(context, caller, command, arguments).await
}

fn parse<T: DeserializeOwned>(command: &str, arguments: Value) -> Result<T, ApiError> {
    let arguments = match arguments {
        Value::Null => Value::Object(serde_json::Map::new()),
        other => other,
    };
    serde_json::from_value(arguments)
        .map_err(|error| ApiError::Arguments(format!("{command}: {error}")))
}

/// No arguments.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// One id.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Id {
    id: String,
}

/// A list for people: the first [`ANSWER_ROWS_MAX`] rows by their keys, and how many there are.
/// It holds no more rows than it shows, however many are offered.
struct Shown<K> {
    name: &'static str,
    rows: BTreeMap<(K, u64), Value>,
    count: u64,
}

impl<K: Ord> Shown<K> {
    fn new(name: &'static str) -> Shown<K> {
        let (rows, count) = (BTreeMap::new(), 0);
        Shown { name, rows, count }
    }

    /// Offers a row; of equal keys the one offered first comes first.
    fn offer(&mut self, key: K, row: impl FnOnce() -> Value) {
        self.count = self.count.saturating_add(1);
        let full = self.rows.len() >= ANSWER_ROWS_MAX;
        let key = (key, self.count);
        if full
            && self
                .rows
                .last_key_value()
                .is_some_and(|(last, _)| *last <= key)
        {
            return;
        }
        self.rows.insert(key, row());
        if full {
            self.rows.pop_last();
        }
    }

    /// The answer: the rows under their name, `count`, and `more` when not all are there.
    fn answer(self) -> Value {
        let rows: Vec<Value> = self.rows.into_values().collect();
        let more = self.count > rows.len() as u64;
        serde_json::json!({ self.name: rows, "count": self.count, "more": more })
    }
}

/// `there is no state `helt`: did you mean `held`?`, else the known ones.
fn no_such(what: &str, given: &str, known: &[&str]) -> String {
    let hint = match nearest(given, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", known.join(", ")),
    };
    format!("there is no {what} `{given}`: {hint}")
}

/// An object with the fields of a second one added.
fn with(mut value: Value, more: Value) -> Value {
    if let (Some(object), Value::Object(more)) = (value.as_object_mut(), more) {
        object.extend(more);
    }
    value
}

#[cfg(test)]
pub(crate) mod tests;
