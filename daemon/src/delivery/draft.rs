//! A draft in the owner's Drafts: laid there once, and taken out again when it was overtaken.

use liaison_core::effect::MailEffect;
use liaison_core::outbox::{Input, RETRY_AGE_MAX_MS};
use liaison_core::time::{HOUR_MS, MINUTE_MS};

use super::filing::Work;
use super::mail::is_leased;
use super::{Delivery, Due, Turn, WHO};
use crate::books::rows::AuditRow;
use crate::outbox::{StepError, stage_audit};
use crate::sink::{FolderError, OwnFolder, OwnFolders};

impl Delivery {
    /// Lays a leased mail into Drafts.
    ///
    /// An earlier try may have done so without our knowing, and the owner may have sent it since. So
    /// any further try looks into Sent first; that it lies in Drafts already is found by `place`.
    pub(super) async fn place_draft(
        &self,
        mail: &MailEffect,
        folders: &dyn OwnFolders,
        bytes: &[u8],
    ) -> Result<(), StepError> {
        let id = &mail.message_id;
        let sent = match mail.attempts {
            0 | 1 => Ok(false),
            _ => folders.contains(OwnFolder::Sent, id).await,
        };
        let placed = match sent {
            Ok(true) => {
                let why =
                    "found in the Sent mailbox: its owner sent it before it was recorded here";
                let turn = Turn::new(Input::FoundInSent, why);
                self.advance(&mail.id, is_leased, turn).await?;
                return Ok(());
            }
            Ok(false) => folders.place(OwnFolder::Drafts, id, bytes).await,
            // Where nothing can have been filed nothing was.
            Err(error) if error.no_folder => folders.place(OwnFolder::Drafts, id, bytes).await,
            Err(error) => Err(error),
        };
        let turn = match placed {
            Ok(()) => {
                self.draft_works(mail);
                Turn::new(Input::DraftPlaced, "")
            }
            Err(error) => {
                self.draft_trouble(mail, &error);
                self.retry(mail, Input::NotSent, error.to_string(), error.needs_person)
                    .await?
            }
        };
        self.advance(&mail.id, is_leased, turn).await?;
        Ok(())
    }

    /// Takes an overtaken draft out of Drafts, as long as it is byte for byte what we put there:
    /// one that its owner changed is theirs. The entry of the due index is all that remembers it.
    pub(super) async fn handle_stale_draft(&self, due: &Due) -> Result<bool, StepError> {
        let books = &self.parts.books;
        let Some(mail) = books.mail(&due.id).await? else {
            return Ok(self.drop_due(due, None).await?);
        };
        let mailbox = self.mailbox_of(&mail);
        let folders = mailbox.as_ref().and_then(|id| self.parts.folders.get(id));
        let Some(folders) = folders else {
            return self.end_stale_draft(due, "no mailbox with Drafts").await;
        };
        let Some(bytes) = books.bytes(&mail.content).await? else {
            let why = "the rendered message is gone, so nobody can say whether it was changed";
            return self.end_stale_draft(due, why).await;
        };
        match folders.remove_draft(&mail.message_id, &bytes).await {
            Ok(true) => {
                self.draft_works(&mail);
                self.end_stale_draft(due, "").await
            }
            Ok(false) => {
                self.draft_works(&mail);
                let why = "its owner changed it or took it out already";
                self.end_stale_draft(due, why).await
            }
            Err(error) => {
                self.draft_trouble(&mail, &error);
                let now = self.parts.clock.now();
                let age = now.since(mail.since);
                if error.needs_person || age > RETRY_AGE_MAX_MS {
                    return self.end_stale_draft(due, &error.to_string()).await;
                }
                let later = Due {
                    at: now.plus_millis(age.clamp(MINUTE_MS, HOUR_MS)),
                    ..due.clone()
                };
                let mut writes = books.batch();
                writes.del(due.key()).put(later.key(), Vec::new());
                books.commit(writes).await?;
                Ok(true)
            }
        }
    }

    /// The audit says what became of the draft; `left` is empty when it is gone.
    async fn end_stale_draft(&self, due: &Due, left: &str) -> Result<bool, StepError> {
        let mut writes = self.parts.books.batch();
        writes.del(due.key());
        let now = self.parts.clock.now();
        let row = AuditRow {
            at: now,
            who: WHO.to_owned(),
            what: match left {
                "" => "draft taken out of Drafts".to_owned(),
                _ => "draft left in Drafts".to_owned(),
            },
            why: match left {
                "" => "it was overtaken, and nobody had changed it".to_owned(),
                left => left.to_owned(),
            },
        };
        stage_audit(&mut writes, due.id.as_str(), now, row)?;
        self.parts.books.commit(writes).await?;
        Ok(true)
    }

    fn draft_works(&self, mail: &MailEffect) {
        if let Some(mailbox) = self.mailbox_of(mail) {
            self.works_in(&mailbox, Work::Drafts);
        }
    }

    fn draft_trouble(&self, mail: &MailEffect, error: &FolderError) {
        if let Some(mailbox) = self.mailbox_of(mail) {
            self.trouble_in(&mailbox, Work::Drafts, error);
        }
    }
}
