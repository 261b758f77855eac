//! Objects that others made: changed line by line, and every other byte kept.
//!
//! A program that writes an event anew loses what it does not know: repeated properties, the order,
//! parameters of other vendors, folds. Here the bytes stay as they came. The same gate that reads an
//! object says which physical lines a property has; only those are replaced. What comes out is read
//! again and must say exactly what was meant, or nothing is changed.

mod line;

use std::collections::BTreeMap;

pub use self::line::NewProperty;
use self::line::folded;
use super::event::CalendarEvent;
use super::gate::{Gated, MAX_BYTES, MAX_LINE_BYTES, RawComponent, gate, physical_ends};
use super::property::read_property;
use super::read::read_gated;
use super::value::EventTime;
use super::zones::EventZone;
use super::{CalendarObject, MAX_PROBLEMS};
use crate::time::Timestamp;
use jiff::tz::TimeZone;

/// Changes made to one event at a time; a meeting with more people is no meeting.
pub const MAX_EDITS: usize = 500;

/// One change to the properties of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The event has this property once: the first of the name is replaced with all its parameters,
    /// further ones are removed, and where there is none it is inserted. A line that says the same
    /// already keeps its bytes.
    Set(NewProperty),
    /// One more of the name, behind those that are there.
    Add(NewProperty),
    /// None of the name.
    Remove(String),
}

impl Edit {
    fn property(&self) -> Option<&NewProperty> {
        match self {
            Edit::Set(property) | Edit::Add(property) => Some(property),
            Edit::Remove(_) => None,
        }
    }
}

/// Why an object was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// More than the gate reads.
    #[error("the object has {bytes} bytes: more than {MAX_BYTES} are not changed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No such event.
    #[error("the object has no such event: UID `{uid}`{}", .recurrence.as_deref().map(|at| format!(", instance {at}")).unwrap_or_default())]
    NoEvent {
        /// UID asked for.
        uid: String,
        /// RECURRENCE-ID asked for.
        recurrence: Option<String>,
    },
    /// BEGIN without END.
    #[error("line {line}: the event has no END of its own: it is not changed")]
    NotWhole {
        /// Line of its BEGIN.
        line: usize,
    },
    /// A name that is none.
    #[error(
        "`{0}` is no name of a property that can be changed, or has a parameter with such a name"
    )]
    Name(String),
    /// More than [`MAX_EDITS`].
    #[error("more than {MAX_EDITS} changes at a time")]
    TooMany,
    /// Longer than the gate reads.
    #[error("{0} would be longer than {MAX_LINE_BYTES} bytes")]
    TooLong(String),
    /// A TZID that the object does not define.
    #[error("the object does not define the zone `{0}`: a time in it would not be understood")]
    NoZone(String),
    /// The guard behind everything else.
    #[error("the changed object does not read as it should: it was left as it is")]
    ReadBack,
}

/// An object with its bytes.
#[derive(Debug, Clone)]
pub struct LineTree {
    bytes: Vec<u8>,
    /// Where each physical line ends, its line end included.
    ends: Vec<usize>,
    gated: Gated,
    object: CalendarObject,
}

/// One property of the event that is being changed.
struct Entry {
    /// The content line, unfolded.
    text: String,
    /// The first physical line it had (from 0) and the one after its last; `None` when it is new.
    span: Option<(usize, usize)>,
    /// Whether the bytes of the span stay.
    kept: bool,
    /// A new one stands before this physical line.
    anchor: usize,
}

impl Entry {
    fn is_named(&self, name: &str) -> bool {
        let end = self.text.find([';', ':']).unwrap_or(self.text.len());
        let own = self.text.get(..end).unwrap_or_default();
        own.trim().eq_ignore_ascii_case(name)
    }
}

impl LineTree {
    /// Reads an object; its problems are in [`LineTree::object`].
    ///
    /// # Errors
    /// [`TreeError::TooLarge`]: what was not read cannot be guarded.
    pub fn read(bytes: &[u8]) -> Result<LineTree, TreeError> {
        if bytes.len() > MAX_BYTES {
            return Err(TreeError::TooLarge { bytes: bytes.len() });
        }
        let gated = gate(bytes);
        let object = read_gated(&gated);
        Ok(LineTree {
            bytes: bytes.to_vec(),
            ends: physical_ends(bytes),
            gated,
            object,
        })
    }

    /// The object as it stands.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it says.
    #[must_use]
    pub fn object(&self) -> &CalendarObject {
        &self.object
    }

    /// The master of a series or a single event (`None`), or the override of one instance, however
    /// its start is written. Of several the one with the highest SEQUENCE, and of equals the first,
    /// as when instances are computed.
    #[must_use]
    pub fn find(&self, uid: &str, recurrence_id: Option<&EventTime>) -> Option<&CalendarEvent> {
        let wanted = recurrence_id.map(|time| (time, self.instant(time)));
        let mut best: Option<&CalendarEvent> = None;
        for event in self.object.events.iter().filter(|event| event.uid == uid) {
            let same = match (&wanted, &event.recurrence_id) {
                (None, None) => true,
                (Some((time, at)), Some(own)) => {
                    *time == own || (at.is_some() && *at == self.instant(own))
                }
                _ => false,
            };
            if same && best.is_none_or(|known| event.sequence > known.sequence) {
                best = Some(event);
            }
        }
        best
    }

    /// The instant of a time whose zone is known for certain.
    fn instant(&self, time: &EventTime) -> Option<Timestamp> {
        match time {
            EventTime::Utc(wall) => Some(EventZone::Named(TimeZone::UTC).instant(*wall)),
            EventTime::Zoned { local, tzid } => {
                let (zone, guessed) = self.object.zones.resolve(tzid, &TimeZone::UTC);
                guessed.is_none().then(|| zone.instant(*local))
            }
            EventTime::Date(_) | EventTime::Floating(_) => None,
        }
    }

    /// The object with one event changed, all edits or none.
    ///
    /// # Errors
    /// See [`TreeError`]; the object is as it was.
    pub fn edit(
        &self,
        uid: &str,
        recurrence_id: Option<&EventTime>,
        edits: &[Edit],
    ) -> Result<LineTree, TreeError> {
        self.check(edits)?;
        let no_event = || TreeError::NoEvent {
            uid: uid.chars().take(200).collect(),
            recurrence: recurrence_id.map(|time| time.wall().to_string()),
        };
        let event = self.find(uid, recurrence_id).ok_or_else(no_event)?;
        let component = find_event(&self.gated, event.line).ok_or_else(no_event)?;
        let not_whole = TreeError::NotWhole { line: event.line };
        let end = component.end.ok_or(not_whole)?;
        let first_child = component.children.iter().map(|child| child.number).min();
        // New lines stand before what is inside (alarms), as RFC 5545 section 3.6.1 orders them.
        let place = first_child.unwrap_or(end).min(end).saturating_sub(1);
        let entries = self.changed(component, place, edits);
        let line_end = self.line_end(component.number.saturating_sub(1));
        let bytes = self.rendered(&entries, component, line_end);
        let changed = LineTree::read(&bytes)?;
        if self.is_as_meant(&changed, component.number, &entries, edits) {
            Ok(changed)
        } else {
            Err(TreeError::ReadBack)
        }
    }

    fn check(&self, edits: &[Edit]) -> Result<(), TreeError> {
        if edits.len() > MAX_EDITS {
            return Err(TreeError::TooMany);
        }
        for edit in edits {
            let Some(property) = edit.property() else {
                if let Edit::Remove(name) = edit
                    && ["BEGIN", "END"]
                        .iter()
                        .any(|word| name.trim().eq_ignore_ascii_case(word))
                {
                    return Err(TreeError::Name(name.clone()));
                }
                continue;
            };
            if !property.is_well_named() {
                let shown = property.name().chars().take(40).collect();
                return Err(TreeError::Name(shown));
            }
            if property.line().len() > MAX_LINE_BYTES {
                return Err(TreeError::TooLong(property.name().to_owned()));
            }
            let mut known = self.object.zones.names();
            if let Some(tzid) = property.tzid()
                && !known.any(|name| name == tzid)
            {
                return Err(TreeError::NoZone(tzid.chars().take(60).collect()));
            }
        }
        Ok(())
    }

    /// The properties of the component in their new order.
    fn changed(&self, component: &RawComponent, place: usize, edits: &[Edit]) -> Vec<Entry> {
        let mut entries: Vec<Entry> = component
            .lines
            .iter()
            .map(|line| {
                let start = line.number.saturating_sub(1);
                Entry {
                    text: line.text.clone(),
                    span: Some((start, self.span_end(start))),
                    kept: true,
                    anchor: 0,
                }
            })
            .collect();
        for edit in edits {
            match edit {
                Edit::Remove(name) => entries.retain(|entry| !entry.is_named(name.trim())),
                Edit::Set(property) => set(&mut entries, property, place),
                Edit::Add(property) => {
                    let last = entries.iter().rposition(|e| e.is_named(property.name()));
                    let (index, anchor) = match last.and_then(|at| Some((at, entries.get(at)?))) {
                        Some((at, entry)) => {
                            let anchor = entry.span.map_or(entry.anchor, |(_, end)| end);
                            (at.saturating_add(1), anchor)
                        }
                        None => (index_of(&entries, place), place),
                    };
                    entries.insert(index, new_entry(property, anchor));
                }
            }
        }
        entries
    }

    /// The physical line after the last one of the content line that begins at `start`: folds, and
    /// empty lines with a fold behind them.
    fn span_end(&self, start: usize) -> usize {
        let mut end = start.saturating_add(1);
        let mut next = end;
        while let Some(line) = self.physical(next) {
            if matches!(line.first(), Some(b' ' | b'\t')) {
                end = next.saturating_add(1);
            } else if !line.trim_ascii().is_empty() {
                break;
            }
            next = next.saturating_add(1);
        }
        end
    }

    fn physical(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let before = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before));
        self.bytes.get(before.copied().unwrap_or(0)..end)
    }

    /// How the physical line ends.
    fn line_end(&self, index: usize) -> &[u8] {
        let line = self.physical(index).unwrap_or_default();
        let text = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
        line.get(text.map_or(0, |at| at.saturating_add(1))..)
            .unwrap_or_default()
    }

    fn rendered(&self, entries: &[Entry], component: &RawComponent, line_end: &[u8]) -> Vec<u8> {
        // Every line of the component that is not kept gives way.
        let mut gone: BTreeMap<usize, (usize, Vec<u8>)> = component
            .lines
            .iter()
            .map(|line| line.number.saturating_sub(1))
            .map(|start| (start, (self.span_end(start), Vec::new())))
            .collect();
        let mut inserted: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for entry in entries {
            match entry.span {
                Some((start, _)) if entry.kept => {
                    gone.remove(&start);
                }
                Some((start, end)) => {
                    let text = folded(&entry.text, self.line_end(start));
                    gone.insert(start, (end, text));
                }
                None => inserted
                    .entry(entry.anchor)
                    .or_default()
                    .extend(folded(&entry.text, line_end)),
            }
        }
        let mut out = Vec::with_capacity(self.bytes.len().saturating_add(1024));
        let mut skipped_to = 0;
        for index in 0..self.ends.len() {
            if let Some(new) = inserted.get(&index) {
                out.extend_from_slice(new);
            }
            if let Some((end, text)) = gone.get(&index) {
                out.extend_from_slice(text);
                skipped_to = *end;
            }
            if index >= skipped_to {
                out.extend_from_slice(self.physical(index).unwrap_or_default());
            }
        }
        out
    }

    /// Whether the changed object has the same components and lines everywhere else, in this event
    /// exactly the lines meant, and in each new line the values meant.
    fn is_as_meant(
        &self,
        changed: &LineTree,
        number: usize,
        entries: &[Entry],
        edits: &[Edit],
    ) -> bool {
        let values_stand = edits.iter().filter_map(Edit::property).all(|property| {
            let line = super::gate::ContentLine {
                number: 0,
                text: property.line(),
            };
            read_property(&line).is_ok_and(|read| property.is_said_by(&read))
        });
        let meant: Vec<&str> = entries.iter().map(|entry| entry.text.as_str()).collect();
        values_stand
            && said(&self.gated, Some((number, &meant))) == said(&changed.gated, None)
            // A new problem would mean that something else broke.
            && (changed.object.problems.len() <= self.object.problems.len()
                || self.object.problems.len() >= MAX_PROBLEMS)
    }
}

/// Where a new line before physical line `place` stands among the properties.
fn index_of(entries: &[Entry], place: usize) -> usize {
    entries
        .iter()
        .position(|entry| entry.span.is_some_and(|(start, _)| start >= place))
        .unwrap_or(entries.len())
}

fn new_entry(property: &NewProperty, anchor: usize) -> Entry {
    Entry {
        text: property.line(),
        span: None,
        kept: false,
        anchor,
    }
}

fn set(entries: &mut Vec<Entry>, property: &NewProperty, place: usize) {
    let name = property.name();
    let Some(first) = entries.iter().position(|entry| entry.is_named(name)) else {
        let index = index_of(entries, place);
        return entries.insert(index, new_entry(property, place));
    };
    let mut index = 0_usize;
    entries.retain(|entry| {
        let stays = index <= first || !entry.is_named(name);
        index = index.saturating_add(1);
        stays
    });
    if let Some(entry) = entries.get_mut(first) {
        let line = super::gate::ContentLine {
            number: 0,
            text: entry.text.clone(),
        };
        if !read_property(&line).is_ok_and(|read| property.is_said_by(&read)) {
            entry.text = property.line();
            entry.kept = false;
        }
    }
}

/// The VEVENT that begins on this line.
fn find_event(gated: &Gated, number: usize) -> Option<&RawComponent> {
    let mut waiting: Vec<&RawComponent> = gated.calendars.iter().collect();
    while let Some(component) = waiting.pop() {
        if component.name == "VEVENT" && component.number == number {
            return Some(component);
        }
        waiting.extend(&component.children);
    }
    None
}

/// Everything the gate let through, in one order; the lines of one VEVENT given instead of read.
fn said<'a>(gated: &'a Gated, instead: Option<(usize, &[&'a str])>) -> Vec<(usize, &'a str)> {
    let mut out = Vec::new();
    let mut waiting: Vec<(usize, &RawComponent)> =
        gated.calendars.iter().rev().map(|c| (0, c)).collect();
    while let Some((depth, component)) = waiting.pop() {
        out.push((depth, component.name.as_str()));
        let inner = depth.saturating_add(1);
        match instead {
            Some((number, lines)) if component.name == "VEVENT" && component.number == number => {
                out.extend(lines.iter().map(|line| (inner, *line)));
            }
            _ => out.extend(
                component
                    .lines
                    .iter()
                    .map(|line| (inner, line.text.as_str())),
            ),
        }
        let children = component.children.iter().rev();
        waiting.extend(children.map(|child| (inner, child)));
    }
    out
}

#[cfg(test)]
mod tests;
