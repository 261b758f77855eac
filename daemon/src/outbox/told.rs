//! The tasks by which people are told of held mails: closed in the commit that decides the mail.

use liaison_core::effect::MailEffect;
use liaison_core::outbox::approval::Nudge;
use liaison_core::records::{TaskChange, TaskRecord};
use liaison_core::time::Timestamp;

use super::stage_audit;
use crate::books::rows::AuditRow;
use crate::books::{Books, BooksError, keys, replace};
use crate::store::Batch;

/// Closes what is open of them: `before` was held, and is not any more.
pub(super) async fn stage_told_is_over(
    books: &Books,
    writes: &mut Batch,
    before: &MailEffect,
    (who, now): (&str, Timestamp),
) -> Result<(), BooksError> {
    for nudge in Nudge::ALL {
        let key = keys::task(&nudge.task_id(&before.id, before.since));
        let Some(task) = books.get::<TaskRecord>(key.clone()).await? else {
            continue;
        };
        if !task.record.is_open() {
            continue;
        }
        let mut after = task.record;
        let why = format!("the mail {} does not wait any more", before.id);
        after.close(TaskChange {
            who,
            why: Some(&why),
            now,
        });
        replace(writes, key, Some(task.version), &after)?;
        let row = AuditRow {
            at: now,
            who: who.to_owned(),
            what: "state: open -> done".to_owned(),
            why,
        };
        stage_audit(writes, after.id.as_str(), now, row)?;
    }
    Ok(())
}
