//! What the second look just before sending needs to know, read from the records.

use std::collections::BTreeSet;
use std::sync::Arc;

use liaison_core::account::ContactStatus;
use liaison_core::effect::{Audience, MailEffect, MailMode};
use liaison_core::ids::EffectId;
use liaison_core::outbox::MailState;
use liaison_core::policy::{CAP_WINDOW_MS, RecheckFacts, RecipientFacts};
use liaison_core::time::{DAY_MS, HOUR_MS, Timestamp};
use liaison_core::whereabouts::Whereabouts;

use super::Delivery;
use crate::books::rows::LedgerRow;
use crate::books::{Books, BooksError, keys};
use crate::office::Office;
use crate::outbox::ledger::{EVERYBODY, Recipient};
use crate::outbox::reach::{Stopped, came_back};
use crate::outbox::whereabouts::whereabouts;
use crate::unsubscribe::opted_out;

/// How far back ledgers are read: a mail goes out up to some weeks after it was decided, and the
/// ledger knows when it was decided.
const LEDGER_MS: i64 = 4 * CAP_WINDOW_MS;

/// When automatic mails went out within the last hour: read from the records once, then counted.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    went_out: Option<Vec<Timestamp>>,
    /// Those on their way: each lives as long as its attempt.
    on_the_way: Arc<()>,
}

impl Breaker {
    /// Counts an automatic mail as long as what is returned lives.
    pub(super) fn counted(&self, mail: &MailEffect) -> Option<Arc<()>> {
        is_counted(mail).then(|| self.on_the_way.clone())
    }

    fn on_the_way(&self) -> usize {
        Arc::strong_count(&self.on_the_way).saturating_sub(1)
    }
}

/// Mails of a ledger.
#[derive(Debug, Default)]
struct Touches {
    /// That count for the frequency cap.
    mails: Vec<Timestamp>,
    /// That went out by themselves within 24 hours.
    automatic: Vec<Timestamp>,
}

/// The records that the second look reads; `liaison explain-schedule` takes the same look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SecondLook<'a> {
    pub(crate) books: &'a Books,
    pub(crate) office: &'a Office,
}

impl<'a> SecondLook<'a> {
    /// Reads everything that [`liaison_core::policy::recheck`] looks at. The panic switch
    /// is asked before.
    pub(crate) async fn facts(
        self,
        mail: &MailEffect,
        sent_last_hour: u32,
        now: Timestamp,
    ) -> Result<RecheckFacts<'a>, BooksError> {
        let (books, office) = (self.books, self.office);
        let subject = &mail.cause.subject;
        let thread = match &subject.thread {
            Some(id) => books.thread(id).await?,
            None => None,
        };
        let answered = match &mail.answers {
            Some(key) => books.message(key).await?,
            None => None,
        };
        let supposed = subject.account.as_ref();
        let to = Recipient::of(books, &mail.recipient, supposed, &office.free_mail).await?;
        let mut recipient = self.recipient_facts(mail, &to, now).await?;
        let heeds_quiet_hours = match mail.mode {
            MailMode::Send => true,
            MailMode::Approve => office.firm.quiet.approved,
            _ => false,
        };
        let heeds_quiet_hours = heeds_quiet_hours && !office.firm.quiet.is_none();
        if heeds_quiet_hours && mail.audience == Audience::Counterpart {
            recipient.whereabouts = Some(self.whereabouts_of(&to, mail, now).await?);
        }
        Ok(RecheckFacts {
            now,
            firm: &office.firm,
            limits: &office.limits,
            recipient,
            thread,
            answered,
            sent_last_hour,
        })
    }

    /// Where the recipient of a mail is.
    pub(crate) async fn whereabouts(
        self,
        mail: &MailEffect,
        now: Timestamp,
    ) -> Result<Whereabouts, BooksError> {
        let supposed = mail.cause.subject.account.as_ref();
        let free_mail = &self.office.free_mail;
        let to = Recipient::of(self.books, &mail.recipient, supposed, free_mail).await?;
        self.whereabouts_of(&to, mail, now).await
    }

    async fn whereabouts_of(
        self,
        to: &Recipient,
        mail: &MailEffect,
        now: Timestamp,
    ) -> Result<Whereabouts, BooksError> {
        let person = (mail.recipient.as_str(), mail.cause.subject.thread.as_ref());
        whereabouts(self.books, to, person, &self.office.firm, now).await
    }

    async fn recipient_facts(
        self,
        mail: &MailEffect,
        recipient: &Recipient,
        now: Timestamp,
    ) -> Result<RecipientFacts, BooksError> {
        let books = self.books;
        let subject = &mail.cause.subject;
        let mut facts = RecipientFacts {
            same_as: recipient.same_as(),
            accounts: recipient.accounts.clone(),
            opted_out: opted_out(books, &mail.recipient).await?,
            ..RecipientFacts::default()
        };
        let stopped = Stopped::of(books, &mail.recipient).await?;
        (facts.undeliverable, facts.domain_stopped) = (stopped.address, stopped.domain);
        for account in &recipient.related {
            let account = books.account(account).await?;
            facts.do_not_contact |= account.is_some_and(|account| account.do_not_contact);
        }
        let mut contacts = recipient.contacts.clone();
        // The subject's contact need not be the recipient.
        if subject.counterpart.as_ref() == Some(&mail.recipient)
            && let Some(contact) = &subject.contact
            && let Some(mut contact) = books.contact(contact).await?
        {
            contact.account = books.standing_id(&contact.account).await?;
            contacts.push(contact);
        }
        let account = match &subject.account {
            Some(account) => Some(books.standing_id(account).await?),
            None => None,
        };
        for contact in &contacts {
            facts.of_account |= account.as_ref() == Some(&contact.account);
            facts.do_not_contact |= contact.do_not_contact;
            facts.left |= contact.status == ContactStatus::Left;
        }
        let touches = self.touches(&facts.same_as, mail, now).await?;
        facts.mails = touches.mails;
        facts.automatic = touches.automatic;
        let ledgers = recipient.account_ledgers();
        facts.account_mails = self.touches(&ledgers, mail, now).await?.mails;
        Ok(facts)
    }

    /// Mails to a counterpart in these ledgers without `mail` itself. Of those that have not begun
    /// to go out only the ones decided before it count: else two would wait for each other.
    async fn touches(
        self,
        ledgers: &BTreeSet<String>,
        mail: &MailEffect,
        now: Timestamp,
    ) -> Result<Touches, BooksError> {
        let mut touches = Touches::default();
        let mut seen: BTreeSet<EffectId> = BTreeSet::from([mail.id.clone()]);
        for ledger in ledgers {
            for row in self.ledger_of(ledger, now).await? {
                if !seen.insert(row.effect.clone()) {
                    continue;
                }
                let Some(other) = self.books.mail(&row.effect).await? else {
                    continue;
                };
                if other.audience != Audience::Counterpart || !other.state.counts_as_contact() {
                    continue;
                }
                let Some(at) = went_out(&other) else {
                    if (other.created, &other.id) < (mail.created, &mail.id) {
                        touches.mails.push(row.at);
                    }
                    continue;
                };
                if !came_back(self.books, &other.id).await? {
                    touches.mails.push(at);
                }
                let with_server = !matches!(other.state, MailState::Drafted);
                if other.mode == MailMode::Send && with_server && now.since(at) < DAY_MS {
                    touches.automatic.push(at);
                }
            }
        }
        touches.mails.sort();
        touches.automatic.sort();
        Ok(touches)
    }

    async fn ledger_of(self, who: &str, now: Timestamp) -> Result<Vec<LedgerRow>, BooksError> {
        let range = keys::ledger_since(who, now.minus_millis(LEDGER_MS));
        self.books.every(range).await
    }

    /// When automatic mails went out to anybody.
    pub(crate) async fn automatic_times(
        self,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, BooksError> {
        let mut times = Vec::new();
        for row in self.ledger_of(EVERYBODY, now).await? {
            let mail = self.books.mail(&row.effect).await?;
            let automatic = mail.filter(is_counted);
            times.extend(automatic.as_ref().and_then(went_out));
        }
        Ok(times)
    }
}

/// How many of these lie within the last hour.
pub(crate) fn within_hour(times: &[Timestamp], now: Timestamp) -> u32 {
    let count = times.iter().filter(|at| now.since(**at) < HOUR_MS).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Delivery {
    pub(super) async fn facts<'a>(
        &'a self,
        mail: &MailEffect,
        breaker: &mut Breaker,
        now: Timestamp,
    ) -> Result<RecheckFacts<'a>, BooksError> {
        let look = SecondLook {
            books: &self.parts.books,
            office: &self.parts.office,
        };
        let sent_last_hour = match mail.mode {
            MailMode::Send => {
                if breaker.went_out.is_none() {
                    breaker.went_out = Some(look.automatic_times(now).await?);
                }
                let on_the_way = breaker.on_the_way();
                let times = breaker.went_out.get_or_insert_default();
                times.retain(|at| now.since(*at) < HOUR_MS);
                let on_the_way = u32::try_from(on_the_way).unwrap_or(u32::MAX);
                within_hour(times, now).saturating_add(on_the_way)
            }
            _ => 0,
        };
        look.facts(mail, sent_last_hour, now).await
    }

    /// Counts a mail that went out, or may have.
    pub(super) async fn count_sent(&self, mail: &MailEffect) {
        if is_counted(mail)
            && let Some(times) = self.gate.lock().await.went_out.as_mut()
        {
            times.push(mail.since);
        }
    }
}

/// Whether the circuit breaker counts it.
fn is_counted(mail: &MailEffect) -> bool {
    mail.mode == MailMode::Send && mail.audience == Audience::Counterpart
}

/// Since when a mail is out of our hands, or may be.
fn went_out(mail: &MailEffect) -> Option<Timestamp> {
    let out = matches!(
        mail.state,
        MailState::Leased(_)
            | MailState::Sent
            | MailState::Uncertain
            | MailState::Drafted
            | MailState::Resolved { sent: true }
    );
    out.then_some(mail.since)
}
