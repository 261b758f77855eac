//! Where the records of a file begin and end, so that a quote that is never closed costs its own
//! line and not the rest of the file.

use std::ops::Range;

/// Longest record in bytes: a quoted field that goes on for longer was never meant to.
const RECORD_BYTES_MAX: usize = 64 * 1024;

/// Records that follow one another without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// Line of its first record, from 1.
    pub line: u64,
    /// Its bytes.
    pub bytes: Range<usize>,
}

/// A file, taken apart.
#[derive(Debug, Default)]
pub(super) struct Split {
    /// What can be read as CSV.
    pub segments: Vec<Segment>,
    /// Lines on which a quote opens that is never closed as it should.
    pub unclosed: Vec<u64>,
}

/// Takes a file apart. Empty lines are left out.
pub(super) fn split(bytes: &[u8], delimiter: u8) -> Split {
    let mut split = Split::default();
    let (mut at, mut line) = (0_usize, 1_u64);
    while at < bytes.len() {
        let first_line_end = end_of_line(bytes, at);
        let blank = bytes
            .get(at..first_line_end)
            .is_none_or(|text| text.trim_ascii().is_empty());
        let (end, good) = match record_end(bytes, at, delimiter) {
            _ if blank => (first_line_end, false),
            Some(end) => (end, true),
            None => {
                split.unclosed.push(line);
                (first_line_end, false)
            }
        };
        if good {
            match split.segments.last_mut() {
                Some(last) if last.bytes.end == at => last.bytes.end = end,
                _ => split.segments.push(Segment {
                    line,
                    bytes: at..end,
                }),
            }
        }
        line = line.saturating_add(newlines(bytes.get(at..end).unwrap_or_default()));
        at = end;
    }
    split
}

/// Lines of places in a text, asked for from its start to its end.
#[derive(Debug)]
pub(super) struct Lines<'b> {
    rest: &'b [u8],
    /// Bytes before `rest`, and the line on which it begins.
    before: (u64, u64),
}

impl<'b> Lines<'b> {
    /// Of a text that begins on `line`.
    pub(super) fn of(text: &'b [u8], line: u64) -> Lines<'b> {
        Lines {
            rest: text,
            before: (0, line),
        }
    }

    /// The line of the record that begins at this byte or behind the line break there.
    pub(super) fn at(&mut self, byte: u64) -> u64 {
        let skipped = usize::try_from(byte.saturating_sub(self.before.0)).unwrap_or(usize::MAX);
        let (before, rest) = self.rest.split_at(skipped.min(self.rest.len()));
        let breaks = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let (breaks, rest) = rest.split_at(breaks.count());
        let line = self.before.1 + newlines(before) + newlines(breaks);
        let passed = before.len().saturating_add(breaks.len());
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        (self.rest, self.before) = (rest, (self.before.0.saturating_add(passed), line));
        line
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    let count = bytes.iter().filter(|byte| **byte == b'\n').count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Behind the line break of the line that holds `at`.
fn end_of_line(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let found = rest.iter().position(|byte| *byte == b'\n');
    found.map_or(bytes.len(), |found| {
        at.saturating_add(found).saturating_add(1)
    })
}

/// Where in a record the reader stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Bare,
    Quoted,
    /// Behind a quote within quotes: it ends the field, or is the first of a doubled one.
    QuoteSeen,
}

/// Behind the record that begins at `at`; `None` when a quote runs over the end of its line and
/// does not end where a field can end.
fn record_end(bytes: &[u8], at: usize, delimiter: u8) -> Option<usize> {
    let mut place = Place::FieldStart;
    let mut over_lines = false;
    let record = bytes.get(at..)?;
    for (offset, byte) in record.iter().take(RECORD_BYTES_MAX).enumerate() {
        place = match (place, *byte) {
            (Place::Quoted, b'"') => Place::QuoteSeen,
            (Place::Quoted, b'\n') => {
                over_lines = true;
                Place::Quoted
            }
            (Place::Quoted, _) | (Place::QuoteSeen, b'"') => Place::Quoted,
            (_, b'\n') => return at.checked_add(offset)?.checked_add(1),
            (_, byte) if byte == delimiter => Place::FieldStart,
            (Place::FieldStart, b'"') => Place::Quoted,
            (Place::FieldStart, b' ') => Place::FieldStart,
            (Place::QuoteSeen, b'\r' | b' ') => Place::QuoteSeen,
            // Text behind a closing quote: a slip within a line, a lost quote over several.
            (Place::QuoteSeen, _) if over_lines => return None,
            _ => Place::Bare,
        };
    }
    let whole = record.len() <= RECORD_BYTES_MAX;
    (whole && place != Place::Quoted).then_some(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_quote_costs_its_own_line() {
        for (text, segments, unclosed) in [
            ("a,b\nc,d\n", vec![(1, "a,b\nc,d\n")], vec![]),
            ("a,\"b\nc\"\nd\n", vec![(1, "a,\"b\nc\"\nd\n")], vec![]),
            ("a\n\nb,\"x\nc\nd", vec![(1, "a\n"), (4, "c\nd")], vec![3]),
            (
                "a\n\"x\n\"y\"\nz\n",
                vec![(1, "a\n"), (3, "\"y\"\nz\n")],
                vec![2],
            ),
            ("a\n\"say \"\"hi\"\"\n", vec![(1, "a\n")], vec![2]),
            ("a\r\n\"b\"\r\n", vec![(1, "a\r\n\"b\"\r\n")], vec![]),
            ("\"b\" c\nd\n", vec![(1, "\"b\" c\nd\n")], vec![]),
            ("it\"s\nd\n", vec![(1, "it\"s\nd\n")], vec![]),
        ] {
            let split = split(text.as_bytes(), b',');
            let seen: Vec<_> = split
                .segments
                .iter()
                .map(|one| (one.line, text.get(one.bytes.clone()).unwrap()))
                .collect();
            assert_eq!((seen, split.unclosed), (segments, unclosed), "{text:?}");
        }
        let long = format!("a\nb,\"{}\nc\n", "x\n".repeat(RECORD_BYTES_MAX));
        assert_eq!(split(long.as_bytes(), b',').unclosed, [2]);
    }
}
