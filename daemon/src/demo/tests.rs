use std::fs;

use jiff::civil::{Date, date};
use liaison_core::business_time::BusinessCalendar;
use liaison_core::time::Timestamp;

use super::place::{Place, PlaceError};
use super::samples::Days;
use super::shell_word;

#[test]
fn the_story_is_over_before_now_whatever_the_weekday() {
    let hours = liaison_core::business_time::WorkInterval {
        from: 9 * 60,
        to: 17 * 60,
    };
    let berlin = BusinessCalendar::weekdays("Europe/Berlin", hours).unwrap();
    // A fortnight of mornings around the end of summer time.
    for day in 0..14_i64 {
        let today = date(2026, 10, 19).saturating_add(jiff::Span::new().days(day));
        let now = berlin.start_of(today).plus_millis(60_000);
        let days = Days::before(now, &berlin);
        assert!(
            berlin.is_working_day(days.first) && berlin.is_working_day(days.last),
            "{today}"
        );
        assert!(days.at(days.last, 23, 0) < now, "{today}");
        let asked = days.at(days.first, 9, 30);
        assert!(
            days.three_days_after(asked) < days.at(days.last, 9, 0),
            "{today}"
        );
        let length: i64 = (now.0 - asked.0) / liaison_core::time::DAY_MS;
        assert!((8..=12).contains(&length), "{today}: {length} days");
        assert_eq!(local(&days, days.last), (14, 25), "{today}");
    }
}

fn local(days: &Days, date: Date) -> (i8, i8) {
    let at: Timestamp = days.at(date, 14, 25);
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let zoned = at.to_jiff().to_zoned(zone);
    (zoned.hour(), zoned.minute())
}

#[test]
fn a_folder_of_somebody_else_is_refused_and_untouched() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    fs::create_dir(dir.path().join("mail")).unwrap();
    let refused = Place::take(Some(dir.path()));
    assert!(
        matches!(refused, Err(PlaceError::Foreign(_))),
        "{refused:?}"
    );
    assert!(dir.path().join("mail").is_dir());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn our_own_folder_is_used_again_without_what_the_last_demo_made() {
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("deep/demo");
    drop(Place::take(Some(&demo)).unwrap());
    for made in ["mail/alice", "state/store", "state/compiled"] {
        fs::create_dir_all(demo.join(made)).unwrap();
    }
    fs::write(demo.join("liaison.toml"), "").unwrap();
    fs::write(demo.join("notes.txt"), "my own").unwrap();
    let place = Place::take(Some(&demo)).unwrap();
    for (name, there) in [
        ("mail", false),
        ("state/store", false),
        ("liaison.toml", false),
        ("state/compiled", true),
        ("notes.txt", true),
    ] {
        assert_eq!(place.dir().join(name).exists(), there, "{name}");
    }
    let second = Place::take(Some(&demo));
    assert!(matches!(second, Err(PlaceError::InUse(_))), "{second:?}");
}

#[test]
fn a_link_in_the_place_of_our_files_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (demo, elsewhere) = (dir.path().join("demo"), dir.path().join("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("kept"), "").unwrap();
    drop(Place::take(Some(&demo)).unwrap());
    std::os::unix::fs::symlink(&elsewhere, demo.join("mail")).unwrap();
    Place::take(Some(&demo)).unwrap();
    assert!(elsewhere.join("kept").exists());
    assert!(!demo.join("mail").exists());
}

#[test]
fn commands_can_be_pasted_into_a_shell() {
    for (word, pasted) in [
        (
            "/home/alice/liaison-demo/liaison.toml",
            "/home/alice/liaison-demo/liaison.toml",
        ),
        ("/tmp/my demo", "'/tmp/my demo'"),
        ("it's", r"'it'\''s'"),
        ("", "''"),
        ("$(rm)", "'$(rm)'"),
    ] {
        assert_eq!(shell_word(word.as_ref()), pasted);
    }
}
