use super::*;
use crate::business_time::WorkInterval;
use crate::calendar::read_calendar;
use crate::zones::zone;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn event(lines: &str) -> CalendarObject {
    let text =
        format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:e1\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n");
    read_calendar(text.as_bytes())
}

const NINE: &str = "DTSTART:20260302T090000Z\nDTEND:20260302T100000Z";

#[test]
fn what_blocks_and_what_does_not() {
    let zone = zone("Europe/Berlin").unwrap();
    let window = Window {
        start: at("2026-03-02T00:00:00Z"),
        end: at("2026-03-03T00:00:00Z"),
    };
    let own = ["Alice@example.com".to_owned()];
    let held = ["e1".to_owned()];
    let rules = BusyRules {
        own_addresses: &own,
        ..BusyRules::new(&zone)
    };
    let ignoring = BusyRules {
        ignore_uids: &held,
        ..rules.clone()
    };
    let workdays = BusyRules {
        all_day_blocks: false,
        ..rules.clone()
    };
    for (lines, rules, kind) in [
        ("", &rules, Some(BusyKind::Busy)),
        ("", &ignoring, None),
        ("STATUS:TENTATIVE", &rules, Some(BusyKind::Tentative)),
        ("STATUS:CANCELLED", &rules, None),
        ("TRANSP:TRANSPARENT", &rules, None),
        (
            "TRANSP:OPAQUE\nX-MICROSOFT-CDO-BUSYSTATUS:FREE",
            &rules,
            None,
        ),
        (
            "TRANSP:TRANSPARENT\nX-MICROSOFT-CDO-BUSYSTATUS:OOF",
            &rules,
            Some(BusyKind::OutOfOffice),
        ),
        (
            "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE",
            &rules,
            Some(BusyKind::Tentative),
        ),
        (
            "ATTENDEE;PARTSTAT=DECLINED:mailto:alice@example.com",
            &rules,
            None,
        ),
        (
            "ATTENDEE;PARTSTAT=DECLINED:mailto:bob@example.com",
            &rules,
            Some(BusyKind::Busy),
        ),
        (
            "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:alice@example.com",
            &rules,
            Some(BusyKind::Busy),
        ),
        ("", &workdays, Some(BusyKind::Busy)),
    ] {
        let found = busy(&[event(&format!("{NINE}\n{lines}"))], window, rules);
        assert_eq!(found.spans.first().map(|span| span.kind), kind, "{lines}");
    }
    let day = event("DTSTART;VALUE=DATE:20260302");
    assert_eq!(
        busy(std::slice::from_ref(&day), window, &workdays).spans,
        []
    );
    // The day begins at 23:00Z in Berlin: cut to the window.
    let spans = busy(&[day], window, &rules).spans;
    assert_eq!(
        spans[0].window,
        Window {
            start: window.start,
            end: at("2026-03-02T23:00:00Z")
        }
    );
}

#[test]
fn spans_that_touch_are_joined_and_the_firmest_kind_stays() {
    let span = |start, end, kind| BusySpan {
        window: Window {
            start: Timestamp(start),
            end: Timestamp(end),
        },
        kind,
    };
    let joined = merged(vec![
        span(20, 30, BusyKind::Tentative),
        span(0, 10, BusyKind::Tentative),
        span(10, 15, BusyKind::Busy),
        span(22, 25, BusyKind::OutOfOffice),
    ]);
    assert_eq!(
        joined,
        [
            span(0, 15, BusyKind::Busy),
            span(20, 30, BusyKind::OutOfOffice)
        ]
    );
}

fn hours(text: &str) -> WorkInterval {
    text.parse().unwrap()
}

fn starts(request: &SlotRequest<'_>, now: &str) -> Vec<String> {
    let shown = |slot: &Window| {
        assert_eq!(
            slot.millis().div_euclid(MINUTE_MS),
            i64::from(request.duration_minutes)
        );
        let local = request.calendar.zone().to_datetime(slot.start.to_jiff());
        local.strftime("%a %d %H:%M").to_string()
    };
    free_slots(request, at(now)).iter().map(shown).collect()
}

/// Monday 2 March 2026 in Berlin, with the morning taken until 10:30 and an hour from 13:00.
#[test]
fn slots_keep_notice_buffer_step_and_spread() {
    let calendar = BusinessCalendar::weekdays("Europe/Berlin", hours("09:00-17:00")).unwrap();
    let span = |start, end| BusySpan {
        window: Window {
            start: at(start),
            end: at(end),
        },
        kind: BusyKind::Busy,
    };
    let busy = [
        span("2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z"),
        span("2026-03-02T06:00:00Z", "2026-03-02T09:30:00Z"),
    ];
    let base = SlotRequest {
        calendar: &calendar,
        busy: &busy,
        duration_minutes: 60,
        earliest: at("2026-03-02T00:00:00Z"),
        latest: at("2026-03-06T23:00:00Z"),
        count: 3,
        spread: true,
        step_minutes: 30,
        buffer_minutes: 0,
        min_notice_minutes: 0,
    };
    let now = "2026-03-01T12:00:00Z";
    assert_eq!(
        starts(&base, now),
        ["Mon 02 10:30", "Tue 03 09:00", "Wed 04 09:00"]
    );
    let dense = SlotRequest {
        spread: false,
        ..base.clone()
    };
    assert_eq!(
        starts(&dense, now),
        ["Mon 02 10:30", "Mon 02 11:30", "Mon 02 14:00"]
    );
    let buffered = SlotRequest {
        buffer_minutes: 15,
        ..dense.clone()
    };
    assert_eq!(
        starts(&buffered, now),
        ["Mon 02 11:00", "Mon 02 14:30", "Mon 02 15:30"]
    );
    let noticed = SlotRequest {
        min_notice_minutes: 24 * 60 + 600,
        ..base.clone()
    };
    assert_eq!(
        starts(&noticed, now),
        ["Tue 03 09:00", "Wed 04 09:00", "Thu 05 09:00"]
    );
    let short = SlotRequest {
        latest: at("2026-03-03T23:00:00Z"),
        ..base.clone()
    };
    assert_eq!(
        starts(&short, now),
        ["Mon 02 10:30", "Mon 02 11:30", "Tue 03 09:00"]
    );
    let long = SlotRequest {
        duration_minutes: 9 * 60,
        ..base.clone()
    };
    assert_eq!(starts(&long, now), Vec::<String>::new());
    assert_eq!(
        starts(&SlotRequest { count: 0, ..base }, now),
        Vec::<String>::new()
    );
}

/// At night on the days of both changes in Berlin: no slot at 02:xx in spring, one pass in autumn.
#[test]
fn no_slot_begins_in_a_skipped_hour_or_in_the_second_pass_of_a_repeated_one() {
    let night = || vec![hours("01:00-04:00")];
    let week = [
        night(),
        night(),
        night(),
        night(),
        night(),
        night(),
        night(),
    ];
    let calendar = BusinessCalendar::new("Europe/Berlin", week, Default::default()).unwrap();
    for (day, wanted) in [
        ("2026-03-28", vec!["01:00", "02:00", "03:00"]),
        ("2026-03-29", vec!["01:00", "03:00"]),
        ("2026-10-25", vec!["01:00", "02:00", "03:00"]),
    ] {
        let noon = at(&format!("{day}T12:00:00Z"));
        let request = SlotRequest {
            calendar: &calendar,
            busy: &[],
            duration_minutes: 60,
            earliest: noon.minus_millis(14 * 60 * MINUTE_MS),
            latest: noon,
            count: 10,
            spread: false,
            step_minutes: 60,
            buffer_minutes: 0,
            min_notice_minutes: 0,
        };
        let found = starts(&request, "2026-01-01T00:00:00Z");
        let times: Vec<&str> = found.iter().filter_map(|start| start.get(7..)).collect();
        assert_eq!(times, wanted, "{day}");
    }
}
