//! Reports over the books.

use liaison_core::account::Contact;
use liaison_core::ids::{AccountId, ContactId};
use liaison_core::report::{Report, render};
use liaison_core::time::DAY_MS;
use liaison_core::touch::Way;
use serde_json::json;

use super::super::tests::{Desk, desk};
use super::*;
use crate::books::keys;

async fn put(desk: &Desk, kind: &str, fields: Value) -> String {
    let fields = fields.as_object().unwrap();
    let fields: Vec<(&String, &Value)> = fields.iter().collect();
    let arguments = json!({ "kind": kind, "fields": fields });
    let answer = desk.ask("records-put", arguments).await.unwrap();
    answer["record"]["id"].as_str().unwrap().to_owned()
}

async fn report(desk: &Desk, arguments: Value) -> Report {
    serde_json::from_value(desk.ask("report", arguments).await.unwrap()).unwrap()
}

async fn touched(desk: &Desk, account: &str, days_ago: i64, way: Way) {
    let now = desk.context.clock.now();
    let touch = Touch {
        account: AccountId::from(account),
        at: now.minus_millis(days_ago * DAY_MS),
        way,
        contacts: Vec::new(),
        person: Some("mailbox:sales".to_owned()),
        id: format!("message-{account}-{days_ago}"),
    };
    let mut batch = desk.context.books.batch();
    for key in keys::touches(&touch) {
        batch.put(key, Vec::new());
    }
    desk.context.books.commit(batch).await.unwrap();
}

fn first_column(report: &Report) -> Vec<String> {
    let text = |row: &Vec<liaison_core::report::Cell>| match row.first() {
        Some(liaison_core::report::Cell::Text(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    report.sections[0].rows.iter().map(text).collect()
}

#[tokio::test]
async fn silence_is_told_from_the_newest_contact_in_the_ledger() {
    let desk = desk();
    for (name, days) in [
        ("Silent Ltd", &[9, 30][..]),
        ("Lively Ltd", &[2, 40]),
        ("New Ltd", &[]),
    ] {
        let fields = json!({ "name": name, "lifecycle": "active" });
        let id = put(&desk, "accounts", fields).await;
        for days in days {
            touched(&desk, &id, *days, Way::MailIn).await;
        }
    }
    let silent = report(&desk, json!({ "name": "silent" })).await;
    assert_eq!(first_column(&silent), ["New Ltd", "Silent Ltd"]);
    let text = render::text(&silent);
    assert!(text.contains("mailbox sales"), "{text}");
    let week = report(&desk, json!({ "name": "silent", "days": 10 })).await;
    assert_eq!(first_column(&week), ["New Ltd"]);
    let one = json!({ "name": "silent", "account": "Silent Ltd" });
    assert_eq!(first_column(&report(&desk, one).await), ["Silent Ltd"]);
}

#[tokio::test]
async fn a_call_is_looked_for_behind_many_mails() {
    let desk = desk();
    let fields = json!({ "name": "Past Ltd", "lifecycle": "past" });
    let id = put(&desk, "accounts", fields).await;
    touched(&desk, &id, 200, Way::Call).await;
    for days in 1..150 {
        touched(&desk, &id, days, Way::MailOut).await;
    }
    let past = report(&desk, json!({ "name": "past-clients" })).await;
    let text = render::text(&past);
    assert!(text.contains("200") && text.contains("6 months"), "{text}");
}

#[tokio::test]
async fn a_report_of_one_account_tells_nothing_of_others() {
    let desk = desk();
    let product = put(&desk, "products", json!({ "name": "Portal" })).await;
    for account in ["Northern Mills", "Other Ltd"] {
        let account = put(&desk, "accounts", json!({ "name": account })).await;
        let unit = put(
            &desk,
            "units",
            json!({ "account": account, "name": "Plant" }),
        )
        .await;
        put(
            &desk,
            "footprints",
            json!({ "account": account, "unit": unit, "product": product, "state": "purchased" }),
        )
        .await;
        let opportunity = json!({ "account": account, "name": format!("Deal of {account}") });
        put(&desk, "opportunities", opportunity).await;
    }
    let arguments = json!({ "name": "whitespace", "account": "northern mills" });
    let matrix = report(&desk, arguments).await;
    assert_eq!(matrix.sections[0].columns.len(), 2);
    assert_eq!(first_column(&matrix), ["Portal"]);
    let deals = json!({ "name": "pipeline", "account": "Other Ltd" });
    let text = render::text(&report(&desk, deals).await);
    assert!(
        text.contains("Other Ltd") && !text.contains("Northern"),
        "{text}"
    );
}

/// Nothing that belongs to a record that was merged away is rewritten; a report goes by the record
/// that stands in its place.
#[tokio::test]
async fn what_was_merged_is_one_line_with_all_its_figures() {
    let desk = desk();
    let now = desk.context.clock.now();
    let day = now.to_jiff().strftime("%Y-%m-%d").to_string();
    let (old, new) = (
        put(&desk, "accounts", json!({ "name": "Old Mills" })).await,
        put(&desk, "accounts", json!({ "name": "New Mills" })).await,
    );
    let mut people = Vec::new();
    for (nth, account) in [&old, &new].into_iter().enumerate() {
        for name in ["Erin", "Fay"] {
            let emails = format!("{name}{nth}@example.net");
            let fields = json!({
                "account": account, "name": format!("{name} {nth}"), "emails": emails,
                "function": if nth == 0 { "finance" } else { "operations" },
            });
            people.push(put(&desk, "contacts", fields).await);
        }
        let fields = json!({
            "account": account, "number": format!("R{nth}"), "issued": day,
            "amount": "100", "cost": "40", "currency": "EUR",
        });
        put(&desk, "invoices", fields).await;
        let contact = people.last().unwrap();
        let fields = json!({ "contact": contact, "kind": "referral", "asked_on": day });
        put(&desk, "references", fields).await;
    }
    let merge = async |kind: &str, from: &str, into: &str| {
        let arguments = json!({ "kind": kind, "from": from, "into": into });
        desk.ask("records-merge", arguments).await.unwrap();
    };
    merge("accounts", &old, &new).await;
    merge("contacts", &people[1], &people[3]).await;

    let profit = report(&desk, json!({ "name": "profit" })).await;
    let text = render::text(&profit);
    assert_eq!(text.matches("New Mills").count(), 1, "{text}");
    assert!(
        text.contains("120 EUR") && text.contains("200 EUR"),
        "{text}"
    );
    let share = report(&desk, json!({ "name": "concentration" })).await;
    assert_eq!(first_column(&share), ["New Mills"]);
    // Erin and Fay of the old one are people of the new one.
    let single = report(&desk, json!({ "name": "single-contact" })).await;
    assert!(first_column(&single).is_empty(), "{single:?}");
    let references = render::text(&report(&desk, json!({ "name": "references" })).await);
    assert_eq!(references.matches("Fay 1").count(), 2, "{references}");

    let listed = desk.ask("reports", json!({})).await.unwrap();
    for one in listed["reports"].as_array().unwrap() {
        if one["needs"].as_array().unwrap().is_empty() {
            let name = one["name"].as_str().unwrap();
            let text = render::text(&report(&desk, json!({ "name": name })).await);
            assert!(
                !text.contains("Old Mills") && !text.contains(&old),
                "{text}"
            );
        }
    }

    // Taken back, each has its own again.
    let arguments = json!({ "kind": "accounts", "from": old });
    desk.ask("records-merge", arguments).await.unwrap();
    let text = render::text(&report(&desk, json!({ "name": "profit" })).await);
    assert!(
        text.contains("Old Mills") && !text.contains("200 EUR"),
        "{text}"
    );
}

#[tokio::test]
async fn what_cannot_be_asked_is_told() {
    let desk = desk();
    for (arguments, said) in [
        (json!({ "name": "silnet" }), "did you mean `silent`?"),
        (json!({ "name": "whitespace" }), "needs --account"),
        (
            json!({ "name": "whitespace", "account": "nobody" }),
            "nobody",
        ),
        (json!({ "name": "silent", "days": -1 }), "from 0 to"),
        (json!({ "name": "silent", "days": i64::MAX }), "from 0 to"),
        (json!({ "name": "forecast", "period": "soon" }), "2026-Q1"),
        (
            json!({ "name": "silent", "period": "2026-Q1" }),
            "takes no --period",
        ),
        (json!({ "name": "silent", "person": "nobody" }), "--person"),
    ] {
        let error = desk.ask("report", arguments.clone()).await.unwrap_err();
        assert!(
            error.chain().contains(said),
            "{arguments}: {}",
            error.chain()
        );
    }
}

#[tokio::test]
async fn all_reports_are_listed_and_answer_an_empty_book() {
    let desk = desk();
    let listed = desk.ask("reports", json!({})).await.unwrap();
    for one in listed["reports"].as_array().unwrap() {
        if one["needs"].as_array().unwrap().is_empty() {
            let name = one["name"].as_str().unwrap();
            let answer = report(&desk, json!({ "name": name })).await;
            assert!(!answer.sections.is_empty(), "{name}");
        }
    }
}

#[tokio::test]
async fn the_timeline_says_who_spoke_with_whom() {
    let desk = desk();
    let account = put(&desk, "accounts", json!({ "name": "Past Ltd" })).await;
    let contact = put(
        &desk,
        "contacts",
        json!({ "account": account, "name": "Erin Hall", "emails": "erin@example.net" }),
    )
    .await;
    for (held, at) in [
        ("yes", "2026-02-01T09:00:00Z"),
        ("no", "2026-02-03T09:00:00Z"),
    ] {
        put(
            &desk,
            "activities",
            json!({
                "account": account, "contacts": contact, "kind": "meeting", "held": held,
                "at": at, "subject": format!("Visit {held}"), "person": "alice@example.com",
            }),
        )
        .await;
    }
    let told = desk
        .ask("timeline", json!({ "id": account }))
        .await
        .unwrap();
    let rows = told["timeline"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[0]["contact"], &rows[1]["contact"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(rows[0]["who"], "alice@example.com");
    assert_eq!(rows[0]["contacts"], json!(["Erin Hall"]));
    let shown = desk
        .ask("accounts-show", json!({ "id": account }))
        .await
        .unwrap();
    assert_eq!(shown["last_contact"]["at"], "2026-02-01T09:00:00Z");
    assert_eq!(shown["last_contact"]["way"], "meeting");
    let found: Option<Contact> = desk
        .context
        .books
        .contact(&ContactId(contact))
        .await
        .unwrap();
    assert!(found.is_some());
}
