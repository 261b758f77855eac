//! What is proven to be up to date, and what is in trouble.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use liaison_core::ids::MailboxId;
use liaison_core::time::Timestamp;
use serde::Serialize;

use crate::source::FolderRef;

/// How one source stands.
#[derive(Debug, Clone, Serialize)]
pub struct SourceState {
    /// Name of the mailbox, transport or calendar.
    pub source: String,
    /// `mail` or `calendar`: one of each may have the same name.
    pub kind: &'static str,
    /// Folder of a mailbox.
    pub folder: Option<String>,
    /// Proven up to date at ...
    pub fresh_at: Option<Timestamp>,
    /// ... by ...
    pub proof: Option<String>,
    /// What is wrong now.
    pub trouble: Option<String>,
    /// Waiting will not mend it.
    pub needs_person: bool,
}

/// In the place of a folder's name, which never has a NUL.
const CALENDAR: &str = "\0calendar";

#[derive(Debug, Default, Clone)]
struct State {
    fresh: Option<(Timestamp, &'static str)>,
    trouble: Option<(String, bool)>,
}

impl State {
    fn unread(&self) -> Option<&str> {
        self.trouble.as_ref().map(|(what, _)| what.as_str())
    }
}

/// Shared by all sources; read by `status`.
#[derive(Debug, Default)]
pub struct Freshness {
    // A short lock without await.
    states: Mutex<BTreeMap<(String, String), State>>,
}

impl Freshness {
    fn change(&self, source: &str, folder: &str, change: impl FnOnce(&mut State)) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        change(
            states
                .entry((source.to_owned(), folder.to_owned()))
                .or_default(),
        );
    }

    /// A folder was proven up to date.
    pub fn mail_proven(&self, folder: &FolderRef, at: Timestamp, proof: &'static str) {
        self.change(folder.mailbox.as_str(), &folder.folder, |state| {
            state.fresh = Some((at, proof));
        });
        self.change(folder.mailbox.as_str(), "", |state| state.trouble = None);
    }

    /// A calendar was proven up to date, all but the objects that `unread` names: for those
    /// waiting does not help.
    pub fn calendar_proven(&self, calendar: &str, at: Timestamp, unread: Option<String>) {
        self.change(calendar, CALENDAR, |state| {
            if let Some(what) = unread
                .as_ref()
                .filter(|_| state.unread() != unread.as_deref())
            {
                tracing::warn!(%calendar, %what, "calendar object unreadable");
            }
            *state = State {
                fresh: Some((at, "collection compared")),
                trouble: unread.map(|what| (what, true)),
            };
        });
    }

    /// A mailbox or transport is in trouble. Returns whether that is news.
    pub fn trouble(&self, source: &str, what: String, needs_person: bool) -> bool {
        self.troubled(source, "", (what, needs_person))
    }

    /// A calendar is in trouble. Returns whether that is news.
    pub fn calendar_trouble(&self, calendar: &str, what: String, needs_person: bool) -> bool {
        self.troubled(calendar, CALENDAR, (what, needs_person))
    }

    fn troubled(&self, source: &str, place: &str, trouble: (String, bool)) -> bool {
        let mut news = false;
        self.change(source, place, |state| {
            let trouble = Some(trouble);
            news = state.trouble != trouble;
            state.trouble = trouble;
        });
        news
    }

    /// What was in trouble works again. Returns whether that is news.
    pub fn mended(&self, source: &str) -> bool {
        let mut news = false;
        self.change(source, "", |state| news = state.trouble.take().is_some());
        news
    }

    /// How a mailbox stands now, if it is in trouble.
    #[must_use]
    pub fn trouble_of(&self, mailbox: &MailboxId) -> Option<String> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.get(&(mailbox.0.clone(), String::new()))?;
        state.trouble.as_ref().map(|(what, _)| what.clone())
    }

    /// All sources.
    #[must_use]
    pub fn list(&self) -> Vec<SourceState> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states
            .iter()
            .filter(|(_, state)| state.fresh.is_some() || state.trouble.is_some())
            .map(|((source, folder), state)| SourceState {
                source: source.clone(),
                kind: if folder == CALENDAR {
                    "calendar"
                } else {
                    "mail"
                },
                folder: (!folder.is_empty() && folder != CALENDAR).then(|| folder.clone()),
                fresh_at: state.fresh.map(|(at, _)| at),
                proof: state.fresh.map(|(_, proof)| proof.to_owned()),
                trouble: state.trouble.as_ref().map(|(what, _)| what.clone()),
                needs_person: state.trouble.as_ref().is_some_and(|(_, person)| *person),
            })
            .collect()
    }
}
