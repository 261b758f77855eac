//! Short ways to write the parts of a proposal.

use serde_json::Value as Json;

use crate::{
    Address, Content, CreateCase, CreateTask, Email, Entity, Field, Hold, Message, TemplateRef,
    Value, Window,
};

impl Content {
    /// A template of the plugin or of the firm with its variables (a JSON object).
    #[must_use]
    pub fn template(name: &str, variables: &Json) -> Content {
        Content::Template(TemplateRef {
            name: name.to_owned(),
            variables: variables.to_string(),
        })
    }
}

impl Email {
    /// An answer in the thread of `message`, to its sender (or, when it is ours, to its outside
    /// recipients).
    #[must_use]
    pub fn reply_to(message: &Message, content: Content) -> Email {
        Email {
            in_reply_to: Some(message.id.clone()),
            to: Vec::new(),
            cc: Vec::new(),
            subject: None,
            content,
            attach: Vec::new(),
            not_before: None,
            cancel_on_reply: false,
            requires: Vec::new(),
        }
    }

    /// Adds an attachment by its name among the templates.
    #[must_use]
    pub fn attach(mut self, name: &str) -> Email {
        self.attach.push(name.to_owned());
        self
    }

    /// Makes it wait for holds of the same answer, by their labels.
    #[must_use]
    pub fn requires(mut self, labels: impl IntoIterator<Item = String>) -> Email {
        self.requires.extend(labels);
        self
    }

    /// Drops it unsent when a person answers in the thread first.
    #[must_use]
    pub fn cancel_on_reply(mut self) -> Email {
        self.cancel_on_reply = true;
        self
    }
}

impl Hold {
    /// A hold in the owner's calendar; holds of one `group` are alternatives of one another.
    #[must_use]
    pub fn new(title: &str, when: Window, group: &str) -> Hold {
        Hold {
            title: title.to_owned(),
            when,
            zone: None,
            owner: None,
            group: group.to_owned(),
            note: String::new(),
            expires: None,
        }
    }

    /// Sets the text of its description.
    #[must_use]
    pub fn note(mut self, note: &str) -> Hold {
        note.clone_into(&mut self.note);
        self
    }
}

impl CreateCase {
    /// A case in the first state that the manifest declares.
    #[must_use]
    pub fn new(kind: &str, title: &str) -> CreateCase {
        CreateCase {
            kind: kind.to_owned(),
            title: title.to_owned(),
            state: None,
            fields: Vec::new(),
        }
    }

    /// Sets the state.
    #[must_use]
    pub fn state(mut self, state: &str) -> CreateCase {
        self.state = Some(state.to_owned());
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> CreateCase {
        self.fields.push(Field {
            name: name.to_owned(),
            value: value.into(),
        });
        self
    }
}

impl CreateTask {
    /// A task for the owner in the context.
    #[must_use]
    pub fn new(title: &str, body: &str) -> CreateTask {
        CreateTask {
            title: title.to_owned(),
            body: body.to_owned(),
            checklist: Vec::new(),
            due: None,
            owner: None,
        }
    }

    /// Adds points to tick.
    #[must_use]
    pub fn checklist(mut self, points: impl IntoIterator<Item = String>) -> CreateTask {
        self.checklist.extend(points);
        self
    }

    /// Sets when it is due.
    #[must_use]
    pub fn due(mut self, due: i64) -> CreateTask {
        self.due = Some(due);
        self
    }

    /// Gives it to our person with this address.
    #[must_use]
    pub fn owner(mut self, email: &str) -> CreateTask {
        self.owner = Some(email.to_owned());
        self
    }
}

impl Entity {
    /// A field's value; `None` when the record has no such field or it is null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        (field.value != Value::Null).then_some(&field.value)
    }

    /// A text field's value; empty when there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// A list field's values; empty when there is none.
    #[must_use]
    pub fn texts(&self, name: &str) -> &[String] {
        match self.get(name) {
            Some(Value::Texts(texts)) => texts,
            _ => &[],
        }
    }
}

impl Address {
    /// The part after the `@`; empty when there is none.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.email.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The part before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.email
            .rsplit_once('@')
            .map_or(self.email.as_str(), |(local, _)| local)
    }

    /// The name to show: the display name, else the address.
    #[must_use]
    pub fn display(&self) -> &str {
        match self.name.as_deref().map(str::trim) {
            Some(name) if !name.is_empty() => name,
            _ => &self.email,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Flag(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Integer(number)
    }
}

impl From<Vec<String>> for Value {
    fn from(texts: Vec<String>) -> Value {
        Value::Texts(texts)
    }
}
