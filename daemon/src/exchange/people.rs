//! First contacts from the headers of recorded mail: people who wrote to us, or to whom we wrote,
//! and who are no contacts yet.
//!
//! What a machine wrote, what failed authentication, forms that name the writer elsewhere, our own
//! people and addresses that nobody reads are left out; the header decides before any word does.

use std::collections::HashMap;

use liaison_core::ids::MailboxId;
use liaison_core::mail::address::Address;
use liaison_core::message::{MessageRecord, Person};
use liaison_core::time::Timestamp;
use serde::Serialize;

use crate::accounts::AccountBook;
use crate::books::{Books, BooksError};
use crate::office::Office;
use crate::store::{Ns, Range};

/// Most addresses that are counted; later ones of more are left out, and it is told.
const ADDRESSES_MAX: usize = 50_000;
/// Most people that are suggested, those with the most mail.
pub const SUGGESTED_MAX: usize = 500;

/// Which mail is looked at.
#[derive(Debug, Clone)]
pub struct Where {
    /// Only of this mailbox.
    pub mailbox: Option<MailboxId>,
    /// Only from this moment on.
    pub since: Timestamp,
}

/// Somebody who may become a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggested {
    /// Their address.
    pub address: String,
    /// Their name, as they or we wrote it last.
    pub name: Option<String>,
    /// Mails from them.
    pub received: u64,
    /// Mails to them.
    pub sent: u64,
    /// The last one.
    pub last: Timestamp,
    /// The account that the domain suggests.
    pub account_id: Option<String>,
    /// Its name, or why there is none.
    pub account: String,
}

/// Who was found.
#[derive(Debug, Default, Serialize)]
pub struct Found {
    /// The people, those with the most mail first; at most [`SUGGESTED_MAX`].
    pub people: Vec<Suggested>,
    /// How many there are.
    pub count: u64,
    /// Messages that were looked at.
    pub messages: u64,
    /// More addresses than are counted.
    pub too_many: bool,
}

#[derive(Debug, Default)]
struct Mail {
    name: Option<String>,
    received: u64,
    sent: u64,
    last: i64,
}

#[derive(Debug, Default)]
struct Counted {
    people: HashMap<String, Mail>,
    messages: u64,
    too_many: bool,
}

impl Counted {
    fn message(&mut self, office: &Office, message: &MessageRecord) {
        self.messages = self.messages.saturating_add(1);
        if !message.is_human() || message.effect.is_some() {
            return;
        }
        if message.outbound {
            for person in message.to.iter().chain(&message.cc) {
                self.person(office, person, message);
            }
            return;
        }
        // A form sends for others; who they are stands elsewhere.
        let from = message.from.as_ref().filter(|_| message.from_count == 1);
        let elsewhere = |from: &Person| {
            let domain = |person: &Person| person.email.rsplit('@').next().map(str::to_owned);
            let mut others = message.reply_to.iter();
            others.any(|other| domain(other) != domain(from))
        };
        if let Some(from) = from
            && message.authenticity != "fail"
            && !elsewhere(from)
        {
            self.person(office, from, message);
        }
    }

    fn person(&mut self, office: &Office, person: &Person, message: &MessageRecord) {
        let Ok(address) = Address::parse(&person.email) else {
            return;
        };
        if office.owns(&address) || address.is_no_reply_like() {
            return;
        }
        let key = address.key();
        if self.people.len() >= ADDRESSES_MAX && !self.people.contains_key(&key) {
            self.too_many = true;
            return;
        }
        let mail = self.people.entry(key).or_default();
        let counter = match message.outbound {
            true => &mut mail.sent,
            false => &mut mail.received,
        };
        *counter = counter.saturating_add(1);
        if message.date.0 >= mail.last {
            mail.last = message.date.0;
            // Their own writing of their name is better than ours.
            let name = person.name.clone().filter(|name| !name.contains('@'));
            if name.is_some() && (!message.outbound || mail.name.is_none()) {
                mail.name = name;
            }
        }
    }
}

/// Looks through the recorded mail.
///
/// # Errors
/// As the store.
pub async fn people(
    books: &Books,
    accounts: &AccountBook,
    office: &Office,
    wish: &Where,
) -> Result<Found, BooksError> {
    let mut counted = Counted::default();
    let each = |message: MessageRecord| {
        let wanted = wish.mailbox.as_ref();
        if message.date >= wish.since && wanted.is_none_or(|one| *one == message.mailbox) {
            counted.message(office, &message);
        }
    };
    books.each(Range::all(Ns::Message), each).await?;
    let mut all: Vec<(String, Mail)> = counted.people.into_iter().collect();
    all.sort_by(|(a, one), (b, other)| {
        let mails = |mail: &Mail| mail.received.saturating_add(mail.sent);
        mails(other).cmp(&mails(one)).then_with(|| a.cmp(b))
    });
    let mut found = Found {
        messages: counted.messages,
        too_many: counted.too_many,
        ..Found::default()
    };
    for (key, mail) in all {
        let Some(suggested) = suggested(books, accounts, key, mail).await? else {
            continue;
        };
        found.count = found.count.saturating_add(1);
        if found.people.len() < SUGGESTED_MAX {
            found.people.push(suggested);
        }
    }
    Ok(found)
}

/// `None` for somebody who is a contact.
async fn suggested(
    books: &Books,
    accounts: &AccountBook,
    key: String,
    mail: Mail,
) -> Result<Option<Suggested>, BooksError> {
    let Ok(address) = Address::parse(&key) else {
        return Ok(None);
    };
    let lookups = accounts.lookups(&address).await?;
    if lookups.addresses.iter().any(|(_, hits)| !hits.is_empty()) {
        return Ok(None);
    }
    let of_domain = lookups.domains.iter().find(|(_, ids)| !ids.is_empty());
    let mut names = Vec::new();
    let mut account_id = None;
    for id in of_domain.map(|(_, ids)| ids.as_slice()).unwrap_or_default() {
        if let Some(account) = books.account(id).await? {
            account_id = Some(account.id.0);
            names.push(account.name);
        }
    }
    let account = match names.as_slice() {
        [] if lookups.domains.is_empty() => "none (an address of a free-mail provider)".to_owned(),
        [] => "none".to_owned(),
        [one] => one.clone(),
        several => format!("several: {}", several.join(", ")),
    };
    Ok(Some(Suggested {
        address: key,
        name: mail.name,
        received: mail.received,
        sent: mail.sent,
        last: Timestamp(mail.last),
        account_id: account_id.filter(|_| names.len() == 1),
        account,
    }))
}
