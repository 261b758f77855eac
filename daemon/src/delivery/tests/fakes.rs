//! Servers that do what they are told, and a store that fails when told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::sink::{
    CalendarChanges, CalendarError, CalendarFile, CalendarStore, Created, Deleted, FolderError,
    MailTransport, OutgoingMail, OwnFolder, OwnFolders, OwnMail, PhaseLog, SendOutcome, Sighting,
    Updated,
};
use crate::store::watched::{Fate, Watched};
use crate::store::{Batch, CommitError, CommitId, Store};

/// What the server does with a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Takes it without a doubtful moment, as a file does.
    File,
    Accepts,
    RefusesRecipient,
    Greylists,
    RefusesBody,
    Unreachable,
    RefusesLogin,
    /// The connection ends inside the body.
    LostInBody,
    /// The connection ends after the dot; the server took it, or not.
    SilentAfterDot {
        took: bool,
    },
    /// We die before the body.
    CrashBefore,
    /// We die after the dot; the server took it, or not.
    CrashAfter {
        took: bool,
    },
}

/// A submission server with a script; without one it accepts.
#[derive(Debug, Default)]
pub struct FakeTransport {
    pub script: Mutex<VecDeque<Server>>,
    /// Message-IDs that the server took.
    pub took: Mutex<Vec<String>>,
    /// The bytes of each attempt.
    pub offered: Mutex<Vec<Bytes>>,
    /// Attempts.
    pub calls: AtomicI64,
    /// Told when the process is to die in the middle of an attempt.
    pub crash: Notify,
    /// The server files what it took here.
    pub files: Mutex<Option<Arc<FakeFolders>>>,
}

impl FakeTransport {
    pub fn then(&self, server: Server) {
        self.script.lock().unwrap().push_back(server);
    }

    pub fn taken(&self) -> usize {
        self.took.lock().unwrap().len()
    }

    fn take(&self, mail: &OutgoingMail) {
        self.took.lock().unwrap().push(mail.message_id.clone());
        if let Some(folders) = &*self.files.lock().unwrap() {
            folders.put(OwnFolder::Sent, &mail.message_id);
        }
    }

    async fn die(&self) -> SendOutcome {
        self.crash.notify_one();
        std::future::pending().await
    }
}

fn not_sent(why: &str, needs_person: bool) -> SendOutcome {
    SendOutcome::NotSent {
        why: why.to_owned(),
        needs_person,
    }
}

fn refused(code: u16, text: &str) -> SendOutcome {
    SendOutcome::Refused {
        code,
        enhanced: None,
        text: text.to_owned(),
        refusal: liaison_core::outbox::weigh(code, None, text),
    }
}

impl MailTransport for FakeTransport {
    fn send<'a>(
        &'a self,
        mail: &'a OutgoingMail,
        phase: &'a mut dyn PhaseLog,
    ) -> BoxFuture<'a, SendOutcome> {
        async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.offered.lock().unwrap().push(mail.bytes.clone());
            let next = self.script.lock().unwrap().pop_front();
            let server = next.unwrap_or(Server::Accepts);
            let accepted = || SendOutcome::Accepted {
                reply: "250 queued".to_owned(),
            };
            match server {
                Server::File => {
                    self.take(mail);
                    return accepted();
                }
                Server::RefusesRecipient => return refused(550, "no such user"),
                Server::Greylists => return refused(451, "try later"),
                Server::Unreachable => return not_sent("no route to host", false),
                Server::RefusesLogin => return not_sent("535 bad password", true),
                Server::CrashBefore => return self.die().await,
                _ => {}
            }
            if let Err(why) = phase.entering_body().await {
                return not_sent(&why, false);
            }
            match server {
                Server::RefusesBody => refused(554, "spam"),
                Server::LostInBody => not_sent("connection reset", false),
                Server::SilentAfterDot { took } => {
                    if took {
                        self.take(mail);
                    }
                    SendOutcome::Unknown {
                        why: "timed out".to_owned(),
                    }
                }
                Server::CrashAfter { took } => {
                    if took {
                        self.take(mail);
                    }
                    self.die().await
                }
                _ => {
                    self.take(mail);
                    accepted()
                }
            }
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        std::future::ready(Ok(())).boxed()
    }
}

/// A message in Drafts or Sent.
#[derive(Debug, Clone, Default)]
struct Lying {
    /// `X-Liaison-Id`.
    stamp: String,
    bytes: Bytes,
}

/// Drafts and Sent.
#[derive(Debug, Default)]
pub struct FakeFolders {
    held: Mutex<BTreeMap<(bool, String), Lying>>,
    /// So many further calls fail.
    pub failures: AtomicI64,
    /// Waiting does not help then.
    pub needs_person: std::sync::atomic::AtomicBool,
    /// There is no such folder then.
    pub no_folder: std::sync::atomic::AtomicBool,
    /// Looks, whatever they saw.
    pub looks: AtomicI64,
}

impl FakeFolders {
    pub fn put(&self, folder: OwnFolder, id: &str) {
        self.lay(folder, id, Lying::default());
    }

    /// Under an id of its own, with our stamp.
    pub fn put_as(&self, folder: OwnFolder, id: &str, stamp: &str) {
        let stamp = stamp.to_owned();
        let bytes = Bytes::new();
        self.lay(folder, id, Lying { stamp, bytes });
    }

    /// Under an id of its own, with nothing of ours but its words.
    pub fn write(&self, folder: OwnFolder, id: &str, text: &str) {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let stamp = String::new();
        self.lay(folder, id, Lying { stamp, bytes });
    }

    fn lay(&self, folder: OwnFolder, id: &str, lying: Lying) {
        let key = (folder == OwnFolder::Sent, id.to_owned());
        self.held.lock().unwrap().insert(key, lying);
    }

    pub fn has(&self, folder: OwnFolder, id: &str) -> bool {
        let sent = folder == OwnFolder::Sent;
        self.held
            .lock()
            .unwrap()
            .contains_key(&(sent, id.to_owned()))
    }

    pub fn remove(&self, folder: OwnFolder, id: &str) {
        let key = (folder == OwnFolder::Sent, id.to_owned());
        self.held.lock().unwrap().remove(&key).unwrap();
    }

    pub fn count(&self, folder: OwnFolder) -> usize {
        let held = self.held.lock().unwrap();
        let sent = folder == OwnFolder::Sent;
        held.keys().filter(|(is_sent, _)| *is_sent == sent).count()
    }

    fn check(&self) -> Result<(), FolderError> {
        if self.failures.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(FolderError {
                what: "alice".to_owned(),
                why: "connection refused".to_owned(),
                needs_person: self.needs_person.load(Ordering::SeqCst),
                no_folder: self.no_folder.load(Ordering::SeqCst),
            });
        }
        self.failures.store(0, Ordering::SeqCst);
        Ok(())
    }

    fn seen(&self, folder: OwnFolder, mail: &OwnMail) -> Option<Sighting> {
        let held = self.held.lock().unwrap();
        let sent = folder == OwnFolder::Sent;
        let mut there = held.iter().filter(|((is_sent, _), _)| *is_sent == sent);
        let is_it = |id: &str, lying: &Lying| id == mail.message_id || lying.stamp == mail.stamp;
        let found = there.find(|((_, id), lying)| is_it(id, lying));
        found.map(|((_, id), _)| Sighting {
            message_id: id.clone(),
            in_all_mail: false,
        })
    }
}

impl OwnFolders for FakeFolders {
    fn find<'a>(
        &'a self,
        folder: OwnFolder,
        mail: &'a OwnMail,
    ) -> BoxFuture<'a, Result<Option<Sighting>, FolderError>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let found = self.check().map(|()| self.seen(folder, mail));
        std::future::ready(found).boxed()
    }

    fn to_recipient<'a>(
        &'a self,
        folder: OwnFolder,
        _mail: &'a OwnMail,
    ) -> BoxFuture<'a, Result<Vec<Bytes>, FolderError>> {
        let sent = folder == OwnFolder::Sent;
        let all = || {
            let held = self.held.lock().unwrap();
            let there = held.iter().filter(|((is_sent, _), _)| *is_sent == sent);
            there.map(|(_, lying)| lying.bytes.clone()).collect()
        };
        std::future::ready(self.check().map(|()| all())).boxed()
    }

    fn place<'a>(
        &'a self,
        folder: OwnFolder,
        mail: &'a OwnMail,
        bytes: &'a [u8],
    ) -> BoxFuture<'a, Result<(), FolderError>> {
        let place = || {
            if self.seen(folder, mail).is_none() {
                let lying = Lying {
                    stamp: mail.stamp.clone(),
                    bytes: Bytes::copy_from_slice(bytes),
                };
                self.lay(folder, &mail.message_id, lying);
            }
        };
        std::future::ready(self.check().map(|()| place())).boxed()
    }

    fn remove_draft<'a>(
        &'a self,
        message_id: &'a str,
        bytes: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, FolderError>> {
        let draft = (false, message_id.to_owned());
        let taken = || {
            let mut held = self.held.lock().unwrap();
            let same = held.get(&draft).is_some_and(|lying| lying.bytes == bytes);
            same && held.remove(&draft).is_some()
        };
        std::future::ready(self.check().map(|()| taken())).boxed()
    }
}

/// A calendar collection in memory.
#[derive(Debug, Default)]
pub struct FakeCalendar {
    pub files: Mutex<BTreeMap<String, CalendarFile>>,
    version: AtomicI64,
    /// Errors of the next creates and deletes; `true`: carried out all the same.
    pub script: Mutex<VecDeque<(CalendarError, bool)>>,
    /// Every call fails.
    pub down: std::sync::atomic::AtomicBool,
}

pub fn trouble(permanent: bool, unknown: bool) -> CalendarError {
    CalendarError {
        what: "calendar alice".to_owned(),
        why: "503 later".to_owned(),
        permanent,
        unknown,
    }
}

impl FakeCalendar {
    pub fn write(&self, href: &str, data: &str) -> CalendarFile {
        let version = self.version.fetch_add(1, Ordering::SeqCst);
        let file = CalendarFile {
            href: href.to_owned(),
            etag: format!("v{version}"),
            data: Bytes::copy_from_slice(data.as_bytes()),
        };
        let mut files = self.files.lock().unwrap();
        files.insert(href.to_owned(), file.clone());
        file
    }

    pub fn edit(&self, href: &str, from: &str, to: &str) {
        let data = self.text(href).replace(from, to);
        self.write(href, &data);
    }

    pub fn text(&self, href: &str) -> String {
        let files = self.files.lock().unwrap();
        String::from_utf8(files[href].data.to_vec()).unwrap()
    }

    pub fn hrefs(&self) -> Vec<String> {
        self.files.lock().unwrap().keys().cloned().collect()
    }

    fn check(&self) -> Result<(), CalendarError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(trouble(false, false));
        }
        Ok(())
    }
}

impl CalendarStore for FakeCalendar {
    fn changes<'a>(
        &'a self,
        known: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<CalendarChanges, CalendarError>> {
        async move {
            self.check()?;
            let files = self.files.lock().unwrap();
            let new = |file: &&CalendarFile| known.get(&file.href) != Some(&file.etag);
            let gone = known.keys().filter(|href| !files.contains_key(*href));
            Ok(CalendarChanges {
                changed: files.values().filter(new).cloned().collect(),
                removed: gone.cloned().collect(),
                unreadable: Vec::new(),
            })
        }
        .boxed()
    }

    fn fetch<'a>(
        &'a self,
        href: &'a str,
    ) -> BoxFuture<'a, Result<Option<CalendarFile>, CalendarError>> {
        async move {
            self.check()?;
            Ok(self.files.lock().unwrap().get(href).cloned())
        }
        .boxed()
    }

    fn create<'a>(
        &'a self,
        uid: &'a str,
        data: &'a str,
    ) -> BoxFuture<'a, Result<Created, CalendarError>> {
        async move {
            self.check()?;
            let scripted = self.script.lock().unwrap().pop_front();
            let href = format!("{uid}.ics");
            let there = self.files.lock().unwrap().get(&href).cloned();
            if let Some((error, done)) = scripted {
                if done && there.is_none() {
                    self.write(&href, data);
                }
                return Err(error);
            }
            if let Some(there) = there {
                return Ok(Created::Exists(there));
            }
            Ok(Created::New(self.write(&href, data)))
        }
        .boxed()
    }

    fn update<'a>(
        &'a self,
        href: &'a str,
        etag: &'a str,
        data: &'a str,
    ) -> BoxFuture<'a, Result<Updated, CalendarError>> {
        async move {
            self.check()?;
            let there = self.files.lock().unwrap().get(href).cloned();
            match there {
                None => return Ok(Updated::Gone),
                Some(file) if file.etag != etag => return Ok(Updated::Changed(file)),
                Some(_) => {}
            }
            match self.script.lock().unwrap().pop_front() {
                Some((error, done)) => {
                    if done {
                        self.write(href, data);
                    }
                    Err(error)
                }
                None => Ok(Updated::Done(self.write(href, data))),
            }
        }
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        href: &'a str,
        etag: &'a str,
    ) -> BoxFuture<'a, Result<Deleted, CalendarError>> {
        async move {
            self.check()?;
            let mut files = self.files.lock().unwrap();
            match files.get(href) {
                Some(file) if file.etag != etag => return Ok(Deleted::Changed(file.clone())),
                _ => files.remove(href),
            };
            drop(files);
            match self.script.lock().unwrap().pop_front() {
                Some((error, _)) => Err(error),
                None => Ok(Deleted::Gone),
            }
        }
        .boxed()
    }

    fn wait<'a>(&'a self, _pace: &'a crate::sink::PaceOf<'a>) -> BoxFuture<'a, ()> {
        std::future::pending().boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        std::future::ready(Ok(())).boxed()
    }
}

/// A store that dies after some commits: the last one is lost, or only its acknowledgement is.
pub type MortalStore = Watched<Mortal>;

#[derive(Debug)]
pub struct Mortal {
    commits_left: AtomicI64,
    /// Whether the commit in which it dies is written.
    last_is_written: std::sync::atomic::AtomicBool,
}

impl Mortal {
    pub fn new() -> Mortal {
        Mortal {
            commits_left: AtomicI64::new(i64::MAX),
            last_is_written: false.into(),
        }
    }

    pub fn dies_after(&self, commits: i64, last_is_written: bool) {
        self.commits_left.store(commits, Ordering::SeqCst);
        self.last_is_written
            .store(last_is_written, Ordering::SeqCst);
    }

    pub fn lives(&self) {
        self.commits_left.store(i64::MAX, Ordering::SeqCst);
    }
}

impl Fate for Mortal {
    fn commit<'a>(
        &'a self,
        base: &'a dyn Store,
        batch: Batch,
    ) -> BoxFuture<'a, Result<CommitId, CommitError>> {
        async move {
            let left = self.commits_left.fetch_sub(1, Ordering::SeqCst);
            if left > 0 {
                return base.commit(batch).await;
            }
            if left == 0 && self.last_is_written.load(Ordering::SeqCst) {
                base.commit(batch).await?;
            }
            Err(CommitError::Gone("killed".to_owned()))
        }
        .boxed()
    }
}
