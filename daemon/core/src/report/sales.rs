//! Opportunities: open ones by stage and age, one of them, and those that came to an end.
//!
//! Each keeps sums by stage, reason and currency, and the lines that it shows.

use std::collections::BTreeMap;

use super::rows::{
    Draft, Known, Rows, Titled, counted, day, field, know, link, number, text, words,
};
use super::sums::{Currency, amount, currency};
use super::{Answer, Cell, Column, ColumnKind, Fact, Feed, Params, Quarter, Question, Section};
use crate::crm::states::{OPPORTUNITY, STAGES};
use crate::crm::{CrmRecord, Kind};

const FEEDS: &[Feed] = &[Feed::Records(Kind::Opportunity), Feed::Named];
/// Answers in a row without a commitment from which on a sale counts as stalled.
const STALLS_MIN: i64 = 2;

/// Whether a sale is still to be decided.
pub(super) fn is_open(opportunity: &CrmRecord) -> bool {
    opportunity
        .state()
        .is_some_and(|stage| !OPPORTUNITY.is_closed(stage))
}

/// The day on which a sale was decided.
pub(super) fn decided(opportunity: &CrmRecord, params: &Params) -> jiff::civil::Date {
    let day = opportunity.day("decided_on");
    day.unwrap_or_else(|| params.day(opportunity.state_since()))
}

fn days_in_stage(opportunity: &CrmRecord, params: &Params) -> i64 {
    i64::from(params.ago(params.day(opportunity.state_since())).max(0))
}

fn worth(opportunity: &CrmRecord) -> i128 {
    i128::from(opportunity.integer("value").unwrap_or(0))
}

fn stage_place(stage: &str) -> i64 {
    let at = STAGES.iter().position(|one| *one == stage);
    at.and_then(|at| i64::try_from(at).ok()).unwrap_or(i64::MAX)
}

#[derive(Debug, Default, Clone, Copy)]
struct Total {
    count: u64,
    value: i128,
    without_value: u64,
    oldest: i64,
}

impl Total {
    fn add(&mut self, opportunity: &CrmRecord, age: i64) {
        self.count = self.count.saturating_add(1);
        self.value = self.value.saturating_add(worth(opportunity));
        let blank = opportunity.integer("value").is_none();
        self.without_value = self.without_value.saturating_add(u64::from(blank));
        self.oldest = self.oldest.max(age);
    }
}

/// The columns of a list of sales, between those in front and those behind.
fn sales(front: &[Titled], behind: &[Titled]) -> Vec<Titled> {
    let sale = [
        ("account", ColumnKind::Text),
        ("opportunity", ColumnKind::Text),
        ("value", ColumnKind::Amount),
    ];
    [front, &sale, behind].concat()
}

pub(super) fn pipeline(params: &Params) -> Box<dyn Question> {
    Box::new(Pipeline {
        params: params.clone(),
        totals: BTreeMap::new(),
        rows: Rows::default(),
        known: Known::new(),
    })
}

#[derive(Debug)]
struct Pipeline {
    params: Params,
    totals: BTreeMap<(i64, String, Currency), Total>,
    rows: Rows,
    known: Known,
}

impl Question for Pipeline {
    fn feeds(&self) -> &'static [Feed] {
        FEEDS
    }

    fn take(&mut self, fact: Fact<'_>) {
        let one = match fact {
            Fact::Named(record) => return know(&mut self.known, record),
            Fact::Record(one) if is_open(one) && self.params.is_for(one.text("owner")) => one,
            _ => return,
        };
        let stage = one.state().unwrap_or_default();
        let age = days_in_stage(one, &self.params);
        let place = stage_place(stage);
        let key = (place, stage.to_owned(), currency(one));
        self.totals.entry(key).or_default().add(one, age);
        let row = vec![
            text(stage),
            link(one, Kind::Account, "account"),
            text(one.name()),
            field(one, "value"),
            field(one, "owner"),
            number(age),
            field(one, "close_date"),
        ];
        self.rows.add((place, worth(one).saturating_neg()), row);
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        self.rows.named().into_iter().collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let mut stages = Rows::default();
        for (at, ((_, stage, currency), total)) in (0..).zip(&self.totals) {
            let row = vec![
                text(stage.as_str()),
                Draft::Is(counted(total.count)),
                Draft::Is(amount(total.value, currency.as_deref())),
                Draft::Is(counted(total.without_value)),
                number(total.oldest),
            ];
            stages.add((at, 0), row);
        }
        let by_stage = [
            ("stage", ColumnKind::Text),
            ("open", ColumnKind::Number),
            ("value", ColumnKind::Amount),
            ("without a value", ColumnKind::Number),
            ("oldest, days", ColumnKind::Number),
        ];
        let each = sales(
            &[("stage", ColumnKind::Text)],
            &[
                ("owner", ColumnKind::Text),
                ("days", ColumnKind::Number),
                ("closes", ColumnKind::Day),
            ],
        );
        Answer {
            sections: vec![
                stages.section("By stage", &by_stage, &self.known),
                self.rows
                    .section("Each, with its days in the stage", &each, &self.known),
            ],
            notes: Vec::new(),
        }
    }
}

pub(super) fn ageing(params: &Params) -> Box<dyn Question> {
    Box::new(Ageing {
        params: params.clone(),
        undated: Rows::default(),
        stalled: Rows::default(),
        old: Rows::default(),
        known: Known::new(),
    })
}

#[derive(Debug)]
struct Ageing {
    params: Params,
    undated: Rows,
    stalled: Rows,
    old: Rows,
    known: Known,
}

impl Ageing {
    fn row(&self, one: &CrmRecord, last: Draft) -> Vec<Draft> {
        vec![
            link(one, Kind::Account, "account"),
            text(one.name()),
            field(one, "value"),
            field(one, "owner"),
            number(days_in_stage(one, &self.params)),
            last,
        ]
    }
}

impl Question for Ageing {
    fn feeds(&self) -> &'static [Feed] {
        FEEDS
    }

    fn take(&mut self, fact: Fact<'_>) {
        let one = match fact {
            Fact::Named(record) => return know(&mut self.known, record),
            Fact::Record(one) if is_open(one) && self.params.is_for(one.text("owner")) => one,
            _ => return,
        };
        let age = days_in_stage(one, &self.params);
        let oldest_first = (age.saturating_neg(), 0);
        let step = one.day("next_step_on");
        if step.is_none_or(|step| step < self.params.today) {
            let why = match step {
                Some(step) => format!("was due {step}"),
                None => String::new(),
            };
            let row = self.row(one, text(why));
            self.undated.add(oldest_first, row);
        }
        let stalls = one.integer("stalls").unwrap_or(0);
        if stalls >= STALLS_MIN {
            let row = self.row(one, number(stalls));
            self.stalled.add((stalls.saturating_neg(), 0), row);
        }
        if age >= i64::from(self.params.span()) {
            let row = self.row(one, text(one.state().unwrap_or_default()));
            self.old.add(oldest_first, row);
        }
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        let mut named = self.undated.named();
        named.extend(self.stalled.named());
        named.extend(self.old.named());
        named.into_iter().collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let columns = |last, kind| {
            let own = [
                ("owner", ColumnKind::Text),
                ("days", ColumnKind::Number),
                (last, kind),
            ];
            sales(&[], &own)
        };
        let old = format!("{} days or more in one stage", self.params.span());
        let undated = columns("next step", ColumnKind::Text);
        let stalled = columns("stalls", ColumnKind::Number);
        let stage = columns("stage", ColumnKind::Text);
        Answer {
            sections: vec![
                self.undated.section(
                    "Without a next step that is yet to come",
                    &undated,
                    &self.known,
                ),
                self.stalled
                    .section("Stalled twice or more", &stalled, &self.known),
                self.old.section(&old, &stage, &self.known),
            ],
            notes: Vec::new(),
        }
    }
}

pub(super) fn deal(params: &Params) -> Box<dyn Question> {
    Box::new(Deal {
        params: params.clone(),
        deal: None,
        known: Known::new(),
    })
}

#[derive(Debug)]
struct Deal {
    params: Params,
    deal: Option<CrmRecord>,
    known: Known,
}

impl Question for Deal {
    fn feeds(&self) -> &'static [Feed] {
        // The opportunity first, then whom it names.
        &[Feed::Named, Feed::Named]
    }

    fn take(&mut self, fact: Fact<'_>) {
        if let Fact::Named(record) = fact {
            match record.kind {
                Kind::Opportunity => self.deal = Some(record.clone()),
                _ => {
                    self.known.insert(record.id.clone(), record.clone());
                }
            }
        }
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        let Some(deal) = &self.deal else {
            let id = self.params.deal.iter().cloned();
            return id.map(|id| (Kind::Opportunity, id)).collect();
        };
        let account = deal
            .text("account")
            .map(|id| (Kind::Account, id.to_owned()));
        let contacts = deal.texts("contacts").iter().cloned();
        account
            .into_iter()
            .chain(contacts.map(|id| (Kind::Contact, id)))
            .collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let Some(deal) = &self.deal else {
            return Answer {
                sections: Vec::new(),
                notes: vec!["There is no such opportunity.".to_owned()],
            };
        };
        let rows = [
            ("what", self.what(deal)),
            ("where", self.place(deal)),
            ("who", self.who(deal)),
            ("next", self.next(deal)),
            ("against", against(deal)),
        ];
        let rows: Vec<Vec<Cell>> = rows
            .into_iter()
            .map(|(label, said)| vec![words(label), words(said)])
            .collect();
        let column = |name: &str| Column {
            name: name.to_owned(),
            kind: ColumnKind::Text,
        };
        let section = Section {
            title: deal.name(),
            columns: vec![column(""), column("")],
            count: rows.len() as u64,
            rows,
        };
        Answer {
            sections: vec![section],
            notes: Vec::new(),
        }
    }
}

impl Deal {
    fn name(&self, id: &str) -> String {
        self.known.get(id).map_or(id.to_owned(), CrmRecord::name)
    }

    fn what(&self, deal: &CrmRecord) -> String {
        let value = super::rows::of_field(deal, "value");
        let value = match &value {
            Cell::Amount(amount) => super::render::readable(amount),
            _ => "no value".to_owned(),
        };
        let account = deal.text("account").map(|id| self.name(id));
        parts([
            account,
            Some(value),
            said(deal, "type", ""),
            said(deal, "model", ""),
        ])
    }

    fn place(&self, deal: &CrmRecord) -> String {
        let since = self.params.day(deal.state_since());
        let stage = deal.state().unwrap_or("no stage");
        let percent = deal
            .integer("probability")
            .map(|percent| format!("{percent}%"));
        parts([
            Some(format!("{stage} since {since}")),
            percent,
            said(deal, "forecast", ""),
            said(deal, "close_date", "closes "),
        ])
    }

    fn who(&self, deal: &CrmRecord) -> String {
        let people: Vec<String> = deal
            .texts("contacts")
            .iter()
            .map(|id| self.name(id))
            .collect();
        let people = (!people.is_empty()).then(|| people.join(" + "));
        let owner = deal
            .text("owner")
            .map_or("no owner".to_owned(), str::to_owned);
        let against = deal.texts("competitors");
        let against = (!against.is_empty()).then(|| format!("against {}", against.join(" + ")));
        parts([Some(owner), people, against, None])
    }

    fn next(&self, deal: &CrmRecord) -> String {
        if !is_open(deal) {
            return parts([
                Some(format!("decided on {}", decided(deal, &self.params))),
                said(deal, "reason", ""),
                None,
                None,
            ]);
        }
        let step = deal.text("next_step").unwrap_or("no next step");
        let commitment = deal
            .flag("advancement")
            .then(|| "a commitment of the customer".to_owned());
        let dated = said(deal, "next_step_on", "on ").or(Some("no date".to_owned()));
        parts([Some(step.to_owned()), dated, commitment, None])
    }
}

fn against(deal: &CrmRecord) -> String {
    let stalls = deal.integer("stalls").filter(|stalls| *stalls > 0);
    let stalls = stalls.map(|stalls| format!("stalled {stalls} times"));
    let blocker = said(deal, "blocker", "");
    match (&blocker, &stalls) {
        (None, None) => "nothing recorded".to_owned(),
        _ => parts([blocker, stalls, None, None]),
    }
}

fn said(record: &CrmRecord, field: &str, before: &str) -> Option<String> {
    record.text(field).map(|text| format!("{before}{text}"))
}

fn parts(parts: [Option<String>; 4]) -> String {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

pub(super) fn won_lost(params: &Params) -> Box<dyn Question> {
    Box::new(WonLost {
        params: params.clone(),
        totals: BTreeMap::new(),
        rows: Rows::default(),
        known: Known::new(),
    })
}

#[derive(Debug)]
struct WonLost {
    params: Params,
    totals: BTreeMap<(String, String, Currency), Total>,
    rows: Rows,
    known: Known,
}

impl WonLost {
    fn is_meant(&self, one: &CrmRecord) -> bool {
        let day = decided(one, &self.params);
        let when = match self.params.period {
            Some(period) => Quarter::of(day) == period,
            None => (0..=self.params.span()).contains(&self.params.ago(day)),
        };
        when && !is_open(one) && one.state().is_some() && self.params.is_for(one.text("owner"))
    }
}

impl Question for WonLost {
    fn feeds(&self) -> &'static [Feed] {
        FEEDS
    }

    fn take(&mut self, fact: Fact<'_>) {
        let one = match fact {
            Fact::Named(record) => return know(&mut self.known, record),
            Fact::Record(one) if self.is_meant(one) => one,
            _ => return,
        };
        let on = decided(one, &self.params);
        let outcome = one.state().unwrap_or_default();
        let reason = one.text("reason").unwrap_or_default();
        let key = (outcome.to_owned(), reason.to_lowercase(), currency(one));
        self.totals.entry(key).or_default().add(one, 0);
        let row = vec![
            text(outcome),
            day(Some(on)),
            link(one, Kind::Account, "account"),
            text(one.name()),
            field(one, "value"),
            text(reason),
            field(one, "competitors"),
        ];
        let newest_first = i64::from(self.params.ago(on));
        self.rows.add((newest_first, 0), row);
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        self.rows.named().into_iter().collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let mut reasons = Rows::default();
        for ((outcome, reason, currency), total) in &self.totals {
            let won = i64::from(outcome != "Won");
            let row = vec![
                text(outcome.as_str()),
                text(reason.as_str()),
                Draft::Is(counted(total.count)),
                Draft::Is(amount(total.value, currency.as_deref())),
            ];
            reasons.add((won, total.value.saturating_neg()), row);
        }
        let by_reason = [
            ("outcome", ColumnKind::Text),
            ("reason", ColumnKind::Text),
            ("deals", ColumnKind::Number),
            ("value", ColumnKind::Amount),
        ];
        let each = sales(
            &[("outcome", ColumnKind::Text), ("on", ColumnKind::Day)],
            &[("reason", ColumnKind::Text), ("against", ColumnKind::Text)],
        );
        Answer {
            sections: vec![
                reasons.section("By reason", &by_reason, &self.known),
                self.rows.section("Each, newest first", &each, &self.known),
            ],
            notes: Vec::new(),
        }
    }
}
