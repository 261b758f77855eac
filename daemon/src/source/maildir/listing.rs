//! Names in a Maildir: what lies in `new` and `cur`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One message file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Unique part of the name.
    pub(crate) locator: String,
    /// `new` or `cur`, and the whole file name.
    pub(crate) place: PathBuf,
}

/// Whether a missing `new` or `cur` is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subfolders {
    MustExist,
    MayBeMissing,
}

/// Lists the messages of the Maildir folder at `path`, each once; sorted by unique name.
///
/// `tmp`, dotfiles and everything that is no plain file are left out. `new` is read before `cur`,
/// so that a message on its way from one to the other is not missed.
///
/// # Errors
/// When a subfolder cannot be listed.
pub(crate) fn list(path: &Path, subfolders: Subfolders) -> io::Result<Vec<Listed>> {
    let mut found = BTreeMap::new();
    for subfolder in ["new", "cur"] {
        let entries = match std::fs::read_dir(path.join(subfolder)) {
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && subfolders == Subfolders::MayBeMissing =>
            {
                continue;
            }
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_bytes().starts_with(b".") || !entry.file_type().is_ok_and(|t| t.is_file()) {
                continue;
            }
            let place = Path::new(subfolder).join(&name);
            found.insert(unique(&name), place);
        }
    }
    Ok(found
        .into_iter()
        .map(|(locator, place)| Listed { locator, place })
        .collect())
}

/// Part of a file name before the info, without loss: bytes that are no UTF-8 are escaped.
pub(crate) fn unique(name: &OsString) -> String {
    let unique = name.as_bytes().split(|byte| *byte == b':').next();
    let mut text = String::new();
    for chunk in unique.unwrap_or_default().utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Flag letters of the file at `place` (`:2,FS`), each as a text; none in `new`.
pub(crate) fn flags(place: &Path) -> Vec<String> {
    place
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .and_then(|name| name.split_once(":2,").map(|(_, info)| info.to_owned()))
        .map(|info| {
            info.chars()
                .filter(|letter| letter.is_ascii_alphabetic())
                .map(String::from)
                .collect()
        })
        .unwrap_or_default()
}
