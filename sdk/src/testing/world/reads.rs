//! What a plugin reads of the pretend daemon.

use super::{KEY_BYTES_MAX, TestWorld, VALUE_BYTES_MAX, calendar};
use crate::world::{Kept, Read, Timed};
use crate::{
    CalendarEvent, Civil, Condition, Entity, KvError, Level, Message, ReadError, Scope,
    SlotRequest, Value, Window, World,
};
use serde_json::Value as Json;

impl World for TestWorld {
    fn get(&self, id: &str) -> Read<Option<Entity>> {
        self.count_read()?;
        let contacts = self.contacts.iter().map(|(_, contact)| contact);
        let mut all = self.accounts.iter().chain(contacts).chain(&self.cases);
        Ok(all.find(|entity| entity.id == id).cloned())
    }

    fn by_address(&self, email: &str) -> Read<Vec<Entity>> {
        self.count_read()?;
        Ok(self.known(email))
    }

    fn cases(&self, kind: &str, conditions: &[Condition]) -> Read<Vec<Entity>> {
        self.count_read()?;
        let holds = |case: &Entity, condition: &Condition| match condition.field.as_str() {
            "state" => condition.value == Value::Text(case.state.clone()),
            name => case.get(name) == Some(&condition.value),
        };
        let found = self.cases.iter().rev().filter(|case| {
            case.kind == kind && conditions.iter().all(|condition| holds(case, condition))
        });
        Ok(found.take(50).cloned().collect())
    }

    fn message(&self, id: &str) -> Read<Option<Message>> {
        self.count_read()?;
        Ok(self
            .messages
            .iter()
            .find(|message| message.id == id)
            .cloned())
    }

    fn thread(&self, id: &str, newest: u32) -> Read<Vec<Message>> {
        self.count_read()?;
        let all: Vec<Message> = self.thread_of(id).cloned().collect();
        let skip = all.len().saturating_sub(newest.min(50) as usize);
        Ok(all.into_iter().skip(skip).collect())
    }

    fn busy(&self, _owner: Option<&str>, span: Window) -> Read<Vec<Window>> {
        self.count_read()?;
        let inside = |busy: &&Window| busy.start < span.end && span.start < busy.end;
        Ok(self.busy.iter().filter(inside).copied().collect())
    }

    fn free_slots(&self, request: &SlotRequest) -> Read<Vec<Window>> {
        self.count_read()?;
        Ok(calendar::free_slots(
            self.now,
            request,
            &self.busy,
            &self.time_zone(),
        ))
    }

    fn events(&self, _owner: Option<&str>, _span: Window) -> Read<Vec<CalendarEvent>> {
        Err(ReadError::Denied(
            "the pretend daemon knows busy times only".to_owned(),
        ))
    }

    fn kv_get(&self, scope: Scope, key: &str) -> Kept<Option<Vec<u8>>> {
        Ok(self.memory.borrow().get(&self.kv_key(scope, key)?).cloned())
    }

    fn kv_set(&self, scope: Scope, key: &str, value: &[u8]) -> Kept<()> {
        if key.len() > KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
            return Err(KvError::TooLarge(key.to_owned()));
        }
        self.memory
            .borrow_mut()
            .insert(self.kv_key(scope, key)?, value.to_vec());
        Ok(())
    }

    fn kv_remove(&self, scope: Scope, key: &str) -> Kept<()> {
        self.memory.borrow_mut().remove(&self.kv_key(scope, key)?);
        Ok(())
    }

    fn kv_keys(&self, scope: Scope, prefix: &str) -> Kept<Vec<String>> {
        let space = self.kv_key(scope, "")?;
        let memory = self.memory.borrow();
        let keys = memory.keys().filter_map(|key| key.strip_prefix(&space));
        Ok(keys
            .filter(|key| key.starts_with(prefix))
            .take(500)
            .map(str::to_owned)
            .collect())
    }

    fn log(&self, level: Level, text: &str) {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        self.log.borrow_mut().push(format!("{level}: {text}"));
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn to_civil(&self, at: i64, zone: &str) -> Timed<Civil> {
        Ok(calendar::to_civil(at, &calendar::zone(zone)?))
    }

    fn instant_of(&self, date: Civil, zone: &str) -> Timed<i64> {
        calendar::instant_of(date, &calendar::zone(zone)?)
    }

    fn working_time(&self, at: i64, days: u32) -> i64 {
        calendar::working_time(at, days, &self.time_zone())
    }

    fn working_hours(&self, at: i64, hours: u32) -> i64 {
        calendar::working_hours(at, hours, &self.time_zone())
    }

    fn random(&self) -> u64 {
        u64::from(self.events).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    fn settings(&self) -> String {
        Json::Object(self.settings.clone()).to_string()
    }
}

impl TestWorld {
    fn kv_key(&self, scope: Scope, key: &str) -> Kept<String> {
        match (scope, &self.context.matched.account) {
            (Scope::Plugin, _) => Ok(format!("plugin/{key}")),
            (Scope::Account, Some(account)) => Ok(format!("{}/{key}", account.id)),
            (Scope::Account, None) => Err(KvError::NoAccount),
        }
    }
}
