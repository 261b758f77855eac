//! Runs a plugin natively against a pretend daemon, in unit tests.
//!
//! ```
//! # use liaison_sdk::*;
//! # #[derive(serde::Deserialize)]
//! # struct Settings { word: String }
//! # struct Renewals;
//! # impl Plugin for Renewals {
//! #     type Settings = Settings;
//! #     fn on_message(cx: &mut Cx<'_, Settings>, received: &MessageReceived) -> Result {
//! #         if received.message.text.contains(&cx.settings().word) {
//! #             cx.tag(&received.message, "renewal", "the word occurs");
//! #         }
//! #         Ok(())
//! #     }
//! # }
//! use liaison_sdk::testing::{Mail, TestWorld};
//!
//! let mut world = TestWorld::new().setting("word", "renewal");
//! let mail = Mail::from("Ann Smith <ann@example.com>").text("About our renewal");
//! let reaction = world.receive::<Renewals>(mail).unwrap();
//! assert_eq!(reaction.actions(), ["tag-message"]);
//! ```
//!
//! The pretend daemon keeps what a plugin proposes (cases, timers, tags, memory), so that the
//! next event sees it. With [`TestWorld::manifest`] it holds the plugin to its own manifest: an
//! undeclared proposal, case, state or field, or one read too many, fails the test. Unlike the
//! real host it does not carry out mails or holds, and sets no limit on work or memory:
//! `liaison plugin test` does.
//!
//! Everything here panics on misuse, as test code should.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "test support: a panic is the failing test"
)]

mod calendar;
mod cases;
mod mail;
mod manifest;
mod reaction;
mod world;

pub use cases::run_cases;
pub use mail::{Mail, address, addresses};
pub use reaction::Reaction;
pub use world::TestWorld;

/// Milliseconds of an RFC 3339 instant such as `2026-03-02T09:00:00Z`.
#[must_use]
pub fn instant(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>()
        .unwrap_or_else(|error| panic!("`{text}` is no RFC 3339 instant: {error}"))
        .as_millisecond()
}
