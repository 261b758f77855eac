//! `application/x-www-form-urlencoded`: bodies and queries, both ways.

use std::fmt::Write;

/// Fields as a body or query.
pub(super) fn encode<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in fields {
        if !out.is_empty() {
            out.push('&');
        }
        escape(name, &mut out);
        out.push('=');
        escape(value, &mut out);
    }
    out
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// The first value of a field in a query; `None` also when it is no text.
pub(super) fn field(query: &str, name: &str) -> Option<String> {
    let fields = query.split('&').filter_map(|field| field.split_once('='));
    let (_, value) = fields.into_iter().find(|(found, _)| *found == name)?;
    decode(value)
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_again() {
        let fields = [("scope", "a b&c=d"), ("state", "é%+"), ("empty", "")];
        let text = encode(fields);
        assert_eq!(text, "scope=a%20b%26c%3Dd&state=%C3%A9%25%2B&empty=");
        for (name, value) in fields {
            assert_eq!(field(&text, name).as_deref(), Some(value));
        }
        assert_eq!(field("a=1+2&a=3", "a").as_deref(), Some("1 2"));
        for broken in ["a=%", "a=%4", "a=%zz", "a=%ff", "b=1", ""] {
            assert_eq!(field(broken, "a"), None, "{broken}");
        }
    }
}
