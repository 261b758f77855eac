//! What came of one call of a plugin.

use liaison_core::proposal::Proposal;
use serde::{Deserialize, Serialize};

/// Everything worth keeping about one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallReport {
    /// How it ended.
    pub outcome: CallOutcome,
    /// Fuel used; the same on every repetition with the same engine version.
    pub fuel_used: u64,
    /// Fuel that it had.
    pub fuel_budget: u64,
    /// Most bytes of linear memory at any time.
    pub peak_memory: u64,
    /// Wall time of instance and call, in microseconds.
    pub took_us: u64,
    /// Reads that it made of `reads.per-event`.
    pub reads: u32,
    /// Writes to its own memory, in order, one per key; to be kept together with the outcome.
    /// Empty unless the outcome is `Proposals`.
    pub kv_writes: Vec<KvWrite>,
    /// Log lines, bounded.
    pub log: Vec<LogLine>,
    /// Log lines beyond the bound.
    pub log_dropped: u32,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// It answered; within the output bounds, not yet decided.
    Proposals(Vec<Proposal>),
    /// It said that it could not.
    Failed(Failure),
    /// It was stopped, or what it returned was unusable.
    Crashed {
        /// Why.
        kind: CrashKind,
        /// What a person should read: the panic text from stderr, or the host's sentence.
        said: String,
        /// Names of the innermost functions, when the component has them.
        at: Vec<String>,
    },
}

/// A failure that the plugin returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// Wrong settings: do not call it until they change.
    Settings(String),
    /// This event will never work.
    Poison(String),
    /// Call it again, not sooner than this.
    AgainLater {
        /// Milliseconds to wait.
        after_ms: u64,
        /// Why.
        why: String,
    },
}

/// Why a call was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrashKind {
    /// Out of fuel.
    WorkLimit,
    /// Out of wall time.
    TimeLimit,
    /// Out of linear memory.
    MemoryLimit,
    /// Recursion too deep.
    StackOverflow,
    /// A panic or another trap.
    Panic,
    /// It tried what a plugin may not do: sleep, exit, ...
    Refused,
    /// Its answer breaks an output bound.
    BadOutput,
    /// The store could not answer a read; not the plugin's fault.
    CouldNotRead,
}

/// Whether the same call is worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would end the same way: park the event, count a strike.
    Never,
    /// The machine may have been busy: once more, then park and count a strike.
    Once,
    /// The host's fault: retry with backoff, no strike.
    Always,
}

impl CrashKind {
    /// Whether the same call is worth another try.
    #[must_use]
    pub fn retryable(self) -> Retry {
        match self {
            CrashKind::TimeLimit => Retry::Once,
            CrashKind::CouldNotRead => Retry::Always,
            CrashKind::WorkLimit
            | CrashKind::MemoryLimit
            | CrashKind::StackOverflow
            | CrashKind::Panic
            | CrashKind::Refused
            | CrashKind::BadOutput => Retry::Never,
        }
    }

    /// The words for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CrashKind::WorkLimit => "work limit",
            CrashKind::TimeLimit => "time limit",
            CrashKind::MemoryLimit => "memory limit",
            CrashKind::StackOverflow => "stack overflow",
            CrashKind::Panic => "panic",
            CrashKind::Refused => "refused",
            CrashKind::BadOutput => "bad output",
            CrashKind::CouldNotRead => "could not read",
        }
    }
}

/// Which space of a plugin's own memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KvScope {
    /// The plugin's, for the account that the event was matched to.
    Account,
    /// The plugin's.
    Plugin,
}

/// One write to a plugin's own memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvWrite {
    /// Space.
    pub scope: KvScope,
    /// Key.
    pub key: String,
    /// New value; `None` removes the key.
    pub value: Option<Vec<u8>>,
}

/// Weight of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// For the author.
    Debug,
    /// For the record.
    Info,
    /// Something is odd.
    Warn,
    /// Something is wrong.
    Error,
}

/// One log line of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Weight.
    pub level: LogLevel,
    /// Text, without control characters.
    pub message: String,
}
