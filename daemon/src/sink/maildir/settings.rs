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

impl MaildirTransportSettings {
    /// What is wrong with the values themselves, as `key: reason`; nothing is looked up on disk.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let empty = self.path.as_os_str().is_empty();
        let problem = "path: is empty; name the Maildir into which mail is delivered".to_owned();
        empty.then_some(problem).into_iter().collect()
    }
}
