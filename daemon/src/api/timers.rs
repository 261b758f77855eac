//! `timers list`.

use liaison_core::records::TimerRecord;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Nothing, Shown};
use crate::store::{Ns, Range};

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
