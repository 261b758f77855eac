//! Settings of a Maildir as a transport.

use std::path::PathBuf;

use serde::Deserialize;

/// A Maildir into which mail is delivered instead of being sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaildirTransportSettings {
    /// The Maildir; created when it is not there.
    pub path: PathBuf,
}
