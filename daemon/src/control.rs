//! The control socket: HTTP and JSON over a unix socket.
//!
//! `POST /v1/COMMAND` with the command's arguments as JSON object, `GET /v1/status`. An answer is
//! the command's JSON with status 200, or `{"error": {"code", "message"}}`. Who may do what is
//! decided by the peer's user id (`SO_PEERCRED`), before a byte of the request is read; the file
//! mode of the socket (0660) is the outer fence.

pub mod client;
pub mod server;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::api::Role;

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

/// Who may do what over the socket. Root and the daemon's own user may do everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// User ids that may do everything.
    pub admin_uids: BTreeSet<u32>,
    /// User ids that may look and decide on what waits.
    pub approve_uids: BTreeSet<u32>,
    /// User ids that may look.
    pub observe_uids: BTreeSet<u32>,
    /// Primary group ids that may look: peer credentials carry no others.
    pub observe_gids: BTreeSet<u32>,
}

impl Access {
    /// The role of a peer; `None`: it may not even look. `own` is the daemon's user id.
    #[must_use]
    pub fn role(&self, uid: u32, gid: u32, own: u32) -> Option<Role> {
        if uid == 0 || uid == own || self.admin_uids.contains(&uid) {
            Some(Role::Admin)
        } else if self.approve_uids.contains(&uid) {
            Some(Role::Approve)
        } else if self.observe_uids.contains(&uid) || self.observe_gids.contains(&gid) {
            Some(Role::Observe)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
