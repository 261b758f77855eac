//! Busy time from events.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::event::{CalendarEvent, EventStatus, PartStat, Transparency};
use super::recurrence::{Instance, instances};
use super::value::EventTime;
use super::{CalendarObject, Problem, note};
use crate::business_time::WorkTime;
use crate::time::{HOUR_MS, Timestamp, Window};

/// More than any two zones are apart: what has no zone of its own may be elsewhere by so much.
const APART_MS: i64 = 26 * HOUR_MS;

/// How firmly a stretch of time is taken; the order is the order of firmness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BusyKind {
    /// Tentative, which blocks like any other.
    Tentative,
    /// Busy.
    Busy,
    /// Out of office.
    OutOfOffice,
}

/// A stretch of busy time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusySpan {
    /// When; half-open, so spans that touch do not collide.
    pub window: Window,
    /// The firmest of what was merged into it.
    pub kind: BusyKind,
}

/// A time that somebody spends with others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Meeting {
    /// When.
    pub window: Window,
    /// Equal for those of which only one can take place: the alternatives of one offer.
    pub key: String,
}

/// What counts as busy.
#[derive(Debug, Clone)]
pub struct BusyRules<'a> {
    /// Zone of whole days and floating times.
    pub default_zone: &'a TimeZone,
    /// Where the owner is, if that is not always there: whole days and floating times go along.
    pub whereabouts: Option<&'a WorkTime>,
    /// UIDs that do not count, such as the own group of holds.
    pub ignore_uids: &'a [String],
    /// Addresses of the calendar's owner: what they answered to an invitation counts.
    pub own_addresses: &'a [String],
    /// Whether opaque events of whole days block their days.
    pub all_day_blocks: bool,
    /// Whether an invitation that the owner did not answer blocks its time.
    pub unanswered_blocks: bool,
}

impl<'a> BusyRules<'a> {
    /// Everything opaque counts, nobody's answer is looked at.
    #[must_use]
    pub fn new(default_zone: &'a TimeZone) -> BusyRules<'a> {
        BusyRules {
            default_zone,
            whereabouts: None,
            ignore_uids: &[],
            own_addresses: &[],
            all_day_blocks: true,
            unanswered_blocks: true,
        }
    }
}

/// Busy time, and what could not be taken into account.
#[derive(Debug, Clone, Default)]
pub struct FreeBusy {
    /// Sorted, merged where they touch or overlap, cut to the window asked for.
    pub spans: Vec<BusySpan>,
    /// Of them the times with others, one by one, in no order.
    pub meetings: Vec<Meeting>,
    /// Of reading and of expanding the objects: each may hide busy time.
    pub problems: Vec<Problem>,
}

/// The busy time inside a window.
///
/// Cancelled, transparent and declined events are free, tentative ones block.
/// `X-MICROSOFT-CDO-BUSYSTATUS` overrides TRANSP where it says FREE, OOF, BUSY or TENTATIVE.
#[must_use]
pub fn busy<'a>(
    objects: impl IntoIterator<Item = &'a CalendarObject>,
    window: Window,
    rules: &BusyRules<'_>,
) -> FreeBusy {
    let mut out = FreeBusy::default();
    let mut spans = Vec::new();
    let apart = rules.whereabouts.map_or(0, |_| APART_MS);
    let looked_at = Window {
        start: window.start.minus_millis(apart),
        end: window.end.plus_millis(apart),
    };
    for object in objects {
        let found = instances(object, looked_at, rules.default_zone);
        for problem in object.problems.iter().cloned().chain(found.problems) {
            note(&mut out.problems, problem);
        }
        for instance in &found.instances {
            let Some(event) = object.events.get(instance.event) else {
                continue;
            };
            let Some(kind) = kind_of(instance, event, rules) else {
                continue;
            };
            let whole = when(instance, event, rules);
            let start = whole.start.max(window.start);
            let end = whole.end.min(window.end);
            if start >= end {
                continue;
            }
            spans.push(BusySpan {
                window: Window { start, end },
                kind,
            });
            if let Some(key) = meeting(instance, event) {
                let window = whole;
                out.meetings.push(Meeting { window, key });
            }
        }
    }
    out.spans = merged(spans);
    out
}

/// When an instance takes place, where the owner then is.
#[must_use]
pub fn when(instance: &Instance, event: &CalendarEvent, rules: &BusyRules<'_>) -> Window {
    let found = Window {
        start: instance.start,
        end: instance.end,
    };
    let floats = instance.all_day
        || (matches!(event.start, Some(EventTime::Floating(_))) && event.calendar_zone.is_none());
    let Some(work) = rules.whereabouts.filter(|work| floats && work.travels()) else {
        return found;
    };
    let moved = |t: Timestamp| {
        let wall = rules.default_zone.to_datetime(t.to_jiff());
        let there = work.zone_on(wall.date()).to_ambiguous_timestamp(wall);
        there.compatible().map_or(t, Timestamp::from_jiff)
    };
    Window {
        start: moved(found.start),
        end: moved(found.end),
    }
}

/// Under which key an event counts as a meeting: it is with others, or it is a hold of ours.
fn meeting(instance: &Instance, event: &CalendarEvent) -> Option<String> {
    let hold = event.x_property("X-LIAISON-KIND").is_some();
    if instance.all_day || (event.attendees.is_empty() && !hold) {
        return None;
    }
    let group = event.x_property("X-LIAISON-GROUP");
    Some(match group {
        Some(group) => group.to_owned(),
        None => format!("{} {}", instance.uid, instance.start),
    })
}

/// What the owner answered: of several addresses of theirs the friendliest answer.
fn own_answer(event: &CalendarEvent, rules: &BusyRules<'_>) -> Option<PartStat> {
    let ours = event.attendees.iter().filter(|attendee| {
        let mut own = rules.own_addresses.iter();
        own.any(|own| own.eq_ignore_ascii_case(&attendee.address))
    });
    let answers = ours.map(|attendee| attendee.partstat);
    answers.min_by_key(|answer| match answer {
        PartStat::Accepted => 0,
        PartStat::Tentative => 1,
        PartStat::NeedsAction => 2,
        PartStat::Delegated => 3,
        PartStat::Declined => 4,
    })
}

/// Whether an instance takes time of the owner, and how firmly.
#[must_use]
pub fn kind_of(
    instance: &Instance,
    event: &CalendarEvent,
    rules: &BusyRules<'_>,
) -> Option<BusyKind> {
    let answer = own_answer(event, rules);
    let not_coming = match answer {
        Some(PartStat::Declined | PartStat::Delegated) => true,
        Some(PartStat::NeedsAction) => !rules.unanswered_blocks,
        _ => false,
    };
    if not_coming
        || instance.status == EventStatus::Cancelled
        || rules.ignore_uids.contains(&instance.uid)
        || (instance.all_day && !rules.all_day_blocks)
    {
        return None;
    }
    let microsoft = event
        .x_property("X-MICROSOFT-CDO-BUSYSTATUS")
        .unwrap_or_default();
    match microsoft.trim().to_ascii_uppercase().as_str() {
        "FREE" => return None,
        "OOF" => return Some(BusyKind::OutOfOffice),
        "BUSY" => return Some(BusyKind::Busy),
        "TENTATIVE" => return Some(BusyKind::Tentative),
        // WORKINGELSEWHERE and unknown words say nothing about TRANSP.
        _ => {}
    }
    let tentative =
        instance.status == EventStatus::Tentative || answer == Some(PartStat::Tentative);
    match (instance.transparency, tentative) {
        (Transparency::Transparent, _) => None,
        (Transparency::Opaque, true) => Some(BusyKind::Tentative),
        (Transparency::Opaque, false) => Some(BusyKind::Busy),
    }
}

/// Sorts the spans and joins those that touch or overlap; of several kinds the firmest stays.
#[must_use]
pub fn merged(mut spans: Vec<BusySpan>) -> Vec<BusySpan> {
    spans.sort_by_key(|span| span.window);
    let mut out: Vec<BusySpan> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.window.start <= last.window.end => {
                last.window.end = last.window.end.max(span.window.end);
                last.kind = last.kind.max(span.kind);
            }
            _ => out.push(span),
        }
    }
    out
}

#[cfg(test)]
mod tests;
