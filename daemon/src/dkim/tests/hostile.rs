//! Whatever bytes strangers put into signatures, key records and DNS answers.

use std::time::Duration;

use futures_util::future::join_all;
use liaison_core::mail::Address;

use super::answerer::GARBLES;
use super::*;
use crate::dkim::dns::Answer;
use crate::dkim::signature::{self, Claims};

/// Longest time that one look at hostile bytes may take, on a busy machine.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// Numbers without a clock: the same on every run (xorshift).
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 24) as usize % end.max(1)
    }

    fn noise(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }

    /// Turns bytes over, takes some out, repeats some, and puts words of the format in between.
    fn spoilt(&mut self, bytes: &[u8], words: &[&str]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let end = (at + self.below(40)).min(bytes.len());
            match self.below(5) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                3 => {
                    let len = self.below(30);
                    let noise = self.noise(len);
                    bytes.splice(at..at, noise);
                }
                _ => {
                    let word = words[self.below(words.len())];
                    bytes.splice(at..at, word.bytes());
                }
            }
        }
        bytes
    }
}

fn ann() -> Address {
    Address::parse("ann@example.com").unwrap()
}

/// What comes of a message and the records at all names that it asks for.
fn looked(message: &[u8], records: &[Vec<u8>]) -> Vec<Verdict> {
    let began = SystemClock.monotonic();
    let received: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
    let claims = Claims::read(message, &ann(), received);
    assert!(claims.sound.len() + claims.void.len() + claims.others.len() <= 20);
    let asked = claims.sound.into_iter();
    let asked = asked.map(|claim| (claim, Answer::Records(records.to_vec())));
    let proofs = signature::prove(message, &ann(), asked.collect());
    assert!(took(began) < LOOK_MAX, "{:?}", took(began));
    proofs.into_iter().map(|proof| proof.verdict).collect()
}

fn squeezed(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// What a lenient reader of base64 makes of it: signs that are none of its own are passed over.
fn base64_of(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let own = |c: &char| c.is_ascii_alphanumeric() || "+/".contains(*c);
    text.chars().filter(own).collect()
}

/// The value of a tag of the one signature, without white space.
fn tag(message: &str, name: &str) -> String {
    let header = squeezed(message.split("\r\nFrom:").next().unwrap().as_bytes());
    let mut tags = header.split(';').filter_map(|one| one.split_once('='));
    let (_, value) = tags.find(|(tag, _)| tag.ends_with(name)).unwrap();
    value.to_owned()
}

#[test]
fn any_bytes_in_a_signature_are_read_in_time_and_prove_nothing() {
    const WORDS: &[&str] = &[
        "; l=1",
        "; x=1",
        "; t=9e9",
        "; h=From:From",
        "; c=relaxed/simple",
        "; i=@",
        "; b=",
        "=",
        ";",
        "\r\n ",
        "\r\n",
        "; a=ed25519-sha256",
        "; d=com",
        "; s=..",
        "; v=1",
        "; z=|",
        "\0",
        "\u{fffd}",
        "; q=dns/txt",
        "; r=y; atps=example.com; atpsh=none",
    ];
    let rsa = Signer::rsa("example.com");
    let (signed, record) = (rsa.sign(MESSAGE, USUAL), rsa.record().into_bytes());
    let (value, end) = ("DKIM-Signature:".len(), signed.find("\r\nFrom:").unwrap());
    let proof = tag(&signed, "b");
    assert_eq!(
        looked(signed.as_bytes(), std::slice::from_ref(&record)),
        [Verdict::Pass]
    );
    for seed in 1..=600 {
        let mut chance = Chance::new(seed);
        let spoilt = match seed % 3 {
            0 => {
                let len = chance.below(3_000);
                chance.noise(len)
            }
            _ => chance.spoilt(&signed.as_bytes()[value..end], WORDS),
        };
        let message = [
            &signed.as_bytes()[..value],
            &spoilt,
            &signed.as_bytes()[end..],
        ]
        .concat();
        let verdicts = looked(&message, std::slice::from_ref(&record));
        // What is left of a good signature may still be one.
        let whole = base64_of(&spoilt).contains(&base64_of(proof.as_bytes()));
        assert!(whole || !verdicts.contains(&Verdict::Pass), "seed {seed}");
    }
}

#[test]
fn any_bytes_in_a_key_record_are_read_in_time_and_are_no_key() {
    const WORDS: &[&str] = &[
        "; p=",
        "p=;",
        "; k=ed25519",
        "; k=rsa",
        "; t=y:s",
        "; h=sha1",
        "; s=*",
        "v=DKIM1;",
        "=",
        ";",
        "; n=\\;",
        "AAAA",
        "////",
        "\u{0}",
        "; g=*",
    ];
    let rsa = Signer::rsa("example.com");
    let (signed, record) = (rsa.sign(MESSAGE, USUAL), rsa.record());
    let key = record.split_once("p=").unwrap().1.trim();
    for seed in 1..=600 {
        let mut chance = Chance::new(seed);
        let spoilt = match seed % 3 {
            0 => {
                let len = chance.below(8_192);
                chance.noise(len)
            }
            _ => chance.spoilt(record.as_bytes(), WORDS),
        };
        let verdicts = looked(signed.as_bytes(), std::slice::from_ref(&spoilt));
        let whole = base64_of(&spoilt).contains(&base64_of(key.as_bytes()));
        assert!(whole || !verdicts.contains(&Verdict::Pass), "seed {seed}");
    }
    // Keys that are large, empty, of the wrong kind, or many.
    let large = format!("v=DKIM1; k=rsa; p={}", "MIII".repeat(2_000));
    let tags = format!("v=DKIM1; {} p={key}", "t=s;".repeat(2_000));
    for records in [
        vec![large.into_bytes()],
        vec![format!("v=DKIM1; k=ed25519; p={key}").into_bytes()],
        vec![b"v=DKIM1; k=ed25519; p=AAAA".to_vec()],
        vec![Vec::new(); 8_192],
        vec![b"p=".to_vec(); 4_096],
        Vec::new(),
    ] {
        let verdicts = looked(signed.as_bytes(), &records);
        assert!(!verdicts.contains(&Verdict::Pass), "{verdicts:?}");
    }
    looked(signed.as_bytes(), &[tags.into_bytes()]);
}

#[tokio::test]
async fn answers_that_are_no_dns_are_no_key_and_spoil_nothing_else() {
    let good = Signer::rsa("example.com");
    let world = World::with(&[&good]);
    let check = async |nth: usize| {
        let domain = format!("garbled{nth}.example");
        world.dns.is_about(&domain, Mood::Garbles(nth));
        let message = MESSAGE.replace("example.com", &domain);
        let signer = Signer::rsa(&domain);
        world.dns.publish(&signer.key_name(), &signer.record());
        let began = SystemClock.monotonic();
        let found = world.check(&signer.sign(&message, USUAL)).await;
        (nth, found, took(began))
    };
    for (nth, found, took) in join_all((0..GARBLES).map(check)).await {
        assert_ne!(found.verdict, Verdict::Pass, "{nth}: {found:?}");
        assert!(took < Duration::from_secs(8), "{nth}: {took:?}");
    }
    let found = world.check(&good.sign(MESSAGE, USUAL)).await;
    assert_eq!(found.verdict, Verdict::Pass, "{found:?}");
}

/// More records than a key needs are not looked through.
#[tokio::test]
async fn of_many_records_the_first_bytes_are_read() {
    let rsa = Signer::rsa("example.com");
    let world = World::with(&[]);
    for _ in 0..200 {
        world.dns.publish(&rsa.key_name(), &"x".repeat(250));
    }
    world.dns.publish(&rsa.key_name(), &rsa.record());
    world.dns.is(Mood::Truncates);
    let found = world.check(&rsa.sign(MESSAGE, USUAL)).await;
    assert_eq!(found.verdict, Verdict::None, "{found:?}");
    assert!(found.detail.contains("no key can be read"), "{found:?}");
}
