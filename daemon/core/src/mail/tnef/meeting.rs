//! Meeting requests and answers that exist as Outlook's properties only (MS-OXOCAL, MS-OXCICAL).

use std::fmt::Write;

use super::properties::{Octets, Properties};
use crate::mail::address::clean_text;
use crate::time::Timestamp;

/// PSETID_Meeting {6ED8DA90-450B-101B-98DA-00AA003F1305}.
const MEETING: [u8; 16] = [
    0x90, 0xDA, 0xD8, 0x6E, 0x0B, 0x45, 0x1B, 0x10, 0x98, 0xDA, 0x00, 0xAA, 0x00, 0x3F, 0x13, 0x05,
];
/// PSETID_Appointment {00062002-0000-0000-C000-000000000046}.
const APPOINTMENT: [u8; 16] = [
    0x02, 0x20, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0xC0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46,
];
const GLOBAL_ID: u32 = 0x0003;
const CLEAN_GLOBAL_ID: u32 = 0x0023;
const SEQUENCE: u32 = 0x8201;
const LOCATION: u32 = 0x8208;
const STARTS: u32 = 0x820D;
const ENDS: u32 = 0x820E;
const RECURS: u32 = 0x8223;
/// PidTagStartDate, PidTagEndDate.
const START_DATE: u16 = 0x0060;
const END_DATE: u16 = 0x0061;
/// Where the date of one occurrence stands in a Global Object ID, and where its data begin.
const OCCURRENCE: std::ops::Range<usize> = 16..20;
const ID_DATA: usize = 40;
/// Begins the data of an id that came from another calendar program.
const FOREIGN_UID: &[u8] = b"vCal-Uid\x01\0\0\0";
/// Octets of a line of iCalendar (RFC 5545 3.1).
const MAX_LINE_BYTES: usize = 75;

/// What a message class says of a meeting.
const CLASSES: &[(&str, &str, Option<&str>)] = &[
    ("ipm.schedule.meeting.request", "REQUEST", None),
    ("ipm.schedule.meeting.canceled", "CANCEL", None),
    ("ipm.schedule.meeting.resp.pos", "REPLY", Some("ACCEPTED")),
    ("ipm.schedule.meeting.resp.neg", "REPLY", Some("DECLINED")),
    ("ipm.schedule.meeting.resp.tent", "REPLY", Some("TENTATIVE")),
    ("ipm.microsoft schedule.mtgreq", "REQUEST", None),
    ("ipm.microsoft schedule.mtgcncl", "CANCEL", None),
    ("ipm.microsoft schedule.mtgrespp", "REPLY", Some("ACCEPTED")),
    ("ipm.microsoft schedule.mtgrespn", "REPLY", Some("DECLINED")),
    (
        "ipm.microsoft schedule.mtgrespa",
        "REPLY",
        Some("TENTATIVE"),
    ),
];

/// A meeting, as far as the properties tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meeting {
    /// METHOD (RFC 5546): `REQUEST`, `CANCEL` or `REPLY`.
    pub(crate) method: &'static str,
    answer: Option<&'static str>,
    uid: Option<String>,
    starts: Option<Timestamp>,
    ends: Option<Timestamp>,
    location: Option<String>,
    sequence: u32,
    /// It recurs; how is not read.
    pub(crate) recurs: bool,
}

/// Who wrote the message to whom, and what about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Roles<'a> {
    pub(crate) from: Option<&'a str>,
    pub(crate) to: &'a [String],
    pub(crate) subject: &'a str,
}

impl Meeting {
    pub(super) fn read(class: &str, properties: &Properties<'_>, label: &str) -> Option<Meeting> {
        let class = class.trim().to_ascii_lowercase();
        let (_, method, answer) = CLASSES.iter().find(|(name, ..)| {
            class
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })?;
        let time = |named: u32, fixed: u16| {
            properties
                .named_instant(APPOINTMENT, named)
                .or_else(|| properties.instant(fixed))
        };
        let id = properties
            .named(MEETING, CLEAN_GLOBAL_ID)
            .or_else(|| properties.named(MEETING, GLOBAL_ID));
        let location = properties.named_text(APPOINTMENT, LOCATION, label);
        let sequence = properties.named(APPOINTMENT, SEQUENCE);
        Some(Meeting {
            method,
            answer: *answer,
            uid: id.and_then(uid),
            starts: time(STARTS, START_DATE),
            ends: time(ENDS, END_DATE),
            location: location.filter(|place| !place.is_empty()),
            sequence: sequence
                .and_then(|value| Octets(value).u32())
                .unwrap_or_default(),
            recurs: properties
                .named(APPOINTMENT, RECURS)
                .and_then(|value| value.first())
                .is_some_and(|byte| *byte != 0),
        })
    }

    /// The meeting as a calendar object (MS-OXCICAL 2.1); lines end in `\n`.
    pub(crate) fn calendar(&self, roles: Roles<'_>) -> String {
        let mut out = format!(
            "BEGIN:VCALENDAR\nPRODID:-//Liaison//from TNEF//EN\nVERSION:2.0\nMETHOD:{}\n\
             BEGIN:VEVENT\n",
            self.method
        );
        let mut line = |text: String| fold(&mut out, &text);
        if let Some(uid) = &self.uid {
            line(format!("UID:{}", escape(uid)));
        }
        for (name, at) in [("DTSTART", self.starts), ("DTEND", self.ends)] {
            if let Some(at) = at {
                line(format!(
                    "{name}:{}",
                    at.to_jiff().strftime("%Y%m%dT%H%M%SZ")
                ));
            }
        }
        line(format!("SUMMARY:{}", escape(roles.subject)));
        if let Some(location) = &self.location {
            line(format!("LOCATION:{}", escape(location)));
        }
        line(format!("SEQUENCE:{}", self.sequence));
        match self.answer {
            None => {
                line(format!(
                    "ORGANIZER:mailto:{}",
                    roles.from.unwrap_or_default()
                ));
                for to in roles.to {
                    line(format!("ATTENDEE:mailto:{to}"));
                }
            }
            Some(answer) => {
                for to in roles.to.iter().take(1) {
                    line(format!("ORGANIZER:mailto:{to}"));
                }
                let from = roles.from.unwrap_or_default();
                line(format!("ATTENDEE;PARTSTAT={answer}:mailto:{from}"));
            }
        }
        if self.method == "CANCEL" {
            line("STATUS:CANCELLED".to_owned());
        }
        out.push_str("END:VEVENT\nEND:VCALENDAR\n");
        out
    }
}

/// The UID of a Global Object ID (MS-OXCICAL 2.1.3.1.1.20.26): that of the program which made it,
/// else all of it in hexadecimal, without the date of an occurrence.
fn uid(id: &[u8]) -> Option<String> {
    let foreign = id
        .get(ID_DATA..)
        .and_then(|data| data.strip_prefix(FOREIGN_UID));
    if let Some(foreign) = foreign {
        let text = String::from_utf8_lossy(foreign);
        let text = clean_text(text.trim_end_matches('\0'));
        return Some(text).filter(|text| !text.is_empty());
    }
    if id.is_empty() {
        return None;
    }
    let mut out = String::new();
    for (at, byte) in id.iter().enumerate() {
        let byte = if OCCURRENCE.contains(&at) { 0 } else { *byte };
        // Writing to a string never fails.
        let _ = write!(out, "{byte:02X}");
    }
    Some(out)
}

/// A text value (RFC 5545 3.3.11).
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in clean_text(text).chars() {
        if matches!(c, '\\' | ';' | ',') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A line, folded (RFC 5545 3.1).
fn fold(out: &mut String, text: &str) {
    let mut rest = clean_text(text);
    while rest.len() > MAX_LINE_BYTES {
        let tail = rest.split_off(rest.floor_char_boundary(MAX_LINE_BYTES));
        out.push_str(&rest);
        out.push_str("\n ");
        rest = tail;
    }
    out.push_str(&rest);
    out.push('\n');
}
