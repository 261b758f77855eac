//! A feed: one file with all events of a calendar, cut into one object for each UID.
//!
//! Feeds are written anew for each reader. So an object keeps its bytes, but its version is that
//! of what it says: stamps do not count, and neither does the UID, which some servers make up each
//! time. What the file says of zones goes along where an event names them.

mod lines;

use std::collections::{BTreeMap, BTreeSet};

use self::lines::{Line, Lines};
use super::gate::{MAX_BYTES, MAX_DEPTH};
use super::value::read_duration;
use crate::ids::derive;

/// Bytes of one feed: some 25,000 events.
pub const MAX_FEED_BYTES: usize = 10 * 1024 * 1024;
/// Calendars, events and zones in one feed.
pub const MAX_FEED_COMPONENTS: usize = 50_000;
/// Bytes of all objects together: each has the zones that it names.
pub const MAX_FEED_OBJECT_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of one VTIMEZONE; real ones have a few thousand.
pub const MAX_FEED_ZONE_BYTES: usize = 64 * 1024;
/// Bytes of one line about the whole calendar that goes into each object.
const MAX_HEADER_BYTES: usize = 256;

/// Lines about the whole calendar that an event is read by.
const HEADERS: [&str; 4] = ["VERSION", "PRODID", "CALSCALE", "X-WR-TIMEZONE"];
/// Lines that change without anybody changing the event.
const VOLATILE: [&str; 5] = ["DTSTAMP", "LAST-MODIFIED", "CREATED", "PRODID", "UID"];

/// Why a file is not used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// No bytes but white space.
    #[error("it is empty")]
    Empty,
    /// HTML or XML.
    #[error(
        "it is a web page and no calendar, maybe one to log in at: take the address of the \
         calendar in iCal format (.ics) from the settings of its provider"
    )]
    WebPage,
    /// Something else.
    #[error("it is no iCalendar file: it does not begin with BEGIN:VCALENDAR")]
    NoCalendar,
    /// The end is missing.
    #[error("it does not end with END:VCALENDAR: it was cut off on the way")]
    Cut,
    /// More than [`MAX_FEED_BYTES`].
    #[error("it has {bytes} bytes, more than {MAX_FEED_BYTES}: subscribe to a shorter time")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// More than [`MAX_FEED_COMPONENTS`].
    #[error("it has more than {MAX_FEED_COMPONENTS} events: subscribe to a shorter time")]
    TooMany,
    /// More than [`MAX_FEED_OBJECT_BYTES`].
    #[error(
        "its events and the zones that they name have more than {MAX_FEED_OBJECT_BYTES} bytes: \
         subscribe to a shorter time"
    )]
    TooMuch,
}

/// One event or series with all its overrides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedObject {
    /// Its UID, or what stands for it: unique in the feed.
    pub identity: String,
    /// The same for the same content, whatever its stamps and its UID are.
    pub version: String,
    /// A VCALENDAR of its own.
    pub data: Vec<u8>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedTrouble {
    /// Whose it is, where that could be read.
    pub identity: Option<String>,
    /// In words.
    pub what: String,
}

/// What is in a feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feed {
    /// Its objects, by identity.
    pub objects: Vec<FeedObject>,
    /// What is not in them. An object with the same identity lacks a part.
    pub troubles: Vec<FeedTrouble>,
    /// How often its provider says that it changes (RFC 7986 section 5.7, X-PUBLISHED-TTL).
    pub refresh_secs: Option<u64>,
}

/// Cuts a feed into its objects.
///
/// # Errors
/// [`FeedError`], where the file as a whole is none or too much; a part that is broken is listed
/// in [`Feed::troubles`] and costs no other one.
pub fn split_feed(bytes: &[u8]) -> Result<Feed, FeedError> {
    if bytes.len() > MAX_FEED_BYTES {
        return Err(FeedError::TooLarge { bytes: bytes.len() });
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let bytes = bytes.trim_ascii_start();
    let mut splitter = Splitter::default();
    let mut lines = Lines::of(bytes);
    let is_first = |line: &Line<'_>| line.is(b"BEGIN", "VCALENDAR");
    match lines.next() {
        None => return Err(FeedError::Empty),
        Some(line) if is_first(&line) => splitter.take(&line)?,
        Some(line) if line.text.starts_with(b"<") => return Err(FeedError::WebPage),
        Some(_) => return Err(FeedError::NoCalendar),
    }
    let mut ended = false;
    for line in lines {
        ended = line.is(b"END", "VCALENDAR");
        splitter.take(&line)?;
    }
    if !ended {
        return Err(FeedError::Cut);
    }
    splitter.finish(bytes)
}

#[derive(Debug, Default)]
struct Calendar<'a> {
    headers: Vec<(&'static str, &'a [u8])>,
    zones: BTreeMap<String, Part>,
}

/// One component: where its lines stand, one behind the other.
#[derive(Debug, Default)]
struct Part {
    start: usize,
    bytes: usize,
    /// What it says, without what is volatile.
    says: Vec<u8>,
}

impl Part {
    fn take(&mut self, line: &Line<'_>) {
        if self.bytes == 0 {
            self.start = line.start;
        }
        self.bytes = self.bytes.saturating_add(line.raw.len());
        if !VOLATILE.iter().any(|name| line.is_named(name)) {
            self.says.extend_from_slice(&line.text);
            self.says.push(b'\n');
        }
    }
}

#[derive(Debug, Default)]
struct Event {
    calendar: usize,
    part: Part,
    uid: String,
    start: String,
    summary: String,
    recurrence_id: String,
    sequence: u64,
    zones: BTreeSet<String>,
}

impl Event {
    fn take(&mut self, line: &Line<'_>, own: bool) {
        self.part.take(line);
        self.zones.extend(line.tzid());
        if !own {
            return;
        }
        let first = |slot: &mut String, text: String| {
            if slot.is_empty() {
                *slot = text;
            }
        };
        // Of times their parameters count, too.
        let whole = || String::from_utf8_lossy(&line.text).into_owned();
        match line.name().as_slice() {
            b"UID" => first(&mut self.uid, line.value().trim().to_owned()),
            b"DTSTART" => first(&mut self.start, whole()),
            b"SUMMARY" => first(&mut self.summary, line.value()),
            b"RECURRENCE-ID" => first(&mut self.recurrence_id, whole()),
            b"SEQUENCE" => self.sequence = line.value().trim().parse().unwrap_or_default(),
            _ => {}
        }
    }

    /// What stands for an event that has no UID of its own.
    fn identity(&self) -> String {
        let parts = [&self.uid, &self.start, &self.summary, &self.recurrence_id];
        let parts = parts.map(|part| part.as_bytes());
        format!("feed-{}", derive("liaison feed event 1", &parts))
    }
}

#[derive(Debug)]
enum Kind {
    Event(Box<Event>),
    Zone { name: String, part: Part },
}

/// The event or zone that is being read.
#[derive(Debug)]
struct Open {
    line: usize,
    kind: Kind,
    /// Components inside it that have no END yet.
    inside: usize,
    too_deep: bool,
}

#[derive(Debug, Default)]
struct Splitter<'a> {
    calendars: Vec<Calendar<'a>>,
    events: Vec<Event>,
    troubles: Vec<FeedTrouble>,
    open: Option<Open>,
    /// Other components that have no END yet.
    others: usize,
    components: usize,
    refresh_secs: Option<u64>,
}

impl<'a> Splitter<'a> {
    fn take(&mut self, line: &Line<'a>) -> Result<(), FeedError> {
        let mark = line.mark();
        match mark.as_ref().map(|(begins, name)| (*begins, name.as_str())) {
            Some((true, "VCALENDAR")) => {
                self.abandon();
                self.others = 0;
                self.calendars.push(Calendar::default());
                self.count()
            }
            Some((false, "VCALENDAR")) => {
                self.abandon();
                self.others = 0;
                Ok(())
            }
            // Neither is ever inside another one: that lacks its END.
            Some((true, "VEVENT")) => {
                let calendar = self.calendars.len().saturating_sub(1);
                let event = Event {
                    calendar,
                    ..Event::default()
                };
                self.begin(line, Kind::Event(Box::new(event)))
            }
            Some((true, "VTIMEZONE")) => self.begin(
                line,
                Kind::Zone {
                    name: String::new(),
                    part: Part::default(),
                },
            ),
            _ => {
                match &mut self.open {
                    Some(open) => {
                        if open.take(line, mark.as_ref()) {
                            self.close();
                        }
                    }
                    None => self.beside(line, mark.as_ref()),
                }
                Ok(())
            }
        }
    }

    fn count(&mut self) -> Result<(), FeedError> {
        self.components = self.components.saturating_add(1);
        match self.components > MAX_FEED_COMPONENTS {
            true => Err(FeedError::TooMany),
            false => Ok(()),
        }
    }

    fn begin(&mut self, line: &Line<'a>, kind: Kind) -> Result<(), FeedError> {
        self.abandon();
        let mut open = Open {
            line: line.number,
            kind,
            inside: 0,
            too_deep: false,
        };
        open.keep(line);
        self.open = Some(open);
        self.count()
    }

    /// A line that belongs to no event and no zone.
    fn beside(&mut self, line: &Line<'a>, mark: Option<&(bool, String)>) {
        match mark {
            Some((true, _)) => self.others = self.others.saturating_add(1),
            Some((false, _)) => self.others = self.others.saturating_sub(1),
            None if self.others == 0 => self.header(line),
            None => {}
        }
    }

    fn header(&mut self, line: &Line<'a>) {
        let Some(calendar) = self.calendars.last_mut() else {
            return;
        };
        if let Some(name) = HEADERS.into_iter().find(|name| line.is_named(name))
            && line.raw.len() <= MAX_HEADER_BYTES
            && !calendar.headers.iter().any(|(known, _)| *known == name)
        {
            calendar.headers.push((name, line.raw));
        }
        if line.is_named("REFRESH-INTERVAL")
            || (line.is_named("X-PUBLISHED-TTL") && self.refresh_secs.is_none())
        {
            self.refresh_secs = read_duration(&line.value())
                .and_then(|every| every.days.checked_mul(86_400)?.checked_add(every.seconds))
                .and_then(|seconds| u64::try_from(seconds).ok())
                .or(self.refresh_secs);
        }
    }

    /// The component that is open has its END.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        if open.too_deep {
            let what = format!("has components more than {MAX_DEPTH} deep inside each other");
            return self.trouble(open, &what);
        }
        if matches!(&open.kind, Kind::Zone { part, .. } if part.bytes > MAX_FEED_ZONE_BYTES) {
            let what = format!("has more than {MAX_FEED_ZONE_BYTES} bytes");
            return self.trouble(open, &what);
        }
        match open.kind {
            Kind::Event(event) => self.events.push(*event),
            Kind::Zone { name, part } => {
                if let Some(calendar) = self.calendars.last_mut() {
                    calendar.zones.entry(name).or_insert(part);
                }
            }
        }
    }

    /// The component that is open never had its END.
    fn abandon(&mut self) {
        if let Some(open) = self.open.take() {
            self.trouble(open, "has no END of its own");
        }
    }

    fn trouble(&mut self, open: Open, what: &str) {
        let (name, identity) = match open.kind {
            Kind::Event(event) if event.uid.is_empty() => ("event", Some(event.identity())),
            Kind::Event(event) => ("event", Some(event.uid)),
            Kind::Zone { .. } => ("time zone", None),
        };
        self.troubles.push(FeedTrouble {
            identity,
            what: format!("the {name} in line {} {what}", open.line),
        });
    }

    fn finish(mut self, bytes: &[u8]) -> Result<Feed, FeedError> {
        let mut feed = Feed {
            refresh_secs: self.refresh_secs,
            ..Feed::default()
        };
        let mut left = MAX_FEED_OBJECT_BYTES;
        for (identity, events) in grouped(std::mem::take(&mut self.events)) {
            let built = Built::of(bytes, &self.calendars, &events);
            if built.bytes > MAX_BYTES {
                let what = format!("it has {} bytes, more than {MAX_BYTES}", built.bytes);
                self.troubles.push(FeedTrouble {
                    identity: Some(identity),
                    what,
                });
                continue;
            }
            left = left.checked_sub(built.bytes).ok_or(FeedError::TooMuch)?;
            let version = derive("liaison feed version 1", &built.says);
            feed.objects.push(FeedObject {
                identity,
                version,
                data: built.parts.concat(),
            });
        }
        feed.troubles = self.troubles;
        Ok(feed)
    }
}

impl Open {
    /// Takes a line in; whether it was the END.
    fn take(&mut self, line: &Line<'_>, mark: Option<&(bool, String)>) -> bool {
        self.keep(line);
        let own = match self.kind {
            Kind::Event(_) => "VEVENT",
            Kind::Zone { .. } => "VTIMEZONE",
        };
        match mark {
            Some((true, _)) => {
                self.inside = self.inside.saturating_add(1);
                // The calendar around it is one, too.
                self.too_deep |= self.inside.saturating_add(2) > MAX_DEPTH;
            }
            Some((false, name)) if name == own => return true,
            Some((false, _)) => self.inside = self.inside.saturating_sub(1),
            None => {}
        }
        false
    }

    fn keep(&mut self, line: &Line<'_>) {
        match &mut self.kind {
            Kind::Event(event) => event.take(line, self.inside == 0),
            Kind::Zone { name, part } => {
                part.take(line);
                if self.inside == 0 && name.is_empty() && line.is_named("TZID") {
                    line.value().trim().clone_into(name);
                }
            }
        }
    }
}

/// The events of each object, by identity.
fn grouped(events: Vec<Event>) -> BTreeMap<String, Vec<Event>> {
    let mut by_uid: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    let mut groups: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    let mut alone: Vec<Event> = Vec::new();
    for event in events {
        match event.uid.is_empty() {
            true => alone.push(event),
            false => by_uid.entry(event.uid.clone()).or_default().push(event),
        }
    }
    for (uid, events) in by_uid {
        let is_master = |event: &&Event| event.recurrence_id.is_empty();
        let newest = events.iter().filter(is_master).map(|event| event.sequence);
        let newest = newest.max().unwrap_or_default();
        // An older version of an event stays beside it; different ones of the same age are
        // different events whose writer gives all the same UID.
        let (mut same, mut stay): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|event| is_master(&event) && event.sequence == newest);
        same.sort_by_cached_key(Event::identity);
        same.dedup_by(|one, other| one.part.says == other.part.says);
        if !same.is_empty() {
            stay.insert(0, same.remove(0));
        }
        alone.extend(same);
        groups.insert(uid, stay);
    }
    for event in alone {
        let first = event.identity();
        let mut name = first.clone();
        let mut number = 1_usize;
        while groups.contains_key(&name) {
            number = number.saturating_add(1);
            name = format!("{first}-{number}");
        }
        groups.insert(name, vec![event]);
    }
    groups
}

/// An object as it will be written.
#[derive(Debug, Default)]
struct Built<'b> {
    parts: Vec<&'b [u8]>,
    bytes: usize,
    says: Vec<&'b [u8]>,
}

impl<'b> Built<'b> {
    fn of(file: &'b [u8], calendars: &'b [Calendar<'_>], events: &'b [Event]) -> Built<'b> {
        let mut built = Built::default();
        let line_end = lines::line_end(file);
        let calendar = events
            .first()
            .and_then(|event| calendars.get(event.calendar));
        built.push(b"BEGIN:VCALENDAR");
        built.push(line_end.as_bytes());
        for (name, raw) in calendar.iter().flat_map(|calendar| &calendar.headers) {
            built.push(raw);
            if !VOLATILE.contains(name) {
                built.says.push(raw.trim_ascii_end());
            }
        }
        let mut named = BTreeSet::new();
        for event in events {
            for zone in &event.zones {
                let calendar = calendars.get(event.calendar);
                let found = calendar.and_then(|calendar| calendar.zones.get(zone));
                if let Some(part) = found
                    && named.insert(zone)
                {
                    built.part(file, part);
                }
            }
        }
        for event in events {
            built.part(file, &event.part);
        }
        built.push(b"END:VCALENDAR");
        built.push(line_end.as_bytes());
        built
    }

    fn part(&mut self, file: &'b [u8], part: &'b Part) {
        let end = part.start.saturating_add(part.bytes);
        self.push(file.get(part.start..end).unwrap_or_default());
        self.says.push(&part.says);
    }

    fn push(&mut self, bytes: &'b [u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len());
        self.parts.push(bytes);
    }
}

#[cfg(test)]
mod tests;
