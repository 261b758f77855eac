//! `timers list`.

use liaison_core::records::TimerRecord;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Nothing, listed};
use crate::store::Ns;

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
