//! How far a start of the store is, for whoever waits.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// What is being done, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Step {
    /// In words: `repeating the journal`.
    pub what: &'static str,
    /// How many rows or frames are done.
    pub done: u64,
    /// Of how many, where that is known.
    pub of: Option<u64>,
}

impl Step {
    /// In words, with the part that is done.
    #[must_use]
    pub fn words(&self) -> String {
        match self.of {
            Some(of) => format!("{} ({} of {of})", self.what, self.done),
            None if self.done > 0 => format!("{} ({})", self.what, self.done),
            None => self.what.to_owned(),
        }
    }
}

/// Told by the thread that opens the store, read by others.
#[derive(Debug)]
pub struct Progress {
    // A short lock without await.
    step: Mutex<Step>,
    locked: tokio::sync::watch::Sender<bool>,
}

impl Default for Progress {
    fn default() -> Progress {
        let step = Step {
            what: "waiting for the lock of the store",
            done: 0,
            of: None,
        };
        Progress {
            step: Mutex::new(step),
            locked: tokio::sync::watch::Sender::new(false),
        }
    }
}

impl Progress {
    /// What is being done now.
    #[must_use]
    pub fn step(&self) -> Step {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes when the lock of the store is ours.
    pub async fn until_locked(&self) {
        // The sender is `self`: it cannot go away meanwhile.
        let _ = self.locked.subscribe().wait_for(|locked| *locked).await;
    }

    pub(super) fn locked(&self) {
        self.begin("opening the store", None);
        self.locked.send_replace(true);
    }

    /// Something else is done from here on; into the log, too.
    pub fn begin(&self, what: &'static str, of: Option<u64>) {
        tracing::info!("store: {what}");
        let step = Step { what, done: 0, of };
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    pub(super) fn done(&self, done: u64) {
        self.step
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .done = done;
    }
}
