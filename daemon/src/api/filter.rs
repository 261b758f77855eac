//! Lists by conditions, for records of every kind.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use liaison_core::account::fold;
use liaison_core::crm::sheet::{SheetField, SheetType};
use liaison_core::crm::{FieldType, Sheet};
use liaison_core::proposal::{Fields, Value as FieldValue};
use serde_json::{Value, json};

use super::ApiError;
use crate::records::RecordBook;

/// Most conditions of one list.
const CONDITIONS_MAX: usize = 16;

/// A value as programs and people expect it: instants as RFC 3339.
pub(super) fn plain_value(value: &FieldValue) -> Value {
    match value {
        FieldValue::Null => Value::Null,
        FieldValue::Flag(flag) => json!(flag),
        FieldValue::Integer(number) => json!(number),
        FieldValue::Text(text) => json!(text),
        FieldValue::At(at) => json!(at),
        FieldValue::Texts(texts) => json!(texts),
    }
}

/// A field of a sheet.
pub(super) fn known<'a>(sheet: &'a Sheet, name: &str) -> Result<&'a SheetField, ApiError> {
    sheet.field(name).ok_or_else(|| {
        let problem = sheet.unknown(name);
        ApiError::Arguments(format!("{}: {}", problem.field, problem.reason))
    })
}

/// The fields of a list: those asked for, else the usual ones that there are.
pub(super) fn columns(
    sheet: &Sheet,
    asked: &[String],
    usual: &[&str],
) -> Result<Vec<String>, ApiError> {
    if asked.is_empty() {
        let there = usual.iter().filter(|name| sheet.field(name).is_some());
        return Ok(there.map(|name| (*name).to_owned()).collect());
    }
    let names = asked.iter().map(|name| known(sheet, name));
    names
        .map(|field| field.map(|field| field.name.clone()))
        .collect()
}

/// By which field rows are sorted, if by any.
pub(super) struct Sort(Option<SheetField>);

impl Sort {
    pub(super) fn by(sheet: &Sheet, name: Option<&str>) -> Result<Sort, ApiError> {
        let field = name.map(|name| known(sheet, name)).transpose()?;
        Ok(Sort(field.cloned()))
    }

    /// Sorts numbers as numbers, and what has no value last.
    pub(super) fn key(&self, fields: &Fields) -> (bool, i64, String) {
        let Some(field) = &self.0 else {
            return (false, 0, String::new());
        };
        match value_of(fields, &field.name) {
            None => (true, 0, String::new()),
            Some(FieldValue::Integer(number)) => (false, *number, String::new()),
            Some(FieldValue::At(at)) => (false, at.0, String::new()),
            Some(value) => (false, 0, fold(&field.kind.write(value, None))),
        }
    }
}

fn value_of<'a>(fields: &'a Fields, name: &str) -> Option<&'a FieldValue> {
    fields.get(name).filter(|value| **value != FieldValue::Null)
}

/// `names`: what the records are called that the rows link to.
pub(super) async fn name_links(
    book: &RecordBook,
    sheet: &Sheet,
    rows: &str,
    answer: &mut Value,
) -> Result<(), ApiError> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let links = sheet.fields.iter();
    let links = links.filter_map(|field| Some((&field.name, field.kind.links_to()?)));
    let links: Vec<_> = links.collect();
    let rows = answer.get(rows).and_then(Value::as_array);
    for row in rows.into_iter().flatten() {
        for (field, target) in &links {
            let own = row
                .get("fields")
                .and_then(|fields| fields.get(field.as_str()));
            let ids: Vec<&str> = match own.or_else(|| row.get(field.as_str())) {
                Some(Value::String(id)) => vec![id],
                Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_str).collect(),
                _ => continue,
            };
            for id in ids {
                if !names.contains_key(id)
                    && let Some(record) = book.get(*target, id).await?
                {
                    let record = book.standing(record).await?;
                    names.insert(id.to_owned(), record.name());
                }
            }
        }
    }
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("names".to_owned(), json!(names));
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Is,
    IsNot,
    Has,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// `field=value`, `field!=value`, `field~part`, and `<`, `<=`, `>`, `>=`; an empty value asks for
/// records without one.
pub(super) struct Condition {
    field: SheetField,
    compare: Compare,
    value: FieldValue,
    /// What `~` looks for.
    part: String,
    /// Ids of the records that the one asked for took the place of.
    merged: Vec<String>,
}

pub(super) async fn conditions(
    book: &RecordBook,
    sheet: &Sheet,
    filters: &[String],
) -> Result<Vec<Condition>, ApiError> {
    if filters.len() > CONDITIONS_MAX {
        let said = format!("more than {CONDITIONS_MAX} conditions");
        return Err(ApiError::Arguments(said));
    }
    let mut conditions = Vec::new();
    for filter in filters {
        conditions.push(condition(book, sheet, filter).await?);
    }
    Ok(conditions)
}

/// Field, comparison and value of a condition.
fn parts(filter: &str) -> Result<(&str, Compare, &str), ApiError> {
    // The longer signs first.
    let signs = [
        ("!=", Compare::IsNot),
        ("<=", Compare::AtMost),
        (">=", Compare::AtLeast),
        ("=", Compare::Is),
        ("<", Compare::Less),
        (">", Compare::More),
        ("~", Compare::Has),
    ];
    let first = filter.find(['!', '<', '>', '=', '~']);
    let split = first.and_then(|at| filter.split_at_checked(at));
    let found = split.and_then(|(name, rest)| {
        let of = |(sign, compare): &(&str, Compare)| Some((rest.strip_prefix(sign)?, *compare));
        signs
            .iter()
            .find_map(of)
            .map(|(text, compare)| (name.trim(), compare, text))
    });
    found.ok_or_else(|| {
        ApiError::Arguments(format!(
            "`{filter}` is no condition: write FIELD=VALUE, FIELD!=VALUE, FIELD~PART, or with \
             <, <=, > or >=; FIELD= asks for those without one"
        ))
    })
}

async fn condition(book: &RecordBook, sheet: &Sheet, filter: &str) -> Result<Condition, ApiError> {
    let (name, compare, text) = parts(filter)?;
    let field = known(sheet, name)?;
    let mut value = match compare {
        Compare::Has => FieldValue::Null,
        _ => field
            .kind
            .parse(text, None)
            .map_err(|reason| ApiError::Arguments(format!("{name} `{text}`: {reason}")))?,
    };
    let mut merged = Vec::new();
    if let Some(target) = field.kind.links_to()
        && value != FieldValue::Null
    {
        let text = field.kind.write(&value, None);
        let id = book.find(target, &text).await?.id;
        merged = book.all_names_of(&id).await?;
        value = FieldValue::Text(id);
    }
    Ok(Condition {
        field: field.clone(),
        compare,
        value,
        part: text.trim().to_lowercase(),
        merged,
    })
}

impl Condition {
    /// The link, or person of ours, by whose index all records are found for which this holds.
    pub(super) fn linked(&self) -> Option<(&str, &str)> {
        let linked = matches!(
            self.field.kind,
            SheetType::Core(FieldType::Link(_) | FieldType::Links(_) | FieldType::Person)
        );
        match &self.value {
            FieldValue::Text(text) if linked && self.compare == Compare::Is => {
                Some((&self.field.name, text))
            }
            _ => None,
        }
    }

    /// The field and the values of which a record has one, where this asks for that.
    pub(super) fn equals(&self) -> Option<(&str, Vec<FieldValue>)> {
        if self.compare != Compare::Is || self.value == FieldValue::Null {
            return None;
        }
        // Records without a yes or no count as no.
        if self.value == FieldValue::Flag(false) {
            return None;
        }
        let values = match self.merged.is_empty() {
            true => vec![self.value.clone()],
            false => self.merged.iter().cloned().map(FieldValue::Text).collect(),
        };
        Some((&self.field.name, values))
    }

    pub(super) fn is_on(&self, field: &str) -> bool {
        self.field.name == field
    }

    /// Whether records are found by its field without looking at the others.
    pub(super) fn is_indexed(&self) -> bool {
        self.field.indexed
    }

    pub(super) fn holds(&self, fields: &Fields) -> bool {
        let own = value_of(fields, &self.field.name);
        if self.compare == Compare::Has {
            let currency = match fields.get("currency") {
                Some(FieldValue::Text(code)) => Some(code.as_str()),
                _ => None,
            };
            let text = own.map(|own| self.field.kind.write(own, currency));
            return text.is_some_and(|text| text.to_lowercase().contains(&self.part));
        }
        if self.value == FieldValue::Null {
            return own.is_none() == (self.compare == Compare::Is);
        }
        let equal = self.is_equal(own);
        let order = own.and_then(|own| ordered(own, &self.value));
        match self.compare {
            Compare::Is | Compare::Has => equal,
            Compare::IsNot => !equal,
            Compare::Less => order == Some(Ordering::Less),
            Compare::AtMost => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Compare::More => order == Some(Ordering::Greater),
            Compare::AtLeast => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }

    fn is_equal(&self, own: Option<&FieldValue>) -> bool {
        let is_linked = |id: &String| self.merged.contains(id);
        match (own, &self.value) {
            // Whoever was merged into the record asked for counts as it.
            (Some(FieldValue::Text(own)), _) if !self.merged.is_empty() => is_linked(own),
            (Some(FieldValue::Texts(own)), _) if !self.merged.is_empty() => {
                own.iter().any(is_linked)
            }
            (Some(FieldValue::Texts(own)), FieldValue::Texts(asked)) => {
                asked.iter().all(|one| own.contains(one))
            }
            (Some(FieldValue::Texts(own)), FieldValue::Text(asked)) => own.contains(asked),
            (Some(FieldValue::Text(own)), FieldValue::Text(asked)) => fold(own) == fold(asked),
            // What nobody said yes to is a no.
            (None, FieldValue::Flag(asked)) => !asked,
            (own, asked) => own == Some(asked),
        }
    }
}

fn ordered(own: &FieldValue, asked: &FieldValue) -> Option<Ordering> {
    match (own, asked) {
        (FieldValue::Integer(own), FieldValue::Integer(asked)) => Some(own.cmp(asked)),
        (FieldValue::Text(own), FieldValue::Text(asked)) => Some(own.cmp(asked)),
        (FieldValue::At(own), FieldValue::At(asked)) => Some(own.cmp(asked)),
        _ => None,
    }
}
