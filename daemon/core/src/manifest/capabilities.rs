//! What a manifest asks for, in plain words, for the person who installs it.

use super::{CalendarGrant, EventKind, Manifest, MessageGrant, ProposalGrant, Recipients};

impl Manifest {
    /// One phrase per capability: first what it is told, then what it reads, then what it may
    /// propose with the author's reason.
    #[must_use]
    pub fn capabilities(&self) -> Vec<String> {
        let mut said = Vec::new();
        said.extend(self.events.subscribe.iter().map(|kind| self.told(*kind)));
        said.extend(self.read_phrases());
        said.extend(
            self.proposals
                .iter()
                .map(|(kind, grant)| self.may_propose(kind, grant)),
        );
        said
    }

    fn told(&self, kind: EventKind) -> String {
        match kind {
            EventKind::MessageReceived => {
                format!(
                    "is told of {} messages that arrive",
                    self.events.classes.join(", ")
                )
            }
            EventKind::MessageSent => "is told of messages that we sent".to_owned(),
            EventKind::TimerFired => "is woken by its own timers".to_owned(),
            EventKind::EffectSettled => "is told what became of its proposals".to_owned(),
            EventKind::Meeting => "is told of meetings: when one was made, moved, called off or \
                                   answered, and when it ended"
                .to_owned(),
        }
    }

    fn read_phrases(&self) -> Vec<String> {
        let reads = &self.reads;
        let mut said = vec![match reads.message {
            MessageGrant::Envelope => {
                "reads who wrote to whom, when and with which subject, but no text".to_owned()
            }
            MessageGrant::Text => {
                format!(
                    "reads the text of messages, up to {}",
                    size(u64::from(reads.text_limit))
                )
            }
        }];
        if !reads.headers.is_empty() {
            said.push(format!("reads the headers {}", reads.headers.join(", ")));
        }
        for (kind, fields) in &reads.records {
            said.push(format!("reads of each {kind}: {}", fields.join(", ")));
        }
        match reads.calendars {
            CalendarGrant::None => {}
            CalendarGrant::Busy => said.push("sees when our people are busy, not with what".into()),
            CalendarGrant::Events => said.push("reads the events in our calendars".into()),
        }
        said
    }

    fn may_propose(&self, kind: &str, grant: &ProposalGrant) -> String {
        let what = match kind {
            "email" => match grant.recipients.unwrap_or_default() {
                Recipients::Thread => "e-mail to people in the thread".to_owned(),
                Recipients::Account => {
                    "e-mail to people in the thread and contacts of the account".to_owned()
                }
                Recipients::Any => "e-mail to anybody".to_owned(),
            },
            "hold" => "tentative holds in our calendars".to_owned(),
            "release-holds" => "giving up its own holds".to_owned(),
            "create-case" => format!("new cases ({})", self.kinds()),
            "update-case" => format!("changes of its cases ({})", self.kinds()),
            "create-task" => "tasks for our people".to_owned(),
            "set-timer" => "timers that wake it".to_owned(),
            "cancel-timer" => "cancelling its timers".to_owned(),
            "tag-message" => "tags on messages".to_owned(),
            "notify" => "notifications to our people".to_owned(),
            "change-mailbox" => {
                "flags, keywords, labels and folders of messages, as far as `mailbox` of its \
                 [[plugin]] names them"
                    .to_owned()
            }
            other => format!("`{other}`"),
        };
        let max = grant
            .max
            .map(|max| format!(", at most {max} at a time"))
            .unwrap_or_default();
        format!("may propose {what}{max}: {}", grant.why)
    }

    fn kinds(&self) -> String {
        self.cases
            .iter()
            .map(|case| case.kind.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn size(bytes: u64) -> String {
    if bytes >= 1024 && bytes.is_multiple_of(1024) {
        format!("{} KiB", bytes >> 10)
    } else {
        format!("{bytes} bytes")
    }
}
