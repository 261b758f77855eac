//! Where the records of a CSV file begin and end, so that a quote that is never closed costs its
//! own line and not the rest of the file. Holds a window of the file, never all of it.

use std::io::{self, Read};

/// Longest record in bytes: a quoted field that goes on for longer was never meant to.
pub(super) const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Bytes that are asked for at once.
const READ_BYTES: usize = 4 * RECORD_BYTES_MAX;

/// A stretch of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Records that follow one another without a gap; the line of the first, from 1.
    Records {
        /// Line of the first record.
        line: u64,
        /// Their bytes.
        bytes: Vec<u8>,
    },
    /// A line on which a quote opens that is never closed as it should.
    Unclosed {
        /// The line.
        line: u64,
        /// Its bytes, without the line break.
        bytes: Vec<u8>,
    },
}

/// Takes a file apart. Empty lines are left out.
#[derive(Debug)]
pub(super) struct Pieces<R> {
    from: R,
    delimiter: u8,
    window: Vec<u8>,
    /// Where in the window the next record begins.
    at: usize,
    line: u64,
    ended: bool,
    next: Option<Piece>,
}

impl<R: Read> Pieces<R> {
    /// Of a file that begins behind what `window` holds already.
    pub(super) fn new(from: R, window: Vec<u8>, delimiter: u8) -> Pieces<R> {
        Pieces {
            from,
            delimiter,
            window,
            at: 0,
            line: 1,
            ended: false,
            next: None,
        }
    }

    /// The next stretch; `None` at the end.
    ///
    /// # Errors
    /// As the file.
    pub(super) fn piece(&mut self) -> io::Result<Option<Piece>> {
        if let Some(piece) = self.next.take() {
            return Ok(Some(piece));
        }
        let mut run: Option<(u64, Vec<u8>)> = None;
        loop {
            if run
                .as_ref()
                .is_some_and(|(_, bytes)| bytes.len() >= READ_BYTES)
            {
                break;
            }
            self.fill()?;
            if self.at >= self.window.len() {
                break;
            }
            let first_line_end = end_of_line(&self.window, self.at);
            let first = self.window.get(self.at..first_line_end).unwrap_or_default();
            if first.trim_ascii().is_empty() {
                self.pass(first_line_end);
                if run.is_some() {
                    break;
                }
                continue;
            }
            let Some(end) = record_end(&self.window, self.at, self.delimiter) else {
                let bytes = trimmed(first).to_vec();
                let line = self.line;
                self.pass(first_line_end);
                self.next = Some(Piece::Unclosed { line, bytes });
                break;
            };
            let line = self.line;
            let record = self.window.get(self.at..end).unwrap_or_default();
            run.get_or_insert_with(|| (line, Vec::new()))
                .1
                .extend_from_slice(record);
            self.pass(end);
        }
        match run {
            Some((line, bytes)) => Ok(Some(Piece::Records { line, bytes })),
            None => Ok(self.next.take()),
        }
    }

    /// Goes on behind `end`.
    fn pass(&mut self, end: usize) {
        let passed = self.window.get(self.at..end).unwrap_or_default();
        self.line = self.line.saturating_add(newlines(passed));
        self.at = end;
    }

    /// Has at least the longest record in the window, or the rest of the file.
    fn fill(&mut self) -> io::Result<()> {
        let left = self.window.len().saturating_sub(self.at);
        if self.ended || left > RECORD_BYTES_MAX {
            return Ok(());
        }
        self.window.drain(..self.at);
        self.at = 0;
        let wanted = u64::try_from(READ_BYTES).unwrap_or(u64::MAX);
        let read = (&mut self.from)
            .take(wanted)
            .read_to_end(&mut self.window)?;
        self.ended = read < READ_BYTES;
        Ok(())
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Lines of places in a text, asked for from its start to its end.
#[derive(Debug)]
pub(super) struct Lines {
    /// Bytes before the place, and its line.
    before: (usize, u64),
}

impl Lines {
    /// Of a text that begins on `line`.
    pub(super) fn from(line: u64) -> Lines {
        Lines { before: (0, line) }
    }

    /// The line of the record that begins at this byte of `text` or behind the line break there,
    /// and where it begins.
    pub(super) fn at(&mut self, text: &[u8], byte: usize) -> (u64, usize) {
        let rest = text.get(byte..).unwrap_or_default();
        let breaks = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let begins = byte.saturating_add(breaks.count()).min(text.len());
        let passed = text.get(self.before.0..begins).unwrap_or_default();
        self.before = (begins, self.before.1.saturating_add(newlines(passed)));
        (self.before.1, begins)
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

    fn taken_apart(text: &str) -> (Vec<(u64, String)>, Vec<u64>) {
        let (mut records, mut unclosed) = (Vec::new(), Vec::new());
        let mut pieces = Pieces::new(text.as_bytes(), Vec::new(), b',');
        while let Some(piece) = pieces.piece().unwrap() {
            match piece {
                Piece::Records { line, bytes } => {
                    records.push((line, String::from_utf8(bytes).unwrap()));
                }
                Piece::Unclosed { line, .. } => unclosed.push(line),
            }
        }
        (records, unclosed)
    }

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
            let segments: Vec<(u64, String)> = segments
                .into_iter()
                .map(|(line, text)| (line, text.to_owned()))
                .collect();
            assert_eq!(taken_apart(text), (segments, unclosed), "{text:?}");
        }
        let long = format!("a\nb,\"{}\nc\n", "x\n".repeat(RECORD_BYTES_MAX));
        assert_eq!(taken_apart(&long).1, [2]);
    }

    #[test]
    fn a_file_larger_than_the_window_keeps_its_lines_and_every_byte() {
        let mut text = String::new();
        for n in 0..40_000 {
            text.push_str(&format!("{n},\"two\nlines {n}\"\n"));
        }
        let (records, unclosed) = taken_apart(&text);
        assert!(records.len() > 1, "one window");
        assert!(unclosed.is_empty(), "{unclosed:?}");
        let joined: String = records.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(joined, text);
        for (line, piece) in &records {
            let first: u64 = piece.split(',').next().unwrap().parse().unwrap();
            assert_eq!(*line, first * 2 + 1);
        }
    }
}
