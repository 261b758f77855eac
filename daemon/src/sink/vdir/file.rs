//! Files of a vdir: versions, exclusive creation, guarded removal.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::sink::collection::OBJECT_BYTES_MAX;
use crate::source::maildir::content::open_plain;

/// A file written less than this before it was read may be written again within the same tick of
/// the file system's clock: its times prove nothing. Two seconds is FAT's tick, the coarsest.
const TICK_NANOS: i128 = 2_000_000_000;
/// Where a file lies while its removal is decided: a dotfile that ends in `.tmp`, which all vdir
/// programs ignore.
const ASIDE: &str = ".liaison-aside.tmp";

/// Version of a file: time in nanoseconds, inode and size to compare cheaply, a hash to be sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileETag {
    modified_nanos: i128,
    inode: u64,
    size: u64,
    /// It was read long enough after it was written for the times to prove something.
    settled: bool,
    hash: String,
}

impl fmt::Display for FileETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.settled { "s" } else { "r" };
        write!(
            f,
            "{}-{}-{}-{mark}-{}",
            self.modified_nanos, self.inode, self.size, self.hash
        )
    }
}

impl FileETag {
    /// Reads what its `Display` wrote; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<FileETag> {
        let mut parts = text.rsplitn(5, '-');
        let hash = parts.next().filter(|hash| !hash.is_empty())?.to_owned();
        let settled = match parts.next()? {
            "s" => true,
            "r" => false,
            _ => return None,
        };
        let size = parts.next()?.parse().ok()?;
        let inode = parts.next()?.parse().ok()?;
        let modified_nanos = parts.next()?.parse().ok()?;
        Some(FileETag {
            modified_nanos,
            inode,
            size,
            settled,
            hash,
        })
    }

    fn of(metadata: &Metadata, data: &[u8], read_at: i128) -> FileETag {
        let modified_nanos = modified_nanos(metadata);
        FileETag {
            modified_nanos,
            inode: metadata.ino(),
            size: metadata.len(),
            settled: read_at.saturating_sub(modified_nanos) > TICK_NANOS,
            hash: hash(data),
        }
    }

    fn surely_describes(&self, metadata: &Metadata) -> bool {
        self.settled
            && (self.modified_nanos, self.inode, self.size)
                == (modified_nanos(metadata), metadata.ino(), metadata.len())
    }
}

fn modified_nanos(metadata: &Metadata) -> i128 {
    i128::from(metadata.mtime())
        .saturating_mul(1_000_000_000)
        .saturating_add(i128::from(metadata.mtime_nsec()))
}

fn hash(data: &[u8]) -> String {
    blake3::hash(data).to_hex().chars().take(32).collect()
}

/// Whether `name` is a file of the vdir; anything that could lead out of it is refused.
pub(super) fn check_name(name: &str) -> io::Result<()> {
    if is_object(name) && !name.contains(['/', '\0']) {
        return Ok(());
    }
    let text = format!("`{name}` is no name of an object in a vdir");
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

fn is_object(name: &str) -> bool {
    !name.starts_with('.')
        && name
            .rsplit_once('.')
            .is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("ics"))
}

/// Names of the objects in the folder: plain files that end in `.ics`, no dotfiles. Names that
/// are no UTF-8 cannot be hrefs and are left out with a word in the log.
pub(super) fn list(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        match entry.file_name().into_string() {
            Ok(name) if is_object(&name) && entry.file_type()?.is_file() => names.push(name),
            Ok(_) => {}
            Err(name) => tracing::warn!(?name, "a file name in a vdir is no UTF-8; left out"),
        }
    }
    Ok(names)
}

/// Reads a file; `None` when it is as `before` says, by its times or by its bytes.
pub(super) fn read(
    path: &Path,
    name: &str,
    before: Option<&FileETag>,
) -> io::Result<Option<(Bytes, FileETag)>> {
    let (file, _) = open_plain(&path.join(name))?;
    let metadata = file.metadata()?;
    if before.is_some_and(|before| before.surely_describes(&metadata)) {
        return Ok(None);
    }
    let read_at = file_system_now()?;
    let (data, metadata) = read_whole(file)?;
    let etag = FileETag::of(&metadata, &data, read_at);
    if before.is_some_and(|before| before.hash == etag.hash) {
        return Ok(None);
    }
    Ok(Some((data, etag)))
}

/// One byte more than allowed is read, so that a file over the limit is seen to be over it.
fn read_whole(file: File) -> io::Result<(Bytes, Metadata)> {
    let limit = u64::try_from(OBJECT_BYTES_MAX).unwrap_or(u64::MAX);
    let mut data = Vec::new();
    (&file)
        .take(limit.saturating_add(1))
        .read_to_end(&mut data)?;
    Ok((Bytes::from(data), file.metadata()?))
}

/// The machine's wall clock, to be compared with file times only.
fn file_system_now() -> io::Result<i128> {
    use crate::clock::{Clock, SystemClock};
    Ok(i128::from(SystemClock.now().0).saturating_mul(1_000_000))
}

/// Makes the file unless it exists; durable on return. `false`: it was there and is untouched.
pub(super) fn create(path: &Path, name: &str, data: &[u8]) -> io::Result<bool> {
    check_name(name)?;
    let temporary = path.join(format!(".{name}.tmp"));
    let mut writer = File::create(&temporary)?;
    writer.write_all(data)?;
    writer.sync_all()?;
    let linked = match fs::hard_link(&temporary, path.join(name)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    };
    fs::remove_file(&temporary)?;
    let linked = linked?;
    File::open(path)?.sync_all()?;
    Ok(linked)
}

/// What became of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    Gone,
    /// It is not what we knew, and is where it was.
    Differs,
}

/// Removes the file if its bytes are those of `expected`.
///
/// It is moved aside first: a program that saves the object from then on makes a new file, which
/// is not touched, and one that still writes into the old file is seen by the comparison.
pub(super) fn remove(path: &Path, name: &str, expected: &FileETag) -> io::Result<Removal> {
    check_name(name)?;
    let whole = path.join(name);
    // Looked at in place first, so that an edited object does not even flicker.
    match bytes_of(&whole) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_dir() => {
            return Ok(Removal::Gone);
        }
        Err(error) => return Err(error),
        Ok(data) if hash(&data) != expected.hash => return Ok(Removal::Differs),
        Ok(_) => {}
    }
    let aside = path.join(format!(".{name}{ASIDE}"));
    match fs::rename(&whole, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Removal::Gone),
        renamed => renamed?,
    }
    if hash(&bytes_of(&aside)?) == expected.hash {
        fs::remove_file(&aside)?;
        File::open(path)?.sync_all()?;
        return Ok(Removal::Gone);
    }
    put_back(&whole, &aside)?;
    Ok(Removal::Differs)
}

/// Replaces the file if its bytes are those of `expected`; `false`: they are not, or it is gone, and
/// nothing was written.
///
/// As [`remove`] does, it moves the old file aside first and then makes the new one only where none
/// is: what a program saves in between stays, and so does the old file in that case.
pub(super) fn replace(
    path: &Path,
    name: &str,
    expected: &FileETag,
    data: &[u8],
) -> io::Result<bool> {
    check_name(name)?;
    let whole = path.join(name);
    match bytes_of(&whole) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_dir() => return Ok(false),
        Err(error) => return Err(error),
        Ok(bytes) if hash(&bytes) != expected.hash => return Ok(false),
        Ok(_) => {}
    }
    let aside = path.join(format!(".{name}{ASIDE}"));
    match fs::rename(&whole, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        renamed => renamed?,
    }
    if hash(&bytes_of(&aside)?) == expected.hash && create(path, name, data)? {
        fs::remove_file(&aside)?;
        File::open(path)?.sync_all()?;
        return Ok(true);
    }
    put_back(&whole, &aside)?;
    Ok(false)
}

fn bytes_of(path: &Path) -> io::Result<Bytes> {
    Ok(read_whole(open_plain(path)?.0)?.0)
}

/// Puts a file back under its name. Where a program saved a newer one meanwhile, that one stays
/// and the older is kept beside it as a dotfile: no edit of a person is thrown away.
fn put_back(whole: &Path, aside: &Path) -> io::Result<()> {
    match fs::hard_link(aside, whole) {
        Ok(()) => fs::remove_file(aside),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let kept = PathBuf::from(format!(
                "{}.{}.kept.tmp",
                aside.display(),
                hash(&bytes_of(aside)?)
            ));
            tracing::warn!(kept = %kept.display(), "an edit was overwritten by a newer one; kept");
            fs::rename(aside, kept)
        }
        Err(error) => Err(error),
    }
}

/// Puts back what a crash left aside. Its removal is tried again by whoever wanted it.
pub(super) fn put_back_left_aside(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let object = name
            .strip_prefix('.')
            .and_then(|name| name.strip_suffix(ASIDE));
        if let Some(object) = object {
            put_back(&path.join(object), &path.join(name.as_ref()))?;
        }
    }
    Ok(())
}

/// Lists, writes and removes: everything that is done to a vdir.
pub(super) fn probe(path: &Path) -> io::Result<()> {
    fs::read_dir(path)?.try_for_each(|entry| entry.map(drop))?;
    let temporary = path.join(".liaison-probe.tmp");
    File::create(&temporary)?.sync_all()?;
    fs::remove_file(temporary)
}
