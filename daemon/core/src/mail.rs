//! What a message says: addresses, identity, class, text, attachments.
//!
//! Reading never fails: any bytes give a [`MessageView`], and what was wrong with them stands in
//! its `problems`. Everything that came from outside is cleaned here, once, so that nothing behind
//! this border meets a control character in a name or a line break in a subject.

use serde::{Deserialize, Serialize};

use crate::ids::{Identity, MessageKey, message_key};
use crate::time::Timestamp;

pub mod address;
mod attachment;
pub mod authenticity;
pub mod automatic;
mod body;
mod charset;
mod date;
mod fields;
mod flowed;
pub mod forward;
mod html;
pub mod inspect;
mod mime;
mod octets;
mod problem;
pub mod reply;
mod smime;
mod subject;
pub mod thread;
mod tnef;
mod uuencode;
mod words;

pub use address::{Address, AddressError, Domain, NamedAddress, clean_text};
pub use attachment::{AttachmentView, CalendarPart, attachment_bytes};
pub use authenticity::{Authenticity, DkimCheck, DkimDoubt, Verdict, authenticity, judged};
pub use automatic::{
    BounceKind, BounceReport, BouncedRecipient, Classification, MessageClass, OutOfOffice,
};
pub use forward::ForwardedOriginal;
pub use inspect::inspect_json;
pub use problem::{ParseLimits, Problem, ProblemKind};
pub use reply::{BodyParts, Confidence, Span, SpanKind};
pub use subject::base_subject;
pub use thread::{
    Standing, ThreadEvidence, may_continue, new_thread_id, standing_names, thread_candidates,
};

pub(crate) use date::parse_date;

use fields::HeaderSection;
use mime::Tree;

/// An Authentication-Results field and whether our own server can have written it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationField {
    /// The field body, unfolded and cleaned.
    pub value: String,
    /// Whether it stands above the first Received field that is no local delivery.
    pub above_received: bool,
}

/// What stands for the message besides its Message-ID, Date and From.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityParts {
    /// BLAKE3 over the body with CRLF line ends.
    pub body_hash: [u8; 32],
    /// Address of the first From field, lower case; empty when there is none.
    pub from: String,
}

/// A message as the rest of the program sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    /// Message-ID without brackets.
    pub message_id: Option<String>,
    /// Ids of In-Reply-To without brackets.
    pub in_reply_to: Vec<String>,
    /// Ids of References without brackets, oldest first.
    pub references: Vec<String>,
    /// When it was written, as the sender says.
    pub date: Option<Timestamp>,
    /// The Date field as written.
    pub date_raw: Option<String>,
    /// The sender's offset from UTC.
    pub date_offset_minutes: Option<i32>,
    /// Authors, of all From fields.
    pub from: Vec<NamedAddress>,
    /// How many From fields there are; other than 1 means that the sender is not known.
    pub from_field_count: usize,
    /// The Sender field.
    pub sender: Vec<NamedAddress>,
    /// Where answers shall go, if elsewhere.
    pub reply_to: Vec<NamedAddress>,
    /// Recipients.
    pub to: Vec<NamedAddress>,
    /// Recipients of copies.
    pub cc: Vec<NamedAddress>,
    /// Recipients of blind copies; in drafts and sent mail only.
    pub bcc: Vec<NamedAddress>,
    /// The subject, decoded and cleaned.
    pub subject: String,
    /// The subject without `Re:`, `AW:`, `[list]` and their like.
    pub base_subject: String,
    /// Person or program, with reasons.
    pub class: Classification,
    /// The text, from HTML where there is no other; lines end in `\n`.
    pub text: String,
    /// The text divided into what is new, quoted, and signature.
    pub body: BodyParts,
    /// Attached files.
    pub attachments: Vec<AttachmentView>,
    /// Calendar objects (iMIP), raw.
    pub calendar_parts: Vec<CalendarPart>,
    /// Messages inside this one.
    pub forwarded: Vec<ForwardedOriginal>,
    /// Our own stamp, X-Liaison-Id.
    pub liaison_id: Option<String>,
    /// All fields, decoded and cleaned, in order.
    pub headers: Vec<(String, String)>,
    /// What all messages of an Outlook conversation share of Thread-Index, in hexadecimal.
    pub thread_index: Option<String>,
    /// Authentication-Results fields from the top.
    pub authentication_results: Vec<AuthenticationField>,
    /// What was wrong.
    pub problems: Vec<Problem>,
    /// For [`MessageView::key`].
    pub identity_parts: IdentityParts,
    /// A limit was met, so something was not read.
    pub truncated: bool,
}

impl MessageView {
    /// The event key: equal for all copies of the message.
    #[must_use]
    pub fn key(&self) -> MessageKey {
        message_key(&self.identity())
    }

    /// What the key is made of.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            message_id: self.message_id.as_deref().unwrap_or_default(),
            date: self.date_raw.as_deref().unwrap_or_default(),
            from: &self.identity_parts.from,
            body_hash: self.identity_parts.body_hash,
        }
    }

    /// The first such field, decoded and cleaned.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }
}

/// Problems listed of one message; broken files have one per line.
const MAX_PROBLEMS: usize = 100;

/// Reads a message; any bytes give a view.
#[must_use]
pub fn parse_message(bytes: &[u8], limits: &ParseLimits) -> MessageView {
    let (bytes, mut repairs) = octets::readable(bytes);
    let whole = bytes.as_ref();
    let too_large = whole.len() > limits.max_message_bytes;
    let mut tree = if too_large {
        Tree::header_only(whole, limits)
    } else {
        Tree::read(whole, limits)
    };
    // Copies of a message are equal as they came, whatever is read out of them.
    let body = tree.parts.first().map_or(0, |root| root.header.body);
    let hash = body_hash(whole.get(body..).unwrap_or_default());
    let unwrapped = smime::unwrapped(whole, &tree);
    if let Some(content) = &unwrapped {
        tree = Tree::read(content, limits);
    }
    let bytes = unwrapped.as_deref().unwrap_or(whole);
    let mut problems = std::mem::take(&mut tree.problems);
    let read_something = tree
        .parts
        .first()
        .is_some_and(|p| !p.header.fields.is_empty());
    let told = problems.iter().any(|p| p.kind == ProblemKind::NoHeader);
    if !read_something && !told {
        let detail = "there is no header field: all is taken as body";
        problems.insert(0, Problem::new(ProblemKind::NoHeader, detail));
    }
    problems.append(&mut repairs);
    if bytes.is_empty() {
        problems.clear();
        problems.push(Problem::new(ProblemKind::Empty, "the message is empty"));
    }
    if too_large {
        let detail = format!(
            "larger than {} bytes: only the header was read",
            limits.max_message_bytes
        );
        problems.push(Problem::new(ProblemKind::MessageTooLarge, detail));
    }
    if bytes.contains(&0) {
        problems.push(Problem::new(
            ProblemKind::NulBytes,
            "the message holds NUL bytes",
        ));
    }
    let empty = HeaderSection::default();
    let header = tree.parts.first().map_or(&empty, |p| &p.header);
    let mut view = header_view(header, &mut problems);
    view.truncated = too_large || tree.cut;
    view.identity_parts.body_hash = hash;
    let containers = match too_large {
        true => Vec::new(),
        false => tnef::containers(bytes, &tree),
    };
    let opened = tnef::opened(&containers, &mut problems);
    if !too_large {
        let message = Readable {
            bytes,
            tree: &tree,
            opened: &opened,
        };
        body_view(message, limits, &mut view, &mut problems);
    }
    let containers = opened.iter().filter_map(|o| o.container.as_ref());
    let outlook_class = containers.clone().find_map(|c| c.message_class.as_deref());
    if view.subject.is_empty()
        && let Some(subject) = containers.clone().find_map(|c| c.subject.as_deref())
    {
        view.subject = clean_text(subject);
        view.base_subject = base_subject(&view.subject);
    }
    view.date = view.date.or(containers.clone().find_map(|c| c.sent));
    view.class = automatic::classify(&automatic::Facts {
        bytes,
        tree: &tree,
        header,
        from: &view.from,
        subject: &view.subject,
        text: if view.body.reply.is_empty() {
            &view.text
        } else {
            &view.body.reply
        },
        whole_text: &view.text,
        date: view.date,
        offset_minutes: view.date_offset_minutes,
        outlook_class,
    });
    problems.truncate(MAX_PROBLEMS);
    view.problems = problems;
    view
}

/// A message as it is read.
#[derive(Clone, Copy)]
struct Readable<'a> {
    bytes: &'a [u8],
    tree: &'a Tree,
    opened: &'a [tnef::Opened<'a>],
}

fn body_view(
    message: Readable<'_>,
    limits: &ParseLimits,
    view: &mut MessageView,
    problems: &mut Vec<Problem>,
) {
    let Readable {
        bytes,
        tree,
        opened,
    } = message;
    let body = body::text((bytes, tree), opened, limits, problems);
    view.truncated |= body.cut;
    let answers = !view.in_reply_to.is_empty()
        || !view.references.is_empty()
        || view.base_subject != view.subject.trim();
    // In flowed text `>` is quoting by definition (RFC 3676 section 4.5); text of one's own that
    // begins with it is stuffed.
    let flowed = view
        .header("Content-Type")
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("format=flowed"));
    let answers = answers || flowed;
    let name = view.from.first().and_then(|from| from.name.as_deref());
    let writing = reply::Writing { answers, name };
    view.body = reply::divide(&body.text, &body.marks, &writing);
    view.text = body.text;
    let sources = attachment::Sources {
        bytes,
        tree,
        used: &body.used,
        opened,
        enclosed: &body.enclosed,
    };
    view.attachments = attachment::list(sources, problems);
    let to: Vec<String> = view.to.iter().map(|to| to.address.to_string()).collect();
    let from = view.from.first().map(|from| from.address.to_string());
    let roles = tnef::Roles {
        from: from.as_deref(),
        to: &to,
        subject: &view.subject,
    };
    view.calendar_parts = attachment::calendars(sources, roles, problems);
    view.forwarded = forward::originals(bytes, tree, &view.text, &view.body, &view.subject);
}

/// BLAKE3 over the body as it travels: every line end counts as CR LF.
fn body_hash(body: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for line in body.split_inclusive(|&b| b == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                hasher.update(text.strip_suffix(b"\r").unwrap_or(text));
                hasher.update(b"\r\n");
            }
            None => {
                hasher.update(line);
            }
        }
    }
    *hasher.finalize().as_bytes()
}

/// Bytes of a message in which the Date field is looked for: behind the stamps of the servers.
const DATE_BYTES_MAX: usize = 16 * 1024;

/// What the Date field of a message says, without reading anything else: instant and offset in
/// minutes.
pub(crate) fn date_of_header(bytes: &[u8]) -> Option<(Timestamp, i32)> {
    let bytes = bytes.get(..DATE_BYTES_MAX).unwrap_or(bytes);
    let header = fields::scan(bytes, 0, &ParseLimits::default(), |_| false);
    header.first("Date").and_then(parse_date)
}

fn header_view(header: &HeaderSection, problems: &mut Vec<Problem>) -> MessageView {
    let mut list = |name: &str| {
        let mut out = Vec::new();
        for value in header.all(name) {
            out.extend(fields::addresses(name, value, problems));
        }
        out
    };
    let (from, sender, reply_to) = (list("From"), list("Sender"), list("Reply-To"));
    let (to, cc, bcc) = (list("To"), list("Cc"), list("Bcc"));
    let from_field_count = header.all("From").count();
    note_missing(header, from_field_count, &from, problems);
    let date_raw = header.first("Date").map(clean_text);
    let parsed = date_raw.as_deref().and_then(date::read_date);
    let wrong = match (&date_raw, &parsed) {
        (Some(raw), None) => Some(format!("unreadable Date `{raw}`")),
        (Some(raw), Some(read)) => read.guess.as_ref().map(|why| format!("Date `{raw}` {why}")),
        (None, _) => None,
    };
    problems.extend(wrong.map(|detail| Problem::new(ProblemKind::BadDate, detail)));
    let subject = header.text("Subject").unwrap_or_default();
    let ids = |name| {
        header
            .all(name)
            .flat_map(fields::message_ids)
            .collect::<Vec<String>>()
    };
    MessageView {
        message_id: header.first("Message-ID").and_then(fields::own_message_id),
        in_reply_to: ids("In-Reply-To"),
        references: ids("References"),
        date: parsed.as_ref().map(|read| read.instant),
        date_offset_minutes: parsed.map(|read| read.offset_minutes),
        date_raw,
        identity_parts: IdentityParts {
            body_hash: [0; 32],
            from: from.first().map(|f| f.address.key()).unwrap_or_default(),
        },
        from,
        from_field_count,
        sender,
        reply_to,
        to,
        cc,
        bcc,
        base_subject: base_subject(&subject),
        subject,
        class: Classification::default(),
        text: String::new(),
        body: BodyParts::default(),
        attachments: Vec::new(),
        calendar_parts: Vec::new(),
        forwarded: Vec::new(),
        liaison_id: header.text("X-Liaison-Id").filter(|id| !id.is_empty()),
        headers: header
            .fields
            .iter()
            .map(|f| {
                (
                    clean_text(&f.name),
                    clean_text(&fields::decode_words(&f.value)),
                )
            })
            .collect(),
        thread_index: header
            .first("Thread-Index")
            .and_then(thread::thread_index_prefix),
        authentication_results: authentication_fields(header),
        problems: Vec::new(),
        truncated: false,
    }
}

fn note_missing(
    header: &HeaderSection,
    from_fields: usize,
    from: &[NamedAddress],
    problems: &mut Vec<Problem>,
) {
    let mut note = |kind, detail: String| problems.push(Problem::new(kind, detail));
    if header.fields.is_empty() {
        return;
    }
    match from_fields {
        0 => note(ProblemKind::NoFrom, "there is no From field".into()),
        1 if from.is_empty() => note(
            ProblemKind::NoFrom,
            "the From field names no address".into(),
        ),
        1 => {}
        n => note(
            ProblemKind::SeveralFrom,
            format!("{n} From fields: the sender is not known"),
        ),
    }
    if !header.has("Message-ID") {
        note(ProblemKind::NoMessageId, "there is no Message-ID".into());
    }
    if !header.has("Date") {
        note(ProblemKind::NoDate, "there is no Date".into());
    }
    for name in [
        "To",
        "Cc",
        "Subject",
        "Date",
        "Message-ID",
        "In-Reply-To",
        "References",
        "Reply-To",
        "Sender",
        "Content-Type",
    ] {
        let count = header.all(name).count();
        if count > 1 {
            note(
                ProblemKind::DuplicateField,
                format!("{count} {name} fields where one is allowed"),
            );
        }
    }
}

fn authentication_fields(header: &HeaderSection) -> Vec<AuthenticationField> {
    let mut above_received = true;
    let mut out = Vec::new();
    for field in &header.fields {
        if field.is("Received") && !authenticity::is_local_delivery(&field.value) {
            above_received = false;
        } else if field.is("Authentication-Results") {
            out.push(AuthenticationField {
                value: clean_text(&field.value),
                above_received,
            });
        }
    }
    out
}

#[cfg(test)]
mod tests;
