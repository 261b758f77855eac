//! What the records know of plugins, and the steps that bring one back to work.

use std::ops::ControlFlow;

use liaison_core::ids::PluginName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ANSWER_ROWS_MAX, ApiContext, ApiError, Caller, Nothing, TRIES_MAX, Wake};
use crate::app::accepted::{accepted_key, audit_subject};
use crate::books::rows::WaitRow;
use crate::books::rows::{
    AuditRow, CallEnd, EventRow, OutcomeRow, PluginResultRow, PluginStateRow,
};
use crate::books::{BooksError, keys, replace};
use crate::outbox::stage_audit;
use crate::store::keys::Parts;
use crate::store::{Dir, Key, Ns, Range, Stored};

/// Events that one `unpark` sets going; it can be said again.
const UNPARK_MAX: usize = 1_000;

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let live = context.live.as_ref().map(|live| live.status());
    let running = live.as_ref().and_then(|live| live.get("plugins")).cloned();
    let troubles = live
        .as_ref()
        .and_then(|live| live.get("plugin_troubles"))
        .cloned();
    Ok(json!({
        "plugins": states(context).await?,
        "running": running,
        "troubles": troubles,
    }))
}

/// Strikes and suspensions of all plugins that have any record. A suspension of bytes that do not
/// run any more is none.
pub(super) async fn states(context: &ApiContext) -> Result<Vec<Value>, ApiError> {
    let mut rows = Vec::new();
    let each = |key, row| {
        rows.push((key, row));
        Ok(ControlFlow::Continue(()))
    };
    let range = Range::all(Ns::PluginState);
    context.books.each_row(range, Dir::Forward, each).await?;
    let live = context.live.as_ref().map(|live| live.status());
    let mut states = Vec::new();
    for (key, row) in rows {
        let row: crate::store::Versioned = row;
        let state = row
            .record::<PluginStateRow>(&Key::new(Ns::PluginState, key.clone()))?
            .record;
        let name = Parts::new(&key).text().unwrap_or_default();
        let running = live.as_ref().and_then(|live| digest_of(live, &name));
        let of_old_bytes = running.is_some_and(|digest| digest != state.digest);
        let suspended = state.suspended.as_ref().filter(|_| !of_old_bytes);
        states.push(json!({
            "plugin": name,
            "strikes": if of_old_bytes { 0 } else { state.strikes },
            "suspended": suspended.map(|(at, why)| json!({ "since": at, "why": why })),
            "digest": state.digest,
        }));
    }
    Ok(states)
}

/// Digest of the component that runs under this name.
fn digest_of(live: &Value, name: &str) -> Option<String> {
    let running = live.get("plugins")?.as_array()?;
    let plugin = running
        .iter()
        .find(|plugin| plugin.get("name").and_then(Value::as_str) == Some(name))?;
    Some(plugin.get("digest")?.as_str()?.to_owned())
}

/// An event that was set aside for a plugin.
pub(super) struct Parked {
    seq: u64,
    pub(super) event: String,
    pub(super) result: PluginResultRow,
    pub(super) why: String,
}

/// All of them, oldest first.
pub(super) async fn all_parked(context: &ApiContext) -> Result<Vec<Parked>, ApiError> {
    let keys = context.books.every_key(Range::all(Ns::Parked)).await?;
    let mut parked = Vec::new();
    for (seq, plugin) in keys.iter().filter_map(|key| keys::parked_event(key)) {
        let key = keys::plugin_result(seq, &plugin);
        let result = context.books.get::<PluginResultRow>(key).await?;
        let Some(result) = result.map(|row| row.record) else {
            continue;
        };
        let CallEnd::Parked(why) = &result.end else {
            continue;
        };
        let event = context.books.event(&seq).await?;
        parked.push(Parked {
            seq,
            event: event.map_or_else(|| seq.to_string(), |event| event.key),
            why: why.clone(),
            result,
        });
    }
    Ok(parked)
}

pub(super) async fn parked(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let rows = all_parked(context).await?;
    let count = rows.len();
    let rows = rows.iter().take(ANSWER_ROWS_MAX).map(|parked| {
        json!({
            "event": parked.event,
            "seq": parked.seq,
            "plugin": parked.result.plugin,
            "at": parked.result.at,
            "why": parked.why,
            "attempt": parked.result.attempt,
        })
    });
    let rows: Vec<Value> = rows.collect();
    let more = count > rows.len();
    Ok(json!({ "parked": rows, "count": count, "more": more }))
}

/// What `plugin-unpark` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unpark {
    /// A plugin, for all its events, or an event: its key, its number, or a Message-ID.
    id: String,
    /// Why, for the audit.
    #[serde(default)]
    why: Option<String>,
}

/// Has parked events tried again.
pub(super) async fn unpark(
    context: &ApiContext,
    caller: &Caller,
    arguments: Unpark,
) -> Result<Value, ApiError> {
    let wanted = meant(context, &arguments.id).await?;
    let mut plugins = std::collections::BTreeSet::new();
    for parked in &wanted {
        plugins.insert(parked.result.plugin.clone());
    }
    for plugin in &plugins {
        if is_suspended(context, plugin).await? {
            return Err(ApiError::NotNow(format!(
                "{plugin} is suspended, so it would be set aside again: \
                 `liaison plugin resume {plugin}` first"
            )));
        }
    }
    let mut again: usize = 0;
    for parked in wanted.iter().take(UNPARK_MAX) {
        match unpark_one(context, caller, parked, arguments.why.as_deref()).await {
            Ok(()) => again += 1,
            // Somebody else unparked it, or the pipeline did something with it.
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
    }
    context.wake(Wake::Events);
    let when = match context.live {
        Some(_) => "now",
        None => "when `liaison run` runs",
    };
    let left = wanted.len().saturating_sub(again);
    let more = match left {
        0 => String::new(),
        _ => format!("; {left} are left, say it again"),
    };
    Ok(json!({
        "unparked": again,
        "left": left,
        "changed": format!("{again} event(s) are tried again {when}{more}"),
        "undo": "cannot be undone: what fails again is set aside again",
    }))
}

/// The parked events that people mean.
async fn meant(context: &ApiContext, id: &str) -> Result<Vec<Parked>, ApiError> {
    let id = id.trim();
    let message = context
        .books
        .message_by_id(id.trim_matches(['<', '>']))
        .await?;
    let message = message.map(|message| message.key.to_string());
    let is_meant = |parked: &Parked| {
        parked.result.plugin.as_str() == id
            || parked.event == id
            || parked.seq.to_string() == id
            || message.as_ref() == Some(&parked.event)
    };
    let mut wanted = all_parked(context).await?;
    wanted.retain(is_meant);
    match wanted.is_empty() {
        true => Err(ApiError::NotFound {
            id: id.to_owned(),
            hint: "nothing of it is set aside; see `liaison plugin parked`".to_owned(),
        }),
        false => Ok(wanted),
    }
}

async fn unpark_one(
    context: &ApiContext,
    caller: &Caller,
    parked: &Parked,
    why: Option<&str>,
) -> Result<(), BooksError> {
    let books = &context.books;
    let (plugin, now) = (&parked.result.plugin, context.now());
    let key = keys::plugin_result(parked.seq, plugin);
    let Some(seen) = books.get::<PluginResultRow>(key.clone()).await? else {
        return Ok(());
    };
    let said = match why {
        Some(why) => format!("{} set it going again: {why}", caller.who),
        None => format!("{} set it going again", caller.who),
    };
    let mut batch = books.batch();
    let mut row = seen.record;
    row.end = CallEnd::Waiting(now, said.clone());
    replace(&mut batch, key, Some(seen.version), &row)?;
    batch.del(keys::parked(parked.seq, plugin));
    let event: Option<EventRow> = books.event(&parked.seq).await?;
    let subject = match &event {
        Some(event) => outcome_open_again(context, &mut batch, event).await?,
        None => None,
    };
    let wait = WaitRow {
        seq: parked.seq,
        plugin: plugin.clone(),
        thread: subject.as_ref().map(|message| message.thread.0.clone()),
        account: subject.and_then(|message| message.account),
        attempt: 0,
        due: now,
    };
    batch.put_record(keys::wait(now, parked.seq, plugin), &wait)?;
    let audit = AuditRow {
        at: now,
        who: caller.who.clone(),
        what: format!("event {} of {plugin} unparked", parked.event),
        why: why.unwrap_or_default().to_owned(),
    };
    stage_audit(&mut batch, &audit_subject(plugin), now, audit)?;
    books.commit(batch).await
}

/// The outcome of an event that is worked on again is open; answers the message it is about.
async fn outcome_open_again(
    context: &ApiContext,
    batch: &mut crate::store::Batch,
    event: &EventRow,
) -> Result<Option<liaison_core::message::MessageRecord>, BooksError> {
    let key = keys::outcome(&event.key);
    if let Some(outcome) = context.books.get::<OutcomeRow>(key.clone()).await?
        && outcome.record.closed.is_some()
    {
        let row = OutcomeRow {
            closed: None,
            ..outcome.record
        };
        replace(batch, key, Some(outcome.version), &row)?;
    }
    match &event.body {
        crate::books::rows::EventBody::Message(key) => context.books.message(key).await,
        _ => Ok(None),
    }
}

/// What `plugin-resume` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resume {
    name: String,
    /// Why, for the audit.
    #[serde(default)]
    why: Option<String>,
}

async fn is_suspended(context: &ApiContext, plugin: &PluginName) -> Result<bool, ApiError> {
    let states = states(context).await?;
    Ok(states.iter().any(|state| {
        state.get("plugin").and_then(Value::as_str) == Some(plugin.as_str())
            && state.pointer("/suspended/why").is_some()
    }))
}

/// Lifts a suspension: strikes begin at none again.
pub(super) async fn resume(
    context: &ApiContext,
    caller: &Caller,
    arguments: Resume,
) -> Result<Value, ApiError> {
    let plugin = PluginName::from(arguments.name.as_str());
    for _ in 0..TRIES_MAX {
        let key = keys::plugin_state(&plugin);
        let Some(seen) = context.books.get::<PluginStateRow>(key).await? else {
            return Err(not_suspended(&plugin));
        };
        match resume_once(context, caller, &plugin, &seen, arguments.why.as_deref()).await {
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
            Ok(()) => return resumed(context, &plugin).await,
        }
    }
    Err(ApiError::NotNow(
        "others changed the plugin's standing meanwhile: look at `liaison status`".to_owned(),
    ))
}

fn not_suspended(plugin: &PluginName) -> ApiError {
    ApiError::NotNow(format!(
        "{plugin} is not suspended: see `liaison plugin list`"
    ))
}

async fn resume_once(
    context: &ApiContext,
    caller: &Caller,
    plugin: &PluginName,
    seen: &Stored<PluginStateRow>,
    why: Option<&str>,
) -> Result<(), ApiError> {
    let before = &seen.record;
    let Some((since, reason)) = &before.suspended else {
        return Err(not_suspended(plugin));
    };
    let now = context.now();
    let after = PluginStateRow {
        strikes: 0,
        suspended: None,
        digest: before.digest.clone(),
    };
    let mut batch = context.books.batch();
    let key = keys::plugin_state(plugin);
    replace(&mut batch, key, Some(seen.version), &after)?;
    let row = AuditRow {
        at: now,
        who: caller.who.clone(),
        what: format!("resumed; it was suspended since {since}: {reason}"),
        why: why.unwrap_or_default().to_owned(),
    };
    stage_audit(&mut batch, &audit_subject(plugin), now, row)?;
    Ok(context.books.commit(batch).await?)
}

async fn resumed(context: &ApiContext, plugin: &PluginName) -> Result<Value, ApiError> {
    context.wake(Wake::Events);
    let parked = all_parked(context).await?;
    let aside = parked
        .iter()
        .filter(|one| one.result.plugin == *plugin)
        .count();
    let next = match aside {
        0 => String::new(),
        _ => format!(
            "; {aside} event(s) were set aside for it: `liaison plugin unpark {plugin}` has them \
             tried again"
        ),
    };
    Ok(json!({
        "plugin": plugin,
        "parked": aside,
        "changed": format!("{plugin} is asked about new events again{next}"),
        "undo": format!("set enabled = false in its [[plugin]] and run `liaison reload`; three \
                         strikes in a row suspend {plugin} again"),
    }))
}

/// What `plugin-accept` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accept {
    name: String,
    /// Digest of the component that was looked at.
    digest: String,
    /// Why, for the audit.
    #[serde(default)]
    why: Option<String>,
}

/// Gives a plugin's grants to another component.
pub(super) async fn accept(
    context: &ApiContext,
    caller: &Caller,
    arguments: Accept,
) -> Result<Value, ApiError> {
    let plugin = PluginName::from(arguments.name.as_str());
    let key = accepted_key(&plugin);
    let seen = context.books.get::<AuditRow>(key.clone()).await?;
    let before = seen.as_ref().map(|row| row.record.what.clone());
    if before.as_ref() == Some(&arguments.digest) {
        return Err(ApiError::NotNow(format!(
            "{} is the accepted component of {plugin} already",
            arguments.digest
        )));
    }
    let row = AuditRow {
        at: context.now(),
        who: caller.who.clone(),
        what: arguments.digest.clone(),
        why: arguments.why.unwrap_or_default(),
    };
    let mut batch = context.books.batch();
    replace(&mut batch, key, seen.map(|seen| seen.version), &row)?;
    let told = AuditRow {
        what: format!("accepted {}", row.what),
        ..row.clone()
    };
    stage_audit(&mut batch, &audit_subject(&plugin), row.at, told)?;
    context.books.commit(batch).await?;
    let when = match &context.live {
        Some(live) => {
            live.reload().map_err(ApiError::Configuration)?;
            "now"
        }
        None => "when `liaison run` runs",
    };
    let undo = match before {
        Some(before) => format!("put the old component ({before}) back and accept that one"),
        None => "set enabled = false in its [[plugin]] and run `liaison reload`".to_owned(),
    };
    Ok(json!({
        "plugin": plugin,
        "accepted": row.what,
        "changed": format!("{plugin} works with all it is granted {when}"),
        "undo": undo,
    }))
}
