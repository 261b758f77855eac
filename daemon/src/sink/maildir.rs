//! A Maildir as a place for mail: a transport that files instead of sending, and the owner's own
//! Sent and Drafts folders.
//!
//! A file's name derives from what it carries, so carrying it out again after a crash finds it
//! there under whatever flags a mail reader gave it meanwhile. Writing is exact: a message is
//! there whole or not at all, and [`SendOutcome::Unknown`] never occurs.

mod changes;
mod deliver;
mod known;
mod settings;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use liaison_core::ids::derive;

pub use self::changes::MaildirMailbox;
use self::deliver::{Filing, Subfolder};
use self::known::KnownIds;
pub use self::settings::MaildirTransportSettings;
use crate::sink::{
    FolderError, MailTransport, OutgoingMail, OwnFolder, OwnFolders, OwnMail, PhaseLog,
    SendOutcome, Sighting,
};
use crate::source::maildir::MaildirSettings;

/// Delivers into a Maildir: "sent" mail is a file in its `new`.
#[derive(Debug, Clone)]
pub struct MaildirTransport {
    path: PathBuf,
}

impl MaildirTransport {
    /// A transport into the Maildir of `settings`, made at the first mail.
    #[must_use]
    pub fn new(settings: MaildirTransportSettings) -> MaildirTransport {
        MaildirTransport {
            path: settings.path,
        }
    }
}

impl MailTransport for MaildirTransport {
    /// The phase is never entered: until the file has its name nothing was handed over, and from
    /// then on trying again finds it.
    fn send<'a>(
        &'a self,
        mail: &'a OutgoingMail,
        _phase: &'a mut dyn PhaseLog,
    ) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            let stem = stem(&[mail.message_id.as_bytes(), mail.recipient.as_bytes()]);
            let (path, bytes) = (self.path.clone(), mail.bytes.clone());
            let filed = blocking(move || {
                deliver::make_maildir(&path)?;
                deliver::file(&Filing {
                    folder: &path,
                    stem: &stem,
                    subfolder: Subfolder::New,
                    bytes: &bytes,
                })
            });
            match filed.await {
                Ok(place) => SendOutcome::Accepted {
                    reply: format!("filed as {}", self.path.join(place).display()),
                },
                Err(error) => SendOutcome::NotSent {
                    why: format!("{}: {error}", self.path.display()),
                    needs_person: needs_person(&error),
                },
            }
        })
    }

    /// Makes the Maildir where it is missing, and writes and removes a file in its `tmp`.
    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        let path = self.path.clone();
        Box::pin(async move {
            let place = path.display().to_string();
            blocking(move || {
                deliver::make_maildir(&path)?;
                deliver::probe(&path)
            })
            .await
            .map_err(|error| format!("{place} cannot be written: {error}"))
        })
    }
}

/// The Sent and Drafts folders of a watched Maildir.
#[derive(Debug, Clone)]
pub struct MaildirFolders {
    settings: MaildirSettings,
    known: Arc<KnownIds>,
}

impl MaildirFolders {
    /// The own folders of the mailbox with these settings.
    #[must_use]
    pub fn new(settings: MaildirSettings) -> MaildirFolders {
        MaildirFolders {
            settings,
            known: Arc::default(),
        }
    }

    fn path(&self, folder: OwnFolder) -> Result<PathBuf, FolderError> {
        let (key, name) = match folder {
            OwnFolder::Drafts => ("drafts", &self.settings.drafts),
            OwnFolder::Sent => ("sent", &self.settings.sent),
        };
        if name.is_empty() {
            return Err(FolderError {
                what: format!("{key} of {}", self.settings.path.display()),
                why: format!("no such folder is configured; set `{key}`"),
                needs_person: true,
                no_folder: true,
            });
        }
        Ok(self.settings.path.join(name))
    }

    async fn act<T: Send + 'static>(
        &self,
        what: &'static str,
        folder: OwnFolder,
        act: impl FnOnce(PathBuf) -> io::Result<T> + Send + 'static,
    ) -> Result<T, FolderError> {
        let path = self.path(folder)?;
        let place = path.display().to_string();
        let mailbox = self.settings.path.clone();
        blocking(move || {
            // Never made here: a missing Maildir is a disk that is not mounted.
            if !mailbox.join("cur").is_dir() {
                let text = format!("the Maildir {} is not there", mailbox.display());
                return Err(io::Error::new(io::ErrorKind::NotFound, text));
            }
            act(path)
        })
        .await
        .map_err(|error| FolderError {
            what: format!("{what} {place}"),
            needs_person: needs_person(&error),
            no_folder: false,
            why: error.to_string(),
        })
    }
}

impl OwnFolders for MaildirFolders {
    fn find<'a>(
        &'a self,
        folder: OwnFolder,
        mail: &'a OwnMail,
    ) -> BoxFuture<'a, Result<Option<Sighting>, FolderError>> {
        let (mail, known) = (mail.clone(), self.known.clone());
        Box::pin(self.act("looking into", folder, move |path| {
            let found = found_in(&path, &mail, &known)?;
            Ok(found.map(|message_id| Sighting {
                message_id,
                in_all_mail: false,
            }))
        }))
    }

    fn to_recipient<'a>(
        &'a self,
        folder: OwnFolder,
        mail: &'a OwnMail,
    ) -> BoxFuture<'a, Result<Vec<Bytes>, FolderError>> {
        let mail = mail.clone();
        Box::pin(self.act("looking for a draft in", folder, move |path| {
            deliver::to_recipient(&path, &mail)
        }))
    }

    fn place<'a>(
        &'a self,
        folder: OwnFolder,
        mail: &'a OwnMail,
        bytes: &'a [u8],
    ) -> BoxFuture<'a, Result<(), FolderError>> {
        let (mail, bytes) = (mail.clone(), bytes.to_vec());
        let known = self.known.clone();
        Box::pin(self.act("filing into", folder, move |path| {
            deliver::make_folder(&path)?;
            if found_in(&path, &mail, &known)?.is_some() {
                return Ok(());
            }
            let stem = stem(&[mail.message_id.as_bytes()]);
            let subfolder = match folder {
                OwnFolder::Drafts => Subfolder::Cur("DS"),
                OwnFolder::Sent => Subfolder::Cur("S"),
            };
            deliver::file(&Filing {
                folder: &path,
                stem: &stem,
                subfolder,
                bytes: &bytes,
            })
            .map(drop)
        }))
    }

    /// Only the very file that we placed; a mail reader that saves an edited draft makes a new
    /// file, and that one is the person's.
    fn remove_draft<'a>(
        &'a self,
        message_id: &'a str,
        bytes: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, FolderError>> {
        let (id, bytes) = (message_id.to_owned(), bytes.to_vec());
        Box::pin(
            self.act("removing a draft from", OwnFolder::Drafts, move |path| {
                deliver::remove(&path, &stem(&[id.as_bytes()]), &bytes)
            }),
        )
    }
}

/// The Message-ID under which the mail lies in the folder.
fn found_in(folder: &Path, mail: &OwnMail, known: &KnownIds) -> io::Result<Option<String>> {
    match deliver::find(folder, &stem(&[mail.message_id.as_bytes()]))? {
        Some(_) => Ok(Some(mail.message_id.clone())),
        None => deliver::find_own(folder, mail, known),
    }
}

/// Unique part of the file name for what `parts` stand for.
fn stem(parts: &[&[u8]]) -> String {
    format!("liaison.{}", derive("liaison maildir file 1", parts))
}

/// Full disks and lost mounts mend themselves or by somebody who knows; rights do not.
fn needs_person(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(act)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests;
