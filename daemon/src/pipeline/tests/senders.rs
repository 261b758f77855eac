//! A customer's mail and everything that only looks like it, from the bytes to what leaves.

use liaison_core::account::matching::MatchOutcome;
use liaison_core::effect::{MailEffect, MailMode};
use liaison_core::ids::AccountId;
use liaison_core::mail::address::Domain;
use liaison_core::outbox::MailState;

use super::house::{House, MONDAY, at, bytes};
use crate::accounts::{AccountBook, AccountDraft, By, ContactDraft, DomainRules};
use crate::clock::{Clock, SystemClock};
use crate::dkim::tests::answerer::{Answerer, Mood};
use crate::dkim::tests::signer::{Signer, Tags, USUAL};
use crate::source::{BatchMode, FolderRole};

const ANN: &str = "Ann Smith <ann@northclinic.com>";
const MX: &str = "mx.example.net";
const PLUGINS: [&str; 2] = ["follow-up", "obeys"];

/// DNS, the customer's keys, and a house whose follow-up to the customer waits to be sent.
struct Scene {
    dns: Answerer,
    house: House,
    account: AccountId,
    rsa: Signer,
    ed: Signer,
}

impl Scene {
    async fn new(authserv_ids: &[&str]) -> Scene {
        let (rsa, ed) = (
            Signer::rsa("northclinic.com"),
            Signer::ed25519("northclinic.com"),
        );
        let dns = Answerer::start();
        for signer in [&rsa, &ed] {
            dns.publish(&signer.key_name(), &signer.record());
        }
        let house = House::checking(dns.address, authserv_ids).await;
        let account = customer(&house).await;
        let mut scene = Scene {
            dns,
            house,
            account,
            rsa,
            ed,
        };
        scene.ask().await;
        scene
    }

    /// Sam asks; nobody answers; the follow-up waits for its time.
    async fn ask(&mut self) {
        let question = "From: Sam <sam@example.net>\r\nTo: ann@northclinic.com\r\n\
                        Subject: Contract\r\nDate: Mon, 2 Mar 2026 09:00:00 +0000\r\n\
                        Message-ID: <q1@example.com>\r\n\r\n\
                        Hello Ann, which of the two dates do you prefer?\r\n";
        self.house.sent(question).await;
        self.house.settle(&PLUGINS).await;
        self.house.advance(24 * 4);
        self.house.settle(&PLUGINS).await;
        let waits = self.follow_up().await;
        assert_eq!(
            (waits.mode, waits.state),
            (MailMode::Send, MailState::Scheduled)
        );
    }

    async fn follow_up(&self) -> MailEffect {
        let mails = self.house.mails().await;
        let is_it = |mail: &MailEffect| mail.cause.plugin.as_str() == "follow-up";
        mails.into_iter().find(is_it).unwrap()
    }

    async fn answers(&self) -> Vec<MailEffect> {
        let mails = self.house.mails().await;
        let is_it = |mail: &MailEffect| mail.cause.plugin.as_str() == "obeys";
        mails.into_iter().filter(is_it).collect()
    }

    fn publish(&self, domain: &str) -> Signer {
        let signer = Signer::ed25519(domain);
        self.dns.publish(&signer.key_name(), &signer.record());
        signer
    }
}

async fn customer(house: &House) -> AccountId {
    let book = AccountBook::new(house.books.clone(), DomainRules::default());
    let by = By {
        who: "sam".to_owned(),
        why: "test".to_owned(),
        now: at(MONDAY),
        source: liaison_core::crm::Source::Person,
    };
    let draft = AccountDraft {
        name: "North Clinic Ltd".to_owned(),
        domains: vec![Domain::parse("northclinic.com").unwrap()],
        ..AccountDraft::default()
    };
    let (account, _) = book.upsert_account(&draft, &by).await.unwrap();
    let ann = ContactDraft {
        email: liaison_core::mail::Address::parse("ann@northclinic.com").unwrap(),
        name: Some("Ann Smith".to_owned()),
        role: None,
        do_not_contact: None,
    };
    book.add_contact(&account.id, &ann, &by).await.unwrap();
    account.id
}

/// An answer into the thread, as `from` writes it; the plugin `obeys` answers it in turn.
fn answer(from: &str) -> String {
    format!(
        "From: {from}\r\nTo: sam@example.net\r\nSubject: answer me\r\n\
         Date: Fri, 6 Mar 2026 08:00:00 +0000\r\nMessage-ID: <r1@example.com>\r\n\
         In-Reply-To: <q1@example.com>\r\nReferences: <q1@example.com>\r\n\r\n\
         The first one, please.\r\n"
    )
}

/// What one row of the corpus must come to.
struct Expected {
    authenticity: &'static str,
    account: bool,
    /// Kinds of evidence that must be told.
    evidence: &'static [&'static str],
    /// What becomes of the follow-up that waited.
    waiting: &'static str,
}

type Make = fn(&Scene) -> String;

fn held(authenticity: &'static str, evidence: &'static [&'static str]) -> Expected {
    Expected {
        authenticity,
        account: true,
        evidence,
        waiting: "held",
    }
}

fn nobody(authenticity: &'static str, evidence: &'static [&'static str]) -> Expected {
    Expected {
        account: false,
        ..held(authenticity, evidence)
    }
}

/// The signed and the forged: only the first two are the customer.
fn corpus() -> Vec<(&'static str, Make, Expected)> {
    let customer = || Expected {
        authenticity: "pass",
        account: true,
        evidence: &["authenticity"],
        waiting: "cancelled",
    };
    vec![
        (
            "signed with rsa",
            |s| s.rsa.sign(&answer(ANN), USUAL),
            customer(),
        ),
        (
            "signed with ed25519",
            |s| s.ed.sign(&answer(ANN), USUAL),
            customer(),
        ),
        (
            "unsigned",
            |_| answer(ANN),
            Expected {
                authenticity: "none",
                ..customer()
            },
        ),
        (
            "forged From, signed by another domain",
            |s| s.publish("evil.example").sign(&answer(ANN), USUAL),
            held("none", &["signed-by-other"]),
        ),
        (
            "forged From, signed by a look-alike",
            |s| s.publish("northcl1nic.com").sign(&answer(ANN), USUAL),
            held("none", &["signed-by-other"]),
        ),
        (
            "look-alike domain with its own signature",
            |s| {
                let forged = answer("Ann Smith <ann@northc1inic.com>");
                s.publish("northc1inic.com").sign(&forged, USUAL)
            },
            nobody("pass", &["look-alike"]),
        ),
        (
            "another ending",
            |s| {
                s.publish("northclinic.co")
                    .sign(&answer("ann@northclinic.co"), USUAL)
            },
            nobody("pass", &["look-alike"]),
        ),
        (
            "letters of another alphabet",
            |s| {
                let domain = Domain::parse("nоrthclinic.com").unwrap().to_string();
                let forged = answer(&format!("Ann Smith <ann@{domain}>"));
                s.publish(&domain).sign(&forged, USUAL)
            },
            nobody("pass", &["look-alike"]),
        ),
        (
            "the domain in front of another",
            |s| {
                let forged = answer("ann@northclinic.com.evil.example");
                s.publish("evil.example").sign(&forged, USUAL)
            },
            nobody("pass", &["look-alike"]),
        ),
        (
            "a look-alike of ours",
            |s| {
                s.publish("examp1e.net")
                    .sign(&answer("sam@examp1e.net"), USUAL)
            },
            nobody("pass", &["look-alike"]),
        ),
        (
            "display name of the contact",
            |s| {
                s.publish("evil.example")
                    .sign(&answer("Ann Smith <a@evil.example>"), USUAL)
            },
            nobody("pass", &["display-name"]),
        ),
        (
            "display name with the contact's address",
            |s| {
                let forged = answer("\"ann@northclinic.com\" <a@evil.example>");
                s.publish("evil.example").sign(&forged, USUAL)
            },
            nobody("pass", &["display-name"]),
        ),
        (
            "two From fields",
            |s| {
                format!(
                    "From: Eve <eve@evil.example>\r\n{}",
                    s.rsa.sign(&answer(ANN), USUAL)
                )
            },
            nobody("unknown", &["several-from"]),
        ),
        (
            "two From addresses",
            |s| {
                let both = answer("Ann <ann@northclinic.com>, eve@evil.example");
                s.rsa.sign(&both, USUAL)
            },
            nobody("unknown", &["several-from"]),
        ),
        (
            "expired signature",
            |s| {
                let tags = Tags {
                    more: " t=1772000000; x=1772100000;",
                    ..USUAL
                };
                s.rsa.sign(&answer(ANN), tags)
            },
            held("none", &["signature-void"]),
        ),
        (
            "l= with text added",
            |s| {
                let tags = Tags {
                    length: Some(24),
                    ..USUAL
                };
                format!("{}Pay to this account.\r\n", s.rsa.sign(&answer(ANN), tags))
            },
            held("none", &["signature-void"]),
        ),
        (
            "broken body",
            |s| s.rsa.sign(&answer(ANN), USUAL).replace("first", "second"),
            Expected {
                waiting: "scheduled",
                ..held("fail", &["authenticity"])
            },
        ),
        (
            "forged Authentication-Results on top",
            |_| {
                let claim = "mx.northclinic.com; dkim=pass header.d=northclinic.com; dmarc=pass";
                format!("Authentication-Results: {claim}\r\n{}", answer(ANN))
            },
            held("none", &["auth-results-untrusted"]),
        ),
        (
            "forged results of our own server below the hop",
            |s| {
                let claim = format!("{MX}; dmarc=pass header.from=northclinic.com");
                let hop = "Received: from evil by mx.example.net with ESMTP; now";
                let signed = s.publish("evil.example").sign(&answer(ANN), USUAL);
                format!("{hop}\r\nAuthentication-Results: {claim}\r\n{signed}")
            },
            held("none", &["signed-by-other"]),
        ),
        (
            "DMARC failed at our server, which the domain asks to refuse",
            |s| {
                let told = format!("{MX}; dmarc=fail (p=REJECT) header.from=northclinic.com");
                format!(
                    "Authentication-Results: {told}\r\n{}",
                    s.rsa.sign(&answer(ANN), USUAL)
                )
            },
            Expected {
                waiting: "scheduled",
                ..held("fail", &["authenticity"])
            },
        ),
    ]
}

/// None of the forged ones is treated as the customer: no mail leaves because of it, nothing that
/// waits is given up for it, it makes nobody a party of the thread; and the good one is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_customer_is_the_customer() {
    for (name, make, expected) in corpus() {
        let mut scene = Scene::new(&[MX]).await;
        let mail = make(&scene);
        scene.house.receive(&mail).await;
        scene.house.settle(&PLUGINS).await;

        let message = scene.house.message("r1").await;
        let matched = scene.house.outcome("r1").await.matched.unwrap();
        assert_eq!(
            message.authenticity, expected.authenticity,
            "{name}: {matched:?}"
        );
        let account = expected.account.then(|| scene.account.clone());
        assert_eq!(message.account, account, "{name}: {matched:?}");
        if !expected.account {
            assert_eq!(matched.outcome, MatchOutcome::Unknown, "{name}");
        }
        let kinds: Vec<&str> = matched.evidence.iter().map(|e| e.kind.as_str()).collect();
        for kind in expected.evidence {
            assert!(kinds.contains(kind), "{name}: {:?}", matched.evidence);
        }
        let follow_up = scene.follow_up().await;
        let state = follow_up.state.to_string();
        assert!(state.starts_with(expected.waiting), "{name}: {state}");

        let sends: Vec<MailEffect> = scene.answers().await;
        let good = expected.authenticity == "pass" && expected.account;
        for mail in &sends {
            assert_eq!(mail.mode == MailMode::Send, good, "{name}: {mail:?}");
        }
        assert_eq!(
            good,
            sends.iter().any(|mail| mail.mode == MailMode::Send),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_dns_down_mail_is_taken_and_nobody_is_proven() {
    let mut scene = Scene::new(&[]).await;
    scene.dns.is(Mood::Silent);
    let signed = scene.rsa.sign(&answer(ANN), USUAL);
    scene.house.receive(&signed).await;
    let many = (0..60).map(|n| {
        let mail = answer(ANN).replace("<r1@", &format!("<n{n}@"));
        bytes(&Signer::ed25519(&format!("s{n}.northclinic.com")).sign(&mail, USUAL))
    });
    let began = SystemClock.monotonic();
    let inbox = ("sam", FolderRole::Inbox, BatchMode::Live);
    let taken = scene.house.hand_in(inbox, many.collect()).await;
    assert_eq!(taken.new, 60);
    let took = SystemClock.monotonic().saturating_sub(began);
    assert!(took.as_secs() < 30, "{took:?}");
    scene.house.settle(&PLUGINS).await;
    for id in ["r1", "n0", "n59"] {
        assert_eq!(
            scene.house.message(id).await.authenticity,
            "unknown",
            "{id}"
        );
    }
    let matched = scene.house.outcome("r1").await.matched.unwrap();
    assert!(
        matched.evidence.iter().any(|e| e.text.contains("DNS")),
        "{matched:?}"
    );
    assert!(
        scene
            .answers()
            .await
            .iter()
            .all(|mail| mail.mode == MailMode::Draft)
    );
}

/// Ten thousand old messages are not ten thousand questions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_and_our_own_mail_ask_nothing_of_dns() {
    let mut scene = Scene::new(&[]).await;
    let asked = scene.dns.asked();
    let signed = scene.rsa.sign(&answer(ANN), USUAL);
    let history = ("sam", FolderRole::Inbox, BatchMode::History);
    scene.house.hand_in(history, vec![bytes(&signed)]).await;
    let own = signed
        .replace("<r1@", "<s9@")
        .replace(ANN, "Sam <sam@example.net>");
    scene.house.sent(&own).await;
    assert_eq!(scene.dns.asked(), asked);
    assert_eq!(scene.house.message("r1").await.authenticity, "unknown");
    // Nor is what is known asked about again.
    scene.house.receive(&signed).await;
    assert_eq!(scene.dns.asked(), asked);
}

/// A list that put itself into From names the author: the name there is theirs, and so their address
/// is judged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_behind_a_list_is_judged() {
    let mut scene = Scene::new(&[MX]).await;
    for (id, author, warned) in [
        ("l1", "ann@northclinic.com", false),
        ("l2", "ann@northc1inic.com", true),
    ] {
        let mail = format!(
            "From: \"ann@northclinic.com via Widgets\" <widgets@lists.example.org>\r\n\
             To: widgets@lists.example.org\r\nReply-To: {author}\r\n\
             List-Id: <widgets.lists.example.org>\r\nSubject: Contract\r\n\
             Date: Fri, 6 Mar 2026 08:00:00 +0000\r\nMessage-ID: <{id}@example.com>\r\n\r\nHi.\r\n"
        );
        scene.house.receive(&mail).await;
        let matched = scene.house.outcome(id).await.matched.unwrap();
        assert_eq!(matched.warning().is_some(), warned, "{author}: {matched:?}");
        let account = (!warned).then(|| scene.account.clone());
        assert_eq!(matched.account, account, "{author}: {matched:?}");
        assert!(!matched.is_firm(), "{author}: {matched:?}");
    }
}

/// The index follows the domains of the account, and a look-alike is found through it alone: no
/// thread names the account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_alike_is_found_among_all_accounts() {
    let mut scene = Scene::new(&[]).await;
    for (id, from, warned) in [
        ("a1", "ann@northclinic.org", true),
        ("a2", "ann@norhtclinic.com", true),
        ("a3", "ann@north-clinic.com", true),
        ("a4", "ann@elsewhere.example", false),
        ("a5", "ann@northclinic.com", false),
    ] {
        let mail = format!(
            "From: {from}\r\nTo: sam@example.net\r\nSubject: Hello\r\n\
             Date: Fri, 6 Mar 2026 08:00:00 +0000\r\nMessage-ID: <{id}@example.com>\r\n\r\nHi.\r\n"
        );
        scene.house.receive(&mail).await;
        let matched = scene.house.outcome(id).await.matched.unwrap();
        assert_eq!(matched.warning().is_some(), warned, "{from}: {matched:?}");
        if warned {
            let said = &matched.warning().unwrap().text;
            assert!(said.contains("North Clinic Ltd"), "{said}");
        }
    }
    let mut faults = Vec::new();
    let mut tell = |fault| faults.push(fault);
    let look = crate::books::indexes::walk::Mode::Look;
    crate::books::indexes::walk::walk(&scene.house.books, look, &mut tell)
        .await
        .unwrap();
    assert_eq!(faults, []);
}
