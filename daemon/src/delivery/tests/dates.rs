use bytes::Bytes;
use liaison_core::effect::MailEffect;
use liaison_core::ids::EffectId;
use liaison_core::outbox::MailState;
use liaison_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

use super::fakes::Server;
use super::world::World;
use crate::clock::Clock;

const DECIDED: &str = "From: alice@example.com\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\n\
    Message-ID: <liaison.one@example.com>\r\n\r\nx\r\n";

async fn rendered(world: &World, wait: i64) -> EffectId {
    let content = world.books.keep(Bytes::from_static(DECIDED.as_bytes()));
    let content = content.await.unwrap();
    let not_before = world.clock.now().plus_millis(wait);
    let change = |mail: &mut MailEffect| {
        mail.content = content;
        mail.not_before = not_before;
    };
    world.add_mail("one", change).await
}

fn offered(world: &World) -> Vec<String> {
    let offered = world.transport.offered.lock().unwrap();
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    offered.iter().map(text).collect()
}

#[tokio::test]
async fn a_mail_that_waited_leaves_with_the_date_of_its_first_try_and_keeps_it() {
    let world = World::new();
    let id = rendered(&world, 13 * DAY_MS).await;
    let decided = world.mail(&id).await.content;
    world.transport.then(Server::Greylists);
    world.transport.then(Server::CrashBefore);
    world.settle_after(13 * DAY_MS).await;
    let first = world.mail(&id).await;
    assert_eq!(first.state, MailState::Deferred);
    assert_ne!(first.content, decided);
    world.clock.set(first.not_before);
    world.settle_until_crash().await;
    world.delivery.recover().await.unwrap();
    world.settle_after(3 * HOUR_MS).await;
    let last = world.mail(&id).await;
    assert_eq!(last.state, MailState::Sent, "{last:?}");
    assert_eq!(
        (last.message_id, &last.content),
        (first.message_id, &first.content)
    );
    let expected = DECIDED.replace("Mon, 02 Mar", "Sun, 15 Mar");
    assert_eq!(
        offered(&world),
        [expected.clone(), expected.clone(), expected.clone()]
    );
    let kept = world.books.bytes(&last.content).await.unwrap().unwrap();
    assert_eq!(kept, expected.as_bytes());
}

#[tokio::test]
async fn a_mail_that_leaves_at_once_leaves_as_it_was_decided() {
    let world = World::new();
    let id = rendered(&world, 30 * MINUTE_MS).await;
    let decided = world.mail(&id).await.content;
    world.settle_after(30 * MINUTE_MS).await;
    assert_eq!(offered(&world), [DECIDED]);
    assert_eq!(world.mail(&id).await.content, decided);
}
