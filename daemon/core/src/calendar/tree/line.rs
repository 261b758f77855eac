//! A property that is about to be written: sanitised when it is made, folded when it is laid down.

use super::super::event::{Attendee, PartStat, Role};
use super::super::property::Property;
use super::super::value::EventTime;
use crate::time::Timestamp;

/// Octets of one physical line without its end (RFC 5545 section 3.1).
const FOLD_AT: usize = 75;

/// A property whose values cannot leave it: nothing in a subject or a name adds a line, a
/// parameter or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProperty {
    name: String,
    params: Vec<(String, Vec<String>)>,
    /// As written: TEXT is escaped.
    value: String,
    /// Whether a comma that is not escaped separates.
    is_list: bool,
}

impl NewProperty {
    fn new(name: &str, value: String) -> NewProperty {
        NewProperty {
            name: name.trim().to_ascii_uppercase(),
            params: Vec::new(),
            value,
            is_list: false,
        }
    }

    /// A TEXT value (SUMMARY, DESCRIPTION, LOCATION, most `X-`): control characters but line feeds
    /// are left out, the rest is escaped.
    #[must_use]
    pub fn text(name: &str, text: &str) -> NewProperty {
        NewProperty::new(name, escaped(text))
    }

    /// A list of TEXT values (CATEGORIES, RESOURCES).
    #[must_use]
    pub fn texts<'a>(name: &str, items: impl IntoIterator<Item = &'a str>) -> NewProperty {
        let items: Vec<String> = items.into_iter().map(escaped).collect();
        NewProperty {
            is_list: true,
            ..NewProperty::new(name, items.join(","))
        }
    }

    /// A word of the grammar (`CONFIRMED`, `OPAQUE`) or a marker without anything to escape: visible
    /// ASCII only.
    #[must_use]
    pub fn word(name: &str, word: &str) -> NewProperty {
        let kept = word
            .chars()
            .filter(|c| c.is_ascii_graphic() && !matches!(c, '\\' | ';' | ',' | '"'));
        NewProperty::new(name, kept.collect())
    }

    /// An INTEGER (SEQUENCE).
    #[must_use]
    pub fn number(name: &str, number: i64) -> NewProperty {
        NewProperty::new(name, number.to_string())
    }

    /// An instant in UTC (DTSTAMP, LAST-MODIFIED, CREATED).
    #[must_use]
    pub fn instant(name: &str, at: Timestamp) -> NewProperty {
        let at = jiff::tz::TimeZone::UTC.to_datetime(at.to_jiff());
        NewProperty::new(name, at.strftime("%Y%m%dT%H%M%SZ").to_string())
    }

    /// A date or a date with time (DTSTART, DTEND). A TZID must be defined in the object.
    #[must_use]
    pub fn time(name: &str, time: &EventTime) -> NewProperty {
        let wall = time.wall().strftime("%Y%m%dT%H%M%S").to_string();
        match time {
            EventTime::Date(date) => {
                NewProperty::new(name, date.strftime("%Y%m%d").to_string()).param("VALUE", "DATE")
            }
            EventTime::Utc(_) => NewProperty::new(name, wall + "Z"),
            EventTime::Floating(_) => NewProperty::new(name, wall),
            EventTime::Zoned { tzid, .. } => NewProperty::new(name, wall).param("TZID", tzid),
        }
    }

    /// A URI (URL, CONFERENCE): everything outside printable ASCII is percent-encoded.
    #[must_use]
    pub fn uri(name: &str, uri: &str) -> NewProperty {
        let mut value = String::with_capacity(uri.len());
        for byte in uri.trim().bytes() {
            if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\') {
                value.push(char::from(byte));
            } else {
                value.push_str(&format!("%{byte:02X}"));
            }
        }
        NewProperty::new(name, value)
    }

    /// ORGANIZER or ATTENDEE with CN, ROLE and PARTSTAT; an address that is no URI becomes `mailto:`.
    ///
    /// An ORGANIZER has neither ROLE nor PARTSTAT.
    #[must_use]
    pub fn person(name: &str, person: &Attendee) -> NewProperty {
        let address = person.address.trim();
        let is_uri = ["mailto:", "urn:", "http:", "https:"].iter().any(|scheme| {
            let start = address.get(..scheme.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        });
        let uri = if is_uri {
            address.to_owned()
        } else {
            format!("mailto:{address}")
        };
        let mut property = NewProperty::uri(name, &uri);
        if let Some(known) = person.name.as_deref().filter(|name| !name.is_empty()) {
            property = property.param("CN", known);
        }
        if property.name == "ORGANIZER" {
            return property;
        }
        let role = match person.role {
            Role::Chair => "CHAIR",
            Role::Required => "REQ-PARTICIPANT",
            Role::Optional => "OPT-PARTICIPANT",
            Role::Informed => "NON-PARTICIPANT",
        };
        let partstat = match person.partstat {
            PartStat::NeedsAction => "NEEDS-ACTION",
            PartStat::Accepted => "ACCEPTED",
            PartStat::Declined => "DECLINED",
            PartStat::Tentative => "TENTATIVE",
            PartStat::Delegated => "DELEGATED",
        };
        property.param("ROLE", role).param("PARTSTAT", partstat)
    }

    /// With one more parameter; control characters but line feeds are left out of it.
    #[must_use]
    pub fn param(mut self, name: &str, value: &str) -> NewProperty {
        let value = value.replace("\r\n", "\n").replace('\r', "\n");
        let kept = value.chars().filter_map(|c| match c {
            '\u{85}' | '\u{2028}' | '\u{2029}' => Some('\n'),
            '\t' => Some(' '),
            c if c.is_control() && c != '\n' => None,
            c => Some(c),
        });
        self.params
            .push((name.trim().to_ascii_uppercase(), vec![kept.collect()]));
        self
    }

    /// The name in upper case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The TZID it uses, if any.
    pub(super) fn tzid(&self) -> Option<&str> {
        let (_, values) = self.params.iter().find(|(key, _)| key == "TZID")?;
        values.first().map(String::as_str)
    }

    /// Whether all names are names, and not those that open and close components.
    pub(super) fn is_well_named(&self) -> bool {
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        is_name(&self.name)
            && !matches!(self.name.as_str(), "BEGIN" | "END")
            && self.params.iter().all(|(name, _)| is_name(name))
    }

    /// Whether a line that was read says the same already.
    pub(super) fn is_said_by(&self, read: &Property) -> bool {
        let own = Property {
            value: self.value.clone(),
            ..read.clone()
        };
        self.name == read.name
            && self.params == read.params
            && own.text() == read.text()
            && (!self.is_list || own.text_list() == read.text_list())
    }

    /// The content line, not yet folded.
    pub(super) fn line(&self) -> String {
        let mut line = self.name.clone();
        for (name, values) in &self.params {
            line.push(';');
            line.push_str(name);
            for (index, value) in values.iter().enumerate() {
                line.push(if index == 0 { '=' } else { ',' });
                line.push_str(&encode_param(value));
            }
        }
        line.push(':');
        line.push_str(&self.value);
        line
    }
}

/// TEXT as it stands in a file (RFC 5545 section 3.3.11).
fn escaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            // Some readers end a line at the last three, too.
            '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => value.push_str("\\n"),
            '\t' => value.push(' '),
            '\\' | ';' | ',' => value.extend(['\\', c]),
            c if c.is_control() => {}
            c => value.push(c),
        }
    }
    value
}

/// RFC 6868, and quotes where the value holds what would end it.
fn encode_param(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '^' => encoded.push_str("^^"),
            '"' => encoded.push_str("^'"),
            '\n' => encoded.push_str("^n"),
            c => encoded.push(c),
        }
    }
    if encoded.contains([',', ';', ':']) {
        format!("\"{encoded}\"")
    } else {
        encoded
    }
}

/// The line with `end` behind it, folded at [`FOLD_AT`] octets and never inside a character.
pub(super) fn folded(line: &str, end: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len().saturating_add(16));
    let mut room = FOLD_AT;
    let mut buffer = [0_u8; 4];
    for c in line.chars() {
        let encoded = c.encode_utf8(&mut buffer).as_bytes();
        if encoded.len() > room {
            out.extend_from_slice(end);
            out.push(b' ');
            room = FOLD_AT.saturating_sub(1);
        }
        out.extend_from_slice(encoded);
        room = room.saturating_sub(encoded.len());
    }
    out.extend_from_slice(end);
    out
}
