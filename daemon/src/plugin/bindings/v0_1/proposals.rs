//! What a plugin proposes, from the words of 0.1.

use liaison_core::ids::{CaseId, MessageKey};
use liaison_core::mailbox::{MailFlag, MailboxChange};
use liaison_core::proposal::{
    Action, Content, CreateCase, CreateTask, EmailProposal, Fields, HoldProposal, Notify,
    PlainAddress, Proposal, SetTimer, TagMessage, UpdateCase, Value,
};
use liaison_core::time::{Timestamp, Window};

use super::wit::{proposals, types};

pub(super) fn proposal(given: proposals::Proposal) -> Proposal {
    Proposal {
        label: given.label,
        action: action(given.action),
        reason: given.reason,
        rule: given.rule,
        once: given.once,
    }
}

fn action(given: proposals::Action) -> Action {
    match given {
        proposals::Action::Email(mail) => Action::Email(email(mail)),
        proposals::Action::Hold(wanted) => Action::Hold(hold(wanted)),
        proposals::Action::ReleaseHolds(group) => Action::ReleaseHolds(group),
        proposals::Action::CreateCase(case) => Action::CreateCase(CreateCase {
            kind: case.kind,
            title: case.title,
            state: case.state,
            fields: fields(case.fields),
        }),
        proposals::Action::UpdateCase(case) => Action::UpdateCase(UpdateCase {
            id: CaseId(case.id),
            if_revision: case.if_revision,
            state: case.state,
            set: fields(case.set),
        }),
        proposals::Action::CreateTask(task) => Action::CreateTask(CreateTask {
            title: task.title,
            body: task.body,
            checklist: task.checklist,
            due: task.due.map(Timestamp),
            owner: task.owner,
        }),
        proposals::Action::SetTimer(timer) => Action::SetTimer(SetTimer {
            name: timer.name,
            due: Timestamp(timer.due),
            payload: timer.payload,
        }),
        proposals::Action::CancelTimer(name) => Action::CancelTimer(name),
        proposals::Action::TagMessage(tag) => Action::TagMessage(TagMessage {
            message: MessageKey(tag.message),
            add: tag.add,
            remove: tag.remove,
        }),
        proposals::Action::Notify(note) => Action::Notify(Notify {
            text: note.text,
            urgent: note.urgent,
            to: note.to,
        }),
        proposals::Action::ChangeMailbox(change) => Action::ChangeMailbox(mailbox(change)),
        proposals::Action::Extension(extension) => Action::Extension(extension.kind),
    }
}

fn mailbox(change: proposals::MailboxChange) -> MailboxChange {
    match change {
        proposals::MailboxChange::Flag(change) => MailboxChange::Flag {
            flag: match change.flag {
                proposals::MailFlag::Seen => MailFlag::Seen,
                proposals::MailFlag::Flagged => MailFlag::Flagged,
                proposals::MailFlag::Answered => MailFlag::Answered,
            },
            on: change.on,
        },
        proposals::MailboxChange::Keyword(change) => MailboxChange::Keyword {
            keyword: change.keyword,
            on: change.on,
        },
        proposals::MailboxChange::Move(folder) => MailboxChange::Move(folder),
        proposals::MailboxChange::Label(label) => MailboxChange::Label(label),
    }
}

fn email(mail: proposals::Email) -> EmailProposal {
    EmailProposal {
        in_reply_to: mail.in_reply_to.map(MessageKey),
        to: addresses(mail.to),
        cc: addresses(mail.cc),
        subject: mail.subject,
        content: match mail.content {
            proposals::Content::Text(text) => Content::Text(text),
            proposals::Content::Template(template) => Content::Template {
                name: template.name,
                variables: template.variables,
            },
        },
        attach: mail.attach,
        not_before: mail.not_before.map(Timestamp),
        cancel_on_reply: mail.cancel_on_reply,
        requires: mail.requires,
    }
}

fn hold(wanted: proposals::Hold) -> HoldProposal {
    HoldProposal {
        title: wanted.title,
        when: window(wanted.when),
        zone: wanted.zone,
        owner: wanted.owner,
        group: wanted.group,
        note: wanted.note,
        expires: wanted.expires.map(Timestamp),
    }
}

fn addresses(list: Vec<types::Address>) -> Vec<PlainAddress> {
    list.into_iter()
        .map(|one| PlainAddress {
            name: one.name,
            email: one.email,
        })
        .collect()
}

pub(super) fn window(given: types::Window) -> Window {
    Window {
        start: Timestamp(given.start),
        end: Timestamp(given.end),
    }
}

fn fields(list: Vec<types::Field>) -> Fields {
    list.into_iter()
        .map(|field| (field.name, value(field.value)))
        .collect()
}

pub(super) fn value(given: types::Value) -> Value {
    match given {
        types::Value::Null => Value::Null,
        types::Value::Flag(flag) => Value::Flag(flag),
        types::Value::Integer(number) => Value::Integer(number),
        types::Value::Text(text) => Value::Text(text),
        types::Value::At(instant) => Value::At(Timestamp(instant)),
        types::Value::Texts(texts) => Value::Texts(texts),
    }
}
