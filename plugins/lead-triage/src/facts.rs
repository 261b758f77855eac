//! What a message tells of a lead: only what it says, never a guess beyond it.

use liaison_sdk::text::{self, Words};
use liaison_sdk::{Address, Message};

use crate::enquiry::Enquiry;
use crate::settings::Settings;

/// Longest excerpt kept as a fact, in bytes.
const FACT_BYTES_MAX: usize = 160;

/// Qualification of a lead as far as one message gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What they need.
    pub need: Option<String>,
    /// When they need it.
    pub timeline: Option<String>,
    /// Between which limits their budget lies.
    pub budget_band: Option<String>,
    /// What says that the writer decides.
    pub decision_maker: Option<String>,
    /// How they heard of us.
    pub source: Option<String>,
    /// A telephone number.
    pub phone: Option<String>,
    /// The company by its own name.
    pub company: Option<String>,
}

const TIMELINE: [&str; 45] = [
    "deadline",
    "go live",
    "launch",
    "asap",
    "as soon as possible",
    "urgent",
    "urgently",
    "immediately",
    "tomorrow",
    "next week",
    "next month",
    "next quarter",
    "this quarter",
    "this month",
    "this year",
    "next year",
    "by the end of",
    "before the end of",
    "by january",
    "by february",
    "by march",
    "by april",
    "by may",
    "by june",
    "by july",
    "by august",
    "by september",
    "by october",
    "by november",
    "by december",
    "within the next",
    "in the next",
    "weeks",
    "months",
    "bis ende",
    "so bald wie möglich",
    "so schnell wie möglich",
    "nächsten monat",
    "nächstes jahr",
    "d ici",
    "le plus vite possible",
    "dès que possible",
    "lo antes posible",
    "zo snel mogelijk",
    "volgende maand",
];

const DECIDERS: [&str; 24] = [
    "ceo",
    "cto",
    "cio",
    "coo",
    "cfo",
    "managing director",
    "director",
    "owner",
    "co owner",
    "founder",
    "co founder",
    "partner",
    "head of",
    "president",
    "i decide",
    "geschäftsführer*",
    "inhaber*",
    "leiter*",
    "gérant*",
    "directeur",
    "directrice",
    "directora",
    "eigenaar",
    "bestuurder",
];

const SOURCES: [&str; 26] = [
    "found you",
    "found your",
    "came across",
    "recommended",
    "recommendation",
    "referred",
    "referral",
    "heard about you",
    "heard of you",
    "saw your",
    "read your",
    "google",
    "linkedin",
    "met you at",
    "aufmerksam geworden",
    "empfohlen",
    "empfehlung",
    "gefunden",
    "recommandé*",
    "trouvé votre",
    "découvert",
    "recomendad*",
    "encontré",
    "encontramos",
    "aanbevolen",
    "gevonden",
];

const LEGAL_FORMS: [&str; 22] = [
    "gmbh",
    "ag",
    "kg",
    "ohg",
    "ltd",
    "limited",
    "llc",
    "inc",
    "plc",
    "corp",
    "corporation",
    "sarl",
    "sas",
    "s.a.",
    "b.v.",
    "bv",
    "nv",
    "s.l.",
    "sl",
    "pty",
    "oy",
    "ab",
];

impl Facts {
    /// Reads a message.
    #[must_use]
    pub fn of(message: &Message, enquiry: Option<&Enquiry>, settings: &Settings) -> Facts {
        let whole = Words::of(&message.text);
        let signature = Words::of(&message.signature);
        let decider = signature
            .find(&DECIDERS)
            .map(|role| format!("signs as {}", role.trim_end_matches('*')))
            .or_else(|| sentence_with(&message.text, &whole, &DECIDERS));
        Facts {
            need: enquiry.and_then(|enquiry| enquiry.need.clone()),
            timeline: sentence_with(&message.text, &whole, &TIMELINE),
            budget_band: budget(&message.text, &whole)
                .map(|sum| band(sum, &settings.budget_limits())),
            decision_maker: decider,
            source: sentence_with(&message.text, &whole, &SOURCES),
            phone: phone(&message.signature).or_else(|| phone(&message.text)),
            company: company(&message.signature),
        }
    }

    /// The value of an item of the qualification.
    #[must_use]
    pub fn item(&self, item: &str) -> Option<&str> {
        match item {
            "need" => self.need.as_deref(),
            "timeline" => self.timeline.as_deref(),
            "budget_band" => self.budget_band.as_deref(),
            "decision_maker" => self.decision_maker.as_deref(),
            "source" => self.source.as_deref(),
            "contact_details" => self.phone.as_deref(),
            _ => None,
        }
    }

    /// How warm a lead is, by how much of need, time, money and authority is known.
    #[must_use]
    pub fn temperature(&self) -> &'static str {
        let known = ["need", "timeline", "budget_band", "decision_maker"]
            .iter()
            .filter(|item| self.item(item).is_some())
            .count();
        match known {
            0 | 1 => "cold",
            2 => "warm",
            _ => "hot",
        }
    }
}

/// The first sentence with a cue; `whole` are the words of `body`.
fn sentence_with(body: &str, whole: &Words, cues: &[&str]) -> Option<String> {
    let cues = whole.find_all(cues);
    if cues.is_empty() {
        return None;
    }
    text::sentences(body)
        .find(|sentence| Words::of(sentence).find(&cues).is_some())
        .map(|sentence| text::excerpt(sentence, FACT_BYTES_MAX))
}

/// The name by which a company is known when it does not give one: from its domain.
#[must_use]
pub fn company_from_domain(domain: &str) -> String {
    let label = domain.split('.').next().unwrap_or(domain);
    let mut chars = label.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

fn company(signature: &str) -> Option<String> {
    signature
        .lines()
        .map(str::trim)
        .find(|line| {
            line.len() <= FACT_BYTES_MAX
                && line.split([' ', ',', '|']).skip(1).any(|word| {
                    let word = word.trim_matches([',', ';']).to_lowercase();
                    LEGAL_FORMS
                        .iter()
                        .any(|form| word == *form || word == format!("{form}."))
                })
        })
        .map(str::to_owned)
}

/// The first telephone number: 7 to 15 digits (ITU-T E.164) that begin with `+`, `0` or `(`, or
/// stand behind a word such as `Tel`.
fn phone(body: &str) -> Option<String> {
    body.lines().find_map(|line| {
        let labels = [
            "tel*", "phone", "mobile", "mobil", "cell", "fon", "m", "t", "p",
        ];
        let is_labelled = || Words::of(line).find(&labels).is_some();
        let belongs = |c: char| c.is_ascii_digit() || "+()/-. \u{a0}".contains(c);
        line.split(|c| !belongs(c)).map(str::trim).find_map(|run| {
            let run = run.trim_matches(['-', '.', '/', ' ', ')']);
            let digits = run.chars().filter(char::is_ascii_digit).count();
            let looks = || run.starts_with(['+', '0', '(']) || is_labelled();
            ((7..=15).contains(&digits) && looks()).then(|| run.to_owned())
        })
    })
}

/// The largest number in a sentence that speaks of a budget.
fn budget(body: &str, whole: &Words) -> Option<u64> {
    const CUES: [&str; 6] = [
        "budget",
        "budgeted",
        "presupuesto de",
        "enveloppe",
        "kostenrahmen",
        "to spend",
    ];
    let cues = whole.find_all(&CUES);
    if cues.is_empty() {
        return None;
    }
    text::sentences(body)
        .filter(|sentence| Words::of(sentence).find(&cues).is_some())
        .find_map(|sentence| sentence.split_whitespace().filter_map(sum).max())
}

/// `15k`, `15,000`, `15.000€`, `15'000`.
fn sum(word: &str) -> Option<u64> {
    let word = word.to_lowercase();
    let digits: String = word.chars().filter(char::is_ascii_digit).collect();
    let rest: String = word.chars().filter(|c| c.is_alphabetic()).collect();
    let number: u64 = digits.parse().ok()?;
    let thousands = match rest.as_str() {
        "k" | "keur" | "kusd" | "tsd" => number.checked_mul(1000)?,
        "" | "eur" | "euro" | "usd" | "chf" | "gbp" | "aud" => number,
        _ => return None,
    };
    (thousands >= 100).then_some(thousands)
}

fn band(sum: u64, limits: &[u64]) -> String {
    let below = limits.iter().rfind(|limit| **limit <= sum);
    let above = limits.iter().find(|limit| **limit > sum);
    match (below, above) {
        (Some(below), Some(above)) => format!("{below} to {above}"),
        (None, Some(above)) => format!("under {above}"),
        (Some(below), None) => format!("{below} and more"),
        (None, None) => sum.to_string(),
    }
}

/// The company of a sender: as signed, else from the domain, else nothing (free mail).
#[must_use]
pub fn company_of(facts: &Facts, person: &Address, is_free_mail: bool) -> String {
    match &facts.company {
        Some(company) => company.clone(),
        None if is_free_mail => String::new(),
        None => company_from_domain(person.domain()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephone_numbers() {
        for (body, expected) in [
            ("Ann Smith\nTel. 555-123-4567", Some("555-123-4567")),
            ("+49 (0)30 123456-7 ", Some("+49 (0)30 123456-7")),
            ("We met on 2026-03-02 in room 12", None),
            ("Order 12345678", None),
            ("call me: 0170 1234567.", Some("0170 1234567")),
        ] {
            assert_eq!(phone(body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn budgets_fall_into_bands() {
        let limits = [10_000, 50_000, 100_000];
        for (body, expected) in [
            ("Our budget is about 15k.", Some("10000 to 50000")),
            ("Budget: 15.000 EUR", Some("10000 to 50000")),
            ("We have 5,000€ budget for it.", Some("under 10000")),
            (
                "A budget of 250'000 CHF is approved.",
                Some("100000 and more"),
            ),
            ("We have 3 offices and no budget yet.", None),
            ("There are 15,000 users.", None),
        ] {
            let got = budget(body, &Words::of(body)).map(|sum| band(sum, &limits));
            assert_eq!(got.as_deref(), expected, "{body}");
        }
    }
}
