//! Whose a message is, as the daemon finds it, and what finding it costs and changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use liaison_core::account::matching::MatchOutcome;
use liaison_core::account::{Contact, ContactStatus};
use liaison_core::ids::AccountId;
use liaison_core::mail::{ParseLimits, parse_message};

use super::*;
use crate::accounts::{AccountBook, AccountDraft, By, ContactDraft, DomainRules};
use crate::books::keys;
use crate::books::replace;
use crate::books::rows::{ReviewRow, TimelineRow};
use crate::clock::Clock;
use crate::pipeline::tests::house::House;
use crate::store::{
    Batch, CommitError, CommitId, Dir, Fence, Ns, Page, Range, ReadError, ShardId, Store,
    StoreHealth,
};

/// Counts the rows that are asked for, and the scans.
#[derive(Debug)]
struct Counting {
    base: Arc<dyn Store>,
    gets: AtomicUsize,
    scans: AtomicUsize,
}

impl Store for Counting {
    fn get<'a>(
        &'a self,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, ReadError>> {
        self.gets.fetch_add(keys.len(), Ordering::Relaxed);
        self.base.get(keys)
    }

    fn scan(
        &self,
        range: Range,
        dir: Dir,
        limit: usize,
        after: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        self.scans.fetch_add(1, Ordering::Relaxed);
        self.base.scan(range, dir, limit, after)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<CommitId, CommitError>> {
        self.base.commit(batch)
    }

    fn health(&self) -> StoreHealth {
        self.base.health()
    }

    fn failed(&self) -> BoxFuture<'_, Arc<str>> {
        self.base.failed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), CommitError>> {
        self.base.close()
    }
}

fn counting(books: &Books) -> (Books, Arc<Counting>) {
    let store = Arc::new(Counting {
        base: books.store.clone(),
        gets: AtomicUsize::new(0),
        scans: AtomicUsize::new(0),
    });
    let fence = Fence {
        shard: ShardId::SINGLE,
        epoch: 0,
    };
    (
        Books::new(store.clone(), books.content.clone(), fence),
        store,
    )
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// Accounts with their domains and contacts.
async fn record(house: &House, accounts: &[(&str, &[&str], &[&str])]) -> Vec<AccountId> {
    let book = AccountBook::new(house.books.clone(), DomainRules::default());
    let by = By {
        who: "sam".to_owned(),
        why: "test".to_owned(),
        now: house.clock.now(),
        source: liaison_core::crm::Source::Person,
    };
    let mut ids = Vec::new();
    for (name, domains, contacts) in accounts {
        let draft = AccountDraft {
            name: (*name).to_owned(),
            domains: domains.iter().map(|one| one.parse().unwrap()).collect(),
            ..AccountDraft::default()
        };
        let (account, _) = book.upsert_account(&draft, &by).await.unwrap();
        for email in *contacts {
            let draft = ContactDraft {
                email: address(email),
                name: None,
                role: None,
                do_not_contact: None,
            };
            book.add_contact(&account.id, &draft, &by).await.unwrap();
        }
        ids.push(account.id);
    }
    ids
}

/// The contact leaves.
async fn leaves(house: &House, email: &str) {
    let (email, free_mail) = (address(email), FreeMail::default());
    let mut found = house.books.lookups(&email, &free_mail).await.unwrap();
    for hit in found.addresses.remove(0).1 {
        let key = keys::contact(&hit.contact.unwrap());
        let stored = house
            .books
            .get::<Contact>(key.clone())
            .await
            .unwrap()
            .unwrap();
        let mut contact = stored.record;
        contact.status = ContactStatus::Left;
        let mut writes = house.books.batch();
        replace(&mut writes, key, Some(stored.version), &contact).unwrap();
        house.books.commit(writes).await.unwrap();
    }
}

async fn whose(books: &Books, text: &str) -> Whose {
    let senders = Senders::one(Sender::of(address(text), false));
    let asked = Asked {
        senders: &senders,
        thread: None,
        event: None,
        free_mail: &FreeMail::default(),
    };
    books.whose(asked).await.unwrap()
}

const WORLD: [(&str, &[&str], &[&str]); 4] = [
    (
        "Acme",
        &["acme.example", "both.example"],
        &["bob@acme.example", "gone@acme.example", "old@gmail.com"],
    ),
    (
        "Beta",
        &["both.example"],
        &["old@gmail.com", "desk@beta.example"],
    ),
    ("Acme Labs", &["labs.acme.example"], &[]),
    ("Many", &[], &["desk@beta.example", "gone@acme.example"]),
];

#[tokio::test]
async fn no_address_costs_more_than_six_point_reads_and_none_a_scan() {
    let house = House::new().await;
    record(&house, &WORLD).await;
    leaves(&house, "gone@acme.example").await;
    let (books, store) = counting(&house.books);
    use MatchOutcome::{Account, Ambiguous, Unknown};
    for (text, outcome) in [
        ("bob@acme.example", Account),
        ("bob+x@acme.example", Account),
        ("gone@acme.example", Account),
        ("gone+x@acme.example", Account),
        ("new@mail.eu.labs.acme.example", Account),
        ("new+x@a.b.c.d.e.f.labs.acme.example", Account),
        ("x@a.b.c.d.e.f.g.nobody.example", Unknown),
        ("desk@beta.example", Ambiguous),
        ("old@gmail.com", Ambiguous),
        ("x@gmail.com", Unknown),
        ("x@both.example", Ambiguous),
    ] {
        store.gets.store(0, Ordering::Relaxed);
        let found = whose(&books, text).await;
        let gets = store.gets.load(Ordering::Relaxed);
        assert_eq!(found.matched.outcome, outcome, "{text}: {found:?}");
        assert!(gets <= GETS_MAX, "{text}: {gets} reads");
    }
    assert_eq!(store.scans.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn who_left_belongs_nowhere_by_the_old_address_and_the_domain_still_tells() {
    let house = House::new().await;
    let ids = record(&house, &WORLD).await;
    leaves(&house, "gone@acme.example").await;
    let found = whose(&house.books, "gone@acme.example").await.matched;
    assert_eq!(
        (found.account.as_ref(), &found.contact),
        (Some(&ids[0]), &None)
    );
    let kinds: Vec<&str> = found.evidence.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds, ["former-contact", "domain"]);
}

/// Our own hold comes back in an answer: found by its UID, and by nothing that only looks like one.
/// A long line goes on in the next one.
fn folded(text: &str) -> String {
    let (first, rest) = text.split_at_checked(9).unwrap();
    format!("{first}\r\n {rest}")
}

#[tokio::test]
async fn an_answer_to_a_hold_of_ours_is_its_accounts() {
    let house = House::new().await;
    let mut hold = crate::api::tests::hold();
    hold.cause.subject.account = Some("acc-7".into());
    let mut writes = house.books.batch();
    replace(&mut writes, keys::hold(&hold.id), None, &hold).unwrap();
    house.books.commit(writes).await.unwrap();
    let (uid, id) = (hold.uid.clone(), hold.id.clone());
    for (uid, account) in [
        (uid.clone(), Some("acc-7")),
        (folded(&uid), Some("acc-7")),
        (format!("hold.{id}@other.example"), None),
        ("hold.@example.net".to_owned(), None),
        ("x@example.com".to_owned(), None),
    ] {
        let mail = format!(
            "From: Eve <eve@nobody.example>\r\nTo: sam@example.net\r\n\
             Content-Type: text/calendar; method=REPLY\r\n\r\nBEGIN:VCALENDAR\r\n\
             METHOD:REPLY\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        let view = parse_message(mail.as_bytes(), &ParseLimits::default());
        let event = house.books.event_of_ours(&view).await.unwrap();
        let found = event.map(|event| event.account);
        assert_eq!(found.as_ref().map(AccountId::as_str), account, "{uid}");
    }
}

/// Every row of every family.
async fn rows(books: &Books) -> BTreeMap<Key, Bytes> {
    let mut rows = BTreeMap::new();
    for ns in Ns::ALL {
        let found = books.store.scan_prefix(*ns, b"", 100_000).await.unwrap();
        rows.extend(
            found
                .into_iter()
                .map(|(key, row)| (Key::new(*ns, key), row.value)),
        );
    }
    rows
}

/// A generator of numbers; the seed is printed where a test fails.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap()
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

const PEOPLE: [&str; 12] = [
    "Bob <bob@acme.example>",
    "bob+x@acme.example",
    "gone@acme.example",
    "x@both.example",
    "desk@beta.example",
    "old@gmail.com",
    "x@gmail.com",
    "Sam <sam@example.net>",
    "kim@example.net",
    "noreply@forms.example",
    "new@labs.acme.example",
    "Bob via List <list@lists.example>",
];

/// A message that may say anything of anybody.
fn any_message(dice: &mut Dice, n: usize) -> String {
    let mut lines = vec![
        format!("Message-ID: <m{n}@example.com>"),
        "Date: Mon, 2 Mar 2026 09:00:00 +0000".to_owned(),
        format!("From: {}", dice.of(&PEOPLE)),
        format!("To: {}", dice.of(&PEOPLE)),
        format!(
            "Subject: {}",
            dice.of(&["Hi", "Fwd: Hi", "Re: Hi", "acc-1 con-1"])
        ),
    ];
    for name in [
        "From",
        "Reply-To",
        "Cc",
        "Sender",
        "X-Original-Sender",
        "X-Original-From",
        "X-Forwarded-For",
        "List-Post",
    ] {
        if dice.below(4) == 0 && (name != "From" || dice.below(4) == 0) {
            lines.push(format!("{name}: {}", dice.of(&PEOPLE)));
        }
    }
    for name in ["In-Reply-To", "References"] {
        if n > 0 && dice.below(3) == 0 {
            lines.push(format!("{name}: <m{}@example.com>", dice.below(n)));
        }
    }
    for line in [
        "X-Liaison-Id: acc-1",
        "Auto-Submitted: auto-replied",
        "List-Id: <l.example>",
    ] {
        if dice.below(6) == 0 {
            lines.push(line.to_owned());
        }
    }
    let body = match dice.below(3) {
        0 => format!("Name: {}\r\n", dice.of(&PEOPLE)),
        1 => format!(
            "---- Forwarded message ----\r\nFrom: {}\r\nSubject: Hi\r\n",
            dice.of(&PEOPLE)
        ),
        _ => {
            lines.push("Content-Type: multipart/mixed; boundary=b".to_owned());
            format!(
                "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: {}\r\nSubject: Hi\r\n\r\nHi\r\n--b--",
                dice.of(&PEOPLE)
            )
        }
    };
    format!("{}\r\n\r\n{body}\r\n", lines.join("\r\n"))
}

/// pitfalls.md row 48: whatever a message says, only rows of its own come or change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_never_changes_an_unrelated_record() {
    for seed in 1..=6_u64 {
        let mut house = House::new().await;
        record(&house, &WORLD).await;
        leaves(&house, "gone@acme.example").await;
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for n in 0..40 {
            let mail = any_message(&mut dice, n);
            let before = rows(&house.books).await;
            house.receive(&mail).await;
            let after = rows(&house.books).await;
            let message = house.message(&format!("m{n}")).await;
            let place = format!("seed {seed}, message {n}:\n{mail}");
            for (key, value) in &before {
                let own = match key.ns {
                    Ns::Cursor | Ns::Setting => true,
                    Ns::Thread => *key == keys::thread(&message.thread),
                    Ns::ThreadParty => {
                        let own = keys::thread_parties(&message.thread).start;
                        key.k.starts_with(&own)
                    }
                    Ns::Review => {
                        let row = house.books.get::<ReviewRow>(key.clone()).await.unwrap();
                        row.unwrap().record.messages.last() == Some(&message.key)
                    }
                    _ => false,
                };
                assert!(
                    own || after.get(key) == Some(value),
                    "{key} changed by {place}"
                );
            }
            for key in after.keys().filter(|key| !before.contains_key(key)) {
                let own = match key.ns {
                    Ns::Timeline => {
                        let row = house.books.get::<TimelineRow>(key.clone()).await.unwrap();
                        row.unwrap().record.id == message.key.0
                    }
                    Ns::Message | Ns::Delivery | Ns::Locator | Ns::Msgid | Ns::Thread => true,
                    Ns::Touch => keys::touch_at(&key.k).unwrap().id == message.key.0,
                    Ns::ThreadMember
                    | Ns::ThreadHint
                    | Ns::ThreadParty
                    | Ns::Cursor
                    | Ns::Event => true,
                    Ns::EventSeen | Ns::Outcome | Ns::Setting | Ns::Review => true,
                    _ => false,
                };
                assert!(own, "{key} was made by {place}");
            }
        }
    }
}
