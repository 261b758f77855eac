//! Opening, so that a crash at any earlier moment cannot keep us from it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sled::{Config, Db, Tree};

use super::SledOptions;
use super::engine::{Engine, Failure, PanicText, unpack};
use super::recover::{self, Recovery};
use super::writer::SEQUENCE_BITS;
use crate::clock::Clock;
use crate::store::codec::{self, Record};
use crate::store::export::ExportError;
use crate::store::files::{self, FILE_MODE, make_dir};
use crate::store::journal::{Journal, JournalError};
use crate::store::progress::Progress;
use crate::store::sums::Sums;
use crate::store::{Ns, SCHEMA, sync_override};

const LOCK_FILE: &str = "store.lock";
pub(super) const STORE_DIR: &str = "sled";
pub(super) const NEW_STORE_DIR: &str = "sled.new";
/// Longest text of a lock file that is shown; ours have about 40 bytes.
const LOCK_TEXT_BYTES_MAX: u64 = 300;

/// How sled says that another descriptor has its lock.
const SLED_LOCK_HELD: &str = "could not acquire lock";
/// Two seconds in all: a thread that ends needs milliseconds.
const SLED_LOCK_ATTEMPTS: u32 = 200;
const SLED_LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Tells the schema before anything else is opened: sled writes when it opens.
const SCHEMA_FILE: &str = "schema";
/// Longest text of it that is read.
const SCHEMA_TEXT_BYTES_MAX: u64 = 40;
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
         newer liaison, start that release or a later one, or restore a backup that this one made \
         with `liaison restore`", dir.display()
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
        "the store in {} cannot be read ({reason}), and no journal and export are there to make \
         it anew: restore a backup with `liaison restore`",
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
    /// The journal cannot be used.
    #[error("the journal of the store cannot be used")]
    Journal(#[from] JournalError),
    /// An export cannot be used.
    #[error("an export of the store cannot be used")]
    Export(#[from] ExportError),
    /// Commits that were acknowledged are in no file any more.
    #[error(
        "the store in {} lost the commits {first} to {last} ({reason}): restore a backup with \
         `liaison restore`, or go on without them with `liaison store rebuild --accept-loss`",
        dir.display()
    )]
    Lost {
        /// The directory of the store.
        dir: PathBuf,
        /// First frame of the journal that is missing.
        first: u64,
        /// Last one.
        last: u64,
        /// What was found in its place.
        reason: String,
    },
    /// There is a store already.
    #[error("{} has a store: move it aside, or name an empty directory", dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
    },
    /// No space left; recovery itself writes.
    #[error("the disk of {} is full: free some space and start again, nothing is lost", dir.display())]
    Full {
        /// The directory of the database.
        dir: PathBuf,
    },
}

pub(super) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
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

/// A store whose rows are those of its journal, and whose boot epoch was raised.
pub(super) struct Opened {
    pub(super) engine: Engine,
    pub(super) journal: Journal,
    pub(super) sums: Sums,
    pub(super) boot_epoch: u64,
    pub(super) store_id: u128,
    /// Bytes of journal since the newest export, about.
    pub(super) since_export: u64,
    /// Whether all rows were summed.
    pub(super) checked: bool,
    pub(super) recovery: Recovery,
}

pub(super) fn open(
    dir: &Path,
    options: SledOptions,
    clock: &dyn Clock,
    progress: &Arc<Progress>,
) -> Result<Opened, OpenError> {
    if !sync_override::is_linked() {
        return Err(OpenError::NotDurable);
    }
    schema_fits(dir)?;
    make_dir(dir).map_err(io_error("create the state directory", dir))?;
    let lock = LockFile::take(dir)?;
    progress.locked();
    let opened = recover::open(dir, options, lock, (clock, progress))?;
    keep_schema(dir)?;
    Ok(opened)
}

/// The schema in the file beside the store; `None` without one.
///
/// # Errors
/// [`OpenError::Io`].
pub fn schema_of(dir: &Path) -> Result<Option<u64>, OpenError> {
    let path = dir.join(SCHEMA_FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", &path)(error)),
    };
    let mut text = String::new();
    let read = file.take(SCHEMA_TEXT_BYTES_MAX).read_to_string(&mut text);
    read.map_err(io_error("read", &path))?;
    // One that makes no sense says nothing; the number in the store itself is looked at, too.
    Ok(text.trim().parse().ok())
}

fn schema_fits(dir: &Path) -> Result<(), OpenError> {
    match schema_of(dir)? {
        Some(found) if found > SCHEMA => Err(OpenError::NewerSchema {
            dir: dir.to_owned(),
            found,
        }),
        _ => Ok(()),
    }
}

fn keep_schema(dir: &Path) -> Result<(), OpenError> {
    if schema_of(dir)? == Some(SCHEMA) {
        return Ok(());
    }
    let (path, new) = (dir.join(SCHEMA_FILE), dir.join("schema.new"));
    fs::write(&new, format!("{SCHEMA}\n"))
        .and_then(|()| File::open(&new)?.sync_all())
        .and_then(|()| fs::rename(&new, &path))
        .map_err(io_error("write", &path))?;
    sync_dir(dir)
}

/// See [`recover::load`].
pub(super) fn load(dir: &Path, options: SledOptions, export: &Path) -> Result<u64, OpenError> {
    if !sync_override::is_linked() {
        return Err(OpenError::NotDurable);
    }
    make_dir(dir).map_err(io_error("create the state directory", dir))?;
    let _lock = LockFile::take(dir)?;
    let rows = recover::load(dir, options, export)?;
    keep_schema(dir)?;
    Ok(rows)
}

/// Opens the database that is there.
pub(super) fn existing(dir: &Path, options: SledOptions) -> Result<Database, OpenError> {
    let store = dir.join(STORE_DIR);
    remove_unfinished_snapshots(&store)?;
    check_blobs(&store)?;
    for name in ["conf", "db"] {
        let file = store.join(name);
        // sled would make an empty database here.
        if !file.try_exists().map_err(io_error("look for", &file))? {
            return Err(corrupt(&store, format!("it has no file `{name}`")));
        }
    }
    guarded(&store, move |store| {
        let db = start(store, options)?;
        read_sentinel(store, db)
    })
}

/// An empty database in an empty folder.
pub(super) fn fresh(new: &Path, cache_bytes: u64) -> Result<Engine, OpenError> {
    let options = SledOptions {
        cache_bytes,
        ..SledOptions::default()
    };
    guarded(new, move |new| {
        let db = start(new, options)?;
        Engine::open(db).map_err(|failure| failed(new, failure))
    })
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

pub(super) fn failed(store: &Path, failure: Failure) -> OpenError {
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

pub(super) fn corrupt(store: &Path, reason: String) -> OpenError {
    OpenError::Corrupt {
        dir: store.to_owned(),
        reason,
    }
}

/// Makes a database beside its place, durably; `fill` writes its rows and tells the last epoch in
/// which anything was committed. [`move_in`] then puts it in its place.
///
/// Beside, because sled syncs neither its directories nor its first pages: what has the name of a
/// store is whole.
pub(super) fn create<T: Send + 'static>(
    dir: &Path,
    options: SledOptions,
    store_id: u128,
    fill: impl FnOnce(&Engine) -> Result<(u64, T), OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let new = dir.join(NEW_STORE_DIR);
    remove_unfinished_store(dir)?;
    make_dir(&new).map_err(io_error("create the directory", &new))?;
    let filled = guarded(&new, move |new| {
        let db = start(new, options)?;
        let fail = |failure| failed(new, failure);
        let engine = Engine::open(db).map_err(fail)?;
        let (epoch, filled) = fill(&engine)?;
        let id = StoreId(format!("{store_id:032x}"));
        let write = || -> Result<(), Failure> {
            write_meta(&engine, META_STORE_ID, 0, &id)?;
            write_meta(&engine, META_SCHEMA, 0, &Number(SCHEMA))?;
            write_meta(&engine, META_BOOT_EPOCH, 0, &Number(epoch))?;
            engine.flush()
        };
        write().map_err(fail)?;
        Ok(filled)
    })?;
    sync_tree(&new)?;
    Ok(filled)
}

/// Gives the database that [`create`] made its name.
pub(super) fn move_in(dir: &Path) -> Result<(), OpenError> {
    let (new, store) = (dir.join(NEW_STORE_DIR), dir.join(STORE_DIR));
    fs::rename(&new, &store).map_err(io_error("move into place", &new))?;
    sync_dir(dir)
}

/// Runs `work`, and makes an error of a panic: sled panics over some broken files.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    result.unwrap_or_else(|panic| Err(Failure::panicked("reading", panic)))
}

/// A database as it was found.
pub(super) struct Database {
    pub(super) engine: Engine,
    pub(super) store_id: u128,
    /// The boot epoch before this start.
    pub(super) epoch: u64,
}

/// Checks the sentinel, before anything is written.
fn read_sentinel(store: &Path, db: Db) -> Result<Database, OpenError> {
    let meta_name = Ns::Meta.name().as_bytes();
    if !db.tree_names().iter().any(|name| name == meta_name) {
        return Err(corrupt(store, "it is no store of liaison".to_owned()));
    }
    let meta = db
        .open_tree(meta_name)
        .map_err(|error| failed(store, error.into()))?;
    let schema: Number = read_meta(store, &meta, META_SCHEMA)?;
    if schema.0 > SCHEMA {
        return Err(OpenError::NewerSchema {
            dir: store.to_owned(),
            found: schema.0,
        });
    }
    let StoreId(id) = read_meta(store, &meta, META_STORE_ID)?;
    let Ok(store_id) = u128::from_str_radix(&id, 16) else {
        return Err(corrupt(store, format!("its store id is `{id}`")));
    };
    let epoch: Number = read_meta(store, &meta, META_BOOT_EPOCH)?;
    let engine = Engine::open(db).map_err(|failure| failed(store, failure))?;
    Ok(Database {
        engine,
        store_id,
        epoch: epoch.0,
    })
}

/// Commits the next boot epoch, before anything else is written.
pub(super) fn raise_epoch(store: &Path, engine: &Engine, epoch: u64) -> Result<u64, OpenError> {
    let raised = epoch.saturating_add(1);
    let version = raised << SEQUENCE_BITS;
    write_meta(engine, META_BOOT_EPOCH, version, &Number(raised))
        .and_then(|()| engine.flush())
        .map_err(|failure| failed(store, failure))?;
    Ok(raised)
}

fn write_meta<T: Record>(
    engine: &Engine,
    name: &[u8],
    version: u64,
    value: &T,
) -> Result<(), Failure> {
    let value = codec::encode(value).map_err(|error| Failure::Corrupt(error.to_string().into()))?;
    engine.write(Ns::Meta, name, version, &value)
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

/// 128 random bits.
pub(super) fn random_id() -> Result<u128, OpenError> {
    let source = Path::new("/dev/urandom");
    let mut bits = [0; 16];
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut bits))
        .map_err(io_error("read random bits from", source))?;
    Ok(u128::from_be_bytes(bits))
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

pub(super) fn remove_unfinished_store(dir: &Path) -> Result<(), OpenError> {
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

pub(super) fn sync_dir(dir: &Path) -> Result<(), OpenError> {
    files::sync_dir(dir).map_err(io_error("sync the directory", dir))
}

/// Syncs everything below `dir`, then `dir` itself.
pub(super) fn sync_tree(dir: &Path) -> Result<(), OpenError> {
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
