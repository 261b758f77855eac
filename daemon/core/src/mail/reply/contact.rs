//! Closings, names, and the lines of contact data below them.

use std::sync::LazyLock;

use super::folded;
use super::phrases::{CLOSINGS, LONG_CLOSINGS};
use crate::mail::words::{LazyWords, Words};

/// Characters of a line that closes a letter.
const MAX_CLOSING_CHARS: usize = 45;
/// Words of a name behind a closing on the same line.
const MAX_NAME_WORDS: usize = 3;
/// Bars of `Name | Title | Company`.
const MIN_BARS: usize = 2;
/// Characters of such a line.
const MAX_PARTS_CHARS: usize = 120;
/// Words of a display name that tells a writer from a word in the text.
const MIN_NAME_WORDS: usize = 2;
/// Words of the longest name that is compared.
const MAX_NAME_TOKENS: usize = 6;

/// Words before a telephone number, and letters that stand for them.
static PHONE_WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    tel|phone|fax|mobil|mobile|mob|cell|fon|telefon|handy|office|direct|t|m|f|p|ph|tél|tlf|\
    mobiel|gsm|telephone|teléfono|telefono|telefone|tfno|tfn|móvil|movil|celular|cel|cellulare|\
    portable|fixe|standard|telefax|puh|puhelin|тел|моб|телефон|電話|电话|전화|携帯|手机|direkt|durchwahl|\
    zentrale|whatsapp|ligne|d|o|w|c|mobiltelefon|mobilnummer|kom|hp|tel/fax|τηλ|☎|📞|📱|📧|🌐"
        .split('|')
        .collect()
});

/// Numbers and words of a register of companies.
const REGISTERS: &[&str] = &[
    "hrb ",
    "hra ",
    "ust-id",
    "ust.-id",
    "amtsgericht",
    "geschäftsführ",
    "registergericht",
    "vorstand:",
    "aufsichtsrat",
    "vat no",
    "vat reg",
    "vat id",
    "registered in england",
    "company no",
    "company reg",
    "siret",
    "siren",
    "r.c.s",
    "rcs ",
    "p.iva",
    "p. iva",
    "partita iva",
    "kvk",
    "cvr",
    "org.nr",
    "org. nr",
    "nip:",
    "krs:",
    "krs ",
    "regon",
    "ičo",
    "dič",
    "инн",
    "огрн",
    "adószám",
    "vergi no",
];

static ANY_REGISTER: LazyWords = LazyWords::new(|| Words::new(REGISTERS.iter().copied()));

static FIRMS_INSIDE: LazyWords =
    LazyWords::new(|| Words::new(FIRMS.iter().map(|firm| format!("{firm} "))));

const FIRMS: &[&str] = &[
    " gmbh",
    " ag",
    " ltd",
    " ltd.",
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
    " s.p.a.",
    " s.a.s.",
    " sas",
    " srl",
    " bv",
    " n.v.",
    " nv",
    " aps",
    " s.r.o.",
    " kft",
    " ооо",
    " d.o.o.",
    " pty ltd",
    " co., ltd.",
    " lda",
    " ltda",
    " se",
    " ug",
    " ohg",
    " e.v.",
    " gbr",
];

/// Whether a line closes a letter; `Some(true)` when the name stands on the same line.
pub(super) fn closing(text: &str) -> Option<bool> {
    let lower = folded(text.trim());
    let bare = lower.trim_end_matches([',', '.', '!', ' ', '-', '–', '，', '。', '！']);
    if bare.is_empty() || bare.chars().count() > MAX_CLOSING_CHARS {
        return None;
    }
    if CLOSINGS.contains(&bare) {
        return Some(false);
    }
    if LONG_CLOSINGS
        .iter()
        .any(|closing| bare.starts_with(closing))
    {
        return Some(false);
    }
    let (head, name) = bare.split_once(',')?;
    let named = CLOSINGS.contains(&head.trim())
        && (1..=MAX_NAME_WORDS).contains(&name.split_whitespace().count())
        && name
            .chars()
            .all(|c| c.is_alphabetic() || matches!(c, ' ' | '.' | '-'));
    named.then_some(true)
}

pub(super) fn is_sentence(text: &str) -> bool {
    let words = text.split_whitespace().count();
    text.ends_with(['?', '!', ':', ';', '？', '！', '。'])
        || (text.ends_with('.') && words > 4)
        || words > 9
}

/// A telephone number, a web address, a mail address, a form of company.
pub(super) fn is_contact(text: &str) -> bool {
    is_reachable(text) || {
        let lower = folded(text.trim());
        let digits = lower.contains(|c: char| c.is_ascii_digit());
        FIRMS.iter().any(|firm| lower.ends_with(firm))
            || digits && FIRMS_INSIDE.are_in(&lower)
            || ANY_REGISTER.are_in(&lower)
    }
}

/// A telephone number, a web address or a mail address.
pub(super) fn is_reachable(text: &str) -> bool {
    let lower = folded(text.trim());
    let digits = lower.chars().filter(char::is_ascii_digit).count();
    let first = lower
        .split([' ', '|', '/', ':', '：'])
        .next()
        .unwrap_or_default();
    let first = first.trim_end_matches(['.', ':', '：']);
    let phone = lower.starts_with(['+', '('])
        || lower.starts_with(|c: char| c.is_ascii_digit()) && digits >= 8
        || PHONE_WORDS.contains(&first);
    let words = lower.split_whitespace().count();
    let web = ["www.", "http://", "https://"]
        .iter()
        .any(|w| lower.contains(w));
    let mail = lower
        .split_whitespace()
        .any(|w| w.contains('@') && w.contains('.'));
    (phone && digits >= 5) || (words <= 4 && (web || mail)) || has_parts(text) && (web || mail)
}

/// `Name | Title | Company`, as signatures put them on one line.
pub(super) fn has_parts(text: &str) -> bool {
    let bars: usize = [" | ", " · ", " • ", " ｜ "]
        .iter()
        .map(|bar| text.matches(bar).count())
        .sum();
    bars >= MIN_BARS && text.chars().count() <= MAX_PARTS_CHARS && !is_sentence(text.trim())
}

/// Whether a line is the name, or begins with it and goes on with a title: `Bob Example, CEO`.
pub(super) fn is_named(text: &str, name: &str) -> bool {
    let tokens = |text: &str| {
        let mut tokens: Vec<String> = folded(text)
            .split(|c: char| !(c.is_alphanumeric() || c == '-'))
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
            .collect();
        tokens.sort();
        tokens
    };
    let own = tokens(name);
    if own.len() < MIN_NAME_WORDS || own.len() > MAX_NAME_TOKENS || name.contains('@') {
        return false;
    }
    let head = text
        .split([',', '|', '(', '/', '·', '•'])
        .next()
        .unwrap_or_default();
    tokens(text) == own || tokens(head) == own
}
