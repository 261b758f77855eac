//! Settings of an IMAP mailbox.

use std::time::Duration;

use serde::Deserialize;

use super::provider::provider;
use crate::dial::connections::CONNECTIONS_RESERVED;
use crate::dial::{Route, TlsSettings};
use crate::login::Login;
use crate::oauth::OauthRef;
use crate::secret::SecretRef;

/// RFC 8314 section 7.2.
const PORT_DEFAULT: u16 = 993;
/// NAT tables forget a silent connection after about ten minutes.
const IDLE_REFRESH_SECS_DEFAULT: u64 = 9 * 60;
/// Longest stretch in IDLE (RFC 2177 asks for less than 30 minutes).
const IDLE_REFRESH_SECS_MAX: u64 = 28 * 60;
/// How often Sent is looked at and INBOX compared, whatever IDLE says.
const POLL_INTERVAL_SECS_DEFAULT: u64 = 30;
/// Shortest poll interval; below it servers throttle.
const POLL_INTERVAL_SECS_MIN: u64 = 1;
/// Old messages recorded at first start.
const HISTORY_MESSAGES_MAX_DEFAULT: usize = 10_000;
/// Connections for one login: one watches, one works, one files. Large providers allow 10 to 15 for
/// all programs of a person together.
const CONNECTIONS_MAX_DEFAULT: usize = 3;
/// Larger messages are taken by their header only.
const MESSAGE_BYTES_MAX_DEFAULT: u64 = 50 * 1024 * 1024;

/// Where an IMAP mailbox is and how to watch it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImapSettings {
    /// Server name.
    pub host: String,
    /// Port; 993, or 143 with STARTTLS.
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
    /// Mailbox name to watch.
    #[serde(default = "inbox_default")]
    pub inbox: String,
    /// Mailbox name of sent mail; found by its special use or a well-known name otherwise.
    #[serde(default)]
    pub sent: Option<String>,
    /// Mailbox name of drafts; found likewise.
    #[serde(default)]
    pub drafts: Option<String>,
    /// Seconds after which IDLE is issued anew; at most 28 minutes.
    #[serde(default = "idle_refresh_default")]
    pub idle_refresh_secs: u64,
    /// Seconds between two looks at Sent, and between two compares of the inbox.
    #[serde(default = "poll_interval_default")]
    pub poll_interval_secs: u64,
    /// How many of the newest old messages of each folder are recorded at first start.
    #[serde(default = "history_default")]
    pub history_messages_max: usize,
    /// Size in bytes above which only a message's header is taken.
    #[serde(default = "message_bytes_default")]
    pub message_bytes_max: u64,
    /// How many connections this login may have at the same time. With fewer than 3, history,
    /// sent mail and the daily compare share the connection that watches.
    #[serde(default = "connections_default")]
    pub connections_max: usize,
    /// How the server is reached; not configured.
    #[serde(skip)]
    pub route: Route,
}

impl ImapSettings {
    /// How long one IDLE may last: the refresh, the poll interval or what the provider's servers
    /// keep alive, whichever is shortest.
    #[must_use]
    pub fn idle_length(&self) -> Duration {
        let known = provider(&self.host).and_then(|provider| provider.idle_secs_max);
        let longest = known.unwrap_or(IDLE_REFRESH_SECS_MAX);
        let refresh = self.idle_refresh_secs.clamp(1, longest);
        Duration::from_secs(refresh).min(self.poll_interval())
    }

    /// Whether there may be a connection for work beside the one that watches.
    pub(super) fn may_work_beside(&self) -> bool {
        self.connections_max > CONNECTIONS_RESERVED
    }

    /// Between two looks.
    #[must_use]
    pub fn poll_interval(&self) -> Duration {
        Duration::from_secs(self.poll_interval_secs.max(POLL_INTERVAL_SECS_MIN))
    }

    /// How we log in.
    pub(crate) fn login(&self) -> Login<'_> {
        Login::of(self.password.as_ref(), self.oauth.as_ref())
    }

    /// What to call the mailbox in messages: user, host and port.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{} on {}:{}", self.user, self.host, self.port)
    }
}

fn port_default() -> u16 {
    PORT_DEFAULT
}

fn inbox_default() -> String {
    "INBOX".to_owned()
}

fn idle_refresh_default() -> u64 {
    IDLE_REFRESH_SECS_DEFAULT
}

fn poll_interval_default() -> u64 {
    POLL_INTERVAL_SECS_DEFAULT
}

fn history_default() -> usize {
    HISTORY_MESSAGES_MAX_DEFAULT
}

fn connections_default() -> usize {
    CONNECTIONS_MAX_DEFAULT
}

fn message_bytes_default() -> u64 {
    MESSAGE_BYTES_MAX_DEFAULT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_section_is_enough_and_an_unknown_word_is_refused() {
        let text = r#"
            host = "imap.example.com"
            user = "alice@example.com"
            password = { file = "/etc/liaison/pw" }
        "#;
        let settings: ImapSettings = toml::from_str(text).unwrap();
        assert_eq!((settings.port, settings.inbox.as_str()), (993, "INBOX"));
        assert_eq!(settings.idle_length(), Duration::from_secs(30));
        let error = toml::from_str::<ImapSettings>(&format!("{text}\nprot = 1")).unwrap_err();
        assert!(error.to_string().contains("prot"), "{error}");
    }

    #[test]
    fn idle_never_outlasts_what_servers_allow() {
        let settings: ImapSettings = toml::from_str(
            r#"
            host = "imap.example.com"
            user = "alice@example.com"
            password = { env = "PW" }
            idle_refresh_secs = 7200
            poll_interval_secs = 7200
        "#,
        )
        .unwrap();
        assert_eq!(settings.idle_length(), Duration::from_secs(28 * 60));
        let settings = ImapSettings {
            host: "imap.mail.yahoo.com".to_owned(),
            ..settings
        };
        assert_eq!(settings.idle_length(), Duration::from_secs(180));
    }
}
