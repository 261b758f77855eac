//! The subject without what answers and forwards put before it.

use mail_parser::parsers::fields::thread::thread_name;

use super::address::clean_text;

/// Prefixes that mail programs pile up.
const MAX_PREFIXES: usize = 16;
/// Digits of a counter: `Re[2]: `.
const MAX_COUNTER_DIGITS: usize = 3;

/// Prefixes of answers and forwards besides those that the parser knows, lower case.
const PREFIXES: &[&str] = &[
    "antwort",
    "antw",
    "wg",
    "weitergeleitet",
    "weiterleitung",
    "rép",
    "réponse",
    "réf",
    "tr",
    "rif",
    "inoltra",
    "inoltrato",
    "res",
    "enc",
    "rv",
    "respuesta",
    "reenviado",
    "odp",
    "pd",
    "przekazano",
    "ynt",
    "ilt",
    "ответ",
    "отв",
    "на",
    "ha",
    "пер",
    "пересл",
    "fs",
    "vs",
    "vl",
    "vá",
    "továbbítás",
    "bls",
    "trs",
    "doorst",
    "doorgestuurd",
    "videresendt",
    "vb",
    "vidarebefordrat",
    "atb",
    "απ",
    "σχετ",
    "πρθ",
    "回复",
    "回覆",
    "答复",
    "答覆",
    "转发",
    "轉寄",
    "轉發",
    "返信",
    "転送",
    "회신",
    "전달",
    "رد",
    "إعادة توجيه",
    "תשובה",
    "הועבר",
];

/// The base subject (RFC 5256 2.1), in the languages that mail programs write prefixes in.
#[must_use]
pub fn base_subject(subject: &str) -> String {
    let mut base = subject.trim();
    for _ in 0..MAX_PREFIXES {
        let next = thread_name(base).trim();
        let next = if next.len() < base.len() && !next.is_empty() {
            next
        } else {
            match behind_prefix(base) {
                Some(next) => next,
                None => break,
            }
        };
        base = next;
    }
    clean_text(base)
}

/// What follows `Antwort: ` and the like, where something does.
fn behind_prefix(subject: &str) -> Option<&str> {
    let (head, rest) = subject.split_once([':', '：'])?;
    let lower = head.trim().to_lowercase().replace('\u{307}', "");
    let word = match lower.split_once('[') {
        Some((word, counter)) => {
            let digits = counter.strip_suffix(']')?;
            let counts = digits.len() <= MAX_COUNTER_DIGITS
                && digits.bytes().all(|digit| digit.is_ascii_digit());
            counts.then_some(word)?
        }
        None => lower.as_str(),
    };
    let rest = rest.trim();
    (PREFIXES.contains(&word.trim()) && !rest.is_empty()).then_some(rest)
}
