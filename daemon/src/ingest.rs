//! Taking mail in: read, identify, match, record. Commit C1.
//!
//! One message is one atomic commit: message, copy, place, Message-ID, thread, event and open
//! outcome. The cursor moves in the commit of the last message of a batch (or alone, when all of
//! it was known), so a crash in between only reads again what the identity gate recognises.
//! Nothing here reacts; the pipeline does, from the event log.

mod message;
mod taking;

pub(crate) use taking::{NewEvent, append_event, append_events};

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use liaison_core::ids::MailboxId;
use liaison_core::mail::{MessageView, ParseLimits, parse_message};
use tokio::sync::{Mutex, Notify};

use crate::books::rows::CursorRow;
use crate::books::{Books, BooksError, chain, keys, replace};
use crate::clock::Clock;
use crate::freshness::Freshness;
use crate::office::Office;
use crate::source::{Batch, BatchMode, Content, Cursor, FolderRef, Intake, IntakeError, Taken};
use crate::store::content::ContentError;

/// Commits tried again after somebody else changed a row in between.
const CONFLICTS_MAX: u32 = 8;
/// Messages of a batch whose bytes are written to content files at the same time.
const CONTENT_PARALLEL: usize = 8;

/// Takes what mail sources find.
#[derive(Debug)]
pub struct Ingest {
    books: Books,
    clock: Arc<dyn Clock>,
    office: Arc<Office>,
    freshness: Arc<Freshness>,
    /// Told after each commit that made an event.
    events: Arc<Notify>,
    /// One batch at a time: the event log has one order.
    turn: Mutex<()>,
}

impl Ingest {
    /// An ingest into `books`; `events` is notified when there is something to react to.
    #[must_use]
    pub fn new(
        books: Books,
        clock: Arc<dyn Clock>,
        office: Arc<Office>,
        freshness: Arc<Freshness>,
        events: Arc<Notify>,
    ) -> Ingest {
        Ingest {
            books,
            clock,
            office,
            freshness,
            events,
            turn: Mutex::new(()),
        }
    }

    async fn take_batch(&self, batch: Batch) -> Result<Taken, BooksError> {
        let last_look = self
            .books
            .get::<CursorRow>(keys::cursor(&batch.folder))
            .await?;
        let last_look = last_look.map(|row| row.record.at);
        let prepared = self.prepare(&batch).await?;
        let _turn = self.turn.lock().await;
        let mut taken = Taken::default();
        for item in &prepared {
            let taken_one = match self.take_one(&batch, item, last_look).await {
                // Nothing that a stranger writes may stop a mailbox.
                Err(error) if error.is_unfit() => {
                    let why = format!("its record does not fit the store ({})", chain(&error));
                    let plain = Prepared {
                        view: Err(why),
                        ..item.clone()
                    };
                    self.take_one(&batch, &plain, last_look).await
                }
                taken => taken,
            };
            if taken_one? {
                taken.new = taken.new.saturating_add(1);
            } else {
                taken.known = taken.known.saturating_add(1);
            }
        }
        self.move_cursor(&batch).await?;
        if taken.new > 0 {
            self.events.notify_one();
        }
        Ok(taken)
    }

    /// Reads all messages and makes their bytes durable, before anything refers to them.
    async fn prepare(&self, batch: &Batch) -> Result<Vec<Prepared>, BooksError> {
        let mut prepared = Vec::with_capacity(batch.arrived.len());
        for chunk in batch.arrived.chunks(CONTENT_PARALLEL) {
            let kept = futures_util::future::join_all(chunk.iter().map(|arrived| async move {
                match &arrived.content {
                    Content::Message(bytes) => self.books.keep(bytes.clone()).await,
                    Content::HeaderOnly { header, .. } => self.books.keep(header.clone()).await,
                    Content::Unfetchable { .. } => Ok(String::new()),
                }
            }))
            .await;
            for (arrived, content) in chunk.iter().zip(kept) {
                let view = match &arrived.content {
                    Content::Message(bytes) => read(bytes.clone()).await,
                    Content::HeaderOnly { header, .. } => read(header.clone()).await,
                    Content::Unfetchable { reason } => Err(reason.clone()),
                };
                let (content, view) = match content {
                    Err(BooksError::Content(ContentError::TooLarge { bytes })) => (
                        String::new(),
                        Err(format!("{bytes} bytes are more than is kept")),
                    ),
                    content => (content?, view),
                };
                prepared.push(Prepared {
                    arrived: arrived.clone(),
                    content,
                    view,
                });
            }
        }
        Ok(prepared)
    }

    async fn move_cursor(&self, batch: &Batch) -> Result<(), BooksError> {
        let key = keys::cursor(&batch.folder);
        let seen = self.books.get::<CursorRow>(key.clone()).await?;
        let standing = seen
            .as_ref()
            .is_some_and(|row| row.record.cursor == batch.cursor);
        if batch.mode == BatchMode::Rebind && standing {
            // Until the walk is done, the last good look stays the one before the change.
            return Ok(());
        }
        let row = CursorRow {
            cursor: batch.cursor,
            at: self.clock.now(),
        };
        let mut writes = self.books.batch();
        replace(&mut writes, key, seen.map(|row| row.version), &row)?;
        self.books.commit(writes).await
    }
}

/// A message that was read and whose bytes are durable.
#[derive(Debug, Clone)]
struct Prepared {
    arrived: crate::source::Arrived,
    content: String,
    /// `Err` says why there is nothing to see.
    view: Result<MessageView, String>,
}

/// Reads a message off the async threads; a panic is that message's own trouble.
async fn read(bytes: bytes::Bytes) -> Result<MessageView, String> {
    let parse = move || parse_message(&bytes, &ParseLimits::default());
    // Awaited right here, so it needs no supervisor.
    tokio::task::spawn_blocking(parse)
        .await
        .map_err(|_| "reading this message broke the reader; its bytes are kept".to_owned())
}

impl Intake for Ingest {
    fn cursor<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Option<Cursor>, IntakeError>> {
        async move {
            let row = self.books.get::<CursorRow>(keys::cursor(folder)).await;
            row.map(|row| row.map(|row| row.record.cursor))
                .map_err(|error| refused(&folder.mailbox, &error))
        }
        .boxed()
    }

    fn unknown<'a>(
        &'a self,
        folder: &'a FolderRef,
        locators: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<String>, IntakeError>> {
        async move {
            let wanted: Vec<_> = locators
                .iter()
                .map(|locator| keys::locator(folder, locator))
                .collect();
            let rows = self.books.store.get(&wanted).await;
            let rows = rows.map_err(|error| refused(&folder.mailbox, &error.into()))?;
            let unknown = locators
                .into_iter()
                .zip(rows)
                .filter(|(_, row)| row.is_none());
            Ok(unknown.map(|(locator, _)| locator).collect())
        }
        .boxed()
    }

    fn take(&self, batch: Batch) -> BoxFuture<'_, Result<Taken, IntakeError>> {
        async move {
            let mailbox = batch.folder.mailbox.clone();
            self.take_batch(batch)
                .await
                .map_err(|error| refused(&mailbox, &error))
        }
        .boxed()
    }

    fn proven_fresh(&self, folder: &FolderRef, proof: &'static str) {
        self.freshness.mail_proven(folder, self.clock.now(), proof);
    }

    fn trouble(&self, mailbox: &MailboxId, what: String, needs_person: bool) {
        if self
            .freshness
            .trouble(mailbox.as_str(), what.clone(), needs_person)
        {
            tracing::warn!(%mailbox, %what, needs_person, "mailbox in trouble");
        }
    }
}

fn refused(mailbox: &MailboxId, error: &BooksError) -> IntakeError {
    IntakeError {
        mailbox: mailbox.clone(),
        why: chain(error),
    }
}

#[cfg(test)]
mod tests;
