//! Absence notes of people for whom a mail waits (H-OOO).

use liaison_core::account::{Contact, ContactStatus};
use liaison_core::effect::{MailEffect, MailMode};
use liaison_core::outbox::MailState;

use super::house::{BUNDLED, House, at, from_ann};
use super::in_reply_to;
use super::trust::waiting;
use crate::store::Ns;

const AWAY: &str = "I am out of the office and back on 16 March 2026.";
const GONE: &str = "I have left the company. Please write to info@clinic.example.com.";

fn note(id: &str, text: &str) -> String {
    let links = in_reply_to("q1@example.com");
    let extra = format!("{links}\nAuto-Submitted: auto-replied");
    from_ann(id, "Out of office", text, &extra)
}

async fn after(house: &mut House, note: &str) -> MailEffect {
    house.advance(1);
    house.receive(note).await;
    house.settle(&BUNDLED).await;
    house.mails().await.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_in_the_outbox_waits_until_its_recipient_is_back() {
    let (mut house, before) = waiting(MailMode::Send).await;
    let mail = after(&mut house, &note("o1", AWAY)).await;
    assert_eq!(mail.state, before.state);
    // Back on Monday the 16th: on Tuesday, when the office opens.
    assert_eq!(mail.not_before, at("2026-03-17T08:00:00Z"));
    let why = mail.last_reply.unwrap();
    assert!(why.contains("is away until 2026-03-16"), "{why}");
    let audit = house.books.audit_of(mail.id.as_str()).await.unwrap();
    assert!(audit.last().unwrap().what.contains("waits until"));
    // An absence is no answer.
    let again = after(&mut house, &note("o2", "I am away.")).await;
    assert_eq!(again.not_before, mail.not_before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_of_somebody_else_moves_nothing() {
    let (mut house, before) = waiting(MailMode::Send).await;
    for (id, from) in [
        ("o1", "Bob <bob@clinic.example.com>"),
        ("o2", "Ann Smith <ann@elsewhere.example.org>"),
    ] {
        let other = note(id, AWAY).replace("Ann Smith <ann@clinic.example.com>", from);
        let mail = after(&mut house, &other).await;
        assert_eq!(mail.not_before, before.not_before, "{from}");
    }
    let forged = note("o3", AWAY).replace("pass", "fail");
    let mail = after(&mut house, &forged).await;
    assert_eq!(mail.not_before, before.not_before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unproven_note_moves_a_mail_only_when_it_answers_one() {
    let (mut house, before) = waiting(MailMode::Send).await;
    let unproven = |note: String| note.replace("mx.example.net;", "mx.example.org;");
    let alone = from_ann("o1", "Away", AWAY, "Auto-Submitted: auto-replied");
    let mail = after(&mut house, &unproven(alone)).await;
    assert_eq!(mail.not_before, before.not_before);
    let audit = house.books.audit_of(mail.id.as_str()).await.unwrap();
    let why = &audit.last().unwrap().why;
    assert!(why.contains("nothing proves whose it is"), "{why}");
    let mail = after(&mut house, &unproven(note("o2", AWAY))).await;
    assert_eq!(mail.not_before, at("2026-03-17T08:00:00Z"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_left_is_marked_and_gets_no_further_mail_and_we_look_for_the_successor() {
    let (mut house, _) = waiting(MailMode::Send).await;
    let mail = after(&mut house, &note("o1", GONE)).await;
    assert!(
        matches!(mail.state, MailState::Cancelled { .. }),
        "{}",
        mail.state
    );
    let ann = house.all::<Contact>(Ns::Contact).await.remove(0);
    assert_eq!(ann.status, ContactStatus::Left);
    let audit = house.books.audit_of(ann.id.as_str()).await.unwrap();
    assert!(audit.last().unwrap().why.contains("their note of"));
    let tasks = house.tasks().await;
    let [task] = &tasks[..] else {
        panic!("{tasks:?}")
    };
    assert_eq!(task.title, "Find the successor of Ann Smith");
    assert_eq!(task.owner.as_deref(), Some("sam@example.net"));
    // Once, however many notes come.
    after(&mut house, &note("o2", GONE)).await;
    assert_eq!(house.tasks().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unproven_note_that_somebody_left_is_laid_before_a_person() {
    let (mut house, _) = waiting(MailMode::Send).await;
    let unproven = note("o1", GONE).replace("mx.example.net;", "mx.example.org;");
    let mail = after(&mut house, &unproven).await;
    assert_eq!(mail.state, MailState::Held);
    let why = mail.last_reply.unwrap();
    assert!(why.contains("nothing proves whose it is"), "{why}");
    assert_eq!(
        house.all::<Contact>(Ns::Contact).await[0].status,
        ContactStatus::Active
    );
    assert_eq!(house.tasks().await.len(), 1);
}
