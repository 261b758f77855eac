//! The second channel: tells somebody outside when a mailbox or calendar is not proven up to date,
//! or needs a person, and when that is over.
//!
//! `status` shows the same, but nobody looks at it while nothing seems wrong. What was told is
//! durable, so a restart neither repeats nor forgets an alarm; one that could not be told is tried
//! again until it could.

mod decide;
mod way;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use liaison_core::time::Timestamp;

use crate::books::rows::{AlarmState, WatchRow};
use crate::books::{Books, BooksError, chain, keys, replace};
use crate::clock::Clock;
use crate::freshness::{Fault, Freshness, Watched};
use crate::store::Stored;
use crate::supervisor::{Stop, Waited};
use decide::{decide, record};

pub use decide::{Notice, NoticeKind};
pub use way::{AlarmWay, WayError};
pub use webhook::{Webhook, WebhookAddress, WebhookError};

/// How old the last proof of a source may be where the configuration does not say.
pub const STALE_AFTER: Duration = Duration::from_secs(15 * 60);
/// After so long an alarm that goes on is told again where the configuration does not say.
pub const REPEAT_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest pause between two looks.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(15);
/// Shortest pause between two looks.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(500);
/// Time to prove itself that a source has after a start, or after a pause of the whole machine.
const GRACE_MAX: Duration = Duration::from_secs(120);
/// A look that comes so much too late was delayed by a pause of the machine.
const PAUSE_MIN_MS: i64 = 60_000;
/// Proofs are written down when the written ones are older, so that an idle service writes little.
const PROOFS_EVERY_MS: i64 = 10 * 60_000;
/// Longest pause between two tries to tell an alarm.
const AGAIN_MAX_MS: i64 = 10 * 60_000;
/// First pause between two tries to tell an alarm.
const AGAIN_FIRST_MS: i64 = 15_000;

/// `[alarm]`: when and how somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmSettings {
    /// How old the last proof of a source may be, where its section does not say.
    pub stale_after: Duration,
    /// After so long an alarm that goes on is told again.
    pub repeat_after: Duration,
    /// All of them are used; one that works is enough.
    pub ways: Vec<AlarmWay>,
}

impl Default for AlarmSettings {
    fn default() -> AlarmSettings {
        AlarmSettings {
            stale_after: STALE_AFTER,
            repeat_after: REPEAT_AFTER,
            ways: Vec::new(),
        }
    }
}

/// Looks at the freshness of all sources and tells what is wrong.
#[derive(Debug)]
pub struct Alarms {
    /// Everything remembered.
    pub books: Books,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What is proven.
    pub freshness: Arc<Freshness>,
    /// When and how.
    pub settings: AlarmSettings,
    /// What is to be up to date.
    pub watched: Vec<Watched>,
    /// Who we are, for the words.
    pub firm: String,
    /// Why the last alarm reached nobody. A short lock without await.
    pub trouble: Mutex<Option<String>>,
}

/// An alarm that reached nobody.
#[derive(Debug, Clone, Copy)]
struct Again {
    tries: u32,
    due: Timestamp,
}

type Source = (String, String);

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
struct Seen {
    /// Alarms that reached nobody.
    again: BTreeMap<Source, Again>,
    /// The rows as they stand, which nobody else writes: thousands of sources are looked at every
    /// few seconds, and hardly any of their rows changes.
    rows: BTreeMap<Source, Option<Stored<WatchRow>>>,
}

impl Alarms {
    /// Tells the freshness what it watches, with what was proven before the start.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn begin(&self) -> Result<(), BooksError> {
        let now = self.clock.now();
        let mut proven = Vec::new();
        for watched in &self.watched {
            let key = keys::watched(watched.kind, &watched.source);
            if let Some(row) = self.books.get::<WatchRow>(key).await? {
                for (folder, at) in row.record.proven {
                    proven.push((watched.clone(), folder, at));
                }
            }
        }
        let ready = now.plus_millis(self.grace_ms());
        let watched = self.watched.clone();
        self.freshness.watch(watched, &proven, now, ready);
        Ok(())
    }

    /// Why the last alarm reached nobody; `None` when all reached somebody.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    /// The smallest of what is configured.
    fn shortest_ms(&self) -> i64 {
        let each = self.watched.iter().map(|watched| watched.stale_after_ms);
        each.min().unwrap_or(i64::MAX)
    }

    fn grace_ms(&self) -> i64 {
        millis(GRACE_MAX).min(self.shortest_ms())
    }

    fn look_every(&self) -> Duration {
        let part = u64::try_from(self.shortest_ms() / 10).unwrap_or(u64::MAX);
        Duration::from_millis(part).clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX)
    }

    /// Looks until the stop.
    pub async fn run(&self, stop: &Stop) {
        let every = self.look_every();
        let mut seen = Seen::default();
        let mut last = self.clock.now();
        loop {
            tokio::select! {
                waited = stop.sleep(every) => if waited == Waited::Stopped { return },
                () = self.freshness.changed.notified() => {}
            }
            let now = self.clock.now();
            let late = now.since(last).saturating_sub(millis(every));
            if late >= PAUSE_MIN_MS {
                self.freshness
                    .not_overdue_before(now.plus_millis(self.grace_ms()));
            }
            last = now;
            // Before, nothing is overdue, and nothing is over either.
            if !self.freshness.is_settled(now) {
                continue;
            }
            if let Err(error) = self.look(now, &mut seen).await {
                tracing::error!(error = %chain(&error), "alarms could not be looked after");
            }
        }
    }

    /// One look at everything.
    async fn look(&self, now: Timestamp, seen: &mut Seen) -> Result<(), BooksError> {
        let mut faults: BTreeMap<Source, Fault> = BTreeMap::new();
        for fault in self.freshness.faults(now) {
            faults.insert((fault.kind.to_owned(), fault.source.clone()), fault);
        }
        let watched = self.watched.iter();
        let mut sources: BTreeSet<Source> = watched
            .map(|watched| (watched.kind.to_owned(), watched.source.clone()))
            .collect();
        sources.extend(faults.keys().cloned());
        let mut undelivered = None;
        for source in sources {
            let told = self.look_at(&source, faults.get(&source), now, seen);
            undelivered = told.await?.or(undelivered);
        }
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = undelivered;
        Ok(())
    }

    /// One source; why its alarm reached nobody, if it did not.
    async fn look_at(
        &self,
        source: &Source,
        fault: Option<&Fault>,
        now: Timestamp,
        seen: &mut Seen,
    ) -> Result<Option<String>, BooksError> {
        let again = &mut seen.again;
        let key = keys::watched(&source.0, &source.1);
        let stored = match seen.rows.remove(source) {
            Some(stored) => stored,
            None => self.books.get::<WatchRow>(key.clone()).await?,
        };
        let row = stored.as_ref().map(|stored| stored.record.clone());
        let row = row.unwrap_or_default();
        let (mut next, mut trouble) = (row.clone(), None);
        let repeat_ms = millis(self.settings.repeat_after);
        match decide(row.alarm.as_ref(), fault, now, repeat_ms) {
            Some(kind) if again.get(source).is_none_or(|again| again.due <= now) => {
                let notice = self.notice(source, kind, fault, row.alarm.as_ref(), now);
                match self.tell(&notice).await {
                    Ok(()) => {
                        again.remove(source);
                        next.alarm = record(row.alarm.as_ref(), kind, fault, now);
                    }
                    Err(why) => {
                        let tries = again.get(source).map_or(0, |again| again.tries);
                        again.insert(source.clone(), next_try(tries, now));
                        trouble = Some(why);
                    }
                }
            }
            Some(_) => trouble = Some(format!("the alarm of {} is tried again", source.1)),
            None => {}
        }
        let proven = self.freshness.proofs(&source.0, &source.1);
        if row.is_older(&proven, PROOFS_EVERY_MS) {
            next.proven = proven;
        }
        if next == row {
            seen.rows.insert(source.clone(), stored);
        } else {
            let mut batch = self.books.batch();
            replace(&mut batch, key, stored.map(|stored| stored.version), &next)?;
            self.books.commit(batch).await?;
        }
        Ok(trouble)
    }

    fn notice(
        &self,
        source: &Source,
        kind: NoticeKind,
        fault: Option<&Fault>,
        before: Option<&AlarmState>,
        now: Timestamp,
    ) -> Notice {
        let since = match kind {
            NoticeKind::Raised => now,
            NoticeKind::Repeated | NoticeKind::Cleared => before.map_or(now, |alarm| alarm.since),
        };
        let what = fault.map(|fault| fault.what.clone());
        let what = what.or_else(|| before.map(|alarm| alarm.what.clone()));
        Notice {
            kind,
            firm: self.firm.clone(),
            source_kind: source.0.clone(),
            source: source.1.clone(),
            stale: fault.is_some_and(|fault| fault.stale),
            what: what.unwrap_or_default(),
            since,
            at: now,
        }
    }

    /// Tells it on every way; `Ok` when one of them worked. The log is one, where there is no other.
    async fn tell(&self, notice: &Notice) -> Result<(), String> {
        let text = notice.text();
        match notice.kind {
            NoticeKind::Raised | NoticeKind::Repeated => tracing::error!("{text}"),
            NoticeKind::Cleared => tracing::info!("{text}"),
        }
        let (mut told, mut troubles) = (self.settings.ways.is_empty(), Vec::new());
        for way in &self.settings.ways {
            match way.tell(notice).await {
                Ok(()) => told = true,
                Err(error) => {
                    let why = chain(&error);
                    tracing::error!(%why, "an alarm was not told");
                    troubles.push(why);
                }
            }
        }
        if told {
            Ok(())
        } else {
            Err(troubles.join("; "))
        }
    }
}

impl WatchRow {
    /// Whether `proven` says something else, or is so much younger.
    fn is_older(&self, proven: &[(String, Timestamp)], by_ms: i64) -> bool {
        let folders = |list: &[(String, Timestamp)]| -> BTreeSet<String> {
            list.iter().map(|(folder, _)| folder.clone()).collect()
        };
        let newest = |list: &[(String, Timestamp)]| list.iter().map(|(_, at)| *at).max();
        match (newest(&self.proven), newest(proven)) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(old), Some(new)) => {
                new.since(old) >= by_ms || folders(&self.proven) != folders(proven)
            }
        }
    }
}

fn next_try(tries: u32, now: Timestamp) -> Again {
    let factor = 2_i64.saturating_pow(tries.min(16));
    let wait = AGAIN_FIRST_MS.saturating_mul(factor).min(AGAIN_MAX_MS);
    Again {
        tries: tries.saturating_add(1),
        due: now.plus_millis(wait),
    }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}
