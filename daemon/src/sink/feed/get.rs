//! Getting the file: conditional, within bounds, and no further than it may lead.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, Uri};
use liaison_core::calendar::feed::MAX_FEED_BYTES;
use tokio::time::timeout;

use super::FeedCalendar;
use super::settings::{Address, FeedSettingsError};
use crate::sink::caldav::http::{Answer, Bounds, Client, HttpError};
use crate::sink::caldav::retry_after;

/// Redirects followed in a row.
const REDIRECTS_MAX: usize = 5;

/// Why there is no file. Names no more of an address than its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) permanent: bool,
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    pub(super) fn permanent(why: String) -> Failure {
        Failure {
            permanent: true,
            ..Failure::transient(why)
        }
    }

    pub(super) fn transient(why: String) -> Failure {
        Failure {
            why,
            permanent: false,
            retry_after: None,
        }
    }
}

impl From<FeedSettingsError> for Failure {
    fn from(error: FeedSettingsError) -> Failure {
        Failure::permanent(crate::books::chain(&error))
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Failure {
        let permanent = error.permanent();
        match error {
            HttpError::Private { .. } => Failure::permanent(format!(
                "{error}; set `allow_private = true` if that is right"
            )),
            HttpError::TooLong(bytes) => Failure::permanent(format!(
                "the file has more than {bytes} bytes; subscribe to a shorter time"
            )),
            error => Failure {
                permanent,
                ..Failure::transient(crate::books::chain(&error))
            },
        }
    }
}

/// By what a server knows that its file is still the same (RFC 9110 section 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Validators {
    /// Of which address they are; a hash, because it is a secret.
    of: Option<blake3::Hash>,
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

impl Validators {
    fn of(uri: &Uri, answer: &Answer) -> Validators {
        Validators {
            of: Some(hash(uri)),
            etag: answer.raw_header(header::ETAG),
            modified: answer.raw_header(header::LAST_MODIFIED),
        }
    }

    /// Those that may be shown at this address.
    fn at(&self, uri: &Uri) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let shown = self.of == Some(hash(uri));
        let pairs = [
            (header::IF_NONE_MATCH, self.etag.clone()),
            (header::IF_MODIFIED_SINCE, self.modified.clone()),
        ];
        let pairs = pairs.into_iter().filter(move |_| shown);
        pairs.filter_map(|(name, value)| Some((name, value?)))
    }
}

fn hash(uri: &Uri) -> blake3::Hash {
    blake3::hash(uri.to_string().as_bytes())
}

/// What came.
pub(super) enum Answered {
    /// It is as it was.
    Unchanged,
    /// The file.
    File(Bytes, Validators),
}

impl FeedCalendar {
    /// Gets the file, or learns that it is as it was when `validators` came with it.
    pub(super) async fn get(&self, validators: Option<&Validators>) -> Result<Answered, Failure> {
        let late = |_| Failure::from(HttpError::Late(self.limit));
        timeout(self.limit, self.follow(validators))
            .await
            .map_err(late)?
    }

    async fn follow(&self, validators: Option<&Validators>) -> Result<Answered, Failure> {
        let mut address = self.settings.address().await?;
        for hop in 0..=REDIRECTS_MAX {
            let mut request = Request::new(String::new());
            *request.uri_mut() = address.uri.clone();
            let headers = request.headers_mut();
            headers.insert(
                header::ACCEPT,
                HeaderValue::from_static("text/calendar, */*;q=0.5"),
            );
            let plain = HeaderValue::from_static("identity");
            headers.insert(header::ACCEPT_ENCODING, plain);
            headers.extend(validators.iter().flat_map(|them| them.at(&address.uri)));
            let asked = request.headers().contains_key(header::IF_NONE_MATCH)
                || request.headers().contains_key(header::IF_MODIFIED_SINCE);
            let answer = self.client(&address, hop).tell_openly(request).await;
            let answer = answer.map_err(|error| match error {
                HttpError::Private { host } if hop > 0 => Failure::permanent(format!(
                    "it redirects to {host}, an address that is not public, which is not followed"
                )),
                error => Failure::from(error),
            })?;
            match answer.status() {
                301 | 302 | 303 | 307 | 308 => {
                    let location = answer.header(header::LOCATION).unwrap_or_default();
                    address = next(&address, location)?;
                }
                304 if asked => return Ok(Answered::Unchanged),
                _ => return self.file(&address, answer),
            }
        }
        Err(Failure::permanent(format!(
            "it redirects more than {REDIRECTS_MAX} times in a row; take its address anew from \
             the settings of its provider"
        )))
    }

    fn client(&self, address: &Address, hop: usize) -> Client {
        let (first, others) = self.peers;
        Client {
            origin: address.origin.clone(),
            base: address.uri.clone(),
            connector: self.connector.0.clone(),
            bounds: Bounds {
                body_bytes: MAX_FEED_BYTES,
                exchange: self.limit,
            },
            peers: if hop == 0 { first } else { others },
        }
    }

    /// The file in an answer; of what else a server says nothing is repeated, it may be the
    /// address.
    fn file(&self, address: &Address, answer: Answer) -> Result<Answered, Failure> {
        let host = &address.origin.host;
        let key = match self.settings.url_secret {
            Some(_) => "url_secret",
            None => "url",
        };
        let anew = format!("take its address anew from the settings of its provider, for `{key}`");
        Err(match answer.status() {
            200 => {
                let coding = answer.header(header::CONTENT_ENCODING).unwrap_or_default();
                if !matches!(coding.trim(), "" | "identity") {
                    let why = format!("{host} sends it compressed, which was not asked for");
                    return Err(Failure::permanent(why));
                }
                let validators = Validators::of(&address.uri, &answer);
                return Ok(Answered::File(answer.body, validators));
            }
            status @ (401 | 403) => Failure::permanent(format!(
                "{host} does not give it to us ({status}): it is shared no more, or only after a \
                 login; {anew}"
            )),
            status @ (404 | 410) => Failure::permanent(format!(
                "{host} has nothing at this address ({status}); {anew}"
            )),
            status @ (429 | 503) => Failure {
                retry_after: retry_after(&answer),
                ..Failure::transient(format!("{host} asks to wait ({status})"))
            },
            status => Failure {
                permanent: !matches!(status, 408 | 425 | 500..),
                ..Failure::transient(format!("{host} answers {status}"))
            },
        })
    }
}

/// Where a redirect leads (RFC 3986 section 5.2); never out of encryption.
pub(super) fn next(from: &Address, location: &str) -> Result<Address, Failure> {
    let host = &from.origin.host;
    let refused = |what: &str| Failure::permanent(format!("{host} redirects {what}"));
    let parts = from.uri.clone().into_parts();
    let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
        return Err(refused("from nowhere"));
    };
    let path = parts.path_and_query;
    let path = path.as_ref().map_or("/", |path| path.path());
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let first = location.split(['/', '?', '#']).next().unwrap_or_default();
    let text = match location {
        "" => return Err(refused("and does not say where to")),
        _ if first.contains(':') => location.to_owned(),
        _ if location.starts_with("//") => format!("{scheme}:{location}"),
        _ if location.starts_with('/') => format!("{scheme}://{authority}{location}"),
        _ if location.starts_with('?') => format!("{scheme}://{authority}{path}{location}"),
        _ => format!("{scheme}://{authority}{folder}/{location}"),
    };
    let next = Address::parse(&text).map_err(|error| match error {
        FeedSettingsError::Login => refused("to an address with a login, which is not followed"),
        FeedSettingsError::PlainHttp { host } => refused(&format!(
            "to {host} without encryption, which is not followed"
        )),
        _ => refused("to something that is no web address"),
    })?;
    if from.origin.tls && !next.origin.tls {
        return Err(refused("to this machine without encryption"));
    }
    Ok(next)
}
