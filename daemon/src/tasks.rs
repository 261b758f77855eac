//! Tasks: work laid before people, by plugins and by people.

use liaison_core::crm::change::Edit;
use liaison_core::crm::{FieldChange, Kind, Sheet};
use liaison_core::effect::Cause;
use liaison_core::happening::Subject;
use liaison_core::ids::{TaskId, derive};
use liaison_core::message::cut_text;
use liaison_core::proposal::Value;
use liaison_core::records::{TaskChange, TaskRecord};

use crate::accounts::audit;
use crate::books::rows::{AuditRow, TimelineRow};
use crate::books::{Books, keys, replace};
use crate::cases::told;
use crate::records::{RecordBook, RecordBy, RecordsError};
use crate::store::{Batch, Stored, VALUE_BYTES_MAX, codec};

/// How often a change that lost a race is decided again.
const TRIES_MAX: u32 = 8;
/// The place in the log of what no event caused.
pub(crate) const NO_EVENT: u64 = u64::MAX;
/// Longest line of a timeline, in characters.
const LINE_CHARS_MAX: usize = 300;

/// What is to be known of a task.
#[derive(Debug, Clone)]
pub struct TaskPut {
    /// Which; `None`: a new one.
    pub which: Option<TaskId>,
    /// Fields as people write them; an empty text takes the value away.
    pub fields: Vec<(String, String)>,
    /// The revision that the change was thought up for.
    pub expect: Option<u64>,
    /// Why, where the person said so.
    pub why: Option<String>,
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSaved {
    /// The task after it.
    pub task: TaskRecord,
    /// It is new.
    pub created: bool,
    /// What changed.
    pub changed: Vec<FieldChange>,
}

/// All tasks. Cheap to make.
#[derive(Debug, Clone, Copy)]
pub struct TaskBook<'a> {
    /// Where they are.
    pub books: &'a Books,
    /// What their links lead to.
    pub records: &'a RecordBook,
}

impl TaskBook<'_> {
    /// Makes or changes a task.
    ///
    /// # Errors
    /// [`RecordsError`]; nothing was written then.
    pub async fn put(&self, put: &TaskPut, by: &RecordBy) -> Result<TaskSaved, RecordsError> {
        let sheet = Sheet::of_tasks();
        let edits = sheet.edits(&put.fields).map_err(RecordsError::Fields)?;
        let edits = self.records.linked_edits(&sheet, edits).await?;
        self.check_about(&edits).await?;
        for _ in 0..TRIES_MAX {
            let seen = self.seen(put).await?;
            let (saved, batch) = self.change(put, seen, &edits, by).await?;
            let Some(batch) = batch else {
                return Ok(saved);
            };
            match self.books.commit(batch).await.map_err(RecordsError::from) {
                Err(error) if error.is_conflict() => {}
                done => return done.map(|()| saved),
            }
        }
        Err(RecordsError::Contended)
    }

    async fn seen(&self, put: &TaskPut) -> Result<Option<Stored<TaskRecord>>, RecordsError> {
        let Some(id) = &put.which else {
            return Ok(None);
        };
        let seen = self.books.get::<TaskRecord>(keys::task(id)).await?;
        let seen = seen.ok_or_else(|| RecordsError::Refused(format!("there is no task {id}")))?;
        match put.expect {
            Some(expected) if expected != seen.record.revision => Err(RecordsError::Revision {
                id: id.0.clone(),
                expected,
                found: seen.record.revision,
            }),
            _ => Ok(Some(seen)),
        }
    }

    /// Every id that a task is about is that of a record or a case.
    async fn check_about(&self, edits: &[Edit]) -> Result<(), RecordsError> {
        let about = edits.iter().filter(|edit| edit.field == "about");
        let ids = about.flat_map(|edit| match &edit.value {
            Value::Texts(ids) => ids.as_slice(),
            _ => &[],
        });
        for id in ids {
            let found = match Kind::of_id(id) {
                Some(kind) => self.records.get(kind, id).await?.is_some(),
                None => self.books.case(&id.as_str().into()).await?.is_some(),
            };
            if !found {
                let reason = "there is no record and no case with this id";
                return Err(RecordsError::field("about", id, reason));
            }
        }
        Ok(())
    }

    async fn change(
        &self,
        put: &TaskPut,
        seen: Option<Stored<TaskRecord>>,
        edits: &[Edit],
        by: &RecordBy,
    ) -> Result<(TaskSaved, Option<Batch>), RecordsError> {
        let before = seen.as_ref().map(|seen| &seen.record);
        let values = before.map(TaskRecord::values);
        let planned = Sheet::of_tasks().plan(values.as_ref(), edits, by.force);
        let planned = planned.map_err(RecordsError::Fields)?;
        let mut task = before.cloned().unwrap_or_else(|| new_task(edits, by));
        let created = before.is_none();
        if planned.changed.is_empty() && !created {
            let changed = Vec::new();
            let saved = TaskSaved {
                task,
                created,
                changed,
            };
            return Ok((saved, None));
        }
        let who = TaskChange {
            who: &by.who,
            why: put.why.as_deref(),
            now: by.now,
        };
        task.take(&planned.changed, who)
            .map_err(RecordsError::Fields)?;
        task.revision = task.revision.saturating_add(u64::from(!created));
        let bytes = codec::encode(&task)?.len();
        if bytes > VALUE_BYTES_MAX {
            return Err(RecordsError::Refused(format!(
                "the task takes {bytes} bytes, and {VALUE_BYTES_MAX} is the most: shorten its body \
                 or its points"
            )));
        }
        let mut batch = self.books.batch();
        let version = seen.map(|seen| seen.version);
        replace(&mut batch, keys::task(&task.id), version, &task)?;
        let row = AuditRow {
            at: by.now,
            who: by.who.clone(),
            what: told("task", created, &planned.changed),
            why: by.why.clone(),
        };
        audit(self.books, &mut batch, task.id.as_str(), &row).await?;
        if created {
            timeline(&mut batch, &task)?;
        }
        let changed = planned.changed;
        let saved = TaskSaved {
            task,
            created,
            changed,
        };
        Ok((saved, Some(batch)))
    }
}

/// A task that a person makes: they are its cause.
fn new_task(edits: &[Edit], by: &RecordBy) -> TaskRecord {
    let mut parts: Vec<String> = vec![by.who.clone(), by.now.to_string()];
    let said = edits.iter();
    parts.extend(said.map(|edit| format!("{}={:?}", edit.field, edit.value)));
    let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    let hash = derive("liaison task by hand 1", &parts);
    let short: String = hash.chars().take(16).collect();
    let cause = Cause {
        plugin: "".into(),
        plugin_version: String::new(),
        plugin_digest: String::new(),
        label: "by hand".to_owned(),
        event_seq: NO_EVENT,
        cause: hash,
        subject: Subject::default(),
        reason: by.why.clone(),
        rule: None,
    };
    TaskRecord::new(TaskId(format!("task-{short}")), cause, by.now)
}

fn timeline(batch: &mut Batch, task: &TaskRecord) -> Result<(), RecordsError> {
    let Some(account) = &task.account else {
        return Ok(());
    };
    let row = TimelineRow {
        at: task.created,
        kind: "task".to_owned(),
        text: cut_text(&task.title, LINE_CHARS_MAX),
        id: task.id.0.clone(),
    };
    batch.put_record(
        keys::timeline(account, task.created, task.id.as_str()),
        &row,
    )?;
    Ok(())
}
