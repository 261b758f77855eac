//! Reading the collection: what differs from the mirror.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hyper::header;
use libdav::caldav::GetCalendarResources;
use libdav::dav::{ListResources, make_relative_url};
use libdav::{Depth, PropertyName, names};
use tokio::time::Instant;

use super::http::HttpError;
use super::multistatus::{Entry, parse};
use super::{CaldavCalendar, Failure, Session, path};
use crate::sink::collection::object_problem;
use crate::sink::{CalendarChanges, CalendarFile};

/// Objects asked for in one multiget.
const MULTIGET: usize = 50;
/// How long "nothing changed" is believed of a server before everything is listed again.
pub(super) const FULL_LOOK: Duration = Duration::from_secs(24 * 60 * 60);
/// Changes whenever anything in the collection does (caldav-ctag-03, Calendar Server).
pub(super) const GETCTAG: PropertyName<'static, 'static> =
    PropertyName::new(names::CALENDAR_SERVER, "getctag");

/// A look that found nothing to do, and the server's word for the state it saw.
#[derive(Debug, Clone)]
pub(super) struct Quiet {
    mark: String,
    known: blake3::Hash,
    at: Instant,
}

/// What a listing says of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listed {
    There { etag: Option<String> },
    Refused { status: u16 },
}

impl CaldavCalendar {
    /// Everything that differs from `known`, and how many of its objects are gone.
    ///
    /// The mark is asked for before the listing, so a change in between is seen next time. It is
    /// only trusted after a whole look found nothing to do: servers whose marks have the precision
    /// of a second (SOGo) change them too rarely while things happen.
    pub(super) async fn look(
        &self,
        session: &Session,
        known: &BTreeMap<String, String>,
    ) -> Result<CalendarChanges, Failure> {
        let collection = self.collection(session).await?;
        let mut own = None;
        if self.state().sync.offered.is_none() {
            let probed = self.own(session, &collection).await?;
            self.state().sync.offered = Some(probed.syncs);
            own = Some(probed);
        }
        if self.state().sync.may() {
            let found = self.look_by_sync(session, &collection, known).await?;
            if let Some(changes) = found {
                return Ok(changes);
            }
        }
        let mark = match own {
            Some(own) => own.ctag,
            None => self.own(session, &collection).await?.ctag,
        };
        let fingerprint = fingerprint(known);
        let quiet = self.state().quiet.clone();
        let is_quiet = quiet.is_some_and(|quiet| {
            Some(&quiet.mark) == mark.as_ref()
                && quiet.known == fingerprint
                && quiet.at.elapsed() < FULL_LOOK
        });
        if is_quiet {
            return Ok(CalendarChanges::default());
        }
        let listing = self.list(session, &collection).await?;
        let mut changes = CalendarChanges::default();
        let removed = known.keys().filter(|href| !listing.contains_key(*href));
        changes.removed = removed.cloned().collect();
        let mut wanted = Vec::new();
        for (href, listed) in &listing {
            match listed {
                Listed::Refused { status } => changes
                    .unreadable
                    .push((href.clone(), format!("the server answers {status} for it"))),
                Listed::There { etag: Some(etag) } if known.get(href) == Some(etag) => {}
                Listed::There { .. } => wanted.push(href.clone()),
            }
        }
        self.fetch_many(session, &collection, &wanted, &mut changes)
            .await?;
        changes.changed.retain_mut(|file| {
            if let Some(Listed::There { etag: Some(etag) }) = listing.get(&file.href) {
                // With the listing's version, an edit since then shows as different next time.
                file.etag.clone_from(etag);
            }
            known.get(&file.href) != Some(&file.etag)
        });
        let nothing = changes.changed.is_empty()
            && changes.removed.is_empty()
            && changes.unreadable.is_empty();
        self.state().quiet = mark.filter(|_| nothing).map(|mark| Quiet {
            mark,
            known: fingerprint,
            at: Instant::now(),
        });
        Ok(changes)
    }

    /// What the server says of the collection itself, among it its word for the state of it.
    async fn own(&self, session: &Session, collection: &str) -> Result<Entry, Failure> {
        let entries = self.properties(session, collection, Depth::Zero).await?;
        let own = entries.into_iter().find(|entry| entry.is_calendar);
        own.ok_or_else(|| {
            self.state().collection = None;
            Failure::permanent("it is no calendar any more; correct `url`".to_owned())
        })
    }

    async fn list(
        &self,
        session: &Session,
        collection: &str,
    ) -> Result<BTreeMap<String, Listed>, Failure> {
        let answer = self.ask(session, &ListResources::new(collection)).await?;
        self.expect(&answer, &[207])?;
        let entries = parse(&answer).map_err(Failure::transient)?;
        if !entries.iter().any(|entry| entry.is_calendar) {
            // An answer that forgot the collection itself may have forgotten its objects too.
            return Err(Failure::transient(
                "the listing does not contain the collection itself".to_owned(),
            ));
        }
        let mut listing = BTreeMap::new();
        for entry in entries.into_iter().filter(|entry| !entry.is_collection) {
            let listed = match entry.status {
                Some(404 | 410) => continue,
                Some(507) => {
                    return Err(Failure::transient(
                        "the listing is cut short (507)".to_owned(),
                    ));
                }
                Some(status) if status >= 300 => Listed::Refused { status },
                _ => Listed::There { etag: entry.etag },
            };
            let href = self.path_of_href(&entry.href)?;
            if href.starts_with(collection) && href != collection {
                listing.insert(href, listed);
            }
        }
        Ok(listing)
    }

    /// Fetches objects in batches; one that the server will not give alone does not spoil others.
    pub(super) async fn fetch_many(
        &self,
        session: &Session,
        collection: &str,
        hrefs: &[String],
        into: &mut CalendarChanges,
    ) -> Result<(), Failure> {
        for batch in hrefs.chunks(MULTIGET) {
            let mut found: BTreeMap<String, Entry> = self
                .multiget(session, collection, batch)
                .await?
                .into_iter()
                .filter(|entry| entry.data.is_some())
                .filter_map(|entry| Some((self.path_of_href(&entry.href).ok()?, entry)))
                .collect();
            for href in batch {
                let entry = found.remove(href);
                let file = match entry.and_then(|entry| entry.data.map(|data| (data, entry.etag))) {
                    Some((data, etag)) => Ok(Some(calendar_file(href, etag, Bytes::from(data)))),
                    None => self.get(session, href).await,
                };
                match file {
                    Ok(Some(file)) => match object_problem(&file.data) {
                        None => into.changed.push(file),
                        Some(problem) => into.unreadable.push((file.href, problem)),
                    },
                    // Deleted since it was listed: the next listing says so.
                    Ok(None) => {}
                    Err(failure) if failure.concerns_one_object() => {
                        into.unreadable.push((href.clone(), failure.why));
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
        Ok(())
    }

    /// Entries of a multiget; none where the answer as a whole is unusable, because then each
    /// object is asked for alone (one bad character makes the XML of all of them unreadable).
    async fn multiget(
        &self,
        session: &Session,
        collection: &str,
        hrefs: &[String],
    ) -> Result<Vec<Entry>, Failure> {
        let request = GetCalendarResources::new(collection).with_hrefs(hrefs);
        let answer = match self.ask(session, &request).await {
            Err(failure) if failure.too_long => return Ok(Vec::new()),
            answer => answer?,
        };
        match self.expect(&answer, &[207]) {
            Err(failure) if failure.concerns_one_object() => return Ok(Vec::new()),
            expected => expected?,
        }
        Ok(parse(&answer).unwrap_or_else(|why| {
            tracing::debug!(calendar = %self.name, %why, "asking for objects one by one");
            Vec::new()
        }))
    }

    /// One object; `None` when it is not there.
    pub(super) async fn get(
        &self,
        session: &Session,
        href: &str,
    ) -> Result<Option<CalendarFile>, Failure> {
        let uri = make_relative_url(self.client.base.clone(), href);
        let request = uri.and_then(|uri| {
            hyper::Request::get(uri)
                .header(header::ACCEPT, "text/calendar")
                .body(String::new())
        });
        let request = request.map_err(|error| Failure::permanent(error.to_string()))?;
        let answer = self.patiently(session, request).await;
        let answer = answer.map_err(|error| {
            let too_long = matches!(error, HttpError::TooLong(_));
            Failure {
                too_long,
                ..Failure::of(&error)
            }
        })?;
        if matches!(answer.status(), 404 | 410) {
            return Ok(None);
        }
        self.expect(&answer, &[200])?;
        let etag = answer.header(header::ETAG).map(str::to_owned);
        Ok(Some(calendar_file(href, etag, answer.body)))
    }

    /// The object with this UID, under whatever name.
    pub(super) async fn find_uid(
        &self,
        session: &Session,
        collection: &str,
        uid: &str,
    ) -> Result<Option<CalendarFile>, Failure> {
        let listing = self.list(session, collection).await?;
        let hrefs: Vec<String> = listing.into_keys().collect();
        for batch in hrefs.chunks(MULTIGET) {
            let mut found = CalendarChanges::default();
            self.fetch_many(session, collection, batch, &mut found)
                .await?;
            let mut files = found.changed.into_iter();
            if let Some(file) = files.find(|file| has_uid(&file.data, uid)) {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }
}

/// An object with its version; a hash stands in where the server gives none.
pub(super) fn calendar_file(href: &str, etag: Option<String>, data: Bytes) -> CalendarFile {
    let etag = etag.filter(|etag| !etag.is_empty()).unwrap_or_else(|| {
        // XML and plain transfer differ in line ends and in the last one.
        let text: Vec<u8> = data.iter().copied().filter(|byte| *byte != b'\r').collect();
        let hex = blake3::hash(text.trim_ascii_end()).to_hex();
        format!("{}{hex}", super::HASH_ETAG)
    });
    CalendarFile {
        href: path::canonical(href),
        etag,
        data,
    }
}

/// Whether a component of the object has this UID (RFC 5545 section 3.8.4.7).
fn has_uid(data: &[u8], uid: &str) -> bool {
    let text = String::from_utf8_lossy(data).replace('\r', "");
    let unfolded = text.replace("\n ", "").replace("\n\t", "");
    unfolded.lines().any(|line| {
        line.split_once(':').is_some_and(|(name, value)| {
            let name = name.split(';').next().unwrap_or_default();
            name.eq_ignore_ascii_case("UID") && value == uid
        })
    })
}

pub(super) fn fingerprint(known: &BTreeMap<String, String>) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for text in known.iter().flat_map(|(href, etag)| [href, etag]) {
        hasher.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize()
}
