use liaison_sdk::testing::{Mail, Reaction, TestWorld, instant, run_cases};
use liaison_sdk::{Action, Authenticity, Content, Email, MessageClass, Proposal, Value};
use serde_json::Value as Json;

use super::LeadTriage;

const MANIFEST: &str = include_str!("../plugin.toml");

const ENQUIRY: &str = "Hello,\n\nwe are looking for somebody to build a booking system for our \
                       three clinics. Could you help us with that?";

fn world() -> TestWorld {
    TestWorld::new().manifest(MANIFEST)
}

fn enquiry() -> Mail {
    Mail::from("Ann Smith <ann@clinic.example.com>")
        .subject("Booking system")
        .text(ENQUIRY)
}

fn receive(world: &mut TestWorld, mail: Mail) -> Reaction {
    world.receive::<LeadTriage>(mail).unwrap()
}

fn email(reaction: &Reaction) -> &Email {
    match &reaction.only("email").action {
        Action::Email(email) => email,
        other => panic!("{other:?}"),
    }
}

fn variables(email: &Email) -> Json {
    match &email.content {
        Content::Template(template) => serde_json::from_str(&template.variables).unwrap(),
        Content::Text(text) => panic!("{text}"),
    }
}

fn notified(proposal: &Proposal) -> (&str, bool, Option<&str>) {
    match &proposal.action {
        Action::Notify(notify) => (&notify.text, notify.urgent, notify.to.as_deref()),
        other => panic!("{other:?}"),
    }
}

/// AC-LT1.
#[test]
fn an_enquiry_from_an_unknown_domain_makes_one_lead_one_draft_and_a_word_to_the_owner() {
    let mut world = world();
    let reaction = receive(&mut world, enquiry());
    assert_eq!(
        reaction.actions(),
        [
            "create-case",
            "tag-message",
            "hold",
            "hold",
            "email",
            "notify",
            "set-timer",
            "set-timer"
        ]
    );
    let lead = &world.cases_now()[0];
    assert_eq!(lead.state, "Initial Phone Call");
    assert_eq!(lead.text("domain"), "clinic.example.com");
    assert_eq!(
        lead.text("need"),
        "we are looking for somebody to build a booking system for our three clinics."
    );
    assert!(lead.texts("missing").contains(&"timeline".to_owned()));

    let email = email(&reaction);
    assert_eq!(email.requires, ["first-meeting-1", "first-meeting-2"]);
    assert!(email.cancel_on_reply && email.to.is_empty() && email.in_reply_to.is_some());
    let variables = variables(email);
    assert_eq!(variables["first_name"], "Ann");
    assert_eq!(
        variables["slots"][0]["start"],
        instant("2026-03-05T08:00:00Z")
    );
    assert_eq!(
        variables["slots"][1]["start"],
        instant("2026-03-06T08:00:00Z")
    );
    assert_eq!(variables["decline_price"], false);
    let asked: Vec<_> = variables["missing"].as_array().unwrap().iter().collect();
    assert_eq!(
        asked,
        [
            "timeline",
            "budget_band",
            "decision_maker",
            "source",
            "contact_details"
        ]
    );
    assert!(
        notified(reaction.only("notify"))
            .0
            .contains("New lead Clinic")
    );
}

#[test]
fn only_what_is_missing_is_asked() {
    let text = "Hello, we need a new web shop by the end of May. Our budget is about 20k. A friend \
                recommended you. How much would it cost?";
    let mail = enquiry()
        .text(text)
        .signature("Ann Smith\nManaging Director\nAcme GmbH\nTel +49 30 1234567");
    let mut world = world();
    let reaction = receive(&mut world, mail);
    let variables = variables(email(&reaction));
    assert_eq!(variables["missing"], serde_json::json!([]));
    assert_eq!(variables["decline_price"], true);
    let lead = &world.cases_now()[0];
    assert_eq!(lead.text("company"), "Acme GmbH");
    assert_eq!(lead.text("budget_band"), "10000 to 50000");
    assert_eq!(lead.text("phone"), "+49 30 1234567");
    assert_eq!(lead.text("temperature"), "hot");
    assert_eq!(lead.texts("missing"), ["fit"]);
}

/// AC-LT2.
#[test]
fn the_same_mail_from_a_known_contact_is_an_opportunity_of_the_account() {
    for contact in [&["Ann Smith <ann@clinic.example.com>"][..], &[]] {
        let mut world = world().account("Clinic Ltd", &["clinic.example.com"], contact);
        let reaction = receive(&mut world, enquiry());
        assert_eq!(reaction.actions(), ["create-case", "tag-message", "notify"]);
        let case = &world.cases_now()[0];
        assert_eq!(
            (case.kind.as_str(), case.text("account")),
            ("opportunity", "account-1")
        );
        let again = receive(&mut world, enquiry().subject("Re: Booking system"));
        assert!(again.is_empty(), "{again}");
    }
    let mut customer = world().account("Clinic Ltd", &["clinic.example.com"], &[]);
    let trouble = "We need help, the portal is not working. Can you look?";
    assert!(receive(&mut customer, enquiry().text(trouble)).is_empty());
    let mut supplier = world()
        .account("Clinic Ltd", &["clinic.example.com"], &[])
        .lifecycle("Supplier");
    assert!(receive(&mut supplier, enquiry()).is_empty());
}

/// AC-LT8.
#[test]
fn a_lead_without_answer_is_told_to_the_owner_then_to_the_manager_once_each() {
    let mut world = world().setting("manager", "mia@example.net");
    receive(&mut world, enquiry());
    let early = world.advance::<LeadTriage>("1 business hour").unwrap();
    assert!(early.is_empty(), "{early}");
    let reminder = world.advance::<LeadTriage>("1 business hour").unwrap();
    assert_eq!(notified(reminder.only("notify")).2, None);
    let overdue = world.advance::<LeadTriage>("2 business hours").unwrap();
    assert_eq!(overdue.actions(), ["update-case", "notify"]);
    assert_eq!(notified(overdue.only("notify")).2, Some("mia@example.net"));
    assert_eq!(
        world.cases_now()[0].get("overdue"),
        Some(&Value::Flag(true))
    );
    assert!(
        world
            .advance::<LeadTriage>("5 business days")
            .unwrap()
            .is_empty()
    );
}

#[test]
fn an_answer_of_ours_stops_the_reminders() {
    for by_plugin in [false, true] {
        let mut world = world().setting("manager", "mia@example.net");
        receive(&mut world, enquiry());
        let mut answer = Mail::to_outside("ann@clinic.example.com").subject("Re: Booking system");
        if by_plugin {
            answer = answer.by_plugin("lead-triage");
        }
        let sent = world.send::<LeadTriage>(answer).unwrap();
        assert_eq!(
            sent.actions(),
            ["update-case", "cancel-timer", "cancel-timer"]
        );
        assert!(world.timers_now().is_empty());
        assert!(
            world
                .advance::<LeadTriage>("5 business days")
                .unwrap()
                .is_empty()
        );

        let text = "Number 1 suits us. My phone is +49 30 1234567.";
        let reply = enquiry().subject("Re: Booking system").text(text);
        let reaction = receive(&mut world, reply);
        assert_eq!(reaction.actions(), ["update-case", "notify"]);
        assert!(
            !world.cases_now()[0]
                .texts("missing")
                .contains(&"contact_details".to_owned())
        );
    }
    let mut world = world();
    receive(&mut world, enquiry());
    let forward = Mail::to_outside("mia@example.net").subject("Fwd: Booking system");
    assert!(world.send::<LeadTriage>(forward).unwrap().is_empty());
    assert_eq!(world.timers_now().len(), 2);
}

#[test]
fn one_company_is_one_lead() {
    let mut world = world();
    receive(&mut world, enquiry());
    let colleague = Mail::from("Bob Jones <bob@clinic.example.com>")
        .subject("Website")
        .text(ENQUIRY);
    let reaction = receive(&mut world, colleague);
    assert_eq!(reaction.actions(), ["update-case", "tag-message", "notify"]);
    assert_eq!(world.cases_now().len(), 1);

    let mut free_mail = TestWorld::new().manifest(MANIFEST);
    for sender in ["Ann Smith <ann@gmail.com>", "Bob Jones <bob@gmail.com>"] {
        let mail = Mail::from(sender).subject(sender).text(ENQUIRY);
        assert_eq!(receive(&mut free_mail, mail).of("create-case").count(), 1);
    }
    assert_eq!(free_mail.cases_now()[0].text("company"), "Ann Smith");

    let mut lost = TestWorld::new().manifest(MANIFEST).case(
        "lead",
        "Lost",
        &[("domain", "clinic.example.com")],
    );
    let reaction = receive(&mut lost, enquiry());
    assert_eq!(reaction.actions(), ["update-case", "tag-message", "notify"]);
    assert_eq!(lost.cases_now()[0].state, "Initial Phone Call");
}

#[test]
fn doubtful_senders_are_recorded_and_never_answered() {
    for (mail, why) in [
        (enquiry().authenticity(Authenticity::Fail), "authenticity"),
        (
            Mail::from("ann@examp1e.net").text(ENQUIRY),
            "nearly example.net",
        ),
        (
            Mail::from("boss@bank.example.com <x@evil.example.org>").text(ENQUIRY),
            "the name shows",
        ),
        (
            enquiry().reply_to("x@elsewhere.example.org"),
            "answers would go to",
        ),
    ] {
        let mut world = world();
        let reaction = receive(&mut world, mail);
        assert_eq!(
            reaction.actions(),
            ["create-case", "tag-message", "notify"],
            "{why}"
        );
        let (text, urgent, _) = notified(reaction.only("notify"));
        assert!(urgent && text.contains(why), "{text}");
        assert!(!world.cases_now()[0].texts("risk").is_empty());
    }
}

#[test]
fn the_calendar_question_is_never_left_open() {
    let mut full = world().busy("2026-03-03T00:00:00Z", "2026-04-03T00:00:00Z");
    let polish = "Dzień dobry, potrzebujemy wyceny: quote for a website project?";
    for (world, mail, why) in [
        (&mut full, enquiry(), "only 0 of 2 times are free"),
        (
            &mut world(),
            enquiry().text(polish),
            "no template for its language",
        ),
        (
            &mut world().setting("reply_languages", vec!["de"]),
            enquiry(),
            "no template",
        ),
    ] {
        let reaction = receive(world, mail);
        assert_eq!(
            reaction.actions(),
            [
                "create-case",
                "tag-message",
                "notify",
                "set-timer",
                "set-timer"
            ],
            "{why}"
        );
        let (text, _, _) = notified(reaction.only("notify"));
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn answers_come_in_the_language_of_the_enquiry() {
    let text =
        "Guten Tag, wir suchen eine Agentur für unsere neue Webseite. Könnten Sie uns helfen?";
    let mut world = world();
    let reaction = receive(&mut world, enquiry().text(text));
    let email = email(&reaction);
    let Content::Template(template) = &email.content else {
        panic!("a template")
    };
    assert_eq!(template.name, "first-answer-de");
    assert_eq!(
        variables(email)["slots_text"][0],
        "Donnerstag, 5. März 2026, 9:00-10:00 (Europe/Berlin, UTC+1)"
    );
}

#[test]
fn what_is_not_for_us_is_left_alone() {
    let robot = Mail::from("no-reply@portal.example.com").text(ENQUIRY);
    for (mail, actions) in [
        (
            enquiry()
                .to("colleague@clinic.example.com")
                .cc("sam@example.net"),
            &[][..],
        ),
        (enquiry().class(MessageClass::Bulk), &[]),
        (enquiry().class(MessageClass::Ooo), &[]),
        (enquiry().class(MessageClass::AutoGenerated), &[]),
        (robot, &[]),
        (enquiry().text("Thanks, see you on Monday!"), &[]),
        (Mail::from("mia@example.net").text(ENQUIRY), &[]),
        (
            enquiry().text("Please find my CV attached."),
            &["tag-message"],
        ),
    ] {
        let reaction = receive(&mut world(), mail);
        assert_eq!(reaction.actions(), actions, "{reaction}");
    }
    let mut sales_only = world().setting("leads_addresses", vec!["sales@"]);
    assert!(receive(&mut sales_only, enquiry()).is_empty());
    assert!(!receive(&mut sales_only, enquiry().to("sales@example.net")).is_empty());

    let mut ours_first = world();
    let offer = Mail::to_outside("ann@clinic.example.com")
        .subject("Hello")
        .text("Shall we talk?");
    ours_first.send::<LeadTriage>(offer).unwrap();
    assert!(receive(&mut ours_first, enquiry().subject("Re: Hello")).is_empty());
}

#[test]
fn a_web_form_becomes_a_call_and_never_a_mail() {
    let form = "Name: Ann Smith\nEmail: ann@clinic.example.com\nPhone: 030 1234567\nMessage:\n\
                We need a new website. How much would it cost?";
    for class in [MessageClass::Human, MessageClass::AutoGenerated] {
        let mail = Mail::from("Forms <no-reply@forms.example.org>")
            .reply_to("Ann Smith <ann@clinic.example.com>")
            .subject("New message")
            .text(form)
            .class(class);
        let mut world = world();
        let reaction = receive(&mut world, mail);
        assert_eq!(
            reaction.actions(),
            [
                "create-case",
                "tag-message",
                "create-task",
                "set-timer",
                "set-timer"
            ]
        );
        assert_eq!(world.cases_now()[0].text("domain"), "clinic.example.com");
        assert_eq!(world.cases_now()[0].text("phone"), "030 1234567");
    }
}

#[test]
fn settings_are_checked() {
    let defaults = world();
    let settings = liaison_sdk::World::settings(&defaults);
    assert_eq!(liaison_sdk::check::<LeadTriage>(&settings), [""; 0]);
    let wrong = world()
        .setting("slots", 1)
        .setting("days_ahead_min", 20)
        .setting("qualification", vec!["shoe size"])
        .setting("budget_bands", vec!["many"])
        .setting("manager", "mia");
    let problems = liaison_sdk::check::<LeadTriage>(&liaison_sdk::World::settings(&wrong));
    assert_eq!(problems.len(), 5, "{problems:?}");
    let unreadable = world().setting("remind_owner_after", "soon");
    let problems = liaison_sdk::check::<LeadTriage>(&liaison_sdk::World::settings(&unreadable));
    assert!(
        problems[0].contains("`soon` is no length of time"),
        "{problems:?}"
    );
}

#[test]
fn cases() {
    assert!(run_cases::<LeadTriage>(MANIFEST, concat!(env!("CARGO_MANIFEST_DIR"), "/cases")) >= 2);
}
