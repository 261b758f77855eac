//! What the host tells, in the words of 0.1.

use liaison_core::happening::{
    Entity, EventContext, Happening, MEETING_EXTENSION, MatchView, PluginCalendarEvent,
    PluginEvent, PluginMessage, SettledOutcome, UserView,
};
use liaison_core::proposal::{Fields, PlainAddress, Value};
use liaison_core::time::Window;

use super::wit::{events, types};

pub(super) fn event(event: &PluginEvent) -> events::Event {
    events::Event {
        id: event.id.clone(),
        at: event.at.0,
        attempt: event.attempt,
        happening: happening(&event.happening),
        context: context(&event.context),
    }
}

fn happening(happening: &Happening) -> events::Happening {
    match happening {
        Happening::MessageReceived {
            message: inner,
            thread_length,
            answers_us,
        } => events::Happening::MessageReceived(events::MessageReceived {
            message: message(inner),
            thread_length: *thread_length,
            answers_us: *answers_us,
        }),
        Happening::MessageSent {
            message: inner,
            thread_length,
            effect,
            plugin,
        } => events::Happening::MessageSent(events::MessageSent {
            message: message(inner),
            thread_length: *thread_length,
            effect: effect.as_ref().map(ToString::to_string),
            plugin: plugin.as_ref().map(ToString::to_string),
        }),
        Happening::TimerFired {
            name,
            due,
            late_by_ms,
            payload,
        } => events::Happening::TimerFired(events::TimerFired {
            name: name.clone(),
            due: due.0,
            late_by: u64::try_from(*late_by_ms).unwrap_or_default(),
            payload: payload.clone(),
        }),
        Happening::EffectSettled {
            effect,
            label,
            outcome: ended,
        } => events::Happening::EffectSettled(events::EffectSettled {
            effect: effect.to_string(),
            label: label.clone(),
            outcome: outcome(ended),
        }),
        Happening::Meeting(told) => events::Happening::Extension(events::Extension {
            kind: MEETING_EXTENSION.to_owned(),
            // Strings, numbers and lists only: nothing that JSON lacks.
            body: serde_json::to_string(told).unwrap_or_default(),
        }),
    }
}

fn outcome(outcome: &SettledOutcome) -> events::Outcome {
    match outcome {
        SettledOutcome::Done => events::Outcome::Done,
        SettledOutcome::Drafted => events::Outcome::Drafted,
        SettledOutcome::Rejected(why) => events::Outcome::Rejected(why.clone()),
        SettledOutcome::Cancelled(why) => events::Outcome::Cancelled(why.clone()),
        SettledOutcome::Adopted(why) => events::Outcome::Adopted(why.clone()),
        SettledOutcome::Failed(why) => events::Outcome::Failed(why.clone()),
    }
}

fn context(context: &EventContext) -> events::Context {
    events::Context {
        matched: matched(&context.matched),
        ourselves: addresses(&context.ourselves),
        owner: context.owner.as_ref().map(user),
        zone: context.zone.clone(),
        rehearsal: context.rehearsal,
    }
}

fn user(user: &UserView) -> types::User {
    types::User {
        name: user.name.clone(),
        email: user.email.clone(),
        zone: user.zone.clone(),
    }
}

fn matched(matched: &MatchView) -> types::Matched {
    types::Matched {
        outcome: match matched.outcome.as_str() {
            "account" => types::MatchOutcome::Account,
            "ambiguous" => types::MatchOutcome::Ambiguous,
            "own" => types::MatchOutcome::Own,
            "automatic" => types::MatchOutcome::Automatic,
            _ => types::MatchOutcome::Unknown,
        },
        account: matched.account.as_ref().map(entity),
        contact: matched.contact.as_ref().map(entity),
        candidates: matched.candidates.iter().map(ToString::to_string).collect(),
        confidence: matched.confidence,
        evidence: matched
            .evidence
            .iter()
            .map(|(kind, text)| types::Evidence {
                kind: kind.clone(),
                text: text.clone(),
            })
            .collect(),
        authenticity: match matched.authenticity.as_str() {
            "pass" => types::Authenticity::Pass,
            "fail" => types::Authenticity::Fail,
            "none" => types::Authenticity::None,
            _ => types::Authenticity::Unknown,
        },
    }
}

pub(super) fn entity(entity: &Entity) -> types::Entity {
    types::Entity {
        id: entity.id.clone(),
        kind: entity.kind.clone(),
        revision: entity.revision,
        state: entity.state.clone(),
        fields: fields(&entity.fields),
    }
}

fn fields(fields: &Fields) -> Vec<types::Field> {
    fields
        .iter()
        .map(|(name, given)| types::Field {
            name: name.clone(),
            value: value(given),
        })
        .collect()
}

fn value(value: &Value) -> types::Value {
    match value {
        Value::Null => types::Value::Null,
        Value::Flag(flag) => types::Value::Flag(*flag),
        Value::Integer(number) => types::Value::Integer(*number),
        Value::Text(text) => types::Value::Text(text.clone()),
        Value::At(instant) => types::Value::At(instant.0),
        Value::Texts(texts) => types::Value::Texts(texts.clone()),
    }
}

fn address(address: &PlainAddress) -> types::Address {
    types::Address {
        name: address.name.clone(),
        email: address.email.clone(),
    }
}

fn addresses(list: &[PlainAddress]) -> Vec<types::Address> {
    list.iter().map(address).collect()
}

pub(super) fn window(window: Window) -> types::Window {
    types::Window {
        start: window.start.0,
        end: window.end.0,
    }
}

pub(super) fn message(message: &PluginMessage) -> types::Message {
    types::Message {
        id: message.id.to_string(),
        thread: message.thread.to_string(),
        mailbox: message.mailbox.clone(),
        direction: if message.outbound {
            types::Direction::Outbound
        } else {
            types::Direction::Inbound
        },
        date: message.date.0,
        subject: message.subject.clone(),
        sender: address(&message.sender),
        to: addresses(&message.to),
        cc: addresses(&message.cc),
        reply_to: addresses(&message.reply_to),
        headers: message
            .headers
            .iter()
            .map(|(name, value)| types::Header {
                name: name.clone(),
                value: value.clone(),
            })
            .collect(),
        text: message.text.clone(),
        signature: message.signature.clone(),
        truncated: message.truncated,
        attachments: message
            .attachments
            .iter()
            .map(|attachment| types::Attachment {
                id: attachment.id.clone(),
                filename: attachment.filename.clone(),
                media_type: attachment.media_type.clone(),
                size: attachment.size,
            })
            .collect(),
        tags: message.tags.clone(),
        class: class(&message.class),
        out_of_office: message
            .out_of_office
            .as_ref()
            .map(|away| types::OutOfOffice {
                returns: away.returns.map(|at| at.0),
                left: away.left,
            }),
    }
}

fn class(class: &str) -> types::MessageClass {
    match class.replace('_', "-").as_str() {
        "human" => types::MessageClass::Human,
        "auto-reply" => types::MessageClass::AutoReply,
        "ooo" => types::MessageClass::Ooo,
        "bounce" => types::MessageClass::Bounce,
        "list" => types::MessageClass::List,
        "bulk" => types::MessageClass::Bulk,
        "calendar" => types::MessageClass::Calendar,
        // A class that 0.1 has no word for was not written by a person: never to be answered.
        _ => types::MessageClass::AutoGenerated,
    }
}

pub(super) fn calendar_event(event: &PluginCalendarEvent) -> types::CalendarEvent {
    types::CalendarEvent {
        calendar: event.calendar.clone(),
        uid: event.uid.clone(),
        sequence: event.sequence,
        summary: event.summary.clone(),
        when: window(event.when),
        all_day: event.all_day,
        status: match event.status.as_str() {
            "confirmed" => types::EventStatus::Confirmed,
            "cancelled" => types::EventStatus::Cancelled,
            _ => types::EventStatus::Tentative,
        },
        location: event.location.clone(),
        organizer: event.organizer.as_ref().map(address),
        attendees: event
            .attendees
            .iter()
            .map(|(who, partstat, optional)| types::Attendee {
                who: address(who),
                partstat: match partstat.as_str() {
                    "accepted" => types::Partstat::Accepted,
                    "declined" => types::Partstat::Declined,
                    "tentative" => types::Partstat::Tentative,
                    "delegated" => types::Partstat::Delegated,
                    _ => types::Partstat::NeedsAction,
                },
                optional: *optional,
            })
            .collect(),
        ours: event.ours,
    }
}
