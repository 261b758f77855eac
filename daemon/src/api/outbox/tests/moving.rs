use std::sync::Arc;

use liaison_core::outbox::{MailState, Phase};
use liaison_core::time::{DAY_MS, HOUR_MS};
use serde_json::json;

use crate::api::tests::{NOW, desk, office};
use crate::outbox::ledger::EVERYBODY;

/// mautic/mautic#8802: rescheduling made a new mail each time.
#[tokio::test]
async fn a_mail_that_is_rescheduled_again_and_again_stays_one_mail_and_counts_once() {
    let desk = desk();
    let mail = desk.mail(MailState::Scheduled).await;
    for hours in [2, 30, 5] {
        let wish = json!({ "id": "aaaaaa", "in": format!("{hours} hours"), "why": "later" });
        let answer = desk.ask("outbox-reschedule", wish).await.unwrap();
        let at = NOW.plus_millis(hours * HOUR_MS);
        assert_eq!(answer["mail"]["not_before"], at.to_string());
        assert_eq!(answer["mail"]["id"], mail.id.as_str());
        let due = desk.due_at().await;
        assert_eq!(due, [(at, mail.id.clone())]);
        let ledger = desk.context.books.ledger(EVERYBODY, Default::default());
        let ledger = ledger.await.unwrap();
        assert_eq!(ledger.len(), 1, "{ledger:?}");
        assert_eq!(ledger[0].at, at);
    }
    // The answer names the command that takes it back.
    let wish = json!({ "id": "aaaaaa", "at": "2026-03-02T09:30" });
    let answer = desk.ask("outbox-reschedule", wish).await.unwrap();
    let undo = answer["undo"].as_str().unwrap();
    let (_, before) = undo.trim_end_matches('`').split_once("--at ").unwrap();
    desk.clock.set(NOW.plus_millis(1));
    let back = json!({ "id": "aaaaaa", "at": before });
    let answer = desk.ask("outbox-reschedule", back).await.unwrap();
    let at = NOW.plus_millis(5 * HOUR_MS).to_string();
    assert_eq!(answer["mail"]["not_before"], at);
    let listed = desk.ask("outbox-list", json!({})).await.unwrap();
    assert_eq!(listed["count"], 1);
    let audit = desk.context.books.audit_of(mail.id.as_str()).await.unwrap();
    assert_eq!(audit.len(), 5);
    assert!(audit[0].what.starts_with("rescheduled") && audit[0].why == "later");
}

#[tokio::test]
async fn a_held_mail_that_was_rescheduled_waits_for_its_yes_and_then_for_its_time() {
    let desk = desk();
    let mail = desk.mail(MailState::Held).await;
    let at = "2026-03-02T09:30:00Z";
    let wish = json!({ "id": "aaaaaa", "at": at });
    let answer = desk.ask("outbox-reschedule", wish).await.unwrap();
    assert_eq!(answer["mail"]["state"], "held");
    let answer = desk.ask("outbox-approve", json!({ "id": "aaaaaa" })).await;
    let answer = answer.unwrap();
    assert_eq!(answer["mail"]["state"], "approved");
    assert_eq!(answer["mail"]["not_before"], at);
    assert!(answer["changed"].as_str().unwrap().contains(at), "{answer}");
    assert_eq!(desk.due_at().await, [(at.parse().unwrap(), mail.id)]);
}

#[tokio::test]
async fn times_are_read_in_the_zone_of_the_office_and_a_day_begins_with_its_working_hours() {
    // Asked on 25 February 2026.
    for (wish, at) in [
        (json!({ "at": "2026-03-02T09:30" }), "2026-03-02T09:30:00Z"),
        (json!({ "at": "2026-03-02 09:30" }), "2026-03-02T09:30:00Z"),
        (
            json!({ "at": "2026-03-02T09:30:00+02:00" }),
            "2026-03-02T07:30:00Z",
        ),
        (json!({ "at": "2026-03-02" }), "2026-03-02T09:00:00Z"),
        (json!({ "in": "3 days" }), "2026-02-28T06:13:20Z"),
    ] {
        let desk = desk();
        desk.mail(MailState::Approved).await;
        let mut arguments = wish.clone();
        arguments["id"] = json!("aaaaaa");
        let answer = desk.ask("outbox-reschedule", arguments).await.unwrap();
        assert_eq!(answer["mail"]["not_before"], at, "{wish}");
    }
}

#[tokio::test]
async fn what_cannot_be_moved_and_times_that_are_none_are_refused_with_what_to_do() {
    for (state, wish, says) in [
        (
            MailState::Held,
            json!({ "at": "2026-02-01T09:00" }),
            "is past",
        ),
        (MailState::Held, json!({ "in": "2 years" }), "2 years"),
        (
            MailState::Held,
            json!({ "in": "400 days" }),
            "more than 366 days",
        ),
        (MailState::Held, json!({ "at": "soon" }), "is no time"),
        (MailState::Held, json!({}), "--at TIME or --in DURATION"),
        (
            MailState::Sent,
            json!({ "in": "1 day" }),
            "nothing more happens",
        ),
        (
            MailState::Leased(Phase::BeforeDot),
            json!({ "in": "1 day" }),
            "look again in a minute",
        ),
        (
            MailState::Uncertain,
            json!({ "in": "1 day" }),
            "liaison outbox resolve",
        ),
        (
            MailState::Drafted,
            json!({ "in": "1 day" }),
            "liaison outbox cancel",
        ),
    ] {
        let desk = desk();
        let mail = desk.mail(state.clone()).await;
        let mut arguments = wish.clone();
        arguments["id"] = json!("aaaaaa");
        let refused = desk.ask("outbox-reschedule", arguments).await.unwrap_err();
        assert!(refused.to_string().contains(says), "{wish}: {refused}");
        let after = desk.context.books.mail(&mail.id).await.unwrap();
        assert_eq!(after.unwrap(), mail, "{state}");
    }
}

#[tokio::test]
async fn an_approved_mail_is_put_off_by_a_person_without_another_yes() {
    let desk = desk();
    desk.mail(MailState::Approved).await;
    let wish = json!({ "id": "aaaaaa", "in": "1 business day" });
    let answer = desk.ask("outbox-reschedule", wish).await.unwrap();
    assert_eq!(answer["mail"]["state"], "approved");
    desk.clock.set(NOW.plus_millis(DAY_MS - HOUR_MS));
    // And back: what waits can be had at once, and counts from then on.
    let answer = desk.ask("outbox-retry", json!({ "id": "aaaaaa" })).await;
    let at = NOW.plus_millis(DAY_MS - HOUR_MS);
    assert_eq!(answer.unwrap()["mail"]["not_before"], at.to_string());
    let ledger = desk.context.books.ledger(EVERYBODY, Default::default());
    let ledger = ledger.await.unwrap();
    assert_eq!((ledger.len(), ledger[0].at), (1, at));
}

#[tokio::test]
async fn a_yes_can_be_taken_back_within_the_delay_and_then_nothing_leaves() {
    let mut desk = desk();
    let mut slower = office();
    slower.firm.send_delay_ms = 120_000;
    desk.context.office = Arc::new(slower);
    let mail = desk.mail(MailState::Held).await;
    let answer = desk.ask("outbox-approve", json!({ "id": "aaaaaa" })).await;
    let answer = answer.unwrap();
    let at = NOW.plus_millis(120_000);
    assert_eq!(answer["mail"]["not_before"], at.to_string());
    let undo = answer["undo"].as_str().unwrap();
    assert!(
        undo.contains(&format!("`liaison outbox cancel {}`", mail.id)),
        "{undo}"
    );
    assert_eq!(desk.due_at().await, [(at, mail.id.clone())]);
    desk.clock.set(NOW.plus_millis(119_000));
    let answer = desk.ask("outbox-cancel", json!({ "id": "aaaaaa" })).await;
    assert_eq!(answer.unwrap()["mail"]["state"], "cancelled");
    assert_eq!(desk.due_at().await, []);
}
