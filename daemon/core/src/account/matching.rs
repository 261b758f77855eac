//! Whom a message belongs to, with the evidence.
//!
//! The order (`thread` for those who belong to it, exact address, address without `+tag`, domain from the longest to the
//! shortest that is no public suffix) is fixed here; the lookups are done by the caller with the
//! keys that [`address_keys`] and [`domain_keys`] name, so that this stays pure. Two accounts with
//! equal evidence are never rounded to one: the result is [`MatchOutcome::Ambiguous`].

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, ContactId};
use crate::mail::address::{Address, Domain};
use crate::mail::thread::Standing;

/// Providers whose customers share a domain: it says nothing about the account. Exact addresses
/// at these domains match like any other.
pub const FREE_MAIL_DOMAINS: &[&str] = &[
    "126.com",
    "163.com",
    "aol.com",
    "bluewin.ch",
    "comcast.net",
    "fastmail.com",
    "free.fr",
    "freenet.de",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hey.com",
    "hotmail.co.uk",
    "hotmail.com",
    "hotmail.de",
    "hotmail.fr",
    "icloud.com",
    "laposte.net",
    "libero.it",
    "live.com",
    "mac.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "orange.fr",
    "outlook.com",
    "outlook.de",
    "outlook.fr",
    "pm.me",
    "posteo.de",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "seznam.cz",
    "sfr.fr",
    "t-online.de",
    "telenet.be",
    "tutanota.com",
    "uol.com.br",
    "wanadoo.fr",
    "web.de",
    "wp.pl",
    "yahoo.co.jp",
    "yahoo.co.uk",
    "yahoo.com",
    "yahoo.de",
    "yahoo.fr",
    "yandex.ru",
    "ymail.com",
    "zoho.com",
];

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

/// Longest text of one reason, in bytes.
const EVIDENCE_BYTES_MAX: usize = 240;

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// A word for programs.
    pub kind: String,
    /// A sentence for people.
    pub text: String,
}

impl Evidence {
    /// A reason, its text cut to what a record can keep.
    #[must_use]
    pub fn new(kind: &str, text: String) -> Evidence {
        // Texts quote addresses and header values of strangers; the record must fit the store.
        let text = crate::message::cut_bytes(&text, EVIDENCE_BYTES_MAX);
        Evidence {
            kind: kind.to_owned(),
            text,
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
    /// 0 to 100.
    pub confidence: u8,
    /// Reasons, in the order in which they were looked at.
    pub evidence: Vec<Evidence>,
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

/// What was found in the records.
#[derive(Debug, Clone, Default)]
pub struct Lookups {
    /// The thread, when the message names one that is known.
    pub thread: Option<ThreadAffinity>,
    /// Hits for each key of [`address_keys`], in its order.
    pub addresses: Vec<(String, Vec<AddressHit>)>,
    /// Accounts for each key of [`domain_keys`], in its order.
    pub domains: Vec<(String, Vec<AccountId>)>,
}

impl Lookups {
    /// Whether the address itself, or its domain, is recorded for the account.
    fn names(&self, account: &AccountId) -> bool {
        let mut hits = self.addresses.iter().flat_map(|(_, hits)| hits);
        let mut domains = self.domains.iter().flat_map(|(_, accounts)| accounts);
        hits.any(|hit| hit.account == *account) || domains.any(|of_domain| of_domain == account)
    }
}

/// Confidence of an account that is known by the thread.
const THREAD_CONFIDENCE: u8 = 95;

/// Whose address it is and how it arrived.
#[derive(Debug, Clone)]
pub struct Sender<'a> {
    /// The address; `None` when the message has none that can be read.
    pub address: Option<&'a Address>,
    /// How many From addresses the message has: more than one is nobody.
    pub from_count: usize,
    /// It is one of our own.
    pub own: bool,
    /// Why the message is automatic; `None` for human mail.
    pub automatic: Option<String>,
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
pub fn domain_keys(domain: &Domain, free_mail: &[String]) -> Vec<String> {
    let name = domain.as_str();
    let Some(registrable) = psl::domain_str(name) else {
        return Vec::new();
    };
    if is_free_mail(registrable, free_mail) || is_free_mail(name, free_mail) {
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

/// Whether the domain belongs to a free-mail provider; `more` is the operator's own list.
#[must_use]
pub fn is_free_mail(domain: &str, more: &[String]) -> bool {
    FREE_MAIL_DOMAINS.contains(&domain) || more.iter().any(|own| own == domain)
}

/// The registrable part of a domain (`mail.example.co.uk` gives `example.co.uk`).
#[must_use]
pub fn registrable(domain: &str) -> Option<&str> {
    psl::domain_str(domain)
}

/// Matches a sender against what was found.
#[must_use]
pub fn match_sender(sender: &Sender<'_>, found: &Lookups, free_mail: &[String]) -> Match {
    let Some(address) = sender.address else {
        let text = "the message has no readable sender address".to_owned();
        return finish(
            MatchOutcome::Unknown,
            None,
            vec![Evidence::new("no-sender", text)],
        );
    };
    if sender.from_count > 1 {
        let text = format!(
            "the message has {} From addresses: nobody can say whose it is",
            sender.from_count
        );
        return finish(
            MatchOutcome::Unknown,
            None,
            vec![Evidence::new("several-from", text)],
        );
    }
    if sender.own {
        let text = format!("{address} is one of our own addresses");
        return finish(MatchOutcome::Own, None, vec![Evidence::new("own", text)]);
    }
    let mut matched = match_known(address, found, free_mail);
    if let Some(why) = &sender.automatic {
        matched
            .evidence
            .insert(0, Evidence::new("automatic", why.clone()));
        matched.outcome = MatchOutcome::Automatic;
    }
    matched
}

struct Step {
    kind: &'static str,
    text: String,
    confidence: u8,
    hits: Vec<AddressHit>,
}

fn match_known(address: &Address, found: &Lookups, free_mail: &[String]) -> Match {
    let mut evidence = Vec::new();
    let contact_of = |account: &AccountId| {
        found
            .addresses
            .iter()
            .flat_map(|(_, hits)| hits)
            .find(|hit| hit.account == *account)
            .and_then(|hit| hit.contact.clone())
    };
    if let Some(thread) = &found.thread {
        match &thread.account {
            Some(account) if thread.standing == Standing::Party || found.names(account) => {
                evidence.push(Evidence::new("thread", thread.text.clone()));
                let contact = contact_of(account);
                let account = (account.clone(), THREAD_CONFIDENCE);
                let mut matched = finish(MatchOutcome::Account, Some(account), evidence);
                matched.contact = contact;
                return matched;
            }
            _ if thread.standing == Standing::Outsider => {
                let text = format!(
                    "weak, not counted: it answers into a known thread ({}), but {address} took \
                     no part in it",
                    thread.text
                );
                evidence.push(Evidence::new("thread-outsider", text));
            }
            Some(_) => {
                let text = format!(
                    "weak, not counted: {}, but nothing says that {address} does",
                    thread.text
                );
                evidence.push(Evidence::new("thread-weak", text));
            }
            None => {}
        }
    }
    for step in steps(address, found) {
        let mut accounts: Vec<AccountId> =
            step.hits.iter().map(|hit| hit.account.clone()).collect();
        accounts.sort();
        accounts.dedup();
        evidence.push(Evidence::new(step.kind, step.text));
        match accounts.as_slice() {
            [] => continue,
            [account] => {
                let contacts: Vec<_> = step
                    .hits
                    .iter()
                    .filter_map(|hit| hit.contact.clone())
                    .collect();
                let account = (account.clone(), step.confidence);
                let mut matched = finish(MatchOutcome::Account, Some(account), evidence);
                if let [contact] = contacts.as_slice() {
                    matched.contact = Some(contact.clone());
                }
                return matched;
            }
            several => {
                let mut matched = finish(MatchOutcome::Ambiguous, None, evidence);
                matched.candidates = several.iter().take(CANDIDATES_MAX).cloned().collect();
                return matched;
            }
        }
    }
    evidence.push(nobody(address, free_mail));
    finish(MatchOutcome::Unknown, None, evidence)
}

fn steps(address: &Address, found: &Lookups) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, (key, hits)) in found.addresses.iter().enumerate() {
        let (kind, confidence) = if index == 0 {
            ("address", 100)
        } else {
            ("tag-removed", 90)
        };
        let text = match (hits.len(), index) {
            (0, _) => continue,
            (1, 0) => format!("{key} is the address of a contact"),
            (1, _) => format!("{key} (the address without its +tag) is the address of a contact"),
            (many, _) => format!("{key} is recorded {many} times"),
        };
        steps.push(Step {
            kind,
            text,
            confidence,
            hits: hits.clone(),
        });
    }
    for (domain, accounts) in &found.domains {
        if accounts.is_empty() {
            continue;
        }
        let exact = domain == address.domain().as_str();
        let text = match (accounts.len(), exact) {
            (1, true) => format!("{domain} is a domain of the account"),
            (1, false) => format!(
                "{} lies below {domain}, a domain of the account",
                address.domain()
            ),
            (many, _) => format!("{domain} is a domain of {many} accounts"),
        };
        let hits = accounts
            .iter()
            .map(|id| AddressHit {
                account: id.clone(),
                contact: None,
            })
            .collect();
        let (kind, confidence) = if exact {
            ("domain", 80)
        } else {
            ("parent-domain", 70)
        };
        steps.push(Step {
            kind,
            text,
            confidence,
            hits,
        });
    }
    steps
}

fn nobody(address: &Address, free_mail: &[String]) -> Evidence {
    let domain = address.domain().as_str();
    let registrable = psl::domain_str(domain).unwrap_or(domain);
    if is_free_mail(registrable, free_mail) || is_free_mail(domain, free_mail) {
        let text = format!(
            "no contact has {address}, and {domain} is a free-mail provider, which says nothing \
             about the company"
        );
        return Evidence::new("free-mail", text);
    }
    Evidence::new(
        "unknown",
        format!("no contact has {address} and no account has its domain"),
    )
}

fn finish(
    outcome: MatchOutcome,
    account: Option<(AccountId, u8)>,
    evidence: Vec<Evidence>,
) -> Match {
    let (account, confidence) = match account {
        Some((account, confidence)) => (Some(account), confidence),
        None if outcome == MatchOutcome::Own => (None, 100),
        None => (None, 0),
    };
    Match {
        outcome,
        account,
        contact: None,
        candidates: Vec::new(),
        confidence,
        evidence,
    }
}

#[cfg(test)]
mod tests;
