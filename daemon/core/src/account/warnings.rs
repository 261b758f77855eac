//! What speaks against a sender, as evidence of the match.
//!
//! Whoever is warned of is nobody's customer: the match has no account, nothing leaves by itself
//! because of the message, and nothing that waits is given up for it. A *doubt* is weaker: the
//! account stays, but what waits is laid before a person instead of being cancelled.

use super::fold;
use super::lookalike::{is_mixed_script, look_alike};
use super::matching::{Evidence, Kind, Match, MatchOutcome};
use crate::mail::address::{Address, NamedAddress, clean_text};
use crate::mail::{DkimCheck, DkimDoubt, MessageView};

/// Kinds of evidence under which a message is nobody's customer.
const WARNINGS: [Kind; 3] = [Kind::LookAlike, Kind::DisplayName, Kind::SeveralFrom];
/// Kinds of evidence under which a message gives up nothing that waits.
const DOUBTS: [Kind; 3] = [
    Kind::OtherSigner,
    Kind::SignatureVoid,
    Kind::ResultsUntrusted,
];
/// What else is told of one message's sender.
const NOTES: [Kind; 2] = [Kind::ResultsIgnored, Kind::Authenticity];
/// Most warnings of one message; they come before the other evidence in its record.
pub const WARNINGS_MAX: usize = 5;

impl Match {
    /// The match after `warnings` were looked at: with one that speaks against the sender it has
    /// no account.
    #[must_use]
    pub fn warned(mut self, mut warnings: Vec<Evidence>) -> Match {
        warnings.truncate(WARNINGS_MAX);
        warnings.append(&mut self.evidence);
        self.evidence = warnings;
        if self.warning().is_none() {
            return self;
        }
        if !matches!(self.outcome, MatchOutcome::Automatic | MatchOutcome::Own) {
            self.outcome = MatchOutcome::Unknown;
        }
        self.account = None;
        self.contact = None;
        self.candidates = Vec::new();
        self.confidence = 0;
        self
    }

    /// The first warning that makes the sender nobody's customer.
    #[must_use]
    pub fn warning(&self) -> Option<&Evidence> {
        self.first_of(&WARNINGS)
    }

    /// Why the message gives up nothing that waits: a warning, or a doubt.
    #[must_use]
    pub fn doubt(&self) -> Option<&Evidence> {
        self.warning().or_else(|| self.first_of(&DOUBTS))
    }

    fn first_of(&self, kinds: &[Kind]) -> Option<&Evidence> {
        self.evidence.iter().find(|evidence| evidence.is_of(kinds))
    }
}

impl Evidence {
    /// Whether it tells how far the sender of its one message is proven, rather than whose the
    /// message is.
    #[must_use]
    pub fn is_about_sender(&self) -> bool {
        [&WARNINGS[..], &DOUBTS, &NOTES]
            .iter()
            .any(|kinds| self.is_of(kinds))
    }

    fn is_of(&self, kinds: &[Kind]) -> bool {
        self.known().is_some_and(|kind| kinds.contains(&kind))
    }
}

/// A known domain, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDomain {
    /// The domain.
    pub domain: String,
    /// `our own`, or the name of the account.
    pub whose: String,
}

/// A known person: one of ours, or a contact of the account that the message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPerson {
    /// Display name.
    pub name: String,
    /// Addresses in lookup form.
    pub addresses: Vec<String>,
    /// One of our own people.
    pub own: bool,
}

/// The sender's domain compared with known ones.
#[must_use]
pub fn look_alike_warning(from: &Address, known: &[KnownDomain]) -> Option<Evidence> {
    let domain = from.domain().as_str();
    let found = known.iter().find_map(|known| {
        let likeness = look_alike(domain, &known.domain)?;
        Some((known, likeness))
    });
    if let Some((known, likeness)) = found {
        let text = format!(
            "{} looks like {}, {}, and is another domain: {}",
            shown(domain),
            known.domain,
            clean_text(&known.whose),
            likeness.as_str()
        );
        return Some(Evidence::new(Kind::LookAlike, text));
    }
    is_mixed_script(domain).then(|| {
        let text = format!(
            "{} mixes letters of several alphabets, to look like another domain",
            shown(domain)
        );
        Evidence::new(Kind::LookAlike, text)
    })
}

/// What a message says against its own sender, whoever is known.
#[must_use]
pub fn of_message(view: &MessageView) -> Vec<Evidence> {
    let several = view.from.len().max(view.from_field_count);
    if several > 1 {
        let text = format!("the message has {several} From addresses: nobody can say whose it is");
        return vec![Evidence::new(Kind::SeveralFrom, text)];
    }
    let Some(named) = view.from.first() else {
        return Vec::new();
    };
    let domain = look_alike_warning(&named.address, &[]);
    let name = display_name_warning(named, &[]);
    domain.into_iter().chain(name).collect()
}

/// A domain as its owner wrote it and, where that differs, as people see it.
fn shown(domain: &str) -> String {
    let (unicode, _) = idna::domain_to_unicode(domain);
    match unicode == domain {
        true => domain.to_owned(),
        false => format!("{domain} (shown as {})", clean_text(&unicode)),
    }
}

/// The display name compared with the address: it holds another address, or the name of somebody
/// who has other addresses.
#[must_use]
pub fn display_name_warning(from: &NamedAddress, known: &[KnownPerson]) -> Option<Evidence> {
    let name = from.name.as_deref()?;
    let address = from.address.key();
    if let Some(other) = address_in(name).filter(|other| other.key() != address) {
        let text = format!("the display name says {other}, the message is from {address}");
        return Some(Evidence::new(Kind::DisplayName, text));
    }
    let said = fold(name);
    let is_meant = |person: &&KnownPerson| {
        let wanted = fold(&person.name);
        // One word is too little: many people are called so.
        wanted.contains(' ') && same_words(&said, &wanted)
    };
    let mut meant = known.iter().filter(is_meant).peekable();
    let person = *meant.peek()?;
    if meant.any(|person| person.addresses.contains(&address)) {
        return None;
    }
    let who = match person.own {
        true => "one of us",
        false => "a known contact",
    };
    let theirs = person.addresses.first().map_or("none", String::as_str);
    let text = format!(
        "the display name is that of {}, {who} ({theirs}), the message is from {address}",
        clean_text(&person.name)
    );
    Some(Evidence::new(Kind::DisplayName, text))
}

/// `Example, Ann` is `Ann Example`, and so is `Ann Example (Example Ltd)`.
fn same_words(said: &str, wanted: &str) -> bool {
    let said: Vec<&str> = said.split(' ').collect();
    wanted.split(' ').all(|word| said.contains(&word))
}

/// The first mail address in a display name.
fn address_in(name: &str) -> Option<Address> {
    let pieces = name.split(|c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c));
    pieces
        .filter(|piece| piece.contains('@'))
        .filter_map(|piece| Address::parse(piece).ok())
        .find(|address| address.domain().as_str().contains('.'))
}

/// What our own check of the signatures adds to the evidence, when the sender is not proven.
#[must_use]
pub fn signature_doubt(check: &DkimCheck) -> Option<Evidence> {
    let kind = match check.doubt? {
        DkimDoubt::OtherSigner => Kind::OtherSigner,
        DkimDoubt::Void => Kind::SignatureVoid,
    };
    Some(Evidence::new(kind, &check.detail))
}

/// The fields that claim authenticity and were not believed (`ids` wrote them).
#[must_use]
pub fn results_ignored(ids: &[String], authserv_ids: &[String]) -> Option<Evidence> {
    let names = ids.join(", ");
    match (ids.is_empty(), authserv_ids.is_empty()) {
        (true, _) => None,
        (false, false) => {
            let text = format!(
                "ignored: Authentication-Results of {names}, which is not `authserv_ids` ({})",
                authserv_ids.join(", ")
            );
            Some(Evidence::new(Kind::ResultsUntrusted, text))
        }
        (false, true) => {
            let text = format!(
                "ignored: Authentication-Results of {names}; if that is our own server, name it \
                 in `authserv_ids`"
            );
            Some(Evidence::new(Kind::ResultsIgnored, text))
        }
    }
}

#[cfg(test)]
mod tests;
