//! Conversations that a person closed.

use liaison_core::effect::MailMode;
use liaison_core::message::ThreadRecord;
use liaison_core::outbox::MailState;
use serde_json::json;

use super::house::{BUNDLED, House, from_ann, from_sam};
use super::trust::waiting;
use super::{asked, in_reply_to};
use crate::source::{BatchMode, FolderRole};
use crate::store::Ns;

async fn thread_of(house: &House) -> ThreadRecord {
    house.all::<ThreadRecord>(Ns::Thread).await.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_more_goes_into_a_closed_conversation_until_they_write_again() {
    let (mut house, mail) = waiting(MailMode::Send).await;
    // By the id of anything that belongs to it.
    let why = json!({ "id": mail.id, "why": "they chose another" });
    let told = house.ask("thread-close", why.clone()).await;
    let changed = told["changed"].as_str().unwrap();
    assert!(changed.contains("called off: 1 mail(s)"), "{changed}");
    let mail = house.mails().await.remove(0);
    let MailState::Cancelled { by, why: because } = &mail.state else {
        panic!("{}", mail.state)
    };
    assert_eq!(
        (by.as_str(), because.as_str()),
        ("sam", "they chose another")
    );
    let again = house.ask("thread-close", why).await;
    assert!(again["changed"].as_str().unwrap().starts_with("nothing"));

    // A machine does not reopen it, nor one of us.
    let links = in_reply_to("q1@example.com");
    let machine = format!("{links}\nAuto-Submitted: auto-generated");
    house
        .receive(&from_ann("m1", "Re: Contract", "Ticket 7.", &machine))
        .await;
    house
        .sent(&from_sam("s1", "Re: Contract", "All the best.", &links))
        .await;
    house.settle(&BUNDLED).await;
    assert!(thread_of(&house).await.closed.is_some());
    // Nor what was written before, and is found in a mailbox that is watched only now.
    let old = from_ann("h1", "Re: Contract", "We think about it.", &links);
    let old = crate::source::Content::Message(old.into());
    let place = ("kim", FolderRole::Inbox, BatchMode::History);
    house.hand_in(place, vec![old]).await;
    assert!(thread_of(&house).await.closed.is_some());
    house
        .receive(&from_ann("r1", "Re: Contract", "We do want it.", &links))
        .await;
    house.settle(&BUNDLED).await;
    let thread = thread_of(&house).await;
    assert_eq!(thread.closed, None);
    let audit = house.books.audit_of(thread.id.as_str()).await.unwrap();
    let said: Vec<&str> = audit.iter().map(|row| row.what.as_str()).collect();
    assert_eq!(said, ["closed", "reopened"]);
    assert!(audit[1].why.contains("ann@clinic.example.com wrote again"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follow_up_into_a_closed_conversation_is_refused_with_who_closed_it() {
    let house = asked().await;
    let thread = thread_of(&house).await.id;
    house.ask("thread-close", json!({ "id": thread })).await;
    house.advance(24 * 4);
    house.settle(&BUNDLED).await;
    assert!(house.mails().await.is_empty());
    let told = house.ask("why", json!({ "id": "q1@example.com" })).await;
    let audit = &told["thread"]["audit"];
    let last = audit.as_array().unwrap().last().unwrap();
    assert!(last["what"].as_str().unwrap().contains("came to nothing"));
    let why = last["why"].as_str().unwrap();
    assert!(why.contains("the conversation was closed by sam"), "{why}");
    assert!(
        told["thread"]["closed"]
            .as_str()
            .unwrap()
            .contains("closed by sam")
    );

    house.ask("thread-reopen", json!({ "id": thread })).await;
    assert_eq!(thread_of(&house).await.closed, None);
}
