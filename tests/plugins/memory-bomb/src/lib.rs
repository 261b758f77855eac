//! Takes memory without end: the memory limit has to stop it.

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
        const CHUNK_BYTES: usize = 1 << 20;
        let mut kept: Vec<Vec<u8>> = Vec::new();
        while cx.event().attempt > 0 {
            kept.push(core::hint::black_box(vec![1; CHUNK_BYTES]));
        }
        cx.log(&format!("{} {}", received.thread_length, kept.len()));
        Ok(())
    }
}

plugin!(Guest);
