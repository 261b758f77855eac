//! The kinds of core records and their fields: the one table.

use serde::{Deserialize, Serialize};

use super::fields::{FieldSpec, FieldType};
use super::states::{self, StateSpec};

/// A kind of core record. The order is on disk: add at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Customer organisations.
    Account,
    /// People at accounts.
    Contact,
    /// Parts of an account: units, departments, divisions.
    Unit,
    /// What we could sell.
    Product,
    /// What a unit has of a product.
    Footprint,
    /// When a contact was shown a product.
    Exposure,
    /// Sales that may come.
    Opportunity,
    /// Terms, NDAs and other contracts.
    Agreement,
    /// Work that was sold.
    Project,
    /// Days of our people.
    Booking,
    /// Calls, meetings, mails, notes.
    Activity,
    /// What was charged, and what it cost us.
    Invoice,
    /// What somebody is to sell in a quarter.
    Quota,
    /// Referrals and testimonials, asked for and given.
    Reference,
    /// What was foretold, and when.
    Forecast,
}

/// What there is to know of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindSpec {
    /// The kind.
    pub kind: Kind,
    /// One of them: a word for programs and commands.
    pub word: &'static str,
    /// Several of them.
    pub plural: &'static str,
    /// What its ids begin with.
    pub prefix: &'static str,
    /// What they are.
    pub doc: &'static str,
    /// The field that names a record; empty: what it is known by names it.
    pub name: &'static str,
    /// The fields that say which one it is, where it has no external id.
    pub key: &'static [&'static str],
    /// Its states.
    pub state: Option<StateSpec>,
    /// Its fields, in the order in which they are shown.
    pub fields: &'static [FieldSpec],
}

impl KindSpec {
    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static FieldSpec> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Fields that link to another record.
    pub fn links(&self) -> impl Iterator<Item = (&'static FieldSpec, Kind)> {
        self.fields.iter().filter_map(|field| match field.kind {
            FieldType::Link(kind) | FieldType::Links(kind) => Some((field, kind)),
            _ => None,
        })
    }
}

impl Kind {
    /// All kinds.
    pub const ALL: &'static [Kind] = &[
        Kind::Account,
        Kind::Contact,
        Kind::Unit,
        Kind::Product,
        Kind::Footprint,
        Kind::Exposure,
        Kind::Opportunity,
        Kind::Agreement,
        Kind::Project,
        Kind::Booking,
        Kind::Activity,
        Kind::Invoice,
        Kind::Quota,
        Kind::Reference,
        Kind::Forecast,
    ];

    /// What there is to know of it.
    #[must_use]
    pub fn spec(self) -> &'static KindSpec {
        match self {
            Kind::Account => &ACCOUNT,
            Kind::Contact => &CONTACT,
            Kind::Unit => &UNIT,
            Kind::Product => &PRODUCT,
            Kind::Footprint => &FOOTPRINT,
            Kind::Exposure => &EXPOSURE,
            Kind::Opportunity => &OPPORTUNITY,
            Kind::Agreement => &AGREEMENT,
            Kind::Project => &PROJECT,
            Kind::Booking => &BOOKING,
            Kind::Activity => &ACTIVITY,
            Kind::Invoice => &INVOICE,
            Kind::Quota => &QUOTA,
            Kind::Reference => &REFERENCE,
            Kind::Forecast => &FORECAST,
        }
    }

    /// The word for one of them.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.spec().word
    }

    /// The word for several.
    #[must_use]
    pub fn plural(self) -> &'static str {
        self.spec().plural
    }

    /// The word with its article.
    #[must_use]
    pub fn with_article(self) -> String {
        let word = self.word();
        let vowel = word.starts_with(['a', 'e', 'i', 'o']);
        format!("{} {word}", if vowel { "an" } else { "a" })
    }

    /// The kind of this word, singular or plural.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Kind> {
        let word = word.trim().to_lowercase();
        Kind::ALL
            .iter()
            .copied()
            .find(|kind| kind.word() == word || kind.plural() == word)
    }

    /// The kind whose ids look like this one.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Kind> {
        let (prefix, hash) = id.split_once('-')?;
        let hash_fits = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let kind = Kind::ALL.iter().find(|kind| kind.spec().prefix == prefix);
        kind.copied().filter(|_| hash_fits)
    }
}

const fn field(name: &'static str, kind: FieldType, doc: &'static str) -> FieldSpec {
    FieldSpec {
        name,
        kind,
        required: false,
        personal: false,
        doc,
    }
}

const fn required(name: &'static str, kind: FieldType, doc: &'static str) -> FieldSpec {
    FieldSpec {
        required: true,
        ..field(name, kind, doc)
    }
}

const fn personal(name: &'static str, kind: FieldType, doc: &'static str) -> FieldSpec {
    FieldSpec {
        personal: true,
        ..field(name, kind, doc)
    }
}

const ACCOUNT: KindSpec = KindSpec {
    kind: Kind::Account,
    word: "account",
    plural: "accounts",
    prefix: "acc",
    doc: "Customer organisations.",
    name: "name",
    key: &["name"],
    state: None,
    fields: &[
        required("name", FieldType::Line, "Name as people write it"),
        field("legal_entity", FieldType::Line, "Name in contracts"),
        field(
            "parent",
            FieldType::Link(Kind::Account),
            "The organisation it is a part of",
        ),
        field(
            "kind",
            FieldType::Choice(&[
                "end-user",
                "var",
                "oem",
                "partner",
                "supplier",
                "own-company",
                "reserved",
            ]),
            "What it is to us",
        ),
        field(
            "lifecycle",
            FieldType::Choice(&["prospect", "active", "past", "lost"]),
            "Where it stands",
        ),
        field(
            "tier",
            FieldType::Choice(&["key", "standard"]),
            "Key accounts are served in depth",
        ),
        field(
            "domains",
            FieldType::Domains,
            "Domains whose mail belongs to it",
        ),
        field("owner", FieldType::Person, "Our person who looks after it"),
        field("team", FieldType::Lines, "Others of us who look after it"),
        field(
            "territory",
            FieldType::Line,
            "Region or team that serves it",
        ),
        field("industry", FieldType::Line, "Line of business"),
        field("website", FieldType::Line, "Address of its web site"),
        field("phone", FieldType::Line, "Phone"),
        field("address", FieldType::Line, "Street and town"),
        field("country", FieldType::Line, "Country"),
        field("time_zone", FieldType::Zone, "Its time zone"),
        field(
            "founded",
            FieldType::Whole(1000, 3000),
            "Year in which it was founded",
        ),
        field(
            "consumer",
            FieldType::Flag,
            "A consumer, whose prices include tax",
        ),
        field("currency", FieldType::Currency, "Currency of its amounts"),
        field(
            "tax",
            FieldType::Line,
            "How it is taxed, such as GST or export",
        ),
        field(
            "fiscal_year_start",
            FieldType::MonthDay,
            "First day of its fiscal year",
        ),
        field(
            "financial_health",
            FieldType::Line,
            "How it stands financially",
        ),
        field(
            "funding",
            FieldType::Line,
            "Where its money for projects comes from",
        ),
        field("strategy", FieldType::Text, "Where it wants to go"),
        field(
            "supplier_level",
            FieldType::Choice(&[
                "vendor",
                "supplier",
                "solution-provider",
                "value-adding-partner",
            ]),
            "What we are to it",
        ),
        field(
            "sign_off",
            FieldType::Lines,
            "Who signs up to which amount, such as `head of IT: 20000`",
        ),
        field("competitors", FieldType::Lines, "Who else sells to it"),
        field("customer_since", FieldType::Day, "First business"),
        field("lost_on", FieldType::Day, "When it was lost"),
        field("lost_reason", FieldType::Line, "Why it was lost"),
        field(
            "business_plan",
            FieldType::Flag,
            "A reseller with a business plan",
        ),
        field("confidential", FieldType::Flag, "Not to be named outside"),
        field(
            "do_not_contact",
            FieldType::Flag,
            "No automatic mail to anybody there",
        ),
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
        field("notes", FieldType::Text, "Anything else"),
    ],
};

const CONTACT: KindSpec = KindSpec {
    kind: Kind::Contact,
    word: "contact",
    plural: "contacts",
    prefix: "con",
    doc: "People at accounts.",
    name: "name",
    key: &["account", "emails"],
    state: None,
    fields: &[
        required(
            "account",
            FieldType::Link(Kind::Account),
            "The customer organisation",
        ),
        field(
            "unit",
            FieldType::Link(Kind::Unit),
            "The part of the organisation",
        ),
        field("name", FieldType::Line, "Name"),
        field(
            "emails",
            FieldType::Emails,
            "Addresses, the preferred one first",
        ),
        field(
            "role",
            FieldType::Line,
            "Title or role, as the person writes it",
        ),
        field(
            "function",
            FieldType::Choice(&[
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
            ]),
            "Department",
        ),
        field(
            "persona",
            FieldType::Choice(&[
                "technical-lead",
                "marketing-lead",
                "executive",
                "purchasing",
                "legal",
                "finance",
                "end-user",
            ]),
            "How to speak to the person",
        ),
        field(
            "roles",
            FieldType::Choices(&[
                "decision-maker",
                "approver",
                "influencer",
                "user",
                "budget-owner",
                "product-owner",
                "champion",
                "blocker",
            ]),
            "What the person is in decisions",
        ),
        field(
            "approves_up_to",
            FieldType::Money,
            "Signs up to this amount",
        ),
        field("currency", FieldType::Currency, "Currency of its amounts"),
        field(
            "status",
            FieldType::Choice(&["active", "left"]),
            "Still there",
        ),
        field("left_on", FieldType::Day, "When the person left"),
        field("phones", FieldType::Lines, "Phones"),
        field("address", FieldType::Line, "Street and town"),
        field(
            "channel",
            FieldType::Choice(&["email", "phone", "chat", "post"]),
            "How the person wants to be reached",
        ),
        field(
            "consent",
            FieldType::Choice(&["none", "newsletter", "marketing"]),
            "What the person agreed to get",
        ),
        field("do_not_contact", FieldType::Flag, "No automatic mail"),
        field("language", FieldType::Line, "Language, such as en"),
        field("time_zone", FieldType::Zone, "Time zone"),
        field("technical", FieldType::Flag, "Understands technical words"),
        field(
            "satisfaction",
            FieldType::Whole(0, 10),
            "Last answer to how happy the person is",
        ),
        personal("birthday", FieldType::MonthDay, "Birthday"),
        personal("interests", FieldType::Text, "Hobbies, sport"),
        personal("family", FieldType::Text, "Family"),
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
        field("notes", FieldType::Text, "Anything else"),
    ],
};

const UNIT: KindSpec = KindSpec {
    kind: Kind::Unit,
    word: "unit",
    plural: "units",
    prefix: "unit",
    doc: "Parts of an account: units, departments, divisions.",
    name: "name",
    key: &["account", "name"],
    state: None,
    fields: &[
        required(
            "account",
            FieldType::Link(Kind::Account),
            "The customer organisation",
        ),
        required("name", FieldType::Line, "Name"),
        field(
            "parent",
            FieldType::Link(Kind::Unit),
            "The unit it is a part of",
        ),
        field(
            "function",
            FieldType::Choice(&[
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
            ]),
            "What it does",
        ),
        field("location", FieldType::Line, "Where it is"),
        field(
            "circle",
            FieldType::Line,
            "Those who decide together have the same name here",
        ),
        field("manager", FieldType::Link(Kind::Contact), "Who leads it"),
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
        field("notes", FieldType::Text, "Anything else"),
    ],
};

const PRODUCT: KindSpec = KindSpec {
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
        field("currency", FieldType::Currency, "Currency of its amounts"),
        field("retired", FieldType::Flag, "Not sold any more"),
        field(
            "affinity",
            FieldType::Links(Kind::Product),
            "Products that go with it",
        ),
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
        field("notes", FieldType::Text, "Anything else"),
    ],
};

const FOOTPRINT: KindSpec = KindSpec {
    kind: Kind::Footprint,
    word: "footprint",
    plural: "footprints",
    prefix: "fpt",
    doc: "What a unit has of a product.",
    name: "",
    key: &["account", "unit", "product"],
    state: Some(states::FOOTPRINT),
    fields: &[
        required(
            "account",
            FieldType::Link(Kind::Account),
            "The customer organisation",
        ),
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
        field("currency", FieldType::Currency, "Currency of its amounts"),
        field("competitor", FieldType::Line, "Whose, when it is not ours"),
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
        field("notes", FieldType::Text, "Anything else"),
    ],
};

const EXPOSURE: KindSpec = KindSpec {
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
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
    ],
};

const OPPORTUNITY: KindSpec = KindSpec {
    kind: Kind::Opportunity,
    word: "opportunity",
    plural: "opportunities",
    prefix: "opp",
    doc: "Sales that may come.",
    name: "name",
    key: &["account", "name"],
    state: Some(states::OPPORTUNITY),
    fields: &[
        required(
            "account",
            FieldType::Link(Kind::Account),
            "The customer organisation",
        ),
        field(
            "unit",
            FieldType::Link(Kind::Unit),
            "The part of the organisation",
        ),
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
        field("currency", FieldType::Currency, "Currency of its amounts"),
        field("probability", FieldType::Whole(0, 100), "Percent"),
        field("close_date", FieldType::Day, "When it will be decided"),
        field(
            "forecast",
            FieldType::Choice(&["pipeline", "best-case", "commit", "closed", "omitted"]),
            "Where it counts in the forecast",
        ),
        field(
            "model",
            FieldType::Choice(&["fixed-price", "time-and-materials", "prepaid", "retainer"]),
            "Engagement model",
        ),
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
        field("reason", FieldType::Line, "Why it was won or lost"),
        field("decided_on", FieldType::Day, "When it was won or lost"),
        field("owner", FieldType::Person, "Our person who looks after it"),
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
        field("notes", FieldType::Text, "Anything else"),
    ],
};

const AGREEMENT: KindSpec = KindSpec {
    kind: Kind::Agreement,
    word: "agreement",
    plural: "agreements",
    prefix: "agr",
    doc: "Terms, NDAs and other contracts.",
    name: "title",
    key: &["account", "kind", "title", "signed_on"],
    state: Some(states::AGREEMENT),
    fields: &[
        required(
            "account",
            FieldType::Link(Kind::Account),
            "The customer organisation",
        ),
        required(
            "kind",
            FieldType::Choice(&[
                "terms",
                "client-terms",
                "nda",
                "statement-of-work",
                "support-plan",
            ]),
            "What it is",
        ),
        field("title", FieldType::Line, "Name"),
        field(
            "state",
            FieldType::Choice(states::AGREEMENT.states),
            "How far it is",
        ),
        field("entity", FieldType::Line, "Legal entity that is bound"),
        field("template", FieldType::Line, "Version of the form"),
        field("pages", FieldType::Whole(0, 10000), "Pages of that version"),
        field("signed_by_them", FieldType::Line, "Who signed there"),
        field("signed_by_us", FieldType::Line, "Who signed here"),
        field("signed_on", FieldType::Day, "When"),
        field("effective", FieldType::Day, "From when it holds"),
        field("expires", FieldType::Day, "Until when it holds"),
        field(
            "resign_due",
            FieldType::Day,
            "When it is to be signed again",
        ),
        field(
            "complete_copy",
            FieldType::Flag,
            "The whole document is on file",
        ),
        field("mutual", FieldType::Flag, "Binds both sides"),
        field("jurisdiction", FieldType::Line, "Whose law"),
        field("clauses", FieldType::Lines, "Clauses that were flagged"),
        field("file", FieldType::Line, "Where the document is"),
        field("owner", FieldType::Person, "Our person who looks after it"),
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
        field("notes", FieldType::Text, "Anything else"),
    ],
};

const PROJECT: KindSpec = KindSpec {
    kind: Kind::Project,
    word: "project",
    plural: "projects",
    prefix: "prj",
    doc: "Work that was sold.",
    name: "name",
    key: &["account", "name"],
    state: Some(states::PROJECT),
    fields: &[
        required(
            "account",
            FieldType::Link(Kind::Account),
            "The customer organisation",
        ),
        field(
            "unit",
            FieldType::Link(Kind::Unit),
            "The part of the organisation",
        ),
        field(
            "opportunity",
            FieldType::Link(Kind::Opportunity),
            "The sale",
        ),
        required("name", FieldType::Line, "Name"),
        field(
            "phase",
            FieldType::Choice(states::PROJECT.states),
            "How far it is",
        ),
        field(
            "method",
            FieldType::Choice(&["scrum", "kanban", "ad-hoc"]),
            "How we work",
        ),
        field(
            "model",
            FieldType::Choice(&["fixed-price", "time-and-materials", "prepaid", "retainer"]),
            "Engagement model",
        ),
        field("estimate_hours", FieldType::Whole(0, 10000000), "Estimated"),
        field("used_hours", FieldType::Whole(0, 10000000), "Used"),
        field("budget", FieldType::Money, "Budget"),
        field("currency", FieldType::Currency, "Currency of its amounts"),
        field("start", FieldType::Day, "First day"),
        field("end", FieldType::Day, "Last day"),
        field(
            "delivered_on",
            FieldType::Day,
            "Deployed for the customer's tests",
        ),
        field(
            "warranty_start",
            FieldType::Day,
            "First day of the warranty",
        ),
        field("warranty_end", FieldType::Day, "Last day of the warranty"),
        field("free", FieldType::Flag, "Free or discounted"),
        field(
            "product_owner",
            FieldType::Link(Kind::Contact),
            "Who decides there",
        ),
        field("owner", FieldType::Person, "Our person who looks after it"),
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
        field("notes", FieldType::Text, "Anything else"),
    ],
};

const BOOKING: KindSpec = KindSpec {
    kind: Kind::Booking,
    word: "booking",
    plural: "bookings",
    prefix: "bkg",
    doc: "Days of our people.",
    name: "subject",
    key: &["account", "person", "from"],
    state: Some(states::BOOKING),
    fields: &[
        required(
            "account",
            FieldType::Link(Kind::Account),
            "The customer organisation",
        ),
        field("project", FieldType::Link(Kind::Project), "The project"),
        required("person", FieldType::Person, "Who"),
        field("subject", FieldType::Line, "What the calendar says"),
        field(
            "kind",
            FieldType::Choice(&["client", "tentative", "internal", "warranty", "training"]),
            "What for",
        ),
        field(
            "state",
            FieldType::Choice(states::BOOKING.states),
            "How sure it is",
        ),
        required("from", FieldType::At, "Start"),
        required("to", FieldType::At, "End"),
        field("place", FieldType::Line, "Where"),
        field("billable", FieldType::Flag, "Is paid for"),
        field("uid", FieldType::Line, "UID of the calendar event"),
        field(
            "override",
            FieldType::Line,
            "Why a rule does not hold for it",
        ),
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
        field("notes", FieldType::Text, "Anything else"),
    ],
};

const ACTIVITY: KindSpec = KindSpec {
    kind: Kind::Activity,
    word: "activity",
    plural: "activities",
    prefix: "act",
    doc: "Calls, meetings, mails, notes.",
    name: "subject",
    key: &["account", "at", "kind", "subject"],
    state: None,
    fields: &[
        required(
            "account",
            FieldType::Link(Kind::Account),
            "The customer organisation",
        ),
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
        field("uid", FieldType::Line, "UID of the calendar event"),
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
        field("notes", FieldType::Text, "Anything else"),
    ],
};

const INVOICE: KindSpec = KindSpec {
    kind: Kind::Invoice,
    word: "invoice",
    plural: "invoices",
    prefix: "inv",
    doc: "What was charged, and what it cost us.",
    name: "number",
    key: &["number"],
    state: None,
    fields: &[
        required(
            "account",
            FieldType::Link(Kind::Account),
            "The customer organisation",
        ),
        field(
            "unit",
            FieldType::Link(Kind::Unit),
            "The part of the organisation",
        ),
        field("project", FieldType::Link(Kind::Project), "The project"),
        required("number", FieldType::Line, "Number"),
        required("issued", FieldType::Day, "Day of the invoice"),
        field("from", FieldType::Day, "First day it is for"),
        field("to", FieldType::Day, "Last day it is for"),
        required("amount", FieldType::Money, "Net amount"),
        field("tax", FieldType::Money, "Tax"),
        field("cost", FieldType::Money, "What it cost us to serve"),
        field("currency", FieldType::Currency, "Currency of its amounts"),
        field("paid_on", FieldType::Day, "When it was paid"),
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
        field("notes", FieldType::Text, "Anything else"),
    ],
};

const QUOTA: KindSpec = KindSpec {
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
        field("currency", FieldType::Currency, "Currency of its amounts"),
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
    ],
};

const REFERENCE: KindSpec = KindSpec {
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
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
    ],
};

const FORECAST: KindSpec = KindSpec {
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
        field("currency", FieldType::Currency, "Currency of its amounts"),
        field(
            "external_id",
            FieldType::Line,
            "Id in the system it comes from, such as salesforce:0015x",
        ),
    ],
};
