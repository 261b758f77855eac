//! Opening, so that a crash at any earlier moment cannot keep us from it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::Builder;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sled::{Config, Db, Tree};

use super::SledOptions;
use super::engine::{Engine, Failure, PanicText, pack, unpack};
use super::writer::SEQUENCE_BITS;
use crate::store::codec::{self, Record};
use crate::store::{Ns, sync_override};

const LOCK_FILE: &str = "store.lock";
const STORE_DIR: &str = "sled";
const NEW_STORE_DIR: &str = "sled.new";
/// Longest text of a lock file that is shown; ours have about 40 bytes.
const LOCK_TEXT_BYTES_MAX: u64 = 300;
/// State is for the daemon's user alone: it holds customers' mail.
const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// How sled says that another descriptor has its lock.
const SLED_LOCK_HELD: &str = "could not acquire lock";
/// Two seconds in all: a thread that ends needs milliseconds.
const SLED_LOCK_ATTEMPTS: u32 = 200;
const SLED_LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The shape of the keyspace; a store with a greater one is not touched.
const SCHEMA: u64 = 1;
const META_STORE_ID: &[u8] = b"store-id";
const META_SCHEMA: &[u8] = b"schema";
const META_BOOT_EPOCH: &[u8] = b"boot-epoch";

/// Why the store could not be opened, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// This build would not reach the disk.
    #[error(
        "this build of liaison does not write durably (its sync_file_range is not the one in \
         use): do not preload libraries that replace it, and report how it was built"
    )]
    NotDurable,
    /// Another process has it.
    #[error("the store in {} is in use by {owner}: stop that process, or send it the command", dir.display())]
    InUse {
        /// The state directory.
        dir: PathBuf,
        /// Process id and host, as the lock file says.
        owner: String,
    },
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No thread could be started.
    #[error("cannot start a thread for the store")]
    Thread(#[source] io::Error),
    /// A later release wrote it.
    #[error(
        "the store in {} has schema {found}, this liaison knows {SCHEMA}: it was written by a \
         newer liaison, start that release or a later one", dir.display()
    )]
    NewerSchema {
        /// The directory of the database.
        dir: PathBuf,
        /// The schema it has.
        found: u64,
    },
    /// There are pages outside the log, which are never synced.
    #[error(
        "{} holds {files} files, where liaison never writes any: something else wrote to this \
         store, restore the state directory as it was", dir.display()
    )]
    Blobs {
        /// The `blobs` directory.
        dir: PathBuf,
        /// How many there are.
        files: usize,
    },
    /// It makes no sense.
    #[error(
        "the store in {} cannot be read ({reason}): keep it, move it aside and start again; mail \
         and calendars are read anew from the servers, what only the store knew is in the old one",
        dir.display()
    )]
    Corrupt {
        /// The directory of the database.
        dir: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file system, or sled, refused; nothing says that the bytes are bad.
    #[error(
        "the store in {} cannot be opened ({reason}): check its permissions and its disk",
        dir.display()
    )]
    Refused {
        /// The directory of the database.
        dir: PathBuf,
        /// What was said.
        reason: String,
    },
    /// No space left; recovery itself writes.
    #[error("the disk of {} is full: free some space and start again, nothing is lost", dir.display())]
    Full {
        /// The directory of the database.
        dir: PathBuf,
    },
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io {
        doing,
        path,
        source,
    }
}

#[derive(Serialize, Deserialize)]
struct Number(u64);

impl Record for Number {
    const TYPE: u8 = 1;
    const VERSION: u16 = 1;
}

#[derive(Serialize, Deserialize)]
struct StoreId(String);

impl Record for StoreId {
    const TYPE: u8 = 2;
    const VERSION: u16 = 1;
}

/// An open database whose boot epoch was raised.
pub(super) struct Opened {
    pub(super) engine: Engine,
    pub(super) boot_epoch: u64,
    pub(super) store_id: String,
}

pub(super) fn open(dir: &Path, options: SledOptions) -> Result<Opened, OpenError> {
    if !sync_override::is_linked() {
        return Err(OpenError::NotDurable);
    }
    DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(dir)
        .map_err(io_error("create the state directory", dir))?;
    let lock = LockFile::take(dir)?;
    remove_unfinished_store(dir)?;
    let store = dir.join(STORE_DIR);
    if !store.try_exists().map_err(io_error("look for", &store))? {
        create(dir, options)?;
    }
    remove_unfinished_snapshots(&store)?;
    check_blobs(&store)?;
    for name in ["conf", "db"] {
        let file = store.join(name);
        // sled would make an empty database here.
        if !file.try_exists().map_err(io_error("look for", &file))? {
            return Err(corrupt(&store, format!("it has no file `{name}`")));
        }
    }
    let opened = guarded(&store, move |store| {
        let db = start(store, options)?;
        raise_epoch(store, db, lock)
    })?;
    sync_dir(&store)?;
    sync_dir(dir)?;
    Ok(opened)
}

/// Runs `work` on a thread of its own: sled panics over some broken files.
fn guarded<T: Send + 'static>(
    store: &Path,
    work: impl FnOnce(&Path) -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let path = store.to_owned();
    let thread = Builder::new()
        .name("store-open".to_owned())
        .spawn(move || work(&path))
        .map_err(OpenError::Thread)?;
    thread
        .join()
        .unwrap_or_else(|panic| Err(corrupt(store, panic.text())))
}

pub(super) fn start(store: &Path, options: SledOptions) -> Result<Db, OpenError> {
    let config = Config::new()
        .path(store)
        .cache_capacity(options.cache_bytes)
        // Each group is flushed by the writer; a second flusher would only compete with it.
        .flush_every_ms(None);
    // We hold `store.lock`, so sled's own lock is held by a thread of this process that is about
    // to end after an earlier close, or by a program that does not know our lock.
    for _ in 0..SLED_LOCK_ATTEMPTS {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains(SLED_LOCK_HELD) => {
                std::thread::sleep(SLED_LOCK_PAUSE);
            }
            result => return result.map_err(|error| failed(store, error.into())),
        }
    }
    let owner = "a program that opened its files directly".to_owned();
    Err(OpenError::InUse {
        dir: store.to_owned(),
        owner,
    })
}

fn failed(store: &Path, failure: Failure) -> OpenError {
    let dir = store.to_owned();
    match failure {
        Failure::Full => OpenError::Full { dir },
        Failure::Corrupt(reason) => OpenError::Corrupt {
            dir,
            reason: reason.to_string(),
        },
        other => OpenError::Refused {
            dir,
            reason: other.reason().to_string(),
        },
    }
}

fn corrupt(store: &Path, reason: String) -> OpenError {
    OpenError::Corrupt {
        dir: store.to_owned(),
        reason,
    }
}

/// Makes the database beside its place and moves it there when it is wholly on disk: sled syncs
/// neither its directories nor its first pages.
fn create(dir: &Path, options: SledOptions) -> Result<(), OpenError> {
    let (new, store) = (dir.join(NEW_STORE_DIR), dir.join(STORE_DIR));
    DirBuilder::new()
        .mode(DIR_MODE)
        .create(&new)
        .map_err(io_error("create the directory", &new))?;
    let id = StoreId(random_id()?);
    guarded(&new, move |new| {
        let db = start(new, options)?;
        let write = || -> Result<(), Failure> {
            for ns in Ns::ALL {
                db.open_tree(ns.name())?;
            }
            let meta = db.open_tree(Ns::Meta.name())?;
            write_meta(&meta, META_STORE_ID, 0, &id)?;
            write_meta(&meta, META_SCHEMA, 0, &Number(SCHEMA))?;
            write_meta(&meta, META_BOOT_EPOCH, 0, &Number(0))?;
            db.flush()?;
            Ok(())
        };
        write().map_err(|failure| failed(new, failure))
    })?;
    sync_tree(&new)?;
    fs::rename(&new, &store).map_err(io_error("move into place", &new))?;
    sync_dir(dir)
}

/// Checks the sentinel and commits the next boot epoch before anything else is written.
fn raise_epoch(store: &Path, db: Db, lock: LockFile) -> Result<Opened, OpenError> {
    let fail = |failure| failed(store, failure);
    let meta_name = Ns::Meta.name().as_bytes();
    if !db.tree_names().iter().any(|name| name == meta_name) {
        return Err(corrupt(store, "it is no store of liaison".to_owned()));
    }
    let meta = db
        .open_tree(meta_name)
        .map_err(|error| fail(error.into()))?;
    let schema: Number = read_meta(store, &meta, META_SCHEMA)?;
    if schema.0 > SCHEMA {
        return Err(OpenError::NewerSchema {
            dir: store.to_owned(),
            found: schema.0,
        });
    }
    let store_id: StoreId = read_meta(store, &meta, META_STORE_ID)?;
    let before: Number = read_meta(store, &meta, META_BOOT_EPOCH)?;
    let boot_epoch = before.0.saturating_add(1);
    let raise = || -> Result<_, Failure> {
        write_meta(
            &meta,
            META_BOOT_EPOCH,
            boot_epoch << SEQUENCE_BITS,
            &Number(boot_epoch),
        )?;
        db.flush()?;
        let open = |ns: &Ns| Ok((*ns, db.open_tree(ns.name())?));
        let trees = Ns::ALL.iter().map(open).collect::<Result<_, Failure>>()?;
        db.flush()?;
        Ok(trees)
    };
    let trees = raise().map_err(fail)?;
    let engine = Engine {
        trees,
        db,
        _lock: lock,
    };
    Ok(Opened {
        engine,
        boot_epoch,
        store_id: store_id.0,
    })
}

fn write_meta<T: Record>(meta: &Tree, name: &[u8], version: u64, value: &T) -> Result<(), Failure> {
    let value = codec::encode(value).map_err(|error| Failure::Corrupt(error.to_string().into()))?;
    meta.insert(name, pack(version, &value))?;
    Ok(())
}

fn read_meta<T: Record>(store: &Path, meta: &Tree, name: &[u8]) -> Result<T, OpenError> {
    let shown = name.escape_ascii();
    let stored = meta
        .get(name)
        .map_err(|error| failed(store, error.into()))?;
    let Some(stored) = stored else {
        return Err(corrupt(store, format!("meta/{shown} is missing")));
    };
    let row = unpack(Ns::Meta, name, &stored).map_err(|failure| failed(store, failure))?;
    codec::decode(&row.value).map_err(|error| corrupt(store, format!("meta/{shown}: {error}")))
}

/// 128 random bits as hex digits.
fn random_id() -> Result<String, OpenError> {
    let source = Path::new("/dev/urandom");
    let mut bits = [0; 16];
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut bits))
        .map_err(io_error("read random bits from", source))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

/// Holds the store for this process; the kernel lets go when it dies.
#[derive(Debug)]
pub(super) struct LockFile {
    _file: File,
}

impl LockFile {
    fn take(dir: &Path) -> Result<LockFile, OpenError> {
        let path = dir.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(io_error("open the lock file", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse {
                    dir: dir.to_owned(),
                    owner: owner(&file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
        }
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = Some(host.trim())
            .filter(|host| !host.is_empty())
            .unwrap_or("this host");
        let text = format!("pid {} on {host}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(io_error("write the lock file", &path))?;
        Ok(LockFile { _file: file })
    }
}

fn owner(file: &File) -> String {
    let mut text = Vec::new();
    // The text only serves the message: without it the message is less exact.
    let _ = file.take(LOCK_TEXT_BYTES_MAX).read_to_end(&mut text);
    match String::from_utf8_lossy(&text).trim() {
        "" => "another process".to_owned(),
        owner => owner.to_owned(),
    }
}

fn remove_unfinished_store(dir: &Path) -> Result<(), OpenError> {
    let new = dir.join(NEW_STORE_DIR);
    match fs::remove_dir_all(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove the unfinished store", &new)(error))
        }
        _ => Ok(()),
    }
}

/// sled 0.34.7 takes a half-written snapshot for the newest one and then refuses to open for ever.
///
/// Safe under the lock: the older snapshot is removed only after the newer has its final name.
fn remove_unfinished_snapshots(store: &Path) -> Result<(), OpenError> {
    for entry in list(store)? {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            let path = entry.path();
            fs::remove_file(&path).map_err(io_error("remove the unfinished snapshot", &path))?;
            tracing::info!(path = %path.display(), "removed an unfinished snapshot");
        }
    }
    Ok(())
}

fn check_blobs(store: &Path) -> Result<(), OpenError> {
    let dir = store.join("blobs");
    match fs::read_dir(&dir) {
        Ok(entries) => match entries.count() {
            0 => Ok(()),
            files => Err(OpenError::Blobs { dir, files }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error("read the directory", &dir)(error)),
    }
}

fn list(dir: &Path) -> Result<Vec<fs::DirEntry>, OpenError> {
    fs::read_dir(dir)
        .and_then(Iterator::collect)
        .map_err(io_error("read the directory", dir))
}

fn sync_dir(dir: &Path) -> Result<(), OpenError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(io_error("sync the directory", dir))
}

/// Syncs everything below `dir`, then `dir` itself.
fn sync_tree(dir: &Path) -> Result<(), OpenError> {
    for entry in list(dir)? {
        let path = entry.path();
        if entry
            .file_type()
            .map_err(io_error("look at", &path))?
            .is_dir()
        {
            sync_tree(&path)?;
        } else {
            File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(io_error("sync", &path))?;
        }
    }
    sync_dir(dir)
}
