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

/// Records: bob at acme (example.com), carol at two accounts, a subsidiary below example.com.
fn look_up(address: &Address) -> Lookups {
    let addresses = address_keys(address)
        .into_iter()
        .map(|key| {
            let hits = match key.as_str() {
                "bob@example.com" => vec![hit("acme", Some("bob"))],
                "carol@gmail.com" => {
                    vec![hit("acme", Some("carol-1")), hit("beta", Some("carol-2"))]
                }
                "dora@gmail.com" => vec![hit("solo", Some("dora"))],
                _ => vec![],
            };
            (key, hits)
        })
        .collect();
    let domains = domain_keys(address.domain(), &[])
        .into_iter()
        .map(|key| {
            let accounts: Vec<AccountId> = match key.as_str() {
                "example.com" => vec!["acme".into()],
                "sub.example.com" => vec!["acme-sub".into()],
                "shared.example" => vec!["beta".into(), "acme".into()],
                "gmail.com" => vec!["never".into()],
                _ => vec![],
            };
            (key, accounts)
        })
        .collect();
    Lookups {
        thread: None,
        addresses,
        domains,
    }
}

fn matched(text: &str) -> Match {
    let address = address(text);
    let sender = Sender {
        address: Some(&address),
        from_count: 1,
        own: false,
        automatic: None,
    };
    match_sender(&sender, &look_up(&address), &[])
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
        let sender = Sender {
            address: Some(&address),
            from_count: 1,
            own: false,
            automatic: None,
        };
        let result = match_sender(&sender, &found, &[]);
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
        address: Some(&address),
        from_count: 2,
        own: false,
        automatic: None,
    };
    let result = match_sender(&sender, &look_up(&address), &[]);
    assert_eq!(
        (result.outcome, result.account),
        (MatchOutcome::Unknown, None)
    );
}

#[test]
fn a_machine_at_an_account_is_automatic_and_the_account_is_still_told() {
    let address = address("bob@example.com");
    let sender = Sender {
        address: Some(&address),
        from_count: 1,
        own: false,
        automatic: Some("Auto-Submitted: auto-replied".into()),
    };
    let result = match_sender(&sender, &look_up(&address), &[]);
    assert_eq!(result.outcome, MatchOutcome::Automatic);
    assert_eq!(result.account, Some("acme".into()));
}
