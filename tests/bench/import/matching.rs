//! Whom an address among all of them belongs to, beside one read of the store.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use liaison::accounts::whose::Asked;
use liaison::books::{Books, keys};
use liaison::store::content::ContentStore;
use liaison::store::sled::{SledOptions, SledStore};
use liaison::store::{Fence, ShardId, Store};
use liaison_core::account::free_mail::FreeMail;
use liaison_core::account::matching::MatchOutcome;
use liaison_core::account::matching::sender::{Sender, Senders};
use liaison_core::mail::address::Address;
use liaison_tests::chance::Chance;
use tokio::runtime::Runtime;

use super::PER_ACCOUNT;
use liaison_tests::report::{Bound, Report};

/// Addresses that are asked for.
const ASKED: usize = 20_000;

/// Asks for addresses of people who are there, by chance.
pub fn run(state: &Path, contacts: u64, report: &mut Report) {
    report.head("matching one address among them");
    let store = SledStore::open(&state.join("store"), SledOptions::default()).expect("open");
    let store: Arc<SledStore> = Arc::new(store);
    // Nothing is written.
    let fence = Fence {
        shard: ShardId::SINGLE,
        epoch: 0,
    };
    let content = ContentStore::open(&state.join("content")).expect("a folder for contents");
    let books = Books::new(store.clone(), content, fence);
    let free_mail = FreeMail::default();
    let mut chance = Chance::seeded(7);
    let (mut matching, mut bare) = (Vec::new(), Vec::new());
    Runtime::new().expect("a runtime").block_on(async {
        for _ in 0..ASKED {
            let number = chance.within(0..contacts);
            let account = number / PER_ACCOUNT;
            let text = format!("person{number}@customer{account}.example");
            let address = Address::parse(&text).expect("an address");
            let begin = Instant::now();
            let senders = Senders::one(Sender::of(address.clone(), false));
            let asked = Asked {
                senders: &senders,
                thread: None,
                event: None,
                free_mail: &free_mail,
            };
            let whose = books.whose(asked).await.expect("look up");
            matching.push(begin.elapsed());
            assert_eq!(whose.matched.outcome, MatchOutcome::Account, "{text}");
            // Of somebody else: the page of this one was just read.
            let number = chance.within(0..contacts);
            let account = number / PER_ACCOUNT;
            let key = keys::by_addr(&format!("person{number}@customer{account}.example"));
            let begin = Instant::now();
            let row = store.get(std::slice::from_ref(&key)).await.expect("get");
            bare.push(begin.elapsed());
            assert!(row[0].is_some(), "{text}");
        }
        store.close().await.expect("close");
    });
    matching.sort();
    bare.sort();
    let (matching, bare) = (matching[ASKED / 2], bare[ASKED / 2]);
    report.line(
        "matched, p50",
        &format!("{:.1} us", matching.as_secs_f64() * 1e6),
    );
    report.line(
        "one read of the store, p50",
        &format!("{:.1} us", bare.as_secs_f64() * 1e6),
    );
    report.beside(
        "matched, of one read",
        matching.as_secs_f64() / bare.as_secs_f64(),
        Bound::AtMost(4.0),
    );
}
