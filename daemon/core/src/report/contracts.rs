//! Agreements, bookings and warranties: what is due, what is missing, what cannot be.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;

use super::rows::{Draft, Known, Rows, counted, day, field, know, link, number, text};
use super::{Answer, ColumnKind, Fact, Feed, Params, Question};
use crate::crm::states::{AGREEMENT, PROJECT};
use crate::crm::{CrmRecord, Kind};
use crate::time::{MINUTE_MS, Timestamp};

/// Months after which terms are signed again, where no day is recorded.
const RESIGN_MONTHS: i32 = 24;
/// Minutes of a whole day of work.
const FULL_DAY_MINUTES: i64 = 450;
/// Days for which billable work that is done is looked at.
const WORK_BACK_DAYS: i32 = 60;

/// What is known of an account's terms; the better, the greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Terms {
    Missing,
    Expired(Date),
    Sent,
    Incomplete,
    Valid,
}

impl Terms {
    fn of(agreement: &CrmRecord, today: Date) -> Terms {
        let expired = agreement.day("expires").filter(|until| *until < today);
        match (agreement.state(), expired) {
            (_, Some(until)) => Terms::Expired(until),
            (Some("expired"), None) => Terms::Expired(today),
            (Some("complete" | "due-for-re-sign"), None) => {
                let copy = agreement.get("complete_copy").is_none();
                match copy || agreement.flag("complete_copy") {
                    true => Terms::Valid,
                    false => Terms::Incomplete,
                }
            }
            (Some("sent"), None) => Terms::Sent,
            (Some("returned-incomplete"), None) => Terms::Incomplete,
            _ => Terms::Missing,
        }
    }

    fn said(&self) -> String {
        match self {
            Terms::Missing => "no terms".to_owned(),
            Terms::Expired(until) => format!("terms expired ({until})"),
            Terms::Sent => "terms sent, not signed".to_owned(),
            Terms::Incomplete => "terms not complete".to_owned(),
            Terms::Valid => "valid".to_owned(),
        }
    }
}

/// When an agreement is to be signed again: as recorded, else at its end, else after two years.
fn resign_due(agreement: &CrmRecord) -> Option<Date> {
    let recorded = agreement
        .day("resign_due")
        .or_else(|| agreement.day("expires"));
    recorded.or_else(|| {
        let terms = matches!(agreement.text("kind"), Some("terms" | "client-terms"));
        let signed = agreement.day("signed_on").filter(|_| terms)?;
        signed
            .checked_add(jiff::Span::new().months(RESIGN_MONTHS))
            .ok()
    })
}

fn in_force(agreement: &CrmRecord, today: Date) -> bool {
    let begun = agreement.day("effective").is_none_or(|from| from <= today);
    let ended = agreement.day("expires").is_some_and(|until| until < today);
    let signed = matches!(agreement.state(), Some("complete" | "due-for-re-sign"));
    signed && begun && !ended
}

#[derive(Debug, Default, Clone, Copy)]
struct Work {
    bookings: u64,
    first: Option<Date>,
}

pub(super) fn agreements(params: &Params) -> Box<dyn Question> {
    Box::new(Agreements {
        params: params.clone(),
        due: Rows::default(),
        ndas: Rows::default(),
        terms: HashMap::new(),
        work: BTreeMap::new(),
        known: Known::new(),
    })
}

/// It keeps a word for each account with terms, and a count for each with billable work.
#[derive(Debug)]
struct Agreements {
    params: Params,
    due: Rows,
    ndas: Rows,
    terms: HashMap<String, Terms>,
    work: BTreeMap<String, Work>,
    known: Known,
}

impl Agreements {
    fn agreement(&mut self, one: &CrmRecord) {
        let today = self.params.today;
        let kind = one.text("kind").unwrap_or_default();
        if let Some(account) = one.text("account").filter(|_| kind.ends_with("terms")) {
            let terms = Terms::of(one, today);
            let best = self
                .terms
                .entry(account.to_owned())
                .or_insert(Terms::Missing);
            *best = terms.max(best.clone());
        }
        if kind == "nda" && in_force(one, today) {
            let until = one.day("expires");
            let row = vec![
                link(one, Kind::Account, "account"),
                text(one.text("title").unwrap_or_default()),
                field(one, "mutual"),
                field(one, "signed_on"),
                day(until),
                field(one, "clauses"),
            ];
            let left = until.map_or(i64::MAX, |until| self.params.left(until));
            self.ndas.add((left, 0), row);
        }
        let open = one
            .state()
            .is_some_and(|state| !AGREEMENT.is_closed(state) && state != "none");
        let Some(due) = resign_due(one).filter(|_| open) else {
            return;
        };
        let left = self.params.left(due);
        if left <= i64::from(self.params.span()) || one.state() == Some("due-for-re-sign") {
            let row = vec![
                link(one, Kind::Account, "account"),
                text(kind),
                text(one.text("title").unwrap_or_default()),
                text(one.state().unwrap_or_default()),
                day(Some(due)),
                number(left),
                field(one, "owner"),
            ];
            self.due.add((left, 0), row);
        }
    }

    fn booking(&mut self, one: &CrmRecord) {
        let (Some(account), Some(from), Some(to)) =
            (one.text("account"), one.at("from"), one.at("to"))
        else {
            return;
        };
        let recent = self.params.ago(self.params.day(to)) <= WORK_BACK_DAYS;
        if !one.flag("billable") || !stands(one) || !recent {
            return;
        }
        let work = self.work.entry(account.to_owned()).or_default();
        work.bookings = work.bookings.saturating_add(1);
        let first = self.params.day(from);
        work.first = Some(work.first.map_or(first, |before| before.min(first)));
    }

    fn missing(&self) -> Rows {
        let mut rows = Rows::default();
        for (account, work) in &self.work {
            let terms = self.terms.get(account).cloned().unwrap_or(Terms::Missing);
            if terms == Terms::Valid {
                continue;
            }
            let row = vec![
                Draft::Name(Kind::Account, account.clone()),
                text(terms.said()),
                Draft::Is(counted(work.bookings)),
                day(work.first),
                Draft::Field(Kind::Account, account.clone(), "owner"),
            ];
            let place = work.first.map_or(0, |first| self.params.left(first));
            rows.add((place, 0), row);
        }
        rows
    }
}

impl Question for Agreements {
    fn feeds(&self) -> &'static [Feed] {
        &[
            Feed::Records(Kind::Agreement),
            Feed::Records(Kind::Booking),
            Feed::Named,
        ]
    }

    fn take(&mut self, fact: Fact<'_>) {
        match fact {
            Fact::Named(record) => know(&mut self.known, record),
            Fact::Record(one) if one.kind == Kind::Agreement => self.agreement(one),
            Fact::Record(one) => self.booking(one),
            _ => {}
        }
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        let mut named = self.due.named();
        named.extend(self.ndas.named());
        named.extend(self.missing().named());
        named.into_iter().collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let missing = self.missing();
        let due = [
            ("account", ColumnKind::Text),
            ("kind", ColumnKind::Text),
            ("title", ColumnKind::Text),
            ("state", ColumnKind::Text),
            ("due", ColumnKind::Day),
            ("in days", ColumnKind::Number),
            ("owner", ColumnKind::Text),
        ];
        let without = [
            ("account", ColumnKind::Text),
            ("what is missing", ColumnKind::Text),
            ("bookings", ColumnKind::Number),
            ("first", ColumnKind::Day),
            ("owner", ColumnKind::Text),
        ];
        let ndas = [
            ("account", ColumnKind::Text),
            ("title", ColumnKind::Text),
            ("mutual", ColumnKind::Text),
            ("signed", ColumnKind::Day),
            ("until", ColumnKind::Day),
            ("flagged", ColumnKind::Text),
        ];
        let title = "Billable bookings without valid and complete terms";
        Answer {
            sections: vec![
                self.due.section("To be signed again", &due, &self.known),
                missing.section(title, &without, &self.known),
                self.ndas.section("NDAs in force", &ndas, &self.known),
            ],
            notes: Vec::new(),
        }
    }
}

/// Whether a booking still means something.
fn stands(booking: &CrmRecord) -> bool {
    !matches!(booking.state(), Some("cancelled" | "orphan"))
}

pub(super) fn bookings(params: &Params) -> Box<dyn Question> {
    Box::new(Bookings {
        params: params.clone(),
        short: Rows::default(),
        orphans: Rows::default(),
        by_person: BTreeMap::new(),
        conflicts: Rows::default(),
        known: Known::new(),
    })
}

/// Start, end, what is needed to tell of a booking.
type Slot = (Timestamp, Timestamp, String, String, bool);

/// It keeps the bookings from today to the end of the time asked for.
#[derive(Debug)]
struct Bookings {
    params: Params,
    short: Rows,
    orphans: Rows,
    by_person: BTreeMap<String, Vec<Slot>>,
    conflicts: Rows,
    known: Known,
}

impl Bookings {
    fn row(&self, one: &CrmRecord, last: Draft) -> Vec<Draft> {
        vec![
            day(one.at("from").map(|from| self.params.day(from))),
            field(one, "person"),
            link(one, Kind::Account, "account"),
            text(one.text("subject").unwrap_or_default()),
            last,
        ]
    }

    fn booking(&mut self, one: &CrmRecord) {
        let (Some(from), Some(to), Some(person)) =
            (one.at("from"), one.at("to"), one.text("person"))
        else {
            return;
        };
        let begins = self.params.left(self.params.day(from));
        let place = (begins, i128::from(from.0));
        if one.state() == Some("orphan") {
            let row = self.row(one, field(one, "uid"));
            self.orphans.add(place, row);
            return;
        }
        let ended = self.params.ago(self.params.day(to)) > 0;
        if !stands(one) || ended || begins > i64::from(self.params.span()) {
            return;
        }
        let minutes = to.since(from).checked_div(MINUTE_MS).unwrap_or(0);
        let client = matches!(one.text("kind"), None | Some("client"));
        if client && one.flag("billable") && minutes < FULL_DAY_MINUTES {
            let hours = format!(
                "{}:{:02} h",
                minutes.checked_div(60).unwrap_or(0),
                minutes.checked_rem(60).unwrap_or(0).abs()
            );
            let said = match one.text("override") {
                Some(why) => format!("{hours} ({why})"),
                None => hours,
            };
            let row = self.row(one, text(said));
            self.short.add(place, row);
        }
        let account = one.text("account").unwrap_or_default().to_owned();
        let subject = one.text("subject").unwrap_or_default().to_owned();
        let tentative = one.state() == Some("tentative");
        let slots = self.by_person.entry(person.to_owned()).or_default();
        slots.push((from, to, account, subject, tentative));
    }

    /// Bookings of one person that overlap, each with the longest one before it.
    fn conflicts(&mut self) {
        for (person, slots) in &mut self.by_person {
            slots.sort();
            let mut open: Option<&Slot> = None;
            for slot in slots.iter() {
                if let Some(before) = open.filter(|before| slot.0 < before.1) {
                    let both = match (before.4, slot.4) {
                        (true, true) => "both tentative",
                        (false, false) => "both confirmed",
                        _ => "tentative against confirmed",
                    };
                    let row = vec![
                        day(Some(self.params.day(slot.0))),
                        text(person.as_str()),
                        Draft::Name(Kind::Account, before.2.clone()),
                        Draft::Name(Kind::Account, slot.2.clone()),
                        text(slot.3.as_str()),
                        text(both),
                    ];
                    self.conflicts.add((0, i128::from(slot.0.0)), row);
                }
                if open.is_none_or(|before| before.1 < slot.1) {
                    open = Some(slot);
                }
            }
        }
        self.by_person.clear();
    }
}

impl Question for Bookings {
    fn feeds(&self) -> &'static [Feed] {
        &[Feed::Records(Kind::Booking), Feed::Named]
    }

    fn take(&mut self, fact: Fact<'_>) {
        match fact {
            Fact::Named(record) => know(&mut self.known, record),
            Fact::Record(one) if self.params.is_for(one.text("person")) => self.booking(one),
            _ => {}
        }
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        self.conflicts();
        let mut named = self.short.named();
        named.extend(self.orphans.named());
        named.extend(self.conflicts.named());
        named.into_iter().collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let columns = |last| {
            [
                ("day", ColumnKind::Day),
                ("person", ColumnKind::Text),
                ("account", ColumnKind::Text),
                ("subject", ColumnKind::Text),
                (last, ColumnKind::Text),
            ]
        };
        let conflicts = [
            ("day", ColumnKind::Day),
            ("person", ColumnKind::Text),
            ("account", ColumnKind::Text),
            ("and account", ColumnKind::Text),
            ("subject", ColumnKind::Text),
            ("which", ColumnKind::Text),
        ];
        let short = columns("lasts");
        let orphans = columns("uid");
        Answer {
            sections: vec![
                self.short
                    .section("Billable, of less than a day (7:30 h)", &short, &self.known),
                self.conflicts
                    .section("That overlap", &conflicts, &self.known),
                self.orphans
                    .section("Without their calendar event", &orphans, &self.known),
            ],
            notes: Vec::new(),
        }
    }
}

pub(super) fn warranties(params: &Params) -> Box<dyn Question> {
    Box::new(Warranties {
        params: params.clone(),
        rows: Rows::default(),
        known: Known::new(),
    })
}

#[derive(Debug)]
struct Warranties {
    params: Params,
    rows: Rows,
    known: Known,
}

impl Question for Warranties {
    fn feeds(&self) -> &'static [Feed] {
        &[Feed::Records(Kind::Project), Feed::Named]
    }

    fn take(&mut self, fact: Fact<'_>) {
        let one = match fact {
            Fact::Named(record) => return know(&mut self.known, record),
            Fact::Record(one) if self.params.is_for(one.text("owner")) => one,
            _ => return,
        };
        let open = one.state().is_some_and(|phase| !PROJECT.is_closed(phase));
        let Some(end) = one.day("warranty_end").filter(|_| open) else {
            return;
        };
        let left = self.params.left(end);
        if left > i64::from(self.params.span()) {
            return;
        }
        let row = vec![
            link(one, Kind::Account, "account"),
            text(one.name()),
            text(one.state().unwrap_or_default()),
            day(Some(end)),
            number(left),
            field(one, "owner"),
        ];
        self.rows.add((left, 0), row);
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        self.rows.named().into_iter().collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let columns = [
            ("account", ColumnKind::Text),
            ("project", ColumnKind::Text),
            ("phase", ColumnKind::Text),
            ("warranty ends", ColumnKind::Day),
            ("in days", ColumnKind::Number),
            ("owner", ColumnKind::Text),
        ];
        Answer {
            sections: vec![self.rows.section("", &columns, &self.known)],
            notes: Vec::new(),
        }
    }
}
