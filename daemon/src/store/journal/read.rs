//! Reading the journal: at the start, for a rebuild, for a backup.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{self, FRAME_HEADER_BYTES, Frame, FrameError};
use super::segment::{self, HEADER_BYTES};
use super::{FRAME_BYTES_MAX, Family, Group, JournalError, Position, io_error};
use crate::store::planted::{self, Bug};

/// Bytes read ahead; a frame is seldom longer.
const READ_BYTES: usize = 256 << 10;
/// Damaged places that are told one by one.
const DAMAGE_MAX: usize = 100;

/// Frames that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub path: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// First frame that is missing.
    pub first: u64,
    /// Last frame that is missing.
    pub last: u64,
    /// What was found there.
    pub reason: FrameError,
}

/// How the journal ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    /// The last good frame.
    pub position: Position,
    /// Where it begins.
    pub last_at: u64,
    /// Bytes of a frame that was not finished, to be cut off.
    pub cut_bytes: u64,
    /// Whether nothing can be appended to the segment of the position.
    pub ended: bool,
    /// The families as the frames told them last.
    pub families: Vec<Family>,
    /// What could not be read.
    pub damage: Vec<Damage>,
}

/// The segments in a folder.
#[derive(Debug, Clone)]
pub struct Segments {
    folder: PathBuf,
    list: Vec<(u64, PathBuf)>,
}

impl Segments {
    /// Those in `folder`, after removing what a crash left half-made.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn find(folder: &Path) -> Result<Segments, JournalError> {
        segment::sweep(folder)?;
        Segments::list(folder)
    }

    /// Those in `folder`, which somebody else may be writing.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn list(folder: &Path) -> Result<Segments, JournalError> {
        Ok(Segments {
            folder: folder.to_owned(),
            list: segment::list(folder)?,
        })
    }

    /// Number of the first frame that is kept; `None` without segments.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.list.first().map(|(first, _)| *first)
    }

    /// The files, oldest first, each with the number of its first frame.
    #[must_use]
    pub fn files(&self) -> &[(u64, PathBuf)] {
        &self.list
    }

    /// Where they are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The store to which they belong; `None` when no header can be read.
    #[must_use]
    pub fn store(&self) -> Option<u128> {
        let header = |path: &Path| {
            let file = File::open(path).ok()?;
            segment::header(path, &file, None).ok()
        };
        let mut newest_first = self.list.iter().rev();
        newest_first.find_map(|(_, path)| header(path).map(|header| header.store))
    }

    /// Gives each frame after number `after` to `take`, in order, and tells how the journal ends.
    ///
    /// Frames up to `after` in the segment of the first one wanted are checked too. `take` ends
    /// the reading with its own error.
    ///
    /// # Errors
    /// [`JournalError`], and whatever `take` says. Damage is no error here: it is listed.
    pub fn read<E: From<JournalError>>(
        &self,
        store: Option<u128>,
        after: u64,
        take: &mut dyn FnMut(u64, &Group<'_>) -> Result<(), E>,
    ) -> Result<Tail, E> {
        let mut reading = Reader::new(store, after);
        let mut wanted = self
            .list
            .partition_point(|(first, _)| *first <= after.saturating_add(1))
            .saturating_sub(1);
        // The first frame of a segment tells all families: an empty one tells nothing.
        while wanted > 0 && self.is_empty(wanted)? {
            wanted = wanted.saturating_sub(1);
        }
        let files = self.list.get(wanted..).unwrap_or_default();
        for (index, (first, path)) in files.iter().enumerate() {
            let next = files.get(index.saturating_add(1)).map(|(first, _)| *first);
            reading.segment(*first, path, next, take)?;
        }
        Ok(with_planted(reading.tail))
    }

    /// Whether no good frame begins the segment: also a half-written one tells no families.
    fn is_empty(&self, index: usize) -> Result<bool, JournalError> {
        let Some((_, path)) = self.list.get(index) else {
            return Ok(true);
        };
        let file = File::open(path).map_err(io_error("open", path))?;
        let length = file.metadata().map_err(io_error("look at", path))?.len();
        let mut window = Window {
            path,
            file,
            bytes: Vec::new(),
            at: 0,
            length,
        };
        Ok(frame_at(&mut window, HEADER_BYTES as u64)?.is_err())
    }
}

/// Goes through segments.
#[derive(Debug)]
struct Reader {
    store: Option<u128>,
    after: u64,
    expected: Option<u64>,
    /// Where the segment before this one could not be read on, and why.
    ended: Option<(PathBuf, u64, FrameError)>,
    tail: Tail,
}

/// One open segment and the part of it that is in memory.
struct Window<'a> {
    path: &'a Path,
    file: File,
    bytes: Vec<u8>,
    /// Where the bytes begin in the file.
    at: u64,
    length: u64,
}

impl Window<'_> {
    /// The bytes from `offset`, at least `least` of them if there are as many.
    fn at(&mut self, offset: u64, least: usize) -> Result<&[u8], JournalError> {
        let from = offset
            .checked_sub(self.at)
            .and_then(|from| usize::try_from(from).ok());
        let held = from.and_then(|from| self.bytes.get(from..));
        let left = self.length.saturating_sub(offset);
        if held.is_none_or(|held| held.len() < least && (held.len() as u64) < left) {
            let wanted = (READ_BYTES.max(least) as u64).min(left);
            self.bytes.resize(usize::try_from(wanted).unwrap_or(0), 0);
            self.at = offset;
            match self.file.read_exact_at(&mut self.bytes, offset) {
                Ok(()) => {}
                // It became shorter while it was read: nobody may do that to an open segment.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.bytes.clear(),
                Err(error) => return Err(io_error("read", self.path)(error)),
            }
            return Ok(&self.bytes);
        }
        Ok(held_from(&self.bytes, from))
    }
}

fn held_from(bytes: &[u8], from: Option<usize>) -> &[u8] {
    from.and_then(|from| bytes.get(from..)).unwrap_or_default()
}

/// The frame at `offset`.
fn frame_at<'a>(
    window: &'a mut Window<'_>,
    offset: u64,
) -> Result<Result<Frame<'a>, FrameError>, JournalError> {
    let head = window.at(offset, FRAME_HEADER_BYTES)?;
    let payload = match head.get(4..8).and_then(|length| length.first_chunk::<4>()) {
        Some(length) => u32::from_be_bytes(*length) as usize,
        None => 0,
    };
    let whole = FRAME_HEADER_BYTES.saturating_add(payload.min(FRAME_BYTES_MAX));
    Ok(frame::decode(window.at(offset, whole)?))
}

impl Reader {
    fn new(store: Option<u128>, after: u64) -> Reader {
        Reader {
            store,
            after,
            expected: None,
            ended: None,
            tail: Tail::default(),
        }
    }

    fn segment<E: From<JournalError>>(
        &mut self,
        first: u64,
        path: &Path,
        next: Option<u64>,
        take: &mut dyn FnMut(u64, &Group<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let file = File::open(path).map_err(io_error("open", path))?;
        let length = file.metadata().map_err(io_error("look at", path))?.len();
        let bad_header = match segment::header(path, &file, self.store) {
            Ok(_) => false,
            Err(JournalError::Header { foreign: false, .. }) => true,
            Err(error) => return Err(error.into()),
        };
        let mut window = Window {
            path,
            file,
            bytes: Vec::new(),
            at: 0,
            length,
        };
        let mut expected = first;
        let ended = self.ended.take();
        if let Some(missing) = self.expected.filter(|expected| *expected < first) {
            let (path, offset, reason) =
                ended.unwrap_or_else(|| (path.to_owned(), 0, FrameError::End));
            self.damaged(&path, offset, (missing, first.saturating_sub(1)), reason);
        }
        let mut offset = HEADER_BYTES as u64;
        self.tail.position = Position {
            frame: first.saturating_sub(1),
            segment: first,
            offset,
        };
        self.tail.last_at = offset;
        self.tail.ended = bad_header;
        if bad_header {
            // Nothing is missing by it: the name tells the number of the first frame.
            self.damaged(
                path,
                0,
                (first, first.saturating_sub(1)),
                FrameError::Header,
            );
        }
        loop {
            match self.frame(&mut window, offset, expected, take)? {
                Ok(length) => {
                    self.tail.last_at = offset;
                    offset = offset.saturating_add(length);
                    self.tail.position.frame = expected;
                    self.tail.position.offset = offset;
                    expected = expected.saturating_add(1);
                }
                Err(FrameError::End) => break,
                Err(reason) => match search(&mut window, offset, expected)? {
                    Some((found_at, number)) => {
                        let missing = (expected, number.saturating_sub(1));
                        self.damaged(path, offset, missing, reason);
                        (offset, expected) = (found_at, number);
                    }
                    None if next.is_some() => {
                        self.ended = Some((path.to_owned(), offset, reason));
                        break;
                    }
                    None => {
                        self.tail.cut_bytes = used(&mut window, offset)?;
                        break;
                    }
                },
            }
        }
        self.expected = Some(expected);
        Ok(())
    }

    /// Reads one frame; its length on success.
    fn frame<E: From<JournalError>>(
        &mut self,
        window: &mut Window<'_>,
        offset: u64,
        expected: u64,
        take: &mut dyn FnMut(u64, &Group<'_>) -> Result<(), E>,
    ) -> Result<Result<u64, FrameError>, E> {
        let frame = match frame_at(window, offset)? {
            Ok(frame) if frame.number == expected => frame,
            Ok(_) => return Ok(Err(FrameError::Magic)),
            Err(error) => return Ok(Err(error)),
        };
        let group = match frame::group(frame.payload) {
            Ok(group) => group,
            Err(error) => return Ok(Err(error)),
        };
        merge(&mut self.tail.families, &group.families);
        if expected > self.after {
            take(expected, &group)?;
        }
        Ok(Ok(frame.length as u64))
    }

    fn damaged(&mut self, path: &Path, offset: u64, missing: (u64, u64), reason: FrameError) {
        if self.tail.damage.len() < DAMAGE_MAX {
            self.tail.damage.push(Damage {
                path: path.to_owned(),
                offset,
                first: missing.0,
                last: missing.1,
                reason,
            });
        }
    }
}

fn merge(families: &mut Vec<Family>, newer: &[Family]) {
    for family in newer {
        match families.iter_mut().find(|known| known.ns == family.ns) {
            Some(known) => *known = *family,
            None => families.push(*family),
        }
    }
}

/// The next good frame with a number of at least `least` beyond `offset`.
fn search(
    window: &mut Window<'_>,
    offset: u64,
    least: u64,
) -> Result<Option<(u64, u64)>, JournalError> {
    let step = frame::ALIGN as u64;
    let mut at = offset.saturating_add(step);
    while at < window.length {
        let begins = window
            .at(at, frame::MAGIC.len())?
            .starts_with(&frame::MAGIC);
        if begins
            && let Ok(frame) = frame_at(window, at)?
            && frame.number >= least
        {
            return Ok(Some((at, frame.number)));
        }
        at = at.saturating_add(step);
    }
    Ok(None)
}

/// Bytes from `offset` to the last that is not zero.
fn used(window: &mut Window<'_>, offset: u64) -> Result<u64, JournalError> {
    let (mut at, mut last) = (offset, offset);
    while at < window.length {
        let bytes = window.at(at, 1)?;
        if bytes.is_empty() {
            break;
        }
        if let Some(index) = bytes.iter().rposition(|byte| *byte != 0) {
            last = at.saturating_add(index as u64).saturating_add(1);
        }
        at = at.saturating_add(bytes.len() as u64);
    }
    Ok(last.saturating_sub(offset))
}

/// How the journal looks when planted bugs have read it.
fn with_planted(mut tail: Tail) -> Tail {
    if tail.cut_bytes > 0 && planted::is(Bug::CutTooMuch) {
        tail.position.frame = tail.position.frame.saturating_sub(1);
        tail.position.offset = tail.last_at;
    }
    tail
}
