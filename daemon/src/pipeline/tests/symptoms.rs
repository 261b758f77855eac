//! What users of other programs suffered from when something was decided, each as a test of its
//! own.

use liaison_core::effect::MailMode;
use liaison_core::outbox::{Input, MailState};

use super::house::{BUNDLED, ENQUIRY, House, from_ann, from_sam, mail};
use super::in_reply_to;
use super::trust::{step, waiting};
use crate::books::keys;

/// mautic/mautic#7881.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_upgrade_no_step_that_was_done_is_done_again() {
    let mut house = House::new().await;
    house
        .receive(&from_ann("e1", "Booking system", ENQUIRY, ""))
        .await;
    house.settle(&BUNDLED).await;
    let (mails, holds, tasks) = (
        house.mails().await,
        house.holds().await,
        house.tasks().await,
    );
    assert!(!mails.is_empty());
    // Everything is looked at again by newer plugins, and what they answered before is forgotten.
    let answered = house.results("e1").await;
    let seq = house.outcome("e1").await.seq.unwrap();
    let mut writes = house.books.batch();
    writes.del(keys::setting("pipeline-next"));
    for row in &answered {
        writes.del(keys::plugin_result(seq, &row.plugin));
    }
    house.plugin_version = Some("0.2.0");
    house.books.commit(writes).await.unwrap();
    house.advance(1);
    house.settle(&BUNDLED).await;
    let again = house.results("e1").await;
    assert_eq!(again.len(), answered.len());
    assert!(again.iter().all(|row| row.version == "0.2.0"), "{again:?}");
    assert_eq!(house.mails().await, mails);
    assert_eq!(house.holds().await, holds);
    assert_eq!(house.tasks().await, tasks);
}

/// frappe/frappe#29197.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_in_from_to_and_cc_gets_one_copy_and_nobody_else_any() {
    let mut house = House::new().await;
    house.modes.mail = MailMode::Approve;
    let ann = "Ann Archer <ann@clinic.example.com>";
    let extra = "Cc: ANN@clinic.example.com, sam@example.net, ann@clinic.example.com, \
                 Bob <bob@clinic.example.com>\nReply-To: ann@clinic.example.com, \
                 Ann@Clinic.example.com";
    let both = format!("sam@example.net, {ann}, bob@clinic.example.com");
    house
        .receive(&mail(&[ann, &both], "c1", "answer me", "Please.", extra))
        .await;
    house.settle(&["obeys"]).await;
    let recipients: Vec<String> = house
        .mails()
        .await
        .into_iter()
        .map(|mail| mail.recipient)
        .collect();
    assert_eq!(recipients, ["ann@clinic.example.com"]);
}

/// elie222/inbox-zero#1608: the follow-up took its own new draft for the latest message, again and
/// again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_new_draft_is_not_taken_for_the_latest_message_and_drafted_about_again() {
    let (house, draft) = waiting(MailMode::Draft).await;
    for input in [Input::Lease, Input::DraftPlaced] {
        step(&house, &draft, input).await;
    }
    for _ in 0..30 {
        house.advance(24);
        house.settle(&BUNDLED).await;
    }
    let mails = house.mails().await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(mails[0].state, MailState::Drafted);
    assert_eq!(house.timers().await, [], "nothing waits to draft once more");
}

/// canyongbs/aidingapp#1017, Mnexa-AI/e2a#498, inboundemail/inbound#122: the provider gave the mail
/// another id and never told it, and whoever answers names that one. Its copy in Sent tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_found_though_the_provider_gave_the_mail_another_id() {
    let doubt = [Input::Lease, Input::EnterBody, Input::NoVerdict];
    for further in [None, Some(Input::NotFound)] {
        let (mut house, ours) = waiting(MailMode::Send).await;
        for input in doubt.iter().cloned().chain(further) {
            step(&house, &ours, input).await;
        }
        house.advance(1);
        let stamp = format!("X-Liaison-Id: {}", ours.id);
        let copy = from_sam("given", &ours.subject_line, "Any news?", &stamp);
        house.sent(&copy).await;
        house.settle(&BUNDLED).await;
        let known = house.mails().await.remove(0);
        assert_eq!(known.state, MailState::Sent, "the copy proves it");
        // Nothing but the id of the provider joins it: no subject, no other link.
        house.advance(1);
        let link = in_reply_to("given@example.com");
        let answer = from_ann("r1", "Our dates", "The first one, please.", &link);
        house.receive(&answer).await;
        house.settle(&BUNDLED).await;
        let answer = house.message("r1").await;
        assert_eq!(Some(answer.thread), ours.cause.subject.thread);
        let by = answer.threading.by.map(|(by, _)| by);
        assert_eq!(by.as_deref(), Some("in_reply_to"));
        assert_eq!(
            house.mails().await.len(),
            1,
            "who answered is not asked again"
        );
    }
}
