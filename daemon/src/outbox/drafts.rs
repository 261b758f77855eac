//! The task by which an owner is told of a changed draft that was overtaken.

use liaison_core::effect::MailEffect;
use liaison_core::outbox::drafts::{left_task, left_task_id};
use liaison_core::records::{TaskChange, TaskRecord};
use liaison_core::time::Timestamp;

use super::stage_audit;
use crate::books::rows::AuditRow;
use crate::books::{Books, BooksError, keys, replace};
use crate::store::Batch;

/// Stages the task, unless it is there.
pub(crate) async fn stage_left(
    books: &Books,
    writes: &mut Batch,
    mail: &MailEffect,
    (why, owner, now): (&str, Option<&str>, Timestamp),
) -> Result<(), BooksError> {
    let task = left_task(mail, why, owner, now);
    match books.task(&task.id).await? {
        Some(_) => Ok(()),
        None => replace(writes, keys::task(&task.id), None, &task),
    }
}

/// Closes it: the draft was sent all the same.
pub(super) async fn stage_left_is_over(
    books: &Books,
    writes: &mut Batch,
    mail: &MailEffect,
    now: Timestamp,
) -> Result<(), BooksError> {
    if !mail.is_draft() {
        return Ok(());
    }
    let key = keys::task(&left_task_id(&mail.id));
    let Some(task) = books.get::<TaskRecord>(key.clone()).await? else {
        return Ok(());
    };
    if !task.record.is_open() {
        return Ok(());
    }
    let mut after = task.record;
    let why = format!("the draft {} was sent", mail.id);
    after.close(TaskChange {
        who: "liaison",
        why: Some(&why),
        now,
    });
    replace(writes, key, Some(task.version), &after)?;
    let row = AuditRow {
        at: now,
        who: "liaison".to_owned(),
        what: "state: open -> done".to_owned(),
        why,
    };
    stage_audit(writes, after.id.as_str(), now, row)
}
