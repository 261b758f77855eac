//! One group of commits as bytes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{FRAME_BYTES_MAX, JournalError};
use crate::store::planted::{self, Bug};

/// Begins every frame; zeros in its place end the segment.
pub(super) const MAGIC: [u8; 4] = *b"LjF1";
/// Magic, length, number and checksum.
pub(super) const FRAME_HEADER_BYTES: usize = 20;
/// Frames begin at multiples of this, which makes searching for one after damage quick.
pub(super) const ALIGN: usize = 8;

/// What one group of commits changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group<'a> {
    /// When it was written, milliseconds since 1970.
    pub at_ms: i64,
    /// The rows of each commit, in order.
    #[serde(borrow)]
    pub changes: Vec<Change<'a>>,
    /// What the families that changed are now; of all families in the first frame of a segment.
    pub families: Vec<Family>,
}

/// What one commit changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change<'a> {
    /// Its id, which is the version of the rows it wrote.
    pub commit: u64,
    /// Family, key and value of the rows written.
    #[serde(borrow)]
    pub puts: Vec<(u8, Raw<'a>, Raw<'a>)>,
    /// Family and key of the rows removed.
    pub dels: Vec<(u8, Raw<'a>)>,
}

/// Rows of a family and their sum; see [`crate::store::sums`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// Number of the family.
    pub ns: u8,
    /// How many rows.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Sum of their hashes.
    pub sum: u128,
}

/// Bytes that are written and read as a whole, not one at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw<'a>(pub Cow<'a, [u8]>);

impl<'a> From<&'a [u8]> for Raw<'a> {
    fn from(bytes: &'a [u8]) -> Raw<'a> {
        Raw(Cow::Borrowed(bytes))
    }
}

impl Serialize for Raw<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Raw<'a>, D::Error> {
        <&'de [u8]>::deserialize(deserializer).map(|bytes| Raw(Cow::Borrowed(bytes)))
    }
}

/// What is wrong with the bytes at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Zeros: here the segment ends.
    #[error("the segment ends")]
    End,
    /// The header of the segment makes no sense; frames in it may be good.
    #[error("the header of the segment makes no sense")]
    Header,
    /// Neither zeros nor the beginning of a frame.
    #[error("no frame begins here")]
    Magic,
    /// Longer than a frame can be, or than what is left of the segment.
    #[error("a frame of {0} bytes does not fit")]
    Length(u32),
    /// The checksum does not fit.
    #[error("the checksum of the frame is wrong")]
    Checksum,
    /// The checksum fits and the payload makes no sense.
    #[error("the payload of the frame makes no sense")]
    Payload,
}

/// A frame as it stands in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) number: u64,
    pub(super) payload: &'a [u8],
    /// Bytes to the next one.
    pub(super) length: usize,
}

pub(super) fn encode(number: u64, group: &Group<'_>) -> Result<Vec<u8>, JournalError> {
    let head = vec![0; FRAME_HEADER_BYTES];
    // A vector takes everything: the only way to fail is a type that postcard cannot write.
    let mut bytes = postcard::to_extend(group, head).unwrap_or_default();
    let payload = bytes.len().saturating_sub(FRAME_HEADER_BYTES);
    let too_large = JournalError::TooLarge { bytes: payload };
    if payload == 0 || payload > FRAME_BYTES_MAX {
        return Err(too_large);
    }
    let Ok(length) = u32::try_from(payload) else {
        return Err(too_large);
    };
    if let Some((head, _)) = bytes.split_first_chunk_mut::<16>() {
        let fields = [
            &MAGIC[..],
            &length.to_be_bytes()[..],
            &number.to_be_bytes()[..],
        ];
        for (to, from) in head.iter_mut().zip(fields.concat()) {
            *to = from;
        }
    }
    let checksum = checksum(&bytes).to_be_bytes();
    for (to, from) in bytes.iter_mut().skip(16).zip(checksum) {
        *to = from;
    }
    let padded = bytes.len().next_multiple_of(ALIGN);
    bytes.resize(padded, 0);
    Ok(bytes)
}

/// Over everything but itself and the padding.
fn checksum(frame: &[u8]) -> u32 {
    let (head, rest) = frame.split_at(frame.len().min(16));
    let payload = rest.get(4..).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(head), payload)
}

/// The frame at the beginning of `bytes`, which go on to the end of the segment.
pub(super) fn decode(bytes: &[u8]) -> Result<Frame<'_>, FrameError> {
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() else {
        return Err(ended(bytes));
    };
    if head.iter().all(|byte| *byte == 0) {
        return Err(FrameError::End);
    }
    let ([m0, m1, m2, m3, l0, l1, l2, l3], tail) = split(head);
    if [m0, m1, m2, m3] != MAGIC {
        return Err(FrameError::Magic);
    }
    let length = u32::from_be_bytes([l0, l1, l2, l3]);
    let payload_bytes = length as usize;
    if payload_bytes > FRAME_BYTES_MAX {
        return Err(FrameError::Length(length));
    }
    let Some(payload) = rest.get(..payload_bytes) else {
        return Err(FrameError::Length(length));
    };
    let whole = bytes
        .get(..FRAME_HEADER_BYTES.saturating_add(payload_bytes))
        .unwrap_or_default();
    let (number, stored) = tail;
    if checksum(whole) != stored && !planted::is(Bug::SkipChecks) {
        return Err(FrameError::Checksum);
    }
    Ok(Frame {
        number,
        payload,
        length: whole.len().next_multiple_of(ALIGN),
    })
}

fn ended(rest: &[u8]) -> FrameError {
    if rest.iter().all(|byte| *byte == 0) {
        FrameError::End
    } else {
        FrameError::Magic
    }
}

/// Magic and length; number and checksum.
fn split(head: &[u8; FRAME_HEADER_BYTES]) -> ([u8; 8], (u64, u32)) {
    let mut first = [0; 8];
    let mut number = [0; 8];
    let mut checksum = [0; 4];
    let fields = first.iter_mut().chain(&mut number).chain(&mut checksum);
    for (to, from) in fields.zip(head) {
        *to = *from;
    }
    (
        first,
        (u64::from_be_bytes(number), u32::from_be_bytes(checksum)),
    )
}

pub(super) fn group(payload: &[u8]) -> Result<Group<'_>, FrameError> {
    match postcard::take_from_bytes(payload) {
        Ok((group, [])) => Ok(group),
        _ => Err(FrameError::Payload),
    }
}
