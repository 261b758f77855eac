//! Is a message an enquiry? Found by cues which the reason then quotes.
//!
//! Somebody must say that they want something or ask what it costs, and at least one more cue
//! must stand beside it: a question, a meeting, or the kind of work we do. Cues of people who
//! sell, apply, study or invoice count against it.

use liaison_sdk::text::{self, Words};

mod cues;

use cues::{MEETINGS, OTHERS, PRICES, TROUBLE, WANTS, WORK};

/// Longest need quoted from a message, in bytes.
const NEED_BYTES_MAX: usize = 280;
/// Fewest words of a sentence that says what is needed.
const NEED_WORDS_MIN: usize = 5;

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Somebody wants something of us.
    Enquiry(Enquiry),
    /// It looks like one but is something else.
    NotALead {
        /// What, for people.
        kind: &'static str,
        /// The phrases that say so.
        cues: Vec<&'static str>,
    },
    /// No cue of an enquiry.
    Nothing,
}

/// The cues of an enquiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enquiry {
    /// The phrases and questions found, for the reason.
    pub cues: Vec<String>,
    /// It asks what something costs.
    pub asks_price: bool,
    /// The sentence that says what is needed.
    pub need: Option<String>,
    /// It is about new work, and not a customer's daily question or trouble.
    pub is_new_work: bool,
}

/// Judges a message by its subject and by what its sender newly wrote.
#[must_use]
pub fn judge(subject: &str, body: &str) -> Verdict {
    let words = Words::of(&format!("{subject}\n\n{body}"));
    let wants = words.find_all(WANTS);
    let prices = words.find_all(PRICES);
    if let Some((kind, cues)) = other(&words, !wants.is_empty()) {
        return Verdict::NotALead { kind, cues };
    }
    if wants.is_empty() && prices.is_empty() {
        return Verdict::Nothing;
    }
    let meetings = words.find_all(MEETINGS);
    let work = words.find_all(WORK);
    let ask = text::ask(body);
    let kinds = [
        !wants.is_empty(),
        !prices.is_empty(),
        !meetings.is_empty(),
        !work.is_empty(),
    ];
    let beside = kinds.iter().filter(|found| **found).count() + usize::from(ask.is_some());
    if beside < 2 {
        return Verdict::Nothing;
    }
    let found = [&wants, &prices, &meetings, &work]
        .into_iter()
        .filter_map(|list| list.first());
    let mut cues: Vec<String> = found
        .map(|cue| format!("`{}`", cue.trim_end_matches('*')))
        .collect();
    cues.extend(ask.map(|ask| format!("asks \"{}\"", ask.sentence)));
    Verdict::Enquiry(Enquiry {
        cues,
        asks_price: !prices.is_empty(),
        need: need(body, &[wants.as_slice(), work.as_slice()].concat()),
        is_new_work: (!prices.is_empty() || !work.is_empty()) && words.find(TROUBLE).is_none(),
    })
}

fn other(words: &Words, wants: bool) -> Option<(&'static str, Vec<&'static str>)> {
    OTHERS.iter().find_map(|other| {
        let mut cues = words.find_all(other.strong);
        let weak = words.find_all(other.weak);
        let settled = !cues.is_empty() || weak.len() >= 2 || (!weak.is_empty() && !wants);
        cues.extend(weak);
        cues.truncate(3);
        settled.then_some((other.kind, cues))
    })
}

/// The sentence which says what is needed.
fn need(body: &str, cues: &[&str]) -> Option<String> {
    text::sentences(body)
        .find(|sentence| {
            let words = Words::of(sentence);
            words.len() >= NEED_WORDS_MIN && words.find(cues).is_some()
        })
        .map(|sentence| text::excerpt(sentence, NEED_BYTES_MAX))
}

#[cfg(test)]
mod tests;
