//! Who may write what: shards, epochs, and the lease on them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;

/// A part of the mailboxes that has one owner at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The one shard of a store on one machine.
    pub const SINGLE: ShardId = ShardId(0);
}

/// Proof of ownership: a commit under an epoch that is no longer the shard's is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The shard written to.
    pub shard: ShardId,
    /// The epoch in which it was taken.
    pub epoch: u64,
}

/// The shards that this process owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owned {
    /// All there are, in one epoch.
    All {
        /// The epoch.
        epoch: u64,
    },
    /// These, each in its epoch.
    Some(BTreeMap<ShardId, u64>),
}

/// What a heartbeat found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseView {
    /// The shards owned now.
    pub owned: Owned,
    /// For how long from the start of the heartbeat that is certain; `None`: for ever.
    pub certain_for: Option<Duration>,
}

impl LeaseView {
    /// The fence under which to write to `shard`; `None` when another owns it.
    #[must_use]
    pub fn fence(&self, shard: ShardId) -> Option<Fence> {
        let epoch = match &self.owned {
            Owned::All { epoch } => Some(*epoch),
            Owned::Some(shards) => shards.get(&shard).copied(),
        };
        epoch.map(|epoch| Fence { shard, epoch })
    }
}

/// Why ownership is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// The lease was not renewed: stop work when the last view is no longer certain.
    #[error("the lease on the shards could not be renewed: {0}")]
    Unreachable(String),
    /// The shard is not owned in this epoch.
    #[error("shard {} is not owned in epoch {}", .0.shard.0, .0.epoch)]
    NotOwned(Fence),
}

/// Takes, keeps and gives back shards.
pub trait Leases: fmt::Debug + Send + Sync + 'static {
    /// Renews the lease and tells what is owned.
    fn beat(&self) -> BoxFuture<'_, Result<LeaseView, LeaseError>>;

    /// Gives a shard back after its work was drained.
    fn release(&self, fence: Fence) -> BoxFuture<'_, Result<(), LeaseError>>;
}

/// The lease of a store that only one process can open: all shards, in the boot epoch.
#[derive(Debug, Clone, Copy)]
pub struct AllShards {
    epoch: u64,
}

impl AllShards {
    /// `epoch` is the boot epoch of the open store.
    #[must_use]
    pub fn new(epoch: u64) -> AllShards {
        AllShards { epoch }
    }
}

impl Leases for AllShards {
    fn beat(&self) -> BoxFuture<'_, Result<LeaseView, LeaseError>> {
        let view = LeaseView {
            owned: Owned::All { epoch: self.epoch },
            certain_for: None,
        };
        Box::pin(std::future::ready(Ok(view)))
    }

    /// Nobody else could take it: the shard stays owned until the process ends.
    fn release(&self, fence: Fence) -> BoxFuture<'_, Result<(), LeaseError>> {
        let owned = fence.epoch == self.epoch;
        let result = if owned {
            Ok(())
        } else {
            Err(LeaseError::NotOwned(fence))
        };
        Box::pin(std::future::ready(result))
    }
}
