//! One event: close the loop, ask each plugin, close the outcome.

use std::sync::Arc;

use liaison_core::happening::Happening;
use liaison_core::message::MessageRecord;
use liaison_core::outbox::{Input, MailState};
use liaison_core::records::TimerRecord;
use liaison_core::time::Timestamp;

use super::{ActivePlugin, POSITION, Pipeline};
use crate::books::rows::{
    CallEnd, CounterRow, EventBody, EventRow, OutcomeRow, PluginResultRow, WaitRow,
};
use crate::books::{BooksError, keys, replace};
use crate::ingest::{NewEvent, append_event};
use crate::outbox::{Step, StepError, stage_mail};
use crate::store::Stored;

/// Timers fired in one pass.
const TIMERS_MAX: usize = 500;

impl Pipeline {
    /// Turns due timers into events. Each fires once, however late.
    pub(super) async fn fire_timers(&self, now: Timestamp) -> Result<usize, BooksError> {
        let due = self
            .books
            .keys_under(keys::timers_due(now), TIMERS_MAX)
            .await?;
        let mut fired: usize = 0;
        for (at, id) in due.iter().filter_map(|key| keys::due_timer(key)) {
            let mut writes = self.books.batch();
            writes.del(keys::timer_due(at, &id));
            let timer = self.books.get::<TimerRecord>(keys::timer(&id)).await?;
            if let Some(timer) = timer.filter(|timer| timer.record.due == at) {
                let record = timer.record;
                let event = NewEvent {
                    key: format!("timer {} {}", record.id, record.generation),
                    body: EventBody::Timer {
                        timer: record.id.clone(),
                        plugin: record.plugin.clone(),
                        name: record.name.clone(),
                        due: record.due,
                        payload: record.payload.clone(),
                        subject: record.subject.clone(),
                    },
                    message: record.subject.message.clone(),
                    matched: None,
                };
                append_event(&self.books, &mut writes, event, now).await?;
                writes.del(keys::timer(&id));
                fired = fired.saturating_add(1);
            }
            self.books.commit(writes).await?;
        }
        Ok(fired)
    }

    /// Everything for one event; afterwards the position is behind it.
    pub(super) async fn work_event(&self, event: &EventRow) -> Result<(), BooksError> {
        let message = match &event.body {
            EventBody::Message(key) => self.books.message(key).await?,
            _ => None,
        };
        if let Some(message) = &message {
            self.close_the_loop(message).await?;
        }
        let told = self.told(event, message.as_ref()).await?;
        let mut waits = false;
        if let Ok(told) = &told {
            for plugin in &self.plugins {
                if let Some(skip) = self.not_for(plugin, event, told) {
                    tracing::debug!(plugin = %plugin.name(), seq = event.seq, skip, "not asked");
                    continue;
                }
                let result = self.ask(plugin, event, told, None).await?;
                waits |= matches!(result, CallEnd::Waiting(..));
            }
        }
        self.finish(event, told.as_ref().err().map(String::as_str), waits, true)
            .await
    }

    /// Second tries whose time has come.
    pub(super) async fn work_waiting(&self, now: Timestamp) -> Result<usize, BooksError> {
        let mut tried: usize = 0;
        for wait in self.waiting().await? {
            if wait.due > now {
                break;
            }
            let Some(event) = self.books.event(&wait.seq).await? else {
                continue;
            };
            let message = match &event.body {
                EventBody::Message(key) => self.books.message(key).await?,
                _ => None,
            };
            let plugin = self
                .plugins
                .iter()
                .find(|plugin| plugin.name() == wait.plugin);
            match (self.told(&event, message.as_ref()).await?, plugin) {
                (Ok(told), Some(plugin)) => {
                    self.ask(plugin, &event, &told, Some(wait)).await?;
                }
                // The plugin is gone from the configuration: nothing waits for it any more.
                _ => self.give_up_waiting(&wait).await?,
            }
            self.finish(&event, None, false, false).await?;
            tried = tried.saturating_add(1);
        }
        Ok(tried)
    }

    async fn give_up_waiting(&self, wait: &WaitRow) -> Result<(), BooksError> {
        let mut writes = self.books.batch();
        writes.del(keys::wait(wait.due, wait.seq, &wait.plugin));
        let key = keys::plugin_result(wait.seq, &wait.plugin);
        if let Some(result) = self.books.get::<PluginResultRow>(key.clone()).await? {
            let mut row = result.record;
            row.end = CallEnd::Parked("the plugin is no longer configured".to_owned());
            writes.put(keys::parked(wait.seq, &wait.plugin), Vec::new());
            replace(&mut writes, key, Some(result.version), &row)?;
        }
        self.books.commit(writes).await
    }

    /// A person's answer cancels what would have gone out without it.
    async fn close_the_loop(&self, message: &MessageRecord) -> Result<(), BooksError> {
        let firm = &self.office.firm;
        let outside = |email: &str| !firm.owns(email);
        let from_us = message.outbound
            && message.effect.is_none()
            && message
                .to
                .iter()
                .chain(&message.cc)
                .any(|to| outside(&to.email));
        // A mail whose sender is a liar, or is one of us, is no answer of the counterpart.
        let from_them = !message.outbound
            && message.is_human()
            && message.authenticity != "fail"
            && message
                .from
                .as_ref()
                .is_some_and(|from| outside(&from.email));
        if !from_us && !from_them {
            return Ok(());
        }
        let who = message
            .from
            .as_ref()
            .map_or("somebody", |from| from.email.as_str());
        for id in self.books.effects_of_thread(&message.thread).await? {
            let Some(mail) = self.books.get(keys::mail(&id)).await? else {
                continue;
            };
            if self.is_overtaken(&mail, message).await? {
                let why = format!("{who} answered in the thread on {}", message.received);
                self.cancel_mail(&mail, "a reply", why).await?;
            }
        }
        Ok(())
    }

    async fn is_overtaken(
        &self,
        mail: &Stored<liaison_core::effect::MailEffect>,
        message: &MessageRecord,
    ) -> Result<bool, BooksError> {
        let mail = &mail.record;
        // A draft lies with its owner, who sees the answer too.
        let waits = mail.state.can_be_cancelled() && mail.state != MailState::Drafted;
        if !waits || !mail.cancel_on_reply || mail.answers.as_ref() == Some(&message.key) {
            return Ok(false);
        }
        let answered = match &mail.answers {
            Some(key) => self.books.message(key).await?,
            None => None,
        };
        Ok(answered.is_none_or(|answered| message.received > answered.received))
    }

    async fn cancel_mail(
        &self,
        mail: &Stored<liaison_core::effect::MailEffect>,
        by: &str,
        why: String,
    ) -> Result<(), BooksError> {
        let now = self.clock.now();
        let mut writes = self.books.batch();
        let input = Input::Cancel {
            by: by.to_owned(),
            why: why.clone(),
        };
        let step = Step {
            input,
            who: "liaison",
            why,
            not_before: None,
        };
        match stage_mail(&self.books, &mut writes, mail, step, now).await {
            Ok(_) => self.books.commit(writes).await,
            // It moved on meanwhile; the worker looks again under the lease.
            Err(StepError::Illegal(_)) => Ok(()),
            Err(StepError::Books(error)) => Err(error),
        }
    }

    /// Why a plugin is not asked at all; `None` when it is.
    fn not_for(
        &self,
        plugin: &Arc<ActivePlugin>,
        event: &EventRow,
        told: &super::facts::Told,
    ) -> Option<&'static str> {
        let owner_only = match &event.body {
            EventBody::Timer { plugin: owner, .. } | EventBody::Settled { plugin: owner, .. } => {
                Some(owner)
            }
            EventBody::Message(_) => None,
        };
        if owner_only.is_some_and(|owner| *owner != plugin.name()) {
            return Some("it belongs to another plugin");
        }
        let class = match &told.happening {
            Happening::MessageReceived { message, .. } => Some(message.class.as_str()),
            _ => None,
        };
        let kind = told.happening.kind();
        (!plugin.plugin.manifest().subscribes(kind, class)).then_some("it has not subscribed")
    }

    /// Closes an event that cannot be worked on, with the reason, and moves the position.
    pub(super) async fn set_aside(&self, event: &EventRow, why: &str) -> Result<(), BooksError> {
        let mut writes = self.books.batch();
        let key = keys::outcome(&event.key);
        if let Ok(Some(outcome)) = self.books.get::<OutcomeRow>(key.clone()).await {
            let mut row = outcome.record;
            let why = format!("set aside, it cannot be worked on: {why}");
            row.summary = liaison_core::message::cut_text(&why, SUMMARY_CHARS_MAX);
            row.closed = Some(self.clock.now());
            replace(&mut writes, key, Some(outcome.version), &row)?;
        }
        let key = keys::setting(POSITION);
        let seen = self.books.get::<CounterRow>(key.clone()).await?;
        let next = CounterRow {
            next: event.seq.saturating_add(1),
        };
        replace(&mut writes, key, seen.map(|row| row.version), &next)?;
        self.books.commit(writes).await
    }

    /// Closes the outcome when no plugin waits, and moves the position.
    async fn finish(
        &self,
        event: &EventRow,
        untold: Option<&str>,
        waits: bool,
        advance: bool,
    ) -> Result<(), BooksError> {
        let results = self.books.plugin_results(event.seq).await?;
        let waits = waits
            || results
                .iter()
                .any(|row| matches!(row.end, CallEnd::Waiting(..)));
        let mut writes = self.books.batch();
        let key = keys::outcome(&event.key);
        if let Some(outcome) = self.books.get::<OutcomeRow>(key.clone()).await?
            && outcome.record.closed.is_none()
        {
            let mut row = outcome.record;
            row.summary = summary(&results, untold);
            row.closed = (!waits).then(|| self.clock.now());
            replace(&mut writes, key, Some(outcome.version), &row)?;
        }
        if advance {
            let key = keys::setting(POSITION);
            let seen = self.books.get::<CounterRow>(key.clone()).await?;
            let next = CounterRow {
                next: event.seq.saturating_add(1),
            };
            replace(&mut writes, key, seen.map(|row| row.version), &next)?;
        }
        if writes.is_empty() {
            Ok(())
        } else {
            self.books.commit(writes).await
        }
    }
}

/// What became of an event, in one sentence.
fn summary(results: &[PluginResultRow], untold: Option<&str>) -> String {
    if let Some(why) = untold {
        return format!("nothing to do: {why}");
    }
    if results.is_empty() {
        return "nothing to do: no plugin asked for events of this kind".to_owned();
    }
    let told = results.iter().map(|row| {
        let said = match &row.end {
            CallEnd::Answered if row.verdicts.is_empty() => "nothing to do".to_owned(),
            CallEnd::Answered => {
                let refused = row
                    .verdicts
                    .iter()
                    .filter(|v| v.result == liaison_core::policy::VerdictResult::Refused)
                    .count();
                let accepted = row.verdicts.len().saturating_sub(refused);
                match refused {
                    0 => format!("{accepted} accepted"),
                    _ => format!("{accepted} accepted, {refused} refused"),
                }
            }
            CallEnd::Skipped(why) => format!("not asked ({why})"),
            CallEnd::Waiting(at, why) => format!("waits until {at} ({why})"),
            CallEnd::Parked(why) => format!("parked ({why})"),
        };
        format!("{}: {said}", row.plugin)
    });
    liaison_core::message::cut_text(&told.collect::<Vec<_>>().join("; "), SUMMARY_CHARS_MAX)
}

/// Longest summary kept, in characters.
const SUMMARY_CHARS_MAX: usize = 600;
