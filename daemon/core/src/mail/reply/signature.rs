//! Where the reply ends and the signature begins.

use super::apps::is_mobile;
use super::contact::{closing, has_parts, is_contact, is_named, is_reachable, is_sentence};
use super::phrases::{ANY_FOOTER, ANY_LEGAL, ANY_LEGAL_CORE, LEGAL};
use super::{Confidence, Line, SpanKind};
use crate::mail::html::Mark;

/// Lines of a signature behind `-- ` (RFC 3676 4.3); McQuary's four are seldom kept.
const MAX_DELIMITED_LINES: usize = 40;
/// Lines of sentences below `-- `; more are text.
const MAX_SIGNATURE_SENTENCES: usize = 6;
/// Characters of those lines.
const MAX_SIGNATURE_PROSE_CHARS: usize = 300;
/// Lines behind a delimiter without the blank, which people also use as a rule.
const MAX_LOOSE_LINES: usize = 12;
/// Lines of contact data below a closing.
const MAX_CONTACT_LINES: usize = 14;
/// Characters of one of them.
const MAX_CONTACT_CHARS: usize = 100;
/// Paragraphs from the end that may be legal notices.
const MAX_LEGAL_PARAGRAPHS: usize = 15;
/// Lines of one of them.
const MAX_LEGAL_LINES: usize = 60;
/// Characters of a border that somebody draws.
const MIN_BORDER_CHARS: usize = 8;
/// Characters of a heading above a rule.
const MAX_HEADING_CHARS: usize = 60;
/// Characters of a line of parts with bars.
const MAX_PARTED_CHARS: usize = 140;
/// Lines between a closing and the contact data: the writer's name.
const MAX_NAME_LINES: usize = 2;

/// Gives signature lines their kind; quotes must be known already.
pub(super) fn classify(lines: &mut [Line<'_>], name: Option<&str>) -> Confidence {
    marked(lines);
    let only_signature = !lines
        .iter()
        .any(|l| !l.is_blank() && l.kind != SpanKind::Signature);
    if only_signature {
        // Some programs let people write inside the signature's element.
        for line in lines.iter_mut() {
            line.kind = SpanKind::Reply;
        }
    }
    mailing_list_footer(lines);
    let mut confidence = Confidence::High;
    for (start, end) in reply_regions(lines) {
        mobile_lines(lines, start, end);
        if delimited(lines, start, end) {
            continue;
        }
        let legal = legal_notice(lines, start, end);
        let end = legal.unwrap_or(end);
        let contact = contact_block(lines, start, end) || named_block(lines, start, end, name);
        if legal.is_some() || contact {
            confidence = Confidence::Medium;
        }
    }
    confidence
}

/// What the HTML calls a signature, unless the text above says `Please sign here:`.
fn marked(lines: &mut [Line<'_>]) {
    let mut asked_for = false;
    for line in lines.iter_mut() {
        let is_marked = line.mark == Mark::Signature && line.kind == SpanKind::Reply;
        if is_marked && !asked_for {
            line.kind = SpanKind::Signature;
        }
        if line.is_blank() {
            continue;
        }
        if !is_marked {
            asked_for = line.kind == SpanKind::Reply && line.text.trim_end().ends_with(':');
        }
    }
}

/// Stretches of reply lines between quotes.
fn reply_regions(lines: &[Line<'_>]) -> Vec<(usize, usize)> {
    let mut regions: Vec<(usize, usize)> = Vec::new();
    let mut open: Option<usize> = None;
    for (at, line) in lines.iter().enumerate() {
        match (line.kind, open) {
            (SpanKind::Quoted, Some(start)) => {
                regions.push((start, at));
                open = None;
            }
            (SpanKind::Quoted, None) | (_, Some(_)) => {}
            (_, None) => open = Some(at),
        }
    }
    if let Some(start) = open {
        regions.push((start, lines.len()));
    }
    regions
}

fn set(lines: &mut [Line<'_>], start: usize, end: usize) {
    for line in lines.iter_mut().take(end).skip(start) {
        line.kind = SpanKind::Signature;
    }
}

fn written(lines: &[Line<'_>], start: usize, end: usize) -> usize {
    lines
        .iter()
        .take(end)
        .skip(start)
        .filter(|l| !l.is_blank())
        .count()
}

/// The first delimiter whose rest is short enough to be a signature.
fn delimited(lines: &mut [Line<'_>], start: usize, end: usize) -> bool {
    // Far from the end nothing is a signature, and need not be counted.
    let reach = MAX_DELIMITED_LINES.saturating_mul(4);
    let near = start.max(end.saturating_sub(reach));
    let several = lines
        .iter()
        .take(end)
        .skip(near)
        .filter(|l| is_delimiter(l.text))
        .count()
        > 1;
    let found = (near..end).find(|&at| {
        let Some(line) = lines.get(at) else {
            return false;
        };
        let from = at.saturating_add(1);
        let bare = line.text.trim();
        if !bare.starts_with(|c: char| !c.is_alphanumeric()) {
            return false;
        }
        let behind = written(lines, from, end);
        if is_delimiter(line.text) {
            return behind <= MAX_DELIMITED_LINES && !holds_text(lines, from, end, several);
        }
        let most = match bare {
            "--" if behind == 0 => return true,
            "--" | "- --" => MAX_LOOSE_LINES,
            "—" | "–" => MAX_NAME_LINES,
            // A rule, unless contact data stands below.
            "---" | "__" if has_contact(lines, from, end) => MAX_LOOSE_LINES,
            _ => return is_border(bare) && is_ruled_contact(lines, start, at, end),
        };
        (1..=most).contains(&behind) && looks_signed(lines, from, end)
    });
    match found {
        Some(at) => {
            set(lines, at, end);
            true
        }
        None => false,
    }
}

fn is_delimiter(text: &str) -> bool {
    matches!(text, "-- " | "--\u{a0}")
}

/// A long row of one or two signs, as people draw around their signatures.
fn is_border(text: &str) -> bool {
    let mut signs: Vec<char> = Vec::new();
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, '>' | '|' | '(' | '"') {
            return false;
        }
        if c != ' ' && !signs.contains(&c) {
            signs.push(c);
        }
    }
    text.chars().count() >= MIN_BORDER_CHARS && (1..=3).contains(&signs.len())
}

/// Contact data below a border, up to the end or a closing border; never a form or a heading.
fn is_ruled_contact(lines: &[Line<'_>], start: usize, border: usize, end: usize) -> bool {
    let above = lines.get(start..border).unwrap_or_default();
    let Some(last) = above.iter().rev().find(|l| !l.is_blank()) else {
        return false;
    };
    if last.text.trim_end().ends_with([':', '：']) || is_heading(above) {
        return false;
    }
    let below: Vec<&str> = lines
        .iter()
        .take(end)
        .skip(border.saturating_add(1))
        .map(|l| l.text.trim())
        .filter(|text| !text.is_empty())
        .collect();
    let written: Vec<&str> = below.iter().copied().filter(|t| !is_border(t)).collect();
    let plain = written.iter().all(|text| {
        text.chars().count() <= MAX_CONTACT_CHARS
            && (is_contact(text) || !is_sentence(text) && !text.contains([':', '：', '?']))
    });
    let inner_border = below
        .iter()
        .position(|t| is_border(t))
        .is_some_and(|at| at.saturating_add(1) < below.len());
    let reachable = written.iter().any(|text| is_reachable(text));
    let ends_in_contact = written.last().is_some_and(|text| is_contact(text));
    (1..=MAX_LOOSE_LINES).contains(&written.len())
        && plain
        && !inner_border
        && reachable
        && ends_in_contact
}

/// A short line right above a border is its heading.
fn is_heading(above: &[Line<'_>]) -> bool {
    above
        .last()
        .is_some_and(|l| !l.is_blank() && l.text.trim().chars().count() <= MAX_HEADING_CHARS)
}

/// A question, or more sentences than a signature has; between several delimiters one is too many.
fn holds_text(lines: &[Line<'_>], start: usize, end: usize, several: bool) -> bool {
    let most = if several { 0 } else { MAX_SIGNATURE_SENTENCES };
    let (mut sentences, mut chars) = (0usize, 0usize);
    for line in lines.iter().take(end).skip(start) {
        if line.kind != SpanKind::Reply {
            continue;
        }
        let text = line.text.trim();
        let lower = text.to_lowercase();
        if ANY_LEGAL.are_in(&lower) || ANY_FOOTER.are_in(&lower) {
            // Notices are long, and stand last.
            break;
        }
        if text.ends_with('?') {
            return true;
        }
        if is_sentence(text) && !is_contact(text) {
            sentences = sentences.saturating_add(1);
            chars = chars.saturating_add(text.chars().count());
        }
    }
    sentences > most || chars > MAX_SIGNATURE_PROSE_CHARS
}

fn has_contact(lines: &[Line<'_>], start: usize, end: usize) -> bool {
    lines
        .iter()
        .take(end)
        .skip(start)
        .any(|l| is_contact(l.text.trim()))
}

/// Short lines without sentences: what stands below a loose delimiter is no text.
fn looks_signed(lines: &[Line<'_>], start: usize, end: usize) -> bool {
    lines
        .iter()
        .take(end)
        .skip(start)
        .filter(|l| !l.is_blank())
        .all(|l| {
            let text = l.text.trim();
            text.chars().count() <= MAX_CONTACT_CHARS
                && text.split_whitespace().count() <= 12
                && !text.ends_with('?')
                && !text.starts_with(['*', '+']) | is_contact(text)
        })
}

fn mobile_lines(lines: &mut [Line<'_>], start: usize, end: usize) {
    for line in lines.iter_mut().take(end).skip(start) {
        if is_mobile(line.text) {
            line.kind = SpanKind::Signature;
        }
    }
}

/// Mailman's footer and Google Groups' stand behind everything.
fn mailing_list_footer(lines: &mut [Line<'_>]) {
    /// Lines of such a footer.
    const MAX_FOOTER_LINES: usize = 10;
    let len = lines.len();
    let from = len.saturating_sub(MAX_FOOTER_LINES.saturating_add(5));
    let found = (from..len).find(|&at| {
        let Some(line) = lines.get(at) else {
            return false;
        };
        let text = line.text.trim();
        let rule = text.len() >= 30 && text.bytes().all(|b| b == b'_');
        if !rule && text != "--" {
            return false;
        }
        let next = lines
            .get(at.saturating_add(1))
            .map_or("", |l| l.text)
            .to_lowercase();
        let behind: String = lines
            .iter()
            .skip(at)
            .map(|l| l.text)
            .collect::<Vec<_>>()
            .join(" ")
            .to_lowercase();
        let list = behind.contains("mailing list")
            || behind.contains("mailman/listinfo")
            || behind.contains("unsubscribe");
        let google = text == "--"
            && next.starts_with("you received this message because you are subscribed");
        (rule && list || google) && !line.is_prefixed()
    });
    if let Some(at) = found {
        set(lines, at, len);
    }
}

/// The last paragraphs, where they are legal notices.
fn legal_notice(lines: &mut [Line<'_>], start: usize, end: usize) -> Option<usize> {
    let mut found = None;
    let all = paragraphs(lines, start, end);
    let last = all.len().saturating_sub(MAX_LEGAL_PARAGRAPHS);
    for (from, to) in all
        .into_iter()
        .skip(last)
        .filter(|(a, b)| b.saturating_sub(*a) < MAX_LEGAL_LINES)
    {
        let text: String = lines
            .iter()
            .take(to)
            .skip(from)
            .map(|l| l.text.trim())
            .collect::<Vec<_>>()
            .join(" ");
        let lower = text.to_lowercase();
        let hits = match ANY_LEGAL.are_in(&lower) {
            true => LEGAL.iter().filter(|word| lower.contains(*word)).count(),
            false => 0,
        };
        let footer = ANY_FOOTER.are_in(&lower);
        let core = ANY_LEGAL_CORE.are_in(&lower);
        let legal = (hits >= 3 && core && text.chars().count() >= 100) || footer;
        // A greeting alone is no reply: then the notice is what the person had to say.
        let first_written = lines
            .iter()
            .take(from)
            .skip(start)
            .all(|l| l.is_blank() || l.text.trim_end().ends_with(','));
        if legal && !first_written {
            found = found.or(Some(from));
        } else if !is_rule_only(&text) && hits == 0 && !is_contact(&text) {
            found = None;
        }
    }
    let mut from = found?;
    // The rule above the notice goes with it.
    while from > start
        && lines
            .get(from.saturating_sub(1))
            .is_some_and(|l| l.is_blank() || is_rule_only(l.text))
    {
        from = from.saturating_sub(1);
    }
    set(lines, from, end);
    Some(from)
}

fn is_rule_only(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty()
        && text
            .chars()
            .all(|c| matches!(c, '_' | '-' | '*' | '=' | '~' | '#' | '—' | '─' | ' '))
}

fn paragraphs(lines: &[Line<'_>], start: usize, end: usize) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    let mut open: Option<usize> = None;
    for at in start..end {
        let blank = lines
            .get(at)
            .is_none_or(|l| l.is_blank() || l.kind == SpanKind::Signature);
        match (blank, open) {
            (true, Some(from)) => {
                out.push((from, at));
                open = None;
            }
            (false, None) => open = Some(at),
            _ => {}
        }
    }
    if let Some(from) = open {
        out.push((from, end));
    }
    out
}

/// Contact data below a closing and a name; closing and name stay with the reply.
fn contact_block(lines: &mut [Line<'_>], start: usize, end: usize) -> bool {
    let Some((closing, named)) = (start..end)
        .rev()
        .find_map(|at| Some((at, closing(lines.get(at)?.text)?)))
    else {
        return false;
    };
    let below: Vec<usize> = (closing.saturating_add(1)..end)
        .filter(|&at| {
            lines
                .get(at)
                .is_some_and(|l| !l.is_blank() && l.kind == SpanKind::Reply)
        })
        .collect();
    let postscript = below.iter().any(|&at| {
        lines.get(at).is_some_and(|l| {
            let lower = l.text.trim().to_lowercase();
            ["ps", "p.s", "nb", "n.b"]
                .iter()
                .any(|p| lower.starts_with(p))
        })
    });
    if postscript {
        return false;
    }
    if below.len() > MAX_CONTACT_LINES.saturating_add(MAX_NAME_LINES) {
        return false;
    }
    let text = |at: &usize| lines.get(*at).map_or("", |l| l.text.trim());
    let plain = below.iter().all(|at| {
        let text = text(at);
        text.chars().count() <= MAX_CONTACT_CHARS && (is_contact(text) || !is_sentence(text))
    });
    let contacts = below.iter().filter(|at| is_contact(text(at))).count();
    if !plain || contacts == 0 {
        return false;
    }
    let Some((name, rest)) = below.split_first() else {
        return false;
    };
    let from = if named || is_contact(text(name)) {
        Some(name)
    } else {
        rest.first()
    };
    let Some(&from) = from else { return false };
    set(lines, from, end);
    true
}

/// Contact data without a closing, below the writer's own name or a line of parts with bars.
fn named_block(lines: &mut [Line<'_>], start: usize, end: usize, name: Option<&str>) -> bool {
    let written: Vec<usize> = (start..end)
        .filter(|&at| {
            lines
                .get(at)
                .is_some_and(|l| !l.is_blank() && l.kind == SpanKind::Reply)
        })
        .collect();
    let text = |at: usize| lines.get(at).map_or("", |l| l.text.trim());
    let first = written
        .len()
        .saturating_sub(MAX_CONTACT_LINES.saturating_add(1))
        .max(1);
    let found = written
        .get(first..)
        .unwrap_or_default()
        .iter()
        .find(|&&at| {
            let own = name.is_some_and(|name| is_named(text(at), name));
            let parted =
                has_parts(text(at)) && lines.get(at.saturating_sub(1)).is_some_and(Line::is_blank);
            own || parted
        });
    let Some(&head) = found else {
        return false;
    };
    let above = written.iter().rev().find(|&&at| at < head).copied();
    let asked =
        above.is_none_or(|at| text(at).ends_with([':', '：', ',']) || closing(text(at)).is_some());
    let below: Vec<&str> = written
        .iter()
        .filter(|&&at| at >= head)
        .map(|&at| text(at))
        .collect();
    let plain = below.iter().all(|text| {
        text.chars().count() <= MAX_PARTED_CHARS
            && !text.ends_with('?')
            && (is_contact(text) || has_parts(text) || !is_sentence(text))
    });
    if asked || !plain || !below.iter().any(|text| is_reachable(text)) {
        return false;
    }
    set(lines, head, end);
    true
}
