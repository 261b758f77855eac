//! Writing: conditional, once, and read back.

use hyper::header::{self, HeaderValue};
use libdav::dav::{Delete, PutResource};
use libdav::requests::DavRequest;

use super::http::{Answer, HttpError};
use super::{CaldavCalendar, Failure, HASH_ETAG, SHORT_WAIT, Session, path, retry_after};
use crate::sink::collection::object_name;
use crate::sink::{CalendarFile, Created, Deleted, Updated};
use crate::supervisor::Stop;

const CALENDAR_TYPE: &str = "text/calendar; charset=utf-8";

impl Failure {
    /// For a request that may have changed something.
    fn of_write(error: &HttpError) -> Failure {
        Failure {
            unknown: error.maybe_done(),
            ..Failure::of(error)
        }
    }
}

impl CaldavCalendar {
    pub(super) async fn put_new(&self, uid: &str, data: &str) -> Result<Created, Failure> {
        let session = self.session().await?;
        let collection = self.collection(&session).await?;
        let href = path::canonical(&format!("{collection}{}", object_name(uid)));
        let put = PutResource::new(&href).create(data, CALENDAR_TYPE);
        let answer = self.tell(&session, &put).await?;
        match answer.status() {
            200 | 201 | 204 => Ok(Created::New(self.read_back(&session, &href).await?)),
            412 => match self.get(&session, &href).await? {
                Some(there) => Ok(Created::Exists(there)),
                None => Err(Failure::transient(
                    "the server says that it exists (412), but it is not there".to_owned(),
                )),
            },
            // An object with this UID under another name: 409 (Radicale, sabre), 403 (Cyrus),
            // 207 with a 412 in it (Xandikos 0.2.8). A 207 is never a success of a PUT.
            207 | 403 | 409 => match self.find_uid(&session, &collection, uid).await? {
                Some(there) => Ok(Created::Exists(there)),
                None => Err(self.refused(&answer)),
            },
            _ => Err(self.refused(&answer)),
        }
    }

    pub(super) async fn put_over(
        &self,
        href: &str,
        etag: &str,
        data: &str,
    ) -> Result<Updated, Failure> {
        let session = self.session().await?;
        let href = self.own_object(&session, href).await?;
        // What may be written without a condition was compared right before; see there.
        let put = PutResource::new(&href);
        let put = if is_no_condition(etag) {
            match self.get(&session, &href).await? {
                None => return Ok(Updated::Gone),
                Some(current) if current.etag != etag => return Ok(Updated::Changed(current)),
                Some(_) => put.update(data, CALENDAR_TYPE, "*"),
            }
        } else {
            put.update(data, CALENDAR_TYPE, quoted(etag))
        };
        let answer = self.tell(&session, &put).await?;
        match answer.status() {
            200 | 201 | 204 => Ok(Updated::Done(self.read_back(&session, &href).await?)),
            404 | 410 => Ok(Updated::Gone),
            412 => match self.get(&session, &href).await? {
                None => Ok(Updated::Gone),
                Some(current) if current.etag == etag => Err(Failure::permanent(
                    "the server refuses (412) although the object is unchanged".to_owned(),
                )),
                Some(current) => Ok(Updated::Changed(current)),
            },
            _ => Err(self.refused(&answer)),
        }
    }

    /// The path of an object of the collection; anything else is none of ours.
    async fn own_object(&self, session: &Session, href: &str) -> Result<String, Failure> {
        let collection = self.collection(session).await?;
        let href = self.path_of_href(href)?;
        if !href.starts_with(&collection) || href == collection {
            return Err(Failure::permanent(format!(
                "{href} is no object of {collection}"
            )));
        }
        Ok(href)
    }

    /// What the server made of a new object: servers reorder, rewrite and rename.
    async fn read_back(&self, session: &Session, href: &str) -> Result<CalendarFile, Failure> {
        let unknown = |why: String| Failure {
            unknown: true,
            ..Failure::transient(format!("it was taken, but cannot be read back: {why}"))
        };
        match self.get(session, href).await {
            Ok(Some(file)) => Ok(file),
            Ok(None) => Err(unknown("it is not there".to_owned())),
            Err(failure) => Err(unknown(failure.why)),
        }
    }

    pub(super) async fn delete_unchanged(
        &self,
        href: &str,
        etag: &str,
    ) -> Result<Deleted, Failure> {
        let session = self.session().await?;
        let href = self.own_object(&session, href).await?;
        let answer = if is_no_condition(etag) {
            match self.get(&session, &href).await? {
                None => return Ok(Deleted::Gone),
                Some(current) if current.etag != etag => return Ok(Deleted::Changed(current)),
                Some(_) => self.tell(&session, &Delete::new(&href).force()).await?,
            }
        } else {
            let delete = Delete::new(&href).with_etag(quoted(etag));
            self.tell(&session, &delete).await?
        };
        match answer.status() {
            200 | 202 | 204 | 404 | 410 => Ok(Deleted::Gone),
            412 => match self.get(&session, &href).await? {
                None => Ok(Deleted::Gone),
                Some(current) if current.etag == etag => Err(Failure::permanent(
                    "the server refuses (412) although the object is unchanged".to_owned(),
                )),
                Some(current) => Ok(Deleted::Changed(current)),
            },
            _ => Err(self.refused(&answer)),
        }
    }

    async fn tell<R: DavRequest>(&self, session: &Session, request: &R) -> Result<Answer, Failure> {
        let mut request = request
            .prepare_request(self.client.base.clone())
            .map_err(|error| Failure::permanent(error.to_string()))?;
        let any = HeaderValue::from_static("*/*");
        request.headers_mut().insert(header::ACCEPT, any);
        // A 429 is no doubt: nothing was done (RFC 6585 section 4). Every other answer is the last.
        let (longest, times) = SHORT_WAIT;
        let (parts, body) = request.into_parts();
        let again = || hyper::Request::from_parts(parts.clone(), body.clone());
        for _ in 0..times {
            let answer = self.client.tell(&session.login, again()).await;
            let answer = answer.map_err(|error| Failure::of_write(&error))?;
            let wait = retry_after(&answer).filter(|wait| *wait <= longest);
            match wait.filter(|_| answer.status() == 429) {
                None => return Ok(answer),
                Some(wait) => Stop::new().sleep(wait).await,
            };
        }
        let answer = self.client.tell(&session.login, again()).await;
        answer.map_err(|error| Failure::of_write(&error))
    }

    /// A write that the server answered with anything but success.
    fn refused(&self, answer: &Answer) -> Failure {
        let failure = match self.expect(answer, &[]) {
            Err(failure) => failure,
            Ok(()) => Failure::permanent(String::new()),
        };
        match answer.status() {
            // The server, or one behind it, gave up in the middle.
            500 | 502 | 504 => Failure {
                unknown: true,
                ..failure
            },
            301 | 302 | 307 | 308 => {
                let to = answer.header(header::LOCATION).unwrap_or_default();
                Failure::permanent(format!("it moved to {to}; write that into `url`"))
            }
            207 => Failure::permanent(format!(
                "the server refused the object (207{})",
                answer.excerpt()
            )),
            _ => failure,
        }
    }
}

/// A weak version never matches (RFC 9110 section 13.1.1), and one of our own making means nothing
/// to the server: the object is compared instead, right before.
fn is_no_condition(etag: &str) -> bool {
    etag.starts_with("W/") || etag.starts_with(HASH_ETAG)
}

/// Some servers list versions without the quotes that If-Match needs.
fn quoted(etag: &str) -> String {
    if etag.starts_with('"') {
        etag.to_owned()
    } else {
        format!("\"{etag}\"")
    }
}
