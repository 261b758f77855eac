//! When an alarm is raised, told again and cleared.

use std::fmt::Write as _;

use liaison_core::time::Timestamp;
use serde::Serialize;

use crate::books::rows::AlarmState;
use crate::freshness::Fault;

/// Shortest time between two alarms of one source: what comes and goes is one trouble.
const RAISE_PAUSE_MS: i64 = 10 * 60_000;

/// What an alarm says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// Something is wrong.
    Raised,
    /// It is still wrong.
    Repeated,
    /// It is over.
    Cleared,
}

/// One message to somebody outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What it says.
    pub kind: NoticeKind,
    /// Whose Liaison it is.
    pub firm: String,
    /// `mail`, `calendar`, `transport`, `filing` or `outbox`.
    pub source_kind: String,
    /// Name of the mailbox, transport or calendar.
    pub source: String,
    /// Nothing proves that it is up to date; otherwise it needs a person.
    pub stale: bool,
    /// What is, or was, wrong.
    pub what: String,
    /// Since when.
    pub since: Timestamp,
    /// When it was said.
    pub at: Timestamp,
}

impl Notice {
    /// In words for people; one line, without control characters.
    #[must_use]
    pub fn text(&self) -> String {
        let name = match self.source_kind.as_str() {
            "filing" => "filing of",
            kind => kind,
        };
        let mut text = format!("Liaison of {}: {name} {}: ", self.firm, self.source);
        let _ = match self.kind {
            NoticeKind::Raised => write!(text, "{}; see `liaison status`", self.what),
            NoticeKind::Repeated => write!(
                text,
                "still, since {}: {}; see `liaison status`",
                self.since, self.what
            ),
            NoticeKind::Cleared => write!(text, "all is well again (it was: {})", self.what),
        };
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    }
}

/// What is to be told of a source, of which `known` was told and with which `fault` is wrong now.
pub(super) fn decide(
    known: Option<&AlarmState>,
    fault: Option<&Fault>,
    now: Timestamp,
    repeat_ms: i64,
) -> Option<NoticeKind> {
    let age = |known: &AlarmState| now.since(known.told).abs();
    match (known, fault) {
        (None, None) => None,
        (None, Some(_)) => Some(NoticeKind::Raised),
        (Some(known), None) => known.open.then_some(NoticeKind::Cleared),
        (Some(known), Some(fault)) if known.open => {
            if known.stale != fault.stale && age(known) >= RAISE_PAUSE_MS {
                Some(NoticeKind::Raised)
            } else {
                (age(known) >= repeat_ms).then_some(NoticeKind::Repeated)
            }
        }
        (Some(known), Some(_)) => (age(known) >= RAISE_PAUSE_MS).then_some(NoticeKind::Raised),
    }
}

/// What is remembered after `kind` was told.
pub(super) fn record(
    known: Option<&AlarmState>,
    kind: NoticeKind,
    fault: Option<&Fault>,
    now: Timestamp,
) -> Option<AlarmState> {
    let since = match kind {
        NoticeKind::Raised => now,
        NoticeKind::Repeated | NoticeKind::Cleared => known.map_or(now, |known| known.since),
    };
    Some(AlarmState {
        open: kind != NoticeKind::Cleared,
        stale: fault.is_some_and(|fault| fault.stale),
        what: fault.map(|fault| fault.what.clone()).unwrap_or_default(),
        since,
        told: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freshness::SourceKind;

    const REPEAT_MS: i64 = 3_600_000;

    fn fault(stale: bool) -> Fault {
        Fault {
            kind: SourceKind::Mail,
            source: "sales".to_owned(),
            stale,
            what: "INBOX is not proven".to_owned(),
        }
    }

    /// Tells as the worker does; gives what was said at each moment.
    fn told(moments: &[(i64, Option<bool>)]) -> Vec<(i64, NoticeKind)> {
        let (mut known, mut said) = (None, Vec::new());
        for (minute, stale) in moments {
            let now = Timestamp(minute * 60_000);
            let fault = stale.map(fault);
            if let Some(kind) = decide(known.as_ref(), fault.as_ref(), now, REPEAT_MS) {
                known = record(known.as_ref(), kind, fault.as_ref(), now);
                said.push((*minute, kind));
            }
        }
        said
    }

    #[test]
    fn an_alarm_is_told_once_then_each_hour_then_cleared() {
        use NoticeKind::{Cleared, Raised, Repeated};
        type Row<'r> = (&'r [(i64, Option<bool>)], &'r [(i64, NoticeKind)]);
        let cases: [Row<'_>; 4] = [
            (
                &[
                    (0, None),
                    (1, Some(true)),
                    (2, Some(true)),
                    (62, Some(true)),
                    (63, None),
                    (64, None),
                ],
                &[(1, Raised), (62, Repeated), (63, Cleared)],
            ),
            // What comes and goes is told once in ten minutes.
            (
                &[
                    (1, Some(true)),
                    (2, None),
                    (3, Some(true)),
                    (4, None),
                    (12, Some(true)),
                ],
                &[(1, Raised), (2, Cleared), (12, Raised)],
            ),
            // Overdue first, and then the reason: a refused password.
            (
                &[
                    (1, Some(true)),
                    (2, Some(false)),
                    (11, Some(false)),
                    (12, Some(false)),
                ],
                &[(1, Raised), (11, Raised)],
            ),
            // A clock that went back says nothing for ever.
            (
                &[(90, Some(true)), (1, Some(true))],
                &[(90, Raised), (1, Repeated)],
            ),
        ];
        for (moments, expected) in cases {
            assert_eq!(told(moments), expected, "{moments:?}");
        }
    }

    #[test]
    fn the_words_are_one_line() {
        let mut notice = Notice {
            kind: NoticeKind::Raised,
            firm: "Example".to_owned(),
            source_kind: "mail".to_owned(),
            source: "sales".to_owned(),
            stale: true,
            what: "server said\r\nBcc: x".to_owned(),
            since: Timestamp(0),
            at: Timestamp(0),
        };
        assert_eq!(
            notice.text(),
            "Liaison of Example: mail sales: server said  Bcc: x; see `liaison status`"
        );
        notice.kind = NoticeKind::Cleared;
        assert!(notice.text().contains("all is well again"));
    }
}
