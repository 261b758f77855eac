//! Judging mails.

use std::collections::{BTreeMap, BTreeSet};

use super::gates::{consent, deliverable, frequency_cap, loop_guard, still_open, taken_up, worse};
use super::other::task_id;
use super::{Accepted, Desk, Firm, MailPlan, Plan, Recipient, Resolved, Route, VerdictResult};
use crate::account::free_mail::FreeMail;
use crate::account::matching::{Evidence, Kind, registrable};
use crate::effect::{Audience, MailEffect, MailMode, RESENDS_MAX};
use crate::ids::{MessageKey, outgoing_message_id};
use crate::mail::address::{Address, clean_text};
use crate::manifest::{Purpose, Recipients};
use crate::message::{MessageRecord, Person, SUBJECT_CHARS_MAX, cut_text};
use crate::outbox::MailState;
use crate::proposal::{Content, EmailProposal};
use crate::records::{BODY_CHARS_MAX, TITLE_CHARS_MAX, TaskRecord};
use crate::time::Timestamp;

/// Most attachments of one mail.
const ATTACHMENTS_MAX: usize = 5;

/// Finds the one recipient of a mail.
pub(super) fn recipient(
    email: &EmailProposal,
    firm: &Firm,
    answered: &BTreeMap<MessageKey, MessageRecord>,
) -> Result<Recipient, String> {
    if !email.cc.is_empty() {
        return Err("copies (cc) are not granted to plugins: one mail has one recipient".into());
    }
    let answered = match &email.in_reply_to {
        None => None,
        Some(key) => Some(
            answered
                .get(key)
                .ok_or_else(|| format!("it answers {key}, a message not known here"))?,
        ),
    };
    match (email.to.as_slice(), answered) {
        ([], None) => Err("it has neither a recipient nor a message to answer".to_owned()),
        ([], Some(message)) => reply_recipient(message, firm),
        ([one], _) => {
            let address = Address::parse(&one.email).map_err(|error| error.to_string())?;
            let name = one
                .name
                .as_deref()
                .map(clean_text)
                .filter(|name| !name.is_empty());
            let person = Person {
                name,
                email: address.key(),
            };
            let draft_only = answered.and_then(|message| unproven_reply_to(message, &person.email));
            Ok(Recipient { person, draft_only })
        }
        (several, _) => Err(format!(
            "it names {} recipients: one mail has one",
            several.len()
        )),
    }
}

/// Whom an answer to `message` goes to: From; Reply-To only within the same organisation, or
/// when From is a robot's (a web form), and then only as a draft.
fn reply_recipient(message: &MessageRecord, firm: &Firm) -> Result<Recipient, String> {
    if message.outbound {
        let outside = message
            .to
            .iter()
            .chain(&message.cc)
            .find(|to| !firm.owns(&to.email));
        return outside
            .map(|person| Recipient {
                person: person.clone(),
                draft_only: None,
            })
            .ok_or_else(|| "the message went to nobody outside".to_owned());
    }
    let from = message
        .from
        .as_ref()
        .ok_or("the message has no readable sender address")?;
    // A web form of ours may have an address of ours.
    let robot = firm.owns(&from.email)
        || Address::parse(&from.email).is_ok_and(|from| from.is_no_reply_like());
    match message.reply_to.first() {
        Some(reply_to) if same_organisation(&reply_to.email, &from.email) => Ok(Recipient {
            person: reply_to.clone(),
            draft_only: None,
        }),
        Some(reply_to) if robot => Ok(Recipient {
            person: reply_to.clone(),
            draft_only: unproven_reply_to(message, &reply_to.email),
        }),
        _ => Ok(Recipient {
            person: from.clone(),
            draft_only: None,
        }),
    }
}

/// At a free-mail provider an equal domain says nothing about who is behind it.
fn same_organisation(one: &str, other: &str) -> bool {
    let domain = |email: &str| {
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        registrable(domain).unwrap_or(domain).to_owned()
    };
    domain(one) == domain(other) && !FreeMail::default().has(&domain(one))
}

/// Why nothing beyond a draft goes to an address that only Reply-To of an inbound message names,
/// and another organisation at that: the sender's proven name says nothing about it.
fn unproven_reply_to(message: &MessageRecord, to: &str) -> Option<String> {
    let from = message.from.as_ref().filter(|_| !message.outbound)?;
    let named = message.reply_to.iter().any(|person| person.email == to);
    (named && to != from.email && !same_organisation(to, &from.email)).then(|| {
        format!(
            "{} wrote for somebody named only in Reply-To: a person checks the address",
            from.email
        )
    })
}

/// Whom a message itself proves to take part: its sender and those whom its Reply-To names, or,
/// when it is ours, those to whom we wrote. Whom a stranger puts into To and Cc proves nothing.
fn takes_part(message: &MessageRecord, to: &str) -> bool {
    if message.outbound {
        return message.participants().any(|part| part == to);
    }
    let mut people = message.from.iter().chain(&message.reply_to);
    people.any(|person| person.email == to)
}

/// How much a match with this reason can be trusted.
fn weight(reason: &Evidence) -> u8 {
    reason.known().map_or(100, Kind::most)
}

impl Desk<'_> {
    pub(super) fn judge_mail(
        &mut self,
        item: Resolved,
        email: &EmailProposal,
        reasons: &mut Vec<String>,
    ) -> Result<VerdictResult, String> {
        let to = item.recipient.clone().ok_or("it has no recipient")?;
        let answered = email
            .in_reply_to
            .as_ref()
            .and_then(|key| self.facts.answered.get(key));
        let address = to.person.email.as_str();
        self.within_scope(address, answered)?;
        loop_guard(self.facts, answered, address, self.rules.firm)?;
        consent(address, self.facts.recipients.get(address))?;
        still_open(self.facts.thread)?;
        deliverable(self.facts.recipients.get(address))?;
        taken_up(answered, self.facts.thread)?;
        if self.authenticity(answered) == "fail" {
            return Err(
                "the sender's authenticity check failed: no mail to a possible liar".into(),
            );
        }
        if email.attach.len() > ATTACHMENTS_MAX {
            return Err(format!("more than {ATTACHMENTS_MAX} attachments"));
        }
        let requires = self.required_holds(email)?;
        let mode = self.mail_mode(&to, answered, reasons);
        match mode {
            MailMode::Off => return Err("mail of this plugin is off (mode.mail)".to_owned()),
            MailMode::Rehearse => {
                reasons.push(format!("rehearse: would write to {address}"));
                return Ok(VerdictResult::Rehearsed);
            }
            MailMode::Notify => return self.tell_instead(&item, email, address, reasons),
            MailMode::Draft | MailMode::Approve | MailMode::Send => {}
        }
        let route = self.route(mode)?;
        if email
            .requires
            .iter()
            .any(|hold| self.rehearsed.contains(hold))
        {
            reasons.push("rehearse: the times that it offers are not held (mode.holds)".to_owned());
            return Ok(VerdictResult::Rehearsed);
        }
        let (due, capped) = self.due(&to, email, mode, reasons);
        self.in_time_for_holds(&requires, due)?;
        let mut effect = self.mail_effect(&item, email, (&to, answered), &route);
        effect.mode = mode;
        effect.requires = requires;
        let soonest = match mode {
            MailMode::Send => self.facts.now.plus_millis(self.rules.firm.send_delay_ms),
            _ => self.facts.now,
        };
        effect.not_before = due.map_or(soonest, |due| due.max(soonest));
        effect.state = match (effect.requires.is_empty(), mode) {
            (false, _) => MailState::Proposed,
            (true, MailMode::Approve) => MailState::Held,
            (true, _) if capped => MailState::Deferred,
            (true, _) => MailState::Scheduled,
        };
        let result = match due {
            Some(at) if effect.state == MailState::Deferred => VerdictResult::Deferred(item.id, at),
            _ => VerdictResult::Effect(item.id),
        };
        let accepted = self.accepted(address, effect.not_before);
        self.mails.push(accepted);
        self.decision.plans.push(Plan::Mail(Box::new(MailPlan {
            effect,
            recipient_name: to.person.name.clone(),
            content: email.content.clone(),
            attach: email.attach.clone(),
            answers: answered.cloned(),
            is_reply: self.facts.trigger.is_some_and(|trigger| !trigger.outbound),
        })));
        Ok(result)
    }

    /// The authenticity that a mail is judged by (section 7 of the design: a policy with
    /// consequences needs `pass`): the worse of two senders, because either may have lied the mail
    /// into being. One is the sender of the message that set it off (for timers and settled effects
    /// the message that they stem from), the other the sender of the message that is answered. Mail
    /// of ours counts as `pass` in both places: it was found in our own Sent folder, and an answer
    /// to it goes to those whom we wrote to. Without any message it is `unknown`, so that mode
    /// `send` is lowered to a draft.
    fn authenticity<'m>(&'m self, answered: Option<&'m MessageRecord>) -> &'m str {
        let inbound = answered.filter(|message| !message.outbound);
        let answered = inbound.map_or("pass", |message| message.authenticity.as_str());
        worse(self.facts.authenticity, answered)
    }

    /// What speaks against the sender of the message that set it off, or of the one answered.
    pub(super) fn warning(&self, answered: Option<&MessageRecord>) -> Option<&str> {
        let because_of = [self.facts.trigger, self.facts.origin, answered];
        let mut inbound = because_of.into_iter().flatten().filter(|m| !m.outbound);
        let found = inbound.find_map(|message| self.facts.warnings.get(&message.key));
        found.map(String::as_str)
    }

    /// A mail of this answer as the caps count it.
    fn accepted(&self, address: &str, due: Timestamp) -> Accepted {
        let known = self.facts.recipients.get(address);
        let mut to = known.map_or_else(BTreeSet::new, |known| known.same_as.clone());
        to.insert(address.to_owned());
        let mut accounts = known.map_or_else(BTreeSet::new, |known| known.accounts.clone());
        if accounts.is_empty() {
            accounts.extend(self.facts.cause.subject.account.clone());
        }
        Accepted { to, accounts, due }
    }

    /// A mail that may only go out after its times are given up offers what nobody holds.
    fn in_time_for_holds(
        &self,
        requires: &[crate::ids::EffectId],
        due: Option<Timestamp>,
    ) -> Result<(), String> {
        let Some(due) = due else { return Ok(()) };
        let held_until = self.decision.plans.iter().filter_map(|plan| match plan {
            Plan::Hold(hold) if requires.contains(&hold.id) => Some(hold.expires),
            _ => None,
        });
        match held_until.min() {
            Some(until) if due >= until => Err(format!(
                "it may go out on {due} at the earliest, but the times that it offers are held \
                 until {until} only"
            )),
            _ => Ok(()),
        }
    }

    fn within_scope(&self, to: &str, answered: Option<&MessageRecord>) -> Result<(), String> {
        let grant = self.rules.manifest.grant("email");
        let scope = grant.and_then(|grant| grant.recipients).unwrap_or_default();
        let in_thread = self.in_thread(to, answered);
        let of_account = self
            .facts
            .recipients
            .get(to)
            .is_some_and(|known| known.of_account);
        let allowed = match scope {
            Recipients::Any => true,
            Recipients::Account => in_thread || of_account,
            Recipients::Thread => in_thread,
        };
        if allowed {
            return Ok(());
        }
        let scope = if scope == Recipients::Thread {
            "thread"
        } else {
            "account"
        };
        Err(format!(
            "{to} is outside `recipients = \"{scope}\"` of [proposals.email]"
        ))
    }

    fn required_holds(&self, email: &EmailProposal) -> Result<Vec<crate::ids::EffectId>, String> {
        let find = |label: &String| {
            self.holds.get(label).cloned().ok_or_else(|| {
                format!("it offers the hold `{label}`, which was not accepted: see its reason")
            })
        };
        email.requires.iter().map(find).collect()
    }

    /// When the records were restored, if that was after the message in question arrived.
    fn restored_since(&self) -> Option<Timestamp> {
        let at = self.facts.restored?;
        let message = self.facts.trigger.or(self.facts.origin);
        message
            .is_none_or(|message| message.received <= at)
            .then_some(at)
    }

    /// The operator's mode, lowered to `draft` or `approve` where the rules ask for a person's eye.
    fn mail_mode(
        &self,
        to: &Recipient,
        answered: Option<&MessageRecord>,
        reasons: &mut Vec<String>,
    ) -> MailMode {
        let authenticity = self.authenticity(answered);
        let mode = self.rules.modes.mail;
        let beyond_draft = matches!(mode, MailMode::Send);
        if beyond_draft && let Some(at) = self.restored_since() {
            reasons.push(format!(
                "draft instead of send: the records were restored from a backup at {at}, and what \
                 arrived before may have been answered already"
            ));
            return MailMode::Draft;
        }
        if beyond_draft && let Some(why) = &to.draft_only {
            reasons.push(format!("draft instead of send: {why}"));
            return MailMode::Draft;
        }
        if beyond_draft && let Some(why) = self.warning(answered) {
            reasons.push(format!("draft instead of send: {why}"));
            return MailMode::Draft;
        }
        if beyond_draft && let Some(why) = self.only_a_candidate(&to.person.email, answered) {
            reasons.push(format!("draft instead of send: {why}"));
            return MailMode::Draft;
        }
        if beyond_draft && authenticity != "pass" {
            reasons.push(format!(
                "draft instead of send: the sender's authenticity is `{}`, sending needs `pass` \
                 (configure `authserv_ids`, or check signatures with `authenticity.dkim`)",
                authenticity
            ));
            return MailMode::Draft;
        }
        let known = self.facts.recipients.get(&to.person.email);
        if beyond_draft && let Some(why) = known.and_then(|known| known.domain_stopped.as_ref()) {
            reasons.push(format!("approve instead of send: {why}"));
            return MailMode::Approve;
        }
        mode
    }

    /// Why whom the mail goes to, or whom the message is about, is no more than a guess: nothing
    /// leaves by itself to an address that only a text, a form or a forwarded message names.
    fn only_a_candidate(&self, to: &str, answered: Option<&MessageRecord>) -> Option<String> {
        let matched = self.facts.matched;
        if matched.account.is_some() && !matched.is_firm() {
            let reason = matched.evidence.iter().min_by_key(|one| weight(one));
            let why = reason.map_or("", |one| one.text.as_str());
            return Some(format!(
                "whom the message is about is a candidate only ({why})"
            ));
        }
        let recipient = self.facts.recipients.get(to);
        let known = recipient.is_some_and(|to| to.recorded || to.of_account);
        (!known && !self.in_thread(to, answered)).then(|| {
            format!("{to} is no recorded contact and took no part: it may stand in a text only")
        })
    }

    fn in_thread(&self, to: &str, answered: Option<&MessageRecord>) -> bool {
        self.facts.participants.contains(to)
            || answered.is_some_and(|message| takes_part(message, to))
    }

    fn route(&self, mode: MailMode) -> Result<Route, String> {
        let no_transport =
            "the mailbox has no transport: set `transport` in its [[mailbox]] section";
        let route = self.facts.route.clone().ok_or(no_transport)?;
        if mode != MailMode::Draft && route.transport.as_str().is_empty() {
            return Err(no_transport.to_owned());
        }
        if mode == MailMode::Draft && !route.drafts {
            return Err("the mailbox has no Drafts mailbox to put the draft into".to_owned());
        }
        Ok(route)
    }

    /// When the mail may be carried out (`None`: at once), and whether the frequency cap says so.
    fn due(
        &self,
        to: &Recipient,
        email: &EmailProposal,
        mode: MailMode,
        reasons: &mut Vec<String>,
    ) -> (Option<Timestamp>, bool) {
        let address = to.person.email.as_str();
        let known = self
            .facts
            .recipients
            .get(address)
            .cloned()
            .unwrap_or_default();
        let whereabouts = known.whereabouts;
        let mut mails = known.mails;
        let mut account_mails = known.account_mails;
        // What this very answer already writes counts as well.
        let this = self.accepted(address, self.facts.now);
        for other in &self.mails {
            if !other.to.is_disjoint(&this.to) {
                mails.push(other.due);
            }
            if !other.accounts.is_disjoint(&this.accounts) {
                account_mails.push(other.due);
            }
        }
        let mut due = email.not_before.filter(|at| *at > self.facts.now);
        let mut capped = false;
        if !self.exempt_from_cap()
            && let Some((at, why)) =
                frequency_cap(self.rules.limits, &mails, &account_mails, self.facts.now)
        {
            reasons.push(format!("deferred to {at}: {why}"));
            due = Some(due.map_or(at, |due| due.max(at)));
            capped = true;
        }
        if mode == MailMode::Send {
            let wanted = due.unwrap_or(self.facts.now);
            let firm = self.rules.firm;
            let slot = firm.automatic_slot(whereabouts.as_ref(), wanted);
            if slot.at > wanted {
                let (at, why) = (slot.at, slot.brief);
                reasons.push(format!("waits for business hours: {at} ({why})"));
                due = Some(at);
            }
        }
        (due, capped)
    }

    fn exempt_from_cap(&self) -> bool {
        let grant = self.rules.manifest.grant("email");
        grant.and_then(|grant| grant.purpose) == Some(Purpose::Notice)
    }

    fn mail_effect(
        &self,
        item: &Resolved,
        email: &EmailProposal,
        (to, answered): (&Recipient, Option<&MessageRecord>),
        route: &Route,
    ) -> MailEffect {
        let subject_line = match (&email.subject, answered) {
            (Some(subject), _) => clean_text(subject),
            (None, Some(message)) => reply_subject(&message.subject),
            (None, None) => String::new(),
        };
        MailEffect {
            id: item.id.clone(),
            cause: self.cause_of(&item.proposal),
            audience: Audience::Counterpart,
            mode: MailMode::Draft,
            transport: route.transport.clone(),
            message_id: outgoing_message_id(&item.id, &self.rules.firm.sending_domain),
            from: route.from.clone(),
            recipient: to.person.email.clone(),
            subject_line: cut_text(&subject_line, SUBJECT_CHARS_MAX),
            content: String::new(),
            answers: answered.map(|message| message.key.clone()),
            cancel_on_reply: email.cancel_on_reply,
            requires: Vec::new(),
            exempt_from_cap: self.exempt_from_cap(),
            state: MailState::Proposed,
            since: self.facts.now,
            not_before: self.facts.now,
            attempts: 0,
            looks: 0,
            last_reply: None,
            created: self.facts.now,
            known_as: Vec::new(),
            resends_left: RESENDS_MAX,
            missing_since: None,
        }
    }

    /// Mode `notify`: our person is told what would be written.
    fn tell_instead(
        &mut self,
        item: &Resolved,
        email: &EmailProposal,
        address: &str,
        reasons: &mut Vec<String>,
    ) -> Result<VerdictResult, String> {
        let text = match &email.content {
            Content::Text(text) => text.clone(),
            Content::Template { name, variables } => format!("Template {name} with {variables}"),
        };
        reasons.push("mode notify: a task tells what would be written".to_owned());
        let cause = self.cause_of(&item.proposal);
        let task = TaskRecord {
            notification: true,
            title: cut_text(&format!("Write to {address}"), TITLE_CHARS_MAX),
            body: cut_text(&text, BODY_CHARS_MAX),
            owner: self
                .facts
                .owner
                .as_ref()
                .map(|owner| owner.user.email.clone()),
            ..TaskRecord::new(task_id(&item.id), cause, self.facts.now)
        };
        let id = task.id.0.clone();
        self.decision.plans.push(Plan::Task(Box::new(task)));
        Ok(VerdictResult::Applied(id))
    }
}

/// "Re: " in front of a subject, once.
fn reply_subject(subject: &str) -> String {
    let has_prefix = subject
        .get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("re:"));
    if has_prefix {
        subject.to_owned()
    } else {
        format!("Re: {subject}")
    }
}
