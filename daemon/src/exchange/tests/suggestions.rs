use std::collections::BTreeMap;

use liaison_core::business_time::{BusinessCalendar, QuietHours, WorkInterval};
use liaison_core::message::{MessageRecord, Person};
use liaison_core::policy::{Firm, Limits};

use super::*;
use crate::api::tests::message;
use crate::books::{keys, replace};
use crate::exchange::people::{Found, Where, people};
use crate::office::Office;

fn office() -> Office {
    let hours = WorkInterval {
        from: 9 * 60,
        to: 17 * 60,
    };
    Office {
        firm: Firm {
            own_domains: ["ourfirm.example".to_owned()].into(),
            own_addresses: Default::default(),
            sending_domain: "ourfirm.example".to_owned(),
            business: BusinessCalendar::weekdays("UTC", hours).unwrap(),
            quiet: QuietHours::default(),
            send_delay_ms: 0,
        },
        limits: Limits::default(),
        authserv_ids: Vec::new(),
        dkim: None,
        free_mail: Default::default(),
        forms: Default::default(),
        review_days: 3,
        threads_by_subject: true,
        html: false,
        meetings: Default::default(),
        people: BTreeMap::new(),
        mailboxes: BTreeMap::new(),
        staff_route: None,
        signature: None,
        approval: Default::default(),
        unsubscribe: Default::default(),
    }
}

fn person(text: &str) -> Person {
    let (name, email) = match text.split_once('<') {
        Some((name, email)) => (Some(name.trim().to_owned()), email.trim_end_matches('>')),
        None => (None, text),
    };
    Person {
        name,
        email: email.to_owned(),
    }
}

fn mail(nth: i64, from: &str, to: &[&str]) -> MessageRecord {
    let outbound = from.ends_with("@ourfirm.example");
    MessageRecord {
        outbound,
        historical: true,
        date: Timestamp(nth * 1_000),
        received: Timestamp(nth * 1_000),
        from: Some(person(from)),
        to: to.iter().map(|one| person(one)).collect(),
        ..message(&format!("message{nth}"), "human")
    }
}

async fn found(desk: &Desk, mails: &[MessageRecord], since: i64) -> Found {
    for mail in mails {
        let mut batch = desk.books.batch();
        replace(&mut batch, keys::message(&mail.key), None, mail).unwrap();
        desk.books.commit(batch).await.unwrap();
    }
    let wish = Where {
        mailbox: None,
        since: Timestamp(since),
    };
    people(&desk.books, &desk.accounts(), &office(), &wish)
        .await
        .unwrap()
}

const US: &str = "alice@ourfirm.example";

#[tokio::test]
async fn newsletters_robots_forms_and_liars_are_no_leads() {
    let changed = |change: fn(&mut MessageRecord)| {
        let mut mail = mail(1, "eve@other.example", &[US]);
        change(&mut mail);
        mail
    };
    let cases = [
        (
            "a newsletter",
            changed(|mail| mail.class = "bulk".to_owned()),
        ),
        (
            "an automatic answer",
            changed(|mail| mail.class = "ooo".to_owned()),
        ),
        (
            "a forged sender",
            changed(|mail| mail.authenticity = "fail".to_owned()),
        ),
        ("two From headers", changed(|mail| mail.from_count = 2)),
        (
            "a form with the person in Reply-To",
            changed(|mail| {
                mail.reply_to = vec![person("carol@customer.example")];
            }),
        ),
        (
            "a no-reply address",
            mail(1, "no-reply@other.example", &[US]),
        ),
        (
            "a colleague",
            mail(1, "bob@ourfirm.example", &["carol@ourfirm.example"]),
        ),
    ];
    for (what, mail) in cases {
        let found = found(&Desk::new(), &[mail], 0).await;
        assert_eq!(found.people, [], "{what}");
        assert_eq!(found.messages, 1);
    }
}

#[tokio::test]
async fn people_who_write_and_are_written_to_are_suggested_with_their_account() {
    let desk = Desk::new();
    desk.put(
        Kind::Account,
        &[("name", "Acme"), ("domains", "acme.example")],
    )
    .await;
    let known = [("account", "Acme"), ("emails", "known@acme.example")];
    desk.put(Kind::Contact, &known).await;
    let mails = [
        mail(1, "Bob Baker <bob@acme.example>", &[US]),
        mail(2, US, &["bob@acme.example", "known@acme.example"]),
        mail(3, "Bob Baker <BOB@acme.example>", &[US]),
        mail(4, "known@acme.example", &[US]),
        // Private addresses are real people, too.
        mail(5, "Solo Sand <solo@gmail.com>", &[US]),
    ];
    let found = found(&desk, &mails, 0).await;
    let told: Vec<_> = found
        .people
        .iter()
        .map(|one| {
            (
                one.address.as_str(),
                one.received,
                one.sent,
                one.account.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("bob@acme.example", 2, 1, "Acme"),
            (
                "solo@gmail.com",
                1,
                0,
                "none (an address of a free-mail provider)"
            ),
        ]
    );
    assert_eq!(found.people[0].name.as_deref(), Some("Bob Baker"));
    assert!(found.people[0].account_id.is_some() && found.people[1].account_id.is_none());
}

#[tokio::test]
async fn only_mail_since_then_counts() {
    let mails = [
        mail(1, "old@acme.example", &[US]),
        mail(9, "new@acme.example", &[US]),
    ];
    let found = found(&Desk::new(), &mails, 5_000).await;
    assert_eq!(
        (found.people.len(), found.people[0].address.as_str()),
        (1, "new@acme.example")
    );
}
