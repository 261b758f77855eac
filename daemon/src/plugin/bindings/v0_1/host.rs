//! The imports of 0.1, answered by the session.

use liaison_core::time::Timestamp;
use wasmtime::Result;

use super::super::super::civil::{self, Civil, CivilError};
use super::super::super::instance::Cx;
use super::super::super::report::{KvScope, LogLevel};
use super::super::super::session::{self, Unreadable};
use super::super::super::world::{Condition, SlotRequest};
use super::wit::types;
use super::wit::{
    calendars, clock, events, kv, log, proposals as wit_proposals, records, settings,
};
use super::{proposals, told};

fn read_error(error: session::ReadError) -> records::ReadError {
    match error {
        session::ReadError::Denied(why) => records::ReadError::Denied(why),
        session::ReadError::Invalid(why) => records::ReadError::Invalid(why),
        session::ReadError::Exhausted => records::ReadError::Exhausted,
    }
}

fn kv_error(error: session::KvError) -> kv::KvError {
    match error {
        session::KvError::TooLarge(why) => kv::KvError::TooLarge(why),
        session::KvError::NoAccount => kv::KvError::NoAccount,
    }
}

/// An answer of the session in this generation's words; an unreadable store ends the call.
fn answer<T, U, E, F>(
    given: Result<Result<T, E>, Unreadable>,
    value: impl FnOnce(T) -> U,
    error: impl FnOnce(E) -> F,
) -> Result<Result<U, F>> {
    Ok(given?.map(value).map_err(error))
}

fn each<T, U>(convert: impl Fn(&T) -> U) -> impl FnOnce(Vec<T>) -> Vec<U> {
    move |list| list.iter().map(convert).collect()
}

impl types::Host for Cx {}
impl events::Host for Cx {}
impl wit_proposals::Host for Cx {}

impl records::Host for Cx {
    fn get(&mut self, id: String) -> Result<Result<Option<types::Entity>, records::ReadError>> {
        let found = self.session.entity(&id);
        answer(
            found,
            |entity| entity.as_ref().map(told::entity),
            read_error,
        )
    }

    fn by_address(
        &mut self,
        email: String,
    ) -> Result<Result<Vec<types::Entity>, records::ReadError>> {
        answer(
            self.session.by_address(&email),
            each(told::entity),
            read_error,
        )
    }

    fn cases(
        &mut self,
        kind: String,
        conditions: Vec<records::Condition>,
    ) -> Result<Result<Vec<types::Entity>, records::ReadError>> {
        let conditions: Vec<Condition> = conditions
            .into_iter()
            .map(|one| Condition {
                field: one.field,
                value: proposals::value(one.value),
            })
            .collect();
        answer(
            self.session.cases(&kind, &conditions),
            each(told::entity),
            read_error,
        )
    }

    fn get_message(
        &mut self,
        id: String,
    ) -> Result<Result<Option<types::Message>, records::ReadError>> {
        let found = self.session.message(&id);
        answer(
            found,
            |message| message.as_ref().map(told::message),
            read_error,
        )
    }

    fn thread(
        &mut self,
        id: String,
        newest: u32,
    ) -> Result<Result<Vec<types::Message>, records::ReadError>> {
        answer(
            self.session.thread(&id, newest),
            each(told::message),
            read_error,
        )
    }
}

impl calendars::Host for Cx {
    fn busy(
        &mut self,
        owner: Option<String>,
        span: types::Window,
    ) -> Result<Result<Vec<types::Window>, records::ReadError>> {
        let busy = self.session.busy(owner, proposals::window(span));
        answer(busy, each(|window| told::window(*window)), read_error)
    }

    fn free_slots(
        &mut self,
        request: calendars::SlotRequest,
    ) -> Result<Result<Vec<types::Window>, records::ReadError>> {
        let wanted = SlotRequest {
            owner: String::new(),
            minutes: request.minutes,
            days_ahead_min: request.days_ahead_min,
            days_ahead_max: request.days_ahead_max,
            count: request.count,
        };
        let slots = self.session.free_slots(request.owner, wanted);
        answer(slots, each(|window| told::window(*window)), read_error)
    }

    fn events(
        &mut self,
        owner: Option<String>,
        span: types::Window,
    ) -> Result<Result<Vec<types::CalendarEvent>, records::ReadError>> {
        let found = self.session.calendar_events(owner, proposals::window(span));
        answer(found, each(told::calendar_event), read_error)
    }
}

fn scope(scope: kv::Scope) -> KvScope {
    match scope {
        kv::Scope::Account => KvScope::Account,
        kv::Scope::Plugin => KvScope::Plugin,
    }
}

impl kv::Host for Cx {
    fn get(
        &mut self,
        space: kv::Scope,
        key: String,
    ) -> Result<Result<Option<Vec<u8>>, kv::KvError>> {
        answer(
            self.session.kv_get(scope(space), &key),
            |value| value,
            kv_error,
        )
    }

    fn set(
        &mut self,
        space: kv::Scope,
        key: String,
        value: Vec<u8>,
    ) -> Result<Result<(), kv::KvError>> {
        answer(
            self.session.kv_set(scope(space), &key, Some(value)),
            |()| (),
            kv_error,
        )
    }

    fn remove(&mut self, space: kv::Scope, key: String) -> Result<Result<(), kv::KvError>> {
        answer(
            self.session.kv_set(scope(space), &key, None),
            |()| (),
            kv_error,
        )
    }

    fn keys(
        &mut self,
        space: kv::Scope,
        prefix: String,
    ) -> Result<Result<Vec<String>, kv::KvError>> {
        answer(
            self.session.kv_keys(scope(space), &prefix),
            |keys| keys,
            kv_error,
        )
    }
}

impl log::Host for Cx {
    fn write(&mut self, level: log::Level, message: String) -> Result<()> {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.session.write_log(level, &message);
        Ok(())
    }
}

fn time_error(error: CivilError) -> clock::TimeError {
    match error {
        CivilError::UnknownZone(name) => clock::TimeError::UnknownZone(name),
        CivilError::OutOfRange => clock::TimeError::OutOfRange,
    }
}

impl clock::Host for Cx {
    fn now(&mut self) -> Result<i64> {
        Ok(self.session.now.0)
    }

    fn to_civil(
        &mut self,
        at: i64,
        zone: String,
    ) -> Result<Result<clock::Civil, clock::TimeError>> {
        let civil = civil::to_civil(Timestamp(at), &zone);
        let told = civil.map(|civil| clock::Civil {
            year: civil.year,
            month: civil.month,
            day: civil.day,
            hour: civil.hour,
            minute: civil.minute,
            second: civil.second,
            weekday: civil.weekday,
            offset_seconds: civil.offset_seconds,
        });
        Ok(told.map_err(time_error))
    }

    fn from_civil(
        &mut self,
        date: clock::Civil,
        zone: String,
    ) -> Result<Result<i64, clock::TimeError>> {
        let civil = Civil {
            year: date.year,
            month: date.month,
            day: date.day,
            hour: date.hour,
            minute: date.minute,
            second: date.second,
            weekday: date.weekday,
            offset_seconds: date.offset_seconds,
        };
        Ok(civil::from_civil(&civil, &zone)
            .map(|at| at.0)
            .map_err(time_error))
    }

    fn working_time(&mut self, at: i64, days: u32) -> Result<i64> {
        Ok(self.session.working_time(Timestamp(at), days)?.0)
    }

    fn working_hours(&mut self, at: i64, hours: u32) -> Result<i64> {
        Ok(self.session.working_hours(Timestamp(at), hours)?.0)
    }

    fn random(&mut self) -> Result<u64> {
        Ok(self.chance.next())
    }
}

impl settings::Host for Cx {
    fn get(&mut self) -> Result<String> {
        Ok(self.session.settings.to_string())
    }
}
