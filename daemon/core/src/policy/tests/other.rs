use super::*;
use crate::ids::CaseId;
use crate::proposal::{CreateTask, SetTimer, TagMessage, UpdateCase, Value};
use crate::records::{PAYLOAD_BYTES_MAX, timer_id};

#[test]
fn holds_are_bounded_in_time_number_and_place() {
    type Row = (
        &'static str,
        fn(&mut Scene, &mut HoldProposal),
        &'static str,
        &'static str,
    );
    let rows: [Row; 18] = [
        (
            "a free slot",
            |_, _| {},
            "effect",
            "held until 2026-03-05T09:00:00Z",
        ),
        (
            "past",
            |_, h| h.when.start = hours(-1),
            "refused",
            "past or empty",
        ),
        (
            "empty",
            |_, h| h.when.end = h.when.start,
            "refused",
            "past or empty",
        ),
        (
            "long",
            |_, h| h.when.end = hours(120),
            "refused",
            "longer than 12 hours",
        ),
        (
            "far",
            |_, h| {
                h.when = Window {
                    start: hours(24 * 401),
                    end: hours(24 * 401 + 1),
                }
            },
            "refused",
            "over 400 days ahead",
        ),
        (
            "off",
            |s, _| s.modes.holds = RecordMode::Off,
            "refused",
            "are off (mode.holds)",
        ),
        (
            "rehearse",
            |s, _| s.modes.holds = RecordMode::Rehearse,
            "rehearsed",
            "",
        ),
        (
            "because of a machine",
            |s, _| {
                s.answering(MessageRecord {
                    class: "bulk".to_owned(),
                    ..message("m1")
                })
            },
            "refused",
            "no holds because of a message of class bulk",
        ),
        (
            "because of history",
            |s, _| {
                s.answering(MessageRecord {
                    historical: true,
                    ..message("m1")
                })
            },
            "refused",
            "no holds because of a message",
        ),
        (
            "nobody's",
            |s, _| s.owner = None,
            "refused",
            "nobody of ours looks after this",
        ),
        (
            "a stranger's",
            |_, h| h.owner = Some(ALICE.to_owned()),
            "refused",
            "none of our [[user]] addresses",
        ),
        (
            "no calendar",
            |s, _| s.owner.as_mut().unwrap().calendar = None,
            "refused",
            "has no calendar for holds",
        ),
        (
            "no zone",
            |_, h| h.zone = Some("Mars".to_owned()),
            "refused",
            "`Mars` is no IANA zone",
        ),
        (
            "too many",
            |s, _| s.owner.as_mut().unwrap().holds_open = 20,
            "refused",
            "20 holds are open in sam already",
        ),
        (
            "too many for one account",
            |s, _| s.holds_open.account = 10,
            "refused",
            "10 holds are open for the account acme already (limits.holds_open_account)",
        ),
        (
            "too many in all",
            |s, _| s.holds_open.total = 200,
            "refused",
            "200 holds are open in all calendars already (limits.holds_open_total)",
        ),
        (
            "tomorrow",
            |_, h| {
                h.when = Window {
                    start: hours(20),
                    end: hours(21),
                }
            },
            "refused",
            "would expire before it is placed",
        ),
        (
            "expires at once",
            |_, h| h.expires = Some(hours(-1)),
            "refused",
            "would expire before it is placed",
        ),
    ];
    for (what, change, result, part) in rows {
        let (mut scene, mut wish) = (Scene::new(), hold());
        change(&mut scene, &mut wish);
        let decision = scene.decide(vec![proposal("hold", Action::Hold(wish))]);
        expect(what, &decision, (result, part));
        assert_eq!(
            holds(&decision).len(),
            usize::from(result == "effect"),
            "{what}"
        );
    }
}

/// 72 hours, but never later than 24 hours before the slot, nor than the plugin wishes.
#[test]
fn a_hold_ends_at_the_earliest_of_three_bounds() {
    for (start, wish, expires) in [
        (200, None, 72),
        (96, None, 72),
        (60, None, 36),
        (200, Some(10), 10),
        (200, Some(500), 72),
        (60, Some(59), 36),
    ] {
        let mut one = hold();
        one.when = Window {
            start: hours(start),
            end: hours(start + 1),
        };
        one.expires = wish.map(hours);
        let decision = Scene::new().decide(vec![proposal("hold", Action::Hold(one))]);
        let planned = holds(&decision);
        let effect = planned
            .first()
            .unwrap_or_else(|| panic!("{start} {wish:?}: {decision:?}"));
        assert_eq!(effect.expires, hours(expires), "{start} {wish:?}");
        assert_eq!(effect.uid, format!("hold.{}@firm.example", effect.id));
        assert_eq!(effect.title, "Meeting with Alice");
    }
}

#[test]
fn holds_of_one_answer_count_against_each_other() {
    let mut scene = Scene::new();
    scene.owner.as_mut().unwrap().holds_open = 19;
    let list = ["one", "two"].map(|label| proposal(label, Action::Hold(hold())));
    let decision = scene.decide(list.into());
    assert_eq!(word(&decision.verdicts[0]).0, "effect");
    expect(
        "the second",
        &decision,
        ("refused", "20 holds are open in sam already"),
    );
}

#[test]
fn alternatives_share_a_group_within_their_thread_and_releasing_names_it() {
    let list = vec![
        proposal("one", Action::Hold(hold())),
        proposal("two", Action::Hold(hold())),
        proposal("off", Action::ReleaseHolds("first-meeting".to_owned())),
        proposal("else", Action::ReleaseHolds("other".to_owned())),
    ];
    let decision = Scene::new().decide(list.clone());
    let groups: Vec<_> = holds(&decision)
        .iter()
        .map(|hold| hold.group.clone())
        .collect();
    let released: Vec<_> = decision
        .plans
        .iter()
        .filter_map(|plan| match plan {
            Plan::ReleaseHolds(group, why) => Some((group.clone(), why.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(groups[0], groups[1]);
    assert_eq!(released[0], (groups[0].clone(), "because"));
    assert_ne!(released[1].0, groups[0]);
    for (mode, result) in [
        (RecordMode::Off, "refused"),
        (RecordMode::Rehearse, "rehearsed"),
    ] {
        let mut scene = Scene::new();
        scene.modes.holds = mode;
        expect(result, &scene.decide(list.clone()), (result, ""));
    }
}

fn case(id: &str) -> CaseRecord {
    let decision = Scene::new().decide(vec![proposal("lead", Action::CreateCase(lead()))]);
    let Some(Plan::NewCase(record)) = decision.plans.first() else {
        panic!("{decision:?}");
    };
    CaseRecord {
        id: id.into(),
        revision: 4,
        ..(**record).clone()
    }
}

#[test]
fn a_new_case_begins_in_its_first_state_and_is_valid() {
    let record = case("lead-1");
    assert_eq!(
        (record.state.as_str(), record.kind.as_str()),
        ("New", "lead")
    );
    assert_eq!(record.account, Some(AccountId::from("acme")));
    assert_eq!(
        record.steps,
        [(at(NOW), "New".to_owned(), "because".to_owned())]
    );
    type Row = (
        &'static str,
        fn(&mut Scene, &mut CreateCase),
        &'static str,
        &'static str,
    );
    let rows: [Row; 6] = [
        (
            "as asked",
            |_, c| c.state = Some("Lost".to_owned()),
            "applied",
            "",
        ),
        (
            "kind",
            |_, c| c.kind = "boat".to_owned(),
            "refused",
            "declares no case kind `boat`",
        ),
        (
            "state",
            |_, c| c.state = Some("Lsot".to_owned()),
            "refused",
            "`Lsot` is no declared state",
        ),
        (
            "field",
            |_, c| c.fields = [("size".to_owned(), Value::Integer(3))].into(),
            "refused",
            "no such field is declared",
        ),
        (
            "off",
            |s, _| s.modes.records = RecordMode::Off,
            "refused",
            "records of this plugin are off",
        ),
        (
            "rehearse",
            |s, _| s.modes.records = RecordMode::Rehearse,
            "rehearsed",
            "",
        ),
    ];
    for (what, change, result, part) in rows {
        let (mut scene, mut wish) = (Scene::new(), lead());
        change(&mut scene, &mut wish);
        let decision = scene.decide(vec![proposal("lead", Action::CreateCase(wish))]);
        expect(what, &decision, (result, part));
        assert_eq!(
            decision.plans.len(),
            usize::from(result == "applied"),
            "{what}"
        );
    }
}

fn update(state: Option<&str>, set: &[(&str, &str)]) -> UpdateCase {
    let set = set
        .iter()
        .map(|(name, text)| ((*name).to_owned(), Value::Text((*text).to_owned())));
    UpdateCase {
        id: CaseId::from("lead-1"),
        if_revision: None,
        state: state.map(str::to_owned),
        set: set.collect(),
    }
}

#[test]
fn cases_change_only_along_their_transitions_and_only_by_their_plugin() {
    type Row = (
        &'static str,
        fn(&mut Scene, &mut UpdateCase),
        &'static str,
        &'static str,
    );
    let rows: [Row; 9] = [
        ("next state", |_, _| {}, "applied", ""),
        (
            "unknown",
            |_, c| c.id = "lead-9".into(),
            "refused",
            "there is no case lead-9",
        ),
        (
            "another's",
            |s, _| s.cases.get_mut("lead-1").unwrap().plugin = "nda-desk".into(),
            "refused",
            "lead-1 belongs to the plugin nda-desk",
        ),
        ("seen", |_, c| c.if_revision = Some(4), "applied", ""),
        (
            "moved on",
            |_, c| c.if_revision = Some(3),
            "refused",
            "lead-1 was changed meanwhile",
        ),
        (
            "no way back",
            |s, c| {
                s.cases.get_mut("lead-1").unwrap().state = "Lost".to_owned();
                c.state = Some("New".to_owned());
            },
            "refused",
            "no declared transition leads from `Lost` to `New`: none does",
        ),
        (
            "an old kind",
            |s, _| s.cases.get_mut("lead-1").unwrap().kind = "prospect".to_owned(),
            "refused",
            "no longer declares the case kind `prospect`",
        ),
        (
            "a wrong value",
            |_, c| c.set = [("need".to_owned(), Value::Flag(true))].into(),
            "refused",
            "the change is not valid",
        ),
        (
            "rehearse",
            |s, _| s.modes.records = RecordMode::Rehearse,
            "rehearsed",
            "",
        ),
    ];
    for (what, change, result, part) in rows {
        let (mut scene, mut wish) = (Scene::new(), update(Some("Qualified"), &[]));
        scene.cases = BTreeMap::from([("lead-1".to_owned(), case("lead-1"))]);
        change(&mut scene, &mut wish);
        let decision = scene.decide(vec![proposal("note", Action::UpdateCase(wish))]);
        expect(what, &decision, (result, part));
        assert_eq!(
            decision.plans.len(),
            usize::from(result == "applied"),
            "{what}"
        );
    }
}

#[test]
fn two_changes_of_one_case_in_one_answer_are_both_kept() {
    let mut scene = Scene::new();
    scene.cases = BTreeMap::from([("lead-1".to_owned(), case("lead-1"))]);
    let list = vec![
        proposal(
            "one",
            Action::UpdateCase(update(Some("Qualified"), &[("need", "boats")])),
        ),
        proposal(
            "two",
            Action::UpdateCase(update(None, &[("source", "the fair")])),
        ),
    ];
    let decision = scene.decide(list);
    let Some(Plan::ChangedCase(last, from)) = decision.plans.last() else {
        panic!("{decision:?}");
    };
    assert_eq!(*from, 4);
    let text = |name: &str| last.fields.get(name).cloned();
    assert_eq!(text("need"), Some(Value::Text("boats".to_owned())));
    assert_eq!(text("source"), Some(Value::Text("the fair".to_owned())));
    assert_eq!((last.state.as_str(), last.steps.len()), ("Qualified", 3));
}

#[test]
fn what_a_person_set_in_a_case_waits_for_their_yes() {
    // Fields that a person set, the state that is wanted, what is taken, what waits.
    type Row<'a> = (&'a [&'a str], Option<&'a str>, &'a [&'a str], &'a [&'a str]);
    let rows: [Row<'_>; 4] = [
        (&[], Some("Qualified"), &["need", "state"], &[]),
        (&["need"], Some("Qualified"), &["state"], &["need"]),
        (&["state"], Some("Qualified"), &["need"], &["state"]),
        (
            &["need", "state"],
            Some("Qualified"),
            &[],
            &["need", "state"],
        ),
    ];
    for (theirs, state, taken, waits) in rows {
        let mut scene = Scene::new();
        let mut record = case("lead-1");
        record.by_person = theirs.iter().map(|field| (*field).to_owned()).collect();
        scene.cases = BTreeMap::from([("lead-1".to_owned(), record.clone())]);
        let wanted = update(state, &[("need", "boats")]);
        let decision = scene.decide(vec![proposal("u", Action::UpdateCase(wanted))]);
        let mut found: (Vec<&str>, Vec<&str>) = Default::default();
        for plan in &decision.plans {
            match plan {
                Plan::ChangedCase(after, _) => {
                    let need = after.fields.get("need") != record.fields.get("need");
                    found.0.extend(need.then_some("need"));
                    found
                        .0
                        .extend((after.state != record.state).then_some("state"));
                }
                Plan::ProposedCase { changes, why, .. } => {
                    found
                        .1
                        .extend(changes.iter().map(|change| change.field.as_str()));
                    assert_eq!(why, "because");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((&found.0[..], &found.1[..]), (taken, waits), "{theirs:?}");
        let told = decision.verdicts[0].reasons.join(" ");
        assert_eq!(
            told.contains("liaison proposals list"),
            !waits.is_empty(),
            "{told}"
        );
    }
}

#[test]
fn the_history_of_a_case_keeps_its_beginning_and_its_end() {
    let mut scene = Scene::new();
    let mut record = case("lead-1");
    record.steps = (0..16)
        .map(|n| (hours(n), format!("s{n}"), String::new()))
        .collect();
    scene.cases = BTreeMap::from([("lead-1".to_owned(), record)]);
    let decision = scene.decide(vec![proposal("u", Action::UpdateCase(update(None, &[])))]);
    let Some(Plan::ChangedCase(next, _)) = decision.plans.first() else {
        panic!("{decision:?}");
    };
    let names: Vec<_> = next
        .steps
        .iter()
        .map(|(_, state, _)| state.as_str())
        .collect();
    assert_eq!(
        (names.len(), names[0], names[1], names[15]),
        (16, "s0", "s2", "New")
    );
}

#[test]
fn tasks_go_to_our_people_only() {
    let task = |owner: Option<&str>| CreateTask {
        title: "Check\tthis".to_owned(),
        body: "Look at it.".to_owned(),
        checklist: vec!["one".to_owned(); 30],
        due: Some(hours(48)),
        owner: owner.map(str::to_owned),
    };
    for (owner, result, part) in [
        (None, "applied", ""),
        (Some("Sam@Firm.Example"), "applied", ""),
        (
            Some(ALICE),
            "refused",
            "alice@example.com is none of our [[user]] addresses",
        ),
    ] {
        let decision = Scene::new().decide(vec![proposal("t", Action::CreateTask(task(owner)))]);
        expect(result, &decision, (result, part));
        if let Some(Plan::Task(record)) = decision.plans.first() {
            assert_eq!(
                (record.title.as_str(), record.owner.as_deref()),
                ("Check this", Some(SAM))
            );
            assert_eq!((record.checklist.len(), record.notification), (20, false));
        }
    }
    for (mode, result) in [
        (RecordMode::Off, "refused"),
        (RecordMode::Rehearse, "rehearsed"),
    ] {
        let mut scene = Scene::new();
        scene.modes.tasks = mode;
        for action in [Action::CreateTask(task(None)), Action::Notify(notify("x"))] {
            let decision = scene.decide(vec![proposal("t", action)]);
            expect(result, &decision, (result, ""));
            assert!(decision.plans.is_empty());
        }
    }
}

#[test]
fn a_notification_is_a_task_and_where_configured_a_mail_to_our_person() {
    let note = || {
        vec![proposal(
            "n",
            Action::Notify(notify("A new lead.\nSee the case.")),
        )]
    };
    let decision = Scene::new().decide(note());
    let [Plan::Task(task)] = decision.plans.as_slice() else {
        panic!("{decision:?}");
    };
    assert_eq!(
        (task.title.as_str(), task.notification),
        ("A new lead.", true)
    );

    let mut scene = Scene::new();
    let staff = Route {
        transport: "smtp".into(),
        from: "liaison@firm.example".to_owned(),
        drafts: false,
    };
    scene.staff_route = Some(staff);
    let decision = scene.decide(note());
    let planned = mails(&decision);
    let effect = &planned[0].effect;
    assert_eq!(
        (effect.recipient.as_str(), effect.mode),
        (SAM, MailMode::Send)
    );
    assert_eq!(effect.audience, crate::effect::Audience::Staff);
    assert_eq!(effect.subject_line, "[Liaison] A new lead.");
    expect(
        "staff",
        &decision,
        ("applied", "staff mail to sam@firm.example"),
    );
    // With nobody to write to it is still a task.
    scene.owner = None;
    let decision = scene.decide(note());
    assert_eq!((mails(&decision).len(), decision.plans.len()), (0, 1));
}

#[test]
fn timers_are_bounded_and_cannot_spin() {
    let timer = |due: Timestamp, payload: usize| SetTimer {
        name: "wait".to_owned(),
        due,
        payload: "x".repeat(payload),
    };
    for (what, wish, result, part) in [
        ("soon", timer(hours(3), 10), "applied", ""),
        (
            "long payload",
            timer(hours(3), PAYLOAD_BYTES_MAX + 1),
            "refused",
            "over 1024 bytes",
        ),
        (
            "far",
            timer(hours(24 * 401), 0),
            "refused",
            "over 400 days ahead",
        ),
    ] {
        let decision = Scene::new().decide(vec![proposal("t", Action::SetTimer(wish))]);
        expect(what, &decision, (result, part));
    }
    // A timer that sets itself again in the past would keep the pipeline busy for ever.
    let due = |wish: Timestamp| {
        let list = vec![proposal("t", Action::SetTimer(timer(wish, 0)))];
        match Scene::new().decide(list).plans.as_slice() {
            [Plan::SetTimer(timer)] => timer.due,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(due(hours(3)), hours(3));
    assert!(due(hours(-3)) > at(NOW) && due(at(NOW)) > at(NOW));
    assert!(due(hours(-3)) <= hours(1));

    let cancel = proposal("c", Action::CancelTimer("wait".to_owned()));
    let decision = Scene::new().decide(vec![cancel]);
    let [Plan::CancelTimer(id)] = decision.plans.as_slice() else {
        panic!("{decision:?}");
    };
    assert_eq!(*id, timer_id(&"lead-triage".into(), "wait"));
}

/// Somebody who only looks like the customer must not make us stop waiting for the customer.
#[test]
fn because_of_a_doubtful_sender_nothing_is_given_up() {
    let give_up = || {
        vec![
            proposal("c", Action::CancelTimer("wait".to_owned())),
            proposal("r", Action::ReleaseHolds("times".to_owned())),
        ]
    };
    let (mut trigger, mut origin, mut other) = (Scene::new(), Scene::new(), Scene::new());
    trigger.warnings = [("m1".into(), "it looks like example.com".to_owned())].into();
    origin.warnings = trigger.warnings.clone();
    origin.origin = origin.trigger.take();
    other.warnings = [("m9".into(), "it looks like example.com".to_owned())].into();
    for (scene, refused) in [(trigger, true), (origin, true), (other, false)] {
        let decision = scene.decide(give_up());
        assert_eq!(decision.plans.is_empty(), refused, "{decision:?}");
        for verdict in &decision.verdicts {
            let why = verdict.reasons.join(" ");
            assert_eq!(why.contains("looks like example.com"), refused, "{why}");
        }
    }
}

#[test]
fn tags_are_short_clean_and_few() {
    let tag = |add: Vec<String>| TagMessage {
        message: "m1".into(),
        add,
        remove: Vec::new(),
    };
    let forty = "x".repeat(40);
    for (what, add, result, part) in [
        ("one", vec!["lead".to_owned()], "applied", ""),
        ("longest", vec![forty.clone()], "applied", ""),
        (
            "too long",
            vec![format!("{forty}x")],
            "refused",
            "1 to 40 characters",
        ),
        (
            "empty",
            vec!["\r\n".to_owned()],
            "refused",
            "1 to 40 characters",
        ),
        (
            "many",
            vec!["x".to_owned(); 17],
            "refused",
            "more than 16 tags",
        ),
    ] {
        let decision = Scene::new().decide(vec![proposal("t", Action::TagMessage(tag(add)))]);
        expect(what, &decision, (result, part));
    }
}

/// Holds of a thread are not a stranger's to release, nor alternatives of what they get.
#[test]
fn an_outsider_of_a_thread_has_groups_of_their_own() {
    let group = |outsider: Option<&str>| {
        let mut scene = Scene::new();
        scene.outsider = outsider.map(str::to_owned);
        let decision = scene.decide(vec![
            proposal("hold", Action::Hold(hold())),
            proposal("release", Action::ReleaseHolds("first-meeting".to_owned())),
        ]);
        let held = holds(&decision)[0].group.clone();
        let released = decision.plans.iter().find_map(|plan| match plan {
            Plan::ReleaseHolds(group, _) => Some(group.clone()),
            _ => None,
        });
        assert_eq!(Some(&held), released.as_ref());
        held
    };
    let groups = [None, Some("mallory@example.org"), Some("eve@example.org")].map(group);
    assert_eq!(groups[0], group(None));
    assert!(groups[0] != groups[1] && groups[1] != groups[2] && groups[0] != groups[2]);
}

#[test]
fn notifications_by_mail_have_a_ceiling_and_the_task_stays() {
    let mut scene = Scene::new();
    scene.limits.staff_mails_per_hour = 3;
    scene.staff_route = scene.route.clone();
    scene.staff_mails = [(
        SAM.to_owned(),
        vec![hours(-2), hours(0).minus_millis(60_000)],
    )]
    .into();
    let notes = (0..3).map(|n| proposal(&format!("n{n}"), Action::Notify(notify("Look here"))));
    let decision = scene.decide(notes.collect());
    let tasks = decision
        .plans
        .iter()
        .filter(|plan| matches!(plan, Plan::Task(_)));
    assert_eq!((tasks.count(), mails(&decision).len()), (3, 2));
    let text = |index: usize| match &mails(&decision)[index].content {
        Content::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    assert!(!text(0).contains("last of") && text(1).contains("This is the last of 3"));
    expect(
        "the third",
        &decision,
        ("applied", "no staff mail: sam@firm.example got 3"),
    );
}
