//! Letting go of what is older than it shall be kept, and of content that nothing names.
//!
//! First the rows say that their content is gone and why, then the bytes go: a crash in between
//! leaves bytes that no row names, and the next pass takes them. What an open event or a mail on
//! its way needs is never let go.

use std::collections::HashSet;
use std::sync::Arc;

use liaison_core::effect::MailEffect;
use liaison_core::ids::{EffectId, MessageKey};
use liaison_core::message::{MessageRecord, gone};
use liaison_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::KeepingError;
use super::retention::{ByDay, Kept, LET_GO_MS, Retention, UNNAMED_MS, second};
use super::reviews::{REVIEWS_MAX, forget_reviews};
use crate::books::rows::OutcomeRow;
use crate::books::{Books, BooksError, keys, replace};
use crate::store::codec::Record;
use crate::store::content::ContentHash;
use crate::store::{Batch, Dir, Key, Ns, PAGE_ROWS_MAX, Range};

/// What a pass let go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetGo {
    /// Messages and mails whose bytes are older than `raw_mail`.
    pub by_age: u64,
    /// Messages and mails whose bytes were above `content_bytes_max`.
    pub by_size: u64,
    /// Rows older than `facts`, and questions whose a sender is above what is kept of them.
    pub rows: u64,
    /// Contents removed from the disk.
    pub contents: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One pass over everything.
///
/// # Errors
/// [`KeepingError`]; what was done stays done, the rest is for the next pass.
pub async fn sweep(
    books: &Books,
    retention: &Retention,
    now: Timestamp,
) -> Result<LetGo, KeepingError> {
    let mut pass = Pass {
        books,
        now,
        needed: needed(books).await?,
        live: HashSet::new(),
        dropped: HashSet::new(),
        by_day: ByDay::default(),
        let_go: LetGo::default(),
    };
    if let Some(until) = retention.facts.until(now) {
        pass.let_go.rows = super::forget::forget(books, until, &pass.needed.messages).await?;
    }
    let asked = forget_reviews(books, retention.facts.until(now), REVIEWS_MAX).await?;
    pass.let_go.rows = pass.let_go.rows.saturating_add(asked);
    pass.contents(Why::Age(retention.raw_mail)).await?;
    let too_old = retention
        .content_bytes_max
        .and_then(|max| Some((max, pass.by_day.too_old(max)?)));
    if let Some((max, until)) = too_old {
        pass.live.clear();
        pass.contents(Why::Size { max, until }).await?;
    }
    pass.remove().await
}

/// What must not be let go.
struct Needed {
    /// Messages whose event is open.
    messages: HashSet<MessageKey>,
    /// Effects that somebody is still to look at.
    effects: HashSet<EffectId>,
}

async fn needed(books: &Books) -> Result<Needed, BooksError> {
    let mut messages = HashSet::new();
    let open = |row: OutcomeRow| {
        if row.closed.is_none() {
            messages.extend(row.message);
        }
    };
    books.each(Range::all(Ns::Outcome), open).await?;
    let due = books.every_key(Range::all(Ns::EffectDue)).await?;
    let effects = due.iter().filter_map(|key| keys::due_effect(key));
    Ok(Needed {
        messages,
        effects: effects.map(|(_, _, id)| id).collect(),
    })
}

/// Why content goes.
#[derive(Clone, Copy)]
enum Why {
    Age(Kept),
    Size { max: u64, until: Timestamp },
}

impl Why {
    fn until(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Why::Age(kept) => kept.until(now),
            Why::Size { until, .. } => Some(until),
        }
    }

    fn words(self, now: Timestamp) -> String {
        match self {
            Why::Age(kept) => format!("removed at {now}, raw mail is kept for {kept}"),
            Why::Size { max, .. } => {
                format!("removed at {now}, of all content {max} bytes are kept")
            }
        }
    }
}

struct Pass<'a> {
    books: &'a Books,
    now: Timestamp,
    needed: Needed,
    /// Content that rows name: 32 bytes for each, some 50 MB for a million messages.
    live: HashSet<ContentHash>,
    /// Content that rows named before this pass.
    dropped: HashSet<ContentHash>,
    by_day: ByDay,
    let_go: LetGo,
}

/// A row that names content.
trait NamesContent: Record {
    const NS: Ns;
    fn key(&self) -> Key;
    fn content(&mut self) -> &mut String;
    fn at(&self) -> Timestamp;
    fn is_needed(&self, needed: &Needed) -> bool;
    /// The message whose event it belongs to.
    fn event(&self) -> Option<MessageKey>;
}

impl NamesContent for MessageRecord {
    const NS: Ns = Ns::Message;

    fn key(&self) -> Key {
        keys::message(&self.key)
    }

    fn content(&mut self) -> &mut String {
        &mut self.content
    }

    fn at(&self) -> Timestamp {
        self.received
    }

    fn is_needed(&self, needed: &Needed) -> bool {
        needed.messages.contains(&self.key)
    }

    fn event(&self) -> Option<MessageKey> {
        Some(self.key.clone())
    }
}

impl NamesContent for MailEffect {
    const NS: Ns = Ns::Effect;

    fn key(&self) -> Key {
        keys::mail(&self.id)
    }

    fn content(&mut self) -> &mut String {
        &mut self.content
    }

    fn at(&self) -> Timestamp {
        self.since
    }

    fn is_needed(&self, needed: &Needed) -> bool {
        !self.state.is_final() || needed.effects.contains(&self.id)
    }

    fn event(&self) -> Option<MessageKey> {
        None
    }
}

impl Pass<'_> {
    async fn contents(&mut self, why: Why) -> Result<(), KeepingError> {
        self.by_day = ByDay::default();
        self.family::<MessageRecord>(why).await?;
        self.family::<MailEffect>(why).await
    }

    /// Marks what rows of a family name, and lets go of what is too old.
    async fn family<T: NamesContent>(&mut self, why: Why) -> Result<(), KeepingError> {
        let until = why.until(self.now);
        let mut after = None;
        loop {
            let page = self
                .books
                .store
                .scan(Range::all(T::NS), Dir::Forward, PAGE_ROWS_MAX, after)
                .await
                .map_err(BooksError::from)?;
            for (key, row) in page.items {
                let stored = row.record::<T>(&Key::new(T::NS, key));
                let stored = stored.map_err(BooksError::from)?;
                let mut record = stored.record;
                let Ok(hash) = record.content().parse::<ContentHash>() else {
                    continue;
                };
                let old = until.is_some_and(|until| record.at() < until);
                let kept = record.is_needed(&self.needed)
                    // What came in while this pass goes on is not among the needed.
                    || old && self.is_open(record.event()).await?;
                if old && !kept {
                    *record.content() = gone(&why.words(self.now));
                    if self.replaced(stored.version, &record).await? {
                        self.dropped.insert(hash);
                        self.count(why);
                        continue;
                    }
                }
                self.mark(hash, record.at()).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Whether what a message caused is open, or not known; of an event that was closed nothing
    /// opens it again.
    async fn is_open(&self, message: Option<MessageKey>) -> Result<bool, KeepingError> {
        let Some(message) = message else {
            return Ok(false);
        };
        let mut closed = false;
        for event in [message.0.clone(), format!("sent {message}")] {
            match self.books.outcome(&event).await? {
                Some(outcome) if outcome.closed.is_none() => return Ok(true),
                Some(_) => closed = true,
                None => {}
            }
        }
        Ok(!closed)
    }

    /// `false` when somebody else changed it meanwhile: then it is left for the next pass.
    async fn replaced<T: NamesContent>(
        &self,
        version: u64,
        record: &T,
    ) -> Result<bool, KeepingError> {
        let mut writes: Batch = self.books.batch();
        replace(&mut writes, record.key(), Some(version), record)?;
        match self.books.commit(writes).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn count(&mut self, why: Why) {
        let count = match why {
            Why::Age(_) => &mut self.let_go.by_age,
            Why::Size { .. } => &mut self.let_go.by_size,
        };
        *count = count.saturating_add(1);
    }

    async fn mark(&mut self, hash: ContentHash, at: Timestamp) -> Result<(), KeepingError> {
        if self.live.insert(hash) {
            let bytes = self.books.content.length(hash).await?;
            self.by_day.add(at, bytes.unwrap_or(0));
        }
        Ok(())
    }

    async fn remove(mut self) -> Result<LetGo, KeepingError> {
        let live = std::mem::take(&mut self.live);
        let mut dropped = std::mem::take(&mut self.dropped);
        // Another row may have the same bytes.
        dropped.retain(|hash| !live.contains(hash));
        let content = &self.books.content;
        let erased = content
            .erase(dropped, second(self.now.minus_millis(LET_GO_MS)))
            .await?;
        let unnamed = second(self.now.minus_millis(UNNAMED_MS));
        let swept = content.sweep(Arc::new(live), unnamed).await?;
        self.let_go.contents = erased.contents.saturating_add(swept.contents);
        self.let_go.bytes = erased.bytes.saturating_add(swept.bytes);
        Ok(self.let_go)
    }
}
