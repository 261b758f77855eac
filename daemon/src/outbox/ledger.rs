//! Under which names mails are counted: people, not addresses (H-CAP, H-LOOP).
//!
//! One contact has several addresses, and `bob+1@example.com` is bob. A mail is written into the
//! ledger of its recipient's address without `+tag`, of each contact who has that address, and of
//! the recipient's own account; what counts is read from all ledgers that lead to the same person.
//! Notifications to our own people have ledgers apart, so that they crowd out nobody's.

use std::collections::BTreeSet;

use liaison_core::account::Contact;
use liaison_core::account::matching::FreeMail;
use liaison_core::effect::{Audience, MailEffect};
use liaison_core::ids::AccountId;
use liaison_core::mail::Address;
use liaison_core::policy::CAP_WINDOW_MS;
use liaison_core::time::Timestamp;

use crate::books::rows::LedgerRow;
use crate::books::{Books, BooksError, keys};
use crate::store::Batch;

/// The ledger of all mails to counterparts.
pub const EVERYBODY: &str = "*";

/// Who a recipient is, as far as the records know, and where mails to them are counted.
#[derive(Debug, Clone, Default)]
pub struct Recipient {
    /// Contacts who have the address, with or without its `+tag`.
    pub contacts: Vec<Contact>,
    /// Accounts of these contacts, else of the address's domain, else what the caller supposed.
    pub accounts: BTreeSet<AccountId>,
    /// All of these accounts: whose wish not to be contacted counts.
    pub related: BTreeSet<AccountId>,
    /// Ledgers into which a mail to the address is written.
    own: BTreeSet<String>,
    /// The accounts and those whose place they took: mails to these count on.
    names: BTreeSet<AccountId>,
}

impl Recipient {
    /// Looks an address up; `supposed` is the account of the event, for addresses that no record
    /// knows.
    ///
    /// # Errors
    /// As the store.
    pub async fn of(
        books: &Books,
        email: &str,
        supposed: Option<&AccountId>,
        free_mail: &FreeMail,
    ) -> Result<Recipient, BooksError> {
        let mut recipient = Recipient {
            own: [bare(email)].into(),
            ..Recipient::default()
        };
        if let Ok(address) = Address::parse(email) {
            let found = books.lookups(&address, free_mail).await?;
            for hit in found.addresses.into_iter().flat_map(|(_, hits)| hits) {
                recipient.accounts.insert(hit.account.clone());
                if let Some(id) = hit.contact
                    && let Some(mut contact) = books.contact(&id).await?
                {
                    // That of the record may have been merged into it.
                    contact.account = hit.account;
                    recipient.own.insert(format!("contact:{id}"));
                    recipient.contacts.push(contact);
                }
            }
            let domains = found.domains.iter().map(|(_, accounts)| accounts);
            recipient.related.extend(domains.clone().flatten().cloned());
            if recipient.accounts.is_empty() {
                recipient.accounts.extend(found.decided.into_values());
            }
            if recipient.accounts.is_empty() {
                let nearest = domains.into_iter().find(|accounts| !accounts.is_empty());
                recipient
                    .accounts
                    .extend(nearest.into_iter().flatten().cloned());
            }
        }
        let supposed = match supposed {
            Some(id) => Some(books.standing_id(id).await?),
            None => None,
        };
        recipient.related.extend(supposed.clone());
        recipient.related.extend(recipient.accounts.iter().cloned());
        if recipient.accounts.is_empty() {
            recipient.accounts.extend(supposed);
        }
        for account in &recipient.accounts {
            let names = books.all_names_of(account.as_str()).await?;
            recipient.names.extend(names.into_iter().map(AccountId));
        }
        Ok(recipient)
    }

    /// Names that stand for the person: two recipients who share one are the same person.
    #[must_use]
    pub fn same_as(&self) -> BTreeSet<String> {
        let others = self.contacts.iter().flat_map(|contact| &contact.addresses);
        let mut names = self.own.clone();
        names.extend(others.map(|address| bare(address)));
        names
    }

    /// The ledgers in which mails to the accounts are counted.
    #[must_use]
    pub fn account_ledgers(&self) -> BTreeSet<String> {
        self.names.iter().map(account_ledger).collect()
    }
}

/// An address without its `+tag`.
fn bare(email: &str) -> String {
    let Ok(address) = Address::parse(email) else {
        return email.to_owned();
    };
    address.without_tag().unwrap_or(address).key()
}

fn account_ledger(account: &AccountId) -> String {
    format!("account:{account}")
}

/// The ledger of notifications to one of our people.
#[must_use]
pub fn staff_ledger(email: &str) -> String {
    format!("staff:{email}")
}

/// Enters a mail that was decided into its ledgers.
///
/// # Errors
/// When the records cannot be read or a row cannot be encoded.
pub async fn stage_ledgers(
    books: &Books,
    writes: &mut Batch,
    mail: &MailEffect,
    (at, free_mail): (Timestamp, &FreeMail),
) -> Result<(), BooksError> {
    for name in ledgers_of(books, mail, free_mail).await? {
        stage_entry(writes, &name, mail, at)?;
    }
    Ok(())
}

/// Moves a mail in its ledgers to the time at which it may go out now: there it counts once.
///
/// # Errors
/// When the records cannot be read or a row cannot be encoded.
pub async fn stage_moved_ledgers(
    books: &Books,
    writes: &mut Batch,
    mail: &MailEffect,
    (at, free_mail): (Timestamp, &FreeMail),
) -> Result<(), BooksError> {
    for name in ledgers_of(books, mail, free_mail).await? {
        for row in books.ledger(&name, mail.created).await? {
            if row.effect == mail.id && row.at != at {
                writes.del(keys::ledger(&name, row.at, &mail.id));
            }
        }
        stage_entry(writes, &name, mail, at)?;
    }
    Ok(())
}

/// Moves a mail that goes out long after it was decided to the time at which it does: ledgers are read
/// some weeks back.
///
/// # Errors
/// When the records cannot be read or a row cannot be encoded.
pub async fn stage_counted_late(
    books: &Books,
    writes: &mut Batch,
    mail: &MailEffect,
    (now, free_mail): (Timestamp, &FreeMail),
) -> Result<(), BooksError> {
    if now.since(mail.created) < CAP_WINDOW_MS {
        return Ok(());
    }
    stage_moved_ledgers(books, writes, mail, (now, free_mail)).await
}

fn stage_entry(
    writes: &mut Batch,
    ledger: &str,
    mail: &MailEffect,
    at: Timestamp,
) -> Result<(), BooksError> {
    let row = LedgerRow {
        at,
        effect: mail.id.clone(),
    };
    writes.put_record(keys::ledger(ledger, at, &mail.id), &row)?;
    Ok(())
}

/// Where a mail is counted.
async fn ledgers_of(
    books: &Books,
    mail: &MailEffect,
    free_mail: &FreeMail,
) -> Result<BTreeSet<String>, BooksError> {
    let mut names = BTreeSet::new();
    match mail.audience {
        Audience::Staff => {
            names.insert(staff_ledger(&mail.recipient));
        }
        Audience::Counterpart => {
            let supposed = mail.cause.subject.account.as_ref();
            let recipient = Recipient::of(books, &mail.recipient, supposed, free_mail).await?;
            names.extend(recipient.accounts.iter().map(account_ledger));
            names.extend(recipient.own);
            names.insert(EVERYBODY.to_owned());
        }
    }
    Ok(names)
}
