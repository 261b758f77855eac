use liaison_core::effect::MailEffect;
use liaison_core::outbox::{Input, MailState};
use liaison_core::time::{DAY_MS, HOUR_MS};
use serde_json::{Value, json};

use super::super::many::MANY_MAX;
use super::super::{Decide, decide_once, mail_by};
use crate::api::tests::{Desk, NOW, caller, desk, mail};
use crate::api::{Role, call};
use crate::outbox::stage_new_mail;

async fn put(desk: &Desk, id: &str, fill: impl FnOnce(&mut MailEffect)) {
    let mut mail = mail(MailState::Held);
    mail.id = id.into();
    mail.requires = Vec::new();
    mail.message_id = format!("liaison.{id}@ourfirm.example");
    fill(&mut mail);
    desk.commit(|batch| stage_new_mail(batch, &mail).unwrap())
        .await;
}

async fn chosen(desk: &Desk, wish: Value) -> Vec<String> {
    let answer = desk.ask("outbox-select", wish).await.unwrap();
    let rows = answer["mails"].as_array().unwrap().iter();
    rows.map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn mails_are_chosen_by_what_they_have_in_common_and_only_where_the_step_exists() {
    let desk = desk();
    let account = json!({ "name": "Acme", "domains": ["acme.example.com"] });
    desk.ask("accounts-add", account).await.unwrap();
    let shown = desk.ask("accounts-show", json!({ "id": "Acme" })).await;
    let account = shown.unwrap()["account"]["id"].as_str().unwrap().to_owned();
    put(&desk, "old", |mail| {
        mail.created = NOW.minus_millis(10 * DAY_MS);
        mail.cause.subject.account = Some(account.as_str().into());
    })
    .await;
    put(&desk, "nudge", |mail| {
        mail.cause.plugin = "follow-up".into();
        mail.cause.rule = Some("R10".to_owned());
        mail.created = NOW.minus_millis(HOUR_MS);
    })
    .await;
    put(&desk, "timed", |mail| mail.state = MailState::Scheduled).await;
    put(&desk, "gone", |mail| mail.state = MailState::Sent).await;
    for (wish, ids) in [
        (json!({ "all_held": true }), &["old", "nudge"][..]),
        (json!({ "state": "held" }), &["old", "nudge"]),
        (json!({ "plugin": "follow-up" }), &["nudge"]),
        (json!({ "rule": "R03" }), &["old"]),
        (json!({ "rule": "R03", "plugin": "follow-up" }), &[]),
        (json!({ "account": "acme.example.com" }), &["old"]),
        (json!({ "older_than": "30 minutes" }), &["old", "nudge"]),
        (json!({ "older_than": "1 business day" }), &["old"]),
        (json!({ "state": "scheduled" }), &[]),
        (json!({ "state": "scheduled", "way": "cancel" }), &["timed"]),
        (json!({ "rule": "R03", "way": "cancel" }), &["old", "timed"]),
    ] {
        let mut asked = wish.clone();
        if asked["way"].is_null() {
            asked["way"] = json!("approve");
        }
        assert_eq!(chosen(&desk, asked).await, ids, "{wish}");
    }
    for (wish, says) in [
        (json!({ "way": "approve" }), "--all-held"),
        (json!({ "way": "reject", "state": "helt" }), "did you mean"),
        (json!({ "way": "reject", "older_than": "soon" }), "soon"),
        (json!({ "way": "reject", "account": "nobody" }), "nobody"),
    ] {
        let refused = desk.ask("outbox-select", wish).await.unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
    }
}

#[tokio::test]
async fn of_many_each_is_decided_by_itself_and_what_was_decided_before_says_by_whom() {
    let desk = desk();
    for id in ["one", "two", "three"] {
        put(&desk, id, |_| ()).await;
    }
    let ids = chosen(&desk, json!({ "way": "reject", "all_held": true })).await;
    assert_eq!(ids.len(), 3);
    let bob = caller("bob", Role::Approve);
    let yes = json!({ "id": "two" });
    call(&desk.context, &bob, "outbox-approve", yes)
        .await
        .unwrap();
    // One that was never shown is not touched.
    put(&desk, "late", |_| ()).await;
    let wish = json!({ "way": "reject", "ids": ids, "why": "fair is over" });
    let answer = desk.ask("outbox-decide-many", wish).await.unwrap();
    assert_eq!(
        (&answer["done"], &answer["refused"]),
        (&json!(2), &json!(1))
    );
    let rows = answer["mails"].as_array().unwrap();
    let two = rows.iter().find(|row| row["id"] == "two").unwrap();
    assert_eq!(two["done"], false);
    let said = two["text"].as_str().unwrap();
    assert!(
        said.contains("bob") && said.contains(&NOW.to_string()),
        "{said}"
    );
    for (id, state) in [
        ("one", MailState::Rejected),
        ("two", MailState::Approved),
        ("three", MailState::Rejected),
        ("late", MailState::Held),
    ] {
        let mail = desk.context.books.mail(&id.into()).await.unwrap();
        assert_eq!(mail.unwrap().state, state, "{id}");
    }
    let audit = desk.context.books.audit_of("one").await.unwrap();
    assert!(audit[0].why.ends_with("fair is over"), "{audit:?}");
}

#[tokio::test]
async fn more_than_a_person_looks_through_are_not_decided_at_once() {
    let desk = desk();
    for n in 0..MANY_MAX + 3 {
        put(&desk, &format!("m{n:04}"), |_| ()).await;
    }
    let wish = json!({ "way": "approve", "all_held": true });
    let answer = desk.ask("outbox-select", wish.clone()).await.unwrap();
    assert_eq!(answer["mails"].as_array().unwrap().len(), MANY_MAX);
    assert_eq!(
        (&answer["left"], &answer["more"]),
        (&json!(3), &json!(true))
    );
    let ids: Vec<String> = (0..=MANY_MAX).map(|n| format!("m{n:04}")).collect();
    let all = json!({ "way": "approve", "ids": ids });
    let refused = desk.ask("outbox-decide-many", all).await.unwrap_err();
    assert_eq!(refused.code(), "arguments");
    assert_eq!(chosen(&desk, wish).await.len(), MANY_MAX);
}

/// mautic/mautic#9880: two who saw the same state both acted on it.
#[tokio::test]
async fn of_two_who_saw_the_same_held_mail_the_second_commit_does_nothing() {
    let desk = desk();
    desk.mail(MailState::Held).await;
    let (alice, bob) = (caller("alice", Role::Approve), caller("bob", Role::Approve));
    let arguments = Decide {
        id: "aaaaaa".to_owned(),
        why: None,
    };
    let context = &desk.context;
    let seen = mail_by(context, "aaaaaa").await.unwrap();
    decide_once(context, &alice, &arguments, &seen, Input::Approve)
        .await
        .unwrap();
    let second = decide_once(context, &bob, &arguments, &seen, Input::Reject).await;
    assert!(second.unwrap_err().is_conflict());
    let mail = mail_by(context, "aaaaaa").await.unwrap().record;
    assert_eq!(mail.state, MailState::Approved);
    let audit = context.books.audit_of("aaaaaa1111").await.unwrap();
    assert_eq!(audit.len(), 1, "{audit:?}");
    // What bob is told when he asks again, as the command does by itself.
    let told = call(context, &bob, "outbox-reject", json!({ "id": "aaaaaa" })).await;
    let told = told.unwrap_err();
    assert_eq!(told.code(), "not_now");
    let told = told.to_string();
    assert!(told.contains("alice decided on it at"), "{told}");
    assert!(told.contains(&NOW.to_string()), "{told}");
}
