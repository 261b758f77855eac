//! Shapes that earlier releases stored. They never change again.

use liaison_core::account::matching::AddressHit;
use liaison_core::account::{Account, Contact, ContactStatus, Details, Lifecycle};
use liaison_core::crm::{Kind, Source};
use liaison_core::effect::{Audience, Cause, HoldEffect, HoldState, MailEffect, MailMode};
use liaison_core::happening::{SettledOutcome, Subject};
use liaison_core::ids::{
    AccountId, CalendarId, CaseId, ContactId, EffectId, HoldGroupId, MailboxId, MessageKey,
    PluginName, TaskId, ThreadId, TimerId, TransportId,
};
use liaison_core::mail::thread::server_ids;
use liaison_core::message::{MessageRecord, Person, ThreadRecord, Threading};
use liaison_core::outbox::MailState;
use liaison_core::proposal::{Fields, Value};
use liaison_core::records::{CaseRecord, TaskRecord};
use liaison_core::time::{Timestamp, Window};
use serde::{Deserialize, Serialize};

use super::rows::{AnyKind, ByAddrRow, ByDomainRow, ChangeRow, CursorRow, EventBody, EventRow};
use crate::source::Cursor;

/// [`Account`] before it had details.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountV1 {
    id: AccountId,
    name: String,
    domains: Vec<String>,
    lifecycle: Lifecycle,
    owner: Option<String>,
    do_not_contact: bool,
    external_id: Option<String>,
    created: Timestamp,
    updated: Timestamp,
}

impl From<AccountV1> for Account {
    fn from(old: AccountV1) -> Account {
        Account {
            id: old.id,
            name: old.name,
            domains: old.domains,
            lifecycle: old.lifecycle,
            owner: old.owner,
            do_not_contact: old.do_not_contact,
            external_id: old.external_id,
            created: old.created,
            updated: old.updated,
            details: Details::default(),
        }
    }
}

/// [`ThreadRecord`] before one could be closed.
#[derive(Debug, Serialize, Deserialize)]
pub struct ThreadRecordV1 {
    id: ThreadId,
    subject: String,
    account: Option<(AccountId, String)>,
    messages: u32,
    last_human_inbound: Option<Timestamp>,
    last_human_outbound: Option<Timestamp>,
    automatic_since_human: u32,
    last: Timestamp,
}

impl From<ThreadRecordV1> for ThreadRecord {
    fn from(old: ThreadRecordV1) -> ThreadRecord {
        ThreadRecord {
            id: old.id,
            subject: old.subject,
            account: old.account,
            messages: old.messages,
            last_human_inbound: old.last_human_inbound,
            last_human_outbound: old.last_human_outbound,
            automatic_since_human: old.automatic_since_human,
            last: old.last,
            closed: None,
        }
    }
}

/// [`MailEffect`] before it learnt the ids that others gave it, and before a draft could be missed.
#[derive(Debug, Serialize, Deserialize)]
pub struct MailEffectV1 {
    id: EffectId,
    cause: Cause,
    audience: Audience,
    mode: MailMode,
    transport: TransportId,
    message_id: String,
    from: String,
    recipient: String,
    subject_line: String,
    content: String,
    answers: Option<MessageKey>,
    cancel_on_reply: bool,
    requires: Vec<EffectId>,
    exempt_from_cap: bool,
    state: MailState,
    since: Timestamp,
    not_before: Timestamp,
    attempts: u32,
    looks: u32,
    last_reply: Option<String>,
    created: Timestamp,
}

impl From<MailEffectV1> for MailEffect {
    fn from(old: MailEffectV1) -> MailEffect {
        let reply = old.last_reply.as_deref();
        let reply = reply.filter(|_| old.state == MailState::Sent);
        MailEffect {
            known_as: server_ids(reply.unwrap_or_default()),
            id: old.id,
            cause: old.cause,
            audience: old.audience,
            mode: old.mode,
            transport: old.transport,
            message_id: old.message_id,
            from: old.from,
            recipient: old.recipient,
            subject_line: old.subject_line,
            content: old.content,
            answers: old.answers,
            cancel_on_reply: old.cancel_on_reply,
            requires: old.requires,
            exempt_from_cap: old.exempt_from_cap,
            state: old.state,
            since: old.since,
            not_before: old.not_before,
            attempts: old.attempts,
            looks: old.looks,
            last_reply: old.last_reply,
            created: old.created,
            // Whatever its doubt came of, it is not sent again by itself.
            resends_left: 0,
            missing_since: None,
        }
    }
}

/// [`Contact`] before it had details.
#[derive(Debug, Serialize, Deserialize)]
pub struct ContactV1 {
    id: ContactId,
    account: AccountId,
    name: Option<String>,
    addresses: Vec<String>,
    role: Option<String>,
    status: ContactStatus,
    do_not_contact: bool,
    created: Timestamp,
    updated: Timestamp,
}

impl From<ContactV1> for Contact {
    fn from(old: ContactV1) -> Contact {
        Contact {
            id: old.id,
            account: old.account,
            name: old.name,
            addresses: old.addresses,
            role: old.role,
            status: old.status,
            do_not_contact: old.do_not_contact,
            created: old.created,
            updated: old.updated,
            details: Details::default(),
        }
    }
}

/// [`ByAddrRow`] before people could decide whose an address is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByAddrRowV1 {
    hits: Vec<AddressHit>,
}

impl From<ByAddrRowV1> for ByAddrRow {
    fn from(row: ByAddrRowV1) -> ByAddrRow {
        ByAddrRow {
            hits: row.hits,
            decided: None,
        }
    }
}

/// [`ByDomainRow`] before people could decide whose a domain is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByDomainRowV1 {
    accounts: Vec<AccountId>,
}

impl From<ByDomainRowV1> for ByDomainRow {
    fn from(row: ByDomainRowV1) -> ByDomainRow {
        ByDomainRow {
            accounts: row.accounts,
            decided: None,
        }
    }
}

/// [`CaseRecord`] before people could change cases, and before cases had indexes.
#[derive(Debug, Serialize, Deserialize)]
pub struct CaseRecordV1 {
    id: CaseId,
    plugin: PluginName,
    kind: String,
    title: String,
    state: String,
    fields: Fields,
    account: Option<AccountId>,
    subject: Subject,
    revision: u64,
    steps: Vec<(Timestamp, String, String)>,
    created: Timestamp,
    updated: Timestamp,
}

impl From<CaseRecordV1> for CaseRecord {
    fn from(old: CaseRecordV1) -> CaseRecord {
        CaseRecord {
            id: old.id,
            plugin: old.plugin,
            kind: old.kind,
            title: old.title,
            state: old.state,
            fields: old.fields,
            account: old.account,
            subject: old.subject,
            revision: old.revision,
            steps: old.steps,
            created: old.created,
            updated: old.updated,
            by_person: Vec::new(),
            indexed: Vec::new(),
        }
    }
}

/// [`TaskRecord`] before people could make and change tasks.
#[derive(Debug, Serialize, Deserialize)]
pub struct TaskRecordV1 {
    id: TaskId,
    cause: Cause,
    notification: bool,
    urgent: bool,
    title: String,
    body: String,
    checklist: Vec<String>,
    due: Option<Timestamp>,
    owner: Option<String>,
    done: Option<(Timestamp, String)>,
    created: Timestamp,
}

impl From<TaskRecordV1> for TaskRecord {
    fn from(old: TaskRecordV1) -> TaskRecord {
        let updated = old.done.as_ref().map_or(old.created, |(at, _)| *at);
        TaskRecord {
            notification: old.notification,
            urgent: old.urgent,
            title: old.title,
            body: old.body,
            checklist: old.checklist,
            due: old.due,
            owner: old.owner,
            done: old.done,
            updated,
            ..TaskRecord::new(old.id, old.cause, old.created)
        }
    }
}

/// [`ChangeRow`] before fields of cases could wait for a person's yes.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChangeRowV1 {
    id: String,
    kind: Kind,
    record: String,
    field: String,
    old: Value,
    new: Value,
    source: Source,
    who: String,
    why: String,
    at: Timestamp,
    decided: Option<(Timestamp, String, bool)>,
}

impl From<ChangeRowV1> for ChangeRow {
    fn from(old: ChangeRowV1) -> ChangeRow {
        ChangeRow {
            id: old.id,
            kind: AnyKind::Core(old.kind),
            record: old.record,
            field: old.field,
            old: old.old,
            new: old.new,
            source: old.source,
            who: old.who,
            why: old.why,
            at: old.at,
            decided: old.decided,
        }
    }
}

/// `CursorRow` before the line was remembered.
#[derive(Debug, Serialize, Deserialize)]
pub struct CursorRowV1 {
    cursor: Cursor,
    at: Timestamp,
}

impl From<CursorRowV1> for CursorRow {
    fn from(old: CursorRowV1) -> CursorRow {
        let line = match old.cursor {
            // What is below was taken by a release that did not look back.
            Cursor::Imap { next_uid, .. } => Some(next_uid),
            Cursor::Maildir { .. } => None,
        };
        CursorRow {
            cursor: old.cursor,
            at: old.at,
            line,
        }
    }
}

/// [`MessageRecord`] before it told how its thread was found.
#[derive(Debug, Serialize, Deserialize)]
pub struct MessageRecordV1 {
    key: MessageKey,
    message_id: Option<String>,
    thread: ThreadId,
    mailbox: MailboxId,
    outbound: bool,
    historical: bool,
    date: Timestamp,
    received: Timestamp,
    subject: String,
    from: Option<Person>,
    from_count: u32,
    reply_to: Vec<Person>,
    to: Vec<Person>,
    cc: Vec<Person>,
    references: Vec<String>,
    class: String,
    class_evidence: Vec<String>,
    no_automatic_answer: bool,
    authenticity: String,
    out_of_office: Option<(Option<Timestamp>, bool)>,
    effect: Option<EffectId>,
    plugin: Option<PluginName>,
    account: Option<AccountId>,
    contact: Option<ContactId>,
    content: String,
    size: u64,
    attachments: u32,
    tags: Vec<String>,
    problems: Vec<String>,
}

impl From<MessageRecordV1> for MessageRecord {
    fn from(old: MessageRecordV1) -> MessageRecord {
        MessageRecord {
            key: old.key,
            message_id: old.message_id,
            thread: old.thread,
            mailbox: old.mailbox,
            outbound: old.outbound,
            historical: old.historical,
            date: old.date,
            received: old.received,
            subject: old.subject,
            from: old.from,
            from_count: old.from_count,
            reply_to: old.reply_to,
            to: old.to,
            cc: old.cc,
            references: old.references,
            class: old.class,
            class_evidence: old.class_evidence,
            no_automatic_answer: old.no_automatic_answer,
            authenticity: old.authenticity,
            out_of_office: old.out_of_office,
            effect: old.effect,
            plugin: old.plugin,
            account: old.account,
            contact: old.contact,
            content: old.content,
            size: old.size,
            attachments: old.attachments,
            tags: old.tags,
            problems: old.problems,
            threading: Threading::default(),
        }
    }
}

/// As [`HoldState`] was in version 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HoldStateV1 {
    Planned,
    Placed,
    Confirmed,
    Released(String),
    Releasing(String),
    Expired,
    Adopted(String),
    Lost(String),
}

impl From<HoldStateV1> for HoldState {
    fn from(old: HoldStateV1) -> HoldState {
        match old {
            HoldStateV1::Planned => HoldState::Planned,
            HoldStateV1::Placed => HoldState::Placed,
            HoldStateV1::Confirmed => HoldState::Confirmed,
            HoldStateV1::Released(why) => HoldState::Released(why),
            HoldStateV1::Releasing(why) => HoldState::Releasing(why),
            HoldStateV1::Expired => HoldState::Expired,
            HoldStateV1::Adopted(what) => HoldState::Adopted(what),
            HoldStateV1::Lost(why) => HoldState::Lost(why),
        }
    }
}

/// As [`HoldEffect`] was in version 1: without the offer that it belongs to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HoldEffectV1 {
    id: EffectId,
    cause: Cause,
    calendar: CalendarId,
    uid: String,
    group: HoldGroupId,
    group_name: String,
    title: String,
    note: String,
    when: Window,
    zone: String,
    expires: Timestamp,
    href: Option<String>,
    etag: Option<String>,
    state: HoldStateV1,
    since: Timestamp,
    attempts: u32,
    not_before: Timestamp,
    last_trouble: Option<String>,
    created: Timestamp,
}

impl From<HoldEffectV1> for HoldEffect {
    fn from(old: HoldEffectV1) -> HoldEffect {
        HoldEffect {
            id: old.id,
            cause: old.cause,
            calendar: old.calendar,
            uid: old.uid,
            group: old.group,
            group_name: old.group_name,
            title: old.title,
            note: old.note,
            when: old.when,
            zone: old.zone,
            expires: old.expires,
            href: old.href,
            etag: old.etag,
            state: old.state.into(),
            since: old.since,
            attempts: old.attempts,
            not_before: old.not_before,
            last_trouble: old.last_trouble,
            created: old.created,
            generation: 1,
        }
    }
}

/// [`EventRow`] before there were meetings.
#[derive(Debug, Serialize, Deserialize)]
pub struct EventRowV1 {
    seq: u64,
    key: String,
    at: Timestamp,
    body: EventBodyV1,
}

#[derive(Debug, Serialize, Deserialize)]
enum EventBodyV1 {
    Message(MessageKey),
    Timer {
        timer: TimerId,
        plugin: PluginName,
        name: String,
        due: Timestamp,
        payload: String,
        subject: Subject,
    },
    Settled {
        effect: EffectId,
        plugin: PluginName,
        label: String,
        outcome: SettledOutcome,
        subject: Subject,
    },
}

impl From<EventRowV1> for EventRow {
    fn from(old: EventRowV1) -> EventRow {
        let body = match old.body {
            EventBodyV1::Message(key) => EventBody::Message(key),
            EventBodyV1::Timer {
                timer,
                plugin,
                name,
                due,
                payload,
                subject,
            } => EventBody::Timer {
                timer,
                plugin,
                name,
                due,
                payload,
                subject,
            },
            EventBodyV1::Settled {
                effect,
                plugin,
                label,
                outcome,
                subject,
            } => EventBody::Settled {
                effect,
                plugin,
                label,
                outcome,
                subject,
            },
        };
        EventRow {
            seq: old.seq,
            key: old.key,
            at: old.at,
            body,
        }
    }
}
