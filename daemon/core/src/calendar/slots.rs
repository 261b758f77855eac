//! Free time of one or several of our people, and slots for a meeting in it.
//!
//! Everything goes by civil date in the zone where the first person then is. Of each day the
//! working hours are taken, and what does not count is taken away step by step; the step that
//! leaves too little says why the day has none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Serialize, Serializer};

use super::free_busy::{BusySpan, Meeting};
use crate::business_time::{
    BusinessCalendar, BusinessDuration, WORK_DAYS_MAX, WorkInterval, WorkTime,
};
use crate::time::{MINUTE_MS, Timestamp, Window, common, joined, without};

/// What a time for a meeting must be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotRules {
    /// Slots begin at the start of a working interval plus a multiple of this.
    pub step_minutes: u32,
    /// Free time before a meeting, also across midnight.
    pub before_minutes: u32,
    /// Free time after a meeting, also across midnight.
    pub after_minutes: u32,
    /// No slot begins sooner.
    pub min_notice: BusinessDuration,
    /// On a day with so many meetings there is no slot.
    pub per_day_max: Option<u32>,
}

impl Default for SlotRules {
    /// Every half hour, two hours from now on.
    fn default() -> SlotRules {
        SlotRules {
            step_minutes: 30,
            before_minutes: 0,
            after_minutes: 0,
            min_notice: BusinessDuration::Hours(2),
            per_day_max: None,
        }
    }
}

impl SlotRules {
    /// The window in which busy time has a say about slots in `window`: whole days for counting,
    /// and what is between meetings.
    #[must_use]
    pub fn looked_at(&self, window: Window) -> Window {
        const DAYS_MS: i64 = 2 * crate::time::DAY_MS;
        let ms = |minutes: u32| i64::from(minutes).saturating_mul(MINUTE_MS);
        Window {
            start: window
                .start
                .minus_millis(ms(self.before_minutes).max(DAYS_MS)),
            end: window.end.plus_millis(ms(self.after_minutes).max(DAYS_MS)),
        }
    }
}

/// One of us whose time is wanted.
#[derive(Debug, Clone)]
pub struct Attending<'a> {
    /// As reasons call them.
    pub name: &'a str,
    /// When they work.
    pub work: &'a WorkTime,
    /// When they are busy, in any order.
    pub busy: &'a [BusySpan],
    /// Their meetings, in any order.
    pub meetings: &'a [Meeting],
}

/// What kind of free time is wanted.
#[derive(Debug, Clone)]
pub struct SlotRequest<'a> {
    /// All of whom must be free. The days and the places of slots in them are those of the first.
    pub people: &'a [Attending<'a>],
    /// When it is day where the invitee may be; all of these must be open. Empty: not asked.
    pub invitee: &'a [BusinessCalendar],
    /// Length of a slot.
    pub duration_minutes: u32,
    /// No slot begins before it or ends after it.
    pub window: Window,
    /// Slots wanted.
    pub count: usize,
    /// Whether each day gives one slot before any gives a second.
    pub spread: bool,
    /// What else a slot must be like.
    pub rules: SlotRules,
}

/// Why a day has no slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoTime {
    /// A holiday of one of us.
    Holiday {
        /// Whose.
        who: String,
        /// Its name.
        name: String,
    },
    /// One of us does not work on that day.
    DayOff {
        /// Who.
        who: String,
    },
    /// The working hours of the day are shorter than the meeting.
    Short,
    /// What was asked for leaves too little of the day.
    Outside,
    /// It would be too soon.
    Notice(BusinessDuration),
    /// One of us works when the others do not.
    Apart {
        /// Who.
        who: String,
    },
    /// A holiday where the invitee is.
    TheirHoliday(String),
    /// Our hours are not theirs.
    TheirNight {
        /// Where they are.
        zone: String,
    },
    /// One of us has enough meetings on that day.
    Full {
        /// Who.
        who: String,
        /// How many are enough.
        max: u32,
    },
    /// These are busy.
    Busy(Vec<String>),
    /// There is time, and no slot begins in it early enough.
    Step(u32),
}

impl fmt::Display for NoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoTime::Holiday { who, name } => write!(f, "holiday of {who}: {name}"),
            NoTime::DayOff { who } => write!(f, "no working day of {who}"),
            NoTime::Short => f.write_str("the working hours are shorter than the meeting"),
            NoTime::Outside => f.write_str("too little of the day is inside the time asked for"),
            NoTime::Notice(notice) => write!(f, "too soon: a meeting needs {notice} of notice"),
            NoTime::Apart { who } => write!(f, "not in the working hours of {who}"),
            NoTime::TheirHoliday(name) => write!(f, "holiday of the invitee: {name}"),
            NoTime::TheirNight { zone } => {
                write!(f, "night or weekend for the invitee in {zone}")
            }
            NoTime::Full { who, max } => {
                write!(
                    f,
                    "{who} has {max} meetings or more, which is the most for one day"
                )
            }
            NoTime::Busy(who) => write!(f, "busy: {}", who.join(", ")),
            NoTime::Step(minutes) => write!(
                f,
                "the free time does not hold a slot that begins on a step of {minutes} min"
            ),
        }
    }
}

impl Serialize for NoTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One day of the search.
#[derive(Debug, Clone)]
pub struct FreeDay {
    /// The date where the first person is.
    pub date: Date,
    /// Stretches in which a meeting has room, in order.
    pub free: Vec<Window>,
    /// Slots in them that do not overlap each other.
    pub slots: Vec<Window>,
    /// Why there is none.
    pub why: Option<NoTime>,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct FreeTime {
    /// The slots that were wanted, sorted by start; fewer when there are no more.
    pub slots: Vec<Window>,
    /// The days looked at, at most [`WORK_DAYS_MAX`].
    pub days: Vec<FreeDay>,
}

/// Looks for free time, day by day, until there are enough slots.
///
/// No slot begins in an hour that the clock skips, nor in the second pass of one that it repeats,
/// for any of us. The slots never overlap each other.
#[must_use]
pub fn free_time(request: &SlotRequest<'_>, now: Timestamp) -> FreeTime {
    let mut found = FreeTime::default();
    let Some((first, others)) = request.people.split_first() else {
        return found;
    };
    if request.count == 0 || request.duration_minutes == 0 {
        return found;
    }
    let search = Search::new(request, first, others, now);
    let from = first.work.date_of(request.window.start);
    let mut last: Option<Window> = None;
    for date in from.series(1.day()).take(WORK_DAYS_MAX) {
        if first.work.day(date).start >= request.window.end {
            break;
        }
        let mut day = search.day(date);
        // Two dates overlap only on a journey over the date line.
        day.slots
            .retain(|slot| last.is_none_or(|last| !last.overlaps(slot)));
        last = day.slots.last().copied().or(last);
        found.days.push(day);
        let with_slots = found.days.iter().filter(|day| !day.slots.is_empty());
        let enough = match request.spread {
            true => with_slots.count(),
            false => with_slots.map(|day| day.slots.len()).sum(),
        };
        if enough >= request.count {
            break;
        }
    }
    let days = found.days.iter().map(|day| day.slots.as_slice());
    found.slots = match request.spread {
        true => round_robin(&days.collect::<Vec<_>>(), request.count),
        false => days.flatten().take(request.count).copied().collect(),
    };
    found.slots.sort();
    found
}

/// The first slot of each day, then the second of each, and so on.
fn round_robin(days: &[&[Window]], count: usize) -> Vec<Window> {
    let longest = days.iter().map(|day| day.len()).max().unwrap_or(0);
    (0..longest)
        .flat_map(|turn| days.iter().filter_map(move |day| day.get(turn).copied()))
        .take(count)
        .collect()
}

/// One person with what is reckoned once for all days.
struct Prepared<'a> {
    who: &'a Attending<'a>,
    /// Busy time with what is kept free around meetings.
    busy: Vec<Window>,
    /// Days with enough meetings.
    full: Vec<Window>,
    /// Working time, of those who are not the first.
    open: Vec<Window>,
}

struct Search<'a> {
    request: &'a SlotRequest<'a>,
    first: Prepared<'a>,
    others: Vec<Prepared<'a>>,
    /// When it is day for the invitee, by place.
    theirs: Vec<(&'a BusinessCalendar, Vec<Window>)>,
    length: i64,
    notice: Timestamp,
}

impl<'a> Search<'a> {
    fn new(
        request: &'a SlotRequest<'a>,
        first: &'a Attending<'a>,
        others: &'a [Attending<'a>],
        now: Timestamp,
    ) -> Search<'a> {
        let rules = &request.rules;
        let prepared = |who: &'a Attending<'a>, open| Prepared {
            who,
            busy: widened(who.busy, rules),
            full: full_days(who, rules.per_day_max),
            open,
        };
        let open = |who: &'a Attending<'a>| who.work.open_between(&request.window);
        let theirs = request.invitee.iter().map(|place| {
            let day = WorkTime::at(place.clone()).open_between(&request.window);
            (place, day)
        });
        Search {
            first: prepared(first, Vec::new()),
            others: others.iter().map(|who| prepared(who, open(who))).collect(),
            theirs: theirs.collect(),
            length: i64::from(request.duration_minutes).saturating_mul(MINUTE_MS),
            notice: rules.min_notice.after(now, first.work.home()),
            request,
        }
    }

    fn day(&self, date: Date) -> FreeDay {
        let open = self.first.who.work.on(date).open_on(date);
        let found = self.free_on(date, &open).and_then(|free| {
            let slots = self.slots_in(date, &open, &free);
            let none = slots.is_empty();
            let free_and_slots = (free, slots);
            (!none)
                .then_some(free_and_slots)
                .ok_or(NoTime::Step(self.request.rules.step_minutes))
        });
        let (free, slots, why) = match found {
            Ok((free, slots)) => (free, slots, None),
            Err(why) => (Vec::new(), Vec::new(), Some(why)),
        };
        FreeDay {
            date,
            free,
            slots,
            why,
        }
    }

    /// What is long enough for the meeting; `why` when nothing is.
    fn long(
        &self,
        mut windows: Vec<Window>,
        why: impl FnOnce() -> NoTime,
    ) -> Result<Vec<Window>, NoTime> {
        windows.retain(|window| window.millis() >= self.length);
        if windows.is_empty() {
            return Err(why());
        }
        Ok(windows)
    }

    fn free_on(&self, date: Date, open: &[(WorkInterval, Window)]) -> Result<Vec<Window>, NoTime> {
        let first = self.first.who;
        let open: Vec<Window> = open.iter().map(|(_, window)| *window).collect();
        if open.is_empty() {
            return Err(day_off(first, date).unwrap_or(NoTime::Short));
        }
        let free = self.long(joined(open), || NoTime::Short)?;
        let asked = self.request.window;
        let free = self.long(common(&free, &[asked]), || NoTime::Outside)?;
        let later = Window {
            start: self.notice,
            end: asked.end.max(self.notice),
        };
        let notice = || NoTime::Notice(self.request.rules.min_notice);
        let mut free = self.long(common(&free, &[later]), notice)?;
        for other in &self.others {
            let apart = || {
                let who = other.who.name.to_owned();
                day_off(other.who, date).unwrap_or(NoTime::Apart { who })
            };
            free = self.long(common(&free, &other.open), apart)?;
        }
        for (place, day) in &self.theirs {
            let night = || match place.holiday(date) {
                Some(name) => NoTime::TheirHoliday(name.to_owned()),
                None => NoTime::TheirNight {
                    zone: place.zone_name().to_owned(),
                },
            };
            free = self.long(common(&free, day), night)?;
        }
        for person in self.everybody() {
            let full = || NoTime::Full {
                who: person.who.name.to_owned(),
                max: self.request.rules.per_day_max.unwrap_or(0),
            };
            free = self.long(without(&free, &person.full), full)?;
        }
        let mut left = free.clone();
        for person in self.everybody() {
            left = without(&left, &person.busy);
        }
        self.long(left, || {
            let busy = self.everybody().filter(|person| {
                let left = without(&free, &person.busy);
                left != free
            });
            NoTime::Busy(busy.map(|person| person.who.name.to_owned()).collect())
        })
    }

    fn everybody(&self) -> impl Iterator<Item = &Prepared<'a>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Slots on the steps of the working hours that do not overlap each other.
    fn slots_in(
        &self,
        date: Date,
        open: &[(WorkInterval, Window)],
        free: &[Window],
    ) -> Vec<Window> {
        let hours = self.first.who.work.on(date);
        let step = usize::try_from(self.request.rules.step_minutes.max(1)).unwrap_or(1);
        // Hours in which a clock goes back may be there twice.
        let intervals: BTreeSet<WorkInterval> =
            open.iter().map(|(interval, _)| *interval).collect();
        let mut slots: Vec<Window> = Vec::new();
        for interval in intervals {
            for minute in (interval.from..interval.to).step_by(step) {
                let Some(start) = hours.unrepeated_instant(date, minute) else {
                    continue;
                };
                let end = start.plus_millis(self.length);
                let inside = free
                    .iter()
                    .any(|window| window.start <= start && end <= window.end);
                let apart = slots.last().is_none_or(|last| last.end <= start);
                let twice = self
                    .others
                    .iter()
                    .any(|other| other.who.work.then(start).is_repeat(start));
                if inside && apart && !twice {
                    slots.push(Window { start, end });
                }
            }
        }
        slots
    }
}

/// Why somebody does not work on a date at all.
fn day_off(who: &Attending<'_>, date: Date) -> Option<NoTime> {
    let hours = who.work.on(date);
    let name = || who.name.to_owned();
    match hours.holiday(date) {
        Some(holiday) => Some(NoTime::Holiday {
            who: name(),
            name: holiday.to_owned(),
        }),
        None => (!hours.is_working_day(date)).then(|| NoTime::DayOff { who: name() }),
    }
}

fn widened(busy: &[BusySpan], rules: &SlotRules) -> Vec<Window> {
    let ms = |minutes: u32| i64::from(minutes).saturating_mul(MINUTE_MS);
    let spans = busy.iter().map(|span| Window {
        // What a slot needs after it lies before what is there, and the other way round.
        start: span.window.start.minus_millis(ms(rules.after_minutes)),
        end: span.window.end.plus_millis(ms(rules.before_minutes)),
    });
    joined(spans.collect())
}

/// The days on which somebody has enough meetings. Alternatives of one offer count once a day.
fn full_days(who: &Attending<'_>, max: Option<u32>) -> Vec<Window> {
    let Some(max) = max.and_then(|max| usize::try_from(max).ok()) else {
        return Vec::new();
    };
    let mut by_day: BTreeMap<Date, BTreeSet<&str>> = BTreeMap::new();
    for meeting in who.meetings {
        let date = who.work.date_of(meeting.window.start);
        by_day.entry(date).or_default().insert(&meeting.key);
    }
    let full = by_day.into_iter().filter(|(_, keys)| keys.len() >= max);
    joined(full.map(|(date, _)| who.work.day(date)).collect())
}

#[cfg(test)]
mod tests;
