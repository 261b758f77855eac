//! The daemon's own parts under a clock that stands where the story puts it.
//!
//! Sources run until what was delivered is recorded and are stopped again, so that nothing
//! happens between two scenes; pipeline and delivery are settled by hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use liaison_core::effect::MailEffect;
use liaison_core::ids::MailboxId;
use liaison_core::mail::{ParseLimits, parse_message};
use liaison_core::outbox::MailState;
use liaison_core::time::Timestamp;
use serde_json::Value;

use super::samples::{self, Days, MAILBOX, SENT, Sample};
use super::{DemoError, file_error};
use crate::api::{ApiContext, Caller, Role, call};
use crate::app::service::api_context;
use crate::app::{App, MailSource, StartError, open_books};
use crate::books::rows::CursorRow;
use crate::books::{BooksError, keys};
use crate::clock::ManualClock;
use crate::config::Config;
use crate::source::{FolderRef, FolderRole};
use crate::store::sled::SledStore;
use crate::store::{Ns, Store};
use crate::supervisor::Stop;

/// Wait between two looks whether a message is recorded, and how many of them.
const LOOK: (Duration, usize) = (Duration::from_millis(4), 5_000);
/// Most rounds until nothing more follows from anything.
const ROUNDS_MAX: usize = 50;
/// Tries of a round that met another writer.
const CONFLICTS_MAX: usize = 8;

/// Where the story plays.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) dir: PathBuf,
    pub(super) days: Days,
    pub(super) app: App,
    pub(super) api: ApiContext,
    clock: ManualClock,
    store: Arc<SledStore>,
}

impl Stage {
    /// Opens the store and builds all parts; compiles the plugins the first time.
    pub(super) async fn build(dir: &Path, config: Config, days: Days) -> Result<Stage, DemoError> {
        let clock = ManualClock::at(days.at(days.first, 9, 0));
        let state_dir = config.state_dir.clone();
        let opened = tokio::task::spawn_blocking(move || open_books(&state_dir)).await;
        let broken = |error: tokio::task::JoinError| StartError::Broken(error.to_string());
        let (books, store) = opened.map_err(broken)??;
        let app = Box::pin(App::build(&config, books.clone(), Arc::new(clock.clone()))).await?;
        if let Some(trouble) = app.plugin_troubles.first() {
            return Err(DemoError::Plugin {
                plugin: trouble.plugin.to_string(),
                why: trouble.why.clone(),
                dir: config.plugin_dir.clone(),
            });
        }
        let api = ApiContext {
            clock: Arc::new(clock.clone()),
            ..api_context(&app, None)
        };
        Ok(Stage {
            dir: dir.to_owned(),
            days,
            app,
            api,
            clock,
            store,
        })
    }

    /// Finishes what is queued and closes the store.
    pub(super) async fn close(self) -> Result<(), DemoError> {
        self.store.close().await.map_err(DemoError::Close)
    }

    /// The story's time.
    pub(super) fn now(&self) -> Timestamp {
        self.api.clock.now()
    }

    /// Moves the story's time and does what became due by it.
    pub(super) async fn move_to(&self, at: Timestamp) -> Result<(), DemoError> {
        self.clock.set(at);
        self.settle().await
    }

    /// Has a command carried out as the command line does, in Alice's name.
    pub(super) async fn ask(&self, command: &str, arguments: Value) -> Result<Value, DemoError> {
        let caller = Caller {
            who: "alice@example.com".to_owned(),
            role: Role::Admin,
        };
        Ok(Box::pin(call(&self.api, &caller, command, arguments)).await?)
    }

    /// A message from outside arrives now. Returns its Message-ID.
    pub(super) async fn arrives(&self, sample: Sample) -> Result<String, DemoError> {
        let place = format!("new/{}", file_name(sample, self.now()));
        let id = self.deliver(MAILBOX, &place, sample, self.now())?;
        self.recorded(&id).await?;
        self.settle().await?;
        Ok(id)
    }

    /// Alice sends a message with her own mail program, which files it into Sent.
    pub(super) async fn sent_by_hand(&self, sample: Sample) -> Result<String, DemoError> {
        let place = format!("cur/{}:2,S", file_name(sample, self.now()));
        let id = self.deliver(SENT, &place, sample, self.now())?;
        self.recorded(&id).await?;
        self.settle().await?;
        Ok(id)
    }

    /// A message that was there before the first start.
    pub(super) fn was_there(
        &self,
        folder: &str,
        sample: Sample,
        at: Timestamp,
    ) -> Result<(), DemoError> {
        let place = format!("cur/{}:2,S", file_name(sample, at));
        self.deliver(folder, &place, sample, at).map(drop)
    }

    fn deliver(
        &self,
        folder: &str,
        place: &str,
        sample: Sample,
        at: Timestamp,
    ) -> Result<String, DemoError> {
        let (date, back) = (self.days.date_field(at), self.days.return_day());
        let text = sample.filled(&[("date", &date), ("return", &back)]);
        samples::deliver(&self.dir.join(folder), place, &text, at)?;
        let view = parse_message(text.as_bytes(), &ParseLimits::default());
        let none = || DemoError::Story(format!("{} has no Message-ID", sample.name));
        view.message_id.ok_or_else(none)
    }

    /// The first look at mailboxes and calendars.
    pub(super) async fn first_look(&self) -> Result<(), DemoError> {
        self.look_at_calendars().await?;
        let folder = |folder: &str, role| FolderRef {
            mailbox: MailboxId::from("alice"),
            folder: folder.to_owned(),
            role,
        };
        let inbox = keys::cursor(&folder("INBOX", FolderRole::Inbox));
        let sent = keys::cursor(&folder(".Sent", FolderRole::Sent));
        let books = &self.api.books;
        self.watch_until("the first look at the mailbox", || async {
            let both = [
                books.get::<CursorRow>(inbox.clone()).await?,
                books.get::<CursorRow>(sent.clone()).await?,
            ];
            Ok(both.iter().all(Option::is_some))
        })
        .await?;
        self.settle().await
    }

    async fn recorded(&self, message_id: &str) -> Result<(), DemoError> {
        let books = &self.api.books;
        self.watch_until(message_id, || async {
            Ok(books.message_by_id(message_id).await?.is_some())
        })
        .await
    }

    /// Lets the sources watch until `done`.
    async fn watch_until<F>(&self, what: &str, done: impl Fn() -> F) -> Result<(), DemoError>
    where
        F: Future<Output = Result<bool, BooksError>>,
    {
        let stop = Stop::new();
        let maildirs = self.app.sources.values().filter_map(|source| match source {
            MailSource::Maildir(source) => Some(source.clone()),
            MailSource::Imap(_) => None,
        });
        let watching = join_all(maildirs.map(|source| source.run(stop.child())));
        let waiting = async {
            let found = self.wait_for(&stop, what, done).await;
            stop.trigger();
            found
        };
        futures_util::future::join(watching, waiting).await.1
    }

    async fn wait_for<F>(
        &self,
        stop: &Stop,
        what: &str,
        done: impl Fn() -> F,
    ) -> Result<(), DemoError>
    where
        F: Future<Output = Result<bool, BooksError>>,
    {
        let (pause, looks) = LOOK;
        for _ in 0..looks {
            if done().await? {
                return Ok(());
            }
            stop.sleep(pause).await;
        }
        let trouble = self.app.freshness.trouble_of(&MailboxId::from("alice"));
        let why = trouble.unwrap_or_else(|| "nothing in it is in trouble".to_owned());
        Err(DemoError::Story(format!(
            "the mailbox was watched in vain for {what} ({why})"
        )))
    }

    async fn look_at_calendars(&self) -> Result<(), DemoError> {
        for mirror in self.app.calendars.mirrors.values() {
            let looked = mirror.look(self.now()).await;
            looked.map_err(|error| DemoError::Story(format!("calendar {}: {error}", mirror.id)))?;
            self.app.freshness.calendar_proven(
                mirror.id.as_str(),
                self.now(),
                mirror.store.read_by(),
                mirror.unread(),
            );
        }
        Ok(())
    }

    /// Does everything that follows from what is there now, until nothing more does.
    pub(super) async fn settle(&self) -> Result<(), DemoError> {
        let never = Stop::new();
        for _ in 0..ROUNDS_MAX {
            let decided = self.decide(&never).await?;
            let carried = self.app.delivery.settle_due().await;
            self.look_at_calendars().await?;
            let compared = self.app.delivery.compare_holds().await;
            let seen = self.see_sent_copies().await?;
            if decided == 0 && carried == 0 && compared == 0 && seen == 0 {
                return Ok(());
            }
        }
        Err(DemoError::Story(
            "something goes round in circles".to_owned(),
        ))
    }

    async fn decide(&self, stop: &Stop) -> Result<usize, DemoError> {
        let mut tries = 0;
        loop {
            match self.app.pipeline.settle(stop).await {
                Err(error) if error.is_conflict() && tries < CONFLICTS_MAX => tries += 1,
                done => return Ok(done?),
            }
        }
    }

    /// Closes the loop: what was sent is seen in Sent. Its file gets the story's time first.
    async fn see_sent_copies(&self) -> Result<usize, DemoError> {
        let mut seen = 0;
        for mail in self.api.books.all::<MailEffect>(Ns::Effect).await? {
            let unseen = mail.state == MailState::Sent
                && self
                    .api
                    .books
                    .message_by_id(&mail.message_id)
                    .await?
                    .is_none();
            let copy = self.file_of(SENT, &mail.message_id)?.filter(|_| unseen);
            let Some(copy) = copy else { continue };
            samples::set_time(&self.dir.join(copy), self.now())?;
            self.recorded(&mail.message_id).await?;
            seen += 1;
        }
        Ok(seen)
    }

    /// The file in a Maildir folder that holds this message, relative to the demo's folder.
    pub(super) fn file_of(
        &self,
        folder: &str,
        message_id: &str,
    ) -> Result<Option<PathBuf>, DemoError> {
        for part in ["new", "cur"] {
            let inside = Path::new(folder).join(part);
            let path = self.dir.join(&inside);
            let Ok(entries) = std::fs::read_dir(&path) else {
                continue; // Made with the first mail.
            };
            for entry in entries {
                let entry = entry.map_err(file_error(&path))?;
                let file = entry.path();
                let bytes = std::fs::read(&file).map_err(file_error(&file))?;
                let view = parse_message(&bytes, &ParseLimits::default());
                if view.message_id.as_deref() == Some(message_id) {
                    return Ok(Some(inside.join(entry.file_name())));
                }
            }
        }
        Ok(None)
    }
}

/// A unique name in a Maildir, readable too.
fn file_name(sample: Sample, at: Timestamp) -> String {
    let stem = sample.name.trim_end_matches(".eml");
    format!("{}.{stem}.demo", at.0.div_euclid(1000))
}
