//! Files that writers get wrong: which instances they give all the same, and what is said of them.

use super::*;
use crate::time::Timestamp;

/// Lines of one event, the starts found, and what one of the problems says; empty for none.
const SEEN: &[(&str, &[&str], &str)] = &[
    (
        "DTSTART;TZID=tzone://Microsoft/Utc:20260302T090000\nDURATION:PT1H",
        &["2026-03-02T09:00:00Z"],
        "without quotes",
    ),
    (
        "DTSTART;TZID=(UTC+01:00) Amsterdam, Berlin, Bern:20260302T090000\nDURATION:PT1H",
        &["2026-03-02T08:00:00Z"],
        "without quotes",
    ),
    (
        "DTSTART;VALUE=DATE-TIME;TZID=tzone://Microsoft/Utc:20260302T090000",
        &["2026-03-02T09:00:00Z"],
        "without quotes",
    ),
    (
        "DTSTART;TZID=\"tzone://Microsoft/Utc\":20260302T090000\nURL;VALUE=URI:http://example.com/a,b",
        &["2026-03-02T09:00:00Z"],
        "",
    ),
    (
        "DTSTART:20260302T090000+0100\nDTEND:20260302T100000+0100",
        &["2026-03-02T08:00:00Z"],
        "UTC offset",
    ),
    (
        "DTSTART:2026-03-02T09:00:00-05:00",
        &["2026-03-02T14:00:00Z"],
        "UTC offset",
    ),
    (
        "DTSTART:20260302T240000Z",
        &["2026-03-03T00:00:00Z"],
        "24th hour",
    ),
    ("DTSTART:20260302T250000Z", &[], "cannot be read"),
    (
        "DTSTART:20260302T090000.000Z",
        &["2026-03-02T09:00:00Z"],
        "parts of seconds",
    ),
    (
        "DTSTART:2026-03-02T09:00:00Z",
        &["2026-03-02T09:00:00Z"],
        "ISO 8601",
    ),
    (
        "DTSTART;VALUE=DATE:20260302T000000",
        &["2026-03-02T00:00:00Z"],
        "",
    ),
    (
        "DTSTART:20260302T090000Z\nDTEND:20260302T080000Z",
        &["2026-03-02T08:00:00Z"],
        "ends before it begins",
    ),
    (
        "DTSTART:20260302T090000Z\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260303T090000.0Z",
        &["2026-03-02T09:00:00Z", "2026-03-04T09:00:00Z"],
        "parts of seconds",
    ),
    (
        "DTSTART:20260302T090000Z\nRDATE;VALUE=PERIOD:20260305T090000Z/PT2H,20260306T090000Z/20260306T100000Z",
        &[
            "2026-03-02T09:00:00Z",
            "2026-03-05T09:00:00Z",
            "2026-03-06T09:00:00Z",
        ],
        "",
    ),
    (
        "DTSTART:20260302T090000Z\nRRULE:FREQ=DAILY;COUNT=3\nEND:VEVENT\nBEGIN:VEVENT\nUID:u\nRECURRENCE-ID:20260303T090000Z\nDTSTART:20260310T120000Z",
        &[
            "2026-03-02T09:00:00Z",
            "2026-03-04T09:00:00Z",
            "2026-03-10T12:00:00Z",
        ],
        "",
    ),
];

fn found(lines: &str) -> (Vec<String>, Vec<String>) {
    let text = format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nUID:u\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n"
    );
    let window = Window {
        start: "2026-03-01T00:00:00Z".parse().unwrap(),
        end: "2026-04-01T00:00:00Z".parse().unwrap(),
    };
    let seen = inspect_json(text.as_bytes(), Some(window), &TimeZone::UTC);
    let texts = |list: &Value, key: Option<&str>| -> Vec<String> {
        let items = list.as_array().unwrap().iter();
        items
            .map(|item| {
                key.map_or(item, |key| &item[key])
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    (
        texts(&seen["instances"], Some("start")),
        texts(&seen["problems"], None),
    )
}

#[test]
fn odd_times_and_zones_are_read_and_named() {
    let mut wrong = Vec::new();
    for (lines, want, says) in SEEN {
        let (starts, problems) = found(lines);
        let told = match *says {
            "" => problems.is_empty(),
            says => problems.iter().any(|p| p.contains(says)),
        };
        if starts != *want || !told {
            wrong.push(format!("{lines}: {starts:?} {problems:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_instance_moved_into_the_window_is_seen_though_its_day_lies_outside() {
    let (starts, _) = found(
        "DTSTART:20260202T090000Z\nRRULE:FREQ=WEEKLY;COUNT=2\nEND:VEVENT\nBEGIN:VEVENT\nUID:u\n\
         RECURRENCE-ID:20260209T090000Z\nDTSTART:20260320T120000Z",
    );
    assert_eq!(starts, ["2026-03-20T12:00:00Z"]);
}

/// The same on every run (xorshift).
fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |sides| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 24) as usize)
            .checked_rem(sides)
            .unwrap_or_default()
    }
}

#[test]
fn changed_files_give_a_value_and_instances_that_end_after_they_begin() {
    /// Changes of each file.
    const ROUNDS: u64 = 120;
    const WORDS: &[&[u8]] = &[
        b"\r",
        b"\n ",
        b":",
        b";",
        b"\"",
        b"TZID=",
        b"T240000Z",
        b"+9999",
        b"\xFF",
        b"\0",
        b"BEGIN:VEVENT\n",
        b"END:VEVENT\n",
        b"RRULE:FREQ=DAILY\n",
        b"99999999",
        b"-1",
        b"W53",
        b"EXDATE:20260302T090000Z\n",
        b"FREQ=SECONDLY;",
        b"DURATION:P99999999W\n",
        b"0000",
    ];
    let window = Window {
        start: Timestamp::from_jiff("2026-01-01T00:00:00Z".parse().unwrap()),
        end: Timestamp::from_jiff("2026-07-01T00:00:00Z".parse().unwrap()),
    };
    for file in [OVERRIDES, BROKEN] {
        for seed in 1..=ROUNDS {
            let mut roll = dice(seed);
            let mut bytes = file.to_vec();
            for _ in 0..=roll(5) {
                let at = roll(bytes.len() + 1);
                let len = roll(60).min(bytes.len() - at);
                match roll(4) {
                    0 => drop(bytes.drain(at..at + len)),
                    1 => {
                        let piece = bytes[at..at + len].to_vec();
                        let to = roll(bytes.len() + 1);
                        bytes.splice(to..to, piece);
                    }
                    2 => drop(bytes.splice(at..at, WORDS[roll(WORDS.len())].iter().copied())),
                    _ => {
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte ^= 1 << roll(8);
                        }
                    }
                }
            }
            let seen = inspect_json(&bytes, Some(window), &TimeZone::UTC);
            for instance in seen["instances"].as_array().unwrap() {
                let time =
                    |key: &str| -> Timestamp { instance[key].as_str().unwrap().parse().unwrap() };
                assert!(time("start") <= time("end"), "{seed}: {instance}");
            }
        }
    }
}
