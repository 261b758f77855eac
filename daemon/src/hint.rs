//! Hints that a folder on disk changed: inotify, coalesced. A hint is never proof; whoever uses
//! this also looks again after an interval.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::supervisor::Stop;

/// How long the end of a burst is waited for after its first hint, so that a hundred files that
/// arrive together make one look.
const BURST: Duration = Duration::from_millis(50);

/// Watches folders and says when to look again. Cheap to ask, safe to miss.
pub struct FolderHints {
    notify: Arc<Notify>,
    // A short lock without await: watches are only added and dropped.
    watches: Mutex<Watches>,
}

#[derive(Default)]
struct Watches {
    watcher: Option<notify::RecommendedWatcher>,
    /// Folder to inode: a folder that was replaced needs a new watch.
    folders: BTreeMap<PathBuf, u64>,
}

impl fmt::Debug for FolderHints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderHints").finish_non_exhaustive()
    }
}

impl Default for FolderHints {
    fn default() -> FolderHints {
        FolderHints::new()
    }
}

impl FolderHints {
    /// Watches nothing yet.
    #[must_use]
    pub fn new() -> FolderHints {
        FolderHints {
            notify: Arc::new(Notify::new()),
            watches: Mutex::new(Watches::default()),
        }
    }

    /// Gives a hint by hand.
    pub fn poke(&self) {
        self.notify.notify_one();
    }

    /// Watches `folder` from here on, unless it is watched already. Folders that do not exist or
    /// cannot be watched (no inotify watches left) are left to the interval; called again before
    /// each look, this mends itself.
    pub fn watch(&self, folder: &Path) {
        use std::os::unix::fs::MetadataExt;
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let inode = std::fs::metadata(folder).ok().map(|found| found.ino());
        if watches.folders.get(folder) == inode.as_ref() {
            return;
        }
        let was_watched = watches.folders.remove(folder).is_some();
        if watches.watcher.is_none() {
            let notify = self.notify.clone();
            let made = notify::recommended_watcher(move |event: notify::Result<Event>| {
                if event.as_ref().map_or(true, is_change) {
                    notify.notify_one();
                }
            });
            match made {
                Ok(watcher) => watches.watcher = Some(watcher),
                Err(error) => {
                    tracing::debug!(folder = %folder.display(), %error, "no change hints");
                    return;
                }
            }
        }
        let (Some(watcher), Some(inode)) = (watches.watcher.as_mut(), inode) else {
            return;
        };
        if was_watched {
            // Fails when the kernel dropped the watch with the old folder, which is as good.
            drop(watcher.unwatch(folder));
        }
        match watcher.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => {
                watches.folders.insert(folder.to_owned(), inode);
            }
            Err(error) => {
                tracing::debug!(folder = %folder.display(), %error, "no change hints");
            }
        }
    }

    /// Completes at the end of a burst of hints, after `interval`, or at the stop, whichever is
    /// first. Cancel-safe: a hint that nobody waited for is kept.
    pub async fn wait(&self, interval: Duration, stop: &Stop) {
        tokio::select! {
            () = self.notify.notified() => {}
            _ = stop.sleep(interval) => return,
        }
        // The permit is given back first, so that a wait cancelled during the burst loses nothing.
        self.notify.notify_one();
        stop.sleep(BURST).await;
        self.notify.notified().await;
    }
}

/// Our own looks (open, read, list) are events too and must not cause the next look.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    async fn hinted(hints: &FolderHints) -> bool {
        let limit = Duration::from_secs(10);
        let stop = Stop::new();
        tokio::time::timeout(limit, hints.wait(LONG, &stop))
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn a_file_that_appears_is_a_hint_and_so_is_a_folder_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("new");
        let hints = FolderHints::new();
        hints.watch(&folder); // not there: no error, no hint
        for round in 0..2 {
            std::fs::create_dir(&folder).unwrap();
            hints.watch(&folder);
            std::fs::write(folder.join("a"), b"x").unwrap();
            assert!(hinted(&hints).await, "round {round}");
            std::fs::remove_dir_all(&folder).unwrap();
        }
    }

    #[test]
    fn our_own_looks_are_no_hint() {
        use notify::event::{CreateKind, Flag};
        for (kind, hint) in [
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), false),
            (EventKind::Access(AccessKind::Read), false),
            (
                EventKind::Access(AccessKind::Close(AccessMode::Read)),
                false,
            ),
            (
                EventKind::Access(AccessKind::Close(AccessMode::Write)),
                true,
            ),
            (EventKind::Create(CreateKind::File), true),
        ] {
            assert_eq!(is_change(&Event::new(kind)), hint, "{kind:?}");
        }
        assert!(is_change(
            &Event::new(EventKind::Other).set_flag(Flag::Rescan)
        ));
    }
}
