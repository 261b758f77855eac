//! Signed mail whose content lies inside the signature (S/MIME `signed-data`, RFC 8551 3.5.2).
//!
//! The content is read as if it had come beside its signature; nothing is verified here.

use super::fields::line_at;
use super::mime::Tree;

/// 1.2.840.113549.1.7.2 (RFC 5652 5.1).
const SIGNED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];
/// Begins fields that are about the signature and not about what is signed.
const CONTENT: &[u8] = b"content-";
/// Pieces of a content; programs write them of a few kilobytes.
const MAX_PIECES: usize = 100_000;

mod tag {
    pub(super) const OCTETS: u8 = 0x04;
    pub(super) const OBJECT_ID: u8 = 0x06;
    pub(super) const PIECES: u8 = 0x24;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const EXPLICIT: u8 = 0xA0;
}

/// The message with its signed content in place of the signature; `None` when it has none.
pub(crate) fn unwrapped(bytes: &[u8], tree: &Tree) -> Option<Vec<u8>> {
    let root = tree.parts.first()?;
    let kind = root
        .content_type
        .param("smime-type")
        .unwrap_or("signed-data");
    let sealed = root.is("application/pkcs7-mime") || root.is("application/x-pkcs7-mime");
    if !sealed || !kind.eq_ignore_ascii_case("signed-data") {
        return None;
    }
    let content = content_of(&root.decoded(bytes))?;
    Some(put_together(bytes, root.header.body, &content))
}

/// The header but for what it says of the signature, and the content behind it.
fn put_together(bytes: &[u8], body: usize, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.saturating_add(content.len()));
    let mut at = 0usize;
    let mut dropped = false;
    while at < body {
        let Some((line, next)) = line_at(bytes, at) else {
            break;
        };
        if line.trim_ascii().is_empty() {
            break;
        }
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let head = line.get(..CONTENT.len());
            dropped = head.is_some_and(|head| head.eq_ignore_ascii_case(CONTENT));
        }
        if !dropped {
            out.extend_from_slice(bytes.get(at..next).unwrap_or_default());
        }
        at = next;
    }
    let first = content.get(..CONTENT.len());
    if !first.is_some_and(|first| first.eq_ignore_ascii_case(CONTENT)) {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(content);
    out
}

/// The content of SignedData (RFC 5652 5.1), in DER or with open lengths.
fn content_of(der: &[u8]) -> Option<Vec<u8>> {
    let info = enter(der, tag::SEQUENCE)?;
    if enter(info, tag::OBJECT_ID)? != SIGNED_DATA {
        return None;
    }
    let signed = enter(enter(behind(info)?, tag::EXPLICIT)?, tag::SEQUENCE)?;
    // The version and the algorithms stand before the content.
    let content = enter(behind(behind(signed)?)?, tag::SEQUENCE)?;
    octets(enter(behind(content)?, tag::EXPLICIT)?)
}

fn octets(element: &[u8]) -> Option<Vec<u8>> {
    if let Some(whole) = enter(element, tag::OCTETS) {
        return Some(whole.to_vec());
    }
    let mut rest = enter(element, tag::PIECES)?;
    let mut out = Vec::new();
    for _ in 0..MAX_PIECES {
        match enter(rest, tag::OCTETS) {
            Some(piece) => out.extend_from_slice(piece),
            None => break,
        }
        rest = behind(rest)?;
    }
    Some(out)
}

/// Tag, length (`None`: open) and what follows.
fn begin(element: &[u8]) -> Option<(u8, Option<usize>, &[u8])> {
    let (tag, rest) = element.split_first()?;
    let (first, rest) = rest.split_first()?;
    match first {
        0x80 => Some((*tag, None, rest)),
        0..0x80 => Some((*tag, Some(usize::from(*first)), rest)),
        _ => {
            let count = usize::from(first & 0x7F);
            if count > size_of::<u32>() {
                return None;
            }
            let (digits, rest) = rest.split_at_checked(count)?;
            let length = digits
                .iter()
                .fold(0usize, |length, digit| (length << 8) | usize::from(*digit));
            Some((*tag, Some(length), rest))
        }
    }
}

/// What an element with this tag holds; with an open length all that follows.
fn enter(element: &[u8], wanted: u8) -> Option<&[u8]> {
    let (tag, length, rest) = begin(element)?;
    if tag != wanted {
        return None;
    }
    match length {
        Some(length) => rest.get(..length),
        None => Some(rest),
    }
}

/// What follows an element of known length.
fn behind(element: &[u8]) -> Option<&[u8]> {
    let (_, length, rest) = begin(element)?;
    rest.get(length?..)
}

#[cfg(test)]
mod tests {
    use crate::mail::{ParseLimits, ProblemKind, attachment_bytes, parse_message};

    fn element(tag: u8, content: &[u8], open: bool) -> Vec<u8> {
        let mut out = vec![tag];
        match content.len() {
            _ if open => out.push(0x80),
            short @ 0..0x80 => out.push(u8::try_from(short).unwrap()),
            long => {
                out.push(0x82);
                out.extend(u16::try_from(long).unwrap().to_be_bytes());
            }
        }
        out.extend(content);
        if open {
            out.extend([0, 0]);
        }
        out
    }

    fn sealed(content: &[u8], kind: &str, open: bool) -> Vec<u8> {
        let octets = match open {
            true => {
                let pieces: Vec<u8> = content
                    .chunks(50)
                    .flat_map(|piece| element(4, piece, false))
                    .collect();
                element(0x24, &pieces, true)
            }
            false => element(4, content, false),
        };
        let data = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 1];
        let inner = [element(6, &data, false), element(0xA0, &octets, open)].concat();
        let signed = [
            element(2, &[1], false),
            element(0x31, &[], false),
            element(0x30, &inner, open),
        ]
        .concat();
        let signed = element(0xA0, &element(0x30, &signed, open), open);
        let id = element(6, super::SIGNED_DATA, false);
        let der = element(0x30, &[id, signed].concat(), open);
        let mut out = format!(
            "From: bob@example.net\r\nSubject: Signed\r\nMessage-ID: <1@example.net>\r\n\
             Content-Type: application/pkcs7-mime; {kind}\r\n name=smime.p7m\r\n\
             Content-Transfer-Encoding: binary\r\n\r\n"
        )
        .into_bytes();
        out.extend(der);
        out
    }

    #[test]
    fn signed_content_is_read_and_what_is_encrypted_is_not() {
        let content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
            Content-Type: text/plain\r\n\r\nHello Sam\r\n--b\r\n\
            Content-Type: application/pdf; name=a.pdf\r\n\r\n%PDF\r\n--b--\r\n";
        for open in [false, true] {
            let mail = sealed(content, "smime-type=signed-data;", open);
            let view = parse_message(&mail, &ParseLimits::default());
            assert_eq!(
                (view.text.as_str(), view.subject.as_str()),
                ("Hello Sam", "Signed")
            );
            let names: Vec<_> = view
                .attachments
                .iter()
                .map(|a| a.filename.as_deref())
                .collect();
            assert_eq!(names, [Some("a.pdf")]);
            let first = attachment_bytes(&mail, &ParseLimits::default(), 0);
            assert_eq!(first.as_deref(), Some(b"%PDF".as_slice()));
            for cut in 0..mail.len() {
                let view = parse_message(&mail[..cut], &ParseLimits::default());
                assert!(view.text.len() <= mail.len());
            }
            // The identity is that of the message as it came.
            let beside = parse_message(content, &ParseLimits::default());
            assert_ne!(
                view.identity_parts.body_hash,
                beside.identity_parts.body_hash
            );
        }
        let secret = sealed(content, "smime-type=enveloped-data;", false);
        let view = parse_message(&secret, &ParseLimits::default());
        assert!(
            view.problems
                .iter()
                .any(|p| p.kind == ProblemKind::Encrypted)
        );
        assert_eq!(view.text, "");
    }
}
