use super::*;

fn all_states() -> Vec<HoldState> {
    let why = || "why".to_owned();
    vec![
        HoldState::Planned,
        HoldState::Placed,
        HoldState::Confirming(why()),
        HoldState::Releasing(why()),
        HoldState::Releasing(RAN_OUT.to_owned()),
        HoldState::Confirmed,
        HoldState::Released(why()),
        HoldState::Expired,
        HoldState::Adopted(why()),
        HoldState::Lost(why()),
    ]
}

fn all_inputs() -> Vec<HoldInput> {
    let why = || "because".to_owned();
    vec![
        HoldInput::Written,
        HoldInput::Unplaceable(why()),
        HoldInput::GiveUp(why()),
        HoldInput::RanOut,
        HoldInput::Choose(why()),
        HoldInput::Taken(why()),
        HoldInput::NotTaken,
        HoldInput::Met,
        HoldInput::Removed,
        HoldInput::Edited(why()),
        HoldInput::Deleted,
        HoldInput::MadeDefinite,
    ]
}

/// The table of the module, read as it stands there.
#[test]
fn the_table_of_holds_is_what_the_steps_do() {
    let steps = |input: &HoldInput| -> Vec<String> {
        let step = |state: &HoldState| {
            let next = state.step(input).ok()?;
            Some(format!("{} -> {}", state.as_str(), next.as_str()))
        };
        let mut all: Vec<String> = all_states().iter().filter_map(step).collect();
        all.dedup();
        all
    };
    let why = || "because".to_owned();
    let from_any = |to: &str| -> Vec<String> {
        let from = ["planned", "placed", "confirming", "releasing"];
        from.iter().map(|from| format!("{from} -> {to}")).collect()
    };
    for (input, expected) in [
        (
            HoldInput::Written,
            vec!["planned -> placed", "releasing -> releasing"],
        ),
        (HoldInput::Unplaceable(why()), vec!["planned -> lost"]),
        (
            HoldInput::GiveUp(why()),
            vec![
                "planned -> releasing",
                "placed -> releasing",
                "confirming -> releasing",
            ],
        ),
        (HoldInput::RanOut, vec!["placed -> releasing"]),
        (HoldInput::Choose(why()), vec!["placed -> confirming"]),
        (HoldInput::Taken(why()), vec!["confirming -> releasing"]),
        (HoldInput::NotTaken, vec!["confirming -> placed"]),
        (HoldInput::Met, vec!["confirming -> confirmed"]),
        (
            HoldInput::Removed,
            vec!["releasing -> released", "releasing -> expired"],
        ),
    ] {
        assert_eq!(steps(&input), expected, "{input:?}");
    }
    assert_eq!(steps(&HoldInput::Edited(why())), from_any("adopted"));
    assert_eq!(steps(&HoldInput::Deleted), from_any("released"));
    assert_eq!(steps(&HoldInput::MadeDefinite), from_any("confirmed"));
}

#[test]
fn what_ended_is_never_placed_again_whatever_is_repeated() {
    for state in all_states().iter().filter(|state| state.is_final()) {
        for input in all_inputs() {
            assert!(state.step(&input).is_err(), "{state:?} {input:?}");
        }
    }
}

#[test]
fn a_plugin_hears_of_a_person_as_of_a_person() {
    let heard = |from: HoldState, input: HoldInput| from.step(&input).unwrap().settled(&input);
    let why = || "why".to_owned();
    let adopted = |outcome| matches!(outcome, Some(SettledOutcome::Adopted(_)));
    for input in [
        HoldInput::Edited(why()),
        HoldInput::Deleted,
        HoldInput::MadeDefinite,
    ] {
        assert!(
            adopted(heard(HoldState::Placed, input.clone())),
            "{input:?}"
        );
    }
    assert!(adopted(heard(HoldState::Confirming(why()), HoldInput::Met)));
    assert_eq!(
        heard(HoldState::Releasing(why()), HoldInput::Removed),
        Some(SettledOutcome::Cancelled(why()))
    );
    assert_eq!(
        heard(HoldState::Planned, HoldInput::Written),
        Some(SettledOutcome::Done)
    );
    // A choice that came to nothing is no second placing.
    let undone = heard(HoldState::Confirming(why()), HoldInput::NotTaken);
    assert_eq!(undone, None);
}

const NOW: Timestamp = Timestamp(1_780_000_000_000);
const LATER: Timestamp = Timestamp(1_780_000_060_000);

fn choice(hold: &str) -> Choice {
    Choice {
        hold: hold.into(),
        who: "alice@example.com".to_owned(),
        at: NOW,
    }
}

fn group(state: GroupState) -> HoldGroup {
    HoldGroup {
        state,
        ..HoldGroup::new("g".into(), "lead-triage".into(), NOW)
    }
}

#[test]
fn the_first_choice_wins_and_the_second_is_told_of_it() {
    let open = group(GroupState::Open);
    let chosen = open.step(GroupInput::Choose(choice("one")), LATER).unwrap();
    assert_eq!(chosen.state, GroupState::Choosing(choice("one")));
    assert_eq!(chosen.since, LATER);
    for state in [
        GroupState::Choosing(choice("one")),
        GroupState::Confirmed(choice("one")),
    ] {
        for second in [
            GroupInput::Choose(choice("two")),
            GroupInput::Confirm(choice("two")),
            GroupInput::Abandon,
        ] {
            let refused = group(state.clone())
                .step(second.clone(), LATER)
                .unwrap_err();
            assert_eq!(refused, GroupRefusal::Decided(choice("one")), "{second:?}");
            let words = refused.to_string();
            assert!(words.contains("alice@example.com") && words.contains("one"));
        }
    }
    let over = group(GroupState::Abandoned).step(GroupInput::Choose(choice("one")), LATER);
    assert_eq!(over, Err(GroupRefusal::Over));
}

#[test]
fn who_chose_stays_known_when_the_calendar_has_it() {
    let chosen = group(GroupState::Choosing(choice("one")));
    let seen = Choice {
        who: "liaison".to_owned(),
        at: LATER,
        ..choice("one")
    };
    let confirmed = chosen.step(GroupInput::Confirm(seen), LATER).unwrap();
    assert_eq!(confirmed.state, GroupState::Confirmed(choice("one")));
}

#[test]
fn a_choice_that_came_to_nothing_leaves_the_rest_offered() {
    let chosen = group(GroupState::Choosing(choice("one")));
    let open = chosen.step(GroupInput::Undo("one".into()), LATER).unwrap();
    assert_eq!(open.state, GroupState::Open);
    assert_eq!(open.generation, 1);
    for (state, hold) in [
        (GroupState::Choosing(choice("one")), "two"),
        (GroupState::Confirmed(choice("one")), "one"),
        (GroupState::Open, "one"),
    ] {
        let undone = group(state).step(GroupInput::Undo(hold.into()), LATER);
        assert_eq!(undone, Err(GroupRefusal::NotChosen));
    }
}

#[test]
fn other_times_instead_are_a_new_generation() {
    for (state, instead, after, generation) in [
        (GroupState::Open, false, GroupState::Open, 1),
        (GroupState::Open, true, GroupState::Open, 2),
        (GroupState::Abandoned, false, GroupState::Open, 2),
        (
            GroupState::Confirmed(choice("one")),
            false,
            GroupState::Open,
            2,
        ),
        (
            GroupState::Choosing(choice("one")),
            true,
            GroupState::Choosing(choice("one")),
            1,
        ),
    ] {
        let offered = group(state).step(GroupInput::Offer { instead }, LATER);
        let offered = offered.unwrap();
        assert_eq!((offered.state, offered.generation), (after, generation));
    }
}

#[test]
fn holds_are_counted_for_an_account_and_without_one_for_the_counterpart() {
    let subject = |account: Option<&str>, counterpart: Option<&str>| crate::happening::Subject {
        account: account.map(Into::into),
        counterpart: counterpart.map(str::to_owned),
        ..Default::default()
    };
    let (ann, bob) = (Some("ann@example.com"), Some("bob@example.com"));
    for (hold, event, same) in [
        (subject(Some("acme"), ann), subject(Some("acme"), bob), true),
        (
            subject(Some("acme"), ann),
            subject(Some("other"), ann),
            false,
        ),
        (subject(None, ann), subject(None, ann), true),
        (subject(None, ann), subject(None, bob), false),
        (subject(None, None), subject(None, None), false),
    ] {
        assert_eq!(hold.is_for_the_same(&event), same, "{hold:?} {event:?}");
    }
}
