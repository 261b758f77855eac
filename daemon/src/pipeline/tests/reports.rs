//! Delivery reports close the loop: what comes back stops the address, tells its owner and calls
//! off what waits; what proves that a mail went out settles a doubt; what is forged changes nothing.

use std::path::Path;

use liaison_core::effect::{MailEffect, MailMode};
use liaison_core::ids::EffectId;
use liaison_core::outbox::{Input, MailState};
use liaison_core::policy::VerdictResult;
use liaison_core::reach::{Meaning, Reach, WhyNot};

use super::house::{BUNDLED, ENQUIRY, House, from_ann, from_sam, mail};
use super::trust::{step, waiting};
use super::{QUESTION, asked, in_reply_to};
use crate::books::keys;
use crate::clock::Clock;
use crate::outbox::ledger::stage_ledgers;
use crate::outbox::{Step, stage_mail, stage_new_mail};
use crate::source::{BatchMode, FolderRole};
use crate::store::Ns;

const ANN: &str = "ann@clinic.example.com";

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/reading/bounce")
}

/// A report as a program wrote it, about this mail of sam's.
fn report(name: &str, message_id: &str, to: &str) -> String {
    let text = std::fs::read_to_string(fixtures().join(format!("{name}.eml"))).unwrap();
    text.replace("bob@example.net", to)
        .replace("sam@example.com", "sam@example.net")
        .replace("offer-1@example.com", message_id)
}

/// Names of the reports about Bob's copy that name the mail, with what was read of them by hand.
fn reports() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let said = text.lines().find(|line| line.contains("bob@example.net"));
        if let (true, Some(said)) = (text.contains("offer-1@example.com"), said) {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            found.push((name, said.to_owned()));
        }
    }
    found
}

/// The follow-up to ann went out.
async fn sent() -> (House, MailEffect) {
    let (mut house, mail) = waiting(MailMode::Send).await;
    house.carry_out(&mail).await;
    house.settle(&BUNDLED).await;
    let mail = house.mails().await.remove(0);
    assert_eq!(mail.state, MailState::Sent);
    house.advance(1);
    (house, mail)
}

/// A mail like `like` to somebody.
async fn further(house: &House, like: &MailEffect, id: &str, to: &str) -> MailEffect {
    let mail = MailEffect {
        id: EffectId::from(id),
        message_id: format!("liaison.{id}@example.net"),
        recipient: to.to_owned(),
        state: MailState::Scheduled,
        attempts: 0,
        created: house.clock.now(),
        ..like.clone()
    };
    let mut writes = house.books.batch();
    stage_new_mail(&mut writes, &mail).unwrap();
    let at = (mail.created, &house.office.free_mail);
    stage_ledgers(&house.books, &mut writes, &mail, at)
        .await
        .unwrap();
    house.books.commit(writes).await.unwrap();
    mail
}

async fn hand_over(house: &House, mail: &MailEffect, end: Input) {
    for input in [Input::Lease, Input::EnterBody, end] {
        step(house, mail, input).await;
    }
}

async fn bounced(house: &mut House, name: &str, mail: &MailEffect) {
    house
        .receive(&report(name, &mail.message_id, &mail.recipient))
        .await;
    house.settle(&BUNDLED).await;
}

async fn now_of(house: &House, mail: &MailEffect) -> MailEffect {
    house.books.mail(&mail.id).await.unwrap().unwrap()
}

async fn stopped(house: &House) -> Vec<String> {
    let all: Vec<Reach> = house.all(Ns::Reach).await;
    let stopped = all.into_iter().filter(|reach| reach.stopped.is_some());
    stopped.map(|reach| reach.subject).collect()
}

/// What became of the newest report.
async fn meaning(house: &House, name: &str) -> Meaning {
    let id = format!("{name}@mx.example.net");
    let message = house.books.message_by_id(&id).await.unwrap().unwrap();
    let report = house.books.report(&message.key).await.unwrap().unwrap();
    report.copies[0].meaning
}

/// mautic/mautic#8124, #9149: bounces were read and marked, and the contact never heard of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bounce_that_is_read_reaches_the_address_whatever_program_wrote_it() {
    let reports = reports();
    assert!(reports.len() > 25, "{reports:?}");
    for (name, said) in reports {
        let (mut house, mail) = sent().await;
        let tasks = house.tasks().await.len();
        bounced(&mut house, &name, &mail).await;
        let row = house.books.returned(mail.id.as_str()).await.unwrap();
        let row = row.unwrap_or_else(|| panic!("{name}: {said}: nothing is shown of it"));
        assert_eq!(row.count, 1, "{name}");
        let of_content = said.contains(" 5.6.");
        let (dead, told) = match said.contains(" hard") {
            true => (!of_content, 1),
            false => (false, 0),
        };
        let expected: &[&str] = if dead { &[ANN] } else { &[] };
        assert_eq!(stopped(&house).await, expected, "{name}: {said}");
        let after = house.tasks().await;
        assert_eq!(after.len(), tasks + told, "{name}: {said}");
        if dead {
            let task = after.iter().find(|task| task.title.contains(ANN)).unwrap();
            assert_eq!(task.owner.as_deref(), Some("sam@example.net"));
            for part in [&mail.subject_line, ANN, "liaison addresses allow"] {
                assert!(task.body.contains(part), "{name}: {}", task.body);
            }
        }
        // It was sent, and stays so.
        assert_eq!(now_of(&house, &mail).await.state, MailState::Sent);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_dead_address_is_called_off_whatever_it_waits_for() {
    let (mut house, mail) = sent().await;
    let scheduled = further(&house, &mail, "aa", ANN).await;
    let held = further(&house, &mail, "bb", ANN).await;
    step(&house, &held, Input::NeedsPerson).await;
    let drafted = further(&house, &mail, "cc", "Ann+crm@clinic.example.com").await;
    for input in [Input::Lease, Input::DraftPlaced] {
        step(&house, &drafted, input).await;
    }
    let colleague = further(&house, &mail, "dd", "bob@clinic.example.com").await;
    bounced(&mut house, "exchange-en", &mail).await;
    for mail in [scheduled, held, drafted] {
        let after = now_of(&house, &mail).await;
        assert_eq!(after.state.as_str(), "cancelled", "{}", mail.id);
        let audit = house.books.audit_of(mail.id.as_str()).await.unwrap();
        let ended = audit.iter().find(|row| row.what.contains("cancelled"));
        let why = &ended.unwrap().why;
        let named = why.contains("ann@clinic.example.com is undeliverable");
        assert!(named && why.contains("5.1.10"), "{why}");
    }
    let colleague = now_of(&house, &colleague).await;
    assert_eq!(colleague.state, MailState::Scheduled);
    // Nothing new is decided for it, either.
    house.advance(24 * 10);
    house
        .receive(&from_ann("e9", "answer me", ENQUIRY, ""))
        .await;
    house.settle(&["obeys"]).await;
    let results = house.results("e9").await;
    let verdicts = results.iter().flat_map(|row| &row.verdicts);
    let refused: Vec<_> = verdicts
        .filter(|verdict| verdict.kind == "email" && verdict.result == VerdictResult::Refused)
        .collect();
    assert_eq!(refused.len(), 1, "{results:?}");
    let reasons = refused[0].reasons.join(" ");
    assert!(reasons.contains("is undeliverable since"), "{reasons}");
}

fn mail_to_sam(from: &str, id: &str, subject: &str, text: &str) -> String {
    mail(&[from, "sam@example.net"], id, subject, text, "")
}

/// Somebody else's server wrote about it, so a server took it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_report_settles_a_mail_in_doubt_and_it_is_not_sent_again() {
    for (name, dead) in [
        ("relayed", false),
        ("gmail-delay", false),
        ("gmail-not-found", true),
        ("qmail", true),
    ] {
        for further in [None, Some(Input::NotFound)] {
            let (mut house, mail) = waiting(MailMode::Send).await;
            hand_over(&house, &mail, Input::NoVerdict).await;
            if let Some(input) = &further {
                step(&house, &mail, input.clone()).await;
            }
            bounced(&mut house, name, &mail).await;
            let after = now_of(&house, &mail).await;
            assert_eq!(after.state, MailState::Sent, "{name} {further:?}");
            assert_eq!(!stopped(&house).await.is_empty(), dead, "{name}");
            let audit = house.books.audit_of(mail.id.as_str()).await.unwrap();
            assert!(
                audit
                    .iter()
                    .any(|row| row.what.ends_with("-> sent") && row.why.contains("report")),
                "{audit:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_somebody_made_up_changes_nothing_and_says_why_in_its_record() {
    let hard = "postfix-unknown-user";
    let (mut house, mail) = sent().await;
    let id = &mail.message_id;
    let other = further(&house, &mail, "aa", "bob@clinic.example.com").await;
    let before = house.tasks().await.len();
    let rows = [
        (
            "unknown",
            report(hard, "guess@example.net", ANN),
            WhyNot::NoMailOfOurs,
        ),
        (
            "other",
            report(hard, id, "bob@clinic.example.com"),
            WhyNot::OtherRecipient,
        ),
        (
            "waits",
            report(hard, &other.message_id, &other.recipient),
            WhyNot::NeverHandedOver,
        ),
        (
            "liar",
            format!(
                "Authentication-Results: mx.example.net; dmarc=fail header.from=mx.example.com\n{}",
                report(hard, id, ANN)
            ),
            WhyNot::Liar,
        ),
        (
            "colleague",
            report(hard, id, ANN).replace("MAILER-DAEMON@mx.example.com", "sam@example.net"),
            WhyNot::OneOfUs,
        ),
    ];
    for (name, text, why) in rows {
        let text = text.replace("<postfix-unknown-user@", &format!("<{name}@"));
        house.receive(&text).await;
        house.settle(&BUNDLED).await;
        assert_eq!(meaning(&house, name).await, Meaning::Nothing(why), "{name}");
    }
    // Into the mailbox of somebody who did not write it.
    let astray = report(hard, id, ANN)
        .replace("<postfix-unknown-user@", "<astray@")
        .replace("To: sam@example.net", "To: kim@example.net");
    let mut office = (*house.office).clone();
    let kim = office.mailboxes.get_mut(&"kim".into()).unwrap();
    kim.owner = Some("kim@example.net".to_owned());
    house.change_office(office);
    let place = ("kim", FolderRole::Inbox, BatchMode::Live);
    house
        .hand_in(place, vec![super::house::bytes(&astray)])
        .await;
    house.settle(&BUNDLED).await;
    let why = Meaning::Nothing(WhyNot::OtherMailbox);
    assert_eq!(meaning(&house, "astray").await, why);

    assert_eq!(stopped(&house).await, [""; 0]);
    assert_eq!(house.tasks().await.len(), before);
    assert_eq!(now_of(&house, &mail).await.state, MailState::Sent);
    assert_eq!(now_of(&house, &other).await.state, MailState::Scheduled);
    assert!(
        house
            .books
            .returned(mail.id.as_str())
            .await
            .unwrap()
            .is_none()
    );
    let audit = house.books.audit_of(mail.id.as_str()).await.unwrap();
    let last = &audit.last().unwrap().why;
    assert!(last.starts_with("changes nothing, because"), "{last}");
}

/// Who got a mail knows its id, and so can stop the address at which they got it: only that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_forges_a_report_about_their_own_copy_stops_their_own_address_alone() {
    let (mut house, mail) = sent().await;
    let colleague = further(&house, &mail, "aa", "bob@clinic.example.com").await;
    let several = format!(
        "Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1\n\n\
         Final-Recipient: rfc822; bob@clinic.example.com"
    );
    let forged = report("postfix-unknown-user", &mail.message_id, ANN)
        .replace(&format!("Final-Recipient: rfc822; {ANN}"), &several)
        .replace("MAILER-DAEMON@mx.example.com", "mallory@clinic.example.com");
    house.receive(&forged).await;
    house.settle(&BUNDLED).await;
    assert_eq!(stopped(&house).await, [ANN]);
    let colleague = now_of(&house, &colleague).await;
    assert_eq!(colleague.state, MailState::Scheduled);
}

/// freescout-help-desk/freescout#4250, zammad/zammad#1131: bounce, new ticket, notification,
/// bounce, ...
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bounce_never_makes_a_mail_however_often_it_comes_back() {
    let (mut house, mail) = sent().await;
    let mails = house.mails().await.len();
    let mut about = mail.message_id.clone();
    for round in 0..5 {
        for name in ["postfix-unknown-user", "gmail-delay", "yahoo"] {
            let id = format!("{name}{round}@mx.example.net");
            let text = report(name, &about, ANN).replace(&format!("{name}@mx.example.net"), &id);
            house.receive(&text).await;
            house.settle(&BUNDLED).await;
            // The next ones are about this report.
            about = id;
        }
        house.advance(24 * 7);
        house.settle(&BUNDLED).await;
    }
    assert_eq!(house.mails().await.len(), mails);
    let about_ann = house.tasks().await;
    let told = about_ann
        .iter()
        .filter(|task| task.cause.label == "delivery report");
    assert_eq!(told.count(), 1, "one task for one address");
}

/// A person of ours asked, and the follow-up waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_ends_with_a_question_that_came_back_and_not_with_one_that_is_late() {
    for (name, about, waits) in [
        ("gmail-delay", "q1@example.com", true),
        ("relayed", "q1@example.com", true),
        // Who knows no more than the thread forges nothing.
        ("postfix-unknown-user", "q1@example.com", false),
    ] {
        let mut house = asked().await;
        house.know_the_clinic().await;
        house.advance(1);
        house.receive(&report(name, about, ANN)).await;
        house.settle(&BUNDLED).await;
        assert_eq!(!house.timers().await.is_empty(), waits, "{name}");
        let dead: &[&str] = if waits { &[] } else { &[ANN] };
        assert_eq!(stopped(&house).await, dead, "{name}");
    }
    // Somebody who was never written to is named.
    let mut house = asked().await;
    house.advance(1);
    let links = in_reply_to("q1@example.com");
    let forged = report("postfix-unknown-user", "q1@example.com", "eve@evil.example")
        .replace("Auto-Submitted: auto-replied\n", &format!("{links}\n"));
    house.receive(&forged).await;
    house.settle(&BUNDLED).await;
    assert!(!house.timers().await.is_empty(), "{QUESTION}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_soft_bounces_in_a_week_are_told_and_mail_still_goes_there() {
    let (mut house, mail) = sent().await;
    for round in 0..4 {
        let id = format!("s{round}@mx.example.net");
        let text = report("greylisted-gaveup", &mail.message_id, ANN)
            .replace("greylisted-gaveup@mx.example.net", &id);
        house.receive(&text).await;
        house.settle(&BUNDLED).await;
        house.advance(24);
        let told = house.tasks().await;
        let told = told
            .iter()
            .filter(|task| task.cause.label == "delivery report");
        assert_eq!(told.count(), usize::from(round >= 2), "after {}", round + 1);
    }
    assert_eq!(stopped(&house).await, [""; 0]);
    let row = house
        .books
        .returned(mail.id.as_str())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.count, row.reports.len()), (4, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_from_which_mails_come_back_waits_for_a_person() {
    let (mut house, like) = sent().await;
    for (nth, who) in ["one", "two", "three"].iter().enumerate() {
        assert!(
            !stopped(&house)
                .await
                .contains(&"@clinic.example.com".to_owned())
        );
        let to = format!("{who}@clinic.example.com");
        let mail = further(&house, &like, &format!("a{nth}"), &to).await;
        hand_over(&house, &mail, Input::Accepted).await;
        let id = format!("d{nth}@mx.example.net");
        let text = report("postfix-unknown-user", &mail.message_id, &to)
            .replace("postfix-unknown-user@mx.example.net", &id);
        house.receive(&text).await;
        house.settle(&BUNDLED).await;
    }
    assert!(
        stopped(&house)
            .await
            .contains(&"@clinic.example.com".to_owned())
    );
    let urgent = house.tasks().await;
    let urgent: Vec<_> = urgent.iter().filter(|task| task.urgent).collect();
    assert_eq!(urgent.len(), 1);
    assert!(urgent[0].title.contains("clinic.example.com"));
    // Days later nobody looked: what would leave by itself waits for a yes.
    house.advance(24 * 14);
    house
        .receive(&mail_to_sam(
            "zoe@clinic.example.com",
            "z1",
            "Booking system",
            ENQUIRY,
        ))
        .await;
    house.settle(&BUNDLED).await;
    let results = house.results("z1").await;
    let mut verdicts = results.iter().flat_map(|row| &row.verdicts);
    let verdict = verdicts.find(|verdict| verdict.kind == "email").unwrap();
    let reasons = verdict.reasons.join(" ");
    assert!(reasons.contains("approve instead of send"), "{reasons}");
    let mails = house.mails().await;
    let mail = mails.iter().find(|mail| mail.recipient.starts_with("zoe"));
    assert_eq!(mail.unwrap().mode, MailMode::Approve);
}

/// The mail got another Message-ID on its way; our stamp is still in what came back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_knows_only_our_stamp_finds_its_mail() {
    let (mut house, mail) = sent().await;
    let stamp = format!(
        "Message-ID: <rewritten@mx.example.com>\nX-Liaison-Id: {}",
        mail.id
    );
    let text = report("postfix-unknown-user", "ID", ANN).replace("Message-ID: <ID>", &stamp);
    house.receive(&text).await;
    house.settle(&BUNDLED).await;
    assert_eq!(stopped(&house).await, [ANN]);
    let row = house.books.get::<Reach>(keys::reach(ANN)).await.unwrap();
    assert_eq!(row.unwrap().record.returned, 1);
}

/// SES gives a mail an id of its own and tells it in its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_about_the_id_that_the_provider_gave_finds_its_mail() {
    let (mut house, mail) = waiting(MailMode::Send).await;
    for input in [Input::Lease, Input::EnterBody] {
        step(&house, &mail, input).await;
    }
    let stored = house.books.get::<MailEffect>(keys::mail(&mail.id)).await;
    let mut writes = house.books.batch();
    let accepted = Step {
        input: Input::Accepted,
        who: "test",
        why: "250 Ok 0102018e0a1b2c3d-11111111-2222-3333-4444-555555555555-000000".to_owned(),
        not_before: None,
        found_as: None,
    };
    let (stored, now) = (stored.unwrap().unwrap(), house.clock.now());
    stage_mail(&house.books, &mut writes, &stored, accepted, now)
        .await
        .unwrap();
    house.books.commit(writes).await.unwrap();
    bounced(&mut house, "ses-bounce", &mail).await;
    assert_eq!(stopped(&house).await, [ANN]);
    let row = house.books.returned(mail.id.as_str()).await.unwrap();
    assert_eq!(row.unwrap().count, 1);
}

/// After a night without connection all of them come at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_that_come_in_one_batch_count_together() {
    let (mut house, like) = sent().await;
    let mut texts = Vec::new();
    for (nth, who) in ["one", "two", "three"].iter().enumerate() {
        let to = format!("{who}@clinic.example.com");
        let mail = further(&house, &like, &format!("a{nth}"), &to).await;
        hand_over(&house, &mail, Input::Accepted).await;
        let id = format!("d{nth}@mx.example.net");
        let text = report("qmail", &mail.message_id, &to).replace("qmail@mx.example.net", &id);
        // One is too large for them.
        let text = match *who {
            "three" => text.replace("(#5.1.1)", "(#5.3.4)"),
            _ => text,
        };
        texts.push(super::house::bytes(&text));
    }
    let place = ("sam", FolderRole::Inbox, BatchMode::Live);
    house.hand_in(place, texts).await;
    let expected = ["@", "one@", "two@"].map(|who| format!("{who}clinic.example.com"));
    assert_eq!(stopped(&house).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_lists_nobody_has_its_outcome_too() {
    let (mut house, mail) = sent().await;
    let text = report("postfix-unknown-user", &mail.message_id, ANN)
        .replace("Final-Recipient", "X-Final")
        .replace("Original-Recipient", "X-Original")
        .replace("Action: failed\nStatus: 5.1.1\n", "");
    house.receive(&text).await;
    house.settle(&BUNDLED).await;
    let why = meaning(&house, "postfix-unknown-user").await;
    assert_eq!(why, Meaning::Nothing(WhyNot::NoRecipient));
    assert_eq!(stopped(&house).await, [""; 0]);
}

/// The inbox is looked at before Sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_is_faster_than_the_copy_in_sent_still_stops_the_address() {
    let mut house = House::new().await;
    house.know_the_clinic().await;
    let name = "postfix-unknown-user";
    house.receive(&report(name, "q1@example.com", ANN)).await;
    house.settle(&BUNDLED).await;
    let early = Meaning::Nothing(WhyNot::NoMailOfOurs);
    assert_eq!(meaning(&house, name).await, early);
    assert_eq!(stopped(&house).await, [""; 0]);
    house.sent(&from_sam("q1", "Contract", QUESTION, "")).await;
    house.settle(&BUNDLED).await;
    assert_eq!(meaning(&house, name).await, Meaning::Undeliverable);
    assert_eq!(stopped(&house).await, [ANN]);
    // Nobody is asked once more at that address.
    house.advance(24 * 10);
    house.settle(&BUNDLED).await;
    assert!(house.mails().await.is_empty());
}

/// Each of them knows its Message-ID.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_about_a_mail_to_several_is_told_and_stops_nobody() {
    let mut house = House::new().await;
    house.know_the_clinic().await;
    let cc = "Cc: eve@rival.example, kim@example.net";
    house.sent(&from_sam("q1", "Contract", QUESTION, cc)).await;
    let name = "postfix-unknown-user";
    house.receive(&report(name, "q1@example.com", ANN)).await;
    house.settle(&BUNDLED).await;
    assert_eq!(meaning(&house, name).await, Meaning::Returned);
    assert_eq!(stopped(&house).await, [""; 0]);
    let tasks = house.tasks().await;
    assert!(
        tasks.iter().any(|task| task.title.contains(ANN)),
        "{tasks:?}"
    );
}

/// A colleague's copy came in first, then the report, then the copy in Sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_finds_a_mail_of_which_a_colleague_had_a_copy_first() {
    let mut house = House::new().await;
    house.know_the_clinic().await;
    let mail = from_sam("q1", "Contract", QUESTION, "Cc: kim@example.net");
    let copy = crate::source::Content::Message(mail.clone().into());
    let place = ("kim", FolderRole::Inbox, BatchMode::Live);
    house.hand_in(place, vec![copy]).await;
    let name = "postfix-unknown-user";
    house.receive(&report(name, "q1@example.com", ANN)).await;
    assert_eq!(stopped(&house).await, [""; 0]);
    house.sent(&mail).await;
    assert_eq!(stopped(&house).await, [ANN]);
}
