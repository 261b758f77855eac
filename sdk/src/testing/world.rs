//! The pretend daemon.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::manifest::Manifest;
use super::{Mail, Reaction, calendar, instant};
use crate::world::Read;
use crate::{
    Action, Address, Context, Direction, EffectSettled, Entity, Event, Evidence, Failure, Field,
    Happening, MatchOutcome, Matched, Message, MessageClass, MessageReceived, MessageSent, Outcome,
    Plugin, ReadError, Span, TimerFired, User, Value, Window, text,
};

mod reads;

/// Longest key and value of a plugin's memory, as in the contract.
const KEY_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 2048;

#[derive(Debug, Clone)]
struct Timer {
    due: i64,
    payload: String,
    context: Context,
}

/// A pretend daemon with a firm, its customers and a clock that stands still until told.
///
/// Starts on Monday 2 March 2026, 10:00 in Berlin, owned by Sam Field <sam@example.net>.
#[derive(Debug)]
pub struct TestWorld {
    manifest: Option<Manifest>,
    settings: serde_json::Map<String, Json>,
    now: i64,
    zone: String,
    owner: User,
    ourselves: Vec<Address>,
    accounts: Vec<Entity>,
    contacts: Vec<(String, Entity)>,
    busy: Vec<Window>,
    cases: Vec<Entity>,
    messages: Vec<Message>,
    timers: BTreeMap<String, Timer>,
    memory: RefCell<BTreeMap<String, Vec<u8>>>,
    done_once: BTreeSet<String>,
    context: Context,
    events: u32,
    reads: Cell<u32>,
    log: RefCell<Vec<String>>,
}

impl Default for TestWorld {
    fn default() -> TestWorld {
        TestWorld::new()
    }
}

impl TestWorld {
    /// A firm without customers.
    #[must_use]
    pub fn new() -> TestWorld {
        let owner = User {
            name: "Sam Field".to_owned(),
            email: "sam@example.net".to_owned(),
            zone: "Europe/Berlin".to_owned(),
        };
        let mut world = TestWorld {
            manifest: None,
            settings: serde_json::Map::new(),
            now: instant("2026-03-02T09:00:00Z"),
            zone: owner.zone.clone(),
            ourselves: vec![Address {
                name: Some(owner.name.clone()),
                email: owner.email.clone(),
            }],
            accounts: Vec::new(),
            contacts: Vec::new(),
            busy: Vec::new(),
            cases: Vec::new(),
            messages: Vec::new(),
            timers: BTreeMap::new(),
            memory: RefCell::default(),
            done_once: BTreeSet::new(),
            context: Context {
                matched: unmatched(),
                ourselves: Vec::new(),
                owner: None,
                zone: String::new(),
                rehearsal: false,
            },
            owner,
            events: 0,
            reads: Cell::new(0),
            log: RefCell::default(),
        };
        world.context = world.context_of(unmatched());
        world
    }

    /// Takes defaults of settings from a `plugin.toml` and holds the plugin to it.
    #[must_use]
    pub fn manifest(mut self, toml: &str) -> TestWorld {
        let manifest = Manifest::parse(toml);
        let mut settings = manifest.defaults();
        settings.extend(std::mem::take(&mut self.settings));
        self.settings = settings;
        self.manifest = Some(manifest);
        self
    }

    /// Sets one setting.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Into<Json>) -> TestWorld {
        self.settings.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn now(mut self, rfc_3339: &str) -> TestWorld {
        self.now = instant(rfc_3339);
        self
    }

    /// Sets the zone of the owner and the firm.
    #[must_use]
    pub fn zone(mut self, name: &str) -> TestWorld {
        name.clone_into(&mut self.zone);
        name.clone_into(&mut self.owner.zone);
        self
    }

    /// Sets the owner.
    #[must_use]
    pub fn owner(mut self, person: &str) -> TestWorld {
        let address = super::address(person);
        self.owner.name = address.display().to_owned();
        self.owner.email.clone_from(&address.email);
        self.ourselves = vec![address];
        self
    }

    /// Adds an account with its domains and contacts.
    #[must_use]
    pub fn account(mut self, name: &str, domains: &[&str], contacts: &[&str]) -> TestWorld {
        let id = format!("account-{}", self.accounts.len() + 1);
        for contact in contacts {
            let address = super::address(contact);
            let fields = vec![
                field("name", address.display()),
                field("email", &*address.email),
            ];
            let contact_id = format!("contact-{}", self.contacts.len() + 1);
            self.contacts
                .push((id.clone(), entity(contact_id, "contact", fields)));
        }
        let domains = domains.iter().map(|domain| (*domain).to_owned()).collect();
        let fields = vec![
            field("name", name),
            Field {
                name: "domains".to_owned(),
                value: Value::Texts(domains),
            },
            field("lifecycle", "customer"),
        ];
        self.accounts.push(entity(id, "account", fields));
        self
    }

    /// Sets the lifecycle of the account added last.
    #[must_use]
    pub fn lifecycle(mut self, lifecycle: &str) -> TestWorld {
        let account = self.accounts.last_mut().expect("an account to speak of");
        account.fields.retain(|field| field.name != "lifecycle");
        account.fields.push(field("lifecycle", lifecycle));
        self
    }

    /// Makes the owner busy.
    #[must_use]
    pub fn busy(mut self, start: &str, end: &str) -> TestWorld {
        self.busy.push(Window {
            start: instant(start),
            end: instant(end),
        });
        self
    }

    /// Adds a case as if made earlier; returns nothing, its id is `case-N`.
    #[must_use]
    pub fn case(mut self, kind: &str, state: &str, fields: &[(&str, &str)]) -> TestWorld {
        let id = format!("case-{}", self.cases.len() + 1);
        let fields = fields
            .iter()
            .map(|(name, value)| field(name, *value))
            .collect();
        self.cases.push(Entity {
            state: state.to_owned(),
            ..entity(id, kind, fields)
        });
        self
    }

    /// Cases as they stand now, oldest first.
    #[must_use]
    pub fn cases_now(&self) -> &[Entity] {
        &self.cases
    }

    /// Names of the timers that are set, with when they are due.
    #[must_use]
    pub fn timers_now(&self) -> Vec<(&str, i64)> {
        self.timers
            .iter()
            .map(|(name, timer)| (name.as_str(), timer.due))
            .collect()
    }

    /// Keys in the plugin's memory.
    #[must_use]
    pub fn memory_now(&self) -> Vec<String> {
        self.memory.borrow().keys().cloned().collect()
    }

    /// Thread of the message told last; empty before the first.
    pub(super) fn newest_thread(&self) -> String {
        self.messages
            .last()
            .map(|message| message.thread.clone())
            .unwrap_or_default()
    }

    /// Lines logged so far, as `info: text`.
    #[must_use]
    pub fn log_now(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    // ---- events ---------------------------------------------------------------------------

    /// Delivers a message.
    ///
    /// # Errors
    /// What the plugin returned.
    pub fn receive<P: Plugin>(&mut self, mail: Mail) -> Result<Reaction, Failure> {
        let authenticity = mail.authenticity;
        let message = self.file(mail, Direction::Inbound);
        let mut matched = self.match_sender(&message.sender, message.class);
        matched.authenticity = authenticity;
        self.context = self.context_of(matched);
        let thread: Vec<_> = self.thread_of(&message.thread).collect();
        let received = MessageReceived {
            thread_length: u32::try_from(thread.len()).unwrap_or(u32::MAX),
            answers_us: thread.iter().any(|m| m.direction == Direction::Outbound),
            message,
        };
        let class = Some(received.message.class);
        self.give::<P>(
            "message-received",
            class,
            Happening::MessageReceived(received),
        )
    }

    /// Tells of a message of ours.
    ///
    /// # Errors
    /// What the plugin returned.
    pub fn send<P: Plugin>(&mut self, mail: Mail) -> Result<Reaction, Failure> {
        let plugin = mail.plugin.clone();
        let message = self.file(mail, Direction::Outbound);
        let outside = message.to.iter().find(|to| !self.is_own(to));
        let matched =
            outside.map_or_else(unmatched, |to| self.match_sender(to, MessageClass::Human));
        self.context = self.context_of(matched);
        let sent = MessageSent {
            thread_length: u32::try_from(self.thread_of(&message.thread).count())
                .unwrap_or(u32::MAX),
            effect: plugin.as_ref().map(|_| "effect-1".to_owned()),
            plugin,
            message,
        };
        self.give::<P>("message-sent", None, Happening::MessageSent(sent))
    }

    /// Moves the clock by a span such as `3 business days` and fires what falls due on the way,
    /// each timer at its time.
    ///
    /// # Errors
    /// What the plugin returned.
    pub fn advance<P: Plugin>(&mut self, span: &str) -> Result<Reaction, Failure> {
        let target = self.later(span);
        let mut all = Reaction::default();
        while let Some((name, timer)) = self.next_due(target) {
            self.now = self.now.max(timer.due);
            all.proposals
                .extend(self.fire::<P>(&name, timer)?.proposals);
        }
        self.now = target;
        Ok(all)
    }

    /// Moves the clock while the daemon is down, then fires each timer missed, once and late.
    ///
    /// # Errors
    /// What the plugin returned.
    pub fn sleep_through<P: Plugin>(&mut self, span: &str) -> Result<Reaction, Failure> {
        self.now = self.later(span);
        let mut all = Reaction::default();
        while let Some((name, timer)) = self.next_due(self.now) {
            all.proposals
                .extend(self.fire::<P>(&name, timer)?.proposals);
        }
        Ok(all)
    }

    /// Tells what became of the proposal with this label.
    ///
    /// # Errors
    /// What the plugin returned.
    pub fn settle<P: Plugin>(
        &mut self,
        label: &str,
        outcome: Outcome,
    ) -> Result<Reaction, Failure> {
        let settled = EffectSettled {
            effect: format!("effect-{label}"),
            label: label.to_owned(),
            outcome,
        };
        self.give::<P>("effect-settled", None, Happening::EffectSettled(settled))
    }

    fn later(&self, span: &str) -> i64 {
        let zone = self.time_zone();
        match span.parse().unwrap_or_else(|error| panic!("{error}")) {
            Span::BusinessDays(days) => calendar::working_time(self.now, days, &zone),
            Span::BusinessHours(hours) => calendar::working_hours(self.now, hours, &zone),
            Span::Millis(millis) => {
                let days = i64::try_from(millis / 86_400_000).unwrap_or(i64::MAX);
                let rest = i64::try_from(millis % 86_400_000).unwrap_or(0);
                calendar::plus_days(self.now, days, &zone) + rest
            }
        }
    }

    fn next_due(&mut self, until: i64) -> Option<(String, Timer)> {
        let due = self.timers.iter().filter(|(_, timer)| timer.due <= until);
        let name = due.min_by_key(|(_, timer)| timer.due)?.0.clone();
        self.timers.remove_entry(&name)
    }

    fn fire<P: Plugin>(&mut self, name: &str, timer: Timer) -> Result<Reaction, Failure> {
        let fired = TimerFired {
            name: name.to_owned(),
            due: timer.due,
            late_by: u64::try_from(self.now - timer.due).unwrap_or(0),
            payload: timer.payload,
        };
        self.context = timer.context;
        self.give::<P>("timer-fired", None, Happening::TimerFired(fired))
    }

    fn give<P: Plugin>(
        &mut self,
        kind: &str,
        class: Option<MessageClass>,
        happening: Happening,
    ) -> Result<Reaction, Failure> {
        if self
            .manifest
            .as_ref()
            .is_some_and(|manifest| !manifest.wants(kind, class))
        {
            return Ok(Reaction::default());
        }
        self.events += 1;
        self.reads.set(0);
        let event = Event {
            id: format!("event-{}", self.events),
            at: self.now,
            attempt: 1,
            happening,
            context: self.context.clone(),
        };
        let memory = self.memory.borrow().clone();
        let proposals = match crate::handle::<P>(self, &event) {
            Ok(proposals) => proposals,
            Err(failure) => {
                self.memory.replace(memory);
                return Err(failure);
            }
        };
        for proposal in &proposals {
            if let Some(manifest) = &self.manifest {
                manifest.hold_to(proposal);
            }
            if proposal
                .once
                .clone()
                .is_none_or(|once| self.done_once.insert(once))
            {
                self.apply(&proposal.action);
            }
        }
        Ok(Reaction { proposals })
    }

    fn apply(&mut self, action: &Action) {
        match action {
            Action::CreateCase(case) => {
                let first = self
                    .manifest
                    .as_ref()
                    .and_then(|m| m.case(&case.kind).states.first());
                let state = case.state.clone().or(first.cloned()).unwrap_or_default();
                let id = format!("case-{}", self.cases.len() + 1);
                let made = entity(id, &case.kind, case.fields.clone());
                self.cases.push(Entity { state, ..made });
            }
            Action::UpdateCase(update) => {
                let found = self.cases.iter_mut().find(|case| case.id == update.id);
                let case = found.unwrap_or_else(|| panic!("no case `{}`", update.id));
                if let Some(manifest) = &self.manifest {
                    let state = update.state.as_deref();
                    manifest
                        .case(&case.kind)
                        .hold_to(Some(&case.state), state, &update.set);
                }
                case.revision += 1;
                case.state = update.state.clone().unwrap_or_else(|| case.state.clone());
                case.fields
                    .retain(|old| update.set.iter().all(|new| new.name != old.name));
                case.fields.extend(update.set.iter().cloned());
            }
            Action::SetTimer(timer) => {
                let set = Timer {
                    due: timer.due,
                    payload: timer.payload.clone(),
                    context: self.context.clone(),
                };
                self.timers.insert(timer.name.clone(), set);
            }
            Action::CancelTimer(name) => {
                self.timers.remove(name);
            }
            Action::TagMessage(tag) => {
                for message in self.messages.iter_mut().filter(|m| m.id == tag.message) {
                    message.tags.retain(|old| !tag.remove.contains(old));
                    message.tags.extend(tag.add.iter().cloned());
                }
            }
            Action::Email(_)
            | Action::Hold(_)
            | Action::ReleaseHolds(_)
            | Action::CreateTask(_)
            | Action::Notify(_)
            | Action::ChangeMailbox(_)
            | Action::Extension(_) => {}
        }
    }

    // ---- what the daemon knows --------------------------------------------------------------

    fn file(&mut self, mail: Mail, direction: Direction) -> Message {
        let own = Address {
            name: Some(self.owner.name.clone()),
            email: self.owner.email.clone(),
        };
        let mut message = mail.message;
        message.id = format!("message-{}", self.messages.len() + 1);
        message.date = self.now;
        message.direction = direction;
        if direction == Direction::Outbound {
            message.sender = own;
        } else if !mail.is_to_set {
            message.to = vec![own];
        }
        let base = text::base_subject(&message.subject);
        let shares = |m: &&Message| !mail.is_new_thread && text::base_subject(&m.subject) == base;
        let same = self.messages.iter().rfind(shares);
        message.thread = match same {
            _ if !message.thread.is_empty() => message.thread,
            Some(same) => same.thread.clone(),
            None => format!("thread-{}", self.messages.len() + 1),
        };
        self.messages.push(message.clone());
        message
    }

    fn thread_of(&self, id: &str) -> impl Iterator<Item = &Message> {
        self.messages
            .iter()
            .filter(move |message| message.thread == id)
    }

    fn is_own(&self, address: &Address) -> bool {
        self.ourselves
            .iter()
            .any(|own| own.domain() == address.domain())
    }

    fn context_of(&self, matched: Matched) -> Context {
        Context {
            matched,
            ourselves: self.ourselves.clone(),
            owner: Some(self.owner.clone()),
            zone: self.zone.clone(),
            rehearsal: false,
        }
    }

    fn match_sender(&self, sender: &Address, class: MessageClass) -> Matched {
        let mut matched = unmatched();
        let known = self.known(&sender.email);
        let free_mail = text::is_free_mail(sender.domain());
        if self.is_own(sender) {
            matched.outcome = MatchOutcome::Own;
        } else if !matches!(class, MessageClass::Human | MessageClass::Calendar) {
            matched.outcome = MatchOutcome::Automatic;
        } else if !known.is_empty() {
            matched.outcome = MatchOutcome::Account;
            matched.confidence = 90;
            matched.account = known
                .iter()
                .find(|entity| entity.kind == "account")
                .cloned();
            matched.contact = known.into_iter().find(|entity| entity.kind == "contact");
        } else if free_mail {
            matched.evidence.push(Evidence {
                kind: "free-mail".to_owned(),
                text: format!("{} is a free-mail domain", sender.domain()),
            });
        }
        matched
    }

    fn known(&self, email: &str) -> Vec<Entity> {
        let contact = self
            .contacts
            .iter()
            .find(|(_, contact)| contact.text("email").eq_ignore_ascii_case(email));
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        let account = self.accounts.iter().find(|account| match contact {
            Some((id, _)) => account.id == *id,
            None => {
                !text::is_free_mail(domain) && account.texts("domains").iter().any(|d| d == domain)
            }
        });
        account
            .cloned()
            .into_iter()
            .chain(contact.map(|(_, contact)| contact.clone()))
            .collect()
    }

    fn time_zone(&self) -> jiff::tz::TimeZone {
        calendar::zone(&self.zone).expect("the world's own zone exists")
    }

    fn count_read(&self) -> Read<()> {
        let max = self
            .manifest
            .as_ref()
            .map_or(u32::MAX, |manifest| manifest.reads.per_event);
        self.reads.set(self.reads.get() + 1);
        if self.reads.get() > max {
            Err(ReadError::Exhausted)
        } else {
            Ok(())
        }
    }
}

fn unmatched() -> Matched {
    Matched {
        outcome: MatchOutcome::Unknown,
        account: None,
        contact: None,
        candidates: Vec::new(),
        confidence: 0,
        evidence: Vec::new(),
        authenticity: crate::Authenticity::Pass,
    }
}

fn field(name: &str, value: impl Into<Value>) -> Field {
    Field {
        name: name.to_owned(),
        value: value.into(),
    }
}

fn entity(id: String, kind: &str, fields: Vec<Field>) -> Entity {
    Entity {
        id,
        kind: kind.to_owned(),
        revision: 1,
        state: String::new(),
        fields,
    }
}
