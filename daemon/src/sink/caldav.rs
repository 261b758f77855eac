//! A collection on a CalDAV server as a calendar (RFC 4791).
//!
//! Reading mirrors the whole collection. Where the server can, it is asked what changed since the
//! last look (sync-collection); else first whether anything changed, then for a listing with
//! versions. Then the objects that differ are fetched. Writing is conditional and never
//! repeated here: what may or may not have happened is said to be unknown, and a look decides.

mod discover;
pub(crate) mod http;
mod look;
mod multistatus;
mod path;
mod peers;
mod settings;
mod sync;
mod write;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::header;
use liaison_core::ids::CalendarId;
use libdav::requests::DavRequest;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::http::{Answer, Client, HttpError, Login};
pub(crate) use self::peers::Peers;
pub(crate) use self::settings::Origin;
pub use self::settings::{CaldavSettings, CaldavSettingsError, CaldavTls};
use crate::clock::{Clock, SystemClock};
use crate::sink::collection::guard_against_emptiness;
use crate::sink::{
    CalendarChanges, CalendarError, CalendarFile, CalendarStore, Created, Deleted, Pace, PaceOf,
    Updated,
};
use crate::supervisor::Stop;
use crate::tls;

/// Longest wait after failures, and the longest that a server's Retry-After is believed.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);
/// A wait that a server asks for, up to which a question is asked again within one operation, and
/// how often: one that limits how fast it is asked would else never answer all that a look asks.
const SHORT_WAIT: (Duration, u32) = (Duration::from_secs(5), 3);
/// Prefix of versions that we make where the server gives none.
const HASH_ETAG: &str = "hash:";

/// A calendar on a CalDAV server.
#[derive(Debug)]
pub struct CaldavCalendar {
    name: CalendarId,
    settings: CaldavSettings,
    client: Client,
    /// Ends a wait: after our own write the mirror is behind.
    wake: Notify,
    // A short lock without await.
    state: Mutex<State>,
}

/// What is remembered between operations; all of it can be lost.
#[derive(Debug, Default)]
struct State {
    /// Path of the collection, with a slash at its end.
    collection: Option<String>,
    quiet: Option<look::Quiet>,
    sync: sync::Sync,
    /// Looks that failed in a row.
    failures: u32,
    /// Counts waits, to spread them.
    waits: u64,
    /// The server asked not to be asked before.
    not_before: Option<Instant>,
}

/// The login for one operation; the password is read anew for each.
#[derive(Debug)]
struct Session {
    login: Login,
}

/// Why an operation did not succeed; becomes a [`CalendarError`] with the calendar's name.
#[derive(Debug, Clone)]
struct Failure {
    why: String,
    permanent: bool,
    unknown: bool,
    status: Option<u16>,
    /// The answer was over the size limit.
    too_long: bool,
}

impl Failure {
    fn permanent(why: String) -> Failure {
        Failure {
            permanent: true,
            ..Failure::transient(why)
        }
    }

    fn transient(why: String) -> Failure {
        Failure {
            why,
            permanent: false,
            unknown: false,
            status: None,
            too_long: false,
        }
    }

    /// For requests that change nothing.
    fn of(error: &HttpError) -> Failure {
        Failure {
            permanent: error.permanent(),
            too_long: matches!(error, HttpError::TooLong(_)),
            ..Failure::transient(error.to_string())
        }
    }

    /// The server is there and lets us in, but will not give this one thing.
    fn concerns_one_object(&self) -> bool {
        let general = |status| matches!(status, 401 | 407 | 429 | 502..=504);
        self.too_long || self.status.is_some_and(|status| !general(status))
    }
}

impl CaldavCalendar {
    /// The calendar `name`; nothing is connected before it is used.
    ///
    /// # Errors
    /// When the address is none, would send the password in the clear, or TLS cannot be set up.
    pub fn new(
        name: CalendarId,
        settings: CaldavSettings,
    ) -> Result<CaldavCalendar, CaldavSettingsError> {
        let (base, origin) = settings.address()?;
        let connector = tls::connector(settings.tls.ca_file.as_deref())?;
        Ok(CaldavCalendar {
            name,
            settings,
            client: Client {
                origin,
                base,
                connector,
                bounds: http::Bounds::CALENDAR,
                peers: Peers::Any,
            },
            wake: Notify::new(),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn what(&self, doing: &str) -> String {
        format!("{doing} calendar {} at {}", self.name, self.settings.url)
    }

    fn failed(&self, doing: &str, failure: Failure) -> CalendarError {
        CalendarError {
            what: self.what(doing),
            why: failure.why,
            permanent: failure.permanent,
            unknown: failure.unknown,
        }
    }

    async fn session(&self) -> Result<Session, Failure> {
        let password = self.settings.password.fetch().await;
        let password = password.map_err(|error| Failure::permanent(error.to_string()))?;
        let login = Login::basic(&self.settings.user, &password).ok_or_else(|| {
            Failure::permanent("`user` must not contain a colon or control characters".to_owned())
        })?;
        Ok(Session { login })
    }

    /// Asks what changes nothing.
    async fn ask<R: DavRequest>(&self, session: &Session, request: &R) -> Result<Answer, Failure> {
        let request = request
            .prepare_request(self.client.base.clone())
            .map_err(|error| Failure::permanent(error.to_string()))?;
        let answer = self.patiently(session, request).await;
        answer.map_err(|error| Failure::of(&error))
    }

    /// Asks what changes nothing, again after a short wait that the server asks for.
    async fn patiently(
        &self,
        session: &Session,
        request: hyper::Request<String>,
    ) -> Result<Answer, HttpError> {
        let (longest, times) = SHORT_WAIT;
        let (parts, body) = request.into_parts();
        let again = || hyper::Request::from_parts(parts.clone(), body.clone());
        for _ in 0..times {
            let answer = self.client.ask(&session.login, again()).await?;
            let wait = match answer.status() {
                429 | 503 => retry_after(&answer).filter(|wait| *wait <= longest),
                _ => None,
            };
            match wait {
                None => return Ok(answer),
                Some(wait) => Stop::new().sleep(wait).await,
            };
        }
        self.client.ask(&session.login, again()).await
    }

    /// Turns every status but the `good` ones into words.
    fn expect(&self, answer: &Answer, good: &[u16]) -> Result<(), Failure> {
        let status = answer.status();
        if good.contains(&status) {
            return Ok(());
        }
        let (user, excerpt) = (&self.settings.user, answer.excerpt());
        let (why, permanent) = match status {
            401 => (
                format!("the login of {user} is refused (401); correct `user` and `password`"),
                true,
            ),
            403 => (
                format!("{user} may not do this (403{excerpt}); ask for the right on the server"),
                true,
            ),
            404 | 410 => (
                format!("there is nothing at this address ({status}); correct `url`"),
                true,
            ),
            429 | 503 => {
                let until = self.obey_retry_after(answer);
                (
                    format!("the server asks to wait ({status}); asked again in {until} s"),
                    false,
                )
            }
            _ => {
                let waiting_helps = matches!(status, 408 | 423 | 425 | 500..);
                (format!("it answers {status}{excerpt}"), !waiting_helps)
            }
        };
        if matches!(status, 404 | 410) {
            // It may have moved: the way there is looked for again.
            self.state().collection = None;
        }
        Err(Failure {
            status: Some(status),
            permanent,
            ..Failure::transient(why)
        })
    }

    /// Notes Retry-After (RFC 9110 section 10.2.3) for [`CalendarStore::wait`]; returns seconds.
    fn obey_retry_after(&self, answer: &Answer) -> u64 {
        let usually = || self.settings.interval(&|| Pace::Near);
        let asked = retry_after(answer).unwrap_or_else(usually);
        let wait = asked.min(WAIT_MAX);
        self.state().not_before = Some(Instant::now() + wait);
        wait.as_secs()
    }

    async fn look_and_guard(
        &self,
        known: &BTreeMap<String, String>,
    ) -> Result<CalendarChanges, CalendarError> {
        const DOING: &str = "reading";
        let looked = async {
            let session = self.session().await?;
            self.look(&session, known).await
        };
        let looked = looked.await;
        {
            let mut state = self.state();
            state.failures = match &looked {
                Ok(_) => 0,
                Err(_) => state.failures.saturating_add(1),
            };
        }
        let changes = looked.map_err(|failure| self.failed(DOING, failure))?;
        guard_against_emptiness(
            &self.what(DOING),
            known.len(),
            changes.removed.len(),
            self.settings.gone_percent_max,
        )?;
        Ok(changes)
    }

    /// Length of the next wait: the interval spread by a tenth, so that calendars of one server
    /// are not asked together; doubled with each failure; never before the server allows it.
    fn next_wait(&self, interval: Duration) -> Duration {
        let mut state = self.state();
        state.waits = state.waits.wrapping_add(1);
        let seed = blake3::hash(format!("{} {}", self.name, state.waits).as_bytes());
        let spread = seed
            .as_bytes()
            .first()
            .map_or(100, |byte| 90 + u32::from(*byte) * 20 / 255);
        let interval = interval * spread / 100;
        let doubled = interval.saturating_mul(1 << state.failures.min(10));
        let allowed = state.not_before.map_or(Duration::ZERO, |at| {
            at.saturating_duration_since(Instant::now())
        });
        doubled.min(WAIT_MAX.max(interval)).max(allowed)
    }
}

/// What Retry-After asks for (RFC 9110 section 10.2.3), in seconds or as a date.
pub(crate) fn retry_after(answer: &Answer) -> Option<Duration> {
    let text = answer.header(header::RETRY_AFTER)?.trim();
    let seconds = text.parse::<u64>().ok();
    let seconds = seconds.or_else(|| seconds_until(text, SystemClock.now().to_jiff()));
    seconds.map(Duration::from_secs)
}

/// Seconds from `now` to an HTTP date; `None` for anything else.
pub(crate) fn seconds_until(date: &str, now: jiff::Timestamp) -> Option<u64> {
    let at = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    u64::try_from(at.as_second().saturating_sub(now.as_second()).max(0)).ok()
}

impl CalendarStore for CaldavCalendar {
    fn read_by(&self) -> &'static str {
        self.state().sync.told()
    }

    fn changes<'a>(
        &'a self,
        known: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<CalendarChanges, CalendarError>> {
        Box::pin(self.look_and_guard(known))
    }

    fn fetch<'a>(
        &'a self,
        href: &'a str,
    ) -> BoxFuture<'a, Result<Option<CalendarFile>, CalendarError>> {
        Box::pin(async move {
            let fetched = async {
                let session = self.session().await?;
                let href = self.path_of_href(href)?;
                self.get(&session, &href).await
            };
            let fetched = fetched.await;
            fetched.map_err(|failure| self.failed(&format!("reading {href} of"), failure))
        })
    }

    fn create<'a>(
        &'a self,
        uid: &'a str,
        data: &'a str,
    ) -> BoxFuture<'a, Result<Created, CalendarError>> {
        Box::pin(async move {
            let created = self.put_new(uid, data).await;
            self.wake.notify_one();
            created.map_err(|failure| self.failed(&format!("creating {uid} in"), failure))
        })
    }

    fn update<'a>(
        &'a self,
        href: &'a str,
        etag: &'a str,
        data: &'a str,
    ) -> BoxFuture<'a, Result<Updated, CalendarError>> {
        Box::pin(async move {
            let updated = self.put_over(href, etag, data).await;
            self.wake.notify_one();
            updated.map_err(|failure| self.failed(&format!("changing {href} in"), failure))
        })
    }

    fn delete<'a>(
        &'a self,
        href: &'a str,
        etag: &'a str,
    ) -> BoxFuture<'a, Result<Deleted, CalendarError>> {
        Box::pin(async move {
            let deleted = self.delete_unchanged(href, etag).await;
            self.wake.notify_one();
            deleted.map_err(|failure| self.failed(&format!("deleting {href} from"), failure))
        })
    }

    fn wait<'a>(&'a self, pace: &'a PaceOf<'a>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let stop = Stop::new();
            let not_before = self.state().not_before;
            let allowed = not_before.map_or(Duration::ZERO, |at| {
                at.saturating_duration_since(Instant::now())
            });
            // Our own write is no reason to ask a server that asked to be left alone.
            stop.sleep(allowed).await;
            tokio::select! {
                () = self.wake.notified() => {}
                _ = stop.sleep(self.next_wait(self.settings.interval(pace))) => {}
            }
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            self.state().collection = None;
            let looked = async {
                let session = self.session().await?;
                self.collection(&session).await.map(drop)
            };
            let looked = looked.await;
            looked.map_err(|failure| self.failed("opening", failure).to_string())
        })
    }
}

#[cfg(test)]
mod tests;
