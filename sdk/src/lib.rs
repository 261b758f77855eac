//! Write a Liaison plugin: an event comes in, proposals go out.
//!
//! ```
//! use liaison_sdk::{CreateTask, Cx, MessageReceived, Plugin, Result, plugin};
//!
//! #[derive(serde::Deserialize)]
//! pub struct Settings {
//!     words: Vec<String>,
//! }
//!
//! pub struct Renewals;
//!
//! impl Plugin for Renewals {
//!     type Settings = Settings;
//!
//!     fn on_message(cx: &mut Cx<'_, Settings>, received: &MessageReceived) -> Result {
//!         let message = &received.message;
//!         let text = message.text.to_lowercase();
//!         if let Some(word) = cx.settings().words.iter().find(|word| text.contains(*word)) {
//!             let reason = format!("the text says `{word}`");
//!             cx.tag(message, "renewal", &reason);
//!             cx.task(CreateTask::new("Renewal", "Call them."), &reason).rule("R02");
//!         }
//!         Ok(())
//!     }
//! }
//!
//! plugin!(Renewals);
//! # fn main() {}
//! ```
//!
//! A plugin reads through [`Cx`] and acts only by what it proposes there; the daemon decides
//! within what the operator granted. Each event gets a fresh instance, so what must outlive a
//! call goes into a case, a timer's payload or the plugin's own memory ([`Cx::remember`]).
//!
//! Crates built with this SDK compile natively as well, and [`testing::TestWorld`] feeds them
//! events there: unit tests need no WASM and take milliseconds.
#![warn(missing_docs)]
#![deny(unsafe_code)]

#[allow(
    unsafe_code,
    reason = "generated from wit/liaison.wit: the calls across the component's border"
)]
#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "plugin",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "liaison_sdk::bindings",
        additional_derives: [PartialEq],
    });
}

mod build;
mod context;
mod plugin;
mod span;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod text;
mod world;

pub use bindings::exports::liaison::plugin::handler::Failure;
pub use bindings::liaison::plugin::calendars::SlotRequest;
pub use bindings::liaison::plugin::clock::{Civil, TimeError};
pub use bindings::liaison::plugin::events::{
    Context, EffectSettled, Event, Extension, Happening, MessageReceived, MessageSent, Outcome,
    TimerFired,
};
pub use bindings::liaison::plugin::kv::{KvError, Scope};
pub use bindings::liaison::plugin::log::Level;
pub use bindings::liaison::plugin::proposals::{
    Action, Content, CreateCase, CreateTask, Email, FlagChange, Hold, KeywordChange, MailFlag,
    MailboxChange, Notify, Proposal, SetTimer, TagMessage, TemplateRef, UpdateCase,
};
pub use bindings::liaison::plugin::records::{Condition, ReadError};
pub use bindings::liaison::plugin::types::{
    Address, Attachment, Attendee, Authenticity, CalendarEvent, Direction, Entity, EventStatus,
    Evidence, Field, Header, MatchOutcome, Matched, Message, MessageClass, OutOfOffice, Partstat,
    User, Value, Window,
};
pub use context::{Cx, Proposed};
pub use plugin::{Plugin, Result, check, handle};
pub use span::{Span, SpanError};
#[cfg(target_arch = "wasm32")]
pub use world::Imports;
pub use world::World;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The version of the contract (`sdk/wit`) that this SDK speaks.
pub const CONTRACT: &str = "0.1.0";

/// Makes a component of a type that implements [`Plugin`]. Natively it expands to nothing.
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Component;

            impl $crate::bindings::exports::liaison::plugin::handler::Guest for Component {
                fn check(settings: String) -> Vec<String> {
                    $crate::check::<$plugin>(&settings)
                }

                fn handle(
                    event: $crate::Event,
                ) -> ::core::result::Result<Vec<$crate::Proposal>, $crate::Failure> {
                    $crate::handle::<$plugin>(&$crate::Imports, &event)
                }
            }

    $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        };
    };
}
