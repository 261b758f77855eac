//! The records as people keep them: with the program, without a daemon and with one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use std::process::Output;

use liaison_tests::daemon::{Daemon, DaemonOptions, cli};
use liaison_tests::firm::Firm;
use serde_json::Value;

struct Desk {
    options: DaemonOptions,
}

impl Desk {
    fn said(&self, words: &[&str]) -> (i32, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = cli(&self.options, words);
        let text = [stdout, stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (status.code().unwrap(), text)
    }

    fn does(&self, words: &[&str]) -> String {
        let (code, text) = self.said(words);
        assert_eq!(code, 0, "{words:?}: {text}");
        text
    }

    fn refuses(&self, words: &[&str], why: &str) {
        let (code, text) = self.said(words);
        assert!(code != 0 && text.contains(why), "{words:?}: {code} {text}");
    }

    fn json(&self, words: &[&str]) -> Value {
        let text = self.does(&[words, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
    }

    fn names(&self, words: &[&str]) -> Vec<String> {
        let answer = self.json(words);
        let records = answer["records"].as_array().unwrap();
        records
            .iter()
            .map(|record| record["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn filled(desk: &Desk) {
    desk.does(&["accounts", "add", "Acme GmbH", "--domain", "acme.example"]);
    desk.does(&[
        "units",
        "add",
        "account=Acme GmbH",
        "name=IT",
        "function=it",
    ]);
    let bob = [
        "contacts",
        "add",
        "account=acme.example",
        "name=Bob",
        "emails=bob@acme.example",
        "unit=IT",
    ];
    desk.does(&bob);
    for (name, value) in [("Portal", "204,080"), ("Shop", "12.50")] {
        let fields = [format!("name={name}"), format!("value={value}")];
        let words = [
            "opportunities",
            "add",
            "account=Acme GmbH",
            &fields[0],
            &fields[1],
        ];
        desk.does(&words);
    }
}

#[test]
fn a_sale_is_recorded_found_moved_and_taken_back() {
    let firm = Firm::new();
    let desk = Desk {
        options: firm.options(),
    };
    filled(&desk);
    desk.does(&[
        "opportunities",
        "link",
        "Portal",
        "contact",
        "bob@acme.example",
    ]);
    let changed = desk.json(&[
        "opportunities",
        "set",
        "portal",
        "stage=initial meeting - booked",
    ]);
    let shown = desk.json(&["opportunities", "show", "Portal"]);
    assert_eq!(
        shown["record"]["fields"]["stage"],
        "Initial Meeting - Booked"
    );
    assert_eq!(shown["record"]["fields"]["value"], "204080.00");
    assert_eq!(shown["history"].as_array().unwrap().len(), 3);
    // The line that is printed takes it back, as it is printed.
    let undo = changed["undo"].as_str().unwrap().trim_matches('`');
    let words: Vec<String> = undo
        .trim_start_matches("liaison ")
        .split('\'')
        .enumerate()
        .flat_map(|(nth, part)| match nth % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    desk.does(&words);
    let shown = desk.does(&["opportunities", "show", "Portal"]);
    assert!(
        shown.contains("stage:             Initial Phone Call"),
        "{shown}"
    );
    assert!(shown.contains("contacts:          Bob"), "{shown}");

    let all = ["opportunities", "list"];
    let with = |more: &[&'static str]| desk.names(&[&all, more].concat());
    assert_eq!(with(&[]), ["Portal", "Shop"]);
    assert_eq!(with(&["--sort", "value"]), ["Shop", "Portal"]);
    assert_eq!(with(&["value>100"]), ["Portal"]);
    assert_eq!(with(&["contacts=bob@acme.example"]), ["Portal"]);
    assert_eq!(with(&["contacts="]), ["Shop"]);
    assert_eq!(with(&["name~HO", "account=acme.example"]), ["Shop"]);
    assert_eq!(with(&["stage!=Won", "value<=12.50"]), ["Shop"]);
    let table = desk.does(&["opportunities", "list"]);
    assert!(
        table.contains("Acme GmbH") && table.contains("204080.00"),
        "{table}"
    );
    assert_eq!(
        desk.names(&["accounts", "list", "lifecycle=active"]).len(),
        1
    );

    desk.refuses(
        &[
            "opportunities",
            "set",
            "Portal",
            "stage=Spec Review - Booked",
        ],
        "--force",
    );
    desk.refuses(
        &["opportunities", "set", "Portal", "stge=Won"],
        "did you mean `stage`?",
    );
    desk.refuses(
        &["opportunities", "set", "Portal", "probability=110"],
        "from 0 to 100",
    );
    desk.refuses(
        &["opportunities", "set", "Portl", "stage=Won"],
        "opportunities list",
    );
    desk.refuses(
        &["opportunities", "add", "name=Portal", "account=Acme GmbH"],
        "there already",
    );
    desk.refuses(&["opportunities", "list", "value"], "is no condition");
    desk.refuses(
        &["opportunities", "link", "Portal", "contacct", "Bob"],
        "did you mean `contacts`?",
    );
    desk.refuses(&["units", "add", "name=x"], "account: a unit needs it");
    let fields = desk.does(&["opportunities", "fields"]);
    assert!(
        fields.contains("stage") && fields.contains("Lost -> "),
        "{fields}"
    );
}

#[test]
fn what_a_person_set_waits_and_two_records_become_one_beside_a_running_daemon() {
    let firm = Firm::new();
    let desk = Desk {
        options: firm.options(),
    };
    filled(&desk);
    let daemon = Daemon::start(firm.options());
    desk.does(&["accounts", "set", "Acme GmbH", "lifecycle=prospect"]);
    let file = desk.options.logs.join("accounts.csv");
    std::fs::write(&file, "name,lifecycle\nAcme GmbH,active\nAcme Ltd,active\n").unwrap();
    let file = file.display().to_string();
    desk.does(&["accounts", "import", &file]);
    let waiting = desk.json(&["proposals", "list"]);
    let waiting = waiting["proposals"].as_array().unwrap();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!(waiting[0]["new"], "active");
    let id = waiting[0]["id"].as_str().unwrap();
    desk.does(&["proposals", "accept", id]);
    desk.refuses(&["proposals", "reject", id], "accepted it already");
    assert_eq!(
        desk.names(&["accounts", "list", "lifecycle=active"]).len(),
        2
    );

    let call = [
        "activities",
        "add",
        "account=Acme GmbH",
        "kind=call",
        "at=2026-03-02T09:00:00Z",
        "subject=About prices",
        "held=yes",
    ];
    desk.does(&call);
    let merged = desk.json(&["accounts", "merge", "Acme GmbH", "Acme Ltd"]);
    assert_eq!(
        desk.names(&["accounts", "list", "lifecycle=active"]),
        ["Acme Ltd"]
    );
    let whose = desk.json(&["match", "bob@acme.example"]);
    assert_eq!(whose["account"]["name"], "Acme Ltd", "{whose:#}");
    let told = desk.json(&["timeline", "Acme Ltd"]);
    assert_eq!(told["timeline"][0]["text"], "About prices", "{told:#}");
    let from = merged["from"].as_str().unwrap();
    desk.does(&["accounts", "merge", "--undo", from]);
    let whose = desk.json(&["match", "bob@acme.example"]);
    assert_eq!(whose["account"]["name"], "Acme GmbH", "{whose:#}");
    drop(daemon);
    let looked = desk.json(&["verify"]);
    assert_eq!(looked["clean"], true, "{looked:#}");
}

fn id_of(answer: &Value, what: &str) -> String {
    answer[what]["id"].as_str().unwrap().to_owned()
}

#[test]
fn cases_and_tasks_are_kept_by_people_where_a_plugin_declares_them() {
    let mut firm = Firm::new();
    firm.plugins(&["nda-desk"], "draft");
    let desk = Desk {
        options: firm.options(),
    };
    filled(&desk);
    let does = |more: &[&str]| desk.json(&[&["cases", "nda"], more].concat());
    let refuses = |more: &[&str], why: &str| desk.refuses(&[&["cases", "nda"], more].concat(), why);
    let added = does(&[
        "add",
        "title=Acme NDA",
        "account=Acme GmbH",
        "domain=acme.example",
    ]);
    let id = id_of(&added, "case");
    refuses(
        &["set", &id, "state=signed"],
        "from `requested` it can become ours-offered",
    );
    refuses(&["set", &id, "stat=legal"], "did you mean `state`?");
    refuses(&["set", &id, "state=signd"], "did you mean signed?");
    // The daemon fills the indexes that the manifest declares; the list is the same then.
    let daemon = Daemon::start(firm.options());
    let set = does(&[
        "set",
        &id,
        "state=ours-offered",
        "--why",
        "Bob called",
        "--revision",
        "1",
    ]);
    assert_eq!(set["case"]["revision"], 2);
    refuses(
        &["set", &id, "state=ours-sent", "--revision", "1"],
        "revision 2, not 1",
    );
    for (condition, count) in [
        ("domain=acme.example", 1),
        ("domain=other.example", 0),
        ("account=Acme GmbH", 1),
        ("state!=ours-offered", 0),
    ] {
        assert_eq!(does(&["list", condition])["count"], count, "{condition}");
    }
    let shown = desk.does(&["cases", "nda", "history", &id]);
    assert!(
        shown.contains("Bob called") && shown.contains("(set by a person)"),
        "{shown}"
    );
    assert!(
        desk.does(&["cases", "nda", "fields"])
            .contains("signed -> expired")
    );

    let words = [
        "tasks",
        "add",
        "title=Ring Bob",
        "account=Acme GmbH",
        "priority=client",
    ];
    let about = format!("about={id}");
    let added = desk.json(&[&words[..], &[&about]].concat());
    let task = id_of(&added, "task");
    desk.refuses(&["tasks", "set", &task, "state=declined"], "--why REASON");
    desk.refuses(
        &["tasks", "set", &task, "owner=eve@elsewhere.example"],
        "owner",
    );
    assert_eq!(desk.json(&["tasks", "list", "priority=client"])["count"], 1);
    let why = ["--why", "he wrote himself"];
    desk.does(&[&["tasks", "set", &task, "state=declined"][..], &why].concat());
    assert_eq!(desk.json(&["tasks", "list"])["count"], 0);
    let declined = desk.does(&[
        "tasks",
        "list",
        "state=declined",
        "--fields",
        "title,account",
    ]);
    assert!(
        declined.contains("Ring Bob") && declined.contains("Acme GmbH"),
        "{declined}"
    );
    assert!(
        desk.does(&["tasks", "history", &task])
            .contains("open -> declined")
    );
    drop(daemon);
    let looked = desk.json(&["verify"]);
    assert_eq!(looked["clean"], true, "{looked:#}");
}
