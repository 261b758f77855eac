//! Mail of ours that is seen in Sent: which mail of the outbox it is, and what its owner made of a
//! draft before sending it.

use liaison_core::effect::MailEffect;
use liaison_core::ids::EffectId;
use liaison_core::mail::{Address, MessageView};
use liaison_core::message::MessageRecord;
use liaison_core::outbox::{Input, MailState, difference, is_edit};
use liaison_core::time::DAY_MS;

use super::Taking;
use crate::books::rows::LedgerRow;
use crate::books::{BooksError, keys};
use crate::outbox::ledger::{Recipient, stage_counted_late};
use crate::outbox::{Step, StepError, stage_mail, stage_mail_record};
use crate::reader;
use crate::store::Stored;

/// Recipients of a message for whom drafts are looked up.
const RECIPIENTS_MAX: usize = 10;
/// How long ago a draft was decided that is looked for by its recipient.
const DRAFT_AGE_MAX_MS: i64 = 60 * DAY_MS;
/// Drafts with which a message is compared.
const DRAFTS_MAX: usize = 20;

/// A mail of the outbox that lies in Sent.
#[derive(Debug)]
pub(super) struct Ours {
    pub(super) mail: Stored<MailEffect>,
    /// For the audit.
    why: String,
}

impl Taking<'_> {
    /// The mail of our outbox that this message is. Only in a Sent folder, so that nobody outside
    /// can claim one: by its Message-ID, by our stamp where a server or program gave it another
    /// one, or by its words where a program that made a draft its own kept neither.
    pub(super) async fn mail_of_ours(
        &self,
        message: &MessageRecord,
        view: Option<&MessageView>,
    ) -> Result<Option<Ours>, BooksError> {
        if !message.outbound {
            return Ok(None);
        }
        let mut found = None;
        if let Some(id) = &message.message_id
            && let Some(effect) = self.books.mail_by_message_id(id).await?
        {
            found = self.books.get::<MailEffect>(keys::mail(&effect)).await?;
        }
        if let (None, Some(stamp)) = (&found, view.and_then(|view| view.liaison_id.as_deref())) {
            let key = keys::mail(&EffectId::from(stamp));
            let mail = self.books.get::<MailEffect>(key).await?;
            found = mail.filter(|mail| is_to(message, &mail.record));
        }
        if let Some(mail) = found {
            let why = self.what_became_of(&mail.record, view).await?;
            return Ok(Some(Ours { mail, why }));
        }
        match view {
            Some(view) if !message.historical => self.edited_draft(message, view).await,
            _ => Ok(None),
        }
    }

    /// A draft that lies before somebody, to whom this message goes and whose words it has.
    async fn edited_draft(
        &self,
        message: &MessageRecord,
        view: &MessageView,
    ) -> Result<Option<Ours>, BooksError> {
        let mut compared = 0_usize;
        for id in self.drafts_perhaps(message).await? {
            let Some(mail) = self.books.get::<MailEffect>(keys::mail(&id)).await? else {
                continue;
            };
            // One that was overtaken, or seemed to be deleted, may be sent all the same.
            let may_be_sent = matches!(
                mail.record.state,
                MailState::Drafted | MailState::Cancelled { .. }
            );
            if !may_be_sent
                || !mail.record.is_draft()
                || !is_to(message, &mail.record)
                || compared >= DRAFTS_MAX
            {
                continue;
            }
            compared = compared.saturating_add(1);
            let Some(draft) = self.rendered(&mail.record).await? else {
                continue;
            };
            let same = mail.record.cause.subject.thread.as_ref() == Some(&message.thread);
            if is_edit(&draft.body.reply, &view.body.reply, same) {
                let why = told(
                    &draft,
                    view,
                    "by its words: its program gave it another Message-ID",
                );
                return Ok(Some(Ours { mail, why }));
            }
        }
        Ok(None)
    }

    /// Mails of the thread, and those to these people that are young enough to lie before somebody.
    async fn drafts_perhaps(&self, message: &MessageRecord) -> Result<Vec<EffectId>, BooksError> {
        let mut ids = self.books.effects_of_thread(&message.thread).await?;
        let since = message.received.minus_millis(DRAFT_AGE_MAX_MS);
        let free_mail = &self.ingest.office.free_mail;
        let recipients = message.to.iter().chain(&message.cc);
        for person in recipients.take(RECIPIENTS_MAX) {
            let recipient = Recipient::of(&self.books, &person.email, None, free_mail).await?;
            for name in recipient.same_as() {
                let rows: Vec<LedgerRow> =
                    self.books.every(keys::ledger_since(&name, since)).await?;
                ids.extend(rows.into_iter().map(|row| row.effect));
            }
        }
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    async fn what_became_of(
        &self,
        mail: &MailEffect,
        view: Option<&MessageView>,
    ) -> Result<String, BooksError> {
        let found = "found in the Sent mailbox";
        let (true, Some(view)) = (mail.is_draft(), view) else {
            return Ok(found.to_owned());
        };
        let draft = self.rendered(mail).await?;
        Ok(draft.map_or_else(|| found.to_owned(), |draft| told(&draft, view, "by its id")))
    }

    /// A mail of the outbox as it was rendered.
    async fn rendered(&self, mail: &MailEffect) -> Result<Option<MessageView>, BooksError> {
        let Some(bytes) = self.books.bytes(&mail.content).await? else {
            return Ok(None);
        };
        Ok(reader::read(bytes).await.ok())
    }

    /// Stages that a mail of ours was seen in Sent, with all that follows from its having gone out, in
    /// a commit of its own to the chunk: the message has an event, too, and each commit has one.
    pub(super) async fn seen_in_sent(
        &self,
        message: &MessageRecord,
        ours: &Ours,
    ) -> Result<(), BooksError> {
        let mut writes = self.books.batch();
        let now = self.ingest.clock.now();
        let found_as = message.message_id.clone();
        if ours.mail.record.state.step(Input::FoundInSent).is_err() {
            // It is known to be sent; the id under which it lies there may be news.
            let mut record = ours.mail.record.clone();
            record.learn(found_as);
            if record == ours.mail.record {
                return Ok(());
            }
            stage_mail_record(&mut writes, &ours.mail, &record)?;
            return self.books.commit(writes).await;
        }
        let step = Step {
            input: Input::FoundInSent,
            who: "liaison",
            why: ours.why.clone(),
            not_before: None,
            found_as,
        };
        match stage_mail(&self.books, &mut writes, &ours.mail, step, now).await {
            Ok(after) => {
                let free_mail = &self.ingest.office.free_mail;
                stage_counted_late(&self.books, &mut writes, &after, (now, free_mail)).await?;
                self.books.commit(writes).await
            }
            Err(StepError::Books(error)) => Err(error),
            Err(_) => Ok(()),
        }
    }
}

/// Whether the message goes to the recipient of the mail, among others perhaps.
fn is_to(message: &MessageRecord, mail: &MailEffect) -> bool {
    let key = |email: &str| Address::parse(email).map_or_else(|_| email.to_owned(), |a| a.key());
    let recipient = key(&mail.recipient);
    let mut people = message.to.iter().chain(&message.cc);
    people.any(|person| key(&person.email) == recipient)
}

fn told(draft: &MessageView, sent: &MessageView, how: &str) -> String {
    let changed = difference(
        (&draft.subject, &draft.body.reply),
        (&sent.subject, &sent.body.reply),
    );
    match changed.as_str() {
        "" => format!("found in the Sent mailbox {how}; its owner sent the draft as it was"),
        _ => format!(
            "found in the Sent mailbox {how}; its owner sent the draft with these changes:\n\
             {changed}"
        ),
    }
}
