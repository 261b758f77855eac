//! What the owner of a draft made of it before sending it from a program of theirs.

use std::collections::BTreeMap;

use crate::diff;
use crate::message::cut_text;

/// Share of the draft's words that a message must still have to be that draft, edited.
const KEPT_PERCENT_MIN: usize = 50;
/// Words of each side that are compared.
const WORDS_MAX: usize = 5_000;
/// Longest account of a difference, in characters.
const DIFFERENCE_CHARS_MAX: usize = 4_000;

/// Whether `sent` is `draft` with changes: at least half of the draft's words stand in it. Both are
/// what was newly written, without quote and signature.
#[must_use]
pub fn is_edit(draft: &str, sent: &str) -> bool {
    let words = words(draft);
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    for word in self::words(sent) {
        let count = there.entry(word).or_insert(0);
        *count = count.saturating_add(1);
    }
    let mut kept = 0_usize;
    for word in &words {
        if let Some(count) = there.get_mut(word).filter(|count| **count > 0) {
            *count = count.saturating_sub(1);
            kept = kept.saturating_add(1);
        }
    }
    let least = words.len().saturating_mul(KEPT_PERCENT_MIN);
    !words.is_empty() && kept.saturating_mul(100) >= least
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .map(str::to_lowercase)
        .collect()
}

/// What changed from a draft to what was sent, subject and text, as `diff -u` shows it; empty when
/// nothing did. Programs wrap lines anew, so that whole paragraphs are compared.
#[must_use]
pub fn difference(draft: (&str, &str), sent: (&str, &str)) -> String {
    let whole = |(subject, text): (&str, &str)| {
        let mut lines = vec![format!("Subject: {}", collapsed(subject))];
        lines.extend(paragraphs(text));
        lines.join("\n")
    };
    cut_text(
        &diff::unified(&whole(draft), &whole(sent)),
        DIFFERENCE_CHARS_MAX,
    )
}

fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs: Vec<String> = vec![String::new()];
    for line in text.lines() {
        match (line.trim().is_empty(), paragraphs.last_mut()) {
            (false, Some(last)) => {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(&collapsed(line));
            }
            _ => paragraphs.push(String::new()),
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAFT: &str = "Hello Bob,\n\nthank you for your request. The agreement is attached,\n\
                         please sign both pages.\n\nAlice";

    #[test]
    fn a_draft_is_known_by_its_words_and_an_answer_of_their_own_is_not() {
        for (sent, is) in [
            (DRAFT, true),
            (
                "Dear Bob,\nthank you for your request! The agreement is attached; please sign it.",
                true,
            ),
            (
                "Hello Bob,\n\nlet us talk about this by phone tomorrow.\n\nAlice",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(is_edit(DRAFT, sent), is, "{sent}");
        }
        assert!(!is_edit("", "anything"), "an empty draft is like nothing");
    }

    #[test]
    fn wrapping_is_no_difference_and_words_are() {
        let wrapped = "Hello Bob,\n\nthank you for your\nrequest. The agreement is attached, please \
                       sign both pages.\n\n\nAlice\n";
        assert_eq!(difference(("NDA", DRAFT), ("NDA", wrapped)), "");
        let changed = difference(("NDA", DRAFT), ("Our NDA", &wrapped.replace("both", "all")));
        assert!(
            changed.contains("-Subject: NDA\n+Subject: Our NDA\n"),
            "{changed}"
        );
        assert!(
            changed.contains("-thank you") && changed.contains("sign all pages"),
            "{changed}"
        );
        assert!(changed.contains(" Alice"), "{changed}");
    }
}
