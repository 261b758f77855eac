//! A file, read in portions by whoever has it: what is sent, what is rejected here already, and
//! what became of it all.

use std::collections::VecDeque;
use std::io::{Read, Seek};

use liaison_core::crm::Kind;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::columns::Columns;
use super::csv_rows::{CsvRows, Encoding, FileRow, Look, look};
use super::mapping::Mapping;
use super::seen::{Seen, Standing};
use super::taking::{Outcome, Refusal, Taken};
use super::vcard::Cards;
use super::{ImportError, LISTED_MAX, Note, PORTION_BYTES_MAX, PORTION_ROWS_MAX, Rejected, Row};

/// Most rows that wait for records of later rows; others are rejected at once, and come in with the
/// next import of the same file.
const WAITING_ROWS_MAX: usize = 20_000;

/// How many records became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// New ones.
    pub created: u64,
    /// Changed ones.
    pub updated: u64,
    /// Those that were so already.
    pub unchanged: u64,
    /// Those of which only what a person set would change: it waits for their yes.
    pub proposed: u64,
}

impl Counts {
    fn changes(&self) -> u64 {
        self.created.saturating_add(self.updated)
    }

    fn add(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Created => &mut self.created,
            Outcome::Updated => &mut self.updated,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Proposed => &mut self.proposed,
            Outcome::Rejected => return,
        };
        *counter = counter.saturating_add(1);
    }
}

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Nothing was written.
    pub dry_run: bool,
    /// The first line of a dry run that does not see all lines before it.
    #[serde(skip)]
    pub sees_less_from: Option<u64>,
    /// Rows of the file.
    pub rows: u64,
    /// The last line that is done: what comes behind it was not looked at.
    pub done_line: u64,
    /// Accounts.
    pub accounts: Counts,
    /// Records of the other kind of the file, if it has one: contacts in a file of accounts.
    pub others: Counts,
    /// Which that is.
    pub other_kind: Option<Kind>,
    /// Rows that say what an earlier one said.
    pub repeated: u64,
    /// Values that wait for a person's yes, because a person set what is there.
    pub proposals: u64,
    /// Lines that were not taken, in the order in which they were; at most [`LISTED_MAX`].
    pub rejected: Vec<Rejected>,
    /// How many there are.
    pub rejected_count: u64,
    /// What was taken and may surprise; at most [`LISTED_MAX`].
    pub notes: Vec<Note>,
    /// How many there are.
    pub notes_count: u64,
}

impl ImportReport {
    fn note(&mut self, line: Option<u64>, text: String) {
        self.notes_count = self.notes_count.saturating_add(1);
        if self.notes.len() < LISTED_MAX {
            self.notes.push(Note { line, text });
        }
    }
}

impl ImportReport {
    /// The answer to whoever asked for the import of a file of `kind`.
    #[must_use]
    pub fn answer(&self, kind: Kind) -> Value {
        let other = self.other_kind.filter(|other| *other != Kind::Account);
        let main = match kind {
            Kind::Account => &self.accounts,
            _ => &self.others,
        };
        let mut kinds = Map::new();
        if kind == Kind::Account || self.accounts != Counts::default() {
            kinds.insert(Kind::Account.plural().to_owned(), json!(self.accounts));
        }
        if let Some(other) = other {
            kinds.insert(other.plural().to_owned(), json!(self.others));
        }
        let changes = [&self.accounts, &self.others].map(Counts::changes);
        let changes = changes
            .iter()
            .fold(0_u64, |sum, one| sum.saturating_add(*one));
        let (changed, undo) = match (self.dry_run, changes) {
            (true, _) => ("nothing (dry run)".to_owned(), "nothing to undo"),
            (false, 0) => ("nothing".to_owned(), "nothing to undo"),
            (false, _) => (
                format!("{changes} records"),
                "correct the file and import it again; records once made stay",
            ),
        };
        let mut answer = json!({
            "kind": kind,
            "dry_run": self.dry_run,
            "created": main.created,
            "updated": main.updated,
            "unchanged": main.unchanged,
            "proposed": main.proposed,
            "contacts": self.others,
            "kinds": kinds,
            "rows": self.rows,
            "repeated": self.repeated,
            "proposals": self.proposals,
            "rejected": self.rejected,
            "rejected_count": self.rejected_count,
            "notes": self.notes,
            "notes_count": self.notes_count,
            "changed": changed,
            "undo": undo,
        });
        if other.is_some_and(|other| other != Kind::Contact)
            && let Some(answer) = answer.as_object_mut()
        {
            answer.remove("contacts");
        }
        answer
    }
}

/// Gets each rejected line with its text.
pub type Rejects<'a> = &'a mut dyn FnMut(&Rejected, &str);

#[derive(Debug)]
enum Source<R> {
    Csv {
        rows: Box<CsvRows<R>>,
        columns: Box<Columns>,
    },
    Cards(Cards<R>),
}

/// A file that is being imported.
#[derive(Debug)]
pub struct Reading<R> {
    source: Source<R>,
    kind: Kind,
    seen: Seen,
    report: ImportReport,
    look: Look,
    /// The portion that is out.
    rows: Vec<Row>,
    /// Of each of its rows.
    out: Vec<Out>,
    /// Its bytes in the file.
    bytes: usize,
    waiting: Waiting,
    /// A dry run remembers no more.
    full: bool,
}

/// What is remembered of a row until it is taken.
#[derive(Debug)]
struct Out {
    /// As it stands in the file.
    raw: String,
    /// Which of its parts were told of before.
    told: Vec<bool>,
}

/// Rows that link to records which are not there yet: they may come with a later row.
#[derive(Debug, Default)]
struct Waiting {
    /// The file is at its end.
    round: Option<usize>,
    /// To be tried in this round.
    queue: VecDeque<(Row, Out)>,
    /// Refused in this round, with the reason.
    again: Vec<(Row, Out, Refusal)>,
    /// Links to records that never came are left out, and told.
    links_later: bool,
}

impl<R: Read + Seek> Reading<R> {
    /// Begins to read a file of rows of `kind`; without a mapping its columns are called like the
    /// fields. A file of vCards is known by its first line.
    ///
    /// # Errors
    /// [`ImportError`], when the file as a whole cannot be used.
    pub fn open(
        mut file: R,
        kind: Kind,
        mapping: Option<&Mapping>,
        dry_run: bool,
    ) -> Result<Reading<R>, ImportError> {
        let look = look(&mut file)?;
        let mut report = ImportReport {
            dry_run,
            other_kind: match kind {
                Kind::Account => None,
                kind => Some(kind),
            },
            ..ImportReport::default()
        };
        if look.encoding == Encoding::Windows1252 {
            let text = "the file is not UTF-8 and was read as Windows-1252 (Western European): \
                        look at the letters with accents, or save it as CSV UTF-8";
            report.note(None, text.to_owned());
        }
        let source = match super::vcard::is_vcard(&mut file)? {
            true => Source::Cards(Cards::new(file, kind, look.encoding)?),
            false => csv(file, kind, mapping, look)?,
        };
        if let Source::Csv { columns, .. } = &source
            && !columns.left_out.is_empty()
        {
            let left_out = columns.left_out.join("`, `");
            report.note(
                None,
                format!(
                    "nobody takes the columns `{left_out}`: map them, or list them in `ignore`"
                ),
            );
        }
        Ok(Reading {
            source,
            kind,
            seen: Seen::default(),
            report,
            look,
            rows: Vec::new(),
            bytes: 0,
            out: Vec::new(),
            waiting: Waiting::default(),
            full: false,
        })
    }

    /// Rows are taken without their links to records that are not there, instead of being rejected.
    #[must_use]
    pub fn links_later(mut self, later: bool) -> Reading<R> {
        self.waiting.links_later = later;
        self
    }
}

fn csv<R: Read + Seek>(
    file: R,
    kind: Kind,
    mapping: Option<&Mapping>,
    look: Look,
) -> Result<Source<R>, ImportError> {
    let delimiter = mapping.and_then(|mapping| mapping.delimiter);
    let mut rows = CsvRows::new(file, look.encoding, delimiter)?;
    let header = rows.row()?.ok_or(ImportError::Empty)?;
    let header = header.cells.map_err(|_| ImportError::NoHeader)?;
    let columns = Box::new(Columns::bind(kind, mapping, header)?);
    Ok(Source::Csv {
        rows: Box::new(rows),
        columns,
    })
}

/// One row of the file, read or not.
struct Read1 {
    line: u64,
    raw: String,
    row: Result<Row, Rejected>,
}

impl<R: Read> Source<R> {
    fn next(&mut self) -> Result<Option<Read1>, ImportError> {
        match self {
            Source::Cards(cards) => {
                Ok(cards
                    .card()?
                    .map(|(line, raw, row)| Read1 { line, raw, row }))
            }
            Source::Csv { rows, columns } => {
                let Some(FileRow { line, raw, cells }) = rows.row()? else {
                    return Ok(None);
                };
                let row = match cells {
                    Ok(cells) => columns.row(line, &cells),
                    Err((index, rejected)) => Err(Rejected {
                        column: index.and_then(|at| columns.name(at).map(str::to_owned)),
                        ..rejected
                    }),
                };
                Ok(Some(Read1 { line, raw, row }))
            }
        }
    }

    fn column_of(&self, kind: Kind, field: &str) -> Option<String> {
        match self {
            Source::Csv { columns, .. } => columns.column_of(kind, field),
            Source::Cards(_) => Some(field.to_owned()),
        }
    }
}

impl<R: Read> Reading<R> {
    /// Reads the next rows to take; tells whether there are any.
    ///
    /// # Errors
    /// As the file.
    pub fn portion(&mut self, rejects: Rejects<'_>) -> Result<bool, ImportError> {
        self.out.clear();
        self.rows.clear();
        self.bytes = 0;
        while self.waiting.round.is_none() && self.has_room() {
            let Some(Read1 { line, raw, row }) = self.source.next()? else {
                self.waiting.round = Some(usize::MAX);
                break;
            };
            self.report.rows = self.report.rows.saturating_add(1);
            match row {
                Ok(row) => self.row(row, raw, rejects),
                Err(rejected) => self.reject(rejected, &raw, rejects),
            }
            if self.rows.is_empty() {
                // Rows in front of those that are out need nobody's answer.
                self.report.done_line = line;
            }
        }
        if self.rows.is_empty() && self.waiting.round.is_some() {
            self.waited(rejects);
        }
        Ok(!self.rows.is_empty())
    }

    /// Whether the portion takes one more row.
    fn has_room(&self) -> bool {
        self.rows.len() < PORTION_ROWS_MAX && self.bytes < PORTION_BYTES_MAX
    }

    /// The rows to take.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    fn row(&mut self, row: Row, raw: String, rejects: Rejects<'_>) {
        match self.seen.note(&row) {
            Standing::News(told) => {
                self.bytes = self.bytes.saturating_add(raw.len());
                self.out.push(Out { raw, told });
                self.rows.push(row);
            }
            Standing::Same => self.report.repeated = self.report.repeated.saturating_add(1),
            Standing::Otherwise(kind, field, first) => {
                let rejected = self.otherwise(&row, kind, field, first);
                self.reject(rejected, &raw, rejects);
            }
        }
    }

    /// Rows that wait are tried again as long as that brings some of them in.
    fn waited(&mut self, rejects: Rejects<'_>) {
        if self.waiting.queue.is_empty() && !self.waiting.again.is_empty() {
            let left = std::mem::take(&mut self.waiting.again);
            let fewer = self.waiting.round.is_none_or(|before| left.len() < before);
            self.waiting.round = Some(left.len());
            for (row, out, refusal) in left {
                let without = self.waiting.links_later || self.report.sees_less_from.is_some();
                let bare = match (fewer, without) {
                    (true, _) => Some(row),
                    (false, true) => self.without_link(row, &refusal),
                    (false, false) => None,
                };
                match bare {
                    Some(row) => self.waiting.queue.push_back((row, out)),
                    None => self.refuse(refusal, &out.raw, rejects),
                }
            }
        }
        while self.has_room()
            && let Some((row, out)) = self.waiting.queue.pop_front()
        {
            self.bytes = self.bytes.saturating_add(out.raw.len());
            self.rows.push(row);
            self.out.push(out);
        }
    }

    /// A row without a link that it need not have.
    fn without_link(&mut self, mut row: Row, refusal: &Refusal) -> Option<Row> {
        let name = refusal.field.as_ref()?;
        let field = refusal.kind.spec().field(name)?;
        let part = row
            .parts
            .iter_mut()
            .find(|part| part.kind == refusal.kind)?;
        let before = part.fields.len();
        part.fields.retain(|(field, _)| field != name);
        if field.required || part.fields.len() == before {
            return None;
        }
        // A link less is progress.
        self.waiting.round = Some(usize::MAX);
        let text = format!(
            "taken without `{name}` ({}): import the file again when it is there",
            refusal.reason
        );
        self.report.note(Some(row.line), text);
        Some(row)
    }

    fn otherwise(&self, row: &Row, kind: Kind, field: &str, first: u64) -> Rejected {
        let part = row.parts.iter().find(|part| part.kind == kind);
        let value = part.and_then(|part| part.fields.iter().find(|(name, _)| name == field));
        let reason = match kind {
            Kind::Account => {
                format!("an earlier line of this account (from line {first}) says otherwise")
            }
            kind => format!(
                "line {first} is the same {} and says otherwise: one of them has to go",
                kind.word()
            ),
        };
        Rejected {
            line: row.line,
            column: self.source.column_of(kind, field),
            value: value.map(|(_, value)| value.clone()).unwrap_or_default(),
            reason,
        }
    }

    fn reject(&mut self, rejected: Rejected, raw: &str, rejects: Rejects<'_>) {
        rejects(&rejected, raw);
        let report = &mut self.report;
        report.rejected_count = report.rejected_count.saturating_add(1);
        if report.rejected.len() < LISTED_MAX {
            report.rejected.push(rejected);
        }
    }

    /// Counts what became of the portion that was out.
    pub fn took(&mut self, taken: Taken, rejects: Rejects<'_>) {
        let (out, rows) = (
            std::mem::take(&mut self.out),
            std::mem::take(&mut self.rows),
        );
        self.report.proposals = self.report.proposals.saturating_add(taken.proposals);
        if self.full
            && self.report.sees_less_from.is_none()
            && let Some(row) = rows.first()
        {
            self.report.sees_less_from = Some(row.line);
            let text = "from here on the dry run does not see all rows before: it may count as \
                        created what a real run only updates, and warn of less";
            self.report.note(Some(row.line), text.to_owned());
        }
        self.full = taken.full;
        if let Some(row) = rows.last()
            && self.waiting.round.is_none()
        {
            self.report.done_line = row.line;
        }
        let mut refused = taken.rejected.into_iter().peekable();
        for ((row, out), outcomes) in rows.into_iter().zip(out).zip(&taken.outcomes) {
            // Refusals are in the order of their rows.
            let refusal = refused.next_if(|refusal| refusal.line == row.line);
            match refusal {
                None => self.count(&out.told, outcomes),
                Some(refusal) if refusal.waits && self.waiting.again.len() < WAITING_ROWS_MAX => {
                    self.waiting.again.push((row, out, refusal));
                }
                Some(refusal) => self.refuse(refusal, &out.raw, rejects),
            }
        }
        for note in taken.notes {
            self.report.note(note.line, note.text);
        }
    }

    fn refuse(&mut self, refusal: Refusal, raw: &str, rejects: Rejects<'_>) {
        let column = refusal.field.as_ref();
        let column = column.and_then(|field| self.source.column_of(refusal.kind, field));
        let rejected = Rejected {
            line: refusal.line,
            column: column.or(refusal.field),
            value: refusal.value,
            reason: refusal.reason,
        };
        self.reject(rejected, raw, rejects);
    }

    fn count(&mut self, told: &[bool], outcomes: &[Outcome]) {
        // A row of accounts has its account first; others may have one.
        let accounts = match self.kind == Kind::Account {
            true => outcomes.len().min(1),
            false => outcomes.len().saturating_sub(1),
        };
        for (nth, (outcome, told)) in outcomes.iter().zip(told).enumerate() {
            if nth < accounts {
                // Counted where it was told of first.
                if !told {
                    self.report.accounts.add(*outcome);
                }
            } else {
                if self.report.other_kind.is_none() {
                    self.report.other_kind = Some(Kind::Contact);
                }
                self.report.others.add(*outcome);
            }
        }
    }

    /// How much of the file is read: lines done, and lines in all.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        match &self.source {
            // Its header is no row.
            Source::Csv { .. } => (self.report.rows, self.look.lines.saturating_sub(1)),
            Source::Cards(cards) => (cards.lines(), self.look.lines),
        }
    }

    /// What it came to so far.
    #[must_use]
    pub fn report(&self) -> &ImportReport {
        &self.report
    }

    /// What it came to.
    #[must_use]
    pub fn finish(mut self) -> ImportReport {
        if let Source::Csv { columns, .. } = &self.source {
            let passed_over = columns.passed_over.clone();
            for (column, (count, first)) in passed_over {
                let text = format!(
                    "{count} cells of `{column}` were not taken, such as `{first}`: translate \
                     them with `values` in a mapping file"
                );
                self.report.note(None, text);
            }
        }
        self.report.rejected.sort_by_key(|rejected| rejected.line);
        self.report.notes.sort_by_key(|note| note.line);
        self.report
    }
}
