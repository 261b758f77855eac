use super::*;
use crate::outbox::MailState;

type Change = fn(&mut Scene, &mut EmailProposal);

fn check(rows: &[(&str, Change, &str, &str)]) {
    for (what, change, result, part) in rows {
        let (mut scene, mut mail) = (Scene::new(), email());
        change(&mut scene, &mut mail);
        let decision = scene.decide(vec![proposal("mail", Action::Email(mail))]);
        expect(what, &decision, (result, part));
        let planned = usize::from(["effect", "deferred"].contains(result));
        assert_eq!(mails(&decision).len(), planned, "{what}");
    }
}

#[test]
fn one_mail_has_one_recipient() {
    check(&[
        (
            "a copy",
            |_, m| m.cc = vec![plain(SAM)],
            "refused",
            "copies (cc) are not granted",
        ),
        (
            "several",
            |_, m| m.to = vec![plain(ALICE), plain("bob@example.com")],
            "refused",
            "it names 2 recipients",
        ),
        (
            "nobody",
            |_, m| m.in_reply_to = None,
            "refused",
            "neither a recipient nor a message",
        ),
        (
            "an unknown message",
            |_, m| m.in_reply_to = Some("m9".into()),
            "refused",
            "it answers m9, a message not known here",
        ),
        (
            "no address",
            |_, m| m.to = vec![plain("alice")],
            "refused",
            "alice",
        ),
        (
            "no sender",
            |s, _| {
                s.answering(MessageRecord {
                    from: None,
                    ..message("m1")
                })
            },
            "refused",
            "no readable sender address",
        ),
        (
            "only inside",
            |s, _| {
                s.answering(MessageRecord {
                    to: vec![person(SAM)],
                    ..ours("m1")
                })
            },
            "refused",
            "the message went to nobody outside",
        ),
        (
            "named",
            |_, m| m.to = vec![plain("Alice@EXAMPLE.com")],
            "effect",
            "",
        ),
    ]);
}

/// Whom a mail goes to, and what of the mode is left.
#[test]
fn answers_go_to_from_unless_reply_to_is_of_the_same_organisation_or_from_a_robots() {
    let from = |from: &str, reply_to: &[&str]| MessageRecord {
        from: Some(person(from)),
        reply_to: reply_to.iter().map(|to| person(to)).collect(),
        ..message("m1")
    };
    let rows = [
        ("from", from(ALICE, &[]), ALICE, MailMode::Send),
        (
            "same organisation",
            from(ALICE, &["desk@mail.example.com"]),
            "desk@mail.example.com",
            MailMode::Send,
        ),
        (
            "a stranger's reply-to",
            from(ALICE, &["eve@example.org"]),
            ALICE,
            MailMode::Send,
        ),
        ("sent by us", ours("m1"), ALICE, MailMode::Send),
    ];
    for (what, record, to, mode) in rows {
        let mut scene = Scene::new();
        scene.answering(record);
        let decision = scene.decide(vec![proposal("mail", Action::Email(email()))]);
        let planned = mails(&decision);
        let effect = &planned
            .first()
            .unwrap_or_else(|| panic!("{what}: {decision:?}"))
            .effect;
        assert_eq!(
            (effect.recipient.as_str(), effect.mode),
            (to, mode),
            "{what}"
        );
        assert_eq!(effect.subject_line, "Re: Booking system");
    }
    // A web form: the person behind it stands in Reply-To only.
    let mut scene = Scene::new();
    scene.answering(from("no-reply@forms.example.org", &["carol@example.net"]));
    let decision = scene.decide(vec![proposal("mail", Action::Email(email()))]);
    let reasons = word(&decision.verdicts[0]).1;
    assert_eq!(
        mails(&decision)[0].effect.mode,
        MailMode::Draft,
        "{reasons}"
    );
    assert!(
        reasons.contains("draft instead of send: no-reply@forms.example.org"),
        "{reasons}"
    );
}

#[test]
fn recipients_stay_within_the_scope_of_the_manifest() {
    let bob = "bob@example.com";
    for (scope, of_account, result) in [
        ("thread", false, "refused"),
        ("thread", true, "refused"),
        ("account", false, "refused"),
        ("account", true, "effect"),
        ("any", false, "effect"),
    ] {
        let (mut scene, mut mail) = (Scene::new(), email());
        scene.manifest["proposals"]["email"]["recipients"] = json!(scope);
        scene
            .recipients
            .entry(bob.to_owned())
            .or_default()
            .of_account = of_account;
        mail.to = vec![plain(bob)];
        let decision = scene.decide(vec![proposal("mail", Action::Email(mail))]);
        let part = format!("bob@example.com is outside `recipients = \"{scope}\"`");
        expect(
            scope,
            &decision,
            (result, if result == "refused" { &part } else { "" }),
        );
    }
}

#[test]
fn automatic_mail_is_never_answered() {
    for class in [
        "auto_reply",
        "ooo",
        "bounce",
        "list",
        "bulk",
        "auto_generated",
        "calendar",
    ] {
        let mut scene = Scene::new();
        scene.answering(MessageRecord {
            class: class.to_owned(),
            ..message("m1")
        });
        let decision = scene.decide(vec![proposal("mail", Action::Email(email()))]);
        expect(class, &decision, ("refused", &format!("of class {class}")));
        // Nor in its thread, to somebody else, or of its own accord.
        let mut aside = email();
        (aside.in_reply_to, aside.to) = (None, vec![plain(ALICE)]);
        let decision = scene.decide(vec![proposal("mail", Action::Email(aside))]);
        expect(
            class,
            &decision,
            ("refused", "never answers automatic mail"),
        );
    }
    check(&[
        (
            "a header forbids it",
            |s, _| {
                s.answering(MessageRecord {
                    no_automatic_answer: true,
                    ..message("m1")
                })
            },
            "refused",
            "says that no machine may answer it",
        ),
        (
            "history",
            |s, _| {
                s.answering(MessageRecord {
                    historical: true,
                    ..message("m1")
                })
            },
            "refused",
            "from before the first start",
        ),
        (
            "several senders",
            |s, _| {
                s.answering(MessageRecord {
                    from_count: 2,
                    ..message("m1")
                })
            },
            "refused",
            "several From addresses",
        ),
        (
            "nobody reads it",
            |s, _| {
                let from = Some(person("no-reply@example.com"));
                s.answering(MessageRecord {
                    from,
                    ..message("m1")
                });
            },
            "refused",
            "nobody reads mail to no-reply@example.com",
        ),
        (
            "ourselves",
            |s, m| {
                s.manifest["proposals"]["email"]["recipients"] = json!("any");
                m.to = vec![plain("sam.private@example.org")];
            },
            "refused",
            "is one of our own addresses",
        ),
        (
            "our own domain",
            |_, m| m.to = vec![plain(SAM)],
            "refused",
            "our own addresses",
        ),
    ]);
}

/// A timer or a settled effect carries the class of the message that it stems from.
#[test]
fn no_machine_is_answered_by_way_of_a_timer() {
    let of = |change: fn(&mut MessageRecord)| {
        let mut record = message("m0");
        change(&mut record);
        record
    };
    let rows = [
        ("a person", of(|_| {}), "effect", ""),
        ("mail of ours", ours("m0"), "effect", ""),
        (
            "a machine",
            of(|m| m.class = "auto_reply".to_owned()),
            "refused",
            "the message that this stems from is of class auto_reply",
        ),
        (
            "an absence",
            of(|m| m.class = "ooo".to_owned()),
            "refused",
            "never answers automatic mail",
        ),
        (
            "a header forbids it",
            of(|m| m.no_automatic_answer = true),
            "refused",
            "stems from says that no machine may answer it",
        ),
        (
            "several senders",
            of(|m| m.from_count = 2),
            "refused",
            "several From addresses",
        ),
    ];
    for (what, origin, result, part) in rows {
        let mut scene = Scene::new();
        (scene.trigger, scene.origin) = (None, Some(origin.clone()));
        // Of its own accord, to a party of the thread: nothing is answered that could be looked at.
        let mut aside = email();
        (aside.in_reply_to, aside.to) = (None, vec![plain(ALICE)]);
        let decision = scene.decide(vec![proposal("mail", Action::Email(aside))]);
        expect(what, &decision, (result, part));
        let decision = scene.decide(vec![proposal("hold", Action::Hold(hold()))]);
        let held = origin.is_human();
        assert_eq!(holds(&decision).len(), usize::from(held), "{what}");
    }
}

/// The worse of both senders counts: who set it off, and who is answered.
#[test]
fn mode_send_needs_pass_of_whoever_set_it_off_and_of_whoever_is_answered() {
    let send = Some(MailMode::Send);
    let draft = Some(MailMode::Draft);
    let rows = [
        ("pass", "pass", send),
        ("pass", "none", draft),
        ("pass", "unknown", draft),
        ("pass", "fail", None),
        ("none", "pass", draft),
        ("none", "none", draft),
        ("none", "unknown", draft),
        ("none", "fail", None),
        ("unknown", "pass", draft),
        ("unknown", "none", draft),
        ("unknown", "fail", None),
        ("fail", "pass", None),
        ("fail", "none", None),
        ("fail", "fail", None),
        ("a word of tomorrow", "pass", draft),
    ];
    for (set_off, answered, mode) in rows {
        let mut scene = Scene::new();
        scene.authenticity = set_off;
        scene.answered.insert(
            "m1".into(),
            MessageRecord {
                authenticity: answered.to_owned(),
                ..message("m1")
            },
        );
        let decision = scene.decide(vec![proposal("mail", Action::Email(email()))]);
        let got = mails(&decision).first().map(|mail| mail.effect.mode);
        assert_eq!(got, mode, "{set_off} {answered}");
        let worst = if [set_off, answered].contains(&"unknown") {
            "`unknown`"
        } else {
            ""
        };
        let reasons = word(&decision.verdicts[0]).1;
        assert!(
            mode != draft || reasons.contains(worst),
            "{set_off} {answered}: {reasons}"
        );
    }
}

/// Whom a stranger names, a stranger does not make a recipient.
#[test]
fn nobody_is_written_to_because_a_stranger_named_them() {
    let victim = "victim@example.org";
    let named = |change: fn(&mut MessageRecord)| {
        let mut record = message("m1");
        change(&mut record);
        record
    };
    let rows: [(&str, MessageRecord, Option<MailMode>); 5] = [
        (
            "to",
            named(|m| m.to.push(person("victim@example.org"))),
            None,
        ),
        (
            "cc",
            named(|m| m.cc.push(person("victim@example.org"))),
            None,
        ),
        (
            "reply-to",
            named(|m| m.reply_to.push(person("victim@example.org"))),
            Some(MailMode::Draft),
        ),
        (
            "sender",
            named(|m| m.from = Some(person("victim@example.org"))),
            Some(MailMode::Send),
        ),
        (
            "written to by us",
            MessageRecord {
                cc: vec![person(victim)],
                ..ours("m1")
            },
            Some(MailMode::Send),
        ),
    ];
    for (what, record, mode) in rows {
        let (mut scene, mut mail) = (Scene::new(), email());
        scene.answering(record);
        mail.to = vec![plain(victim)];
        let decision = scene.decide(vec![proposal("mail", Action::Email(mail))]);
        let got = mails(&decision).first().map(|mail| mail.effect.mode);
        assert_eq!(got, mode, "{what}: {decision:?}");
    }
}

/// H-CAP counts people: all addresses of a contact are one.
#[test]
fn two_addresses_of_one_contact_share_one_cap() {
    let mut scene = Scene::new();
    scene.modes.mail = MailMode::Draft;
    scene.manifest["proposals"]["email"]["recipients"] = json!("any");
    let one = ["bob@example.com", "bob@private.example"];
    for address in one {
        let known = scene.recipients.entry(address.to_owned()).or_default();
        known.same_as = ["contact:bob".to_owned()].into();
        known.accounts = [AccountId::from("acme")].into();
    }
    let cat = scene
        .recipients
        .entry("cat@beta.example".to_owned())
        .or_default();
    cat.accounts = [AccountId::from("beta")].into();
    let to = |address: &str| {
        let mut mail = email();
        mail.to = vec![plain(address)];
        proposal(address, Action::Email(mail))
    };
    let list = [one[0], one[1], "cat@beta.example"].map(to).into();
    let decision = scene.decide(list);
    let words: Vec<_> = decision.verdicts.iter().map(|v| word(v).0).collect();
    assert_eq!(words, ["effect", "deferred", "effect"]);
    // Beta's ledger is beta's, whatever account the event belongs to.
    let cat = scene.recipients.get_mut("cat@beta.example").unwrap();
    cat.account_mails = vec![hours(-1); 2];
    let decision = scene.decide(vec![to("cat@beta.example")]);
    expect("beta", &decision, ("deferred", "2 mails to an account"));
}

#[test]
fn consent_and_what_people_did_meanwhile_come_before_every_mode() {
    check(&[
        (
            "consent",
            |s, _| s.known().do_not_contact = true,
            "refused",
            "marked do-not-contact",
        ),
        (
            "left",
            |s, _| s.known().left = true,
            "refused",
            "has left the company",
        ),
        (
            "we answered",
            |s, _| {
                s.thread = Some(ThreadRecord {
                    last_human_outbound: Some(hours(0)),
                    ..thread()
                });
            },
            "refused",
            "one of us has answered since",
        ),
        (
            "we wrote before",
            |s, _| {
                s.thread = Some(ThreadRecord {
                    last_human_outbound: Some(hours(-2)),
                    ..thread()
                });
            },
            "effect",
            "",
        ),
        (
            "they answered",
            |s, _| {
                s.answering(ours("m1"));
                s.thread = Some(ThreadRecord {
                    last_human_inbound: Some(hours(0)),
                    ..thread()
                });
            },
            "refused",
            "the counterpart has answered since",
        ),
        (
            "they wrote before",
            |s, _| {
                s.answering(ours("m1"));
                s.thread = Some(ThreadRecord {
                    last_human_inbound: Some(hours(-2)),
                    ..thread()
                });
            },
            "effect",
            "",
        ),
        (
            "a liar",
            |s, _| s.authenticity = "fail",
            "refused",
            "authenticity check failed",
        ),
        (
            "many attachments",
            |_, m| m.attach = vec!["nda".to_owned(); 6],
            "refused",
            "more than 5 attachments",
        ),
    ]);
}

#[test]
fn the_mode_decides_what_becomes_of_a_mail() {
    check(&[
        (
            "off",
            |s, _| s.modes.mail = MailMode::Off,
            "refused",
            "mail of this plugin is off",
        ),
        (
            "rehearse",
            |s, _| s.modes.mail = MailMode::Rehearse,
            "rehearsed",
            "would write to alice@example.com",
        ),
        (
            "notify",
            |s, _| s.modes.mail = MailMode::Notify,
            "applied",
            "a task tells",
        ),
        (
            "no route",
            |s, _| s.route = None,
            "refused",
            "the mailbox has no transport",
        ),
        (
            "no transport",
            |s, _| s.route.as_mut().unwrap().transport = "".into(),
            "refused",
            "the mailbox has no transport",
        ),
        (
            "drafts need no transport",
            |s, _| {
                s.modes.mail = MailMode::Draft;
                s.route.as_mut().unwrap().transport = "".into();
            },
            "effect",
            "",
        ),
        (
            "drafts need a place",
            |s, _| {
                s.modes.mail = MailMode::Draft;
                s.route.as_mut().unwrap().drafts = false;
            },
            "refused",
            "no Drafts mailbox",
        ),
    ]);
    let states = [
        (
            MailMode::Draft,
            "pass",
            MailMode::Draft,
            MailState::Scheduled,
        ),
        (
            MailMode::Approve,
            "unknown",
            MailMode::Approve,
            MailState::Held,
        ),
        (MailMode::Send, "pass", MailMode::Send, MailState::Scheduled),
        (
            MailMode::Send,
            "none",
            MailMode::Draft,
            MailState::Scheduled,
        ),
        (
            MailMode::Send,
            "unknown",
            MailMode::Draft,
            MailState::Scheduled,
        ),
    ];
    for (mode, authenticity, becomes, state) in states {
        let mut scene = Scene::new();
        (scene.modes.mail, scene.authenticity) = (mode, authenticity);
        let decision = scene.decide(vec![proposal("mail", Action::Email(email()))]);
        let effect = &mails(&decision)[0].effect;
        assert_eq!(
            (effect.mode, &effect.state),
            (becomes, &state),
            "{mode:?} {authenticity}"
        );
        let reasons = word(&decision.verdicts[0]).1;
        let said = reasons.contains("draft instead of send: the sender's authenticity");
        assert_eq!(
            said,
            mode == MailMode::Send && authenticity != "pass",
            "{reasons}"
        );
    }
}

#[test]
fn mode_notify_lays_the_text_before_our_person() {
    let mut scene = Scene::new();
    scene.modes.mail = MailMode::Notify;
    let decision = scene.decide(vec![proposal("mail", Action::Email(email()))]);
    let [Plan::Task(task)] = decision.plans.as_slice() else {
        panic!("{decision:?}");
    };
    assert_eq!(
        (task.title.as_str(), task.body.as_str()),
        ("Write to alice@example.com", "Hello Alice")
    );
    assert_eq!(
        (task.notification, task.owner.as_deref()),
        (true, Some(SAM))
    );
}

#[test]
fn a_mail_waits_for_the_holds_that_it_offers_and_falls_with_them() {
    let mut offering = email();
    offering.requires = vec!["one".to_owned(), "two".to_owned()];
    let list = |second: HoldProposal| {
        // The mail stands first: the order of an answer does not matter.
        vec![
            proposal("mail", Action::Email(offering.clone())),
            proposal("one", Action::Hold(hold())),
            proposal("two", Action::Hold(second)),
        ]
    };
    let decision = Scene::new().decide(list(hold()));
    let ids: Vec<_> = holds(&decision)
        .iter()
        .map(|hold| hold.id.clone())
        .collect();
    let effect = &mails(&decision)[0].effect;
    assert_eq!((ids.len(), &effect.requires), (2, &ids));
    assert_eq!(effect.state, MailState::Proposed);
    let labels: Vec<_> = decision.verdicts.iter().map(|v| v.label.as_str()).collect();
    assert_eq!(labels, ["mail", "one", "two"]);

    let past = Window {
        start: hours(-2),
        end: hours(-1),
    };
    let decision = Scene::new().decide(list(HoldProposal {
        when: past,
        ..hold()
    }));
    let (result, reasons) = word(&decision.verdicts[0]);
    assert_eq!(result, "refused");
    assert!(
        reasons.contains("the hold `two`, which was not accepted"),
        "{reasons}"
    );
    // A time that no mail offers is not held either.
    assert_eq!((mails(&decision).len(), holds(&decision).len()), (0, 0));
}

/// A mail that cannot be rendered takes the times with it that only it would offer.
#[test]
fn a_mail_taken_back_gives_up_the_holds_that_nobody_else_offers() {
    let offering = |label: &str, requires: &[&str]| {
        let mut mail = email();
        mail.requires = requires.iter().map(|&hold| hold.to_owned()).collect();
        proposal(label, Action::Email(mail))
    };
    let mut scene = Scene::new();
    scene.limits.contact_mails_per_week = 9;
    let mut decision = scene.decide(vec![
        proposal("own", Action::Hold(hold())),
        proposal("both", Action::Hold(hold())),
        proposal("free", Action::Hold(hold())),
        offering("one", &["own", "both"]),
        offering("two", &["both"]),
    ]);
    assert_eq!((mails(&decision).len(), holds(&decision).len()), (2, 3));
    let ids: Vec<_> = mails(&decision)
        .iter()
        .map(|mail| mail.effect.id.clone())
        .collect();
    decision.refuse_mail(&ids[0], "the template has a mistake");
    let labels: Vec<_> = holds(&decision)
        .iter()
        .map(|h| h.cause.label.as_str())
        .collect();
    assert_eq!(labels, ["both", "free"]);
    let left: Vec<_> = mails(&decision)
        .iter()
        .map(|m| m.effect.cause.label.as_str())
        .collect();
    assert_eq!(left, ["two"]);
    let words: Vec<_> = decision.verdicts.iter().map(|v| word(v).0).collect();
    assert_eq!(words, ["refused", "effect", "effect", "refused", "effect"]);
    let reasons = word(&decision.verdicts[3]).1;
    assert!(reasons.contains("the template has a mistake"), "{reasons}");
    decision.refuse_mail(&ids[1], "nor has this one");
    assert_eq!((mails(&decision).len(), holds(&decision).len()), (0, 1));
}

#[test]
fn the_frequency_cap_defers_and_says_until_when() {
    type Row = (
        &'static str,
        fn(&mut Scene),
        Option<&'static str>,
        &'static str,
    );
    let rows: [Row; 5] = [
        (
            "contact",
            |s| s.known().mails = vec![at("2026-02-28T09:00:00Z")],
            Some("2026-03-09T08:00:00Z"),
            "at most 1 mail(s) to a contact in 7 days",
        ),
        (
            "account",
            |s| s.known().account_mails = vec![at("2026-02-25T10:00:00Z"), hours(-1)],
            Some("2026-03-04T10:00:00Z"),
            "at most 2 mails to an account in 7 days",
        ),
        (
            "one mail to the account",
            |s| s.known().account_mails = vec![hours(-1)],
            None,
            "",
        ),
        (
            "a week ago",
            |s| s.known().mails = vec![at("2026-02-23T09:00:00Z")],
            None,
            "",
        ),
        (
            "owed",
            |s| {
                s.manifest["proposals"]["email"]["purpose"] = json!("notice");
                s.known().mails = vec![hours(-1)];
                s.known().account_mails = vec![hours(-1); 5];
            },
            None,
            "",
        ),
    ];
    for (what, change, due, part) in rows {
        let mut scene = Scene::new();
        change(&mut scene);
        let decision = scene.decide(vec![proposal("mail", Action::Email(email()))]);
        let result = if due.is_some() { "deferred" } else { "effect" };
        expect(what, &decision, (result, part));
        let effect = &mails(&decision)[0].effect;
        assert_eq!(effect.not_before, due.map_or(at(NOW), at), "{what}");
        assert_eq!(effect.state == MailState::Deferred, due.is_some(), "{what}");
    }
}

#[test]
fn mails_of_one_answer_count_against_each_other() {
    let mut scene = Scene::new();
    scene.modes.mail = MailMode::Draft;
    let list = vec![
        proposal("one", Action::Email(email())),
        proposal("two", Action::Email(email())),
    ];
    let decision = scene.decide(list);
    assert_eq!(word(&decision.verdicts[0]).0, "effect");
    expect(
        "the second",
        &decision,
        ("deferred", "deferred to 2026-03-09T09:00:00Z"),
    );

    // Three contacts of one account: the account's cap holds as well.
    scene.manifest["proposals"]["email"]["recipients"] = json!("any");
    let to = |name: &str| {
        let mut mail = email();
        mail.to = vec![plain(&format!("{name}@example.com"))];
        proposal(name, Action::Email(mail))
    };
    let decision = scene.decide(["ann", "bob", "cat"].map(to).into());
    let words: Vec<_> = decision.verdicts.iter().map(|v| word(v).0).collect();
    assert_eq!(words, ["effect", "effect", "deferred"]);
}

/// AC-H5, at the desk: the second of two plugins finds the first one's draft in the ledger.
#[test]
fn with_cap_one_the_second_plugin_is_dated_later_and_not_dropped() {
    let mut scene = Scene::new();
    scene.modes.mail = MailMode::Draft;
    let first = scene.decide(vec![proposal("mail", Action::Email(email()))]);
    scene.known().mails = vec![mails(&first)[0].effect.not_before];
    let second = scene.decide(vec![proposal("other", Action::Email(email()))]);
    expect(
        "the second",
        &second,
        ("deferred", "frequency cap: at most 1 mail(s)"),
    );
    let effect = &mails(&second)[0].effect;
    assert_eq!(
        (effect.mode, &effect.state),
        (MailMode::Draft, &MailState::Deferred)
    );
    assert_eq!(effect.not_before, at("2026-03-09T09:00:00Z"));
}

#[test]
fn only_what_is_sent_waits_for_business_hours() {
    let night = at("2026-03-06T20:00:00Z"); // a Friday evening
    let monday = at("2026-03-09T08:00:00Z");
    for (mode, due) in [
        (MailMode::Send, monday),
        (MailMode::Draft, night),
        (MailMode::Approve, night),
    ] {
        let mut scene = Scene::new();
        (scene.modes.mail, scene.now) = (mode, night);
        let decision = scene.decide(vec![proposal("mail", Action::Email(email()))]);
        assert_eq!(mails(&decision)[0].effect.not_before, due, "{mode:?}");
        let said = word(&decision.verdicts[0])
            .1
            .contains("waits for business hours");
        assert_eq!(said, mode == MailMode::Send);
        // Waiting for the morning is no deferral by the cap, whatever the plugin calls it.
        assert_ne!(mails(&decision)[0].effect.state, MailState::Deferred);
    }
    let (mut scene, mut mail) = (Scene::new(), email());
    mail.not_before = Some(at("2026-03-04T22:00:00Z"));
    scene.modes.mail = MailMode::Send;
    let mut one = proposal("mail", Action::Email(mail));
    one.reason = "deferred to Thursday by the plugin".to_owned();
    let decision = scene.decide(vec![one]);
    let effect = &mails(&decision)[0].effect;
    assert_eq!(effect.not_before, at("2026-03-05T08:00:00Z"));
    assert_eq!(effect.state, MailState::Scheduled);
}

#[test]
fn what_arrived_before_a_restore_is_answered_by_a_person() {
    for (restored, becomes) in [
        (None, MailMode::Send),
        (Some(hours(-2)), MailMode::Send),
        (Some(hours(0)), MailMode::Draft),
    ] {
        let mut scene = Scene::new();
        (scene.modes.mail, scene.authenticity) = (MailMode::Send, "pass");
        scene.restored = restored;
        let decision = scene.decide(vec![proposal("mail", Action::Email(email()))]);
        assert_eq!(mails(&decision)[0].effect.mode, becomes, "{restored:?}");
        let reasons = word(&decision.verdicts[0]).1;
        let said = reasons.contains("restored from a backup");
        assert_eq!(said, becomes == MailMode::Draft, "{reasons}");
    }
}

/// pitfalls.md row 47: what only a form, a forwarded message or a text names gets no automatic mail.
#[test]
fn nothing_leaves_by_itself_where_whom_it_is_about_is_a_guess() {
    use crate::account::matching::{Evidence, Kind, Match, MatchOutcome};
    let rows = [
        (Kind::Address, 100, MailMode::Send),
        (Kind::Thread, 95, MailMode::Send),
        (Kind::Decided, 98, MailMode::Send),
        (Kind::ParentDomain, 70, MailMode::Send),
        (Kind::Forwarded, 60, MailMode::Draft),
        (Kind::ListRewritten, 60, MailMode::Draft),
        (Kind::EventUid, 60, MailMode::Draft),
        (Kind::ForwardedHeader, 50, MailMode::Draft),
        (Kind::FormReplyTo, 50, MailMode::Draft),
        (Kind::ForwardedText, 30, MailMode::Draft),
        (Kind::FormBody, 20, MailMode::Draft),
    ];
    for (kind, confidence, mode) in rows {
        let mut scene = Scene::new();
        scene.matched = Match {
            outcome: MatchOutcome::Account,
            account: Some("acme".into()),
            confidence,
            evidence: vec![
                Evidence::new(kind, "the reason that decides"),
                Evidence::new(Kind::Address, "another"),
            ],
            ..scene.matched
        };
        let decision = scene.decide(vec![proposal("mail", Action::Email(email()))]);
        let reasons = word(&decision.verdicts[0]).1;
        assert_eq!(kind.most(), confidence, "{kind:?}");
        assert_eq!(mails(&decision)[0].effect.mode, mode, "{kind:?}: {reasons}");
        let told = reasons.contains("candidate only (the reason that decides)");
        assert_eq!(told, mode == MailMode::Draft, "{kind:?}: {reasons}");
    }
}

#[test]
fn an_address_that_may_stand_in_a_text_only_gets_no_automatic_mail() {
    let dora = "dora@example.org";
    for (what, recorded, of_account, mode) in [
        ("nobody knows it", false, false, MailMode::Draft),
        ("a contact of another account", true, false, MailMode::Send),
        ("a contact of the account", false, true, MailMode::Send),
    ] {
        let (mut scene, mut mail) = (Scene::new(), email());
        scene.manifest["proposals"]["email"]["recipients"] = json!("any");
        let known = scene.recipients.entry(dora.to_owned()).or_default();
        (known.recorded, known.of_account) = (recorded, of_account);
        mail.to = vec![plain(dora)];
        let decision = scene.decide(vec![proposal("mail", Action::Email(mail))]);
        let reasons = word(&decision.verdicts[0]).1;
        assert_eq!(mails(&decision)[0].effect.mode, mode, "{what}: {reasons}");
    }
}

/// A proven look-alike is still a look-alike: its own valid signature sends nothing.
#[test]
fn a_warned_sender_gets_a_draft_at_most() {
    for (mode, becomes) in [
        (MailMode::Send, MailMode::Draft),
        (MailMode::Approve, MailMode::Approve),
        (MailMode::Draft, MailMode::Draft),
    ] {
        for of in ["trigger", "origin", "answered"] {
            let mut scene = Scene::new();
            scene.modes.mail = mode;
            let doubtful = message("m2");
            match of {
                "trigger" => scene.trigger = Some(doubtful),
                "origin" => (scene.trigger, scene.origin) = (None, Some(doubtful)),
                _ => scene.answered = [("m1".into(), doubtful)].into(),
            }
            scene.warnings = [("m2".into(), "it looks like example.com".to_owned())].into();
            let decision = scene.decide(vec![proposal("mail", Action::Email(email()))]);
            assert_eq!(mails(&decision)[0].effect.mode, becomes, "{mode:?} {of}");
            let said = decision.verdicts[0].reasons.join(" ");
            assert_eq!(
                said.contains("looks like"),
                mode == MailMode::Send,
                "{said}"
            );
        }
    }
}
