//! Invitations of those for whom times are held, over these times: their owner gets a task, once.

use std::collections::BTreeMap;

use liaison_core::calendar::EventStatus;
use liaison_core::effect::{HoldEffect, HoldState};
use liaison_core::hold::Invitation;
use liaison_core::ids::CalendarId;
use liaison_core::mail::address::Address;
use liaison_core::time::Window;

use super::super::{Delivery, WHO};
use crate::books::rows::AuditRow;
use crate::books::{BooksError, keys, replace};
use crate::outbox::stage_audit;

impl Delivery {
    /// Looks for invitations over the times that are held, and lays them before the owner. Each
    /// calendar is gone through once, however many holds there are.
    pub(super) async fn look_for_invitations(&self) -> Result<usize, BooksError> {
        let mut by_calendar: BTreeMap<CalendarId, Vec<HoldEffect>> = BTreeMap::new();
        for hold in self.parts.books.open_holds().await? {
            if hold.state != HoldState::Placed {
                continue;
            }
            for calendar in self.calendars_of(&hold) {
                by_calendar.entry(calendar).or_default().push(hold.clone());
            }
        }
        let mut told = 0_usize;
        for (calendar, holds) in by_calendar {
            for (hold, invitation) in self.invitations_in(&calendar, &holds).await? {
                let made = self.tell_of_invitation(hold, &invitation).await?;
                told = told.saturating_add(usize::from(made));
            }
        }
        Ok(told)
    }

    /// Events over the time of a hold that its counterpart organises.
    async fn invitations_in<'a>(
        &self,
        calendar: &CalendarId,
        holds: &'a [HoldEffect],
    ) -> Result<Vec<(&'a HoldEffect, Invitation)>, BooksError> {
        let mut found = Vec::new();
        let start = holds.iter().map(|hold| hold.when.start).min();
        let end = holds.iter().map(|hold| hold.when.end).max();
        let (Some(mirror), Some(start), Some(end)) = (self.mirror(calendar), start, end) else {
            return Ok(found);
        };
        for (object, instance) in mirror.instances(Window { start, end }) {
            let mut events = object.events.iter();
            let event = events.find(|event| event.uid == instance.uid);
            let Some((event, organizer)) = event.zip(event.and_then(|e| e.organizer.as_ref()))
            else {
                continue;
            };
            let Ok(address) = Address::parse(&organizer.address) else {
                continue;
            };
            let ours = self.parts.office.firm.owns(&address.key());
            if ours || event.status == Some(EventStatus::Cancelled) {
                continue;
            }
            let when = Window {
                start: instance.start,
                end: instance.end,
            };
            for hold in holds.iter().filter(|hold| hold.when.overlaps(&when)) {
                if self.is_for(hold, &address).await? {
                    let invitation = Invitation {
                        uid: event.uid.clone(),
                        organizer: address.key(),
                        summary: event.summary.clone().unwrap_or_default(),
                        start: instance.start,
                    };
                    found.push((hold, invitation));
                }
            }
        }
        Ok(found)
    }

    /// Whether a hold stands for whoever has this address: themselves, or somebody of their account.
    async fn is_for(&self, hold: &HoldEffect, address: &Address) -> Result<bool, BooksError> {
        let (office, subject) = (&self.parts.office, &hold.cause.subject);
        let counterpart = subject.counterpart.as_deref();
        let counterpart = counterpart.and_then(|email| Address::parse(email).ok());
        if counterpart.is_some_and(|theirs| theirs.key() == address.key()) {
            return Ok(true);
        }
        let Some(account) = &subject.account else {
            return Ok(false);
        };
        let account = self.parts.books.standing_id(account).await?;
        let known = self.parts.books.lookups(address, &office.free_mail).await?;
        let mut hits = known.addresses.iter().flat_map(|(_, hits)| hits);
        let mut domains = known.domains.iter().flat_map(|(_, accounts)| accounts);
        Ok(hits.any(|hit| hit.account == account)
            || domains.any(|of_domain| *of_domain == account)
            || known.decided.values().any(|decided| *decided == account))
    }

    /// Makes the task; `false` when there is one.
    async fn tell_of_invitation(
        &self,
        hold: &HoldEffect,
        invitation: &Invitation,
    ) -> Result<bool, BooksError> {
        let books = &self.parts.books;
        let id = invitation.task_id(&hold.group);
        if books.task(&id).await?.is_some() {
            return Ok(false);
        }
        let group = books.holds_of_group(&hold.group).await?;
        let open = group.into_iter().map(|stored| stored.record);
        let open: Vec<HoldEffect> = open.filter(|other| other.state.is_open()).collect();
        let owner = self
            .mirror(&hold.calendar)
            .map(|mirror| mirror.owner.clone());
        let now = self.parts.clock.now();
        let task = invitation.task(hold, &open, owner.as_deref(), now);
        let mut writes = books.batch();
        replace(&mut writes, keys::task(&id), None, &task)?;
        let row = AuditRow {
            at: now,
            who: WHO.to_owned(),
            what: format!("{} was told", owner.as_deref().unwrap_or("nobody")),
            why: format!("{}: {id}", task.cause.reason),
        };
        stage_audit(&mut writes, hold.id.as_str(), now, row)?;
        match books.commit(writes).await {
            Err(error) if error.is_conflict() => Ok(false),
            result => result.map(|()| true),
        }
    }
}
