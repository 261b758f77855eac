//! Busy time from events, and free slots between it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::event::{CalendarEvent, EventStatus, PartStat, Transparency};
use super::recurrence::{Instance, instances};
use super::{CalendarObject, Problem, note};
use crate::business_time::BusinessCalendar;
use crate::time::{MINUTE_MS, Timestamp, Window};

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

/// What counts as busy.
#[derive(Debug, Clone)]
pub struct BusyRules<'a> {
    /// Zone of whole days and floating times.
    pub default_zone: &'a TimeZone,
    /// UIDs that do not count, such as the own group of holds.
    pub ignore_uids: &'a [String],
    /// Addresses of the calendar's owner; an invitation that one of them declined is free.
    pub own_addresses: &'a [String],
    /// Whether opaque events of whole days block their days.
    pub all_day_blocks: bool,
}

impl<'a> BusyRules<'a> {
    /// Everything opaque counts, nobody's answer is looked at.
    #[must_use]
    pub fn new(default_zone: &'a TimeZone) -> BusyRules<'a> {
        BusyRules {
            default_zone,
            ignore_uids: &[],
            own_addresses: &[],
            all_day_blocks: true,
        }
    }
}

/// Busy time, and what could not be taken into account.
#[derive(Debug, Clone, Default)]
pub struct FreeBusy {
    /// Sorted, merged where they touch or overlap, cut to the window asked for.
    pub spans: Vec<BusySpan>,
    /// Of reading and of expanding the objects: each may hide busy time.
    pub problems: Vec<Problem>,
}

/// The busy time inside a window.
///
/// Cancelled, transparent and declined events are free, tentative ones block.
/// `X-MICROSOFT-CDO-BUSYSTATUS` overrides TRANSP where it says FREE, OOF, BUSY or TENTATIVE.
#[must_use]
pub fn busy(objects: &[CalendarObject], window: Window, rules: &BusyRules<'_>) -> FreeBusy {
    let mut out = FreeBusy::default();
    let mut spans = Vec::new();
    for object in objects {
        let found = instances(object, window, rules.default_zone);
        for problem in object.problems.iter().cloned().chain(found.problems) {
            note(&mut out.problems, problem);
        }
        for instance in &found.instances {
            let Some(event) = object.events.get(instance.event) else {
                continue;
            };
            if let Some(kind) = kind_of(instance, event, rules) {
                let start = instance.start.max(window.start);
                let end = instance.end.min(window.end);
                if start < end {
                    spans.push(BusySpan {
                        window: Window { start, end },
                        kind,
                    });
                }
            }
        }
    }
    out.spans = merged(spans);
    out
}

fn kind_of(instance: &Instance, event: &CalendarEvent, rules: &BusyRules<'_>) -> Option<BusyKind> {
    let declined = event.attendees.iter().any(|attendee| {
        attendee.partstat == PartStat::Declined
            && rules
                .own_addresses
                .iter()
                .any(|own| own.eq_ignore_ascii_case(&attendee.address))
    });
    if declined
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
    match (instance.transparency, instance.status) {
        (Transparency::Transparent, _) => None,
        (Transparency::Opaque, EventStatus::Tentative) => Some(BusyKind::Tentative),
        (Transparency::Opaque, _) => Some(BusyKind::Busy),
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

/// Days looked at for free slots; nobody offers a meeting in two years.
pub const MAX_SLOT_DAYS: usize = 732;

/// What kind of free time is wanted.
#[derive(Debug, Clone)]
pub struct SlotRequest<'a> {
    /// Working hours, holidays and zone of the person whose time it is.
    pub calendar: &'a BusinessCalendar,
    /// Busy time of that person from `earliest` to `latest` at least, in any order.
    pub busy: &'a [BusySpan],
    /// Length of a slot.
    pub duration_minutes: u32,
    /// No slot begins before it.
    pub earliest: Timestamp,
    /// No slot ends after it.
    pub latest: Timestamp,
    /// Slots wanted.
    pub count: usize,
    /// Whether each day gives one slot before any gives a second.
    pub spread: bool,
    /// Slots begin at the start of a working interval plus a multiple of this.
    pub step_minutes: u32,
    /// Free time kept before and after a slot, also across midnight.
    pub buffer_minutes: u32,
    /// No slot begins sooner than this after `now`.
    pub min_notice_minutes: u32,
}

/// Free slots in working hours, sorted by start; at most `count`, fewer when there are no more.
///
/// Works by civil date in the zone of the calendar, so clock changes neither shift nor hide a
/// slot. No slot begins in an hour that is skipped, or in the second pass of one that is repeated.
/// The slots never overlap each other.
#[must_use]
pub fn free_slots(request: &SlotRequest<'_>, now: Timestamp) -> Vec<Window> {
    let notice = i64::from(request.min_notice_minutes).saturating_mul(MINUTE_MS);
    let earliest = request.earliest.max(now.plus_millis(notice));
    if request.count == 0 || request.duration_minutes == 0 || earliest >= request.latest {
        return Vec::new();
    }
    let buffer = i64::from(request.buffer_minutes).saturating_mul(MINUTE_MS);
    let widened = request.busy.iter().map(|span| BusySpan {
        window: Window {
            start: span.window.start.minus_millis(buffer),
            end: span.window.end.plus_millis(buffer),
        },
        kind: span.kind,
    });
    let busy = merged(widened.collect());
    let bounds = Window {
        start: earliest,
        end: request.latest,
    };
    // One day more on each side: an interval may reach over midnight by a clock change.
    let first = request.calendar.date_of(earliest);
    let mut chosen: Vec<Window> = Vec::new();
    let mut days: Vec<Vec<Window>> = Vec::new();
    for date in first.series(jiff::Span::new().days(1)).take(MAX_SLOT_DAYS) {
        if request.calendar.start_of(date) >= request.latest {
            break;
        }
        let slots = slots_of_day(request, date, &busy, &bounds);
        if slots.is_empty() {
            continue;
        }
        if request.spread {
            days.push(slots);
            if days.len() >= request.count {
                break;
            }
        } else {
            chosen.extend(slots);
            if chosen.len() >= request.count {
                break;
            }
        }
    }
    if request.spread {
        chosen = round_robin(&days, request.count);
    }
    chosen.truncate(request.count);
    chosen.sort();
    chosen
}

/// The first slot of each day, then the second of each, and so on.
fn round_robin(days: &[Vec<Window>], count: usize) -> Vec<Window> {
    let longest = days.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest)
        .flat_map(|turn| days.iter().filter_map(move |day| day.get(turn).copied()))
        .take(count)
        .collect()
}

/// Slots of one date that are free and do not overlap each other.
fn slots_of_day(
    request: &SlotRequest<'_>,
    date: Date,
    busy: &[BusySpan],
    bounds: &Window,
) -> Vec<Window> {
    let length = i64::from(request.duration_minutes).saturating_mul(MINUTE_MS);
    let step = usize::try_from(request.step_minutes.max(1)).unwrap_or(1);
    let mut slots: Vec<Window> = Vec::new();
    for (interval, open) in request.calendar.open_on(date) {
        for minute in (interval.from..interval.to).step_by(step) {
            let Some(start) = request.calendar.unrepeated_instant(date, minute) else {
                continue;
            };
            let slot = Window {
                start,
                end: start.plus_millis(length),
            };
            let inside = slot.start >= open.start
                && slot.end <= open.end
                && slot.start >= bounds.start
                && slot.end <= bounds.end;
            let apart = slots.last().is_none_or(|last| last.end <= slot.start);
            if inside && apart && !busy.iter().any(|span| span.window.overlaps(&slot)) {
                slots.push(slot);
            }
        }
    }
    slots
}

#[cfg(test)]
mod tests;
