//! Index rows as a function of the records that they stand for.
//!
//! An index is never migrated: what it must hold follows from the records, and [`walk`] compares
//! both ways, page by page, and mends where it is told to.
//!
//! | family | follows from |
//! |---|---|
//! | `account_ext`, `by_domain`, `skeleton` | accounts |
//! | `account_contact`, `by_addr` | contacts |
//! | `msgid`, `thread_member` | messages; of an erased one the first may stay |
//! | `effect_due`, `effect_by_message`, `hold_by_group` | mails and holds |
//! | `case_by_kind`, `timer_due`, `parked` | cases, timers, results of plugins |
//! | `event_seen` | events; the gate may outlive its event |
//!
//! `locator`, `delivery`, `thread_party`, `plugin_kv`, `ledger` and `timeline` say what nothing
//! else says: they are records.
//!
//! Entries of `effect_due` beyond those of the records are work that is still to be done (a copy
//! for Sent, a follow-up) or are dropped when their time comes; they must only name an effect.

pub mod walk;

use liaison_core::account::lookalike::skeletons;
use liaison_core::account::matching::AddressHit;
use liaison_core::account::{Account, Contact, fold};
use liaison_core::effect::{Cause, HoldEffect, HoldState, MailEffect};
use liaison_core::ids::{AccountId, EffectId};
use liaison_core::message::{MessageRecord, gone_why};
use liaison_core::records::{CaseRecord, TimerRecord};
use liaison_core::time::Timestamp;

use super::keys::{self, DueKind};
use super::rows::{ByAddrRow, ByDomainRow, CallEnd, EventRow, PluginResultRow};
use crate::outbox::due_of;
use crate::privacy::ERASED_WHY;
use crate::store::codec::{self, CodecError};
use crate::store::keys::Parts;
use crate::store::{Key, Ns};

/// System of the external ids in `account_ext`.
pub const EXTERNAL: &str = "external";
/// "System" of the names in `account_ext`.
pub const NAME: &str = "name";

/// Families whose rows have index rows.
pub const SOURCES: [Ns; 9] = [
    Ns::Account,
    Ns::Contact,
    Ns::Message,
    Ns::Effect,
    Ns::Hold,
    Ns::CaseRecord,
    Ns::Timer,
    Ns::Proposal,
    Ns::Event,
];

/// Families of index rows.
pub const INDEXES: [Ns; 14] = [
    Ns::AccountExt,
    Ns::ByDomain,
    Ns::Skeleton,
    Ns::AccountContact,
    Ns::ByAddr,
    Ns::Msgid,
    Ns::ThreadMember,
    Ns::EffectDue,
    Ns::EffectByMessage,
    Ns::HoldByGroup,
    Ns::CaseByKind,
    Ns::TimerDue,
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
        Ns::Message => of_message(&codec::decode(value)?),
        Ns::Effect => of_mail(&codec::decode(value)?),
        Ns::Hold => of_hold(&codec::decode(value)?),
        Ns::CaseRecord => {
            let case: CaseRecord = codec::decode(value)?;
            let key = keys::case_by_kind(&case.kind, case.created, &case.id);
            vec![Entry::bare(key)]
        }
        Ns::Timer => {
            let timer: TimerRecord = codec::decode(value)?;
            vec![Entry::bare(keys::timer_due(timer.due, &timer.id))]
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
        _ => Vec::new(),
    })
}

fn of_account(account: &Account) -> Vec<Entry> {
    account_keys(account)
        .map(|key| Entry {
            key,
            member: Member::Account(account.id.clone()),
        })
        .chain(skeleton_keys(account).map(Entry::bare))
        .collect()
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

fn of_contact(contact: &Contact) -> Vec<Entry> {
    let hit = AddressHit {
        account: contact.account.clone(),
        contact: Some(contact.id.clone()),
    };
    let addresses = contact.addresses.iter().map(|address| Entry {
        key: keys::by_addr(address),
        member: Member::Hit(hit.clone()),
    });
    let own = Entry::bare(keys::account_contact(&contact.account, &contact.id));
    addresses.chain([own]).collect()
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
    [Entry::bare(member)].into_iter().chain(id).collect()
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

/// Keys under which a mail is found all its life.
#[must_use]
pub fn mail_keys(mail: &MailEffect) -> Vec<Key> {
    let offers = mail.requires.iter();
    let offers = offers.map(|hold| keys::effect_by("hold", hold.as_str(), &mail.id));
    let own = keys::effect_by("message-id", &mail.message_id, &mail.id);
    offers
        .chain([own])
        .chain(cause_keys(&mail.id, &mail.cause))
        .collect()
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
            Some(row.accounts.into_iter().map(account).collect())
        }
        Ns::ByAddr => {
            let row: ByAddrRow = codec::decode(value).ok()?;
            let hit = |hit: AddressHit| {
                let contact = hit.contact.as_ref().map(keys::contact);
                (Member::Hit(hit), contact.into_iter().collect())
            };
            Some(row.hits.into_iter().map(hit).collect())
        }
        Ns::Skeleton => one(keys::skeleton_domain(&key.k).map(|(_, id)| keys::account(&id))),
        Ns::AccountContact => one(keys::indexed_contact(&key.k).map(|id| keys::contact(&id))),
        Ns::Msgid => one(keys::msgid_message(&key.k).map(|id| keys::message(&id))),
        Ns::ThreadMember => one(keys::member_message(&key.k).map(|id| keys::message(&id))),
        Ns::EffectDue => one(keys::due_effect(&key.k).map(|(_, kind, id)| match kind {
            DueKind::Hold => keys::hold(&id),
            DueKind::Mail | DueKind::SentCopy | DueKind::StaleDraft => keys::mail(&id),
        })),
        Ns::EffectByMessage => {
            let id = keys::indexed_effect(&key.k)?;
            Some(vec![(Member::Key, vec![keys::mail(&id), keys::hold(&id)])])
        }
        Ns::HoldByGroup => one(keys::indexed_effect(&key.k).map(|id| keys::hold(&id))),
        Ns::CaseByKind => one(keys::indexed_case(&key.k).map(|id| keys::case(&id))),
        Ns::TimerDue => one(keys::due_timer(&key.k).map(|(_, id)| keys::timer(&id))),
        Ns::Parked => {
            one(keys::parked_event(&key.k).map(|(seq, plugin)| keys::plugin_result(seq, &plugin)))
        }
        // Looked at from the event alone: a gate outlives it.
        Ns::EventSeen => Some(Vec::new()),
        _ => None,
    }
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
        (_, Member::Place(seq)) => *value == seq.to_be_bytes(),
    }
}

/// The index row with `member` added to, or taken from, what is there; `None`: no row is left.
fn changed(
    value: Option<&[u8]>,
    member: &Member,
    add: bool,
) -> Result<Option<Vec<u8>>, CodecError> {
    match member {
        Member::Key => Ok(add.then(Vec::new)),
        Member::Place(seq) => Ok(add.then(|| seq.to_be_bytes().to_vec())),
        Member::Account(account) => {
            let mut row: ByDomainRow = value.map(codec::decode).transpose()?.unwrap_or_default();
            row.accounts.retain(|other| other != account);
            if add {
                row.accounts.push(account.clone());
            }
            (!row.accounts.is_empty())
                .then(|| codec::encode(&row))
                .transpose()
        }
        Member::Hit(hit) => {
            let mut row: ByAddrRow = value.map(codec::decode).transpose()?.unwrap_or_default();
            row.hits.retain(|other| other != hit);
            if add {
                row.hits.push(hit.clone());
            }
            (!row.hits.is_empty())
                .then(|| codec::encode(&row))
                .transpose()
        }
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
