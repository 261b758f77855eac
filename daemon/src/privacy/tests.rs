//! A person wrote, was written to, was remembered by plugins; then they are erased.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use liaison_core::effect::HoldEffect;
use liaison_core::hold::HoldInput;
use liaison_core::ids::AccountId;
use liaison_core::message::gone_why;
use liaison_core::optout::{AskedBy, Claim, OptOut};
use liaison_core::outbox::MailState;
use serde_json::json;

use super::erase::{Asked, Counts, content, family};
use super::find::{ORDER, Traces};
use super::*;
use crate::accounts::{AccountBook, ContactDraft, DomainRules};
use crate::app::{open_books, open_with};
use crate::books::rows::{ReviewRow, ReviewState};
use crate::books::{Books, keys, replace};
use crate::clock::Clock;
use crate::keeping;
use crate::outbox::{HoldStep, stage_hold};
use crate::pipeline::tests::house::{BUNDLED, ENQUIRY, House, mail};
use crate::review::decide::resolve;
use crate::store::sled::{SledOptions, SledStore};
use crate::store::{Ns, Store};

const BOB: &str = "bob@berg.example.org";
const ANN: &str = "ann@berg.example.org";
const SAM: &str = "sam@example.net";

async fn opened(dir: &Path, open: fn(&Path) -> (Books, Arc<SledStore>)) -> (Books, Arc<SledStore>) {
    let dir = dir.to_owned();
    tokio::task::spawn_blocking(move || open(&dir))
        .await
        .unwrap()
}

/// As every start does.
fn started(dir: &Path) -> (Books, Arc<SledStore>) {
    open_books(&dir.join("state")).unwrap()
}

/// Without finishing anything.
fn only_opened(dir: &Path) -> (Books, Arc<SledStore>) {
    open_with(
        &dir.join("state"),
        SledOptions::default(),
        &std::sync::Arc::default(),
    )
    .unwrap()
}

fn contact(email: &str, name: &str) -> ContactDraft {
    ContactDraft {
        email: email.parse().unwrap(),
        name: Some(name.to_owned()),
        role: None,
        do_not_contact: None,
    }
}

fn book(house: &House) -> AccountBook {
    AccountBook::new(house.books.clone(), DomainRules::of(&house.office))
}

/// It was asked whose Bob's address is, and a person said so.
async fn asked_whose(house: &House, account: &AccountId, by: &crate::accounts::By) {
    let row = ReviewRow {
        id: "review-of-b".to_owned(),
        address: BOB.to_owned(),
        candidates: vec![account.clone(), "acc-2".into()],
        evidence: Vec::new(),
        first: by.now,
        last: by.now,
        count: 1,
        messages: Vec::new(),
        state: ReviewState::Open,
    };
    let mut writes = house.books.batch();
    replace(&mut writes, keys::review(&row.id), None, &row).unwrap();
    house.books.commit(writes).await.unwrap();
    let decided = resolve(&house.books, &row.id, account, None, by).await;
    assert!(matches!(
        decided.unwrap().row.state,
        ReviewState::Resolved { .. }
    ));
}

/// Bob and Ann of one customer write, Sam answers, the plugins work.
async fn lived_in(dir: &Path) -> Arc<SledStore> {
    let (books, store) = opened(dir, started).await;
    let mut house = House::over(books, dir).await;
    let bob = "Bob Berg <Bob@berg.example.org>";
    let ann = "Ann Berg <ann@berg.example.org>";
    house
        .receive(&mail(&[bob, SAM], "b1", "Booking system", ENQUIRY, ""))
        .await;
    house.settle(&BUNDLED).await;
    // From here on they are somebody's people.
    let draft = crate::accounts::AccountDraft {
        name: "Berg Ltd".to_owned(),
        domains: vec!["berg.example.org".parse().unwrap()],
        ..Default::default()
    };
    let by = crate::accounts::By {
        who: "uid 7".to_owned(),
        why: format!("{BOB} asked us to"),
        now: house.clock.now(),
        source: liaison_core::crm::Source::Person,
    };
    let (account, _) = book(&house).upsert_account(&draft, &by).await.unwrap();
    for (email, name) in [(BOB, "Bob Berg"), (ANN, "Ann Berg")] {
        let draft = contact(email, name);
        book(&house)
            .add_contact(&account.id, &draft, &by)
            .await
            .unwrap();
    }
    asked_whose(&house, &account.id, &by).await;
    house
        .receive(&mail(
            &[ann, SAM],
            "a1",
            "Invoice",
            "The invoice is missing.",
            "",
        ))
        .await;
    let text = "Please ask BOB@Berg.example.org about it.";
    house
        .receive(&mail(&[ann, SAM], "a2", "Question", text, ""))
        .await;
    house
        .receive(&mail(
            &[ann, SAM],
            "a3",
            "Copy",
            "Hi.",
            &format!("Cc: {bob}\r\n"),
        ))
        .await;
    house
        .sent(&mail(
            &[SAM, bob],
            "s1",
            "Re: Booking system",
            "Gladly.",
            "In-Reply-To: <b1@example.com>\r\n",
        ))
        .await;
    house
        .sent(&mail(
            &[SAM, ann],
            "s2",
            "Re: Invoice",
            "Here it is.",
            "In-Reply-To: <a1@example.com>\r\n",
        ))
        .await;
    house.settle(&BUNDLED).await;
    let report = format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.com\r\nTo: {SAM}\r\n\
         Subject: Undelivered Mail Returned to Sender\r\nMessage-ID: <r1@mx.example.com>\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\n\r\nno such user {BOB}\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; {BOB}\r\nAction: failed\r\n\
         Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 <{BOB}> unknown\r\n\r\n--b\r\n\
         Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <s1@example.com>\r\n\r\n--b--\r\n"
    );
    house.receive(&report).await;
    house.settle(&BUNDLED).await;
    assert!(house.books.reach(BOB).await.unwrap().is_some());
    let mut batch = house.books.batch();
    for (name, value) in [
        (BOB, "1"),
        ("last", "for bob@berg.example.org"),
        ("ann", ANN),
    ] {
        batch.put(
            keys::plugin_kv(&"follow-up".into(), "", name),
            value.as_bytes().to_vec(),
        );
    }
    let claim = Claim::of(&"e1".into(), BOB).unwrap();
    let wish = OptOut::new(&claim, AskedBy::HandedIn("x".to_owned()), house.clock.now());
    batch.put_record(keys::opt_out(BOB), &wish).unwrap();
    house.books.commit(batch).await.unwrap();
    store
}

/// The delivery takes holds out of calendars; here nobody else does.
async fn take_holds_out(books: &Books) {
    let holds: Vec<HoldEffect> = books.all(Ns::Hold).await.unwrap();
    for hold in holds {
        let stored = books
            .get::<HoldEffect>(keys::hold(&hold.id))
            .await
            .unwrap()
            .unwrap();
        let mut batch = books.batch();
        let now = liaison_core::time::Timestamp(1_780_000_000_000);
        let step = HoldStep::new(HoldInput::Removed, "liaison");
        stage_hold(books, &mut batch, &stored, step, now)
            .await
            .unwrap();
        books.commit(batch).await.unwrap();
    }
}

/// Files under `dir` that have `word` in any letter case.
fn files_with(dir: &Path, word: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, word));
            continue;
        }
        let bytes = fs::read(&path).unwrap().to_ascii_lowercase();
        if bytes
            .windows(word.len())
            .any(|window| window == word.as_bytes())
        {
            found.push(path);
        }
    }
    found
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copied(&path, &place),
            false => drop(fs::copy(&path, &place).unwrap()),
        }
    }
}

/// Nothing of Bob is left anywhere, all of Ann is, and everything is as it should be.
async fn only_bob_is_gone(dir: &Path, books: &Books, what: &str) {
    let state = dir.join("state");
    assert_eq!(files_with(&state, BOB), Vec::<PathBuf>::new(), "{what}");
    assert!(!files_with(&state, ANN).is_empty(), "{what}");
    let looked = keeping::verify(books).await.unwrap();
    assert!(looked.is_clean(), "{what}: {looked:?}");
    let now = liaison_core::time::Timestamp(1_780_000_000_000);
    let bob = export(books, BOB, None, now).await.unwrap().json;
    assert_eq!(bob["counts"], json!({}), "{what}: {bob:#}");
    let ann = export(books, ANN, None, now).await.unwrap().json;
    assert_eq!(ann["counts"]["contact"], 1, "{what}: {ann:#}");
    assert!(
        ann["counts"]["message"].as_u64().unwrap() >= 4,
        "{what}: {ann:#}"
    );
    let open = open_erasures(books).await.unwrap();
    assert!(open.is_empty(), "{what}: {open:?}");
}

async fn asked(books: &Books) -> Asked {
    let now = liaison_core::time::Timestamp(1_780_000_000_000);
    ask(books, BOB, ("uid 7", now)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_ends_anywhere_is_finished_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = lived_in(dir.path()).await;
    store.close().await.unwrap();
    let (books, store) = opened(dir.path(), started).await;
    assert!(!files_with(&dir.path().join("state"), BOB).is_empty());
    let Asked::Clearing(waits) = asked(&books).await else {
        panic!("holds are to leave the calendar first");
    };
    assert!(
        waits
            .iter()
            .any(|wait| wait.contains("leaves the calendar")),
        "{waits:?}"
    );
    take_holds_out(&books).await;
    assert!(matches!(asked(&books).await, Asked::Recorded(_)));
    store.close().await.unwrap();
    drop((books, store));

    let cuts = [0, 1, 6, 9, 13, 18, 24, 31, 36, 45, 49, ORDER.len()];
    for (nth, families) in cuts.into_iter().enumerate() {
        let place = tempfile::tempdir().unwrap();
        copied(dir.path(), place.path());
        let (books, store) = opened(place.path(), only_opened).await;
        let row = open_erasures(&books).await.unwrap().remove(0);
        let person = Person::with(row.addresses);
        let mut traces = Traces::of(&books, person, row.asked).await.unwrap();
        if nth > 0 {
            content(&books, &traces).await.unwrap();
        }
        for ns in &ORDER[..families] {
            family(&books, &mut traces, *ns, &mut Counts::default())
                .await
                .unwrap();
        }
        store.close().await.unwrap();
        drop((books, store));
        let (books, store) = opened(place.path(), started).await;
        only_bob_is_gone(place.path(), &books, &format!("cut after {families}")).await;
        store.close().await.unwrap();
    }
    // Rows and content were done, the files were not.
    let (books, store) = opened(dir.path(), only_opened).await;
    rows_and_content(&books, liaison_core::time::Timestamp(1_780_000_000_000))
        .await
        .unwrap();
    store.close().await.unwrap();
    drop((books, store));
    assert!(!files_with(&dir.path().join("state"), BOB).is_empty());
    let (books, store) = opened(dir.path(), started).await;
    only_bob_is_gone(dir.path(), &books, "files").await;
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_of_a_person_is_shown_then_erased_and_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = lived_in(dir.path()).await;
    store.close().await.unwrap();
    let (books, store) = opened(dir.path(), started).await;
    let now = liaison_core::time::Timestamp(1_780_000_000_000);
    let out = dir.path().join("out");
    let shown = export(&books, BOB, Some(&out), now).await.unwrap().json;
    for kind in [
        "contact",
        "by_addr",
        "message",
        "timeline",
        "case_record",
        "hold",
        "effect",
        "plugin_kv",
        "reach",
        "report",
        "returned",
        "opt_out",
    ] {
        assert!(
            shown["counts"][kind].as_u64() > Some(0),
            "{kind}: {:#}",
            shown["counts"]
        );
    }
    // His own, Sam's answer to him, and what was to be sent to him.
    let files: Vec<_> = fs::read_dir(out.join("messages")).unwrap().collect();
    assert!(files.len() >= 3, "{files:?}");
    assert_eq!(
        shown["named_in"].as_array().unwrap().len(),
        2,
        "{:#}",
        shown["named_in"]
    );
    let text = fs::read_to_string(out.join("person.json")).unwrap();
    assert!(text.contains("Booking system") && text.contains("Bob Berg"));

    take_holds_out(&books).await;
    while matches!(asked(&books).await, Asked::Clearing(_)) {
        take_holds_out(&books).await;
    }
    store.close().await.unwrap();
    drop((books, store));
    let (books, store) = opened(dir.path(), started).await;
    only_bob_is_gone(dir.path(), &books, "erased").await;
    let mut house = House::over(books, dir.path()).await;
    for mail in house.mails().await {
        assert!(mail.state.is_final(), "{mail:?}");
        assert_ne!(mail.state, MailState::Sent, "{mail:?}");
    }
    // Of Ann's messages one is whole, two said something of him.
    let why = |id: &str| {
        let id = id.to_owned();
        let house = &house;
        async move { gone_why(&house.message(&id).await.content).map(str::to_owned) }
    };
    assert_eq!(why("a1").await, None);
    assert!(
        why("a2")
            .await
            .is_some_and(|why| why.contains("named in it"))
    );
    let copy = house.message("a3").await;
    assert!(copy.cc.is_empty() && copy.from.is_some(), "{copy:?}");

    // He writes again, and somebody wants to record him again.
    let bob = "Bob Berg <bob+again@BERG.example.org>";
    let taken = house
        .receive(&mail(&[bob, SAM], "b2", "Once more", ENQUIRY, ""))
        .await;
    assert_eq!(taken.new, 1);
    let old = house
        .receive(&mail(
            &["Bob Berg <Bob@berg.example.org>", SAM],
            "b1",
            "Booking system",
            ENQUIRY,
            "",
        ))
        .await;
    assert_eq!((old.new, old.known), (0, 1));
    house.settle(&BUNDLED).await;
    let outcome = house.outcome("b2").await;
    assert!(
        outcome.closed.is_some() && outcome.summary.contains("erased"),
        "{outcome:?}"
    );
    assert!(outcome.matched.is_none() && outcome.seq.is_none());
    let by = crate::accounts::By {
        who: "uid 7".to_owned(),
        why: String::new(),
        now,
        source: liaison_core::crm::Source::Person,
    };
    let account = book(&house).find("Berg Ltd").await.unwrap().id;
    let refused = book(&house)
        .add_contact(&account, &contact(BOB, "Bob"), &by)
        .await;
    assert!(refused.unwrap_err().to_string().contains("was erased"));
    only_bob_is_gone(dir.path(), &house.books, "written again").await;

    // A report about a mail to him comes late, and an old token comes back.
    let fixture = "../tests/fixtures/reading/bounce/postfix-unknown-user.eml";
    let report = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture)).unwrap();
    let report = report
        .replace("bob@example.net", BOB)
        .replace("sam@example.com", "sam@example.net");
    assert!(report.contains(BOB));
    house.receive(&report).await;
    let asked = crate::unsubscribe::Asked {
        claim: &Claim::of(&"e0".into(), BOB).unwrap(),
        by: AskedBy::HandedIn("uid 7".to_owned()),
        at: now,
        mailbox: None,
        from: "uid 7",
        passed_on: false,
    };
    let heeded = crate::unsubscribe::heed(&house.books, &house.office, &asked, now);
    let heeded = heeded.await.unwrap();
    assert!(matches!(heeded, crate::unsubscribe::Heeded::Erased));
    only_bob_is_gone(dir.path(), &house.books, "told about").await;
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_is_being_handed_over_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (books, store) = opened(dir.path(), started).await;
    let leased = MailState::Leased(liaison_core::outbox::Phase::AfterDot);
    let mut mail = crate::api::tests::mail(leased);
    mail.recipient = BOB.to_owned();
    let mut batch = books.batch();
    crate::outbox::stage_new_mail(&mut batch, &mail).unwrap();
    books.commit(batch).await.unwrap();
    let now = liaison_core::time::Timestamp(1_780_000_000_000);
    let refused = ask(&books, BOB, ("uid 7", now)).await.unwrap_err();
    assert!(
        refused.to_string().contains("nothing was erased"),
        "{refused}"
    );
    assert!(open_erasures(&books).await.unwrap().is_empty());
    let refused = ask(&books, "nobody", ("uid 7", now)).await.unwrap_err();
    assert!(matches!(refused, PrivacyError::Address { .. }), "{refused}");
    store.close().await.unwrap();
}

/// One person under several ids, and an activity that was with somebody else, too.
#[tokio::test]
async fn a_person_is_erased_under_all_ids_and_what_others_did_stays_counted() {
    use crate::books::indexes::walk::{Mode, walk};
    use crate::books::keys::{TouchBy, touches_by};
    use crate::records::{Put, RecordBook, RecordBy};
    use liaison_core::crm::{Kind, Source};

    let dir = tempfile::tempdir().unwrap();
    let books = crate::accounts::tests::empty_books(dir.path());
    let records = RecordBook::new(books.clone(), DomainRules::default());
    let now = liaison_core::time::Timestamp(1_780_000_000_000);
    let by = RecordBy {
        who: "uid 7".to_owned(),
        why: "test".to_owned(),
        source: Source::Person,
        force: false,
        now,
    };
    let rows: &[(Kind, &[(&str, &str)])] = &[
        (Kind::Account, &[("name", "Berg Ltd")]),
        (
            Kind::Contact,
            &[
                ("account", "Berg Ltd"),
                ("name", "Bob"),
                ("emails", "bob@berg.example.org"),
            ],
        ),
        (
            Kind::Contact,
            &[
                ("account", "Berg Ltd"),
                ("name", "R. Berg"),
                // A mailbox that both read.
                (
                    "emails",
                    "robert@elsewhere.example.org;info@berg.example.org",
                ),
            ],
        ),
        (
            Kind::Contact,
            &[
                ("account", "Berg Ltd"),
                ("name", "Ann"),
                ("emails", "ann@berg.example.org;info@berg.example.org"),
            ],
        ),
        (
            Kind::Activity,
            &[
                ("account", "Berg Ltd"),
                ("kind", "call"),
                ("subject", "Invoice"),
                ("at", "2026-03-02T09:00:00Z"),
                ("contacts", "Bob;Ann"),
            ],
        ),
    ];
    let mut ids = Vec::new();
    for (kind, fields) in rows {
        let saved = records.put(&Put::upsert(*kind, fields), &by).await.unwrap();
        ids.push(saved.record.id);
    }
    let [account, bob, robert, ann, _] = ids.try_into().unwrap();
    // Bob's record goes: the address that is asked for is only in the one that stays.
    records
        .merge(Kind::Contact, &bob, &robert, &by)
        .await
        .unwrap();
    let person = Person::with(["robert@elsewhere.example.org".to_owned()]);
    let traces = Traces::of(&books, person, now).await.unwrap();
    assert!(traces.ids.contains(&bob) && traces.ids.contains(&robert));
    assert!(!traces.ids.contains(&ann));
    let asked = ask(&books, "Robert@elsewhere.example.org", ("uid 7", now)).await;
    assert!(matches!(asked.unwrap(), Asked::Recorded(_)));
    rows_and_content(&books, now).await.unwrap();
    for (id, there) in [(&bob, false), (&robert, false), (&ann, true)] {
        let found = records.get(Kind::Contact, id).await.unwrap();
        assert_eq!(found.is_some(), there, "{id}");
        let touches = books.keys_under(touches_by(TouchBy::Contact, id), 9).await;
        assert_eq!(touches.unwrap().len(), usize::from(there), "{id}");
    }
    let found = records
        .find(Kind::Contact, "info@berg.example.org")
        .await
        .unwrap();
    assert_eq!(found.texts("emails").len(), 2);
    assert_eq!(found.id, ann);
    let tombstones = Tombstones::read(&books).await.unwrap();
    for (email, erased) in [
        ("robert@elsewhere.example.org", true),
        ("info@berg.example.org", false),
    ] {
        assert_eq!(
            tombstones.has(&books, email).await.unwrap(),
            erased,
            "{email}"
        );
    }
    let touches = touches_by(TouchBy::Account, &account);
    assert_eq!(books.keys_under(touches, 9).await.unwrap().len(), 1);
    let mut faults = Vec::new();
    let mut tell = |fault| faults.push(fault);
    walk(&books, Mode::Look, &mut tell).await.unwrap();
    assert_eq!(faults, []);
}
