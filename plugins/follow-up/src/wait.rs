//! A question of ours that waits for an answer, and what ends or moves it.

use liaison_sdk::text::{self, Ask};
use liaison_sdk::{Address, CreateTask, Cx, Message, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Settings;

/// Name of the timer, and key of what is remembered, before the thread's id.
pub const TIMER: &str = "follow-up:";
/// Key under which the threads are found that wait for an address.
const BY_ADDRESS: &str = "waits-for:";
/// Longest subject and question kept, in bytes: what is remembered has to stay under 2 KiB.
const QUOTE_BYTES_MAX: usize = 160;
/// Longest key of the plugin's memory, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// One open question per thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Thread of the question.
    pub thread: String,
    /// Our message that asked.
    pub asked: String,
    /// What it asked.
    pub question: String,
    /// Its subject.
    pub subject: String,
    /// When it was asked.
    pub at: i64,
    /// When to look again.
    pub due: i64,
    /// Addresses of those asked.
    pub people: Vec<String>,
}

impl Wait {
    /// The open question of a thread.
    pub fn of(cx: &Cx<'_, Settings>, thread: &str) -> Result<Option<Wait>> {
        cx.recall(&key(thread))
    }

    /// Begins to wait for an answer to `message`.
    pub fn begin(
        cx: &mut Cx<'_, Settings>,
        message: &Message,
        people: &[&Address],
        ask: &Ask,
    ) -> Result {
        Wait::forget(cx, &message.thread)?;
        let wait = Wait {
            thread: message.thread.clone(),
            asked: message.id.clone(),
            question: text::excerpt(&ask.sentence, QUOTE_BYTES_MAX),
            subject: text::excerpt(&message.subject, QUOTE_BYTES_MAX),
            at: message.date,
            due: cx.after(cx.now(), cx.settings().wait),
            people: people.iter().map(|to| to.email.to_lowercase()).collect(),
        };
        let reason = format!(
            "we asked {}: \"{}\"; look again in {}",
            wait.people.join(", "),
            wait.question,
            cx.settings().wait
        );
        wait.keep(cx, &reason)
    }

    /// Waits the whole time again, for the same answer.
    pub fn begin_anew(mut self, cx: &mut Cx<'_, Settings>) -> Result {
        self.due = cx.after(cx.now(), cx.settings().wait);
        let reason = "we wrote again; the answer to what we asked may take its time anew";
        self.keep(cx, reason)
    }

    fn keep(&self, cx: &mut Cx<'_, Settings>, reason: &str) -> Result {
        cx.remember(&key(&self.thread), self)?;
        for person in &self.people {
            let key = address_key(person, &self.thread);
            if key.len() <= KEY_BYTES_MAX {
                cx.remember(&key, &self.thread)?;
            }
        }
        let payload = json!({ "thread": self.thread, "asked": self.asked });
        cx.set_timer(&key(&self.thread), self.due, &payload, reason)
            .rule("R26");
        Ok(())
    }

    /// Stops waiting, when there is a wait.
    pub fn end(cx: &mut Cx<'_, Settings>, thread: &str, reason: &str) -> Result {
        if Wait::forget(cx, thread)?.is_some() {
            cx.cancel_timer(&key(thread), reason).rule("R26");
        }
        Ok(())
    }

    /// Forgets the open question of a thread and returns it.
    pub fn forget(cx: &Cx<'_, Settings>, thread: &str) -> Result<Option<Wait>> {
        let wait = Wait::of(cx, thread)?;
        if let Some(wait) = &wait {
            cx.forget(&key(thread))?;
            for person in &wait.people {
                let key = address_key(person, thread);
                if key.len() <= KEY_BYTES_MAX {
                    cx.forget(&key)?;
                }
            }
        }
        Ok(wait)
    }
}

fn key(thread: &str) -> String {
    format!("{TIMER}{thread}")
}

fn address_key(person: &str, thread: &str) -> String {
    format!("{BY_ADDRESS}{person}:{thread}")
}

/// The waits that a message from outside may concern: that of its thread, else those for its
/// sender.
fn concerned(cx: &Cx<'_, Settings>, message: &Message) -> Result<Vec<Wait>> {
    if let Some(wait) = Wait::of(cx, &message.thread)? {
        return Ok(vec![wait]);
    }
    let mut waits = Vec::new();
    let prefix = address_key(&message.sender.email.to_lowercase(), "");
    for key in cx.recall_keys(&prefix)? {
        if let Some(thread) = cx.recall::<String>(&key)? {
            waits.extend(Wait::of(cx, &thread)?);
        }
    }
    Ok(waits)
}

/// A person wrote: in the thread, or in a new one about the same thing.
pub fn answered(cx: &mut Cx<'_, Settings>, message: &Message) -> Result {
    let subject = text::base_subject(&message.subject);
    for wait in concerned(cx, message)? {
        let same = wait.thread == message.thread || text::base_subject(&wait.subject) == subject;
        if same {
            let reason = format!("{} answered", message.sender.display());
            Wait::end(cx, &wait.thread, &reason)?;
        }
    }
    Ok(())
}

/// A person is away (the wait moves behind the return) or has left (it ends).
pub fn absent(cx: &mut Cx<'_, Settings>, message: &Message) -> Result {
    let Some(absence) = &message.out_of_office else {
        return Ok(());
    };
    let who = message.sender.display();
    for mut wait in concerned(cx, message)? {
        if absence.left {
            let reason = format!("{who} has left");
            Wait::end(cx, &wait.thread, &reason)?;
            let body = format!(
                "{who} <{}> has left. Open since then: \"{}\" (in \"{}\"). Find the successor and \
                 ask there; no mail goes to the old address.",
                message.sender.email, wait.question, wait.subject
            );
            let task = CreateTask::new(&format!("Find the successor of {who}"), &body);
            cx.task(task, &reason)
                .rule("R26")
                .once(&format!("left:{}", message.sender.email));
            continue;
        }
        // Unreadable: the wait stays as it is, for an absence is no answer.
        let Some(returns) = absence.returns else {
            continue;
        };
        let after_return = cx.world().working_time(returns, 1);
        if after_return > wait.due {
            wait.due = after_return;
            let reason = format!("{who} is away; ask on the day after the return");
            wait.keep(cx, &reason)?;
        }
    }
    Ok(())
}

/// The question never arrived: asking again would not either.
pub fn bounced(cx: &mut Cx<'_, Settings>, message: &Message) -> Result {
    let Some(wait) = Wait::of(cx, &message.thread)? else {
        return Ok(());
    };
    let reason = "our message came back undelivered";
    Wait::end(cx, &wait.thread, reason)?;
    let body = format!(
        "\"{}\" to {} came back: \"{}\". Check the address, or ask by phone: \"{}\"",
        wait.subject,
        wait.people.join(", "),
        text::excerpt(&message.text, QUOTE_BYTES_MAX),
        wait.question
    );
    cx.task(
        CreateTask::new("A question of ours was not delivered", &body),
        reason,
    )
    .rule("R26");
    Ok(())
}
