//! Erasing: asked for, called off what is on its way, carried out.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use bytes::Bytes;
use liaison_core::effect::{HoldEffect, MailEffect};
use liaison_core::mailbox::MailboxEffect;
use liaison_core::message::{MessageRecord, gone};
use liaison_core::outbox::{Input, MailState};
use liaison_core::time::Timestamp;
use serde_json::{Value, json};

use super::fate::Fate;
use super::find::{ORDER, Traces};
use super::{Person, PrivacyError, Tombstones, person};
use crate::books::indexes::walk::mend;
use crate::books::keys::DueKind;
use crate::books::rows::{ErasureRow, ErasureState};
use crate::books::{Books, BooksError, indexes, keys};
use crate::outbox::mailbox::stage_call_off;
use crate::outbox::{Step, stage_give_up, stage_mail};
use crate::store::content::{ContentError, ContentHash};
use crate::store::{Ns, Range, ReadError};

/// Digits of a tombstone that people call an erasure by.
const ID_CHARS: usize = 12;
/// Rows changed in one commit.
const ROWS_AT_ONCE: usize = 300;
/// Bytes of keys and values of one commit.
const BYTES_AT_ONCE: usize = 512 << 10;

/// What asking came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Something must leave a calendar or Drafts first; ask again when it has.
    Clearing(Vec<String>),
    /// It is recorded, and done when the store is opened next.
    Recorded(ErasureRow),
}

/// Reads an address that is to be looked for.
///
/// # Errors
/// [`PrivacyError::Address`].
pub(super) fn person_of(address: &str) -> Result<Person, PrivacyError> {
    let refused = |reason: String| PrivacyError::Address {
        text: address.to_owned(),
        reason,
    };
    liaison_core::mail::Address::parse(address).map_err(|error| refused(error.to_string()))?;
    Ok(Person::with([address.to_owned()]))
}

/// Asks for the erasure of the person with `address`: mails on their way to them are called off,
/// holds because of them released; once nothing of that is under way, the erasure is recorded.
///
/// # Errors
/// [`PrivacyError`]; [`PrivacyError::NotNow`] while a mail to them is being handed over.
pub async fn ask(
    books: &Books,
    address: &str,
    (who, now): (&str, Timestamp),
) -> Result<Asked, PrivacyError> {
    let traces = Traces::of(books, person_of(address)?, now).await?;
    call_off(books, &traces, who).await?;
    let under_way = under_way(books, &traces).await?;
    if !under_way.is_empty() {
        return Ok(Asked::Clearing(under_way));
    }
    let tombstones = Tombstones::ready(books).await?;
    let main = person::bare(address).unwrap_or_default();
    let mut writes = books.batch();
    let mut recorded = None;
    for email in traces.person.addresses() {
        let Some(name) = tombstones.name(email) else {
            continue;
        };
        let is_main = *email == main;
        let row = ErasureRow {
            id: name.chars().take(ID_CHARS).collect(),
            asked: now,
            who: who.to_owned(),
            state: match is_main {
                true => ErasureState::Asked,
                false => ErasureState::Done,
            },
            addresses: match is_main {
                // What was found by it is found again; an address that is somebody else's, too,
                // must bring nobody.
                true => vec![main.clone()],
                false => Vec::new(),
            },
            rows: BTreeMap::new(),
            contents: 0,
            finished: (!is_main).then_some(now),
        };
        writes.put_record(keys::erasure(&name), &row)?;
        if is_main {
            recorded = Some(row);
        }
    }
    books.commit(writes).await?;
    recorded
        .map(Asked::Recorded)
        .ok_or_else(|| PrivacyError::NotNow("the address has no tombstone".to_owned()))
}

/// Calls off their mails and releases their holds, each in a commit of its own.
async fn call_off(books: &Books, traces: &Traces, who: &str) -> Result<(), PrivacyError> {
    let theirs = |id: &str| traces.ids.contains(id);
    let why = || "the data of a person is being erased".to_owned();
    let mut mails = Vec::new();
    let each = |mail: MailEffect| mails.extend(theirs(mail.id.as_str()).then_some(mail));
    books.each(Range::all(Ns::Effect), each).await?;
    let busy = mails
        .iter()
        .filter(|mail| matches!(mail.state, MailState::Leased(_) | MailState::Uncertain));
    let busy: Vec<String> = busy
        .map(|mail| format!("{} is {}", mail.id, mail.state))
        .collect();
    if !busy.is_empty() {
        return Err(PrivacyError::NotNow(format!(
            "mails to this person are being handed over or in doubt ({}): wait a minute, or see \
             `liaison outbox resolve`, then ask again; nothing was erased",
            busy.join(", ")
        )));
    }
    for mail in mails.iter().filter(|mail| mail.state.can_be_cancelled()) {
        let Some(stored) = books.get::<MailEffect>(keys::mail(&mail.id)).await? else {
            continue;
        };
        let step = Step {
            input: Input::Cancel {
                by: who.to_owned(),
                why: why(),
            },
            who,
            why: why(),
            not_before: Some(traces.now),
            found_as: None,
        };
        let mut writes = books.batch();
        stage_mail(books, &mut writes, &stored, step, traces.now).await?;
        books.commit(writes).await?;
    }
    let mut holds = Vec::new();
    let each = |hold: HoldEffect| holds.extend(theirs(hold.id.as_str()).then_some(hold));
    books.each(Range::all(Ns::Hold), each).await?;
    for hold in holds {
        let Some(stored) = books.get::<HoldEffect>(keys::hold(&hold.id)).await? else {
            continue;
        };
        // One that was just chosen, too.
        let mut writes = books.batch();
        if stage_give_up(books, &mut writes, &stored, (who, &why()), traces.now).await? {
            books.commit(writes).await?;
        }
    }
    let mut changes = Vec::new();
    let each = |one: MailboxEffect| changes.extend(theirs(one.id.as_str()).then_some(one.id));
    books.each(Range::all(Ns::MailboxEffect), each).await?;
    for id in changes {
        let Some(stored) = books.get(keys::mailbox_effect(&id)).await? else {
            continue;
        };
        let mut writes = books.batch();
        let why = why();
        if stage_call_off(books, &mut writes, &stored, (who, &why), traces.now).await? {
            books.commit(writes).await?;
        }
    }
    Ok(())
}

/// What still has to leave a calendar or Drafts, in words.
async fn under_way(books: &Books, traces: &Traces) -> Result<Vec<String>, BooksError> {
    let mut words = Vec::new();
    for key in books.every_key(Range::all(Ns::EffectDue)).await? {
        let Some((_, kind, id)) = keys::due_effect(&key) else {
            continue;
        };
        if !traces.ids.contains(id.as_str()) {
            continue;
        }
        words.push(match kind {
            DueKind::Hold => format!("the hold {id} leaves the calendar"),
            DueKind::StaleDraft => format!("the draft of the mail {id} leaves Drafts"),
            DueKind::SentCopy => format!("the copy of the mail {id} is filed into Sent"),
            DueKind::Mailbox => format!("the change {id} of a message is worked on"),
            DueKind::Mail => format!("the mail {id} is worked on"),
            // Nothing that is anywhere else: it goes with the rows.
            DueKind::Approval => continue,
        });
    }
    Ok(words)
}

/// The erasures that are not done.
///
/// # Errors
/// As the store.
pub async fn open_erasures(books: &Books) -> Result<Vec<ErasureRow>, BooksError> {
    let mut open: Vec<ErasureRow> = books.every(Range::all(Ns::Erasure)).await?;
    open.retain(|row| row.state != ErasureState::Done);
    Ok(open)
}

/// All erasures, for people: they name nobody.
///
/// # Errors
/// As the store.
pub async fn list(books: &Books) -> Result<Vec<Value>, BooksError> {
    let rows: Vec<ErasureRow> = books.every(Range::all(Ns::Erasure)).await?;
    let row = |row: ErasureRow| {
        json!({
            "id": row.id,
            "asked": row.asked,
            "who": row.who,
            "state": row.state,
            "rows": row.rows,
            "contents": row.contents,
            "finished": row.finished,
        })
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Counts of one erasure.
#[derive(Debug, Default)]
pub(super) struct Counts {
    rows: BTreeMap<String, u64>,
    contents: u64,
}

/// Steps 1 to 4 of all erasures that were asked for. Nobody else may write meanwhile.
///
/// # Errors
/// [`PrivacyError`]; what was done stays done, and the next call finds the rest.
pub async fn rows_and_content(books: &Books, now: Timestamp) -> Result<(), PrivacyError> {
    for row in open_erasures(books).await? {
        if row.state != ErasureState::Asked {
            continue;
        }
        tracing::info!(erasure = %row.id, "the data of a person is being erased");
        let person = Person::with(row.addresses.iter().cloned());
        let mut traces = Traces::of(books, person, now).await?;
        let mut counts = Counts {
            contents: content(books, &traces).await?,
            ..Counts::default()
        };
        for ns in ORDER {
            family(books, &mut traces, *ns, &mut counts).await?;
        }
        // Cases of others that named the person are found by what they say now.
        mend(books, Ns::CaseRecord, &[Ns::CaseBy]).await?;
        nameless(books, row, counts).await?;
    }
    Ok(())
}

/// Step 4.
async fn nameless(books: &Books, row: ErasureRow, counts: Counts) -> Result<(), PrivacyError> {
    let tombstones = Tombstones::read(books).await?;
    let mut writes = books.batch();
    // The row lies under the tombstone of one of the addresses.
    for email in &row.addresses {
        let Some(name) = tombstones.name(email) else {
            continue;
        };
        if !name.starts_with(&row.id) {
            continue;
        }
        let after = ErasureRow {
            state: ErasureState::Files,
            addresses: Vec::new(),
            rows: counts.rows.clone(),
            contents: counts.contents,
            ..row.clone()
        };
        writes.put_record(keys::erasure(&name), &after)?;
    }
    Ok(books.commit(writes).await?)
}

/// Steps 1 and 2: content in which the person occurs; tells how many contents went.
pub(super) async fn content(books: &Books, traces: &Traces) -> Result<u64, PrivacyError> {
    let named = naming(books, &traces.person).await?;
    let this = &named;
    let mut messages = Vec::new();
    let each = |row: MessageRecord| {
        let named = row.content.parse().is_ok_and(|hash| this.contains(&hash));
        messages.extend(named.then_some(row));
    };
    books.each(Range::all(Ns::Message), each).await?;
    let mut mails = Vec::new();
    let each = |row: MailEffect| {
        let named = row.content.parse().is_ok_and(|hash| this.contains(&hash));
        mails.extend(named.then_some(row));
    };
    books.each(Range::all(Ns::Effect), each).await?;
    let why = gone("a person who was erased was named in it");
    let mut changes = Changes::new(books);
    for mut row in messages {
        if !traces.ids.contains(row.key.as_str()) {
            row.content.clone_from(&why);
            changes
                .put(keys::message(&row.key), crate::store::codec::encode(&row)?)
                .await?;
        }
    }
    for mut row in mails {
        // One that is still to go out needs it; it goes with the sweep when it is final.
        if !traces.ids.contains(row.id.as_str()) && row.state.is_final() {
            row.content.clone_from(&why);
            changes
                .put(keys::mail(&row.id), crate::store::codec::encode(&row)?)
                .await?;
        }
    }
    changes.finish().await?;
    let mut erased = named;
    erased.extend(&traces.contents);
    let kept = on_its_way(books, traces).await?;
    books.recent.clear();
    erased.retain(|hash| !kept.contains(hash));
    Ok(books.content.erase(erased, u64::MAX).await?.contents)
}

/// Content of mails of others that are still to go out.
async fn on_its_way(books: &Books, traces: &Traces) -> Result<HashSet<ContentHash>, BooksError> {
    let mut kept = HashSet::new();
    let each = |row: MailEffect| {
        if !row.state.is_final() && !traces.ids.contains(row.id.as_str()) {
            kept.extend(row.content.parse::<ContentHash>().ok());
        }
    };
    books.each(Range::all(Ns::Effect), each).await?;
    Ok(kept)
}

/// All content that names the person, whether a row names it or not.
pub(super) async fn naming(
    books: &Books,
    person: &Person,
) -> Result<HashSet<ContentHash>, PrivacyError> {
    let mut found = HashSet::new();
    for hash in books.content.names().await? {
        match books.content.get(hash).await {
            Ok(Some(bytes)) => {
                if is_named(&bytes, person).await {
                    found.insert(hash);
                }
            }
            Ok(None) => {}
            Err(ContentError::Damaged { .. }) => {
                tracing::warn!(%hash, "damaged content cannot be searched");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Whether a message names the person: as it stands, as quoted-printable, or in what is encoded.
async fn is_named(bytes: &Bytes, person: &Person) -> bool {
    if person.is_named_in_bytes(bytes) {
        return true;
    }
    let lower = bytes.to_ascii_lowercase();
    let has = |word: &[u8]| lower.windows(word.len()).any(|window| window == word);
    if !has(b"base64") && !has(b"quoted-printable") && !has(b"=?") {
        return false;
    }
    let Ok(view) = crate::reader::read(bytes.clone()).await else {
        return false;
    };
    let texts = [&view.text, &view.subject];
    let headers = view.headers.iter().map(|(_, text)| text);
    let files = view
        .attachments
        .iter()
        .filter_map(|file| file.filename.as_ref());
    let mut texts = texts.into_iter().chain(headers).chain(files);
    texts.any(|text| person.is_named_in(text))
}

/// Step 3 for one family.
pub(super) async fn family(
    books: &Books,
    traces: &mut Traces,
    ns: Ns,
    counts: &mut Counts,
) -> Result<(), PrivacyError> {
    let mut found = Vec::new();
    traces.each(books, ns, |trace| found.push(trace)).await?;
    let mut changes = Changes::new(books);
    for trace in found {
        match trace.fate {
            Fate::Kept => continue,
            Fate::Removed => changes.del(trace.key).await?,
            Fate::Rewritten(value) => {
                if ns == Ns::Record {
                    changes.found_anew(&trace.key, &trace.value, &value).await?;
                }
                changes.put(trace.key, value).await?;
            }
        }
        let count = counts.rows.entry(ns.name().to_owned()).or_default();
        *count = count.saturating_add(1);
    }
    changes.finish().await
}

/// Many changes in several commits.
struct Changes<'a> {
    books: &'a Books,
    writes: crate::store::Batch,
    bytes: usize,
}

impl<'a> Changes<'a> {
    fn new(books: &'a Books) -> Changes<'a> {
        Changes {
            books,
            writes: books.batch(),
            bytes: 0,
        }
    }

    async fn put(&mut self, key: crate::store::Key, value: Vec<u8>) -> Result<(), PrivacyError> {
        self.bytes = self
            .bytes
            .saturating_add(key.k.len())
            .saturating_add(value.len());
        self.writes.put(key, value);
        self.flush(ROWS_AT_ONCE).await
    }

    /// What a record is found by without the person; under whom it was found with them, is gone.
    async fn found_anew(
        &mut self,
        key: &crate::store::Key,
        before: &[u8],
        after: &[u8],
    ) -> Result<(), PrivacyError> {
        let unread = |source| {
            let key = key.clone();
            BooksError::Read(ReadError::Record { key, source })
        };
        let old = indexes::entries(key, before).map_err(unread)?;
        let new = indexes::entries(key, after).map_err(unread)?;
        indexes::stage(self.books, &mut self.writes, &old, &new).await?;
        Ok(())
    }

    async fn del(&mut self, key: crate::store::Key) -> Result<(), PrivacyError> {
        self.writes.del(key);
        self.flush(ROWS_AT_ONCE).await
    }

    async fn flush(&mut self, rows: usize) -> Result<(), PrivacyError> {
        if self.writes.rows() < rows && self.bytes < BYTES_AT_ONCE {
            return Ok(());
        }
        let writes = std::mem::replace(&mut self.writes, self.books.batch());
        self.bytes = 0;
        if !writes.is_empty() {
            self.books.commit(writes).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), PrivacyError> {
        self.flush(0).await
    }
}

/// Steps 5 and 6, after the store was opened with its rows in new files: a new export, and nothing
/// older beside it.
///
/// # Errors
/// [`PrivacyError`]; the next call does it again.
pub async fn finish(books: &Books, store_dir: &Path, now: Timestamp) -> Result<(), PrivacyError> {
    if let Some(local) = &books.local {
        local.forget_files().await?;
    }
    remove_set_aside(store_dir)?;
    let rows: Vec<ErasureRow> = open_erasures(books).await?;
    let mut writes = books.batch();
    for key in books.every_key(Range::all(Ns::Erasure)).await? {
        let key = crate::store::Key::new(Ns::Erasure, key);
        let Some(stored) = books.get::<ErasureRow>(key.clone()).await? else {
            continue;
        };
        if stored.record.state == ErasureState::Files {
            let row = ErasureRow {
                state: ErasureState::Done,
                finished: Some(now),
                ..stored.record
            };
            writes.put_record(key, &row)?;
        }
    }
    books.commit(writes).await?;
    for row in rows {
        tracing::info!(erasure = %row.id, rows = ?row.rows, contents = row.contents, "erased");
    }
    Ok(())
}

/// Rows that were set aside because they could not be read still have what was erased.
fn remove_set_aside(store_dir: &Path) -> Result<(), PrivacyError> {
    let failed = |doing: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| PrivacyError::Io {
            doing,
            path,
            source,
        }
    };
    let entries = fs::read_dir(store_dir).map_err(failed("read the folder", store_dir))?;
    for entry in entries {
        let path = entry.map_err(failed("read the folder", store_dir))?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with("sled.damaged-") {
            tracing::warn!(path = %path.display(), "removed: it may hold what was erased");
            fs::remove_dir_all(&path).map_err(failed("remove", &path))?;
        }
    }
    Ok(())
}
