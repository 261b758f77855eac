//! Changes of messages in their mailboxes: all that are due in one mailbox, in one session.
//!
//! Before a change is made its try is durable, and after it what the mailbox was seen to be. A
//! crash between the two is harmless: the next try finds it done.

use liaison_core::ids::MailboxId;
use liaison_core::mailbox::{MailboxEffect, Tried};
use liaison_core::message::{MessageRecord, gone_why};

use super::filing::Work;
use super::{CONFLICTS_MAX, Delivery, Due, WHO, warn_effect};
use crate::books::indexes::mailbox_effect_due;
use crate::books::rows::DeliveryRow;
use crate::books::{BooksError, keys, replace};
use crate::outbox::mailbox::stage_mailbox_effect;
use crate::sink::FolderError;
use crate::sink::mailbox::{Changed, MailboxJob, Order, Place};
use crate::source::FolderRef;
use crate::store::Batch;
use crate::supervisor::Stop;

/// What a try came to, in the words of the history.
struct Outcome {
    tried: Tried,
    how: String,
    place: Option<Place>,
}

impl Outcome {
    fn of(tried: Tried, how: impl Into<String>) -> Outcome {
        Outcome {
            tried,
            how: how.into(),
            place: None,
        }
    }
}

impl From<Changed> for Outcome {
    fn from(changed: Changed) -> Outcome {
        let (tried, how, place) = match changed {
            Changed::Done { how, place } => (Tried::Done, how, place),
            Changed::Refused(why) => (Tried::Refused(why.clone()), why, None),
            Changed::Gone(why) => (Tried::Gone(why.clone()), why, None),
            Changed::Declined(why) => (Tried::Declined(why.clone()), why, None),
        };
        Outcome { tried, how, place }
    }
}

/// What the turn of one change left of the session.
enum Turned {
    /// It goes on.
    GoesOn,
    /// It is of no use any more; this change had its try.
    Lost(FolderError),
    /// There is none to be had, and no try was begun.
    None(FolderError),
}

type Session = Option<Box<dyn MailboxJob>>;

impl Delivery {
    /// Makes the changes that are due in one mailbox; returns how many entries were handled.
    pub(super) async fn handle_changes(
        &self,
        entries: &[Due],
        stop: &Stop,
    ) -> Result<usize, BooksError> {
        let mut ready = Vec::new();
        for due in entries {
            ready.extend(self.due_change(due).await?);
        }
        let mut handled = entries.len().saturating_sub(ready.len());
        // A move comes after everything else that is to be done where the message lies now.
        ready.sort_by_key(|effect| effect.change.is_move());
        let mut session = None;
        for (at, effect) in ready.iter().enumerate() {
            if stop.is_set() || self.parts.books.panic().await?.is_some() {
                break;
            }
            let turn = self.turn(effect, &mut session);
            let turned = tokio::select! {
                biased;
                // Given up in the middle it is like a crash: the next try looks first.
                () = stop.stopped() => break,
                turned = turn => turned,
            };
            handled = handled.saturating_add(1);
            let left = match turned {
                Ok(Turned::GoesOn) => continue,
                Ok(Turned::Lost(error)) => (at.saturating_add(1), error),
                Ok(Turned::None(error)) => (at, error),
                Err(error) => {
                    warn_effect(&effect.id, &error);
                    continue;
                }
            };
            let (from, error) = left;
            let waiting = ready.get(from..).unwrap_or_default();
            handled = handled.saturating_add(waiting.len());
            self.put_off(&effect.mailbox, waiting, &error, stop).await?;
            break;
        }
        Ok(handled)
    }

    async fn turn(
        &self,
        effect: &MailboxEffect,
        session: &mut Session,
    ) -> Result<Turned, BooksError> {
        let order = match self.order(effect).await? {
            Ok(order) => order,
            Err(outcome) => {
                self.settle_change(effect, outcome).await?;
                return Ok(Turned::GoesOn);
            }
        };
        let job = match session {
            Some(job) => job,
            None => match self.session(&effect.mailbox).await {
                Ok(job) => {
                    self.works_in(&effect.mailbox, Work::Changes);
                    session.insert(job)
                }
                Err(error) => return Ok(Turned::None(error)),
            },
        };
        self.make(effect, &order, job.as_mut()).await
    }

    /// The change behind a due entry; `None` when the entry was dropped.
    async fn due_change(&self, due: &Due) -> Result<Option<MailboxEffect>, BooksError> {
        let key = keys::mailbox_effect(&due.id);
        let stored = self.parts.books.get::<MailboxEffect>(key.clone()).await?;
        let record = stored.as_ref().map(|stored| (key, stored.version));
        let effect = stored.map(|stored| stored.record);
        let wanted = effect.filter(|effect| mailbox_effect_due(effect) == Some(due.key()));
        if wanted.is_none() {
            self.drop_due(due, record).await?;
        }
        Ok(wanted)
    }

    async fn session(&self, mailbox: &MailboxId) -> Result<Box<dyn MailboxJob>, FolderError> {
        match self.parts.mailboxes.get(mailbox) {
            Some(writer) => writer.open().await,
            None => Err(FolderError {
                what: format!("changing messages of {mailbox}"),
                why: "no [[mailbox]] has this name".to_owned(),
                needs_person: true,
                no_folder: false,
            }),
        }
    }

    /// What is to be asked for a change, or what it came to without asking.
    async fn order(&self, effect: &MailboxEffect) -> Result<Result<Order, Outcome>, BooksError> {
        if let Some(why) = self.not_granted(effect) {
            return Ok(Err(Outcome::of(Tried::Refused(why.clone()), why)));
        }
        let books = &self.parts.books;
        let others = books.mailbox_effects_of(&effect.message).await?;
        if let Some(at) = effect.waits_for(&others) {
            let at = at.max(self.parts.clock.now()).plus_millis(AFTER_OTHERS_MS);
            return Ok(Err(Outcome::of(Tried::NotYet(at), "")));
        }
        let message = books.message(&effect.message).await?;
        let erased = |message: &MessageRecord| {
            gone_why(&message.content) == Some(crate::privacy::ERASED_WHY)
        };
        let Some(message) = message.filter(|message| !erased(message)) else {
            let why = "nothing is known of the message any more";
            return Ok(Err(Outcome::of(Tried::Gone(why.to_owned()), why)));
        };
        let key = keys::delivery(&effect.message, &effect.mailbox);
        let Some(copy) = books.get::<DeliveryRow>(key).await? else {
            let why = format!("it was never found in {}", effect.mailbox);
            return Ok(Err(Outcome::of(Tried::Gone(why.clone()), why)));
        };
        Ok(Ok(Order {
            change: effect.change.clone(),
            place: Place {
                folder: copy.record.folder,
                locator: copy.record.locator,
            },
            message_id: message.message_id,
            again: effect.attempts > 0,
        }))
    }

    /// Why it may not be made, although it could be when it was decided.
    fn not_granted(&self, effect: &MailboxEffect) -> Option<String> {
        let (mailbox, plugin) = (&effect.mailbox, &effect.cause.plugin);
        if !self.parts.mailboxes.contains_key(mailbox) {
            return Some(format!("there is no [[mailbox]] {mailbox} any more"));
        }
        let grants = self.parts.changes.get(plugin);
        let granted = grants.is_some_and(|grants| grants.permit(&effect.change));
        (!granted).then(|| {
            format!("{plugin} is not granted it any more (`mailbox` and `mode.mailbox` of its [[plugin]])")
        })
    }

    /// One try.
    async fn make(
        &self,
        effect: &MailboxEffect,
        order: &Order,
        session: &mut dyn MailboxJob,
    ) -> Result<Turned, BooksError> {
        let begun = self.step(effect, "", None, |now| now.begun()).await?;
        let Some(begun) = begun else {
            return Ok(Turned::GoesOn);
        };
        match session.change(order).await {
            Ok(changed) => {
                self.settle_change(&begun, changed.into()).await?;
                Ok(Turned::GoesOn)
            }
            Err(error) => {
                self.lost(&begun, &error).await?;
                Ok(Turned::Lost(error))
            }
        }
    }

    /// The connection was lost over a try. After some of them it may be the change that does it.
    async fn lost(&self, begun: &MailboxEffect, error: &FolderError) -> Result<(), BooksError> {
        if begun.attempts < LOST_MAX {
            return self.unreachable(begun, error).await;
        }
        let why = format!("the connection is lost each time: {error}");
        let outcome = Outcome::of(Tried::Declined(why.clone()), why);
        self.settle_change(begun, outcome).await
    }

    /// No session: everything that wanted one waits, and nothing is lost.
    async fn put_off(
        &self,
        mailbox: &MailboxId,
        waiting: &[MailboxEffect],
        error: &FolderError,
        stop: &Stop,
    ) -> Result<(), BooksError> {
        tracing::warn!(%mailbox, %error, waiting = waiting.len(), "changes of messages wait");
        self.trouble_in(mailbox, Work::Changes, error);
        for effect in waiting {
            if stop.is_set() {
                break;
            }
            self.unreachable(effect, error).await?;
        }
        Ok(())
    }

    async fn unreachable(
        &self,
        effect: &MailboxEffect,
        error: &FolderError,
    ) -> Result<(), BooksError> {
        let why = error.to_string();
        let tried = Tried::Unreachable {
            why: why.clone(),
            needs_person: error.needs_person,
        };
        self.settle_change(effect, Outcome::of(tried, why)).await
    }

    async fn settle_change(
        &self,
        effect: &MailboxEffect,
        outcome: Outcome,
    ) -> Result<(), BooksError> {
        let Outcome { tried, how, place } = outcome;
        let (now, seed) = (self.parts.clock.now(), seed_of(effect));
        let after = |current: &MailboxEffect| current.after(tried.clone(), now, seed);
        self.step(effect, &how, place.as_ref(), after).await?;
        Ok(())
    }

    /// Changes the record, and with it where its message lies now. `None` when `change` has nothing
    /// to say of what stands there. Conflicts are read again.
    async fn step(
        &self,
        effect: &MailboxEffect,
        why: &str,
        place: Option<&Place>,
        change: impl Fn(&MailboxEffect) -> Option<MailboxEffect>,
    ) -> Result<Option<MailboxEffect>, BooksError> {
        let books = &self.parts.books;
        for _ in 0..CONFLICTS_MAX {
            let stored = books.get(keys::mailbox_effect(&effect.id)).await?;
            let Some(stored) = stored else {
                return Ok(None);
            };
            let Some(after) = change(&stored.record) else {
                return Ok(None);
            };
            let now = self.parts.clock.now();
            let mut writes = books.batch();
            stage_mailbox_effect(books, &mut writes, &stored, &after, (WHO, why), now).await?;
            if let Some(place) = place {
                self.stage_place(&mut writes, effect, place).await?;
            }
            match books.commit(writes).await {
                Ok(()) => {
                    self.parts.events.notify_one();
                    return Ok(Some(after));
                }
                Err(error) if error.is_conflict() => tokio::task::yield_now().await,
                Err(error) => return Err(error),
            }
        }
        let many = std::io::Error::other("others changed it again and again");
        warn_effect(&effect.id, &many);
        Ok(None)
    }

    /// The new place of the message, so that the next change finds it, and its source knows it.
    async fn stage_place(
        &self,
        writes: &mut Batch,
        effect: &MailboxEffect,
        place: &Place,
    ) -> Result<(), BooksError> {
        let key = keys::delivery(&effect.message, &effect.mailbox);
        let Some(copy) = self.parts.books.get::<DeliveryRow>(key.clone()).await? else {
            return Ok(());
        };
        let folder = FolderRef {
            mailbox: effect.mailbox.clone(),
            folder: place.folder.clone(),
            role: copy.record.role,
        };
        let known = keys::locator(&folder, &place.locator);
        writes.put(known, effect.message.0.clone());
        let mut row = copy.record;
        row.folder.clone_from(&place.folder);
        row.locator.clone_from(&place.locator);
        replace(writes, key, Some(copy.version), &row)
    }
}

/// Tries of one change over which the connection was lost, until that counts as a no.
const LOST_MAX: u32 = 8;

/// How long after the others of its message a move is looked at again, in milliseconds.
const AFTER_OTHERS_MS: i64 = 1_000;

/// Spreads the waits of effects that failed together.
fn seed_of(effect: &MailboxEffect) -> u64 {
    let digits = effect.id.as_str().get(..8).unwrap_or("0");
    u64::from_str_radix(digits, 16).unwrap_or(0)
}
