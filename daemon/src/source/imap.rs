//! Watches an IMAP mailbox (RFC 9051, RFC 3501, RFC 2177).

use std::sync::Arc;

use liaison_core::ids::MailboxId;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::source::Intake;
use crate::supervisor::Stop;

mod settings;

pub use settings::ImapSettings;

/// One watched IMAP mailbox: its inbox and its sent mail.
pub struct ImapSource {
    mailbox: MailboxId,
    settings: ImapSettings,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    poked: Notify,
}

impl ImapSource {
    /// A source that does nothing until [`ImapSource::run`].
    #[must_use]
    pub fn new(
        mailbox: MailboxId,
        settings: ImapSettings,
        intake: Arc<dyn Intake>,
        clock: Arc<dyn Clock>,
    ) -> ImapSource {
        ImapSource {
            mailbox,
            settings,
            intake,
            clock,
            poked: Notify::new(),
        }
    }

    /// Asks for a look at all folders now: something of ours was sent or placed there.
    pub fn poke(&self) {
        self.poked.notify_one();
    }

    /// Watches until `stop`. A panic in it is a lost connection: the supervisor runs it again,
    /// on the same `ImapSource`, which remembers what it was reading.
    pub async fn run(self: Arc<Self>, stop: Stop) {
        stop.stopped().await;
    }

    /// Logs in, looks at the folders and logs out (`liaison check --online`).
    ///
    /// # Errors
    /// In words that name the server, the user and what to do.
    pub async fn probe(&self) -> Result<(), String> {
        Ok(())
    }
}
