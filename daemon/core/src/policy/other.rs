//! Judging holds, cases, tasks, timers and tags.

use super::{Desk, MailPlan, Plan, Resolved, VerdictResult};
use crate::crm::FieldChange;
use crate::effect::{
    Audience, HoldEffect, HoldState, MailEffect, MailMode, RESENDS_MAX, RecordMode,
};
use crate::ids::{
    CalendarId, CaseId, EffectId, HoldGroupId, TaskId, derive, effect_id, hold_uid,
    outgoing_message_id,
};
use crate::mail::address::clean_text;
use crate::message::{SUBJECT_CHARS_MAX, TAGS_MAX, cut_text};
use crate::outbox::MailState;
use crate::proposal::{
    Content, CreateCase, CreateTask, HoldProposal, Notify, SetTimer, TagMessage, UpdateCase, Value,
};
use crate::records::{
    BODY_CHARS_MAX, CHECKLIST_MAX, CaseRecord, PAYLOAD_BYTES_MAX, TITLE_CHARS_MAX, TaskRecord,
    TimerRecord, timer_id,
};
use crate::time::{DAY_MS, HOUR_MS, Timestamp};
use crate::zones;

/// Longest hold, so that a mistake cannot block a calendar.
const HOLD_LENGTH_MAX_MS: i64 = 12 * HOUR_MS;
/// Farthest hold or timer.
const HORIZON_MS: i64 = 400 * DAY_MS;
/// Soonest firing of a timer: one that is set again each time it fires must not keep everybody busy.
const TIMER_LEAD_MS: i64 = 1_000;
/// Longest tag, in characters.
const TAG_CHARS_MAX: usize = 40;

/// What a plugin wants of a case and a person has to say yes to.
struct Waiting {
    changes: Vec<FieldChange>,
    /// Nothing of the change is left without it.
    is_all: bool,
}

/// Puts a plugin's values into a case, but for those in fields that a person set.
fn take(case: &mut CaseRecord, change: UpdateCase) -> Waiting {
    let mut waiting = Vec::new();
    let before = (case.fields.clone(), case.state.clone());
    for (field, new) in change.set {
        let old = case.fields.get(&field).cloned().unwrap_or(Value::Null);
        match case.by_person.contains(&field) && old != new {
            true => waiting.push(FieldChange { field, old, new }),
            false => {
                case.fields.insert(field, new);
            }
        }
    }
    if let Some(state) = change.state {
        let is_theirs = case.by_person.iter().any(|field| field == "state");
        match is_theirs && state != case.state {
            true => waiting.push(FieldChange {
                field: "state".to_owned(),
                old: Value::Text(case.state.clone()),
                new: Value::Text(state),
            }),
            false => case.state = state,
        }
    }
    let is_same = before == (case.fields.clone(), case.state.clone());
    Waiting {
        is_all: !waiting.is_empty() && is_same,
        changes: waiting,
    }
}

fn applies(mode: RecordMode, what: &str) -> Result<bool, String> {
    match mode {
        RecordMode::Off => Err(format!("{what} of this plugin are off (mode.{what})")),
        RecordMode::Rehearse => Ok(false),
        RecordMode::Apply => Ok(true),
    }
}

impl Desk<'_> {
    pub(super) fn judge_hold(
        &mut self,
        item: &Resolved,
        hold: HoldProposal,
        reasons: &mut Vec<String>,
    ) -> Result<VerdictResult, String> {
        let apply = applies(self.rules.modes.holds, "holds")?;
        let now = self.facts.now;
        if hold.when.start <= now || hold.when.millis() == 0 {
            return Err("the time to hold is past or empty".to_owned());
        }
        if hold.when.millis() > HOLD_LENGTH_MAX_MS || hold.when.start.since(now) > HORIZON_MS {
            return Err("the time to hold is longer than 12 hours or over 400 days ahead".into());
        }
        let because_of = self.facts.trigger.or(self.facts.origin);
        if let Some(message) = because_of
            && (!message.is_human() || message.historical)
        {
            return Err(format!(
                "no holds because of a message of class {}",
                message.class
            ));
        }
        let owner = self.owner(hold.owner.as_deref())?.clone();
        let calendar = owner.calendar.clone().ok_or_else(|| {
            format!(
                "{} has no calendar for holds: add a [[calendar]]",
                owner.user.email
            )
        })?;
        let zone = hold.zone.unwrap_or_else(|| owner.user.zone.clone());
        if zones::zone(&zone).is_none() {
            return Err(format!("`{zone}` is no IANA zone"));
        }
        self.check_room_for_a_hold(&calendar, owner.holds_open)?;
        let expires = self.hold_expiry(hold.expires, hold.when.start);
        if expires <= now {
            return Err("the hold would expire before it is placed".to_owned());
        }
        if !apply {
            self.holds
                .insert(item.proposal.label.clone(), item.id.clone());
            self.rehearsed.insert(item.proposal.label.clone());
            return Ok(VerdictResult::Rehearsed);
        }
        reasons.push(format!("held until {expires}"));
        let effect = HoldEffect {
            id: item.id.clone(),
            cause: self.cause_of(&item.proposal),
            calendar,
            uid: hold_uid(&item.id, &self.rules.firm.sending_domain),
            group: self.group(&hold.group),
            group_name: cut_text(&clean_text(&hold.group), TAG_CHARS_MAX),
            title: cut_text(&clean_text(&hold.title), TITLE_CHARS_MAX),
            note: cut_text(&hold.note, BODY_CHARS_MAX),
            when: hold.when,
            zone,
            expires,
            href: None,
            etag: None,
            state: HoldState::Planned,
            since: now,
            attempts: 0,
            not_before: now,
            last_trouble: None,
            created: now,
            generation: 1,
        };
        self.holds
            .insert(item.proposal.label.clone(), item.id.clone());
        self.decision.plans.push(Plan::Hold(Box::new(effect)));
        Ok(VerdictResult::Effect(item.id.clone()))
    }

    /// Refuses a hold too many; those that this answer gives up still count, since they are in the
    /// calendar until the worker removed them.
    fn check_room_for_a_hold(&self, calendar: &CalendarId, in_calendar: u32) -> Result<(), String> {
        let limits = self.rules.limits;
        let of_this_answer = |which: &dyn Fn(&HoldEffect) -> bool| {
            let plans = self.decision.plans.iter();
            let holds = plans.filter(|plan| matches!(plan, Plan::Hold(planned) if which(planned)));
            u32::try_from(holds.count()).unwrap_or(u32::MAX)
        };
        let open = &self.facts.holds_open;
        let whom = match &self.facts.cause.subject.account {
            Some(account) => format!("the account {account}"),
            None => "this counterpart".to_owned(),
        };
        let (here, all) = (
            of_this_answer(&|planned| planned.calendar == *calendar),
            of_this_answer(&|_| true),
        );
        for (name, place, limit, before, now) in [
            (
                "holds_open",
                format!("in {calendar}"),
                limits.holds_open,
                in_calendar,
                here,
            ),
            (
                "holds_open_account",
                format!("for {whom}"),
                limits.holds_open_account,
                open.account,
                all,
            ),
            (
                "holds_open_total",
                "in all calendars".to_owned(),
                limits.holds_open_total,
                open.total,
                all,
            ),
        ] {
            if before.saturating_add(now) >= limit {
                return Err(format!(
                    "{limit} holds are open {place} already (limits.{name})"
                ));
            }
        }
        Ok(())
    }

    /// The operator's default, never later than the plugin's wish or the slot's own lead.
    fn hold_expiry(&self, wished: Option<Timestamp>, start: Timestamp) -> Timestamp {
        let limits = self.rules.limits;
        let stands = i64::from(limits.hold_hours).saturating_mul(HOUR_MS);
        let lead = i64::from(limits.hold_before_slot_hours).saturating_mul(HOUR_MS);
        let default = self
            .facts
            .now
            .plus_millis(stands)
            .min(start.minus_millis(lead));
        wished.map_or(default, |wished| wished.min(default))
    }

    /// Holds of one group in one thread are alternatives; without a thread, of one cause. Whoever
    /// only wrote into somebody else's thread has groups of their own there, and so neither offers
    /// nor releases the times of those whose thread it is.
    fn group(&self, name: &str) -> HoldGroupId {
        let cause = &self.facts.cause;
        let about = cause
            .subject
            .thread
            .as_ref()
            .map_or(cause.cause.as_str(), |t| t.as_str());
        let mut parts = vec![cause.plugin.0.as_bytes(), about.as_bytes(), name.as_bytes()];
        parts.extend(self.facts.outsider.as_ref().map(|who| who.as_bytes()));
        HoldGroupId(derive("liaison hold group 1", &parts))
    }

    pub(super) fn judge_release(
        &mut self,
        item: &Resolved,
        group: &str,
    ) -> Result<VerdictResult, String> {
        self.gives_up_nothing("hold")?;
        if !applies(self.rules.modes.holds, "holds")? {
            return Ok(VerdictResult::Rehearsed);
        }
        let group = self.group(group);
        let why = item.proposal.reason.clone();
        self.decision
            .plans
            .push(Plan::ReleaseHolds(group.clone(), why));
        Ok(VerdictResult::Applied(group.0))
    }

    pub(super) fn judge_new_case(
        &mut self,
        item: &Resolved,
        case: CreateCase,
    ) -> Result<VerdictResult, String> {
        let apply = applies(self.rules.modes.records, "records")?;
        let kind = self
            .rules
            .manifest
            .case(&case.kind)
            .ok_or_else(|| format!("the manifest declares no case kind `{}`", case.kind))?;
        let state = case.state.unwrap_or_else(|| kind.first_state().to_owned());
        let problems = kind.check(&case.fields, Some(&state), None);
        if let Some(problem) = problems.first() {
            return Err(format!("the case is not valid: {problem}"));
        }
        if !apply {
            return Ok(VerdictResult::Rehearsed);
        }
        let cause = &self.facts.cause;
        let id = CaseId(format!("{}-{}", case.kind, short(&item.id.0)));
        let now = self.facts.now;
        let record = CaseRecord {
            id: id.clone(),
            plugin: cause.plugin.clone(),
            kind: case.kind,
            title: cut_text(&clean_text(&case.title), TITLE_CHARS_MAX),
            steps: vec![(
                now,
                state.clone(),
                cut_text(&item.proposal.reason, TITLE_CHARS_MAX),
            )],
            state,
            fields: case.fields,
            account: cause.subject.account.clone(),
            subject: cause.subject.clone(),
            revision: 1,
            created: now,
            updated: now,
            by_person: Vec::new(),
            indexed: Vec::new(),
        };
        self.decision.plans.push(Plan::NewCase(Box::new(record)));
        Ok(VerdictResult::Applied(id.0))
    }

    pub(super) fn judge_case_change(
        &mut self,
        item: &Resolved,
        change: UpdateCase,
        reasons: &mut Vec<String>,
    ) -> Result<VerdictResult, String> {
        let apply = applies(self.rules.modes.records, "records")?;
        let record = self.facts.cases.get(change.id.as_str());
        let record = record.ok_or_else(|| format!("there is no case {}", change.id))?;
        if record.plugin != self.facts.cause.plugin {
            return Err(format!(
                "{} belongs to the plugin {}",
                change.id, record.plugin
            ));
        }
        if change
            .if_revision
            .is_some_and(|expected| expected != record.revision)
        {
            return Err(format!("{} was changed meanwhile", change.id));
        }
        let kind = self.rules.manifest.case(&record.kind).ok_or_else(|| {
            format!(
                "the manifest no longer declares the case kind `{}`",
                record.kind
            )
        })?;
        // Several changes in one answer build on one another.
        let mut next = self.cases.get(change.id.as_str()).unwrap_or(record).clone();
        let mut wanted = next.fields.clone();
        wanted.extend(change.set.clone());
        let state = change.state.clone().unwrap_or_else(|| next.state.clone());
        let problems = kind.check(&wanted, Some(&state), Some(&next.state));
        if let Some(problem) = problems.first() {
            return Err(format!("the change is not valid: {problem}"));
        }
        if !apply {
            return Ok(VerdictResult::Rehearsed);
        }
        let waiting = take(&mut next, change);
        let id = next.id.0.clone();
        for change in &waiting.changes {
            reasons.push(format!(
                "a person set `{}`: only they let the new value in, once: `liaison proposals list`",
                change.field
            ));
        }
        let why = cut_text(&item.proposal.reason, TITLE_CHARS_MAX);
        if !waiting.changes.is_empty() {
            let (case, changes) = (Box::new(next.clone()), waiting.changes);
            let why = why.clone();
            let plan = Plan::ProposedCase { case, changes, why };
            self.decision.plans.push(plan);
        }
        if waiting.is_all {
            return Ok(VerdictResult::Applied(id));
        }
        next.revision = record.revision.saturating_add(1);
        next.updated = self.facts.now;
        next.note_step(self.facts.now, &why);
        self.cases.insert(id.clone(), next.clone());
        self.decision
            .plans
            .push(Plan::ChangedCase(Box::new(next), record.revision));
        Ok(VerdictResult::Applied(id))
    }

    pub(super) fn judge_task(
        &mut self,
        item: &Resolved,
        task: CreateTask,
    ) -> Result<VerdictResult, String> {
        if !applies(self.rules.modes.tasks, "tasks")? {
            return Ok(VerdictResult::Rehearsed);
        }
        let owner = match task.owner.as_deref() {
            Some(named) => Some(self.owner(Some(named))?.user.email.clone()),
            None => self
                .facts
                .owner
                .as_ref()
                .map(|owner| owner.user.email.clone()),
        };
        let (points, chars) = CHECKLIST_MAX;
        let cause = self.cause_of(&item.proposal);
        let record = TaskRecord {
            title: cut_text(&clean_text(&task.title), TITLE_CHARS_MAX),
            body: cut_text(&task.body, BODY_CHARS_MAX),
            checklist: task
                .checklist
                .iter()
                .take(points)
                .map(|point| cut_text(&clean_text(point), chars))
                .collect(),
            due: task.due,
            owner,
            ..TaskRecord::new(task_id(&item.id), cause, self.facts.now)
        };
        let id = record.id.0.clone();
        self.decision.plans.push(Plan::Task(Box::new(record)));
        Ok(VerdictResult::Applied(id))
    }

    pub(super) fn judge_notify(
        &mut self,
        item: &Resolved,
        notify: &Notify,
        reasons: &mut Vec<String>,
    ) -> Result<VerdictResult, String> {
        if !applies(self.rules.modes.tasks, "tasks")? {
            return Ok(VerdictResult::Rehearsed);
        }
        let owner = match notify.to.as_deref() {
            Some(named) => Some(self.owner(Some(named))?.user.email.clone()),
            None => self
                .facts
                .owner
                .as_ref()
                .map(|owner| owner.user.email.clone()),
        };
        let first_line = notify.text.lines().next().unwrap_or_default();
        let cause = self.cause_of(&item.proposal);
        let record = TaskRecord {
            notification: true,
            urgent: notify.urgent,
            title: cut_text(&clean_text(first_line), TITLE_CHARS_MAX),
            body: cut_text(&notify.text, BODY_CHARS_MAX),
            owner: owner.clone(),
            ..TaskRecord::new(task_id(&item.id), cause, self.facts.now)
        };
        let id = record.id.0.clone();
        let title = record.title.clone();
        self.decision.plans.push(Plan::Task(Box::new(record)));
        if let Some(owner) = owner {
            self.staff_mail(item, &owner, (&title, &notify.text), reasons);
        }
        Ok(VerdictResult::Applied(id))
    }

    fn staff_mail(
        &mut self,
        item: &Resolved,
        owner: &str,
        (title, text): (&str, &str),
        reasons: &mut Vec<String>,
    ) {
        let Some(route) = self.facts.staff_route.clone() else {
            return;
        };
        let cause = self.cause_of(&item.proposal);
        let id = effect_id(
            &cause.plugin,
            &cause.cause,
            &format!("staff {}", cause.label),
            owner,
        );
        if self.facts.seen.contains_key(&id) {
            return;
        }
        let max = self.rules.limits.staff_mails_per_hour;
        let count = self.staff_mails_of(owner);
        if count >= max {
            reasons.push(format!(
                "no staff mail: {owner} got {count} within the hour \
                 (limits.staff_mails_per_hour); it is in `liaison tasks list` only"
            ));
            return;
        }
        let here = self.staff_mails.entry(owner.to_owned()).or_default();
        *here = here.saturating_add(1);
        let mut text = text.to_owned();
        if count.saturating_add(1) == max {
            text.push_str(&last_of_the_hour(max));
        }
        reasons.push(format!("staff mail to {owner}"));
        let now = self.facts.now;
        let effect = MailEffect {
            message_id: outgoing_message_id(&id, &self.rules.firm.sending_domain),
            id,
            cause,
            audience: Audience::Staff,
            mode: MailMode::Send,
            transport: route.transport,
            from: route.from,
            recipient: owner.to_owned(),
            subject_line: cut_text(&format!("[Liaison] {title}"), SUBJECT_CHARS_MAX),
            content: String::new(),
            answers: None,
            cancel_on_reply: false,
            requires: Vec::new(),
            exempt_from_cap: true,
            state: MailState::Scheduled,
            since: now,
            not_before: now,
            attempts: 0,
            looks: 0,
            last_reply: None,
            created: now,
            known_as: Vec::new(),
            resends_left: RESENDS_MAX,
            missing_since: None,
        };
        self.decision.plans.push(Plan::Mail(Box::new(MailPlan {
            effect,
            recipient_name: None,
            content: Content::Text(text),
            attach: Vec::new(),
            answers: None,
            is_reply: false,
        })));
    }

    /// Notifications by mail to one of our people within the hour, those of this answer included.
    fn staff_mails_of(&self, owner: &str) -> u32 {
        let since = self.facts.now.minus_millis(HOUR_MS);
        let before = self.facts.staff_mails.get(owner).into_iter().flatten();
        let before = before.filter(|at| **at > since).count();
        let here = self.staff_mails.get(owner).copied().unwrap_or_default();
        u32::try_from(before)
            .unwrap_or(u32::MAX)
            .saturating_add(here)
    }

    pub(super) fn judge_timer(
        &mut self,
        item: &Resolved,
        timer: SetTimer,
    ) -> Result<VerdictResult, String> {
        if timer.payload.len() > PAYLOAD_BYTES_MAX || timer.name.len() > PAYLOAD_BYTES_MAX / 4 {
            return Err(format!(
                "the timer's payload is over {PAYLOAD_BYTES_MAX} bytes"
            ));
        }
        if timer.due.since(self.facts.now) > HORIZON_MS {
            return Err("the timer is over 400 days ahead".to_owned());
        }
        let cause = &self.facts.cause;
        let id = timer_id(&cause.plugin, &timer.name);
        let record = TimerRecord {
            id: id.clone(),
            plugin: cause.plugin.clone(),
            name: timer.name,
            due: timer.due.max(self.facts.now.plus_millis(TIMER_LEAD_MS)),
            generation: 0,
            payload: timer.payload,
            subject: cause.subject.clone(),
            reason: cut_text(&item.proposal.reason, TITLE_CHARS_MAX),
            set_at: self.facts.now,
        };
        self.decision.plans.push(Plan::SetTimer(Box::new(record)));
        Ok(VerdictResult::Applied(id.0))
    }

    pub(super) fn judge_timer_cancel(&mut self, name: &str) -> Result<VerdictResult, String> {
        self.gives_up_nothing("timer")?;
        let id = timer_id(&self.facts.cause.plugin, name);
        self.decision.plans.push(Plan::CancelTimer(id.clone()));
        Ok(VerdictResult::Applied(id.0))
    }

    /// Because of somebody who may not be who they say, nothing that waits is given up.
    fn gives_up_nothing(&self, what: &str) -> Result<(), String> {
        match self.warning(None) {
            Some(why) => Err(format!(
                "no {what} is given up because of a doubtful sender: {why}"
            )),
            None => Ok(()),
        }
    }

    pub(super) fn judge_tag(&mut self, mut tag: TagMessage) -> Result<VerdictResult, String> {
        let apply = applies(self.rules.modes.records, "records")?;
        for name in tag.add.iter_mut().chain(&mut tag.remove) {
            let clean = clean_text(name);
            if clean.is_empty() || clean.chars().count() > TAG_CHARS_MAX {
                return Err(format!(
                    "`{clean}` is no tag: 1 to {TAG_CHARS_MAX} characters"
                ));
            }
            *name = clean;
        }
        if tag.add.len() > TAGS_MAX {
            return Err(format!("more than {TAGS_MAX} tags"));
        }
        if !apply {
            return Ok(VerdictResult::Rehearsed);
        }
        let words = tag.add.join(", ");
        self.decision.plans.push(Plan::Tag(tag));
        Ok(VerdictResult::Applied(words))
    }
}

/// What the last mail of an hour says, so that silence afterwards is not taken for peace.
fn last_of_the_hour(max: u32) -> String {
    format!(
        "\n\nThis is the last of {max} notifications by mail within an hour. More of them are in \
         `liaison tasks list` only."
    )
}

/// The task that stands for an effect.
pub(super) fn task_id(effect: &EffectId) -> TaskId {
    TaskId(format!("task-{}", short(&effect.0)))
}

fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}
