//! The key of every row, in one place.

mod case;
mod touch;

use liaison_core::crm::Kind;
use liaison_core::ids::{
    AccountId, CaseId, ContactId, EffectId, HoldGroupId, MailboxId, MessageKey, PluginName, TaskId,
    ThreadId, TimerId,
};
use liaison_core::time::Timestamp;

use crate::source::FolderRef;
use crate::store::keys::{Parts, Tuple};
use crate::store::{Key, Ns, Range};

pub use case::{
    case_by, case_by_kind, case_found, case_index, cases_by, cases_of_kind, indexed_case,
};
pub use touch::{TouchBy, touch_at, touches, touches_by};

fn one(ns: Ns, text: &str) -> Key {
    Tuple::new().text(text).key(ns)
}

macro_rules! by_id {
    ($($name:ident($id:ty) = $ns:ident;)*) => {$(
        /// Key of the row with this id.
        #[must_use]
        pub fn $name(id: &$id) -> Key {
            one(Ns::$ns, id.as_str())
        }
    )*};
}

by_id! {
    message(MessageKey) = Message;
    thread(ThreadId) = Thread;
    account(AccountId) = Account;
    contact(ContactId) = Contact;
    mail(EffectId) = Effect;
    hold(EffectId) = Hold;
    hold_group(HoldGroupId) = HoldGroup;
    mailbox_effect(EffectId) = MailboxEffect;
    case(CaseId) = CaseRecord;
    task(TaskId) = Task;
    timer(TimerId) = Timer;
    plugin_state(PluginName) = PluginState;
    report(MessageKey) = Report;
}

/// How mail to an address in lookup form, or to `@` and a domain, fares.
#[must_use]
pub fn reach(subject: &str) -> Key {
    one(Ns::Reach, subject)
}

/// The delivery reports about a mail, or about a message of ours.
#[must_use]
pub fn returned(id: &str) -> Key {
    one(Ns::Returned, id)
}

/// An address, without `+tag`, whose owner asked not to get further mail.
#[must_use]
pub fn opt_out(address: &str) -> Key {
    one(Ns::OptOut, address)
}

/// A core record: accounts and contacts have families of their own.
#[must_use]
pub fn record(kind: Kind, id: &str) -> Key {
    match kind {
        Kind::Account => one(Ns::Account, id),
        Kind::Contact => one(Ns::Contact, id),
        kind => Tuple::new().text(kind.word()).text(id).key(Ns::Record),
    }
}

/// All core records of a kind.
#[must_use]
pub fn records(kind: Kind) -> Range {
    match kind {
        Kind::Account => Range::all(Ns::Account),
        Kind::Contact => Range::all(Ns::Contact),
        kind => Tuple::new().text(kind.word()).range(Ns::Record),
    }
}

/// A core record under the value of a field.
#[must_use]
pub fn record_by(kind: Kind, field: &str, value: &str, id: &str) -> Key {
    Tuple::new()
        .text(kind.word())
        .text(field)
        .text(value)
        .text(id)
        .key(Ns::RecordBy)
}

/// Core records with a value in a field.
#[must_use]
pub fn records_by(kind: Kind, field: &str, value: &str) -> Range {
    Tuple::new()
        .text(kind.word())
        .text(field)
        .text(value)
        .range(Ns::RecordBy)
}

/// Kind and id in a key of [`records_by`].
#[must_use]
pub fn indexed_record(key: &[u8]) -> Option<(Kind, String)> {
    let mut parts = Parts::new(key);
    let kind = Kind::from_word(&parts.text().ok()?)?;
    parts.text().ok()?;
    parts.text().ok()?;
    Some((kind, parts.text().ok()?))
}

/// A value that waits for a person's yes.
#[must_use]
pub fn change(id: &str) -> Key {
    one(Ns::Change, id)
}

/// What a record got when it took the place of `from`.
#[must_use]
pub fn merge(kind: Kind, from: &str) -> Key {
    Tuple::new().text(kind.word()).text(from).key(Ns::Merge)
}

/// All merges of records of a kind.
#[must_use]
pub fn merges(kind: Kind) -> Range {
    Tuple::new().text(kind.word()).range(Ns::Merge)
}

/// Outcome of the event with this key.
#[must_use]
pub fn outcome(event_key: &str) -> Key {
    one(Ns::Outcome, event_key)
}

/// A named number or switch of the pipeline.
#[must_use]
pub fn setting(name: &str) -> Key {
    one(Ns::Setting, name)
}

/// The backfill of a mailbox.
#[must_use]
pub fn backfill(mailbox: &MailboxId) -> Key {
    Tuple::new()
        .text(BACKFILL)
        .text(mailbox.as_str())
        .key(Ns::Setting)
}

/// All backfills.
#[must_use]
pub fn backfills() -> Range {
    Tuple::new().text(BACKFILL).range(Ns::Setting)
}

/// Begins the keys of backfills; other settings have one part.
const BACKFILL: &str = "backfill";

/// What was listed of a folder.
#[must_use]
pub fn listed(folder: &FolderRef) -> Key {
    Tuple::new()
        .text("listed")
        .text(folder.mailbox.as_str())
        .text(&folder.folder)
        .key(Ns::Setting)
}

/// Before the kind and the name of a source.
const WATCHED: &str = "watched ";

/// What is kept of a source: a mailbox, a calendar or a transport.
#[must_use]
pub fn watched(kind: &str, source: &str) -> Key {
    setting(&format!("{WATCHED}{kind} {source}"))
}

/// What is kept of all sources.
#[must_use]
pub fn all_watched() -> Range {
    Range::prefix(Ns::Setting, WATCHED.as_bytes())
}

/// Kind and name of the source of a key of [`all_watched`].
#[must_use]
pub fn watched_source(key: &[u8]) -> Option<(String, String)> {
    let text = Parts::new(key).text().ok()?;
    let (kind, source) = text.strip_prefix(WATCHED)?.split_once(' ')?;
    Some((kind.to_owned(), source.to_owned()))
}

/// Name of the setting that tells what the last look at everything found.
pub const LOOKED: &str = "looked-over";

/// Name of the setting with the key of the tombstones.
pub const SALT: &str = "erasure-salt";

/// The erasure of a person, by the name of their tombstone.
#[must_use]
pub fn erasure(tombstone: &str) -> Key {
    one(Ns::Erasure, tombstone)
}

/// A question whose an address is.
#[must_use]
pub fn review(id: &str) -> Key {
    one(Ns::Review, id)
}

/// What a person decided about an address in lookup form, or a domain.
#[must_use]
pub fn match_rule(subject: &str) -> Key {
    one(Ns::MatchRule, subject)
}

/// The address in a key of [`by_addr`].
#[must_use]
pub fn indexed_address(key: &[u8]) -> Option<String> {
    Parts::new(key).text().ok()
}

/// The domain in a key of [`by_domain`].
#[must_use]
pub fn indexed_domain(key: &[u8]) -> Option<String> {
    let mut parts = Parts::new(key);
    let mut labels = Vec::new();
    while let Ok(label) = parts.text() {
        labels.push(label);
    }
    labels.reverse();
    (!labels.is_empty()).then(|| labels.join("."))
}

/// An event by its place in the log.
#[must_use]
pub fn event(seq: &u64) -> Key {
    Tuple::new().u64(*seq).key(Ns::Event)
}

/// Events from `seq` on.
#[must_use]
pub fn events_from(seq: u64) -> Range {
    let mut range = Range::all(Ns::Event);
    range.start = event(&seq).k;
    range
}

/// The gate against a second event for one cause.
#[must_use]
pub fn event_seen(event_key: &str) -> Key {
    one(Ns::EventSeen, event_key)
}

/// What one plugin said about an event.
#[must_use]
pub fn plugin_result(seq: u64, plugin: &PluginName) -> Key {
    Tuple::new()
        .u64(seq)
        .text(plugin.as_str())
        .key(Ns::Proposal)
}

/// What all plugins said about an event.
#[must_use]
pub fn plugin_results(seq: u64) -> Range {
    Tuple::new().u64(seq).range(Ns::Proposal)
}

/// A copy of a message in a mailbox.
#[must_use]
pub fn delivery(message: &MessageKey, mailbox: &MailboxId) -> Key {
    Tuple::new()
        .text(message.as_str())
        .text(mailbox.as_str())
        .key(Ns::Delivery)
}

/// All copies of a message.
#[must_use]
pub fn deliveries(message: &MessageKey) -> Range {
    Tuple::new().text(message.as_str()).range(Ns::Delivery)
}

/// A place in a folder.
#[must_use]
pub fn locator(folder: &FolderRef, locator: &str) -> Key {
    Tuple::new()
        .text(folder.mailbox.as_str())
        .text(&folder.folder)
        .text(locator)
        .key(Ns::Locator)
}

/// How far a folder is known.
#[must_use]
pub fn cursor(folder: &FolderRef) -> Key {
    Tuple::new()
        .text(folder.mailbox.as_str())
        .text(&folder.folder)
        .key(Ns::Cursor)
}

/// A place in a folder whose message could not be read yet.
#[must_use]
pub fn unread(folder: &FolderRef, locator: &str) -> Key {
    Tuple::new()
        .text(folder.mailbox.as_str())
        .text(&folder.folder)
        .text(locator)
        .key(Ns::Unread)
}

/// Places in a folder whose messages could not be read yet.
#[must_use]
pub fn unread_in(folder: &FolderRef) -> Range {
    Tuple::new()
        .text(folder.mailbox.as_str())
        .text(&folder.folder)
        .range(Ns::Unread)
}

/// An event that was set aside for a plugin.
#[must_use]
pub fn parked(seq: u64, plugin: &PluginName) -> Key {
    Tuple::new().u64(seq).text(plugin.as_str()).key(Ns::Parked)
}

/// Event and plugin in a key of [`parked`].
#[must_use]
pub fn parked_event(key: &[u8]) -> Option<(u64, PluginName)> {
    let mut parts = Parts::new(key);
    Some((parts.u64().ok()?, PluginName(parts.text().ok()?)))
}

/// A Message-ID and the message that carries it.
#[must_use]
pub fn msgid(id: &str, message: &MessageKey) -> Key {
    Tuple::new()
        .text(&id_hash(id))
        .text(message.as_str())
        .key(Ns::Msgid)
}

/// Messages that carry a Message-ID.
#[must_use]
pub fn msgids(id: &str) -> Range {
    Tuple::new().text(&id_hash(id)).range(Ns::Msgid)
}

/// Message-IDs are compared without case of the domain; hashed, because they may be long.
fn id_hash(id: &str) -> String {
    liaison_core::ids::derive("liaison message-id 1", &[id.trim().as_bytes()])
}

/// The message in a key of [`msgids`].
#[must_use]
pub fn msgid_message(key: &[u8]) -> Option<MessageKey> {
    let mut parts = Parts::new(key);
    parts.text().ok()?;
    Some(MessageKey(parts.text().ok()?))
}

/// A message's place in its thread.
#[must_use]
pub fn thread_member(thread: &ThreadId, at: Timestamp, message: &MessageKey) -> Key {
    Tuple::new()
        .text(thread.as_str())
        .time(at)
        .text(message.as_str())
        .key(Ns::ThreadMember)
}

/// A message under what answers without a link may share with it: `by` is `index` or `subject`.
#[must_use]
pub fn thread_hint(by: &str, what: &str, at: Timestamp, message: &MessageKey) -> Key {
    hint(by, what)
        .time(at)
        .text(message.as_str())
        .key(Ns::ThreadHint)
}

/// Messages under one hint, by time.
#[must_use]
pub fn thread_hints(by: &str, what: &str) -> Range {
    hint(by, what).range(Ns::ThreadHint)
}

/// Hashed, because a subject may be long.
fn hint(by: &str, what: &str) -> Tuple {
    let parts = [by.as_bytes(), what.as_bytes()];
    Tuple::new().text(&liaison_core::ids::derive("liaison thread hint 1", &parts))
}

/// The message in a key of [`thread_hints`].
#[must_use]
pub fn hint_message(key: &[u8]) -> Option<MessageKey> {
    member_message(key)
}

/// What an address or an organisation (`@example.com`) is to a thread.
#[must_use]
pub fn thread_party(thread: &ThreadId, name: &str) -> Key {
    let name = liaison_core::ids::derive("liaison thread party 1", &[name.as_bytes()]);
    Tuple::new()
        .text(thread.as_str())
        .text(&name)
        .key(Ns::ThreadParty)
}

/// All parties of a thread.
#[must_use]
pub fn thread_parties(thread: &ThreadId) -> Range {
    Tuple::new().text(thread.as_str()).range(Ns::ThreadParty)
}

/// Messages of a thread by time.
#[must_use]
pub fn thread_members(thread: &ThreadId) -> Range {
    Tuple::new().text(thread.as_str()).range(Ns::ThreadMember)
}

/// The message in a key of [`thread_members`].
#[must_use]
pub fn member_message(key: &[u8]) -> Option<MessageKey> {
    let mut parts = Parts::new(key);
    parts.text().ok()?;
    parts.time().ok()?;
    Some(MessageKey(parts.text().ok()?))
}

/// An effect under what it is looked up by (`thread`, `event`, `hold`, `message-id`).
#[must_use]
pub fn effect_by(by: &str, what: &str, effect: &EffectId) -> Key {
    Tuple::new()
        .text(by)
        .text(what)
        .text(effect.as_str())
        .key(Ns::EffectByMessage)
}

/// Effects under what they are looked up by.
#[must_use]
pub fn effects_by(by: &str, what: &str) -> Range {
    Tuple::new().text(by).text(what).range(Ns::EffectByMessage)
}

/// A hold in its group.
#[must_use]
pub fn group_member(group: &HoldGroupId, hold: &EffectId) -> Key {
    Tuple::new()
        .text("group")
        .text(group.as_str())
        .text(hold.as_str())
        .key(Ns::HoldByGroup)
}

/// Holds of a group.
#[must_use]
pub fn group_members(group: &HoldGroupId) -> Range {
    Tuple::new()
        .text("group")
        .text(group.as_str())
        .range(Ns::HoldByGroup)
}

/// The effect in a key of [`effects_by`] or [`group_members`].
#[must_use]
pub fn indexed_effect(key: &[u8]) -> Option<EffectId> {
    let mut parts = Parts::new(key);
    parts.text().ok()?;
    parts.text().ok()?;
    Some(EffectId(parts.text().ok()?))
}

/// Which table a due entry points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DueKind {
    /// A mail.
    Mail,
    /// A hold: to be placed or released.
    Hold,
    /// A sent mail whose copy is still to be filed into Sent.
    SentCopy,
    /// A draft that was overtaken and is still to be taken out of Drafts.
    StaleDraft,
    /// A change of a message in its mailbox.
    Mailbox,
    /// A held mail about which somebody is to be told.
    Approval,
}

/// When an effect is to be looked at next.
#[must_use]
pub fn effect_due(at: Timestamp, kind: DueKind, effect: &EffectId) -> Key {
    let kind = match kind {
        DueKind::Mail => 0,
        DueKind::Hold => 1,
        DueKind::SentCopy => 2,
        DueKind::StaleDraft => 3,
        DueKind::Mailbox => 4,
        DueKind::Approval => 5,
    };
    Tuple::new()
        .time(at)
        .u8(kind)
        .text(effect.as_str())
        .key(Ns::EffectDue)
}

/// Effects due up to and including `now`.
#[must_use]
pub fn effects_due(now: Timestamp) -> Range {
    Range {
        ns: Ns::EffectDue,
        start: bytes::Bytes::new(),
        end: Some(Tuple::new().time(now.plus_millis(1)).key(Ns::EffectDue).k),
    }
}

/// Time, kind and effect of a key of [`effects_due`].
#[must_use]
pub fn due_effect(key: &[u8]) -> Option<(Timestamp, DueKind, EffectId)> {
    let mut parts = Parts::new(key);
    let at = parts.time().ok()?;
    let kind = match parts.u8().ok()? {
        0 => DueKind::Mail,
        1 => DueKind::Hold,
        2 => DueKind::SentCopy,
        3 => DueKind::StaleDraft,
        4 => DueKind::Mailbox,
        5 => DueKind::Approval,
        _ => return None,
    };
    Some((at, kind, EffectId(parts.text().ok()?)))
}

/// A timer by its time.
#[must_use]
pub fn timer_due(due: Timestamp, timer: &TimerId) -> Key {
    Tuple::new()
        .time(due)
        .text(timer.as_str())
        .key(Ns::TimerDue)
}

/// Timers due up to and including `now`.
#[must_use]
pub fn timers_due(now: Timestamp) -> Range {
    Range {
        ns: Ns::TimerDue,
        start: bytes::Bytes::new(),
        end: Some(Tuple::new().time(now.plus_millis(1)).key(Ns::TimerDue).k),
    }
}

/// The timer in a key of [`timers_due`], with its time.
#[must_use]
pub fn due_timer(key: &[u8]) -> Option<(Timestamp, TimerId)> {
    let mut parts = Parts::new(key);
    Some((parts.time().ok()?, TimerId(parts.text().ok()?)))
}

/// A meeting, by its id.
#[must_use]
pub fn meeting(id: &str) -> Key {
    one(Ns::Meeting, id)
}

/// A meeting by its end.
#[must_use]
pub fn meeting_due(end: Timestamp, id: &str) -> Key {
    Tuple::new().time(end).text(id).key(Ns::MeetingDue)
}

/// Meetings that ended up to and including `now`.
#[must_use]
pub fn meetings_due(now: Timestamp) -> Range {
    Range {
        ns: Ns::MeetingDue,
        start: bytes::Bytes::new(),
        end: Some(Tuple::new().time(now.plus_millis(1)).key(Ns::MeetingDue).k),
    }
}

/// The meeting in a key of [`meetings_due`], with its end.
#[must_use]
pub fn due_meeting(key: &[u8]) -> Option<(Timestamp, String)> {
    let mut parts = Parts::new(key);
    Some((parts.time().ok()?, parts.text().ok()?))
}

/// A contact of an account.
#[must_use]
pub fn account_contact(account: &AccountId, contact: &ContactId) -> Key {
    Tuple::new()
        .text(account.as_str())
        .text(contact.as_str())
        .key(Ns::AccountContact)
}

/// Contacts of an account.
#[must_use]
pub fn account_contacts(account: &AccountId) -> Range {
    Tuple::new()
        .text(account.as_str())
        .range(Ns::AccountContact)
}

/// The contact in a key of [`account_contacts`].
#[must_use]
pub fn indexed_contact(key: &[u8]) -> Option<ContactId> {
    let mut parts = Parts::new(key);
    parts.text().ok()?;
    Some(ContactId(parts.text().ok()?))
}

/// Accounts under what another system, or people, call them (`external`, `name`).
#[must_use]
pub fn account_ext(system: &str, name: &str) -> Key {
    Tuple::new().text(system).text(name).key(Ns::AccountExt)
}

/// Records under an address in lookup form.
#[must_use]
pub fn by_addr(address: &str) -> Key {
    one(Ns::ByAddr, address)
}

/// Accounts under a domain; labels reversed, so that a domain's sub-domains lie behind it.
#[must_use]
pub fn by_domain(domain: &str) -> Key {
    let reversed = domain.split('.').rev().fold(Tuple::new(), Tuple::text);
    reversed.key(Ns::ByDomain)
}

/// An account's domain under what it looks like (see `account::lookalike`).
#[must_use]
pub fn skeleton(skeleton: &str, domain: &str, account: &AccountId) -> Key {
    Tuple::new()
        .text(skeleton)
        .text(domain)
        .text(account.as_str())
        .key(Ns::Skeleton)
}

/// Domains that look like this.
#[must_use]
pub fn skeletons(skeleton: &str) -> Range {
    Tuple::new().text(skeleton).range(Ns::Skeleton)
}

/// Domain and account in a key of [`skeletons`].
#[must_use]
pub fn skeleton_domain(key: &[u8]) -> Option<(String, AccountId)> {
    let mut parts = Parts::new(key);
    parts.text().ok()?;
    Some((parts.text().ok()?, AccountId(parts.text().ok()?)))
}

/// A step in the life of something.
#[must_use]
pub fn audit(subject: &str, at: Timestamp, nth: u64) -> Key {
    Tuple::new().text(subject).time(at).u64(nth).key(Ns::Audit)
}

/// The place of an audit row among those of its millisecond.
#[must_use]
pub fn audit_nth(key: &[u8]) -> Option<u64> {
    let mut parts = Parts::new(key);
    parts.text().ok()?;
    parts.time().ok()?;
    parts.u64().ok()
}

/// Steps in the life of something.
#[must_use]
pub fn audit_of(subject: &str) -> Range {
    Tuple::new().text(subject).range(Ns::Audit)
}

/// The subject under which steps in the life of a mailbox are kept.
#[must_use]
pub fn mailbox_subject(mailbox: &MailboxId) -> String {
    format!("mailbox {mailbox}")
}

/// A mail in the ledger of an address, an account (`account:ID`) or of everybody (`*`).
#[must_use]
pub fn ledger(who: &str, at: Timestamp, effect: &EffectId) -> Key {
    Tuple::new()
        .text(who)
        .time(at)
        .text(effect.as_str())
        .key(Ns::Ledger)
}

/// The ledger of `who` from `from` on.
#[must_use]
pub fn ledger_since(who: &str, from: Timestamp) -> Range {
    let all = Tuple::new().text(who).range(Ns::Ledger);
    Range {
        start: Tuple::new().text(who).time(from).key(Ns::Ledger).k,
        ..all
    }
}

/// Something that happened with an account.
#[must_use]
pub fn timeline(account: &AccountId, at: Timestamp, what: &str) -> Key {
    Tuple::new()
        .text(account.as_str())
        .time(at)
        .text(what)
        .key(Ns::Timeline)
}

/// Everything that happened with an account, by time.
#[must_use]
pub fn timeline_of(account: &AccountId) -> Range {
    Tuple::new().text(account.as_str()).range(Ns::Timeline)
}

/// A row of a plugin's own memory; `scope` is an account's id, or empty for the plugin's.
#[must_use]
pub fn plugin_kv(plugin: &PluginName, scope: &str, name: &str) -> Key {
    Tuple::new()
        .text(plugin.as_str())
        .text(scope)
        .text(name)
        .key(Ns::PluginKv)
}

/// A plugin's own memory in one scope.
#[must_use]
pub fn plugin_kv_scope(plugin: &PluginName, scope: &str) -> Range {
    Tuple::new()
        .text(plugin.as_str())
        .text(scope)
        .range(Ns::PluginKv)
}

/// The name in a key of [`plugin_kv_scope`].
#[must_use]
pub fn kv_name(key: &[u8]) -> Option<String> {
    let mut parts = Parts::new(key);
    parts.text().ok()?;
    parts.text().ok()?;
    parts.text().ok()
}

/// An event that waits for another try of a plugin.
#[must_use]
pub fn wait(due: Timestamp, seq: u64, plugin: &PluginName) -> Key {
    Tuple::new()
        .time(due)
        .u64(seq)
        .text(plugin.as_str())
        .key(Ns::Wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_at_this_very_moment_is_due() {
        let due = |at| effect_due(Timestamp(at), DueKind::Hold, &EffectId::from("e")).k;
        let range = effects_due(Timestamp(100));
        let end = range.end.unwrap();
        assert!(due(100) < end && due(101) >= end);
        for kind in [
            DueKind::Mail,
            DueKind::SentCopy,
            DueKind::Mailbox,
            DueKind::Approval,
        ] {
            let key = effect_due(Timestamp(100), kind, &EffectId::from("e")).k;
            let read = Some((Timestamp(100), kind, EffectId::from("e")));
            assert_eq!(due_effect(&key), read);
        }
    }

    #[test]
    fn subdomains_lie_behind_their_domain() {
        let domain = by_domain("example.com").k;
        let below = by_domain("mail.example.com").k;
        let sibling = by_domain("example-two.com").k;
        assert!(below.starts_with(&domain) && !sibling.starts_with(&domain));
    }
}
