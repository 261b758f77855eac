//! Contacts as vCards 3 and 4 (RFC 2426, RFC 6350), in and out.
//!
//! What a vCard has no property for goes into `X-LIAISON-FIELD` properties, so that what was
//! exported is the same when it is imported again.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use calcard::vcard::{
    VCard, VCardEntry, VCardParameterName, VCardParameterValue, VCardProperty, VCardValue,
    VCardVersion,
};
use calcard::{Entry, Parser};
use liaison_core::crm::{Kind, KindSpec};

use super::csv_rows::Encoding;
use super::{ImportError, Part, Rejected, Row};

/// Longest card, in bytes, without its pictures.
const CARD_BYTES_MAX: usize = 256 * 1024;
/// Longest line that is read at once; of a longer one the rest comes with the next read.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Properties that no contact has: pictures, sounds and keys.
const LEFT_OUT: &[&str] = &["PHOTO", "LOGO", "SOUND", "KEY"];
/// What our own properties begin with.
const OWN: &str = "X-LIAISON-";
/// The account's own id in its system.
const OWN_ACCOUNT: &str = "X-LIAISON-ACCOUNT-EXTERNAL-ID";
/// In front of a UID that is the external id of a contact.
const UID_PREFIX: &str = "vcard:";

/// Whether a file holds vCards; it is at its beginning afterwards.
pub(super) fn is_vcard(file: &mut (impl Read + Seek)) -> Result<bool, ImportError> {
    file.seek(SeekFrom::Start(0))?;
    let mut begin = Vec::new();
    Read::take(&mut *file, 64).read_to_end(&mut begin)?;
    file.seek(SeekFrom::Start(0))?;
    let begin = begin.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&begin);
    let begin = begin.trim_ascii_start();
    Ok(begin
        .get(..11)
        .is_some_and(|word| word.eq_ignore_ascii_case(b"BEGIN:VCARD")))
}

/// The cards of a file, one after the other.
#[derive(Debug)]
pub(super) struct Cards<R> {
    from: BufReader<R>,
    encoding: Encoding,
    line: u64,
}

impl<R: Read> Cards<R> {
    /// The cards of a file.
    ///
    /// # Errors
    /// Where rows of `kind` are no people.
    pub(super) fn new(from: R, kind: Kind, encoding: Encoding) -> Result<Cards<R>, ImportError> {
        if kind != Kind::Contact {
            return Err(ImportError::Cards(kind.plural()));
        }
        Ok(Cards {
            from: BufReader::new(from),
            encoding,
            line: 0,
        })
    }

    /// Lines that were read.
    pub(super) fn lines(&self) -> u64 {
        self.line
    }

    /// The next card with the line on which it begins and its text; `None` at the end.
    ///
    /// # Errors
    /// As the file.
    #[expect(clippy::type_complexity, reason = "one caller, which names them")]
    pub(super) fn card(
        &mut self,
    ) -> Result<Option<(u64, String, Result<Row, Rejected>)>, ImportError> {
        let mut text: Vec<u8> = Vec::new();
        let (mut begins, mut skipped, mut too_long) = (0, false, false);
        let mut whole = true;
        loop {
            let mut line = Vec::new();
            let read = (&mut self.from)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            self.line = self.line.saturating_add(u64::from(line.ends_with(b"\n")));
            let bare = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&line);
            if begins == 0 {
                if bare.trim_ascii().is_empty() {
                    continue;
                }
                begins = self.line.max(1);
            }
            // Folded, or the rest of a very long line.
            let goes_on = !whole || bare.starts_with(b" ") || bare.starts_with(b"\t");
            whole = line.ends_with(b"\n");
            skipped = match goes_on {
                true => skipped,
                false => is_left_out(bare),
            };
            if !skipped {
                too_long |= text.len().saturating_add(bare.len()) > CARD_BYTES_MAX;
                if !too_long {
                    text.extend_from_slice(bare);
                }
            }
            if bare.trim_ascii().eq_ignore_ascii_case(b"END:VCARD") {
                break;
            }
        }
        if begins == 0 {
            return Ok(None);
        }
        let text = self.encoding.lossy(&text).into_owned();
        let row = match too_long {
            true => {
                let reason = format!("a card of more than {CARD_BYTES_MAX} bytes without pictures");
                Err(Rejected::line(begins, reason))
            }
            false => row(&text, begins),
        };
        Ok(Some((begins, text, row)))
    }
}

fn is_left_out(line: &[u8]) -> bool {
    let ends = line.iter().position(|byte| matches!(byte, b':' | b';'));
    let name = line.get(..ends.unwrap_or(0)).unwrap_or_default();
    // `item1.PHOTO`.
    let name = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    LEFT_OUT
        .iter()
        .any(|left| name.eq_ignore_ascii_case(left.as_bytes()))
}

fn row(text: &str, line: u64) -> Result<Row, Rejected> {
    let mut parser = Parser::new(text);
    match parser.entry() {
        Entry::VCard(card) => Ok(Row {
            line,
            parts: parts(&card),
        }),
        _ => {
            let reason = "this is no vCard that begins with BEGIN:VCARD and ends with END:VCARD";
            Err(Rejected::line(line, reason))
        }
    }
}

fn texts(entry: &VCardEntry) -> Vec<String> {
    let mut texts = Vec::new();
    for value in &entry.values {
        match value {
            VCardValue::Component(all) => texts.extend(all.iter().cloned()),
            value => texts.extend(value.as_text().map(str::to_owned)),
        }
    }
    texts
}

fn joined(card: &VCard, property: &VCardProperty, with: &str) -> String {
    let filled = |entry: &VCardEntry| {
        let texts = texts(entry).into_iter().map(|text| text.trim().to_owned());
        texts
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(with)
    };
    let first = card.properties(property).map(filled);
    first
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// Values of a property that may be there several times, the preferred one first.
fn preferred(card: &VCard, property: &VCardProperty) -> String {
    let mut all: Vec<(u32, String)> = Vec::new();
    for entry in card.properties(property) {
        let rank = rank(entry);
        for text in texts(entry) {
            let text = text
                .trim()
                .trim_start_matches("mailto:")
                .trim_start_matches("tel:");
            // A `;` would be a second value.
            let text = text.replace(';', ",");
            if !text.is_empty() && !all.iter().any(|(_, known)| *known == text) {
                all.push((rank, text));
            }
        }
    }
    all.sort_by_key(|(rank, _)| *rank);
    let all: Vec<String> = all.into_iter().map(|(_, text)| text).collect();
    all.join(";")
}

/// 1 is the most preferred one (`PREF=1`, in version 3 `TYPE=PREF`).
fn rank(entry: &VCardEntry) -> u32 {
    let mut rank = 101;
    for parameter in &entry.params {
        match (&parameter.name, &parameter.value) {
            (VCardParameterName::Pref, VCardParameterValue::Integer(at)) => rank = *at,
            (VCardParameterName::Pref, _) => rank = rank.min(1),
            (VCardParameterName::Type, value)
                if value
                    .as_text()
                    .is_some_and(|word| word.eq_ignore_ascii_case("pref")) =>
            {
                rank = rank.min(1);
            }
            _ => {}
        }
    }
    rank
}

fn parts(card: &VCard) -> Vec<Part> {
    let mut account = Part::new(Kind::Account);
    let mut contact = Part::new(Kind::Contact);
    let mut add = |field: &str, text: String| {
        if !text.is_empty() {
            contact.fields.push((field.to_owned(), text));
        }
    };
    let mut name = joined(card, &VCardProperty::Fn, " ");
    if name.is_empty() {
        name = full_name(card);
    }
    let role = match joined(card, &VCardProperty::Title, " ") {
        title if title.is_empty() => joined(card, &VCardProperty::Role, " "),
        title => title,
    };
    let emails = preferred(card, &VCardProperty::Email);
    add("name", name.clone());
    add("emails", emails.clone());
    add("role", role);
    add("phones", preferred(card, &VCardProperty::Tel));
    add("address", joined(card, &VCardProperty::Adr, ", "));
    add("language", joined(card, &VCardProperty::Lang, " "));
    add("birthday", birthday(card));
    add("notes", joined(card, &VCardProperty::Note, "\n"));
    let zone = joined(card, &VCardProperty::Tz, " ");
    if liaison_core::zones::zone(&zone).is_some() {
        add("time_zone", zone);
    }
    for (field, text) in own(card, Kind::Contact.spec()) {
        add(field, text);
    }
    match card.uid() {
        Some(uid) if liaison_core::crm::change::is_id(Kind::Contact, uid) => {
            contact.id = Some(uid.to_owned());
        }
        Some(uid) if !contact.fields.iter().any(|(name, _)| name == "external_id") => {
            let id = format!("{UID_PREFIX}{}", uid.trim_start_matches("urn:uuid:"));
            contact.fields.push(("external_id".to_owned(), id));
        }
        _ => {}
    }
    let organisation = card.properties(&VCardProperty::Org).next();
    let organisation = organisation.and_then(|entry| texts(entry).into_iter().next());
    // Somebody of no company is a customer of their own.
    let alone = if name.is_empty() { emails } else { name };
    let company = organisation.map(|text| text.trim().to_owned());
    let company = company.filter(|name| !name.is_empty()).unwrap_or(alone);
    account.fields.push(("name".to_owned(), company));
    let other = |name: &str| VCardProperty::Other(name.to_owned());
    let external = joined(card, &other(OWN_ACCOUNT), " ");
    if !external.is_empty() {
        account.fields.push(("external_id".to_owned(), external));
    }
    vec![account, contact]
}

/// Family, given and further names, as people say them.
fn full_name(card: &VCard) -> String {
    let Some(entry) = card.property(&VCardProperty::N) else {
        return String::new();
    };
    let texts = texts(entry);
    let part = |at: usize| texts.get(at).map_or("", |text| text.trim());
    let all = [part(3), part(1), part(2), part(0), part(4)];
    let all: Vec<&str> = all.into_iter().filter(|part| !part.is_empty()).collect();
    all.join(" ")
}

/// Month and day, whatever is known of the year.
fn birthday(card: &VCard) -> String {
    let entry = card.property(&VCardProperty::Bday);
    match entry.and_then(|entry| entry.values.first()) {
        Some(VCardValue::PartialDateTime(at)) => match (at.month, at.day) {
            (Some(month), Some(day)) => format!("{month:02}-{day:02}"),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

/// The fields in properties of our own.
fn own(card: &VCard, spec: &'static KindSpec) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for entry in &card.entries {
        let VCardProperty::Other(name) = &entry.name else {
            continue;
        };
        let field = spec
            .fields
            .iter()
            .find(|field| property_of(field.name).eq_ignore_ascii_case(name));
        if let Some(field) = field {
            found.push((field.name, texts(entry).join(";")));
        }
    }
    found
}

fn property_of(field: &str) -> String {
    format!("{OWN}{}", field.to_uppercase().replace('_', "-"))
}

/// A contact as a card: its id, its fields as text, and name and external id of its account.
#[derive(Debug, Clone, Copy)]
pub struct CardOf<'a> {
    /// Id of the contact.
    pub id: &'a str,
    /// Fields as they are written.
    pub fields: &'a [(String, String)],
    /// Name of the account.
    pub account: &'a str,
    /// Its external id; empty where it has none.
    pub account_external: &'a str,
}

/// Writes one card, with CRLF at the end of lines.
#[must_use]
pub fn card(of: &CardOf<'_>, version: VCardVersion) -> String {
    let mut card = VCard::default();
    let mut put = |name: VCardProperty, text: &str| {
        card.entries
            .push(VCardEntry::new(name).with_value(text.to_owned()));
    };
    let value = |name: &str| {
        let found = of.fields.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, text)| text.as_str())
    };
    put(VCardProperty::Uid, of.id);
    let name = match value("name") {
        "" => value("emails").split(';').next().unwrap_or_default(),
        name => name,
    };
    put(VCardProperty::Fn, name);
    put(VCardProperty::Org, of.account);
    if !of.account_external.is_empty() {
        let name = VCardProperty::Other(OWN_ACCOUNT.to_owned());
        put(name, of.account_external);
    }
    for (field, text) in of.fields {
        match field.as_str() {
            "account" | "name" => {}
            "emails" => text
                .split(';')
                .for_each(|one| put(VCardProperty::Email, one)),
            "phones" => text.split(';').for_each(|one| put(VCardProperty::Tel, one)),
            "role" => put(VCardProperty::Title, text),
            "notes" => put(VCardProperty::Note, text),
            // An address of one line goes where it is read as a whole again.
            other => put(VCardProperty::Other(property_of(other)), text),
        }
    }
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = names(&mut card, name).write_to(&mut out, version);
    out
}

/// Version 3 wants the parts of the name, too: it is not taken apart, which would be a guess.
fn names<'a>(card: &'a mut VCard, name: &str) -> &'a VCard {
    let empty = || VCardValue::Text(String::new());
    let entry = VCardEntry::new(VCardProperty::N).with_values(vec![
        VCardValue::Text(name.to_owned()),
        empty(),
        empty(),
        empty(),
        empty(),
    ]);
    card.entries.push(entry);
    card
}
