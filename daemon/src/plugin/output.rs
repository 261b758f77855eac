//! Bounds of what a plugin may return, before anybody looks at what it means.

use std::collections::BTreeSet;

use liaison_core::mailbox::MailboxChange;
use liaison_core::proposal::{Action, Content, Fields, PlainAddress, Proposal, Value};

/// Bytes that may cross the border in one call of a host function, or as the answer.
pub(super) const CROSSING_BYTES: usize = 2 << 20;
/// Bytes of all texts of one answer together.
const ANSWER_BYTES: usize = 1 << 20;
/// Bytes of a label.
const LABEL_BYTES: usize = 64;
/// Bytes of a short text: a title, a name, an address.
const LINE_BYTES: usize = 1 << 10;
/// Bytes of a long text: a mail, a note, a template's variables.
const BODY_BYTES: usize = 64 << 10;
/// Bytes of a timer's payload: it is kept in one value of the store.
const PAYLOAD_BYTES: usize = 2 << 10;
/// Bytes of one field of a case.
const FIELD_BYTES: usize = 4 << 10;
/// Recipients, tags, fields, points of a checklist in one proposal.
const LIST_MAX: usize = 100;

/// The first thing wrong with an answer, in a sentence.
pub(super) fn check(proposals: &[Proposal], most: u32) -> Result<(), String> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if proposals.len() > most {
        return Err(format!(
            "it returned {} proposals, {most} are allowed (`limits.proposals`)",
            proposals.len()
        ));
    }
    let mut labels = BTreeSet::new();
    let mut total = 0_usize;
    for proposal in proposals {
        check_label(&proposal.label)?;
        if !labels.insert(proposal.label.as_str()) {
            return Err(format!("two proposals have the label `{}`", proposal.label));
        }
        let mut gauge = Gauge {
            label: &proposal.label,
            total: 0,
            wrong: None,
        };
        gauge.proposal(proposal);
        if let Some(wrong) = gauge.wrong {
            return Err(wrong);
        }
        total = total.saturating_add(gauge.total);
    }
    if total > ANSWER_BYTES {
        return Err(format!(
            "its answer has {total} bytes of text, {ANSWER_BYTES} are allowed"
        ));
    }
    Ok(())
}

fn check_label(label: &str) -> Result<(), String> {
    let fits = (1..=LABEL_BYTES).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits {
        return Ok(());
    }
    let shown: String = label.chars().take(LABEL_BYTES).collect();
    Err(format!(
        "the label {shown:?} is not made of a-z, 0-9 and -, at most {LABEL_BYTES} of them"
    ))
}

/// Measures the texts of one proposal and remembers the first that is too long.
struct Gauge<'a> {
    label: &'a str,
    total: usize,
    wrong: Option<String>,
}

impl Gauge<'_> {
    fn text(&mut self, what: &str, text: &str, most: usize) {
        self.total = self.total.saturating_add(text.len());
        if text.len() > most && self.wrong.is_none() {
            let (label, len) = (self.label, text.len());
            self.wrong = Some(format!(
                "`{label}`: {what} has {len} bytes, {most} are allowed"
            ));
        }
    }

    fn line(&mut self, what: &str, text: &str) {
        self.text(what, text, LINE_BYTES);
    }

    fn maybe(&mut self, what: &str, text: Option<&String>) {
        if let Some(text) = text {
            self.line(what, text);
        }
    }

    fn count(&mut self, what: &str, count: usize) {
        if count > LIST_MAX && self.wrong.is_none() {
            let label = self.label;
            self.wrong = Some(format!("`{label}`: {count} {what}, {LIST_MAX} are allowed"));
        }
    }

    fn lines(&mut self, what: &str, list: &[String]) {
        self.count(what, list.len());
        for one in list {
            self.line(what, one);
        }
    }

    fn proposal(&mut self, proposal: &Proposal) {
        self.line("the reason", &proposal.reason);
        self.maybe("the rule", proposal.rule.as_ref());
        self.maybe("`once`", proposal.once.as_ref());
        self.action(&proposal.action);
    }

    fn action(&mut self, action: &Action) {
        match action {
            Action::Email(mail) => {
                self.addresses(&mail.to);
                self.addresses(&mail.cc);
                self.maybe("the subject", mail.subject.as_ref());
                match &mail.content {
                    Content::Text(text) => self.text("the text", text, BODY_BYTES),
                    Content::Template { name, variables } => {
                        self.line("the template's name", name);
                        self.text("the template's variables", variables, BODY_BYTES);
                    }
                }
                self.lines("attachments", &mail.attach);
                self.lines("required holds", &mail.requires);
            }
            Action::Hold(hold) => {
                self.line("the title", &hold.title);
                self.maybe("the zone", hold.zone.as_ref());
                self.maybe("the owner", hold.owner.as_ref());
                self.line("the group", &hold.group);
                self.text("the note", &hold.note, BODY_BYTES);
            }
            Action::CreateCase(case) => {
                self.line("the kind", &case.kind);
                self.line("the title", &case.title);
                self.maybe("the state", case.state.as_ref());
                self.fields(&case.fields);
            }
            Action::UpdateCase(case) => {
                self.line("the id", case.id.as_str());
                self.maybe("the state", case.state.as_ref());
                self.fields(&case.set);
            }
            Action::CreateTask(task) => {
                self.line("the title", &task.title);
                self.text("the body", &task.body, BODY_BYTES);
                self.lines("points of the checklist", &task.checklist);
                self.maybe("the owner", task.owner.as_ref());
            }
            Action::SetTimer(timer) => {
                self.line("the timer's name", &timer.name);
                self.text("the timer's payload", &timer.payload, PAYLOAD_BYTES);
            }
            Action::TagMessage(tag) => {
                self.line("the message's id", tag.message.as_str());
                self.lines("tags", &tag.add);
                self.lines("tags", &tag.remove);
            }
            Action::Notify(note) => {
                self.text("the text", &note.text, BODY_BYTES);
                self.maybe("the recipient", note.to.as_ref());
            }
            Action::ChangeMailbox(change) => match change {
                MailboxChange::Flag { .. } => {}
                MailboxChange::Keyword { keyword, .. } => self.line("the keyword", keyword),
                MailboxChange::Move(name) | MailboxChange::Label(name) => {
                    self.line("the name", name);
                }
            },
            Action::ReleaseHolds(name) | Action::CancelTimer(name) | Action::Extension(name) => {
                self.line("the name", name);
            }
        }
    }

    fn addresses(&mut self, list: &[PlainAddress]) {
        self.count("addresses", list.len());
        for one in list {
            self.maybe("a name", one.name.as_ref());
            self.line("an address", &one.email);
        }
    }

    fn fields(&mut self, fields: &Fields) {
        self.count("fields", fields.len());
        for (name, value) in fields {
            self.line("the name of a field", name);
            match value {
                Value::Text(text) => self.text("a field", text, FIELD_BYTES),
                Value::Texts(texts) => {
                    self.count("texts in a field", texts.len());
                    let bytes: usize = texts.iter().map(String::len).sum();
                    self.total = self.total.saturating_add(bytes);
                    if bytes > FIELD_BYTES && self.wrong.is_none() {
                        let label = self.label;
                        self.wrong = Some(format!(
                            "`{label}`: field `{name}` has {bytes} bytes, {FIELD_BYTES} are allowed"
                        ));
                    }
                }
                Value::Null | Value::Flag(_) | Value::Integer(_) | Value::At(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_core::proposal::{Notify, SetTimer};
    use liaison_core::time::Timestamp;

    fn proposal(label: &str, action: Action) -> Proposal {
        let reason = "because".to_owned();
        Proposal {
            label: label.to_owned(),
            action,
            reason,
            rule: None,
            once: None,
        }
    }

    fn note(label: &str, bytes: usize) -> Proposal {
        let text = "x".repeat(bytes);
        proposal(
            label,
            Action::Notify(Notify {
                text,
                urgent: false,
                to: None,
            }),
        )
    }

    #[test]
    fn an_answer_within_the_bounds_passes_and_each_excess_is_named() {
        let timer = |bytes| {
            let payload = "x".repeat(bytes);
            let timer = SetTimer {
                name: "t".into(),
                due: Timestamp(0),
                payload,
            };
            proposal("t", Action::SetTimer(timer))
        };
        let many: Vec<Proposal> = (0..21).map(|n| note(&format!("n{n}"), 1)).collect();
        let large: Vec<Proposal> = (0..17).map(|n| note(&format!("n{n}"), 64 << 10)).collect();
        let cases: [(&str, Vec<Proposal>, Option<&str>); 8] = [
            (
                "fine",
                vec![note("a", 1), note("b-2", 64 << 10), timer(2048)],
                None,
            ),
            ("too many", many, Some("21 proposals, 20 are allowed")),
            ("too large", large, Some("bytes of text")),
            (
                "twice",
                vec![note("a", 1), note("a", 1)],
                Some("two proposals have the label `a`"),
            ),
            ("no label", vec![note("", 1)], Some("label \"\"")),
            ("shouting", vec![note("Nudge", 1)], Some("label \"Nudge\"")),
            (
                "long text",
                vec![note("a", (64 << 10) + 1)],
                Some("`a`: the text has 65537 bytes"),
            ),
            (
                "long payload",
                vec![timer(2049)],
                Some("payload has 2049 bytes"),
            ),
        ];
        for (what, answer, expected) in cases {
            match (check(&answer, 20), expected) {
                (Ok(()), None) => {}
                (Err(said), Some(part)) => assert!(said.contains(part), "{what}: {said}"),
                (got, _) => panic!("{what}: {got:?}"),
            }
        }
    }
}
