//! The commands as people type them and as programs read them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;
use std::thread;
use std::time::Duration;

use liaison_tests::ask::text_at;
use liaison_tests::chance::Chance;
use liaison_tests::daemon::{Daemon, DaemonOptions, cli, cli_json};
use liaison_tests::firm::{ALICE, Firm, SALES};
use liaison_tests::mail::{Mail, cast};
use liaison_tests::maildir::Maildir;
use liaison_tests::wait::never_within;
use serde_json::{Value, json};

/// What `inspect` prints of every message, whatever its bytes.
const MESSAGE_KEYS: [&str; 16] = [
    "from",
    "to",
    "cc",
    "reply_to",
    "subject",
    "message_id",
    "in_reply_to",
    "references",
    "date",
    "class",
    "text",
    "reply",
    "quoted",
    "signature",
    "attachments",
    "problems",
];

const CLASSES: [&str; 8] = [
    "human",
    "auto_reply",
    "ooo",
    "bounce",
    "list",
    "bulk",
    "auto_generated",
    "calendar",
];

fn said(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn inspected(options: &DaemonOptions, name: &str, bytes: &[u8], more: &[&str]) -> Value {
    let file = options.logs.join(name);
    fs::write(&file, bytes).unwrap();
    let file = file.display().to_string();
    let mut words = vec!["inspect", &file, "--json"];
    words.extend(more);
    let output = cli(options, words);
    assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Bytes that no mail program would write.
fn unkind_bytes() -> Vec<(String, Vec<u8>)> {
    let mut chance = Chance::from_env();
    let mut noise = |len: usize| -> Vec<u8> { (0..len).map(|_| chance.draw() as u8).collect() };
    let nested = |depth: usize| {
        let part = |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n");
        (0..depth).map(part).collect::<String>().into_bytes()
    };
    let mut table = vec![
        ("empty", Vec::new()),
        ("nul", vec![0]),
        ("newline", b"\n".to_vec()),
        ("colon", b":".to_vec()),
        ("header-only", b"Subject: x".to_vec()),
        ("no-address", b"From: <>\nTo: ;,\n\nx".to_vec()),
        (
            "eight-bit",
            b"Subject: \xff\xfe\nFrom: \xe9@\xe9\n\n\x80".to_vec(),
        ),
        ("long-line", vec![b'a'; 8 << 20]),
        ("many-headers", b"X-A: b\r\n".repeat(50_000)),
        (
            "many-recipients",
            [b"To: ".to_vec(), b"a@example.com, ".repeat(20_000)].concat(),
        ),
        ("nested", nested(2_000)),
        (
            "bad-base64",
            b"Content-Transfer-Encoding: base64\n\n\xff!!==".to_vec(),
        ),
        (
            "bad-charset",
            b"Content-Type: text/plain; charset=nonsense\n\n\xff".to_vec(),
        ),
        ("cut", cast::nda_with_document(1).build()[..700].to_vec()),
        (
            "html",
            [
                b"Content-Type: text/html\n\n".to_vec(),
                b"<div>".repeat(50_000),
            ]
            .concat(),
        ),
    ];
    table.extend([
        ("noise-a", noise(64)),
        ("noise-b", noise(4 << 10)),
        ("noise-c", noise(1 << 20)),
    ]);
    table
        .into_iter()
        .map(|(name, bytes)| (format!("{name}.eml"), bytes))
        .collect()
}

#[test]
fn inspect_tells_something_of_any_bytes() {
    let firm = Firm::new();
    let options = firm.options();
    for (name, bytes) in unkind_bytes() {
        let seen = inspected(&options, &name, &bytes, &[]);
        for key in MESSAGE_KEYS {
            assert!(seen.get(key).is_some(), "{name}: no `{key}` in {seen:#}");
        }
        for key in [
            "from",
            "to",
            "cc",
            "reply_to",
            "references",
            "attachments",
            "problems",
        ] {
            assert!(seen[key].is_array(), "{name}: {key} is {}", seen[key]);
        }
        let class = seen["class"].as_str().unwrap();
        assert!(CLASSES.contains(&class), "{name}: {class}");
    }
}

#[test]
fn inspect_sees_what_a_message_is() {
    let firm = Firm::new();
    let options = firm.options();
    let cases = [
        ("enquiry", cast::enquiry(1), "human"),
        ("newsletter", cast::newsletter(1), "bulk"),
        ("ooo", cast::out_of_office(1, "a@example.test"), "ooo"),
        (
            "bounce",
            cast::bounce(1, "a@example.test", "b@example.com"),
            "bounce",
        ),
        ("nda", cast::nda_with_document(1), "human"),
    ];
    for (name, mail, class) in cases {
        let seen = inspected(&options, &format!("{name}.eml"), &mail.build(), &[]);
        assert_eq!(seen["class"], class, "{name}: {seen:#}");
        let of_document = usize::from(name == "nda");
        let attachments = seen["attachments"].as_array().unwrap();
        if class == "human" {
            assert_eq!(attachments.len(), of_document, "{name}: {seen:#}");
        }
    }
    let reply = cast::customer_reply(1, "ours@example.test").build();
    let seen = inspected(&options, "reply.eml", &reply, &[]);
    assert!(text_at(&seen, "/reply").contains("the first one suits us well"));
    assert!(text_at(&seen, "/quoted").contains("Two times would suit me"));
    assert!(!text_at(&seen, "/reply").contains("Which one is better"));
    let references = json!(["enquiry-1@example.com", "ours@example.test"]);
    assert_eq!(seen["references"], references);

    // Text from outside cannot steer a terminal.
    let nasty = Mail::new(
        "Eve <eve@example.com>",
        cast::ALICE,
        "\u{1b}[2J\u{202e}gone",
    )
    .build();
    fs::write(firm.dir().join("nasty.eml"), nasty).unwrap();
    let output = cli(
        &options,
        [
            "inspect",
            &firm.dir().join("nasty.eml").display().to_string(),
        ],
    );
    assert!(!String::from_utf8_lossy(&output.stdout).contains(['\u{1b}', '\u{202e}']));
}

/// Weekly at 09:00 in Berlin over the end of summer time; one instance moved, one called off.
const WEEKLY: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example.test//EN\r\n\
    BEGIN:VEVENT\r\nUID:weekly@example.test\r\nDTSTAMP:20261001T080000Z\r\n\
    DTSTART;TZID=Europe/Berlin:20261014T090000\r\nDTEND;TZID=Europe/Berlin:20261014T100000\r\n\
    RRULE:FREQ=WEEKLY;COUNT=5\r\nEXDATE;TZID=Europe/Berlin:20261104T090000\r\n\
    SUMMARY:Weekly\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nUID:weekly@example.test\r\nDTSTAMP:20261001T080000Z\r\n\
    RECURRENCE-ID;TZID=Europe/Berlin:20261028T090000\r\n\
    DTSTART;TZID=Europe/Berlin:20261028T140000\r\nDTEND;TZID=Europe/Berlin:20261028T150000\r\n\
    SUMMARY:Weekly\\, moved\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nUID:day@example.test\r\nDTSTAMP:20261001T080000Z\r\n\
    DTSTART;VALUE=DATE:20261022\r\nSUMMARY:Holiday\r\nSTATUS:CONFIRMED\r\nEND:VEVENT\r\n\
    END:VCALENDAR\r\n";

#[test]
fn inspect_expands_a_calendar_in_its_window() {
    let firm = Firm::new();
    let options = firm.options();
    let window = [
        "--from",
        "2026-10-15T00:00:00Z",
        "--to",
        "2026-11-12T00:00:00Z",
    ];
    let seen = inspected(&options, "weekly.ics", WEEKLY.as_bytes(), &window);
    assert_eq!(seen["problems"], json!([]), "{seen:#}");
    let told: Vec<_> = seen["instances"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                text_at(one, "/uid"),
                text_at(one, "/start"),
                text_at(one, "/summary"),
            )
        })
        .collect();
    let weekly = "weekly@example.test";
    assert_eq!(
        told,
        [
            (weekly, "2026-10-21T07:00:00Z", "Weekly"),
            ("day@example.test", "2026-10-22T00:00:00Z", "Holiday"),
            (weekly, "2026-10-28T13:00:00Z", "Weekly, moved"),
            (weekly, "2026-11-11T08:00:00Z", "Weekly"),
        ]
    );
    for one in seen["instances"].as_array().unwrap() {
        for key in [
            "uid",
            "recurrence_id",
            "start",
            "end",
            "all_day",
            "summary",
            "status",
        ] {
            assert!(one.get(key).is_some(), "no `{key}` in {one:#}");
        }
        assert_eq!(one["all_day"], one["uid"] == "day@example.test");
    }

    let broken = WEEKLY.replace("END:VEVENT", "END:VTODO").into_bytes();
    for (name, bytes) in [
        ("broken.ics", broken),
        ("empty.ics", Vec::new()),
        ("noise.ics", vec![0xff; 4_096]),
        ("endless.ics", b"BEGIN:VEVENT\r\n".repeat(20_000)),
    ] {
        let seen = inspected(&options, name, &bytes, &window);
        assert!(seen["instances"].is_array(), "{name}: {seen:#}");
        let problems = seen["problems"].as_array().unwrap();
        assert!(!problems.is_empty(), "{name} is in order?");
    }
}

#[test]
fn accounts_are_imported_line_by_line_and_found_again() {
    let firm = Firm::new();
    let options = firm.options();
    let csv = firm.dir().join("accounts.csv");
    fs::write(
        &csv,
        "name,external_id,domains,contact_name,contact_email\n\
         North Logistics,n1,north.example,Nora North,nora@north.example\n\
         Broken Line,b1,not a domain at all,Bo,bo@broken.example\n\
         West Trading,w1,shared.example,,\n\
         East Trading,e1,shared.example,,\n",
    )
    .unwrap();
    let csv = csv.display().to_string();
    let output = cli(&options, ["accounts", "import", &csv, "--json"]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["created"], 3, "{report:#}");
    assert_eq!(report["rejected"].as_array().unwrap().len(), 1);
    assert_eq!(report["rejected"][0]["line"], 3, "{report:#}");
    assert_eq!(report["rejected"][0]["column"], "domains");
    let again = cli(&options, ["accounts", "import", &csv, "--json"]);
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(
        (&again["created"], &again["unchanged"]),
        (&json!(0), &json!(3))
    );

    let newsletter = firm.dir().join("newsletter.eml");
    fs::write(&newsletter, cast::newsletter(1).build()).unwrap();
    let newsletter = newsletter.display().to_string();
    let cases = [
        ("nora@north.example", "account", Some("North Logistics")),
        ("new@sub.north.example", "account", Some("North Logistics")),
        ("somebody@shared.example", "ambiguous", None),
        ("nobody@elsewhere.example", "unknown", None),
        ("stranger@example.com", "unknown", None),
        ("alice@example.test", "own", None),
        (newsletter.as_str(), "automatic", None),
    ];
    for (who, outcome, account) in cases {
        let told = cli_json(&options, ["match", who]);
        assert_eq!(told["outcome"], outcome, "{who}: {told:#}");
        assert_eq!(told["account"]["name"].as_str(), account, "{who}: {told:#}");
        for key in ["account", "contact", "confidence", "evidence"] {
            assert!(told.get(key).is_some(), "{who}: no `{key}` in {told:#}");
        }
        let evidence = told["evidence"].as_array().unwrap();
        assert!(!evidence.is_empty(), "{who}: {told:#}");
    }
    let nora = cli_json(&options, ["match", "nora@north.example"]);
    assert_eq!(nora["contact"]["name"], "Nora North", "{nora:#}");
    let wrong = cli(&options, ["match", "no address"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
}

#[test]
fn contacts_go_in_and_out_with_and_without_a_daemon() {
    let firm = Firm::new();
    let options = firm.options();
    let file = |name: &str| firm.dir().join(name).display().to_string();
    let mut csv = "account.name,name,emails,external_id\n".to_owned();
    for number in 0..1_200 {
        let account = number / 4;
        csv.push_str(&format!(
            "Customer {account},Person {number},p{number}@customer{account}.example,c{number}\n"
        ));
    }
    csv.push_str("Customer 1,Nobody,no address,bad\n");
    fs::write(file("contacts.csv"), csv).unwrap();
    let import = |from: &str| {
        let rejects = file("rejects.csv");
        cli(
            &options,
            [
                "contacts",
                "import",
                &file(from),
                "--rejects",
                &rejects,
                "--json",
            ],
        )
    };
    let output = import("contacts.csv");
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["created"], 1_200, "{report:#}");
    assert_eq!(report["kinds"]["accounts"]["created"], 300, "{report:#}");
    assert_eq!(report["rejected"][0]["line"], 1_202);
    let rejects = fs::read_to_string(file("rejects.csv")).unwrap();
    assert!(rejects.contains("1202,emails,no address,"), "{rejects}");
    assert!(
        rejects.contains("\"Customer 1,Nobody,no address,bad\""),
        "{rejects}"
    );

    let output = cli(&options, ["contacts", "export", &file("out.csv")]);
    assert!(output.status.success(), "{}", said(&output));
    let before = fs::read_to_string(file("out.csv")).unwrap();
    assert_eq!(before.lines().count(), 1_201);

    // A daemon answers: the same commands go over its socket.
    let mut daemon = firm.start();
    daemon.wait_ready();
    let again = import("out.csv");
    assert!(again.status.success(), "{}", said(&again));
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(
        (&again["unchanged"], &again["changed"]),
        (&json!(1_200), &json!("nothing"))
    );
    for name in ["out2.csv", "out.vcf", "out.json"] {
        let output = cli(&options, ["contacts", "export", &file(name)]);
        assert!(output.status.success(), "{name}: {}", said(&output));
    }
    assert_eq!(fs::read_to_string(file("out2.csv")).unwrap(), before);
    let cards = fs::read_to_string(file("out.vcf")).unwrap();
    assert_eq!(cards.matches("BEGIN:VCARD").count(), 1_200);
    let output = import("out.vcf");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["unchanged"], 1_200, "{report:#}");
    let wrong = cli(
        &options,
        ["contacts", "import", "x.csv", "--preset", "salesfroce"],
    );
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        said(&wrong).contains("did you mean salesforce?"),
        "{}",
        said(&wrong)
    );
}

/// Whose it is cannot be said: it is asked once, answered once, and known from then on.
#[test]
fn a_sender_of_two_accounts_is_reviewed_and_known_from_then_on() {
    let mut firm = Firm::new();
    let mail = firm.maildir(None);
    let daemon = firm.start();
    daemon.watched(SALES, 2);
    for name in ["West Trading", "East Trading"] {
        daemon.cli_json(["accounts", "add", name, "--domain", "shared.example"]);
    }
    let from = |id: &str| {
        Mail::new("Bo Buyer <bo@shared.example>", ALICE, "A question")
            .body("Could you call me?")
            .message_id(id)
            .build()
    };
    mail.deliver(&from("one@shared.example"));
    daemon.settled("one@shared.example");
    let review = daemon.row(&["review", "list"], "the review", |row| {
        row["state"] == "open"
    });
    assert_eq!(review["address"], "bo@shared.example", "{review:#}");
    assert_eq!(review["candidates"].as_array().unwrap().len(), 2);
    let status = daemon.cli(["status"]);
    assert_eq!(status.status.code(), Some(4), "{}", said(&status));
    assert!(said(&status).contains("review list"), "{}", said(&status));
    let id = text_at(&review, "/id");
    let shown = said(&daemon.cli(["review", "show", id.get(..6).unwrap()]));
    assert!(shown.contains("it may be East Trading"), "{shown}");

    let told = daemon.cli_json(["review", "resolve", id.get(..6).unwrap(), "West Trading"]);
    assert_eq!(
        text_at(&told, "/undo"),
        format!("liaison review reopen {id}")
    );
    mail.deliver(&from("two@shared.example"));
    daemon.settled("two@shared.example");
    assert_eq!(daemon.rows(&["timeline", "West Trading"]).len(), 2);
    let known = daemon.cli_json(["match", "bo@shared.example"]);
    assert_eq!(known["account"]["name"], "West Trading", "{known:#}");
    assert_eq!(known["evidence"][0]["kind"], "decided", "{known:#}");
    assert_eq!(daemon.rows(&["review", "list"]).len(), 0);
    let other = daemon.cli_json(["match", "other@shared.example"]);
    assert_eq!(other["outcome"], "ambiguous", "{other:#}");

    daemon.cli_json(["review", "reopen", id]);
    let open = daemon.cli_json(["match", "bo@shared.example"]);
    assert_eq!(open["outcome"], "ambiguous", "{open:#}");
    assert_eq!(open["review"], review["id"], "{open:#}");
}

/// What a colleague passed on is about whom it came from, and says how sure that is.
#[test]
fn a_forwarded_message_is_matched_to_whom_it_came_from() {
    let firm = Firm::new();
    let options = firm.options();
    cli_json(
        &options,
        [
            "accounts",
            "add",
            "North Logistics",
            "--domain",
            "north.example",
        ],
    );
    let file = firm.dir().join("forwarded.eml");
    let original = Mail::new("Nora North <nora@north.example>", ALICE, "Hello")
        .body("Hello")
        .build();
    let forwarded = Mail::new(ALICE, ALICE, "Fwd: Hello")
        .body("see below")
        .attach("hello.eml", "message/rfc822", &original)
        .build();
    fs::write(&file, forwarded).unwrap();
    let told = cli_json(&options, ["match", &file.display().to_string()]);
    assert_eq!(told["account"]["name"], "North Logistics", "{told:#}");
    assert_eq!(told["address"], "nora@north.example", "{told:#}");
    assert_eq!(told["evidence"][0]["kind"], "forwarded", "{told:#}");
    assert_eq!(
        (&told["confidence"], &told["firm"]),
        (&json!(60), &json!(false))
    );
}

/// A firm over files with agreements asked for, each answered as `mode` says.
fn desk(mode: &str) -> (Firm, Maildir, Maildir, Daemon) {
    let mut firm = Firm::new();
    let outgoing = firm.files("files");
    let mail = firm.maildir(Some("files"));
    firm.plugins(&["nda-desk"], mode);
    let daemon = firm.start();
    daemon.watched(SALES, 2);
    (firm, mail, outgoing, daemon)
}

#[test]
fn panic_stops_what_would_leave_and_off_lets_it_go() {
    let (_firm, mail, outgoing, daemon) = desk("send");
    let on = daemon.cli_json(["panic", "on", "--why", "a test"]);
    assert_eq!(text_at(&on, "/undo"), "liaison panic off");
    mail.deliver(&cast::nda_request(1).build());
    daemon.settled("nda-1@example.net");
    let left = || (!outgoing.list("").is_empty()).then_some(());
    assert_eq!(never_within(Duration::from_secs(1), left), Ok(()));
    let waiting = daemon.rows(&["outbox", "list", "--state", "scheduled"]);
    assert_eq!(waiting.len(), 1, "{waiting:#?}");
    let status = daemon.cli(["status"]);
    assert_eq!(status.status.code(), Some(4));
    assert!(said(&status).contains("a test"), "{}", said(&status));

    daemon.cli_json(["panic", "off"]);
    daemon.eventually("the mail left", left);
    daemon.row(&["outbox", "list"], "it is sent", |mail| {
        mail["state"] == "sent"
    });
}

#[test]
fn an_edited_mail_leaves_once_with_the_words_of_the_person_and_what_was_attached() {
    let (firm, mail, outgoing, daemon) = desk("approve");
    mail.deliver(&cast::nda_request(1).build());
    let held = daemon.row(&["outbox", "list"], "the answer waits for a yes", |mail| {
        mail["state"] == "held"
    });
    let id = text_at(&held, "/id");
    let shown = daemon.cli_json(["outbox", "show", id]);
    let attached = shown["content"]["attachments"].clone();
    let (subject, text) = (
        text_at(&shown, "/edit/subject"),
        text_at(&shown, "/edit/text"),
    );
    let file = firm.dir().join("words.txt");
    let path = file.display().to_string();
    let edit = |subject: &str, text: &str, more: &[&str]| {
        fs::write(&file, format!("Subject: {subject}\n\n{text}")).unwrap();
        daemon.cli([&["outbox", "edit", id, "--file", &path], more].concat())
    };
    let same = edit(subject, text, &[]);
    assert!(
        said(&same).contains("Nothing was changed"),
        "{}",
        said(&same)
    );
    let unfinished = edit(subject, "Dear {{name}},\n", &["--yes"]);
    assert_eq!(unfinished.status.code(), Some(2), "{}", said(&unfinished));
    // Nobody is there to be asked.
    let unasked = edit(subject, "Dear Olga,\n", &[]);
    assert_eq!(unasked.status.code(), Some(2), "{}", said(&unasked));
    let words = format!("Dear Olga,\n\n{text}");
    let done = edit(
        &format!("{subject}, today"),
        &words,
        &["--yes", "--why", "warmer"],
    );
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert!(said(&done).contains("+Dear Olga,"), "{}", said(&done));
    let late = daemon.cli(["outbox", "approve", id]);
    assert_eq!(late.status.code(), Some(1), "{}", said(&late));

    let yes = ["outbox", "approve", "--plugin", "nda-desk"];
    let unasked = daemon.cli(yes);
    assert_eq!(unasked.status.code(), Some(2), "{}", said(&unasked));
    let looked = daemon.cli([&yes[..], &["--dry-run"]].concat());
    assert!(said(&looked).contains("To approve: 1"), "{}", said(&looked));
    let done = daemon.cli([&yes[..], &["--yes"]].concat());
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    daemon.row(&["outbox", "list"], "it is sent", |mail| {
        mail["state"] == "sent"
    });
    let left = outgoing.list("");
    assert_eq!(left.len(), 1);
    let subject = left[0].header("Subject").unwrap_or_default();
    assert!(subject.ends_with(", today"), "{subject}");
    let sent = daemon.row(&["outbox", "list"], "it is sent", |mail| {
        mail["state"] == "sent"
    });
    let shown = daemon.cli_json(["outbox", "show", text_at(&sent, "/id")]);
    assert_eq!(shown["content"]["attachments"], attached);
    assert!(
        text_at(&shown, "/content/text").starts_with("Dear Olga,"),
        "{shown:#}"
    );
}

#[test]
fn a_held_mail_leaves_after_one_yes_and_never_after_a_no() {
    let (_firm, mail, outgoing, mut daemon) = desk("approve");
    for n in 1..=3 {
        mail.deliver(&cast::nda_request(n).build());
    }
    let held = daemon.eventually("three mails are held", || {
        let held = daemon.rows(&["outbox", "list", "--state", "held"]);
        (held.len() == 3).then_some(held)
    });
    let to = |who: &str| {
        let mail = held.iter().find(|mail| mail["recipient"] == who);
        text_at(mail.unwrap(), "/id").to_owned()
    };
    let (yes, no, both) = (
        to("olga1@example.net"),
        to("olga2@example.net"),
        to("olga3@example.net"),
    );

    daemon.cli_json(["outbox", "approve", &yes, "--why", "fits"]);
    daemon.eventually("the mail left", || {
        (outgoing.list("").len() == 1).then_some(())
    });
    let late = daemon.cli(["outbox", "reject", &yes]);
    assert_eq!(late.status.code(), Some(1), "{}", said(&late));
    assert!(said(&late).contains("decided"), "{}", said(&late));

    daemon.cli_json(["outbox", "reject", &no, "--why", "a competitor"]);
    let late = daemon.cli(["outbox", "approve", &no]);
    assert_eq!(late.status.code(), Some(1), "{}", said(&late));

    // Two people at the same time: one of them decides.
    let decide = || daemon.cli(["outbox", "approve", &both]).status.code();
    let codes = thread::scope(|scope| {
        let (one, two) = (scope.spawn(decide), scope.spawn(decide));
        BTreeSet::from([one.join().unwrap(), two.join().unwrap()])
    });
    assert_eq!(codes, BTreeSet::from([Some(0), Some(1)]));
    daemon.eventually("the mail left", || {
        (outgoing.list("").len() == 2).then_some(())
    });

    let shown = daemon.cli_json(["outbox", "show", &no]);
    assert_eq!(shown["mail"]["state"], "rejected");
    assert!(
        shown["audit"].to_string().contains("a competitor"),
        "{shown:#}"
    );
    let gone: BTreeSet<_> = outgoing
        .list("")
        .iter()
        .filter_map(|m| m.header("To"))
        .collect();
    assert!(!gone.iter().any(|to| to.contains("olga2")), "{gone:?}");

    // The same answers without a daemon.
    let with = daemon.rows(&["outbox", "list"]);
    daemon.terminate();
    assert_eq!(daemon.rows(&["outbox", "list"]), with);
    assert_eq!(daemon.cli_json(["status"])["running"], false);
}

#[test]
fn exit_codes_tell_programs_what_happened() {
    let (firm, _mail, _outgoing, daemon) = desk("draft");
    // The same store, and a socket where nobody listens.
    let text = fs::read_to_string(firm.config()).unwrap();
    let elsewhere = firm.dir().join("elsewhere.toml");
    fs::write(&elsewhere, format!("socket = \"nobody.sock\"\n{text}")).unwrap();
    let elsewhere = elsewhere.display().to_string();
    let cases: [(&[&str], i32); 12] = [
        (&["status"], 0),
        (&["--version"], 0),
        (&["why", "nothing@example.com"], 1),
        (&["outbox", "approve", "000000"], 1),
        (&["frobnicate"], 2),
        (&["inspect", "x.eml", "--to", "2026-01-01"], 2),
        (&["--config", "/nowhere/liaison.toml", "status"], 3),
        (&["--config", &elsewhere, "status"], 5),
        (&["cases", "frobs", "list"], 2),
        (&["outbox", "list", "--state", "helt"], 2),
        (&["reload"], 0),
        (&["--config", &elsewhere, "reload"], 5),
    ];
    for (words, code) in cases {
        // Clap takes the last of two, so that a case may name its own file.
        let mut command = std::process::Command::new(liaison_tests::daemon::binary());
        if !words.contains(&"--config") {
            command.arg("--config").arg(firm.config());
        }
        let output = command.args(words).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{words:?}: {}",
            said(&output)
        );
        if code != 0 {
            assert!(!output.stderr.is_empty(), "{words:?} says nothing");
        }
    }
    drop(daemon);

    // For programs, a failure is JSON, too, and nothing else.
    let options = firm.options();
    for (words, code, word) in [
        (["reload", "--json"], 5, "not_running"),
        (["frobnicate", "--json"], 2, "arguments"),
    ] {
        let output = cli(&options, words);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(output.stdout.is_empty(), "{}", said(&output));
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["code"], word, "{error:#}");
        assert_eq!(error["error"]["exit_code"], code, "{error:#}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for words in [["--help"].as_slice(), &["outbox", "--help"], &["--version"]] {
        let mut command = std::process::Command::new(liaison_tests::daemon::binary());
        command.args(words).stdout(std::process::Stdio::piped());
        let mut child = command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{words:?}: {}",
            said(&output)
        );
        assert!(output.stderr.is_empty(), "{words:?}: {}", said(&output));
    }
}

#[test]
fn times_are_told_in_the_firms_zone_and_to_programs_in_utc() {
    let (_firm, mail, _outgoing, daemon) = desk("approve");
    mail.deliver(&cast::nda_request(1).build());
    let held = daemon.eventually("a mail is held", || {
        daemon.rows(&["outbox", "list", "--state", "held"]).pop()
    });
    assert!(text_at(&held, "/since").ends_with('Z'), "{held:#}");
    let text = daemon.cli(["outbox", "show", text_at(&held, "/id")]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let since = text
        .lines()
        .find(|line| line.starts_with("Since:"))
        .unwrap();
    let zone = since.rsplit(' ').next().unwrap();
    assert!(zone == "UTC" || zone.starts_with(['+', '-']), "{since}");
}
