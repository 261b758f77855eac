//! The demo's folder: chosen so that it works for any user, marked, and never somebody else's.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The file that says whose folder it is.
const MARKER: &str = ".liaison-demo";
/// What it says to people.
const MARKER_TEXT: &str =
    "Made by `liaison demo`, which removes what it made here when it is run again.\n";
/// What the demo makes beside the marker, and removes before it begins again.
const MADE: [&str; 5] = [
    "liaison.toml",
    "accounts.csv",
    "mail",
    "sent-mail",
    "calendars",
];
/// The daemon's state; compiled plugins in it are kept, they are worth the seconds.
const STATE: (&str, &str) = ("state", "compiled");

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// There is something that is not ours.
    #[error("{} holds something that no demo made: nothing was touched; choose an empty or new \
             folder with --dir", .0.display())]
    Foreign(PathBuf),
    /// Somebody works with it.
    #[error("{} is in use by another demo or its daemon: end that one first, or choose another \
             folder with --dir", .0.display())]
    InUse(PathBuf),
    /// It cannot be made or emptied.
    #[error("{} cannot be used: choose another folder with --dir", .path.display())]
    Unusable {
        /// Which part.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The folder, marked and empty; nobody else plays in it meanwhile.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    _lock: File,
}

impl Place {
    /// Takes `wanted`, else the first usable place of our own.
    pub(super) fn take(wanted: Option<&Path>) -> Result<Place, PlaceError> {
        if let Some(dir) = wanted {
            return take(dir);
        }
        for dir in usual_places() {
            match take(&dir) {
                Err(PlaceError::Unusable { path, source }) => {
                    tracing::debug!(path = %path.display(), %source, "not the demo's place");
                }
                taken => return taken,
            }
        }
        // A name of its own: a folder for all users may hold anything under a fixed one.
        take(&std::env::temp_dir().join(format!("liaison-demo-{}", std::process::id())))
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

fn usual_places() -> Vec<PathBuf> {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute() && path.parent().is_some())
    };
    let state = absolute("XDG_STATE_HOME");
    let home = absolute("HOME").map(|home| home.join(".local/state"));
    state
        .into_iter()
        .chain(home)
        .map(|state| state.join("liaison-demo"))
        .collect()
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> PlaceError + '_ {
    move |source| PlaceError::Unusable {
        path: path.to_owned(),
        source,
    }
}

fn take(dir: &Path) -> Result<Place, PlaceError> {
    let dir = std::path::absolute(dir).map_err(unusable(dir))?;
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .map_err(unusable(&dir))?;
    let marker = dir.join(MARKER);
    let marked = fs::symlink_metadata(&marker).is_ok_and(|found| found.is_file());
    let empty = || Ok(fs::read_dir(&dir)?.next().is_none());
    if !marked && !empty().map_err(unusable(&dir))? {
        return Err(PlaceError::Foreign(dir));
    }
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW);
    let mut lock = options.open(&marker).map_err(unusable(&marker))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(PlaceError::InUse(dir)),
        Err(TryLockError::Error(source)) => return Err(unusable(&marker)(source)),
    }
    if UnixStream::connect(dir.join(STATE.0).join("liaison.sock")).is_ok() {
        return Err(PlaceError::InUse(dir));
    }
    lock.write_all(MARKER_TEXT.as_bytes())
        .map_err(unusable(&marker))?;
    clear(&dir)?;
    Ok(Place { dir, _lock: lock })
}

/// Removes what an earlier demo made, and nothing else.
fn clear(dir: &Path) -> Result<(), PlaceError> {
    let (state, kept) = STATE;
    let state = dir.join(state);
    let in_state = match fs::read_dir(&state) {
        Ok(entries) => entries
            .collect::<io::Result<Vec<_>>>()
            .map_err(unusable(&state))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(unusable(&state)(error)),
    };
    let old = in_state
        .iter()
        .filter(|entry| entry.file_name() != kept)
        .map(fs::DirEntry::path);
    for path in MADE.iter().map(|name| dir.join(name)).chain(old) {
        remove(&path).map_err(unusable(&path))?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
