//! Replies of a server, and what they mean for the mail.

use std::error::Error as _;

use lettre::transport::smtp;
use lettre::transport::smtp::response::Response;
use liaison_core::outbox::weigh;

use super::stream::Record;
use crate::sink::SendOutcome;

/// A reply (RFC 5321 section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Text of all lines, joined by spaces.
    pub(super) text: String,
    /// Its last line was among those read.
    pub(super) complete: bool,
}

impl Reply {
    pub(super) fn is_completion(&self) -> bool {
        (200..300).contains(&self.code)
    }

    pub(super) fn is_refusal(&self) -> bool {
        (400..600).contains(&self.code)
    }

    pub(super) fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// Code and text.
    pub(super) fn words(&self) -> String {
        format!("{} {}", self.code, self.text)
    }

    pub(super) fn into_refused(self) -> SendOutcome {
        let enhanced = enhanced(&self.text);
        SendOutcome::Refused {
            refusal: weigh(self.code, enhanced.as_deref(), &self.text),
            enhanced,
            code: self.code,
            text: self.text,
        }
    }
}

/// The reply to a command, from lettre where it could parse it, else from what was read. An error
/// in words when no reply came.
pub(super) fn reply(
    result: Result<Response, smtp::Error>,
    record: &Record,
) -> Result<Reply, String> {
    match result {
        Ok(response) => {
            let lines: Vec<&str> = response.message().collect();
            Ok(Reply {
                code: response.code().into(),
                text: lines.join(" "),
                complete: true,
            })
        }
        Err(error) => failed_reply(&error, &record.text()),
    }
}

/// The reply behind an error of lettre's, given what was read.
pub(super) fn failed_reply(error: &smtp::Error, read: &str) -> Result<Reply, String> {
    let cause = error.source().map(ToString::to_string);
    if let Some(code) = error.status() {
        return Ok(Reply {
            code: code.into(),
            text: cause.unwrap_or_default().replace(['\r', '\n'], " "),
            complete: true,
        });
    }
    if let Some(reply) = parse(read) {
        return Ok(reply);
    }
    Err(match (error.is_response(), cause) {
        (true, Some(cause)) if cause == "incomplete response" => {
            "the server closed the connection".to_owned()
        }
        (_, Some(cause)) => cause,
        (_, None) => error.to_string(),
    })
}

/// The reply in what was read: whole lines only.
pub(super) fn parse(text: &str) -> Option<Reply> {
    let mut reply: Option<Reply> = None;
    for line in text.split_inclusive('\n') {
        let line = line.strip_suffix('\n')?.trim_end_matches('\r');
        let (code, rest) = line.split_at_checked(3)?;
        let code: u16 = code.parse().ok().filter(|code| (200..600).contains(code))?;
        let (last, words) = match rest.chars().next() {
            Some('-') => (false, rest.trim_start_matches('-')),
            _ => (true, rest.trim_start()),
        };
        let reply = reply.get_or_insert(Reply {
            code,
            text: String::new(),
            complete: false,
        });
        if !reply.text.is_empty() {
            reply.text.push(' ');
        }
        reply.text.push_str(words);
        if last {
            reply.complete = true;
            return Some(reply.clone());
        }
    }
    reply
}

/// Whether `text` is one whole reply and nothing after it.
pub(super) fn is_one_reply(text: &str) -> bool {
    let mut lines = text.split_inclusive('\n');
    let is_last = |line: &str| line.as_bytes().get(3) != Some(&b'-');
    lines
        .find(|line| is_last(line))
        .is_some_and(|last| last.ends_with('\n'))
        && lines.next().is_none()
}

/// The enhanced status code at the front of a text (RFC 3463).
fn enhanced(text: &str) -> Option<String> {
    let word = text.split(' ').next()?;
    let parts: Vec<&str> = word.split('.').collect();
    let is_number = |part: &&str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_class = parts
        .first()
        .is_some_and(|class| ["2", "4", "5"].contains(class));
    (parts.len() == 3 && is_class && parts.iter().all(is_number)).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_from_whole_lines_only() {
        for (text, expected) in [
            ("250 2.0.0 ok\r\n", Some((250, "2.0.0 ok", true))),
            ("250\r\n", Some((250, "", true))),
            ("571 blocked\r\n", Some((571, "blocked", true))),
            ("550-a\r\n550 b\r\n", Some((550, "a b", true))),
            ("250-a\r\n", Some((250, "a", false))),
            ("25", None),
            ("250 cut o", None),
            ("hello\r\n", None),
        ] {
            let found = parse(text);
            let found = found
                .as_ref()
                .map(|r| (r.code, r.text.as_str(), r.complete));
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn a_reply_with_something_after_it_is_not_one_reply() {
        for (text, one) in [
            ("250 ok\r\n", true),
            ("250-a\r\n250 b\r\n", true),
            ("250 ok\r\n421 bye\r\n", false),
            ("250 ok\r\n4", false),
            ("250-a\r\n", false),
            ("250 cut", false),
            ("", false),
        ] {
            assert_eq!(is_one_reply(text), one, "{text:?}");
        }
    }

    #[test]
    fn enhanced_codes_stand_at_the_front() {
        for (text, expected) in [
            ("5.1.1 no such user", Some("5.1.1")),
            ("4.2.2", Some("4.2.2")),
            ("5.7.1337 no", None),
            ("host 5.1.1", None),
            ("10.0.0.1 refused", None),
        ] {
            assert_eq!(enhanced(text).as_deref(), expected);
        }
    }
}
