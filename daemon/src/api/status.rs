//! `status` and `panic`.

use std::collections::BTreeMap;

use liaison_core::effect::{HoldEffect, MailEffect};
use liaison_core::outbox::MailState;
use liaison_core::records::{TaskRecord, TimerRecord};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Nothing, TRIES_MAX, Wake, outbox, plugins};
use crate::accounts::audit;
use crate::books::rows::{AuditRow, OutcomeRow, WaitRow};
use crate::books::{keys, replace};
use crate::store::{Ns, StoreState};

pub(super) async fn status(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let books = &context.books;
    let mails: Vec<MailEffect> = books.all(Ns::Effect).await?;
    let holds: Vec<HoldEffect> = books.all(Ns::Hold).await?;
    let tasks: Vec<TaskRecord> = books.all(Ns::Task).await?;
    let timers: Vec<TimerRecord> = books.all(Ns::Timer).await?;
    let outcomes: Vec<OutcomeRow> = books.all(Ns::Outcome).await?;
    let waits: Vec<WaitRow> = books.all(Ns::Wait).await?;
    let panic = books.panic().await?;
    let states = plugins::states(context).await?;
    let health = books.store.health();
    let open_tasks = tasks.iter().filter(|task| task.done.is_none());
    let mut attention = mail_attention(&mails);
    attention.extend(plugin_attention(&states));
    attention.extend(parked(context).await?);
    if let Some(row) = &panic {
        attention.push(item("panic", "", panic_words(row)));
    }
    let live = context.live.as_ref().map(|live| live.status());
    attention.extend(live.as_ref().map(live_attention).unwrap_or_default());
    Ok(json!({
        "now": context.now(),
        "running": live.is_some(),
        "panic": panic,
        "events": {
            "known": outcomes.len(),
            "open": outcomes.iter().filter(|outcome| outcome.closed.is_none()).count(),
            "waiting": waits.len(),
        },
        "mails": by_state(mails.iter().map(|mail| mail.state.as_str())),
        "holds": by_state(holds.iter().map(|hold| hold.state.as_str())),
        "tasks": {
            "open": open_tasks.clone().count(),
            "urgent": open_tasks.clone().filter(|task| task.urgent).count(),
        },
        "timers": {
            "waiting": timers.len(),
            "next": timers.iter().map(|timer| timer.due).min(),
        },
        "plugins": states,
        "store": {
            "state": match &health.state {
                StoreState::Open => "open".to_owned(),
                StoreState::Failed(why) => format!("failed: {why}"),
                StoreState::Closed => "closed".to_owned(),
            },
            "commits": health.commits,
            "queued": health.queued,
            "disk_bytes": health.disk_bytes,
        },
        "needs_person": attention,
        "daemon": live,
    }))
}

fn by_state<'a>(states: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, u64> {
    let mut counts = BTreeMap::new();
    for state in states {
        *counts.entry(state).or_insert(0_u64) += 1;
    }
    counts
}

fn item(kind: &str, id: &str, text: String) -> Value {
    json!({ "kind": kind, "id": id, "text": text })
}

fn mail_attention(mails: &[MailEffect]) -> Vec<Value> {
    let waiting = mails
        .iter()
        .filter(|mail| outbox::needs_person(&mail.state));
    waiting
        .map(|mail| {
            let id = &mail.id;
            let ways = match &mail.state {
                MailState::Held => format!("`liaison outbox approve {id}` or `reject {id}`"),
                MailState::Uncertain => format!("`liaison outbox resolve {id} sent|not-sent`"),
                _ => format!("`liaison outbox retry {id}` or `resolve {id} not-sent`"),
            };
            let text = format!(
                "mail to {} ({}) is {} since {}: {ways}",
                mail.recipient, mail.subject_line, mail.state, mail.since
            );
            item(mail.state.as_str(), mail.id.as_str(), text)
        })
        .collect()
}

fn plugin_attention(plugins: &[Value]) -> Vec<Value> {
    let suspended = plugins
        .iter()
        .filter(|plugin| plugin.pointer("/suspended/why").is_some());
    suspended
        .map(|plugin| {
            let (name, why) = (text(plugin, "/plugin"), text(plugin, "/suspended/why"));
            let text = format!(
                "plugin {name} is suspended: {why}; when that is mended, `liaison plugin resume \
                 {name}`"
            );
            item("suspended", name, text)
        })
        .collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// What needs a person, from what the daemon tells of itself: sources, plugins, a reload.
fn live_attention(live: &Value) -> Vec<Value> {
    let rows = |key: &str| {
        live.get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let troubled = rows("sources").filter(|row| row.get("needs_person") == Some(&json!(true)));
    let sources = troubled.map(|source| {
        let (name, trouble) = (text(source, "/source"), text(source, "/trouble"));
        item("source", name, format!("{name}: {trouble}"))
    });
    let plugins = rows("plugin_troubles").map(|trouble| {
        let (name, why) = (text(trouble, "/plugin"), text(trouble, "/why"));
        match trouble.get("runs") == Some(&json!(true)) {
            true => item("new_component", name, format!("plugin {name}: {why}")),
            false => item("plugin", name, format!("plugin {name} cannot run: {why}")),
        }
    });
    let reload = live.get("reload_trouble").and_then(Value::as_str);
    let reload = reload.map(|why| {
        let text = format!("the last reload changed nothing: {why}; mend it, `liaison reload`");
        item("reload", "", text)
    });
    sources.chain(plugins).chain(reload).collect()
}

/// Events that were set aside, one line per plugin.
async fn parked(context: &ApiContext) -> Result<Vec<Value>, ApiError> {
    let mut of_plugin: BTreeMap<String, (usize, String, String)> = BTreeMap::new();
    for parked in plugins::all_parked(context).await? {
        let name = parked.result.plugin.to_string();
        let known = of_plugin.entry(name).or_default();
        // The newest says most about what is wrong now.
        *known = (known.0.saturating_add(1), parked.event, parked.why);
    }
    let lines = of_plugin.iter().map(|(name, (count, event, why))| {
        let text = format!(
            "{count} event(s) set aside for {name}, the last ({event}): {why}; when that is \
             mended, `liaison plugin unpark {name}`"
        );
        item("parked", name, text)
    });
    Ok(lines.collect())
}

fn panic_words(row: &AuditRow) -> String {
    format!(
        "everything outgoing is stopped: {} said so at {} ({}); `liaison panic off` ends it",
        row.who, row.at, row.why
    )
}

/// What `panic` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Panic {
    on: bool,
    #[serde(default)]
    why: Option<String>,
}

pub(super) async fn panic(
    context: &ApiContext,
    caller: &Caller,
    arguments: Panic,
) -> Result<Value, ApiError> {
    for _ in 0..TRIES_MAX {
        match panic_once(context, caller, &arguments).await {
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
            Ok(answer) => {
                context.wake(Wake::Panic);
                return Ok(answer);
            }
        }
    }
    Err(ApiError::NotNow(
        "others moved the switch meanwhile: look at `liaison status`".to_owned(),
    ))
}

async fn panic_once(
    context: &ApiContext,
    caller: &Caller,
    arguments: &Panic,
) -> Result<Value, ApiError> {
    let key = keys::setting("panic");
    let seen = context.books.get::<AuditRow>(key.clone()).await?;
    let row = AuditRow {
        at: context.now(),
        who: caller.who.clone(),
        what: format!("panic {}", if arguments.on { "on" } else { "off" }),
        why: arguments.why.clone().unwrap_or_default(),
    };
    let (changed, undo) = match (&seen, arguments.on) {
        (Some(stored), true) => (
            format!("nothing: it is on since {}", stored.record.at),
            "liaison panic off",
        ),
        (None, false) => ("nothing: it is off".to_owned(), "liaison panic on"),
        (None, true) => (
            "nothing more goes out: no mail, no draft, no hold".to_owned(),
            "liaison panic off",
        ),
        (Some(_), false) => (
            "mails and holds that wait go out again".to_owned(),
            "liaison panic on",
        ),
    };
    if seen.is_some() != arguments.on {
        let mut batch = context.books.batch();
        match &seen {
            Some(stored) => {
                batch.expect(key.clone(), crate::store::Expect::Version(stored.version));
                batch.del(key);
            }
            None => replace(&mut batch, key, None, &row)?,
        }
        audit(&context.books, &mut batch, "panic", &row).await?;
        context.books.commit(batch).await?;
    }
    Ok(json!({ "panic": arguments.on, "changed": changed, "undo": undo }))
}
