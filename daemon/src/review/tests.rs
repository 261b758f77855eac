//! Questions whose a sender is: asked once, answered once, and what the answer teaches.

use std::sync::Arc;

use liaison_core::account::matching::MatchOutcome;
use liaison_core::ids::AccountId;
use serde_json::{Value, json};

use super::*;
use crate::accounts::{AccountBook, AccountDraft, By, DomainRules};
use crate::api::{ApiContext, ApiError, Caller, Role, call};
use crate::books::indexes::walk::{Mode, walk};
use crate::books::rows::MatchRuleRow;
use crate::clock::Clock;
use crate::pipeline::tests::house::{BUNDLED, ENQUIRY, House, mail};
use crate::store::{Ns, Range};

/// Two accounts share a domain.
async fn shared(house: &House) -> [AccountId; 2] {
    let book = AccountBook::new(house.books.clone(), DomainRules::default());
    let by = By {
        who: "sam".to_owned(),
        why: "test".to_owned(),
        now: house.clock.now(),
        source: liaison_core::crm::Source::Person,
    };
    let mut ids = Vec::new();
    for name in ["Beta", "Gamma"] {
        let draft = AccountDraft {
            name: name.to_owned(),
            domains: vec!["shared.example".parse().unwrap()],
            ..AccountDraft::default()
        };
        ids.push(book.upsert_account(&draft, &by).await.unwrap().0.id);
    }
    ids.try_into().unwrap()
}

fn from(sender: &str, id: &str) -> String {
    mail(&[sender, "sam@example.net"], id, "A question", ENQUIRY, "")
}

async fn reviews(house: &House) -> Vec<ReviewRow> {
    let mut rows: Vec<ReviewRow> = house.all(Ns::Review).await;
    rows.sort_by(|a, b| a.address.cmp(&b.address));
    rows
}

async fn ask(house: &House, command: &str, arguments: Value) -> Result<Value, ApiError> {
    let context = ApiContext {
        accounts: AccountBook::new(house.books.clone(), DomainRules::of(&house.office)),
        books: house.books.clone(),
        clock: Arc::new(house.clock.clone()),
        office: house.office.clone(),
        case_kinds: Arc::default(),
        dry_runs: Arc::default(),
        credentials: Default::default(),
        tallies: Arc::default(),
        live: None,
    };
    let caller = Caller {
        who: "uid 7".to_owned(),
        role: Role::Approve,
    };
    call(&context, &caller, command, arguments).await
}

async fn timeline(house: &House, account: &AccountId) -> usize {
    house.books.timeline(account).await.unwrap().len()
}

async fn faults(house: &House) -> Vec<String> {
    let mut faults = Vec::new();
    walk(&house.books, Mode::Look, &mut |fault| {
        faults.push(format!("{fault:?}"))
    })
    .await
    .unwrap();
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_of_two_accounts_is_asked_about_once_and_the_answer_teaches() {
    let mut house = House::new().await;
    let [beta, _] = shared(&house).await;
    for (sender, id) in [("x", "x1"), ("x", "x2"), ("y", "y1")] {
        house
            .receive(&from(&format!("{sender}@shared.example"), id))
            .await;
    }
    house.settle(&[]).await;
    let rows = reviews(&house).await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.address.as_str(), row.count))
        .collect();
    assert_eq!(told, [("x@shared.example", 2), ("y@shared.example", 1)]);
    assert_eq!(rows[0].candidates.len(), 2);
    let id = rows[0].id.as_str();

    let arguments = json!({ "id": id.get(..6), "account": "Beta", "why": "she said so" });
    let told = ask(&house, "review-resolve", arguments).await.unwrap();
    assert_eq!(
        told["changed"],
        "mail from x@shared.example belongs to Beta; 2 message(s) got it, and plugins are not \
         asked again"
    );
    let undo = format!("liaison review reopen {id}");
    assert_eq!(told["undo"], undo);
    for message in ["x1", "x2"] {
        let record = house.message(message).await;
        assert_eq!(record.account.as_ref(), Some(&beta), "{message}");
        let thread = house.books.thread(&record.thread).await.unwrap().unwrap();
        assert_eq!(thread.account, Some((beta.clone(), format!("review {id}"))));
        let outcome = house.outcome(message).await;
        assert!(
            outcome.summary.contains("uid 7 said at"),
            "{}",
            outcome.summary
        );
        assert!(
            outcome.summary.contains("not asked again"),
            "{}",
            outcome.summary
        );
        assert!(outcome.closed.is_some());
    }
    assert_eq!(house.message("y1").await.account, None);
    assert_eq!(timeline(&house, &beta).await, 2);
    assert_eq!(faults(&house).await, [""; 0]);

    house.receive(&from("x@shared.example", "x3")).await;
    house.receive(&from("x+tag@shared.example", "x4")).await;
    for message in ["x3", "x4"] {
        let matched = house.outcome(message).await.matched.unwrap();
        assert_eq!(matched.account.as_ref(), Some(&beta), "{message}");
        assert_eq!(
            matched.evidence.last().unwrap().kind,
            "decided",
            "{message}"
        );
    }

    let told = ask(&house, "review-reopen", json!({ "id": id }))
        .await
        .unwrap();
    assert!(
        told["undo"]
            .as_str()
            .unwrap()
            .starts_with("liaison review resolve")
    );
    for message in ["x1", "x2"] {
        let record = house.message(message).await;
        assert_eq!(record.account, None, "{message}");
        let matched = house.outcome(message).await.matched.unwrap();
        assert_eq!(matched.outcome, MatchOutcome::Ambiguous, "{message}");
    }
    // Those that came by the rule keep what they were matched to.
    assert_eq!(timeline(&house, &beta).await, 2);
    assert_eq!(faults(&house).await, [""; 0]);
    house.receive(&from("x@shared.example", "x5")).await;
    let rows = reviews(&house).await;
    assert_eq!((rows[0].count, &rows[0].state), (3, &ReviewState::Open));
    let rules: Vec<MatchRuleRow> = house.all(Ns::MatchRule).await;
    assert_eq!(rules, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_decided_before_plugins_are_asked_is_told_to_them() {
    let mut house = House::new().await;
    let [beta, _] = shared(&house).await;
    house.receive(&from("x@shared.example", "x1")).await;
    let id = reviews(&house).await.remove(0).id;
    let arguments = json!({ "id": id, "account": beta });
    let told = ask(&house, "review-resolve", arguments).await.unwrap();
    assert!(
        told["changed"]
            .as_str()
            .unwrap()
            .contains("1 before plugins are asked")
    );
    house.settle(&BUNDLED).await;
    let outcome = house.outcome("x1").await;
    let matched = outcome.matched.unwrap();
    assert_eq!(matched.account, Some(beta.clone()));
    assert!(outcome.closed.is_some() && !outcome.summary.contains("not asked"));
    let cases = house.cases().await;
    let about = cases
        .iter()
        .filter(|case| case.subject.account.as_ref() == Some(&beta));
    assert_eq!(about.count(), cases.len(), "{cases:?}");
    assert_eq!(house.outcomes().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_domain_is_decided_at_once_and_a_free_mail_one_never() {
    let mut house = House::new().await;
    let [_, gamma] = shared(&house).await;
    house.receive(&from("x@shared.example", "x1")).await;
    let id = reviews(&house).await.remove(0).id;
    let arguments = json!({ "id": id, "account": "Gamma", "domain": true });
    let told = ask(&house, "review-resolve", arguments).await.unwrap();
    assert!(
        told["changed"]
            .as_str()
            .unwrap()
            .starts_with("mail from shared.example")
    );
    for sender in ["y@shared.example", "z@mail.shared.example"] {
        house.receive(&from(sender, sender.get(..1).unwrap())).await;
        let matched = house
            .outcome(sender.get(..1).unwrap())
            .await
            .matched
            .unwrap();
        assert_eq!(matched.account.as_ref(), Some(&gamma), "{sender}");
        assert_eq!(
            matched.evidence.last().unwrap().kind,
            "decided-domain",
            "{sender}"
        );
    }
    assert_eq!(reviews(&house).await.len(), 1);
    assert_eq!(faults(&house).await, [""; 0]);
    // Its records say nothing of the domain any more, and the decision still stands.
    let undone = ask(&house, "review-reopen", json!({ "id": id }))
        .await
        .unwrap();
    assert!(
        undone["undo"].as_str().unwrap().ends_with("--domain"),
        "{undone}"
    );

    let mut row = reviews(&house).await.remove(0);
    row.address = "carol@gmail.com".to_owned();
    row.id = "gmail-review".to_owned();
    let mut writes = house.books.batch();
    replace(&mut writes, keys::review(&row.id), None, &row).unwrap();
    house.books.commit(writes).await.unwrap();
    let arguments = json!({ "id": row.id, "account": "Gamma", "domain": true });
    let refused = ask(&house, "review-resolve", arguments).await.unwrap_err();
    assert!(refused.to_string().contains("free-mail"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_answers_taught_is_listed_with_the_way_to_take_it_back() {
    let mut house = House::new().await;
    let [beta, _] = shared(&house).await;
    for (sender, id) in [("x", "x1"), ("y", "y1")] {
        let message = from(&format!("{sender}@shared.example"), id);
        house.receive(&message).await;
    }
    let ids: Vec<String> = reviews(&house)
        .await
        .into_iter()
        .map(|row| row.id)
        .collect();
    let none = ask(&house, "review-rules", json!({})).await.unwrap();
    assert_eq!(none["rules"], json!([]));
    let first = json!({ "id": ids[0], "account": "Beta", "why": "she said so" });
    ask(&house, "review-resolve", first).await.unwrap();
    house.advance(1);
    let second = json!({ "id": ids[1], "account": "Gamma", "domain": true });
    ask(&house, "review-resolve", second).await.unwrap();

    let told = ask(&house, "review-rules", json!({})).await.unwrap();
    assert_eq!(told["count"], 2);
    let (newest, oldest) = (&told["rules"][0], &told["rules"][1]);
    assert_eq!(newest["subject"], "shared.example");
    assert_eq!(newest["account"]["name"], "Gamma");
    assert_eq!(oldest["subject"], "x@shared.example");
    assert_eq!(oldest["account"], json!({ "id": beta, "name": "Beta" }));
    assert_eq!(oldest["who"], "uid 7");
    assert_eq!(oldest["why"], "she said so");
    assert!(oldest["at"].as_str() < newest["at"].as_str(), "{told}");
    let because = oldest["evidence"].to_string();
    assert!(because.contains("shared.example"), "{because}");
    let undo = oldest["undo"].as_str().unwrap();
    assert_eq!(undo, format!("liaison review reopen {}", ids[0]));

    ask(&house, "review-reopen", json!({ "id": ids[0] }))
        .await
        .unwrap();
    let told = ask(&house, "review-rules", json!({})).await.unwrap();
    assert_eq!(
        (&told["count"], &told["rules"][0]["subject"]),
        (&json!(1), &json!("shared.example"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suggestions_grow_stale_after_three_days_and_can_still_be_answered() {
    let mut house = House::new().await;
    shared(&house).await;
    house.receive(&from("old@shared.example", "o")).await;
    house.advance(71);
    let states = |told: Value| -> Vec<String> {
        let rows = told["reviews"].as_array().unwrap().clone();
        let word = |row: &Value| format!("{} {}", row["address"], row["state"]).replace('"', "");
        rows.iter().map(word).collect()
    };
    let list = |all: bool| json!({ "all": all });
    let told = ask(&house, "review-list", list(false)).await.unwrap();
    assert_eq!(states(told), ["old@shared.example open"]);
    house.advance(1);
    house.receive(&from("new@shared.example", "n")).await;
    let told = ask(&house, "review-list", list(false)).await.unwrap();
    let named = told["reviews"][0]["candidates"].to_string();
    assert!(named.contains("Beta") && named.contains("Gamma"), "{named}");
    assert_eq!(
        states(told),
        ["new@shared.example open", "old@shared.example stale"]
    );
    let status = ask(&house, "status", json!({})).await.unwrap();
    assert_eq!(status["reviews"], json!({ "open": 1, "stale": 1 }));
    assert!(
        status["needs_person"]
            .to_string()
            .contains("liaison review list")
    );

    let rows = reviews(&house).await;
    let (new, old) = (&rows[0].id, &rows[1].id);
    ask(&house, "review-dismiss", json!({ "id": new }))
        .await
        .unwrap();
    let arguments = json!({ "id": old, "account": "Beta" });
    ask(&house, "review-resolve", arguments.clone())
        .await
        .unwrap();
    let again = ask(&house, "review-resolve", arguments).await.unwrap_err();
    assert!(again.to_string().contains("resolved already"), "{again}");
    let told = ask(&house, "review-list", list(false)).await.unwrap();
    assert_eq!(states(told), [""; 0]);
    let told = ask(&house, "review-list", list(true)).await.unwrap();
    assert_eq!(
        states(told),
        [
            "new@shared.example dismissed",
            "old@shared.example resolved"
        ]
    );
    // Whoever was dismissed is not asked about again.
    house.receive(&from("new@shared.example", "n2")).await;
    let shown = ask(&house, "review-show", json!({ "id": new }))
        .await
        .unwrap();
    assert_eq!(shown["review"]["state"], "dismissed");
    assert_eq!(shown["review"]["count"], 2);
    assert_eq!(shown["messages"][0]["subject"], "A question");
    assert!(
        shown["audit"][0]["what"]
            .as_str()
            .unwrap()
            .contains("dismissed")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_liars_and_old_mail_ask_nothing() {
    let mut house = House::new().await;
    shared(&house).await;
    let lie = from("x@shared.example", "lie")
        .replace("dmarc=pass", "dmarc=fail")
        .replace(
            "dkim=pass header.d=shared.example",
            "dkim=fail header.d=shared.example",
        );
    let robot = mail(
        &["x@shared.example", "sam@example.net"],
        "robot",
        "Report",
        "All is well.",
        "Auto-Submitted: auto-generated",
    );
    house.receive(&robot).await;
    house.receive(&lie).await;
    assert_eq!(house.message("lie").await.authenticity, "fail");
    assert_eq!(reviews(&house).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_keeps_its_newest_messages_and_fits_its_row() {
    let mut house = House::new().await;
    let [beta, _] = shared(&house).await;
    let sender = format!("{}@shared.example", "x".repeat(200));
    for n in 0..MESSAGES_MAX + 3 {
        house.receive(&from(&sender, &format!("m{n}"))).await;
    }
    let row = reviews(&house).await.remove(0);
    assert_eq!((row.messages.len(), row.count), (MESSAGES_MAX, 35));
    let arguments = json!({ "id": row.id, "account": "Beta" });
    ask(&house, "review-resolve", arguments).await.unwrap();
    assert_eq!(timeline(&house, &beta).await, MESSAGES_MAX);
    assert_eq!(house.message("m0").await.account, None);
    let threads = house.books.every_key(Range::all(Ns::Thread)).await.unwrap();
    assert_eq!(threads.len(), 35);
}
