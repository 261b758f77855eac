use super::*;

fn kind(subject: &str, body: &str) -> &'static str {
    match judge(subject, body) {
        Verdict::Enquiry(_) => "enquiry",
        Verdict::NotALead { kind, .. } => kind,
        Verdict::Nothing => "nothing",
    }
}

#[test]
fn enquiries_are_found_in_five_languages() {
    for (subject, body) in [
        (
            "Booking system",
            "Hello, we are looking for somebody to build a booking system. Can you help?",
        ),
        ("Quote", "Hi, could you send us a quote for a new website?"),
        (
            "Question",
            "How much does a two-day workshop for ten people cost?",
        ),
        (
            "Project",
            "We need a partner for a migration project and would like to meet you next week.",
        ),
        (
            "Anfrage",
            "Guten Tag, wir suchen eine Agentur für unsere neue Webseite. Was würde das kosten?",
        ),
        (
            "Anfrage",
            "Wir benötigen Beratung zu unserem Lager. Könnten wir einen Termin vereinbaren?",
        ),
        (
            "Demande de devis",
            "Bonjour, nous souhaitons un devis pour un logiciel de caisse.",
        ),
        (
            "Presupuesto",
            "Hola, necesitamos una aplicación para la tienda. ¿Nos podrían enviar un presupuesto?",
        ),
        (
            "Offerte",
            "Goedemiddag, wij zoeken maatwerk software. Kunt u een offerte sturen?",
        ),
        (
            "Clinic",
            "We offer physiotherapy and need a portal for patients. I am looking for a quote.",
        ),
        (
            "Hi",
            "I run a small chain of bakeries and need a better ordering system. Do you do that sort of thing?",
        ),
        (
            "Hotel",
            "Our booking software is being discontinued and we need a replacement by June. When could we talk?",
        ),
        ("Training", "Do you offer training for teams of ten?"),
        ("Drivers", "Could your team build an app for our drivers?"),
        ("Prices", "Please send me your price list."),
        (
            "Hello",
            "I’d love to learn more about your consulting and set up a meeting.",
        ),
        (
            "Dispatch",
            "We’d like a dispatch tool. What might something like this cost, and could we have a call?",
        ),
    ] {
        assert_eq!(kind(subject, body), "enquiry", "{body}");
    }
}

#[test]
fn what_only_looks_like_one_is_named() {
    for (expected, body) in [
        (
            "a supplier's offer",
            "We offer great web development. Are you looking for developers? Our team of 50 can start now.",
        ),
        (
            "a supplier's offer",
            "I came across your website. Could we have a quick call about a project?",
        ),
        (
            "a recruiter",
            "We have top candidates for your software projects. Can we talk?",
        ),
        (
            "a job application",
            "Please find my CV attached. I would like to work on your projects. Could we meet?",
        ),
        (
            "a student's request",
            "I am a student and write my thesis about software projects. Could you answer a survey?",
        ),
        (
            "a newsletter",
            "New price list and a webinar! Unsubscribe here.",
        ),
        (
            "spam",
            "Dear sir, I need your help with an inheritance of ten million dollars. Can you call?",
        ),
        (
            "a bill or an order",
            "Please find our invoice attached, price as agreed. Could you pay by Friday?",
        ),
        (
            "a job application",
            "Hiermit sende ich Ihnen meine Bewerbung als Entwickler. Ich suche ein Projekt.",
        ),
    ] {
        assert_eq!(kind("Hello", body), expected, "{body}");
    }
}

#[test]
fn ordinary_mail_has_no_cue() {
    for body in [
        "",
        "Thanks, see you on Monday!",
        "Is your shop open on Sunday?",
        "The parcel arrived, all fine.",
        "Our CA will pay the invoice.",
        "Could we meet on Tuesday for lunch?",
        "The cost of living is rising.",
        "Danke für das nette Gespräch gestern.",
    ] {
        assert_ne!(kind("Hello", body), "enquiry", "{body}");
    }
}

#[test]
fn prices_and_troubles_are_told_apart() {
    let Verdict::Enquiry(price) = judge("Price", "How much would a shop like ours cost, roughly?")
    else {
        panic!("an enquiry");
    };
    assert!(price.asks_price && price.is_new_work);
    let Verdict::Enquiry(trouble) = judge(
        "Help",
        "We need help: the login to the portal is not working. Can you look at it?",
    ) else {
        panic!("an enquiry, were it from a stranger");
    };
    assert!(!trouble.is_new_work);
}
