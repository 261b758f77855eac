use bytes::Bytes;
use liaison_core::effect::{HoldEffect, HoldState, MailEffect, MailMode};
use liaison_core::ids::edited_effect_id;
use liaison_core::outbox::{MailState, Phase};
use liaison_core::time::HOUR_MS;
use serde_json::{Value, json};

use crate::api::tests::{Desk, NOW, caller, desk, hold, mail};
use crate::api::{ApiError, Role, call};
use crate::books::rows::AuditRow;
use crate::outbox::{stage_audit, stage_new_hold, stage_new_mail};

const TEXT: &str = "Hello Bob,\n\nit is 100 EUR.\n\n-- \nAlice\n";

/// As it was rendered for mode `send`.
fn rendered() -> Bytes {
    let head = "From: Alice <alice@ourfirm.example>\nTo: bob@example.net\nSubject: Re: Enquiry\n\
                Date: Wed, 25 Feb 2026 06:13:20 +0000\n\
                Message-ID: <liaison.aaaaaa1111@ourfirm.example>\nX-Liaison-Id: aaaaaa1111\n\
                In-Reply-To: <cafe01@example.net>\nReferences: <cafe01@example.net>\n\
                Auto-Submitted: auto-replied\nMIME-Version: 1.0\n\
                Content-Type: text/plain; charset=utf-8; format=flowed\n\
                Content-Transfer-Encoding: 7bit\n";
    Bytes::from(format!("{head}\n{TEXT}").replace('\n', "\r\n"))
}

async fn decided(desk: &Desk, state: MailState, mode: MailMode) -> MailEffect {
    let mut mail = mail(state);
    mail.mode = mode;
    mail.content = desk.context.books.keep(rendered()).await.unwrap();
    desk.commit(|batch| {
        stage_new_mail(batch, &mail).unwrap();
        stage_new_hold(batch, &hold()).unwrap();
    })
    .await;
    mail
}

/// What `outbox edit` gives the daemon: the mail as it is now, with other words.
async fn wish(desk: &Desk, subject: &str, text: &str) -> Value {
    let shown = desk.ask("outbox-show", json!({ "id": "aaaaaa" })).await;
    let seen = shown.unwrap()["edit"]["seen"].clone();
    json!({ "id": "aaaaaa1111", "seen": seen, "subject": subject, "text": text, "why": "price" })
}

async fn mails(desk: &Desk) -> Vec<MailEffect> {
    desk.context
        .books
        .all(crate::store::Ns::Effect)
        .await
        .unwrap()
}

fn text_now() -> String {
    TEXT.replace("100", "90")
}

#[tokio::test]
async fn an_edited_mail_takes_the_place_of_the_held_one_and_waits_for_a_yes() {
    let desk = desk();
    let old = decided(&desk, MailState::Held, MailMode::Approve).await;
    let shown = desk.ask("outbox-show", json!({ "id": "aaaaaa" })).await;
    let shown = shown.unwrap();
    assert_eq!(shown["edit"]["subject"], "Re: Enquiry");
    assert_eq!(shown["edit"]["text"], TEXT);
    let wish = wish(&desk, "Re: Enquiry, new price", &text_now()).await;
    let answer = desk.ask("outbox-edit", wish).await.unwrap();
    let id = edited_effect_id(&old.id);
    assert_eq!(answer["mail"]["id"], id.as_str());
    assert_eq!(answer["mail"]["state"], "held");
    assert_eq!(answer["mail"]["subject"], "Re: Enquiry, new price");

    let books = &desk.context.books;
    let before = books.mail(&old.id).await.unwrap().unwrap();
    assert_eq!(before.state, MailState::Superseded);
    assert_eq!(before.content, old.content, "what was decided stays");
    let new = books.mail(&id).await.unwrap().unwrap();
    assert_eq!(new.cause, old.cause);
    assert_eq!(new.requires, old.requires);
    assert_ne!(new.message_id, old.message_id);
    // The time that it offers stays held, and is found from it.
    let hold: HoldEffect = books.hold(&"bbbbbb2222".into()).await.unwrap().unwrap();
    assert_eq!(hold.state, HoldState::Placed);
    let offered = books.mails_requiring(&hold.id).await.unwrap();
    assert!(offered.contains(&id), "{offered:?}");
    let thread = books.effects_of_thread(&"thread1".into()).await.unwrap();
    assert!(thread.contains(&id), "{thread:?}");
    let due = desk.due_at().await;
    assert!(due.iter().any(|(_, due)| *due == id), "{due:?}");
    assert!(due.iter().all(|(_, due)| *due != old.id), "{due:?}");
    // Its plugin hears of the end of the new one, not of an end of the old one.
    let told = books.outcome("settled aaaaaa1111 superseded").await;
    assert_eq!(told.unwrap(), None);
    for (of, other) in [(&old.id, &id), (&id, &old.id)] {
        let audit = books.audit_of(of.as_str()).await.unwrap();
        let row = audit.last().unwrap();
        assert!(row.why.contains(other.as_str()), "{row:?}");
        assert!(row.why.ends_with("price") && row.who == "uid 7", "{row:?}");
    }

    let late = desk.ask("outbox-approve", json!({ "id": old.id })).await;
    let late = late.unwrap_err().to_string();
    assert!(
        late.contains(id.as_str()) && late.contains("uid 7"),
        "{late}"
    );
    let wish = json!({ "id": old.id, "in": "1 day" });
    let late = desk.ask("outbox-reschedule", wish).await.unwrap_err();
    assert!(late.to_string().contains(id.as_str()), "{late}");
    let answer = desk.ask("outbox-approve", json!({ "id": id })).await;
    assert_eq!(answer.unwrap()["mail"]["state"], "approved");
}

#[tokio::test]
async fn what_a_person_wrote_goes_out_in_the_same_thread_and_is_not_automatic() {
    for state in [
        MailState::Scheduled,
        MailState::Deferred,
        MailState::Approved,
    ] {
        let desk = desk();
        let old = decided(&desk, state.clone(), MailMode::Send).await;
        desk.clock.set(NOW.plus_millis(HOUR_MS));
        let wish = wish(&desk, "Re: Enquiry", &text_now()).await;
        desk.ask("outbox-edit", wish).await.unwrap();
        let books = &desk.context.books;
        let new = books.mail(&edited_effect_id(&old.id)).await.unwrap();
        let new = new.unwrap();
        assert_eq!((&new.state, new.mode), (&state, MailMode::Approve));
        assert_eq!(new.not_before, old.not_before);
        let bytes = books.bytes(&new.content).await.unwrap().unwrap();
        let view = crate::reader::read(bytes).await.unwrap();
        assert_eq!(view.header("Auto-Submitted"), None);
        assert_eq!(view.in_reply_to, ["cafe01@example.net"]);
        assert_eq!(view.message_id, Some(new.message_id));
        assert_eq!(view.liaison_id, Some(new.id.0));
        assert!(view.text.contains("it is 90 EUR."), "{}", view.text);
    }
}

#[tokio::test]
async fn the_same_edit_twice_makes_one_mail_and_another_one_is_pointed_to_it() {
    let desk = desk();
    let old = decided(&desk, MailState::Held, MailMode::Approve).await;
    let same = wish(&desk, "Re: Enquiry", &text_now()).await;
    let first = desk.ask("outbox-edit", same.clone()).await.unwrap();
    let again = desk.ask("outbox-edit", same.clone()).await.unwrap();
    assert_eq!(first["mail"], again["mail"]);
    assert_eq!(mails(&desk).await.len(), 2);
    let mut other = same;
    other["text"] = json!(TEXT.replace("100", "80"));
    let refused = desk.ask("outbox-edit", other).await.unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains(edited_effect_id(&old.id).as_str()) && refused.contains("uid 7"),
        "{refused}"
    );
    assert_eq!(mails(&desk).await.len(), 2);
}

#[tokio::test]
async fn a_mail_that_was_decided_meanwhile_is_not_overwritten_and_it_is_said_by_whom() {
    let desk = desk();
    let old = decided(&desk, MailState::Held, MailMode::Approve).await;
    let wish = wish(&desk, "Re: Enquiry", &text_now()).await;
    let bob = caller("bob", Role::Approve);
    let yes = json!({ "id": "aaaaaa" });
    call(&desk.context, &bob, "outbox-approve", yes)
        .await
        .unwrap();
    let refused = desk.ask("outbox-edit", wish).await.unwrap_err();
    assert_eq!(refused.code(), "not_now");
    let refused = refused.to_string();
    assert!(refused.contains("held -> approved, by bob"), "{refused}");
    let all = mails(&desk).await;
    assert_eq!(all.len(), 1);
    assert_eq!(
        (&all[0].state, &all[0].content),
        (&MailState::Approved, &old.content)
    );
}

#[tokio::test]
async fn two_who_edit_one_mail_at_once_make_one_new_mail() {
    let desk = desk();
    decided(&desk, MailState::Held, MailMode::Approve).await;
    let one = wish(&desk, "Re: Enquiry", &text_now()).await;
    let mut other = one.clone();
    other["text"] = json!(TEXT.replace("100", "80"));
    let (alice, bob) = (caller("alice", Role::Approve), caller("bob", Role::Approve));
    let (first, second) = tokio::join!(
        call(&desk.context, &alice, "outbox-edit", one),
        call(&desk.context, &bob, "outbox-edit", other),
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    assert_eq!(mails(&desk).await.len(), 2);
}

#[tokio::test]
async fn no_change_changes_nothing_and_unfinished_words_are_refused() {
    let desk = desk();
    let old = decided(&desk, MailState::Held, MailMode::Approve).await;
    let same = wish(&desk, "Re: Enquiry ", &TEXT.replace('\n', "  \r\n")).await;
    let answer = desk.ask("outbox-edit", same).await.unwrap();
    let said = answer["changed"].as_str().unwrap();
    assert!(said.starts_with("nothing"), "{said}");
    for (subject, text, says) in [
        ("", TEXT, "the subject is empty"),
        ("Re: Enquiry", "", "the text is empty"),
        ("Re: Enquiry", "Dear {{name}},\n", "`{{name}}`"),
        ("Re: Enquiry", "at [TODO] EUR\n", "`[TODO]`"),
        ("Re: \u{7}", TEXT, "control character"),
    ] {
        let wish = wish(&desk, subject, text).await;
        let refused = desk.ask("outbox-edit", wish).await.unwrap_err();
        assert!(matches!(refused, ApiError::Arguments(_)), "{refused:?}");
        assert!(refused.to_string().contains(says), "{refused}");
    }
    assert_eq!(mails(&desk).await, [old]);
}

#[tokio::test]
async fn what_is_with_a_server_in_drafts_or_was_in_doubt_is_not_edited() {
    for (state, mode, says) in [
        (
            MailState::Drafted,
            MailMode::Draft,
            "lies in the Drafts of alice@ourfirm.example",
        ),
        (
            MailState::Scheduled,
            MailMode::Draft,
            "will lie in the Drafts",
        ),
        (
            MailState::Leased(Phase::BeforeDot),
            MailMode::Send,
            "look again in a minute",
        ),
        (MailState::Sent, MailMode::Send, "nothing more happens"),
        (
            MailState::Uncertain,
            MailMode::Send,
            "liaison outbox resolve",
        ),
    ] {
        let desk = desk();
        let old = decided(&desk, state, mode).await;
        let shown = desk.ask("outbox-show", json!({ "id": "aaaaaa" })).await;
        let shown = shown.unwrap();
        let refused = shown["edit"]["refused"].as_str().unwrap();
        assert!(refused.contains(says), "{refused}");
        let wish = json!({ "id": "aaaaaa", "seen": "", "subject": "x", "text": "y" });
        let refused = desk.ask("outbox-edit", wish).await.unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
        assert_eq!(mails(&desk).await, [old]);
    }
}

/// Under a new Message-ID nobody would notice that both went out.
#[tokio::test]
async fn a_held_mail_that_may_have_been_sent_before_is_not_edited() {
    let desk = desk();
    let old = decided(&desk, MailState::Held, MailMode::Approve).await;
    let row = AuditRow {
        at: NOW,
        who: "liaison".to_owned(),
        what: "uncertain -> held".to_owned(),
        why: String::new(),
    };
    desk.commit(|batch| stage_audit(batch, old.id.as_str(), NOW, row).unwrap())
        .await;
    let wish = json!({ "id": "aaaaaa", "seen": "", "subject": "x", "text": "y" });
    let refused = desk.ask("outbox-edit", wish).await.unwrap_err();
    assert!(
        refused.to_string().contains("may have been sent"),
        "{refused}"
    );
    assert_eq!(mails(&desk).await, [old]);
}
