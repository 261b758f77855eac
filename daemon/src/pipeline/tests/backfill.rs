//! Old messages shown to the plugins on request.

use liaison_core::effect::MailEffect;
use liaison_core::policy::VerdictResult;
use liaison_core::time::{HOUR_MS, Timestamp};

use super::house::{BUNDLED, ENQUIRY, House, bytes, from_ann};
use crate::books::rows::{BackfillRow, BackfillState};
use crate::books::{keys, replace};
use crate::clock::Clock;
use crate::source::backfill::{BackfillFolder, Rehearsal};
use crate::source::{BatchMode, FolderRef, FolderRole, Intake};
use crate::store::Ns;

const INBOX: (&str, FolderRole, BatchMode) = ("sam", FolderRole::Inbox, BatchMode::History);

fn step(locators: &[&str], after: &str) -> Rehearsal {
    Rehearsal {
        folder: FolderRef {
            mailbox: "sam".into(),
            folder: "INBOX".to_owned(),
            role: FolderRole::Inbox,
        },
        locators: locators.iter().map(ToString::to_string).collect(),
        progress: BackfillFolder {
            folder: "INBOX".to_owned(),
            uid_validity: 7,
            after: after.to_owned(),
            done: locators.len() as u64,
            total: 3,
            finished: false,
        },
        ends: false,
    }
}

async fn ask(house: &House, since: Timestamp, state: BackfillState) {
    let row = BackfillRow {
        mailbox: "sam".into(),
        since,
        asked: house.clock.now(),
        who: "uid 1000".to_owned(),
        state,
        folders: Vec::new(),
        rehearsed: 0,
        ended: None,
    };
    let key = keys::backfill(&"sam".into());
    let seen = house.books.get::<BackfillRow>(key.clone()).await.unwrap();
    let mut writes = house.books.batch();
    replace(&mut writes, key, seen.map(|seen| seen.version), &row).unwrap();
    house.books.commit(writes).await.unwrap();
}

async fn job(house: &House) -> BackfillRow {
    let key = keys::backfill(&"sam".into());
    let row = house.books.get::<BackfillRow>(key).await.unwrap();
    row.unwrap().record
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_message_is_rehearsed_once_and_nothing_follows() {
    let mut house = House::new().await;
    house
        .hand_in(
            INBOX,
            vec![bytes(&from_ann("o1", "Booking system", ENQUIRY, ""))],
        )
        .await;
    let before = house.outcome("o1").await;
    assert!(before.closed.is_some() && before.seq.is_none());
    ask(&house, Timestamp(0), BackfillState::Running).await;
    for _ in 0..2 {
        // Said twice, as after a crash before the source heard that it is durable.
        house.ingest.rehearse(step(&["7/1"], "1")).await.unwrap();
        house.settle(&BUNDLED).await;
    }
    let outcome = house.outcome("o1").await;
    assert!(outcome.closed.is_some() && outcome.seq.is_some());
    assert!(
        outcome.summary.contains("rehearsed: from history"),
        "{}",
        outcome.summary
    );
    let results = house.results("o1").await;
    let verdicts: Vec<_> = results.iter().flat_map(|row| &row.verdicts).collect();
    assert!(!verdicts.is_empty(), "the plugins said what they would do");
    let rehearsed = VerdictResult::Rehearsed;
    assert!(
        verdicts.iter().any(|verdict| verdict.result == rehearsed),
        "{verdicts:?}"
    );
    let told = |result: &VerdictResult| {
        matches!(result, VerdictResult::Rehearsed | VerdictResult::Refused)
    };
    assert!(
        verdicts.iter().all(|verdict| told(&verdict.result)),
        "{verdicts:?}"
    );
    assert_eq!(house.effects().await, [""; 0]);
    assert_eq!(house.waits().await.len(), 0);
    let memory = crate::store::Range::all(Ns::PluginKv);
    assert!(house.books.keys_under(memory, 1).await.unwrap().is_empty());
    assert_eq!(house.outcomes().await.len(), 1);
    let job = job(&house).await;
    assert_eq!((job.rehearsed, job.folders[0].after.as_str()), (1, "1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_answer_calls_nothing_off() {
    let mut house = House::new().await;
    house
        .receive(&from_ann("e1", "Booking system", ENQUIRY, ""))
        .await;
    house.settle(&BUNDLED).await;
    let waiting = house.effects().await;
    let states = |mails: Vec<MailEffect>| -> Vec<String> {
        mails
            .into_iter()
            .map(|mail| mail.state.to_string())
            .collect()
    };
    let before = states(house.mails().await);
    assert!(!before.is_empty());
    let answer = from_ann(
        "o2",
        "Re: Booking system",
        "Yes.",
        "In-Reply-To: <e1@example.com>",
    );
    house.hand_in(INBOX, vec![bytes(&answer)]).await;
    ask(&house, Timestamp(0), BackfillState::Running).await;
    house.ingest.rehearse(step(&["7/2"], "2")).await.unwrap();
    house.settle(&BUNDLED).await;
    assert!(house.outcome("o2").await.summary.contains("rehearsed"));
    assert_eq!(house.effects().await, waiting);
    assert_eq!(states(house.mails().await), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acted_on_came_earlier_or_was_called_off_is_not_shown() {
    let mut house = House::new().await;
    house
        .receive(&from_ann("live", "Booking", ENQUIRY, ""))
        .await;
    house.settle(&BUNDLED).await;
    let acted_on = house.outcome("live").await;
    house
        .hand_in(INBOX, vec![bytes(&from_ann("old", "Old", ENQUIRY, ""))])
        .await;
    let day = 24 * HOUR_MS;
    for (since, state, rehearsed) in [
        (
            house.clock.now().plus_millis(day),
            BackfillState::Running,
            false,
        ),
        (Timestamp(0), BackfillState::Cancelled, false),
        (Timestamp(0), BackfillState::Running, true),
    ] {
        ask(&house, since, state).await;
        let places = ["7/1", "7/2", "7/99"];
        house.ingest.rehearse(step(&places, "99")).await.unwrap();
        house.settle(&BUNDLED).await;
        let outcome = house.outcome("old").await;
        assert_eq!(outcome.seq.is_some(), rehearsed, "{since} {state:?}");
        assert_eq!(house.outcome("live").await, acted_on);
    }
}
