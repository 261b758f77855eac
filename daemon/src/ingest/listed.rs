//! What sources listed before they read it.

use super::Ingest;
use crate::books::rows::ListedRow;
use crate::books::{BooksError, keys, replace};
use crate::source::FolderRef;
use crate::source::listed::Listed;

impl Ingest {
    /// Makes a listing durable, in place of the one before.
    pub(super) async fn keep_listed(
        &self,
        folder: &FolderRef,
        listed: Listed,
    ) -> Result<(), BooksError> {
        let key = keys::listed(folder);
        let seen = self.books.get::<ListedRow>(key.clone()).await?;
        let row = ListedRow {
            mailbox: folder.mailbox.clone(),
            folder: folder.folder.clone(),
            listed,
        };
        let mut writes = self.books.batch();
        replace(&mut writes, key, seen.map(|seen| seen.version), &row)?;
        self.books.commit(writes).await
    }

    pub(super) async fn listed_of(&self, folder: &FolderRef) -> Result<Option<Listed>, BooksError> {
        let row = self.books.get::<ListedRow>(keys::listed(folder)).await?;
        Ok(row.map(|row| row.record.listed))
    }
}
