//! Asks once more when nobody answered (rule R26: every open question has a date).
//!
//! A message of ours that asks something of people outside starts a wait. Any human answer ends
//! it, a newer message of ours begins it anew, an absence moves it to the day after the return.
//! When it ends unanswered, exactly one follow-up is proposed in the same thread, and none ever
//! follows a follow-up.
#![forbid(unsafe_code)]

use liaison_sdk::{
    Address, Cx, MessageClass, MessageReceived, MessageSent, Plugin, Result, Span, TimerFired,
    plugin, text,
};
use serde::Deserialize;

mod due;
mod wait;

use wait::Wait;

/// The name under which the daemon knows this plugin: its own mails start no wait.
const NAME: &str = "follow-up";

/// Most people outside in To for whom an answer is waited: more of them make a circular, and
/// asking all of them again would annoy those who have nothing to say.
const PEOPLE_MAX: usize = 5;

/// Settings as declared in `plugin.toml`, which says what each means.
#[derive(Debug, Deserialize)]
#[expect(
    missing_docs,
    reason = "each is documented for the operator in plugin.toml"
)]
pub struct Settings {
    pub wait: Span,
    pub too_late: Span,
    pub languages: Vec<String>,
    pub skip: Vec<String>,
}

impl Settings {
    fn skips(&self, address: &Address) -> bool {
        self.skip.iter().any(|skip| {
            skip.eq_ignore_ascii_case(&address.email) || skip.eq_ignore_ascii_case(address.domain())
        })
    }
}

/// The plugin.
#[derive(Debug)]
pub struct FollowUp;

impl Plugin for FollowUp {
    type Settings = Settings;

    fn check(settings: &Settings) -> Vec<String> {
        let is_none = |span: Span| {
            matches!(
                span,
                Span::BusinessDays(0) | Span::BusinessHours(0) | Span::Millis(0)
            )
        };
        let mut problems = Vec::new();
        if is_none(settings.wait) {
            problems.push("wait: nobody answers at once; use at least `1 business day`".to_owned());
        }
        if settings.languages.is_empty() {
            problems.push("languages: with none no follow-up is ever drafted".to_owned());
        }
        problems
    }

    fn on_sent(cx: &mut Cx<'_, Settings>, sent: &MessageSent) -> Result {
        let message = &sent.message;
        if sent.plugin.as_deref() == Some(NAME) {
            return Wait::end(cx, &message.thread, "the one follow-up was sent");
        }
        let people: Vec<&Address> = message.to.iter().filter(|to| is_person(cx, to)).collect();
        if people.is_empty() || people.len() > PEOPLE_MAX {
            return Ok(());
        }
        let earlier = Wait::of(cx, &message.thread)?;
        match (text::ask(&message.text), earlier) {
            (Some(ask), _) => Wait::begin(cx, message, &people, &ask),
            // Something more from us, without a question: what was asked before stays asked.
            (None, Some(wait)) => wait.begin_anew(cx),
            (None, None) => Ok(()),
        }
    }

    fn on_message(cx: &mut Cx<'_, Settings>, received: &MessageReceived) -> Result {
        let message = &received.message;
        if cx.is_ours(&message.sender) {
            return Ok(());
        }
        match message.class {
            MessageClass::Human if !text::is_robot(&message.sender) => wait::answered(cx, message),
            MessageClass::Ooo => wait::absent(cx, message),
            MessageClass::Bounce => wait::bounced(cx, message),
            _ => Ok(()),
        }
    }

    fn on_timer(cx: &mut Cx<'_, Settings>, fired: &TimerFired) -> Result {
        due::due(cx, fired)
    }
}

/// Whether a person outside may be expected to answer behind an address.
fn is_person(cx: &Cx<'_, Settings>, address: &Address) -> bool {
    !cx.is_ours(address) && !text::is_robot(address) && !cx.settings().skips(address)
}

plugin!(FollowUp);

#[cfg(test)]
mod tests;
