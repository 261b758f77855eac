//! Taking mail in: read, identify, match, record. Commit C1.
//!
//! A batch is one atomic commit: of each message its record, copy, place, Message-ID, thread,
//! event and open outcome, and with the last of them the cursor. A batch that is larger than one
//! commit may be ([`CHUNK_ROWS_MAX`], [`CHUNK_BYTES_MAX`]) is cut between messages, and one that
//! meets another writer is taken in halves; the cursor always goes with the last part, so a crash
//! in between only reads again what the identity gate recognises. Within a part each message sees
//! the ones before it ([`Chunk`]), so two copies in one batch are one message.
//!
//! What cannot be read now is kept in a list with its next try ([`unread`]), in the same commit.
//! Nothing here reacts; the pipeline does, from the event log.

pub(crate) mod backfill;
mod listed;
mod message;
mod moved;
mod ours;
mod reports;
mod senders;
mod taking;
mod thread;
mod unread;
mod unsubscribed;

pub(crate) use reports::UNNAMED;
pub(crate) use senders::Inbound;
pub(crate) use taking::{
    EVENT_NEXT, NewEvent, RECORDED_ONLY, append_event, append_events, timeline_row,
};

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use liaison_core::ids::MailboxId;
use liaison_core::mail::address::NamedAddress;
use liaison_core::mail::{DkimCheck, MessageView};
use liaison_core::message::gone;
use liaison_core::time::Timestamp;
use tokio::sync::{Mutex, Notify};

use crate::books::chunk::Chunk;
use crate::books::rows::CursorRow;
use crate::books::{Books, BooksError, chain, keys, replace};
use crate::clock::Clock;
use crate::freshness::Freshness;
use crate::office::Office;
use crate::privacy::{ERASED_WHY, Tombstones};
use crate::reader;
use crate::source::backfill::{Backfill, Rehearsal};
use crate::source::listed::Listed;
use crate::source::{
    Arrived, Batch, BatchMode, Content, Cursor, FolderRef, FolderRole, Intake, IntakeError, Taken,
    Unread,
};
use crate::store::BATCH_ROWS_MAX;
use crate::store::content::ContentError;
use unread::{Again, UnreadList};

/// Commits of a single message tried again after somebody else changed a row in between.
const CONFLICTS_MAX: u32 = 8;
/// Rows (puts, deletes, expectations) from which on a commit takes no further message. A message
/// with all it touches is about 20 rows, so that a usual batch of 100 is one commit.
const CHUNK_ROWS_MAX: usize = BATCH_ROWS_MAX - MESSAGE_ROWS_MAX;
/// Most rows that one message or the cursor adds.
const MESSAGE_ROWS_MAX: usize = 100;
/// Bytes of keys and values from which on a commit takes no further message: a tenth of what the
/// rows could hold, so that the writer thread is soon free for others.
const CHUNK_BYTES_MAX: usize = 768 * 1024;

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
    /// [`CHUNK_ROWS_MAX`], less in tests.
    chunk_rows_max: usize,
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
            chunk_rows_max: CHUNK_ROWS_MAX,
        }
    }

    async fn take_batch(&self, batch: Batch) -> Result<Taken, TakeError> {
        let prepared = self.prepare(&batch).await?;
        let _turn = self.turn.lock().await;
        let mut taken = Taken::default();
        let mut rest = prepared.as_slice();
        let (mut most, mut conflicts) = (usize::MAX, 0);
        loop {
            let part = rest.get(..most).unwrap_or(rest);
            match self.take_part(&batch, part, part.len() == rest.len()).await {
                Ok(part) => {
                    taken.new = taken.new.saturating_add(part.taken.new);
                    taken.known = taken.known.saturating_add(part.taken.known);
                    taken.unread = taken.unread.saturating_add(part.taken.unread);
                    rest = rest.get(part.messages..).unwrap_or_default();
                    conflicts = 0;
                    if part.finished {
                        return Ok(taken);
                    }
                }
                // A smaller part holds what it read for a shorter time.
                Err(error) if error.is_conflict() && part.len() > 1 => most = part.len() / 2,
                Err(error) if error.is_conflict() && conflicts < CONFLICTS_MAX => conflicts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes as many of `items` as fit one commit; with the last of the batch the cursor moves.
    async fn take_part(
        &self,
        batch: &Batch,
        items: &[Prepared],
        reaches_end: bool,
    ) -> Result<Part, TakeError> {
        let chunk = Arc::new(Chunk::new(self.books.store.clone()));
        let books = self.books.through(chunk.clone());
        let cursor = books.get::<CursorRow>(keys::cursor(&batch.folder)).await?;
        let taking = Taking {
            ingest: self,
            batch,
            last_look: cursor.as_ref().map(|row| row.record.at),
            books,
        };
        let mut unread = UnreadList::read(&taking.books, &batch.folder).await?;
        let mut part = Part::default();
        for item in items {
            taking.take(item, &mut unread, &mut part.taken).await?;
            part.messages = part.messages.saturating_add(1);
            let size = chunk.size();
            if size.rows >= self.chunk_rows_max || size.bytes >= CHUNK_BYTES_MAX {
                break;
            }
        }
        let all = part.messages == items.len() && reaches_end;
        // What it clears away must fit too; else the cursor gets a commit of its own.
        let rows = chunk.size().rows.saturating_add(unread.len());
        part.finished = all && (rows < self.chunk_rows_max || items.is_empty());
        if part.finished {
            taking.move_cursor(cursor, &unread).await?;
        }
        let mut writes = self.books.batch();
        chunk.drain(&mut writes);
        if !writes.is_empty() {
            self.books.commit(writes).await?;
        }
        if part.taken.new > 0 {
            self.events.notify_one();
        }
        Ok(part)
    }

    /// Reads all messages and makes their bytes durable, before anything refers to them.
    async fn prepare(&self, batch: &Batch) -> Result<Vec<Prepared>, BooksError> {
        let tombstones = Tombstones::read(&self.books).await?;
        let views = read(&batch.arrived).await;
        let mut prepared = Vec::with_capacity(batch.arrived.len());
        for (arrived, view) in batch.arrived.iter().zip(views) {
            // Before anything is kept: of an erased person nothing is.
            let erased = match &view {
                Ok(view) => self.erased(&tombstones, batch, view).await?,
                Err(_) => Erased::default(),
            };
            prepared.push(Prepared {
                arrived: arrived.clone(),
                content: String::new(),
                view,
                erased,
                dkim: None,
            });
        }
        self.keep_contents(&mut prepared).await?;
        self.check_senders(batch, &mut prepared).await?;
        Ok(prepared)
    }

    /// Makes the bytes of all messages durable, with one sync.
    async fn keep_contents(&self, prepared: &mut [Prepared]) -> Result<(), BooksError> {
        let (mut kept, mut all) = (Vec::new(), Vec::new());
        for item in prepared.iter_mut() {
            match bytes_of(&item.arrived.content) {
                Some(_) if item.erased.whole => item.content = gone(ERASED_WHY),
                Some(bytes) => {
                    all.push(bytes.clone());
                    kept.push(item);
                }
                None => {}
            }
        }
        for (item, name) in kept.into_iter().zip(self.books.keep_all(all).await?) {
            match name {
                Ok(name) => item.content = name,
                Err(ContentError::TooLarge { bytes }) => {
                    item.view = Err(format!("{bytes} bytes are more than is kept"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Who of a message was erased.
    async fn erased(
        &self,
        tombstones: &Tombstones,
        batch: &Batch,
        view: &MessageView,
    ) -> Result<Erased, BooksError> {
        let mut erased = Erased::default();
        if tombstones.are_none() {
            return Ok(erased);
        }
        let written_to = || view.to.iter().chain(&view.cc).chain(&view.bcc);
        for named in view.from.iter().chain(&view.reply_to).chain(written_to()) {
            let key = named.address.key();
            if tombstones.has(&self.books, &key).await? {
                erased.people.insert(key);
            }
        }
        let is_erased = |named: &NamedAddress| erased.people.contains(&named.address.key());
        erased.whole = match batch.folder.role {
            FolderRole::Sent => {
                let mut outside = written_to().filter(|named| !self.office.owns(&named.address));
                let first = outside.next();
                first.is_some_and(is_erased) && outside.all(is_erased)
            }
            _ => view.from.iter().any(is_erased),
        };
        // A delivery report is about whom it names, whoever wrote it.
        let report = view.class.bounce.iter();
        for copy in report.flat_map(|report| &report.recipients) {
            let Some(address) = &copy.recipient else {
                continue;
            };
            if tombstones.has(&self.books, &address.key()).await? {
                erased.people.insert(address.key());
                erased.whole = true;
            }
        }
        Ok(erased)
    }
}

fn bytes_of(content: &Content) -> Option<&bytes::Bytes> {
    match content {
        Content::Message(bytes) => Some(bytes),
        Content::HeaderOnly { header, .. } => Some(header),
        Content::NotNow { .. } | Content::Vanished | Content::Unfetchable { .. } => None,
    }
}

/// What is to be seen of each message, or why nothing is.
async fn read(arrived: &[Arrived]) -> Vec<Result<Arc<MessageView>, String>> {
    let all = arrived.iter().filter_map(|one| bytes_of(&one.content));
    let mut views = reader::read_all(all.cloned().collect()).await.into_iter();
    let seen = |one: &Arrived| match &one.content {
        Content::Message(_) | Content::HeaderOnly { .. } => match views.next() {
            Some(Ok(view)) => Ok(Arc::new(view)),
            Some(Err(broke)) => Err(broke.to_string()),
            None => Err(reader::ReaderBroke.to_string()),
        },
        Content::NotNow { reason } | Content::Unfetchable { reason } => Err(reason.clone()),
        Content::Vanished => Err(VANISHED.to_owned()),
    };
    arrived.iter().map(seen).collect()
}

/// Who of a message is a person whose data was erased.
#[derive(Debug, Clone, Default)]
struct Erased {
    /// It is from or to such persons alone: nothing of it is kept.
    whole: bool,
    /// Their addresses.
    people: BTreeSet<String>,
}

/// What is said of a message that was listed and then gone.
const VANISHED: &str = "it was moved or deleted before it could be read";

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
enum TakeError {
    #[error(transparent)]
    Books(#[from] BooksError),
    #[error(
        "more than {} messages of {folder} cannot be read: the mailbox itself is in trouble; look \
         at its server or disk, it is tried again",
        unread::UNREAD_MAX
    )]
    TooManyUnread { folder: String },
}

impl TakeError {
    fn is_conflict(&self) -> bool {
        matches!(self, TakeError::Books(error) if error.is_conflict())
    }

    fn is_unfit(&self) -> bool {
        matches!(self, TakeError::Books(error) if error.is_unfit())
    }

    fn is_newer(&self) -> bool {
        matches!(self, TakeError::Books(error) if error.is_newer())
    }
}

/// What one commit took.
#[derive(Debug, Default)]
struct Part {
    messages: usize,
    taken: Taken,
    /// The batch is done, and the cursor moved.
    finished: bool,
}

/// One part of a batch on its way into one commit; `books` see what was staged so far.
struct Taking<'a> {
    ingest: &'a Ingest,
    batch: &'a Batch,
    last_look: Option<Timestamp>,
    books: Books,
}

impl Taking<'_> {
    /// Stages one message, whatever can be had of it.
    async fn take(
        &self,
        item: &Prepared,
        unread: &mut UnreadList,
        taken: &mut Taken,
    ) -> Result<(), TakeError> {
        let mut item = std::borrow::Cow::Borrowed(item);
        match unread.again(self, &item)? {
            Again::Later => {
                taken.unread = taken.unread.saturating_add(1);
                return self.keep_for_later(&item, unread).await;
            }
            Again::Never => return Ok(()),
            Again::GivenUp(why) => item.to_mut().view = Err(why),
            Again::Now => {}
        }
        let last_look = unread.last_look(&item).or(self.last_look);
        let new = match self.take_one(&item, last_look).await {
            // Nothing that a stranger writes may stop a mailbox.
            Err(error) if error.is_unfit() => {
                let why = format!("its record does not fit the store ({})", chain(&error));
                item.to_mut().view = Err(why);
                self.take_one(&item, last_look).await
            }
            // A record that a later release wrote belongs to it: asked for again, so that it is
            // taken when that release, or a later one, runs.
            Err(error) if error.is_newer() => {
                item.to_mut().arrived.content = Content::NotNow {
                    reason: chain(&error),
                };
                return match unread.again(self, &item)? {
                    Again::Later => {
                        taken.unread = taken.unread.saturating_add(1);
                        self.keep_for_later(&item, unread).await
                    }
                    // Given up for now: its place is kept all the same.
                    _ => self.keep_for_later(&item, unread).await,
                };
            }
            other => other,
        };
        self.forget_unread(&item, unread).await?;
        let count = if new? {
            &mut taken.new
        } else {
            &mut taken.known
        };
        *count = count.saturating_add(1);
        Ok(())
    }

    async fn move_cursor(
        &self,
        seen: Option<crate::store::Stored<CursorRow>>,
        unread: &UnreadList,
    ) -> Result<(), TakeError> {
        let Some(cursor) = self.batch.cursor else {
            return Ok(());
        };
        let standing = seen.as_ref().is_some_and(|row| row.record.cursor == cursor);
        if self.batch.mode == BatchMode::Rebind && standing {
            // Until the walk is done, the last good look stays the one before the change.
            return Ok(());
        }
        let before = seen.as_ref().map(|row| row.record.cursor);
        if let (
            Some(Cursor::Imap {
                uid_validity: old, ..
            }),
            Cursor::Imap {
                uid_validity: new, ..
            },
        ) = (before, cursor)
            && old != new
        {
            self.renumbered((old, new), unread).await?;
        }
        let row = CursorRow {
            cursor,
            at: self.ingest.clock.now(),
            line: line_of(seen.as_ref().map(|row| &row.record), cursor),
        };
        let mut writes = self.books.batch();
        let key = keys::cursor(&self.batch.folder);
        replace(&mut writes, key, seen.map(|row| row.version), &row)?;
        Ok(self.books.commit(writes).await?)
    }
}

/// From which UID on everything is known, when the cursor stands at `cursor`.
fn line_of(before: Option<&CursorRow>, cursor: Cursor) -> Option<u32> {
    let Cursor::Imap {
        uid_validity,
        next_uid,
    } = cursor
    else {
        return None;
    };
    match before.map(|row| (row.cursor, row.line)) {
        // The line is drawn: what is below is history.
        None => Some(next_uid),
        Some((
            Cursor::Imap {
                uid_validity: old,
                next_uid: reached,
            },
            line,
        )) if old == uid_validity && reached <= next_uid => line,
        // The walk through the whole folder is over, and judged what it found.
        Some(_) => Some(next_uid),
    }
}

/// A message that was read and whose bytes are durable.
#[derive(Debug, Clone)]
struct Prepared {
    arrived: Arrived,
    content: String,
    /// `Err` says why there is nothing to see.
    view: Result<Arc<MessageView>, String>,
    erased: Erased,
    /// Our own check of its signatures, where one was made.
    dkim: Option<DkimCheck>,
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

    fn line<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Option<u32>, IntakeError>> {
        async move {
            let row = self.books.get::<CursorRow>(keys::cursor(folder)).await;
            row.map(|row| row.and_then(|row| row.record.line))
                .map_err(|error| refused(&folder.mailbox, &error))
        }
        .boxed()
    }

    fn unread<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Vec<Unread>, IntakeError>> {
        async move {
            let list = UnreadList::read(&self.books, folder).await;
            list.map(|list| list.places())
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
            let rows = rows.map_err(|error| refused(&folder.mailbox, &BooksError::from(error)))?;
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

    fn watches(&self, mailbox: &MailboxId, folders: &[&str]) {
        self.freshness.folders(mailbox, folders, self.clock.now());
    }

    fn proven_fresh(&self, folder: &FolderRef, proof: &'static str) {
        self.freshness.mail_proven(folder, self.clock.now(), proof);
    }

    fn keep_listed<'a>(
        &'a self,
        folder: &'a FolderRef,
        listed: Listed,
    ) -> BoxFuture<'a, Result<(), IntakeError>> {
        async move {
            let kept = Ingest::keep_listed(self, folder, listed).await;
            kept.map_err(|error| refused(&folder.mailbox, &error))
        }
        .boxed()
    }

    fn listed<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Option<Listed>, IntakeError>> {
        async move {
            let listed = self.listed_of(folder).await;
            listed.map_err(|error| refused(&folder.mailbox, &error))
        }
        .boxed()
    }

    fn backfill<'a>(
        &'a self,
        mailbox: &'a MailboxId,
    ) -> BoxFuture<'a, Result<Option<Backfill>, IntakeError>> {
        async move {
            let asked = self.backfill_of(mailbox).await;
            asked.map_err(|error| refused(mailbox, &error))
        }
        .boxed()
    }

    fn rehearse(&self, step: Rehearsal) -> BoxFuture<'_, Result<(), IntakeError>> {
        async move {
            let done = self.rehearse_step(&step).await;
            done.map_err(|error| refused(&step.folder.mailbox, &error))
        }
        .boxed()
    }

    fn drafts_compared(&self, mailbox: &MailboxId, folder: &str) {
        let fresh = (self.clock.now(), "UIDNEXT compared");
        self.freshness.folder_proven(mailbox, folder, fresh);
    }

    fn trouble(&self, mailbox: &MailboxId, folder: Option<&str>, what: String, needs_person: bool) {
        let trouble = (what.clone(), needs_person);
        if self.freshness.mail_trouble(mailbox, folder, trouble) {
            tracing::warn!(%mailbox, %what, needs_person, "mailbox in trouble");
        }
    }
}

fn refused(mailbox: &MailboxId, error: &(dyn std::error::Error + 'static)) -> IntakeError {
    IntakeError {
        mailbox: mailbox.clone(),
        why: chain(error),
    }
}

#[cfg(test)]
mod tests;
