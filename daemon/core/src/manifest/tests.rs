use serde_json::json;

use super::*;
use crate::proposal::{Fields, Value};
use crate::time::Timestamp;

fn manifest(changes: serde_json::Value) -> Manifest {
    let mut whole = json!({
        "manifest": 1,
        "plugin": { "name": "lead-triage", "version": "0.1.0", "requires": "0.1.0",
                    "summary": "Enquiries become leads." },
        "events": { "subscribe": ["message-received", "timer-fired"] },
        "reads": { "message": "text", "calendars": "busy",
                   "records": { "account": ["name"] }, "headers": ["List-Id"] },
        "proposals": {
            "email": { "why": "first answer to an enquiry", "recipients": "thread",
                       "purpose": "opportunity" },
            "hold": { "why": "so that the times stay free", "max": 3 },
            "create-case": { "why": "to record the lead" },
        },
        "case": [{
            "kind": "lead", "title": "Lead",
            "states": ["New", "Qualified", "Lost"],
            "transitions": [["New", "Qualified"], ["New", "Lost"]],
            "field": [
                { "name": "need", "type": "text" },
                { "name": "score", "type": "integer" },
                { "name": "met", "type": "at" },
                { "name": "heat", "type": "choice", "choices": ["cold", "hot"] },
            ],
        }],
        "setting": [
            { "name": "slots", "type": "integer", "default": 2, "doc": "Slots." },
            { "name": "follow_up_after", "type": "duration", "default": "3 business days" },
            { "name": "words", "type": "texts" },
            { "name": "bands", "type": "table", "default": [10, 50] },
            { "name": "strict", "type": "flag", "default": false },
        ],
    });
    overlay(&mut whole, changes);
    serde_json::from_value(whole).unwrap()
}

fn overlay(whole: &mut serde_json::Value, changes: serde_json::Value) {
    match changes {
        serde_json::Value::Object(changes) => {
            for (name, change) in changes {
                overlay(&mut whole[name], change);
            }
        }
        other => *whole = other,
    }
}

#[test]
fn what_is_not_said_has_a_default() {
    let manifest = manifest(json!({}));
    assert_eq!(manifest.validate(), []);
    assert_eq!(manifest.limits, Limits::default());
    assert_eq!(manifest.reads.text_limit, 32 << 10);
    assert!(manifest.subscribes("message-received", Some("human")));
    assert!(!manifest.subscribes("message-received", Some("ooo")));
    assert!(!manifest.subscribes("message-sent", Some("human")));
    assert!(manifest.subscribes("timer-fired", None));
    assert!(manifest.grant("email").is_some() && manifest.grant("notify").is_none());
}

#[test]
fn classes_are_known_in_both_spellings() {
    let manifest = manifest(json!({ "events": { "classes": ["auto-reply"] } }));
    for class in ["auto-reply", "auto_reply"] {
        assert!(
            manifest.subscribes("message-received", Some(class)),
            "{class}"
        );
    }
}

#[test]
fn each_problem_is_named_with_its_place() {
    let cases = [
        (json!({ "manifest": 2 }), "manifest: format 2 is not known"),
        (
            json!({ "plugin": { "name": "Lead Triage" } }),
            "plugin.name: use a-z",
        ),
        (
            json!({ "plugin": { "summary": " " } }),
            "plugin.summary: must not be empty",
        ),
        (
            json!({ "plugin": { "requires": "0.1.1" } }),
            "plugin.requires: it needs contract 0.1.1",
        ),
        (
            json!({ "plugin": { "requires": "0.0.9" } }),
            "plugin.requires: it needs contract 0.0.9",
        ),
        (
            json!({ "events": { "subscribe": [] } }),
            "events.subscribe: subscribe to at least one",
        ),
        (
            json!({ "events": { "classes": ["auto-replies"] } }),
            "events.classes: no class `auto-replies` (did you mean `auto-reply`?)",
        ),
        (
            json!({ "events": { "classes": [] } }),
            "events.classes: name the classes",
        ),
        (
            json!({ "reads": { "text-limit": 300_000 } }),
            "reads.text-limit: 300000 is outside",
        ),
        (
            json!({ "reads": { "per-event": 201 } }),
            "reads.per-event: 201 is outside 0 to 200",
        ),
        (
            json!({ "reads": { "records": { "acount": ["name"] } } }),
            "no record kind `acount` (did you mean `account`?)",
        ),
        (
            json!({ "reads": { "calendars": "none" } }),
            "reads.calendars: it may propose holds",
        ),
        (
            json!({ "proposals": { "e-mail": { "why": "x" } } }),
            "proposals.e-mail: no such action kind (did you mean `email`?)",
        ),
        (
            json!({ "proposals": { "notify": { "why": "" } } }),
            "proposals.notify.why: say why",
        ),
        (
            json!({ "proposals": { "hold": { "max": 21 } } }),
            "proposals.hold.max: 21 is outside",
        ),
        (
            json!({ "proposals": { "hold": { "recipients": "any" } } }),
            "proposals.hold: `recipients` and `purpose` belong",
        ),
        (
            json!({ "case": [] }),
            "proposals.create-case: there is no [[case]]",
        ),
        (
            json!({ "limits": { "fuel": 0 } }),
            "limits.fuel: 0 is outside 1 to 1000000000",
        ),
        (
            json!({ "limits": { "memory": 1 << 30 } }),
            "limits.memory: 1073741824 is outside",
        ),
        (
            json!({ "limits": { "proposals": 101 } }),
            "limits.proposals: 101 is outside 1 to 100",
        ),
        (
            json!({ "setting": [{ "name": "slots", "type": "integer", "default": "two" }] }),
            "setting.slots.default: must be a whole number",
        ),
        (
            json!({ "setting": [{ "name": "a", "type": "flag" }, { "name": "a", "type": "flag" }] }),
            "setting: `a` stands here twice",
        ),
        (
            json!({ "case": [{ "kind": "lead", "title": "Lead", "states": ["New"],
                               "transitions": [["New", "Nwe"]] }] }),
            "case.lead.transitions: `Nwe` is no declared state",
        ),
        (
            json!({ "case": [{ "kind": "account", "title": "Account" }] }),
            "case.account.kind: this name belongs to the core's",
        ),
        (
            json!({ "case": [{ "kind": "lead", "title": "Lead",
                               "field": [{ "name": "heat", "type": "choice" }] }] }),
            "case.lead.field.heat: `choices` belongs to the type `choice`",
        ),
        (
            json!({ "case": [{ "kind": "lead", "title": "Lead", "indexes": ["heats"],
                               "field": [{ "name": "heat", "type": "text" }] }] }),
            "case.lead.indexes: no field `heats` is declared (did you mean `heat`?)",
        ),
        (
            json!({ "case": [{ "kind": "lead", "title": "Lead", "indexes": ["state", "state"] }] }),
            "case.lead.indexes: `state` stands here twice",
        ),
        (
            json!({ "case": [{ "kind": "lead", "title": "Lead", "indexes": ["state"],
                               "field": (0..8).map(|n| json!({
                                   "name": format!("f{n}"), "type": "text", "index": true,
                               })).collect::<Vec<_>>() }] }),
            "case.lead.indexes: 9 fields have an index: at most 8 may",
        ),
    ];
    for (changes, expected) in cases {
        let problems: Vec<String> = manifest(changes.clone())
            .validate()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(
            problems.iter().any(|problem| problem.contains(expected)),
            "{changes}: {problems:?} has no `{expected}`"
        );
    }
}

#[test]
fn capabilities_are_plain_words() {
    assert_eq!(
        manifest(json!({})).capabilities(),
        [
            "is told of human messages that arrive",
            "is woken by its own timers",
            "reads the text of messages, up to 32 KiB",
            "reads the headers List-Id",
            "reads of each account: name",
            "sees when our people are busy, not with what",
            "may propose new cases (lead): to record the lead",
            "may propose e-mail to people in the thread: first answer to an enquiry",
            "may propose tentative holds in our calendars, at most 3 at a time: \
             so that the times stay free",
        ]
    );
}

#[test]
fn settings_are_defaults_overlaid_by_the_operator() {
    let manifest = manifest(json!({}));
    let operator = json!({ "slots": 3, "words": ["offer"] });
    let merged = manifest
        .settings_with_defaults(operator.as_object().unwrap())
        .unwrap();
    assert_eq!(
        serde_json::Value::Object(merged),
        json!({ "slots": 3, "follow_up_after": "3 business days", "words": ["offer"],
                "bands": [10, 50], "strict": false })
    );
}

#[test]
fn wrong_settings_are_all_named_at_once() {
    let operator = json!({
        "slot": 3, "strict": "yes", "follow_up_after": "soon", "words": [1], "bands": 7,
    });
    let problems = manifest(json!({}))
        .settings_with_defaults(operator.as_object().unwrap())
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    let expected = [
        "settings.slot: lead-triage has no such setting (did you mean `slots`?)",
        "settings.strict: must be true or false",
        "settings.follow_up_after: must be a length of time like \"3 business days\", \
         \"48 hours\" or \"20 minutes\"",
        "settings.words: must be a list of texts",
        "settings.bands: must be a table or a list",
    ];
    for one in expected {
        assert!(
            problems.iter().any(|problem| problem == one),
            "{one} is not in {problems:?}"
        );
    }
    assert_eq!(problems.len(), expected.len());
}

#[test]
fn cases_keep_to_their_declaration() {
    let manifest = manifest(json!({}));
    let fields = |list: &[(&str, Value)]| -> Fields {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    };
    let text = |text: &str| Value::Text(text.to_owned());
    let good = fields(&[
        ("need", text("an offer")),
        ("score", Value::Integer(7)),
        ("met", Value::At(Timestamp(0))),
        ("heat", text("hot")),
    ]);
    type Row<'a> = (
        &'a str,
        Fields,
        Option<&'a str>,
        Option<&'a str>,
        Option<&'a str>,
    );
    let cases: [Row<'_>; 11] = [
        ("lead", good, None, None, None),
        (
            "lead",
            fields(&[("heat", Value::Null)]),
            Some("Qualified"),
            Some("New"),
            None,
        ),
        (
            "lead",
            fields(&[]),
            Some("Qualified"),
            Some("Qualified"),
            None,
        ),
        ("lead", fields(&[]), Some("Lost"), None, None),
        (
            "led",
            fields(&[]),
            None,
            None,
            Some("no case kind `led` (did you mean `lead`?)"),
        ),
        (
            "lead",
            fields(&[("ned", text("x"))]),
            None,
            None,
            Some("lead.ned: no such field"),
        ),
        (
            "lead",
            fields(&[("score", text("7"))]),
            None,
            None,
            Some("must be a whole number"),
        ),
        (
            "lead",
            fields(&[("heat", text("tepid"))]),
            None,
            None,
            Some("`cold`, `hot`"),
        ),
        (
            "lead",
            fields(&[("heat", Value::Flag(true))]),
            None,
            None,
            Some("one of its choices"),
        ),
        (
            "lead",
            fields(&[]),
            Some("Qualifed"),
            Some("New"),
            Some("did you mean `Qualified`?"),
        ),
        (
            "lead",
            fields(&[]),
            Some("New"),
            Some("Lost"),
            Some("no declared transition leads"),
        ),
    ];
    for (kind, given, state, previous, expected) in cases {
        let problems = manifest.validate_case(kind, &given, state, previous);
        let said = problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ");
        match expected {
            None => assert_eq!(said, "", "{kind} {given:?} {state:?}"),
            Some(part) => assert!(said.contains(part), "{kind} {given:?} {state:?}: {said}"),
        }
    }
    assert_eq!(manifest.case("lead").unwrap().first_state(), "New");
}

#[test]
fn versions_of_the_contract_compare_by_generation() {
    let version = |text: &str| text.parse::<ContractVersion>().unwrap();
    assert!(version("0.1.0").same_generation(version("0.1.9")));
    assert!(!version("0.1.0").same_generation(version("0.2.0")));
    assert!(version("1.2.0").same_generation(version("1.9.0")));
    for text in ["1", "0.1", "0.1.0.0", "0.1.x", ""] {
        assert!(text.parse::<ContractVersion>().is_err(), "{text}");
    }
}

#[test]
fn an_index_is_declared_with_its_field_or_beside_the_fields() {
    let read = manifest(json!({ "case": [{
        "kind": "lead", "title": "Lead", "states": ["New"], "indexes": ["state", "address"],
        "field": [
            { "name": "address", "type": "text", "index": true },
            { "name": "phone", "type": "text" },
            { "name": "budget", "type": "integer", "index": true },
        ],
    }] }));
    assert_eq!(read.validate(), []);
    assert_eq!(read.cases[0].indexes(), ["address", "budget", "state"]);
}
