//! Which conversation a message belongs to: links first, then Outlook's index; what is weak joins
//! nothing.

use liaison_core::ids::{EffectId, MessageKey, ThreadId};
use liaison_core::mail::{
    MessageView, ThreadEvidence, may_continue, new_thread_id, thread_candidates,
};

use super::{Prepared, Taking};
use crate::books::BooksError;
use crate::source::FolderRole;

/// The thread of a message, and why.
pub(super) struct Found {
    pub(super) thread: ThreadId,
    /// By what it was found; `None` when it is a new one.
    pub(super) evidence: Option<ThreadEvidence>,
    /// Another one to which it may belong, by weak evidence, and the message that has it.
    pub(super) perhaps: Option<(ThreadId, MessageKey)>,
}

impl Taking<'_> {
    /// The thread by the strongest evidence at hand, else a new one; what is weak only tells which
    /// other one it may be.
    pub(super) async fn thread_of(
        &self,
        item: &Prepared,
        view: &MessageView,
    ) -> Result<Found, BooksError> {
        if let Some(thread) = self.thread_of_own_mail(view).await? {
            return Ok(Found {
                thread,
                evidence: None,
                perhaps: None,
            });
        }
        let mut perhaps = None;
        for evidence in thread_candidates(view) {
            let found = match &evidence {
                ThreadEvidence::InReplyTo(id)
                | ThreadEvidence::Reference(id)
                | ThreadEvidence::Bounced(id) => self.thread_of_id(id).await?,
                ThreadEvidence::ThreadIndex(index) => {
                    let sharing = self.books.hinted("index", index).await?;
                    sharing.into_iter().next().map(|message| message.thread)
                }
                ThreadEvidence::BaseSubject(subject) => {
                    perhaps = self.perhaps(item, view, subject).await?;
                    None
                }
            };
            if let Some(thread) = found {
                return Ok(Found {
                    thread,
                    evidence: Some(evidence),
                    perhaps: None,
                });
            }
        }
        Ok(Found {
            thread: new_thread_id(view),
            evidence: None,
            perhaps,
        })
    }

    /// The thread for which a mail of ours was written that some server gave another Message-ID:
    /// in Sent, where nobody else writes, our stamp and its recipient tell.
    async fn thread_of_own_mail(&self, view: &MessageView) -> Result<Option<ThreadId>, BooksError> {
        let stamp = view.liaison_id.as_deref();
        let Some(stamp) = stamp.filter(|_| self.batch.folder.role == FolderRole::Sent) else {
            return Ok(None);
        };
        let mail = self.books.mail(&EffectId::from(stamp)).await?;
        let to_them = |recipient: &str| view.to.iter().any(|to| to.address.key() == recipient);
        Ok(mail
            .filter(|mail| to_them(&mail.recipient))
            .and_then(|mail| mail.cause.subject.thread))
    }

    /// The newest conversation with this subject among the same people.
    async fn perhaps(
        &self,
        item: &Prepared,
        view: &MessageView,
        subject: &str,
    ) -> Result<Option<(ThreadId, MessageKey)>, BooksError> {
        if !self.ingest.office.threads_by_subject {
            return Ok(None);
        }
        let received = item.arrived.received_at;
        for earlier in self.books.hinted("subject", subject).await? {
            let people: Vec<&str> = earlier.participants().collect();
            let same = may_continue(view, received, (&people, earlier.received));
            if same && earlier.key != view.key() {
                return Ok(Some((earlier.thread, earlier.key)));
            }
        }
        Ok(None)
    }

    async fn thread_of_id(&self, id: &str) -> Result<Option<ThreadId>, BooksError> {
        // A mail of ours first: nobody else can have an id of our outbox.
        if let Some(effect) = self.books.mail_by_message_id(id).await?
            && let Some(mail) = self.books.mail(&effect).await?
            && let Some(thread) = mail.cause.subject.thread
        {
            return Ok(Some(thread));
        }
        Ok(self
            .books
            .message_by_id(id)
            .await?
            .map(|message| message.thread))
    }
}
