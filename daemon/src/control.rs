//! The control socket: HTTP and JSON over a unix socket.
//!
//! `POST /v1/COMMAND` with the command's arguments as JSON object, `GET /v1/status`. An answer is
//! the command's JSON with status 200, or `{"error": {"code", "message"}}`. Who may do what is
//! decided by the peer's user id (`SO_PEERCRED`), before a byte of the request is read; the file
//! mode of the socket (0660) is the outer fence.

pub mod client;
pub mod server;

use std::time::Duration;

/// Largest request: an import of [`crate::accounts::import::IMPORT_BYTES_MAX`] in base64.
pub const REQUEST_BYTES_MAX: usize = 12 * 1024 * 1024;
/// Largest answer that a client reads.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a request may take to arrive.
const REQUEST_ARRIVES: Duration = Duration::from_secs(10);
/// How long a client waits for an answer: the largest import takes minutes.
const ANSWER_ARRIVES: Duration = Duration::from_secs(15 * 60);
/// How long a connection may exist at all.
const CONNECTION_LASTS: Duration = Duration::from_secs(20 * 60);
/// Connections at one time; further ones wait.
const CONNECTIONS_MAX: usize = 32;

#[cfg(test)]
mod tests;
