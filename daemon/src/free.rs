//! When our people are free: for `liaison free` and for plugins, by the same rules.

use std::sync::Arc;

use liaison_core::business_time::{BusinessCalendar, Night, QuietHours};
use liaison_core::calendar::free_busy::{self, BusyKind, BusySpan, Meeting};
use liaison_core::calendar::{Attending, FreeTime, SlotRequest, free_time};
use liaison_core::effect::{HoldEffect, HoldState};
use liaison_core::ids::AccountId;
use liaison_core::time::{Timestamp, Window};
use liaison_core::whereabouts::{Confidence, Whereabouts};

use crate::books::{Books, BooksError, chain};
use crate::calendars::{Calendars, Taken};
use crate::office::{Office, Person};
use crate::outbox::ledger::Recipient;
use crate::outbox::whereabouts::whereabouts;

/// What free time is looked for in.
#[derive(Debug, Clone)]
pub struct Diaries {
    /// Records: holds that wait to be placed, and where an invitee is.
    pub books: Books,
    /// Ourselves.
    pub office: Arc<Office>,
    /// The mirrors.
    pub calendars: Calendars,
}

/// What free time is looked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Length of the meeting.
    pub minutes: u32,
    /// Inside this.
    pub window: Window,
    /// So many slots, spread over the days.
    pub count: usize,
}

/// Why nobody knows when somebody is free.
#[derive(Debug, thiserror::Error)]
pub enum FreeError {
    /// The records cannot be read.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// A calendar is not known.
    #[error("{0}: nobody knows what is free; `liaison status` says why")]
    Calendar(String),
    /// The search broke.
    #[error("the search for free time broke")]
    Broken(#[from] tokio::task::JoinError),
}

impl FreeError {
    /// With all causes, in one line.
    #[must_use]
    pub fn words(&self) -> String {
        chain(self)
    }
}

impl Diaries {
    /// What takes time of one of us: their calendars, and our own open holds, which may not have
    /// reached these yet. Otherwise two enquiries at once are offered the same time.
    ///
    /// # Errors
    /// As [`FreeError`].
    pub async fn taken(&self, person: &Person, window: Window) -> Result<Taken, FreeError> {
        let known = self.calendars.taken_of(&person.calendars, window, &[]);
        let mut taken = known.map_err(FreeError::Calendar)?;
        let holds: Vec<HoldEffect> = self.books.open_holds().await?;
        let open = holds.iter().filter(|hold| {
            !matches!(hold.state, HoldState::Releasing(_))
                && person.calendars.contains(&hold.calendar)
                && hold.when.overlaps(&window)
        });
        for hold in open {
            taken.busy.push(BusySpan {
                window: hold.when,
                kind: BusyKind::Tentative,
            });
            taken.meetings.push(Meeting {
                window: hold.when,
                key: hold.group.0.clone(),
            });
        }
        taken.busy = free_busy::merged(taken.busy);
        Ok(taken)
    }

    /// Where somebody outside is, as far as the records tell.
    ///
    /// # Errors
    /// As the records.
    pub async fn invitee(
        &self,
        address: &str,
        account: Option<&AccountId>,
        now: Timestamp,
    ) -> Result<Whereabouts, BooksError> {
        let to = Recipient::of(&self.books, address, account, &self.office.free_mail).await?;
        whereabouts(&self.books, &to, (address, None), &self.office.firm, now).await
    }

    /// Free time that all these people have together. Where the day of the invitee never meets
    /// their working hours and `insist` is off, only weekends and holidays there count.
    ///
    /// # Errors
    /// As [`FreeError`].
    pub async fn free(
        &self,
        people: Vec<Person>,
        invitee: Option<(Whereabouts, bool)>,
        wish: Wish,
        now: Timestamp,
    ) -> Result<FreeTime, FreeError> {
        let rules = self.office.meetings;
        let looked_at = rules.looked_at(wish.window);
        let mut all = Vec::with_capacity(people.len());
        for person in people {
            let taken = self.taken(&person, looked_at).await?;
            let work = person.work.with_holidays(&taken.holidays);
            all.push((person.user.name, work, taken));
        }
        let quiet = self.office.firm.quiet.clone();
        let days = invitee.map(|(found, insist)| their_days(&quiet, &found, insist));
        let days = days.unwrap_or_else(|| vec![Vec::new()]);
        let search = move || {
            let people = all.iter().map(|(name, work, taken)| Attending {
                name,
                work,
                busy: &taken.busy,
                meetings: &taken.meetings,
            });
            let people: Vec<Attending<'_>> = people.collect();
            let mut found = FreeTime::default();
            for invitee in days {
                found = free_time(
                    &SlotRequest {
                        people: &people,
                        invitee: &invitee,
                        duration_minutes: wish.minutes,
                        window: wish.window,
                        count: wish.count,
                        spread: true,
                        rules,
                    },
                    now,
                );
                if !found.slots.is_empty() {
                    break;
                }
            }
            found
        };
        Ok(tokio::task::spawn_blocking(search).await?)
    }
}

/// The days of an invitee to be tried, the best first. Where nothing tells where they are, they are
/// not asked: our own zone stands in, and our own hours are counted already.
fn their_days(quiet: &QuietHours, found: &Whereabouts, insist: bool) -> Vec<Vec<BusinessCalendar>> {
    if found.confidence == Confidence::Assumed {
        return vec![Vec::new()];
    }
    let days = |night: Option<Night>| {
        let quiet = QuietHours {
            night,
            ..quiet.clone()
        };
        let places = found.places.iter();
        places.filter_map(|place| quiet.calendar(place)).collect()
    };
    let mut all = vec![days(quiet.night)];
    if !insist {
        all.push(days(None));
    }
    all
}
