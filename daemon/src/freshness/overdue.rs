//! When a source counts as overdue.

use liaison_core::time::Timestamp;

use super::{Fault, SourceKind, State, States, Watched, of_source};

/// What is to be up to date, and since when it could be.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    watched: Vec<Watched>,
    /// Where no proof is known, as if there had been one now.
    since: Option<Timestamp>,
    /// Nothing is overdue before.
    not_before: Option<Timestamp>,
}

impl Overdue {
    pub(super) fn new(watched: Vec<Watched>, since: Timestamp, not_before: Timestamp) -> Overdue {
        Overdue {
            watched,
            since: Some(since),
            not_before: Some(not_before),
        }
    }

    pub(super) fn not_before(&mut self, not_before: Timestamp) {
        self.not_before = Some(not_before);
    }

    pub(super) fn set_back(&mut self, now: Timestamp, not_before: Timestamp) {
        self.since = self.since.map(|since| since.min(now));
        self.not_before = Some(not_before);
    }

    pub(super) fn is_settled(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|at| now >= at)
    }

    /// How old the last proof of a source may be, in milliseconds; `None` when it is not watched.
    pub(super) fn limit(&self, kind: SourceKind, source: &str) -> Option<i64> {
        let mut watched = self.watched.iter();
        let found = watched.find(|one| one.kind == kind && one.source == source)?;
        Some(found.stale_after_ms)
    }

    /// One for each source that is overdue.
    pub(super) fn faults(&self, states: &States, now: Timestamp) -> Vec<Fault> {
        let overdue = self.watched.iter().filter_map(|watched| {
            Some(Fault {
                kind: watched.kind,
                source: watched.source.clone(),
                stale: true,
                what: self.words(watched, states, now)?,
            })
        });
        overdue.collect()
    }

    /// Why a source is overdue: of its folders the one that was proven longest ago counts. One that
    /// waits for a person is known to stand still.
    fn words(&self, watched: &Watched, states: &States, now: Timestamp) -> Option<String> {
        let since = self.since?;
        let own = || of_source(states, watched.kind, &watched.source);
        if own().any(|(folder, state)| folder.is_empty() && state.needs_person()) {
            return None;
        }
        let parts = own().filter(|(folder, state)| {
            (watched.kind == SourceKind::Calendar || !folder.is_empty()) && !state.needs_person()
        });
        let aged = parts.map(|(folder, state)| Age::of(folder, state, (since, now, watched)));
        // Before the first look nobody knows the folders.
        let known = own().any(|(folder, state)| !folder.is_empty() && state.needs_person());
        let unknown = Age {
            folder: "",
            proven: None,
            ms: now.since(since.min(now)),
        };
        let oldest = match aged.max_by_key(|age| age.ms) {
            None if known => return None,
            oldest => oldest.unwrap_or(unknown),
        };
        if oldest.ms <= watched.stale_after_ms {
            return None;
        }
        let mut troubled = own().filter(|(_, state)| !state.needs_person());
        let trouble = troubled.find_map(|(_, state)| state.trouble());
        Some(oldest.words(watched, trouble))
    }
}

/// How long ago a part of a source was proven.
struct Age<'s> {
    folder: &'s str,
    proven: Option<Timestamp>,
    ms: i64,
}

impl<'s> Age<'s> {
    fn of(
        folder: &'s str,
        state: &State,
        (since, now, watched): (Timestamp, Timestamp, &Watched),
    ) -> Age<'s> {
        // A proof that is further ahead was given by a clock that was ahead: nobody knows when.
        let limit = now.plus_millis(watched.stale_after_ms);
        let proven = state.fresh.map(|(at, _)| at).filter(|at| *at <= limit);
        let from = state.named.map_or(since, |named| named.max(since));
        Age {
            folder,
            proven,
            ms: now.since(proven.unwrap_or(from.min(now))),
        }
    }

    fn words(&self, watched: &Watched, trouble: Option<&str>) -> String {
        let mut words = match self.folder {
            "" => "it is".to_owned(),
            folder => format!("{folder} is"),
        };
        match self.proven {
            Some(at) => words.push_str(&format!(" not proven up to date since {at}")),
            None => words.push_str(" not proven up to date since the start"),
        }
        words.push_str(&format!(
            " ({} s; {} s are allowed)",
            self.ms / 1_000,
            watched.stale_after_ms / 1_000
        ));
        if let Some(trouble) = trouble {
            words.push_str(&format!(": {trouble}"));
        }
        words
    }
}
