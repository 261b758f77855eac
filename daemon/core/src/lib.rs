//! The pure part of Liaison.
//!
//! ```text
//!  source ──► Event ──► match ──► plugins (propose) ──► decide ──► Effects ──► outbox ──► sink
//! ```
//!
//! This crate holds the words and the decisions: what a message says ([`mail`]), what a calendar
//! holds ([`calendar`]), whom it concerns ([`account`]), and what follows from it (`policy`).
//! It does no I/O, reads no clock and draws no random number: `now` and seeds are arguments, so
//! every decision can be repeated and explained. Its manifest lists no crate that could do more.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![warn(clippy::arithmetic_side_effects)]

pub mod account;
pub mod business_time;
pub mod calendar;
pub mod crm;
pub mod diff;
pub mod effect;
pub mod happening;
pub mod hold;
pub mod ids;
pub mod mail;
pub mod mailbox;
pub mod manifest;
pub mod meeting;
pub mod message;
pub mod optout;
pub mod outbox;
pub mod policy;
pub mod proposal;
pub mod reach;
pub mod records;
pub mod report;
pub mod time;
pub mod touch;
pub mod whereabouts;
pub mod zones;
