use liaison_sdk::testing::{Mail, TestWorld};
use liaison_sdk::{Cx, MessageReceived, Plugin, Result};

use super::*;

#[derive(serde::Deserialize)]
struct Settings {
    names: Vec<String>,
}

/// Reports what is found as a tag, so that a message goes its usual way.
struct Probe;

impl Plugin for Probe {
    type Settings = Settings;

    fn on_message(cx: &mut Cx<'_, Settings>, received: &MessageReceived) -> Result {
        let found = find(&received.message, &cx.settings().names);
        let word = match found.map(|found| found.wish) {
            None => "nothing",
            Some(Wish::Agreement) => "agreement",
            Some(Wish::TheirDocument(_)) => "theirs",
            Some(Wish::SigningSite(_)) => "site",
        };
        cx.log(word);
        Ok(())
    }
}

fn probe(subject: &str, body: &str, files: &[&str]) -> String {
    let mut world = TestWorld::new().manifest(include_str!("../../plugin.toml"));
    let mut mail = Mail::from("Ann Smith <ann@example.com>")
        .subject(subject)
        .text(body);
    for file in files {
        mail = mail.attachment(file, "application/octet-stream", 1000);
    }
    world.receive::<Probe>(mail).unwrap();
    world.log_now()[0].replace("info: ", "")
}

#[test]
fn requests_under_every_name() {
    for body in [
        "Before we share the plans we need an NDA. Could you send us yours?",
        "Please sign a non-disclosure agreement with us.",
        "Our lawyers require a confidentiality agreement.",
        "Could we put a CDA in place?",
        "We would need a CA signed before we disclose anything.",
        "Please send your standard PIA for signature.",
        "We ask all partners for a secrecy agreement. Can you provide one?",
        "Bitte schicken Sie uns eine Geheimhaltungsvereinbarung.",
        "Wir benötigen vorab eine Vertraulichkeitsvereinbarung.",
        "Merci de nous envoyer un accord de confidentialité.",
        "Necesitamos un acuerdo de confidencialidad antes de la reunión.",
        "Graag ontvangen wij een geheimhoudingsovereenkomst.",
    ] {
        assert_eq!(probe("Hello", body, &[]), "agreement", "{body}");
    }
    assert_eq!(probe("NDA", "Could you send it today?", &[]), "agreement");
}

#[test]
fn what_is_no_request() {
    for (body, files) in [
        ("Our CA will pay the invoice.", &[][..]),
        ("Our CA will pay the invoice.", &["invoice.pdf"]),
        ("Our CA signed the audit; please pay.", &[]),
        (
            "Our office in San Francisco, CA needs the signed agreement.",
            &[],
        ),
        ("The CA signed our certificate, please install it.", &[]),
        ("We meet ca. 30 people, please sign the list.", &[]),
        ("As per our NDA the slides are for you only.", &[]),
        ("We have already signed the NDA, please start.", &[]),
        ("This mail is confidential.", &[]),
        ("Please find the plans attached.", &["plans.pdf"]),
        ("", &[]),
    ] {
        assert_eq!(probe("Hello", body, files), "nothing", "{body}");
    }
}

#[test]
fn their_documents_and_signing_sites() {
    for (body, files, expected) in [
        (
            "Please sign our confidentiality deed.",
            &["deed.pdf"][..],
            "theirs",
        ),
        (
            "Please sign the attached.",
            &["Mutual_NDA_v2.docx"],
            "theirs",
        ),
        (
            "Here is our NDA for you to sign.",
            &["scan0001.tif"],
            "theirs",
        ),
        (
            "Could you send us your standard NDA? The plans are attached.",
            &["plans.pdf"],
            "agreement",
        ),
        ("Please sign the NDA.", &["logo.png"], "agreement"),
        (
            "Please sign the NDA: https://eu.docusign.net/x?y=1",
            &[],
            "site",
        ),
        (
            "Please sign the NDA: https://notdocusign.network.example/x",
            &[],
            "agreement",
        ),
    ] {
        assert_eq!(probe("Hello", body, files), expected, "{body}");
    }
}
