//! One hold: placed, removed, and what that means for the mails that offer it.
//!
//! A calendar write is exact by its name and version, so a try whose end is unknown is simply made
//! again. What follows from a new state (mails, alternatives) is done from the due index too: an
//! entry for it is committed with the state and removed when all is done.

mod compare;
mod confirm;
mod invited;

use std::collections::BTreeSet;

use liaison_core::calendar::{
    HoldMarks, HoldObservation, HoldSpec, REV_MARK, build_hold, classify_hold, read_calendar,
};
use liaison_core::effect::{HoldEffect, HoldState, MailEffect, MailMode};
use liaison_core::hold::HoldInput;
use liaison_core::ids::{CalendarId, EffectId};
use liaison_core::mail::address::Address;
use liaison_core::outbox::{Input, MailState};
use liaison_core::time::{HOUR_MS, MINUTE_MS};

use super::{CONFLICTS_MAX, Delivery, Due, Turn, WHO};
use crate::books::BooksError;
use crate::books::indexes::hold_due;
use crate::books::keys::{self, DueKind};
use crate::calendars::CalendarMirror;
use crate::outbox::{HoldStep, StepError, overtaken, stage_hold, stage_hold_record};
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
/// Who made what was found in a calendar.
const PERSON: &str = "a person, in the calendar";

/// Where a hold lies.
#[derive(Debug, Clone)]
struct Place {
    href: String,
    etag: String,
    /// The UID that the server gave it, where that is not ours.
    uid: Option<String>,
}

/// What was found where a hold should be.
enum Found {
    /// Ours, unchanged.
    Ours(Place),
    /// A person made something else of it.
    Became(HoldInput),
}

/// How a hold is written.
enum Write<'a> {
    /// What is none of its state: attempts, times, place.
    Note(&'a (dyn Fn(&mut HoldEffect) + Sync)),
    /// A step.
    Step(HoldStep<'a>),
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
        if hold_due(hold) != Some(due.at) {
            self.follow_up(hold).await?;
            return Ok(self.drop_due(due, Some((key, stored.version))).await?);
        }
        if books.panic().await?.is_some() {
            return Ok(false);
        }
        match &hold.state {
            HoldState::Planned => self.place(hold).await?,
            HoldState::Placed => self.run_out(hold).await?,
            HoldState::Confirming(_) => self.confirm(hold).await?,
            HoldState::Releasing(_) => self.remove(hold).await?,
            _ => {}
        }
        Ok(true)
    }

    /// Writes a hold, while it `is_still` what the caller looked at; `None` when it is not any more.
    /// With `follow`, an entry for the follow-up is part of the commit. Conflicts are read again.
    async fn write_hold(
        &self,
        id: &EffectId,
        is_still: impl Fn(&HoldEffect) -> bool,
        write: Write<'_>,
        follow: bool,
    ) -> Result<Option<HoldEffect>, StepError> {
        let books = &self.parts.books;
        let mut tries = 0;
        loop {
            let Some(stored) = books.get::<HoldEffect>(keys::hold(id)).await? else {
                return Ok(None);
            };
            if !is_still(&stored.record) {
                return Ok(None);
            }
            let now = self.parts.clock.now();
            let mut writes = books.batch();
            let after = match &write {
                Write::Note(change) => {
                    let mut after = stored.record.clone();
                    change(&mut after);
                    stage_hold_record(&mut writes, &stored, &after)?;
                    after
                }
                Write::Step(step) => {
                    match stage_hold(books, &mut writes, &stored, step.clone(), now).await {
                        Err(StepError::IllegalHold(_)) => return Ok(None),
                        staged => staged?,
                    }
                }
            };
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
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A step that mails or alternatives hear of. The follow-up is done from its due entry.
    async fn settle_hold(&self, hold: &HoldEffect, step: HoldStep<'_>) -> Result<(), StepError> {
        // It was given up while we placed it: what lies there is to be removed.
        let given_up = step.input == HoldInput::Written;
        let is_still = |now: &HoldEffect| {
            now.state == hold.state || (given_up && matches!(now.state, HoldState::Releasing(_)))
        };
        self.write_hold(&hold.id, is_still, Write::Step(step), true)
            .await?;
        Ok(())
    }

    /// What a person made of it, as seen in the calendar.
    async fn settle_became(&self, hold: &HoldEffect, input: HoldInput) -> Result<(), StepError> {
        self.settle_hold(hold, HoldStep::new(input, PERSON)).await
    }

    /// Gives up placing it. A try before this one may have placed it unheard: what it left goes first.
    async fn lose(&self, hold: &HoldEffect, why: String) -> Result<(), StepError> {
        if hold.attempts > 0
            && let Some(mirror) = self.mirror(&hold.calendar)
        {
            let spec = self.spec(hold).await?;
            match self.delete(hold, mirror, &spec).await {
                Ok(None) => {}
                Ok(Some(input)) => return self.settle_became(hold, input).await,
                Err(error) => return self.hold_later(hold, &error.to_string()).await,
            }
        }
        let step = HoldStep::new(HoldInput::Unplaceable(why), WHO);
        self.settle_hold(hold, step).await
    }

    /// A try begins: a row of ours is durable before the calendar is touched.
    async fn begin(&self, hold: &HoldEffect) -> Result<bool, StepError> {
        let count = |now: &mut HoldEffect| now.attempts = now.attempts.saturating_add(1);
        let is_still = |now: &HoldEffect| now.state == hold.state;
        let begun = self.write_hold(&hold.id, is_still, Write::Note(&count), false);
        Ok(begun.await?.is_some())
    }

    async fn hold_later(&self, hold: &HoldEffect, why: &str) -> Result<(), StepError> {
        let tries = usize::try_from(hold.attempts).unwrap_or(usize::MAX);
        let delay = RETRY_DELAYS_MS.get(tries).or(RETRY_DELAYS_MS.last());
        let at = self
            .parts
            .clock
            .now()
            .plus_millis(delay.copied().unwrap_or(HOUR_MS));
        let wait = |now: &mut HoldEffect| {
            now.not_before = at;
            now.last_trouble = Some(why.to_owned());
        };
        let is_still = |now: &HoldEffect| now.state == hold.state;
        self.write_hold(&hold.id, is_still, Write::Note(&wait), false)
            .await?;
        Ok(())
    }

    async fn place(&self, hold: &HoldEffect) -> Result<(), StepError> {
        let now = self.parts.clock.now();
        if now >= hold.when.start || now >= hold.expires {
            let trouble = hold.last_trouble.as_deref().unwrap_or("it came too late");
            let why = format!("it could not be placed in time: {trouble}");
            return self.lose(hold, why).await;
        }
        if let Some(group) = self.parts.books.hold_group(&hold.group).await?
            && let Some(why) = overtaken(hold, &group)
        {
            return self.lose(hold, why).await;
        }
        if self.follows_others(hold).await? {
            let why = "the times that were offered before are still in the calendar";
            return self.hold_later(hold, why).await;
        }
        let Some(mirror) = self.mirror(&hold.calendar) else {
            let why = format!("no calendar is called {}", hold.calendar);
            return self.hold_later(hold, &why).await;
        };
        match self.taken(hold, mirror).await? {
            Err(unknown) => return self.hold_later(hold, &unknown).await,
            Ok(Some(why)) => return self.lose(hold, why).await,
            Ok(None) => {}
        }
        if !self.begin(hold).await? {
            return Ok(());
        }
        let spec = self.spec(hold).await?;
        match self.create(hold, mirror, &spec).await {
            Ok(Found::Ours(place)) => {
                let step = HoldStep::new(HoldInput::Written, WHO).at(&place.href, &place.etag);
                self.settle_hold(hold, step.called(place.uid)).await
            }
            Ok(Found::Became(input)) => self.settle_became(hold, input).await,
            Err(error) if error.permanent && !error.unknown => {
                self.lose(hold, format!("the calendar refused it: {error}"))
                    .await
            }
            Err(error) => self.hold_later(hold, &error.to_string()).await,
        }
    }

    /// Whether times of an earlier offer of its group still have to leave: what is moved to another
    /// time must not stand twice.
    async fn follows_others(&self, hold: &HoldEffect) -> Result<bool, BooksError> {
        let group = self.parts.books.holds_of_group(&hold.group).await?;
        Ok(group.iter().any(|other| {
            other.record.generation < hold.generation
                && matches!(other.record.state, HoldState::Releasing(_))
        }))
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
        // What a person took over is theirs, and as busy as anything else.
        let mut own = Vec::new();
        for member in self.parts.books.holds_of_group(&hold.group).await? {
            if !member.record.state.is_final() {
                own.push(member.record.uid);
            }
        }
        let calendars = self.calendars_of(hold);
        // Holds of others, in a calendar that was not looked at just now.
        for other in self.parts.books.open_holds().await? {
            let counts = matches!(other.state, HoldState::Placed | HoldState::Confirming(_));
            let here = other.group != hold.group && calendars.contains(&other.calendar);
            if counts && here && other.when.overlaps(&hold.when) {
                let why = format!("the time was taken meanwhile: hold {} is there", other.id);
                return Ok(Ok(Some(why)));
            }
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

    /// The calendars of whoever has the one of the hold.
    fn calendars_of(&self, hold: &HoldEffect) -> BTreeSet<CalendarId> {
        let mut calendars = BTreeSet::from([hold.calendar.clone()]);
        if let Some(mirror) = self.mirror(&hold.calendar) {
            let owner = Address::parse(&mirror.owner).map(|owner| owner.key());
            let owner = owner.unwrap_or_else(|_| mirror.owner.clone());
            if let Some(person) = self.parts.office.people.get(&owner) {
                calendars.extend(person.calendars.iter().cloned());
            }
        }
        calendars
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
            Created::New(file) => Found::Ours(Place {
                uid: renamed(&file.data, &hold.uid, None),
                href: file.href,
                etag: file.etag,
            }),
            Created::Exists(file) => found(spec, file),
        })
    }

    /// Its time to be held is over: from here on as any other removal.
    async fn run_out(&self, hold: &HoldEffect) -> Result<(), StepError> {
        let now = self.parts.clock.now();
        // It may have been extended.
        let is_still = |current: &HoldEffect| current.expires <= now;
        let step = Write::Step(HoldStep::new(HoldInput::RanOut, WHO));
        self.write_hold(&hold.id, is_still, step, false).await?;
        Ok(())
    }

    async fn remove(&self, hold: &HoldEffect) -> Result<(), StepError> {
        let gone = || HoldStep::new(HoldInput::Removed, WHO);
        if hold.href.is_none() && hold.attempts == 0 {
            return self.settle_hold(hold, gone()).await;
        }
        let Some(mirror) = self.mirror(&hold.calendar) else {
            let why = format!("no calendar is called {}", hold.calendar);
            return self.hold_later(hold, &why).await;
        };
        if !self.begin(hold).await? {
            return Ok(());
        }
        let spec = self.spec(hold).await?;
        match self.delete(hold, mirror, &spec).await {
            Ok(None) => self.settle_hold(hold, gone()).await,
            Ok(Some(input)) => self.settle_became(hold, input).await,
            Err(error) => {
                let (calendar, what) = (hold.calendar.as_str(), error.to_string());
                let freshness = &self.parts.freshness;
                freshness.calendar_trouble(calendar, what, error.permanent);
                self.hold_later(hold, &error.to_string()).await
            }
        }
    }

    /// Deletes what is ours and unchanged; else what became of it.
    async fn delete(
        &self,
        hold: &HoldEffect,
        mirror: &CalendarMirror,
        spec: &HoldSpec,
    ) -> Result<Option<HoldInput>, CalendarError> {
        let mut place = match (&hold.href, &hold.etag) {
            (Some(href), Some(etag)) => Place {
                href: href.clone(),
                etag: etag.clone(),
                uid: None,
            },
            // A try to place it ended unknown: what it left is found by its UID.
            _ => {
                mirror.look(self.parts.clock.now()).await?;
                let Some(file) = mirror.file_of_hold(&hold.uid, &spec.intent_hash()) else {
                    return Ok(None);
                };
                match found(spec, file) {
                    Found::Ours(place) => place,
                    Found::Became(input) => return Ok(Some(input)),
                }
            }
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
                    Found::Became(input) => return Ok(Some(input)),
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
            HoldState::Planned | HoldState::Releasing(_) | HoldState::Confirming(_) => {
                return Ok(());
            }
            HoldState::Placed => self.mark_extended(hold).await?,
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
            match &hold.state {
                HoldState::Planned => planned = true,
                state if state.is_held() => {}
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

    /// This one was chosen: its alternatives go, in whatever calendar they are. What was offered
    /// after the choice stays.
    async fn release_others(&self, chosen: &HoldEffect) -> Result<(), StepError> {
        let why = format!("another time was chosen: {}", chosen.when.start);
        for other in self.parts.books.holds_of_group(&chosen.group).await? {
            let other = &other.record;
            if other.id == chosen.id || other.generation > chosen.generation {
                continue;
            }
            let step = Write::Step(HoldStep::new(HoldInput::GiveUp(why.clone()), WHO));
            let is_still = |now: &HoldEffect| now.state.is_open();
            self.write_hold(&other.id, is_still, step, false).await?;
        }
        Ok(())
    }
}

fn found(spec: &HoldSpec, file: CalendarFile) -> Found {
    let uid = renamed(&file.data, &spec.uid, Some(&spec.intent_hash()));
    let known = match &uid {
        None => spec.clone(),
        Some(uid) => HoldSpec {
            uid: uid.clone(),
            ..spec.clone()
        },
    };
    match became(&known, Some(&file.data)) {
        Some(input) => Found::Became(input),
        None => Found::Ours(Place {
            href: file.href,
            etag: file.etag,
            uid,
        }),
    }
}

/// The UID of the one event in an object, where the server gave it another than ours: known by our
/// mark `rev`, or because we made the object a moment ago.
fn renamed(data: &[u8], ours: &str, rev: Option<&str>) -> Option<String> {
    let object = read_calendar(data);
    let [event] = object.events.as_slice() else {
        return None;
    };
    let is_ours = rev.is_none_or(|rev| event.x_property(REV_MARK) == Some(rev));
    let differs = event.uid != ours && !event.uid.is_empty();
    (is_ours && differs).then(|| event.uid.clone())
}

/// What a person made of a hold; `None`: nothing.
fn became(spec: &HoldSpec, current: Option<&[u8]>) -> Option<HoldInput> {
    match classify_hold(&HoldMarks::of(spec), current) {
        HoldObservation::Unchanged => None,
        HoldObservation::Adopted(changes) => Some(HoldInput::Edited(changes.join("; "))),
        HoldObservation::Released => Some(HoldInput::Deleted),
        HoldObservation::Confirmed => Some(HoldInput::MadeDefinite),
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
