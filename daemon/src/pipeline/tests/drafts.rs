//! Mails of which somebody else tells what became of them: drafts that their owner sends from a
//! program of theirs, and mails in doubt that are answered.

use liaison_core::effect::{MailEffect, MailMode};
use liaison_core::mail::{ParseLimits, parse_message};
use liaison_core::outbox::{Input, MailState};

use super::house::{BUNDLED, House, bytes, from_ann, from_sam};
use super::in_reply_to;
use super::trust::{step, waiting};
use crate::source::{BatchMode, FolderRole};

/// Outlook gives the mail another Message-ID and keeps no field of ours, others keep our stamp, and
/// the owner changes words. What they write besides is not the draft.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_that_its_owner_changed_and_sent_is_known_whatever_ids_it_got() {
    for (kept, words, is_draft) in [
        ("id", "changed", true),
        ("stamp", "changed", true),
        ("nothing", "changed", true),
        ("nothing", "as it was", true),
        ("id", "others", true),
        ("nothing", "others", false),
    ] {
        let case = format!("kept {kept}, words {words}");
        let (mut house, draft) = waiting(MailMode::Draft).await;
        for input in [Input::Lease, Input::DraftPlaced] {
            step(&house, &draft, input).await;
        }
        let bytes = house.books.bytes(&draft.content).await.unwrap().unwrap();
        let ours = parse_message(&bytes, &ParseLimits::default()).body.reply;
        let text = match words {
            "changed" => format!("{}\n\nBy the way, we moved.\n", ours.trim_end()),
            "as it was" => ours.replace('\n', " \n"),
            _ => "Dear Ann,\n\nlet me call you tomorrow.\n".to_owned(),
        };
        let mut links = in_reply_to("q1@example.com");
        if kept == "stamp" {
            links = format!("{links}\nX-Liaison-Id: {}", draft.id);
        }
        let mut sent = from_sam("s1", &draft.subject_line, &text, &links);
        if kept == "id" {
            sent = sent.replace("s1@example.com", &draft.message_id);
        }
        house.advance(1);
        house.sent(&sent).await;
        house.settle(&BUNDLED).await;
        let id = if kept == "id" {
            &draft.message_id
        } else {
            "s1@example.com"
        };
        let mail = house.mails().await.remove(0);
        let audit = house.books.audit_of(mail.id.as_str()).await.unwrap();
        let last = audit.last().unwrap();
        let message = house.books.message_by_id(id).await.unwrap().unwrap();
        if !is_draft {
            assert_ne!(mail.state, MailState::Sent, "{case}");
            assert_eq!(message.effect, None, "{case}");
            continue;
        }
        assert_eq!(mail.state, MailState::Sent, "{case}");
        assert_eq!(message.effect.as_ref(), Some(&mail.id), "{case}");
        assert_eq!(last.what, "drafted -> sent", "{case}");
        let told = match words {
            "as it was" => "as it was",
            "changed" => "+By the way, we moved.",
            _ => "+let me call you tomorrow.",
        };
        assert!(last.why.contains(told), "{case}: {}", last.why);
        // A person sent it, and what follows is counted from there.
        let thread = house.books.thread(&message.thread).await.unwrap().unwrap();
        assert_eq!(thread.last_human_outbound, Some(message.received), "{case}");
    }
}

/// It was called off by the very answer that proves that it arrived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_a_mail_in_doubt_proves_that_it_arrived() {
    let doubt = [Input::Lease, Input::EnterBody, Input::NoVerdict];
    for (further, names_it, state) in [
        (None, true, "sent"),
        (Some(Input::NotFound), true, "sent"),
        (Some(Input::NotFound), false, "cancelled"),
    ] {
        let (mut house, mail) = waiting(MailMode::Send).await;
        for input in doubt.iter().cloned().chain(further) {
            step(&house, &mail, input).await;
        }
        let links = match names_it {
            true => format!("In-Reply-To: <{}>", mail.message_id),
            false => in_reply_to("q1@example.com"),
        };
        house.advance(1);
        house
            .receive(&from_ann("r1", "Re: Contract", "The first.", &links))
            .await;
        house.settle(&BUNDLED).await;
        let after = house.mails().await.remove(0);
        assert_eq!(after.state.as_str(), state, "{}", after.state);
        let audit = house.books.audit_of(mail.id.as_str()).await.unwrap();
        let last = audit.last().unwrap();
        assert_eq!(last.why.contains("it arrived"), names_it, "{}", last.why);
    }
}

/// The copy of a mail of ours in Sent, under the id that somebody gave it.
async fn copy_under(house: &House, mail: &MailEffect, id: &str) -> String {
    let bytes = house.books.bytes(&mail.content).await.unwrap().unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.replace(&format!("<{}>", mail.message_id), &format!("<{id}>"))
}

async fn automatic(house: &House, mail: &MailEffect) -> u32 {
    let thread = mail.cause.subject.thread.as_ref().unwrap();
    let thread = house.books.thread(thread).await.unwrap().unwrap();
    thread.automatic_since_human
}

/// canyongbs/aidingapp#1017, Mnexa-AI/e2a#498, inboundemail/inbound#122: what the copy in Sent shows
/// is learnt, and everything that follows from a sent mail follows, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_id_that_a_provider_gave_a_mail_is_learnt_from_its_copy_and_answers_name_it() {
    let given = "0102018e0a1b2c3d-1111-2222-000000@eu-west-1.amazonses.example";
    for uncertain in [true, false] {
        let (mut house, mail) = waiting(MailMode::Send).await;
        let verdict = match uncertain {
            true => Input::NoVerdict,
            false => Input::Accepted,
        };
        for input in [Input::Lease, Input::EnterBody, verdict] {
            step(&house, &mail, input).await;
        }
        assert_eq!(automatic(&house, &mail).await, u32::from(!uncertain));
        let copy = copy_under(&house, &mail, given).await;
        // Seen by the look-up, by the watcher, and after the mailbox was renumbered.
        for _ in 0..2 {
            house.sent(&copy).await;
            house.settle(&BUNDLED).await;
        }
        step_if(&house, &mail).await;
        let sent = house.mails().await.remove(0);
        assert_eq!(sent.state, MailState::Sent);
        assert_eq!(sent.known_as, [given]);
        assert_eq!(automatic(&house, &mail).await, 1, "uncertain {uncertain}");
        let settled = format!("settled {} sent", mail.id);
        assert!(house.books.outcome(&settled).await.unwrap().is_some());

        house.advance(1);
        let links = in_reply_to(given);
        house
            .receive(&from_ann("r1", "Dates", "The first.", &links))
            .await;
        house.settle(&BUNDLED).await;
        let answer = house.message("r1").await;
        assert_eq!(Some(&answer.thread), mail.cause.subject.thread.as_ref());
        assert_eq!(automatic(&house, &mail).await, 0, "a person answered");
    }
}

/// The look-up comes late: the watcher saw the copy before.
async fn step_if(house: &House, mail: &MailEffect) {
    let key = crate::books::keys::mail(&mail.id);
    let stored = house.books.get::<MailEffect>(key).await.unwrap().unwrap();
    assert!(stored.record.state.step(Input::FoundInSent).is_err());
}

/// elie222/inbox-zero#1608: about 1,500 drafts for one user, each because of the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_new_draft_is_never_taken_for_the_latest_message_of_its_conversation() {
    for strays in [false, true] {
        let (mut house, draft) = waiting(MailMode::Draft).await;
        for input in [Input::Lease, Input::DraftPlaced] {
            step(&house, &draft, input).await;
        }
        let before = automatic(&house, &draft).await;
        if strays {
            // Its owner drags it into the inbox.
            let copy = copy_under(&house, &draft, &draft.message_id).await;
            let place = ("sam", FolderRole::Inbox, BatchMode::Live);
            house.hand_in(place, vec![bytes(&copy)]).await;
        }
        for _ in 0..30 {
            house.advance(24);
            house.settle(&BUNDLED).await;
        }
        let mails = house.mails().await;
        assert_eq!(mails.len(), 1, "strays {strays}: {mails:?}");
        assert_eq!(mails[0].state, MailState::Drafted, "strays {strays}");
        let thread = house
            .books
            .thread(draft.cause.subject.thread.as_ref().unwrap());
        let thread = thread.await.unwrap().unwrap();
        assert!(
            thread.last_human_outbound <= Some(draft.created),
            "strays {strays}"
        );
        assert_eq!(automatic(&house, &draft).await, before, "strays {strays}");
    }
}
