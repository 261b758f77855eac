use super::*;

/// Look-alikes of customers' domains as they were seen, and honest neighbours of them.
#[test]
fn a_domain_made_to_be_taken_for_another_is_recognised() {
    use Likeness::{Added, Hyphen, InFront, Letters, OtherEnding, Spelling};
    for (theirs, known, expected) in [
        ("example.co", "example.com", Some(OtherEnding)),
        ("mail.widgets.org", "widgets.com", Some(OtherEnding)),
        // Nobody can register these.
        ("example.org", "example.com", None),
        ("ex-ample.com", "example.com", Some(Hyphen)),
        ("examp1e.com", "example.com", Some(Letters)),
        ("rnicron.com", "micron.com", Some(Letters)),
        ("vvidget.com", "widget.com", Some(Letters)),
        ("exampple.com", "example.com", Some(Letters)),
        // Cyrillic а and е.
        ("xn--xmple-3uf4c.com", "example.com", None),
        ("example-billing.com", "example.com", Some(Added)),
        ("secure-examp1e.com", "example.com", Some(Added)),
        ("example.com.evil.org", "example.com", Some(InFront)),
        ("exmaple.com", "example.com", Some(Spelling)),
        ("exampl.com", "example.com", Some(Spelling)),
        ("exanple.com", "example.com", Some(Spelling)),
        ("exampels.com", "example.com", None),
        (
            "northwindtradesr.com",
            "northwindtraders.com",
            Some(Spelling),
        ),
        ("example.com", "example.com", None),
        ("shop.example.com", "example.com", None),
        ("example.com", "shop.example.com", None),
        ("sample.net", "temple.com", None),
        ("acme.com", "acne.com", None),
        ("co.uk", "example.co.uk", None),
        ("ibm.co", "ibm.com", Some(OtherEnding)),
    ] {
        assert_eq!(look_alike(theirs, known), expected, "{theirs} for {known}");
    }
}

#[test]
fn letters_of_other_alphabets_do_not_help() {
    for theirs in [
        "ехample.com",
        "exаmple.com",
        "exаmplе.com",
        "éxample.com",
        "ехаmрlе.com",
    ] {
        let theirs = idna::domain_to_ascii(theirs).unwrap();
        assert_eq!(
            look_alike(&theirs, "example.com"),
            Some(Likeness::Letters),
            "{theirs}"
        );
        let shared = probes(&theirs)
            .iter()
            .any(|key| skeletons("example.com").contains(key));
        assert!(shared, "{theirs}");
    }
    let ascii = |name: &str| idna::domain_to_ascii(name).unwrap();
    assert!(is_mixed_script(&ascii("exаmple.com")));
    assert!(!is_mixed_script(&ascii("müller.de")));
    assert!(!is_mixed_script(&ascii("пример.com")));
    assert!(!is_mixed_script("example.com"));
}

/// What is only found by its key is found whatever was done to the name.
#[test]
fn look_alikes_are_found_by_their_keys() {
    for (theirs, known) in [
        ("example.co", "example.com"),
        ("ex-ample.net", "example.com"),
        ("examp1e.com", "example.com"),
        ("rnicron.com", "micron.com"),
        ("exmaple.com", "example.com"),
        ("exomple.com", "example.com"),
        ("exanple.com", "example.com"),
        ("exmple.com", "example.com"),
        ("example-billing.com", "example.com"),
        ("example.com.evil.org", "example.com"),
        ("northwindtradesr.com", "northwindtraders.com"),
        ("example.org", "mail.example.com"),
    ] {
        let kept = skeletons(known);
        assert!(kept.len() <= SKELETONS_MAX);
        assert!(probes(theirs).len() <= PROBES_MAX);
        assert!(
            probes(theirs).iter().any(|key| kept.contains(key)),
            "{theirs} {:?} for {known} {kept:?}",
            probes(theirs)
        );
    }
    assert_eq!(skeletons("co.uk"), [""; 0]);
    assert_eq!(probes("[192.0.2.1]"), [""; 0]);
}

#[test]
fn a_name_of_any_length_is_compared_in_bounded_time() {
    let long = format!("{}.com", "a-".repeat(31));
    assert!(probes(&long).len() <= PROBES_MAX);
    assert_eq!(look_alike(&long, "example.com"), None);
    assert_eq!(distance("", ""), 0);
    assert_eq!(distance("abc", ""), 3);
    assert_eq!(distance("abcd", "abdc"), 1);
}
