//! Robots that answer robots. Two daemons that may send by themselves are set on each other, with a
//! vacation responder at the mailbox of one of them, and a day passes: each daemon answers the one
//! message that a person wrote, and nothing else ever.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use liaison::clock::ManualClock;
use liaison_core::time::{HOUR_MS, MINUTE_MS, Timestamp};
use liaison_tests::daemon::staged;
use liaison_tests::houses::{House, Letter, MONDAY, bare, domain};
use liaison_tests::mail::{Mail, body_of, header};
use serde_json::json;

const ALICE: &str = "alice@alpha.example";
const BOB: &str = "bob@beta.example";
/// How far the clock jumps, and how long the mail stays under way at most.
const STEP_MS: i64 = 20 * MINUTE_MS;
/// More answers of the responder prove nothing further.
const ANSWERS_MAX: usize = 100;

/// How a vacation responder answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As RFC 3834 asks: marked, and the first time only.
    Marked,
    /// Each time, with a subject that says what it is, and no mark.
    Unmarked,
    /// Each time, without anything that tells it from a person, and it asks for something.
    LikeAPerson,
    /// The same from another address each time, as ticket systems do.
    ManyAddresses,
}

/// What lies between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gateway {
    Carries,
    /// Takes away every mark of an automatic message, and what our own mails are known by.
    Strips,
}

/// What happens on the day.
struct Day {
    manner: Manner,
    gateway: Gateway,
    /// In both configurations: plugins, limits.
    more: String,
    /// Subject of what the two people write.
    subject: &'static str,
}

impl Day {
    /// With every plugin that is there to answer by itself.
    fn of(manner: Manner, gateway: Gateway) -> Day {
        let plugins = ["nda-desk", "lead-triage", "follow-up"];
        Day {
            manner,
            gateway,
            more: plugins.map(|name| plugin(name, "")).concat(),
            subject: "NDA before we share our plans",
        }
    }

    /// With one that answers whatever a person seems to have written, so that nothing but the core
    /// is in the way of a loop.
    fn of_eager_plugins(manner: Manner, gateway: Gateway, limits: &str) -> Day {
        let folder = staged("test-plugins").join("obeys");
        let path = format!("path = \"{}\"\n", folder.display());
        Day {
            manner,
            gateway,
            more: format!("{}[limits]\n{limits}\n", plugin("obeys", &path)),
            subject: "always answer",
        }
    }
}

fn plugin(name: &str, more: &str) -> String {
    format!(
        "[[plugin]]\nname = \"{name}\"\n{more}mode = {{ mail = \"send\", records = \"apply\", \
         tasks = \"apply\", holds = \"apply\" }}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_and_a_marked_vacation_responder_send_two_mails_in_a_day() {
    let day = Day::of(Manner::Marked, Gateway::Carries);
    assert_eq!(sent_on(day).await, [1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_and_an_unmarked_vacation_responder_send_two_mails_in_a_day() {
    let day = Day::of(Manner::Unmarked, Gateway::Carries);
    assert_eq!(sent_on(day).await, [1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_responder_that_writes_like_a_person_gets_no_second_mail_in_a_day() {
    let day = Day::of(Manner::LikeAPerson, Gateway::Carries);
    assert_eq!(sent_on(day).await, [1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_strips_every_mark_starts_no_loop() {
    let day = Day::of(Manner::LikeAPerson, Gateway::Strips);
    assert_eq!(sent_on(day).await, [1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_responder_with_a_new_address_each_time_starts_no_loop() {
    let day = Day::of(Manner::ManyAddresses, Gateway::Strips);
    assert_eq!(sent_on(day).await, [1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_that_answer_everything_are_held_to_two_mails_a_day_by_the_core() {
    let day = Day::of_eager_plugins(Manner::LikeAPerson, Gateway::Strips, "");
    assert_eq!(sent_on(day).await, [1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cap_of_a_day_is_enough_where_the_caps_of_a_week_are_lifted() {
    let limits = "contact_mails_per_week = 1000\naccount_mails_per_week = 1000\n\
                  thread_automatic = 1000";
    let day = Day::of_eager_plugins(Manner::LikeAPerson, Gateway::Strips, limits);
    assert_eq!(sent_on(day).await, [1, 1]);
}

/// Without it the tests above could pass because nothing ever comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_cap_the_same_day_is_a_loop() {
    let limits = "contact_mails_per_week = 1000\naccount_mails_per_week = 1000\n\
                  thread_automatic = 1000\ncontact_automatic_per_day = 1000";
    let day = Day::of_eager_plugins(Manner::LikeAPerson, Gateway::Strips, limits);
    let sent = sent_on(day).await;
    assert!(sent.iter().sum::<usize>() > 20, "{sent:?}");
}

/// A day after Alice and Bob each wrote the other a mail that a plugin answers, with a responder at
/// Bob's mailbox; how many mails the daemons of Alice and of Bob sent.
async fn sent_on(day: Day) -> [usize; 2] {
    let clock = ManualClock::at(MONDAY);
    let mut alice = House::open(ALICE, &day.more, &clock).await;
    let mut bob = House::open(BOB, &day.more, &clock).await;
    let mut responder = Responder {
        manner: day.manner,
        answered: 0,
    };
    let mut under_way: Vec<Letter> = Vec::new();
    for (from, to, house) in [(ALICE, BOB, &alice), (BOB, ALICE, &bob)] {
        let asked = by_hand(from, to, day.subject);
        house.sent_by_hand(&asked.bytes).await;
        under_way.push(asked);
    }
    let mut sent = [0, 0];
    let mut now = MONDAY;
    while now.since(MONDAY) < 24 * HOUR_MS {
        now = now.plus_millis(STEP_MS);
        clock.set(now);
        let arriving: Vec<Letter> = std::mem::take(&mut under_way);
        for house in [&alice, &bob] {
            let own = arriving.iter().filter(|letter| letter.to == house.address);
            let own = own.map(|letter| carried(letter, house, day.gateway));
            house.receive(&own.collect::<Vec<_>>()).await;
        }
        for letter in arriving.iter().filter(|letter| letter.to != ALICE) {
            // Nobody is behind Bob's other addresses but the responder.
            assert_eq!(domain(&letter.to), domain(BOB), "to a stranger: {letter:?}");
            if responder.answered < ANSWERS_MAX {
                under_way.extend(responder.answer(letter, now));
            }
        }
        for (house, sent) in [&mut alice, &mut bob].into_iter().zip(&mut sent) {
            let letters = house.settle().await;
            *sent += letters.len();
            under_way.extend(letters);
        }
    }
    assert!(responder.answered > 0, "the responder was asked nothing");
    for mut house in [alice, bob] {
        // The copies of what left last.
        house.look().await;
        let later = house.settle().await;
        assert_eq!(later.len(), 0, "{later:?}");
        let status = house.ask("status", json!({})).await;
        assert_eq!(status["events"]["open"], 0, "{status:#}");
        assert_ne!(status["events"]["known"], 0, "{status:#}");
        house.close().await;
    }
    sent
}

/// A mail that a person writes with their own program, and that the desk for NDAs answers.
fn by_hand(from: &str, to: &str, subject: &str) -> Letter {
    let bytes = Mail::new(from, to, subject)
        .message_id(&format!("by-hand@{}", domain(from)))
        .date(jiff::Timestamp::from_millisecond(MONDAY.0).unwrap())
        .body(
            "Dear colleague,\n\nbefore we send you the specification we need a non-disclosure \
             agreement in place.\nCould you send us your standard form?\n\nBest\nA Person\n",
        )
        .build();
    Letter {
        from: from.to_owned(),
        to: to.to_owned(),
        bytes,
    }
}

/// What lies in the mailbox of `house`: its own server found the sender to be who they say.
fn carried(letter: &Letter, house: &House, gateway: Gateway) -> Vec<u8> {
    let from = domain(&letter.from);
    let verdict = format!(
        "Authentication-Results: {};\r\n spf=pass smtp.mailfrom={from};\r\n dkim=pass \
         header.d={from};\r\n dmarc=pass header.from={from}\r\n",
        house.authserv_id()
    );
    let mut bytes = verdict.into_bytes();
    match gateway {
        Gateway::Carries => bytes.extend_from_slice(&letter.bytes),
        Gateway::Strips => bytes.extend_from_slice(&stripped(&letter.bytes)),
    }
    bytes
}

fn stripped(message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(message).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let marks = ["auto-submitted", "x-", "precedence", "list-", "return-path"];
    let mut kept = String::new();
    let mut keeps = true;
    for line in head.split("\r\n") {
        if !line.starts_with([' ', '\t']) {
            let name = line.to_lowercase();
            keeps = !marks.iter().any(|mark| name.starts_with(mark));
        }
        if keeps {
            kept.push_str(line);
            kept.push_str("\r\n");
        }
    }
    format!("{kept}\r\n{body}").into_bytes()
}

struct Responder {
    manner: Manner,
    answered: usize,
}

impl Responder {
    fn answer(&mut self, letter: &Letter, now: Timestamp) -> Option<Letter> {
        if self.manner == Manner::Marked && self.answered > 0 {
            return None;
        }
        self.answered += 1;
        let n = self.answered;
        let from = match self.manner {
            Manner::ManyAddresses => format!("ticket-{n}@beta.example"),
            _ => BOB.to_owned(),
        };
        let subject = header(&letter.bytes, "Subject").unwrap();
        let id = header(&letter.bytes, "Message-ID").unwrap();
        let to = bare(&header(&letter.bytes, "From").unwrap());
        let subject = match self.manner {
            Manner::Marked | Manner::Unmarked => format!("Out of office: {subject}"),
            Manner::LikeAPerson | Manner::ManyAddresses => format!("Re: {subject}"),
        };
        let quoted: String = body_of(&letter.bytes)
            .lines()
            .take(20)
            .map(|line| format!("> {line}\n"))
            .collect();
        let text = match self.manner {
            Manner::Marked | Manner::Unmarked => {
                "I am out of the office until Friday and will answer then.".to_owned()
            }
            Manner::LikeAPerson | Manner::ManyAddresses => format!(
                "Thank you. Before we go on we need a non-disclosure agreement in place.\n\
                 Could you send us your standard form? This is request {n}."
            ),
        };
        let mut mail = Mail::new(&format!("Bob <{from}>"), &to, &subject)
            .message_id(&format!("answer-{n}@beta.example"))
            .date(jiff::Timestamp::from_millisecond(now.0).unwrap())
            .reply_to_ids(&[id.trim_matches(['<', '>'])])
            .body(&format!("{text}\n\n{quoted}"));
        if self.manner == Manner::Marked {
            mail = mail
                .header("Auto-Submitted", "auto-replied")
                .header("Return-Path", "<>");
        }
        Some(Letter {
            from,
            to,
            bytes: mail.build(),
        })
    }
}
