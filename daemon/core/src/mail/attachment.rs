//! Attached files and calendar objects.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::address::clean_text;
use super::automatic::method_line;
use super::mime::{Part, Tree};
use super::tnef::{self, Opened};
use super::{ParseLimits, Problem, ProblemKind, uuencode};

/// Bytes of a file name; file systems take 255.
const MAX_FILE_NAME_BYTES: usize = 200;
/// Bytes of a calendar object that is handed on.
const MAX_CALENDAR_BYTES: usize = 1024 * 1024;
/// Calendar objects of one message.
const MAX_CALENDARS: usize = 20;

/// An attached file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentView {
    /// File name, safe for any file system; `None` when the sender gave none.
    pub filename: Option<String>,
    /// Media type in lower case.
    pub media_type: String,
    /// Bytes once decoded.
    pub size: usize,
    /// BLAKE3 of the decoded bytes, in hexadecimal.
    pub hash: String,
    /// Shown inside the text: a logo, an embedded picture.
    pub inline: bool,
    /// Content-ID without brackets.
    pub content_id: Option<String>,
}

/// A calendar object in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarPart {
    /// METHOD, upper case: `REQUEST`, `REPLY`, `CANCEL` ...
    pub method: Option<String>,
    /// The object; lines end in `\n`.
    pub text: String,
}

/// Everything in a message in which files lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) tree: &'a Tree,
    /// Parts whose text was taken.
    pub(crate) used: &'a [usize],
    pub(crate) opened: &'a [Opened<'a>],
    pub(crate) enclosed: &'a [uuencode::File],
}

/// Where an attachment lies.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    Part(&'a Part),
    /// In an Outlook container.
    Container(&'a tnef::File<'a>),
    /// In the text, uuencoded.
    Text(&'a uuencode::File),
}

impl<'a> Sources<'a> {
    /// The attachments in order. A container that was read whole is no attachment, but what it
    /// holds is.
    fn places(self) -> Vec<Place<'a>> {
        let mut out = Vec::new();
        for (at, part) in self.tree.parts.iter().enumerate() {
            if !self.is_attachment(at, part) {
                continue;
            }
            let opened = self.opened.iter().find(|opened| opened.part == at);
            let container = opened.and_then(|opened| opened.container.as_ref());
            if container.is_none_or(|container| !container.faults.is_empty()) {
                out.push(Place::Part(part));
            }
            let files = container.map(|container| container.files.iter());
            out.extend(files.into_iter().flatten().map(Place::Container));
        }
        out.extend(self.enclosed.iter().map(Place::Text));
        out
    }

    fn is_attachment(self, at: usize, part: &Part) -> bool {
        let alternative = part
            .parent
            .and_then(|p| self.tree.parts.get(p))
            .is_some_and(|p| p.is("multipart/alternative"));
        let named = part.raw_file_name().is_some() || part.disposition.value == "attachment";
        let other_form = alternative && !named && part.content_type.value.starts_with("text/");
        !part.is_multipart() && !self.used.contains(&at) && !other_form && !is_empty_root(at, part)
    }
}

/// A message whose header says text but which has no body attaches nothing.
fn is_empty_root(at: usize, part: &Part) -> bool {
    at == 0 && part.body.is_empty()
}

impl<'a> Place<'a> {
    fn bytes(self, message: &[u8]) -> Cow<'a, [u8]> {
        match self {
            Place::Part(part) => Cow::Owned(part.decoded(message)),
            Place::Container(file) => Cow::Borrowed(file.bytes),
            Place::Text(file) => Cow::Borrowed(&file.bytes),
        }
    }

    fn view(self, message: &[u8]) -> AttachmentView {
        let bytes = self.bytes(message);
        let (name, media_type, content_id) = match self {
            Place::Part(part) => (
                part.raw_file_name(),
                Some(part.content_type.value.clone()),
                part.header.text("Content-ID"),
            ),
            Place::Container(file) => (
                file.name.clone(),
                file.media_type.clone(),
                file.content_id.clone(),
            ),
            Place::Text(file) => (Some(file.name.clone()), None, None),
        };
        let inline = match self {
            Place::Part(part) => {
                part.disposition.value == "inline"
                    || (content_id.is_some() && part.disposition.value != "attachment")
            }
            Place::Container(file) => file.inline,
            Place::Text(_) => false,
        };
        let filename = name.and_then(|name| safe_file_name(&name));
        let media_type = media_type.unwrap_or_else(|| {
            let name = filename.as_deref().unwrap_or_default();
            media_type_of(name).to_owned()
        });
        AttachmentView {
            filename,
            media_type: clean_text(&media_type),
            size: bytes.len(),
            hash: blake3::hash(&bytes).to_hex().to_string(),
            inline,
            content_id: content_id.map(|id| clean_text(id.trim_matches(['<', '>']))),
        }
    }
}

/// The type that a file's name stands for, where nobody said one.
fn media_type_of(name: &str) -> &'static str {
    const TYPES: &[(&str, &str)] = &[
        ("pdf", "application/pdf"),
        ("doc", "application/msword"),
        (
            "docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        ("xls", "application/vnd.ms-excel"),
        (
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        ("zip", "application/zip"),
        ("txt", "text/plain"),
        ("csv", "text/csv"),
        ("html", "text/html"),
        ("ics", "text/calendar"),
        ("vcf", "text/vcard"),
        ("png", "image/png"),
        ("gif", "image/gif"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
    ];
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    TYPES
        .iter()
        .find(|(known, _)| extension.is_some_and(|e| e.eq_ignore_ascii_case(known)))
        .map_or("application/octet-stream", |(_, kind)| kind)
}

pub(crate) fn list(sources: Sources<'_>, problems: &mut Vec<Problem>) -> Vec<AttachmentView> {
    let places = sources.places();
    let sealed = places.iter().any(|place| match place {
        Place::Part(part) => {
            part.is("application/pkcs7-mime")
                || part.is("application/x-pkcs7-mime")
                || part.is("application/pgp-encrypted")
        }
        _ => false,
    });
    if sealed {
        problems.push(Problem::new(
            ProblemKind::Encrypted,
            "the message is encrypted and was not opened",
        ));
    }
    places
        .into_iter()
        .map(|place| place.view(sources.bytes))
        .collect()
}

/// Calendar objects, also those that exist as Outlook's properties only.
pub(crate) fn calendars(
    sources: Sources<'_>,
    roles: tnef::Roles<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<CalendarPart> {
    let Sources {
        bytes,
        tree,
        opened,
        ..
    } = sources;
    let wanted = tree
        .parts
        .iter()
        .filter(|p| p.is("text/calendar") || p.is("application/ics"));
    let mut out: Vec<CalendarPart> = Vec::new();
    for part in wanted.take(MAX_CALENDARS) {
        let mut text = part.text(bytes, problems);
        text.truncate(text.floor_char_boundary(MAX_CALENDAR_BYTES));
        let method = part.content_type.param("method").map(str::to_owned);
        let method = method
            .or_else(|| method_line(text.as_bytes()))
            .map(|m| clean_text(&m).to_uppercase());
        // Exchange and Google send the same object as alternative and as attachment.
        if !out.iter().any(|other| other.text.trim() == text.trim()) {
            out.push(CalendarPart { method, text });
        }
    }
    let containers = opened.iter().filter_map(|o| o.container.as_ref());
    let meeting = containers.filter_map(|c| c.meeting.as_ref()).next();
    if let Some(meeting) = meeting.filter(|_| out.is_empty()) {
        if meeting.recurs {
            let detail =
                "the meeting in the Outlook container recurs: only its first time was read";
            problems.push(Problem::new(ProblemKind::Tnef, detail));
        }
        out.push(CalendarPart {
            method: Some(meeting.method.to_owned()),
            text: meeting.calendar(roles),
        });
    }
    out
}

/// The decoded bytes of attachment `index` of `MessageView::attachments`.
#[must_use]
pub fn attachment_bytes(bytes: &[u8], limits: &ParseLimits, index: usize) -> Option<Vec<u8>> {
    if bytes.len() > limits.max_message_bytes {
        return None;
    }
    let (bytes, _) = super::octets::readable(bytes);
    let mut bytes = bytes.as_ref();
    let mut tree = Tree::read(bytes, limits);
    let unwrapped = super::smime::unwrapped(bytes, &tree);
    if let Some(content) = &unwrapped {
        bytes = content;
        tree = Tree::read(bytes, limits);
    }
    let containers = tnef::containers(bytes, &tree);
    let opened = tnef::opened(&containers, &mut Vec::new());
    let body = super::body::text((bytes, &tree), &opened, limits, &mut Vec::new());
    let sources = Sources {
        bytes,
        tree: &tree,
        used: &body.used,
        opened: &opened,
        enclosed: &body.enclosed,
    };
    let place = sources.places().into_iter().nth(index)?;
    Some(place.bytes(bytes).into_owned())
}

/// The last component, without what file systems and shells trip over.
fn safe_file_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let safe: String = clean_text(last)
        .chars()
        .map(|c| {
            if matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') {
                '_'
            } else {
                c
            }
        })
        .collect();
    let mut safe = safe
        .trim()
        .trim_start_matches('.')
        .trim_end_matches(['.', ' '])
        .to_owned();
    if safe.len() > MAX_FILE_NAME_BYTES {
        let extension = safe
            .rsplit_once('.')
            .map(|(_, e)| format!(".{e}"))
            .filter(|e| e.len() <= 16);
        let extension = extension.unwrap_or_default();
        safe.truncate(
            safe.floor_char_boundary(MAX_FILE_NAME_BYTES.saturating_sub(extension.len())),
        );
        safe.push_str(&extension);
    }
    (!safe.is_empty()).then_some(safe)
}
