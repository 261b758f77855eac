//! What people write, and what becomes of it.

use std::collections::BTreeSet;

use super::change::{By, new_id};
use super::*;
use crate::proposal::Value;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp(1_780_000_000_000);

fn by(source: Source) -> By {
    By {
        source,
        force: false,
        now: NOW,
    }
}

fn edit(kind: Kind, field: &str, text: &str) -> Edit {
    let spec = kind.spec().field(field).unwrap();
    Edit {
        field: field.to_owned(),
        value: spec.kind.parse(text, None).unwrap(),
    }
}

fn record(kind: Kind, fields: &[(&str, &str)], source: Source) -> CrmRecord {
    let edits: Vec<Edit> = fields
        .iter()
        .map(|(name, text)| edit(kind, name, text))
        .collect();
    let empty = CrmRecord::new(kind, String::new(), NOW);
    let mut record = plan(&empty, &edits, by(source)).unwrap().record;
    record.id = new_id(&record);
    record
}

fn opportunity(stage: &str) -> CrmRecord {
    let fields = [("account", "acc-1"), ("name", "Portal"), ("stage", stage)];
    record(Kind::Opportunity, &fields, Source::Import)
}

#[test]
fn the_table_of_kinds_is_sound() {
    let mut words = BTreeSet::new();
    let mut prefixes = BTreeSet::new();
    for kind in Kind::ALL {
        let spec = kind.spec();
        assert_eq!(spec.kind, *kind);
        assert!(words.insert(spec.word) && words.insert(spec.plural));
        assert!(prefixes.insert(spec.prefix));
        let names: BTreeSet<&str> = spec.fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), spec.fields.len(), "{}", spec.word);
        for key in spec.key {
            assert!(names.contains(key), "{} {key}", spec.word);
        }
        assert!(spec.name.is_empty() || names.contains(spec.name));
        assert!(names.contains("external_id"), "{}", spec.word);
        if spec
            .fields
            .iter()
            .any(|field| field.kind == FieldType::Money)
        {
            assert!(names.contains("currency"), "{}", spec.word);
        }
        if let Some(state) = &spec.state {
            assert!(names.contains(state.field));
            for (from, to) in state.steps {
                assert!(*from == "*" || state.states.contains(from), "{from}");
                assert!(state.states.contains(to), "{to}");
            }
            // No state is a trap or out of reach.
            for one in state.states {
                assert!(!state.after(one).is_empty(), "{} {one}", spec.word);
            }
        }
    }
}

#[test]
fn values_are_read_as_people_write_them() {
    let good = [
        (Kind::Opportunity, "value", "204,080", "204080.00"),
        (Kind::Opportunity, "value", "€ 1.234,50", "1234.50"),
        (Kind::Opportunity, "value", "1 234,5 EUR", "1234.50"),
        (Kind::Opportunity, "value", "-3", "-3.00"),
        (Kind::Opportunity, "value", "(12.00)", "-12.00"),
        (
            Kind::Opportunity,
            "stage",
            "initial phone call",
            "Initial Phone Call",
        ),
        (Kind::Account, "kind", "End User", "end-user"),
        (Kind::Account, "do_not_contact", "Yes", "yes"),
        (
            Kind::Account,
            "domains",
            "Example.COM; @example.net",
            "example.com;example.net",
        ),
        (Kind::Account, "fiscal_year_start", "07-01", "07-01"),
        (
            Kind::Contact,
            "emails",
            "Alice@Example.com",
            "alice@example.com",
        ),
        (
            Kind::Contact,
            "roles",
            "Champion;champion; blocker",
            "champion;blocker",
        ),
        (Kind::Invoice, "issued", "2026-02-28", "2026-02-28"),
        (Kind::Account, "currency", "eur", "EUR"),
        (Kind::Account, "notes", " two \n lines ", "two\nlines"),
        (Kind::Account, "industry", "  ", ""),
    ];
    for (kind, field, text, written) in good {
        let spec = kind.spec().field(field).unwrap();
        let value = spec.kind.parse(text, None).unwrap();
        assert!(spec.kind.holds(&value), "{text}");
        assert_eq!(spec.kind.write(&value, None), written, "{text}");
    }
    let bad = [
        (Kind::Opportunity, "value", "about 12", "write an amount"),
        (Kind::Opportunity, "value", "12.345,6.7", "write an amount"),
        (Kind::Opportunity, "value", "1.2345", "more than 2 digits"),
        (Kind::Opportunity, "stage", "Spec Review", "it is one of"),
        (Kind::Opportunity, "probability", "101", "from 0 to 100"),
        (Kind::Account, "tier", "kee", "did you mean key?"),
        (Kind::Account, "time_zone", "Berlin", "Europe/Berlin"),
        (Kind::Invoice, "issued", "28.02.2026", "YYYY-MM-DD"),
        (Kind::Invoice, "issued", "2026-02-30", "YYYY-MM-DD"),
        (Kind::Contact, "emails", "alice", "`alice` is no address"),
        (Kind::Contact, "birthday", "1990-02-01", "MM-DD"),
    ];
    for (kind, field, text, said) in bad {
        let error = kind.spec().field(field).unwrap().kind.parse(text, None);
        let error = error.unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn amounts_keep_to_their_currency() {
    assert_eq!(money::parse("1200", Some("JPY")), Ok(1_200));
    assert_eq!(money::parse("1.5", Some("KWD")), Ok(1_500));
    assert!(money::parse("1.5", Some("JPY")).is_err());
    assert_eq!(money::plain(-5, None), "-0.05");
    assert_eq!(money::readable(20_408_000, None), "204,080");
    assert_eq!(money::readable(-123_456, None), "-1,234.56");
}

#[test]
fn an_opportunity_goes_through_its_stages_and_no_others() {
    let [call, meeting, second, proposal, review, project, won, lost] = states::STAGES else {
        panic!("eight states")
    };
    let good = [
        (call, meeting),
        (meeting, second),
        (meeting, proposal),
        (second, proposal),
        (proposal, review),
        (review, project),
        (project, won),
        (call, won),
        (meeting, won),
        (meeting, call),
        (second, meeting),
        (review, proposal),
        (review, lost),
        (lost, call),
    ];
    for (from, to) in good {
        let before = opportunity(from);
        let change = [edit(Kind::Opportunity, "stage", to)];
        let after = plan(&before, &change, by(Source::Person)).unwrap().record;
        assert_eq!(after.state(), Some(*to));
        assert_eq!(after.steps.last().unwrap().1, **to);
    }
    for (from, to) in [(call, review), (proposal, won), (won, call), (call, second)] {
        let before = opportunity(from);
        let change = [edit(Kind::Opportunity, "stage", to)];
        let problems = plan(&before, &change, by(Source::Person)).unwrap_err();
        assert!(problems[0].reason.contains("--force"), "{problems:?}");
        let force = By {
            force: true,
            ..by(Source::Person)
        };
        assert!(plan(&before, &change, force).is_ok());
        assert!(plan(&before, &change, by(Source::Import)).is_ok());
    }
}

#[test]
fn what_a_person_set_is_never_overwritten_by_others() {
    let fields = [("name", "Example GmbH"), ("industry", "bakery")];
    let before = record(Kind::Account, &fields, Source::Person);
    let change = [
        edit(Kind::Account, "industry", "retail"),
        edit(Kind::Account, "territory", "north"),
    ];
    for source in [Source::Import, Source::Plugin] {
        let planned = plan(&before, &change, by(source)).unwrap();
        assert_eq!(planned.record.text("industry"), Some("bakery"));
        assert_eq!(planned.record.text("territory"), Some("north"));
        assert_eq!(planned.proposed.len(), 1);
        assert_eq!(planned.proposed[0].new, Value::Text("retail".to_owned()));
    }
    let planned = plan(&before, &change, by(Source::Person)).unwrap();
    assert_eq!(planned.record.text("industry"), Some("retail"));
    assert!(planned.proposed.is_empty());
    // What was taken away by a person stays away, too.
    let nothing = [edit(Kind::Account, "industry", "")];
    let emptied = plan(&before, &nothing, by(Source::Person)).unwrap().record;
    let again = plan(&emptied, &change, by(Source::Import)).unwrap();
    assert_eq!(again.record.text("industry"), None);
    assert_eq!(again.proposed.len(), 1);
}

#[test]
fn a_plugin_may_not_win_a_sale() {
    let before = opportunity("Project Proposal - Waiting for Approval");
    let change = [edit(Kind::Opportunity, "stage", "Won")];
    let planned = plan(&before, &change, by(Source::Plugin)).unwrap();
    assert!(planned.changed.is_empty());
    assert_eq!(planned.proposed.len(), 1);
}

#[test]
fn mistakes_are_all_told_at_once_with_what_may_be_meant() {
    let empty = CrmRecord::new(Kind::Opportunity, String::new(), NOW);
    let wrong = [
        Edit {
            field: "stge".to_owned(),
            value: Value::Text("x".to_owned()),
        },
        Edit {
            field: "value".to_owned(),
            value: Value::Text("x".to_owned()),
        },
    ];
    let problems = plan(&empty, &wrong, by(Source::Person)).unwrap_err();
    let said: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.field, problem.reason))
        .collect();
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(said[0].contains("did you mean `stage`?"), "{said:?}");
    assert!(said[1].contains("an amount like"), "{said:?}");
    assert!(said[2].starts_with("account:") && said[3].starts_with("name:"));
}

#[test]
fn the_same_thing_gets_the_same_id() {
    let one = opportunity("Initial Phone Call");
    let mut two = opportunity("Won");
    assert_eq!(one.id, two.id);
    assert_eq!(Kind::of_id(&one.id), Some(Kind::Opportunity));
    two.fields
        .insert("external_id".to_owned(), Value::Text("crm:1".to_owned()));
    assert_ne!(one.id, new_id(&two));
    assert_eq!(Kind::of_id("opp-12"), None);
}

#[test]
fn the_same_value_changes_nothing() {
    let before = opportunity("Won");
    let change = [edit(Kind::Opportunity, "stage", "won")];
    let planned = plan(&before, &change, by(Source::Person)).unwrap();
    assert!(planned.changed.is_empty());
    assert_eq!(planned.record.revision, before.revision);
}
