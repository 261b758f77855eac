//! A task by the names of its fields.

use serde::{Deserialize, Serialize};

use super::{CHECKLIST_MAX, TITLE_CHARS_MAX, TaskRecord};
use crate::crm::change::Problem;
use crate::crm::sheet::{Sheet, SheetField, SheetState};
use crate::crm::{FieldChange, FieldType, Kind};
use crate::effect::Cause;
use crate::ids::{ContactId, TaskId};
use crate::message::cut_text;
use crate::proposal::{Fields, Value};
use crate::time::Timestamp;

/// The states of a task.
const STATES: [&str; 3] = ["open", "done", "declined"];
/// Which state may follow which: what is settled is opened again first.
const STEPS: [(&str, &str); 4] = [
    ("open", "done"),
    ("open", "declined"),
    ("done", "open"),
    ("declined", "open"),
];
/// Most records that a task is about.
const ABOUT_MAX: usize = 8;

/// For whom a task is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskPriority {
    /// For a client.
    Client,
    /// For somebody who may become one.
    Prospect,
    /// For ourselves.
    Internal,
}

impl TaskPriority {
    const WORDS: &'static [&'static str] = &["client", "prospect", "internal"];

    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            TaskPriority::Client => "client",
            TaskPriority::Prospect => "prospect",
            TaskPriority::Internal => "internal",
        }
    }

    fn from_word(word: &str) -> Option<TaskPriority> {
        let all = [
            TaskPriority::Client,
            TaskPriority::Prospect,
            TaskPriority::Internal,
        ];
        all.into_iter().find(|priority| priority.word() == word)
    }
}

/// Who changes a task, when and why.
#[derive(Debug, Clone, Copy)]
pub struct TaskChange<'a> {
    /// Who, in words.
    pub who: &'a str,
    /// Why, where they said so.
    pub why: Option<&'a str>,
    /// When.
    pub now: Timestamp,
}

impl Sheet {
    /// The fields of tasks.
    #[must_use]
    pub fn of_tasks() -> Sheet {
        let new = SheetField::new;
        let fixed = SheetField::fixed;
        let fields = vec![
            SheetField::required("title", FieldType::Line, "What is to be done, in one line"),
            new("state", FieldType::Choice(&STATES), "Whether it is done"),
            new("due", FieldType::At, "When it is due"),
            new("owner", FieldType::Person, "Who of us does it"),
            new(
                "priority",
                FieldType::Choice(TaskPriority::WORDS),
                "For whom it is done",
            ),
            new("urgent", FieldType::Flag, "It cannot wait"),
            new(
                "account",
                FieldType::Link(Kind::Account),
                "The account that it belongs to",
            ),
            new(
                "contact",
                FieldType::Link(Kind::Contact),
                "Whom it is about",
            ),
            new(
                "about",
                FieldType::Lines,
                "Ids of other records and cases that it is about",
            ),
            new("body", FieldType::Text, "What to do and look at"),
            new("checklist", FieldType::Lines, "Points to tick"),
            fixed("notification", FieldType::Flag, "It only tells something"),
            fixed("plugin", FieldType::Line, "The plugin that made it"),
            fixed("reason", FieldType::Line, "Why it was made"),
            fixed("rule", FieldType::Line, "The rule that asks for it"),
            fixed("created", FieldType::At, "When it was made"),
            fixed("updated", FieldType::At, "When it last changed"),
        ];
        let owned = |text: &str| text.to_owned();
        Sheet {
            what: "a task".to_owned(),
            fields,
            state: Some(SheetState {
                field: "state".to_owned(),
                states: STATES.map(owned).to_vec(),
                transitions: STEPS.map(|(from, to)| (owned(from), owned(to))).to_vec(),
            }),
        }
    }
}

impl TaskRecord {
    /// An open task without a title.
    #[must_use]
    pub fn new(id: TaskId, cause: Cause, now: Timestamp) -> TaskRecord {
        TaskRecord {
            id,
            account: cause.subject.account.clone(),
            contact: cause.subject.contact.clone(),
            cause,
            notification: false,
            urgent: false,
            title: String::new(),
            body: String::new(),
            checklist: Vec::new(),
            due: None,
            owner: None,
            done: None,
            created: now,
            priority: None,
            declined: None,
            about: Vec::new(),
            revision: 1,
            updated: now,
        }
    }

    /// Whether somebody still has to do it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.done.is_none() && self.declined.is_none()
    }

    /// `open`, `done` or `declined`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (&self.done, &self.declined) {
            (Some(_), _) => "done",
            (None, Some(_)) => "declined",
            (None, None) => "open",
        }
    }

    /// Closes it: what it asks for is done, or need not be done any more.
    pub fn close(&mut self, by: TaskChange<'_>) {
        self.done = Some((by.now, by.who.to_owned()));
        self.revision = self.revision.saturating_add(1);
        self.updated = by.now;
    }

    /// All values by the names of [`Sheet::of_tasks`].
    #[must_use]
    pub fn values(&self) -> Fields {
        let text = |text: &str| Value::Text(text.to_owned());
        let filled = |of: &str| Some(text(of)).filter(|_| !of.is_empty());
        let texts = |all: &[String]| Some(Value::Texts(all.to_vec())).filter(|_| !all.is_empty());
        let all = [
            ("title", filled(&self.title)),
            ("state", Some(text(self.state()))),
            ("due", self.due.map(Value::At)),
            ("owner", self.owner.as_deref().map(text)),
            ("priority", self.priority.map(|of| text(of.word()))),
            ("urgent", Some(Value::Flag(self.urgent))),
            ("account", self.account.as_ref().map(|id| text(id.as_str()))),
            ("contact", self.contact.as_ref().map(|id| text(id.as_str()))),
            ("about", texts(&self.about)),
            ("body", filled(&self.body)),
            ("checklist", texts(&self.checklist)),
            ("notification", Some(Value::Flag(self.notification))),
            ("plugin", filled(self.cause.plugin.as_str())),
            ("reason", filled(&self.cause.reason)),
            ("rule", self.cause.rule.as_deref().map(text)),
            ("created", Some(Value::At(self.created))),
            ("updated", Some(Value::At(self.updated))),
        ];
        let all = all.into_iter();
        all.filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }

    /// Takes what [`Sheet::plan`] decided.
    ///
    /// # Errors
    /// What only a task knows to be wrong: too many points, or a task declined without a reason.
    pub fn take(
        &mut self,
        changed: &[FieldChange],
        by: TaskChange<'_>,
    ) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        for change in changed {
            if let Err(reason) = self.put(&change.field, &change.new, by) {
                problems.push(Problem {
                    field: change.field.clone(),
                    value: String::new(),
                    reason,
                });
            }
        }
        self.updated = by.now;
        match problems.is_empty() {
            true => Ok(()),
            false => Err(problems),
        }
    }

    fn put(&mut self, name: &str, value: &Value, by: TaskChange<'_>) -> Result<(), String> {
        let text = match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let texts = match value {
            Value::Texts(texts) => texts.clone(),
            _ => Vec::new(),
        };
        match name {
            "title" => self.title = cut_text(&text.unwrap_or_default(), TITLE_CHARS_MAX),
            "state" => return self.come_to(&text.unwrap_or_default(), by),
            "due" => {
                self.due = match value {
                    Value::At(at) => Some(*at),
                    _ => None,
                }
            }
            "owner" => self.owner = text,
            "priority" => {
                self.priority = text.and_then(|word| TaskPriority::from_word(&word));
            }
            "urgent" => self.urgent = *value == Value::Flag(true),
            "account" => self.account = text.map(Into::into),
            "contact" => self.contact = text.map(ContactId),
            "about" if texts.len() > ABOUT_MAX => return Err(format!("more than {ABOUT_MAX}")),
            "about" => self.about = texts,
            "body" => self.body = text.unwrap_or_default(),
            "checklist" => self.checklist = points(texts)?,
            _ => return Err("no command sets this field".to_owned()),
        }
        Ok(())
    }

    fn come_to(&mut self, state: &str, by: TaskChange<'_>) -> Result<(), String> {
        (self.done, self.declined) = (None, None);
        match (state, by.why) {
            ("done", _) => self.done = Some((by.now, by.who.to_owned())),
            ("declined", None) => {
                return Err("say why it is not done: --why REASON".to_owned());
            }
            ("declined", Some(why)) => {
                let why = cut_text(why, TITLE_CHARS_MAX);
                self.declined = Some((by.now, by.who.to_owned(), why));
            }
            _ => {}
        }
        Ok(())
    }
}

fn points(points: Vec<String>) -> Result<Vec<String>, String> {
    let (count, chars) = CHECKLIST_MAX;
    if points.len() > count {
        return Err(format!("more than {count} points"));
    }
    match points.iter().find(|point| point.chars().count() > chars) {
        Some(long) => Err(format!(
            "`{}` is longer than {chars} characters",
            cut_text(long, 40)
        )),
        None => Ok(points),
    }
}
