//! Comparing placed holds with what the calendars hold now: a person's edit always wins.

use liaison_core::effect::{HoldEffect, HoldState};
use liaison_core::time::Timestamp;

use super::super::{Delivery, warn_effect};
use super::{Write, became};
use crate::books::keys::DueKind;
use crate::calendars::CalendarMirror;
use crate::outbox::StepError;
use crate::sink::CalendarFile;
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
        let same = current.as_ref().map(|file| &file.etag) == hold.etag.as_ref();
        if same && current.is_some() {
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
                self.note_version(&hold, file).await?;
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

    /// The server changed what is none of our business; the next delete must name this version.
    async fn note_version(&self, hold: &HoldEffect, file: CalendarFile) -> Result<(), StepError> {
        let note = |now: &mut HoldEffect| {
            now.href = Some(file.href.clone());
            now.etag = Some(file.etag.clone());
        };
        let is_still = |now: &HoldEffect| now.state == HoldState::Placed && now.etag == hold.etag;
        self.write_hold(&hold.id, is_still, Write::Note(&note), false)
            .await?;
        Ok(())
    }
}
