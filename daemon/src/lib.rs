//! The Liaison daemon: adapters and wiring around the pure [`liaison_core`].
//!
//! Module map, in reading order: [`clock`], [`supervisor`], [`secret`] and [`tls`] are the one
//! home of time, tasks, secrets and TLS; [`source`] and [`sink`] are the contracts of the edges;
//! [`store`] is what the daemon remembers; [`plugin`] runs the sandboxed policies.
#![deny(unsafe_code)]

pub mod books;
pub mod calendars;
pub mod clock;
pub mod compose;
pub mod delivery;
pub mod dial;
pub mod freshness;
pub mod hint;
pub mod ingest;
pub mod office;
pub mod outbox;
pub mod plugin;
pub mod secret;
pub mod sink;
pub mod source;
pub mod store;
pub mod supervisor;
pub mod templates;
pub mod tls;
