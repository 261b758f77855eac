use super::*;
use crate::outbox::MailState;

pub(super) type Change = fn(&mut Scene, &mut EmailProposal);

pub(super) fn check(rows: &[(&str, Change, &str, &str)]) {
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
            "closed",
            |s, _| {
                s.thread = Some(ThreadRecord {
                    closed: Some(closed()),
                    ..thread()
                });
            },
            "refused",
            "the conversation was closed by alice on 2026-03-02T08:00:00Z (they chose another)",
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
