//! What the program sees in a message, as JSON for `liaison inspect`.

use serde_json::{Value, json};

use crate::account::warnings::of_message;

use super::thread::{new_thread_id, thread_candidates};
use super::{MessageView, ParseLimits, parse_message};

/// Everything known about a message, whatever its bytes.
///
/// Fields that the message lacks are `null` or empty; `problems` tells what was wrong with it.
#[must_use]
pub fn inspect_json(bytes: &[u8]) -> Value {
    view_json(&parse_message(bytes, &ParseLimits::default()))
}

/// The same for a message that is parsed already.
#[must_use]
pub fn view_json(view: &MessageView) -> Value {
    json!({
        "key": view.key(),
        "message_id": view.message_id,
        "in_reply_to": view.in_reply_to,
        "references": view.references,
        "thread_id": new_thread_id(view),
        "thread_candidates": thread_candidates(view),
        "thread_index": view.thread_index,
        "date": view.date,
        "date_raw": view.date_raw,
        "date_offset_minutes": view.date_offset_minutes,
        "from": view.from,
        "from_field_count": view.from_field_count,
        "sender": view.sender,
        "reply_to": view.reply_to,
        "to": view.to,
        "cc": view.cc,
        "bcc": view.bcc,
        "subject": view.subject,
        "base_subject": view.base_subject,
        "class": view.class.class,
        "class_evidence": view.class.evidence,
        "no_automatic_answer": view.class.no_automatic_answer,
        "bounce": view.class.bounce,
        "out_of_office": view.class.out_of_office,
        "text": view.text,
        "reply": view.body.reply,
        "quoted": view.body.quoted,
        "signature": view.body.signature,
        "spans": view.body.spans,
        "confidence": view.body.confidence,
        "attachments": view.attachments,
        "calendar": view.calendar_parts,
        "forwarded": view.forwarded,
        "liaison_id": view.liaison_id,
        "authentication_results": view.authentication_results,
        "warnings": of_message(view),
        "truncated": view.truncated,
        "problems": view.problems,
    })
}

#[cfg(test)]
mod tests;
