//! Proposals become effects here, and nowhere else.
//!
//! `decide` is a pure function of the event, the match, the proposals, the operator's grant, what
//! happened before, and `now`. It happens in two steps so that the caller can fetch what is needed
//! in between: [`resolve`] names effect keys and recipients, [`decide`] judges.
//!
//! Every proposal ends in exactly one [`Verdict`] with its reasons; nothing is dropped in silence.

mod gates;
mod mail;
mod mailbox;
mod other;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::account::matching::Match;
use crate::business_time::{BusinessCalendar, QuietHours};
use crate::effect::{Audience, Cause, HoldEffect, MailEffect, MailMode, RecordMode};
use crate::happening::UserView;
use crate::ids::{AccountId, CalendarId, EffectId, MessageKey, TransportId, effect_id};
use crate::mailbox::{MailboxEffect, MailboxGrants};
use crate::manifest::Manifest;
use crate::message::{MessageRecord, Person, ThreadRecord};
use crate::proposal::{Action, Content, Proposal};
use crate::records::{CaseRecord, TaskRecord, TimerRecord};
use crate::time::Timestamp;
use crate::whereabouts::Whereabouts;

pub use gates::{BREAKER, Recheck, RecheckFacts, Since, recheck};
pub use schedule::{
    Leaves, OfferedHold, Schedule, ScheduleFacts, Wait, as_judged, explain_schedule,
};

/// What the operator granted to a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Modes {
    /// Mail to counterparts.
    pub mail: MailMode,
    /// Cases and tags.
    pub records: RecordMode,
    /// Tasks and notifications.
    pub tasks: RecordMode,
    /// Holds.
    pub holds: RecordMode,
    /// Changes of messages where they lie.
    pub mailbox: RecordMode,
}

/// The operator's ceilings (`[limits]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Plugin-originated mails to one contact within [`CAP_WINDOW_MS`] (H-CAP).
    pub contact_mails_per_week: u32,
    /// The same for all contacts of an account.
    pub account_mails_per_week: u32,
    /// Automatic mails to one contact within 24 hours (H-LOOP).
    pub contact_automatic_per_day: u32,
    /// Automatic mails in one thread without a person's message in between (H-LOOP).
    pub thread_automatic: u32,
    /// Automatic mails to anybody within an hour: the circuit breaker.
    pub automatic_per_hour: u32,
    /// Mails through one transport within a minute; 0: no ceiling.
    pub login_mails_per_minute: u32,
    /// Mails through one transport within 24 hours; 0: no ceiling.
    pub login_mails_per_day: u32,
    /// Mails to addresses of one organisation within 24 hours; 0: no ceiling.
    pub domain_mails_per_day: u32,
    /// Notifications by mail to one of our own people within an hour; more are tasks only.
    pub staff_mails_per_hour: u32,
    /// How long a hold stands, in hours.
    pub hold_hours: u32,
    /// How long before its slot a hold ends at the latest, in hours.
    pub hold_before_slot_hours: u32,
    /// Open holds in one calendar.
    pub holds_open: u32,
    /// Open holds for one account, or for one counterpart of whom no account is known.
    pub holds_open_account: u32,
    /// Open holds in all calendars together.
    pub holds_open_total: u32,
    /// Changes of one message in its mailbox, of all plugins together.
    pub mailbox_changes_per_message: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            contact_mails_per_week: 1,
            account_mails_per_week: 2,
            contact_automatic_per_day: 1,
            thread_automatic: 3,
            automatic_per_hour: 60,
            login_mails_per_minute: 30,
            login_mails_per_day: 500,
            domain_mails_per_day: 100,
            staff_mails_per_hour: 20,
            hold_hours: 72,
            hold_before_slot_hours: 24,
            holds_open: 20,
            holds_open_account: 10,
            holds_open_total: 200,
            mailbox_changes_per_message: 10,
        }
    }
}

/// The window of H-CAP: seven times 24 hours.
pub const CAP_WINDOW_MS: i64 = 7 * crate::time::DAY_MS;

/// Ourselves.
#[derive(Debug, Clone)]
pub struct Firm {
    /// Domains whose addresses are ours.
    pub own_domains: BTreeSet<String>,
    /// Further addresses that are ours.
    pub own_addresses: BTreeSet<String>,
    /// Domain for Message-IDs and UIDs.
    pub sending_domain: String,
    /// Working hours, holidays and zone.
    pub business: BusinessCalendar,
    /// When recipients are left in peace.
    pub quiet: QuietHours,
    /// Milliseconds between the decision that a mail leaves and its leaving, in which a person can
    /// call it off.
    pub send_delay_ms: i64,
}

impl Firm {
    /// Whether the address (in lookup form) is ours.
    #[must_use]
    pub fn owns(&self, address: &str) -> bool {
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        self.own_addresses.contains(address) || self.own_domains.contains(domain)
    }
}

/// What stays the same for all events of a plugin.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Its manifest: what it may propose.
    pub manifest: &'a Manifest,
    /// What the operator lets become of it.
    pub modes: Modes,
    /// What of a message in its mailbox it may change.
    pub mailbox: &'a MailboxGrants,
    /// Ceilings.
    pub limits: &'a Limits,
    /// Ourselves.
    pub firm: &'a Firm,
}

/// One of our people and where their time is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerFacts {
    /// Who.
    pub user: UserView,
    /// Calendar for holds.
    pub calendar: Option<CalendarId>,
    /// Open holds in it.
    pub holds_open: u32,
}

/// Open holds, wherever they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HoldsOpen {
    /// For the account or the counterpart of the event.
    pub account: u32,
    /// All.
    pub total: u32,
}

/// What is known of a possible recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipientFacts {
    /// Contact or account asked not to be contacted.
    pub do_not_contact: bool,
    /// The address asked not to get further mail: how, and what lifts it.
    pub opted_out: Option<String>,
    /// Left the company.
    pub left: bool,
    /// Why mail to the address does not arrive, as delivery reports tell.
    pub undeliverable: Option<String>,
    /// Why nothing leaves for the domain of the address by itself.
    pub domain_stopped: Option<String>,
    /// A contact of the matched account.
    pub of_account: bool,
    /// A contact of any account.
    pub recorded: bool,
    /// Names under which mails to this person are counted: the same for all addresses of a
    /// contact and all `+tag` variants of an address. Two recipients that share one are one
    /// person to the caps.
    pub same_as: BTreeSet<String>,
    /// Plugin-originated mails to the person within the cap's window, oldest first.
    pub mails: Vec<Timestamp>,
    /// Automatic mails to the person within 24 hours, oldest first.
    pub automatic: Vec<Timestamp>,
    /// Accounts that the recipient (not the event) belongs to.
    pub accounts: BTreeSet<AccountId>,
    /// Plugin-originated mails to these accounts within the cap's window, oldest first.
    pub account_mails: Vec<Timestamp>,
    /// Where the recipient is; `None`: nobody looked, because no mail leaves by itself.
    pub whereabouts: Option<Whereabouts>,
}

/// How mail leaves the firm for this event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The transport; empty when there is none, and mail can only be drafted.
    pub transport: TransportId,
    /// Our address in From.
    pub from: String,
    /// The owner's Drafts mailbox can be written.
    pub drafts: bool,
}

/// Everything that `decide` looks at.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The time of the decision.
    pub now: Timestamp,
    /// Why; label, reason and rule are filled in per proposal.
    pub cause: Cause,
    /// The message of the event, for message events.
    pub trigger: Option<&'a MessageRecord>,
    /// The message that a timer or a settled effect stems from: its class gates what follows as
    /// if it had triggered it, so that no machine is answered by way of a timer.
    pub origin: Option<&'a MessageRecord>,
    /// Sender of that message, where they only wrote into somebody else's thread.
    pub outsider: Option<String>,
    /// Messages that proposals answer.
    pub answered: BTreeMap<MessageKey, MessageRecord>,
    /// By address.
    pub recipients: BTreeMap<String, RecipientFacts>,
    /// The thread of the event.
    pub thread: Option<&'a ThreadRecord>,
    /// Those of the recipients who are parties of the thread: people of ours wrote to them there,
    /// they began it, or they belong to its account. A stranger's To and Cc make nobody one.
    pub participants: BTreeSet<String>,
    /// Notifications by mail within the last hour, by address of our person, oldest first.
    pub staff_mails: BTreeMap<String, Vec<Timestamp>>,
    /// When the records were restored from a backup, if ever: what arrived before that may have
    /// been answered already, by a mail that the backup does not know.
    pub restored: Option<Timestamp>,
    /// The match.
    pub matched: &'a Match,
    /// `pass|fail|none|unknown`.
    pub authenticity: &'a str,
    /// What speaks against the senders of the message of the event (or of the one that it stems
    /// from) and of those answered: see `account::warnings`.
    pub warnings: BTreeMap<MessageKey, String>,
    /// Our person in the context.
    pub owner: Option<OwnerFacts>,
    /// All our people, by address.
    pub users: BTreeMap<String, OwnerFacts>,
    /// How mail leaves; `None` when no transport is configured for the mailbox.
    pub route: Option<Route>,
    /// How staff mail leaves, where that is configured.
    pub staff_route: Option<Route>,
    /// Effects that exist already, with what became of them.
    pub seen: BTreeMap<EffectId, String>,
    /// Cases that proposals change.
    pub cases: BTreeMap<String, CaseRecord>,
    /// Changes in its mailbox that were decided for the message of the event, or the one that it
    /// stems from.
    pub mailbox_changes: u32,
    /// Open holds, wherever they are.
    pub holds_open: HoldsOpen,
}

/// A proposal with its key and recipient.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The proposal.
    pub proposal: Proposal,
    /// Its effect key.
    pub id: EffectId,
    /// Recipient of a mail.
    pub recipient: Option<Recipient>,
    /// Why it cannot be resolved.
    pub problem: Option<String>,
}

/// To whom a mail would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Address and name.
    pub person: Person,
    /// Why nothing beyond a draft may come of it.
    pub draft_only: Option<String>,
}

/// What became of one proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The plugin's label.
    pub label: String,
    /// Kind of action.
    pub kind: String,
    /// What became of it.
    pub result: VerdictResult,
    /// The plugin's reason, then ours.
    pub reasons: Vec<String>,
}

/// What became of one proposal, in one word and an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictResult {
    /// A mail, a hold or a change in a mailbox, to be carried out.
    Effect(EffectId),
    /// The same, but later.
    Deferred(EffectId, Timestamp),
    /// Recorded at once: id of the case, task or timer, or the tags.
    Applied(String),
    /// Would have been carried out.
    Rehearsed,
    /// Not within the rules.
    Refused,
    /// Was decided before.
    Repeated(EffectId),
}

/// What is to be written in the commit of the decision.
#[derive(Debug, Clone)]
pub enum Plan {
    /// A mail; its text is still to be rendered.
    Mail(Box<MailPlan>),
    /// A hold to be placed.
    Hold(Box<HoldEffect>),
    /// A change of the message in its mailbox.
    Mailbox(Box<MailboxEffect>),
    /// Open holds of this group are to be given up, with the reason.
    ReleaseHolds(crate::ids::HoldGroupId, String),
    /// A new case.
    NewCase(Box<CaseRecord>),
    /// A changed case, with the revision it replaces.
    ChangedCase(Box<CaseRecord>, u64),
    /// Values of a case's fields that a person set: they wait for a person's yes.
    ProposedCase {
        /// The case.
        case: Box<CaseRecord>,
        /// The fields.
        changes: Vec<crate::crm::FieldChange>,
        /// The plugin's sentence.
        why: String,
    },
    /// A task or notification.
    Task(Box<TaskRecord>),
    /// A timer; its generation is set at the commit.
    SetTimer(Box<TimerRecord>),
    /// A timer to forget.
    CancelTimer(crate::ids::TimerId),
    /// Tags to add and remove.
    Tag(crate::proposal::TagMessage),
}

/// A mail and what its text is made of.
#[derive(Debug, Clone)]
pub struct MailPlan {
    /// The effect; `content` is filled in when the text is rendered.
    pub effect: MailEffect,
    /// Name of the recipient.
    pub recipient_name: Option<String>,
    /// The text.
    pub content: Content,
    /// Attachments by name.
    pub attach: Vec<String>,
    /// The message being answered.
    pub answers: Option<MessageRecord>,
    /// It answers a person at once (`auto-replied`), rather than of its own accord.
    pub is_reply: bool,
}

/// All verdicts and all writes of one answer.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    /// One per proposal, in order.
    pub verdicts: Vec<Verdict>,
    /// What to write.
    pub plans: Vec<Plan>,
    /// Which mails offer which holds, by label.
    offers: Vec<(String, String)>,
}

impl Decision {
    /// Takes back a mail that turns out not to be possible (it cannot be rendered), and with it
    /// the holds that no other mail of the answer offers. A notification stays: only its mail goes.
    pub fn refuse_mail(&mut self, id: &EffectId, why: &str) {
        let is_it = |plan: &Plan| matches!(plan, Plan::Mail(mail) if mail.effect.id == *id);
        let Some(index) = self.plans.iter().position(is_it) else {
            return;
        };
        let Plan::Mail(mail) = self.plans.remove(index) else {
            return;
        };
        let mut verdicts = self.verdicts.iter_mut();
        if let Some(verdict) = verdicts.find(|v| v.label == mail.effect.cause.label) {
            verdict.reasons.push(why.to_owned());
            if mail.effect.audience == Audience::Counterpart {
                verdict.result = VerdictResult::Refused;
            }
        }
        drop_unoffered(self);
    }
}

/// Names the effect key and the recipient of each proposal.
///
/// `answered` holds the messages that proposals name; one that is missing is a problem of its
/// proposal.
#[must_use]
pub fn resolve(
    proposals: Vec<Proposal>,
    cause: &Cause,
    firm: &Firm,
    answered: &BTreeMap<MessageKey, MessageRecord>,
) -> Vec<Resolved> {
    let resolve_one = |proposal: Proposal| {
        let key_cause = proposal.once.clone().unwrap_or_else(|| cause.cause.clone());
        let (recipient, problem) = match &proposal.action {
            Action::Email(email) => match mail::recipient(email, firm, answered) {
                Ok(recipient) => (Some(recipient), None),
                Err(problem) => (None, Some(problem)),
            },
            _ => (None, None),
        };
        let address = recipient.as_ref().map_or("", |to| to.person.email.as_str());
        let id = effect_id(&cause.plugin, &key_cause, &proposal.label, address);
        Resolved {
            proposal,
            id,
            recipient,
            problem,
        }
    };
    proposals.into_iter().map(resolve_one).collect()
}

/// Judges every proposal.
#[must_use]
pub fn decide(rules: &Rules<'_>, facts: &Facts<'_>, resolved: Vec<Resolved>) -> Decision {
    let mut desk = Desk {
        rules,
        facts,
        decision: Decision::default(),
        holds: BTreeMap::new(),
        rehearsed: BTreeSet::new(),
        counts: BTreeMap::new(),
        mails: Vec::new(),
        staff_mails: BTreeMap::new(),
        cases: BTreeMap::new(),
    };
    // Mails come after the holds that they require, whatever the plugin's order; verdicts are
    // given back in the plugin's order.
    desk.decision.offers = offers(&resolved);
    let (mails, others): (Vec<_>, Vec<_>) = resolved
        .into_iter()
        .enumerate()
        .partition(|(_, item)| matches!(item.proposal.action, Action::Email(_)));
    let mut verdicts: Vec<(usize, Verdict)> = Vec::new();
    for (index, item) in others.into_iter().chain(mails) {
        let (label, kind) = (
            item.proposal.label.clone(),
            item.proposal.action.kind().to_owned(),
        );
        let mut reasons = vec![item.proposal.reason.clone()];
        let result = match desk.judge(item, &mut reasons) {
            Ok(result) => result,
            Err(refusal) => {
                reasons.push(refusal);
                VerdictResult::Refused
            }
        };
        verdicts.push((
            index,
            Verdict {
                label,
                kind,
                result,
                reasons,
            },
        ));
    }
    verdicts.sort_by_key(|(index, _)| *index);
    desk.decision.verdicts = verdicts.into_iter().map(|(_, verdict)| verdict).collect();
    drop_unoffered(&mut desk.decision);
    desk.decision
}

/// Which mails of an answer offer which holds: (label of the mail, label of the hold).
fn offers(resolved: &[Resolved]) -> Vec<(String, String)> {
    let mut offers = Vec::new();
    for item in resolved {
        if let Action::Email(email) = &item.proposal.action {
            let label = &item.proposal.label;
            offers.extend(
                email
                    .requires
                    .iter()
                    .map(|hold| (label.clone(), hold.clone())),
            );
        }
    }
    offers
}

/// A time that is only held to be offered is not held when no mail offers it.
fn drop_unoffered(decision: &mut Decision) {
    let offers = &decision.offers;
    let refused = |label: &String, verdicts: &[Verdict]| {
        verdicts
            .iter()
            .any(|v| v.label == *label && v.result == VerdictResult::Refused)
    };
    let mut dropped = BTreeSet::new();
    for (_, hold) in offers {
        let mut of_hold = offers.iter().filter(|(_, other)| other == hold);
        if of_hold.all(|(mail, _)| refused(mail, &decision.verdicts)) {
            dropped.insert(hold.clone());
        }
    }
    for verdict in &mut decision.verdicts {
        if dropped.contains(&verdict.label) && matches!(verdict.result, VerdictResult::Effect(_)) {
            verdict.result = VerdictResult::Refused;
            verdict
                .reasons
                .push("the mail that would offer this time is not accepted".into());
        }
    }
    decision.plans.retain(|plan| match plan {
        Plan::Hold(hold) => !dropped.contains(&hold.cause.label),
        _ => true,
    });
}

/// A mail accepted earlier in the same answer, as the caps count it.
struct Accepted {
    to: BTreeSet<String>,
    accounts: BTreeSet<AccountId>,
    due: Timestamp,
}

/// Where one answer is judged.
struct Desk<'a> {
    rules: &'a Rules<'a>,
    facts: &'a Facts<'a>,
    decision: Decision,
    /// Accepted holds of this answer, by label.
    holds: BTreeMap<String, EffectId>,
    /// Labels of those that are only rehearsed.
    rehearsed: BTreeSet<String>,
    /// Accepted proposals, by kind.
    counts: BTreeMap<&'static str, u32>,
    /// Mails accepted in this answer.
    mails: Vec<Accepted>,
    /// Notifications by mail in this answer, by address of our person.
    staff_mails: BTreeMap<String, u32>,
    /// Cases as changed in this answer.
    cases: BTreeMap<String, CaseRecord>,
}

impl Desk<'_> {
    fn judge(
        &mut self,
        item: Resolved,
        reasons: &mut Vec<String>,
    ) -> Result<VerdictResult, String> {
        let kind = item.proposal.action.kind();
        let grant = self.rules.manifest.grant(kind).ok_or_else(|| {
            format!("the manifest has no [proposals.{kind}]: the plugin may not propose this")
        })?;
        let count = self.counts.entry(kind).or_default();
        if grant.max.is_some_and(|max| *count >= max) {
            return Err(format!(
                "more than max = {count} of [proposals.{kind}] in one answer"
            ));
        }
        *count = count.saturating_add(1);
        if let Some(problem) = item.problem {
            return Err(problem);
        }
        if let Some(before) = self.facts.seen.get(&item.id) {
            reasons.push(format!("decided before: {before}"));
            if matches!(item.proposal.action, Action::Hold(_)) {
                let label = item.proposal.label.clone();
                self.holds.insert(label, item.id.clone());
            }
            return Ok(VerdictResult::Repeated(item.id));
        }
        match item.proposal.action.clone() {
            Action::Email(email) => self.judge_mail(item, &email, reasons),
            Action::Hold(hold) => self.judge_hold(&item, hold, reasons),
            Action::ReleaseHolds(group) => self.judge_release(&item, &group),
            Action::CreateCase(case) => self.judge_new_case(&item, case),
            Action::UpdateCase(case) => self.judge_case_change(&item, case, reasons),
            Action::CreateTask(task) => self.judge_task(&item, task),
            Action::Notify(notify) => self.judge_notify(&item, &notify, reasons),
            Action::SetTimer(timer) => self.judge_timer(&item, timer),
            Action::CancelTimer(name) => self.judge_timer_cancel(&name),
            Action::TagMessage(tag) => self.judge_tag(tag),
            Action::ChangeMailbox(change) => self.judge_mailbox(&item, change),
            Action::Extension(kind) => {
                Err(format!("this daemon knows no proposal of kind `{kind}`"))
            }
        }
    }

    fn cause_of(&self, proposal: &Proposal) -> Cause {
        Cause {
            label: proposal.label.clone(),
            reason: crate::message::cut_text(&proposal.reason, REASON_CHARS_MAX),
            rule: proposal.rule.clone(),
            cause: proposal.once.clone().map_or_else(
                || self.facts.cause.cause.clone(),
                |once| crate::message::cut_text(&once, REASON_CHARS_MAX),
            ),
            ..self.facts.cause.clone()
        }
    }

    fn owner(&self, named: Option<&str>) -> Result<&OwnerFacts, String> {
        match named {
            Some(address) => self
                .facts
                .users
                .get(&address.to_lowercase())
                .ok_or_else(|| format!("{address} is none of our [[user]] addresses")),
            None => self.facts.owner.as_ref().ok_or_else(|| {
                "nobody of ours looks after this: set `owner` of the mailbox or of the account"
                    .to_owned()
            }),
        }
    }
}

/// Longest reason or `once` text kept, in characters.
const REASON_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests;
