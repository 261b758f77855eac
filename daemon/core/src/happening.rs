//! What a plugin is told: one event with its read-only context.
//!
//! These are the daemon's own types; the plugin host converts them to the version of the
//! contract that a plugin was built for.

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, ContactId, EffectId, MessageKey, PluginName, ThreadId};
use crate::proposal::{Fields, PlainAddress};
use crate::time::{Timestamp, Window};

/// One event for one call of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginEvent {
    /// Stable over redelivery and replay; seeds the plugin's random stream.
    pub id: String,
    /// The event's time.
    pub at: Timestamp,
    /// 1 at first, more after `again-later`.
    pub attempt: u32,
    /// What happened.
    pub happening: Happening,
    /// What the daemon already knows.
    pub context: EventContext,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// A message reached a watched mailbox.
    MessageReceived {
        /// The message.
        message: PluginMessage,
        /// Messages in the thread, this one included.
        thread_length: u32,
        /// It answers a message of ours.
        answers_us: bool,
    },
    /// A message of ours was found in a Sent mailbox.
    MessageSent {
        /// The message.
        message: PluginMessage,
        /// Messages in the thread, this one included.
        thread_length: u32,
        /// The effect that sent it; `None` when a person did.
        effect: Option<EffectId>,
        /// The plugin that proposed that effect.
        plugin: Option<PluginName>,
    },
    /// A timer of the plugin is due.
    TimerFired {
        /// Its name.
        name: String,
        /// When it was due.
        due: Timestamp,
        /// How late it fired, in milliseconds.
        late_by_ms: i64,
        /// JSON text given when it was set.
        payload: String,
    },
    /// Something that the plugin proposed came to an end.
    EffectSettled {
        /// Which.
        effect: EffectId,
        /// The plugin's label.
        label: String,
        /// What became of it.
        outcome: SettledOutcome,
    },
    /// Something happened to a meeting.
    Meeting(MeetingTold),
}

/// The kind of the extension in which plugins are told of a meeting.
pub const MEETING_EXTENSION: &str = "liaison/meeting@1";

/// What plugins are told of a meeting, as JSON; `sdk/README.md` has the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeetingTold {
    /// The same for all that happens to it.
    pub id: String,
    /// iCalendar UID.
    pub uid: String,
    /// What happened, in the words of `crate::meeting::What`.
    pub what: String,
    /// Its title.
    pub title: String,
    /// Which time of a series, by its original start; of a single meeting or all of it: none.
    pub instance: Option<Timestamp>,
    /// When it begins; of a proposal: when it shall.
    pub start: Option<Timestamp>,
    /// When it ends.
    pub end: Option<Timestamp>,
    /// When it was to begin before.
    pub start_before: Option<Timestamp>,
    /// It does not take place.
    pub cancelled: bool,
    /// It is a series.
    pub repeats: bool,
    /// Address of the organizer.
    pub organizer: Option<String>,
    /// Address of who answered or proposed.
    pub by: Option<String>,
    /// Their answer.
    pub answer: Option<String>,
    /// Addresses of those who were invited, with their answers.
    pub people: Vec<(String, String)>,
    /// With `ended`: it may count as held.
    pub held: bool,
    /// Why it does not count as held, or would not yet.
    pub not_held_because: Option<String>,
}

impl Happening {
    /// The word for subscriptions and filters in manifests.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Happening::MessageReceived { .. } => "message-received",
            Happening::MessageSent { .. } => "message-sent",
            Happening::TimerFired { .. } => "timer-fired",
            Happening::EffectSettled { .. } => "effect-settled",
            Happening::Meeting(_) => "meeting",
        }
    }
}

/// What became of an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettledOutcome {
    /// Sent or placed.
    Done,
    /// Lies in the owner's Drafts mailbox.
    Drafted,
    /// A person said no.
    Rejected(String),
    /// Made pointless by a later event.
    Cancelled(String),
    /// A person changed, removed or chose the hold.
    Adopted(String),
    /// Failed for good.
    Failed(String),
}

/// What the daemon knows about the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventContext {
    /// Whom the message is about.
    pub matched: MatchView,
    /// Our own addresses.
    pub ourselves: Vec<PlainAddress>,
    /// Our person who looks after this.
    pub owner: Option<UserView>,
    /// IANA zone of the owner, else of the firm.
    pub zone: String,
    /// Nothing will be carried out.
    pub rehearsal: bool,
}

/// One of our own people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// Display name.
    pub name: String,
    /// Address.
    pub email: String,
    /// IANA zone.
    pub zone: String,
}

/// A message as plugins see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginMessage {
    /// Its key.
    pub id: MessageKey,
    /// Its conversation.
    pub thread: ThreadId,
    /// Mailbox in which it was seen first.
    pub mailbox: String,
    /// `true` for mail of ours.
    pub outbound: bool,
    /// Date field, else arrival.
    pub date: Timestamp,
    /// Decoded subject.
    pub subject: String,
    /// From.
    pub sender: PlainAddress,
    /// To.
    pub to: Vec<PlainAddress>,
    /// Cc.
    pub cc: Vec<PlainAddress>,
    /// Reply-To.
    pub reply_to: Vec<PlainAddress>,
    /// Headers the manifest asked for.
    pub headers: Vec<(String, String)>,
    /// New text, without quotes and signature.
    pub text: String,
    /// Signature.
    pub signature: String,
    /// `text` was cut.
    pub truncated: bool,
    /// Attachments.
    pub attachments: Vec<PluginAttachment>,
    /// Tags.
    pub tags: Vec<String>,
    /// Class, in the words of `liaison inspect`.
    pub class: String,
    /// What an out-of-office reply says.
    pub out_of_office: Option<PluginOutOfOffice>,
}

/// An attachment without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginAttachment {
    /// Opaque id.
    pub id: String,
    /// Sanitised file name.
    pub filename: Option<String>,
    /// Media type.
    pub media_type: String,
    /// Bytes after decoding.
    pub size: u64,
}

/// What an out-of-office reply says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginOutOfOffice {
    /// Start of the day of return.
    pub returns: Option<Timestamp>,
    /// The person left the company.
    pub left: bool,
}

/// A record as plugins see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// Id.
    pub id: String,
    /// `account`, `contact`, or a case kind.
    pub kind: String,
    /// Version of the record.
    pub revision: u64,
    /// State of a case; empty otherwise.
    pub state: String,
    /// Granted fields.
    pub fields: Fields,
}

/// The match as plugins see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchView {
    /// `account|ambiguous|unknown|own|automatic`.
    pub outcome: String,
    /// The account.
    pub account: Option<Entity>,
    /// The contact.
    pub contact: Option<Entity>,
    /// Accounts between which it is undecided.
    pub candidates: Vec<AccountId>,
    /// 0 to 100.
    pub confidence: u8,
    /// Kind and sentence.
    pub evidence: Vec<(String, String)>,
    /// `pass|fail|none|unknown`.
    pub authenticity: String,
}

/// A calendar instance as plugins see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginCalendarEvent {
    /// Name of the calendar.
    pub calendar: String,
    /// UID.
    pub uid: String,
    /// SEQUENCE.
    pub sequence: u32,
    /// SUMMARY.
    pub summary: String,
    /// When.
    pub when: Window,
    /// A DATE start.
    pub all_day: bool,
    /// `tentative|confirmed|cancelled`.
    pub status: String,
    /// LOCATION.
    pub location: Option<String>,
    /// ORGANIZER.
    pub organizer: Option<PlainAddress>,
    /// ATTENDEE: who, PARTSTAT in lower case, optional.
    pub attendees: Vec<(PlainAddress, String, bool)>,
    /// A hold of ours.
    pub ours: bool,
}

/// The subject of an event, kept with timers and effects so that later events know it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The message that began it.
    pub message: Option<MessageKey>,
    /// Its thread.
    pub thread: Option<ThreadId>,
    /// Its account.
    pub account: Option<AccountId>,
    /// Its contact.
    pub contact: Option<ContactId>,
    /// The counterpart's address.
    pub counterpart: Option<String>,
    /// Name of the mailbox.
    pub mailbox: Option<String>,
}

impl Subject {
    /// Whether this is for those whom an event is about: its account, else its counterpart.
    #[must_use]
    pub fn is_for_the_same(&self, event: &Subject) -> bool {
        match &event.account {
            Some(account) => self.account.as_ref() == Some(account),
            None => event.counterpart.is_some() && self.counterpart == event.counterpart,
        }
    }
}
