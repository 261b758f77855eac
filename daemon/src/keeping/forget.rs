//! Rows about what happened, older than facts are kept: they go with their indexes.
//!
//! Places in folders, Message-IDs' hashes apart, stay: they name nobody, and a mailbox that is
//! looked at again does not take old mail for new. What is open stays whatever its age.

use std::collections::HashSet;
use std::ops::ControlFlow;

use futures_util::future::{BoxFuture, FutureExt};
use liaison_core::effect::{Cause, HoldEffect, MailEffect};
use liaison_core::hold::HoldGroup;
use liaison_core::ids::{EffectId, MessageKey};
use liaison_core::mailbox::MailboxEffect;
use liaison_core::meeting::Meeting;
use liaison_core::message::{MessageRecord, ThreadRecord};
use liaison_core::reach::ReturnRecord;
use liaison_core::time::Timestamp;

use crate::books::indexes::{hint_keys, known_as_keys, mailbox_effect_keys};
use crate::books::rows::{EventBody, EventRow, LedgerRow, OutcomeRow, TimelineRow};
use crate::books::{Books, BooksError, keys};
use crate::ingest::UNNAMED;
use crate::store::codec::Record;
use crate::store::{Dir, Expect, Key, Ns, PAGE_ROWS_MAX, Range};

/// Removals of one commit, so that others soon have their turn.
const REMOVED_AT_ONCE: usize = 500;

/// Removes what is older than `until`; tells how many rows that were.
///
/// # Errors
/// As the store; what was removed stays removed.
pub(super) async fn forget(
    books: &Books,
    until: Timestamp,
    open: &HashSet<MessageKey>,
) -> Result<u64, BooksError> {
    let mut forgetting = Forgetting::new(books, until);
    forgetting.messages(open).await?;
    forgetting.threads().await?;
    forgetting.events().await?;
    forgetting.effects().await?;
    forgetting
        .alone::<TimelineRow>(Ns::Timeline, |row| row.at)
        .await?;
    forgetting
        .alone::<LedgerRow>(Ns::Ledger, |row| row.at)
        .await?;
    Ok(forgetting.removed)
}

/// The rows that go with a record, itself among them; none if it stays after all.
type Rows<T> =
    for<'a> fn(&'a Books, &'a T, Timestamp) -> BoxFuture<'a, Result<Vec<Key>, BooksError>>;

/// Removes rows with what hangs on them, and counts them.
pub(super) struct Forgetting<'a> {
    books: &'a Books,
    until: Timestamp,
    removed: u64,
}

impl<'a> Forgetting<'a> {
    pub(super) fn new(books: &'a Books, until: Timestamp) -> Forgetting<'a> {
        Forgetting {
            books,
            until,
            removed: 0,
        }
    }
}

impl Forgetting<'_> {
    /// Rows that were removed.
    pub(super) fn removed(&self) -> u64 {
        self.removed
    }

    /// Goes through a family and removes what is `old` with what `rows` says.
    async fn family<T: Record + Send + Sync>(
        &mut self,
        ns: Ns,
        old: impl Fn(&T) -> bool + Send + Sync,
        rows: Rows<T>,
    ) -> Result<(), BooksError> {
        let mut after = None;
        loop {
            let page = self
                .books
                .store
                .scan(Range::all(ns), Dir::Forward, PAGE_ROWS_MAX, after)
                .await?;
            for (key, row) in page.items {
                let key = Key::new(ns, key);
                let stored = row.record::<T>(&key)?;
                if old(&stored.record) {
                    let gone = rows(self.books, &stored.record, self.until).await?;
                    self.remove_with(&key, stored.version, gone).await?;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// The same for rows that stand alone.
    async fn alone<T: Record>(
        &mut self,
        ns: Ns,
        at: fn(&T) -> Timestamp,
    ) -> Result<(), BooksError> {
        let mut gone = Vec::new();
        let until = self.until;
        self.books
            .each_row(Range::all(ns), Dir::Forward, |key, row| {
                let key = Key::new(ns, key);
                if at(&row.record::<T>(&key)?.record) < until {
                    gone.push(key);
                }
                Ok(ControlFlow::Continue(()))
            })
            .await?;
        self.remove(gone).await
    }

    /// Removes the rows of a record, itself last, unless somebody changes it meanwhile: a thread
    /// that a reply joins just now stays.
    pub(super) async fn remove_with(
        &mut self,
        root: &Key,
        version: u64,
        rows: Vec<Key>,
    ) -> Result<(), BooksError> {
        let mut rows: Vec<Key> = HashSet::<Key>::from_iter(rows).into_iter().collect();
        rows.sort_by_key(|key| key == root);
        for some in rows.chunks(REMOVED_AT_ONCE) {
            let mut writes = self.books.batch();
            writes.expect(root.clone(), Expect::Version(version));
            for key in some {
                writes.del(key.clone());
            }
            match self.books.commit(writes).await {
                Err(error) if error.is_conflict() => return Ok(()),
                done => done?,
            }
            self.removed = self.removed.saturating_add(some.len() as u64);
        }
        Ok(())
    }

    async fn remove(&mut self, rows: Vec<Key>) -> Result<(), BooksError> {
        let rows: Vec<Key> = HashSet::<Key>::from_iter(rows).into_iter().collect();
        for some in rows.chunks(REMOVED_AT_ONCE) {
            let mut writes = self.books.batch();
            for key in some {
                writes.del(key.clone());
            }
            self.books.commit(writes).await?;
            self.removed = self.removed.saturating_add(some.len() as u64);
        }
        Ok(())
    }

    async fn messages(&mut self, open: &HashSet<MessageKey>) -> Result<(), BooksError> {
        let until = self.until;
        let old =
            |message: &MessageRecord| message.received < until && !open.contains(&message.key);
        let rows: Rows<MessageRecord> = |books, message, _| rows_of_message(books, message).boxed();
        self.family(Ns::Message, old, rows).await
    }

    async fn threads(&mut self) -> Result<(), BooksError> {
        let until = self.until;
        let old = |thread: &ThreadRecord| thread.last < until;
        let rows: Rows<ThreadRecord> = |books, thread, _| rows_of_thread(books, thread).boxed();
        self.family(Ns::Thread, old, rows).await
    }

    async fn events(&mut self) -> Result<(), BooksError> {
        let until = self.until;
        let old = |event: &EventRow| event.at < until;
        let rows: Rows<EventRow> = |books, event, _| rows_of_old_event(books, event).boxed();
        self.family(Ns::Event, old, rows).await?;
        // Of what never became an event there is only this.
        let old = |outcome: &OutcomeRow| {
            outcome.seq.is_none() && outcome.closed.is_some_and(|at| at < until)
        };
        let rows: Rows<OutcomeRow> = |books, outcome, _| rows_of_outcome(books, outcome).boxed();
        self.family(Ns::Outcome, old, rows).await
    }

    async fn effects(&mut self) -> Result<(), BooksError> {
        let until = self.until;
        let old = |mail: &MailEffect| mail.state.is_final() && mail.since < until;
        let rows: Rows<MailEffect> = |books, mail, _| rows_of_mail(books, mail).boxed();
        self.family(Ns::Effect, old, rows).await?;
        let old = |hold: &HoldEffect| hold.state.is_final() && hold.since < until;
        let rows: Rows<HoldEffect> = |books, hold, _| rows_of_hold(books, hold).boxed();
        self.family(Ns::Hold, old, rows).await?;
        let old = |group: &HoldGroup| group.since < until;
        let rows: Rows<HoldGroup> = |books, group, _| rows_of_hold_group(books, group).boxed();
        self.family(Ns::HoldGroup, old, rows).await?;
        let old = |meeting: &Meeting| {
            let end = meeting.whole.as_ref().and_then(|whole| whole.when);
            meeting.changed < until && end.is_none_or(|when| when.end < until)
        };
        let rows: Rows<Meeting> = |books, meeting, _| rows_of_meeting(books, meeting).boxed();
        self.family(Ns::Meeting, old, rows).await?;
        let old = |effect: &MailboxEffect| effect.state.is_final() && effect.since < until;
        let rows: Rows<MailboxEffect> =
            |books, effect, _| rows_of_mailbox_effect(books, effect).boxed();
        self.family(Ns::MailboxEffect, old, rows).await?;
        // Reports about what nobody ever sent: backscatter of forged mail.
        let old = |row: &ReturnRecord| {
            row.id.starts_with(UNNAMED) && row.reports.iter().all(|one| one.at < until)
        };
        let rows: Rows<ReturnRecord> =
            |_, row, _| async move { Ok(vec![keys::returned(&row.id)]) }.boxed();
        self.family(Ns::Returned, old, rows).await
    }
}

async fn rows_of_thread(books: &Books, thread: &ThreadRecord) -> Result<Vec<Key>, BooksError> {
    let members = keys::thread_members(&thread.id);
    if !books.keys_under(members, 1).await?.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = all_under(books, keys::thread_parties(&thread.id)).await?;
    rows.push(keys::thread(&thread.id));
    Ok(rows)
}

/// An event that is open, or whose message is kept, stays.
async fn rows_of_old_event(books: &Books, event: &EventRow) -> Result<Vec<Key>, BooksError> {
    if let EventBody::Message(message) = &event.body
        && books.message(message).await?.is_some()
    {
        return Ok(Vec::new());
    }
    match books.outcome(&event.key).await? {
        Some(outcome) if outcome.closed.is_none() => Ok(Vec::new()),
        _ => rows_of_event(books, event).await,
    }
}

async fn rows_of_outcome(books: &Books, outcome: &OutcomeRow) -> Result<Vec<Key>, BooksError> {
    let stays = match &outcome.message {
        Some(message) => books.message(message).await?.is_some(),
        None => false,
    };
    let row = (!stays).then(|| keys::outcome(&outcome.event_key));
    Ok(Vec::from_iter(row))
}

async fn rows_of_mail(books: &Books, mail: &MailEffect) -> Result<Vec<Key>, BooksError> {
    let mut rows = rows_of_effect(books, &mail.id, &mail.cause).await?;
    let by = |by, what: &str| keys::effect_by(by, what, &mail.id);
    rows.extend([keys::mail(&mail.id), by("message-id", &mail.message_id)]);
    rows.extend(known_as_keys(mail));
    rows.extend(mail.requires.iter().map(|hold| by("hold", hold.as_str())));
    let returned = books.returned(mail.id.as_str()).await?;
    rows.extend(returned.map(|row| keys::returned(&row.id)));
    Ok(rows)
}

async fn rows_of_hold(books: &Books, hold: &HoldEffect) -> Result<Vec<Key>, BooksError> {
    let mut rows = rows_of_effect(books, &hold.id, &hold.cause).await?;
    rows.extend([
        keys::hold(&hold.id),
        keys::group_member(&hold.group, &hold.id),
    ]);
    Ok(rows)
}

/// A group goes after its last hold.
async fn rows_of_hold_group(books: &Books, group: &HoldGroup) -> Result<Vec<Key>, BooksError> {
    let members = keys::group_members(&group.id);
    let stays = !books.keys_under(members, 1).await?.is_empty();
    Ok(Vec::from_iter(
        (!stays).then(|| keys::hold_group(&group.id)),
    ))
}

async fn rows_of_meeting(books: &Books, meeting: &Meeting) -> Result<Vec<Key>, BooksError> {
    let mut rows = all_under(books, keys::audit_of(&meeting.id)).await?;
    rows.push(keys::meeting(&meeting.id));
    rows.extend(
        meeting
            .next_end()
            .map(|end| keys::meeting_due(end, &meeting.id)),
    );
    Ok(rows)
}

async fn rows_of_mailbox_effect(
    books: &Books,
    effect: &MailboxEffect,
) -> Result<Vec<Key>, BooksError> {
    let mut rows = rows_of_effect(books, &effect.id, &effect.cause).await?;
    rows.extend(mailbox_effect_keys(effect));
    rows.push(keys::mailbox_effect(&effect.id));
    rows.sort();
    rows.dedup();
    Ok(rows)
}

/// All rows of a message, its outcomes and events among them.
async fn rows_of_message(books: &Books, message: &MessageRecord) -> Result<Vec<Key>, BooksError> {
    let mut rows = vec![
        keys::message(&message.key),
        keys::thread_member(&message.thread, message.received, &message.key),
    ];
    rows.extend(
        message
            .message_id
            .as_ref()
            .map(|id| keys::msgid(id, &message.key)),
    );
    rows.extend(hint_keys(message));
    let report = books.report(&message.key).await?;
    rows.extend(report.map(|row| keys::report(&row.report)));
    let returned = books.returned(message.key.as_str()).await?;
    rows.extend(returned.map(|row| keys::returned(&row.id)));
    rows.extend(all_under(books, keys::deliveries(&message.key)).await?);
    for event_key in [message.key.0.clone(), format!("sent {}", message.key)] {
        let Some(outcome) = books.outcome(&event_key).await? else {
            continue;
        };
        rows.push(keys::outcome(&event_key));
        if let Some(seq) = outcome.seq
            && let Some(event) = books.event(&seq).await?
        {
            rows.extend(rows_of_event(books, &event).await?);
        }
    }
    Ok(rows)
}

async fn rows_of_event(books: &Books, event: &EventRow) -> Result<Vec<Key>, BooksError> {
    let mut rows = all_under(books, keys::plugin_results(event.seq)).await?;
    rows.extend([
        keys::event(&event.seq),
        keys::event_seen(&event.key),
        keys::outcome(&event.key),
    ]);
    Ok(rows)
}

async fn rows_of_effect(
    books: &Books,
    id: &EffectId,
    cause: &Cause,
) -> Result<Vec<Key>, BooksError> {
    let mut rows = all_under(books, keys::audit_of(id.as_str())).await?;
    rows.push(keys::effect_by("event", &cause.event_seq.to_string(), id));
    let thread = cause.subject.thread.as_ref();
    rows.extend(thread.map(|thread| keys::effect_by("thread", thread.as_str(), id)));
    Ok(rows)
}

/// The keys of a range.
pub(super) async fn all_under(books: &Books, range: Range) -> Result<Vec<Key>, BooksError> {
    let (ns, mut rows) = (range.ns, Vec::new());
    books
        .each_row(range, Dir::Forward, |key, _| {
            rows.push(Key::new(ns, key));
            Ok(ControlFlow::Continue(()))
        })
        .await?;
    Ok(rows)
}
