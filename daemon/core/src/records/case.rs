//! A case by the names of its fields.

use super::{CASE_STEPS_MAX, CaseRecord, TITLE_CHARS_MAX};
use crate::account::fold;
use crate::crm::sheet::{Sheet, SheetField, SheetState, SheetType};
use crate::crm::{FieldType, Kind};
use crate::ids::{ContactId, derive};
use crate::manifest::{self, CaseKind};
use crate::message::cut_text;
use crate::proposal::{Fields, Value};
use crate::time::Timestamp;

/// Longest word of an index that stands there as it is, in bytes: with kind, field and id it fits
/// into a key. Of a longer one the hash stands there.
pub const INDEX_BYTES_MAX: usize = 160;

/// What every case has, whatever its manifest declares.
fn common() -> [SheetField; 8] {
    let link = |name, kind, doc| SheetField::new(name, FieldType::Link(kind), doc);
    [
        SheetField::required("title", FieldType::Line, "What it is about"),
        link("account", Kind::Account, "The account that it belongs to"),
        link("contact", Kind::Contact, "Whom it is about"),
        SheetField::fixed("kind", FieldType::Line, "What kind of case it is"),
        SheetField::fixed(
            "plugin",
            FieldType::Line,
            "The plugin that declares its kind",
        ),
        SheetField::fixed(
            "thread",
            FieldType::Line,
            "The conversation that it stems from",
        ),
        SheetField::fixed("created", FieldType::At, "When it was first recorded"),
        SheetField::fixed("updated", FieldType::At, "When it last changed"),
    ]
}

impl Sheet {
    /// The fields that cases of all kinds have; none is set by this sheet.
    #[must_use]
    pub fn of_cases() -> Sheet {
        let state = SheetField::fixed("state", FieldType::Line, "How far it is");
        let mut fields = Vec::from(common());
        fields.insert(1, state);
        for field in &mut fields {
            field.fixed = true;
        }
        Sheet {
            what: "a case".to_owned(),
            fields,
            state: None,
        }
    }

    /// The fields of the cases of a declared kind. A declared field stands in the place of what
    /// every case has under the same name, but for the title.
    #[must_use]
    pub fn of_case_kind(kind: &CaseKind) -> Sheet {
        let declared = kind.fields.iter().filter(|field| field.name != "title");
        let declared: Vec<SheetField> = declared.map(manifest::CaseField::sheet_field).collect();
        let state = (!kind.states.is_empty()).then(|| SheetField {
            kind: SheetType::Words(kind.states.clone()),
            ..SheetField::new("state", FieldType::Line, "How far it is")
        });
        let own = |name: &str| declared.iter().any(|field| field.name == name);
        let common = common().into_iter().filter(|field| !own(&field.name));
        let (title, rest): (Vec<_>, Vec<_>) = common.partition(|field| field.name == "title");
        let mut fields = title;
        fields.extend(state);
        fields.extend(declared);
        fields.extend(rest);
        let indexes = kind.indexes();
        for field in &mut fields {
            field.indexed = indexes.contains(&field.name);
        }
        Sheet {
            what: format!("a {}", kind.kind),
            fields,
            state: (!kind.states.is_empty()).then(|| SheetState {
                field: "state".to_owned(),
                states: kind.states.clone(),
                transitions: kind.transitions.clone(),
            }),
        }
    }
}

impl manifest::CaseField {
    fn sheet_field(&self) -> SheetField {
        use manifest::FieldType as Declared;
        let kind = match self.kind {
            Declared::Text => SheetType::Core(FieldType::Text),
            Declared::Integer => SheetType::Core(FieldType::Whole(i64::MIN, i64::MAX)),
            Declared::Flag => SheetType::Core(FieldType::Flag),
            Declared::At => SheetType::Core(FieldType::At),
            Declared::Texts => SheetType::Core(FieldType::Lines),
            Declared::Choice => SheetType::Words(self.choices.clone()),
        };
        SheetField {
            kind,
            ..SheetField::new(&self.name, FieldType::Line, "Declared by the plugin")
        }
    }
}

impl CaseRecord {
    /// What every case has, by name.
    fn common(&self) -> Fields {
        let text = |text: &str| Value::Text(text.to_owned());
        let account = self.account.as_ref().map(|id| text(id.as_str()));
        let contact = self.subject.contact.as_ref().map(|id| text(id.as_str()));
        let thread = self.subject.thread.as_ref().map(|id| text(id.as_str()));
        let state = Some(text(&self.state)).filter(|_| !self.state.is_empty());
        let common = [
            ("title", Some(text(&self.title))),
            ("state", state),
            ("account", account),
            ("contact", contact),
            ("thread", thread),
            ("kind", Some(text(&self.kind))),
            ("plugin", Some(text(self.plugin.as_str()))),
            ("created", Some(Value::At(self.created))),
            ("updated", Some(Value::At(self.updated))),
        ];
        let common = common.into_iter();
        common
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }

    /// All values by the names of [`Sheet::of_case_kind`].
    #[must_use]
    pub fn values(&self) -> Fields {
        let mut all = self.common();
        for (name, value) in &self.fields {
            if !matches!(name.as_str(), "title" | "state") {
                all.insert(name.clone(), value.clone());
            }
        }
        all.retain(|_, value| *value != Value::Null);
        all
    }

    /// Puts a value that [`Sheet::plan`] decided where it belongs; `declared`: the manifest
    /// declares a field of this name.
    pub fn put(&mut self, name: &str, value: &Value, declared: bool) {
        let text = match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        match (name, value) {
            ("title", _) => self.title = cut_text(&text.unwrap_or_default(), TITLE_CHARS_MAX),
            ("state", _) => self.state = text.unwrap_or_default(),
            ("account", _) if !declared => self.account = text.map(Into::into),
            ("contact", _) if !declared => self.subject.contact = text.map(ContactId),
            (_, Value::Null) => {
                self.fields.remove(name);
            }
            _ => {
                self.fields.insert(name.to_owned(), value.clone());
            }
        }
    }

    /// A person said so: no plugin overwrites it.
    pub fn claim(&mut self, field: &str) {
        if !self.by_person.iter().any(|known| known == field) {
            self.by_person.push(field.to_owned());
            self.by_person.sort();
        }
    }

    /// Notes that it came to its state now, and why.
    pub fn note_step(&mut self, now: Timestamp, why: &str) {
        let why = cut_text(why, TITLE_CHARS_MAX);
        self.steps.push((now, self.state.clone(), why));
        if self.steps.len() > CASE_STEPS_MAX {
            self.steps.remove(1); // the first step, how it began, stays
        }
    }

    /// What it is found under: fields, and the words of their values. Where a declared field has
    /// the name of what every case has, a case is found by both.
    #[must_use]
    pub fn found_under(&self) -> Vec<(&str, String)> {
        let common = self.common();
        let mut found = Vec::new();
        for name in &self.indexed {
            for values in [&common, &self.fields] {
                let words = values.get(name).map(index_words).unwrap_or_default();
                found.extend(words.into_iter().map(|word| (name.as_str(), word)));
            }
        }
        found.sort();
        found.dedup();
        found
    }
}

/// The words of a value in an index: texts without case and punctuation, as conditions compare
/// them.
#[must_use]
pub fn index_words(value: &Value) -> Vec<String> {
    let all = match value {
        Value::Null => Vec::new(),
        Value::Flag(flag) => vec![if *flag { "yes" } else { "no" }.to_owned()],
        Value::Integer(number) => vec![number.to_string()],
        Value::At(at) => vec![at.to_string()],
        Value::Text(text) => vec![fold(text)],
        Value::Texts(texts) => texts.iter().map(|text| fold(text)).collect(),
    };
    let bounded = |word: String| match word.len() > INDEX_BYTES_MAX {
        true => derive("liaison case index 1", &[word.as_bytes()]),
        false => word,
    };
    all.into_iter().map(bounded).collect()
}
