//! One call's view of the world: counts reads, keeps grants and quotas, collects writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use liaison_core::happening::{Entity, PluginCalendarEvent, PluginEvent, PluginMessage};
use liaison_core::manifest::{CalendarGrant, Manifest};
use liaison_core::time::{Timestamp, Window};

use super::grants;
use super::report::{KvScope, KvWrite, LogLevel, LogLine};
use super::world::{Condition, PluginWorld, SlotRequest};

/// Most cases or messages in one answer.
const LIST_MAX: usize = 50;
/// Most calendar instances in one answer.
const CALENDAR_MAX: usize = 200;
/// Most slots in one answer.
const SLOTS_MAX: u32 = 10;
/// Furthest a search for slots looks, in working days.
const SLOT_DAYS_MAX: u32 = 366;
/// Longest slot in minutes.
const SLOT_MINUTES_MAX: u32 = 24 * 60;
/// Bytes of a key.
const KEY_BYTES: usize = 256;
/// Bytes of a value: it must fit into one value of the store with its envelope.
const VALUE_BYTES: usize = 2 << 10;
/// Bytes of keys and values in one space.
const SPACE_BYTES: u64 = 1 << 20;
/// Most keys written in one call; they are one commit.
const WRITES_MAX: usize = 500;
/// Most keys in one answer.
const KEYS_MAX: usize = 500;
/// Log lines kept per call.
const LOG_LINES: usize = 64;
/// Bytes of log kept per call.
const LOG_BYTES: usize = 16 << 10;
/// Bytes of one log line.
const LOG_LINE_BYTES: usize = 2 << 10;

/// The records could not be read. Not the plugin's fault.
#[derive(Debug, thiserror::Error)]
#[error("the records could not be read: {0}")]
pub(super) struct Unreadable(pub(super) String);

/// Why a read has no answer: a value for the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReadError {
    Denied(String),
    Invalid(String),
    Exhausted,
}

/// Why its own memory refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KvError {
    TooLarge(String),
    NoAccount,
}

/// An answer for the plugin, or the end of the call.
pub(super) type Answer<T, E = ReadError> = Result<Result<T, E>, Unreadable>;

macro_rules! answer {
    ($checked:expr) => {
        match $checked {
            Ok(value) => value,
            Err(refusal) => return Ok(Err(refusal)),
        }
    };
}

pub(super) struct Session {
    world: Box<dyn PluginWorld>,
    manifest: Arc<Manifest>,
    pub(super) settings: Arc<str>,
    pub(super) now: Timestamp,
    owner: Option<String>,
    has_account: bool,
    pub(super) reads: u32,
    writes: BTreeMap<(KvScope, String), Option<Vec<u8>>>,
    used: BTreeMap<KvScope, u64>,
    pub(super) log: Vec<LogLine>,
    log_bytes: usize,
    pub(super) log_dropped: u32,
}

impl Session {
    pub(super) fn new(
        manifest: Arc<Manifest>,
        settings: Arc<str>,
        world: Box<dyn PluginWorld>,
        event: &PluginEvent,
    ) -> Session {
        Session {
            world,
            manifest,
            settings,
            now: event.at,
            owner: event
                .context
                .owner
                .as_ref()
                .map(|owner| owner.email.clone()),
            has_account: event.context.matched.account.is_some(),
            reads: 0,
            writes: BTreeMap::new(),
            used: BTreeMap::new(),
            log: Vec::new(),
            log_bytes: 0,
            log_dropped: 0,
        }
    }

    fn count(&mut self) -> Result<(), ReadError> {
        if self.reads >= self.manifest.reads.per_event {
            return Err(ReadError::Exhausted);
        }
        self.reads = self.reads.saturating_add(1);
        Ok(())
    }

    pub(super) fn entity(&mut self, id: &str) -> Answer<Option<Entity>> {
        answer!(self.count());
        let Some(found) = self.world.entity(id).map_err(Unreadable)? else {
            return Ok(Ok(None));
        };
        let kind = found.kind.clone();
        Ok(match grants::entity(&self.manifest, found) {
            Some(given) => Ok(Some(given)),
            None => Err(not_granted(&format!("records of kind `{kind}`"))),
        })
    }

    pub(super) fn by_address(&mut self, email: &str) -> Answer<Vec<Entity>> {
        answer!(self.count());
        if self.manifest.reads.records.is_empty() {
            return Ok(Err(not_granted("accounts or contacts")));
        }
        let found = self.world.by_address(email).map_err(Unreadable)?;
        let given = found.into_iter().take(LIST_MAX);
        Ok(Ok(given
            .filter_map(|entity| grants::entity(&self.manifest, entity))
            .collect()))
    }

    pub(super) fn cases(&mut self, kind: &str, conditions: &[Condition]) -> Answer<Vec<Entity>> {
        answer!(self.count());
        let Some(declared) = self.manifest.case(kind) else {
            let said = format!("the manifest declares no case kind `{kind}`");
            return Ok(Err(ReadError::Invalid(said)));
        };
        for condition in conditions {
            let known = condition.field == "state"
                || declared
                    .fields
                    .iter()
                    .any(|field| field.name == condition.field);
            if !known {
                let said = format!("`{kind}` has no field `{}`", condition.field);
                return Ok(Err(ReadError::Invalid(said)));
            }
        }
        self.world
            .cases(kind, conditions, LIST_MAX)
            .map_err(Unreadable)
            .map(Ok)
    }

    pub(super) fn message(&mut self, id: &str) -> Answer<Option<PluginMessage>> {
        answer!(self.count());
        let mut found = self.world.message(id).map_err(Unreadable)?;
        if let Some(message) = &mut found {
            grants::message(&self.manifest, message);
        }
        Ok(Ok(found))
    }

    pub(super) fn thread(&mut self, id: &str, newest: u32) -> Answer<Vec<PluginMessage>> {
        answer!(self.count());
        let newest = usize::try_from(newest).unwrap_or(LIST_MAX).min(LIST_MAX);
        let mut found = self.world.thread(id, newest).map_err(Unreadable)?;
        for message in &mut found {
            grants::message(&self.manifest, message);
        }
        Ok(Ok(found))
    }

    fn calendar_owner(
        &self,
        needs: CalendarGrant,
        owner: Option<String>,
    ) -> Result<String, ReadError> {
        if self.manifest.reads.calendars < needs {
            let what = if needs == CalendarGrant::Events {
                "calendar events"
            } else {
                "free/busy"
            };
            return Err(not_granted(what));
        }
        owner.or_else(|| self.owner.clone()).ok_or_else(|| {
            ReadError::Invalid("nobody of ours looks after this event: name an owner".to_owned())
        })
    }

    pub(super) fn busy(&mut self, owner: Option<String>, span: Window) -> Answer<Vec<Window>> {
        answer!(self.count());
        let owner = answer!(self.calendar_owner(CalendarGrant::Busy, owner));
        answer!(forward(span));
        self.world.busy(&owner, span).map_err(Unreadable).map(Ok)
    }

    /// `request.owner` empty means the owner in the context.
    pub(super) fn free_slots(
        &mut self,
        owner: Option<String>,
        mut request: SlotRequest,
    ) -> Answer<Vec<Window>> {
        answer!(self.count());
        request.owner = answer!(self.calendar_owner(CalendarGrant::Busy, owner));
        let sensible = (1..=SLOT_MINUTES_MAX).contains(&request.minutes)
            && request.days_ahead_min <= request.days_ahead_max
            && request.days_ahead_max <= SLOT_DAYS_MAX;
        if !sensible {
            let said = format!(
                "a slot has 1 to {SLOT_MINUTES_MAX} minutes and lies between days-ahead-min and \
                 days-ahead-max, at most {SLOT_DAYS_MAX} working days ahead"
            );
            return Ok(Err(ReadError::Invalid(said)));
        }
        request.count = request.count.min(SLOTS_MAX);
        self.world.free_slots(&request).map_err(Unreadable).map(Ok)
    }

    pub(super) fn calendar_events(
        &mut self,
        owner: Option<String>,
        span: Window,
    ) -> Answer<Vec<PluginCalendarEvent>> {
        answer!(self.count());
        let owner = answer!(self.calendar_owner(CalendarGrant::Events, owner));
        answer!(forward(span));
        self.world
            .calendar_events(&owner, span, CALENDAR_MAX)
            .map_err(Unreadable)
            .map(Ok)
    }

    pub(super) fn working_time(
        &mut self,
        at: Timestamp,
        days: u32,
    ) -> Result<Timestamp, Unreadable> {
        self.world.working_time(at, days).map_err(Unreadable)
    }

    pub(super) fn working_hours(
        &mut self,
        at: Timestamp,
        hours: u32,
    ) -> Result<Timestamp, Unreadable> {
        self.world.working_hours(at, hours).map_err(Unreadable)
    }

    fn space(&self, scope: KvScope) -> Result<(), KvError> {
        if scope == KvScope::Account && !self.has_account {
            return Err(KvError::NoAccount);
        }
        Ok(())
    }

    fn current(&mut self, scope: KvScope, key: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        match self.writes.get(&(scope, key.to_owned())) {
            Some(written) => Ok(written.clone()),
            None => self.world.kv_get(scope, key).map_err(Unreadable),
        }
    }

    pub(super) fn kv_get(&mut self, scope: KvScope, key: &str) -> Answer<Option<Vec<u8>>, KvError> {
        answer!(self.space(scope));
        if key.len() > KEY_BYTES {
            return Ok(Ok(None));
        }
        self.current(scope, key).map(Ok)
    }

    pub(super) fn kv_set(
        &mut self,
        scope: KvScope,
        key: &str,
        value: Option<Vec<u8>>,
    ) -> Answer<(), KvError> {
        answer!(self.space(scope));
        answer!(small(key, value.as_deref()));
        let before = cost(key, self.current(scope, key)?.as_deref());
        let after = cost(key, value.as_deref());
        if before == 0 && value.is_none() {
            return Ok(Ok(()));
        }
        let used = match self.used.get(&scope) {
            Some(used) => *used,
            None => self.world.kv_size(scope).map_err(Unreadable)?,
        };
        let total = used.saturating_sub(before).saturating_add(after);
        if after > before && total > SPACE_BYTES {
            let said = format!("the space would hold {total} bytes, {SPACE_BYTES} are allowed");
            return Ok(Err(KvError::TooLarge(said)));
        }
        let entry = (scope, key.to_owned());
        if self.writes.len() >= WRITES_MAX && !self.writes.contains_key(&entry) {
            let said = format!("one call may write {WRITES_MAX} keys");
            return Ok(Err(KvError::TooLarge(said)));
        }
        self.used.insert(scope, total);
        self.writes.insert(entry, value);
        Ok(Ok(()))
    }

    pub(super) fn kv_keys(&mut self, scope: KvScope, prefix: &str) -> Answer<Vec<String>, KvError> {
        answer!(self.space(scope));
        let kept = self.world.kv_keys(scope, prefix).map_err(Unreadable)?;
        let mut keys: std::collections::BTreeSet<String> = kept.into_iter().collect();
        for ((space, key), value) in &self.writes {
            if *space == scope && key.starts_with(prefix) {
                match value {
                    Some(_) => keys.insert(key.clone()),
                    None => keys.remove(key),
                };
            }
        }
        Ok(Ok(keys.into_iter().take(KEYS_MAX).collect()))
    }

    pub(super) fn write_log(&mut self, level: LogLevel, message: &str) {
        let line = &message
            .get(..message.floor_char_boundary(LOG_LINE_BYTES))
            .unwrap_or_default();
        let bytes = self.log_bytes.saturating_add(line.len());
        if self.log.len() >= LOG_LINES || bytes > LOG_BYTES {
            self.log_dropped = self.log_dropped.saturating_add(1);
            return;
        }
        self.log_bytes = bytes;
        let message = line
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        self.log.push(LogLine { level, message });
    }

    /// The writes of a call that answered.
    pub(super) fn take_writes(&mut self) -> Vec<KvWrite> {
        std::mem::take(&mut self.writes)
            .into_iter()
            .map(|((scope, key), value)| KvWrite { scope, key, value })
            .collect()
    }
}

fn not_granted(what: &str) -> ReadError {
    ReadError::Denied(format!("the manifest's [reads] does not ask for {what}"))
}

fn forward(span: Window) -> Result<(), ReadError> {
    if span.start < span.end {
        return Ok(());
    }
    Err(ReadError::Invalid(
        "the span ends before it starts".to_owned(),
    ))
}

fn small(key: &str, value: Option<&[u8]>) -> Result<(), KvError> {
    if key.is_empty() || key.len() > KEY_BYTES {
        let said = format!("a key has 1 to {KEY_BYTES} bytes, this one {}", key.len());
        return Err(KvError::TooLarge(said));
    }
    match value.map(<[u8]>::len) {
        Some(len) if len > VALUE_BYTES => {
            let said = format!("a value has at most {VALUE_BYTES} bytes, this one {len}");
            Err(KvError::TooLarge(said))
        }
        _ => Ok(()),
    }
}

fn cost(key: &str, value: Option<&[u8]>) -> u64 {
    value.map_or(0, |value| {
        u64::try_from(key.len().saturating_add(value.len())).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests;
