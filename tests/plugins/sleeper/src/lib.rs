//! Tries to sleep for an hour: the host has to refuse.

use liaison_sdk::{Cx, MessageReceived, Plugin, Result, plugin};

/// No settings.
#[derive(Debug, serde::Deserialize)]
pub struct Settings {}

/// The plugin.
#[derive(Debug)]
pub struct Guest;

impl Plugin for Guest {
    type Settings = Settings;

    fn on_message(cx: &mut Cx<'_, Settings>, received: &MessageReceived) -> Result {
        std::thread::sleep(std::time::Duration::from_hours(1));
        cx.log(&format!("slept through {}", received.message.id));
        Ok(())
    }
}

plugin!(Guest);
