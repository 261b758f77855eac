//! Whom we know, whom we asked, whom we showed something.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::civil::Date;

use super::rows::{Draft, Known, Rows, day, field, know, link, number, text};
use super::{Answer, Cell, ColumnKind, Fact, Feed, Params, Question};
use crate::crm::{CrmRecord, Kind};

/// Departments in which somebody is to be known, on both sides.
const DEPARTMENTS: [&str; 3] = ["operations", "finance", "product-development"];
/// Satisfaction from which on a contact may be asked for a reference.
const SATISFIED_MIN: i64 = 8;

/// Whether business with an account is neither over nor our own.
pub(super) fn is_courted(account: &CrmRecord) -> bool {
    !matches!(account.text("lifecycle"), Some("past" | "lost"))
        && !matches!(
            account.text("kind"),
            Some("own-company" | "reserved" | "supplier")
        )
}

fn is_there(contact: &CrmRecord) -> bool {
    contact.text("status") != Some("left")
}

#[derive(Debug, Default)]
struct Circle {
    name: String,
    tier: String,
    owner: String,
    contacts: u64,
    /// A bit for each of [`DEPARTMENTS`].
    departments: u8,
}

pub(super) fn single_contact(params: &Params) -> Box<dyn Question> {
    Box::new(SingleContact {
        params: params.clone(),
        circles: HashMap::new(),
    })
}

/// It keeps name, owner and a count of each account: some 200 bytes, 40 MB for 200,000.
#[derive(Debug)]
struct SingleContact {
    params: Params,
    circles: HashMap<String, Circle>,
}

impl Question for SingleContact {
    fn feeds(&self) -> &'static [Feed] {
        &[Feed::Records(Kind::Account), Feed::Records(Kind::Contact)]
    }

    fn take(&mut self, fact: Fact<'_>) {
        let Fact::Record(record) = fact else { return };
        let own = |field| record.text(field).unwrap_or_default().to_owned();
        match record.kind {
            Kind::Account if is_courted(record) && self.params.is_for(record.text("owner")) => {
                let circle = Circle {
                    name: record.name(),
                    tier: own("tier"),
                    owner: own("owner"),
                    ..Circle::default()
                };
                self.circles.insert(record.id.clone(), circle);
            }
            Kind::Contact if is_there(record) => {
                let account = record.text("account").unwrap_or_default();
                if let Some(circle) = self.circles.get_mut(account) {
                    circle.contacts = circle.contacts.saturating_add(1);
                    let function = record.text("function");
                    let at = DEPARTMENTS.iter().position(|one| Some(*one) == function);
                    let bit = at.and_then(|at| 1_u8.checked_shl(u32::try_from(at).ok()?));
                    circle.departments |= bit.unwrap_or(0);
                }
            }
            _ => {}
        }
    }

    fn answer(self: Box<Self>) -> Answer {
        let (mut few, mut gaps) = (Rows::default(), Rows::default());
        for circle in self.circles.values() {
            let mut missing = Vec::new();
            for (at, department) in (0_u32..).zip(DEPARTMENTS) {
                let bit = 1_u8.checked_shl(at).unwrap_or(0);
                if circle.departments & bit == 0 {
                    missing.push(department);
                }
            }
            let key_first = i64::from(circle.tier != "key");
            let place = (key_first, i128::from(circle.contacts));
            let row = |last: Draft| {
                vec![
                    text(circle.name.as_str()),
                    text(circle.tier.as_str()),
                    text(circle.owner.as_str()),
                    last,
                ]
            };
            if circle.contacts <= 1 {
                let count = i64::try_from(circle.contacts).unwrap_or(i64::MAX);
                few.add(place, row(number(count)));
            } else if !missing.is_empty() {
                gaps.add(place, row(text(missing.join(", "))));
            }
        }
        let columns = |last, kind| {
            [
                ("account", ColumnKind::Text),
                ("tier", ColumnKind::Text),
                ("owner", ColumnKind::Text),
                (last, kind),
            ]
        };
        let known = Known::new();
        let one = columns("contacts", ColumnKind::Number);
        let none = columns("nobody known in", ColumnKind::Text);
        Answer {
            sections: vec![
                few.section("One contact, or none", &one, &known),
                gaps.section("Several contacts, with gaps", &none, &known),
            ],
            notes: Vec::new(),
        }
    }
}

pub(super) fn references(params: &Params) -> Box<dyn Question> {
    Box::new(References {
        params: params.clone(),
        rows: Rows::default(),
        asked: HashSet::new(),
        never: Rows::default(),
        satisfaction_unknown: 0,
        known: Known::new(),
    })
}

/// It keeps the ids of the contacts that were asked.
#[derive(Debug)]
struct References {
    params: Params,
    rows: Rows,
    asked: HashSet<String>,
    never: Rows,
    satisfaction_unknown: u64,
    known: Known,
}

impl References {
    fn reference(&mut self, one: &CrmRecord) {
        let (Some(contact), Some(asked)) = (one.text("contact"), one.day("asked_on")) else {
            return;
        };
        if self.params.ago(asked) < self.params.span() {
            self.asked.insert(contact.to_owned());
        }
        let answer = one.text("answer").unwrap_or("no answer yet");
        let row = vec![
            day(Some(asked)),
            link(one, Kind::Contact, "contact"),
            field(one, "kind"),
            field(one, "asked_by"),
            text(answer),
            field(one, "text"),
        ];
        self.rows.add((i64::from(self.params.ago(asked)), 0), row);
    }

    fn contact(&mut self, one: &CrmRecord) {
        if !is_there(one) || one.flag("do_not_contact") || self.asked.contains(&one.id) {
            return;
        }
        match one.integer("satisfaction") {
            None => self.satisfaction_unknown = self.satisfaction_unknown.saturating_add(1),
            Some(satisfaction) if satisfaction >= SATISFIED_MIN => {
                let row = vec![
                    number(satisfaction),
                    text(one.name()),
                    link(one, Kind::Account, "account"),
                    field(one, "role"),
                ];
                self.never.add((satisfaction.saturating_neg(), 0), row);
            }
            Some(_) => {}
        }
    }
}

impl Question for References {
    fn feeds(&self) -> &'static [Feed] {
        &[
            Feed::Records(Kind::Reference),
            Feed::Records(Kind::Contact),
            Feed::Named,
        ]
    }

    fn take(&mut self, fact: Fact<'_>) {
        match fact {
            Fact::Named(record) => know(&mut self.known, record),
            Fact::Record(one) if one.kind == Kind::Reference => self.reference(one),
            Fact::Record(one) => self.contact(one),
            _ => {}
        }
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        let named: BTreeSet<(Kind, String)> = &self.rows.named() | &self.never.named();
        named.into_iter().collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let asked = [
            ("asked on", ColumnKind::Day),
            ("contact", ColumnKind::Text),
            ("for", ColumnKind::Text),
            ("by", ColumnKind::Text),
            ("answer", ColumnKind::Text),
            ("words, or whom", ColumnKind::Text),
        ];
        let never = [
            ("satisfaction", ColumnKind::Number),
            ("contact", ColumnKind::Text),
            ("account", ColumnKind::Text),
            ("role", ColumnKind::Text),
        ];
        let mut notes = Vec::new();
        if self.satisfaction_unknown > 0 {
            notes.push(format!(
                "Of {} nobody recorded how satisfied they are.",
                super::rows::some(self.satisfaction_unknown, "contact", "contacts")
            ));
        }
        let title = format!("Satisfied ({SATISFIED_MIN} of 10 or more) and not asked");
        Answer {
            sections: vec![
                self.rows
                    .section("Asked, newest first", &asked, &self.known),
                self.never.section(&title, &never, &self.known),
            ],
            notes,
        }
    }
}

pub(super) fn exposure(params: &Params) -> Box<dyn Question> {
    Box::new(Exposure {
        params: params.clone(),
        last: HashMap::new(),
        rows: Rows::default(),
        barred: 0,
        known: Known::new(),
    })
}

/// It keeps a day for each contact that was ever shown something: some 60 bytes each.
#[derive(Debug)]
struct Exposure {
    params: Params,
    last: HashMap<String, Date>,
    rows: Rows,
    barred: u64,
    known: Known,
}

impl Exposure {
    fn contact(&mut self, one: &CrmRecord) {
        let last = self.last.get(&one.id).copied();
        let ago = last.map(|day| i64::from(self.params.ago(day)));
        if !is_there(one) || ago.is_some_and(|ago| ago < i64::from(self.params.span())) {
            return;
        }
        if one.flag("do_not_contact") {
            self.barred = self.barred.saturating_add(1);
            return;
        }
        let row = vec![
            link(one, Kind::Account, "account"),
            text(one.name()),
            field(one, "role"),
            day(last),
            Draft::Is(ago.map_or(Cell::Blank, Cell::Number)),
        ];
        let longest_first = ago.map_or(i64::MIN, i64::saturating_neg);
        self.rows.add((longest_first, 0), row);
    }
}

impl Question for Exposure {
    fn feeds(&self) -> &'static [Feed] {
        &[
            Feed::Records(Kind::Exposure),
            Feed::Records(Kind::Contact),
            Feed::Named,
        ]
    }

    fn take(&mut self, fact: Fact<'_>) {
        match fact {
            Fact::Named(record) => know(&mut self.known, record),
            Fact::Record(one) if one.kind == Kind::Contact => self.contact(one),
            Fact::Record(one) => {
                let product = self.params.product.as_deref();
                let meant = product.is_none() || one.text("product") == product;
                if let (Some(contact), Some(on), true) = (one.text("contact"), one.day("on"), meant)
                {
                    let last = self.last.entry(contact.to_owned()).or_insert(on);
                    *last = on.max(*last);
                }
            }
            _ => {}
        }
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        let product = self.params.product.clone();
        let product = product.map(|id| (Kind::Product, id));
        self.rows.named().into_iter().chain(product).collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let mut notes = Vec::new();
        if self.barred > 0 {
            notes.push(format!(
                "{} left out: do not contact.",
                super::rows::some(self.barred, "contact", "contacts")
            ));
        }
        let columns = [
            ("account", ColumnKind::Text),
            ("contact", ColumnKind::Text),
            ("role", ColumnKind::Text),
            ("last shown", ColumnKind::Day),
            ("days ago", ColumnKind::Number),
        ];
        let product = self.params.product.as_ref();
        let title = match product {
            None => "Any product".to_owned(),
            Some(id) => self.known.get(id).map_or(id.clone(), CrmRecord::name),
        };
        Answer {
            sections: vec![self.rows.section(&title, &columns, &self.known)],
            notes,
        }
    }
}
