//! A mapping bound to the header of one file: cells become fields.

use std::collections::BTreeMap;

use liaison_core::account::fold;
use liaison_core::crm::Kind;
use liaison_core::crm::fields::FieldType;
use liaison_core::mail::address::Address;
use liaison_core::message::cut_text;

use super::mapping::{Mapping, MappingError, Rule, Take, folded};
use super::{ID_COLUMN, ImportError, Part, Rejected, Row, dates};

/// The columns of a file, and which fields they give.
#[derive(Debug)]
pub(super) struct Columns {
    kind: Kind,
    header: Vec<String>,
    rules: Vec<(Rule, Vec<usize>)>,
    /// Columns that nobody asked for.
    pub left_out: Vec<String>,
    /// Cells that were not taken, by column: how many, and the first.
    pub passed_over: BTreeMap<String, (u64, String)>,
}

impl Columns {
    /// Binds the mapping; without one the header names the fields.
    ///
    /// # Errors
    /// What the header lacks, or holds too much.
    pub(super) fn bind(
        kind: Kind,
        mapping: Option<&Mapping>,
        header: Vec<String>,
    ) -> Result<Columns, ImportError> {
        let direct;
        let mapping = match mapping {
            Some(mapping) => mapping,
            None => {
                direct = Mapping::of_header(kind, &header).map_err(ImportError::Mapping)?;
                &direct
            }
        };
        let names: Vec<String> = header.iter().map(|column| folded(column)).collect();
        let place = |column: &String| names.iter().position(|name| name == column);
        let mut rules = Vec::new();
        for rule in &mapping.rules {
            let columns: Vec<usize> = rule.columns.iter().filter_map(place).collect();
            let fixed = rule.constant.is_some() || rule.default.is_some();
            if !columns.is_empty() || fixed || rule.otherwise.is_some() {
                rules.push((rule.clone(), columns));
            }
        }
        let asked = |index: usize, name: &String| {
            let used = rules.iter().any(|(_, columns)| columns.contains(&index));
            used || name.is_empty() || mapping.ignore.contains(name)
        };
        let left_out = names.iter().enumerate();
        let left_out = left_out
            .filter(|(index, name)| !asked(*index, name))
            .filter_map(|(index, _)| header.get(index).cloned())
            .collect();
        let columns = Columns {
            kind,
            header,
            rules,
            left_out,
            passed_over: BTreeMap::new(),
        };
        columns.check(mapping)?;
        Ok(columns)
    }

    fn check(&self, mapping: &Mapping) -> Result<(), ImportError> {
        if self.rules.iter().all(|(_, columns)| columns.is_empty()) {
            let known: Vec<&str> = mapping
                .rules
                .iter()
                .flat_map(|rule| rule.columns.iter().map(String::as_str))
                .take(12)
                .collect();
            return Err(ImportError::Mapping(MappingError {
                place: "line 1".to_owned(),
                reason: format!(
                    "no column of this file is in the mapping, which knows {} and the like",
                    known.join(", ")
                ),
            }));
        }
        let given = |name: &str| {
            let of_file = |rule: &Rule| rule.kind == self.kind && rule.name(self.kind) == name;
            self.rules.iter().any(|(rule, _)| of_file(rule))
        };
        if given("external_id") || given(ID_COLUMN) {
            return Ok(());
        }
        let account = self
            .rules
            .iter()
            .any(|(rule, _)| rule.kind == Kind::Account);
        for field in self.kind.spec().fields.iter().filter(|f| f.required) {
            let comes = account && field.name == "account";
            if !given(field.name) && !comes {
                return Err(ImportError::NoColumn(match mapping.direct {
                    true => field.name.to_owned(),
                    false => self.asked_for(mapping, field.name),
                }));
            }
        }
        Ok(())
    }

    /// The names of columns that would give a field, as they are known.
    fn asked_for(&self, mapping: &Mapping, field: &str) -> String {
        let rule = mapping
            .rules
            .iter()
            .find(|rule| rule.name(self.kind) == field);
        match rule {
            Some(rule) => format!("{field} (from {})", rule.columns.join(" or ")),
            None => field.to_owned(),
        }
    }

    /// The column that a field of a row came from.
    pub(super) fn column_of(&self, kind: Kind, field: &str) -> Option<String> {
        let of = |rule: &Rule| rule.kind == kind && rule.field.is_some_and(|f| f.name == field);
        let (rule, columns) = self.rules.iter().find(|(rule, _)| of(rule))?;
        match columns.first() {
            Some(index) => self.header.get(*index).cloned(),
            None => Some(rule.name(self.kind)),
        }
    }

    /// The column at a place.
    pub(super) fn name(&self, index: usize) -> Option<&str> {
        self.header.get(index).map(String::as_str)
    }

    /// A row as parts of records.
    ///
    /// # Errors
    /// The first cell that cannot be read.
    pub(super) fn row(&mut self, line: u64, cells: &[String]) -> Result<Row, Rejected> {
        if cells.len() > self.header.len() {
            let reason = format!(
                "the line has {} fields, the header {}: put quotes around fields that hold \
                 separators",
                cells.len(),
                self.header.len()
            );
            return Err(Rejected::line(line, reason));
        }
        let mut texts: Vec<Option<String>> = Vec::with_capacity(self.rules.len());
        let (header, passed_over) = (&self.header, &mut self.passed_over);
        for (rule, columns) in &self.rules {
            let value = one(rule, columns, cells, &mut |index, cell| {
                let name = header.get(index).cloned().unwrap_or_default();
                let noted = passed_over.entry(name);
                let noted = noted.or_insert_with(|| (0, cut_text(cell, 60)));
                noted.0 = noted.0.saturating_add(1);
            });
            texts.push(value.map_err(|(index, reason)| {
                let cell = cells.get(index).map_or("", String::as_str);
                let name = header.get(index).map(String::as_str);
                Rejected::cell(line, name, cell, reason)
            })?);
        }
        // Twice: what stands in may itself be stood in for.
        self.fall_back(&mut texts);
        self.fall_back(&mut texts);
        let parts = self.parts(texts);
        match parts.iter().find(|part| part.kind == Kind::Contact) {
            Some(person) if self.kind == Kind::Account => self.has_address(line, person)?,
            _ => {}
        }
        Ok(Row { line, parts })
    }

    /// A file of accounts tells of people by their addresses.
    fn has_address(&self, line: u64, person: &Part) -> Result<(), Rejected> {
        let gives = |name: &str| person.fields.iter().any(|(field, _)| field == name);
        if gives("emails") || gives("external_id") || person.id.is_some() {
            return Ok(());
        }
        let said = person.fields.first().map_or("", |(_, text)| text.as_str());
        let column = self.column_of(Kind::Contact, "emails");
        let reason = format!("`{said}` needs an address");
        Err(Rejected::cell(line, column.as_deref(), "", reason))
    }

    /// Fills what is empty from the field that is to be taken instead.
    fn fall_back(&self, texts: &mut [Option<String>]) {
        for (index, (rule, _)) in self.rules.iter().enumerate() {
            let empty = texts.get(index).is_none_or(Option::is_none);
            let Some(other) = rule.otherwise.as_ref().filter(|_| empty) else {
                continue;
            };
            let from = self
                .rules
                .iter()
                .position(|(rule, _)| rule.name(self.kind) == *other);
            let text = from.and_then(|from| texts.get(from).cloned()).flatten();
            // Of several values the first one names.
            let text = text.and_then(|text| text.split(';').next().map(str::to_owned));
            if let Some(place) = texts.get_mut(index) {
                *place = text;
            }
        }
    }

    fn parts(&self, texts: Vec<Option<String>>) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::with_capacity(2);
        for ((rule, _), text) in self.rules.iter().zip(texts) {
            let Some(text) = text else { continue };
            let part = match parts.iter_mut().position(|part| part.kind == rule.kind) {
                Some(at) => parts.get_mut(at),
                None => {
                    parts.push(Part::new(rule.kind));
                    parts.last_mut()
                }
            };
            let Some(part) = part else { continue };
            match rule.field {
                Some(field) => part.fields.push((field.name.to_owned(), text)),
                None => part.id = Some(text),
            }
        }
        // An empty line is one of the file's kind, and is told what it lacks.
        if !parts.iter().any(|part| part.kind == self.kind) {
            let at = usize::from(self.kind != Kind::Account).min(parts.len());
            parts.insert(at, Part::new(self.kind));
        }
        parts
    }
}

/// The text of one field; `None` when the row says nothing of it. Tells the cells that it does not
/// take.
fn one(
    rule: &Rule,
    columns: &[usize],
    cells: &[String],
    passed_over: &mut impl FnMut(usize, &str),
) -> Result<Option<String>, (usize, String)> {
    if let Some(constant) = &rule.constant {
        return Ok(Some(constant.clone()));
    }
    let mut texts: Vec<String> = Vec::new();
    for index in columns {
        let cell = cells.get(*index).map_or("", |cell| cell.trim());
        if cell.is_empty() {
            continue;
        }
        match translated(rule, cell) {
            Some(text) if text.is_empty() => {}
            Some(text) => {
                let text = typed(rule, text).map_err(|reason| (*index, reason))?;
                if !texts.contains(&text) {
                    texts.push(text);
                }
                if holds_one(rule) {
                    break;
                }
            }
            None => passed_over(*index, cell),
        }
    }
    match texts.is_empty() {
        true => Ok(rule.default.clone()),
        false => Ok(Some(texts.join(&rule.join))),
    }
}

/// Of several columns the first that says something is taken: two days are no day.
fn holds_one(rule: &Rule) -> bool {
    use FieldType::{At, Day, Money, MonthDay, Whole};
    let kind = rule.field.map(|field| field.kind);
    matches!(kind, Some(Day | MonthDay | At | Money | Whole(..)))
}

/// The cell in our words; `None` where it is not taken.
fn translated(rule: &Rule, cell: &str) -> Option<String> {
    if !rule.values.is_empty()
        && let Some(value) = rule.values.get(&fold(cell))
    {
        return Some(value.clone());
    }
    match rule.take {
        Take::All => Some(cell.to_owned()),
        Take::Listed => None,
        Take::Addresses => Address::parse(cell).ok().map(|address| address.key()),
    }
}

/// What only a mapping knows: dates, and ids of another system.
fn typed(rule: &Rule, text: String) -> Result<String, String> {
    let kind = rule.field.map(|field| field.kind);
    let text = match kind {
        Some(FieldType::Day) => dates::day(&text, &rule.dates, &rule.zone)?,
        Some(FieldType::MonthDay) => match dates::day(&text, &rule.dates, &rule.zone) {
            Ok(day) => day.get(5..).unwrap_or_default().to_owned(),
            Err(_) => text,
        },
        Some(FieldType::At) => dates::at(&text, &rule.dates, &rule.zone)?,
        Some(FieldType::Domains) if text.contains(['/', '@']) && !text.starts_with('@') => {
            return Err("write the domain alone, like example.com".to_owned());
        }
        Some(FieldType::Domains) => text.replace([',', ' '], ";"),
        Some(FieldType::Emails) => text.replace(',', ";"),
        _ => text,
    };
    match rule.prefix.is_empty() || text.starts_with(&rule.prefix) {
        true => Ok(text),
        false => Ok(format!("{}{text}", rule.prefix)),
    }
}
