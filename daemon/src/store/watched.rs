//! A store in front of another, whose commits a test decides about.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{
    Batch, CommitError, CommitId, Dir, Key, Page, Range, ReadError, Store, StoreHealth, Versioned,
};

/// What becomes of commits.
pub(crate) trait Fate: Debug + Send + Sync + 'static {
    /// Commits to `base`, or does not, or does something else before.
    fn commit<'a>(
        &'a self,
        base: &'a dyn Store,
        batch: Batch,
    ) -> BoxFuture<'a, Result<CommitId, CommitError>>;
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Watched<F> {
    pub(crate) base: Arc<dyn Store>,
    pub(crate) fate: F,
}

impl<F: Fate> Store for Watched<F> {
    fn get<'a>(
        &'a self,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, ReadError>> {
        self.base.get(keys)
    }

    fn scan(
        &self,
        range: Range,
        dir: Dir,
        limit: usize,
        after: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        self.base.scan(range, dir, limit, after)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<CommitId, CommitError>> {
        self.fate.commit(self.base.as_ref(), batch)
    }

    fn health(&self) -> StoreHealth {
        self.base.health()
    }

    fn failed(&self) -> BoxFuture<'_, Arc<str>> {
        self.base.failed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), CommitError>> {
        self.base.close()
    }
}
