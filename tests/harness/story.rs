//! The whole way once, from an enquiry to its answer, whatever servers carry the mail.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::ask::{said_by, text_at, verdict};
use crate::daemon::Daemon;
use crate::firm::ALICE;
use crate::mail::{body_of, cast, header};

/// Where mail and events of [`ALICE`] lie, seen from outside.
pub trait Surroundings {
    /// Delivers to the inbox.
    fn deliver(&self, message: &[u8]);
    /// The messages in Drafts.
    fn drafts(&self) -> Vec<Vec<u8>>;
    /// The messages in Sent.
    fn sent(&self) -> Vec<Vec<u8>>;
    /// What left the firm.
    fn gone_out(&self) -> Vec<Vec<u8>>;
    /// The calendar, as (path or name, text).
    fn events(&self) -> Vec<(String, String)>;
    /// How many messages of the inbox were marked as seen, moved or changed.
    fn touched(&self) -> usize;
}

/// An enquiry becomes a lead with two times held and a draft that offers them; nothing leaves.
///
/// # Panics
/// At the first thing that is not so.
pub fn an_enquiry_becomes_a_draft(daemon: &Daemon, around: &dyn Surroundings) {
    around.deliver(&cast::enquiry(1).build());
    let why = daemon.settled("enquiry-1@example.com");
    matched_as_a_stranger(&why);
    let triage = said_by(&why, "lead-triage");
    assert_eq!(
        verdict(triage, "create-case")["result"],
        "applied",
        "{triage:#}"
    );
    assert_eq!(verdict(triage, "email")["result"], "effect", "{triage:#}");
    let lead = the_lead(daemon);
    let holds = two_holds(daemon, around);

    let draft = daemon.eventually("the draft", || around.drafts().pop());
    let mail = daemon.row(&["outbox", "list"], "the mail is drafted", |mail| {
        mail["state"] == "drafted"
    });
    answers_the_enquiry(&mail, &draft);
    offers(&draft, &holds);
    assert_eq!(header(&draft, "Auto-Submitted"), None, "a person sends it");
    assert_eq!(around.drafts().len(), 1);
    assert_eq!(around.gone_out().len(), 0, "a draft is not sent");
    assert_eq!(around.touched(), 0, "the inbox is only read");

    // The chain starts anywhere: at the message, the mail, a hold or the lead.
    for id in [
        text_at(&mail, "/id"),
        text_at(&holds[0], "/uid"),
        text_at(&lead, "/id"),
    ] {
        let chain = daemon
            .why(id)
            .unwrap_or_else(|| panic!("no why for {id}\n{}", daemon.transcript()));
        assert_eq!(
            text_at(&chain, "/message/message_id"),
            "enquiry-1@example.com",
            "{chain:#}"
        );
    }
}

/// An enquiry is answered by itself, in its thread; the answer is waited for, and when it comes,
/// nothing waits any more.
///
/// # Panics
/// At the first thing that is not so.
pub fn an_enquiry_is_answered_and_followed_up(daemon: &Daemon, around: &dyn Surroundings) {
    around.deliver(&cast::enquiry(1).build());
    let why = daemon.settled("enquiry-1@example.com");
    matched_as_a_stranger(&why);
    let out = daemon.eventually("the answer left", || around.gone_out().pop());
    let mail = daemon.row(&["outbox", "list"], "the answer is sent", |mail| {
        mail["state"] == "sent"
    });
    answers_the_enquiry(&mail, &out);
    offers(&out, &two_holds(daemon, around));
    assert_eq!(
        header(&out, "Auto-Submitted").as_deref(),
        Some("auto-replied")
    );

    let ours = text_at(&mail, "/message_id").to_owned();
    let copy = daemon.eventually("the copy in Sent", || around.sent().pop());
    assert_eq!(
        header(&copy, "Message-ID").as_deref(),
        Some(format!("<{ours}>").as_str())
    );
    let timer = daemon.row(
        &["timers", "list"],
        "the answer is waited for",
        waits_for_an_answer,
    );
    // One plugin is asked after the other.
    daemon.eventually("no reminders of an answered lead", || {
        let timers = daemon.rows(&["timers", "list"]);
        let reminds = timers.iter().any(|t| t["plugin"] == "lead-triage");
        (!reminds).then_some(())
    });

    around.deliver(&cast::customer_reply(1, &ours).build());
    let reply = daemon.settled("reply-1@example.com");
    daemon.eventually("nothing is waited for any more", || {
        let timers = daemon.rows(&["timers", "list"]);
        (!timers.iter().any(waits_for_an_answer)).then_some(())
    });
    the_chain_tells_it_all(daemon, &reply, &timer, &ours);
    assert_eq!(around.gone_out().len(), 1, "one enquiry, one answer");
    assert_eq!(around.sent().len(), 1, "one copy of it");
    assert_eq!(around.drafts().len(), 0);
    assert_eq!(around.touched(), 0, "the inbox is only read");
}

/// Whether a timer of `timers list` stands for a question of ours.
pub fn waits_for_an_answer(timer: &Value) -> bool {
    timer["plugin"] == "follow-up"
}

fn matched_as_a_stranger(why: &Value) {
    assert_eq!(text_at(why, "/match/outcome"), "unknown", "{why:#}");
    let evidence = why["match"]["evidence"].as_array();
    assert!(
        evidence.is_some_and(|list| !list.is_empty()),
        "a match without evidence: {why:#}"
    );
    assert_eq!(text_at(why, "/message/class"), "human");
    assert_eq!(text_at(why, "/message/authenticity"), "pass", "{why:#}");
}

fn the_lead(daemon: &Daemon) -> Value {
    let leads = daemon.rows(&["cases", "lead", "list"]);
    assert_eq!(leads.len(), 1, "{leads:#?}");
    let lead = leads[0].clone();
    let address = lead["fields"]["address"].to_string();
    assert!(address.contains("nora1@example.com"), "{lead:#}");
    assert_eq!(lead["state"], "Initial Phone Call");
    let tasks = daemon.rows(&["tasks", "list"]);
    let told = |task: &Value| task.to_string().contains("nora1@example.com");
    assert!(tasks.iter().any(told), "the owner was not told: {tasks:#?}");
    lead
}

/// Both holds as `holds list` tells of them, compared with what stands in the calendar.
fn two_holds(daemon: &Daemon, around: &dyn Surroundings) -> Vec<Value> {
    let holds = daemon.eventually("two holds are placed", || {
        let holds = daemon.rows(&["holds", "list"]);
        let placed = holds.iter().filter(|hold| hold["state"] == "placed");
        (placed.count() == 2).then_some(holds)
    });
    assert_eq!(holds.len(), 2, "{holds:#?}");
    let events = around.events();
    assert_eq!(events.len(), 2, "{events:#?}");
    assert_eq!(holds[0]["group"], holds[1]["group"]);
    assert_ne!(holds[0]["start"], holds[1]["start"]);
    for hold in &holds {
        let uid = text_at(hold, "/uid");
        assert_eq!(
            uid,
            format!("hold.{}@example.test", text_at(hold, "/id")),
            "the UID derives from the effect"
        );
        let event = events
            .iter()
            .map(|(_, text)| text.replace("\r\n ", ""))
            .find(|text| text.contains(&format!("UID:{uid}\r\n")))
            .unwrap_or_else(|| panic!("{uid} is not in the calendar: {events:#?}"));
        for line in [
            "STATUS:TENTATIVE\r\n",
            "TRANSP:OPAQUE\r\n",
            &format!("X-LIAISON-GROUP:{}\r\n", text_at(hold, "/group")),
            "X-LIAISON-EXPIRES:",
            "DTSTART;TZID=Europe/Berlin:",
            "BEGIN:VTIMEZONE\r\n",
        ] {
            assert!(event.contains(line), "no {line:?} in\n{event}");
        }
        for people in ["ATTENDEE", "ORGANIZER", "VALARM", "RRULE"] {
            assert!(!event.contains(people), "{people} in\n{event}");
        }
        assert_eq!(event.matches("BEGIN:VEVENT").count(), 1, "{event}");
        let local = |pointer: &str| {
            let at: Timestamp = text_at(hold, pointer).parse().expect("an instant");
            let zone = jiff::tz::TimeZone::get("Europe/Berlin").expect("a zone");
            at.to_zoned(zone).strftime("%Y%m%dT%H%M%S").to_string()
        };
        assert!(
            event.contains(&format!(
                "DTSTART;TZID=Europe/Berlin:{}\r\n",
                local("/start")
            )),
            "{event}"
        );
        assert!(
            text_at(hold, "/expires") < text_at(hold, "/start"),
            "{hold:#}"
        );
    }
    holds
}

/// The threading and the derived ids of the answer to the first enquiry.
fn answers_the_enquiry(mail: &Value, message: &[u8]) {
    let text = String::from_utf8_lossy(message);
    let one = |name: &str| header(message, name).unwrap_or_else(|| panic!("no {name} in\n{text}"));
    let id = text_at(mail, "/id");
    assert_eq!(
        text_at(mail, "/message_id"),
        format!("liaison.{id}@example.test")
    );
    assert_eq!(one("Message-ID"), format!("<liaison.{id}@example.test>"));
    assert_eq!(one("X-Liaison-Id"), id);
    assert_eq!(one("In-Reply-To"), "<enquiry-1@example.com>");
    assert_eq!(one("References"), "<enquiry-1@example.com>");
    assert_eq!(one("Subject"), "Re: Help with our warehouse system");
    assert!(one("To").contains("nora1@example.com"), "{text}");
    assert!(one("From").contains(ALICE), "{text}");
}

/// The answer names both times that are held, in the firm's zone.
fn offers(message: &[u8], holds: &[Value]) {
    let body = body_of(message);
    for hold in holds {
        let at: Timestamp = text_at(hold, "/start").parse().expect("an instant");
        let zone = jiff::tz::TimeZone::get("Europe/Berlin").expect("a zone");
        let at = at.to_zoned(zone);
        for part in ["%a %-d %B %Y", "%H:%M"] {
            let part = at.strftime(part).to_string();
            assert!(body.contains(&part), "no {part} of {at} in\n{body}");
        }
    }
}

/// Message, match, verdicts, effect, sent, waiting, and the reply that ended it.
fn the_chain_tells_it_all(daemon: &Daemon, reply: &Value, timer: &Value, ours: &str) {
    let follow_up = said_by(reply, "follow-up");
    let cancelled = verdict(follow_up, "cancel-timer");
    assert_eq!(cancelled["result"], "applied", "{follow_up:#}");
    let reason = cancelled["reasons"].to_string();
    assert!(reason.contains("answered"), "{reason}");
    assert!(
        text_at(timer, "/reason").contains("we asked nora1@example.com"),
        "{timer:#}"
    );

    let chain = daemon
        .why("enquiry-1@example.com")
        .unwrap_or_else(|| panic!("no why for the enquiry\n{}", daemon.transcript()));
    let thread = chain["thread"]["messages"].as_array();
    let thread: BTreeSet<&str> = thread
        .into_iter()
        .flatten()
        .filter_map(|message| message["message_id"].as_str())
        .collect();
    // As a set: servers know the time of arrival by the second, and a test is faster than that.
    let whole = BTreeSet::from(["enquiry-1@example.com", ours, "reply-1@example.com"]);
    assert_eq!(thread, whole, "{chain:#}");
    let mail = &chain["mails"][0];
    assert_eq!(mail["state"], "sent", "{chain:#}");
    let audit = mail["audit"].to_string();
    for step in ["leased", "sent"] {
        assert!(audit.contains(step), "no {step} in the audit: {audit}");
    }
    assert_eq!(chain["timers"], serde_json::json!([]), "{chain:#}");

    // The same in words, for people.
    let words = daemon.cli(["why", "enquiry-1@example.com"]);
    let words = String::from_utf8_lossy(&words.stdout).into_owned();
    for part in [
        "from nora1@example.com",
        "lead-triage",
        ": sent",
        "3 messages",
    ] {
        assert!(words.contains(part), "no {part:?} in\n{words}");
    }
}
