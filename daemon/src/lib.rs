//! The Liaison daemon: adapters and wiring around the pure [`liaison_core`].
//!
//! Module map, in reading order: [`clock`], [`supervisor`], [`secret`] and [`tls`] are the one
//! home of time, tasks, secrets and TLS; [`oauth`] gives access tokens. [`source`] and [`sink`] are the contracts of the edges and
//! their implementations. [`store`] is what the daemon remembers, [`books`] its typed rows.
//! [`reader`] reads messages off the async threads. [`ingest`] takes mail in, [`pipeline`] lets the plugins of [`plugin`] propose and the core
//! decide, [`delivery`] carries out,
//! [`keeping`] backs up and looks over, [`room`] watches the free space. [`config`], [`control`] and [`cli`] are the operator's side;
//! [`app`] is the only place that knows all parts.
#![deny(unsafe_code)]

pub mod accounts;
pub mod alarm;
pub mod api;
pub mod app;
pub mod books;
pub mod calendars;
pub mod cases;
pub mod check;
pub mod cli;
pub mod clock;
pub mod compose;
pub mod config;
pub mod control;

pub mod delivery;
pub mod demo;
pub mod dial;
pub mod dkim;
pub mod exchange;
pub mod free;
pub mod freshness;
pub mod hint;
pub mod ingest;
pub mod keeping;
mod login;
pub mod oauth;
pub mod office;
pub mod outbox;
pub mod pipeline;
pub mod plugin;
pub mod privacy;
pub mod reader;
pub mod records;
pub mod review;
pub mod room;
pub mod secret;
pub mod sink;
pub mod source;
pub mod store;
pub mod supervisor;
pub mod tasks;
pub mod templates;
pub mod tls;
pub mod tzdb;
pub mod unsubscribe;

#[cfg(test)]
mod documents;
