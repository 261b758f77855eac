//! Header blocks and lines that stand above quoted and forwarded messages.

use super::attribution::{has_clock, has_date};
use super::phrases::{ABOVE_THIS_LINE, FORWARD_LINES, FROM, OTHER, SEPARATORS, SUBJECTS};
use super::quote::next_written;
use super::{Line, folded};
use crate::mail::html::Mark;

/// Lines looked at for the labels of a quoted header block.
const MAX_BLOCK_LINES: usize = 10;
/// Characters of a label.
const MAX_LABEL_CHARS: usize = 24;
/// Characters between the dashes of a separator.
const MAX_SEPARATOR_CHARS: usize = 60;
/// Characters of the date in a block of Lotus Notes.
const MAX_NOTES_DATE_CHARS: usize = 40;

/// A row of underscores or dashes, as Outlook puts above the block.
pub(super) fn is_rule(text: &str) -> bool {
    text.chars().count() >= 5 && text.chars().all(is_dash)
}

fn is_dash(c: char) -> bool {
    matches!(
        c,
        '_' | '-' | '=' | '*' | '—' | '–' | '‐' | '‑' | '━' | '─' | '＿' | '－'
    )
}

/// `-----Original Message-----`, in any language, and helpdesks' reply lines.
pub(super) fn is_separator(text: &str) -> bool {
    let inner = text.trim_matches([
        '-', '_', '=', '*', '#', '—', '–', '‐', '‑', '━', '─', ' ', ':', '>', '<', '\t',
    ]);
    let dashes = text.chars().take_while(|c| is_dash(*c)).count();
    let lower = folded(inner);
    // Zendesk, in whatever language: `##- Please type your reply above this line -##`.
    let fenced = text.starts_with("##-") && text.ends_with("-##") && !inner.is_empty();
    if fenced || ABOVE_THIS_LINE.are_in(&lower) {
        return text.chars().count() <= 120;
    }
    if dashes < 2 || inner.chars().count() > MAX_SEPARATOR_CHARS {
        return false;
    }
    // Lotus: `----- Forwarded by Bob Smith/Example on 03/02/2026 10:00 AM -----`.
    let forwarded = [
        "forwarded by ",
        "weitergeleitet von ",
        "réacheminé par ",
        "reenviado por ",
        "original message from ",
        "inoltrato da ",
        "doorgestuurd door ",
        "vidarebefordrat av ",
        "videresendt af ",
    ];
    SEPARATORS.contains(&lower.as_str()) || forwarded.iter().any(|f| lower.starts_with(f))
}

pub(super) fn is_forward_line(text: &str) -> bool {
    let lower = folded(text);
    let bare = lower.trim_end_matches([':', '：', ' ', '。']);
    FORWARD_LINES.contains(&bare)
}

/// Words between dashes that no list knows, with the lines of a header right below.
pub(super) fn is_labelled_separator(lines: &[Line<'_>], at: usize) -> bool {
    let text = lines.get(at).map_or("", |l| l.text).trim();
    let inner = text.trim_matches(|c: char| is_dash(c) || c == ' ');
    let dashes = |side: &str| side.chars().count() >= 3;
    let (before, after) = text.split_once(inner).unwrap_or_default();
    let dashed = dashes(before.trim_end()) && dashes(after.trim_start());
    if !dashed || inner.is_empty() || inner.chars().count() > MAX_SEPARATOR_CHARS {
        return false;
    }
    let below = lines
        .iter()
        .skip(at.saturating_add(1))
        .filter(|l| !l.is_blank());
    let mut addressed = false;
    let labels: Vec<String> = below
        .take(4)
        .inspect(|l| addressed |= l.text.contains('@'))
        .map_while(|l| label(l.text))
        .collect();
    let from = labels.iter().any(|name| FROM.contains(&name.as_str()));
    from && addressed && labels.iter().filter(|name| is_label(name)).count() >= 3
}

/// GroupWise: `>>> Alice <alice@example.com> 11/2/2026 10:00 AM >>>`, with unmarked text below.
pub(super) fn is_arrowed(text: &str) -> bool {
    let inner = text
        .trim()
        .strip_prefix(">>>")
        .and_then(|rest| rest.strip_suffix(">>>"));
    inner.is_some_and(|inner| {
        let lower = folded(inner);
        has_date(&lower) && has_clock(&lower)
    })
}

/// Lotus Notes 6: the sender, the date, then labels and values on lines of their own.
pub(super) fn notes_block(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let second = next_written(lines, at.saturating_add(1))?;
    let date = lines.get(second)?.text.trim();
    let lower = folded(date);
    if date.chars().count() > MAX_NOTES_DATE_CHARS || !has_date(&lower) || !has_clock(&lower) {
        return None;
    }
    let written: Vec<(usize, &str)> = lines
        .iter()
        .enumerate()
        .skip(second)
        .filter(|(_, l)| !l.is_blank())
        .take(MAX_BLOCK_LINES)
        .map(|(at, l)| (at, l.text.trim()))
        .collect();
    let alone = |words: &[&str], text: &str| words.contains(&folded(text).as_str());
    let (_, third) = written.get(1)?;
    let subject = written
        .iter()
        .position(|(_, text)| alone(&SUBJECTS, text))?;
    let value = written
        .get(subject.saturating_add(1))
        .or(written.get(subject));
    (alone(&OTHER, third) && subject >= 2).then_some(value?.0.saturating_add(1))
}

fn is_label(name: &str) -> bool {
    OTHER.contains(&name) || FROM.contains(&name)
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
    let name = if name.is_ascii() {
        name.to_lowercase()
    } else {
        folded(&name.replace('\u{3000}', ""))
    };
    (!name.is_empty()).then_some(name)
}

/// A line with a sender's label, and at least two other labels close below.
pub(super) fn is_header_block(lines: &[Line<'_>], at: usize) -> bool {
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
        .filter(|name| is_label(name));
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
                || (has_date(&folded(line.text)) && has_clock(&folded(line.text)))
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

pub(super) fn block_end(lines: &[Line<'_>], at: usize) -> usize {
    let mut end = at.saturating_add(1);
    for (offset, line) in lines.iter().enumerate().skip(end).take(MAX_BLOCK_LINES) {
        if label(line.text).is_some_and(|name| is_label(&name)) {
            end = offset.saturating_add(1);
        }
    }
    end
}
