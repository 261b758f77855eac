//! A chosen hold becomes a meeting: looked at once more, then written over the hold.

use liaison_core::calendar::{HoldSpec, meeting_of};
use liaison_core::effect::HoldEffect;
use liaison_core::hold::HoldInput;

use super::super::{Delivery, WHO};
use super::{Found, Place, became};
use crate::calendars::CalendarMirror;
use crate::outbox::{HoldStep, StepError};
use crate::sink::{CalendarError, Updated};

/// Tries to write over an object that changes under us (an alarm, a stamp), before it is put off.
const WRITES_MAX: usize = 3;

impl Delivery {
    /// Makes the meeting of a hold that was chosen. Where the time was taken meanwhile, or the
    /// calendar will not have it, the choice is undone and the alternatives stay offered.
    pub(super) async fn confirm(&self, hold: &HoldEffect) -> Result<(), StepError> {
        let undone = |why: String| HoldStep {
            trouble: Some(why),
            ..HoldStep::new(HoldInput::NotTaken, WHO)
        };
        if self.parts.clock.now() >= hold.when.end {
            let trouble = hold.last_trouble.as_deref().unwrap_or("it came too late");
            let why = format!("it did not become a meeting in time: {trouble}");
            return self.settle_hold(hold, undone(why)).await;
        }
        let Some(mirror) = self.mirror(&hold.calendar) else {
            let why = format!("no calendar is called {}", hold.calendar);
            return self.hold_later(hold, &why).await;
        };
        match self.taken(hold, mirror).await? {
            Err(unknown) => return self.hold_later(hold, &unknown).await,
            Ok(Some(why)) => {
                let step = HoldStep::new(HoldInput::Taken(why), WHO);
                return self.settle_hold(hold, step).await;
            }
            Ok(None) => {}
        }
        if !self.begin(hold).await? {
            return Ok(());
        }
        let spec = self.spec(hold).await?;
        match self.write_meeting(hold, mirror, &spec).await {
            Ok(Found::Ours(place)) => {
                let step = HoldStep::new(HoldInput::Met, WHO).at(&place.href, &place.etag);
                self.settle_hold(hold, step).await
            }
            Ok(Found::Became(input)) => self.settle_became(hold, input).await,
            Err(error) if error.permanent && !error.unknown => {
                let (calendar, what) = (hold.calendar.as_str(), error.to_string());
                let freshness = &self.parts.freshness;
                freshness.calendar_trouble(calendar, what, error.permanent);
                let why = format!("the calendar refused the meeting: {error}");
                self.settle_hold(hold, undone(why)).await
            }
            Err(error) => self.hold_later(hold, &error.to_string()).await,
        }
    }

    /// Writes the meeting over the hold as it lies there now. One that is definite already is what
    /// was wanted: a person was faster, or it is our own, and the answer was lost.
    async fn write_meeting(
        &self,
        hold: &HoldEffect,
        mirror: &CalendarMirror,
        spec: &HoldSpec,
    ) -> Result<Found, CalendarError> {
        let failed = |why: &str, permanent: bool| CalendarError {
            what: format!("making {} in {} a meeting", hold.uid, hold.calendar),
            why: why.to_owned(),
            permanent,
            unknown: false,
        };
        let Some(href) = &hold.href else {
            return Err(failed("nobody knows where it lies", true));
        };
        for _ in 0..WRITES_MAX {
            let Some(file) = mirror.store.fetch(href).await? else {
                return Ok(Found::Became(HoldInput::Deleted));
            };
            match became(spec, Some(&file.data)) {
                Some(HoldInput::MadeDefinite) => {
                    let (href, etag) = (file.href, file.etag);
                    let uid = None;
                    return Ok(Found::Ours(Place { href, etag, uid }));
                }
                Some(input) => return Ok(Found::Became(input)),
                None => {}
            }
            let now = self.parts.clock.now();
            let Some(meeting) = meeting_of(&file.data, spec, &hold.title, now) else {
                return Err(failed("what lies there is no text", true));
            };
            let written = mirror
                .store
                .update(&file.href, &file.etag, &meeting)
                .await?;
            match written {
                Updated::Done(file) => {
                    mirror.look_now();
                    let (href, etag) = (file.href, file.etag);
                    let uid = None;
                    return Ok(Found::Ours(Place { href, etag, uid }));
                }
                Updated::Changed(_) => {}
                Updated::Gone => return Ok(Found::Became(HoldInput::Deleted)),
            }
        }
        Err(failed("it keeps changing", false))
    }
}
