//! What the second look just before sending needs to know, read from the records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use liaison_core::account::ContactStatus;
use liaison_core::account::matching::registrable;
use liaison_core::effect::{Audience, MailEffect, MailMode};
use liaison_core::ids::EffectId;
use liaison_core::message::MessageRecord;
use liaison_core::outbox::MailState;
use liaison_core::policy::{CAP_WINDOW_MS, RecheckFacts, RecipientFacts, Since};
use liaison_core::time::{DAY_MS, HOUR_MS, Timestamp};
use liaison_core::whereabouts::Whereabouts;

use super::Delivery;
use crate::books::rows::LedgerRow;
use crate::books::{Books, BooksError, keys};
use crate::office::Office;
use crate::outbox::ledger::{EVERYBODY, Recipient, staff_ledger};
use crate::outbox::reach::{Stopped, came_back};
use crate::outbox::whereabouts::whereabouts;
use crate::pipeline::same_person;
use crate::privacy::Tombstones;
use crate::unsubscribe::opted_out;

/// How far back ledgers are read: a mail goes out up to some weeks after it was decided, and the
/// ledger knows when it was decided.
const LEDGER_MS: i64 = 4 * CAP_WINDOW_MS;

/// Newest messages of a conversation that are looked at for what came since.
const SINCE_MAX: usize = 20;

/// When mails went out: read from the records once, then counted.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    went_out: Option<WentOut>,
    /// Automatic ones on their way: each lives as long as its attempt.
    on_the_way: Arc<()>,
    /// All on their way, by [`names_of`].
    by_name: BTreeMap<String, Arc<()>>,
}

/// When mails went out.
#[derive(Debug, Default)]
pub(crate) struct WentOut {
    /// Automatic ones to anybody.
    pub(crate) automatic: Vec<Timestamp>,
    /// All of the last 24 hours, by [`names_of`].
    by_name: BTreeMap<String, Vec<Timestamp>>,
}

/// Held while a mail is on its way.
pub(super) struct OnTheWay {
    _automatic: Option<Arc<()>>,
    _by_name: Vec<Arc<()>>,
}

/// Domains of which times are kept before those that are over are let go.
const NAMES_MAX: usize = 10_000;

impl Breaker {
    /// Counts a mail as long as what is returned lives.
    pub(super) fn counted(&mut self, mail: &MailEffect, office: &Office) -> OnTheWay {
        let names = names_of(mail, office).into_iter();
        OnTheWay {
            _automatic: is_counted(mail).then(|| self.on_the_way.clone()),
            _by_name: names
                .map(|name| self.by_name.entry(name).or_default().clone())
                .collect(),
        }
    }

    /// Automatic mails that went out within the last hour.
    fn automatic_within_hour(&mut self, now: Timestamp) -> u32 {
        let times = &mut self.went_out.get_or_insert_default().automatic;
        times.retain(|at| now.since(*at) < HOUR_MS);
        within_hour(times, now)
    }

    fn on_the_way(&self) -> usize {
        Arc::strong_count(&self.on_the_way).saturating_sub(1)
    }

    /// Times under a name as the ceilings need them: none while there are fewer than the least of
    /// those, else the newest.
    fn times(&mut self, name: Option<&String>, ceilings: &[u32], now: Timestamp) -> Vec<Timestamp> {
        let Some(name) = name else {
            return Vec::new();
        };
        let held = self.by_name.get(name).map_or(1, Arc::strong_count);
        let on_the_way = held.saturating_sub(1);
        let ceilings = ceilings.iter().filter(|max| **max > 0);
        let ceilings = ceilings.map(|max| usize::try_from(*max).unwrap_or(usize::MAX));
        let (Some(least), Some(most)) = (ceilings.clone().min(), ceilings.max()) else {
            return Vec::new();
        };
        let went_out = self.went_out.get_or_insert_default();
        went_out.let_go(name, now);
        let times = went_out.by_name.get(name).map_or(&[][..], Vec::as_slice);
        if times.len().saturating_add(on_the_way) < least {
            return Vec::new();
        }
        let newest = times.iter().skip(times.len().saturating_sub(most));
        newest
            .copied()
            .chain(std::iter::repeat_n(now, on_the_way))
            .collect()
    }
}

impl WentOut {
    fn add(&mut self, mail: &MailEffect, office: &Office, at: Timestamp) {
        if is_counted(mail) {
            self.automatic.push(at);
        }
        for name in names_of(mail, office) {
            self.by_name.entry(name).or_default().push(at);
        }
    }

    /// Lets go of times under a name that are over.
    fn let_go(&mut self, name: &str, now: Timestamp) {
        let over = |times: &mut Vec<Timestamp>| times.retain(|at| now.since(*at) < DAY_MS);
        if self.by_name.len() > NAMES_MAX {
            self.by_name.values_mut().for_each(over);
            self.by_name.retain(|_, times| !times.is_empty());
        }
        if let Some(times) = self.by_name.get_mut(name) {
            over(times);
        }
    }

    /// Times through the transport of a mail, and to the organisation of its recipient.
    pub(crate) fn of(
        &self,
        mail: &MailEffect,
        office: &Office,
    ) -> (Vec<Timestamp>, Vec<Timestamp>) {
        let of = |name: Option<String>| {
            let times = name.and_then(|name| self.by_name.get(&name));
            times.cloned().unwrap_or_default()
        };
        (of(login_of(mail)), of(domain_of(mail, office)))
    }
}

/// The name under which mails through its transport are counted; none for what is laid into Drafts.
fn login_of(mail: &MailEffect) -> Option<String> {
    (!mail.is_draft()).then(|| format!("login:{}", mail.transport))
}

/// The same for the organisation of a counterpart: many people have addresses at a free-mail
/// provider, and nothing in common.
fn domain_of(mail: &MailEffect, office: &Office) -> Option<String> {
    if mail.is_draft() || mail.audience == Audience::Staff {
        return None;
    }
    let (_, domain) = mail.recipient.rsplit_once('@')?;
    let domain = registrable(domain).unwrap_or(domain);
    (!office.free_mail.has(domain)).then(|| format!("domain:{domain}"))
}

fn names_of(mail: &MailEffect, office: &Office) -> Vec<String> {
    login_of(mail)
        .into_iter()
        .chain(domain_of(mail, office))
        .collect()
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
            since: self.since(mail, answered.as_ref()).await?,
            thread,
            answered,
            sent_last_hour,
            through_login: Vec::new(),
            to_domain: Vec::new(),
        })
    }

    /// What people wrote into the conversation of a mail since it was decided, newest first. What a
    /// person approved is overtaken by what came after their yes only.
    async fn since(
        self,
        mail: &MailEffect,
        answered: Option<&MessageRecord>,
    ) -> Result<Since, BooksError> {
        let (Some(thread), true) = (&mail.cause.subject.thread, mail.cancel_on_reply) else {
            return Ok(Since::Nothing);
        };
        let by_itself = mail.mode == MailMode::Send && mail.state != MailState::Approved;
        if mail.mode != MailMode::Send && mail.state != MailState::Approved {
            return Ok(Since::Nothing);
        }
        let mut since = Since::Nothing;
        let messages = self.books.thread_messages(thread, SINCE_MAX).await?;
        for message in messages.iter().rev() {
            let earlier = answered.is_some_and(|answered| message.received <= answered.received);
            if earlier || mail.answers.as_ref() == Some(&message.key) || message.historical {
                break;
            }
            if !by_itself && message.received <= mail.since {
                break;
            }
            let outcome = self.books.outcome(message.key.as_str()).await?;
            let seq = outcome.as_ref().and_then(|outcome| outcome.seq);
            if seq.is_none_or(|seq| seq <= mail.cause.event_seq) {
                continue;
            }
            let doubt = outcome.and_then(|outcome| outcome.matched);
            let doubt = doubt.is_some_and(|matched| matched.doubt().is_some());
            match self.weight(mail, message, doubt).await? {
                Since::Nothing => {}
                answer @ Since::Answer(_) => return Ok(answer),
                aside @ Since::Aside(_) => since = aside,
            }
        }
        Ok(since)
    }

    async fn weight(
        self,
        mail: &MailEffect,
        message: &MessageRecord,
        doubt: bool,
    ) -> Result<Since, BooksError> {
        let when = message.received;
        let owns = |email: &str| self.office.firm.owns(email);
        if message.outbound {
            let outside = message.to.iter().chain(&message.cc);
            let by_hand = message.effect.is_none() && { outside }.any(|to| !owns(&to.email));
            return Ok(match by_hand {
                true => Since::Answer(format!("one of us wrote in the thread on {when}")),
                false => Since::Nothing,
            });
        }
        let from = message.from.as_ref().map(|from| from.email.as_str());
        let from = from.filter(|email| !owns(email));
        let (Some(who), true, true) = (from, message.is_human(), message.authenticity != "fail")
        else {
            return Ok(Since::Nothing);
        };
        let standing = self
            .books
            .standing(&message.thread, who, &self.office.free_mail)
            .await?;
        let of_account = message.account.is_some() && message.account == mail.cause.subject.account;
        let known = standing.may_answer() || of_account || same_person(who, &mail.recipient);
        Ok(match known && !doubt {
            true => Since::Answer(format!("{who} wrote in the thread on {when}")),
            false => Since::Aside(format!(
                "{who} wrote into the thread on {when}, and whether that is an answer is not known: \
                 look at it, then approve or reject"
            )),
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
        let tombstones = Tombstones::read(books).await?;
        let mut facts = RecipientFacts {
            same_as: recipient.same_as(),
            // Erased while the mail was being decided.
            do_not_contact: tombstones.has(books, &mail.recipient).await?,
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

    /// When mails went out, to customers and to our own people.
    pub(crate) async fn went_out(self, now: Timestamp) -> Result<WentOut, BooksError> {
        let staff = self.office.people.keys().map(|email| staff_ledger(email));
        let mut sent = WentOut::default();
        for ledger in std::iter::once(EVERYBODY.to_owned()).chain(staff) {
            for row in self.ledger_of(&ledger, now).await? {
                let Some(mail) = self.books.mail(&row.effect).await? else {
                    continue;
                };
                if let Some(at) = went_out(&mail) {
                    match now.since(at) < DAY_MS {
                        true => sent.add(&mail, self.office, at),
                        false => sent.automatic.extend(is_counted(&mail).then_some(at)),
                    }
                }
            }
        }
        sent.by_name.values_mut().for_each(|times| times.sort());
        Ok(sent)
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
        let office = &self.parts.office;
        if breaker.went_out.is_none() {
            breaker.went_out = Some(look.went_out(now).await?);
        }
        let sent_last_hour = match mail.mode {
            MailMode::Send => {
                let on_the_way = u32::try_from(breaker.on_the_way()).unwrap_or(u32::MAX);
                breaker
                    .automatic_within_hour(now)
                    .saturating_add(on_the_way)
            }
            _ => 0,
        };
        let limits = &office.limits;
        let login = [limits.login_mails_per_minute, limits.login_mails_per_day];
        let mut facts = look.facts(mail, sent_last_hour, now).await?;
        facts.through_login = breaker.times(login_of(mail).as_ref(), &login, now);
        let domain = [limits.domain_mails_per_day];
        facts.to_domain = breaker.times(domain_of(mail, office).as_ref(), &domain, now);
        Ok(facts)
    }

    /// Counts a mail that went out, or may have.
    pub(super) async fn count_sent(&self, mail: &MailEffect) {
        if let Some(sent) = self.gate.lock().await.went_out.as_mut() {
            sent.add(mail, &self.parts.office, mail.since);
        }
    }

    /// Shows that the circuit breaker holds mails, or that it does no longer.
    pub(super) fn show_breaker(&self, why: Option<&str>) {
        let freshness = &self.parts.freshness;
        match why {
            Some(why) => {
                let what = format!("{why}; what was to leave by itself waits for a person");
                if freshness.breaker_trips(what.clone()) {
                    tracing::error!(%what, "circuit breaker");
                }
            }
            None => {
                if freshness.breaker_rests() {
                    tracing::info!("the circuit breaker lets automatic mail leave again");
                }
            }
        }
    }

    /// Looks whether the circuit breaker would let an automatic mail leave again.
    pub(super) async fn look_at_breaker(&self) -> Result<(), BooksError> {
        let now = self.parts.clock.now();
        // Whoever has it looks, too; nobody waits for this.
        let Ok(mut breaker) = self.gate.try_lock() else {
            return Ok(());
        };
        if breaker.went_out.is_none() {
            let look = SecondLook {
                books: &self.parts.books,
                office: &self.parts.office,
            };
            breaker.went_out = Some(look.went_out(now).await?);
        }
        if breaker.automatic_within_hour(now) < self.parts.office.limits.automatic_per_hour {
            self.show_breaker(None);
        }
        Ok(())
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
