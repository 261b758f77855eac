//! Lines like `On ... wrote:` above a quote, wrapped as mail programs wrap them.

use super::phrases::{ANY_WROTE, STARTERS, WROTE};
use super::quote::next_written;
use super::{Line, SpanKind, folded};

/// Lines over which a mail program wraps `On ... wrote:`.
const MAX_LINES: usize = 4;
/// Characters of such an introduction; longer text is prose.
const MAX_CHARS: usize = 400;
/// Colons of one line that are tried as the end of an introduction.
const MAX_COLONS: usize = 12;

/// Where an attribution that starts at `at` ends; it may be wrapped.
pub(super) fn end(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let mut joined = String::new();
    for count in 1..=MAX_LINES {
        let line = lines.get(at.saturating_add(count).saturating_sub(1))?;
        if line.is_blank() || (line.is_prefixed() && count > 1) {
            return None;
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(line.text.trim());
        if joined.chars().count() > MAX_CHARS {
            return None;
        }
        if count == 1 && runs_into_text(line.text) {
            return Some(at.saturating_add(1));
        }
        let end = at.saturating_add(count);
        // WEB.DE's app writes no colon.
        let bare = count == 1 && quote_follows(lines, end) && is_dated_introduction(&joined);
        if bare || ends_introduction(&joined) {
            if wraps_well(lines, at, count)
                && is_attribution(&joined, count > 1, quote_follows(lines, end))
            {
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

/// Whether a line alone is an attribution with all that one can have.
pub(super) fn is_whole(text: &str) -> bool {
    ends_introduction(text) && is_attribution(text, false, false)
}

fn quote_follows(lines: &[Line<'_>], end: usize) -> bool {
    next_written(lines, end)
        .and_then(|n| lines.get(n))
        .is_some_and(|l| l.kind == SpanKind::Quoted)
}

/// The first of several lines has the date or the address and is no sentence of its own, and no
/// later one begins anew.
fn wraps_well(lines: &[Line<'_>], at: usize, count: usize) -> bool {
    if count == 1 {
        return true;
    }
    let text = |skip: usize| {
        let line = lines.get(at.saturating_add(skip));
        folded(line.map_or("", |l| l.text).trim())
    };
    let starts_later = (1..count).any(|skip| {
        let lower = text(skip);
        is_starter(&lower) && has_date(&lower)
    });
    let first = text(0);
    let sentence = first.ends_with(['!', '?']) || (first.ends_with('.') && !has_date(&first));
    let begins = if is_starter(&first) {
        first.contains(|c: char| c.is_ascii_digit())
    } else {
        first.contains('<')
    };
    begins && !sentence && !starts_later
}

/// Yahoo's app writes the quoted text behind the colon, after three blanks.
fn runs_into_text(text: &str) -> bool {
    let text = text.trim();
    text.contains('@')
        && text
            .match_indices(":  ")
            .take(MAX_COLONS)
            .filter_map(|(at, _)| text.split_at_checked(at.saturating_add(1)))
            .any(|(head, _)| {
                let lower = folded(head);
                lower.starts_with(char::is_alphabetic) && is_attribution(head, false, false)
            })
}

fn ends_introduction(text: &str) -> bool {
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_'));
    text.ends_with([':', '：', '︰'])
        || text.ends_with("写道")
        || text.ends_with("---")
        || text.ends_with('>')
}

fn is_attribution(text: &str, wrapped: bool, quote_follows: bool) -> bool {
    let lower = folded(text);
    let bare = lower.trim_matches([':', '：', '︰', ' ', '*', '_', '-', '‐']);
    let starter = is_starter(bare);
    let dated = has_date(bare);
    let addressed =
        bare.contains('@') && (bare.contains('<') || bare.contains('(') || bare.contains("mailto"));
    let colon = lower.trim_end().ends_with([':', '：', '︰']);
    // Horde: `Quoting Alice <alice@example.com>:`
    if !dated && quote_follows && colon && addressed && is_quoting(bare) {
        return true;
    }
    // mutt: `* Alice Example <alice@example.com> [2026-03-02 10:00]:`
    if quote_follows && colon && dated && addressed && has_clock(bare) {
        return true;
    }
    let verb = names_wrote(bare);
    if wrapped && !starter && !(verb && dated && addressed) {
        return false;
    }
    // Gmail in some languages: `2026-03-02 10:00 GMT+01:00 Bob <bob@example.com>:`
    if dated && bare.ends_with('>') && addressed && starter && (colon || quote_follows) {
        return true;
    }
    // Tuta: `2 Mar 2026, 10:00 by bob@example.net:`
    let last = bare.split(' ').next_back().unwrap_or_default();
    if quote_follows && colon && dated && starter && has_clock(bare) && last.contains('@') {
        return true;
    }
    if !verb {
        return false;
    }
    let verb_last = WROTE.iter().any(|verb| bare.ends_with(verb));
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

/// `On ... at ... wrote Bob`, with all but the colon.
fn is_dated_introduction(text: &str) -> bool {
    let lower = folded(text);
    names_wrote(&lower) && is_starter(&lower) && has_date(&lower) && has_clock(&lower)
}

/// A line that tells of one who wrote something on some day.
pub(super) fn tells_who_wrote(text: &str) -> bool {
    let lower = folded(text.trim());
    let bare = lower.trim_end_matches([':', '：', ' ']);
    bare.len() < lower.len() && has_date(bare) && names_wrote(bare)
}

fn is_quoting(bare: &str) -> bool {
    const WORDS: &[&str] = &[
        "quoting ",
        "zitat von ",
        "citando ",
        "citation de ",
        "citation ",
        "citat från ",
        "citat fra ",
        "citaat van ",
        "cytowanie ",
        "citace ",
        "quoting from ",
    ];
    WORDS.iter().any(|word| bare.starts_with(word))
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

/// A verb of writing as a word of its own.
fn names_wrote(lower: &str) -> bool {
    ANY_WROTE.are_in(lower) && WROTE.iter().any(|verb| contains_word(lower, verb))
}

/// Scripts without blanks between words need no word borders.
fn contains_word(text: &str, word: &str) -> bool {
    let Some(at) = text.find(word) else {
        return false;
    };
    if !word
        .chars()
        .any(|c| c.is_alphabetic() && u32::from(c) < 0x0590)
    {
        return true;
    }
    let (before, rest) = text.split_at(at);
    let after = rest.strip_prefix(word).unwrap_or_default();
    !before.ends_with(char::is_alphabetic) && !after.starts_with(char::is_alphabetic)
}

/// A year or three numbers; `text` is folded.
pub(super) fn has_date(text: &str) -> bool {
    let digits: Vec<&str> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|d| !d.is_empty())
        .collect();
    let year = digits
        .iter()
        .any(|d| d.len() == 4 && (d.starts_with("19") || d.starts_with("20")));
    year || digits.len() >= 3
}

/// A time of day: `10:00`, `10.00`, `10h00`; `text` is folded.
pub(super) fn has_clock(text: &str) -> bool {
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
