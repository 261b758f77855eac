//! Reading by sync-collection (RFC 6578): the server says what changed since a token.
//!
//! A token is used again only while the caller knows exactly what it stood for. A server that
//! refuses one is asked once for everything, and after that left to listings for a day, because
//! servers forget tokens in many ways (403, 409, 410, 412, 418, 500) and some forget every one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use libdav::dav::SyncCollection;
use tokio::time::Instant;

use super::look::{Listed, fingerprint};
use super::multistatus::{parse, token};
use super::{CaldavCalendar, Failure, Session};
use crate::sink::CalendarChanges;

/// Most answers that are read for one look, where a server cuts them short (section 3.6).
const PAGES_MAX: usize = 1_000;
/// At most so often everything is asked for because a token was refused.
const ANEW_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long a server whose tokens do not last is read by listings.
const WITHOUT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What is remembered of it; all of it can be lost.
#[derive(Debug, Default)]
pub(super) struct Sync {
    /// Whether the server says that it can; `None` before it was asked.
    pub(super) offered: Option<bool>,
    last: Option<Synced>,
    /// When the collection was last listed whole.
    whole_at: Option<Instant>,
    anew_at: Option<Instant>,
    without_until: Option<Instant>,
}

/// Where the last look ended.
#[derive(Debug, Clone)]
struct Synced {
    token: String,
    /// Of what the caller then knew.
    known: blake3::Hash,
    /// Objects that could not be read: no token tells of them again.
    again: BTreeSet<String>,
}

/// What the server said of each object, `None` for those that are gone, and its new token.
#[derive(Debug, Default)]
struct Told {
    listed: BTreeMap<String, Option<Listed>>,
    token: String,
}

impl Sync {
    /// Whether the next look may go this way.
    pub(super) fn may(&self) -> bool {
        let rests = self
            .without_until
            .is_some_and(|until| Instant::now() < until);
        self.offered != Some(false) && !rests
    }

    /// In words, for `status`.
    pub(super) fn told(&self) -> &'static str {
        match (self.offered, self.may()) {
            (Some(true), true) => "sync-collection",
            (Some(true), false) => "collection listed, its sync tokens do not last",
            _ => "collection listed",
        }
    }

    /// A refused token: whether everything may be asked for at once. Otherwise not for a day.
    fn refused(&mut self) -> bool {
        self.last = None;
        let now = Instant::now();
        let often = self
            .anew_at
            .is_some_and(|at| now.saturating_duration_since(at) < ANEW_EVERY);
        self.anew_at = Some(now);
        if often {
            self.without_until = now.checked_add(WITHOUT_FOR);
        }
        !often
    }
}

impl CaldavCalendar {
    /// Everything that differs from `known`; `None` when that is to be found out by a listing.
    pub(super) async fn look_by_sync(
        &self,
        session: &Session,
        collection: &str,
        known: &BTreeMap<String, String>,
    ) -> Result<Option<CalendarChanges>, Failure> {
        let now = Instant::now();
        let last = {
            let mut state = self.state();
            let sync = &mut state.sync;
            let whole_at = *sync.whole_at.get_or_insert(now);
            if now.saturating_duration_since(whole_at) >= super::look::FULL_LOOK {
                // Once in a while without believing its tokens.
                (sync.whole_at, sync.last, sync.offered) = (Some(now), None, None);
                return Ok(None);
            }
            // It stays until another one takes its place: a look that breaks is made again from it.
            sync.last.clone()
        };
        let last = last.filter(|last| last.known == fingerprint(known));
        let since = last.as_ref().map(|last| last.token.as_str());
        let mut whole = since.is_none();
        let mut told = self.report(session, collection, since).await?;
        if let (Err(why), false) = (&told, whole) {
            tracing::info!(calendar = %self.name, %why, "the sync token is refused");
            if self.state().sync.refused() {
                whole = true;
                told = self.report(session, collection, None).await?;
            }
        }
        let told = match told {
            // An empty answer is cheap to check, and would empty the mirror.
            Ok(told) if whole && told.listed.values().all(Option::is_none) => return Ok(None),
            Ok(told) => told,
            Err(why) => {
                tracing::info!(calendar = %self.name, %why, "read by listings for a day");
                self.state().sync.without_until = now.checked_add(WITHOUT_FOR);
                return Ok(None);
            }
        };
        let mut changes = CalendarChanges::default();
        let is_gone = |href: &&String| match told.listed.get(*href) {
            None => whole,
            Some(listed) => listed.is_none(),
        };
        changes.removed = known.keys().filter(is_gone).cloned().collect();
        let again = last.map(|last| last.again).unwrap_or_default();
        let mut wanted: BTreeSet<String> = again;
        wanted.retain(|href| !matches!(told.listed.get(href), Some(None)));
        for (href, listed) in &told.listed {
            match listed {
                None => {}
                Some(Listed::Refused { status }) => {
                    wanted.remove(href);
                    let why = format!("the server answers {status} for it");
                    changes.unreadable.push((href.clone(), why));
                }
                Some(Listed::There { etag: Some(etag) }) if known.get(href) == Some(etag) => {}
                Some(Listed::There { .. }) => {
                    wanted.insert(href.clone());
                }
            }
        }
        let wanted: Vec<String> = wanted.into_iter().collect();
        self.fetch_many(session, collection, &wanted, &mut changes)
            .await?;
        changes.changed.retain_mut(|file| {
            if let Some(Some(Listed::There { etag: Some(etag) })) = told.listed.get(&file.href) {
                // With the listing's version, an edit since then shows as different next time.
                file.etag.clone_from(etag);
            }
            known.get(&file.href) != Some(&file.etag)
        });
        let after = after(known, &changes);
        self.state().sync.last = Some(Synced {
            token: told.token,
            known: fingerprint(&after),
            again: changes
                .unreadable
                .iter()
                .map(|(href, _)| href.clone())
                .collect(),
        });
        Ok(Some(changes))
    }

    /// The report since a token, or of everything. The inner error is the server's refusal.
    async fn report(
        &self,
        session: &Session,
        collection: &str,
        since: Option<&str>,
    ) -> Result<Result<Told, String>, Failure> {
        let mut told = Told::default();
        let mut since = since.map(str::to_owned);
        for _ in 0..PAGES_MAX {
            let request = SyncCollection::new(collection);
            let answer = match &since {
                Some(token) => self.ask(session, &request.with_sync_token(token)).await?,
                None => self.ask(session, &request).await?,
            };
            if is_refusal(answer.status()) {
                let (status, excerpt) = (answer.status(), answer.excerpt());
                return Ok(Err(format!("it answers {status}{excerpt}")));
            }
            self.expect(&answer, &[207])?;
            let entries = parse(&answer).map_err(Failure::transient)?;
            let Some(next) = token(&answer) else {
                return Ok(Err("its answer has no sync-token".to_owned()));
            };
            let mut is_cut = false;
            for entry in entries {
                let href = self.path_of_href(&entry.href)?;
                if href == collection
                    || href.trim_end_matches('/') == collection.trim_end_matches('/')
                {
                    is_cut |= entry.status == Some(507);
                    continue;
                }
                if entry.is_collection || href.ends_with('/') || !href.starts_with(collection) {
                    continue;
                }
                let listed = match entry.status {
                    Some(404 | 410) => None,
                    Some(status) if status >= 300 => Some(Listed::Refused { status }),
                    _ => Some(Listed::There { etag: entry.etag }),
                };
                told.listed.insert(href, listed);
            }
            let goes_on = since.as_ref() != Some(&next);
            told.token.clone_from(&next);
            if !is_cut {
                return Ok(Ok(told));
            }
            if !goes_on {
                return Ok(Err("its answers are cut short and do not go on".to_owned()));
            }
            since = Some(next);
        }
        Ok(Err(format!("more than {PAGES_MAX} answers for one look")))
    }
}

/// Whether the status says something of the token or of the report, and not of the login, the load
/// or the way there.
fn is_refusal(status: u16) -> bool {
    !matches!(status, 200..=299 | 401 | 404 | 407 | 408 | 423 | 425 | 429 | 502..=504)
}

/// What the caller knows once it has taken the changes.
fn after(known: &BTreeMap<String, String>, changes: &CalendarChanges) -> BTreeMap<String, String> {
    let mut after = known.clone();
    for href in &changes.removed {
        after.remove(href);
    }
    let changed = changes.changed.iter();
    after.extend(changed.map(|file| (file.href.clone(), file.etag.clone())));
    after
}

#[cfg(test)]
mod tests;
