mod transfer;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use liaison_core::effect::{HoldEffect, HoldState, MailEffect};
use liaison_core::message::gone_why;
use liaison_core::outbox::{MailState, Phase};
use liaison_core::time::{HOUR_MS, Timestamp};

use super::retention::{Kept, Retention};
use super::*;
use crate::api::tests::{hold, mail};
use crate::app::open_books;
use crate::books::indexes::walk::{Mode, walk};
use crate::books::{Books, keys};
use crate::clock::Clock;
use crate::outbox::{due_of, stage_new_hold, stage_new_mail};
use crate::pipeline::tests::house::{BUNDLED, ENQUIRY, House, from_ann};
use crate::store::sled::SledStore;
use crate::store::{Ns, Range, Store};

const NOW: Timestamp = Timestamp(1_780_000_000_000);

async fn opened(state: &Path) -> (Books, Arc<SledStore>) {
    let state = state.to_owned();
    let opened = tokio::task::spawn_blocking(move || open_books(&state)).await;
    opened.unwrap().unwrap()
}

/// A state with a mail in each of these states, each with its bytes, and one hold to be placed.
async fn state_with(states: &[MailState], dir: &Path) -> (Books, Arc<SledStore>) {
    let (books, store) = opened(dir).await;
    for (number, state) in states.iter().enumerate() {
        let body = Bytes::from(format!("Subject: {number}\r\n\r\nbody"));
        let mut mail = mail(state.clone());
        mail.id = format!("aaaaaa{number:04}").as_str().into();
        mail.content = books.content.put(body).await.unwrap().to_string();
        let mut batch = books.batch();
        stage_new_mail(&mut batch, &mail).unwrap();
        books.commit(batch).await.unwrap();
    }
    let mut planned = hold();
    planned.state = HoldState::Planned;
    let mut batch = books.batch();
    stage_new_hold(&mut batch, &planned).unwrap();
    books.commit(batch).await.unwrap();
    (books, store)
}

fn states() -> Vec<MailState> {
    vec![
        MailState::Proposed,
        MailState::Held,
        MailState::Drafted,
        MailState::Approved,
        MailState::Scheduled,
        MailState::Leased(Phase::BeforeDot),
        MailState::Leased(Phase::AfterDot),
        MailState::Deferred,
        MailState::Uncertain,
        MailState::Sent,
        MailState::Rejected,
        MailState::Failed,
    ]
}

#[tokio::test]
async fn a_restored_backup_has_everything_and_sends_nothing_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (books, store) = state_with(&states(), &dir.path().join("state")).await;
    let folder = dir.path().join("backup");
    let manifest = backup(&books, &folder, NOW).await.unwrap();
    assert_eq!((manifest.contents, manifest.missing), (12, 0));
    // What happens later is not in it.
    let mut later = mail(MailState::Scheduled);
    later.id = "aaaaaa9999".into();
    let mut batch = books.batch();
    stage_new_mail(&mut batch, &later).unwrap();
    books.commit(batch).await.unwrap();
    store.close().await.unwrap();

    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let restored = restore(&folder, &elsewhere, NOW).await.unwrap();
    assert_eq!((restored.uncertain, restored.holds), (9, 1));
    assert!(!elsewhere.join("restoring").exists());
    let (books, store) = opened(&elsewhere).await;
    let mails: Vec<MailEffect> = books.every(Range::all(Ns::Effect)).await.unwrap();
    assert_eq!(mails.len(), 12);
    for mail in &mails {
        let known = mail.state == MailState::Uncertain || mail.state.is_final();
        assert!(known, "{} is {}", mail.id, mail.state);
        assert_eq!(due_of(mail).is_some(), mail.state == MailState::Uncertain);
        assert!(books.bytes(&mail.content).await.unwrap().is_some());
    }
    let holds: Vec<HoldEffect> = books.every(Range::all(Ns::Hold)).await.unwrap();
    assert!(matches!(&holds[0].state, HoldState::Releasing(why) if why.contains("backup")));
    assert_eq!(books.restored().await.unwrap().unwrap().at, NOW);
    let looked = verify(&books).await.unwrap();
    assert!(looked.is_clean(), "{looked:?}");
    assert_eq!(looked.contents, 12);
    store.close().await.unwrap();
}

#[tokio::test]
async fn only_an_empty_place_takes_a_backup_and_only_a_backup_is_restored() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let (books, store) = state_with(&[MailState::Held], &state).await;
    let folder = dir.path().join("backup");
    backup(&books, &folder, NOW).await.unwrap();
    let error = backup(&books, &folder, NOW).await.unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
    store.close().await.unwrap();
    let error = restore(&folder, &state, NOW).await.unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
    let nothing = dir.path().join("nothing");
    fs::create_dir(&nothing).unwrap();
    let error = restore(&nothing, &dir.path().join("new"), NOW)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("is no backup"), "{error}");
    // A damaged one leaves the place as it was.
    let export = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .unwrap();
    let mut bytes = fs::read(&export).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&export, bytes).unwrap();
    let new = dir.path().join("new");
    fs::create_dir(&new).unwrap();
    restore(&folder, &new, NOW).await.unwrap_err();
    assert!(!new.join("store").exists() && !new.join("content").exists());
}

#[tokio::test]
async fn a_look_finds_indexes_without_records_and_the_other_way_round() {
    let dir = tempfile::tempdir().unwrap();
    let (books, store) = state_with(&[MailState::Scheduled], dir.path()).await;
    assert!(verify(&books).await.unwrap().is_clean());
    let mail = books.mail(&"aaaaaa0000".into()).await.unwrap().unwrap();
    let entry = keys::effect_due(due_of(&mail).unwrap(), keys::DueKind::Mail, &mail.id);
    let mut batch = books.batch();
    batch.del(entry);
    batch.put(
        keys::effect_due(NOW, keys::DueKind::Mail, &"cccccc3333".into()),
        Vec::new(),
    );
    books.commit(batch).await.unwrap();
    let looked = verify(&books).await.unwrap();
    let first = |kind: &str| looked.faults.get(kind).unwrap().first.clone();
    let surplus = first("index without record");
    assert!(surplus[0].contains("cccccc3333"), "{surplus:?}");
    let missing = first("record without index");
    assert!(
        missing[0].contains("effect/aaaaaa0000 is not under effect_due"),
        "{missing:?}"
    );
    // What the records say is written, and nothing else.
    let mended = walk(&books, Mode::Mend, &mut |fault| panic!("{fault:?}"))
        .await
        .unwrap();
    assert_eq!((mended.added, mended.removed), (1, 1));
    assert!(verify(&books).await.unwrap().is_clean());
    store.close().await.unwrap();
}

/// What is too old goes, with the reason in its row, and nothing takes it for lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_mail_goes_by_age_and_size_and_its_facts_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (books, store) = opened(&dir.path().join("state")).await;
    let mut house = House::over(books.clone(), dir.path()).await;
    house.receive(&from_ann("old", "Old", "Hi.", "")).await;
    house.settle(&[]).await;
    house
        .receive(&from_ann("open", "Old and open", "Hi.", ""))
        .await;
    house.advance(24 * 731);
    let orphan = books
        .content
        .put(Bytes::from(vec![b'x'; 100_000]))
        .await
        .unwrap();
    for id in ["new", "newer"] {
        house
            .receive(&from_ann(id, id, &"text ".repeat(2_000), ""))
            .await;
        house.advance(24 * 2);
    }
    let clock = house.clock.clone();
    let night = night::Night {
        books: books.clone(),
        clock: Arc::new(clock.clone()),
        retention: Retention::default(),
        zone: jiff::tz::TimeZone::UTC,
    };
    let began = clock.now().minus_millis(HOUR_MS);
    let row = night.look(began).await.unwrap().unwrap();
    // The orphan was put on the machine's own clock, long before.
    assert!(row.clean, "{row:?}");
    assert_eq!((row.let_go.by_age, row.let_go.by_size), (1, 0), "{row:?}");
    assert_eq!(books.content.get(orphan).await.unwrap(), None);
    let old = house.message("old").await;
    let why = gone_why(&old.content).unwrap();
    assert!(why.contains("730d"), "{why}");
    assert_eq!(old.subject, "Old");
    for id in ["open", "new", "newer"] {
        let message = house.message(id).await;
        assert!(
            books.bytes(&message.content).await.unwrap().is_some(),
            "{id}"
        );
    }
    let manifest = backup(&books, &dir.path().join("backup"), NOW)
        .await
        .unwrap();
    assert_eq!((manifest.contents, manifest.missing), (3, 0));
    assert!(night.look(began).await.unwrap().is_none(), "not due again");

    house.settle(&[]).await;
    let small = Retention {
        content_bytes_max: Some(15_000),
        ..Retention::default()
    };
    let let_go = sweep::sweep(&books, &small, clock.now()).await.unwrap();
    assert_eq!((let_go.by_age, let_go.by_size), (1, 1), "{let_go:?}");
    let newer = house.message("newer").await;
    assert!(books.bytes(&newer.content).await.unwrap().is_some());
    let why = house.message("new").await.content;
    assert!(gone_why(&why).unwrap().contains("15000 bytes"), "{why}");
    assert!(verify(&books).await.unwrap().is_clean());
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facts_go_with_everything_that_hangs_on_them() {
    let dir = tempfile::tempdir().unwrap();
    let (books, store) = opened(&dir.path().join("state")).await;
    let mut house = House::over(books.clone(), dir.path()).await;
    house
        .receive(&from_ann("old", "Booking system", ENQUIRY, ""))
        .await;
    house.settle(&BUNDLED).await;
    for mail in house.mails().await {
        let stored = books
            .get::<MailEffect>(keys::mail(&mail.id))
            .await
            .unwrap()
            .unwrap();
        let mut after = mail.clone();
        after.state = MailState::Sent;
        let mut batch = books.batch();
        crate::outbox::stage_mail_record(&mut batch, &stored, &after).unwrap();
        books.commit(batch).await.unwrap();
    }
    let before = house.holds().await.len();
    assert!(before > 0 && !house.mails().await.is_empty());
    house.advance(24 * 500);
    house.receive(&from_ann("new", "New", "Hi.", "")).await;
    house.settle(&[]).await;
    let retention = Retention {
        raw_mail: Kept::Days(400),
        facts: Kept::Days(400),
        content_bytes_max: None,
    };
    let let_go = sweep::sweep(&books, &retention, house.clock.now())
        .await
        .unwrap();
    assert!(let_go.rows > 10, "{let_go:?}");
    let left = books.message_by_id("old@example.com").await.unwrap();
    assert_eq!(left, None);
    assert!(house.message("new").await.from.is_some());
    assert!(house.mails().await.is_empty());
    // What is open stays, whatever its age.
    assert_eq!(house.holds().await.len(), before);
    for ns in [Ns::Timeline, Ns::Ledger] {
        let rows = books.keys_under(Range::all(ns), 10).await.unwrap();
        assert!(rows.len() <= 1, "{ns}: {rows:?}");
    }
    let looked = verify(&books).await.unwrap();
    assert!(looked.is_clean(), "{looked:?}");
    store.close().await.unwrap();
}
