//! What machines write, and what is written because of them.

use super::mail::check;
use super::*;

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
