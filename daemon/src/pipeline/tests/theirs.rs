//! What people set in the cases of a plugin.

use liaison_core::crm::Source;
use liaison_core::proposal::Value;

use super::house::{ENQUIRY, House, from_ann};
use crate::accounts::DomainRules;
use crate::books::rows::AnyKind;
use crate::cases::{CaseBook, CaseKinds, CasePut, fill};
use crate::clock::Clock;
use crate::records::{RecordBook, RecordBy, Verdict};
use crate::supervisor::Stop;

fn kinds() -> CaseKinds {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = file.join("../plugins/lead-triage/plugin.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    CaseKinds::of([crate::plugin::parse_manifest(&text, &file).unwrap()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_wants_of_a_field_that_a_person_set_waits_for_their_yes() {
    let mut house = House::new().await;
    let first = from_ann("e1", "Booking system", ENQUIRY, "");
    house.receive(&first).await;
    house.settle(&["lead-triage"]).await;
    let kinds = kinds();
    fill::all(&house.books, &kinds, &Stop::new()).await.unwrap();
    let books = house.books.clone();
    let records = RecordBook::new(books.clone(), DomainRules::default());
    let book = CaseBook {
        books: &books,
        records: &records,
        kinds: &kinds,
    };
    let case = house.cases().await.remove(0);
    let by = RecordBy {
        who: "alice".to_owned(),
        why: "read all of it".to_owned(),
        source: Source::Person,
        force: false,
        now: house.clock.now(),
    };
    let put = CasePut {
        kind: case.kind.clone(),
        which: Some(case.id.clone()),
        fields: vec![("messages".to_owned(), "on paper".to_owned())],
        expect: None,
    };
    book.put(&put, &by).await.unwrap();

    house.advance(1);
    let extra = "In-Reply-To: <e1@example.com>";
    let text = "One more thing: we have 12 clinics and would like to start in May.";
    let second = from_ann("e2", "Re: Booking system", text, extra);
    house.receive(&second).await;
    house.settle(&["lead-triage"]).await;
    let kept = house.cases().await.remove(0);
    let theirs = Value::Texts(vec!["on paper".to_owned()]);
    assert_eq!(kept.fields.get("messages"), Some(&theirs), "{kept:?}");
    let waiting = records.changes(false).await.unwrap();
    let [row] = &waiting[..] else {
        panic!("{waiting:?}");
    };
    assert_eq!(row.kind, AnyKind::Case("lead".to_owned()));
    assert_eq!(
        (row.record.as_str(), row.field.as_str()),
        (case.id.as_str(), "messages")
    );
    assert!(row.who.starts_with("lead-triage "), "{row:?}");
    let told: Vec<String> = house
        .results("e2")
        .await
        .into_iter()
        .flat_map(|result| result.verdicts)
        .flat_map(|verdict| verdict.reasons)
        .collect();
    assert!(
        told.join(" ").contains("liaison proposals list"),
        "{told:?}"
    );

    book.decide(&row.id, Verdict::Accept, &by).await.unwrap();
    let after = house.cases().await.remove(0);
    assert_eq!(after.fields.get("messages"), Some(&row.new));
    let audit = house.books.audit_of(case.id.as_str()).await.unwrap();
    let first = audit.first().unwrap();
    assert!(first.what.starts_with("lead created: "), "{first:?}");
}
