//! Held mails that nobody decides about: whoever is to decide is told, by a task.
//!
//! The entry of the due index is put when a mail comes to be held, and moves on from one telling to
//! the next. The task is the record that somebody was told: it is made only where it is not, so a
//! crash between two steps repeats nothing.

use std::collections::BTreeSet;

use liaison_core::effect::MailEffect;
use liaison_core::ids::EffectId;
use liaison_core::outbox::MailState;
use liaison_core::outbox::approval::{Next, Nudge};
use liaison_core::time::Timestamp;

use super::{Delivery, Due, WHO};
use crate::books::keys::DueKind;
use crate::books::rows::AuditRow;
use crate::books::{BooksError, keys, replace};
use crate::outbox::stage_audit;
use crate::store::{Expect, Stored};

impl Delivery {
    /// Tells who is to be told by now; `false` when the entry stays due.
    pub(super) async fn handle_approval(&self, due: &Due) -> Result<bool, BooksError> {
        let key = keys::mail(&due.id);
        let stored = match self.parts.books.get::<MailEffect>(key.clone()).await {
            // A later release wrote it, and tells.
            Err(error) if error.is_newer() => return Ok(false),
            stored => stored?,
        };
        let Some(stored) = stored else {
            return self.drop_due(due, None).await;
        };
        let mail = &stored.record;
        if mail.state != MailState::Held {
            return self.drop_due(due, Some((key, stored.version))).await;
        }
        let mut told = BTreeSet::new();
        for nudge in Nudge::ALL {
            let task = nudge.task_id(&mail.id, mail.since);
            if self.parts.books.task(&task).await?.is_some() {
                told.insert(nudge);
            }
        }
        let (now, office) = (self.parts.clock.now(), &self.parts.office);
        let next = office.approval.next(
            (mail.since, now),
            |nudge| told.contains(&nudge),
            &office.firm.business,
        );
        match next {
            Next::Done => self.drop_due(due, Some((key, stored.version))).await,
            Next::Wait(at) => self.tell_later(due, &stored, at).await,
            Next::Tell(nudge) => self.tell(&stored, nudge, now).await,
        }
    }

    async fn tell_later(
        &self,
        due: &Due,
        mail: &Stored<MailEffect>,
        at: Timestamp,
    ) -> Result<bool, BooksError> {
        let later = Due { at, ..due.clone() };
        let mut writes = self.parts.books.batch();
        let version = Expect::Version(mail.version);
        writes.expect(keys::mail(&due.id), version);
        writes.del(due.key()).put(later.key(), Vec::new());
        match self.parts.books.commit(writes).await {
            Err(error) if error.is_conflict() => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Makes the task; the entry stays for what comes after it.
    async fn tell(
        &self,
        stored: &Stored<MailEffect>,
        nudge: Nudge,
        now: Timestamp,
    ) -> Result<bool, BooksError> {
        let (mail, books) = (&stored.record, &self.parts.books);
        let owner = match nudge {
            Nudge::Remind => self.owner_of(mail).await?,
            Nudge::Escalate => self.parts.office.approval.escalate_to.clone(),
        };
        let task = nudge.task(mail, owner.as_deref(), now);
        let mut writes = books.batch();
        // Decided meanwhile: then nobody need be told.
        let version = Expect::Version(stored.version);
        writes.expect(keys::mail(&mail.id), version);
        replace(&mut writes, keys::task(&task.id), None, &task)?;
        let whom = owner.as_deref().unwrap_or("nobody in particular");
        let row = AuditRow {
            at: now,
            who: WHO.to_owned(),
            what: match nudge {
                Nudge::Remind => format!("{whom} was reminded"),
                Nudge::Escalate => format!("{whom} was asked to decide"),
            },
            why: format!("held since {}, and nobody decided: {}", mail.since, task.id),
        };
        stage_audit(&mut writes, mail.id.as_str(), now, row)?;
        match books.commit(writes).await {
            Err(error) if error.is_conflict() => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Who looks after the account, else whose mailbox it is, else whose name it goes out in.
    pub(super) async fn owner_of(&self, mail: &MailEffect) -> Result<Option<String>, BooksError> {
        let (office, subject) = (&self.parts.office, &mail.cause.subject);
        let account = match &subject.account {
            Some(id) => {
                let id = self.parts.books.standing_id(id).await?;
                self.parts.books.account(&id).await?
            }
            None => None,
        };
        let owner = account.and_then(|account| account.owner);
        let mailbox = subject.mailbox.as_deref().map(Into::into);
        let person = office.person_for(owner.as_deref(), mailbox.as_ref());
        let person = person.or_else(|| office.people.get(&mail.from));
        Ok(person.map(|person| person.user.email.clone()))
    }

    /// Sees to it that each held mail is looked at: those of an earlier release, and of an import,
    /// have no entry.
    pub(super) async fn watch_held(&self, due: &[Due]) -> Result<(), BooksError> {
        let watched: BTreeSet<&EffectId> = due
            .iter()
            .filter(|due| due.kind == DueKind::Approval)
            .map(|due| &due.id)
            .collect();
        let mails = due.iter().filter(|due| due.kind == DueKind::Mail);
        for entry in mails.filter(|due| !watched.contains(&due.id)) {
            let mail = match self.parts.books.mail(&entry.id).await {
                Err(error) if error.is_newer() => continue,
                mail => mail?,
            };
            if let Some(mail) = mail.filter(|mail| mail.state == MailState::Held) {
                let mut writes = self.parts.books.batch();
                let key = keys::effect_due(mail.since, DueKind::Approval, &mail.id);
                writes.put(key, Vec::new());
                self.parts.books.commit(writes).await?;
            }
        }
        Ok(())
    }
}
