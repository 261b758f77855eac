use super::*;
use crate::zones::zone;

mod odd;

const OVERRIDES: &[u8] = include_bytes!("../../../fixtures/ical/weekly-overrides.ics");
const BROKEN: &[u8] = include_bytes!("../../../fixtures/ical/broken.ics");

#[test]
fn the_json_has_the_shape_others_rely_on() {
    let berlin = zone("Europe/Berlin").unwrap();
    let text = "BEGIN:VCALENDAR\nMETHOD:request\nBEGIN:VEVENT\nUID:d\nDTSTART;VALUE=DATE:20260302\n\
                RRULE:FREQ=DAILY;COUNT=1\nEND:VEVENT\nBEGIN:VEVENT\nUID:t\nSTATUS:Tentative\n\
                SUMMARY:Tea\\, please\nDTSTART:20260301T090000Z\nJUNK\nEND:VEVENT\nEND:VCALENDAR\n";
    let found = inspect_json(text.as_bytes(), None, &berlin);
    assert_eq!(
        found,
        json!({
            "method": "REQUEST",
            "summary": "2 VEVENT",
            "components": {"VEVENT": 2},
            "instances": [
                {
                    "uid": "t", "recurrence_id": null, "start": "2026-03-01T09:00:00Z",
                    "end": "2026-03-01T09:00:00Z", "all_day": false, "summary": "Tea, please",
                    "status": "tentative",
                },
                {
                    "uid": "d", "recurrence_id": "2026-03-02", "start": "2026-03-01T23:00:00Z",
                    "end": "2026-03-02T23:00:00Z", "all_day": true, "summary": null,
                    "status": "confirmed",
                },
            ],
            "problems": ["line 13: `JUNK` has no value: the line was left out"],
        })
    );
}

#[test]
fn a_cancelled_instance_is_listed_as_cancelled() {
    let window = Window {
        start: "2026-04-06T00:00:00Z".parse().unwrap(),
        end: "2026-04-07T00:00:00Z".parse().unwrap(),
    };
    let found = inspect_json(OVERRIDES, Some(window), &TimeZone::UTC);
    assert_eq!(found["instances"][0]["status"], "cancelled");
    assert_eq!(
        found["instances"][0]["recurrence_id"],
        "2026-04-06T07:00:00Z"
    );
}

/// Every prefix, and every byte replaced by one that means something to the grammar.
#[test]
fn damaged_files_never_fail() {
    let berlin = zone("Europe/Berlin").unwrap();
    for whole in [OVERRIDES, BROKEN] {
        for at in (0..whole.len()).step_by(7) {
            let _prefix = inspect_json(&whole[..at], None, &berlin);
            for byte in [b'\n', b':', b';', b'"', b'9', 0xff] {
                let mut damaged = whole.to_vec();
                damaged[at] = byte;
                let found = inspect_json(&damaged, None, &berlin);
                assert!(found["instances"].is_array());
            }
        }
    }
}
