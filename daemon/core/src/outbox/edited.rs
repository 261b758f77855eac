//! What the owner of a draft made of it before sending it from a program of theirs.

use std::collections::BTreeMap;

use crate::diff;
use crate::message::cut_text;

/// Share of the draft's words that a message of the same conversation must still have, in runs, to be
/// that draft, edited.
const KEPT_PERCENT_MIN: usize = 50;
/// The same for a message of another conversation.
const KEPT_ELSEWHERE_PERCENT_MIN: usize = 80;
/// Words of a run: in two letters of one person about different things single words are the same, and
/// hardly three in a row.
const RUN_WORDS: usize = 3;
/// Words of each side that are compared.
const WORDS_MAX: usize = 5_000;
/// Longest account of a difference, in characters.
const DIFFERENCE_CHARS_MAX: usize = 4_000;

/// Whether `sent` is `draft` with changes: at least half of the draft's words stand in it, each in a
/// run of three that stand there in this order; in another conversation nearly all of them. Both
/// are what was newly written, without quote and signature.
#[must_use]
pub fn is_edit(draft: &str, sent: &str, same_thread: bool) -> bool {
    let (words, there) = (words(draft), self::words(sent));
    let length = RUN_WORDS.min(words.len());
    if length == 0 {
        return false;
    }
    let mut runs: BTreeMap<&[String], usize> = BTreeMap::new();
    for run in there.windows(length) {
        let count = runs.entry(run).or_insert(0);
        *count = count.saturating_add(1);
    }
    let (mut kept, mut counted_to) = (0_usize, 0_usize);
    for (start, run) in words.windows(length).enumerate() {
        if let Some(count) = runs.get_mut(run).filter(|count| **count > 0) {
            *count = count.saturating_sub(1);
            let end = start.saturating_add(length);
            kept = kept.saturating_add(end.saturating_sub(counted_to.max(start)));
            counted_to = end;
        }
    }
    let percent = match same_thread {
        true => KEPT_PERCENT_MIN,
        false => KEPT_ELSEWHERE_PERCENT_MIN,
    };
    kept.saturating_mul(100) >= words.len().saturating_mul(percent)
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
            assert_eq!(is_edit(DRAFT, sent, true), is, "{sent}");
        }
        assert!(
            !is_edit("", "anything", true),
            "an empty draft is like nothing"
        );
        assert!(is_edit("Agreed, thanks.", "Agreed, thanks. Alice", true));
    }

    #[test]
    fn a_long_letter_about_something_else_is_no_draft_however_many_words_it_shares() {
        let letter = "Hello Bob, I hope that you are well. We looked at the numbers of the last \
                      quarter for you, and it is not what we expected: your request for the pages \
                      was not signed, and both of us have to agree first. Please thank everybody \
                      for the work on the attached sheet. The next step is that Alice will please \
                      tell you when the agreement on prices is there, and is ready.";
        for same_thread in [true, false] {
            assert!(!is_edit(DRAFT, letter, same_thread));
        }
    }

    #[test]
    fn elsewhere_nearly_all_of_its_words_must_be_there() {
        let half = "Thank you for your request. The agreement is attached, and so is the price \
                    list that you wanted to see before we talk.";
        assert!(is_edit(DRAFT, half, true));
        assert!(!is_edit(DRAFT, half, false));
        assert!(is_edit(DRAFT, DRAFT, false));
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
