//! Settings of a Maildir as a mailbox.

use std::path::PathBuf;

use serde::Deserialize;

/// Shortest time between two looks without a hint, in seconds: a look lists the whole folder.
const RESCAN_SECS_MIN: u64 = 1;

/// Old messages recorded of each folder at first start where the configuration does not say: a
/// few years of a person's mail, read within a minute.
const HISTORY_MESSAGES_MAX_DEFAULT: usize = 10_000;

/// A Maildir that is watched, and whose Sent and Drafts folders are ours (Maildir++ layout).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaildirSettings {
    /// The Maildir: the folder that holds `new`, `cur` and `tmp`.
    pub path: PathBuf,
    /// Folder of sent mail, relative to `path`; empty: there is none.
    #[serde(default = "default_sent")]
    pub sent: String,
    /// Folder of drafts, relative to `path`; empty: there is none.
    #[serde(default = "default_drafts")]
    pub drafts: String,
    /// Seconds between two looks when nothing hints at a change.
    #[serde(default = "default_rescan_secs")]
    pub rescan_secs: u64,
    /// How many of the newest old messages of each folder are recorded at first start.
    #[serde(default = "default_history_messages_max")]
    pub history_messages_max: usize,
}

fn default_sent() -> String {
    ".Sent".to_owned()
}

fn default_drafts() -> String {
    ".Drafts".to_owned()
}

fn default_rescan_secs() -> u64 {
    60
}

fn default_history_messages_max() -> usize {
    HISTORY_MESSAGES_MAX_DEFAULT
}

impl MaildirSettings {
    /// The settings of a Maildir at `path`, everything else as by default.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> MaildirSettings {
        MaildirSettings {
            path: path.into(),
            sent: default_sent(),
            drafts: default_drafts(),
            rescan_secs: default_rescan_secs(),
            history_messages_max: default_history_messages_max(),
        }
    }

    /// What is wrong with the values themselves, as `key: reason`; nothing is looked up on disk.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.path.as_os_str().is_empty() {
            problems.push("path: is empty; name the folder that holds new, cur and tmp".to_owned());
        }
        for (key, folder) in [("sent", &self.sent), ("drafts", &self.drafts)] {
            let plain = folder.starts_with('.') && folder.len() > 1 && !folder.contains("..");
            if !folder.is_empty() && (!plain || folder.contains('/')) {
                problems.push(format!(
                    "{key}: `{folder}` is no Maildir++ folder; it begins with a dot and has no \
                     slash, like .Sent or .Sent.2026"
                ));
            }
        }
        if self.rescan_secs < RESCAN_SECS_MIN {
            problems.push(format!("rescan_secs: at least {RESCAN_SECS_MIN}"));
        }
        problems
    }
}
