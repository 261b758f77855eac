//! Files of a Maildir into arrived messages, in portions that fit into memory.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use bytes::Bytes;
use liaison_core::time::Timestamp;

use super::listing::{self, Listed, Subfolders};
use super::{MESSAGE_BYTES_MAX, Times};
use crate::source::{Arrived, BATCH_MESSAGES_MAX, Content};

/// Most message bytes in one batch, unless a single message has more.
const BATCH_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Longest header section kept of a message over the cap, in bytes.
const HEADER_BYTES_MAX: u64 = 256 * 1024;

/// A file that was never taken.
#[derive(Debug, Clone)]
pub(super) struct Fresh {
    pub(super) file: Listed,
    pub(super) times: Times,
    size: u64,
}

/// Files with their times and sizes, and what was in the way of others.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// By time, then name. Files that were deleted meanwhile are left out.
    pub(super) fresh: Vec<Fresh>,
    /// The first file that may not be judged, and why: it is looked at again by the next look.
    pub(super) unjudged: Option<String>,
}

/// Adds times and sizes.
///
/// # Errors
/// When the folder may be listed but not searched: then nothing in it can be judged.
pub(super) fn with_times(folder: &Path, files: Vec<Listed>) -> io::Result<Judged> {
    let mut judged = Judged::default();
    let mut first = None;
    for (file, metadata) in relisted(folder, files, |path| std::fs::symlink_metadata(path)) {
        match metadata {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                first.get_or_insert((unreadable(folder, &file, &error), error));
            }
            Ok(metadata) => judged.fresh.push(Fresh {
                times: times(&metadata),
                size: metadata.len(),
                file,
            }),
        }
    }
    if let Some((text, error)) = first {
        if judged.fresh.is_empty() {
            return Err(error);
        }
        judged.unjudged = Some(text);
    }
    judged.fresh.sort_by(|a, b| {
        (a.times.modified, &a.file.locator).cmp(&(b.times.modified, &b.file.locator))
    });
    Ok(judged)
}

fn unreadable(folder: &Path, file: &Listed, error: &io::Error) -> String {
    format!(
        "{} cannot be read: {error}",
        folder.join(&file.place).display()
    )
}

/// Cuts into portions of at most [`BATCH_MESSAGES_MAX`] messages and [`BATCH_BYTES_MAX`] bytes.
pub(super) fn portions(fresh: Vec<Fresh>) -> Vec<Vec<Fresh>> {
    let mut portions: Vec<Vec<Fresh>> = Vec::new();
    let mut bytes = 0_u64;
    for one in fresh {
        let size = one.size.min(MESSAGE_BYTES_MAX);
        match portions.last_mut() {
            Some(portion)
                if portion.len() < BATCH_MESSAGES_MAX
                    && bytes.saturating_add(size) <= BATCH_BYTES_MAX =>
            {
                bytes = bytes.saturating_add(size);
                portion.push(one);
            }
            _ => {
                bytes = size;
                portions.push(vec![one]);
            }
        }
    }
    portions
}

/// Reads the files, one answer for each.
///
/// # Errors
/// When this process or machine is short of something (descriptors, memory): that says nothing
/// of any file, and none of them is answered.
pub(super) fn read(folder: &Path, fresh: Vec<Fresh>) -> io::Result<Vec<Arrived>> {
    let times: std::collections::HashMap<String, Times> = fresh
        .iter()
        .map(|one| (one.file.locator.clone(), one.times))
        .collect();
    let files = fresh.into_iter().map(|one| one.file).collect();
    let mut arrived = Vec::new();
    for (file, content) in relisted(folder, files, read_file) {
        let content = match content {
            Ok(content) => content,
            Err(error) => match meaning(&error) {
                Meaning::Gone => Content::Vanished,
                Meaning::Shortage => return Err(error),
                Meaning::NotNow => Content::NotNow {
                    reason: unreadable(folder, &file, &error),
                },
                Meaning::Never => Content::Unfetchable {
                    reason: unreadable(folder, &file, &error),
                },
            },
        };
        if let Some(times) = times.get(&file.locator) {
            arrived.push(Arrived {
                received_at: times.modified,
                flags: listing::flags(&file.place),
                locator: file.locator,
                content,
            });
        }
    }
    Ok(arrived)
}

/// What a failed read says of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is not there any more.
    Gone,
    /// Nothing: we are short of something.
    Shortage,
    /// Nothing for good: rights are given, disks come back.
    NotNow,
    /// It is no message file, and does not become one.
    Never,
}

pub(super) fn meaning(error: &io::Error) -> Meaning {
    match error.raw_os_error() {
        Some(libc::ENOENT) => Meaning::Gone,
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM) => Meaning::Shortage,
        // A link in its place (O_NOFOLLOW), or our own words of a FIFO or folder.
        Some(libc::ELOOP | libc::ENXIO) | None => Meaning::Never,
        Some(_) => Meaning::NotNow,
    }
}

/// A message that was waited for and is not listed any more.
pub(super) fn vanished(locator: String, now: Timestamp) -> Arrived {
    Arrived {
        locator,
        received_at: now,
        flags: Vec::new(),
        content: Content::Vanished,
    }
}

/// Does `look` for each file. Those that are not where they were listed are looked for once more
/// under the names of now: a mail reader moved them to `cur` or changed a flag.
fn relisted<T>(
    folder: &Path,
    files: Vec<Listed>,
    look: impl Fn(&Path) -> io::Result<T>,
) -> Vec<(Listed, io::Result<T>)> {
    let mut looked: Vec<(Listed, io::Result<T>)> = files
        .into_iter()
        .map(|file| {
            let found = look(&folder.join(&file.place));
            (file, found)
        })
        .collect();
    let missing =
        |found: &io::Result<T>| matches!(found, Err(e) if e.kind() == io::ErrorKind::NotFound);
    if !looked.iter().any(|(_, found)| missing(found)) {
        return looked;
    }
    let Ok(now) = listing::list(folder, Subfolders::MayBeMissing) else {
        return looked;
    };
    for (file, found) in looked.iter_mut().filter(|(_, found)| missing(found)) {
        let moved = now.binary_search_by(|other| other.locator.cmp(&file.locator));
        if let Some(moved) = moved.ok().and_then(|index| now.get(index)) {
            file.place.clone_from(&moved.place);
            *found = look(&folder.join(&file.place));
        }
    }
    looked
}

fn times(metadata: &Metadata) -> Times {
    let millis = |seconds: i64, nanos: i64| {
        Timestamp(
            seconds
                .saturating_mul(1000)
                .saturating_add(nanos / 1_000_000),
        )
    };
    Times {
        modified: millis(metadata.mtime(), metadata.mtime_nsec()),
        changed: millis(metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// Opens a plain file for reading and nothing else: a link or a FIFO put in its place between
/// listing and opening is an error, not a way out of the Maildir or a wait for ever.
pub(crate) fn open_plain(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    Ok((file, metadata.len()))
}

fn read_file(path: &Path) -> io::Result<Content> {
    let (file, size) = open_plain(path)?;
    if size > MESSAGE_BYTES_MAX {
        let header = header_section(file)?;
        return Ok(Content::HeaderOnly { header, size });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.take(MESSAGE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Content::Message(Bytes::from(bytes)))
}

/// The header section with its blank line, at most [`HEADER_BYTES_MAX`] bytes.
pub(crate) fn header_section(file: File) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    file.take(HEADER_BYTES_MAX).read_to_end(&mut bytes)?;
    let mut end = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        if line.trim_ascii().is_empty() {
            break;
        }
    }
    bytes.truncate(end);
    Ok(Bytes::from(bytes))
}
