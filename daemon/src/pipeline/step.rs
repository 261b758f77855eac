//! One event: close the loop, ask each plugin, close the outcome.

use std::sync::Arc;

use liaison_core::account::matching::FreeMail;
use liaison_core::effect::{MailEffect, MailMode};
use liaison_core::happening::Happening;
use liaison_core::ids::{EffectId, ThreadId};
use liaison_core::mail::{Address, Standing, standing_names};
use liaison_core::message::{MessageRecord, cut_text};
use liaison_core::outbox::{Input, MailState};
use liaison_core::policy::{Verdict, VerdictResult};
use liaison_core::records::TimerRecord;
use liaison_core::time::Timestamp;

use super::call::Asked;
use super::rehearsal::{self, is_rehearsal};
use super::{ActivePlugin, EVENT_TRIES_MAX, POSITION, Pipeline};
use crate::books::rows::{
    AuditRow, CallEnd, CounterRow, EventBody, EventRow, OutcomeRow, PluginResultRow, WaitRow,
};
use crate::books::{BooksError, chain, keys, replace};
use crate::ingest::{NewEvent, append_events};
use crate::outbox::{Step, StepError, stage_audit, stage_mail, stage_mail_record};
use crate::store::keys::Parts;
use crate::store::{Key, Stored};
use crate::supervisor::Stop;

/// Timers fired in one pass and commit. Few, so that after a long silence the mail that arrives
/// meanwhile is not worked on behind thousands of them.
const TIMERS_PER_PASS: usize = 32;
/// Second tries made in one pass, for the same reason.
const WAITS_PER_PASS: usize = 32;
/// Tries of one commit that meets others; every event of the log meets the same counter.
pub(super) const CONFLICTS_MAX: u32 = 100;

/// Why a message that names no mail of a thread is not taken for an answer in it.
const WEAK: &str = "only its subject and the people tell that it belongs there";

/// What a message of a person means for a mail that waits in its thread.
enum Meaning {
    /// Nothing.
    None,
    /// It answers the mail itself, of which nobody knew whether it went out.
    Arrived,
    /// Its answer: the mail is called off.
    Answer,
    /// Somebody who took no part in the thread wrote into it.
    Aside,
}

impl Pipeline {
    /// Turns some of the due timers into events. Each fires once, however late. Returns how many
    /// were looked at.
    pub(super) async fn fire_timers(&self, now: Timestamp) -> Result<usize, BooksError> {
        let mut conflicts = 0;
        loop {
            match self.fire_some(now).await {
                Err(error) if error.is_conflict() && conflicts < CONFLICTS_MAX => {
                    conflicts = conflicts.saturating_add(1);
                    tokio::task::yield_now().await;
                }
                result => return result,
            }
        }
    }

    async fn fire_some(&self, now: Timestamp) -> Result<usize, BooksError> {
        let range = keys::timers_due(now);
        let due = self.books.every_key(range).await?;
        let mut writes = self.books.batch();
        let mut events = Vec::new();
        let mut fired: usize = 0;
        for (at, id) in due.iter().filter_map(|key| keys::due_timer(key)) {
            if fired >= TIMERS_PER_PASS {
                break;
            }
            let timer = match self.books.get::<TimerRecord>(keys::timer(&id)).await {
                // Only the release that set it knows what it is for.
                Err(error) if error.is_newer() => continue,
                timer => timer?,
            };
            fired = fired.saturating_add(1);
            writes.del(keys::timer_due(at, &id));
            let Some(timer) = timer.filter(|timer| timer.record.due == at) else {
                continue;
            };
            writes.del(keys::timer(&id));
            let event = firing(timer.record);
            if self.books.outcome(&event.key).await?.is_none() {
                events.push(event);
            }
        }
        if fired == 0 {
            return Ok(0);
        }
        append_events(&self.books, &mut writes, events, now).await?;
        self.books.commit(writes).await?;
        Ok(fired)
    }

    /// Everything for one event; the position is moved by who asked for it.
    pub(super) async fn work_event(&self, event: &EventRow) -> Result<(), BooksError> {
        let message = match &event.body {
            EventBody::Message(key) => self.books.message(key).await?,
            _ => None,
        };
        let rehearsal = is_rehearsal(message.as_ref());
        let mut said = None;
        if let Some(message) = message.as_ref().filter(|_| !rehearsal) {
            self.close_the_loop(message, event.seq).await?;
            self.heed_absence(message, event.seq).await?;
            self.heed_report(message).await?;
            said = Box::pin(self.heed_meeting(message, event.seq)).await?;
        }
        let before = self.books.plugin_results(event.seq).await?;
        let mut idle = Vec::new();
        let told = match self.is_for_nobody(event, message.as_ref()) {
            true => None,
            false => Some(self.told(event, message.as_ref()).await?),
        };
        if let Some(Ok(told)) = &told {
            for plugin in &self.plugins {
                if let Some(skip) = self.not_for(plugin, event, told) {
                    tracing::debug!(plugin = %plugin.name(), seq = event.seq, skip, "not asked");
                    continue;
                }
                if before.iter().any(|row| row.plugin == plugin.name()) {
                    continue;
                }
                match self.ask(plugin, event, told, None).await {
                    Ok(Asked::Recorded) => {}
                    Ok(Asked::Idle(row)) => idle.push(row),
                    Err(error) => {
                        // Nobody else is asked again because of this one.
                        let mut writes = self.books.batch();
                        Pipeline::stage_idle(&mut writes, event.seq, &idle)?;
                        self.books.commit(writes).await?;
                        return Err(error);
                    }
                }
            }
        }
        if let Some(message) = message.as_ref().filter(|_| !rehearsal) {
            self.ask_for_successor(message, event.seq).await?;
        }
        let untold = told.as_ref().and_then(|told| told.as_ref().err());
        let untold = untold.map(String::as_str);
        self.finish(event, (untold, rehearsal, said.as_deref()), idle)
            .await
    }

    /// Some of the second tries whose time has come; the others are due at the next pass. Returns
    /// how many were made.
    pub(super) async fn work_waiting(
        &self,
        now: Timestamp,
        stop: &Stop,
    ) -> Result<usize, BooksError> {
        let mut tried: usize = 0;
        let waits = self.waiting().await?;
        let due = waits.iter().take_while(|wait| wait.due <= now);
        for wait in due.take(WAITS_PER_PASS) {
            if stop.is_set() {
                break;
            }
            if let Err(error) = Box::pin(self.work_wait(wait)).await {
                self.wait_troubled(wait, error).await?;
            }
            tried = tried.saturating_add(1);
        }
        Ok(tried)
    }

    async fn work_wait(&self, wait: &WaitRow) -> Result<(), BooksError> {
        let Some(event) = self.books.event(&wait.seq).await? else {
            return self.give_up_waiting(wait, "its event is gone").await;
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
                self.ask(plugin, &event, &told, Some(wait.clone())).await?;
            }
            // Nothing waits for it any more.
            (_, None) => {
                let why = "the plugin is no longer configured";
                self.give_up_waiting(wait, why).await?;
            }
            (Err(why), Some(_)) => self.give_up_waiting(wait, &why).await?,
        }
        let rehearsal = is_rehearsal(message.as_ref());
        self.finish(&event, (None, rehearsal, None), Vec::new())
            .await
    }

    /// A second try could not be made: passed on while it may be the store's or a race's fault,
    /// given up when it is its own.
    async fn wait_troubled(&self, wait: &WaitRow, error: BooksError) -> Result<(), BooksError> {
        let passing = error.is_conflict() || error.is_store_failure();
        if passing || self.tries_of(wait.seq) < EVENT_TRIES_MAX {
            return Err(error);
        }
        let why = format!("set aside, it cannot be worked on: {}", chain(&error));
        tracing::error!(seq = wait.seq, plugin = %wait.plugin, %why, "second try given up");
        self.give_up_waiting(wait, &why).await?;
        match self.books.event(&wait.seq).await {
            Ok(Some(event)) => self.finish(&event, (None, false, None), Vec::new()).await,
            // Nothing of it can be read: `status` tells of the parked one.
            _ => Ok(()),
        }
    }

    async fn give_up_waiting(&self, wait: &WaitRow, why: &str) -> Result<(), BooksError> {
        let mut writes = self.books.batch();
        writes.del(keys::wait(wait.due, wait.seq, &wait.plugin));
        let key = keys::plugin_result(wait.seq, &wait.plugin);
        if let Some(result) = self.books.get::<PluginResultRow>(key.clone()).await? {
            let mut row = result.record;
            row.end = CallEnd::Parked(cut_text(why, SUMMARY_CHARS_MAX));
            writes.put(keys::parked(wait.seq, &wait.plugin), Vec::new());
            replace(&mut writes, key, Some(result.version), &row)?;
        }
        self.books.commit(writes).await
    }

    /// A person's answer cancels what would have gone out without it. Whoever only knows a
    /// Message-ID answers nothing: a mail that would have left by itself is then laid before a
    /// person, because somebody may have answered from an address that nobody knows.
    async fn close_the_loop(&self, message: &MessageRecord, seq: u64) -> Result<(), BooksError> {
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
        if let Some((thread, _)) = &message.threading.perhaps {
            for id in self.books.effects_of_thread(thread).await? {
                self.react_to(&id, (message, seq), (Standing::Outsider, Some(WEAK)))
                    .await?;
            }
        }
        let standing = self.standing_of(message).await?;
        let matched = self.match_of_message(message).await?;
        let doubt = matched.doubt().filter(|_| from_them);
        let doubt = doubt.map(|doubt| doubt.text.as_str());
        for id in self.books.effects_of_thread(&message.thread).await? {
            self.react_to(&id, (message, seq), (standing, doubt))
                .await?;
        }
        Ok(())
    }

    async fn react_to(
        &self,
        id: &EffectId,
        (message, seq): (&MessageRecord, u64),
        (standing, doubt): (Standing, Option<&str>),
    ) -> Result<(), BooksError> {
        let mut conflicts = 0;
        loop {
            match self.react(id, (message, seq), (standing, doubt)).await {
                Err(error) if error.is_conflict() && conflicts < CONFLICTS_MAX => {
                    conflicts = conflicts.saturating_add(1);
                    tokio::task::yield_now().await;
                }
                result => return result,
            }
        }
    }

    /// What the sender of a message is to its thread; of ours: a party.
    pub(super) async fn standing_of(
        &self,
        message: &MessageRecord,
    ) -> Result<Standing, BooksError> {
        let Some(from) = message.from.as_ref().filter(|_| !message.outbound) else {
            return Ok(Standing::Party);
        };
        let free_mail = &self.office.free_mail;
        self.books
            .standing(&message.thread, &from.email, free_mail)
            .await
    }

    async fn react(
        &self,
        id: &EffectId,
        (message, seq): (&MessageRecord, u64),
        (standing, doubt): (Standing, Option<&str>),
    ) -> Result<(), BooksError> {
        let Some(mail) = self.books.get::<MailEffect>(keys::mail(id)).await? else {
            return Ok(());
        };
        if mail.record.cause.event_seq >= seq {
            // It came of this very message or of a later event: the page is worked on again.
            return Ok(());
        }
        let from = message.from.as_ref();
        let who = from.map_or("somebody", |from| from.email.as_str());
        let when = message.received;
        let meaning = match self.meaning(&mail.record, message, standing).await? {
            Meaning::Answer if doubt.is_some() => Meaning::Aside,
            meaning => meaning,
        };
        match meaning {
            Meaning::None => Ok(()),
            Meaning::Arrived => {
                let why = format!("{who} answered it on {when}: it arrived");
                self.step_mail(&mail, Input::FoundInSent, why).await
            }
            Meaning::Answer => {
                let why = format!("{who} answered in the thread on {when}");
                let by = "a reply".to_owned();
                let input = Input::Cancel {
                    by,
                    why: why.clone(),
                };
                self.step_mail(&mail, input, why).await
            }
            Meaning::Aside => {
                let but = doubt.unwrap_or("took no part in it");
                let why = format!(
                    "{who} wrote into the thread on {when}, but {but}: not taken for an answer; \
                     look at it, then approve or reject"
                );
                let by_itself = mail.record.mode == MailMode::Send
                    && matches!(
                        mail.record.state,
                        MailState::Scheduled | MailState::Deferred
                    );
                if by_itself {
                    return self.step_mail(&mail, Input::NeedsPerson, why).await;
                }
                let now = self.clock.now();
                let mut writes = self.books.batch();
                let mut what = "not cancelled".to_owned();
                if mail.record.mode == MailMode::Send && mail.record.state == MailState::Proposed {
                    // It waits for its times; when they are held, a person decides.
                    let mut after = mail.record.clone();
                    after.mode = MailMode::Approve;
                    stage_mail_record(&mut writes, &mail, &after)?;
                    what.push_str(", and waits for a yes once its times are held");
                }
                let row = AuditRow {
                    at: now,
                    who: "liaison".to_owned(),
                    what,
                    why,
                };
                stage_audit(&mut writes, id.as_str(), now, row)?;
                self.books.commit(writes).await
            }
        }
    }

    async fn meaning(
        &self,
        mail: &MailEffect,
        message: &MessageRecord,
        standing: Standing,
    ) -> Result<Meaning, BooksError> {
        let is_answered = mail.is_named_in(&message.references);
        // Nobody else knows the id of a mail of ours than those who got it.
        if is_answered && !message.outbound && is_in_doubt(mail) {
            return Ok(Meaning::Arrived);
        }
        let waits = mail.state.can_be_cancelled();
        if !waits || !mail.cancel_on_reply || mail.answers.as_ref() == Some(&message.key) {
            return Ok(Meaning::None);
        }
        // Who answers the draft itself has got it; its copy in Sent will say so.
        let is_draft = mail.state == MailState::Drafted;
        if is_draft && (is_answered || self.owner_wrote(mail, message).await?) {
            return Ok(Meaning::None);
        }
        let answered = match &mail.answers {
            Some(key) => self.books.message(key).await?,
            None => None,
        };
        if answered.is_some_and(|answered| message.received <= answered.received) {
            return Ok(Meaning::None);
        }
        let of_account = message.account.is_some() && message.account == mail.cause.subject.account;
        let is_recipient = message
            .from
            .as_ref()
            .is_some_and(|from| same_person(&from.email, &mail.recipient));
        Ok(match standing.may_answer() || of_account || is_recipient {
            true => Meaning::Answer,
            false => Meaning::Aside,
        })
    }

    /// Whether one of us wrote in the thread since the draft lies there: it may have been this very
    /// draft under another Message-ID, as some mail readers give it, so it is left alone.
    async fn owner_wrote(
        &self,
        draft: &MailEffect,
        message: &MessageRecord,
    ) -> Result<bool, BooksError> {
        if message.outbound {
            return Ok(true);
        }
        let thread = self.books.thread(&message.thread).await?;
        let wrote = thread.and_then(|thread| thread.last_human_outbound);
        Ok(wrote.is_some_and(|at| at >= draft.created))
    }

    pub(super) async fn step_mail(
        &self,
        mail: &Stored<MailEffect>,
        input: Input,
        why: String,
    ) -> Result<(), BooksError> {
        let now = self.clock.now();
        let mut writes = self.books.batch();
        let step = Step {
            input,
            who: "liaison",
            why,
            not_before: None,
            found_as: None,
        };
        match stage_mail(&self.books, &mut writes, mail, step, now).await {
            Ok(_) => self.books.commit(writes).await,
            // It moved on meanwhile; the worker looks again under the lease.
            Err(StepError::Books(error)) => Err(error),
            Err(_) => Ok(()),
        }
    }

    /// Whether no plugin is to hear of it, so that nobody need put it into words. Mail from outside
    /// always is put: that it is from one of us is an answer of its own.
    fn is_for_nobody(&self, event: &EventRow, message: Option<&MessageRecord>) -> bool {
        let (kind, owner) = match (&event.body, message) {
            (EventBody::Message(_), Some(message)) if message.outbound => ("message-sent", None),
            (EventBody::Settled { plugin, .. }, _) => ("effect-settled", Some(plugin)),
            (EventBody::Meeting { .. }, _) => ("meeting", None),
            _ => return false,
        };
        let hears = |plugin: &Arc<ActivePlugin>| {
            owner.is_none_or(|owner| *owner == plugin.name())
                && plugin.plugin.manifest().subscribes(kind, None)
        };
        !self.plugins.iter().any(hears)
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
            EventBody::Message(_) | EventBody::Meeting { .. } => None,
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
            row.summary = cut_text(&why, SUMMARY_CHARS_MAX);
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

    /// Moves the position past an event that a later release recorded: it stays as it is, and
    /// `status` tells of it.
    pub(super) async fn pass_over(&self, event: &Key) -> Result<(), BooksError> {
        let seq = Parts::new(&event.k).u64().unwrap_or_default();
        self.move_to(seq.saturating_add(1)).await
    }

    /// Closes the outcome when no plugin waits, and records the results from which nothing follows.
    async fn finish(
        &self,
        event: &EventRow,
        (untold, rehearsal, said): (Option<&str>, bool, Option<&str>),
        idle: Vec<PluginResultRow>,
    ) -> Result<(), BooksError> {
        let mut writes = self.books.batch();
        Pipeline::stage_idle(&mut writes, event.seq, &idle)?;
        let key = keys::outcome(&event.key);
        let outcome = self.books.get::<OutcomeRow>(key.clone()).await?;
        let Some(outcome) = outcome.filter(|outcome| outcome.record.closed.is_none()) else {
            return match idle.is_empty() {
                true => Ok(()),
                false => self.books.commit(writes).await,
            };
        };
        let mut results = self.books.plugin_results(event.seq).await?;
        results.extend(idle);
        results.sort_by(|a, b| a.plugin.cmp(&b.plugin));
        let waits = results
            .iter()
            .any(|row| matches!(row.end, CallEnd::Waiting(..)));
        let mut row = outcome.record;
        row.summary = match (rehearsal, summary(&results, untold)) {
            (true, told) => rehearsal::summary(&told),
            (false, told) => told,
        };
        if let Some(said) = said {
            row.summary = cut_text(&format!("{said}; {}", row.summary), SUMMARY_CHARS_MAX);
        }
        row.closed = (!waits).then(|| self.clock.now());
        replace(&mut writes, key, Some(outcome.version), &row)?;
        if let Some((thread, row)) = self.silence(event, &results, untold) {
            stage_audit(&mut writes, thread.as_str(), row.at, row)?;
        }
        self.books.commit(writes).await
    }

    /// What is to be told of a timer's event that came to nothing: no effect leads back to it, so
    /// that its conversation remembers it.
    fn silence(
        &self,
        event: &EventRow,
        results: &[PluginResultRow],
        untold: Option<&str>,
    ) -> Option<(ThreadId, AuditRow)> {
        let EventBody::Timer { name, subject, .. } = &event.body else {
            return None;
        };
        let thread = subject.thread.clone()?;
        let refusals = results.iter().flat_map(|row| {
            let refused = |verdict: &&Verdict| verdict.result == VerdictResult::Refused;
            let verdicts = row.verdicts.iter().filter(refused);
            verdicts.map(|verdict| {
                let why = verdict.reasons.last().map_or("", String::as_str);
                format!("{}: {} refused: {why}", row.plugin, verdict.kind)
            })
        });
        let unasked = results.iter().filter_map(|row| match &row.end {
            CallEnd::Answered | CallEnd::Waiting(..) => None,
            CallEnd::Skipped(why) => Some(format!("{} was not asked: {why}", row.plugin)),
            CallEnd::Parked(why) => Some(format!("{} is parked: {why}", row.plugin)),
        });
        let nobody = (results.is_empty() && untold.is_none())
            .then(|| "no plugin asked for events of this kind".to_owned());
        let untold = untold.map(str::to_owned).into_iter().chain(nobody);
        let why: Vec<String> = untold.chain(unasked).chain(refusals).collect();
        (!why.is_empty()).then(|| {
            let row = AuditRow {
                at: self.clock.now(),
                who: "liaison".to_owned(),
                what: format!("the timer `{name}` came to nothing"),
                why: cut_text(&why.join("; "), SUMMARY_CHARS_MAX),
            };
            (thread, row)
        })
    }

    /// Everything before event `seq` is done.
    pub(super) async fn move_to(&self, seq: u64) -> Result<(), BooksError> {
        let key = keys::setting(POSITION);
        let seen = self.books.get::<CounterRow>(key.clone()).await?;
        let mut writes = self.books.batch();
        let version = seen.map(|row| row.version);
        replace(&mut writes, key, version, &CounterRow { next: seq })?;
        self.books.commit(writes).await
    }
}

/// Whether the mail may have gone out without our knowing: a try of it ended in doubt, or a person
/// or another try was waited for after one.
pub(super) fn is_in_doubt(mail: &MailEffect) -> bool {
    let waits_after_a_try = matches!(
        mail.state,
        MailState::Held | MailState::Approved | MailState::Scheduled | MailState::Deferred
    );
    mail.state == MailState::Uncertain || (waits_after_a_try && mail.attempts > 0)
}

/// Whether two addresses are one but for their `+tag`.
pub(crate) fn same_person(one: &str, other: &str) -> bool {
    let bare =
        |email: &str| Some(standing_names(&Address::parse(email).ok()?, &FreeMail::default()).0);
    one == other || (bare(one).is_some() && bare(one) == bare(other))
}

fn firing(timer: TimerRecord) -> NewEvent {
    NewEvent {
        key: format!("timer {} {}", timer.id, timer.generation),
        message: timer.subject.message.clone(),
        matched: None,
        body: EventBody::Timer {
            timer: timer.id,
            plugin: timer.plugin,
            name: timer.name,
            due: timer.due,
            payload: timer.payload,
            subject: timer.subject,
        },
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
                    .filter(|v| v.result == VerdictResult::Refused)
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
    cut_text(&told.collect::<Vec<_>>().join("; "), SUMMARY_CHARS_MAX)
}

/// Longest summary kept, in characters.
const SUMMARY_CHARS_MAX: usize = 600;
