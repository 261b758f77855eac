//! Never comes back: the work limit has to end it.

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
        let mut turns = u64::from(received.thread_length);
        while cx.event().attempt > 0 {
            turns = core::hint::black_box(turns.wrapping_add(1));
        }
        Ok(())
    }
}

plugin!(Guest);
