//! Mail that leaves by itself, and the clock of its recipient.

use liaison_core::account::matching::AddressHit;
use liaison_core::account::{Contact, ContactStatus, Details};
use liaison_core::business_time::QuietHours;
use liaison_core::effect::MailMode;
use liaison_core::ids::{AccountId, ContactId, EffectId};
use liaison_core::outbox::{Input, MailState};
use liaison_core::proposal::Value;
use liaison_core::time::{HOUR_MS, Timestamp};

use super::mails::take_step;
use super::world::{START, World};
use crate::books::rows::ByAddrRow;
use crate::books::{keys, replace};

/// Bob is a contact; `zone` is what the records say of where.
async fn bob(world: &World, zone: Option<&str>) {
    let mut details = Details::default();
    if let Some(zone) = zone {
        let zone = Value::Text(zone.to_owned());
        details.fields.insert("time_zone".to_owned(), zone);
    }
    let contact = Contact {
        id: ContactId::from("bob"),
        account: AccountId::from("acme"),
        name: None,
        addresses: vec!["bob@example.net".to_owned()],
        role: None,
        status: ContactStatus::Active,
        do_not_contact: false,
        created: START,
        updated: START,
        details,
    };
    let hit = AddressHit {
        account: contact.account.clone(),
        contact: Some(contact.id.clone()),
    };
    let mut writes = world.books.batch();
    replace(&mut writes, keys::contact(&contact.id), None, &contact).unwrap();
    let row = ByAddrRow {
        hits: vec![hit],
        decided: None,
    };
    replace(&mut writes, keys::by_addr("bob@example.net"), None, &row).unwrap();
    world.books.commit(writes).await.unwrap();
}

/// A message of Bob's in the thread, with this Date field.
async fn wrote(world: &World, key: &str, date: &str, from: &str) {
    let text = format!("From: {from}\r\nDate: {date}\r\n\r\nHello\r\n");
    let mut message = crate::api::tests::message(key, "human");
    message.from.as_mut().unwrap().email = from.to_owned();
    message.content = world.books.keep(text.into()).await.unwrap();
    message.thread = "thread".into();
    let mut writes = world.books.batch();
    replace(&mut writes, keys::message(&message.key), None, &message).unwrap();
    let member = keys::thread_member(&message.thread, START, &message.key);
    writes.put(member, Vec::new());
    world.books.commit(writes).await.unwrap();
}

async fn waits(world: &World, id: &EffectId) -> (Timestamp, String) {
    let mail = world.mail(id).await;
    assert_eq!(mail.state, MailState::Scheduled, "{mail:?}");
    (mail.not_before, mail.last_reply.unwrap())
}

fn quiet() -> World {
    World::with(|office| office.firm.quiet = QuietHours::default())
}

/// It is Monday, 10:00 UTC: two in the morning in Los Angeles.
#[tokio::test]
async fn a_mail_waits_for_the_morning_of_a_recipient_whose_zone_is_recorded() {
    let world = quiet();
    bob(&world, Some("America/Los_Angeles")).await;
    let id = world.add_mail("one", |_| {}).await;
    world.settle().await;
    let (at, why) = waits(&world, &id).await;
    assert_eq!(at, START.plus_millis(6 * HOUR_MS), "{why}");
    assert!(why.contains("America/Los_Angeles"), "{why}");
    assert_eq!(world.transport.taken(), 0);
    world.settle_after(6 * HOUR_MS).await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
}

#[tokio::test]
async fn where_nothing_is_recorded_the_clock_of_their_own_mails_counts() {
    let world = quiet();
    bob(&world, None).await;
    wrote(
        &world,
        "m1",
        "Fri, 27 Feb 2026 09:00:00 -0500",
        "bob@example.net",
    )
    .await;
    wrote(
        &world,
        "m2",
        "Thu, 26 Feb 2026 09:00:00 -0500",
        "bob@example.net",
    )
    .await;
    // Somebody else in the thread, far away.
    wrote(
        &world,
        "m3",
        "Thu, 26 Feb 2026 09:00:00 +0900",
        "eve@example.net",
    )
    .await;
    let id = world.add_mail("one", |_| {}).await;
    world.settle().await;
    let (at, why) = waits(&world, &id).await;
    // Eight in the morning at -05:00.
    assert_eq!(at, START.plus_millis(3 * HOUR_MS), "{why}");
}

#[tokio::test]
async fn where_nothing_tells_it_goes_by_our_own_day() {
    let world = quiet();
    let id = world.add_mail("one", |_| {}).await;
    world.settle().await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
}

#[tokio::test]
async fn a_persons_yes_is_not_held_back_by_the_night_of_the_recipient() {
    let world = quiet();
    bob(&world, Some("America/Los_Angeles")).await;
    let held = |mail: &mut liaison_core::effect::MailEffect| {
        (mail.mode, mail.state) = (MailMode::Approve, MailState::Held);
    };
    let id = world.add_mail("one", held).await;
    take_step(&world, &id, Input::Approve).await;
    world.settle().await;
    assert_eq!(world.mail(&id).await.state, MailState::Sent);
}
