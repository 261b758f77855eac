//! A proposal as an object in the words of the manifest, for expectations and for people.

use liaison_core::mailbox::MailboxChange;
use liaison_core::proposal::{
    Action, Content, EmailProposal, Fields, HoldProposal, PlainAddress, Proposal, Value,
};
use liaison_core::time::Timestamp;
use serde_json::{Map, Value as Json, json};

pub(super) fn proposal(proposal: &Proposal) -> Json {
    let mut object = match &proposal.action {
        Action::Email(mail) => email(mail),
        Action::Hold(wanted) => hold(wanted),
        Action::ReleaseHolds(group) => json!({ "group": group }),
        Action::CreateCase(case) => json!({
            "kind": case.kind, "title": case.title, "state": case.state,
            "fields": fields(&case.fields),
        }),
        Action::UpdateCase(case) => json!({
            "id": case.id, "if-revision": case.if_revision, "state": case.state,
            "set": fields(&case.set),
        }),
        Action::CreateTask(task) => json!({
            "title": task.title, "body": task.body, "checklist": task.checklist,
            "due": task.due.map(instant), "owner": task.owner,
        }),
        Action::SetTimer(timer) => json!({
            "name": timer.name, "due": instant(timer.due), "payload": parsed(&timer.payload),
        }),
        Action::CancelTimer(name) => json!({ "name": name }),
        Action::TagMessage(tag) => json!({
            "message": tag.message, "add": tag.add, "remove": tag.remove,
        }),
        Action::Notify(note) => {
            json!({ "text": note.text, "urgent": note.urgent, "to": note.to })
        }
        Action::ChangeMailbox(change) => mailbox(change),
        Action::Extension(kind) => json!({ "kind": kind }),
    };
    let common = json!({
        "action": proposal.action.kind(), "label": proposal.label, "reason": proposal.reason,
        "rule": proposal.rule, "once": proposal.once,
    });
    if let (Json::Object(object), Json::Object(common)) = (&mut object, common) {
        object.extend(common);
    }
    object
}

fn mailbox(change: &MailboxChange) -> Json {
    match change {
        MailboxChange::Flag { flag, on } => json!({ "flag": flag.as_str(), "on": on }),
        MailboxChange::Keyword { keyword, on } => json!({ "keyword": keyword, "on": on }),
        MailboxChange::Move(folder) => json!({ "move": folder }),
        MailboxChange::Label(label) => json!({ "add-label": label }),
    }
}

fn email(mail: &EmailProposal) -> Json {
    let (text, template, variables) = match &mail.content {
        Content::Text(text) => (Some(text), None, Json::Null),
        Content::Template { name, variables } => (None, Some(name), parsed(variables)),
    };
    json!({
        "in-reply-to": mail.in_reply_to, "to": emails(&mail.to), "cc": emails(&mail.cc),
        "subject": mail.subject, "text": text, "template": template, "variables": variables,
        "attach": mail.attach, "not-before": mail.not_before.map(instant),
        "cancel-on-reply": mail.cancel_on_reply, "requires": mail.requires,
    })
}

fn hold(hold: &HoldProposal) -> Json {
    json!({
        "title": hold.title, "group": hold.group, "note": hold.note, "owner": hold.owner,
        "zone": hold.zone, "expires": hold.expires.map(instant),
        "start": instant(hold.when.start), "end": instant(hold.when.end),
    })
}

fn emails(list: &[PlainAddress]) -> Vec<&str> {
    list.iter().map(|address| address.email.as_str()).collect()
}

/// JSON text as what it says; text that is no JSON as it stands.
fn parsed(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned()))
}

fn fields(fields: &Fields) -> Json {
    Json::Object(
        fields
            .iter()
            .map(|(name, given)| (name.clone(), value(given)))
            .collect::<Map<_, _>>(),
    )
}

fn value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Flag(flag) => json!(flag),
        Value::Integer(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::At(at) => instant(*at),
        Value::Texts(texts) => json!(texts),
    }
}

fn instant(at: Timestamp) -> Json {
    Json::String(at.to_string())
}
