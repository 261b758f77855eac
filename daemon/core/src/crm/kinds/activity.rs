//! What happened with customers, and what they say of us.

use super::{Kind, KindSpec, field, required, shared};
use crate::crm::fields::FieldType;

pub(super) const ACTIVITY: KindSpec = KindSpec {
    kind: Kind::Activity,
    word: "activity",
    plural: "activities",
    prefix: "act",
    doc: "Calls, meetings, mails, notes.",
    name: "subject",
    key: &["account", "at", "kind", "subject"],
    state: None,
    fields: &[
        shared::ACCOUNT,
        field("contacts", FieldType::Links(Kind::Contact), "With whom"),
        field(
            "opportunity",
            FieldType::Link(Kind::Opportunity),
            "About which sale",
        ),
        required(
            "kind",
            FieldType::Choice(&["email", "call", "meeting", "task", "note", "love"]),
            "What it was",
        ),
        field("direction", FieldType::Choice(&["in", "out"]), "Who began"),
        field("subject", FieldType::Line, "What about"),
        field("goal", FieldType::Line, "What it was for"),
        field("outcome", FieldType::Text, "What came of it"),
        required("at", FieldType::At, "When"),
        field("minutes", FieldType::Whole(0, 100000), "How long"),
        field("person", FieldType::Person, "Who of us"),
        field(
            "held",
            FieldType::Flag,
            "The meeting took place, the call was answered",
        ),
        field("important", FieldType::Flag, "Important"),
        field("urgent", FieldType::Flag, "Urgent"),
        field("message", FieldType::Line, "Message-ID"),
        shared::UID,
        shared::EXTERNAL_ID,
        shared::NOTES,
    ],
};

pub(super) const REFERENCE: KindSpec = KindSpec {
    kind: Kind::Reference,
    word: "reference",
    plural: "references",
    prefix: "ref",
    doc: "Referrals and testimonials, asked for and given.",
    name: "",
    key: &["contact", "kind", "asked_on"],
    state: None,
    fields: &[
        required("contact", FieldType::Link(Kind::Contact), "Who"),
        required(
            "kind",
            FieldType::Choice(&["referral", "testimonial", "public-review"]),
            "What",
        ),
        required("asked_on", FieldType::Day, "When it was asked for"),
        field("asked_by", FieldType::Person, "Who asked"),
        field(
            "answer",
            FieldType::Choice(&["given", "refused"]),
            "What came of it",
        ),
        field("given_on", FieldType::Day, "When it was given"),
        field("text", FieldType::Text, "The words, or the person named"),
        field(
            "usable_for",
            FieldType::Links(Kind::Unit),
            "Where it may be used",
        ),
        field("used_at", FieldType::Lines, "Where it was used"),
        shared::EXTERNAL_ID,
    ],
};
