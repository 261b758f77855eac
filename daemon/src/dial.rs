//! Reaching a mail server: name, TCP with keepalive, TLS. Shared by IMAP and SMTP.
//!
//! There is no plain-text mode: a server is spoken to over TLS from the first byte, or over
//! STARTTLS before anything of ours (RFC 8314).

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::tls;

mod clear_text;
pub mod connections;
mod route;
mod slots;

pub use clear_text::ClearText;
pub use route::{Reach, Reached, Route};
pub use slots::{DialSlot, slot};

/// How long the name may take to resolve.
const RESOLVE_LIMIT: Duration = Duration::from_secs(10);
/// How long one address may take to answer; the next one is tried after it.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long the TLS handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);
/// Silence after which the kernel asks whether the other side is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// Between two such questions.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// Unanswered questions after which the connection is dead.
const KEEPALIVE_PROBES: u32 = 4;
/// How long sent bytes may stay unacknowledged (RFC 5482). Keepalive alone does not see a link
/// that dies while data is in flight.
const USER_TIMEOUT: Duration = Duration::from_secs(90);

/// When TLS begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// With the first byte (RFC 8314 section 3).
    #[default]
    Implicit,
    /// After the server agreed in clear text; refused when it does not.
    Starttls,
}

/// How a server proves who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// When TLS begins.
    pub mode: TlsMode,
    /// Certificates to trust besides the platform's (PEM).
    pub ca_file: Option<PathBuf>,
    /// Name the certificate must carry, where it is not the host's.
    pub server_name: Option<String>,
}

/// A byte stream to a server.
pub trait Wire: AsyncRead + AsyncWrite + Send + Sync + Unpin + Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + Debug> Wire for T {}

/// A server could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("cannot resolve {host}: check the name and the resolver")]
    Resolve {
        /// Which name.
        host: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// No address answered.
    #[error("cannot connect to {host}:{port}: is the server up and the port right?")]
    Connect {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// What the last address said.
        #[source]
        source: io::Error,
    },
    /// The handshake failed for another reason than the certificate.
    #[error("no TLS with {host}:{port}: does this port speak TLS from the first byte?")]
    Handshake {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// The certificate does not prove the name. Never overridden.
    #[error(
        "the certificate of {host}:{port} is not trusted for {name}: mend the server's \
         certificate, or set `tls.ca_file` or `tls.server_name`"
    )]
    Certificate {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// Name it should prove.
        name: String,
        /// What was wrong.
        #[source]
        source: rustls::Error,
    },
    /// `tls.server_name` or the host is no name that a certificate can carry.
    #[error("`{name}` is no host name for a certificate: correct `host` or `tls.server_name`")]
    Name {
        /// What was given.
        name: String,
    },
    /// TLS itself could not be set up.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

impl DialError {
    /// Whether waiting will not mend it.
    #[must_use]
    pub fn needs_person(&self) -> bool {
        match self {
            DialError::Certificate { .. } | DialError::Name { .. } | DialError::Tls(_) => true,
            DialError::Resolve { .. } | DialError::Connect { .. } | DialError::Handshake { .. } => {
                false
            }
        }
    }
}

/// Connects to the first address of `host` that answers, with keepalive set.
///
/// # Errors
/// When the name does not resolve or no address answers in time.
pub async fn tcp(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let resolve = timeout(RESOLVE_LIMIT, tokio::net::lookup_host((host, port)));
    let addresses: Vec<SocketAddr> = flatten(resolve.await)
        .map_err(|source| DialError::Resolve {
            host: host.to_owned(),
            source,
        })?
        .collect();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match flatten(timeout(CONNECT_LIMIT, TcpStream::connect(address)).await)
            .and_then(|stream| set_options(&stream).map(|()| stream))
        {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(DialError::Connect {
        host: host.to_owned(),
        port,
        source: last,
    })
}

fn flatten<T>(result: Result<io::Result<T>, tokio::time::error::Elapsed>) -> io::Result<T> {
    result.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

/// Performs the TLS handshake with the server at `host`.
///
/// # Errors
/// When the certificate is not trusted, or the handshake fails or takes too long.
pub async fn tls<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    settings: &TlsSettings,
    host: &str,
    port: u16,
) -> Result<TlsStream<S>, DialError> {
    let name = settings.server_name.as_deref().unwrap_or(host);
    let server_name = ServerName::try_from(name.to_owned()).map_err(|_| DialError::Name {
        name: name.to_owned(),
    })?;
    let connector = connector(settings.ca_file.as_deref())?;
    let handshake = connector.connect(server_name, stream);
    flatten(timeout(HANDSHAKE_LIMIT, handshake).await)
        .map_err(|error| handshake_error(error, name, host, port))
}

fn handshake_error(error: io::Error, name: &str, host: &str, port: u16) -> DialError {
    let (host, name) = (host.to_owned(), name.to_owned());
    let inner = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    match inner {
        Some(source @ rustls::Error::InvalidCertificate(_)) => DialError::Certificate {
            host,
            port,
            name,
            source: source.clone(),
        },
        _ => DialError::Handshake {
            host,
            port,
            source: error,
        },
    }
}

/// Connectors by CA file and its modification time: roots are parsed once and shared by all
/// connections, since one set weighs more than a whole idle mailbox.
type Connectors = BTreeMap<Option<(PathBuf, Option<SystemTime>)>, TlsConnector>;

fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, tls::TlsError> {
    static CONNECTORS: OnceLock<Mutex<Connectors>> = OnceLock::new();
    let key = ca_file.map(|path| {
        let modified = std::fs::metadata(path)
            .and_then(|meta| meta.modified())
            .ok();
        (path.to_owned(), modified)
    });
    let connectors = CONNECTORS.get_or_init(Mutex::default);
    let mut connectors = connectors.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = connectors.get(&key) {
        return Ok(found.clone());
    }
    let made = tls::connector(ca_file)?;
    // A replaced CA file leaves no old entry behind.
    connectors.retain(|old, _| old.as_ref().map(|(path, _)| path.as_path()) != ca_file);
    connectors.insert(key, made.clone());
    Ok(made)
}

/// The sentence of an error with its causes, for `status` and logs.
#[must_use]
pub fn in_words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(" (");
            text.push_str(&words);
            text.push(')');
        }
        cause = error.source();
    }
    text
}
