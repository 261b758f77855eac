//! From a decided mail to the bytes that go out. Rendered once, kept, never rebuilt; only the Date of
//! one that waited is made new before its first try (`compose/dated.rs`).
//!
//! Plain text, format=flowed (RFC 3676), where `firm.html` asks for it with an HTML form of the same
//! text beside it, threaded by the answered message (RFC 5322 section
//! 3.6.4). Mode `send` is marked as automatic from the start (RFC 3834 section 5: `auto-replied`
//! when it answers at once, else `auto-generated`). What a person sends from Drafts or releases one
//! by one after reading it (mode `approve`) is not: the RFC forbids the mark on mail that a person
//! submits. A mail of mode `send` that a gate laid before a person keeps its mark: its bytes are
//! what the person said yes to, and at the other end a mark too many costs no more than an
//! automatic answer; one that a person rewrote loses it (`compose/edited.rs`). What is marked as
//! `auto-generated` says how to ask for its end (`List-Unsubscribe`). `X-Liaison-Id` is in all of them, so that our own watchers know them again.
//! Every string from outside was cleaned of controls before it comes here, and header values are typed, so no
//! line break can reach a header.

#[cfg(test)]
mod any_string;
pub mod dated;
pub mod edited;
pub mod html;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::tz::TimeZone;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue, Subject};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use liaison_core::effect::{Audience, MailMode};
use liaison_core::ids::MailboxId;
use liaison_core::mail::clean_text;
use liaison_core::optout::Claim;
use liaison_core::policy::MailPlan;
use liaison_core::proposal::Content;
use liaison_core::time::Timestamp;
use liaison_core::zones;

use crate::books::{Books, BooksError};
use crate::office::Office;
use crate::templates::{TemplateError, Templates, zone_name};
use crate::unsubscribe::UnsubscribeError;

/// Longest line of flowed text, in characters (RFC 3676 section 4.2).
const LINE_CHARS: usize = 72;
/// How an encoded word begins.
const ENCODED_WORD: &str = "=?";
/// Most quoted lines of the answered message.
const QUOTED_LINES_MAX: usize = 60;
/// Longest id of a message that we write into a header, in bytes: a longer one cannot be folded
/// (RFC 5322 section 2.1.1 allows lines of 998).
const ID_BYTES_MAX: usize = 250;
/// Bytes of text in one encoded word, which has 75 characters at most (RFC 2047 section 2).
const ENCODED_BYTES_MAX: usize = 45;
/// Longest rendered mail, in bytes.
const MAIL_BYTES_MAX: usize = 20 * 1024 * 1024;

/// Why a mail could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A template or attachment is missing or wrong.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The answered message could not be read.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// An address cannot stand in a header.
    #[error("`{address}` cannot be written into a header: {why}")]
    Address {
        /// The address.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// The message could not be built.
    #[error("the message could not be built: {0}")]
    Build(String),
    /// Its recipient could not ask for its end.
    #[error("it cannot say how to unsubscribe")]
    Unsubscribe(#[from] UnsubscribeError),
    /// Over [`MAIL_BYTES_MAX`].
    #[error(
        "the mail has {bytes} bytes, at most {MAIL_BYTES_MAX} are sent: use smaller attachments"
    )]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
}

/// Renders a mail.
///
/// # Errors
/// [`ComposeError`]; nothing was written.
pub async fn compose(
    plan: &MailPlan,
    books: &Books,
    office: &Office,
    templates: &Templates,
    now: Timestamp,
) -> Result<Bytes, ComposeError> {
    let zone = office.people.get(&plan.effect.from).map_or_else(
        || office.firm.business.zone_name().to_owned(),
        |person| person.user.zone.clone(),
    );
    let mut text = match &plan.content {
        Content::Text(text) => text.clone(),
        Content::Template { name, variables } => templates.render(name, variables, &zone)?,
    };
    if plan.effect.audience == Audience::Counterpart {
        text = with_signature(&text, signature(plan, office));
        text.push_str(&quoted(plan, books, &zone).await?);
    }
    let text = without_controls(&text);
    let headers = headers(plan, office, now)?;
    let body = SinglePart::builder()
        .header(flowed_type()?)
        .body(flow(&text));
    // Mail among ourselves needs no second form.
    let both = (office.html && plan.effect.audience == Audience::Counterpart).then(|| {
        let page = SinglePart::html(html::html(&text));
        MultiPart::alternative()
            .singlepart(body.clone())
            .singlepart(page)
    });
    let message = if plan.attach.is_empty() {
        match both {
            Some(both) => headers.multipart(both),
            None => headers.singlepart(body),
        }
    } else {
        let mut parts = match both {
            Some(both) => MultiPart::mixed().multipart(both),
            None => MultiPart::mixed().singlepart(body),
        };
        for name in &plan.attach {
            let file = templates.attachment(name)?;
            let kind = ContentType::parse(file.media_type)
                .map_err(|error| ComposeError::Build(error.to_string()))?;
            parts = parts.singlepart(
                Attachment::new(clean_text(&file.filename)).body(file.bytes.to_vec(), kind),
            );
        }
        headers.multipart(parts)
    }
    .map_err(|error| ComposeError::Build(error.to_string()))?;
    let bytes = message.formatted();
    if bytes.len() > MAIL_BYTES_MAX {
        return Err(ComposeError::TooLarge { bytes: bytes.len() });
    }
    Ok(Bytes::from(bytes))
}

fn headers(
    plan: &MailPlan,
    office: &Office,
    now: Timestamp,
) -> Result<lettre::message::MessageBuilder, ComposeError> {
    let effect = &plan.effect;
    let from_name = office
        .people
        .get(&effect.from)
        .map(|person| person.user.name.clone());
    let date = std::time::UNIX_EPOCH
        + std::time::Duration::from_millis(u64::try_from(now.0).unwrap_or_default());
    let mut builder = Message::builder()
        .from(mailbox(from_name.as_deref(), &effect.from)?)
        .to(mailbox(plan.recipient_name.as_deref(), &effect.recipient)?)
        .date(date)
        .message_id(Some(format!("<{}>", effect.message_id)))
        .raw_header(subject(&clean_text(&effect.subject_line)))
        .raw_header(raw("X-Liaison-Id", effect.id.as_str())?);
    if let Some(reply_to) = reply_to(plan, office) {
        builder = builder.reply_to(mailbox(None, reply_to)?);
    }
    if let Some(answered) = &plan.answers
        && let Some(id) = answered.message_id.as_deref().filter(|id| is_safe_id(id))
    {
        let mut references: Vec<String> = answered
            .references
            .iter()
            .filter(|reference| is_safe_id(reference) && *reference != id)
            .map(|reference| format!("<{reference}>"))
            .collect();
        references.push(format!("<{id}>"));
        builder = builder
            .in_reply_to(format!("<{id}>"))
            .references(references.join(" "));
    }
    if effect.mode == MailMode::Send {
        let kind = if plan.is_reply {
            "auto-replied"
        } else {
            "auto-generated"
        };
        builder = builder
            .raw_header(raw("Auto-Submitted", kind)?)
            .raw_header(raw("X-Auto-Response-Suppress", "OOF, AutoReply")?);
        if !plan.is_reply && effect.audience == Audience::Counterpart {
            for (name, value) in unsubscribe(plan, office)? {
                builder = builder.raw_header(written(name, value)?);
            }
        }
    }
    Ok(builder)
}

/// How the recipient of a follow-up asks for its end. The address is where answers go, because
/// there they are found.
fn unsubscribe(
    plan: &MailPlan,
    office: &Office,
) -> Result<Vec<(&'static str, String)>, ComposeError> {
    let effect = &plan.effect;
    let Some(claim) = Claim::of(&effect.id, &effect.recipient) else {
        return Ok(Vec::new());
    };
    let to = reply_to(plan, office).unwrap_or(&effect.from);
    Ok(office.unsubscribe.fields(&claim, to)?)
}

/// A field whose value is ASCII and folded already.
fn written(name: &str, value: String) -> Result<HeaderValue, ComposeError> {
    let name = HeaderName::new_from_ascii(name.to_owned())
        .map_err(|error| ComposeError::Build(error.to_string()))?;
    let plain = value.replace("\r\n ", " ");
    Ok(HeaderValue::dangerous_new_pre_encoded(name, plain, value))
}

/// Where answers shall go, if elsewhere than to From: the configuration alone says so.
fn reply_to<'a>(plan: &MailPlan, office: &'a Office) -> Option<&'a str> {
    let effect = &plan.effect;
    let mailbox = effect.cause.subject.mailbox.as_deref();
    let mailbox = mailbox.filter(|_| effect.audience == Audience::Counterpart)?;
    let route = office.mailboxes.get(&MailboxId::from(mailbox))?;
    route.reply_to.as_deref()
}

/// An id from outside may stand in our header only if it cannot break it.
fn is_safe_id(id: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&id.len())
        && id
            .chars()
            .all(|c| c.is_ascii_graphic() && c != '<' && c != '>')
}

fn raw(name: &str, value: &str) -> Result<HeaderValue, ComposeError> {
    let name = HeaderName::new_from_ascii(name.to_owned())
        .map_err(|error| ComposeError::Build(error.to_string()))?;
    Ok(HeaderValue::new(name, value.to_owned()))
}

/// A subject that is read as it was meant: one that holds what looks like an encoded word (RFC
/// 2047) would be decoded by the reader, so it is encoded whole.
fn subject(text: &str) -> HeaderValue {
    if !text.contains(ENCODED_WORD) {
        return Subject::from(text.to_owned()).display();
    }
    let mut words = vec![String::new()];
    for c in text.chars() {
        match words.last_mut() {
            Some(word) if word.len() + c.len_utf8() <= ENCODED_BYTES_MAX => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    let encoded: Vec<String> = words
        .iter()
        .map(|word| format!("=?utf-8?b?{}?=", STANDARD.encode(word)))
        .collect();
    HeaderValue::dangerous_new_pre_encoded(Subject::name(), text.to_owned(), encoded.join("\r\n "))
}

fn mailbox(name: Option<&str>, address: &str) -> Result<Mailbox, ComposeError> {
    if address.contains(['\\', '"']) {
        return Err(ComposeError::Address {
            address: address.to_owned(),
            why: "its part before the @ is quoted".to_owned(),
        });
    }
    let parsed: Address =
        address.parse().map_err(
            |error: lettre::address::AddressError| ComposeError::Address {
                address: address.to_owned(),
                why: error.to_string(),
            },
        )?;
    // lettre panics on a line break in a display name. What looks like an encoded word would be
    // decoded by many readers even within quotes.
    let clean = |name: &str| clean_text(&clean_text(name).replace(ENCODED_WORD, "= ?"));
    let name = name.map(clean).filter(|name| !name.is_empty());
    Ok(Mailbox::new(name, parsed))
}

fn flowed_type() -> Result<ContentType, ComposeError> {
    ContentType::parse("text/plain; charset=utf-8; format=flowed")
        .map_err(|error| ComposeError::Build(error.to_string()))
}

fn signature<'a>(plan: &MailPlan, office: &'a Office) -> Option<&'a str> {
    let own = office
        .people
        .get(&plan.effect.from)
        .and_then(|p| p.signature.as_deref());
    own.or(office.signature.as_deref())
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

fn with_signature(text: &str, signature: Option<&str>) -> String {
    let text = text.trim_end();
    match signature {
        Some(signature) => format!("{text}\n\n-- \n{signature}\n"),
        None => format!("{text}\n"),
    }
}

/// The answered message, quoted, with a line that says whose it is.
async fn quoted(plan: &MailPlan, books: &Books, zone: &str) -> Result<String, ComposeError> {
    let Some(answered) = &plan.answers else {
        return Ok(String::new());
    };
    let Some(bytes) = books.bytes(&answered.content).await? else {
        return Ok(String::new());
    };
    let Ok(view) = crate::reader::read(bytes).await else {
        return Ok(String::new());
    };
    let written = view.body.reply.trim();
    if written.is_empty() {
        return Ok(String::new());
    }
    let who = answered.from.as_ref().map_or_else(String::new, |person| {
        person.name.clone().unwrap_or_else(|| person.email.clone())
    });
    let zone = zones::zone(zone).unwrap_or(TimeZone::UTC);
    let date = answered.date.to_jiff().to_zoned(zone);
    let date = format!("{} {}", date.strftime("%-d %B %Y, %H:%M"), zone_name(&date));
    let mut text = format!("\nOn {date}, {who} wrote:\n");
    for line in written.lines().take(QUOTED_LINES_MAX) {
        // Without trailing space, so that a flowed reader does not join quoted lines.
        text.push_str(&format!("> {}", line.trim_end()));
        text.push('\n');
    }
    if written.lines().count() > QUOTED_LINES_MAX {
        text.push_str("> [...]\n");
    }
    Ok(text)
}

fn without_controls(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "")
}

/// Wraps long lines the flowed way: a space before the break says that the line goes on.
///
/// A carriage return alone ends a line too, other controls go: a mail may hold neither. Quoted lines
/// and the signature separator stay as they are; lines that begin with a space,
/// `From ` or `>` are stuffed (RFC 3676 section 4.4).
#[must_use]
pub fn flow(text: &str) -> String {
    let text = without_controls(text);
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if line == "-- " || line.starts_with('>') {
            out.push_str(line);
            out.push_str("\r\n");
            continue;
        }
        let line = line.trim_end();
        let mut width = 0;
        let stuffed = line.starts_with(' ') || line.starts_with("From ");
        if stuffed {
            out.push(' ');
        }
        for (index, word) in line.split(' ').enumerate() {
            let length = word.chars().count();
            if index > 0 {
                out.push(' ');
                width += 1;
                if width + length > LINE_CHARS {
                    out.push_str("\r\n");
                    width = 0;
                    if word.starts_with('>') || word == "From" {
                        out.push(' ');
                    }
                }
            }
            out.push_str(word);
            width += length;
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_flow_and_come_back_whole() {
        let line = "word ".repeat(40);
        let flowed = flow(line.trim_end());
        let lines: Vec<&str> = flowed.lines().collect();
        assert!(
            lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= 73),
            "{lines:?}"
        );
        assert!(
            lines[..lines.len() - 1]
                .iter()
                .all(|line| line.ends_with(' '))
        );
        assert_eq!(lines.concat(), line.trim_end());
    }

    #[test]
    fn quotes_and_the_signature_line_are_left_alone() {
        assert_eq!(flow("-- \nAlice"), "-- \r\nAlice\r\n");
        assert_eq!(flow("> said this"), "> said this\r\n");
        assert_eq!(flow(" indented"), "  indented\r\n");
    }

    #[tokio::test]
    async fn an_answer_quotes_with_zone_and_offset_in_both_forms() {
        let world = crate::delivery::tests::world::World::new();
        let mut office = crate::delivery::tests::world::office();
        office.html = true;
        let theirs = Bytes::from_static(
            b"From: bob@example.net\r\nMessage-ID: <b@example.net>\r\n\r\n2 < 3?\r\n",
        );
        let mut answered = crate::api::tests::message("answered", "human");
        answered.content = world.books.keep(theirs).await.unwrap();
        answered.date = Timestamp(1_772_445_600_000);
        answered.from = Some(liaison_core::message::Person {
            name: Some("Bob".to_owned()),
            email: "bob@example.net".to_owned(),
        });
        let plan = MailPlan {
            effect: crate::delivery::tests::world::mail("one", "", answered.date),
            recipient_name: None,
            content: Content::Text("Hello Bob,\n\nyes.".to_owned()),
            attach: Vec::new(),
            answers: Some(answered),
            is_reply: true,
        };
        let templates = Templates::new(None, None);
        let now = plan.effect.created;
        let bytes = compose(&plan, &world.books, &office, &templates, now).await;
        let text = String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        let line = "On 2 March 2026, 11:00 CET (UTC+1), Bob wrote:";
        assert!(text.contains(&format!("{line}\r\n> 2 < 3?\r\n")), "{text}");
        let page = format!("<p>{line}</p>\r\n<blockquote type=\"cite\">\r\n<p>2 &lt; 3?</p>");
        assert!(
            text.replace("=\r\n", "")
                .replace("=3D", "=")
                .contains(&page),
            "{text}"
        );
    }

    #[test]
    fn a_display_name_cannot_break_a_header() {
        let built = mailbox(Some("Eve\r\nBcc: x@example.net"), "eve@example.com").unwrap();
        assert_eq!(built.name.as_deref(), Some("Eve Bcc: x@example.net"));
        assert!(mailbox(None, "no address").is_err());
        assert!(!is_safe_id("a@b\r\nX: y") && !is_safe_id("a b@c") && is_safe_id("a@b"));
    }
}
