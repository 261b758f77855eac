//! The gate: bytes to a tree of components and unfolded lines, within fixed limits.
//!
//! The crates that read iCalendar recurse per nesting level and give up on the first odd line;
//! nothing reaches them, or us, that has not passed here.

use super::{Problem, note};

/// Bytes read of one object; the rest is cut off. Inline attachments are the only thing that big.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of one unfolded line; longer ones (inline attachments) are left out.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// Components inside each other, VCALENDAR included; RFC 5545 itself needs three.
pub const MAX_DEPTH: usize = 8;
/// Components in one object, so that a feed of empty events cannot fill the memory.
pub const MAX_COMPONENTS: usize = 20_000;

/// One unfolded content line (RFC 5545 section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentLine {
    /// Number of its first physical line, from 1.
    pub number: usize,
    /// The line without folds and without line end.
    pub text: String,
}

/// A component with its own lines and its inner components, both in file order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawComponent {
    /// The name after BEGIN in upper case.
    pub name: String,
    /// Number of the BEGIN line.
    pub number: usize,
    /// Number of its own END line; `None` where that is missing.
    pub end: Option<usize>,
    /// The lines that belong to the component itself.
    pub lines: Vec<ContentLine>,
    /// The components inside it, at most [`MAX_DEPTH`] levels.
    pub children: Vec<RawComponent>,
}

/// What the gate lets through.
#[derive(Debug, Clone, Default)]
pub struct Gated {
    /// One for each VCALENDAR; components outside any are put into one of their own.
    pub calendars: Vec<RawComponent>,
    /// What was left out or repaired.
    pub problems: Vec<Problem>,
}

/// Splits any bytes into components; what breaks a limit is left out and named.
#[must_use]
pub fn gate(bytes: &[u8]) -> Gated {
    let mut problems = Vec::new();
    let (bytes, cut) = within_size(bytes, &mut problems);
    let lines = unfolded_lines(bytes, &mut problems);
    let mut tree = Tree {
        problems,
        ..Tree::default()
    };
    for line in lines {
        tree.take(line);
    }
    tree.finish(cut)
}

fn within_size<'a>(bytes: &'a [u8], problems: &mut Vec<Problem>) -> (&'a [u8], bool) {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.len() <= MAX_BYTES {
        return (bytes, false);
    }
    note(
        problems,
        Problem::general(format!(
            "the object has {} bytes: only the first {MAX_BYTES} were read",
            bytes.len()
        )),
    );
    (bytes.get(..MAX_BYTES).unwrap_or(bytes), true)
}

/// What ends a physical line: LF, or CR where the file has no LF at all.
fn line_separator(bytes: &[u8]) -> u8 {
    if bytes.contains(&b'\n') { b'\n' } else { b'\r' }
}

/// Where each physical line ends, its line end included.
pub(super) fn physical_ends(bytes: &[u8]) -> Vec<usize> {
    let separator = line_separator(bytes);
    let ends = bytes.iter().enumerate();
    let mut ends: Vec<usize> = ends
        .filter(|(_, byte)| **byte == separator)
        .map(|(at, _)| at.saturating_add(1))
        .collect();
    if ends.last().copied().unwrap_or(0) < bytes.len() {
        ends.push(bytes.len());
    }
    ends
}

/// Physical lines without their ends.
fn physical_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let separator = line_separator(bytes);
    bytes.split(move |byte| *byte == separator).map(|line| {
        let mut line = line;
        while let Some(shorter) = line.strip_suffix(b"\r") {
            line = shorter;
        }
        line
    })
}

/// Unfolds on bytes, because a fold may split a UTF-8 character, then decodes.
fn unfolded_lines(bytes: &[u8], problems: &mut Vec<Problem>) -> Vec<ContentLine> {
    let mut lines = Vec::new();
    let mut pending: Option<(usize, Vec<u8>, bool)> = None;
    let mut latin1 = false;
    for (index, physical) in physical_lines(bytes).enumerate() {
        let number = index.saturating_add(1);
        match (physical.split_first(), &mut pending) {
            (Some((b' ' | b'\t', rest)), Some((_, text, too_long))) => {
                if text.len().saturating_add(rest.len()) > MAX_LINE_BYTES {
                    *too_long = true;
                } else {
                    text.extend_from_slice(rest);
                }
            }
            // Some writers put an empty line after each; a fold may still follow it.
            _ if physical.trim_ascii().is_empty() => {}
            _ => {
                finish_line(pending.take(), &mut lines, &mut latin1, problems);
                let too_long = physical.len() > MAX_LINE_BYTES;
                let kept = if too_long {
                    Vec::new()
                } else {
                    physical.to_vec()
                };
                pending = Some((number, kept, too_long));
            }
        }
    }
    finish_line(pending, &mut lines, &mut latin1, problems);
    lines
}

fn finish_line(
    pending: Option<(usize, Vec<u8>, bool)>,
    lines: &mut Vec<ContentLine>,
    latin1: &mut bool,
    problems: &mut Vec<Problem>,
) {
    let Some((number, bytes, too_long)) = pending else {
        return;
    };
    if too_long {
        let what = format!("the line is longer than {MAX_LINE_BYTES} bytes and was left out");
        note(problems, Problem::at(number, what));
        return;
    }
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        if !*latin1 {
            *latin1 = true;
            note(
                problems,
                Problem::at(number, "the text is not UTF-8: read as Latin-1"),
            );
        }
        error
            .as_bytes()
            .iter()
            .map(|byte| char::from(*byte))
            .collect()
    });
    let text: String = text
        .chars()
        .filter(|c| !c.is_control() || *c == '\t')
        .collect();
    lines.push(ContentLine {
        number,
        text: text.trim_start().to_owned(),
    });
}

#[derive(Default)]
struct Tree {
    done: Vec<RawComponent>,
    stack: Vec<RawComponent>,
    /// Names of open components that are left out, because a limit was reached.
    skipped: Vec<String>,
    components: usize,
    ended: bool,
    problems: Vec<Problem>,
}

impl Tree {
    fn take(&mut self, line: ContentLine) {
        let (name, value) = match line.text.split_once(':') {
            Some((name, value)) => (name.trim().to_ascii_uppercase(), value.trim()),
            None => (String::new(), ""),
        };
        match name.as_str() {
            "BEGIN" => self.begin(value.to_ascii_uppercase(), line.number),
            "END" => self.end(&value.to_ascii_uppercase(), line.number),
            _ if !self.skipped.is_empty() => {}
            _ => match self.stack.last_mut() {
                Some(open) => open.lines.push(line),
                None => {
                    let side = if self.ended {
                        "after the end"
                    } else {
                        "before the start"
                    };
                    let what = format!("text {side} of the calendar was ignored");
                    self.problem_once(line.number, &what);
                }
            },
        }
    }

    fn problem_once(&mut self, line: usize, what: &str) {
        if !self.problems.iter().any(|known| known.what == what) {
            note(&mut self.problems, Problem::at(line, what));
        }
    }

    /// Closes components whose END was forgotten: these stand in nothing but a VCALENDAR.
    fn close_forgotten(&mut self, name: &str, number: usize) {
        const OUTER: [&str; 6] = [
            "VCALENDAR",
            "VEVENT",
            "VTODO",
            "VJOURNAL",
            "VFREEBUSY",
            "VTIMEZONE",
        ];
        let place = if name == "VCALENDAR" {
            (!self.stack.is_empty()).then_some(0)
        } else if OUTER.contains(&name) {
            let open = |open: &RawComponent| {
                open.name != "VCALENDAR" && OUTER.contains(&open.name.as_str())
            };
            self.stack.iter().position(open)
        } else {
            None
        };
        if let Some(place) = place {
            let what = format!("{name} begins where the END of another component is missing");
            note(&mut self.problems, Problem::at(number, what));
            self.close_to(place);
        }
    }

    fn begin(&mut self, name: String, number: usize) {
        if self.skipped.is_empty() {
            self.close_forgotten(&name, number);
        }
        if !self.skipped.is_empty() || self.stack.len() >= MAX_DEPTH {
            if self.skipped.is_empty() {
                let what = format!("components nested deeper than {MAX_DEPTH} were left out");
                self.problem_once(number, &what);
            }
            return self.skip(name);
        }
        if self.components >= MAX_COMPONENTS {
            let what = format!("more than {MAX_COMPONENTS} components: the rest was left out");
            self.problem_once(number, &what);
            return self.skip(name);
        }
        self.components = self.components.saturating_add(1);
        if name != "VCALENDAR" && self.stack.is_empty() {
            self.problem_once(
                number,
                "a component outside VCALENDAR was read all the same",
            );
            self.stack.push(RawComponent {
                name: "VCALENDAR".to_owned(),
                number,
                ..RawComponent::default()
            });
        }
        self.stack.push(RawComponent {
            name,
            number,
            ..RawComponent::default()
        });
    }

    /// Deep nesting is only counted by name, up to a bound; what is beyond ends with its parent.
    fn skip(&mut self, name: String) {
        if self.skipped.len() < MAX_COMPONENTS {
            self.skipped.push(name);
        }
    }

    fn end(&mut self, name: &str, number: usize) {
        if let Some(place) = self.skipped.iter().rposition(|open| open == name) {
            return self.skipped.truncate(place);
        }
        let Some(place) = self.stack.iter().rposition(|open| open.name == name) else {
            // The VCALENDAR that was put around a lone component has no END of its own.
            self.problem_once(number, &format!("END:{name} without its BEGIN was ignored"));
            return;
        };
        self.skipped.clear();
        if place.saturating_add(1) != self.stack.len() {
            let what = format!("END:{name} closes components whose END is missing");
            note(&mut self.problems, Problem::at(number, what));
        }
        if let Some(open) = self.stack.get_mut(place) {
            open.end = Some(number);
        }
        self.close_to(place);
    }

    fn close_to(&mut self, depth: usize) {
        while self.stack.len() > depth {
            let Some(closed) = self.stack.pop() else {
                return;
            };
            match self.stack.last_mut() {
                Some(parent) => parent.children.push(closed),
                None => {
                    self.done.push(closed);
                    self.ended = true;
                }
            }
        }
    }

    fn finish(mut self, cut: bool) -> Gated {
        if self.stack.len() > 1 {
            // A component that the size limit cut in two could lack its EXDATE or its status.
            let open = self
                .stack
                .last()
                .map(|open| (open.number, open.name.clone()));
            let fate = if cut {
                "it was left out"
            } else {
                "it was read as far as it goes"
            };
            if let Some((number, name)) = open {
                let what = format!("{name} has no END: {fate}");
                note(&mut self.problems, Problem::at(number, what));
            }
            if cut {
                self.stack.truncate(1);
            }
        } else if let Some(open) = self.stack.last() {
            let what = "VCALENDAR has no END: the file may be cut off";
            note(&mut self.problems, Problem::at(open.number, what));
        }
        self.close_to(0);
        if self.done.is_empty() {
            note(
                &mut self.problems,
                Problem::general("there is no VCALENDAR in these bytes"),
            );
        }
        Gated {
            calendars: self.done,
            problems: self.problems,
        }
    }
}

#[cfg(test)]
mod tests;
