//! Writing a decision: everything of one call in one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use liaison_core::crm::Source;
use liaison_core::effect::Cause;
use liaison_core::happening::Subject;
use liaison_core::ids::{CaseId, HoldGroupId, MessageKey, PluginName, TaskId, TimerId, derive};
use liaison_core::message::{MessageRecord, TAGS_MAX, cut_text};
use liaison_core::policy::{Decision, MailPlan, Plan};
use liaison_core::proposal::TagMessage;
use liaison_core::records::{CaseRecord, TaskRecord, TimerRecord};
use liaison_core::time::Timestamp;

use super::call::{Called, Strike};
use super::facts::Told;
use super::mailbox::stage_change;
use super::{ActivePlugin, Pipeline};
use crate::books::rows::{
    AuditRow, CallEnd, EventRow, PluginResultRow, PluginStateRow, TimelineRow, WaitRow,
};
use crate::books::{BooksError, keys, replace};
use crate::cases::{differences, stage_proposals, told};
use crate::compose::compose;
use crate::outbox::ledger::stage_ledgers;
use crate::outbox::{stage_audit, stage_give_up, stage_new_holds, stage_new_mail};
use crate::plugin::KvScope;
use crate::records::RecordBy;
use crate::store::{Batch, VALUE_BYTES_MAX, codec};

impl Pipeline {
    /// Renders the mails of a decision; one that cannot be rendered is refused with the reason, and
    /// the times that only it would offer are not held.
    pub(super) async fn rendered(
        &self,
        plugin: &ActivePlugin,
        mut decision: Decision,
        now: Timestamp,
    ) -> Decision {
        let mut refused = Vec::new();
        for plan in &mut decision.plans {
            let Plan::Mail(mail) = plan else {
                continue;
            };
            match self.render(plugin, mail, now).await {
                Ok(content) => mail.effect.content = content,
                Err(why) => refused.push((mail.effect.id.clone(), why)),
            }
        }
        for (id, why) in refused {
            decision.refuse_mail(&id, &why);
        }
        decision
    }

    async fn render(
        &self,
        plugin: &ActivePlugin,
        mail: &MailPlan,
        now: Timestamp,
    ) -> Result<String, String> {
        let bytes = compose(mail, &self.books, &self.office, &plugin.templates, now)
            .await
            .map_err(|error| crate::books::chain(&error))?;
        self.books
            .keep(bytes)
            .await
            .map_err(|error| crate::books::chain(&error))
    }

    /// Commits what a call came to.
    pub(super) async fn commit_call(
        &self,
        event: &EventRow,
        told: &Told,
        called: Called,
        retried: Option<&WaitRow>,
    ) -> Result<(), BooksError> {
        let now = self.clock.now();
        let plugin_name = called.row.plugin.clone();
        let mut writes = self.books.batch();
        let mut row = called.row;
        row.verdicts = called.decision.verdicts;
        self.stage_plans(&mut writes, called.decision.plans, (event, told), now)
            .await?;
        for write in called.kv_writes {
            let scope = match write.scope {
                KvScope::Account => told.subject.account.as_ref().map_or("", |id| id.as_str()),
                KvScope::Plugin => "",
            };
            let key = keys::plugin_kv(&plugin_name, scope, &write.key);
            match write.value {
                Some(value) => writes.put(key, value),
                None => writes.del(key),
            };
        }
        if let Some(wait) = retried {
            writes.del(keys::wait(wait.due, wait.seq, &wait.plugin));
        }
        if let Some(wait) = &called.wait {
            let key = keys::wait(wait.due, wait.seq, &wait.plugin);
            writes.dels.retain(|del| *del != key);
            writes.put_record(key, wait)?;
        }
        self.stage_standing(&mut writes, &plugin_name, &called.strike, now)
            .await?;
        let parked = keys::parked(event.seq, &plugin_name);
        match &row.end {
            CallEnd::Parked(_) => writes.put(parked, Vec::new()),
            _ => writes.del(parked),
        };
        let key = keys::plugin_result(event.seq, &plugin_name);
        let before = self.books.get::<PluginResultRow>(key.clone()).await?;
        replace(
            &mut writes,
            key,
            before.map(|row| row.version),
            &fitted(row),
        )?;
        writes.check().map_err(BooksError::Commit)?;
        self.books.commit(writes).await
    }

    /// Stages first results from which nothing follows.
    pub(super) fn stage_idle(
        writes: &mut Batch,
        seq: u64,
        rows: &[PluginResultRow],
    ) -> Result<(), BooksError> {
        for row in rows {
            let key = keys::plugin_result(seq, &row.plugin);
            replace(writes, key, None, &fitted(row.clone()))?;
        }
        Ok(())
    }

    /// Stages all plans.
    async fn stage_plans(
        &self,
        writes: &mut Batch,
        plans: Vec<Plan>,
        (event, told): (&EventRow, &Told),
        now: Timestamp,
    ) -> Result<(), BooksError> {
        let mut releases = BTreeMap::new();
        let mut holds = Vec::new();
        let mut timers: BTreeMap<TimerId, Option<TimerRecord>> = BTreeMap::new();
        let mut tags: BTreeMap<MessageKey, Vec<TagMessage>> = BTreeMap::new();
        let mut cases: BTreeMap<CaseId, (CaseRecord, bool)> = BTreeMap::new();
        let mut tasks: BTreeMap<TaskId, TaskRecord> = BTreeMap::new();
        let mut proposed = Vec::new();
        for plan in plans {
            match plan {
                Plan::Mail(mail) => self.stage_mail_plan(writes, &mail, now).await?,
                Plan::Hold(hold) => {
                    let row = decided(now, &hold.cause, "planned");
                    stage_audit(writes, hold.id.as_str(), now, row)?;
                    holds.push(*hold);
                }
                Plan::Mailbox(effect) => stage_change(writes, &effect, now)?,
                Plan::ReleaseHolds(group, why) => {
                    releases.insert(group, why);
                }
                Plan::NewCase(case) => {
                    cases.insert(case.id.clone(), (*case, true));
                }
                Plan::ChangedCase(case, _) => {
                    let new = cases.get(&case.id).is_some_and(|(_, new)| *new);
                    cases.insert(case.id.clone(), (*case, new));
                }
                Plan::ProposedCase { case, changes, why } => {
                    proposed.push((*case, changes, why));
                }
                Plan::Task(task) => {
                    tasks.insert(task.id.clone(), *task);
                }
                Plan::SetTimer(mut timer) => {
                    // Unique per setting: the place of the event in the log.
                    timer.generation = event.seq.saturating_add(1);
                    timers.insert(timer.id.clone(), Some(*timer));
                }
                Plan::CancelTimer(id) => {
                    timers.insert(id, None);
                }
                Plan::Tag(tag) => tags.entry(tag.message.clone()).or_default().push(tag),
            }
        }
        for (id, timer) in timers {
            self.stage_timer(writes, &id, (timer, told)).await?;
        }
        for (message, tags) in tags {
            self.stage_tags(writes, &message, tags).await?;
        }
        for (case, new) in cases.into_values() {
            self.stage_case(writes, case, new).await?;
        }
        for (case, changes, why) in proposed {
            let by = RecordBy {
                who: self.who(&case.plugin),
                why,
                source: Source::Plugin,
                force: false,
                now,
            };
            stage_proposals(&self.books, writes, (&case, &changes), &by).await?;
        }
        for (id, task) in tasks {
            let task = fitted_task(task);
            replace(writes, keys::task(&id), None, &task)?;
            timeline(
                writes,
                task.cause.subject.account.as_ref(),
                now,
                "task",
                &task.title,
                &id.0,
            )?;
        }
        for (group, why) in &releases {
            self.stage_release(writes, group, why, now).await?;
        }
        let instead = |group: &HoldGroupId| releases.contains_key(group);
        stage_new_holds(&self.books, writes, holds, instead, now).await?;
        Ok(())
    }

    async fn stage_mail_plan(
        &self,
        writes: &mut Batch,
        plan: &MailPlan,
        now: Timestamp,
    ) -> Result<(), BooksError> {
        let mail = &plan.effect;
        stage_new_mail(writes, mail)?;
        let row = decided(now, &mail.cause, mail.state.as_str());
        stage_audit(writes, mail.id.as_str(), now, row)?;
        // A mail that may only go out later counts from then on.
        let at = mail.not_before.max(now);
        let free_mail = &self.office.free_mail;
        stage_ledgers(&self.books, writes, mail, (at, free_mail)).await
    }

    async fn stage_timer(
        &self,
        writes: &mut Batch,
        id: &TimerId,
        (mut timer, told): (Option<TimerRecord>, &Told),
    ) -> Result<(), BooksError> {
        let key = keys::timer(id);
        let before = self.books.get::<TimerRecord>(key.clone()).await?;
        // A machine or an outsider may move a timer (an absence does); it stems from what it stemmed
        // from all the same, and what follows is decided by that.
        if let (Some(timer), Some(before)) = (&mut timer, &before)
            && told.only_moves()
        {
            timer.subject = before.record.subject.clone();
        }
        let version = before.as_ref().map(|row| row.version);
        let old_due = before.map(|row| keys::timer_due(row.record.due, id));
        let new_due = timer.as_ref().map(|timer| keys::timer_due(timer.due, id));
        if let Some(old) = old_due.filter(|old| Some(old) != new_due.as_ref()) {
            writes.del(old);
        }
        if let Some(new) = new_due {
            writes.put(new, Vec::new());
        }
        match timer {
            Some(timer) => replace(writes, key, version, &timer)?,
            None => {
                writes.del(key);
            }
        }
        Ok(())
    }

    async fn stage_tags(
        &self,
        writes: &mut Batch,
        key: &MessageKey,
        tags: Vec<TagMessage>,
    ) -> Result<(), BooksError> {
        let Some(message) = self.books.get::<MessageRecord>(keys::message(key)).await? else {
            return Ok(());
        };
        let mut record = message.record;
        for tag in tags {
            record.tags.retain(|have| !tag.remove.contains(have));
            for name in tag.add {
                if !record.tags.contains(&name) && record.tags.len() < TAGS_MAX {
                    record.tags.push(name);
                }
            }
        }
        replace(writes, keys::message(key), Some(message.version), &record)
    }

    /// A plugin with its version, as an audit names it.
    fn who(&self, name: &PluginName) -> String {
        let plugin = self.plugins.iter().find(|plugin| plugin.name() == *name);
        match plugin {
            Some(plugin) => format!("{name} {}", plugin.plugin.manifest().plugin.version),
            None => name.0.clone(),
        }
    }

    async fn stage_case(
        &self,
        writes: &mut Batch,
        case: CaseRecord,
        new: bool,
    ) -> Result<(), BooksError> {
        let seen = match new {
            true => None,
            false => self.books.get::<CaseRecord>(keys::case(&case.id)).await?,
        };
        let plugin = self.plugins.iter();
        let mut plugin = plugin.filter(|plugin| plugin.name() == case.plugin);
        let declared = plugin
            .find_map(|plugin| plugin.plugin.manifest().case(&case.kind))
            .map(liaison_core::manifest::CaseKind::indexes);
        let changed = differences(seen.as_ref().map(|seen| &seen.record), &case);
        let step = case.steps.last();
        let row = AuditRow {
            at: case.updated,
            who: self.who(&case.plugin),
            what: told(&case.kind, new, &changed),
            why: step.map_or(String::new(), |(_, _, why)| why.clone()),
        };
        let declared = declared.unwrap_or_default();
        let id = case.id.clone();
        crate::cases::stage(&self.books, writes, seen.as_ref(), (case, &declared)).await?;
        stage_audit(writes, id.as_str(), row.at, row)
    }

    /// Gives up the open holds of a group, in the same commit; the worker takes them out of the
    /// calendar and tells the mails that offer them.
    async fn stage_release(
        &self,
        writes: &mut Batch,
        group: &HoldGroupId,
        why: &str,
        now: Timestamp,
    ) -> Result<(), BooksError> {
        for hold in self.books.holds_of_group(group).await? {
            if hold.record.state.is_open() {
                let author = (hold.record.cause.plugin.as_str(), why);
                stage_give_up(&self.books, writes, &hold, author, now).await?;
            }
        }
        Ok(())
    }

    async fn stage_standing(
        &self,
        writes: &mut Batch,
        name: &liaison_core::ids::PluginName,
        strike: &Strike,
        now: Timestamp,
    ) -> Result<(), BooksError> {
        let Some(plugin) = self.plugins.iter().find(|plugin| plugin.name() == *name) else {
            return Ok(());
        };
        let key = keys::plugin_state(name);
        let before = self.books.get::<PluginStateRow>(key.clone()).await?;
        let version = before.as_ref().map(|row| row.version);
        let old = before.map(|row| row.record).unwrap_or_default();
        let Some(state) = Pipeline::standing(plugin, old, strike, now) else {
            return Ok(());
        };
        if let Some((_, why)) = &state.suspended {
            tracing::error!(plugin = %name, %why, "plugin suspended");
            let task = suspended_task(plugin, why, now);
            let known = self.books.task(&task.id).await?.is_some();
            if !known {
                replace(writes, keys::task(&task.id), None, &task)?;
            }
        }
        replace(writes, key, version, &state)
    }
}

pub(super) fn decided(now: Timestamp, cause: &Cause, state: &str) -> AuditRow {
    AuditRow {
        at: now,
        who: format!("{} {}", cause.plugin, cause.plugin_version),
        what: format!("decided: {state}"),
        why: cut_text(&cause.reason, 400),
    }
}

fn timeline(
    writes: &mut Batch,
    account: Option<&liaison_core::ids::AccountId>,
    at: Timestamp,
    kind: &str,
    text: &str,
    id: &str,
) -> Result<(), BooksError> {
    let Some(account) = account else {
        return Ok(());
    };
    let row = TimelineRow {
        at,
        kind: kind.to_owned(),
        text: cut_text(text, 300),
        id: id.to_owned(),
    };
    writes.put_record(keys::timeline(account, at, id), &row)?;
    Ok(())
}

/// The operator is told once per plugin and digest.
fn suspended_task(plugin: &Arc<ActivePlugin>, why: &str, now: Timestamp) -> TaskRecord {
    let name = plugin.name();
    let digest = plugin.plugin.digest();
    let id = derive(
        "liaison suspended 1",
        &[name.as_str().as_bytes(), digest.as_bytes()],
    );
    let cause = Cause {
        plugin: name.clone(),
        plugin_version: plugin.plugin.manifest().plugin.version.clone(),
        plugin_digest: String::new(),
        label: "suspended".to_owned(),
        event_seq: 0,
        cause: id.clone(),
        subject: Subject::default(),
        reason: cut_text(why, 300),
        rule: None,
    };
    let id = TaskId(format!("task-{}", id.get(..16).unwrap_or(&id)));
    TaskRecord {
        urgent: true,
        title: format!("The plugin {name} is suspended"),
        body: format!(
            "{why}\nIts events are kept as parked; other plugins go on.\n\
             See `liaison plugin parked`; when it is mended, `liaison plugin resume {name}` and \
             `liaison plugin unpark {name}`."
        ),
        ..TaskRecord::new(id, cause, now)
    }
}

/// A task that the store takes.
fn fitted_task(mut task: TaskRecord) -> TaskRecord {
    for (body, point) in [(1_000, 60), (500, 30), (200, 15)] {
        if fits(&task) {
            break;
        }
        task.body = cut_text(&task.body, body);
        for text in &mut task.checklist {
            *text = cut_text(text, point);
        }
    }
    task
}

/// A result that the store takes: reasons are cut first, then verdicts are left out and counted.
fn fitted(mut row: PluginResultRow) -> PluginResultRow {
    for chars in [400, 160, 80] {
        for reason in row
            .verdicts
            .iter_mut()
            .flat_map(|verdict| &mut verdict.reasons)
        {
            *reason = cut_text(reason, chars);
        }
        if fits(&row) {
            return row;
        }
    }
    row.log.clear();
    while !fits(&row) && row.verdicts.pop().is_some() {
        row.verdicts_cut = row.verdicts_cut.saturating_add(1);
    }
    row
}

fn fits<T: codec::Record>(row: &T) -> bool {
    codec::encode(row).is_ok_and(|bytes| bytes.len() <= VALUE_BYTES_MAX)
}
