//! How to go about an account: what is not known of it, its fiscal year, who signs, resellers.

use std::collections::HashMap;

use jiff::civil::Date;

use super::contacts::is_courted;
use super::rows::{Draft, Known, Rows, day, field, number, text};
use super::sums::amount;
use super::{Answer, Cell, ColumnKind, Fact, Feed, Params, Question};
use crate::crm::{Kind, money};

/// What helps to choose among accounts, with the field that says it.
const FACTORS: [(&str, &str); 9] = [
    ("industry", "line of business"),
    ("financial_health", "financial health"),
    ("sign_off", "who signs off"),
    ("competitors", "competitors"),
    ("funding", "funding"),
    ("strategy", "strategy"),
    ("fiscal_year_start", "fiscal year"),
    ("supplier_level", "our level there"),
    ("owner", "owner"),
];
/// A part of the account is known.
const STRUCTURE: u8 = 1;
/// Somebody who decides, approves or champions is known.
const INFLUENCE: u8 = 2;
/// A sale or project is known.
const PROJECTS: u8 = 4;

#[derive(Debug, Default)]
struct Gaps {
    name: String,
    owner: String,
    key: bool,
    blank: Vec<&'static str>,
    known: u8,
}

pub(super) fn unknown(params: &Params) -> Box<dyn Question> {
    Box::new(Unknown {
        params: params.clone(),
        accounts: HashMap::new(),
    })
}

/// It keeps what is blank of each account: some 300 bytes, 60 MB for 200,000.
#[derive(Debug)]
struct Unknown {
    params: Params,
    accounts: HashMap<String, Gaps>,
}

impl Question for Unknown {
    fn feeds(&self) -> &'static [Feed] {
        &[
            Feed::Records(Kind::Account),
            Feed::Records(Kind::Unit),
            Feed::Records(Kind::Contact),
            Feed::Records(Kind::Opportunity),
            Feed::Records(Kind::Project),
        ]
    }

    fn take(&mut self, fact: Fact<'_>) {
        let Fact::Record(record) = fact else { return };
        if record.kind == Kind::Account {
            if is_courted(record) && self.params.is_for(record.text("owner")) {
                let blank = FACTORS
                    .iter()
                    .filter(|(field, _)| record.get(field).is_none());
                let gaps = Gaps {
                    name: record.name(),
                    owner: record.text("owner").unwrap_or_default().to_owned(),
                    key: record.text("tier") == Some("key"),
                    blank: blank.map(|(_, said)| *said).collect(),
                    known: 0,
                };
                self.accounts.insert(record.id.clone(), gaps);
            }
            return;
        }
        let tells = match record.kind {
            Kind::Unit => STRUCTURE,
            Kind::Contact if record.texts("roles").is_empty() => return,
            Kind::Contact => INFLUENCE,
            _ => PROJECTS,
        };
        let account = record.text("account").unwrap_or_default();
        if let Some(gaps) = self.accounts.get_mut(account) {
            gaps.known |= tells;
        }
    }

    fn answer(self: Box<Self>) -> Answer {
        let mut rows = Rows::default();
        let mut complete = 0_u64;
        for gaps in self.accounts.values() {
            let more = [
                (STRUCTURE, "structure"),
                (INFLUENCE, "people of influence"),
                (PROJECTS, "projects"),
            ];
            let more = more.iter().filter(|(bit, _)| gaps.known & bit == 0);
            let blank: Vec<&str> = gaps
                .blank
                .iter()
                .copied()
                .chain(more.map(|(_, said)| *said))
                .collect();
            if blank.is_empty() {
                complete = complete.saturating_add(1);
                continue;
            }
            let count = i64::try_from(blank.len()).unwrap_or(i64::MAX);
            let row = vec![
                text(gaps.name.as_str()),
                text(gaps.owner.as_str()),
                number(count),
                text(blank.join(", ")),
            ];
            rows.add(
                (i64::from(!gaps.key), i128::from(count).saturating_neg()),
                row,
            );
        }
        let columns = [
            ("account", ColumnKind::Text),
            ("owner", ColumnKind::Text),
            ("blank", ColumnKind::Number),
            ("not known", ColumnKind::Text),
        ];
        let notes = (complete > 0).then(|| {
            format!(
                "Of {} everything is known.",
                super::rows::some(complete, "account", "accounts")
            )
        });
        Answer {
            sections: vec![rows.section("Key accounts first", &columns, &Known::new())],
            notes: notes.into_iter().collect(),
        }
    }
}

pub(super) fn fiscal(params: &Params) -> Box<dyn Question> {
    Box::new(Fiscal {
        params: params.clone(),
        rows: Rows::default(),
        unknown: 0,
    })
}

#[derive(Debug)]
struct Fiscal {
    params: Params,
    rows: Rows,
    unknown: u64,
}

/// The last day of the fiscal year that `today` lies in; it begins on `start`, `MM-DD`.
fn fiscal_year_end(start: &str, today: Date) -> Option<Date> {
    let in_year = |year: i16| {
        let day = format!("{year:04}-{start}").parse::<Date>().ok();
        // 29 February of a year that has none.
        let begins = day.or_else(|| Date::new(year, 3, 1).ok().filter(|_| start == "02-29"))?;
        begins.yesterday().ok()
    };
    let this = in_year(today.year())?;
    match this < today {
        true => in_year(today.year().checked_add(1)?),
        false => Some(this),
    }
}

impl Question for Fiscal {
    fn feeds(&self) -> &'static [Feed] {
        &[Feed::Records(Kind::Account)]
    }

    fn take(&mut self, fact: Fact<'_>) {
        let Fact::Record(one) = fact else { return };
        if !is_courted(one) || !self.params.is_for(one.text("owner")) {
            return;
        }
        let start = one.text("fiscal_year_start");
        let Some(end) = start.and_then(|start| fiscal_year_end(start, self.params.today)) else {
            self.unknown = self.unknown.saturating_add(1);
            return;
        };
        let left = self.params.left(end);
        if left <= i64::from(self.params.span()) {
            let row = vec![
                text(one.name()),
                field(one, "owner"),
                field(one, "lifecycle"),
                day(Some(end)),
                number(left),
                field(one, "funding"),
            ];
            self.rows.add((left, 0), row);
        }
    }

    fn answer(self: Box<Self>) -> Answer {
        let columns = [
            ("account", ColumnKind::Text),
            ("owner", ColumnKind::Text),
            ("lifecycle", ColumnKind::Text),
            ("year ends", ColumnKind::Day),
            ("in days", ColumnKind::Number),
            ("funding", ColumnKind::Text),
        ];
        let notes = (self.unknown > 0).then(|| {
            format!(
                "Of {} the fiscal year is not known.",
                super::rows::some(self.unknown, "account", "accounts")
            )
        });
        Answer {
            sections: vec![self.rows.section("", &columns, &Known::new())],
            notes: notes.into_iter().collect(),
        }
    }
}

pub(super) fn sign_off(params: &Params) -> Box<dyn Question> {
    Box::new(SignOff {
        params: params.clone(),
        rows: Rows::default(),
        levels: Vec::new(),
        currency: None,
        unknown: 0,
    })
}

#[derive(Debug)]
struct SignOff {
    params: Params,
    rows: Rows,
    levels: Vec<String>,
    currency: Option<String>,
    unknown: u64,
}

/// Who signs up to how much, as an account's `sign_off` says it: `head of IT: 20000`.
fn level(text: &str, currency: Option<&str>) -> (String, Option<i64>) {
    match text.rsplit_once(':') {
        Some((who, limit)) => match money::parse(limit.trim(), currency) {
            Ok(limit) => (who.trim().to_owned(), Some(limit)),
            Err(_) => (text.to_owned(), None),
        },
        None => (text.to_owned(), None),
    }
}

impl SignOff {
    fn offer(&mut self, who: Vec<Draft>, limit: i64, currency: Option<&str>) {
        if limit < self.params.amount.unwrap_or(0) {
            return;
        }
        let mut row = who;
        row.push(Draft::Is(amount(i128::from(limit), currency)));
        self.rows.add((limit, 0), row);
    }
}

impl Question for SignOff {
    fn feeds(&self) -> &'static [Feed] {
        &[Feed::Records(Kind::Account), Feed::Records(Kind::Contact)]
    }

    fn take(&mut self, fact: Fact<'_>) {
        let Fact::Record(one) = fact else { return };
        let currency = one.text("currency").map(str::to_owned);
        if one.kind == Kind::Account {
            self.currency.clone_from(&currency);
            for line in one.texts("sign_off") {
                self.levels.push(line.clone());
                match level(line, currency.as_deref()) {
                    (who, Some(limit)) => {
                        let who = vec![text(who), Draft::Is(Cell::Blank), text("as its rules say")];
                        self.offer(who, limit, currency.as_deref());
                    }
                    (_, None) => self.unknown = self.unknown.saturating_add(1),
                }
            }
            return;
        }
        let left = one.text("status") == Some("left");
        let limit = one.integer("approves_up_to").filter(|_| !left);
        if let Some(limit) = limit {
            let who = vec![text(one.name()), field(one, "role"), text("contact")];
            self.offer(who, limit, currency.or(self.currency.clone()).as_deref());
        }
    }

    fn answer(self: Box<Self>) -> Answer {
        let asked = amount(
            i128::from(self.params.amount.unwrap_or(0)),
            self.currency.as_deref(),
        );
        let asked = match &asked {
            Cell::Amount(asked) => super::render::readable(asked),
            _ => String::new(),
        };
        let mut notes = Vec::new();
        if self.rows.is_empty() {
            notes.push(match self.levels.is_empty() {
                true => format!("Nobody is known who signs {asked}."),
                false => format!("Nobody signs {asked} as far as it is known."),
            });
        }
        if !self.levels.is_empty() {
            notes.push(format!("Its rules: {}.", self.levels.join("; ")));
        }
        let columns = [
            ("who", ColumnKind::Text),
            ("role", ColumnKind::Text),
            ("known from", ColumnKind::Text),
            ("up to", ColumnKind::Amount),
        ];
        let title = format!("Signs {asked}, the lowest level first");
        Answer {
            sections: vec![self.rows.section(&title, &columns, &Known::new())],
            notes,
        }
    }
}

pub(super) fn resellers(params: &Params) -> Box<dyn Question> {
    Box::new(Resellers {
        params: params.clone(),
        rows: Rows::default(),
        planned: 0,
    })
}

#[derive(Debug)]
struct Resellers {
    params: Params,
    rows: Rows,
    planned: u64,
}

impl Question for Resellers {
    fn feeds(&self) -> &'static [Feed] {
        &[Feed::Records(Kind::Account)]
    }

    fn take(&mut self, fact: Fact<'_>) {
        let Fact::Record(one) = fact else { return };
        let reseller = one.text("kind") == Some("var") && is_courted(one);
        if !reseller || !self.params.is_for(one.text("owner")) {
            return;
        }
        if one.flag("business_plan") {
            self.planned = self.planned.saturating_add(1);
            return;
        }
        let row = vec![
            text(one.name()),
            field(one, "owner"),
            field(one, "lifecycle"),
            field(one, "territory"),
            field(one, "business_plan"),
        ];
        self.rows.add((0, 0), row);
    }

    fn answer(self: Box<Self>) -> Answer {
        let columns = [
            ("reseller", ColumnKind::Text),
            ("owner", ColumnKind::Text),
            ("lifecycle", ColumnKind::Text),
            ("territory", ColumnKind::Text),
            ("business plan", ColumnKind::Text),
        ];
        let notes = vec![format!(
            "{} with a plan.",
            super::rows::some(self.planned, "reseller", "resellers")
        )];
        Answer {
            sections: vec![self.rows.section("", &columns, &Known::new())],
            notes,
        }
    }
}
