//! The octets of a message before anything is read: marks and line ends that no mail has.

use std::borrow::Cow;

use super::charset::decode_charset;
use super::fields::{is_known_field, line_at};
use super::{Problem, ProblemKind};

/// Octets of the header in which a lone CR is looked for.
const MAX_SEARCHED_BYTES: usize = 1024 * 1024;

/// The octets as they are read, and what was repaired.
///
/// A byte order mark goes, UTF-16 becomes UTF-8, and a CR that ends a line alone becomes LF: in the
/// whole message where there is no LF, else in the header.
pub(crate) fn readable(bytes: &[u8]) -> (Cow<'_, [u8]>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut bytes = unmarked(bytes, &mut problems);
    if !bytes.contains(&b'\r') {
        return (bytes, problems);
    }
    let ends = if bytes.contains(&b'\n') {
        lone_ends(&bytes)
    } else {
        let all = bytes.iter().enumerate();
        all.filter(|(_, b)| **b == b'\r')
            .map(|(at, _)| at)
            .collect()
    };
    if !ends.is_empty() {
        let octets = bytes.to_mut();
        for at in ends {
            if let Some(octet) = octets.get_mut(at) {
                *octet = b'\n';
            }
        }
        let detail = "lines end in CR alone";
        problems.push(Problem::new(ProblemKind::BareCarriageReturn, detail));
    }
    (bytes, problems)
}

fn unmarked<'a>(bytes: &'a [u8], problems: &mut Vec<Problem>) -> Cow<'a, [u8]> {
    let mut note = |detail: &str| {
        problems.push(Problem::new(ProblemKind::ByteOrderMark, detail));
    };
    if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        note("a byte order mark stands before the header");
        return Cow::Borrowed(rest);
    }
    let charset = match bytes {
        [0xFF, 0xFE, _, 0, ..] => "utf-16le",
        [0xFE, 0xFF, 0, _, ..] => "utf-16be",
        _ => return Cow::Borrowed(bytes),
    };
    note("the whole message is UTF-16");
    let text = decode_charset(bytes.get(2..).unwrap_or_default(), Some(charset)).text;
    Cow::Owned(text.into_bytes())
}

/// Places in the header where a CR alone ends a line: before a field that mail has, or doubled.
fn lone_ends(bytes: &[u8]) -> Vec<usize> {
    let mut header = 0usize;
    while header < MAX_SEARCHED_BYTES {
        match line_at(bytes, header) {
            Some((line, next)) if !line.trim_ascii().is_empty() => header = next,
            _ => break,
        }
    }
    let mut ends = Vec::new();
    let section = bytes.get(..header).unwrap_or(bytes);
    let mut at = 0usize;
    while let Some(found) = after(section, at).iter().position(|b| *b == b'\r') {
        let first = at.saturating_add(found);
        let run = after(section, first).iter().take_while(|b| **b == b'\r');
        at = first.saturating_add(run.count());
        let rest = after(section, at);
        // CR, CR, LF and the like are one line end.
        if rest.first() == Some(&b'\n') {
            continue;
        }
        let end = rest.iter().position(|b| matches!(b, b'\r' | b'\n'));
        let next = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if at.saturating_sub(first) > 1 || is_known_field(next) {
            ends.extend(first..at);
        }
    }
    ends
}

fn after(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}
