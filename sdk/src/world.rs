//! Everything a plugin can read, behind one trait: the daemon's imports in a component,
//! [`crate::testing::TestWorld`] in a native test.

use crate::{
    CalendarEvent, Civil, Condition, Entity, KvError, Level, Message, ReadError, Scope,
    SlotRequest, TimeError, Window,
};

/// A result of a read of the records or calendars.
pub type Read<T> = core::result::Result<T, ReadError>;
/// A result of a use of the plugin's memory.
pub type Kept<T> = core::result::Result<T, KvError>;
/// A result of zone arithmetic.
pub type Timed<T> = core::result::Result<T, TimeError>;

/// The reads of the contract; `sdk/wit/liaison.wit` says what each gives and guarantees.
#[expect(
    missing_docs,
    reason = "each is documented where it is specified: sdk/wit/liaison.wit"
)]
#[expect(
    clippy::missing_errors_doc,
    reason = "the error of each is the contract's, documented there"
)]
pub trait World {
    fn get(&self, id: &str) -> Read<Option<Entity>>;
    fn by_address(&self, email: &str) -> Read<Vec<Entity>>;
    fn cases(&self, kind: &str, conditions: &[Condition]) -> Read<Vec<Entity>>;
    fn message(&self, id: &str) -> Read<Option<Message>>;
    fn thread(&self, id: &str, newest: u32) -> Read<Vec<Message>>;

    fn busy(&self, owner: Option<&str>, span: Window) -> Read<Vec<Window>>;
    fn free_slots(&self, request: &SlotRequest) -> Read<Vec<Window>>;
    fn events(&self, owner: Option<&str>, span: Window) -> Read<Vec<CalendarEvent>>;

    fn kv_get(&self, scope: Scope, key: &str) -> Kept<Option<Vec<u8>>>;
    fn kv_set(&self, scope: Scope, key: &str, value: &[u8]) -> Kept<()>;
    fn kv_remove(&self, scope: Scope, key: &str) -> Kept<()>;
    fn kv_keys(&self, scope: Scope, prefix: &str) -> Kept<Vec<String>>;

    fn log(&self, level: Level, text: &str);

    fn now(&self) -> i64;
    fn to_civil(&self, at: i64, zone: &str) -> Timed<Civil>;
    fn instant_of(&self, date: Civil, zone: &str) -> Timed<i64>;
    fn working_time(&self, at: i64, days: u32) -> i64;
    fn working_hours(&self, at: i64, hours: u32) -> i64;
    fn random(&self) -> u64;

    fn settings(&self) -> String;
}

/// The daemon, through the imports of the component.
#[cfg(target_arch = "wasm32")]
#[derive(Debug, Clone, Copy)]
pub struct Imports;

#[cfg(target_arch = "wasm32")]
mod imports {
    use super::{Imports, Kept, Read, Timed, World};
    use crate::bindings::liaison::plugin::{calendars, clock, kv, log, records, settings};
    use crate::{
        CalendarEvent, Civil, Condition, Entity, Level, Message, Scope, SlotRequest, Window,
    };

    impl World for Imports {
        fn get(&self, id: &str) -> Read<Option<Entity>> {
            records::get(id)
        }
        fn by_address(&self, email: &str) -> Read<Vec<Entity>> {
            records::by_address(email)
        }
        fn cases(&self, kind: &str, conditions: &[Condition]) -> Read<Vec<Entity>> {
            records::cases(kind, conditions)
        }
        fn message(&self, id: &str) -> Read<Option<Message>> {
            records::get_message(id)
        }
        fn thread(&self, id: &str, newest: u32) -> Read<Vec<Message>> {
            records::thread(id, newest)
        }
        fn busy(&self, owner: Option<&str>, span: Window) -> Read<Vec<Window>> {
            calendars::busy(owner, span)
        }
        fn free_slots(&self, request: &SlotRequest) -> Read<Vec<Window>> {
            calendars::free_slots(request)
        }
        fn events(&self, owner: Option<&str>, span: Window) -> Read<Vec<CalendarEvent>> {
            calendars::events(owner, span)
        }
        fn kv_get(&self, scope: Scope, key: &str) -> Kept<Option<Vec<u8>>> {
            kv::get(scope, key)
        }
        fn kv_set(&self, scope: Scope, key: &str, value: &[u8]) -> Kept<()> {
            kv::set(scope, key, value)
        }
        fn kv_remove(&self, scope: Scope, key: &str) -> Kept<()> {
            kv::remove(scope, key)
        }
        fn kv_keys(&self, scope: Scope, prefix: &str) -> Kept<Vec<String>> {
            kv::keys(scope, prefix)
        }
        fn log(&self, level: Level, text: &str) {
            log::write(level, text);
        }
        fn now(&self) -> i64 {
            clock::now()
        }
        fn to_civil(&self, at: i64, zone: &str) -> Timed<Civil> {
            clock::to_civil(at, zone)
        }
        fn instant_of(&self, date: Civil, zone: &str) -> Timed<i64> {
            clock::from_civil(date, zone)
        }
        fn working_time(&self, at: i64, days: u32) -> i64 {
            clock::working_time(at, days)
        }
        fn working_hours(&self, at: i64, hours: u32) -> i64 {
            clock::working_hours(at, hours)
        }
        fn random(&self) -> u64 {
            clock::random()
        }
        fn settings(&self) -> String {
            settings::get()
        }
    }
}
