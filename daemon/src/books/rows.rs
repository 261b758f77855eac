//! The rows themselves, and the type number of everything that is stored.

use std::collections::BTreeMap;

use liaison_core::account::matching::{AddressHit, Evidence, Match};
use liaison_core::account::{Account, Contact};
use liaison_core::crm::{CrmRecord, FieldChange, Kind, Source};
use liaison_core::effect::{HoldEffect, MailEffect};
use liaison_core::happening::{SettledOutcome, Subject};
use liaison_core::hold::HoldGroup;
use liaison_core::ids::{AccountId, EffectId, MailboxId, MessageKey, PluginName, TimerId};
use liaison_core::mailbox::MailboxEffect;
use liaison_core::meeting::{Meeting, News};
use liaison_core::message::{MessageRecord, ThreadRecord};
use liaison_core::optout::OptOut;
use liaison_core::policy::Verdict;
use liaison_core::proposal;
use liaison_core::reach::{Reach, ReportRecord, ReturnRecord};
use liaison_core::records::{CaseRecord, TaskRecord, TimerRecord};
use liaison_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::frozen;
use super::registry::{Registry, records};
use crate::keeping::sweep::LetGo;
use crate::source::backfill::BackfillFolder;
use crate::source::listed::Listed;
use crate::source::{BatchMode, Cursor, FolderRole};
use crate::store::codec::{self, CodecError};

/// One copy of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Folder in it.
    pub folder: String,
    /// What the folder is for.
    pub role: FolderRole,
    /// Where in it, when last seen.
    pub locator: String,
    /// When the copy was first seen.
    pub seen: Timestamp,
    /// The message was known already when this copy came.
    pub copy: bool,
}

/// How far a folder is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorRow {
    /// The cursor.
    pub cursor: Cursor,
    /// When the folder was last read up to it.
    pub at: Timestamp,
    /// From this UID on every message was taken, so that one which was not was missed; `None`
    /// where messages have no UIDs.
    pub line: Option<u32>,
}

/// A message that could not be read when it was asked for, and is asked for again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadRow {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Folder in it.
    pub folder: String,
    /// Where in it.
    pub locator: String,
    /// How the message is to be taken when it can be read.
    pub mode: BatchMode,
    /// The last good look before the first try, for messages of a renumbered folder.
    pub last_look: Option<Timestamp>,
    /// When it was first tried.
    pub since: Timestamp,
    /// Tries so far.
    pub tries: u32,
    /// When it is tried again.
    pub due: Timestamp,
    /// What was said at the last try.
    pub reason: String,
}

/// One thing to react to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// Its place in the log.
    pub seq: u64,
    /// Its key: the same cause never makes two events.
    pub key: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// What.
    pub body: EventBody,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventBody {
    /// A message.
    Message(MessageKey),
    /// A timer fired.
    Timer {
        /// Which.
        timer: TimerId,
        /// Whose.
        plugin: PluginName,
        /// Its name.
        name: String,
        /// When it was due.
        due: Timestamp,
        /// Its payload.
        payload: String,
        /// Whom and what it is about.
        subject: Subject,
    },
    /// An effect came to an end.
    Settled {
        /// Which.
        effect: EffectId,
        /// Whose.
        plugin: PluginName,
        /// The plugin's label.
        label: String,
        /// What became of it.
        outcome: SettledOutcome,
        /// Whom and what it is about.
        subject: Subject,
    },
    /// Something happened to a meeting.
    Meeting {
        /// Its id.
        meeting: String,
        /// What.
        news: News,
        /// Whom and what it is about.
        subject: Subject,
    },
}

/// What became of an event. Exactly one per event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRow {
    /// Key of the event.
    pub event_key: String,
    /// Its place in the log; `None` for what never became an event (history).
    pub seq: Option<u64>,
    /// The message, for message events.
    pub message: Option<MessageKey>,
    /// Whom it belongs to.
    pub matched: Option<Match>,
    /// One sentence.
    pub summary: String,
    /// When the last subscribed plugin was past it; `None` while open.
    pub closed: Option<Timestamp>,
}

/// What one plugin said about one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginResultRow {
    /// The plugin.
    pub plugin: PluginName,
    /// Its version.
    pub version: String,
    /// First 12 hex digits of its digest.
    pub digest: String,
    /// When.
    pub at: Timestamp,
    /// How the call ended.
    pub end: CallEnd,
    /// One per proposal; cut at what fits, `verdicts_cut` tells.
    pub verdicts: Vec<Verdict>,
    /// Verdicts that did not fit.
    pub verdicts_cut: u32,
    /// Log lines of the plugin.
    pub log: Vec<String>,
    /// Fuel used, and the budget.
    pub fuel: (u64, u64),
    /// Tries so far.
    pub attempt: u32,
}

/// How a call of a plugin ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallEnd {
    /// It answered.
    Answered,
    /// It was not called, because ...
    Skipped(String),
    /// It waits for another try.
    Waiting(Timestamp, String),
    /// Set aside; shown, and can be unparked.
    Parked(String),
}

/// How a plugin stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginStateRow {
    /// Strikes in a row.
    pub strikes: u32,
    /// Suspended, since when and why.
    pub suspended: Option<(Timestamp, String)>,
    /// Digest to which strikes and suspension belong.
    pub digest: String,
}

/// A mail in a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// When it was decided.
    pub at: Timestamp,
    /// Which.
    pub effect: EffectId,
}

/// Who did what, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// A person, a plugin, or a part of the daemon.
    pub who: String,
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// Something that happened with an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineRow {
    /// When.
    pub at: Timestamp,
    /// `mail-in`, `mail-out`, `case`, `hold`, `task`, `meeting`.
    pub kind: String,
    /// One line.
    pub text: String,
    /// Id for `liaison why`.
    pub id: String,
}

/// Records under an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByAddrRow {
    /// Contacts with it.
    pub hits: Vec<AddressHit>,
    /// The account that a person decided it belongs to.
    pub decided: Option<AccountId>,
}

/// Accounts under a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByDomainRow {
    /// Accounts with it.
    pub accounts: Vec<AccountId>,
    /// The account that a person decided it belongs to.
    pub decided: Option<AccountId>,
}

/// A number that only grows: the next event, the next step of the pipeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterRow {
    /// The next value.
    pub next: u64,
}

/// An event that waits for another try of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitRow {
    /// The event.
    pub seq: u64,
    /// The plugin.
    pub plugin: PluginName,
    /// Its thread, which waits behind it.
    pub thread: Option<String>,
    /// Its account, which waits behind it.
    pub account: Option<AccountId>,
    /// Finished tries.
    pub attempt: u32,
    /// When it is tried again.
    pub due: Timestamp,
}

/// Which version of each type of record this store has seen, and to which all rows were rewritten.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionsRow {
    /// By type: the greatest version that any release knew that opened the store.
    pub seen: Vec<(u8, u16)>,
    /// By type: no row of an older version is left.
    pub swept: Vec<(u8, u16)>,
}

/// What the last look at everything found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookedRow {
    /// When it ended.
    pub at: Timestamp,
    /// Nothing was found.
    pub clean: bool,
    /// What was found, in lines; not all of it.
    pub faults: Vec<String>,
    /// Rows that were read.
    pub rows: u64,
    /// Contents that were read.
    pub contents: u64,
    /// What was let go before.
    pub let_go: LetGo,
}

/// The key under which tombstones are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaltRow {
    /// Random bits.
    pub salt: [u8; 32],
}

/// A person whose data was erased, or is being erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureRow {
    /// First digits of the tombstone: what people call it.
    pub id: String,
    /// When it was asked for.
    pub asked: Timestamp,
    /// By whom.
    pub who: String,
    /// How far it is.
    pub state: ErasureState,
    /// All addresses of the person, until their rows are gone.
    pub addresses: Vec<String>,
    /// Rows removed or rewritten, by family.
    pub rows: BTreeMap<String, u64>,
    /// Contents removed.
    pub contents: u64,
    /// When it was done.
    pub finished: Option<Timestamp>,
}

/// How far an erasure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureState {
    /// Rows and content are still there.
    Asked,
    /// They are gone; older files still have them.
    Files,
    /// Nothing is left.
    Done,
}

/// A kind of record: one of the core's own, or of cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnyKind {
    /// A core record.
    Core(Kind),
    /// A case of this kind.
    Case(String),
}

impl AnyKind {
    /// In one word.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            AnyKind::Core(kind) => kind.word(),
            AnyKind::Case(kind) => kind,
        }
    }

    /// The first words of a command about one.
    #[must_use]
    pub fn command(&self) -> String {
        match self {
            AnyKind::Core(kind) => kind.plural().to_owned(),
            AnyKind::Case(kind) => format!("cases {kind}"),
        }
    }
}

/// Which fields of the cases of a kind have an index: all cases of it that are stored are found by
/// each of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseIndexRow {
    /// The kind.
    pub kind: String,
    /// Names of the fields, sorted.
    pub fields: Vec<String>,
}

/// A new value of a field that waits for a person's yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRow {
    /// Derived from record, field, value and who wants it: asked for again, it is the same.
    pub id: String,
    /// Kind of the record.
    pub kind: AnyKind,
    /// The record.
    pub record: String,
    /// The field.
    pub field: String,
    /// What stood there when it was asked for.
    pub old: proposal::Value,
    /// What is to stand there.
    pub new: proposal::Value,
    /// Who wants it.
    pub source: Source,
    /// Who wants it, in words.
    pub who: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
    /// When it was decided, by whom, and whether it was accepted.
    pub decided: Option<(Timestamp, String, bool)>,
}

/// One record that took the place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeRow {
    /// Kind of both.
    pub kind: Kind,
    /// The record that is not shown any more.
    pub from: String,
    /// The record that took its place.
    pub into: String,
    /// What that got by it.
    pub taken: Vec<FieldChange>,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub who: String,
}

/// Old messages of a mailbox that a person wants shown to the plugins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillRow {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Messages received since.
    pub since: Timestamp,
    /// When it was asked for.
    pub asked: Timestamp,
    /// By whom.
    pub who: String,
    /// How it stands.
    pub state: BackfillState,
    /// How far each folder is.
    pub folders: Vec<BackfillFolder>,
    /// Messages that the plugins were shown.
    pub rehearsed: u64,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

impl BackfillRow {
    /// Whether there is something left to do.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.state == BackfillState::Running
    }
}

/// How a backfill stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackfillState {
    /// It goes on whenever there is nothing more urgent.
    Running,
    /// All messages were shown.
    Done,
    /// A person ended it.
    Cancelled,
}

/// What was listed of a folder before it is read, where that takes more than one batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedRow {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Folder in it.
    pub folder: String,
    /// What; all of it may have been read since.
    pub listed: Listed,
}

/// What is kept of a mailbox, calendar or transport from one start to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchRow {
    /// Last known proof by folder; a calendar has one without name.
    pub proven: Vec<(String, Timestamp)>,
    /// The last alarm.
    pub alarm: Option<AlarmState>,
}

/// An alarm that was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmState {
    /// It goes on.
    pub open: bool,
    /// It was overdue; otherwise it needed a person.
    pub stale: bool,
    /// In words.
    pub what: String,
    /// When it was raised.
    pub since: Timestamp,
    /// When it was told last.
    pub told: Timestamp,
}

/// A sender who may belong to several accounts: a person decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewRow {
    /// Derived from address and candidates: what people call it.
    pub id: String,
    /// The address, in lookup form.
    pub address: String,
    /// The accounts.
    pub candidates: Vec<AccountId>,
    /// Why them.
    pub evidence: Vec<Evidence>,
    /// When the first message came.
    pub first: Timestamp,
    /// When the last one came.
    pub last: Timestamp,
    /// How many came.
    pub count: u32,
    /// The newest of them, oldest first.
    pub messages: Vec<MessageKey>,
    /// What became of it.
    pub state: ReviewState,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReviewState {
    /// Nobody decided.
    Open,
    /// A person said whose it is.
    Resolved {
        /// The account.
        account: AccountId,
        /// The address or the domain that is the account's from then on.
        subject: String,
        /// When.
        at: Timestamp,
        /// By whom.
        who: String,
    },
    /// A person said that it need not be decided.
    Dismissed {
        /// When.
        at: Timestamp,
        /// By whom.
        who: String,
    },
}

/// What a person decided about an address or a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchRuleRow {
    /// An address in lookup form, or a domain.
    pub subject: String,
    /// Whose it is.
    pub account: AccountId,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub who: String,
    /// Why.
    pub why: String,
    /// The review that asked.
    pub review: String,
}

// Numbers are on disk: add at the end, never reuse one. 1 and 2 are in `store/sled/open.rs`, up to
// 9 belongs to what the store says of itself. How a shape is changed: ARCHITECTURE, section 6.
records! {
    3 VersionsRow = 1;
    10 MessageRecord = 2 from { 1 => frozen::MessageRecordV1 };
    11 ThreadRecord = 2 from { 1 => frozen::ThreadRecordV1 };
    12 DeliveryRow = 1;
    13 CursorRow = 2 from { 1 => frozen::CursorRowV1 };
    14 EventRow = 2 from { 1 => frozen::EventRowV1 };
    15 OutcomeRow = 1;
    16 PluginResultRow = 1;
    17 PluginStateRow = 1;
    18 MailEffect = 2 from { 1 => frozen::MailEffectV1 };
    19 HoldEffect = 2 from { 1 => frozen::HoldEffectV1 };
    20 CaseRecord = 2 from { 1 => frozen::CaseRecordV1 };
    21 TaskRecord = 2 from { 1 => frozen::TaskRecordV1 };
    22 TimerRecord = 1;
    23 LedgerRow = 1;
    24 AuditRow = 1;
    25 TimelineRow = 1;
    26 Account = 2 from { 1 => frozen::AccountV1 };
    27 Contact = 2 from { 1 => frozen::ContactV1 };
    28 ByAddrRow = 2 from { 1 => frozen::ByAddrRowV1 };
    29 ByDomainRow = 2 from { 1 => frozen::ByDomainRowV1 };
    30 CounterRow = 1;
    31 WaitRow = 1;
    32 UnreadRow = 1;
    33 LookedRow = 1;
    34 SaltRow = 1;
    35 ErasureRow = 1;
    36 ReviewRow = 1;
    37 MatchRuleRow = 1;
    38 CrmRecord = 1;
    39 ChangeRow = 2 from { 1 => frozen::ChangeRowV1 };
    40 CaseIndexRow = 1;
    41 MergeRow = 1;
    46 WatchRow = 1;
    47 BackfillRow = 1;
    48 ListedRow = 1;
    49 MailboxEffect = 1;
    60 Reach = 1;
    61 ReportRecord = 1;
    62 ReturnRecord = 1;
    64 OptOut = 1;
    65 HoldGroup = 1;
    66 Meeting = 1;
}

/// A stored record in a readable form; `None` when it is none of ours.
///
/// # Errors
/// As [`crate::store::codec::decode`].
pub fn readable(bytes: &[u8]) -> Result<Option<Value>, CodecError> {
    match Registry::own().kind(codec::open(bytes)?.kind) {
        Some(_) => Registry::own().json(bytes).map(Some),
        None => Ok(None),
    }
}

/// The record of the same type as `like` that reads as `value`; `None` when none does.
#[must_use]
pub fn rewritten(like: &[u8], value: Value) -> Option<Vec<u8>> {
    Registry::own().written(like, value)
}
