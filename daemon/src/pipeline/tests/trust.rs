//! Who may influence what: outsiders in threads, machines behind timers, one mail for one person.

use liaison_core::account::matching::MatchOutcome;
use liaison_core::effect::{HoldState, MailEffect, MailMode};
use liaison_core::happening::Subject;
use liaison_core::outbox::{Input, MailState, Phase};
use liaison_core::records::{TimerRecord, timer_id};

use super::house::{BUNDLED, ENQUIRY, House, from_ann, from_sam, mail};
use super::{QUESTION, asked, in_reply_to};
use crate::books::rows::EventBody;
use crate::books::{keys, replace};
use crate::clock::Clock;
use crate::outbox::{Step, stage_mail, stage_mail_record};
use crate::store::Ns;

fn from(who: &str, id: &str, extra: &str) -> String {
    let people = [who, "sam@example.net"];
    mail(&people, id, "Re: Contract", "The first one, please.", extra)
}

/// The follow-up of a question to ann waits for its hour when somebody writes into its thread.
pub(super) async fn waiting(mode: MailMode) -> (House, MailEffect) {
    let mut house = asked().await;
    house.know_the_clinic().await;
    house.modes.mail = mode;
    house.advance(24 * 4);
    house.settle(&BUNDLED).await;
    let mails = house.mails().await;
    assert_eq!(mails.len(), 1, "{:?}", house.outcomes().await);
    house.advance(1);
    (house, mails[0].clone())
}

/// What comes while a mail is in a server's hands cannot call it off: the next look knows of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_during_a_try_stops_the_next_one() {
    let rows = [
        ("one of us", "cancel", "one of us wrote"),
        ("ann@clinic.example.com", "cancel", "answered since"),
        ("mallory@evil.example", "hold", "mallory@evil.example wrote"),
    ];
    for (who, end, words) in rows {
        let (mut house, mail) = waiting(MailMode::Send).await;
        let links = in_reply_to("q1@example.com");
        let mut leased = mail.clone();
        leased.state = MailState::Leased(Phase::BeforeDot);
        house.set_mail(&leased).await;
        match who {
            "one of us" => {
                let text = "Did you get my question?";
                house
                    .sent(&from_sam("s9", "Re: Contract", text, &links))
                    .await;
            }
            who => {
                house.receive(&from(who, "x1", &links)).await;
            }
        }
        house.settle(&BUNDLED).await;
        let in_hand = house.mails().await.remove(0);
        assert_eq!(in_hand.state, leased.state, "it cannot be called back");
        let mut deferred = mail.clone();
        (deferred.state, deferred.attempts) = (MailState::Deferred, 1);
        house.set_mail(&deferred).await;
        let answer = house.look_again(&deferred).await;
        let said = format!("{answer:?}").to_lowercase();
        assert!(
            said.starts_with(end) && said.contains(words),
            "{who}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_those_who_belong_to_a_thread_answer_in_it() {
    let rows = [
        ("ann@clinic.example.com", "cancelled"),
        ("ann+work@clinic.example.com", "cancelled"),
        // A colleague of hers.
        ("bob@clinic.example.com", "cancelled"),
        // Anybody who knows a Message-ID.
        ("mallory@evil.example", "held"),
        ("mallory@gmail.com", "held"),
    ];
    for (who, state) in rows {
        let (mut house, waiting) = waiting(MailMode::Send).await;
        assert_eq!(waiting.state, MailState::Scheduled);
        let thread = waiting.cause.subject.thread.unwrap();
        // Whom the stranger names does not become anybody by that.
        let extra = format!("Cc: eve@evil.example\n{}", in_reply_to("q1@example.com"));
        house.receive(&from(who, "x1", &extra)).await;
        house.settle(&BUNDLED).await;
        let mail = house.mails().await.remove(0);
        assert_eq!(mail.state.as_str(), state, "{who}: {}", mail.state);
        let record = house.books.thread(&thread).await.unwrap().unwrap();
        assert_eq!(record.messages, 2, "{who} is shown in the thread");
        assert_eq!(
            record.last_human_inbound.is_some(),
            state == "cancelled",
            "{who}"
        );
        if state == "held" {
            let audit = house.books.audit_of(mail.id.as_str()).await.unwrap();
            let why = &audit.last().unwrap().why;
            assert!(why.contains(who) && why.contains("took no part"), "{why}");
            // Nor does the other stranger, who was named by the first.
            house
                .receive(&from(
                    "eve@evil.example",
                    "x2",
                    &in_reply_to("q1@example.com"),
                ))
                .await;
            house.settle(&BUNDLED).await;
            assert_eq!(house.mails().await[0].state, MailState::Held);
            let matched = house.outcome("x2").await.matched.unwrap();
            assert_eq!(
                (matched.outcome, matched.account),
                (MatchOutcome::Unknown, None)
            );
            assert_eq!(matched.evidence[0].kind, "thread-outsider");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_in_a_thread_gets_neither_its_account_nor_its_timeline() {
    let mut house = House::new().await;
    let account = house.know_the_clinic().await;
    house
        .receive(&from_ann("a1", "Contract", "Hello.", ""))
        .await;
    let links = in_reply_to("a1@example.com");
    house
        .receive(&from("mallory@evil.example", "m1", &links))
        .await;
    // A person of ours writes to somebody new there: from then on the thread speaks for them.
    let extra = format!("Cc: ann.private@gmail.com\n{links}");
    house
        .sent(&from_sam("s1", "Re: Contract", "Hello both.", &extra))
        .await;
    house
        .receive(&from("ann.private@gmail.com", "p1", &links))
        .await;
    house
        .receive(&from("mallory@evil.example", "m2", &links))
        .await;
    let rows = [
        ("a1", true),
        ("m1", false),
        ("s1", true),
        ("p1", true),
        ("m2", false),
    ];
    for (id, counts) in rows {
        let message = house.message(id).await;
        assert_eq!(message.account.as_ref(), counts.then_some(&account), "{id}");
    }
    let told = house.books.timeline(&account).await.unwrap();
    assert!(
        told.iter().all(|row| !row.text.contains("mallory")),
        "{told:?}"
    );
    // Nor does a liar in her name count as her answer.
    let before = house.message("p1").await;
    house.advance(1);
    let liar = from_ann("l1", "Re: Contract", "It is me.", &links)
        .replace("dmarc=pass", "dmarc=fail")
        .replace("dkim=pass", "dkim=fail");
    house.receive(&liar).await;
    let thread = house.books.thread(&before.thread).await.unwrap().unwrap();
    assert_eq!(thread.last_human_inbound, Some(before.received));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_still_waits_for_its_times_waits_for_a_yes_once_an_outsider_wrote() {
    let (mut house, mail) = waiting(MailMode::Send).await;
    let stored = house.books.get::<MailEffect>(keys::mail(&mail.id)).await;
    let stored = stored.unwrap().unwrap();
    let mut proposed = stored.record.clone();
    proposed.state = MailState::Proposed;
    let mut writes = house.books.batch();
    stage_mail_record(&mut writes, &stored, &proposed).unwrap();
    house.books.commit(writes).await.unwrap();
    let links = in_reply_to("q1@example.com");
    house
        .receive(&from("mallory@evil.example", "x1", &links))
        .await;
    house.settle(&BUNDLED).await;
    let mail = house.mails().await.remove(0);
    assert_eq!(
        (mail.state.as_str(), mail.mode),
        ("proposed", MailMode::Approve)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_is_called_off_by_an_answer_unless_its_owner_wrote_meanwhile() {
    for (owner_wrote, draft_answered) in [(false, false), (true, false), (false, true)] {
        let (mut house, draft) = waiting(MailMode::Draft).await;
        for input in [Input::Lease, Input::DraftPlaced] {
            step(&house, &draft, input).await;
        }
        let links = in_reply_to("q1@example.com");
        if owner_wrote {
            house
                .sent(&from_sam("s1", "Re: Contract", "Dear Ann,", &links))
                .await;
            house.advance(1);
        }
        // Who answers the draft itself has got it, whether we saw its copy in Sent or not.
        let links = match draft_answered {
            true => {
                let id = &draft.message_id;
                format!("In-Reply-To: <{id}>\nReferences: <q1@example.com> <{id}>")
            }
            false => links,
        };
        house
            .receive(&from_ann("r1", "Re: Contract", "The first.", &links))
            .await;
        house.settle(&BUNDLED).await;
        let mail = house.mails().await.remove(0);
        let left = owner_wrote || draft_answered;
        let state = if left { "drafted" } else { "cancelled" };
        assert_eq!(mail.state.as_str(), state, "{}", mail.state);
        let due = house
            .books
            .keys_under(keys::effects_due(house.clock.now()), 9)
            .await
            .unwrap();
        let removals = due.iter().filter_map(|key| keys::due_effect(key));
        let removals = removals.filter(|(_, kind, _)| *kind == keys::DueKind::StaleDraft);
        assert_eq!(removals.count(), usize::from(!left));
    }
}

pub(super) async fn step(house: &House, mail: &MailEffect, input: Input) {
    let stored = house.books.get::<MailEffect>(keys::mail(&mail.id)).await;
    let stored = stored.unwrap().unwrap();
    let mut writes = house.books.batch();
    let step = Step {
        input,
        who: "test",
        why: String::new(),
        not_before: None,
        found_as: None,
    };
    let now = house.clock.now();
    stage_mail(&house.books, &mut writes, &stored, step, now)
        .await
        .unwrap();
    house.books.commit(writes).await.unwrap();
}

/// A machine cannot have itself answered by way of a timer that it began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_machine_began_a_timer_does_not_answer() {
    for (extra, mails) in [("", 1), ("Auto-Submitted: auto-replied", 0)] {
        let mut house = asked().await;
        house
            .receive(&from_ann("x1", "Other", "Hello.", extra))
            .await;
        let mut timer = house.timers().await.remove(0);
        let stored = house.books.get::<TimerRecord>(keys::timer(&timer.id)).await;
        timer.subject.message = Some(house.message("x1").await.key);
        let mut writes = house.books.batch();
        let version = Some(stored.unwrap().unwrap().version);
        replace(&mut writes, keys::timer(&timer.id), version, &timer).unwrap();
        house.books.commit(writes).await.unwrap();
        house.clock.set(timer.due);
        house.settle(&BUNDLED).await;
        assert_eq!(house.mails().await.len(), mails, "{extra}");
        let key = format!("timer {} {}", timer.id, timer.generation);
        let outcome = house.books.outcome(&key).await.unwrap().unwrap();
        let results = house
            .books
            .plugin_results(outcome.seq.unwrap())
            .await
            .unwrap();
        let said = format!("{:?}", results[0].verdicts);
        assert_eq!(
            said.contains("that this stems from is of class"),
            mails == 0,
            "{said}"
        );
    }
}

/// After a long silence new mail is not worked on behind thousands of timers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn due_timers_fire_in_bounded_batches_and_each_once() {
    let house = House::new().await;
    let mut writes = house.books.batch();
    for n in 0..100 {
        let name = format!("t{n}");
        let timer = TimerRecord {
            id: timer_id(&"follow-up".into(), &name),
            plugin: "follow-up".into(),
            name,
            due: house.clock.now().minus_millis(n),
            generation: 1,
            payload: "{}".to_owned(),
            subject: Subject::default(),
            reason: String::new(),
            set_at: house.clock.now(),
        };
        writes.put(keys::timer_due(timer.due, &timer.id), Vec::new());
        replace(&mut writes, keys::timer(&timer.id), None, &timer).unwrap();
    }
    house.books.commit(writes).await.unwrap();
    let pipeline = house.pipeline(&[]);
    let now = house.clock.now();
    let mut batches = Vec::new();
    while batches.last() != Some(&0) {
        batches.push(pipeline.fire_timers(now).await.unwrap());
    }
    assert_eq!(batches, [32, 32, 32, 4, 0]);
    let events: Vec<crate::books::rows::EventRow> = house.all(Ns::Event).await;
    let mut names: Vec<_> = events
        .iter()
        .map(|event| match &event.body {
            EventBody::Timer { name, .. } => name.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    names.sort();
    names.dedup();
    assert_eq!((events.len(), names.len()), (100, 100));
    let places: Vec<_> = events.iter().map(|event| event.seq).collect();
    assert_eq!(places, (0..100).collect::<Vec<_>>());
}

/// What only the mail would have offered is not held when the mail cannot be written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_cannot_be_rendered_holds_no_time() {
    let mut house = House::new().await;
    let empty = tempfile::tempdir().unwrap();
    house.templates = Some(empty.path().to_owned());
    house
        .receive(&from_ann("e1", "Booking system", ENQUIRY, ""))
        .await;
    house.settle(&["lead-triage"]).await;
    assert_eq!(
        (house.mails().await.len(), house.holds().await.len()),
        (0, 0)
    );
    let verdicts = format!("{:?}", house.results("e1").await[0].verdicts);
    assert!(
        verdicts.contains("would offer this time is not accepted"),
        "{verdicts}"
    );
    assert_eq!(house.cases().await.len(), 1, "the rest goes on");
}

/// And what was held for a mail is given up when the mail comes to nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_comes_to_nothing_gives_up_its_times() {
    let mut house = House::new().await;
    house.modes.mail = MailMode::Approve;
    house
        .receive(&from_ann("e1", "Booking system", ENQUIRY, ""))
        .await;
    house.settle(&BUNDLED).await;
    let mail = house.mails().await.remove(0);
    assert_eq!((mail.requires.len(), house.holds().await.len()), (2, 2));
    step(&house, &mail, Input::Ready { approval: true }).await;
    step(&house, &mail, Input::Reject).await;
    for hold in house.holds().await {
        let HoldState::Releasing(why) = &hold.state else {
            panic!("{hold:?}");
        };
        assert!(why.contains("is rejected"), "{why}");
    }
}

/// RFC 3834: the mark is for what nobody looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_goes_out_by_itself_is_marked_as_automatic() {
    for (mode, marked) in [
        (MailMode::Send, true),
        (MailMode::Approve, false),
        (MailMode::Draft, false),
    ] {
        let mut house = House::new().await;
        house.modes.mail = mode;
        house
            .receive(&from_ann("a1", "answer me", "Please.", ""))
            .await;
        house.settle(&["obeys"]).await;
        let mail = house.mails().await.remove(0);
        let text = house.books.bytes(&mail.content).await.unwrap().unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert_eq!(
            text.contains("\r\nAuto-Submitted:"),
            marked,
            "{mode:?}: {text}"
        );
        assert!(
            text.contains(&format!("X-Liaison-Id: {}", mail.id)),
            "{text}"
        );
    }
}

/// Ann writes from two addresses, and with a tag: she is one person to the cap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variants_of_an_address_share_one_ledger() {
    let mut house = House::new().await;
    house.modes.mail = MailMode::Draft;
    for (n, who) in ["ann@clinic.example.com", "ann+2@clinic.example.com"]
        .iter()
        .enumerate()
    {
        let mail = mail(
            &[who, "sam@example.net"],
            &format!("a{n}"),
            "answer me",
            QUESTION,
            "",
        );
        house.receive(&mail).await;
    }
    house.settle(&["obeys"]).await;
    let mut states: Vec<_> = house
        .mails()
        .await
        .into_iter()
        .map(|mail| mail.state)
        .collect();
    states.sort_by_key(|state| state.as_str());
    assert_eq!(states, [MailState::Deferred, MailState::Scheduled]);
}
