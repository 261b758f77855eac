//! Building the daemon from its configuration. The only place that knows all parts.

pub mod accepted;
mod looked_after;
pub mod service;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use liaison_core::effect::{MailMode, RecordMode};
use liaison_core::ids::{CalendarId, MailboxId, PluginName, TransportId};
use liaison_core::mailbox::MailboxGrants;
use liaison_core::policy::Route;
use tokio::sync::Notify;

use crate::alarm::Alarms;
use crate::books::registry::Registry;
use crate::books::sweep::Sweeper;
use crate::books::{Books, BooksError, chain};
use crate::calendars::{CalendarMirror, Calendars, Counting};
use crate::check::online::Edges;
use crate::clock::{Clock, SystemClock};
use crate::config::{
    Calendar, CalendarKind, Config, Mailbox, MailboxKind, PluginConfig, Transport, TransportKind,
};
use crate::delivery::{self, Delivery};
use crate::dkim::DkimVerifier;
use crate::freshness::Freshness;
use crate::ingest::Ingest;
use crate::keeping::night::Night;
use crate::oauth::Credentials;
use crate::office::{MailboxRoute, Office, Person};
use crate::pipeline::{ActivePlugin, Parts, Pipeline};
use crate::plugin::{Engine, Plugin, Workers};
use crate::privacy;
use crate::room::{self, Disks, Room, Stage};
use crate::sink::caldav::{CaldavCalendar, CaldavSettingsError};
use crate::sink::feed::{FeedCalendar, FeedSettingsError};
use crate::sink::imap_folders::ImapFolders;
use crate::sink::imap_mailbox::ImapMailbox;
use crate::sink::mailbox::MailboxWriter;
use crate::sink::maildir::{MaildirFolders, MaildirMailbox, MaildirTransport};
use crate::sink::smtp::SmtpTransport;
use crate::sink::vdir::VdirCalendar;
use crate::sink::{CalendarStore, MailTransport, OwnFolders};
use crate::source::Intake;
use crate::source::imap::ImapSource;
use crate::source::maildir::MaildirSource;
use crate::store::content::ContentStore;
use crate::store::progress::Progress;
use crate::store::sled::{SledOptions, SledStore};
use crate::store::{Leases, ShardId, Store};
use crate::supervisor::{Stop, Supervisor};
use crate::templates::Templates;
use crate::unsubscribe::Unsubscribe;

/// Plugin threads: a handler computes for microseconds, so few are plenty.
const PLUGIN_THREADS: usize = 2;

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error("the store in {path} cannot be opened")]
    Store {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: crate::store::sled::OpenError,
    },
    /// The state directory cannot be used.
    #[error("the state directory {path} cannot be used; check that it exists and belongs to us")]
    State {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The content files cannot be opened.
    #[error("the content files cannot be used")]
    Content(#[from] crate::store::content::ContentError),
    /// The store is owned by nobody.
    #[error("the store's only shard could not be taken: {0}")]
    Lease(String),
    /// The plugin engine does not start.
    #[error("the plugin engine does not start")]
    Engine(#[from] crate::plugin::EngineError),
    /// The plugin threads do not start.
    #[error("the plugin threads do not start")]
    Workers(#[from] crate::plugin::WorkersError),
    /// A calendar's settings cannot be used.
    #[error("the calendar {name} cannot be used")]
    Calendar {
        /// Which.
        name: CalendarId,
        /// Why.
        #[source]
        source: CalendarSettingsError,
    },
    /// A task did not finish.
    #[error("{0}")]
    Broken(String),
    /// What a crash left behind could not be recovered.
    #[error("what the last run left behind cannot be recovered")]
    Recover(#[source] crate::outbox::StepError),
    /// What an import brought could not be settled.
    #[error("what was imported cannot be made ready")]
    Imported(#[source] Box<crate::keeping::KeepingError>),
    /// What is to be erased could not be.
    #[error("the data of a person is to be erased, and cannot be; the next start tries it again")]
    Erase(#[from] privacy::PrivacyError),
    /// The records cannot be used.
    #[error("the records of the plugins cannot be used")]
    Books(#[from] crate::books::BooksError),
}

/// A plugin that cannot run, or not as it was granted: named, and nothing else stops.
#[derive(Debug, Clone)]
pub struct PluginTrouble {
    /// Which.
    pub plugin: PluginName,
    /// Why, and what to do.
    pub why: String,
    /// It is asked about events all the same.
    pub runs: bool,
}

/// Opens the store and the content files under `state_dir`, with the usual sizes, and finishes the
/// erasures that were asked for. Blocks: for a blocking thread of a runtime.
///
/// # Errors
/// When another process holds the store, or it is damaged; the text says what to do.
pub fn open_books(state_dir: &Path) -> Result<(Books, Arc<SledStore>), StartError> {
    open_and_erase(state_dir, SledOptions::default(), &Arc::default())
}

/// The same, as the operator set it, telling `progress` how far it is: what is kept back of the
/// disk is given up first when there is hardly room to open anything.
///
/// # Errors
/// As [`open_books`].
pub fn open_configured(
    config: &Config,
    progress: &Arc<Progress>,
) -> Result<(Books, Arc<SledStore>), StartError> {
    room::make_way(&config.state_dir, config.disk, &Disks);
    open_and_erase(&config.state_dir, config.store, progress)
}

fn open_and_erase(
    state_dir: &Path,
    options: SledOptions,
    progress: &Arc<Progress>,
) -> Result<(Books, Arc<SledStore>), StartError> {
    let (books, store) = open_with(state_dir, options, progress)?;
    let runtime = tokio::runtime::Handle::current();
    let open = runtime.block_on(privacy::open_erasures(&books))?;
    if open.is_empty() {
        return Ok((books, store));
    }
    progress.begin("erasing the data of a person", None);
    // Somebody's data is to be erased: before anybody works with it.
    let now = SystemClock.now();
    let erased = runtime.block_on(privacy::rows_and_content(&books, now));
    if let Err(error) = erased {
        not_erased(&error);
        return Ok((books, store));
    }
    let closed = runtime.block_on(store.close());
    closed.map_err(BooksError::from)?;
    drop((books, store));
    let anew = SledOptions {
        fresh_segment: true,
        ..options
    };
    let (books, store) = open_with(state_dir, anew, progress)?;
    let finished = runtime.block_on(privacy::finish(&books, &state_dir.join(STORE_DIR), now));
    if let Err(error) = finished {
        not_erased(&error);
    }
    Ok((books, store))
}

/// Everybody else's mail goes on: nothing new of the person is taken in meanwhile, `status` tells
/// that it is not done, and the next start tries it again.
fn not_erased(error: &privacy::PrivacyError) {
    let error = chain(error);
    tracing::error!(%error, "the data of a person could not be erased; the next start tries again");
}

/// The folder of the store in the state directory.
const STORE_DIR: &str = "store";

/// Opens the store and the content files, and nothing else.
///
/// # Errors
/// As [`open_books`].
pub(crate) fn open_with(
    state_dir: &Path,
    options: SledOptions,
    progress: &Arc<Progress>,
) -> Result<(Books, Arc<SledStore>), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    let state = |source| StartError::State {
        path: state_dir.to_owned(),
        source,
    };
    builder.create(state_dir).map_err(state)?;
    let path = state_dir.join(STORE_DIR);
    let store = SledStore::open_telling(&path, options, progress)
        .map_err(|source| StartError::Store { path, source })?;
    let store = Arc::new(store);
    let content = ContentStore::open(&state_dir.join("content"))?;
    content.sweep_unfinished()?;
    let leases = store.leases();
    let view = futures_util::FutureExt::now_or_never(leases.beat())
        .and_then(Result::ok)
        .ok_or_else(|| StartError::Lease("the lease did not answer".to_owned()))?;
    let fence = view
        .fence(ShardId::SINGLE)
        .ok_or_else(|| StartError::Lease("another owner has it".to_owned()))?;
    let shared: Arc<dyn Store> = store.clone();
    let books = Books::new(shared, content, fence).with_local(store.clone());
    Ok((books, store))
}

/// Ourselves as the workers need to know it.
#[must_use]
pub fn office(config: &Config) -> Office {
    let people = config.users.iter().map(|user| {
        let own = config.calendars.iter().filter(|calendar| {
            config
                .user(&calendar.owner)
                .is_some_and(|owner| owner.address == user.address)
        });
        let person = Person {
            user: user.view(),
            addresses: std::iter::once(&user.address)
                .chain(&user.aliases)
                .cloned()
                .collect(),
            work: config.work_time(user),
            signature: user.signature.clone(),
            calendars: own.map(|calendar| calendar.name.clone()).collect(),
            hold_calendar: config.hold_calendar(&user.address).map(|c| c.name.clone()),
        };
        (user.address.clone(), person)
    });
    Office {
        firm: config.firm(),
        limits: config.limits,
        authserv_ids: config.firm.authserv_ids.clone(),
        dkim: (config.authenticity.dkim)
            .then(|| Arc::new(DkimVerifier::new(&config.authenticity.settings))),
        free_mail: config.firm.free_mail.clone(),
        forms: config.firm.forms.clone(),
        review_days: config.firm.review_days,
        threads_by_subject: config.firm.threads_by_subject,
        people: people.collect(),
        mailboxes: config
            .mailboxes
            .iter()
            .map(|mailbox| (mailbox.name.clone(), route(config, mailbox)))
            .collect(),
        staff_route: config.staff_mail.as_ref().map(|staff| Route {
            transport: staff.transport.clone(),
            from: staff.from.clone(),
            drafts: false,
        }),
        meetings: config.meetings,
        signature: config.firm.signature.clone(),
        html: config.firm.html,
        approval: config.approval.clone(),
        unsubscribe: Unsubscribe::new(&config.state_dir, config.firm.unsubscribe_url.as_ref()),
    }
}

fn route(config: &Config, mailbox: &Mailbox) -> MailboxRoute {
    let drafts = match &mailbox.kind {
        MailboxKind::Imap(_) => true,
        MailboxKind::Maildir(settings) => !settings.drafts.is_empty(),
    };
    // Without a transport mail can still be drafted: the person's own program sends it.
    let transport = mailbox
        .transport
        .clone()
        .unwrap_or_else(|| TransportId::from(""));
    MailboxRoute {
        owner: config
            .owner_of(&mailbox.name)
            .map(|owner| owner.address.clone()),
        route: Some(Route {
            transport,
            from: mailbox.address.clone(),
            drafts,
        }),
        reply_to: mailbox.reply_to.clone(),
        file_sent_copy: mailbox.file_sent_copy,
        if_uncertain: mailbox.if_uncertain,
    }
}

/// How one mailbox is watched.
#[derive(Debug, Clone)]
pub enum MailSource {
    /// IMAP.
    Imap(Arc<ImapSource>),
    /// Maildir.
    Maildir(Arc<MaildirSource>),
}

impl MailSource {
    /// Watches until the stop.
    async fn run(self, stop: Stop) {
        match self {
            MailSource::Imap(source) => source.run(stop).await,
            MailSource::Maildir(source) => source.run(stop).await,
        }
    }

    /// Asks for a look at what of the old messages is to be shown to the plugins.
    pub fn backfill(&self) {
        match self {
            MailSource::Imap(source) => source.backfill(),
            MailSource::Maildir(source) => source.poke_handle().poke(),
        }
    }

    /// Asks for a look at once.
    pub fn poke(&self) {
        match self {
            MailSource::Imap(source) => source.poke(),
            MailSource::Maildir(source) => source.poke_handle().poke(),
        }
    }
}

/// The daemon's parts, built and not yet running.
#[derive(Debug)]
pub struct App {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Everything remembered.
    pub books: Books,
    /// Ourselves.
    pub office: Arc<Office>,
    /// What is proven fresh.
    pub freshness: Arc<Freshness>,
    /// Tells somebody when a source is not fresh.
    pub alarms: Arc<Alarms>,
    /// What stands still for want of disk.
    pub room: Arc<Room>,
    /// Decides.
    pub pipeline: Arc<Pipeline>,
    /// Carries out.
    pub delivery: Arc<Delivery>,
    /// Watches mail.
    pub sources: BTreeMap<MailboxId, MailSource>,
    /// Mirrors calendars.
    pub calendars: Calendars,
    /// Plugins that cannot run, or not as they were granted.
    pub plugin_troubles: Vec<PluginTrouble>,
    /// Lets go of what is kept for too long, and looks everything over.
    pub night: Arc<Night>,
    /// Told when the event log grew.
    pub events: Arc<Notify>,
    /// Told when effects may be due.
    pub effects: Arc<Notify>,
    /// Told when a calendar changed.
    pub calendar_news: Arc<Notify>,
    /// Brings old rows to the versions of this release.
    pub sweeper: Arc<Sweeper>,
    /// Kinds of cases that the configured plugins keep.
    pub case_kinds: Arc<crate::cases::CaseKinds>,
    /// Told when a copy was filed into a Sent folder.
    sent_news: BTreeMap<MailboxId, Arc<Notify>>,
    /// Where access tokens come from.
    pub credentials: Credentials,
    imap_folders: Vec<Arc<ImapFolders>>,
}

impl App {
    /// Builds all parts over an open store. Compiles plugins, so it takes a while the first time.
    ///
    /// # Errors
    /// When a part without which nothing works cannot be built. A plugin that cannot be loaded is
    /// no error: it is listed in `plugin_troubles`.
    pub async fn build(
        config: &Config,
        books: Books,
        clock: Arc<dyn Clock>,
    ) -> Result<App, StartError> {
        let office = Arc::new(office(config));
        let freshness = Arc::new(Freshness::default());
        let room = Room::new(&config.state_dir, config.disk, Box::new(Disks));
        let (events, effects, calendar_news) = (
            Arc::new(Notify::new()),
            Arc::new(Notify::new()),
            Arc::new(Notify::new()),
        );
        let calendars = calendars(config)?;
        let (mut plugins, mut plugin_troubles) = load_plugins(config.clone()).await?;
        plugin_troubles.extend(
            accepted::hold_to_accepted(config, &books, clock.as_ref(), &mut plugins).await?,
        );
        let workers = Arc::new(Workers::start(PLUGIN_THREADS)?);
        let pipeline = Arc::new(Pipeline::new(Parts {
            books: books.clone(),
            clock: clock.clone(),
            office: office.clone(),
            calendars: calendars.clone(),
            plugins,
            workers,
            events: events.clone(),
            delivery: effects.clone(),
        }));
        let intake: Arc<dyn Intake> = Arc::new(Ingest::new(
            books.clone(),
            clock.clone(),
            office.clone(),
            freshness.clone(),
            events.clone(),
        ));
        let sources = sources(config, &intake, &clock);
        let (folders, imap_folders) = folders(config);
        let sent_news: BTreeMap<MailboxId, Arc<Notify>> = sources
            .keys()
            .map(|mailbox| (mailbox.clone(), Arc::new(Notify::new())))
            .collect();
        let delivery = Arc::new(Delivery::new(delivery::Parts {
            books: books.clone(),
            clock: clock.clone(),
            office: office.clone(),
            transports: transports(config),
            folders,
            mailboxes: mailbox_writers(config, &sources),
            changes: granted_changes(config),
            mail_modes: mail_modes(config),
            calendars: calendars.clone(),
            wake: effects.clone(),
            calendar_changed: calendar_news.clone(),
            events: events.clone(),
            look_at_sent: sent_news.clone(),
            freshness: freshness.clone(),
        }));
        let alarms = Arc::new(Alarms {
            books: books.clone(),
            clock: clock.clone(),
            freshness: freshness.clone(),
            settings: config.alarm.clone(),
            watched: looked_after::watched(config),
            by_use: looked_after::by_use(config),
            firm: config.firm.name.clone(),
            trouble: Mutex::default(),
            known: tokio::sync::Mutex::default(),
        });
        let sweeper = Arc::new(Sweeper::new(books.clone(), Registry::own()));
        let night = Arc::new(Night {
            books: books.clone(),
            clock: clock.clone(),
            retention: config.retention,
            zone: config.firm.business.zone().clone(),
        });
        Ok(App {
            clock,
            books,
            night,
            sweeper,
            case_kinds: crate::api::case_kinds(config),
            office,
            freshness,
            alarms,
            room: Arc::new(room),
            pipeline,
            delivery,
            sources,
            calendars,
            plugin_troubles,
            events,
            effects,
            calendar_news,
            sent_news,
            credentials: config.credentials.clone(),
            imap_folders,
        })
    }

    /// Starts everything that waits for the world: sources, mirrors, pipeline and delivery.
    ///
    /// # Errors
    /// When what the last run left behind cannot be recovered.
    pub async fn start(&self, supervisor: &Supervisor) -> Result<(), StartError> {
        self.delivery.recover().await.map_err(StartError::Recover)?;
        self.alarms.begin().await?;
        let alarms = self.alarms.clone();
        supervisor.spawn("alarms", move |stop| {
            let alarms = alarms.clone();
            async move { alarms.run(&stop).await }
        });
        self.start_watching(supervisor);
        let (sweeper, stop) = (self.sweeper.clone(), supervisor.stop().child());
        supervisor.spawn_work("sweep", async move { sweeper.run(&stop).await });
        let (books, kinds) = (self.books.clone(), self.case_kinds.clone());
        let stop = supervisor.stop().child();
        supervisor.spawn_work("case-index", async move {
            crate::cases::fill::run(&books, &kinds, &stop).await;
        });
        let (room, pipeline) = (self.room.clone(), self.pipeline.clone());
        supervisor.spawn("pipeline", move |stop| {
            let (room, pipeline) = (room.clone(), pipeline.clone());
            async move {
                let work = |stop: Stop| async { pipeline.run(&{ stop }).await };
                room.gate(Stage::Plugins, &stop, |_| {}, work).await;
            }
        });
        let (room, delivery) = (self.room.clone(), self.delivery.clone());
        supervisor.wait_for(self.delivery.verdicts());
        supervisor.spawn("delivery", move |stop| {
            let (room, delivery) = (room.clone(), delivery.clone());
            async move {
                let work = |stop| delivery.run_mail(stop);
                room.gate(Stage::Outbox, &stop, |_| {}, work).await;
            }
        });
        let night = self.night.clone();
        supervisor.spawn("nightly", move |stop| {
            let night = night.clone();
            async move { night.run(&stop).await }
        });
        let (room, delivery) = (self.room.clone(), self.delivery.clone());
        supervisor.spawn("holds", move |stop| {
            let (room, delivery) = (room.clone(), delivery.clone());
            async move {
                let work = |stop| delivery.run_holds(stop);
                room.gate(Stage::Outbox, &stop, |_| {}, work).await;
            }
        });
        Ok(())
    }

    /// Starts only what watches mailboxes and calendars.
    pub fn start_watching(&self, supervisor: &Supervisor) {
        let room = self.room.clone();
        supervisor.spawn("room", move |stop| {
            let room = room.clone();
            async move { room.run(&stop).await }
        });
        for (mailbox, news) in &self.sent_news {
            let Some(source) = self.sources.get(mailbox).cloned() else {
                continue;
            };
            let (task, news) = (format!("sent news {mailbox}"), news.clone());
            supervisor.spawn(&task, move |stop| {
                let (source, news) = (source.clone(), news.clone());
                async move {
                    loop {
                        tokio::select! {
                            () = stop.stopped() => return,
                            () = news.notified() => source.poke(),
                        }
                    }
                }
            });
        }
        for (name, source) in &self.sources {
            let task = format!("mailbox {name}");
            let (source, name) = (source.clone(), name.clone());
            let (room, freshness) = (self.room.clone(), self.freshness.clone());
            supervisor.spawn(&task, move |stop| {
                let (source, name) = (source.clone(), name.clone());
                let (room, freshness) = (room.clone(), freshness.clone());
                async move {
                    let told = |why| {
                        freshness.mail_trouble(&name, None, (why, false));
                    };
                    let work = |stop| source.clone().run(stop);
                    room.gate(Stage::Intake, &stop, told, work).await;
                }
            });
        }
        for credential in self.credentials.iter() {
            let credential = credential.clone();
            let task = format!("oauth {}", credential.name());
            supervisor.spawn(&task, move |stop| credential.clone().run(stop));
        }
        for folders in &self.imap_folders {
            let folders = folders.clone();
            supervisor.spawn("imap folders", move |stop| folders.clone().run(stop));
        }
        for mirror in self.calendars.mirrors.values() {
            let (mirror, clock) = (mirror.clone(), self.clock.clone());
            let (freshness, news) = (self.freshness.clone(), self.calendar_news.clone());
            let task = format!("calendar {}", mirror.id);
            supervisor.spawn(&task, move |stop| {
                let (mirror, clock) = (mirror.clone(), clock.clone());
                let (freshness, news) = (freshness.clone(), news.clone());
                async move { mirror.run(clock.as_ref(), &freshness, &news, &stop).await }
            });
        }
    }
}

/// The mirrors of all calendars; nothing is read yet.
///
/// # Errors
/// When the settings of a calendar cannot be used.
pub fn calendars(config: &Config) -> Result<Calendars, StartError> {
    let mut mirrors = BTreeMap::new();
    for calendar in &config.calendars {
        let name = calendar.name.clone();
        let store = calendar_store(calendar).map_err(|source| StartError::Calendar {
            name: name.clone(),
            source,
        })?;
        let owner = config.user(&calendar.owner);
        let address = owner.map_or(calendar.owner.clone(), |owner| owner.address.clone());
        let zone = owner.map_or(config.firm.zone.clone(), |owner| owner.zone.clone());
        let counting = Counting {
            role: calendar.role,
            all_day_blocks: calendar.all_day_blocks,
            unanswered_blocks: calendar.unanswered_blocks,
            own_addresses: owner.map_or_else(Vec::new, |owner| owner.aliases.clone()),
            work: owner.map(|owner| config.work_time(owner)),
        };
        let mirror = CalendarMirror::new(name.clone(), store, address, zone).counting(counting);
        mirrors.insert(name, Arc::new(mirror));
    }
    Ok(Calendars { mirrors })
}

fn sources(
    config: &Config,
    intake: &Arc<dyn Intake>,
    clock: &Arc<dyn Clock>,
) -> BTreeMap<MailboxId, MailSource> {
    let source =
        |mailbox: &Mailbox| {
            let (name, intake, clock) = (mailbox.name.clone(), intake.clone(), clock.clone());
            match &mailbox.kind {
                MailboxKind::Imap(settings) => MailSource::Imap(Arc::new(ImapSource::new(
                    name,
                    (**settings).clone(),
                    intake,
                    clock,
                ))),
                MailboxKind::Maildir(settings) => MailSource::Maildir(Arc::new(
                    MaildirSource::new(name, settings.clone(), intake, clock),
                )),
            }
        };
    config
        .mailboxes
        .iter()
        .map(|mailbox| (mailbox.name.clone(), source(mailbox)))
        .collect()
}

type Folders = BTreeMap<MailboxId, Arc<dyn OwnFolders>>;

fn folders(config: &Config) -> (Folders, Vec<Arc<ImapFolders>>) {
    let (mut folders, mut imap): (Folders, Vec<_>) = Default::default();
    for mailbox in &config.mailboxes {
        let own: Arc<dyn OwnFolders> = match &mailbox.kind {
            MailboxKind::Imap(settings) => {
                let own = Arc::new(ImapFolders::new((**settings).clone()));
                imap.push(own.clone());
                own
            }
            MailboxKind::Maildir(settings) => Arc::new(MaildirFolders::new(settings.clone())),
        };
        folders.insert(mailbox.name.clone(), own);
    }
    (folders, imap)
}

/// What may become of the mails of each plugin now.
fn mail_modes(config: &Config) -> BTreeMap<PluginName, MailMode> {
    let plugins = config.plugins.iter();
    plugins
        .map(|plugin| (plugin.name.clone(), plugin.modes.mail))
        .collect()
}

/// What each plugin may change in mailboxes now.
fn granted_changes(config: &Config) -> BTreeMap<PluginName, MailboxGrants> {
    let may = |plugin: &&PluginConfig| plugin.modes.mailbox == RecordMode::Apply;
    let plugins = config.plugins.iter().filter(may);
    plugins
        .map(|plugin| (plugin.name.clone(), plugin.mailbox.clone()))
        .collect()
}

/// A mailbox on a server is changed over the connections of who watches it.
fn mailbox_writers(
    config: &Config,
    sources: &BTreeMap<MailboxId, MailSource>,
) -> BTreeMap<MailboxId, Arc<dyn MailboxWriter>> {
    let writer = |mailbox: &Mailbox| -> Option<Arc<dyn MailboxWriter>> {
        match (&mailbox.kind, sources.get(&mailbox.name)?) {
            (MailboxKind::Maildir(settings), _) => {
                Some(Arc::new(MaildirMailbox::new(settings.clone())))
            }
            (_, MailSource::Imap(source)) => Some(Arc::new(ImapMailbox::new(source.clone()))),
            (MailboxKind::Imap(_), MailSource::Maildir(_)) => None,
        }
    };
    let mailboxes = config.mailboxes.iter();
    mailboxes
        .filter_map(|mailbox| Some((mailbox.name.clone(), writer(mailbox)?)))
        .collect()
}

fn transports(config: &Config) -> BTreeMap<TransportId, Arc<dyn MailTransport>> {
    config
        .transports
        .iter()
        .map(|one| (one.name.clone(), mail_transport(&one.kind)))
        .collect()
}

fn mail_transport(kind: &TransportKind) -> Arc<dyn MailTransport> {
    match kind {
        TransportKind::Smtp(settings) => Arc::new(SmtpTransport::new(settings.clone())),
        TransportKind::Maildir(settings) => Arc::new(MaildirTransport::new(settings.clone())),
    }
}

/// Why the settings of a calendar cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CalendarSettingsError {
    /// Of one on a CalDAV server.
    #[error(transparent)]
    Caldav(#[from] CaldavSettingsError),
    /// Of a feed.
    #[error(transparent)]
    Feed(#[from] FeedSettingsError),
}

fn calendar_store(calendar: &Calendar) -> Result<Arc<dyn CalendarStore>, CalendarSettingsError> {
    let name = calendar.name.clone();
    Ok(match &calendar.kind {
        CalendarKind::Vdir(settings) => Arc::new(VdirCalendar::new(name, settings.clone())),
        CalendarKind::Caldav(settings) => Arc::new(CaldavCalendar::new(name, settings.clone())?),
        CalendarKind::Feed(settings) => Arc::new(FeedCalendar::new(name, settings.clone())?),
    })
}

/// The edges as the daemon makes them, for `check --online`.
#[derive(Debug, Clone, Copy)]
pub struct RealEdges;

impl Edges for RealEdges {
    fn transport(&self, transport: &Transport) -> Result<Arc<dyn MailTransport>, String> {
        Ok(mail_transport(&transport.kind))
    }

    fn own_folders(&self, mailbox: &Mailbox) -> Result<Arc<dyn OwnFolders>, String> {
        Ok(match &mailbox.kind {
            MailboxKind::Imap(settings) => Arc::new(ImapFolders::new((**settings).clone())),
            MailboxKind::Maildir(settings) => Arc::new(MaildirFolders::new(settings.clone())),
        })
    }

    fn calendar(&self, calendar: &Calendar) -> Result<Arc<dyn CalendarStore>, String> {
        calendar_store(calendar).map_err(|error| crate::books::chain(&error))
    }
}

/// Loads all enabled plugins off the async threads: compiling one takes a moment.
async fn load_plugins(
    config: Config,
) -> Result<(Vec<ActivePlugin>, Vec<PluginTrouble>), StartError> {
    let load = move || -> Result<_, StartError> {
        let engine = Engine::start(&config.state_dir.join("compiled"))?;
        let (mut plugins, mut troubles) = (Vec::new(), Vec::new());
        for wanted in config.plugins.iter().filter(|plugin| plugin.enabled) {
            match load_plugin(&config, wanted, &engine) {
                Ok(plugin) => plugins.push(plugin),
                Err(why) => {
                    tracing::error!(plugin = %wanted.name, %why, "plugin cannot run");
                    troubles.push(PluginTrouble {
                        plugin: wanted.name.clone(),
                        why,
                        runs: false,
                    });
                }
            }
        }
        Ok((plugins, troubles))
    };
    // Awaited right here, so it needs no supervisor.
    tokio::task::spawn_blocking(load)
        .await
        .map_err(|error| StartError::Broken(format!("loading the plugins broke: {error}")))?
}

/// Loads one plugin as the configuration wants it; whether its component is the accepted one is
/// not looked at here, see [`accepted`].
///
/// # Errors
/// In words for the operator.
pub fn load_plugin(
    config: &Config,
    wanted: &crate::config::PluginConfig,
    engine: &Engine,
) -> Result<ActivePlugin, String> {
    let folder = config.plugin_folder(wanted);
    let plugin = Plugin::open(engine, &folder).map_err(|error| crate::books::chain(&error))?;
    if plugin.name() != wanted.name {
        return Err(format!(
            "{} holds the plugin {}, not {}",
            folder.display(),
            plugin.name(),
            wanted.name
        ));
    }
    let settings = plugin.settings(&wanted.settings).map_err(|problems| {
        let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
        format!("its settings are wrong: {}", words.join("; "))
    })?;
    let own_templates = folder.join("templates");
    let templates = Templates::new(config.template_dir.as_deref(), Some(&own_templates));
    Ok(ActivePlugin {
        plugin: Arc::new(plugin),
        settings,
        modes: wanted.modes,
        mailbox: wanted.mailbox.clone(),
        templates,
    })
}
