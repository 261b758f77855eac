//! Server answers as owned values: what the parser lends does not outlive its buffer.

use async_imap::imap_proto::rfc4315::UidSetMember;
use async_imap::imap_proto::{
    AttributeValue, Capability, MailboxDatum, NameAttribute, Outcome, Response, ResponseCode,
    Status, StatusAttribute,
};
use bytes::Bytes;

use super::wire::{Code, decode_mailbox, split_code, unescape};

/// Flags kept of one message.
const FLAGS_MAX: usize = 100;
/// Longest flag that is kept; keywords are words.
const FLAG_BYTES_MAX: usize = 250;

/// Longest label that is kept: Gmail's bound of 225 characters, encoded.
const LABEL_BYTES_MAX: usize = 1_000;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    No,
    Bad,
}

/// The tagged answer to a command.
#[derive(Debug)]
pub(crate) struct Tagged {
    pub(crate) verdict: Verdict,
    pub(crate) code: Option<Code>,
    pub(crate) text: String,
}

impl Tagged {
    pub(crate) fn is_ok(&self) -> bool {
        self.verdict == Verdict::Ok
    }

    pub(crate) fn has_code(&self, word: &str) -> bool {
        self.code.as_ref().is_some_and(|code| code.word == word)
    }

    /// Code and text, as the server wrote them.
    pub(crate) fn words(&self) -> String {
        match &self.code {
            Some(code) => format!("[{}] {}", code.word, self.text),
            None => self.text.clone(),
        }
    }
}

/// What a FETCH answer told of one message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FetchRow {
    pub(crate) uid: Option<u32>,
    pub(crate) size: Option<u64>,
    pub(crate) flags: Option<Vec<String>>,
    pub(crate) internal_date: Option<String>,
    pub(crate) body: Option<Bytes>,
    /// Labels of Gmail, as they are on the wire.
    pub(crate) labels: Option<Vec<String>>,
}

/// A mailbox in a LIST answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Attributes in lower case, with the backslash.
    pub(crate) attributes: Vec<String>,
    pub(crate) delimiter: Option<String>,
    /// As text, neither escaped nor encoded.
    pub(crate) name: String,
}

/// One answer of the server, whatever its kind.
#[derive(Debug)]
pub(crate) enum Answer {
    /// `+`
    GoAhead,
    Tagged {
        tag: String,
        tagged: Tagged,
    },
    /// `* OK`, `* PREAUTH` and so on, with the text.
    Condition {
        condition: Condition,
        code: Option<Code>,
        text: String,
    },
    Untagged(Untagged),
}

/// How an untagged condition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Ok,
    Refusal,
    PreAuth,
    Bye,
}

/// Copies what the parser lends.
pub(crate) fn answer(response: &Response<'_>) -> Answer {
    match response {
        Response::Continue(_) => Answer::GoAhead,
        Response::Done {
            tag,
            status,
            outcome,
        } => {
            let (code, text) = split_outcome(outcome);
            let verdict = match status {
                Status::Ok => Verdict::Ok,
                Status::No => Verdict::No,
                Status::Bad | Status::PreAuth | Status::Bye => Verdict::Bad,
            };
            Answer::Tagged {
                tag: tag.0.clone(),
                tagged: Tagged {
                    verdict,
                    code,
                    text,
                },
            }
        }
        Response::Data { status, outcome } => {
            let (code, text) = split_outcome(outcome);
            let condition = match status {
                Status::Ok => Condition::Ok,
                Status::No | Status::Bad => Condition::Refusal,
                Status::PreAuth => Condition::PreAuth,
                Status::Bye => Condition::Bye,
            };
            Answer::Condition {
                condition,
                code,
                text,
            }
        }
        other => Answer::Untagged(untagged(other)),
    }
}

/// An untagged answer.
#[derive(Debug)]
pub(crate) enum Untagged {
    Exists(u32),
    Expunge,
    Fetch(FetchRow),
    Status {
        uid_next: Option<u32>,
        uid_validity: Option<u32>,
    },
    List(Listed),
    Search(Vec<u32>),
    Capability(Vec<String>),
    /// `* OK`, `* NO`, `* BAD`.
    Condition(Option<Code>),
    Other,
}

fn untagged(response: &Response<'_>) -> Untagged {
    match response {
        Response::Fetch(_, attributes) => Untagged::Fetch(fetch_row(attributes)),
        Response::Expunge(_) => Untagged::Expunge,
        Response::Capabilities(list) => Untagged::Capability(capabilities(list)),
        Response::MailboxData(datum) => mailbox_datum(datum),
        _ => Untagged::Other,
    }
}

fn mailbox_datum(datum: &MailboxDatum<'_>) -> Untagged {
    match datum {
        MailboxDatum::Exists(count) => Untagged::Exists(*count),
        MailboxDatum::Search(found) => Untagged::Search(found.clone()),
        MailboxDatum::List(data) => Untagged::List(Listed {
            attributes: data.name_attributes.iter().map(attribute).collect(),
            delimiter: data.delimiter.as_deref().map(unescape),
            name: decode_mailbox(&unescape(&data.name)),
        }),
        MailboxDatum::Status { status, .. } => Untagged::Status {
            uid_next: status.iter().find_map(|attribute| match attribute {
                StatusAttribute::UidNext(value) => Some(*value),
                _ => None,
            }),
            uid_validity: status.iter().find_map(|attribute| match attribute {
                StatusAttribute::UidValidity(value) => Some(*value),
                _ => None,
            }),
        },
        _ => Untagged::Other,
    }
}

fn fetch_row(attributes: &[AttributeValue<'_>]) -> FetchRow {
    let mut row = FetchRow::default();
    for attribute in attributes {
        match attribute {
            AttributeValue::Uid(uid) => row.uid = Some(*uid),
            AttributeValue::Rfc822Size(size) => row.size = Some(u64::from(*size)),
            AttributeValue::InternalDate(date) => row.internal_date = Some(date.to_string()),
            AttributeValue::Flags(flags) => {
                let fitting = flags.iter().filter(|flag| flag.len() <= FLAG_BYTES_MAX);
                row.flags = Some(fitting.take(FLAGS_MAX).map(ToString::to_string).collect());
            }
            AttributeValue::GmailLabels(labels) => {
                let fitting = labels.iter().filter(|label| label.len() <= LABEL_BYTES_MAX);
                row.labels = Some(fitting.take(FLAGS_MAX).map(ToString::to_string).collect());
            }
            AttributeValue::BodySection {
                data: Some(data), ..
            } => row.body = Some(Bytes::copy_from_slice(data)),
            _ => {}
        }
    }
    row
}

fn capabilities(list: &[Capability<'_>]) -> Vec<String> {
    let word = |capability: &Capability<'_>| match capability {
        Capability::Imap4rev1 => "IMAP4REV1".to_owned(),
        Capability::Auth(mechanism) => format!("AUTH={mechanism}").to_ascii_uppercase(),
        Capability::Atom(atom) => atom.to_ascii_uppercase(),
    };
    list.iter().map(word).collect()
}

fn attribute(attribute: &NameAttribute<'_>) -> String {
    match attribute {
        NameAttribute::NoSelect => "\\noselect".to_owned(),
        NameAttribute::Sent => "\\sent".to_owned(),
        NameAttribute::Drafts => "\\drafts".to_owned(),
        NameAttribute::All => "\\all".to_owned(),
        NameAttribute::Extension(word) => word.to_ascii_lowercase(),
        _ => String::new(),
    }
}

/// The code and the text of a condition, whichever of the two places the code is in.
fn split_outcome(outcome: &Outcome<'_>) -> (Option<Code>, String) {
    let text = outcome.information.as_deref().unwrap_or_default();
    match &outcome.code {
        Some(code) => (Some(known_code(code)), text.to_owned()),
        None => {
            let (code, text) = split_code(text);
            (code, text.to_owned())
        }
    }
}

fn known_code(code: &ResponseCode<'_>) -> Code {
    match code {
        ResponseCode::Alert => Code::new("ALERT", ""),
        ResponseCode::Capabilities(list) => Code::new("CAPABILITY", capabilities(list).join(" ")),
        ResponseCode::TryCreate => Code::new("TRYCREATE", ""),
        ResponseCode::UidNext(value) => Code::new("UIDNEXT", value),
        ResponseCode::UidValidity(value) => Code::new("UIDVALIDITY", value),
        ResponseCode::HighestModSeq(value) => Code::new("HIGHESTMODSEQ", value),
        ResponseCode::AppendUid(validity, _) => Code::new("APPENDUID", validity),
        ResponseCode::CopyUid(validity, from, to) => {
            let argument = format!("{validity} {} {}", uids(from), uids(to));
            Code::new("COPYUID", argument)
        }
        ResponseCode::PermanentFlags(flags) => Code::new("PERMANENTFLAGS", flags.join(" ")),
        ResponseCode::ReadOnly => Code::new("READ-ONLY", ""),
        ResponseCode::ReadWrite => Code::new("READ-WRITE", ""),
        _ => Code::new("OTHER", ""),
    }
}

/// A UID set as it stands in a response code.
fn uids(set: &[UidSetMember]) -> String {
    let member = |member: &UidSetMember| match member {
        UidSetMember::Uid(uid) => uid.to_string(),
        UidSetMember::UidRange(range) => format!("{}:{}", range.start(), range.end()),
    };
    set.iter().map(member).collect::<Vec<_>>().join(",")
}
