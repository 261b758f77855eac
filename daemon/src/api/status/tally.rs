//! What `status` counts, and what of it needs a person.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use liaison_core::effect::{HoldEffect, MailEffect};
use liaison_core::ids::PluginName;
use liaison_core::mailbox::{MailboxEffect, MailboxState};
use liaison_core::outbox::MailState;
use liaison_core::outbox::approval::Nudge;
use liaison_core::records::TaskRecord;
use liaison_core::time::{DAY_MS, Timestamp};
use serde_json::{Value, json};

use super::super::{ApiContext, ApiError, outbox};
use super::item;
use crate::books::rows::{AuditRow, CallEnd, CounterRow, PluginResultRow, UnreadRow, WaitRow};
use crate::books::{BooksError, keys};
use crate::ingest::{EVENT_NEXT, RECORDED_ONLY};
use crate::pipeline::POSITION;
use crate::store::{Dir, Ns, Range};

/// Most items of one kind that are named; the others are counted.
const ATTENTION_MAX: usize = 100;
/// How long it is told that a server gave its messages new UIDs.
const RENUMBERED_SHOWN_MS: i64 = 7 * DAY_MS;

/// Of the time that passes, one part in so many may go into counting.
const COUNTING_SHARE: u32 = 20;
/// Counting that takes less is done each time.
const COUNTING_SHORT: Duration = Duration::from_millis(20);

/// What was counted last, for who asks again and again while there is much to count.
#[derive(Debug, Default)]
pub struct Tallies(tokio::sync::Mutex<Option<Held>>);

#[derive(Debug)]
struct Held {
    at: Duration,
    took: Duration,
    tally: Tally,
}

impl Tallies {
    /// The counts, a little old where counting takes long.
    pub(super) async fn read(&self, context: &ApiContext) -> Result<Tally, ApiError> {
        let mut held = self.0.lock().await;
        let began = context.clock.monotonic();
        if let Some(held) = held.as_ref().filter(|held| held.took >= COUNTING_SHORT) {
            let good_for = held.took.saturating_mul(COUNTING_SHARE);
            if began.saturating_sub(held.at) < good_for {
                return Ok(held.tally.clone());
            }
        }
        let tally = Tally::read(context).await?;
        let at = context.clock.monotonic();
        *held = Some(Held {
            at,
            took: at.saturating_sub(began),
            tally: tally.clone(),
        });
        Ok(tally)
    }
}

/// Counts over the families that have no counter. All rows are gone through, and nothing of a
/// row is kept but its state.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub mails: BTreeMap<&'static str, u64>,
    pub mail_attention: Vec<Value>,
    pub holds: BTreeMap<&'static str, u64>,
    pub changes: BTreeMap<&'static str, u64>,
    pub change_attention: Vec<Value>,
    pub tasks_open: u64,
    pub tasks_urgent: u64,
    pub timers: u64,
    pub next_timer: Option<Timestamp>,
}

impl Tally {
    async fn read(context: &ApiContext) -> Result<Tally, ApiError> {
        let (books, mut tally) = (&context.books, Tally::default());
        let each = |mail: MailEffect| {
            count(&mut tally.mails, mail.state.as_str());
            if outbox::needs_person(&mail.state) {
                tally.mail_attention.push(mail_item(context, &mail));
            }
        };
        books.each(Range::all(Ns::Effect), each).await?;
        let each = |hold: HoldEffect| count(&mut tally.holds, hold.state.as_str());
        books.each(Range::all(Ns::Hold), each).await?;
        let told_since = context.now().plus_millis(-DAY_MS);
        let each = |effect: MailboxEffect| {
            count(&mut tally.changes, effect.state.as_str());
            if matches!(effect.state, MailboxState::Failed(_)) && effect.since >= told_since {
                tally.change_attention.push(change_item(&effect));
            }
        };
        books.each(Range::all(Ns::MailboxEffect), each).await?;
        let each = |task: TaskRecord| {
            let open = u64::from(task.is_open());
            tally.tasks_open += open;
            tally.tasks_urgent += open * u64::from(task.urgent);
        };
        books.each(Range::all(Ns::Task), each).await?;
        let each = |key: bytes::Bytes, _| {
            tally.timers += 1;
            let due = keys::due_timer(&key).map(|(due, _)| due);
            tally.next_timer = tally.next_timer.or(due);
            Ok(ControlFlow::Continue(()))
        };
        let timers = Range::all(Ns::TimerDue);
        books.each_row(timers, Dir::Forward, each).await?;
        Ok(tally)
    }
}

fn count(counts: &mut BTreeMap<&'static str, u64>, state: &'static str) {
    *counts.entry(state).or_default() += 1;
}

fn change_item(effect: &MailboxEffect) -> Value {
    let (id, why) = (&effect.id, effect.state.why().unwrap_or_default());
    let text = format!(
        "to {} of a message in {} failed since {}: {why}; do it by hand: `liaison why {id}` shows \
         the message",
        effect.change, effect.mailbox, effect.since
    );
    item("failed", id.as_str(), text)
}

fn mail_item(context: &ApiContext, mail: &MailEffect) -> Value {
    let id = &mail.id;
    let approval = &context.office.approval;
    let business = &context.office.firm.business;
    let remind = approval.time_of(Nudge::Remind, mail.since, business);
    let late = match remind.is_some_and(|at| at <= context.clock.now()) {
        true if mail.state == MailState::Held => {
            format!(", longer than {} without a decision", approval.remind_after)
        }
        _ => String::new(),
    };
    let ways = match &mail.state {
        MailState::Held => format!("`liaison outbox approve {id}` or `reject {id}`"),
        MailState::Uncertain => format!("`liaison outbox resolve {id} sent|not-sent`"),
        _ => format!("`liaison outbox retry {id}` or `resolve {id} not-sent`"),
    };
    let text = format!(
        "mail to {} ({}) is {} since {}{late}: {ways}",
        mail.recipient, mail.subject_line, mail.state, mail.since
    );
    item(mail.state.as_str(), mail.id.as_str(), text)
}

/// The event log by its counters, however long it is.
pub(super) struct Events {
    pub known: u64,
    pub open: u64,
    pub waiting: u64,
}

impl Events {
    pub(super) async fn read(context: &ApiContext) -> Result<Events, ApiError> {
        // The position first: an event on its way must not be counted as behind what is known.
        let position = counter(context, POSITION).await?;
        let next = counter(context, EVENT_NEXT).await?;
        let recorded = counter(context, RECORDED_ONLY).await?;
        let (mut waiting, mut behind) = (0, BTreeSet::new());
        let each = |wait: WaitRow| {
            waiting += 1;
            if wait.seq < position {
                behind.insert(wait.seq);
            }
        };
        context.books.each(Range::all(Ns::Wait), each).await?;
        let ahead = next.saturating_sub(position);
        Ok(Events {
            known: next.saturating_add(recorded),
            open: ahead.saturating_add(behind.len() as u64),
            waiting,
        })
    }
}

async fn counter(context: &ApiContext, name: &str) -> Result<u64, BooksError> {
    let row = context.books.get::<CounterRow>(keys::setting(name)).await?;
    Ok(row.map_or(0, |row| row.record.next))
}

/// Messages that could not be read yet, per folder; of several the one tried longest is named.
pub(super) async fn unread(context: &ApiContext) -> Result<Vec<Value>, ApiError> {
    let mut folders: BTreeMap<(String, String), (u64, UnreadRow)> = BTreeMap::new();
    let each = |row: UnreadRow| {
        let folder = (row.mailbox.0.clone(), row.folder.clone());
        let (count, first) = folders.entry(folder).or_insert_with(|| (0, row.clone()));
        *count += 1;
        if row.since < first.since {
            *first = row;
        }
    };
    context.books.each(Range::all(Ns::Unread), each).await?;
    let shown = folders.into_values().map(|(count, first)| {
        json!({
            "mailbox": first.mailbox,
            "folder": first.folder,
            "count": count,
            "since": first.since,
            "tries": first.tries,
            "next": first.due,
            "reason": first.reason,
        })
    });
    Ok(shown.collect())
}

/// The last time that each mailbox was renumbered, where that is not long ago.
pub(super) async fn renumbered(context: &ApiContext) -> Result<Vec<Value>, ApiError> {
    let mut told = Vec::new();
    for mailbox in context.office.mailboxes.keys() {
        let range = keys::audit_of(&keys::mailbox_subject(mailbox));
        let rows: Vec<AuditRow> = context.books.list(range, Dir::Reverse, 1).await?;
        let recent = |row: &AuditRow| context.now().since(row.at) < RENUMBERED_SHOWN_MS;
        told.extend(rows.into_iter().filter(recent).map(
            |row| json!({ "mailbox": mailbox, "at": row.at, "what": row.what, "why": row.why }),
        ));
    }
    Ok(told)
}

/// What needs a person.
#[derive(Default)]
pub(super) struct Attention(pub Vec<Value>);

impl Attention {
    /// Names the first items of a kind and counts the others.
    pub(super) fn extend(&mut self, kind: &str, items: impl IntoIterator<Item = Value>) {
        let mut items = items.into_iter();
        self.0.extend(items.by_ref().take(ATTENTION_MAX));
        self.and_more(kind, items.count());
    }

    fn and_more(&mut self, kind: &str, left: usize) {
        if left == 0 {
            return;
        }
        let rest = match kind {
            "mails" => "; see all with `liaison outbox list`",
            _ => "",
        };
        let text = format!("{left} more {kind} like these{rest}");
        self.0.push(item("more", kind, text));
    }
}

/// Events that were set aside, one line per plugin.
pub(super) async fn parked(
    context: &ApiContext,
    attention: &mut Attention,
) -> Result<(), ApiError> {
    let mut of_plugin: BTreeMap<PluginName, (u64, u64)> = BTreeMap::new();
    let each = |key: bytes::Bytes, _| {
        if let Some((seq, plugin)) = keys::parked_event(&key) {
            let (count, newest) = of_plugin.entry(plugin).or_default();
            *count += 1;
            *newest = seq;
        }
        Ok(ControlFlow::Continue(()))
    };
    let range = Range::all(Ns::Parked);
    context.books.each_row(range, Dir::Forward, each).await?;
    for (name, (count, newest)) in of_plugin {
        let key = keys::plugin_result(newest, &name);
        let result = context.books.get::<PluginResultRow>(key).await?;
        // The newest says most about what is wrong now.
        let why = match result.map(|row| row.record.end) {
            Some(CallEnd::Parked(why)) => why,
            _ => continue,
        };
        let event = context.books.event(&newest).await?;
        let event = event.map_or_else(|| newest.to_string(), |event| event.key);
        let text = format!(
            "{count} event(s) set aside for {name}, the last ({event}): {why}; when that is \
             mended, `liaison plugin unpark {name}`"
        );
        attention.extend("parked events", [item("parked", name.as_str(), text)]);
    }
    Ok(())
}
