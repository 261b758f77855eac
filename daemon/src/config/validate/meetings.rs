//! `[meetings]`, and when each of our people works.

use jiff::civil::Date;
use liaison_core::business_time::WorkInterval;
use liaison_core::calendar::SlotRules;

use super::super::Travel;
use super::super::read::Section;
use super::super::schema::{RawHours, RawMeetings, RawTravel};
use super::Validation;

/// Most minutes of a step or of the free time around a meeting: a day.
const MINUTES_MAX: u32 = 24 * 60;
/// Most journeys of one person.
const TRAVEL_MAX: usize = 200;

impl Validation<'_, '_> {
    pub(super) fn meetings(&mut self, section: Option<&Section<'_>>) -> Option<SlotRules> {
        let usual = SlotRules::default();
        let Some(section) = section else {
            return Some(usual);
        };
        let raw: RawMeetings = section.read(&[], self.problems)?;
        let minutes = [
            ("step_minutes", raw.step_minutes, 1),
            ("buffer_before_minutes", raw.buffer_before_minutes, 0),
            ("buffer_after_minutes", raw.buffer_after_minutes, 0),
        ];
        for (key, value, least) in minutes {
            if value.is_some_and(|value| !(least..=MINUTES_MAX).contains(&value)) {
                let remedy = format!("write {least} to {MINUTES_MAX}");
                self.problems
                    .add(section, key, "it is out of range", remedy);
            }
        }
        if raw.per_day_max == Some(0) {
            let remedy = "at least 1; leave it out where there is no limit";
            let what = "no day would have a slot";
            self.problems.add(section, "per_day_max", what, remedy);
        }
        let notice = self.patience(section, "min_notice", raw.min_notice.as_deref());
        Some(SlotRules {
            step_minutes: raw.step_minutes.unwrap_or(usual.step_minutes),
            before_minutes: raw.buffer_before_minutes.unwrap_or(usual.before_minutes),
            after_minutes: raw.buffer_after_minutes.unwrap_or(usual.after_minutes),
            min_notice: notice.unwrap_or(usual.min_notice),
            per_day_max: raw.per_day_max.or(usual.per_day_max),
        })
    }

    /// Hours of one person; a week without any is a mistake.
    pub(super) fn own_hours(
        &mut self,
        section: &Section<'_>,
        raw: &RawHours,
    ) -> Option<[Vec<WorkInterval>; 7]> {
        let hours = self.hours(section, raw)?;
        if hours.iter().all(Vec::is_empty) {
            let what = "no weekday has working hours";
            let remedy = "give at least one, like mon = [\"09:00-17:00\"], or leave it out for those \
                          of the firm";
            self.problems.add(section, "working_hours", what, remedy);
            return None;
        }
        Some(hours)
    }

    pub(super) fn travel(&mut self, section: &Section<'_>, raw: &[RawTravel]) -> Vec<Travel> {
        let mut travel: Vec<Travel> = Vec::new();
        if raw.len() > TRAVEL_MAX {
            let what = format!("there are {} journeys", raw.len());
            let remedy = format!("remove those that are over: {TRAVEL_MAX} are the most");
            self.problems.add(section, "travel", what, remedy);
            return travel;
        }
        for (index, raw) in raw.iter().enumerate() {
            let key = |name: &str| format!("travel[{index}].{name}");
            self.zone_at(section, &key("zone"), &raw.zone);
            let first = self.day_of(section, &key("from"), &raw.from);
            let last = self.day_of(section, &key("to"), &raw.to);
            let (Some(first), Some(last)) = (first, last) else {
                continue;
            };
            if last < first {
                let what = format!("the journey ends on {last}, before it begins");
                let remedy = "write the last day there, not before `from`";
                self.problems.add(section, &key("to"), what, remedy);
            }
            let other = travel
                .iter()
                .find(|other| first <= other.last && other.first <= last);
            if let Some(other) = other {
                let (from, to) = (other.first, other.last);
                let what = format!("it overlaps the journey from {from} to {to}");
                let remedy = "name each day once, on the day of a journey between two places the \
                              place where the person works";
                self.problems.add(section, &key("from"), what, remedy);
            }
            travel.push(Travel {
                first,
                last,
                zone: raw.zone.trim().to_owned(),
            });
        }
        travel
    }

    fn day_of(&mut self, section: &Section<'_>, key: &str, value: &toml::Value) -> Option<Date> {
        let text = match value {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let date = text.parse::<Date>();
        if date.is_err() {
            let what = format!("`{text}` is no date");
            let remedy = "write it like 2026-12-25";
            self.problems.add(section, key, what, remedy);
        }
        date.ok()
    }
}
