//! Where mail does not arrive, shown and allowed again.

use liaison_core::mail::{Address, BounceKind, BouncedRecipient};
use liaison_core::reach::{Meaning, News, Reach, Reported, ReturnRecord};
use liaison_core::time::MINUTE_MS;

use super::*;
use crate::accounts::{AccountDraft, ContactDraft};

const BOB: &str = "bob@example.net";

fn reported() -> Reported {
    let said = BouncedRecipient {
        recipient: Some(Address::parse(BOB).unwrap()),
        kind: BounceKind::Hard,
        action: None,
        status: Some("5.1.1".to_owned()),
        diagnostic: Some("smtp; 550 5.1.1 no such user".to_owned()),
    };
    let what = (BOB, Meaning::Undeliverable);
    Reported::of(&said, what, (&"report1".into(), NOW))
}

/// Bob's address and his domain are stopped, with the task that told of the address.
async fn stopped() -> Desk {
    let desk = desk();
    let by = reported();
    let (mut bob, mut domain) = (Reach::new(BOB, &by), Reach::new("@example.net", &by));
    assert_eq!(bob.heed(&by), Some(News::Undeliverable));
    assert_eq!(domain.heed_domain(&by, 1), Some(News::DomainStopped));
    let cause = mail(MailState::Sent).cause;
    let task = TaskRecord::new(bob.task_id(News::Undeliverable, &by), cause, NOW);
    desk.commit(|batch| {
        for reach in [&bob, &domain] {
            replace(batch, keys::reach(&reach.subject), None, reach).unwrap();
        }
        replace(batch, keys::task(&task.id), None, &task).unwrap();
    })
    .await;
    desk
}

#[tokio::test]
async fn a_stopped_address_is_shown_everywhere_until_a_person_allows_it() {
    let desk = stopped().await;
    let book = &desk.context.accounts;
    let by = desk.context.by(&caller("uid 7", Role::Admin), "test");
    let draft = AccountDraft {
        name: "Bob Ltd".to_owned(),
        ..AccountDraft::default()
    };
    let (account, _) = book.upsert_account(&draft, &by).await.unwrap();
    let contact = ContactDraft {
        email: Address::parse(BOB).unwrap(),
        name: Some("Bob".to_owned()),
        role: None,
        do_not_contact: None,
    };
    book.add_contact(&account.id, &contact, &by).await.unwrap();

    let status = desk.ask("status", json!({})).await.unwrap();
    let counts = json!({ "undeliverable": 1, "domains": 1 });
    assert_eq!(status["addresses"], counts);
    let needs = status["needs_person"].to_string();
    assert!(
        needs.contains("liaison addresses allow @example.net"),
        "{needs}"
    );
    let metrics = desk.ask("metrics", json!({})).await.unwrap();
    let text = metrics["text"].as_str().unwrap();
    assert!(text.contains("liaison_addresses_undeliverable 1"), "{text}");

    let listed = desk.ask("addresses-list", json!({})).await.unwrap();
    let rows = listed["addresses"].as_array().unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|row| row["address"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["@example.net", BOB]);
    let who = json!({ "kind": "contact", "which": BOB });
    let shown = desk.ask("records-show", who.clone()).await.unwrap();
    let why = shown["stopped"][0]["why"].as_str().unwrap();
    assert!(
        why.contains("is undeliverable since") && why.contains("5.1.1"),
        "{why}"
    );

    desk.clock.set(NOW.plus_millis(MINUTE_MS));
    let allow = json!({ "address": "Bob@Example.net", "why": "he called" });
    let observer = caller("uid 9", Role::Observe);
    let refused = call(&desk.context, &observer, "addresses-allow", allow.clone());
    assert_eq!(refused.await.unwrap_err().code(), "not_allowed");
    let answer = desk.ask("addresses-allow", allow.clone()).await.unwrap();
    assert!(answer["changed"].as_str().unwrap().contains("again"));
    let again = desk.ask("addresses-allow", allow).await.unwrap_err();
    assert_eq!(again.code(), "not_now");

    let shown = desk.ask("records-show", who).await.unwrap();
    assert_eq!(shown["stopped"], json!([]));
    let shown = desk
        .ask("addresses-show", json!({ "address": BOB }))
        .await
        .unwrap();
    assert_eq!(shown["address"]["state"], "open");
    assert_eq!(shown["address"]["allowed"]["who"], "uid 7");
    let audit = &shown["audit"][0];
    assert_eq!(
        (&audit["who"], &audit["why"]),
        (&json!("uid 7"), &json!("he called"))
    );
    let tasks: Vec<TaskRecord> = desk.context.books.all(Ns::Task).await.unwrap();
    assert!(tasks.iter().all(|task| !task.is_open()), "{tasks:?}");
    // The domain is for itself.
    let status = desk.ask("status", json!({})).await.unwrap();
    let counts = json!({ "undeliverable": 0, "domains": 1 });
    assert_eq!(status["addresses"], counts);
    let domain = json!({ "address": "@EXAMPLE.net" });
    desk.ask("addresses-allow", domain).await.unwrap();
    let listed = desk.ask("addresses-list", json!({})).await.unwrap();
    assert_eq!(listed["count"], 0);
    let listed = desk
        .ask("addresses-list", json!({ "all": true }))
        .await
        .unwrap();
    assert_eq!(listed["count"], 2);
}

#[tokio::test]
async fn what_is_no_address_or_of_which_nothing_came_back_is_said_so() {
    let desk = stopped().await;
    for (address, code) in [
        ("bob", "arguments"),
        ("@", "arguments"),
        ("carol@example.net", "not_found"),
        ("@example.org", "not_found"),
    ] {
        for command in ["addresses-show", "addresses-allow"] {
            let error = desk.ask(command, json!({ "address": address })).await;
            assert_eq!(error.unwrap_err().code(), code, "{command} {address}");
        }
    }
}

#[tokio::test]
async fn a_mail_that_came_back_is_shown_with_the_report() {
    let desk = desk();
    let mail = desk.mail(MailState::Sent).await;
    let mut row = ReturnRecord::new(mail.id.as_str());
    row.add(&reported());
    desk.commit(|batch| replace(batch, keys::returned(&row.id), None, &row).unwrap())
        .await;
    let shown = desk
        .ask("outbox-show", json!({ "id": mail.id }))
        .await
        .unwrap();
    let report = &shown["returned"]["reports"][0];
    assert_eq!(report["status"], "5.1.1");
    assert_eq!(report["at"], json!(NOW));
    assert_eq!(report["report"], "report1");
    assert_eq!(report["came_back"], true);
}

#[tokio::test]
async fn a_yes_to_a_mail_for_a_dead_address_is_refused_with_what_to_do() {
    for (state, command) in [
        (MailState::Held, "outbox-approve"),
        (MailState::Failed, "outbox-retry"),
    ] {
        let desk = stopped().await;
        let mail = desk.mail(state).await;
        assert_eq!(mail.recipient, BOB);
        let id = json!({ "id": mail.id });
        let error = desk.ask(command, id.clone()).await.unwrap_err();
        assert_eq!(error.code(), "not_now");
        let told = error.to_string();
        assert!(
            told.contains("liaison addresses allow bob@example.net"),
            "{told}"
        );
        desk.ask("addresses-allow", json!({ "address": BOB }))
            .await
            .unwrap();
        desk.ask(command, id).await.unwrap();
    }
}
