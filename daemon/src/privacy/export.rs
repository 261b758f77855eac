//! Showing: everything that is kept of a person, as JSON, and their messages as files.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use liaison_core::effect::MailEffect;
use liaison_core::message::MessageRecord;
use liaison_core::time::Timestamp;
use serde_json::{Value, json};

use super::PrivacyError;
use super::erase::{naming, person_of};
use super::fate::{Fate, Trace};
use super::find::{ORDER, Traces};
use crate::books::Books;
use crate::books::rows::readable;
use crate::store::content::ContentHash;
use crate::store::keys::Parts;
use crate::store::{Ns, Range};

/// What was found of a person.
#[derive(Debug, Clone)]
pub struct Exported {
    /// All of it: `address`, `addresses`, `made_at`, `counts`, `looked_through`, `kept` by family,
    /// and `named_in`: messages and mails of others whose text names them.
    pub json: Value,
    /// Files that were written.
    pub files: u64,
}

/// Everything that is kept of whoever has `address`; with a folder, which must be empty or
/// missing, also written there: `person.json`, and each message as `messages/KEY.eml`.
///
/// # Errors
/// [`PrivacyError`].
pub async fn export(
    books: &Books,
    address: &str,
    folder: Option<&Path>,
    now: Timestamp,
) -> Result<Exported, PrivacyError> {
    let mut traces = Traces::of(books, person_of(address)?, now).await?;
    let (mut kept, mut counts) = (BTreeMap::new(), BTreeMap::new());
    let (mut removed, mut rewritten) = (BTreeMap::new(), BTreeMap::new());
    for ns in ORDER {
        let mut rows = Vec::new();
        let each = |trace: Trace| {
            let by = match trace.fate {
                Fate::Removed => Some(&mut removed),
                Fate::Rewritten(_) => Some(&mut rewritten),
                Fate::Kept => None,
            };
            if let Some(by) = by {
                *by.entry(ns.name()).or_insert(0_u64) += 1;
            }
            rows.push(row_json(&trace));
        };
        traces.each(books, *ns, each).await?;
        if !rows.is_empty() {
            counts.insert(ns.name(), rows.len());
            kept.insert(ns.name(), rows);
        }
    }
    let (theirs, named_in) = contents(books, &traces).await?;
    let mut json = json!({
        "address": address,
        "addresses": traces.person.addresses(),
        "made_at": now,
        "counts": counts,
        "messages_with_bytes": theirs.len(),
        "looked_through": traces.looked_at,
        "erase_would": { "remove": removed, "rewrite": rewritten },
        "named_in": named_in,
        "kept": kept,
    });
    let mut files = 0;
    if let Some(folder) = folder {
        let folder_of_messages = folder.join("messages");
        empty(folder)?;
        make(&folder_of_messages)?;
        for (name, hash) in &theirs {
            if let Some(bytes) = books.content.get(*hash).await? {
                write(&folder_of_messages.join(format!("{name}.eml")), &bytes)?;
                files += 1;
            }
        }
        if let Some(object) = json.as_object_mut() {
            object.insert("files".to_owned(), json!(files));
        }
        let text = serde_json::to_vec_pretty(&json).unwrap_or_default();
        write(&folder.join("person.json"), &text)?;
        files += 1;
    }
    Ok(Exported { json, files })
}

/// Key and record of a row, readable.
fn row_json(trace: &Trace) -> Value {
    let mut parts = Parts::new(&trace.key.k);
    let key = parts
        .text()
        .unwrap_or_else(|_| trace.key.k.escape_ascii().to_string());
    let record = match readable(&trace.value) {
        Ok(Some(record)) => record,
        _ if trace.key.ns == Ns::PluginKv => json!(String::from_utf8_lossy(&trace.value)),
        _ => Value::Null,
    };
    json!({ "key": key, "record": record })
}

/// Messages and mails that are theirs, with their content, and the ids of others that name them.
async fn contents(
    books: &Books,
    traces: &Traces,
) -> Result<(Vec<(String, ContentHash)>, Vec<String>), PrivacyError> {
    let naming = naming(books, &traces.person).await?;
    let (mut theirs, mut others) = (Vec::new(), Vec::new());
    let mut sort = |id: &str, content: &str| {
        let Ok(hash) = content.parse::<ContentHash>() else {
            return;
        };
        match traces.ids.contains(id) {
            true => theirs.push((id.to_owned(), hash)),
            false if naming.contains(&hash) => others.push(id.to_owned()),
            false => {}
        }
    };
    books
        .each(Range::all(Ns::Message), |row: MessageRecord| {
            sort(row.key.as_str(), &row.content);
        })
        .await?;
    books
        .each(Range::all(Ns::Effect), |row: MailEffect| {
            sort(row.id.as_str(), &row.content);
        })
        .await?;
    Ok((theirs, others))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PrivacyError {
    let path = path.to_owned();
    move |source| PrivacyError::Io {
        doing,
        path,
        source,
    }
}

fn empty(folder: &Path) -> Result<(), PrivacyError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(PrivacyError::NotNow(format!(
                "{} is not empty: name a folder that is, or does not exist",
                folder.display()
            ))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("read the folder", folder)(error)),
    }
}

fn make(folder: &Path) -> Result<(), PrivacyError> {
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.map_err(failed("make the folder", folder))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), PrivacyError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(failed("write", path))
}
