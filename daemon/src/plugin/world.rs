//! What a plugin can ask of the daemon, as the host asks it of whoever holds the records.

use liaison_core::happening::{Entity, PluginCalendarEvent, PluginMessage};
use liaison_core::proposal::Value;
use liaison_core::time::{Timestamp, Window};

use super::report::KvScope;

/// Reads from one snapshot, taken when the event began; one world serves one call.
///
/// Answers are complete: the host leaves out what the manifest does not ask for, counts reads and
/// keeps bounds. An `Err` says in a sentence that the records could not be read; the call then
/// ends as `CrashKind::CouldNotRead` and is tried again. Methods run on a plugin thread and may
/// block on local storage only.
pub trait PluginWorld: Send {
    /// An account, a contact or a case of this plugin by its id.
    fn entity(&mut self, id: &str) -> Result<Option<Entity>, String>;
    /// Accounts and contacts an address belongs to, best match first.
    fn by_address(&mut self, email: &str) -> Result<Vec<Entity>, String>;
    /// At most `limit` cases of a kind of this plugin, newest first, for which all hold.
    fn cases(
        &mut self,
        kind: &str,
        conditions: &[Condition],
        limit: usize,
    ) -> Result<Vec<Entity>, String>;
    /// A message by its id.
    fn message(&mut self, id: &str) -> Result<Option<PluginMessage>, String>;
    /// The `newest` messages of a thread, oldest of them first.
    fn thread(&mut self, id: &str, newest: usize) -> Result<Vec<PluginMessage>, String>;
    /// Busy spans of one of our people inside `span`, merged and sorted.
    fn busy(&mut self, owner: &str, span: Window) -> Result<Vec<Window>, String>;
    /// Free slots in the working hours and zone of one of our people.
    fn free_slots(&mut self, request: &SlotRequest) -> Result<Vec<Window>, String>;
    /// At most `limit` calendar instances of one of our people inside `span`.
    fn calendar_events(
        &mut self,
        owner: &str,
        span: Window,
        limit: usize,
    ) -> Result<Vec<PluginCalendarEvent>, String>;
    /// A value of the plugin's own memory.
    fn kv_get(&mut self, scope: KvScope, key: &str) -> Result<Option<Vec<u8>>, String>;
    /// Keys with a prefix, sorted.
    fn kv_keys(&mut self, scope: KvScope, prefix: &str) -> Result<Vec<String>, String>;
    /// Bytes that all keys and values of a space take.
    fn kv_size(&mut self, scope: KvScope) -> Result<u64, String>;
    /// First working moment of the firm at or after `at` plus `days` whole working days.
    fn working_time(&mut self, at: Timestamp, days: u32) -> Result<Timestamp, String>;
    /// The same for working hours.
    fn working_hours(&mut self, at: Timestamp, hours: u32) -> Result<Timestamp, String>;
}

/// Equality of one field; `state` is a field of a case here too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Name of the field.
    pub field: String,
    /// Wanted value.
    pub value: Value,
}

/// A wish for free time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRequest {
    /// Address of our person.
    pub owner: String,
    /// Length of each slot.
    pub minutes: u32,
    /// Search from this many whole working days ahead ...
    pub days_ahead_min: u32,
    /// ... to this many.
    pub days_ahead_max: u32,
    /// How many, spread over different days.
    pub count: u32,
}

/// The world of `check` and of the trial at loading: empty.
pub(super) struct NoWorld;

impl PluginWorld for NoWorld {
    fn entity(&mut self, _: &str) -> Result<Option<Entity>, String> {
        Ok(None)
    }

    fn by_address(&mut self, _: &str) -> Result<Vec<Entity>, String> {
        Ok(Vec::new())
    }

    fn cases(&mut self, _: &str, _: &[Condition], _: usize) -> Result<Vec<Entity>, String> {
        Ok(Vec::new())
    }

    fn message(&mut self, _: &str) -> Result<Option<PluginMessage>, String> {
        Ok(None)
    }

    fn thread(&mut self, _: &str, _: usize) -> Result<Vec<PluginMessage>, String> {
        Ok(Vec::new())
    }

    fn busy(&mut self, _: &str, _: Window) -> Result<Vec<Window>, String> {
        Ok(Vec::new())
    }

    fn free_slots(&mut self, _: &SlotRequest) -> Result<Vec<Window>, String> {
        Ok(Vec::new())
    }

    fn calendar_events(
        &mut self,
        _: &str,
        _: Window,
        _: usize,
    ) -> Result<Vec<PluginCalendarEvent>, String> {
        Ok(Vec::new())
    }

    fn kv_get(&mut self, _: KvScope, _: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }

    fn kv_keys(&mut self, _: KvScope, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn kv_size(&mut self, _: KvScope) -> Result<u64, String> {
        Ok(0)
    }

    fn working_time(&mut self, at: Timestamp, _: u32) -> Result<Timestamp, String> {
        Ok(at)
    }

    fn working_hours(&mut self, at: Timestamp, _: u32) -> Result<Timestamp, String> {
        Ok(at)
    }
}
