//! A Maildir as a source of mail.

mod settings;

pub use settings::MaildirSettings;
