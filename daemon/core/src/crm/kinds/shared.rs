//! Fields that several kinds have, the same in each.

use super::{Kind, field, required};
use crate::crm::fields::{FieldSpec, FieldType};

/// What a department or a person in it does.
pub(super) const FUNCTIONS: &[&str] = &[
    "operations",
    "finance",
    "product-development",
    "purchasing",
    "it",
    "marketing",
    "sales",
    "legal",
    "management",
    "other",
];

pub(super) const ACCOUNT: FieldSpec = required(
    "account",
    FieldType::Link(Kind::Account),
    "The customer organisation",
);
pub(super) const UNIT: FieldSpec = field(
    "unit",
    FieldType::Link(Kind::Unit),
    "The part of the organisation",
);
pub(super) const PROJECT: FieldSpec =
    field("project", FieldType::Link(Kind::Project), "The project");
pub(super) const CURRENCY: FieldSpec =
    field("currency", FieldType::Currency, "Currency of its amounts");
pub(super) const OWNER: FieldSpec =
    field("owner", FieldType::Person, "Our person who looks after it");
pub(super) const EXTERNAL_ID: FieldSpec = field(
    "external_id",
    FieldType::Line,
    "Id in the system it comes from, such as salesforce:0015x",
);
pub(super) const NOTES: FieldSpec = field("notes", FieldType::Text, "Anything else");
pub(super) const MODEL: FieldSpec = field(
    "model",
    FieldType::Choice(&["fixed-price", "time-and-materials", "prepaid", "retainer"]),
    "Engagement model",
);
pub(super) const UID: FieldSpec = field("uid", FieldType::Line, "UID of the calendar event");
