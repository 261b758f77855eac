//! Leaves out of what a plugin is given everything that its manifest does not ask for.

use liaison_core::happening::{
    Entity, EventContext, Happening, MeetingTold, PluginEvent, PluginMessage,
};
use liaison_core::manifest::{CalendarGrant, Manifest, MessageGrant};

/// The event as this plugin may see it.
pub(super) fn event(manifest: &Manifest, event: &PluginEvent) -> PluginEvent {
    PluginEvent {
        id: event.id.clone(),
        at: event.at,
        attempt: event.attempt,
        happening: happening(manifest, &event.happening),
        context: context(manifest, &event.context),
    }
}

fn happening(manifest: &Manifest, happening: &Happening) -> Happening {
    let mut given = happening.clone();
    match &mut given {
        Happening::MessageReceived { message: inner, .. }
        | Happening::MessageSent { message: inner, .. } => message(manifest, inner),
        Happening::TimerFired { .. } | Happening::EffectSettled { .. } => {}
        // Without the events of our calendars: that something happened, and when.
        Happening::Meeting(told) if manifest.reads.calendars < CalendarGrant::Events => {
            *told = MeetingTold {
                id: told.id.clone(),
                what: told.what.clone(),
                instance: told.instance,
                start: told.start,
                end: told.end,
                start_before: told.start_before,
                cancelled: told.cancelled,
                repeats: told.repeats,
                held: told.held,
                ..MeetingTold::default()
            };
        }
        Happening::Meeting(_) => {}
    }
    given
}

fn context(manifest: &Manifest, context: &EventContext) -> EventContext {
    let mut given = context.clone();
    let matched = &mut given.matched;
    matched.account = matched.account.take().map(|found| outline(manifest, found));
    matched.contact = matched.contact.take().map(|found| outline(manifest, found));
    given
}

/// An entity with the granted fields only: id, kind and revision are always given with a match.
fn outline(manifest: &Manifest, mut entity: Entity) -> Entity {
    match manifest.reads.records.get(&entity.kind) {
        Some(granted) => entity.fields.retain(|name, _| granted.contains(name)),
        None => entity.fields.clear(),
    }
    entity
}

/// The entity as this plugin may read it; `None` when its kind is not granted.
pub(super) fn entity(manifest: &Manifest, entity: Entity) -> Option<Entity> {
    if manifest.case(&entity.kind).is_some() {
        return Some(entity);
    }
    manifest
        .reads
        .records
        .contains_key(&entity.kind)
        .then(|| outline(manifest, entity))
}

/// Cuts a message to the manifest: headers by name, text by grant and length.
pub(super) fn message(manifest: &Manifest, message: &mut PluginMessage) {
    let reads = &manifest.reads;
    message.headers.retain(|(name, _)| {
        reads
            .headers
            .iter()
            .any(|wanted| wanted.eq_ignore_ascii_case(name))
    });
    match reads.message {
        MessageGrant::Envelope => {
            message.text.clear();
            message.signature.clear();
            message.truncated = false;
        }
        MessageGrant::Text => {
            let limit = usize::try_from(reads.text_limit).unwrap_or(usize::MAX);
            message.truncated |= cut(&mut message.text, limit);
            cut(&mut message.signature, limit);
        }
    }
}

/// Cuts at a character boundary at or below `limit` bytes; tells whether it did.
fn cut(text: &mut String, limit: usize) -> bool {
    let long = text.len() > limit;
    if long {
        text.truncate(text.floor_char_boundary(limit));
    }
    long
}
