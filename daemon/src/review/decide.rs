//! What a person says to a question whose an address is.

use std::sync::Arc;

use liaison_core::account::matching::{Evidence, Kind, Match, MatchOutcome};
use liaison_core::ids::{AccountId, ContactId, MessageKey};
use liaison_core::mail::address::Address;
use liaison_core::message::{MessageRecord, ThreadRecord, cut_text};
use liaison_core::touch::touch_of_message;

use crate::accounts::{By, DomainRules, audit};
use crate::books::chunk::Chunk;
use crate::books::indexes::{self, decided_key};
use crate::books::rows::{
    AuditRow, ByAddrRow, ByDomainRow, MatchRuleRow, OutcomeRow, ReviewRow, ReviewState,
};
use crate::books::{Books, BooksError, keys, replace};
use crate::ingest::timeline_row;
use crate::store::{Batch, Expect, Ns, Stored};

/// Longest reason of an audit row and of an outcome, in characters.
const WHY_CHARS_MAX: usize = 600;
/// The reason of a match that a person made.
const DECIDED: Kind = Kind::Decided;

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The records could not be used.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// There is no such question.
    #[error("there is no review `{0}`: see `liaison review list --all`")]
    Unknown(String),
    /// It was answered already.
    #[error("the review {id} is {state} already; `liaison review reopen {id}` takes that back")]
    NotOpen {
        /// Which.
        id: String,
        /// What became of it.
        state: &'static str,
    },
    /// It was never answered.
    #[error("the review {0} is open: there is nothing to take back")]
    Open(String),
    /// The domain cannot be one account's.
    #[error("{domain} cannot belong to one account: {reason}; leave out --domain")]
    Domain {
        /// Which.
        domain: String,
        /// Why not.
        reason: String,
    },
}

/// What became of a question and of its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The question.
    pub row: ReviewRow,
    /// Messages whose account changed.
    pub messages: usize,
    /// Those of them about which plugins are still asked, with what was decided.
    pub open: usize,
}

/// The word for a state.
#[must_use]
pub fn state_word(state: &ReviewState) -> &'static str {
    match state {
        ReviewState::Open => "open",
        ReviewState::Resolved { .. } => "resolved",
        ReviewState::Dismissed { .. } => "dismissed",
    }
}

/// From now on mail from the address (or, with `whole_domain`, from its domain) belongs to the
/// account; the messages that wait get it. One commit.
///
/// # Errors
/// [`DecideError`]; nothing was written then.
pub async fn resolve(
    books: &Books,
    id: &str,
    account: &AccountId,
    whole_domain: Option<&DomainRules>,
    by: &By,
) -> Result<Decided, DecideError> {
    let desk = Desk::of(books, by);
    let seen = desk.question(id).await?;
    if seen.record.state != ReviewState::Open {
        let state = state_word(&seen.record.state);
        let id = id.to_owned();
        return Err(DecideError::NotOpen { id, state });
    }
    let subject = subject(&seen.record.address, whole_domain)?;
    let mut row = seen.record.clone();
    row.state = ReviewState::Resolved {
        account: account.clone(),
        subject: subject.clone(),
        at: by.now,
        who: by.who.clone(),
    };
    desk.teach(&subject, account, id).await?;
    let contact = desk.contact(&row.address, account).await?;
    let (mut messages, mut open) = (0_usize, 0_usize);
    for key in &row.messages {
        match desk.give(key, (account, contact.as_ref()), &row).await? {
            Given::Nothing => continue,
            Given::Open => open = open.saturating_add(1),
            Given::Closed => {}
        }
        messages = messages.saturating_add(1);
    }
    let what = format!("mail from {subject} belongs to {account} ({messages} messages got it)");
    desk.finish(
        seen.version,
        row,
        (&[account.as_str()], what),
        (messages, open),
    )
    .await
}

/// The question need not be answered.
///
/// # Errors
/// [`DecideError`]; nothing was written then.
pub async fn dismiss(books: &Books, id: &str, by: &By) -> Result<Decided, DecideError> {
    let desk = Desk::of(books, by);
    let seen = desk.question(id).await?;
    let mut row = seen.record;
    if row.state != ReviewState::Open {
        let state = state_word(&row.state);
        let id = id.to_owned();
        return Err(DecideError::NotOpen { id, state });
    }
    row.state = ReviewState::Dismissed {
        at: by.now,
        who: by.who.clone(),
    };
    desk.finish(seen.version, row, (&[], "dismissed".to_owned()), (0, 0))
        .await
}

/// Takes an answer back: the rule goes, and so does the account of the messages that got it.
///
/// # Errors
/// [`DecideError`]; nothing was written then.
pub async fn reopen(books: &Books, id: &str, by: &By) -> Result<Decided, DecideError> {
    let desk = Desk::of(books, by);
    let seen = desk.question(id).await?;
    let mut row = seen.record;
    let state = std::mem::replace(&mut row.state, ReviewState::Open);
    let mut messages = 0_usize;
    let mut subjects: Vec<String> = Vec::new();
    let what = match state {
        ReviewState::Open => return Err(DecideError::Open(id.to_owned())),
        ReviewState::Dismissed { .. } => "open again".to_owned(),
        ReviewState::Resolved {
            account, subject, ..
        } => {
            desk.unteach(&subject, id).await?;
            for key in &row.messages {
                messages = messages
                    .saturating_add(usize::from(desk.take_back(key, &account, &row).await?));
            }
            subjects.push(account.0.clone());
            format!("open again: {subject} is no longer taken for {account}'s")
        }
    };
    let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
    desk.finish(seen.version, row, (&subjects, what), (messages, 0))
        .await
}

/// The address, or its domain where that may be one account's.
fn subject(address: &str, whole_domain: Option<&DomainRules>) -> Result<String, DecideError> {
    let Some(rules) = whole_domain else {
        return Ok(address.to_owned());
    };
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    match rules.account_domain(domain) {
        Ok(domain) => Ok(domain.as_str().to_owned()),
        Err(reason) => Err(DecideError::Domain {
            domain: domain.to_owned(),
            reason,
        }),
    }
}

/// What a message got.
enum Given {
    /// It has an account already, or is gone.
    Nothing,
    /// The account; plugins are still to be asked, and are told it.
    Open,
    /// The account; nobody is asked again.
    Closed,
}

/// One answer on its way into one commit.
struct Desk<'a> {
    base: &'a Books,
    chunk: Arc<Chunk>,
    /// Sees what was staged so far.
    books: Books,
    by: &'a By,
}

impl<'a> Desk<'a> {
    fn of(base: &'a Books, by: &'a By) -> Desk<'a> {
        let chunk = Arc::new(Chunk::new(base.store.clone()));
        Desk {
            base,
            books: base.through(chunk.clone()),
            chunk,
            by,
        }
    }

    async fn question(&self, id: &str) -> Result<Stored<ReviewRow>, DecideError> {
        let row = self.books.get::<ReviewRow>(keys::review(id)).await?;
        row.ok_or_else(|| DecideError::Unknown(id.to_owned()))
    }

    async fn finish(
        &self,
        version: u64,
        row: ReviewRow,
        (subjects, what): (&[&str], String),
        (messages, open): (usize, usize),
    ) -> Result<Decided, DecideError> {
        let mut writes = self.books.batch();
        replace(&mut writes, keys::review(&row.id), Some(version), &row)?;
        let told = AuditRow {
            at: self.by.now,
            who: self.by.who.clone(),
            what: cut_text(&what, WHY_CHARS_MAX),
            why: cut_text(&self.by.why, WHY_CHARS_MAX),
        };
        audit(&self.books, &mut writes, &row.id, &told).await?;
        for subject in subjects {
            audit(&self.books, &mut writes, subject, &told).await?;
        }
        self.books.commit(writes).await?;
        let mut all = self.base.batch();
        self.chunk.drain(&mut all);
        self.base.commit(all).await?;
        Ok(Decided {
            row,
            messages,
            open,
        })
    }

    /// Writes the rule and what the lookups read of it. An earlier rule of the same subject gives
    /// way: the last word of a person counts.
    async fn teach(
        &self,
        subject: &str,
        account: &AccountId,
        review: &str,
    ) -> Result<(), BooksError> {
        let key = keys::match_rule(subject);
        let seen = self.books.get::<MatchRuleRow>(key.clone()).await?;
        let row = MatchRuleRow {
            subject: subject.to_owned(),
            account: account.clone(),
            at: self.by.now,
            who: self.by.who.clone(),
            why: cut_text(&self.by.why, WHY_CHARS_MAX),
            review: review.to_owned(),
        };
        let mut writes = self.books.batch();
        replace(&mut writes, key, seen.map(|row| row.version), &row)?;
        self.index(&mut writes, subject, Some(account)).await?;
        self.books.commit(writes).await
    }

    /// Removes the rule that this review made; one that came later stays.
    async fn unteach(&self, subject: &str, review: &str) -> Result<(), BooksError> {
        let key = keys::match_rule(subject);
        let Some(seen) = self.books.get::<MatchRuleRow>(key.clone()).await? else {
            return Ok(());
        };
        if seen.record.review != review {
            return Ok(());
        }
        let mut writes = self.books.batch();
        writes.expect(key.clone(), Expect::Version(seen.version));
        writes.del(key);
        self.index(&mut writes, subject, None).await?;
        self.books.commit(writes).await
    }

    async fn index(
        &self,
        writes: &mut Batch,
        subject: &str,
        account: Option<&AccountId>,
    ) -> Result<(), BooksError> {
        let key = decided_key(subject);
        if key.ns == Ns::ByAddr {
            let seen = self.books.get::<ByAddrRow>(key.clone()).await?;
            let version = seen.as_ref().map(|row| row.version);
            let mut row = seen.map(|row| row.record).unwrap_or_default();
            row.decided = account.cloned();
            let empty = row.hits.is_empty() && row.decided.is_none();
            return put_or_remove(writes, key, version, (&row, empty));
        }
        let seen = self.books.get::<ByDomainRow>(key.clone()).await?;
        let version = seen.as_ref().map(|row| row.version);
        let mut row = seen.map(|row| row.record).unwrap_or_default();
        row.decided = account.cloned();
        let empty = row.accounts.is_empty() && row.decided.is_none();
        put_or_remove(writes, key, version, (&row, empty))
    }

    /// The one contact with the address at the account.
    async fn contact(
        &self,
        address: &str,
        account: &AccountId,
    ) -> Result<Option<ContactId>, BooksError> {
        let Ok(address) = Address::parse(address) else {
            return Ok(None);
        };
        let key = keys::by_addr(&address.key());
        let row = self.books.get::<ByAddrRow>(key).await?;
        let hits = row.map(|row| row.record.hits).unwrap_or_default();
        let mut there = hits.into_iter().filter(|hit| hit.account == *account);
        let first = there.next().and_then(|hit| hit.contact);
        Ok(first.filter(|_| there.next().is_none()))
    }

    /// Gives the account to a message that waits: its record, thread, timeline and outcome.
    async fn give(
        &self,
        key: &MessageKey,
        (account, contact): (&AccountId, Option<&ContactId>),
        row: &ReviewRow,
    ) -> Result<Given, BooksError> {
        let seen = self.books.get::<MessageRecord>(keys::message(key)).await?;
        let Some(seen) = seen.filter(|seen| waits(&seen.record)) else {
            return Ok(Given::Nothing);
        };
        let before = indexes::of_touch(touch_of_message(&seen.record).as_ref());
        let mut message = seen.record;
        message.account = Some(account.clone());
        message.contact = contact.cloned();
        let mut writes = self.books.batch();
        let after = indexes::of_touch(touch_of_message(&message).as_ref());
        indexes::stage(&self.books, &mut writes, &before, &after).await?;
        replace(
            &mut writes,
            keys::message(key),
            Some(seen.version),
            &message,
        )?;
        let line = timeline_row(&message);
        writes.put_record(keys::timeline(account, line.at, key.as_str()), &line)?;
        let thread = keys::thread(&message.thread);
        if let Some(seen) = self.books.get::<ThreadRecord>(thread.clone()).await?
            && seen.record.account.is_none()
        {
            let mut record = seen.record;
            record.account = Some((account.clone(), by_review(row)));
            replace(&mut writes, thread, Some(seen.version), &record)?;
        }
        let text = format!("{} decided in review {}", self.by.who, row.id);
        let matched = Match {
            outcome: MatchOutcome::Account,
            account: Some(account.clone()),
            contact: contact.cloned(),
            candidates: Vec::new(),
            confidence: DECIDED.most(),
            evidence: reasons(row, Some(Evidence::new(DECIDED, text))),
        };
        let open = self
            .outcome(&mut writes, key, matched, "belongs to it")
            .await?;
        self.books.commit(writes).await?;
        Ok(match open {
            true => Given::Open,
            false => Given::Closed,
        })
    }

    /// Takes the account from a message that a review gave it.
    async fn take_back(
        &self,
        key: &MessageKey,
        account: &AccountId,
        row: &ReviewRow,
    ) -> Result<bool, BooksError> {
        let seen = self.books.get::<MessageRecord>(keys::message(key)).await?;
        let Some(seen) = seen.filter(|seen| seen.record.account.as_ref() == Some(account)) else {
            return Ok(false);
        };
        let outcome = self.books.outcome(key.as_str()).await?;
        let by_us = outcome
            .and_then(|outcome| outcome.matched)
            .is_some_and(|matched| {
                let decided =
                    |one: &Evidence| one.kind == DECIDED.as_str() && one.text.contains(&row.id);
                matched.evidence.iter().any(decided)
            });
        if !by_us {
            return Ok(false);
        }
        let before = indexes::of_touch(touch_of_message(&seen.record).as_ref());
        let mut message = seen.record;
        message.account = None;
        message.contact = None;
        let mut writes = self.books.batch();
        let after = indexes::of_touch(touch_of_message(&message).as_ref());
        indexes::stage(&self.books, &mut writes, &before, &after).await?;
        replace(
            &mut writes,
            keys::message(key),
            Some(seen.version),
            &message,
        )?;
        writes.del(keys::timeline(account, message.received, key.as_str()));
        let thread = keys::thread(&message.thread);
        if let Some(seen) = self.books.get::<ThreadRecord>(thread.clone()).await?
            && seen
                .record
                .account
                .as_ref()
                .is_some_and(|(_, by)| *by == by_review(row))
        {
            let mut record = seen.record;
            record.account = None;
            replace(&mut writes, thread, Some(seen.version), &record)?;
        }
        let matched = Match {
            outcome: MatchOutcome::Ambiguous,
            account: None,
            contact: None,
            candidates: row.candidates.clone(),
            confidence: 0,
            evidence: reasons(row, None),
        };
        self.outcome(&mut writes, key, matched, "does not belong to it after all")
            .await?;
        self.books.commit(writes).await?;
        Ok(true)
    }

    /// Puts the match into the outcome; of a closed one it is said who decided, and that nobody was
    /// asked again. Returns whether it is still open.
    async fn outcome(
        &self,
        writes: &mut Batch,
        message: &MessageKey,
        matched: Match,
        what: &str,
    ) -> Result<bool, BooksError> {
        let key = keys::outcome(message.as_str());
        let Some(seen) = self.books.get::<OutcomeRow>(key.clone()).await? else {
            return Ok(false);
        };
        let mut row = seen.record;
        let before = row.matched.take().into_iter();
        let told = before.flat_map(|matched| matched.evidence);
        let told = told.filter(Evidence::is_about_sender).collect();
        row.matched = Some(matched.warned(told));
        let open = row.closed.is_none();
        if !open {
            let said = format!(
                "{}; {} said at {} that it {what}; plugins were not asked again",
                row.summary, self.by.who, self.by.now
            );
            row.summary = cut_text(&said, WHY_CHARS_MAX);
        }
        replace(writes, key, Some(seen.version), &row)?;
        Ok(open)
    }
}

/// Whether a message has no account yet and may get one.
fn waits(message: &MessageRecord) -> bool {
    message.account.is_none() && !message.outbound && message.from.is_some()
}

/// What stands in a thread as the message by which its account was found.
fn by_review(row: &ReviewRow) -> String {
    format!("review {}", row.id)
}

fn reasons(row: &ReviewRow, more: Option<Evidence>) -> Vec<Evidence> {
    row.evidence.iter().cloned().chain(more).collect()
}

fn put_or_remove<T: crate::store::codec::Record>(
    writes: &mut Batch,
    key: crate::store::Key,
    version: Option<u64>,
    (row, empty): (&T, bool),
) -> Result<(), BooksError> {
    match (empty, version) {
        (false, _) => replace(writes, key, version, row),
        (true, Some(version)) => {
            writes.expect(key.clone(), Expect::Version(version));
            writes.del(key);
            Ok(())
        }
        (true, None) => Ok(()),
    }
}
