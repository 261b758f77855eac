//! Whom a message belongs to, with the evidence.
//!
//! The order is fixed here: `thread` for those who belong to it, exact address, address without
//! `+tag`, a calendar object of ours, domain from the longest to the shortest that is no public
//! suffix. What a person decided for an address or a domain comes before its records. The lookups
//! are done by the caller with the keys that [`address_keys`] and [`domain_keys`] name, so that
//! this stays pure. Two accounts with equal evidence are never rounded to one: the result is
//! [`MatchOutcome::Ambiguous`]. Whose address is looked up, of all that a message names, is said
//! by [`sender`].

pub mod evidence;
pub mod sender;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use super::free_mail::FreeMail;
use crate::ids::{AccountId, ContactId};
use crate::mail::address::{Address, Domain};
use crate::mail::thread::Standing;
pub use evidence::{Evidence, Kind};
pub use sender::Sender;

/// Most accounts named when it is undecided between them; the evidence tells how many there are.
pub const CANDIDATES_MAX: usize = 20;

/// What the match came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchOutcome {
    /// One account.
    Account,
    /// Several accounts with equal evidence: a person decides.
    Ambiguous,
    /// Nobody we know.
    Unknown,
    /// One of us.
    Own,
    /// A machine; the account may be known all the same.
    Automatic,
}

impl MatchOutcome {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            MatchOutcome::Account => "account",
            MatchOutcome::Ambiguous => "ambiguous",
            MatchOutcome::Unknown => "unknown",
            MatchOutcome::Own => "own",
            MatchOutcome::Automatic => "automatic",
        }
    }
}

/// The result with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// What it came to.
    pub outcome: MatchOutcome,
    /// The account, when there is one.
    pub account: Option<AccountId>,
    /// The contact, when the address is known.
    pub contact: Option<ContactId>,
    /// Accounts between which it is undecided.
    pub candidates: Vec<AccountId>,
    /// 0 to 100: that of its weakest reason.
    pub confidence: u8,
    /// Reasons, in the order in which they were looked at.
    pub evidence: Vec<Evidence>,
}

/// Least confidence on which something may be done without a person: what an address in a form, in
/// a forwarded message or in a text says is below.
pub const FIRM_CONFIDENCE_MIN: u8 = 70;

impl Match {
    /// Whether the account is more than a candidate: by the thread, by an address or a domain of
    /// the sender, or by what a person decided.
    #[must_use]
    pub fn is_firm(&self) -> bool {
        self.account.is_some() && self.confidence >= FIRM_CONFIDENCE_MIN
    }

    /// Whether one or several accounts were found.
    #[must_use]
    pub fn found(&self) -> bool {
        self.account.is_some() || !self.candidates.is_empty()
    }
}

/// A record found under an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressHit {
    /// The account.
    pub account: AccountId,
    /// The contact.
    pub contact: Option<ContactId>,
}

/// The thread that a message answers into.
///
/// Whoever knows a Message-ID can write into its thread, so a thread says whose a message is only
/// for its [parties](Standing::Party), and for those whose own records name its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadAffinity {
    /// Its account, where one is known.
    pub account: Option<AccountId>,
    /// The message that told so.
    pub text: String,
    /// What the sender is to it; for mail that a person of ours wrote: [`Standing::Party`].
    pub standing: Standing,
}

/// A calendar object of ours that a message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventAffinity {
    /// The account that it was made for.
    pub account: AccountId,
    /// Its UID.
    pub uid: String,
}

/// What was found in the records.
#[derive(Debug, Clone, Default)]
pub struct Lookups {
    /// The thread, when the message names one that is known.
    pub thread: Option<ThreadAffinity>,
    /// Hits for each key of [`address_keys`], in its order.
    pub addresses: Vec<(String, Vec<AddressHit>)>,
    /// Accounts for each key of [`domain_keys`], in its order.
    pub domains: Vec<(String, Vec<AccountId>)>,
    /// What people decided for one of these keys.
    pub decided: BTreeMap<String, AccountId>,
    /// Those of the contacts who left.
    pub left: BTreeSet<ContactId>,
    /// The calendar object, when it is one of ours.
    pub event: Option<EventAffinity>,
}

impl Lookups {
    /// Whether the address itself, or its domain, is recorded for the account.
    fn names(&self, account: &AccountId) -> bool {
        let mut hits = self.addresses.iter().flat_map(|(_, hits)| hits);
        let mut domains = self.domains.iter().flat_map(|(_, accounts)| accounts);
        hits.any(|hit| hit.account == *account && self.is_there(hit))
            || domains.any(|of_domain| of_domain == account)
            || self.decided.values().any(|decided| decided == account)
    }

    /// Whether a hit is of somebody who is still there.
    fn is_there(&self, hit: &AddressHit) -> bool {
        let contact = hit.contact.as_ref();
        contact.is_none_or(|contact| !self.left.contains(contact))
    }

    /// The one contact with the address at an account.
    fn contact_at(&self, account: &AccountId) -> Option<ContactId> {
        let hits = self.addresses.iter().flat_map(|(_, hits)| hits);
        let mut there = hits.filter(|hit| hit.account == *account && self.is_there(hit));
        let contact = there.next()?.contact.clone();
        there.next().is_none().then_some(contact).flatten()
    }
}

/// The lookup keys of an address: itself, then without its `+tag`.
#[must_use]
pub fn address_keys(address: &Address) -> Vec<String> {
    let mut keys = vec![address.key()];
    keys.extend(address.without_tag().map(|base| base.key()));
    keys
}

/// The lookup keys of a domain, longest first: it and what it lies below, stopping before the
/// public suffix. Empty for free-mail providers and for names that are public suffixes.
#[must_use]
pub fn domain_keys(domain: &Domain, free_mail: &FreeMail) -> Vec<String> {
    let name = domain.as_str();
    let Some(registrable) = psl::domain_str(name) else {
        return Vec::new();
    };
    if free_mail.has(name) {
        return Vec::new();
    }
    let mut keys = vec![name.to_owned()];
    let mut rest = name;
    while rest != registrable {
        let Some((_, parent)) = rest.split_once('.') else {
            break;
        };
        keys.push(parent.to_owned());
        rest = parent;
    }
    keys
}

/// The registrable part of a domain (`mail.example.co.uk` gives `example.co.uk`).
#[must_use]
pub fn registrable(domain: &str) -> Option<&str> {
    psl::domain_str(domain)
}

/// Matches a sender against what was found.
#[must_use]
pub fn match_sender(sender: &Sender, found: &Lookups, free_mail: &FreeMail) -> Match {
    let because = sender.because.clone();
    let Some(address) = &sender.address else {
        let result = finish(MatchOutcome::Unknown, None, because);
        return match result.evidence.is_empty() {
            true => result.with(Kind::NoSender, "the message has no readable sender address"),
            false => result,
        };
    };
    if sender.from_count > 1 {
        let text = format!(
            "the message has {} From addresses: nobody can say whose it is",
            sender.from_count
        );
        return finish(MatchOutcome::Unknown, None, because).with(Kind::SeveralFrom, text);
    }
    if sender.own {
        let text = format!("{address} is one of our own addresses");
        return finish(MatchOutcome::Own, None, because).with(Kind::Own, text);
    }
    let mut matched = match_known(address, found, free_mail, because);
    if let Some(why) = &sender.automatic {
        matched
            .evidence
            .insert(0, Evidence::new(Kind::Automatic, why));
        matched.outcome = MatchOutcome::Automatic;
    }
    matched
}

struct Step {
    kind: Kind,
    text: String,
    hits: Vec<AddressHit>,
}

fn match_known(
    address: &Address,
    found: &Lookups,
    free_mail: &FreeMail,
    mut evidence: Vec<Evidence>,
) -> Match {
    if let Some(thread) = &found.thread {
        match by_thread(address, found, thread) {
            Ok((account, reason)) => {
                evidence.push(reason);
                return matched(account, found, evidence);
            }
            Err(weak) => evidence.extend(weak),
        }
    }
    for (key, hits) in &found.addresses {
        if let Some(account) = found.decided.get(key) {
            let text = format!("a person decided that mail from {key} belongs to this account");
            evidence.push(Evidence::new(Kind::Decided, text));
            return matched(account, found, evidence);
        }
        let (there, left): (Vec<_>, Vec<_>) =
            hits.iter().cloned().partition(|hit| found.is_there(hit));
        evidence.extend(former(key, &left));
        let step = address_step(address, key, there);
        if let Some(result) = step.taken(found, &mut evidence) {
            return result;
        }
    }
    if let Some(event) = &found.event {
        let text = format!(
            "the calendar object {} is one of ours for the account",
            event.uid
        );
        evidence.push(Evidence::new(Kind::EventUid, text));
        return matched(&event.account, found, evidence);
    }
    for (domain, accounts) in &found.domains {
        if let Some(account) = found.decided.get(domain) {
            let text = format!("a person decided that mail from {domain} belongs to this account");
            evidence.push(Evidence::new(Kind::DecidedDomain, text));
            return matched(account, found, evidence);
        }
        let step = domain_step(address, domain, accounts);
        if let Some(result) = step.taken(found, &mut evidence) {
            return match sender::is_role_address(address) && result.account.is_some() {
                true => result.with(
                    Kind::SharedMailbox,
                    format!("{address} is read by several people: no contact is meant"),
                ),
                false => result,
            };
        }
    }
    evidence.push(nobody(address, &evidence, free_mail));
    finish(MatchOutcome::Unknown, None, evidence)
}

/// The account by the thread, or what else is to be said of the thread.
fn by_thread<'f>(
    address: &Address,
    found: &Lookups,
    thread: &'f ThreadAffinity,
) -> Result<(&'f AccountId, Evidence), Option<Evidence>> {
    match &thread.account {
        Some(account) if thread.standing == Standing::Party || found.names(account) => {
            Ok((account, Evidence::new(Kind::Thread, &thread.text)))
        }
        _ if thread.standing == Standing::Outsider => {
            let text = format!(
                "weak, not counted: it answers into a known thread ({}), but {address} took no \
                 part in it",
                thread.text
            );
            Err(Some(Evidence::new(Kind::ThreadOutsider, text)))
        }
        Some(_) => {
            let text = format!(
                "weak, not counted: {}, but nothing says that {address} does",
                thread.text
            );
            Err(Some(Evidence::new(Kind::ThreadWeak, text)))
        }
        None => Err(None),
    }
}

/// What is said of people who left and whose address it was.
fn former(key: &str, left: &[AddressHit]) -> Option<Evidence> {
    let first = left.first()?;
    let account = &first.account;
    let who = match &first.contact {
        Some(contact) => format!("{contact}, who left {account}"),
        None => format!("somebody who left {account}"),
    };
    let more = match left.len() {
        1 => String::new(),
        many => format!(" (and {} more)", many.saturating_sub(1)),
    };
    let text = format!("not counted: {key} is the address of {who}{more}");
    Some(Evidence::new(Kind::FormerContact, text))
}

fn address_step(address: &Address, key: &str, hits: Vec<AddressHit>) -> Step {
    let exact = address.key() == key;
    let text = match (hits.len(), exact) {
        (1, true) => format!("{key} is the address of a contact"),
        (1, false) => format!("{key} (the address without its +tag) is the address of a contact"),
        (many, _) => format!("{key} is recorded {many} times"),
    };
    let kind = match exact {
        true => Kind::Address,
        false => Kind::TagRemoved,
    };
    Step { kind, text, hits }
}

fn domain_step(address: &Address, domain: &str, accounts: &[AccountId]) -> Step {
    let exact = domain == address.domain().as_str();
    let text = match (accounts.len(), exact) {
        (1, true) => format!("{domain} is a domain of the account"),
        (1, false) => format!(
            "{} lies below {domain}, a domain of the account",
            address.domain()
        ),
        (many, _) => format!("{domain} is a domain of {many} accounts"),
    };
    let hit = |account: &AccountId| AddressHit {
        account: account.clone(),
        contact: None,
    };
    Step {
        kind: if exact {
            Kind::Domain
        } else {
            Kind::ParentDomain
        },
        text,
        hits: accounts.iter().map(hit).collect(),
    }
}

impl Step {
    /// The result when the step found somebody; its reason is put to the evidence then.
    fn taken(self, found: &Lookups, evidence: &mut Vec<Evidence>) -> Option<Match> {
        let accounts: BTreeSet<&AccountId> = self.hits.iter().map(|hit| &hit.account).collect();
        let first = *accounts.first()?;
        evidence.push(Evidence::new(self.kind, &self.text));
        let evidence = std::mem::take(evidence);
        if accounts.len() > 1 {
            let mut result = finish(MatchOutcome::Ambiguous, None, evidence);
            result.candidates = accounts.into_iter().take(CANDIDATES_MAX).cloned().collect();
            return Some(result);
        }
        let contacts = self.hits.iter().filter(|hit| hit.contact.is_some()).count();
        let result = matched(first, found, evidence);
        Some(match contacts {
            0 | 1 => result,
            many => result.with(
                Kind::SharedMailbox,
                format!("{many} contacts of the account have the address: no one of them is meant"),
            ),
        })
    }
}

fn nobody(address: &Address, so_far: &[Evidence], free_mail: &FreeMail) -> Evidence {
    let domain = address.domain().as_str();
    let former = Kind::FormerContact.as_str();
    let who = match so_far.iter().any(|reason| reason.kind == former) {
        true => "nobody who is still there has",
        false => "no contact has",
    };
    if free_mail.has(domain) {
        let text = format!(
            "{who} {address}, and {domain} is a free-mail provider, which says nothing about the \
             company"
        );
        return Evidence::new(Kind::FreeMail, text);
    }
    let text = format!("{who} {address} and no account has its domain");
    Evidence::new(Kind::Unknown, text)
}

/// One account, with the contact who has the address there.
fn matched(account: &AccountId, found: &Lookups, evidence: Vec<Evidence>) -> Match {
    let mut result = finish(MatchOutcome::Account, Some(account.clone()), evidence);
    result.contact = found.contact_at(account);
    result
}

fn finish(outcome: MatchOutcome, account: Option<AccountId>, evidence: Vec<Evidence>) -> Match {
    let mut result = Match {
        outcome,
        account,
        contact: None,
        candidates: Vec::new(),
        confidence: 0,
        evidence,
    };
    result.weigh();
    result
}

impl Match {
    /// The same with one more reason.
    fn with(mut self, kind: Kind, text: impl AsRef<str>) -> Match {
        self.evidence.push(Evidence::new(kind, text));
        self.weigh();
        self
    }

    fn weigh(&mut self) {
        let known = self.evidence.iter().filter_map(Evidence::known);
        let weakest = known.map(Kind::most).min().unwrap_or(0);
        self.confidence = match (self.outcome, &self.account) {
            (MatchOutcome::Own, _) => 100,
            (_, Some(_)) => weakest,
            (_, None) => 0,
        };
    }
}

#[cfg(test)]
mod tests;
