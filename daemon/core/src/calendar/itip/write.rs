//! What we say of a meeting: the object of a REQUEST, CANCEL or REPLY.
//!
//! Everything from outside is cleaned, and what was written is read again and compared: an object
//! that does not say what was meant is not handed out.

use jiff::tz::TimeZone;

use super::super::event::{PartStat, answer_of};
use super::super::hold::{
    PRODID, clean_line, clean_text, local_zone, time_text, utc_text, vtimezone, whole_seconds,
};
use super::{Heard, Method, PEOPLE_MAX, TITLE_CHARS_MAX, UID_BYTES_MAX, hear};
use crate::mail::CalendarPart;
use crate::mail::address::Address;
use crate::message::Person;
use crate::time::{Timestamp, Window};

/// Longest line without its end, in bytes (RFC 5545 section 3.1).
const LINE_BYTES_MAX: usize = 75;
/// Longest description, in characters.
const NOTE_CHARS_MAX: usize = 4_000;
/// Longest name of a person, in characters.
const NAME_CHARS_MAX: usize = 40;

/// Something that we say of a meeting.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    /// REQUEST, CANCEL or REPLY.
    pub method: Method,
    /// UID, the same as in the calendar.
    pub uid: &'a str,
    /// SEQUENCE: of what is answered, or what was stored before this is sent.
    pub sequence: i64,
    /// DTSTAMP: another one in each message, or receivers take it for a repeat.
    pub now: Timestamp,
    /// SUMMARY.
    pub title: &'a str,
    /// DESCRIPTION; empty for none.
    pub note: &'a str,
    /// When it takes place.
    pub when: Window,
    /// IANA zone in which it is meant.
    pub zone: &'a str,
    /// Which time of a series.
    pub at: Option<Timestamp>,
    /// ORGANIZER.
    pub organizer: &'a Person,
    /// Who writes for the organizer (in a REPLY: for the attendee), where that is somebody else.
    pub sent_by: Option<&'a str>,
    /// ATTENDEEs with their answers; in a REPLY the one who answers.
    pub people: &'a [(Person, PartStat)],
}

impl Statement<'_> {
    /// The object, with CRLF line ends and the VTIMEZONE of its times.
    ///
    /// # Errors
    /// Why it cannot be said, in words.
    pub fn write(&self) -> Result<String, String> {
        let text = self.text()?;
        let part = CalendarPart {
            method: Some(self.method.as_str().to_owned()),
            text: text.clone(),
        };
        match hear(&[part], &TimeZone::UTC) {
            Ok(Some(heard)) if self.is_said_by(&heard) => Ok(text),
            Ok(_) => Err("what was written does not say what was meant".to_owned()),
            Err(why) => Err(format!("what was written cannot be read: {why}")),
        }
    }

    fn is_said_by(&self, heard: &Heard) -> bool {
        let [part] = heard.parts.as_slice() else {
            return false;
        };
        let people: Vec<_> = part
            .people
            .iter()
            .map(|one| (&one.person.email, one.answer))
            .collect();
        let meant: Vec<_> = self
            .people
            .iter()
            .map(|(who, answer)| (&who.email, *answer))
            .collect();
        let organizer = heard.organizer.as_ref().map(|who| &who.email);
        (heard.method, heard.uid.as_str(), part.at) == (self.method, self.uid, self.at)
            && part.when == Some(whole_seconds(self.when))
            && part.mark.sequence == self.sequence
            && organizer == Some(&self.organizer.email)
            && heard.sent_by.as_deref() == self.sent_by
            && people == meant
    }

    fn text(&self) -> Result<String, String> {
        let is_reply = self.method == Method::Reply;
        match (self.method, self.people.len()) {
            (Method::Request | Method::Cancel, 1..=PEOPLE_MAX) | (Method::Reply, 1) => {}
            (Method::Request | Method::Cancel | Method::Reply, count) => {
                return Err(format!(
                    "a {} to {count} people cannot be written",
                    self.method
                ));
            }
            (other, _) => return Err(format!("we say no {other}")),
        }
        if self.uid.is_empty()
            || self.uid.len() > UID_BYTES_MAX
            || self.uid.chars().any(char::is_control)
        {
            return Err("its UID cannot be written".to_owned());
        }
        let zone = local_zone(self.zone);
        let mut out = Lines::default();
        out.put("BEGIN:VCALENDAR");
        out.put("VERSION:2.0");
        out.put(&format!("PRODID:{PRODID}"));
        out.put("CALSCALE:GREGORIAN");
        out.put(&format!("METHOD:{}", self.method));
        if let Some(zone) = &zone {
            out.text
                .push_str(&vtimezone(zone, self.zone.trim(), self.when));
        }
        out.put("BEGIN:VEVENT");
        out.put(&format!("UID:{}", escaped(self.uid)));
        out.put(&format!("DTSTAMP:{}", utc_text(self.now)));
        out.put(&format!("SEQUENCE:{}", self.sequence));
        let mut time = |name: &str, at: Timestamp| {
            let tzid = match zone {
                Some(_) => format!(";TZID={}", self.zone.trim()),
                None => String::new(),
            };
            out.put(&format!("{name}{tzid}:{}", time_text(at, zone.as_ref())));
        };
        // Also in CANCEL and REPLY: some programs refuse an object without.
        time("DTSTART", self.when.start);
        time("DTEND", self.when.end);
        if let Some(at) = self.at {
            time("RECURRENCE-ID", at);
        }
        let title = clean_line(self.title, TITLE_CHARS_MAX);
        out.put(&format!("SUMMARY:{}", escaped(&title)));
        let note = clean_text(self.note, NOTE_CHARS_MAX);
        if !note.is_empty() {
            out.put(&format!("DESCRIPTION:{}", escaped(&note)));
        }
        match self.method {
            Method::Cancel => out.put("STATUS:CANCELLED"),
            Method::Request => out.put("STATUS:CONFIRMED"),
            _ => {}
        }
        let by = |acts: bool| self.sent_by.filter(|_| acts);
        out.put(&person("ORGANIZER", self.organizer, by(!is_reply), "")?);
        for (who, answer) in self.people {
            let asks = if self.method == Method::Request {
                ";RSVP=TRUE"
            } else {
                ""
            };
            let answer = answer_of(*answer).to_uppercase();
            let more = format!(";ROLE=REQ-PARTICIPANT;PARTSTAT={answer}{asks}");
            out.put(&person("ATTENDEE", who, by(is_reply), &more)?);
        }
        out.put("END:VEVENT");
        out.put("END:VCALENDAR");
        Ok(out.text)
    }
}

fn person(
    property: &str,
    who: &Person,
    sent_by: Option<&str>,
    more: &str,
) -> Result<String, String> {
    let mut line = property.to_owned();
    let name = who
        .name
        .as_deref()
        .map(|name| clean_line(name, NAME_CHARS_MAX));
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        line.push_str(&format!(";CN=\"{}\"", quoted(&name)));
    }
    line.push_str(more);
    if let Some(by) = sent_by {
        line.push_str(&format!(";SENT-BY=\"mailto:{}\"", uri(by)?));
    }
    line.push_str(&format!(":mailto:{}", uri(&who.email)?));
    Ok(line)
}

/// An address that may stand in a URI as it is.
fn uri(email: &str) -> Result<&str, String> {
    let plain = |c: char| c.is_ascii_graphic() && !"\"\\<>;,:?#%&/ ".contains(c);
    match Address::parse(email) {
        Ok(_) if email.chars().all(plain) => Ok(email),
        _ => Err("one of its addresses cannot be written into an invitation".to_owned()),
    }
}

/// The value of a parameter, between double quotes (RFC 6868).
fn quoted(text: &str) -> String {
    text.replace('^', "^^").replace('"', "^'")
}

/// TEXT as it stands in a file (RFC 5545 section 3.3.11).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out
}

#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn put(&mut self, line: &str) {
        let mut width = 0_usize;
        for c in line.chars() {
            if width.saturating_add(c.len_utf8()) > LINE_BYTES_MAX {
                self.text.push_str("\r\n ");
                width = 1;
            }
            self.text.push(c);
            width = width.saturating_add(c.len_utf8());
        }
        self.text.push_str("\r\n");
    }
}

#[cfg(test)]
mod tests;
