//! Records in memory that feed a report as the books do.

use std::collections::BTreeMap;

use crate::crm::change::By;
use crate::crm::{CrmRecord, Edit, Kind, Source, plan};
use crate::effect::{Audience, Cause, MailEffect, MailMode};
use crate::happening::Subject;
use crate::ids::{AccountId, ContactId, EffectId, PluginName, TaskId, TransportId};
use crate::outbox::MailState;
use crate::records::TaskRecord;
use crate::report::{Fact, Feed, Params, Report, find};
use crate::time::Timestamp;
use crate::touch::{Touch, touch_of};

/// The day on which the sample is looked at.
pub const TODAY: &str = "2026-03-02";

pub fn at(text: &str) -> Timestamp {
    match text.contains('T') {
        true => text.parse().unwrap(),
        false => format!("{text}T12:00:00Z").parse().unwrap(),
    }
}

pub fn today() -> Params {
    Params::on(TODAY.parse().unwrap())
}

/// A record of a line such as `account mills: name=Northern Mills | tier=key`.
pub fn record(line: &str) -> CrmRecord {
    let (head, fields) = line.split_once(':').unwrap();
    let (kind, id) = head.trim().split_once(' ').unwrap();
    let kind = Kind::from_word(kind).unwrap_or_else(|| panic!("{line}"));
    let fields: BTreeMap<&str, &str> = fields
        .split('|')
        .map(|part| {
            part.trim()
                .split_once('=')
                .unwrap_or_else(|| panic!("{part}"))
        })
        .collect();
    let currency = fields.get("currency").copied();
    let edits: Vec<Edit> = fields
        .iter()
        .filter(|(name, _)| !name.starts_with('@'))
        .map(|(name, text)| {
            let field = kind.spec().field(name).unwrap_or_else(|| panic!("{name}"));
            Edit {
                field: (*name).to_owned(),
                value: field
                    .kind
                    .parse(text, currency)
                    .unwrap_or_else(|e| panic!("{text}: {e}")),
            }
        })
        .collect();
    let day = |name: &str| at(fields.get(name).copied().unwrap_or("2025-12-01"));
    let by = By {
        source: Source::Import,
        force: false,
        now: day("@since"),
    };
    let empty = CrmRecord::new(kind, String::new(), day("@created"));
    let mut record = plan(&empty, &edits, by)
        .unwrap_or_else(|e| panic!("{line}: {e:?}"))
        .record;
    record.id = id.to_owned();
    record
}

/// What the books would have.
#[derive(Debug, Default)]
pub struct World {
    pub records: Vec<CrmRecord>,
    pub touches: Vec<Touch>,
    pub mails: Vec<MailEffect>,
    pub tasks: Vec<TaskRecord>,
}

impl World {
    /// Records of lines; `#` begins a remark.
    pub fn of(text: &str) -> World {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        World::with(lines.map(record).collect())
    }

    pub fn with(records: Vec<CrmRecord>) -> World {
        World {
            touches: records.iter().filter_map(touch_of).collect(),
            records,
            ..World::default()
        }
    }

    fn get(&self, kind: Kind, id: &str) -> Option<&CrmRecord> {
        self.records
            .iter()
            .find(|one| one.kind == kind && one.id == id)
    }

    fn belongs(&self, record: &CrmRecord, account: &str) -> bool {
        match record.kind {
            Kind::Account => record.id == account,
            Kind::Product | Kind::Quota | Kind::Forecast => true,
            Kind::Exposure | Kind::Reference => {
                let contact = record
                    .text("contact")
                    .and_then(|id| self.get(Kind::Contact, id));
                contact.is_some_and(|contact| contact.text("account") == Some(account))
            }
            _ => record.text("account") == Some(account),
        }
    }

    /// Asks a report by name.
    pub fn ask(&self, name: &str, params: &Params) -> Report {
        let spec = find(name).unwrap();
        let mut question = spec.ask(params);
        for feed in question.feeds() {
            match feed {
                Feed::Records(kind) => {
                    for record in self.records.iter().filter(|one| one.kind == *kind) {
                        let account = params.account.as_deref();
                        if account.is_none_or(|account| self.belongs(record, account)) {
                            question.take(Fact::Record(record));
                        }
                    }
                }
                Feed::Named => {
                    for (kind, id) in question.named() {
                        if let Some(record) = self.get(kind, &id) {
                            question.take(Fact::Named(record));
                        }
                    }
                }
                Feed::LastTouches | Feed::LastCalls => {
                    for account in question.accounts() {
                        let of = self.touches.iter().filter(|touch| {
                            touch.account.as_str() == account
                                && (*feed == Feed::LastTouches || touch.way.is_spoken())
                        });
                        if let Some(last) = of.max_by_key(|touch| touch.at) {
                            question.take(Fact::Touch(last));
                        }
                    }
                }
                Feed::Mails => self
                    .mails
                    .iter()
                    .for_each(|mail| question.take(Fact::Mail(mail))),
                Feed::Tasks => self
                    .tasks
                    .iter()
                    .for_each(|task| question.take(Fact::Task(task))),
            }
        }
        spec.report(params, question.answer())
    }
}

fn cause(plugin: &str, rule: Option<&str>, reason: &str, subject: Subject) -> Cause {
    Cause {
        plugin: PluginName::from(plugin),
        plugin_version: "1.0.0".to_owned(),
        plugin_digest: String::new(),
        label: "mail".to_owned(),
        event_seq: 1,
        cause: String::new(),
        subject,
        reason: reason.to_owned(),
        rule: rule.map(str::to_owned),
    }
}

pub fn about(account: Option<&str>, contact: Option<&str>) -> Subject {
    Subject {
        message: None,
        thread: None,
        account: account.map(AccountId::from),
        contact: contact.map(ContactId::from),
        counterpart: None,
        mailbox: None,
    }
}

/// A mail of ours: id, state, since, from, to, subject and whom it is about.
pub fn mail(
    id: &str,
    state: MailState,
    since: &str,
    to: &str,
    subject: &str,
    about: Subject,
) -> MailEffect {
    MailEffect {
        id: EffectId::from(id),
        cause: cause("nda-desk", Some("R31"), "They asked for our NDA", about),
        audience: Audience::Counterpart,
        mode: MailMode::Approve,
        transport: TransportId::from("smtp"),
        message_id: format!("{id}@example.com"),
        from: "alice@example.com".to_owned(),
        recipient: to.to_owned(),
        subject_line: subject.to_owned(),
        content: String::new(),
        answers: None,
        cancel_on_reply: true,
        requires: Vec::new(),
        exempt_from_cap: false,
        state,
        since: at(since),
        not_before: at(since),
        attempts: 0,
        looks: 0,
        last_reply: None,
        created: at(since),
        known_as: Vec::new(),
        resends_left: 1,
        missing_since: None,
    }
}

/// A task: id, title, due, owner and whom it is about.
pub fn task(id: &str, title: &str, due: &str, owner: &str, about: Subject) -> TaskRecord {
    let cause = cause("follow-up", None, "", about);
    TaskRecord {
        title: title.to_owned(),
        due: Some(at(due)),
        owner: Some(owner.to_owned()),
        ..TaskRecord::new(TaskId::from(id), cause, at("2026-02-01"))
    }
}

/// The sample firm.
pub fn sample() -> World {
    let mut world = World::of(include_str!("sample.txt"));
    let erin = || about(Some("mills"), Some("erin"));
    world.mails = vec![
        mail(
            "5f0c1a2b3c4d5e6f",
            MailState::Held,
            "2026-03-01",
            "erin@mills.example",
            "Re: Your NDA",
            erin(),
        ),
        mail(
            "6a1b2c3d4e5f6a7b",
            MailState::Drafted,
            "2026-02-27",
            "pia@harbour.example",
            "Re: Yard walk",
            about(Some("harbour"), Some("pia")),
        ),
        mail(
            "7b2c3d4e5f6a7b8c",
            MailState::Sent,
            "2026-02-10",
            "erin@mills.example",
            "Our NDA for you to sign",
            erin(),
        ),
        mail(
            "8c3d4e5f6a7b8c9d",
            MailState::Cancelled {
                by: "erin".to_owned(),
                why: "answered".to_owned(),
            },
            "2026-02-12",
            "erin@mills.example",
            "Did you get our NDA?",
            erin(),
        ),
    ];
    world.tasks = vec![
        task(
            "t1",
            "Call about the silo alarm",
            "2026-03-02",
            "alice@example.com",
            about(Some("mills"), None),
        ),
        task(
            "t2",
            "Send the viewer demo",
            "2026-02-28",
            "bob@example.com",
            about(Some("lumen"), None),
        ),
        task(
            "t3",
            "Book the training room",
            "2026-03-01",
            "bob@example.com",
            about(None, None),
        ),
        task(
            "t4",
            "Prepare the spec review",
            "2026-03-05",
            "alice@example.com",
            about(Some("mills"), None),
        ),
    ];
    world
}
