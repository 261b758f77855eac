use clap::{CommandFactory, Parser};
use jiff::tz::TimeZone;
use serde_json::json;

use super::*;

#[test]
fn every_command_of_the_issue_is_understood() {
    Cli::command().debug_assert();
    for line in [
        "demo --dir /tmp/x --stay",
        "run --config liaison.toml",
        "check --online",
        "status --json",
        "panic on --why drill",
        "match someone@example.com --json",
        "inspect F.eml",
        "inspect F.ics --from 2026-03-02 --to 2026-03-03T00:00:00Z --zone Europe/Berlin",
        "why <a@example.com>",
        "accounts list",
        "accounts show acme",
        "accounts add Acme --domain acme.example.com --do-not-contact yes",
        "accounts import F.csv --dry-run",
        "cases lead list",
        "cases lead show abcdef",
        "cases lead list state=New heat!=hot --fields title,state --sort created",
        "cases lead add title=Pier --why called",
        "cases lead set abcdef state=Qualified --revision 2 --force --why called",
        "cases lead history abcdef",
        "cases lead fields",
        "tasks list --all",
        "tasks list due<2026-03-04T00:00:00Z --sort due",
        "tasks show abcdef",
        "tasks add title=Call owner=alice@example.com",
        "tasks set abcdef state=declined --why late",
        "tasks done abcdef --reopen",
        "tasks history abcdef",
        "tasks fields",
        "timeline acme",
        "report",
        "report silent --days 9 --csv",
        "report whitespace --account acme --json",
        "report sign-off --account acme --amount 5,000",
        "addresses list --all",
        "addresses show bob@example.com",
        "addresses allow @example.com --why asked",
        "unsubscribe take lu1.abc",
        "unsubscribe list --all",
        "unsubscribe allow bob@example.com --why called",
        "outbox list --state held --json",
        "outbox show abcdef",
        "explain-schedule abcdef --json",
        "free alice@example.com Bob --from 2026-03-02 --to 2026-03-06 --length 45 --with x@y.example",
        "outbox approve abcdef --why yes",
        "outbox reject abcdef",
        "outbox resolve abcdef not-sent --why asked",
        "outbox retry abcdef",
        "outbox cancel abcdef",
        "outbox reschedule abcdef --at 2026-03-02T09:00 --why later",
        "outbox reschedule abcdef --in 3d",
        "outbox edit abcdef",
        "outbox edit abcdef --file F.txt --yes --why price",
        "outbox approve --all-held --yes",
        "outbox reject --plugin follow-up --rule R03 --older-than 3d --dry-run",
        "outbox cancel --account acme --state scheduled --why left",
        "reload",
        "holds list",
        "holds show abcdef",
        "holds confirm abcdef --why phone",
        "holds extend abcdef --until 2026-03-02T09:00",
        "holds extend abcdef --hours 24 --alternatives",
        "holds release abcdef",
        "holds release abcdef --alternatives --why moved",
        "timers list",
        "backfill",
        "backfill sam --since 2026-01-31",
        "backfill sam --cancel",
        "plugin list",
        "plugin inspect follow-up",
        "plugin test follow-up --cases cases",
        "plugin parked --json",
        "plugin unpark follow-up",
        "plugin resume follow-up --why mended",
        "plugin accept follow-up",
    ] {
        let words = std::iter::once("liaison").chain(line.split(' '));
        assert!(Cli::try_parse_from(words).is_ok(), "{line}");
    }
    for line in [
        "",
        "nonsense",
        "panic maybe",
        "backfill sam",
        "backfill --cancel",
        "backfill sam --cancel --since 2026-01-31",
        "outbox approve",
        "outbox reschedule abcdef",
        "outbox approve abcdef --all-held",
        "outbox approve abcdef --yes",
        "outbox approve --yes",
        "outbox reject --all-held --dry-run --yes",
        "inspect F --to 2026-01-01",
    ] {
        let words = std::iter::once("liaison").chain(line.split_whitespace());
        let error = Cli::try_parse_from(words).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(USAGE), "{line}");
    }
}

#[test]
fn commands_become_arguments_that_the_api_knows() {
    let commands = [
        "status",
        "panic off",
        "match a@example.com",
        "why x",
        "accounts list",
        "accounts show x",
        "accounts add x",
        "cases all list",
        "cases lead show x",
        "cases lead add title=x",
        "cases lead set x title=y",
        "cases lead history x",
        "cases lead fields",
        "tasks list",
        "tasks show x",
        "tasks add title=x",
        "tasks set x title=y",
        "tasks history x",
        "tasks fields",
        "tasks done x",
        "timeline x",
        "addresses list",
        "addresses show x@example.com",
        "addresses allow x@example.com",
        "unsubscribe take x",
        "unsubscribe list",
        "unsubscribe allow x@example.com",
        "outbox list",
        "outbox show x",
        "explain-schedule x",
        "free x",
        "outbox approve x",
        "outbox reject x",
        "outbox resolve x sent",
        "outbox retry x",
        "outbox cancel x",
        "outbox reschedule x --in 3d",
        "reload",
        "plugin parked",
        "plugin unpark x",
        "plugin resume x",
        "holds list",
        "holds show x",
        "holds confirm x",
        "holds extend x --hours 2",
        "holds release x",
        "timers list",
        "backfill",
        "backfill sam --since 2026-01-31",
        "backfill sam --cancel",
    ];
    for line in commands {
        let words = std::iter::once("liaison").chain(line.split(' '));
        let asked = asked(Cli::try_parse_from(words).unwrap().command).unwrap();
        assert!(crate::api::role_of(asked.command).is_some(), "{line}");
    }
}

#[tokio::test]
async fn answers_of_all_commands_read_well() {
    let desk = crate::api::tests::desk();
    crate::api::tests::story(&desk).await;
    desk.ask(
        "accounts-add",
        json!({ "name": "Acme\u{1b}[2J", "domains": ["acme.example.com"] }),
    )
    .await
    .unwrap();
    let lead = json!({ "kind": "lead", "fields": [["title", "Pier"], ["heat", "hot"]] });
    let lead = desk.ask("cases-put", lead).await.unwrap();
    let task = json!({ "fields": [["title", "Call"]] });
    let task = desk.ask("tasks-put", task).await.unwrap();
    let (lead, task) = (lead["case"]["id"].as_str(), task["task"]["id"].as_str());
    let (lead, task) = (lead.unwrap(), task.unwrap());
    let wording = Wording {
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        config: Some("x.toml".to_owned()),
    };
    for (line, says) in [
        ("status", "1 held"),
        ("match x@acme.example.com", "is a domain of the account"),
        ("why cafe01", "they asked for a quote"),
        ("why aaaaaa", "Rule:"),
        ("accounts list", "acme.example.com"),
        ("accounts show acme.example.com", "created"),
        ("outbox list", "bob@example.net"),
        (
            "outbox show aaaaaa",
            "  liaison --config x.toml outbox approve aaaaaa1111",
        ),
        (
            "explain-schedule aaaaaa",
            "Leaves:     it waits for a person: `liaison --config x",
        ),
        ("explain-schedule aaaaaa", "hold: `Call with Bob` on "),
        ("holds list", "07:13:20 +01:00"),
        ("plugin parked", "nothing is set aside"),
        ("backfill", "no backfills"),
        ("cases all list", "Pier"),
        ("cases lead list heat=cold", "no cases"),
        ("cases lead fields", "New -> Qualified"),
        ("cases lead add title=Quay", "lead Quay (lead-"),
        ("cases lead show CASE", "heat: hot (set by a person)"),
        ("cases lead history CASE", "lead created: "),
        (
            "cases lead set CASE state=Qualified",
            "state: New -> Qualified",
        ),
        ("holds list", "Call with Bob"),
        ("holds show bbbbbb", "Offered in"),
        ("holds extend bbbbbb --hours 1", "Undo"),
        ("holds confirm bbbbbb", "it has no alternatives"),
        ("holds show bbbbbb", "Chosen by"),
        ("outbox reject aaaaaa", "Undo: cannot be undone"),
        ("timers list", "no answer yet"),
        ("tasks list state=done", "no tasks"),
        ("tasks add title=Write", "task `Write` (task-"),
        ("tasks list", "Call"),
        ("tasks show TASK", "open"),
        ("tasks fields", "declined -> open"),
        ("timeline acme.example.com", "0 entries"),
        ("accounts show acme.example.com", "none is recorded"),
        ("panic on", "Undo: liaison --config x.toml panic off"),
    ] {
        let line = &line.replace("CASE", lead).replace("TASK", task);
        let words = std::iter::once("liaison").chain(line.split(' '));
        let asked = asked(Cli::try_parse_from(words).unwrap().command).unwrap();
        let answer = desk
            .ask(asked.command, asked.arguments.clone())
            .await
            .unwrap();
        let done = finish(&asked, &answer, Some(&wording));
        assert!(done.text.contains(says), "{line}:\n{}", done.text);
        assert!(!done.text.contains('\u{1b}'), "{line}");
        let longest = done.text.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(120), "{line}:\n{}", done.text);
        let json = finish(&asked, &answer, None);
        assert_eq!(serde_json::from_str::<Value>(&json.text).unwrap(), answer);
        assert_eq!(
            json.code,
            if line == "status" { ATTENTION } else { 0 },
            "{line}"
        );
    }
}

#[tokio::test]
async fn the_list_of_reports_fits_and_names_what_each_heeds() {
    let desk = crate::api::tests::desk();
    let answer = desk.ask("reports", json!({})).await.unwrap();
    let text = report::listed(&answer);
    assert!(
        text.contains("\nsign-off\n") && text.contains("--account --amount"),
        "{text}"
    );
    assert!(
        text.contains("for N days") && text.contains("[--days]"),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
}

#[test]
fn what_was_given_to_a_report_reaches_it() {
    let line = "liaison report forecast --period 2026-Q1 --person alice@example.com --days 3";
    let Command::Report(args) = Cli::try_parse_from(line.split(' ')).unwrap().command else {
        panic!("a report");
    };
    let arguments = report::arguments("forecast", &args);
    assert_eq!(arguments["period"], "2026-Q1");
    assert_eq!(arguments["person"], "alice@example.com");
    assert_eq!(
        (&arguments["days"], &arguments["account"]),
        (&json!(3), &Value::Null)
    );
}

#[test]
fn any_bytes_are_inspected_and_shown_without_harm() {
    let mut noise: Vec<u8> = Vec::new();
    let mut state = 7_u32;
    for _ in 0..20_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.extend(state.to_be_bytes());
    }
    let hostile =
        b"Subject: \x1b]52;c;aGk=\x07\xe2\x80\xae\nFrom: a@example.com\n\n\x1b[2J\x9b".to_vec();
    for bytes in [
        Vec::new(),
        noise,
        hostile,
        vec![0; 4096],
        b"BEGIN:VCALENDAR\r\n".to_vec(),
    ] {
        for extension in [None, Some("eml"), Some("ICS")] {
            let value = inspect::inspect(&bytes, extension, None, &TimeZone::UTC);
            assert!(value["problems"].is_array());
            let text = inspect::text(&value);
            let harmful = |c: char| (c.is_control() && c != '\n') || c == '\u{202E}';
            assert!(!text.contains(harmful), "{extension:?}: {text:?}");
        }
    }
}

#[test]
fn calendars_are_known_by_extension_and_by_content() {
    let calendar = b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n";
    for (bytes, extension, is_calendar) in [
        (&calendar[..], None, true),
        (&calendar[..], Some("txt"), true),
        (&calendar[..], Some("eml"), false),
        (b"From: a@example.com\n\nhi", Some("ics"), true),
        (b"From: a@example.com\n\nhi", None, false),
    ] {
        let value = inspect::inspect(bytes, extension, None, &TimeZone::UTC);
        assert_eq!(
            value.get("instances").is_some(),
            is_calendar,
            "{extension:?}"
        );
    }
}

#[test]
fn a_failure_is_told_to_people_and_to_programs() {
    let failure = access::load(Path::new("/nowhere/liaison.toml")).unwrap_err();
    assert!(failure.told(false).starts_with("liaison: /nowhere"));
    let told: Value = serde_json::from_str(&failure.told(true)).unwrap();
    assert_eq!(told["error"]["code"], "configuration");
    assert_eq!(told["error"]["exit_code"], 3);
    assert!(
        told["error"]["message"]
            .as_str()
            .unwrap()
            .contains("--config")
    );
}

#[test]
fn a_reader_that_left_is_no_trouble() {
    struct Gone(io::ErrorKind);
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert!(print(Gone(io::ErrorKind::BrokenPipe), "text").is_ok());
    assert!(print(Gone(io::ErrorKind::StorageFull), "text").is_err());
}
