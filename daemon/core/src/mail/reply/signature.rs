//! Where the reply ends and the signature begins.

use std::sync::LazyLock;

use super::phrases::{CLOSINGS, FOOTERS, LEGAL, LEGAL_CORE, MOBILE};
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
/// Characters of a line that an app adds.
const MAX_MOBILE_CHARS: usize = 110;
/// Lines of contact data below a closing.
const MAX_CONTACT_LINES: usize = 14;
/// Characters of one of them.
const MAX_CONTACT_CHARS: usize = 100;
/// Paragraphs from the end that may be legal notices.
const MAX_LEGAL_PARAGRAPHS: usize = 15;
/// Lines of one of them.
const MAX_LEGAL_LINES: usize = 60;
/// Lines between a closing and the contact data: the writer's name.
const MAX_NAME_LINES: usize = 2;

/// Gives signature lines their kind; quotes must be known already.
pub(super) fn classify(lines: &mut [Line<'_>]) -> Confidence {
    for line in lines.iter_mut() {
        if line.mark == Mark::Signature && line.kind == SpanKind::Reply {
            line.kind = SpanKind::Signature;
        }
    }
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
        let contact = contact_block(lines, start, end);
        if legal.is_some() || contact {
            confidence = Confidence::Medium;
        }
    }
    confidence
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
    let found = (start..end).find(|&at| {
        let Some(line) = lines.get(at) else {
            return false;
        };
        // Far from the end nothing is a signature, and need not be counted.
        if end.saturating_sub(at) > MAX_DELIMITED_LINES.saturating_mul(4) {
            return false;
        }
        let behind = written(lines, at.saturating_add(1), end);
        match line.text {
            "-- " | "--\u{a0}" => {
                let from = at.saturating_add(1);
                behind <= MAX_DELIMITED_LINES && !holds_text(lines, from, end)
            }
            text => {
                let bare = text.trim();
                let from = at.saturating_add(1);
                let most = match bare {
                    "--" | "- --" => MAX_LOOSE_LINES,
                    "—" | "–" => MAX_NAME_LINES,
                    // A rule, unless contact data stands below.
                    "---" | "__" if has_contact(lines, from, end) => MAX_LOOSE_LINES,
                    _ => return false,
                };
                (1..=most).contains(&behind) && looks_signed(lines, from, end)
            }
        }
    });
    match found {
        Some(at) => {
            set(lines, at, end);
            true
        }
        None => false,
    }
}

/// A question, a further delimiter, or more sentences than a signature has.
fn holds_text(lines: &[Line<'_>], start: usize, end: usize) -> bool {
    let (mut sentences, mut chars) = (0usize, 0usize);
    for line in lines.iter().take(end).skip(start) {
        if line.kind != SpanKind::Reply {
            continue;
        }
        let text = line.text.trim();
        let lower = text.to_lowercase();
        let legal = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if legal(&LEGAL) || legal(&FOOTERS) {
            // Notices are long, and stand last.
            break;
        }
        if matches!(line.text, "-- " | "--\u{a0}") || text.ends_with('?') {
            return true;
        }
        if is_sentence(text) && !is_contact(text) {
            sentences = sentences.saturating_add(1);
            chars = chars.saturating_add(text.chars().count());
        }
    }
    sentences > MAX_SIGNATURE_SENTENCES || chars > MAX_SIGNATURE_PROSE_CHARS
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

fn is_mobile(text: &str) -> bool {
    let bare = text
        .trim()
        .trim_start_matches(['-', '*', '[', '(', '_', ' ', '“', '"']);
    if bare.chars().count() > MAX_MOBILE_CHARS {
        return false;
    }
    let lower = bare.to_lowercase().replace('\u{a0}', " ");
    MOBILE.iter().any(|phrase| {
        lower
            .strip_prefix(*phrase)
            .is_some_and(|rest| is_app_tail(phrase, rest))
    })
}

/// `Sent from my iPhone` is the app's; `Sent from my office last week, did you get it?` is not.
fn is_app_tail(phrase: &str, rest: &str) -> bool {
    static DEVICES: LazyLock<Vec<&str>> = LazyLock::new(|| {
        "\
        phone|ipad|ipod|iphon|samsung|galaxy|android|mobil|handy|smartphone|outlook|yahoo|gmail|\
        proton|tablet|blackberry|windows|mail|huawei|xiaomi|pixel|gmx|web.de|app|ios|sony|nokia|\
        lumia|htc|lg |oneplus|device|mac|superhuman|blue|spark|airmail|front|tuta|gerät|móvil|\
        movil|celular|cellulare|telefon|téléphone|telemóvel|puhelim|verizon|at&t|t-mobile|\
        wireless|avast|avg|virus|typeapp|k-9|smart|watch|huaw|oppo|vivo|motorola|redmi|honor|\
        realme|orange|icloud|手机|携帯|shift|unterwegs|the go|移动|desktop|fairemail"
            .split('|')
            .collect()
    });
    if rest.contains('?') || rest.matches(' ').count() > 12 {
        return false;
    }
    // The device comes at once, and what follows a comma is an excuse or text.
    let near: String = rest
        .split_whitespace()
        .take(4)
        .collect::<Vec<_>>()
        .join(" ");
    let near = near.split(',').next().unwrap_or_default();
    let near = format!("{phrase}{near} ");
    let about_app = DEVICES.iter().any(|device| near.contains(device));
    let excuse = [
        "excuse",
        "typo",
        "brevity",
        "brief",
        "kürze",
        "tippfehler",
        "entschuldig",
        "fautes",
    ]
    .iter()
    .any(|word| rest.contains(word));
    let after_comma = rest
        .split_once(',')
        .map_or(0, |(_, after)| after.split_whitespace().count());
    let sentence = rest.trim_end_matches(['.', '!', ' ']).contains(". ");
    let short = rest.split_whitespace().count() <= 8;
    about_app && (excuse || (!sentence && after_comma < 3 && (short || phrase.len() > 20)))
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
        let hits = LEGAL.iter().filter(|word| lower.contains(*word)).count();
        let footer = FOOTERS.iter().any(|word| lower.contains(word));
        let core = LEGAL_CORE.iter().any(|word| lower.contains(word));
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
    let Some(closing) = (start..end)
        .rev()
        .find(|&at| lines.get(at).is_some_and(|l| is_closing(l.text)))
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
    let from = if is_contact(text(name)) {
        Some(name)
    } else {
        rest.first()
    };
    let Some(&from) = from else { return false };
    set(lines, from, end);
    true
}

fn is_closing(text: &str) -> bool {
    let lower = text.trim().to_lowercase();
    let bare = lower.trim_end_matches([',', '.', '!', ' ', '-', '–']);
    bare.chars().count() <= 45
        && (CLOSINGS.contains(&bare)
            || CLOSINGS
                .iter()
                .any(|c| c.chars().count() > 12 && bare.starts_with(c)))
}

fn is_sentence(text: &str) -> bool {
    let words = text.split_whitespace().count();
    text.ends_with(['?', '!', ':', ';']) || (text.ends_with('.') && words > 4) || words > 9
}

/// A telephone number, a web address, a mail address, a form of company.
fn is_contact(text: &str) -> bool {
    let lower = text.to_lowercase();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let first = lower
        .split([' ', '|', '/', '\u{a0}'])
        .next()
        .unwrap_or_default();
    let first = first.trim_end_matches(['.', ':']);
    let phone_word = lower.starts_with(['+', '('])
        || lower.starts_with(|c: char| c.is_ascii_digit()) && digits >= 8
        || [
            "tel", "phone", "fax", "mobil", "mobile", "mob", "cell", "fon", "telefon", "handy",
            "office", "direct", "t", "m", "f", "p", "ph", "tél", "tlf", "mobiel", "gsm",
        ]
        .contains(&first);
    let few = text.split_whitespace().count() <= 4;
    let web =
        few && (lower.contains("www.") || lower.contains("http://") || lower.contains("https://"));
    let mail = text
        .split_whitespace()
        .any(|w| w.contains('@') && w.contains('.'))
        && text.split_whitespace().count() <= 4;
    let firm = [
        " gmbh",
        " ag",
        " ltd",
        " llc",
        " inc",
        " inc.",
        " b.v.",
        " s.a.",
        " sarl",
        " s.r.l.",
        " s.l.",
        " a/s",
        " ab",
        " oy",
        " kg",
        " sp. z o.o.",
        " as",
        " plc",
        " corp.",
    ]
    .iter()
    .any(|f| lower.ends_with(f) || lower.contains(&format!("{f} ")) && digits > 0);
    (phone_word && digits >= 5) || web || mail || firm
}
