//! Selling: what, to whom, and how much of it.

use super::{Kind, KindSpec, field, required, shared};
use crate::crm::fields::FieldType;
use crate::crm::states;

pub(super) const PRODUCT: KindSpec = KindSpec {
    kind: Kind::Product,
    word: "product",
    plural: "products",
    prefix: "prd",
    doc: "What we could sell.",
    name: "name",
    key: &["name"],
    state: None,
    fields: &[
        required("name", FieldType::Line, "Name"),
        field("code", FieldType::Line, "Number in the price book"),
        field("family", FieldType::Line, "Family"),
        field("practice", FieldType::Line, "Area of practice"),
        field(
            "kind",
            FieldType::Choice(&["service", "own-product", "tool", "training"]),
            "What it is",
        ),
        field("price", FieldType::Money, "List price"),
        shared::CURRENCY,
        field("retired", FieldType::Flag, "Not sold any more"),
        field(
            "affinity",
            FieldType::Links(Kind::Product),
            "Products that go with it",
        ),
        shared::EXTERNAL_ID,
        shared::NOTES,
    ],
};

pub(super) const FOOTPRINT: KindSpec = KindSpec {
    kind: Kind::Footprint,
    word: "footprint",
    plural: "footprints",
    prefix: "fpt",
    doc: "What a unit has of a product.",
    name: "",
    key: &["account", "unit", "product"],
    state: Some(states::FOOTPRINT),
    fields: &[
        shared::ACCOUNT,
        field(
            "unit",
            FieldType::Link(Kind::Unit),
            "The unit; empty: the account as a whole",
        ),
        required("product", FieldType::Link(Kind::Product), "The product"),
        field(
            "state",
            FieldType::Choice(states::FOOTPRINT.states),
            "Purchased, in trial, somebody else's, or none",
        ),
        field("since", FieldType::Day, "Since when"),
        field("spend", FieldType::Money, "Spent on it in a year"),
        shared::CURRENCY,
        field("competitor", FieldType::Line, "Whose, when it is not ours"),
        shared::EXTERNAL_ID,
        shared::NOTES,
    ],
};

pub(super) const EXPOSURE: KindSpec = KindSpec {
    kind: Kind::Exposure,
    word: "exposure",
    plural: "exposures",
    prefix: "exp",
    doc: "When a contact was shown a product.",
    name: "",
    key: &["contact", "product", "on"],
    state: None,
    fields: &[
        required("contact", FieldType::Link(Kind::Contact), "The contact"),
        required("product", FieldType::Link(Kind::Product), "The product"),
        required("on", FieldType::Day, "The day"),
        field(
            "channel",
            FieldType::Choice(&["email", "call", "meeting", "event"]),
            "How",
        ),
        field("message", FieldType::Line, "The message"),
        shared::EXTERNAL_ID,
    ],
};

pub(super) const OPPORTUNITY: KindSpec = KindSpec {
    kind: Kind::Opportunity,
    word: "opportunity",
    plural: "opportunities",
    prefix: "opp",
    doc: "Sales that may come.",
    name: "name",
    key: &["account", "name"],
    state: Some(states::OPPORTUNITY),
    fields: &[
        shared::ACCOUNT,
        shared::UNIT,
        required("name", FieldType::Line, "Name"),
        field(
            "stage",
            FieldType::Choice(states::OPPORTUNITY.states),
            "Where it stands",
        ),
        field(
            "type",
            FieldType::Choice(&[
                "transactional",
                "larger",
                "series",
                "ad-hoc",
                "tender",
                "expansion",
            ]),
            "What kind of sale",
        ),
        field("value", FieldType::Money, "What it is worth"),
        shared::CURRENCY,
        field("probability", FieldType::Whole(0, 100), "Percent"),
        field("close_date", FieldType::Day, "When it will be decided"),
        field(
            "forecast",
            FieldType::Choice(&["pipeline", "best-case", "commit", "closed", "omitted"]),
            "Where it counts in the forecast",
        ),
        shared::MODEL,
        field("next_step", FieldType::Line, "What comes next"),
        field("next_step_on", FieldType::Day, "When it comes"),
        field(
            "advancement",
            FieldType::Flag,
            "The next step is a commitment of the customer",
        ),
        field(
            "stalls",
            FieldType::Whole(0, 1000),
            "Answers in a row that committed to nothing",
        ),
        field(
            "decision_step",
            FieldType::Choice(&[
                "plan",
                "recognise",
                "search",
                "evaluate",
                "select",
                "commit",
                "implement",
                "track",
            ]),
            "How far the customer's decision is",
        ),
        field(
            "contacts",
            FieldType::Links(Kind::Contact),
            "Who is involved",
        ),
        field(
            "products",
            FieldType::Links(Kind::Product),
            "What it is about",
        ),
        field("motivation", FieldType::Text, "Why the customer wants it"),
        field(
            "priority",
            FieldType::Choice(&["scope", "time", "quality", "cost"]),
            "What matters most",
        ),
        field("source", FieldType::Line, "Where it came from"),
        field("competitors", FieldType::Lines, "Who else is asked"),
        field("blocker", FieldType::Line, "What stands in the way"),
        field("team", FieldType::Lines, "Others of us who work on it"),
        field(
            "created_on",
            FieldType::Day,
            "When it was begun, if it was recorded here later",
        ),
        field("reason", FieldType::Line, "Why it was won or lost"),
        field("decided_on", FieldType::Day, "When it was won or lost"),
        shared::OWNER,
        shared::EXTERNAL_ID,
        shared::NOTES,
    ],
};

pub(super) const QUOTA: KindSpec = KindSpec {
    kind: Kind::Quota,
    word: "quota",
    plural: "quotas",
    prefix: "quo",
    doc: "What somebody is to sell in a quarter.",
    name: "",
    key: &["person", "period"],
    state: None,
    fields: &[
        required("person", FieldType::Person, "Who"),
        required("period", FieldType::Line, "Quarter, such as 2026-Q1"),
        required("target", FieldType::Money, "Target"),
        shared::CURRENCY,
        shared::EXTERNAL_ID,
    ],
};

pub(super) const FORECAST: KindSpec = KindSpec {
    kind: Kind::Forecast,
    word: "forecast",
    plural: "forecasts",
    prefix: "fct",
    doc: "What was foretold, and when.",
    name: "",
    key: &["person", "period", "taken_on"],
    state: None,
    fields: &[
        required("person", FieldType::Person, "Who"),
        required("period", FieldType::Line, "Quarter, such as 2026-Q1"),
        required("taken_on", FieldType::Day, "Day of the snapshot"),
        field("closed", FieldType::Money, "Won"),
        field("commit", FieldType::Money, "Committed"),
        field("best_case", FieldType::Money, "At best"),
        field("pipeline", FieldType::Money, "Open beyond that"),
        shared::CURRENCY,
        shared::EXTERNAL_ID,
    ],
};
