//! Who writes, to whom, and whether that is believable.

use liaison_sdk::text;
use liaison_sdk::{Address, Authenticity, Cx, Message, Result};

use crate::settings::Settings;

/// Most differing letters at which two domains are mistaken for one another.
const LOOK_ALIKE_DISTANCE: usize = 1;
/// Shortest domain for which that means anything, in bytes.
const LOOK_ALIKE_BYTES_MIN: usize = 6;

/// Whether the message is written to us: one of our addresses stands in To and takes enquiries.
///
/// A message that names none of us (a blind copy, a forwarding alias) is not, nor is one that
/// has us in Cc only: others were asked.
#[must_use]
pub fn is_to_us(cx: &Cx<'_, Settings>, message: &Message) -> bool {
    message
        .to
        .iter()
        .any(|to| cx.is_ours(to) && cx.settings().takes(to))
}

/// Under what a lead is found again: the domain, or the address at a free-mail domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `domain` or `address`.
    pub field: &'static str,
    /// Its value, in lower case.
    pub value: String,
}

/// The key of a person's lead.
#[must_use]
pub fn key_of(cx: &Cx<'_, Settings>, person: &Address) -> Key {
    if is_free_mail(cx, person) {
        Key {
            field: "address",
            value: person.email.to_lowercase(),
        }
    } else {
        Key {
            field: "domain",
            value: person.domain().to_lowercase(),
        }
    }
}

/// Whether the person writes from a free-mail domain.
#[must_use]
pub fn is_free_mail(cx: &Cx<'_, Settings>, person: &Address) -> bool {
    cx.has_evidence("free-mail") || text::is_free_mail(person.domain())
}

/// Reasons not to answer this sender by itself, one sentence each.
///
/// # Errors
/// When a read is refused.
pub fn risks(cx: &Cx<'_, Settings>, message: &Message) -> Result<Vec<String>> {
    let sender = &message.sender;
    let mut risks = Vec::new();
    if cx.matched().authenticity == Authenticity::Fail {
        risks.push(format!(
            "{} failed the check of its sender's authenticity",
            sender.email
        ));
    }
    for evidence in &cx.matched().evidence {
        if evidence.kind.contains("look-alike") || evidence.kind.contains("spoof") {
            risks.push(evidence.text.clone());
        }
    }
    let shown = sender.name.as_deref().unwrap_or_default();
    let other = shown
        .split_whitespace()
        .map(|word| word.trim_matches(['<', '>', '(', ')', '"']));
    for word in other.filter(|word| word.contains('@') && word.contains('.')) {
        if !word.eq_ignore_ascii_case(&sender.email) {
            risks.push(format!(
                "the name shows {word}, but the address is {}",
                sender.email
            ));
        }
    }
    let foreign =
        |to: &&Address| !to.domain().eq_ignore_ascii_case(sender.domain()) && !cx.is_ours(to);
    if let Some(elsewhere) = message.reply_to.iter().find(foreign) {
        risks.push(format!(
            "answers would go to {}, another domain than the sender's",
            elsewhere.email
        ));
    }
    let mut domains: Vec<String> = cx
        .event()
        .context
        .ourselves
        .iter()
        .map(|own| own.domain().to_lowercase())
        .collect();
    for id in &cx.matched().candidates {
        if let Some(account) = cx.world().get(id)? {
            domains.extend(account.texts("domains").iter().cloned());
        }
    }
    let domain = sender.domain().to_lowercase();
    if let Some(like) = domains.iter().find(|like| is_look_alike(&domain, like)) {
        risks.push(format!("{domain} is nearly {like}"));
    }
    Ok(risks)
}

fn is_look_alike(domain: &str, known: &str) -> bool {
    domain != known
        && known.len() >= LOOK_ALIKE_BYTES_MIN
        && distance(&fold(domain), &fold(known)) <= LOOK_ALIKE_DISTANCE
}

/// Makes letters equal that look equal.
fn fold(domain: &str) -> Vec<char> {
    domain
        .replace("rn", "m")
        .replace("vv", "w")
        .replace(['1', 'i'], "l")
        .replace('0', "o")
        .chars()
        .collect()
}

/// Edit distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (n, left) in a.iter().enumerate() {
        let mut next = vec![n + 1];
        for (m, right) in b.iter().enumerate() {
            let diagonal = row.get(m).copied().unwrap_or(usize::MAX - 1);
            let above = row.get(m + 1).copied().unwrap_or(usize::MAX - 1);
            let before = next.last().copied().unwrap_or(usize::MAX - 1);
            next.push(
                (diagonal + usize::from(left != right))
                    .min(above + 1)
                    .min(before + 1),
            );
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// The person behind a notice of a web form: the one outside address in Reply-To, when the
/// sender is a form service of ours or the text is laid out as a form.
#[must_use]
pub fn form_person(cx: &Cx<'_, Settings>, message: &Message) -> Option<Address> {
    /// Fewest labels (`Name:`, `E-mail:`) that make a form.
    const LABELS_MIN: usize = 3;
    const LABELS: [&str; 20] = [
        "name",
        "first name",
        "last name",
        "email",
        "e-mail",
        "phone",
        "telephone",
        "company",
        "message",
        "subject",
        "nachricht",
        "telefon",
        "firma",
        "nom",
        "téléphone",
        "société",
        "nombre",
        "mensaje",
        "naam",
        "bericht",
    ];
    let [person] = message.reply_to.as_slice() else {
        return None;
    };
    let labels = message.text.lines().filter(|line| {
        line.split_once(':').is_some_and(|(label, _)| {
            LABELS
                .iter()
                .any(|known| label.trim().eq_ignore_ascii_case(known))
        })
    });
    let is_form = cx.settings().is_form_sender(&message.sender) || labels.count() >= LABELS_MIN;
    let is_other = !person.email.eq_ignore_ascii_case(&message.sender.email);
    (is_form && is_other && !cx.is_ours(person) && !text::is_robot(person)).then(|| person.clone())
}

#[cfg(test)]
mod tests {
    use super::is_look_alike;

    #[test]
    fn look_alike_domains() {
        for (domain, known, alike) in [
            ("examp1e.com", "example.com", true),
            ("exarnple.com", "example.com", true),
            ("exampel.com", "example.com", false),
            ("exmple.com", "example.com", true),
            ("example.com", "example.com", false),
            ("sample.org", "example.com", false),
            ("ab.de", "ac.de", false),
        ] {
            assert_eq!(is_look_alike(domain, known), alike, "{domain} {known}");
        }
    }
}
