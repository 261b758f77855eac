//! What a quarter will bring, and what fills the next ones.
//!
//! Both keep a few sums for each of our people, quarter and currency.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::rows::{Draft, Known, Rows, counted, day, text};
use super::sales::{decided, is_open};
use super::sums::{Currency, amount, currency, percent_cell};
use super::{Answer, Cell, ColumnKind, Fact, Feed, Params, Quarter, Question};
use crate::crm::{CrmRecord, Kind};

const FEEDS: &[Feed] = &[
    Feed::Records(Kind::Quota),
    Feed::Records(Kind::Forecast),
    Feed::Records(Kind::Opportunity),
];
/// Quarters that `pipeline-created` looks back.
const QUARTERS: usize = 8;
/// Open value in hundredths of a quota from which on the next quarter counts as covered.
const COVERAGE_PERCENT: i64 = 300;
/// Closed value in hundredths of a quota below which the quarter is in danger.
const DANGER_PERCENT: i64 = 50;

/// What is foretold: sums in one currency.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    closed: i128,
    commit: i128,
    best_case: i128,
    pipeline: i128,
}

impl Figures {
    fn place(&mut self, category: &str) -> Option<&mut i128> {
        match category {
            "closed" => Some(&mut self.closed),
            "commit" => Some(&mut self.commit),
            "best-case" => Some(&mut self.best_case),
            "pipeline" => Some(&mut self.pipeline),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Line {
    quota: Option<i128>,
    now: Figures,
    snapshot: Option<(Date, Figures)>,
}

pub(super) fn forecast(params: &Params) -> Box<dyn Question> {
    let period = params.period.unwrap_or_else(|| Quarter::of(params.today));
    Box::new(Forecast {
        params: params.clone(),
        period,
        lines: BTreeMap::new(),
        undated: 0,
        without_value: 0,
    })
}

#[derive(Debug)]
struct Forecast {
    params: Params,
    period: Quarter,
    lines: BTreeMap<(String, Currency), Line>,
    undated: u64,
    without_value: u64,
}

impl Forecast {
    fn line(&mut self, record: &CrmRecord, person: &str) -> &mut Line {
        let person = record.text(person).unwrap_or_default().to_owned();
        self.lines.entry((person, currency(record))).or_default()
    }

    fn is_of_period(&self, record: &CrmRecord) -> bool {
        let period = record
            .text("period")
            .and_then(|text| Quarter::parse(text).ok());
        period == Some(self.period)
    }

    fn snapshot(&mut self, record: &CrmRecord) {
        let Some(taken) = record
            .day("taken_on")
            .filter(|day| *day <= self.params.today)
        else {
            return;
        };
        let sum = |field| i128::from(record.integer(field).unwrap_or(0));
        let figures = Figures {
            closed: sum("closed"),
            commit: sum("commit"),
            best_case: sum("best_case"),
            pipeline: sum("pipeline"),
        };
        let line = self.line(record, "person");
        if line.snapshot.is_none_or(|(before, _)| before <= taken) {
            line.snapshot = Some((taken, figures));
        }
    }

    fn opportunity(&mut self, one: &CrmRecord) {
        let (category, when) = match (is_open(one), one.state()) {
            (true, _) => {
                let category = one.text("forecast").unwrap_or("pipeline");
                // What is not won is not closed, whatever somebody wrote.
                let category = if category == "closed" {
                    "commit"
                } else {
                    category
                };
                (category, one.day("close_date"))
            }
            (false, Some("Won")) => ("closed", Some(decided(one, &self.params))),
            _ => return,
        };
        let Some(when) = when else {
            self.undated = self.undated.saturating_add(1);
            return;
        };
        if Quarter::of(when) != self.period || category == "omitted" {
            return;
        }
        let Some(value) = one.integer("value") else {
            self.without_value = self.without_value.saturating_add(1);
            return;
        };
        let line = self.line(one, "owner");
        if let Some(sum) = line.now.place(category) {
            *sum = sum.saturating_add(i128::from(value));
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for ((person, currency), line) in &self.lines {
            let Some(quota) = line.quota else { continue };
            let closed = super::sums::percent(line.now.closed, quota);
            if let Some(closed) = closed.filter(|closed| *closed < DANGER_PERCENT) {
                let currency = currency.as_deref().unwrap_or("the quota");
                notes.push(format!(
                    "{}: {closed}% of {currency} closed, less than {DANGER_PERCENT}%.",
                    named(person)
                ));
            }
        }
        if self.undated > 0 {
            notes.push(format!(
                "{} without a day on which they will be decided: in no quarter.",
                super::rows::some(self.undated, "open opportunity", "open opportunities")
            ));
        }
        if self.without_value > 0 {
            notes.push(format!(
                "{} of the quarter without a value: not counted.",
                super::rows::some(self.without_value, "opportunity", "opportunities")
            ));
        }
        notes
    }
}

fn named(person: &str) -> &str {
    if person.is_empty() {
        "(no owner)"
    } else {
        person
    }
}

impl Question for Forecast {
    fn feeds(&self) -> &'static [Feed] {
        FEEDS
    }

    fn take(&mut self, fact: Fact<'_>) {
        let Fact::Record(record) = fact else { return };
        let whose = match record.kind {
            Kind::Opportunity => "owner",
            _ => "person",
        };
        if !self.params.is_for(record.text(whose)) {
            return;
        }
        match record.kind {
            Kind::Quota if self.is_of_period(record) => {
                let target = record.integer("target").map(i128::from);
                self.line(record, "person").quota = target;
            }
            Kind::Forecast if self.is_of_period(record) => self.snapshot(record),
            Kind::Opportunity => self.opportunity(record),
            _ => {}
        }
    }

    fn answer(self: Box<Self>) -> Answer {
        let (mut now, mut change) = (Rows::default(), Rows::default());
        for ((person, currency), line) in &self.lines {
            let currency = currency.as_deref();
            let cell = |sum| Draft::Is(amount(sum, currency));
            let (sums, quota) = (line.now, line.quota);
            let row = vec![
                text(named(person)),
                quota.map_or(Draft::Is(Cell::Blank), cell),
                cell(sums.closed),
                Draft::Is(percent_cell(sums.closed, quota.unwrap_or(0))),
                cell(sums.commit),
                cell(sums.best_case),
                cell(sums.pipeline),
            ];
            now.add((0, 0), row);
            let Some((taken, then)) = line.snapshot else {
                let mut row = vec![text(named(person))];
                row.resize(6, Draft::Is(Cell::Blank));
                change.add((1, 0), row);
                continue;
            };
            let row = vec![
                text(named(person)),
                day(Some(taken)),
                cell(sums.closed.saturating_sub(then.closed)),
                cell(sums.commit.saturating_sub(then.commit)),
                cell(sums.best_case.saturating_sub(then.best_case)),
                cell(sums.pipeline.saturating_sub(then.pipeline)),
            ];
            change.add((0, 0), row);
        }
        let figures = [
            ("person", ColumnKind::Text),
            ("quota", ColumnKind::Amount),
            ("closed", ColumnKind::Amount),
            ("of quota", ColumnKind::Percent),
            ("commit", ColumnKind::Amount),
            ("best case", ColumnKind::Amount),
            ("pipeline", ColumnKind::Amount),
        ];
        let changes = [
            ("person", ColumnKind::Text),
            ("snapshot", ColumnKind::Day),
            ("closed", ColumnKind::Amount),
            ("commit", ColumnKind::Amount),
            ("best case", ColumnKind::Amount),
            ("pipeline", ColumnKind::Amount),
        ];
        let title = format!("{}", self.period);
        let known = Known::new();
        let notes = self.notes();
        Answer {
            sections: vec![
                now.section(&title, &figures, &known),
                change.section("Change since the last snapshot", &changes, &known),
            ],
            notes,
        }
    }
}

pub(super) fn created(params: &Params) -> Box<dyn Question> {
    Box::new(Created {
        params: params.clone(),
        created: BTreeMap::new(),
        open: BTreeMap::new(),
        quotas: BTreeMap::new(),
    })
}

#[derive(Debug)]
struct Created {
    params: Params,
    created: BTreeMap<(Quarter, Currency), (u64, i128)>,
    /// Open value that closes in the next quarter.
    open: BTreeMap<Currency, i128>,
    /// Quotas of the next quarter.
    quotas: BTreeMap<Currency, i128>,
}

impl Question for Created {
    fn feeds(&self) -> &'static [Feed] {
        &[Feed::Records(Kind::Quota), Feed::Records(Kind::Opportunity)]
    }

    fn take(&mut self, fact: Fact<'_>) {
        let Fact::Record(one) = fact else { return };
        let next = Quarter::of(self.params.today).next();
        if one.kind == Kind::Quota {
            let period = one
                .text("period")
                .and_then(|text| Quarter::parse(text).ok());
            if period == Some(next) && self.params.is_for(one.text("person")) {
                let target = i128::from(one.integer("target").unwrap_or(0));
                let sum = self.quotas.entry(currency(one)).or_default();
                *sum = sum.saturating_add(target);
            }
            return;
        }
        if !self.params.is_for(one.text("owner")) {
            return;
        }
        let value = i128::from(one.integer("value").unwrap_or(0));
        // One that came from another program began there, not on the day of the import.
        let began = one.day("created_on");
        let began = began.unwrap_or_else(|| self.params.day(one.created));
        let quarter = Quarter::of(began);
        let (count, sum) = self.created.entry((quarter, currency(one))).or_default();
        *count = count.saturating_add(1);
        *sum = sum.saturating_add(value);
        if is_open(one) && one.day("close_date").map(Quarter::of) == Some(next) {
            let sum = self.open.entry(currency(one)).or_default();
            *sum = sum.saturating_add(value);
        }
    }

    fn answer(self: Box<Self>) -> Answer {
        let mut quarters = Rows::default();
        let last = self.created.iter().rev().take(QUARTERS);
        for (at, ((quarter, currency), (count, sum))) in (0..).zip(last) {
            let row = vec![
                text(quarter.to_string()),
                Draft::Is(counted(*count)),
                Draft::Is(amount(*sum, currency.as_deref())),
            ];
            quarters.add((at, 0), row);
        }
        let next = Quarter::of(self.params.today).next();
        let mut coverage = Rows::default();
        let mut notes = Vec::new();
        let currencies = self.open.keys().chain(self.quotas.keys());
        let currencies: std::collections::BTreeSet<&Currency> = currencies.collect();
        for currency in currencies {
            let open = self.open.get(currency).copied().unwrap_or(0);
            let quota = self.quotas.get(currency).copied();
            let covered = super::sums::percent(open, quota.unwrap_or(0));
            if let Some(covered) = covered.filter(|covered| *covered < COVERAGE_PERCENT) {
                notes.push(format!(
                    "What closes in {next} covers {covered}% of the quota; {COVERAGE_PERCENT}% is \
                     what it takes."
                ));
            }
            let quota = quota.map_or(Cell::Blank, |quota| amount(quota, currency.as_deref()));
            let row = vec![
                Draft::Is(amount(open, currency.as_deref())),
                Draft::Is(quota),
                Draft::Is(covered.map_or(Cell::Blank, Cell::Number)),
            ];
            coverage.add((0, 0), row);
        }
        let by_quarter = [
            ("quarter", ColumnKind::Text),
            ("created", ColumnKind::Number),
            ("value", ColumnKind::Amount),
        ];
        let covered = [
            ("open value", ColumnKind::Amount),
            ("quota", ColumnKind::Amount),
            ("covered", ColumnKind::Percent),
        ];
        let known = Known::new();
        Answer {
            sections: vec![
                quarters.section("Created, by quarter (newest first)", &by_quarter, &known),
                coverage.section(&format!("Coverage of {next}"), &covered, &known),
            ],
            notes,
        }
    }
}
