//! Changing messages on an IMAP server (RFC 9051, RFC 6851 MOVE, RFC 4315 UIDPLUS).
//!
//! Each change has the mailbox's work connection to itself until it is made; folders are opened for
//! writing only there. Nothing is ever removed but by `UID EXPUNGE` of the one message that was
//! copied before.

mod moving;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use liaison_core::mailbox::MailboxChange;
use tokio::time::timeout;

use super::FolderError;
use super::imap_folders::{Failure, refused};
use super::mailbox::{Changed, MailboxJob, MailboxWriter, Order, Place};
use crate::dial::in_words;
use crate::source::imap::ImapSource;
use crate::source::imap::answer::{Tagged, Untagged};
use crate::source::imap::connection::{COMMAND_LIMIT, Connection};
use crate::source::imap::open::OpenError;
use crate::source::imap::wire::{Command, decode_mailbox, encode_mailbox, quote, unescape};
use crate::source::imap::work::WorkError;

/// Waiting for the connection, and one change: a mailbox whose only connection waits for a person
/// is not waited for.
const CHANGE_LIMIT: Duration = Duration::from_secs(5 * 60);

/// The mailbox of this source.
pub struct ImapMailbox {
    source: Arc<ImapSource>,
}

impl fmt::Debug for ImapMailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImapMailbox({})", self.source.place())
    }
}

impl ImapMailbox {
    /// The mailbox of this source; nothing is dialled before [`MailboxWriter::open`].
    #[must_use]
    pub fn new(source: Arc<ImapSource>) -> ImapMailbox {
        ImapMailbox { source }
    }
}

impl MailboxWriter for ImapMailbox {
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn MailboxJob>, FolderError>> {
        Box::pin(async move {
            // Whether there is a connection is known before the try of a change is on record.
            lent(&self.source, "changing messages", |connection| {
                Box::pin(async move {
                    connection.plain(Command::new("NOOP")).await?;
                    Ok(())
                })
            })
            .await?;
            let source = self.source.clone();
            Ok(Box::new(ImapJob { source }) as Box<dyn MailboxJob>)
        })
    }
}

/// Changes, one after the other.
struct ImapJob {
    source: Arc<ImapSource>,
}

impl MailboxJob for ImapJob {
    fn change<'a>(&'a mut self, order: &'a Order) -> BoxFuture<'a, Result<Changed, FolderError>> {
        Box::pin(async move {
            let (what, order) = (order.change.to_string(), order.clone());
            lent(&self.source, &what, move |connection| {
                Box::pin(async move { Hand::new(connection).change(&order).await })
            })
            .await
        })
    }
}

/// Runs a job on the work connection.
async fn lent<T, F>(source: &ImapSource, what: &str, job: F) -> Result<T, FolderError>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, Failure>> + Send + 'static,
{
    let place = source.place();
    let not_lent = |why: String, needs_person: bool| FolderError {
        what: format!("{what} of {place}"),
        why,
        needs_person,
        no_folder: false,
    };
    match timeout(CHANGE_LIMIT, source.on_work_connection(job)).await {
        Ok(Ok(done)) => done.map_err(|failure| said(what, &place, &failure)),
        Ok(Err(error)) => {
            let needs_person = match &error {
                WorkError::Open(open) => OpenError::needs_person(open),
                WorkError::Lost | WorkError::Busy => false,
            };
            Err(not_lent(in_words(&error), needs_person))
        }
        Err(_) => {
            let limit = CHANGE_LIMIT.as_secs();
            Err(not_lent(
                format!("no connection was free within {limit} s"),
                false,
            ))
        }
    }
}

fn said(what: &str, place: &str, failure: &Failure) -> FolderError {
    FolderError {
        what: format!("{what} of {place}"),
        why: in_words(failure),
        needs_person: failure.needs_person(),
        no_folder: false,
    }
}

/// A folder opened for writing.
#[derive(Debug, Clone)]
struct Selected {
    name: String,
    uid_validity: u32,
    /// Flags that can be changed for good; `None` where the server does not say.
    permanent: Option<Vec<String>>,
    read_only: bool,
}

impl Selected {
    /// RFC 9051 section 7.1: without the list all flags can be changed; `\*` allows new keywords.
    fn keeps(&self, flag: &str) -> bool {
        self.permanent.as_ref().is_none_or(|flags| {
            let new_ones = !flag.starts_with('\\') && flags.iter().any(|word| word == "\\*");
            new_ones || has(flags, flag)
        })
    }
}

fn has(flags: &[String], flag: &str) -> bool {
    flags.iter().any(|word| word.eq_ignore_ascii_case(flag))
}

/// At work on a connection that was lent; what is open on it is only known until it is given back.
struct Hand<'c> {
    connection: &'c mut Connection,
    selected: Option<Selected>,
}

/// Where a message was looked for, and what was found.
enum Located {
    /// There, under this UID.
    At(u32),
    /// Not in this folder.
    Nowhere,
    /// The folder cannot be opened.
    Closed(String),
    /// Its UIDs are others than when the message was seen last.
    Renumbered,
}

/// Flags or labels of a message.
enum Marks {
    /// It is not there.
    Nowhere,
    /// It is there, and the server did not tell them in a way that can be read.
    Unreadable,
    These(Vec<String>),
}

impl Hand<'_> {
    fn new(connection: &mut Connection) -> Hand<'_> {
        Hand {
            connection,
            selected: None,
        }
    }

    /// Makes the change. A refused command is an answer, after which the connection goes on; an
    /// error is none.
    async fn change(&mut self, order: &Order) -> Result<Changed, Failure> {
        let done = match &order.change {
            MailboxChange::Move(to) => self.relocate(order, to).await,
            _ => self.mark(order).await,
        };
        match done {
            Err(failure @ Failure::Refused { .. }) => Ok(Changed::Declined(in_words(&failure))),
            done => done,
        }
    }

    /// Sets or clears a flag or keyword, or adds a label.
    async fn mark(&mut self, order: &Order) -> Result<Changed, Failure> {
        let mark = match Mark::of(&order.change) {
            Some(mark) => mark,
            None => return Ok(Changed::Refused("this is no mark of a message".to_owned())),
        };
        if mark.is_label && !self.connection.can("X-GM-EXT-1") {
            let why = "the server has no labels; only Gmail's has (X-GM-EXT-1)";
            return Ok(Changed::Refused(why.to_owned()));
        }
        let uid = match self.locate(&order.place).await? {
            Located::At(uid) => uid,
            other => return Ok(not_found(other, &order.place.folder)),
        };
        match self.marks(uid, &mark).await? {
            Marks::Nowhere => return Ok(not_found(Located::Nowhere, &order.place.folder)),
            Marks::These(marks) if mark.is_so(&marks) => {
                return Ok(Changed::done("it was so already"));
            }
            Marks::These(_) | Marks::Unreadable => {}
        }
        if let Some(why) = self.cannot(&mark) {
            return Ok(Changed::Refused(why));
        }
        let store = Command::new(format!("UID STORE {uid} {}", mark.store()));
        let answer = self.connection.plain(store).await?;
        if !answer.is_ok() {
            return Ok(declined("UID STORE", &answer));
        }
        Ok(match self.marks(uid, &mark).await? {
            Marks::These(marks) if mark.is_so(&marks) => Changed::done("seen by FETCH afterwards"),
            Marks::These(_) => {
                Changed::Declined("the server said OK and changed nothing".to_owned())
            }
            Marks::Unreadable if mark.is_label => {
                Changed::done("the server said OK; its labels cannot be read")
            }
            Marks::Unreadable => {
                Changed::Declined("the server said OK; its flags cannot be read".to_owned())
            }
            Marks::Nowhere => not_found(Located::Nowhere, &order.place.folder),
        })
    }

    fn cannot(&self, mark: &Mark) -> Option<String> {
        let selected = self.selected.as_ref()?;
        let folder = &selected.name;
        if selected.read_only {
            return Some(format!("{folder} can only be read"));
        }
        (!mark.is_label && !selected.keeps(&mark.word)).then(|| {
            let word = &mark.word;
            format!("{folder} does not keep {word} (PERMANENTFLAGS)")
        })
    }

    /// Opens the folder for writing and finds the message in it by its UID. Under another
    /// UIDVALIDITY nothing is guessed: its source finds the message again, by what it says.
    async fn locate(&mut self, place: &Place) -> Result<Located, Failure> {
        let uid_validity = match self.select(&place.folder).await? {
            Ok(uid_validity) => uid_validity,
            Err(why) => return Ok(Located::Closed(why)),
        };
        let known = place.locator.split_once('/').and_then(|(validity, uid)| {
            let same = validity.parse() == Ok(uid_validity) && uid_validity != 0;
            uid.parse::<u32>().ok().filter(|_| same)
        });
        let Some(uid) = known else {
            return Ok(Located::Renumbered);
        };
        Ok(match self.is_there(uid).await? {
            true => Located::At(uid),
            false => Located::Nowhere,
        })
    }

    async fn is_there(&mut self, uid: u32) -> Result<bool, Failure> {
        let mut there = false;
        let command = Command::new(format!("UID FETCH {uid} (UID)"));
        let answer = self.connection.exec(command, COMMAND_LIMIT, |answer| {
            there |= matches!(answer, Untagged::Fetch(row) if row.uid == Some(uid));
        });
        let answer = answer.await?;
        checked("UID FETCH", &answer)?;
        Ok(there)
    }

    async fn marks(&mut self, uid: u32, mark: &Mark) -> Result<Marks, Failure> {
        let (mut there, mut found) = (false, None);
        let item = if mark.is_label {
            "X-GM-LABELS"
        } else {
            "FLAGS"
        };
        let command = Command::new(format!("UID FETCH {uid} (UID {item})"));
        let answer = self.connection.exec(command, COMMAND_LIMIT, |answer| {
            if let Untagged::Fetch(row) = answer
                && row.uid == Some(uid)
            {
                there = true;
                let marks = if mark.is_label { row.labels } else { row.flags };
                // The server may tell of the other kind besides.
                found = marks.or(found.take());
            }
        });
        let answer = answer.await?;
        checked("UID FETCH", &answer)?;
        Ok(match (there, found) {
            (_, Some(marks)) => Marks::These(marks),
            (true, None) => Marks::Unreadable,
            (false, None) => Marks::Nowhere,
        })
    }

    /// SELECT; UIDVALIDITY, or the refusal in the server's words.
    async fn select(&mut self, folder: &str) -> Result<Result<u32, String>, Failure> {
        if let Some(selected) = self.selected.as_ref().filter(|open| open.name == folder) {
            return Ok(Ok(selected.uid_validity));
        }
        self.selected = None;
        let mut selected = Selected {
            name: folder.to_owned(),
            uid_validity: 0,
            permanent: None,
            read_only: false,
        };
        let command = Command::new("SELECT").mailbox(folder);
        let answer = self.connection.exec(command, COMMAND_LIMIT, |answer| {
            if let Untagged::Condition(Some(code)) = answer {
                match code.word.as_str() {
                    "UIDVALIDITY" => selected.uid_validity = code.argument.parse().unwrap_or(0),
                    "PERMANENTFLAGS" => selected.permanent = Some(flags_in(&code.argument)),
                    _ => {}
                }
            }
        });
        let answer = answer.await?;
        if !answer.is_ok() {
            return Ok(Err(answer.words()));
        }
        selected.read_only = answer.has_code("READ-ONLY");
        let uid_validity = selected.uid_validity;
        self.selected = Some(selected);
        Ok(Ok(uid_validity))
    }
}

/// Words of a list with or without its parentheses.
fn flags_in(list: &str) -> Vec<String> {
    let inside = list.trim().trim_start_matches('(').trim_end_matches(')');
    inside.split_whitespace().map(str::to_owned).collect()
}

/// A flag, keyword or label that is to be there or not.
struct Mark {
    word: String,
    on: bool,
    is_label: bool,
}

impl Mark {
    fn of(change: &MailboxChange) -> Option<Mark> {
        let (word, on, is_label) = match change {
            MailboxChange::Flag { flag, on } => (flag.imap().to_owned(), *on, false),
            MailboxChange::Keyword { keyword, on } => (keyword.clone(), *on, false),
            MailboxChange::Label(label) => (label.clone(), true, true),
            MailboxChange::Move(_) => return None,
        };
        Some(Mark { word, on, is_label })
    }

    fn is_so(&self, marks: &[String]) -> bool {
        let there = match self.is_label {
            // Gmail's labels know no case.
            true => {
                let word = self.word.to_lowercase();
                marks
                    .iter()
                    .any(|label| label_of(label).to_lowercase() == word)
            }
            false => has(marks, &self.word),
        };
        there == self.on
    }

    /// The rest of a UID STORE; labels are mailbox names to Gmail.
    fn store(&self) -> String {
        let sign = if self.on { '+' } else { '-' };
        match self.is_label {
            true => format!("{sign}X-GM-LABELS ({})", quote(&encode_mailbox(&self.word))),
            false => format!("{sign}FLAGS.SILENT ({})", self.word),
        }
    }
}

fn label_of(label: &str) -> String {
    decode_mailbox(&unescape(label))
}

fn not_found(located: Located, folder: &str) -> Changed {
    match located {
        Located::Closed(why) => Changed::Declined(format!("{folder} cannot be opened: {why}")),
        Located::Renumbered => Changed::Declined(format!(
            "{folder} was renumbered (UIDVALIDITY): it waits until that was read again"
        )),
        Located::At(_) | Located::Nowhere => {
            Changed::Gone(format!("it is not in {folder} any more"))
        }
    }
}

fn declined(step: &str, answer: &Tagged) -> Changed {
    Changed::Declined(format!("{step} was refused: {}", answer.words()))
}

fn checked(step: &'static str, answer: &Tagged) -> Result<(), Failure> {
    match answer.is_ok() {
        true => Ok(()),
        false => Err(refused(step, answer)),
    }
}
