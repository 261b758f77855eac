//! Reads from the records where a recipient is; `liaison_core::whereabouts` judges.

use std::collections::BTreeMap;

use liaison_core::account::Details;
use liaison_core::ids::{MessageKey, ThreadId};
use liaison_core::message::{MessageRecord, gone_why};
use liaison_core::policy::Firm;
use liaison_core::proposal::Value;
use liaison_core::time::Timestamp;
use liaison_core::touch::Way;
use liaison_core::whereabouts::{
    Clues, SEEN_MAX, SeenOffset, Whereabouts, seen_offset, whereabouts as judge,
};

use super::ledger::Recipient;
use crate::books::keys::TouchBy;
use crate::books::{Books, BooksError};

/// Of so many of the newest messages with a person it is asked whether they wrote them.
const LOOKED_AT_MAX: usize = 24;
/// Larger messages are not read for the sake of their Date field.
const MESSAGE_BYTES_MAX: u64 = 1024 * 1024;

/// Where the recipient of a mail is. Their own mails are only read where the records say nothing of
/// contact and account.
///
/// # Errors
/// As the store.
pub async fn whereabouts(
    books: &Books,
    recipient: &Recipient,
    (email, thread): (&str, Option<&ThreadId>),
    firm: &Firm,
    now: Timestamp,
) -> Result<Whereabouts, BooksError> {
    let mut clues = Clues::default();
    for contact in &recipient.contacts {
        clues
            .contact_zones
            .extend(text(&contact.details, "time_zone"));
    }
    for id in &recipient.accounts {
        if let Some(account) = books.account(id).await? {
            clues
                .account_zones
                .extend(text(&account.details, "time_zone"));
            clues.countries.extend(text(&account.details, "country"));
        }
    }
    if clues.contact_zones.is_empty() && clues.account_zones.is_empty() {
        clues.offsets = offsets(books, recipient, email, thread).await?;
    }
    Ok(judge(&clues, firm.business.zone_name(), now))
}

fn text(details: &Details, field: &str) -> Option<String> {
    match details.fields.get(field) {
        Some(Value::Text(text)) if !text.trim().is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// What the clocks of their newest mails said.
async fn offsets(
    books: &Books,
    recipient: &Recipient,
    email: &str,
    thread: Option<&ThreadId>,
) -> Result<Vec<SeenOffset>, BooksError> {
    let names = recipient.same_as();
    let mut theirs: BTreeMap<(std::cmp::Reverse<Timestamp>, MessageKey), MessageRecord> =
        BTreeMap::new();
    let mut add = |message: MessageRecord| {
        let from = message.from.as_ref().map(|from| from.email.as_str());
        let by_them = from.is_some_and(|from| from == email || names.contains(from));
        if by_them && !message.outbound && message.authenticity != "fail" {
            let key = (std::cmp::Reverse(message.received), message.key.clone());
            theirs.insert(key, message);
        }
    };
    for contact in &recipient.contacts {
        let id = contact.id.as_str();
        let touches = books.newest_touches(TouchBy::Contact, id, LOOKED_AT_MAX);
        let mails = touches.await?.into_iter();
        let mails = mails
            .filter(|touch| touch.way == Way::MailIn)
            .take(SEEN_MAX);
        for touch in mails {
            if let Some(message) = books.message(&MessageKey(touch.id)).await? {
                add(message);
            }
        }
    }
    if let Some(thread) = thread {
        for message in books.thread_messages(thread, LOOKED_AT_MAX).await? {
            add(message);
        }
    }
    let mut seen = Vec::new();
    for message in theirs.into_values().take(SEEN_MAX) {
        let unreadable = message.content.is_empty() || gone_why(&message.content).is_some();
        if unreadable || message.size > MESSAGE_BYTES_MAX {
            continue;
        }
        let bytes = books.bytes(&message.content).await?;
        seen.extend(bytes.as_deref().and_then(seen_offset));
    }
    Ok(seen)
}
