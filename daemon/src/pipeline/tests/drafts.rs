//! Mails of which somebody else tells what became of them: drafts that their owner sends from a
//! program of theirs, and mails in doubt that are answered.

use liaison_core::effect::MailMode;
use liaison_core::mail::{ParseLimits, parse_message};
use liaison_core::outbox::{Input, MailState};

use super::house::{BUNDLED, from_ann, from_sam};
use super::in_reply_to;
use super::trust::{step, waiting};

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
