//! What users of other programs suffered from when mail left, each as a test of its own.

use liaison_core::business_time::{BusinessCalendar, WorkInterval};
use liaison_core::effect::MailEffect;
use liaison_core::outbox::MailState;
use liaison_core::time::{DAY_MS, HOUR_MS};

use super::fakes::Server;
use super::world::{START, World};
use crate::store::Ns;

/// Goes through this many days hour by hour.
async fn days(world: &World, days: i64) {
    for _ in 0..days * 24 {
        world.settle_after(HOUR_MS).await;
    }
}

/// mautic/mautic#7226.
#[tokio::test]
async fn one_refused_recipient_is_not_a_reason_to_mail_the_others_again() {
    let world = World::new();
    let mut ids = Vec::new();
    for n in 0..5 {
        let to = |mail: &mut MailEffect| {
            mail.recipient = format!("bob{n}@site{n}.example.net");
            mail.cause.subject.counterpart = Some(mail.recipient.clone());
        };
        ids.push(world.add_mail(&n.to_string(), to).await);
    }
    world.transport.then(Server::Accepts);
    world.transport.then(Server::RefusesBody);
    world.settle().await;
    days(&world, 3).await;
    let mut ends = Vec::new();
    for id in &ids {
        ends.push(world.mail(id).await.state);
    }
    ends.retain(|state| *state != MailState::Sent);
    assert_eq!(ends, [MailState::Failed]);
    let offered = world.transport.offered.lock().unwrap().len();
    assert_eq!((offered, world.transport.taken()), (5, 4));
}

/// mautic/mautic#9880: two sends three seconds apart. Here two whole workers find the same rows due.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_passes_at_once_send_a_mail_once() {
    let world = World::new();
    for n in 0..20 {
        let to = |mail: &mut MailEffect| {
            mail.recipient = format!("bob@site{n}.example.net");
            mail.cause.subject.counterpart = Some(mail.recipient.clone());
        };
        world.add_mail(&n.to_string(), to).await;
    }
    tokio::join!(world.settle(), world.settle(), world.settle());
    world.settle().await;
    let mut took = world.transport.took.lock().unwrap().clone();
    assert_eq!(took.len(), 20);
    took.sort();
    took.dedup();
    assert_eq!(took.len(), 20);
}

/// mautic/mautic#8802.
#[tokio::test]
async fn a_mail_that_may_leave_on_one_weekday_only_is_not_put_off_for_ever() {
    // START is a Monday; open on Thursdays from nine to ten.
    let mut hours: [Vec<WorkInterval>; 7] = std::array::from_fn(|_| Vec::new());
    hours[3].push(WorkInterval { from: 540, to: 600 });
    let world = World::with(|office| {
        office.firm.business = BusinessCalendar::new("UTC", hours, Default::default()).unwrap();
    });
    let id = world.add_mail("one", |_| {}).await;
    // Put off by the hours, by the switch, and by the server.
    world.settle().await;
    world.panic(true).await;
    days(&world, 5).await;
    assert_eq!(
        world
            .transport
            .calls
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
    world.panic(false).await;
    world.transport.then(Server::Greylists);
    days(&world, 13).await;
    let mail = world.mail(&id).await;
    assert_eq!(mail.state, MailState::Sent, "{:?}", mail.last_reply);
    // Refused for a while on the second Thursday, it leaves on the third.
    assert!(mail.since.since(START) < 18 * DAY_MS, "{}", mail.since);
    days(&world, 14).await;
    assert_eq!(world.transport.taken(), 1);
    let all = world.books.all::<MailEffect>(Ns::Effect).await.unwrap();
    assert_eq!(all.len(), 1, "it was moved, not made again");
}
