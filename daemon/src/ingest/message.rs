//! From a message's view to what is remembered of it.

use liaison_core::account::matching::sender::Senders;
use liaison_core::account::matching::{FreeMail, Match, Sender, ThreadAffinity};
use liaison_core::ids::{AccountId, MessageKey, ThreadId, derive};
use liaison_core::mail::address::{Address, NamedAddress};
use liaison_core::mail::{MessageView, Standing, ThreadEvidence, judged};
use liaison_core::message::{
    ADDRESSES_MAX, MESSAGE_ID_BYTES_MAX, MessageRecord, Person, SUBJECT_CHARS_MAX, ThreadRecord,
    Threading, cut, cut_bytes, cut_references, cut_text,
};
use liaison_core::outbox::MailState;
use liaison_core::time::{DAY_MS, Timestamp};

use super::senders::Inbound;
use super::{Prepared, Taking};
use crate::accounts::whose::{Asked, Whose, senders_of};
use crate::books::BooksError;
use crate::privacy::remains;
use crate::source::{Batch, BatchMode, Content, FolderRole};
use crate::store::{VALUE_BYTES_MAX, codec};

/// Longest evidence of a thread that is kept.
const EVIDENCE_BYTES_MAX: usize = 120;

/// Most problems and evidence lines kept of a message, and the longest in characters.
const LINES_MAX: (usize, usize) = (5, 160);

impl Taking<'_> {
    /// What is remembered of a message; `historical` and `effect` are the caller's to set.
    pub(super) async fn describe(
        &self,
        item: &Prepared,
    ) -> Result<(MessageRecord, Option<Whose>), BooksError> {
        let (batch, office) = (self.batch, &self.ingest.office);
        let view = match &item.view {
            Ok(view) => view,
            Err(reason) => return Ok((unreadable(batch, item, reason), None)),
        };
        let found = self.thread_of(item, view).await?;
        let whose = self
            .matched(item, view, (&found.thread, found.evidence.as_ref()))
            .await?;
        let mut record = record(batch, item, view, found.thread);
        let by = found.evidence.as_ref().map(ThreadEvidence::parts);
        record.threading = Threading {
            by: by.map(|(by, what)| (by.to_owned(), cut_bytes(what, EVIDENCE_BYTES_MAX))),
            index: view.thread_index.clone(),
            perhaps: found.perhaps,
        };
        let stays = |person: &Person| !item.erased.people.contains(&person.email);
        for people in [&mut record.to, &mut record.cc, &mut record.reply_to] {
            people.retain(stays);
        }
        let told = judged(view, &office.authserv_ids, item.dkim.as_ref());
        record.authenticity = told.verdict.as_str().to_owned();
        record.out_of_office = view.class.out_of_office.as_ref().map(|ooo| {
            let returns = ooo.returns_on.as_deref().and_then(|date| date.parse().ok());
            let business = &office.firm.business;
            (
                returns.map(|date| business.start_of(date)),
                ooo.left_company,
            )
        });
        record.no_automatic_answer = view.class.no_automatic_answer;
        record.account.clone_from(&whose.matched.account);
        record.contact.clone_from(&whose.matched.contact);
        Ok((fitted(record), Some(whose)))
    }

    /// What is remembered of a message from or to a person whose data was erased, and its
    /// Message-ID, of which only a hash is kept.
    pub(super) fn describe_erased(
        &self,
        item: &Prepared,
        view: &MessageView,
    ) -> (MessageRecord, Option<String>) {
        let thread = ThreadId(view.key().0);
        let mut message = record(self.batch, item, view, thread);
        message.historical = self.batch.mode == BatchMode::History;
        (remains(message), view.message_id.clone())
    }

    /// Whom the message is about: the sender, or the first outside recipient of mail of ours.
    async fn matched(
        &self,
        item: &Prepared,
        view: &MessageView,
        (thread, evidence): (&ThreadId, Option<&ThreadEvidence>),
    ) -> Result<Whose, BooksError> {
        let outbound = self.batch.folder.role == FolderRole::Sent;
        let named = if outbound {
            let recipients = view.to.iter().chain(&view.cc).chain(&view.bcc);
            let erased = &item.erased.people;
            let recipients = recipients.filter(|to| !erased.contains(&to.address.key()));
            let mut outside = recipients.filter(|to| !self.ingest.office.owns(&to.address));
            outside.next().or(view.to.first())
        } else {
            view.from.first()
        };
        let address = named.map(|named| &named.address);
        let office = &self.ingest.office;
        let mut thread_says = None;
        if evidence.is_some() {
            let by_person = outbound && !self.is_automatic_of_ours(view).await?;
            let free_mail = &office.free_mail;
            thread_says = match address {
                Some(address) if !by_person => {
                    self.books.affinity(thread, address, free_mail).await?
                }
                _ => self.books.affinity_of_ours(thread).await?,
            };
        }
        let senders = match (outbound, address) {
            (false, _) => senders_of(view, office),
            (true, Some(to)) => Senders::one(Sender::of(to.clone(), office.owns(to))),
            (true, None) => Senders::one(Sender::nobody()),
        };
        let event = match outbound {
            true => None,
            false => self.books.event_of_ours(view).await?,
        };
        let asked = Asked {
            senders: &senders,
            thread: thread_says.clone(),
            event,
            free_mail: &office.free_mail,
        };
        let whose = self.books.whose(asked).await?;
        if outbound {
            return Ok(whose);
        }
        let inbound = Inbound {
            office,
            view,
            thread: thread_says,
            dkim: item.dkim.as_ref(),
        };
        self.books.warned(whose, inbound).await
    }
}

impl Taking<'_> {
    /// Whether mail of ours went out by itself: to whom it went proves nothing then.
    async fn is_automatic_of_ours(&self, view: &MessageView) -> Result<bool, BooksError> {
        let Some(id) = &view.message_id else {
            return Ok(false);
        };
        let Some(effect) = self.books.mail_by_message_id(id).await? else {
            return Ok(false);
        };
        let mail = self.books.mail(&effect).await?;
        Ok(mail.is_some_and(|mail| mail.state != MailState::Drafted))
    }
}

impl crate::books::Books {
    /// What a thread says of whoever writes from an address; `None` when it is not known.
    ///
    /// # Errors
    /// As the store.
    pub async fn affinity(
        &self,
        thread: &ThreadId,
        address: &Address,
        free_mail: &FreeMail,
    ) -> Result<Option<ThreadAffinity>, BooksError> {
        let standing = self.standing(thread, &address.key(), free_mail).await?;
        let affinity = self.affinity_of_ours(thread).await?;
        Ok(affinity.map(|affinity| ThreadAffinity {
            standing,
            ..affinity
        }))
    }

    /// What a thread says of mail that one of us wrote into it.
    pub(crate) async fn affinity_of_ours(
        &self,
        thread: &ThreadId,
    ) -> Result<Option<ThreadAffinity>, BooksError> {
        let Some(record) = self.thread(thread).await? else {
            return Ok(None);
        };
        let text = match &record.account {
            Some((_, why)) => format!("the thread belongs to the account ({why})"),
            None => format!("\"{}\"", record.subject),
        };
        Ok(Some(ThreadAffinity {
            account: record.account.map(|(account, _)| account),
            text,
            standing: Standing::Party,
        }))
    }
}

fn record(batch: &Batch, item: &Prepared, view: &MessageView, thread: ThreadId) -> MessageRecord {
    let received = item.arrived.received_at;
    let mut references = view.references.clone();
    references.extend(
        view.in_reply_to
            .iter()
            .filter(|id| !view.references.contains(id))
            .cloned(),
    );
    let (lines, chars) = LINES_MAX;
    let size = match &item.arrived.content {
        Content::Message(bytes) => bytes.len() as u64,
        Content::HeaderOnly { size, .. } => *size,
        Content::NotNow { .. } | Content::Vanished | Content::Unfetchable { .. } => 0,
    };
    let mut problems: Vec<String> = view
        .problems
        .iter()
        .take(lines)
        .map(|p| cut_text(&p.detail, chars))
        .collect();
    if matches!(item.arrived.content, Content::HeaderOnly { .. }) {
        problems.push(format!("{size} bytes: only the header was fetched"));
    }
    MessageRecord {
        key: view.key(),
        message_id: view
            .message_id
            .clone()
            .filter(|id| id.len() <= MESSAGE_ID_BYTES_MAX),
        thread,
        mailbox: batch.folder.mailbox.clone(),
        outbound: batch.folder.role == FolderRole::Sent,
        historical: false,
        date: view.date.unwrap_or(received),
        received,
        subject: cut_text(&view.subject, SUBJECT_CHARS_MAX),
        from: view.from.first().map(person),
        from_count: u32::try_from(view.from.len().max(view.from_field_count)).unwrap_or(u32::MAX),
        reply_to: people(&view.reply_to),
        to: people(&view.to),
        cc: people(&view.cc),
        references: cut_references(&references),
        class: view.class.class.as_str().to_owned(),
        class_evidence: view
            .class
            .evidence
            .iter()
            .take(lines)
            .map(|line| cut_text(line, chars))
            .collect(),
        no_automatic_answer: false,
        authenticity: "unknown".to_owned(),
        out_of_office: None,
        effect: None,
        plugin: None,
        account: None,
        contact: None,
        content: item.content.clone(),
        size,
        attachments: u32::try_from(view.attachments.len()).unwrap_or(u32::MAX),
        tags: Vec::new(),
        problems,
        threading: Threading::default(),
    }
}

/// Cuts lists further until the record fits the store: a message with many long addresses and
/// references must not stop its mailbox.
fn fitted(mut record: MessageRecord) -> MessageRecord {
    for (references, addresses) in [(6, 6), (4, 3), (2, 1), (1, 1)] {
        let bytes = codec::encode(&record).map_or(usize::MAX, |bytes| bytes.len());
        if bytes <= RECORD_BYTES_MAX {
            break;
        }
        let keep_last = record.references.len().saturating_sub(references);
        record.references.drain(..keep_last);
        for list in [&mut record.to, &mut record.cc, &mut record.reply_to] {
            list.truncate(addresses);
        }
        record.problems.truncate(1);
    }
    record
}

/// Below the store's bound, with room for tags and the link to an effect.
const RECORD_BYTES_MAX: usize = VALUE_BYTES_MAX - 1_024;

/// Longest address kept; longer ones cannot be written to anyway (RFC 5321 section 4.5.3.1).
const EMAIL_BYTES_MAX: usize = 320;

fn person(named: &NamedAddress) -> Person {
    Person {
        name: named.name.as_deref().map(|n| cut_text(n, 60)),
        email: named.address.key(),
    }
}

fn people(named: &[NamedAddress]) -> Vec<Person> {
    let people: Vec<Person> = named.iter().take(ADDRESSES_MAX).map(person).collect();
    cut(
        people
            .into_iter()
            .filter(|p| p.email.len() <= EMAIL_BYTES_MAX)
            .collect(),
        ADDRESSES_MAX,
    )
}

/// A message that could not be had: known by its place, so that it has its one outcome.
fn unreadable(batch: &Batch, item: &Prepared, reason: &str) -> MessageRecord {
    let place = [
        batch.folder.mailbox.as_str().as_bytes(),
        batch.folder.folder.as_bytes(),
        item.arrived.locator.as_bytes(),
    ];
    let key = MessageKey(derive("liaison unreadable message 1", &place));
    MessageRecord {
        thread: ThreadId(key.0.clone()),
        key,
        message_id: None,
        mailbox: batch.folder.mailbox.clone(),
        outbound: batch.folder.role == FolderRole::Sent,
        historical: false,
        date: item.arrived.received_at,
        received: item.arrived.received_at,
        subject: String::new(),
        from: None,
        from_count: 0,
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        references: Vec::new(),
        class: "human".to_owned(),
        class_evidence: Vec::new(),
        no_automatic_answer: false,
        authenticity: "unknown".to_owned(),
        out_of_office: None,
        effect: None,
        plugin: None,
        account: None,
        contact: None,
        content: item.content.clone(),
        size: 0,
        attachments: 0,
        tags: Vec::new(),
        problems: vec![cut_text(reason, LINES_MAX.1)],
        threading: Threading::default(),
    }
}

/// The thread after `message` joined it.
///
/// Whoever only knows a Message-ID (`standing`) may write into it, and that is all: it is no answer,
/// it does not begin the count of automatic mails anew, and it gives the thread no account.
pub(super) fn joined(
    thread: Option<ThreadRecord>,
    message: &MessageRecord,
    (by_person_of_ours, from_us): (bool, bool),
    (matched, standing): (Option<&Match>, Standing),
) -> ThreadRecord {
    let mut thread = thread.unwrap_or_else(|| ThreadRecord {
        id: message.thread.clone(),
        subject: message.subject.clone(),
        account: None,
        messages: 0,
        last_human_inbound: None,
        last_human_outbound: None,
        automatic_since_human: 0,
        last: message.received,
        closed: None,
    });
    thread.messages = thread.messages.saturating_add(1);
    thread.last = thread.last.max(message.received);
    let later = |old: Option<Timestamp>| old.max(Some(message.received));
    if message.outbound && by_person_of_ours {
        thread.last_human_outbound = later(thread.last_human_outbound);
        thread.automatic_since_human = 0;
    } else if !message.outbound
        && message.is_human()
        && message.from.is_some()
        && !from_us
        && standing.may_answer()
    {
        thread.last_human_inbound = later(thread.last_human_inbound);
        thread.automatic_since_human = 0;
        // They go on with it; what they wrote before it was closed is not news.
        let before = |closed: &liaison_core::message::ThreadClosed| {
            message.historical || message.received < closed.at
        };
        thread.closed = thread.closed.filter(before);
    }
    if thread.account.is_none()
        && standing.may_answer()
        && let Some(account) = firm_account(matched)
    {
        let by = message
            .message_id
            .clone()
            .unwrap_or_else(|| message.key.0.clone());
        thread.account = Some((account.clone(), by));
    }
    thread
}

/// The account, where it is more than a candidate: only such a one says whose a thread is.
pub(super) fn firm_account(matched: Option<&Match>) -> Option<&AccountId> {
    let firm = matched.filter(|matched| matched.is_firm())?;
    firm.account.as_ref()
}

/// Whether a message found after a UIDVALIDITY change is new rather than old mail renumbered.
///
/// INTERNALDATE alone lies after migrations, Date alone lies when the sender's clock does: both
/// must be newer than the last good look, with a margin for clocks.
pub(super) fn is_new_after_rebind(
    (received, date): (Timestamp, Timestamp),
    last_look: Option<Timestamp>,
) -> bool {
    let Some(last_look) = last_look else {
        return false;
    };
    let margin = last_look.minus_millis(REBIND_MARGIN_MS);
    received > margin && date > margin
}

const REBIND_MARGIN_MS: i64 = 2 * DAY_MS;
