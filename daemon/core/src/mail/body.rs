//! The text of a message, chosen among its parts.

use super::address::is_unsafe;
use super::html::{self, Mark, MarkedLine};
use super::mime::{Part, Tree};
use super::tnef::{Container, Opened};
use super::{ParseLimits, Problem, ProblemKind, flowed, uuencode};

/// The text with what HTML said about its lines.
#[derive(Debug, Default)]
pub(crate) struct BodyText {
    pub(crate) text: String,
    /// One per line of `text`.
    pub(crate) marks: Vec<Mark>,
    /// Parts that the text came from.
    pub(crate) used: Vec<usize>,
    pub(crate) cut: bool,
    /// Files that stood in the text, uuencoded.
    pub(crate) enclosed: Vec<uuencode::File>,
}

/// Reads the text: in an alternative the plain form, HTML where there is no other.
/// The body in an Outlook container counts where there is no other.
pub(crate) fn text(
    (bytes, tree): (&[u8], &Tree),
    opened: &[Opened<'_>],
    limits: &ParseLimits,
    problems: &mut Vec<Problem>,
) -> BodyText {
    let mut chooser = Chooser {
        bytes,
        tree,
        limits,
        problems,
        left: limits.max_text_bytes,
        cut: false,
        enclosed: Vec::new(),
    };
    let mut pieces = chooser.pieces(0);
    if pieces.iter().all(Piece::is_blank) {
        let containers = opened
            .iter()
            .filter_map(|o| Some((o.part, o.container.as_ref()?)));
        let found = containers
            .filter_map(|(part, container)| chooser.container(part, container))
            .next();
        if found.is_some() {
            pieces.iter_mut().for_each(|blank| blank.lines.clear());
        }
        pieces.extend(found);
    }
    let cut = chooser.cut;
    let enclosed = chooser.enclosed;
    let boxed = |part: &usize| opened.iter().any(|o| o.part == *part);
    let mut lines: Vec<MarkedLine> = Vec::new();
    let mut used = Vec::new();
    for piece in pieces {
        // The container's files are still to be listed.
        if !boxed(&piece.part) {
            used.push(piece.part);
        }
        if !lines.is_empty() && !piece.lines.is_empty() {
            lines.push((String::new(), Mark::None));
        }
        lines.extend(piece.lines);
    }
    while lines.last().is_some_and(|(line, _)| line.trim().is_empty()) {
        lines.pop();
    }
    let marks = lines.iter().map(|(_, mark)| *mark).collect();
    let lines: Vec<String> = lines.into_iter().map(|(line, _)| line).collect();
    BodyText {
        text: lines.join("\n"),
        marks,
        used,
        cut,
        enclosed,
    }
}

struct Piece {
    part: usize,
    lines: Vec<MarkedLine>,
    html: bool,
}

impl Piece {
    fn is_blank(&self) -> bool {
        self.lines.iter().all(|(line, _)| line.trim().is_empty())
    }
}

struct Chooser<'a> {
    bytes: &'a [u8],
    tree: &'a Tree,
    limits: &'a ParseLimits,
    problems: &'a mut Vec<Problem>,
    left: usize,
    cut: bool,
    enclosed: Vec<uuencode::File>,
}

impl Chooser<'_> {
    /// The text pieces below a part; depth is bounded by the reader of the tree.
    fn pieces(&mut self, at: usize) -> Vec<Piece> {
        let tree = self.tree;
        let Some(part) = tree.parts.get(at) else {
            return Vec::new();
        };
        if part.is("multipart/alternative") {
            return self.alternative(part);
        }
        if part.is_multipart() {
            let report = part.is("multipart/report");
            let children = part
                .children
                .iter()
                .take(if report { 1 } else { usize::MAX });
            return children.flat_map(|&child| self.pieces(child)).collect();
        }
        self.leaf(at, part).into_iter().collect()
    }

    fn alternative(&mut self, part: &Part) -> Vec<Piece> {
        let mut best: Vec<Piece> = Vec::new();
        let mut others: Vec<usize> = Vec::new();
        for &child in &part.children {
            let found = self.pieces(child);
            let better = match (best.is_empty(), found.is_empty()) {
                (_, true) => false,
                (true, false) => true,
                (false, false) => {
                    let blank = best.iter().all(Piece::is_blank);
                    let html = best.iter().all(|p| p.html) && !found.iter().all(|p| p.html);
                    !found.iter().all(Piece::is_blank) && (blank || html)
                }
            };
            let dropped = if better {
                std::mem::replace(&mut best, found)
            } else {
                found
            };
            others.extend(dropped.into_iter().map(|p| p.part));
        }
        // Forms not chosen are no attachments either.
        best.extend(others.into_iter().map(|part| Piece {
            part,
            lines: Vec::new(),
            html: false,
        }));
        best
    }

    fn leaf(&mut self, at: usize, part: &Part) -> Option<Piece> {
        let html = part.is("text/html");
        let readable = html
            || part.is("text/plain")
            || part.is("text/enriched")
            || part.is("text/richtext")
            || (at == 0
                && part.content_type.value.starts_with("text/")
                && !part.is("text/calendar"));
        let file = part.disposition.value == "attachment" || part.raw_file_name().is_some();
        if !readable || (file && at != 0) {
            return None;
        }
        let text = part.text(self.bytes, self.problems);
        let mut text = self.within_limit(text);
        if !html {
            text = uuencode::take(text, &mut self.enclosed);
        }
        let lines = if html {
            html::to_lines(&text)
        } else {
            plain_lines(part, &text)
        };
        Some(piece(at, lines, html))
    }

    fn within_limit(&mut self, mut text: String) -> String {
        if text.len() > self.left {
            text.truncate(text.floor_char_boundary(self.left));
            if !self.cut {
                let detail = format!(
                    "text beyond {} bytes was not read",
                    self.limits.max_text_bytes
                );
                self.problems
                    .push(Problem::new(ProblemKind::TextTooLong, detail));
            }
            self.cut = true;
        }
        self.left = self.left.saturating_sub(text.len());
        text
    }

    /// The body in a container, if it has one.
    fn container(&mut self, at: usize, container: &Container<'_>) -> Option<Piece> {
        if let Some(text) = &container.text {
            let text = text.replace("\r\n", "\n").replace('\r', "\n");
            let text = self.within_limit(text);
            let lines = text.split('\n');
            let lines = lines.map(|line| (line.to_owned(), Mark::None)).collect();
            return Some(piece(at, lines, false));
        }
        let html = self.within_limit(container.html.clone()?);
        Some(piece(at, html::to_lines(&html), true))
    }
}

fn piece(part: usize, lines: Vec<MarkedLine>, html: bool) -> Piece {
    let lines = lines
        .into_iter()
        .map(|(line, mark)| (clean_line(line), mark))
        .collect();
    Piece { part, lines, html }
}

fn plain_lines(part: &Part, text: &str) -> Vec<MarkedLine> {
    let param = |name, value: &str| {
        part.content_type
            .param(name)
            .is_some_and(|v| v.eq_ignore_ascii_case(value))
    };
    let unflowed;
    let mut text = text;
    if param("format", "flowed") {
        unflowed = flowed::unflow(text, param("delsp", "yes"));
        text = &unflowed;
    }
    text.split('\n')
        .map(|line| (line.to_owned(), Mark::None))
        .collect()
}

/// Controls and bidirectional overrides have no place in text that terminals show.
fn clean_line(line: String) -> String {
    if line.chars().any(|c| is_unsafe(c) && c != '\t') {
        line.chars()
            .filter(|&c| c == '\t' || !is_unsafe(c))
            .collect()
    } else {
        line
    }
}
