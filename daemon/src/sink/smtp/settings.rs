//! Settings of a submission server.

use serde::Deserialize;

use crate::dial::{Route, TlsSettings};
use crate::login::Login;
use crate::oauth::OauthRef;
use crate::secret::SecretRef;

/// RFC 8314 section 7.3.
const PORT_DEFAULT: u16 = 465;
/// Mails that are handed over at the same time. Microsoft 365 allows three connections to all
/// programs of a mailbox together.
const CONNECTIONS_MAX_DEFAULT: usize = 2;

/// Which server takes our mail.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// Server name.
    pub host: String,
    /// Port; 465, or 587 with STARTTLS.
    #[serde(default = "port_default")]
    pub port: u16,
    /// TLS.
    #[serde(default)]
    pub tls: TlsSettings,
    /// Login name.
    pub user: String,
    /// Where the password is; this or `oauth`.
    #[serde(default)]
    pub password: Option<SecretRef>,
    /// The `[[oauth]]` that gives access tokens; this or `password`.
    #[serde(default)]
    pub oauth: Option<OauthRef>,
    /// Name given in EHLO; the machine's otherwise.
    #[serde(default)]
    pub hello_name: Option<String>,
    /// How many connections there may be at the same time, each with one mail; at least 1.
    #[serde(default = "connections_default")]
    pub connections_max: usize,
    /// How the server is reached; not configured.
    #[serde(skip)]
    pub route: Route,
}

impl SmtpSettings {
    /// How we log in.
    pub(crate) fn login(&self) -> Login<'_> {
        Login::of(self.password.as_ref(), self.oauth.as_ref())
    }

    /// What to call the transport in messages: user, host and port.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{} on {}:{}", self.user, self.host, self.port)
    }
}

fn port_default() -> u16 {
    PORT_DEFAULT
}

fn connections_default() -> usize {
    CONNECTIONS_MAX_DEFAULT
}
