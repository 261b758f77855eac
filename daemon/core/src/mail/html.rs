//! HTML to plain text, in one pass and without building a tree.
//!
//! html5ever is quadratic in nesting depth, and what a reply parser needs is less than a
//! document: lines, quote depth, and who says that a line is a quote or a signature. Every step
//! here is linear in the input, whatever its nesting.

use std::sync::LazyLock;

use std::collections::HashMap;

use mail_parser::decoders::html::add_html_token;

use self::attributes::Attributes;

mod attributes;

/// What the mail program that wrote the HTML says about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mark {
    #[default]
    None,
    /// The line that introduces a quote.
    Attribution,
    /// From here to the end all is quoted.
    RestQuoted,
    /// Inside an element that a mail program uses for signatures.
    Signature,
    /// The writer's own, though it begins with `>`.
    Written,
}

/// One line of text with its mark.
pub(crate) type MarkedLine = (String, Mark);

/// Depth of `>` that is still written out.
const MAX_QUOTE_DEPTH: usize = 10;
/// Octets of a character reference; the longest name in HTML has 33.
const MAX_ENTITY_BYTES: usize = 34;

static VOID: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr"
        .split('|')
        .collect()
});
const RAW_TEXT: &[&str] = &[
    "style", "script", "title", "xmp", "template", "noframes", "svg", "math",
];
static BLOCK: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    address|article|aside|blockquote|body|center|dd|div|dl|dt|fieldset|figure|footer|form|h1|h2|\
    h3|h4|h5|h6|header|hr|html|li|main|nav|ol|p|pre|section|table|tbody|tfoot|thead|tr|ul"
        .split('|')
        .collect()
});
/// Blocks with a blank line around them in every mail program.
const SPACED: &[&str] = &["p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote"];

#[derive(Debug, Default)]
struct Open {
    tag: String,
    hidden: bool,
    pre: bool,
    quote: bool,
    spaced: bool,
    /// Whether letters vanished outside, where this element changed it.
    outer_vanish: Option<bool>,
    /// Mark to go back to.
    outer_mark: Option<Mark>,
    /// A list, numbered (with the last number) or not.
    list: Option<Option<u32>>,
}

#[derive(Default)]
struct Renderer {
    lines: Vec<MarkedLine>,
    line: String,
    /// The line holds something that shows, though it may be a no-break space.
    line_started: bool,
    line_mark: Option<Mark>,
    blank_wanted: bool,
    space_wanted: bool,
    open: Vec<Open>,
    counts: HashMap<String, usize>,
    hidden: usize,
    /// Letters have no size here.
    vanish: bool,
    pre: usize,
    quotes: usize,
    mark: Mark,
    rest_quoted: bool,
}

/// The text of an HTML document, line by line.
pub(crate) fn to_lines(html: &str) -> Vec<MarkedLine> {
    let mut renderer = Renderer::default();
    let mut scanner = TagScanner::default();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let (text, tail) = rest.split_at(start);
        renderer.text(text);
        rest = match scanner.read(tail) {
            Scanned::Skip(after) => after,
            Scanned::Text(len) => {
                let (text, after) = tail.split_at(tail.floor_char_boundary(len.max(1)));
                renderer.text(text);
                after
            }
            Scanned::Tag { body, after } => renderer.tag(body, after),
        };
    }
    renderer.text(rest);
    renderer.finish()
}

/// What stands at a `<`.
enum Scanned<'a> {
    Skip(&'a str),
    Text(usize),
    Tag { body: &'a str, after: &'a str },
}

/// Finds tag ends; remembers what no longer comes, so that broken markup stays linear.
#[derive(Default)]
struct TagScanner {
    no_end: bool,
    no_comment_end: bool,
    no_quote: [bool; 2],
}

impl TagScanner {
    fn read<'a>(&mut self, tail: &'a str) -> Scanned<'a> {
        if let Some(comment) = tail.strip_prefix("<!--")
            && !self.no_comment_end
        {
            if let Some((_, after)) = comment.split_once("-->") {
                return Scanned::Skip(after);
            }
            self.no_comment_end = true;
        }
        let second = tail.as_bytes().get(1).copied().unwrap_or_default();
        if !(second.is_ascii_alphabetic() || matches!(second, b'/' | b'!' | b'?')) || self.no_end {
            return Scanned::Text(1);
        }
        let end = match self.tag_end(tail) {
            Some(end) => end,
            None => match tail.find('>') {
                Some(end) => end,
                None => {
                    self.no_end = true;
                    return Scanned::Text(1);
                }
            },
        };
        let (tag, after) = tail.split_at(end);
        let after = after.strip_prefix('>').unwrap_or(after);
        match second {
            b'!' | b'?' => Scanned::Skip(after),
            _ => Scanned::Tag {
                body: tag.strip_prefix('<').unwrap_or(tag),
                after,
            },
        }
    }

    fn tag_end(&mut self, tail: &str) -> Option<usize> {
        let mut quote: Option<u8> = None;
        let mut previous = b' ';
        for (at, byte) in tail.bytes().enumerate() {
            match (quote, byte) {
                (Some(open), _) if open == byte => quote = None,
                (Some(_), _) => {}
                (None, b'>') => return Some(at),
                (None, b'"') if previous == b'=' && !self.known_missing(b'"') => quote = Some(b'"'),
                (None, b'\'') if previous == b'=' && !self.known_missing(b'\'') => {
                    quote = Some(b'\'');
                }
                _ => {}
            }
            if !byte.is_ascii_whitespace() {
                previous = byte;
            }
        }
        if let (Some(open), [double, single]) = (quote, &mut self.no_quote) {
            *(if open == b'"' { double } else { single }) = true;
        }
        None
    }

    fn known_missing(&self, quote: u8) -> bool {
        let [double, single] = self.no_quote;
        if quote == b'"' { double } else { single }
    }
}

impl Renderer {
    fn tag<'a>(&mut self, body: &str, after: &'a str) -> &'a str {
        let closing = body.starts_with('/');
        let body = body.trim_start_matches('/');
        let name_end = body
            .find(|c: char| c.is_whitespace() || c == '/')
            .unwrap_or(body.len());
        let (name, attributes) = body.split_at(name_end);
        let name = name.to_ascii_lowercase();
        if closing {
            self.close(&name);
            return after;
        }
        if RAW_TEXT.contains(&name.as_str()) && !body.ends_with('/') {
            return after_element(after, &name);
        }
        let attributes = Attributes::read(attributes);
        self.start(&name, &attributes);
        let childless = VOID.contains(&name.as_str()) || body.ends_with('/') && name.contains(':');
        if !childless {
            self.push(name, &attributes);
        }
        after
    }

    fn start(&mut self, name: &str, attributes: &Attributes) {
        if self.hidden > 0 {
            return;
        }
        match name {
            "br" => self.line_break(),
            "td" | "th" => self.space_wanted = self.line_started,
            "hr" => {
                self.end_line();
                self.blank_wanted = true;
            }
            _ if BLOCK.contains(&name) => self.end_line(),
            _ => {}
        }
        if SPACED.contains(&name) && !attributes.is_tight() {
            self.blank_wanted = true;
        }
        if attributes.starts_quoted_rest() {
            self.end_line();
            self.rest_quoted = true;
        }
    }

    fn push(&mut self, name: String, attributes: &Attributes) {
        let mut open = Open {
            hidden: attributes.is_hidden() || name == "head",
            pre: name == "pre" || name == "textarea",
            quote: name == "blockquote" && !attributes.is_indent(),
            spaced: SPACED.contains(&name.as_str()) && !attributes.is_tight(),
            ..Open::default()
        };
        let mark = match attributes.mark() {
            Mark::None if open.quote && self.mark == Mark::Attribution => Some(Mark::None),
            Mark::None => None,
            mark => Some(mark),
        };
        if let Some(mark) = mark {
            self.end_line();
            open.outer_mark = Some(self.mark);
            self.mark = mark;
        }
        if let Some(vanish) = attributes.letters_vanish() {
            open.outer_vanish = Some(self.vanish);
            self.vanish = vanish;
        }
        match name.as_str() {
            "ol" => open.list = Some(Some(0)),
            "ul" => open.list = Some(None),
            "li" if self.hidden == 0 => self.bullet(),
            _ => {}
        }
        self.hidden = self.hidden.saturating_add(usize::from(open.hidden));
        self.pre = self.pre.saturating_add(usize::from(open.pre));
        self.quotes = self.quotes.saturating_add(usize::from(open.quote));
        let count = self.counts.entry(name.clone()).or_default();
        *count = count.saturating_add(1);
        open.tag = name;
        self.open.push(open);
    }

    fn bullet(&mut self) {
        let bullet = match self.open.iter_mut().rev().find_map(|o| o.list.as_mut()) {
            Some(Some(number)) => {
                *number = number.saturating_add(1);
                format!("{number}. ")
            }
            _ => "* ".to_owned(),
        };
        self.word(&bullet);
        self.space_wanted = false;
    }

    fn close(&mut self, name: &str) {
        if name == "p" && self.counts.get("p").copied().unwrap_or_default() == 0 {
            self.end_line();
            return;
        }
        if self.counts.get(name).copied().unwrap_or_default() == 0 {
            return;
        }
        while let Some(open) = self.open.pop() {
            let done = open.tag == name;
            self.leave(&open);
            if done {
                break;
            }
        }
    }

    fn leave(&mut self, open: &Open) {
        if let Some(count) = self.counts.get_mut(&open.tag) {
            *count = count.saturating_sub(1);
        }
        if self.hidden == 0 {
            if BLOCK.contains(&open.tag.as_str()) || open.outer_mark.is_some() {
                self.end_line();
            }
            if open.spaced {
                self.blank_wanted = true;
            }
        }
        self.hidden = self.hidden.saturating_sub(usize::from(open.hidden));
        self.pre = self.pre.saturating_sub(usize::from(open.pre));
        self.quotes = self.quotes.saturating_sub(usize::from(open.quote));
        if let Some(vanish) = open.outer_vanish {
            self.vanish = vanish;
        }
        if let Some(mark) = open.outer_mark {
            self.mark = mark;
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden > 0 || self.vanish || text.is_empty() {
            return;
        }
        let decoded = entities(text);
        if self.pre > 0 {
            let mut first = true;
            for line in decoded.split('\n') {
                if !first {
                    self.line_break();
                }
                first = false;
                if !line.is_empty() {
                    self.word(line.trim_end_matches('\r'));
                }
            }
            return;
        }
        for piece in decoded.split_inclusive(|c: char| c.is_ascii_whitespace()) {
            let word = piece.trim_end_matches(|c: char| c.is_ascii_whitespace());
            if !word.is_empty() {
                self.word(&word.replace('\u{a0}', " "));
            }
            if word.len() < piece.len() {
                self.space_wanted = self.line_started;
            }
        }
    }

    fn word(&mut self, word: &str) {
        if !self.line_started {
            self.line_mark = Some(if self.rest_quoted {
                Mark::RestQuoted
            } else {
                self.mark
            });
        } else if self.space_wanted && !self.line.ends_with(' ') {
            self.line.push(' ');
        }
        self.space_wanted = false;
        self.line_started = true;
        self.line.push_str(word);
    }

    /// Ends the line if there is one.
    fn end_line(&mut self) {
        if self.line_started {
            self.line_break();
        }
        self.space_wanted = false;
    }

    /// Ends the line; an empty one becomes a blank line.
    fn line_break(&mut self) {
        if self.hidden > 0 {
            return;
        }
        let line = std::mem::take(&mut self.line);
        let mark = self.line_mark.take().unwrap_or(if self.rest_quoted {
            Mark::RestQuoted
        } else {
            self.mark
        });
        let line = line.trim_end();
        if self.blank_wanted && !line.is_empty() && !self.lines.is_empty() {
            let blank_before = self
                .lines
                .last()
                .is_some_and(|(l, _)| l.trim_matches(['>', ' ']).is_empty());
            if !blank_before {
                self.lines.push((String::new(), mark));
            }
        }
        if !line.is_empty() {
            self.blank_wanted = false;
        }
        self.line_started = false;
        self.space_wanted = false;
        let own = self.quotes == 0 && mark == Mark::None && line.starts_with(['>', ' ']);
        let mark = if own { Mark::Written } else { mark };
        let prefix = ">".repeat(self.quotes.min(MAX_QUOTE_DEPTH));
        self.lines.push(match (prefix.is_empty(), line.is_empty()) {
            (true, _) => (line.to_owned(), mark),
            (false, true) => (prefix, mark),
            (false, false) => (format!("{prefix} {line}"), mark),
        });
    }

    fn finish(mut self) -> Vec<MarkedLine> {
        self.hidden = 0;
        self.end_line();
        self.lines
    }
}

/// Skips to behind `</name>`; without one, the rest of the document belongs to the element.
fn after_element<'a>(after: &'a str, name: &str) -> &'a str {
    let mut rest = after;
    while let Some(at) = rest.find("</") {
        let tail = rest.get(at.saturating_add(2)..).unwrap_or_default();
        if tail
            .get(..name.len())
            .is_some_and(|t| t.eq_ignore_ascii_case(name))
        {
            return tail.split_once('>').map_or("", |(_, after)| after);
        }
        rest = tail;
    }
    ""
}

fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let end = tail.bytes().take(MAX_ENTITY_BYTES).position(|b| b == b';');
        let entity = end.and_then(|end| tail.split_at_checked(end.saturating_add(1)));
        match entity {
            Some((entity, after)) if !entity.contains(char::is_whitespace) => {
                add_html_token(&mut out, entity.as_bytes(), false);
                rest = after;
            }
            _ => {
                out.push('&');
                rest = tail.strip_prefix('&').unwrap_or(tail);
            }
        }
    }
    out.push_str(rest);
    out.retain(|c| !matches!(c, '\u{200b}' | '\u{feff}' | '\u{ad}' | '\0'));
    out
}

#[cfg(test)]
mod tests;
