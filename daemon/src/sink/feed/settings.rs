//! Settings of a feed, and the address they name.

use std::fmt;
use std::time::Duration;

use hyper::Uri;
use serde::Deserialize;

use crate::secret::{SecretError, SecretRef};
use crate::sink::caldav::{CaldavTls, Origin};
use crate::sink::collection::{default_gone_percent_max, gone_percent_problem};
use crate::tls::TlsError;

/// Shortest time between two looks: providers make feeds anew every few hours, and block who asks
/// more often.
pub(crate) const REFRESH_SECS_MIN: u64 = 15 * 60;
/// Longest one, whatever a provider says of its feed.
pub(crate) const REFRESH_SECS_MAX: u64 = 24 * 60 * 60;
/// Where neither the settings nor the provider say anything.
pub(crate) const REFRESH_SECS_USUAL: u64 = 60 * 60;
/// How people are given an address that a calendar program is to open.
const WEBCAL: &str = "webcal://";

/// An iCalendar file on the web that others write; it is only read.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedSettings {
    /// Its address.
    #[serde(default)]
    pub url: Option<String>,
    /// The same, where who knows the address may read the calendar.
    #[serde(default)]
    pub url_secret: Option<SecretRef>,
    /// What else to trust.
    #[serde(default)]
    pub tls: CaldavTls,
    /// Seconds between two looks; as the provider says where it is left out.
    #[serde(default)]
    pub refresh_secs: Option<u64>,
    /// Allows addresses of this machine and of private networks.
    #[serde(default)]
    pub allow_private: bool,
    /// Largest part of the feed, in percent, that may be gone at one look; more is taken for an
    /// accident of the provider. 100 switches the guard off.
    #[serde(default = "default_gone_percent_max")]
    pub gone_percent_max: u8,
}

/// Shows no more of the address than its host, since the rest is as good as a password, and a hash
/// by which a reload sees that it is another.
impl fmt::Debug for FeedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = self.url.as_ref().map(|url| {
            let hash = blake3::hash(url.as_bytes()).to_hex();
            hash.chars().take(8).collect::<String>()
        });
        f.debug_struct("FeedSettings")
            .field("host", &self.host())
            .field("url_hash", &hash)
            .field("url_secret", &self.url_secret)
            .field("tls", &self.tls)
            .field("refresh_secs", &self.refresh_secs)
            .field("allow_private", &self.allow_private)
            .field("gone_percent_max", &self.gone_percent_max)
            .finish()
    }
}

/// Why a feed cannot be used as configured; never with more of its address than the host.
#[derive(Debug, thiserror::Error)]
pub enum FeedSettingsError {
    /// Neither of the two.
    #[error("its address is missing; write url = \"https://host/calendar.ics\", or `url_secret`")]
    NoUrl,
    /// Both of the two.
    #[error("`url` and `url_secret` are both set; remove one of them")]
    TwoUrls,
    /// The address is none.
    #[error("it is no https address of a calendar; write https://host/path")]
    Address,
    /// It names a login.
    #[error(
        "the address holds a login, which is not sent; take one that needs none, as \
         providers have for calendar programs"
    )]
    Login,
    /// Anybody on the way could change it.
    #[error("the address is not encrypted, and {host} is not this machine; use https")]
    PlainHttp {
        /// Its host.
        host: String,
    },
    /// It is one of this machine.
    #[error("{host} is this machine; set `allow_private = true` if that is right")]
    ThisMachine {
        /// Its host.
        host: String,
    },
    /// Asked too often or too seldom.
    #[error(
        "it is not between {REFRESH_SECS_MIN} and {REFRESH_SECS_MAX}; correct it, \
         or leave it out for what the provider says"
    )]
    Refresh,
    /// The address cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// An address and its server. Shows only the server.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) uri: Uri,
    pub(super) origin: Origin,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.origin.host).finish()
    }
}

impl Address {
    /// An address that may be asked.
    pub(super) fn parse(text: &str) -> Result<Address, FeedSettingsError> {
        let text = text.trim();
        let uri: Uri = match text.split_at_checked(WEBCAL.len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(WEBCAL) => {
                format!("https://{rest}").parse()
            }
            _ => text.parse(),
        }
        .map_err(|_| FeedSettingsError::Address)?;
        let origin = Origin::of(&uri).ok_or(FeedSettingsError::Address)?;
        if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
            return Err(FeedSettingsError::Login);
        }
        if !origin.tls && !origin.is_this_machine() {
            return Err(FeedSettingsError::PlainHttp { host: origin.host });
        }
        Ok(Address { uri, origin })
    }
}

impl FeedSettings {
    /// The host of an address that is no secret.
    pub(super) fn host(&self) -> Option<String> {
        let address = Address::parse(self.url.as_deref()?).ok()?;
        Some(address.origin.host)
    }

    /// Where it is, and the key that says so: the same place would be counted twice.
    pub(crate) fn place(&self) -> (&'static str, String) {
        match (&self.url, &self.url_secret) {
            (_, Some(secret)) => ("url_secret", format!("{secret:?}")),
            (url, None) => ("url", url.clone().unwrap_or_default()),
        }
    }

    /// Time between two looks, of a provider that says `told`, in seconds.
    pub(super) fn refresh(&self, told: Option<u64>) -> Duration {
        let seconds = self.refresh_secs.or(told).unwrap_or(REFRESH_SECS_USUAL);
        Duration::from_secs(seconds.clamp(REFRESH_SECS_MIN, REFRESH_SECS_MAX))
    }

    /// The longest time between two looks that there may be.
    #[must_use]
    pub fn refresh_at_most(&self) -> Duration {
        self.refresh(Some(REFRESH_SECS_MAX))
    }

    /// What is wrong with the values themselves; nothing is looked up.
    pub(super) fn check(&self) -> Result<(), FeedSettingsError> {
        match (&self.url, &self.url_secret) {
            (None, None) => return Err(FeedSettingsError::NoUrl),
            (Some(_), Some(_)) => return Err(FeedSettingsError::TwoUrls),
            (Some(url), None) => drop(self.allowed(Address::parse(url)?)?),
            (None, Some(_)) => {}
        }
        let allowed = REFRESH_SECS_MIN..=REFRESH_SECS_MAX;
        match self.refresh_secs {
            Some(seconds) if !allowed.contains(&seconds) => Err(FeedSettingsError::Refresh),
            _ => Ok(()),
        }
    }

    fn allowed(&self, address: Address) -> Result<Address, FeedSettingsError> {
        if address.origin.is_this_machine() && !self.allow_private {
            let host = address.origin.host;
            return Err(FeedSettingsError::ThisMachine { host });
        }
        Ok(address)
    }

    /// What is wrong with the values themselves, as `key: reason`; nothing is looked up.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let problem = self.check().err().map(|error| {
            let key = match error {
                FeedSettingsError::TwoUrls => "url_secret",
                FeedSettingsError::Refresh => "refresh_secs",
                _ => "url",
            };
            format!("{key}: {error}")
        });
        let percent = gone_percent_problem(self.gone_percent_max);
        problem.into_iter().chain(percent).collect()
    }

    /// The address; a secret one is read anew each time.
    pub(super) async fn address(&self) -> Result<Address, FeedSettingsError> {
        let address = match (&self.url, &self.url_secret) {
            (Some(url), _) => Address::parse(url)?,
            (None, Some(secret)) => Address::parse(secret.fetch().await?.expose())?,
            (None, None) => return Err(FeedSettingsError::NoUrl),
        };
        self.allowed(address)
    }
}
