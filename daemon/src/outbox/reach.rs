//! Whether mail to an address arrives, as delivery reports told, and a person's word that it may go
//! there again.

use liaison_core::ids::EffectId;
use liaison_core::mail::Address;
use liaison_core::reach::{News, Reach, domain_subject};
use liaison_core::records::{TaskChange, TaskRecord};
use liaison_core::time::Timestamp;

use super::stage_audit;
use crate::books::rows::AuditRow;
use crate::books::{Books, BooksError, keys, replace};
use crate::store::{Batch, Stored};

/// Why a mail in doubt counts as sent: somebody's server wrote about it.
pub const REPORTED: &str = "a delivery report names it: a server took it";

/// Why nothing goes to an address, and why nothing leaves for its domain by itself.
#[derive(Debug, Clone, Default)]
pub struct Stopped {
    /// The address, or the one without its `+tag`, is undeliverable.
    pub address: Option<String>,
    /// Mails to its domain came back again and again.
    pub domain: Option<String>,
}

impl Stopped {
    /// What is known of an address.
    ///
    /// # Errors
    /// As the store.
    pub async fn of(books: &Books, email: &str) -> Result<Stopped, BooksError> {
        let mut stopped = Stopped::default();
        for name in names(email) {
            let reach = books.reach(&name).await?;
            let why = reach.and_then(|reach| reach.refusal());
            stopped.address = stopped.address.or(why);
        }
        if let Some(domain) = domain_subject(email) {
            let reach = books.reach(&domain).await?;
            stopped.domain = reach.and_then(|reach| reach.refusal());
        }
        Ok(stopped)
    }
}

/// The address in lookup form, and without its `+tag`: what is stopped by either is stopped.
#[must_use]
pub fn names(email: &str) -> Vec<String> {
    let Ok(address) = Address::parse(email) else {
        return vec![email.to_owned()];
    };
    let bare = address.without_tag().map(|bare| bare.key());
    std::iter::once(address.key()).chain(bare).collect()
}

/// Whether a mail came back for good: nobody was reached by it.
///
/// # Errors
/// As the store.
pub async fn came_back(books: &Books, mail: &EffectId) -> Result<bool, BooksError> {
    let row = books.returned(mail.as_str()).await?;
    Ok(row.is_some_and(|row| row.reports.iter().any(|one| one.meaning.came_back())))
}

/// Stages that a person lets mail go there again; the task that told of it is done by it.
///
/// # Errors
/// As the store, or when a record cannot be encoded.
pub async fn stage_allowed(
    books: &Books,
    writes: &mut Batch,
    before: &Stored<Reach>,
    (who, why, now): (&str, &str, Timestamp),
) -> Result<Reach, BooksError> {
    let mut after = before.record.clone();
    after.allow(who, now);
    replace(
        writes,
        keys::reach(&after.subject),
        Some(before.version),
        &after,
    )?;
    let row = AuditRow {
        at: now,
        who: who.to_owned(),
        what: "stopped -> allowed".to_owned(),
        why: why.to_owned(),
    };
    stage_audit(writes, &after.subject, now, row)?;
    let Some(stop) = &before.record.stopped else {
        return Ok(after);
    };
    let task = before.record.task_id(News::Undeliverable, &stop.by);
    let key = keys::task(&task);
    let task = books.get::<TaskRecord>(key.clone()).await?;
    if let Some(task) = task.filter(|task| task.record.is_open()) {
        let mut done = task.record;
        let told = format!("mail to {} is allowed again", after.subject);
        done.close(TaskChange {
            who,
            why: Some(&told),
            now,
        });
        replace(writes, key, Some(task.version), &done)?;
        let row = AuditRow {
            at: now,
            who: who.to_owned(),
            what: "state: open -> done".to_owned(),
            why: told,
        };
        stage_audit(writes, done.id.as_str(), now, row)?;
    }
    Ok(after)
}
