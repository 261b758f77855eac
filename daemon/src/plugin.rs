//! The plugin host: sandboxed components that read a frozen world and return proposals.
//!
//! ```text
//!  plugin.toml + component ──► load::Plugin (digest, contract, compiled code)
//!  Call { plugin, event, settings, world } ──► Workers (dedicated threads) ──► CallReport
//! ```
//!
//! Each call gets a fresh instance with a budget of fuel, memory and wall time; what it may read
//! is cut to its manifest here, so a [`PluginWorld`] answers with full data. Nothing a plugin does
//! can end the daemon: every end of a call is a value of [`CallOutcome`]. Proposals are returned
//! as the core's types; whether they are carried out is decided elsewhere.

mod bindings;
mod call;
pub mod cases;
mod civil;
mod engine;
mod grants;
mod instance;
mod load;
mod output;
mod precompiled;
mod report;
mod session;
mod workers;
mod world;

pub use engine::{Engine, EngineError};
pub use load::{LoadError, Plugin, parse_manifest};
pub use report::{
    CallOutcome, CallReport, CrashKind, Failure, KvScope, KvWrite, LogLevel, LogLine, Retry,
};
pub use workers::{Call, Workers, WorkersError};
pub use world::{Condition, PluginWorld, SlotRequest};

#[cfg(test)]
mod sample;
#[cfg(test)]
pub(crate) mod tests;
