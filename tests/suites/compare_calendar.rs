//! Recurrence beside python-dateutil and recurring-ical-events: random rules, and random calendars
//! with overrides, exceptions and zones. Where they disagree with us, the table says why.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code; a panic is how a finding is reported"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::civil::{DateTime, date};
use jiff::{Span, ToSpan};
use liaison_core::calendar::recurrence::instances;
use liaison_core::calendar::rule::{Budget, WallRange, expand, read_rule};
use liaison_core::calendar::{EventTime, read_calendar};
use liaison_core::time::{Timestamp, Window};
use liaison_core::zones::zone;
use liaison_tests::chance::Chance;
use liaison_tests::oracle::answers;
use serde_json::{Value, json};

/// Another seed makes other cases, and needs another table.
const SEED: u64 = 20_261_123;
const RULES: usize = 1_500;
const CALENDARS: usize = 300;
/// Where whole days and floating times are.
const HOME: &str = "Europe/Berlin";

/// Rules of which python-dateutil says something else: number, and why we do not follow.
const OTHER_RULES: &[(usize, &str)] = &[];
/// As [`OTHER_RULES`], of calendars and recurring-ical-events.
const OTHER_CALENDARS: &[(usize, &str)] = &[];

struct Maker {
    chance: Chance,
}

impl Maker {
    fn below(&mut self, bound: usize) -> usize {
        self.chance.within(0..bound as u64) as usize
    }

    /// One time in `of`.
    fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn some(&mut self, of: &[&str], most: usize) -> String {
        let wanted = 1 + self.below(most);
        let picked: BTreeSet<&str> = (0..wanted).map(|_| self.one(of)).collect();
        picked.into_iter().collect::<Vec<_>>().join(",")
    }

    fn numbers(&mut self, low: usize, high: usize, negative: bool, most: usize) -> String {
        let wanted = 1 + self.below(most);
        let picked: BTreeSet<String> = (0..wanted)
            .map(|_| {
                let number = low + self.below(high - low + 1);
                let sign = if negative && self.once_in(3) { "-" } else { "" };
                format!("{sign}{number}")
            })
            .collect();
        picked.into_iter().collect::<Vec<_>>().join(",")
    }

    fn day(&mut self, first_year: i16, years: usize) -> DateTime {
        let days = self.below(years * 365) as i64;
        let clock = self.below(24 * 12) as i64 * 5;
        date(first_year, 1, 1)
            .at(0, 0, 0, 0)
            .saturating_add(Span::new().days(days).minutes(clock))
    }

    /// The parts of a rule that RFC 5545 allows with its FREQ.
    fn rule(&mut self, frequency: &str) -> String {
        const DAYS: &[&str] = &["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
        let mut rule = format!("FREQ={frequency}");
        if self.once_in(2) {
            let most = if frequency == "YEARLY" { 4 } else { 6 };
            let _ = write!(rule, ";INTERVAL={}", 1 + self.below(most));
        }
        let put = |rule: &mut String, part: String| {
            let _ = write!(rule, ";{part}");
        };
        if self.once_in(4) {
            let part = format!("BYMONTH={}", self.numbers(1, 12, false, 4));
            put(&mut rule, part);
        }
        let yearly = frequency == "YEARLY";
        let weeks = yearly && self.once_in(5);
        if weeks {
            let part = format!("BYWEEKNO={}", self.numbers(1, 53, true, 3));
            put(&mut rule, part);
        }
        if !weeks && frequency != "WEEKLY" && self.once_in(3) {
            let part = format!("BYMONTHDAY={}", self.numbers(1, 31, true, 3));
            put(&mut rule, part);
        }
        if !weeks && matches!(frequency, "YEARLY" | "HOURLY") && self.once_in(8) {
            let part = format!("BYYEARDAY={}", self.numbers(1, 366, true, 4));
            put(&mut rule, part);
        }
        if self.once_in(2) {
            let ordinals = !weeks && matches!(frequency, "YEARLY" | "MONTHLY") && self.once_in(2);
            let mut days = self.some(DAYS, 4);
            if ordinals {
                let most = if yearly && !rule.contains("BYMONTH=") {
                    20
                } else {
                    5
                };
                let named: Vec<String> = days
                    .split(',')
                    .map(|day| format!("{}{day}", self.numbers(1, most, true, 1)))
                    .collect();
                days = named.join(",");
            }
            put(&mut rule, format!("BYDAY={days}"));
        }
        if self.once_in(8) {
            let part = format!("BYHOUR={}", self.numbers(0, 23, false, 3));
            put(&mut rule, part);
        }
        if self.once_in(10) {
            let part = format!("BYMINUTE={}", self.numbers(0, 59, false, 3));
            put(&mut rule, part);
        }
        if rule.contains(";BY") && self.once_in(5) {
            let part = format!("BYSETPOS={}", self.numbers(1, 4, true, 2));
            put(&mut rule, part);
        }
        if self.once_in(4) {
            let _ = write!(rule, ";WKST={}", self.one(DAYS));
        }
        rule
    }
}

fn shown(wall: DateTime) -> String {
    wall.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn basic(wall: DateTime) -> String {
    wall.strftime("%Y%m%dT%H%M%S").to_string()
}

fn our_starts(case: &Value) -> Value {
    let wall = |name: &str| -> DateTime {
        let text = case[name].as_str().expect("text");
        text.parse().expect("a wall clock")
    };
    let (rule, ignored) = read_rule(case["rule"].as_str().expect("text")).expect("a rule");
    assert_eq!(ignored, Vec::<String>::new(), "{case}");
    let until = rule.until.as_ref().map(EventTime::wall);
    let range = WallRange {
        from: wall("from"),
        to: wall("to"),
    };
    let mut budget = Budget::default();
    let (starts, problem) = expand(&rule, wall("start"), until, range, &mut budget, usize::MAX);
    let starts: Vec<String> = starts.into_iter().map(shown).collect();
    match problem {
        Some(problem) if !problem.contains("no further instances") => {
            json!({"starts": starts, "problem": problem})
        }
        _ => json!({"starts": starts}),
    }
}

fn rules() -> Vec<Value> {
    let chance = Chance::seeded(SEED);
    let mut maker = Maker { chance };
    let mut cases = Vec::with_capacity(RULES);
    for number in 0..RULES {
        let frequency = match number % 16 {
            0..=3 => "YEARLY",
            4..=7 => "MONTHLY",
            8..=10 => "WEEKLY",
            11..=13 => "DAILY",
            14 => "HOURLY",
            _ => maker.one(&["MINUTELY", "SECONDLY"]),
        };
        let start = maker.day(1998, 28);
        let dense = matches!(frequency, "MINUTELY" | "SECONDLY");
        let mut rule = if dense {
            format!("FREQ={frequency};INTERVAL={}", 1 + maker.below(600))
        } else {
            maker.rule(frequency)
        };
        let late = if dense { 3 } else { 365 * 6 };
        match maker.below(4) {
            0 => {
                let _ = write!(rule, ";COUNT={}", 1 + maker.below(60));
            }
            1 => {
                let until = start.saturating_add(Span::new().days(maker.below(late) as i64));
                let _ = write!(rule, ";UNTIL={}", basic(until));
            }
            _ => {}
        }
        // Half of the windows begin with the series, half long after it.
        let from = if maker.once_in(2) {
            start
        } else {
            let days = maker.below(if dense { 9 } else { 365 * 9 });
            start.saturating_add(Span::new().days(days as i64))
        };
        let length = match frequency {
            "YEARLY" => 365 * 12,
            "MONTHLY" => 365 * 3,
            "SECONDLY" => 1,
            "MINUTELY" => 4,
            "HOURLY" => 60,
            _ => 365,
        };
        cases.push(json!({
            "rule": rule,
            "start": shown(start),
            "from": shown(from),
            "to": shown(from.saturating_add(length.days())),
        }));
    }
    cases
}

/// Compares the numbers that differ with those of the table, and shows what was not in it.
fn judged(differing: BTreeMap<usize, String>, table: &[(usize, &str)], shown: usize) {
    let listed: BTreeSet<usize> = table.iter().map(|(number, _)| *number).collect();
    assert_eq!(
        listed.len(),
        table.len(),
        "a number stands twice in the table"
    );
    let gone: Vec<&usize> = listed
        .iter()
        .filter(|number| !differing.contains_key(number))
        .collect();
    let new: Vec<(&usize, &String)> = differing
        .iter()
        .filter(|(number, _)| !listed.contains(number))
        .collect();
    let text: String = new
        .iter()
        .take(shown)
        .map(|(number, what)| format!("\n{number}: {what}"))
        .collect();
    assert!(new.is_empty(), "{} differ:{text}", new.len());
    assert!(gone.is_empty(), "agree, but stand in the table: {gone:?}");
}

#[test]
fn random_rules_give_what_dateutil_gives() {
    let cases = rules();
    let mut differing = BTreeMap::new();
    let mut found = 0;
    for (number, (case, theirs)) in cases.iter().zip(answers(&cases)).enumerate() {
        let ours = our_starts(case);
        found += ours["starts"].as_array().map_or(0, Vec::len);
        if ours != theirs {
            differing.insert(
                number,
                format!("{case}\n  ours   {ours}\n  theirs {theirs}"),
            );
        }
    }
    assert!(found > 20_000, "only {found} instances were compared");
    judged(differing, OTHER_RULES, 12);
}

/// A kind of time: what stands before the value, and behind it.
struct Kind {
    params: &'static str,
    utc: bool,
    all_day: bool,
}

impl Kind {
    fn written(&self, name: &str, wall: DateTime) -> String {
        if self.all_day {
            return format!("{name};VALUE=DATE:{}", wall.strftime("%Y%m%d"));
        }
        let z = if self.utc { "Z" } else { "" };
        format!("{name}{}:{}{z}", self.params, basic(wall))
    }
}

impl Maker {
    fn kind(&mut self) -> Kind {
        let zoned = |params| Kind {
            params,
            utc: false,
            all_day: false,
        };
        match self.below(12) {
            0 => Kind {
                params: "",
                utc: true,
                all_day: false,
            },
            1 => zoned(""),
            2 | 3 => Kind {
                params: "",
                utc: false,
                all_day: true,
            },
            4 => zoned(";TZID=America/New_York"),
            5 => zoned(";TZID=Australia/Lord_Howe"),
            6 => zoned(";TZID=Africa/Casablanca"),
            7 => zoned(";TZID=W. Europe Standard Time"),
            8 => zoned(";TZID=Ours"),
            9 => zoned(";TZID=Asia/Kolkata"),
            _ => zoned(";TZID=Europe/Berlin"),
        }
    }

    /// The starts of a series as the rule alone gives them, to aim exceptions at.
    fn starts(rules: &[String], start: DateTime) -> Vec<DateTime> {
        let range = WallRange {
            from: start,
            to: start.saturating_add(400.days()),
        };
        let mut starts = BTreeSet::from([start]);
        for text in rules {
            let (rule, _) = read_rule(text).expect("a rule");
            let until = rule.until.as_ref().map(EventTime::wall);
            let found = expand(&rule, start, until, range, &mut Budget::default(), 40);
            starts.extend(found.0);
        }
        starts.into_iter().collect()
    }

    fn series(&mut self, uid: usize, text: &mut String) {
        let kind = self.kind();
        let mut start = self.day(2024, 4);
        if kind.all_day {
            start = start.date().at(0, 0, 0, 0);
        } else if self.once_in(6) {
            // Days before a change of the clock, at an hour that it skips or repeats.
            let (month, day) = [(3, 27), (10, 23), (3, 5), (10, 30)][self.below(4)];
            let minutes = 30 * self.below(8) as i64;
            start = date(2026, month, day)
                .at(0, 30, 0, 0)
                .saturating_add(minutes.minutes());
        }
        let length = if kind.all_day {
            (1 + self.below(3) as i64).days()
        } else {
            (15 * (1 + self.below(30) as i64)).minutes()
        };
        let end = start.saturating_add(length);
        let mut rules = Vec::new();
        for _ in 0..[1, 1, 1, 1, 2, 0][self.below(6)] {
            let frequency = if kind.all_day {
                self.one(&["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
            } else {
                self.one(&[
                    "HOURLY", "DAILY", "DAILY", "WEEKLY", "WEEKLY", "MONTHLY", "YEARLY",
                ])
            };
            let mut rule = loop {
                let rule = self.rule(frequency);
                // A day has no hours.
                if !kind.all_day || !(rule.contains("BYHOUR") || rule.contains("BYMINUTE")) {
                    break rule;
                }
            };
            match self.below(3) {
                0 => {
                    let _ = write!(rule, ";COUNT={}", 1 + self.below(40));
                }
                1 => {
                    let until = start.saturating_add(Span::new().days(self.below(300) as i64));
                    if kind.all_day {
                        let _ = write!(rule, ";UNTIL={}", until.strftime("%Y%m%d"));
                    } else {
                        let z = if kind.params.is_empty() && !kind.utc {
                            ""
                        } else {
                            "Z"
                        };
                        let _ = write!(rule, ";UNTIL={}{z}", basic(until));
                    }
                }
                _ => {}
            }
            rules.push(rule);
        }
        let starts = Self::starts(&rules, start);
        let _ = write!(
            text,
            "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n{}\r\n",
            kind.written("DTSTART", start)
        );
        if self.once_in(4) && !kind.all_day {
            let minutes = length.get_minutes();
            let _ = write!(text, "DURATION:PT{minutes}M\r\n");
        } else {
            let _ = write!(text, "{}\r\n", kind.written("DTEND", end));
        }
        for rule in &rules {
            let _ = write!(text, "RRULE:{rule}\r\n");
        }
        if !rules.is_empty() {
            for _ in 0..self.below(4) {
                let at = starts[self.below(starts.len())];
                if self.once_in(4) {
                    let _ = write!(text, "EXDATE;VALUE=DATE:{}\r\n", at.strftime("%Y%m%d"));
                } else {
                    let _ = write!(text, "{}\r\n", kind.written("EXDATE", at));
                }
            }
        }
        if self.once_in(4) {
            let extra = start.saturating_add(Span::new().days(self.below(200) as i64).hours(1));
            if self.once_in(2) && !kind.all_day {
                let name = format!("RDATE;VALUE=PERIOD{}", kind.params);
                let z = if kind.utc { "Z" } else { "" };
                let _ = write!(text, "{name}:{}{z}/PT45M\r\n", basic(extra));
            } else {
                let _ = write!(text, "{}\r\n", kind.written("RDATE", extra));
            }
        }
        text.push_str("END:VEVENT\r\n");
        if !rules.is_empty() {
            self.overrides(uid, &kind, &starts, text);
        }
    }

    fn overrides(&mut self, uid: usize, kind: &Kind, starts: &[DateTime], text: &mut String) {
        let wanted = self.below(4);
        let chosen: BTreeSet<usize> = (0..wanted).map(|_| self.below(starts.len())).collect();
        let onwards = self.once_in(6);
        for place in chosen {
            let at = starts[place];
            let range = if onwards { ";RANGE=THISANDFUTURE" } else { "" };
            let moved = if kind.all_day {
                at.saturating_add((self.below(5) as i64 - 2).days())
            } else {
                at.saturating_add((30 * (self.below(20) as i64 - 10)).minutes())
            };
            let end = if kind.all_day {
                moved.saturating_add(1.days())
            } else {
                moved.saturating_add(50.minutes())
            };
            let name = format!("RECURRENCE-ID{range}");
            let _ = write!(
                text,
                "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nSEQUENCE:{}\r\n{}\r\n{}\r\n{}\r\nEND:VEVENT\r\n",
                1 + self.below(3),
                kind.written(&name, at),
                kind.written("DTSTART", moved),
                kind.written("DTEND", end),
            );
        }
    }

    fn calendar(&mut self) -> Value {
        let mut text =
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Liaison//Test//EN\r\n".to_owned();
        // The rules of New York under a name that only this file explains.
        text.push_str(
            "BEGIN:VTIMEZONE\r\nTZID:Ours\r\nBEGIN:DAYLIGHT\r\nDTSTART:20070311T020000\r\n\
             RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\r\nTZOFFSETFROM:-0500\r\nTZOFFSETTO:-0400\r\n\
             END:DAYLIGHT\r\nBEGIN:STANDARD\r\nDTSTART:20071104T020000\r\n\
             RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\r\nTZOFFSETFROM:-0400\r\nTZOFFSETTO:-0500\r\n\
             END:STANDARD\r\nEND:VTIMEZONE\r\n",
        );
        for uid in 0..=self.below(3) {
            self.series(uid, &mut text);
        }
        text.push_str("END:VCALENDAR\r\n");
        let from = self.day(2024, 4);
        let to = from.saturating_add(120.days());
        let utc = |wall: DateTime| format!("{}Z", shown(wall));
        json!({"ics": text, "from": utc(from), "to": utc(to), "zone": HOME})
    }
}

fn our_instances(case: &Value) -> Value {
    let at = |name: &str| -> Timestamp {
        let text = case[name].as_str().expect("text");
        text.parse().expect("an instant")
    };
    let window = Window {
        start: at("from"),
        end: at("to"),
    };
    let object = read_calendar(case["ics"].as_str().expect("text").as_bytes());
    let found = instances(&object, window, &zone(HOME).expect("a zone"));
    let mut lines: Vec<String> = found
        .instances
        .iter()
        .map(|instance| format!("{} {} {}", instance.uid, instance.start, instance.end))
        .collect();
    lines.sort();
    json!({"instances": lines})
}

#[test]
fn random_calendars_give_what_recurring_ical_events_gives() {
    let chance = Chance::seeded(SEED);
    let mut maker = Maker { chance };
    let cases: Vec<Value> = (0..CALENDARS).map(|_| maker.calendar()).collect();
    let mut differing = BTreeMap::new();
    let mut found = 0;
    for (number, (case, theirs)) in cases.iter().zip(answers(&cases)).enumerate() {
        let ours = our_instances(case);
        let lines = |answer: &Value| -> BTreeSet<String> {
            let lines = answer["instances"].as_array().cloned().unwrap_or_default();
            lines.iter().map(Value::to_string).collect()
        };
        let (our_lines, their_lines) = (lines(&ours), lines(&theirs));
        found += our_lines.len();
        if ours != theirs {
            let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> String {
                a.difference(b)
                    .take(8)
                    .map(|line| format!("\n    {line}"))
                    .collect()
            };
            let what = format!(
                "{} to {}\n{}\n  only ours:{}\n  only theirs:{} {}",
                case["from"],
                case["to"],
                case["ics"]
                    .as_str()
                    .expect("text")
                    .split("END:VTIMEZONE")
                    .last()
                    .unwrap_or_default(),
                only(&our_lines, &their_lines),
                only(&their_lines, &our_lines),
                theirs["error"],
            );
            differing.insert(number, what);
        }
    }
    assert!(found > 5_000, "only {found} instances were compared");
    judged(differing, OTHER_CALENDARS, 12);
}
