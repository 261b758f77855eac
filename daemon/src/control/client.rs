//! The CLI's end.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{ANSWER_ARRIVES, ANSWER_BYTES_MAX};

/// Why there is no answer, or not the one hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no liaison is running (nobody listens on {}): start it with `liaison run`", .0.display())]
    NotRunning(PathBuf),
    /// The socket may not be opened by this user.
    #[error("this user may not open {}: ask for membership in the group of that file", .0.display())]
    Refused(PathBuf),
    /// The command was not carried out; the daemon's words.
    #[error("{message}")]
    Daemon {
        /// A word for programs, see [`crate::api::ApiError::code`].
        code: String,
        /// Why, and what to do.
        message: String,
    },
    /// The connection broke: whether the command was carried out is not known.
    #[error("the connection to the daemon broke: look with `liaison status` what it did")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer within the deadline.
    #[error("the daemon did not answer in time: look with `liaison status` what it did")]
    Late,
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
    ClientError::Broken(error.into())
}

/// Talks to one socket; each command is a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon on `socket`.
    #[must_use]
    pub fn new(socket: &Path) -> Client {
        Client {
            socket: socket.to_owned(),
        }
    }

    /// Has a command carried out.
    ///
    /// # Errors
    /// [`ClientError`]; after `Broken` and `Late` it may have been carried out.
    pub async fn call(&self, command: &str, arguments: &Value) -> Result<Value, ClientError> {
        let stream = self.connect().await?;
        match timeout(ANSWER_ARRIVES, ask(stream, command, arguments)).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Late),
        }
    }

    async fn connect(&self) -> Result<UnixStream, ClientError> {
        use io::ErrorKind as K;
        let stream = UnixStream::connect(&self.socket).await;
        stream.map_err(|error| match error.kind() {
            K::NotFound | K::ConnectionRefused | K::NotADirectory => {
                ClientError::NotRunning(self.socket.clone())
            }
            K::PermissionDenied => ClientError::Refused(self.socket.clone()),
            _ => broken(error),
        })
    }
}

async fn ask(stream: UnixStream, command: &str, arguments: &Value) -> Result<Value, ClientError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let body = serde_json::to_vec(arguments).map_err(broken)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/v1/{command}"))
        .header(HOST, "liaison")
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))
        .map_err(broken)?;
    let exchange = async move {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let bytes = body.collect().await.map_err(broken)?.to_bytes();
        Ok((status, bytes))
    };
    // The connection is driven right here until the answer is complete.
    let (answer, _) = tokio::join!(exchange, connection);
    let (status, bytes): (StatusCode, Bytes) = answer?;
    read(status, &bytes)
}

fn read(status: StatusCode, bytes: &[u8]) -> Result<Value, ClientError> {
    let value: Value = serde_json::from_slice(bytes).map_err(broken)?;
    if status.is_success() {
        return Ok(value);
    }
    let text = |pointer: &str| {
        let found = value.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    Err(ClientError::Daemon {
        code: text("/error/code"),
        message: text("/error/message"),
    })
}
