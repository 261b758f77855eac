//! Who a sender really is: our own check of signatures, and what speaks against them.

use std::time::Duration;

use futures_util::future::join_all;
use liaison_core::account::lookalike::{look_alike, probes};
use liaison_core::account::matching::{Evidence, Kind, Lookups, ThreadAffinity};
use liaison_core::account::warnings::{
    KnownDomain, KnownPerson, display_name_warning, look_alike_warning, results_ignored,
    signature_doubt,
};
use liaison_core::ids::AccountId;
use liaison_core::mail::address::{Address, NamedAddress};
use liaison_core::mail::authenticity::{ignored_results, single_sender};
use liaison_core::mail::{DkimCheck, MessageView, Verdict, judged};
use liaison_core::time::Timestamp;

use super::message::is_new_after_rebind;
use super::{Ingest, Prepared, bytes_of};
use crate::accounts::whose::Whose;
use crate::books::rows::CursorRow;
use crate::books::{Books, BooksError, keys};
use crate::dkim::{DkimVerifier, is_signed};
use crate::office::Office;
use crate::source::{Batch, BatchMode, Content, FolderRole};

/// Messages whose signatures are checked at the same time: a few groups make a batch, so that the
/// time of one batch does not end with a handful of messages whose domains have dead name servers.
const CHECKS_PARALLEL: usize = 64;
/// Time that the signatures of one batch may take; what is left over is not checked, so that a slow
/// DNS server does not hold up the mail.
const BATCH_CHECKS_LIMIT: Duration = Duration::from_secs(10);
/// Recorded domains under one skeleton that are compared with a stranger's.
const CANDIDATES_MAX: usize = 16;
/// Contacts of an account whose names are compared with a stranger's.
const CONTACTS_MAX: usize = 50;

impl Ingest {
    /// Checks the signatures of what is new, where that is switched on. Old mail found at the
    /// first look is history: nothing is asked because of it.
    pub(super) async fn check_senders(
        &self,
        batch: &Batch,
        prepared: &mut [Prepared],
    ) -> Result<(), BooksError> {
        let live = batch.mode != BatchMode::History && batch.folder.role != FolderRole::Sent;
        let Some(verifier) = self.office.dkim.as_ref().filter(|_| live) else {
            return Ok(());
        };
        let last_look = match batch.mode {
            BatchMode::Rebind => {
                let cursor = self.books.get::<CursorRow>(keys::cursor(&batch.folder));
                cursor.await?.map(|row| row.record.at)
            }
            _ => None,
        };
        let mut spent = Duration::ZERO;
        for chunk in prepared.chunks_mut(CHECKS_PARALLEL) {
            let in_time = spent < BATCH_CHECKS_LIMIT;
            let began = self.clock.monotonic();
            let checks = chunk.iter().map(|item| async {
                match self.is_to_check(batch, item, last_look).await? {
                    true if in_time => Ok(Some(self.check(verifier, item).await)),
                    true => Ok(Some(too_slow())),
                    false => Ok::<_, BooksError>(None),
                }
            });
            let checks = join_all(checks).await;
            spent = spent.saturating_add(self.clock.monotonic().saturating_sub(began));
            for (item, check) in chunk.iter_mut().zip(checks) {
                item.dkim = check?;
            }
        }
        Ok(())
    }

    async fn is_to_check(
        &self,
        batch: &Batch,
        item: &Prepared,
        last_look: Option<Timestamp>,
    ) -> Result<bool, BooksError> {
        let Ok(view) = &item.view else {
            return Ok(false);
        };
        let received = item.arrived.received_at;
        let times = (received, view.date.unwrap_or(received));
        if item.erased.whole
            || batch.mode == BatchMode::Rebind && !is_new_after_rebind(times, last_look)
        {
            return Ok(false);
        }
        // What is known was judged when it came in.
        Ok(!is_signed(view) || self.books.message(&view.key()).await?.is_none())
    }

    async fn check(&self, verifier: &DkimVerifier, item: &Prepared) -> DkimCheck {
        let Ok(view) = &item.view else {
            return too_slow();
        };
        let whole = match &item.arrived.content {
            Content::Message(_) => bytes_of(&item.arrived.content),
            _ => None,
        };
        let received = item.arrived.received_at.min(self.clock.now());
        verifier.check(view, whole, received).await
    }
}

fn too_slow() -> DkimCheck {
    DkimCheck {
        verdict: Verdict::Unknown,
        detail: format!(
            "the DKIM signatures were not checked: those of the messages before it took more than \
             {} seconds",
            BATCH_CHECKS_LIMIT.as_secs()
        ),
        doubt: None,
    }
}

/// An inbound message whose sender is looked at.
#[derive(Debug)]
pub(crate) struct Inbound<'a> {
    /// Ourselves.
    pub office: &'a Office,
    /// The message.
    pub view: &'a MessageView,
    /// What its thread says of its sender.
    pub thread: Option<ThreadAffinity>,
    /// Our own check of its signatures, where one was made.
    pub dkim: Option<&'a DkimCheck>,
}

impl Inbound<'_> {
    /// Who is judged: From with its display name. Where a list, or a form of the configuration, put
    /// itself into From, the name is that of the person behind it: their address is judged then.
    fn judged(&self, whose: &Whose) -> Option<NamedAddress> {
        single_sender(self.view)?;
        let named = self.view.from.first()?;
        let is_form = self.office.forms.has(&named.address);
        let behind = |reason: &Evidence| match reason.known() {
            Some(Kind::ListRewritten) => true,
            Some(Kind::FormReplyTo | Kind::FormBody) => is_form,
            _ => false,
        };
        Some(match &whose.address {
            Some(person) if whose.matched.evidence.iter().any(behind) => {
                NamedAddress::new(named.name.as_deref(), person.clone())
            }
            _ => named.clone(),
        })
    }
}

/// What a sender is compared with.
struct Known<'a> {
    /// Ourselves.
    office: &'a Office,
    /// What the records and the thread say of the address.
    found: Lookups,
}

impl Known<'_> {
    /// The records know the address or its domain, or a person decided whose it is.
    fn is_recorded(&self) -> bool {
        let mut hits = self.found.addresses.iter().flat_map(|(_, hits)| hits);
        let mut accounts = self.found.domains.iter().flat_map(|(_, accounts)| accounts);
        let decided = !self.found.decided.is_empty();
        decided || hits.next().is_some() || accounts.next().is_some()
    }

    fn account_of_thread(&self) -> Option<&AccountId> {
        self.found.thread.as_ref()?.account.as_ref()
    }
}

impl Books {
    /// A match with what speaks against the sender of its message, and what our own check found.
    ///
    /// Reads a bounded number of rows, whatever the number of accounts.
    ///
    /// # Errors
    /// As the store.
    pub(crate) async fn warned(
        &self,
        whose: Whose,
        inbound: Inbound<'_>,
    ) -> Result<Whose, BooksError> {
        let judged_sender = inbound.judged(&whose);
        let Inbound {
            office,
            view,
            thread,
            dkim,
        } = inbound;
        let mut warnings = match judged_sender {
            Some(named) => self.sender_warnings(&named, office, thread).await?,
            None => Vec::new(),
        };
        let told = judged(view, &office.authserv_ids, dkim);
        if told.verdict != Verdict::Pass {
            warnings.extend(dkim.and_then(signature_doubt));
            let ignored = ignored_results(view, &office.authserv_ids);
            warnings.extend(results_ignored(&ignored, &office.authserv_ids));
        }
        if dkim.is_some() {
            let text = format!("{}: {}", told.verdict.as_str(), told.detail);
            warnings.push(Evidence::new(Kind::Authenticity, text));
        }
        Ok(whose.warned(warnings))
    }

    /// What speaks against an address and its display name.
    ///
    /// # Errors
    /// As the store.
    pub(crate) async fn sender_warnings(
        &self,
        named: &NamedAddress,
        office: &Office,
        thread: Option<ThreadAffinity>,
    ) -> Result<Vec<Evidence>, BooksError> {
        let mut warnings = Vec::new();
        if office.owns(&named.address) {
            return Ok(warnings);
        }
        let mut found = self.lookups(&named.address, &office.free_mail).await?;
        found.thread = thread;
        let known = Known { office, found };
        if !known.is_recorded() {
            let domains = self.known_domains(&named.address, &known).await?;
            warnings.extend(look_alike_warning(&named.address, &domains));
        }
        let people = self.known_people(named, &known).await?;
        warnings.extend(display_name_warning(named, &people));
        Ok(warnings)
    }

    /// Domains that a stranger's may be made to look like: ours, those of the thread's account, and
    /// those that the index of skeletons names.
    async fn known_domains(
        &self,
        from: &Address,
        known: &Known<'_>,
    ) -> Result<Vec<KnownDomain>, BooksError> {
        let domain = from.domain().as_str();
        if known.office.free_mail.has(domain) {
            return Ok(Vec::new());
        }
        let own = known.office.firm.own_domains.iter().map(|own| KnownDomain {
            domain: own.clone(),
            whose: "a domain of ours".to_owned(),
        });
        let mut domains: Vec<KnownDomain> = own.collect();
        if let Some(id) = known.account_of_thread()
            && let Some(account) = self.account(id).await?
        {
            domains.extend(account.domains.into_iter().map(|domain| KnownDomain {
                domain,
                whose: format!("a domain of {}", account.name),
            }));
        }
        for probe in probes(domain) {
            let keys = self
                .keys_under(keys::skeletons(&probe), CANDIDATES_MAX)
                .await?;
            for (candidate, id) in keys.iter().filter_map(|key| keys::skeleton_domain(key)) {
                let is_known = domains.iter().any(|known| known.domain == candidate);
                if is_known || look_alike(domain, &candidate).is_none() {
                    continue;
                }
                let account = self.account(&id).await?;
                let name = account.map_or_else(|| id.to_string(), |account| account.name);
                domains.push(KnownDomain {
                    domain: candidate,
                    whose: format!("a domain of {name}"),
                });
            }
        }
        Ok(domains)
    }

    /// People whose name a stranger may bear: ours, and the contacts of the thread's account, where
    /// the sender does not belong to it.
    async fn known_people(
        &self,
        from: &NamedAddress,
        known: &Known<'_>,
    ) -> Result<Vec<KnownPerson>, BooksError> {
        if from.name.is_none() {
            return Ok(Vec::new());
        }
        let own = known.office.people.values().map(|person| KnownPerson {
            name: person.user.name.clone(),
            addresses: vec![person.user.email.clone()],
            own: true,
        });
        let mut people: Vec<KnownPerson> = own.collect();
        let hits = known.found.addresses.iter().flat_map(|(_, hits)| hits);
        for contact in hits.filter_map(|hit| hit.contact.as_ref()) {
            people.extend(self.contact(contact).await?.and_then(known_person));
        }
        if known.is_recorded() {
            return Ok(people);
        }
        if let Some(account) = known.account_of_thread() {
            let keys = self
                .keys_under(keys::account_contacts(account), CONTACTS_MAX)
                .await?;
            for id in keys.iter().filter_map(|key| keys::indexed_contact(key)) {
                people.extend(self.contact(&id).await?.and_then(known_person));
            }
        }
        Ok(people)
    }
}

fn known_person(contact: liaison_core::account::Contact) -> Option<KnownPerson> {
    Some(KnownPerson {
        name: contact.name?,
        addresses: contact.addresses,
        own: false,
    })
}
