//! An alarm as a POST of JSON.

use std::path::PathBuf;
use std::time::Duration;

use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Uri};
use serde::Serialize;

use super::Notice;
use crate::books::chain;
use crate::secret::{SecretError, SecretRef};
use crate::sink::caldav::http::{Bounds, Client, HttpError};
use crate::sink::caldav::{Origin, Peers};
use crate::tls::{self, TlsError};

/// Largest answer, in bytes: only its status means something to us.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long request and answer may take.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(30);

/// Where alarms are posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where.
    pub address: WebhookAddress,
    /// Sent along as a bearer token (RFC 6750), read anew for each alarm.
    pub token: Option<SecretRef>,
    /// PEM file with a private CA, trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
}

/// The address of a webhook; many services know their callers by nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookAddress {
    /// In the configuration.
    Open(String),
    /// A secret.
    Secret(SecretRef),
}

/// An alarm was not posted; never with more of the address than its host.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The address is none.
    #[error("the address of the alarm webhook is no https address")]
    Address,
    /// It names a login, which other programs would show.
    #[error("the address of the alarm webhook holds a login; use `webhook_token`")]
    Login,
    /// It would travel in the clear.
    #[error("the address of the alarm webhook is not encrypted, and {host} is not this machine")]
    PlainHttp {
        /// Its host.
        host: String,
    },
    /// A secret cannot be read.
    #[error("the alarm webhook lacks a secret")]
    Secret(#[from] SecretError),
    /// The token cannot be in a header.
    #[error("the token of the alarm webhook has characters that no token has")]
    Token,
    /// TLS cannot be set up.
    #[error("the alarm webhook cannot be used")]
    Tls(#[from] TlsError),
    /// There was no answer.
    #[error("the alarm webhook on {host} did not take it: {why}")]
    NoAnswer {
        /// Which host.
        host: String,
        /// What happened.
        why: String,
    },
    /// It said no.
    #[error("the alarm webhook on {host} answered {status}; it is tried again")]
    Refused {
        /// Which host.
        host: String,
        /// The HTTP status.
        status: u16,
    },
}

impl WebhookError {
    /// What is wrong with an address as such.
    #[must_use]
    pub fn of_address(address: &str) -> Option<WebhookError> {
        target(address).err()
    }
}

/// What is posted.
#[derive(Debug, Serialize)]
struct Post<'a> {
    #[serde(flatten)]
    notice: &'a Notice,
    /// The words, under the name by which chat services know them.
    text: String,
}

fn target(address: &str) -> Result<(Uri, Origin), WebhookError> {
    let uri: Uri = address.parse().map_err(|_| WebhookError::Address)?;
    let origin = Origin::of(&uri).ok_or(WebhookError::Address)?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(WebhookError::Login);
    }
    if !origin.tls && !origin.is_this_machine() {
        return Err(WebhookError::PlainHttp { host: origin.host });
    }
    Ok((uri, origin))
}

impl Webhook {
    /// Posts it, once; anything but success is an error.
    ///
    /// # Errors
    /// [`WebhookError`]. The receiver may have it all the same where the answer was lost.
    pub async fn tell(&self, notice: &Notice) -> Result<(), WebhookError> {
        let client = self.client().await?;
        let host = client.origin.host.clone();
        let failed = |why: String| WebhookError::NoAnswer {
            host: host.clone(),
            why,
        };
        let text = notice.text();
        let body = serde_json::to_string(&Post { notice, text });
        let mut request = Request::new(body.map_err(|error| failed(error.to_string()))?);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = client.base.clone();
        let headers = request.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        if let Some(token) = &self.token {
            let token = token.fetch().await?;
            let value = format!("Bearer {}", token.expose());
            let mut value = HeaderValue::from_str(&value).map_err(|_| WebhookError::Token)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let answer = client.tell_openly(request).await;
        let status = answer.map_err(|error| failed(words(&error)))?.status();
        match status {
            200..=299 => Ok(()),
            status => Err(WebhookError::Refused { host, status }),
        }
    }

    /// Connects and shakes hands, and says nothing.
    ///
    /// # Errors
    /// When an alarm could not be posted now.
    pub async fn probe(&self) -> Result<(), WebhookError> {
        let client = self.client().await?;
        if let Some(token) = &self.token {
            token.fetch().await?;
        }
        let host = client.origin.host.clone();
        let reached = client.reach().await;
        reached.map_err(|error| WebhookError::NoAnswer {
            host,
            why: words(&error),
        })
    }

    async fn client(&self) -> Result<Client, WebhookError> {
        let (base, origin) = match &self.address {
            WebhookAddress::Open(address) => target(address)?,
            WebhookAddress::Secret(secret) => target(secret.fetch().await?.expose())?,
        };
        Ok(Client {
            origin,
            base,
            connector: tls::connector(self.ca_file.as_deref())?,
            bounds: Bounds {
                body_bytes: ANSWER_BYTES_MAX,
                exchange: EXCHANGE_LIMIT,
            },
            peers: Peers::Any,
        })
    }
}

fn words(error: &HttpError) -> String {
    chain(error)
}

#[cfg(test)]
mod tests;
