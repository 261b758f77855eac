//! What the suites stand on: real servers, mail to feed them, and a handle on the built daemon.
//!
//! In reading order:
//!
//! - [`wait`]: conditions with a limit, the only way to wait. [`chance`]: repeatable randomness.
//! - [`process`]: child processes that cannot outlive the test.
//! - [`tls`], [`net`]: a private CA with a server certificate; free ports, plain and TLS streams.
//! - [`dovecot`], [`smtp_sink`], [`radicale`]: the servers. [`proxy`] stands in front of one and
//!   makes its network bad.
//! - [`token_endpoint`]: a provider of OAuth2 tokens that Dovecot believes.
//! - [`imap_client`]: looks into a mailbox without the daemon's own IMAP code.
//! - [`maildir`], [`vdir`]: the file-based source, sink and calendar, seen from outside.
//! - [`mail`]: messages, and the cast of the sample inbox.
//! - [`reading`]: what reading a message finds, beside what a person wrote down.
//! - [`oracle`]: what other libraries make of recurrence rules.
//! - [`beside`]: what figures stand beside. [`report`]: how they are printed.
//! - [`days`]: days of many mailboxes in minutes, in this process. [`houses`]: a day of firms that
//!   write to each other.
//! - [`daemon`]: the `liaison` binary; [`firm`] writes its configuration, [`ask`] puts questions
//!   to it. [`story`]: the whole way once, whatever the servers are.
//!
//! A server that is not installed, or does not start, is a panic with a sentence, never a skipped
//! test: `make servers` installs them. All of it is blocking, for plain `#[test]` functions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code: a panic with its message is how a broken set-up is reported"
)]
#![allow(
    clippy::print_stderr,
    reason = "a failing test prints what the servers said"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "waits for real processes by the real clock"
)]

pub mod ask;
pub mod beside;
pub mod caldav;
pub mod chance;
pub mod daemon;
pub mod days;
pub mod dovecot;
pub mod firm;
pub mod houses;
pub mod imap_client;
pub mod mail;
pub mod maildir;
pub mod net;
pub mod oracle;
pub mod process;
pub mod proxy;
pub mod radicale;
pub mod reading;
pub mod report;
pub mod smtp_sink;
pub mod story;
pub mod tls;
pub mod token_endpoint;
pub mod vdir;
pub mod wait;

/// The people whose mailboxes [`dovecot::Dovecot`] serves, with passwords `pw-alice` and so on.
pub const PEOPLE: [&str; 5] = [
    "alice@example.test",
    "bob@example.test",
    "carol@example.test",
    "dave@example.test",
    "erin@example.test",
];

/// Password of one of [`PEOPLE`]: `pw-` and the local part.
pub fn password_of(address: &str) -> String {
    format!("pw-{}", address.split('@').next().unwrap_or_default())
}
