//! Mails in doubt: what is found of them and under which id, what is sent again, and that everything
//! that follows from a sent mail follows once, however it became known.

use std::sync::atomic::Ordering;

use liaison_core::effect::MailEffect;
use liaison_core::ids::EffectId;
use liaison_core::outbox::{IfUncertain, Input, MailState};
use liaison_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

use super::fakes::Server;
use super::mails::take_step;
use super::world::{World, office};
use crate::sink::OwnFolder;

const ONE: &str = "liaison.one@example.com";

/// One whose mailbox says that what is not found is sent again.
fn resending() -> World {
    World::with(|office| {
        for mailbox in office.mailboxes.values_mut() {
            mailbox.if_uncertain = IfUncertain::Resend;
            mailbox.file_sent_copy = false;
        }
    })
}

/// A mail whose verdict was lost.
async fn in_doubt(world: &World) -> EffectId {
    world.add_thread(|_| {}).await;
    let id = world.add_mail("one", |_| {}).await;
    world.transport.then(Server::SilentAfterDot { took: false });
    world.settle().await;
    assert_eq!(world.mail(&id).await.state, MailState::Uncertain);
    id
}

async fn minutes(world: &World, count: i64) {
    for _ in 0..count {
        world.settle_after(MINUTE_MS).await;
    }
}

async fn automatic(world: &World) -> u32 {
    let thread = world.books.thread(&"thread".into()).await.unwrap();
    thread.unwrap().automatic_since_human
}

async fn told(world: &World, id: &EffectId, state: &str) -> bool {
    let key = format!("settled {id} {state}");
    world.books.outcome(&key).await.unwrap().is_some()
}

#[tokio::test]
async fn a_mail_in_doubt_is_found_under_the_id_that_the_provider_gave_it() {
    let world = World::new();
    let id = in_doubt(&world).await;
    let given = "0102018e0a1b2c3d-11111111-2222-000000@eu-west-1.amazonses.example";
    world.folders.put_as(OwnFolder::Sent, given, "one");
    minutes(&world, 2).await;
    let mail = world.mail(&id).await;
    assert_eq!(mail.state, MailState::Sent);
    assert_eq!(mail.known_as, [given]);
    assert!(mail.last_reply.unwrap().contains(given));
    // Answers name that one, with whatever domain.
    for named in [given, "0102018e0a1b2c3d-11111111-2222-000000", ONE] {
        let found = world.books.mail_by_message_id(named).await.unwrap();
        assert_eq!(found.as_ref(), Some(&id), "{named}");
    }
    // It is there already: no second copy.
    assert_eq!(world.folders.count(OwnFolder::Sent), 1);
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_found_counts_in_its_thread_and_tells_the_plugin_once() {
    let world = World::new();
    let id = in_doubt(&world).await;
    assert_eq!(automatic(&world).await, 0);
    world.folders.put(OwnFolder::Sent, ONE);
    minutes(&world, 20).await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
    assert_eq!(automatic(&world).await, 1);
    assert!(told(&world, &id, "sent").await);
}

#[tokio::test]
async fn a_persons_word_that_it_went_out_counts_and_files_the_copy() {
    for files in [true, false] {
        let world = World::with(|office| {
            for mailbox in office.mailboxes.values_mut() {
                mailbox.file_sent_copy = files;
            }
        });
        let id = in_doubt(&world).await;
        take_step(&world, &id, Input::Resolve { sent: true }).await;
        world.settle().await;
        assert_eq!(automatic(&world).await, 1);
        assert!(told(&world, &id, "resolved").await);
        assert_eq!(world.folders.has(OwnFolder::Sent, ONE), files);
        assert_eq!(world.transport.calls.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_persons_word_that_it_did_not_go_out_sends_it() {
    let world = World::new();
    let id = in_doubt(&world).await;
    take_step(&world, &id, Input::Resolve { sent: false }).await;
    world.settle_after(MINUTE_MS).await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
    assert_eq!(*world.transport.took.lock().unwrap(), [ONE]);
}

/// The answer came before anybody knew that the mail had gone out.
#[tokio::test]
async fn a_mail_that_was_answered_before_it_was_found_is_not_counted_after_the_answer() {
    let world = World::new();
    let id = in_doubt(&world).await;
    let answered = crate::clock::Clock::now(&world.clock).plus_millis(1_000);
    world
        .add_thread(|thread| thread.last_human_inbound = Some(answered))
        .await;
    world.folders.put(OwnFolder::Sent, ONE);
    minutes(&world, 2).await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
    assert_eq!(automatic(&world).await, 0);
}

#[tokio::test]
async fn where_the_mailbox_says_so_the_same_bytes_are_sent_again_once() {
    let world = resending();
    let id = in_doubt(&world).await;
    minutes(&world, 14).await;
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 1);
    assert_eq!(world.mail(&id).await.looks, 4);
    world.transport.then(Server::SilentAfterDot { took: false });
    minutes(&world, 2).await;
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 2);
    let offered = world.transport.offered.lock().unwrap().clone();
    assert_eq!(offered[0], offered[1]);
    let audit = world.books.audit_of("one").await.unwrap();
    let again = audit
        .iter()
        .filter(|row| row.what == "uncertain -> deferred");
    let whys: Vec<&str> = again.map(|row| row.why.as_str()).collect();
    assert!(
        whys.len() == 1 && whys[0].contains("same Message-ID"),
        "{whys:?}"
    );
    // Twice in doubt: a person decides.
    minutes(&world, 20).await;
    assert_eq!(world.mail(&id).await.state, MailState::Held);
    world.settle_after(DAY_MS).await;
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn nothing_is_sent_again_before_a_look_succeeded() {
    let world = resending();
    let id = in_doubt(&world).await;
    world.folders.failures.store(i64::MAX, Ordering::SeqCst);
    minutes(&world, 60).await;
    assert_eq!(world.mail(&id).await.state, MailState::Uncertain);
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 1);
}

/// It waits for another reason after the last look, and its copy turns up meanwhile.
#[tokio::test]
async fn what_turns_up_before_it_is_sent_again_is_not_sent_again() {
    let world = resending();
    let id = in_doubt(&world).await;
    minutes(&world, 14).await;
    world.panic(true).await;
    minutes(&world, 2).await;
    assert_eq!(world.mail(&id).await.state, MailState::Deferred);
    world
        .folders
        .put_as(OwnFolder::Sent, "other@example.com", "one");
    world.panic(false).await;
    // While nobody can look it waits.
    world.folders.failures.store(1, Ordering::SeqCst);
    world.settle().await;
    assert_eq!(world.mail(&id).await.state, MailState::Deferred);
    world.settle_after(2 * MINUTE_MS).await;
    let mail = world.mail(&id).await;
    assert_eq!(mail.state, MailState::Sent);
    assert_eq!(mail.known_as, ["other@example.com"]);
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_a_backup_knows_is_never_sent_again_by_itself() {
    let world = resending();
    let id = in_doubt(&world).await;
    take_step(&world, &id, Input::NotFound).await;
    take_step(&world, &id, Input::Restored).await;
    for _ in 0..30 {
        world.settle_after(HOUR_MS).await;
    }
    assert_eq!(world.mail(&id).await.state, MailState::Held);
    assert_eq!(world.transport.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_copy_that_the_provider_filed_under_another_id_is_not_filed_again() {
    let world = World::new();
    let id = world.add_mail("one", |_: &mut MailEffect| {}).await;
    world
        .folders
        .put_as(OwnFolder::Sent, "real@outlook.example", "one");
    world.settle().await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
    assert_eq!(world.folders.count(OwnFolder::Sent), 1);
    assert!(office().mailboxes.values().all(|one| one.file_sent_copy));
}

/// A Sent that is not there, or cannot be opened: nobody can look, ever.
#[tokio::test]
async fn a_mail_in_doubt_that_nobody_can_look_for_is_laid_before_a_person() {
    for (needs_person, no_folder) in [(true, false), (true, true), (false, true)] {
        let world = resending();
        let id = in_doubt(&world).await;
        let folders = &world.folders;
        folders.failures.store(1_000, Ordering::SeqCst);
        folders.needs_person.store(needs_person, Ordering::SeqCst);
        folders.no_folder.store(no_folder, Ordering::SeqCst);
        minutes(&world, 17).await;
        let mail = world.mail(&id).await;
        assert_eq!(mail.state, MailState::Held, "{:?}", mail.last_reply);
        let why = mail.last_reply.unwrap();
        assert!(why.contains("nobody could look for it"), "{why}");
        assert_eq!(world.transport.calls.load(Ordering::SeqCst), 1);
    }
}

/// The server was away, and that passes.
#[tokio::test]
async fn a_mail_in_doubt_is_looked_for_until_its_server_is_back() {
    let world = World::new();
    let id = in_doubt(&world).await;
    world.folders.failures.store(1_000, Ordering::SeqCst);
    minutes(&world, 30).await;
    assert_eq!(world.mail(&id).await.state, MailState::Uncertain);
    world.folders.failures.store(0, Ordering::SeqCst);
    world.folders.put(OwnFolder::Sent, ONE);
    minutes(&world, 2).await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
}

#[tokio::test]
async fn what_nobody_can_look_for_before_it_is_sent_again_waits_for_a_person() {
    let world = resending();
    let id = in_doubt(&world).await;
    world.transport.then(Server::Greylists);
    minutes(&world, 17).await;
    assert_eq!(world.mail(&id).await.state, MailState::Deferred);
    world.folders.failures.store(1_000, Ordering::SeqCst);
    world.folders.needs_person.store(true, Ordering::SeqCst);
    world.settle_after(HOUR_MS).await;
    let mail = world.mail(&id).await;
    assert_eq!(mail.state, MailState::Held, "{:?}", mail.last_reply);
    let why = mail.last_reply.unwrap();
    assert!(why.contains("nobody can say whether"), "{why}");
}
