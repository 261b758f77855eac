//! What a handler works with: the event, the reads, and the proposals it collects.

use core::fmt;
use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    Action, Address, Condition, Content, CreateCase, CreateTask, Email, Entity, Event, Field,
    FlagChange, Hold, KeywordChange, Level, MailFlag, MailboxChange, MatchOutcome, Matched,
    Message, Notify, Proposal, Result, Scope, SetTimer, SlotRequest, Span, TagMessage, UpdateCase,
    User, Value, Window, World,
};

/// Longest label that the contract allows, in bytes.
const LABEL_BYTES_MAX: usize = 64;
/// Room kept for `-` and a number behind a label that is taken, in bytes.
const NUMBER_BYTES_MAX: usize = 6;

/// One event in the hands of a plugin.
///
/// Proposals are collected by the helpers, whose last argument is always the reason: one
/// sentence for `liaison why`.
pub struct Cx<'a, S> {
    world: &'a dyn World,
    event: &'a Event,
    settings: &'a S,
    proposals: Vec<Proposal>,
    labels: Labels,
}

/// Labels given so far, with the last number appended to each.
type Labels = BTreeMap<String, u32>;

impl<S> fmt::Debug for Cx<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx")
            .field("event", &self.event.id)
            .field("proposals", &self.proposals)
            .finish_non_exhaustive()
    }
}

/// The proposal just made, to add a rule number, a period or an own label to it.
#[derive(Debug)]
pub struct Proposed<'c> {
    labels: &'c mut Labels,
    proposal: &'c mut Proposal,
}

impl Proposed<'_> {
    /// Sets the number of the policy rule that asks for it, such as `R31`.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the proposal is already made"
    )]
    pub fn rule(self, rule: &str) -> Self {
        self.proposal.rule = Some(rule.to_owned());
        self
    }

    /// Has it carried out once for this text (subject, cause and period), whatever event asks
    /// again.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the proposal is already made"
    )]
    pub fn once(self, once: &str) -> Self {
        self.proposal.once = Some(once.to_owned());
        self
    }

    /// Gives it a label of the plugin's own: lower-case letters, digits and `-`. What does not
    /// fit is replaced, and a label already taken gets a number.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the proposal is already made"
    )]
    pub fn labelled(self, label: &str) -> Self {
        self.labels.remove(&self.proposal.label);
        self.proposal.label = free_label(self.labels, label);
        self
    }

    /// Its label, for [`Email::requires`].
    #[must_use]
    pub fn label(&self) -> String {
        self.proposal.label.clone()
    }
}

fn free_label(labels: &mut Labels, wish: &str) -> String {
    let mut label: String = wish
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .take(LABEL_BYTES_MAX - NUMBER_BYTES_MAX)
        .collect();
    if label.is_empty() {
        label.push('-');
    }
    let mut number = match labels.get(&label) {
        Some(number) => *number,
        None => {
            labels.insert(label.clone(), 1);
            return label;
        }
    };
    loop {
        number = number.saturating_add(1);
        let numbered = format!("{label}-{number}");
        if !labels.contains_key(&numbered) {
            labels.insert(numbered.clone(), 1);
            labels.insert(label, number);
            return numbered;
        }
    }
}

impl<'a, S> Cx<'a, S> {
    pub(crate) fn new(world: &'a dyn World, event: &'a Event, settings: &'a S) -> Cx<'a, S> {
        Cx {
            world,
            event,
            settings,
            proposals: Vec::new(),
            labels: Labels::new(),
        }
    }

    pub(crate) fn into_proposals(self) -> Vec<Proposal> {
        self.proposals
    }

    /// The operator's settings.
    #[must_use]
    pub fn settings(&self) -> &'a S {
        self.settings
    }

    /// The whole event.
    #[must_use]
    pub fn event(&self) -> &'a Event {
        self.event
    }

    /// Whom the event is about.
    #[must_use]
    pub fn matched(&self) -> &'a Matched {
        &self.event.context.matched
    }

    /// Our person who looks after this.
    #[must_use]
    pub fn owner(&self) -> Option<&'a User> {
        self.event.context.owner.as_ref()
    }

    /// Whether the match rests on evidence of this kind, such as `free-mail`.
    #[must_use]
    pub fn has_evidence(&self, kind: &str) -> bool {
        self.matched()
            .evidence
            .iter()
            .any(|evidence| evidence.kind == kind)
    }

    /// Whether the sender belongs to an account.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.matched().outcome == MatchOutcome::Account
    }

    /// Whether an address is one of ours, or at a domain of one of ours.
    ///
    /// A free-mail domain among our own addresses counts by address only.
    #[must_use]
    pub fn is_ours(&self, address: &Address) -> bool {
        self.event.context.ourselves.iter().any(|own| {
            own.email.eq_ignore_ascii_case(&address.email)
                || (!own.domain().is_empty()
                    && own.domain().eq_ignore_ascii_case(address.domain())
                    && !crate::text::is_free_mail(own.domain()))
        })
    }

    // ---- proposals ----------------------------------------------------------------------

    /// Proposes any action.
    pub fn propose(&mut self, action: Action, reason: &str) -> Proposed<'_> {
        let label = free_label(&mut self.labels, kind_of(&action));
        self.proposals.push(Proposal {
            label,
            action,
            reason: reason.to_owned(),
            rule: None,
            once: None,
        });
        match self.proposals.last_mut() {
            Some(proposal) => Proposed {
                labels: &mut self.labels,
                proposal,
            },
            None => unreachable!("a proposal was pushed above"),
        }
    }

    /// Proposes a mail.
    pub fn email(&mut self, email: Email, reason: &str) -> Proposed<'_> {
        self.propose(Action::Email(email), reason)
    }

    /// Proposes an answer to the sender of `message` from a template.
    pub fn email_reply(
        &mut self,
        message: &Message,
        template: &str,
        variables: &serde_json::Value,
        reason: &str,
    ) -> Proposed<'_> {
        self.email(
            Email::reply_to(message, Content::template(template, variables)),
            reason,
        )
    }

    /// Proposes a tentative event in one of our calendars.
    pub fn hold(&mut self, hold: Hold, reason: &str) -> Proposed<'_> {
        self.propose(Action::Hold(hold), reason)
    }

    /// Gives up all holds of a group of this plugin in this thread.
    pub fn release_holds(&mut self, group: &str, reason: &str) -> Proposed<'_> {
        self.propose(Action::ReleaseHolds(group.to_owned()), reason)
    }

    /// Proposes a record of a kind that the manifest declares.
    pub fn create_case(&mut self, case: CreateCase, reason: &str) -> Proposed<'_> {
        self.propose(Action::CreateCase(case), reason)
    }

    /// Proposes new fields, and a new state when given, of a case as it was read.
    pub fn update_case(
        &mut self,
        case: &Entity,
        state: Option<&str>,
        set: Vec<(&str, Value)>,
        reason: &str,
    ) -> Proposed<'_> {
        let set = set
            .into_iter()
            .map(|(name, value)| Field {
                name: name.to_owned(),
                value,
            })
            .collect();
        let update = UpdateCase {
            id: case.id.clone(),
            if_revision: Some(case.revision),
            state: state.map(str::to_owned),
            set,
        };
        self.propose(Action::UpdateCase(update), reason)
    }

    /// Lays work before one of our people.
    pub fn task(&mut self, task: CreateTask, reason: &str) -> Proposed<'_> {
        self.propose(Action::CreateTask(task), reason)
    }

    /// Tells the owner.
    pub fn notify(&mut self, text: &str, reason: &str) -> Proposed<'_> {
        self.notify_person(None, false, text, reason)
    }

    /// Tells one of our people, by address; `None` is the owner.
    pub fn notify_person(
        &mut self,
        to: Option<&str>,
        urgent: bool,
        text: &str,
        reason: &str,
    ) -> Proposed<'_> {
        let notify = Notify {
            text: text.to_owned(),
            urgent,
            to: to.map(str::to_owned),
        };
        self.propose(Action::Notify(notify), reason)
    }

    /// Adds a tag to a message.
    pub fn tag(&mut self, message: &Message, tag: &str, reason: &str) -> Proposed<'_> {
        let tag = TagMessage {
            message: message.id.clone(),
            add: vec![tag.to_owned()],
            remove: vec![],
        };
        self.propose(Action::TagMessage(tag), reason)
    }

    /// Sets a flag of the message of the event, or clears it.
    pub fn flag(&mut self, flag: MailFlag, on: bool, reason: &str) -> Proposed<'_> {
        let change = MailboxChange::Flag(FlagChange { flag, on });
        self.propose(Action::ChangeMailbox(change), reason)
    }

    /// Adds a keyword to the message of the event, or removes it.
    pub fn keyword(&mut self, keyword: &str, on: bool, reason: &str) -> Proposed<'_> {
        let change = MailboxChange::Keyword(KeywordChange {
            keyword: keyword.to_owned(),
            on,
        });
        self.propose(Action::ChangeMailbox(change), reason)
    }

    /// Moves the message of the event to another folder of its mailbox.
    pub fn move_to(&mut self, folder: &str, reason: &str) -> Proposed<'_> {
        let change = MailboxChange::Move(folder.to_owned());
        self.propose(Action::ChangeMailbox(change), reason)
    }

    /// Adds a label to the message of the event (Gmail).
    pub fn label_message(&mut self, label: &str, reason: &str) -> Proposed<'_> {
        let change = MailboxChange::Label(label.to_owned());
        self.propose(Action::ChangeMailbox(change), reason)
    }

    /// Wakes this plugin at `due`; setting a timer of the same name again moves it.
    pub fn set_timer(
        &mut self,
        name: &str,
        due: i64,
        payload: &serde_json::Value,
        reason: &str,
    ) -> Proposed<'_> {
        let timer = SetTimer {
            name: name.to_owned(),
            due,
            payload: payload.to_string(),
        };
        self.propose(Action::SetTimer(timer), reason)
    }

    /// Forgets a timer.
    pub fn cancel_timer(&mut self, name: &str, reason: &str) -> Proposed<'_> {
        self.propose(Action::CancelTimer(name.to_owned()), reason)
    }

    // ---- reads --------------------------------------------------------------------------

    /// The reads of the contract as they are.
    #[must_use]
    pub fn world(&self) -> &'a dyn World {
        self.world
    }

    /// Cases of a kind for which all fields have these values, newest first.
    ///
    /// # Errors
    /// When the read is refused.
    pub fn cases(&self, kind: &str, fields: &[(&str, &str)]) -> Result<Vec<Entity>> {
        let conditions: Vec<Condition> = fields
            .iter()
            .map(|(field, value)| Condition {
                field: (*field).to_owned(),
                value: Value::Text((*value).to_owned()),
            })
            .collect();
        Ok(self.world.cases(kind, &conditions)?)
    }

    /// The newest messages of a thread, oldest of them first.
    ///
    /// # Errors
    /// When the read is refused.
    pub fn thread(&self, id: &str, newest: u32) -> Result<Vec<Message>> {
        Ok(self.world.thread(id, newest)?)
    }

    /// Free windows in the owner's working hours, each on another day.
    ///
    /// # Errors
    /// When the read is refused.
    pub fn free_slots(&self, request: &SlotRequest) -> Result<Vec<Window>> {
        Ok(self.world.free_slots(request)?)
    }

    /// What [`Cx::remember`] kept under `key` in the plugin's memory.
    ///
    /// # Errors
    /// When the memory cannot be read or holds something else.
    pub fn recall<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        match self.world.kv_get(Scope::Plugin, key)? {
            Some(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            None => Ok(None),
        }
    }

    /// Keeps a value (at most 2 KiB as JSON) beyond this event, when the handler returns `Ok`.
    ///
    /// # Errors
    /// When the memory is full.
    pub fn remember<T: Serialize>(&self, key: &str, value: &T) -> Result {
        Ok(self
            .world
            .kv_set(Scope::Plugin, key, &serde_json::to_vec(value)?)?)
    }

    /// Removes what was kept under `key`.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn forget(&self, key: &str) -> Result {
        Ok(self.world.kv_remove(Scope::Plugin, key)?)
    }

    /// Keys of the plugin's memory with a prefix, sorted.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn recall_keys(&self, prefix: &str) -> Result<Vec<String>> {
        Ok(self.world.kv_keys(Scope::Plugin, prefix)?)
    }

    /// The event's time. It does not move while the handler runs.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.world.now()
    }

    /// The instant one span after `at`, counted in the firm's working time where the span says
    /// business days or hours.
    #[must_use]
    pub fn after(&self, at: i64, span: Span) -> i64 {
        match span {
            Span::BusinessDays(days) => self.world.working_time(at, days),
            Span::BusinessHours(hours) => self.world.working_hours(at, hours),
            Span::Millis(millis) => at.saturating_add_unsigned(millis),
        }
    }

    /// Writes a line kept with the event, shown by `liaison why`.
    pub fn log(&self, text: &str) {
        self.world.log(Level::Info, text);
    }
}

pub(crate) fn kind_of(action: &Action) -> &'static str {
    match action {
        Action::Email(_) => "email",
        Action::Hold(_) => "hold",
        Action::ReleaseHolds(_) => "release-holds",
        Action::CreateCase(_) => "create-case",
        Action::UpdateCase(_) => "update-case",
        Action::CreateTask(_) => "create-task",
        Action::SetTimer(_) => "set-timer",
        Action::CancelTimer(_) => "cancel-timer",
        Action::TagMessage(_) => "tag-message",
        Action::Notify(_) => "notify",
        Action::ChangeMailbox(_) => "change-mailbox",
        Action::Extension(_) => "extension",
    }
}
