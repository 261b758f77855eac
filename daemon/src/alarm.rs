//! The second channel: tells somebody outside when a mailbox or calendar is not proven up to date,
//! or needs a person, and when that is over.
//!
//! `status` shows the same, but nobody looks at it while nothing seems wrong. What was told is
//! durable, so a restart neither repeats nor forgets an alarm; one that could not be told is tried
//! again until it could.

mod decide;
mod known;
mod way;
mod webhook;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use liaison_core::time::Timestamp;

use crate::books::rows::AlarmState;
use crate::books::{Books, BooksError, chain};
use crate::clock::Clock;
use crate::freshness::{Fault, Freshness, SourceKind, Watched};
use crate::supervisor::{Stop, Waited};
use decide::decide;
use known::Kept;
use way::WAY_LIMIT;

pub use decide::{Notice, NoticeKind};
pub use known::Known;
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
/// Alarms told beside each other: each is a process.
const TELL_AT_ONCE: usize = 8;
/// After so long a look tells no more, so that one which reaches nobody has an end.
const TELL_FOR: Duration = Duration::from_secs(60);

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
    /// Sources that nobody looks at: how they are shows when they are used.
    pub by_use: BTreeSet<Source>,
    /// Who we are, for the words.
    pub firm: String,
    /// Why the last alarm reached nobody. A short lock without await.
    pub trouble: Mutex<Option<String>>,
    /// What is known of the sources; held while one looks.
    pub known: tokio::sync::Mutex<Known>,
}

/// Kind and name.
pub type Source = (SourceKind, String);

impl Alarms {
    /// Tells the freshness what it watches, with what was proven before the start, and learns which
    /// alarms go on.
    ///
    /// # Errors
    /// The store cannot be read. A row that cannot be read counts as none.
    pub async fn begin(&self) -> Result<(), BooksError> {
        let now = self.clock.now();
        let known = Known::read(&self.books).await?;
        let mut proven = Vec::new();
        for watched in &self.watched {
            let source = (watched.kind, watched.source.clone());
            for (folder, at) in known.proven(&source) {
                proven.push((watched.clone(), folder.clone(), *at));
            }
        }
        *self.known.lock().await = known;
        let watched = self.watched.clone();
        self.freshness
            .watch(watched, &proven, now, self.grace_end(now));
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

    fn grace_end(&self, now: Timestamp) -> Timestamp {
        now.plus_millis(millis(GRACE_MAX).min(self.shortest_ms()))
    }

    fn look_every(&self) -> Duration {
        let part = u64::try_from(self.shortest_ms() / 10).unwrap_or(u64::MAX);
        Duration::from_millis(part).clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX)
    }

    /// Looks until the stop.
    pub async fn run(&self, stop: &Stop) {
        let every = self.look_every();
        let mut last = self.clock.now();
        loop {
            tokio::select! {
                waited = stop.sleep(every) => if waited == Waited::Stopped { return },
                () = self.freshness.changed.notified() => {}
            }
            last = self.round(last, every).await;
        }
    }

    /// One look, `every` after the last one ended; when it ended itself.
    async fn round(&self, last: Timestamp, every: Duration) -> Timestamp {
        let now = self.clock.now();
        self.passed(last, now, every);
        // Before, nothing is overdue, and nothing is over either.
        if !self.freshness.is_settled(now) {
            return now;
        }
        self.look(now).await;
        let end = self.clock.now();
        self.passed(now, end, TELL_FOR.saturating_add(WAY_LIMIT));
        end
    }

    /// What took more than `at_most` was held up by a pause of the whole machine.
    fn passed(&self, from: Timestamp, now: Timestamp, at_most: Duration) {
        let late = now.since(from).saturating_sub(millis(at_most));
        if now < from {
            self.freshness.set_back(now, self.grace_end(now));
        } else if late >= PAUSE_MIN_MS {
            self.freshness.not_overdue_before(self.grace_end(now));
        }
    }

    /// One look at everything.
    async fn look(&self, now: Timestamp) {
        let mut known = self.known.lock().await;
        let faults = by_source(self.freshness.faults(now));
        let watched = self.watched.iter();
        let mut sources: BTreeSet<Source> = watched
            .map(|watched| (watched.kind, watched.source.clone()))
            .collect();
        sources.extend(faults.keys().cloned());
        sources.extend(known.open());
        let (mut due, mut undelivered) = (Vec::new(), None);
        for source in &sources {
            let fault = faults.get(source);
            match self.is_due(known.of(source), source, fault, now) {
                Due::No => {}
                Due::Waits => {
                    undelivered = Some(format!("the alarm of {} is tried again", source.1));
                }
                Due::Now(notice) => due.push((source.clone(), notice)),
            }
        }
        let began = self.clock.monotonic();
        let told = stream::iter(due).map(|(source, notice): (Source, Notice)| async move {
            let late = self.clock.monotonic().saturating_sub(began) >= TELL_FOR;
            let told = match late {
                true => Err(format!("the alarm of {} waits for others", source.1)),
                false => self.tell(&notice).await,
            };
            (source, notice.kind, late, told)
        });
        let mut told = std::pin::pin!(told.buffer_unordered(TELL_AT_ONCE));
        while let Some((source, kind, late, told)) = told.next().await {
            let kept = known.of(&source);
            match told {
                Ok(()) => kept.told(kind, faults.get(&source), now),
                Err(why) => {
                    if !late {
                        kept.not_told(now);
                    }
                    undelivered = Some(why);
                }
            }
            // At once: who is killed before it is written down tells it again.
            kept.write(&self.books, &source, now).await;
        }
        for source in &sources {
            let kept = known.of(source);
            kept.proven(self.freshness.proofs(source.0, &source.1));
            kept.write(&self.books, source, now).await;
        }
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = undelivered;
    }

    /// Whether something is to be told of a source now.
    fn is_due(
        &self,
        kept: &mut Kept,
        source: &Source,
        fault: Option<&Fault>,
        now: Timestamp,
    ) -> Due {
        let repeat_ms = millis(self.settings.repeat_after);
        let kind = decide(kept.alarm(), fault, now, repeat_ms).filter(|kind| {
            // After a start nobody knows before it is used.
            *kind != NoticeKind::Cleared
                || !self.by_use.contains(source)
                || self.freshness.has_worked(source.0, &source.1)
        });
        let Some(kind) = kind else {
            kept.nothing_to_tell();
            return Due::No;
        };
        match kept.waits(now) {
            true => Due::Waits,
            false => Due::Now(self.notice(source, kind, (fault, kept.alarm()), now)),
        }
    }

    fn notice(
        &self,
        source: &Source,
        kind: NoticeKind,
        (fault, before): (Option<&Fault>, Option<&AlarmState>),
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
            source_kind: source.0.as_str().to_owned(),
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

/// What is to be told of a source.
enum Due {
    No,
    /// It reached nobody a moment ago.
    Waits,
    Now(Notice),
}

/// One for each source: what is overdue is said first.
fn by_source(faults: Vec<Fault>) -> BTreeMap<Source, Fault> {
    let mut all: BTreeMap<Source, Fault> = BTreeMap::new();
    for fault in faults {
        let one = match all.entry((fault.kind, fault.source.clone())) {
            Entry::Vacant(place) => {
                place.insert(fault);
                continue;
            }
            Entry::Occupied(place) => place.into_mut(),
        };
        one.what = match fault.stale {
            true => format!("{}; {}", fault.what, one.what),
            false => format!("{}; {}", one.what, fault.what),
        };
        one.stale |= fault.stale;
    }
    all
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
