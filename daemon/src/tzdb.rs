//! Which time zone database is used: the newer one of the system's and the one compiled in.
//!
//! Governments change their clocks on short notice, so an old database moves meetings by an hour.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZoneDatabase;
use liaison_core::time::{DAY_MS, Timestamp};
use liaison_core::zones::{self, Version};

/// Where systems keep theirs.
const SYSTEM: &str = "/usr/share/zoneinfo";
/// The file whose first line tells its version.
const VERSION_FILE: &str = "tzdata.zi";
/// How much of it is read.
const VERSION_BYTES_MAX: u64 = 64;
/// A database of a year that ended longer ago may be wrong somewhere by now.
const OLD_MS: i64 = 270 * DAY_MS;

/// Installs the newer database; once, before anything asks for a zone.
pub fn install() {
    if let Some((folder, version)) = newer(Path::new(SYSTEM), zones::bundled_version()) {
        // One that cannot be read leaves the one compiled in.
        if let Ok(database) = TimeZoneDatabase::from_dir(&folder)
            && database.get("Europe/Berlin").is_ok()
        {
            zones::install(database, version);
        }
    }
}

/// The database in `folder`, where it is newer than `bundled`.
fn newer(folder: &Path, bundled: Option<Version>) -> Option<(PathBuf, Version)> {
    let there = version_in(folder).ok()??;
    let is_newer = bundled.is_none_or(|bundled| there > bundled);
    is_newer.then(|| (folder.to_owned(), there))
}

fn version_in(folder: &Path) -> io::Result<Option<Version>> {
    let mut head = Vec::new();
    let file = File::open(folder.join(VERSION_FILE))?;
    file.take(VERSION_BYTES_MAX).read_to_end(&mut head)?;
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().next().unwrap_or_default();
    let version = line.strip_prefix("# version ");
    Ok(version.and_then(|version| version.trim().parse().ok()))
}

/// Where the database in use is from, in words.
#[must_use]
pub fn origin() -> &'static str {
    match zones::version() == zones::bundled_version().as_ref() {
        true => "compiled in",
        false => SYSTEM,
    }
}

/// Whether the database in use is so old that a change of some clock is likely to be missing.
#[must_use]
pub fn is_old(now: Timestamp) -> bool {
    let then = now.minus_millis(OLD_MS).to_jiff();
    let year = then.to_zoned(jiff::tz::TimeZone::UTC).year();
    zones::version().is_some_and(|version| i32::from(version.year()) < i32::from(year))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_counts_where_its_files_are_newer() {
        let bundled: Version = "2026b".parse().unwrap();
        for (text, expected) in [
            ("# version 2026c\n# more\n", Some("2026c")),
            ("# version 2026b\n", None),
            ("# version 2025b\n", None),
            ("# version soon\n", None),
            ("garbage", None),
            ("", None),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(VERSION_FILE), text).unwrap();
            let found = newer(folder.path(), Some(bundled.clone()));
            let found = found.map(|(_, version)| version.to_string());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
        let none = tempfile::tempdir().unwrap();
        assert_eq!(newer(none.path(), Some(bundled)), None);
    }

    #[test]
    fn a_database_is_old_when_its_year_is_over_for_nine_months() {
        let year = zones::version().unwrap().year();
        let at = |text: &str| format!("{}{text}", year + 1).parse::<Timestamp>().unwrap();
        assert!(!is_old(at("-09-01T00:00:00Z")));
        assert!(is_old(at("-11-01T00:00:00Z")));
    }
}
