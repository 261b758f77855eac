//! Changes in a mailbox that does what it is told, dies, and is looked at again.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use liaison_core::ids::EffectId;
use liaison_core::mailbox::{MailFlag, MailboxChange, MailboxEffect, MailboxState};
use liaison_core::time::{HOUR_MS, MINUTE_MS};

use super::world::World;
use crate::books::rows::{AuditRow, DeliveryRow};
use crate::books::{Books, keys, replace};
use crate::outbox::mailbox::stage_new_mailbox_effect;
use crate::sink::FolderError;
use crate::sink::mailbox::{Changed, MailboxJob, MailboxWriter, Order, Place};
use crate::source::{FolderRef, FolderRole};

/// What the mailbox does with the next order, or with the next dial.
#[derive(Debug, Clone)]
pub enum Answer {
    Says(Changed),
    /// The change is made, and the connection is lost before that is told.
    LostAfter,
    /// The connection is lost, and nothing is made.
    Lost,
    /// It is made while a person stops everything.
    Panic(Box<Books>),
    /// No connection at all.
    Dead {
        needs_person: bool,
    },
}

/// A mailbox with one message; without a script it does what it is asked.
#[derive(Debug, Default)]
pub struct FakeMailbox {
    pub script: Arc<Mutex<VecDeque<Answer>>>,
    /// Everything that was asked.
    pub orders: Arc<Mutex<Vec<Order>>>,
    /// What was really changed.
    pub made: Arc<Mutex<Vec<MailboxChange>>>,
}

struct FakeJob {
    script: Arc<Mutex<VecDeque<Answer>>>,
    orders: Arc<Mutex<Vec<Order>>>,
    made: Arc<Mutex<Vec<MailboxChange>>>,
}

fn error(needs_person: bool) -> FolderError {
    FolderError {
        what: "changing messages".to_owned(),
        why: "no route to host".to_owned(),
        needs_person,
        no_folder: false,
    }
}

impl MailboxWriter for FakeMailbox {
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn MailboxJob>, FolderError>> {
        async move {
            let mut script = self.script.lock().unwrap();
            if let Some(Answer::Dead { needs_person }) = script.front() {
                let needs_person = *needs_person;
                script.pop_front();
                return Err(error(needs_person));
            }
            let job: Box<dyn MailboxJob> = Box::new(FakeJob {
                script: self.script.clone(),
                orders: self.orders.clone(),
                made: self.made.clone(),
            });
            Ok(job)
        }
        .boxed()
    }
}

impl MailboxJob for FakeJob {
    fn change<'a>(&'a mut self, order: &'a Order) -> BoxFuture<'a, Result<Changed, FolderError>> {
        async move {
            self.orders.lock().unwrap().push(order.clone());
            let next = self.script.lock().unwrap().pop_front();
            let make = || {
                let mut made = self.made.lock().unwrap();
                let is_new = !made.contains(&order.change);
                if is_new {
                    made.push(order.change.clone());
                }
                is_new
            };
            match next {
                Some(Answer::Says(changed)) => Ok(changed),
                Some(Answer::LostAfter) => {
                    make();
                    Err(error(false))
                }
                Some(Answer::Dead { needs_person }) => Err(error(needs_person)),
                Some(Answer::Lost) => Err(error(false)),
                Some(Answer::Panic(books)) => {
                    make();
                    stop_everything(&books).await;
                    Ok(Changed::done("made"))
                }
                None => {
                    let how = if make() { "made" } else { "it was so already" };
                    let place = order.change.is_move().then(|| Place {
                        folder: "Archive".to_owned(),
                        locator: "7/1".to_owned(),
                    });
                    Ok(Changed::Done {
                        how: how.to_owned(),
                        place,
                    })
                }
            }
        }
        .boxed()
    }
}

async fn stop_everything(books: &Books) {
    let row = AuditRow {
        at: super::world::START,
        who: "alice".to_owned(),
        what: "panic".to_owned(),
        why: String::new(),
    };
    let mut writes = books.batch();
    replace(&mut writes, keys::setting("panic"), None, &row).unwrap();
    books.commit(writes).await.unwrap();
}

fn keyword(word: &str) -> MailboxChange {
    MailboxChange::Keyword {
        keyword: word.to_owned(),
        on: true,
    }
}

fn archive() -> MailboxChange {
    MailboxChange::Move("Archive".to_owned())
}

/// A message in alice's inbox, and changes of it.
async fn planned(world: &World, changes: &[(&str, MailboxChange)]) -> Vec<EffectId> {
    let message = world.add_message("m1").await;
    let mut writes = world.books.batch();
    let row = DeliveryRow {
        mailbox: "alice".into(),
        folder: "INBOX".to_owned(),
        role: FolderRole::Inbox,
        locator: "3/42".to_owned(),
        seen: super::world::START,
        copy: false,
    };
    let key = keys::delivery(&message, &"alice".into());
    replace(&mut writes, key, None, &row).unwrap();
    let mut ids = Vec::new();
    for (id, change) in changes {
        let effect = super::world::mailbox_effect(id, change.clone(), &message);
        stage_new_mailbox_effect(&mut writes, &effect).unwrap();
        ids.push(effect.id);
    }
    world.books.commit(writes).await.unwrap();
    ids
}

async fn effect(world: &World, id: &EffectId) -> MailboxEffect {
    world.books.mailbox_effect(id).await.unwrap().unwrap()
}

async fn steps(world: &World, id: &EffectId) -> Vec<String> {
    let audit = world.books.audit_of(id.as_str()).await.unwrap();
    audit.into_iter().map(|row| row.what).collect()
}

#[tokio::test]
async fn changes_are_made_once_the_move_last_and_the_new_place_is_known() {
    let world = World::new();
    let ids = planned(&world, &[("a-move", archive()), ("b-word", keyword("k"))]).await;
    world.settle().await;
    assert_eq!(
        *world.mailboxes.made.lock().unwrap(),
        [keyword("k"), archive()]
    );
    for id in &ids {
        assert_eq!(effect(&world, id).await.state, MailboxState::Done);
        assert_eq!(steps(&world, id).await, ["planned -> done"]);
        let told = format!("settled {id} done");
        assert!(world.books.outcome(&told).await.unwrap().is_some());
    }
    let copies = world.books.deliveries(&"m1".into()).await.unwrap();
    assert_eq!(copies[0].folder, "Archive");
    assert_eq!(copies[0].locator, "7/1");
    let place = FolderRef {
        mailbox: "alice".into(),
        folder: "Archive".to_owned(),
        role: FolderRole::Inbox,
    };
    let known = keys::locator(&place, "7/1");
    assert_eq!(
        world
            .books
            .store
            .get(&[known])
            .await
            .unwrap()
            .iter()
            .flatten()
            .count(),
        1
    );
    assert_eq!(world.settle().await, 0);
}

#[tokio::test]
async fn each_end_of_a_try_is_kept_with_its_reason() {
    let why = || "because".to_owned();
    for (changed, state) in [
        (Changed::Refused(why()), MailboxState::Refused(why())),
        (Changed::Gone(why()), MailboxState::Gone(why())),
    ] {
        let world = World::new();
        let ids = planned(&world, &[("a", keyword("k"))]).await;
        world
            .mailboxes
            .script
            .lock()
            .unwrap()
            .push_back(Answer::Says(changed));
        world.settle().await;
        assert_eq!(effect(&world, &ids[0]).await.state, state);
        world.settle_after(HOUR_MS).await;
        assert_eq!(world.mailboxes.orders.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_dead_server_makes_changes_wait_and_loses_none() {
    let world = World::new();
    let ids = planned(&world, &[("a", keyword("k")), ("b", archive())]).await;
    for _ in 0..12 {
        let dead = Answer::Dead {
            needs_person: false,
        };
        world.mailboxes.script.lock().unwrap().push_back(dead);
    }
    for _ in 0..12 {
        world.settle_after(6 * MINUTE_MS).await;
        let waiting = effect(&world, &ids[0]).await;
        assert_eq!(waiting.state, MailboxState::Planned);
        assert!(waiting.last_trouble.unwrap().contains("no route"));
    }
    assert!(world.mailboxes.orders.lock().unwrap().is_empty());
    world.settle_after(6 * MINUTE_MS).await;
    world.settle_after(MINUTE_MS).await;
    for id in &ids {
        assert_eq!(effect(&world, id).await.state, MailboxState::Done);
    }
}

/// One try costs one dial, whatever waits behind it, and only what was tried counts as tried.
#[tokio::test]
async fn after_a_lost_connection_the_others_wait_untried() {
    let world = World::new();
    let ids = planned(&world, &[("a", keyword("k")), ("b", keyword("l"))]).await;
    world
        .mailboxes
        .script
        .lock()
        .unwrap()
        .push_back(Answer::Lost);
    world.settle().await;
    assert_eq!(world.mailboxes.orders.lock().unwrap().len(), 1);
    assert_eq!(effect(&world, &ids[0]).await.attempts, 1);
    let other = effect(&world, &ids[1]).await;
    assert_eq!(other.attempts, 0);
    assert!(other.last_trouble.unwrap().contains("no route"));
    world.settle_after(6 * MINUTE_MS).await;
    assert_eq!(world.mailboxes.made.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_change_over_which_every_connection_is_lost_fails_in_the_end() {
    let world = World::new();
    let ids = planned(&world, &[("a", keyword("k"))]).await;
    for _ in 0..30 {
        world
            .mailboxes
            .script
            .lock()
            .unwrap()
            .push_back(Answer::Lost);
    }
    for _ in 0..30 {
        world.settle_after(4 * HOUR_MS).await;
    }
    let after = effect(&world, &ids[0]).await;
    assert!(matches!(after.state, MailboxState::Failed(_)), "{after:?}");
    assert!(world.mailboxes.orders.lock().unwrap().len() < 20);
}

#[tokio::test]
async fn the_panic_switch_counts_between_two_changes() {
    let world = World::new();
    let ids = planned(&world, &[("a", keyword("k")), ("b", keyword("l"))]).await;
    let stops = Answer::Panic(Box::new(world.books.clone()));
    world.mailboxes.script.lock().unwrap().push_back(stops);
    world.settle().await;
    assert_eq!(*world.mailboxes.made.lock().unwrap(), [keyword("k")]);
    assert_eq!(effect(&world, &ids[1]).await.state, MailboxState::Planned);
}

#[tokio::test]
async fn what_is_not_granted_any_more_is_not_made() {
    let world = World::new();
    let flag = MailboxChange::Flag {
        flag: MailFlag::Seen,
        on: true,
    };
    let ids = planned(&world, &[("a", flag)]).await;
    world.settle().await;
    let after = effect(&world, &ids[0]).await;
    let why = after.state.why().unwrap_or_default();
    assert!(why.contains("not granted it any more"), "{after:?}");
    assert!(world.mailboxes.orders.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_move_waits_for_a_flag_that_the_server_declined() {
    let world = World::new();
    let ids = planned(&world, &[("a-move", archive()), ("b-word", keyword("k"))]).await;
    let no = Answer::Says(Changed::Declined("busy".to_owned()));
    world.mailboxes.script.lock().unwrap().push_back(no);
    world.settle().await;
    assert_eq!(effect(&world, &ids[0]).await.attempts, 0);
    assert!(world.mailboxes.made.lock().unwrap().is_empty());
    for _ in 0..3 {
        world.settle_after(2 * MINUTE_MS).await;
    }
    assert_eq!(
        *world.mailboxes.made.lock().unwrap(),
        [keyword("k"), archive()]
    );
}

#[tokio::test]
async fn no_course_of_losses_and_crashes_ends_a_change_twice_or_forgets_it() {
    for round in 0..60_i64 {
        let world = World::new();
        let ids = planned(&world, &[("a", keyword("k")), ("b", archive())]).await;
        if round % 3 == 0 {
            world
                .mailboxes
                .script
                .lock()
                .unwrap()
                .push_back(Answer::LostAfter);
        }
        world.store.fate.dies_after(round % 10, round % 2 == 0);
        world.settle().await;
        world.store.fate.lives();
        for _ in 0..4 {
            world.delivery.recover().await.unwrap();
            world.settle_after(2 * MINUTE_MS).await;
        }
        let made: BTreeSet<String> = {
            let made = world.mailboxes.made.lock().unwrap();
            assert_eq!(made.len(), 2, "round {round}: {made:?}");
            made.iter().map(ToString::to_string).collect()
        };
        assert_eq!(made.len(), 2, "round {round}");
        for id in &ids {
            assert_eq!(
                effect(&world, id).await.state,
                MailboxState::Done,
                "round {round}"
            );
            assert_eq!(
                steps(&world, id).await,
                ["planned -> done"],
                "round {round}"
            );
        }
        // Whoever asks again after a try says so: only then is an earlier copy looked for.
        let orders = world.mailboxes.orders.lock().unwrap();
        let mut seen = BTreeSet::new();
        for order in orders.iter() {
            let first = seen.insert(order.change.to_string());
            assert!(first || order.again, "round {round}: {orders:?}");
        }
    }
}
