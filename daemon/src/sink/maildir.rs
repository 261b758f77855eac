//! A Maildir as a place for mail.

mod settings;

pub use settings::MaildirTransportSettings;
