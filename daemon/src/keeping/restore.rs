//! Coming back from a backup.

use std::fs;
use std::path::Path;

use liaison_core::effect::{HoldEffect, HoldState, MailEffect};
use liaison_core::hold::HoldInput;
use liaison_core::mailbox::MailboxEffect;
use liaison_core::outbox::Input;
use liaison_core::time::Timestamp;

use super::{CONTENT, FORMAT, KeepingError, MANIFEST, Manifest, io_error};
use crate::app::open_books;
use crate::books::rows::AuditRow;
use crate::books::{Books, chain, keys, replace};
use crate::outbox::mailbox::stage_call_off;
use crate::outbox::{HoldStep, Step, stage_hold, stage_mail};
use crate::store::sled::{SledOptions, SledStore};
use crate::store::{Ns, Range};
use crate::unsubscribe::Unsubscribe;

/// Where a restored state is made before it gets its place.
const UNFINISHED: &str = "restoring";

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    /// Rows that were loaded.
    pub rows: u64,
    /// When the backup was made.
    pub made_at: String,
    /// Mails that may have gone out since, and are uncertain now.
    pub uncertain: u64,
    /// Holds that may have been placed since, and are given up.
    pub holds: u64,
}

/// Makes the state in `state_dir`, which must have none, from the backup in `folder`. Nothing is
/// sent by it: every mail that was not final becomes `uncertain`, every hold that was still to be
/// placed is given up, with the reason. What arrived before `now` and is not in the backup is read
/// again; mode `send` makes drafts of what it causes, since it may have been answered already.
///
/// # Errors
/// [`KeepingError`]; `state_dir` is as before then.
pub async fn restore(
    folder: &Path,
    state_dir: &Path,
    now: Timestamp,
) -> Result<Restored, KeepingError> {
    let manifest = manifest(folder)?;
    for part in ["store", CONTENT] {
        let path = state_dir.join(part);
        if path.try_exists().map_err(io_error("look for", &path))? {
            return Err(KeepingError::NotEmpty { path });
        }
    }
    let unfinished = state_dir.join(UNFINISHED);
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io_error("remove", &unfinished)(error));
        }
        _ => {}
    }
    let (place, from, export) = (
        unfinished.clone(),
        folder.to_owned(),
        manifest.export.clone(),
    );
    let loaded = tokio::task::spawn_blocking(move || -> Result<_, KeepingError> {
        let options = SledOptions::default();
        let rows = SledStore::load(&place.join("store"), options, &from.join(export))?;
        copy(&from.join(CONTENT), &place.join(CONTENT))?;
        let opened = open_books(&place).map_err(|error| KeepingError::Start(Box::new(error)))?;
        Ok((rows, opened))
    });
    let loaded = loaded
        .await
        .map_err(|error| KeepingError::Broken(error.to_string()))?;
    let (rows, (books, store)) = loaded?;
    let why = format!(
        "restored from the backup of {}: it may have gone out since",
        manifest.made_at
    );
    let settled = settle(&books, &why, now).await;
    let closed = crate::store::Store::close(&*store).await;
    let (uncertain, holds) = settled?;
    closed.map_err(|error| KeepingError::Books(error.into()))?;
    // Before the store is there: a daemon without it would make another key, and the tokens of mail
    // that left would end nothing.
    Unsubscribe::restore(folder, state_dir).map_err(|error| KeepingError::Broken(chain(&error)))?;
    for part in [CONTENT, "store"] {
        let (from, to) = (unfinished.join(part), state_dir.join(part));
        fs::rename(&from, &to).map_err(io_error("move into place", &from))?;
    }
    fs::remove_dir_all(&unfinished)
        .and_then(|()| fs::File::open(state_dir)?.sync_all())
        .map_err(io_error("finish", state_dir))?;
    Ok(Restored {
        rows,
        made_at: manifest.made_at,
        uncertain,
        holds,
    })
}

fn manifest(folder: &Path) -> Result<Manifest, KeepingError> {
    let none = |reason: String| KeepingError::NoBackup {
        path: folder.to_owned(),
        reason,
    };
    let text =
        fs::read(folder.join(MANIFEST)).map_err(|error| none(format!("{MANIFEST}: {error}")))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| none(format!("{MANIFEST}: {error}")))?;
    if manifest.liaison_backup > FORMAT {
        let found = manifest.liaison_backup;
        return Err(none(format!(
            "it has format {found}, this liaison knows {FORMAT}"
        )));
    }
    let plain = Path::new(&manifest.export).components().count() == 1;
    match plain && manifest.export.ends_with(".jsonl") {
        true => Ok(manifest),
        false => Err(none(format!("its export is `{}`", manifest.export))),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), KeepingError> {
    fs::create_dir_all(to).map_err(io_error("create the folder", to))?;
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        // A backup without any content.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("read the folder", from)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(io_error("read the folder", from))?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if entry
            .file_type()
            .map_err(io_error("look at", &path))?
            .is_dir()
        {
            copy(&path, &place)?;
            continue;
        }
        fs::copy(&path, &place)
            .and_then(|_| fs::File::open(&place)?.sync_all())
            .map_err(io_error("copy", &path))?;
    }
    fs::File::open(to)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error("sync the folder", to))
}

/// One commit for each, so that the audit tells each on its own.
pub(super) async fn settle(
    books: &Books,
    why: &str,
    now: Timestamp,
) -> Result<(u64, u64), KeepingError> {
    let key = keys::setting("restored");
    let before = books.get::<AuditRow>(key.clone()).await?;
    let row = AuditRow {
        at: now,
        who: "liaison restore".to_owned(),
        what: "restored".to_owned(),
        why: why.to_owned(),
    };
    let mut batch = books.batch();
    replace(&mut batch, key, before.map(|row| row.version), &row)?;
    books.commit(batch).await?;
    let (mut mails, mut holds) = (0, 0);
    let all: Vec<MailEffect> = books.every(Range::all(Ns::Effect)).await?;
    for mail in all.iter().filter(|mail| !mail.state.is_final()) {
        let Some(stored) = books.get::<MailEffect>(keys::mail(&mail.id)).await? else {
            continue;
        };
        let mut batch = books.batch();
        let step = Step {
            input: Input::Restored,
            who: "liaison restore",
            why: why.to_owned(),
            not_before: Some(now),
            found_as: None,
        };
        stage_mail(books, &mut batch, &stored, step, now).await?;
        books.commit(batch).await?;
        mails += 1;
    }
    let all: Vec<HoldEffect> = books.every(Range::all(Ns::Hold)).await?;
    for hold in all.iter().filter(|hold| hold.state == HoldState::Planned) {
        let Some(mut stored) = books.get::<HoldEffect>(keys::hold(&hold.id)).await? else {
            continue;
        };
        // It may have been placed after the backup: then it is looked for and leaves the calendar.
        stored.record.attempts = stored.record.attempts.max(1);
        let mut batch = books.batch();
        let step = HoldStep::new(HoldInput::GiveUp(why.to_owned()), "liaison restore");
        stage_hold(books, &mut batch, &stored, step, now).await?;
        books.commit(batch).await?;
        holds += 1;
    }
    let all: Vec<MailboxEffect> = books.every(Range::all(Ns::MailboxEffect)).await?;
    for effect in all.iter().filter(|effect| !effect.state.is_final()) {
        let stored = books.get(keys::mailbox_effect(&effect.id)).await?;
        let Some(stored) = stored else {
            continue;
        };
        let mut batch = books.batch();
        stage_call_off(books, &mut batch, &stored, ("liaison restore", why), now).await?;
        books.commit(batch).await?;
    }
    Ok((mails, holds))
}
