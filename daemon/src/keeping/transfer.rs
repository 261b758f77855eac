//! Rows as a file of their own: for another program to read, or to make a store of.
//!
//! The file has all rows, with each record as JSON beside its bytes, counts and hashes; the content
//! of messages is not in it ([`super::backup`] has both). What was on its way to go out when it
//! was written may have gone out since: the first run over an imported store makes that uncertain,
//! as a restored backup does.

use std::fs;
use std::path::{Path, PathBuf};

use liaison_core::time::Timestamp;
use serde::Serialize;

use super::restore::settle;
use super::{KeepingError, io_error};
use crate::books::Books;
use crate::books::registry::Registry;
use crate::store::export::{self, Begin, ExportError, Found};
use crate::store::journal::Family;
use crate::store::sled::{SledOptions, SledStore};
use crate::store::{Ns, SCHEMA, codec};

/// Where an export or an imported store is made before it gets its place.
const UNFINISHED: &str = "unfinished";
/// Left beside an imported store until the first run over it has settled what was on its way.
const IMPORTED: &str = "imported";

/// A file of rows that was written or read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transferred {
    /// The file.
    pub file: PathBuf,
    /// Lines of rows.
    pub lines: u64,
    /// Rows, bytes and sum of each family.
    pub families: Vec<FamilySum>,
}

/// What a file says of one family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FamilySum {
    /// Its name.
    pub family: String,
    /// How many rows.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// A sum over them that does not depend on their order, in hex.
    pub sum: String,
}

fn sums(families: &[Family]) -> Vec<FamilySum> {
    let told = families.iter().filter(|family| family.rows > 0);
    told.map(|family| FamilySum {
        family: Ns::from_id(family.ns).map_or("", Ns::name).to_owned(),
        rows: family.rows,
        bytes: family.bytes,
        sum: format!("{:032x}", family.sum),
    })
    .collect()
}

/// The record of a value as JSON; index rows have none.
fn described(value: &[u8]) -> Option<serde_json::Value> {
    codec::open(value).ok()?;
    Registry::own().json(value).ok()
}

/// Writes all rows into `target`, a file that does not exist, or a folder in which it gets the name
/// of its moment; others read and write meanwhile.
///
/// # Errors
/// [`KeepingError`]; nothing is left under the name then.
pub async fn export_rows(books: &Books, target: &Path) -> Result<Transferred, KeepingError> {
    let local = books.local.as_ref().ok_or(KeepingError::NoFiles)?;
    let is_folder = target.is_dir();
    if !is_folder && target.exists() {
        let path = target.to_owned();
        return Err(KeepingError::Exists { path });
    }
    let parent = match is_folder {
        true => target.to_owned(),
        false => parent_of(target),
    };
    let work = parent.join(format!(
        "liaison-export-{}.{UNFINISHED}",
        std::process::id()
    ));
    let saved = local.save(&work).await;
    let target = target.to_owned();
    let made = match saved {
        Ok(raw) => {
            let work = work.clone();
            let task = move || place(&raw, &work, &target, is_folder);
            let made = tokio::task::spawn_blocking(task).await;
            made.map_err(|error| KeepingError::Broken(error.to_string()))
                .and_then(std::convert::identity)
        }
        Err(error) => Err(error.into()),
    };
    match fs::remove_dir_all(&work) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            made.and(Err(io_error("remove", &work)(error)))
        }
        _ => made,
    }
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Writes the records beside the values, and gives the file its name.
fn place(
    raw: &Found,
    work: &Path,
    target: &Path,
    is_folder: bool,
) -> Result<Transferred, KeepingError> {
    let start = export::start(&raw.path)?;
    let begin = Begin {
        store: start.store,
        schema: start.schema,
        at_ms: start.at_ms,
        frame: raw.frame,
    };
    let mut writer = export::Writer::begin(&work.join("described"), begin)?.described(described);
    let ended = export::read::<ExportError>(&raw.path, &mut |row| writer.row(row))?;
    let found = writer.finish(ended.frame, &ended.families)?;
    let name = found.path.file_name().unwrap_or_default();
    let file = match is_folder {
        true => target.join(name),
        false => target.to_owned(),
    };
    // A second name fails where a file came to be meanwhile; the first goes with the folder.
    fs::hard_link(&found.path, &file)
        .and_then(|()| fs::File::open(parent_of(&file))?.sync_all())
        .map_err(io_error("give its name to", &file))?;
    Ok(Transferred {
        file,
        lines: ended.lines,
        families: sums(&ended.families),
    })
}

/// Makes the store in `state_dir`, which must have none, of the rows in `file`. Blocks.
///
/// # Errors
/// [`KeepingError`]; `state_dir` is as before then.
pub fn import_rows(file: &Path, state_dir: &Path) -> Result<Transferred, KeepingError> {
    let place = state_dir.join("store");
    if place.try_exists().map_err(io_error("look for", &place))? {
        return Err(KeepingError::NotEmpty { path: place });
    }
    let start = export::start(file)?;
    if start.schema > SCHEMA {
        // Said before anything is made; reading it says the same.
        export::read::<ExportError>(file, &mut |_| Ok(()))?;
    }
    let new_dir = !state_dir.exists();
    let unfinished = state_dir.join(format!("importing.{UNFINISHED}"));
    clear(&unfinished)?;
    let made = load(file, &unfinished, state_dir, &place);
    if made.is_err() {
        clear(&unfinished)?;
        if new_dir {
            // Only ours, and empty again.
            let _ = fs::remove_dir(state_dir);
        }
    }
    made
}

fn clear(path: &Path) -> Result<(), KeepingError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io_error("remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn load(
    file: &Path,
    unfinished: &Path,
    state_dir: &Path,
    place: &Path,
) -> Result<Transferred, KeepingError> {
    SledStore::load(unfinished, SledOptions::default(), file)?;
    let ended = export::read::<ExportError>(file, &mut |_| Ok(()))?;
    let marker = unfinished.join(IMPORTED);
    fs::write(&marker, format!("{}\n", file.display()))
        .and_then(|()| fs::File::open(&marker)?.sync_all())
        .and_then(|()| fs::File::open(unfinished)?.sync_all())
        .and_then(|()| fs::rename(unfinished, place))
        .and_then(|()| fs::File::open(state_dir)?.sync_all())
        .map_err(io_error("move into place", place))?;
    Ok(Transferred {
        file: file.to_owned(),
        lines: ended.lines,
        families: sums(&ended.families),
    })
}

/// Before the first run over an imported store: what was on its way becomes uncertain, so that
/// nothing goes out twice. Returns how many mails and holds that were.
///
/// # Errors
/// As the books; it is done again by the next start then.
pub async fn settle_imported(
    books: &Books,
    state_dir: &Path,
    now: Timestamp,
) -> Result<Option<(u64, u64)>, KeepingError> {
    let marker = state_dir.join("store").join(IMPORTED);
    let file = match fs::read_to_string(&marker) {
        Ok(text) => text.trim().to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read", &marker)(error)),
    };
    let why = format!("imported from {file}: it may have gone out since that was written");
    let settled = settle(books, &why, now).await?;
    fs::remove_file(&marker).map_err(io_error("remove", &marker))?;
    Ok(Some(settled))
}
