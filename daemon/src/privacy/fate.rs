//! What becomes of a row in an erasure. Pure.
//!
//! | row | fate |
//! |---|---|
//! | contact, its addresses and indexes; ledgers under its names | removed |
//! | message from them, or of ours to them alone, or a report that mail to them came back | what remains: key, place, times |
//! | mail to them or because of them, hold because of them | what remains: key, state, times |
//! | question whose they are, what was decided of it | removed |
//! | whether mail to their address arrives, reports about mail to them | removed |
//! | that they asked not to get further mail | removed: nothing goes to an erased address either |
//! | case, task, timer, plugin result, memory of a plugin, timeline row, touch about them | removed |
//! | outcome of an event about them | says that they were erased |
//! | audit row of something of theirs, or that names them | states and ids only |
//! | anything else that names one of their addresses | rewritten without it |

use liaison_core::account::matching::AddressHit;
use liaison_core::crm::CrmRecord;
use liaison_core::effect::{Cause, HoldEffect, HoldState, MailEffect};
use liaison_core::happening::{SettledOutcome, Subject};
use liaison_core::ids::ThreadId;
use liaison_core::mailbox::{MailboxChange, MailboxEffect, MailboxState};
use liaison_core::message::{MessageRecord, ThreadRecord, Threading, gone};
use liaison_core::outbox::MailState;
use liaison_core::proposal::Value as FieldValue;
use liaison_core::records::TaskRecord;
use serde_json::Value;

use super::find::Traces;
use super::{ERASED, ERASED_WHY, Person};
use crate::books::BooksError;
use crate::books::keys;
use crate::books::rows::{
    self, AuditRow, ByAddrRow, ChangeRow, EventBody, EventRow, MergeRow, OutcomeRow, ReviewRow,
    TimelineRow,
};
use crate::store::codec::{self, Record};
use crate::store::keys::Parts;
use crate::store::{Key, Ns, ReadError};

/// Shortest word of a plugin's memory that can be an id of ours.
const ID_CHARS_MIN: usize = 8;

/// A row that names a person or is theirs.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Which.
    pub key: Key,
    /// Its value.
    pub value: Vec<u8>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It goes.
    Removed,
    /// It becomes this.
    Rewritten(Vec<u8>),
    /// It stays: it names nobody and only shows what there is.
    Kept,
}

impl Traces {
    /// What becomes of a row; `None` when it has nothing to do with the person.
    pub(super) fn trace(&self, key: Key, value: &[u8]) -> Result<Option<Trace>, BooksError> {
        let fate = match self.own_fate(&key, value)? {
            // Without its links to the person it may still name them.
            Some(Fate::Rewritten(after)) if matches!(key.ns, Ns::Record | Ns::Task) => {
                Some(self.named(&key, &after).unwrap_or(Fate::Rewritten(after)))
            }
            Some(fate) => Some(fate),
            None => self.named(&key, value),
        };
        Ok(fate.map(|fate| Trace {
            key,
            value: value.to_vec(),
            fate,
        }))
    }

    fn has(&self, id: Option<String>) -> bool {
        id.is_some_and(|id| self.ids.contains(&id))
    }

    /// By what the row is.
    fn own_fate(&self, key: &Key, value: &[u8]) -> Result<Option<Fate>, BooksError> {
        let removed = |is: bool| Ok(is.then_some(Fate::Removed));
        let mut parts = Parts::new(&key.k);
        match key.ns {
            Ns::Contact => removed(self.has(parts.text().ok())),
            Ns::ByAddr if parts.text().is_ok_and(|email| self.person.has(&email)) => removed(true),
            Ns::ByAddr => rewritten(key, value, |row| self.by_addr(row)),
            Ns::Record => match self.has(nth_text(key, 1)) {
                true => Ok(Some(Fate::Removed)),
                false => rewritten(key, value, |row| self.record(row)),
            },
            // By the record, or by the value that it is found under.
            Ns::RecordBy => removed(self.has(nth_text(key, 2)) || self.has(nth_text(key, 3))),
            Ns::Change => {
                let row: ChangeRow = read(key, value)?;
                removed(self.ids.contains(&row.record))
            }
            Ns::Merge => {
                let row: MergeRow = read(key, value)?;
                removed(self.ids.contains(&row.from) || self.ids.contains(&row.into))
            }
            Ns::Review => {
                let row: ReviewRow = read(key, value)?;
                removed(self.person.has(&row.address))
            }
            // What a report said quotes servers, who quote addresses.
            Ns::Reach => removed(parts.text().is_ok_and(|one| self.person.has(&one))),
            Ns::Report | Ns::Returned => removed(self.has(parts.text().ok())),
            Ns::OptOut => removed(parts.text().is_ok_and(|one| self.person.has(&one))),
            Ns::AccountContact => removed(self.has(nth_text(key, 1))),
            Ns::Ledger => removed(parts.text().is_ok_and(|who| self.is_ledger(&who))),
            Ns::ThreadParty => removed(self.parties.contains(key) || self.in_thread(&mut parts)),
            Ns::ThreadMember => {
                let message = keys::member_message(&key.k).map(|message| message.0);
                removed(self.has(message) || self.in_thread(&mut parts))
            }
            Ns::ThreadHint => {
                removed(self.has(keys::hint_message(&key.k).map(|message| message.0)))
            }
            Ns::Proposal | Ns::Parked => {
                removed(parts.u64().is_ok_and(|seq| self.events.contains(&seq)))
            }
            Ns::Wait => {
                let seq = parts.time().and_then(|_| parts.u64());
                removed(seq.is_ok_and(|seq| self.events.contains(&seq)))
            }
            Ns::Touch => removed(keys::touch_at(&key.k).is_some_and(|touch| {
                let mut contacts = touch.contacts.iter();
                self.ids.contains(&touch.id) || contacts.any(|id| self.ids.contains(id.as_str()))
            })),
            Ns::Task if !self.has(nth_text(key, 0)) => rewritten(key, value, |row| self.task(row)),
            Ns::Timer | Ns::Task | Ns::CaseRecord => removed(self.has(parts.text().ok())),
            Ns::TimerDue => removed(self.has(keys::due_timer(&key.k).map(|(_, id)| id.0))),
            Ns::CaseByKind => removed(self.has(keys::indexed_case(&key.k).map(|id| id.0))),
            Ns::CaseBy => removed(self.has(keys::case_found(&key.k).map(|id| id.0))),
            Ns::EffectDue => self.due(key),
            Ns::EffectByMessage => {
                let effect = keys::indexed_effect(&key.k).map(|id| id.0);
                let by = parts.text().unwrap_or_default();
                let (by_thread, by_server) = (by == "thread", by == "server-id");
                removed((by_thread || by_server) && self.has(effect))
            }
            Ns::PluginKv => removed(self.is_remembered(key, value)),
            Ns::Timeline => {
                let row: TimelineRow = read(key, value)?;
                removed(self.ids.contains(&row.id))
            }
            Ns::Thread => self.thread(key, value),
            Ns::Message => rewritten(key, value, |row| self.message(row)),
            Ns::Effect => rewritten(key, value, |row| self.mail(row)),
            Ns::Hold => rewritten(key, value, |row| self.hold(row)),
            Ns::MailboxEffect => rewritten(key, value, |row| self.mailbox_effect(row)),
            Ns::Event => rewritten(key, value, |row| self.event(row)),
            Ns::Outcome => rewritten(key, value, |row| self.outcome(row)),
            Ns::Audit => self.audit(key, value),
            _ => Ok(None),
        }
    }

    fn is_ledger(&self, who: &str) -> bool {
        let email = who.strip_prefix("staff:").unwrap_or(who);
        let contact = who.strip_prefix("contact:");
        self.person.has(email) || contact.is_some_and(|id| self.ids.contains(id))
    }

    fn in_thread(&self, parts: &mut Parts<'_>) -> bool {
        parts
            .text()
            .is_ok_and(|thread| self.threads.contains(&thread))
    }

    /// Nothing more is done with their mails; holds are still taken out of calendars.
    fn due(&self, key: &Key) -> Result<Option<Fate>, BooksError> {
        let due = keys::due_effect(&key.k).filter(|(_, _, id)| self.ids.contains(id.as_str()));
        Ok(due.map(|(_, kind, _)| match kind {
            keys::DueKind::Hold => Fate::Kept,
            _ => Fate::Removed,
        }))
    }

    /// Whether a plugin remembers the person: by address, or by an id of theirs.
    fn is_remembered(&self, key: &Key, value: &[u8]) -> bool {
        let known = |bytes: &[u8]| {
            let words = bytes.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-');
            let mut words = words.filter(|word| word.len() >= ID_CHARS_MIN);
            self.person.is_loosely_in(bytes)
                || words.any(|word| {
                    std::str::from_utf8(word)
                        .is_ok_and(|word| self.ids.contains(word) || self.threads.contains(word))
                })
        };
        // The first part is the plugin's name.
        known(value)
            || [1, 2]
                .iter()
                .any(|nth| nth_text(key, *nth).is_some_and(|text| known(text.as_bytes())))
    }

    fn thread(&self, key: &Key, value: &[u8]) -> Result<Option<Fate>, BooksError> {
        let thread: ThreadRecord = read(key, value)?;
        if self.threads.contains(thread.id.as_str()) {
            return Ok(Some(Fate::Removed));
        }
        let mut thread = thread;
        let why = thread.closed.as_ref().map(|closed| closed.why.as_str());
        let why = why.and_then(|why| self.person.taken_from(why));
        let names = why.is_some();
        if let (Some(closed), Some(why)) = (&mut thread.closed, why) {
            closed.why = why;
        }
        // By which message of theirs the account was found is said by its place.
        let by_theirs =
            |(_, by): &(_, String)| self.message_ids.contains(by) || self.ids.contains(by);
        if !thread.account.as_ref().is_some_and(by_theirs) {
            return match names {
                true => Ok(Some(Fate::Rewritten(codec::encode(&thread)?))),
                false => Ok(None),
            };
        }
        let mut after = thread;
        after.account = after
            .account
            .map(|(account, _)| (account, ERASED.to_owned()));
        after.subject = self
            .person
            .taken_from(&after.subject)
            .unwrap_or(after.subject);
        Ok(Some(Fate::Rewritten(codec::encode(&after)?)))
    }

    fn message(&self, row: MessageRecord) -> Option<MessageRecord> {
        self.ids.contains(row.key.as_str()).then(|| remains(row))
    }

    fn mail(&self, row: MailEffect) -> Option<MailEffect> {
        if !self.ids.contains(row.id.as_str()) {
            return None;
        }
        let state = match row.state {
            MailState::Cancelled { .. } => called_off(),
            state if state.is_final() => state,
            state if state.can_be_cancelled() => called_off(),
            // Nobody can say any more: it counts as sent, so that nothing tries it again.
            _ => MailState::Resolved { sent: true },
        };
        Some(MailEffect {
            cause: cause_remains(row.cause),
            recipient: String::new(),
            subject_line: String::new(),
            content: gone(ERASED_WHY),
            answers: None,
            last_reply: None,
            known_as: Vec::new(),
            state,
            ..row
        })
    }

    /// Whom an address of several people still belongs to.
    fn by_addr(&self, row: ByAddrRow) -> Option<ByAddrRow> {
        let mut after = row.clone();
        let id = |hit: &AddressHit| hit.contact.as_ref().map(|id| id.as_str().to_owned());
        after.hits.retain(|hit| !self.has(id(hit)));
        (after != row).then_some(after)
    }

    /// A record of others without its links to the person.
    fn record(&self, row: CrmRecord) -> Option<CrmRecord> {
        let mut after = row.clone();
        for (field, _) in row.kind.spec().links() {
            let left = match row.get(field.name) {
                Some(FieldValue::Text(id)) if self.ids.contains(id) => Vec::new(),
                Some(FieldValue::Texts(ids)) if ids.iter().any(|id| self.ids.contains(id)) => {
                    let others = ids.iter().filter(|id| !self.ids.contains(*id));
                    others.cloned().collect()
                }
                _ => continue,
            };
            match left.is_empty() {
                true => after.fields.remove(field.name),
                false => after
                    .fields
                    .insert(field.name.to_owned(), FieldValue::Texts(left)),
            };
        }
        (after != row).then_some(after)
    }

    /// A task about others without the records of the person.
    fn task(&self, row: TaskRecord) -> Option<TaskRecord> {
        let theirs = row.about.iter().any(|id| self.ids.contains(id));
        theirs.then(|| {
            let mut after = row;
            after.about.retain(|id| !self.ids.contains(id));
            after
        })
    }

    fn hold(&self, row: HoldEffect) -> Option<HoldEffect> {
        if !self.ids.contains(row.id.as_str()) {
            return None;
        }
        let why = || "a person was erased".to_owned();
        let state = match row.state {
            HoldState::Released(_) => HoldState::Released(why()),
            HoldState::Releasing(_) | HoldState::Placed | HoldState::Confirming(_) => {
                HoldState::Releasing(why())
            }
            HoldState::Adopted(_) => HoldState::Adopted(why()),
            HoldState::Lost(_) | HoldState::Planned => HoldState::Lost(why()),
            state @ (HoldState::Confirmed | HoldState::Expired) => state,
        };
        Some(HoldEffect {
            cause: cause_remains(row.cause),
            group_name: String::new(),
            title: ERASED.to_owned(),
            note: String::new(),
            last_trouble: None,
            state,
            ..row
        })
    }

    /// Names of keywords, folders and labels may say whom they are for.
    fn mailbox_effect(&self, row: MailboxEffect) -> Option<MailboxEffect> {
        if !self.ids.contains(row.id.as_str()) {
            return None;
        }
        let why = || "a person was erased".to_owned();
        let state = match row.state {
            MailboxState::Done => MailboxState::Done,
            MailboxState::Planned | MailboxState::Refused(_) => MailboxState::Refused(why()),
            MailboxState::Gone(_) => MailboxState::Gone(why()),
            MailboxState::Failed(_) => MailboxState::Failed(why()),
        };
        let change = match row.change {
            change @ MailboxChange::Flag { .. } => change,
            MailboxChange::Keyword { on, .. } => MailboxChange::Keyword {
                keyword: ERASED.to_owned(),
                on,
            },
            MailboxChange::Move(_) => MailboxChange::Move(ERASED.to_owned()),
            MailboxChange::Label(_) => MailboxChange::Label(ERASED.to_owned()),
        };
        Some(MailboxEffect {
            cause: cause_remains(row.cause),
            change,
            last_trouble: None,
            state,
            ..row
        })
    }

    fn event(&self, row: EventRow) -> Option<EventRow> {
        if !self.events.contains(&row.seq) {
            return None;
        }
        let mut row = row;
        match &mut row.body {
            EventBody::Message(_) => return None,
            EventBody::Timer {
                payload,
                name,
                subject,
                ..
            } => {
                payload.clear();
                name.clear();
                *subject = Subject::default();
            }
            EventBody::Settled {
                label,
                outcome,
                subject,
                ..
            } => {
                label.clear();
                if !matches!(outcome, SettledOutcome::Done | SettledOutcome::Drafted) {
                    *outcome = SettledOutcome::Cancelled(String::new());
                }
                *subject = Subject::default();
            }
        }
        Some(row)
    }

    fn outcome(&self, row: OutcomeRow) -> Option<OutcomeRow> {
        let of_event = row.seq.is_some_and(|seq| self.events.contains(&seq));
        let of_message = row
            .message
            .as_ref()
            .is_some_and(|key| self.ids.contains(key.as_str()));
        (of_event || of_message).then(|| OutcomeRow {
            matched: None,
            summary: format!("erased: {ERASED_WHY}"),
            // Nothing is left that a plugin could be told.
            closed: row.closed.or(Some(self.now)),
            ..row
        })
    }

    fn audit(&self, key: &Key, value: &[u8]) -> Result<Option<Fate>, BooksError> {
        let mut parts = Parts::new(&key.k);
        let subject = parts.text().unwrap_or_default();
        if self.person.is_named_in(&subject) {
            return Ok(Some(Fate::Removed));
        }
        let row: AuditRow = read(key, value)?;
        let theirs = self.ids.contains(&subject) || self.threads.contains(&subject);
        let names = |text: &str| self.person.is_named_in(text);
        if !theirs && !names(&row.what) && !names(&row.why) && !names(&row.who) {
            return Ok(None);
        }
        let what = match theirs {
            true => states(&row.what),
            false => "changed something of a person who was erased since".to_owned(),
        };
        let row = AuditRow {
            who: self.person.taken_from(&row.who).unwrap_or(row.who),
            what,
            why: ERASED.to_owned(),
            at: row.at,
        };
        let value_after = codec::encode(&row)?;
        let same = value_after == value;
        Ok((!same).then_some(Fate::Rewritten(value_after)))
    }

    /// By what the row says: it is rewritten without the address, or removed.
    fn named(&self, key: &Key, value: &[u8]) -> Option<Fate> {
        let texts = [0, 1, 2].iter().map_while(|nth| nth_text(key, *nth));
        if texts.into_iter().any(|text| self.person.is_named_in(&text)) {
            return Some(Fate::Removed);
        }
        if !self.person.may_be_in(value) {
            return None;
        }
        let Some(mut json) = rows::readable(value).ok().flatten() else {
            return self.person.is_loosely_in(value).then_some(Fate::Removed);
        };
        if !is_named(&json, &self.person) {
            return None;
        }
        take_out(&mut json, &self.person);
        let after = rows::rewritten(value, json);
        Some(after.map_or(Fate::Removed, Fate::Rewritten))
    }
}

/// Of `held -> cancelled (by alice: because ...)` the two states; of anything else nothing.
fn states(what: &str) -> String {
    let word = |text: &str| {
        let word = text.split_whitespace().next().unwrap_or_default();
        let plain = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        plain.then(|| word.to_owned())
    };
    let both = what
        .split_once(" -> ")
        .and_then(|(from, to)| Some((word(from)?, word(to)?)));
    both.map_or_else(|| ERASED.to_owned(), |(from, to)| format!("{from} -> {to}"))
}

/// Whether a readable record names the person.
fn is_named(json: &Value, person: &Person) -> bool {
    match json {
        Value::String(text) => person.is_named_in(text),
        Value::Array(items) => items.iter().any(|item| is_named(item, person)),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| person.is_named_in(name) || is_named(value, person)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The n-th part of a key whose parts up to it are texts.
fn nth_text(key: &Key, nth: usize) -> Option<String> {
    let mut parts = Parts::new(&key.k);
    for _ in 0..nth {
        parts.text().ok()?;
    }
    parts.text().ok()
}

fn read<T: Record>(key: &Key, value: &[u8]) -> Result<T, BooksError> {
    codec::decode(value).map_err(|source| {
        let key = key.clone();
        BooksError::Read(ReadError::Record { key, source })
    })
}

fn rewritten<T: Record + PartialEq + Clone>(
    key: &Key,
    value: &[u8],
    change: impl FnOnce(T) -> Option<T>,
) -> Result<Option<Fate>, BooksError> {
    let before: T = read(key, value)?;
    match change(before.clone()) {
        Some(after) if after == before => Ok(Some(Fate::Kept)),
        Some(after) => Ok(Some(Fate::Rewritten(codec::encode(&after)?))),
        None => Ok(None),
    }
}

fn called_off() -> MailState {
    MailState::Cancelled {
        by: "liaison".to_owned(),
        why: "a person was erased".to_owned(),
    }
}

/// What remains of a message: that it was there.
#[must_use]
pub fn remains(row: MessageRecord) -> MessageRecord {
    MessageRecord {
        message_id: None,
        thread: ThreadId(row.key.0.clone()),
        subject: ERASED.to_owned(),
        from: None,
        from_count: 0,
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        references: Vec::new(),
        class_evidence: Vec::new(),
        out_of_office: None,
        account: None,
        contact: None,
        content: gone(ERASED_WHY),
        size: 0,
        attachments: 0,
        tags: Vec::new(),
        problems: Vec::new(),
        threading: Threading::default(),
        ..row
    }
}

/// What remains of a cause: which plugin, and which event.
fn cause_remains(cause: Cause) -> Cause {
    Cause {
        label: String::new(),
        cause: String::new(),
        reason: ERASED.to_owned(),
        subject: Subject {
            mailbox: cause.subject.mailbox,
            ..Subject::default()
        },
        ..cause
    }
}

/// Takes the person out of a readable record: whole entries of lists of people, else the address.
fn take_out(json: &mut Value, person: &Person) {
    let is_person = |value: &Value| {
        let email = value.get("email").and_then(Value::as_str);
        email.is_some_and(|email| person.has(email))
    };
    match json {
        Value::String(text) => {
            if let Some(without) = person.taken_from(text) {
                *text = without;
            }
        }
        Value::Array(items) => {
            items.retain(|item| !is_person(item));
            items.iter_mut().for_each(|item| take_out(item, person));
        }
        Value::Object(fields) => {
            let names: Vec<String> = fields
                .keys()
                .filter(|name| person.is_named_in(name))
                .cloned()
                .collect();
            for name in names {
                fields.remove(&name);
            }
            for value in fields.values_mut() {
                match is_person(value) {
                    true => *value = Value::Null,
                    false => take_out(value, person),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
