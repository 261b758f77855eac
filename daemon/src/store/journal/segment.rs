//! The files of the journal.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{JournalError, JournalOptions, io_error};
use crate::store::files::{FILE_MODE, sync_dir};

/// The shape of frames; a segment with a greater one is not read.
pub(super) const FORMAT: u16 = 1;
pub(super) const HEADER_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"LIAJRNL\n";
const EXTENSION: &str = "journal";
/// Ends the name of a segment that is being made.
const UNFINISHED: &str = "part";
/// Zeros written with one call.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The store it belongs to.
    pub(super) store: u128,
    /// Number of its first frame.
    pub(super) first: u64,
    /// When it was made, milliseconds since 1970.
    pub(super) at_ms: i64,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = [
            &MAGIC[..],
            &FORMAT.to_be_bytes()[..],
            &self.store.to_be_bytes()[..],
            &self.first.to_be_bytes()[..],
            &self.at_ms.to_be_bytes()[..],
        ]
        .concat();
        bytes.resize(HEADER_BYTES - 4, 0);
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend(checksum.to_be_bytes());
        bytes
    }

    fn decode(path: &Path, bytes: &[u8; HEADER_BYTES]) -> Result<Header, JournalError> {
        let bad = |reason: &str| JournalError::Header {
            path: path.to_owned(),
            reason: reason.to_owned(),
            foreign: false,
        };
        let Some(rest) = bytes.strip_prefix(&MAGIC) else {
            return Err(bad("it does not begin as one"));
        };
        let Some((covered, checksum)) = bytes.split_last_chunk::<4>() else {
            return Err(bad("it is too short"));
        };
        if crc32c::crc32c(covered) != u32::from_be_bytes(*checksum) {
            return Err(bad("the checksum of its header is wrong"));
        }
        let fields = rest
            .split_first_chunk::<2>()
            .and_then(|(format, rest)| Some((format, rest.split_first_chunk::<16>()?)))
            .and_then(|(format, (store, rest))| {
                let (first, rest) = rest.split_first_chunk::<8>()?;
                let (at_ms, _) = rest.split_first_chunk::<8>()?;
                Some((format, store, first, at_ms))
            });
        let Some((format, store, first, at_ms)) = fields else {
            return Err(bad("it is too short"));
        };
        let found = u16::from_be_bytes(*format);
        if found > FORMAT {
            return Err(JournalError::Newer {
                path: path.to_owned(),
                found,
            });
        }
        Ok(Header {
            store: u128::from_be_bytes(*store),
            first: u64::from_be_bytes(*first),
            at_ms: i64::from_be_bytes(*at_ms),
        })
    }
}

/// The name of the segment whose first frame has this number.
pub(super) fn name(first: u64) -> String {
    format!("{first:016x}.{EXTENSION}")
}

/// The segments of a folder, by their first frame; none when there is no such folder.
pub(super) fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let entries = entries.map_err(io_error("read the folder", folder))?;
    let mut found: Vec<(u64, PathBuf)> = entries
        .iter()
        .filter_map(|entry| {
            let path = entry.path();
            let stem = path.extension()?.to_str()? == EXTENSION;
            let first = u64::from_str_radix(path.file_stem()?.to_str()?, 16).ok()?;
            stem.then_some((first, path))
        })
        .collect();
    found.sort();
    Ok(found)
}

/// Removes segments that a crash left half-made.
pub(super) fn sweep(folder: &Path) -> Result<(), JournalError> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry.map_err(io_error("read the folder", folder))?.path();
        if path.extension().is_some_and(|ending| ending == UNFINISHED) {
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        }
    }
    Ok(())
}

/// Makes the segment beside its place and moves it there: a segment that is found has a header.
pub(super) fn create(
    folder: &Path,
    options: &JournalOptions,
    first: u64,
    at_ms: i64,
) -> Result<(PathBuf, File), JournalError> {
    let path = folder.join(name(first));
    let unfinished = path.with_extension(UNFINISHED);
    let header = Header {
        store: options.store,
        first,
        at_ms,
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(&unfinished)
        .map_err(io_error("create", &unfinished))?;
    file.write_all_at(&header.encode(), 0)
        .and_then(|()| file.sync_all())
        .map_err(io_error("write", &unfinished))?;
    fs::rename(&unfinished, &path).map_err(io_error("move into place", &unfinished))?;
    sync_dir(folder).map_err(io_error("sync the folder", folder))?;
    Ok((path, file))
}

/// Opens a segment to write.
pub(super) fn open(path: &Path, options: &JournalOptions) -> Result<File, JournalError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(io_error("open", path))?;
    header(path, &file, Some(options.store))?;
    Ok(file)
}

/// Reads the header; of `store`, when that is known.
pub(super) fn header(
    path: &Path,
    file: &File,
    store: Option<u128>,
) -> Result<Header, JournalError> {
    let mut bytes = [0; HEADER_BYTES];
    match file.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(io_error("read the header of", path)(error));
        }
        // What is missing are zeros, which no header has.
        _ => {}
    }
    let header = Header::decode(path, &bytes)?;
    match store {
        Some(store) if store != header.store => Err(JournalError::Header {
            path: path.to_owned(),
            reason: format!("it belongs to the store {:032x}", header.store),
            foreign: true,
        }),
        _ => Ok(header),
    }
}

/// Writes zeros from `from` to `to`.
pub(super) fn zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let step = to.saturating_sub(at).min(ZEROS.len() as u64);
        let bytes = usize::try_from(step).unwrap_or(ZEROS.len());
        file.write_all_at(ZEROS.get(..bytes).unwrap_or(&ZEROS), at)?;
        at = at.saturating_add(step);
    }
    Ok(())
}

/// Writes what lies between `from` and `to` once more.
pub(super) fn rewrite(file: &File, from: u64, to: u64) -> io::Result<()> {
    let length = usize::try_from(to.saturating_sub(from)).unwrap_or(0);
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, from)?;
    file.write_all_at(&bytes, from)
}
