use super::*;
use crate::whereabouts::{Confidence, Place, Whereabouts};

fn mail(mode: MailMode) -> MailEffect {
    let mut scene = Scene::new();
    scene.modes.mail = mode;
    let decision = scene.decide(vec![proposal("mail", Action::Email(email()))]);
    mails(&decision)[0].effect.clone()
}

fn facts(firm: &Firm) -> RecheckFacts<'_> {
    static LIMITS: std::sync::OnceLock<Limits> = std::sync::OnceLock::new();
    RecheckFacts {
        now: at(NOW),
        firm,
        limits: LIMITS.get_or_init(Limits::default),
        recipient: RecipientFacts::default(),
        thread: Some(thread()),
        answered: Some(message("m1")),
        since: Since::Nothing,
        sent_last_hour: 0,
        through_login: Vec::new(),
        to_domain: Vec::new(),
    }
}

fn said(result: &Recheck) -> (&'static str, String) {
    match result {
        Recheck::Go => ("go", String::new()),
        Recheck::Wait(until, why) => ("wait", format!("{until}: {why}")),
        Recheck::Hold(why) => ("hold", why.clone()),
        Recheck::Cancel(why) => ("cancel", why.clone()),
    }
}

#[test]
fn the_world_is_looked_at_again_before_a_mail_goes_out() {
    type Row = (
        &'static str,
        fn(&mut RecheckFacts<'_>, &mut MailEffect),
        &'static str,
        &'static str,
    );
    let rows: [Row; 30] = [
        ("all is well", |_, _| {}, "go", ""),
        (
            "staff mail goes at night",
            |f, m| {
                (f.now, m.audience) = (hours(12), crate::effect::Audience::Staff);
                f.sent_last_hour = 1_000;
            },
            "go",
            "",
        ),
        (
            "consent",
            |f, _| f.recipient.do_not_contact = true,
            "cancel",
            "do-not-contact",
        ),
        (
            "closed",
            |f, _| f.thread.as_mut().unwrap().closed = Some(closed()),
            "cancel",
            "closed by alice",
        ),
        (
            "closed, and a person says yes all the same",
            |f, m| {
                f.thread.as_mut().unwrap().closed = Some(closed());
                m.mode = MailMode::Approve;
            },
            "go",
            "",
        ),
        (
            "somebody answered while it was in a server's hands",
            |f, _| f.since = Since::Answer("bob wrote".to_owned()),
            "cancel",
            "bob wrote",
        ),
        (
            "a stranger wrote into the conversation",
            |f, _| f.since = Since::Aside("mallory wrote".to_owned()),
            "hold",
            "mallory wrote",
        ),
        (
            "a stranger wrote, and a person says yes all the same",
            |f, m| {
                f.since = Since::Aside("mallory wrote".to_owned());
                m.mode = MailMode::Approve;
            },
            "go",
            "",
        ),
        (
            "it goes out whoever answers",
            |f, m| {
                f.since = Since::Answer("bob wrote".to_owned());
                m.cancel_on_reply = false;
            },
            "go",
            "",
        ),
        (
            "left",
            |f, _| f.recipient.left = true,
            "cancel",
            "has left the company",
        ),
        (
            "undeliverable, also where a person writes",
            |f, m| {
                f.recipient.undeliverable = Some("it is undeliverable".to_owned());
                m.mode = MailMode::Draft;
            },
            "cancel",
            "it is undeliverable",
        ),
        (
            "its domain is stopped",
            |f, _| f.recipient.domain_stopped = Some("mails came back".to_owned()),
            "hold",
            "mails came back",
        ),
        (
            "its domain is stopped, and a person said yes",
            |f, m| {
                f.recipient.domain_stopped = Some("mails came back".to_owned());
                m.mode = MailMode::Approve;
            },
            "go",
            "",
        ),
        (
            "answered by us",
            |f, _| f.thread.as_mut().unwrap().last_human_outbound = Some(hours(0)),
            "cancel",
            "one of us has answered since",
        ),
        (
            "answered by them",
            |f, _| {
                f.answered = Some(ours("m1"));
                f.thread.as_mut().unwrap().last_human_inbound = Some(hours(0));
            },
            "cancel",
            "the counterpart has answered since",
        ),
        (
            "whatever is answered",
            |f, m| {
                m.cancel_on_reply = false;
                f.thread.as_mut().unwrap().last_human_outbound = Some(hours(0));
            },
            "go",
            "",
        ),
        (
            "contact cap",
            |f, _| f.recipient.mails = vec![hours(-24)],
            "wait",
            "2026-03-08T09:00:00Z: frequency cap",
        ),
        (
            "account cap",
            |f, _| f.recipient.account_mails = vec![hours(-24), hours(-48)],
            "wait",
            "2026-03-07T09:00:00Z: frequency cap",
        ),
        (
            "owed",
            |f, m| (f.recipient.mails, m.exempt_from_cap) = (vec![hours(-24)], true),
            "go",
            "",
        ),
        (
            "one automatic mail a day, owed or not",
            |f, m| (f.recipient.automatic, m.exempt_from_cap) = (vec![hours(-20)], true),
            "wait",
            "2026-03-02T13:00:00Z: loop guard: at most 1 automatic",
        ),
        (
            "the login had its mails of a minute, though a person said yes",
            |f, m| (f.through_login, m.mode) = (vec![hours(0); 30], MailMode::Approve),
            "wait",
            "2026-03-02T09:01:00Z: at most 30 mails a minute leave through `smtp`",
        ),
        (
            "the login had its mails of a day, staff mail included",
            |f, m| {
                f.through_login = vec![hours(-20); 500];
                m.audience = crate::effect::Audience::Staff;
            },
            "wait",
            "2026-03-02T13:00:00Z: at most 500 mails in 24 h leave through `smtp`",
        ),
        (
            "a draft does not leave through it",
            |f, m| (f.through_login, m.mode) = (vec![hours(0); 500], MailMode::Draft),
            "go",
            "",
        ),
        (
            "one organisation had its mails of a day",
            |f, _| f.to_domain = vec![hours(-23); 100],
            "wait",
            "2026-03-02T10:00:00Z: at most 100 mails in 24 h go to the organisation of",
        ),
        (
            "just under all of them",
            |f, _| {
                f.through_login = vec![hours(-2); 499];
                f.to_domain = vec![hours(-2); 99];
            },
            "go",
            "",
        ),
        (
            "no ceiling",
            |f, _| {
                static NONE: std::sync::OnceLock<Limits> = std::sync::OnceLock::new();
                f.limits = NONE.get_or_init(|| Limits {
                    login_mails_per_minute: 0,
                    login_mails_per_day: 0,
                    domain_mails_per_day: 0,
                    ..Limits::default()
                });
                f.through_login = vec![hours(0); 5_000];
                f.to_domain = vec![hours(0); 5_000];
            },
            "go",
            "",
        ),
        (
            "yesterday's",
            |f, _| f.recipient.automatic = vec![hours(-24)],
            "go",
            "",
        ),
        (
            "the thread is ours alone",
            |f, _| f.thread.as_mut().unwrap().automatic_since_human = 3,
            "hold",
            "3 automatic mails in this thread",
        ),
        (
            "breaker",
            |f, _| f.sent_last_hour = 60,
            "hold",
            "circuit breaker: 60 automatic",
        ),
        (
            "evening",
            |f, _| f.now = at("2026-03-02T16:00:00Z"),
            "wait",
            "2026-03-03T08:00:00Z: outside business hours",
        ),
    ];
    let firm = firm();
    for (what, change, result, part) in rows {
        let (mut facts, mut mail) = (facts(&firm), mail(MailMode::Send));
        change(&mut facts, &mut mail);
        let (got, why) = said(&recheck(&mail, &facts));
        assert_eq!(got, result, "{what}: {why}");
        assert!(why.contains(part), "{what}: {why}");
    }
}

#[test]
fn a_person_decides_about_hour_and_number_but_not_about_consent() {
    let firm = firm();
    for mode in [MailMode::Draft, MailMode::Approve] {
        let mut at_night = facts(&firm);
        at_night.now = hours(12);
        at_night.recipient.automatic = vec![hours(-1)];
        at_night.sent_last_hour = 1_000;
        at_night.thread.as_mut().unwrap().automatic_since_human = 9;
        assert_eq!(recheck(&mail(mode), &at_night), Recheck::Go, "{mode:?}");
        at_night.recipient.do_not_contact = true;
        let (got, _) = said(&recheck(&mail(mode), &at_night));
        assert_eq!(got, "cancel", "{mode:?}");
    }
}

fn in_new_york() -> Option<Whereabouts> {
    Some(Whereabouts {
        places: vec![Place::Zone("America/New_York".to_owned())],
        confidence: Confidence::Recorded,
        how: "the time zone of the contact in the records".to_owned(),
    })
}

/// NOW is ten in the morning in Berlin.
#[test]
fn no_machine_writes_to_somebody_for_whom_it_is_four_in_the_morning() {
    let firm = firm();
    let mut facts = facts(&firm);
    facts.recipient.whereabouts = in_new_york();
    let (got, why) = said(&recheck(&mail(MailMode::Send), &facts));
    assert_eq!(got, "wait", "{why}");
    assert!(why.starts_with("2026-03-02T13:00:00Z: night"), "{why}");
    assert!(why.contains("America/New_York"), "{why}");
    facts.now = at("2026-03-02T13:00:00Z");
    assert_eq!(recheck(&mail(MailMode::Send), &facts), Recheck::Go);
}

#[test]
fn what_a_person_approved_waits_for_the_recipients_day_only_where_that_is_configured() {
    let mut firm = firm();
    for (configured, result) in [(false, "go"), (true, "wait")] {
        firm.quiet.approved = configured;
        let mut facts = facts(&firm);
        facts.recipient.whereabouts = in_new_york();
        let (got, why) = said(&recheck(&mail(MailMode::Approve), &facts));
        assert_eq!(got, result, "{why}");
        // Our own hours never hold back what one of us released, and a draft disturbs nobody.
        facts.now = at("2026-03-02T22:00:00Z");
        assert_eq!(recheck(&mail(MailMode::Approve), &facts), Recheck::Go);
        facts.now = at("2026-03-02T09:00:00Z");
        assert_eq!(recheck(&mail(MailMode::Draft), &facts), Recheck::Go);
    }
}
