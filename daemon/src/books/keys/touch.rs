//! Contact with customers: each key says all of it, so that the last one is a single look.

use liaison_core::ids::{AccountId, ContactId};
use liaison_core::touch::{Touch, Way};

use crate::store::keys::{Parts, Tuple};
use crate::store::{Key, Ns, Range};

/// What touches are listed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TouchBy {
    /// The account.
    Account,
    /// The contact.
    Contact,
    /// Who of us: an address, or `mailbox:` and a name.
    Person,
}

impl TouchBy {
    fn word(self) -> &'static str {
        match self {
            TouchBy::Account => "account",
            TouchBy::Contact => "contact",
            TouchBy::Person => "person",
        }
    }
}

/// Touches of an account, a contact or one of us, by time.
#[must_use]
pub fn touches_by(by: TouchBy, id: &str) -> Range {
    Tuple::new().text(by.word()).text(id).range(Ns::Touch)
}

/// All keys of a touch.
#[must_use]
pub fn touches(touch: &Touch) -> Vec<Key> {
    let mut keys = vec![key(TouchBy::Account, touch.account.as_str(), touch)];
    for contact in &touch.contacts {
        keys.push(key(TouchBy::Contact, contact.as_str(), touch));
    }
    if let Some(person) = &touch.person {
        keys.push(key(TouchBy::Person, person, touch));
    }
    keys
}

fn key(by: TouchBy, id: &str, touch: &Touch) -> Key {
    let mut tuple = Tuple::new()
        .text(by.word())
        .text(id)
        .time(touch.at)
        .text(&touch.id)
        .text(touch.way.word())
        .text(touch.account.as_str())
        .text(touch.person.as_deref().unwrap_or_default());
    for contact in &touch.contacts {
        tuple = tuple.text(contact.as_str());
    }
    tuple.key(Ns::Touch)
}

/// The touch of a key; `None`: the key makes no sense.
#[must_use]
pub fn touch_at(key: &[u8]) -> Option<Touch> {
    let mut parts = Parts::new(key);
    parts.text().ok()?;
    parts.text().ok()?;
    let at = parts.time().ok()?;
    let id = parts.text().ok()?;
    let way = Way::from_word(&parts.text().ok()?)?;
    let account = AccountId(parts.text().ok()?);
    let person = Some(parts.text().ok()?).filter(|person| !person.is_empty());
    let mut contacts = Vec::new();
    while let Ok(contact) = parts.text() {
        contacts.push(ContactId(contact));
    }
    parts.finish().ok()?;
    Some(Touch {
        account,
        at,
        way,
        contacts,
        person,
        id,
    })
}

#[cfg(test)]
mod tests {
    use liaison_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_touch_reads_back_from_each_of_its_keys_and_the_newest_comes_last() {
        let touch = |at, contacts: &[&str], person: Option<&str>| Touch {
            account: AccountId::from("acc-1"),
            at: Timestamp(at),
            way: Way::Meeting,
            contacts: contacts.iter().map(|id| ContactId::from(*id)).collect(),
            person: person.map(str::to_owned),
            id: "act-1".to_owned(),
        };
        for (contacts, person, keys) in [
            (&["con-1", "con-2"][..], Some("alice@example.com"), 4),
            (&[], None, 1),
            (&[], Some("mailbox:sales"), 2),
        ] {
            let one = touch(7, contacts, person);
            let all = touches(&one);
            assert_eq!(all.len(), keys);
            for key in all {
                assert_eq!(touch_at(&key.k), Some(one.clone()));
            }
        }
        let first = |at| touches(&touch(at, &[], None)).remove(0).k;
        assert!(first(-5) < first(0) && first(0) < first(900));
    }

    #[test]
    fn the_longest_touch_fits_into_a_key() {
        let touch = Touch {
            account: AccountId::from("acc-0123456789abcdef"),
            at: Timestamp(i64::MAX),
            way: Way::MailOut,
            contacts: vec![
                ContactId::from("con-0123456789abcdef");
                liaison_core::touch::CONTACTS_MAX
            ],
            person: Some("x".repeat(254)),
            id: "0".repeat(64),
        };
        for key in touches(&touch) {
            assert!(
                key.k.len() <= crate::store::KEY_BYTES_MAX,
                "{}",
                key.k.len()
            );
        }
    }
}
