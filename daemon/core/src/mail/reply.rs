//! What the sender newly wrote, and what is quote or signature.
//!
//! Every line gets one class; nothing is deleted, and in doubt a line is reply: losing what a
//! customer wrote is the worst error here.
//!
//! A closing (`Best regards`) and the name below it are reply. The signature begins behind a
//! delimiter (`-- `, a long rule above contact data), with the contact data below closing and
//! name, or with the writer's own name or a line of parts (`Name | Title | Company`) above contact
//! data where there is no closing. Lines that apps add (`Sent from my iPhone`), footers of lists
//! and legal notices belong to it wherever they stand.

use serde::{Deserialize, Serialize};

use super::html::Mark;

mod apps;
mod attribution;
mod block;
mod contact;
mod phrases;
mod quote;
mod signature;

/// What a line of the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// Newly written.
    Reply,
    /// Quoted or forwarded, with the lines that introduce it.
    Quoted,
    /// Signature, disclaimer, footer of a mailing list.
    Signature,
}

/// How sure the division is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A guess that kept more than it should, perhaps.
    Low,
    /// Wording decided.
    Medium,
    /// Marks that mail programs set decided, or there was nothing to divide.
    High,
}

/// A stretch of the text, in bytes; together the spans cover it all, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// What it is.
    pub kind: SpanKind,
    /// First byte.
    pub start: usize,
    /// First byte after it.
    pub end: usize,
}

/// The text of a message, divided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyParts {
    /// The spans over `MessageView::text`.
    pub spans: Vec<Span>,
    /// What was newly written, trimmed; answers between quotes follow one another.
    pub reply: String,
    /// What was quoted, with its `>` marks.
    pub quoted: String,
    /// Signature and disclaimers.
    pub signature: String,
    /// How sure the division is.
    pub confidence: Confidence,
}

impl Default for BodyParts {
    fn default() -> Self {
        BodyParts {
            spans: Vec::new(),
            reply: String::new(),
            quoted: String::new(),
            signature: String::new(),
            confidence: Confidence::High,
        }
    }
}

/// One line while it is judged.
#[derive(Debug, Clone)]
pub(crate) struct Line<'a> {
    /// The line without its end.
    pub(crate) text: &'a str,
    pub(crate) mark: Mark,
    pub(crate) kind: SpanKind,
    /// Quoted by another sign than `>`.
    pub(crate) foreign: bool,
}

impl Line<'_> {
    pub(crate) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    pub(crate) fn is_prefixed(&self) -> bool {
        self.mark != Mark::Written && (self.foreign || is_prefixed(self.text))
    }
}

/// Text as phrases are compared: lower case, one kind of blank and of digit, no accents that
/// stand as characters of their own.
pub(crate) fn folded(text: &str) -> String {
    if text.is_ascii() {
        let mut out = text.to_ascii_lowercase();
        if out.contains(|c: char| c.is_whitespace() && c != ' ') {
            out = out.replace(char::is_whitespace, " ");
        }
        return out;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphabetic() => out.push(c.to_ascii_lowercase()),
            '\u{300}'..='\u{36f}' => {}
            c if c.is_whitespace() => out.push(' '),
            '’' | '‘' | 'ʼ' => out.push('\''),
            c => match digit(c).or_else(|| full_width_letter(c)) {
                Some(plain) => out.push(plain),
                None => out.extend(c.to_lowercase().filter(|c| *c != '\u{307}')),
            },
        }
    }
    out
}

fn full_width_letter(c: char) -> Option<char> {
    let first = match c {
        '\u{ff21}'..='\u{ff3a}' => 0xff21,
        '\u{ff41}'..='\u{ff5a}' => 0xff41,
        _ => return None,
    };
    let place = u32::from(c).saturating_sub(first);
    char::from_u32(u32::from('a').saturating_add(place))
}

/// The digits that mail programs write dates with, in ASCII.
fn digit(c: char) -> Option<char> {
    let zero = match c {
        '\u{660}'..='\u{669}' => 0x660,
        '\u{6f0}'..='\u{6f9}' => 0x6f0,
        '\u{966}'..='\u{96f}' => 0x966,
        '\u{e50}'..='\u{e59}' => 0xe50,
        '\u{ff10}'..='\u{ff19}' => 0xff10,
        _ => return None,
    };
    char::from_digit(u32::from(c).saturating_sub(zero), 10)
}

/// A line with a `>` mark; `>From` is what mbox files make of `From`.
fn is_prefixed(text: &str) -> bool {
    let text = text.strip_prefix(' ').unwrap_or(text);
    text.starts_with('>') && !text.starts_with(">From ")
}

/// What the header says about the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writing<'a> {
    /// The message answers or forwards another: without that, only what no writer types counts as
    /// a quote.
    pub(crate) answers: bool,
    /// The writer's display name, which begins a signature.
    pub(crate) name: Option<&'a str>,
}

/// Divides `text`; `marks` are those of its lines, where HTML told any.
pub(crate) fn divide(text: &str, marks: &[Mark], writing: &Writing<'_>) -> BodyParts {
    let mut lines: Vec<Line<'_>> = text
        .split('\n')
        .enumerate()
        .map(|(at, text)| Line {
            text,
            mark: marks.get(at).copied().unwrap_or_default(),
            kind: SpanKind::Reply,
            foreign: false,
        })
        .collect();
    mark_fenced(&mut lines);
    let quote = quote::classify(&mut lines, writing.answers);
    keep_named_comments(&mut lines, writing.name);
    let signature = signature::classify(&mut lines, writing.name);
    give_blanks_to_neighbours(&mut lines);
    assemble(text, &lines, quote.min(signature))
}

/// Divides plain text that comes without marks.
#[must_use]
pub fn divide_text(text: &str) -> BodyParts {
    let writing = Writing {
        answers: true,
        name: None,
    };
    divide(text, &[], &writing)
}

/// Lines between two fences are the writer's own, whatever they begin with.
fn mark_fenced(lines: &mut [Line<'_>]) {
    let fences: Vec<usize> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.mark == Mark::None && line.text.starts_with("```"))
        .map(|(at, _)| at)
        .collect();
    for pair in fences.chunks_exact(2) {
        let [open, close] = pair else { continue };
        for line in lines.iter_mut().take(*close).skip(*open) {
            if line.mark == Mark::None {
                line.mark = Mark::Written;
            }
        }
    }
}

/// Outlook can put the writer's name before what is written into the text that is answered
/// (`[Alice Example] Yes.`).
fn keep_named_comments(lines: &mut [Line<'_>], name: Option<&str>) {
    let Some(name) = name.map(folded).filter(|name| !name.trim().is_empty()) else {
        return;
    };
    let first = name.split_whitespace().next().unwrap_or_default();
    for line in lines.iter_mut() {
        if line.kind != SpanKind::Quoted || line.is_prefixed() {
            continue;
        }
        let marked = line.text.trim_start().strip_prefix('[');
        let marked = marked.and_then(|rest| rest.split_once(']'));
        let by = marked.filter(|(_, said)| !said.trim().is_empty());
        if by.is_some_and(|(by, _)| [name.trim(), first].contains(&folded(by).trim())) {
            line.kind = SpanKind::Reply;
        }
    }
}

/// Blank lines between two lines of one kind belong to them.
fn give_blanks_to_neighbours(lines: &mut [Line<'_>]) {
    let mut last = None;
    let mut blanks: Vec<usize> = Vec::new();
    for at in 0..lines.len() {
        let Some(line) = lines.get(at) else { break };
        if line.is_blank() {
            blanks.push(at);
            continue;
        }
        let kind = line.kind;
        if last.is_none_or(|last| last == kind) {
            for blank in blanks.drain(..) {
                if let Some(line) = lines.get_mut(blank) {
                    line.kind = kind;
                }
            }
        }
        blanks.clear();
        last = Some(kind);
    }
    for blank in blanks {
        if let (Some(line), Some(kind)) = (lines.get_mut(blank), last) {
            line.kind = kind;
        }
    }
}

fn assemble(text: &str, lines: &[Line<'_>], confidence: Confidence) -> BodyParts {
    let mut spans: Vec<Span> = Vec::new();
    let mut at = 0usize;
    for line in lines {
        let end = at
            .saturating_add(line.text.len())
            .saturating_add(1)
            .min(text.len());
        match spans.last_mut() {
            Some(span) if span.kind == line.kind => span.end = end,
            _ if end > at => spans.push(Span {
                kind: line.kind,
                start: at,
                end,
            }),
            _ => {}
        }
        at = end;
    }
    let collect = |kind| {
        let mut pieces: Vec<&str> = Vec::new();
        let mut before = None;
        for span in &spans {
            if span.kind == kind {
                if before == Some(SpanKind::Signature) {
                    pieces.push("");
                }
                pieces.extend(text.get(span.start..span.end));
            }
            before = Some(span.kind);
        }
        join(&pieces)
    };
    let (reply, quoted, signature) = (
        collect(SpanKind::Reply),
        collect(SpanKind::Quoted),
        collect(SpanKind::Signature),
    );
    BodyParts {
        spans,
        reply: unescape_from(&reply),
        quoted,
        signature,
        confidence,
    }
}

/// Puts pieces together; a blank line between them where one stood at either end.
fn join(pieces: &[&str]) -> String {
    let mut out = String::new();
    let mut gap = false;
    for piece in pieces {
        let trimmed = trim_blank_lines(piece);
        if trimmed.is_empty() {
            gap = true;
            continue;
        }
        if !out.is_empty() {
            let loose = gap || piece.trim_start_matches(' ').starts_with('\n');
            out.push_str(if loose { "\n\n" } else { "\n" });
        }
        out.push_str(trimmed);
        gap = piece.ends_with("\n\n");
    }
    out.trim().to_owned()
}

fn trim_blank_lines(text: &str) -> &str {
    let end = text.trim_end();
    let start = end.trim_start();
    let lead = end.len().saturating_sub(start.len());
    let line_start = end
        .get(..lead)
        .and_then(|head| head.rfind('\n'))
        .map_or(0, |n| n.saturating_add(1));
    end.get(line_start..).unwrap_or(start)
}

/// `>From` at a line start is mbox escaping, not a quote.
fn unescape_from(reply: &str) -> String {
    if !reply.contains(">From ") {
        return reply.to_owned();
    }
    let lines: Vec<&str> = reply
        .split('\n')
        .map(|line| {
            if line.starts_with(">From ") {
                line.trim_start_matches('>')
            } else {
                line
            }
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests;
