mod merges;

use liaison_core::crm::Kind;
use liaison_core::mail::address::Address;
use liaison_core::proposal::Value;

use super::*;
use crate::accounts::tests::empty_books;
use crate::books::indexes::walk::{Mode, walk};
use liaison_core::ids::AccountId;

fn book(dir: &std::path::Path) -> RecordBook {
    let rules = DomainRules {
        own: ["ourfirm.example".to_owned()].into(),
        people: ["alice@ourfirm.example".to_owned()].into(),
        ..DomainRules::default()
    };
    RecordBook::new(empty_books(dir), rules)
}

fn by(source: Source, at: i64) -> RecordBy {
    RecordBy {
        who: format!("{source:?}"),
        why: "test".to_owned(),
        source,
        force: false,
        now: Timestamp(at),
    }
}

impl RecordBook {
    async fn made(&self, kind: Kind, fields: &[(&str, &str)]) -> CrmRecord {
        let put = Put::upsert(kind, fields);
        let saved = self.put(&put, &by(Source::Person, 1)).await;
        saved.unwrap().record
    }

    async fn set(&self, kind: Kind, which: &str, fields: &[(&str, &str)]) -> Saved {
        let put = Put {
            which: Some(which.to_owned()),
            ..Put::upsert(kind, fields)
        };
        self.put(&put, &by(Source::Person, 2)).await.unwrap()
    }

    /// Every index row is there, and none too many.
    async fn assert_sound(&self) {
        let mut faults = Vec::new();
        let mut tell = |fault| faults.push(fault);
        walk(&self.books, Mode::Look, &mut tell).await.unwrap();
        assert_eq!(faults, []);
    }

    async fn names(&self, kind: Kind, field: &str, target: &str) -> Vec<String> {
        let records = self.linked(kind, field, target).await.unwrap();
        records.iter().map(CrmRecord::name).collect()
    }
}

#[tokio::test]
async fn records_are_found_by_what_people_call_them_and_by_their_links() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let acme = book
        .made(
            Kind::Account,
            &[
                ("name", "Acme GmbH"),
                ("domains", "acme.example.com"),
                ("external_id", "crm:1"),
            ],
        )
        .await;
    let unit = book
        .made(Kind::Unit, &[("account", "acme gmbh"), ("name", "IT")])
        .await;
    let bob = book
        .made(
            Kind::Contact,
            &[
                ("account", "crm:1"),
                ("emails", "Bob@acme.example.com"),
                ("name", "Bob"),
                ("unit", "it"),
            ],
        )
        .await;
    let fields = [
        ("account", "acme.example.com"),
        ("name", "Portal"),
        ("contacts", "bob@acme.example.com"),
        ("value", "1,200.50"),
        ("owner", "alice@ourfirm.example"),
    ];
    let portal = book.made(Kind::Opportunity, &fields).await;
    assert_eq!(portal.integer("value"), Some(120_050));
    assert_eq!(portal.text("account"), Some(acme.id.as_str()));
    assert_eq!(portal.state(), Some("Initial Phone Call"));
    assert_eq!(
        book.names(Kind::Opportunity, "contacts", &bob.id).await,
        ["Portal"]
    );
    assert_eq!(
        book.names(Kind::Contact, "account", &acme.id).await,
        ["Bob"]
    );
    assert_eq!(book.names(Kind::Contact, "unit", &unit.id).await, ["Bob"]);
    let owner = "alice@ourfirm.example";
    assert_eq!(
        book.names(Kind::Opportunity, "owner", owner).await,
        ["Portal"]
    );
    for text in [portal.id.as_str(), "portal", " PORTAL "] {
        assert_eq!(
            book.find(Kind::Opportunity, text).await.unwrap().id,
            portal.id
        );
    }
    let missing = book.find(Kind::Opportunity, "Shop").await.unwrap_err();
    assert!(missing.to_string().contains("liaison opportunities list"));
    book.assert_sound().await;

    // What people call it changes, and the index with it.
    book.set(
        Kind::Opportunity,
        "portal",
        &[("name", "Shop"), ("contacts", "")],
    )
    .await;
    assert!(book.find(Kind::Opportunity, "Portal").await.is_err());
    assert_eq!(
        book.find(Kind::Opportunity, "shop").await.unwrap().id,
        portal.id
    );
    assert!(
        book.names(Kind::Opportunity, "contacts", &bob.id)
            .await
            .is_empty()
    );
    book.assert_sound().await;
    let history = book.history(&portal.id).await.unwrap();
    assert_eq!(history.len(), 2);
    assert!(
        history[1].what.contains("name: Portal -> Shop"),
        "{history:?}"
    );

    // The first name is free again, for another record.
    let again = book.made(Kind::Opportunity, &fields).await;
    assert_ne!(again.id, portal.id);
    book.assert_sound().await;
}

#[tokio::test]
async fn the_same_record_from_another_system_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let import = by(Source::Import, 3);
    let rows: [(Kind, &[(&str, &str)]); 4] = [
        (Kind::Account, &[("name", "Acme"), ("external_id", "crm:1")]),
        (
            Kind::Contact,
            &[
                ("account", "crm:1"),
                ("external_id", "crm:c1"),
                ("emails", "bob@example.com"),
            ],
        ),
        (Kind::Contact, &[("account", "crm:1"), ("name", "No Mail")]),
        (
            Kind::Invoice,
            &[
                ("account", "crm:1"),
                ("number", "7"),
                ("issued", "2026-01-31"),
                ("amount", "10"),
            ],
        ),
    ];
    for (kind, fields) in rows {
        let put = Put::upsert(kind, fields);
        assert!(book.put(&put, &import).await.unwrap().created);
        let again = book.put(&put, &import).await.unwrap();
        assert!(!again.created && again.changed.is_empty(), "{again:?}");
    }
    // Colleagues who read one mailbox.
    for (id, name, emails, new) in [
        ("crm:s1", "Sue", "sue@acme.example;desk@acme.example", true),
        ("crm:s2", "Sam", "sam@acme.example;desk@acme.example", true),
        ("", "Sid", "sid@acme.example;desk@acme.example", true),
        ("crm:s4", "Sol", "desk@acme.example", true),
        ("crm:s1", "Sue Lee", "desk@acme.example", false),
        ("", "Sidney", "sid@acme.example", false),
    ] {
        let fields = [
            ("account", "crm:1"),
            ("external_id", id),
            ("name", name),
            ("emails", emails),
        ];
        let fields: Vec<_> = fields.into_iter().filter(|one| !one.1.is_empty()).collect();
        let saved = book
            .put(&Put::upsert(Kind::Contact, &fields), &import)
            .await;
        assert_eq!(saved.unwrap().created, new, "{name}");
    }
    book.assert_sound().await;
    // Another name, another address: the external id tells.
    let moved = [
        ("account", "crm:1"),
        ("external_id", "crm:c1"),
        ("emails", "robert@example.com"),
    ];
    let saved = book
        .put(&Put::upsert(Kind::Contact, &moved), &import)
        .await
        .unwrap();
    assert!(!saved.created);
    assert_eq!(
        saved.record.texts("emails"),
        ["bob@example.com", "robert@example.com"]
    );
    let only = Put {
        only_new: true,
        ..Put::upsert(Kind::Account, &[("name", "acme")])
    };
    let error = book.put(&only, &by(Source::Person, 4)).await.unwrap_err();
    assert!(error.to_string().contains("it is there already"), "{error}");
    book.assert_sound().await;
}

#[tokio::test]
async fn what_a_person_set_waits_for_a_person() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let acme = book
        .made(Kind::Account, &[("name", "Acme"), ("industry", "bakery")])
        .await;
    let wish = Put::upsert(
        Kind::Account,
        &[("name", "Acme"), ("industry", "retail"), ("country", "NZ")],
    );
    let saved = book.put(&wish, &by(Source::Import, 5)).await.unwrap();
    assert_eq!(saved.record.text("industry"), Some("bakery"));
    assert_eq!(saved.record.text("country"), Some("NZ"));
    assert_eq!(saved.proposed.len(), 1);
    let waiting = book.changes(false).await.unwrap();
    assert_eq!(waiting.len(), 1);
    // The same wish again is the same wish.
    let again = book.put(&wish, &by(Source::Import, 6)).await.unwrap();
    assert!(again.proposed.is_empty());
    assert_eq!(book.changes(false).await.unwrap().len(), 1);
    let person = by(Source::Person, 7);
    let id = waiting[0].id.clone();
    let (_, saved) = book.decide(&id, Verdict::Accept, &person).await.unwrap();
    assert_eq!(saved.unwrap().record.text("industry"), Some("retail"));
    assert!(book.changes(false).await.unwrap().is_empty());
    let twice = book
        .decide(&id, Verdict::Reject, &person)
        .await
        .unwrap_err();
    assert!(twice.to_string().contains("accepted it already"), "{twice}");
    // What was taken and changed again is a question again.
    book.set(Kind::Account, "Acme", &[("industry", "bakery")])
        .await;
    let saved = book.put(&wish, &by(Source::Import, 8)).await.unwrap();
    assert_eq!(saved.proposed.len(), 1);
    let id = book.changes(false).await.unwrap()[0].id.clone();
    book.decide(&id, Verdict::Accept, &person).await.unwrap();
    // A no is remembered.
    let other = Put::upsert(Kind::Account, &[("name", "Acme"), ("industry", "ships")]);
    book.put(&other, &by(Source::Import, 8)).await.unwrap();
    let id = book.changes(false).await.unwrap()[0].id.clone();
    book.decide(&id, Verdict::Reject, &person).await.unwrap();
    book.put(&other, &by(Source::Import, 9)).await.unwrap();
    assert!(book.changes(false).await.unwrap().is_empty());
    assert_eq!(
        book.get(Kind::Account, &acme.id)
            .await
            .unwrap()
            .unwrap()
            .text("industry"),
        Some("retail")
    );
}

#[tokio::test]
async fn two_records_that_are_one_are_merged_and_parted_again() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let old = book
        .made(
            Kind::Account,
            &[
                ("name", "Acme Ltd"),
                ("domains", "old.example.com"),
                ("industry", "bakery"),
            ],
        )
        .await;
    let new = book
        .made(
            Kind::Account,
            &[("name", "Acme"), ("domains", "acme.example.com")],
        )
        .await;
    book.made(
        Kind::Contact,
        &[
            ("account", "Acme Ltd"),
            ("name", "Bob"),
            ("emails", "bob@example.net"),
        ],
    )
    .await;
    book.made(
        Kind::Opportunity,
        &[("account", "Acme Ltd"), ("name", "Portal")],
    )
    .await;
    let before = [old.clone(), new.clone()];
    book.merge(Kind::Account, &old.id, "Acme", &by(Source::Person, 10))
        .await
        .unwrap();
    let merged = book.find(Kind::Account, "Acme Ltd").await.unwrap();
    assert_eq!(merged.id, new.id, "who has the old name in mind finds it");
    assert_eq!(book.find(Kind::Account, &old.id).await.unwrap().id, new.id);
    let now = book.find(Kind::Account, "old.example.com").await.unwrap();
    assert_eq!(
        (now.id.as_str(), now.text("industry")),
        (new.id.as_str(), Some("bakery"))
    );
    assert_eq!(book.names(Kind::Contact, "account", &new.id).await, ["Bob"]);
    assert_eq!(
        book.names(Kind::Opportunity, "account", &new.id).await,
        ["Portal"]
    );
    // Mail of a contact of the one belongs to the other.
    let bob = Address::parse("bob@example.net").unwrap();
    let found = book.accounts.lookups(&bob).await.unwrap();
    assert_eq!(found.addresses[0].1[0].account.as_str(), new.id);
    let mut listed = Vec::new();
    book.each(Kind::Account, |record| listed.push(record.name()))
        .await
        .unwrap();
    assert_eq!(listed, ["Acme"]);
    book.assert_sound().await;

    // What was changed since stays; everything else is as before.
    book.set(Kind::Account, "Acme", &[("industry", "retail")])
        .await;
    book.unmerge(Kind::Account, &old.id, &by(Source::Person, 11))
        .await
        .unwrap();
    let after = book.get(Kind::Account, &new.id).await.unwrap().unwrap();
    assert_eq!(after.text("industry"), Some("retail"));
    assert_eq!(after.texts("domains"), before[1].texts("domains"));
    let back = book.find(Kind::Account, "old.example.com").await.unwrap();
    assert_eq!(back.fields, before[0].fields);
    let found = book.accounts.lookups(&bob).await.unwrap();
    assert_eq!(found.addresses[0].1[0].account.as_str(), old.id);
    book.assert_sound().await;
    let twice = book
        .unmerge(Kind::Account, &old.id, &by(Source::Person, 12))
        .await;
    assert!(twice.unwrap_err().to_string().contains("was not merged"));
}

#[tokio::test]
async fn contacts_that_are_one_person_share_their_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    book.made(Kind::Account, &[("name", "Acme")]).await;
    let one = book
        .made(
            Kind::Contact,
            &[
                ("account", "Acme"),
                ("name", "Bob"),
                ("emails", "bob@example.com"),
            ],
        )
        .await;
    let two = book
        .made(
            Kind::Contact,
            &[
                ("account", "Acme"),
                ("name", "B."),
                ("emails", "b@example.com"),
            ],
        )
        .await;
    book.merge(Kind::Contact, &two.id, &one.id, &by(Source::Person, 5))
        .await
        .unwrap();
    let found = book.find(Kind::Contact, "b@example.com").await.unwrap();
    assert_eq!(found.id, one.id);
    assert_eq!(found.name(), "Bob");
    book.assert_sound().await;
    book.unmerge(Kind::Contact, &two.id, &by(Source::Person, 6))
        .await
        .unwrap();
    assert_eq!(
        book.find(Kind::Contact, "b@example.com").await.unwrap().id,
        two.id
    );
    book.assert_sound().await;
}

#[tokio::test]
async fn a_wrong_change_is_refused_with_all_that_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let acme = book.made(Kind::Account, &[("name", "Acme")]).await;
    type Row<'a> = (Kind, &'a [(&'a str, &'a str)], &'a str);
    let cases: [Row<'_>; 9] = [
        (
            Kind::Account,
            &[("name", "!!")],
            "needs a name with letters or digits",
        ),
        (
            Kind::Account,
            &[("name", "B"), ("industri", "x")],
            "did you mean `industry`?",
        ),
        (
            Kind::Account,
            &[("name", "B"), ("domains", "gmail.com")],
            "free-mail provider",
        ),
        (
            Kind::Account,
            &[("name", "B"), ("owner", "bob@example.com")],
            "none of our people",
        ),
        (
            Kind::Account,
            &[("name", "B"), ("tier", "gold"), ("currency", "x")],
            "; currency `x`",
        ),
        (
            Kind::Contact,
            &[("account", "Acme")],
            "needs a name or an address",
        ),
        (
            Kind::Contact,
            &[("account", "Nobody"), ("name", "x")],
            "there is no account `Nobody`",
        ),
        (
            Kind::Contact,
            &[("account", "Acme"), ("emails", "x@ourfirm.example")],
            "one of our own",
        ),
        (
            Kind::Unit,
            &[("account", "Acme"), ("name", "x"), ("name", "y")],
            "given twice",
        ),
    ];
    for (kind, fields, said) in cases {
        let error = book
            .put(&Put::upsert(kind, fields), &by(Source::Person, 2))
            .await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains(said), "{fields:?}: {error}");
    }
    let circle = Put {
        which: Some("Acme".to_owned()),
        ..Put::upsert(Kind::Account, &[("parent", "Acme")])
    };
    let error = book.put(&circle, &by(Source::Person, 2)).await.unwrap_err();
    assert!(error.to_string().contains("a part of itself"), "{error}");
    let stale = Put {
        which: Some(acme.id.clone()),
        expect: Some(7),
        ..Put::upsert(Kind::Account, &[("industry", "x")])
    };
    let error = book.put(&stale, &by(Source::Person, 2)).await.unwrap_err();
    assert!(
        error.to_string().contains("was changed meanwhile"),
        "{error}"
    );
    let long = "x".repeat(790);
    let texts = [("notes", long.as_str()), ("strategy", long.as_str())];
    let many = (0..24)
        .map(|n| format!("{n}{}", "y".repeat(150)))
        .collect::<Vec<_>>()
        .join(";");
    let large = Put {
        which: Some(acme.id.clone()),
        ..Put::upsert(Kind::Account, &[texts[0], texts[1], ("team", &many)])
    };
    let error = book.put(&large, &by(Source::Person, 2)).await.unwrap_err();
    assert!(error.to_string().contains("shorten its notes"), "{error}");
    assert_eq!(book.get(Kind::Account, &acme.id).await.unwrap(), Some(acme));
}

#[tokio::test]
async fn private_matters_stay_out_of_the_history() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    book.made(Kind::Account, &[("name", "Acme")]).await;
    let bob = book
        .made(
            Kind::Contact,
            &[
                ("account", "Acme"),
                ("name", "Bob"),
                ("family", "two children"),
            ],
        )
        .await;
    assert_eq!(
        bob.get("family"),
        Some(&Value::Text("two children".to_owned()))
    );
    let history = book.history(&bob.id).await.unwrap();
    assert!(history[0].what.contains("family: (private)"), "{history:?}");
}
