//! What accounts bring: key accounts, profit beside revenue, shares.
//!
//! They keep the sums of each account with an invoice in the time asked for, by currency: some
//! 200 bytes an account, 40 MB for 200,000.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::rows::{Draft, Known, Rows, counted, know, text};
use super::sums::{Currency, Earned, Sums, amount, currency, percent, percent_cell};
use super::{Answer, Cell, ColumnKind, Fact, Feed, Params, Question};
use crate::crm::{CrmRecord, Kind};

/// Fewest and most key accounts of a firm, and most of one manager.
pub const KEY_ACCOUNTS: (u64, u64) = (20, 30);
/// Part of the revenue in hundredths from which on an account or industry is a risk.
pub const CONCENTRATION_PERCENT: i64 = 30;

/// What each account brought.
type Earnings = HashMap<String, Sums<Earned>>;

fn in_time(invoice: &CrmRecord, params: &Params) -> bool {
    let issued = invoice.day("issued");
    issued.is_some_and(|issued| (0..=params.span()).contains(&params.ago(issued)))
}

fn earn(earnings: &mut Earnings, invoice: &CrmRecord, params: &Params) {
    if let Some(account) = invoice.text("account").filter(|_| in_time(invoice, params)) {
        let sums = earnings.entry(account.to_owned()).or_default();
        sums.entry(currency(invoice)).or_default().add(invoice);
    }
}

fn profit_cell(earned: &Earned, currency: &Currency) -> Cell {
    let profit = earned.profit();
    profit.map_or(Cell::Blank, |profit| amount(profit, currency.as_deref()))
}

pub(super) fn key_portfolio(params: &Params) -> Box<dyn Question> {
    Box::new(KeyPortfolio {
        params: params.clone(),
        keys: BTreeMap::new(),
        earnings: Earnings::new(),
    })
}

#[derive(Debug)]
struct KeyPortfolio {
    params: Params,
    /// Name and manager of each key account.
    keys: BTreeMap<String, (String, String)>,
    earnings: Earnings,
}

impl KeyPortfolio {
    /// By currency: the key account that brings the least.
    fn least(&self) -> Vec<String> {
        let mut least: Sums<(i128, &str)> = Sums::new();
        for (id, (name, _)) in &self.keys {
            for (currency, earned) in self.earnings.get(id).into_iter().flatten() {
                let Some(profit) = earned.profit() else {
                    continue;
                };
                let so_far = least.entry(currency.clone()).or_insert((profit, name));
                if (profit, name.as_str()) < *so_far {
                    *so_far = (profit, name);
                }
            }
        }
        let said = |(currency, (profit, name)): (&Currency, &(i128, &str))| {
            let profit = match amount(*profit, currency.as_deref()) {
                Cell::Amount(profit) => super::render::readable(&profit),
                _ => "too large to show".to_owned(),
            };
            format!("{name} ({profit})")
        };
        least.iter().map(said).collect()
    }

    fn managers(&self) -> BTreeMap<&str, u64> {
        let mut managers: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, manager) in self.keys.values() {
            let count = managers.entry(manager).or_default();
            *count = count.saturating_add(1);
        }
        managers
    }

    fn notes(&self) -> Vec<String> {
        let count = self.keys.len() as u64;
        let (min, max) = KEY_ACCOUNTS;
        let mut notes = Vec::new();
        let least = self.least();
        let least = match least.is_empty() {
            true => "no profit is known of any of them".to_owned(),
            false => format!("the least profit brings {}", least.join(", ")),
        };
        if self.params.account.is_none() && self.params.person.is_none() {
            match count {
                count if count > max => notes.push(format!(
                    "Warning: {count} key accounts, more than {max}: {least}."
                )),
                count if count < min => notes.push(format!(
                    "{count} key accounts, fewer than {min}: there is room for more."
                )),
                _ => {}
            }
        }
        for (manager, count) in self.managers() {
            if count > max && !manager.is_empty() {
                notes.push(format!(
                    "Warning: {manager} has {count} key accounts, more than {max}."
                ));
            }
        }
        let silent = self
            .keys
            .keys()
            .filter(|id| !self.earnings.contains_key(*id));
        let silent = silent.count() as u64;
        if silent > 0 {
            notes.push(format!(
                "{} without an invoice in {} days.",
                super::rows::some(silent, "key account", "key accounts"),
                self.params.span()
            ));
        }
        notes
    }
}

impl Question for KeyPortfolio {
    fn feeds(&self) -> &'static [Feed] {
        &[Feed::Records(Kind::Account), Feed::Records(Kind::Invoice)]
    }

    fn take(&mut self, fact: Fact<'_>) {
        let Fact::Record(record) = fact else { return };
        match record.kind {
            Kind::Account
                if record.text("tier") == Some("key")
                    && self.params.is_for(record.text("owner")) =>
            {
                let owner = record.text("owner").unwrap_or_default().to_owned();
                self.keys.insert(record.id.clone(), (record.name(), owner));
            }
            Kind::Invoice
                if record
                    .text("account")
                    .is_some_and(|id| self.keys.contains_key(id)) =>
            {
                earn(&mut self.earnings, record, &self.params);
            }
            _ => {}
        }
    }

    fn answer(self: Box<Self>) -> Answer {
        let mut rows = Rows::default();
        for (id, (name, manager)) in &self.keys {
            let Some(sums) = self.earnings.get(id) else {
                let blank = Draft::Is(Cell::Blank);
                rows.add(
                    (1, 0),
                    vec![
                        text(manager.as_str()),
                        text(name.as_str()),
                        blank.clone(),
                        blank,
                    ],
                );
                continue;
            };
            for (currency, earned) in sums {
                let row = vec![
                    text(manager.as_str()),
                    text(name.as_str()),
                    Draft::Is(amount(earned.revenue, currency.as_deref())),
                    Draft::Is(profit_cell(earned, currency)),
                ];
                rows.add(
                    (0, earned.profit().unwrap_or(i128::MIN).saturating_neg()),
                    row,
                );
            }
        }
        let mut managers = Rows::default();
        for (manager, count) in self.managers() {
            managers.add((0, 0), vec![text(manager), Draft::Is(counted(count))]);
        }
        let each = [
            ("manager", ColumnKind::Text),
            ("account", ColumnKind::Text),
            ("revenue", ColumnKind::Amount),
            ("profit", ColumnKind::Amount),
        ];
        let by_manager = [
            ("manager", ColumnKind::Text),
            ("key accounts", ColumnKind::Number),
        ];
        let known = Known::new();
        let notes = self.notes();
        Answer {
            sections: vec![
                managers.section("By manager", &by_manager, &known),
                rows.section("Each, the most profit first", &each, &known),
            ],
            notes,
        }
    }
}

pub(super) fn profit(params: &Params) -> Box<dyn Question> {
    Box::new(Profit {
        params: params.clone(),
        earnings: Earnings::new(),
        known: Known::new(),
    })
}

#[derive(Debug)]
struct Profit {
    params: Params,
    earnings: Earnings,
    known: Known,
}

/// Places by value, the greatest first; equal values share the better place.
fn ranks(values: &[i128]) -> HashMap<i128, i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let mut ranks = HashMap::new();
    for (at, value) in (1_i64..).zip(sorted) {
        ranks.entry(value).or_insert(at);
    }
    ranks
}

impl Profit {
    fn rank(&self) -> Rows {
        let all = || self.earnings.values().flatten();
        let currencies: BTreeSet<&Currency> = all().map(|(currency, _)| currency).collect();
        let mut rows = Rows::default();
        for (at, currency) in (0_i64..).zip(currencies) {
            let of = || all().filter(|(other, _)| *other == currency);
            let revenues: Vec<i128> = of().map(|(_, earned)| earned.revenue).collect();
            let profits: Vec<i128> = of().filter_map(|(_, earned)| earned.profit()).collect();
            let (by_revenue, by_profit) = (ranks(&revenues), ranks(&profits));
            for (account, sums) in &self.earnings {
                if let Some(earned) = sums.get(currency) {
                    let places = (
                        by_revenue.get(&earned.revenue).copied(),
                        earned
                            .profit()
                            .and_then(|profit| by_profit.get(&profit).copied()),
                    );
                    rows.add(
                        (at, i128::from(places.1.unwrap_or(i64::MAX))),
                        ranked(account, (currency, earned), places),
                    );
                }
            }
        }
        rows
    }
}

fn ranked(
    account: &str,
    (currency, earned): (&Currency, &Earned),
    (by_revenue, by_profit): (Option<i64>, Option<i64>),
) -> Vec<Draft> {
    let rank = |rank: Option<i64>| Draft::Is(rank.map_or(Cell::Blank, Cell::Number));
    let margin = match earned.profit() {
        Some(profit) => percent_cell(profit, earned.revenue),
        None => Cell::Blank,
    };
    vec![
        rank(by_profit),
        rank(by_revenue),
        Draft::Name(Kind::Account, account.to_owned()),
        Draft::Is(profit_cell(earned, currency)),
        Draft::Is(amount(earned.revenue, currency.as_deref())),
        Draft::Is(margin),
    ]
}

impl Question for Profit {
    fn feeds(&self) -> &'static [Feed] {
        &[Feed::Records(Kind::Invoice), Feed::Named]
    }

    fn take(&mut self, fact: Fact<'_>) {
        match fact {
            Fact::Record(invoice) => earn(&mut self.earnings, invoice, &self.params),
            Fact::Named(account) => know(&mut self.known, account),
            _ => {}
        }
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        self.rank().named().into_iter().collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let unknown = self.earnings.values().flatten();
        let unknown = unknown.filter(|(_, earned)| earned.cost_unknown).count() as u64;
        let mut notes = Vec::new();
        if unknown > 0 {
            notes.push(format!(
                "{} with an invoice that does not say what it cost us: no profit is known.",
                super::rows::some(unknown, "account", "accounts")
            ));
        }
        let columns = [
            ("by profit", ColumnKind::Number),
            ("by revenue", ColumnKind::Number),
            ("account", ColumnKind::Text),
            ("profit", ColumnKind::Amount),
            ("revenue", ColumnKind::Amount),
            ("margin", ColumnKind::Percent),
        ];
        Answer {
            sections: vec![self.rank().section("", &columns, &self.known)],
            notes,
        }
    }
}

pub(super) fn concentration(params: &Params) -> Box<dyn Question> {
    Box::new(Concentration {
        params: params.clone(),
        earnings: Earnings::new(),
        industries: BTreeMap::new(),
        known: Known::new(),
    })
}

#[derive(Debug)]
struct Concentration {
    params: Params,
    earnings: Earnings,
    industries: BTreeMap<(Currency, String), i128>,
    known: Known,
}

impl Concentration {
    fn totals(&self) -> Sums<i128> {
        let mut totals = Sums::new();
        for (currency, earned) in self.earnings.values().flatten() {
            let sum: &mut i128 = totals.entry(currency.clone()).or_default();
            *sum = sum.saturating_add(earned.revenue);
        }
        totals
    }

    fn accounts(&self, totals: &Sums<i128>) -> Rows {
        let mut rows = Rows::default();
        for (account, sums) in &self.earnings {
            for (currency, earned) in sums {
                let total = totals.get(currency).copied().unwrap_or(0);
                let row = vec![
                    Draft::Name(Kind::Account, account.clone()),
                    Draft::Is(amount(earned.revenue, currency.as_deref())),
                    Draft::Is(percent_cell(earned.revenue, total)),
                ];
                let place = totals.keys().position(|one| one == currency).unwrap_or(0);
                let place = i64::try_from(place).unwrap_or(i64::MAX);
                rows.add((place, earned.revenue.saturating_neg()), row);
            }
        }
        rows
    }
}

impl Question for Concentration {
    fn feeds(&self) -> &'static [Feed] {
        &[
            Feed::Records(Kind::Invoice),
            Feed::Records(Kind::Account),
            Feed::Named,
        ]
    }

    fn take(&mut self, fact: Fact<'_>) {
        match fact {
            Fact::Record(record) if record.kind == Kind::Invoice => {
                earn(&mut self.earnings, record, &self.params);
            }
            Fact::Record(account) => {
                let industry = account.text("industry").unwrap_or_default().to_lowercase();
                for (currency, earned) in self.earnings.get(&account.id).into_iter().flatten() {
                    let key = (currency.clone(), industry.clone());
                    let sum = self.industries.entry(key).or_default();
                    *sum = sum.saturating_add(earned.revenue);
                }
            }
            Fact::Named(account) => know(&mut self.known, account),
            _ => {}
        }
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        self.accounts(&self.totals()).named().into_iter().collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let totals = self.totals();
        let mut notes = Vec::new();
        let mut warn = |what: &str, part: i128, total: i128| {
            let share = percent(part, total);
            if let Some(share) = share.filter(|share| *share >= CONCENTRATION_PERCENT) {
                notes.push(format!(
                    "Warning: {what} brings {share}% of the revenue; from {CONCENTRATION_PERCENT}% \
                     on it is a risk."
                ));
            }
        };
        let mut by_industry = Rows::default();
        for ((currency, industry), sum) in &self.industries {
            let total = totals.get(currency).copied().unwrap_or(0);
            if !industry.is_empty() {
                warn(&format!("the industry {industry}"), *sum, total);
            }
            let row = vec![
                text(industry.as_str()),
                Draft::Is(amount(*sum, currency.as_deref())),
                Draft::Is(percent_cell(*sum, total)),
            ];
            let place = totals.keys().position(|one| one == currency).unwrap_or(0);
            let place = i64::try_from(place).unwrap_or(i64::MAX);
            by_industry.add((place, sum.saturating_neg()), row);
        }
        let mut risky: Vec<(i128, String, i128)> = Vec::new();
        for (account, sums) in &self.earnings {
            for (currency, earned) in sums {
                let total = totals.get(currency).copied().unwrap_or(0);
                let share = percent(earned.revenue, total);
                if share.is_some_and(|share| share >= CONCENTRATION_PERCENT) {
                    let name = self
                        .known
                        .get(account)
                        .map_or(account.clone(), CrmRecord::name);
                    risky.push((earned.revenue, name, total));
                }
            }
        }
        risky.sort();
        for (revenue, name, total) in risky.into_iter().rev() {
            warn(&name, revenue, total);
        }
        let share = |what| {
            [
                (what, ColumnKind::Text),
                ("revenue", ColumnKind::Amount),
                ("share", ColumnKind::Percent),
            ]
        };
        let accounts = self.accounts(&totals);
        Answer {
            sections: vec![
                accounts.section("By account", &share("account"), &self.known),
                by_industry.section("By industry", &share("industry"), &self.known),
            ],
            notes,
        }
    }
}
