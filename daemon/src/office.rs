//! Ourselves, as the workers need to know it: people, routes of mail, calendars, ceilings.
//!
//! Built once from the configuration; a reload builds a new one.

use std::collections::BTreeMap;
use std::sync::Arc;

use liaison_core::account::matching::FreeMail;
use liaison_core::account::matching::sender::FormSenders;
use liaison_core::business_time::WorkTime;
use liaison_core::calendar::SlotRules;
use liaison_core::effect::MailEffect;
use liaison_core::happening::UserView;
use liaison_core::ids::{CalendarId, MailboxId};
use liaison_core::mail::address::Address;
use liaison_core::outbox::IfUncertain;
use liaison_core::outbox::approval::Patience;
use liaison_core::policy::{Firm, Limits, Route};

use crate::dkim::DkimVerifier;
use crate::unsubscribe::Unsubscribe;

/// How mail because of a mailbox leaves.
#[derive(Debug, Clone)]
pub struct MailboxRoute {
    /// Address of our person who owns the mailbox.
    pub owner: Option<String>,
    /// Transport and From.
    pub route: Option<Route>,
    /// Where answers to these mails shall go, if not to From.
    pub reply_to: Option<String>,
    /// A copy of what was sent is filed into Sent by us.
    pub file_sent_copy: bool,
    /// What becomes of a mail in doubt that is not found in Sent.
    pub if_uncertain: IfUncertain,
}

/// One of our people.
#[derive(Debug, Clone)]
pub struct Person {
    /// As plugins see them.
    pub user: UserView,
    /// All their addresses.
    pub addresses: Vec<String>,
    /// When they work.
    pub work: WorkTime,
    /// Text below their mails.
    pub signature: Option<String>,
    /// Calendars that tell when they are busy.
    pub calendars: Vec<CalendarId>,
    /// The one that holds go into.
    pub hold_calendar: Option<CalendarId>,
}

/// Everything about ourselves.
#[derive(Debug, Clone)]
pub struct Office {
    /// Addresses, domains, hours.
    pub firm: Firm,
    /// Ceilings.
    pub limits: Limits,
    /// Whose Authentication-Results are believed (RFC 8601).
    pub authserv_ids: Vec<String>,
    /// Our own check of signatures, where it is switched on.
    pub dkim: Option<Arc<DkimVerifier>>,
    /// Free-mail providers.
    pub free_mail: FreeMail,
    /// Web forms: their mail is from whoever filled them in.
    pub forms: FormSenders,
    /// Days after which a question whose an address is counts as stale.
    pub review_days: u32,
    /// Whether subject and people tell which thread a message without links may belong to.
    pub threads_by_subject: bool,
    /// Our people, by address.
    pub people: BTreeMap<String, Person>,
    /// By name of the mailbox.
    pub mailboxes: BTreeMap<MailboxId, MailboxRoute>,
    /// How notifications leave as mail.
    pub staff_route: Option<Route>,
    /// What a time for a meeting must be like.
    pub meetings: SlotRules,
    /// Text below mails of people without their own.
    pub signature: Option<String>,
    /// Mails have an HTML form beside the plain one.
    pub html: bool,
    /// How long a held mail waits before somebody is told.
    pub approval: Patience,
    /// How recipients of follow-ups ask for their end.
    pub unsubscribe: Unsubscribe,
}

impl Office {
    /// The mailbox to which a mail of ours belongs: the one of its cause, else that of its sender.
    #[must_use]
    pub fn mailbox_of(&self, mail: &MailEffect) -> Option<MailboxId> {
        let named = mail.cause.subject.mailbox.as_deref().map(MailboxId::from);
        if let Some(named) = named.filter(|named| self.mailboxes.contains_key(named)) {
            return Some(named);
        }
        let from = Some(mail.from.as_str());
        let ours = |(_, route): &(&MailboxId, &MailboxRoute)| {
            from == route.route.as_ref().map(|route| route.from.as_str())
                || from == route.owner.as_deref()
        };
        self.mailboxes.iter().find(ours).map(|(id, _)| id.clone())
    }

    /// Whether an address is ours.
    #[must_use]
    pub fn owns(&self, address: &Address) -> bool {
        let key = address.key();
        self.firm.owns(&key) || self.people.contains_key(&key)
    }

    /// One of us by address, alias or name, in any case.
    #[must_use]
    pub fn person(&self, name: &str) -> Option<&Person> {
        let name = name.trim();
        let by_address = self.people.values().find(|person| {
            let mut own = person.addresses.iter();
            own.any(|own| own.eq_ignore_ascii_case(name))
        });
        by_address.or_else(|| {
            let lower = name.to_lowercase();
            let same = |person: &&Person| person.user.name.to_lowercase() == lower;
            let mut people = self.people.values().filter(same);
            people.next().filter(|_| people.next().is_none())
        })
    }

    /// Our person who looks after an account or, without one, after a mailbox.
    #[must_use]
    pub fn person_for(
        &self,
        account_owner: Option<&str>,
        mailbox: Option<&MailboxId>,
    ) -> Option<&Person> {
        let of_mailbox = || {
            let route = self.mailboxes.get(mailbox?)?;
            self.people.get(route.owner.as_deref()?)
        };
        account_owner
            .and_then(|owner| self.people.get(owner))
            .or_else(of_mailbox)
    }
}
