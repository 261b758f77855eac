//! The words of a text, ordered for looking phrases up.

use std::borrow::Cow;

use super::{LOOKED_AT_BYTES_MAX, cut};

/// The words of a text, for looking up phrases.
///
/// Made once and asked hundreds of times per message, and guests pay for every instruction: a
/// phrase allocates nothing, and most phrases are known not to occur by their first letters.
#[derive(Debug, Clone)]
pub struct Words {
    /// All words in lower case, one behind the other.
    letters: String,
    /// Where each word ends in `letters`.
    ends: Vec<usize>,
    /// The words by their first letters, each with its number.
    order: Vec<(Head, usize)>,
    begun: Begun,
}

/// The first 8 bytes of a word, filled up with zeros: in the order of the words.
type Head = u64;

const HEAD_BYTES: usize = 8;

/// Which beginnings of three letters occur, some of them under one bit.
#[derive(Debug, Clone)]
struct Begun([u64; 64]);

impl Begun {
    fn bit([a, b, c]: [u8; 3]) -> (usize, u64) {
        let letter = |byte: u8| usize::from(byte & 31);
        let hash = (letter(a) * 31 + letter(b)) * 31 + letter(c);
        (hash / 64 % 64, 1 << (hash % 64))
    }

    fn add(&mut self, word: &str) {
        let mut bytes = word.bytes();
        let mut next = || bytes.next().unwrap_or(0);
        let (place, bit) = Begun::bit([next(), next(), next()]);
        if let Some(bits) = self.0.get_mut(place) {
            *bits |= bit;
        }
    }

    /// Whether a word may begin as the phrase does: `true` where these letters cannot tell.
    fn may_have(&self, phrase: &str) -> bool {
        let mut letters = [0; 3];
        for (letter, byte) in letters.iter_mut().zip(phrase.bytes()) {
            match byte {
                // Upper and lower case share their last 5 bits.
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => *letter = byte,
                b' ' | b'-' => break,
                _ => return true,
            }
        }
        let (place, bit) = Begun::bit(letters);
        letters == [0; 3] || self.0.get(place).is_some_and(|bits| bits & bit != 0)
    }
}

impl Words {
    /// Splits a text at everything that is no letter or digit; case is dropped.
    #[must_use]
    pub fn of(text: &str) -> Words {
        let text = cut(text, LOOKED_AT_BYTES_MAX);
        let mut words = Words {
            letters: String::with_capacity(text.len()),
            ends: Vec::with_capacity(text.len() / 4),
            order: Vec::new(),
            begun: Begun([0; 64]),
        };
        for c in text.chars() {
            if c.is_ascii_alphanumeric() {
                words.letters.push(c.to_ascii_lowercase());
            } else if !c.is_ascii() && c.is_alphanumeric() {
                words.letters.extend(c.to_lowercase());
            } else {
                words.end();
            }
        }
        words.end();
        let (mut order, mut begun) = (Vec::with_capacity(words.len()), Begun([0; 64]));
        for (n, word) in words.iter().enumerate() {
            order.push((head(word), n));
            begun.add(word);
        }
        order.sort_unstable();
        Words {
            order,
            begun,
            ..words
        }
    }

    fn end(&mut self) {
        if self.letters.len() > self.ends.last().copied().unwrap_or(0) {
            self.ends.push(self.letters.len());
        }
    }

    /// Whether the phrase occurs. A word ending in `*` stands for all words that begin with it.
    #[must_use]
    pub fn has(&self, phrase: &str) -> bool {
        if !self.begun.may_have(phrase) {
            return false;
        }
        let mut pieces = pieces(phrase);
        let Some((first, open)) = pieces.next() else {
            return false;
        };
        self.places(&folded(first), open).any(|place| {
            pieces.clone().enumerate().all(|(n, (piece, open))| {
                let at = place + 1 + n;
                at < self.len() && fits(self.word(at), &folded(piece), open)
            })
        })
    }

    /// The first phrase of a list that occurs.
    #[must_use]
    pub fn find<'p>(&self, phrases: &[&'p str]) -> Option<&'p str> {
        phrases.iter().copied().find(|phrase| self.has(phrase))
    }

    /// All phrases of a list that occur.
    #[must_use]
    pub fn find_all<'p>(&self, phrases: &[&'p str]) -> Vec<&'p str> {
        phrases
            .iter()
            .copied()
            .filter(|phrase| self.has(phrase))
            .collect()
    }

    /// Number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no word at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How often a word in lower case occurs.
    pub(super) fn count(&self, word: &str) -> usize {
        self.places(word, false).count()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|n| self.word(n))
    }

    fn word(&self, n: usize) -> &str {
        let begin = n.checked_sub(1).and_then(|before| self.ends.get(before));
        let begin = begin.copied().unwrap_or(0);
        let end = self.ends.get(n).copied().unwrap_or(begin);
        self.letters.get(begin..end).unwrap_or_default()
    }

    /// Where the word stands, or where words that begin with it stand.
    fn places(&self, word: &str, open: bool) -> impl Iterator<Item = usize> {
        let least = head(word);
        let filler = match open {
            true => Head::MAX
                .checked_shr(
                    word.len()
                        .try_into()
                        .map_or(64, |bytes: u32| bytes.saturating_mul(8)),
                )
                .unwrap_or(0),
            false => 0,
        };
        let begin = self.order.partition_point(|(head, _)| *head < least);
        let from_here = self.order.get(begin..).unwrap_or_default();
        let alike = from_here
            .iter()
            .take_while(move |(head, _)| *head <= least | filler);
        let places = alike.map(|(_, place)| *place);
        places.filter(move |place| fits(self.word(*place), word, open))
    }
}

fn head(word: &str) -> Head {
    let bytes = word.bytes().chain(std::iter::repeat(0));
    bytes
        .take(HEAD_BYTES)
        .fold(0, |head, byte| (head << 8) | Head::from(byte))
}

/// The words of a phrase; those with `true` stand for all words that begin with them.
fn pieces(phrase: &str) -> impl Iterator<Item = (&str, bool)> + Clone {
    phrase.split_whitespace().flat_map(|part| {
        let (part, open) = match part.strip_suffix('*') {
            Some(part) => (part, true),
            None => (part, false),
        };
        let words = part.split(|c: char| !c.is_alphanumeric());
        let mut words = words.filter(|word| !word.is_empty()).peekable();
        std::iter::from_fn(move || {
            let word = words.next()?;
            Some((word, open && words.peek().is_none()))
        })
    })
}

/// In lower case, letter by letter as in [`Words::of`].
fn folded(word: &str) -> Cow<'_, str> {
    match word.chars().any(char::is_uppercase) {
        true => Cow::Owned(word.chars().flat_map(char::to_lowercase).collect()),
        false => Cow::Borrowed(word),
    }
}

fn fits(word: &str, pattern: &str, open: bool) -> bool {
    if open {
        word.starts_with(pattern)
    } else {
        word == pattern
    }
}
