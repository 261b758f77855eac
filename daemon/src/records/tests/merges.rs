//! Two records that are one: what is said of either afterwards, by whom, and how it is taken back.

use super::*;
use crate::outbox::ledger::Recipient;

impl RecordBook {
    async fn merged(&self, kind: Kind, from: &str, into: &str) {
        let merged = self.merge(kind, from, into, &by(Source::Person, 5)).await;
        merged.unwrap();
        self.assert_sound().await;
    }

    async fn parted(&self, kind: Kind, from: &str) -> Result<(), RecordsError> {
        let parted = self.unmerge(kind, from, &by(Source::Person, 9)).await;
        parted.map(|_| ())
    }

    async fn refusal(&self, kind: Kind, from: &str, into: &str) -> String {
        let merged = self.merge(kind, from, into, &by(Source::Person, 5)).await;
        merged.unwrap_err().to_string()
    }

    async fn count(&self, kind: Kind) -> usize {
        let mut count = 0;
        self.each(kind, |_| count += 1).await.unwrap();
        count
    }
}

/// Of what another system exports each row means the record that stands for it now, and the second
/// import of the same changes nothing.
#[tokio::test]
async fn an_import_after_a_merge_makes_nothing_twice() {
    let rows: &[(Kind, &[(&str, &str)])] = &[
        (
            Kind::Account,
            &[
                ("name", "Acme Ltd"),
                ("external_id", "crm:1"),
                ("industry", "bakery"),
            ],
        ),
        (Kind::Account, &[("name", "Acme"), ("external_id", "crm:2")]),
        (Kind::Account, &[("name", "Beta Ltd")]),
        (Kind::Account, &[("name", "Beta")]),
        (Kind::Unit, &[("account", "Beta Ltd"), ("name", "IT")]),
        (Kind::Unit, &[("account", "Beta"), ("name", "Computers")]),
        (
            Kind::Contact,
            &[
                ("account", "crm:1"),
                ("external_id", "crm:c1"),
                ("name", "Bob"),
                ("emails", "bob@acme.example"),
            ],
        ),
        (
            Kind::Contact,
            &[
                ("account", "crm:2"),
                ("external_id", "crm:c2"),
                ("name", "Robert"),
                ("emails", "robert@acme.example"),
            ],
        ),
        (
            Kind::Contact,
            &[
                ("account", "crm:2"),
                ("external_id", "crm:c3"),
                ("name", "Rob"),
                ("emails", "rob@acme.example"),
            ],
        ),
        (Kind::Contact, &[("account", "Beta Ltd"), ("name", "Ann")]),
        (
            Kind::Contact,
            &[("account", "Beta Ltd"), ("emails", "eve@beta.example")],
        ),
        (Kind::Contact, &[("account", "Beta"), ("name", "A. Ames")]),
        (
            Kind::Opportunity,
            &[("account", "Beta Ltd"), ("name", "Portal")],
        ),
        (
            Kind::Opportunity,
            &[
                ("account", "crm:1"),
                ("name", "Shop"),
                ("external_id", "crm:o1"),
            ],
        ),
    ];
    let merges: &[&[(Kind, &str, &str)]] = &[
        &[(Kind::Account, "crm:1", "crm:2")],
        &[(Kind::Account, "Beta Ltd", "Beta")],
        &[(Kind::Contact, "crm:c1", "crm:c2")],
        &[(Kind::Contact, "crm:c3", "crm:c2")],
        &[
            (Kind::Contact, "crm:c2", "crm:c1"),
            (Kind::Account, "crm:2", "crm:1"),
            (Kind::Account, "Beta", "Beta Ltd"),
            (Kind::Contact, "A. Ames", "Ann"),
        ],
        &[
            (Kind::Account, "Beta Ltd", "Beta"),
            (Kind::Unit, "IT", "Computers"),
            (Kind::Contact, "Ann", "A. Ames"),
        ],
    ];
    for merges in merges {
        let dir = tempfile::tempdir().unwrap();
        let book = book(dir.path());
        let import = by(Source::Import, 3);
        for (kind, fields) in rows {
            let saved = book.put(&Put::upsert(*kind, fields), &import).await;
            assert!(saved.unwrap().created, "{fields:?}");
        }
        let mut gone = Vec::new();
        for (kind, from, into) in *merges {
            gone.push((*kind, book.find(*kind, from).await.unwrap()));
            book.merged(*kind, from, into).await;
        }
        let kinds = [Kind::Account, Kind::Unit, Kind::Contact, Kind::Opportunity];
        let mut before = Vec::new();
        for kind in kinds {
            before.push(book.count(kind).await);
        }
        for round in 0..2 {
            for (kind, fields) in rows {
                let saved = book
                    .put(&Put::upsert(*kind, fields), &import)
                    .await
                    .unwrap();
                assert!(!saved.created, "{merges:?}: {fields:?} is made again");
                assert!(
                    round == 0 || saved.changed.is_empty(),
                    "{merges:?}: {fields:?} changes {:?} again",
                    saved.changed
                );
            }
        }
        let mut after = Vec::new();
        for kind in kinds {
            after.push(book.count(kind).await);
        }
        assert_eq!(before, after, "{merges:?}");
        book.assert_sound().await;
        for (kind, record) in gone.iter().rev() {
            book.parted(*kind, &record.id).await.unwrap();
            let back = book.get(*kind, &record.id).await.unwrap().unwrap();
            assert_eq!(back.fields, record.fields, "{merges:?}");
        }
        book.assert_sound().await;
        for (kind, fields) in rows {
            let saved = book
                .put(&Put::upsert(*kind, fields), &import)
                .await
                .unwrap();
            assert!(!saved.created, "{merges:?}: {fields:?}");
        }
    }
}

#[tokio::test]
async fn a_merge_keeps_a_persons_word_and_makes_nothing_a_part_of_itself() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let holding = book.made(Kind::Account, &[("name", "Holding")]).await;
    let acme = [
        ("name", "Acme"),
        ("parent", "Holding"),
        ("industry", "bakery"),
        ("do_not_contact", "yes"),
    ];
    let acme = book.made(Kind::Account, &acme).await;
    let part = [("name", "Part"), ("parent", "Acme")];
    let part = book.made(Kind::Account, &part).await;

    let above = book.refusal(Kind::Account, &part.id, &holding.id).await;
    assert!(above.contains("part of itself"), "{above}");

    book.merged(Kind::Account, &acme.id, &holding.id).await;
    let now = book.get(Kind::Account, &holding.id).await.unwrap();
    let now = now.unwrap();
    assert_eq!(now.text("parent"), None);
    assert_eq!(now.text("industry"), Some("bakery"));
    // It can still be changed, and what a person said stays their word.
    book.set(Kind::Account, &holding.id, &[("tier", "key")])
        .await;
    let import = Put::upsert(
        Kind::Account,
        &[("name", "Holding"), ("industry", "retail")],
    );
    let saved = book.put(&import, &by(Source::Import, 7)).await.unwrap();
    assert_eq!((saved.changed.len(), saved.proposed.len()), (0, 1));

    let again = book.refusal(Kind::Account, &acme.id, &part.id).await;
    assert!(again.contains("already"), "{again}");
    let late = Put {
        which: Some(acme.id.clone()),
        expect: Some(acme.revision),
        ..Put::upsert(Kind::Account, &[("industry", "mill")])
    };
    let late = book.put(&late, &by(Source::Person, 8)).await.unwrap_err();
    assert!(late.to_string().contains("was merged into"), "{late}");

    // The other way round: the whole goes into its part.
    book.merged(Kind::Account, &holding.id, &part.id).await;
    let now = book.get(Kind::Account, &part.id).await.unwrap().unwrap();
    assert_eq!(now.text("parent"), None, "it was a part of what it is now");
    // More of them than a row has room for.
    for nth in 0..40 {
        let name = format!("Twin {nth}");
        let twin = book.made(Kind::Account, &[("name", &name)]).await;
        book.merge(Kind::Account, &twin.id, &part.id, &by(Source::Person, 8))
            .await
            .unwrap();
    }
    assert_eq!(book.all_names_of(&part.id).await.unwrap().len(), 43);
    let undo = book.parted(Kind::Account, &acme.id).await.unwrap_err();
    let undo = undo.to_string();
    assert!(undo.contains("take that back first"), "{undo}");
    for id in [&holding.id, &acme.id] {
        book.parted(Kind::Account, id).await.unwrap();
        book.assert_sound().await;
    }
    for before in [&acme, &part] {
        let now = book.get(Kind::Account, &before.id).await.unwrap().unwrap();
        assert_eq!(now.text("parent"), before.text("parent"));
    }
    let now = book.get(Kind::Account, &holding.id).await.unwrap();
    let now = now.unwrap();
    assert_eq!(now.text("industry"), None);
    assert!(!now.by_person.contains(&"industry".to_owned()));
    // Nobody is written to again because two accounts were parted.
    assert_eq!(now.get("do_not_contact"), Some(&Value::Flag(true)));
}

/// Mails to an account count on when another takes its place, and contacts of it are its own.
#[tokio::test]
async fn a_recipient_of_a_merged_account_is_one_of_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let old = book.made(Kind::Account, &[("name", "Acme Ltd")]).await;
    let new = book.made(Kind::Account, &[("name", "Acme")]).await;
    let bob = [
        ("account", "Acme Ltd"),
        ("emails", "bob@acme.example"),
        ("name", "Bob"),
    ];
    book.made(Kind::Contact, &bob).await;
    book.merged(Kind::Account, &old.id, &new.id).await;
    let free_mail = liaison_core::account::matching::FreeMail::default();
    let (old, new) = (AccountId(old.id), AccountId(new.id));
    for (email, supposed) in [
        ("bob@acme.example", None),
        ("bob@acme.example", Some(&old)),
        ("nobody@elsewhere.example", Some(&old)),
        ("nobody@elsewhere.example", Some(&new)),
    ] {
        let found = Recipient::of(&book.books, email, supposed, &free_mail).await;
        let found = found.unwrap();
        assert_eq!(found.accounts, [new.clone()].into(), "{email}");
        let ledgers = [format!("account:{old}"), format!("account:{new}")];
        assert_eq!(found.account_ledgers(), ledgers.into(), "{email}");
        assert!(found.contacts.iter().all(|one| one.account == new));
        assert!(found.related.contains(&new), "its wishes count");
    }
}

#[tokio::test]
async fn a_merge_is_not_taken_back_into_a_circle() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let mut ids = Vec::new();
    for (name, parent) in [("D", ""), ("E", ""), ("A", "D"), ("B", "E"), ("F", "A")] {
        let fields = [("name", name), ("parent", parent)];
        ids.push(book.made(Kind::Account, &fields).await.id);
    }
    book.merged(Kind::Account, "A", "B").await;
    // B is a part of E, so what was above A may come below it.
    book.set(Kind::Account, "D", &[("parent", "F")]).await;
    let circle = book.parted(Kind::Account, &ids[2]).await.unwrap_err();
    assert!(circle.to_string().contains("part of itself"), "{circle}");
    book.set(Kind::Account, "D", &[("parent", "")]).await;
    book.parted(Kind::Account, &ids[2]).await.unwrap();
    book.set(Kind::Account, "A", &[("tier", "key")]).await;
    book.assert_sound().await;
}
