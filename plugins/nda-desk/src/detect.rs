//! Does a message ask for a confidentiality agreement, and does it bring one?

use liaison_sdk::text::{self, Words};
use liaison_sdk::{Attachment, Message};

/// Longest sentence quoted as evidence, in bytes.
const QUOTE_BYTES_MAX: usize = 160;
/// Longest name that counts as an abbreviation.
const ABBREVIATION_CHARS_MAX: usize = 3;
/// The one abbreviation that means nothing else in business mail.
const CLEAR_ABBREVIATION: &str = "NDA";

/// What a message wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// An agreement, and no document came with it.
    Agreement,
    /// An agreement; theirs is attached (their file names).
    TheirDocument(Vec<String>),
    /// A signature at a signing service.
    SigningSite(&'static str),
}

/// A wish with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What is wanted.
    pub wish: Wish,
    /// The name of the agreement that was used.
    pub name: String,
    /// The sentence or file that says so.
    pub quote: String,
}

/// Beside an ambiguous abbreviation, one of these makes it an agreement.
const SECOND_CUES: [&str; 28] = [
    "sign",
    "signed",
    "signing",
    "signature",
    "countersign*",
    "execute",
    "executed",
    "confidential*",
    "agreement",
    "disclos*",
    "secrecy",
    "secret",
    "in place",
    "before we share",
    "before sharing",
    "before we send",
    "unterschreib*",
    "unterzeichn*",
    "vertraulich*",
    "geheim*",
    "signer",
    "signez",
    "confidentiel*",
    "firmar",
    "confidencial*",
    "ondertekenen",
    "vertrouwelijk*",
    "your standard",
];

/// Beside an ambiguous abbreviation, one of these says that it means something else: an
/// accountant, a state, a certificate authority.
const OTHER_MEANINGS: [&str; 24] = [
    "accountant",
    "chartered",
    "our accountant",
    "invoice",
    "invoices",
    "pay",
    "pays",
    "payment",
    "tax",
    "audit",
    "auditor",
    "california",
    "san francisco",
    "los angeles",
    "certificate",
    "certificates",
    "root",
    "ssl",
    "tls",
    "current account",
    "circa",
    "rechnung",
    "facture",
    "factura",
];

/// Something is wanted, not only spoken of.
const WANTS: [&str; 59] = [
    "sign",
    "please",
    "need",
    "needs",
    "require",
    "requires",
    "required",
    "send",
    "provide",
    "request",
    "would like",
    "want",
    "before we",
    "before i",
    "before sharing",
    "prior to",
    "put in place",
    "have in place",
    "attached",
    "enclosed",
    "exchange",
    "review",
    "complete",
    "return",
    "insist",
    "must",
    "standard procedure",
    "unterschreib*",
    "unterzeichn*",
    "bitte",
    "benötigen",
    "brauchen",
    "schicken",
    "senden",
    "bevor",
    "anbei",
    "beigefügt",
    "voraussetzung",
    "signer",
    "merci de",
    "veuillez",
    "avant de",
    "ci joint",
    "besoin",
    "envoyer",
    "souhaitons",
    "firmar",
    "por favor",
    "necesitamos",
    "antes de",
    "adjunto",
    "adjuntamos",
    "enviar",
    "ondertekenen",
    "graag",
    "nodig",
    "voordat",
    "bijgevoegd",
    "sturen",
];

/// It is over or in force: nothing is asked.
const ALREADY: [&str; 27] = [
    "already signed",
    "signed last",
    "was signed",
    "were signed",
    "have signed",
    "has signed",
    "we signed",
    "is in place already",
    "already have",
    "already in place",
    "under the nda",
    "under our nda",
    "as per the",
    "as per our",
    "pursuant to",
    "covered by",
    "according to the",
    "thanks for signing",
    "thank you for signing",
    "bereits unterschrieben",
    "bereits unterzeichnet",
    "gemäß",
    "laut",
    "déjà signé",
    "conformément",
    "ya firmado",
    "al ondertekend",
];

/// The document spoken of would be ours.
const OURS: [&str; 16] = [
    "your nda",
    "your standard",
    "your own",
    "your form",
    "your template",
    "your version",
    "send us a",
    "send me a",
    "do you have",
    "can you provide",
    "could you provide",
    "ihre nda",
    "ihre vorlage",
    "votre modèle",
    "su modelo",
    "uw model",
];

/// Kinds of files that hold an agreement.
const DOCUMENTS: [&str; 9] = [
    "pdf", "doc", "docx", "odt", "rtf", "pages", "tif", "tiff", "txt",
];

/// Words in a file's name that say what it is.
const FILE_CUES: [&str; 16] = [
    "nda",
    "mnda",
    "cda",
    "confidential*",
    "non disclosure*",
    "nondisclosure",
    "secrecy",
    "geheimhaltung*",
    "vertraulichkeit*",
    "verschwiegenheit*",
    "confidentialité",
    "confidencialidad",
    "geheimhouding*",
    "disparagement",
    "deed",
    "pia",
];

/// Signing services by the domains of their links.
const SIGNING_SITES: [&str; 14] = [
    "docusign.com",
    "docusign.net",
    "hellosign.com",
    "sign.dropbox.com",
    "adobesign.com",
    "echosign.com",
    "pandadoc.com",
    "signnow.com",
    "yousign.com",
    "skribble.com",
    "sproof.com",
    "eversign.com",
    "zohosign.com",
    "signrequest.com",
];

/// Looks for a wish. `names` are the names of such agreements.
///
/// Names must stand in the subject or the new text, or the attached file must be named after
/// one; an ambiguous abbreviation counts only in capitals, with a second cue in its sentence and
/// no other meaning there.
#[must_use]
pub fn find(message: &Message, names: &[String]) -> Option<Found> {
    let documents = documents(message);
    let spoken = spoken(&message.subject, &message.text, names);
    let named: Vec<String> = documents
        .iter()
        .filter(|file| Words::of(file).find(&FILE_CUES).is_some())
        .cloned()
        .collect();
    // Most mail ends here.
    if spoken.is_empty() && named.is_empty() {
        return None;
    }
    if let Some(site) = signing_site(message) {
        let (name, quote) = spoken.first().cloned()?;
        return Some(Found {
            wish: Wish::SigningSite(site),
            name,
            quote,
        });
    }
    let is_over = |sentence: &str| Words::of(sentence).find(&ALREADY).is_some();
    let all = Words::of(&format!("{}\n\n{}", message.subject, message.text));
    let wants = all.find(&WANTS).is_some() || text::ask(&message.text).is_some();
    let open: Vec<_> = spoken.iter().filter(|(_, quote)| !is_over(quote)).collect();
    let Some((name, quote)) = open.first().map(|found| (*found).clone()) else {
        // Named only by the file, and something is wanted: their document.
        let (file, is_theirs) = (named.first()?, spoken.is_empty() && wants);
        return is_theirs.then(|| Found {
            wish: Wish::TheirDocument(named.clone()),
            name: file.clone(),
            quote: file.clone(),
        });
    };
    if !wants {
        return None;
    }
    let asks_for_ours = all.find(&OURS).is_some();
    let wish = match (named.is_empty(), documents.is_empty(), asks_for_ours) {
        (false, _, _) => Wish::TheirDocument(named),
        // Undecided means theirs: then a person looks, and nothing is sent.
        (true, false, false) => Wish::TheirDocument(documents),
        _ => Wish::Agreement,
    };
    Some(Found { wish, name, quote })
}

/// Every sentence that uses a name of such an agreement, with the name.
fn spoken(subject: &str, body: &str, names: &[String]) -> Vec<(String, String)> {
    // What does not occur in the whole need not be looked for in each sentence.
    let whole_text = format!("{subject}\n\n{body}");
    let whole = Words::of(&whole_text);
    let names: Vec<&String> = names
        .iter()
        .filter(|name| may_be_spoken(name, &whole))
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    std::iter::once(subject)
        .chain(text::sentences(body))
        .filter_map(|sentence| {
            let words = Words::of(sentence);
            let name = names
                .iter()
                .find(|name| is_spoken(name, sentence, &words))?;
            Some(((*name).clone(), text::excerpt(sentence, QUOTE_BYTES_MAX)))
        })
        .collect()
}

fn may_be_spoken(name: &str, words: &Words) -> bool {
    words.has(&format!("{name}*")) || words.has(&name.replace('-', "")) || words.has("mnda")
}

fn is_spoken(name: &str, sentence: &str, words: &Words) -> bool {
    let is_abbreviation = name.chars().count() <= ABBREVIATION_CHARS_MAX;
    if !is_abbreviation {
        // `non-disclosure` also stands for `nondisclosure` and its compounds.
        return words.has(&format!("{name}*")) || words.has(&name.replace('-', ""));
    }
    if name.eq_ignore_ascii_case(CLEAR_ABBREVIATION) {
        return words.has("nda*") || words.has("mnda");
    }
    let in_capitals = sentence
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| word == name);
    in_capitals && words.find(&SECOND_CUES).is_some() && words.find(&OTHER_MEANINGS).is_none()
}

/// File names of the documents of a message.
#[must_use]
pub fn documents(message: &Message) -> Vec<String> {
    let documents = message.attachments.iter().filter(|file| is_document(file));
    documents
        .map(|file| file.filename.clone().unwrap_or_else(|| file.id.clone()))
        .collect()
}

fn is_document(file: &Attachment) -> bool {
    let name = file.filename.as_deref().unwrap_or_default().to_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let by_type = [
        "application/pdf",
        "application/msword",
        "application/rtf",
        "text/rtf",
    ]
    .iter()
    .any(|known| file.media_type.eq_ignore_ascii_case(known))
        || file.media_type.to_lowercase().contains("document");
    by_type || DOCUMENTS.contains(&extension)
}

fn signing_site(message: &Message) -> Option<&'static str> {
    let body = message.text.to_lowercase();
    let sender = message.sender.domain().to_lowercase();
    SIGNING_SITES.into_iter().find(|site| {
        let from_there = sender == *site
            || sender
                .strip_suffix(site)
                .is_some_and(|rest| rest.ends_with('.'));
        from_there || body.contains(&format!("//{site}")) || body.contains(&format!(".{site}"))
    })
}

#[cfg(test)]
mod tests;
