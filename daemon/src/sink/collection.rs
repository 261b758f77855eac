//! What the kinds of calendar (vdir, CalDAV, feed) have in common: names of new objects,
//! the look at an object before it is believed, and the guard against sudden emptiness.

use liaison_core::ids::derive;

use crate::sink::CalendarError;

/// Largest calendar object that is read, in bytes; the parser's gate has the same limit.
pub(crate) const OBJECT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Collections up to this size may lose everything at once: a person tidies up.
const SMALL_COLLECTION: usize = 20;
/// Longest file name stem in bytes; file systems allow 255 with the extension and our suffixes.
const STEM_BYTES_MAX: usize = 200;

pub(crate) fn default_gone_percent_max() -> u8 {
    50
}

/// What is wrong with a configured guard, as `key: reason`.
pub(crate) fn gone_percent_problem(percent: u8) -> Option<String> {
    (percent > 100).then(|| format!("gone_percent_max: {percent} is more than 100 percent"))
}

/// File name of the object with this UID: `<uid>.ics`, percent-encoded where a file system or a
/// URL would mind, hashed where it would be too long or has a slash, which servers decode before
/// they split the path. Equal for equal UIDs, always.
pub(crate) fn object_name(uid: &str) -> String {
    let mut stem = String::with_capacity(uid.len());
    for (index, byte) in uid.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'@');
        if plain || (byte == b'.' && index > 0) {
            stem.push(char::from(byte));
        } else {
            stem.push_str(&format!("%{byte:02X}"));
        }
    }
    if stem.len() > STEM_BYTES_MAX || uid.contains('/') {
        stem = derive("liaison calendar object 1", &[uid.as_bytes()]);
    }
    format!("{stem}.ics")
}

/// Why `data` cannot be a whole calendar object, in words; a half-written file or a cut transfer
/// must not replace a good copy.
pub(crate) fn object_problem(data: &[u8]) -> Option<String> {
    if data.is_empty() {
        return Some("it is empty".to_owned());
    }
    if data.len() > OBJECT_BYTES_MAX {
        return Some(format!(
            "it has {} bytes, more than {OBJECT_BYTES_MAX}",
            data.len()
        ));
    }
    let has = |mark: &[u8]| {
        data.windows(mark.len())
            .any(|part| part.eq_ignore_ascii_case(mark))
    };
    match (has(b"BEGIN:VCALENDAR"), has(b"END:VCALENDAR")) {
        (true, true) => None,
        (false, _) => Some("it is no iCalendar object (no BEGIN:VCALENDAR)".to_owned()),
        (true, false) => Some("it ends before END:VCALENDAR".to_owned()),
    }
}

/// Refuses a look at which too much is gone at once; the mirror stays as it is.
pub(crate) fn guard_against_emptiness(
    what: &str,
    known: usize,
    gone: usize,
    percent_max: u8,
) -> Result<(), CalendarError> {
    let limit = known.saturating_mul(usize::from(percent_max));
    if known <= SMALL_COLLECTION || gone.saturating_mul(100) <= limit {
        return Ok(());
    }
    Err(CalendarError {
        what: what.to_owned(),
        why: format!(
            "{gone} of {known} objects are gone at once, which looks like an accident, so the \
             last good copy stays in use; if it is right, set `gone_percent_max = 100` for this \
             calendar and reload"
        ),
        permanent: true,
        unknown: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_tell_uids_apart() {
        for (uid, name) in [
            ("hold.0af@example.com", "hold.0af@example.com.ics"),
            ("..\\x", "%2E.%5Cx.ics"),
            ("100%", "100%25.ics"),
            (".hidden", "%2Ehidden.ics"),
            ("Grüße 1", "Gr%C3%BC%C3%9Fe%201.ics"),
        ] {
            assert_eq!(object_name(uid), name);
        }
        let (one, other) = (object_name(&"a".repeat(300)), object_name(&"a".repeat(301)));
        assert!(one.len() < 255 && one != other);
        let slashed = object_name("../../etc/passwd");
        assert!(!slashed.contains(['/', '%']) && slashed != object_name("../etc/passwd"));
    }

    #[test]
    fn half_an_object_is_no_object() {
        assert_eq!(
            object_problem(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"),
            None
        );
        for (data, words) in [
            (&b""[..], "empty"),
            (b"BEGIN:VCALENDAR\r\nBEGIN:VEV", "END:VCALENDAR"),
            (b"<html>", "BEGIN:VCALENDAR"),
        ] {
            assert!(object_problem(data).unwrap().contains(words));
        }
    }

    #[test]
    fn sudden_emptiness_needs_a_person() {
        let refused = |known, gone, percent| {
            guard_against_emptiness("reading team", known, gone, percent).is_err()
        };
        assert!(refused(21, 11, 50) && refused(1000, 1000, 50));
        assert!(!refused(20, 20, 50) && !refused(22, 11, 50) && !refused(1000, 1000, 100));
    }
}
