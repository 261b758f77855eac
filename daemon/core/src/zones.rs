//! IANA zones by name, from the database compiled in.
//!
//! The system's zone files can be years old (and are I/O), so the core knows only the bundled
//! tzdb. Names of Windows, Outlook and Mozilla, and zones defined inside a calendar file, are
//! resolved by the calendar reader before they come here.

use std::sync::OnceLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

fn database() -> &'static TimeZoneDatabase {
    static BUNDLED: OnceLock<TimeZoneDatabase> = OnceLock::new();
    BUNDLED.get_or_init(TimeZoneDatabase::bundled)
}

/// The zone with this IANA name, such as `Europe/Berlin`; `None` when there is none.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    let name = name.trim();
    if name.eq_ignore_ascii_case("utc") {
        return Some(TimeZone::UTC);
    }
    database().get(name).ok()
}

/// The name of a zone as the database writes it, whatever the case that was given.
#[must_use]
pub fn written_name(name: &str) -> Option<String> {
    zone(name)?.iana_name().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::zone;

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
}
