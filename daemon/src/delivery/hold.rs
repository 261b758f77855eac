//! One hold: placed, removed, and what that means for the mails that offer it.
//!
//! A calendar write is exact by its name and version, so a try whose end is unknown is simply made
//! again. What follows from a new state (mails, alternatives) is done from the due index too: an
//! entry for it is committed with the state and removed when all is done.

mod compare;

use std::collections::BTreeSet;

use liaison_core::calendar::{HoldMarks, HoldObservation, HoldSpec, build_hold, classify_hold};
use liaison_core::effect::{HoldEffect, HoldState, MailEffect, MailMode};
use liaison_core::ids::{CalendarId, EffectId};
use liaison_core::mail::address::Address;
use liaison_core::outbox::{Input, MailState};
use liaison_core::time::{HOUR_MS, MINUTE_MS, Timestamp};

use super::{CONFLICTS_MAX, Delivery, Due, Turn, WHO};
use crate::books::BooksError;
use crate::books::keys::{self, DueKind};
use crate::calendars::CalendarMirror;
use crate::outbox::{StepError, stage_hold};
use crate::sink::{CalendarError, CalendarFile, Created, Deleted};
use crate::store::Stored;

/// Delays between tries, the last one repeated.
const RETRY_DELAYS_MS: [i64; 6] = [
    10_000,
    30_000,
    MINUTE_MS,
    5 * MINUTE_MS,
    15 * MINUTE_MS,
    HOUR_MS,
];
/// Why a hold is removed at its expiry; the state after it is `expired`.
const RAN_OUT: &str = "the time until which it was held is over";

/// Where a hold lies.
#[derive(Debug, Clone)]
struct Place {
    href: String,
    etag: String,
}

/// What was found where a hold should be.
enum Found {
    /// Ours, unchanged.
    Ours(Place),
    /// Something else became of it.
    Became(HoldState),
}

impl Delivery {
    /// Looks at a hold whose time has come. `false` when it stays due.
    pub(super) async fn handle_hold(&self, due: &Due) -> Result<bool, StepError> {
        let books = &self.parts.books;
        let key = keys::hold(&due.id);
        let Some(stored) = books.get::<HoldEffect>(key.clone()).await? else {
            return Ok(self.drop_due(due, None).await?);
        };
        let hold = &stored.record;
        if due_at(hold) != Some(due.at) {
            self.follow_up(hold).await?;
            return Ok(self.drop_due(due, Some((key, stored.version))).await?);
        }
        if books.panic().await?.is_some() {
            return Ok(false);
        }
        match &hold.state {
            HoldState::Planned => self.place(hold).await?,
            HoldState::Placed => self.run_out(hold).await?,
            HoldState::Releasing(why) => self.remove(hold, why).await?,
            _ => {}
        }
        Ok(true)
    }

    /// Moves a hold to another state; `None` when it is not any more what `change` wants. With
    /// `follow`, an entry for the follow-up is part of the commit. Conflicts are read again.
    async fn move_hold(
        &self,
        id: &EffectId,
        why: &str,
        follow: bool,
        change: impl Fn(&HoldEffect) -> Option<HoldEffect>,
    ) -> Result<Option<HoldEffect>, BooksError> {
        let books = &self.parts.books;
        let mut tries = 0;
        loop {
            let Some(stored) = books.get::<HoldEffect>(keys::hold(id)).await? else {
                return Ok(None);
            };
            let Some(after) = change(&stored.record) else {
                return Ok(None);
            };
            let now = self.parts.clock.now();
            let mut writes = books.batch();
            stage_hold(books, &mut writes, &stored, after.clone(), (WHO, why), now).await?;
            let entry = keys::effect_due(now, DueKind::Hold, id);
            if follow && !writes.puts.iter().any(|(key, _)| *key == entry) {
                writes.dels.retain(|key| *key != entry);
                writes.put(entry, Vec::new());
            }
            match books.commit(writes).await {
                Ok(()) => {
                    self.parts.events.notify_one();
                    self.hold_wake.notify_one();
                    return Ok(Some(after));
                }
                Err(error) if error.is_conflict() && tries < CONFLICTS_MAX => {
                    tries = tries.saturating_add(1);
                    tokio::task::yield_now().await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// To a state that mails or alternatives hear of. The follow-up is done from its due entry.
    async fn settle_hold(
        &self,
        hold: &HoldEffect,
        state: HoldState,
        place: Option<Place>,
    ) -> Result<(), BooksError> {
        let why = state.why().unwrap_or_default().to_owned();
        let change = |now: &HoldEffect| {
            let mut after = now.clone();
            if let Some(place) = &place {
                after.href = Some(place.href.clone());
                after.etag = Some(place.etag.clone());
            }
            if now.state == hold.state {
                after.state = state.clone();
                after.last_trouble = None;
            }
            // It was given up while we placed it: what lies there is to be removed.
            let releasing = matches!(now.state, HoldState::Releasing(_));
            (now.state == hold.state || (releasing && place.is_some())).then_some(after)
        };
        self.move_hold(&hold.id, &why, true, change).await?;
        Ok(())
    }

    /// A try begins: a row of ours is durable before the calendar is touched.
    async fn begin(&self, hold: &HoldEffect) -> Result<bool, BooksError> {
        let begun = self.move_hold(&hold.id, "", false, |now| {
            let mut after = now.clone();
            after.attempts = now.attempts.saturating_add(1);
            (now.state == hold.state).then_some(after)
        });
        Ok(begun.await?.is_some())
    }

    async fn hold_later(&self, hold: &HoldEffect, why: &str) -> Result<(), BooksError> {
        let tries = usize::try_from(hold.attempts).unwrap_or(usize::MAX);
        let delay = RETRY_DELAYS_MS.get(tries).or(RETRY_DELAYS_MS.last());
        let at = self
            .parts
            .clock
            .now()
            .plus_millis(delay.copied().unwrap_or(HOUR_MS));
        self.move_hold(&hold.id, why, false, |now| {
            let mut after = now.clone();
            after.not_before = at;
            after.last_trouble = Some(why.to_owned());
            (now.state == hold.state).then_some(after)
        })
        .await?;
        Ok(())
    }

    async fn place(&self, hold: &HoldEffect) -> Result<(), StepError> {
        let now = self.parts.clock.now();
        let lost = |why: String| HoldState::Lost(why);
        if now >= hold.when.start || now >= hold.expires {
            let trouble = hold.last_trouble.as_deref().unwrap_or("it came too late");
            let why = format!("it could not be placed in time: {trouble}");
            return Ok(self.settle_hold(hold, lost(why), None).await?);
        }
        let Some(mirror) = self.mirror(&hold.calendar) else {
            let why = format!("no calendar is called {}", hold.calendar);
            return Ok(self.hold_later(hold, &why).await?);
        };
        match self.taken(hold, mirror).await? {
            Err(unknown) => return Ok(self.hold_later(hold, &unknown).await?),
            Ok(Some(why)) => return Ok(self.settle_hold(hold, lost(why), None).await?),
            Ok(None) => {}
        }
        if !self.begin(hold).await? {
            return Ok(());
        }
        let spec = self.spec(hold).await?;
        match self.create(hold, mirror, &spec).await {
            Ok(Found::Ours(place)) => {
                self.settle_hold(hold, HoldState::Placed, Some(place))
                    .await?;
            }
            Ok(Found::Became(state)) => self.settle_hold(hold, state, None).await?,
            Err(error) if error.permanent && !error.unknown => {
                let why = format!("the calendar refused it: {error}");
                self.settle_hold(hold, lost(why), None).await?;
            }
            Err(error) => self.hold_later(hold, &error.to_string()).await?,
        }
        Ok(())
    }

    /// Whether the time was taken since it was chosen; `Err` when nobody can say.
    async fn taken(
        &self,
        hold: &HoldEffect,
        mirror: &CalendarMirror,
    ) -> Result<Result<Option<String>, String>, BooksError> {
        // The calendar itself is asked, so that holds placed a moment ago count too.
        if let Err(error) = mirror.look(self.parts.clock.now()).await {
            return Ok(Err(error.to_string()));
        }
        let mut own = Vec::new();
        for member in self.parts.books.holds_of_group(&hold.group).await? {
            own.push(member.record.uid);
        }
        let mut calendars: BTreeSet<CalendarId> = BTreeSet::from([hold.calendar.clone()]);
        let owner = Address::parse(&mirror.owner).map(|owner| owner.key());
        let owner = owner.unwrap_or_else(|_| mirror.owner.clone());
        if let Some(person) = self.parts.office.people.get(&owner) {
            calendars.extend(person.calendars.iter().cloned());
        }
        let calendars: Vec<CalendarId> = calendars.into_iter().collect();
        let busy = match self.parts.calendars.busy_of(&calendars, hold.when, &own) {
            Ok(busy) => busy,
            Err(unknown) => return Ok(Err(unknown)),
        };
        let collides = busy.iter().find(|span| span.window.overlaps(&hold.when));
        Ok(Ok(collides.map(|span| {
            let window = span.window;
            format!(
                "the time was taken meanwhile: busy from {} to {}",
                window.start, window.end
            )
        })))
    }

    async fn create(
        &self,
        hold: &HoldEffect,
        mirror: &CalendarMirror,
        spec: &HoldSpec,
    ) -> Result<Found, CalendarError> {
        let created = mirror.store.create(&hold.uid, &build_hold(spec)).await?;
        mirror.look_now();
        Ok(match created {
            Created::New { href, etag } => Found::Ours(Place { href, etag }),
            Created::Exists(file) => found(spec, file),
        })
    }

    /// Its time to be held is over: from here on as any other removal.
    async fn run_out(&self, hold: &HoldEffect) -> Result<(), BooksError> {
        let now = self.parts.clock.now();
        self.move_hold(&hold.id, RAN_OUT, false, |current| {
            let mut after = current.clone();
            after.state = HoldState::Releasing(RAN_OUT.to_owned());
            after.not_before = now;
            (current.state == HoldState::Placed && current.expires <= now).then_some(after)
        })
        .await?;
        Ok(())
    }

    async fn remove(&self, hold: &HoldEffect, why: &str) -> Result<(), StepError> {
        let gone = match why {
            RAN_OUT => HoldState::Expired,
            why => HoldState::Released(why.to_owned()),
        };
        if hold.href.is_none() && hold.attempts == 0 {
            return Ok(self.settle_hold(hold, gone, None).await?);
        }
        let Some(mirror) = self.mirror(&hold.calendar) else {
            let why = format!("no calendar is called {}", hold.calendar);
            return Ok(self.hold_later(hold, &why).await?);
        };
        if !self.begin(hold).await? {
            return Ok(());
        }
        let spec = self.spec(hold).await?;
        match self.delete(hold, mirror, &spec).await {
            Ok(None) => self.settle_hold(hold, gone, None).await?,
            Ok(Some(state)) => self.settle_hold(hold, state, None).await?,
            Err(error) => {
                let (calendar, what) = (hold.calendar.as_str(), error.to_string());
                let freshness = &self.parts.freshness;
                freshness.calendar_trouble(calendar, what, error.permanent);
                self.hold_later(hold, &error.to_string()).await?;
            }
        }
        Ok(())
    }

    /// Deletes what is ours and unchanged; else what became of it.
    async fn delete(
        &self,
        hold: &HoldEffect,
        mirror: &CalendarMirror,
        spec: &HoldSpec,
    ) -> Result<Option<HoldState>, CalendarError> {
        let mut place = match (&hold.href, &hold.etag) {
            (Some(href), Some(etag)) => Place {
                href: href.clone(),
                etag: etag.clone(),
            },
            // A try to place it ended unknown: what it left is found by its name.
            _ => match self.create(hold, mirror, spec).await? {
                Found::Ours(place) => place,
                Found::Became(state) => return Ok(Some(state)),
            },
        };
        // Once more, when something changed that is none of our business (an alarm, a stamp).
        for _ in 0..2 {
            match mirror.store.delete(&place.href, &place.etag).await? {
                Deleted::Gone => {
                    mirror.look_now();
                    return Ok(None);
                }
                Deleted::Changed(file) => match found(spec, file) {
                    Found::Ours(current) => place = current,
                    Found::Became(state) => return Ok(Some(state)),
                },
            }
        }
        Err(CalendarError {
            what: format!("removing {} from {}", place.href, hold.calendar),
            why: "it keeps changing".to_owned(),
            permanent: false,
            unknown: false,
        })
    }

    fn mirror(&self, calendar: &CalendarId) -> Option<&CalendarMirror> {
        let mirror = self.parts.calendars.mirrors.get(calendar)?;
        Some(mirror)
    }

    /// What is written for a hold. The same at any time, because the calendar is compared with it:
    /// alternatives are counted among those that one event planned, which never change.
    async fn spec(&self, hold: &HoldEffect) -> Result<HoldSpec, BooksError> {
        let group = self.parts.books.holds_of_group(&hold.group).await?;
        let mut together: Vec<&Stored<HoldEffect>> = group
            .iter()
            .filter(|other| other.record.cause.event_seq == hold.cause.event_seq)
            .collect();
        together.sort_by_key(|other| (other.record.when.start, other.record.id.clone()));
        let place = together
            .iter()
            .position(|other| other.record.id == hold.id)
            .unwrap_or(0)
            .saturating_add(1);
        let title = &hold.title;
        let summary = match together.len() {
            0 | 1 => format!("HOLD: {title}"),
            count => format!("HOLD: {title} ({place}/{count})"),
        };
        let why = format!("liaison why {}", hold.id);
        let description = match hold.note.trim() {
            "" => why,
            note => format!("{note}\n\n{why}"),
        };
        Ok(HoldSpec {
            uid: hold.uid.clone(),
            summary,
            window: hold.when,
            zone: hold.zone.clone(),
            group: hold.group.0.clone(),
            expires: Some(hold.expires),
            kind: format!("{}/{}", hold.cause.plugin, hold.cause.label),
            description: Some(description),
            private: true,
            created: hold.created,
        })
    }

    /// What follows from the state of a hold; may be done again.
    async fn follow_up(&self, hold: &HoldEffect) -> Result<(), StepError> {
        match &hold.state {
            HoldState::Planned | HoldState::Releasing(_) => return Ok(()),
            HoldState::Placed => {}
            HoldState::Confirmed => self.release_others(hold).await?,
            HoldState::Released(_)
            | HoldState::Expired
            | HoldState::Adopted(_)
            | HoldState::Lost(_) => {}
        }
        for id in self.parts.books.mails_requiring(&hold.id).await? {
            let Some(mail) = self.parts.books.mail(&id).await? else {
                continue;
            };
            if mail.state != MailState::Proposed {
                continue;
            }
            let Some(turn) = self.turn_of_waiting(&mail).await? else {
                continue;
            };
            let proposed = |state: &MailState| *state == MailState::Proposed;
            self.advance(&id, proposed, turn).await?;
            self.mail_wake.notify_one();
        }
        Ok(())
    }

    /// What the holds that a mail offers make of it; `None` while one is still to be placed.
    async fn turn_of_waiting(&self, mail: &MailEffect) -> Result<Option<Turn>, BooksError> {
        let mut planned = false;
        for id in &mail.requires {
            let Some(hold) = self.parts.books.hold(id).await? else {
                return Ok(None);
            };
            match hold.state {
                HoldState::Placed | HoldState::Confirmed => {}
                HoldState::Planned => planned = true,
                _ => {
                    let why = not_held(&hold);
                    let by = WHO.to_owned();
                    let input = Input::Cancel {
                        by,
                        why: why.clone(),
                    };
                    return Ok(Some(Turn::new(input, why)));
                }
            }
        }
        let approval = mail.mode == MailMode::Approve;
        let why = "the times that it offers are held";
        Ok((!planned).then(|| Turn::new(Input::Ready { approval }, why)))
    }

    /// A person chose this one: its alternatives go.
    async fn release_others(&self, chosen: &HoldEffect) -> Result<(), BooksError> {
        let why = format!("another time was chosen: {}", chosen.when.start);
        for other in self.parts.books.holds_of_group(&chosen.group).await? {
            if other.record.id == chosen.id {
                continue;
            }
            self.give_up(&other.record.id, &why).await?;
        }
        Ok(())
    }

    /// An open hold is to leave the calendar.
    async fn give_up(&self, id: &EffectId, why: &str) -> Result<(), BooksError> {
        let now = self.parts.clock.now();
        self.move_hold(id, why, false, |current| {
            let mut after = current.clone();
            after.state = HoldState::Releasing(why.to_owned());
            after.not_before = now;
            let open = matches!(current.state, HoldState::Planned | HoldState::Placed);
            open.then_some(after)
        })
        .await?;
        Ok(())
    }
}

/// When the index of due effects wants a hold looked at.
fn due_at(hold: &HoldEffect) -> Option<Timestamp> {
    match hold.state {
        HoldState::Planned | HoldState::Releasing(_) => Some(hold.not_before),
        HoldState::Placed => Some(hold.expires),
        _ => None,
    }
}

fn found(spec: &HoldSpec, file: CalendarFile) -> Found {
    match became(spec, Some(&file.data)) {
        Some(state) => Found::Became(state),
        None => Found::Ours(Place {
            href: file.href,
            etag: file.etag,
        }),
    }
}

/// What a person made of a hold; `None`: nothing.
fn became(spec: &HoldSpec, current: Option<&[u8]>) -> Option<HoldState> {
    match classify_hold(&HoldMarks::of(spec), current) {
        HoldObservation::Unchanged => None,
        HoldObservation::Adopted(changes) => Some(HoldState::Adopted(changes.join("; "))),
        HoldObservation::Released => Some(HoldState::Released("a person removed it".to_owned())),
        HoldObservation::Confirmed => Some(HoldState::Confirmed),
    }
}

/// Why the time of a hold cannot be offered.
pub(super) fn not_held(hold: &HoldEffect) -> String {
    let why = hold.state.why().unwrap_or_default();
    let state = hold.state.as_str();
    let (start, id) = (hold.when.start, &hold.id);
    format!("the time {start} that it offers is not held: hold {id} is {state}, {why}")
        .trim_end_matches([' ', ','])
        .to_owned()
}
