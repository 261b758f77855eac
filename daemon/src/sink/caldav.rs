//! A collection on a CalDAV server as a calendar.

mod settings;

pub use settings::{CaldavSettings, CaldavSettingsError, CaldavTls};
