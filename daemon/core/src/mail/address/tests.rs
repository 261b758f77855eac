use super::*;

#[test]
fn addresses_are_read_and_written_in_one_form() {
    for (given, want) in [
        ("alice@example.com", "alice@example.com"),
        ("  <Alice@EXAMPLE.com.> ", "Alice@example.com"),
        ("mailto:bob@example.net", "bob@example.net"),
        ("info@bücher.example", "info@xn--bcher-kva.example"),
        ("\"bob\"@example.net", "bob@example.net"),
        ("\"bob smith\"@example.net", "\"bob smith\"@example.net"),
        ("a..b@example.jp", "a..b@example.jp"),
        ("root@[192.0.2.1]", "root@[192.0.2.1]"),
        ("jürgen@example.com", "jürgen@example.com"),
        ("\"a@b\"@example.com", "\"a@b\"@example.com"),
    ] {
        assert_eq!(Address::parse(given).unwrap().to_string(), want, "{given}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for given in [
        "",
        "@",
        "alice",
        "alice@",
        "@example.com",
        "a b@example.com",
        "a\r\nBcc: x@example.com",
        "a\u{0}b@example.com",
        "alice@exa mple.com",
        "alice@example..com",
        "alice@-\u{0}.com",
        "\"a\"b\"@example.com",
        "<a@b>c@example.com",
    ] {
        assert!(Address::parse(given).is_err(), "{given:?}");
    }
}

#[test]
fn keys_ignore_case_and_tags_come_off() {
    let tagged = Address::parse("Alice+crm@Example.com").unwrap();
    assert_eq!(tagged.key(), "alice+crm@example.com");
    assert_eq!(
        tagged.without_tag().unwrap().to_string(),
        "Alice@example.com"
    );
    assert_eq!(
        Address::parse("+x@example.com").unwrap().without_tag(),
        None
    );
}

#[test]
fn robots_are_known_by_their_local_part() {
    for (local, robot) in [
        ("no-reply", true),
        ("NoReply+77", true),
        ("do_not.reply", true),
        ("MAILER-DAEMON", true),
        ("postmaster", true),
        ("bounce-5-alice", true),
        ("bouncer", false),
        ("alice", false),
        ("reply", false),
        ("notarzt", false),
    ] {
        let address = Address::parse(&format!("{local}@example.com")).unwrap();
        assert_eq!(address.is_no_reply_like(), robot, "{local}");
    }
}

#[test]
fn text_from_outside_cannot_break_a_header_or_a_terminal() {
    for (given, want) in [
        ("Bob\r\nBcc: evil@example.com", "Bob Bcc: evil@example.com"),
        ("\u{202E}gpj.exe", "gpj.exe"),
        ("a\u{1b}[31mred\u{0}", "a[31mred"),
        ("  two\t  words ", "two words"),
        ("日本語 ✓", "日本語 ✓"),
    ] {
        assert_eq!(clean_text(given), want);
    }
}

#[test]
fn domains_know_who_lies_below_whom() {
    let domain = |text| Domain::parse(text).unwrap();
    assert!(domain("mail.example.com").is_within(&domain("example.com")));
    assert!(!domain("badexample.com").is_within(&domain("example.com")));
}
