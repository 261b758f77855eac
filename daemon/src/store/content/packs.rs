//! Small content: append-only files with many in each.
//!
//! ```text
//! packs/00000001.pack
//!   entry    magic "LjC1" | length u32 | second u64 | hash 32 bytes | content, padded to 8
//!   entry    ...
//! packs/00000001.index     hash, offset, length and second of each entry of a full pack
//! ```
//!
//! An index only saves reading the pack at the start; one that is missing or bad is made again.
//! What a crash left unfinished at the end of the newest pack is cut off: content is durable
//! before a row names it. A place that holds something else than its hash says is told when it is
//! read, and healed when the same content is put again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{
    ContentError, ContentHash, ContentStats, PACKED_BYTES_MAX, Swept, io_error, list, make_dir,
    sync_dir,
};
use crate::store::files::FILE_MODE;

pub(super) const FOLDER: &str = "packs";
/// Length from which a pack is full: a sweep rewrites at most so much at once.
const PACK_BYTES: u64 = 64 << 20;
const MAGIC: [u8; 4] = *b"LjC1";
/// Content of the open pack up to this length is read without a thread of its own.
const RECENT_BYTES_MAX: u32 = 32 * 1024;
/// Magic, length, second and hash.
const HEADER_BYTES: usize = 48;
const ALIGN: u64 = 8;
const PACK: &str = "pack";
const INDEX: &str = "index";
const UNFINISHED: &str = "part";
/// One entry of an index: hash, offset, length and second.
const INDEX_ENTRY_BYTES: usize = 48;
/// A pack is rewritten when at least one part in so many of it is needless.
const WASTE_PART: u64 = 2;

/// Where content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    pack: u32,
    offset: u32,
    length: u32,
    /// Second since 1970 in which it was put last.
    at: u64,
}

impl Place {
    /// Bytes with header and padding.
    fn extent(self) -> u64 {
        extent(self.length)
    }
}

fn extent(length: u32) -> u64 {
    (HEADER_BYTES as u64)
        .saturating_add(u64::from(length))
        .next_multiple_of(ALIGN)
}

/// The packs of one folder. About 80 bytes of memory for each content.
#[derive(Debug)]
pub(super) struct Packs {
    folder: PathBuf,
    state: Mutex<State>,
    sync: Mutex<Sync>,
    synced: Condvar,
}

#[derive(Debug, Default)]
struct State {
    places: HashMap<ContentHash, Place>,
    /// Length of each pack.
    packs: BTreeMap<u32, u64>,
    /// The newest, when it is being written.
    open: Option<Open>,
    /// Entries appended by this process.
    appended: u64,
}

#[derive(Debug)]
struct Open {
    number: u32,
    file: Arc<File>,
    offset: u64,
}

/// Who syncs for whom.
#[derive(Debug, Default)]
struct Sync {
    /// Entries appended by this process that are on disk.
    done: u64,
    running: bool,
    failed: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Packs {
    pub(super) fn open(folder: &Path) -> Result<Packs, ContentError> {
        let packs = Packs {
            folder: folder.to_owned(),
            state: Mutex::new(State::default()),
            sync: Mutex::new(Sync::default()),
            synced: Condvar::new(),
        };
        let mut numbers = Vec::new();
        if folder.try_exists().map_err(io_error("look for", folder))? {
            for entry in list(folder)? {
                let path = entry.path();
                let extension = path.extension().and_then(|extension| extension.to_str());
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                match (extension, stem.map(|stem| u32::from_str_radix(stem, 16))) {
                    (Some(PACK), Some(Ok(number))) => numbers.push(number),
                    (Some(UNFINISHED), _) => {
                        fs::remove_file(&path).map_err(io_error("remove", &path))?;
                    }
                    _ => {}
                }
            }
        }
        numbers.sort_unstable();
        let newest = numbers.last().copied();
        for number in numbers {
            packs.load(number, newest == Some(number))?;
        }
        Ok(packs)
    }

    fn path(&self, number: u32, extension: &str) -> PathBuf {
        self.folder.join(format!("{number:08x}.{extension}"))
    }

    /// Takes a pack that is there; the newest is cut where it was not finished.
    fn load(&self, number: u32, newest: bool) -> Result<(), ContentError> {
        let path = self.path(number, PACK);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(io_error("open", &path))?;
        let length = file.metadata().map_err(io_error("look at", &path))?.len();
        let known = match newest {
            true => None,
            false => self.read_index(number, length),
        };
        let (entries, end) = match known {
            Some(entries) => (entries, length),
            None => walk(number, &file, length).map_err(io_error("read", &path))?,
        };
        let mut state = lock(&self.state);
        for (hash, place) in &entries {
            state.places.insert(*hash, *place);
        }
        state.packs.insert(number, end);
        if newest {
            if end < length {
                tracing::info!(pack = %path.display(), bytes = length - end, "unfinished content cut off");
                let cut = file.set_len(end).and_then(|()| file.sync_all());
                cut.map_err(io_error("cut the end of", &path))?;
            }
            state.open = Some(Open {
                number,
                file: Arc::new(file),
                offset: end,
            });
        }
        Ok(())
    }

    pub(super) fn stats(&self) -> ContentStats {
        let state = lock(&self.state);
        ContentStats {
            packed: state.places.len() as u64,
            pack_bytes: state
                .packs
                .values()
                .fold(0, |sum, bytes| sum.saturating_add(*bytes)),
            packs: state.packs.len() as u64,
        }
    }

    pub(super) fn read(&self, hash: ContentHash) -> Result<Option<Bytes>, ContentError> {
        // A sweep may move it between the look-up and the reading: then it lies elsewhere.
        let mut place = lock(&self.state).places.get(&hash).copied();
        while let Some(looked_up) = place {
            match self.read_at(looked_up, hash) {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(error) => {
                    place = lock(&self.state).places.get(&hash).copied();
                    if place == Some(looked_up) {
                        return Err(error);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Small content of the pack that is being written; `None` when it is elsewhere, or not whole.
    pub(super) fn read_recent(&self, hash: ContentHash) -> Option<Bytes> {
        let (place, file) = {
            let state = lock(&self.state);
            let place = *state.places.get(&hash)?;
            let open = state.open.as_ref()?;
            let is_near = open.number == place.pack && place.length <= RECENT_BYTES_MAX;
            (place, is_near.then(|| Arc::clone(&open.file))?)
        };
        let mut bytes = vec![0; place.length as usize];
        let from = u64::from(place.offset).saturating_add(HEADER_BYTES as u64);
        file.read_exact_at(&mut bytes, from).ok()?;
        (ContentHash::of(&bytes) == hash).then(|| Bytes::from(bytes))
    }

    fn read_at(&self, place: Place, hash: ContentHash) -> Result<Bytes, ContentError> {
        let path = self.path(place.pack, PACK);
        let file = File::open(&path).map_err(io_error("open", &path))?;
        let mut bytes = vec![0; place.length as usize];
        let from = u64::from(place.offset).saturating_add(HEADER_BYTES as u64);
        match file.read_exact_at(&mut bytes, from) {
            Ok(()) if ContentHash::of(&bytes) == hash => Ok(Bytes::from(bytes)),
            Ok(()) => Err(ContentError::Damaged { hash }),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(ContentError::Damaged { hash })
            }
            Err(error) => Err(io_error("read", &path)(error)),
        }
    }

    pub(super) fn write(&self, bytes: &[u8], now: u64) -> Result<ContentHash, ContentError> {
        let hash = self.lay(bytes, now)?;
        self.sync()?;
        Ok(hash)
    }

    /// Puts content where it belongs; durable after [`Packs::sync`], also what was there before:
    /// who put it may not have come this far.
    pub(super) fn lay(&self, bytes: &[u8], now: u64) -> Result<ContentHash, ContentError> {
        let hash = ContentHash::of(bytes);
        if !self.is_kept(hash, now)? {
            self.append(&mut lock(&self.state), hash, bytes, now)?;
        }
        Ok(hash)
    }

    pub(super) fn sync(&self) -> Result<(), ContentError> {
        let appended = lock(&self.state).appended;
        self.sync_to(appended)
    }

    /// Whether the content is there, whole; then it counts as put now.
    fn is_kept(&self, hash: ContentHash, now: u64) -> Result<bool, ContentError> {
        {
            let mut state = lock(&self.state);
            let Some(place) = state.places.get_mut(&hash) else {
                return Ok(false);
            };
            place.at = place.at.max(now);
        }
        match self.read(hash) {
            Ok(kept) => Ok(kept.is_some()),
            Err(ContentError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn append(
        &self,
        state: &mut State,
        hash: ContentHash,
        bytes: &[u8],
        at: u64,
    ) -> Result<(), ContentError> {
        if state
            .open
            .as_ref()
            .is_none_or(|open| open.offset >= PACK_BYTES)
        {
            self.begin(state)?;
        }
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let (Some(open), true) = (&mut state.open, bytes.len() <= PACKED_BYTES_MAX) else {
            let bytes = bytes.len() as u64;
            return Err(ContentError::TooLarge { bytes });
        };
        let place = Place {
            pack: open.number,
            offset: u32::try_from(open.offset).unwrap_or(u32::MAX),
            length,
            at,
        };
        let mut entry = Vec::new();
        entry.extend(MAGIC);
        entry.extend(length.to_be_bytes());
        entry.extend(at.to_be_bytes());
        entry.extend(hash.as_bytes());
        entry.extend(bytes);
        entry.resize(usize::try_from(place.extent()).unwrap_or(entry.len()), 0);
        if let Err(error) = open.file.write_all_at(&entry, open.offset) {
            // As it was before: the next entry begins here.
            let cut = open.file.set_len(open.offset);
            let path = self.path(place.pack, PACK);
            cut.map_err(io_error("shorten", &path))?;
            return Err(io_error("append to", &path)(error));
        }
        open.offset = open.offset.saturating_add(place.extent());
        state.packs.insert(place.pack, open.offset);
        state.places.insert(hash, place);
        state.appended = state.appended.saturating_add(1);
        Ok(())
    }

    /// Ends the pack that is written, if there is one, and begins the next.
    fn begin(&self, state: &mut State) -> Result<(), ContentError> {
        let last = state
            .packs
            .last_key_value()
            .map_or(0, |(number, _)| *number);
        if let Some(open) = state.open.take() {
            let path = self.path(open.number, PACK);
            open.file.sync_data().map_err(io_error("sync", &path))?;
            self.write_index(open.number, state)?;
        }
        make_dir(&self.folder)?;
        let number = last.saturating_add(1);
        let path = self.path(number, PACK);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(io_error("create", &path))?;
        sync_dir(&self.folder)?;
        if let Some(parent) = self.folder.parent() {
            sync_dir(parent)?;
        }
        state.packs.insert(number, 0);
        state.open = Some(Open {
            number,
            file: Arc::new(file),
            offset: 0,
        });
        Ok(())
    }

    /// Returns when the first `wanted` entries are on disk: one sync serves all who wait.
    fn sync_to(&self, wanted: u64) -> Result<(), ContentError> {
        let mut sync = lock(&self.sync);
        loop {
            if sync.failed {
                let path = self.folder.clone();
                return Err(ContentError::Failed { path });
            }
            if sync.done >= wanted {
                return Ok(());
            }
            if !sync.running {
                break;
            }
            sync = self
                .synced
                .wait(sync)
                .unwrap_or_else(PoisonError::into_inner);
        }
        sync.running = true;
        drop(sync);
        let (file, appended) = {
            let state = lock(&self.state);
            let file = state.open.as_ref().map(|open| Arc::clone(&open.file));
            (file, state.appended)
        };
        // What lies in packs before the open one was synced when they ended.
        let result = file.map_or(Ok(()), |file| file.sync_data());
        let mut sync = lock(&self.sync);
        sync.running = false;
        match &result {
            Ok(()) => sync.done = sync.done.max(appended),
            // What the kernel tells once it forgets: nothing may be trusted any more.
            Err(_) => sync.failed = true,
        }
        drop(sync);
        self.synced.notify_all();
        result.map_err(io_error("sync a pack in", &self.folder))
    }

    /// Rewrites the packs of which much is needless, without it.
    pub(super) fn sweep(
        &self,
        live: &HashSet<ContentHash>,
        before: u64,
    ) -> Result<Swept, ContentError> {
        let needless =
            |hash: &ContentHash, place: &Place| !live.contains(hash) && place.at < before;
        let mut waste: BTreeMap<u32, u64> = BTreeMap::new();
        for (hash, place) in &lock(&self.state).places {
            if needless(hash, place) {
                let bytes = waste.entry(place.pack).or_default();
                *bytes = bytes.saturating_add(place.extent());
            }
        }
        let mut swept = Swept::default();
        for (number, bytes) in waste {
            let length = lock(&self.state).packs.get(&number).copied().unwrap_or(0);
            if bytes.saturating_mul(WASTE_PART) >= length {
                self.rewrite(number, &needless, &mut swept)?;
            }
        }
        Ok(swept)
    }

    /// Removes these contents, whatever else lies in their packs, unless they were put since.
    pub(super) fn erase(
        &self,
        erased: &HashSet<ContentHash>,
        before: u64,
    ) -> Result<Swept, ContentError> {
        let needless =
            |hash: &ContentHash, place: &Place| erased.contains(hash) && place.at < before;
        let packs: HashSet<u32> = {
            let state = lock(&self.state);
            let places = erased
                .iter()
                .filter_map(|hash| Some((hash, state.places.get(hash)?)));
            let needless = places.filter(|(hash, place)| needless(hash, place));
            needless.map(|(_, place)| place.pack).collect()
        };
        let mut swept = Swept::default();
        for number in packs {
            self.rewrite(number, &needless, &mut swept)?;
        }
        Ok(swept)
    }

    pub(super) fn length(&self, hash: ContentHash) -> Option<u64> {
        let place = lock(&self.state).places.get(&hash).copied()?;
        Some(u64::from(place.length))
    }

    pub(super) fn names(&self) -> Vec<ContentHash> {
        lock(&self.state).places.keys().copied().collect()
    }

    fn rewrite(
        &self,
        number: u32,
        needless: &dyn Fn(&ContentHash, &Place) -> bool,
        swept: &mut Swept,
    ) -> Result<(), ContentError> {
        let inside: Vec<ContentHash> = {
            let mut state = lock(&self.state);
            // Appending goes on elsewhere.
            if state
                .open
                .as_ref()
                .is_some_and(|open| open.number == number)
            {
                self.begin(&mut state)?;
            }
            let inside = state
                .places
                .iter()
                .filter(|(_, place)| place.pack == number);
            inside.map(|(hash, _)| *hash).collect()
        };
        for hash in inside {
            let mut state = lock(&self.state);
            let Some(place) = state.places.get(&hash).copied() else {
                continue;
            };
            if place.pack != number {
                continue;
            }
            if needless(&hash, &place) {
                state.places.remove(&hash);
                swept.contents = swept.contents.saturating_add(1);
                swept.bytes = swept.bytes.saturating_add(u64::from(place.length));
                continue;
            }
            match self.read_at(place, hash) {
                Ok(bytes) => self.append(&mut state, hash, &bytes, place.at)?,
                Err(ContentError::Damaged { hash }) => {
                    tracing::error!(%hash, "damaged content was dropped by a sweep");
                    state.places.remove(&hash);
                }
                Err(error) => return Err(error),
            }
        }
        let appended = lock(&self.state).appended;
        self.sync_to(appended)?;
        lock(&self.state).packs.remove(&number);
        for extension in [INDEX, PACK] {
            let path = self.path(number, extension);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error("remove", &path)(error));
                }
                _ => {}
            }
        }
        sync_dir(&self.folder)
    }

    fn write_index(&self, number: u32, state: &State) -> Result<(), ContentError> {
        let mut bytes = Vec::new();
        for (hash, place) in state
            .places
            .iter()
            .filter(|(_, place)| place.pack == number)
        {
            bytes.extend(hash.as_bytes());
            bytes.extend(place.offset.to_be_bytes());
            bytes.extend(place.length.to_be_bytes());
            bytes.extend(place.at.to_be_bytes());
        }
        let length = state.packs.get(&number).copied().unwrap_or(0);
        bytes.extend(length.to_be_bytes());
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend(checksum.to_be_bytes());
        let (path, unfinished) = (self.path(number, INDEX), self.path(number, UNFINISHED));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&unfinished)
            .and_then(|file| file.write_all_at(&bytes, 0).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(io_error("write", &path))
    }

    /// The entries as the index tells them; `None` when it has to be made again.
    fn read_index(&self, number: u32, length: u64) -> Option<Vec<(ContentHash, Place)>> {
        let bytes = fs::read(self.path(number, INDEX)).ok()?;
        let (covered, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(covered) != u32::from_be_bytes(*checksum) {
            return None;
        }
        let (entries, told) = covered.split_last_chunk::<8>()?;
        if u64::from_be_bytes(*told) != length || entries.len() % INDEX_ENTRY_BYTES != 0 {
            return None;
        }
        let entry = |entry: &[u8]| {
            let (hash, rest) = entry.split_first_chunk::<32>()?;
            let (offset, rest) = rest.split_first_chunk::<4>()?;
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let place = Place {
                pack: number,
                offset: u32::from_be_bytes(*offset),
                length: u32::from_be_bytes(*length),
                at: u64::from_be_bytes(*rest.first_chunk::<8>()?),
            };
            Some((ContentHash::from_bytes(*hash), place))
        };
        entries.chunks(INDEX_ENTRY_BYTES).map(entry).collect()
    }
}

/// The entries of a pack by their headers, and where the last whole one ends.
fn walk(number: u32, file: &File, length: u64) -> io::Result<(Vec<(ContentHash, Place)>, u64)> {
    let mut entries = Vec::new();
    let mut offset = 0;
    loop {
        let mut header = [0; HEADER_BYTES];
        match file.read_exact_at(&mut header, offset) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
        let Some((hash, place)) = entry(number, offset, &header) else {
            break;
        };
        let end = offset.saturating_add(place.extent());
        if end > length {
            break;
        }
        entries.push((hash, place));
        offset = end;
    }
    Ok((entries, offset))
}

fn entry(number: u32, offset: u64, header: &[u8; HEADER_BYTES]) -> Option<(ContentHash, Place)> {
    let rest = header.strip_prefix(&MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (at, hash) = rest.split_first_chunk::<8>()?;
    let length = u32::from_be_bytes(*length);
    if length as usize > PACKED_BYTES_MAX {
        return None;
    }
    let place = Place {
        pack: number,
        offset: u32::try_from(offset).ok()?,
        length,
        at: u64::from_be_bytes(*at),
    };
    Some((ContentHash::from_bytes(*hash.first_chunk::<32>()?), place))
}
