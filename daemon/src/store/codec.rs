//! Records as values: a versioned envelope around postcard.
//!
//! ```text
//! magic 0x4C | type u8 | version u16 | flags u8 | payload (postcard) | CRC32C u32
//! ```
//!
//! Numbers are big-endian; the checksum covers everything before it. No flag is defined yet, and a
//! record with one is taken for newer than this program.
//!
//! postcard does not describe itself: a record must not use serde features that need a format
//! which does (`untagged`, `flatten`, `skip_serializing_if`, `deserialize_any`). A changed struct
//! is a new [`Record::VERSION`]; [`Record::upgrade`] reads the older ones.

use serde::Serialize;
use serde::de::DeserializeOwned;

const MAGIC: u8 = 0x4C;
const FLAGS_NONE: u8 = 0;
const CHECKSUM_BYTES: usize = 4;

/// A type that is stored, in its latest version.
pub trait Record: Serialize + DeserializeOwned {
    /// Number of the type, unique in this program and never reused.
    const TYPE: u8;
    /// Number of this shape of it, from 1.
    const VERSION: u16;

    /// Reads the payload of an older version; `None` when there is no such version.
    ///
    /// Each older shape is a frozen struct of its own, converted with `From`.
    fn upgrade(version: u16, payload: &[u8]) -> Option<Result<Self, postcard::Error>> {
        let _ = (version, payload);
        None
    }
}

/// Why bytes are no record. Say the key beside it: the codec does not know it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The envelope is cut short or has another magic.
    #[error("{bytes} bytes that are no record of Liaison")]
    NoEnvelope {
        /// How many there are.
        bytes: usize,
    },
    /// The bytes changed since they were written.
    #[error("the record is damaged (its checksum does not fit)")]
    Checksum,
    /// Another type of record lies here.
    #[error("a record of type {found} where type {wanted} belongs")]
    Type {
        /// The type in the envelope.
        found: u8,
        /// The type asked for.
        wanted: u8,
    },
    /// A later release wrote it; it is kept as it is.
    #[error(
        "the record (type {kind}, version {version}) was written by a newer liaison: \
         start that release or a later one"
    )]
    Newer {
        /// Type of the record.
        kind: u8,
        /// Its version; this program knows an earlier one.
        version: u16,
    },
    /// No reader for this old version exists.
    #[error("no reader for version {version} of records of type {kind}")]
    Unknown {
        /// Type of the record.
        kind: u8,
        /// Its version.
        version: u16,
    },
    /// The payload does not fit the type.
    #[error("the payload of a record of type {kind}, version {version} could not be read")]
    Payload {
        /// Type of the record.
        kind: u8,
        /// Its version.
        version: u16,
        /// What postcard said.
        #[source]
        source: postcard::Error,
    },
}

/// Writes `record` in its latest version.
///
/// # Errors
/// [`CodecError::Payload`] when the type uses what postcard cannot write.
pub fn encode<T: Record>(record: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = vec![MAGIC, T::TYPE];
    bytes.extend_from_slice(&T::VERSION.to_be_bytes());
    bytes.push(FLAGS_NONE);
    let bytes = postcard::to_extend(record, bytes).map_err(|source| CodecError::Payload {
        kind: T::TYPE,
        version: T::VERSION,
        source,
    })?;
    let checksum = crc32c::crc32c(&bytes);
    Ok([bytes.as_slice(), &checksum.to_be_bytes()].concat())
}

/// Reads a record of this or an earlier version.
///
/// # Errors
/// All of [`CodecError`]; on [`CodecError::Newer`] the row must not be overwritten.
pub fn decode<T: Record>(bytes: &[u8]) -> Result<T, CodecError> {
    let envelope = open(bytes)?;
    let Envelope {
        kind,
        version,
        flags,
        payload,
    } = envelope;
    if kind != T::TYPE {
        return Err(CodecError::Type {
            found: kind,
            wanted: T::TYPE,
        });
    }
    if version > T::VERSION || flags != FLAGS_NONE {
        return Err(CodecError::Newer { kind, version });
    }
    let read = if version == T::VERSION {
        take_all(payload)
    } else {
        T::upgrade(version, payload).ok_or(CodecError::Unknown { kind, version })?
    };
    read.map_err(|source| CodecError::Payload {
        kind,
        version,
        source,
    })
}

/// An envelope whose checksum fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Type of the record.
    pub kind: u8,
    /// Its version.
    pub version: u16,
    /// None is defined.
    pub flags: u8,
    /// The record itself.
    pub payload: &'a [u8],
}

/// Checks and takes apart an envelope without knowing the type.
///
/// # Errors
/// [`CodecError::NoEnvelope`], [`CodecError::Checksum`].
pub fn open(bytes: &[u8]) -> Result<Envelope<'_>, CodecError> {
    let no_envelope = CodecError::NoEnvelope { bytes: bytes.len() };
    let Some((covered, checksum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(no_envelope);
    };
    let Some(([MAGIC, kind, high, low, flags], payload)) = covered.split_first_chunk::<5>() else {
        return Err(no_envelope);
    };
    if crc32c::crc32c(covered) != u32::from_be_bytes(*checksum) {
        return Err(CodecError::Checksum);
    }
    let version = u16::from_be_bytes([*high, *low]);
    Ok(Envelope {
        kind: *kind,
        version,
        flags: *flags,
        payload,
    })
}

/// Reads one value that is all of `payload`: what is left over means another shape wrote it.
///
/// # Errors
/// As postcard.
pub fn take_all<T: DeserializeOwned>(payload: &[u8]) -> Result<T, postcard::Error> {
    match postcard::take_from_bytes(payload)? {
        (value, []) => Ok(value),
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}

#[cfg(test)]
mod tests;
