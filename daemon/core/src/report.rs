//! Reports: questions about the records, answered by going through them once.
//!
//! A report is a [`Question`]: it names what it wants to be fed ([`Feed`]), folds each
//! [`Fact`] into a small state, and answers with a [`Report`], which [`render`] writes as text,
//! CSV or JSON. Whoever has the records feeds it, page by page, so that no report holds the book:
//! what it keeps is said beside it, and a list keeps [`rows::ROWS_MAX`] lines.
//!
//! What is not known stays blank, and amounts of different currencies are never added up.

mod approach;
mod contacts;
mod contracts;
mod forecast;
mod list;
mod office;
mod portfolio;
mod relations;
pub mod render;
pub mod rows;
mod sales;
mod sums;
mod whitespace;

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::crm::{CrmRecord, Kind};
use crate::effect::MailEffect;
use crate::records::TaskRecord;
use crate::time::Timestamp;
use crate::touch::Touch;

/// An answered question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the report.
    pub name: String,
    /// What was asked, in one line.
    pub title: String,
    /// The day on which it was asked, `YYYY-MM-DD`.
    pub asked_on: String,
    /// The answers.
    pub sections: Vec<Section>,
    /// What else is to be said: warnings, what was left out and why.
    pub notes: Vec<String>,
}

/// One table of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// What it shows; empty where the title of the report says it.
    pub title: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its lines, each with a cell per column.
    pub rows: Vec<Vec<Cell>>,
    /// How many lines there would be; more than `rows` when not all are there.
    pub count: u64,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its title.
    pub name: String,
    /// What its cells are.
    pub kind: ColumnKind,
}

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Words.
    Text,
    /// A day, `YYYY-MM-DD`.
    Day,
    /// A whole number.
    Number,
    /// A whole number of hundredths.
    Percent,
    /// An amount of money.
    Amount,
}

/// What stands in a cell: in JSON `null`, a number, an object, or a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// Not known.
    Blank,
    /// A whole number.
    Number(i64),
    /// An amount of money.
    Amount(Amount),
    /// Words, or a day.
    Text(String),
}

/// An amount of money: `minor` units of `currency`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Minor units.
    pub minor: i64,
    /// Its currency; `None` where the record does not say it.
    pub currency: Option<String>,
}

/// What a report wants to be fed, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// All records of a kind, or those of the account that was asked about.
    Records(Kind),
    /// The records that [`Question::named`] lists.
    Named,
    /// The last contact with each account of [`Question::accounts`].
    LastTouches,
    /// The last call or meeting with each of them.
    LastCalls,
    /// The mails of the outbox.
    Mails,
    /// Open tasks.
    Tasks,
}

/// One thing that a report is fed.
#[derive(Debug, Clone, Copy)]
pub enum Fact<'a> {
    /// A record of a kind that it goes through.
    Record(&'a CrmRecord),
    /// A record that it named.
    Named(&'a CrmRecord),
    /// The last contact with an account.
    Touch(&'a Touch),
    /// A mail of the outbox.
    Mail(&'a MailEffect),
    /// A task.
    Task(&'a TaskRecord),
}

/// A question that is being answered.
pub trait Question: Send + fmt::Debug {
    /// What it wants to be fed, in this order.
    fn feeds(&self) -> &'static [Feed];

    /// Takes a fact in.
    fn take(&mut self, fact: Fact<'_>);

    /// The records that [`Feed::Named`] is to bring.
    fn named(&mut self) -> Vec<(Kind, String)> {
        Vec::new()
    }

    /// The accounts whose last contact is wanted.
    fn accounts(&self) -> Vec<String> {
        Vec::new()
    }

    /// The answer.
    fn answer(self: Box<Self>) -> Answer;
}

/// Sections and notes of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The tables.
    pub sections: Vec<Section>,
    /// What else is to be said.
    pub notes: Vec<String>,
}

/// A quarter of a calendar year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quarter {
    /// The year.
    pub year: i16,
    /// 1 to 4.
    pub quarter: i8,
}

/// What a report is asked with.
#[derive(Debug, Clone)]
pub struct Params {
    /// The day for which it is asked.
    pub today: Date,
    /// The zone in which instants are days.
    pub zone: jiff::tz::TimeZone,
    /// Id of the account it is about.
    pub account: Option<String>,
    /// Address of one of our people: what they look after.
    pub person: Option<String>,
    /// A number of days.
    pub days: Option<i32>,
    /// A quarter.
    pub period: Option<Quarter>,
    /// Id of a product.
    pub product: Option<String>,
    /// Id of an opportunity.
    pub deal: Option<String>,
    /// Id of a contact, with its addresses.
    pub contact: Option<(String, Vec<String>)>,
    /// An amount in minor units.
    pub amount: Option<i64>,
}

/// What may be given to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// `--account`
    Account,
    /// `--person`
    Person,
    /// `--days`
    Days,
    /// `--period`
    Period,
    /// `--product`
    Product,
    /// `--deal`
    Deal,
    /// `--contact`
    Contact,
    /// `--amount`
    Amount,
}

impl Given {
    /// All of them.
    pub const ALL: [Given; 8] = [
        Given::Account,
        Given::Person,
        Given::Days,
        Given::Period,
        Given::Product,
        Given::Deal,
        Given::Contact,
        Given::Amount,
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Given::Account => "account",
            Given::Person => "person",
            Given::Days => "days",
            Given::Period => "period",
            Given::Product => "product",
            Given::Deal => "deal",
            Given::Contact => "contact",
            Given::Amount => "amount",
        }
    }
}

/// A report that can be asked for.
#[derive(Clone, Copy)]
pub struct ReportSpec {
    /// Its name.
    pub name: &'static str,
    /// The question, in one sentence; `{days}` stands for the number of days.
    pub about: &'static str,
    /// What it cannot do without.
    pub needs: &'static [Given],
    /// What else it heeds.
    pub takes: &'static [Given],
    /// The days that `--days` replaces.
    pub days: Option<i32>,
    make: fn(&Params) -> Box<dyn Question>,
}

impl fmt::Debug for ReportSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportSpec")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Why a report cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// There is no such report.
    #[error("there is no report `{name}`: {hint}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What may be meant.
        hint: String,
    },
    /// Something has to be given.
    #[error("the report `{report}` needs --{given}: {about}")]
    Needs {
        /// The report.
        report: &'static str,
        /// What is missing.
        given: &'static str,
        /// Its question.
        about: String,
    },
    /// Something was given that it does not heed.
    #[error("the report `{report}` takes no --{given}; it takes {takes}")]
    TakesNo {
        /// The report.
        report: &'static str,
        /// What was given.
        given: &'static str,
        /// What it takes.
        takes: String,
    },
    /// A quarter that cannot be read.
    #[error("`{0}` is no quarter: write it like 2026-Q1")]
    Quarter(String),
    /// A number of days that makes no sense.
    #[error("--days is a whole number from 0 to {DAYS_MAX}, not {0}")]
    Days(i64),
}

/// Most days that may be asked for: a hundred years.
pub const DAYS_MAX: i32 = 36_600;

/// The report of this name.
///
/// # Errors
/// [`ReportError::Unknown`] with the name that may be meant.
pub fn find(name: &str) -> Result<&'static ReportSpec, ReportError> {
    let names = || list::REPORTS.iter().map(|spec| spec.name);
    let found = list::REPORTS.iter().find(|spec| spec.name == name);
    found.ok_or_else(|| ReportError::Unknown {
        name: name.to_owned(),
        hint: match crate::manifest::nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
        },
    })
}

/// All reports, in the order in which they are listed.
#[must_use]
pub fn all() -> &'static [ReportSpec] {
    list::REPORTS
}

impl ReportSpec {
    /// Checks what was given: that nothing is missing, and nothing would go unheeded.
    ///
    /// # Errors
    /// [`ReportError::Needs`], [`ReportError::TakesNo`].
    pub fn check(&self, given: &[Given]) -> Result<(), ReportError> {
        if let Some(missing) = self.needs.iter().find(|need| !given.contains(need)) {
            return Err(ReportError::Needs {
                report: self.name,
                given: missing.word(),
                about: self.question("N days"),
            });
        }
        let heeded = |one: &Given| self.needs.contains(one) || self.takes.contains(one);
        match given.iter().find(|one| !heeded(one)) {
            None => Ok(()),
            Some(surplus) => {
                let takes = self.needs.iter().chain(self.takes);
                let takes: Vec<String> = takes.map(|one| format!("--{}", one.word())).collect();
                Err(ReportError::TakesNo {
                    report: self.name,
                    given: surplus.word(),
                    takes: match takes.is_empty() {
                        true => "nothing".to_owned(),
                        false => takes.join(", "),
                    },
                })
            }
        }
    }

    /// Its question, with `span` (such as `7 days`) in its place.
    #[must_use]
    pub fn question(&self, span: &str) -> String {
        self.about.replace("{days} days", span)
    }

    /// Begins to answer it.
    #[must_use]
    pub fn ask(&self, params: &Params) -> Box<dyn Question> {
        let mut params = params.clone();
        params.days = params.days.or(self.days);
        (self.make)(&params)
    }

    /// The report made of an answer.
    #[must_use]
    pub fn report(&self, params: &Params, answer: Answer) -> Report {
        Report {
            name: self.name.to_owned(),
            title: self.question(&params.span_said(self.days)),
            asked_on: params.today.to_string(),
            sections: answer.sections,
            notes: answer.notes,
        }
    }
}

impl Params {
    /// The day for which it is asked, and nothing else; instants are days in UTC.
    #[must_use]
    pub fn on(today: Date) -> Params {
        Params {
            today,
            zone: jiff::tz::TimeZone::UTC,
            account: None,
            person: None,
            days: None,
            period: None,
            product: None,
            deal: None,
            contact: None,
            amount: None,
        }
    }

    /// The day of an instant.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> Date {
        at.to_jiff().to_zoned(self.zone.clone()).date()
    }

    /// Days since a day; negative when it is yet to come.
    #[must_use]
    pub fn ago(&self, day: Date) -> i32 {
        crate::crm::dates::days_between(day, self.today)
    }

    /// Days until a day; negative when it is over.
    #[must_use]
    pub fn left(&self, day: Date) -> i64 {
        i64::from(self.ago(day)).saturating_neg()
    }

    /// Whether a record's owner is whom it was asked for, or nobody was named.
    fn is_for(&self, owner: Option<&str>) -> bool {
        self.person
            .as_deref()
            .is_none_or(|person| owner == Some(person))
    }

    fn span_said(&self, default: Option<i32>) -> String {
        match (self.period, self.days.or(default).unwrap_or(0)) {
            (Some(period), _) => period.to_string(),
            (None, 1) => "1 day".to_owned(),
            (None, days) => format!("{days} days"),
        }
    }

    /// The number of days; the report's own where none was given.
    fn span(&self) -> i32 {
        self.days.unwrap_or(0)
    }
}

impl Quarter {
    /// The quarter in which a day lies.
    #[must_use]
    pub fn of(day: Date) -> Quarter {
        let quarter = day.month().saturating_sub(1).checked_div(3).unwrap_or(0);
        Quarter {
            year: day.year(),
            quarter: quarter.saturating_add(1),
        }
    }

    /// The quarter after it.
    #[must_use]
    pub fn next(self) -> Quarter {
        match self.quarter {
            4.. => Quarter {
                year: self.year.saturating_add(1),
                quarter: 1,
            },
            quarter => Quarter {
                year: self.year,
                quarter: quarter.saturating_add(1),
            },
        }
    }

    /// Reads `2026-Q1`.
    ///
    /// # Errors
    /// [`ReportError::Quarter`].
    pub fn parse(text: &str) -> Result<Quarter, ReportError> {
        let refused = || ReportError::Quarter(text.to_owned());
        let upper = text.trim().to_uppercase();
        let (year, quarter) = upper.split_once("-Q").ok_or_else(refused)?;
        let year: i16 = year.parse().map_err(|_| refused())?;
        let quarter: i8 = quarter.parse().map_err(|_| refused())?;
        let fits = (1..=4).contains(&quarter) && (1000..=9999).contains(&year);
        fits.then_some(Quarter { year, quarter })
            .ok_or_else(refused)
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-Q{}", self.year, self.quarter)
    }
}

#[cfg(test)]
mod tests;
