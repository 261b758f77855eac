//! Comparing placed holds with what the calendars hold now: a person's edit always wins.

use liaison_core::calendar::remarked;
use liaison_core::effect::{HoldEffect, HoldState};
use liaison_core::time::Timestamp;

use super::super::{Delivery, warn_effect};
use super::{Write, became};
use crate::books::keys::DueKind;
use crate::calendars::CalendarMirror;
use crate::outbox::StepError;
use crate::sink::{CalendarFile, Updated};
use crate::store::{Ns, Range};

impl Delivery {
    /// Compares every placed hold with its calendar; returns how many were changed by people.
    /// What cannot be looked at now is compared after the next change.
    pub async fn compare_holds(&self) -> usize {
        // A placed hold stands in the index of due effects, at its expiry.
        let due = match self.due_in(Range::all(Ns::EffectDue)).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(error = %crate::books::chain(&error), "holds cannot be read");
                return 0;
            }
        };
        let mut changed = 0_usize;
        for entry in due.iter().filter(|entry| entry.kind == DueKind::Hold) {
            match self.compare_hold(entry.at, &entry.id).await {
                Ok(true) => changed = changed.saturating_add(1),
                Ok(false) => {}
                Err(error) => warn_effect(&entry.id, &error),
            }
        }
        if let Err(error) = self.look_for_invitations().await {
            let error = crate::books::chain(&error);
            tracing::error!(%error, "invitations over held times cannot be looked for");
        }
        changed
    }

    async fn compare_hold(
        &self,
        at: Timestamp,
        id: &liaison_core::ids::EffectId,
    ) -> Result<bool, StepError> {
        let Some(hold) = self.parts.books.hold(id).await? else {
            return Ok(false);
        };
        // An entry for its follow-up is no second hold.
        if hold.state != HoldState::Placed || hold.expires != at {
            return Ok(false);
        }
        let (Some(href), Some(mirror)) = (&hold.href, self.mirror(&hold.calendar)) else {
            return Ok(false);
        };
        let current = match self.current(href, mirror).await {
            Ok(current) => current,
            Err(()) => return Ok(false),
        };
        if let Some(file) = &current
            && Some(&file.etag) == hold.etag.as_ref()
        {
            self.mark_anew(&hold, mirror, file).await?;
            return Ok(false);
        }
        let spec = self.spec(&hold).await?;
        let data = current.as_ref().map(|file| file.data.as_ref());
        match (became(&spec, data), current) {
            (Some(input), _) => {
                self.settle_became(&hold, input).await?;
                Ok(true)
            }
            (None, Some(file)) => {
                if self.note_version(&hold, &file).await? {
                    let noted = HoldEffect {
                        href: Some(file.href.clone()),
                        etag: Some(file.etag.clone()),
                        ..hold
                    };
                    self.mark_anew(&noted, mirror, &file).await?;
                }
                Ok(false)
            }
            (None, None) => Ok(false),
        }
    }

    /// What lies there now; `Err` when nobody can say. A missing object is asked for at the
    /// calendar itself: the hold may be younger than the mirror's last look.
    async fn current(
        &self,
        href: &str,
        mirror: &CalendarMirror,
    ) -> Result<Option<CalendarFile>, ()> {
        if mirror.synced_at().is_none() {
            return Err(());
        }
        if let Some(object) = mirror.object(href) {
            return Ok(Some(CalendarFile {
                href: href.to_owned(),
                etag: object.etag,
                data: object.data,
            }));
        }
        mirror.store.fetch(href).await.map_err(|error| {
            tracing::warn!(calendar = %mirror.id, %error, "cannot look at a hold");
        })
    }

    /// The server changed what is none of our business; the next write must name this version.
    async fn note_version(
        &self,
        hold: &HoldEffect,
        file: &CalendarFile,
    ) -> Result<bool, StepError> {
        let note = |now: &mut HoldEffect| {
            now.href = Some(file.href.clone());
            now.etag = Some(file.etag.clone());
        };
        let is_still = |now: &HoldEffect| now.state == HoldState::Placed && now.etag == hold.etag;
        let noted = self.write_hold(&hold.id, is_still, Write::Note(&note), false);
        Ok(noted.await?.is_some())
    }

    /// After `holds extend`: the expiry in the calendar follows ours, as far as the mirror knows it.
    pub(super) async fn mark_extended(&self, hold: &HoldEffect) -> Result<(), StepError> {
        let (Some(href), Some(mirror)) = (&hold.href, self.mirror(&hold.calendar)) else {
            return Ok(());
        };
        let Some(object) = mirror.object(href) else {
            return Ok(());
        };
        let file = CalendarFile {
            href: href.clone(),
            etag: object.etag,
            data: object.data,
        };
        if Some(&file.etag) == hold.etag.as_ref() {
            self.mark_anew(hold, mirror, &file).await?;
        }
        Ok(())
    }

    /// Writes the expiry of a placed hold over the one that `file` says, its version of now. It is
    /// for people only, so trouble is logged and the next compare tries again.
    async fn mark_anew(
        &self,
        hold: &HoldEffect,
        mirror: &CalendarMirror,
        file: &CalendarFile,
    ) -> Result<(), StepError> {
        if self.unmarked.lock().contains(&hold.id) {
            return Ok(());
        }
        let spec = self.spec(hold).await?;
        let now = self.parts.clock.now();
        let Some(marked) = remarked(&file.data, &spec, now) else {
            return Ok(());
        };
        let store = &mirror.store;
        let kept = match store.update(&file.href, &file.etag, &marked).await {
            Ok(Updated::Done(kept)) => kept,
            // The next look sees what it is now.
            Ok(Updated::Changed(_) | Updated::Gone) => {
                mirror.look_now();
                return Ok(());
            }
            Err(error) => {
                let (calendar, hold) = (&mirror.id, &hold.id);
                tracing::warn!(%calendar, %hold, %error, "cannot write the new expiry of a hold");
                return Ok(());
            }
        };
        mirror.look_now();
        if remarked(&kept.data, &spec, now).is_some() {
            let (calendar, hold) = (&mirror.id, &hold.id);
            tracing::info!(%calendar, %hold, "the calendar does not keep the new expiry of a hold");
            self.unmarked.lock().insert(hold.clone());
        }
        // What a person wrote right after us is found by the next compare.
        if became(&spec, Some(&kept.data)).is_none() {
            self.note_version(hold, &kept).await?;
        }
        Ok(())
    }
}
