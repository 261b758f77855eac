//! Connections that stay open between mails, so that a mail does not pay for a handshake and a
//! login each time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::session::Session;

/// Most mails over one connection; servers count them, and put off or refuse what comes after.
const MAILS_PER_CONNECTION_MAX: u32 = 50;
/// Longest rest between two mails. Servers wait five minutes (RFC 5321 section 4.5.3.2.7), what
/// lies between us and them often less.
const REST_MAX: Duration = Duration::from_secs(60);

/// Connections that carried a mail to its end and may carry another. Each is in here or in the
/// hands of one attempt: an attempt that is dropped takes its connection with it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    // A short lock without await.
    resting: Mutex<Vec<Resting>>,
}

#[derive(Debug)]
struct Resting {
    session: Session,
    since: Instant,
}

impl Kept {
    /// The connection that rested shortest.
    pub(super) fn take(&self) -> Option<Session> {
        let newest = self.lock().pop()?;
        (newest.since.elapsed() < REST_MAX).then_some(newest.session)
    }

    /// Keeps a connection for the next mail, or says goodbye.
    pub(super) async fn put(&self, session: Session) {
        if session.mails() >= MAILS_PER_CONNECTION_MAX {
            return session.quit().await;
        }
        let since = Instant::now();
        self.lock().push(Resting { session, since });
    }

    /// Says goodbye where nothing was sent for [`REST_MAX`].
    pub(super) async fn close_unused(&self) {
        self.close_where(|resting| resting.since.elapsed() >= REST_MAX)
            .await;
    }

    /// Says goodbye to all.
    pub(super) async fn close(&self) {
        self.close_where(|_| true).await;
    }

    async fn close_where(&self, ends: impl Fn(&Resting) -> bool) {
        let ending: Vec<Resting> = {
            let mut resting = self.lock();
            let (ending, staying) = resting.drain(..).partition(ends);
            *resting = staying;
            ending
        };
        join_all(ending.into_iter().map(|resting| resting.session.quit())).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Resting>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
