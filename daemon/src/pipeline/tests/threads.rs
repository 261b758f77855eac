//! Answers whose links are lost: what still finds the conversation, and what that may do.

use liaison_core::effect::MailMode;
use liaison_core::mail::Standing;
use liaison_core::outbox::{Input, MailState};

use super::house::{BUNDLED, House, from_ann, from_sam, mail};
use super::{QUESTION, asked, in_reply_to};
use crate::books::keys;
use crate::outbox::{Step, stage_mail};

/// Thread-Index as Outlook writes it: of the question, and with one answer's five octets more.
const INDEX: &str = "AdqpZEThy7yBmpE6RbyWWk5rlmSeqw==";
const INDEX_OF_ANSWER: &str = "AdqpZEThy7yBmpE6RbyWWk5rlmSeqwAAgeaA";
/// Another conversation's.
const OTHER_INDEX: &str = "AdqpZEThAAAAAJE6RbyWWk5rlmSeqwAAgeaA";

/// The follow-up of a question to ann, with `extra` header lines, waits for its hour.
async fn waiting(mut house: House, extra: &str) -> House {
    house
        .sent(&from_sam("q1", "Contract", QUESTION, extra))
        .await;
    house.settle(&BUNDLED).await;
    house.know_the_clinic().await;
    house.modes.mail = MailMode::Send;
    house.advance(24 * 4);
    house.settle(&BUNDLED).await;
    let states: Vec<MailState> = house.mails().await.into_iter().map(|m| m.state).collect();
    assert_eq!(states, [MailState::Scheduled]);
    house.advance(1);
    house
}

/// mautic/mautic#6724, #7165, #9058: the links of an answer were rewritten on its way, and the
/// sequence went on. A weak signal pauses; zammad/zammad#5286: it never joins, nor does more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_known_by_subject_and_people_alone_pauses_and_does_nothing_else() {
    let lost = in_reply_to("rewritten@gateway.example");
    let away = format!("{lost}\nAuto-Submitted: auto-replied");
    let ann = "Ann Smith <ann@clinic.example.com>";
    let rows = [
        (ann, "Re: Contract", lost.as_str(), true),
        (ann, "AW: RE: Contract", "", true),
        (ann, "contract", &lost, true),
        // A new message that happens to have the subject.
        (ann, "Contract", "", false),
        (ann, "Re: Contracts", &lost, false),
        // Automatic mail has the same subject again and again.
        (ann, "Re: Contract", &away, false),
        // Not of the same people.
        ("bob@clinic.example.com", "Re: Contract", &lost, false),
        ("mallory@evil.example", "Re: Contract", &lost, false),
    ];
    for (who, subject, extra, pauses) in rows {
        let mut house = waiting(House::new().await, "").await;
        let question = house.message("q1").await;
        let people = [who, "sam@example.net"];
        let answer = mail(&people, "x1", subject, "The first one, please.", extra);
        house.receive(&answer).await;
        house.settle(&BUNDLED).await;
        let what = format!("{who}: {subject} {extra}");
        let waits = house.mails().await.remove(0);
        let state = if pauses { "held" } else { "scheduled" };
        assert_eq!(waits.state.as_str(), state, "{what}");
        let answer = house.message("x1").await;
        let told = answer.threading.perhaps.clone();
        let expected = pauses.then(|| (question.thread.clone(), question.key.clone()));
        assert_eq!(told, expected, "{what}");
        // It is a conversation of its own: no account, no standing, no count in the other one.
        assert_ne!(answer.thread, question.thread, "{what}");
        let thread = house.books.thread(&question.thread).await.unwrap().unwrap();
        assert_eq!(
            (thread.messages, thread.last_human_inbound),
            (1, None),
            "{what}"
        );
        if pauses {
            let audit = house.books.audit_of(waits.id.as_str()).await.unwrap();
            let why = &audit.last().unwrap().why;
            assert!(why.contains("only its subject"), "{why}");
        }
    }
}

/// zammad/zammad#5286: it can be turned off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_subjects_say_nothing_where_the_operator_does_not_want_it() {
    let mut house = waiting(House::without_subjects().await, "").await;
    house
        .receive(&from_ann("x1", "Re: Contract", "The first.", ""))
        .await;
    house.settle(&BUNDLED).await;
    assert_eq!(house.mails().await[0].state, MailState::Scheduled);
    assert_eq!(house.message("x1").await.threading.perhaps, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outlooks_index_joins_where_the_links_are_lost() {
    let lost = in_reply_to("rewritten@gateway.example");
    let rows = [(INDEX_OF_ANSWER, true), (OTHER_INDEX, false)];
    for (index, joins) in rows {
        let question = format!("Thread-Index: {INDEX}");
        let mut house = waiting(House::new().await, &question).await;
        let extra = format!("{lost}\nThread-Index: {index}");
        house
            .receive(&from_ann("x1", "Our dates", "The first.", &extra))
            .await;
        house.settle(&BUNDLED).await;
        let (asked, answer) = (house.message("q1").await, house.message("x1").await);
        assert_eq!(answer.thread == asked.thread, joins, "{index}");
        let by = answer.threading.by.map(|(by, _)| by);
        assert_eq!(by.as_deref(), joins.then_some("thread_index"), "{index}");
        let state = house.mails().await[0].state.as_str();
        assert_eq!(
            state,
            if joins { "cancelled" } else { "scheduled" },
            "{index}"
        );
    }
    // To know an index is as little as to know a Message-ID.
    let mut house = waiting(House::new().await, &format!("Thread-Index: {INDEX}")).await;
    let people = ["mallory@evil.example", "sam@example.net"];
    let extra = format!("Thread-Index: {INDEX_OF_ANSWER}");
    house
        .receive(&mail(&people, "x1", "Re: Contract", "Me.", &extra))
        .await;
    house.settle(&BUNDLED).await;
    assert_eq!(house.mails().await[0].state, MailState::Held);
    let record = house.message("x1").await;
    let free_mail = &house.office.free_mail;
    let standing = house
        .books
        .standing(&record.thread, "mallory@evil.example", free_mail);
    assert_eq!(standing.await.unwrap(), Standing::Outsider);
}

/// canyongbs/aidingapp#1017, Mnexa-AI/e2a#498: the provider replaces the Message-ID, and answers
/// name the one it gave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_the_id_that_the_provider_gave_finds_the_mail() {
    let rows = [
        (
            "250 Ok 0102018e0a1b2c3d-11111111-2222-3333-4444-555555555555-000000",
            "0102018e0a1b2c3d-11111111-2222-3333-4444-555555555555-000000@eu-west-1.amazonses.example",
            true,
        ),
        (
            "250 2.0.0 OK <AM0PR0101MB123456789@AM0PR0101MB1.eurprd01.prod.outlook.example> [Hostname=x]",
            "AM0PR0101MB123456789@AM0PR0101MB1.eurprd01.prod.outlook.example",
            true,
        ),
        // A queue id comes again.
        (
            "250 2.0.0 Ok: queued as 4XyZ12abc",
            "4XyZ12abc@mx.example",
            false,
        ),
    ];
    for (reply, id, found) in rows {
        let mut house = asked().await;
        house.know_the_clinic().await;
        house.advance(24 * 4);
        house.settle(&BUNDLED).await;
        let sent = house.mails().await.remove(0);
        for input in [Input::Lease, Input::EnterBody, Input::Accepted] {
            let stored = house
                .books
                .get(keys::mail(&sent.id))
                .await
                .unwrap()
                .unwrap();
            let mut writes = house.books.batch();
            let step = Step {
                input,
                who: "test",
                why: reply.to_owned(),
                not_before: None,
                found_as: None,
            };
            let now = crate::clock::Clock::now(&house.clock);
            stage_mail(&house.books, &mut writes, &stored, step, now)
                .await
                .unwrap();
            house.books.commit(writes).await.unwrap();
        }
        house
            .receive(&from_ann("x1", "Dates", "The first.", &in_reply_to(id)))
            .await;
        let answer = house.message("x1").await;
        let thread = sent.cause.subject.thread.clone();
        assert_eq!(Some(answer.thread) == thread, found, "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_report_stands_in_the_history_of_its_mail() {
    let mut house = asked().await;
    house.know_the_clinic().await;
    house.advance(24 * 4);
    house.settle(&BUNDLED).await;
    let sent = house.mails().await.remove(0);
    house.carry_out(&sent).await;
    let report = format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net\r\nTo: sam@example.net\r\n\
         Subject: Undelivered Mail Returned to Sender\r\nMessage-ID: <b1@example.com>\r\n\
         Date: Fri, 6 Mar 2026 09:00:00 +0000\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\n\r\nfailed\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; ann@clinic.example.com\r\n\
         Action: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n\
         Message-ID: <{}>\r\n\r\n--b--\r\n",
        sent.message_id
    );
    house.advance(1);
    house.receive(&report).await;
    let audit = house.books.audit_of(sent.id.as_str()).await.unwrap();
    let told = audit.last().unwrap();
    assert_eq!(told.what, "a delivery report came: not delivered, for good");
    assert_eq!(
        told.why,
        "ann@clinic.example.com not delivered, for good (5.1.1)"
    );
    let bounce = house.message("b1").await;
    assert_eq!(Some(bounce.thread), sent.cause.subject.thread);
    assert_eq!(bounce.threading.by.unwrap().0, "bounced");
}
