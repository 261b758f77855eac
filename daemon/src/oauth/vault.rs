//! What a person's consent gave, encrypted in a file.
//!
//! A file and not a row of the store: a login must be possible while a daemon holds the store,
//! while it cannot start, and beside `check --online`; backups, exports and the journal must not
//! hold a credential; and a restored backup must not bring back a refresh token that the provider
//! has replaced since. A file is replaced as a whole (write, fsync, rename, fsync the folder), and
//! a lock beside it keeps two processes from refreshing the same grant at once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use liaison_core::time::Timestamp;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::secret::{Secret, SecretError, SecretRef};
use crate::supervisor::Stop;

/// First word of the file: what it is, and in which version.
const MAGIC: &str = "liaison-oauth-1";
/// For what the key is derived; another purpose gets another key.
const KEY_PURPOSE: &str = "liaison 2026-11 key of stored OAuth2 grants";
/// Random bytes of a key that we make.
const KEY_BYTES: usize = 32;
/// Largest file that is read, in bytes: two tokens and a few words.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Name of the key that we make.
const KEY_FILE: &str = "key";
/// Permission bits that nobody but the owner may have.
const OTHERS: u32 = 0o077;
/// How long another process may have the lock: a few exchanges with an endpoint.
const LOCK_LIMIT: Duration = Duration::from_secs(60);
/// Pause between two tries to take the lock.
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why a grant cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file system refused.
    #[error("cannot {doing} {}; check that the folder belongs to the daemon's user", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Others could read the key.
    #[error("{} can be read by others: `chmod 600` it", .0.display())]
    Open(PathBuf),
    /// Two files hold different keys.
    #[error("{} and {} hold different keys: move the wrong one away", .0.display(), .1.display())]
    Other(PathBuf, PathBuf),
    /// The key cannot be had.
    #[error("the key of stored tokens cannot be had (`token_key`)")]
    Key(#[from] SecretError),
    /// The file is not ours, damaged, or was written with another key.
    #[error("{} cannot be decrypted: it is damaged, or the key is another one", .0.display())]
    Sealed(PathBuf),
    /// Another process does not let go of it.
    #[error("{} is locked by another process for more than {} s", .0.display(), LOCK_LIMIT.as_secs())]
    Locked(PathBuf),
    /// The machine gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// What a person's consent gave.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) refresh: Secret,
    /// When the person agreed.
    pub(super) consented: Timestamp,
    /// When the refresh token was given.
    pub(super) stored: Timestamp,
}

/// A grant as it is encrypted.
#[derive(Serialize, Deserialize)]
struct Sealed {
    refresh_token: String,
    consented: Timestamp,
    stored: Timestamp,
    /// To whom the token may be shown, and for whom it was given.
    bound_to: String,
}

/// Which writing of the file it is; without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    inode: u64,
    modified: (i64, i64),
}

/// The file of one credential.
#[derive(Debug, Clone)]
pub(super) struct Vault {
    pub(super) folder: PathBuf,
    /// Name of the credential; plain characters only.
    pub(super) name: String,
    /// Where the key is, if not in a file of ours.
    pub(super) key: Option<SecretRef>,
    /// Token endpoint and client: a token that was given for others is none for these.
    pub(super) bound_to: String,
}

/// Held while a grant is used or replaced; gives way when dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "its drop lets go of the lock")] File);

impl Vault {
    fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.token", self.name))
    }

    /// Which writing there is; `None`: there is none.
    pub(super) fn mark(&self) -> Option<Mark> {
        let meta = fs::metadata(self.file()).ok()?;
        Some(Mark {
            inode: meta.ino(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        })
    }

    /// Keeps other processes, and other credentials of this name in this one, from it.
    pub(super) async fn lock(&self) -> Result<Lock, VaultError> {
        self.make_folder()?;
        let path = self.folder.join(format!("{}.lock", self.name));
        let failed = |source| io_error("lock", &path, source);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let (stop, looks) = (
            Stop::new(),
            LOCK_LIMIT.as_millis() / LOCK_LOOK_EVERY.as_millis(),
        );
        for _ in 0..looks {
            match file.try_lock() {
                Ok(()) => return Ok(Lock(file)),
                Err(TryLockError::WouldBlock) => stop.sleep(LOCK_LOOK_EVERY).await,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            };
        }
        Err(VaultError::Locked(path))
    }

    /// The grant; `None` when there is none, or when it was given for another endpoint or client.
    pub(super) async fn load(&self) -> Result<Option<Grant>, VaultError> {
        let path = self.file();
        let mut text = String::new();
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened
                .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
                .map_err(|source| io_error("read", &path, source))?,
        };
        let key = self.cipher().await?;
        let sealed = self.open(&key, &text).ok_or(VaultError::Sealed(path))?;
        Ok((sealed.bound_to == self.bound_to).then(|| Grant {
            refresh: Secret::new(sealed.refresh_token),
            consented: sealed.consented,
            stored: sealed.stored,
        }))
    }

    /// Replaces the grant; it is durable when this returns.
    pub(super) async fn save(&self, grant: &Grant) -> Result<(), VaultError> {
        self.make_folder()?;
        let key = self.cipher().await?;
        let sealed = Sealed {
            refresh_token: grant.refresh.expose().to_owned(),
            consented: grant.consented,
            stored: grant.stored,
            bound_to: self.bound_to.clone(),
        };
        let text = self.seal(&key, &sealed)?;
        let (path, new) = (self.file(), self.folder.join(format!("{}.new", self.name)));
        write_durably(&new, text.as_bytes())?;
        fs::rename(&new, &path).map_err(|source| io_error("replace", &path, source))?;
        self.sync_folder()
    }

    /// Removes the grant; tells whether there was one.
    pub(super) fn forget(&self) -> Result<bool, VaultError> {
        let path = self.file();
        match fs::remove_file(&path) {
            Ok(()) => self.sync_folder().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(io_error("remove", &path, source)),
        }
    }

    fn seal(&self, key: &LessSafeKey, sealed: &Sealed) -> Result<String, VaultError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| VaultError::Random)?;
        let mut bytes = serde_json::to_vec(sealed).map_err(|_| VaultError::Random)?;
        let unique = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(unique, self.aad(), &mut bytes)
            .map_err(|_| VaultError::Random)?;
        let all = [&nonce[..], &bytes].concat();
        Ok(format!("{MAGIC} {}\n", BASE64.encode(all)))
    }

    fn open(&self, key: &LessSafeKey, text: &str) -> Option<Sealed> {
        let encoded = text.trim_end().strip_prefix(MAGIC)?.strip_prefix(' ')?;
        let all = BASE64.decode(encoded).ok()?;
        let (nonce, bytes) = all.split_first_chunk::<NONCE_LEN>()?;
        let mut bytes = bytes.to_vec();
        let unique = Nonce::assume_unique_for_key(*nonce);
        let plain = key.open_in_place(unique, self.aad(), &mut bytes).ok()?;
        serde_json::from_slice(plain).ok()
    }

    /// The name is part of what is authenticated: files cannot be exchanged for one another.
    fn aad(&self) -> Aad<String> {
        Aad::from(format!("{MAGIC}\0{}", self.name))
    }

    async fn cipher(&self) -> Result<LessSafeKey, VaultError> {
        let secret = match &self.key {
            Some(place) => place.fetch().await?,
            None => Secret::new(own_key(&self.folder, KEY_FILE, &self.name)?),
        };
        let key = blake3::derive_key(KEY_PURPOSE, secret.expose().as_bytes());
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).map_err(|_| VaultError::Random)?;
        Ok(LessSafeKey::new(key))
    }

    fn make_folder(&self) -> Result<(), VaultError> {
        make_folder(&self.folder)
    }

    fn sync_folder(&self) -> Result<(), VaultError> {
        sync_folder(&self.folder)
    }
}

/// The text of a key file of ours, made when it is not there; `maker` tells apart those who make it
/// at the same time.
pub(crate) fn own_key(folder: &Path, name: &str, maker: &str) -> Result<String, VaultError> {
    let path = folder.join(name);
    if !path.exists() {
        let failed = |source| io_error("make", &path, source);
        make_folder(folder)?;
        let mut key = [0; KEY_BYTES];
        SystemRandom::new()
            .fill(&mut key)
            .map_err(|_| VaultError::Random)?;
        let new = folder.join(format!("{name}.{maker}"));
        write_durably(&new, BASE64.encode(key).as_bytes())?;
        // Unlike a rename it never replaces a key that somebody made meanwhile.
        match fs::hard_link(&new, &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            _ => {}
        }
        fs::remove_file(&new).map_err(failed)?;
        sync_folder(folder)?;
    }
    read_key(&path)
}

/// Puts a copy of a key file where there is none.
pub(crate) fn copy_key(from: &Path, to: &Path) -> Result<(), VaultError> {
    if !from.exists() {
        return Ok(());
    }
    let failed = |source| io_error("read", from, source);
    let mut text = String::new();
    // A copy that was carried elsewhere may have lost its mode; what we write has it again.
    File::open(from)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
        .map_err(failed)?;
    if to.exists() {
        return match read_key(to)?.trim() == text.trim() {
            true => Ok(()),
            false => Err(VaultError::Other(from.to_owned(), to.to_owned())),
        };
    }
    write_durably(to, text.as_bytes())
}

/// The text of a key file of ours.
pub(crate) fn read_key(path: &Path) -> Result<String, VaultError> {
    let failed = |source| io_error("read", path, source);
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.mode() & OTHERS != 0 {
        return Err(VaultError::Open(path.to_owned()));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    match text.trim().is_empty() {
        // Everything would be made with a key that anybody knows.
        true => Err(VaultError::Sealed(path.to_owned())),
        false => Ok(text),
    }
}

fn make_folder(folder: &Path) -> Result<(), VaultError> {
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.map_err(|source| io_error("make", folder, source))
}

fn sync_folder(folder: &Path) -> Result<(), VaultError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| io_error("sync", folder, source))
}

fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let write = || {
        // One that a crash left behind is ours as well.
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| io_error("write", path, source))
}

fn io_error(doing: &'static str, path: &Path, source: io::Error) -> VaultError {
    VaultError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
