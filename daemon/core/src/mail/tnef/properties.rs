//! Lists of MAPI properties as TNEF writes them (MS-OXTNEF 2.1.3.4.3).

use super::string;
use crate::mail::charset::decode_charset;
use crate::time::Timestamp;

/// Properties read of one list; Outlook writes about 100.
const MAX_PROPERTIES: usize = 5_000;
/// Values of one property that are passed over.
const MAX_VALUES: u32 = 10_000;
/// Ids from here on are named by a set and a number or text.
const FIRST_NAMED: u16 = 0x8000;
/// The bit of a type that says that there are several values.
const SEVERAL: u16 = 0x1000;
/// Milliseconds from 1601, where FILETIME begins, to 1970.
const FILETIME_TO_UNIX_MS: i64 = 11_644_473_600_000;
/// FILETIME counts in 100 ns.
const FILETIME_PER_MS: i64 = 10_000;

mod kind {
    pub(super) const INTEGER_16: u16 = 0x02;
    pub(super) const BOOLEAN: u16 = 0x0B;
    pub(super) const OBJECT: u16 = 0x0D;
    pub(super) const STRING: u16 = 0x1E;
    pub(super) const WIDE_STRING: u16 = 0x1F;
    pub(super) const BINARY: u16 = 0x102;
}

/// Octets taken from the front, little-endian.
#[derive(Debug, Clone, Copy)]
pub(super) struct Octets<'a>(pub(super) &'a [u8]);

impl<'a> Octets<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// As many octets as the length before them says, and those that fill up to four.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let value = self.take(length)?;
        let over = length % 4;
        if over != 0 {
            // The last value of a list may lack its filling.
            let filling = 4usize.saturating_sub(over).min(self.0.len());
            self.take(filling)?;
        }
        Some(value)
    }
}

/// What a property is called.
#[derive(Debug, PartialEq, Eq)]
enum Name {
    Id(u16),
    /// A set (GUID as it is written) and a number in it.
    Numbered([u8; 16], u32),
    /// By a text; none of these says anything to us.
    Text,
}

#[derive(Debug)]
struct Property<'a> {
    name: Name,
    kind: u16,
    /// The first value.
    value: &'a [u8],
}

/// A list of properties.
#[derive(Debug, Default)]
pub(super) struct Properties<'a>(Vec<Property<'a>>);

impl<'a> Properties<'a> {
    /// Reads a list, and says whether it was whole.
    pub(super) fn read(data: &'a [u8]) -> (Properties<'a>, bool) {
        let mut octets = Octets(data);
        let mut out = Properties::default();
        let Some(count) = octets.u32() else {
            return (out, false);
        };
        for at in 0..count {
            if out.0.len() >= MAX_PROPERTIES {
                return (out, false);
            }
            match read_one(&mut octets) {
                Some(property) => out.0.push(property),
                // Some programs count one too many.
                None => return (out, octets.0.is_empty() && at.saturating_add(1) == count),
            }
        }
        (out, true)
    }

    fn find(&self, name: &Name) -> Option<&Property<'a>> {
        self.0.iter().find(|property| property.name == *name)
    }

    pub(super) fn value(&self, id: u16) -> Option<&'a [u8]> {
        self.find(&Name::Id(id)).map(|property| property.value)
    }

    /// Whether it is a text in UTF-16.
    pub(super) fn is_wide(&self, id: u16) -> bool {
        self.find(&Name::Id(id))
            .is_some_and(|property| property.kind == kind::WIDE_STRING)
    }

    pub(super) fn text(&self, id: u16, label: &str) -> Option<String> {
        text_of(self.find(&Name::Id(id))?, label)
    }

    pub(super) fn number(&self, id: u16) -> Option<u32> {
        Octets(self.value(id)?).u32()
    }

    pub(super) fn flag(&self, id: u16) -> bool {
        self.value(id)
            .and_then(|value| value.first())
            .is_some_and(|byte| *byte != 0)
    }

    pub(super) fn instant(&self, id: u16) -> Option<Timestamp> {
        instant_of(self.value(id)?)
    }

    pub(super) fn named(&self, set: [u8; 16], number: u32) -> Option<&'a [u8]> {
        self.find(&Name::Numbered(set, number))
            .map(|property| property.value)
    }

    pub(super) fn named_text(&self, set: [u8; 16], number: u32, label: &str) -> Option<String> {
        text_of(self.find(&Name::Numbered(set, number))?, label)
    }

    pub(super) fn named_instant(&self, set: [u8; 16], number: u32) -> Option<Timestamp> {
        instant_of(self.named(set, number)?)
    }
}

fn text_of(property: &Property<'_>, label: &str) -> Option<String> {
    match property.kind {
        kind::WIDE_STRING => {
            let text = decode_charset(property.value, Some("utf-16le")).text;
            Some(text.split('\0').next().unwrap_or_default().to_owned())
        }
        kind::STRING => Some(string(property.value, label)),
        _ => None,
    }
}

fn instant_of(value: &[u8]) -> Option<Timestamp> {
    let filetime = i64::from_le_bytes(*value.first_chunk::<8>()?);
    let unix = filetime
        .checked_div(FILETIME_PER_MS)?
        .checked_sub(FILETIME_TO_UNIX_MS)?;
    // 1601 stands for "none", 4501 for "never".
    let plausible = jiff::Timestamp::from_millisecond(unix).ok()?;
    (unix > 0 && unix < 70_000_000_000_000).then(|| Timestamp::from_jiff(plausible))
}

fn read_one<'a>(octets: &mut Octets<'a>) -> Option<Property<'a>> {
    let raw_kind = octets.u16()?;
    let id = octets.u16()?;
    let name = if id >= FIRST_NAMED {
        name(octets)?
    } else {
        Name::Id(id)
    };
    let several = raw_kind & SEVERAL != 0;
    let kind = raw_kind & !SEVERAL;
    let counted = matches!(
        kind,
        kind::OBJECT | kind::STRING | kind::WIDE_STRING | kind::BINARY
    );
    let values = if several || counted { octets.u32()? } else { 1 };
    if values > MAX_VALUES {
        return None;
    }
    let mut first = None;
    for _ in 0..values {
        let value = if counted {
            octets.counted()?
        } else {
            octets.take(width(kind)?)?
        };
        first.get_or_insert(value);
    }
    let value = first.unwrap_or_default();
    Some(Property { name, kind, value })
}

fn name(octets: &mut Octets<'_>) -> Option<Name> {
    let set = *octets.take(16)?.first_chunk::<16>()?;
    match octets.u32()? {
        0 => Some(Name::Numbered(set, octets.u32()?)),
        1 => octets.counted().map(|_| Name::Text),
        _ => None,
    }
}

/// Octets of a value whose type says its size; small ones are filled up to four.
fn width(kind: u16) -> Option<usize> {
    match kind {
        0x00 | 0x01 => Some(0),
        kind::INTEGER_16 | kind::BOOLEAN | 0x03 | 0x04 | 0x0A => Some(4),
        0x05 | 0x06 | 0x07 | 0x14 | 0x40 => Some(8),
        0x48 => Some(16),
        _ => None,
    }
}
