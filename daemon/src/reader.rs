//! Reads messages off the async threads; the daemon's one home of that work.
//!
//! Reading a message is pure computing: some ten microseconds for a kilobyte, much longer for a
//! large one built to be slow. It happens on the blocking threads, at most [`READERS_MAX`] at a
//! time, so that a flood of mail takes neither the async threads nor all of the blocking ones,
//! which the store needs too. Only a small one by itself is read by who asks.

use std::panic::catch_unwind;

use bytes::Bytes;
use futures_util::future::join_all;
use liaison_core::mail::{MessageView, ParseLimits, parse_message};
use tokio::sync::Semaphore;

mod recent;

pub use recent::Recent;

/// Messages read at the same time: more than the cores of a small machine gain nothing, and each
/// may hold a message of 50 MiB and its decoded parts in memory.
pub const READERS_MAX: usize = 4;

/// A message up to this length is read by who asks, when it is the only one.
const SMALL_BYTES: usize = 16 * 1024;
/// Messages of one group, and their bytes.
const GROUP_MAX: usize = 25;
const GROUP_BYTES: usize = 512 * 1024;

static READERS: Semaphore = Semaphore::const_new(READERS_MAX);

/// The reader panicked over a message. That is this message's own trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("reading this message broke the reader; its bytes are kept")]
pub struct ReaderBroke;

/// Reads a message under the usual limits.
///
/// # Errors
/// When its bytes make the reader panic.
pub async fn read(bytes: Bytes) -> Result<MessageView, ReaderBroke> {
    if bytes.len() <= SMALL_BYTES {
        tokio::task::coop::consume_budget().await;
        return view(&bytes);
    }
    off_thread(move || view(&bytes)).await?
}

/// Reads several messages, in their order: small ones in groups, since handing a group from thread
/// to thread takes as long as handing one.
pub async fn read_all(all: Vec<Bytes>) -> Vec<Result<MessageView, ReaderBroke>> {
    let read = groups(all).into_iter().map(|group| async {
        let count = group.len();
        let views = off_thread(move || group.iter().map(view).collect()).await;
        views.unwrap_or_else(|broke| vec![Err(broke); count])
    });
    let read: Vec<Vec<_>> = join_all(read).await;
    read.into_iter().flatten().collect()
}

fn groups(all: Vec<Bytes>) -> Vec<Vec<Bytes>> {
    let mut groups: Vec<Vec<Bytes>> = Vec::new();
    let mut room: usize = 0;
    for bytes in all {
        match groups.last_mut() {
            Some(group) if group.len() < GROUP_MAX && bytes.len() <= room => {
                room = room.saturating_sub(bytes.len());
                group.push(bytes);
            }
            _ => {
                room = GROUP_BYTES.saturating_sub(bytes.len());
                groups.push(vec![bytes]);
            }
        }
    }
    groups
}

fn view(bytes: &Bytes) -> Result<MessageView, ReaderBroke> {
    catch_unwind(|| parse_message(bytes, &ParseLimits::default())).map_err(|_| ReaderBroke)
}

pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ReaderBroke> {
    // Never closed, so a permit always comes.
    let permit = READERS.acquire().await;
    // Awaited right here, so it needs no supervisor. The permit goes along: a caller that gives
    // up leaves the work running, and it counts until it ends.
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    done.await.map_err(|_| ReaderBroke)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Condvar, Mutex};

    use super::*;

    /// Twice as many as may run at a time: the first half runs together, nobody else begins.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn reading_blocks_no_async_thread_and_is_bounded() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let work = |_| {
            let (running, most, gate) = (running.clone(), most.clone(), gate.clone());
            off_thread(move || {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                let open = gate.0.lock().unwrap();
                drop(gate.1.wait_while(open, |open| !*open).unwrap());
                running.fetch_sub(1, Ordering::SeqCst);
            })
        };
        let all = futures_util::future::join_all((0..READERS_MAX * 2).map(work));
        let opener = async {
            // Runs on the only async thread while the readers block.
            while running.load(Ordering::SeqCst) < READERS_MAX {
                tokio::task::yield_now().await;
            }
            *gate.0.lock().unwrap() = true;
            gate.1.notify_all();
        };
        let (done, ()) = tokio::join!(all, opener);
        assert!(done.iter().all(Result::is_ok));
        assert_eq!(most.load(Ordering::SeqCst), READERS_MAX);
    }

    #[tokio::test]
    async fn groups_keep_the_order_and_every_message_its_own_end() {
        let mail = |n: usize, bytes: usize| {
            Bytes::from(format!("Subject: {n}\r\n\r\n{}", "x".repeat(bytes)))
        };
        let sizes = [10, GROUP_BYTES, 20, 0, GROUP_BYTES * 3, 5];
        let mut all: Vec<Bytes> = (0..GROUP_MAX * 2 + 1).map(|n| mail(n, 3)).collect();
        let next = all.len();
        all.extend(
            sizes
                .iter()
                .enumerate()
                .map(|(n, size)| mail(next + n, *size)),
        );
        let count = all.len();
        let views = read_all(all).await;
        let subjects: Vec<String> = views
            .into_iter()
            .map(|view| view.unwrap().subject)
            .collect();
        let expected: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        assert_eq!(subjects, expected);
        assert!(read_all(Vec::new()).await.is_empty());
    }

    #[tokio::test]
    async fn a_panic_is_the_messages_own_trouble() {
        let broke = off_thread::<()>(|| panic!("a message no reader survives")).await;
        assert_eq!(broke, Err(ReaderBroke));
        assert!(
            read(Bytes::from_static(b"Subject: x\r\n\r\nHi."))
                .await
                .is_ok()
        );
    }
}
