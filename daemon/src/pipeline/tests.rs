//! Mail in, decisions out, with the real ingest and the real plugins over a store in memory.

mod away;
mod backfill;
mod closed;
mod drafts;
mod hostile;
pub(crate) mod house;
mod meetings;
mod once;
mod reports;
mod senders;
mod symptoms;
mod theirs;
mod threads;
mod told;
mod trust;
mod unsubscribe;

use liaison_core::effect::MailMode;
use liaison_core::hold::{GroupState, HoldGroup};
use liaison_core::outbox::MailState;

use crate::source::{BatchMode, FolderRole};
use crate::store::Ns;
use house::{BUNDLED, ENQUIRY, House, at, bytes, from_ann, from_sam, mail};

/// AC-LT1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enquiry_of_a_stranger_becomes_a_lead_with_two_times_and_one_answer() {
    let mut house = House::new().await;
    house
        .receive(&from_ann("e1", "Booking system", ENQUIRY, ""))
        .await;
    house.settle(&BUNDLED).await;
    let cases = house.cases().await;
    let kinds: Vec<_> = cases
        .iter()
        .map(|c| (c.kind.as_str(), c.state.as_str()))
        .collect();
    assert_eq!(kinds, [("lead", "Initial Phone Call")]);
    assert!(house.message("e1").await.tags.contains(&"lead".to_owned()));
    let notes: Vec<_> = house.tasks().await;
    assert_eq!(
        notes.iter().filter(|task| task.notification).count(),
        1,
        "{notes:?}"
    );
    assert_eq!(notes[0].owner.as_deref(), Some("sam@example.net"));
    let holds = house.holds().await;
    assert_eq!(holds.len(), 2);
    assert_eq!(holds[0].group, holds[1].group);
    let groups: Vec<HoldGroup> = house.all(Ns::HoldGroup).await;
    assert_eq!(groups.len(), 1);
    assert_eq!(
        (&groups[0].id, &groups[0].state),
        (&holds[0].group, &GroupState::Open)
    );
    let mails = house.mails().await;
    assert_eq!(mails.len(), 1);
    let reply = &mails[0];
    assert_eq!(
        (&reply.state, reply.mode),
        (&MailState::Proposed, MailMode::Send)
    );
    assert_eq!(reply.recipient, "ann@clinic.example.com");
    let mut offered = reply.requires.clone();
    offered.sort();
    let mut held: Vec<_> = holds.iter().map(|hold| hold.id.clone()).collect();
    held.sort();
    assert_eq!(offered, held);
    let text = house.books.bytes(&reply.content).await.unwrap().unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(text.contains("In-Reply-To: <e1@example.com>"), "{text}");
    assert!(text.contains("Auto-Submitted: auto-replied"), "{text}");
    assert!(
        text.contains(&format!("Message-ID: <{}>", reply.message_id)),
        "{text}"
    );
    let outcome = house.outcome("e1").await;
    assert!(outcome.closed.is_some());
    assert!(
        outcome.summary.contains("lead-triage: 8 accepted"),
        "{}",
        outcome.summary
    );
    assert!(
        outcome.summary.contains("follow-up: nothing to do"),
        "{}",
        outcome.summary
    );
}

/// AC-LT2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_mail_of_a_contact_is_an_opportunity_of_the_account() {
    let mut house = House::new().await;
    let account = house.know_the_clinic().await;
    house
        .receive(&from_ann("e1", "Booking system", ENQUIRY, ""))
        .await;
    house.settle(&BUNDLED).await;
    let cases = house.cases().await;
    assert_eq!((cases.len(), cases[0].kind.as_str()), (1, "opportunity"));
    assert_eq!(cases[0].account, Some(account.clone()));
    assert!(house.mails().await.is_empty() && house.holds().await.is_empty());
    let kinds: Vec<_> = house.books.timeline(&account).await.unwrap();
    let kinds: Vec<_> = kinds.iter().map(|row| row.kind.as_str()).collect();
    assert!(
        kinds.contains(&"mail-in") && kinds.contains(&"case"),
        "{kinds:?}"
    );
}

const PDF: &str = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b";

fn with_pdf(text: &str) -> String {
    format!(
        "--b\nContent-Type: text/plain\n\n{text}\n--b\nContent-Type: application/pdf; \
         name=deed.pdf\nContent-Disposition: attachment; filename=deed.pdf\n\
         Content-Transfer-Encoding: base64\n\nJVBERi0xLjQK\n--b--"
    )
}

/// AC-ND1, ND2 and ND4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agreement_is_offered_or_checked_and_an_accountant_is_none() {
    let mut house = House::new().await;
    let text = with_pdf("Hello, please sign our confidentiality deed.");
    house.receive(&from_ann("n1", "Deed", &text, PDF)).await;
    house.settle(&BUNDLED).await;
    let cases = house.cases().await;
    assert_eq!(
        (cases.len(), cases[0].state.as_str()),
        (1, "theirs-received")
    );
    let tasks = house.tasks().await;
    let check = tasks
        .iter()
        .find(|task| !task.checklist.is_empty())
        .unwrap();
    assert_eq!(check.checklist.len(), 8, "{check:?}");
    assert!(house.mails().await.is_empty());

    let mut house = House::new().await;
    let text = "Hello, before we talk: could you send us your non-disclosure agreement (NDA)?";
    house.receive(&from_ann("n2", "NDA", text, "")).await;
    house.settle(&BUNDLED).await;
    let mails = house.mails().await;
    assert_eq!(mails.len(), 1, "{:?}", house.outcomes().await);
    let bytes = house.books.bytes(&mails[0].content).await.unwrap().unwrap();
    let view = liaison_core::mail::parse_message(&bytes, &Default::default());
    let names: Vec<_> = view
        .attachments
        .iter()
        .filter_map(|a| a.filename.as_deref())
        .collect();
    assert_eq!(names, ["nda-mutual-v3.rtf"]);

    let mut house = House::new().await;
    house
        .receive(&from_ann(
            "n4",
            "Invoice",
            "Our CA will pay the invoice.",
            "",
        ))
        .await;
    house.settle(&BUNDLED).await;
    assert!(house.cases().await.iter().all(|case| case.kind != "nda"));
    assert!(house.mails().await.is_empty());
}

fn in_reply_to(id: &str) -> String {
    format!("In-Reply-To: <{id}>\nReferences: <{id}>")
}

/// AC-H2: whatever a machine at the other end says, and however well it hides, it gets at most
/// one mail of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_machines_do_not_talk_to_each_other() {
    let mut house = House::new().await;
    let nda = "Could you send us your non-disclosure agreement (NDA)? Thank you.";
    house
        .receive(&from_ann("a0", "NDA", nda, "Auto-Submitted: auto-replied"))
        .await;
    house.settle(&BUNDLED).await;
    assert!(house.mails().await.is_empty(), "{:?}", house.mails().await);
    house.receive(&from_ann("a1", "NDA", nda, "")).await;
    house.settle(&BUNDLED).await;
    let first = house.mails().await;
    assert_eq!(first.len(), 1);
    house.carry_out(&first[0]).await;
    let answers = in_reply_to(&first[0].message_id);
    for round in 2..6 {
        house.advance(1);
        let marker = ["", "Auto-Submitted: auto-replied", "Precedence: bulk", ""][round % 4];
        let extra = format!("{answers}\n{marker}");
        house
            .receive(&from_ann(&format!("a{round}"), "Re: NDA", nda, &extra))
            .await;
        house.settle(&BUNDLED).await;
    }
    assert_eq!(house.mails().await.len(), 1, "{:?}", house.mails().await);
}

const QUESTION: &str = "Hello Ann, which of the two dates do you prefer?";

async fn asked() -> House {
    let mut house = House::new().await;
    house.sent(&from_sam("q1", "Contract", QUESTION, "")).await;
    house.settle(&BUNDLED).await;
    assert_eq!(house.timers().await.len(), 1);
    house
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_followed_up_once_and_an_answer_ends_the_wait() {
    let mut house = asked().await;
    house.advance(24 * 4);
    house.settle(&BUNDLED).await;
    let mails = house.mails().await;
    assert_eq!(mails.len(), 1, "{:?}", house.outcomes().await);
    assert_eq!(
        (mails[0].recipient.as_str(), mails[0].mode),
        ("ann@clinic.example.com", MailMode::Send)
    );
    assert!(mails[0].cancel_on_reply);
    house.carry_out(&mails[0]).await;
    house.settle(&BUNDLED).await;
    house.advance(24 * 30);
    house.settle(&BUNDLED).await;
    assert_eq!(
        (house.mails().await.len(), house.timers().await.len()),
        (1, 0)
    );

    let mut house = asked().await;
    house.advance(5);
    let answer = in_reply_to("q1@example.com");
    house
        .receive(&from_ann(
            "r1",
            "Re: Contract",
            "The first one, please.",
            &answer,
        ))
        .await;
    house.settle(&BUNDLED).await;
    assert!(house.timers().await.is_empty());
    house.advance(24 * 30);
    house.settle(&BUNDLED).await;
    assert!(house.mails().await.is_empty());
}

/// AC-H3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absence_moves_the_follow_up_behind_the_return() {
    let mut house = asked().await;
    let before = house.timers().await[0].due;
    let extra = format!(
        "{}\nAuto-Submitted: auto-replied",
        in_reply_to("q1@example.com")
    );
    let text = "I am out of the office and will be back on 16 March 2026.";
    house
        .receive(&from_ann("o1", "Out of office: Contract", text, &extra))
        .await;
    house.settle(&BUNDLED).await;
    assert_eq!(house.message("o1").await.class, "ooo");
    let timers = house.timers().await;
    assert_eq!(timers.len(), 1);
    assert!(
        timers[0].due > before && timers[0].due >= at("2026-03-16T00:00:00Z"),
        "{timers:?}"
    );
    assert!(house.mails().await.is_empty());
    house.clock.set(timers[0].due);
    house.settle(&BUNDLED).await;
    assert_eq!(house.mails().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_waits_is_cancelled_by_an_answer_of_either_side() {
    for from_us in [false, true] {
        let mut house = House::new().await;
        house.modes.mail = MailMode::Approve;
        house
            .receive(&from_ann("a1", "answer me", "Please.", ""))
            .await;
        house.settle(&["obeys"]).await;
        assert_eq!(house.mails().await[0].state, MailState::Held);
        house.advance(1);
        let extra = in_reply_to("a1@example.com");
        match from_us {
            true => {
                house
                    .sent(&from_sam("s1", "Re: answer me", "I did.", &extra))
                    .await
            }
            false => {
                house
                    .receive(&from_ann("a2", "Re: answer me", "No need.", &extra))
                    .await
            }
        };
        house.settle(&["obeys"]).await;
        let state = house.mails().await[0].state.to_string();
        assert!(
            state.contains("cancelled (by a reply: "),
            "{from_us}: {state}"
        );
    }
}

/// AC-H5: both want to write to ann; the higher rank writes, the other is dated later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_cap_one_the_lower_rank_is_deferred_and_says_so() {
    let mut house = House::new().await;
    house.modes.mail = MailMode::Draft;
    house
        .receive(&from_ann("h5", "answer us", ENQUIRY, ""))
        .await;
    house.settle(&["obeys", "lead-triage"]).await;
    let mails = house.mails().await;
    assert_eq!(mails.len(), 2, "{:?}", house.outcomes().await);
    let of = |name: &str| {
        mails
            .iter()
            .find(|m| m.cause.plugin.as_str() == name)
            .unwrap()
    };
    assert_eq!(of("lead-triage").not_before, at(house::MONDAY));
    assert_eq!(of("obeys").state, MailState::Deferred);
    assert_eq!(of("obeys").not_before, at("2026-03-09T09:00:00Z"));
    let results = house.results("h5").await;
    let obeys = results
        .iter()
        .find(|row| row.plugin.as_str() == "obeys")
        .unwrap();
    let reasons = obeys.verdicts[0].reasons.join(" ");
    assert!(reasons.contains("frequency cap: at most 1"), "{reasons}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_from_a_person_outside_is_recorded_with_its_reason() {
    let mut house = House::new().await;
    let text = ENQUIRY;
    let from = |from: &str| [from.to_owned(), "sam@example.net".to_owned()];
    let rows = [
        ("sam@example.net", "self", "", "it is from one of us"),
        ("kim@example.net", "own", "", "it is from one of us"),
        (
            "news@example.org",
            "news",
            "List-Id: <n.example.org>\nList-Unsubscribe: <mailto:u@example.org>\nPrecedence: list",
            "nothing to do",
        ),
        (
            "MAILER-DAEMON@example.org",
            "bounce",
            "Auto-Submitted: auto-replied",
            "nothing to do",
        ),
    ];
    for (sender, id, extra, part) in rows {
        let [from, to] = from(sender);
        house
            .receive(&mail(&[&from, &to], id, "Booking system", text, extra))
            .await;
        house.settle(&BUNDLED).await;
        let outcome = house.outcome(id).await;
        assert!(
            outcome.closed.is_some() && outcome.summary.contains(part),
            "{id}: {outcome:?}"
        );
        assert_eq!(house.effects().await, [""; 0], "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_liar_gets_no_mail() {
    let mut house = House::new().await;
    let mail = from_ann("liar", "Booking system", ENQUIRY, "")
        .replace("dmarc=pass", "dmarc=fail")
        .replace("dkim=pass", "dkim=fail");
    house.receive(&mail).await;
    house.settle(&BUNDLED).await;
    assert_eq!(house.message("liar").await.authenticity, "fail");
    assert!(house.mails().await.is_empty());
    let nobody =
        from_ann("who", "answer me", ENQUIRY, "").replace("mx.example.net;", "mx.example.org;");
    house.receive(&nobody).await;
    house.settle(&["obeys"]).await;
    assert_eq!(house.mails().await[0].mode, MailMode::Draft);
}

/// A colleague's mailbox has our answer as a copy before it is found in Sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_of_ours_seen_first_as_a_copy_is_still_our_answer() {
    let mut house = House::new().await;
    house
        .receive(&from_ann("a1", "Question", "How are you?", ""))
        .await;
    house.advance(1);
    let answer = from_sam(
        "s1",
        "Re: Question",
        QUESTION,
        &format!("Cc: kim@example.net\n{}", in_reply_to("a1@example.com")),
    );
    let place = ("kim", FolderRole::Inbox, BatchMode::Live);
    house.hand_in(place, vec![bytes(&answer)]).await;
    house.settle(&BUNDLED).await;
    house.sent(&answer).await;
    house.settle(&BUNDLED).await;
    let record = house.message("s1").await;
    assert!(record.outbound);
    let thread = house.books.thread(&record.thread).await.unwrap().unwrap();
    assert_eq!(thread.last_human_outbound, Some(record.received));
    assert_eq!(
        (thread.messages, thread.last_human_inbound.is_some()),
        (2, true)
    );
    // And it is waited for: the question was ours.
    assert_eq!(house.timers().await.len(), 1);
    house.advance(24 * 4);
    house.settle(&BUNDLED).await;
    let mails = house.mails().await;
    assert_eq!(mails.len(), 1, "{:?}", house.outcomes().await);
}
