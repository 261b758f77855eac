//! Messages for tests: a builder for RFC 5322 bytes, and in [`cast`] the sample inbox.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

pub mod cast;

/// Separates the parts of a multipart; occurs in no text of ours.
const BOUNDARY: &str = "=_liaison-test-part";

/// Characters of base64 in a line (RFC 2045, 6.8).
const BASE64_LINE: usize = 76;

/// A message being written. What is not set is not in the message, except `Date`, which is now.
#[derive(Debug, Clone)]
pub struct Mail {
    from: String,
    to: String,
    subject: String,
    body: String,
    date: Option<Timestamp>,
    headers: Vec<(String, String)>,
    top: Vec<(String, String)>,
    attachments: Vec<Attachment>,
}

#[derive(Debug, Clone)]
struct Attachment {
    name: String,
    content_type: String,
    bytes: Vec<u8>,
}

impl Mail {
    /// A message with a subject and an empty body. Addresses are header values: `Ann <a@b>`.
    pub fn new(from: &str, to: &str, subject: &str) -> Mail {
        Mail {
            from: from.to_owned(),
            to: to.to_owned(),
            subject: subject.to_owned(),
            body: String::new(),
            date: None,
            headers: Vec::new(),
            top: Vec::new(),
            attachments: Vec::new(),
        }
    }

    /// The text, with `\n` line ends.
    #[must_use]
    pub fn body(mut self, text: &str) -> Mail {
        text.clone_into(&mut self.body);
        self
    }

    /// `Message-ID`, without angle brackets.
    #[must_use]
    pub fn message_id(self, id: &str) -> Mail {
        self.header("Message-ID", &format!("<{id}>"))
    }

    /// `In-Reply-To` and `References`: the ids of the thread, oldest first, without angle brackets.
    #[must_use]
    pub fn reply_to_ids(self, thread: &[&str]) -> Mail {
        let Some(last) = thread.last() else {
            return self;
        };
        let all: Vec<_> = thread.iter().map(|id| format!("<{id}>")).collect();
        let mail = self.header("In-Reply-To", &format!("<{last}>"));
        mail.header("References", &all.join("\r\n "))
    }

    /// When it was written.
    #[must_use]
    pub fn date(mut self, date: Timestamp) -> Mail {
        self.date = Some(date);
        self
    }

    /// One more header, as written.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Mail {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What our own mail server found: all of SPF, DKIM and DMARC say `verdict` for the domain of
    /// `From`, in an `Authentication-Results` header of `authserv_id` (RFC 8601).
    #[must_use]
    pub fn authentication(mut self, authserv_id: &str, verdict: &str) -> Mail {
        let domain = self
            .from
            .rsplit('@')
            .next()
            .unwrap_or_default()
            .trim_end_matches('>');
        let value = format!(
            "{authserv_id};\r\n spf={verdict} smtp.mailfrom={domain};\r\n \
             dkim={verdict} header.d={domain};\r\n dmarc={verdict} header.from={domain}"
        );
        self.top.push(("Authentication-Results".to_owned(), value));
        self
    }

    /// An attached file.
    #[must_use]
    pub fn attach(mut self, name: &str, content_type: &str, bytes: &[u8]) -> Mail {
        self.attachments.push(Attachment {
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            bytes: bytes.to_owned(),
        });
        self
    }

    /// The message with CRLF line ends.
    ///
    /// # Panics
    /// If the date is outside the years that RFC 5322 can write.
    pub fn build(&self) -> Vec<u8> {
        let date = self.date.unwrap_or_else(Timestamp::now);
        let date = rfc2822::DateTimePrinter::new()
            .timestamp_to_string(&date)
            .expect("a date of this era");
        let mut out = Vec::new();
        for (name, value) in &self.top {
            line(&mut out, &format!("{name}: {value}"));
        }
        line(&mut out, &format!("From: {}", self.from));
        line(&mut out, &format!("To: {}", self.to));
        line(&mut out, &format!("Subject: {}", encoded(&self.subject)));
        line(&mut out, &format!("Date: {date}"));
        for (name, value) in &self.headers {
            line(&mut out, &format!("{name}: {value}"));
        }
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("MIME-Version"))
        {
            line(&mut out, "MIME-Version: 1.0");
        }
        let own_type = self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("Content-Type"));
        if own_type {
            line(&mut out, "");
            text(&mut out, &self.body);
        } else if self.attachments.is_empty() {
            self.text_part(&mut out);
        } else {
            self.multipart(&mut out);
        }
        out
    }

    fn text_part(&self, out: &mut Vec<u8>) {
        line(out, "Content-Type: text/plain; charset=utf-8");
        line(out, "Content-Transfer-Encoding: 8bit");
        line(out, "");
        text(out, &self.body);
    }

    fn multipart(&self, out: &mut Vec<u8>) {
        line(
            out,
            &format!("Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\""),
        );
        line(out, "");
        line(out, &format!("--{BOUNDARY}"));
        self.text_part(out);
        for Attachment {
            name,
            content_type,
            bytes,
        } in &self.attachments
        {
            line(out, &format!("--{BOUNDARY}"));
            line(
                out,
                &format!("Content-Type: {content_type}; name=\"{name}\""),
            );
            line(
                out,
                &format!("Content-Disposition: attachment; filename=\"{name}\""),
            );
            line(out, "Content-Transfer-Encoding: base64");
            line(out, "");
            for chunk in STANDARD.encode(bytes).as_bytes().chunks(BASE64_LINE) {
                out.extend_from_slice(chunk);
                line(out, "");
            }
        }
        line(out, &format!("--{BOUNDARY}--"));
    }
}

/// The unfolded value of the first header of this name in a message; `None` where it has none.
pub fn header(message: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    let mut value: Option<String> = None;
    for line in text.lines() {
        if line.is_empty() {
            break;
        }
        if let Some(value) = &mut value {
            if !line.starts_with([' ', '\t']) {
                break;
            }
            value.push_str(line);
        } else if let Some((key, rest)) = line.split_once(':')
            && key.trim().eq_ignore_ascii_case(name)
        {
            value = Some(rest.trim_start().to_owned());
        }
    }
    value
}

/// The text after the headers of a message without parts.
pub fn body_of(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message).replace("\r\n", "\n");
    text.split_once("\n\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default()
}

fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn text(out: &mut Vec<u8>, text: &str) {
    for each in text.lines() {
        line(out, each);
    }
}

/// A subject as an encoded word (RFC 2047) where it is not ASCII.
fn encoded(subject: &str) -> String {
    if subject.is_ascii() {
        return subject.to_owned();
    }
    format!("=?utf-8?B?{}?=", STANDARD.encode(subject))
}
