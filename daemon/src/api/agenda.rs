//! `agenda`: what our people do, from their calendars, with what we know of it.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use liaison_core::calendar::agenda::{AgendaItem, DAYS_MAX, ITEMS_MAX, by_day, clashes};
use liaison_core::calendar::event::{Class, PartStat};
use liaison_core::calendar::itip::meeting_id;
use liaison_core::calendar::{CalendarEvent, EventStatus, RecurrenceId};
use liaison_core::effect::{HoldEffect, HoldState};
use liaison_core::ids::CalendarId;
use liaison_core::meeting::{Meeting, Occurrence, answer_word};
use liaison_core::message::cut_text;
use liaison_core::time::{HOUR_MS, Timestamp, Window};
use serde::Deserialize;
use serde_json::{Value, json};

use super::free::people;
use super::{ApiContext, ApiError, Caller};
use crate::calendars::{CalendarRole, Calendars, Entry};
use crate::office::Person;
use crate::store::{Ns, Range};

/// More than any two zones are apart: what has no zone of its own may be elsewhere by so much.
const APART_MS: i64 = 26 * HOUR_MS;
/// Longest title or place that is shown, in characters.
const TITLE_CHARS_MAX: usize = 120;
/// Most people of a meeting who are named.
const PEOPLE_SHOWN_MAX: usize = 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Agenda {
    /// Address or name of one of our people; all who have a calendar, if left out.
    user: Option<String>,
    /// The first day; today, if left out.
    from: Option<String>,
    /// How many days; one, if left out.
    days: Option<u16>,
}

/// One thing in somebody's agenda before it is told.
#[derive(Debug)]
struct Line {
    title: String,
    location: Option<String>,
    all_day: bool,
    kind: &'static str,
    status: EventStatus,
    calendars: Vec<CalendarId>,
    my_answer: Option<PartStat>,
    hold: Option<HoldEffect>,
    meeting: Option<Meeting>,
    people: Vec<Value>,
    notes: Vec<String>,
}

/// What we know beside the calendars.
#[derive(Debug, Default)]
struct Known {
    /// Holds that are open or became meetings, by UID.
    holds: BTreeMap<String, HoldEffect>,
    /// Meetings that take place in the time looked at, by UID.
    meetings: BTreeMap<String, Meeting>,
}

pub(super) async fn agenda(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Agenda,
) -> Result<Value, ApiError> {
    let now = context.now();
    let days = arguments.days.unwrap_or(1);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(ApiError::Arguments(format!(
            "an agenda has 1 to {DAYS_MAX} days"
        )));
    }
    let first =
        match arguments.from.as_deref() {
            None => None,
            Some(text) => Some(text.parse::<Date>().map_err(|_| {
                ApiError::Arguments(format!("`{text}` is no day: write 2026-03-02"))
            })?),
        };
    let whose = match arguments.user {
        Some(name) => people(context, &[name])?,
        None => {
            let all = context.office.people.values();
            all.filter(|one| !one.calendars.is_empty())
                .cloned()
                .collect()
        }
    };
    let calendars = context.live.as_ref().and_then(|live| live.calendars());
    let calendars = calendars.ok_or_else(|| {
        let why = "calendars are known to the running daemon only: start it, then ask again";
        ApiError::Arguments(why.to_owned())
    })?;
    let mut told = Vec::with_capacity(whose.len());
    for person in &whose {
        let first = first.unwrap_or_else(|| person.work.date_of(now));
        told.push(agenda_of(context, &calendars, person, first, days).await?);
    }
    Ok(json!({ "people": told }))
}

async fn agenda_of(
    context: &ApiContext,
    calendars: &Calendars,
    person: &Person,
    first: Date,
    days: u16,
) -> Result<Value, ApiError> {
    let last = first.saturating_add(i64::from(days.saturating_sub(1)).days());
    let window = Window {
        start: person.work.day(first).start,
        end: person.work.day(last).end,
    };
    let known = known(context, window).await?;
    let mut items = in_calendars(calendars, person, window, &known);
    items.extend(in_no_calendar(person, window, &known, &items));
    let left_out = items.len().saturating_sub(ITEMS_MAX);
    items.sort_by_key(|item| (item.when.start, item.when.end));
    items.truncate(ITEMS_MAX);
    for item in &mut items {
        heed(&mut item.what, item.when, person);
    }
    let accounts = account_names(context, &items).await?;
    let clashes = clashes(&items);
    let told_days = by_day(&items, first, days, &person.work);
    let told_days = told_days.into_iter().map(|(date, day, here)| {
        let zone = person.work.zone_on(date);
        let shown = here.into_iter().filter_map(|at| {
            let (item, others) = (items.get(at)?, clashes.get(at)?);
            let others = others.iter().filter_map(|other| items.get(*other));
            Some(item_json(item, &day, zone, others, &accounts))
        });
        json!({
            "date": date.to_string(),
            "weekday": date.strftime("%A").to_string(),
            "zone": person.work.on(date).zone_name(),
            "holiday": person.work.on(date).holiday(date),
            "entries": shown.collect::<Vec<Value>>(),
        })
    });
    let told_days: Vec<Value> = told_days.collect();
    let of_calendar = |id: &CalendarId| {
        let mirror = calendars.mirrors.get(id);
        json!({
            "calendar": id,
            "up_to_date_as_of": mirror.and_then(|mirror| mirror.synced_at()),
            "unread": mirror.and_then(|mirror| mirror.unread()),
        })
    };
    Ok(json!({
        "name": person.user.name,
        "email": person.user.email,
        "zone": person.work.home().zone_name(),
        "days": told_days,
        "left_out": left_out,
        "calendars": person.calendars.iter().map(of_calendar).collect::<Vec<Value>>(),
    }))
}

async fn known(context: &ApiContext, window: Window) -> Result<Known, ApiError> {
    let mut known = Known::default();
    let each = |hold: HoldEffect| {
        let tells = hold.state.is_open() || matches!(hold.state, HoldState::Confirmed);
        if tells {
            known.holds.insert(hold.uid.clone(), hold);
        }
    };
    context.books.each(Range::all(Ns::Hold), each).await?;
    // Series last without end, so that all of them are looked at.
    let each = |meeting: Meeting| {
        let parts = meeting.whole.iter().chain(&meeting.exceptions);
        let mut parts = parts.filter_map(|part| Some((part.when?, !part.rule.is_empty())));
        if parts.any(|(when, repeats)| repeats || when.overlaps(&window)) {
            known.meetings.insert(meeting.uid.clone(), meeting);
        }
    };
    context.books.each(Range::all(Ns::Meeting), each).await?;
    Ok(known)
}

/// What the calendars of somebody say; what lies in several of them is one item.
fn in_calendars(
    calendars: &Calendars,
    person: &Person,
    window: Window,
    known: &Known,
) -> Vec<AgendaItem<Line>> {
    let looked_at = Window {
        start: window.start.minus_millis(APART_MS),
        end: window.end.plus_millis(APART_MS),
    };
    let mut found: BTreeMap<(String, String, Window), AgendaItem<Line>> = BTreeMap::new();
    for id in &person.calendars {
        let Some(mirror) = calendars.mirrors.get(id) else {
            continue;
        };
        let holidays = mirror.counting.role == CalendarRole::Holidays;
        for (n, entry) in mirror.entries(looked_at).into_iter().enumerate() {
            let ends = entry.when.end.max(entry.when.start.plus_millis(1));
            if entry.when.start >= window.end || ends <= window.start {
                continue;
            }
            let uid = match entry.instance.uid.as_str() {
                // Nothing says that two events without UID are one.
                "" => format!("\n{id} {n}"),
                uid => uid.to_owned(),
            };
            let of_series = entry.instance.recurrence_id;
            let of_series = of_series.map(|id| id.to_string()).unwrap_or_default();
            let key = (uid, of_series, entry.when);
            if let Some(same) = found.get_mut(&key) {
                same.takes_time |= entry.busy.is_some();
                same.what.calendars.push(id.clone());
                continue;
            }
            if let Some(item) = item_of(&entry, id, holidays, person, known) {
                found.insert(key, item);
            }
        }
    }
    found.into_values().collect()
}

fn item_of(
    entry: &Entry,
    calendar: &CalendarId,
    holidays: bool,
    person: &Person,
    known: &Known,
) -> Option<AgendaItem<Line>> {
    let event = entry.event()?;
    let uid = &entry.instance.uid;
    let hold = known.holds.get(uid).cloned();
    let meeting = known.meetings.get(uid).cloned();
    let ours = |email: &str| {
        person
            .addresses
            .iter()
            .any(|one| one.eq_ignore_ascii_case(email))
    };
    let mut others = event.attendees.iter().filter(|one| !ours(&one.address));
    let is_private = !matches!(event.class, None | Some(Class::Public));
    let kind = match &hold {
        _ if holidays => "holiday",
        Some(hold) if hold.state.is_open() => "hold",
        Some(_) => "meeting",
        None if meeting.is_some() || others.next().is_some() => "meeting",
        None => "event",
    };
    // What its owner hides is no business of everyone who may ask the daemon.
    let hidden = is_private && hold.is_none() && meeting.is_none();
    let title = match (hidden, entry.instance.summary.as_deref().map(str::trim)) {
        (true, _) => "(private)",
        (false, None | Some("")) => "(no title)",
        (false, Some(title)) => title,
    };
    let location = event.location.as_deref().map(str::trim);
    let location = location.filter(|text| !text.is_empty() && !hidden);
    let mine = event.attendees.iter().find(|one| ours(&one.address));
    Some(AgendaItem {
        when: entry.when,
        takes_time: entry.busy.is_some(),
        one_of: match &hold {
            Some(hold) => hold.group.0.clone(),
            None => format!("{uid} {:?}", entry.instance.recurrence_id),
        },
        what: Line {
            title: cut_text(title, TITLE_CHARS_MAX),
            location: location.map(|text| cut_text(text, TITLE_CHARS_MAX)),
            all_day: entry.instance.all_day,
            kind,
            status: entry.instance.status,
            calendars: vec![calendar.clone()],
            my_answer: mine.map(|one| one.partstat),
            people: match hidden {
                true => Vec::new(),
                false => attendees(event, meeting.as_ref(), entry.instance.recurrence_id),
            },
            notes: notes_of(entry, meeting.as_ref(), person),
            hold,
            meeting,
        },
    })
}

/// The time of a meeting that an instance of it is: its own, else the whole.
fn occurrence(meeting: &Meeting, at: Option<RecurrenceId>) -> Option<&Occurrence> {
    let at = match at {
        Some(RecurrenceId::Instant(at)) => Some(at),
        _ => None,
    };
    let own = meeting
        .exceptions
        .iter()
        .find(|one| one.at == at && at.is_some());
    own.or(meeting.whole.as_ref())
}

/// Who takes part; what somebody answered by mail is newer than what the calendar says.
fn attendees(
    event: &CalendarEvent,
    meeting: Option<&Meeting>,
    at: Option<RecurrenceId>,
) -> Vec<Value> {
    let known = meeting.and_then(|meeting| occurrence(meeting, at));
    let shown = event.attendees.iter().take(PEOPLE_SHOWN_MAX).map(|one| {
        let by_mail = known.into_iter().flat_map(|known| &known.people);
        let mut by_mail = by_mail.filter(|other| other.answered.is_some());
        let newer = by_mail.find(|other| other.person.email.eq_ignore_ascii_case(&one.address));
        let answer = newer.map_or(one.partstat, |newer| newer.answer);
        json!({ "email": one.address, "answer": answer, "did": answer_word(answer) })
    });
    shown.collect()
}

/// Where the organizer said something else than the calendar.
fn notes_of(entry: &Entry, meeting: Option<&Meeting>, person: &Person) -> Vec<String> {
    let mut notes = Vec::new();
    let at = entry.instance.recurrence_id;
    let Some(known) = meeting.and_then(|meeting| occurrence(meeting, at)) else {
        return notes;
    };
    let in_calendar = entry.instance.status == EventStatus::Cancelled;
    if known.cancelled && !in_calendar {
        notes.push("called off by its organizer, and still in the calendar".to_owned());
    }
    // The whole of a series has the time of its first instance.
    let same_kind = known.at.is_some() || known.rule.is_empty();
    let window = Window {
        start: entry.instance.start,
        end: entry.instance.end,
    };
    match known.when {
        Some(when) if same_kind && !known.all_day && !known.cancelled && when != window => {
            notes.push(format!(
                "its organizer says {}, the calendar does not",
                shown(person, when.start)
            ));
        }
        _ => {}
    }
    notes
}

fn shown(person: &Person, t: Timestamp) -> String {
    person.work.then(t).shown(t)
}

/// Holds that are on their way into a calendar, and meetings that were only heard of by mail.
fn in_no_calendar(
    person: &Person,
    window: Window,
    known: &Known,
    items: &[AgendaItem<Line>],
) -> Vec<AgendaItem<Line>> {
    let listed = |uid: &str| {
        items.iter().any(|item| {
            let meeting = item.what.meeting.as_ref().map(|one| one.uid.as_str());
            let hold = item.what.hold.as_ref().map(|one| one.uid.as_str());
            meeting == Some(uid) || hold == Some(uid)
        })
    };
    let mut found = Vec::new();
    for hold in known.holds.values() {
        let waits = matches!(hold.state, HoldState::Planned);
        if !waits || !person.calendars.contains(&hold.calendar) || !hold.when.overlaps(&window) {
            continue;
        }
        if listed(&hold.uid) {
            continue;
        }
        found.push(AgendaItem {
            when: hold.when,
            takes_time: true,
            one_of: hold.group.0.clone(),
            what: Line {
                title: cut_text(&hold.title, TITLE_CHARS_MAX),
                location: None,
                all_day: false,
                kind: "hold",
                status: EventStatus::Tentative,
                calendars: Vec::new(),
                my_answer: None,
                people: Vec::new(),
                notes: vec!["not in the calendar yet".to_owned()],
                hold: Some(hold.clone()),
                meeting: None,
            },
        });
    }
    let ours = |email: &str| {
        person
            .addresses
            .iter()
            .any(|one| one.eq_ignore_ascii_case(email))
    };
    for meeting in known.meetings.values() {
        let of_person = match &meeting.owner {
            Some(owner) => ours(owner),
            None => meeting.addresses().any(ours),
        };
        if !of_person || listed(&meeting.uid) {
            continue;
        }
        let parts = meeting.whole.iter().chain(&meeting.exceptions);
        for part in parts {
            let Some(when) = part.when.filter(|when| when.overlaps(&window)) else {
                continue;
            };
            let mut notes = vec!["known from mail, in no calendar".to_owned()];
            if !part.rule.is_empty() {
                notes.push("the first of a series".to_owned());
            }
            let people = part.people.iter().take(PEOPLE_SHOWN_MAX).map(|one| {
                json!({
                    "email": one.person.email, "answer": one.answer,
                    "did": answer_word(one.answer),
                })
            });
            found.push(AgendaItem {
                when,
                takes_time: !part.cancelled,
                one_of: format!("{} {:?}", meeting.uid, part.at),
                what: Line {
                    title: cut_text(meeting.title.trim(), TITLE_CHARS_MAX),
                    location: None,
                    all_day: part.all_day,
                    kind: "meeting",
                    status: match part.cancelled {
                        true => EventStatus::Cancelled,
                        false => EventStatus::Confirmed,
                    },
                    calendars: Vec::new(),
                    my_answer: part.person(&person.addresses).map(|one| one.answer),
                    people: people.collect(),
                    notes,
                    hold: None,
                    meeting: Some(meeting.clone()),
                },
            });
        }
    }
    found
}

/// What holds for a line from any source.
fn heed(line: &mut Line, when: Window, person: &Person) {
    if let Some(hold) = line.hold.as_ref().filter(|hold| hold.state.is_open()) {
        line.notes.push(format!(
            "held until {}, {}",
            shown(person, hold.expires),
            hold.state.as_str()
        ));
        if hold.when != when {
            line.notes.push("moved in the calendar".to_owned());
        }
    }
    if line.status == EventStatus::Cancelled {
        line.notes.push("called off".to_owned());
    }
    let answer = match line.my_answer {
        Some(PartStat::NeedsAction) if line.kind == "meeting" => "not answered yet",
        Some(PartStat::Declined) => "declined",
        Some(PartStat::Tentative) => "tentatively accepted",
        _ => return,
    };
    line.notes.push(answer.to_owned());
}

/// The names of the accounts that the items are about.
async fn account_names(
    context: &ApiContext,
    items: &[AgendaItem<Line>],
) -> Result<BTreeMap<String, String>, ApiError> {
    let mut names = BTreeMap::new();
    for item in items {
        let Some(id) = account_of(&item.what) else {
            continue;
        };
        if names.contains_key(id.as_str()) {
            continue;
        }
        if let Some(account) = context.books.account(id).await? {
            names.insert(id.as_str().to_owned(), account.name);
        }
    }
    Ok(names)
}

fn account_of(line: &Line) -> Option<&liaison_core::ids::AccountId> {
    let of_hold = line.hold.as_ref().map(|hold| &hold.cause.subject.account);
    let of_meeting = line.meeting.as_ref().map(|meeting| &meeting.account);
    of_hold
        .into_iter()
        .chain(of_meeting)
        .find_map(Option::as_ref)
}

fn item_json<'a>(
    item: &AgendaItem<Line>,
    day: &Window,
    zone: &TimeZone,
    others: impl Iterator<Item = &'a AgendaItem<Line>>,
    accounts: &BTreeMap<String, String>,
) -> Value {
    let line = &item.what;
    let account = account_of(line);
    let name = account.and_then(|id| accounts.get(id.as_str()));
    let clash = |other: &AgendaItem<Line>| {
        json!({
            "title": other.what.title,
            "kind": other.what.kind,
            "start": other.when.start,
            "end": other.when.end,
            "time": clock_time(&other.when, other.what.all_day, day, zone),
        })
    };
    let hold = line.hold.as_ref().map(|hold| {
        json!({
            "id": hold.id, "state": hold.state.as_str(), "expires": hold.expires,
            "group": hold.group, "group_name": hold.group_name,
        })
    });
    let meeting = line.meeting.as_ref().map(|meeting| {
        json!({
            "id": meeting_id(&meeting.uid),
            "organizer": meeting.organizer.as_ref().map(|who| &who.email),
        })
    });
    json!({
        "start": item.when.start,
        "end": item.when.end,
        "time": clock_time(&item.when, line.all_day, day, zone),
        "all_day": line.all_day,
        "title": line.title,
        "location": line.location,
        "kind": line.kind,
        "status": line.status.as_str(),
        "takes_time": item.takes_time,
        "calendars": line.calendars,
        "my_answer": line.my_answer,
        "hold": hold,
        "meeting": meeting,
        "account": account,
        "account_name": name,
        "people": line.people,
        "notes": line.notes,
        "conflicts": others.map(clash).collect::<Vec<Value>>(),
    })
}

/// The part of an item that falls on a day, by the clock on the wall there.
fn clock_time(when: &Window, all_day: bool, day: &Window, zone: &TimeZone) -> String {
    let covers = when.start <= day.start && day.end <= when.end;
    if covers || all_day {
        return "all day".to_owned();
    }
    let clock = |t: Timestamp| zone.to_datetime(t.to_jiff()).strftime("%H:%M").to_string();
    match (when.start < day.start, when.end > day.end) {
        (true, _) => format!("until {}", clock(when.end)),
        (false, true) => format!("from {}", clock(when.start)),
        (false, false) if when.start == when.end => clock(when.start),
        (false, false) => format!("{}-{}", clock(when.start), clock(when.end)),
    }
}
