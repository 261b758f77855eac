//! Small grammar of IMAP: strings, mailbox names, UID sets, dates, response codes.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use liaison_core::time::Timestamp;

/// RFC 3501 section 5.1.3: `,` for `/`, no padding.
const MODIFIED_BASE64: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// A piece of a command: sent as it is, or as a literal after the server's `+`.
pub(crate) enum Piece {
    Text(String),
    Literal(Vec<u8>),
}

/// A command without its tag. Not `Debug`: it may hold a password.
#[derive(Default)]
pub(crate) struct Command {
    pub(crate) pieces: Vec<Piece>,
}

impl Command {
    pub(crate) fn new(text: impl Into<String>) -> Command {
        Command {
            pieces: vec![Piece::Text(text.into())],
        }
    }

    pub(crate) fn text(mut self, text: &str) -> Command {
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
        self
    }

    /// A space and a string: quoted where that is safe, else a literal.
    pub(crate) fn string(self, value: &str) -> Command {
        if value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            self.text(" ").text(&quote(value))
        } else {
            self.text(" ").literal(value.as_bytes())
        }
    }

    /// A space and a mailbox name.
    pub(crate) fn mailbox(self, name: &str) -> Command {
        self.text(" ").text(&quote(&encode_mailbox(name)))
    }

    pub(crate) fn literal(mut self, bytes: &[u8]) -> Command {
        self.pieces.push(Piece::Literal(bytes.to_vec()));
        self
    }
}

/// A quoted string of printable ASCII (RFC 9051 section 4.3).
pub(crate) fn quote(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len().saturating_add(2));
    quoted.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// Undoes the escapes that the parser leaves in quoted names.
pub(crate) fn unescape(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            _ => plain.push(character),
        }
    }
    plain
}

/// Modified UTF-7 (RFC 3501 section 5.1.3); the result is printable ASCII.
pub(crate) fn encode_mailbox(name: &str) -> String {
    fn flush(run: &mut Vec<u8>, encoded: &mut String) {
        if !run.is_empty() {
            encoded.push('&');
            encoded.push_str(&MODIFIED_BASE64.encode(&*run));
            encoded.push('-');
            run.clear();
        }
    }
    let (mut encoded, mut run) = (String::new(), Vec::new());
    for character in name.chars() {
        if (' '..='~').contains(&character) {
            flush(&mut run, &mut encoded);
            encoded.push(character);
            if character == '&' {
                encoded.push('-');
            }
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                run.extend(unit.to_be_bytes());
            }
        }
    }
    flush(&mut run, &mut encoded);
    encoded
}

/// A mailbox name from the server as text; kept as it is where it is no modified UTF-7, since
/// newer servers send UTF-8.
pub(crate) fn decode_mailbox(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let Some((run, after)) = after.split_once('-') else {
            return name.to_owned();
        };
        if run.is_empty() {
            plain.push('&');
        } else {
            let Some(text) = decode_run(run) else {
                return name.to_owned();
            };
            plain.push_str(&text);
        }
        rest = after;
    }
    plain.push_str(rest);
    plain
}

fn decode_run(run: &str) -> Option<String> {
    let bytes = MODIFIED_BASE64.decode(run).ok()?;
    let (pairs, odd) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    odd.is_empty()
        .then(|| String::from_utf16(&units).ok())
        .flatten()
}

/// A UID set of ascending `uids`, neighbours joined to ranges.
pub(crate) fn uid_set(uids: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for uid in uids {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*uid) => *last = *uid,
            _ => ranges.push((*uid, *uid)),
        }
    }
    let parts: Vec<String> = ranges
        .into_iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}:{last}"),
        })
        .collect();
    parts.join(",")
}

/// `date` of RFC 9051 section 9, in UTC.
pub(crate) fn search_date(at: Timestamp) -> String {
    let date = at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC);
    date.strftime("%-d-%b-%Y").to_string()
}

/// INTERNALDATE (RFC 9051 section 9, `date-time`).
pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    let time = jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", text.trim_start()).ok()?;
    time.to_timestamp().ok().map(Timestamp::from_jiff)
}

/// A response code: its first word in capitals, and the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) word: String,
    pub(crate) argument: String,
}

impl Code {
    pub(crate) fn new(word: &str, argument: impl ToString) -> Code {
        Code {
            word: word.to_ascii_uppercase(),
            argument: argument.to_string(),
        }
    }
}

/// Splits `[CODE …] text`: the parser knows few codes and leaves the others in the text.
pub(crate) fn split_code(text: &str) -> (Option<Code>, &str) {
    let Some((inside, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
        return (None, text);
    };
    let (word, argument) = inside.split_once(' ').unwrap_or((inside, ""));
    (Some(Code::new(word, argument)), rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailbox_names_survive_the_way_to_the_server_and_back() {
        for (name, wire) in [
            ("INBOX", "INBOX"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("R&D", "R&-D"),
            ("Отправленные", "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"),
            ("台北/日本語", "&U,BTFw-/&ZeVnLIqe-"),
            ("😀", "&2D3eAA-"),
        ] {
            assert_eq!(encode_mailbox(name), wire);
            assert_eq!(decode_mailbox(wire), name);
        }
        for strange in ["Gesendet & mehr", "a&b", "&####-"] {
            assert_eq!(decode_mailbox(strange), strange);
        }
    }

    #[test]
    fn a_name_with_quotes_is_escaped_once() {
        let command = Command::new("EXAMINE").mailbox(r#"a"b\c"#);
        let Some(Piece::Text(text)) = command.pieces.first() else {
            panic!("text expected");
        };
        assert_eq!(text, r#"EXAMINE "a\"b\\c""#);
        assert_eq!(unescape(r#"a\"b\\c"#), r#"a"b\c"#);
    }

    #[test]
    fn a_string_with_line_ends_becomes_a_literal() {
        let command = Command::new("LOGIN").string("alice").string("p\r\nw");
        assert!(
            matches!(&command.pieces[..], [Piece::Text(text), Piece::Literal(bytes)]
            if text == "LOGIN \"alice\" " && bytes == b"p\r\nw")
        );
    }

    #[test]
    fn uid_sets_join_neighbours() {
        assert_eq!(uid_set(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(uid_set(&[u32::MAX]), "4294967295");
    }

    #[test]
    fn a_day_is_said_as_servers_read_it() {
        for (at, said) in [
            (1_772_442_000_000, "2-Mar-2026"),
            (1_767_225_599_999, "31-Dec-2025"),
        ] {
            assert_eq!(search_date(Timestamp(at)), said);
        }
    }

    #[test]
    fn dates_and_codes_are_read_from_what_servers_write() {
        let date = parse_date(" 2-Mar-2026 10:00:00 +0100").unwrap();
        assert_eq!(date.to_string(), "2026-03-02T09:00:00Z");
        assert_eq!(parse_date("yesterday"), None);
        let (code, text) = split_code("[AUTHENTICATIONFAILED] no such user");
        assert_eq!(
            (code.unwrap().word.as_str(), text),
            ("AUTHENTICATIONFAILED", "no such user")
        );
        assert_eq!(split_code("plain"), (None, "plain"));
    }
}
