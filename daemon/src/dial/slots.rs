//! How many servers are dialled at the same time: a start with a thousand mailboxes, or the end of
//! an outage, is a queue and not a storm.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Dials in flight, to all servers together.
const DIALS_MAX: usize = 32;
/// Dials in flight to one server, so that one that is dead cannot use up all of them.
const DIALS_PER_HOST_MAX: usize = 8;

/// The whole process has one network.
static ALL: Semaphore = Semaphore::const_new(DIALS_MAX);
// A short lock without await. Entries that nobody dials are dropped at the next dial.
static HOSTS: Mutex<BTreeMap<String, Arc<Semaphore>>> = Mutex::new(BTreeMap::new());

/// Held from the dial until the session stands, or failed.
#[derive(Debug)]
pub struct DialSlot {
    _host: Option<OwnedSemaphorePermit>,
    _all: Option<SemaphorePermit<'static>>,
}

/// Waits until `host` may be dialled. First come, first served; cancel-safe.
pub async fn slot(host: &str) -> DialSlot {
    let of_host = {
        let mut hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, slots| Arc::strong_count(slots) > 1);
        let new = || Arc::new(Semaphore::new(DIALS_PER_HOST_MAX));
        hosts.entry(host.to_owned()).or_insert_with(new).clone()
    };
    // Neither is ever closed, so neither can fail; without one there would only be no limit.
    DialSlot {
        _host: of_host.acquire_owned().await.ok(),
        _all: ALL.acquire().await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_dead_server_takes_its_own_slots_only() {
        let mut held = Vec::new();
        for _ in 0..DIALS_PER_HOST_MAX {
            held.push(slot("dead.example.com").await);
        }
        assert!(slot("dead.example.com").now_or_never().is_none());
        assert!(slot("alive.example.com").now_or_never().is_some());
        held.pop();
        assert!(slot("dead.example.com").now_or_never().is_some());
    }
}
