//! How far an import is: a bar on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::clock::{Clock, SystemClock};

/// Between two looks of the bar.
const BAR_EVERY: Duration = Duration::from_millis(200);
/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// Characters of the bar.
const BAR_CHARS: u64 = 30;

/// See the module.
pub(super) struct Progress {
    of: u64,
    began: Duration,
    told: Duration,
    terminal: bool,
    shown: bool,
}

impl Progress {
    /// Of this many rows.
    pub(super) fn new(of: u64) -> Progress {
        let now = SystemClock.monotonic();
        Progress {
            of,
            began: now,
            told: now,
            terminal: io::stderr().is_terminal(),
            shown: false,
        }
    }

    /// So many are done.
    pub(super) fn at(&mut self, done: u64) {
        let now = SystemClock.monotonic();
        let every = if self.terminal { BAR_EVERY } else { LINE_EVERY };
        if now.saturating_sub(self.told) < every {
            return;
        }
        self.told = now;
        self.shown = true;
        let text = self.text(done, now.saturating_sub(self.began));
        let text = match self.terminal {
            true => format!("\r\x1b[K{} {text}", bar(done, self.of)),
            false => format!("{text}\n"),
        };
        tell(&text);
    }

    fn text(&self, done: u64, took: Duration) -> String {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = done.saturating_mul(1_000) / millis;
        let left = self.of.saturating_sub(done) / rate.max(1);
        format!(
            "{done} of {} rows, {rate} a second, {}:{:02} left",
            self.of,
            left / 60,
            left % 60
        )
    }

    /// The bar goes.
    pub(super) fn end(&self) {
        if self.terminal && self.shown {
            tell("\r\x1b[K");
        }
    }
}

fn bar(done: u64, of: u64) -> String {
    let filled = done.saturating_mul(BAR_CHARS) / of.max(1);
    let chars = (0..BAR_CHARS).map(|at| if at < filled { '#' } else { '-' });
    format!("[{}]", chars.collect::<String>())
}

/// Where nobody can be told, the work goes on.
fn tell(text: &str) {
    let mut to = io::stderr().lock();
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
