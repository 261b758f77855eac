use super::*;

fn from(name: &str, address: &str) -> NamedAddress {
    NamedAddress::new(Some(name), Address::parse(address).unwrap())
}

fn people() -> Vec<KnownPerson> {
    let person = |name: &str, address: &str, own| KnownPerson {
        name: name.to_owned(),
        addresses: vec![address.to_owned()],
        own,
    };
    vec![
        person("Sam Miller", "sam@ours.example", true),
        person("Ann Example", "ann@example.com", false),
        person("Kim", "kim@ours.example", true),
    ]
}

/// The display name is what people read: it must not say who the address is not.
#[test]
fn a_display_name_that_says_somebody_else_is_warned_of() {
    for (name, address, warned) in [
        ("Ann Example", "ann@example.com", None),
        ("Ann Example", "ANN@Example.com", None),
        ("Ann Example", "eve@evil.example", Some("a known contact")),
        ("ann  EXAMPLE", "eve@evil.example", Some("a known contact")),
        ("Example, Ann", "eve@evil.example", Some("a known contact")),
        (
            "Ann Example (Example Ltd)",
            "eve@evil.example",
            Some("a known contact"),
        ),
        ("Sam Miller", "sam.miller@evil.example", Some("one of us")),
        (
            "ann@example.com",
            "eve@evil.example",
            Some("says ann@example.com"),
        ),
        (
            "Ann <ann@example.com>",
            "eve@evil.example",
            Some("says ann@example.com"),
        ),
        ("'ann@example.com'", "ann@example.com", None),
        ("Ann at work @ home", "eve@evil.example", None),
        // One word is no name that would be anybody's.
        ("Kim", "kim@elsewhere.example", None),
        ("Ann Other", "ann.other@example.org", None),
        ("", "eve@evil.example", None),
    ] {
        let found = display_name_warning(&from(name, address), &people());
        match (warned, &found) {
            (None, None) => {}
            (Some(part), Some(found)) => {
                assert_eq!(found.known(), Some(Kind::DisplayName));
                assert!(found.text.contains(part), "{name}: {}", found.text);
            }
            _ => panic!("{name} <{address}>: {found:?}"),
        }
    }
}

/// A colleague of ours who is also a contact under another address is both.
#[test]
fn whoever_has_the_address_may_have_the_name() {
    let mut people = people();
    people.push(KnownPerson {
        name: "Sam Miller".to_owned(),
        addresses: vec!["sam@private.example".to_owned()],
        own: false,
    });
    assert_eq!(
        display_name_warning(&from("Sam Miller", "sam@private.example"), &people),
        None
    );
}

#[test]
fn a_warned_sender_is_nobodys_customer_and_a_doubted_one_keeps_the_account() {
    let matched = || Match {
        outcome: MatchOutcome::Account,
        account: Some("acc".into()),
        contact: Some("con".into()),
        candidates: vec!["acc".into()],
        confidence: 80,
        evidence: vec![Evidence::new(Kind::Domain, "its domain")],
    };
    let evidence = |kind: Kind| Evidence::new(kind, "why");
    for kind in [Kind::LookAlike, Kind::DisplayName, Kind::SeveralFrom] {
        let warned = matched().warned(vec![evidence(kind)]);
        assert_eq!(warned.outcome, MatchOutcome::Unknown, "{kind:?}");
        assert_eq!(
            (&warned.account, &warned.contact, warned.confidence),
            (&None, &None, 0)
        );
        assert!(warned.candidates.is_empty());
        assert_eq!(warned.evidence.len(), 2);
        assert_eq!(warned.warning(), warned.doubt());
    }
    for kind in [
        Kind::OtherSigner,
        Kind::SignatureVoid,
        Kind::ResultsUntrusted,
    ] {
        let doubted = matched().warned(vec![evidence(kind)]);
        assert!(
            doubted.account.is_some() && doubted.warning().is_none(),
            "{kind:?}"
        );
        assert_eq!(doubted.doubt().and_then(Evidence::known), Some(kind));
    }
    let noted = matched().warned(vec![evidence(Kind::ResultsIgnored)]);
    assert!(noted.account.is_some() && noted.doubt().is_none());
    let automatic = Match {
        outcome: MatchOutcome::Automatic,
        ..matched()
    };
    let warned = automatic.warned(vec![evidence(Kind::LookAlike)]);
    assert_eq!(
        (warned.outcome, warned.account),
        (MatchOutcome::Automatic, None)
    );
}

#[test]
fn a_look_alike_is_told_with_what_it_is_taken_for() {
    let known = [KnownDomain {
        domain: "example.com".to_owned(),
        whose: "Example Ltd".to_owned(),
    }];
    let warn = |address: &str| look_alike_warning(&Address::parse(address).unwrap(), &known);
    assert_eq!(warn("ann@example.com"), None);
    assert_eq!(warn("ann@elsewhere.example"), None);
    let found = warn("ann@examp1e.com").unwrap();
    assert!(
        found
            .text
            .contains("examp1e.com looks like example.com, Example Ltd"),
        "{found:?}"
    );
    let found = warn("ann@exаmple.com").unwrap();
    assert!(found.text.contains("xn--"), "{found:?}");
    let found = warn("ann@wіdgеt.com").unwrap();
    assert!(found.text.contains("several alphabets"), "{found:?}");
}
