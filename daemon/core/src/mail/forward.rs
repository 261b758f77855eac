//! Originals inside forwarded mail: candidates for matching, never addresses to send to.

use serde::{Deserialize, Serialize};

use super::address::{NamedAddress, clean_text};
use super::fields::{addresses, decode_words, own_message_id, scan};
use super::mime::Tree;
use super::reply::{BodyParts, SpanKind};
use super::{ParseLimits, parse_date};
use crate::time::Timestamp;

/// Originals read of one message.
const MAX_ORIGINALS: usize = 20;
/// Lines of an inline header block.
const MAX_BLOCK_LINES: usize = 12;

/// A message inside a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardedOriginal {
    /// Its sender.
    pub from: Option<NamedAddress>,
    /// Its subject.
    pub subject: Option<String>,
    /// Its Message-ID without brackets.
    pub message_id: Option<String>,
    /// When it was written.
    pub date: Option<Timestamp>,
    /// Whether its own header came along (`message/rfc822`); a block in the text can say anything.
    pub trusted: bool,
}

/// Enclosed messages first, then header blocks in the quoted text.
pub(crate) fn originals(
    bytes: &[u8],
    tree: &Tree,
    text: &str,
    body: &BodyParts,
    subject: &str,
) -> Vec<ForwardedOriginal> {
    let report = tree.parts.first().is_some_and(|p| p.is("multipart/report"));
    let mut out = Vec::new();
    if !report {
        let enclosed = tree.parts.iter().filter(|p| p.is_enclosed_message());
        out.extend(
            enclosed
                .take(MAX_ORIGINALS)
                .map(|part| enclosed_original(&part.decoded(bytes))),
        );
    }
    if out.is_empty() && (is_forward_subject(subject) || has_forward_line(text)) {
        let quoted = body.spans.iter().filter(|s| s.kind == SpanKind::Quoted);
        out.extend(
            quoted
                .filter_map(|s| inline_original(text.get(s.start..s.end)?))
                .take(1),
        );
    }
    out
}

fn enclosed_original(message: &[u8]) -> ForwardedOriginal {
    let header = scan(message, 0, &ParseLimits::default(), |_| false);
    let mut ignored = Vec::new();
    ForwardedOriginal {
        from: header
            .first("From")
            .and_then(|v| addresses("From", v, &mut ignored).into_iter().next()),
        subject: header.text("Subject"),
        message_id: header.first("Message-ID").and_then(own_message_id),
        date: header
            .first("Date")
            .and_then(parse_date)
            .map(|(date, _)| date),
        trusted: true,
    }
}

fn is_forward_subject(subject: &str) -> bool {
    let lower = subject.to_lowercase();
    [
        "fwd:", "fw:", "wg:", "tr:", "rv:", "enc:", "i:", "doorst:", "vs:", "vb:", "pd:", "转发",
        "轉寄",
    ]
    .iter()
    .any(|prefix| lower.starts_with(prefix))
}

fn has_forward_line(text: &str) -> bool {
    let lower = text.to_lowercase();
    [
        "forwarded message",
        "weitergeleitete nachricht",
        "message transféré",
        "mensaje reenviado",
        "mensagem encaminhada",
        "messaggio inoltrato",
        "doorgestuurd bericht",
        "begin forwarded",
    ]
    .iter()
    .any(|phrase| lower.contains(phrase))
}

/// Reads `From:` and `Subject:` lines, whatever their language.
fn inline_original(quoted: &str) -> Option<ForwardedOriginal> {
    const FROM: &[&str] = &[
        "from",
        "von",
        "de",
        "da",
        "van",
        "fra",
        "från",
        "od",
        "от",
        "发件人",
        "寄件者",
        "差出人",
    ];
    const SUBJECT: &[&str] = &[
        "subject",
        "betreff",
        "objet",
        "asunto",
        "assunto",
        "oggetto",
        "onderwerp",
        "emne",
        "ämne",
        "temat",
        "тема",
        "主题",
        "主旨",
        "件名",
    ];
    let value_of = |labels: &[&str]| {
        quoted
            .lines()
            .filter(|l| !l.trim().is_empty())
            .take(MAX_BLOCK_LINES)
            .find_map(|line| {
                let line = line.trim_start_matches(['>', ' ', '*', '\u{a0}']);
                let (label, value) = line.split_once([':', '：'])?;
                let label = label.trim().trim_matches('*').trim().to_lowercase();
                labels
                    .contains(&label.as_str())
                    .then(|| value.trim_matches(['*', ' ', '\u{a0}']).to_owned())
            })
    };
    let mut ignored = Vec::new();
    let sender = value_of(FROM)?
        .replace("[mailto:", "<")
        .replace(']', ">")
        .replace("mailto:", "");
    Some(ForwardedOriginal {
        from: addresses("From", &sender, &mut ignored).into_iter().next(),
        subject: value_of(SUBJECT).map(|s| clean_text(&decode_words(&s))),
        message_id: None,
        date: None,
        trusted: false,
    })
}
