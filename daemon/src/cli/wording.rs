//! Answers of the API in the words of whoever asked: times in the firm's zone, and commands that
//! can be typed as they stand.
//!
//! The API speaks UTC and names commands without options, so that programs get the same answer
//! everywhere. Only sentences of ours are reworded; what others wrote is shown as it is.

use jiff::tz::TimeZone;
use liaison_core::time::Timestamp;
use serde_json::Value;

/// Keys whose texts are sentences of ours.
const SENTENCES: [&str; 14] = [
    "changed",
    "detail",
    "evidence",
    "nothing",
    "note",
    "reason",
    "reasons",
    "state_text",
    "summary",
    "text",
    "trouble",
    "undo",
    "what",
    "why",
];
/// Keys below which everything is as others wrote it.
const VERBATIM: [&str; 2] = ["content", "fields"];
/// Characters of `2026-03-02T09:00:00`, without fraction and zone.
const INSTANT_CHARS: usize = 19;

/// How to put things.
#[derive(Debug, Clone)]
pub(super) struct Wording {
    /// The zone of times.
    pub zone: TimeZone,
    /// The file that was named with `--config`: commands need it again.
    pub config: Option<String>,
}

impl Wording {
    /// The answer for people.
    pub(super) fn of(&self, answer: &Value) -> Value {
        self.reworded(answer, false)
    }

    /// One sentence of ours.
    pub(super) fn sentence(&self, text: &str) -> String {
        self.commands(&self.times(text))
    }

    fn reworded(&self, value: &Value, sentence: bool) -> Value {
        match value {
            Value::String(text) => Value::String(match sentence {
                true => self.sentence(text),
                false => self.instant(text).unwrap_or_else(|| text.clone()),
            }),
            Value::Array(items) => {
                let items = items.iter().map(|item| self.reworded(item, sentence));
                Value::Array(items.collect())
            }
            Value::Object(fields) => {
                let fields = fields.iter().map(|(key, field)| {
                    let field = match VERBATIM.contains(&key.as_str()) {
                        true => field.clone(),
                        false => self.reworded(field, SENTENCES.contains(&key.as_str())),
                    };
                    (key.clone(), field)
                });
                Value::Object(fields.collect())
            }
            other => other.clone(),
        }
    }

    /// A text that is an instant as a time here; `None` when it is none.
    fn instant(&self, text: &str) -> Option<String> {
        instant(text).map(|at| self.time(at))
    }

    fn time(&self, at: Timestamp) -> String {
        let zoned = at.to_jiff().to_zoned(self.zone.clone());
        let there = zoned.strftime("%Y-%m-%d %H:%M:%S");
        match self.zone == TimeZone::UTC {
            true => format!("{there} UTC"),
            false => format!("{there} {}", zoned.strftime("%:z")),
        }
    }

    /// A sentence with the instants in it as times here.
    fn times(&self, text: &str) -> String {
        with_instants(text, |at| self.time(at))
    }

    /// A sentence whose commands carry the `--config` that this one was given.
    pub(super) fn commands(&self, text: &str) -> String {
        let Some(config) = &self.config else {
            return text.to_owned();
        };
        let with = format!("liaison --config {config} ");
        let text = match text.strip_prefix("liaison ") {
            Some(rest) => format!("{with}{rest}"),
            None => text.to_owned(),
        };
        text.replace("`liaison ", &format!("`{with}"))
    }
}

fn instant(text: &str) -> Option<Timestamp> {
    let plain = text.len() > INSTANT_CHARS && text.ends_with('Z');
    plain.then(|| text.parse().ok()).flatten()
}

/// A sentence whose instants (RFC 3339, UTC) are put as `put` says.
pub(crate) fn with_instants(text: &str, put: impl Fn(Timestamp) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(end) = rest.find('Z') {
        let (before, after) = rest.split_at(end.saturating_add(1));
        let written = start_of_instant(before).and_then(|start| {
            let (lead, written) = before.split_at_checked(start)?;
            Some((lead, instant(written)?))
        });
        match written {
            Some((lead, at)) => {
                out.push_str(lead);
                out.push_str(&put(at));
            }
            None => out.push_str(before),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Where the instant begins that ends with the text; `None` when it ends with none.
fn start_of_instant(text: &str) -> Option<usize> {
    let part = |c: char| c.is_ascii_digit() || "-:T.Z".contains(c);
    let start = text.rfind(|c| !part(c)).map_or(0, |at| {
        let width = text.get(at..).and_then(|rest| rest.chars().next());
        at.saturating_add(width.map_or(1, char::len_utf8))
    });
    Some(start).filter(|start| text.len().saturating_sub(*start) > INSTANT_CHARS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn berlin(config: Option<&str>) -> Wording {
        Wording {
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            config: config.map(str::to_owned),
        }
    }

    #[test]
    fn times_are_told_in_the_firms_zone_with_their_offset() {
        let answer = json!({
            "since": "2026-03-02T09:00:00Z",
            "due": "2026-07-02T09:00:00.250Z",
            "why": "held since 2026-03-02T09:00:00Z, until 2026-07-02T09:00:00Z: Zoe said so",
            "reasons": ["at 2026-03-02T09:00:00Z."],
            "subject": "Order 2026-03-02T09:00:00Z please",
            "message_id": "2026-03-02T09:00:00Z@example.com",
            "content": { "text": "see 2026-03-02T09:00:00Z" },
        });
        let told = berlin(None).of(&answer);
        assert_eq!(told["since"], "2026-03-02 10:00:00 +01:00");
        assert_eq!(told["due"], "2026-07-02 11:00:00 +02:00");
        assert_eq!(
            told["why"],
            "held since 2026-03-02 10:00:00 +01:00, until 2026-07-02 11:00:00 +02:00: Zoe said so"
        );
        assert_eq!(told["reasons"][0], "at 2026-03-02 10:00:00 +01:00.");
        for key in ["subject", "message_id", "content"] {
            assert_eq!(told[key], answer[key], "{key}");
        }
        let utc = Wording {
            zone: TimeZone::UTC,
            config: None,
        };
        assert_eq!(utc.of(&answer)["since"], "2026-03-02 09:00:00 UTC");
    }

    #[test]
    fn commands_can_be_typed_as_they_stand() {
        let wording = berlin(Some("/etc/x.toml"));
        for (said, told) in [
            (
                "liaison panic off",
                "liaison --config /etc/x.toml panic off",
            ),
            (
                "`liaison panic on` stops it",
                "`liaison --config /etc/x.toml panic on` stops it",
            ),
            ("a liaison of two firms", "a liaison of two firms"),
        ] {
            assert_eq!(wording.of(&json!({ "undo": said }))["undo"], told);
            assert_eq!(berlin(None).of(&json!({ "undo": said }))["undo"], said);
        }
    }
}
