//! What plugins want of fields that a person set.

use liaison_core::crm::{Edit, FieldChange, Source};
use liaison_core::ids::CaseId;
use liaison_core::records::CaseRecord;

use super::{CaseBook, CasePut, CaseSaved, TRIES_MAX};
use crate::books::rows::{AnyKind, ChangeRow};
use crate::books::{Books, BooksError, keys, replace};
use crate::records::{RecordBy, RecordsError, Verdict, change_id, is_asked, undecided};
use crate::store::Batch;

/// Records what a person has to say yes to; what was asked for already stays as it is.
///
/// # Errors
/// As the store.
pub(crate) async fn stage_proposals(
    books: &Books,
    batch: &mut Batch,
    (case, changes): (&CaseRecord, &[FieldChange]),
    by: &RecordBy,
) -> Result<(), BooksError> {
    for change in changes {
        let row = ChangeRow {
            id: change_id(case.id.as_str(), change, Source::Plugin),
            kind: AnyKind::Case(case.kind.clone()),
            record: case.id.0.clone(),
            field: change.field.clone(),
            old: change.old.clone(),
            new: change.new.clone(),
            source: Source::Plugin,
            who: by.who.clone(),
            why: by.why.clone(),
            at: by.now,
            decided: None,
        };
        let key = keys::change(&row.id);
        // The same twice in one answer.
        if batch.puts.iter().any(|(put, _)| *put == key) {
            continue;
        }
        let seen = books.get::<ChangeRow>(key.clone()).await?;
        if is_asked(seen.as_ref()) {
            replace(batch, key, seen.map(|seen| seen.version), &row)?;
        }
    }
    Ok(())
}

impl CaseBook<'_> {
    /// Takes or refuses a value that waits for a person's yes: case and decision are one commit.
    ///
    /// # Errors
    /// [`RecordsError`]: it was decided already, or the value may not stand there any more.
    pub async fn decide(
        &self,
        id: &str,
        verdict: Verdict,
        by: &RecordBy,
    ) -> Result<(ChangeRow, Option<CaseSaved>), RecordsError> {
        for _ in 0..TRIES_MAX {
            let (row, saved, batch) = self.decision(id, verdict, by).await?;
            match self.books.commit(batch).await.map_err(RecordsError::from) {
                Err(error) if error.is_conflict() => {}
                done => return done.map(|()| (row, saved)),
            }
        }
        Err(RecordsError::Contended)
    }

    async fn decision(
        &self,
        id: &str,
        verdict: Verdict,
        by: &RecordBy,
    ) -> Result<(ChangeRow, Option<CaseSaved>, Batch), RecordsError> {
        let stored = self.books.get::<ChangeRow>(keys::change(id)).await?;
        let (version, mut row) = undecided(id, stored)?;
        let (mut saved, mut batch) = (None, self.books.batch());
        if verdict == Verdict::Accept {
            let declared = self.declared(row.kind.word())?;
            let put = CasePut {
                kind: row.kind.word().to_owned(),
                which: Some(CaseId(row.record.clone())),
                fields: Vec::new(),
                expect: None,
            };
            let seen = self.seen(&put).await?;
            let edit = Edit {
                field: row.field.clone(),
                value: row.new.clone(),
            };
            let (change, staged) = self.change(declared, seen, &[edit], by).await?;
            saved = Some(change);
            batch = staged.unwrap_or(batch);
        }
        row.decided = Some((by.now, by.who.clone(), verdict == Verdict::Accept));
        replace(&mut batch, keys::change(id), Some(version), &row)?;
        Ok((row, saved, batch))
    }
}
