//! Attached files and calendar objects.

use serde::{Deserialize, Serialize};

use super::address::clean_text;
use super::automatic::method_line;
use super::mime::{Part, Tree};
use super::{ParseLimits, Problem, ProblemKind};

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

/// Indexes of the parts that are attachments, in order.
fn indexes(tree: &Tree, used: &[usize]) -> Vec<usize> {
    let alternative = |part: &Part| {
        part.parent
            .and_then(|p| tree.parts.get(p))
            .is_some_and(|p| p.is("multipart/alternative"))
    };
    tree.parts
        .iter()
        .enumerate()
        .filter(|(at, part)| {
            let named = part.raw_file_name().is_some() || part.disposition.value == "attachment";
            let other_form =
                alternative(part) && !named && (part.content_type.value.starts_with("text/"));
            !part.is_multipart() && !used.contains(at) && !other_form && !is_empty_root(*at, part)
        })
        .map(|(at, _)| at)
        .collect()
}

/// A message whose header says text but which has no body attaches nothing.
fn is_empty_root(at: usize, part: &Part) -> bool {
    at == 0 && part.body.is_empty()
}

pub(crate) fn list(
    bytes: &[u8],
    tree: &Tree,
    used: &[usize],
    problems: &mut Vec<Problem>,
) -> Vec<AttachmentView> {
    let mut out = Vec::new();
    for part in indexes(tree, used)
        .into_iter()
        .filter_map(|at| tree.parts.get(at))
    {
        let decoded = part.decoded(bytes);
        let content_id = part
            .header
            .text("Content-ID")
            .map(|id| id.trim_matches(['<', '>']).to_owned());
        if part.is("application/ms-tnef") {
            problems.push(Problem::new(
                ProblemKind::Tnef,
                "an Outlook container (winmail.dat) was not opened",
            ));
        }
        if part.is("application/pkcs7-mime")
            || part.is("application/x-pkcs7-mime")
            || part.is("application/pgp-encrypted")
        {
            problems.push(Problem::new(
                ProblemKind::Encrypted,
                "the message is encrypted and was not opened",
            ));
        }
        out.push(AttachmentView {
            filename: part.raw_file_name().and_then(|name| safe_file_name(&name)),
            media_type: clean_text(&part.content_type.value),
            size: decoded.len(),
            hash: blake3::hash(&decoded).to_hex().to_string(),
            inline: part.disposition.value == "inline"
                || (content_id.is_some() && part.disposition.value != "attachment"),
            content_id,
        });
    }
    out
}

pub(crate) fn calendars(
    bytes: &[u8],
    tree: &Tree,
    problems: &mut Vec<Problem>,
) -> Vec<CalendarPart> {
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
    out
}

/// The decoded bytes of attachment `index` of `MessageView::attachments`.
#[must_use]
pub fn attachment_bytes(bytes: &[u8], limits: &ParseLimits, index: usize) -> Option<Vec<u8>> {
    if bytes.len() > limits.max_message_bytes {
        return None;
    }
    let (bytes, _) = super::octets::readable(bytes);
    let bytes = bytes.as_ref();
    let tree = Tree::read(bytes, limits);
    let used = super::body::text(bytes, &tree, limits, &mut Vec::new()).used;
    let part = tree.parts.get(*indexes(&tree, &used).get(index)?)?;
    Some(part.decoded(bytes))
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
