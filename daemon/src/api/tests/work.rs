//! Cases and tasks as people list and change them.

use liaison_core::crm::{FieldChange, Source};
use liaison_core::ids::CaseId;
use liaison_core::proposal::Value as FieldValue;

use super::*;
use crate::cases::{fill, stage_proposals};
use crate::records::RecordBy;
use crate::supervisor::Stop;

impl Desk {
    async fn refused(&self, command: &str, arguments: Value) -> String {
        let error = self.ask(command, arguments.clone()).await;
        let error = error.unwrap_err();
        format!("{}: {error}", error.code())
    }

    async fn added(&self, command: &str, mut arguments: Value, fields: &[(&str, &str)]) -> String {
        arguments["fields"] = json!(fields);
        let answer = self.ask(command, arguments).await.unwrap();
        let of = if command == "cases-put" {
            "case"
        } else {
            "task"
        };
        answer[of]["id"].as_str().unwrap().to_owned()
    }

    async fn lead(&self, fields: &[(&str, &str)]) -> String {
        self.added("cases-put", json!({ "kind": "lead" }), fields)
            .await
    }

    async fn task(&self, fields: &[(&str, &str)]) -> String {
        self.added("tasks-put", json!({}), fields).await
    }

    async fn titles(&self, command: &str, arguments: Value) -> Vec<String> {
        let answer = self.ask(command, arguments).await.unwrap();
        let rows = answer[if command == "cases-list" {
            "cases"
        } else {
            "tasks"
        }]
        .clone();
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["title"].as_str().unwrap().to_owned())
            .collect()
    }
}

async fn accounts(desk: &Desk) {
    for (name, domain) in [
        ("Acme", "acme.example.com"),
        ("Acme Old", "old.example.com"),
    ] {
        let new = json!({ "name": name, "domains": [domain] });
        desk.ask("accounts-add", new).await.unwrap();
    }
}

#[tokio::test]
async fn cases_are_listed_by_conditions_with_and_without_an_index() {
    let desk = desk();
    accounts(&desk).await;
    for fields in [
        &[
            ("title", "Pier"),
            ("address", "ann@example.com"),
            ("heat", "hot"),
            ("account", "Acme"),
        ][..],
        &[
            ("title", "Quay"),
            ("address", "Bob@example.com"),
            ("account", "Acme Old"),
        ],
        &[("title", "Dock"), ("heat", "cold")],
    ] {
        desk.clock.set(desk.context.now().plus_millis(1_000));
        desk.lead(fields).await;
    }
    let into = json!({ "kind": "account", "from": "Acme Old", "into": "Acme" });
    desk.ask("records-merge", into).await.unwrap();
    let rows: [(&[&str], &str, &[&str]); 12] = [
        (&[], "", &["Dock", "Quay", "Pier"]),
        (&["heat=hot"], "", &["Pier"]),
        (&["heat!=hot"], "", &["Dock", "Quay"]),
        (&["heat="], "", &["Quay"]),
        (&["address=BOB@example.com"], "", &["Quay"]),
        (&["address~example"], "title", &["Pier", "Quay"]),
        (&["account=acme"], "title", &["Pier", "Quay"]),
        (&["account=acme", "heat=hot"], "", &["Pier"]),
        (&["account=acme", "address=bob@example.com"], "", &["Quay"]),
        (&["state=new", "title!=Pier"], "title", &["Dock", "Quay"]),
        (&["created<2020-01-01T00:00:00Z"], "", &[]),
        (
            &["plugin=lead-triage"],
            "address",
            &["Pier", "Quay", "Dock"],
        ),
    ];
    for pass in ["looked through", "found by indexes"] {
        for (filters, sort, expected) in rows {
            let sort = Some(sort).filter(|sort| !sort.is_empty());
            let asked = json!({ "kind": "lead", "filters": filters, "sort": sort });
            let titles = desk.titles("cases-list", asked).await;
            assert_eq!(titles, expected, "{pass}: {filters:?}");
        }
        let kinds = &desk.context.case_kinds;
        fill::all(&desk.context.books, kinds, &Stop::new())
            .await
            .unwrap();
    }
    let all = json!({ "filters": ["kind=lead", "state=New"], "sort": "title" });
    assert_eq!(
        desk.titles("cases-list", all).await,
        ["Dock", "Pier", "Quay"]
    );
    let asked = json!({ "kind": "lead", "fields": ["title", "account"], "sort": "title" });
    let answer = desk.ask("cases-list", asked).await.unwrap();
    assert_eq!(answer["columns"], json!(["title", "account"]));
    let account = answer["cases"][2]["account"].as_str().unwrap();
    assert_eq!(
        answer["names"][account], "Acme",
        "a merged account has the other's name"
    );
    for (asked, says) in [
        (
            json!({ "kind": "lead", "filters": ["heat"] }),
            "is no condition",
        ),
        (
            json!({ "kind": "lead", "filters": ["heet=hot"] }),
            "did you mean `heat`?",
        ),
        (
            json!({ "kind": "lead", "filters": ["heat=warm"] }),
            "it is one of cold, hot",
        ),
        (
            json!({ "kind": "lead", "fields": ["heet"] }),
            "did you mean `heat`?",
        ),
        (
            json!({ "kind": "lead", "sort": "heet" }),
            "did you mean `heat`?",
        ),
        (
            json!({ "filters": ["heat=hot"] }),
            "a case has no such field",
        ),
    ] {
        let said = desk.refused("cases-list", asked.clone()).await;
        assert!(
            said.starts_with("arguments") && said.contains(says),
            "{asked}: {said}"
        );
    }
}

#[tokio::test]
async fn a_change_of_a_case_is_held_to_its_manifest_and_remembered() {
    let desk = desk();
    accounts(&desk).await;
    let id = desk
        .lead(&[("title", "Pier"), ("account", "acme.example.com")])
        .await;
    let set = |fields: Value, more: Value| {
        with(
            json!({ "kind": "lead", "which": id, "fields": fields }),
            more,
        )
    };
    for (fields, more, says) in [
        (
            json!([["state", "Lost"]]),
            json!({}),
            "from `New` it can become Qualified; with --force",
        ),
        (
            json!([["heat", "warm"]]),
            json!({}),
            "it is one of cold, hot",
        ),
        (json!([["heet", "hot"]]), json!({}), "did you mean `heat`?"),
        (
            json!([["account", "Nobody"]]),
            json!({}),
            "there is no account `Nobody`",
        ),
        (
            json!([["heat", "hot"]]),
            json!({ "revision": 9 }),
            "revision 1, not 9",
        ),
        (
            json!([["heat", "hot"]]),
            json!({ "kind": "nda" }),
            "there is no kind of case `nda`",
        ),
        (
            json!([["heat", "hot"]]),
            json!({ "which": "lead-zzzz" }),
            "cases all list",
        ),
    ] {
        let said = desk.refused("cases-put", set(fields.clone(), more)).await;
        assert!(said.contains(says), "{fields}: {said}");
    }
    let any = json!({ "kind": "all", "revision": 9 });
    let said = desk
        .refused("cases-put", set(json!([["heat", "hot"]]), any))
        .await;
    assert!(
        said.contains("revision 1, not 9"),
        "a case that is named has a kind: {said}"
    );
    let why = json!({ "why": "they called", "revision": 1 });
    let answer = desk
        .ask("cases-put", set(json!([["state", "Qualified"]]), why))
        .await
        .unwrap();
    assert_eq!(answer["case"]["revision"], 2);
    let undo = answer["undo"].as_str().unwrap();
    assert_eq!(
        undo,
        format!("`liaison cases lead set {id} state=New --force`")
    );
    let back = json!({ "force": true });
    desk.ask("cases-put", set(json!([["state", "New"]]), back))
        .await
        .unwrap();
    let shown = desk.ask("cases-show", json!({ "id": id })).await.unwrap();
    let audit = shown["audit"].as_array().unwrap();
    let told: Vec<&str> = audit
        .iter()
        .map(|row| row["what"].as_str().unwrap())
        .collect();
    assert!(
        told[0].starts_with("lead created: title: Pier; account: acc-"),
        "{told:?}"
    );
    assert_eq!(
        told[1..],
        [
            "lead changed: state: New -> Qualified",
            "lead changed: state: Qualified -> New"
        ]
    );
    assert_eq!(
        (&audit[1]["who"], &audit[1]["why"]),
        (&json!("uid 7"), &json!("they called"))
    );
    let steps = shown["case"]["steps"].as_array().unwrap();
    assert_eq!(steps[1]["why"], "they called");
    let account = shown["case"]["account"].as_str().unwrap();
    let timeline = desk
        .ask("timeline", json!({ "id": account }))
        .await
        .unwrap();
    assert!(
        timeline["timeline"].to_string().contains("lead: Pier"),
        "{timeline}"
    );
}

#[tokio::test]
async fn what_a_plugin_wants_of_a_case_is_listed_with_the_records_and_decided() {
    let desk = desk();
    let id = desk.lead(&[("title", "Pier"), ("heat", "cold")]).await;
    let case = desk
        .context
        .books
        .case(&CaseId(id.clone()))
        .await
        .unwrap()
        .unwrap();
    let change = FieldChange {
        field: "heat".to_owned(),
        old: FieldValue::Text("cold".to_owned()),
        new: FieldValue::Text("hot".to_owned()),
    };
    let by = RecordBy {
        who: "lead-triage 1.0.0".to_owned(),
        why: "they ask for a price".to_owned(),
        source: Source::Plugin,
        force: false,
        now: NOW,
    };
    let mut batch = desk.context.books.batch();
    stage_proposals(&desk.context.books, &mut batch, (&case, &[change]), &by)
        .await
        .unwrap();
    desk.context.books.commit(batch).await.unwrap();
    let waiting = desk.ask("proposals-list", json!({})).await.unwrap();
    let row = &waiting["proposals"][0];
    for (name, value) in [
        ("kind", "lead"),
        ("name", "Pier"),
        ("field", "heat"),
        ("old", "cold"),
        ("new", "hot"),
        ("source", "plugin"),
    ] {
        assert_eq!(row[name], value, "{name}");
    }
    let shown = desk.ask("cases-show", json!({ "id": id })).await.unwrap();
    assert_eq!(shown["proposals"][0]["id"], row["id"]);
    let accept = json!({ "id": row["id"], "accept": true });
    let answer = desk.ask("proposals-decide", accept.clone()).await.unwrap();
    assert_eq!(answer["case"]["fields"]["heat"], "hot");
    let again = desk.refused("proposals-decide", accept).await;
    assert!(again.contains("uid 7 accepted it already"), "{again}");
    let waiting = desk.ask("proposals-list", json!({})).await.unwrap();
    assert_eq!(waiting["count"], 0);
}

#[tokio::test]
async fn tasks_are_made_filtered_declined_and_opened_again() {
    let desk = desk();
    accounts(&desk).await;
    let call = [
        ("title", "Call Ann"),
        ("due", "2026-03-03T09:00:00Z"),
        ("priority", "client"),
        ("account", "Acme"),
    ];
    let call = desk.task(&call).await;
    let write = desk
        .task(&[("title", "Write to Bob"), ("urgent", "yes")])
        .await;
    let about = format!("{call}x");
    let said = desk
        .refused(
            "tasks-put",
            json!({ "fields": [["title", "x"], ["about", about]] }),
        )
        .await;
    assert!(said.contains("no record and no case"), "{said}");
    let said = desk
        .refused("tasks-put", json!({ "fields": [["due", "tomorrow"]] }))
        .await;
    assert!(said.contains("a time like 2026"), "{said}");
    let declined = |more: Value| {
        with(
            json!({ "which": write, "fields": [["state", "declined"]] }),
            more,
        )
    };
    let said = desk.refused("tasks-put", declined(json!({}))).await;
    assert!(said.contains("--why REASON"), "{said}");
    let why = json!({ "why": "he wrote himself" });
    desk.ask("tasks-put", declined(why)).await.unwrap();
    let said = desk.refused("tasks-done", json!({ "id": write })).await;
    assert!(
        said.contains("declined it") && said.contains("he wrote himself"),
        "{said}"
    );
    let rows: [(Value, &[&str]); 6] = [
        (json!({}), &["Call Ann"]),
        (json!({ "all": true }), &["Call Ann", "Write to Bob"]),
        (json!({ "filters": ["state=declined"] }), &["Write to Bob"]),
        (
            json!({ "filters": ["account=acme.example.com"] }),
            &["Call Ann"],
        ),
        (
            json!({ "filters": ["due<2026-03-04T00:00:00Z", "priority=client"] }),
            &["Call Ann"],
        ),
        (
            json!({ "filters": ["urgent=no"], "sort": "due" }),
            &["Call Ann"],
        ),
    ];
    for (asked, expected) in rows {
        assert_eq!(
            desk.titles("tasks-list", asked.clone()).await,
            expected,
            "{asked}"
        );
    }
    let status = desk.ask("status", json!({})).await.unwrap();
    assert_eq!(status["tasks"]["open"], 1);
    desk.ask("tasks-done", json!({ "id": write, "reopen": true }))
        .await
        .unwrap();
    let shown = desk
        .ask("tasks-show", json!({ "id": write }))
        .await
        .unwrap();
    assert_eq!(
        (&shown["task"]["state"], &shown["task"]["declined"]),
        (&json!("open"), &Value::Null)
    );
    let audit = shown["audit"].as_array().unwrap();
    assert_eq!(audit[1]["what"], "task changed: state: open -> declined");
    assert_eq!(audit[1]["why"], "he wrote himself");
    let fields = desk.ask("tasks-fields", json!({})).await.unwrap();
    assert_eq!(
        fields["states"]["steps"][0]["to"],
        json!(["done", "declined"])
    );
}
