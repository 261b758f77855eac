//! What is written over a hold: the meeting that it becomes, firm and without what marks a hold, and
//! its marks when it was extended.
//!
//! Only the lines that say so are written anew. What else lies in the object (an alarm, a colour,
//! what a server added) is somebody's, and stays byte for byte.

use super::super::tree::{Edit, LineTree, NewProperty};
use super::{
    HOLD_CATEGORY, HoldSpec, MAX_MARKER_CHARS, MAX_SUMMARY_CHARS, REV_MARK, clean_line, utc_text,
};
use crate::time::Timestamp;

/// The mark that says until when a hold stands.
const EXPIRES: &str = "X-LIAISON-EXPIRES";

/// The object of a placed hold as a meeting: same UID and time, `STATUS:CONFIRMED`, the next
/// SEQUENCE, the title without prefix.
///
/// Nobody is invited by it: whoever sends invitations adds ORGANIZER and ATTENDEE here, with
/// `SCHEDULE-AGENT=CLIENT` on each, because a server that finds them invites by itself.
///
/// `None` when `current` does not hold the event of `spec`, or is no text.
#[must_use]
pub fn meeting_of(current: &[u8], spec: &HoldSpec, title: &str, now: Timestamp) -> Option<String> {
    let uid = clean_line(&spec.uid, MAX_MARKER_CHARS);
    let tree = LineTree::read(current).ok()?;
    let event = tree.find(&uid, None)?;
    let categories: Vec<&str> = event
        .categories
        .iter()
        .map(String::as_str)
        .filter(|category| *category != HOLD_CATEGORY)
        .collect();
    let categories = if categories.is_empty() {
        Edit::Remove("CATEGORIES".to_owned())
    } else {
        Edit::Set(NewProperty::texts("CATEGORIES", categories))
    };
    let summary = clean_line(title, MAX_SUMMARY_CHARS);
    let sequence = event.sequence.saturating_add(1);
    let edits = [
        Edit::Set(NewProperty::instant("DTSTAMP", now)),
        Edit::Set(NewProperty::instant("LAST-MODIFIED", now)),
        Edit::Set(NewProperty::number("SEQUENCE", sequence)),
        Edit::Set(NewProperty::text("SUMMARY", &summary)),
        Edit::Set(NewProperty::word("STATUS", "CONFIRMED")),
        categories,
        Edit::Set(NewProperty::word("X-MICROSOFT-CDO-BUSYSTATUS", "BUSY")),
        Edit::Remove(EXPIRES.to_owned()),
    ];
    let meeting = tree.edit(&uid, None, &edits).ok()?;
    String::from_utf8(meeting.bytes().to_vec()).ok()
}

/// The object of a placed hold with the marks of `spec`, where it says another expiry.
///
/// `None` when it says the right one, or none at all: a server that dropped the mark will do so
/// again.
#[must_use]
pub fn remarked(current: &[u8], spec: &HoldSpec, now: Timestamp) -> Option<String> {
    let uid = clean_line(&spec.uid, MAX_MARKER_CHARS);
    let expires = spec.expires?;
    let tree = LineTree::read(current).ok()?;
    let event = tree.find(&uid, None)?;
    if event.x_property(EXPIRES)?.trim() == utc_text(expires) {
        return None;
    }
    let mut edits = vec![
        Edit::Set(NewProperty::instant("DTSTAMP", now)),
        Edit::Set(NewProperty::instant("LAST-MODIFIED", now)),
        Edit::Set(NewProperty::instant(EXPIRES, expires)),
    ];
    if event.x_property(REV_MARK).is_some() {
        edits.push(Edit::Set(NewProperty::word(REV_MARK, &spec.intent_hash())));
    }
    let marked = tree.edit(&uid, None, &edits).ok()?;
    String::from_utf8(marked.bytes().to_vec()).ok()
}
