//! `timers list`, and what the records know of plugins.

use std::ops::ControlFlow;

use liaison_core::records::TimerRecord;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Nothing, Shown};
use crate::books::rows::PluginStateRow;
use crate::store::keys::Parts;
use crate::store::{Dir, Key, Ns, Range};

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let mut shown = Shown::new("timers");
    let each = |timer: TimerRecord| shown.offer(timer.due, || timer_json(&timer));
    context.books.each(Range::all(Ns::Timer), each).await?;
    Ok(shown.answer())
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
    let mut states = Vec::new();
    let each = |key: bytes::Bytes, row: crate::store::Versioned| {
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
        Ok(ControlFlow::Continue(()))
    };
    let range = Range::all(Ns::PluginState);
    context.books.each_row(range, Dir::Forward, each).await?;
    Ok(states)
}
