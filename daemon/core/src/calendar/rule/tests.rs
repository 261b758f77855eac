use super::*;

fn wall(text: &str) -> DateTime {
    text.parse().unwrap()
}

fn days(rule: &str, start: &str, from: &str, to: &str) -> (Vec<String>, Option<String>) {
    let (rule, _) = read_rule(rule).unwrap();
    let range = WallRange {
        from: wall(from),
        to: wall(to),
    };
    let until = rule.until.as_ref().map(EventTime::wall);
    let (found, problem) = expand(
        &rule,
        wall(start),
        until,
        range,
        &mut Budget::default(),
        usize::MAX,
    );
    (
        found
            .iter()
            .map(|d| d.strftime("%Y-%m-%d %H:%M").to_string())
            .collect(),
        problem,
    )
}

#[test]
fn a_late_window_gives_the_same_as_walking_there() {
    let start = "2001-03-05T09:00:00";
    for rule in [
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=DAILY;INTERVAL=7;COUNT=1400",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH,SU;WKST=SU",
        "FREQ=WEEKLY;INTERVAL=5;BYDAY=SU,MO;WKST=MO",
        "FREQ=MONTHLY;INTERVAL=5;BYDAY=-1FR",
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=YEARLY;INTERVAL=3;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=HOURLY;INTERVAL=11;BYDAY=MO",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=310",
    ] {
        let far = days(rule, start, "2026-01-01T00:00:00", "2028-12-31T00:00:00").0;
        let all = days(rule, start, start, "2028-12-31T00:00:00").0;
        let wanted: Vec<String> = all
            .into_iter()
            .filter(|day| day.as_str() >= "2026-01-01 00:00")
            .collect();
        assert_eq!(far, wanted, "{rule}");
        assert!(!far.is_empty() || rule.contains("COUNT"), "{rule}");
    }
}

#[test]
fn forbidden_combinations_get_a_meaning_and_a_note() {
    for (rule, count) in [
        // The 15th, when it is a Monday.
        ("FREQ=WEEKLY;BYMONTHDAY=15;BYDAY=MO", 1),
        ("FREQ=WEEKLY;BYDAY=1MO", 52),
        ("freq=weekly;byday=+0mo", 52),
        ("FREQ=MONTHLY;BYWEEKNO=20", 12),
        ("FREQ=DAILY;X-WHATEVER=1;COUNT=-1", 360),
        ("FREQ=WEEKLY\\;COUNT=3", 3),
    ] {
        let (found, problem) = days(
            rule,
            "2026-01-05T09:00:00",
            "2026-01-05T00:00:00",
            "2026-12-31T00:00:00",
        );
        assert_eq!((found.len(), problem), (count, None), "{rule}");
    }
}

#[test]
fn unusable_rules_say_why() {
    for (rule, why) in [
        ("", "FREQ"),
        ("FREQ=FORTNIGHTLY", "FREQ"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL"),
        ("FREQ=DAILY;COUNT=many", "COUNT"),
        ("FREQ=DAILY;UNTIL=soon", "UNTIL"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY=32"),
        ("FREQ=WEEKLY;BYDAY=M\u{e9}", "BYDAY"),
        ("FREQ=WEEKLY;BYDAY=\u{e9}1", "BYDAY"),
        ("RSCALE=CHINESE;FREQ=YEARLY", "RSCALE"),
    ] {
        let error = read_rule(rule).unwrap_err();
        assert!(error.contains(why), "{rule}: {error}");
    }
}

#[test]
fn the_fifth_last_day_of_a_month_is_the_first_of_five() {
    // March, May, August and November of 2026 have five Sundays.
    let start = "2026-01-01T09:00:00";
    let (from, to) = ("2026-01-01T00:00:00", "2027-01-01T00:00:00");
    for (rule, expected) in [
        (
            "FREQ=MONTHLY;BYDAY=-5SU",
            &["2026-03-01", "2026-05-03", "2026-08-02", "2026-11-01"][..],
        ),
        (
            "FREQ=MONTHLY;BYDAY=-5SU;COUNT=2",
            &["2026-03-01", "2026-05-03"],
        ),
        (
            "FREQ=MONTHLY;BYDAY=-5SU,-1SU;COUNT=4",
            &["2026-01-25", "2026-02-22", "2026-03-01", "2026-03-29"],
        ),
        (
            "FREQ=MONTHLY;INTERVAL=2;BYDAY=-5SU,1SU;BYMONTH=1,3,6",
            &["2026-01-04", "2026-03-01"],
        ),
    ] {
        let (found, problem) = days(rule, start, from, to);
        let found: Vec<&str> = found.iter().filter_map(|at| at.get(..10)).collect();
        assert_eq!((&found[..], problem), (expected, None), "{rule}");
    }
}

#[test]
fn days_with_and_without_an_ordinal_stand_side_by_side() {
    let start = "2026-01-01T09:00:00";
    let (from, to) = ("2026-01-01T00:00:00", "2027-01-01T00:00:00");
    for (rule, expected) in [
        (
            "FREQ=MONTHLY;BYDAY=SU,1MO;COUNT=6",
            &[
                "2026-01-04",
                "2026-01-05",
                "2026-01-11",
                "2026-01-18",
                "2026-01-25",
                "2026-02-01",
            ][..],
        ),
        (
            "FREQ=MONTHLY;BYDAY=SU,1MO;BYSETPOS=2;COUNT=2",
            &["2026-01-05", "2026-02-02"],
        ),
        (
            "FREQ=YEARLY;BYMONTH=2;BYDAY=SU,-1MO",
            &[
                "2026-02-01",
                "2026-02-08",
                "2026-02-15",
                "2026-02-22",
                "2026-02-23",
            ],
        ),
        (
            "FREQ=YEARLY;BYDAY=20MO,WE;COUNT=21",
            &["2026-05-18", "2026-05-20"],
        ),
    ] {
        let (found, problem) = days(rule, start, from, to);
        let found: Vec<&str> = found.iter().filter_map(|at| at.get(..10)).collect();
        let last = found.len().saturating_sub(expected.len());
        assert_eq!((&found[last..], problem), (expected, None), "{rule}");
    }
}
