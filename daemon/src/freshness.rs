//! What is proven to be up to date, what is overdue, and what is in trouble.

mod overdue;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use liaison_core::ids::MailboxId;
use liaison_core::time::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;

use crate::source::{FolderRef, FolderRole};
use overdue::Overdue;

/// What a source is: one of each kind may have the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A mailbox that is watched.
    Mail,
    /// A calendar that is mirrored.
    Calendar,
    /// A way on which mail leaves.
    Transport,
    /// What we do in the folders of a mailbox ourselves: drafts and copies of sent mail.
    Filing,
    /// What leaves by itself, all of it together.
    Outbox,
}

/// The name of the source of kind [`SourceKind::Outbox`].
pub const AUTOMATIC_MAIL: &str = "automatic mail";

impl SourceKind {
    const ALL: [SourceKind; 5] = [
        SourceKind::Mail,
        SourceKind::Calendar,
        SourceKind::Transport,
        SourceKind::Filing,
        SourceKind::Outbox,
    ];

    /// As in `status`, in metrics and in keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SourceKind::Mail => "mail",
            SourceKind::Calendar => "calendar",
            SourceKind::Transport => "transport",
            SourceKind::Filing => "filing",
            SourceKind::Outbox => "outbox",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<SourceKind> {
        SourceKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How one source, or one folder of it, stands.
#[derive(Debug, Clone, Serialize)]
pub struct SourceState {
    /// Name of the mailbox, transport or calendar.
    pub source: String,
    /// What it is.
    pub kind: SourceKind,
    /// Folder of a mailbox, or what is done in one.
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

/// A source that is to be up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// A mailbox or a calendar.
    pub kind: SourceKind,
    /// Name of the mailbox or calendar.
    pub source: String,
    /// How old the last proof may be.
    pub stale_after_ms: i64,
}

/// Something that is not as it should be, and that somebody has to hear of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What it is.
    pub kind: SourceKind,
    /// Name of the mailbox, transport or calendar.
    pub source: String,
    /// Overdue: nothing proves that it is up to date. Otherwise it needs a person.
    pub stale: bool,
    /// In words.
    pub what: String,
}

#[derive(Debug, Default, Clone)]
struct State {
    /// Part of what its source watches from then on.
    named: Option<Timestamp>,
    fresh: Option<(Timestamp, &'static str)>,
    trouble: Option<(String, bool)>,
    /// It worked since the start, and was in no trouble afterwards.
    worked: bool,
    /// Of a mailbox as a whole: when its inbox was proven up to date since the start.
    inbox: Option<Timestamp>,
}

impl State {
    fn trouble(&self) -> Option<&str> {
        self.trouble.as_ref().map(|(what, _)| what.as_str())
    }

    fn needs_person(&self) -> bool {
        self.trouble.as_ref().is_some_and(|(_, person)| *person)
    }
}

/// Kind, name and folder; the folder is empty for the source as a whole.
type Place = (SourceKind, String, String);
type States = BTreeMap<Place, State>;

/// Shared by all sources; read by `status`.
#[derive(Debug, Default)]
pub struct Freshness {
    // Short locks without await; who takes both takes this one first.
    states: Mutex<States>,
    overdue: Mutex<Overdue>,
    /// Told when a source gets into trouble.
    pub changed: Notify,
}

impl Freshness {
    fn lock(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_overdue(&self) -> MutexGuard<'_, Overdue> {
        self.overdue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(
        &self,
        (kind, source): (SourceKind, &str),
        folder: &str,
        change: impl FnOnce(&mut State),
    ) {
        let mut states = self.lock();
        let place = (kind, source.to_owned(), folder.to_owned());
        change(states.entry(place).or_default());
    }

    /// A folder was proven up to date. The inbox proves that its mailbox can be watched, too.
    pub fn mail_proven(&self, folder: &FolderRef, at: Timestamp, proof: &'static str) {
        self.folder_proven(&folder.mailbox, &folder.folder, (at, proof));
        if folder.role == FolderRole::Inbox {
            let mailbox = (SourceKind::Mail, folder.mailbox.as_str());
            self.change(mailbox, "", |state| {
                state.trouble = None;
                state.inbox = Some(at);
            });
        }
    }

    /// A folder of a mailbox was proven up to date, whatever it is for. Its own trouble is over,
    /// and that of no other.
    pub fn folder_proven(
        &self,
        mailbox: &MailboxId,
        folder: &str,
        fresh: (Timestamp, &'static str),
    ) {
        self.change((SourceKind::Mail, mailbox.as_str()), folder, |state| {
            state.fresh = Some(fresh);
            state.trouble = None;
        });
    }

    /// A calendar was proven up to date, by what the words say, all but the objects that `unread`
    /// names: for those waiting does not help.
    pub fn calendar_proven(
        &self,
        calendar: &str,
        at: Timestamp,
        proof: &'static str,
        unread: Option<String>,
    ) {
        self.change((SourceKind::Calendar, calendar), "", |state| {
            if let Some(what) = unread
                .as_ref()
                .filter(|_| state.trouble() != unread.as_deref())
            {
                tracing::warn!(%calendar, %what, "calendar object unreadable");
            }
            state.fresh = Some((at, proof));
            state.trouble = unread.map(|what| (what, true));
        });
    }

    /// A mailbox is in trouble, or only `folder` of it. Returns whether that is news.
    pub fn mail_trouble(
        &self,
        mailbox: &MailboxId,
        folder: Option<&str>,
        trouble: (String, bool),
    ) -> bool {
        let mailbox = (SourceKind::Mail, mailbox.as_str());
        self.troubled(mailbox, folder.unwrap_or_default(), trouble)
    }

    /// A calendar is in trouble. Returns whether that is news.
    pub fn calendar_trouble(&self, calendar: &str, what: String, needs_person: bool) -> bool {
        self.troubled((SourceKind::Calendar, calendar), "", (what, needs_person))
    }

    /// A transport is in trouble. Returns whether that is news.
    pub fn transport_trouble(&self, transport: &str, what: String, needs_person: bool) -> bool {
        self.troubled((SourceKind::Transport, transport), "", (what, needs_person))
    }

    /// What `work` does in a folder of the mailbox waits for a person. Returns whether that is
    /// news.
    pub fn filing_trouble(&self, mailbox: &MailboxId, work: &str, what: String) -> bool {
        self.troubled((SourceKind::Filing, mailbox.as_str()), work, (what, true))
    }

    fn troubled(&self, source: (SourceKind, &str), folder: &str, trouble: (String, bool)) -> bool {
        let mut news = false;
        self.change(source, folder, |state| {
            let trouble = Some(trouble);
            news = state.trouble != trouble;
            state.trouble = trouble;
            state.worked = false;
        });
        if news {
            self.changed.notify_one();
        }
        news
    }

    /// A transport works. Returns whether that is news.
    pub fn transport_works(&self, transport: &str) -> bool {
        self.works((SourceKind::Transport, transport), "")
    }

    /// `work` in a folder of the mailbox was done. Returns whether that is news.
    pub fn filing_works(&self, mailbox: &MailboxId, work: &str) -> bool {
        self.works((SourceKind::Filing, mailbox.as_str()), work)
    }

    /// The circuit breaker holds what leaves by itself. Returns whether that is news.
    pub fn breaker_trips(&self, what: String) -> bool {
        let source = (SourceKind::Outbox, AUTOMATIC_MAIL);
        let before = {
            let states = self.lock();
            of_source(&states, source.0, source.1).any(|(_, state)| state.trouble.is_some())
        };
        // The count in the words changes with each mail; it is one trip.
        !before && self.troubled(source, "", (what, true))
    }

    /// The circuit breaker holds nothing. Returns whether that is news.
    pub fn breaker_rests(&self) -> bool {
        self.works((SourceKind::Outbox, AUTOMATIC_MAIL), "")
    }

    fn works(&self, source: (SourceKind, &str), folder: &str) -> bool {
        let mut news = false;
        self.change(source, folder, |state| {
            news = state.trouble.take().is_some();
            state.worked = true;
        });
        news
    }

    /// Whether something that is proven only by its use worked since the start.
    #[must_use]
    pub fn has_worked(&self, kind: SourceKind, source: &str) -> bool {
        let states = self.lock();
        of_source(&states, kind, source).any(|(_, state)| state.worked)
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
            // Written down while the clock was ahead.
            let at = (*at).min(now);
            self.change((source.kind, &source.source), folder, |state| {
                state.fresh.get_or_insert((at, "before the last start"));
            });
        }
        *self.lock_overdue() = Overdue::new(watched, now, not_before);
    }

    /// After a pause of the whole machine: everything gets until `not_before` to prove itself.
    pub fn not_overdue_before(&self, not_before: Timestamp) {
        self.lock_overdue().not_before(not_before);
    }

    /// The clock was ahead and is `now` right: no proof is younger than now, and everything gets
    /// until `not_before` to prove itself.
    pub fn set_back(&self, now: Timestamp, not_before: Timestamp) {
        for state in self.lock().values_mut() {
            state.named = state.named.map(|at| at.min(now));
            state.fresh = state.fresh.map(|(at, proof)| (at.min(now), proof));
            state.inbox = state.inbox.map(|at| at.min(now));
        }
        self.lock_overdue().set_back(now, not_before);
    }

    /// Whether the time to prove themselves is over that all sources have after a start.
    #[must_use]
    pub fn is_settled(&self, now: Timestamp) -> bool {
        self.lock_overdue().is_settled(now)
    }

    /// The folders that a mailbox has now. Each has to prove itself from `now` on; what is known of
    /// others of it is forgotten.
    pub fn folders(&self, mailbox: &MailboxId, folders: &[&str], now: Timestamp) {
        let mut states = self.lock();
        let names: BTreeSet<&str> = folders.iter().copied().collect();
        states.retain(|(kind, source, folder), _| {
            (*kind, source.as_str()) != (SourceKind::Mail, mailbox.as_str())
                || folder.is_empty()
                || names.contains(folder.as_str())
        });
        for folder in names {
            let place = (SourceKind::Mail, mailbox.0.clone(), folder.to_owned());
            states.entry(place).or_default().named.get_or_insert(now);
        }
    }

    /// What somebody has to hear of: troubles that need a person, and sources that are overdue. A
    /// source that is both is in it twice.
    #[must_use]
    pub fn faults(&self, now: Timestamp) -> Vec<Fault> {
        let states = self.lock();
        let mut faults = Vec::new();
        for ((kind, source, _), state) in states.iter() {
            if let Some((what, true)) = &state.trouble {
                faults.push(Fault {
                    kind: *kind,
                    source: source.clone(),
                    stale: false,
                    what: what.clone(),
                });
            }
        }
        let overdue = self.lock_overdue();
        if overdue.is_settled(now) {
            faults.extend(overdue.faults(&states, now));
        }
        faults
    }

    /// Whether an answer may lie in a watched mailbox that nobody has seen yet, of the counterpart or of
    /// one of us: its inbox or another folder that is watched was not proven up to date since the
    /// start, or not within the time it has for that.
    #[must_use]
    pub fn may_hide_an_answer(&self, mailbox: &MailboxId, now: Timestamp) -> bool {
        let states = self.lock();
        let of_mailbox = (SourceKind::Mail, mailbox.0.clone(), String::new());
        let inbox = states.get(&of_mailbox).and_then(|state| state.inbox);
        let folders = of_source(&states, SourceKind::Mail, mailbox.as_str());
        let watched = folders.filter(|(folder, state)| !folder.is_empty() && state.named.is_some());
        let mut proofs =
            std::iter::once(inbox).chain(watched.map(|(_, state)| state.fresh.map(|(at, _)| at)));
        let limit = self
            .lock_overdue()
            .limit(SourceKind::Mail, mailbox.as_str());
        limit.is_some_and(|limit| proofs.any(|proof| proof.is_none_or(|at| now.since(at) > limit)))
    }

    /// How a mailbox stands now, if it or a folder of it is in trouble.
    #[must_use]
    pub fn trouble_of(&self, mailbox: &MailboxId) -> Option<String> {
        let states = self.lock();
        let mut own = of_source(&states, SourceKind::Mail, mailbox.as_str());
        own.find_map(|(_, state)| state.trouble().map(str::to_owned))
    }

    /// All sources of which something is known.
    #[must_use]
    pub fn list(&self) -> Vec<SourceState> {
        let states = self.lock();
        let known = states
            .iter()
            .filter(|(_, state)| state.fresh.is_some() || state.trouble.is_some());
        known
            .map(|((kind, source, folder), state)| SourceState {
                source: source.clone(),
                kind: *kind,
                folder: (!folder.is_empty()).then(|| folder.clone()),
                fresh_at: state.fresh.map(|(at, _)| at),
                proof: state.fresh.map(|(_, proof)| proof.to_owned()),
                trouble: state.trouble().map(str::to_owned),
                needs_person: state.needs_person(),
            })
            .collect()
    }

    /// The proofs of one source by folder; a calendar has one without name.
    #[must_use]
    pub fn proofs(&self, kind: SourceKind, source: &str) -> Vec<(String, Timestamp)> {
        let states = self.lock();
        of_source(&states, kind, source)
            .filter_map(|(folder, state)| Some((folder.to_owned(), state.fresh?.0)))
            .collect()
    }
}

/// The states of one source by folder: with thousands of them nobody may go through all for each.
fn of_source<'s>(
    states: &'s States,
    kind: SourceKind,
    source: &str,
) -> impl Iterator<Item = (&'s str, &'s State)> {
    let from = (kind, source.to_owned(), String::new());
    let name = source.to_owned();
    states
        .range(from..)
        .take_while(move |((of, source, _), _)| *of == kind && *source == name)
        .map(|((_, _, folder), state)| (folder.as_str(), state))
}

#[cfg(test)]
mod tests;
