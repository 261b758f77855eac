//! One plugin, one event: call, decide, commit.

use std::sync::Arc;

use liaison_core::happening::PluginEvent;
use liaison_core::policy::{Decision, Plan, Rules, decide, resolve};
use liaison_core::proposal::Proposal;
use liaison_core::time::Timestamp;

use super::facts::Told;
use super::rehearsal;
use super::world::BooksWorld;
use super::{ActivePlugin, Pipeline, STRIKES_MAX, TRIES_MAX};
use crate::books::rows::{CallEnd, EventRow, PluginResultRow, PluginStateRow, WaitRow};
use crate::books::{BooksError, chain};
use crate::plugin::{Call, CallOutcome, CallReport, CrashKind, Failure, Retry};

/// Shortest and longest wait that `again-later` gets.
const AGAIN_MS: (i64, i64) = (1_000, 24 * 3_600_000);
/// Wait after the records could not be read.
const COULD_NOT_READ_MS: i64 = 30_000;
/// Conflicts in a row after which the pass is ended and begun again.
const CONFLICTS_MAX: u32 = 8;
/// Most log lines of a call kept, and the longest in characters.
const LOG_MAX: (usize, usize) = (8, 160);

/// What a call came to, before it is committed.
pub(super) struct Called {
    pub row: PluginResultRow,
    pub decision: Decision,
    pub kv_writes: Vec<crate::plugin::KvWrite>,
    pub strike: Strike,
    pub wait: Option<WaitRow>,
}

/// What asking a plugin came to.
pub(super) enum Asked {
    /// Its result is recorded, with what follows from it.
    Recorded,
    /// Nothing follows from it: the result is to be recorded with the end of the event.
    Idle(PluginResultRow),
}

impl Called {
    /// Whether it changes anything that another decision may rest on. A tag is no such thing: it is
    /// the message's own.
    fn has_effects(&self) -> bool {
        let plans = &self.decision.plans;
        !self.kv_writes.is_empty() || plans.iter().any(|plan| !matches!(plan, Plan::Tag(_)))
    }

    /// Whether nothing but its result is to be written, when the plugin has no strikes.
    fn is_idle(&self) -> bool {
        self.row.end == CallEnd::Answered
            && self.kv_writes.is_empty()
            && self.decision.plans.is_empty()
            && self.wait.is_none()
            && matches!(self.strike, Strike::Cleared | Strike::None)
    }
}

/// What a call means for the plugin's standing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Strike {
    /// It worked: strikes start again from none.
    Cleared,
    /// Not its fault, or not a fault.
    None,
    /// Its fault.
    One(String),
}

impl Pipeline {
    /// Asks one plugin about one event and commits what follows.
    pub(super) async fn ask(
        &self,
        plugin: &Arc<ActivePlugin>,
        event: &EventRow,
        told: &Told,
        retried: Option<WaitRow>,
    ) -> Result<Asked, BooksError> {
        let attempt = retried
            .as_ref()
            .map_or(1, |wait| wait.attempt.saturating_add(1));
        let mut conflicts = 0;
        let mut alone = self.alone.try_lock().ok();
        loop {
            let called = self.called(plugin, event, told, attempt).await?;
            if alone.is_none() && called.has_effects() {
                // What it was decided on may have changed beside it: asked again, by itself.
                alone = Some(self.alone.lock().await);
                continue;
            }
            if retried.is_none() && called.is_idle() && !self.has_strikes(plugin).await? {
                let mut row = called.row;
                row.verdicts = called.decision.verdicts;
                return Ok(Asked::Idle(row));
            }
            match self
                .commit_call(event, told, called, retried.as_ref())
                .await
            {
                Ok(()) => return Ok(Asked::Recorded),
                // Somebody changed a row in between: the world is another one, so ask again.
                Err(error) if error.is_conflict() && conflicts < CONFLICTS_MAX => {
                    conflicts = conflicts.saturating_add(1);
                }
                // The same answer would not fit the next time either.
                Err(error) if error.is_unfit() => {
                    let why = format!("its answer cannot be recorded: {}", chain(&error));
                    let end = CallEnd::Parked(why.clone());
                    let row = row(plugin, self.clock.now(), end, attempt);
                    let strike = match told.context.rehearsal {
                        true => Strike::None,
                        false => Strike::One(why),
                    };
                    let called = Called::idle(row, None, strike);
                    self.commit_call(event, told, called, retried.as_ref())
                        .await?;
                    return Ok(Asked::Recorded);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn has_strikes(&self, plugin: &ActivePlugin) -> Result<bool, BooksError> {
        let state = self.books.plugin_state(&plugin.name()).await?;
        Ok(state.is_some_and(|state| state.strikes > 0))
    }

    async fn called(
        &self,
        plugin: &Arc<ActivePlugin>,
        event: &EventRow,
        told: &Told,
        attempt: u32,
    ) -> Result<Called, BooksError> {
        let now = self.clock.now();
        let rehearsal = told.context.rehearsal;
        let not_now = self.not_now(plugin, event, told, now).await?;
        // A rehearsal moves nothing that others wait for, and waits for nobody.
        let not_now = not_now.filter(|end| !rehearsal || !matches!(end, CallEnd::Waiting(..)));
        if let Some(end) = not_now {
            let wait = match &end {
                CallEnd::Waiting(due, _) => Some(self.wait_row(plugin, event, told, 0, *due)),
                _ => None,
            };
            let row = row(plugin, now, end, attempt);
            let called = Called::idle(row, wait, Strike::None);
            return Ok(match rehearsal {
                true => called.only_recorded(),
                false => called,
            });
        }
        let mut report = self.call(plugin, event, told, (attempt, now)).await;
        if let CallOutcome::Crashed { kind, .. } = &report.outcome
            && kind.retryable() == Retry::Once
        {
            report = self.call(plugin, event, told, (attempt, now)).await;
        }
        let called = self
            .judged(plugin, event, told, report, (attempt, now))
            .await?;
        Ok(match rehearsal {
            true => called.only_recorded(),
            false => called,
        })
    }

    /// Whether the plugin may be asked now.
    async fn not_now(
        &self,
        plugin: &ActivePlugin,
        event: &EventRow,
        told: &Told,
        now: Timestamp,
    ) -> Result<Option<CallEnd>, BooksError> {
        let state = self
            .books
            .plugin_state(&plugin.name())
            .await?
            .unwrap_or_default();
        if state.digest == plugin.plugin.digest()
            && let Some((since, why)) = state.suspended
        {
            let why = format!("the plugin is suspended since {since}: {why}");
            return Ok(Some(CallEnd::Parked(why)));
        }
        for wait in self.waiting().await? {
            let same_thread = wait.thread.is_some()
                && wait.thread.as_deref() == told.subject.thread.as_ref().map(|t| t.as_str());
            let same_account = wait.account.is_some() && wait.account == told.subject.account;
            let ahead = wait.plugin == plugin.name() && wait.seq < event.seq;
            if ahead && (same_thread || same_account) {
                let due = wait.due.max(now);
                let why = format!("behind event {} of the same thread or account", wait.seq);
                return Ok(Some(CallEnd::Waiting(due, why)));
            }
        }
        Ok(None)
    }

    async fn call(
        &self,
        plugin: &Arc<ActivePlugin>,
        event: &EventRow,
        told: &Told,
        (attempt, now): (u32, Timestamp),
    ) -> CallReport {
        let world = BooksWorld {
            books: self.books.clone(),
            office: self.office.clone(),
            calendars: self.calendars.clone(),
            plugin: plugin.name(),
            account: told.subject.account.clone(),
            counterpart: told.subject.counterpart.clone(),
            now,
            runtime: tokio::runtime::Handle::current(),
        };
        let call = Call {
            plugin: plugin.plugin.clone(),
            event: plugin_event(event, told, attempt),
            settings: plugin.settings.clone(),
            world: Box::new(world),
        };
        self.workers
            .call(call)
            .await
            .unwrap_or_else(|error| CallReport {
                outcome: CallOutcome::Crashed {
                    kind: CrashKind::CouldNotRead,
                    said: error.to_string(),
                    at: Vec::new(),
                },
                fuel_used: 0,
                fuel_budget: 0,
                peak_memory: 0,
                took_us: 0,
                reads: 0,
                kv_writes: Vec::new(),
                log: Vec::new(),
                log_dropped: 0,
            })
    }

    async fn judged(
        &self,
        plugin: &Arc<ActivePlugin>,
        event: &EventRow,
        told: &Told,
        report: CallReport,
        (attempt, now): (u32, Timestamp),
    ) -> Result<Called, BooksError> {
        let mut result = row(plugin, now, CallEnd::Answered, attempt);
        result.fuel = (report.fuel_used, report.fuel_budget);
        let (lines, chars) = LOG_MAX;
        result.log = report
            .log
            .iter()
            .take(lines)
            .map(|line| liaison_core::message::cut_text(&line.message, chars))
            .collect();
        let again = |after_ms: i64, why: String| -> (CallEnd, Option<WaitRow>) {
            if attempt >= TRIES_MAX {
                let why = format!("it asked for another try {attempt} times: {why}");
                return (CallEnd::Parked(why), None);
            }
            let due = now.plus_millis(after_ms.clamp(AGAIN_MS.0, AGAIN_MS.1));
            let wait = self.wait_row(plugin, event, told, attempt, due);
            (CallEnd::Waiting(due, why), Some(wait))
        };
        let called = match report.outcome {
            CallOutcome::Proposals(proposals) => {
                let decision = self.decided(plugin, event, told, proposals, now).await?;
                Called {
                    row: result,
                    decision,
                    kv_writes: report.kv_writes,
                    strike: Strike::Cleared,
                    wait: None,
                }
            }
            CallOutcome::Failed(Failure::AgainLater { after_ms, why }) => {
                let (end, wait) = again(i64::try_from(after_ms).unwrap_or(i64::MAX), why);
                result.end = end;
                Called::idle(result, wait, Strike::None)
            }
            CallOutcome::Failed(Failure::Poison(why)) => {
                result.end = CallEnd::Parked(format!("the plugin set it aside: {why}"));
                Called::idle(result, None, Strike::None)
            }
            CallOutcome::Failed(Failure::Settings(why)) => {
                result.end = CallEnd::Parked(format!("its settings are wrong: {why}"));
                Called::idle(result, None, Strike::One(format!("settings: {why}")))
            }
            CallOutcome::Crashed { kind, said, .. } if kind.retryable() == Retry::Always => {
                let (end, wait) = again(COULD_NOT_READ_MS, said);
                result.end = end;
                Called::idle(result, wait, Strike::None)
            }
            CallOutcome::Crashed { kind, said, .. } => {
                let why = format!("{}: {said}", kind.as_str());
                result.end = CallEnd::Parked(liaison_core::message::cut_text(&why, 600));
                Called::idle(result, None, Strike::One(why))
            }
        };
        Ok(called)
    }

    async fn decided(
        &self,
        plugin: &Arc<ActivePlugin>,
        event: &EventRow,
        told: &Told,
        proposals: Vec<Proposal>,
        now: Timestamp,
    ) -> Result<Decision, BooksError> {
        let cause = self.cause(plugin, event, told);
        let mut answered = self.answered(&proposals).await?;
        if let Some(message) = told.message.as_ref().filter(|_| told.context.rehearsal)
            && let Some(answered) = answered.get_mut(&message.key)
        {
            answered.historical = false;
        }
        let resolved = resolve(proposals, &cause, &self.office.firm, &answered);
        let mails = (resolved.as_slice(), plugin.modes.mail);
        let facts = self.facts(now, cause, told, answered, mails).await?;
        let rules = Rules {
            manifest: plugin.plugin.manifest(),
            modes: rehearsal::modes(plugin.modes, told.context.rehearsal),
            mailbox: &plugin.mailbox,
            limits: &self.office.limits,
            firm: &self.office.firm,
        };
        let decision = decide(&rules, &facts, resolved);
        Ok(self.rendered(plugin, decision, now).await)
    }

    fn wait_row(
        &self,
        plugin: &ActivePlugin,
        event: &EventRow,
        told: &Told,
        attempt: u32,
        due: Timestamp,
    ) -> WaitRow {
        WaitRow {
            seq: event.seq,
            plugin: plugin.name(),
            thread: told.subject.thread.as_ref().map(|thread| thread.0.clone()),
            account: told.subject.account.clone(),
            attempt,
            due,
        }
    }

    /// How the plugin stands after this call; `Some` when that is to be written.
    pub(super) fn standing(
        plugin: &ActivePlugin,
        before: PluginStateRow,
        strike: &Strike,
        now: Timestamp,
    ) -> Option<PluginStateRow> {
        let digest = plugin.plugin.digest().to_owned();
        // New bytes are a new plugin: the old ones' strikes are not theirs.
        let mut state = if before.digest == digest {
            before.clone()
        } else {
            PluginStateRow {
                digest,
                ..PluginStateRow::default()
            }
        };
        match strike {
            Strike::None => return None,
            Strike::Cleared if state.strikes == 0 => return None,
            Strike::Cleared => state.strikes = 0,
            Strike::One(why) => {
                state.strikes = state.strikes.saturating_add(1);
                if state.strikes >= STRIKES_MAX {
                    let why = format!("{} strikes in a row, the last: {why}", state.strikes);
                    let why = liaison_core::message::cut_text(&why, 600);
                    state.suspended = Some((now, why));
                }
            }
        }
        Some(state)
    }
}

impl Called {
    fn idle(row: PluginResultRow, wait: Option<WaitRow>, strike: Strike) -> Called {
        Called {
            row,
            decision: Decision::default(),
            kv_writes: Vec::new(),
            strike,
            wait,
        }
    }
}

/// What the plugin is given. Its time is the event's, so that a late call, a second try and a
/// replay are the same call.
pub(super) fn plugin_event(event: &EventRow, told: &Told, attempt: u32) -> PluginEvent {
    PluginEvent {
        id: event.key.clone(),
        at: event.at,
        attempt,
        happening: told.happening.clone(),
        context: told.context.clone(),
    }
}

fn row(plugin: &ActivePlugin, now: Timestamp, end: CallEnd, attempt: u32) -> PluginResultRow {
    let digest = plugin.plugin.digest();
    let digest = digest.rsplit_once(':').map_or(digest, |(_, hash)| hash);
    PluginResultRow {
        plugin: plugin.name(),
        version: plugin.plugin.manifest().plugin.version.clone(),
        digest: digest.chars().take(12).collect(),
        at: now,
        end,
        verdicts: Vec::new(),
        verdicts_cut: 0,
        log: Vec::new(),
        fuel: (0, 0),
        attempt,
    }
}
