//! Drafts while they lie in their owner's Drafts: deleted, changed, sent, and not to be sent any more.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use liaison_core::effect::{HoldEffect, HoldState, MailEffect, MailMode};
use liaison_core::ids::EffectId;
use liaison_core::message::ThreadClosed;
use liaison_core::optout::{AskedBy, OptOut};
use liaison_core::outbox::{Input, MailState};
use liaison_core::records::TaskRecord;
use liaison_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

use super::mails::take_step;
use super::world::{START, World};
use crate::books::{keys, replace};
use crate::sink::OwnFolder;
use crate::store::Ns;

const ONE: &str = "liaison.one@example.com";
const WORDS: &str = "Hello Bob,\r\n\r\nthank you for your request, the agreement is attached.\r\n";

/// A draft that lies in Drafts.
async fn drafted(world: &World) -> EffectId {
    let text = format!("To: bob@example.net\r\nMessage-ID: <{ONE}>\r\nSubject: x\r\n\r\n{WORDS}");
    let content = world.books.keep(Bytes::from(text)).await.unwrap();
    let id = world
        .add_mail("one", |mail| {
            mail.mode = MailMode::Draft;
            mail.content = content;
        })
        .await;
    world.settle().await;
    assert_eq!(world.mail(&id).await.state, MailState::Drafted);
    assert!(world.folders.has(OwnFolder::Drafts, ONE));
    id
}

async fn hours(world: &World, count: i64) {
    for _ in 0..count {
        world.settle_after(HOUR_MS).await;
    }
}

async fn tasks(world: &World) -> Vec<TaskRecord> {
    world.books.all(Ns::Task).await.unwrap()
}

/// It would count against the ceiling of its thread for ever.
#[tokio::test]
async fn a_draft_that_its_owner_deleted_is_called_off_after_a_day() {
    let world = World::new();
    let id = drafted(&world).await;
    hours(&world, 50).await;
    assert_eq!(world.mail(&id).await.state, MailState::Drafted);
    world.folders.remove(OwnFolder::Drafts, ONE);
    hours(&world, 20).await;
    assert_eq!(world.mail(&id).await.state, MailState::Drafted);
    hours(&world, 6).await;
    let state = world.mail(&id).await.state.to_string();
    assert!(state.contains("its owner deleted the draft"), "{state}");
    let settled = format!("settled {id} cancelled");
    assert!(world.books.outcome(&settled).await.unwrap().is_some());
    assert!(tasks(&world).await.is_empty(), "whoever deletes it knows");
    assert_eq!(world.settle().await, 0);
}

/// Programs replace a draft by each save, with a moment in which there is none.
#[tokio::test]
async fn a_draft_that_is_saved_anew_is_not_deleted() {
    for kept in ["stamp", "words"] {
        let world = World::new();
        let id = drafted(&world).await;
        world.folders.remove(OwnFolder::Drafts, ONE);
        hours(&world, 2).await;
        match kept {
            "stamp" => world
                .folders
                .put_as(OwnFolder::Drafts, "new@example.com", "one"),
            _ => {
                let text = format!(
                    "To: Bob <bob@example.net>\r\nSubject: x\r\n\r\n{WORDS}\r\nBy the way ...\r\n"
                );
                world
                    .folders
                    .write(OwnFolder::Drafts, "new@example.com", &text);
            }
        }
        hours(&world, 40).await;
        let mail = world.mail(&id).await;
        assert_eq!(
            (mail.state, mail.missing_since),
            (MailState::Drafted, None),
            "{kept}"
        );
        // What others write to the same person is no sign of it.
        world.folders.remove(OwnFolder::Drafts, "new@example.com");
        let other = "To: bob@example.net\r\nSubject: y\r\n\r\nLunch on Friday?\r\n";
        world
            .folders
            .write(OwnFolder::Drafts, "lunch@example.com", other);
        hours(&world, 26).await;
        assert_eq!(world.mail(&id).await.state.as_str(), "cancelled", "{kept}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_looked_into_deletes_no_draft() {
    let world = World::new();
    let id = drafted(&world).await;
    world.folders.remove(OwnFolder::Drafts, ONE);
    world.folders.failures.store(1_000, Ordering::SeqCst);
    hours(&world, 72).await;
    assert_eq!(world.mail(&id).await.state, MailState::Drafted);
}

#[tokio::test]
async fn a_draft_that_lies_in_sent_was_sent_also_when_it_seemed_to_be_deleted() {
    let world = World::new();
    let id = drafted(&world).await;
    world.folders.remove(OwnFolder::Drafts, ONE);
    hours(&world, 3).await;
    world
        .folders
        .put_as(OwnFolder::Sent, "outlook@example.com", "one");
    hours(&world, 1).await;
    let mail = world.mail(&id).await;
    assert_eq!(mail.state, MailState::Sent);
    assert_eq!(mail.known_as, ["outlook@example.com"]);
    assert_eq!(
        world.folders.count(OwnFolder::Sent),
        1,
        "its owner's program filed it"
    );
}

#[tokio::test]
async fn a_draft_leaves_drafts_when_its_recipient_must_not_be_written_to_any_more() {
    for against in ["opt-out", "closed thread", "lost time"] {
        let world = World::new();
        world.add_thread(|_| {}).await;
        let hold = world.add_hold("hold", START.plus_millis(30 * DAY_MS)).await;
        world.settle().await;
        let id = drafted(&world).await;
        let mut writes = world.books.batch();
        match against {
            "opt-out" => {
                let row = OptOut {
                    address: "bob@example.net".to_owned(),
                    at: START,
                    by: AskedBy::HandedIn("alice".to_owned()),
                    mail: "zero".into(),
                    allowed: None,
                };
                replace(&mut writes, keys::opt_out(&row.address), None, &row).unwrap();
            }
            "closed thread" => {
                world
                    .add_thread(|thread| {
                        thread.closed = Some(ThreadClosed {
                            at: START,
                            who: "alice".to_owned(),
                            why: "won".to_owned(),
                        });
                    })
                    .await;
            }
            _ => {
                let stored = world.books.get::<MailEffect>(keys::mail(&id)).await;
                let stored = stored.unwrap().unwrap();
                let mut after = stored.record.clone();
                after.requires = vec![hold.clone()];
                crate::outbox::stage_mail_record(&mut writes, &stored, &after).unwrap();
                let hold = world.books.get::<HoldEffect>(keys::hold(&hold)).await;
                let hold = hold.unwrap().unwrap();
                let mut lost = hold.record.clone();
                lost.state = HoldState::Lost("somebody deleted it".to_owned());
                replace(&mut writes, keys::hold(&lost.id), Some(hold.version), &lost).unwrap();
            }
        }
        world.books.commit(writes).await.unwrap();
        hours(&world, 2).await;
        assert_eq!(
            world.mail(&id).await.state.as_str(),
            "cancelled",
            "{against}"
        );
        assert!(!world.folders.has(OwnFolder::Drafts, ONE), "{against}");
        assert!(tasks(&world).await.is_empty(), "{against}");
    }
}

#[tokio::test]
async fn the_owner_of_a_changed_draft_is_told_that_it_was_overtaken() {
    let world = World::new();
    let id = drafted(&world).await;
    world.folders.remove(OwnFolder::Drafts, ONE);
    world
        .folders
        .put_as(OwnFolder::Drafts, "edited@example.com", "one");
    let cancel = Input::Cancel {
        by: "a reply".to_owned(),
        why: "bob@example.net answered in the thread".to_owned(),
    };
    take_step(&world, &id, cancel).await;
    world.settle_after(MINUTE_MS).await;
    assert!(world.folders.has(OwnFolder::Drafts, "edited@example.com"));
    let [task] = tasks(&world).await.try_into().unwrap();
    assert_eq!(task.owner.as_deref(), Some("alice@example.com"));
    assert!(
        task.body.contains("bob@example.net answered"),
        "{}",
        task.body
    );
    assert!(task.title.contains("bob@example.net"), "{}", task.title);
    assert!(task.is_open());
    // They send it all the same: nothing is left to do.
    take_step(&world, &id, Input::FoundInSent).await;
    let [task] = tasks(&world).await.try_into().unwrap();
    assert!(!task.is_open());
}
