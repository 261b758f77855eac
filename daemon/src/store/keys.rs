//! Tuples as keys, so that the order of the bytes is the order of the parts.
//!
//! | part | bytes |
//! |---|---|
//! | `u8` `u16` `u32` `u64` | big-endian, fixed width |
//! | time | milliseconds as `u64`, 2^63 being 1970-01-01T00:00:00Z, big-endian |
//! | text, bytes | `00` becomes `00 FF`, ended by `00 00` |
//! | fixed bytes | as they are |
//!
//! There are no type tags: a family knows the parts of its keys. Newest first is a reverse scan.

use bytes::Bytes;
use liaison_core::time::Timestamp;

use super::{Key, Ns, Range};

/// Ends a text; sorts before every continuation of it.
const TEXT_END: [u8; 2] = [0x00, 0x00];
/// Stands for a zero byte within a text.
const ESCAPED_ZERO: [u8; 2] = [0x00, 0xFF];
/// Added (by flipping the top bit) so that instants before 1970 sort first.
const TIME_BIAS: u64 = 1 << 63;

/// A key under construction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tuple(Vec<u8>);

impl Tuple {
    /// The empty tuple.
    #[must_use]
    pub fn new() -> Tuple {
        Tuple::default()
    }

    /// Appends one byte.
    #[must_use]
    pub fn u8(self, value: u8) -> Tuple {
        self.fixed(&[value])
    }

    /// Appends two bytes.
    #[must_use]
    pub fn u16(self, value: u16) -> Tuple {
        self.fixed(&value.to_be_bytes())
    }

    /// Appends four bytes.
    #[must_use]
    pub fn u32(self, value: u32) -> Tuple {
        self.fixed(&value.to_be_bytes())
    }

    /// Appends eight bytes.
    #[must_use]
    pub fn u64(self, value: u64) -> Tuple {
        self.fixed(&value.to_be_bytes())
    }

    /// Appends an instant.
    #[must_use]
    pub fn time(self, instant: Timestamp) -> Tuple {
        self.u64(instant.0.cast_unsigned() ^ TIME_BIAS)
    }

    /// Appends a text.
    #[must_use]
    pub fn text(self, text: &str) -> Tuple {
        self.bytes(text.as_bytes())
    }

    /// Appends bytes of any length.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Tuple {
        for byte in bytes {
            match byte {
                0 => self.0.extend_from_slice(&ESCAPED_ZERO),
                other => self.0.push(*other),
            }
        }
        self.0.extend_from_slice(&TEXT_END);
        self
    }

    /// Appends bytes whose length the family fixes, such as a hash.
    #[must_use]
    pub fn fixed(mut self, bytes: &[u8]) -> Tuple {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The key in `ns`.
    #[must_use]
    pub fn key(self, ns: Ns) -> Key {
        Key::new(ns, self.0)
    }

    /// All keys of `ns` that begin with these parts.
    #[must_use]
    pub fn range(&self, ns: Ns) -> Range {
        Range::prefix(ns, &self.0)
    }

    /// Whether nothing was appended yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The encoded bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Tuple> for Bytes {
    fn from(tuple: Tuple) -> Bytes {
        Bytes::from(tuple.0)
    }
}

/// A key that is no tuple of the expected parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes end within a part.
    #[error("the key ends within a part")]
    Short,
    /// A zero byte is neither escaped nor the end of a text.
    #[error("the key has a zero byte that is neither escaped nor an end")]
    Escape,
    /// A text is not UTF-8.
    #[error("a text in the key is not UTF-8")]
    Utf8,
    /// Bytes are left after the last part.
    #[error("{0} bytes of the key are left over")]
    LeftOver(usize),
}

/// Takes a key apart, part by part in the order of its making.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Starts at the first part.
    #[must_use]
    pub fn new(key: &'a [u8]) -> Parts<'a> {
        Parts { rest: key }
    }

    /// Takes `N` bytes.
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], KeyError> {
        let (part, rest) = self.rest.split_first_chunk::<N>().ok_or(KeyError::Short)?;
        self.rest = rest;
        Ok(*part)
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn u8(&mut self) -> Result<u8, KeyError> {
        self.fixed().map(u8::from_be_bytes)
    }

    /// Takes two bytes.
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn u16(&mut self) -> Result<u16, KeyError> {
        self.fixed().map(u16::from_be_bytes)
    }

    /// Takes four bytes.
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn u32(&mut self) -> Result<u32, KeyError> {
        self.fixed().map(u32::from_be_bytes)
    }

    /// Takes eight bytes.
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn u64(&mut self) -> Result<u64, KeyError> {
        self.fixed().map(u64::from_be_bytes)
    }

    /// Takes an instant.
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn time(&mut self) -> Result<Timestamp, KeyError> {
        self.u64()
            .map(|raw| Timestamp((raw ^ TIME_BIAS).cast_signed()))
    }

    /// Takes a text.
    ///
    /// # Errors
    /// [`KeyError::Short`], [`KeyError::Escape`], [`KeyError::Utf8`].
    pub fn text(&mut self) -> Result<String, KeyError> {
        String::from_utf8(self.bytes()?).map_err(|_| KeyError::Utf8)
    }

    /// Takes bytes of any length.
    ///
    /// # Errors
    /// [`KeyError::Short`], [`KeyError::Escape`].
    pub fn bytes(&mut self) -> Result<Vec<u8>, KeyError> {
        let mut bytes = Vec::new();
        loop {
            match self.u8()? {
                0 => match self.u8()? {
                    0x00 => return Ok(bytes),
                    0xFF => bytes.push(0),
                    _ => return Err(KeyError::Escape),
                },
                byte => bytes.push(byte),
            }
        }
    }

    /// Asserts that no part is left.
    ///
    /// # Errors
    /// [`KeyError::LeftOver`].
    pub fn finish(self) -> Result<(), KeyError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(KeyError::LeftOver(left)),
        }
    }
}

/// The smallest key after all keys that begin with `prefix`; `None` when there is none (the
/// prefix is empty or all `FF`).
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests;
