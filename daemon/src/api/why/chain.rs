//! Collecting the chain.

use std::collections::BTreeSet;

use liaison_core::effect::{Cause, HoldEffect, MailEffect};
use liaison_core::happening::Subject;
use liaison_core::ids::{MessageKey, ThreadId};
use liaison_core::mailbox::MailboxEffect;
use liaison_core::message::MessageRecord;
use liaison_core::optout::{AskedBy, OptOut};
use liaison_core::policy::{Verdict, VerdictResult};
use liaison_core::records::{CaseRecord, TaskRecord, TimerRecord};
use serde_json::{Value, json};

use crate::api::addresses;
use crate::api::cases::case_json;
use crate::api::holds::hold_json;
use crate::api::matching::match_json;
use crate::api::outbox::{change_json, mail_json};
use crate::api::tasks::task_json;
use crate::api::timers::timer_json;
use crate::api::{ApiContext, ApiError, with};
use crate::books::rows::{CallEnd, EventBody, OutcomeRow, PluginResultRow};
use crate::books::{BooksError, THREAD_MESSAGES_MAX};
use crate::store::{Ns, Range};

/// Everything that was found, in the order in which it is told.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) subject: Value,
    message: Value,
    report: Value,
    matched: Value,
    deliveries: Vec<Value>,
    thread: Value,
    events: Vec<Value>,
    mails: Vec<Value>,
    holds: Vec<Value>,
    changes: Vec<Value>,
    records: Vec<Value>,
    timers: Vec<Value>,
    nothing: Vec<String>,
    seen: BTreeSet<String>,
}

impl Chain {
    pub(super) fn finish(self) -> Value {
        let acted = self
            .mails
            .iter()
            .chain(&self.holds)
            .chain(&self.changes)
            .chain(&self.records)
            .chain(&self.timers)
            .next()
            .is_some();
        let nothing = match (acted, self.nothing.is_empty()) {
            (false, false) => json!(self.nothing.join("; ")),
            _ => Value::Null,
        };
        json!({
            "subject": self.subject,
            "message": self.message,
            "report": self.report,
            "match": self.matched,
            "deliveries": self.deliveries,
            "thread": self.thread,
            "events": self.events,
            "mails": self.mails,
            "holds": self.holds,
            "changes": self.changes,
            "records": self.records,
            "timers": self.timers,
            "nothing": nothing,
        })
    }

    /// From an effect or task back to its event and message, and to its siblings.
    pub(super) async fn follow_cause(
        &mut self,
        context: &ApiContext,
        cause: &Cause,
    ) -> Result<(), ApiError> {
        self.add_event(context, cause.event_seq).await?;
        self.follow_subject(context, &cause.subject).await
    }

    pub(super) async fn follow_subject(
        &mut self,
        context: &ApiContext,
        subject: &Subject,
    ) -> Result<(), ApiError> {
        if let Some(key) = &subject.message
            && let Some(message) = context.books.message(key).await?
        {
            return self.follow_message(context, &message, false).await;
        }
        if let Some(thread) = &subject.thread {
            self.add_thread(context, thread).await?;
        }
        Ok(())
    }

    /// A message with its match, copies, events; with `all`, everything that came of it.
    pub(super) async fn follow_message(
        &mut self,
        context: &ApiContext,
        message: &MessageRecord,
        all: bool,
    ) -> Result<(), ApiError> {
        self.message = message_json(message);
        self.report = addresses::report(context, &message.key).await?;
        let copies = context.books.deliveries(&message.key).await?;
        self.deliveries = copies.iter().map(|copy| json!(copy)).collect();
        let sent = format!("sent {}", message.key);
        for key in [message.key.as_str(), &sent] {
            if let Some(outcome) = context.books.outcome(key).await? {
                self.add_outcome(context, &outcome, message, all).await?;
            }
        }
        self.add_wish(context, message).await?;
        self.add_thread(context, &message.thread).await
    }

    /// What came of a message that asked for an end of our mails.
    async fn add_wish(
        &mut self,
        context: &ApiContext,
        message: &MessageRecord,
    ) -> Result<(), ApiError> {
        let mut tasks = Vec::new();
        let by = AskedBy::Message(message.key.clone());
        let each = |wish: OptOut| {
            if wish.by == by {
                tasks.push(wish.task_id());
            }
        };
        context.books.each(Range::all(Ns::OptOut), each).await?;
        for id in tasks {
            if let Some(task) = context.books.task(&id).await? {
                self.add_task(context, &task).await?;
            }
        }
        Ok(())
    }

    async fn add_outcome(
        &mut self,
        context: &ApiContext,
        outcome: &OutcomeRow,
        message: &MessageRecord,
        all: bool,
    ) -> Result<(), ApiError> {
        if let Some(matched) = &outcome.matched {
            self.matched = match_json(context, matched).await?;
        }
        let Some(seq) = outcome.seq else {
            self.events.push(json!({
                "what": "recorded without an event",
                "outcome": outcome_json(outcome),
                "plugins": [],
            }));
            self.nothing.push(outcome.summary.clone());
            return Ok(());
        };
        self.add_event(context, seq).await?;
        if !message.is_human() && !message.outbound {
            self.nothing
                .push(format!("it is automatic mail ({})", message.class));
        }
        self.nothing.push(outcome.summary.clone());
        if !all {
            return Ok(());
        }
        self.add_effects_of_event(context, seq).await
    }

    async fn add_effects_of_event(
        &mut self,
        context: &ApiContext,
        seq: u64,
    ) -> Result<(), ApiError> {
        for id in context.books.effects_of_event(seq).await? {
            if let Some(mail) = context.books.mail(&id).await? {
                self.add_mail(context, &mail).await?;
            } else if let Some(hold) = context.books.hold(&id).await? {
                self.add_hold(context, &hold).await?;
            } else if let Some(effect) = context.books.mailbox_effect(&id).await? {
                self.add_change(context, &effect).await?;
            }
        }
        for result in context.books.plugin_results(seq).await? {
            for verdict in &result.verdicts {
                if let VerdictResult::Applied(id) = &verdict.result {
                    self.add_record(context, id).await?;
                }
            }
        }
        Ok(())
    }

    async fn add_record(&mut self, context: &ApiContext, id: &str) -> Result<(), ApiError> {
        if let Some(case) = context.books.case(&id.into()).await? {
            self.add_case(context, &case).await?;
        } else if let Some(task) = context.books.task(&id.into()).await? {
            self.add_task(context, &task).await?;
        } else if let Some(timer) = context.books.timer(&id.into()).await? {
            self.add_timer(&timer);
        }
        Ok(())
    }

    async fn add_event(&mut self, context: &ApiContext, seq: u64) -> Result<(), ApiError> {
        if !self.seen.insert(format!("event {seq}")) {
            return Ok(());
        }
        let Some(event) = context.books.event(&seq).await? else {
            return Ok(());
        };
        let outcome = context.books.outcome(&event.key).await?;
        let results = context.books.plugin_results(seq).await?;
        self.events.push(json!({
            "seq": seq,
            "at": event.at,
            "key": event.key,
            "what": event_words(&event.body),
            "outcome": outcome.as_ref().map(outcome_json),
            "plugins": results.iter().map(result_json).collect::<Vec<_>>(),
        }));
        Ok(())
    }

    /// The conversation: its messages with what became of each, its other effects, its timers.
    async fn add_thread(&mut self, context: &ApiContext, id: &ThreadId) -> Result<(), ApiError> {
        let Some(thread) = context.books.thread(id).await? else {
            return Ok(());
        };
        let mut messages = Vec::new();
        for message in context
            .books
            .thread_messages(id, THREAD_MESSAGES_MAX)
            .await?
        {
            let summary = summary_of(context, &message.key).await?;
            messages.push(json!({
                "key": message.key,
                "message_id": message.message_id,
                "received": message.received,
                "outbound": message.outbound,
                "from": message.from.as_ref().map(|from| &from.email),
                "subject": message.subject,
                "class": message.class,
                "summary": summary,
            }));
        }
        self.thread = json!({
            "id": thread.id,
            "subject": thread.subject,
            "account": thread.account.as_ref().map(|(id, _)| id),
            "automatic_since_human": thread.automatic_since_human,
            "closed": thread.closed.as_ref().map(ToString::to_string),
            "audit": audit_json(context, id.as_str()).await?,
            "last_human_inbound": thread.last_human_inbound,
            "last_human_outbound": thread.last_human_outbound,
            "messages": messages,
        });
        for effect in context.books.effects_of_thread(id).await? {
            if let Some(mail) = context.books.mail(&effect).await? {
                self.add_mail(context, &mail).await?;
            } else if let Some(hold) = context.books.hold(&effect).await? {
                self.add_hold(context, &hold).await?;
            } else if let Some(change) = context.books.mailbox_effect(&effect).await? {
                self.add_change(context, &change).await?;
            }
        }
        let timers: Vec<TimerRecord> = context.books.all(Ns::Timer).await?;
        for timer in timers {
            if timer.subject.thread.as_ref() == Some(id) {
                self.add_timer(&timer);
            }
        }
        Ok(())
    }

    pub(super) async fn add_mail(
        &mut self,
        context: &ApiContext,
        mail: &MailEffect,
    ) -> Result<(), ApiError> {
        if self.seen.insert(format!("mail {}", mail.id)) {
            let audit = audit_json(context, mail.id.as_str()).await?;
            let returned = addresses::returned(context, mail.id.as_str()).await?;
            let event = mail.cause.event_seq;
            let more = json!({ "event": event, "audit": audit, "returned": returned });
            self.mails.push(with(mail_json(mail), more));
        }
        Ok(())
    }

    pub(super) async fn add_hold(
        &mut self,
        context: &ApiContext,
        hold: &HoldEffect,
    ) -> Result<(), ApiError> {
        if self.seen.insert(format!("hold {}", hold.id)) {
            let audit = audit_json(context, hold.id.as_str()).await?;
            let more = json!({ "event": hold.cause.event_seq, "audit": audit });
            let group = context.books.hold_group(&hold.group).await?;
            self.holds.push(with(hold_json(hold, group.as_ref()), more));
        }
        Ok(())
    }

    pub(super) async fn add_change(
        &mut self,
        context: &ApiContext,
        effect: &MailboxEffect,
    ) -> Result<(), ApiError> {
        if self.seen.insert(format!("change {}", effect.id)) {
            let audit = audit_json(context, effect.id.as_str()).await?;
            let more = json!({ "event": effect.cause.event_seq, "audit": audit });
            self.changes.push(with(change_json(effect), more));
        }
        Ok(())
    }

    pub(super) async fn add_case(
        &mut self,
        context: &ApiContext,
        case: &CaseRecord,
    ) -> Result<(), ApiError> {
        if self.seen.insert(format!("case {}", case.id)) {
            let audit = audit_json(context, case.id.as_str()).await?;
            let more = json!({ "record": "case", "audit": audit });
            self.records.push(with(case_json(case), more));
        }
        Ok(())
    }

    pub(super) async fn add_task(
        &mut self,
        context: &ApiContext,
        task: &TaskRecord,
    ) -> Result<(), ApiError> {
        if self.seen.insert(format!("task {}", task.id)) {
            let audit = audit_json(context, task.id.as_str()).await?;
            let more = json!({ "record": "task", "audit": audit });
            self.records.push(with(task_json(task), more));
        }
        Ok(())
    }

    pub(super) fn add_timer(&mut self, timer: &TimerRecord) {
        if self.seen.insert(format!("timer {}", timer.id)) {
            self.timers.push(timer_json(timer));
        }
    }
}

async fn audit_json(context: &ApiContext, id: &str) -> Result<Value, BooksError> {
    Ok(json!(context.books.audit_of(id).await?))
}

async fn summary_of(context: &ApiContext, key: &MessageKey) -> Result<Option<String>, BooksError> {
    let outcome = context.books.outcome(key.as_str()).await?;
    Ok(outcome.map(|outcome| outcome.summary))
}

fn message_json(message: &MessageRecord) -> Value {
    json!({
        "key": message.key,
        "message_id": message.message_id,
        "thread": message.thread,
        "mailbox": message.mailbox,
        "outbound": message.outbound,
        "historical": message.historical,
        "date": message.date,
        "received": message.received,
        "from": message.from,
        "to": message.to,
        "cc": message.cc,
        "reply_to": message.reply_to,
        "subject": message.subject,
        "class": message.class,
        "class_evidence": message.class_evidence,
        "authenticity": message.authenticity,
        "effect": message.effect,
        "plugin": message.plugin,
        "attachments": message.attachments,
        "tags": message.tags,
        "problems": message.problems,
        "thread_by": message.threading.by.as_ref().map(|(by, what)| format!("{by} {what}")),
        "thread_perhaps": message.threading.perhaps.as_ref().map(|(thread, by)| {
            format!("{thread}, as the subject and the people of message {by} tell (weak)")
        }),
        "content_gone": liaison_core::message::gone_why(&message.content),
    })
}

fn outcome_json(outcome: &OutcomeRow) -> Value {
    json!({
        "summary": outcome.summary,
        "closed": outcome.closed,
        "event_key": outcome.event_key,
    })
}

fn event_words(body: &EventBody) -> String {
    match body {
        EventBody::Message(key) => format!("the message {key}"),
        EventBody::Timer {
            plugin, name, due, ..
        } => format!("the timer `{name}` of {plugin} was due at {due}"),
        EventBody::Settled {
            effect,
            plugin,
            label,
            ..
        } => format!("the effect {effect} (`{label}` of {plugin}) came to an end"),
        EventBody::Meeting { news, .. } => news.told(),
    }
}

fn result_json(result: &PluginResultRow) -> Value {
    let (end, detail, until) = match &result.end {
        CallEnd::Answered => ("answered", None, None),
        CallEnd::Skipped(why) => ("skipped", Some(why), None),
        CallEnd::Waiting(until, why) => ("waiting", Some(why), Some(until)),
        CallEnd::Parked(why) => ("parked", Some(why), None),
    };
    json!({
        "plugin": result.plugin,
        "version": result.version,
        "digest": result.digest,
        "at": result.at,
        "end": end,
        "why": detail,
        "until": until,
        "verdicts": result.verdicts.iter().map(verdict_json).collect::<Vec<_>>(),
        "verdicts_cut": result.verdicts_cut,
        "log": result.log,
        "fuel": { "used": result.fuel.0, "budget": result.fuel.1 },
        "attempt": result.attempt,
    })
}

fn verdict_json(verdict: &Verdict) -> Value {
    let (result, id, until) = match &verdict.result {
        VerdictResult::Effect(id) => ("effect", Some(id.as_str()), None),
        VerdictResult::Deferred(id, until) => ("deferred", Some(id.as_str()), Some(until)),
        VerdictResult::Applied(id) => ("applied", Some(id.as_str()), None),
        VerdictResult::Rehearsed => ("rehearsed", None, None),
        VerdictResult::Refused => ("refused", None, None),
        VerdictResult::Repeated(id) => ("repeated", Some(id.as_str()), None),
    };
    json!({
        "label": verdict.label,
        "kind": verdict.kind,
        "result": result,
        "id": id,
        "until": until,
        "reasons": verdict.reasons,
    })
}
