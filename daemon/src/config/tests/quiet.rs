//! Quiet hours, and files with holidays.

use liaison_core::time::Timestamp;

use super::*;

const ICS: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n\
    BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20200501\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:May Day\r\n\
    END:VEVENT\r\nEND:VCALENDAR\r\n";

/// Loads a configuration beside files with these contents.
fn load(section: &str, files: &[(&str, &[u8])]) -> Result<Config, ConfigErrors> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    std::fs::create_dir(folder.path().join("folder.ics")).unwrap();
    let file = folder.path().join("liaison.toml");
    std::fs::write(&file, format!("{BASE}{section}")).unwrap();
    Config::load(&file)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_file_of_holidays_closes_our_office_every_year() {
    let section = "[[holiday_file]]\nfile = \"de.ics\"\n";
    let config = load(section, &[("de.ics", ICS.as_bytes())]).unwrap();
    // 2028-05-01 is a Monday.
    let (slot, why) = config
        .firm
        .business
        .explain_next_slot(at("2028-05-01T08:00:00Z"));
    assert_eq!(slot, at("2028-05-02T07:00:00Z"));
    assert!(why.join(" ").contains("May Day"), "{why:?}");
    assert!(config.quiet.holidays.is_empty());
}

#[test]
fn holidays_of_a_region_are_for_recipients_there_and_ours_only_where_said() {
    for (more, ours) in [("", false), ("ours = true\n", true)] {
        let section =
            format!("[[holiday_file]]\nfile = \"de.ics\"\nzones = [\"Europe/Vienna\"]\n{more}");
        let config = load(&section, &[("de.ics", ICS.as_bytes())]).unwrap();
        let may_day = "2028-05-01".parse().unwrap();
        assert_eq!(config.firm.business.holiday(may_day).is_some(), ours);
        let vienna = &config.quiet.holidays["Europe/Vienna"];
        assert_eq!(vienna[&may_day], "May Day");
    }
}

/// So that `liaison reload` begins anew, and says so.
#[test]
fn other_holidays_in_the_same_file_are_a_change() {
    let section = "[[holiday_file]]\nfile = \"de.ics\"\nzones = [\"europe/vienna\"]\nours = true\n";
    let before = load(section, &[("de.ics", ICS.as_bytes())]).unwrap();
    assert!(before.quiet.holidays.contains_key("Europe/Vienna"));
    let other = ICS.replace("20200501", "20200502");
    let after = load(section, &[("de.ics", other.as_bytes())]).unwrap();
    let said = before.differences(&after);
    for part in ["firm: changed", "quiet_hours: changed"] {
        assert!(said.contains(&part.to_owned()), "{said:?}");
    }
}

#[test]
fn a_name_in_the_configuration_stays_and_a_holiday_may_stand_in_both() {
    let base = BASE.replace(
        "domains = [\"example.com\"]",
        "domains = [\"example.com\"]\nholidays = [{ date = \"2028-05-01\", name = \"Labour Day\" }]",
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("de.ics"), ICS).unwrap();
    let file = folder.path().join("liaison.toml");
    std::fs::write(
        &file,
        format!("{base}[[holiday_file]]\nfile = \"de.ics\"\n"),
    )
    .unwrap();
    let business = Config::load(&file).unwrap().firm.business;
    let name = |date: &str| business.holiday(date.parse().unwrap()).map(str::to_owned);
    assert_eq!(name("2028-05-01").as_deref(), Some("Labour Day"));
    assert_eq!(name("2029-05-01").as_deref(), Some("May Day"));
}

#[test]
fn a_file_of_holidays_that_cannot_be_used_is_named_with_what_to_do() {
    let large = vec![b'x'; liaison_core::calendar::gate::MAX_BYTES + 1];
    let meeting = ICS.replace(";VALUE=DATE:20200501", ":20200501T090000Z");
    let diary = ICS.replace("YEARLY", "DAILY");
    let files: [(&str, &[u8]); 5] = [
        ("large.ics", &large),
        ("meeting.ics", meeting.as_bytes()),
        ("broken.ics", b"\xff\xfe no calendar"),
        ("diary.ics", diary.as_bytes()),
        ("de.ics", ICS.as_bytes()),
    ];
    for (name, more, parts) in [
        (
            "none.ics",
            "",
            [
                "none.ics cannot be read",
                "an .ics file that this user can read",
            ],
        ),
        ("folder.ics", "", ["folder.ics is no file", "not read here"]),
        (
            "large.ics",
            "",
            ["has more than 2097152 bytes", "holidays only"],
        ),
        (
            "meeting.ics",
            "",
            ["no event of a whole day", "events of whole days"],
        ),
        (
            "broken.ics",
            "",
            ["no event of a whole day", "events of whole days"],
        ),
        (
            "diary.ics",
            "",
            ["has more than 5000 days", "holidays only"],
        ),
        (
            "de.ics",
            "zones = [\"Europe/Bonn\"]\n",
            ["`Europe/Bonn` is no IANA", "like Europe/Berlin"],
        ),
        (
            "de.ics",
            "url = \"https://example.com/x.ics\"\n",
            ["url", "file"],
        ),
    ] {
        let section = format!("[[holiday_file]]\nfile = \"{name}\"\n{more}");
        let said = load(&section, &files).unwrap_err().to_string();
        for part in parts {
            assert!(said.contains(part), "{name}: {part} is not in {said}");
        }
        assert!(said.contains("holiday_file"), "{said}");
    }
}

#[test]
fn quiet_hours_are_read_switched_off_or_refused() {
    let quiet = |lines: &str| {
        parse(&format!("{BASE}[quiet_hours]\n{lines}"))
            .unwrap()
            .quiet
    };
    assert_eq!(parse(BASE).unwrap().quiet, QuietHours::default());
    assert_eq!(quiet("night = \"20:00-08:00\"\n"), QuietHours::default());
    assert_eq!(
        quiet("night = \"none\"\nweekends = false\n"),
        QuietHours::none()
    );
    assert!(quiet("approved = true\n").approved);
    for night in ["20-8", "08:00-08:00", "never"] {
        let said = refused(&format!("{BASE}[quiet_hours]\nnight = \"{night}\"\n"));
        assert!(
            said.contains("20:00-08:00") && said.contains("quiet_hours"),
            "{said}"
        );
    }
    let before = parse(BASE).unwrap();
    let after = parse(&format!("{BASE}[quiet_hours]\nweekends = false\n")).unwrap();
    assert_eq!(before.differences(&after), ["quiet_hours: changed"]);
}
