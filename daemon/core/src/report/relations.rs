//! With whom there was no contact for too long.
//!
//! They keep name and owner of the accounts asked about, some 150 bytes each: 30 MB for 200,000.

use std::collections::HashMap;

use super::rows::{Draft, Known, Rows, day, text};
use super::{Answer, Cell, ColumnKind, Fact, Feed, Params, Question};
use crate::crm::Kind;
use crate::touch::Touch;

/// Days without a talk from which on a past client is long overdue.
const HALF_A_YEAR: i64 = 180;

pub(super) fn silent(params: &Params) -> Box<dyn Question> {
    Box::new(Silent::new(params, "active"))
}

pub(super) fn past_clients(params: &Params) -> Box<dyn Question> {
    Box::new(Silent::new(params, "past"))
}

#[derive(Debug)]
struct Silent {
    params: Params,
    lifecycle: &'static str,
    accounts: HashMap<String, (String, String)>,
    touches: HashMap<String, Touch>,
    contacts: Known,
}

impl Silent {
    fn new(params: &Params, lifecycle: &'static str) -> Silent {
        Silent {
            params: params.clone(),
            lifecycle,
            accounts: HashMap::new(),
            touches: HashMap::new(),
            contacts: Known::new(),
        }
    }

    fn rows(&self) -> (Rows, u64) {
        let mut rows = Rows::default();
        let mut never = 0_u64;
        for (id, (name, owner)) in &self.accounts {
            let touch = self.touches.get(id);
            let on = touch.map(|touch| self.params.day(touch.at));
            let ago = on.map(|on| i64::from(self.params.ago(on)));
            if ago.is_some_and(|ago| ago < i64::from(self.params.span())) {
                continue;
            }
            never = never.saturating_add(u64::from(ago.is_none()));
            let mut row = vec![
                text(name.as_str()),
                text(owner.as_str()),
                day(on),
                Draft::Is(ago.map_or(Cell::Blank, Cell::Number)),
                text(touch.map_or("", |touch| touch.way.word())),
                text(
                    touch
                        .and_then(|touch| touch.person.as_deref())
                        .unwrap_or_default(),
                ),
                match touch {
                    Some(touch) => Draft::Names(
                        Kind::Contact,
                        touch.contacts.iter().map(|id| id.0.clone()).collect(),
                    ),
                    None => Draft::Is(Cell::Blank),
                },
            ];
            if self.lifecycle == "past" {
                row.push(text(match ago {
                    None => "never",
                    Some(HALF_A_YEAR..) => "6 months",
                    Some(_) => "3 months",
                }));
            }
            // Longest first; those without any contact before them.
            rows.add((ago.map_or(i64::MIN, i64::saturating_neg), 0), row);
        }
        (rows, never)
    }
}

impl Question for Silent {
    fn feeds(&self) -> &'static [Feed] {
        match self.lifecycle {
            "past" => &[Feed::Records(Kind::Account), Feed::LastCalls, Feed::Named],
            _ => &[Feed::Records(Kind::Account), Feed::LastTouches, Feed::Named],
        }
    }

    fn take(&mut self, fact: Fact<'_>) {
        match fact {
            Fact::Record(account)
                if account.text("lifecycle") == Some(self.lifecycle)
                    && account.text("kind") != Some("own-company")
                    && self.params.is_for(account.text("owner")) =>
            {
                let owner = account.text("owner").unwrap_or_default().to_owned();
                self.accounts
                    .insert(account.id.clone(), (account.name(), owner));
            }
            Fact::Named(contact) => {
                self.contacts.insert(contact.id.clone(), contact.clone());
            }
            Fact::Touch(touch) => {
                let on = self.params.day(touch.at);
                // Of accounts that are not silent nothing is kept.
                match self.params.ago(on) < self.params.span() {
                    true => {
                        self.accounts.remove(touch.account.as_str());
                    }
                    false => {
                        self.touches.insert(touch.account.0.clone(), touch.clone());
                    }
                }
            }
            _ => {}
        }
    }

    fn accounts(&self) -> Vec<String> {
        self.accounts.keys().cloned().collect()
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        self.rows().0.named().into_iter().collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let (rows, never) = self.rows();
        let mut columns = vec![
            ("account", ColumnKind::Text),
            ("owner", ColumnKind::Text),
            ("last contact", ColumnKind::Day),
            ("days ago", ColumnKind::Number),
            ("by", ColumnKind::Text),
            ("who of us", ColumnKind::Text),
            ("with", ColumnKind::Text),
        ];
        if self.lifecycle == "past" {
            columns.push(("not called for", ColumnKind::Text));
        }
        let mut notes = Vec::new();
        if never > 0 {
            notes.push(format!(
                "With {} no contact is recorded at all.",
                super::rows::some(never, "account", "accounts")
            ));
        }
        Answer {
            sections: vec![rows.section("", &columns, &self.contacts)],
            notes,
        }
    }
}
