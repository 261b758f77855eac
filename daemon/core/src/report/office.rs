//! What waits for us today, and what left us.

use super::rows::{Draft, Known, Rows, day, field, know, link, text};
use super::{Answer, ColumnKind, Fact, Feed, Params, Question};
use crate::crm::{CrmRecord, Kind};
use crate::effect::{Audience, MailEffect};
use crate::outbox::MailState;
use crate::records::TaskRecord;

pub(super) fn approvals(params: &Params) -> Box<dyn Question> {
    Box::new(Approvals {
        params: params.clone(),
        held: Rows::default(),
        drafted: Rows::default(),
        known: Known::new(),
    })
}

#[derive(Debug)]
struct Approvals {
    params: Params,
    held: Rows,
    drafted: Rows,
    known: Known,
}

fn is_of_account(account: Option<&crate::ids::AccountId>, params: &Params) -> bool {
    let wanted = params.account.as_deref();
    wanted.is_none() || account.map(crate::ids::AccountId::as_str) == wanted
}

fn account_of(mail: &MailEffect) -> Draft {
    match &mail.cause.subject.account {
        Some(account) => Draft::Name(Kind::Account, account.0.clone()),
        None => text(""),
    }
}

/// A rule with its plugin: `R31, nda-desk`.
fn by_whom(mail: &MailEffect) -> String {
    match &mail.cause.rule {
        Some(rule) => format!("{}, {rule}", mail.cause.plugin.as_str()),
        None => mail.cause.plugin.as_str().to_owned(),
    }
}

impl Question for Approvals {
    fn feeds(&self) -> &'static [Feed] {
        &[Feed::Mails, Feed::Named]
    }

    fn take(&mut self, fact: Fact<'_>) {
        let mail = match fact {
            Fact::Named(record) => return know(&mut self.known, record),
            Fact::Mail(mail) => mail,
            _ => return,
        };
        let account = mail.cause.subject.account.as_ref();
        if !self.params.is_for(Some(&mail.from)) || !is_of_account(account, &self.params) {
            return;
        }
        let rows = match mail.state {
            MailState::Held => &mut self.held,
            MailState::Drafted => &mut self.drafted,
            _ => return,
        };
        let row = vec![
            day(Some(self.params.day(mail.since))),
            text(mail.from.as_str()),
            account_of(mail),
            text(mail.recipient.as_str()),
            text(mail.subject_line.as_str()),
            text(by_whom(mail)),
            text(mail.id.as_str().chars().take(12).collect::<String>()),
        ];
        rows.add((mail.since.0, 0), row);
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        let mut named = self.held.named();
        named.extend(self.drafted.named());
        named.into_iter().collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let columns = [
            ("since", ColumnKind::Day),
            ("whose", ColumnKind::Text),
            ("account", ColumnKind::Text),
            ("to", ColumnKind::Text),
            ("subject", ColumnKind::Text),
            ("asked by", ColumnKind::Text),
            ("id", ColumnKind::Text),
        ];
        Answer {
            sections: vec![
                self.held
                    .section("Held for approval, oldest first", &columns, &self.known),
                self.drafted
                    .section("In the owner's Drafts, not sent", &columns, &self.known),
            ],
            notes: Vec::new(),
        }
    }
}

pub(super) fn followups(params: &Params) -> Box<dyn Question> {
    Box::new(FollowUps {
        params: params.clone(),
        lifecycles: Known::new(),
        tasks: Vec::new(),
    })
}

/// It keeps the tasks and next steps that are due: at most [`super::rows::ROWS_MAX`] of each are
/// shown.
#[derive(Debug)]
struct FollowUps {
    params: Params,
    lifecycles: Known,
    /// Account (or none), and the line.
    tasks: Vec<(Option<String>, i64, Vec<Draft>)>,
}

impl FollowUps {
    fn task(&mut self, task: &TaskRecord) {
        let due = task.due.map(|due| self.params.day(due));
        let later = due.is_some_and(|due| due > self.params.today);
        let account = task.account.as_ref();
        if !task.is_open()
            || task.notification
            || later
            || !self.params.is_for(task.owner.as_deref())
            || !is_of_account(account, &self.params)
            || self.tasks.len() >= super::rows::ROWS_MAX
        {
            return;
        }
        let place = due.map_or(0, |due| self.params.left(due));
        let account = account.map(|id| id.0.clone());
        let row = vec![
            day(due),
            account_name(account.as_deref()),
            text(task.title.as_str()),
            text(task.owner.clone().unwrap_or_default()),
        ];
        self.tasks.push((account, place, row));
    }

    fn opportunity(&mut self, one: &CrmRecord) {
        let step = one
            .day("next_step_on")
            .filter(|step| *step <= self.params.today);
        let (Some(step), true) = (step, super::sales::is_open(one)) else {
            return;
        };
        if !self.params.is_for(one.text("owner")) || self.tasks.len() >= super::rows::ROWS_MAX {
            return;
        }
        let what = match one.text("next_step") {
            Some(what) => format!("{}: {what}", one.name()),
            None => one.name(),
        };
        let row = vec![
            day(Some(step)),
            link(one, Kind::Account, "account"),
            text(what),
            field(one, "owner"),
        ];
        let account = one.text("account").map(str::to_owned);
        self.tasks.push((account, self.params.left(step), row));
    }
}

fn account_name(account: Option<&str>) -> Draft {
    match account {
        Some(id) => Draft::Name(Kind::Account, id.to_owned()),
        None => text(""),
    }
}

impl Question for FollowUps {
    fn feeds(&self) -> &'static [Feed] {
        &[Feed::Tasks, Feed::Records(Kind::Opportunity), Feed::Named]
    }

    fn take(&mut self, fact: Fact<'_>) {
        match fact {
            Fact::Named(record) => {
                self.lifecycles.insert(record.id.clone(), record.clone());
            }
            Fact::Task(task) => self.task(task),
            Fact::Record(one) => self.opportunity(one),
            _ => {}
        }
    }

    fn named(&mut self) -> Vec<(Kind, String)> {
        let accounts = self
            .tasks
            .iter()
            .filter_map(|(account, ..)| account.clone());
        accounts.map(|id| (Kind::Account, id)).collect()
    }

    fn answer(self: Box<Self>) -> Answer {
        let (mut clients, mut prospects) = (Rows::default(), Rows::default());
        let mut internal = Rows::default();
        for (account, place, row) in self.tasks {
            let account = account.and_then(|id| self.lifecycles.get(&id));
            let kind = account.and_then(|account| account.text("kind"));
            let lifecycle = account.and_then(|account| account.text("lifecycle"));
            let rows = match (account, kind, lifecycle) {
                (None, ..) | (_, Some("own-company"), _) => &mut internal,
                (_, _, Some("active" | "past")) => &mut clients,
                _ => &mut prospects,
            };
            rows.add((place, 0), row);
        }
        let columns = [
            ("due", ColumnKind::Day),
            ("account", ColumnKind::Text),
            ("what", ColumnKind::Text),
            ("who", ColumnKind::Text),
        ];
        let known = &self.lifecycles;
        Answer {
            sections: vec![
                clients.section("Existing clients", &columns, known),
                prospects.section("Prospects", &columns, known),
                internal.section("Internal", &columns, known),
            ],
            notes: Vec::new(),
        }
    }
}

pub(super) fn sent(params: &Params) -> Box<dyn Question> {
    Box::new(Sent {
        params: params.clone(),
        rows: Rows::default(),
    })
}

#[derive(Debug)]
struct Sent {
    params: Params,
    rows: Rows,
}

impl Question for Sent {
    fn feeds(&self) -> &'static [Feed] {
        &[Feed::Mails]
    }

    fn take(&mut self, fact: Fact<'_>) {
        let (Fact::Mail(mail), Some((id, addresses))) = (fact, &self.params.contact) else {
            return;
        };
        let by_id = mail
            .cause
            .subject
            .contact
            .as_ref()
            .is_some_and(|one| one.as_str() == id);
        let theirs = addresses.contains(&mail.recipient)
            || (by_id && mail.audience == Audience::Counterpart);
        let out = matches!(
            mail.state,
            MailState::Sent | MailState::Resolved { sent: true }
        );
        let on = self.params.day(mail.since);
        if !theirs || !out || !(0..=self.params.span()).contains(&self.params.ago(on)) {
            return;
        }
        let row = vec![
            day(Some(on)),
            text(mail.from.as_str()),
            text(mail.subject_line.as_str()),
            text(by_whom(mail)),
            text(mail.cause.reason.as_str()),
            text(mail.id.as_str().chars().take(12).collect::<String>()),
        ];
        self.rows.add((mail.since.0.saturating_neg(), 0), row);
    }

    fn answer(self: Box<Self>) -> Answer {
        let columns = [
            ("on", ColumnKind::Day),
            ("from", ColumnKind::Text),
            ("subject", ColumnKind::Text),
            ("asked by", ColumnKind::Text),
            ("why", ColumnKind::Text),
            ("id", ColumnKind::Text),
        ];
        let notes = vec!["`liaison why ID` has the whole chain of reasons.".to_owned()];
        Answer {
            sections: vec![self.rows.section("Newest first", &columns, &Known::new())],
            notes,
        }
    }
}
