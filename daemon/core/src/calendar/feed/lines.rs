//! The content lines of a file with the bytes they came in.

use std::borrow::Cow;

use super::super::gate::MAX_LINE_BYTES;

/// What ends a line: LF, or CR where the file has no LF at all.
fn separator(bytes: &[u8]) -> u8 {
    if bytes.contains(&b'\n') { b'\n' } else { b'\r' }
}

/// What is to end lines that are added to a file.
pub(super) fn line_end(bytes: &[u8]) -> &'static str {
    match separator(bytes) {
        b'\n' => "\r\n",
        _ => "\r",
    }
}

/// One content line (RFC 5545 section 3.1).
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// Number of its first physical line, from 1.
    pub(super) number: usize,
    /// Where it begins in the file, in bytes.
    pub(super) start: usize,
    /// Its bytes, with line ends, and the empty lines behind it.
    pub(super) raw: &'a [u8],
    /// Without folds and line end; of a very long one the beginning.
    pub(super) text: Cow<'a, [u8]>,
}

/// Where name, parameters and value of a line are.
#[derive(Debug, Clone, Copy)]
struct Cut {
    name: usize,
    colon: usize,
}

impl Line<'_> {
    fn cut(&self) -> Option<Cut> {
        let mut quoted = false;
        let mut name = None;
        let mut plain = None;
        for (at, byte) in self.text.iter().enumerate() {
            match byte {
                b'"' => quoted = !quoted,
                b';' if !quoted => name = name.or(Some(at)),
                b':' if !quoted => {
                    let name = name.unwrap_or(at);
                    return Some(Cut { name, colon: at });
                }
                b':' => plain = plain.or(Some(at)),
                _ => {}
            }
        }
        // A quote that is never closed is none.
        plain.map(|colon| Cut {
            name: name.map_or(colon, |name| name.min(colon)),
            colon,
        })
    }

    fn name_bytes(&self) -> &[u8] {
        let end = self.text.iter().position(|byte| b";:".contains(byte));
        let name = end.and_then(|end| self.text.get(..end));
        name.unwrap_or_default().trim_ascii()
    }

    /// The name in upper case; empty where the line has none.
    pub(super) fn name(&self) -> Vec<u8> {
        self.name_bytes().to_ascii_uppercase()
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name_bytes().eq_ignore_ascii_case(name.as_bytes())
    }

    pub(super) fn value(&self) -> String {
        let value = self
            .cut()
            .and_then(|cut| self.text.get(cut.colon.saturating_add(1)..));
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    }

    /// Whether it is BEGIN or END, and of what, in upper case.
    pub(super) fn mark(&self) -> Option<(bool, String)> {
        let begins = match self.name_bytes() {
            name if name.eq_ignore_ascii_case(b"BEGIN") => true,
            name if name.eq_ignore_ascii_case(b"END") => false,
            _ => return None,
        };
        Some((begins, self.value().trim().to_ascii_uppercase()))
    }

    /// Whether it is `name:value`, in whatever case.
    pub(super) fn is(&self, name: &[u8], value: &str) -> bool {
        self.name_bytes().eq_ignore_ascii_case(name)
            && self.value().trim().eq_ignore_ascii_case(value)
    }

    /// The zone that a parameter names.
    pub(super) fn tzid(&self) -> Option<String> {
        const TZID: &[u8] = b"TZID=";
        let cut = self.cut()?;
        let params = self.text.get(cut.name..cut.colon)?;
        params.split(|byte| *byte == b';').find_map(|param| {
            let param = param.trim_ascii();
            let (name, zone) = param.split_at_checked(TZID.len())?;
            let zone = String::from_utf8_lossy(zone);
            name.eq_ignore_ascii_case(TZID)
                .then(|| zone.trim_matches('"').trim().to_owned())
        })
    }
}

/// Splits a file into content lines; their raw bytes together are the file.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    separator: u8,
    number: usize,
    start: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Lines<'a> {
        Lines {
            rest: bytes,
            separator: separator(bytes),
            number: 0,
            start: 0,
        }
    }

    /// The physical line at `from`, with its line end.
    fn physical(&self, from: usize) -> Option<&'a [u8]> {
        let rest = self.rest.get(from..).filter(|rest| !rest.is_empty())?;
        let end = rest.iter().position(|byte| *byte == self.separator);
        rest.get(..end.map_or(rest.len(), |end| end.saturating_add(1)))
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let mut line = line;
    while let Some((b'\r' | b'\n', shorter)) = line.split_last() {
        line = shorter;
    }
    line
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let first = self.physical(0)?;
        let number = self.number.saturating_add(1);
        let (mut length, mut count) = (first.len(), 1_usize);
        let mut text = Cow::Borrowed(without_end(first));
        // Some writers put an empty line after each; a fold may still follow it.
        while let Some(next) = self.physical(length) {
            match without_end(next).split_first() {
                Some((b' ' | b'\t', folded)) => {
                    if text.len().saturating_add(folded.len()) <= MAX_LINE_BYTES {
                        text.to_mut().extend_from_slice(folded);
                    }
                }
                _ if next.trim_ascii().is_empty() => {}
                _ => break,
            }
            length = length.saturating_add(next.len());
            count = count.saturating_add(1);
        }
        let (raw, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        self.number = self.number.saturating_add(count);
        let start = self.start;
        self.start = start.saturating_add(length);
        Some(Line {
            number,
            start,
            raw,
            text,
        })
    }
}
