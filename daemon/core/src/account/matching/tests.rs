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

#[test]
fn the_thread_comes_first_and_keeps_the_contact() {
    let address = address("bob@example.com");
    let mut found = look_up(&address);
    found.thread = Some(("acme".into(), "answers our message".to_owned()));
    let sender = Sender {
        address: Some(&address),
        from_count: 1,
        own: false,
        automatic: None,
    };
    let result = match_sender(&sender, &found, &[]);
    assert_eq!(result.evidence[0].kind, "thread");
    assert_eq!(result.contact, Some("bob".into()));
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
