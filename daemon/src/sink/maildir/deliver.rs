//! Files into a Maildir folder, each whole and at most once.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use liaison_core::mail::{ParseLimits, parse_message};

use super::known::KnownIds;
use crate::sink::{OwnMail, TO_RECIPIENT_BYTES_MAX, TO_RECIPIENT_MAX};
use crate::source::maildir::content::{header_section, open_plain};
use crate::source::maildir::listing::{self, Listed, Subfolders};

/// Most files that are read to find a draft by its words.
const FILES_READ_MAX: usize = 200;

/// Where a message begins its life.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subfolder {
    /// Not seen by any reader.
    New,
    /// With these flags.
    Cur(&'static str),
}

/// One message to be filed.
#[derive(Debug)]
pub(super) struct Filing<'a> {
    pub(super) folder: &'a Path,
    pub(super) stem: &'a str,
    pub(super) subfolder: Subfolder,
    pub(super) bytes: &'a [u8],
}

/// Makes `tmp`, `new` and `cur` where they are missing, private to the user.
pub(super) fn make_maildir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    for subfolder in ["tmp", "new", "cur"] {
        let subfolder = path.join(subfolder);
        if !subfolder.is_dir() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(subfolder)?;
        }
    }
    Ok(())
}

/// [`make_maildir`] for a folder of a Maildir, marked as such (Maildir++).
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    make_maildir(path)?;
    let mark = path.join("maildirfolder");
    if mark.exists() {
        return Ok(());
    }
    File::create(mark).map(drop)
}

/// The place of the message with this unique name, whatever its flags.
pub(super) fn find(folder: &Path, stem: &str) -> io::Result<Option<PathBuf>> {
    let listed = listing::list(folder, Subfolders::MayBeMissing)?;
    let found = listed.binary_search_by(|file| file.locator.as_str().cmp(stem));
    Ok(found
        .ok()
        .and_then(|index| listed.get(index))
        .map(|file| file.place.clone()))
}

/// Files the message unless it is there already; durable on return. Returns its place.
///
/// The name in `tmp` is fixed too, so a crash leaves at most one file there, which the next try
/// overwrites. `link` does not replace: whoever was first stays.
pub(super) fn file(filing: &Filing<'_>) -> io::Result<PathBuf> {
    if let Some(place) = find(filing.folder, filing.stem)? {
        return Ok(place);
    }
    let place = match filing.subfolder {
        Subfolder::New => Path::new("new").join(filing.stem),
        Subfolder::Cur(flags) => Path::new("cur").join(format!("{}:2,{flags}", filing.stem)),
    };
    let temporary = filing.folder.join("tmp").join(filing.stem);
    let mut writer = File::create(&temporary)?;
    writer.write_all(filing.bytes)?;
    writer.sync_all()?;
    let linked = match fs::hard_link(&temporary, filing.folder.join(&place)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    };
    fs::remove_file(&temporary)?;
    linked?;
    if let Some(parent) = filing.folder.join(&place).parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(place)
}

/// Removes the message with this unique name; `false` when it is not there.
pub(super) fn remove(folder: &Path, stem: &str, bytes: &[u8]) -> io::Result<bool> {
    // A reader may change its flags between the look and the removal: then it is looked for again.
    while let Some(place) = find(folder, stem)? {
        let path = folder.join(place);
        match fs::read(&path) {
            Ok(found) if found != bytes => return Ok(false),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            removed => removed?,
        }
        if let Some(parent) = path.parent() {
            File::open(parent)?.sync_all()?;
        }
        return Ok(true);
    }
    Ok(false)
}

/// The Message-ID under which the mail lies in the folder; reads the header sections of files that
/// were not read before.
pub(super) fn find_own(
    folder: &Path,
    mail: &OwnMail,
    known: &KnownIds,
) -> io::Result<Option<String>> {
    for file in listing::list(folder, Subfolders::MayBeMissing)? {
        if known.may_be(folder, &file.locator, mail) == Some(false) {
            continue;
        }
        let Some(open) = open_listed(folder, &file)? else {
            continue;
        };
        let header = header_section(open)?;
        let (id, stamp) = (field(&header, "message-id"), field(&header, "x-liaison-id"));
        let id = id.trim_matches(['<', '>']);
        known.remember(folder, &file.locator, (id, &stamp));
        if id == mail.message_id {
            return Ok(Some(id.to_owned()));
        }
        if stamp == mail.stamp
            && let Some(id) = mail.known_by(&header)
        {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// The newest messages of the folder that go to the recipient of the mail, each cut to a bound.
pub(super) fn to_recipient(folder: &Path, mail: &OwnMail) -> io::Result<Vec<Bytes>> {
    let mut files = Vec::new();
    for file in listing::list(folder, Subfolders::MayBeMissing)? {
        let written = fs::metadata(folder.join(&file.place)).and_then(|data| data.modified());
        // Moved or removed meanwhile: a draft that is being saved is looked for again.
        if let Ok(written) = written {
            files.push((written, file));
        }
    }
    files.sort_by(|(one, _), (other, _)| other.cmp(one));
    let mut messages = Vec::new();
    for (_, file) in files.iter().take(FILES_READ_MAX) {
        if messages.len() >= TO_RECIPIENT_MAX {
            break;
        }
        let Some(open) = open_listed(folder, file)? else {
            continue;
        };
        let mut bytes = Vec::new();
        let most = u64::try_from(TO_RECIPIENT_BYTES_MAX).unwrap_or(u64::MAX);
        open.take(most).read_to_end(&mut bytes)?;
        if mail.is_to(&parse_message(&bytes, &ParseLimits::default())) {
            messages.push(Bytes::from(bytes));
        }
    }
    Ok(messages)
}

/// A listed file, under its new name where a reader moved it meanwhile; `None` when it is gone.
fn open_listed(folder: &Path, file: &Listed) -> io::Result<Option<File>> {
    match open_plain(&folder.join(&file.place)) {
        Ok((open, _)) => Ok(Some(open)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match find(folder, &file.locator)? {
                None => Ok(None),
                Some(place) => open_plain(&folder.join(place)).map(|(open, _)| Some(open)),
            }
        }
        Err(error) => Err(error),
    }
}

/// The value of the first such field, unfolded (RFC 5322 section 2.2.3); empty without one.
fn field(header: &[u8], wanted: &str) -> String {
    let text = String::from_utf8_lossy(header);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if !name.trim_end().eq_ignore_ascii_case(wanted) {
            continue;
        }
        let mut value = value.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
            value.push_str(more);
        }
        return value.trim().to_owned();
    }
    String::new()
}

/// Writes and removes a file in `tmp`.
pub(super) fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join("tmp").join("liaison.probe");
    File::create(&path)?.sync_all()?;
    fs::remove_file(path)
}
