//! The pretend daemon's records, kept in memory between the steps of a case.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use liaison_core::happening::{
    Entity, EventContext, MatchView, PluginCalendarEvent, PluginMessage,
};
use liaison_core::manifest::Manifest;
use liaison_core::proposal::{
    Action, CreateCase, Fields, PlainAddress, Proposal, UpdateCase, Value,
};
use liaison_core::time::{Timestamp, Window};

use super::working;
use crate::plugin::{Condition, KvScope, KvWrite, PluginWorld, SlotRequest};

/// Domains on which strangers share a mail provider: no evidence of a firm.
const FREE_MAIL: [&str; 10] = [
    "aol.com",
    "gmail.com",
    "gmx.de",
    "gmx.net",
    "hotmail.com",
    "icloud.com",
    "outlook.com",
    "proton.me",
    "web.de",
    "yahoo.com",
];

#[derive(Debug, Clone)]
pub(super) struct Timer {
    pub(super) due: Timestamp,
    pub(super) payload: String,
    pub(super) context: EventContext,
}

/// One state serves all steps; each call gets a copy as its snapshot.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) now: Timestamp,
    pub(super) zone: TimeZone,
    pub(super) ourselves: Vec<PlainAddress>,
    pub(super) accounts: Vec<Entity>,
    /// With the id of the account.
    pub(super) contacts: Vec<(String, Entity)>,
    pub(super) busy: Vec<Window>,
    pub(super) cases: Vec<Entity>,
    pub(super) messages: Vec<PluginMessage>,
    pub(super) timers: BTreeMap<String, Timer>,
    /// By space and key.
    memory: BTreeMap<(String, String), Vec<u8>>,
    done_once: BTreeSet<String>,
    /// Account of the event at hand.
    pub(super) account: Option<String>,
}

impl State {
    pub(super) fn new(now: Timestamp, zone: TimeZone, owner: PlainAddress) -> State {
        State {
            now,
            zone,
            ourselves: vec![owner],
            accounts: Vec::new(),
            contacts: Vec::new(),
            busy: Vec::new(),
            cases: Vec::new(),
            messages: Vec::new(),
            timers: BTreeMap::new(),
            memory: BTreeMap::new(),
            done_once: BTreeSet::new(),
            account: None,
        }
    }

    pub(super) fn is_own(&self, address: &PlainAddress) -> bool {
        let domain = domain(&address.email);
        self.ourselves
            .iter()
            .any(|own| domain == self::domain(&own.email))
    }

    /// Whom an address belongs to, as the contract tells it.
    pub(super) fn matched(&self, who: &PlainAddress, class: &str) -> MatchView {
        let mut matched = unmatched();
        let known = self.known(&who.email);
        if self.is_own(who) {
            "own".clone_into(&mut matched.outcome);
        } else if !matches!(class, "human" | "calendar") {
            "automatic".clone_into(&mut matched.outcome);
        } else if !known.is_empty() {
            "account".clone_into(&mut matched.outcome);
            matched.confidence = 90;
            for entity in known {
                match entity.kind.as_str() {
                    "account" => matched.account = Some(entity),
                    _ => matched.contact = Some(entity),
                }
            }
        } else if FREE_MAIL.contains(&domain(&who.email).as_str()) {
            let text = format!("{} is a free-mail domain", domain(&who.email));
            matched.evidence.push(("free-mail".to_owned(), text));
        }
        matched
    }

    fn known(&self, email: &str) -> Vec<Entity> {
        let domain = domain(email);
        let contact = self.contacts.iter().find(|(_, contact)| {
            matches!(contact.fields.get("email"), Some(Value::Text(own))
                if own.eq_ignore_ascii_case(email))
        });
        let account = self.accounts.iter().find(|account| match contact {
            Some((id, _)) => account.id == *id,
            None => {
                !FREE_MAIL.contains(&domain.as_str())
                    && matches!(account.fields.get("domains"), Some(Value::Texts(domains))
                        if domains.contains(&domain))
            }
        });
        account
            .cloned()
            .into_iter()
            .chain(contact.map(|(_, contact)| contact.clone()))
            .collect()
    }

    fn space(&self, scope: KvScope) -> String {
        match (scope, &self.account) {
            (KvScope::Account, Some(account)) => format!("account {account}"),
            _ => "plugin".to_owned(),
        }
    }

    pub(super) fn keep(&mut self, writes: &[KvWrite]) {
        for write in writes {
            let entry = (self.space(write.scope), write.key.clone());
            match &write.value {
                Some(value) => self.memory.insert(entry, value.clone()),
                None => self.memory.remove(&entry),
            };
        }
    }

    /// Does what the daemon would do at once: cases, timers, tags. Says what it would refuse.
    pub(super) fn apply(
        &mut self,
        manifest: &Manifest,
        context: &EventContext,
        proposals: &[Proposal],
    ) -> Vec<String> {
        let mut refused = Vec::new();
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for proposal in proposals {
            let kind = proposal.action.kind();
            let Some(grant) = manifest.grant(kind) else {
                refused.push(format!(
                    "`{}`: there is no [proposals.{kind}]",
                    proposal.label
                ));
                continue;
            };
            let count = counts.entry(kind).or_default();
            *count = count.saturating_add(1);
            if let Some(max) = grant.max.filter(|max| *count > *max) {
                refused.push(format!(
                    "`{}`: [proposals.{kind}] has max = {max}",
                    proposal.label
                ));
                continue;
            }
            let again = proposal
                .once
                .clone()
                .is_some_and(|once| !self.done_once.insert(once));
            if !again && let Err(said) = self.carry_out(manifest, context, &proposal.action) {
                refused.push(format!("`{}`: {said}", proposal.label));
            }
        }
        refused
    }

    fn carry_out(
        &mut self,
        manifest: &Manifest,
        context: &EventContext,
        action: &Action,
    ) -> Result<(), String> {
        match action {
            Action::CreateCase(case) => self.create(manifest, case)?,
            Action::UpdateCase(update) => self.update(manifest, update)?,
            Action::SetTimer(timer) => {
                let (due, payload, context) = (timer.due, timer.payload.clone(), context.clone());
                self.timers.insert(
                    timer.name.clone(),
                    Timer {
                        due,
                        payload,
                        context,
                    },
                );
            }
            Action::CancelTimer(name) => drop(self.timers.remove(name)),
            Action::TagMessage(tag) => {
                let tagged = self
                    .messages
                    .iter_mut()
                    .find(|message| message.id == tag.message);
                let message = tagged.ok_or_else(|| format!("no message `{}`", tag.message))?;
                message.tags.retain(|old| !tag.remove.contains(old));
                message.tags.extend(tag.add.iter().cloned());
            }
            Action::ChangeMailbox(change) => {
                if let Some(problem) = change.problem() {
                    return Err(problem);
                }
            }
            Action::Extension(kind) => return Err(format!("no extension `{kind}` is known")),
            Action::Email(_)
            | Action::Hold(_)
            | Action::ReleaseHolds(_)
            | Action::CreateTask(_)
            | Action::Notify(_) => {}
        }
        Ok(())
    }

    fn create(&mut self, manifest: &Manifest, case: &CreateCase) -> Result<(), String> {
        let problems =
            manifest.validate_case(&case.kind, &case.fields, case.state.as_deref(), None);
        said(&problems)?;
        let first = manifest
            .case(&case.kind)
            .map(|kind| kind.first_state().to_owned());
        self.cases.push(Entity {
            id: format!("case-{}", self.cases.len().saturating_add(1)),
            kind: case.kind.clone(),
            revision: 1,
            state: case.state.clone().or(first).unwrap_or_default(),
            fields: case.fields.clone(),
        });
        Ok(())
    }

    fn update(&mut self, manifest: &Manifest, update: &UpdateCase) -> Result<(), String> {
        let found = self
            .cases
            .iter_mut()
            .find(|case| case.id == update.id.as_str());
        let case = found.ok_or_else(|| format!("no case `{}`", update.id))?;
        let state = update.state.as_deref();
        said(&manifest.validate_case(&case.kind, &update.set, state, Some(&case.state)))?;
        if let Some(revision) = update
            .if_revision
            .filter(|revision| *revision != case.revision)
        {
            return Err(format!(
                "the case is at revision {}, not {revision}",
                case.revision
            ));
        }
        case.revision = case.revision.saturating_add(1);
        if let Some(state) = &update.state {
            case.state.clone_from(state);
        }
        case.fields.extend(
            update
                .set
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        Ok(())
    }
}

fn said(problems: &[liaison_core::manifest::Problem]) -> Result<(), String> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; "))
}

pub(super) fn domain(email: &str) -> String {
    email
        .rsplit_once('@')
        .map(|(_, domain)| domain.to_lowercase())
        .unwrap_or_default()
}

pub(super) fn unmatched() -> MatchView {
    MatchView {
        outcome: "unknown".to_owned(),
        account: None,
        contact: None,
        candidates: Vec::new(),
        confidence: 0,
        evidence: Vec::new(),
        authenticity: "pass".to_owned(),
    }
}

pub(super) fn entity(id: String, kind: &str, fields: Fields) -> Entity {
    Entity {
        id,
        kind: kind.to_owned(),
        revision: 1,
        state: String::new(),
        fields,
    }
}

impl PluginWorld for State {
    fn entity(&mut self, id: &str) -> Result<Option<Entity>, String> {
        let contacts = self.contacts.iter().map(|(_, contact)| contact);
        let mut all = self.accounts.iter().chain(contacts).chain(&self.cases);
        Ok(all.find(|entity| entity.id == id).cloned())
    }

    fn by_address(&mut self, email: &str) -> Result<Vec<Entity>, String> {
        Ok(self.known(email))
    }

    fn cases(
        &mut self,
        kind: &str,
        conditions: &[Condition],
        limit: usize,
    ) -> Result<Vec<Entity>, String> {
        let holds = |case: &Entity, condition: &Condition| match condition.field.as_str() {
            "state" => condition.value == Value::Text(case.state.clone()),
            name => case.fields.get(name).unwrap_or(&Value::Null) == &condition.value,
        };
        let found = self.cases.iter().rev().filter(|case| {
            case.kind == kind && conditions.iter().all(|condition| holds(case, condition))
        });
        Ok(found.take(limit).cloned().collect())
    }

    fn message(&mut self, id: &str) -> Result<Option<PluginMessage>, String> {
        Ok(self
            .messages
            .iter()
            .find(|message| message.id.as_str() == id)
            .cloned())
    }

    fn thread(&mut self, id: &str, newest: usize) -> Result<Vec<PluginMessage>, String> {
        let all: Vec<_> = self
            .messages
            .iter()
            .filter(|message| message.thread.as_str() == id)
            .collect();
        let skip = all.len().saturating_sub(newest);
        Ok(all.into_iter().skip(skip).cloned().collect())
    }

    fn busy(&mut self, _: &str, span: Window) -> Result<Vec<Window>, String> {
        Ok(self
            .busy
            .iter()
            .filter(|busy| busy.overlaps(&span))
            .copied()
            .collect())
    }

    fn free_slots(&mut self, request: &SlotRequest) -> Result<Vec<Window>, String> {
        working::free_slots(self.now, request, &self.busy, &self.zone)
    }

    fn calendar_events(
        &mut self,
        _: &str,
        span: Window,
        limit: usize,
    ) -> Result<Vec<PluginCalendarEvent>, String> {
        let inside = self
            .busy
            .iter()
            .filter(|busy| busy.overlaps(&span))
            .take(limit);
        Ok(inside
            .enumerate()
            .map(|(number, busy)| PluginCalendarEvent {
                calendar: "work".to_owned(),
                uid: format!("busy-{number}@example.net"),
                sequence: 0,
                summary: "Busy".to_owned(),
                when: *busy,
                all_day: false,
                status: "confirmed".to_owned(),
                location: None,
                organizer: None,
                attendees: Vec::new(),
                ours: false,
            })
            .collect())
    }

    fn kv_get(&mut self, scope: KvScope, key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self
            .memory
            .get(&(self.space(scope), key.to_owned()))
            .cloned())
    }

    fn kv_keys(&mut self, scope: KvScope, prefix: &str) -> Result<Vec<String>, String> {
        let space = self.space(scope);
        let keys = self
            .memory
            .keys()
            .filter(|(own, key)| *own == space && key.starts_with(prefix));
        Ok(keys.map(|(_, key)| key.clone()).collect())
    }

    fn kv_size(&mut self, scope: KvScope) -> Result<u64, String> {
        let space = self.space(scope);
        let kept = self.memory.iter().filter(|((own, _), _)| *own == space);
        let bytes: usize = kept
            .map(|((_, key), value)| key.len().saturating_add(value.len()))
            .sum();
        Ok(u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    fn working_time(&mut self, at: Timestamp, days: u32) -> Result<Timestamp, String> {
        working::plus_days(at, days, &self.zone)
    }

    fn working_hours(&mut self, at: Timestamp, hours: u32) -> Result<Timestamp, String> {
        working::plus_hours(at, hours, &self.zone)
    }
}
