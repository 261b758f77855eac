use jiff::tz::TimeZoneDatabase;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn offsets(seen: &[(&str, i32)]) -> Vec<SeenOffset> {
    let seen = seen.iter().map(|(text, minutes)| SeenOffset {
        at: at(text),
        minutes: *minutes,
    });
    seen.collect()
}

/// Place, confidence, and the clock of a firm in Berlin on 2026-11-23.
fn found(clues: &Clues) -> (String, Confidence) {
    let found = whereabouts(clues, "Europe/Berlin", at("2026-11-23T10:00:00Z"));
    assert!(!found.how.is_empty());
    let places: Vec<String> = found.places.iter().map(ToString::to_string).collect();
    (places.join(" "), found.confidence)
}

#[test]
fn the_records_come_first_then_their_mails_then_the_country_then_our_zone() {
    let mut clues = Clues {
        contact_zones: vec![" america/denver".to_owned()],
        account_zones: vec!["America/Chicago".to_owned()],
        offsets: offsets(&[
            ("2026-11-20T10:00:00Z", -300),
            ("2026-07-20T10:00:00Z", -240),
        ]),
        countries: vec!["Schweiz".to_owned()],
    };
    let mut said = Vec::new();
    for step in 0..5 {
        said.push(found(&clues));
        match step {
            0 => clues.contact_zones.clear(),
            1 => clues.account_zones.clear(),
            2 => clues.offsets.clear(),
            _ => clues.countries.clear(),
        }
    }
    let expected = [
        ("America/Denver", Confidence::Recorded),
        ("America/Chicago", Confidence::Recorded),
        ("America/New_York", Confidence::Likely),
        ("Europe/Zurich", Confidence::Likely),
        ("Europe/Berlin", Confidence::Assumed),
    ];
    assert_eq!(said, expected.map(|(place, how)| (place.to_owned(), how)));
}

#[test]
fn the_clock_of_their_mails_names_a_zone_only_where_it_is_certain() {
    use Confidence::{Assumed, Likely, Weak};
    for (seen, country, place, confidence) in [
        // Winter and summer together are one zone; our own comes first where it fits.
        (
            &[("2026-11-20T10:00:00Z", 60), ("2026-07-20T10:00:00Z", 120)][..],
            "",
            "Europe/Berlin",
            Likely,
        ),
        (&[("2026-11-20T10:00:00Z", 60)], "", "Europe/Berlin", Weak),
        (
            &[("2026-07-20T10:00:00Z", 120)],
            "South Africa",
            "Africa/Johannesburg",
            Weak,
        ),
        (
            &[("2026-11-20T10:00:00Z", 60), ("2026-07-20T10:00:00Z", 60)],
            "",
            "Africa/Lagos",
            Likely,
        ),
        (&[("2026-11-20T10:00:00Z", 330)], "", "Asia/Kolkata", Weak),
        // In July -04:00 is New York, Santiago or Caracas, and these differ now.
        (&[("2026-07-20T10:00:00Z", -240)], "", "UTC-04:00", Weak),
        (
            &[("2026-07-20T10:00:00Z", -240)],
            "USA",
            "America/New_York",
            Weak,
        ),
        // Many servers write every time in UTC: that is no clock on a wall.
        (
            &[("2026-11-20T10:00:00Z", 0), ("2026-11-19T10:00:00Z", 0)],
            "",
            "Europe/Berlin",
            Assumed,
        ),
        (
            &[("2026-11-20T10:00:00Z", 0), ("2026-11-19T10:00:00Z", -480)],
            "",
            "America/Los_Angeles",
            Weak,
        ),
        // London's winter is UTC, too.
        (
            &[("2026-11-20T10:00:00Z", 0), ("2026-07-19T10:00:00Z", 60)],
            "",
            "Europe/London",
            Likely,
        ),
        // On a journey: the newest counts.
        (
            &[
                ("2026-11-20T10:00:00Z", 540),
                ("2026-11-01T10:00:00Z", -480),
            ],
            "",
            "UTC+09:00",
            Weak,
        ),
        // Impossible ones, those of years ago and of the future say nothing.
        (
            &[
                ("2026-11-20T10:00:00Z", 900),
                ("2020-01-01T00:00:00Z", 540),
                ("2027-01-01T00:00:00Z", 540),
            ],
            "",
            "Europe/Berlin",
            Assumed,
        ),
    ] {
        let clues = Clues {
            offsets: offsets(seen),
            countries: vec![country.to_owned()],
            ..Clues::default()
        };
        assert_eq!(
            found(&clues),
            (place.to_owned(), confidence),
            "{seen:?} {country}"
        );
    }
}

#[test]
fn a_large_country_is_all_of_its_day() {
    let country = |name: &str| {
        let countries = vec![name.to_owned()];
        found(&Clues {
            countries,
            ..Clues::default()
        })
    };
    let (places, confidence) = country(" United States ");
    assert_eq!(places, "America/New_York America/Los_Angeles");
    assert_eq!(confidence, Confidence::Weak);
    assert_eq!(country("deutschland").0, "Europe/Berlin");
    assert_eq!(country("GB").0, "Europe/London");
    assert_eq!(
        country("Atlantis"),
        ("Europe/Berlin".to_owned(), Confidence::Assumed)
    );
}

#[test]
fn every_country_of_the_list_has_one_name_and_zones_that_there_are() {
    let mut names = std::collections::BTreeSet::new();
    for (row, zones) in countries::COUNTRIES {
        for name in *row {
            assert_eq!(&crate::account::fold(name), name, "as it is looked up");
            assert!(names.insert(*name), "{name} stands there twice");
        }
        for name in *zones {
            assert!(zone(name).is_some(), "{name} of {row:?}");
        }
        assert!(!zones.is_empty() && zones.len() <= PLACES_MAX, "{row:?}");
    }
}

/// So that an offset of any inhabited place finds its zone.
#[test]
fn every_inhabited_zone_keeps_the_time_of_one_that_offsets_are_compared_with() {
    let start = at("2026-01-01T12:00:00Z");
    let times: Vec<Timestamp> = (0..104)
        .map(|week| start.plus_millis(week * 7 * DAY_MS))
        .collect();
    let profile = |name: &str| {
        let zone = zone(name)?;
        Some(
            times
                .iter()
                .map(|t| minutes_at(&zone, *t))
                .collect::<Vec<i32>>(),
        )
    };
    let known: Vec<Vec<i32>> = WELL_KNOWN
        .iter()
        .map(|name| profile(name).unwrap())
        .collect();
    let mut strange = Vec::new();
    for name in TimeZoneDatabase::bundled().available() {
        let name = name.to_string();
        let city = name.contains('/') && !name.starts_with("Etc/");
        if city && profile(&name).is_some_and(|profile| !known.contains(&profile)) {
            strange.push(name);
        }
    }
    // A few islands, bases and time signals: their mails get the offset itself.
    let few = [
        "America/Miquelon",
        "America/Noronha",
        "America/South_Georgia",
        "Antarctica/",
        "Atlantic/Cape_Verde",
        "Atlantic/South_Georgia",
        "Brazil/DeNoronha",
        "Pacific/Gambier",
        "Pacific/Pitcairn",
    ];
    strange.retain(|name| !few.iter().any(|known| name.starts_with(known)));
    assert!(strange.is_empty(), "{strange:?}");
}

#[test]
fn the_offset_is_read_from_the_date_field_alone() {
    let seen = |date: &str| {
        let bytes =
            format!("From: a@b.example\r\nDate: {date}\r\n\r\nDate: 1 Jan 2020 00:00 +0900");
        seen_offset(bytes.as_bytes())
    };
    assert_eq!(
        seen("Fri, 20 Nov 2026 11:00:00 -0500"),
        Some(SeenOffset {
            at: at("2026-11-20T16:00:00Z"),
            minutes: -300
        })
    );
    assert_eq!(seen("soon"), None);
    assert_eq!(seen_offset(b"no header"), None);
}
