use super::*;

fn address(name: &str, email: &str) -> Address {
    Address {
        name: (!name.is_empty()).then(|| name.to_owned()),
        email: email.to_owned(),
    }
}

#[test]
fn phrases_are_found_as_words_not_as_letters() {
    let words = Words::of("We need a Quotation\nfor the non-disclosure; don't wait, Angebotsphase");
    for (phrase, found) in [
        ("need a quotation", true),
        ("quot*", true),
        ("quote", false),
        ("non-disclosure", true),
        ("non disclosure", true),
        ("don't wait", true),
        ("angebot*", true),
        ("angebot", false),
        ("for the non*", true),
        ("phase", false),
        ("", false),
        ("*", false),
    ] {
        assert_eq!(words.has(phrase), found, "{phrase}");
    }
}

#[test]
fn words_with_the_same_beginning_are_told_apart() {
    let text = "Countersign, countersigned; COUNTERSIGNED twice. Über-Straße, überall ab abc a";
    let words = Words::of(text);
    for (phrase, found) in [
        ("countersign", true),
        ("countersig", false),
        ("countersigned twice", true),
        ("countersigned countersigned", true),
        ("countersign twice", false),
        ("countersigns*", false),
        ("counters*", true),
        ("ÜBER straße", true),
        ("über*", true),
        ("ab abc a", true),
        ("abc a ab", false),
        ("abcd", false),
        ("zz*", false),
    ] {
        assert_eq!(words.has(phrase), found, "{phrase}");
    }
    assert_eq!(words.count("countersigned"), 2);
    assert_eq!(words.count("ab"), 1);
    assert_eq!(words.len(), 10);
}

#[test]
fn asks_are_found_in_five_languages_and_courtesies_are_not() {
    for (text, asks) in [
        ("Could we talk on Tuesday?", true),
        ("Please send the signed form back.", true),
        ("Thanks!\n\nPlease let me know which date suits you", true),
        ("Please let me know if you have any questions.", false),
        ("Hi Ann, how are you? The invoice is attached.", false),
        ("See https://example.com/?q=1 for the photos.", false),
        ("Here are the minutes. Do not hesitate to call.", false),
        ("Hallo, könnten Sie uns die Zahlen schicken", true),
        (
            "Bei Fragen melden Sie sich bitte. Anbei das Protokoll.",
            false,
        ),
        ("Pourriez-vous nous rappeler demain", true),
        ("Veuillez agréer, Madame, mes salutations.", false),
        ("¿Cuándo empezamos el proyecto?", true),
        ("Kunt u dit bevestigen", true),
        ("The form is attached. Bye.", false),
        ("", false),
    ] {
        assert_eq!(ask(text).is_some(), asks, "{text}");
    }
    let found = ask("All fine here.\nWhich of the two options\nshall we build?").unwrap();
    assert_eq!(found.sentence, "Which of the two options shall we build?");
}

#[test]
fn languages() {
    for (text, expected) in [
        (
            "Hello, we need a new booking system. Could you send us a quote?",
            Some(Language::En),
        ),
        (
            "Guten Tag, wir suchen eine Agentur für unsere Website.",
            Some(Language::De),
        ),
        (
            "Bonjour, nous cherchons une agence pour notre site.",
            Some(Language::Fr),
        ),
        (
            "Hola, necesitamos un presupuesto para una tienda.",
            Some(Language::Es),
        ),
        (
            "Hallo, wij zoeken een bureau voor onze website.",
            Some(Language::Nl),
        ),
        ("Dzień dobry, potrzebujemy nowej strony internetowej.", None),
        ("こんにちは。見積もりをお願いします。", None),
        ("ok", None),
        ("", None),
    ] {
        assert_eq!(language(text), expected, "{text}");
    }
}

#[test]
fn first_names_are_only_taken_where_sure() {
    for (name, expected) in [
        ("Ann Smith", Some("Ann")),
        ("Smith, Ann", Some("Ann")),
        ("Dr. Jean-Luc Martin", Some("Jean-Luc")),
        ("Acme Support Team", None),
        ("Müller GmbH", None),
        ("ann@example.com", None),
        ("Smith", None),
        ("", None),
    ] {
        let got = first_name(&address(name, "ann@example.com"));
        assert_eq!(got.as_deref(), expected, "{name}");
    }
}

#[test]
fn robots_and_subjects() {
    for (email, robot) in [
        ("no-reply@example.com", true),
        ("noreply+17@example.com", true),
        ("orders-noreply@example.com", true),
        ("Mailer-Daemon@example.com", true),
        ("norely@example.com", false),
        ("info@example.com", false),
    ] {
        assert_eq!(is_robot(&address("", email)), robot, "{email}");
    }
    assert_eq!(base_subject(" Re: AW: [ext] Offer "), "[ext] offer");
    assert_eq!(base_subject("Re[2]: Offer"), "offer");
    assert_eq!(base_subject("Question: when?"), "question: when?");
}
