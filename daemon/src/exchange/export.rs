//! Records into files, page by page: what imports again is equal.

use std::io::{self, Write};

use calcard::vcard::VCardVersion;
use liaison_core::crm::{CrmRecord, Kind};
use liaison_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::ID_COLUMN;
use super::vcard::{CardOf, card};

/// Most records of one page.
pub const PAGE_RECORDS_MAX: usize = 500;

/// A page of records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The records.
    pub records: Vec<Exported>,
    /// Where the next page begins; `None` behind the last one.
    pub next: Option<String>,
}

/// A record as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Its id.
    pub id: String,
    /// Its fields in the order of their kind, as [`liaison_core::crm::FieldType::write`] has them.
    pub fields: Vec<(String, String)>,
    /// Of people: name and external id of their account.
    #[serde(default)]
    pub account: Option<(String, String)>,
    /// Grows with every change.
    pub revision: u64,
    /// First recorded.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
}

impl Exported {
    /// A record with all its fields, private ones included.
    #[must_use]
    pub fn of(record: &CrmRecord) -> Exported {
        let currency = record.text("currency");
        let fields = record.kind.spec().fields.iter().filter_map(|field| {
            let value = record.get(field.name)?;
            Some((field.name.to_owned(), field.kind.write(value, currency)))
        });
        Exported {
            id: record.id.clone(),
            fields: fields.collect(),
            account: None,
            revision: record.revision,
            created: record.created,
            updated: record.updated,
        }
    }
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// A header, and a line for each record.
    Csv,
    /// A line of JSON for each record.
    Json,
    /// vCards of version 3 (RFC 2426).
    Vcard3,
    /// vCards of version 4 (RFC 6350).
    Vcard4,
}

/// Writes records of one kind.
#[derive(Debug)]
pub struct Exporter<W: Write> {
    to: Out<W>,
    kind: Kind,
    writing: Writing,
    count: u64,
}

#[derive(Debug)]
enum Out<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Plain(W),
}

impl<W: Write> Exporter<W> {
    /// An export of a kind.
    pub fn new(to: W, kind: Kind, writing: Writing) -> Exporter<W> {
        let to = match writing {
            Writing::Csv => Out::Csv(Box::new(csv::Writer::from_writer(to))),
            _ => Out::Plain(to),
        };
        Exporter {
            to,
            kind,
            writing,
            count: 0,
        }
    }

    /// Writes a page; tells where the next one begins.
    ///
    /// # Errors
    /// As the file.
    pub fn page(&mut self, page: Page) -> io::Result<Option<String>> {
        if self.count == 0 {
            self.header()?;
        }
        for record in &page.records {
            self.record(record)?;
            self.count = self.count.saturating_add(1);
        }
        Ok(page.next)
    }

    fn header(&mut self) -> io::Result<()> {
        if let Out::Csv(csv) = &mut self.to {
            let names = self.kind.spec().fields.iter().map(|field| field.name);
            csv.write_record(std::iter::once(ID_COLUMN).chain(names))?;
        }
        Ok(())
    }

    fn record(&mut self, record: &Exported) -> io::Result<()> {
        let to = match &mut self.to {
            Out::Plain(to) => to,
            Out::Csv(csv) => {
                let cells = self.kind.spec().fields.iter().map(|field| {
                    let found = record.fields.iter().find(|(name, _)| name == field.name);
                    found.map_or("", |(_, text)| text.as_str())
                });
                csv.write_record(std::iter::once(record.id.as_str()).chain(cells))?;
                return Ok(());
            }
        };
        let (account, external) = record.account.clone().unwrap_or_default();
        let as_card = CardOf {
            id: &record.id,
            fields: &record.fields,
            account: &account,
            account_external: &external,
        };
        let text = match self.writing {
            Writing::Vcard3 => card(&as_card, VCardVersion::V3_0),
            Writing::Vcard4 => card(&as_card, VCardVersion::V4_0),
            _ => format!("{}\n", line(self.kind, record)),
        };
        to.write_all(text.as_bytes())
    }

    /// Everything is written; tells how many records.
    ///
    /// # Errors
    /// As the file.
    pub fn end(mut self) -> io::Result<u64> {
        if self.count == 0 && self.writing == Writing::Csv {
            self.header()?;
        }
        match &mut self.to {
            Out::Csv(csv) => csv.flush()?,
            Out::Plain(to) => to.flush()?,
        }
        Ok(self.count)
    }
}

fn line(kind: Kind, record: &Exported) -> Value {
    let fields = record.fields.iter();
    let fields: Map<String, Value> = fields
        .map(|(name, text)| (name.clone(), json!(text)))
        .collect();
    json!({
        "kind": kind.word(),
        "id": record.id,
        "fields": fields,
        "revision": record.revision,
        "created": record.created,
        "updated": record.updated,
    })
}
