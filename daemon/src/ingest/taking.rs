//! One message: what is staged of it, in one commit to the chunk.

use std::collections::BTreeMap;

use liaison_core::account::matching::Match;
use liaison_core::effect::{MailEffect, MailMode};
use liaison_core::mail::{Address, MessageView, Standing, standing_names};
use liaison_core::message::{MessageRecord, Person, ThreadRecord, cut_text};
use liaison_core::time::Timestamp;
use liaison_core::touch::{Touch, touch_of_message};

use super::message::{firm_account, is_new_after_rebind, joined};
use super::{Prepared, TakeError, Taking};
use crate::books::indexes::hint_keys;
use crate::books::rows::{
    AuditRow, CounterRow, DeliveryRow, EventBody, EventRow, OutcomeRow, TimelineRow,
};
use crate::books::{Books, BooksError, keys, replace};
use crate::outbox::stage_audit;
use crate::privacy::ERASED_WHY;
use crate::review;
use crate::source::{BatchMode, Content, FolderRole};
use crate::store::{Batch as Writes, Expect, Stored};

impl Taking<'_> {
    /// Stages one message; `true` when it was not known before.
    pub(super) async fn take_one(
        &self,
        item: &Prepared,
        last_look: Option<Timestamp>,
    ) -> Result<bool, TakeError> {
        if let (true, Ok(view)) = (item.erased.whole, &item.view) {
            return Ok(self.take_erased(item, view).await?);
        }
        let (mut message, whose) = self.describe(item).await?;
        let mut writes = self.books.batch();
        // A file that vanished may come back under its name, and is to be read then.
        if !matches!(item.arrived.content, Content::Vanished) {
            let place = keys::locator(&self.batch.folder, &item.arrived.locator);
            writes.put(place, message.key.0.clone());
        }
        let known = self
            .books
            .get::<MessageRecord>(keys::message(&message.key))
            .await?;
        self.write_copy(&mut writes, item, &message, known.is_some())
            .await?;
        if let Some(known) = known {
            let matched = whose.map(|whose| whose.matched);
            let view = item.view.as_deref().ok();
            self.known_again(&mut writes, known, (&message, matched), view)
                .await?;
            self.books.commit(writes).await?;
            return Ok(false);
        }
        message.historical = match self.batch.mode {
            BatchMode::Live => false,
            BatchMode::History => true,
            BatchMode::Rebind => !is_new_after_rebind((message.received, message.date), last_look),
        };
        let ours = self
            .mail_of_ours(&message, item.view.as_deref().ok())
            .await?;
        if let Some(ours) = &ours {
            message.effect = Some(ours.mail.record.id.clone());
            message.plugin = Some(ours.mail.record.cause.plugin.clone());
            self.seen_in_sent(&message, ours).await?;
        }
        let asked = self.unsubscribed(item, &mut message).await?;
        if let Some(whose) = whose.as_ref().filter(|_| !message.historical) {
            let now = self.ingest.clock.now();
            review::stage(&self.books, &mut writes, whose, (&message, now)).await?;
        }
        let matched = whose.map(|whose| whose.matched);
        self.write_thread(
            &mut writes,
            &message,
            ours.as_ref().map(|ours| &ours.mail),
            (matched.as_ref(), true),
        )
        .await?;
        if let Some(id) = &message.message_id {
            writes.put(keys::msgid(id, &message.key), Vec::new());
        }
        for hint in hint_keys(&message) {
            writes.put(hint, Vec::new());
        }
        if let Ok(view) = &item.view {
            self.write_report(&mut writes, view, &message).await?;
        }
        if message.effect.is_none() && !message.historical {
            self.judge_late(&mut writes, &message).await?;
        }
        self.write_timeline(&mut writes, &message)?;
        write_touch(&mut writes, None, &message);
        self.write_event(&mut writes, &message, matched, asked)
            .await?;
        replace(&mut writes, keys::message(&message.key), None, &message)?;
        self.books.commit(writes).await?;
        Ok(true)
    }

    /// A message from or to a person whose data was erased: its place, and its one outcome.
    async fn take_erased(&self, item: &Prepared, view: &MessageView) -> Result<bool, BooksError> {
        let (message, message_id) = self.describe_erased(item, view);
        let mut writes = self.books.batch();
        let place = keys::locator(&self.batch.folder, &item.arrived.locator);
        writes.put(place, message.key.0.clone());
        let key = keys::message(&message.key);
        let known = self.books.get::<MessageRecord>(key.clone()).await?;
        self.write_copy(&mut writes, item, &message, known.is_some())
            .await?;
        let is_new = known.is_none();
        if is_new {
            if let Some(id) = message_id {
                writes.put(keys::msgid(&id, &message.key), Vec::new());
            }
            self.write_erased_outcome(&mut writes, &message).await?;
            replace(&mut writes, key, None, &message)?;
        }
        self.books.commit(writes).await?;
        Ok(is_new)
    }

    async fn write_erased_outcome(
        &self,
        writes: &mut Writes,
        message: &MessageRecord,
    ) -> Result<(), BooksError> {
        if self.books.outcome(message.key.as_str()).await?.is_some() {
            return Ok(());
        }
        let row = OutcomeRow {
            event_key: message.key.0.clone(),
            seq: None,
            message: Some(message.key.clone()),
            matched: None,
            summary: format!("nothing done: {ERASED_WHY}"),
            closed: Some(self.ingest.clock.now()),
        };
        self.count_recorded(writes).await?;
        replace(writes, keys::outcome(&row.event_key), None, &row)
    }

    async fn write_copy(
        &self,
        writes: &mut Writes,
        item: &Prepared,
        message: &MessageRecord,
        known: bool,
    ) -> Result<(), BooksError> {
        let batch = self.batch;
        let key = keys::delivery(&message.key, &batch.folder.mailbox);
        let before = self.books.get::<DeliveryRow>(key.clone()).await?;
        let version = before.as_ref().map(|row| row.version);
        let mut row = before.map(|row| row.record).unwrap_or_else(|| DeliveryRow {
            mailbox: batch.folder.mailbox.clone(),
            folder: String::new(),
            role: batch.folder.role,
            locator: String::new(),
            seen: self.ingest.clock.now(),
            copy: known,
        });
        // Of a mail to oneself there is a copy in Sent, too: the one that arrived is the one that
        // people look at, and that is changed.
        let beside = row.role == FolderRole::Inbox
            && batch.folder.role == FolderRole::Sent
            && !row.folder.is_empty();
        if !beside || self.was_moved_here(message).await? {
            row.folder.clone_from(&batch.folder.folder);
            row.locator.clone_from(&item.arrived.locator);
        }
        if !beside {
            row.role = batch.folder.role;
        }
        replace(writes, key, version, &row)
    }

    /// A message of one of us that first came in as a copy, and is now found in Sent: only now
    /// is it certain that it is mail of ours.
    async fn known_again(
        &self,
        writes: &mut Writes,
        known: Stored<MessageRecord>,
        (fresh, matched): (&MessageRecord, Option<Match>),
        view: Option<&MessageView>,
    ) -> Result<(), BooksError> {
        let batch = self.batch;
        let before = touch_of_message(&known.record);
        let mut message = known.record;
        if message.outbound || batch.folder.role != FolderRole::Sent {
            return Ok(());
        }
        if self.was_moved_here(&message).await? {
            return Ok(());
        }
        message.outbound = true;
        // Now it is about whom it went to.
        message.account.clone_from(&fresh.account);
        message.contact.clone_from(&fresh.contact);
        let ours = self.mail_of_ours(&message, view).await?;
        if let Some(ours) = &ours {
            message.effect = Some(ours.mail.record.id.clone());
            message.plugin = Some(ours.mail.record.cause.plugin.clone());
            self.seen_in_sent(&message, ours).await?;
        }
        if message.effect.is_none() && !message.historical {
            self.judge_late(writes, &message).await?;
        }
        let ours = ours.as_ref().map(|ours| &ours.mail);
        self.write_thread(writes, &message, ours, (matched.as_ref(), false))
            .await?;
        self.write_timeline(writes, &message)?;
        write_touch(writes, before.as_ref(), &message);
        let key = keys::outcome(message.key.as_str());
        if let Some(outcome) = self.books.get::<OutcomeRow>(key.clone()).await? {
            let mut row = outcome.record;
            row.matched.clone_from(&matched);
            replace(writes, key, Some(outcome.version), &row)?;
        }
        if !message.historical && batch.mode == BatchMode::Live {
            let body = EventBody::Message(message.key.clone());
            let key = format!("sent {}", message.key);
            self.append_event(writes, key, body, Some(message.key.clone()), matched)
                .await?;
        }
        replace(
            writes,
            keys::message(&message.key),
            Some(known.version),
            &message,
        )
    }

    async fn write_thread(
        &self,
        writes: &mut Writes,
        message: &MessageRecord,
        ours: Option<&Stored<MailEffect>>,
        (matched, joins): (Option<&Match>, bool),
    ) -> Result<(), BooksError> {
        let key = keys::thread(&message.thread);
        let seen = self.books.get::<ThreadRecord>(key.clone()).await?;
        let version = seen.as_ref().map(|row| row.version);
        let before = seen.map(|row| row.record);
        let fresh = before.is_none();
        let was_closed = before.as_ref().and_then(|thread| thread.closed.clone());
        let standing = self.standing(message, before.as_ref(), matched).await?;
        // A draft of ours that a person sent is a person's message, also when it was overtaken.
        let by_person = match ours {
            None => true,
            Some(mail) => mail.record.mode == MailMode::Draft,
        };
        let from = message.from.as_ref();
        let from_us = from.is_some_and(|from| self.ingest.office.firm.owns(&from.email));
        let mut thread = joined(before, message, (by_person, from_us), (matched, standing));
        if !is_warned(matched) {
            self.write_parties(writes, message, standing, (by_person, fresh))
                .await?;
        }
        if !joins {
            thread.messages = thread.messages.saturating_sub(1).max(1);
        }
        replace(writes, key, version, &thread)?;
        if let Some(closed) = was_closed.filter(|_| thread.closed.is_none()) {
            let who = message.from.as_ref().map_or("somebody", |from| &from.email);
            let now = self.ingest.clock.now();
            let row = AuditRow {
                at: now,
                who: "liaison".to_owned(),
                what: "reopened".to_owned(),
                why: format!("{who} wrote again; it was {closed}"),
            };
            stage_audit(writes, thread.id.as_str(), now, row)?;
        }
        let member = keys::thread_member(&message.thread, message.received, &message.key);
        writes.put(member, Vec::new());
        Ok(())
    }

    /// What the sender is to the thread, this message included.
    async fn standing(
        &self,
        message: &MessageRecord,
        thread: Option<&ThreadRecord>,
        matched: Option<&Match>,
    ) -> Result<Standing, BooksError> {
        let Some(thread) = thread else {
            return Ok(Standing::Began);
        };
        let Some(from) = message.from.as_ref().filter(|_| !message.outbound) else {
            return Ok(Standing::Party);
        };
        if message.authenticity == "fail" || is_warned(matched) {
            return Ok(Standing::Outsider);
        }
        let of_thread = thread.account.as_ref().map(|(account, _)| account);
        let of_sender = firm_account(matched);
        if of_thread.is_some() && of_thread == of_sender {
            return Ok(Standing::Party);
        }
        let free_mail = &self.ingest.office.free_mail;
        self.books
            .standing(&message.thread, &from.email, free_mail)
            .await
    }

    /// Remembers who took part: those to whom a person of ours wrote, who began the thread, and
    /// senders who belong to its account. To and Cc of others make nobody a party.
    async fn write_parties(
        &self,
        writes: &mut Writes,
        message: &MessageRecord,
        standing: Standing,
        (by_person, fresh): (bool, bool),
    ) -> Result<(), BooksError> {
        let (people, standing) = match (message.outbound, by_person, fresh) {
            (true, true, _) => (written_to(message), Standing::Party),
            (true, false, true) => (written_to(message), Standing::Began),
            (true, false, false) => return Ok(()),
            (false, ..) if message.authenticity == "fail" => return Ok(()),
            (false, ..) => (message.from.iter().collect(), standing),
        };
        let mut names: BTreeMap<String, Standing> = BTreeMap::new();
        for person in people {
            let Ok(address) = Address::parse(&person.email) else {
                continue;
            };
            if standing < Standing::Began || self.ingest.office.owns(&address) {
                continue;
            }
            let (own, shared) = standing_names(&address, &self.ingest.office.free_mail);
            names.insert(own, standing);
            if let Some(shared) = shared {
                names.insert(shared, Standing::Colleague);
            }
        }
        for (name, standing) in names {
            if fresh || self.books.standing_of_name(&message.thread, &name).await? < standing {
                let key = keys::thread_party(&message.thread, &name);
                writes.put(key, vec![standing.code()]);
            }
        }
        Ok(())
    }

    fn write_timeline(
        &self,
        writes: &mut Writes,
        message: &MessageRecord,
    ) -> Result<(), BooksError> {
        if let Some(account) = &message.account {
            let row = timeline_row(message);
            writes.put_record(keys::timeline(account, row.at, message.key.as_str()), &row)?;
        }
        Ok(())
    }

    async fn write_event(
        &self,
        writes: &mut Writes,
        message: &MessageRecord,
        matched: Option<Match>,
        asked: Option<String>,
    ) -> Result<(), BooksError> {
        let closed = |summary: String| OutcomeRow {
            event_key: message.key.0.clone(),
            seq: None,
            message: Some(message.key.clone()),
            matched: matched.clone(),
            summary,
            closed: Some(self.ingest.clock.now()),
        };
        let row = if let Some(asked) = asked {
            closed(asked)
        } else if message.historical {
            closed("nothing done: it is from before the first start, recorded only".to_owned())
        } else if message.from.is_none() && message.size == 0 {
            let why = message.problems.first().map_or("", String::as_str);
            closed(format!(
                "nothing done: the message could not be read ({why})"
            ))
        } else {
            let body = EventBody::Message(message.key.clone());
            let message_key = Some(message.key.clone());
            return self
                .append_event(writes, message.key.0.clone(), body, message_key, matched)
                .await;
        };
        self.count_recorded(writes).await?;
        replace(writes, keys::outcome(&row.event_key), None, &row)
    }

    /// Counts a message that never becomes an event; `status` adds the events.
    async fn count_recorded(&self, writes: &mut Writes) -> Result<(), BooksError> {
        let key = keys::setting(RECORDED_ONLY);
        let seen = self.books.get::<CounterRow>(key.clone()).await?;
        let version = seen.as_ref().map(|row| row.version);
        let next = seen.map_or(0, |row| row.record.next).saturating_add(1);
        replace(writes, key, version, &CounterRow { next })
    }

    async fn append_event(
        &self,
        writes: &mut Writes,
        key: String,
        body: EventBody,
        message: Option<liaison_core::ids::MessageKey>,
        matched: Option<Match>,
    ) -> Result<(), BooksError> {
        append_event(
            &self.books,
            writes,
            NewEvent {
                key,
                body,
                message,
                matched,
            },
            self.ingest.clock.now(),
        )
        .await
    }
}

/// What a message says of contact with a customer, in place of what it said `before`.
fn write_touch(writes: &mut Writes, before: Option<&Touch>, message: &MessageRecord) {
    let now = touch_of_message(message);
    let keys = |touch: Option<&Touch>| touch.map(keys::touches).unwrap_or_default();
    let (old, new) = (keys(before), keys(now.as_ref()));
    for gone in old.into_iter().filter(|key| !new.contains(key)) {
        writes.del(gone);
    }
    for key in new {
        writes.put(key, Vec::new());
    }
}

/// Name of the counter of messages that were recorded and never became an event.
pub(crate) const RECORDED_ONLY: &str = "recorded-only";
/// Name of the counter that gives the next event its place in the log.
pub(crate) const EVENT_NEXT: &str = "event-next";

/// Something speaks against the sender being who they say.
fn is_warned(matched: Option<&Match>) -> bool {
    matched.is_some_and(|matched| matched.warning().is_some())
}

/// What the timeline of its account says of a message.
pub(crate) fn timeline_row(message: &MessageRecord) -> TimelineRow {
    let (kind, who) = if message.outbound {
        ("mail-out", message.to.first())
    } else {
        ("mail-in", message.from.as_ref())
    };
    let who = who.map_or("nobody", |person| person.email.as_str());
    TimelineRow {
        at: message.received,
        kind: kind.to_owned(),
        text: cut_text(&format!("{who}: {}", message.subject), 300),
        id: message.key.0.clone(),
    }
}

fn written_to(message: &MessageRecord) -> Vec<&Person> {
    message.to.iter().chain(&message.cc).collect()
}

/// An event to be appended to the log.
#[derive(Debug)]
pub(crate) struct NewEvent {
    /// Its key.
    pub key: String,
    /// What.
    pub body: EventBody,
    /// The message, for message events.
    pub message: Option<liaison_core::ids::MessageKey>,
    /// The match, where it is known.
    pub matched: Option<Match>,
}

/// Adds an event with its open outcome to a commit; an event with the same key fails the commit.
pub(crate) async fn append_event(
    books: &Books,
    writes: &mut Writes,
    event: NewEvent,
    now: Timestamp,
) -> Result<(), BooksError> {
    append_events(books, writes, vec![event], now).await
}

/// The same for several events, in this order; once per commit, for all take their place from one
/// counter.
pub(crate) async fn append_events(
    books: &Books,
    writes: &mut Writes,
    events: Vec<NewEvent>,
    now: Timestamp,
) -> Result<(), BooksError> {
    if events.is_empty() {
        return Ok(());
    }
    let counter = keys::setting(EVENT_NEXT);
    let next = books.get::<CounterRow>(counter.clone()).await?;
    let version = next.as_ref().map(|row| row.version);
    let first = next.map_or(0, |row| row.record.next);
    let next = CounterRow {
        next: first.saturating_add(events.len() as u64),
    };
    replace(writes, counter, version, &next)?;
    for (seq, event) in (first..).zip(events) {
        append_at(writes, seq, event, now)?;
    }
    Ok(())
}

fn append_at(
    writes: &mut Writes,
    seq: u64,
    event: NewEvent,
    now: Timestamp,
) -> Result<(), BooksError> {
    let seen = keys::event_seen(&event.key);
    writes
        .expect(seen.clone(), Expect::Absent)
        .put(seen, seq.to_be_bytes().to_vec());
    let outcome = OutcomeRow {
        event_key: event.key.clone(),
        seq: Some(seq),
        message: event.message,
        matched: event.matched,
        summary: "open".to_owned(),
        closed: None,
    };
    replace(writes, keys::outcome(&event.key), None, &outcome)?;
    let row = EventRow {
        seq,
        key: event.key,
        at: now,
        body: event.body,
    };
    replace(writes, keys::event(&seq), None, &row)
}
