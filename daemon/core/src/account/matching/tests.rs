use super::*;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn hit(account: &str, contact: Option<&str>) -> AddressHit {
    AddressHit {
        account: account.into(),
        contact: contact.map(Into::into),
    }
}

/// Records: bob at acme (example.com), carol at two accounts, a subsidiary below example.com, a
/// desk of acme that two people read, and people who left.
pub(super) fn look_up(address: &Address) -> Lookups {
    let addresses = address_keys(address)
        .into_iter()
        .map(|key| {
            let hits = match key.as_str() {
                "bob@example.com" => vec![hit("acme", Some("bob"))],
                "carol@gmail.com" => {
                    vec![hit("acme", Some("carol-1")), hit("beta", Some("carol-2"))]
                }
                "dora@gmail.com" => vec![hit("solo", Some("dora"))],
                "desk@example.com" => vec![hit("acme", Some("bob")), hit("acme", Some("eva"))],
                "gone@example.com" => vec![hit("acme", Some("gone"))],
                "gone@gmail.com" => vec![hit("acme", Some("gone"))],
                "moved@gmail.com" => vec![hit("acme", Some("gone")), hit("beta", Some("moved"))],
                "decided@gmail.com" => vec![hit("acme", Some("d-1")), hit("beta", Some("d-2"))],
                "hans@xn--bcher-kva.example" => vec![hit("books", Some("hans"))],
                _ => vec![],
            };
            (key, hits)
        })
        .collect();
    let domains = domain_keys(address.domain(), &FreeMail::default())
        .into_iter()
        .map(|key| {
            let accounts: Vec<AccountId> = match key.as_str() {
                "example.com" => vec!["acme".into()],
                "sub.example.com" => vec!["acme-sub".into()],
                "shared.example" => vec!["beta".into(), "acme".into()],
                "gmail.com" => vec!["never".into()],
                "halved.example" => vec!["beta".into(), "acme".into()],
                _ => vec![],
            };
            (key, accounts)
        })
        .collect();
    let addresses: Vec<(String, Vec<AddressHit>)> = addresses;
    let asked = |key: &str| {
        addresses.iter().any(|(asked, _)| asked == key) || address.domain().as_str().ends_with(key)
    };
    let decided = [("decided@gmail.com", "beta"), ("halved.example", "acme")];
    let decided = decided.into_iter().filter(|(key, _)| asked(key));
    let decided = decided
        .map(|(key, id)| (key.to_owned(), id.into()))
        .collect();
    Lookups {
        addresses,
        domains,
        decided,
        left: BTreeSet::from(["gone".into()]),
        ..Lookups::default()
    }
}

fn matched(text: &str) -> Match {
    let address = address(text);
    let sender = Sender::of(address.clone(), false);
    match_sender(&sender, &look_up(&address), &FreeMail::default())
}

#[test]
fn senders_and_whom_they_belong_to() {
    use MatchOutcome::{Account, Ambiguous, Unknown};
    let cases = [
        ("bob@example.com", Account, Some("acme"), "address"),
        ("BOB@Example.COM", Account, Some("acme"), "address"),
        ("bob+news@example.com", Account, Some("acme"), "tag-removed"),
        ("new@example.com", Account, Some("acme"), "domain"),
        (
            "new@mail.example.com",
            Account,
            Some("acme"),
            "parent-domain",
        ),
        ("new@sub.example.com", Account, Some("acme-sub"), "domain"),
        (
            "new@a.sub.example.com",
            Account,
            Some("acme-sub"),
            "parent-domain",
        ),
        ("new@notexample.com", Unknown, None, "unknown"),
        ("carol@gmail.com", Ambiguous, None, "address"),
        ("dora@gmail.com", Account, Some("solo"), "address"),
        ("stranger@gmail.com", Unknown, None, "free-mail"),
        ("x@shared.example", Ambiguous, None, "domain"),
        ("x@co.uk", Unknown, None, "unknown"),
    ];
    for (text, outcome, account, kind) in cases {
        let result = matched(text);
        assert_eq!(result.outcome, outcome, "{text}: {result:?}");
        assert_eq!(
            result.account.as_ref().map(AccountId::as_str),
            account,
            "{text}"
        );
        assert_eq!(
            result.evidence.last().unwrap().kind,
            kind,
            "{text}: {result:?}"
        );
    }
}

#[test]
fn an_ambiguous_address_names_its_candidates_in_a_fixed_order() {
    assert_eq!(
        matched("carol@gmail.com").candidates,
        ["acme".into(), "beta".into()]
    );
}

/// A thread of acme's: who is taken for acme's because of it.
#[test]
fn a_thread_counts_for_its_parties_and_for_those_whom_the_records_name() {
    use MatchOutcome::{Account, Unknown};
    let rows = [
        // (sender, standing, outcome, account, first evidence, contact)
        (
            "bob@example.com",
            Standing::Outsider,
            Account,
            Some("acme"),
            "thread",
            Some("bob"),
        ),
        (
            "new@example.com",
            Standing::Outsider,
            Account,
            Some("acme"),
            "thread",
            None,
        ),
        // Of two accounts the thread names the right one.
        (
            "carol@gmail.com",
            Standing::Outsider,
            Account,
            Some("acme"),
            "thread",
            Some("carol-1"),
        ),
        // Our person wrote to her private address there.
        (
            "ann@gmail.com",
            Standing::Party,
            Account,
            Some("acme"),
            "thread",
            None,
        ),
        // Anybody who knows a Message-ID.
        (
            "mallory@gmail.com",
            Standing::Outsider,
            Unknown,
            None,
            "thread-outsider",
            None,
        ),
        (
            "mallory@evil.example",
            Standing::Outsider,
            Unknown,
            None,
            "thread-outsider",
            None,
        ),
        // Somebody else's contact stays theirs.
        (
            "dora@gmail.com",
            Standing::Outsider,
            Account,
            Some("solo"),
            "thread-outsider",
            Some("dora"),
        ),
        (
            "friend@gmail.com",
            Standing::Began,
            Unknown,
            None,
            "thread-weak",
            None,
        ),
    ];
    for (text, standing, outcome, account, kind, contact) in rows {
        let address = address(text);
        let mut found = look_up(&address);
        found.thread = Some(ThreadAffinity {
            account: Some("acme".into()),
            text: "answers our message".to_owned(),
            standing,
        });
        let sender = Sender::of(address.clone(), false);
        let result = match_sender(&sender, &found, &FreeMail::default());
        let got = result.account.as_ref().map(AccountId::as_str);
        assert_eq!(
            (result.outcome, got),
            (outcome, account),
            "{text}: {result:?}"
        );
        assert_eq!(result.evidence[0].kind, kind, "{text}: {result:?}");
        assert_eq!(
            result.contact.as_ref().map(ContactId::as_str),
            contact,
            "{text}"
        );
    }
}

#[test]
fn several_from_addresses_are_nobody() {
    let address = address("bob@example.com");
    let sender = Sender {
        from_count: 2,
        ..Sender::of(address.clone(), false)
    };
    let result = match_sender(&sender, &look_up(&address), &FreeMail::default());
    assert_eq!(
        (result.outcome, result.account),
        (MatchOutcome::Unknown, None)
    );
}

#[test]
fn a_machine_at_an_account_is_automatic_and_the_account_is_still_told() {
    let address = address("bob@example.com");
    let sender = Sender {
        automatic: Some("Auto-Submitted: auto-replied".into()),
        ..Sender::of(address.clone(), false)
    };
    let result = match_sender(&sender, &look_up(&address), &FreeMail::default());
    assert_eq!(result.outcome, MatchOutcome::Automatic);
    assert_eq!(result.account, Some("acme".into()));
}

/// Each row is a way in which somebody was taken for somebody else.
#[test]
fn nobody_is_taken_for_somebody_else() {
    use MatchOutcome::{Account, Ambiguous, Unknown};
    let rows = [
        // (symptom, sender, outcome, account, contact, last evidence, confidence)
        (
            "info@ of another company became ours, by its local part",
            "desk@other.example",
            Unknown,
            None,
            None,
            "unknown",
            0,
        ),
        (
            "a shared mailbox got a person",
            "desk@example.com",
            Account,
            Some("acme"),
            None,
            "shared-mailbox",
            100,
        ),
        (
            "a role address got a person",
            "info@example.com",
            Account,
            Some("acme"),
            None,
            "shared-mailbox",
            80,
        ),
        (
            "a former employee was still written to",
            "gone@example.com",
            Account,
            Some("acme"),
            None,
            "domain",
            80,
        ),
        (
            "a former employee's private address stayed the company's",
            "gone@gmail.com",
            Unknown,
            None,
            None,
            "free-mail",
            0,
        ),
        (
            "who changed jobs belonged to both",
            "moved@gmail.com",
            Account,
            Some("beta"),
            Some("moved"),
            "address",
            100,
        ),
        (
            "what a person decided was asked again",
            "decided@gmail.com",
            Account,
            Some("beta"),
            Some("d-2"),
            "decided",
            98,
        ),
        (
            "a tag undid what a person decided",
            "decided+x@gmail.com",
            Account,
            Some("beta"),
            Some("d-2"),
            "decided",
            98,
        ),
        (
            "a shared domain was asked again",
            "x@halved.example",
            Account,
            Some("acme"),
            None,
            "decided-domain",
            85,
        ),
        (
            "a shared domain was rounded to one",
            "x@shared.example",
            Ambiguous,
            None,
            None,
            "domain",
            0,
        ),
        (
            "a U-label was another domain than its A-label",
            "Hans@B\u{fc}cher.example",
            Account,
            Some("books"),
            Some("hans"),
            "address",
            100,
        ),
        (
            "a sister company's look-alike suffix matched",
            "x@notexample.com",
            Unknown,
            None,
            None,
            "unknown",
            0,
        ),
        (
            "a subsidiary was its parent",
            "x@mail.sub.example.com",
            Account,
            Some("acme-sub"),
            None,
            "parent-domain",
            70,
        ),
        (
            "a solo professional at gmail could not exist",
            "dora@gmail.com",
            Account,
            Some("solo"),
            Some("dora"),
            "address",
            100,
        ),
        (
            "gmail.com became an account",
            "x@gmail.com",
            Unknown,
            None,
            None,
            "free-mail",
            0,
        ),
    ];
    for (symptom, text, outcome, account, contact, kind, confidence) in rows {
        let result = matched(text);
        let last = result.evidence.last().unwrap();
        let found = (
            result.outcome,
            result.account.as_ref().map(AccountId::as_str),
            result.contact.as_ref().map(ContactId::as_str),
            last.kind.as_str(),
            result.confidence,
        );
        let expected = (outcome, account, contact, kind, confidence);
        assert_eq!(found, expected, "{symptom}: {result:?}");
        assert!(
            result.evidence.iter().all(|one| one.known().is_some()),
            "{result:?}"
        );
    }
    let flagged = matched("gone@example.com");
    assert_eq!(flagged.evidence[0].kind, "former-contact");
    assert!(
        flagged.evidence[0].text.contains("gone, who left acme"),
        "{flagged:?}"
    );
}

#[test]
fn a_calendar_object_of_ours_comes_before_the_domain_and_after_the_address() {
    let event = Some(EventAffinity {
        account: "gamma".into(),
        uid: "hold.1@ourfirm.example".to_owned(),
    });
    for (text, account, kind) in [
        ("new@example.com", "gamma", "event-uid"),
        ("x@gmail.com", "gamma", "event-uid"),
        ("bob@example.com", "acme", "address"),
    ] {
        let address = address(text);
        let found = Lookups {
            event: event.clone(),
            ..look_up(&address)
        };
        let sender = Sender::of(address, false);
        let result = match_sender(&sender, &found, &FreeMail::default());
        assert_eq!(result.account, Some(account.into()), "{text}");
        assert_eq!(result.evidence.last().unwrap().kind, kind, "{text}");
        assert_eq!(result.is_firm(), kind == "address", "{text}");
    }
}

#[test]
fn the_operators_free_mail_list_counts() {
    let text = |domain: &str| vec![domain.to_owned()];
    let lists = [
        (FreeMail::default(), "x@gmail.com", "free-mail"),
        (
            FreeMail::new(None, &[], &text("gmail.com")),
            "x@gmail.com",
            "domain",
        ),
        (
            FreeMail::new(None, &text("example.com"), &[]),
            "x@example.com",
            "free-mail",
        ),
        (
            FreeMail::new(None, &text("example.com"), &[]),
            "x@sub.example.com",
            "free-mail",
        ),
        (
            FreeMail::new(None, &text("example.com"), &[]),
            "bob@example.com",
            "address",
        ),
    ];
    for (free_mail, text, kind) in lists {
        let address = address(text);
        let mut found = look_up(&address);
        let of = |key: &String| match key.as_str() {
            "gmail.com" => vec!["never".into()],
            _ => vec!["acme".into()],
        };
        let keys = domain_keys(address.domain(), &free_mail);
        found.domains = keys
            .into_iter()
            .map(|key| (key.clone(), of(&key)))
            .collect();
        let result = match_sender(&Sender::of(address, false), &found, &free_mail);
        assert_eq!(result.evidence.last().unwrap().kind, kind, "{text}");
    }
}
