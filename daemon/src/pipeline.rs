//! From the event log to decisions. Commit C2.
//!
//! ```text
//!  event ──► close the loop (replies cancel what waits) ──► each plugin: call, decide, commit
//! ```
//!
//! Events of one thread, account or person are worked on in the order of the log, those of others
//! beside them ([`lanes`]); an answer that has effects is decided while no other such answer is, so
//! that caps, times and records are those that it was decided on. The position moves when all
//! events of a page are done: a crash before asks nobody twice, because results stay. Per event and
//! plugin there is one commit: the plugin's memory, timers, effects, records and its result; results
//! from which nothing follows are recorded together, with the end of the event. A crash in between
//! runs the plugin again on the same input; the result row and the effect keys make that harmless. An event whose plugin asks for patience steps aside; its own thread and
//! account wait behind it, others of the same person without an account do not.
//!
//! What a plugin does to itself (a trap, an endless loop, too much output) is recorded against
//! that event and plugin; three strikes in a row suspend it, and everything else goes on.

mod absent;
mod apply;
mod call;
mod facts;
mod lanes;
mod mailbox;
mod meetings;
mod rehearsal;
mod reports;
mod step;
mod world;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use liaison_core::ids::PluginName;
use liaison_core::mailbox::MailboxGrants;
use liaison_core::manifest::Purpose;
use liaison_core::policy::Modes;
use liaison_core::time::Timestamp;
use tokio::sync::{Mutex, Notify};

use crate::books::rows::{CounterRow, EventBody, EventRow, WaitRow};
use crate::books::{Books, BooksError, chain, keys};
use crate::calendars::Calendars;
use crate::clock::Clock;
use crate::office::Office;
use crate::plugin::{Plugin, Workers};
use crate::store::{Dir, Key, Ns, Range};
use crate::supervisor::{Stop, Waited};
use crate::templates::Templates;

pub(crate) use step::same_person;

/// Events taken from the log at once.
const PAGE_EVENTS: usize = 64;
/// Lanes that are worked on beside each other: enough that a page needs few syncs.
const LANES_MAX: usize = 32;
/// Longest wait before the due times are looked at again, whatever the clock says.
const LOOK_MAX: Duration = Duration::from_secs(20);
/// Wait after the store refused.
const RETRY: Duration = Duration::from_secs(1);
/// Tries of one event that itself breaks the work (a damaged file, a record that does not fit);
/// afterwards it is set aside, so that it stops nothing else.
const EVENT_TRIES_MAX: u32 = 3;
/// Name of the counter that says how far the log was worked through.
pub(crate) const POSITION: &str = "pipeline-next";
/// Strikes in a row after which a plugin is suspended.
pub const STRIKES_MAX: u32 = 3;
/// Tries that a plugin may ask for with `again-later`.
pub const TRIES_MAX: u32 = 8;

/// A plugin as it is called.
#[derive(Debug)]
pub struct ActivePlugin {
    /// The loaded component.
    pub plugin: Arc<Plugin>,
    /// Settings as JSON text.
    pub settings: Arc<str>,
    /// What the operator lets become of its proposals.
    pub modes: Modes,
    /// What of a message in its mailbox it may change.
    pub mailbox: MailboxGrants,
    /// Its templates and the firm's.
    pub templates: Templates,
}

impl ActivePlugin {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> PluginName {
        self.plugin.name()
    }

    fn rank(&self) -> Purpose {
        let grant = self.plugin.manifest().grant("email");
        grant.and_then(|grant| grant.purpose).unwrap_or_default()
    }
}

/// Works through the event log.
#[derive(Debug)]
pub struct Pipeline {
    books: Books,
    clock: Arc<dyn Clock>,
    office: Arc<Office>,
    calendars: Calendars,
    /// Higher rank of H-CAP first, so that it is the other that is deferred.
    plugins: Vec<Arc<ActivePlugin>>,
    workers: Arc<Workers>,
    /// Told when the log grew.
    events: Arc<Notify>,
    /// Told when effects may be due.
    delivery: Arc<Notify>,
    /// One pass at a time; holds the event that could not be worked on, and how often.
    turn: Mutex<()>,
    /// Held by the one answer with effects that is being decided and committed.
    alone: Mutex<()>,
    troubled: std::sync::Mutex<(u64, u32)>,
}

/// What a pipeline works with.
#[derive(Debug)]
pub struct Parts {
    /// Everything remembered.
    pub books: Books,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ourselves.
    pub office: Arc<Office>,
    /// Our calendars.
    pub calendars: Calendars,
    /// Plugins, in any order.
    pub plugins: Vec<ActivePlugin>,
    /// Plugin threads.
    pub workers: Arc<Workers>,
    /// Told by the ingest.
    pub events: Arc<Notify>,
    /// Tells the delivery.
    pub delivery: Arc<Notify>,
}

impl Pipeline {
    /// A pipeline over `parts`.
    #[must_use]
    pub fn new(parts: Parts) -> Pipeline {
        let mut plugins: Vec<_> = parts.plugins.into_iter().map(Arc::new).collect();
        plugins.sort_by(|a, b| {
            b.rank()
                .cmp(&a.rank())
                .then_with(|| a.name().cmp(&b.name()))
        });
        Pipeline {
            books: parts.books,
            clock: parts.clock,
            office: parts.office,
            calendars: parts.calendars,
            plugins,
            workers: parts.workers,
            events: parts.events,
            delivery: parts.delivery,
            turn: Mutex::new(()),
            alone: Mutex::new(()),
            troubled: std::sync::Mutex::default(),
        }
    }

    /// Works until the stop.
    pub async fn run(&self, stop: &Stop) {
        loop {
            let wait = match self.settle(stop).await {
                Ok(_) => self.until_next_due().await,
                Err(error) => {
                    tracing::error!(error = %chain(&error), "the pipeline cannot go on; it tries again");
                    RETRY
                }
            };
            tokio::select! {
                () = self.events.notified() => {}
                waited = stop.sleep(wait) => if waited == Waited::Stopped { return },
            }
            if stop.is_set() {
                return;
            }
        }
    }

    /// Does everything that is to be done now: due timers, new events, due second tries. Returns
    /// how much that was.
    ///
    /// # Errors
    /// As the books; what was committed stays, the rest is done by the next pass.
    pub async fn settle(&self, stop: &Stop) -> Result<usize, BooksError> {
        let _turn = self.turn.lock().await;
        let mut done: usize = 0;
        loop {
            let now = self.clock.now();
            let looked = Box::pin(self.look_into_calendars(now)).await?;
            let ended = self.end_meetings(now).await?.saturating_add(looked);
            let fired = self.fire_timers(now).await?.saturating_add(ended);
            // Boxed: what a pass holds across its waits is large.
            let worked = Box::pin(self.work_events(stop)).await?;
            let retried = Box::pin(self.work_waiting(now, stop)).await?;
            done = done
                .saturating_add(fired)
                .saturating_add(worked)
                .saturating_add(retried);
            if fired == 0 && worked == 0 || stop.is_set() {
                break;
            }
        }
        if done > 0 {
            self.delivery.notify_one();
        }
        Ok(done)
    }

    async fn work_events(&self, stop: &Stop) -> Result<usize, BooksError> {
        let mut worked: usize = 0;
        loop {
            let position = self.position().await?;
            let range = keys::events_from(position);
            let rows = self
                .books
                .store
                .scan_range(range, Dir::Forward, PAGE_EVENTS)
                .await?;
            if rows.is_empty() {
                return Ok(worked);
            }
            let mut page = Vec::new();
            for (key, row) in rows {
                let key = Key::new(Ns::Event, key);
                match row.record::<EventRow>(&key).map_err(BooksError::from) {
                    Ok(stored) => page.push(stored.record),
                    Err(error) if error.is_newer() && page.is_empty() => {
                        tracing::error!(%key, "passed over: {}", chain(&error));
                        self.pass_over(&key).await?;
                        break;
                    }
                    Err(error) if error.is_newer() => break,
                    Err(error) => return Err(error),
                }
            }
            worked = worked.saturating_add(self.work_page(page, stop).await?);
            if stop.is_set() {
                return Ok(worked);
            }
        }
    }

    /// Works on events that follow one another: on messages beside each other, on anything else
    /// alone. Returns how many were worked on, which may be the first of them only.
    async fn work_page(&self, mut page: Vec<EventRow>, stop: &Stop) -> Result<usize, BooksError> {
        let is_message = |event: &EventRow| matches!(event.body, EventBody::Message(_));
        let messages = page.iter().take_while(|event| is_message(event)).count();
        page.truncate(messages.max(1));
        let mut marks = Vec::with_capacity(page.len());
        for event in &page {
            marks.push(match self.marks(event).await {
                Err(error) if error.is_store_failure() => return Err(error),
                // Its own trouble, which the work on it meets too and tells.
                Err(_) => Vec::new(),
                Ok(marks) => marks,
            });
        }
        let lanes: Vec<Vec<usize>> = lanes::lanes(&marks);
        let page = &page;
        let work = |lane: Vec<usize>| async move {
            for event in lane.iter().filter_map(|at| page.get(*at)) {
                if stop.is_set() {
                    return Ok(());
                }
                self.work_event(event)
                    .await
                    .map_err(|error| (event, error))?;
            }
            Ok(())
        };
        // Boxed: what the work on one event holds across its waits is large.
        let ends: Vec<Result<(), (&EventRow, BooksError)>> =
            stream::iter(lanes.into_iter().map(|lane| Box::pin(work(lane))))
                .buffer_unordered(LANES_MAX)
                .collect()
                .await;
        if stop.is_set() {
            // Lanes may have ended early: all of the page is looked at again.
            return Ok(0);
        }
        let failed = ends.into_iter().filter_map(Result::err);
        if let Some((event, error)) = failed.min_by_key(|(event, _)| event.seq) {
            // All before it are done, whatever lane they were in.
            self.troubled(event, error).await?;
            return Ok(1);
        }
        if let Some(last) = page.last() {
            self.move_to(last.seq.saturating_add(1)).await?;
        }
        Ok(page.len())
    }

    /// What an event is about: others about the same wait for it.
    async fn marks(&self, event: &EventRow) -> Result<Vec<String>, BooksError> {
        let EventBody::Message(key) = &event.body else {
            return Ok(Vec::new());
        };
        let Some(message) = self.books.message(key).await? else {
            return Ok(Vec::new());
        };
        let account = message.account.map(|account| format!("account {account}"));
        // What one person gets depends on what they got before, also where no account is known.
        let people: Vec<_> = match message.outbound {
            true => message.to.iter().chain(&message.cc).collect(),
            false => message.from.iter().collect(),
        };
        let people: Vec<String> = people
            .into_iter()
            .map(|person| format!("person {}", person.email.to_lowercase()))
            .collect();
        let perhaps = message.threading.perhaps.map(|(thread, _)| thread);
        let threads = std::iter::once(message.thread).chain(perhaps);
        let threads = threads.map(|thread| format!("thread {thread}"));
        Ok(threads.chain(account).chain(people).collect())
    }

    /// An event could not be worked on: passed on while it may be the store's or a race's fault,
    /// set aside when it is its own.
    async fn troubled(&self, event: &EventRow, error: BooksError) -> Result<(), BooksError> {
        if error.is_conflict() || error.is_store_failure() {
            return Err(error);
        }
        if self.tries_of(event.seq) < EVENT_TRIES_MAX {
            return Err(error);
        }
        let why = chain(&error);
        tracing::error!(seq = event.seq, key = %event.key, %why, "event set aside");
        self.set_aside(event, &why).await
    }

    /// How often in a row the event `seq` was in trouble, this time included.
    fn tries_of(&self, seq: u64) -> u32 {
        let mut troubled = self.troubled.lock().unwrap_or_else(PoisonError::into_inner);
        if troubled.0 != seq {
            *troubled = (seq, 0);
        }
        troubled.1 = troubled.1.saturating_add(1);
        troubled.1
    }

    async fn position(&self) -> Result<u64, BooksError> {
        let row = self
            .books
            .get::<CounterRow>(keys::setting(POSITION))
            .await?;
        Ok(row.map_or(0, |row| row.record.next))
    }

    async fn waiting(&self) -> Result<Vec<WaitRow>, BooksError> {
        self.books.every(Range::all(Ns::Wait)).await
    }

    /// How long nothing is due, as far as the clock can be believed.
    async fn until_next_due(&self) -> Duration {
        let now = self.clock.now();
        let first_timer = async {
            let due = keys::timers_due(now);
            let later = Range {
                start: due.end.clone().unwrap_or_default(),
                ..Range::all(Ns::TimerDue)
            };
            // One that is due and did not fire was set by a later release, or just now.
            let left = self.books.keys_under(due, 1).await.ok()?;
            if !left.is_empty() {
                let wait = i64::try_from(RETRY.as_millis()).unwrap_or(i64::MAX);
                return Some(now.plus_millis(wait));
            }
            let keys = self.books.keys_under(later, 1).await.ok()?;
            keys.first()
                .and_then(|key| keys::due_timer(key))
                .map(|(at, _)| at)
        };
        let first_wait = async {
            let range = Range::all(Ns::Wait);
            let waits: Vec<WaitRow> = self.books.list(range, Dir::Forward, 1).await.ok()?;
            waits.first().map(|wait| wait.due)
        };
        let next: Option<Timestamp> = [first_timer.await, first_wait.await]
            .into_iter()
            .flatten()
            .min();
        let millis = next.map_or(i64::MAX, |next| next.since(now).max(0));
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).min(LOOK_MAX)
    }

    /// Plugins by name, in the order in which they are asked.
    #[must_use]
    pub fn plugins(&self) -> &[Arc<ActivePlugin>] {
        &self.plugins
    }
}

#[cfg(test)]
pub(crate) mod tests;
