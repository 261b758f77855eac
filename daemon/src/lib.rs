//! The Liaison daemon: adapters and wiring around the pure [`liaison_core`].
//!
//! Module map, in reading order: [`clock`], [`supervisor`], [`secret`] and [`tls`] are the one
//! home of time, tasks, secrets and TLS; [`source`] and [`sink`] are the contracts of the edges.
#![deny(unsafe_code)]

pub mod clock;
pub mod plugin;
pub mod secret;
pub mod sink;
pub mod source;
pub mod supervisor;
pub mod templates;
pub mod tls;
