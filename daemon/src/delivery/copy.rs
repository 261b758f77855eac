//! Filing a copy of what was sent into the owner's Sent folder, where the server does not.
//!
//! The mail is sent whatever becomes of its copy.

use liaison_core::effect::MailEffect;
use liaison_core::time::{HOUR_MS, MINUTE_MS};

use super::filing::Work;
use super::{Delivery, Due, WHO};
use crate::books::BooksError;
use crate::books::rows::AuditRow;
use crate::outbox::{StepError, stage_audit};
use crate::sink::{OwnFolder, OwnMail};

impl Delivery {
    /// Files one copy. The entry of the due index is the only thing that remembers it.
    pub(super) async fn handle_copy(&self, due: &Due) -> Result<bool, StepError> {
        let books = &self.parts.books;
        let Some(mail) = books.mail(&due.id).await? else {
            return Ok(self.drop_due(due, None).await?);
        };
        if !mail.state.went_out() {
            return Ok(self.drop_due(due, None).await?);
        }
        if !self.files_copy(&mail) {
            return Ok(self.drop_due(due, None).await?);
        }
        let mailbox = self.mailbox_of(&mail);
        let folders = mailbox.as_ref().and_then(|id| self.parts.folders.get(id));
        let (Some(mailbox), Some(folders)) = (&mailbox, folders) else {
            return self.end_copy(due, "no mailbox with a Sent folder").await;
        };
        let Some(bytes) = books.bytes(&mail.content).await? else {
            return self.end_copy(due, "the rendered message is gone").await;
        };
        let own = OwnMail::of(&mail);
        match folders.place(OwnFolder::Sent, &own, &bytes).await {
            Ok(()) => {
                self.works_in(mailbox, Work::Copies);
                self.drop_due(due, None).await?;
                if let Some(poke) = self.parts.look_at_sent.get(mailbox) {
                    poke.notify_one();
                }
                Ok(true)
            }
            Err(error) => {
                tracing::warn!(effect = %mail.id, %error, "copy not filed into Sent");
                self.trouble_in(mailbox, Work::Copies, &error);
                self.copy_later(due, &mail).await?;
                Ok(true)
            }
        }
    }

    /// Waits about as long as it waited so far.
    async fn copy_later(&self, due: &Due, mail: &MailEffect) -> Result<(), BooksError> {
        let now = self.parts.clock.now();
        let delay = now.since(mail.since).clamp(MINUTE_MS, HOUR_MS);
        let later = Due {
            at: now.plus_millis(delay),
            ..due.clone()
        };
        let mut writes = self.parts.books.batch();
        writes.del(due.key()).put(later.key(), Vec::new());
        self.parts.books.commit(writes).await
    }

    /// There will be no copy; the audit of the mail says so.
    async fn end_copy(&self, due: &Due, why: &str) -> Result<bool, StepError> {
        let mut writes = self.parts.books.batch();
        writes.del(due.key());
        let now = self.parts.clock.now();
        let row = AuditRow {
            at: now,
            who: WHO.to_owned(),
            what: "no copy in Sent".to_owned(),
            why: why.to_owned(),
        };
        stage_audit(&mut writes, due.id.as_str(), now, row)?;
        self.parts.books.commit(writes).await?;
        Ok(true)
    }

    /// Whether a copy of a mail of this mailbox is filed by us: only of what left by its own route,
    /// not of notes to our own people that left by another.
    fn files_copy(&self, mail: &MailEffect) -> bool {
        let Some(mailbox) = self.mailbox_of(mail) else {
            return false;
        };
        let route = self.parts.office.mailboxes.get(&mailbox);
        route.is_some_and(|mailbox| {
            let own = mailbox.route.as_ref();
            mailbox.file_sent_copy && own.is_some_and(|route| route.from == mail.from)
        })
    }
}
