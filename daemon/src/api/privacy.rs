//! `privacy export` and `privacy erase`.

use std::path::PathBuf;

use liaison_core::mail::Address;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Nothing, Wake, with};
use crate::privacy::{self, Asked, PrivacyError};

/// What `privacy-export` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Export {
    address: String,
    /// An absolute path: the daemon has a working directory of its own.
    folder: Option<PathBuf>,
}

/// Everything that is kept of a person; with a folder it is written there, and only told of.
pub(super) async fn export(
    context: &ApiContext,
    caller: &Caller,
    arguments: Export,
) -> Result<Value, ApiError> {
    let folder = arguments.folder;
    if let Some(folder) = folder.as_ref().filter(|folder| !folder.is_absolute()) {
        let text = format!("privacy export: {} is no absolute path", folder.display());
        return Err(ApiError::Arguments(text));
    }
    let found = privacy::export(
        &context.books,
        &arguments.address,
        folder.as_deref(),
        context.now(),
    );
    let mut found = found.await?;
    tracing::info!(who = %caller.who, "the data of a person was exported");
    let Some(folder) = folder else {
        return Ok(found.json);
    };
    if let Some(object) = found.json.as_object_mut() {
        object.remove("kept");
    }
    let files = found.files;
    Ok(with(
        found.json,
        json!({
            "folder": folder,
            "changed": format!("{} has {files} files", folder.display()),
            "undo": "remove the folder",
        }),
    ))
}

/// What `privacy-erase` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Erase {
    address: String,
    #[serde(default)]
    dry_run: bool,
}

/// Asks for an erasure, or says what it would do. `state` is `dry_run`, `clearing` (with
/// `waits_for`: ask again) or `recorded` (it is done when the store is opened next, which a running
/// daemon does at once; see `privacy-erasures`).
pub(super) async fn erase(
    context: &ApiContext,
    caller: &Caller,
    arguments: Erase,
) -> Result<Value, ApiError> {
    let address = &arguments.address;
    if Address::parse(address).is_ok_and(|address| context.office.owns(&address)) {
        return Err(PrivacyError::Own(address.clone()).into());
    }
    if arguments.dry_run {
        let found = privacy::export(&context.books, address, None, context.now()).await?;
        let mut json = found.json;
        if let Some(object) = json.as_object_mut() {
            object.remove("kept");
        }
        return Ok(with(json, json!({ "state": "dry_run" })));
    }
    let asked = privacy::ask(&context.books, address, (&caller.who, context.now())).await?;
    let running = context.live.is_some();
    Ok(match asked {
        Asked::Clearing(waits_for) => {
            context.wake(Wake::Holds);
            json!({ "state": "clearing", "running": running, "waits_for": waits_for })
        }
        Asked::Recorded(row) => {
            tracing::info!(who = %caller.who, erasure = %row.id, "an erasure was asked for");
            if let Some(live) = &context.live {
                live.reopen();
            }
            json!({ "state": "recorded", "running": running, "id": row.id })
        }
    })
}

/// All erasures; they name nobody.
pub(super) async fn erasures(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let rows = privacy::list(&context.books).await?;
    Ok(json!({ "erasures": rows }))
}
