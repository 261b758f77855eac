//! Amounts by currency.

use std::collections::BTreeMap;

use super::{Amount, Cell};
use crate::crm::CrmRecord;

/// What stands where an amount does not fit into a cell.
const TOO_LARGE: &str = "too large";

/// A currency, or that none is said.
pub(super) type Currency = Option<String>;

/// Sums, one for each currency: they are never added up.
pub(super) type Sums<T> = BTreeMap<Currency, T>;

/// The currency of a record's amounts.
pub(super) fn currency(record: &CrmRecord) -> Currency {
    record.text("currency").map(str::to_owned)
}

/// An amount as a cell.
pub(super) fn amount(minor: i128, currency: Option<&str>) -> Cell {
    match i64::try_from(minor) {
        Ok(minor) => Cell::Amount(Amount {
            minor,
            currency: currency.map(str::to_owned),
        }),
        Err(_) => Cell::Text(TOO_LARGE.to_owned()),
    }
}

/// What part of `whole` is `part`, in hundredths, rounded; `None` of nothing.
pub(super) fn percent(part: i128, whole: i128) -> Option<i64> {
    if whole <= 0 {
        return None;
    }
    let doubled = part.saturating_mul(200).saturating_add(whole);
    let percent = doubled.checked_div_euclid(whole.saturating_mul(2))?;
    i64::try_from(percent).ok()
}

/// The same as a cell.
pub(super) fn percent_cell(part: i128, whole: i128) -> Cell {
    percent(part, whole).map_or(Cell::Blank, Cell::Number)
}

/// What an account brought and cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Earned {
    pub(super) revenue: i128,
    pub(super) cost: i128,
    /// An invoice does not say what it cost us.
    pub(super) cost_unknown: bool,
}

impl Earned {
    /// Adds an invoice.
    pub(super) fn add(&mut self, invoice: &CrmRecord) {
        let revenue = invoice.integer("amount").unwrap_or(0);
        self.revenue = self.revenue.saturating_add(i128::from(revenue));
        match invoice.integer("cost") {
            Some(cost) => self.cost = self.cost.saturating_add(i128::from(cost)),
            None => self.cost_unknown = true,
        }
    }

    /// Revenue less cost; `None` while a cost is not known.
    pub(super) fn profit(&self) -> Option<i128> {
        (!self.cost_unknown).then(|| self.revenue.saturating_sub(self.cost))
    }
}
