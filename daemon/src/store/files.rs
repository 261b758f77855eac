//! What the files of the state directory have in common.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// State is for the daemon's user alone: it holds customers' mail.
pub(super) const DIR_MODE: u32 = 0o700;
/// As [`DIR_MODE`].
pub(super) const FILE_MODE: u32 = 0o600;

/// Makes `dir` and what is missing above it.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir)
}

/// Makes the entries of `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all())
}

/// Whether twice `bytes` are free where `dir` lies: what is written for ourselves must not take
/// the room that commits need. Where that cannot be asked, writing will tell.
pub(super) fn has_room(dir: &Path, bytes: u64) -> bool {
    let Ok(stat) = rustix::fs::statvfs(dir) else {
        return true;
    };
    stat.f_bavail.saturating_mul(stat.f_frsize) / 2 >= bytes
}
