//! A recipient asks for an end of our mails, from the header of a follow-up to what no longer leaves.

use liaison_core::effect::MailEffect;
use liaison_core::optout::Claim;
use liaison_core::outbox::MailState;
use liaison_core::policy::{Recheck, VerdictResult, recheck};

use super::QUESTION;
use super::house::{BUNDLED, ENQUIRY, House, from_ann, from_sam, mail};
use crate::books::keys;
use crate::clock::Clock;
use crate::delivery::SecondLook;
use crate::unsubscribe::Unsubscribe;

const ANN: &str = "ann@clinic.example.com";
/// As mail programs mark what they send by themselves.
const BY_ITSELF: &str = "Auto-Submitted: auto-generated\nPrecedence: bulk";

/// A house with a key, and the folder where it lies.
async fn house() -> (House, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let house = House::changed(|office| {
        office.unsubscribe = Unsubscribe::new(dir.path(), None);
    });
    (house.await, dir)
}

/// The follow-up of a question to ann waits for its hour; with its bytes.
async fn waiting(house: &mut House) -> (MailEffect, String) {
    house.sent(&from_sam("q1", "Contract", QUESTION, "")).await;
    house.settle(&BUNDLED).await;
    house.advance(24 * 4);
    house.settle(&BUNDLED).await;
    let mail = house.mails().await.remove(0);
    assert_eq!(mail.state, MailState::Scheduled);
    let bytes = house.books.bytes(&mail.content).await.unwrap().unwrap();
    (mail, String::from_utf8(bytes.to_vec()).unwrap())
}

/// The subject that the header asks for.
fn subject(rendered: &str) -> String {
    let start = "\r\nList-Unsubscribe: <mailto:sam@example.net?subject=";
    let (_, rest) = rendered.split_once(start).unwrap();
    rest.split_once('>').unwrap().0.replace("%20", " ")
}

/// What the last look before sending says.
async fn last_look(house: &House, mail: &MailEffect) -> Recheck {
    let now = house.clock.now();
    let look = SecondLook {
        books: &house.books,
        office: &house.office,
    };
    let facts = look.facts(mail, 0, now).await.unwrap();
    recheck(mail, &facts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_unsubscribes_by_itself_from_any_address_is_heeded_once() {
    let (mut house, _key) = house().await;
    house.know_the_clinic().await;
    let (follow_up, rendered) = waiting(&mut house).await;
    assert!(
        rendered.contains("\r\nAuto-Submitted: auto-generated\r\n"),
        "{rendered}"
    );
    assert!(
        !rendered.contains("List-Unsubscribe-Post"),
        "no page is configured"
    );
    assert!(!matches!(
        last_look(&house, &follow_up).await,
        Recheck::Cancel(_)
    ));
    let ask = subject(&rendered);
    let forwarder = ["Mail robot <robot@elsewhere.example>", "sam@example.net"];
    house
        .receive(&mail(&forwarder, "u1", &ask, "", BY_ITSELF))
        .await;
    house.settle(&BUNDLED).await;

    let outcome = house.outcome("u1").await;
    assert!(
        outcome.closed.is_some() && outcome.seq.is_none(),
        "no plugin is asked"
    );
    assert!(
        outcome
            .summary
            .contains("no further mail goes to ann@clinic.example.com: heeded")
    );
    let Recheck::Cancel(why) = last_look(&house, &follow_up).await else {
        panic!("the follow-up would still leave");
    };
    assert!(why.contains("asked not to get further mail"), "{why}");
    let contact = house
        .all::<liaison_core::account::Contact>(crate::store::Ns::Contact)
        .await;
    assert!(contact[0].do_not_contact);
    let tasks = house.tasks().await;
    let told: Vec<_> = tasks
        .iter()
        .filter(|task| task.title.contains(ANN))
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].owner.as_deref(), Some("sam@example.net"));
    assert!(told[0].title.contains("asked not to get further mail"));
    let audit = house.books.audit_of(ANN).await.unwrap();
    assert_eq!(audit.len(), 1);
    assert!(audit[0].why.contains(follow_up.id.as_str()), "{audit:?}");

    // Programs press twice.
    house
        .receive(&mail(&forwarder, "u2", &ask, "", BY_ITSELF))
        .await;
    let outcome = house.outcome("u2").await;
    assert!(
        outcome.summary.contains("was asked on"),
        "{}",
        outcome.summary
    );
    assert_eq!(house.tasks().await.len(), tasks.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_without_a_contact_gets_no_automatic_mail_either() {
    let (mut house, _key) = house().await;
    let claim = Claim::of(&"e0".into(), ANN).unwrap();
    let token = house.office.unsubscribe.token(&claim).unwrap().unwrap();
    // In the first line, by a person; the mail it came with is not known any more.
    let text = format!("\nunsubscribe {token}\n\nThanks");
    house.receive(&from_ann("u1", "Please", &text, "")).await;
    let wish = house.books.opt_out(ANN).await.unwrap().unwrap();
    assert!(wish.stands());
    house
        .receive(&from_ann("e1", "Booking system", ENQUIRY, ""))
        .await;
    house.settle(&BUNDLED).await;
    let mut verdicts = house
        .results("e1")
        .await
        .into_iter()
        .flat_map(|row| row.verdicts);
    let refused = verdicts.find(|verdict| verdict.kind == "email").unwrap();
    assert_eq!(refused.result, VerdictResult::Refused);
    let why = refused.reasons.join("; ");
    assert!(
        why.contains("liaison unsubscribe allow ann@clinic.example.com"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_ours_changes_nothing_and_the_message_goes_on_as_any_other() {
    let (mut house, _key) = house().await;
    house.know_the_clinic().await;
    let (follow_up, rendered) = waiting(&mut house).await;
    let ask = subject(&rendered);
    let forged = match ask.ends_with('A') {
        true => format!("{}B", ask.trim_end_matches('A')),
        false => format!("{}A", ask.get(..ask.len() - 1).unwrap()),
    };
    let tasks = house.tasks().await.len();
    let eve = ["Eve <eve@elsewhere.example>", "sam@example.net"];
    house.receive(&mail(&eve, "u1", &forged, "Stop", "")).await;
    house.settle(&BUNDLED).await;
    assert!(
        house.outcome("u1").await.seq.is_some(),
        "plugins are told of it"
    );
    let problems = house.message("u1").await.problems.join("; ");
    assert!(problems.contains("not made with our key"), "{problems}");
    assert_eq!(house.books.opt_out(ANN).await.unwrap(), None);
    assert!(!matches!(
        last_look(&house, &follow_up).await,
        Recheck::Cancel(_)
    ));
    assert_eq!(house.tasks().await.len(), tasks);
    // Nor does our own mail that quotes it.
    house.sent(&from_sam("s1", &ask, "Forwarded", "")).await;
    assert_eq!(house.books.opt_out(ANN).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_of_us_passes_on_ends_mails_once_and_does_not_overrule_a_person() {
    let (mut house, _key) = house().await;
    let claim = Claim::of(&"e0".into(), ANN).unwrap();
    let token = house.office.unsubscribe.token(&claim).unwrap().unwrap();
    let ask = format!("Fwd: unsubscribe {token}");
    let kim = ["Kim <kim@example.net>", "sam@example.net"];
    house
        .receive(&mail(&kim, "u1", &ask, "See below", ""))
        .await;
    let mut wish = house.books.opt_out(ANN).await.unwrap().unwrap();
    assert!(wish.stands(), "ann had written to kim");
    wish.allow("sam", "she called", house.clock.now());
    let mut writes = house.books.batch();
    writes.put_record(keys::opt_out(ANN), &wish).unwrap();
    house.books.commit(writes).await.unwrap();
    house.advance(1);
    house
        .receive(&mail(&kim, "u2", &ask, "Once more", ""))
        .await;
    assert!(!house.books.opt_out(ANN).await.unwrap().unwrap().stands());
    house.receive(&from_ann("u3", &ask, "I mean it", "")).await;
    assert!(house.books.opt_out(ANN).await.unwrap().unwrap().stands());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_about_a_wish_is_read_by_plugins_and_does_not_renew_it() {
    let (mut house, _key) = house().await;
    house.know_the_clinic().await;
    let claim = Claim::of(&"e0".into(), ANN).unwrap();
    let token = house.office.unsubscribe.token(&claim).unwrap().unwrap();
    let ask = format!("unsubscribe {token}");
    house.receive(&from_ann("u1", &ask, "", "")).await;
    let mut wish = house.books.opt_out(ANN).await.unwrap().unwrap();
    assert!(wish.stands());
    house.advance(1);
    house
        .receive(&from_ann("u2", &ask, "A mistake: we order 20 units.", ""))
        .await;
    assert!(house.outcome("u2").await.seq.is_some(), "plugins are asked");
    wish.allow("sam", "she called", house.clock.now());
    let mut writes = house.books.batch();
    writes.put_record(keys::opt_out(ANN), &wish).unwrap();
    house.books.commit(writes).await.unwrap();
    for (id, before, mark) in [
        ("u3", "Re:", ""),
        ("u4", "Automatic reply: Re:", "Auto-Submitted: auto-replied"),
    ] {
        house.advance(1);
        let subject = format!("{before} {ask}");
        let text = "We want to order 20 units.";
        house.receive(&from_ann(id, &subject, text, mark)).await;
        assert!(
            house.outcome(id).await.seq.is_some(),
            "{id}: plugins are asked"
        );
        assert!(
            !house.books.opt_out(ANN).await.unwrap().unwrap().stands(),
            "{id}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_at_once_is_no_sequence_and_says_nothing_of_unsubscribing() {
    let (mut house, _key) = house().await;
    house
        .receive(&from_ann("e1", "Booking system", ENQUIRY, ""))
        .await;
    house.settle(&BUNDLED).await;
    let answer = house.mails().await.remove(0);
    let bytes = house.books.bytes(&answer.content).await.unwrap().unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.contains("Auto-Submitted: auto-replied"), "{text}");
    assert!(!text.contains("List-Unsubscribe"), "{text}");
}
