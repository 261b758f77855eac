//! Whose a message is: the reads behind `liaison_core::account::matching`.
//!
//! Point reads only, at most [`GETS_MAX`] for one address, however many accounts there are.

use std::collections::BTreeSet;

use liaison_core::account::matching::sender::{Ourselves, Sender, Senders, senders};
use liaison_core::account::matching::{
    AddressHit, EventAffinity, Evidence, FreeMail, Lookups, Match, ThreadAffinity, address_keys,
    domain_keys, match_sender,
};
use liaison_core::account::{Contact, ContactStatus};
use liaison_core::crm;
use liaison_core::ids::{AccountId, ContactId, EffectId};
use liaison_core::mail::MessageView;
use liaison_core::mail::address::Address;

use crate::books::rows::{ByAddrRow, ByDomainRow};
use crate::books::{Books, BooksError, keys};
use crate::office::Office;
use crate::store::{Key, Versioned};

/// Most rows that are read for one address: itself and without its tag, the contacts who have it,
/// domains, and whether the account was merged.
pub const GETS_MAX: usize = 6;
/// Rows read to see whether another account took the place of the one that was found.
const MERGE_GETS: usize = 1;
/// Least rows left for domains: the whole one and the registrable one.
const DOMAIN_GETS_MIN: usize = 2;
/// Calendar objects of a message that are looked for among ours.
const EVENTS_MAX: usize = 3;
/// Longest UID that can be one of ours, in bytes.
const UID_BYTES_MAX: usize = 300;

/// Who is asked about.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Those whom the message may be about.
    pub senders: &'a Senders,
    /// What its thread says of its sender.
    pub thread: Option<ThreadAffinity>,
    /// The calendar object of ours that it carries.
    pub event: Option<EventAffinity>,
    /// Free-mail providers.
    pub free_mail: &'a FreeMail,
}

/// Accounts of which it is known that no other took their place.
pub(super) type Unmerged = BTreeSet<AccountId>;

/// Whom a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// The match.
    pub matched: Match,
    /// The address that was looked up for it; From, unless the evidence says otherwise.
    pub address: Option<Address>,
}

impl Whose {
    /// The same after `warnings` were looked at, as [`Match::warned`].
    #[must_use]
    pub fn warned(self, warnings: Vec<Evidence>) -> Whose {
        Whose {
            matched: self.matched.warned(warnings),
            ..self
        }
    }
}

/// Those whom an inbound message may be about, as this firm sees it.
#[must_use]
pub fn senders_of(view: &MessageView, office: &Office) -> Senders {
    let owns = |address: &Address| office.owns(address);
    let us = Ourselves {
        owns: &owns,
        forms: &office.forms,
    };
    senders(view, us)
}

impl Books {
    /// Whom a message is about: the first of those who may be meant whom the records know.
    ///
    /// # Errors
    /// As the store.
    pub async fn whose(&self, asked: Asked<'_>) -> Result<Whose, BooksError> {
        let mut otherwise = None;
        for (index, sender) in asked.senders.tries.iter().enumerate() {
            let (mut found, unmerged) = self.lookups_for(sender, asked.free_mail).await?;
            found.event.clone_from(&asked.event);
            if sender.in_thread {
                found.thread.clone_from(&asked.thread);
            }
            self.follow_merges(&mut found, &unmerged).await?;
            let whose = Whose {
                matched: match_sender(sender, &found, asked.free_mail),
                address: sender.address.clone(),
            };
            if whose.matched.found() {
                return Ok(whose);
            }
            if index == asked.senders.otherwise || otherwise.is_none() {
                otherwise = Some(whose);
            }
        }
        let nobody = || Whose {
            matched: match_sender(&Sender::nobody(), &Lookups::default(), asked.free_mail),
            address: None,
        };
        Ok(otherwise.unwrap_or_else(nobody))
    }

    async fn lookups_for(
        &self,
        sender: &Sender,
        free_mail: &FreeMail,
    ) -> Result<(Lookups, Unmerged), BooksError> {
        match &sender.address {
            Some(address) if !sender.own && sender.from_count == 1 => {
                self.match_lookups(address, free_mail).await
            }
            _ => Ok(Default::default()),
        }
    }

    /// What a match of one address needs: at most [`GETS_MAX`] point reads, in two looks where the
    /// address is known. Domains are read when the address itself says nothing.
    async fn match_lookups(
        &self,
        address: &Address,
        free_mail: &FreeMail,
    ) -> Result<(Lookups, Unmerged), BooksError> {
        let mut found = Lookups::default();
        let addresses = address_keys(address);
        let mut left = GETS_MAX
            .saturating_sub(addresses.len())
            .saturating_sub(MERGE_GETS);
        self.by_address(addresses, &mut found).await?;
        if !found.decided.is_empty() {
            return Ok((found, Unmerged::new()));
        }
        let (read, unmerged) = self.who_left(&mut found, left).await?;
        left = left.saturating_sub(read);
        let hits = || found.addresses.iter().flat_map(|(_, hits)| hits);
        if hits().any(|hit| is_there(&found, hit)) {
            return Ok((found, unmerged));
        }
        let mut domains = domain_keys(address.domain(), free_mail);
        if let Some(registrable) = domains.pop() {
            domains.truncate(left.saturating_sub(1));
            domains.push(registrable);
        }
        self.by_domain(domains, &mut found).await?;
        Ok((found, unmerged))
    }

    /// Reads the contacts who have the address, as far as that leaves room for domains, and with
    /// the same look whether another account took the place of theirs; returns how many contacts
    /// were read. Who is not read counts as there.
    async fn who_left(
        &self,
        found: &mut Lookups,
        room: usize,
    ) -> Result<(usize, Unmerged), BooksError> {
        let hits = found.addresses.iter().flat_map(|(_, hits)| hits);
        let contacts: BTreeSet<ContactId> = hits.filter_map(|hit| hit.contact.clone()).collect();
        let most = room.saturating_sub(DOMAIN_GETS_MIN);
        let contacts: Vec<ContactId> = contacts.into_iter().take(most).collect();
        let hits = found.addresses.iter().flat_map(|(_, hits)| hits);
        let accounts: Unmerged = hits.map(|hit| hit.account.clone()).collect();
        let accounts: Vec<AccountId> = accounts.into_iter().take(MERGE_GETS).collect();
        let merges = accounts.iter();
        let merges = merges.map(|id| keys::merge(crm::Kind::Account, id.as_str()));
        let asked: Vec<Key> = contacts.iter().map(keys::contact).chain(merges).collect();
        if asked.is_empty() {
            return Ok((0, Unmerged::new()));
        }
        let mut rows = self.store.get(&asked).await?.into_iter();
        for (id, key) in contacts.iter().zip(&asked) {
            if let Some(row) = rows.next().flatten()
                && row.record::<Contact>(key)?.record.status == ContactStatus::Left
            {
                found.left.insert(id.clone());
            }
        }
        let unmerged = accounts.into_iter().zip(rows);
        let unmerged = unmerged.filter_map(|(id, row)| row.is_none().then_some(id));
        Ok((contacts.len(), unmerged.collect()))
    }

    /// Everything that the records have under an address and its domains, for gates and lists: all
    /// of them, whatever they say.
    ///
    /// # Errors
    /// As the store.
    pub async fn lookups(
        &self,
        address: &Address,
        free_mail: &FreeMail,
    ) -> Result<Lookups, BooksError> {
        let mut found = Lookups::default();
        self.by_address(address_keys(address), &mut found).await?;
        let domains = domain_keys(address.domain(), free_mail);
        self.by_domain(domains, &mut found).await?;
        self.follow_merges(&mut found, &Unmerged::new()).await?;
        Ok(found)
    }

    async fn by_address(&self, names: Vec<String>, found: &mut Lookups) -> Result<(), BooksError> {
        let asked: Vec<Key> = names.iter().map(|name| keys::by_addr(name)).collect();
        let rows = self.store.get(&asked).await?;
        for ((name, key), row) in names.into_iter().zip(&asked).zip(rows) {
            let row: ByAddrRow = record(key, row)?;
            let decided = row.decided.map(|account| (name.clone(), account));
            found.decided.extend(decided);
            found.addresses.push((name, row.hits));
        }
        Ok(())
    }

    async fn by_domain(&self, names: Vec<String>, found: &mut Lookups) -> Result<(), BooksError> {
        let asked: Vec<Key> = names.iter().map(|name| keys::by_domain(name)).collect();
        let rows = match asked.is_empty() {
            true => Vec::new(),
            false => self.store.get(&asked).await?,
        };
        for ((name, key), row) in names.into_iter().zip(&asked).zip(rows) {
            let row: ByDomainRow = record(key, row)?;
            let decided = row.decided.map(|account| (name.clone(), account));
            found.decided.extend(decided);
            found.domains.push((name, row.accounts));
        }
        Ok(())
    }

    /// The account of a calendar object in the message that is one of our holds. A UID says who
    /// may have seen it, and no more: the evidence is that of a candidate.
    ///
    /// # Errors
    /// As the store.
    pub async fn event_of_ours(
        &self,
        view: &MessageView,
    ) -> Result<Option<EventAffinity>, BooksError> {
        let texts = view.calendar_parts.iter().map(|part| part.text.as_str());
        for uid in texts.flat_map(uids).take(EVENTS_MAX) {
            let Some(id) = uid
                .strip_prefix("hold.")
                .and_then(|rest| rest.split('@').next())
            else {
                continue;
            };
            let hold = self.hold(&EffectId::from(id)).await?;
            if let Some(hold) = hold.filter(|hold| hold.uid == uid)
                && let Some(account) = hold.cause.subject.account
            {
                return Ok(Some(EventAffinity { account, uid }));
            }
        }
        Ok(None)
    }
}

/// The UIDs in a calendar object (RFC 5545 section 3.8.4.7), unfolded.
fn uids(text: &str) -> impl Iterator<Item = String> {
    let unfolded = text.replace("\n ", "").replace("\n\t", "");
    let lines: Vec<String> = unfolded
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let name = name.split(';').next().unwrap_or_default();
            (name.eq_ignore_ascii_case("UID") && value.len() <= UID_BYTES_MAX)
                .then(|| value.trim().to_owned())
        })
        .collect();
    lines.into_iter()
}

fn is_there(found: &Lookups, hit: &AddressHit) -> bool {
    let contact = hit.contact.as_ref();
    contact.is_none_or(|contact| !found.left.contains(contact))
}

fn record<T: crate::store::codec::Record + Default>(
    key: &Key,
    row: Option<Versioned>,
) -> Result<T, BooksError> {
    Ok(match row {
        Some(row) => row.record::<T>(key)?.record,
        None => T::default(),
    })
}

#[cfg(test)]
mod tests;
