use super::*;
use crate::outbox::MailState;
use crate::outbox::absence::{AWAY_MS_MAX, Away, heed};
use crate::time::DAY_MS;
use crate::whereabouts::{Confidence, Place, Whereabouts};

fn mail(mode: MailMode, state: MailState) -> MailEffect {
    let mut scene = Scene::new();
    scene.modes.mail = mode;
    let decision = scene.decide(vec![proposal("mail", Action::Email(email()))]);
    let mut mail = mails(&decision)[0].effect.clone();
    mail.state = state;
    mail
}

fn facts<'a>(firm: &'a Firm, limits: &'a Limits) -> ScheduleFacts<'a> {
    let new_york = Whereabouts {
        places: vec![Place::Zone("America/New_York".to_owned())],
        confidence: Confidence::Recorded,
        how: "the time zone of the contact in the records".to_owned(),
    };
    ScheduleFacts {
        recheck: RecheckFacts {
            now: at(NOW),
            firm,
            limits,
            recipient: RecipientFacts {
                whereabouts: Some(new_york),
                ..RecipientFacts::default()
            },
            thread: Some(thread()),
            answered: Some(message("m1")),
            since: Since::Nothing,
            sent_last_hour: 0,
            through_login: Vec::new(),
            to_domain: Vec::new(),
        },
        automatic_times: Vec::new(),
        holds: Vec::new(),
        panic: None,
        unseen_answer: None,
    }
}

fn hold(state: &str, stands: bool, comes: bool) -> OfferedHold {
    OfferedHold {
        what: "the time Tuesday".to_owned(),
        state: state.to_owned(),
        stands,
        comes,
    }
}

/// It is Monday, ten in the morning in Berlin and four in New York.
#[test]
fn the_time_that_is_foretold_is_the_one_at_which_the_gates_let_it_go() {
    type Change = fn(&mut ScheduleFacts<'_>, &mut MailEffect);
    let rows: [(&str, Change, &str, &[&str]); 7] = [
        ("night there", |_, _| {}, "2026-03-02T13:00:00Z", &["night"]),
        (
            "said by the plugin",
            |_, m| m.not_before = at("2026-03-03T20:00:00Z"),
            "2026-03-04T13:00:00Z",
            &["not before", "outside business hours; night"],
        ),
        (
            "cap, then night",
            |f, _| f.recheck.recipient.mails = vec![at("2026-02-24T07:00:00Z")],
            "2026-03-03T13:00:00Z",
            &["frequency cap", "outside business hours; night"],
        ),
        (
            "one a day",
            |f, m| {
                m.exempt_from_cap = true;
                f.recheck.recipient.automatic = vec![at("2026-03-01T14:00:00Z")];
            },
            "2026-03-02T14:00:00Z",
            &["loop guard"],
        ),
        (
            "the ceiling of the hour is past by then",
            |f, _| f.automatic_times = vec![at(NOW); 60],
            "person",
            &[],
        ),
        (
            "a person's yes",
            |_, m| m.state = MailState::Approved,
            NOW,
            &[],
        ),
        ("a draft", |_, m| m.mode = MailMode::Draft, NOW, &[]),
    ];
    let (firm, limits) = (firm(), Limits::default());
    for (what, change, leaves, whys) in rows {
        let (mut facts, mut mail) = (
            facts(&firm, &limits),
            mail(MailMode::Send, MailState::Scheduled),
        );
        mail.not_before = at(NOW);
        change(&mut facts, &mut mail);
        let got = explain_schedule(&mail, &facts);
        match leaves {
            "person" => assert_eq!(got.leaves, Leaves::Person, "{what}: {got:?}"),
            time => {
                assert_eq!(got.leaves, Leaves::At(at(time)), "{what}: {got:?}");
                // The gates themselves agree, and not a moment sooner.
                let judged = as_judged(&mail);
                let mut look = facts.recheck.clone();
                look.now = at(time);
                assert_eq!(recheck(&judged, &look), Recheck::Go, "{what}");
                look.now = at(time).minus_millis(1);
                if !whys.is_empty() {
                    assert_ne!(recheck(&judged, &look), Recheck::Go, "{what}");
                }
            }
        }
        let said: Vec<&str> = got.waits.iter().map(|wait| wait.why.as_str()).collect();
        assert_eq!(said.len(), whys.len(), "{what}: {said:?}");
        for (said, part) in said.iter().zip(whys) {
            assert!(said.contains(part), "{what}: {part} is not in {said}");
        }
    }
}

#[test]
fn what_stands_between_a_mail_and_its_time_is_named() {
    let (firm, limits) = (firm(), Limits::default());
    let mut facts = facts(&firm, &limits);
    facts.holds = vec![hold("placed", true, false)];
    let got = explain_schedule(&mail(MailMode::Send, MailState::Scheduled), &facts);
    let find = |name: &str| {
        let found = got.depends.iter().find(|(one, _)| one == name);
        found.map(|(_, text)| text.clone()).unwrap_or_default()
    };
    for (name, part) in [
        ("not before", "Europe/Berlin (+01:00)"),
        ("our hours", "inside working hours"),
        (
            "recipient",
            "2026-03-02 04:00 America/New_York (-05:00); recorded: the time zone",
        ),
        ("quiet hours", "20:00-08:00 there, weekends there"),
        ("frequency cap", "0 of 1 mail(s) to the contact and 0 of 2"),
        ("automatic", "0 of 1 to the contact in 24 h, 0 of 60"),
        ("hold", "the time Tuesday is placed"),
        ("panic", "off"),
        ("undo delay", "none"),
    ] {
        assert!(find(name).contains(part), "{name}: {}", find(name));
    }
    let reasons = &got.waits[0].reasons;
    assert!(
        reasons
            .iter()
            .any(|one| one.contains("08:00 America/New_York")),
        "{reasons:?}"
    );
}

#[test]
fn every_state_says_what_is_to_come() {
    let (firm, limits) = (firm(), Limits::default());
    let send = MailMode::Send;
    for (mode, state, holds, leaves, part) in [
        (
            send,
            MailState::Held,
            vec![],
            Leaves::Person,
            "liaison outbox approve",
        ),
        (
            send,
            MailState::Sent,
            vec![],
            Leaves::Gone(at(NOW)),
            "went out",
        ),
        (send, MailState::Drafted, vec![], Leaves::Person, "Drafts"),
        (
            send,
            MailState::Failed,
            vec![],
            Leaves::Person,
            "outbox retry",
        ),
        (send, MailState::Rejected, vec![], Leaves::Never, "rejected"),
        (
            send,
            MailState::Proposed,
            vec![hold("planned", false, true)],
            Leaves::NotBefore(at("2026-03-02T13:00:00Z")),
            "its times in the calendar",
        ),
        (
            send,
            MailState::Proposed,
            vec![hold("lost", false, false)],
            Leaves::Never,
            "the time Tuesday is lost",
        ),
        (
            MailMode::Approve,
            MailState::Proposed,
            vec![hold("planned", false, true)],
            Leaves::Person,
            "then for a person's yes",
        ),
    ] {
        let mut facts = facts(&firm, &limits);
        facts.holds = holds;
        let mut mail = mail(mode, state.clone());
        mail.since = at(NOW);
        let got = explain_schedule(&mail, &facts);
        assert_eq!(got.leaves, leaves, "{state}: {got:?}");
        assert!(got.text.contains(part), "{state}: {}", got.text);
        let over = matches!(state, MailState::Sent | MailState::Rejected);
        assert_eq!(got.depends.is_empty(), over, "{state}: {:?}", got.depends);
    }
    let mut facts = facts(&firm, &limits);
    facts.panic = Some("on since 2026-03-02, by uid 7".to_owned());
    let got = explain_schedule(&mail(send, MailState::Scheduled), &facts);
    assert_eq!(got.leaves, Leaves::NotBefore(at("2026-03-02T13:00:00Z")));
    assert!(got.text.contains("liaison panic off"), "{}", got.text);
}

/// H-OOO.
#[test]
fn what_asks_again_waits_until_the_day_after_the_return() {
    let firm = firm();
    let now = at(NOW);
    // The sixteenth is a Monday, and so is today.
    let returns = at("2026-03-15T23:00:00Z");
    let plain = || {
        let mut mail = mail(MailMode::Send, MailState::Scheduled);
        mail.cancel_on_reply = true;
        mail.requires.clear();
        mail.not_before = now;
        mail
    };
    let heeded = heed(&plain(), returns, now, &firm.business);
    let tuesday = firm.business.next_slot(at("2026-03-17T00:00:00Z"));
    assert_eq!(heeded, Away::Until(tuesday));
    type Change = fn(&mut MailEffect);
    let changes: [Change; 7] = [
        |mail| mail.mode = MailMode::Approve,
        |mail| mail.cancel_on_reply = false,
        |mail| mail.requires = vec!["hold".into()],
        |mail| mail.state = MailState::Approved,
        |mail| mail.audience = Audience::Staff,
        |mail| mail.attempts = 1,
        |mail| mail.not_before = mail.not_before.plus_millis(30 * DAY_MS),
    ];
    for change in changes {
        let mut mail = plain();
        change(&mut mail);
        assert_eq!(heed(&mail, returns, now, &firm.business), Away::Nothing);
    }
    let far = now.plus_millis(AWAY_MS_MAX + 1);
    assert_eq!(heed(&plain(), far, now, &firm.business), Away::TooLong);
}
