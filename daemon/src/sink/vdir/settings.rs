//! Settings of a vdir.

use std::path::PathBuf;

use serde::Deserialize;

use crate::sink::collection::{default_gone_percent_max, gone_percent_problem};

/// A folder with one `.ics` file per calendar object (vdirsyncer's vdir).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VdirSettings {
    /// The folder.
    pub path: PathBuf,
    /// Seconds between two looks when nothing hints at a change.
    #[serde(default = "default_rescan_secs")]
    pub rescan_secs: u64,
    /// Largest part of the collection, in percent, that may be gone at one look; more is taken
    /// for an accident (a disk that is not mounted). 100 switches the guard off.
    #[serde(default = "default_gone_percent_max")]
    pub gone_percent_max: u8,
}

fn default_rescan_secs() -> u64 {
    600
}

impl VdirSettings {
    /// The settings of a vdir at `path`, everything else as by default.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> VdirSettings {
        VdirSettings {
            path: path.into(),
            rescan_secs: default_rescan_secs(),
            gone_percent_max: default_gone_percent_max(),
        }
    }

    /// What is wrong with the values themselves, as `key: reason`; nothing is looked up on disk.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.path.as_os_str().is_empty() {
            problems.push("path: is empty; name the folder that holds the .ics files".to_owned());
        }
        if self.rescan_secs == 0 {
            problems.push("rescan_secs: at least 1".to_owned());
        }
        problems.extend(gone_percent_problem(self.gone_percent_max));
        problems
    }
}
