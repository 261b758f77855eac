//! Delivery reports: RFC 3464 recipient by recipient, and those that keep to no standard.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::Facts;
use crate::mail::ParseLimits;
use crate::mail::address::{Address, clean_text};
use crate::mail::fields::{HeaderSection, message_ids, own_message_id, scan};
use crate::mail::mime::{Part, Tree};

/// Recipients read of one report.
const MAX_RECIPIENTS: usize = 200;
/// Characters of body text searched in reports without structure.
const MAX_SEARCHED_CHARS: usize = 20_000;
/// Lines of body text searched for the header of the mail that came back.
const MAX_SEARCHED_LINES: usize = 2_000;
/// Characters kept of a diagnostic.
const MAX_DIAGNOSTIC_CHARS: usize = 500;
/// Length at which no further line of a reason is looked at.
const REASON_BYTES_MAX: usize = 4_096;

/// What happened to a recipient's copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BounceKind {
    /// Delayed, delivered, relayed, expanded: nothing failed.
    Other,
    /// Failed for now (4.x.x): full mailbox, server away.
    Soft,
    /// Failed for good (5.x.x).
    Hard,
}

impl BounceKind {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            BounceKind::Other => "nothing failed",
            BounceKind::Soft => "not delivered for now",
            BounceKind::Hard => "not delivered, for good",
        }
    }
}

/// One recipient of a delivery report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BouncedRecipient {
    /// Whose copy; the original recipient where known, else the final one.
    pub recipient: Option<Address>,
    /// What happened.
    pub kind: BounceKind,
    /// `failed`, `delayed`, `delivered`, `relayed`, `expanded` (RFC 3464 2.3.3), as written.
    pub action: Option<String>,
    /// The status code `x.y.z` (RFC 3463).
    pub status: Option<String>,
    /// What the other server said.
    pub diagnostic: Option<String>,
}

/// A delivery report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BounceReport {
    /// The gravest kind among the recipients.
    pub kind: BounceKind,
    /// Recipient by recipient.
    pub recipients: Vec<BouncedRecipient>,
    /// Message-ID of the mail that bounced, without brackets.
    pub original_message_id: Option<String>,
    /// Its `X-Liaison-Id`, where the report has its header.
    pub original_stamp: Option<String>,
}

impl BounceReport {
    /// Recipient by recipient, in one line.
    #[must_use]
    pub fn told(&self) -> String {
        let one = |recipient: &BouncedRecipient| {
            let who = recipient.recipient.as_ref();
            let who = who.map_or_else(|| "a recipient".to_owned(), Address::key);
            let said = [&recipient.status, &recipient.diagnostic];
            let said: Vec<&str> = said.into_iter().flatten().map(String::as_str).collect();
            format!("{who} {} ({})", recipient.kind.words(), said.join(" "))
        };
        let lines: Vec<String> = self.recipients.iter().map(one).collect();
        lines.join("; ").replace(" ()", "")
    }
}

/// Reads a delivery report and says what told it.
pub(super) fn read(facts: &Facts<'_>) -> Option<(BounceReport, String)> {
    let status = facts.tree.parts.iter().find(|p| {
        (p.is("message/delivery-status") || p.is("message/global-delivery-status"))
            && !in_enclosed(facts.tree, p)
    });
    let original = original_message_id(facts);
    let stamp = original_stamp(facts);
    if let Some(part) = status {
        let blocks = part.decoded(facts.bytes);
        let original = original.or_else(|| named_in_status(&blocks));
        let recipients = delivery_status(&blocks);
        let why = "a delivery report (message/delivery-status, RFC 3464)".to_owned();
        return Some((report(recipients, (original, stamp)), why));
    }
    let why = unstructured(facts)?;
    Some((report(recipients_in_text(facts), (original, stamp)), why))
}

fn in_enclosed(tree: &Tree, part: &Part) -> bool {
    part.parent
        .and_then(|p| tree.parts.get(p))
        .is_some_and(Part::is_enclosed_message)
}

fn report(
    recipients: Vec<BouncedRecipient>,
    (original_message_id, original_stamp): (Option<String>, Option<String>),
) -> BounceReport {
    let kind = recipients
        .iter()
        .map(|r| r.kind)
        .max()
        .unwrap_or(BounceKind::Other);
    BounceReport {
        kind,
        recipients,
        original_message_id,
        original_stamp,
    }
}

/// Google names the mail beside what the standard has (`X-Original-Message-ID`).
fn named_in_status(blocks: &[u8]) -> Option<String> {
    let block = scan(blocks, 0, &ParseLimits::default(), |_| false);
    ["X-Original-Message-ID", "Original-Message-ID"]
        .iter()
        .find_map(|name| block.first(name).and_then(own_message_id))
}

/// The blocks of a delivery-status part: the first is about the message, the others are recipients.
fn delivery_status(bytes: &[u8]) -> Vec<BouncedRecipient> {
    let mut out = Vec::new();
    let mut at = 0usize;
    while at < bytes.len() && out.len() < MAX_RECIPIENTS {
        let block = scan(bytes, at, &ParseLimits::default(), |_| false);
        let next = block.body.max(at.saturating_add(1));
        at = next;
        let about_recipient = ["Final-Recipient", "Original-Recipient", "Action", "Status"]
            .iter()
            .any(|name| block.has(name));
        if about_recipient {
            out.push(recipient_of(&block));
        }
    }
    out
}

fn recipient_of(block: &HeaderSection) -> BouncedRecipient {
    let address = |name: &str| {
        let value = block.text(name)?;
        let bare = value
            .split_once(';')
            .map_or(value.as_str(), |(_, address)| address);
        Address::parse(bare).ok()
    };
    let action = block.text("Action").map(|a| a.to_lowercase());
    let status = block.text("Status").and_then(|s| status_code(&s));
    let diagnostic = block.text("Diagnostic-Code").map(shorten);
    let kind = kind_of(action.as_deref(), status.as_deref());
    let recipient = address("Original-Recipient").or_else(|| address("Final-Recipient"));
    BouncedRecipient {
        recipient,
        kind,
        action,
        status,
        diagnostic,
    }
}

fn kind_of(action: Option<&str>, status: Option<&str>) -> BounceKind {
    match (action, status) {
        (Some("delayed" | "delivered" | "relayed" | "expanded"), _) => BounceKind::Other,
        (_, Some(status)) if status.starts_with('2') => BounceKind::Other,
        (_, Some(status)) if status.starts_with('4') => BounceKind::Soft,
        // 5.2.2 is a full mailbox: permanent for this mail, not for the person.
        (_, Some("5.2.2")) => BounceKind::Soft,
        _ => BounceKind::Hard,
    }
}

fn shorten(text: String) -> String {
    text.chars().take(MAX_DIAGNOSTIC_CHARS).collect()
}

/// The first `x.y.z` of class 2, 4 or 5.
fn status_code(text: &str) -> Option<String> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .find_map(|word| {
            let word = word.trim_matches('.');
            let mut parts = word.split('.');
            let class = parts.next()?;
            let (subject, detail) = (parts.next()?, parts.next()?);
            let fits = matches!(class, "2" | "4" | "5")
                && parts.next().is_none()
                && (1..=3).contains(&subject.len())
                && (1..=3).contains(&detail.len());
            fits.then(|| word.to_owned())
        })
}

/// Reports without structure: null return path or a robot sender, and a subject that says so.
fn unstructured(facts: &Facts<'_>) -> Option<String> {
    static SUBJECTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
        "\
        undeliver|delivery status notification|delivery failure|delivery has failed|\
        delivery notification|delivery incomplete|failure notice|returned mail|\
        mail delivery failed|mail delivery system|mail system error|message not delivered|\
        could not be delivered|nicht zustellbar|unzustellbar|zustellung fehlgeschlagen|\
        non remis|échec de la remise|no se puede entregar|no entregado|não entregue|\
        não é possível entregar|mancata consegna|onbestelbaar|niet bezorgd|ej levereras|\
        kan ikke leveres|kunne ikke leveres|niedostarcz|не доставлено|returned to sender|\
        mail delivery error|delivery problem|returned message|未送达|退信|配信不能|delivery report|\
        warning: message |warning: could not send|delayed 24 hours|delayed mail|\
        message delayed|delivery delayed|недоставлен|невозможно доставить|невозможно отправить|\
        nedoručiteln|nedoručen|nelze doručit|teslim edilemedi|iletilemedi|ikke leveret|\
        perille toimittamaton|toimitus epäonnistui|kézbesíthetetlen|mislukt|\
        impossibile recapitare|impossible de remettre|devuelto|no se pudo entregar|devolvid|\
        nicht zugestellt|zurückgesandt|无法送达|投递失败|配信できません|配信エラー|전송 실패"
            .split('|')
            .collect()
    });
    let subject = facts.subject.to_lowercase();
    let said = SUBJECTS.iter().find(|s| subject.contains(*s));
    let daemon = facts.from.iter().find(|f| {
        let local = f.address.local().to_lowercase();
        let squeezed: String = local.chars().filter(|c| c.is_alphanumeric()).collect();
        squeezed.contains("mailerdaemon")
            || squeezed.contains("maildaemon")
            || local == "postmaster"
            || squeezed.starts_with("microsoftexchange")
    });
    let failed = facts.header.text("X-Failed-Recipients");
    if let Some(failed) = failed {
        return Some(format!("X-Failed-Recipients: {failed}"));
    }
    let report = facts.tree.parts.first().is_some_and(|p| {
        p.is("multipart/report")
            && !p
                .content_type
                .param("report-type")
                .is_some_and(|t| t.contains("disposition") || t.contains("feedback"))
    });
    match (said, daemon) {
        (Some(_), Some(from)) => Some(format!("Subject `{}` from {}", facts.subject, from.address)),
        (Some(_), None) if facts.null_return_path() || report => {
            Some(format!("Subject `{}` with Return-Path: <>", facts.subject))
        }
        (None, Some(from)) if facts.null_return_path() && qmail_text(facts.text) => Some(format!(
            "From: {} with Return-Path: <> and a failure text",
            from.address
        )),
        _ => None,
    }
}

fn qmail_text(text: &str) -> bool {
    let lower: String = text
        .chars()
        .take(MAX_SEARCHED_CHARS)
        .collect::<String>()
        .to_lowercase();
    [
        "this is the qmail-send program",
        "could not be delivered",
        "permanent error",
        "undeliverable",
        "user unknown",
        "not yet been delivered",
        "mailbox unavailable",
        "no such user",
        "delivery to the following",
    ]
    .iter()
    .any(|phrase| lower.contains(phrase))
}

/// Recipient by recipient as qmail writes them: `<address>:` on a line of its own, the reason below,
/// a blank line (cr.yp.to/proto/qsbmf.txt); and as Exim does, the address alone, where `failed`
/// names it.
fn by_blocks(text: &str, failed: &str) -> Vec<BouncedRecipient> {
    let mut out: Vec<BouncedRecipient> = Vec::new();
    let mut reason = String::new();
    let mut open = false;
    for line in text.lines().take(MAX_SEARCHED_LINES) {
        let line = line.trim_end();
        if line.starts_with("---") || out.len() >= MAX_RECIPIENTS {
            break;
        }
        let named = line
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix(">:"));
        let alone = Some(line.trim())
            .filter(|word| word.contains('@') && failed.contains(&word.to_lowercase()));
        let named = named.or(alone);
        if let Some(address) = named.and_then(|named| Address::parse(named).ok()) {
            out.push(BouncedRecipient {
                recipient: Some(address),
                kind: BounceKind::Hard,
                action: None,
                status: None,
                diagnostic: None,
            });
            (open, reason) = (true, String::new());
        } else if open && !line.is_empty() {
            // Whatever follows would not be kept.
            if reason.len() >= REASON_BYTES_MAX {
                continue;
            }
            if !reason.is_empty() {
                reason.push(' ');
            }
            let left = REASON_BYTES_MAX.saturating_sub(reason.len());
            reason.extend(line.trim().chars().take(left));
            if let Some(last) = out.last_mut() {
                last.status = status_code(&reason);
                last.kind = kind_of(None, last.status.as_deref());
                last.diagnostic = Some(shorten(clean_text(&reason)));
            }
        } else {
            open = false;
        }
    }
    out
}

/// Addresses that the text names with a reason, up to the copy of the original.
fn recipients_in_text(facts: &Facts<'_>) -> Vec<BouncedRecipient> {
    let failed = facts.header.text("X-Failed-Recipients").unwrap_or_default();
    let blocks = by_blocks(facts.whole_text, &failed.to_lowercase());
    if !blocks.is_empty() {
        return blocks;
    }
    let mut text: String = facts.text.chars().take(MAX_SEARCHED_CHARS).collect();
    for border in [
        "--- Below this line is a copy",
        "------ This is a copy of",
        "Original message headers",
    ] {
        if let Some(at) = text.find(border) {
            text.truncate(at);
        }
    }
    let status = status_code(&text);
    let temporary = ["will be retried", "temporar", "not yet been delivered"]
        .iter()
        .any(|phrase| text.to_lowercase().contains(phrase));
    let own = facts
        .from
        .iter()
        .map(|f| f.address.key())
        .collect::<Vec<_>>();
    let named = facts.header.text("X-Failed-Recipients").unwrap_or_default();
    let mut seen: Vec<String> = Vec::new();
    let mut out = Vec::new();
    for word in named
        .split([',', ' '])
        .chain(text.split(|c: char| c.is_whitespace() || "<>(),;:\"'".contains(c)))
    {
        let Ok(address) = Address::parse(word.trim_end_matches('.')) else {
            continue;
        };
        if own.contains(&address.key())
            || seen.contains(&address.key())
            || out.len() >= MAX_RECIPIENTS
        {
            continue;
        }
        seen.push(address.key());
        let kind = match (&status, temporary) {
            (None, true) => BounceKind::Other,
            (status, _) => kind_of(None, status.as_deref()),
        };
        out.push(BouncedRecipient {
            recipient: Some(address),
            kind,
            action: None,
            status: status.clone(),
            diagnostic: None,
        });
        // Without structure only the first names are recipients; others are help texts.
        if named.is_empty() {
            break;
        }
    }
    if out.is_empty() {
        let kind = if temporary {
            BounceKind::Other
        } else {
            kind_of(None, status.as_deref())
        };
        out.push(BouncedRecipient {
            recipient: None,
            kind,
            action: None,
            status,
            diagnostic: None,
        });
    }
    out
}

/// Whether a part is the mail that came back, or its header alone.
fn is_original(part: &Part) -> bool {
    part.is_enclosed_message()
        || part.is("text/rfc822-headers")
        || part.is("message/rfc822-headers")
}

fn header_of(facts: &Facts<'_>, part: &Part) -> HeaderSection {
    let bytes = part.decoded(facts.bytes);
    scan(&bytes, 0, &ParseLimits::default(), |_| false)
}

/// A field in a copy of that header in the text.
fn field_in_text<T>(
    facts: &Facts<'_>,
    wanted: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let searched = facts.whole_text.lines().take(MAX_SEARCHED_LINES);
    searched.into_iter().find_map(|line| {
        let (name, value) = line.trim_start_matches(['>', ' ']).split_once(':')?;
        let name = name.trim().replace(' ', "-");
        name.eq_ignore_ascii_case(wanted)
            .then(|| read(value))
            .flatten()
    })
}

/// From the enclosed message, its header alone, or a copy in the text.
fn original_stamp(facts: &Facts<'_>) -> Option<String> {
    const NAME: &str = "X-Liaison-Id";
    let clean = |value: &str| Some(clean_text(value)).filter(|id| !id.is_empty());
    let mut parts = facts.tree.parts.iter().filter(|part| is_original(part));
    parts
        .find_map(|part| header_of(facts, part).first(NAME).and_then(clean))
        .or_else(|| field_in_text(facts, NAME, clean))
}

/// The same of the Message-ID; else what the report answers.
fn original_message_id(facts: &Facts<'_>) -> Option<String> {
    for part in &facts.tree.parts {
        if is_original(part)
            && let Some(id) = header_of(facts, part)
                .first("Message-ID")
                .and_then(own_message_id)
        {
            return Some(id);
        }
    }
    let in_text = field_in_text(facts, "message-id", own_message_id);
    in_text.or_else(|| {
        let linked = facts
            .header
            .first("In-Reply-To")
            .or(facts.header.first("References"))?;
        message_ids(linked).pop().map(|id| clean_text(&id))
    })
}
