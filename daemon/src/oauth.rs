//! Logging in with OAuth2 (RFC 6749): tokens in place of passwords.
//!
//! A [`Credential`] is one `[[oauth]]`: it serves all mailboxes and transports that name it. Access
//! tokens live in memory. What a person's consent gave, the refresh token, lies encrypted in a file
//! (`oauth/vault.rs`); when the provider replaces it, the new one is durable before anything else
//! happens with the answer. One refresh is under way at a time, whoever asks.
//!
//! What passes (a server that is down, a limit on requests) is waited for; what only a person can
//! mend stops all asking, and `status` shows the command.

mod answer;
mod consent;
mod credential;
mod endpoint;
mod form;
pub(crate) mod sasl;
mod settings;
mod vault;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use liaison_core::time::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::clock::{Clock, SystemClock};
use crate::secret::Secret;

pub use consent::{Begun, ConsentError, Progress};
pub use credential::{Credential, Standing, State};
pub(crate) use settings::LOOPBACK;
pub use settings::{Flow, OauthSettings, Preset};
pub use vault::VaultError;
pub(crate) use vault::{copy_key, own_key, read_key};

use consent::Desk;
use endpoint::Https;

/// Why there is no access token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OauthError {
    /// A person must agree (again).
    #[error("`{name}` needs a person's consent ({why}): run `liaison auth login {name}`")]
    NeedsConsent {
        /// Which credential.
        name: String,
        /// Why.
        why: String,
    },
    /// The provider does not want us as we are configured.
    #[error(
        "the token endpoint of `{name}` refuses us ({why}): correct [[oauth]] `{name}`, or the \
         application at the provider"
    )]
    Refused {
        /// Which credential.
        name: String,
        /// Why.
        why: String,
    },
    /// It passes.
    #[error("no access token of `{name}` now ({why}); asked again in {} s", wait.as_secs())]
    Later {
        /// Which credential.
        name: String,
        /// Why.
        why: String,
        /// Until it is asked for again.
        wait: Duration,
    },
    /// A mailbox or transport was made without its credential.
    #[error("there is no [[oauth]] named `{0}`")]
    Unknown(String),
}

impl OauthError {
    /// Whether waiting will not mend it.
    #[must_use]
    pub fn needs_person(&self) -> bool {
        !matches!(self, OauthError::Later { .. })
    }

    /// How long to wait, where waiting mends it.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        match self {
            OauthError::Later { wait, .. } => Some(*wait),
            _ => None,
        }
    }
}

/// An access token; never printed, never stored.
#[derive(Clone)]
pub struct AccessToken {
    text: Secret,
    pub(crate) given: Timestamp,
    pub(crate) ends: Timestamp,
}

impl AccessToken {
    pub(crate) fn new(text: Secret, given: Timestamp, ends: Timestamp) -> AccessToken {
        AccessToken { text, given, ends }
    }

    /// The token itself, for the protocol that needs it.
    pub(crate) fn expose(&self) -> &str {
        self.text.expose()
    }

    /// Whether the two are one.
    pub(crate) fn is(&self, other: &AccessToken) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessToken(…, ends {})", self.ends)
    }
}

/// All `[[oauth]]` of a configuration, and the logins of people that are under way. Cheap to
/// clone.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    by_name: Arc<BTreeMap<String, Arc<Credential>>>,
    desk: Arc<Desk>,
}

impl Credentials {
    /// One credential for each of these; nothing is read and nobody is asked yet.
    #[must_use]
    pub fn new(settings: Vec<OauthSettings>) -> Credentials {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let credentials = settings.into_iter().map(|settings| {
            let endpoint = Arc::new(Https {
                ca_file: settings.ca_file.clone(),
            });
            let name = settings.name.clone();
            (name, Credential::new(settings, endpoint, clock.clone()))
        });
        Credentials {
            by_name: Arc::new(credentials.collect()),
            desk: Arc::default(),
        }
    }

    /// The credential with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Credential>> {
        self.by_name.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Credential>> {
        self.by_name.values()
    }

    /// The settings of all of them, by name.
    #[must_use]
    pub fn settings(&self) -> Vec<OauthSettings> {
        self.iter().map(|one| one.settings().clone()).collect()
    }
}

/// `oauth = "NAME"` of a mailbox or transport. Validation puts the credential beside the name.
#[derive(Clone)]
pub struct OauthRef {
    name: String,
    credential: Option<Arc<Credential>>,
}

impl OauthRef {
    /// Which one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From here on it is this one.
    pub(crate) fn bind(&mut self, credential: Arc<Credential>) {
        self.credential = Some(credential);
    }

    /// The credential.
    ///
    /// # Errors
    /// When nobody put it there.
    pub fn credential(&self) -> Result<&Arc<Credential>, OauthError> {
        let credential = self.credential.as_ref();
        credential.ok_or_else(|| OauthError::Unknown(self.name.clone()))
    }
}

impl<'de> Deserialize<'de> for OauthRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OauthRef, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(OauthRef {
            name,
            credential: None,
        })
    }
}

impl fmt::Debug for OauthRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OauthRef").field(&self.name).finish()
    }
}

impl PartialEq for OauthRef {
    fn eq(&self, other: &OauthRef) -> bool {
        self.name == other.name
    }
}

impl Eq for OauthRef {}

/// Runs `work` to its end even when nobody waits for it any more: an endpoint may have replaced
/// the refresh token, and then the new one must be stored whatever became of who asked.
async fn detached<T, F>(work: F) -> Option<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let runtime = tokio::runtime::Handle::current();
    // Dropping the handle of a blocking task does not end it, unlike that of an async one.
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
    done.inspect_err(|error| tracing::error!(%error, "work on a credential broke"))
        .ok()
}

#[cfg(test)]
mod tests;
