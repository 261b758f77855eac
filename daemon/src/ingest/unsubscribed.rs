//! Messages that ask for an end of our mails: looked at before anything asks who or what wrote them,
//! because mail programs send them by themselves, and from any address.

use liaison_core::message::{MessageRecord, cut_text};
use liaison_core::optout::{AskedBy, tokens_in};

use super::{Prepared, Taking};
use crate::books::{BooksError, chain};
use crate::privacy::ERASED_WHY;
use crate::unsubscribe::{Asked, Heeded, TokenError, heed};

/// Longest account of why a token is not heeded, in characters: the record was made to fit the store
/// before.
const TROUBLE_CHARS_MAX: usize = 160;

impl Taking<'_> {
    /// Heeds the token in a message, if there is one that was made here; gives the one outcome of the
    /// message then. A token that proves nothing is told among its problems, and the message goes on
    /// as any other.
    pub(super) async fn unsubscribed(
        &self,
        item: &Prepared,
        message: &mut MessageRecord,
    ) -> Result<Option<String>, BooksError> {
        let Some(view) = item.view.as_ref().ok().filter(|_| !message.outbound) else {
            return Ok(None);
        };
        let mut trouble = None;
        for token in tokens_in(&view.subject, &view.body.reply) {
            match self.ingest.office.unsubscribe.claim(token) {
                Ok(claim) => {
                    let from = message.from.as_ref().map_or("nobody", |from| &from.email);
                    let asked = Asked {
                        claim: &claim,
                        by: AskedBy::Message(message.key.clone()),
                        at: message.received,
                        mailbox: Some(&message.mailbox),
                        from,
                        passed_on: self.ingest.office.firm.owns(from),
                    };
                    let now = self.ingest.clock.now();
                    let heeded = heed(&self.books, &self.ingest.office, &asked, now).await?;
                    let outcome = outcome(&heeded);
                    // What its writer says besides is for a person.
                    if matches!(heeded, Heeded::Known(_)) && says_more(&view.body.reply, token) {
                        trouble = Some(cut_text(&outcome, TROUBLE_CHARS_MAX));
                        break;
                    }
                    return Ok(Some(outcome));
                }
                Err(error) => {
                    if matches!(error, TokenError::Key(_)) {
                        tracing::error!(error = %chain(&error), "an unsubscribe token is not checked");
                    }
                    trouble = Some(cut_text(&chain(&error), TROUBLE_CHARS_MAX));
                }
            }
        }
        message.problems.extend(trouble);
        Ok(None)
    }
}

/// Whether a text has words besides those that ask for an end.
fn says_more(text: &str, token: &str) -> bool {
    let is_more = |word: &str| !word.contains(token) && !word.eq_ignore_ascii_case("unsubscribe");
    text.split_whitespace().any(is_more)
}

fn outcome(heeded: &Heeded) -> String {
    match heeded {
        Heeded::Anew(wish, task) => format!(
            "it asks that no further mail goes to {}: heeded, with the token of mail {}; task {task} \
             tells of it",
            wish.address, wish.mail
        ),
        Heeded::Erased => format!("nothing done: {ERASED_WHY}"),
        Heeded::Known(wish) => {
            let known = match &wish.allowed {
                Some(allowed) => format!("{} allowed mail again on {}", allowed.who, allowed.at),
                None => format!("that was asked on {} already", wish.at),
            };
            format!(
                "nothing done: it asks that no further mail goes to {}, and {known}",
                wish.address
            )
        }
    }
}
