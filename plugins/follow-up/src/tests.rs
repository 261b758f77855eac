use liaison_sdk::testing::{Mail, Reaction, TestWorld, instant, run_cases};
use liaison_sdk::{Action, Content, Email, MessageClass};

use super::FollowUp;

const MANIFEST: &str = include_str!("../plugin.toml");
const ANN: &str = "Ann Smith <ann@example.com>";

/// A Thursday, ten in the morning in Berlin.
fn world() -> TestWorld {
    TestWorld::new()
        .manifest(MANIFEST)
        .now("2026-03-05T09:00:00Z")
}

fn question() -> Mail {
    Mail::to_outside(ANN)
        .subject("Contract")
        .text("Hello Ann, which of the two dates do you prefer?")
}

fn answer() -> Mail {
    Mail::from(ANN)
        .subject("Re: Contract")
        .text("The first one.")
}

fn asked() -> TestWorld {
    let mut world = world();
    let reaction = world.send::<FollowUp>(question()).unwrap();
    assert_eq!(reaction.actions(), ["set-timer"]);
    world
}

fn advance(world: &mut TestWorld, span: &str) -> Reaction {
    world.advance::<FollowUp>(span).unwrap()
}

fn email(reaction: &Reaction) -> &Email {
    match &reaction.only("email").action {
        Action::Email(email) => email,
        other => panic!("{other:?}"),
    }
}

#[test]
fn silence_is_followed_up_once_and_never_again() {
    let mut world = asked();
    assert_eq!(
        world.timers_now(),
        [("follow-up:thread-1", instant("2026-03-10T09:00:00Z"))]
    );
    assert!(advance(&mut world, "2 business days").is_empty());
    let reaction = advance(&mut world, "1 business day");
    let email = email(&reaction);
    assert_eq!(email.in_reply_to.as_deref(), Some("message-1"));
    assert!(email.cancel_on_reply && email.to.is_empty());
    assert_eq!(
        reaction.proposals[0].once.as_deref(),
        Some("follow-up:thread-1:message-1")
    );
    let Content::Template(template) = &email.content else {
        panic!("a template")
    };
    assert_eq!(template.name, "follow-up");
    let variables: serde_json::Value = serde_json::from_str(&template.variables).unwrap();
    assert_eq!(variables["first_name"], "Ann");
    assert_eq!(
        variables["question"],
        "Hello Ann, which of the two dates do you prefer?"
    );

    let own = question().subject("Re: Contract").by_plugin("follow-up");
    assert!(world.send::<FollowUp>(own).unwrap().is_empty());
    assert!(advance(&mut world, "30 days").is_empty());
    assert!(world.memory_now().is_empty());
}

#[test]
fn any_human_answer_ends_the_wait() {
    for mail in [
        answer(),
        answer().text("I will get back to you."),
        Mail::from("Bob Jones <bob@example.com>")
            .subject("Re: Contract")
            .text("For Ann: the first."),
    ] {
        let mut world = asked();
        assert_eq!(
            world.receive::<FollowUp>(mail).unwrap().actions(),
            ["cancel-timer"]
        );
        assert!(world.memory_now().is_empty());
        assert!(advance(&mut world, "30 days").is_empty());
    }
}

#[test]
fn other_mail_does_not() {
    for mail in [
        answer()
            .class(MessageClass::AutoReply)
            .text("We received your message."),
        answer().class(MessageClass::Bulk),
        Mail::from(ANN)
            .subject("Lunch?")
            .text("Are you free today?"),
        Mail::from("mia@example.net")
            .subject("Re: Contract")
            .text("Any news from Ann?"),
        Mail::from("no-reply@example.com")
            .subject("Re: Contract")
            .text("Ticket 12 was opened."),
    ] {
        let mut world = asked();
        assert!(world.receive::<FollowUp>(mail).unwrap().is_empty());
        assert_eq!(advance(&mut world, "3 business days").actions(), ["email"]);
    }
}

#[test]
fn a_newer_message_of_ours_moves_it() {
    let mut world = asked();
    advance(&mut world, "2 business days");
    let note = question()
        .subject("Re: Contract")
        .text("Hello Ann, attached are the minutes.");
    assert_eq!(
        world.send::<FollowUp>(note).unwrap().actions(),
        ["set-timer"]
    );
    assert!(advance(&mut world, "2 business days").is_empty());
    let reaction = advance(&mut world, "1 business day");
    assert_eq!(email(&reaction).in_reply_to.as_deref(), Some("message-1"));

    let mut world = asked();
    advance(&mut world, "2 business days");
    let newer = question()
        .subject("Re: Contract")
        .text("Hello Ann, could you also send the plan?");
    world.send::<FollowUp>(newer).unwrap();
    assert!(advance(&mut world, "2 business days").is_empty());
    let reaction = advance(&mut world, "1 business day");
    assert_eq!(email(&reaction).in_reply_to.as_deref(), Some("message-2"));
}

/// AC-H3.
#[test]
fn an_out_of_office_reply_leaves_it_pending_and_shifts_its_date() {
    let mut world = asked();
    // Back on Monday the 16th: asked on Tuesday the 17th, when the office opens.
    let away = answer().out_of_office(Some(instant("2026-03-15T23:00:00Z")), false);
    assert_eq!(
        world.receive::<FollowUp>(away).unwrap().actions(),
        ["set-timer"]
    );
    assert_eq!(
        world.timers_now(),
        [("follow-up:thread-1", instant("2026-03-17T08:00:00Z"))]
    );
    assert!(advance(&mut world, "7 days").is_empty());
    assert_eq!(advance(&mut world, "5 days").actions(), ["email"]);

    let mut new_thread = asked();
    let away = Mail::from(ANN)
        .subject("Out of office")
        .out_of_office(Some(instant("2026-03-15T23:00:00Z")), false);
    assert_eq!(
        new_thread.receive::<FollowUp>(away).unwrap().actions(),
        ["set-timer"]
    );

    let mut unreadable = asked();
    assert!(
        unreadable
            .receive::<FollowUp>(answer().out_of_office(None, false))
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        advance(&mut unreadable, "3 business days").actions(),
        ["email"]
    );

    let mut soon = asked();
    let back_tomorrow = answer().out_of_office(Some(instant("2026-03-05T23:00:00Z")), false);
    assert!(soon.receive::<FollowUp>(back_tomorrow).unwrap().is_empty());
    assert_eq!(
        soon.timers_now(),
        [("follow-up:thread-1", instant("2026-03-10T09:00:00Z"))]
    );
}

#[test]
fn a_person_who_left_and_a_dead_address_become_work_for_us() {
    for mail in [
        answer().out_of_office(None, true),
        Mail::from("mailer-daemon@example.com")
            .subject("Re: Contract")
            .text("User unknown")
            .class(MessageClass::Bounce),
    ] {
        let mut world = asked();
        let reaction = world.receive::<FollowUp>(mail).unwrap();
        assert_eq!(reaction.actions(), ["cancel-timer", "create-task"]);
        assert!(advance(&mut world, "30 days").is_empty());
    }
}

#[test]
fn an_answer_under_the_same_subject_in_a_new_thread_counts() {
    let mut world = asked();
    let mail = answer().new_thread().subject("AW: Contract");
    assert_eq!(
        world.receive::<FollowUp>(mail).unwrap().actions(),
        ["cancel-timer"]
    );
}

#[test]
fn nothing_is_waited_for_where_nobody_can_answer() {
    for mail in [
        question().text("Hello Ann, the minutes are attached. Bye"),
        question().text("Hello Ann, let me know if you have any questions."),
        question()
            .to("a@x.example; b@x.example; c@x.example; d@x.example; e@x.example; f@x.example"),
        question().to("mia@example.net"),
        question().to("no-reply@example.com"),
        question().to("mia@example.net").cc(ANN),
    ] {
        let reaction = world().send::<FollowUp>(mail).unwrap();
        assert!(reaction.is_empty(), "{reaction}");
    }
    let mut skipped = world().setting("skip", vec!["example.com"]);
    assert!(skipped.send::<FollowUp>(question()).unwrap().is_empty());
    let mut other = world();
    let by_triage = question().by_plugin("lead-triage");
    assert_eq!(
        other.send::<FollowUp>(by_triage).unwrap().actions(),
        ["set-timer"]
    );
}

/// AC-H6 for one timer.
#[test]
fn a_late_timer_asks_once_and_a_very_late_one_hands_over() {
    let mut world = asked();
    let reaction = world.sleep_through::<FollowUp>("10 days").unwrap();
    assert_eq!(reaction.actions(), ["email"]);
    assert!(
        reaction.proposals[0].reason.contains("h late"),
        "{reaction}"
    );
    assert!(advance(&mut world, "30 days").is_empty());

    let mut forgotten = asked();
    let reaction = forgotten.sleep_through::<FollowUp>("40 days").unwrap();
    assert_eq!(reaction.actions(), ["create-task"]);
}

#[test]
fn languages_have_their_templates_and_unknown_ones_go_to_the_owner() {
    for (text, expected) in [
        (
            "Guten Tag, welchen der beiden Termine möchten Sie?",
            Some("follow-up-de"),
        ),
        (
            "Bonjour, quelle date vous convient pour notre réunion ?",
            Some("follow-up-fr"),
        ),
        ("Czy termin w piątek będzie dobry?", None),
    ] {
        let mut world = world();
        world.send::<FollowUp>(question().text(text)).unwrap();
        let reaction = advance(&mut world, "3 business days");
        match expected {
            Some(template) => {
                let Content::Template(got) = &email(&reaction).content else {
                    panic!("template")
                };
                assert_eq!(got.name, template);
            }
            None => assert_eq!(reaction.actions(), ["notify"]),
        }
    }
}

#[test]
fn settings_are_checked() {
    let settings = |world: TestWorld| liaison_sdk::World::settings(&world);
    assert!(liaison_sdk::check::<FollowUp>(&settings(world())).is_empty());
    let wrong = world()
        .setting("wait", "0 days")
        .setting("languages", Vec::<String>::new());
    assert_eq!(liaison_sdk::check::<FollowUp>(&settings(wrong)).len(), 2);
}

#[test]
fn cases() {
    assert!(run_cases::<FollowUp>(MANIFEST, concat!(env!("CARGO_MANIFEST_DIR"), "/cases")) >= 3);
}
