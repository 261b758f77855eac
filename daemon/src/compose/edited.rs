//! A rendered mail with other words: what a person changed is rendered anew, everything else stays
//! as it was rendered, byte for byte.
//!
//! Subject, Date and the ids are new, the text part is new (and an HTML form of it where the old one
//! had one), and the marks of automatic mail go: a person wrote this one. Recipients, threading and attachments
//! are those of the mail that it replaces.

use bytes::Bytes;
use lettre::message::header::{self, Headers};
use lettre::message::{MultiPart, SinglePart};
use liaison_core::ids::EffectId;
use liaison_core::outbox::words::Words;
use liaison_core::time::Timestamp;

use super::{ComposeError, MAIL_BYTES_MAX, flow, flowed_type, html};
use crate::reader::ReaderBroke;

/// Marks of mail that no person wrote.
const AUTOMATIC: [&str; 4] = [
    "auto-submitted",
    "x-auto-response-suppress",
    "list-unsubscribe",
    "list-unsubscribe-post",
];

/// Why a rendered mail cannot be given other words.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is none that we rendered.
    #[error("the rendered message has no text that can be changed")]
    Form,
    /// It cannot be read.
    #[error(transparent)]
    Reader(#[from] ReaderBroke),
    /// The new one cannot be rendered.
    #[error(transparent)]
    Compose(#[from] ComposeError),
}

/// By what the new mail is known.
#[derive(Debug)]
pub struct Known<'a> {
    /// Its key.
    pub id: &'a EffectId,
    /// Its Message-ID, without brackets.
    pub message_id: &'a str,
    /// When it was changed.
    pub now: Timestamp,
}

/// A rendered mail in its pieces.
#[derive(Debug)]
struct Pieces<'a> {
    /// Fields with their names, each with its line ends.
    fields: Vec<(String, &'a str)>,
    /// Body up to the text part.
    before: &'a str,
    /// The text part with its header, where it is not the whole message.
    part: Option<&'a str>,
    /// Body behind it.
    after: &'a str,
}

/// The words of a rendered mail: its paragraphs whole, as a person edits them.
///
/// # Errors
/// When it is none of ours.
pub async fn words_of(bytes: &Bytes) -> Result<Words, EditError> {
    let rendered = std::str::from_utf8(bytes).map_err(|_| EditError::Form)?;
    let pieces = Pieces::of(rendered).ok_or(EditError::Form)?;
    let whole = crate::reader::read(bytes.clone()).await?;
    let text = match pieces.part {
        Some(part) => crate::reader::read(Bytes::copy_from_slice(part.as_bytes())).await?,
        None => whole.clone(),
    };
    match whole.truncated || text.truncated {
        true => Err(EditError::Form),
        false => Ok(Words::tidy(&whole.subject, &text.text)),
    }
}

/// The mail with other words.
///
/// # Errors
/// When it is none of ours, or is too large.
pub fn with_words(bytes: &[u8], words: &Words, known: &Known<'_>) -> Result<Bytes, EditError> {
    let rendered = std::str::from_utf8(bytes).map_err(|_| EditError::Form)?;
    let pieces = Pieces::of(rendered).ok_or(EditError::Form)?;
    let text = SinglePart::builder()
        .header(flowed_type()?)
        .body(flow(&words.text));
    let part = match pieces.has_html() {
        true => MultiPart::alternative()
            .singlepart(text)
            .singlepart(SinglePart::html(html::html(&words.text)))
            .formatted(),
        false => text.formatted(),
    };
    let mut out = Vec::with_capacity(bytes.len().saturating_add(part.len()));
    for (name, field) in &pieces.fields {
        let of_text = name.starts_with("content-") && pieces.part.is_none();
        match name.as_str() {
            "subject" => {
                let mut headers = Headers::new();
                headers.insert_raw(super::subject(&words.subject));
                out.extend(headers.to_string().into_bytes());
            }
            "date" => out.extend(fresh(super::dated::of(known.now))),
            "message-id" => out.extend(format!("Message-ID: <{}>\r\n", known.message_id).bytes()),
            "x-liaison-id" => out.extend(format!("X-Liaison-Id: {}\r\n", known.id).bytes()),
            name if of_text || AUTOMATIC.contains(&name) => {}
            _ => out.extend(field.bytes()),
        }
    }
    if pieces.part.is_some() {
        out.extend(b"\r\n");
        out.extend(pieces.before.bytes());
        out.extend(part.strip_suffix(b"\r\n").unwrap_or(&part));
        out.extend(pieces.after.bytes());
    } else {
        out.extend(part);
    }
    if out.len() > MAIL_BYTES_MAX {
        return Err(ComposeError::TooLarge { bytes: out.len() }.into());
    }
    Ok(Bytes::from(out))
}

/// A field as it is written.
pub(super) fn fresh(field: impl header::Header) -> Vec<u8> {
    let mut headers = Headers::new();
    headers.set(field);
    headers.to_string().into_bytes()
}

impl Pieces<'_> {
    /// Whether the text has an HTML form beside it.
    fn has_html(&self) -> bool {
        let head = match self.part {
            Some(part) => part.split("\r\n\r\n").next().unwrap_or_default(),
            None => {
                let mut fields = self.fields.iter();
                let content = fields.find(|(name, _)| name == "content-type");
                content.map_or("", |(_, field)| field)
            }
        };
        head.to_ascii_lowercase().contains("multipart/alternative")
    }

    fn of(rendered: &str) -> Option<Pieces<'_>> {
        let end = rendered.find("\r\n\r\n")?;
        let (head, body) = rendered.split_at_checked(end.saturating_add(2))?;
        let body = body.strip_prefix("\r\n")?;
        let fields = fields(head)?;
        let has = |name: &str| fields.iter().any(|(known, _)| known == name);
        if !["subject", "date", "message-id", "x-liaison-id"]
            .into_iter()
            .all(has)
        {
            return None;
        }
        let content = fields.iter().find(|(name, _)| name == "content-type");
        let content = content.map_or("", |(_, field)| field);
        let Some(boundary) = mixed_boundary(content) else {
            return Some(Pieces {
                fields,
                before: "",
                part: None,
                after: "",
            });
        };
        let open = format!("--{boundary}\r\n");
        let start = body.find(&open)?.saturating_add(open.len());
        let (before, rest) = body.split_at_checked(start)?;
        let (part, after) = rest.split_at_checked(rest.find(&format!("\r\n--{boundary}"))?)?;
        Some(Pieces {
            fields,
            before,
            part: Some(part),
            after,
        })
    }
}

/// The fields of a header, each with the lines that continue it, and its name in lower case.
pub(super) fn fields(head: &str) -> Option<Vec<(String, &str)>> {
    let mut found = Vec::new();
    let mut rest = head;
    while !rest.is_empty() {
        let mut end = 0_usize;
        loop {
            let (_, from) = rest.split_at_checked(end)?;
            end = end.saturating_add(from.find("\r\n")?).saturating_add(2);
            let (_, next) = rest.split_at_checked(end)?;
            if !next.starts_with([' ', '\t']) {
                break;
            }
        }
        let (field, next) = rest.split_at_checked(end)?;
        let (name, _) = field.split_once(':')?;
        found.push((name.to_ascii_lowercase(), field));
        rest = next;
    }
    Some(found)
}

/// The boundary of `multipart/mixed`, in which the text part comes first.
fn mixed_boundary(content_type: &str) -> Option<&str> {
    let (_, value) = content_type.split_once(':')?;
    let is_mixed = value
        .trim_start()
        .get(..15)
        .is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/mixed"));
    let (_, boundary) = value.split_once("boundary=").filter(|_| is_mixed)?;
    match boundary.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => boundary.split([';', ' ', '\r']).next(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use lettre::Message;
    use lettre::message::Attachment;
    use lettre::message::header::ContentType;

    use super::*;

    fn builder() -> lettre::message::MessageBuilder {
        Message::builder()
            .from("Alice <alice@ourfirm.example>".parse().unwrap())
            .to("Bob <bob@example.net>".parse().unwrap())
            .subject("Re: Gr\u{f6}\u{df}e")
            .date(UNIX_EPOCH)
            .message_id(Some("<liaison.old@ourfirm.example>".to_owned()))
            .raw_header(super::super::raw("X-Liaison-Id", "old").unwrap())
            .in_reply_to("<a@example.net>".to_owned())
            .references("<z@example.net> <a@example.net>".to_owned())
            .raw_header(super::super::raw("Auto-Submitted", "auto-replied").unwrap())
            .raw_header(super::super::raw("X-Auto-Response-Suppress", "OOF").unwrap())
    }

    fn text_part(text: &str) -> SinglePart {
        let kind = flowed_type().unwrap();
        SinglePart::builder().header(kind).body(flow(text))
    }

    fn old() -> String {
        let long = "word ".repeat(40);
        format!(
            "Hello Bob,\n\n{}\n\n-- \nAlice\n\nOn Monday, Bob wrote:\n> {{{{name}}}}\n",
            long.trim()
        )
    }

    async fn edited(message: Message) -> (Bytes, liaison_core::mail::MessageView) {
        let bytes = Bytes::from(message.formatted());
        let before = words_of(&bytes).await.unwrap();
        assert_eq!(before, Words::tidy("Re: Gr\u{f6}\u{df}e", &old()));
        let words = Words::tidy(
            "Re: Gr\u{f6}\u{df}e, neu",
            &old().replace("Hello", "Gr\u{fc}\u{df} Gott"),
        );
        let id = EffectId::from("new");
        let known = Known {
            id: &id,
            message_id: "liaison.new@ourfirm.example",
            now: Timestamp(1_772_000_000_000),
        };
        let after = with_words(&bytes, &words, &known).unwrap();
        assert_eq!(words_of(&after).await.unwrap(), words);
        let view = crate::reader::read(after.clone()).await.unwrap();
        assert_eq!(view.problems, Vec::new());
        assert_eq!(view.message_id.as_deref(), Some(known.message_id));
        assert_eq!(view.liaison_id.as_deref(), Some("new"));
        assert_eq!(view.date, Some(known.now));
        assert_eq!(view.to[0].address.to_string(), "bob@example.net");
        assert_eq!(view.in_reply_to, ["a@example.net"]);
        assert_eq!(view.references, ["z@example.net", "a@example.net"]);
        assert_eq!(view.header("Auto-Submitted"), None);
        assert_eq!(view.header("X-Auto-Response-Suppress"), None);
        (after, view)
    }

    #[tokio::test]
    async fn other_words_keep_thread_and_recipient_and_lose_the_mark_of_automatic_mail() {
        let (bytes, view) = edited(builder().singlepart(text_part(&old())).unwrap()).await;
        assert!(view.attachments.is_empty());
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(text.matches("Content-Type:").count(), 1, "{text}");
        assert_eq!(text.matches("MIME-Version:").count(), 1, "{text}");
    }

    #[tokio::test]
    async fn attachments_stay_byte_for_byte() {
        let file: Vec<u8> = (0..=255).cycle().take(3_000).collect();
        let kind = ContentType::parse("application/pdf").unwrap();
        let part = Attachment::new("offer.pdf".to_owned()).body(file, kind.clone());
        let notes = Attachment::new("notes.txt".to_owned())
            .body("not the text".to_owned(), ContentType::TEXT_PLAIN);
        let mixed = MultiPart::mixed()
            .singlepart(text_part(&old()))
            .singlepart(part)
            .singlepart(notes);
        let message = builder().multipart(mixed).unwrap();
        let before = message.formatted();
        let (bytes, view) = edited(message).await;
        let names: Vec<_> = view.attachments.iter().collect();
        assert_eq!(names.len(), 2, "{names:?}");
        let tail = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            text.split_once("Content-Disposition").unwrap().1.to_owned()
        };
        assert_eq!(tail(&bytes), tail(&before));
    }

    #[tokio::test]
    async fn an_html_form_is_made_anew_of_the_new_words() {
        let both = MultiPart::alternative()
            .singlepart(text_part(&old()))
            .singlepart(SinglePart::html("<p>Hello Bob".to_owned()));
        let mixed = MultiPart::mixed().multipart(both.clone());
        for before in [both, mixed] {
            let (bytes, _) = edited(builder().multipart(before).unwrap()).await;
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            assert!(!text.contains("<p>Hello Bob"), "{text}");
            assert!(text.contains("multipart/alternative"), "{text}");
            let (_, page) = text.split_once("text/html").unwrap();
            assert!(page.contains("Gott Bob"), "{page}");
        }
    }

    #[tokio::test]
    async fn what_we_did_not_render_is_left_alone() {
        for text in ["", "no header", "Subject: x\r\n\r\nhi", "Subject: x\r\n"] {
            let words = words_of(&Bytes::from(text)).await;
            assert!(matches!(words, Err(EditError::Form)), "{text:?}");
        }
    }
}
