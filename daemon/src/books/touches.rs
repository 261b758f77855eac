//! Contact with customers, as it is looked up.

use liaison_core::touch::Touch;

use super::{Books, BooksError, keys};
use crate::store::{Dir, PAGE_ROWS_MAX};

impl Books {
    /// The last contact with an account, a contact or one of us: one look at the newest key, or, of
    /// those that `counts` accepts, at as many as it takes.
    ///
    /// # Errors
    /// As the store.
    pub async fn last_touch(
        &self,
        by: keys::TouchBy,
        id: &str,
        counts: impl Fn(&Touch) -> bool,
    ) -> Result<Option<Touch>, BooksError> {
        let mut range = keys::touches_by(by, id);
        let mut rows = 1;
        loop {
            let page = self
                .store
                .scan_range(range.clone(), Dir::Reverse, rows)
                .await?;
            let Some((oldest, _)) = page.last().cloned() else {
                return Ok(None);
            };
            let full = page.len() >= rows;
            let found = page
                .iter()
                .filter_map(|(key, _)| keys::touch_at(key))
                .find(&counts);
            if found.is_some() || !full {
                return Ok(found);
            }
            range.end = Some(oldest);
            rows = PAGE_ROWS_MAX;
        }
    }

    /// The newest contacts with an account, a contact or one of us, the newest first.
    ///
    /// # Errors
    /// As the store.
    pub async fn newest_touches(
        &self,
        by: keys::TouchBy,
        id: &str,
        newest: usize,
    ) -> Result<Vec<Touch>, BooksError> {
        let range = keys::touches_by(by, id);
        let limit = newest.min(PAGE_ROWS_MAX);
        let rows = self.store.scan_range(range, Dir::Reverse, limit).await?;
        let touches = rows.iter().filter_map(|(key, _)| keys::touch_at(key));
        Ok(touches.collect())
    }

    /// All contacts with an account, a contact or one of us, oldest first.
    ///
    /// # Errors
    /// As the store.
    pub async fn touches(&self, by: keys::TouchBy, id: &str) -> Result<Vec<Touch>, BooksError> {
        let keys = self.every_key(keys::touches_by(by, id)).await?;
        Ok(keys.iter().filter_map(|key| keys::touch_at(key)).collect())
    }
}
