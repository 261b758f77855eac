//! What a plugin asks for: its `plugin.toml`, read without running any of its code.
//!
//! The daemon parses the text (so that errors carry file, line and column) and hands the types of
//! this module around; what a plugin may read and propose is exactly what stands here.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

mod capabilities;
mod case;
mod settings;
mod validate;

pub use case::{CASE_INDEXES_MAX, CaseField, CaseKind, FieldType};
pub use settings::{Setting, SettingType};
pub use validate::nearest;

/// Version of the manifest's own format that this daemon reads.
pub const MANIFEST_FORMAT: u32 = 1;
/// The newest contract that this daemon speaks.
pub const CONTRACT: ContractVersion = ContractVersion {
    major: 0,
    minor: 1,
    patch: 0,
};

/// Fuel per call when the manifest says nothing: some 350 times a realistic policy.
pub const FUEL_DEFAULT: u64 = 50_000_000;
/// Most fuel a manifest may ask for: a second of one core, about.
pub const FUEL_CEILING: u64 = 1_000_000_000;
/// Linear memory in bytes when the manifest says nothing; a Python guest peaks at 12.6 MiB.
pub const MEMORY_DEFAULT: u64 = 32 << 20;
/// Least linear memory in bytes: below it a guest's stack and data do not fit.
pub const MEMORY_FLOOR: u64 = 2 << 20;
/// Most linear memory in bytes a manifest may ask for: the pool's slot size.
pub const MEMORY_CEILING: u64 = 64 << 20;
/// Proposals per answer when the manifest says nothing.
pub const PROPOSALS_DEFAULT: u32 = 20;
/// Most proposals per answer a manifest may ask for.
pub const PROPOSALS_CEILING: u32 = 100;
/// Bytes of message text given when the manifest says nothing.
pub const TEXT_LIMIT_DEFAULT: u32 = 32 << 10;
/// Most bytes of message text a manifest may ask for.
pub const TEXT_LIMIT_CEILING: u32 = 256 << 10;
/// Reads per event when the manifest says nothing.
pub const READS_DEFAULT: u32 = 20;
/// Most reads per event a manifest may ask for.
pub const READS_CEILING: u32 = 200;
/// Most headers a manifest may ask for by name.
pub const HEADERS_CEILING: usize = 32;
/// Most case kinds, settings, or fields of one kind in a manifest.
pub const DECLARATIONS_CEILING: usize = 100;

/// The classes of messages, in the words of the contract.
pub const CLASSES: [&str; 8] = [
    "human",
    "auto-reply",
    "ooo",
    "bounce",
    "list",
    "bulk",
    "auto-generated",
    "calendar",
];

/// The action kinds that may have a table under `[proposals]`.
pub const ACTION_KINDS: [&str; 11] = [
    "email",
    "hold",
    "release-holds",
    "create-case",
    "update-case",
    "create-task",
    "set-timer",
    "cancel-timer",
    "tag-message",
    "notify",
    "change-mailbox",
];

/// One thing that is wrong, where, in a sentence that somebody can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Path of keys, such as `limits.fuel` or `case.lead.states`.
    pub at: String,
    /// What is wrong and what would be right.
    pub said: String,
}

impl Problem {
    /// A problem at a path of keys.
    #[must_use]
    pub fn new(at: impl Into<String>, said: impl Into<String>) -> Problem {
        Problem {
            at: at.into(),
            said: said.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.said)
    }
}

/// A `plugin.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub manifest: u32,
    /// Who it is.
    pub plugin: Identity,
    /// What it is told.
    #[serde(default)]
    pub events: Events,
    /// What it may read.
    #[serde(default)]
    pub reads: Reads,
    /// What it may propose, by action kind; a kind without its table is refused.
    #[serde(default)]
    pub proposals: BTreeMap<String, ProposalGrant>,
    /// Case kinds it declares.
    #[serde(default, rename = "case")]
    pub cases: Vec<CaseKind>,
    /// Settings it understands.
    #[serde(default, rename = "setting")]
    pub settings: Vec<Setting>,
    /// Its budget per call.
    #[serde(default)]
    pub limits: Limits,
}

/// `[plugin]`: who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// `[a-z0-9-]`, at most 64 bytes; effect keys are made of it, so it never changes.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// Lowest contract on which it runs.
    pub requires: ContractVersion,
    /// One sentence for people.
    pub summary: String,
}

/// A kind of happening that can be subscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A message reached a watched mailbox.
    MessageReceived,
    /// A message of ours was found in a Sent mailbox.
    MessageSent,
    /// A timer of the plugin is due.
    TimerFired,
    /// Something that the plugin proposed came to an end.
    EffectSettled,
    /// A meeting was created, changed, moved, called off or answered, or it ended.
    Meeting,
}

impl EventKind {
    /// The word in manifests, equal to `Happening::kind`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::MessageReceived => "message-received",
            EventKind::MessageSent => "message-sent",
            EventKind::TimerFired => "timer-fired",
            EventKind::EffectSettled => "effect-settled",
            EventKind::Meeting => "meeting",
        }
    }
}

/// `[events]`: what it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Kinds of happenings delivered.
    #[serde(default)]
    pub subscribe: Vec<EventKind>,
    /// Message classes delivered with `message-received`, in the words of [`CLASSES`].
    #[serde(default = "human_only")]
    pub classes: Vec<String>,
}

fn human_only() -> Vec<String> {
    vec!["human".to_owned()]
}

impl Default for Events {
    fn default() -> Self {
        Events {
            subscribe: Vec::new(),
            classes: human_only(),
        }
    }
}

/// How much of a message is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageGrant {
    /// Addresses, subject, date, class and names of attachments.
    #[default]
    Envelope,
    /// Also what the sender newly wrote, and the signature.
    Text,
}

/// How much of our calendars is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalendarGrant {
    /// Nothing.
    #[default]
    None,
    /// Busy spans and free slots, without what they are.
    Busy,
    /// The events themselves too.
    Events,
}

/// `[reads]`: what it may read. The host leaves out everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Reads {
    /// How much of messages.
    pub message: MessageGrant,
    /// Most bytes of text.
    pub text_limit: u32,
    /// Headers given, by name.
    pub headers: Vec<String>,
    /// Record kinds with the fields given.
    pub records: BTreeMap<String, Vec<String>>,
    /// How much of calendars.
    pub calendars: CalendarGrant,
    /// Most reads in one call.
    pub per_event: u32,
}

impl Default for Reads {
    fn default() -> Self {
        Reads {
            message: MessageGrant::default(),
            text_limit: TEXT_LIMIT_DEFAULT,
            headers: Vec::new(),
            records: BTreeMap::new(),
            calendars: CalendarGrant::default(),
            per_event: READS_DEFAULT,
        }
    }
}

/// Who may be written to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipients {
    /// People already in the thread.
    #[default]
    Thread,
    /// Also contacts of the matched account.
    Account,
    /// Anybody.
    Any,
}

/// What a mail is for; the greater one wins when two want the same contact (H-CAP).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Selling more of what they have.
    #[default]
    Upsell,
    /// Showing the rest of what we offer.
    Portfolio,
    /// Reviewing the software in use.
    SoftwareReview,
    /// Asking how it goes.
    CheckIn,
    /// Offering training.
    Training,
    /// An open opportunity, a new enquiry included.
    Opportunity,
    /// Money going back.
    Refund,
    /// A notice with a legal or contractual date.
    Notice,
}

/// `[proposals.KIND]`: one action kind that it may propose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProposalGrant {
    /// Why, for the person who installs it.
    pub why: String,
    /// Most of this kind in one answer; `None` is the limit of the whole answer.
    #[serde(default)]
    pub max: Option<u32>,
    /// Whom it may write to; for `email` only.
    #[serde(default)]
    pub recipients: Option<Recipients>,
    /// Rank among mails to one contact; for `email` only.
    #[serde(default)]
    pub purpose: Option<Purpose>,
}

/// `[limits]`: budget of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Units of fuel, about one per instruction.
    pub fuel: u64,
    /// Bytes of linear memory, all memories together.
    pub memory: u64,
    /// Most proposals in one answer.
    pub proposals: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            fuel: FUEL_DEFAULT,
            memory: MEMORY_DEFAULT,
            proposals: PROPOSALS_DEFAULT,
        }
    }
}

/// Version of the contract: three numbers, written `0.1.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContractVersion {
    /// Breaks from 1 on.
    pub major: u32,
    /// Breaks below 1.0, adds from 1.0 on.
    pub minor: u32,
    /// Adds below 1.0.
    pub patch: u32,
}

impl ContractVersion {
    /// Whether two versions have the same types, so that one set of bindings serves both.
    #[must_use]
    pub fn same_generation(self, other: ContractVersion) -> bool {
        self.major == other.major && (self.major > 0 || self.minor == other.minor)
    }
}

impl fmt::Display for ContractVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl From<ContractVersion> for String {
    fn from(version: ContractVersion) -> String {
        version.to_string()
    }
}

impl TryFrom<String> for ContractVersion {
    type Error = String;

    fn try_from(text: String) -> Result<ContractVersion, String> {
        text.parse()
    }
}

impl std::str::FromStr for ContractVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<ContractVersion, String> {
        let mut parts = text.split('.').map(str::parse::<u32>);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch)), None) => Ok(ContractVersion {
                major,
                minor,
                patch,
            }),
            _ => Err(format!(
                "`{text}` is no version: write three numbers, like 0.1.0"
            )),
        }
    }
}

impl Manifest {
    /// Whether a happening of this kind is delivered; `class` is the message's, in the words of
    /// the contract or of `liaison inspect` (`auto-reply`, `auto_reply`).
    #[must_use]
    pub fn subscribes(&self, kind: &str, class: Option<&str>) -> bool {
        let wanted = self
            .events
            .subscribe
            .iter()
            .any(|subscribed| subscribed.as_str() == kind);
        let class_wanted = match class {
            Some(class) if kind == EventKind::MessageReceived.as_str() => {
                let class = class.replace('_', "-");
                self.events.classes.contains(&class)
            }
            _ => true,
        };
        wanted && class_wanted
    }

    /// The table for an action kind; `None` means that the kind is refused.
    #[must_use]
    pub fn grant(&self, action_kind: &str) -> Option<&ProposalGrant> {
        self.proposals.get(action_kind)
    }

    /// The declared case kind with this name.
    #[must_use]
    pub fn case(&self, kind: &str) -> Option<&CaseKind> {
        self.cases.iter().find(|case| case.kind == kind)
    }

    /// Problems of a case that the plugin wants written; see [`CaseKind::check`].
    #[must_use]
    pub fn validate_case(
        &self,
        kind: &str,
        fields: &crate::proposal::Fields,
        state: Option<&str>,
        previous_state: Option<&str>,
    ) -> Vec<Problem> {
        match self.case(kind) {
            Some(case) => case.check(fields, state, previous_state),
            None => {
                let known = self.cases.iter().map(|case| case.kind.as_str());
                vec![Problem::new(
                    "kind",
                    format!(
                        "the manifest declares no case kind `{kind}`{}",
                        validate::did_you_mean(kind, known)
                    ),
                )]
            }
        }
    }
}

#[cfg(test)]
mod tests;
