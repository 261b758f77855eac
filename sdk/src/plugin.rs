//! What an author implements, and how one event reaches it.

use serde::de::DeserializeOwned;

use crate::{
    Cx, EffectSettled, Event, Extension, Failure, Happening, KvError, MessageReceived, MessageSent,
    Proposal, ReadError, TimeError, TimerFired, World,
};

/// What a handler returns: `Ok(())` after proposing any number of things, or why it cannot.
pub type Result<T = ()> = core::result::Result<T, Failure>;

/// A plugin: one method for each kind of event, all optional.
///
/// There is no `self`: every event gets a fresh instance.
pub trait Plugin {
    /// The operator's settings: the defaults of the manifest overlaid by the operator's.
    type Settings: DeserializeOwned;

    /// Problems of settings that parse but make no sense; each string is one of them.
    fn check(settings: &Self::Settings) -> Vec<String> {
        let _ = settings;
        Vec::new()
    }

    /// A message reached a watched mailbox.
    ///
    /// # Errors
    /// The plugin's own; see [`Failure`].
    fn on_message(cx: &mut Cx<'_, Self::Settings>, received: &MessageReceived) -> Result {
        let _ = (cx, received);
        Ok(())
    }

    /// A message of ours was sent, by a person or by Liaison.
    ///
    /// # Errors
    /// The plugin's own; see [`Failure`].
    fn on_sent(cx: &mut Cx<'_, Self::Settings>, sent: &MessageSent) -> Result {
        let _ = (cx, sent);
        Ok(())
    }

    /// A timer of this plugin is due.
    ///
    /// # Errors
    /// The plugin's own; see [`Failure`].
    fn on_timer(cx: &mut Cx<'_, Self::Settings>, fired: &TimerFired) -> Result {
        let _ = (cx, fired);
        Ok(())
    }

    /// Something that this plugin proposed came to an end.
    ///
    /// # Errors
    /// The plugin's own; see [`Failure`].
    fn on_settled(cx: &mut Cx<'_, Self::Settings>, settled: &EffectSettled) -> Result {
        let _ = (cx, settled);
        Ok(())
    }

    /// A kind of event invented after this SDK.
    ///
    /// # Errors
    /// The plugin's own; see [`Failure`].
    fn on_extension(cx: &mut Cx<'_, Self::Settings>, extension: &Extension) -> Result {
        let _ = (cx, extension);
        Ok(())
    }
}

/// Lists what is wrong with `settings` (a JSON object) for `P`; empty when nothing is.
#[must_use]
pub fn check<P: Plugin>(settings: &str) -> Vec<String> {
    match serde_json::from_str::<P::Settings>(settings) {
        Ok(settings) => P::check(&settings),
        Err(error) => vec![format!("the settings do not fit this plugin: {error}")],
    }
}

/// Gives one event to `P` and returns what it proposed.
///
/// # Errors
/// [`Failure::Settings`] when the settings do not parse; else what the plugin returned.
pub fn handle<P: Plugin>(world: &dyn World, event: &Event) -> Result<Vec<Proposal>> {
    let settings: P::Settings = serde_json::from_str(&world.settings())
        .map_err(|error| Failure::Settings(format!("the settings do not fit: {error}")))?;
    let mut cx = Cx::new(world, event, &settings);
    match &event.happening {
        Happening::MessageReceived(received) => P::on_message(&mut cx, received),
        Happening::MessageSent(sent) => P::on_sent(&mut cx, sent),
        Happening::TimerFired(fired) => P::on_timer(&mut cx, fired),
        Happening::EffectSettled(settled) => P::on_settled(&mut cx, settled),
        Happening::Extension(extension) => P::on_extension(&mut cx, extension),
    }?;
    Ok(cx.into_proposals())
}

/// A refused read never passes for "nothing there": the event is set aside with the cause.
impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Failure {
        Failure::Poison(match error {
            ReadError::Denied(what) => format!("the grant does not cover a read: {what}"),
            ReadError::Invalid(what) => format!("a read asks for what does not exist: {what}"),
            ReadError::Exhausted => "more reads than `reads.per-event` allows".to_owned(),
        })
    }
}

impl From<KvError> for Failure {
    fn from(error: KvError) -> Failure {
        Failure::Poison(match error {
            KvError::TooLarge(what) => format!("the plugin's memory is full: {what}"),
            KvError::NoAccount => "memory of an account, but the event has none".to_owned(),
        })
    }
}

impl From<TimeError> for Failure {
    fn from(error: TimeError) -> Failure {
        Failure::Poison(match error {
            TimeError::UnknownZone(zone) => format!("`{zone}` is no IANA zone"),
            TimeError::OutOfRange => "a date outside the calendar".to_owned(),
        })
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        Failure::Poison(format!(
            "JSON of this plugin's own making does not read back: {error}"
        ))
    }
}
