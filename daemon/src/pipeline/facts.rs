//! What is known when a plugin is asked and when its proposals are decided.

use std::collections::{BTreeMap, BTreeSet};

use liaison_core::account::ContactStatus;
use liaison_core::account::matching::{Match, MatchOutcome};
use liaison_core::effect::{Audience, Cause, HoldEffect, MailMode};
use liaison_core::happening::{EventContext, Happening, MatchView, Subject};
use liaison_core::ids::{CalendarId, MailboxId, MessageKey};
use liaison_core::mail::Standing;
use liaison_core::message::{MessageRecord, ThreadRecord};
use liaison_core::policy::{
    CAP_WINDOW_MS, Facts, HoldsOpen, OwnerFacts, RecipientFacts, Resolved, Route,
};
use liaison_core::proposal::{Action, PlainAddress, Proposal};
use liaison_core::records::CaseRecord;
use liaison_core::time::{DAY_MS, HOUR_MS, Timestamp};

use super::rehearsal::as_if_new;
use super::world::{account_entity, contact_entity, plugin_message};
use super::{ActivePlugin, Pipeline};
use crate::books::BooksError;
use crate::books::rows::{EventBody, EventRow};
use crate::outbox::ledger::{Recipient, staff_ledger};
use crate::outbox::reach::{Stopped, came_back};
use crate::outbox::whereabouts::whereabouts;
use crate::privacy::Tombstones;
use crate::unsubscribe::opted_out;

/// An event as plugins are told it, with what the decision needs besides.
#[derive(Debug)]
pub(super) struct Told {
    pub happening: Happening,
    pub context: EventContext,
    pub subject: Subject,
    pub matched: Match,
    pub authenticity: String,
    pub message: Option<MessageRecord>,
    /// The message that a timer or a settled effect stems from.
    pub origin: Option<MessageRecord>,
    /// Sender of either, where they only wrote into somebody else's thread.
    pub outsider: Option<String>,
    pub thread: Option<ThreadRecord>,
}

impl Told {
    /// A machine or an outsider made it happen: they may move what waits, and begin nothing in the
    /// name of others.
    pub(super) fn only_moves(&self) -> bool {
        let because_of = self.message.as_ref().or(self.origin.as_ref());
        let machine = because_of.is_some_and(|m| !m.outbound && !m.is_human());
        machine || self.outsider.is_some()
    }
}

impl Pipeline {
    /// The event in words for plugins; `Err` says why no plugin is told of it.
    pub(super) async fn told(
        &self,
        event: &EventRow,
        message: Option<&MessageRecord>,
    ) -> Result<Result<Told, String>, BooksError> {
        match (&event.body, message) {
            (EventBody::Message(key), None) => Ok(Err(format!("the message {key} is gone"))),
            (EventBody::Message(_), Some(message)) => self.told_message(event, message).await,
            (
                EventBody::Timer {
                    name,
                    due,
                    payload,
                    subject,
                    ..
                },
                _,
            ) => {
                let happening = Happening::TimerFired {
                    name: name.clone(),
                    due: *due,
                    late_by_ms: event.at.since(*due).max(0),
                    payload: payload.clone(),
                };
                self.told_later(happening, subject).await.map(Ok)
            }
            (
                EventBody::Settled {
                    effect,
                    label,
                    outcome,
                    subject,
                    ..
                },
                _,
            ) => {
                let happening = Happening::EffectSettled {
                    effect: effect.clone(),
                    label: label.clone(),
                    outcome: outcome.clone(),
                };
                self.told_later(happening, subject).await.map(Ok)
            }
            (
                EventBody::Meeting {
                    meeting,
                    news,
                    subject,
                },
                _,
            ) => {
                let Some(known) = self.books.meeting(meeting).await? else {
                    return Ok(Err(format!("the meeting {meeting} is gone")));
                };
                let happening = Happening::Meeting(self.meeting_told(&known, news));
                let mut told = self.told_later(happening, subject).await?;
                // What no message told is about whom the people of the meeting belong to.
                let outcome = self.books.outcome(&event.key).await?;
                if let Some(matched) = outcome.and_then(|outcome| outcome.matched) {
                    told.context = self.context(&matched, &told.authenticity, subject).await?;
                    told.matched = matched;
                }
                Ok(Ok(told))
            }
        }
    }

    async fn told_message(
        &self,
        event: &EventRow,
        message: &MessageRecord,
    ) -> Result<Result<Told, String>, BooksError> {
        let outcome = self.books.outcome(&event.key).await?;
        let matched = match outcome.and_then(|outcome| outcome.matched) {
            Some(matched) => matched,
            None => self.match_of_message(message).await?,
        };
        if !message.outbound && matched.outcome == MatchOutcome::Own {
            return Ok(Err("it is from one of us".to_owned()));
        }
        let thread = self.books.thread(&message.thread).await?;
        let thread_length = thread.as_ref().map_or(1, |thread| thread.messages);
        let mut told = plugin_message(&self.books, message).await?;
        told.class = self.class_told(message).await?;
        let happening = if message.outbound {
            Happening::MessageSent {
                message: told,
                thread_length,
                effect: message.effect.clone(),
                plugin: message.plugin.clone(),
            }
        } else {
            let answers_us = self.answers_us(message).await?;
            Happening::MessageReceived {
                message: told,
                thread_length,
                answers_us,
            }
        };
        let subject = Subject {
            message: Some(message.key.clone()),
            thread: Some(message.thread.clone()),
            account: matched.account.clone(),
            contact: matched.contact.clone(),
            counterpart: self.counterpart(message),
            mailbox: Some(message.mailbox.0.clone()),
        };
        // Only the sender of an inbound message can be a liar about who they are.
        let authenticity = if message.outbound {
            "pass".to_owned()
        } else {
            message.authenticity.clone()
        };
        let mut context = self.context(&matched, &authenticity, &subject).await?;
        context.rehearsal = message.historical;
        Ok(Ok(Told {
            happening,
            context,
            subject,
            matched,
            authenticity,
            message: Some(as_if_new(message)),
            origin: None,
            outsider: self.outsider(message).await?,
            thread,
        }))
    }

    /// Timers and settled effects: as at the message that began it.
    async fn told_later(
        &self,
        happening: Happening,
        subject: &Subject,
    ) -> Result<Told, BooksError> {
        let message = match &subject.message {
            Some(key) => self.books.message(key).await?,
            None => None,
        };
        let matched = match &message {
            Some(message) => self.match_of_message(message).await?,
            None => nobody(),
        };
        let authenticity = match &message {
            Some(message) if message.outbound => "pass".to_owned(),
            Some(message) => message.authenticity.clone(),
            None => "unknown".to_owned(),
        };
        let thread = match &subject.thread {
            Some(thread) => self.books.thread(thread).await?,
            None => None,
        };
        let context = self.context(&matched, &authenticity, subject).await?;
        let subject = subject.clone();
        let outsider = match &message {
            Some(message) => self.outsider(message).await?,
            None => None,
        };
        Ok(Told {
            happening,
            context,
            subject,
            matched,
            authenticity,
            message: None,
            outsider,
            origin: message,
            thread,
        })
    }

    async fn outsider(&self, message: &MessageRecord) -> Result<Option<String>, BooksError> {
        let from = message.from.as_ref().map(|from| from.email.clone());
        let outside = self.standing_of(message).await? == Standing::Outsider;
        Ok(from.filter(|from| outside && !self.office.firm.owns(from)))
    }

    pub(super) async fn match_of_message(
        &self,
        message: &MessageRecord,
    ) -> Result<Match, BooksError> {
        let outcome = self.books.outcome(message.key.as_str()).await?;
        Ok(outcome
            .and_then(|outcome| outcome.matched)
            .unwrap_or_else(nobody))
    }

    fn counterpart(&self, message: &MessageRecord) -> Option<String> {
        if !message.outbound {
            let from = message.from.as_ref().map(|from| from.email.clone());
            // What one of us passed on, or a form of ours sent, is about somebody else.
            return from.filter(|from| !self.office.firm.owns(from));
        }
        let mut outside = message.to.iter().chain(&message.cc);
        outside
            .find(|to| !self.office.firm.owns(&to.email))
            .map(|to| to.email.clone())
    }

    async fn answers_us(&self, message: &MessageRecord) -> Result<bool, BooksError> {
        for id in message.references.iter().rev() {
            if self.books.mail_by_message_id(id).await?.is_some() {
                return Ok(true);
            }
            if let Some(answered) = self.books.message_by_id(id).await? {
                return Ok(answered.outbound);
            }
        }
        Ok(false)
    }

    async fn context(
        &self,
        matched: &Match,
        authenticity: &str,
        subject: &Subject,
    ) -> Result<EventContext, BooksError> {
        let account = match &matched.account {
            Some(id) => self.books.account(id).await?,
            None => None,
        };
        let contact = match &matched.contact {
            Some(id) => self.books.contact(id).await?,
            None => None,
        };
        let mailbox = subject.mailbox.as_deref().map(MailboxId::from);
        let owner = account
            .as_ref()
            .and_then(|account| account.owner.as_deref());
        let person = self.office.person_for(owner, mailbox.as_ref());
        let firm = &self.office.firm;
        let ourselves = self.office.people.values().map(|person| PlainAddress {
            name: Some(person.user.name.clone()),
            email: person.user.email.clone(),
        });
        let zone = person.map_or(firm.business.zone_name(), |person| {
            person.user.zone.as_str()
        });
        Ok(EventContext {
            matched: MatchView {
                outcome: matched.outcome.as_str().to_owned(),
                account: account.as_ref().map(account_entity),
                contact: contact.as_ref().map(contact_entity),
                candidates: matched.candidates.clone(),
                confidence: matched.confidence,
                evidence: matched
                    .evidence
                    .iter()
                    .map(|evidence| (evidence.kind.clone(), evidence.text.clone()))
                    .collect(),
                authenticity: authenticity.to_owned(),
            },
            ourselves: ourselves.collect(),
            owner: person.map(|person| person.user.clone()),
            zone: zone.to_owned(),
            rehearsal: false,
        })
    }

    /// The messages that proposals answer.
    pub(super) async fn answered(
        &self,
        proposals: &[Proposal],
    ) -> Result<BTreeMap<MessageKey, MessageRecord>, BooksError> {
        let mut answered = BTreeMap::new();
        for proposal in proposals {
            if let Action::Email(email) = &proposal.action
                && let Some(key) = &email.in_reply_to
                && let Some(message) = self.books.message(key).await?
            {
                answered.insert(key.clone(), message);
            }
        }
        Ok(answered)
    }

    /// Everything that `decide` looks at.
    pub(super) async fn facts<'a>(
        &self,
        now: Timestamp,
        cause: Cause,
        told: &'a Told,
        answered: BTreeMap<MessageKey, MessageRecord>,
        (resolved, mode): (&[Resolved], MailMode),
    ) -> Result<Facts<'a>, BooksError> {
        let mut recipients = BTreeMap::new();
        let mut participants = BTreeSet::new();
        for to in resolved.iter().filter_map(|item| item.recipient.as_ref()) {
            let email = &to.person.email;
            let facts = self.recipient_facts(email, told, mode, now).await?;
            recipients.insert(email.clone(), facts);
            if self.takes_part(email, told).await? {
                participants.insert(email.clone());
            }
        }
        let mut seen = BTreeMap::new();
        for item in resolved {
            if let Some(before) = self.what_became_of(item).await? {
                seen.insert(item.id.clone(), before);
            }
        }
        let warnings = self.warnings(told, &answered).await?;
        let holds = self.books.open_holds().await?;
        let count = |which: &dyn Fn(&HoldEffect) -> bool| {
            let open = holds.iter().filter(|hold| which(hold));
            u32::try_from(open.count()).unwrap_or(u32::MAX)
        };
        let open_in = |calendar: Option<&CalendarId>| {
            calendar.map_or(0, |calendar| count(&|hold| hold.calendar == *calendar))
        };
        let mut users = BTreeMap::new();
        for (address, person) in &self.office.people {
            users.insert(
                address.clone(),
                OwnerFacts {
                    user: person.user.clone(),
                    calendar: person.hold_calendar.clone(),
                    holds_open: open_in(person.hold_calendar.as_ref()),
                },
            );
        }
        let owner = told
            .context
            .owner
            .as_ref()
            .and_then(|owner| users.get(&owner.email))
            .cloned();
        Ok(Facts {
            now,
            holds_open: HoldsOpen {
                account: count(&|hold| hold.cause.subject.is_for_the_same(&told.subject)),
                total: count(&|_| true),
            },
            cause,
            trigger: told.message.as_ref(),
            origin: told.origin.as_ref(),
            outsider: told.outsider.clone(),
            answered,
            recipients,
            thread: told.thread.as_ref(),
            participants,
            staff_mails: self.staff_mails(resolved, now).await?,
            restored: self.books.restored().await?.map(|row| row.at),
            matched: &told.matched,
            authenticity: &told.authenticity,
            warnings,
            owner,
            users,
            route: self.route(told),
            staff_route: self.office.staff_route.clone(),
            seen,
            cases: self.cases(resolved).await?,
            mailbox_changes: self.mailbox_changes(told, resolved).await?,
        })
    }

    /// What speaks against the senders of the messages that a decision is about.
    async fn warnings(
        &self,
        told: &Told,
        answered: &BTreeMap<MessageKey, MessageRecord>,
    ) -> Result<BTreeMap<MessageKey, String>, BooksError> {
        let mut warnings = BTreeMap::new();
        let because_of = told.message.as_ref().or(told.origin.as_ref());
        if let (Some(message), Some(warning)) = (because_of, told.matched.warning()) {
            warnings.insert(message.key.clone(), warning.text.clone());
        }
        for message in answered.values() {
            let matched = self.match_of_message(message).await?;
            if let Some(warning) = matched.warning() {
                warnings.insert(message.key.clone(), warning.text.clone());
            }
        }
        Ok(warnings)
    }

    fn route(&self, told: &Told) -> Option<Route> {
        let mailbox = told.subject.mailbox.as_deref().map(MailboxId::from)?;
        self.office.mailboxes.get(&mailbox)?.route.clone()
    }

    async fn takes_part(&self, email: &str, told: &Told) -> Result<bool, BooksError> {
        let Some(thread) = &told.subject.thread else {
            return Ok(false);
        };
        let free_mail = &self.office.free_mail;
        let standing = self.books.standing(thread, email, free_mail).await?;
        Ok(standing >= Standing::Began)
    }

    async fn recipient_facts(
        &self,
        email: &str,
        told: &Told,
        mode: MailMode,
        now: Timestamp,
    ) -> Result<RecipientFacts, BooksError> {
        let account = told.matched.account.as_ref();
        let recipient = Recipient::of(&self.books, email, account, &self.office.free_mail).await?;
        let tombstones = Tombstones::read(&self.books).await?;
        let mut facts = RecipientFacts {
            same_as: recipient.same_as(),
            // Nobody wrote that down for them, and nobody may write to them all the same.
            do_not_contact: tombstones.has(&self.books, email).await?,
            opted_out: opted_out(&self.books, email).await?,
            ..RecipientFacts::default()
        };
        let stopped = Stopped::of(&self.books, email).await?;
        (facts.undeliverable, facts.domain_stopped) = (stopped.address, stopped.domain);
        for contact in &recipient.contacts {
            facts.recorded = true;
            facts.of_account |= Some(&contact.account) == account;
            facts.do_not_contact |= contact.do_not_contact;
            facts.left |= contact.status == ContactStatus::Left;
        }
        for id in &recipient.related {
            let record = self.books.account(id).await?;
            facts.do_not_contact |= record.is_some_and(|record| record.do_not_contact);
        }
        (facts.mails, facts.automatic) = self.mails_since(&facts.same_as, now).await?;
        let ledgers = recipient.account_ledgers();
        (facts.account_mails, _) = self.mails_since(&ledgers, now).await?;
        if mode == MailMode::Send && !self.office.firm.quiet.is_none() {
            let person = (email, told.subject.thread.as_ref());
            let firm = &self.office.firm;
            let found = whereabouts(&self.books, &recipient, person, firm, now).await?;
            facts.whereabouts = Some(found);
        }
        facts.accounts = recipient.accounts;
        Ok(facts)
    }

    /// Plugin-originated mails in some ledgers that count as contact, and those of them that were
    /// automatic within 24 hours.
    async fn mails_since(
        &self,
        ledgers: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(Vec<Timestamp>, Vec<Timestamp>), BooksError> {
        let (mut all, mut automatic) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        let since = now.minus_millis(CAP_WINDOW_MS);
        for who in ledgers {
            for row in self.books.ledger(who, since).await? {
                if !seen.insert(row.effect.clone()) {
                    continue;
                }
                let Some(mail) = self.books.mail(&row.effect).await? else {
                    continue;
                };
                if mail.audience != Audience::Counterpart || !mail.state.counts_as_contact() {
                    continue;
                }
                if !came_back(&self.books, &mail.id).await? {
                    all.push(row.at);
                }
                if mail.mode == MailMode::Send && now.since(row.at) < DAY_MS {
                    automatic.push(row.at);
                }
            }
        }
        all.sort();
        automatic.sort();
        Ok((all, automatic))
    }

    /// Notifications by mail within the last hour, where one may be added.
    async fn staff_mails(
        &self,
        resolved: &[Resolved],
        now: Timestamp,
    ) -> Result<BTreeMap<String, Vec<Timestamp>>, BooksError> {
        let mut mails = BTreeMap::new();
        let notifies = |item: &Resolved| matches!(item.proposal.action, Action::Notify(_));
        if self.office.staff_route.is_none() || !resolved.iter().any(notifies) {
            return Ok(mails);
        }
        for address in self.office.people.keys() {
            let since = now.minus_millis(HOUR_MS);
            let rows = self.books.ledger(&staff_ledger(address), since).await?;
            mails.insert(address.clone(), rows.iter().map(|row| row.at).collect());
        }
        Ok(mails)
    }

    async fn what_became_of(&self, item: &Resolved) -> Result<Option<String>, BooksError> {
        let short = item.id.as_str().get(..16).unwrap_or_default();
        Ok(match &item.proposal.action {
            Action::Email(_) => {
                let mail = self.books.mail(&item.id).await?;
                let mail =
                    mail.map(|mail| format!("the mail of {} is {}", mail.created, mail.state));
                match mail {
                    None => self.task_of(short).await?,
                    mail => mail,
                }
            }
            Action::Hold(_) => {
                let hold = self.books.hold(&item.id).await?;
                hold.map(|hold| format!("the hold of {} is {}", hold.created, hold.state.as_str()))
            }
            Action::ChangeMailbox(_) => self.became_of_change(&item.id).await?,
            Action::CreateCase(case) => {
                let id = format!("{}-{short}", case.kind).into();
                self.books
                    .case(&id)
                    .await?
                    .map(|case| format!("{} is {}", case.id, case.state))
            }
            Action::CreateTask(_) | Action::Notify(_) => self.task_of(short).await?,
            _ => None,
        })
    }

    async fn task_of(&self, short: &str) -> Result<Option<String>, BooksError> {
        let id = format!("task-{short}").into();
        let task = self.books.task(&id).await?;
        Ok(task.map(|task| format!("{} of {}", task.id, task.created)))
    }

    async fn cases(
        &self,
        resolved: &[Resolved],
    ) -> Result<BTreeMap<String, CaseRecord>, BooksError> {
        let mut cases = BTreeMap::new();
        for item in resolved {
            if let Action::UpdateCase(change) = &item.proposal.action
                && let Some(case) = self.books.case(&change.id).await?
            {
                cases.insert(change.id.0.clone(), case);
            }
        }
        Ok(cases)
    }

    /// Why, as far as it is the same for all proposals of one answer.
    pub(super) fn cause(&self, plugin: &ActivePlugin, event: &EventRow, told: &Told) -> Cause {
        let digest = plugin.plugin.digest();
        let digest = digest.rsplit_once(':').map_or(digest, |(_, hash)| hash);
        Cause {
            plugin: plugin.name(),
            plugin_version: plugin.plugin.manifest().plugin.version.clone(),
            plugin_digest: digest.chars().take(12).collect(),
            label: String::new(),
            event_seq: event.seq,
            cause: event.key.clone(),
            subject: told.subject.clone(),
            reason: String::new(),
            rule: None,
        }
    }
}

fn nobody() -> Match {
    Match {
        outcome: MatchOutcome::Unknown,
        account: None,
        contact: None,
        candidates: Vec::new(),
        confidence: 0,
        evidence: Vec::new(),
    }
}
