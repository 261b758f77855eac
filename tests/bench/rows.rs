//! Rows as ingest writes them, of messages that are known from their number.

use liaison::books::keys;
use liaison::books::rows::{CounterRow, DeliveryRow, EventBody, EventRow, OutcomeRow, TimelineRow};
use liaison::source::{FolderRef, FolderRole};
use liaison::store::codec::{self, Record};
use liaison::store::{Batch, Expect, Key};
use liaison_core::ids::{AccountId, MailboxId, MessageKey, ThreadId, derive};
use liaison_core::message::{MessageRecord, Person, ThreadRecord};
use liaison_core::time::Timestamp;

/// Messages of one conversation.
const PER_THREAD: u64 = 3;
/// Customers.
const ACCOUNTS: u64 = 5_000;
/// The first message: 2023-11-14.
const BEGIN_MS: i64 = 1_700_000_000_000;

fn id(what: &str, number: u64) -> String {
    derive("liaison bench", &[what.as_bytes(), &number.to_be_bytes()])
}

fn at(number: u64) -> Timestamp {
    Timestamp(BEGIN_MS + i64::try_from(number).unwrap_or(i64::MAX) * 37_000)
}

fn value<T: Record>(record: &T) -> Vec<u8> {
    codec::encode(record).expect("a record can be encoded")
}

fn folder() -> FolderRef {
    FolderRef {
        mailbox: MailboxId::from("sales"),
        folder: "INBOX".to_owned(),
        role: FolderRole::Inbox,
    }
}

/// One mail of a customer to us.
pub fn message(number: u64) -> MessageRecord {
    let thread = number / PER_THREAD;
    let sender = thread % ACCOUNTS;
    let person = |name: &str, email: String| Person {
        name: Some(name.to_owned()),
        email,
    };
    let message_id = |number: u64| format!("{}@mail.customer{sender}.example", id("mail", number));
    let ancestors = thread * PER_THREAD..number;
    MessageRecord {
        key: MessageKey(id("message", number)),
        message_id: Some(message_id(number)),
        thread: ThreadId(id("thread", thread)),
        mailbox: MailboxId::from("sales"),
        outbound: false,
        historical: true,
        date: at(number),
        received: at(number),
        subject: format!("Re: Offer {thread} for the warehouse system, second floor"),
        from: Some(person(
            "Nora North",
            format!("nora.north@customer{sender}.example"),
        )),
        from_count: 1,
        reply_to: Vec::new(),
        to: vec![person("Alice Ames", "alice@example.test".to_owned())],
        cc: vec![person(
            "Carl Cole",
            format!("carl.cole@customer{sender}.example"),
        )],
        references: ancestors.map(message_id).collect(),
        class: "human".to_owned(),
        class_evidence: Vec::new(),
        no_automatic_answer: false,
        authenticity: "pass".to_owned(),
        out_of_office: None,
        effect: None,
        plugin: None,
        account: Some(AccountId(id("account", sender))),
        contact: None,
        content: format!("{}{}", id("content", number), id("content too", number)),
        size: 14_200,
        attachments: 0,
        tags: Vec::new(),
        problems: Vec::new(),
        threading: Default::default(),
    }
}

/// What ingest writes of one message: itself, its copy, place, Message-ID, conversation, timeline,
/// event and outcome.
pub fn of_message(number: u64) -> Vec<(Key, Vec<u8>)> {
    let record = message(number);
    let locator = number.to_string();
    let account = record.account.clone().expect("each has one");
    let copy = DeliveryRow {
        mailbox: record.mailbox.clone(),
        folder: "INBOX".to_owned(),
        role: FolderRole::Inbox,
        locator: locator.clone(),
        seen: at(number),
        copy: false,
    };
    let thread = ThreadRecord {
        id: record.thread.clone(),
        subject: record.subject.clone(),
        account: Some((
            account.clone(),
            record.message_id.clone().unwrap_or_default(),
        )),
        messages: u32::try_from(number % PER_THREAD).unwrap_or(0) + 1,
        last_human_inbound: Some(at(number)),
        last_human_outbound: None,
        automatic_since_human: 0,
        last: at(number),
        closed: None,
    };
    let line = TimelineRow {
        at: at(number),
        kind: "mail-in".to_owned(),
        text: format!("nora.north@customer.example: {}", record.subject),
        id: record.key.0.clone(),
    };
    let event = EventRow {
        seq: number,
        key: record.key.0.clone(),
        at: at(number),
        body: EventBody::Message(record.key.clone()),
    };
    let outcome = OutcomeRow {
        event_key: record.key.0.clone(),
        seq: Some(number),
        message: Some(record.key.clone()),
        matched: None,
        summary: "nothing done: no plugin proposed anything".to_owned(),
        closed: Some(at(number)),
    };
    let message_id = record.message_id.clone().unwrap_or_default();
    let mailbox = &record.mailbox;
    vec![
        (keys::message(&record.key), value(&record)),
        (keys::msgid(&message_id, &record.key), Vec::new()),
        (keys::delivery(&record.key, mailbox), value(&copy)),
        (
            keys::locator(&folder(), &locator),
            record.key.0.clone().into_bytes(),
        ),
        (keys::outcome(&record.key.0), value(&outcome)),
        (keys::thread(&record.thread), value(&thread)),
        (
            keys::thread_member(&record.thread, at(number), &record.key),
            Vec::new(),
        ),
        (
            keys::timeline(&account, at(number), record.key.as_str()),
            value(&line),
        ),
        (
            keys::event_seen(&record.key.0),
            number.to_be_bytes().to_vec(),
        ),
        (keys::event(&number), value(&event)),
    ]
}

/// A transaction: a message that must not be there yet, with what belongs to it, and the counter
/// of whoever writes; 6 rows in 5 families.
pub fn transaction(number: u64, writer: u64) -> Batch {
    let mut batch = Batch::new();
    for (key, value) in of_message(number).into_iter().take(5) {
        batch.put(key, value);
    }
    let message = keys::message(&message(number).key);
    batch.expect(message, Expect::Absent);
    let counter = CounterRow { next: number };
    let name = format!("bench-{writer}");
    batch.put(keys::outcome(&name), value(&counter));
    batch
}
