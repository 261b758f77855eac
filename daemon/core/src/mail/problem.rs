//! Limits of reading, and what was wrong with a message.

use serde::{Deserialize, Serialize};

/// Up to where a message is read. Whatever lies behind a limit is a listed problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseLimits {
    /// Bytes of a message; larger ones are read by their header alone.
    pub max_message_bytes: usize,
    /// MIME parts.
    pub max_parts: usize,
    /// Fields of one header section.
    pub max_headers: usize,
    /// Bytes of one field.
    pub max_field_bytes: usize,
    /// Bytes of decoded text.
    pub max_text_bytes: usize,
}

impl ParseLimits {
    /// Servers refuse more than 25 to 50 MiB.
    pub const MAX_MESSAGE_BYTES: usize = 50 * 1024 * 1024;
    /// Real mail stays below a hundred.
    pub const MAX_PARTS: usize = 1_000;
    /// Real mail stays below two hundred.
    pub const MAX_HEADERS: usize = 10_000;
    /// Longer than any list of recipients that a person typed.
    pub const MAX_FIELD_BYTES: usize = 64 * 1024;
    /// A thick book has a fifth of it.
    pub const MAX_TEXT_BYTES: usize = 5 * 1024 * 1024;
}

impl Default for ParseLimits {
    fn default() -> Self {
        ParseLimits {
            max_message_bytes: Self::MAX_MESSAGE_BYTES,
            max_parts: Self::MAX_PARTS,
            max_headers: Self::MAX_HEADERS,
            max_field_bytes: Self::MAX_FIELD_BYTES,
            max_text_bytes: Self::MAX_TEXT_BYTES,
        }
    }
}

/// What kind of thing was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "each name is the sentence; the detail says the rest"
)]
pub enum ProblemKind {
    Empty,
    BlankLineFirst,
    MboxLine,
    NoHeader,
    BadHeaderLine,
    NoBlankLine,
    TooManyHeaders,
    FieldTooLong,
    RawEightBit,
    NulBytes,
    NoFrom,
    SeveralFrom,
    DuplicateField,
    BadAddress,
    TooManyAddresses,
    NoMessageId,
    NoDate,
    BadDate,
    BadContentType,
    BadTransferEncoding,
    NoBoundary,
    UnclosedMultipart,
    TooManyParts,
    TooDeep,
    MessageTooLarge,
    TextTooLong,
    Charset,
    Encrypted,
    Tnef,
    ByteOrderMark,
    BareCarriageReturn,
}

/// One thing that was wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// One sentence, fit for a person.
    pub detail: String,
}

impl Problem {
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Problem {
        Problem {
            kind,
            detail: detail.into(),
        }
    }
}
