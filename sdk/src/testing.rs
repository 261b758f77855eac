//! Runs a plugin natively against a pretend daemon, in unit tests.
