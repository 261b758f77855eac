//! The states of a kind, and which change is a step and which a mistake.

/// States of a kind and the steps between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateSpec {
    /// The field that holds the state.
    pub field: &'static str,
    /// All states; a new record begins in the first.
    pub states: &'static [&'static str],
    /// Allowed steps; `*` is any state.
    pub steps: &'static [(&'static str, &'static str)],
    /// States that only a person or an import gives; a plugin's wish becomes a proposal.
    pub by_person: &'static [&'static str],
    /// States in which nothing is open any more.
    pub closed: &'static [&'static str],
}

impl StateSpec {
    /// Whether a record may go from one state to the other.
    #[must_use]
    pub fn allows(&self, from: &str, to: &str) -> bool {
        from == to
            || self
                .steps
                .iter()
                .any(|(a, b)| (*a == "*" || *a == from) && *b == to)
    }

    /// The states that may follow `from`.
    #[must_use]
    pub fn after(&self, from: &str) -> Vec<&'static str> {
        self.states
            .iter()
            .copied()
            .filter(|to| *to != from && self.allows(from, to))
            .collect()
    }

    /// Whether the state is an end.
    #[must_use]
    pub fn is_closed(&self, state: &str) -> bool {
        self.closed.contains(&state)
    }
}

/// The six stages of a sale and its two ends, in order.
pub const STAGES: &[&str] = &[
    "Initial Phone Call",
    "Initial Meeting - Booked",
    "Follow Up Meeting - Booked",
    "Spec Review Proposal - Waiting for Approval",
    "Spec Review - Booked",
    "Project Proposal - Waiting for Approval",
    "Won",
    "Lost",
];

/// Opportunities: forward, over the optional third stage, back when a meeting or review falls
/// away, ad-hoc work won from the first two stages, lost from anywhere, reopened from lost.
pub const OPPORTUNITY: StateSpec = StateSpec {
    field: "stage",
    states: STAGES,
    steps: &[
        ("Initial Phone Call", "Initial Meeting - Booked"),
        ("Initial Meeting - Booked", "Follow Up Meeting - Booked"),
        (
            "Initial Meeting - Booked",
            "Spec Review Proposal - Waiting for Approval",
        ),
        (
            "Follow Up Meeting - Booked",
            "Spec Review Proposal - Waiting for Approval",
        ),
        (
            "Spec Review Proposal - Waiting for Approval",
            "Spec Review - Booked",
        ),
        (
            "Spec Review - Booked",
            "Project Proposal - Waiting for Approval",
        ),
        ("Project Proposal - Waiting for Approval", "Won"),
        ("Initial Phone Call", "Won"),
        ("Initial Meeting - Booked", "Won"),
        // A meeting or a review fell away.
        ("Initial Meeting - Booked", "Initial Phone Call"),
        ("Follow Up Meeting - Booked", "Initial Meeting - Booked"),
        (
            "Spec Review - Booked",
            "Spec Review Proposal - Waiting for Approval",
        ),
        (
            "Project Proposal - Waiting for Approval",
            "Spec Review - Booked",
        ),
        ("*", "Lost"),
        ("Lost", "Initial Phone Call"),
        ("Lost", "Initial Meeting - Booked"),
        ("Lost", "Spec Review Proposal - Waiting for Approval"),
        ("Lost", "Project Proposal - Waiting for Approval"),
    ],
    by_person: &["Won", "Lost"],
    closed: &["Won", "Lost"],
};

/// Agreements: terms, NDAs, statements of work.
pub const AGREEMENT: StateSpec = StateSpec {
    field: "state",
    states: &[
        "none",
        "sent",
        "returned-incomplete",
        "complete",
        "due-for-re-sign",
        "expired",
    ],
    steps: &[
        ("none", "sent"),
        ("none", "complete"),
        ("sent", "returned-incomplete"),
        ("sent", "complete"),
        ("returned-incomplete", "sent"),
        ("returned-incomplete", "complete"),
        ("complete", "due-for-re-sign"),
        ("complete", "expired"),
        ("due-for-re-sign", "sent"),
        ("due-for-re-sign", "complete"),
        ("due-for-re-sign", "expired"),
        ("expired", "sent"),
        ("expired", "complete"),
    ],
    by_person: &["complete"],
    closed: &["expired"],
};

/// Projects: work, then the warranty, then its end with days booked or notice given.
pub const PROJECT: StateSpec = StateSpec {
    field: "phase",
    states: &[
        "planned",
        "running",
        "tested",
        "deployed",
        "warranty",
        "transition-proposed",
        "booked",
        "notified",
        "ended",
    ],
    steps: &[
        ("planned", "running"),
        ("running", "tested"),
        ("running", "ended"),
        ("tested", "running"),
        ("tested", "deployed"),
        ("deployed", "warranty"),
        ("warranty", "transition-proposed"),
        ("warranty", "ended"),
        ("transition-proposed", "booked"),
        ("transition-proposed", "notified"),
        ("booked", "ended"),
        ("booked", "running"),
        ("notified", "ended"),
        ("planned", "ended"),
        ("ended", "running"),
    ],
    by_person: &[],
    closed: &["ended"],
};

/// Bookings of our people.
pub const BOOKING: StateSpec = StateSpec {
    field: "state",
    states: &["tentative", "confirmed", "done", "cancelled", "orphan"],
    steps: &[
        ("tentative", "confirmed"),
        ("confirmed", "tentative"),
        ("confirmed", "done"),
        ("*", "cancelled"),
        ("*", "orphan"),
        ("orphan", "tentative"),
        ("orphan", "confirmed"),
        ("cancelled", "tentative"),
    ],
    by_person: &[],
    closed: &["done", "cancelled"],
};

/// Products at a unit.
pub const FOOTPRINT: StateSpec = StateSpec {
    field: "state",
    states: &["none", "trial", "purchased", "competitor"],
    steps: &[
        ("*", "none"),
        ("*", "trial"),
        ("*", "purchased"),
        ("*", "competitor"),
    ],
    by_person: &[],
    closed: &[],
};
