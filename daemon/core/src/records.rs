//! Cases, tasks and timers: what plugins keep in the daemon.

mod case;
mod task;

use serde::{Deserialize, Serialize};

use crate::effect::Cause;
use crate::happening::Subject;
use crate::ids::{AccountId, CaseId, ContactId, PluginName, TaskId, TimerId};
use crate::proposal::Fields;
use crate::time::Timestamp;

pub use case::{INDEX_BYTES_MAX, index_words};
pub use task::{TaskChange, TaskPriority};

/// Longest title, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// Longest text of a task, in characters.
pub const BODY_CHARS_MAX: usize = 1_500;
/// Most points of a checklist, and the longest point in characters.
pub const CHECKLIST_MAX: (usize, usize) = (20, 120);
/// Longest payload of a timer, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1_024;
/// Most steps of history kept in a case.
pub const CASE_STEPS_MAX: usize = 16;

/// A record of a kind that a plugin's manifest declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// Derived from the effect key that created it.
    pub id: CaseId,
    /// The plugin that declares its kind.
    pub plugin: PluginName,
    /// Kind.
    pub kind: String,
    /// Title.
    pub title: String,
    /// State.
    pub state: String,
    /// Fields.
    pub fields: Fields,
    /// Account it belongs to.
    pub account: Option<AccountId>,
    /// Whom and what it is about.
    pub subject: Subject,
    /// Grows with every change.
    pub revision: u64,
    /// When, to which state, why.
    pub steps: Vec<(Timestamp, String, String)>,
    /// First recorded.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Fields that a person set: no plugin overwrites them.
    pub by_person: Vec<String>,
    /// Fields under whose values it is found, sorted.
    pub indexed: Vec<String>,
}

/// Work laid before a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Derived from the effect key that created it.
    pub id: TaskId,
    /// Why.
    pub cause: Cause,
    /// It only tells; there is nothing to do but read.
    pub notification: bool,
    /// At once.
    pub urgent: bool,
    /// What, in one line.
    pub title: String,
    /// What to do and look at.
    pub body: String,
    /// Points to tick.
    pub checklist: Vec<String>,
    /// When it is due.
    pub due: Option<Timestamp>,
    /// Address of our person.
    pub owner: Option<String>,
    /// When it was done, and by whom.
    pub done: Option<(Timestamp, String)>,
    /// When it was made.
    pub created: Timestamp,
    /// For whom it is done; `None` where nobody said.
    pub priority: Option<TaskPriority>,
    /// When it was declined, by whom, and why.
    pub declined: Option<(Timestamp, String, String)>,
    /// Account it belongs to.
    pub account: Option<AccountId>,
    /// Contact it belongs to.
    pub contact: Option<ContactId>,
    /// Ids of other records and cases that it is about.
    pub about: Vec<String>,
    /// Grows with every change.
    pub revision: u64,
    /// Last changed.
    pub updated: Timestamp,
}

/// A moment at which a plugin wants to be woken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerRecord {
    /// Derived from plugin and name: setting it again moves it.
    pub id: TimerId,
    /// Whose.
    pub plugin: PluginName,
    /// The plugin's own name for it.
    pub name: String,
    /// When.
    pub due: Timestamp,
    /// Grows each time it is set, so that a firing is known by (timer, generation).
    pub generation: u64,
    /// JSON text given back.
    pub payload: String,
    /// Whom and what it is about.
    pub subject: Subject,
    /// The plugin's sentence.
    pub reason: String,
    /// When it was set.
    pub set_at: Timestamp,
}

/// The id of a plugin's timer.
#[must_use]
pub fn timer_id(plugin: &PluginName, name: &str) -> TimerId {
    TimerId(crate::ids::derive(
        "liaison timer 1",
        &[plugin.0.as_bytes(), name.as_bytes()],
    ))
}

#[cfg(test)]
mod tests;
