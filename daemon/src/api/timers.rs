//! `timers list`, and what the records know of plugins.

use liaison_core::records::TimerRecord;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Nothing, listed};
use crate::books::LIST_ROWS_MAX;
use crate::books::rows::PluginStateRow;
use crate::store::keys::Parts;
use crate::store::{Dir, Key, Ns, Range};

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let mut timers: Vec<TimerRecord> = context.books.all(Ns::Timer).await?;
    timers.sort_by_key(|timer| timer.due);
    Ok(listed("timers", timers.iter().map(timer_json).collect()))
}

pub(super) fn timer_json(timer: &TimerRecord) -> Value {
    json!({
        "id": timer.id,
        "plugin": timer.plugin,
        "name": timer.name,
        "due": timer.due,
        "reason": timer.reason,
        "payload": timer.payload,
        "subject": timer.subject,
        "generation": timer.generation,
        "set_at": timer.set_at,
    })
}

pub(super) async fn plugins(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    Ok(json!({ "plugins": states(context).await? }))
}

/// Strikes and suspensions of all plugins that have any record.
pub(super) async fn states(context: &ApiContext) -> Result<Vec<Value>, ApiError> {
    let rows = context
        .books
        .store
        .scan_range(Range::all(Ns::PluginState), Dir::Forward, LIST_ROWS_MAX)
        .await?;
    let mut states = Vec::new();
    for (key, row) in rows {
        let state = row
            .record::<PluginStateRow>(&Key::new(Ns::PluginState, key.clone()))?
            .record;
        let suspended = state.suspended.as_ref();
        states.push(json!({
            "plugin": Parts::new(&key).text().unwrap_or_default(),
            "strikes": state.strikes,
            "suspended": suspended.map(|(at, why)| json!({ "since": at, "why": why })),
            "digest": state.digest,
        }));
    }
    Ok(states)
}
