//! Cues in what people write: words, questions, languages, names.
//!
//! Everything here looks for evidence and names it, so that a reason can quote it; nothing
//! guesses beyond its lists. Text is folded to lower-case words first, so hyphens, apostrophes,
//! line breaks and case never hide a phrase.

use crate::Address;

mod asks;
mod language;
mod words;

pub use asks::{Ask, ask};
pub use language::{Language, language};
pub use words::Words;

/// Longest text that is looked at, in bytes: an enquiry says what it wants before that.
pub const LOOKED_AT_BYTES_MAX: usize = 8 * 1024;

/// The beginning of a text, at most `bytes` long, cut between characters.
#[must_use]
pub fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// The beginning of a text for a list or a reason: one line, at most `bytes` long, with an
/// ellipsis when something is missing.
#[must_use]
pub fn excerpt(text: &str, bytes: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let short = cut(&line, bytes);
    if short.len() == line.len() {
        line
    } else {
        format!("{}…", short.trim_end())
    }
}

/// Sentences of a text: ended by `.`, `!`, `?`, or by an empty line or list item.
///
/// The mark stays with its sentence. A dot or question mark inside a word (an address, a
/// number) ends nothing.
pub fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = cut(text, LOOKED_AT_BYTES_MAX);
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return None;
            }
            let end = sentence_end(rest);
            let (sentence, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            rest = after;
            let sentence = sentence.trim();
            if sentence.chars().any(char::is_alphanumeric) {
                return Some(sentence);
            }
        }
    })
}

fn sentence_end(text: &str) -> usize {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let breaks = match c {
            '.' | '!' | '?' => {
                next.is_none_or(|next| next.is_whitespace() || "\"'”»)]?!".contains(next))
            }
            '\n' => {
                let rest = text
                    .get(at..)
                    .unwrap_or("")
                    .trim_start_matches([' ', '\t', '\r', '\n']);
                let line_is_empty = text
                    .get(at + 1..)
                    .unwrap_or("")
                    .trim_start_matches([' ', '\t', '\r'])
                    .starts_with('\n');
                line_is_empty || rest.starts_with(['-', '*', '•'])
            }
            _ => false,
        };
        if breaks {
            return at + c.len_utf8();
        }
    }
    text.len()
}

/// Free-mail domains that a plugin knows without asking; the daemon's evidence `free-mail` comes
/// from a longer, editable list.
const FREE_MAIL: [&str; 24] = [
    "aol.com",
    "free.fr",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hotmail.com",
    "icloud.com",
    "laposte.net",
    "live.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "orange.fr",
    "outlook.com",
    "pm.me",
    "proton.me",
    "protonmail.com",
    "t-online.de",
    "web.de",
    "yahoo.com",
    "ziggo.nl",
];

/// Whether a domain is a well-known free-mail domain.
#[must_use]
pub fn is_free_mail(domain: &str) -> bool {
    FREE_MAIL
        .iter()
        .any(|known| known.eq_ignore_ascii_case(domain))
}

/// Local parts behind which no person reads.
const ROBOTS: [&str; 13] = [
    "noreply",
    "no-reply",
    "no_reply",
    "donotreply",
    "do-not-reply",
    "do_not_reply",
    "nepasrepondre",
    "mailer-daemon",
    "postmaster",
    "bounce",
    "bounces",
    "notification",
    "notifications",
];

/// Whether an address says of itself that no person reads it.
#[must_use]
pub fn is_robot(address: &Address) -> bool {
    let local = address.local_part().to_lowercase();
    let plain = local.split('+').next().unwrap_or(&local);
    ROBOTS.iter().any(|robot| {
        plain == *robot
            || plain
                .strip_prefix(robot)
                .is_some_and(|rest| rest.starts_with(['-', '.', '_']))
            || plain
                .strip_suffix(robot)
                .is_some_and(|rest| rest.ends_with(['-', '.', '_']))
    })
}

/// Words in a display name which say that it is no person's.
const NOT_A_PERSON: [&str; 18] = [
    "team",
    "support",
    "info",
    "sales",
    "office",
    "service",
    "gmbh",
    "ltd",
    "limited",
    "inc",
    "llc",
    "ag",
    "bv",
    "sarl",
    "sa",
    "kontakt",
    "buchhaltung",
    "accounts",
];

/// The first name to greet a person by; `None` when the display name does not give one.
///
/// Knows `Ann Smith`, `Smith, Ann` and titles; refuses names of companies and teams, addresses,
/// and a name of a single word, which is as often a family name.
#[must_use]
pub fn first_name(address: &Address) -> Option<String> {
    let name = address.name.as_deref()?.trim().trim_matches(['"', '\'']);
    if name.contains(['@', '|', '/', '(', '&']) || name.chars().any(|c| c.is_ascii_digit()) {
        return None;
    }
    if Words::of(name)
        .iter()
        .any(|word| NOT_A_PERSON.contains(&word))
    {
        return None;
    }
    let given_first = match name.split_once(',') {
        Some((family, given)) => format!("{} {family}", given.trim()),
        None => name.to_owned(),
    };
    let mut parts = given_first
        .split_whitespace()
        .filter(|part| !part.ends_with('.'));
    let first = parts.next()?;
    parts.next()?;
    let is_name = first.chars().count() > 1
        && first
            .chars()
            .all(|c| c.is_alphabetic() || c == '-' || c == '\'')
        && first.chars().next().is_some_and(char::is_uppercase);
    is_name.then(|| first.to_owned())
}

/// A subject without `Re:`, `Fwd:`, `AW:` and their like, in lower case, for comparing.
#[must_use]
pub fn base_subject(subject: &str) -> String {
    const MARKS: [&str; 14] = [
        "re", "fw", "fwd", "aw", "wg", "sv", "vs", "tr", "rv", "rif", "antw", "doorst", "ref", "r",
    ];
    let mut rest = subject.trim();
    while let Some((mark, after)) = rest.split_once(':') {
        let word = mark.split(['[', '(']).next().unwrap_or(mark).trim();
        if !MARKS.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            break;
        }
        rest = after.trim();
    }
    rest.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

#[cfg(test)]
mod tests;
