//! In which of a few languages is a text written?

use super::Words;

/// A language whose cues the SDK knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// English.
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
    /// Dutch.
    Nl,
}

impl Language {
    /// Its ISO 639-1 code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::De => "de",
            Language::Fr => "fr",
            Language::Es => "es",
            Language::Nl => "nl",
        }
    }
}

/// Small words that carry a language and occur in few of the others.
const MARKS: [(Language, &[&str]); 5] = [
    (
        Language::En,
        &[
            "the", "and", "you", "your", "we", "our", "is", "are", "to", "of", "for", "with",
            "would", "could", "have", "this", "that", "please", "hello", "thanks", "thank", "what",
            "how", "i", "can", "my", "if", "be", "it", "at", "on", "by", "about", "from", "any",
        ],
    ),
    (
        Language::De,
        &[
            "der",
            "die",
            "das",
            "und",
            "ich",
            "wir",
            "sie",
            "ihr",
            "ihre",
            "ihnen",
            "uns",
            "ist",
            "sind",
            "für",
            "mit",
            "nicht",
            "ein",
            "eine",
            "einen",
            "einem",
            "auf",
            "bitte",
            "haben",
            "hallo",
            "guten",
            "sehr",
            "könnten",
            "können",
            "zu",
            "von",
            "wie",
            "wäre",
            "möchten",
            "danke",
            "anbei",
            "im",
            "den",
            "dem",
            "grüße",
            "freundlichen",
        ],
    ),
    (
        Language::Fr,
        &[
            "le",
            "les",
            "et",
            "nous",
            "vous",
            "votre",
            "vos",
            "notre",
            "est",
            "sont",
            "pour",
            "avec",
            "une",
            "des",
            "du",
            "je",
            "bonjour",
            "merci",
            "pourriez",
            "dans",
            "sur",
            "au",
            "aux",
            "ce",
            "cette",
            "cordialement",
            "être",
            "avons",
            "pouvez",
            "qui",
            "ne",
            "pas",
        ],
    ),
    (
        Language::Es,
        &[
            "el",
            "los",
            "las",
            "y",
            "nosotros",
            "usted",
            "ustedes",
            "su",
            "sus",
            "nuestra",
            "nuestro",
            "es",
            "para",
            "con",
            "una",
            "del",
            "por",
            "hola",
            "gracias",
            "podría",
            "buenos",
            "días",
            "estamos",
            "favor",
            "saludos",
            "necesitamos",
            "cómo",
            "qué",
            "se",
            "al",
            "un",
            "lo",
        ],
    ),
    (
        Language::Nl,
        &[
            "het",
            "een",
            "en",
            "wij",
            "we",
            "u",
            "uw",
            "ons",
            "onze",
            "zijn",
            "voor",
            "met",
            "niet",
            "van",
            "graag",
            "hallo",
            "bedankt",
            "kunt",
            "kunnen",
            "ik",
            "naar",
            "wat",
            "hoe",
            "bij",
            "aan",
            "dit",
            "dat",
            "groet",
            "groeten",
            "vriendelijke",
            "hebben",
            "zou",
            "jullie",
            "te",
        ],
    ),
];

/// Fewest marks that settle a language: fewer could be a name or a borrowed phrase.
const MARKS_MIN: usize = 2;

/// The language of a text; `None` when none of the known ones leads clearly.
#[must_use]
pub fn language(text: &str) -> Option<Language> {
    let words = Words::of(text);
    let mut counts: Vec<(usize, Language)> = MARKS
        .iter()
        .map(|(language, marks)| {
            (
                marks.iter().map(|mark| words.count(mark)).sum::<usize>(),
                *language,
            )
        })
        .collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    match counts.as_slice() {
        [(best, language), (second, _), ..] if *best >= MARKS_MIN && best > second => {
            // A long text in an unknown language shares a few short words with a known one.
            (best.saturating_mul(12) >= words.len()).then_some(*language)
        }
        _ => None,
    }
}
