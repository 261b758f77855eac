//! How mails end without being sent, what that frees, and how people are counted.

use std::sync::atomic::Ordering;

use liaison_core::account::matching::AddressHit;
use liaison_core::account::{Contact, ContactStatus};
use liaison_core::effect::{MailEffect, MailMode};
use liaison_core::ids::{AccountId, ContactId, EffectId};
use liaison_core::outbox::{Input, MailState, Phase};
use liaison_core::time::{DAY_MS, MINUTE_MS};

use super::fakes::Server;
use super::mails::take_step;
use super::world::{START, World};
use crate::books::rows::{ByAddrRow, ByDomainRow};
use crate::books::{keys, replace};
use crate::sink::OwnFolder;

/// Died between laying the draft into Drafts and recording it; the owner sent it meanwhile.
#[tokio::test]
async fn a_draft_that_its_owner_sent_is_not_laid_there_again() {
    for sent in [false, true] {
        let world = World::new();
        let id = world
            .add_mail("one", |mail| {
                mail.mode = MailMode::Draft;
                mail.state = MailState::Leased(Phase::BeforeDot);
                mail.attempts = 1;
            })
            .await;
        let folder = if sent {
            OwnFolder::Sent
        } else {
            OwnFolder::Drafts
        };
        world.folders.put(folder, "liaison.one@example.com");
        world.delivery.recover().await.unwrap();
        world.settle().await;
        let mail = world.mail(&id).await;
        assert_eq!(mail.state.as_str(), if sent { "sent" } else { "drafted" });
        let drafts = world
            .folders
            .has(OwnFolder::Drafts, "liaison.one@example.com");
        assert_eq!(drafts, !sent);
    }
}

#[tokio::test]
async fn an_overtaken_draft_leaves_drafts_as_soon_as_the_folder_can_be_reached() {
    let world = World::new();
    let id = world
        .add_mail("one", |mail| mail.mode = MailMode::Draft)
        .await;
    world.settle().await;
    assert_eq!(world.mail(&id).await.state, MailState::Drafted);
    take_step(
        &world,
        &id,
        Input::Cancel {
            by: "a reply".to_owned(),
            why: "bob answered".to_owned(),
        },
    )
    .await;
    world.folders.failures.store(1, Ordering::SeqCst);
    world.settle().await;
    let lies_there = || {
        world
            .folders
            .has(OwnFolder::Drafts, "liaison.one@example.com")
    };
    assert!(lies_there());
    world.settle_after(2 * MINUTE_MS).await;
    assert!(!lies_there());
    let audit = world.books.audit_of("one").await.unwrap();
    assert_eq!(audit.last().unwrap().what, "draft taken out of Drafts");
    assert_eq!(world.settle().await, 0);
}

#[tokio::test]
async fn a_mail_that_nobody_approves_expires_and_one_in_doubt_never() {
    let world = World::new();
    let hold = world.add_hold("hold", START.plus_millis(30 * DAY_MS)).await;
    world.settle().await;
    assert_eq!(world.hold(&hold).await.state.as_str(), "placed");
    let waits = world
        .add_mail("one", |mail| {
            mail.mode = MailMode::Approve;
            mail.state = MailState::Held;
            mail.requires = vec![hold.clone()];
        })
        .await;
    let doubt = world
        .add_mail("two", |mail| {
            mail.state = MailState::Held;
            mail.attempts = 1;
        })
        .await;
    world.settle_after(14 * DAY_MS - 1).await;
    assert_eq!(world.mail(&waits).await.state, MailState::Held);
    world.settle_after(1).await;
    let mail = world.mail(&waits).await;
    assert_eq!(mail.state, MailState::Expired);
    assert!(mail.last_reply.unwrap().contains("within 14 days"));
    assert_eq!(world.hold(&hold).await.state.as_str(), "released");
    world.settle_after(100 * DAY_MS).await;
    assert_eq!(world.mail(&doubt).await.state, MailState::Held);
}

/// A refused mail offers nothing; what another mail offers stays held.
#[tokio::test]
async fn the_times_of_a_refused_mail_are_free_again() {
    for shared in [false, true] {
        let world = World::new();
        let hold = world.add_hold("hold", START.plus_millis(9 * DAY_MS)).await;
        world.settle().await;
        let offering = |mail: &mut MailEffect| {
            mail.requires = vec![hold.clone()];
        };
        if shared {
            world
                .add_mail("other", |mail| {
                    offering(mail);
                    mail.state = MailState::Held;
                    mail.recipient = "carl@example.net".to_owned();
                })
                .await;
        }
        let id = world.add_mail("one", offering).await;
        world.transport.then(Server::RefusesRecipient);
        world.settle().await;
        assert_eq!(world.mail(&id).await.state, MailState::Failed);
        // Somebody may mend the relay and have it tried again.
        assert_eq!(world.hold(&hold).await.state.as_str(), "placed");
        take_step(&world, &id, Input::Resolve { sent: false }).await;
        world.settle().await;
        let state = world.hold(&hold).await.state;
        assert_eq!(state.as_str(), if shared { "placed" } else { "released" });
    }
}

/// H-CAP is for people: the tags of an address and the other addresses of a contact are one.
#[tokio::test]
async fn one_person_has_one_cap_whatever_the_address() {
    let rows = [
        ("bob@example.net", false),
        ("bob+1@example.net", false),
        ("BOB+x@example.net", false),
        ("bob@private.example", false),
        ("carl@example.net", true),
    ];
    for (recipient, goes) in rows {
        let world = World::new();
        let contact = Contact {
            id: ContactId::from("bob"),
            account: AccountId::from("acme"),
            name: None,
            addresses: ["bob@example.net", "bob@private.example"]
                .map(str::to_owned)
                .into(),
            role: None,
            status: ContactStatus::Active,
            do_not_contact: false,
            created: START,
            updated: START,
            details: Default::default(),
        };
        let hit = AddressHit {
            account: contact.account.clone(),
            contact: Some(contact.id.clone()),
        };
        // The first mail leaves before he is recorded as a contact.
        world.add_mail("one", |_| {}).await;
        world.settle().await;
        let mut writes = world.books.batch();
        replace(&mut writes, keys::contact(&contact.id), None, &contact).unwrap();
        for address in &contact.addresses {
            let row = ByAddrRow {
                hits: vec![hit.clone()],
                decided: None,
            };
            replace(&mut writes, keys::by_addr(address), None, &row).unwrap();
        }
        world.books.commit(writes).await.unwrap();
        let two = world
            .add_mail("two", |mail| {
                mail.recipient = recipient.to_owned();
                mail.created = START.plus_millis(1);
            })
            .await;
        world.settle().await;
        let state = world.mail(&two).await.state;
        assert_eq!(state == MailState::Sent, goes, "{recipient}: {state}");
    }
}

/// The account's ceiling is that of the recipient's account, whatever the event was about.
#[tokio::test]
async fn the_ledger_of_an_account_is_that_of_the_recipient() {
    let world = World::new();
    let mut writes = world.books.batch();
    let row = ByDomainRow {
        accounts: vec![AccountId::from("beta")],
        decided: None,
    };
    replace(&mut writes, keys::by_domain("example.net"), None, &row).unwrap();
    world.books.commit(writes).await.unwrap();
    for (n, about) in ["acme", "beta", "gamma"].into_iter().enumerate() {
        world
            .add_mail(&format!("m{n}"), |mail| {
                mail.recipient = format!("person{n}@example.net");
                mail.cause.subject.account = Some(AccountId::from(about));
                mail.created = START.plus_millis(i64::try_from(n).unwrap());
            })
            .await;
    }
    world.settle().await;
    let third = world.mail(&EffectId::from("m2")).await;
    assert_eq!(third.state, MailState::Scheduled);
    assert!(third.last_reply.unwrap().contains("2 mails to an account"));
    assert_eq!(world.transport.taken(), 2);
}
