//! `unsubscribe`: tokens that are handed in, and what a person allows again.

use std::sync::Arc;

use liaison_core::ids::EffectId;
use liaison_core::optout::{AskedBy, Claim, OptOut};
use liaison_core::records::TaskRecord;
use liaison_core::time::HOUR_MS;
use serde_json::json;

use super::{cause, desk, story};
use crate::books::{keys, replace};
use crate::clock::Clock;
use crate::unsubscribe::Unsubscribe;

#[tokio::test]
async fn a_token_is_handed_in_listed_and_taken_back_by_a_person_and_by_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = desk();
    let mut office = super::office();
    office.unsubscribe = Unsubscribe::new(dir.path(), None);
    let claim = Claim::of(&EffectId::from("e1"), "bob@example.org").unwrap();
    let token = office.unsubscribe.token(&claim).unwrap().unwrap();
    desk.context.office = Arc::new(office);
    let take = json!({ "token": token });
    let answer = desk.ask("unsubscribe-take", take.clone()).await.unwrap();
    assert_eq!(answer["changed"], "no further mail goes to bob@example.org");
    let task = answer["task"].as_str().unwrap();
    let shown = desk.ask("tasks-show", json!({ "id": task })).await.unwrap();
    assert!(
        shown
            .to_string()
            .contains("bob@example.org asked not to get"),
        "{shown}"
    );
    let again = desk.ask("unsubscribe-take", take.clone()).await.unwrap();
    assert!(
        again["changed"].as_str().unwrap().starts_with("nothing"),
        "{again}"
    );
    let listed = desk.ask("unsubscribe-list", json!({})).await.unwrap();
    assert_eq!(listed["unsubscribed"][0]["address"], "bob@example.org");

    let bob = json!({ "address": "Bob+x@Example.org", "why": "he called" });
    desk.ask("unsubscribe-allow", bob.clone()).await.unwrap();
    let listed = desk.ask("unsubscribe-list", json!({})).await.unwrap();
    assert_eq!(listed["unsubscribed"], json!([]));
    let audit = desk
        .context
        .books
        .audit_of("bob@example.org")
        .await
        .unwrap();
    let last = audit.last().unwrap();
    assert_eq!(
        (last.who.as_str(), last.why.as_str()),
        ("uid 7", "he called")
    );
    assert!(desk.ask("unsubscribe-allow", bob).await.is_err());
    // Who asks once more is heeded once more.
    desk.clock.set(desk.clock.now().plus_millis(HOUR_MS));
    let answer = desk.ask("unsubscribe-take", take).await.unwrap();
    assert_eq!(answer["changed"], "no further mail goes to bob@example.org");

    let forged = json!({ "token": format!("{token}A") });
    let error = desk.ask("unsubscribe-take", forged).await.unwrap_err();
    assert!(
        error.to_string().contains("heeded for no address"),
        "{error}"
    );
}

#[tokio::test]
async fn why_shows_the_task_that_a_message_with_a_token_made() {
    let desk = desk();
    story(&desk).await;
    let claim = Claim::of(&EffectId::from("aaaaaa1111"), "bob@example.org").unwrap();
    let wish = OptOut::new(&claim, AskedBy::Message("cafe01".into()), desk.clock.now());
    let task = TaskRecord {
        title: "bob@example.org asked not to get further mail".to_owned(),
        ..TaskRecord::new(wish.task_id(), cause(), desk.clock.now())
    };
    desk.commit(|batch| {
        replace(batch, keys::opt_out("bob@example.org"), None, &wish).unwrap();
        replace(batch, keys::task(&task.id), None, &task).unwrap();
    })
    .await;
    let why = desk.ask("why", json!({ "id": "cafe01" })).await.unwrap();
    let records = why["records"].as_array().unwrap();
    let told = records.iter().find(|record| record["id"] == json!(task.id));
    assert!(told.is_some(), "{records:?}");
}
