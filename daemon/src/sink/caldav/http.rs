//! HTTP to one server: one connection per exchange, every wait and every size bounded,
//! credentials to no other host.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::http::response::Parts;
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use libdav::dav::make_relative_url;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;

use super::peers::Peers;
use super::settings::Origin;
use crate::secret::Secret;

/// How long name resolution and the connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long the TLS handshake may take.
const TLS_LIMIT: Duration = Duration::from_secs(10);
/// Most redirects followed in a row; servers need one or two (`.well-known`, a missing slash).
const REDIRECTS_MAX: usize = 4;
/// Most characters of an answer repeated in an error.
const EXCERPT_CHARS: usize = 200;

/// How large an answer may be, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes of the body.
    pub(crate) body_bytes: usize,
    /// Request and answer together.
    pub(crate) exchange: Duration,
}

impl Bounds {
    /// For a calendar server: a listing of some 50,000 objects, from a small server.
    pub(super) const CALENDAR: Bounds = Bounds {
        body_bytes: 16 * 1024 * 1024,
        exchange: Duration::from_secs(60),
    };
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("{host} is no public address, but one of this machine or of a private network")]
    Private { host: String },
    #[error("no connection to {host} port {port} ({why})")]
    Connect {
        host: String,
        port: u16,
        why: String,
    },
    #[error("no TLS with {host} ({why}); for a private CA set `tls.ca_file`")]
    Tls {
        host: String,
        why: String,
        /// The certificate was refused: waiting will not mend it.
        certificate: bool,
    },
    #[error("the request cannot be made ({0})")]
    Request(String),
    #[error("the connection broke before the answer was complete ({0})")]
    Broken(String),
    #[error("no complete answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error(
        "it redirects to {0}, another server or an unreadable address, where the login is not \
         sent; if that is right, write it into `url`"
    )]
    Elsewhere(String),
    #[error("more than {REDIRECTS_MAX} redirects in a row")]
    Redirects,
}

impl HttpError {
    /// Whether the server may have carried out the request.
    pub(super) fn maybe_done(&self) -> bool {
        matches!(
            self,
            HttpError::Broken(_) | HttpError::Late(_) | HttpError::TooLong(_)
        )
    }

    pub(crate) fn permanent(&self) -> bool {
        match self {
            HttpError::Tls { certificate, .. } => *certificate,
            HttpError::Request(_)
            | HttpError::Private { .. }
            | HttpError::Elsewhere(_)
            | HttpError::Redirects => true,
            _ => false,
        }
    }
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) parts: Parts,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.parts.status.as_u16()
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn raw_header(&self, name: header::HeaderName) -> Option<HeaderValue> {
        self.parts.headers.get(name).cloned()
    }

    /// The beginning of the text of the body, in one line, for an error; may be empty.
    pub(super) fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let words: Vec<&str> = text.split_whitespace().collect();
        let line: String = words.join(" ").chars().take(EXCERPT_CHARS).collect();
        if line.is_empty() {
            line
        } else {
            format!(": {line}")
        }
    }
}

/// The login of one operation; its `Debug` shows nothing, as headers marked sensitive do.
#[derive(Debug, Clone)]
pub(super) struct Login(HeaderValue);

impl Login {
    /// RFC 7617, UTF-8. `None` when the user name cannot be in it.
    pub(super) fn basic(user: &str, password: &Secret) -> Option<Login> {
        if user.contains(':') {
            return None;
        }
        let pair = format!("{user}:{}", password.expose());
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some(Login(value))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Speaks to one server.
pub(crate) struct Client {
    pub(crate) origin: Origin,
    pub(crate) base: Uri,
    pub(crate) connector: TlsConnector,
    pub(crate) bounds: Bounds,
    pub(crate) peers: Peers,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Whether an address belongs to this server.
    pub(super) fn is_ours(&self, uri: &Uri) -> bool {
        Origin::of(uri).is_some_and(|origin| origin == self.origin)
    }

    /// Asks something that changes nothing; follows redirects within the server.
    pub(super) async fn ask(
        &self,
        login: &Login,
        request: Request<String>,
    ) -> Result<Answer, HttpError> {
        let (mut parts, body) = request.into_parts();
        for _ in 0..=REDIRECTS_MAX {
            let request = Request::from_parts(parts.clone(), body.clone());
            let answer = self.tell(login, request).await?;
            if !matches!(answer.status(), 301 | 302 | 307 | 308) {
                return Ok(answer);
            }
            let location = answer.header(header::LOCATION).unwrap_or_default();
            parts.uri = super::path::of_href(location, |uri| self.is_ours(uri))
                .and_then(|path| make_relative_url(self.base.clone(), &path).ok())
                .ok_or_else(|| HttpError::Elsewhere(location.to_owned()))?;
        }
        Err(HttpError::Redirects)
    }

    /// Sends one request and reads its answer, whatever it is. Never twice.
    pub(super) async fn tell(
        &self,
        login: &Login,
        request: Request<String>,
    ) -> Result<Answer, HttpError> {
        self.send(Some(login), request).await
    }

    /// The same without a login: what proves who we are is in the request.
    pub(crate) async fn tell_openly(&self, request: Request<String>) -> Result<Answer, HttpError> {
        self.send(None, request).await
    }

    /// Connects, shakes hands and hangs up.
    pub(crate) async fn reach(&self) -> Result<(), HttpError> {
        self.connect().await.map(drop)
    }

    async fn send(
        &self,
        login: Option<&Login>,
        request: Request<String>,
    ) -> Result<Answer, HttpError> {
        let request = self.on_the_wire(login, request)?;
        let stream = self.connect().await?;
        let Bounds {
            body_bytes,
            exchange: limit,
        } = self.bounds;
        timeout(limit, exchange(stream, request, body_bytes))
            .await
            .unwrap_or(Err(HttpError::Late(limit)))
    }

    fn on_the_wire(
        &self,
        login: Option<&Login>,
        request: Request<String>,
    ) -> Result<Request<Full<Bytes>>, HttpError> {
        let (mut parts, body) = request.into_parts();
        let failed = |why: &str| HttpError::Request(why.to_owned());
        let authority = self.base.authority().ok_or_else(|| failed("no host"))?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| failed("host name"))?;
        let path = parts.uri.path_and_query().cloned();
        parts.uri = path.map_or_else(|| Uri::from_static("/"), Uri::from);
        parts.headers.insert(header::HOST, host);
        if let Some(login) = login {
            parts.headers.insert(header::AUTHORIZATION, login.0.clone());
        }
        let agent = HeaderValue::from_static(concat!("liaison/", env!("CARGO_PKG_VERSION")));
        parts.headers.insert(header::USER_AGENT, agent);
        let close = HeaderValue::from_static("close");
        parts.headers.insert(header::CONNECTION, close);
        Ok(Request::from_parts(parts, Full::new(Bytes::from(body))))
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, HttpError> {
        let Origin { tls, host, port } = &self.origin;
        let failed = |why: String| HttpError::Connect {
            host: host.clone(),
            port: *port,
            why,
        };
        let dialled = timeout(CONNECT_LIMIT, self.peers.dial(host, *port)).await;
        let dialled = dialled
            .map_err(|_| failed(format!("none within {} s", CONNECT_LIMIT.as_secs())))?
            .map_err(|error| failed(error.to_string()))?;
        let tcp = dialled.ok_or_else(|| HttpError::Private { host: host.clone() })?;
        if !tls {
            return Ok(Box::new(tcp));
        }
        let failed = |why: String, certificate| HttpError::Tls {
            host: host.clone(),
            why,
            certificate,
        };
        let name =
            ServerName::try_from(host.clone()).map_err(|error| failed(error.to_string(), true))?;
        let shaken = timeout(TLS_LIMIT, self.connector.connect(name, tcp)).await;
        let stream = shaken
            .map_err(|_| failed(format!("none within {} s", TLS_LIMIT.as_secs()), false))?
            .map_err(|error| failed(error.to_string(), is_certificate(&error)))?;
        Ok(Box::new(stream))
    }
}

fn is_certificate(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<Full<Bytes>>,
    bytes_max: usize,
) -> Result<Answer, HttpError> {
    let is_write = matches!(*request.method(), Method::PUT | Method::DELETE);
    let broken = |error: &hyper::Error| HttpError::Broken(chain(error));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    let talk = async move {
        let response = sender.send_request(request).await;
        let (parts, body) = response.map_err(|error| broken(&error))?.into_parts();
        let body = match Limited::new(body, bytes_max).collect().await {
            Ok(body) => body.to_bytes(),
            // The status says what became of a write; a lost explanation does not unsay it.
            Err(_) if is_write => Bytes::new(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(HttpError::TooLong(bytes_max));
            }
            Err(error) => return Err(HttpError::Broken(chain(&*error))),
        };
        Ok(Answer { parts, body })
    };
    let (mut talk, connection) = (pin!(talk), pin!(connection));
    tokio::select! {
        biased;
        answer = &mut talk => answer,
        // The connection may be done while the last bytes still wait to be taken. Its error, if
        // any, reaches the talk as well.
        _ = connection => talk.await,
    }
}

/// An error with its causes, in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}
