//! Making a backup.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use liaison_core::effect::MailEffect;
use liaison_core::message::MessageRecord;
use liaison_core::time::Timestamp;

use super::{CONTENT, FORMAT, KeepingError, MANIFEST, Manifest, io_error};
use crate::books::Books;
use crate::store::content::{ContentHash, ContentStore};
use crate::store::{Ns, Range};

/// Writes a backup into `folder`, which must be empty or missing, while others read and write.
///
/// # Errors
/// [`KeepingError`]; a folder without `backup.json` is none, whatever else is in it.
pub async fn backup(
    books: &Books,
    folder: &Path,
    now: Timestamp,
) -> Result<Manifest, KeepingError> {
    let local = books.local.as_ref().ok_or(KeepingError::NoFiles)?;
    empty(folder)?;
    // Until the end nothing goes that the export names.
    let _stays = books.content.stays().await;
    let export = local.save(folder).await?;
    // After the export: what its rows name was durable before them.
    let place = folder.join(CONTENT);
    let content = tokio::task::spawn_blocking(move || ContentStore::open(&place)).await;
    let content = content.map_err(|error| KeepingError::Broken(error.to_string()))??;
    let (mut contents, mut missing) = (0_u64, 0_u64);
    for hash in named(books).await? {
        match books.content.get(hash).await {
            Ok(Some(bytes)) => {
                content.put(bytes).await?;
                contents += 1;
            }
            Ok(None) => missing += 1,
            Err(crate::store::content::ContentError::Damaged { hash }) => {
                tracing::error!(%hash, "damaged content is not in the backup");
                missing += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let name = export.path.file_name().unwrap_or_default();
    let manifest = Manifest {
        liaison_backup: FORMAT,
        made_at: now.to_string(),
        export: name.to_string_lossy().into_owned(),
        frame: export.frame,
        contents,
        missing,
    };
    let path = folder.join(MANIFEST);
    let text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    fs::write(&path, text)
        .and_then(|()| fs::File::open(&path)?.sync_all())
        .and_then(|()| fs::File::open(folder)?.sync_all())
        .map_err(io_error("write", &path))?;
    Ok(manifest)
}

fn empty(folder: &Path) -> Result<(), KeepingError> {
    let entries = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(io_error("read the folder", folder)(error)),
    };
    if entries {
        let path = folder.to_owned();
        return Err(KeepingError::NotEmpty { path });
    }
    Ok(())
}

/// The content that rows name: messages and rendered mails. What was removed on purpose has no
/// name any more.
pub(super) async fn named(books: &Books) -> Result<BTreeSet<ContentHash>, KeepingError> {
    let mut hashes = BTreeSet::new();
    let mut note = |text: &str| hashes.extend(text.parse::<ContentHash>().ok());
    books
        .each(Range::all(Ns::Message), |row: MessageRecord| {
            note(&row.content)
        })
        .await?;
    books
        .each(Range::all(Ns::Effect), |row: MailEffect| note(&row.content))
        .await?;
    Ok(hashes)
}
