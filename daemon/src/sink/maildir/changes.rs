//! Changing messages of a Maildir: flags are letters of the file name, a folder is a folder.
//!
//! Each change is one rename, so a message is at any moment in exactly one place, whole. Nothing is
//! ever replaced.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use liaison_core::mailbox::{MailFlag, MailboxChange};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::deliver::find;
use super::{blocking, needs_person};
use crate::sink::FolderError;
use crate::sink::mailbox::{Changed, MailboxJob, MailboxWriter, Order, Place};
use crate::source::maildir::listing::Subfolders;
use crate::source::maildir::{MaildirSettings, listing};

/// Looks for a file that a mail reader renames meanwhile.
const LOOKS_MAX: u32 = 20;
/// Names tried where another message has the same.
const NAMES_MAX: u32 = 10;
/// Looks until a file is taken for gone, and the time between them: while a mail program renames
/// it, a listing may show neither name.
const GONE_LOOKS: u32 = 3;
const GONE_PAUSE: Duration = Duration::from_millis(20);

/// The Maildir of these settings.
#[derive(Debug, Clone)]
pub struct MaildirMailbox {
    settings: MaildirSettings,
}

impl MaildirMailbox {
    /// The mailbox with these settings.
    #[must_use]
    pub fn new(settings: MaildirSettings) -> MaildirMailbox {
        MaildirMailbox { settings }
    }
}

impl MailboxWriter for MaildirMailbox {
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn MailboxJob>, FolderError>> {
        let root = self.settings.path.clone();
        Box::pin(async move {
            let (place, looked) = (root.display().to_string(), root.clone());
            // A missing Maildir is a disk that is not mounted, not an empty mailbox.
            let there = blocking(move || fs::metadata(looked.join("cur")).map(drop)).await;
            there.map_err(|error| said("changing messages", &place, &error))?;
            let job: Box<dyn MailboxJob> = Box::new(MaildirJob { root });
            Ok(job)
        })
    }
}

struct MaildirJob {
    root: PathBuf,
}

impl MailboxJob for MaildirJob {
    fn change<'a>(&'a mut self, order: &'a Order) -> BoxFuture<'a, Result<Changed, FolderError>> {
        let (root, asked) = (self.root.clone(), order.clone());
        Box::pin(async move {
            let done = blocking(move || change(&root, &asked)).await;
            let place = self.root.display().to_string();
            done.map_err(|error| said(&order.change.to_string(), &place, &error))
        })
    }
}

fn said(what: &str, place: &str, error: &io::Error) -> FolderError {
    FolderError {
        what: format!("{what} in {place}"),
        why: error.to_string(),
        needs_person: needs_person(error),
        no_folder: false,
    }
}

fn change(root: &Path, order: &Order) -> io::Result<Changed> {
    let from = root_of(root, &order.place.folder);
    match &order.change {
        MailboxChange::Flag { flag, on } => mark(&from, order, (*flag, *on)),
        MailboxChange::Move(to) => relocate((root, &from), &folder_of(root, to), order, to),
        MailboxChange::Keyword { .. } => Ok(Changed::Refused(
            "a Maildir has no keywords that all mail programs share".to_owned(),
        )),
        MailboxChange::Label(_) => Ok(Changed::Refused(
            "a Maildir has no labels; only Gmail has".to_owned(),
        )),
    }
}

/// The folder that a source names.
fn root_of(root: &Path, folder: &str) -> PathBuf {
    match folder {
        "INBOX" => root.to_owned(),
        folder => root.join(folder),
    }
}

/// The folder that people name: `Archive`, `.Archive` and `Customers/Acme` in Maildir++.
fn folder_of(root: &Path, name: &str) -> PathBuf {
    if name.eq_ignore_ascii_case("INBOX") {
        return root.to_owned();
    }
    let plain = name.trim_start_matches('.').replace('/', ".");
    root.join(format!(".{plain}"))
}

/// The place of the message in a folder that must be there: one that is not is a disk that is not
/// mounted. A mail program may have put more behind its name (`,U=7`).
fn present(folder: &Path, locator: &str) -> io::Result<Option<PathBuf>> {
    let stem = locator.split(',').next().unwrap_or(locator);
    for look in 1..=GONE_LOOKS {
        let mut listed = listing::list(folder, Subfolders::MustExist)?;
        let exact = listed.iter().position(|file| file.locator == locator);
        if let Some(at) = exact {
            return Ok(Some(listed.swap_remove(at).place));
        }
        if look < GONE_LOOKS {
            std::thread::sleep(GONE_PAUSE);
            continue;
        }
        let alike = |file: &listing::Listed| file.locator.split(',').next() == Some(stem);
        let mut alike = listed.into_iter().filter(alike);
        if let (Some(only), None) = (alike.next(), alike.next()) {
            return Ok(Some(only.place));
        }
    }
    Ok(None)
}

fn mark(folder: &Path, order: &Order, (flag, on): (MailFlag, bool)) -> io::Result<Changed> {
    for _ in 0..LOOKS_MAX {
        let Some(place) = present(folder, &order.place.locator)? else {
            return Ok(gone(order));
        };
        let Some((unique, letters)) = parts(&place) else {
            let why = "its file name says something in a way that we do not know";
            return Ok(Changed::Refused(why.to_owned()));
        };
        let wanted = with(&letters, flag.maildir(), on);
        if wanted == letters {
            return Ok(Changed::done("it was so already"));
        }
        let target = Path::new("cur").join(named(unique, &wanted));
        match put(&folder.join(&place), &folder.join(&target))? {
            Put::Done => return Ok(Changed::done("renamed")),
            Put::Taken => {
                let why = "another file has the name already";
                return Ok(Changed::Declined(why.to_owned()));
            }
            // Renamed by a reader between the look and us.
            Put::Missing => {}
            Put::Elsewhere => return Ok(other_disk(&order.place.folder)),
        }
    }
    Ok(restless())
}

fn relocate(
    (root, from): (&Path, &Path),
    to: &Path,
    order: &Order,
    name: &str,
) -> io::Result<Changed> {
    if from == to {
        return Ok(Changed::done("it lies there already"));
    }
    if !to.join("cur").is_dir() {
        let why = format!("there is no folder {name} ({}): make it", to.display());
        return Ok(Changed::Declined(why));
    }
    let folder = match to.strip_prefix(root) {
        Ok(inside) if inside.as_os_str().is_empty() => "INBOX".to_owned(),
        Ok(inside) => inside.to_string_lossy().into_owned(),
        Err(_) => to.to_string_lossy().into_owned(),
    };
    let arrived = |how: &str, locator: String| Changed::Done {
        how: how.to_owned(),
        place: Some(Place {
            folder: folder.clone(),
            locator,
        }),
    };
    for _ in 0..LOOKS_MAX {
        let Some(place) = present(from, &order.place.locator)? else {
            let cut = elsewhere(order.place.locator.as_bytes());
            let cut = String::from_utf8_lossy(&cut).into_owned();
            for name in [order.place.locator.clone(), cut] {
                if find(to, &name)?.is_some() {
                    return Ok(arrived("it lies there already", name));
                }
            }
            return Ok(gone(order));
        };
        let Some((unique, letters)) = parts(&place) else {
            let why = "its file name says something in a way that we do not know";
            return Ok(Changed::Refused(why.to_owned()));
        };
        // Small letters are keywords by their number in the old folder (Dovecot).
        let letters: String = letters.chars().filter(char::is_ascii_uppercase).collect();
        let Some(unique) = free_name(to, &elsewhere(unique))? else {
            let why = format!("{name} has other messages of the same name");
            return Ok(Changed::Declined(why));
        };
        let target = to.join("cur").join(named(unique.as_bytes(), &letters));
        match put(&from.join(&place), &target)? {
            Put::Done => return Ok(arrived("renamed", listing::unique(&unique))),
            Put::Taken | Put::Missing => {}
            Put::Elsewhere => return Ok(other_disk(name)),
        }
    }
    Ok(restless())
}

/// The unique name without the UID that a synchroniser gave it in the folder where it was
/// (`,U=7`): elsewhere that is another message's.
fn elsewhere(unique: &[u8]) -> Vec<u8> {
    let is_uid = |part: &[u8]| {
        let digits = part.strip_prefix(b"U=");
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
    };
    let parts = unique.split(|byte| *byte == b',');
    let kept: Vec<&[u8]> = parts.filter(|part| !is_uid(part)).collect();
    kept.join(&b","[..])
}

fn other_disk(name: &str) -> Changed {
    Changed::Refused(format!(
        "{name} lies on another disk, to which nothing can be renamed"
    ))
}

/// The unique name, or one made of it that no message of the folder has.
fn free_name(folder: &Path, unique: &[u8]) -> io::Result<Option<OsString>> {
    for attempt in 0..NAMES_MAX {
        let mut name = unique.to_vec();
        if attempt > 0 {
            name.extend(format!("_l{attempt}").bytes());
        }
        let name = OsString::from_vec(name);
        if find(folder, &listing::unique(&name))?.is_none() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Unique part and flag letters of a file; `None` for info of another kind than `2,`.
fn parts(place: &Path) -> Option<(&[u8], String)> {
    let name = place.file_name().map(OsStr::as_bytes)?;
    let at = name.iter().position(|byte| *byte == b':');
    let Some(at) = at else {
        return Some((name, String::new()));
    };
    let (unique, info) = (name.get(..at)?, name.get(at..)?);
    let letters = info.strip_prefix(b":2,")?;
    let letters = std::str::from_utf8(letters).ok()?;
    Some((unique, letters.to_owned()))
}

/// The letters with one more or less, in the order of ASCII.
fn with(letters: &str, letter: char, on: bool) -> String {
    let mut all: Vec<char> = letters.chars().filter(|have| *have != letter).collect();
    match on {
        _ if letters.contains(letter) == on => letters.to_owned(),
        true => {
            all.push(letter);
            all.sort_unstable();
            all.into_iter().collect()
        }
        false => all.into_iter().collect(),
    }
}

fn named(unique: &[u8], letters: &str) -> OsString {
    let mut name = unique.to_vec();
    name.extend(b":2,");
    name.extend(letters.bytes());
    OsString::from_vec(name)
}

fn gone(order: &Order) -> Changed {
    Changed::Gone(format!("it is not in {} any more", order.place.folder))
}

fn restless() -> Changed {
    Changed::Declined("a mail program keeps renaming it".to_owned())
}

/// What became of a rename.
enum Put {
    Done,
    /// Something has the new name.
    Taken,
    /// Nothing has the old name any more.
    Missing,
    /// The folders lie on different disks.
    Elsewhere,
}

/// Renames without replacing; durable on return.
fn put(from: &Path, to: &Path) -> io::Result<Put> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(Put::Missing),
        Err(Errno::EXIST) => return Ok(Put::Taken),
        Err(Errno::XDEV) => return Ok(Put::Elsewhere),
        // A file system that cannot promise it: no two messages have one unique name.
        Err(Errno::INVAL | Errno::NOSYS) if !to.exists() => fs::rename(from, to)?,
        Err(error) => return Err(error.into()),
    }
    for file in [to, from] {
        if let Some(parent) = file.parent() {
            File::open(parent)?.sync_all()?;
        }
    }
    Ok(Put::Done)
}

#[cfg(test)]
mod tests;
