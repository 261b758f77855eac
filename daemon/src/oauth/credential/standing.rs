//! How a credential stands, for `status` and `auth status`.

use liaison_core::time::{MINUTE_MS, Timestamp};
use serde::Serialize;

use super::{Credential, Trouble};
use crate::oauth::Flow;

/// Failures that pass need a person when they last for so long and there is no token left.
const TOLD_AFTER_MS: i64 = 15 * MINUTE_MS;

/// How a credential stands, for `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is an access token, or there will be one when it is asked for.
    Ready,
    /// The endpoint does not give one now; asked again.
    Waiting,
    /// A person must agree.
    NeedsConsent,
    /// Somebody must correct the configuration.
    Refused,
}

/// A credential as `status` shows it. No field is secret.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// How the first tokens come.
    pub flow: &'static str,
    /// How it stands.
    pub state: State,
    /// What is wrong.
    pub why: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The command that mends it, where one does.
    pub command: Option<String>,
    /// Somebody should look.
    pub needs_person: bool,
    /// Age of the access token.
    pub token_age_seconds: Option<i64>,
    /// When it ends.
    pub token_ends: Option<Timestamp>,
    /// Until then; negative when it is past.
    pub token_ends_in_seconds: Option<i64>,
    /// When the endpoint is asked next.
    pub next_refresh: Option<Timestamp>,
    /// When the person agreed.
    pub consented: Option<Timestamp>,
    /// Tokens that were got since the start.
    pub refreshes: u64,
    /// Tries that gave none since the start.
    pub failures: u64,
}

impl Credential {
    /// How it stands now. Where nothing was asked yet, the file tells.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let now = self.now();
        let known = self.known();
        let left = known.access.as_ref().map(|token| token.ends.since(now));
        let (state, why) = match &known.trouble {
            Some(Trouble::Consent { why, .. }) => (State::NeedsConsent, Some(why.clone())),
            Some(Trouble::Refused { why, .. }) => (State::Refused, Some(why.clone())),
            Some(Trouble::Later { why, .. }) => (State::Waiting, Some(why.clone())),
            None if known.access.is_none()
                && self.settings.needs_consent()
                && self.vault.mark().is_none() =>
            {
                (State::NeedsConsent, Some("nobody has logged in".to_owned()))
            }
            None => (State::Ready, None),
        };
        let lasts = known.since.is_some_and(|at| now.since(at) >= TOLD_AFTER_MS);
        let next_refresh = match &known.trouble {
            Some(Trouble::Consent { .. }) => None,
            Some(Trouble::Refused { until, .. } | Trouble::Later { until, .. }) => Some(*until),
            None => known.access.as_ref().map(|token| self.refresh_at(token)),
        };
        Standing {
            name: self.name().to_owned(),
            flow: flow_word(self.settings.flow),
            state,
            why,
            since: known.since,
            command: (state == State::NeedsConsent).then(|| self.settings.command()),
            needs_person: match state {
                State::NeedsConsent | State::Refused => true,
                State::Waiting => lasts && left.is_none_or(|left| left <= 0),
                State::Ready => false,
            },
            token_age_seconds: (known.access.as_ref()).map(|token| now.since(token.given) / 1_000),
            token_ends: known.access.as_ref().map(|token| token.ends),
            token_ends_in_seconds: left.map(|left| left / 1_000),
            next_refresh,
            consented: known.consented,
            refreshes: known.refreshes,
            failures: known.failures,
        }
    }
}

/// The word for a flow, as in the configuration.
fn flow_word(flow: Flow) -> &'static str {
    match flow {
        Flow::Device => "device",
        Flow::Browser => "browser",
        Flow::ClientCredentials => "client_credentials",
    }
}
