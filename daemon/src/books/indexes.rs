//! Index rows as a function of the records that they stand for.
//!
//! An index is never migrated: what it must hold follows from the records, and [`walk`] compares
//! both ways, page by page, and mends where it is told to.
//!
//! | family | follows from |
//! |---|---|
//! | `account_ext`, `by_domain`, `skeleton` | accounts |
//! | `account_contact`, `by_addr` | contacts |
//! | `record_by` | core records of every kind |
//! | `by_addr`, `by_domain` | what people decided |
//! | `msgid`, `thread_member`, `thread_hint` | messages; of an erased one the first may stay |
//! | `touch` | messages and activities that are contact with a customer |
//! | `effect_due`, `effect_by_message`, `hold_by_group` | mails, holds, changes in mailboxes |
//! | `case_by_kind`, `case_by`, `timer_due`, `parked` | cases, timers, results of plugins |
//! | `meeting_due` | meetings whose end plugins are still to be told |
//! | `event_seen` | events; the gate may outlive its event |
//!
//! `locator`, `delivery`, `thread_party`, `plugin_kv`, `ledger` and `timeline` say what nothing
//! else says: they are records.
//!
//! Which fields of a case have entries in `case_by` stands in the case (`indexed`): a manifest may
//! change, and `case_index` tells which fields all cases of a kind have there (`cases/fill.rs`).
//!
//! Entries of `effect_due` beyond those of the records are work that is still to be done (a copy
//! for Sent, a follow-up, a reminder) or are dropped when their time comes; they must only name an effect.

pub mod crm;
pub mod walk;

use std::collections::BTreeMap;

use liaison_core::account::lookalike::skeletons;
use liaison_core::account::matching::AddressHit;
use liaison_core::account::{Account, Contact, fold};
use liaison_core::crm::Kind;
use liaison_core::effect::{Cause, HoldEffect, HoldState, MailEffect};
use liaison_core::ids::{AccountId, EffectId};
use liaison_core::mail::thread::server_id_part;
use liaison_core::mailbox::MailboxEffect;
use liaison_core::meeting::Meeting;
use liaison_core::message::{MessageRecord, gone_why};
use liaison_core::records::{CaseRecord, TimerRecord};
use liaison_core::time::Timestamp;
use liaison_core::touch::{Touch, touch_of_message};

use super::keys::{self, DueKind};
use super::rows::{ByAddrRow, ByDomainRow, CallEnd, EventRow, MatchRuleRow, PluginResultRow};
use super::{Books, BooksError};
use crate::outbox::due_of;
use crate::privacy::ERASED_WHY;
use crate::store::codec::{self, CodecError};
use crate::store::keys::Parts;
use crate::store::{Batch, Expect, Key, Ns};

/// System of the external ids in `account_ext`.
pub const EXTERNAL: &str = "external";
/// "System" of the names in `account_ext`.
pub const NAME: &str = "name";

/// Families whose rows have index rows.
pub const SOURCES: [Ns; 13] = [
    Ns::Record,
    Ns::Account,
    Ns::Contact,
    Ns::Message,
    Ns::Effect,
    Ns::Hold,
    Ns::MailboxEffect,
    Ns::CaseRecord,
    Ns::Timer,
    Ns::Meeting,
    Ns::Proposal,
    Ns::Event,
    Ns::MatchRule,
];

/// Families of index rows.
pub const INDEXES: [Ns; 19] = [
    Ns::RecordBy,
    Ns::Touch,
    Ns::AccountExt,
    Ns::ByDomain,
    Ns::Skeleton,
    Ns::AccountContact,
    Ns::ByAddr,
    Ns::Msgid,
    Ns::ThreadMember,
    Ns::ThreadHint,
    Ns::EffectDue,
    Ns::EffectByMessage,
    Ns::HoldByGroup,
    Ns::CaseByKind,
    Ns::CaseBy,
    Ns::TimerDue,
    Ns::MeetingDue,
    Ns::Parked,
    Ns::EventSeen,
];

/// What one record puts under an index key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// The key says everything.
    Key,
    /// One of the accounts in a row that several may share.
    Account(AccountId),
    /// One of the contacts in a row that several may share.
    Hit(AddressHit),
    /// The account that a person decided for it.
    Decided(AccountId),
    /// The place of an event.
    Place(u64),
}

/// A part of an index row that follows from one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Key of the index row.
    pub key: Key,
    /// What belongs under it.
    pub member: Member,
}

impl Entry {
    fn bare(key: Key) -> Entry {
        let member = Member::Key;
        Entry { key, member }
    }
}

/// The index entries that follow from the record in a row of one of [`SOURCES`].
///
/// # Errors
/// As [`codec::decode`].
pub fn entries(key: &Key, value: &[u8]) -> Result<Vec<Entry>, CodecError> {
    Ok(match key.ns {
        Ns::Account => of_account(&codec::decode(value)?),
        Ns::Contact => of_contact(&codec::decode(value)?),
        Ns::Record => crm::of_record(&codec::decode(value)?),
        Ns::Message => of_message(&codec::decode(value)?),
        Ns::Effect => of_mail(&codec::decode(value)?),
        Ns::Hold => of_hold(&codec::decode(value)?),
        Ns::MailboxEffect => of_mailbox_effect(&codec::decode(value)?),
        Ns::CaseRecord => of_case(&codec::decode(value)?),
        Ns::Timer => {
            let timer: TimerRecord = codec::decode(value)?;
            vec![Entry::bare(keys::timer_due(timer.due, &timer.id))]
        }
        Ns::Meeting => {
            let meeting: Meeting = codec::decode(value)?;
            let due = meeting
                .next_end()
                .map(|end| keys::meeting_due(end, &meeting.id));
            due.into_iter().map(Entry::bare).collect()
        }
        Ns::Proposal => {
            let result: PluginResultRow = codec::decode(value)?;
            let place = keys::parked_event(&key.k);
            let parked = place.filter(|_| matches!(result.end, CallEnd::Parked(_)));
            let entry = parked.map(|(seq, plugin)| Entry::bare(keys::parked(seq, &plugin)));
            entry.into_iter().collect()
        }
        Ns::Event => {
            let event: EventRow = codec::decode(value)?;
            vec![Entry {
                key: keys::event_seen(&event.key),
                member: Member::Place(event.seq),
            }]
        }
        Ns::MatchRule => {
            let rule: MatchRuleRow = codec::decode(value)?;
            vec![Entry {
                key: decided_key(&rule.subject),
                member: Member::Decided(rule.account),
            }]
        }
        _ => Vec::new(),
    })
}

/// The index row that tells what was decided about an address or a domain.
#[must_use]
pub fn decided_key(subject: &str) -> Key {
    match subject.contains('@') {
        true => keys::by_addr(subject),
        false => keys::by_domain(subject),
    }
}

pub(crate) fn of_account(account: &Account) -> Vec<Entry> {
    let mut entries = crm::of_record(&account.into());
    if account.details.merged_into.is_none() {
        entries.extend(account_keys(account).map(|key| Entry {
            key,
            member: Member::Account(account.id.clone()),
        }));
        entries.extend(skeleton_keys(account).map(Entry::bare));
    }
    entries
}

/// Keys under which an account is found by domains that look like its own.
pub fn skeleton_keys(account: &Account) -> impl Iterator<Item = Key> {
    let domains = account.domains.iter();
    domains.flat_map(|domain| {
        let skeletons = skeletons(domain).into_iter();
        skeletons.map(|skeleton| keys::skeleton(&skeleton, domain, &account.id))
    })
}

/// Keys under which an account is found: by its domains, its name, its external id.
pub fn account_keys(account: &Account) -> impl Iterator<Item = Key> {
    let domains = account.domains.iter().map(|domain| keys::by_domain(domain));
    let name = keys::account_ext(NAME, &fold(&account.name));
    let external = account.external_id.as_ref();
    let external = external.map(|id| keys::account_ext(EXTERNAL, id));
    domains.chain([name]).chain(external)
}

pub(crate) fn of_contact(contact: &Contact) -> Vec<Entry> {
    let mut entries = crm::of_record(&contact.into());
    if contact.details.merged_into.is_some() {
        return entries;
    }
    let hit = AddressHit {
        account: contact.account.clone(),
        contact: Some(contact.id.clone()),
    };
    let addresses = contact.addresses.iter().map(|address| Entry {
        key: keys::by_addr(address),
        member: Member::Hit(hit.clone()),
    });
    let own = Entry::bare(keys::account_contact(&contact.account, &contact.id));
    entries.extend(addresses.chain([own]));
    entries
}

pub(crate) fn of_case(case: &CaseRecord) -> Vec<Entry> {
    let by_kind = keys::case_by_kind(&case.kind, case.created, &case.id);
    let found = case.found_under().into_iter();
    let by = found.map(|(field, word)| keys::case_by(&case.kind, field, &word, &case.id));
    [by_kind].into_iter().chain(by).map(Entry::bare).collect()
}

/// Of a message of a person who was erased nothing is left but its place, and what its Message-ID
/// is found by: so that `why` can say what became of it.
fn is_erased(message: &MessageRecord) -> bool {
    gone_why(&message.content) == Some(ERASED_WHY)
}

fn of_message(message: &MessageRecord) -> Vec<Entry> {
    if is_erased(message) {
        return Vec::new();
    }
    let member = keys::thread_member(&message.thread, message.received, &message.key);
    let id = message.message_id.as_ref();
    let id = id.map(|id| Entry::bare(keys::msgid(id, &message.key)));
    [Entry::bare(member)]
        .into_iter()
        .chain(id)
        .chain(hint_keys(message).map(Entry::bare))
        .chain(of_touch(touch_of_message(message).as_ref()))
        .collect()
}

/// Keys under which answers without a link look for a message.
pub fn hint_keys(message: &MessageRecord) -> impl Iterator<Item = Key> {
    let (at, key) = (message.received, &message.key);
    let index = message.threading.index.as_ref();
    let index = index.map(|index| keys::thread_hint("index", index, at, key));
    let subject = message.sought_subject();
    let subject = subject.map(|subject| keys::thread_hint("subject", &subject, at, key));
    index.into_iter().chain(subject)
}

/// The entries of a contact with a customer: by account, by each contact, by who of us it was.
pub(crate) fn of_touch(touch: Option<&Touch>) -> Vec<Entry> {
    let keys = touch.map(keys::touches).unwrap_or_default();
    keys.into_iter().map(Entry::bare).collect()
}

fn of_mail(mail: &MailEffect) -> Vec<Entry> {
    let due = due_of(mail).map(|at| keys::effect_due(at, DueKind::Mail, &mail.id));
    due.into_iter()
        .chain(mail_keys(mail))
        .map(Entry::bare)
        .collect()
}

fn of_hold(hold: &HoldEffect) -> Vec<Entry> {
    let due = hold_due(hold).map(|at| keys::effect_due(at, DueKind::Hold, &hold.id));
    due.into_iter()
        .chain(hold_keys(hold))
        .map(Entry::bare)
        .collect()
}

fn of_mailbox_effect(effect: &MailboxEffect) -> Vec<Entry> {
    mailbox_effect_due(effect)
        .into_iter()
        .chain(mailbox_effect_keys(effect))
        .map(Entry::bare)
        .collect()
}

/// By what a change in a mailbox is found from its message.
pub const CHANGED_MESSAGE: &str = "changed";

/// Keys under which a change in a mailbox is found all its life.
#[must_use]
pub fn mailbox_effect_keys(effect: &MailboxEffect) -> Vec<Key> {
    let by_message = keys::effect_by(CHANGED_MESSAGE, effect.message.as_str(), &effect.id);
    [by_message]
        .into_iter()
        .chain(cause_keys(&effect.id, &effect.cause))
        .collect()
}

/// The entry of a change in a mailbox among what is due; final ones have none.
#[must_use]
pub fn mailbox_effect_due(effect: &MailboxEffect) -> Option<Key> {
    let key = || keys::effect_due(effect.not_before, DueKind::Mailbox, &effect.id);
    (!effect.state.is_final()).then(key)
}

/// Keys under which a mail is found all its life.
#[must_use]
pub fn mail_keys(mail: &MailEffect) -> Vec<Key> {
    let offers = mail.requires.iter();
    let offers = offers.map(|hold| keys::effect_by("hold", hold.as_str(), &mail.id));
    let own = keys::effect_by("message-id", &mail.message_id, &mail.id);
    offers
        .chain([own])
        .chain(known_as_keys(mail))
        .chain(cause_keys(&mail.id, &mail.cause))
        .collect()
}

/// Keys under which a mail is found by the ids that servers and programs gave it.
pub fn known_as_keys(mail: &MailEffect) -> impl Iterator<Item = Key> {
    let ids = mail.known_as.iter();
    ids.flat_map(|id| {
        let whole = id.contains('@').then_some(("message-id", id.as_str()));
        let part = server_id_part(id).map(|part| ("server-id", part));
        let found_by = whole.into_iter().chain(part);
        found_by.map(|(by, id)| keys::effect_by(by, id, &mail.id))
    })
}

/// Keys under which a hold is found all its life.
#[must_use]
pub fn hold_keys(hold: &HoldEffect) -> Vec<Key> {
    let group = keys::group_member(&hold.group, &hold.id);
    [group]
        .into_iter()
        .chain(cause_keys(&hold.id, &hold.cause))
        .collect()
}

fn cause_keys(id: &EffectId, cause: &Cause) -> impl Iterator<Item = Key> {
    let event = keys::effect_by("event", &cause.event_seq.to_string(), id);
    let thread = cause.subject.thread.as_ref();
    let thread = thread.map(|thread| keys::effect_by("thread", thread.as_str(), id));
    [event].into_iter().chain(thread)
}

/// When the index of due effects wants a hold looked at; final ones never.
#[must_use]
pub fn hold_due(hold: &HoldEffect) -> Option<Timestamp> {
    (!hold.state.is_final()).then_some(match hold.state {
        HoldState::Placed => hold.expires,
        _ => hold.not_before,
    })
}

/// Rows of records of which an index row tells; any of those given with one [`Member`] suffices.
///
/// `None`: the row makes no sense.
#[must_use]
pub fn sources(key: &Key, value: &[u8]) -> Option<Vec<(Member, Vec<Key>)>> {
    let one = |key: Option<Key>| key.map(|key| vec![(Member::Key, vec![key])]);
    match key.ns {
        Ns::AccountExt | Ns::ByDomain => {
            let row: ByDomainRow = codec::decode(value).ok()?;
            let account = |id: AccountId| (Member::Account(id.clone()), vec![keys::account(&id)]);
            let domain = keys::indexed_domain(&key.k).filter(|_| key.ns == Ns::ByDomain);
            let accounts = row.accounts.into_iter().map(account);
            Some(accounts.chain(decided(row.decided, domain)).collect())
        }
        Ns::ByAddr => {
            let row: ByAddrRow = codec::decode(value).ok()?;
            let hit = |hit: AddressHit| {
                let contact = hit.contact.as_ref().map(keys::contact);
                (Member::Hit(hit), contact.into_iter().collect())
            };
            let address = keys::indexed_address(&key.k);
            let hits = row.hits.into_iter().map(hit);
            Some(hits.chain(decided(row.decided, address)).collect())
        }
        Ns::RecordBy => one(keys::indexed_record(&key.k).map(|(kind, id)| keys::record(kind, &id))),
        Ns::Skeleton => one(keys::skeleton_domain(&key.k).map(|(_, id)| keys::account(&id))),
        Ns::AccountContact => one(keys::indexed_contact(&key.k).map(|id| keys::contact(&id))),
        Ns::Msgid => one(keys::msgid_message(&key.k).map(|id| keys::message(&id))),
        Ns::ThreadMember => one(keys::member_message(&key.k).map(|id| keys::message(&id))),
        Ns::ThreadHint => one(keys::hint_message(&key.k).map(|id| keys::message(&id))),
        Ns::Touch => {
            let id = keys::touch_at(&key.k)?.id;
            let activity = keys::record(Kind::Activity, &id);
            Some(vec![(
                Member::Key,
                vec![keys::message(&id.into()), activity],
            )])
        }
        Ns::EffectDue => one(keys::due_effect(&key.k).map(|(_, kind, id)| match kind {
            DueKind::Hold => keys::hold(&id),
            DueKind::Mailbox => keys::mailbox_effect(&id),
            DueKind::Mail | DueKind::SentCopy | DueKind::StaleDraft | DueKind::Approval => {
                keys::mail(&id)
            }
        })),
        Ns::EffectByMessage => {
            let id = keys::indexed_effect(&key.k)?;
            let effects = vec![keys::mail(&id), keys::hold(&id), keys::mailbox_effect(&id)];
            Some(vec![(Member::Key, effects)])
        }
        Ns::HoldByGroup => one(keys::indexed_effect(&key.k).map(|id| keys::hold(&id))),
        Ns::CaseByKind => one(keys::indexed_case(&key.k).map(|id| keys::case(&id))),
        Ns::CaseBy => one(keys::case_found(&key.k).map(|id| keys::case(&id))),
        Ns::TimerDue => one(keys::due_timer(&key.k).map(|(_, id)| keys::timer(&id))),
        Ns::MeetingDue => one(keys::due_meeting(&key.k).map(|(_, id)| keys::meeting(&id))),
        Ns::Parked => {
            one(keys::parked_event(&key.k).map(|(seq, plugin)| keys::plugin_result(seq, &plugin)))
        }
        // Looked at from the event alone: a gate outlives it.
        Ns::EventSeen => Some(Vec::new()),
        _ => None,
    }
}

fn decided(account: Option<AccountId>, subject: Option<String>) -> Option<(Member, Vec<Key>)> {
    let rule = subject.map(|subject| keys::match_rule(&subject));
    Some((Member::Decided(account?), rule.into_iter().collect()))
}

/// Whether an entry is right as long as its record, `value`, is there, whatever that says.
fn outlives_its_reason(index: Ns, value: &[u8]) -> bool {
    let erased = || codec::decode(value).is_ok_and(|message| is_erased(&message));
    index == Ns::EffectDue || index == Ns::Msgid && erased()
}

/// Whether an index row has `member`.
fn has(ns: Ns, value: &[u8], member: &Member) -> bool {
    match (ns, member) {
        (_, Member::Key) => true,
        (_, Member::Account(account)) => {
            codec::decode::<ByDomainRow>(value).is_ok_and(|row| row.accounts.contains(account))
        }
        (_, Member::Hit(hit)) => {
            codec::decode::<ByAddrRow>(value).is_ok_and(|row| row.hits.contains(hit))
        }
        (Ns::ByAddr, Member::Decided(account)) => {
            codec::decode::<ByAddrRow>(value).is_ok_and(|row| row.decided.as_ref() == Some(account))
        }
        (_, Member::Decided(account)) => codec::decode::<ByDomainRow>(value)
            .is_ok_and(|row| row.decided.as_ref() == Some(account)),
        (_, Member::Place(seq)) => *value == seq.to_be_bytes(),
    }
}

/// Puts into `batch` what a record's index rows are after a change of it: `old` are the entries
/// before it, `new` those after it. Rows that several records share are read first.
///
/// # Errors
/// As the store.
pub(crate) async fn stage(
    books: &Books,
    batch: &mut Batch,
    old: &[Entry],
    new: &[Entry],
) -> Result<Vec<Key>, BooksError> {
    let gone = old.iter().filter(|entry| !new.contains(entry));
    let come = new.iter().filter(|entry| !old.contains(entry));
    // One row may lose one member and win another.
    let mut touched: BTreeMap<Key, Vec<(&Member, bool)>> = BTreeMap::new();
    for (entry, add) in gone
        .map(|entry| (entry, false))
        .chain(come.map(|entry| (entry, true)))
    {
        let members = touched.entry(entry.key.clone()).or_default();
        members.push((&entry.member, add));
    }
    let shared: Vec<Key> = touched
        .iter()
        .filter(|(_, members)| members.iter().any(|(member, _)| **member != Member::Key))
        .map(|(key, _)| key.clone())
        .collect();
    let mut found = books.store.get(&shared).await?.into_iter();
    let mut crowded = Vec::new();
    for (key, members) in touched {
        if !shared.contains(&key) {
            match members.iter().any(|(_, add)| *add) {
                true => batch.put(key, Vec::new()),
                false => batch.del(key),
            };
            continue;
        }
        let seen = found.next().flatten();
        let version = seen.as_ref().map(|row| row.version);
        batch.expect(key.clone(), version.map_or(Expect::Absent, Expect::Version));
        let mut value = seen.map(|row| row.value.to_vec());
        for (member, add) in members {
            value = changed(key.ns, value.as_deref(), member, add)?;
        }
        let sharers = value.as_deref().map_or(0, sharers);
        if sharers > crate::accounts::SHARED_MAX {
            crowded.push(key.clone());
        }
        match value {
            Some(value) => {
                batch.put(key, value);
            }
            None if version.is_some() => {
                batch.del(key);
            }
            None => {}
        }
    }
    Ok(crowded)
}

/// How many records share an index row.
fn sharers(value: &[u8]) -> usize {
    match codec::decode::<ByDomainRow>(value) {
        Ok(row) => row.accounts.len(),
        Err(_) => codec::decode::<ByAddrRow>(value).map_or(0, |row| row.hits.len()),
    }
}

/// The index row of a family with `member` added to, or taken from, what is there; `None`: no row
/// is left.
fn changed(
    ns: Ns,
    value: Option<&[u8]>,
    member: &Member,
    add: bool,
) -> Result<Option<Vec<u8>>, CodecError> {
    match member {
        Member::Key => Ok(add.then(Vec::new)),
        Member::Place(seq) => Ok(add.then(|| seq.to_be_bytes().to_vec())),
        Member::Hit(_) | Member::Decided(_) if ns == Ns::ByAddr => {
            let mut row: ByAddrRow = value.map(codec::decode).transpose()?.unwrap_or_default();
            match member {
                Member::Hit(hit) => put_or_take(&mut row.hits, hit, add),
                Member::Decided(account) => set_or_clear(&mut row.decided, account, add),
                _ => {}
            }
            let left = !row.hits.is_empty() || row.decided.is_some();
            left.then(|| codec::encode(&row)).transpose()
        }
        Member::Hit(_) | Member::Account(_) | Member::Decided(_) => {
            let mut row: ByDomainRow = value.map(codec::decode).transpose()?.unwrap_or_default();
            match member {
                Member::Account(account) => put_or_take(&mut row.accounts, account, add),
                Member::Decided(account) => set_or_clear(&mut row.decided, account, add),
                _ => {}
            }
            let left = !row.accounts.is_empty() || row.decided.is_some();
            left.then(|| codec::encode(&row)).transpose()
        }
    }
}

fn put_or_take<T: Clone + PartialEq>(list: &mut Vec<T>, one: &T, add: bool) {
    list.retain(|other| other != one);
    if add {
        list.push(one.clone());
    }
}

fn set_or_clear(decided: &mut Option<AccountId>, account: &AccountId, add: bool) {
    if add {
        *decided = Some(account.clone());
    } else if decided.as_ref() == Some(account) {
        *decided = None;
    }
}

/// A key of an index as people read it: its family and its parts as far as they are text.
#[must_use]
pub fn shown(key: &Key) -> String {
    let mut parts = Parts::new(&key.k);
    let mut texts = Vec::new();
    while let Ok(text) = parts.text() {
        texts.push(text);
    }
    match texts.is_empty() {
        true => key.to_string(),
        false => format!("{}/{}", key.ns, texts.join("/")),
    }
}

#[cfg(test)]
mod tests;
