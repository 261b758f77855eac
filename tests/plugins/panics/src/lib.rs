//! Panics on every message: the event has to be set aside with the panic'\''s text.

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
        let recipients = &received.message.to;
        let attempt = usize::try_from(cx.event().attempt).unwrap_or(usize::MAX);
        let beyond = recipients.len().saturating_add(attempt);
        assert!(
            beyond < recipients.len(),
            "there is no recipient number {beyond}"
        );
        Ok(())
    }
}

plugin!(Guest);
