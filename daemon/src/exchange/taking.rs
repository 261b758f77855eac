//! Rows are taken where the store is: many in one commit, each whole or not at all.

use std::collections::HashMap;
use std::sync::Arc;

use liaison_core::crm::{FieldType, Kind, Problem};
use liaison_core::mail::address::Address;
use liaison_core::message::cut_text;
use serde::{Deserialize, Serialize};

use super::dry::DryRun;
use super::{Note, Part, Row};
use crate::books::chunk::Chunk;
use crate::books::rows::{ByAddrRow, ByDomainRow};
use crate::books::{Books, BooksError, keys};
use crate::records::ahead::Coming;
use crate::records::{Put, RecordBook, RecordBy, RecordsError, Saved};
use crate::store::{BATCH_ROWS_MAX, CommitId, Store};

/// Rows (puts, deletes, expectations) from which on a commit takes no further row of a file.
const CHUNK_ROWS_MAX: usize = BATCH_ROWS_MAX - ROW_ROWS_MAX;
/// Most rows of the store that one row of a file changes or expects: an account and a contact with
/// all their domains, addresses and links.
const ROW_ROWS_MAX: usize = 400;
/// Bytes of keys and values from which on a commit takes no further row of a file.
const CHUNK_BYTES_MAX: usize = 768 * 1024;
/// How often rows that met another writer are decided again before the first of them is rejected.
const TRIES_MAX: u32 = 8;
/// From which try on only one row is decided at a time: a record that others keep changing then
/// holds up its own row and no other.
const ALONE_FROM: u32 = 3;
/// Rows of a file whose records are read at once: about as many as a commit takes.
const AHEAD_ROWS: usize = 150;
/// Accounts whose ids are remembered within a portion.
const ACCOUNTS_MAX: usize = 1_000;

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is new.
    Created,
    /// It changed.
    Updated,
    /// It was so already.
    Unchanged,
    /// Only what a person set would change, and waits for their yes.
    Proposed,
    /// The row was not taken.
    Rejected,
}

/// Why a row was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Line of the file.
    pub line: u64,
    /// Which of its records.
    pub kind: Kind,
    /// Which field; `None`: the record as a whole.
    pub field: Option<String>,
    /// What it holds.
    pub value: String,
    /// Why, and what to do.
    pub reason: String,
    /// It links to a record that is not there, and may come with a later row; or others changed
    /// its record each time.
    #[serde(default)]
    pub waits: bool,
}

/// What became of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Of each row, what became of each of its parts.
    pub outcomes: Vec<Vec<Outcome>>,
    /// Rows that were not taken.
    pub rejected: Vec<Refusal>,
    /// Values that wait for a person's yes.
    pub proposals: u64,
    /// What somebody may want to know.
    pub notes: Vec<Note>,
    /// The dry run remembers no more: the rows behind do not see all rows before them.
    #[serde(default)]
    pub full: bool,
    /// Of a dry run whose portions come one by one: its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

impl Taken {
    fn add(&mut self, row: OneRow) {
        self.outcomes.push(row.outcomes);
        self.rejected.extend(row.rejected);
        self.proposals = self.proposals.saturating_add(row.proposals);
        self.notes.extend(row.notes);
    }
}

#[derive(Debug, Default)]
struct OneRow {
    outcomes: Vec<Outcome>,
    rejected: Option<Refusal>,
    proposals: u64,
    notes: Vec<Note>,
}

impl OneRow {
    fn refused(row: &Row, refusal: Refusal) -> OneRow {
        OneRow {
            outcomes: vec![Outcome::Rejected; row.parts.len()],
            rejected: Some(refusal),
            ..OneRow::default()
        }
    }

    /// Others were faster each time.
    fn contended(row: &Row) -> OneRow {
        let refusal = Refusal {
            line: row.line,
            kind: row.parts.last().map_or(Kind::Account, |part| part.kind),
            field: None,
            value: String::new(),
            reason: format!(
                "others changed the same records meanwhile, each of {TRIES_MAX} times: import the \
                 file again when they are done, it completes the rest"
            ),
            waits: true,
        };
        OneRow::refused(row, refusal)
    }
}

/// Takes rows into the books; in a dry run the answer is the same, only `dry` sees what would have
/// been written, and nothing is.
///
/// While one commit is written the next is made up in front of it. Rows that met another writer are
/// decided again from their first read; a row whose record others changed each of [`TRIES_MAX`]
/// times is rejected, and told to be imported again.
///
/// # Errors
/// As the store; rows of commits before it are in.
pub async fn take(
    records: &RecordBook,
    rows: &[Row],
    (by, dry): (&RecordBy, Option<&DryRun>),
) -> Result<Taken, BooksError> {
    let books = records.books();
    let store = dry.map_or_else(|| books.store.clone(), DryRun::layer);
    let books = &books.through(store.clone());
    let filling = |chunk: Chunk| Taking {
        records,
        books,
        chunk: Arc::new(chunk),
        by,
    };
    let mut taken = Taken::default();
    let (mut rest, mut tries) = (rows, 0);
    let mut ready: Option<Filled> = None;
    while let Some(first) = rest.first() {
        let now = match ready.take() {
            Some(filled) => filled,
            None => {
                let some = match tries < ALONE_FROM {
                    true => rest,
                    false => rest.get(..1).unwrap_or(rest),
                };
                filling(Chunk::new(store.clone())).part(some).await?
            }
        };
        let later: &[Row] = match now.rows.len() {
            0 => &[],
            done => rest.get(done..).unwrap_or_default(),
        };
        let next = filling(Chunk::new(now.chunk.clone())).part_of(later);
        let (committed, next) = tokio::join!(now.commit(books), next);
        match committed? {
            Some(id) => {
                (rest, tries) = (later, 0);
                // Where its first row met another writer it is made up again.
                ready = next?.filter(|next| !next.rows.is_empty());
                if let Some(next) = &ready {
                    next.chunk.settle(&now.chunk, id, store.clone());
                }
                now.rows.into_iter().for_each(|row| taken.add(row));
            }
            None if tries < TRIES_MAX => tries += 1,
            None => {
                taken.add(OneRow::contended(first));
                (rest, tries) = (rest.get(1..).unwrap_or_default(), 0);
            }
        }
    }
    taken.full = dry.is_some_and(DryRun::is_full);
    Ok(taken)
}

/// Rows that go into one commit.
struct Filled {
    rows: Vec<OneRow>,
    chunk: Arc<Chunk>,
}

impl Filled {
    /// `None` when others changed meanwhile what was read, or already kept its first row out.
    async fn commit(&self, books: &Books) -> Result<Option<CommitId>, BooksError> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let mut batch = books.batch();
        self.chunk.seal(&mut batch);
        if batch.is_empty() {
            return Ok(Some(CommitId(0)));
        }
        match books.commit_as(batch).await {
            Ok(id) => Ok(Some(id)),
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// One commit in the making.
struct Taking<'a> {
    records: &'a RecordBook,
    books: &'a Books,
    chunk: Arc<Chunk>,
    by: &'a RecordBy,
}

impl Taking<'_> {
    /// As [`Self::part`]; nothing of no rows.
    async fn part_of(self, rows: &[Row]) -> Result<Option<Filled>, BooksError> {
        match rows.is_empty() {
            true => Ok(None),
            false => self.part(rows).await.map(Some),
        }
    }

    /// As many rows as fit one commit, up to the first that met another writer.
    async fn part(self, rows: &[Row]) -> Result<Filled, BooksError> {
        let mut done = Vec::new();
        let mut accounts: HashMap<Part, String> = HashMap::new();
        for (nth, row) in rows.iter().enumerate() {
            if nth % AHEAD_ROWS == 0 {
                let coming = rows.get(nth..).unwrap_or_default().iter().take(AHEAD_ROWS);
                let coming = coming.flat_map(coming_of);
                self.records.ahead(&self.chunk, coming).await?;
            }
            match self.row(row, &mut accounts).await {
                Ok(Some(row)) => done.push(row),
                Ok(None) => break,
                Err(error) if error.is_conflict() => break,
                Err(error) => return Err(error),
            }
            // What was read ahead is never waited for, and the commit before this one goes on.
            tokio::task::yield_now().await;
            let size = self.chunk.size();
            if size.rows >= CHUNK_ROWS_MAX || size.bytes >= CHUNK_BYTES_MAX {
                break;
            }
        }
        Ok(Filled {
            rows: done,
            chunk: self.chunk,
        })
    }

    /// `None`: what one of its parts read was changed before another read it.
    async fn row(
        &self,
        row: &Row,
        accounts: &mut HashMap<Part, String>,
    ) -> Result<Option<OneRow>, BooksError> {
        // What a row writes is seen by its own parts, and thrown away when one of them is refused.
        let own = Arc::new(Chunk::new(self.chunk.clone()));
        let books = self.books.through(own.clone());
        let records = self.records.through(books.clone());
        let mut one = OneRow::default();
        let mut account: Option<String> = None;
        let mut told = None;
        for part in &row.parts {
            if part.kind == Kind::Account
                && let Some(id) = accounts.get(part)
            {
                account = Some(id.clone());
                one.outcomes.push(Outcome::Unchanged);
                continue;
            }
            let put = put_of(part, account.as_deref());
            let put = match self.knows_owner(part) {
                Ok(()) => records.put(&put, self.by).await,
                Err(problem) => Err(RecordsError::Fields(vec![problem])),
            };
            match put {
                Ok(saved) => {
                    if part.kind == Kind::Account {
                        account = Some(saved.record.id.clone());
                        told = Some((part, saved.record.id.clone()));
                    }
                    let proposed = u64::try_from(saved.proposed.len()).unwrap_or(u64::MAX);
                    one.proposals = one.proposals.saturating_add(proposed);
                    one.outcomes.push(outcome(&saved));
                    self.note_shared(&books, row.line, &saved, &mut one.notes)
                        .await?;
                }
                Err(RecordsError::Books(error)) => return Err(error),
                Err(RecordsError::Contended) => return Ok(None),
                Err(error) => {
                    let refusal = refusal(row.line, part.kind, error);
                    return Ok(Some(OneRow::refused(row, refusal)));
                }
            }
        }
        let mut batch = books.batch();
        own.drain(&mut batch);
        if !batch.is_empty() {
            self.chunk.commit(batch).await?;
        }
        if let Some((part, id)) = told
            && accounts.len() < ACCOUNTS_MAX
        {
            accounts.insert(part.clone(), id);
        }
        Ok(Some(one))
    }

    /// An account is looked after by one of our people, also when another system says otherwise.
    fn knows_owner(&self, part: &Part) -> Result<(), Problem> {
        let owner = part.fields.iter().find(|(name, _)| name == "owner");
        let Some((name, text)) = owner.filter(|_| part.kind == Kind::Account) else {
            return Ok(());
        };
        match Address::parse(text) {
            Ok(address) => self.records.rules().account_owner(&address),
            // Told by the record itself.
            Err(_) => Ok(()),
        }
        .map_err(|reason| Problem {
            field: name.clone(),
            value: text.clone(),
            reason,
        })
    }

    /// Tells which domains and addresses of a record belong to other accounts, too.
    async fn note_shared(
        &self,
        books: &Books,
        line: u64,
        saved: &Saved,
        notes: &mut Vec<Note>,
    ) -> Result<(), BooksError> {
        let record = &saved.record;
        let (field, account) = match record.kind {
            Kind::Account => ("domains", record.id.as_str()),
            Kind::Contact => ("emails", record.text("account").unwrap_or_default()),
            _ => return Ok(()),
        };
        for text in record.texts(field) {
            let ids: Vec<String> = match record.kind {
                Kind::Account => {
                    let row = books.get::<ByDomainRow>(keys::by_domain(text)).await?;
                    let all = row.map(|row| row.record.accounts).unwrap_or_default();
                    all.into_iter().map(|id| id.0).collect()
                }
                _ => {
                    let key = Address::parse(text).map(|address| address.key());
                    let key = keys::by_addr(key.as_deref().unwrap_or(text));
                    let row = books.get::<ByAddrRow>(key).await?;
                    let hits = row.map(|row| row.record.hits).unwrap_or_default();
                    hits.into_iter().map(|hit| hit.account.0).collect()
                }
            };
            let mut others = Vec::new();
            for id in ids.iter().filter(|id| *id != account) {
                let other = books.account(&id.as_str().into()).await?;
                others.extend(other.map(|other| other.name));
            }
            if !others.is_empty() {
                let (listed, name) = (others.join(", "), record.name());
                let text = match record.kind {
                    Kind::Account => format!(
                        "the domain {text} of {name} also belongs to {listed}: mail from it is \
                         ambiguous, except from addresses that only one of them has"
                    ),
                    _ => format!(
                        "the address {text} is also a contact of {listed}: mail from it is ambiguous"
                    ),
                };
                notes.push(Note {
                    line: Some(line),
                    text,
                });
            }
        }
        Ok(())
    }
}

fn coming_of(row: &Row) -> impl Iterator<Item = Coming<'_>> {
    let account = row.parts.iter().find(|part| part.kind == Kind::Account);
    let account = account
        .map(|part| part.fields.as_slice())
        .unwrap_or_default();
    row.parts.iter().map(move |part| Coming {
        kind: part.kind,
        fields: &part.fields,
        account,
    })
}

fn put_of(part: &Part, account: Option<&str>) -> Put {
    let mut fields = part.fields.clone();
    if let Some(account) = account
        && part.kind != Kind::Account
        && part.kind.spec().field("account").is_some()
        && !fields.iter().any(|(name, _)| name == "account")
    {
        fields.push(("account".to_owned(), account.to_owned()));
    }
    Put {
        which: part.id.clone(),
        fields,
        ..Put::upsert(part.kind, &[])
    }
}

fn outcome(saved: &Saved) -> Outcome {
    match (
        saved.created,
        saved.changed.is_empty(),
        saved.proposed.is_empty(),
    ) {
        (true, _, _) => Outcome::Created,
        (false, false, _) => Outcome::Updated,
        (false, true, false) => Outcome::Proposed,
        (false, true, true) => Outcome::Unchanged,
    }
}

fn refusal(line: u64, kind: Kind, error: RecordsError) -> Refusal {
    let RecordsError::Fields(mut problems) = error else {
        return Refusal {
            line,
            kind,
            field: None,
            value: String::new(),
            reason: error.to_string(),
            waits: false,
        };
    };
    let links = |problem: &Problem| {
        let field = kind.spec().field(&problem.field).map(|field| field.kind);
        matches!(field, Some(FieldType::Link(_) | FieldType::Links(_)))
            && problem.reason.starts_with("there is no ")
    };
    let waits = problems.iter().all(links);
    let further = problems.split_off(problems.len().min(1));
    let (field, value, mut reason) = match problems.pop() {
        Some(problem) => (Some(problem.field), problem.value, problem.reason),
        None => (None, String::new(), String::new()),
    };
    for problem in further {
        reason.push_str(&format!("; {}: {}", problem.field, problem.reason));
    }
    Refusal {
        line,
        kind,
        field,
        value,
        reason: cut_text(&reason, 400),
        waits,
    }
}
