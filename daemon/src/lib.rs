//! Liaison daemon.
