//! What `liaison inspect FILE.ics --json` prints.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::recurrence::{Instance, first_instances, instances};
use super::{Problem, note, parts_summary, read_calendar};
use crate::time::Window;

/// Instances shown of each series when no window is given.
pub const SHOWN_WITHOUT_WINDOW: usize = 100;

/// The object as JSON; any bytes give a value.
///
/// `instances[]` with `uid`, `recurrence_id` (RFC 3339 in UTC, `YYYY-MM-DD` for whole days, null for
/// an event that does not repeat), `start`, `end` (RFC 3339 in UTC; of whole days the midnights in
/// `default_zone`), `all_day`, `summary`, `status` (`confirmed` where the file gives none; an
/// instance that an override cancels is listed as `cancelled`), sorted by start; then
/// `problems[]`, `method`, `components` (name to count) and `summary`. Without a window: every
/// single event and the first [`SHOWN_WITHOUT_WINDOW`] instances of each series.
#[must_use]
pub fn inspect_json(bytes: &[u8], window: Option<Window>, default_zone: &TimeZone) -> Value {
    let object = read_calendar(bytes);
    let found = match window {
        Some(window) => instances(&object, window, default_zone),
        None => first_instances(&object, default_zone, SHOWN_WITHOUT_WINDOW),
    };
    let mut problems: Vec<Problem> = object.problems.clone();
    for problem in found.problems {
        note(&mut problems, problem);
    }
    json!({
        "method": object.method,
        "summary": parts_summary(&object),
        "components": object.components,
        "instances": found.instances.iter().map(instance_json).collect::<Vec<Value>>(),
        "problems": problems,
    })
}

fn instance_json(instance: &Instance) -> Value {
    json!({
        "uid": instance.uid,
        "recurrence_id": instance.recurrence_id,
        "start": instance.start.to_string(),
        "end": instance.end.to_string(),
        "all_day": instance.all_day,
        "summary": instance.summary,
        "status": instance.status.as_str(),
    })
}

#[cfg(test)]
mod tests;
