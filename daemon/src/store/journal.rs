//! The commit journal: where a commit becomes durable.
//!
//! A folder of segments; a segment is a header and then frames, one for each group of commits,
//! numbered without gaps. Space is written with zeros ahead of its use, so that one `fdatasync`
//! of a frame need not change the length of the file. After the last frame come zeros.
//!
//! ```text
//! journal/00000000000000a1.journal      named after the number of its first frame
//!   header   64 bytes: magic, format, store id, first frame, time made, CRC32C
//!   frame    magic "LjF1" | length u32 | number u64 | CRC32C u32 | payload, padded to 8 bytes
//!   frame    ...
//! ```
//!
//! A crash can leave one frame half-written, the last. It was never acknowledged: it is cut off
//! and reported. A bad frame with a good one after it is damage, and is told as such.

mod frame;
mod read;
mod segment;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use frame::{Change, Family, FrameError, Group, Raw};
pub use read::{Damage, Segments, Tail};

use frame::FRAME_HEADER_BYTES;
use segment::HEADER_BYTES;

use super::files::make_dir;
use super::planted::{self, Bug};

/// Length from which a segment is full: the next frame begins another.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// Zeros written ahead at a time: about a thousand small commits, and a small loss on disk.
const AHEAD_BYTES: u64 = 4 << 20;
/// Longest payload of a frame: the greatest group (two batches of 2,000 rows, of 1 KiB and
/// 4 KiB each) has 20 MiB.
pub const FRAME_BYTES_MAX: usize = 32 << 20;

/// Where the journal stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Number of the last durable frame; 0: none yet.
    pub frame: u64,
    /// First frame of the segment that is written.
    pub segment: u64,
    /// Bytes of that segment in use.
    pub offset: u64,
}

/// Why the journal cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A segment's header makes no sense, or names another store.
    #[error("{} is no segment of this store's journal ({reason})", path.display())]
    Header {
        /// The segment.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// Whether it is whole, and another store's.
        foreign: bool,
    },
    /// A later release wrote it.
    #[error(
        "{} has format {found}, this liaison knows {}: start the release that wrote it",
        path.display(), segment::FORMAT
    )]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its format.
        found: u16,
    },
    /// A group is over [`FRAME_BYTES_MAX`].
    #[error("a group of {bytes} bytes, at most {FRAME_BYTES_MAX} fit into a frame")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
}

impl JournalError {
    /// Whether the disk has no space left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            JournalError::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
            _ => false,
        }
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io {
        doing,
        path,
        source,
    }
}

/// What a journal needs to know of its store.
#[derive(Debug, Clone, Copy)]
pub struct JournalOptions {
    /// The identity of the store, written into each segment.
    pub store: u128,
    /// When a segment is full: [`SEGMENT_BYTES`] unless set.
    pub segment_bytes: u64,
}

/// The one sync of a commit.
fn sync(file: &File) -> io::Result<()> {
    if planted::is(Bug::SkipSync) {
        return Ok(());
    }
    file.sync_data()
}

/// The journal of an open store; one thread writes it.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    options: JournalOptions,
    path: PathBuf,
    file: File,
    position: Position,
    /// Bytes of the segment that are written, with zeros beyond the offset.
    ahead: u64,
}

impl Journal {
    /// Goes on where [`Segments::read`] found the end.
    ///
    /// What lies beyond is cut off, and the last frame is written again: after a failed sync it
    /// may be in memory and not on disk, and the kernel does not try again by itself.
    ///
    /// # Errors
    /// [`JournalError::Io`], [`JournalError::Header`].
    pub fn resume(
        folder: &Path,
        options: JournalOptions,
        tail: &Tail,
    ) -> Result<Journal, JournalError> {
        let position = tail.position;
        let path = folder.join(segment::name(position.segment));
        let file = segment::open(&path, &options)?;
        let offset = position.offset;
        file.set_len(offset)
            .and_then(|()| segment::rewrite(&file, tail.last_at, offset))
            .and_then(|()| file.sync_all())
            .map_err(io_error("cut the end of", &path))?;
        Ok(Journal {
            folder: folder.to_owned(),
            options,
            path,
            file,
            position,
            ahead: offset,
        })
    }

    /// Begins a segment after the frame number `last`, in a folder that is made when missing.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn begin(
        folder: &Path,
        options: JournalOptions,
        last: u64,
        now_ms: i64,
    ) -> Result<Journal, JournalError> {
        make_dir(folder).map_err(io_error("make the folder", folder))?;
        let first = last.saturating_add(1);
        let (path, file) = segment::create(folder, &options, first, now_ms)?;
        let offset = HEADER_BYTES as u64;
        Ok(Journal {
            folder: folder.to_owned(),
            options,
            path,
            file,
            position: Position {
                frame: last,
                segment: first,
                offset,
            },
            ahead: offset,
        })
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether the next frame is the first of its segment: it then tells the sums of all
    /// families, so that each segment can be read alone.
    #[must_use]
    pub fn begins(&self) -> bool {
        self.position.offset == HEADER_BYTES as u64
            || self.position.offset >= self.options.segment_bytes
    }

    /// Appends `group` under the next number; durable when it returns.
    ///
    /// # Errors
    /// A full disk is told before anything was written: the journal can go on then
    /// ([`JournalError::is_full`]). After any other error it cannot.
    pub fn append(&mut self, group: &Group<'_>, now_ms: i64) -> Result<Position, JournalError> {
        let number = self.position.frame.saturating_add(1);
        let bytes = frame::encode(number, group)?;
        self.make_room(bytes.len() as u64, now_ms)?;
        let offset = self.position.offset;
        self.file
            .write_all_at(&bytes, offset)
            .and_then(|()| sync(&self.file))
            .map_err(io_error("append to", &self.path))?;
        self.position.frame = number;
        self.position.offset = offset.saturating_add(bytes.len() as u64);
        Ok(self.position)
    }

    /// Space for `bytes` more, in this segment or the next.
    fn make_room(&mut self, bytes: u64, now_ms: i64) -> Result<(), JournalError> {
        if self.position.offset >= self.options.segment_bytes {
            *self = Journal::begin(&self.folder, self.options, self.position.frame, now_ms)?;
        }
        self.reserve(bytes)
    }

    /// Writes zeros ahead when fewer than `bytes` are left.
    fn reserve(&mut self, bytes: u64) -> Result<(), JournalError> {
        let needed = self.position.offset.saturating_add(bytes);
        if needed <= self.ahead && self.ahead > self.position.offset {
            return Ok(());
        }
        // A last header of zeros ends the segment, so there is always room for one.
        let least = needed.saturating_add(FRAME_HEADER_BYTES as u64);
        let most = self
            .options
            .segment_bytes
            .saturating_add(FRAME_HEADER_BYTES as u64);
        let wanted = self.ahead.saturating_add(AHEAD_BYTES).min(most).max(least);
        let written =
            segment::zeros(&self.file, self.ahead, wanted).and_then(|()| self.file.sync_all());
        if let Err(error) = written {
            // As it was before, so that a full disk costs nothing but the answer.
            self.file
                .set_len(self.ahead)
                .map_err(io_error("shorten", &self.path))?;
            return Err(io_error("extend", &self.path)(error));
        }
        self.ahead = wanted;
        Ok(())
    }
}
