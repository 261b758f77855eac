//! `liaison check --online`: logs in to every mailbox, transport and calendar, and out again, and
//! sees whether alarms find their way.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use liaison_core::ids::MailboxId;

use super::{Finding, Findings, Level};
use crate::alarm::AlarmWay;
use crate::clock::{Clock, SystemClock};
use crate::config::{Calendar, Config, Mailbox, MailboxKind, Transport};
use crate::sink::{CalendarStore, MailTransport, OwnFolder, OwnFolders, OwnMail};
use crate::source::backfill::{Backfill, Rehearsal};
use crate::source::imap::{ImapSettings, ImapSource};
use crate::source::listed::Listed;
use crate::source::{Batch, Cursor, FolderRef, Intake, IntakeError, Taken, Unread};

/// How long one login may take: name, connect, handshake and three commands at their limits.
const PROBE_LIMIT: Duration = Duration::from_secs(90);
/// Logins at once; servers refuse many from one address.
const PROBES_AT_ONCE: usize = 4;
/// Looked for in Drafts and Sent; no mail has it.
const PROBE_MESSAGE_ID: &str = "liaison-check@localhost.invalid";

/// Makes the edges that the configuration describes; the daemon's wiring is one.
pub trait Edges: Sync {
    /// How mail leaves.
    ///
    /// # Errors
    /// When the settings cannot be used.
    fn transport(&self, transport: &Transport) -> Result<Arc<dyn MailTransport>, String>;

    /// Drafts and Sent of a mailbox.
    ///
    /// # Errors
    /// When the settings cannot be used.
    fn own_folders(&self, mailbox: &Mailbox) -> Result<Arc<dyn OwnFolders>, String>;

    /// A calendar.
    ///
    /// # Errors
    /// When the settings cannot be used.
    fn calendar(&self, calendar: &Calendar) -> Result<Arc<dyn CalendarStore>, String>;
}

type Probe<'a> = (String, BoxFuture<'a, Result<&'static str, String>>);

/// Logs in everywhere, a few at a time, each with a limit. One finding per mailbox, transport and
/// calendar, in the order of the file.
pub async fn check_online(config: &Config, edges: &dyn Edges) -> Vec<Finding> {
    let transports = config.transports.iter().map(|transport| -> Probe<'_> {
        let probe = async {
            edges.transport(transport)?.probe().await?;
            Ok("takes our login")
        };
        (format!("transport.{}", transport.name), Box::pin(probe))
    });
    let mailboxes = config.mailboxes.iter().map(|mailbox| -> Probe<'_> {
        let probe = async {
            source(mailbox).await?;
            let folders = edges.own_folders(mailbox)?;
            for folder in own_folders(mailbox) {
                let looked = folders.find(folder, &probe_mail()).await;
                looked.map_err(|error| error.to_string())?;
            }
            Ok("can be read, Drafts and Sent are there")
        };
        (format!("mailbox.{}", mailbox.name), Box::pin(probe))
    });
    let calendars = config.calendars.iter().map(|calendar| -> Probe<'_> {
        let probe = async {
            edges.calendar(calendar)?.probe().await?;
            Ok("can be used")
        };
        (format!("calendar.{}", calendar.name), Box::pin(probe))
    });
    let oauth = config.credentials.iter().map(|credential| -> Probe<'_> {
        let probe = async {
            let token = credential.access().await;
            token.map_err(|error| error.to_string())?;
            Ok("gives access tokens")
        };
        (format!("oauth.{}", credential.name()), Box::pin(probe))
    });
    let webhooks = config.alarm.ways.iter().filter_map(|way| match way {
        AlarmWay::Webhook(webhook) => Some(webhook),
        AlarmWay::Command(_) => None,
    });
    let webhooks = webhooks.map(|webhook| -> Probe<'_> {
        let probe = async {
            let reached = webhook.probe().await;
            reached.map_err(|error| error.to_string())?;
            Ok("can be reached; no alarm was sent")
        };
        ("alarm.webhook".to_owned(), Box::pin(probe))
    });
    // First, so that those who need its tokens find them.
    let probes: Vec<Probe<'_>> = oauth
        .chain(webhooks)
        .chain(transports)
        .chain(mailboxes)
        .chain(calendars)
        .collect();
    let mut answers = stream::iter(probes)
        .map(|(key, probe)| async { (key, limited(probe).await) })
        .buffered(PROBES_AT_ONCE);
    let mut findings = Findings::of(config);
    while let Some((key, answer)) = answers.next().await {
        match answer {
            Ok(what) => findings.ok(key, what),
            Err(what) => {
                let remedy = "correct this section, or the server, and check again";
                findings.add(Level::Attention, key, what, remedy);
            }
        }
    }
    findings.list
}

async fn limited<T>(probe: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = || format!("no answer within {} s", PROBE_LIMIT.as_secs());
    tokio::time::timeout(PROBE_LIMIT, probe)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// A mail that was never sent, looked for as any is.
fn probe_mail() -> OwnMail {
    OwnMail {
        message_id: PROBE_MESSAGE_ID.to_owned(),
        stamp: PROBE_MESSAGE_ID.to_owned(),
        recipient: String::new(),
        since: SystemClock.now(),
    }
}

/// The folders of ours that the mailbox should have.
fn own_folders(mailbox: &Mailbox) -> Vec<OwnFolder> {
    let mut folders = Vec::new();
    let drafts =
        !matches!(&mailbox.kind, MailboxKind::Maildir(maildir) if maildir.drafts.is_empty());
    if drafts {
        folders.push(OwnFolder::Drafts);
    }
    if mailbox.file_sent_copy {
        folders.push(OwnFolder::Sent);
    }
    folders
}

async fn source(mailbox: &Mailbox) -> Result<(), String> {
    match &mailbox.kind {
        MailboxKind::Imap(imap) => probe_imap(&mailbox.name, imap).await,
        MailboxKind::Maildir(maildir) => {
            for part in ["new", "cur"] {
                readable(&maildir.path.join(part)).await?;
            }
            Ok(())
        }
    }
}

async fn readable(folder: &Path) -> Result<(), String> {
    let read = tokio::fs::read_dir(folder).await;
    read.map(drop)
        .map_err(|error| format!("{} cannot be read ({error})", folder.display()))
}

async fn probe_imap(name: &MailboxId, settings: &ImapSettings) -> Result<(), String> {
    let (intake, clock) = (Arc::new(NoIntake), Arc::new(SystemClock));
    let source = ImapSource::new(name.clone(), settings.clone(), intake, clock);
    source.probe().await
}

/// A probe finds no mail; were any handed in, it would be refused.
struct NoIntake;

fn refused(folder: &FolderRef) -> IntakeError {
    IntakeError {
        mailbox: folder.mailbox.clone(),
        why: "a check takes no mail".to_owned(),
    }
}

impl Intake for NoIntake {
    fn cursor<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Option<Cursor>, IntakeError>> {
        Box::pin(async { Err(refused(folder)) })
    }

    fn line<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Option<u32>, IntakeError>> {
        Box::pin(async { Err(refused(folder)) })
    }

    fn unknown<'a>(
        &'a self,
        folder: &'a FolderRef,
        _locators: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<String>, IntakeError>> {
        Box::pin(async { Err(refused(folder)) })
    }

    fn unread<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Vec<Unread>, IntakeError>> {
        Box::pin(async { Err(refused(folder)) })
    }

    fn take(&self, batch: Batch) -> BoxFuture<'_, Result<Taken, IntakeError>> {
        Box::pin(async move { Err(refused(&batch.folder)) })
    }

    fn watches(&self, _mailbox: &MailboxId, _folders: &[&str]) {}

    fn keep_listed<'a>(
        &'a self,
        folder: &'a FolderRef,
        _listed: Listed,
    ) -> BoxFuture<'a, Result<(), IntakeError>> {
        Box::pin(async { Err(refused(folder)) })
    }

    fn listed<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Option<Listed>, IntakeError>> {
        Box::pin(async { Err(refused(folder)) })
    }

    fn backfill<'a>(
        &'a self,
        _mailbox: &'a MailboxId,
    ) -> BoxFuture<'a, Result<Option<Backfill>, IntakeError>> {
        Box::pin(async { Ok(None) })
    }

    fn rehearse(&self, step: Rehearsal) -> BoxFuture<'_, Result<(), IntakeError>> {
        Box::pin(async move { Err(refused(&step.folder)) })
    }

    fn drafts_compared(&self, _mailbox: &MailboxId, _folder: &str) {}

    fn proven_fresh(&self, _folder: &FolderRef, _proof: &'static str) {}

    fn trouble(&self, _: &MailboxId, _: Option<&str>, _what: String, _needs_person: bool) {}
}
