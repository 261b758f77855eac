//! A draft in the owner's Drafts: laid there once, looked after while it lies there, and taken out
//! again when it was overtaken.

use liaison_core::effect::MailEffect;
use liaison_core::outbox::drafts::{Missed, OWNER, missed};
use liaison_core::outbox::{DRAFT_LOOK_MS, Input, MailState, RETRY_AGE_MAX_MS, is_edit};
use liaison_core::policy::{Recheck, as_judged, recheck};
use liaison_core::time::{HOUR_MS, MINUTE_MS, Timestamp};

use super::facts::SecondLook;
use super::filing::Work;
use super::mail::{cancelled, is_leased};
use super::{Delivery, Due, Turn, WHO};
use crate::books::BooksError;
use crate::books::rows::AuditRow;
use crate::outbox::drafts::stage_left;
use crate::outbox::{StepError, stage_audit, stage_mail_record};
use crate::reader;
use crate::sink::{FolderError, OwnFolder, OwnFolders, OwnMail};
use crate::store::Stored;

/// Where a draft was seen.
enum Sight {
    InDrafts,
    /// With the step that follows from it.
    InSent(Box<Turn>),
    Nowhere,
    /// There is no Sent to look into: whether it was sent or deleted cannot be told.
    Unknown,
}

/// What became of an overtaken draft.
enum Stale {
    /// We took it out.
    Removed,
    /// Its owner had done so.
    Gone,
    /// It lies there, or may, and why.
    Left(String),
}

/// Why something could not be looked at.
enum NotSeen {
    Folder(FolderError),
    Books(BooksError),
}

impl From<FolderError> for NotSeen {
    fn from(error: FolderError) -> NotSeen {
        NotSeen::Folder(error)
    }
}

impl From<BooksError> for NotSeen {
    fn from(error: BooksError) -> NotSeen {
        NotSeen::Books(error)
    }
}

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
        let own = OwnMail::of(mail);
        let sent = match mail.attempts {
            0 | 1 => Ok(None),
            _ => folders.find(OwnFolder::Sent, &own).await,
        };
        let placed = match sent {
            Ok(Some(sighting)) => {
                let mut turn = Turn::sighted(sighting, &own);
                turn.why
                    .push_str(": its owner sent it before it was recorded here");
                self.advance(&mail.id, is_leased, turn).await?;
                return Ok(());
            }
            Ok(None) => folders.place(OwnFolder::Drafts, &own, bytes).await,
            // Where nothing can have been filed nothing was.
            Err(error) if error.no_folder => folders.place(OwnFolder::Drafts, &own, bytes).await,
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

    /// Sees whether a draft is still where it was laid, and whether it may still be sent. What stands
    /// against it is what stands against any mail: consent, an answer, lost times, a dead address.
    pub(super) async fn look_at_draft(
        &self,
        stored: &Stored<MailEffect>,
    ) -> Result<bool, StepError> {
        let mail = &stored.record;
        if self.parts.books.panic().await?.is_some() {
            return Ok(false);
        }
        let now = self.parts.clock.now();
        let mailbox = self.mailbox_of(mail);
        let folders = mailbox.as_ref().and_then(|id| self.parts.folders.get(id));
        let Some(folders) = folders else {
            return self.look_at_draft_later(stored, mail.missing_since).await;
        };
        let sight = match self.sight(mail, &**folders).await {
            Ok(sight) => sight,
            Err(NotSeen::Books(error)) => return Err(error.into()),
            Err(NotSeen::Folder(error)) => {
                tracing::warn!(effect = %mail.id, %error, "cannot look for a draft");
                self.draft_trouble(mail, &error);
                return self.look_at_draft_later(stored, mail.missing_since).await;
            }
        };
        self.draft_works(mail);
        let turn = match sight {
            Sight::InDrafts => match self.overtaken(mail, now).await? {
                Some(why) => cancelled(why),
                None => return self.look_at_draft_later(stored, None).await,
            },
            Sight::InSent(turn) => *turn,
            Sight::Unknown => return self.look_at_draft_later(stored, mail.missing_since).await,
            Sight::Nowhere => match missed(mail.missing_since, now) {
                Missed::Since(since) => {
                    return self.look_at_draft_later(stored, Some(since)).await;
                }
                Missed::Deleted => {
                    let why = "its owner deleted the draft: it is neither in Drafts nor in Sent";
                    let input = Input::Cancel {
                        by: OWNER.to_owned(),
                        why: why.to_owned(),
                    };
                    Turn::new(input, why)
                }
            },
        };
        let drafted = |state: &MailState| *state == MailState::Drafted;
        self.advance(&mail.id, drafted, turn).await?;
        Ok(true)
    }

    async fn look_at_draft_later(
        &self,
        stored: &Stored<MailEffect>,
        missing_since: Option<Timestamp>,
    ) -> Result<bool, StepError> {
        let after = MailEffect {
            not_before: self.parts.clock.now().plus_millis(DRAFT_LOOK_MS),
            missing_since,
            ..stored.record.clone()
        };
        let mut writes = self.parts.books.batch();
        stage_mail_record(&mut writes, stored, &after)?;
        match self.parts.books.commit(writes).await {
            // Sent or called off meanwhile.
            Err(error) if error.is_conflict() => Ok(true),
            result => Ok(result.map(|()| true)?),
        }
    }

    /// Where a draft is now, by its ids or by its words.
    async fn sight(&self, mail: &MailEffect, folders: &dyn OwnFolders) -> Result<Sight, NotSeen> {
        let own = OwnMail::of(mail);
        if self.is_in_drafts(mail, &own, folders).await? {
            return Ok(Sight::InDrafts);
        }
        Ok(match folders.find(OwnFolder::Sent, &own).await {
            Ok(Some(sighting)) => Sight::InSent(Box::new(Turn::sighted(sighting, &own))),
            Ok(None) => Sight::Nowhere,
            Err(error) if error.no_folder => Sight::Unknown,
            Err(error) => return Err(error.into()),
        })
    }

    /// Whether the draft lies in Drafts, as it was or as its owner changed it: programs that save it
    /// anew may keep neither its Message-ID nor our stamp.
    async fn is_in_drafts(
        &self,
        mail: &MailEffect,
        own: &OwnMail,
        folders: &dyn OwnFolders,
    ) -> Result<bool, NotSeen> {
        if folders.find(OwnFolder::Drafts, own).await?.is_some() {
            return Ok(true);
        }
        let perhaps = folders.to_recipient(OwnFolder::Drafts, own).await?;
        if perhaps.is_empty() {
            return Ok(false);
        }
        let Some(bytes) = self.parts.books.bytes(&mail.content).await? else {
            return Ok(false);
        };
        let Ok(draft) = reader::read(bytes).await else {
            return Ok(false);
        };
        let views = reader::read_all(perhaps).await;
        let is_it = |view: &liaison_core::mail::MessageView| {
            own.is_to(view) && is_edit(&draft.body.reply, &view.body.reply, true)
        };
        Ok(views.iter().flatten().any(is_it))
    }

    /// Why a draft that lies there is not to be sent any more.
    async fn overtaken(
        &self,
        mail: &MailEffect,
        now: Timestamp,
    ) -> Result<Option<String>, BooksError> {
        if let Some(why) = self.lost_hold(mail).await? {
            return Ok(Some(why));
        }
        let look = SecondLook {
            books: &self.parts.books,
            office: &self.parts.office,
        };
        let facts = look.facts(mail, 0, now).await?;
        Ok(match recheck(&as_judged(mail), &facts) {
            Recheck::Cancel(why) => Some(why),
            Recheck::Go | Recheck::Wait(..) | Recheck::Hold(_) => None,
        })
    }

    /// Takes an overtaken draft out of Drafts, as long as it is byte for byte what we put there:
    /// one that its owner changed is theirs. The entry of the due index is all that remembers it.
    pub(super) async fn handle_stale_draft(&self, due: &Due) -> Result<bool, StepError> {
        let books = &self.parts.books;
        let Some(mail) = books.mail(&due.id).await? else {
            return Ok(self.drop_due(due, None).await?);
        };
        if !mail.state.came_to_nothing() {
            // Its owner sent it all the same.
            return Ok(self.drop_due(due, None).await?);
        }
        let mailbox = self.mailbox_of(&mail);
        let folders = mailbox.as_ref().and_then(|id| self.parts.folders.get(id));
        let Some(folders) = folders else {
            let left = Stale::Left("no mailbox with Drafts is configured any more".to_owned());
            return self.end_stale_draft(due, &mail, left).await;
        };
        let end = match self.take_out(&mail, &**folders).await {
            Ok(end) => {
                self.draft_works(&mail);
                end
            }
            Err(NotSeen::Books(error)) => return Err(error.into()),
            Err(NotSeen::Folder(error)) => {
                self.draft_trouble(&mail, &error);
                let now = self.parts.clock.now();
                let age = now.since(mail.since);
                if !error.needs_person && age <= RETRY_AGE_MAX_MS {
                    let later = Due {
                        at: now.plus_millis(age.clamp(MINUTE_MS, HOUR_MS)),
                        ..due.clone()
                    };
                    let mut writes = books.batch();
                    writes.del(due.key()).put(later.key(), Vec::new());
                    books.commit(writes).await?;
                    return Ok(true);
                }
                Stale::Left(error.to_string())
            }
        };
        self.end_stale_draft(due, &mail, end).await
    }

    async fn take_out(
        &self,
        mail: &MailEffect,
        folders: &dyn OwnFolders,
    ) -> Result<Stale, NotSeen> {
        let Some(bytes) = self.parts.books.bytes(&mail.content).await? else {
            let why = "the rendered message is gone, so nobody can say whether it was changed";
            return Ok(Stale::Left(why.to_owned()));
        };
        if folders.remove_draft(&mail.message_id, &bytes).await? {
            return Ok(Stale::Removed);
        }
        Ok(
            match self.is_in_drafts(mail, &OwnMail::of(mail), folders).await? {
                true => Stale::Left("its owner changed it".to_owned()),
                false => Stale::Gone,
            },
        )
    }

    /// The audit says what became of the draft, and its owner hears of one that is left to them.
    async fn end_stale_draft(
        &self,
        due: &Due,
        mail: &MailEffect,
        end: Stale,
    ) -> Result<bool, StepError> {
        let mut writes = self.parts.books.batch();
        writes.del(due.key());
        let now = self.parts.clock.now();
        if let Stale::Left(_) = &end {
            let overtaken = match &mail.state {
                MailState::Cancelled { why, .. } => why.clone(),
                state => format!("the mail is {state}"),
            };
            let owner = self.owner_of(mail).await?;
            let told = (overtaken.as_str(), owner.as_deref(), now);
            stage_left(&self.parts.books, &mut writes, mail, told).await?;
        }
        let (what, why) = match end {
            Stale::Removed => (
                "draft taken out of Drafts",
                "it was overtaken, and nobody had changed it".to_owned(),
            ),
            Stale::Gone => (
                "no draft in Drafts",
                "its owner took it out already".to_owned(),
            ),
            Stale::Left(why) => ("draft left in Drafts", why),
        };
        let row = AuditRow {
            at: now,
            who: WHO.to_owned(),
            what: what.to_owned(),
            why,
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
