//! Fields of records as commands list, filter and change them, whoever declared the fields: the
//! core kinds, a plugin's manifest, or the tasks.

use super::change::{Edit, FieldChange, Problem};
use super::fields::{FieldSpec, FieldType};
use super::kinds::Kind;
use crate::account::fold;
use crate::manifest::nearest;
use crate::message::cut_text;
use crate::proposal::{Fields, Value};

/// Longest value that an error repeats, in characters.
const SHOWN_CHARS: usize = 80;

/// What a field of a [`Sheet`] may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SheetType {
    /// As a field of a core record.
    Core(FieldType),
    /// One of these words, which a manifest declares.
    Words(Vec<String>),
}

impl SheetType {
    /// What is allowed, for people.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self {
            SheetType::Core(kind) => kind.allowed(),
            SheetType::Words(words) => format!("one of {}", words.join(", ")),
        }
    }

    /// Reads what a person wrote; an empty text is [`Value::Null`], and links come back as written.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what is allowed.
    pub fn parse(&self, text: &str, currency: Option<&str>) -> Result<Value, String> {
        let words = match self {
            SheetType::Core(kind) => return kind.parse(text, currency),
            SheetType::Words(words) => words,
        };
        let text = text.trim();
        if text.is_empty() {
            return Ok(Value::Null);
        }
        let folded = fold(text);
        let exact = words.iter().find(|word| *word == text);
        match exact.or_else(|| words.iter().find(|word| fold(word) == folded)) {
            Some(word) => Ok(Value::Text(word.clone())),
            None => {
                let near = nearest(text, words.iter().map(String::as_str));
                let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
                Err(format!("it is one of {}{hint}", words.join(", ")))
            }
        }
    }

    /// A value as [`Self::parse`] reads it again.
    #[must_use]
    pub fn write(&self, value: &Value, currency: Option<&str>) -> String {
        match self {
            SheetType::Core(kind) => kind.write(value, currency),
            SheetType::Words(_) => FieldType::Line.write(value, currency),
        }
    }

    /// The kind of the core records that it links to.
    #[must_use]
    pub fn links_to(&self) -> Option<Kind> {
        match self {
            SheetType::Core(FieldType::Link(kind) | FieldType::Links(kind)) => Some(*kind),
            _ => None,
        }
    }
}

/// One field of a [`Sheet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetField {
    /// Its name, in commands and columns.
    pub name: String,
    /// What it may hold.
    pub kind: SheetType,
    /// A record must have it.
    pub required: bool,
    /// It says what the daemon knows: no command sets it.
    pub fixed: bool,
    /// Records are found by its value without looking at the others.
    pub indexed: bool,
    /// What it says.
    pub doc: String,
}

impl SheetField {
    /// A field that commands set.
    #[must_use]
    pub fn new(name: &str, kind: FieldType, doc: &str) -> SheetField {
        SheetField {
            name: name.to_owned(),
            kind: SheetType::Core(kind),
            required: false,
            fixed: false,
            indexed: false,
            doc: doc.to_owned(),
        }
    }

    /// One that no command sets.
    #[must_use]
    pub fn fixed(name: &str, kind: FieldType, doc: &str) -> SheetField {
        SheetField {
            fixed: true,
            ..SheetField::new(name, kind, doc)
        }
    }

    /// One that a record must have.
    #[must_use]
    pub fn required(name: &str, kind: FieldType, doc: &str) -> SheetField {
        SheetField {
            required: true,
            ..SheetField::new(name, kind, doc)
        }
    }

    fn of_core(field: &FieldSpec) -> SheetField {
        SheetField {
            required: field.required,
            ..SheetField::new(field.name, field.kind, field.doc)
        }
    }
}

/// The field that says how far a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetState {
    /// Its name.
    pub field: String,
    /// All states; a new record begins in the first.
    pub states: Vec<String>,
    /// Which may follow which; empty means any.
    pub transitions: Vec<(String, String)>,
}

impl SheetState {
    /// The states that may follow one.
    #[must_use]
    pub fn after(&self, from: &str) -> Vec<&str> {
        let all = self.states.iter().map(String::as_str);
        if self.transitions.is_empty() {
            return all.filter(|state| *state != from).collect();
        }
        let steps = self.transitions.iter().filter(|(of, _)| of == from);
        steps.map(|(_, to)| to.as_str()).collect()
    }

    fn allows(&self, from: &str, to: &str) -> bool {
        // What no manifest declares any more may become anything that it does.
        let known = self.states.iter().any(|state| state == from);
        from == to || !known || self.after(from).contains(&to)
    }
}

/// The fields of one kind of record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// What one of them is called, with its article.
    pub what: String,
    /// The fields, in the order in which they are shown.
    pub fields: Vec<SheetField>,
    /// The state, where there is one.
    pub state: Option<SheetState>,
}

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetChange {
    /// All values after it.
    pub fields: Fields,
    /// What changes.
    pub changed: Vec<FieldChange>,
}

impl Sheet {
    /// The fields of a core kind. Changes of core records are decided by [`super::plan`].
    #[must_use]
    pub fn of_core(kind: Kind) -> Sheet {
        Sheet {
            what: kind.with_article(),
            fields: kind.spec().fields.iter().map(SheetField::of_core).collect(),
            state: None,
        }
    }

    /// A field by its name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&SheetField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The field that is not there, with the name that may be meant.
    #[must_use]
    pub fn unknown(&self, name: &str) -> Problem {
        let names = || self.fields.iter().map(|field| field.name.as_str());
        let hint = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
        };
        Problem {
            field: name.to_owned(),
            value: String::new(),
            reason: format!("{} has no such field: {hint}", self.what),
        }
    }

    /// Reads the values that a person wrote; links come back as written.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn edits(&self, values: &[(String, String)]) -> Result<Vec<Edit>, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut edits: Vec<Edit> = Vec::new();
        for (name, text) in values {
            let problem = |reason: String| Problem {
                field: name.clone(),
                value: cut_text(text, SHOWN_CHARS),
                reason,
            };
            let Some(field) = self.field(name) else {
                problems.push(self.unknown(name));
                continue;
            };
            if field.fixed {
                problems.push(problem("no command sets this field".to_owned()));
            } else if edits.iter().any(|edit| edit.field == *name) {
                problems.push(problem("it is given twice".to_owned()));
            } else {
                match field.kind.parse(text, None) {
                    Ok(value) => edits.push(Edit {
                        field: name.clone(),
                        value,
                    }),
                    Err(reason) => problems.push(problem(reason)),
                }
            }
        }
        match problems.is_empty() {
            true => Ok(edits),
            false => Err(problems),
        }
    }

    /// Decides what a person's values make of a record (`None`: of a new one). Their links are
    /// ids already; `force` allows a state that does not follow the present one.
    ///
    /// # Errors
    /// Everything that is wrong with them; nothing is taken then.
    pub fn plan(
        &self,
        before: Option<&Fields>,
        edits: &[Edit],
        force: bool,
    ) -> Result<SheetChange, Vec<Problem>> {
        let mut fields = before.cloned().unwrap_or_default();
        let mut changed = Vec::new();
        let mut problems = Vec::new();
        let begins = self.begins(before.is_none(), edits);
        for edit in edits.iter().chain(&begins) {
            let old = fields.get(&edit.field).cloned().unwrap_or(Value::Null);
            if old == edit.value {
                continue;
            }
            if let Some(problem) = self.problem(&old, edit, force) {
                problems.push(problem);
                continue;
            }
            match &edit.value {
                Value::Null => fields.remove(&edit.field),
                value => fields.insert(edit.field.clone(), value.clone()),
            };
            changed.push(FieldChange {
                field: edit.field.clone(),
                old,
                new: edit.value.clone(),
            });
        }
        if before.is_none() {
            let missing = self.fields.iter().filter(|field| field.required);
            let missing = missing.filter(|field| !fields.contains_key(&field.name));
            problems.extend(missing.map(|field| self.missing(field)));
        }
        match problems.is_empty() {
            true => Ok(SheetChange { fields, changed }),
            false => Err(problems),
        }
    }

    /// A new record begins in the first state.
    fn begins(&self, is_new: bool, edits: &[Edit]) -> Option<Edit> {
        let state = self.state.as_ref().filter(|_| is_new)?;
        let said = edits
            .iter()
            .any(|edit| edit.field == state.field && edit.value != Value::Null);
        let first = state.states.first().filter(|_| !said)?;
        Some(Edit {
            field: state.field.clone(),
            value: Value::Text(first.clone()),
        })
    }

    fn missing(&self, field: &SheetField) -> Problem {
        Problem {
            field: field.name.clone(),
            value: String::new(),
            reason: format!(
                "{} needs it: give {}={}",
                self.what,
                field.name,
                field.kind.allowed()
            ),
        }
    }

    fn problem(&self, old: &Value, edit: &Edit, force: bool) -> Option<Problem> {
        let Some(field) = self.field(&edit.field) else {
            return Some(self.unknown(&edit.field));
        };
        let problem = |reason: String| {
            Some(Problem {
                field: edit.field.clone(),
                value: cut_text(&field.kind.write(&edit.value, None), SHOWN_CHARS),
                reason,
            })
        };
        let state = self.state.as_ref();
        let state = state.filter(|state| state.field == edit.field);
        if edit.value == Value::Null && (field.required || state.is_some()) {
            return problem(format!("{} needs it", self.what));
        }
        if let (Some(state), Value::Text(from), Value::Text(to)) = (state, old, &edit.value)
            && !force
            && !state.allows(from, to)
        {
            let after = match state.after(from) {
                none if none.is_empty() => "nothing else".to_owned(),
                after => after.join(", "),
            };
            return problem(format!(
                "from `{from}` it can become {after}; with --force it becomes this all the same"
            ));
        }
        None
    }
}
