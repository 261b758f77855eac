//! Filling the indexes of cases when a manifest gains one.
//!
//! Three steps, each of which may be repeated: what no manifest declares any more is no longer
//! promised by `case_index`; every case that is not found by a declared field is written so that it
//! is; then `case_index` promises the declared fields. Plugins and people write meanwhile: what
//! they write is found by the declared fields anyway.

use bytes::Bytes;
use liaison_core::records::CaseRecord;

use super::{CaseKinds, Declared};
use crate::books::rows::CaseIndexRow;
use crate::books::{Books, BooksError, chain, indexes, keys, replace};
use crate::store::{Dir, Stored};
use crate::supervisor::{Stop, Waited};

/// Cases looked at between two looks at the stop: each is a commit of its own where it lacks one.
const FILL_ROWS: usize = 100;
/// How often a case that others write meanwhile is tried.
const TRIES_MAX: u32 = 8;
/// Before another try after the store refused.
const FILL_RETRY: std::time::Duration = std::time::Duration::from_secs(60);

/// Fills the indexes of all kinds, and tries again later where the store refuses.
pub async fn run(books: &Books, kinds: &CaseKinds, stop: &Stop) {
    while let Err(error) = all(books, kinds, stop).await {
        tracing::warn!(error = %chain(&error), "the indexes of cases are not filled; again later");
        if stop.sleep(FILL_RETRY).await == Waited::Stopped {
            return;
        }
    }
}

/// Fills the indexes of all kinds once; returns how many cases were written.
///
/// # Errors
/// As the store; what was done stays done.
pub async fn all(books: &Books, kinds: &CaseKinds, stop: &Stop) -> Result<u64, BooksError> {
    let mut written = 0_u64;
    for declared in kinds.0.values() {
        written = written.saturating_add(kind(books, declared, stop).await?);
    }
    Ok(written)
}

async fn kind(books: &Books, declared: &Declared, stop: &Stop) -> Result<u64, BooksError> {
    let kind = declared.kind.kind.as_str();
    let fields = declared.kind.indexes();
    let promised = promise(books, kind, |promised| {
        promised.retain(|field| fields.contains(field));
    })
    .await?;
    if promised == fields {
        return Ok(0);
    }
    let mut written = 0_u64;
    let mut after: Option<Bytes> = None;
    loop {
        if stop.is_set() {
            return Ok(written);
        }
        let range = keys::cases_of_kind(kind);
        let page = books
            .store
            .scan(range, Dir::Forward, FILL_ROWS, after)
            .await?;
        for (key, _) in page.items {
            if let Some(id) = keys::indexed_case(&key)
                && one(books, &keys::case(&id), &fields).await?
            {
                written = written.saturating_add(1);
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    promise(books, kind, |promised| promised.clone_from(&fields)).await?;
    tracing::info!(kind, written, fields = %fields.join(", "), "cases are found by these fields");
    Ok(written)
}

/// Writes a case so that it is found by all of these fields; whether it was not.
async fn one(
    books: &Books,
    key: &crate::store::Key,
    fields: &[String],
) -> Result<bool, BooksError> {
    let mut tries = 0;
    loop {
        let seen = match books.get::<CaseRecord>(key.clone()).await {
            // A later release wrote it, and finds it in its own way.
            Err(error) if error.is_newer() => return Ok(false),
            seen => seen?,
        };
        let Some(seen) = seen else { return Ok(false) };
        if fields
            .iter()
            .all(|field| seen.record.indexed.contains(field))
        {
            return Ok(false);
        }
        match write(books, &seen, fields).await {
            Err(error) if error.is_conflict() && tries < TRIES_MAX => tries += 1,
            done => return done.map(|()| true),
        }
    }
}

async fn write(
    books: &Books,
    seen: &Stored<CaseRecord>,
    fields: &[String],
) -> Result<(), BooksError> {
    let mut case = seen.record.clone();
    case.indexed.extend(fields.iter().cloned());
    case.indexed.sort();
    case.indexed.dedup();
    let mut batch = books.batch();
    let (old, new) = (indexes::of_case(&seen.record), indexes::of_case(&case));
    replace(&mut batch, keys::case(&case.id), Some(seen.version), &case)?;
    indexes::stage(books, &mut batch, &old, &new).await?;
    books.commit(batch).await
}

/// Changes which fields are promised; returns them.
async fn promise(
    books: &Books,
    kind: &str,
    change: impl Fn(&mut Vec<String>),
) -> Result<Vec<String>, BooksError> {
    let mut tries = 0;
    loop {
        let key = keys::case_index(kind);
        let seen = books.get::<CaseIndexRow>(key.clone()).await?;
        let mut row = match &seen {
            Some(seen) => seen.record.clone(),
            None => CaseIndexRow {
                kind: kind.to_owned(),
                fields: Vec::new(),
            },
        };
        let before = row.fields.clone();
        change(&mut row.fields);
        if row.fields == before {
            return Ok(row.fields);
        }
        let mut batch = books.batch();
        replace(&mut batch, key, seen.map(|seen| seen.version), &row)?;
        match books.commit(batch).await {
            Err(error) if error.is_conflict() && tries < TRIES_MAX => tries += 1,
            done => return done.map(|()| row.fields),
        }
    }
}
