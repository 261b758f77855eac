//! Where quotes and forwarded messages begin and end.

use super::attribution;
use super::block::{
    block_end, is_arrowed, is_forward_line, is_header_block, is_labelled_separator, is_rule,
    is_separator, notes_block,
};
use super::{Confidence, Line, SpanKind};
use crate::mail::html::Mark;

/// Initials before the sign, as in `AE> text`.
const MAX_INITIALS: usize = 4;

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
    for line in lines.iter_mut() {
        if line.is_prefixed() || matches!(line.mark, Mark::Attribution | Mark::RestQuoted) {
            line.kind = SpanKind::Quoted;
        }
    }
    mark_initials(lines);
    mark_bars(lines);
    let marked = lines
        .iter()
        .any(|l| l.kind == SpanKind::Quoted && !l.is_prefixed());
    let (found, confidence) = introduced(lines, answers);
    if !(found || marked) {
        if !answers {
            // Nothing is answered and nobody is quoted: `>` is the writer's own sign.
            for line in lines.iter_mut() {
                line.kind = SpanKind::Reply;
            }
            return Confidence::Low;
        }
        keep_own_lists(lines);
    }
    mark_rules_above(lines);
    swallow_wrapped_rests(lines);
    confidence
}

/// Hotmail puts its rule above a block of marked lines.
fn mark_rules_above(lines: &mut [Line<'_>]) {
    for at in 0..lines.len() {
        let is_underscored = lines
            .get(at)
            .is_some_and(|l| l.text.len() >= 20 && l.text.bytes().all(|b| b == b'_'));
        let quoted = lines
            .get(at.saturating_add(1))
            .is_some_and(|l| l.kind == SpanKind::Quoted);
        if is_underscored
            && quoted
            && let Some(line) = lines.get_mut(at)
        {
            line.kind = SpanKind::Quoted;
        }
    }
}

/// Finds what introduces quotes and gives it its kind, with all that follows where no line is
/// marked; says whether there was any, and how sure it is.
fn introduced(lines: &mut [Line<'_>], answers: bool) -> (bool, Confidence) {
    let mut confidence = Confidence::High;
    let (mut any, mut at) = (false, 0usize);
    let (mut seen, mut written_before) = (0usize, false);
    while at < lines.len() {
        // Marked attributions are read too: Gmail puts forwarded header blocks into them.
        let skip = lines.get(at).is_none_or(|l| {
            l.is_blank()
                || l.mark == Mark::Written
                || (l.kind == SpanKind::Quoted
                    && l.mark != Mark::Attribution
                    && !l.text.trim_start().starts_with(">>> "))
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
        any = true;
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
        let start = above_rules(lines, found.start);
        for line in lines.iter_mut().take(end).skip(start) {
            line.kind = SpanKind::Quoted;
        }
        at = end;
    }
    (any, confidence)
}

/// A rule right above an introduction goes with it.
fn above_rules(lines: &[Line<'_>], start: usize) -> usize {
    let mut from = start;
    for (at, line) in lines.iter().enumerate().take(start).rev() {
        if is_rule(line.text.trim()) || matches!(line.text.trim(), "--" | "---" | "—") {
            from = at;
        } else if !line.is_blank() {
            break;
        }
    }
    from
}

/// Old mail programs put the writer's initials before the sign: `AE> text`, twice at least.
fn mark_initials(lines: &mut [Line<'_>]) {
    let initials = |text: &str| -> Option<String> {
        let (head, _) = text.trim_start().split_once('>')?;
        let fits = (2..=MAX_INITIALS).contains(&head.chars().count())
            && head.chars().all(char::is_uppercase);
        fits.then(|| head.to_owned())
    };
    let mut before: Option<(usize, String)> = None;
    for at in 0..lines.len() {
        let Some(line) = lines.get(at).filter(|l| l.mark == Mark::None) else {
            continue;
        };
        if line.is_blank() {
            continue;
        }
        let found = initials(line.text);
        if let (Some((last, old)), Some(new)) = (&before, &found)
            && old == new
        {
            for line in [*last, at] {
                mark_foreign(lines, line);
            }
        }
        before = found.map(|name| (at, name));
    }
}

fn mark_foreign(lines: &mut [Line<'_>], at: usize) {
    if let Some(line) = lines.get_mut(at) {
        line.foreign = true;
        line.kind = SpanKind::Quoted;
    }
}

/// `| text` below a line that tells who wrote; a table has bars at both ends.
fn mark_bars(lines: &mut [Line<'_>]) {
    let is_bar = |line: &Line<'_>| {
        let text = line.text.trim();
        text == "|" || text.starts_with("| ") && !text.ends_with('|')
    };
    let mut at = 0usize;
    while at < lines.len() {
        // Only below a written line: rows of blank ones are gone through once.
        let line = lines
            .get(at)
            .filter(|l| l.mark == Mark::None && !l.is_blank());
        at = at.saturating_add(1);
        let Some(line) = line else { continue };
        let Some(mut bar) = next_written(lines, at) else {
            return;
        };
        let above_bar = lines.get(bar).is_some_and(is_bar);
        if !above_bar || !attribution::tells_who_wrote(line.text) {
            continue;
        }
        while lines.get(bar).is_some_and(is_bar) {
            mark_foreign(lines, bar);
            bar = bar.saturating_add(1);
        }
        at = at.max(bar);
    }
}

/// `Our conditions:` right above lines with `>`, and text right below: a list of the writer's.
fn keep_own_lists(lines: &mut [Line<'_>]) {
    let mut at = 0usize;
    while at < lines.len() {
        let quoted = |l: &&Line<'_>| l.kind == SpanKind::Quoted && l.is_prefixed();
        let length = lines.iter().skip(at).take_while(quoted).count();
        if length == 0 {
            at = at.saturating_add(1);
            continue;
        }
        let end = at.saturating_add(length);
        let above = at.checked_sub(1).and_then(|above| own(lines, above));
        if above.is_some_and(|text| text.ends_with([':', '：'])) && own(lines, end).is_some() {
            for line in lines.iter_mut().take(end).skip(at) {
                line.kind = SpanKind::Reply;
            }
        }
        at = end;
    }
}

/// A line of the reply that holds text.
fn own<'a>(lines: &[Line<'a>], at: usize) -> Option<&'a str> {
    let line = lines.get(at)?;
    (!line.is_blank() && line.kind == SpanKind::Reply).then(|| line.text.trim_end())
}

pub(super) fn next_written(lines: &[Line<'_>], from: usize) -> Option<usize> {
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
    let block = |start, end| Introduction {
        start,
        end,
        kind: IntroductionKind::Block,
    };
    if is_separator(text) || is_forward_line(text) || is_labelled_separator(lines, at) {
        return Some(block(at, block_end(lines, at)));
    }
    if is_arrowed(text) {
        return Some(block(at, at.saturating_add(1)));
    }
    if let Some(rest) = text.strip_prefix(">>> ")
        && attribution::is_whole(rest)
    {
        return Some(block(at, at.saturating_add(1)));
    }
    if is_rule(text)
        && let Some(first) = next_written(lines, at.saturating_add(1))
        && first <= at.saturating_add(3)
        && is_header_block(lines, first)
    {
        return Some(block(at, block_end(lines, first)));
    }
    if is_header_block(lines, at) && (answers || lines.get(at)?.mark == Mark::Attribution) {
        return Some(block(at, block_end(lines, at)));
    }
    if let Some(end) = notes_block(lines, at).filter(|_| answers) {
        return Some(block(at, end));
    }
    let end = attribution::end(lines, at)?;
    Some(Introduction {
        start: at,
        end,
        kind: IntroductionKind::Attribution,
    })
}
