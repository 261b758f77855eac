//! The kinds of core records and their fields: the one table, in parts by what they are about.

mod activity;
mod customers;
mod sales;
mod shared;
mod work;

use serde::{Deserialize, Serialize};

use super::fields::{FieldSpec, FieldType};
use super::states::StateSpec;

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
            Kind::Account => &customers::ACCOUNT,
            Kind::Contact => &customers::CONTACT,
            Kind::Unit => &customers::UNIT,
            Kind::Product => &sales::PRODUCT,
            Kind::Footprint => &sales::FOOTPRINT,
            Kind::Exposure => &sales::EXPOSURE,
            Kind::Opportunity => &sales::OPPORTUNITY,
            Kind::Agreement => &work::AGREEMENT,
            Kind::Project => &work::PROJECT,
            Kind::Booking => &work::BOOKING,
            Kind::Activity => &activity::ACTIVITY,
            Kind::Invoice => &work::INVOICE,
            Kind::Quota => &sales::QUOTA,
            Kind::Reference => &activity::REFERENCE,
            Kind::Forecast => &sales::FORECAST,
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
