//! What a plugin proposed, in a form that tests read well.

use core::fmt;

use serde_json::{Map, Value as Json, json};

use crate::{Action, Content, Email, Field, Hold, MailFlag, MailboxChange, Proposal, Value};

/// The proposals of a plugin to one event.
#[derive(Debug, Clone, Default)]
pub struct Reaction {
    /// In the order in which they were made.
    pub proposals: Vec<Proposal>,
}

impl Reaction {
    /// The kind of each proposal, in order.
    #[must_use]
    pub fn actions(&self) -> Vec<&'static str> {
        self.proposals
            .iter()
            .map(|proposal| kind(&proposal.action))
            .collect()
    }

    /// Proposals of a kind.
    pub fn of<'r>(&'r self, wanted: &'r str) -> impl Iterator<Item = &'r Proposal> {
        self.proposals
            .iter()
            .filter(move |proposal| kind(&proposal.action) == wanted)
    }

    /// The only proposal of a kind.
    #[must_use]
    pub fn only(&self, wanted: &str) -> &Proposal {
        let mut found = self.proposals.iter().filter(|p| kind(&p.action) == wanted);
        match (found.next(), found.next()) {
            (Some(proposal), None) => proposal,
            _ => panic!("not exactly one proposal of kind `{wanted}` in:\n{self}"),
        }
    }

    /// Whether nothing was proposed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.proposals.is_empty()
    }

    /// The proposals as JSON, one object each, with the words of the manifest and the contract.
    #[must_use]
    pub fn to_json(&self) -> Vec<Json> {
        self.proposals.iter().map(to_json).collect()
    }
}

impl fmt::Display for Reaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("(nothing)\n");
        }
        for proposal in self.to_json() {
            writeln!(f, "{proposal}")?;
        }
        Ok(())
    }
}

pub fn kind(action: &Action) -> &'static str {
    crate::context::kind_of(action)
}

fn to_json(proposal: &Proposal) -> Json {
    let mut object = match &proposal.action {
        Action::Email(email) => email_json(email),
        Action::Hold(hold) => hold_json(hold),
        Action::ReleaseHolds(group) => json!({ "group": group }),
        Action::CreateCase(case) => json!({
            "kind": case.kind, "title": case.title, "state": case.state,
            "fields": fields_json(&case.fields),
        }),
        Action::UpdateCase(case) => json!({
            "id": case.id, "state": case.state, "set": fields_json(&case.set),
        }),
        Action::CreateTask(task) => json!({
            "title": task.title, "body": task.body, "checklist": task.checklist,
            "due": task.due.map(rfc_3339), "owner": task.owner,
        }),
        Action::SetTimer(timer) => json!({ "name": timer.name, "due": rfc_3339(timer.due) }),
        Action::CancelTimer(name) => json!({ "name": name }),
        Action::TagMessage(tag) => json!({
            "message": tag.message, "add": tag.add, "remove": tag.remove,
        }),
        Action::Notify(notify) => json!({
            "text": notify.text, "urgent": notify.urgent, "to": notify.to,
        }),
        Action::ChangeMailbox(change) => mailbox_json(change),
        Action::Extension(extension) => json!({ "kind": extension.kind }),
    };
    let extra = json!({
        "action": kind(&proposal.action), "label": proposal.label, "reason": proposal.reason,
        "rule": proposal.rule, "once": proposal.once,
    });
    if let (Json::Object(object), Json::Object(extra)) = (&mut object, extra) {
        object.extend(extra);
    }
    object
}

fn mailbox_json(change: &MailboxChange) -> Json {
    match change {
        MailboxChange::Flag(change) => {
            let flag = match change.flag {
                MailFlag::Seen => "seen",
                MailFlag::Flagged => "flagged",
                MailFlag::Answered => "answered",
            };
            json!({ "flag": flag, "on": change.on })
        }
        MailboxChange::Keyword(change) => json!({ "keyword": change.keyword, "on": change.on }),
        MailboxChange::Move(folder) => json!({ "move": folder }),
        MailboxChange::Label(label) => json!({ "add-label": label }),
    }
}

fn email_json(email: &Email) -> Json {
    let (text, template, variables) = match &email.content {
        Content::Text(text) => (Some(text), None, Json::Null),
        Content::Template(template) => (
            None,
            Some(&template.name),
            serde_json::from_str(&template.variables).expect("template variables are JSON"),
        ),
    };
    json!({
        "in-reply-to": email.in_reply_to,
        "to": email.to.iter().map(|to| to.email.clone()).collect::<Vec<_>>(),
        "cc": email.cc.iter().map(|cc| cc.email.clone()).collect::<Vec<_>>(),
        "subject": email.subject, "text": text, "template": template, "variables": variables,
        "attach": email.attach, "cancel-on-reply": email.cancel_on_reply,
        "requires": email.requires,
    })
}

fn hold_json(hold: &Hold) -> Json {
    json!({
        "title": hold.title, "group": hold.group, "note": hold.note, "owner": hold.owner,
        "start": rfc_3339(hold.when.start), "end": rfc_3339(hold.when.end),
    })
}

fn fields_json(fields: &[Field]) -> Json {
    let object: Map<String, Json> = fields
        .iter()
        .map(|field| {
            let value = match &field.value {
                Value::Null => Json::Null,
                Value::Flag(flag) => json!(flag),
                Value::Integer(number) => json!(number),
                Value::Text(text) => json!(text),
                Value::At(at) => json!(rfc_3339(*at)),
                Value::Texts(texts) => json!(texts),
            };
            (field.name.clone(), value)
        })
        .collect();
    Json::Object(object)
}

fn rfc_3339(at: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at).expect("an instant within the calendar");
    at.to_string()
}
