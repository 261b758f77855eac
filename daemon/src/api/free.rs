//! `free`: when our people have time together.

use liaison_core::calendar::{FreeDay, FreeTime};
use liaison_core::time::{DAY_MS, Timestamp, Window};
use liaison_core::whereabouts::Whereabouts;
use serde::Deserialize;
use serde_json::{Value, json};

use super::outbox::instant;
use super::{ApiContext, ApiError, Caller};
use crate::free::{Diaries, FreeError, Wish};
use crate::office::Person;

/// Days that are looked at when no end is given.
const DAYS_USUALLY: i64 = 14;
/// Longest time that is looked at, in days: further ahead nobody's calendar says much.
const DAYS_MAX: i64 = 366;
/// Longest meeting, in minutes.
const LENGTH_MAX: u32 = 24 * 60;
/// Length of a meeting when none is given, in minutes.
const LENGTH_USUALLY: u32 = 30;
/// Most people asked for at once.
const PEOPLE_MAX: usize = 50;
/// Slots shown when no number is given, and the most.
const SLOTS: (usize, usize) = (10, 200);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Free {
    users: Vec<String>,
    from: Option<String>,
    to: Option<String>,
    /// Minutes.
    length: Option<u32>,
    /// Address of an invitee, whose day counts, too.
    with: Option<String>,
    count: Option<usize>,
}

pub(super) async fn free(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Free,
) -> Result<Value, ApiError> {
    let now = context.now();
    let people = people(context, &arguments.users)?;
    let wish = wish(context, &arguments, now)?;
    let calendars = context.live.as_ref().and_then(|live| live.calendars());
    let calendars = calendars.ok_or_else(|| {
        let why = "calendars are known to the running daemon only: start it, then ask again";
        ApiError::Arguments(why.to_owned())
    })?;
    let diaries = Diaries {
        books: context.books.clone(),
        office: context.office.clone(),
        calendars,
    };
    let invitee = match &arguments.with {
        Some(address) => Some(diaries.invitee(address, None, now).await?),
        None => None,
    };
    let sought = invitee.clone().map(|found| (found, true));
    let found = diaries
        .free(people.clone(), sought, wish.clone(), now)
        .await;
    let found = found.map_err(|error| match error {
        FreeError::Books(error) => ApiError::Books(error),
        other => ApiError::Arguments(other.words()),
    })?;
    Ok(answer(&people, invitee.as_ref(), &wish, &found))
}

/// Our people by address or name; each once.
pub(super) fn people(context: &ApiContext, names: &[String]) -> Result<Vec<Person>, ApiError> {
    let wrong = |why: String| Err(ApiError::Arguments(why));
    if names.is_empty() || names.len() > PEOPLE_MAX {
        return wrong(format!("name 1 to {PEOPLE_MAX} of our people"));
    }
    let mut people: Vec<Person> = Vec::new();
    for name in names {
        let is = |person: &&Person| {
            person.user.name.eq_ignore_ascii_case(name)
                || person
                    .addresses
                    .iter()
                    .any(|one| one.eq_ignore_ascii_case(name))
        };
        let Some(person) = context.office.people.values().find(is) else {
            let known: Vec<&str> = context.office.people.keys().map(String::as_str).collect();
            return wrong(format!(
                "`{name}` is none of our people ([[user]]): {}",
                known.join(", ")
            ));
        };
        if person.calendars.is_empty() {
            return wrong(format!(
                "{name} has no calendar: give a [[calendar]] with `owner = \"{}\"`",
                person.user.email
            ));
        }
        if !people.iter().any(|one| one.user.email == person.user.email) {
            people.push(person.clone());
        }
    }
    Ok(people)
}

fn wish(context: &ApiContext, arguments: &Free, now: Timestamp) -> Result<Wish, ApiError> {
    let business = &context.office.firm.business;
    let read = |text: &str| {
        instant(text, business).ok_or_else(|| {
            ApiError::Arguments(format!(
                "`{text}` is no time: write 2026-03-02T09:00 ({}), 2026-03-02T09:00:00Z or a day \
                 such as 2026-03-02",
                business.zone_name()
            ))
        })
    };
    // A day means all of it, whatever hours we have.
    let day = |text: &str| text.parse::<jiff::civil::Date>().ok();
    let start = match arguments.from.as_deref() {
        None => now,
        Some(text) => match day(text) {
            Some(date) => business.start_of(date),
            None => read(text)?,
        },
    };
    let start = start.max(now);
    let end = match arguments.to.as_deref() {
        None => start.plus_millis(DAYS_USUALLY.saturating_mul(DAY_MS)),
        Some(text) => match day(text) {
            Some(date) => business.start_of(date.tomorrow().unwrap_or(date)),
            None => read(text)?,
        },
    };
    let wrong = |why: String| Err(ApiError::Arguments(why));
    if end <= start {
        return wrong("the end is not after the start, or is past".to_owned());
    }
    if end.since(start) > DAYS_MAX.saturating_mul(DAY_MS) {
        return wrong(format!("at most {DAYS_MAX} days are looked at: set --to"));
    }
    let minutes = arguments.length.unwrap_or(LENGTH_USUALLY);
    if !(1..=LENGTH_MAX).contains(&minutes) {
        return wrong(format!("a meeting has 1 to {LENGTH_MAX} minutes"));
    }
    let (usually, most) = SLOTS;
    let count = arguments.count.unwrap_or(usually);
    if !(1..=most).contains(&count) {
        return wrong(format!("1 to {most} slots can be asked for"));
    }
    Ok(Wish {
        minutes,
        window: Window { start, end },
        count,
    })
}

fn answer(
    people: &[Person],
    invitee: Option<&Whereabouts>,
    wish: &Wish,
    found: &FreeTime,
) -> Value {
    let names: Vec<&str> = people.iter().map(|one| one.user.email.as_str()).collect();
    let shown = |t: Timestamp| people.first().map(|first| first.work.then(t).shown(t));
    let theirs = |t: Timestamp| -> Vec<String> {
        let places = invitee.into_iter().flat_map(|found| &found.places);
        places.map(|place| place.shown(t)).collect()
    };
    let slot = |slot: &Window| {
        json!({
            "start": slot.start,
            "end": slot.end,
            "for_us": shown(slot.start),
            "for_them": theirs(slot.start),
        })
    };
    let day = |day: &FreeDay| {
        let free: Vec<Value> = day.free.iter().map(slot).collect();
        json!({
            "date": day.date.to_string(),
            "free": free,
            "slots": day.slots.len(),
            "why": day.why,
        })
    };
    json!({
        "people": names,
        "minutes": wish.minutes,
        "from": wish.window.start,
        "to": wish.window.end,
        "invitee": invitee.map(|found| json!({
            "places": found.places.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "confidence": found.confidence.as_str(),
            "why": found.how,
        })),
        "slots": found.slots.iter().map(slot).collect::<Vec<_>>(),
        "days": found.days.iter().map(day).collect::<Vec<_>>(),
    })
}
