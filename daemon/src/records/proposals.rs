//! Values that wait for a person's yes.

use liaison_core::crm::{FieldChange, Planned, Source};
use liaison_core::ids::derive;
use liaison_core::proposal::Value;

use super::{Put, RecordBook, RecordBy, RecordsError, Saved};
use crate::books::rows::{AnyKind, ChangeRow};
use crate::books::{keys, replace};
use crate::store::{Batch, Ns, Range, Stored};

/// What a person says to a value that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken.
    Accept,
    /// It is not, and is not asked for again.
    Reject,
}

impl RecordBook {
    /// Records what a person has to say yes to; what was asked for already stays as it is.
    pub(super) async fn propose(
        &self,
        batch: &mut Batch,
        planned: &Planned,
        by: &RecordBy,
    ) -> Result<Vec<FieldChange>, RecordsError> {
        let mut waiting = Vec::new();
        for change in &planned.proposed {
            let record = &planned.record;
            let row = ChangeRow {
                id: change_id(&record.id, change, by.source),
                kind: AnyKind::Core(record.kind),
                record: record.id.clone(),
                field: change.field.clone(),
                old: change.old.clone(),
                new: change.new.clone(),
                source: by.source,
                who: by.who.clone(),
                why: by.why.clone(),
                at: by.now,
                decided: None,
            };
            let key = keys::change(&row.id);
            let seen = self.books.get::<ChangeRow>(key.clone()).await?;
            if is_asked(seen.as_ref()) {
                replace(batch, key, seen.map(|seen| seen.version), &row)?;
                waiting.push(change.clone());
            }
        }
        Ok(waiting)
    }

    /// What waits for a person's yes; with `decided` also what was decided.
    ///
    /// # Errors
    /// As the store.
    pub async fn changes(&self, decided: bool) -> Result<Vec<ChangeRow>, RecordsError> {
        let mut rows = Vec::new();
        let each = |row: ChangeRow| {
            if decided || row.decided.is_none() {
                rows.push(row);
            }
        };
        self.books.each(Range::all(Ns::Change), each).await?;
        rows.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        Ok(rows)
    }

    /// Takes or refuses a value that waits in a core record.
    ///
    /// # Errors
    /// [`RecordsError`]: it was decided already, or the value may not stand there any more.
    pub async fn decide(
        &self,
        id: &str,
        verdict: Verdict,
        by: &RecordBy,
    ) -> Result<(ChangeRow, Option<Saved>), RecordsError> {
        let stored = self.books.get::<ChangeRow>(keys::change(id)).await?;
        let (version, mut row) = undecided(id, stored)?;
        let AnyKind::Core(kind) = row.kind else {
            let said = format!("{} is no core record", row.record);
            return Err(RecordsError::Refused(said));
        };
        let mut saved = None;
        if verdict == Verdict::Accept {
            let spec = kind.spec().field(&row.field);
            let record = self.get(kind, &row.record).await?;
            let currency = record.and_then(|record| record.text("currency").map(str::to_owned));
            let text = spec.map_or(String::new(), |field| {
                field.kind.write(&row.new, currency.as_deref())
            });
            let put = Put {
                kind,
                which: Some(row.record.clone()),
                only_new: false,
                join: false,
                fields: vec![(row.field.clone(), text)],
                expect: None,
            };
            // Taken twice after a crash in between is taken once.
            saved = Some(self.put(&put, by).await?);
        }
        row.decided = Some((by.now, by.who.clone(), verdict == Verdict::Accept));
        let mut batch = self.books.batch();
        replace(&mut batch, keys::change(id), Some(version), &row)?;
        self.books.commit(batch).await?;
        Ok((row, saved))
    }
}

/// What waits under an id, with the version of its row, where nobody decided yet.
///
/// # Errors
/// [`RecordsError::Refused`].
/// Whether a person is to be asked: a no stays a no, and what waits is asked once; what they once
/// took and changed again since is asked anew.
pub(crate) fn is_asked(seen: Option<&Stored<ChangeRow>>) -> bool {
    seen.is_none_or(|seen| matches!(&seen.record.decided, Some((_, _, true))))
}

pub(crate) fn undecided(
    id: &str,
    stored: Option<Stored<ChangeRow>>,
) -> Result<(u64, ChangeRow), RecordsError> {
    let Some(stored) = stored else {
        return Err(RecordsError::Refused(format!(
            "nothing waits under `{id}`: see `liaison proposals list`"
        )));
    };
    match &stored.record.decided {
        None => Ok((stored.version, stored.record)),
        Some((at, who, accepted)) => {
            let word = if *accepted { "accepted" } else { "rejected" };
            let said = format!("{who} {word} it already, at {at}");
            Err(RecordsError::Refused(said))
        }
    }
}

/// The same wish of the same kind of source has the same name.
pub(crate) fn change_id(record: &str, change: &FieldChange, source: Source) -> String {
    let source = match source {
        Source::Person => "person",
        Source::Import => "import",
        Source::Plugin => "plugin",
    };
    let value = match &change.new {
        Value::Texts(texts) => texts.join(";"),
        other => format!("{other:?}"),
    };
    let hash = derive(
        "liaison change 1",
        &[
            record.as_bytes(),
            change.field.as_bytes(),
            value.as_bytes(),
            source.as_bytes(),
        ],
    );
    let short: String = hash.chars().take(16).collect();
    format!("chg-{short}")
}
