use std::sync::Arc;

use liaison_core::account::matching::{MatchOutcome, Sender, match_sender};

use super::*;
use crate::exchange::ImportError;
use crate::exchange::reading::Counts;
use crate::store::content::ContentStore;
use crate::store::memory::MemoryStore;
use crate::store::{Fence, ShardId};

pub(crate) fn empty_books(dir: &std::path::Path) -> Books {
    let fence = Fence {
        shard: ShardId::SINGLE,
        epoch: 0,
    };
    let content = ContentStore::open(dir).unwrap();
    Books::new(Arc::new(MemoryStore::new()), content, fence)
}

fn book(dir: &std::path::Path) -> AccountBook {
    let rules = DomainRules {
        free_mail: FreeMail::new(None, &["freemail.example".to_owned()], &[]),
        own: ["ourfirm.example".to_owned()].into(),
        own_addresses: ["ourfirm@freemail.example".to_owned()].into(),
        people: ["alice@ourfirm.example".to_owned()].into(),
    };
    AccountBook::new(empty_books(dir), rules)
}

fn by(now: i64) -> By {
    By {
        who: "alice".to_owned(),
        why: "test".to_owned(),
        now: Timestamp(now),
        source: liaison_core::crm::Source::Person,
    }
}

async fn whose(book: &AccountBook, address: &str) -> (MatchOutcome, Option<AccountId>) {
    let address = Address::parse(address).unwrap();
    let found = book.lookups(&address).await.unwrap();
    let sender = Sender::of(address, false);
    let matched = match_sender(&sender, &found, &book.rules().free_mail);
    (matched.outcome, matched.account)
}

const FILE: &str = "\u{FEFF}Company;Contact E-Mail;external_id;domain;Lifecycle;contact_name;DNC\r\n\
    Acme GmbH;bob@acme.example.com;17;acme.example.com;active;\"Bob; the builder\";\r\n\
    Acme GmbH;carol@gmail.com;17;acme.example.net;;Carol;\r\n\
    Beta;dan@beta.example.net;;;prospect;;yes\r\n";

#[tokio::test]
async fn an_import_finds_people_and_companies_and_repeats_without_change() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let file = FILE.replace("Contact E-Mail", "contact_email");
    let dry = book
        .import_csv(file.as_bytes(), true, &by(1))
        .await
        .unwrap();
    assert_eq!(dry.rejected, []);
    assert_eq!(
        whose(&book, "bob@acme.example.com").await.0,
        MatchOutcome::Unknown
    );
    let first = book
        .import_csv(file.as_bytes(), false, &by(1))
        .await
        .unwrap();
    assert_eq!((first.accounts, first.others), (dry.accounts, dry.others));
    assert_eq!((first.accounts.created, first.others.created), (2, 3));
    let second = book
        .import_csv(file.as_bytes(), false, &by(2))
        .await
        .unwrap();
    let unchanged = |unchanged| Counts {
        unchanged,
        ..Counts::default()
    };
    assert_eq!(
        (second.accounts, second.others),
        (unchanged(2), unchanged(3))
    );
    let acme = book.find("17").await.unwrap();
    assert_eq!(acme.domains, ["acme.example.com", "acme.example.net"]);
    let is_acme = (MatchOutcome::Account, Some(acme.id.clone()));
    for address in [
        "carol@gmail.com",
        "carol+x@gmail.com",
        "any@mail.acme.example.net",
    ] {
        assert_eq!(whose(&book, address).await, is_acme, "{address}");
    }
    let contacts = book.contacts(&acme.id).await.unwrap();
    assert!(
        contacts
            .iter()
            .any(|c| c.name.as_deref() == Some("Bob; the builder"))
    );
    let dan = Address::parse("dan@beta.example.net").unwrap();
    assert!(
        book.do_not_contact(&dan)
            .await
            .unwrap()
            .unwrap()
            .contains("Beta")
    );
    let audit = book.books.audit_of(acme.id.as_str()).await.unwrap();
    // Made by its first row; the second has another domain.
    assert_eq!(audit.len(), 2, "{audit:?}");
    for contact in contacts {
        let audit = book.books.audit_of(contact.id.as_str()).await.unwrap();
        assert_eq!(audit.len(), 1, "{audit:?}");
    }
}

#[tokio::test]
async fn a_wrong_line_is_named_and_loses_nothing_else() {
    let header = "name,domains,lifecycle,owner,do_not_contact,contact_email,contact_name";
    let cases = [
        (",,,,,,", Some("name"), "name"),
        ("Bad,gmail.com,,,,,", Some("domains"), "free-mail"),
        ("Bad,freemail.example,,,,,", Some("domains"), "free-mail"),
        ("Bad,co.uk,,,,,", Some("domains"), "public suffix"),
        ("Bad,ourfirm.example,,,,,", Some("domains"), "our own"),
        (
            "Bad,https://acme.example.com/,,,,,",
            Some("domains"),
            "alone",
        ),
        ("Bad,,gone,,,,", Some("lifecycle"), "prospect"),
        ("Bad,,,alice,,,", Some("owner"), "alice@example.com"),
        (
            "Bad,,,alcie@ourfirm.example,,,",
            Some("owner"),
            "did you mean alice@ourfirm.example?",
        ),
        (
            "Bad,,,eve@example.org,,,",
            Some("owner"),
            "none of our people",
        ),
        (
            "Bad,,,,,eve@ourfirm.example,",
            Some("contact_email"),
            "one of our own addresses",
        ),
        (
            "Bad,,,,,ourfirm@freemail.example,",
            Some("contact_email"),
            "one of our own addresses",
        ),
        ("\"Bad,,,,,,", None, "a quote opens here"),
        ("Bad,,,,maybe,,", Some("do_not_contact"), "yes or no"),
        ("Bad,,,,,bob@,", Some("contact_email"), "address"),
        ("Bad,,,,,,Bob", Some("contact_email"), "address"),
        ("Bad,a,b,c,d,e,f,g,h", None, "fields"),
        ("Good,,lost,,,,", Some("lifecycle"), "line 2"),
    ];
    let both = |case| [(case, "\n"), (case, "\r\n")];
    for ((line, column, reason), end) in cases.into_iter().flat_map(both) {
        let dir = tempfile::tempdir().unwrap();
        let book = book(dir.path());
        let file = format!(
            "{header}\nGood,good.example.com,active,,,bob@good.example.com,\n{line}\n\
             Fine,,,,,,\n"
        );
        let file = file.replace('\n', end);
        let report = book
            .import_csv(file.as_bytes(), false, &by(1))
            .await
            .unwrap();
        let [rejected] = report.rejected.as_slice() else {
            panic!("{line}: {:?}", report.rejected);
        };
        assert_eq!(
            (rejected.line, rejected.column.as_deref()),
            (3, column),
            "{line}"
        );
        assert!(
            rejected.reason.contains(reason),
            "{line}: {}",
            rejected.reason
        );
        assert_eq!(report.accounts.created, 2, "{line}");
        assert!(book.find("Fine").await.is_ok(), "{line}");
        assert_eq!(
            whose(&book, "x@good.example.com").await.0,
            MatchOutcome::Account
        );
    }
}

#[tokio::test]
async fn a_quote_that_is_never_closed_loses_its_own_line_only() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let file = "name,contact_name,contact_email\r\n\r\nFirst,,\r\nLost,\"Bob,bob@example.net\r\n\
                Third,\"Carol\r\nthe \"\"second\"\"\",carol@example.net\r\nLast,,dan@example.net\r\n\
                Bad,,nobody\r\n";
    for dry_run in [true, false] {
        let report = book
            .import_csv(file.as_bytes(), dry_run, &by(1))
            .await
            .unwrap();
        let lines: Vec<u64> = report
            .rejected
            .iter()
            .map(|rejected| rejected.line)
            .collect();
        assert_eq!(lines, [4, 8], "{:?}", report.rejected);
        assert_eq!((report.accounts.created, report.others.created), (3, 2));
    }
    assert_eq!(book.find("Last").await.unwrap().name, "Last");
}

#[tokio::test]
async fn what_two_accounts_share_is_taken_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let first = "name,domains,contact_email\nOld,shared.example.com,\n";
    let report = book
        .import_csv(first.as_bytes(), false, &by(1))
        .await
        .unwrap();
    assert_eq!(report.notes, []);
    let file = "name,domains,contact_email\nWest,shared.example.com,bob@example.net\n\
                East,,BOB@example.net\nEast,two.example.com,\nNorth,two.example.com,\n";
    for dry_run in [true, false, false] {
        let report = book
            .import_csv(file.as_bytes(), dry_run, &by(2))
            .await
            .unwrap();
        assert_eq!(report.rejected, []);
        let told = |line: u64, what: &str, other: &str| {
            let found = report.notes.iter().any(|note| {
                note.line == Some(line) && note.text.contains(what) && note.text.contains(other)
            });
            assert!(found, "{line} {what}: {:?}", report.notes);
        };
        told(2, "shared.example.com", "Old");
        told(3, "bob@example.net", "West");
        told(5, "two.example.com", "East");
    }
    assert_eq!(
        whose(&book, "bob@example.net").await.0,
        MatchOutcome::Ambiguous
    );
    assert_eq!(
        whose(&book, "x@shared.example.com").await.0,
        MatchOutcome::Ambiguous
    );
}

#[tokio::test]
async fn a_file_of_an_old_spreadsheet_is_read_and_a_mixed_one_loses_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let file = b"Customer;Full name;E-Mail\r\nM\xFCller \x80;Zo\xEB;zoe@example.net\r\n";
    let report = book.import_csv(file, false, &by(1)).await.unwrap();
    assert_eq!((report.accounts.created, report.others.created), (1, 1));
    assert!(
        report.notes[0].text.contains("Windows-1252"),
        "{:?}",
        report.notes
    );
    let account = book.find("Müller €").await.unwrap();
    let contacts = book.contacts(&account.id).await.unwrap();
    assert_eq!(contacts[0].name.as_deref(), Some("Zoë"));
    let mixed = b"name,owner\nM\xFCller AG,\nM\xC3\xBCller SE,\n";
    let report = book.import_csv(mixed, false, &by(1)).await.unwrap();
    assert_eq!(report.accounts.created, 1);
    assert_eq!(report.rejected[0].line, 2);
    assert!(report.rejected[0].reason.contains("UTF-8"));
}

#[tokio::test]
async fn a_header_that_is_not_understood_is_refused_with_help() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    for (file, says) in [
        ("", "empty"),
        ("name,lifecylce\n", "did you mean `lifecycle`"),
        ("name,qqqqqqqqqqqq\n", "the columns are name, external_id"),
        ("owner\n", "`name` is missing"),
        ("name,company\n", "`name` is there twice"),
        ("name,\"owner\nAcme,\n", "a quote that is not closed"),
        ("\u{FEFF}", "empty"),
    ] {
        let error = book
            .import_csv(file.as_bytes(), false, &by(1))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(says), "{file}: {error}");
    }
    let utf16 = book.import_csv(b"\xFF\xFEn\0a\0", false, &by(1)).await;
    assert!(matches!(utf16, Err(ImportError::Utf16)));
}

#[tokio::test]
async fn an_account_known_by_name_gets_its_external_id_and_moves_its_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let draft = |name: &str, id: Option<&str>, domain: &str| AccountDraft {
        name: name.to_owned(),
        external_id: id.map(str::to_owned),
        domains: vec![Domain::parse(domain).unwrap()],
        only_these_domains: true,
        ..AccountDraft::default()
    };
    let (first, _) = book
        .upsert_account(&draft("Acme", None, "acme.example.com"), &by(1))
        .await
        .unwrap();
    for (name, domain) in [
        ("ACME", "acme.example.com"),
        ("Zenith", "zenith.example.com"),
    ] {
        let (same, change) = book
            .upsert_account(&draft(name, Some("17"), domain), &by(2))
            .await
            .unwrap();
        assert_eq!(same.id, first.id);
        assert!(matches!(change, Change::Updated(_)));
    }
    assert_eq!(
        whose(&book, "x@acme.example.com").await.0,
        MatchOutcome::Unknown
    );
    assert_eq!(
        whose(&book, "x@zenith.example.com").await.1,
        Some(first.id.clone())
    );
    assert!(book.find("Acme").await.is_err());
    assert_eq!(book.find("zenith").await.unwrap().id, first.id);
}

#[tokio::test]
async fn changes_at_the_same_moment_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let name = AccountDraft {
        name: "Acme".to_owned(),
        ..AccountDraft::default()
    };
    let (account, _) = book.upsert_account(&name, &by(1)).await.unwrap();
    let drafts: Vec<ContactDraft> = (0..6)
        .map(|n| ContactDraft {
            email: Address::parse(&format!("p{n}@example.net")).unwrap(),
            name: None,
            role: None,
            do_not_contact: None,
        })
        .collect();
    let moment = by(5);
    let all = drafts
        .iter()
        .map(|draft| book.add_contact(&account.id, draft, &moment));
    for result in futures_util::future::join_all(all).await {
        result.unwrap();
    }
    let contacts = book.contacts(&account.id).await.unwrap();
    assert_eq!(contacts.len(), 6);
    for contact in contacts {
        let audit = book.books.audit_of(contact.id.as_str()).await.unwrap();
        assert_eq!(audit.len(), 1, "{audit:?}");
    }
}
