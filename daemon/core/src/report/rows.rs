//! Lines of a report: bounded, ordered, and with the names of the records they tell of.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;

use super::sums::amount;
use super::{Cell, Column, ColumnKind, Section};
use crate::crm::{CrmRecord, Kind};

/// Most lines of a section: some MiB with twelve cells each; the rest is counted, and
/// `--account` or `--person` shows it.
pub const ROWS_MAX: usize = 5_000;

/// A column: its title, and what its cells are.
pub(super) type Titled = (&'static str, ColumnKind);

/// A cell that may still wait for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Draft {
    /// Ready.
    Is(Cell),
    /// The name of the record with this id.
    Name(Kind, String),
    /// The names of these records.
    Names(Kind, Vec<String>),
    /// A field of the record with this id.
    Field(Kind, String, &'static str),
}

/// Where a line stands: smaller keys first, then by what it says.
pub(super) type Place = (i64, i128);

/// What the records are that lines tell of: kept as far as lines need them.
pub(super) type Known = HashMap<String, CrmRecord>;

/// Keeps a record that was brought because lines name it.
pub(super) fn know(known: &mut Known, record: &CrmRecord) {
    known.insert(record.id.clone(), record.clone());
}

/// Lines that are being collected: at most [`ROWS_MAX`], however many are offered.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: BTreeMap<(Place, u64), Vec<Draft>>,
    count: u64,
}

impl Rows {
    /// Offers a line.
    pub(super) fn add(&mut self, place: Place, row: Vec<Draft>) {
        self.count = self.count.saturating_add(1);
        self.rows.insert((place, self.count), row);
        if self.rows.len() > ROWS_MAX {
            self.rows.pop_last();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The records whose names the lines need.
    pub(super) fn named(&self) -> BTreeSet<(Kind, String)> {
        let mut named = BTreeSet::new();
        for draft in self.rows.values().flatten() {
            match draft {
                Draft::Is(_) => {}
                Draft::Name(kind, id) | Draft::Field(kind, id, _) => {
                    named.insert((*kind, id.clone()));
                }
                Draft::Names(kind, ids) => {
                    named.extend(ids.iter().map(|id| (*kind, id.clone())));
                }
            }
        }
        named
    }

    /// The section with these lines; those in the same place are ordered by what they say.
    pub(super) fn section(
        self,
        title: &str,
        columns: &[(&str, ColumnKind)],
        known: &Known,
    ) -> Section {
        let count = self.count;
        let mut rows: Vec<(Place, Vec<Cell>)> = self
            .rows
            .into_iter()
            .map(|((place, _), row)| {
                let cells = row.into_iter().map(|draft| resolved(draft, known));
                (place, cells.collect())
            })
            .collect();
        rows.sort_by_cached_key(|(place, row)| {
            let said: Vec<String> = row.iter().map(said).collect();
            (*place, said)
        });
        Section {
            title: title.to_owned(),
            columns: columns
                .iter()
                .map(|(name, kind)| Column {
                    name: (*name).to_owned(),
                    kind: *kind,
                })
                .collect(),
            rows: rows.into_iter().map(|(_, row)| row).collect(),
            count,
        }
    }
}

/// What orders lines in the same place.
fn said(cell: &Cell) -> String {
    match cell {
        Cell::Blank => String::new(),
        Cell::Number(number) => number.to_string(),
        Cell::Amount(amount) => amount.minor.to_string(),
        Cell::Text(text) => text.to_lowercase(),
    }
}

fn resolved(draft: Draft, known: &Known) -> Cell {
    let name = |id: String| known.get(&id).map_or(id, CrmRecord::name);
    match draft {
        Draft::Is(cell) => cell,
        Draft::Name(_, id) => Cell::Text(name(id)),
        Draft::Names(_, ids) if ids.is_empty() => Cell::Blank,
        Draft::Names(_, ids) => {
            let names: Vec<String> = ids.into_iter().map(name).collect();
            Cell::Text(names.join(", "))
        }
        Draft::Field(_, id, field) => match known.get(&id) {
            Some(record) => of_field(record, field),
            None => Cell::Blank,
        },
    }
}

/// The value of a field as a cell.
pub(super) fn of_field(record: &CrmRecord, field: &str) -> Cell {
    use crate::crm::FieldType;
    let Some(kind) = record.kind.spec().field(field).map(|field| field.kind) else {
        return Cell::Blank;
    };
    let Some(value) = record.get(field) else {
        return Cell::Blank;
    };
    match (kind, value) {
        (FieldType::Money, crate::proposal::Value::Integer(minor)) => {
            amount(i128::from(*minor), record.text("currency"))
        }
        (_, crate::proposal::Value::Integer(number)) => Cell::Number(*number),
        (_, crate::proposal::Value::Texts(texts)) => Cell::Text(texts.join(", ")),
        (kind, value) => Cell::Text(kind.write(value, None)),
    }
}

/// A field of this record.
pub(super) fn field(record: &CrmRecord, name: &str) -> Draft {
    Draft::Is(of_field(record, name))
}

/// The name of a linked record; blank where there is none.
pub(super) fn link(record: &CrmRecord, kind: Kind, name: &str) -> Draft {
    match record.text(name) {
        Some(id) => Draft::Name(kind, id.to_owned()),
        None => Draft::Is(Cell::Blank),
    }
}

/// The names of linked records.
pub(super) fn links(record: &CrmRecord, kind: Kind, name: &str) -> Draft {
    Draft::Names(kind, record.texts(name).to_vec())
}

/// Words; blank where there are none.
pub(super) fn text(text: impl Into<String>) -> Draft {
    Draft::Is(words(text))
}

/// Words as a cell; blank where there are none.
pub(super) fn words(text: impl Into<String>) -> Cell {
    match text.into() {
        text if text.is_empty() => Cell::Blank,
        text => Cell::Text(text),
    }
}

/// A number.
pub(super) fn number(number: impl Into<i64>) -> Draft {
    Draft::Is(Cell::Number(number.into()))
}

/// A count.
pub(super) fn counted(count: u64) -> Cell {
    Cell::Number(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A day; blank where there is none.
pub(super) fn day(day: Option<Date>) -> Draft {
    Draft::Is(day.map_or(Cell::Blank, |day| Cell::Text(day.to_string())))
}

/// A number of something, in words: `1 account`, `3 accounts`.
pub(super) fn some(count: u64, one: &str, several: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {several}"),
    }
}
