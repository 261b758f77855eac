//! Dedicated threads for plugin calls, behind a bounded queue.
//!
//! A handler computes and never waits, so it runs on a thread of its own kind: it cannot hold up
//! the async threads, and the queue is the pool's back-pressure.

use std::sync::Arc;

use liaison_core::happening::PluginEvent;

use super::{CallReport, Plugin, PluginWorld};

/// One call to be made.
pub struct Call {
    /// Which plugin.
    pub plugin: Arc<Plugin>,
    /// What happened.
    pub event: PluginEvent,
    /// Settings as JSON text, from [`Plugin::settings`].
    pub settings: Arc<str>,
    /// The snapshot.
    pub world: Box<dyn PluginWorld>,
}
