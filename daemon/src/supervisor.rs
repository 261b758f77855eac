//! The one place that spawns tasks and stops them.
//!
//! A task has a name, a [`Stop`] that it must heed, and a factory that can start it again. A task
//! that ends or panics before it was told to stop is started again after a growing delay; what
//! it did is in the log and in [`Supervisor::tasks`].

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

/// Delay before the first restart of a task that ended on its own.
const RESTART_DELAY_FIRST: Duration = Duration::from_millis(500);
/// Longest delay before a restart.
const RESTART_DELAY_MAX: Duration = Duration::from_secs(60);
/// How long an aborted task is waited for: one that never awaits cannot be aborted at all.
const ABORT_LIMIT: Duration = Duration::from_secs(1);
/// How long a task may take to heed its stop before it is aborted.
pub const STOP_LIMIT: Duration = Duration::from_secs(10);
/// The same while something is [`Awaited`]. The service file grants a little more.
pub const AWAITED_LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked whether something is still awaited.
const AWAITED_LOOK: Duration = Duration::from_millis(100);

/// How work with an end ended that was done.
const DONE: &str = "done";

/// Tells a task that it should end, and lets it wait in a way that shutdown interrupts.
#[derive(Debug, Clone, Default)]
pub struct Stop(CancellationToken);

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The time passed.
    Elapsed,
    /// The task should end.
    Stopped,
}

impl Stop {
    /// A new one that nobody has triggered.
    #[must_use]
    pub fn new() -> Stop {
        Stop::default()
    }

    /// One that is also triggered when `self` is.
    #[must_use]
    pub fn child(&self) -> Stop {
        Stop(self.0.child_token())
    }

    /// Asks all holders to end.
    pub fn trigger(&self) {
        self.0.cancel();
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Completes when the end is asked for. Cancel-safe.
    pub async fn stopped(&self) {
        self.0.cancelled().await;
    }

    /// Waits for `length` or the stop, whichever is first. Cancel-safe.
    pub async fn sleep(&self, length: Duration) -> Waited {
        #[expect(clippy::disallowed_methods, reason = "the one home of waiting")]
        let sleep = tokio::time::sleep(length);
        tokio::select! {
            () = self.0.cancelled() => Waited::Stopped,
            () = sleep => Waited::Elapsed,
        }
    }
}

/// Counts what must not be cut off lightly, such as a server's verdict on a mail that it has: the stop
/// waits longer for it.
#[derive(Debug, Clone, Default)]
pub struct Awaited(Arc<()>);

impl Awaited {
    /// Something is awaited as long as what is returned lives.
    #[must_use]
    pub fn one(&self) -> Awaited {
        self.clone()
    }

    /// `own`: how many of these only count.
    fn any(&self, own: usize) -> bool {
        Arc::strong_count(&self.0) > own
    }
}

/// What became of a task so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskState {
    /// It runs now.
    pub running: bool,
    /// How often it had to be started again.
    pub restarts: u32,
    /// Why it ended last.
    pub last_end: Option<String>,
}

#[derive(Debug)]
struct Task {
    name: String,
    /// Looks after the work and sees its end.
    handle: JoinHandle<()>,
    /// The work itself, a task of its own: who ends only `handle` lets it run on.
    work: Arc<Mutex<Option<AbortHandle>>>,
}

/// Owns all tasks of the process.
#[derive(Debug, Clone, Default)]
pub struct Supervisor {
    stop: Stop,
    handles: Arc<Mutex<Vec<Task>>>,
    awaited: Arc<Mutex<Vec<Awaited>>>,
    // A short lock without await: states are only copied in and out.
    states: Arc<Mutex<BTreeMap<String, TaskState>>>,
}

impl Supervisor {
    /// A supervisor without tasks.
    #[must_use]
    pub fn new() -> Supervisor {
        Supervisor::default()
    }

    /// The stop that ends everything.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Waits up to [`AWAITED_LIMIT`] at the stop while something of `awaited` lives.
    pub fn wait_for(&self, awaited: &Awaited) {
        let mut all = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(awaited.clone());
    }

    fn awaits(&self) -> bool {
        let all = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        // One of each is ours, and one is its owner's.
        all.iter().any(|awaited| awaited.any(2))
    }

    /// Whether a task ends before `deadline`, or before `last` while something is awaited.
    async fn ends(
        &self,
        handle: &mut JoinHandle<()>,
        (deadline, last): (tokio::time::Instant, tokio::time::Instant),
    ) -> bool {
        loop {
            let now = tokio::time::Instant::now();
            let until = match self.awaits() {
                true => last.min(now.max(deadline) + AWAITED_LOOK),
                false => deadline,
            };
            if tokio::time::timeout_at(until, &mut *handle).await.is_ok() {
                return true;
            }
            let now = tokio::time::Instant::now();
            if now >= last || (now >= deadline && !self.awaits()) {
                return false;
            }
        }
    }

    /// States of all tasks, by name.
    #[must_use]
    pub fn tasks(&self) -> BTreeMap<String, TaskState> {
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Runs the task made by `make`, and again whenever it ends before the stop.
    pub fn spawn<F, T>(&self, name: &str, make: F)
    where
        F: Fn(Stop) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let (name, stop, states) = (name.to_owned(), self.stop.child(), self.states.clone());
        let task_name = name.clone();
        let work = Arc::new(Mutex::new(None));
        let current = work.clone();
        #[expect(clippy::disallowed_methods, reason = "the one home of spawning")]
        let handle = tokio::spawn(async move {
            let mut delay = RESTART_DELAY_FIRST;
            while !stop.is_set() {
                note(&states, &name, |state| state.running = true);
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a task of its own contains a panic"
                )]
                let running = tokio::spawn(make(stop.clone()));
                *current.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(running.abort_handle());
                let ended = running.await;
                let why = end_words(ended.as_ref().err());
                note(&states, &name, |state| {
                    state.running = false;
                    state.last_end = Some(why.clone());
                });
                if stop.is_set() {
                    break;
                }
                tracing::error!(task = %name, %why, restart_in_ms = delay.as_millis(), "task ended");
                note(&states, &name, |state| {
                    state.restarts = state.restarts.saturating_add(1)
                });
                if stop.sleep(delay).await == Waited::Stopped {
                    break;
                }
                delay = (delay * 2).min(RESTART_DELAY_MAX);
            }
        });
        self.handles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Task {
                name: task_name,
                handle,
                work,
            });
    }

    /// Runs a task that goes on until the stop and cannot be started again, such as one that owns a
    /// listener.
    pub fn spawn_once<T>(&self, name: &str, task: T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        self.spawn_single(name, task, false);
    }

    /// Runs a piece of work that has an end: done once, it is over.
    pub fn spawn_work<T>(&self, name: &str, work: T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        self.spawn_single(name, work, true);
    }

    fn spawn_single<T>(&self, name: &str, task: T, has_end: bool)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let (name, stop, states) = (name.to_owned(), self.stop.child(), self.states.clone());
        let task_name = name.clone();
        #[expect(clippy::disallowed_methods, reason = "the one home of spawning")]
        let inner = tokio::spawn(task);
        let work = Arc::new(Mutex::new(Some(inner.abort_handle())));
        #[expect(clippy::disallowed_methods, reason = "the one home of spawning")]
        let handle = tokio::spawn(async move {
            note(&states, &name, |state| state.running = true);
            let ended = inner.await;
            let done = has_end && ended.is_ok() && !stop.is_set();
            let why = match done {
                true => DONE.to_owned(),
                false => end_words(ended.err().as_ref()),
            };
            note(&states, &name, |state| {
                state.running = false;
                state.last_end = Some(why.clone());
            });
            if done {
                tracing::debug!(task = %name, "task done");
            } else if !stop.is_set() {
                tracing::error!(task = %name, %why, "task ended, and cannot be started again");
            }
        });
        self.handles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Task {
                name: task_name,
                handle,
                work,
            });
    }

    /// Asks all tasks to end, waits at most [`STOP_LIMIT`] for all of them together, or
    /// [`AWAITED_LIMIT`] while something is awaited, then aborts what is left. Returns the names of
    /// the aborted ones.
    pub async fn shut_down(&self) -> Vec<String> {
        self.stop.trigger();
        let handles =
            std::mem::take(&mut *self.handles.lock().unwrap_or_else(PoisonError::into_inner));
        let now = tokio::time::Instant::now();
        let limits = (now + STOP_LIMIT, now + AWAITED_LIMIT);
        let mut aborted = Vec::new();
        for task in handles {
            let Task {
                name,
                mut handle,
                work,
            } = task;
            if !self.ends(&mut handle, limits).await {
                let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(work) = work {
                    work.abort();
                }
                // Awaited again, so that nothing of it still holds the store.
                if tokio::time::timeout(ABORT_LIMIT, &mut handle)
                    .await
                    .is_err()
                {
                    handle.abort();
                }
                aborted.push(name);
            }
        }
        aborted
    }
}

fn note(
    states: &Mutex<BTreeMap<String, TaskState>>,
    name: &str,
    change: impl FnOnce(&mut TaskState),
) {
    let mut states = states.lock().unwrap_or_else(PoisonError::into_inner);
    change(states.entry(name.to_owned()).or_default());
}

fn end_words(error: Option<&JoinError>) -> String {
    match error {
        None => "returned".to_owned(),
        Some(error) if error.is_panic() => "panicked".to_owned(),
        Some(_) => "was aborted".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_started_again_and_the_others_go_on() {
        let supervisor = Supervisor::new();
        let runs = Arc::new(AtomicU32::new(0));
        let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
        let counted = runs.clone();
        supervisor.spawn("fragile", move |stop| {
            let (counted, sender) = (counted.clone(), sender.clone());
            async move {
                assert!(
                    counted.fetch_add(1, Ordering::SeqCst) > 0,
                    "first run fails"
                );
                sender.send(()).await.unwrap();
                stop.stopped().await;
            }
        });
        receiver.recv().await.unwrap();
        let state = supervisor.tasks()["fragile"].clone();
        assert_eq!((state.running, state.restarts), (true, 1));
        assert_eq!(state.last_end.as_deref(), Some("panicked"));
        assert!(supervisor.shut_down().await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ignores_the_stop_is_aborted_and_named() {
        let supervisor = Supervisor::new();
        supervisor.spawn("deaf", |_stop| std::future::pending());
        tokio::task::yield_now().await;
        assert_eq!(supervisor.shut_down().await, ["deaf"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_awaited_has_a_minute_and_others_are_aborted_when_it_is_done() {
        for (takes, aborted) in [(30, vec![]), (90, vec!["mail"])] {
            let supervisor = Supervisor::new();
            let awaited = Awaited::default();
            supervisor.wait_for(&awaited);
            supervisor.spawn("mail", move |stop| {
                let verdict = awaited.one();
                async move {
                    stop.stopped().await;
                    Stop::new().sleep(Duration::from_secs(takes)).await;
                    drop(verdict);
                }
            });
            tokio::task::yield_now().await;
            let began = tokio::time::Instant::now();
            assert_eq!(supervisor.shut_down().await, aborted);
            assert_eq!(began.elapsed().as_secs(), takes.min(60));
        }
    }

    /// What was done once is no trouble; what panicked in it, or should have gone on, is.
    #[tokio::test(start_paused = true)]
    async fn work_that_has_an_end_is_done_and_a_task_without_one_ended_too_early() {
        type Spawn = fn(&Supervisor);
        let cases: [(Spawn, &str, bool); 3] = [
            (|on| on.spawn_work("it", async {}), "done", false),
            (
                |on| on.spawn_work("it", async { panic!("no") }),
                "panicked",
                true,
            ),
            (|on| on.spawn_once("it", async {}), "returned", true),
        ];
        for (spawn, end, is_error) in cases {
            let errors = Errors::default();
            let _logged = tracing::subscriber::set_default(errors.clone());
            let supervisor = Supervisor::new();
            spawn(&supervisor);
            while supervisor
                .tasks()
                .get("it")
                .is_none_or(|it| it.last_end.is_none())
            {
                tokio::task::yield_now().await;
            }
            tokio::task::yield_now().await;
            let state = supervisor.tasks()["it"].clone();
            assert_eq!((state.running, state.restarts), (false, 0), "{end}");
            assert_eq!(state.last_end.as_deref(), Some(end));
            assert_eq!(errors.0.load(Ordering::SeqCst) > 0, is_error, "{end}");
        }
    }

    /// Counts what is logged as an error.
    #[derive(Debug, Clone, Default)]
    struct Errors(Arc<AtomicU32>);

    impl tracing::Subscriber for Errors {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() == tracing::Level::ERROR
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }

        fn enter(&self, _: &tracing::span::Id) {}

        fn exit(&self, _: &tracing::span::Id) {}
    }

    /// What an aborted task holds (the store) is free when the shutdown is over.
    #[tokio::test(start_paused = true)]
    async fn nothing_of_an_aborted_task_runs_on() {
        let supervisor = Supervisor::new();
        let held = Arc::new(());
        let by_restartable = held.clone();
        supervisor.spawn("deaf", move |_stop| {
            let held = by_restartable.clone();
            async move {
                let _held = held;
                std::future::pending().await
            }
        });
        let by_single = held.clone();
        supervisor.spawn_once("deaf too", async move {
            let _held = by_single;
            std::future::pending().await
        });
        tokio::task::yield_now().await;
        assert_eq!(supervisor.shut_down().await, ["deaf", "deaf too"]);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
