//! What follows when somebody asks not to get further mail: the mark that the gates honour, the
//! contact's own field, the history, and the task of whoever looks after them.

use liaison_core::crm::{Kind, Source};
use liaison_core::effect::{Cause, MailEffect};
use liaison_core::happening::Subject;
use liaison_core::ids::{MailboxId, TaskId};
use liaison_core::message::cut_text;
use liaison_core::optout::{AskedBy, Claim, OptOut};
use liaison_core::records::{BODY_CHARS_MAX, TITLE_CHARS_MAX, TaskRecord};
use liaison_core::time::Timestamp;

use crate::accounts::DomainRules;
use crate::books::rows::AuditRow;
use crate::books::{Books, BooksError, chain, keys, replace};
use crate::office::Office;
use crate::outbox::ledger::Recipient;
use crate::outbox::stage_audit;
use crate::privacy::Tombstones;
use crate::records::{Put, RecordBook, RecordBy, RecordsError};
use crate::tasks::NO_EVENT;

/// A wish that a token proves.
#[derive(Debug, Clone)]
pub(crate) struct Asked<'a> {
    pub(crate) claim: &'a Claim,
    /// How it came.
    pub(crate) by: AskedBy,
    /// When it was written, or handed in.
    pub(crate) at: Timestamp,
    /// Where its message lies.
    pub(crate) mailbox: Option<&'a MailboxId>,
    /// Who brought it, in words: an address says nothing here, since mail is forwarded.
    pub(crate) from: &'a str,
    /// One of us passed it on: that says nothing new where a person decided before.
    pub(crate) passed_on: bool,
}

/// What came of a wish.
#[derive(Debug, Clone)]
pub(crate) enum Heeded {
    /// Nothing goes there from now on; its task tells somebody.
    Anew(OptOut, TaskId),
    /// Its address is one of a person who was erased: nothing of them is written again, and no mail
    /// goes there.
    Erased,
    /// It was known, or a person decided since.
    Known(OptOut),
}

/// Heeds a wish. Commits to `books`; in front of the store that is one commit with what else is
/// staged there.
///
/// # Errors
/// As the store.
pub(crate) async fn heed(
    books: &Books,
    office: &Office,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Heeded, BooksError> {
    let address = &asked.claim.address;
    if Tombstones::read(books).await?.has(books, address).await? {
        return Ok(Heeded::Erased);
    }
    let key = keys::opt_out(address);
    let before = books.get::<OptOut>(key.clone()).await?;
    let version = before.as_ref().map(|row| row.version);
    let known = |wish: &OptOut| wish.knows_of(asked.at) || asked.passed_on;
    if let Some(known) = before.filter(|row| known(&row.record)) {
        return Ok(Heeded::Known(known.record));
    }
    let wish = OptOut::new(asked.claim, asked.by.clone(), asked.at);
    let mut writes = books.batch();
    replace(&mut writes, key, version, &wish)?;
    let row = AuditRow {
        at: now,
        who: asked.from.to_owned(),
        what: "no further mail goes there".to_owned(),
        why: wish.how(),
    };
    stage_audit(&mut writes, address, now, row)?;
    books.commit(writes).await?;
    let people = Recipient::of(books, address, None, &office.free_mail).await?;
    let marked = mark_contact(books, office, (&people, &wish), asked, now).await?;
    let mail = books.mail(&wish.mail).await?;
    let task = task(books, office, (&people, mail), asked, (&wish, marked, now)).await?;
    let id = task.id.clone();
    if books.task(&id).await?.is_none() {
        let mut writes = books.batch();
        replace(&mut writes, keys::task(&id), None, &task)?;
        books.commit(writes).await?;
    }
    Ok(Heeded::Anew(wish, id))
}

/// Sets `do_not_contact` of the one contact who has the address, as their own word: no import takes
/// it back. Of several who share it nobody knows who asked, and the mark of the address is enough.
async fn mark_contact(
    books: &Books,
    office: &Office,
    (people, wish): (&Recipient, &OptOut),
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<bool, BooksError> {
    let [contact] = people.contacts.as_slice() else {
        return Ok(false);
    };
    let put = Put {
        which: Some(contact.id.0.clone()),
        ..Put::upsert(Kind::Contact, &[("do_not_contact", "yes")])
    };
    let by = RecordBy {
        who: asked.from.to_owned(),
        why: wish.how(),
        source: Source::Person,
        force: false,
        now,
    };
    let book = RecordBook::new(books.clone(), DomainRules::of(office));
    match book.put(&put, &by).await {
        Ok(_) => Ok(true),
        Err(RecordsError::Books(error)) => Err(error),
        // The mark of the address holds all the same.
        Err(error) => {
            tracing::warn!(contact = %contact.id, error = %chain(&error), "not marked do-not-contact");
            Ok(false)
        }
    }
}

async fn task(
    books: &Books,
    office: &Office,
    (people, mail): (&Recipient, Option<MailEffect>),
    asked: &Asked<'_>,
    (wish, marked, now): (&OptOut, bool, Timestamp),
) -> Result<TaskRecord, BooksError> {
    let address = &wish.address;
    let title = format!("{address} asked not to get further mail");
    let about = mail.as_ref().map_or_else(String::new, |mail| {
        format!(
            " They had got `{}` in the name of {}.",
            mail.subject_line, mail.from
        )
    });
    let contact = match (marked, people.contacts.len()) {
        (true, _) => " Their contact is marked do-not-contact.",
        (false, 0) => " No contact has this address.",
        (false, _) => {
            " Several contacts have this address, or theirs could not be changed: none is \
                       marked."
        }
    };
    let body = format!(
        "{address} asked on {} not to get further mail ({}).{about}{contact}\n\nNothing leaves for \
         {address} any more, and what waits is called off when its time comes. Drafts that lie in a \
         mailbox are yours to remove. If it was a mistake: `liaison unsubscribe allow {address}`.",
        wish.at,
        wish.how(),
    );
    let account = people.accounts.first().cloned();
    let cause = match mail {
        Some(ref mail) => Cause {
            label: "unsubscribe".to_owned(),
            reason: title.clone(),
            ..mail.cause.clone()
        },
        None => Cause {
            plugin: "".into(),
            plugin_version: String::new(),
            plugin_digest: String::new(),
            label: "unsubscribe".to_owned(),
            event_seq: NO_EVENT,
            cause: wish.how(),
            subject: Subject {
                message: match &asked.by {
                    AskedBy::Message(key) => Some(key.clone()),
                    AskedBy::HandedIn(_) => None,
                },
                thread: None,
                account,
                contact: people.contacts.first().map(|contact| contact.id.clone()),
                counterpart: Some(address.clone()),
                mailbox: asked.mailbox.map(|mailbox| mailbox.0.clone()),
            },
            reason: title.clone(),
            rule: None,
        },
    };
    let owner = match &cause.subject.account {
        Some(id) => {
            let id = books.standing_id(id).await?;
            books.account(&id).await?.and_then(|account| account.owner)
        }
        None => None,
    };
    let mailbox = cause.subject.mailbox.as_deref().map(MailboxId::from);
    let person = office.person_for(owner.as_deref(), mailbox.as_ref().or(asked.mailbox));
    let person = person.or_else(|| office.people.get(&mail.as_ref()?.from));
    Ok(TaskRecord {
        title: cut_text(&title, TITLE_CHARS_MAX),
        body: cut_text(&body, BODY_CHARS_MAX),
        owner: person.map(|person| person.user.email.clone()),
        ..TaskRecord::new(wish.task_id(), cause, now)
    })
}
