use liaison_core::ids::AccountId;
use liaison_core::time::DAY_MS;

use super::*;
use crate::accounts::tests::empty_books;
use crate::books::replace;
use crate::books::rows::{AuditRow, ReviewState};

const NOW: Timestamp = Timestamp(1_780_000_000_000);

fn decided(state: &str, subject: &str) -> ReviewState {
    let (at, who) = (NOW, "uid 7".to_owned());
    match state {
        "open" => ReviewState::Open,
        "dismissed" => ReviewState::Dismissed { at, who },
        _ => ReviewState::Resolved {
            account: AccountId::from("acc-beta"),
            subject: subject.to_owned(),
            at,
            who,
        },
    }
}

/// A question whose last message came so many days ago, with a line of audit.
async fn asked(books: &Books, state: &str, days: i64) -> String {
    let id = format!("{state}-{days}");
    let address = format!("{id}@shared.example");
    let row = ReviewRow {
        id: id.clone(),
        candidates: Vec::new(),
        evidence: Vec::new(),
        first: NOW.minus_millis(days * DAY_MS),
        last: NOW.minus_millis(days * DAY_MS),
        count: 1,
        messages: Vec::new(),
        state: decided(state, &address),
        address,
    };
    let told = AuditRow {
        at: NOW,
        who: "uid 7".to_owned(),
        what: "asked".to_owned(),
        why: String::new(),
    };
    let mut writes = books.batch();
    replace(&mut writes, keys::review(&id), None, &row).unwrap();
    crate::accounts::audit(books, &mut writes, &id, &told)
        .await
        .unwrap();
    books.commit(writes).await.unwrap();
    id
}

async fn left(books: &Books) -> Vec<String> {
    let rows: Vec<ReviewRow> = books.every(Range::all(Ns::Review)).await.unwrap();
    rows.into_iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn questions_go_by_age_and_number_and_what_teaches_stays() {
    // Those that are kept for ever, by number; then by age.
    for (until, most, kept, rows) in [
        (
            None,
            10,
            &[
                "dismissed-1",
                "dismissed-500",
                "open-1",
                "open-2",
                "open-500",
            ][..],
            0,
        ),
        (
            None,
            2,
            &["dismissed-1", "dismissed-500", "open-1", "open-2"],
            2,
        ),
        (None, 1, &["dismissed-1", "open-1"], 6),
        (Some(400), 10, &["dismissed-1", "open-1", "open-2"], 6),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let books = empty_books(dir.path());
        for (state, days) in [
            ("open", 1),
            ("open", 2),
            ("open", 500),
            ("dismissed", 1),
            ("dismissed", 500),
        ] {
            asked(&books, state, days).await;
        }
        let taught = asked(&books, "resolved", 600).await;
        let mut writes = books.batch();
        let subject = format!("{taught}@shared.example");
        let rule = MatchRuleRow {
            subject: subject.clone(),
            account: AccountId::from("acc-beta"),
            at: NOW,
            who: "uid 7".to_owned(),
            why: String::new(),
            review: taught.clone(),
        };
        replace(&mut writes, keys::match_rule(&subject), None, &rule).unwrap();
        books.commit(writes).await.unwrap();
        // Another answer took the place of what this one taught.
        if until.is_some() {
            asked(&books, "resolved", 700).await;
        }

        let until = until.map(|days| NOW.minus_millis(days * DAY_MS));
        let removed = forget_reviews(&books, until, most).await.unwrap();
        let mut expected = kept.to_vec();
        expected.push(&taught);
        assert_eq!(left(&books).await, expected);
        assert_eq!(removed, rows);
        for gone in ["open-500", "resolved-700"] {
            if !expected.contains(&gone) {
                assert!(books.audit_of(gone).await.unwrap().is_empty());
            }
        }
        assert_eq!(books.audit_of(&taught).await.unwrap().len(), 1);
        assert_eq!(forget_reviews(&books, until, most).await.unwrap(), 0);
    }
}
