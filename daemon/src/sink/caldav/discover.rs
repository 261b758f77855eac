//! From the configured address to the calendar collection (RFC 6764 section 6, RFC 5397,
//! RFC 4791 section 6.2.1).

use libdav::dav::Propfind;
use libdav::{Depth, names};

use super::multistatus::{Entry, parse};
use super::{CaldavCalendar, Failure, Session, path};

/// Where a server says where its calendars are (RFC 6764 section 5).
const WELL_KNOWN: &str = "/.well-known/caldav";

impl CaldavCalendar {
    /// Path of the collection, looked for once and remembered.
    pub(super) async fn collection(&self, session: &Session) -> Result<String, Failure> {
        if let Some(found) = self.state().collection.clone() {
            return Ok(found);
        }
        let found = self.find_collection(session).await?;
        self.state().collection = Some(found.clone());
        Ok(found)
    }

    async fn find_collection(&self, session: &Session) -> Result<String, Failure> {
        let configured = path::canonical(self.client.base.path());
        let is_bare_host = configured == "/";
        let at_url = match self.properties(session, &configured, Depth::Zero).await {
            Ok(entries) => entries,
            // Only a bare host may be no resource at all: a misspelt path must not end up in
            // whatever other calendar there is.
            Err(failure) if is_bare_host && failure.concerns_one_object() => Vec::new(),
            Err(failure) => return Err(failure),
        };
        if let Some(calendar) = at_url.iter().find(|entry| entry.is_calendar) {
            return self.path_of_href(&calendar.href).map(path::with_slash);
        }
        let principal = match at_url.into_iter().find_map(|entry| entry.principal) {
            Some(principal) => Some(principal),
            None => self.well_known_principal(session).await?,
        };
        let homes = match &principal {
            Some(principal) => self.homes(session, principal).await?,
            None => vec![configured], // it may be the home itself
        };
        let mut calendars = Vec::new();
        for home in homes {
            let entries = self.properties(session, &home, Depth::One).await?;
            calendars.extend(entries.into_iter().filter(|entry| entry.is_calendar));
        }
        self.choose(&calendars)
    }

    async fn well_known_principal(&self, session: &Session) -> Result<Option<String>, Failure> {
        match self.properties(session, WELL_KNOWN, Depth::Zero).await {
            Ok(entries) => Ok(entries.into_iter().find_map(|entry| entry.principal)),
            Err(failure) if failure.concerns_one_object() => Ok(None), // optional
            Err(failure) => Err(failure),
        }
    }

    async fn homes(&self, session: &Session, principal: &str) -> Result<Vec<String>, Failure> {
        let principal = self.path_of_href(principal)?;
        let entries = self.properties(session, &principal, Depth::Zero).await?;
        let homes = entries.iter().flat_map(|entry| &entry.home_sets);
        homes.map(|home| self.path_of_href(home)).collect()
    }

    fn choose(&self, calendars: &[Entry]) -> Result<String, Failure> {
        let wanted = self.settings.calendar.as_deref();
        let fits: Vec<&Entry> = calendars
            .iter()
            .filter(|entry| {
                wanted.is_none_or(|wanted| {
                    entry.display_name.as_deref() == Some(wanted)
                        || last_part(&entry.href) == path::canonical(wanted)
                })
            })
            .collect();
        if let [one] = fits.as_slice() {
            return self.path_of_href(&one.href).map(path::with_slash);
        }
        let names: Vec<String> = calendars.iter().map(describe).collect();
        let names = if names.is_empty() {
            "there are no calendars at all".to_owned()
        } else {
            format!("there are: {}", names.join(", "))
        };
        Err(Failure::permanent(match (wanted, fits.is_empty()) {
            (Some(wanted), true) => {
                format!("no calendar is called `{wanted}`; {names}; correct `calendar`")
            }
            (Some(wanted), false) => {
                format!(
                    "several calendars are called `{wanted}`; {names}; use the last part of \
                         the path in `calendar`"
                )
            }
            (None, true) => format!("no calendar was found from `url`; {names}"),
            (None, false) => format!("`url` leads to several calendars; {names}; set `calendar`"),
        }))
    }

    pub(super) async fn properties(
        &self,
        session: &Session,
        path: &str,
        depth: Depth,
    ) -> Result<Vec<Entry>, Failure> {
        let request = Propfind::new(path).with_depth(depth).with_properties(&[
            &names::RESOURCETYPE,
            &names::DISPLAY_NAME,
            &names::CURRENT_USER_PRINCIPAL,
            &names::CALENDAR_HOME_SET,
            &names::SUPPORTED_REPORT_SET,
            &super::look::GETCTAG,
        ]);
        let answer = self.ask(session, &request).await?;
        self.expect(&answer, &[207])?;
        let entries = parse(&answer).map_err(Failure::permanent)?;
        // Xandikos 0.2.8 answers 207 for a path that is not there, with the 404 inside.
        let refused = |entry: &Entry| entry.status.filter(|status| *status >= 400);
        match entries.first().and_then(refused) {
            Some(status) => {
                self.state().collection = None;
                Err(Failure {
                    status: Some(status),
                    ..Failure::permanent(format!("{path} is not there ({status}); correct `url`"))
                })
            }
            None => Ok(entries),
        }
    }

    pub(super) fn path_of_href(&self, href: &str) -> Result<String, Failure> {
        path::of_href(href, |uri| self.client.is_ours(uri)).ok_or_else(|| {
            Failure::permanent(format!(
                "it refers to {href}, another server, where the login is not sent; if that is \
                 right, write it into `url`"
            ))
        })
    }
}

fn last_part(href: &str) -> String {
    let canonical = path::canonical(href);
    let trimmed = canonical.trim_end_matches('/');
    trimmed.rsplit('/').next().unwrap_or_default().to_owned()
}

fn describe(entry: &Entry) -> String {
    match &entry.display_name {
        Some(name) => format!("{name} ({})", last_part(&entry.href)),
        None => last_part(&entry.href),
    }
}
