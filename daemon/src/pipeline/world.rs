//! The world of one call: the books and calendars as a plugin may ask for them.

use liaison_core::account::{Account, Contact};
use liaison_core::calendar::{self, CalendarObject, Instance};
use liaison_core::happening::{
    Entity, PluginAttachment, PluginCalendarEvent, PluginMessage, PluginOutOfOffice,
};
use liaison_core::ids::{AccountId, CaseId, ContactId, MessageKey, PluginName, ThreadId};
use liaison_core::mail::{Address, MessageView, NamedAddress};
use liaison_core::message::{MessageRecord, Person};
use liaison_core::proposal::{Fields, PlainAddress, Value};
use liaison_core::records::CaseRecord;
use liaison_core::time::{Timestamp, Window};

use std::cmp::Reverse;
use std::future::Future;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::books::{Books, BooksError, chain, keys};
use crate::calendars::Calendars;
use crate::cases::found;
use crate::free::{Diaries, Wish};
use crate::office::Office;
use crate::plugin::{Condition, KvScope, PluginWorld, SlotRequest};
use crate::reader;
use crate::store::{Dir, PAGE_ROWS_MAX, Range};

/// Answers reads of one call. Lives on a plugin thread, where blocking is allowed.
#[derive(Debug)]
pub(super) struct BooksWorld {
    pub books: Books,
    pub office: Arc<Office>,
    pub calendars: Calendars,
    pub plugin: PluginName,
    /// The account of the event, for the account's memory.
    pub account: Option<AccountId>,
    /// Whoever is written to because of the event: meetings are for their day, too.
    pub counterpart: Option<String>,
    pub now: Timestamp,
    pub runtime: tokio::runtime::Handle,
}

impl BooksWorld {
    fn wait<T>(&self, work: impl Future<Output = Result<T, BooksError>>) -> Result<T, String> {
        self.runtime.block_on(work).map_err(|error| chain(&error))
    }

    fn scope(&self, scope: KvScope) -> &str {
        match scope {
            KvScope::Account => self.account.as_ref().map_or("", AccountId::as_str),
            KvScope::Plugin => "",
        }
    }

    fn person(&self, owner: &str) -> Result<&crate::office::Person, String> {
        let person = self.office.people.get(&owner.to_lowercase());
        person.ok_or_else(|| format!("{owner} is none of our people"))
    }

    fn diaries(&self) -> Diaries {
        Diaries {
            books: self.books.clone(),
            office: self.office.clone(),
            calendars: self.calendars.clone(),
        }
    }
}

impl PluginWorld for BooksWorld {
    fn entity(&mut self, id: &str) -> Result<Option<Entity>, String> {
        self.wait(async {
            if let Some(account) = self.books.account(&AccountId::from(id)).await? {
                return Ok(Some(account_entity(&account)));
            }
            if let Some(contact) = self.books.contact(&ContactId::from(id)).await? {
                return Ok(Some(contact_entity(&contact)));
            }
            let case = self.books.case(&CaseId::from(id)).await?;
            Ok(case
                .filter(|case| case.plugin == self.plugin)
                .map(|case| case_entity(&case)))
        })
    }

    fn by_address(&mut self, email: &str) -> Result<Vec<Entity>, String> {
        let Ok(address) = Address::parse(email) else {
            return Ok(Vec::new());
        };
        self.wait(async {
            let found = self.books.lookups(&address, &self.office.free_mail).await?;
            let mut entities = Vec::new();
            let mut seen = Vec::new();
            for hit in found.addresses.iter().flat_map(|(_, hits)| hits) {
                if let Some(contact) = &hit.contact
                    && let Some(contact) = self.books.contact(contact).await?
                {
                    entities.push(contact_entity(&contact));
                }
                if !seen.contains(&hit.account) {
                    seen.push(hit.account.clone());
                }
            }
            seen.extend(found.domains.into_iter().flat_map(|(_, accounts)| accounts));
            let mut done: Vec<AccountId> = Vec::new();
            for account in seen {
                if !done.contains(&account)
                    && let Some(record) = self.books.account(&account).await?
                {
                    entities.push(account_entity(&record));
                }
                done.push(account);
            }
            Ok(entities)
        })
    }

    fn cases(
        &mut self,
        kind: &str,
        conditions: &[Condition],
        limit: usize,
    ) -> Result<Vec<Entity>, String> {
        self.wait(async {
            for condition in conditions {
                let wanted = std::slice::from_ref(&condition.value);
                let by = (kind, condition.field.as_str());
                let Some(mut cases) = found(&self.books, by, wanted).await? else {
                    continue;
                };
                cases.retain(|case| {
                    case.plugin == self.plugin && conditions.iter().all(|c| holds(case, c))
                });
                cases.sort_by_key(|case| Reverse((case.created, case.id.clone())));
                cases.truncate(limit);
                return Ok(cases.iter().map(case_entity).collect());
            }
            let range = keys::cases_of_kind(kind);
            let mut after = None;
            let mut found = Vec::new();
            loop {
                let page = self
                    .books
                    .store
                    .scan(range.clone(), Dir::Reverse, PAGE_ROWS_MAX, after)
                    .await?;
                for (key, _) in page.items {
                    let Some(id) = keys::indexed_case(&key) else {
                        continue;
                    };
                    let Some(case) = self.books.case(&id).await? else {
                        continue;
                    };
                    if case.plugin == self.plugin && conditions.iter().all(|c| holds(&case, c)) {
                        found.push(case_entity(&case));
                    }
                    if found.len() >= limit {
                        return Ok(found);
                    }
                }
                after = page.next;
                if after.is_none() {
                    return Ok(found);
                }
            }
        })
    }

    fn message(&mut self, id: &str) -> Result<Option<PluginMessage>, String> {
        self.wait(async {
            match self.books.message(&MessageKey::from(id)).await? {
                Some(record) => Ok(Some(plugin_message(&self.books, &record).await?)),
                None => Ok(None),
            }
        })
    }

    fn thread(&mut self, id: &str, newest: usize) -> Result<Vec<PluginMessage>, String> {
        self.wait(async {
            let mut messages = Vec::new();
            for record in self
                .books
                .thread_messages(&ThreadId::from(id), newest)
                .await?
            {
                messages.push(plugin_message(&self.books, &record).await?);
            }
            Ok(messages)
        })
    }

    fn busy(&mut self, owner: &str, span: Window) -> Result<Vec<Window>, String> {
        let person = self.person(owner)?;
        let taken = self.runtime.block_on(self.diaries().taken(person, span));
        let spans = taken.map_err(|error| error.words())?.busy;
        Ok(spans.into_iter().map(|busy| busy.window).collect())
    }

    fn free_slots(&mut self, request: &SlotRequest) -> Result<Vec<Window>, String> {
        let person = self.person(&request.owner)?.clone();
        let hours = person.work.home();
        let earliest = hours.next_slot(hours.add_business_days(self.now, request.days_ahead_min));
        let last_day = hours.add_business_days(self.now, request.days_ahead_max);
        let latest = hours.open_on(hours.date_of(last_day));
        let latest = latest.last().map_or(last_day, |(_, window)| window.end);
        // Of the first day the morning is offered too.
        let start = hours.start_of(hours.date_of(earliest)).max(self.now);
        let wish = Wish {
            minutes: request.minutes,
            window: Window { start, end: latest },
            count: usize::try_from(request.count).unwrap_or(usize::MAX),
        };
        let diaries = self.diaries();
        let found = self.runtime.block_on(async {
            let invitee = match &self.counterpart {
                Some(address) => {
                    let account = self.account.as_ref();
                    let found = diaries.invitee(address, account, self.now).await?;
                    Some((found, false))
                }
                None => None,
            };
            diaries.free(vec![person], invitee, wish, self.now).await
        });
        Ok(found.map_err(|error| error.words())?.slots)
    }

    fn calendar_events(
        &mut self,
        owner: &str,
        span: Window,
        limit: usize,
    ) -> Result<Vec<PluginCalendarEvent>, String> {
        let person = self.person(owner)?;
        let mut events = Vec::new();
        for id in &person.calendars {
            let mirror = self.calendars.mirrors.get(id);
            let Some(mirror) = mirror.filter(|mirror| mirror.synced_at().is_some()) else {
                return Err(format!("the calendar {id} has not been read yet"));
            };
            for (object, instance) in mirror.instances(span) {
                events.push(calendar_event(id.as_str(), &object, &instance));
            }
        }
        events.sort_by_key(|event| event.when.start);
        events.truncate(limit);
        Ok(events)
    }

    fn kv_get(&mut self, scope: KvScope, key: &str) -> Result<Option<Vec<u8>>, String> {
        let key = keys::plugin_kv(&self.plugin, self.scope(scope), key);
        self.wait(async {
            Ok(self
                .books
                .store
                .get_one(key)
                .await?
                .map(|row| row.value.to_vec()))
        })
    }

    fn kv_keys(&mut self, scope: KvScope, prefix: &str) -> Result<Vec<String>, String> {
        let range = keys::plugin_kv_scope(&self.plugin, self.scope(scope));
        let names = self.wait(self.books.every_key(range))?;
        let names = names.iter().filter_map(|key| keys::kv_name(key));
        Ok(names.filter(|name| name.starts_with(prefix)).collect())
    }

    fn kv_size(&mut self, scope: KvScope) -> Result<u64, String> {
        let range: Range = keys::plugin_kv_scope(&self.plugin, self.scope(scope));
        let mut bytes: u64 = 0;
        self.wait(self.books.each_row(range, Dir::Forward, |key, row| {
            let row = key.len().saturating_add(row.value.len());
            bytes = bytes.saturating_add(row as u64);
            Ok(ControlFlow::Continue(()))
        }))?;
        Ok(bytes)
    }

    fn working_time(&mut self, at: Timestamp, days: u32) -> Result<Timestamp, String> {
        Ok(self.office.firm.business.add_business_days(at, days))
    }

    fn working_hours(&mut self, at: Timestamp, hours: u32) -> Result<Timestamp, String> {
        Ok(self.office.firm.business.add_business_hours(at, hours))
    }
}

fn holds(case: &CaseRecord, condition: &Condition) -> bool {
    let wanted = &condition.value;
    match condition.field.as_str() {
        "state" => *wanted == Value::Text(case.state.clone()),
        "account" => case
            .account
            .as_ref()
            .is_some_and(|id| *wanted == Value::Text(id.0.clone())),
        "thread" => case
            .subject
            .thread
            .as_ref()
            .is_some_and(|id| *wanted == Value::Text(id.0.clone())),
        name => case.fields.get(name).unwrap_or(&Value::Null) == wanted,
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(super) fn account_entity(account: &Account) -> Entity {
    let mut fields = Fields::new();
    fields.insert("name".to_owned(), text(&account.name));
    fields.insert("domains".to_owned(), Value::Texts(account.domains.clone()));
    fields.insert("lifecycle".to_owned(), text(account.lifecycle.as_str()));
    fields.insert(
        "do_not_contact".to_owned(),
        Value::Flag(account.do_not_contact),
    );
    let optional = [
        ("owner", &account.owner),
        ("external_id", &account.external_id),
    ];
    for (name, value) in optional {
        fields.insert(name.to_owned(), value.as_deref().map_or(Value::Null, text));
    }
    let revision = u64::try_from(account.updated.0).unwrap_or_default();
    let (id, kind) = (account.id.0.clone(), "account".to_owned());
    Entity {
        id,
        kind,
        revision,
        state: String::new(),
        fields,
    }
}

pub(super) fn contact_entity(contact: &Contact) -> Entity {
    let mut fields = Fields::new();
    fields.insert("account".to_owned(), text(contact.account.as_str()));
    fields.insert(
        "addresses".to_owned(),
        Value::Texts(contact.addresses.clone()),
    );
    fields.insert(
        "do_not_contact".to_owned(),
        Value::Flag(contact.do_not_contact),
    );
    let left = contact.status == liaison_core::account::ContactStatus::Left;
    fields.insert(
        "status".to_owned(),
        text(if left { "left" } else { "active" }),
    );
    for (name, value) in [("name", &contact.name), ("role", &contact.role)] {
        fields.insert(name.to_owned(), value.as_deref().map_or(Value::Null, text));
    }
    let revision = u64::try_from(contact.updated.0).unwrap_or_default();
    let (id, kind) = (contact.id.0.clone(), "contact".to_owned());
    Entity {
        id,
        kind,
        revision,
        state: String::new(),
        fields,
    }
}

fn case_entity(case: &CaseRecord) -> Entity {
    let mut fields = case.fields.clone();
    fields.insert("title".to_owned(), text(&case.title));
    fields.insert("created".to_owned(), Value::At(case.created));
    Entity {
        id: case.id.0.clone(),
        kind: case.kind.clone(),
        revision: case.revision,
        state: case.state.clone(),
        fields,
    }
}

pub(super) fn plain(person: &Person) -> PlainAddress {
    PlainAddress {
        name: person.name.clone(),
        email: person.email.clone(),
    }
}

fn named(address: &NamedAddress) -> PlainAddress {
    PlainAddress {
        name: address.name.clone(),
        email: address.address.key(),
    }
}

/// How many bytes of a message are kept and what is to be seen of it: as it was just read, else
/// read again.
async fn seen_of(
    books: &Books,
    record: &MessageRecord,
) -> Result<(u64, Option<Arc<MessageView>>), BooksError> {
    if let Some(view) = books.recent.take(&record.content) {
        return Ok((record.size, Some(view)));
    }
    // Damaged bytes are that message's trouble: what is recorded of it is still told.
    let bytes = match books.bytes(&record.content).await {
        Err(BooksError::Content(error)) => {
            tracing::warn!(message = %record.key, %error, "content cannot be read");
            None
        }
        other => other?,
    };
    let Some(bytes) = bytes else {
        return Ok((0, None));
    };
    let held = bytes.len() as u64;
    let view = reader::read(bytes).await.ok().map(Arc::new);
    Ok((held, view))
}

/// A message with its text.
pub(super) async fn plugin_message(
    books: &Books,
    record: &MessageRecord,
) -> Result<PluginMessage, BooksError> {
    let (held, view) = seen_of(books, record).await?;
    let nobody = PlainAddress {
        name: None,
        email: String::new(),
    };
    let mut message = PluginMessage {
        id: record.key.clone(),
        thread: record.thread.clone(),
        mailbox: record.mailbox.0.clone(),
        outbound: record.outbound,
        date: record.date,
        subject: record.subject.clone(),
        sender: record.from.as_ref().map_or(nobody, plain),
        to: record.to.iter().map(plain).collect(),
        cc: record.cc.iter().map(plain).collect(),
        reply_to: record.reply_to.iter().map(plain).collect(),
        headers: Vec::new(),
        text: String::new(),
        signature: String::new(),
        // Of a message too large to be fetched only the header is kept, and of a lost one nothing.
        truncated: view.is_none() || held < record.size,
        attachments: Vec::new(),
        tags: record.tags.clone(),
        class: record.class.clone(),
        out_of_office: record
            .out_of_office
            .map(|(returns, left)| PluginOutOfOffice { returns, left }),
    };
    if let Some(view) = view {
        message.to = view.to.iter().map(named).collect();
        message.cc = view.cc.iter().map(named).collect();
        message.text = view.body.reply.clone();
        message.signature = view.body.signature.clone();
        message.truncated |= view.truncated;
        message.headers.clone_from(&view.headers);
        message.attachments = view
            .attachments
            .iter()
            .enumerate()
            .map(|(index, attachment)| PluginAttachment {
                id: format!("{}/{index}", record.key),
                filename: attachment.filename.clone(),
                media_type: attachment.media_type.clone(),
                size: attachment.size as u64,
            })
            .collect();
    }
    Ok(message)
}

fn calendar_event(
    calendar: &str,
    object: &CalendarObject,
    instance: &Instance,
) -> PluginCalendarEvent {
    let event = object.events.get(instance.event);
    let plain = |email: &str, name: Option<&str>| PlainAddress {
        name: name.map(str::to_owned),
        email: email.to_owned(),
    };
    PluginCalendarEvent {
        calendar: calendar.to_owned(),
        uid: instance.uid.clone(),
        sequence: event.map_or(0, |event| u32::try_from(event.sequence).unwrap_or(0)),
        summary: instance.summary.clone().unwrap_or_default(),
        when: Window {
            start: instance.start,
            end: instance.end,
        },
        all_day: instance.all_day,
        status: instance.status.as_str().to_owned(),
        location: event.and_then(|event| event.location.clone()),
        organizer: event
            .and_then(|event| event.organizer.as_ref())
            .map(|organizer| plain(&organizer.address, organizer.name.as_deref())),
        attendees: event.map_or_else(Vec::new, |event| {
            event
                .attendees
                .iter()
                .map(|who| {
                    let partstat = calendar::answer_of(who.partstat).to_owned();
                    (
                        plain(&who.address, who.name.as_deref()),
                        partstat,
                        who.optional(),
                    )
                })
                .collect()
        }),
        ours: event.is_some_and(|event| event.x_property("X-LIAISON-KIND").is_some()),
    }
}
