use super::*;
use crate::mailbox::{MailFlag, MailboxChange};

fn change(label: &str, change: MailboxChange) -> Proposal {
    proposal(label, Action::ChangeMailbox(change))
}

fn seen() -> MailboxChange {
    MailboxChange::Flag {
        flag: MailFlag::Seen,
        on: true,
    }
}

fn keyword(word: &str) -> MailboxChange {
    MailboxChange::Keyword {
        keyword: word.to_owned(),
        on: true,
    }
}

fn folder(name: &str) -> MailboxChange {
    MailboxChange::Move(name.to_owned())
}

#[test]
fn a_mailbox_is_changed_as_far_as_it_is_granted() {
    type Change = fn(&mut Scene);
    let rows: [(&str, MailboxChange, Change, (&str, &str)); 14] = [
        ("flag", seen(), |_| (), ("effect", "")),
        ("keyword", keyword("customer-acme"), |_| (), ("effect", "")),
        ("folder", folder("Archive"), |_| (), ("effect", "")),
        (
            "label",
            MailboxChange::Label("Leads".to_owned()),
            |_| (),
            ("effect", ""),
        ),
        (
            "another keyword",
            keyword("vip"),
            |_| (),
            ("refused", "would have to name `keyword:vip`"),
        ),
        (
            "another folder",
            folder("Trash"),
            |_| (),
            (
                "refused",
                "`mailbox` of [[plugin]] lead-triage would have to name `move:Trash`",
            ),
        ),
        (
            "nothing granted",
            seen(),
            |s| s.mailbox.clear(),
            ("refused", "would have to name `flag:seen`"),
        ),
        (
            "no keyword",
            keyword("customer-a b"),
            |_| (),
            ("refused", "is no keyword"),
        ),
        (
            "off",
            seen(),
            |s| s.modes.mailbox = RecordMode::Off,
            ("refused", "mode.mailbox"),
        ),
        (
            "rehearsed",
            seen(),
            |s| s.modes.mailbox = RecordMode::Rehearse,
            ("rehearsed", ""),
        ),
        (
            "history",
            seen(),
            |s| s.trigger.as_mut().unwrap().historical = true,
            ("refused", "before the first start"),
        ),
        (
            "no message",
            seen(),
            |s| s.trigger = None,
            ("refused", "about no message"),
        ),
        (
            "a timer's message",
            seen(),
            |s| s.origin = s.trigger.take(),
            ("effect", ""),
        ),
        (
            "too many",
            seen(),
            |s| s.mailbox_changes = 10,
            ("refused", "limits.mailbox_changes_per_message"),
        ),
    ];
    for (what, asked, set, expected) in rows {
        let mut scene = Scene::new();
        set(&mut scene);
        let decision = scene.decide(vec![change("c", asked.clone())]);
        expect(what, &decision, expected);
        let planned: Vec<_> = decision.plans.iter().collect();
        match (expected.0, planned.as_slice()) {
            ("effect", [Plan::Mailbox(effect)]) => {
                assert_eq!(effect.change, asked, "{what}");
                assert_eq!(effect.message, MessageKey::from("m1"), "{what}");
                assert_eq!(effect.mailbox, message("m1").mailbox, "{what}");
            }
            ("effect", plans) => panic!("{what}: {plans:?}"),
            (_, plans) => assert!(plans.is_empty(), "{what}"),
        }
    }
}

#[test]
fn a_plugin_without_the_kind_in_its_manifest_changes_nothing() {
    let mut scene = Scene::new();
    let proposals = scene.manifest["proposals"].as_object_mut().unwrap();
    proposals.remove("change-mailbox");
    let decision = scene.decide(vec![change("c", seen())]);
    expect("c", &decision, ("refused", "[proposals.change-mailbox]"));
}

#[test]
fn one_answer_moves_a_message_once_and_stays_within_the_cap() {
    let mut scene = Scene::new();
    scene.mailbox = vec!["move:*".to_owned(), "keyword:*".to_owned()];
    scene.limits.mailbox_changes_per_message = 3;
    let results = |decision: &Decision| -> Vec<bool> {
        let verdicts = decision.verdicts.iter();
        verdicts
            .map(|v| matches!(v.result, VerdictResult::Effect(_)))
            .collect()
    };
    let decision = scene.decide(vec![
        change("a", folder("One")),
        change("b", folder("Two")),
        change("c", keyword("k")),
        change("d", keyword("l")),
        change("e", keyword("m")),
    ]);
    assert_eq!(results(&decision), [true, false, true, true, false]);
    let first = decision.verdicts[0].clone();
    let VerdictResult::Effect(id) = first.result else {
        panic!("{first:?}");
    };
    scene.seen.insert(id, "the change is done".to_owned());
    let again = scene.decide(vec![change("a", folder("One"))]);
    assert!(matches!(
        again.verdicts[0].result,
        VerdictResult::Repeated(_)
    ));
    assert!(again.plans.is_empty());
}
