//! Every type of record that is stored: its number, its version, and how to read any of its
//! versions without knowing the type.

use serde_json::Value;

use crate::store::Ns;
use crate::store::codec::{self, CodecError, Record};

/// One type of record.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its number in the envelope.
    pub number: u8,
    /// The version that this program writes.
    pub version: u16,
    /// Name of the type, for people.
    pub name: &'static str,
    renew: fn(&[u8]) -> Result<Vec<u8>, CodecError>,
    json: fn(&[u8]) -> Result<Value, CodecError>,
    written: fn(Value) -> Option<Vec<u8>>,
}

impl Kind {
    /// The entry of `T`.
    #[must_use]
    pub const fn of<T: Record>(name: &'static str) -> Kind {
        Kind {
            number: T::TYPE,
            version: T::VERSION,
            name,
            renew: renew::<T>,
            json: json::<T>,
            written: written::<T>,
        }
    }
}

fn renew<T: Record>(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    codec::encode(&codec::decode::<T>(bytes)?)
}

fn json<T: Record>(bytes: &[u8]) -> Result<Value, CodecError> {
    let record = codec::decode::<T>(bytes)?;
    // A record is written by derived code only, which has nothing that JSON lacks.
    Ok(serde_json::to_value(&record).unwrap_or(Value::Null))
}

fn written<T: Record>(value: Value) -> Option<Vec<u8>> {
    codec::encode(&serde_json::from_value::<T>(value).ok()?).ok()
}

/// Implements [`Record`] and lists the types.
///
/// `11 ThreadRecord = 2 from { 1 => frozen::ThreadRecordV1 };`: rows of version 1 are read as the
/// frozen struct and converted with `From`.
macro_rules! records {
    ($($number:literal $row:ident = $version:literal
       $(from { $($old:literal => $frozen:ty),+ $(,)? })?;)*) => {
        $(
            impl $crate::store::codec::Record for $row {
                const TYPE: u8 = $number;
                const VERSION: u16 = $version;

                $(fn upgrade(version: u16, payload: &[u8]) -> Option<Result<Self, postcard::Error>> {
                    match version {
                        $($old => Some(
                            $crate::store::codec::take_all::<$frozen>(payload).map(Self::from),
                        ),)+
                        _ => None,
                    }
                })?
            }
        )*

        /// All of them, by number.
        pub const KINDS: &[$crate::books::registry::Kind] =
            &[$($crate::books::registry::Kind::of::<$row>(stringify!($row)),)*];
    };
}
pub(crate) use records;

/// Whether the rows of a family are records, as far as they have an envelope. The others are empty,
/// a number, or what a plugin keeps.
#[must_use]
pub fn has_records(ns: Ns) -> bool {
    !matches!(
        ns,
        Ns::Meta
            | Ns::AccountContact
            | Ns::Skeleton
            | Ns::Locator
            | Ns::Msgid
            | Ns::ThreadMember
            | Ns::ThreadHint
            | Ns::ThreadParty
            | Ns::EventSeen
            | Ns::PluginKv
            | Ns::TimerDue
            | Ns::MeetingDue
            | Ns::EffectDue
            | Ns::EffectByMessage
            | Ns::HoldByGroup
            | Ns::CaseByKind
            | Ns::CaseBy
            | Ns::Parked
            | Ns::RecordBy
            | Ns::Touch
    )
}

/// The types that a program knows.
#[derive(Debug, Clone, Copy)]
pub struct Registry(&'static [Kind]);

/// How the version of a stored value stands to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Not a record: an index row, a number, or what a plugin keeps.
    None,
    /// In the version that this program writes.
    Current(Kind),
    /// In an earlier one.
    Older(Kind, u16),
    /// A later release wrote it: type and version.
    Newer(u8, u16),
}

impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        (self.number, self.version) == (other.number, other.version)
    }
}

impl Eq for Kind {}

impl Registry {
    /// Those of this program.
    #[must_use]
    pub fn own() -> Registry {
        Registry::of(super::rows::KINDS)
    }

    /// These.
    #[must_use]
    pub const fn of(kinds: &'static [Kind]) -> Registry {
        Registry(kinds)
    }

    /// All of them, by number.
    #[must_use]
    pub fn kinds(&self) -> &'static [Kind] {
        self.0
    }

    /// The type with this number.
    #[must_use]
    pub fn kind(&self, number: u8) -> Option<Kind> {
        self.0.iter().find(|kind| kind.number == number).copied()
    }

    /// How a value of a family of records stands to this program; damage counts as no record.
    #[must_use]
    pub fn age(&self, value: &[u8]) -> Age {
        let Ok(envelope) = codec::open(value) else {
            return Age::None;
        };
        self.age_of(envelope.kind, envelope.version, envelope.flags != 0)
    }

    /// The same of an envelope that was opened.
    #[must_use]
    pub fn age_of(&self, number: u8, version: u16, flagged: bool) -> Age {
        match self.kind(number) {
            Some(kind) if flagged || version > kind.version => Age::Newer(number, version),
            Some(kind) if version < kind.version => Age::Older(kind, version),
            Some(kind) => Age::Current(kind),
            None => Age::Newer(number, version),
        }
    }

    /// Whether a later release wrote the value.
    #[must_use]
    pub fn is_newer(&self, value: &[u8]) -> bool {
        matches!(self.age(value), Age::Newer(..))
    }

    /// The same record in the version that this program writes.
    ///
    /// # Errors
    /// As [`codec::decode`].
    pub fn renew(&self, value: &[u8]) -> Result<Vec<u8>, CodecError> {
        let envelope = codec::open(value)?;
        match self.kind(envelope.kind) {
            Some(kind) => (kind.renew)(value),
            None => Err(newer(&envelope)),
        }
    }

    /// The record as people read it.
    ///
    /// # Errors
    /// As [`codec::decode`].
    pub fn json(&self, value: &[u8]) -> Result<Value, CodecError> {
        let envelope = codec::open(value)?;
        match self.kind(envelope.kind) {
            Some(kind) => (kind.json)(value),
            None => Err(newer(&envelope)),
        }
    }
}

impl Registry {
    /// The record of the same type as `like` that reads as `value`; `None` when none does.
    #[must_use]
    pub fn written(&self, like: &[u8], value: Value) -> Option<Vec<u8>> {
        let kind = self.kind(codec::open(like).ok()?.kind)?;
        (kind.written)(value)
    }
}

/// A type that this program does not have is one of a later release: numbers are never reused.
fn newer(envelope: &codec::Envelope<'_>) -> CodecError {
    CodecError::Newer {
        kind: envelope.kind,
        version: envelope.version,
    }
}

#[cfg(test)]
pub(super) mod golden;
#[cfg(test)]
mod tests;
