//! Sends mail through a submission server (RFC 5321, RFC 6409, RFC 4954).

mod settings;

pub use settings::SmtpSettings;

/// One submission server and login.
#[derive(Debug)]
pub struct SmtpTransport {
    settings: SmtpSettings,
}

impl SmtpTransport {
    /// A transport; connects only when something is sent.
    #[must_use]
    pub fn new(settings: SmtpSettings) -> SmtpTransport {
        SmtpTransport { settings }
    }
}
