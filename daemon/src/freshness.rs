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
    /// Mailbox or calendar.
    pub source: String,
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
        self.change(calendar, "", |state| {
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

    /// A mailbox or calendar is in trouble. Returns whether that is news.
    pub fn trouble(&self, source: &str, what: String, needs_person: bool) -> bool {
        let mut news = false;
        self.change(source, "", |state| {
            let trouble = Some((what, needs_person));
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
                folder: (!folder.is_empty()).then(|| folder.clone()),
                fresh_at: state.fresh.map(|(at, _)| at),
                proof: state.fresh.map(|(_, proof)| proof.to_owned()),
                trouble: state.trouble.as_ref().map(|(what, _)| what.clone()),
                needs_person: state.trouble.as_ref().is_some_and(|(_, person)| *person),
            })
            .collect()
    }
}
