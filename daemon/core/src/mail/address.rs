//! Addresses and domains: validated once at the border, safe to put into a header afterwards.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Octets of a local part; RFC 5321 says 64, VERP senders really use more.
const MAX_LOCAL_BYTES: usize = 256;
/// Octets of a domain (RFC 1035 2.3.4).
const MAX_DOMAIN_BYTES: usize = 253;
/// Octets of a label (RFC 1035 2.3.4).
const MAX_LABEL_BYTES: usize = 63;
/// Characters kept of a display name; longer ones are attacks or accidents.
const MAX_NAME_CHARS: usize = 256;

/// A text that is no mail address, or no domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@`, or nothing on one of its sides.
    #[error("`{0}` is no mail address: write it like alice@example.com")]
    Shape(String),
    /// The local part holds something that is not allowed unquoted, or is too long.
    #[error("the part before the @ of `{0}` holds characters that no mailbox name may hold")]
    Local(String),
    /// The domain cannot be written as A-labels.
    #[error("`{0}` is no domain name: check its spelling")]
    Domain(String),
}

/// A domain name in lower-case A-labels (`xn--...`), or an address literal like `[192.0.2.1]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

impl Domain {
    /// Reads a domain; U-labels become A-labels, a final dot is dropped.
    ///
    /// # Errors
    /// [`AddressError::Domain`] when a label is empty, too long or holds other characters.
    pub fn parse(text: &str) -> Result<Domain, AddressError> {
        let refused = || AddressError::Domain(clean_text(text));
        let text = text.trim();
        if let Some(literal) = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            let plain = literal
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".:-".contains(c));
            return match plain && !literal.is_empty() && literal.len() <= MAX_DOMAIN_BYTES {
                true => Ok(Domain(text.to_ascii_lowercase())),
                false => Err(refused()),
            };
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() || text.len() > MAX_DOMAIN_BYTES {
            return Err(refused());
        }
        let ascii = idna::domain_to_ascii(text).map_err(|_| refused())?;
        let well_formed = ascii.len() <= MAX_DOMAIN_BYTES
            && ascii.split('.').all(|label| {
                (1..=MAX_LABEL_BYTES).contains(&label.len())
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            });
        if well_formed {
            Ok(Domain(ascii))
        } else {
            Err(refused())
        }
    }

    /// The domain as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `self` is `other` or lies below it: `mail.example.com` lies below `example.com`.
    #[must_use]
    pub fn is_within(&self, other: &Domain) -> bool {
        self == other
            || self
                .0
                .strip_suffix(other.as_str())
                .is_some_and(|head| head.ends_with('.'))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mail address `local@domain`, without display name.
///
/// Guarantees: no white space, control character or line break outside a quoted local part, and
/// none of the latter two inside; the domain is in lower-case A-labels. The local part keeps its
/// case; compare with [`Address::key`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: String,
    domain: Domain,
}

impl Address {
    /// Reads one address; surrounding white space, angle brackets and `mailto:` are tolerated.
    ///
    /// # Errors
    /// [`AddressError`] naming the part that cannot be an address.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let shape = || AddressError::Shape(clean_text(text));
        let mut bare = text.trim();
        bare = bare
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'))
            .unwrap_or(bare);
        if let Some((scheme, rest)) = bare.split_once(':')
            && scheme.eq_ignore_ascii_case("mailto")
        {
            bare = rest;
        }
        let (local, domain) = bare.rsplit_once('@').ok_or_else(shape)?;
        let local = local.trim();
        if local.is_empty() || domain.trim().is_empty() {
            return Err(shape());
        }
        let local = parse_local(local).ok_or_else(|| AddressError::Local(clean_text(text)))?;
        Ok(Address {
            local,
            domain: Domain::parse(domain)?,
        })
    }

    /// The part before the `@`, case kept.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// What addresses are compared and looked up by: all lower case.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}@{}", self.local.to_lowercase(), self.domain)
    }

    /// The address without `+tag`, or `None` when it has no tag.
    #[must_use]
    pub fn without_tag(&self) -> Option<Address> {
        let (base, _) = self.local.split_once('+')?;
        if base.is_empty() || base.starts_with('"') {
            return None;
        }
        Some(Address {
            local: base.to_owned(),
            domain: self.domain.clone(),
        })
    }

    /// Whether no person reads what is sent there: noreply, postmaster, mailer-daemon, bounces.
    #[must_use]
    pub fn is_no_reply_like(&self) -> bool {
        let local = self.local.to_lowercase();
        let squeezed: String = local.chars().filter(|c| c.is_alphanumeric()).collect();
        let first = local
            .split(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap_or_default();
        NO_REPLY_ANYWHERE.iter().any(|word| squeezed.contains(word))
            || NO_REPLY_FIRST.contains(&first)
    }
}

/// Found anywhere in the local part once punctuation is gone.
const NO_REPLY_ANYWHERE: &[&str] = &[
    "noreply",
    "donotreply",
    "dontreply",
    "noresponse",
    "noresponder",
    "naoresponda",
    "nepasrepondre",
    "nonrispondere",
    "nichtantworten",
    "keineantwort",
    "mailerdaemon",
    "maildaemon",
    "svarainte",
    "svarikke",
    "ikkesvar",
    "alavastaa",
    "neodpovidat",
    "neodpovidejte",
    "nieodpowiadaj",
    "nieodpowiadac",
    "nevalaszolj",
    "nuraspunde",
    "cevaplamayin",
    "nietbeantwoorden",
    "norispondere",
];

/// Only as the first word: `bounce-77`, but not `bouncer`.
const NO_REPLY_FIRST: &[&str] = &[
    "bounce",
    "bounces",
    "postmaster",
    "nobody",
    "autoreply",
    "autoresponder",
    "autoresponse",
    "automailer",
    "notification",
    "notifications",
];

fn parse_local(local: &str) -> Option<String> {
    if local.len() > MAX_LOCAL_BYTES || local.chars().any(is_unsafe) {
        return None;
    }
    let atom = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| !c.is_whitespace() && !"()<>[]:;@\\,\"".contains(c))
    };
    if let Some(inner) = local
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        if atom(inner) {
            return Some(inner.to_owned());
        }
        let mut escaped = false;
        for c in inner.chars() {
            escaped = match (escaped, c) {
                (false, '\\') => true,
                (false, '"') => return None,
                _ => false,
            };
        }
        return (!escaped && !inner.is_empty()).then(|| local.to_owned());
    }
    atom(local).then(|| local.to_owned())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

macro_rules! text_form {
    ($($name:ident),*) => {$(
        impl FromStr for $name {
            type Err = AddressError;

            fn from_str(text: &str) -> Result<$name, AddressError> {
                $name::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let text = String::deserialize(deserializer)?;
                $name::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

text_form!(Address, Domain);

/// An address with its display name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NamedAddress {
    /// Display name, cleaned by [`clean_text`]; `None` when absent or empty.
    pub name: Option<String>,
    /// The address.
    pub address: Address,
}

impl NamedAddress {
    /// Cleans `name` and joins it with `address`.
    #[must_use]
    pub fn new(name: Option<&str>, address: Address) -> NamedAddress {
        let name = name
            .map(clean_text)
            .map(|name| name.chars().take(MAX_NAME_CHARS).collect());
        NamedAddress {
            name: name.filter(|name: &String| !name.is_empty()),
            address,
        }
    }
}

/// Makes text from outside safe for a header, a terminal or a log line.
///
/// Line breaks and tabs become one space; other C0/C1 controls, bidirectional overrides and
/// invisible separators go; runs of spaces shrink to one; the ends are trimmed.
#[must_use]
pub fn clean_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else if !is_unsafe(c) {
            out.push(c);
        }
    }
    let end = out.trim_end().len();
    out.truncate(end);
    match out.strip_prefix(' ') {
        Some(rest) => rest.to_owned(),
        None => out,
    }
}

/// Controls, bidirectional overrides, and marks that are never seen.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

#[cfg(test)]
mod tests;
