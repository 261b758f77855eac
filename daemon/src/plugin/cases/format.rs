//! The text of a case file.

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// RFC 3339; a Monday morning when nothing is said.
    pub(super) now: Option<String>,
    /// IANA zone of the owner and the firm.
    pub(super) zone: Option<String>,
    /// `Name <local@domain>`.
    pub(super) owner: Option<String>,
    #[serde(default)]
    pub(super) settings: Map<String, Value>,
    #[serde(default)]
    pub(super) account: Vec<Account>,
    #[serde(default)]
    pub(super) busy: Vec<Busy>,
    #[serde(default)]
    pub(super) step: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    pub(super) name: String,
    #[serde(default)]
    pub(super) domains: Vec<String>,
    #[serde(default)]
    pub(super) contacts: Vec<String>,
    #[serde(default = "customer")]
    pub(super) lifecycle: String,
}

fn customer() -> String {
    "customer".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Busy {
    pub(super) start: String,
    pub(super) end: String,
}

/// One step: exactly one of `mail`, `sent`, `advance`, `settle`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Step {
    pub(super) mail: Option<Mail>,
    pub(super) sent: Option<Mail>,
    pub(super) advance: Option<String>,
    pub(super) settle: Option<Settle>,
    /// One object per proposal; what it does not name is not compared.
    #[serde(default)]
    pub(super) expect: Vec<Value>,
    /// No proposals besides the expected ones.
    #[serde(default = "yes")]
    pub(super) exact: bool,
    /// Says aloud that nothing is expected.
    #[serde(default)]
    pub(super) expect_none: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Mail {
    #[serde(default)]
    pub(super) from: String,
    /// Addresses separated by `;`.
    pub(super) to: Option<String>,
    pub(super) cc: Option<String>,
    pub(super) reply_to: Option<String>,
    #[serde(default)]
    pub(super) subject: String,
    #[serde(default)]
    pub(super) text: String,
    #[serde(default)]
    pub(super) signature: String,
    #[serde(default)]
    pub(super) class: Option<String>,
    pub(super) authenticity: Option<String>,
    /// For a mail of ours: the plugin that proposed it.
    pub(super) plugin: Option<String>,
    /// For an out-of-office reply: RFC 3339.
    pub(super) returns: Option<String>,
    #[serde(default)]
    pub(super) left: bool,
    #[serde(default)]
    pub(super) attachments: Vec<Attachment>,
    #[serde(default)]
    pub(super) headers: std::collections::BTreeMap<String, String>,
    /// Number of the step whose message it answers; otherwise the same subject makes the thread.
    pub(super) in_reply_to_step: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Attachment {
    pub(super) filename: String,
    pub(super) media_type: String,
    pub(super) size: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settle {
    pub(super) label: String,
    pub(super) outcome: String,
}
