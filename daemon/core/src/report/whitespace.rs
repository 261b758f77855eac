//! White space: every product beside every unit, contact by contact, and the eight questions.
//!
//! It keeps what belongs to one account: units, contacts, footprints, exposures, references.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;

use super::rows::{Draft, Known, Place, Rows, day, field, link, text, words};
use super::{Answer, Cell, ColumnKind, Fact, Feed, Params, Question, Section};
use crate::crm::{CrmRecord, Kind};

const FEEDS: &[Feed] = &[
    Feed::Records(Kind::Product),
    Feed::Records(Kind::Unit),
    Feed::Records(Kind::Contact),
    Feed::Records(Kind::Footprint),
    Feed::Records(Kind::Exposure),
    Feed::Records(Kind::Reference),
    Feed::Records(Kind::Opportunity),
    Feed::Records(Kind::Project),
    Feed::Records(Kind::Invoice),
];

/// What a product or contact belongs to that belongs to no unit.
const WHOLE: &str = "(no unit)";

pub(super) fn ask(_params: &Params) -> Box<dyn Question> {
    Box::new(Whitespace::default())
}

#[derive(Debug, Default)]
struct Whitespace {
    products: Vec<CrmRecord>,
    units: Vec<CrmRecord>,
    contacts: Vec<CrmRecord>,
    /// By unit (empty: none) and product.
    footprints: HashMap<(String, String), CrmRecord>,
    /// The last day, by contact and product.
    shown: HashMap<(String, String), Date>,
    references: Vec<CrmRecord>,
    /// Units with business beside what they bought, and what tells so.
    business: BTreeMap<String, BTreeSet<&'static str>>,
}

impl Question for Whitespace {
    fn feeds(&self) -> &'static [Feed] {
        FEEDS
    }

    fn take(&mut self, fact: Fact<'_>) {
        let Fact::Record(record) = fact else { return };
        let own = |field| record.text(field).unwrap_or_default().to_owned();
        match record.kind {
            Kind::Product => self.products.push(record.clone()),
            Kind::Unit => self.units.push(record.clone()),
            Kind::Contact if record.text("status") != Some("left") => {
                self.contacts.push(record.clone());
            }
            Kind::Footprint => {
                let place = (own("unit"), own("product"));
                self.footprints.insert(place, record.clone());
            }
            Kind::Exposure => {
                let last = self.shown.entry((own("contact"), own("product")));
                if let Some(on) = record.day("on") {
                    let last = last.or_insert(on);
                    *last = on.max(*last);
                }
            }
            Kind::Reference => self.references.push(record.clone()),
            Kind::Opportunity if record.state() == Some("Won") => self.business(record, "won"),
            Kind::Project => self.business(record, "project"),
            Kind::Invoice => self.business(record, "invoice"),
            _ => {}
        }
    }

    fn answer(mut self: Box<Self>) -> Answer {
        self.sort();
        let names = self.names();
        let sections = vec![
            self.matrix(),
            self.depth(&names),
            self.we_do(&names),
            self.we_do_not(&names),
            self.where_each_is(&names),
            self.buys(&names),
            self.buys_not(&names),
            self.whom_we_know(&names),
            self.asked(&names),
            self.gave(&names),
        ];
        let bare = self.units.is_empty().then(|| {
            "No units are recorded: everything is shown for the account as a whole.".to_owned()
        });
        Answer {
            sections,
            notes: bare.into_iter().collect(),
        }
    }
}

impl Whitespace {
    fn business(&mut self, record: &CrmRecord, what: &'static str) {
        let unit = record.text("unit").unwrap_or_default().to_owned();
        self.business.entry(unit).or_default().insert(what);
    }

    fn sort(&mut self) {
        let bought: BTreeSet<String> = self.footprints.keys().map(|(_, id)| id.clone()).collect();
        self.products
            .retain(|product| !product.flag("retired") || bought.contains(&product.id));
        for list in [&mut self.products, &mut self.units, &mut self.contacts] {
            list.sort_by_cached_key(|record| record.name().to_lowercase());
        }
    }

    fn names(&self) -> Known {
        let all = self
            .products
            .iter()
            .chain(&self.units)
            .chain(&self.contacts);
        all.map(|record| (record.id.clone(), record.clone()))
            .collect()
    }

    /// The units, and what belongs to none of them where there is such: id and name.
    fn entities(&self) -> Vec<(String, String)> {
        let mut entities: Vec<(String, String)> = self
            .units
            .iter()
            .map(|unit| (unit.id.clone(), unit.name()))
            .collect();
        let whole =
            self.units.is_empty() || self.footprints.keys().any(|(unit, _)| unit.is_empty());
        if whole {
            entities.push((String::new(), WHOLE.to_owned()));
        }
        entities
    }

    fn matrix(&self) -> Section {
        let entities = self.entities();
        let mut rows = Rows::default();
        for (at, product) in (0..).zip(&self.products) {
            let mut row = vec![text(product.name())];
            for (unit, _) in &entities {
                let place = (unit.clone(), product.id.clone());
                row.push(text(
                    self.footprints.get(&place).map_or(String::new(), standing),
                ));
            }
            rows.add((at, 0), row);
        }
        let mut columns = vec![("product", ColumnKind::Text)];
        columns.extend(
            entities
                .iter()
                .map(|(_, name)| (name.as_str(), ColumnKind::Text)),
        );
        rows.section("Products by unit", &columns, &Known::new())
    }

    fn depth(&self, names: &Known) -> Section {
        let mut rows = Rows::default();
        for contact in &self.contacts {
            let mut row = vec![link_or_whole(contact), text(contact.name())];
            for product in &self.products {
                let place = (contact.id.clone(), product.id.clone());
                row.push(day(self.shown.get(&place).copied()));
            }
            rows.add((0, 0), row);
        }
        let titles: Vec<String> = self.products.iter().map(CrmRecord::name).collect();
        let mut columns = vec![("unit", ColumnKind::Text), ("contact", ColumnKind::Text)];
        columns.extend(titles.iter().map(|name| (name.as_str(), ColumnKind::Day)));
        rows.section("Last shown to each contact", &columns, names)
    }

    fn evidence(&self, unit: &str) -> Vec<&'static str> {
        let bought = self
            .footprints
            .iter()
            .any(|((place, _), footprint)| place == unit && footprint.state() == Some("purchased"));
        let more = self.business.get(unit).into_iter().flatten().copied();
        bought
            .then_some("purchased")
            .into_iter()
            .chain(more)
            .collect()
    }

    fn we_do(&self, names: &Known) -> Section {
        let mut rows = Rows::default();
        for (unit, name) in self.with_rest() {
            let evidence = self.evidence(&unit);
            if !evidence.is_empty() {
                rows.add((0, 0), vec![text(name), text(evidence.join(", "))]);
            }
        }
        let columns = [("unit", ColumnKind::Text), ("because of", ColumnKind::Text)];
        rows.section("1. Entities we do business with", &columns, names)
    }

    /// All entities, and what belongs to none while there is business with it.
    fn with_rest(&self) -> Vec<(String, String)> {
        let mut entities = self.entities();
        let whole = entities.iter().any(|(id, _)| id.is_empty());
        if !whole && self.business.contains_key("") {
            entities.push((String::new(), WHOLE.to_owned()));
        }
        entities
    }

    fn we_do_not(&self, names: &Known) -> Section {
        let mut rows = Rows::default();
        for unit in &self.units {
            if !self.evidence(&unit.id).is_empty() {
                continue;
            }
            let people = self.contacts.iter();
            let people = people.filter(|contact| contact.text("unit") == Some(&unit.id));
            let known = i64::try_from(people.count()).unwrap_or(i64::MAX);
            rows.add((0, 0), vec![text(unit.name()), super::rows::number(known)]);
        }
        let columns = [
            ("unit", ColumnKind::Text),
            ("contacts we know", ColumnKind::Number),
        ];
        rows.section("2. Entities we do no business with", &columns, names)
    }

    fn where_each_is(&self, names: &Known) -> Section {
        let mut rows = Rows::default();
        for unit in &self.units {
            let row = vec![
                text(unit.name()),
                field(unit, "location"),
                field(unit, "function"),
                link(unit, Kind::Unit, "parent"),
                link(unit, Kind::Contact, "manager"),
            ];
            rows.add((0, 0), row);
        }
        let columns = [
            ("unit", ColumnKind::Text),
            ("location", ColumnKind::Text),
            ("function", ColumnKind::Text),
            ("part of", ColumnKind::Text),
            ("led by", ColumnKind::Text),
        ];
        rows.section("3. Where each is", &columns, names)
    }

    fn buys(&self, names: &Known) -> Section {
        let mut rows = Rows::default();
        for (at, (unit, name)) in (0..).zip(self.entities()) {
            let before = rows.count();
            for product in &self.products {
                let place = (unit.clone(), product.id.clone());
                let footprint = self.footprints.get(&place);
                let Some(footprint) = footprint.filter(|one| one.state() == Some("purchased"))
                else {
                    continue;
                };
                let row = vec![
                    text(name.clone()),
                    text(product.name()),
                    field(footprint, "since"),
                    field(footprint, "spend"),
                ];
                rows.add((at, 0), row);
            }
            if rows.count() == before {
                rows.add((at, 0), vec![text(name), blank(), blank(), blank()]);
            }
        }
        let columns = [
            ("unit", ColumnKind::Text),
            ("buys", ColumnKind::Text),
            ("since", ColumnKind::Day),
            ("spent in a year", ColumnKind::Amount),
        ];
        rows.section("4. What each buys", &columns, names)
    }

    fn buys_not(&self, names: &Known) -> Section {
        let mut rows = Rows::default();
        for (at, (unit, name)) in (0..).zip(self.entities()) {
            for product in &self.products {
                let place = (unit.clone(), product.id.clone());
                let footprint = self.footprints.get(&place);
                if footprint.is_some_and(|one| one.state() == Some("purchased")) {
                    continue;
                }
                let elsewhere = self.bought_elsewhere(&unit, &product.id, names);
                let row = vec![
                    text(name.clone()),
                    text(product.name()),
                    text(footprint.map_or(String::new(), standing)),
                    text(elsewhere.join(", ")),
                ];
                rows.add((at, 0), row);
            }
        }
        let columns = [
            ("unit", ColumnKind::Text),
            ("does not buy", ColumnKind::Text),
            ("instead", ColumnKind::Text),
            ("bought by", ColumnKind::Text),
        ];
        rows.section("5. What each does not buy", &columns, names)
    }

    /// Other units that bought a product: they can vouch for it.
    fn bought_elsewhere(&self, unit: &str, product: &str, names: &Known) -> Vec<String> {
        let mut units: Vec<String> = self
            .footprints
            .iter()
            .filter(|((place, what), one)| {
                place != unit && what == product && one.state() == Some("purchased")
            })
            .map(|((place, _), _)| names.get(place).map_or(WHOLE.to_owned(), CrmRecord::name))
            .collect();
        units.sort();
        units
    }

    fn whom_we_know(&self, names: &Known) -> Section {
        let mut rows = Rows::default();
        for contact in &self.contacts {
            let row = vec![
                link_or_whole(contact),
                text(contact.name()),
                field(contact, "role"),
                field(contact, "function"),
                field(contact, "roles"),
            ];
            rows.add((0, 0), row);
        }
        for unit in &self.units {
            if !self
                .contacts
                .iter()
                .any(|one| one.text("unit") == Some(&unit.id))
            {
                rows.add(
                    (0, 0),
                    vec![text(unit.name()), blank(), blank(), blank(), blank()],
                );
            }
        }
        let columns = [
            ("unit", ColumnKind::Text),
            ("contact", ColumnKind::Text),
            ("role", ColumnKind::Text),
            ("function", ColumnKind::Text),
            ("in decisions", ColumnKind::Text),
        ];
        rows.section("6. Whom we know in each", &columns, names)
    }

    fn asked(&self, names: &Known) -> Section {
        let mut rows = Rows::default();
        for contact in &self.contacts {
            let place: Place = (0, 0);
            let of = self.references.iter();
            let of: Vec<&CrmRecord> = of
                .filter(|one| one.text("contact") == Some(&contact.id))
                .collect();
            for one in &of {
                let row = vec![
                    text(contact.name()),
                    link_or_whole(contact),
                    field(one, "kind"),
                    field(one, "asked_on"),
                    field(one, "asked_by"),
                ];
                rows.add(place, row);
            }
            if of.is_empty() {
                let row = vec![
                    text(contact.name()),
                    link_or_whole(contact),
                    blank(),
                    blank(),
                    blank(),
                ];
                rows.add(place, row);
            }
        }
        let columns = [
            ("contact", ColumnKind::Text),
            ("unit", ColumnKind::Text),
            ("asked for", ColumnKind::Text),
            ("on", ColumnKind::Day),
            ("by", ColumnKind::Text),
        ];
        let title = "7. Who was asked for a referral or testimonial";
        rows.section(title, &columns, names)
    }

    fn gave(&self, names: &Known) -> Section {
        let mut rows = Rows::default();
        for one in &self.references {
            if one.text("answer") != Some("given") {
                continue;
            }
            let row = vec![
                link(one, Kind::Contact, "contact"),
                field(one, "kind"),
                field(one, "given_on"),
                field(one, "text"),
                super::rows::links(one, Kind::Unit, "usable_for"),
            ];
            rows.add((0, 0), row);
        }
        let columns = [
            ("contact", ColumnKind::Text),
            ("gave", ColumnKind::Text),
            ("on", ColumnKind::Day),
            ("words, or whom", ColumnKind::Text),
            ("usable for", ColumnKind::Text),
        ];
        rows.section("8. What they gave", &columns, names)
    }
}

/// What a footprint says in one cell.
fn standing(footprint: &CrmRecord) -> String {
    match (footprint.state(), footprint.text("competitor")) {
        (Some("competitor"), Some(whose)) => whose.to_owned(),
        (Some(state), _) => state.to_owned(),
        (None, _) => String::new(),
    }
}

/// The unit of a contact.
fn link_or_whole(contact: &CrmRecord) -> Draft {
    match contact.text("unit") {
        Some(_) => link(contact, Kind::Unit, "unit"),
        None => Draft::Is(words(WHOLE)),
    }
}

fn blank() -> Draft {
    Draft::Is(Cell::Blank)
}
