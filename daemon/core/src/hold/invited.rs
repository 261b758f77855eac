//! A customer's own invitation over times that are held for them: a person decides.

use crate::effect::{Cause, HoldEffect};
use crate::ids::{HoldGroupId, TaskId, derive};
use crate::mail::address::clean_text;
use crate::message::cut_text;
use crate::records::{TITLE_CHARS_MAX, TaskRecord};
use crate::time::Timestamp;

/// Most holds that a task names.
const NAMED_MAX: usize = 10;

/// An event in one of our calendars that somebody else organises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its UID.
    pub uid: String,
    /// Who organises it.
    pub organizer: String,
    /// What it is called.
    pub summary: String,
    /// When it begins.
    pub start: Timestamp,
}

impl Invitation {
    /// Id of the task about it: one for each group and event.
    #[must_use]
    pub fn task_id(&self, group: &HoldGroupId) -> TaskId {
        let parts = [group.as_str().as_bytes(), self.uid.as_bytes()];
        let id = derive("liaison hold invited 1", &parts);
        TaskId(format!("task-{}", id.get(..16).unwrap_or(&id)))
    }

    /// The task: what they sent may be their answer, and then our times are in the way.
    #[must_use]
    pub fn task(
        &self,
        over: &HoldEffect,
        open: &[HoldEffect],
        owner: Option<&str>,
        now: Timestamp,
    ) -> TaskRecord {
        let cause = Cause {
            label: "invited".to_owned(),
            reason: format!(
                "{} organises an event over the hold {} that stands for them",
                self.organizer, over.id
            ),
            ..over.cause.clone()
        };
        let who = clean_text(&self.organizer);
        let summary = clean_text(&self.summary);
        let title = format!("{who} invites: `{summary}`, over a time held for them");
        let mut body = format!(
            "`{summary}` begins at {}; held is {} (`{}`).\n\
             If that is their answer, keep theirs and give up the times that were offered:\n",
            self.start, over.when.start, over.title
        );
        for hold in open.iter().take(NAMED_MAX) {
            let line = format!(
                "`liaison holds release {}` ({})\n",
                hold.id, hold.when.start
            );
            body.push_str(&line);
        }
        body.push_str("Else nothing need be done: what nobody chooses expires by itself.\n");
        TaskRecord {
            title: cut_text(&title, TITLE_CHARS_MAX),
            body,
            owner: owner.map(str::to_owned),
            ..TaskRecord::new(self.task_id(&over.group), cause, now)
        }
    }
}
