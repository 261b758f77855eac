//! One person by their addresses, and where a text names them. Pure.

use std::collections::BTreeSet;
use std::ops::Range;

use liaison_core::mail::Address;

use super::ERASED;

/// All addresses of one person, without `+tag`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    addresses: BTreeSet<String>,
}

/// An address in lookup form without its `+tag`; `None` when it is none.
#[must_use]
pub fn bare(email: &str) -> Option<String> {
    let address = Address::parse(email).ok()?;
    Some(address.without_tag().unwrap_or(address).key())
}

impl Person {
    /// Somebody with these addresses; what is no address is left out.
    #[must_use]
    pub fn with(addresses: impl IntoIterator<Item = String>) -> Person {
        let bare = addresses.into_iter().filter_map(|email| bare(&email));
        Person {
            addresses: bare.collect(),
        }
    }

    /// Adds an address.
    pub fn add(&mut self, email: &str) {
        self.addresses.extend(bare(email));
    }

    /// All addresses, in lookup form without `+tag`.
    #[must_use]
    pub fn addresses(&self) -> &BTreeSet<String> {
        &self.addresses
    }

    /// Whether an address is this person's, whatever its case and `+tag`.
    #[must_use]
    pub fn has(&self, email: &str) -> bool {
        bare(email).is_some_and(|bare| self.addresses.contains(&bare))
    }

    /// Whether a text names one of the addresses, in any letter case, with or without a `+tag`.
    #[must_use]
    pub fn is_named_in(&self, text: &str) -> bool {
        !self.places(text.as_bytes()).is_empty()
    }

    /// The same for bytes.
    #[must_use]
    pub fn is_named_in_bytes(&self, bytes: &[u8]) -> bool {
        !self.places(bytes).is_empty()
    }

    /// Whether bytes that are no text may name an address: whatever stands before it.
    #[must_use]
    pub fn is_loosely_in(&self, bytes: &[u8]) -> bool {
        let lower = bytes.to_ascii_lowercase();
        let ats = (0..lower.len()).filter(|at| lower.get(*at) == Some(&b'@'));
        let mut named = ats.flat_map(|at| self.addresses.iter().map(move |one| (at, one)));
        named.any(|(at, one)| place(&lower, at, one, true).is_some())
    }

    /// Whether it is worth looking closer: one of the domains occurs.
    #[must_use]
    pub fn may_be_in(&self, bytes: &[u8]) -> bool {
        let ats = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'@');
        let mut rests = ats.filter_map(|(at, _)| bytes.get(at.saturating_add(1)..));
        rests.any(|rest| {
            self.addresses.iter().any(|one| {
                let domain = one.rsplit_once('@').map_or("", |(_, domain)| domain);
                let there = rest.get(..domain.len());
                there.is_some_and(|there| there.eq_ignore_ascii_case(domain.as_bytes()))
            })
        })
    }

    /// The text without the addresses; `None` when it names none.
    #[must_use]
    pub fn taken_from(&self, text: &str) -> Option<String> {
        let places = self.places(text.as_bytes());
        if places.is_empty() {
            return None;
        }
        let (mut out, mut from) = (String::new(), 0);
        for place in places {
            out.push_str(text.get(from..place.start).unwrap_or_default());
            out.push_str(ERASED);
            from = place.end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        Some(out)
    }

    fn places(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        if !self.may_be_in(bytes) {
            return Vec::new();
        }
        let lower = bytes.to_ascii_lowercase();
        let mut places: Vec<Range<usize>> = Vec::new();
        for at in (0..lower.len()).filter(|at| lower.get(*at) == Some(&b'@')) {
            let found = self
                .addresses
                .iter()
                .find_map(|one| place(&lower, at, one, false));
            if let Some(found) =
                found.filter(|found| places.last().is_none_or(|last| last.end <= found.start))
            {
                places.push(found);
            }
        }
        places
    }
}

/// The span of `address`, possibly with a tag, around the `@` at `at` of a lower-case text; `loose`:
/// what stands before it does not count.
fn place(lower: &[u8], at: usize, address: &str, loose: bool) -> Option<Range<usize>> {
    let (local, domain) = address.rsplit_once('@')?;
    let (local, domain) = (local.as_bytes(), domain.as_bytes());
    let after = lower.get(at.saturating_add(1)..)?;
    let rest = after.strip_prefix(domain)?;
    let goes_on = match rest {
        [b'.', next, ..] => next.is_ascii_alphanumeric(),
        [next, ..] => next.is_ascii_alphanumeric() || *next == b'-',
        [] => false,
    };
    if goes_on {
        return None;
    }
    let end = at.saturating_add(1).saturating_add(domain.len());
    // The local part may be followed by a tag; what stands before it must not belong to it.
    let before = lower.get(..at)?;
    let run = before
        .iter()
        .rev()
        .take_while(|byte| is_local(**byte))
        .count();
    let first = at.saturating_sub(run);
    (first..at).rev().find_map(|start| {
        let rest = before.get(start..)?.strip_prefix(local)?;
        let whole = rest.is_empty() || rest.starts_with(b"+");
        let previous = start.checked_sub(1).and_then(|index| lower.get(index));
        let begins = loose || start == first || previous.is_none_or(|byte| !is_word(*byte));
        (whole && begins).then_some(start..end)
    })
}

/// Whether a byte can stand in a local part that is not quoted (RFC 5321 `Dot-string`, RFC 6531).
fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte) || byte >= 0x80
}

/// Whether a byte makes a longer local part of what follows it, as people write addresses.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-_.".contains(&byte) || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_found_however_the_address_is_written_and_nobody_else_is() {
        let bob = Person::with(["Bob@Example.com".to_owned(), "b.o@example.org".to_owned()]);
        let named = [
            ("bob@example.com", "(erased)"),
            ("<BOB@EXAMPLE.COM>", "<(erased)>"),
            (
                "to bob+news@example.com, or b.o@example.org.",
                "to (erased), or (erased).",
            ),
            (
                "mailto:bob@example.com?subject=x",
                "mailto:(erased)?subject=x",
            ),
            ("x='bob@example.com'", "x='(erased)'"),
            ("a@example.com bob@example.com", "a@example.com (erased)"),
        ];
        for (text, without) in named {
            assert_eq!(bob.taken_from(text).as_deref(), Some(without), "{text}");
            assert!(bob.is_named_in_bytes(text.as_bytes()));
        }
        for text in [
            "rebob@example.com",
            "re.bob@example.com",
            "ann+bob@example.com",
            "bobby@example.com",
            "bob@example.com.au",
            "bob@example.community",
            "bob@sub.example.com",
            "bob@",
            "bob at example.com",
        ] {
            assert_eq!(bob.taken_from(text), None, "{text}");
        }
        assert!(bob.has("bob+x@EXAMPLE.com") && !bob.has("ann@example.com"));
    }
}
