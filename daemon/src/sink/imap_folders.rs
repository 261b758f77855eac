//! The owner's Drafts and Sent mailboxes on an IMAP server.
//!
//! One connection, leased on demand and closed after [`IDLE_MAX`]. A refusal or a lost connection
//! is an error and never "not there": what is not there may be sent or placed again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::rest::Rest;
use super::{
    FolderError, OwnFolder, OwnFolders, OwnMail, Sighting, TO_RECIPIENT_BYTES_MAX, TO_RECIPIENT_MAX,
};
use crate::dial::in_words;
use crate::source::imap::ImapSettings;
use crate::source::imap::answer::{Tagged, Untagged};
use crate::source::imap::connection::{COMMAND_LIMIT, Connection, ConnectionError};
use crate::source::imap::folders::{Opened, examine, find, find_all_mail, select};
use crate::source::imap::open::{OpenError, open};
use crate::source::imap::wire::{Command, search_date, uid_set};
use crate::supervisor::{Stop, Waited};

/// How long an unused connection is kept.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// Most messages looked at after one search; ours is among the first, or somebody fakes ids.
const CANDIDATES_MAX: usize = 50;

/// Places and removes our own messages; connects on demand.
pub struct ImapFolders {
    settings: ImapSettings,
    kept: Mutex<Option<Kept>>,
    rest: Rest,
}

struct Kept {
    connection: Connection,
    since: Instant,
}

impl fmt::Debug for ImapFolders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapFolders")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Why an operation failed, before it is put into words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("{0}")]
    Rests(String),
    #[error("{step} was refused: {text}")]
    Refused {
        step: &'static str,
        text: String,
        needs_person: bool,
    },
    #[error("no such mailbox found; set `sent` and `drafts` for this mailbox")]
    NoMailbox,
    #[error("the server cannot remove single messages (no UIDPLUS); remove the draft by hand")]
    NoUidPlus,
}

impl Failure {
    /// A mailbox that could be opened a moment ago, and now cannot.
    pub(super) fn closed(text: String) -> Failure {
        Failure::Refused {
            step: "opening the mailbox",
            text,
            needs_person: false,
        }
    }

    pub(super) fn needs_person(&self) -> bool {
        match self {
            Failure::Open(error) => error.needs_person(),
            Failure::Connection(_) => false,
            Failure::Refused { needs_person, .. } => *needs_person,
            Failure::Rests(_) | Failure::NoMailbox | Failure::NoUidPlus => true,
        }
    }
}

pub(super) fn refused(step: &'static str, answer: &Tagged) -> Failure {
    Failure::Refused {
        step,
        text: answer.words(),
        needs_person: ["OVERQUOTA", "NOPERM", "CANNOT", "NONEXISTENT"]
            .iter()
            .any(|word| answer.has_code(word)),
    }
}

/// What to do with a message of ours.
struct Job<'a> {
    action: Action<'a>,
    folder: OwnFolder,
    mail: Sought<'a>,
}

/// By what it is known; what is only removed is known by its id alone.
#[derive(Clone, Copy)]
enum Sought<'a> {
    Id(&'a str),
    Mail(&'a OwnMail),
}

impl<'a> Sought<'a> {
    fn id(self) -> &'a str {
        match self {
            Sought::Id(id) => id,
            Sought::Mail(mail) => &mail.message_id,
        }
    }
}

enum Action<'a> {
    Look,
    /// Gives all that go to its recipient.
    List,
    Put(&'a [u8]),
    /// While it still has these bytes.
    TakeOut(&'a [u8]),
}

/// What came of a job.
enum Done {
    Looked(Option<Sighting>),
    Listed(Vec<Bytes>),
    Did(bool),
}

impl Done {
    fn did(self) -> bool {
        matches!(self, Done::Did(true))
    }
}

impl Job<'_> {
    fn words(&self) -> String {
        let folder = match self.folder {
            OwnFolder::Drafts => "drafts",
            OwnFolder::Sent => "sent mail",
        };
        let id = self.mail.id();
        match self.action {
            Action::Look => format!("looking for <{id}> in the {folder}"),
            Action::List => format!("looking for <{id}> by its words in the {folder}"),
            Action::Put(_) => format!("placing <{id}> in the {folder}"),
            Action::TakeOut(_) => format!("removing <{id}> from the {folder}"),
        }
    }
}

/// A found message of ours.
pub(super) struct Found {
    pub(super) uid: u32,
    is_draft: bool,
    /// Without brackets.
    message_id: String,
}

impl ImapFolders {
    /// Own folders of the mailbox that `settings` describe.
    #[must_use]
    pub fn new(settings: ImapSettings) -> ImapFolders {
        ImapFolders {
            settings,
            kept: Mutex::new(None),
            rest: Rest::default(),
        }
    }

    /// Closes the connection when it was not used for [`IDLE_MAX`]; runs until `stop`. Without
    /// it, an old connection is closed at the next use only.
    pub async fn run(self: Arc<Self>, stop: Stop) {
        while stop.sleep(IDLE_MAX / 2).await == Waited::Elapsed {
            let mut kept = self.kept.lock().await;
            if let Some(old) = kept.take_if(|kept| kept.since.elapsed() >= IDLE_MAX) {
                old.connection.log_out().await;
            }
        }
    }

    /// Runs `job` on the kept connection or a new one, which is kept only when it succeeded.
    async fn run_job(&self, job: &Job<'_>) -> Result<Done, FolderError> {
        let mut kept = self.kept.lock().await;
        let result = async {
            let mut connection = self.lease(&mut kept).await?;
            let done = match job.action {
                Action::Look => Done::Looked(self.look(&mut connection, job).await?),
                Action::List => Done::Listed(self.list(&mut connection, job).await?),
                Action::Put(bytes) => Done::Did(self.put(&mut connection, job, bytes).await?),
                Action::TakeOut(bytes) => {
                    Done::Did(self.take_out(&mut connection, job, bytes).await?)
                }
            };
            *kept = Some(Kept {
                connection,
                since: Instant::now(),
            });
            Ok(done)
        };
        result.await.map_err(|failure: Failure| FolderError {
            what: format!("{} of {}", job.words(), self.settings.place()),
            why: in_words(&failure),
            needs_person: failure.needs_person(),
            no_folder: matches!(failure, Failure::NoMailbox),
        })
    }

    async fn lease(&self, kept: &mut Option<Kept>) -> Result<Connection, Failure> {
        if let Some(mut old) = kept.take()
            && old.since.elapsed() < IDLE_MAX
            && old.connection.plain(Command::new("NOOP")).await.is_ok()
        {
            return Ok(old.connection);
        }
        if let Some(why) = self.rest.reason(self.settings.login()).await {
            return Err(Failure::Rests(why));
        }
        let opened = open(&self.settings).await;
        match &opened {
            Ok(_) => self.rest.taken(),
            Err(error) if error.parks() => {
                let why = in_words(error);
                self.rest.refused(self.settings.login(), &why).await;
            }
            Err(_) => {}
        }
        Ok(opened?)
    }

    async fn name(
        &self,
        connection: &mut Connection,
        folder: OwnFolder,
    ) -> Result<Option<String>, Failure> {
        let configured = match folder {
            OwnFolder::Sent => self.settings.sent.as_deref(),
            OwnFolder::Drafts => self.settings.drafts.as_deref(),
        };
        Ok(find(connection, folder, configured).await?)
    }

    async fn look(
        &self,
        connection: &mut Connection,
        job: &Job<'_>,
    ) -> Result<Option<Sighting>, Failure> {
        let name = self.name(connection, job.folder).await?;
        if let Some(name) = &name {
            opened(examine(connection, name).await?)?;
            if let Some(found) = seek(connection, job.mail, |_| true).await?.pop() {
                return Ok(Some(Sighting {
                    message_id: found.message_id,
                    in_all_mail: false,
                }));
            }
        }
        let all = match job.folder {
            OwnFolder::Sent => find_all_mail(connection).await?,
            OwnFolder::Drafts => None,
        };
        let Some(all) = all else {
            return name.map(|_| None).ok_or(Failure::NoMailbox);
        };
        opened(examine(connection, &all).await?)?;
        // There lie drafts, too.
        let mut found = seek(connection, job.mail, |found| !found.is_draft).await?;
        Ok(found.pop().map(|found| Sighting {
            message_id: found.message_id,
            in_all_mail: true,
        }))
    }

    /// The newest messages to the recipient, each cut.
    async fn list(
        &self,
        connection: &mut Connection,
        job: &Job<'_>,
    ) -> Result<Vec<Bytes>, Failure> {
        let Sought::Mail(mail) = job.mail else {
            return Ok(Vec::new());
        };
        let name = self.name(connection, job.folder).await?;
        let name = name.ok_or(Failure::NoMailbox)?;
        opened(examine(connection, &name).await?)?;
        let uids = run_search(connection, to_recipient(mail), TO_RECIPIENT_MAX).await?;
        let mut messages = Vec::new();
        if uids.is_empty() {
            return Ok(messages);
        }
        let (set, most) = (uid_set(&uids), TO_RECIPIENT_BYTES_MAX);
        let command = Command::new(format!("UID FETCH {set} (UID BODY.PEEK[]<0.{most}>)"));
        let answer = connection
            .exec(command, COMMAND_LIMIT, |answer| {
                if let Untagged::Fetch(row) = answer
                    && let Some(body) = row.body
                    && messages.len() < TO_RECIPIENT_MAX
                {
                    messages.push(body);
                }
            })
            .await?;
        if !answer.is_ok() {
            return Err(refused("UID FETCH", &answer));
        }
        Ok(messages)
    }

    async fn put(
        &self,
        connection: &mut Connection,
        job: &Job<'_>,
        bytes: &[u8],
    ) -> Result<bool, Failure> {
        let (flag, usual_name) = match job.folder {
            OwnFolder::Drafts => ("\\Draft", "Drafts"),
            OwnFolder::Sent => ("\\Seen", "Sent"),
        };
        let found = self.name(connection, job.folder).await?;
        let name = found.unwrap_or_else(|| usual_name.to_owned());
        match examine(connection, &name).await? {
            Ok(_) => {
                let found = seek(connection, job.mail, |_| true).await?;
                if !found.is_empty() {
                    return Ok(true);
                }
            }
            // Only a mailbox that can be created now did not exist, and held no copy.
            Err(text) => create(connection, &name, text).await?,
        }
        let append = Command::new("APPEND")
            .mailbox(&name)
            .text(&format!(" ({flag}) "))
            .literal(bytes);
        let answer = connection.plain(append).await?;
        if answer.is_ok() {
            Ok(true)
        } else {
            Err(refused("APPEND", &answer))
        }
    }

    async fn take_out(
        &self,
        connection: &mut Connection,
        job: &Job<'_>,
        bytes: &[u8],
    ) -> Result<bool, Failure> {
        let name = self.name(connection, job.folder).await?;
        let name = name.ok_or(Failure::NoMailbox)?;
        opened(select(connection, &name).await?)?;
        let found = search(connection, job.mail.id()).await?;
        let uids: Vec<u32> = found
            .iter()
            .filter(|message| message.is_draft)
            .map(|message| message.uid)
            .collect();
        let uids = unchanged(connection, &uids, bytes).await?;
        if uids.is_empty() {
            return Ok(false);
        }
        if !connection.can("UIDPLUS") {
            // Bare EXPUNGE would remove what the owner marked, too.
            return Err(Failure::NoUidPlus);
        }
        let set = uid_set(&uids);
        let mark = Command::new(format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)"));
        let marked = connection.plain(mark).await?;
        if !marked.is_ok() {
            return Err(refused("UID STORE", &marked));
        }
        let removed = connection
            .plain(Command::new(format!("UID EXPUNGE {set}")))
            .await?;
        if removed.is_ok() {
            Ok(true)
        } else {
            Err(refused("UID EXPUNGE", &removed))
        }
    }
}

/// Those of the messages that still have exactly these bytes.
async fn unchanged(
    connection: &mut Connection,
    uids: &[u32],
    bytes: &[u8],
) -> Result<Vec<u32>, Failure> {
    let mut same = Vec::new();
    if uids.is_empty() {
        return Ok(same);
    }
    // One byte more than ours tells a longer one, which may be too large for one answer.
    let most = bytes.len().saturating_add(1);
    let set = uid_set(uids);
    let command = Command::new(format!("UID FETCH {set} (UID BODY.PEEK[]<0.{most}>)"));
    let answer = connection
        .exec(command, COMMAND_LIMIT, |answer| {
            if let Untagged::Fetch(row) = answer
                && let (Some(uid), Some(body)) = (row.uid, row.body)
                && uids.contains(&uid)
                && body == bytes
            {
                same.push(uid);
            }
        })
        .await?;
    if answer.is_ok() {
        Ok(same)
    } else {
        Err(refused("UID FETCH", &answer))
    }
}

async fn create(
    connection: &mut Connection,
    name: &str,
    why_not_opened: String,
) -> Result<(), Failure> {
    let created = connection
        .plain(Command::new("CREATE").mailbox(name))
        .await?;
    if created.is_ok() {
        return Ok(());
    }
    opened(Err(why_not_opened)).map(|_| ())
}

fn opened(result: Result<Opened, String>) -> Result<Opened, Failure> {
    result.map_err(|text| Failure::Refused {
        step: "opening the mailbox",
        text,
        needs_person: true,
    })
}

/// Messages of the open mailbox that carry exactly this Message-ID.
pub(super) async fn search(
    connection: &mut Connection,
    message_id: &str,
) -> Result<Vec<Found>, Failure> {
    let command = match connection.can("X-GM-EXT-1") {
        true => Command::new("UID SEARCH X-GM-RAW").string(&format!("rfc822msgid:{message_id}")),
        false => Command::new("UID SEARCH HEADER Message-ID").string(&format!("<{message_id}>")),
    };
    let uids = run_search(connection, command, CANDIDATES_MAX).await?;
    let is_it = |header: &[u8]| carries(header, message_id).then(|| message_id.to_owned());
    verify(connection, &uids, "MESSAGE-ID", is_it).await
}

/// The mail in the open mailbox, as far as it is `wanted`: by its Message-ID, else by our stamp, since
/// some servers and programs give it another id.
async fn seek(
    connection: &mut Connection,
    sought: Sought<'_>,
    wanted: impl Fn(&Found) -> bool + Send + Sync,
) -> Result<Vec<Found>, Failure> {
    let mut found = search(connection, sought.id()).await?;
    found.retain(&wanted);
    let mail = match sought {
        Sought::Mail(mail) if found.is_empty() => mail,
        _ => return Ok(found),
    };
    // Servers index few fields: without a date all messages would be read.
    let since = search_date(mail.since);
    let command = Command::new(format!("UID SEARCH SINCE {since} HEADER X-Liaison-Id"));
    let uids = match run_search(connection, command.string(&mail.stamp), CANDIDATES_MAX).await {
        // A server that has no such search knows who got what.
        Err(Failure::Refused { .. }) => {
            run_search(connection, to_recipient(mail), TO_RECIPIENT_MAX).await?
        }
        uids => uids?,
    };
    let fields = "MESSAGE-ID X-LIAISON-ID TO CC BCC";
    let mut found = verify(connection, &uids, fields, |header| mail.known_by(header)).await?;
    found.retain(&wanted);
    Ok(found)
}

/// The search for what went to the recipient of the mail since it can have been put there.
fn to_recipient(mail: &OwnMail) -> Command {
    let command = Command::new(format!("UID SEARCH SINCE {}", search_date(mail.since)));
    // Only ASCII can be searched for without naming a charset; whoever asked tells the others apart.
    match mail.recipient.is_ascii() {
        true => command.text(" TO").string(&mail.recipient),
        false => command,
    }
}

/// The newest UIDs that a search names, at most so many: ours, if any, was put there lately.
async fn run_search(
    connection: &mut Connection,
    command: Command,
    most: usize,
) -> Result<Vec<u32>, Failure> {
    let mut uids = Vec::new();
    let answer = connection
        .exec(command, COMMAND_LIMIT, |answer| {
            if let Untagged::Search(found) = answer {
                uids.extend(found);
            }
        })
        .await?;
    if !answer.is_ok() {
        return Err(refused("UID SEARCH", &answer));
    }
    uids.sort_unstable();
    uids.dedup();
    let from = uids.len().saturating_sub(most);
    Ok(uids.split_off(from))
}

/// SEARCH compares parts of a field (RFC 9051 section 6.4.4); this compares all of it. `is_it` gives
/// the Message-ID of one that is meant.
async fn verify(
    connection: &mut Connection,
    uids: &[u32],
    fields: &str,
    is_it: impl Fn(&[u8]) -> Option<String> + Send + Sync,
) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    if uids.is_empty() {
        return Ok(found);
    }
    let set = uid_set(uids);
    let command = Command::new(format!(
        "UID FETCH {set} (UID FLAGS BODY.PEEK[HEADER.FIELDS ({fields})])"
    ));
    let answer = connection
        .exec(command, COMMAND_LIMIT, |answer| {
            if let Untagged::Fetch(row) = answer
                && let (Some(uid), Some(header)) = (row.uid, row.body)
                && let Some(message_id) = is_it(&header)
            {
                let flags = row.flags.unwrap_or_default();
                let is_draft = flags
                    .iter()
                    .any(|flag| flag.eq_ignore_ascii_case("\\Draft"));
                found.push(Found {
                    uid,
                    is_draft,
                    message_id,
                });
            }
        })
        .await?;
    if answer.is_ok() {
        Ok(found)
    } else {
        Err(refused("UID FETCH", &answer))
    }
}

/// Whether a Message-ID field, folded or not, holds this id and nothing else.
fn carries(header: &[u8], message_id: &str) -> bool {
    let text = String::from_utf8_lossy(header);
    let Some((_, value)) = text.split_once(':') else {
        return false;
    };
    let value: String = value.split_whitespace().collect();
    value.strip_prefix('<').and_then(|v| v.strip_suffix('>')) == Some(message_id)
}

impl OwnFolders for ImapFolders {
    fn find<'a>(
        &'a self,
        folder: OwnFolder,
        mail: &'a OwnMail,
    ) -> BoxFuture<'a, Result<Option<Sighting>, FolderError>> {
        let job = Job {
            action: Action::Look,
            folder,
            mail: Sought::Mail(mail),
        };
        Box::pin(async move {
            Ok(match self.run_job(&job).await? {
                Done::Looked(sighting) => sighting,
                Done::Listed(_) | Done::Did(_) => None,
            })
        })
    }

    fn to_recipient<'a>(
        &'a self,
        folder: OwnFolder,
        mail: &'a OwnMail,
    ) -> BoxFuture<'a, Result<Vec<Bytes>, FolderError>> {
        let job = Job {
            action: Action::List,
            folder,
            mail: Sought::Mail(mail),
        };
        Box::pin(async move {
            Ok(match self.run_job(&job).await? {
                Done::Listed(messages) => messages,
                Done::Looked(_) | Done::Did(_) => Vec::new(),
            })
        })
    }

    fn place<'a>(
        &'a self,
        folder: OwnFolder,
        mail: &'a OwnMail,
        bytes: &'a [u8],
    ) -> BoxFuture<'a, Result<(), FolderError>> {
        let job = Job {
            action: Action::Put(bytes),
            folder,
            mail: Sought::Mail(mail),
        };
        Box::pin(async move { self.run_job(&job).await.map(|_| ()) })
    }

    fn remove_draft<'a>(
        &'a self,
        message_id: &'a str,
        bytes: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, FolderError>> {
        let job = Job {
            action: Action::TakeOut(bytes),
            folder: OwnFolder::Drafts,
            mail: Sought::Id(message_id),
        };
        Box::pin(async move { self.run_job(&job).await.map(Done::did) })
    }
}

#[cfg(test)]
mod tests;
