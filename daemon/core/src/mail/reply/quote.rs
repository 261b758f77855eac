//! Where quotes and forwarded messages begin and end.

use super::phrases::{
    ABOVE_THIS_LINE, FORWARD_LINES, FROM, OTHER, SEPARATORS, STARTERS, SUBJECTS, WROTE,
};
use super::{Confidence, Line, SpanKind};
use crate::mail::html::Mark;

/// Lines over which a mail program wraps `On ... wrote:`.
const MAX_ATTRIBUTION_LINES: usize = 4;
/// Characters of such an introduction; longer text is prose.
const MAX_ATTRIBUTION_CHARS: usize = 400;
/// Lines looked at for the labels of a quoted header block.
const MAX_BLOCK_LINES: usize = 10;
/// Characters of a label.
const MAX_LABEL_CHARS: usize = 24;

/// Something that introduces a quote.
struct Introduction {
    /// First line that belongs to it.
    start: usize,
    /// First line after it.
    end: usize,
    kind: IntroductionKind,
}

#[derive(PartialEq, Eq)]
enum IntroductionKind {
    /// `On ... wrote:`
    Attribution,
    /// A block of From, Sent, To, Subject, with or without dashes above.
    Block,
}

/// Gives all quoted lines their kind.
pub(super) fn classify(lines: &mut [Line<'_>], answers: bool) -> Confidence {
    let mut confidence = Confidence::High;
    for line in lines.iter_mut() {
        if line.is_prefixed() || matches!(line.mark, Mark::Attribution | Mark::RestQuoted) {
            line.kind = SpanKind::Quoted;
        }
    }
    let mut introduced = lines
        .iter()
        .any(|l| l.kind == SpanKind::Quoted && !l.is_prefixed());
    let mut at = 0usize;
    let (mut seen, mut written_before) = (0usize, false);
    while at < lines.len() {
        // Marked attributions are read too: Gmail puts forwarded header blocks into them.
        let skip = lines.get(at).is_none_or(|l| {
            l.is_blank()
                || l.mark == Mark::Written
                || (l.kind == SpanKind::Quoted && l.mark != Mark::Attribution)
        });
        let found = if skip {
            None
        } else {
            introduction(lines, at, answers)
        };
        let Some(found) = found else {
            at = at.saturating_add(1);
            continue;
        };
        introduced = true;
        let body = next_written(lines, found.end);
        let prefixed_follows = body
            .and_then(|b| lines.get(b))
            .is_some_and(|l| l.is_prefixed() && l.mark != Mark::RestQuoted);
        let unseen = lines.get(seen..found.start).unwrap_or_default();
        written_before |= unseen
            .iter()
            .any(|l| !l.is_blank() && l.kind == SpanKind::Reply);
        seen = found.start;
        let whole_rest = !prefixed_follows
            && (found.kind == IntroductionKind::Block || written_before || body.is_none());
        if !prefixed_follows && found.kind == IntroductionKind::Attribution {
            confidence = if written_before {
                Confidence::Medium
            } else {
                Confidence::Low
            };
        }
        let end = if whole_rest { lines.len() } else { found.end };
        for line in lines.iter_mut().take(end).skip(found.start) {
            line.kind = SpanKind::Quoted;
        }
        at = end;
    }
    if !answers && !introduced {
        // Nothing is answered and nobody is quoted: `>` is the writer's own sign.
        for line in lines.iter_mut() {
            line.kind = SpanKind::Reply;
        }
        return Confidence::Low;
    }
    swallow_wrapped_rests(lines);
    confidence
}

fn next_written(lines: &[Line<'_>], from: usize) -> Option<usize> {
    let at = lines.iter().skip(from).position(|l| !l.is_blank())?;
    Some(from.saturating_add(at))
}

/// Blank lines inside a quote belong to it even where the marks are missing.
fn swallow_wrapped_rests(lines: &mut [Line<'_>]) {
    let kinds: Vec<Option<SpanKind>> = lines
        .iter()
        .map(|l| (!l.is_blank()).then_some(l.kind))
        .collect();
    let mut before = None;
    let mut pending: Vec<usize> = Vec::new();
    for (at, kind) in kinds.into_iter().enumerate() {
        match kind {
            None => pending.push(at),
            Some(SpanKind::Quoted) => {
                if before == Some(SpanKind::Quoted) {
                    for blank in pending.drain(..) {
                        if let Some(line) = lines.get_mut(blank) {
                            line.kind = SpanKind::Quoted;
                        }
                    }
                }
                pending.clear();
                before = Some(SpanKind::Quoted);
            }
            kind => {
                pending.clear();
                before = kind;
            }
        }
    }
}

fn introduction(lines: &[Line<'_>], at: usize, answers: bool) -> Option<Introduction> {
    let text = lines.get(at)?.text.trim();
    if is_separator(text) || is_forward_line(text) {
        return Some(Introduction {
            start: at,
            end: block_end(lines, at),
            kind: IntroductionKind::Block,
        });
    }
    if is_rule(text)
        && let Some(block) = next_written(lines, at.saturating_add(1))
        && block <= at.saturating_add(3)
        && is_header_block(lines, block)
    {
        return Some(Introduction {
            start: at,
            end: block_end(lines, block),
            kind: IntroductionKind::Block,
        });
    }
    if is_header_block(lines, at) && (answers || lines.get(at)?.mark == Mark::Attribution) {
        return Some(Introduction {
            start: at,
            end: block_end(lines, at),
            kind: IntroductionKind::Block,
        });
    }
    let end = attribution(lines, at)?;
    Some(Introduction {
        start: at,
        end,
        kind: IntroductionKind::Attribution,
    })
}

/// A row of underscores or dashes, as Outlook puts above the block.
fn is_rule(text: &str) -> bool {
    text.chars().count() >= 5
        && text
            .chars()
            .all(|c| matches!(c, '_' | '-' | '—' | '–' | '‐' | '‑' | '=' | '*'))
}

/// `-----Original Message-----`, in any language, and helpdesks' reply lines.
fn is_separator(text: &str) -> bool {
    let inner = text.trim_matches([
        '-', '_', '=', '*', '#', '—', '–', '‐', '‑', '━', '─', ' ', ':', '>', '<', '\t',
    ]);
    let dashes = text
        .chars()
        .take_while(|c| matches!(c, '-' | '_' | '=' | '*' | '—' | '–' | '‐' | '‑' | '━' | '─'))
        .count();
    let lower = inner.to_lowercase();
    if ABOVE_THIS_LINE.iter().any(|phrase| lower.contains(phrase)) {
        return text.chars().count() <= 120;
    }
    if dashes < 2 || inner.chars().count() > 60 {
        return false;
    }
    // Lotus: `----- Forwarded by Bob Smith/Example on 03/02/2026 10:00 AM -----`.
    let forwarded = [
        "forwarded by ",
        "weitergeleitet von ",
        "réacheminé par ",
        "reenviado por ",
    ];
    SEPARATORS.contains(&lower.as_str()) || forwarded.iter().any(|f| lower.starts_with(f))
}

fn is_forward_line(text: &str) -> bool {
    let lower = text.to_lowercase();
    let bare = lower.trim_end_matches([':', '：', ' ', '\u{a0}', '。']);
    FORWARD_LINES.contains(&bare)
}

/// The label of a header line, lower case, without the marks of bold type.
fn label(text: &str) -> Option<String> {
    let bare = text.trim_start_matches(['*', '_', '|', ' ', '\t', '\u{a0}']);
    let colon = bare.find([':', '：'])?;
    let (name, _) = bare.split_at(colon);
    if name.chars().count() > MAX_LABEL_CHARS {
        return None;
    }
    let name = name.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_'));
    // Japanese and Chinese programs pad labels: `差 出 人`.
    let name = name.to_lowercase();
    let name = if name.is_ascii() {
        name
    } else {
        name.replace('\u{3000}', "")
    };
    (!name.is_empty()).then_some(name)
}

/// A line with a sender's label, and at least two other labels close below.
fn is_header_block(lines: &[Line<'_>], at: usize) -> bool {
    let Some(first) = lines.get(at).and_then(|l| label(l.text)) else {
        return false;
    };
    let starts_with_from = FROM.contains(&first.as_str());
    let others = lines
        .iter()
        .skip(at.saturating_add(1))
        .filter(|l| !l.is_blank())
        .take(MAX_BLOCK_LINES)
        .map_while(|l| label(l.text).or_else(|| continues(l.text)))
        .filter(|name| OTHER.contains(&name.as_str()) || FROM.contains(&name.as_str()));
    let found: Vec<String> = others.collect();
    let enough = if starts_with_from { 2 } else { 3 };
    let sender = starts_with_from || found.iter().any(|name| FROM.contains(&name.as_str()));
    // `From: Berlin, To: Hamburg, Date: 3 March` is a journey: mail has addresses or a subject.
    let addressed = lines
        .iter()
        .skip(at)
        .take(found.len().saturating_add(1))
        .any(|l| l.text.contains('@'));
    let subject = found.iter().any(|name| SUBJECTS.contains(&name.as_str()));
    let ruled = lines
        .get(..at)
        .and_then(|before| before.iter().rev().find(|l| !l.is_blank()))
        .is_some_and(|l| is_rule(l.text.trim()) || is_separator(l.text.trim()));
    let mail = if starts_with_from {
        (addressed || subject) && (ruled || sent_by_mail(lines, at, found.len()))
    } else {
        addressed || ruled
    };
    sender && found.len() >= enough && mail && (starts_with_from || is_date_label(&first))
}

/// Mail has a sender with an address, or a date with a time of day.
fn sent_by_mail(lines: &[Line<'_>], at: usize, others: usize) -> bool {
    let from = |line: &Line<'_>| label(line.text).is_some_and(|l| FROM.contains(&l.as_str()));
    let block = lines.iter().skip(at).filter(|l| !l.is_blank());
    block
        .take(others.saturating_add(1))
        .enumerate()
        .any(|(n, line)| {
            line.mark == Mark::Attribution
                || ((n == 0 || from(line)) && line.text.contains('@'))
                || (has_date(line.text) && has_clock(line.text))
        })
}

/// A time of day: `10:00`, `10.00`, `10h00`.
fn has_clock(text: &str) -> bool {
    let digits = |s: &str| s.chars().take_while(char::is_ascii_digit).count();
    text.match_indices([':', '.', 'h']).any(|(at, sign)| {
        let (before, after) = text.split_at(at);
        let after = after.strip_prefix(sign).unwrap_or_default();
        let bare = before.trim_end_matches(|c: char| c.is_ascii_digit());
        let hours = before.len().saturating_sub(bare.len());
        let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        (1..=2).contains(&hours)
            && digits(after) == 2
            && (sign == ":" || !(bare.ends_with('.') || rest.starts_with('.')))
    })
}

/// Lotus and some phones put the date or the subject first.
fn is_date_label(name: &str) -> bool {
    matches!(
        name,
        "date"
            | "datum"
            | "sent"
            | "subject"
            | "betreff"
            | "gesendet"
            | "to"
            | "fecha"
            | "data"
            | "дата"
    )
}

/// Long recipient lists run over several lines.
fn continues(text: &str) -> Option<String> {
    (text.contains('@') || text.starts_with([' ', '\t'])).then(String::new)
}

fn block_end(lines: &[Line<'_>], at: usize) -> usize {
    let mut end = at.saturating_add(1);
    for (offset, line) in lines.iter().enumerate().skip(end).take(MAX_BLOCK_LINES) {
        let labelled = label(line.text)
            .is_some_and(|name| OTHER.contains(&name.as_str()) || FROM.contains(&name.as_str()));
        if labelled {
            end = offset.saturating_add(1);
        }
    }
    end
}

/// Where an attribution that starts at `at` ends; it may be wrapped.
fn attribution(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let mut joined = String::new();
    for count in 1..=MAX_ATTRIBUTION_LINES {
        let line = lines.get(at.saturating_add(count).saturating_sub(1))?;
        if line.is_blank() || (line.is_prefixed() && count > 1) {
            return None;
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(line.text.trim());
        if joined.chars().count() > MAX_ATTRIBUTION_CHARS {
            return None;
        }
        if ends_introduction(&joined) {
            let end = at.saturating_add(count);
            let quote_follows = next_written(lines, end)
                .and_then(|n| lines.get(n))
                .is_some_and(|l| l.kind == SpanKind::Quoted);
            let starts_later = (1..count).any(|skip| {
                let line = lines
                    .get(at.saturating_add(skip))
                    .map_or("", |l| l.text)
                    .trim();
                let lower = line.to_lowercase();
                is_starter(&lower) && has_date(&lower)
            });
            let dated_first = line_has_digit(lines.get(at));
            let wraps = count == 1 || (dated_first && !starts_later);
            if wraps && is_attribution(&joined, count > 1, quote_follows) {
                return Some(end);
            }
            // An address may end a line that goes on; nothing else does.
            if !joined.ends_with('>') {
                return None;
            }
        }
    }
    None
}

fn line_has_digit(line: Option<&Line<'_>>) -> bool {
    line.is_some_and(|l| l.text.contains(|c: char| c.is_ascii_digit()))
}

fn ends_introduction(text: &str) -> bool {
    let text = text.trim_end_matches(['*', '_', ' ', '\u{a0}']);
    text.ends_with([':', '：'])
        || text.ends_with("写道")
        || text.ends_with("---")
        || text.ends_with('>')
}

fn is_attribution(text: &str, wrapped: bool, quote_follows: bool) -> bool {
    let lower = text.to_lowercase();
    let bare = lower.trim_matches([':', '：', ' ', '*', '_', '-', '‐', '\u{a0}']);
    let starter = is_starter(bare);
    if wrapped && !starter {
        return false;
    }
    let dated = has_date(bare);
    let addressed =
        bare.contains('@') && (bare.contains('<') || bare.contains('(') || bare.contains("mailto"));
    // Gmail in some languages: `2026-03-02 10:00 GMT+01:00 Bob <bob@example.com>:`
    let colon = lower.trim_end().ends_with([':', '：']);
    if dated && bare.ends_with('>') && addressed && starter && (colon || quote_follows) {
        return true;
    }
    let Some(verb) = WROTE.iter().find(|verb| contains_word(bare, verb)) else {
        return false;
    };
    let verb_last = bare.ends_with(verb);
    if quote_follows {
        return dated || addressed || verb_last;
    }
    // Without quote marks below, everything behind is taken away: be strict.
    let shaped = if verb_last {
        starter || addressed
    } else {
        dated || addressed
    };
    shaped && (dated || addressed) && (has_clock(bare) || addressed)
}

/// Whether a line begins like an attribution: with a number, or a word that leads to a date.
fn is_starter(lower: &str) -> bool {
    let first = lower
        .split(|c: char| !c.is_alphabetic())
        .next()
        .unwrap_or_default();
    lower.starts_with(|c: char| c.is_ascii_digit() || c == '<' || c == '[')
        || STARTERS.contains(&first)
        || first.starts_with('在')
}

/// Scripts without blanks between words need no word borders.
fn contains_word(text: &str, word: &str) -> bool {
    let Some(at) = text.find(word) else {
        return false;
    };
    if !word
        .chars()
        .any(|c| c.is_alphabetic() && u32::from(c) < 0x0600)
    {
        return true;
    }
    let (before, rest) = text.split_at(at);
    let after = rest.strip_prefix(word).unwrap_or_default();
    !before.ends_with(char::is_alphabetic) && !after.starts_with(char::is_alphabetic)
}

fn has_date(text: &str) -> bool {
    text.chars().filter(char::is_ascii_digit).count() >= 2 && has_time_or_year(text)
}

fn has_time_or_year(text: &str) -> bool {
    let digits: Vec<&str> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|d| !d.is_empty())
        .collect();
    let year = digits
        .iter()
        .any(|d| d.len() == 4 && (d.starts_with("19") || d.starts_with("20")));
    let numeric = digits.len() >= 3;
    year || numeric
}
