//! The header section: where fields begin and end, and what their bodies say.

use std::sync::LazyLock;

use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, Address as AddressList, HeaderValue};

use super::address::{Address, NamedAddress, clean_text};
use super::charset::{TransferEncoding, decode_charset, windows_1252};
use super::{ParseLimits, Problem, ProblemKind};

/// Addresses read from one field; the rest is dropped with a problem.
const MAX_ADDRESSES: usize = 2_000;
/// Characters of a message id; longer ones are no ids (RFC 5322 2.1.1 caps lines at 998).
const MAX_ID_CHARS: usize = 998;
/// Message ids read from one field.
const MAX_IDS: usize = 1_000;
/// Octets of one encoded word; RFC 2047 says 75, some programs put a whole subject into one.
const MAX_WORD_BYTES: usize = 2_000;
/// Octets of a header section; servers refuse more than a tenth of it.
const MAX_SECTION_BYTES: usize = 4 * 1024 * 1024;
/// Blank lines inside a folded field that are looked over.
const MAX_FOLDS: usize = 20;
/// Octets of a field name that anybody really uses.
const MAX_NAME_BYTES: usize = 128;

/// One field: name as written, body as text with its folding.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Field {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// A header section and where its body begins.
#[derive(Debug, Default)]
pub(crate) struct HeaderSection {
    pub(crate) fields: Vec<Field>,
    /// Offset of the first octet of the body.
    pub(crate) body: usize,
    pub(crate) problems: Vec<Problem>,
}

impl HeaderSection {
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields
            .iter()
            .filter(move |f| f.is(name))
            .map(|f| f.value.as_str())
    }

    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|f| f.is(name))
            .map(|f| f.value.as_str())
    }

    /// The first such field, decoded and cleaned.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.first(name)
            .map(|value| clean_text(&decode_words(value)))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }
}

/// The line that starts at `at`: its text without line end, and where the next one starts.
pub(crate) fn line_at(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
    let (line, next) = match rest.iter().position(|&b| b == b'\n') {
        Some(end) => (rest.get(..end)?, at.saturating_add(end).saturating_add(1)),
        None => (rest, bytes.len()),
    };
    Some((line.strip_suffix(b"\r").unwrap_or(line), next))
}

/// Reads fields from `start` on, until the blank line, or where `ends_early` says so.
pub(crate) fn scan(
    bytes: &[u8],
    start: usize,
    limits: &ParseLimits,
    ends_early: impl Fn(&[u8]) -> bool,
) -> HeaderSection {
    let mut section = HeaderSection {
        body: bytes.len(),
        ..HeaderSection::default()
    };
    let mut raw: Vec<(String, Vec<u8>)> = Vec::new();
    let mut at = start;
    let mut dropped = 0usize;
    while let Some((line, next)) = line_at(bytes, at) {
        if line.iter().all(u8::is_ascii_whitespace) {
            if raw.is_empty()
                && dropped == 0
                && at == start
                && start == 0
                && leads_to_field(bytes, next)
            {
                section.problems.push(Problem::new(
                    ProblemKind::BlankLineFirst,
                    "the message starts with a blank line",
                ));
                at = next;
                continue;
            }
            if !line.contains(&b' ') && !line.contains(&b'\t') || !header_goes_on(bytes, next) {
                section.body = next;
                break;
            }
            let detail = "a line of blanks stands inside the header";
            section
                .problems
                .push(Problem::new(ProblemKind::BadHeaderLine, detail));
            at = next;
            continue;
        }
        if ends_early(line) {
            section.body = at;
            break;
        }
        if matches!(line.first(), Some(b' ' | b'\t')) && !raw.is_empty() {
            if let Some((_, value)) = raw.last_mut()
                && value.len() < limits.max_field_bytes
            {
                value.extend_from_slice(b"\n");
                value.extend_from_slice(line);
            }
        } else if let Some((name, value)) = split_field(line) {
            let fits = at.saturating_sub(start) < MAX_SECTION_BYTES;
            if fits && raw.len() < limits.max_headers {
                raw.push((name, value.to_vec()));
            } else {
                dropped = dropped.saturating_add(1);
            }
        } else if at == start && (line.starts_with(b"From ") || line.starts_with(b">From ")) {
            section.problems.push(Problem::new(
                ProblemKind::MboxLine,
                "an mbox `From ` line stands before the header",
            ));
        } else if raw.is_empty() && !leads_to_field(bytes, next) {
            section.problems.push(Problem::new(
                ProblemKind::NoHeader,
                "there is no header field: all is taken as body",
            ));
            section.body = at;
            break;
        } else if leads_to_field(bytes, next) {
            section.problems.push(Problem::new(
                ProblemKind::BadHeaderLine,
                format!(
                    "skipped a header line without a field name: `{}`",
                    snippet(line)
                ),
            ));
        } else {
            section.problems.push(Problem::new(
                ProblemKind::NoBlankLine,
                "no blank line between header and body",
            ));
            section.body = at;
            break;
        }
        at = next;
    }
    if dropped > 0 {
        section.problems.push(Problem::new(
            ProblemKind::TooManyHeaders,
            format!(
                "{dropped} header fields beyond {} fields or {MAX_SECTION_BYTES} bytes were not read",
                limits.max_headers
            ),
        ));
    }
    for (name, value) in raw {
        let field = text_field(name, value, limits, &mut section.problems);
        section.fields.push(field);
    }
    section
}

fn snippet(line: &[u8]) -> String {
    clean_text(&String::from_utf8_lossy(line.get(..60).unwrap_or(line)))
}

/// Whether a field follows, behind the rest of a folded one (RFC 5322 4.2: folds may be blank).
fn header_goes_on(bytes: &[u8], at: usize) -> bool {
    let mut at = at;
    for _ in 0..MAX_FOLDS {
        match line_at(bytes, at) {
            Some((line, next)) if matches!(line.first(), Some(b' ' | b'\t')) => at = next,
            _ => break,
        }
    }
    leads_to_field(bytes, at)
}

/// Whether a field that mail really has starts at `at`; decides what stray lines mean.
fn leads_to_field(bytes: &[u8], at: usize) -> bool {
    line_at(bytes, at).is_some_and(|(line, _)| is_known_field(line))
}

/// Whether a line is a field that mail really has.
pub(crate) fn is_known_field(line: &[u8]) -> bool {
    static KNOWN: LazyLock<Vec<&str>> = LazyLock::new(|| {
        "\
        from|to|cc|bcc|subject|date|message-id|received|return-path|mime-version|content-type|\
        content-transfer-encoding|content-disposition|reply-to|sender|in-reply-to|references|\
        delivered-to|dkim-signature|authentication-results|auto-submitted|precedence|\
        thread-topic|thread-index|list-id|list-unsubscribe|user-agent|importance"
            .split('|')
            .collect()
    });
    split_field(line).is_some_and(|(name, _)| {
        let name = name.to_ascii_lowercase();
        name.starts_with("x-") || name.starts_with("arc-") || KNOWN.contains(&name.as_str())
    })
}

fn split_field(line: &[u8]) -> Option<(String, &[u8])> {
    let colon = line.iter().take(MAX_NAME_BYTES).position(|&b| b == b':')?;
    let name = line.get(..colon)?.trim_ascii_end();
    if name.is_empty() || !name.iter().all(|b| matches!(b, 33..=57 | 59..=126)) {
        return None;
    }
    let value = line.get(colon.saturating_add(1)..)?;
    Some((String::from_utf8_lossy(name).into_owned(), value))
}

fn text_field(
    name: String,
    raw: Vec<u8>,
    limits: &ParseLimits,
    problems: &mut Vec<Problem>,
) -> Field {
    let mut value = match String::from_utf8(raw) {
        Ok(text) => text,
        Err(error) => {
            problems.push(Problem::new(
                ProblemKind::RawEightBit,
                format!("{name} holds raw 8-bit text that is not UTF-8, read as windows-1252"),
            ));
            windows_1252(error.as_bytes())
        }
    };
    if value.len() > limits.max_field_bytes {
        problems.push(Problem::new(
            ProblemKind::FieldTooLong,
            format!(
                "{name} is longer than {} bytes and was cut",
                limits.max_field_bytes
            ),
        ));
        value.truncate(value.floor_char_boundary(limits.max_field_bytes));
    }
    Field { name, value }
}

/// A run of encoded words, or the text between.
enum Word<'a> {
    Plain(&'a str),
    Encoded { charset: &'a str, bytes: Vec<u8> },
}

/// Splits at encoded words (RFC 2047); white space between two of them is dropped, and bytes of
/// neighbours in one charset are joined, because programs cut through characters.
fn words(value: &str) -> Vec<Word<'_>> {
    let mut out: Vec<Word<'_>> = Vec::new();
    let mut rest = value;
    while let Some(start) = rest.find("=?") {
        let (before, candidate) = rest.split_at(start);
        let Some((charset, bytes, after)) = encoded_word(candidate) else {
            let (skipped, tail) = rest.split_at(start.saturating_add(2));
            out.push(Word::Plain(skipped));
            rest = tail;
            continue;
        };
        let joins = matches!(out.last(), Some(Word::Encoded { .. })) && before.trim().is_empty();
        if !joins && !before.is_empty() {
            out.push(Word::Plain(before));
        }
        match out.last_mut() {
            Some(Word::Encoded {
                charset: last,
                bytes: all,
            }) if joins && last.eq_ignore_ascii_case(charset) => {
                all.extend_from_slice(&bytes);
            }
            _ => out.push(Word::Encoded { charset, bytes }),
        }
        rest = after;
    }
    if !rest.is_empty() {
        out.push(Word::Plain(rest));
    }
    out
}

/// Reads `=?charset*lang?B|Q?text?=` at the start of `text`.
fn encoded_word(text: &str) -> Option<(&str, Vec<u8>, &str)> {
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (kind, rest) = rest.split_once('?')?;
    if !matches!(kind, "B" | "b" | "Q" | "q") {
        return None;
    }
    let near = rest.floor_char_boundary(MAX_WORD_BYTES);
    let end = rest.get(..near)?.find("?=")?;
    let (body, tail) = rest.split_at_checked(end)?;
    let after = tail.strip_prefix("?=")?;
    let charset = charset.split('*').next().unwrap_or_default();
    if charset.len() > MAX_NAME_BYTES
        || charset.contains(char::is_whitespace)
        || body.contains('\n')
    {
        return None;
    }
    let bytes = match kind {
        "B" | "b" => TransferEncoding::Base64.decode(body.as_bytes()),
        "Q" | "q" => TransferEncoding::QuotedPrintable.decode(body.replace('_', " ").as_bytes()),
        _ => return None,
    };
    Some((charset, bytes, after))
}

/// Unstructured text with its encoded words decoded; folding kept for the caller to clean.
pub(crate) fn decode_words(value: &str) -> String {
    words(value)
        .into_iter()
        .map(|word| match word {
            Word::Plain(text) => text.to_owned(),
            Word::Encoded { charset, bytes } => decode_charset(&bytes, Some(charset)).text,
        })
        .collect()
}

/// The same, but encoded words stay words (in UTF-8), so that a decoded comma stays a name's.
fn mend_words(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for word in words(value) {
        match word {
            Word::Plain(text) => out.push_str(text),
            Word::Encoded { charset, bytes } => {
                out.push_str("=?utf-8?Q?");
                for byte in decode_charset(&bytes, Some(charset)).text.bytes() {
                    out.push_str(&format!("={byte:02X}"));
                }
                out.push_str("?=");
            }
        }
    }
    out
}

/// The addresses of a field; what is none becomes a problem.
pub(crate) fn addresses(name: &str, value: &str, problems: &mut Vec<Problem>) -> Vec<NamedAddress> {
    let mended = format!("{}\n", mend_words(value).replace(['\r', '\n'], " "));
    let HeaderValue::Address(list) = MessageStream::new(mended.as_bytes()).parse_address() else {
        return Vec::new();
    };
    let entries: Vec<Addr<'_>> = match list {
        AddressList::List(list) => list,
        AddressList::Group(groups) => groups.into_iter().flat_map(|g| g.addresses).collect(),
    };
    if entries.len() > MAX_ADDRESSES {
        problems.push(Problem::new(
            ProblemKind::TooManyAddresses,
            format!(
                "{name} names {} addresses, the first {MAX_ADDRESSES} were read",
                entries.len()
            ),
        ));
    }
    let mut out = Vec::new();
    // The part before an unquoted comma in a name: `Example, Bob <bob@example.net>`.
    let mut surname: Option<String> = None;
    for entry in entries.into_iter().take(MAX_ADDRESSES) {
        let text = entry
            .address
            .as_deref()
            .or(entry.name.as_deref())
            .unwrap_or_default();
        let error = match Address::parse(text) {
            Ok(address) => {
                let shown = entry.address.as_ref().and(entry.name.as_deref());
                let whole = surname
                    .take()
                    .zip(shown)
                    .map(|(surname, first)| format!("{surname}, {first}"));
                out.push(NamedAddress::new(whole.as_deref().or(shown), address));
                continue;
            }
            Err(error) => error,
        };
        let is_name = !text.contains(['@', '<', ':', ';']) && text.contains(char::is_alphabetic);
        surname = is_name.then(|| text.to_owned());
        let detail = match mended_address(&entry) {
            Some(mended) => {
                let detail = format!(
                    "{name}: `{}` was read as {}",
                    clean_text(text),
                    mended.address
                );
                out.push(mended);
                detail
            }
            None => format!("{name}: {error}"),
        };
        problems.push(Problem::new(ProblemKind::BadAddress, detail));
    }
    out
}

/// `"a@b"@example.com`, which the parsing crate takes apart, and `Bob bob@example.net` without
/// brackets, if only one word can be an address.
fn mended_address(entry: &Addr<'_>) -> Option<NamedAddress> {
    let address = entry.address.as_deref().unwrap_or_default();
    let name = entry.name.as_deref().unwrap_or_default();
    // An obsolete route (RFC 5322 4.4): `<@relay.example:bob@example.net>`.
    if let Some((_, last)) = address
        .rsplit_once(':')
        .filter(|_| address.starts_with('@'))
    {
        return Some(NamedAddress::new(Some(name), Address::parse(last).ok()?));
    }
    if address.starts_with('@') && !name.is_empty() {
        let quoted = Address::parse(&format!("\"{name}\"{address}")).ok()?;
        return Some(NamedAddress::new(None, quoted));
    }
    let text = format!("{name} {address}");
    let is_address = |word: &&str| word.contains('@');
    let bare = |word: &str| -> String {
        let ends = ['<', '>', '(', ')', '[', ']', ',', ';', '\'', '"'];
        word.trim_matches(ends)
            .trim_start_matches("mailto:")
            .to_owned()
    };
    let mut found: Vec<String> = text
        .split_whitespace()
        .filter(is_address)
        .map(bare)
        .collect();
    found.dedup();
    let [one] = found.as_slice() else {
        return None;
    };
    let address = Address::parse(one).ok()?;
    let rest: Vec<&str> = text
        .split_whitespace()
        .filter(|w| !is_address(w) && w.contains(char::is_alphanumeric))
        .collect();
    Some(NamedAddress::new(Some(&rest.join(" ")), address))
}

/// Message ids without brackets; `Your message of ... <x@y>` gives `x@y`.
pub(crate) fn message_ids(value: &str) -> Vec<String> {
    let bracketed: Vec<String> = value
        .split('<')
        .skip(1)
        .filter_map(|piece| piece.split_once('>').map(|(id, _)| squeeze(id)))
        .filter(|id| is_id(id))
        .take(MAX_IDS)
        .collect();
    if !bracketed.is_empty() {
        return bracketed;
    }
    value
        .split([' ', '\t', '\r', '\n', ','])
        .map(|piece| squeeze(piece.trim_matches(['<', '>'])))
        .filter(|id| is_id(id) && id.contains('@'))
        .take(MAX_IDS)
        .collect()
}

/// The one id of a Message-ID field, however it is written.
pub(crate) fn own_message_id(value: &str) -> Option<String> {
    message_ids(value).into_iter().next().or_else(|| {
        let whole = squeeze(value.trim().trim_matches(['<', '>']));
        is_id(&whole).then_some(whole)
    })
}

fn squeeze(id: &str) -> String {
    clean_text(id)
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect()
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.chars().count() <= MAX_ID_CHARS
}

/// A structured field of the shape `word; name=value` (RFC 2045, 2231), names lower case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameterised {
    pub(crate) value: String,
    pub(crate) params: Vec<(String, String)>,
}

impl Parameterised {
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn parse(value: &str) -> Parameterised {
        let line = format!("{}\n", value.replace(['\r', '\n'], " "));
        let HeaderValue::ContentType(parsed) =
            MessageStream::new(line.as_bytes()).parse_content_type()
        else {
            return Parameterised::default();
        };
        let value = match parsed.subtype() {
            Some(sub) => format!("{}/{sub}", parsed.ctype()),
            None => parsed.ctype().to_owned(),
        };
        let params = parsed
            .attributes()
            .unwrap_or_default()
            .iter()
            .map(|a| (a.name.to_ascii_lowercase(), a.value.to_string()))
            .collect();
        Parameterised {
            value: value.trim().to_ascii_lowercase(),
            params,
        }
    }
}
