//! Whose: what among the records belongs to a person.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;

use liaison_core::account::Contact;
use liaison_core::account::matching::FreeMail;
use liaison_core::crm::{CrmRecord, Kind};
use liaison_core::effect::{Cause, HoldEffect, MailEffect};
use liaison_core::happening::Subject;
use liaison_core::mail::{Address, standing_names};
use liaison_core::mailbox::MailboxEffect;
use liaison_core::meeting::Meeting;
use liaison_core::message::MessageRecord;
use liaison_core::reach::ReportRecord;
use liaison_core::records::{CaseRecord, TaskRecord, TimerRecord};
use liaison_core::time::Timestamp;

use super::Person;
use crate::books::rows::{EventBody, EventRow};
use crate::books::{Books, BooksError, keys};
use crate::store::content::ContentHash;
use crate::store::{Dir, Key, Ns, Range};

/// Everything that belongs to a person, by ids.
#[derive(Debug, Clone)]
pub struct Traces {
    /// Who.
    pub person: Person,
    /// When it was looked for.
    pub now: Timestamp,
    /// Ids of contacts, messages, effects, cases, tasks and timers that are theirs.
    pub ids: HashSet<String>,
    /// Message-IDs of their messages.
    pub message_ids: HashSet<String>,
    /// Threads in which nobody else wrote or was written to.
    pub threads: HashSet<String>,
    /// Delivery reports about mail to them: machines wrote these, about nobody else.
    pub reports: HashSet<String>,
    /// Places in the log of events about them.
    pub events: BTreeSet<u64>,
    /// Rows that say what they are to a thread.
    pub parties: HashSet<Key>,
    /// Content of their messages and mails.
    pub contents: HashSet<ContentHash>,
    /// How many rows of each family were looked at.
    pub looked_at: BTreeMap<&'static str, u64>,
}

impl Traces {
    /// Reads what belongs to whoever has one of these addresses; contacts with one of them bring
    /// all of theirs.
    ///
    /// # Errors
    /// As the store.
    pub async fn of(books: &Books, person: Person, now: Timestamp) -> Result<Traces, BooksError> {
        let mut traces = Traces {
            person,
            now,
            ids: HashSet::new(),
            message_ids: HashSet::new(),
            threads: HashSet::new(),
            reports: HashSet::new(),
            events: BTreeSet::new(),
            parties: HashSet::new(),
            contents: HashSet::new(),
            looked_at: BTreeMap::new(),
        };
        traces.contacts(books).await?;
        traces.records(books).await?;
        traces.reports(books).await?;
        traces.messages(books).await?;
        traces.later(books).await?;
        Ok(traces)
    }

    /// Contacts with one of the addresses that were asked for, those that took their place, and
    /// those whose place they took: one person, under however many ids. Their addresses are the
    /// person's, but for those that somebody else has, too: colleagues may share a mailbox.
    async fn contacts(&mut self, books: &Books) -> Result<(), BooksError> {
        let asked = self.person.clone();
        let (mut seen, mut theirs) = (HashSet::new(), Vec::new());
        loop {
            let mut found = Vec::new();
            let ids = &self.ids;
            let each = |contact: Contact| {
                let into = contact.details.merged_into.as_ref();
                let is_theirs = contact.addresses.iter().any(|email| asked.has(email))
                    || ids.contains(contact.id.as_str())
                    || into.is_some_and(|into| ids.contains(into));
                if is_theirs && !seen.contains(contact.id.as_str()) {
                    found.push(contact);
                }
            };
            books.each(Range::all(Ns::Contact), each).await?;
            if found.is_empty() {
                break;
            }
            for contact in found {
                theirs.extend(contact.addresses);
                self.ids.extend(contact.details.merged_into);
                self.ids.insert(contact.id.0.clone());
                seen.insert(contact.id.0);
            }
        }
        let mut others = Vec::new();
        let all = Person::with(theirs.iter().cloned());
        let each = |contact: Contact| {
            if !seen.contains(contact.id.as_str()) {
                let shared = contact.addresses.into_iter();
                others.extend(shared.filter(|email| all.has(email)));
            }
        };
        books.each(Range::all(Ns::Contact), each).await?;
        let others = Person::with(others);
        for email in theirs.iter().filter(|email| !others.has(email)) {
            self.person.add(email);
        }
        Ok(())
    }

    /// Core records that are about one contact and nothing else.
    async fn records(&mut self, books: &Books) -> Result<(), BooksError> {
        let mut found = Vec::new();
        let ids = &self.ids;
        let each = |record: CrmRecord| {
            let about = matches!(record.kind, Kind::Exposure | Kind::Reference);
            if about && record.text("contact").is_some_and(|id| ids.contains(id)) {
                found.push(record.id);
            }
        };
        books.each(Range::all(Ns::Record), each).await?;
        self.ids.extend(found);
        Ok(())
    }

    /// Whether a message is from the person, or of ours to nobody else outside.
    fn is_theirs(&self, message: &MessageRecord) -> bool {
        let from = message.from.as_ref().map(|from| from.email.as_str());
        if !message.outbound {
            let contact = message.contact.as_ref();
            return self.reports.contains(message.key.as_str())
                || from.is_some_and(|from| self.person.has(from))
                || contact.is_some_and(|contact| self.ids.contains(contact.as_str()));
        }
        let domain = |email: &str| email.rsplit_once('@').map(|(_, domain)| domain.to_owned());
        let house = from.and_then(domain);
        let mut others = message.to.iter().chain(&message.cc);
        let (theirs, rest): (Vec<_>, Vec<_>) =
            others.by_ref().partition(|one| self.person.has(&one.email));
        // A colleague of the sender who had a copy is no third party.
        !theirs.is_empty() && rest.iter().all(|one| domain(&one.email) == house)
    }

    async fn reports(&mut self, books: &Books) -> Result<(), BooksError> {
        let (mut found, person) = (HashSet::new(), &self.person);
        let each = |report: ReportRecord| {
            let mut told = report
                .copies
                .iter()
                .filter_map(|copy| copy.recipient.as_ref());
            if told.any(|email| person.has(email)) {
                found.insert(report.report.0);
            }
        };
        books.each(Range::all(Ns::Report), each).await?;
        self.reports = found;
        Ok(())
    }

    async fn messages(&mut self, books: &Books) -> Result<(), BooksError> {
        let mut theirs = Vec::new();
        let mut touched = BTreeSet::new();
        let this = &*self;
        let each = |message: MessageRecord| {
            let is_theirs = this.is_theirs(&message);
            let named = message.participants().any(|email| this.person.has(email));
            if is_theirs || named {
                touched.insert(message.thread.clone());
            }
            if is_theirs {
                theirs.push((message.key, message.message_id, message.content));
            }
        };
        books.each(Range::all(Ns::Message), each).await?;
        for (key, message_id, content) in theirs {
            self.ids.insert(key.0);
            self.message_ids.extend(message_id);
            self.contents.extend(content.parse::<ContentHash>().ok());
        }
        for thread in touched {
            let members = books.every_key(keys::thread_members(&thread)).await?;
            let mut members = members.iter().filter_map(|key| keys::member_message(key));
            if members.all(|message| self.ids.contains(message.as_str())) {
                self.threads.insert(thread.0.clone());
            }
            for email in self.person.addresses() {
                if let Ok(address) = Address::parse(email) {
                    let (own, _) = standing_names(&address, &FreeMail::default());
                    self.parties.insert(keys::thread_party(&thread, &own));
                }
            }
        }
        Ok(())
    }

    /// Whether something is about the person.
    pub(super) fn is_about(&self, subject: &Subject) -> bool {
        let known = |id: Option<&str>| id.is_some_and(|id| self.ids.contains(id));
        let thread = subject.thread.as_ref();
        known(subject.contact.as_ref().map(|id| id.as_str()))
            || known(subject.message.as_ref().map(|id| id.as_str()))
            || thread.is_some_and(|thread| self.threads.contains(thread.as_str()))
            || subject
                .counterpart
                .as_ref()
                .is_some_and(|email| self.person.has(email))
    }

    fn is_because(&self, cause: &Cause) -> bool {
        self.is_about(&cause.subject) || self.events.contains(&cause.event_seq)
    }

    /// What came of the messages: events first, for effects name their event.
    async fn later(&mut self, books: &Books) -> Result<(), BooksError> {
        let mut events = BTreeSet::new();
        let this = &*self;
        let each = |event: EventRow| {
            let about = match &event.body {
                EventBody::Message(key) => this.ids.contains(key.as_str()),
                EventBody::Timer { subject, .. } | EventBody::Settled { subject, .. } => {
                    this.is_about(subject)
                }
                EventBody::Meeting { news, subject, .. } => {
                    let by = news.who.as_ref();
                    this.is_about(subject) || by.is_some_and(|who| this.person.has(&who.email))
                }
            };
            if about {
                events.insert(event.seq);
            }
        };
        books.each(Range::all(Ns::Event), each).await?;
        self.events = events;
        let (mut ids, mut contents) = (Vec::new(), Vec::new());
        let this = &*self;
        let each = |mail: MailEffect| {
            if this.person.has(&mail.recipient) || this.is_because(&mail.cause) {
                contents.extend(mail.content.parse::<ContentHash>().ok());
                ids.push(mail.id.0);
            }
        };
        books.each(Range::all(Ns::Effect), each).await?;
        let each = |meeting: Meeting| {
            let subject = Subject {
                message: meeting.message.clone(),
                thread: meeting.thread.clone(),
                contact: meeting.contact.clone(),
                ..Subject::default()
            };
            if this.is_about(&subject) || meeting.addresses().any(|one| this.person.has(one)) {
                ids.push(meeting.id);
            }
        };
        books.each(Range::all(Ns::Meeting), each).await?;
        let each = |hold: HoldEffect| {
            if this.is_because(&hold.cause) {
                ids.push(hold.id.0);
            }
        };
        books.each(Range::all(Ns::Hold), each).await?;
        let each = |effect: MailboxEffect| {
            if this.ids.contains(effect.message.as_str()) || this.is_because(&effect.cause) {
                ids.push(effect.id.0);
            }
        };
        books.each(Range::all(Ns::MailboxEffect), each).await?;
        let each = |case: CaseRecord| {
            if this.is_about(&case.subject) {
                ids.push(case.id.0);
            }
        };
        books.each(Range::all(Ns::CaseRecord), each).await?;
        let each = |task: TaskRecord| {
            let named = task.contact.as_ref();
            if this.is_because(&task.cause)
                || named.is_some_and(|id| this.ids.contains(id.as_str()))
            {
                ids.push(task.id.0);
            }
        };
        books.each(Range::all(Ns::Task), each).await?;
        let each = |timer: TimerRecord| {
            if this.is_about(&timer.subject) {
                ids.push(timer.id.0);
            }
        };
        books.each(Range::all(Ns::Timer), each).await?;
        self.ids.extend(ids);
        self.contents.extend(contents);
        Ok(())
    }

    /// Goes through a family and hands out each row that names the person or is theirs, with what
    /// is to become of it.
    ///
    /// # Errors
    /// As the store.
    pub(super) async fn each(
        &mut self,
        books: &Books,
        ns: Ns,
        mut found: impl FnMut(super::fate::Trace) + Send,
    ) -> Result<(), BooksError> {
        let mut count = 0_u64;
        let this = &*self;
        books
            .each_row(Range::all(ns), Dir::Forward, |key, row| {
                count = count.saturating_add(1);
                let key = Key::new(ns, key);
                if let Some(trace) = this.trace(key, &row.value)? {
                    found(trace);
                }
                Ok(ControlFlow::Continue(()))
            })
            .await?;
        self.looked_at.insert(ns.name(), count);
        Ok(())
    }
}

/// The families in the order in which they are erased: what a later look finds only by way of
/// others goes before those.
pub(super) const ORDER: &[Ns] = &[
    Ns::Timeline,
    Ns::Touch,
    Ns::Audit,
    Ns::Ledger,
    Ns::PluginKv,
    Ns::Wait,
    Ns::Parked,
    Ns::Proposal,
    Ns::Outcome,
    Ns::ThreadParty,
    Ns::TimerDue,
    Ns::Timer,
    Ns::Task,
    Ns::CaseByKind,
    Ns::CaseBy,
    Ns::CaseRecord,
    Ns::CaseIndex,
    Ns::EffectDue,
    Ns::EffectByMessage,
    Ns::HoldByGroup,
    Ns::Hold,
    Ns::HoldGroup,
    Ns::MeetingDue,
    Ns::Meeting,
    Ns::MailboxEffect,
    Ns::Reach,
    Ns::Returned,
    Ns::Effect,
    Ns::Event,
    Ns::EventSeen,
    Ns::Change,
    Ns::Merge,
    Ns::RecordBy,
    Ns::Record,
    Ns::Delivery,
    Ns::Locator,
    Ns::Cursor,
    Ns::Unread,
    Ns::Setting,
    Ns::PluginState,
    Ns::AccountExt,
    Ns::ByDomain,
    Ns::Skeleton,
    Ns::Account,
    Ns::AccountContact,
    Ns::ThreadMember,
    Ns::ThreadHint,
    Ns::Thread,
    Ns::Msgid,
    Ns::Message,
    Ns::Report,
    Ns::Review,
    Ns::MatchRule,
    Ns::OptOut,
    Ns::ByAddr,
    Ns::Contact,
];
