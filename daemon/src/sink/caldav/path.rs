//! Paths of a CalDAV server in one spelling, so that they can be compared.

use std::fmt::Write;

/// One spelling for all spellings of a path (RFC 3986 section 6.2.2).
///
/// Servers write `@` as `%40` in listings and leave it plain elsewhere; spaces and other letters
/// come raw or encoded. Encoded slashes stay encoded, and so do dots: those that somebody took
/// the trouble to encode must not become a way up. Idempotent.
pub(super) fn canonical(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut rest = path.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        let (byte, encoded) = match (byte, encoded_byte(rest.as_slice())) {
            (b'%', Some(decoded)) => {
                rest.nth(1);
                (decoded, true)
            }
            _ => (byte, false),
        };
        let plain = if encoded {
            is_plain(byte) && byte != b'.'
        } else {
            is_plain(byte) || byte == b'/'
        };
        if plain {
            text.push(char::from(byte));
        } else if write!(text, "%{byte:02X}").is_err() {
            return text; // writing to a String does not fail
        }
    }
    text
}

fn encoded_byte(after_percent: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(after_percent.get(..2)?).ok()?;
    let both = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    both.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// RFC 3986: unreserved, sub-delims, `:` and `@`.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

/// Path part of an href, which may be a whole address; `None` for one of another server.
pub(super) fn of_href(href: &str, is_ours: impl Fn(&hyper::Uri) -> bool) -> Option<String> {
    let href = href.trim();
    if href.starts_with('/') && !href.starts_with("//") {
        return Some(canonical(href));
    }
    let uri: hyper::Uri = href.parse().ok()?;
    is_ours(&uri).then(|| canonical(uri.path()))
}

/// The same path with a slash at its end: collections have one.
pub(super) fn with_slash(mut path: String) -> String {
    if !path.ends_with('/') {
        path.push('/');
    }
    path
}
