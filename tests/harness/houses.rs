//! Firms that write to each other, with all parts of their daemons in this process: real stores,
//! Maildirs and plugins, a network that carries what they send, and one clock that stands where the
//! test puts it. A day takes seconds, and nothing happens that the test did not begin.

use std::collections::HashSet;
use std::fs::{self, File, FileTimes};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use liaison::api::{Caller, Role, call};
use liaison::app::service::api_context;
use liaison::app::{App, MailSource, open_books};
use liaison::clock::{Clock, ManualClock};
use liaison::config::Config;
use liaison::store::Store;
use liaison::store::sled::SledStore;
use liaison::supervisor::Stop;
use liaison_core::time::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::daemon::staged;
use crate::mail::header;
use crate::maildir::Maildir;

/// Rounds in which one thing follows from another, at one time.
const ROUNDS_MAX: usize = 50;
/// Longest wait for a look at a mailbox, in looks and between them.
const LOOKS_MAX: usize = 20_000;
const LOOK: Duration = Duration::from_millis(1);

/// A firm with one person, one mailbox, and a way to send.
#[derive(Debug)]
pub struct House {
    /// The person, whose mailbox it is.
    pub address: String,
    /// Their mailbox.
    pub mailbox: Maildir,
    outgoing: Maildir,
    carried: HashSet<String>,
    app: App,
    clock: ManualClock,
    store: Arc<SledStore>,
    watching: Vec<JoinHandle<()>>,
    stop: Stop,
    _dir: TempDir,
}

/// A message under way, as it left.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Who sent it.
    pub from: String,
    /// The recipient.
    pub to: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

impl House {
    /// The firm of `address`, which works at every hour; `more` stands in its configuration too.
    ///
    /// # Panics
    /// When a part of it cannot be built.
    pub async fn open(address: &str, more: &str, clock: &ManualClock) -> House {
        let dir = tempfile::Builder::new()
            .prefix("liaison-house-")
            .tempdir()
            .expect("temp dir");
        let file = dir.path().join("liaison.toml");
        fs::write(&file, configuration(address, more)).expect("write the configuration");
        let mailbox = Maildir::create(&dir.path().join("mail"));
        let outgoing = Maildir::create(&dir.path().join("outgoing"));
        let config = Config::load(&file).expect("the configuration");
        let state_dir = config.state_dir.clone();
        let opened = tokio::task::spawn_blocking(move || open_books(&state_dir)).await;
        let (books, store) = opened.expect("the store's thread").expect("the store");
        let app = Box::pin(App::build(&config, books, Arc::new(clock.clone())))
            .await
            .expect("the daemon's parts");
        assert!(
            app.plugin_troubles.is_empty(),
            "plugins that cannot run: {:?}",
            app.plugin_troubles
        );
        let mut house = House {
            address: address.to_owned(),
            mailbox,
            outgoing,
            carried: HashSet::new(),
            app,
            clock: clock.clone(),
            store,
            watching: Vec::new(),
            stop: Stop::new(),
            _dir: dir,
        };
        for source in house.app.sources.values() {
            let MailSource::Maildir(source) = source.clone() else {
                continue;
            };
            let watched = source.run(house.stop.child());
            house.watching.push(tokio::spawn(watched));
        }
        house.looked(&[]).await;
        house
    }

    /// The name that the firm's own mail server signs its verdicts with.
    pub fn authserv_id(&self) -> String {
        format!("mx.{}", domain(&self.address))
    }

    /// Messages arrive in the inbox now, and are taken.
    ///
    /// # Panics
    /// When they are not.
    pub async fn receive(&self, messages: &[Vec<u8>]) {
        for bytes in messages {
            self.mailbox.deliver_at(bytes, self.time());
        }
        self.looked(messages).await;
    }

    /// The person sent a message with their own mail program, which files it into Sent.
    ///
    /// # Panics
    /// When it is not seen there.
    pub async fn sent_by_hand(&self, message: &[u8]) {
        self.mailbox.save_at("Sent", message, self.time());
        self.looked(&[message.to_vec()]).await;
    }

    /// Looks at the mailbox now.
    ///
    /// # Panics
    /// As [`House::receive`].
    pub async fn look(&self) {
        self.looked(&[]).await;
    }

    /// Everything that follows now, until nothing more does; what left because of it.
    ///
    /// # Panics
    /// When one thing follows from another for ever.
    pub async fn settle(&mut self) -> Vec<Letter> {
        let never = Stop::new();
        for _ in 0..ROUNDS_MAX {
            let decided = Box::pin(self.app.pipeline.settle(&never)).await;
            let carried = Box::pin(self.app.delivery.settle_due()).await;
            match decided {
                Ok(0) if carried == 0 => {
                    self.date_copies();
                    return self.left();
                }
                Err(error) if !error.is_conflict() => panic!("the pipeline stopped: {error}"),
                _ => {}
            }
        }
        panic!("{}: something goes round in circles", self.address);
    }

    /// An answer to a command, as its person gets it.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn ask(&self, command: &str, arguments: Value) -> Value {
        let caller = Caller {
            who: self.address.clone(),
            role: Role::Admin,
        };
        let context = liaison::api::ApiContext {
            clock: Arc::new(self.clock.clone()),
            ..api_context(&self.app, None)
        };
        let answer = Box::pin(call(&context, &caller, command, arguments)).await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Closes its store.
    ///
    /// # Panics
    /// When it does not close in order.
    pub async fn close(self) {
        self.stop.trigger();
        for watching in self.watching {
            watching.await.expect("the source ends");
        }
        self.store.close().await.expect("the store closes");
    }

    fn left(&mut self) -> Vec<Letter> {
        let all = self.outgoing.list("");
        let new = all
            .into_iter()
            .filter(|message| self.carried.insert(message.name.clone()));
        let letters = new.map(|message| Letter {
            from: self.address.clone(),
            to: bare(&message.header("To").expect("a recipient")),
            bytes: message.bytes,
        });
        letters.collect()
    }

    /// Waits for a look that began after this, and for these messages to be recorded.
    async fn looked(&self, messages: &[Vec<u8>]) {
        let ids: Vec<String> = messages
            .iter()
            .map(|bytes| header(bytes, "Message-ID").expect("a Message-ID"))
            .map(|id| id.trim_matches(['<', '>']).to_owned())
            .collect();
        for source in self.app.sources.values() {
            source.poke();
        }
        for _ in 0..LOOKS_MAX {
            if self.is_fresh() && self.has(&ids).await {
                return;
            }
            self.stop.sleep(LOOK).await;
        }
        panic!(
            "{}: {ids:?} not taken: {:?}",
            self.address,
            self.app.freshness.list()
        );
    }

    fn is_fresh(&self) -> bool {
        let now = self.clock.now();
        let states = self.app.freshness.list();
        let fresh = |state: &liaison::freshness::SourceState| state.fresh_at >= Some(now);
        !states.is_empty() && states.iter().all(fresh)
    }

    async fn has(&self, ids: &[String]) -> bool {
        for id in ids {
            let found = self.app.books.message_by_id(id).await;
            if found.expect("the store reads").is_none() {
                return false;
            }
        }
        true
    }

    /// What the daemon files carries the machine's time: it gets the test's.
    fn date_copies(&self) {
        for copy in self.mailbox.list("Sent") {
            let file = File::options().write(true).open(&copy.path);
            let file = file.expect("the copy");
            let times = file.metadata().and_then(|about| about.modified());
            if times.expect("the copy's time") > self.time() {
                file.set_times(FileTimes::new().set_modified(self.time()))
                    .expect("date the copy");
            }
        }
    }

    fn time(&self) -> SystemTime {
        let since = u64::try_from(self.clock.now().0).expect("after 1970");
        UNIX_EPOCH + Duration::from_millis(since)
    }
}

fn configuration(address: &str, more: &str) -> String {
    let domain = domain(address);
    let hours = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        .map(|day| format!("{day} = [\"00:00-24:00\"]"))
        .join("\n");
    format!(
        r#"state_dir = "state"
plugin_dir = "{}"
[firm]
name = "{domain}"
zone = "Europe/Berlin"
domains = ["{domain}"]
authserv_ids = ["mx.{domain}"]
send_delay_secs = 0
[firm.working_hours]
{hours}
[quiet_hours]
night = "none"
weekends = false
[[user]]
name = "A Person"
address = "{address}"
[[transport]]
name = "files"
kind = "maildir"
path = "outgoing"
[[mailbox]]
name = "own"
kind = "maildir"
owner = "{address}"
path = "mail"
transport = "files"
{more}
"#,
        staged("plugins").display()
    )
}

/// The domain of an address.
pub fn domain(address: &str) -> &str {
    address.rsplit('@').next().unwrap_or_default()
}

/// The address of a header field that holds one.
pub fn bare(field: &str) -> String {
    let inside = field.rsplit('<').next().unwrap_or_default();
    inside.trim().trim_end_matches('>').to_lowercase()
}

/// Where the clocks of a test begin: a Monday, ten o'clock in Berlin.
pub const MONDAY: Timestamp = Timestamp(1_772_442_000_000);
