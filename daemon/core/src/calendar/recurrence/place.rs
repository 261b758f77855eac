//! Where an event stands before it is repeated: zone, wall clock and length.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::super::event::CalendarEvent;
use super::super::rule::until_of_days;
use super::super::value::{EventDuration, EventTime};
use super::super::zones::EventZone;
use super::{Expander, RecurrenceId};
use crate::time::Timestamp;

/// How long an instance is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Length {
    /// Whole days.
    Days(i64),
    /// DTEND in the same zone: the end keeps its wall clock.
    Wall(SignedDuration),
    /// DTEND in another zone.
    Exact(i64),
    /// DURATION: days by the calendar, the rest by the clock (RFC 5545 section 3.3.6).
    Nominal(EventDuration),
}

impl Length {
    /// About how long before a window an instance may begin and still reach into it.
    pub(super) fn seconds_at_most(self) -> i64 {
        match self {
            Length::Days(days) => days.saturating_mul(86_400),
            Length::Wall(length) => length.as_secs(),
            Length::Exact(millis) => millis.div_euclid(1000),
            Length::Nominal(length) => length
                .days
                .saturating_mul(86_400)
                .saturating_add(length.seconds),
        }
    }
}

/// Where an event stands before it is repeated.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) zone: EventZone,
    pub(super) wall: DateTime,
    pub(super) all_day: bool,
    pub(super) length: Length,
}

/// Where the starts of a rule end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until {
    /// No start has a later wall clock.
    pub(super) last: DateTime,
    /// No start is later than this, which around a change of the clock says more.
    pub(super) instant: Option<Timestamp>,
}

impl Placed {
    /// UNTIL of a rule (RFC 5545 section 3.3.10), whatever form it has.
    pub(super) fn until(&self, until: &EventTime) -> Until {
        match until {
            _ if self.all_day => Until {
                last: until_of_days(until),
                instant: None,
            },
            EventTime::Utc(utc) => {
                let instant = EventZone::Named(TimeZone::UTC).instant(*utc);
                let wall = self.zone.wall(instant);
                // In the second pass of a repeated hour, the first has named later wall clocks.
                let passed = instant.since(self.zone.instant(wall)).max(0);
                Until {
                    last: wall.saturating_add(SignedDuration::from_millis(passed)),
                    instant: Some(instant),
                }
            }
            other => Until {
                last: other.wall(),
                instant: None,
            },
        }
    }

    pub(super) fn key(&self, wall: DateTime) -> RecurrenceId {
        if self.all_day {
            RecurrenceId::Date(wall.date())
        } else {
            RecurrenceId::Instant(self.zone.instant(wall))
        }
    }

    pub(super) fn span(&self, wall: DateTime, length: Length) -> (Timestamp, Timestamp) {
        let start = self.zone.instant(wall);
        let end = match length {
            Length::Days(days) => {
                let days = EventDuration { days, seconds: 0 }.days_span();
                self.zone.instant(wall.saturating_add(days))
            }
            Length::Wall(length) => {
                let end = self.zone.instant(wall.saturating_add(length));
                // A start that the clock skips moves up to its end; the length must stay.
                if end > start {
                    end
                } else {
                    start.plus_millis(clock_millis(length))
                }
            }
            Length::Exact(millis) => start.plus_millis(millis),
            Length::Nominal(length) => {
                let day = self.zone.instant(wall.saturating_add(length.days_span()));
                day.plus_millis(length.seconds.saturating_mul(1000))
            }
        };
        (start, end.max(start))
    }
}

fn clock_millis(length: SignedDuration) -> i64 {
    length.as_secs().saturating_mul(1000)
}

impl<'a> Expander<'a> {
    pub(super) fn place(&mut self, event: &'a CalendarEvent) -> Option<Placed> {
        let start = event.start.as_ref()?;
        let mut zone = self.zone_of(start, event);
        let mut wall = start.wall();
        let mut all_day = start.is_date();
        if let (EventTime::Utc(_), Some(tzid), true) =
            (start, &event.calendar_zone, event.is_recurring())
        {
            let instant = zone.instant(wall);
            zone = self.named(tzid, event.line);
            wall = zone.wall(instant);
        }
        let length = match (&event.end, event.duration) {
            (Some(end), _) => {
                all_day = all_day && end.is_date();
                self.length_to(end, wall, &zone, event)
            }
            (None, Some(length)) if all_day && length.seconds.rem_euclid(86_400) == 0 => {
                Length::Days(
                    length
                        .days
                        .saturating_add(length.seconds.div_euclid(86_400)),
                )
            }
            (None, Some(length)) => {
                all_day = false;
                Length::Nominal(length)
            }
            // RFC 5545 section 3.6.1: a day without an end is one day, a time has no length.
            (None, None) if all_day => Length::Days(1),
            (None, None) => Length::Exact(0),
        };
        let backwards = match length {
            Length::Wall(time) => time.is_negative(),
            Length::Exact(millis) => millis < 0,
            Length::Nominal(length) => length.days.saturating_add(length.seconds) < 0,
            Length::Days(_) => false,
        };
        if backwards {
            return Some(self.turned_round(
                event,
                Placed {
                    zone,
                    wall,
                    all_day,
                    length,
                },
            ));
        }
        let length = match length {
            Length::Days(days) if days < 1 => {
                self.problem(
                    event.line,
                    "the event ends on the day it begins: taken as one day",
                );
                Length::Days(1)
            }
            other => other,
        };
        Some(Placed {
            zone,
            wall,
            all_day,
            length,
        })
    }

    /// An event that ends before it begins: a single one with both turned round, a series without
    /// length, because its exceptions name the starts as they are.
    fn turned_round(&mut self, event: &CalendarEvent, placed: Placed) -> Placed {
        let single = !event.is_recurring() && event.recurrence_id.is_none();
        let (Some(end), true) = (&event.end, single) else {
            self.problem(
                event.line,
                "the event ends before it begins: taken as without length",
            );
            return Placed {
                length: Length::Exact(0),
                ..placed
            };
        };
        self.problem(
            event.line,
            "the event ends before it begins: start and end turned round",
        );
        let length = match placed.length {
            Length::Exact(millis) => Length::Exact(millis.saturating_neg()),
            _ => Length::Wall(placed.wall.duration_since(end.wall())),
        };
        let wall = match length {
            Length::Exact(millis) => placed
                .zone
                .wall(placed.zone.instant(placed.wall).minus_millis(millis)),
            _ => end.wall(),
        };
        Placed {
            wall,
            length,
            ..placed
        }
    }

    fn length_to(
        &mut self,
        end: &'a EventTime,
        wall: DateTime,
        zone: &EventZone,
        event: &'a CalendarEvent,
    ) -> Length {
        let Some(start) = event.start.as_ref() else {
            return Length::Exact(0);
        };
        if start.is_date() && end.is_date() {
            let hours = end.wall().duration_since(start.wall()).as_hours();
            return Length::Days(hours.div_euclid(24));
        }
        let same_zone = match (start, end) {
            (EventTime::Zoned { tzid: a, .. }, EventTime::Zoned { tzid: b, .. }) => a == b,
            // An end without a zone is meant where the event begins.
            (EventTime::Zoned { .. } | EventTime::Floating(_), EventTime::Floating(_)) => true,
            // A day as the end of a time: midnight where the event begins.
            (_, EventTime::Date(_)) => true,
            _ => false,
        };
        if same_zone {
            return Length::Wall(end.wall().duration_since(start.wall()));
        }
        let end_zone = self.zone_of(end, event);
        let end = end_zone.instant(end.wall());
        if matches!((start, &event.calendar_zone), (EventTime::Utc(_), Some(_))) {
            return Length::Wall(zone.wall(end).duration_since(wall));
        }
        Length::Exact(end.since(zone.instant(wall)))
    }
}
