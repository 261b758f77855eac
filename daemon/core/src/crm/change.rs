//! A change of a record, decided from what it was: what is taken, what waits for a person's yes,
//! and what is wrong with it.

use serde::{Deserialize, Serialize};

use super::fields::FieldType;
use super::kinds::{Kind, KindSpec};
use super::record::{CrmRecord, STEPS_MAX};
use crate::ids::derive;
use crate::manifest::nearest;
use crate::proposal::Value;
use crate::time::Timestamp;

/// Who wants a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// One of our people: overwrites everything.
    Person,
    /// An import: what a person set stays, and its value becomes a proposal.
    Import,
    /// A plugin: as an import, and some states are a person's to give.
    Plugin,
}

/// A new value of one field; [`Value::Null`] takes the value away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The field.
    pub field: String,
    /// Its value; links are ids.
    pub value: Value,
}

/// One field that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field.
    pub field: String,
    /// What was there.
    pub old: Value,
    /// What comes.
    pub new: Value,
}

/// Something wrong with a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The field.
    pub field: String,
    /// What was given.
    pub value: String,
    /// Why it cannot be so, and what can.
    pub reason: String,
}

/// A change that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The record after it.
    pub record: CrmRecord,
    /// What changes.
    pub changed: Vec<FieldChange>,
    /// What a person has to say yes to.
    pub proposed: Vec<FieldChange>,
}

/// How a change is decided.
#[derive(Debug, Clone, Copy)]
pub struct By {
    /// Who wants it.
    pub source: Source,
    /// A person insists on a change of state that is no step.
    pub force: bool,
    /// When.
    pub now: Timestamp,
}

/// Decides what becomes of `before` with these values.
///
/// # Errors
/// Everything that is wrong with them; nothing is taken then.
pub fn plan(before: &CrmRecord, edits: &[Edit], by: By) -> Result<Planned, Vec<Problem>> {
    let spec = before.kind.spec();
    let mut problems = Vec::new();
    let mut planned = Planned {
        record: before.clone(),
        changed: Vec::new(),
        proposed: Vec::new(),
    };
    for edit in edits {
        if let Err(problem) = one(&mut planned, before, edit, by) {
            problems.push(problem);
        }
    }
    if before.revision == 0 {
        begin(&mut planned, spec);
        problems.extend(missing(&planned.record, spec));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let changed = !planned.changed.is_empty();
    let record = &mut planned.record;
    if changed {
        record.revision = record.revision.saturating_add(1);
        record.updated = by.now;
        note_state(record, before.state(), by.now);
    }
    Ok(planned)
}

fn one(planned: &mut Planned, before: &CrmRecord, edit: &Edit, by: By) -> Result<(), Problem> {
    let spec = before.kind.spec();
    let Some(field) = spec.field(&edit.field) else {
        return Err(unknown_field(spec, &edit.field));
    };
    let currency = before.text("currency");
    let shown = field.kind.write(&edit.value, currency);
    let problem = |reason: String| Problem {
        field: edit.field.clone(),
        value: crate::message::cut_text(&shown, 80),
        reason,
    };
    if !field.kind.holds(&edit.value) {
        return Err(problem(format!("write {}", field.kind.allowed())));
    }
    let old = before.get(&edit.field).cloned().unwrap_or(Value::Null);
    if old == edit.value {
        if by.source == Source::Person && old != Value::Null {
            claim(&mut planned.record, &edit.field);
        }
        return Ok(());
    }
    let always = first_value(spec).is_some_and(|(always, _)| always == field.name);
    if (field.required || always) && edit.value == Value::Null {
        return Err(problem(format!("{} needs it", before.kind.with_article())));
    }
    let change = FieldChange {
        field: edit.field.clone(),
        old: old.clone(),
        new: edit.value.clone(),
    };
    let theirs = before.by_person.contains(&edit.field);
    if by.source != Source::Person && theirs {
        planned.proposed.push(change);
        return Ok(());
    }
    if let Some(state) = spec.state.filter(|state| state.field == edit.field)
        && let (Value::Text(from), Value::Text(to)) = (&old, &edit.value)
    {
        if by.source == Source::Plugin && state.by_person.contains(&to.as_str()) {
            planned.proposed.push(change);
            return Ok(());
        }
        // Another system's records jump over steps that it does not know.
        if by.source != Source::Import && !by.force && !state.allows(from, to) {
            let after = state.after(from).join(", ");
            return Err(problem(format!(
                "from `{from}` it can become {after}; with --force it becomes this all the same"
            )));
        }
    }
    match &edit.value {
        Value::Null => planned.record.fields.remove(&edit.field),
        value => planned
            .record
            .fields
            .insert(edit.field.clone(), value.clone()),
    };
    if by.source == Source::Person {
        claim(&mut planned.record, &edit.field);
    }
    planned.changed.push(change);
    Ok(())
}

/// A person said so: nobody else overwrites it.
fn claim(record: &mut CrmRecord, field: &str) {
    if !record.by_person.iter().any(|known| known == field) {
        record.by_person.push(field.to_owned());
        record.by_person.sort();
    }
}

/// The field that is not there, with the name that may be meant.
#[must_use]
pub fn unknown_field(spec: &KindSpec, name: &str) -> Problem {
    let names = || spec.fields.iter().map(|field| field.name);
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    };
    Problem {
        field: name.to_owned(),
        value: String::new(),
        reason: format!("{} has no such field: {hint}", spec.kind.with_article()),
    }
}

/// The field that always has a value, and what it is where nothing is said.
fn first_value(spec: &KindSpec) -> Option<(&'static str, &'static str)> {
    match (spec.kind, &spec.state) {
        (Kind::Account, _) => Some(("lifecycle", "active")),
        (Kind::Contact, _) => Some(("status", "active")),
        (_, Some(state)) => state.states.first().map(|first| (state.field, *first)),
        _ => None,
    }
}

/// A new record begins in the first state; an account is active, and a contact still there, where
/// nothing else is said.
fn begin(planned: &mut Planned, spec: &KindSpec) {
    let Some((field, first)) = first_value(spec) else {
        return;
    };
    if planned.record.get(field).is_none() {
        let value = Value::Text(first.to_owned());
        planned
            .record
            .fields
            .insert(field.to_owned(), value.clone());
        planned.changed.push(FieldChange {
            field: field.to_owned(),
            old: Value::Null,
            new: value,
        });
    }
}

fn missing(record: &CrmRecord, spec: &KindSpec) -> Vec<Problem> {
    let needed = spec.fields.iter().filter(|field| field.required);
    needed
        .filter(|field| record.get(field.name).is_none())
        .map(|field| Problem {
            field: field.name.to_owned(),
            value: String::new(),
            reason: format!(
                "{} needs it: give {}={}",
                spec.kind.with_article(),
                field.name,
                field.kind.allowed()
            ),
        })
        .collect()
}

fn note_state(record: &mut CrmRecord, before: Option<&str>, now: Timestamp) {
    let after = record.state().map(str::to_owned);
    if let Some(after) = after
        && before != Some(after.as_str())
    {
        record.steps.push((now, after));
        let surplus = record.steps.len().saturating_sub(STEPS_MAX);
        record.steps.drain(..surplus);
    }
}

/// The id of a new record: of its external id, else of what it is known by.
///
/// Accounts and contacts have ids of their own (see [`crate::account`]).
#[must_use]
pub fn new_id(record: &CrmRecord) -> String {
    let spec = record.kind.spec();
    let hash = match record.text("external_id") {
        Some(external) => derive(
            "liaison record external 1",
            &[spec.word.as_bytes(), external.as_bytes()],
        ),
        None => {
            let known = known_by(record);
            let mut parts: Vec<&[u8]> = vec![spec.word.as_bytes()];
            parts.extend(known.iter().map(String::as_bytes));
            derive("liaison record key 1", &parts)
        }
    };
    let short: String = hash.chars().take(16).collect();
    format!("{}-{short}", spec.prefix)
}

/// What a record is known by, where it has no external id: two records with the same are one.
#[must_use]
pub fn known_by(record: &CrmRecord) -> Vec<String> {
    let spec = record.kind.spec();
    let part = |field: &&'static str| {
        let kind = spec.field(field).map(|field| field.kind);
        match (record.get(field), kind) {
            (Some(Value::Text(text)), Some(FieldType::Line)) => crate::account::fold(text),
            (Some(Value::Texts(texts)), _) => texts.first().cloned().unwrap_or_default(),
            (Some(value), Some(kind)) => kind.write(value, None),
            _ => String::new(),
        }
    };
    spec.key.iter().map(part).collect()
}

/// Whether an id names a record of this kind.
#[must_use]
pub fn is_id(kind: Kind, text: &str) -> bool {
    Kind::of_id(text) == Some(kind)
}
