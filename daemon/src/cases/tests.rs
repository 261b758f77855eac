use std::path::Path;
use std::sync::Arc;

use liaison_core::crm::Source;
use liaison_core::time::Timestamp;

use super::*;
use crate::accounts::DomainRules;
use crate::books::indexes::walk::{Fault, Mode, walk};
use crate::store::content::ContentStore;
use crate::store::memory::MemoryStore;
use crate::store::{Fence, Ns, Range, ShardId, Store};
use crate::supervisor::Stop;

const NOW: Timestamp = Timestamp(1_772_000_000_000);

struct Desk {
    books: Books,
    records: RecordBook,
    _dir: tempfile::TempDir,
}

fn desk() -> Desk {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let fence = Fence {
        shard: ShardId::SINGLE,
        epoch: store.epoch(),
    };
    let content = ContentStore::open(dir.path()).unwrap();
    let books = Books::new(store as Arc<dyn Store>, content, fence);
    Desk {
        records: RecordBook::new(books.clone(), DomainRules::default()),
        books,
        _dir: dir,
    }
}

/// A manifest whose leads have these indexes.
fn kinds(indexes: &[&str]) -> CaseKinds {
    let text = format!(
        "manifest = 1\n[plugin]\nname = \"lead-triage\"\nversion = \"1.0.0\"\n\
         summary = \"Leads\"\nrequires = \"0.1.0\"\n\
         [events]\nsubscribe = [\"message-received\"]\n\
         [[case]]\nkind = \"lead\"\ntitle = \"Lead\"\n\
         states = [\"New\", \"Qualified\", \"Lost\"]\n\
         transitions = [[\"New\", \"Qualified\"], [\"Qualified\", \"Lost\"]]\n\
         indexes = {indexes:?}\n\
         [[case.field]]\nname = \"address\"\ntype = \"text\"\n\
         [[case.field]]\nname = \"topics\"\ntype = \"texts\"\n\
         [[case.field]]\nname = \"size\"\ntype = \"integer\"\n"
    );
    let file = Path::new("plugin.toml");
    CaseKinds::of([crate::plugin::parse_manifest(&text, file).unwrap()])
}

fn by(minute: i64) -> RecordBy {
    RecordBy {
        who: "alice".to_owned(),
        why: "the call".to_owned(),
        source: Source::Person,
        force: false,
        now: NOW.plus_millis(minute * 60_000),
    }
}

impl Desk {
    fn book<'a>(&'a self, kinds: &'a CaseKinds) -> CaseBook<'a> {
        CaseBook {
            books: &self.books,
            records: &self.records,
            kinds,
        }
    }

    async fn put(
        &self,
        kinds: &CaseKinds,
        which: Option<&CaseId>,
        fields: &[(&str, &str)],
    ) -> Result<CaseSaved, RecordsError> {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let put = CasePut {
            kind: "lead".to_owned(),
            which: which.cloned(),
            fields: fields.iter().map(text).collect(),
            expect: None,
        };
        self.book(kinds).put(&put, &by(0)).await
    }

    /// Titles of the leads that an index gives; `None` where it is not asked.
    async fn found(&self, field: &str, value: Value) -> Option<Vec<String>> {
        let found = found(&self.books, ("lead", field), &[value]).await;
        let cases = found.unwrap()?;
        let mut titles: Vec<String> = cases.into_iter().map(|case| case.title).collect();
        titles.sort();
        Some(titles)
    }

    async fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut tell = |fault| faults.push(fault);
        walk(&self.books, Mode::Look, &mut tell).await.unwrap();
        faults
    }

    async fn index_rows(&self) -> usize {
        self.books
            .every_key(Range::all(Ns::CaseBy))
            .await
            .unwrap()
            .len()
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[tokio::test]
async fn cases_are_found_by_a_field_as_soon_as_all_of_them_are() {
    let desk = desk();
    let plain = kinds(&[]);
    for (title, address) in [("Acme", "ann@example.com"), ("Pier 3", "bob@example.com")] {
        let fields = [("title", title), ("address", address)];
        desk.put(&plain, None, &fields).await.unwrap();
    }
    assert_eq!(desk.index_rows().await, 0);
    // The manifest gains an index: new cases have it at once, and it is used when all have it.
    let indexed = kinds(&["address", "state", "topics"]);
    let ann = || text("Ann@Example.com");
    let fields = [
        ("title", "Quay"),
        ("address", "ann@example.com"),
        ("topics", "sea;boats"),
    ];
    let quay = desk.put(&indexed, None, &fields).await.unwrap().case;
    assert_eq!(desk.found("address", ann()).await, None);
    let stop = Stop::new();
    assert_eq!(fill::all(&desk.books, &indexed, &stop).await.unwrap(), 2);
    assert_eq!(
        fill::all(&desk.books, &indexed, &stop).await.unwrap(),
        0,
        "done once"
    );
    let found = |titles: &[&str]| Some(titles.iter().map(|title| (*title).to_owned()).collect());
    assert_eq!(desk.found("address", ann()).await, found(&["Acme", "Quay"]));
    let boats = || Value::Texts(vec!["Boats".to_owned()]);
    assert_eq!(desk.found("topics", boats()).await, found(&["Quay"]));
    let all = found(&["Acme", "Pier 3", "Quay"]);
    assert_eq!(desk.found("state", text("New")).await, all);
    assert_eq!(desk.faults().await, []);
    // A change moves a case in the same commit.
    let change = [
        ("address", "cleo@example.com"),
        ("topics", ""),
        ("state", "Qualified"),
    ];
    desk.put(&indexed, Some(&quay.id), &change).await.unwrap();
    assert_eq!(desk.found("address", ann()).await, found(&["Acme"]));
    assert_eq!(desk.found("topics", boats()).await, found(&[]));
    assert_eq!(
        desk.found("state", text("qualified")).await,
        found(&["Quay"])
    );
    assert_eq!(desk.faults().await, []);
    // Somebody whose manifest is older still writes what is promised.
    desk.put(
        &plain,
        None,
        &[("title", "Dock"), ("address", "ann@example.com")],
    )
    .await
    .unwrap();
    assert_eq!(desk.found("address", ann()).await, found(&["Acme", "Dock"]));
    // What no manifest declares any more is no longer promised, and can come back.
    let less = kinds(&["state"]);
    fill::all(&desk.books, &less, &stop).await.unwrap();
    assert_eq!(desk.found("address", ann()).await, None);
    desk.put(
        &less,
        None,
        &[("title", "Hull"), ("address", "ann@example.com")],
    )
    .await
    .unwrap();
    fill::all(&desk.books, &indexed, &stop).await.unwrap();
    let again = desk.found("address", ann()).await;
    assert_eq!(again, found(&["Acme", "Dock", "Hull"]));
    assert_eq!(desk.faults().await, []);
}

#[tokio::test]
async fn a_fill_that_is_stopped_promises_nothing() {
    let desk = desk();
    desk.put(&kinds(&[]), None, &[("title", "Acme"), ("size", "3")])
        .await
        .unwrap();
    let (stop, indexed) = (Stop::new(), kinds(&["size"]));
    stop.trigger();
    assert_eq!(fill::all(&desk.books, &indexed, &stop).await.unwrap(), 0);
    assert_eq!(desk.found("size", Value::Integer(3)).await, None);
    assert_eq!(
        fill::all(&desk.books, &indexed, &Stop::new())
            .await
            .unwrap(),
        1
    );
    let found = desk.found("size", Value::Integer(3)).await;
    assert_eq!(found, Some(vec!["Acme".to_owned()]));
}

#[tokio::test]
async fn what_a_plugin_wants_of_a_person_s_field_waits_and_is_asked_once() {
    let desk = desk();
    let kinds = kinds(&["address"]);
    fill::all(&desk.books, &kinds, &Stop::new()).await.unwrap();
    let case = desk.put(
        &kinds,
        None,
        &[("title", "Acme"), ("address", "ann@example.com")],
    );
    let case = case.await.unwrap().case;
    assert_eq!(case.by_person, ["address", "title"]);
    let wish = |new: &str| FieldChange {
        field: "address".to_owned(),
        old: text("ann@example.com"),
        new: text(new),
    };
    let plugin = RecordBy {
        who: "lead-triage 1.0.0".to_owned(),
        why: "they wrote so".to_owned(),
        source: Source::Plugin,
        ..by(1)
    };
    for _ in 0..2 {
        let changes = [
            wish("a@example.com"),
            wish("b@example.com"),
            wish("a@example.com"),
        ];
        let mut batch = desk.books.batch();
        stage_proposals(&desk.books, &mut batch, (&case, &changes), &plugin)
            .await
            .unwrap();
        desk.books.commit(batch).await.unwrap();
    }
    let waiting = desk.records.changes(false).await.unwrap();
    let [one, two] = &waiting[..] else {
        panic!("{waiting:?}");
    };
    let book = desk.book(&kinds);
    let (row, saved) = book
        .decide(&one.id, crate::records::Verdict::Accept, &by(2))
        .await
        .unwrap();
    let taken = saved.unwrap().case;
    assert_eq!(taken.fields.get("address"), Some(&row.new));
    assert_eq!(desk.found("address", row.new).await.unwrap(), ["Acme"]);
    let (_, saved) = book
        .decide(&two.id, crate::records::Verdict::Reject, &by(3))
        .await
        .unwrap();
    assert_eq!(saved, None);
    let again = book
        .decide(&two.id, crate::records::Verdict::Accept, &by(4))
        .await;
    assert!(
        again
            .unwrap_err()
            .to_string()
            .contains("alice rejected it already")
    );
    assert!(desk.records.changes(false).await.unwrap().is_empty());
    let history = desk.books.audit_of(case.id.as_str()).await.unwrap();
    let last = history.last().unwrap();
    assert!(
        last.what
            .starts_with("lead changed: address: ann@example.com -> "),
        "{last:?}"
    );
    assert_eq!(
        (last.who.as_str(), last.why.as_str()),
        ("alice", "the call")
    );
}

#[tokio::test]
async fn a_case_is_changed_at_the_revision_that_was_looked_at() {
    let desk = desk();
    let kinds = kinds(&[]);
    let case = desk
        .put(&kinds, None, &[("title", "Acme")])
        .await
        .unwrap()
        .case;
    let put = |kind: &str, expect| CasePut {
        kind: kind.to_owned(),
        which: Some(case.id.clone()),
        fields: vec![("size".to_owned(), "3".to_owned())],
        expect,
    };
    let book = desk.book(&kinds);
    let late = book.put(&put("lead", Some(7)), &by(1)).await.unwrap_err();
    assert!(matches!(
        late,
        RecordsError::Revision {
            expected: 7,
            found: 1,
            ..
        }
    ));
    let saved = book.put(&put("lead", Some(1)), &by(1)).await.unwrap();
    assert_eq!((saved.case.revision, saved.changed.len()), (2, 1));
    let same = book.put(&put("lead", Some(2)), &by(2)).await.unwrap();
    assert_eq!(
        (same.case.revision, same.changed.len()),
        (2, 0),
        "nothing is written"
    );
    let none = book.put(&put("nda", None), &by(1)).await.unwrap_err();
    assert!(
        none.to_string().contains("no configured plugin declares"),
        "{none}"
    );
    let long = "x".repeat(800);
    let fields = [("topics", long.clone())];
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let error = desk.put(&kinds, Some(&case.id), &fields).await.unwrap_err();
    assert!(
        error.to_string().contains("longer than 200 characters"),
        "{error}"
    );
}
