//! `[meetings]`, working hours and journeys of our people, and what a calendar means.

use liaison_core::business_time::BusinessDuration;
use liaison_core::calendar::SlotRules;
use liaison_core::time::Timestamp;

use super::{BASE, parse, refused};
use crate::calendars::CalendarRole;

fn with_user(lines: &str) -> String {
    format!("{BASE}[[user]]\nname = \"Bob\"\naddress = \"bob@example.com\"\n{lines}\n")
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn the_rules_for_meetings_are_read_or_those_that_are_usual() {
    assert_eq!(parse(BASE).unwrap().meetings, SlotRules::default());
    let text = "[meetings]\nstep_minutes = 15\nbuffer_before_minutes = 10\n\
                buffer_after_minutes = 5\nmin_notice = \"1 business day\"\nper_day_max = 4\n";
    let rules = SlotRules {
        step_minutes: 15,
        before_minutes: 10,
        after_minutes: 5,
        min_notice: "1 business day".parse::<BusinessDuration>().unwrap(),
        per_day_max: Some(4),
    };
    let read = parse(&format!("{BASE}{text}")).unwrap();
    assert_eq!(read.meetings, rules);
    let before = parse(BASE).unwrap();
    assert_eq!(before.differences(&read), ["meetings: changed"]);
}

#[test]
fn one_of_us_works_where_and_when_they_are() {
    let hours = "zone = \"America/New_York\"\nworking_hours = { mon = [\"10:00-12:00\"] }\n\
                 travel = [{ from = 2026-03-09, to = \"2026-03-13\", zone = \"Europe/Berlin\" }]";
    let config = parse(&with_user(hours)).unwrap();
    let bob = config.users.iter().find(|user| user.name == "Bob").unwrap();
    let work = config.work_time(bob);
    let first = |date: &str| {
        let date = date.parse().unwrap();
        let open = work.on(date).open_on(date);
        open.first().map(|(_, window)| window.start)
    };
    assert_eq!(first("2026-03-02"), Some(at("2026-03-02T15:00:00Z")));
    assert_eq!(first("2026-03-09"), Some(at("2026-03-09T09:00:00Z")));
    assert_eq!(first("2026-03-10"), None);
    // Whoever says nothing works as the firm does, where they are.
    let alice = &config.users[0];
    let date = "2026-03-10".parse().unwrap();
    let open = config.work_time(alice).on(date).open_on(date);
    assert_eq!(open[0].1.start, at("2026-03-10T08:00:00Z"));
}

#[test]
fn what_a_calendar_means_is_read() {
    let calendar = |lines: &str| {
        format!(
            "{BASE}[[calendar]]\nname = \"c\"\nkind = \"vdir\"\nowner = \"alice@example.com\"\n\
             path = \"/srv/c\"\n{lines}\n"
        )
    };
    let read = parse(&calendar("")).unwrap().calendars.remove(0);
    assert_eq!(read.role, CalendarRole::Own);
    assert!(read.all_day_blocks && read.unanswered_blocks);
    let lines = "role = \"holidays\"\nall_day_blocks = false\nunanswered_blocks = false";
    let read = parse(&calendar(lines)).unwrap().calendars.remove(0);
    assert_eq!(read.role, CalendarRole::Holidays);
    assert!(!read.all_day_blocks && !read.unanswered_blocks);
    let said = refused(&calendar("role = \"holidays\"\nholds = true"));
    assert!(
        said.contains("holds cannot go into a calendar of holidays"),
        "{said}"
    );
}

#[test]
fn mistakes_are_named_with_what_to_write_instead() {
    let meetings = |line: &str| format!("{BASE}[meetings]\n{line}\n");
    for (text, words) in [
        (meetings("step_minutes = 0"), "step_minutes"),
        (meetings("buffer_after_minutes = 2000"), "write 0 to 1440"),
        (meetings("per_day_max = 0"), "no day would have a slot"),
        (meetings("min_notice = \"soon\""), "business day"),
        (
            with_user("working_hours = { mon = [] }"),
            "no weekday has working hours",
        ),
        (
            with_user("travel = [{ from = 2026-03-09, to = 2026-03-08, zone = \"UTC\" }]"),
            "before it begins",
        ),
        (
            with_user("travel = [{ from = \"soon\", to = 2026-03-08, zone = \"UTC\" }]"),
            "is no date",
        ),
        (
            with_user("travel = [{ from = 2026-03-09, to = 2026-03-10, zone = \"Mars/X\" }]"),
            "Mars/X",
        ),
        (
            with_user(
                "travel = [{ from = 2026-03-01, to = 2026-03-09, zone = \"UTC\" }, \
                 { from = 2026-03-09, to = 2026-03-10, zone = \"UTC\" }]",
            ),
            "overlaps the journey",
        ),
    ] {
        let said = refused(&text);
        assert!(said.contains(words), "{words}: {said}");
    }
}
