//! Case kinds: records that a plugin declares and the host keeps, checks and shows.

use serde::{Deserialize, Serialize};

use super::Problem;
use super::validate::{did_you_mean, is_name};
use crate::proposal::{Fields, Value};

/// Most fields of one kind that have an index: each is a row more for every case.
pub const CASE_INDEXES_MAX: usize = 8;
/// What every case has that may have an index, beside the declared fields.
const INDEXABLE: [&str; 5] = ["account", "contact", "state", "thread", "title"];

/// `[[case]]`: one kind of record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseKind {
    /// `[a-z0-9-]`, unique among the installed plugins.
    pub kind: String,
    /// What people call one of them.
    pub title: String,
    /// States, the first one being where a new case begins; empty means without state.
    #[serde(default)]
    pub states: Vec<String>,
    /// Allowed changes of state; empty means any.
    #[serde(default)]
    pub transitions: Vec<(String, String)>,
    /// Fields.
    #[serde(default, rename = "field")]
    pub fields: Vec<CaseField>,
    /// Fields that have an index, beside those that say so themselves: declared ones, `account`,
    /// `contact`, `state`, `thread` or `title`.
    #[serde(default)]
    pub indexes: Vec<String>,
}

/// `[[case.field]]`: one field of a case kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseField {
    /// Name.
    pub name: String,
    /// Type of its values.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Values of a `choice`.
    #[serde(default)]
    pub choices: Vec<String>,
    /// Cases are found by its value without looking at the others.
    #[serde(default)]
    pub index: bool,
}

/// Type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldType {
    /// Text.
    Text,
    /// A whole number; amounts of money in minor units.
    Integer,
    /// Yes or no.
    Flag,
    /// An instant.
    At,
    /// Several texts.
    Texts,
    /// One of the declared choices, as text.
    Choice,
}

impl FieldType {
    fn name(self) -> &'static str {
        match self {
            FieldType::Text => "a text",
            FieldType::Integer => "a whole number",
            FieldType::Flag => "yes or no",
            FieldType::At => "an instant",
            FieldType::Texts => "a list of texts",
            FieldType::Choice => "one of its choices",
        }
    }
}

impl CaseField {
    fn accepts(&self, value: &Value) -> Result<(), String> {
        let fits = match (self.kind, value) {
            (_, Value::Null)
            | (FieldType::Text, Value::Text(_))
            | (FieldType::Integer, Value::Integer(_))
            | (FieldType::Flag, Value::Flag(_))
            | (FieldType::At, Value::At(_))
            | (FieldType::Texts, Value::Texts(_)) => true,
            (FieldType::Choice, Value::Text(text)) => {
                if self.choices.contains(text) {
                    return Ok(());
                }
                return Err(format!(
                    "`{text}` is none of its choices: {}",
                    list(&self.choices)
                ));
            }
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            Err(format!("must be {}", self.kind.name()))
        }
    }
}

impl CaseKind {
    /// Problems of a case to be written.
    ///
    /// `state` is the wanted one; `None` means the first declared one for a new case and the
    /// present one otherwise. `previous_state` is `None` for a new case. Fields that are not
    /// named keep their values.
    #[must_use]
    pub fn check(
        &self,
        fields: &Fields,
        state: Option<&str>,
        previous_state: Option<&str>,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, value) in fields {
            let at = format!("{}.{name}", self.kind);
            match self.fields.iter().find(|field| field.name == *name) {
                None => {
                    let known = self.fields.iter().map(|field| field.name.as_str());
                    let hint = did_you_mean(name, known);
                    problems.push(Problem::new(at, format!("no such field is declared{hint}")));
                }
                Some(field) => {
                    if let Err(said) = field.accepts(value) {
                        problems.push(Problem::new(at, said));
                    }
                }
            }
        }
        problems.extend(self.check_state(state, previous_state));
        problems
    }

    fn check_state(&self, state: Option<&str>, previous: Option<&str>) -> Option<Problem> {
        let wanted = state?;
        let at = format!("{}.state", self.kind);
        if self.states.is_empty() {
            let said = format!("`{wanted}` is wanted, but this kind declares no states");
            return (!wanted.is_empty()).then(|| Problem::new(at, said));
        }
        if !self.states.iter().any(|declared| declared == wanted) {
            let hint = did_you_mean(wanted, self.states.iter().map(String::as_str));
            let said = format!("`{wanted}` is no declared state{hint}");
            return Some(Problem::new(at, said));
        }
        let previous = previous.filter(|previous| *previous != wanted)?;
        let allowed = self.transitions.is_empty()
            || self
                .transitions
                .iter()
                .any(|(from, to)| from == previous && to == wanted);
        (!allowed).then(|| {
            let steps = self.transitions.iter().filter(|(from, _)| from == previous);
            let after: Vec<String> = steps.map(|(_, to)| to.clone()).collect();
            let said = match after.is_empty() {
                true => "none does".to_owned(),
                false => format!("from there it can become {}", list(&after)),
            };
            Problem::new(
                at,
                format!("no declared transition leads from `{previous}` to `{wanted}`: {said}"),
            )
        })
    }

    /// Names of the fields that have an index, sorted.
    #[must_use]
    pub fn indexes(&self) -> Vec<String> {
        let fields = self.fields.iter().filter(|field| field.index);
        let mut names: Vec<String> = fields.map(|field| field.name.clone()).collect();
        names.extend(self.indexes.iter().cloned());
        names.sort();
        names.dedup();
        names
    }

    fn check_indexes(&self) -> Vec<Problem> {
        let at = format!("case.{}.indexes", self.kind);
        let declared = || self.fields.iter().map(|field| field.name.as_str());
        let known = || declared().chain(INDEXABLE);
        let mut problems = Vec::new();
        for name in &self.indexes {
            if !known().any(|known| known == name) {
                let hint = did_you_mean(name, known());
                let said = format!("no field `{name}` is declared{hint}");
                problems.push(Problem::new(at.as_str(), said));
            }
        }
        problems.extend(duplicates(self.indexes.iter().map(String::as_str), &at));
        let count = self.indexes().len();
        if count > CASE_INDEXES_MAX {
            let said = format!("{count} fields have an index: at most {CASE_INDEXES_MAX} may");
            problems.push(Problem::new(at, said));
        }
        problems
    }

    /// State of a new case.
    #[must_use]
    pub fn first_state(&self) -> &str {
        self.states.first().map_or("", String::as_str)
    }

    pub(super) fn validate(&self) -> Vec<Problem> {
        let at = |key: &str| format!("case.{}.{key}", self.kind);
        let mut problems = Vec::new();
        if !is_name(&self.kind) {
            problems.push(Problem::new(
                at("kind"),
                "use a-z, 0-9 and -, at most 64 of them",
            ));
        }
        if matches!(self.kind.as_str(), "account" | "contact") {
            problems.push(Problem::new(
                at("kind"),
                "this name belongs to the core's own records",
            ));
        }
        if self.title.trim().is_empty() {
            problems.push(Problem::new(
                at("title"),
                "say what people call one of them",
            ));
        }
        for (from, to) in &self.transitions {
            for state in [from, to] {
                if !self.states.contains(state) {
                    let hint = did_you_mean(state, self.states.iter().map(String::as_str));
                    let said = format!("`{state}` is no declared state{hint}");
                    problems.push(Problem::new(at("transitions"), said));
                }
            }
        }
        problems.extend(duplicates(
            self.states.iter().map(String::as_str),
            &at("states"),
        ));
        let names = self.fields.iter().map(|field| field.name.as_str());
        problems.extend(duplicates(names, &at("field")));
        for field in &self.fields {
            let place = at(&format!("field.{}", field.name));
            if field.name.is_empty() || field.name == "state" {
                problems.push(Problem::new(
                    place,
                    "a field needs a name other than `state`",
                ));
            } else if (field.kind == FieldType::Choice) == field.choices.is_empty() {
                let said = "`choices` belongs to the type `choice`, which needs at least one";
                problems.push(Problem::new(place, said));
            }
        }
        problems.extend(self.check_indexes());
        problems
    }
}

pub(super) fn duplicates<'a>(names: impl Iterator<Item = &'a str>, at: &str) -> Vec<Problem> {
    let mut seen = std::collections::BTreeSet::new();
    names
        .filter(|name| !seen.insert(name.to_owned()))
        .map(|name| Problem::new(at, format!("`{name}` stands here twice")))
        .collect()
}

pub(super) fn list(words: &[String]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
