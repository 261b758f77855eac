//! Dedicated threads for plugin calls, behind a bounded queue.
//!
//! A handler computes and never waits, so it runs on a thread of its own kind: it cannot hold up
//! the async threads, and the queue is the back-pressure in front of the instance pool. Besides
//! the supervisor's, these are the only threads that the daemon starts.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use liaison_core::happening::PluginEvent;
use tokio::sync::{mpsc, oneshot};

use super::{CallReport, Plugin, PluginWorld};

/// Calls waiting for a thread, per thread.
const QUEUE_PER_THREAD: usize = 16;
/// Most threads: well below the pool's instances.
const THREADS_MAX: usize = 32;

/// One call to be made.
pub struct Call {
    /// Which plugin.
    pub plugin: Arc<Plugin>,
    /// What happened.
    pub event: PluginEvent,
    /// Settings as JSON text, from [`Plugin::settings`].
    pub settings: Arc<str>,
    /// The snapshot.
    pub world: Box<dyn PluginWorld>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("plugin", &self.plugin)
            .field("event", &self.event.id)
            .finish_non_exhaustive()
    }
}

/// A call was not made.
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    /// The threads have been stopped.
    #[error("the plugin threads have been stopped")]
    Stopped,
    /// The host itself failed; the thread goes on with the next call.
    #[error("the plugin host failed inside a call: look for a panic in the log and report it")]
    Broken,
    /// A thread cannot be started.
    #[error("a plugin thread does not start")]
    Spawn(#[source] std::io::Error),
}

struct Job {
    call: Call,
    answer: oneshot::Sender<CallReport>,
}

/// The plugin threads. Dropping it lets them end after the calls in the queue.
#[derive(Debug)]
pub struct Workers {
    queue: mpsc::Sender<Job>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts `threads` threads (at least one, at most 32).
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(threads: usize) -> Result<Workers, WorkersError> {
        let threads = threads.clamp(1, THREADS_MAX);
        let (queue, jobs) = mpsc::channel(threads.saturating_mul(QUEUE_PER_THREAD));
        let jobs = Arc::new(Mutex::new(jobs));
        let started = (0..threads)
            .map(|number| {
                let jobs = jobs.clone();
                std::thread::Builder::new()
                    .name(format!("plugin-{number}"))
                    .spawn(move || work(&jobs))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(WorkersError::Spawn)?;
        Ok(Workers {
            queue,
            threads: started,
        })
    }

    /// Makes a call; waits while the queue is full. Order is the queue's, so that calls that must
    /// not overtake one another are awaited one after the other.
    ///
    /// # Errors
    /// When the threads are gone, or the host itself failed.
    pub async fn call(&self, call: Call) -> Result<CallReport, WorkersError> {
        let (answer, report) = oneshot::channel();
        self.queue
            .send(Job { call, answer })
            .await
            .map_err(|_| WorkersError::Stopped)?;
        report.await.map_err(|_| WorkersError::Broken)
    }

    /// Lets the threads finish what is in the queue and waits for them. Blocks.
    pub fn stop(self) {
        let Workers { queue, threads } = self;
        drop(queue);
        for thread in threads {
            // A worker catches panics of calls; if it still died, the panic is in the log.
            let _ = thread.join();
        }
    }
}

fn work(jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let next = jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        let Some(Job { call, answer }) = next else {
            break;
        };
        let made = std::panic::catch_unwind(AssertUnwindSafe(|| {
            call.plugin.call(&call.event, call.settings, call.world)
        }));
        match made {
            // Whoever asked may have gone; the report is then nobody's.
            Ok(report) => drop(answer.send(report)),
            Err(_) => drop(answer),
        }
    }
}
