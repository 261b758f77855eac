//! The work connection of a mailbox: opened when something other than new mail is to be done,
//! closed when nothing was for [`IDLE_MAX`].
//!
//! It is leased to one at a time, in the order of asking, so that an effect waits for a slice of
//! history at most. Where a login may have no second connection ([`ImapSource::is_alone`]) the same
//! work runs on the connection that watches, between two looks.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{MutexGuard, Notify, oneshot};
use tokio::time::Instant;

use super::ImapSource;
use super::connection::Connection;
use super::open::{OpenError, open};
use super::suspects::Link;
use crate::dial::connections::{self, WorkSlot};

/// How long an unused work connection is kept.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(60);
/// Jobs that wait for the watching connection; it takes them at its next look.
const JOBS_MAX: usize = 16;

/// Something to do on the connection that watches; the future ends with what the caller waits for.
type Job = Box<dyn for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, ()> + Send>;

/// No work connection, or not to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkError {
    /// As for the connection that watches.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Whether the job did its work is not known.
    #[error("the connection was lost while it was worked on")]
    Lost,
    /// The job was not begun.
    #[error("{JOBS_MAX} jobs wait for the only connection of this login already")]
    Busy,
}

/// The work connection, and who waits for one.
#[derive(Default)]
pub(super) struct WorkLine {
    held: tokio::sync::Mutex<Option<Held>>,
    /// Jobs for the watching connection, where there is no other.
    jobs: Mutex<VecDeque<Job>>,
    /// Told when there is work to do.
    pub(super) wanted: Notify,
}

pub(super) struct Held {
    pub(super) connection: Connection,
    slot: WorkSlot,
    used: Instant,
}

impl WorkLine {
    /// The next job for the watching connection.
    pub(super) fn next_job(&self) -> Option<Job> {
        self.lock_jobs().pop_front()
    }

    fn push_job(&self, job: Job) -> Result<(), WorkError> {
        let mut jobs = self.lock_jobs();
        if jobs.len() >= JOBS_MAX {
            return Err(WorkError::Busy);
        }
        jobs.push_back(job);
        Ok(())
    }

    fn lock_jobs(&self) -> std::sync::MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the connection will have been unused for [`IDLE_MAX`]; `None` without one, and while
    /// somebody works on it.
    pub(super) fn closes_at(&self) -> Option<Instant> {
        let held = self.held.try_lock().ok()?;
        held.as_ref().map(|held| held.used + IDLE_MAX)
    }

    /// Closes the connection when it was unused for long, or another mailbox waits for its slot.
    pub(super) async fn close_unused(&self) {
        let old = match self.held.try_lock() {
            Ok(mut held) => {
                held.take_if(|held| held.slot.is_wanted() || held.used.elapsed() >= IDLE_MAX)
            }
            // In use.
            Err(_) => None,
        };
        if let Some(old) = old {
            Box::pin(old.connection.log_out()).await;
        }
    }

    /// Closes the connection when another mailbox waits for its slot.
    pub(super) async fn close_if_wanted(&self) {
        let wanted = match self.held.try_lock() {
            Ok(mut held) => held.take_if(|held| held.slot.is_wanted()),
            Err(_) => None,
        };
        if let Some(old) = wanted {
            Box::pin(old.connection.log_out()).await;
        }
    }

    /// Gives up the connection without a goodbye, where nobody works on it: the program ends.
    pub(super) fn drop_connection(&self) {
        if let Ok(mut held) = self.held.try_lock() {
            held.take();
        }
    }

    /// Closes the connection as soon as nobody works on it.
    pub(super) async fn close(&self) {
        if let Some(old) = self.held.lock().await.take() {
            Box::pin(old.connection.log_out()).await;
        }
    }
}

impl ImapSource {
    /// Whether there is only the connection that watches: as configured, or because the server
    /// said within the last hour that it has too many.
    pub(super) fn is_alone(&self) -> bool {
        let settings = &self.settings;
        !settings.may_work_beside() || connections::is_lowered(&settings.host, &settings.user)
    }

    /// Runs `job` on the work connection, which is opened for it where there is none, and gives
    /// what it came to.
    ///
    /// Jobs run one at a time, in the order of asking; between two of them the watcher reads Sent
    /// or a slice of history. A job opens the mailbox it wants itself (SELECT or EXAMINE), and may
    /// leave any open. It owns what it needs; whoever drops the returned future before its end
    /// gives up the connection, not the mailbox. A command that fails ends the connection: the
    /// next job gets another. New mail is not held up, but where a login has one connection only
    /// ([`ImapSource::is_alone`]): keep jobs short.
    ///
    /// # Errors
    /// [`WorkError::Lost`] is the only one after which the job may have done something.
    pub(crate) async fn on_work_connection<T, F>(&self, job: F) -> Result<T, WorkError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, T> + Send + 'static,
    {
        if !self.is_alone() {
            match self.lease().await {
                Ok(mut held) => {
                    let held = held.as_mut().ok_or(WorkError::Lost)?;
                    let done = job(&mut held.connection).await;
                    held.used = Instant::now();
                    self.work.wanted.notify_one();
                    return Ok(done);
                }
                Err(_) if self.is_alone() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (tell, told) = oneshot::channel();
        self.work.push_job(Box::new(move |connection| {
            Box::pin(async move {
                // What nobody waits for any more is not begun: it may be done elsewhere by now.
                if !tell.is_closed() {
                    let _ = tell.send(job(connection).await);
                }
            })
        }))?;
        self.poke();
        told.await.map_err(|_| WorkError::Lost)
    }

    /// The work connection, open and in step. `Some` is in it as long as the guard is held.
    pub(super) async fn lease(&self) -> Result<MutexGuard<'_, Option<Held>>, OpenError> {
        let mut held = self.work.held.lock().await;
        held.take_if(|held| !held.connection.is_in_step());
        if held.is_none() {
            let settings = &self.settings;
            let most = settings.connections_max;
            let slot = connections::work_slot(&settings.host, &settings.user, most).await;
            let mut connection = open(settings).await?;
            connection.link = Link::Work;
            *held = Some(Held {
                connection,
                slot,
                used: Instant::now(),
            });
        }
        if let Some(held) = held.as_mut() {
            held.used = Instant::now();
        }
        Ok(held)
    }
}
