//! An iCalendar file on the web as a calendar: subscribed to, and never written.
//!
//! The address is often all that keeps strangers out, so nothing that is said here names more of
//! it than its host. Others choose what it answers and where it leads: the file is bounded, it is
//! used whole or not at all, and no redirect leads into our own network.

mod get;
mod settings;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use liaison_core::calendar::feed::{Feed, split_feed};
use liaison_core::ids::CalendarId;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use self::get::{Answered, Failure, Validators};
pub use self::settings::{FeedSettings, FeedSettingsError};
use crate::sink::caldav::Peers;
use crate::sink::collection::{guard_against_emptiness, object_name};
use crate::sink::{
    CalendarChanges, CalendarError, CalendarFile, CalendarStore, Created, Deleted, PaceOf, Updated,
};
use crate::supervisor::Stop;
use crate::tls;

/// How long one look may take, redirects and all.
const LOOK_LIMIT: Duration = Duration::from_secs(120);
/// Rest after the first failure, doubled with each further one, up to the time between two looks.
const REST: Duration = Duration::from_secs(15);
/// The longest that a provider's Retry-After is believed.
const REST_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A calendar that is a feed.
#[derive(Debug)]
pub struct FeedCalendar {
    name: CalendarId,
    settings: FeedSettings,
    connector: Connector,
    /// With whom we speak at the configured address, and where it redirects to.
    peers: (Peers, Peers),
    limit: Duration,
    // A short lock without await.
    state: Mutex<State>,
}

struct Connector(TlsConnector);

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

/// What is remembered between looks; all of it can be lost.
#[derive(Debug, Default)]
struct State {
    kept: Option<Kept>,
    /// What the provider says of the time between two looks, in seconds.
    told: Option<u64>,
    /// Looks that failed in a row.
    failures: u32,
    /// Until when nothing is asked, and what is said meanwhile.
    resting: Option<(Instant, Failure)>,
    /// Counts waits, to spread them.
    waits: u64,
    unchanged: bool,
}

/// The last good answer.
#[derive(Debug, Clone)]
struct Kept {
    validators: Validators,
    /// What a mirror that took it knows.
    after: BTreeMap<String, String>,
    unreadable: Vec<(String, String)>,
}

/// What a look brings, and what a mirror knows that took it.
#[derive(Debug)]
struct Looked {
    changes: CalendarChanges,
    after: BTreeMap<String, String>,
}

impl FeedCalendar {
    /// The calendar `name`; nothing is connected before it is used.
    ///
    /// # Errors
    /// When the settings name no address that may be asked, or TLS cannot be set up.
    pub fn new(
        name: CalendarId,
        settings: FeedSettings,
    ) -> Result<FeedCalendar, FeedSettingsError> {
        settings.check()?;
        let connector = Connector(tls::connector(settings.tls.ca_file.as_deref())?);
        let peers = match settings.allow_private {
            true => Peers::Any,
            false => Peers::Public,
        };
        Ok(FeedCalendar {
            name,
            settings,
            connector,
            peers: (peers, peers),
            limit: LOOK_LIMIT,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn what(&self, doing: &str) -> String {
        match self.settings.host() {
            Some(host) => format!("{doing} calendar {}, a feed from {host}", self.name),
            None => format!("{doing} calendar {}, a feed", self.name),
        }
    }

    fn failed(&self, doing: &str, failure: Failure) -> CalendarError {
        CalendarError {
            what: self.what(doing),
            why: failure.why,
            permanent: failure.permanent,
            unknown: false,
        }
    }

    /// No caller may think that a feed is written to.
    fn read_only(&self, doing: &str) -> CalendarError {
        let why = "it is a feed, and read-only; choose a calendar of kind caldav or vdir";
        self.failed(doing, Failure::permanent(why.to_owned()))
    }

    /// What stands there now; `None` when it is as it was when `kept` was made.
    async fn read(&self, kept: Option<&Kept>) -> Result<Option<(Feed, Validators)>, Failure> {
        let validators = kept.map(|kept| &kept.validators);
        match self.get(validators).await? {
            Answered::Unchanged => Ok(None),
            Answered::File(body, validators) => {
                let feed = split(body).await?;
                Ok(Some((feed, validators)))
            }
        }
    }

    async fn look(
        &self,
        known: &BTreeMap<String, String>,
    ) -> Result<CalendarChanges, CalendarError> {
        const DOING: &str = "reading";
        let kept = {
            let state = self.state();
            if let Some((until, failure)) = &state.resting
                && Instant::now() < *until
            {
                return Err(self.failed(DOING, failure.clone()));
            }
            // Another mirror, or one that did not take the last answer, needs all of it.
            state.kept.clone().filter(|kept| kept.after == *known)
        };
        let read = self.read(kept.as_ref()).await;
        let looked = match read {
            Ok(None) => {
                let mut state = self.state();
                (state.failures, state.resting, state.unchanged) = (0, None, true);
                return Ok(CalendarChanges {
                    unreadable: kept.map(|kept| kept.unreadable).unwrap_or_default(),
                    ..CalendarChanges::default()
                });
            }
            Ok(Some((feed, validators))) => self.take(known, feed, validators, DOING),
            Err(failure) => Err(failure),
        };
        looked.map_err(|failure| {
            self.rest(&failure);
            self.failed(DOING, failure)
        })
    }

    /// Compares a file with what is known, and remembers it, unless too much of it is gone.
    fn take(
        &self,
        known: &BTreeMap<String, String>,
        feed: Feed,
        validators: Validators,
        doing: &str,
    ) -> Result<CalendarChanges, Failure> {
        let told = feed.refresh_secs;
        let Looked { changes, after } = compare(known, feed);
        let (gone, percent) = (changes.removed.len(), self.settings.gone_percent_max);
        guard_against_emptiness(&self.what(doing), known.len(), gone, percent)
            .map_err(|error| Failure::permanent(error.why))?;
        let mut state = self.state();
        let kept = Kept {
            validators,
            after,
            unreadable: changes.unreadable.clone(),
        };
        (state.kept, state.told) = (Some(kept), told);
        (state.failures, state.resting, state.unchanged) = (0, None, false);
        Ok(changes)
    }

    /// Leaves the provider alone for a while.
    fn rest(&self, failure: &Failure) {
        let mut state = self.state();
        let doubled = REST.saturating_mul(1 << state.failures.min(10));
        let usual = doubled.min(self.settings.refresh(state.told));
        let asked = failure.retry_after.unwrap_or_default().min(REST_MAX);
        state.failures = state.failures.saturating_add(1);
        state.resting = Some((Instant::now() + usual.max(asked), failure.clone()));
    }

    /// Length of the next wait: longer by up to a fifth, so that feeds of one provider are not
    /// asked together, and never shorter.
    fn next_wait(&self) -> Duration {
        let mut state = self.state();
        state.waits = state.waits.wrapping_add(1);
        let seed = blake3::hash(format!("{} {}", self.name, state.waits).as_bytes());
        let spread = seed
            .as_bytes()
            .first()
            .map_or(100, |byte| 100 + u32::from(*byte) * 20 / 255);
        self.settings.refresh(state.told) * spread / 100
    }
}

/// Off the async threads: a large file takes a moment.
async fn split(body: Bytes) -> Result<Feed, Failure> {
    let split = tokio::task::spawn_blocking(move || split_feed(&body)).await;
    split
        .map_err(|error| Failure::transient(format!("it could not be read ({error})")))?
        .map_err(|error| Failure::permanent(format!("what was got is not used: {error}")))
}

/// What differs from `known`. An event that is gone while one that says the same came has got
/// another UID, and is the same event.
fn compare(known: &BTreeMap<String, String>, feed: Feed) -> Looked {
    let mut changes = CalendarChanges::default();
    let mut after = BTreeMap::new();
    let troubled = |trouble: &liaison_core::calendar::feed::FeedTrouble| {
        let name = trouble.identity.as_deref().map(object_name);
        (
            name.unwrap_or_else(|| "the feed".to_owned()),
            trouble.what.clone(),
        )
    };
    changes.unreadable = feed.troubles.iter().map(troubled).collect();
    let broken: BTreeMap<&str, &str> = changes
        .unreadable
        .iter()
        .map(|(href, what)| (href.as_str(), what.as_str()))
        .collect();
    let objects: BTreeMap<String, _> = feed
        .objects
        .into_iter()
        .map(|object| (object_name(&object.identity), object))
        .collect();
    let mut gone: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (href, etag) in known {
        if broken.contains_key(href.as_str()) {
            // Its last good copy stays.
            after.insert(href.clone(), etag.clone());
        } else if !objects.contains_key(href) {
            gone.entry(etag).or_default().push(href);
        }
    }
    for (href, object) in objects {
        if after.contains_key(&href) {
            continue;
        }
        let etag = object.version;
        if known.get(&href) == Some(&etag) {
            after.insert(href, etag);
            continue;
        }
        let renamed = match known.contains_key(&href) {
            true => None,
            false => gone.get_mut(etag.as_str()).and_then(Vec::pop),
        };
        if let Some(renamed) = renamed {
            after.insert(renamed.to_owned(), etag);
            continue;
        }
        after.insert(href.clone(), etag.clone());
        changes.changed.push(CalendarFile {
            href,
            etag,
            data: Bytes::from(object.data),
        });
    }
    changes.removed = gone.into_values().flatten().map(str::to_owned).collect();
    Looked { changes, after }
}

impl CalendarStore for FeedCalendar {
    fn read_by(&self) -> &'static str {
        match self.state().unchanged {
            true => "feed unchanged since the last look",
            false => "feed read whole",
        }
    }

    fn changes<'a>(
        &'a self,
        known: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<CalendarChanges, CalendarError>> {
        Box::pin(self.look(known))
    }

    fn fetch<'a>(
        &'a self,
        href: &'a str,
    ) -> BoxFuture<'a, Result<Option<CalendarFile>, CalendarError>> {
        Box::pin(async move {
            let read = self.read(None).await;
            let read = read.map_err(|failure| self.failed("reading", failure))?;
            let objects = read.map(|(feed, _)| feed.objects).unwrap_or_default();
            let mut objects = objects.into_iter();
            let found = objects.find(|object| object_name(&object.identity) == href);
            Ok(found.map(|object| CalendarFile {
                href: href.to_owned(),
                etag: object.version,
                data: Bytes::from(object.data),
            }))
        })
    }

    fn create<'a>(
        &'a self,
        _uid: &'a str,
        _data: &'a str,
    ) -> BoxFuture<'a, Result<Created, CalendarError>> {
        Box::pin(async { Err(self.read_only("writing to")) })
    }

    fn update<'a>(
        &'a self,
        _href: &'a str,
        _etag: &'a str,
        _data: &'a str,
    ) -> BoxFuture<'a, Result<Updated, CalendarError>> {
        Box::pin(async { Err(self.read_only("writing to")) })
    }

    fn delete<'a>(
        &'a self,
        _href: &'a str,
        _etag: &'a str,
    ) -> BoxFuture<'a, Result<Deleted, CalendarError>> {
        Box::pin(async { Err(self.read_only("deleting from")) })
    }

    /// Nothing that we do or that is near makes a provider write its file sooner.
    fn wait<'a>(&'a self, _pace: &'a PaceOf<'a>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            Stop::new().sleep(self.next_wait()).await;
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let read = self.read(None).await.map(drop);
            read.map_err(|failure| self.failed("reading", failure).to_string())
        })
    }
}

#[cfg(test)]
mod tests;
