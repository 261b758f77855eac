//! What is proven to be up to date, what is overdue, and what is in trouble.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use liaison_core::ids::MailboxId;
use liaison_core::time::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;

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

/// A source that is to be up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// `mail` or `calendar`.
    pub kind: &'static str,
    /// Name of the mailbox or calendar.
    pub source: String,
    /// How old the last proof may be.
    pub stale_after_ms: i64,
}

/// Something that is not as it should be, and that somebody has to hear of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// `mail` or `calendar`; a transport counts as `mail`.
    pub kind: &'static str,
    /// Name of the mailbox, transport or calendar.
    pub source: String,
    /// Overdue: nothing proves that it is up to date. Otherwise it needs a person.
    pub stale: bool,
    /// In words.
    pub what: String,
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
    // Short locks without await.
    states: Mutex<BTreeMap<(String, String), State>>,
    overdue: Mutex<Overdue>,
    /// Told when a source gets into trouble or out of it.
    pub changed: Notify,
}

/// When a source counts as overdue.
#[derive(Debug, Default)]
struct Overdue {
    watched: Vec<Watched>,
    /// Where no proof is known, as if there had been one now.
    since: Option<Timestamp>,
    /// Nothing is overdue before.
    not_before: Option<Timestamp>,
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
        self.folder_proven(&folder.mailbox, &folder.folder, (at, proof));
    }

    /// A folder of a mailbox was proven up to date, whatever it is for.
    pub fn folder_proven(
        &self,
        mailbox: &MailboxId,
        folder: &str,
        fresh: (Timestamp, &'static str),
    ) {
        self.change(mailbox.as_str(), folder, |state| state.fresh = Some(fresh));
        self.change(mailbox.as_str(), "", |state| state.trouble = None);
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
        if news {
            self.changed.notify_one();
        }
        news
    }

    /// What was in trouble works again. Returns whether that is news.
    pub fn mended(&self, source: &str) -> bool {
        let mut news = false;
        self.change(source, "", |state| news = state.trouble.take().is_some());
        news
    }

    /// These are to be up to date from `now` on; the last proof of each, where one is known from
    /// before. Nothing is overdue before `not_before`.
    pub fn watch(
        &self,
        watched: Vec<Watched>,
        proven: &[(Watched, String, Timestamp)],
        now: Timestamp,
        not_before: Timestamp,
    ) {
        for (source, folder, at) in proven {
            let folder = match source.kind {
                "calendar" => CALENDAR,
                _ => folder,
            };
            self.change(&source.source, folder, |state| {
                state.fresh.get_or_insert((*at, "before the last start"));
            });
        }
        let mut overdue = self.overdue.lock().unwrap_or_else(PoisonError::into_inner);
        *overdue = Overdue {
            watched,
            since: Some(now),
            not_before: Some(not_before),
        };
    }

    /// After a pause of the whole machine: everything gets until `not_before` to prove itself.
    pub fn not_overdue_before(&self, not_before: Timestamp) {
        let mut overdue = self.overdue.lock().unwrap_or_else(PoisonError::into_inner);
        overdue.not_before = Some(not_before);
    }

    /// Whether the time to prove themselves is over that all sources have after a start.
    #[must_use]
    pub fn is_settled(&self, now: Timestamp) -> bool {
        let overdue = self.overdue.lock().unwrap_or_else(PoisonError::into_inner);
        overdue.not_before.is_none_or(|at| now >= at)
    }

    /// The folders that a mailbox has now; what is known of others of it is forgotten.
    pub fn folders(&self, mailbox: &MailboxId, folders: &[&str]) {
        let folders: BTreeSet<&str> = folders.iter().copied().collect();
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.retain(|(source, folder), _| {
            source != mailbox.as_str()
                || folder.is_empty()
                || folder == CALENDAR
                || folders.contains(folder.as_str())
        });
    }

    /// What somebody has to hear of: sources that are overdue, and troubles that need a person.
    #[must_use]
    pub fn faults(&self, now: Timestamp) -> Vec<Fault> {
        let sources = self.list();
        let mut faults = Vec::new();
        for state in sources.iter().filter(|state| state.needs_person) {
            let trouble = state.trouble.as_deref().unwrap_or_default();
            faults.push(Fault {
                kind: state.kind,
                source: state.source.clone(),
                stale: false,
                what: trouble.to_owned(),
            });
        }
        let overdue = self.overdue.lock().unwrap_or_else(PoisonError::into_inner);
        if overdue.not_before.is_some_and(|at| now < at) {
            return faults;
        }
        for watched in &overdue.watched {
            let of_source = |state: &&SourceState| {
                (state.kind, state.source.as_str()) == (watched.kind, watched.source.as_str())
            };
            let states: Vec<&SourceState> = sources.iter().filter(of_source).collect();
            let known = states.iter().any(|state| state.needs_person);
            if let Some(what) = overdue.words(watched, &states, now).filter(|_| !known) {
                faults.push(Fault {
                    kind: watched.kind,
                    source: watched.source.clone(),
                    stale: true,
                    what,
                });
            }
        }
        faults
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

impl Overdue {
    /// Why a source is overdue: of its folders the one that was proven longest ago counts.
    fn words(&self, watched: &Watched, states: &[&SourceState], now: Timestamp) -> Option<String> {
        let folders = states
            .iter()
            .filter(|state| watched.kind == "calendar" || state.folder.is_some());
        let oldest = folders.min_by_key(|state| state.fresh_at);
        let proven = oldest.and_then(|state| state.fresh_at);
        let age = now.since(proven.or(self.since)?);
        if age <= watched.stale_after_ms {
            return None;
        }
        let mut words = match oldest.and_then(|state| state.folder.as_deref()) {
            Some(folder) => format!("{folder} is"),
            None => "it is".to_owned(),
        };
        match proven {
            Some(at) => words.push_str(&format!(" not proven up to date since {at}")),
            None => words.push_str(" not proven up to date since the start"),
        }
        words.push_str(&format!(
            " ({} s; {} s are allowed)",
            age / 1_000,
            watched.stale_after_ms / 1_000
        ));
        let trouble = states.iter().find_map(|state| state.trouble.as_deref());
        if let Some(trouble) = trouble {
            words.push_str(&format!(": {trouble}"));
        }
        Some(words)
    }
}

#[cfg(test)]
mod tests {
    use liaison_core::ids::MailboxId;

    use super::*;
    use crate::source::FolderRole;

    fn folder(name: &str) -> FolderRef {
        FolderRef {
            mailbox: MailboxId::from("sales"),
            folder: name.to_owned(),
            role: FolderRole::Inbox,
        }
    }

    fn sales() -> Watched {
        Watched {
            kind: "mail",
            source: "sales".to_owned(),
            stale_after_ms: 60_000,
        }
    }

    fn words(freshness: &Freshness, at: i64) -> Vec<String> {
        let faults = freshness.faults(Timestamp(at));
        faults.into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn a_mailbox_is_as_fresh_as_its_oldest_folder() {
        let freshness = Freshness::default();
        freshness.watch(vec![sales()], &[], Timestamp(0), Timestamp(5_000));
        assert!(words(&freshness, 60_000).is_empty());
        let never = words(&freshness, 61_000);
        assert!(never[0].contains("since the start"), "{never:?}");
        freshness.mail_proven(&folder("INBOX"), Timestamp(50_000), "IDLE");
        freshness.mail_proven(&folder("Sent"), Timestamp(10_000), "IDLE");
        let sent = words(&freshness, 71_000);
        assert!(sent[0].starts_with("Sent is not proven"), "{sent:?}");
        freshness.folders(&MailboxId::from("sales"), &["INBOX"]);
        assert!(words(&freshness, 71_000).is_empty(), "it has no Sent now");
        freshness.not_overdue_before(Timestamp(200_000));
        assert!(words(&freshness, 190_000).is_empty(), "just woken up");
        freshness.trouble("sales", "no route".to_owned(), false);
        let late = words(&freshness, 200_000);
        assert!(late[0].ends_with("allowed): no route"), "{late:?}");
    }

    #[test]
    fn what_was_proven_before_the_start_counts_and_a_refusal_is_told_at_once() {
        let freshness = Freshness::default();
        let before = [(sales(), "INBOX".to_owned(), Timestamp(0))];
        freshness.watch(vec![sales()], &before, Timestamp(50_000), Timestamp(55_000));
        assert_eq!(words(&freshness, 61_000).len(), 1);
        freshness.trouble("sales", "the login was refused".to_owned(), true);
        let faults = freshness.faults(Timestamp(52_000));
        assert_eq!(faults.len(), 1);
        assert!(!faults[0].stale && faults[0].what.contains("refused"));
    }
}
