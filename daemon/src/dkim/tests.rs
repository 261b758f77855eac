//! Signatures that are real, forged, old, partial or garbage, and DNS that helps or does not.

pub(crate) mod answerer;
mod hostile;
pub(crate) mod signer;

use bytes::Bytes;
use futures_util::future::join_all;
use liaison_core::mail::{DkimCheck, DkimDoubt, ParseLimits, Verdict, parse_message};
use liaison_core::time::Timestamp;

use super::{DkimSettings, DkimVerifier};
use crate::clock::{Clock, SystemClock};
use answerer::{Answerer, Mood};
use signer::{Signer, Tags, USUAL};

const MESSAGE: &str = "From: Ann <ann@example.com>\r\nTo: sam@example.net\r\nSubject: Hello  you\r\n\
                       Date: Mon, 2 Mar 2026 09:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\n\
                       Hello  Sam,\r\n\r\n  this is it. \r\n\r\nAnn\r\n\r\n";
/// Public key of 768 bits.
const WEAK: &str = "v=DKIM1; k=rsa; p=MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhANqTqamiAXsbufG5C5rXKPFkNOCYX3Xp6Q3A5lMncv0eeo7Btz2djip6yiLCCRhxRoxJ4Qt7AQ45YhTfruovfHd7N2RZ3jMOPSCu90jo+TZGY3db/rWpPe6tQ386ehXYGwIDAQAB";

fn took(began: std::time::Duration) -> std::time::Duration {
    SystemClock.monotonic().saturating_sub(began)
}

struct World {
    dns: Answerer,
    verifier: DkimVerifier,
}

impl World {
    fn with(signers: &[&Signer]) -> World {
        let dns = Answerer::start();
        for signer in signers {
            dns.publish(&signer.key_name(), &signer.record());
        }
        let settings = DkimSettings {
            dns: vec![dns.address],
        };
        World {
            dns,
            verifier: DkimVerifier::new(&settings),
        }
    }

    async fn check(&self, message: &str) -> DkimCheck {
        self.check_bytes(message.as_bytes()).await
    }

    async fn check_bytes(&self, message: &[u8]) -> DkimCheck {
        let view = parse_message(message, &ParseLimits::default());
        let bytes = Bytes::copy_from_slice(message);
        let received: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        self.verifier.check(&view, Some(&bytes), received).await
    }
}

#[tokio::test]
async fn a_signature_of_the_senders_domain_proves_it() {
    let (rsa, ed) = (
        Signer::rsa("example.com"),
        Signer::ed25519("mail.example.com"),
    );
    let world = World::with(&[&rsa, &ed]);
    let stranger = Signer::ed25519("other.example");
    let broken = "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=rsa; h=From; bh=AAAA; b=AAAA";
    for (name, message) in [
        ("rsa", rsa.sign(MESSAGE, USUAL)),
        ("ed25519 of a subdomain", ed.sign(MESSAGE, USUAL)),
        (
            "lines end in LF",
            rsa.sign(MESSAGE, USUAL).replace("\r\n", "\n"),
        ),
        ("both", ed.sign(&rsa.sign(MESSAGE, USUAL), USUAL)),
        (
            "with one of a stranger",
            stranger.sign(&rsa.sign(MESSAGE, USUAL), USUAL),
        ),
        (
            "a broken one beside it",
            format!("{broken}\r\n{}", rsa.sign(MESSAGE, USUAL)),
        ),
        (
            "not expired when it came",
            rsa.sign(
                MESSAGE,
                Tags {
                    more: " t=1772400000; x=1772500000;",
                    ..USUAL
                },
            ),
        ),
        (
            "something was put on top",
            format!(
                "Received: from x by y; now\r\nX-Spam: no\r\n{}",
                rsa.sign(MESSAGE, USUAL)
            ),
        ),
    ] {
        let found = world.check(&message).await;
        assert_eq!(found.verdict, Verdict::Pass, "{name}: {found:?}");
        assert_eq!(found.doubt, None);
        assert!(found.detail.contains("example.com"), "{name}: {found:?}");
    }
    // Keys are remembered: two names, two questions.
    assert_eq!(world.dns.asked().0, 2);
}

#[tokio::test]
async fn everything_else_proves_nothing() {
    use Verdict::{Fail, None as Nothing};
    let (rsa, other) = (Signer::rsa("example.com"), Signer::ed25519("evil.example"));
    let lost = Signer::ed25519("lost.example.com");
    let world = World::with(&[&rsa, &other]);
    let with = |more, fields| Tags {
        more,
        fields,
        ..USUAL
    };
    let partial = Tags {
        length: Some(12),
        ..USUAL
    };
    let sha1 = Tags {
        algorithm: Some("rsa-sha1"),
        ..USUAL
    };
    let signed = rsa.sign(MESSAGE, USUAL);
    let weak = signed.replace("s=rsa;", "s=weak;");
    world.dns.publish("weak._domainkey.example.com.", WEAK);
    let revoked = signed.replace("s=rsa;", "s=gone;");
    world
        .dns
        .publish("gone._domainkey.example.com.", "v=DKIM1; p=");
    let trying = signed.replace("s=rsa;", "s=trying;");
    let record = format!("{}; t=y", rsa.record());
    world.dns.publish("trying._domainkey.example.com.", &record);
    let web = signed.replace("s=rsa;", "s=web;");
    let record = format!("{}; s=tlsrpt", rsa.record());
    world.dns.publish("web._domainkey.example.com.", &record);
    let odd = signed.replace("s=rsa;", "s=odd;");
    world
        .dns
        .publish("odd._domainkey.example.com.", "a text about something else");
    let void = Some(DkimDoubt::Void);
    for (name, message, verdict, doubt, part) in [
        (
            "unsigned",
            MESSAGE.to_owned(),
            Nothing,
            None,
            "no DKIM signature",
        ),
        (
            "of another domain",
            other.sign(MESSAGE, USUAL),
            Nothing,
            Some(DkimDoubt::OtherSigner),
            "signed by evil.example",
        ),
        (
            "body changed",
            signed.replace("this is it", "pay here"),
            Fail,
            None,
            "the body was changed",
        ),
        (
            "subject changed",
            signed.replace("Hello  you", "Invoice"),
            Fail,
            None,
            "forged",
        ),
        (
            "From changed",
            signed.replace("Ann <", "Sam <"),
            Fail,
            None,
            "forged",
        ),
        (
            "expired",
            rsa.sign(MESSAGE, with(" t=1772000000; x=1772100000;", USUAL.fields)),
            Nothing,
            void,
            "expired",
        ),
        (
            "From not covered",
            rsa.sign(MESSAGE, with("", "To:Subject:Date:Message-ID")),
            Nothing,
            void,
            "does not cover the From",
        ),
        ("l=", rsa.sign(MESSAGE, partial), Nothing, void, "(l=)"),
        (
            "l= and more text",
            format!("{}Pay here.\r\n", rsa.sign(MESSAGE, partial)),
            Nothing,
            void,
            "(l=)",
        ),
        (
            "rsa-sha1",
            rsa.sign(MESSAGE, sha1),
            Nothing,
            void,
            "rsa-sha1",
        ),
        ("weak key", weak, Nothing, void, "weak"),
        ("revoked key", revoked, Fail, None, "revoked"),
        ("test mode", trying, Nothing, void, "t=y"),
        ("key for something else", web, Nothing, void, "not for mail"),
        ("no key but text", odd, Nothing, void, "no key can be read"),
        (
            "no key",
            lost.sign(MESSAGE, USUAL),
            Fail,
            None,
            "not published",
        ),
        (
            "a public suffix",
            signed.replace("d=example.com", "d=com"),
            Nothing,
            Some(DkimDoubt::OtherSigner),
            "signed by com",
        ),
        (
            "signed for a neighbour of i=",
            rsa.sign(MESSAGE, with(" i=@evil.example;", USUAL.fields)),
            Fail,
            None,
            "AUID",
        ),
    ] {
        let found = world.check(&message).await;
        assert_eq!(
            (found.verdict, found.doubt),
            (verdict, doubt),
            "{name}: {found:?}"
        );
        assert!(found.detail.contains(part), "{name}: {found:?}");
    }
}

/// Two From fields: each reader may see another one, so nobody is proven.
#[tokio::test]
async fn two_senders_are_none() {
    let rsa = Signer::rsa("example.com");
    let world = World::with(&[&rsa]);
    let signed = rsa.sign(MESSAGE, USUAL);
    for message in [
        format!("From: Eve <eve@evil.example>\r\n{signed}"),
        signed.replace("To: sam", "From: Eve <eve@evil.example>\r\nTo: sam"),
        rsa.sign(
            &MESSAGE.replace("<ann@example.com>", "<ann@example.com>, eve@evil.example"),
            USUAL,
        ),
        // Readers disagree about what these lines are.
        format!("From : Eve <eve@evil.example>\r\n{signed}"),
        format!("\r\nFrom: Eve <eve@evil.example>\r\n{signed}"),
        format!("From: eve@evil.example\n\r{signed}"),
    ] {
        let found = world.check(&message).await;
        assert_ne!(found.verdict, Verdict::Pass, "{message}: {found:?}");
    }
}

#[tokio::test]
async fn without_an_answer_from_dns_nobody_knows() {
    for mood in [Mood::Silent, Mood::Fails] {
        let rsa = Signer::rsa("example.com");
        let world = World::with(&[&rsa]);
        world.dns.is(mood);
        let signed = rsa.sign(MESSAGE, USUAL);
        let began = SystemClock.monotonic();
        for _ in 0..20 {
            let found = world.check(&signed).await;
            assert_eq!(found.verdict, Verdict::Unknown, "{mood:?}: {found:?}");
            assert!(found.detail.contains("DNS"), "{found:?}");
        }
        // Two messages wait; then their domain is left alone for a while.
        assert!(took(began).as_secs() < 20, "{mood:?} {:?}", took(began));
        assert!(world.dns.asked().0 < 20, "{mood:?} {:?}", world.dns.asked());
    }
    let rsa = Signer::rsa("example.com");
    let nobody = DkimSettings {
        dns: vec!["127.0.0.1:1".parse().unwrap()],
    };
    let world = World {
        verifier: DkimVerifier::new(&nobody),
        dns: Answerer::start(),
    };
    let found = world.check(&rsa.sign(MESSAGE, USUAL)).await;
    assert_eq!(found.verdict, Verdict::Unknown, "{found:?}");
}

/// Strangers choose their domains, and may have many with dead name servers.
#[tokio::test]
async fn dead_domains_of_strangers_switch_nothing_off() {
    for mood in [Mood::Silent, Mood::Fails] {
        let good = Signer::rsa("example.com");
        let world = World::with(&[&good]);
        let dead: Vec<String> = (0..12).map(|nth| format!("dead{nth}.example")).collect();
        let from = |domain: &str| {
            let message = MESSAGE.replace("example.com", domain);
            Signer::rsa(domain).sign(&message, USUAL)
        };
        for domain in &dead {
            world.dns.is_about(domain, mood);
        }
        let messages: Vec<String> = dead.iter().map(|domain| from(domain)).collect();
        let found = join_all(messages.iter().map(|message| world.check(message))).await;
        assert!(found.iter().all(|found| found.verdict == Verdict::Unknown));
        let found = world.check(&good.sign(MESSAGE, USUAL)).await;
        assert_eq!(found.verdict, Verdict::Pass, "{mood:?}: {found:?}");

        // One domain's messages wait twice, also under names of its own.
        world.check(&messages[0]).await;
        let asked = world.dns.asked();
        for message in [&messages[0], &from("mail.dead0.example")] {
            let found = world.check(message).await;
            let why = "about dead0.example lately";
            assert!(found.detail.contains(why), "{mood:?}: {found:?}");
        }
        assert_eq!(world.dns.asked(), asked, "{mood:?}");
    }
}

/// Our resolver itself is dead: after three domains nobody waits any more.
#[tokio::test]
async fn a_dead_resolver_is_left_alone() {
    let world = World::with(&[]);
    world.dns.is(Mood::Silent);
    let check = async |nth: usize| {
        let domain = format!("customer{nth}.example");
        let message = MESSAGE.replace("example.com", &domain);
        let signed = Signer::rsa(&domain).sign(&message, USUAL);
        world.check(&signed).await
    };
    join_all((0..3).map(check)).await;
    let asked = world.dns.asked();
    let found = check(3).await;
    assert_eq!(found.verdict, Verdict::Unknown, "{found:?}");
    assert!(
        found.detail.contains("the DNS servers did not"),
        "{found:?}"
    );
    assert_eq!(world.dns.asked(), asked);
}

#[tokio::test]
async fn a_long_answer_comes_over_tcp() {
    let rsa = Signer::rsa("example.com");
    let world = World::with(&[&rsa]);
    world.dns.is(Mood::Truncates);
    let found = world.check(&rsa.sign(MESSAGE, USUAL)).await;
    assert_eq!(found.verdict, Verdict::Pass, "{found:?}");
    assert!(world.dns.asked().1 > 0);
}

/// Of a message too large to fetch only the header is there: its signature says nothing yet.
#[tokio::test]
async fn a_header_alone_is_not_judged() {
    let rsa = Signer::rsa("example.com");
    let world = World::with(&[&rsa]);
    let signed = rsa.sign(MESSAGE, USUAL);
    let view = parse_message(signed.as_bytes(), &ParseLimits::default());
    let found = world.verifier.check(&view, None, Timestamp(0)).await;
    assert_eq!(found.verdict, Verdict::Unknown, "{found:?}");
    assert_eq!(world.dns.asked().0, 0);
}

/// Whatever bytes a stranger puts there: no panic, no pass, and no long wait.
#[tokio::test]
async fn hostile_signatures_cost_little_and_prove_nothing() {
    let rsa = Signer::rsa("example.com");
    let world = World::with(&[&rsa]);
    let signed = rsa.sign(MESSAGE, USUAL);
    let field = |value: &str| format!("DKIM-Signature: {value}\r\n{MESSAGE}").into_bytes();
    let tag = "v=1; a=rsa-sha256; d=example.com; s=rsa; bh=AAAA; b=AAAA;";
    let many = |count: usize, line: &str| format!("{}{MESSAGE}", line.repeat(count)).into_bytes();
    let names = "From:".repeat(50_000);
    let mut rows: Vec<Vec<u8>> = vec![
        field(""),
        field(";;;===;;;"),
        field("v=1"),
        field("v=2; a=rsa-sha256; d=example.com; s=rsa; h=from; bh=AA; b=AA"),
        field("a=; d=; s=; h=; bh=; b="),
        field(&format!("{tag} h=From; l=18446744073709551616")),
        field(&format!("{tag} h=From; x=99999999999999999999999; t=-1")),
        field(&format!("{tag} h=From; i=@; z=\u{fffd}|=|==")),
        field(&format!("{tag} h={names}")),
        field(&tag.replace("s=rsa", &format!("s={}", "s.".repeat(2_000)))),
        field(&tag.replace(
            "d=example.com",
            &format!("d={}example.com", "d.".repeat(2_000)),
        )),
        field(&tag.replace("d=example.com", "d=\u{0}\u{1}example.com")),
        field(&format!("{tag} h=From; c={}", "/".repeat(10_000))),
        field(&format!("{tag} h=From; b={}", "A".repeat(500_000))),
        many(3_000, &format!("DKIM-Signature: {tag} h=From\r\n")),
        many(20_000, "X-Field: x\r\n")
            .into_iter()
            .chain(*b"")
            .collect(),
        b"DKIM-Signature: ".to_vec(),
        b"DKIM-Signature:\xff\xfe\x00;d=\xff\r\nFrom: ann@example.com\r\n\r\n".to_vec(),
        b"DKIM-Signature\r\n :\r\nFrom: ann@example.com".to_vec(),
    ];
    // Every cut of a good one, and every byte of its header damaged.
    let head = signed.find("\r\n\r\n").unwrap();
    rows.extend(
        (0..head)
            .step_by(7)
            .map(|at| signed.as_bytes()[..at].to_vec()),
    );
    rows.extend((16..head).step_by(11).map(|at| {
        let mut damaged = signed.clone().into_bytes();
        damaged[at] = damaged[at].wrapping_add(1);
        damaged
    }));
    for bytes in rows {
        let began = SystemClock.monotonic();
        let found = world.check_bytes(&bytes).await;
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
        assert_ne!(found.verdict, Verdict::Pass, "{start}: {found:?}");
        assert!(took(began).as_secs() < 6, "{start}");
    }
    // It still works.
    assert_eq!(world.check(&signed).await.verdict, Verdict::Pass);
}
