//! Why a mail leaves when it does.

use liaison_core::business_time::QuietHours;

use super::*;

/// A desk whose office works on weekdays in Berlin, with quiet hours.
fn in_berlin() -> Desk {
    let mut desk = desk();
    let mut office = (*desk.context.office).clone();
    let hours = "09:00-17:00".parse().unwrap();
    office.firm.business = BusinessCalendar::weekdays("Europe/Berlin", hours).unwrap();
    office.firm.quiet = QuietHours::default();
    desk.context.office = std::sync::Arc::new(office);
    desk
}

async fn bob_in(desk: &Desk, zone: &str) {
    let account = json!({ "name": "Acme", "domains": ["acme.example"],
        "contact_email": "bob@example.net", "contact_name": "Bob" });
    desk.ask("accounts-add", account).await.unwrap();
    let zone = json!({ "kind": "contact", "which": "bob@example.net",
        "fields": [["time_zone", zone]] });
    desk.ask("records-put", zone).await.unwrap();
}

#[tokio::test]
async fn an_automatic_mail_says_when_it_leaves_for_us_and_for_them() {
    let desk = in_berlin();
    bob_in(&desk, "America/New_York").await;
    let mut mail = mail(MailState::Scheduled);
    (mail.mode, mail.requires) = (MailMode::Send, Vec::new());
    desk.commit(|batch| stage_new_mail(batch, &mail).unwrap())
        .await;
    let got = desk
        .ask("explain-schedule", json!({ "id": "aaaaaa" }))
        .await
        .unwrap();
    let zone = &got["recipient_zone"];
    assert_eq!(zone["places"], json!(["America/New_York"]), "{got:#}");
    assert_eq!(zone["confidence"], "recorded");
    let at: Timestamp = got["leaves"]["at"].as_str().unwrap().parse().unwrap();
    let local = |zone: &str| {
        jiff::tz::TimeZone::get(zone)
            .unwrap()
            .to_datetime(at.to_jiff())
    };
    assert!((9..17).contains(&local("Europe/Berlin").hour()), "{at}");
    assert!((8..20).contains(&local("America/New_York").hour()), "{at}");
    let ours = got["times"]["ours"].as_str().unwrap();
    assert!(ours.contains("Europe/Berlin (+0"), "{ours}");
    let theirs = got["times"]["theirs"][0].as_str().unwrap();
    assert!(theirs.contains("America/New_York (-0"), "{theirs}");
    assert!(!got["waits"].as_array().unwrap().is_empty(), "{got:#}");
}

#[tokio::test]
async fn holds_panic_and_a_missing_yes_are_named() {
    let desk = in_berlin();
    story(&desk).await;
    desk.ask("panic", json!({ "on": true, "why": "fire" }))
        .await
        .unwrap();
    let got = desk
        .ask("explain-schedule", json!({ "id": "aaaaaa" }))
        .await
        .unwrap();
    assert_eq!(got["leaves"]["is"], "person", "{got:#}");
    let text = got["text"].as_str().unwrap();
    assert!(text.contains("outbox approve aaaaaa1111"), "{text}");
    let depends = got["depends"].to_string();
    for part in ["`Call with Bob`", "is placed", "uid 7", "fire"] {
        assert!(depends.contains(part), "{part} is not in {depends}");
    }
    let error = desk
        .ask("explain-schedule", json!({ "id": "cafe01" }))
        .await;
    assert_eq!(error.unwrap_err().code(), "not_found");
}

#[tokio::test]
async fn a_mail_that_stops_for_an_answer_waits_for_a_mailbox_that_nobody_could_read() {
    for (mailbox, cancel_on_reply, waits) in [
        ("stale", true, true),
        ("stale", false, false),
        ("sales", true, false),
    ] {
        let mut desk = in_berlin();
        let mut office = (*desk.context.office).clone();
        let route = crate::office::MailboxRoute {
            owner: None,
            route: None,
            reply_to: None,
            file_sent_copy: false,
            if_uncertain: Default::default(),
        };
        office.mailboxes.insert(mailbox.into(), route);
        desk.context.office = std::sync::Arc::new(office);
        let mut mail = mail(MailState::Scheduled);
        (mail.mode, mail.requires) = (MailMode::Send, Vec::new());
        mail.cancel_on_reply = cancel_on_reply;
        mail.cause.subject.mailbox = Some(mailbox.to_owned());
        desk.commit(|batch| stage_new_mail(batch, &mail).unwrap())
            .await;
        let got = desk
            .ask("explain-schedule", json!({ "id": "aaaaaa" }))
            .await
            .unwrap();
        let text = got["text"].as_str().unwrap();
        let said = text.contains("the mailbox stale is not proven up to date");
        assert_eq!(said, waits, "{got:#}");
        let is = if waits { "not_before" } else { "at" };
        assert_eq!(got["leaves"]["is"], is, "{got:#}");
    }
}
