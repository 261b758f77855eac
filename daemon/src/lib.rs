//! Liaison daemon.

#![deny(unsafe_code)]

pub mod store;
