//! What follows from it that a mail went out, however that became known: by the server's word, by its
//! copy in Sent, by an answer, by a delivery report or by a person.
//!
//! The event that tells the plugin is that of every end of a mail ([`super::stage_mail`]).

use liaison_core::effect::{MailEffect, MailMode};
use liaison_core::message::ThreadRecord;
use liaison_core::outbox::MailState;
use liaison_core::time::Timestamp;

use super::drafts;
use crate::books::keys::DueKind;
use crate::books::{Books, BooksError, keys, replace};
use crate::store::Batch;

/// Stages what belongs to the commit of a mail that went out: the thread's count of automatic mails,
/// and the copy to be filed. A mail gets there once, so that nothing of it is staged twice.
pub(super) async fn stage_went_out(
    books: &Books,
    writes: &mut Batch,
    (before, after): (&MailEffect, &MailEffect),
    now: Timestamp,
) -> Result<(), BooksError> {
    let handed_over = after.attempts > 0 || before.state == MailState::Uncertain;
    if handed_over && !after.is_draft() {
        // Whoever files it looks for it first, and knows whether the server does that.
        let entry = keys::effect_due(now, DueKind::SentCopy, &after.id);
        writes.put(entry, Vec::new());
    }
    drafts::stage_left_is_over(books, writes, after, now).await?;
    if after.mode == MailMode::Send {
        count_automatic(books, writes, before, after).await?;
    }
    Ok(())
}

/// One automatic mail more without a person in between, unless one wrote since it left.
async fn count_automatic(
    books: &Books,
    writes: &mut Batch,
    before: &MailEffect,
    after: &MailEffect,
) -> Result<(), BooksError> {
    let Some(id) = &after.cause.subject.thread else {
        return Ok(());
    };
    let key = keys::thread(id);
    let Some(stored) = books.get::<ThreadRecord>(key.clone()).await? else {
        return Ok(());
    };
    let mut thread = stored.record;
    let human = thread.last_human_inbound.max(thread.last_human_outbound);
    if human.is_some_and(|at| at > before.since) {
        return Ok(());
    }
    thread.automatic_since_human = thread.automatic_since_human.saturating_add(1);
    replace(writes, key, Some(stored.version), &thread)
}
