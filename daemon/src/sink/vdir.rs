//! A vdir as a calendar.

mod settings;

pub use settings::VdirSettings;
