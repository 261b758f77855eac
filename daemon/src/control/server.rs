//! The daemon's end.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::{IncomingStream, Listener};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::{CONNECTION_LASTS, CONNECTIONS_MAX, REQUEST_ARRIVES, REQUEST_BYTES_MAX};
use crate::api::{ApiContext, ApiError, Caller, Role, allow, call};
use crate::config::Control;
use crate::oauth::ConsentError;
use crate::privacy::PrivacyError;
use crate::store::progress::Progress;
use crate::supervisor::{Stop, Waited};

/// Mode of the socket file: the owner and its group may connect.
const SOCKET_MODE: u32 = 0o660;
/// Pause after an accept that failed (out of file descriptors).
const ACCEPT_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// Why the socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody answers there.
    #[error("another liaison listens on {}: stop it first", .0.display())]
    InUse(PathBuf),
    /// What lies there is no socket.
    #[error("{} is no socket: move it away, or set another `socket`", .0.display())]
    NoSocket(PathBuf),
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// What commands work on and who may use it; a reload puts other ones in their place while the
/// socket stays open. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Counter(Arc<RwLock<(Serves, Control)>>);

/// What commands are answered with.
#[derive(Debug, Clone)]
enum Serves {
    /// The store is being opened: how far that is.
    Starting(Arc<Progress>),
    /// Everything is there.
    All(Arc<ApiContext>),
}

impl Serves {
    async fn answer(
        &self,
        caller: &Caller,
        command: &str,
        arguments: Value,
    ) -> Result<Value, ApiError> {
        match self {
            Serves::All(context) => call(context, caller, command, arguments).await,
            Serves::Starting(progress) if command == "status" => {
                Ok(json!({ "running": true, "starting": progress.step() }))
            }
            Serves::Starting(progress) => Err(ApiError::Starting(progress.step().words())),
        }
    }
}

impl Counter {
    /// One for these.
    #[must_use]
    pub fn new(context: ApiContext, access: Control) -> Counter {
        Counter(Arc::new(RwLock::new((
            Serves::All(Arc::new(context)),
            access,
        ))))
    }

    /// One that tells how far the start is, until [`Counter::replace`].
    #[must_use]
    pub fn starting(progress: Arc<Progress>, access: Control) -> Counter {
        Counter(Arc::new(RwLock::new((Serves::Starting(progress), access))))
    }

    /// From here on with these; commands under way end with what they began with.
    pub fn replace(&self, context: ApiContext, access: Control) {
        let new = (Serves::All(Arc::new(context)), access);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
    }

    fn serves(&self) -> Serves {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.0.clone()
    }

    fn role(&self, uid: u32, gid: u32, own_uid: u32) -> Option<Role> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.1.role(uid, gid, own_uid)
    }
}

/// A socket that is listened on; its file goes when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    own_uid: u32,
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "socket file not removed");
        }
    }
}

impl ControlSocket {
    /// Listens on `path`. A socket file on which nobody answers is left over and is replaced.
    ///
    /// Must be called within a tokio runtime, and under the lock of the store, which keeps two
    /// daemons from replacing each other's socket.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind(path: &Path) -> Result<ControlSocket, BindError> {
        let failed = |doing| {
            let path = path.to_owned();
            move |source| BindError::Io {
                doing,
                path,
                source,
            }
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed("make the folder of"))?;
        }
        remove_stale(path).await?;
        let listener = UnixListener::bind(path).map_err(failed("listen on"))?;
        let mode = std::fs::Permissions::from_mode(SOCKET_MODE);
        std::fs::set_permissions(path, mode).map_err(failed("set the mode of"))?;
        let metadata = std::fs::symlink_metadata(path).map_err(failed("look at"))?;
        Ok(ControlSocket {
            listener,
            path: path.to_owned(),
            own_uid: std::os::unix::fs::MetadataExt::uid(&metadata),
        })
    }

    /// Serves until `stop`; answers that are under way are finished.
    ///
    /// # Errors
    /// As the listener.
    pub async fn serve(self, counter: Counter, stop: Stop) -> io::Result<()> {
        let router = Router::new()
            .route("/v1/status", get(status).post(post_status))
            .route("/v1/{command}", post(command))
            .with_state(counter.clone());
        let guarded = Guarded {
            socket: self,
            counter,
            slots: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            stop: stop.clone(),
        };
        let service = router.into_make_service_with_connect_info::<Peer>();
        axum::serve(guarded, service)
            .with_graceful_shutdown(async move { stop.stopped().await })
            .await
    }
}

async fn remove_stale(path: &Path) -> Result<(), BindError> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NoSocket(path.to_owned()));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(_) => return Err(BindError::InUse(path.to_owned())),
        Err(source) => {
            return Err(BindError::Io {
                doing: "find out who listens on",
                path: path.to_owned(),
                source,
            });
        }
    }
    std::fs::remove_file(path).map_err(|source| BindError::Io {
        doing: "remove the left-over",
        path: path.to_owned(),
        source,
    })
}

/// Who is at the other end.
#[derive(Debug, Clone)]
struct Peer {
    uid: u32,
    pid: Option<i32>,
    role: Option<Role>,
}

impl Peer {
    fn caller(&self) -> Result<Caller, ApiError> {
        let role = self.role.ok_or(ApiError::NoRole { uid: self.uid })?;
        let pid = self.pid.map(|pid| format!(", pid {pid}"));
        Ok(Caller {
            who: format!("uid {}{}", self.uid, pid.unwrap_or_default()),
            role,
        })
    }
}

impl Connected<IncomingStream<'_, Guarded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Guarded>) -> Peer {
        stream.remote_addr().clone()
    }
}

/// Accepts at most [`CONNECTIONS_MAX`] connections, each for at most [`CONNECTION_LASTS`].
struct Guarded {
    socket: ControlSocket,
    counter: Counter,
    slots: Arc<Semaphore>,
    stop: Stop,
}

impl Listener for Guarded {
    type Io = Bounded;
    type Addr = Peer;

    async fn accept(&mut self) -> (Bounded, Peer) {
        loop {
            let slot = Arc::clone(&self.slots).acquire_owned().await;
            let (Ok(slot), accepted) = (slot, self.socket.listener.accept().await) else {
                continue;
            };
            let credentials = accepted.and_then(|(stream, _)| {
                let credentials = stream.peer_cred()?;
                Ok((stream, credentials))
            });
            match credentials {
                Ok((stream, peer)) => {
                    let (uid, gid) = (peer.uid(), peer.gid());
                    let peer = Peer {
                        uid,
                        pid: peer.pid(),
                        role: self.counter.role(uid, gid, self.socket.own_uid),
                    };
                    return (Bounded::new(stream, slot), peer);
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the control socket failed");
                    if self.stop.sleep(ACCEPT_AGAIN).await == Waited::Stopped {
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer {
            uid: self.socket.own_uid,
            pid: None,
            role: None,
        })
    }
}

/// A connection with an end.
struct Bounded {
    stream: UnixStream,
    end: Pin<Box<Sleep>>,
    _slot: OwnedSemaphorePermit,
}

impl Bounded {
    fn new(stream: UnixStream, slot: OwnedSemaphorePermit) -> Bounded {
        Bounded {
            stream,
            end: Box::pin(sleep_until(Instant::now() + CONNECTION_LASTS)),
            _slot: slot,
        }
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

async fn status(State(counter): State<Counter>, ConnectInfo(peer): ConnectInfo<Peer>) -> Response {
    let answer = match peer.caller() {
        Ok(caller) => {
            let serves = counter.serves();
            serves.answer(&caller, "status", Value::Null).await
        }
        Err(error) => Err(error),
    };
    respond(answer)
}

async fn post_status(
    State(counter): State<Counter>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    respond(carry_out(&counter.serves(), &peer, "status", request).await)
}

async fn command(
    State(counter): State<Counter>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    UrlPath(command): UrlPath<String>,
    request: Request,
) -> Response {
    respond(carry_out(&counter.serves(), &peer, &command, request).await)
}

async fn carry_out(
    serves: &Serves,
    peer: &Peer,
    command: &str,
    request: Request,
) -> Result<Value, ApiError> {
    // Read whatever comes of it: closing on unread bytes resets the connection, and the answer is
    // lost.
    let body = axum::body::to_bytes(request.into_body(), REQUEST_BYTES_MAX);
    let body = timeout(REQUEST_ARRIVES, body)
        .await
        .map_err(|_| ApiError::Arguments("the request took too long to arrive".to_owned()))?
        .map_err(|error| ApiError::Arguments(format!("the request cannot be read: {error}")))?;
    let caller = peer.caller()?;
    allow(caller.role, command)?;
    let arguments = match body.trim_ascii().is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body)
            .map_err(|error| ApiError::Arguments(format!("the request is no JSON: {error}")))?,
    };
    let answer = serves.answer(&caller, command, arguments).await;
    if let Err(error) = &answer {
        tracing::debug!(%command, who = %caller.who, error = %error.chain(), "command refused");
    }
    answer
}

fn respond(answer: Result<Value, ApiError>) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err(error) => {
            let body = json!({ "error": { "code": error.code(), "message": error.chain() } });
            (status_of(&error), Json(body)).into_response()
        }
    }
}

fn status_of(error: &ApiError) -> StatusCode {
    match error {
        ApiError::NoCommand(_) | ApiError::NotFound { .. } => StatusCode::NOT_FOUND,
        ApiError::NotAllowed { .. } | ApiError::NoRole { .. } => StatusCode::FORBIDDEN,
        ApiError::NotNow(_) | ApiError::NotUnique { .. } | ApiError::Configuration(_) => {
            StatusCode::CONFLICT
        }
        ApiError::NotRunning | ApiError::Starting(_) => StatusCode::SERVICE_UNAVAILABLE,
        ApiError::Arguments(_) | ApiError::Accounts(_) | ApiError::Import(_) => {
            StatusCode::BAD_REQUEST
        }
        ApiError::Consent(ConsentError::Unknown { .. }) => StatusCode::NOT_FOUND,
        ApiError::Consent(ConsentError::Vault(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        ApiError::Consent(_) => StatusCode::CONFLICT,
        ApiError::Privacy(PrivacyError::Address { .. }) => StatusCode::BAD_REQUEST,
        ApiError::Privacy(PrivacyError::Own(_) | PrivacyError::NotNow(_)) => StatusCode::CONFLICT,
        ApiError::Books(_) | ApiError::Reader(_) | ApiError::Keeping(_) | ApiError::Privacy(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn while_the_store_opens_status_tells_how_far_it_is_and_nothing_else_is_done() {
        let progress = Arc::new(Progress::default());
        progress.begin("repeating the journal", Some(7));
        let serves = Serves::Starting(progress);
        let caller = Caller {
            who: "uid 1".to_owned(),
            role: Role::Observe,
        };
        let status = serves.answer(&caller, "status", Value::Null).await.unwrap();
        assert_eq!(
            status.pointer("/starting/what"),
            Some(&json!("repeating the journal"))
        );
        let refused = serves.answer(&caller, "why", json!({ "id": "x" })).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), "not_running");
        assert!(refused.to_string().contains("(0 of 7)"), "{refused}");
    }
}
