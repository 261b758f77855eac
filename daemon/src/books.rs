//! The books: typed rows over the store, and nothing that decides.
//!
//! One function per key, one `Record` per row. Writers build a [`Batch`] with these keys and
//! commit it; readers use [`Books`]. What a decision rests on is read to its end, page by page:
//! a list cut in silence would be a wrong answer.

pub(crate) mod chunk;
pub mod frozen;
pub mod indexes;
pub mod keys;
mod mailbox;
pub mod registry;
pub mod rows;
pub mod sweep;
mod touches;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use liaison_core::account::matching::FreeMail;
use liaison_core::account::{Account, Contact};
use liaison_core::effect::{HoldEffect, MailEffect};
use liaison_core::hold::HoldGroup;
use liaison_core::ids::{
    AccountId, CaseId, ContactId, EffectId, HoldGroupId, MessageKey, PluginName, TaskId, ThreadId,
    TimerId,
};
use liaison_core::mail::thread::server_id_part;
use liaison_core::mail::{Address, Standing, standing_names};
use liaison_core::mailbox::MailboxEffect;
use liaison_core::meeting::Meeting;
use liaison_core::message::{MessageRecord, ThreadRecord};
use liaison_core::optout::OptOut;
use liaison_core::reach::{Reach, ReportRecord, ReturnRecord};
use liaison_core::records::{CaseRecord, TaskRecord, TimerRecord};
use liaison_core::time::Timestamp;

use crate::reader::Recent;
use crate::store::codec::{CodecError, Record};
use crate::store::content::{ContentError, ContentHash, ContentStore};
use crate::store::sled::SledStore;
use crate::store::{
    Batch, CommitError, CommitId, Dir, Expect, Fence, Key, Ns, PAGE_ROWS_MAX, Range, ReadError,
    Store, Stored, Versioned,
};
use registry::{Registry, has_records};
use rows::{
    AuditRow, DeliveryRow, EventRow, LedgerRow, LookedRow, OutcomeRow, PluginResultRow,
    PluginStateRow, TimelineRow,
};

/// Most messages of a thread that are shown.
pub const THREAD_MESSAGES_MAX: usize = 200;
/// Most messages looked at that share a hint with an answer; the newest tell.
const HINTED_MAX: usize = 20;

/// Why a row could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The store could not be read.
    #[error("the records cannot be read")]
    Read(#[from] ReadError),
    /// The store did not take a commit.
    #[error("the records cannot be written")]
    Commit(#[from] CommitError),
    /// A record cannot be written in its form.
    #[error("a record cannot be encoded")]
    Codec(#[from] crate::store::codec::CodecError),
    /// A later release wrote the row, and the commit would overwrite or remove it.
    #[error(
        "the record {key} was written by a newer liaison and is kept as it is: start that release \
         or a later one"
    )]
    Newer {
        /// The row.
        key: Key,
    },
    /// A content file could not be read or written.
    #[error("a content file cannot be used")]
    Content(#[from] ContentError),
}

impl BooksError {
    /// Whether the store itself has failed or belongs to somebody else: no work can go on.
    #[must_use]
    pub fn is_store_failure(&self) -> bool {
        matches!(
            self,
            BooksError::Commit(
                CommitError::Full
                    | CommitError::Corrupt(_)
                    | CommitError::Gone(_)
                    | CommitError::Fenced
            ) | BooksError::Read(ReadError::Corrupt(_) | ReadError::Gone(_))
        )
    }

    /// Whether a record that a later release wrote is in the way: whatever it belongs to is left
    /// alone.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        matches!(
            self,
            BooksError::Newer { .. }
                | BooksError::Read(ReadError::Record {
                    source: CodecError::Newer { .. },
                    ..
                })
        )
    }

    /// Whether the same work may simply be done again from its first read.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(
            self,
            BooksError::Commit(CommitError::Conflict(_) | CommitError::Busy)
        )
    }
}

impl BooksError {
    /// Whether the commit itself cannot be stored, however often it is tried.
    #[must_use]
    pub fn is_unfit(&self) -> bool {
        matches!(
            self,
            BooksError::Commit(
                CommitError::TooLarge { .. }
                    | CommitError::TooMany { .. }
                    | CommitError::Repeated(_)
            )
        )
    }
}

/// The causes of an error in one line, outermost first.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Typed access to everything remembered. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Books {
    /// The rows.
    pub store: Arc<dyn Store>,
    /// Bytes of messages and rendered mails.
    pub content: ContentStore,
    /// The store itself, where it keeps its files on this machine: for backups and looking over.
    pub local: Option<Arc<SledStore>>,
    /// Messages that were just read.
    pub recent: Arc<Recent>,
    fence: Fence,
}

impl Books {
    /// Books over a store whose only shard is owned under `fence`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, content: ContentStore, fence: Fence) -> Books {
        Books {
            store,
            content,
            local: None,
            recent: Arc::default(),
            fence,
        }
    }

    /// The same, over a store that keeps its files on this machine.
    #[must_use]
    pub fn with_local(mut self, local: Arc<SledStore>) -> Books {
        self.local = Some(local);
        self
    }

    /// Books that read and commit through `store`: a chunk in front of ours.
    pub(crate) fn through(&self, store: Arc<dyn Store>) -> Books {
        Books {
            store,
            content: self.content.clone(),
            local: self.local.clone(),
            recent: self.recent.clone(),
            fence: self.fence,
        }
    }

    /// An empty batch under our fence.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch::fenced(self.fence)
    }

    /// Commits a batch.
    ///
    /// # Errors
    /// As the store; [`BooksError::Newer`] when it would overwrite or remove a record that a later
    /// release wrote.
    pub async fn commit(&self, batch: Batch) -> Result<(), BooksError> {
        self.commit_as(batch).await.map(|_| ())
    }

    /// As [`Self::commit`]; tells the version that the rows have got.
    pub(crate) async fn commit_as(&self, batch: Batch) -> Result<CommitId, BooksError> {
        self.keep_newer(&batch).await?;
        Ok(self.store.commit(batch).await?)
    }

    /// Rows that are expected in a version, or absent, were read as what they are; only others can
    /// be overwritten without a look.
    async fn keep_newer(&self, batch: &Batch) -> Result<(), BooksError> {
        let expected: HashSet<&Key> = batch.expect.iter().map(|(key, _)| key).collect();
        let written = batch.puts.iter().map(|(key, _)| key).chain(&batch.dels);
        let blind: Vec<Key> = written
            .filter(|key| has_records(key.ns) && !expected.contains(key))
            .cloned()
            .collect();
        if blind.is_empty() {
            return Ok(());
        }
        let registry = Registry::own();
        let rows = self.store.get(&blind).await?;
        for (key, row) in blind.into_iter().zip(rows) {
            if row.is_some_and(|row| registry.is_newer(&row.value)) {
                return Err(BooksError::Newer { key });
            }
        }
        Ok(())
    }

    /// Reads one record with its version.
    ///
    /// # Errors
    /// As the store.
    pub async fn get<T: Record>(&self, key: Key) -> Result<Option<Stored<T>>, BooksError> {
        Ok(self.store.get_record(key).await?)
    }

    async fn value<T: Record>(&self, key: Key) -> Result<Option<T>, BooksError> {
        Ok(self.get(key).await?.map(|stored| stored.record))
    }

    /// Reads the records of a range, without those that a later release wrote.
    ///
    /// # Errors
    /// As the store.
    pub async fn list<T: Record>(
        &self,
        range: Range,
        dir: Dir,
        limit: usize,
    ) -> Result<Vec<T>, BooksError> {
        let ns = range.ns;
        let rows = self.store.scan_range(range, dir, limit).await?;
        let mut records = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            records.extend(known::<T>(&Key::new(ns, key), &row)?);
        }
        Ok(records)
    }

    /// The first `limit` keys of a range, without their values.
    ///
    /// # Errors
    /// As the store.
    pub async fn keys_under(&self, range: Range, limit: usize) -> Result<Vec<Bytes>, BooksError> {
        let rows = self.store.scan_range(range, Dir::Forward, limit).await?;
        Ok(rows.into_iter().map(|(key, _)| key).collect())
    }

    /// Goes through all rows of a range, a page at a time, until `each` breaks.
    ///
    /// # Errors
    /// As the store and `each`.
    pub async fn each_row(
        &self,
        range: Range,
        dir: Dir,
        mut each: impl FnMut(Bytes, Versioned) -> Result<ControlFlow<()>, BooksError>,
    ) -> Result<(), BooksError> {
        let mut after = None;
        loop {
            let page = self
                .store
                .scan(range.clone(), dir, PAGE_ROWS_MAX, after)
                .await?;
            for (key, row) in page.items {
                if each(key, row)?.is_break() {
                    return Ok(());
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Goes through all records of a range in the order of their keys, a page at a time; those
    /// that a later release wrote are passed over (`status` tells how many there are).
    ///
    /// # Errors
    /// As the store.
    pub async fn each<T: Record>(
        &self,
        range: Range,
        mut each: impl FnMut(T),
    ) -> Result<(), BooksError> {
        let ns = range.ns;
        self.each_row(range, Dir::Forward, |key, row| {
            if let Some(record) = known::<T>(&Key::new(ns, key), &row)? {
                each(record);
            }
            Ok(ControlFlow::Continue(()))
        })
        .await
    }

    /// All records of a range.
    ///
    /// # Errors
    /// As the store.
    pub async fn every<T: Record>(&self, range: Range) -> Result<Vec<T>, BooksError> {
        let mut records = Vec::new();
        self.each(range, |record| records.push(record)).await?;
        Ok(records)
    }

    /// All keys of a range.
    ///
    /// # Errors
    /// As the store.
    pub async fn every_key(&self, range: Range) -> Result<Vec<Bytes>, BooksError> {
        let mut keys = Vec::new();
        self.each_row(range, Dir::Forward, |key, _| {
            keys.push(key);
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        Ok(keys)
    }
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident($arg:ident: $id:ty) -> $row:ty = $key:path;)*) => {
        impl Books {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// As the store.
                pub async fn $name(&self, $arg: &$id) -> Result<Option<$row>, BooksError> {
                    self.value($key($arg)).await
                }
            )*
        }
    };
}

getters! {
    /// A message.
    message(key: MessageKey) -> MessageRecord = keys::message;
    /// A conversation.
    thread(id: ThreadId) -> ThreadRecord = keys::thread;
    /// An account.
    account(id: AccountId) -> Account = keys::account;
    /// A contact.
    contact(id: ContactId) -> Contact = keys::contact;
    /// A mail.
    mail(id: EffectId) -> MailEffect = keys::mail;
    /// A hold.
    hold(id: EffectId) -> HoldEffect = keys::hold;
    /// A group of holds; those of an earlier release have none until something happens to them.
    hold_group(id: HoldGroupId) -> HoldGroup = keys::hold_group;
    /// A change of a message in its mailbox.
    mailbox_effect(id: EffectId) -> MailboxEffect = keys::mailbox_effect;
    /// A case.
    case(id: CaseId) -> CaseRecord = keys::case;
    /// A task.
    task(id: TaskId) -> TaskRecord = keys::task;
    /// A timer.
    timer(id: TimerId) -> TimerRecord = keys::timer;
    /// The outcome of an event, by event key.
    outcome(event_key: str) -> OutcomeRow = keys::outcome;
    /// An event, by its place in the log.
    event(seq: u64) -> EventRow = keys::event;
    /// How mail to an address in lookup form, or to `@` and a domain, fares.
    reach(subject: str) -> Reach = keys::reach;
    /// What became of a delivery report.
    report(message: MessageKey) -> ReportRecord = keys::report;
    /// The delivery reports about a mail, or about a message of ours.
    returned(id: str) -> ReturnRecord = keys::returned;
    /// The wish of whoever has an address, without `+tag`, not to get further mail.
    opt_out(address: str) -> OptOut = keys::opt_out;
    /// A meeting.
    meeting(id: str) -> Meeting = keys::meeting;
    /// How a plugin stands.
    plugin_state(name: PluginName) -> PluginStateRow = keys::plugin_state;
}

impl Books {
    /// What each plugin said about an event.
    ///
    /// # Errors
    /// As the store.
    pub async fn plugin_results(&self, seq: u64) -> Result<Vec<PluginResultRow>, BooksError> {
        self.every(keys::plugin_results(seq)).await
    }

    /// The newest messages of a thread, oldest of them first.
    ///
    /// # Errors
    /// As the store.
    pub async fn thread_messages(
        &self,
        thread: &ThreadId,
        newest: usize,
    ) -> Result<Vec<MessageRecord>, BooksError> {
        let range = keys::thread_members(thread);
        let limit = newest.min(THREAD_MESSAGES_MAX);
        let rows = self.store.scan_range(range, Dir::Reverse, limit).await?;
        let mut messages = Vec::with_capacity(rows.len());
        for (key, _) in rows.iter().rev() {
            if let Some(message) = keys::member_message(key)
                && let Some(message) = self.message(&message).await?
            {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    /// What whoever writes from this address is to a thread; an unreadable one is an outsider.
    ///
    /// # Errors
    /// As the store.
    pub async fn standing(
        &self,
        thread: &ThreadId,
        email: &str,
        free_mail: &FreeMail,
    ) -> Result<Standing, BooksError> {
        let Ok(address) = Address::parse(email) else {
            return Ok(Standing::Outsider);
        };
        let (own, shared) = standing_names(&address, free_mail);
        let own = self.standing_of_name(thread, &own).await?;
        match shared {
            Some(shared) if own == Standing::Outsider => {
                self.standing_of_name(thread, &shared).await
            }
            _ => Ok(own),
        }
    }

    /// The same for one of [`standing_names`].
    ///
    /// # Errors
    /// As the store.
    pub async fn standing_of_name(
        &self,
        thread: &ThreadId,
        name: &str,
    ) -> Result<Standing, BooksError> {
        let row = self.store.get_one(keys::thread_party(thread, name)).await?;
        let code = row.and_then(|row| row.value.first().copied());
        Ok(code.map_or(Standing::Outsider, Standing::from_code))
    }

    /// Ids of the mails and holds of a thread.
    ///
    /// # Errors
    /// As the store.
    pub async fn effects_of_thread(&self, thread: &ThreadId) -> Result<Vec<EffectId>, BooksError> {
        self.effect_ids(keys::effects_by("thread", thread.as_str()))
            .await
    }

    /// Ids of the mails and holds that an event caused.
    ///
    /// # Errors
    /// As the store.
    pub async fn effects_of_event(&self, seq: u64) -> Result<Vec<EffectId>, BooksError> {
        self.effect_ids(keys::effects_by("event", &seq.to_string()))
            .await
    }

    /// Ids of the mails that wait for a hold.
    ///
    /// # Errors
    /// As the store.
    pub async fn mails_requiring(&self, hold: &EffectId) -> Result<Vec<EffectId>, BooksError> {
        self.effect_ids(keys::effects_by("hold", hold.as_str()))
            .await
    }

    /// The mail of ours with this Message-ID.
    ///
    /// # Errors
    /// As the store.
    pub async fn mail_by_message_id(&self, id: &str) -> Result<Option<EffectId>, BooksError> {
        // Some servers give a mail another id; what they answered tells it.
        let part = server_id_part(id).map(|part| ("server-id", part));
        for (by, id) in [("message-id", id)].into_iter().chain(part) {
            let found = self.effect_ids(keys::effects_by(by, id)).await?;
            if let Some(mail) = found.into_iter().next() {
                return Ok(Some(mail));
            }
        }
        Ok(None)
    }

    /// The newest messages that share a hint (`index`, `subject`) with an answer that has no link.
    ///
    /// # Errors
    /// As the store.
    pub async fn hinted(&self, by: &str, what: &str) -> Result<Vec<MessageRecord>, BooksError> {
        let range = keys::thread_hints(by, what);
        let rows = self
            .store
            .scan_range(range, Dir::Reverse, HINTED_MAX)
            .await?;
        let mut messages = Vec::new();
        for (key, _) in &rows {
            if let Some(message) = keys::hint_message(key)
                && let Some(message) = self.message(&message).await?
            {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    async fn effect_ids(&self, range: Range) -> Result<Vec<EffectId>, BooksError> {
        let keys = self.every_key(range).await?;
        Ok(keys
            .iter()
            .filter_map(|key| keys::indexed_effect(key))
            .collect())
    }

    /// Holds of one group.
    ///
    /// # Errors
    /// As the store.
    pub async fn holds_of_group(
        &self,
        group: &HoldGroupId,
    ) -> Result<Vec<Stored<HoldEffect>>, BooksError> {
        let mut holds = Vec::new();
        for key in self.every_key(keys::group_members(group)).await? {
            if let Some(id) = keys::indexed_effect(&key)
                && let Some(hold) = self.get(keys::hold(&id)).await?
            {
                holds.push(hold);
            }
        }
        Ok(holds)
    }

    /// Holds that still occupy their time: planned, placed, or on their way out. Found by the due
    /// index, which has an entry for each and none for the others, however many there were.
    ///
    /// # Errors
    /// As the store.
    pub async fn open_holds(&self) -> Result<Vec<HoldEffect>, BooksError> {
        let due = self.every_key(Range::all(Ns::EffectDue)).await?;
        let mut holds = Vec::new();
        for (_, kind, id) in due.iter().filter_map(|key| keys::due_effect(key)) {
            if kind != keys::DueKind::Hold {
                continue;
            }
            // One that a later release wrote is nothing that this one places or gives up.
            match self.hold(&id).await {
                Ok(Some(hold)) if !hold.state.is_final() => holds.push(hold),
                Ok(_) => {}
                Err(error) if error.is_newer() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(holds)
    }

    /// The message with this Message-ID. A stranger can put any id on a mail: of several that
    /// carry it, one of ours comes first, then the one that arrived first.
    ///
    /// # Errors
    /// As the store.
    pub async fn message_by_id(&self, id: &str) -> Result<Option<MessageRecord>, BooksError> {
        let mut best: Option<MessageRecord> = None;
        let carriers = self.every_key(keys::msgids(id)).await?;
        for key in carriers.iter().filter_map(|key| keys::msgid_message(key)) {
            let Some(message) = self.message(&key).await? else {
                continue;
            };
            let rank = |message: &MessageRecord| (!message.outbound, message.received);
            if best.as_ref().is_none_or(|best| rank(&message) < rank(best)) {
                best = Some(message);
            }
        }
        Ok(best)
    }

    /// Copies of a message.
    ///
    /// # Errors
    /// As the store.
    pub async fn deliveries(&self, message: &MessageKey) -> Result<Vec<DeliveryRow>, BooksError> {
        self.every(keys::deliveries(message)).await
    }

    /// What happened to something, oldest first.
    ///
    /// # Errors
    /// As the store.
    pub async fn audit_of(&self, subject: &str) -> Result<Vec<AuditRow>, BooksError> {
        self.every(keys::audit_of(subject)).await
    }

    /// Mails in the ledger of `who` (an address, an account, or everybody) since `from`.
    ///
    /// # Errors
    /// As the store; also when a later release wrote one of them: a cap counts all or none.
    pub async fn ledger(&self, who: &str, from: Timestamp) -> Result<Vec<LedgerRow>, BooksError> {
        let mut rows = Vec::new();
        let range = keys::ledger_since(who, from);
        self.each_row(range, Dir::Forward, |key, row| {
            rows.push(row.record::<LedgerRow>(&Key::new(Ns::Ledger, key))?.record);
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        Ok(rows)
    }

    /// What happened with an account, oldest first.
    ///
    /// # Errors
    /// As the store.
    pub async fn timeline(&self, account: &AccountId) -> Result<Vec<TimelineRow>, BooksError> {
        self.every(keys::timeline_of(account)).await
    }

    /// Everything of one family.
    ///
    /// # Errors
    /// As the store.
    pub async fn all<T: Record>(&self, ns: Ns) -> Result<Vec<T>, BooksError> {
        self.every(Range::all(ns)).await
    }

    /// Whether `liaison panic on` was said.
    ///
    /// # Errors
    /// As the store.
    pub async fn panic(&self) -> Result<Option<AuditRow>, BooksError> {
        self.value(keys::setting("panic")).await
    }

    /// When the records were last restored from a backup, and from which.
    ///
    /// # Errors
    /// As the store.
    pub async fn restored(&self) -> Result<Option<AuditRow>, BooksError> {
        self.value(keys::setting("restored")).await
    }

    /// What the last look at everything found; `None` before the first.
    ///
    /// # Errors
    /// As the store.
    pub async fn looked(&self) -> Result<Option<LookedRow>, BooksError> {
        self.value(keys::setting(keys::LOOKED)).await
    }

    /// Puts bytes into a content file and returns its name as text.
    ///
    /// # Errors
    /// As the content files.
    pub async fn keep(&self, bytes: Bytes) -> Result<String, BooksError> {
        Ok(self.content.put(bytes).await?.to_string())
    }

    /// Keeps several bytes, all of them with one sync; their names, or why one of them is not kept.
    ///
    /// # Errors
    /// As the content files, when none is kept.
    pub async fn keep_all(
        &self,
        all: Vec<Bytes>,
    ) -> Result<Vec<Result<String, ContentError>>, BooksError> {
        let kept = self.content.put_all(all).await?.into_iter();
        Ok(kept.map(|hash| hash.map(|hash| hash.to_string())).collect())
    }

    /// Bytes of a content file; `None` when they are gone or `name` is empty.
    ///
    /// # Errors
    /// As the content files.
    pub async fn bytes(&self, name: &str) -> Result<Option<Bytes>, BooksError> {
        match name.parse::<ContentHash>() {
            Ok(hash) => Ok(self.content.get(hash).await?),
            Err(_) => Ok(None),
        }
    }
}

/// The record in a row; `None` when a later release wrote it.
fn known<T: Record>(key: &Key, row: &Versioned) -> Result<Option<T>, BooksError> {
    match row.record::<T>(key) {
        Ok(stored) => Ok(Some(stored.record)),
        Err(ReadError::Record {
            source: CodecError::Newer { .. },
            ..
        }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Adds "it is still as I read it" and the new value.
///
/// # Errors
/// When the record cannot be encoded.
pub fn replace<T: Record>(
    batch: &mut Batch,
    key: Key,
    seen: Option<u64>,
    record: &T,
) -> Result<(), BooksError> {
    batch.expect(key.clone(), seen.map_or(Expect::Absent, Expect::Version));
    batch.put_record(key, record)?;
    Ok(())
}
