//! What a plugin suggests. Proposals are data: only `policy::decide` makes effects of them.
//!
//! The shapes follow `sdk/wit/liaison.wit`; the daemon converts each released version of the
//! contract to these types, so that nothing else knows the bindings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{CaseId, MessageKey};
use crate::mailbox::MailboxChange;
use crate::time::{Timestamp, Window};

/// A value of a record's field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// No value.
    Null,
    /// Yes or no.
    Flag(bool),
    /// A whole number; amounts of money in minor units.
    Integer(i64),
    /// Text.
    Text(String),
    /// An instant.
    At(Timestamp),
    /// Several texts.
    Texts(Vec<String>),
}

/// Fields by name, in a fixed order.
pub type Fields = BTreeMap<String, Value>;

/// One suggestion with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The plugin's own name for it, unique within the answer to one event.
    pub label: String,
    /// What is suggested.
    pub action: Action,
    /// One sentence for `liaison why`.
    pub reason: String,
    /// Number of the policy rule that asks for it, such as `R31`.
    pub rule: Option<String>,
    /// Takes the event's place in the effect key: carried out once for this text.
    pub once: Option<String>,
}

/// What can be suggested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A mail to the counterpart; the mode decides what becomes of it.
    Email(EmailProposal),
    /// A tentative calendar event.
    Hold(HoldProposal),
    /// Give up the holds of a group of this plugin in this thread.
    ReleaseHolds(String),
    /// A record of a kind that the manifest declares.
    CreateCase(CreateCase),
    /// New state or fields of a case.
    UpdateCase(UpdateCase),
    /// Work for one of our people.
    CreateTask(CreateTask),
    /// Wake the plugin at a time.
    SetTimer(SetTimer),
    /// Forget the timer with this name.
    CancelTimer(String),
    /// Tags of a message.
    TagMessage(TagMessage),
    /// Tell our own people.
    Notify(Notify),
    /// Flags, keywords, folder or labels of the message of the event.
    ChangeMailbox(MailboxChange),
    /// Something invented after this version; always refused with its name.
    Extension(String),
}

impl Action {
    /// The word for it in manifests, modes and explanations.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Action::Email(_) => "email",
            Action::Hold(_) => "hold",
            Action::ReleaseHolds(_) => "release-holds",
            Action::CreateCase(_) => "create-case",
            Action::UpdateCase(_) => "update-case",
            Action::CreateTask(_) => "create-task",
            Action::SetTimer(_) => "set-timer",
            Action::CancelTimer(_) => "cancel-timer",
            Action::TagMessage(_) => "tag-message",
            Action::Notify(_) => "notify",
            Action::ChangeMailbox(_) => "change-mailbox",
            Action::Extension(_) => "extension",
        }
    }
}

/// An address as a plugin writes it; validated when it is decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainAddress {
    /// Display name.
    pub name: Option<String>,
    /// `local@domain`.
    pub email: String,
}

/// The text of a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Plain text.
    Text(String),
    /// A template of the plugin or of the firm with its variables (a JSON object as text).
    Template {
        /// Name without extension.
        name: String,
        /// JSON object.
        variables: String,
    },
}

/// A mail to the counterpart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailProposal {
    /// The message being answered.
    pub in_reply_to: Option<MessageKey>,
    /// Recipients; empty means those of the answered message.
    pub to: Vec<PlainAddress>,
    /// Copies.
    pub cc: Vec<PlainAddress>,
    /// Subject; `None` with `in_reply_to` means "Re: " and the old one.
    pub subject: Option<String>,
    /// The text.
    pub content: Content,
    /// Names of attachments among the templates.
    pub attach: Vec<String>,
    /// Not before this.
    pub not_before: Option<Timestamp>,
    /// Cancel when a person answers in the thread first.
    pub cancel_on_reply: bool,
    /// Labels of holds that must be placed first.
    pub requires: Vec<String>,
}

/// A tentative calendar event in one of our calendars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldProposal {
    /// What it is about, without prefix.
    pub title: String,
    /// When.
    pub when: Window,
    /// IANA zone in which the time is meant; `None` is the owner's.
    pub zone: Option<String>,
    /// Address of our person; `None` is the owner in the context.
    pub owner: Option<String>,
    /// Alternatives share a group.
    pub group: String,
    /// Free text for the description.
    pub note: String,
    /// Give it up at this time; `None` is the operator's default.
    pub expires: Option<Timestamp>,
}

/// A new record of a declared kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateCase {
    /// Kind, as in the manifest.
    pub kind: String,
    /// Title in lists.
    pub title: String,
    /// State; `None` is the first declared one.
    pub state: Option<String>,
    /// Fields.
    pub fields: Fields,
}

/// A change of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateCase {
    /// Which.
    pub id: CaseId,
    /// Refuse when the record moved on.
    pub if_revision: Option<u64>,
    /// New state.
    pub state: Option<String>,
    /// Fields to set.
    pub set: Fields,
}

/// Work for one of our people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTask {
    /// What, in one line.
    pub title: String,
    /// What to do and look at.
    pub body: String,
    /// Points to tick.
    pub checklist: Vec<String>,
    /// When it is due.
    pub due: Option<Timestamp>,
    /// Address of our person; `None` is the owner in the context.
    pub owner: Option<String>,
}

/// Wake the plugin at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTimer {
    /// One timer per plugin and name.
    pub name: String,
    /// When.
    pub due: Timestamp,
    /// JSON text given back when it fires.
    pub payload: String,
}

/// Tags of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagMessage {
    /// Which message.
    pub message: MessageKey,
    /// Tags to add.
    pub add: Vec<String>,
    /// Tags to remove.
    pub remove: Vec<String>,
}

/// Tell our own people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// What happened and what to do, in a sentence or two.
    pub text: String,
    /// At once, not in a digest.
    pub urgent: bool,
    /// Address of our person; `None` is the owner in the context.
    pub to: Option<String>,
}
