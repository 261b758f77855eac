use super::*;
use crate::time::{HOUR_MS, MINUTE_MS};
use crate::zones::zone;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn office(zone: &str) -> BusinessCalendar {
    BusinessCalendar::weekdays(zone, "09:00-17:00".parse().unwrap()).unwrap()
}

fn place(name: &str) -> Place {
    match name.parse::<i32>() {
        Ok(minutes) => Place::Offset(minutes),
        Err(_) => Place::Zone(name.to_owned()),
    }
}

fn people(places: &[&str]) -> Vec<BusinessCalendar> {
    let quiet = QuietHours::default();
    let calendars = places.iter().map(|name| quiet.calendar(&place(name)));
    calendars.map(Option::unwrap).collect()
}

/// 2026-03-02 is a Monday; clocks change on 8 March in New York and on 29 March in Berlin.
#[test]
fn nobody_gets_mail_in_their_night_or_on_their_weekend() {
    for (theirs, t, slot) in [
        // Day at both: at once.
        (
            &["Europe/Berlin"][..],
            "2026-03-02T10:00:00Z",
            "2026-03-02T10:00:00Z",
        ),
        // Nine in Berlin is three in the morning in New York.
        (
            &["America/New_York"],
            "2026-03-02T08:00:00Z",
            "2026-03-02T13:00:00Z",
        ),
        // An hour nearer while only one of the two has summer time.
        (
            &["America/New_York"],
            "2026-03-09T08:00:00Z",
            "2026-03-09T12:00:00Z",
        ),
        (
            &["America/New_York"],
            "2026-03-30T07:00:00Z",
            "2026-03-30T12:00:00Z",
        ),
        // Friday, 15:00 UTC, is already Saturday night in Tokyo; Monday 9:00 in Berlin is 17:00.
        (
            &["Asia/Tokyo"],
            "2026-03-06T15:00:00Z",
            "2026-03-09T08:00:00Z",
        ),
        // Friday and Saturday are the weekend of Riyadh.
        (
            &["Asia/Riyadh"],
            "2026-03-05T17:00:00Z",
            "2026-03-09T08:00:00Z",
        ),
        // A fixed offset is as good as a zone.
        (&["-300"], "2026-03-02T08:00:00Z", "2026-03-02T13:00:00Z"),
        // Somewhere in the United States: morning in Los Angeles, too. Berlin works until 16:00
        // UTC, when it is eight there, so that their day decides.
        (
            &["America/New_York", "America/Los_Angeles"],
            "2026-03-02T08:00:00Z",
            "2026-03-02T16:00:00Z",
        ),
    ] {
        let got = next_slot(Some(&office("Europe/Berlin")), &people(theirs), at(t));
        assert_eq!(got.at, at(slot), "{theirs:?} {t}: {:?}", got.reasons);
        assert_eq!(got.brief.is_empty(), got.at == at(t), "{theirs:?} {t}");
        assert!(!got.reasons.is_empty(), "{theirs:?} {t}");
    }
}

#[test]
fn a_recipient_whose_day_never_meets_our_hours_still_gets_the_mail_and_by_day() {
    let berlin = office("Europe/Berlin");
    // Monday 9:00 in Berlin is 21:00 in Auckland; their Tuesday begins Monday 19:00 UTC.
    let slot = next_slot(
        Some(&berlin),
        &people(&["Pacific/Auckland"]),
        at("2026-03-02T08:00:00Z"),
    );
    assert_eq!(slot.at, at("2026-03-02T19:00:00Z"));
    assert!(
        slot.reasons[0].contains("hardly ever fall into"),
        "{:?}",
        slot.reasons
    );
    // On Friday evening it is Saturday there; our Monday begins with their noon.
    let slot = next_slot(
        Some(&berlin),
        &people(&["Pacific/Auckland"]),
        at("2026-03-06T12:00:00Z"),
    );
    assert_eq!(slot.at, at("2026-03-08T23:00:00Z"), "{:?}", slot.reasons);
    // Two ends of the world that never have day at once: the first counts.
    let both = people(&["America/Los_Angeles", "Asia/Kolkata"]);
    let slot = next_slot(Some(&berlin), &both, at("2026-03-02T08:00:00Z"));
    let local = zone("America/Los_Angeles")
        .unwrap()
        .to_datetime(slot.at.to_jiff());
    assert!(
        (8..20).contains(&local.hour()),
        "{} {:?}",
        slot.at,
        slot.reasons
    );
}

/// Such an office is closed for longer than anybody waits for hours to meet.
#[test]
fn an_office_that_works_on_mondays_only_sends_on_mondays_only() {
    let mut week: [Vec<WorkInterval>; 7] = std::array::from_fn(|_| Vec::new());
    week[0] = vec!["09:00-12:00".parse().unwrap()];
    let office = BusinessCalendar::new("Europe/Berlin", week, BTreeMap::new()).unwrap();
    for (theirs, slot) in [
        (vec![], "2026-03-09T08:00:00Z"),
        (people(&["Europe/Lisbon"]), "2026-03-09T08:00:00Z"),
        (people(&["Europe/London"]), "2026-03-09T08:00:00Z"),
        (people(&["Atlantic/Azores"]), "2026-03-09T09:00:00Z"),
    ] {
        // Monday, two hours after it has closed.
        let got = next_slot(Some(&office), &theirs, at("2026-03-02T13:00:00Z"));
        assert_eq!(got.at, at(slot), "{:?}", got.reasons);
    }
}

#[test]
fn every_wait_says_why_with_zone_and_offset() {
    let mut berlin = office("Europe/Berlin");
    berlin
        .holidays
        .insert(Date::constant(2026, 3, 3), "Founders' Day".to_owned());
    let slot = next_slot(
        Some(&berlin),
        &people(&["America/New_York"]),
        at("2026-03-02T20:00:00Z"),
    );
    assert_eq!(slot.at, at("2026-03-04T13:00:00Z"));
    let text = slot.reasons.join("; ");
    for part in [
        "Tuesday 2026-03-03 is a holiday: Founders' Day",
        "for the recipient it is 2026-03-04 03:00 America/New_York (-05:00): night until \
         2026-03-04 08:00 America/New_York (-05:00)",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(
        slot.brief,
        "outside business hours; night, weekend or holiday of the recipient (America/New_York)"
    );
    let friday = next_slot(
        None,
        &people(&["America/New_York"]),
        at("2026-03-07T02:00:00Z"),
    );
    assert!(
        friday.reasons[0].contains("night, then weekend until 2026-03-09 08:00"),
        "{friday:?}"
    );
}

#[test]
fn holidays_where_the_recipient_is_are_theirs_alone() {
    let day = |day| BTreeMap::from([(Date::constant(2026, 5, day), "Bank holiday".to_owned())]);
    let quiet = QuietHours {
        holidays: BTreeMap::from([("Europe/London".to_owned(), day(4))]),
        ..QuietHours::default()
    };
    let berlin = office("Europe/Berlin");
    for (zone, slot) in [
        ("Europe/London", "2026-05-05T07:00:00Z"),
        ("Europe/Dublin", "2026-05-04T08:00:00Z"),
    ] {
        let theirs = [quiet.calendar(&place(zone)).unwrap()];
        let got = next_slot(Some(&berlin), &theirs, at("2026-05-04T08:00:00Z"));
        assert_eq!(got.at, at(slot), "{zone}: {:?}", got.reasons);
    }
    let never = QuietHours {
        holidays: BTreeMap::new(),
        ..QuietHours::none()
    };
    assert!(never.calendar(&place("Europe/London")).is_none());
}

/// By a second opinion that only reads the two clocks on the wall.
#[test]
fn the_slot_is_the_first_instant_at_which_both_clocks_on_the_wall_say_day() {
    let wall = |zone: &str, t: Timestamp, from: i8, to: i8| {
        let local = crate::zones::zone(zone).unwrap().to_datetime(t.to_jiff());
        let weekday = local.weekday().to_monday_zero_offset();
        weekday < 5 && (from..to).contains(&local.hour())
    };
    for ours in ["Europe/Berlin", "America/Chicago", "Asia/Kolkata"] {
        for theirs in [
            "Europe/London",
            "America/New_York",
            "America/St_Johns",
            "Asia/Tokyo",
        ] {
            let (berlin, people) = (office(ours), people(&[theirs]));
            let mut t = at("2026-03-01T00:07:00Z");
            while t < at("2026-04-10T00:00:00Z") {
                let slot = next_slot(Some(&berlin), &people, t).at;
                let open = |t| wall(ours, t, 9, 17) && wall(theirs, t, 8, 20);
                // Chicago and Tokyo, for one, have no hour in common.
                let meets = (0..4 * 96).any(|step| open(t.plus_millis(step * 15 * MINUTE_MS)));
                assert!(
                    slot >= t && wall(theirs, slot, 8, 20),
                    "{ours} {theirs} {t}: {slot}"
                );
                let mut earlier = t;
                while meets && earlier < slot {
                    assert!(!open(earlier), "{ours} {theirs} {t}: {slot}, but {earlier}");
                    earlier = Timestamp(earlier.0 - earlier.0.rem_euclid(15 * MINUTE_MS))
                        .plus_millis(15 * MINUTE_MS);
                }
                assert!(!meets || open(slot), "{ours} {theirs} {t}: {slot}");
                t = t.plus_millis(7 * HOUR_MS + 37 * MINUTE_MS);
            }
        }
    }
}

#[test]
fn a_night_is_read_over_midnight_or_not_at_all() {
    for (text, day) in [
        ("20:00-08:00", "08:00-20:00"),
        ("22:30-24:00", "00:00-22:30"),
        ("00:00-07:00", "07:00-24:00"),
        ("01:00-05:00", "00:00-01:00 05:00-24:00"),
    ] {
        let night: Night = text.parse().unwrap();
        let parts: Vec<String> = night.day().iter().map(ToString::to_string).collect();
        assert_eq!(parts.join(" "), day, "{text}");
    }
    for text in [
        "",
        "20-8",
        "08:00-08:00",
        "00:00-24:00",
        "24:00-06:00",
        "25:00-06:00",
        "é-é",
    ] {
        let error = text.parse::<Night>().unwrap_err().to_string();
        assert!(error.contains("20:00-08:00"), "{text}: {error}");
    }
}
