//! `reload`, `backup`, `verify`, `store stats` and `store compact`.

use std::path::PathBuf;

use liaison_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Nothing};
use crate::books::chain;
use crate::books::indexes::shown;
use crate::books::indexes::walk::{Fault, Mode, walk};
use crate::keeping;
use crate::store::sled::Compacted;

/// Rows that cannot be read and are named; `verify` counts them all.
const UNREADABLE_NAMED_MAX: usize = 20;

/// Has the daemon read its configuration and its plugins again.
pub(super) async fn reload(
    context: &ApiContext,
    caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let live = context.live.as_ref().ok_or(ApiError::NotRunning)?;
    let differences = live.reload().map_err(ApiError::Configuration)?;
    tracing::info!(who = %caller.who, "reload asked for");
    let changed = match differences.is_empty() {
        true => "the file says the same; the plugins are loaded anew".to_owned(),
        false => differences.join("; "),
    };
    Ok(json!({
        "differences": differences,
        "changed": changed,
        "undo": "put the file back as it was, and `liaison reload` once more; `liaison status` \
                 tells when something of it could not be used",
    }))
}

/// What `backup` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Backup {
    /// An absolute path: the daemon has a working directory of its own.
    folder: PathBuf,
}

/// Writes a backup while everything goes on.
pub(super) async fn backup(
    context: &ApiContext,
    caller: &Caller,
    arguments: Backup,
) -> Result<Value, ApiError> {
    let folder = arguments.folder;
    if !folder.is_absolute() {
        let text = format!("backup: {} is no absolute path", folder.display());
        return Err(ApiError::Arguments(text));
    }
    let manifest = keeping::backup(&context.books, &folder, context.now()).await?;
    context
        .office
        .unsubscribe
        .back_up(&folder)
        .map_err(|error| {
            let what = "everything is in the backup but the key of unsubscribe tokens";
            ApiError::NotNow(format!("{what}: {}", chain(&error)))
        })?;
    tracing::info!(who = %caller.who, folder = %folder.display(), "backup");
    let contents = manifest.contents;
    Ok(json!({
        "folder": folder,
        "frame": manifest.frame,
        "contents": contents,
        "missing": manifest.missing,
        "changed": format!("{} has a backup with {contents} contents", folder.display()),
        "undo": "remove the folder",
    }))
}

/// What `export` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Export {
    /// An absolute path of a file that does not exist, or of a folder.
    target: PathBuf,
}

/// Writes all rows into a file while everything goes on.
pub(super) async fn export(
    context: &ApiContext,
    caller: &Caller,
    arguments: Export,
) -> Result<Value, ApiError> {
    let target = arguments.target;
    if !target.is_absolute() {
        let text = format!("export: {} is no absolute path", target.display());
        return Err(ApiError::Arguments(text));
    }
    let written = keeping::export_rows(&context.books, &target).await?;
    tracing::info!(who = %caller.who, file = %written.file.display(), "export");
    let rows: u64 = written.families.iter().map(|family| family.rows).sum();
    Ok(json!({
        "file": written.file,
        "lines": written.lines,
        "families": written.families,
        "changed": format!("{} has {rows} rows, without the content of messages",
            written.file.display()),
        "undo": "remove the file",
    }))
}

/// Writes the index rows that the records ask for, and removes others.
pub(super) async fn store_indexes(
    context: &ApiContext,
    caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let mut unreadable = Vec::new();
    let mut tell = |fault: Fault| {
        if let Fault::Unreadable { key, reason } = fault
            && unreadable.len() < UNREADABLE_NAMED_MAX
        {
            unreadable.push(format!("{}: {reason}", shown(&key)));
        }
    };
    let walked = walk(&context.books, Mode::Mend, &mut tell).await?;
    tracing::info!(who = %caller.who, ?walked, "indexes made anew");
    Ok(json!({
        "walked": walked,
        "unreadable": unreadable,
        "changed": format!(
            "{} index rows added and {} removed, as {} records say",
            walked.added, walked.removed, walked.records
        ),
        "undo": "nothing to undo: index rows follow from the records",
    }))
}

/// Looks everything over.
pub(super) async fn verify(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let books = &context.books;
    let looked = keeping::verify(books).await?;
    // What was let go stays as the last pass told it.
    let let_go = books.looked().await?.map(|row| row.let_go);
    keeping::night::record(books, &looked, let_go.unwrap_or_default(), context.now()).await?;
    let clean = looked.is_clean();
    let mut answer = json!(looked);
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("clean".to_owned(), json!(clean));
    }
    Ok(answer)
}

/// Writes the rows into new files while everything goes on.
pub(super) async fn store_compact(
    context: &ApiContext,
    caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let local = context.books.local.as_ref();
    let local = local.ok_or(keeping::KeepingError::NoFiles)?;
    let done = local.compact().await.map_err(keeping::KeepingError::Save)?;
    tracing::info!(who = %caller.who, "the rows were written into new files");
    let (bytes, rows) = local.live();
    let Compacted { before, after, .. } = done;
    Ok(json!({
        "rows": rows,
        "row_bytes": bytes,
        "compacted": compacted(done),
        "changed": format!("the files of the rows have {after} bytes, before {before}"),
        "undo": "nothing to undo: the rows are the same",
    }))
}

/// When the rows were last written into new files, and what came of it.
pub(super) fn compacted(done: Compacted) -> Value {
    json!({
        "at": Timestamp(done.at_ms),
        "before": done.before,
        "after": done.after,
    })
}

/// Sizes.
pub(super) async fn store_stats(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let books = &context.books;
    let local = books.local.as_ref().ok_or(keeping::KeepingError::NoFiles)?;
    let (bytes, rows) = local.live();
    let content = books.content.stats();
    Ok(json!({
        "rows": rows,
        "row_bytes": bytes,
        "disk_bytes": books.store.health().disk_bytes,
        "journal_frame": local.journal().position.frame,
        "bytes_since_export": local.journal().since_export,
        "compacted": local.compacted().map(compacted),
        "packs": content.packs,
        "packed": content.packed,
        "pack_bytes": content.pack_bytes,
    }))
}
