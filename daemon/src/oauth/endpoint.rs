//! Asking an endpoint: one POST over TLS, everything bounded, nothing followed and nothing logged.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Uri};

use super::answer::Reply;
use crate::clock::{Clock, SystemClock};
use crate::sink::caldav::http::{Bounds, Client};
use crate::sink::caldav::{Origin, Peers, seconds_until};
use crate::tls;

/// Largest answer, in bytes: tokens and a few words.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long request and answer may take. Shorter than the end of the daemon may take, so that
/// what an endpoint gave is stored before.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(8);

/// No answer of the endpoint; waiting may help unless `permanent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoAnswer {
    pub(super) why: String,
    pub(super) permanent: bool,
}

/// Where tokens come from; the network, or a test.
pub(super) trait Endpoint: Send + Sync + fmt::Debug + 'static {
    /// Sends a form and reads the answer, whatever it is. Never twice.
    fn post<'a>(&'a self, url: &'a str, form: String) -> BoxFuture<'a, Result<Reply, NoAnswer>>;
}

/// An endpoint on the network.
#[derive(Debug)]
pub(super) struct Https {
    pub(super) ca_file: Option<PathBuf>,
}

impl Https {
    async fn ask(&self, url: &str, form: String) -> Result<Reply, NoAnswer> {
        let wrong = |why: String| NoAnswer {
            why,
            permanent: true,
        };
        let base: Uri = url
            .parse()
            .map_err(|_| wrong(format!("`{url}` is no address")))?;
        // Checked with the configuration as well; a secret is never sent in the clear.
        let origin = Origin::of(&base).filter(|origin| origin.tls);
        let origin = origin.ok_or_else(|| wrong(format!("`{url}` is no https address")))?;
        let connector = tls::connector(self.ca_file.as_deref());
        let connector = connector.map_err(|error| wrong(error.to_string()))?;
        let mut request = Request::new(form);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = base.clone();
        let headers = request.headers_mut();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let client = Client {
            origin,
            base,
            connector,
            bounds: Bounds {
                body_bytes: ANSWER_BYTES_MAX,
                exchange: EXCHANGE_LIMIT,
            },
            peers: Peers::Any,
        };
        let answer = client.tell_openly(request).await;
        let answer = answer.map_err(|error| NoAnswer {
            why: error.to_string(),
            permanent: error.permanent(),
        })?;
        let wait = answer.header(header::RETRY_AFTER).and_then(|text| {
            let seconds = text.trim().parse::<u64>().ok();
            seconds.or_else(|| seconds_until(text.trim(), SystemClock.now().to_jiff()))
        });
        Ok(Reply {
            status: answer.status(),
            retry_after: wait.map(Duration::from_secs),
            body: answer.body,
        })
    }
}

impl Endpoint for Https {
    fn post<'a>(&'a self, url: &'a str, form: String) -> BoxFuture<'a, Result<Reply, NoAnswer>> {
        Box::pin(self.ask(url, form))
    }
}
