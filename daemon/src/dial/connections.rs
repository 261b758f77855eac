//! How many connections are kept beside those that watch: a login has few, and so may a server.
//!
//! A connection that watches or files is opened whenever it is needed. One that only does what can
//! wait takes a slot first, and gives it back early when another mailbox waits for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Of the connections of a login, those that are never waited for: one watches, one files what we
/// sent and drafted.
pub const CONNECTIONS_RESERVED: usize = 2;
/// Work connections to one server at a time; with more than that the others wait their turn.
const WORK_PER_HOST_MAX: usize = 50;
/// How long a login gets no work connection after its server said that it has too many.
const LOWERED_FOR: Duration = Duration::from_secs(60 * 60);

#[derive(Debug)]
struct Gate {
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Gate {
    fn new(slots: usize) -> Arc<Gate> {
        Arc::new(Gate {
            slots: Arc::new(Semaphore::new(slots)),
            waiting: AtomicUsize::new(0),
        })
    }

    async fn enter(self: Arc<Gate>) -> Slot {
        let waits = Waits::new(&self.waiting);
        // Never closed, so it cannot fail; without a permit there would only be no limit.
        let permit = self.slots.clone().acquire_owned().await.ok();
        drop(waits);
        Slot {
            gate: self,
            _permit: permit,
        }
    }
}

/// Counted among those who wait, also when the wait is given up.
struct Waits<'a>(&'a AtomicUsize);

impl Waits<'_> {
    fn new(count: &AtomicUsize) -> Waits<'_> {
        count.fetch_add(1, Ordering::Relaxed);
        Waits(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Slot {
    gate: Arc<Gate>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// Held as long as a work connection is open.
#[derive(Debug)]
pub struct WorkSlot {
    login: Slot,
    host: Slot,
}

impl WorkSlot {
    /// Whether another mailbox waits for this slot.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        let waits = |slot: &Slot| slot.gate.waiting.load(Ordering::Relaxed) > 0;
        waits(&self.login) || waits(&self.host)
    }
}

type Gates<K> = Mutex<BTreeMap<K, Arc<Gate>>>;
/// Server and user.
type Login = (String, String);

// Short locks without await. Entries that nobody uses are dropped at the next use.
static LOGINS: Gates<Login> = Mutex::new(BTreeMap::new());
static HOSTS: Gates<String> = Mutex::new(BTreeMap::new());
static LOWERED: Mutex<BTreeMap<Login, Instant>> = Mutex::new(BTreeMap::new());

fn gate<K: Ord>(gates: &Gates<K>, key: K, slots: usize) -> Arc<Gate> {
    let mut gates = gates.lock().unwrap_or_else(PoisonError::into_inner);
    gates.retain(|_, gate| Arc::strong_count(gate) > 1);
    gates.entry(key).or_insert_with(|| Gate::new(slots)).clone()
}

/// Waits until `user` may have one more connection to `host`, of `most` in all. First come, first
/// served; cancel-safe.
pub async fn work_slot(host: &str, user: &str, most: usize) -> WorkSlot {
    let slots = most.saturating_sub(CONNECTIONS_RESERVED).max(1);
    let login = gate(&LOGINS, (host.to_owned(), user.to_owned()), slots);
    let host = gate(&HOSTS, host.to_owned(), WORK_PER_HOST_MAX);
    WorkSlot {
        login: login.enter().await,
        host: host.enter().await,
    }
}

/// The server has too many connections of `user`: no work connection for an hour.
pub fn lower(host: &str, user: &str) {
    let mut lowered = LOWERED.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    lowered.retain(|_, until| *until > now);
    lowered.insert((host.to_owned(), user.to_owned()), now + LOWERED_FOR);
}

/// Whether `user` gets no work connection to `host` now.
#[must_use]
pub fn is_lowered(host: &str, user: &str) -> bool {
    let lowered = LOWERED.lock().unwrap_or_else(PoisonError::into_inner);
    let until = lowered.get(&(host.to_owned(), user.to_owned()));
    until.is_some_and(|until| *until > Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_login_has_what_it_was_given_and_hears_of_who_waits() {
        let host = "login.connections.example.com";
        let first = work_slot(host, "alice", 4).await;
        let second = work_slot(host, "alice", 4).await;
        assert!(!first.is_wanted());
        let mut third = Box::pin(work_slot(host, "alice", 4));
        assert!((&mut third).now_or_never().is_none());
        assert!(first.is_wanted() && second.is_wanted());
        assert!(work_slot(host, "bob", 4).now_or_never().is_some());
        drop(second);
        let third = third.now_or_never();
        assert!(third.is_some() && !first.is_wanted());
    }

    #[tokio::test]
    async fn who_gave_up_waiting_is_not_waited_for() {
        let host = "gone.connections.example.com";
        let first = work_slot(host, "alice", 3).await;
        let mut second = Box::pin(work_slot(host, "alice", 3));
        assert!((&mut second).now_or_never().is_none());
        drop(second);
        assert!(!first.is_wanted());
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_connections_are_remembered_for_an_hour() {
        let host = "lowered.connections.example.com";
        assert!(!is_lowered(host, "alice"));
        lower(host, "alice");
        assert!(is_lowered(host, "alice") && !is_lowered(host, "bob"));
        tokio::time::advance(LOWERED_FOR).await;
        assert!(!is_lowered(host, "alice"));
    }
}
