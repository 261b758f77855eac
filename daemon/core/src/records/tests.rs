use super::*;
use crate::crm::change::{Edit, Problem};
use crate::crm::{FieldChange, Sheet};
use crate::manifest::CaseKind;
use crate::proposal::{Fields, Value};

const NOW: Timestamp = Timestamp(1_772_000_000_000);

fn kind() -> CaseKind {
    let steps = [("New", "Qualified"), ("Qualified", "Lost")];
    let field = |name: &str, kind: crate::manifest::FieldType| crate::manifest::CaseField {
        name: name.to_owned(),
        kind,
        choices: match kind {
            crate::manifest::FieldType::Choice => vec!["cold".to_owned(), "hot".to_owned()],
            _ => Vec::new(),
        },
        index: name == "address",
    };
    CaseKind {
        kind: "lead".to_owned(),
        title: "Lead".to_owned(),
        states: ["New", "Qualified", "Lost"].map(str::to_owned).to_vec(),
        transitions: steps.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec(),
        fields: vec![
            field("address", crate::manifest::FieldType::Text),
            field("heat", crate::manifest::FieldType::Choice),
            field("size", crate::manifest::FieldType::Integer),
            field("account", crate::manifest::FieldType::Text),
        ],
        indexes: vec!["state".to_owned()],
    }
}

fn case() -> CaseRecord {
    CaseRecord {
        id: "lead-1".into(),
        plugin: "lead-triage".into(),
        kind: "lead".to_owned(),
        title: "Acme".to_owned(),
        state: "New".to_owned(),
        fields: Fields::from([(
            "address".to_owned(),
            Value::Text("Ann@Example.com".to_owned()),
        )]),
        account: Some("acc-1".into()),
        subject: Subject::default(),
        revision: 1,
        steps: vec![(NOW, "New".to_owned(), "asked".to_owned())],
        created: NOW,
        updated: NOW,
        by_person: Vec::new(),
        indexed: kind().indexes(),
    }
}

fn pairs(given: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    given.iter().map(owned).collect()
}

fn told(problems: &[Problem]) -> String {
    let one = |problem: &Problem| format!("{}: {}", problem.field, problem.reason);
    problems.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What a person's values make of a case, in one line.
fn changed(before: Option<&CaseRecord>, given: &[(&str, &str)], force: bool) -> String {
    let sheet = Sheet::of_case_kind(&kind());
    let values = before.map(CaseRecord::values);
    let planned = sheet
        .edits(&pairs(given))
        .and_then(|edits| sheet.plan(values.as_ref(), &edits, force));
    match planned {
        Ok(planned) => {
            let one = |change: &FieldChange| match &change.new {
                Value::Text(text) => format!("{}={text}", change.field),
                other => format!("{}={other:?}", change.field),
            };
            planned
                .changed
                .iter()
                .map(one)
                .collect::<Vec<_>>()
                .join(" ")
        }
        Err(problems) => told(&problems),
    }
}

#[test]
fn a_person_s_values_of_a_case_are_held_to_its_manifest() {
    let mut gone = case();
    gone.state = "Nobody declares this".to_owned();
    let known = case();
    type Row<'a> = (Option<&'a CaseRecord>, &'a [(&'a str, &'a str)], &'a str);
    let rows: [Row<'_>; 16] = [
        (Some(&known), &[("heat", "HOT")], "heat=hot"),
        (
            Some(&known),
            &[("title", "Acme"), ("heat", "cold")],
            "heat=cold",
        ),
        (Some(&known), &[("address", "")], "address=Null"),
        (Some(&known), &[("state", "qualified")], "state=Qualified"),
        (Some(&known), &[("account", "Acme")], "account=Acme"),
        (Some(&gone), &[("state", "Lost")], "state=Lost"),
        (
            Some(&known),
            &[("state", "Lost")],
            "state: from `New` it can become Qualified; with --force",
        ),
        (
            Some(&known),
            &[("state", "Qualifed")],
            "state: it is one of New, Qualified, Lost; did you mean Qualified?",
        ),
        (Some(&known), &[("state", "")], "state: a lead needs it"),
        (Some(&known), &[("title", "")], "title: a lead needs it"),
        (
            Some(&known),
            &[("heats", "hot"), ("size", "many")],
            "heats: a lead has no such field: did you mean `heat`?; size: write a whole number",
        ),
        (
            Some(&known),
            &[("heat", "warm")],
            "heat: it is one of cold, hot",
        ),
        (
            Some(&known),
            &[("plugin", "mine")],
            "plugin: no command sets this field",
        ),
        (
            Some(&known),
            &[("heat", "hot"), ("heat", "cold")],
            "heat: it is given twice",
        ),
        (None, &[("heat", "hot")], "title: a lead needs it"),
        (None, &[("title", "Pier 3")], "title=Pier 3 state=New"),
    ];
    for (before, given, expected) in rows {
        let found = changed(before, given, false);
        assert!(found.starts_with(expected), "{given:?}: {found}");
    }
    assert_eq!(
        changed(Some(&known), &[("state", "Lost")], true),
        "state=Lost"
    );
}

#[test]
fn a_case_is_read_and_written_by_the_names_of_its_fields() {
    let mut record = case();
    let values = record.values();
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    assert_eq!(values.get("state").cloned(), text("New"));
    assert_eq!(values.get("account").cloned(), text("acc-1"));
    for (name, value) in [
        ("title", "Pier 3"),
        ("state", "Qualified"),
        ("account", "the field"),
        ("contact", "con-1"),
    ] {
        let declared = kind().fields.iter().any(|field| field.name == name);
        record.put(name, &Value::Text(value.to_owned()), declared);
        assert_eq!(record.values().get(name).cloned(), text(value), "{name}");
    }
    assert_eq!(
        record.account,
        Some("acc-1".into()),
        "the declared field is another one"
    );
    assert_eq!(record.subject.contact, Some("con-1".into()));
    record.put("address", &Value::Null, true);
    assert_eq!(record.values().get("address"), None);
}

#[test]
fn a_case_is_found_under_the_words_of_its_indexed_fields() {
    let under = |value: Value| {
        let mut record = case();
        record.indexed = vec!["address".to_owned()];
        record.fields.insert("address".to_owned(), value);
        let found = record.found_under();
        found.into_iter().map(|(_, word)| word).collect::<Vec<_>>()
    };
    let text = |text: &str| Value::Text(text.to_owned());
    let list = Value::Texts(vec!["B".to_owned(), "a".to_owned(), "A".to_owned()]);
    for (value, words) in [
        (Value::Null, vec![]),
        (text("Ann@Example.com"), vec!["ann example com"]),
        (Value::Integer(-3), vec!["-3"]),
        (Value::Flag(true), vec!["yes"]),
        (list, vec!["a", "b"]),
    ] {
        assert_eq!(under(value.clone()), words, "{value:?}");
    }
    let long = "x".repeat(INDEX_BYTES_MAX);
    assert_eq!(under(text(&long)), std::slice::from_ref(&long));
    let [word] = &under(text(&format!("{long}y")))[..] else {
        panic!("one word");
    };
    assert!(
        word.len() <= INDEX_BYTES_MAX && !word.contains("xx"),
        "{word}"
    );
    assert_ne!(*word, under(text(&format!("{long}z")))[0]);
    assert_eq!(case().found_under()[1], ("state", "new".to_owned()));
    let mut both = case();
    both.indexed = vec!["account".to_owned()];
    both.fields.insert("account".to_owned(), text("Acme GmbH"));
    let (own, every) = (
        ("account", "acme gmbh".to_owned()),
        ("account", "acc 1".to_owned()),
    );
    assert_eq!(both.found_under(), [every, own]);
}

fn task() -> TaskRecord {
    let cause = Cause {
        plugin: "follow-up".into(),
        plugin_version: "1.0.0".to_owned(),
        plugin_digest: String::new(),
        label: "call".to_owned(),
        event_seq: 1,
        cause: "m".to_owned(),
        subject: Subject {
            account: Some("acc-1".into()),
            ..Subject::default()
        },
        reason: "silent".to_owned(),
        rule: None,
    };
    TaskRecord {
        title: "Call Ann".to_owned(),
        ..TaskRecord::new("task-1".into(), cause, NOW)
    }
}

#[test]
fn a_task_takes_what_a_person_says_of_it() {
    let sheet = Sheet::of_tasks();
    let of = |task: &TaskRecord, given: &[(&str, &str)], why: Option<&'static str>| {
        let mut after = task.clone();
        let by = TaskChange {
            who: "alice",
            why,
            now: Timestamp(NOW.0 + 1),
        };
        let edits: Vec<Edit> = sheet.edits(&pairs(given)).map_err(|all| told(&all))?;
        let planned = sheet.plan(Some(&task.values()), &edits, false);
        let planned = planned.map_err(|all| told(&all))?;
        after.take(&planned.changed, by).map_err(|all| told(&all))?;
        Ok::<TaskRecord, String>(after)
    };
    let open = task();
    assert_eq!(
        open.values().get("account"),
        Some(&Value::Text("acc-1".to_owned()))
    );
    let done = of(&open, &[("state", "done")], None).unwrap();
    assert_eq!((done.state(), done.is_open()), ("done", false));
    assert_eq!(done.done, Some((Timestamp(NOW.0 + 1), "alice".to_owned())));
    let declined = of(&open, &[("state", "declined")], Some("they closed")).unwrap();
    assert_eq!((declined.state(), declined.is_open()), ("declined", false));
    assert_eq!(declined.declined.as_ref().unwrap().2, "they closed");
    for settled in [&done, &declined] {
        let again = of(settled, &[("state", "open")], None).unwrap();
        assert!(again.is_open() && again.done.is_none() && again.declined.is_none());
    }
    type Row<'a> = (&'a TaskRecord, &'a [(&'a str, &'a str)], &'a str);
    let rows: [Row<'_>; 6] = [
        (
            &open,
            &[("state", "declined")],
            "state: say why it is not done",
        ),
        (
            &done,
            &[("state", "declined")],
            "state: from `done` it can become open",
        ),
        (
            &open,
            &[("priority", "vip")],
            "priority: it is one of client, prospect, internal",
        ),
        (
            &open,
            &[("created", "2026-01-01T00:00:00Z")],
            "created: no command sets",
        ),
        (&open, &[("title", "")], "title: a task needs it"),
        (
            &open,
            &[("about", "1;2;3;4;5;6;7;8;9")],
            "about: more than 8",
        ),
    ];
    for (task, given, expected) in rows {
        let error = of(task, given, None).unwrap_err();
        assert!(error.starts_with(expected), "{given:?}: {error}");
    }
    let given = [
        ("title", "Call Bob"),
        ("due", "2026-03-02T09:00:00Z"),
        ("owner", "Alice@Example.com"),
        ("priority", "Client"),
        ("urgent", "yes"),
        ("account", "acc-2"),
        ("contact", "con-2"),
        ("about", "opp-1;lead-1"),
        ("body", "He asked for prices."),
        ("checklist", "prices;dates"),
    ];
    let all = of(&open, &given, None).unwrap();
    for (name, text) in given {
        let field = sheet.field(name).unwrap();
        let written = field.kind.write(all.values().get(name).unwrap(), None);
        assert_eq!(written.to_lowercase(), text.to_lowercase(), "{name}");
    }
    let cleared = of(&all, &[("due", ""), ("account", ""), ("about", "")], None).unwrap();
    assert_eq!(
        (cleared.due, cleared.account, cleared.about.len()),
        (None, None, 0)
    );
}
