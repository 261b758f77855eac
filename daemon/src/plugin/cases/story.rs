//! Tells a case step by step.

use std::sync::Arc;

use liaison_core::happening::{
    EventContext, Happening, PluginAttachment, PluginEvent, PluginMessage, SettledOutcome, UserView,
};
use liaison_core::ids::{EffectId, MessageKey, PluginName, ThreadId};
use liaison_core::proposal::{Action, Content, PlainAddress, Proposal, Value};
use liaison_core::time::Window;
use liaison_core::zones;

use super::format::{Case, Mail, Settle, Step};
use super::mail::{address, addresses, authenticity, base_subject, class, instant, out_of_office};
use super::state::{self, State};
use super::{StepResult, compare, view, working};
use crate::plugin::{CallOutcome, CallReport, Plugin};
use crate::templates::Templates;

/// Monday 2 March 2026, ten in the morning in Berlin.
const NOW: &str = "2026-03-02T09:00:00Z";
const ZONE: &str = "Europe/Berlin";
const OWNER: &str = "Sam Field <sam@example.net>";
/// Timers that may fire in one step: one that sets itself again would never end.
const TIMERS_MAX: usize = 100;

pub(super) struct Story<'a> {
    plugin: &'a Plugin,
    settings: Arc<str>,
    state: State,
    owner: UserView,
    context: EventContext,
    /// Message of each step so far.
    told: Vec<Option<usize>>,
    events: usize,
}

/// What a step came to so far.
#[derive(Default)]
struct Telling {
    proposals: Vec<serde_json::Value>,
    calls: Vec<CallReport>,
    wrong: Vec<String>,
}

type Out<T> = Result<T, String>;

impl<'a> Story<'a> {
    pub(super) fn new(plugin: &'a Plugin, settings: Arc<str>, case: &Case) -> Out<Story<'a>> {
        let zone_name = case.zone.as_deref().unwrap_or(ZONE);
        let zone =
            zones::zone(zone_name).ok_or_else(|| format!("`{zone_name}` is no IANA zone"))?;
        let own = address(case.owner.as_deref().unwrap_or(OWNER));
        let owner = UserView {
            name: own.name.clone().unwrap_or_default(),
            email: own.email.clone(),
            zone: zone_name.to_owned(),
        };
        let now = instant(case.now.as_deref().unwrap_or(NOW))?;
        let mut state = State::new(now, zone, own);
        for account in &case.account {
            let id = format!("account-{}", state.accounts.len().saturating_add(1));
            for contact in &account.contacts {
                let who = address(contact);
                let number = state.contacts.len().saturating_add(1);
                let fields = [
                    ("name".to_owned(), Value::Text(who.name.unwrap_or_default())),
                    ("email".to_owned(), Value::Text(who.email)),
                ];
                let entity = state::entity(format!("contact-{number}"), "contact", fields.into());
                state.contacts.push((id.clone(), entity));
            }
            let fields = [
                ("name".to_owned(), Value::Text(account.name.clone())),
                ("domains".to_owned(), Value::Texts(account.domains.clone())),
                (
                    "lifecycle".to_owned(),
                    Value::Text(account.lifecycle.clone()),
                ),
            ];
            state
                .accounts
                .push(state::entity(id, "account", fields.into()));
        }
        for busy in &case.busy {
            state.busy.push(Window {
                start: instant(&busy.start)?,
                end: instant(&busy.end)?,
            });
        }
        state.busy.sort();
        let context = EventContext {
            matched: state::unmatched(),
            ourselves: state.ourselves.clone(),
            owner: Some(owner.clone()),
            zone: zone_name.to_owned(),
            rehearsal: true,
        };
        Ok(Story {
            plugin,
            settings,
            state,
            owner,
            context,
            told: Vec::new(),
            events: 0,
        })
    }

    pub(super) fn tell(mut self, steps: &[Step]) -> Vec<StepResult> {
        let mut results = Vec::with_capacity(steps.len());
        for (number, step) in steps.iter().enumerate() {
            let mut telling = Telling::default();
            self.told.push(None);
            let event = match self.step(step, &mut telling) {
                Ok(event) => event,
                Err(said) => {
                    telling.wrong.push(said);
                    "step"
                }
            };
            if step.expect_none && !step.expect.is_empty() {
                telling
                    .wrong
                    .push("`expect-none` and `expect` exclude one another".to_owned());
            }
            let difference = compare::difference(
                &telling.proposals,
                &step.expect,
                step.exact || step.expect_none,
            );
            telling.wrong.extend(difference);
            let failed = !telling.wrong.is_empty();
            results.push(StepResult {
                number: number.saturating_add(1),
                event: event.to_owned(),
                proposals: telling.proposals,
                calls: telling.calls,
                difference: failed.then(|| telling.wrong.join("\n")),
            });
            if failed {
                break;
            }
        }
        results
    }

    fn step(&mut self, step: &Step, telling: &mut Telling) -> Out<&'static str> {
        match (&step.mail, &step.sent, &step.advance, &step.settle) {
            (Some(mail), None, None, None) => self.receive(mail, telling),
            (None, Some(mail), None, None) => self.send(mail, telling),
            (None, None, Some(span), None) => self.advance(span, telling),
            (None, None, None, Some(settle)) => self.settle(settle, telling),
            _ => Err("a step has exactly one of `mail`, `sent`, `advance`, `settle`".to_owned()),
        }
    }

    fn receive(&mut self, mail: &Mail, telling: &mut Telling) -> Out<&'static str> {
        let message = self.file(mail, false)?;
        self.context.matched = self.state.matched(&message.sender, &message.class);
        self.context.matched.authenticity = authenticity(mail)?;
        let thread: Vec<_> = self.thread(&message.thread).collect();
        let thread_length = u32::try_from(thread.len()).unwrap_or(u32::MAX);
        let answers_us = thread.iter().any(|message| message.outbound);
        self.call(
            Happening::MessageReceived {
                message,
                thread_length,
                answers_us,
            },
            telling,
        );
        Ok("message-received")
    }

    fn send(&mut self, mail: &Mail, telling: &mut Telling) -> Out<&'static str> {
        let message = self.file(mail, true)?;
        let outside = message.to.iter().find(|to| !self.state.is_own(to));
        self.context.matched =
            outside.map_or_else(state::unmatched, |to| self.state.matched(to, "human"));
        let thread_length = u32::try_from(self.thread(&message.thread).count()).unwrap_or(u32::MAX);
        let plugin = mail.plugin.clone().map(PluginName);
        let effect = plugin
            .as_ref()
            .map(|_| EffectId(format!("effect-of-{}", message.id)));
        self.call(
            Happening::MessageSent {
                message,
                thread_length,
                effect,
                plugin,
            },
            telling,
        );
        Ok("message-sent")
    }

    fn advance(&mut self, span: &str, telling: &mut Telling) -> Out<&'static str> {
        let until = working::after(self.state.now, span, &self.state.zone)?;
        let mut fired = 0_usize;
        loop {
            let due = self
                .state
                .timers
                .iter()
                .filter(|(_, timer)| timer.due <= until);
            let Some(name) = due
                .min_by_key(|(_, timer)| timer.due)
                .map(|(name, _)| name.clone())
            else {
                break;
            };
            fired = fired.saturating_add(1);
            if fired > TIMERS_MAX {
                return Err(format!(
                    "more than {TIMERS_MAX} timers fired, the last was `{name}`"
                ));
            }
            let Some(timer) = self.state.timers.remove(&name) else {
                break;
            };
            self.state.now = self.state.now.max(timer.due);
            self.context = timer.context;
            let late_by_ms = self.state.now.since(timer.due);
            let (due, payload) = (timer.due, timer.payload);
            self.call(
                Happening::TimerFired {
                    name,
                    due,
                    late_by_ms,
                    payload,
                },
                telling,
            );
        }
        self.state.now = until;
        Ok("timer-fired")
    }

    fn settle(&mut self, settle: &Settle, telling: &mut Telling) -> Out<&'static str> {
        let why = || "in a test case".to_owned();
        let outcome = match settle.outcome.as_str() {
            "done" => SettledOutcome::Done,
            "drafted" => SettledOutcome::Drafted,
            "rejected" => SettledOutcome::Rejected(why()),
            "cancelled" => SettledOutcome::Cancelled(why()),
            "adopted" => SettledOutcome::Adopted(why()),
            "failed" => SettledOutcome::Failed(why()),
            other => return Err(format!("no outcome `{other}`")),
        };
        let label = settle.label.clone();
        let effect = EffectId(format!("effect-{label}"));
        self.call(
            Happening::EffectSettled {
                effect,
                label,
                outcome,
            },
            telling,
        );
        Ok("effect-settled")
    }

    /// Calls the plugin twice with the same, keeps what the first call decided.
    fn call(&mut self, happening: Happening, telling: &mut Telling) {
        let manifest = self.plugin.manifest();
        let class = match &happening {
            Happening::MessageReceived { message, .. } => Some(message.class.as_str()),
            _ => None,
        };
        if !manifest.subscribes(happening.kind(), class) {
            return;
        }
        self.events = self.events.saturating_add(1);
        self.state.account = self
            .context
            .matched
            .account
            .as_ref()
            .map(|it| it.id.clone());
        let event = PluginEvent {
            id: format!("event-{}", self.events),
            at: self.state.now,
            attempt: 1,
            happening,
            context: self.context.clone(),
        };
        let once = || {
            self.plugin
                .call(&event, self.settings.clone(), Box::new(self.state.clone()))
        };
        let (first, again) = (once(), once());
        if (&first.outcome, first.fuel_used, &first.kv_writes)
            != (&again.outcome, again.fuel_used, &again.kv_writes)
        {
            telling.wrong.push(format!(
                "the same call did not end the same: {} and {} fuel, {:?} and {:?}",
                first.fuel_used, again.fuel_used, first.outcome, again.outcome
            ));
        }
        match &first.outcome {
            CallOutcome::Proposals(proposals) => {
                self.state.keep(&first.kv_writes);
                telling
                    .proposals
                    .extend(proposals.iter().map(view::proposal));
                telling.wrong.extend(self.unrenderable(proposals));
                let refused = self.state.apply(manifest, &self.context, proposals);
                let refused = refused
                    .into_iter()
                    .map(|said| format!("would be refused: {said}"));
                telling.wrong.extend(refused);
            }
            CallOutcome::Failed(failure) => telling.wrong.push(format!("it failed: {failure:?}")),
            CallOutcome::Crashed { kind, said, at } => {
                let place = if at.is_empty() {
                    String::new()
                } else {
                    format!("\n  at {}", at.join("\n  at "))
                };
                telling
                    .wrong
                    .push(format!("it was stopped ({}): {said}{place}", kind.as_str()));
            }
        }
        telling.calls.push(first);
    }

    /// Templates and attachments of the plugin that do not go with what it proposes. One without
    /// a folder of templates relies on the firm's, which are not here.
    fn unrenderable(&self, proposals: &[Proposal]) -> Vec<String> {
        let folder = self.plugin.folder().join("templates");
        if !folder.is_dir() {
            return Vec::new();
        }
        let templates = Templates::new(None, Some(&folder));
        let mut wrong = Vec::new();
        for proposal in proposals {
            let Action::Email(mail) = &proposal.action else {
                continue;
            };
            if let Content::Template { name, variables } = &mail.content
                && let Err(error) = templates.render(name, variables, &self.context.zone)
            {
                wrong.push(format!("`{}`: {error}", proposal.label));
            }
            let attached = mail
                .attach
                .iter()
                .filter_map(|name| templates.attachment(name).err());
            wrong.extend(attached.map(|error| format!("`{}`: {error}", proposal.label)));
        }
        wrong
    }

    fn thread(&self, id: &ThreadId) -> impl Iterator<Item = &PluginMessage> {
        self.state
            .messages
            .iter()
            .filter(move |message| message.thread == *id)
    }

    /// Makes a message of a case's mail and puts it into its thread.
    fn file(&mut self, mail: &Mail, outbound: bool) -> Out<PluginMessage> {
        let own = PlainAddress {
            name: Some(self.owner.name.clone()),
            email: self.owner.email.clone(),
        };
        let number = self.state.messages.len().saturating_add(1);
        let to = match (&mail.to, outbound) {
            (Some(to), _) => addresses(to),
            (None, false) => vec![own.clone()],
            (None, true) => return Err("a mail of ours needs `to`".to_owned()),
        };
        if !outbound && mail.from.is_empty() {
            return Err("a mail that arrives needs `from`".to_owned());
        }
        let attachments =
            mail.attachments
                .iter()
                .enumerate()
                .map(|(part, given)| PluginAttachment {
                    id: format!("attachment-{number}-{}", part.saturating_add(1)),
                    filename: Some(given.filename.clone()),
                    media_type: given.media_type.clone(),
                    size: given.size,
                });
        let message = PluginMessage {
            id: MessageKey(format!("message-{number}")),
            thread: self.thread_of(mail, number)?,
            mailbox: if outbound {
                "Sent".to_owned()
            } else {
                "INBOX".to_owned()
            },
            outbound,
            date: self.state.now,
            subject: mail.subject.clone(),
            sender: if mail.from.is_empty() {
                own
            } else {
                address(&mail.from)
            },
            to,
            cc: mail.cc.as_deref().map(addresses).unwrap_or_default(),
            reply_to: mail.reply_to.as_deref().map(addresses).unwrap_or_default(),
            headers: mail.headers.clone().into_iter().collect(),
            text: mail.text.clone(),
            signature: mail.signature.clone(),
            truncated: false,
            attachments: attachments.collect(),
            tags: Vec::new(),
            class: class(mail)?,
            out_of_office: out_of_office(mail)?,
        };
        if let Some(last) = self.told.last_mut() {
            *last = Some(self.state.messages.len());
        }
        self.state.messages.push(message.clone());
        Ok(message)
    }

    fn thread_of(&self, mail: &Mail, number: usize) -> Out<ThreadId> {
        let same = match mail.in_reply_to_step {
            Some(step) => {
                let message = step
                    .checked_sub(1)
                    .and_then(|at| self.told.get(at).copied());
                let index = message
                    .flatten()
                    .ok_or_else(|| format!("step {step} has no mail"))?;
                self.state.messages.get(index)
            }
            None => {
                let base = base_subject(&mail.subject);
                self.state
                    .messages
                    .iter()
                    .find(|old| base_subject(&old.subject) == base)
            }
        };
        Ok(same.map_or_else(
            || ThreadId(format!("thread-{number}")),
            |old| old.thread.clone(),
        ))
    }
}
