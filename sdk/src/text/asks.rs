//! Does a text ask something that waits for an answer?

use super::{Words, excerpt, sentences};

/// Longest quotation of an ask, in bytes.
const QUOTE_BYTES_MAX: usize = 160;

/// A question or request found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The sentence, shortened to one line.
    pub sentence: String,
    /// The phrase that gives it away; `?` for a plain question.
    pub cue: &'static str,
}

/// Phrases of a sentence that wants an answer though it has no question mark.
const REQUESTS: [&str; 74] = [
    // English
    "could you",
    "can you",
    "would you",
    "will you",
    "are you able to",
    "please let me know",
    "please let us know",
    "let me know",
    "let us know",
    "please send",
    "please confirm",
    "please advise",
    "please provide",
    "please share",
    "please tell",
    "please give",
    "please reply",
    "please call",
    "please contact",
    "kindly",
    "i would like to know",
    "we would like to know",
    "would be grateful",
    "would appreciate",
    "looking forward to your reply",
    "looking forward to your answer",
    "look forward to hearing",
    "looking forward to hearing",
    "look forward to your",
    "get back to me",
    "get back to us",
    "waiting for your",
    // German
    "könnten sie",
    "können sie",
    "würden sie",
    "kannst du",
    "könntest du",
    "bitte senden",
    "bitte schicken",
    "bitte teilen",
    "bitte geben",
    "bitte bestätigen",
    "bitte melden",
    "bitten sie",
    "bitten wir",
    "wir bitten um",
    "ich bitte um",
    "bescheid geben",
    "geben sie mir",
    "freue mich auf ihre",
    "freuen uns auf ihre",
    "erwarten ihre",
    // French
    "pourriez vous",
    "pouvez vous",
    "pourrais tu",
    "peux tu",
    "merci de",
    "veuillez",
    "dans l attente de",
    "en attente de votre",
    "tenez moi",
    // Spanish
    "podría",
    "podrían",
    "podrías",
    "puede enviar*",
    "por favor",
    "le agradecería",
    "quedo a la espera",
    "a la espera de",
    // Dutch
    "kunt u",
    "kun je",
    "zou u",
    "graag verneem*",
    "graag hoor*",
];

/// Sentences that only sound like it: courtesies that nobody answers.
const COURTESIES: [&str; 40] = [
    "how are you",
    "hope you are",
    "hope this finds",
    "if you have any questions",
    "if you have any further",
    "should you have any",
    "if you have questions",
    "if there is anything",
    "if anything is unclear",
    "if you need anything",
    "any questions just",
    "feel free",
    "do not hesitate",
    "don t hesitate",
    "happy to help",
    "thank you for",
    "consider the environment",
    "wie geht es",
    "bei fragen",
    "bei rückfragen",
    "falls sie fragen",
    "wenn sie fragen",
    "sollten sie fragen",
    "für fragen",
    "bitte beachten sie",
    "comment allez vous",
    "n hésitez pas",
    "si vous avez des questions",
    "veuillez agréer",
    "veuillez recevoir",
    "veuillez trouver",
    "merci de votre",
    "cómo está*",
    "si tiene alguna",
    "no dude en",
    "hoe gaat het",
    "als u vragen",
    "mocht u",
    "aarzel niet",
    "bij vragen",
];

/// The first question or request of a text that waits for an answer.
///
/// Looks only at `text` as given: leave out quotes and signatures first. A question mark within
/// an address or a link is none, and courtesies ("do not hesitate to ask") ask nothing.
#[must_use]
pub fn ask(text: &str) -> Option<Ask> {
    // What does not occur in the whole need not be looked for in each sentence.
    let whole = Words::of(text);
    let requests = whole.find_all(&REQUESTS);
    let courtesies = whole.find_all(&COURTESIES);
    sentences(text).find_map(|sentence| {
        if requests.is_empty() && !sentence.contains('?') {
            return None;
        }
        let words = Words::of(sentence);
        if words.find(&courtesies).is_some() {
            return None;
        }
        let cue = if sentence
            .trim_end_matches(['"', '\'', '”', '»', ')', '!'])
            .ends_with('?')
            && words.len() >= 2
        {
            "?"
        } else {
            words.find(&requests)?
        };
        Some(Ask {
            sentence: excerpt(sentence, QUOTE_BYTES_MAX),
            cue,
        })
    })
}
