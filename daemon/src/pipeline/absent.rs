//! Absence notes: what waits for a person who is away waits until they are back, and nobody mails
//! one who left (H-OOO). Plugins move their own timers; this is what already lies in the outbox.

use std::collections::BTreeSet;

use liaison_core::account::ContactStatus;
use liaison_core::crm::{Kind, Source};
use liaison_core::effect::{Cause, MailEffect, MailMode};
use liaison_core::happening::Subject;
use liaison_core::ids::{EffectId, TaskId, derive};
use liaison_core::message::{MessageRecord, cut_text};
use liaison_core::outbox::absence::{Away, heed};
use liaison_core::outbox::{Input, MailState};
use liaison_core::policy::VerdictResult;
use liaison_core::records::TaskRecord;
use liaison_core::time::{DAY_MS, Timestamp};

use super::Pipeline;
use super::step::{CONFLICTS_MAX, same_person};
use crate::accounts::DomainRules;
use crate::books::rows::AuditRow;
use crate::books::{BooksError, keys, replace};
use crate::outbox::ledger::Recipient;
use crate::outbox::{stage_audit, stage_mail_record};
use crate::records::{Put, RecordBook, RecordBy, RecordsError};
use crate::store::{Expect, Stored};

/// Mails decided longer ago than this do not wait any more: whatever state waits, ends before.
const WAITING_MS: i64 = 60 * DAY_MS;
/// Longest excerpt of a text in a task, in characters.
const TITLE_CHARS_MAX: usize = 120;
/// Who does it, in the audit.
const WHO: &str = "liaison";

/// What a note says, of whom, and how sure that is.
struct Note<'a> {
    message: &'a MessageRecord,
    seq: u64,
    who: &'a str,
    left: bool,
    returns: Option<Timestamp>,
}

impl Note<'_> {
    fn of(message: &MessageRecord, seq: u64) -> Option<Note<'_>> {
        let (returns, left) = message.out_of_office?;
        // The note of a liar says nothing.
        let heard = !message.outbound && message.class == "ooo" && message.authenticity != "fail";
        let who = &message.from.as_ref().filter(|_| heard)?.email;
        Some(Note {
            message,
            seq,
            who,
            left,
            returns,
        })
    }

    /// Whether it is theirs, and says one thing: who comes back has not left.
    fn is_proven(&self) -> bool {
        self.message.authenticity == "pass" && self.returns.is_none()
    }
}

impl Pipeline {
    /// Moves and ends what waits for the sender of an absence note, and marks who left.
    pub(super) async fn heed_absence(
        &self,
        message: &MessageRecord,
        seq: u64,
    ) -> Result<(), BooksError> {
        let Some(note) = Note::of(message, seq).filter(|note| !self.office.firm.owns(note.who))
        else {
            return Ok(());
        };
        let account = message.account.as_ref();
        let person = Recipient::of(&self.books, note.who, account, &self.office.free_mail).await?;
        if note.left && note.is_proven() {
            self.mark_as_left(&note, &person).await?;
        }
        let since = self.clock.now().minus_millis(WAITING_MS);
        let mut waiting: BTreeSet<EffectId> = BTreeSet::new();
        for name in person.same_as() {
            let rows = self.books.ledger(&name, since).await?;
            waiting.extend(rows.into_iter().map(|row| row.effect));
        }
        for id in waiting {
            let mut conflicts = 0;
            while let Err(error) = self.heed_for(&id, &note).await {
                if !error.is_conflict() || conflicts >= CONFLICTS_MAX {
                    return Err(error);
                }
                conflicts = conflicts.saturating_add(1);
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn heed_for(&self, id: &EffectId, note: &Note<'_>) -> Result<(), BooksError> {
        let Some(mail) = self.books.get::<MailEffect>(keys::mail(id)).await? else {
            return Ok(());
        };
        let record = &mail.record;
        // It came of this very message or of a later event: the page is worked on again.
        let later = record.cause.event_seq >= note.seq;
        if later || !same_person(note.who, &record.recipient) {
            return Ok(());
        }
        let (who, when) = (note.who, note.message.received);
        if note.left {
            return self.heed_leaving(&mail, note).await;
        }
        let Some(returns) = note.returns else {
            return Ok(()); // An absence is no answer: what waits goes on as it was.
        };
        let (now, business) = (self.clock.now(), &self.office.firm.business);
        match heed(record, returns, now, business) {
            Away::Nothing => Ok(()),
            Away::TooLong => {
                let back = business.date_of(returns);
                let why = format!(
                    "{who} is away until {back}, as their note of {when} says: too long to wait by \
                     itself; approve, reschedule or reject it"
                );
                self.step_mail(&mail, Input::NeedsPerson, why).await
            }
            Away::Until(after) => {
                let back = business.date_of(returns);
                let why = format!("{who} is away until {back}, as their note of {when} says");
                let after = MailEffect {
                    not_before: after,
                    last_reply: Some(why.clone()),
                    ..record.clone()
                };
                let mut writes = self.books.batch();
                stage_mail_record(&mut writes, &mail, &after)?;
                let row = AuditRow {
                    at: now,
                    who: WHO.to_owned(),
                    what: format!("waits until {}", after.not_before),
                    why,
                };
                stage_audit(&mut writes, id.as_str(), now, row)?;
                self.books.commit(writes).await
            }
        }
    }

    /// Nobody writes to one who left; where the note may be anybody's, a person looks.
    async fn heed_leaving(
        &self,
        mail: &Stored<MailEffect>,
        note: &Note<'_>,
    ) -> Result<(), BooksError> {
        let (who, when, record) = (note.who, note.message.received, &mail.record);
        if note.is_proven() {
            let why = format!("{who} has left, as the note of {when} says");
            let by = "an absence note".to_owned();
            let input = Input::Cancel {
                by,
                why: why.clone(),
            };
            return match record.state.can_be_cancelled() {
                true => self.step_mail(mail, input, why).await,
                false => Ok(()),
            };
        }
        let by_itself = record.mode == MailMode::Send
            && matches!(record.state, MailState::Scheduled | MailState::Deferred);
        if !by_itself {
            return Ok(());
        }
        let why = format!(
            "a note of {when} says that {who} has left, and {}: look at it, then approve or reject",
            match note.returns {
                Some(_) => "it names a day of return, too",
                None => "nothing proves whose it is",
            }
        );
        self.step_mail(mail, Input::NeedsPerson, why).await
    }

    /// Marks the one contact who has exactly this address; of several nobody knows who left.
    async fn mark_as_left(&self, note: &Note<'_>, person: &Recipient) -> Result<(), BooksError> {
        let records = RecordBook::new(self.books.clone(), DomainRules::of(&self.office));
        let by = RecordBy {
            who: WHO.to_owned(),
            why: format!("their note of {} says so", note.message.received),
            // What a person set stays, and becomes a proposal.
            source: Source::Plugin,
            force: false,
            now: self.clock.now(),
        };
        let left = Put::upsert(Kind::Contact, &[("status", "left")]);
        let theirs = |address: &String| same_person(address, note.who);
        let mut contacts = person.contacts.iter();
        let mut contacts = contacts
            .by_ref()
            .filter(|contact| contact.addresses.iter().any(theirs));
        let (one, other) = (contacts.next(), contacts.next());
        if let Some(contact) =
            one.filter(|one| other.is_none() && one.status != ContactStatus::Left)
        {
            let put = Put {
                which: Some(contact.id.0.clone()),
                ..left.clone()
            };
            match records.put(&put, &by).await {
                Ok(_) => {}
                Err(RecordsError::Books(error)) => return Err(error),
                // The task tells of it all the same.
                Err(error) => {
                    tracing::warn!(contact = %contact.id, %error, "not marked as left");
                }
            }
        }
        Ok(())
    }

    /// Asks for the successor of one who left, once, unless a plugin did so about this message.
    pub(super) async fn ask_for_successor(
        &self,
        message: &MessageRecord,
        seq: u64,
    ) -> Result<(), BooksError> {
        let note = Note::of(message, seq).filter(|note| !self.office.firm.owns(note.who));
        let Some(note) = note.filter(|note| note.left) else {
            return Ok(());
        };
        let results = self.books.plugin_results(seq).await?;
        let told = results.iter().flat_map(|row| &row.verdicts).any(|verdict| {
            verdict.kind == "create-task" && matches!(verdict.result, VerdictResult::Applied(_))
        });
        let task = self.successor_task(&note).await?;
        if told || self.books.task(&task.id).await?.is_some() {
            return Ok(());
        }
        let mut writes = self.books.batch();
        writes.expect(keys::task(&task.id), Expect::Absent);
        replace(&mut writes, keys::task(&task.id), None, &task)?;
        self.books.commit(writes).await
    }

    async fn successor_task(&self, note: &Note<'_>) -> Result<TaskRecord, BooksError> {
        let message = note.message;
        let account = match &message.account {
            Some(id) => {
                let id = self.books.standing_id(id).await?;
                self.books.account(&id).await?
            }
            None => None,
        };
        let id = derive("liaison left 1", &[note.who.as_bytes()]);
        let task = TaskId(format!("task-{}", id.get(..16).unwrap_or(&id)));
        let (who, why) = (note.who, message.key.as_str());
        let person = message.from.as_ref().and_then(|from| from.name.as_deref());
        let cause = Cause {
            plugin: "".into(),
            plugin_version: String::new(),
            plugin_digest: String::new(),
            label: "left".to_owned(),
            event_seq: note.seq,
            cause: id,
            subject: Subject {
                account: message.account.clone(),
                contact: message.contact.clone(),
                thread: Some(message.thread.clone()),
                message: Some(message.key.clone()),
                mailbox: Some(message.mailbox.0.clone()),
                counterpart: Some(who.to_owned()),
            },
            reason: format!("their note of {} says so", message.received),
            rule: None,
        };
        let body = match note.is_proven() {
            true => format!(
                "{who} has left, as their note says: `liaison why {why}`\nNo mail goes there any \
                 more; find out who took over, and record them.\n"
            ),
            false => format!(
                "A note says that {who} has left, and nothing proves whose it is: `liaison why \
                 {why}`\nMail that was to go there waits for you: `liaison outbox list`\n"
            ),
        };
        let title = format!("Find the successor of {}", person.unwrap_or(who));
        let owner = account
            .as_ref()
            .and_then(|account| account.owner.as_deref());
        let owner = self.office.person_for(owner, Some(&message.mailbox));
        Ok(TaskRecord {
            title: cut_text(&title, TITLE_CHARS_MAX),
            body,
            owner: owner.map(|person| person.user.email.clone()),
            account: account.map(|account| account.id),
            contact: message.contact.clone(),
            ..TaskRecord::new(task, cause, self.clock.now())
        })
    }
}
