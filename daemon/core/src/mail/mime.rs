//! The MIME tree (RFC 2045, 2046), read in one pass over the lines.
//!
//! No recursion: depth and number of parts cost nothing but their own bytes. Enclosed messages
//! (`message/rfc822`) stay leaves; whoever wants them reads them one level at a time.

use std::ops::Range;

use super::charset::{TransferEncoding, decode_labelled, html_charset};
use super::fields::{HeaderSection, Parameterised, decode_words, line_at, scan};
use super::{ParseLimits, Problem, ProblemKind};

/// Multiparts inside each other; real mail stays below 10.
const MAX_DEPTH: usize = 50;
/// Octets of a boundary that are compared; RFC 2046 5.1.1 allows 70.
const MAX_BOUNDARY_BYTES: usize = 256;

/// Lines before the first part in which a boundary that nobody named is looked for.
const MAX_PREAMBLE_LINES: usize = 200;
/// How fields of a part's header begin.
const CONTENT: &[u8] = b"content-";

/// One node of the tree; `parts[0]` is the message itself.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) header: HeaderSection,
    pub(crate) content_type: Parameterised,
    pub(crate) disposition: Parameterised,
    pub(crate) encoding: TransferEncoding,
    /// Octets of the body, still encoded.
    pub(crate) body: Range<usize>,
    pub(crate) parent: Option<usize>,
    pub(crate) children: Vec<usize>,
}

impl Part {
    pub(crate) fn is(&self, media_type: &str) -> bool {
        self.content_type.value == media_type
    }

    pub(crate) fn is_multipart(&self) -> bool {
        self.content_type.value.starts_with("multipart/")
    }

    pub(crate) fn is_enclosed_message(&self) -> bool {
        self.is("message/rfc822") || self.is("message/global")
    }

    pub(crate) fn decoded(&self, bytes: &[u8]) -> Vec<u8> {
        self.encoding
            .decode(bytes.get(self.body.clone()).unwrap_or_default())
    }

    /// The body as text with `\n` line ends; repairs are noted.
    pub(crate) fn text(&self, bytes: &[u8], problems: &mut Vec<Problem>) -> String {
        let octets = self.decoded(bytes);
        let html = self
            .is("text/html")
            .then(|| html_charset(&octets))
            .flatten();
        let named = self.content_type.param("charset");
        let decoded = decode_labelled(&octets, named, html.as_deref());
        if let Some(repair) = decoded.repair {
            problems.push(Problem::new(ProblemKind::Charset, format!("text {repair}")));
        }
        decoded.text.replace("\r\n", "\n").replace('\r', "\n")
    }

    /// File name as the sender wrote it, from either field.
    pub(crate) fn raw_file_name(&self) -> Option<String> {
        let name = self
            .disposition
            .param("filename")
            .or(self.content_type.param("name"))?;
        Some(decode_words(name))
    }
}

/// The whole tree with what was wrong in it.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) parts: Vec<Part>,
    pub(crate) problems: Vec<Problem>,
    /// A limit was met: what lies behind it was not read.
    pub(crate) cut: bool,
}

struct Walk<'a> {
    bytes: &'a [u8],
    limits: &'a ParseLimits,
    tree: Tree,
    open: Vec<Open>,
}

/// A multipart whose closing delimiter has not been seen.
struct Open {
    boundary: Vec<u8>,
    part: usize,
}

impl Tree {
    pub(crate) fn read(bytes: &[u8], limits: &ParseLimits) -> Tree {
        let tree = Tree {
            parts: Vec::new(),
            problems: Vec::new(),
            cut: false,
        };
        let mut walk = Walk {
            bytes,
            limits,
            tree,
            open: Vec::new(),
        };
        walk.run();
        walk.read_undivided();
        walk.tree
    }

    /// The message without its body, for what is over a limit as a whole.
    pub(crate) fn header_only(bytes: &[u8], limits: &ParseLimits) -> Tree {
        let header = scan(bytes, 0, limits, |_| false);
        let mut tree = Tree {
            parts: Vec::new(),
            problems: Vec::new(),
            cut: true,
        };
        let body = header.body..header.body;
        tree.parts
            .push(make_part(header, None, false, body, &mut tree.problems));
        tree
    }
}

impl Walk<'_> {
    fn run(&mut self) {
        let (mut leaf, mut at) = self.start_part(0);
        while let Some((line, next)) = line_at(self.bytes, at) {
            let Some((level, closes)) = self.delimiter(line) else {
                at = next;
                continue;
            };
            let end = self.before_line_end(at);
            if let Some(part) = leaf.take() {
                self.end_part(part, end);
            }
            self.close_above(level, end);
            if closes {
                if let Some(done) = self.open.pop() {
                    self.end_part(done.part, next);
                }
                at = next;
            } else if self.tree.parts.len() >= self.limits.max_parts {
                self.tree.cut = true;
                self.note(
                    ProblemKind::TooManyParts,
                    format!(
                        "parts beyond the first {} were not read",
                        self.limits.max_parts
                    ),
                );
                return;
            } else {
                (leaf, at) = self.start_part(next);
            }
        }
        let unclosed = !self.open.is_empty();
        if unclosed {
            self.note(
                ProblemKind::UnclosedMultipart,
                "a multipart has no closing boundary".into(),
            );
        }
    }

    fn note(&mut self, kind: ProblemKind, detail: String) {
        self.tree.problems.push(Problem::new(kind, detail));
    }

    /// Reads the header at `at`; gives the new leaf, if it is one, and where its body starts.
    fn start_part(&mut self, at: usize) -> (Option<usize>, usize) {
        let open = &self.open;
        let header = scan(self.bytes, at, self.limits, |line| {
            delimiter_of(open, line).is_some()
        });
        let parent = self.open.last().map(|o| o.part);
        let in_digest = parent
            .and_then(|p| self.tree.parts.get(p))
            .is_some_and(|p| p.is("multipart/digest"));
        let start = header.body;
        let body = start..self.bytes.len();
        let part = make_part(header, parent, in_digest, body, &mut self.tree.problems);
        let index = self.tree.parts.len();
        let multipart = part.is_multipart();
        let boundary = part
            .content_type
            .param("boundary")
            .map(str::trim_end)
            .map(str::to_owned)
            .filter(|b| !b.is_empty());
        let boundary = match boundary {
            None if multipart => self.guessed_boundary(start),
            // A wrong name costs a search through the message, so only the outermost is checked.
            Some(named) if multipart && index == 0 && !self.occurs(start, &named) => {
                self.guessed_boundary(start).or(Some(named))
            }
            boundary => boundary,
        };
        self.tree.parts.push(part);
        if let Some(parent) = parent.and_then(|p| self.tree.parts.get_mut(p)) {
            parent.children.push(index);
        }
        if !multipart {
            return (Some(index), start);
        }
        match boundary.filter(|b| b.len() <= MAX_BOUNDARY_BYTES) {
            Some(boundary) if self.open.len() < MAX_DEPTH => {
                self.open.push(Open {
                    boundary: boundary.into_bytes(),
                    part: index,
                });
                (None, start)
            }
            Some(_) => {
                if !self.tree.cut {
                    self.note(
                        ProblemKind::TooDeep,
                        format!("multiparts nested deeper than {MAX_DEPTH} were not taken apart"),
                    );
                }
                self.tree.cut = true;
                (Some(index), start)
            }
            None => {
                self.note(
                    ProblemKind::NoBoundary,
                    "a multipart names no boundary".into(),
                );
                if let Some(part) = self.tree.parts.get_mut(index) {
                    part.content_type.value = "text/plain".to_owned();
                }
                (Some(index), start)
            }
        }
    }

    /// Whether a delimiter with this name stands anywhere behind `start`.
    fn occurs(&self, start: usize, boundary: &str) -> bool {
        let open = [Open {
            boundary: boundary.as_bytes().to_vec(),
            part: 0,
        }];
        let mut at = start;
        while let Some((line, next)) = line_at(self.bytes, at) {
            if delimiter_of(&open, line).is_some() {
                return true;
            }
            at = next;
        }
        false
    }

    /// The boundary that the body shows: a line `--...` with the header of a part right below.
    fn guessed_boundary(&mut self, start: usize) -> Option<String> {
        let mut at = start;
        for _ in 0..MAX_PREAMBLE_LINES {
            let (line, next) = line_at(self.bytes, at)?;
            if delimiter_of(&self.open, line).is_some() {
                return None;
            }
            let name = line.strip_prefix(b"--").map(<[u8]>::trim_ascii_end);
            let below = line_at(self.bytes, next).map(|(below, _)| below);
            let part_begins = below.is_some_and(|below| {
                below
                    .get(..CONTENT.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(CONTENT))
            });
            if let Some(name) = name.filter(|n| !n.is_empty() && part_begins) {
                let boundary = String::from_utf8(name.to_vec()).ok()?;
                let shown = super::address::clean_text(&boundary);
                let detail =
                    format!("a multipart names no boundary that occurs: read with `{shown}`");
                self.note(ProblemKind::NoBoundary, detail);
                return Some(boundary);
            }
            at = next;
        }
        None
    }

    /// Multiparts in which no delimiter was found are text, and not lost.
    fn read_undivided(&mut self) {
        let cut = self.tree.cut;
        let mut undivided = 0usize;
        for part in &mut self.tree.parts {
            if !cut && part.is_multipart() && part.children.is_empty() && !part.body.is_empty() {
                part.content_type.value = "text/plain".to_owned();
                undivided = undivided.saturating_add(1);
            }
        }
        if undivided > 0 {
            let detail = "the boundary of a multipart never occurs: it was read as text";
            self.note(ProblemKind::NoBoundary, detail.to_owned());
        }
    }

    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        delimiter_of(&self.open, line)
    }

    /// The line break before a delimiter belongs to the delimiter (RFC 2046 5.1.1).
    fn before_line_end(&self, at: usize) -> usize {
        let head = self.bytes.get(..at).unwrap_or_default();
        let head = head.strip_suffix(b"\n").unwrap_or(head);
        head.strip_suffix(b"\r").unwrap_or(head).len()
    }

    fn end_part(&mut self, part: usize, end: usize) {
        if let Some(part) = self.tree.parts.get_mut(part) {
            part.body.end = end.max(part.body.start);
        }
    }

    fn close_above(&mut self, level: usize, end: usize) {
        let forgotten = self
            .open
            .split_off(level.saturating_add(1).min(self.open.len()));
        if !forgotten.is_empty() {
            self.note(
                ProblemKind::UnclosedMultipart,
                "a multipart has no closing boundary".into(),
            );
        }
        for open in forgotten {
            self.end_part(open.part, end);
        }
    }
}

/// Which open multipart a line delimits, and whether it closes it.
fn delimiter_of(open: &[Open], line: &[u8]) -> Option<(usize, bool)> {
    let rest = line.strip_prefix(b"--")?.trim_ascii_end();
    open.iter().enumerate().rev().find_map(|(level, o)| {
        match rest.strip_prefix(o.boundary.as_slice())? {
            b"" => Some((level, false)),
            b"--" => Some((level, true)),
            _ => None,
        }
    })
}

fn make_part(
    mut header: HeaderSection,
    parent: Option<usize>,
    in_digest: bool,
    body: Range<usize>,
    problems: &mut Vec<Problem>,
) -> Part {
    problems.append(&mut header.problems);
    let mut content_type = header
        .first("Content-Type")
        .map(Parameterised::parse)
        .unwrap_or_default();
    if !content_type.value.contains('/') {
        if header.has("Content-Type") {
            problems.push(Problem::new(
                ProblemKind::BadContentType,
                format!("unreadable Content-Type `{}`", content_type.value),
            ));
        }
        let default = if in_digest {
            "message/rfc822"
        } else {
            "text/plain"
        };
        content_type.value = default.to_owned();
    }
    let named = header
        .first("Content-Transfer-Encoding")
        .unwrap_or_default();
    let encoding = TransferEncoding::parse(named).unwrap_or_else(|| {
        problems.push(Problem::new(
            ProblemKind::BadTransferEncoding,
            format!(
                "unknown Content-Transfer-Encoding `{}`",
                super::address::clean_text(named)
            ),
        ));
        TransferEncoding::Identity
    });
    let disposition = header
        .first("Content-Disposition")
        .map(Parameterised::parse)
        .unwrap_or_default();
    Part {
        header,
        content_type,
        disposition,
        encoding,
        body,
        parent,
        children: Vec::new(),
    }
}
