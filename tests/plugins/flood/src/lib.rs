//! Returns 10,000 proposals: the cap on output has to stop it.

use liaison_sdk::{Action, Cx, MessageReceived, Plugin, Result, TagMessage, plugin};

/// Five hundred times what a manifest may ask for by default.
const PROPOSALS: u32 = 10_000;

/// No settings.
#[derive(Debug, serde::Deserialize)]
pub struct Settings {}

/// The plugin.
#[derive(Debug)]
pub struct Guest;

impl Plugin for Guest {
    type Settings = Settings;

    fn on_message(cx: &mut Cx<'_, Settings>, received: &MessageReceived) -> Result {
        for number in 0..PROPOSALS {
            let action = Action::TagMessage(TagMessage {
                message: received.message.id.clone(),
                add: vec![format!("flood-{number}")],
                remove: Vec::new(),
            });
            cx.propose(action, "to fill the answer")
                .labelled(&format!("tag-{number}"));
        }
        Ok(())
    }
}

plugin!(Guest);
