//! What was decided will happen: mails and holds with their states.

use serde::{Deserialize, Serialize};

use crate::happening::Subject;
use crate::ids::{CalendarId, EffectId, HoldGroupId, MessageKey, PluginName, TransportId};
use crate::mail::thread::server_id_part;
use crate::message::MESSAGE_ID_BYTES_MAX;
use crate::outbox::MailState;
use crate::time::{Timestamp, Window};

/// What becomes of a mail that a plugin asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailMode {
    /// The plugin is not even asked.
    Off,
    /// Decided and recorded, nothing carried out.
    Rehearse,
    /// A task tells our person what would be written.
    Notify,
    /// A draft in the owner's own Drafts mailbox.
    #[default]
    Draft,
    /// Waits in the outbox for a person's yes.
    Approve,
    /// Sent by itself.
    Send,
}

impl MailMode {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            MailMode::Off => "off",
            MailMode::Rehearse => "rehearse",
            MailMode::Notify => "notify",
            MailMode::Draft => "draft",
            MailMode::Approve => "approve",
            MailMode::Send => "send",
        }
    }
}

/// What becomes of records, tasks and holds that a plugin asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordMode {
    /// Refused.
    Off,
    /// Decided and recorded, nothing carried out.
    Rehearse,
    /// Carried out, with the audit.
    #[default]
    Apply,
}

impl RecordMode {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RecordMode::Off => "off",
            RecordMode::Rehearse => "rehearse",
            RecordMode::Apply => "apply",
        }
    }
}

/// Who reads a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// A customer or prospect.
    Counterpart,
    /// One of us.
    Staff,
}

/// Why an effect exists: enough for `liaison why` to walk back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The plugin.
    pub plugin: PluginName,
    /// Its version.
    pub plugin_version: String,
    /// First 12 hex digits of its digest.
    pub plugin_digest: String,
    /// Its label.
    pub label: String,
    /// Event of the log.
    pub event_seq: u64,
    /// What the key was derived from: event key or the plugin's `once`.
    pub cause: String,
    /// Whom and what it is about.
    pub subject: Subject,
    /// The plugin's sentence.
    pub reason: String,
    /// Policy rule.
    pub rule: Option<String>,
}

/// One copy of one mail for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailEffect {
    /// Its key.
    pub id: EffectId,
    /// Why.
    pub cause: Cause,
    /// Who reads it.
    pub audience: Audience,
    /// What becomes of it.
    pub mode: MailMode,
    /// How it leaves.
    pub transport: TransportId,
    /// Message-ID without brackets, derived from the key.
    pub message_id: String,
    /// Our address.
    pub from: String,
    /// The one recipient.
    pub recipient: String,
    /// Subject, for lists.
    pub subject_line: String,
    /// Content file of the rendered message; [`crate::message::gone`] when it was removed since.
    pub content: String,
    /// Message it answers.
    pub answers: Option<MessageKey>,
    /// Cancelled when a person answers in the thread first.
    pub cancel_on_reply: bool,
    /// Holds that must be placed first.
    pub requires: Vec<EffectId>,
    /// Owed to the recipient: exempt from the frequency cap.
    pub exempt_from_cap: bool,
    /// Where it stands.
    pub state: MailState,
    /// Since when.
    pub since: Timestamp,
    /// Not before this.
    pub not_before: Timestamp,
    /// Attempts that began.
    pub attempts: u32,
    /// Looks for it in Sent while it was uncertain.
    pub looks: u32,
    /// Last answer of the server, or last trouble.
    pub last_reply: Option<String>,
    /// When it was decided.
    pub created: Timestamp,
    /// Ids that servers and programs gave it in place of its Message-ID: answers name them. Without
    /// brackets; some servers tell theirs without a domain.
    pub known_as: Vec<String>,
    /// How often it may still be sent again after a doubt, where its mailbox says so.
    pub resends_left: u32,
    /// Since when the draft is not in Drafts any more, and nobody knows why.
    pub missing_since: Option<Timestamp>,
}

/// Most ids that are learnt of one mail: a server tells one or two, and so does each copy.
pub const KNOWN_AS_MAX: usize = 8;
/// How often a mail is sent again after a doubt, where its mailbox says so. Once: a server that loses
/// two verdicts in a row may have taken both.
pub const RESENDS_MAX: u32 = 1;

impl MailEffect {
    /// Whether it is laid into Drafts; staff read their mail in the inbox.
    #[must_use]
    pub fn is_draft(&self) -> bool {
        self.mode == MailMode::Draft && self.audience == Audience::Counterpart
    }

    /// Learns other ids of it; what is known is passed over.
    pub fn learn(&mut self, ids: impl IntoIterator<Item = String>) {
        for id in ids {
            let id = id.trim();
            let fits = !id.is_empty() && id.len() <= MESSAGE_ID_BYTES_MAX;
            let is_new = id != self.message_id && !self.known_as.iter().any(|known| known == id);
            if fits && is_new && self.known_as.len() < KNOWN_AS_MAX {
                self.known_as.push(id.to_owned());
            }
        }
    }

    /// Whether a message with these References and In-Reply-To names this mail.
    #[must_use]
    pub fn is_named_in(&self, references: &[String]) -> bool {
        references.iter().any(|id| {
            let by_server = server_id_part(id);
            *id == self.message_id
                || self.known_as.iter().any(|known| {
                    known == id || (by_server.is_some() && server_id_part(known) == by_server)
                })
        })
    }
}

/// Where a hold stands; [`crate::hold`] has the steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// To be placed.
    Planned,
    /// In the calendar.
    Placed,
    /// Chosen; it became a meeting.
    Confirmed,
    /// Given up, with the reason.
    Released(String),
    /// To be removed from the calendar, with the reason.
    Releasing(String),
    /// Its time to be held ran out.
    Expired,
    /// A person changed it: it is theirs.
    Adopted(String),
    /// It could not be placed.
    Lost(String),
    /// Chosen; to be made a meeting. Who chose it.
    Confirming(String),
}

impl HoldState {
    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            HoldState::Planned => "planned",
            HoldState::Placed => "placed",
            HoldState::Confirmed => "confirmed",
            HoldState::Released(_) => "released",
            HoldState::Releasing(_) => "releasing",
            HoldState::Expired => "expired",
            HoldState::Adopted(_) => "adopted",
            HoldState::Lost(_) => "lost",
            HoldState::Confirming(_) => "confirming",
        }
    }

    /// Why it is so, where that is known.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            HoldState::Released(why)
            | HoldState::Releasing(why)
            | HoldState::Adopted(why)
            | HoldState::Lost(why) => Some(why),
            _ => None,
        }
    }

    /// Whether nothing more will happen to it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(
            self,
            HoldState::Planned
                | HoldState::Placed
                | HoldState::Releasing(_)
                | HoldState::Confirming(_)
        )
    }
}

/// One tentative calendar event of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldEffect {
    /// Its key.
    pub id: EffectId,
    /// Why.
    pub cause: Cause,
    /// Whose calendar.
    pub calendar: CalendarId,
    /// iCalendar UID, derived from the key.
    pub uid: String,
    /// Alternatives share it.
    pub group: HoldGroupId,
    /// The plugin's own name for the group.
    pub group_name: String,
    /// Summary without prefix.
    pub title: String,
    /// Description.
    pub note: String,
    /// When.
    pub when: Window,
    /// IANA zone in which it is meant.
    pub zone: String,
    /// Given up at this time.
    pub expires: Timestamp,
    /// Where it lies.
    pub href: Option<String>,
    /// Its version there.
    pub etag: Option<String>,
    /// Where it stands.
    pub state: HoldState,
    /// Since when.
    pub since: Timestamp,
    /// Attempts that began.
    pub attempts: u32,
    /// Not before this.
    pub not_before: Timestamp,
    /// Last trouble.
    pub last_trouble: Option<String>,
    /// When it was decided.
    pub created: Timestamp,
    /// Which offer of its group it belongs to, see [`crate::hold::HoldGroup`].
    pub generation: u32,
}
