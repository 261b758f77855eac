//! One core record as fields by name.

use serde::{Deserialize, Serialize};

use super::kinds::Kind;
use crate::proposal::{Fields, Value};
use crate::time::Timestamp;

/// Most changes of state that a record tells of; the audit has them all.
pub const STEPS_MAX: usize = 12;

/// A core record of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrmRecord {
    /// Its kind.
    pub kind: Kind,
    /// Derived from the external id, else from what it is known by: a repeated import finds it
    /// again.
    pub id: String,
    /// Values by field; what is not known is not there.
    pub fields: Fields,
    /// Fields that a person set: nobody else overwrites them.
    pub by_person: Vec<String>,
    /// Grows with every change.
    pub revision: u64,
    /// The record that has taken its place.
    pub merged_into: Option<String>,
    /// When it came into which state; the newest last, at most [`STEPS_MAX`].
    pub steps: Vec<(Timestamp, String)>,
    /// First recorded.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
}

impl CrmRecord {
    /// An empty record.
    #[must_use]
    pub fn new(kind: Kind, id: String, now: Timestamp) -> CrmRecord {
        CrmRecord {
            kind,
            id,
            fields: Fields::new(),
            by_person: Vec::new(),
            revision: 0,
            merged_into: None,
            steps: Vec::new(),
            created: now,
            updated: now,
        }
    }

    /// The value of a field; [`Value::Null`] counts as not there.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields
            .get(field)
            .filter(|value| **value != Value::Null)
    }

    /// A text, choice, day or link.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        match self.get(field)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, or an amount in minor units.
    #[must_use]
    pub fn integer(&self, field: &str) -> Option<i64> {
        match self.get(field)? {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// Yes or no; no where nothing is said.
    #[must_use]
    pub fn flag(&self, field: &str) -> bool {
        matches!(self.get(field), Some(Value::Flag(true)))
    }

    /// An instant.
    #[must_use]
    pub fn at(&self, field: &str) -> Option<Timestamp> {
        match self.get(field)? {
            Value::At(at) => Some(*at),
            _ => None,
        }
    }

    /// A day.
    #[must_use]
    pub fn day(&self, field: &str) -> Option<jiff::civil::Date> {
        super::dates::day(self.text(field)?)
    }

    /// Several texts or links.
    #[must_use]
    pub fn texts(&self, field: &str) -> &[String] {
        match self.get(field) {
            Some(Value::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// What people call it: the field that names it, else the texts it is known by.
    #[must_use]
    pub fn name(&self) -> String {
        let spec = self.kind.spec();
        if let Some(name) = self.text(spec.name) {
            return name.to_owned();
        }
        let known: Vec<&str> = spec
            .key
            .iter()
            .filter_map(|field| self.text(field))
            .collect();
        match known.is_empty() {
            true => self.id.clone(),
            false => known.join(" "),
        }
    }

    /// The state, where the kind has one.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.text(self.kind.spec().state.as_ref()?.field)
    }

    /// Since when it is in its state.
    #[must_use]
    pub fn state_since(&self) -> Timestamp {
        self.steps.last().map_or(self.created, |(at, _)| *at)
    }
}
