//! Reads messages out of an opened mailbox. Asks only for what the parser survives: structure
//! and envelope have no depth limit there, and are our own parser's work anyway.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use liaison_core::time::Timestamp;

use super::SyncError;
use super::answer::{FetchRow, Tagged, Untagged};
use super::connection::{Connection, ConnectionError, FETCH_LIMIT};
use super::suspects::{Level, Link, Place, Suspects};
use super::wire::{Command, parse_date, uid_set};
use crate::source::{Arrived, BATCH_MESSAGES_MAX, Content};

/// Larger bodies are fetched in pieces of this many bytes; one answer is one buffer.
const CHUNK_BYTES: u64 = 1024 * 1024;
/// Most bytes of bodies in one batch, unless a single message is larger.
const BATCH_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most bytes of bodies kept from the answer to one command. Sizes are the server's word; one whose
/// messages are much larger than it says is read message by message and piece by piece.
const KEPT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most header bytes kept of a message above the size cap.
const HEADER_BYTES_MAX: u64 = CHUNK_BYTES;
/// Other messages asked for before a refusal is laid on the server and not on the message.
const WITNESSES: usize = 5;
/// UIDs remembered of one look; what is beyond is found by the next.
pub(crate) const ROWS_MAX: usize = 20_000;

/// A message that is there, and its size as the server states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) uid: u32,
    pub(crate) size: u64,
}

/// Which rows to keep when there are more than may be remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keep {
    Oldest(usize),
    Newest(usize),
}

/// Asks which messages of `set` are there; ascending.
pub(crate) async fn discover(
    connection: &mut Connection,
    set: &str,
    keep: Keep,
) -> Result<Vec<Row>, SyncError> {
    Ok(discover_and_count(connection, set, keep).await?.0)
}

/// Like [`discover`], and how many there are of which not all may have been kept.
pub(crate) async fn discover_and_count(
    connection: &mut Connection,
    set: &str,
    keep: Keep,
) -> Result<(Vec<Row>, u32), SyncError> {
    if connection.exists == 0 {
        // Some servers refuse any set on an empty mailbox.
        return Ok((Vec::new(), 0));
    }
    let mut count: u32 = 0;
    let mut rows: BTreeMap<u32, u64> = BTreeMap::new();
    let command = Command::new(format!("UID FETCH {set} (UID RFC822.SIZE)"));
    let answer = connection
        .exec(command, FETCH_LIMIT, |answer| {
            if let Untagged::Fetch(FetchRow {
                uid: Some(uid),
                size: Some(size),
                ..
            }) = answer
            {
                count = count.saturating_add(1);
                rows.insert(uid, size);
                match keep {
                    Keep::Oldest(most) if rows.len() > most => rows.pop_last(),
                    Keep::Newest(most) if rows.len() > most => rows.pop_first(),
                    _ => None,
                };
            }
        })
        .await?;
    if !answer.is_ok() {
        return Err(refused("listing messages", &answer));
    }
    let rows = rows.into_iter().map(|(uid, size)| Row { uid, size });
    Ok((rows.collect(), count))
}

fn refused(what: &'static str, answer: &Tagged) -> SyncError {
    SyncError::Refused {
        what,
        text: answer.words(),
    }
}

/// Reads bodies under the limits of one mailbox.
pub(crate) struct Fetcher<'a> {
    pub(crate) connection: &'a mut Connection,
    pub(crate) place: &'a Place,
    pub(crate) suspects: &'a Suspects,
    pub(crate) bytes_max: u64,
    /// Stands in for a missing INTERNALDATE.
    pub(crate) now: Timestamp,
}

impl Fetcher<'_> {
    fn link(&self) -> Link {
        self.connection.link
    }

    /// How many of the first `rows` make the next batch.
    pub(crate) fn batch_len(&self, rows: &[Row]) -> usize {
        let mut bytes: u64 = 0;
        let mut count: usize = 0;
        for row in rows.iter().take(BATCH_MESSAGES_MAX) {
            let alone = self.suspects.alone(self.link(), self.place, row.uid);
            let cost = row.size.min(self.bytes_max);
            bytes = bytes.saturating_add(cost);
            if count > 0 && (alone || bytes > BATCH_BYTES_MAX) {
                break;
            }
            count = count.saturating_add(1);
            if alone {
                break;
            }
        }
        count
    }

    /// Fetches a batch, one answer for each row.
    pub(crate) async fn batch(&mut self, rows: &[Row]) -> Result<Vec<Arrived>, SyncError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Ok(Vec::new());
        };
        self.suspects
            .begin(self.link(), self.place, first.uid, last.uid);
        let arrived = match self.together(rows).await {
            Err(SyncError::Refused { .. }) => self.one_by_one(rows).await?,
            other => other?,
        };
        self.suspects.end(self.link());
        Ok(arrived)
    }

    /// After a refusal: finds the messages that it is about, and tells a server that withholds
    /// some messages from a server that has trouble with all of them.
    async fn one_by_one(&mut self, rows: &[Row]) -> Result<Vec<Arrived>, SyncError> {
        let mut arrived = Vec::new();
        for row in rows {
            self.suspects
                .begin(self.link(), self.place, row.uid, row.uid);
            match self.together(std::slice::from_ref(row)).await {
                Err(SyncError::Refused { what, text }) => {
                    arrived.push(self.refused_alone(row.uid, what, text).await?);
                }
                other => arrived.extend(other?),
            }
        }
        Ok(arrived)
    }

    /// Asks once more, alone, for a message that could not be read before. One more lost
    /// connection is enough to report it again.
    pub(crate) async fn once_more(&mut self, row: Row) -> Result<Vec<Arrived>, SyncError> {
        self.suspects.begin_again(self.link(), self.place, row.uid);
        let arrived = match self.together(&[row]).await {
            Err(SyncError::Refused { what, text }) => {
                vec![self.refused_alone(row.uid, what, text).await?]
            }
            other => other?,
        };
        self.suspects.end(self.link());
        Ok(arrived)
    }

    /// What a refusal of one message means: it is gone, or is to be asked for again. An error
    /// when the server refuses others too.
    async fn refused_alone(
        &mut self,
        uid: u32,
        what: &'static str,
        text: String,
    ) -> Result<Arrived, SyncError> {
        let content = if !self.is_there(uid).await? {
            Content::Vanished
        } else if self.others_are_refused(uid).await? {
            self.suspects.forget_running(self.link());
            return Err(SyncError::Refused { what, text });
        } else {
            Content::NotNow { reason: text }
        };
        Ok(self.arrived(uid, FetchRow::default(), content))
    }

    /// A message that is not there any more.
    pub(crate) fn vanished(&self, uid: u32) -> Arrived {
        self.arrived(uid, FetchRow::default(), Content::Vanished)
    }

    /// Whether none of the newest other messages can be read either. Without others there is
    /// nothing to tell by.
    async fn others_are_refused(&mut self, uid: u32) -> Result<bool, SyncError> {
        let rows = discover(self.connection, "1:*", Keep::Newest(WITNESSES)).await?;
        let mut asked = false;
        for row in rows.iter().filter(|row| row.uid != uid) {
            asked = true;
            match fetch(self.connection, &[row.uid], "UID BODY.PEEK[HEADER]").await {
                Ok(fetched) if fetched.values().any(|row| row.body.is_some()) => return Ok(false),
                Ok(_) | Err(SyncError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(asked)
    }

    /// The small ones with one command, each of the others with its own.
    async fn together(&mut self, rows: &[Row]) -> Result<Vec<Arrived>, SyncError> {
        let mut found = self.small_bodies(rows).await?;
        let mut arrived = Vec::with_capacity(rows.len());
        let (mut stated, mut got): (u64, u64) = (0, 0);
        for row in rows {
            let (fetched, content) = match found.remove(&row.uid) {
                Some(fetched) => fetched,
                None => self.single(*row).await?,
            };
            stated = stated.saturating_add(row.size.min(self.bytes_max));
            got = got.saturating_add(content_len(&content));
            if rows.len() > 1 && got > stated.saturating_mul(2).max(BATCH_BYTES_MAX) {
                return Err(ConnectionError::LargerThanStated.into());
            }
            arrived.push(self.arrived(row.uid, fetched, content));
        }
        Ok(arrived)
    }

    async fn small_bodies(
        &mut self,
        rows: &[Row],
    ) -> Result<BTreeMap<u32, (FetchRow, Content)>, SyncError> {
        let small = |row: &&Row| row.size <= CHUNK_BYTES.min(self.bytes_max);
        let easy = |row: &&Row| self.suspects.level(self.place, row.uid) == Level::Everything;
        let uids: Vec<u32> = rows
            .iter()
            .filter(small)
            .filter(easy)
            .map(|row| row.uid)
            .collect();
        if uids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let items = "UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[]";
        let fetched = fetch(self.connection, &uids, items).await?;
        let bytes_max = self.bytes_max;
        Ok(fetched
            .into_iter()
            .filter_map(|(uid, mut row)| {
                let body = row.body.take()?;
                Some((uid, (row, capped(body, bytes_max))))
            })
            .collect())
    }

    /// One message by itself: large, over the cap, difficult, or missing from an answer.
    async fn single(&mut self, row: Row) -> Result<(FetchRow, Content), SyncError> {
        let items = match self.suspects.level(self.place, row.uid) {
            Level::Everything => "UID FLAGS INTERNALDATE RFC822.SIZE ",
            Level::BodyOnly => "UID ",
            Level::Nothing(reason) => {
                self.suspects.report(self.place, row.uid);
                return Ok((FetchRow::default(), Content::NotNow { reason }));
            }
        };
        if row.size > self.bytes_max {
            return self.header_of(row, items).await;
        }
        let mut whole = BytesMut::new();
        let mut kept: Option<FetchRow> = None;
        loop {
            let offset = u64::try_from(whole.len()).unwrap_or(u64::MAX);
            let section = format!("{items}BODY.PEEK[]<{offset}.{CHUNK_BYTES}>");
            let Some(mut part) = self.one(row.uid, &section).await? else {
                return self.missing(row.uid).await;
            };
            let Some(bytes) = part.body.take() else {
                if kept.is_some() {
                    break; // NIL behind the end
                }
                return self.missing(row.uid).await;
            };
            whole.extend_from_slice(&bytes);
            kept.get_or_insert(part);
            let got = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            if got < CHUNK_BYTES || u64::try_from(whole.len()).unwrap_or(u64::MAX) > self.bytes_max
            {
                break;
            }
        }
        let content = capped(whole.freeze(), self.bytes_max);
        Ok((kept.unwrap_or_default(), content))
    }

    async fn header_of(&mut self, row: Row, items: &str) -> Result<(FetchRow, Content), SyncError> {
        let section = format!("{items}BODY.PEEK[HEADER]<0.{HEADER_BYTES_MAX}>");
        match self.one(row.uid, &section).await? {
            Some(mut fetched) => match fetched.body.take() {
                Some(header) => {
                    let size = row.size;
                    Ok((fetched, Content::HeaderOnly { header, size }))
                }
                None => self.missing(row.uid).await,
            },
            None => self.missing(row.uid).await,
        }
    }

    async fn one(&mut self, uid: u32, items: &str) -> Result<Option<FetchRow>, SyncError> {
        let mut fetched = match fetch(self.connection, &[uid], items).await {
            // Some servers refuse what is gone instead of leaving it out.
            Err(SyncError::Refused { what, text }) => {
                return if self.is_there(uid).await? {
                    Err(SyncError::Refused { what, text })
                } else {
                    Ok(None)
                };
            }
            other => other?,
        };
        Ok(fetched.remove(&uid))
    }

    /// A message without an answer or without a body: gone, or kept from us for now.
    async fn missing(&mut self, uid: u32) -> Result<(FetchRow, Content), SyncError> {
        let content = if self.is_there(uid).await? {
            let reason = "the server lists the message but does not give its body".to_owned();
            Content::NotNow { reason }
        } else {
            Content::Vanished
        };
        Ok((FetchRow::default(), content))
    }

    async fn is_there(&mut self, uid: u32) -> Result<bool, SyncError> {
        let rows = discover(self.connection, &uid.to_string(), Keep::Oldest(1)).await?;
        Ok(rows.iter().any(|row| row.uid == uid))
    }

    fn arrived(&self, uid: u32, fetched: FetchRow, content: Content) -> Arrived {
        let date = fetched.internal_date.as_deref().and_then(parse_date);
        let mut flags = fetched.flags.unwrap_or_default();
        // Says something of the session, not of the message (RFC 3501 section 2.3.2).
        flags.retain(|flag| !flag.eq_ignore_ascii_case("\\Recent"));
        Arrived {
            locator: locator(self.place.uid_validity, uid),
            received_at: date.unwrap_or(self.now),
            flags,
            content,
        }
    }
}

fn content_len(content: &Content) -> u64 {
    let length = match content {
        Content::Message(bytes) => bytes.len(),
        Content::HeaderOnly { header, .. } => header.len(),
        Content::NotNow { .. } | Content::Vanished | Content::Unfetchable { .. } => 0,
    };
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Where a message is, as the intake knows it.
pub(crate) fn locator(uid_validity: u32, uid: u32) -> String {
    format!("{uid_validity}/{uid}")
}

/// All rows of `uids` (ascending), by UID; several answers about one message are put together.
async fn fetch(
    connection: &mut Connection,
    uids: &[u32],
    items: &str,
) -> Result<BTreeMap<u32, FetchRow>, SyncError> {
    let mut rows: BTreeMap<u32, FetchRow> = BTreeMap::new();
    let mut bytes: usize = 0;
    let command = Command::new(format!("UID FETCH {} ({items})", uid_set(uids)));
    let answer = connection
        .exec(command, FETCH_LIMIT, |answer| {
            if let Untagged::Fetch(mut found) = answer
                && let Some(uid) = found.uid
                && uids.binary_search(&uid).is_ok()
            {
                let row = rows.entry(uid).or_default();
                let replaced = row.body.as_ref().filter(|_| found.body.is_some());
                bytes = bytes.saturating_sub(replaced.map_or(0, Bytes::len));
                bytes = bytes.saturating_add(found.body.as_ref().map_or(0, Bytes::len));
                if bytes > KEPT_BYTES_MAX {
                    found.body = None;
                }
                merge(row, found);
            }
        })
        .await?;
    if bytes > KEPT_BYTES_MAX {
        return Err(ConnectionError::LargerThanStated.into());
    }
    if answer.is_ok() {
        Ok(rows)
    } else {
        Err(refused("fetching messages", &answer))
    }
}

fn merge(row: &mut FetchRow, found: FetchRow) {
    row.uid = found.uid;
    row.size = found.size.or(row.size);
    row.flags = found.flags.or(row.flags.take());
    row.internal_date = found.internal_date.or(row.internal_date.take());
    row.body = found.body.or(row.body.take());
}

/// The body, or its header alone when it is larger than announced and allowed.
fn capped(body: Bytes, bytes_max: u64) -> Content {
    let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
    if size <= bytes_max {
        return Content::Message(body);
    }
    let end = body
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map_or(body.len(), |at| at.saturating_add(4));
    let most = usize::try_from(HEADER_BYTES_MAX).unwrap_or(usize::MAX);
    Content::HeaderOnly {
        header: body.slice(..end.min(most)),
        size,
    }
}
