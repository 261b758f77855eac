//! Bytes to text: transfer encodings and charsets, repaired instead of refused.

use mail_parser::decoders::charsets::map::charset_decoder;

/// How a part is encoded for transfer (RFC 2045 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransferEncoding {
    /// 7bit, 8bit, binary, or a word nobody knows.
    Identity,
    QuotedPrintable,
    Base64,
}

impl TransferEncoding {
    /// Reads the header field; `None` for a word that RFC 2045 does not know.
    pub(crate) fn parse(value: &str) -> Option<TransferEncoding> {
        let word = value
            .split(['(', ';'])
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match word.trim_matches('"') {
            "base64" => Some(TransferEncoding::Base64),
            "quoted-printable" | "quotedprintable" => Some(TransferEncoding::QuotedPrintable),
            "7bit" | "7-bit" | "8bit" | "8-bit" | "binary" | "" => Some(TransferEncoding::Identity),
            _ => None,
        }
    }

    /// Undoes the encoding; what does not belong is skipped, never an error.
    pub(crate) fn decode(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            TransferEncoding::Identity => bytes.to_vec(),
            TransferEncoding::QuotedPrintable => quoted_printable(bytes),
            TransferEncoding::Base64 => base64(bytes),
        }
    }
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().saturating_mul(3) / 4);
    let mut quantum: u32 = 0;
    let mut digits = 0u8;
    for &byte in bytes {
        let digit = match byte {
            b'A'..=b'Z' => byte.wrapping_sub(b'A'),
            b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                flush_base64(&mut out, quantum, digits);
                (quantum, digits) = (0, 0);
                continue;
            }
            _ => continue,
        };
        quantum = (quantum << 6) | u32::from(digit);
        digits = digits.wrapping_add(1);
        if digits == 4 {
            flush_base64(&mut out, quantum, digits);
            (quantum, digits) = (0, 0);
        }
    }
    flush_base64(&mut out, quantum, digits);
    out
}

fn flush_base64(out: &mut Vec<u8>, quantum: u32, digits: u8) {
    let (shift, count) = match digits {
        4 => (0, 3),
        3 => (6, 2),
        2 => (12, 1),
        _ => return,
    };
    let [_, bytes @ ..] = (quantum << shift).to_be_bytes();
    out.extend(bytes.iter().take(count));
}

fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'=' {
            out.push(byte);
            continue;
        }
        match tail {
            [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] => rest = after,
            [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push((hex(*high) << 4) | hex(*low));
                rest = after;
            }
            _ => match soft_break_with_padding(tail) {
                Some(after) => rest = after,
                None => out.push(byte),
            },
        }
    }
    out
}

/// `=` followed by blanks and a line end: some gateways pad the soft break.
fn soft_break_with_padding(tail: &[u8]) -> Option<&[u8]> {
    /// Blanks looked over; more is text.
    const MAX_PADDING: usize = 8;
    let blanks = tail
        .iter()
        .take(MAX_PADDING)
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    match tail.get(blanks..)? {
        [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] => Some(after),
        [] => Some(&[]),
        _ => None,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit.wrapping_sub(b'0'),
        b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

/// Decoded text and whether the label did not fit the bytes.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    /// What had to be guessed, as a sentence; `None` when the label was right.
    pub(crate) repair: Option<String>,
}

/// Decodes `bytes` as `label` says; where the label is missing, unknown or wrong: UTF-8 when the
/// bytes are, else windows-1252.
pub(crate) fn decode_charset(bytes: &[u8], label: Option<&str>) -> Decoded {
    let label = label.map(|l| l.trim().trim_matches(['"', '\'']).to_ascii_lowercase());
    let label = label.as_deref().filter(|l| !l.is_empty());
    let unlabelled = label.is_none_or(|l| {
        matches!(
            l,
            "us-ascii"
                | "ascii"
                | "ansi_x3.4-1968"
                | "unknown-8bit"
                | "x-unknown"
                | "utf-8"
                | "utf8"
        )
    });
    // Escape-based charsets look like ASCII; all others that do need no table.
    if unlabelled && bytes.is_ascii() {
        return Decoded {
            text: String::from_utf8_lossy(bytes).into_owned(),
            repair: None,
        };
    }
    if !unlabelled && let Some(decoder) = label.and_then(|l| charset_decoder(l.as_bytes())) {
        return Decoded {
            text: decoder(bytes),
            repair: None,
        };
    }
    let said = label.unwrap_or("no charset");
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let repair = (!matches!(said, "utf-8" | "utf8"))
                .then(|| format!("labelled {said}, read as UTF-8"));
            Decoded {
                text: text.to_owned(),
                repair,
            }
        }
        Err(_) => Decoded {
            text: windows_1252(bytes),
            repair: Some(format!("labelled {said}, read as windows-1252")),
        },
    }
}

/// Every byte string is windows-1252; the five free places become U+FFFD.
pub(crate) fn windows_1252(bytes: &[u8]) -> String {
    match charset_decoder(b"windows-1252") {
        Some(decoder) => decoder(bytes),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}
