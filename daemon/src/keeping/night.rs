//! The nightly look: what is kept for too long goes, then everything is looked over.
//!
//! What was found stands in `liaison status` until the next look.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use liaison_core::time::{HOUR_MS, Timestamp};

use super::KeepingError;
use super::retention::Retention;
use super::sweep::{LetGo, sweep};
use super::verify::{BUSY, Looked, verify};
use crate::books::rows::LookedRow;
use crate::books::{Books, BooksError, chain, keys};
use crate::clock::Clock;
use crate::supervisor::{Stop, Waited};

/// Pause between two looks at whether a pass is due.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// Hours of the firm's night in which a pass begins.
const NIGHT_HOURS: std::ops::Range<i8> = 2..5;
/// After so long a pass is due in the night.
const NIGHTLY_MS: i64 = 20 * HOUR_MS;
/// After so long a pass is due at any hour: the machine may be off in the night.
const OVERDUE_MS: i64 = 30 * HOUR_MS;
/// The first pass of a store begins so long after the start, at any hour.
const FIRST_MS: i64 = HOUR_MS;
/// Faults that are told, each in one line.
const FAULTS_TOLD_MAX: usize = 10;
/// Longest line of a fault, in characters.
const FAULT_CHARS_MAX: usize = 200;

/// The nightly task.
#[derive(Debug)]
pub struct Night {
    /// Everything remembered.
    pub books: Books,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What is kept for how long.
    pub retention: Retention,
    /// Where the night is.
    pub zone: TimeZone,
}

/// Whether a pass is due: `last` ended then, the process began at `began`.
#[must_use]
pub fn is_due(last: Option<Timestamp>, began: Timestamp, now: Timestamp, hour: i8) -> bool {
    let Some(last) = last else {
        return now.since(began) >= FIRST_MS;
    };
    // A clock that went back far is no reason to wait for years.
    let since = now.since(last).abs();
    since >= OVERDUE_MS || (since >= NIGHTLY_MS && NIGHT_HOURS.contains(&hour))
}

impl Night {
    /// Looks whenever it is due, until the stop.
    pub async fn run(&self, stop: &Stop) {
        let began = self.clock.now();
        loop {
            match self.look(began).await {
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(error = %chain(&error), "the nightly look was not finished; it is tried again");
                }
            }
            if stop.sleep(LOOK_EVERY).await == Waited::Stopped {
                return;
            }
        }
    }

    /// One pass, if it is due; tells what it found.
    ///
    /// # Errors
    /// [`KeepingError`]: the pass was not finished.
    pub async fn look(&self, began: Timestamp) -> Result<Option<LookedRow>, KeepingError> {
        let now = self.clock.now();
        let last = self.books.looked().await?.map(|row| row.at);
        let hour = self.zone.to_datetime(now.to_jiff()).hour();
        if !is_due(last, began, now, hour) {
            return Ok(None);
        }
        let swept = sweep(&self.books, &self.retention, now).await;
        let mut looked = verify(&self.books).await?;
        let let_go = swept.unwrap_or_else(|error| {
            looked.fault("retention was not applied", chain(&error));
            LetGo::default()
        });
        if looked.faults.keys().eq([&BUSY]) {
            // Nothing is known of what is being written all the time.
            return Ok(None);
        }
        let row = record(&self.books, &looked, let_go, self.clock.now()).await?;
        match row.clean {
            true => {
                tracing::info!(let_go = ?row.let_go, "everything was looked over, and is as it should be")
            }
            false => tracing::error!(faults = %row.faults.join("; "), "everything was looked over"),
        }
        Ok(Some(row))
    }
}

/// Remembers what a look found, for `status`.
///
/// # Errors
/// As the store.
pub async fn record(
    books: &Books,
    looked: &Looked,
    let_go: LetGo,
    now: Timestamp,
) -> Result<LookedRow, BooksError> {
    let lines = looked.faults.iter().map(|(kind, faults)| {
        let first = faults.first.first().map_or("", String::as_str);
        let line = format!("{kind}: {} ({first})", faults.count);
        liaison_core::message::cut_text(&line, FAULT_CHARS_MAX)
    });
    let row = LookedRow {
        at: now,
        clean: looked.is_clean(),
        faults: lines.take(FAULTS_TOLD_MAX).collect(),
        rows: looked.rows,
        contents: looked.contents,
        let_go,
    };
    let mut writes = books.batch();
    writes.put_record(keys::setting(keys::LOOKED), &row)?;
    books.commit(writes).await?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_due_each_night_and_a_missed_one_at_any_hour() {
        let at = |hours: i64| Timestamp(hours * HOUR_MS);
        let cases = [
            // A store that was never looked over: an hour after the start.
            (None, 100, 100, 3, false),
            (None, 100, 101, 14, true),
            (Some(100), 100, 119, 3, false),
            (Some(100), 100, 120, 3, true),
            (Some(100), 100, 121, 5, false),
            (Some(100), 100, 130, 14, true),
            // The clock went back by a year.
            (Some(100), 0, 100 - 8_760, 14, true),
        ];
        for (last, began, now, hour, due) in cases {
            let found = is_due(last.map(at), at(began), at(now), hour);
            assert_eq!(found, due, "{last:?} {now} {hour}");
        }
    }
}
