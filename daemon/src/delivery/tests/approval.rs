//! Held mails that nobody decides about: who is told, when, and how often.

use liaison_core::ids::EffectId;
use liaison_core::outbox::approval::Nudge;
use liaison_core::outbox::{APPROVAL_MS, Input, MailState};
use liaison_core::records::TaskRecord;
use liaison_core::time::{DAY_MS, HOUR_MS};

use super::world::{START, World};
use crate::books::keys::{self, DueKind};
use crate::clock::Clock;
use crate::outbox::{Step, stage_mail};
use crate::store::Ns;

async fn tasks(world: &World) -> Vec<TaskRecord> {
    let mut tasks: Vec<TaskRecord> = world.books.all(Ns::Task).await.unwrap();
    tasks.sort_by_key(|task| (task.created, task.id.clone()));
    tasks
}

async fn step(world: &World, id: &EffectId, input: Input) {
    let stored = world.books.get(keys::mail(id)).await.unwrap().unwrap();
    let step = Step {
        input,
        who: "alice@example.com",
        why: String::new(),
        not_before: None,
        found_as: None,
    };
    let (books, now) = (&world.books, world.clock.now());
    let mut writes = books.batch();
    stage_mail(books, &mut writes, &stored, step, now)
        .await
        .unwrap();
    books.commit(writes).await.unwrap();
}

async fn held(world: &World) -> EffectId {
    let id = world
        .add_mail("one", |mail| mail.state = MailState::Held)
        .await;
    world.settle().await;
    id
}

#[tokio::test]
async fn a_held_mail_reminds_its_owner_then_asks_somebody_else_and_never_goes_out_by_itself() {
    let world = World::new();
    let id = held(&world).await;
    world.settle_after(DAY_MS - 1).await;
    assert_eq!(tasks(&world).await, []);
    world.settle_after(1).await;
    let reminded = tasks(&world).await;
    assert_eq!(reminded.len(), 1, "{reminded:?}");
    assert_eq!(reminded[0].owner.as_deref(), Some("alice@example.com"));
    assert!(reminded[0].body.contains("liaison outbox approve one"));
    assert!(!reminded[0].urgent);
    for _ in 0..5 {
        world.settle_after(4 * HOUR_MS).await;
    }
    assert_eq!(tasks(&world).await.len(), 1, "once");
    world.settle_after(4 * HOUR_MS).await;
    let both = tasks(&world).await;
    assert_eq!(both.len(), 2, "{both:?}");
    assert_eq!(both[1].owner.as_deref(), Some("boss@example.com"));
    assert!(both[1].urgent);
    for _ in 0..11 {
        world.settle_after(DAY_MS).await;
        assert_eq!(world.mail(&id).await.state, MailState::Held);
    }
    world.settle_after(DAY_MS).await;
    assert_eq!(world.mail(&id).await.state, MailState::Expired);
    assert_eq!(world.clock.now(), START.plus_millis(APPROVAL_MS));
    assert_eq!(world.transport.taken(), 0);
    let both = tasks(&world).await;
    assert!(
        both.len() == 2 && both.iter().all(|task| !task.is_open()),
        "{both:?}"
    );
}

#[tokio::test]
async fn a_decision_ends_the_tasks_and_a_mail_that_is_held_anew_is_told_of_anew() {
    let world = World::new();
    let id = held(&world).await;
    world.settle_after(DAY_MS).await;
    step(&world, &id, Input::Approve).await;
    step(&world, &id, Input::NeedsPerson).await;
    let all = tasks(&world).await;
    assert!(all.len() == 1 && !all[0].is_open(), "{all:?}");
    world.settle_after(DAY_MS - 1).await;
    assert_eq!(tasks(&world).await.len(), 1);
    world.settle_after(1).await;
    let all = tasks(&world).await;
    assert_eq!(all.len(), 2);
    assert!(all[1].is_open() && !all[1].urgent, "{all:?}");
}

/// The process may die before, in and after any commit.
#[tokio::test]
async fn whatever_was_lost_in_between_each_is_told_once() {
    for commits in 0..8 {
        for last_is_written in [false, true] {
            let world = World::new();
            let id = held(&world).await;
            let since = world.mail(&id).await.since;
            world.clock.set(START.plus_millis(3 * DAY_MS));
            world.store.fate.dies_after(commits, last_is_written);
            world.settle().await;
            world.store.fate.lives();
            world.delivery.recover().await.unwrap();
            world.settle().await;
            assert_eq!(tasks(&world).await.len(), 2, "{commits} {last_is_written}");
            // Nor does an entry that is there twice tell anybody again.
            let mut writes = world.books.batch();
            let entry = keys::effect_due(since, DueKind::Approval, &id);
            writes.put(entry, Vec::new());
            world.books.commit(writes).await.unwrap();
            world.settle_after(HOUR_MS).await;
            assert_eq!(tasks(&world).await.len(), 2, "{commits} {last_is_written}");
            let audit = world.books.audit_of(id.as_str()).await.unwrap();
            assert_eq!(audit.len(), 2, "{audit:?}");
            assert_eq!(world.settle().await, 0);
        }
    }
}

#[tokio::test]
async fn a_held_mail_without_an_entry_is_found_at_the_start() {
    let world = World::new();
    let id = world
        .add_mail("one", |mail| mail.state = MailState::Held)
        .await;
    let since = world.mail(&id).await.since;
    let mut writes = world.books.batch();
    writes.del(keys::effect_due(since, DueKind::Approval, &id));
    world.books.commit(writes).await.unwrap();
    world.delivery.recover().await.unwrap();
    world.settle_after(DAY_MS).await;
    let all = tasks(&world).await;
    let id = Nudge::Remind.task_id(&id, since);
    assert_eq!(all.iter().map(|task| &task.id).collect::<Vec<_>>(), [&id]);
}
