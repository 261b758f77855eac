//! Settings of a CalDAV calendar, and the address they name.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use serde::Deserialize;

use crate::secret::SecretRef;
use crate::sink::collection::{default_gone_percent_max, gone_percent_problem};
use crate::sink::{Pace, PaceOf};
use crate::tls::TlsError;

/// Shortest poll interval, in seconds: servers block clients that ask more often.
const POLL_SECS_MIN: u64 = 5;

/// Seconds between two looks while something is near, usually, and at night.
const POLL_SECS: (u64, u64, u64) = (60, 300, 900);

/// One calendar on a CalDAV server (RFC 4791).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaldavSettings {
    /// The calendar collection, or any address of the server from which it can be found: the
    /// calendar home, the principal, or the bare host.
    pub url: String,
    /// Which calendar, by display name or last part of its path, where `url` is not one itself.
    #[serde(default)]
    pub calendar: Option<String>,
    /// Login name.
    pub user: String,
    /// Where the password is.
    pub password: SecretRef,
    /// What else to trust.
    #[serde(default)]
    pub tls: CaldavTls,
    /// Seconds between two looks, always the same; by [`Pace`] where it is left out.
    #[serde(default)]
    pub poll_secs: Option<u64>,
    /// Allows `http://` to other hosts than this one: the password travels in the clear.
    #[serde(default)]
    pub allow_plain_http: bool,
    /// Largest part of the collection, in percent, that may be gone at one look; more is taken
    /// for an accident of the server. 100 switches the guard off.
    #[serde(default = "default_gone_percent_max")]
    pub gone_percent_max: u8,
}

/// TLS of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaldavTls {
    /// PEM file with a private CA, trusted in addition to the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// Why a calendar cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum CaldavSettingsError {
    /// The address is none.
    #[error("url: `{url}` is no http(s) address of a calendar ({why})")]
    Url {
        /// As configured.
        url: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The password would travel in the clear.
    #[error(
        "url: `{url}` is not encrypted and {host} is not this machine; use https, or set \
         `allow_plain_http = true` and accept that the password can be read on the way"
    )]
    PlainHttp {
        /// As configured.
        url: String,
        /// Its host.
        host: String,
    },
    /// Asked too often.
    #[error("poll_secs: at least {POLL_SECS_MIN}, so that the server does not block us")]
    PollTooOften,
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Host, port and scheme of a server: where credentials may go, and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) tls: bool,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Origin {
    pub(crate) fn of(uri: &Uri) -> Option<Origin> {
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = uri.host()?.trim_matches(['[', ']']).to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        (!host.is_empty()).then_some(Origin { tls, host, port })
    }

    pub(crate) fn is_this_machine(&self) -> bool {
        self.host == "localhost"
            || self
                .host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl CaldavSettings {
    /// Time between two looks.
    #[must_use]
    pub fn interval(&self, pace: &PaceOf<'_>) -> Duration {
        Duration::from_secs(match self.poll_secs {
            Some(seconds) => seconds.max(1),
            None => match pace() {
                Pace::Near => POLL_SECS.0,
                Pace::Usual => POLL_SECS.1,
                Pace::Night => POLL_SECS.2,
            },
        })
    }

    fn polls_too_often(&self) -> bool {
        self.poll_secs
            .is_some_and(|seconds| seconds < POLL_SECS_MIN)
    }

    /// What is wrong with the values themselves, as `key: reason`; nothing is looked up.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self
            .address()
            .err()
            .map(|error| error.to_string())
            .into_iter()
            .collect();
        let too_often = CaldavSettingsError::PollTooOften.to_string();
        if self.polls_too_often() && !problems.contains(&too_often) {
            problems.push(too_often);
        }
        problems.extend(gone_percent_problem(self.gone_percent_max));
        problems
    }

    /// The configured address and its server.
    pub(super) fn address(&self) -> Result<(Uri, Origin), CaldavSettingsError> {
        let failed = |why| CaldavSettingsError::Url {
            url: self.url.clone(),
            why,
        };
        let uri: Uri = self.url.parse().map_err(|_| failed("it does not parse"))?;
        let origin = Origin::of(&uri).ok_or_else(|| failed("write https://host/path/"))?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err(failed("the login belongs into `user` and `password`"));
        }
        if uri.query().is_some() {
            return Err(failed("it has a query; use the address of the collection"));
        }
        if !origin.tls && !self.allow_plain_http && !origin.is_this_machine() {
            return Err(CaldavSettingsError::PlainHttp {
                url: self.url.clone(),
                host: origin.host,
            });
        }
        if self.polls_too_often() {
            return Err(CaldavSettingsError::PollTooOften);
        }
        Ok((uri, origin))
    }
}
