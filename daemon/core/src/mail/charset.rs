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
/// bytes are, or are but for a few, else windows-1252.
pub(crate) fn decode_charset(bytes: &[u8], label: Option<&str>) -> Decoded {
    decode_labelled(bytes, label, None)
}

/// The same with a second label, that of the HTML, which counts where the first says nothing.
pub(crate) fn decode_labelled(bytes: &[u8], label: Option<&str>, html: Option<&str>) -> Decoded {
    let label = label.map(canonical).filter(|l| !l.is_empty());
    let html = html.map(canonical).filter(|l| !l.is_empty());
    let label = label.filter(|l| !says_little(l) || html.is_none()).or(html);
    let label = label.as_deref();
    let unlabelled = label.is_none_or(|l| says_little(l) || l == "utf-8");
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
    let (text, repair) = match std::str::from_utf8(bytes) {
        Ok(text) if said == "utf-8" => (text.to_owned(), None),
        Ok(text) => (text.to_owned(), Some("UTF-8")),
        Err(_) if is_mostly_utf8(bytes) => (
            String::from_utf8_lossy(bytes).into_owned(),
            Some("UTF-8 with some bytes that are not"),
        ),
        Err(_) => (windows_1252(bytes), Some("windows-1252")),
    };
    Decoded {
        text,
        repair: repair.map(|read| format!("labelled {said}, read as {read}")),
    }
}

/// Labels that programs write without looking.
fn says_little(label: &str) -> bool {
    matches!(
        label,
        "us-ascii" | "ascii" | "ansi_x3.4-1968" | "unknown-8bit" | "x-unknown"
    )
}

/// A label as the table of charsets knows it; some programs write names of their own.
fn canonical(label: &str) -> String {
    let lower = label.trim().to_ascii_lowercase();
    let bare = lower.trim_matches(['"', '\'', ';', ' ']);
    let bare = bare.trim_start_matches("charset=");
    let bare = bare.split([';', ' ']).next().unwrap_or_default();
    let digits: String = bare.chars().filter(char::is_ascii_digit).collect();
    let known = match bare {
        "utf8" | "utf_8" | "utf-8-sig" | "utf8mb4" | "unicode-utf-8" | "x-utf-8" => "utf-8",
        "cp932" | "ms932" | "windows-932" | "sjis" | "x-sjis" => "shift_jis",
        "cp949" | "ms949" | "windows-949" | "uhc" => "euc-kr",
        "cp950" | "ms950" | "windows-950" => "big5",
        "cp936" | "ms936" | "windows-936" | "gb-2312" | "x-gbk" => "gbk",
        "cp874" | "ms874" => "windows-874",
        "latin-1" | "latin_1" | "ansi" | "western" | "iso-latin-1" => "windows-1252",
        _ if digits.len() == 4 && digits.starts_with("125") && !bare.starts_with("cp") => {
            return format!("windows-{digits}");
        }
        _ => bare,
    };
    known.to_owned()
}

/// Text that was spoiled in a few places: it has more whole characters beyond ASCII than bytes
/// that belong to none.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut whole, mut broken) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        let beyond = chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        whole = whole.saturating_add(beyond);
        broken = broken.saturating_add(usize::from(!chunk.invalid().is_empty()));
    }
    whole > broken.saturating_mul(2)
}

/// What `<meta charset=...>` or `<meta ... content="text/html; charset=...">` says.
pub(crate) fn html_charset(html: &[u8]) -> Option<String> {
    /// Octets at the start of a document in which browsers look.
    const MAX_SEARCHED_BYTES: usize = 2_048;
    let head = html.get(..html.len().min(MAX_SEARCHED_BYTES))?;
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut rest = head.as_str();
    while let Some((_, meta)) = rest.split_once("<meta") {
        let (tag, after) = meta.split_once('>').unwrap_or((meta, ""));
        if let Some((_, value)) = tag.split_once("charset=") {
            let value = value.trim_start_matches(['"', '\'', ' ']);
            let named = value
                .split(['"', '\'', ' ', ';', '/'])
                .next()
                .unwrap_or_default();
            // What stands here as ASCII is no UTF-16, whatever it says.
            let believed = !named.is_empty() && !named.starts_with("utf-16");
            return believed.then(|| named.to_owned());
        }
        rest = after;
    }
    None
}

/// Every byte string is windows-1252; the five free places become U+FFFD.
pub(crate) fn windows_1252(bytes: &[u8]) -> String {
    match charset_decoder(b"windows-1252") {
        Some(decoder) => decoder(bytes),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}
