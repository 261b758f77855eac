//! Filters that print instants for people: always with zone and offset, never ambiguous.

use jiff::Zoned;
use jiff::tz::TimeZone;
use liaison_core::time::Timestamp;
use liaison_core::zones;
use minijinja::{Environment, Error, ErrorKind, Value};

/// The zone in which a mail speaks.
#[derive(Debug, Clone)]
pub(super) struct Zone(TimeZone);

impl Zone {
    pub(super) fn named(name: &str) -> Option<Zone> {
        zones::zone(name).map(Zone)
    }

    fn at(&self, millis: i64) -> Zoned {
        Timestamp(millis).to_jiff().to_zoned(self.0.clone())
    }
}

pub(super) fn add_filters(environment: &mut Environment<'_>, zone: Zone) {
    let (one, two, three) = (zone.clone(), zone.clone(), zone);
    environment.add_filter("slot", move |span: Value| slot(&one, &span));
    environment.add_filter("local_time", move |at: i64| local_time(&two, at));
    environment.add_filter("local_date", move |at: i64| local_date(&three, at));
}

/// `Tue 1 December 2026, 10:00-11:00 CET (UTC+1)`
fn slot(zone: &Zone, span: &Value) -> Result<String, Error> {
    let part = |name: &str| {
        span.get_attr(name)
            .ok()
            .and_then(|value| i64::try_from(value).ok())
            .ok_or_else(|| {
                let said = "`slot` wants an object with `start` and `end` in milliseconds";
                Error::new(ErrorKind::InvalidOperation, said)
            })
    };
    let (start, end) = (zone.at(part("start")?), zone.at(part("end")?));
    if start.date() == end.date() && start.offset() == end.offset() {
        let (day, from, to) = (day(&start), clock(&start), clock(&end));
        return Ok(format!("{day}, {from}-{to} {}", name(&start)));
    }
    Ok(format!("{} - {}", moment(&start), moment(&end)))
}

/// `Tue 1 December 2026, 10:00 CET (UTC+1)`
fn local_time(zone: &Zone, at: i64) -> String {
    moment(&zone.at(at))
}

/// `Tue 1 December 2026 CET (UTC+1)`
fn local_date(zone: &Zone, at: i64) -> String {
    let zoned = zone.at(at);
    format!("{} {}", day(&zoned), name(&zoned))
}

fn moment(zoned: &Zoned) -> String {
    format!("{}, {} {}", day(zoned), clock(zoned), name(zoned))
}

fn day(zoned: &Zoned) -> String {
    zoned.strftime("%a %-d %B %Y").to_string()
}

fn clock(zoned: &Zoned) -> String {
    zoned.strftime("%H:%M").to_string()
}

/// The zone's abbreviation, where it has letters, and the offset: `CET (UTC+1)`, `UTC+5:30`.
pub(crate) fn name(zoned: &Zoned) -> String {
    let offset = offset(zoned.offset().seconds());
    let abbreviation = zoned.strftime("%Z").to_string();
    if abbreviation.chars().all(|c| c.is_ascii_alphabetic()) && abbreviation != offset {
        format!("{abbreviation} ({offset})")
    } else {
        offset
    }
}

fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}
