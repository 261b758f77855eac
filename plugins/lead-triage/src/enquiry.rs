//! Is a message an enquiry? Found by cues which the reason then quotes.
//!
//! Somebody must say that they want something or ask what it costs, and at least one more cue
//! must stand beside it: a question, a meeting, or the kind of work we do. Cues of people who
//! sell, apply, study or invoice count against it.

use liaison_sdk::text::{self, Words};

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

/// First-person wants.
const WANTS: &[&str] = &[
    "we need",
    "i need",
    "we are looking for",
    "we re looking for",
    "i am looking for",
    "i m looking for",
    "we are searching for",
    "we are interested in",
    "i am interested in",
    "i m interested in",
    "we would be interested",
    "we would like to",
    "we d like to",
    "i would like to",
    "i d like to",
    "we want to",
    "i want to",
    "we are planning",
    "we plan to",
    "we require",
    "in need of",
    "can you help us",
    "could you help us",
    "would you be able to help",
    "we are considering",
    "we would like a",
    "we would like an",
    "we d like a",
    "we d like an",
    "and need a",
    "and need an",
    "love to learn more",
    "interested in your",
    "interested in working with",
    "do you have capacity",
    "do you offer",
    "could you build",
    "can you build",
    "could you develop",
    "can you develop",
    "could your team",
    "can your team",
    "information about your",
    "our inquiry",
    "our enquiry",
    "my inquiry",
    "my enquiry",
    // German
    "wir suchen",
    "ich suche",
    "auf der suche nach",
    "wir benötigen",
    "ich benötige",
    "wir brauchen",
    "ich brauche",
    "wir planen",
    "wir möchten",
    "ich möchte",
    "wir interessieren uns",
    "ich interessiere mich",
    "interesse an",
    "wir würden gerne",
    "wir würden gern",
    // French
    "nous cherchons",
    "nous recherchons",
    "je cherche",
    "je recherche",
    "nous avons besoin",
    "j ai besoin",
    "nous souhaitons",
    "nous souhaiterions",
    "je souhaite",
    "nous sommes intéressés",
    "nous aimerions",
    // Spanish
    "buscamos",
    "estamos buscando",
    "necesitamos",
    "necesito",
    "estamos interesad*",
    "nos gustaría",
    "quisiéramos",
    // Dutch
    "wij zoeken",
    "we zoeken",
    "op zoek naar",
    "wij hebben",
];

/// Questions for a price or an offer.
const PRICES: &[&str] = &[
    "quote",
    "quotation",
    "pricing",
    "price",
    "prices",
    "price list",
    "how much",
    "cost",
    "costs",
    "ballpark",
    "rough estimate",
    "an estimate",
    "your rates",
    "hourly rate",
    "day rate",
    "a proposal",
    "an offer for",
    // German
    "angebot",
    "kostenvoranschlag",
    "preis",
    "preise",
    "preisliste",
    "was kostet",
    "was würde",
    "kosten",
    "stundensatz",
    // French
    "devis",
    "vos tarifs",
    "votre tarif",
    "combien",
    // Spanish
    "presupuesto",
    "precio",
    "precios",
    "cuánto",
    // Dutch
    "offerte",
    "prijs",
];

/// Wishes to meet or talk.
const MEETINGS: &[&str] = &[
    "meet",
    "meeting",
    "a call",
    "phone call",
    "a chat",
    "a demo",
    "an appointment",
    "to discuss",
    "talk about",
    "termin",
    "gespräch",
    "treffen",
    "kennenlernen",
    "vorführung",
    "rendez vous",
    "réunion",
    "échanger",
    "une démo",
    "reunión",
    "una cita",
    "una llamada",
    "afspraak",
    "gesprek",
    "kennismaking",
];

/// Words of new work.
const WORK: &[&str] = &[
    "project",
    "projects",
    "new system",
    "software",
    "website",
    "web site",
    "web app",
    "app",
    "application",
    "platform",
    "portal",
    "integration",
    "migration",
    "redesign",
    "rebuild",
    "build",
    "develop*",
    "implement*",
    "consult*",
    "training",
    "workshop",
    "projekt",
    "webseite",
    "anwendung",
    "entwickl*",
    "beratung",
    "schulung",
    "projet",
    "logiciel",
    "site web",
    "formation",
    "proyecto",
    "desarroll*",
    "aplicación",
    "ontwikkel*",
    "applicatie",
    "maatwerk",
];

/// Words of trouble with what a customer already has.
const TROUBLE: &[&str] = &[
    "bug",
    "broken",
    "error",
    "errors",
    "not working",
    "doesn t work",
    "does not work",
    "crash*",
    "outage",
    "password",
    "login problem",
    "invoice",
    "fehler",
    "funktioniert nicht",
    "störung",
    "passwort",
    "rechnung",
    "erreur",
    "ne fonctionne",
    "facture",
    "factura",
    "storing",
];

/// Something that is no enquiry, with its cues.
struct Other {
    kind: &'static str,
    /// One of these settles it.
    strong: &'static [&'static str],
    /// Two of these do, or one when nobody says that they want something.
    weak: &'static [&'static str],
}

const OTHERS: [Other; 7] = [
    Other {
        kind: "spam",
        strong: &[
            "inheritance",
            "next of kin",
            "lottery",
            "casino",
            "viagra",
            "bitcoin",
            "crypto wallet",
            "western union",
            "million dollars",
            "million usd",
            "loan offer",
            "guest post",
            "backlink",
            "backlinks",
            "link exchange",
            "domain authority",
        ],
        weak: &[
            "seo",
            "first page of google",
            "rank higher",
            "increase your traffic",
            "act now",
        ],
    },
    Other {
        kind: "a newsletter",
        strong: &[
            "unsubscribe",
            "view in browser",
            "view this email in your browser",
            "abbestellen",
            "abmelden",
            "se désabonner",
            "désinscri*",
            "darse de baja",
            "uitschrijven",
            "afmelden",
        ],
        weak: &["newsletter", "webinar", "register now", "jetzt anmelden"],
    },
    Other {
        kind: "a job application",
        strong: &[
            "my cv",
            "my resume",
            "my résumé",
            "curriculum vitae",
            "cover letter",
            "my application",
            "application for the position",
            "apply for the",
            "applying for",
            "open position",
            "meine bewerbung",
            "bewerbe mich",
            "bewerbung als",
            "lebenslauf",
            "ma candidature",
            "mi candidatura",
            "mi currículum",
            "sollicitatie",
            "solliciteren",
            "internship",
            "praktikum",
            "apprenticeship",
            "ausbildungsplatz",
        ],
        weak: &[
            "job opening",
            "hiring",
            "vacancy",
            "stelle",
            "vacature",
            "poste de",
        ],
    },
    Other {
        kind: "a recruiter",
        strong: &[
            "our candidates",
            "top candidates",
            "great candidates",
            "a candidate who",
            "staffing agency",
            "recruitment agency",
            "recruiting agency",
            "executive search",
            "talent pool",
            "personalvermittlung",
            "unsere kandidaten",
            "cabinet de recrutement",
        ],
        weak: &[
            "candidate",
            "candidates",
            "recruit*",
            "talent",
            "talents",
            "staffing",
            "headhunt*",
        ],
    },
    Other {
        kind: "a student's request",
        strong: &[
            "my thesis",
            "master thesis",
            "master s thesis",
            "bachelor thesis",
            "bachelor s thesis",
            "my dissertation",
            "university project",
            "school project",
            "masterarbeit",
            "bachelorarbeit",
            "seminararbeit",
            "mon mémoire",
            "trabajo de fin de grado",
            "scriptie",
        ],
        weak: &[
            "student",
            "students",
            "studentin",
            "survey",
            "umfrage",
            "étudiant*",
            "estudiante",
        ],
    },
    Other {
        kind: "a bill or an order",
        strong: &[
            "payment reminder",
            "overdue invoice",
            "outstanding invoice",
            "zahlungserinnerung",
            "mahnung",
            "order confirmation",
            "auftragsbestätigung",
            "your order has",
        ],
        weak: &[
            "invoice",
            "attached invoice",
            "rechnung",
            "facture",
            "factura",
            "factuur",
            "your order",
            "your subscription",
            "delivery note",
            "lieferschein",
        ],
    },
    Other {
        kind: "a supplier's offer",
        strong: &[
            "outsourc*",
            "white label",
            "lead generation",
            "our sales team",
            "special offer",
            "limited time offer",
            "like to offer you",
            "like to introduce",
            "like to present",
            "show you our",
            "möchten ihnen unser*",
            "möchte ihnen unser*",
            "vous présenter notre",
            "vous présenter nos",
            "business proposal for you",
            "sonderangebot",
        ],
        weak: &[
            "we offer",
            "our services",
            "we provide",
            "we help companies",
            "we help businesses",
            "we specialize",
            "we specialise",
            "our product",
            "our solution",
            "our solutions",
            "our company offers",
            "our team of",
            "our clients",
            "leading provider",
            "are you looking for",
            "do you need",
            "would you be interested",
            "i came across your",
            "i noticed your",
            "your website could",
            "grow your business",
            "boost your",
            "increase your",
            "save you",
            "free trial",
            "quick call",
            "15 minutes",
            "partnership",
            "reseller",
            "wir bieten",
            "unsere leistungen",
            "unser angebot",
            "unsere lösung",
            "unser unternehmen bietet",
            "nous proposons",
            "nos services",
            "notre solution",
            "ofrecemos",
            "nuestros servicios",
            "wij bieden",
            "onze diensten",
        ],
    },
];

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
        need: need(body),
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
fn need(body: &str) -> Option<String> {
    text::sentences(body)
        .find(|sentence| {
            let words = Words::of(sentence);
            words.len() >= NEED_WORDS_MIN
                && (words.find(WANTS).is_some() || words.find(WORK).is_some())
        })
        .map(|sentence| text::excerpt(sentence, NEED_BYTES_MAX))
}

#[cfg(test)]
mod tests;
