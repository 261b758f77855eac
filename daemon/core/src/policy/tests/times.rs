//! When a mail may go, how often, and with which holds.

use super::*;
use crate::outbox::MailState;

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
fn what_leaves_by_itself_can_be_called_off_for_a_while_and_a_later_time_stays() {
    let mut scene = Scene::new();
    scene.send_delay_ms = 120_000;
    for (mode, wanted, due) in [
        (MailMode::Send, None, at(NOW).plus_millis(120_000)),
        (MailMode::Draft, None, at(NOW)),
        (
            MailMode::Send,
            Some(at(NOW).plus_millis(60_000)),
            at(NOW).plus_millis(120_000),
        ),
        (
            MailMode::Send,
            Some(at(NOW).plus_millis(600_000)),
            at(NOW).plus_millis(600_000),
        ),
    ] {
        scene.modes.mail = mode;
        let mut mail = email();
        mail.not_before = wanted;
        let decision = scene.decide(vec![proposal("a", Action::Email(mail))]);
        assert_eq!(
            mails(&decision)[0].effect.not_before,
            due,
            "{mode:?} {wanted:?}"
        );
    }
}
