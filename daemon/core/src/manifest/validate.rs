//! Checks of a manifest that parse errors do not cover, and the hint for misspelt names.

use std::ops::RangeInclusive;

use super::case::duplicates;
use super::{
    ACTION_KINDS, CLASSES, CONTRACT, CalendarGrant, DECLARATIONS_CEILING, EventKind, FUEL_CEILING,
    HEADERS_CEILING, MANIFEST_FORMAT, MEMORY_CEILING, MEMORY_FLOOR, Manifest, PROPOSALS_CEILING,
    Problem, READS_CEILING, TEXT_LIMIT_CEILING,
};

/// Most bytes of a plugin's or case kind's name.
const NAME_BYTES: usize = 64;

impl Manifest {
    /// Everything that is wrong with it, all at once; empty when it can be used.
    #[must_use]
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(self.check_identity());
        problems.extend(self.check_events());
        problems.extend(self.check_reads());
        problems.extend(self.check_proposals());
        problems.extend(self.check_limits());
        let kinds = self.cases.iter().map(|case| case.kind.as_str());
        problems.extend(duplicates(kinds, "case"));
        problems.extend(self.cases.iter().flat_map(super::CaseKind::validate));
        let names = self.settings.iter().map(|setting| setting.name.as_str());
        problems.extend(duplicates(names, "setting"));
        problems.extend(self.settings.iter().filter_map(super::Setting::validate));
        problems
    }

    fn check_identity(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.manifest != MANIFEST_FORMAT {
            let said = format!(
                "format {} is not known; write {MANIFEST_FORMAT}",
                self.manifest
            );
            problems.push(Problem::new("manifest", said));
        }
        let plugin = &self.plugin;
        if !is_name(&plugin.name) {
            problems.push(Problem::new(
                "plugin.name",
                "use a-z, 0-9 and -, at most 64 of them",
            ));
        }
        for (at, text) in [
            ("plugin.version", &plugin.version),
            ("plugin.summary", &plugin.summary),
        ] {
            if text.trim().is_empty() {
                problems.push(Problem::new(at, "must not be empty"));
            }
        }
        if plugin.requires > CONTRACT || !plugin.requires.same_generation(CONTRACT) {
            let said = format!(
                "it needs contract {}, this daemon speaks {CONTRACT}: install a daemon that \
                 speaks {0} or a build of the plugin for {CONTRACT}",
                plugin.requires
            );
            problems.push(Problem::new("plugin.requires", said));
        }
        problems
    }

    fn check_events(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.events.subscribe.is_empty() {
            let said = "subscribe to at least one kind of event, or it is never called";
            problems.push(Problem::new("events.subscribe", said));
        }
        for class in &self.events.classes {
            if !CLASSES.contains(&class.as_str()) {
                let hint = did_you_mean(class, CLASSES.into_iter());
                problems.push(Problem::new(
                    "events.classes",
                    format!("no class `{class}`{hint}"),
                ));
            }
        }
        let received = self.events.subscribe.contains(&EventKind::MessageReceived);
        if received && self.events.classes.is_empty() {
            let said = "name the classes of messages it is told of, or leave the key out for human";
            problems.push(Problem::new("events.classes", said));
        }
        problems
    }

    fn check_reads(&self) -> Vec<Problem> {
        let reads = &self.reads;
        let mut problems = Vec::new();
        problems.extend(within(
            "reads.text-limit",
            u64::from(reads.text_limit),
            1..=u64::from(TEXT_LIMIT_CEILING),
        ));
        problems.extend(within(
            "reads.per-event",
            u64::from(reads.per_event),
            0..=u64::from(READS_CEILING),
        ));
        if reads.headers.len() > HEADERS_CEILING {
            let said = format!("at most {HEADERS_CEILING} headers");
            problems.push(Problem::new("reads.headers", said));
        }
        for kind in reads.records.keys() {
            let known = ["account", "contact"];
            if !known.contains(&kind.as_str()) {
                let hint = did_you_mean(kind, known.into_iter());
                let said = format!("no record kind `{kind}`{hint}; own cases need no grant");
                problems.push(Problem::new("reads.records", said));
            }
        }
        if self.proposals.contains_key("hold") && reads.calendars == CalendarGrant::None {
            let said = "it may propose holds but sees no calendar: write `busy`";
            problems.push(Problem::new("reads.calendars", said));
        }
        problems
    }

    fn check_proposals(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (kind, grant) in &self.proposals {
            let at = |key: &str| format!("proposals.{kind}.{key}");
            if !ACTION_KINDS.contains(&kind.as_str()) {
                let hint = did_you_mean(kind, ACTION_KINDS.into_iter());
                let said = format!("no such action kind{hint}");
                problems.push(Problem::new(format!("proposals.{kind}"), said));
            }
            if grant.why.trim().is_empty() {
                problems.push(Problem::new(
                    at("why"),
                    "say why, for the person who installs it",
                ));
            }
            if let Some(max) = grant.max {
                let most = u64::from(self.limits.proposals);
                problems.extend(within(&at("max"), u64::from(max), 1..=most));
            }
            if kind != "email" && (grant.recipients.is_some() || grant.purpose.is_some()) {
                let said = "`recipients` and `purpose` belong to [proposals.email] only";
                problems.push(Problem::new(format!("proposals.{kind}"), said));
            }
            if kind.ends_with("-case") && self.cases.is_empty() {
                let said = "there is no [[case]] that it could write";
                problems.push(Problem::new(format!("proposals.{kind}"), said));
            }
        }
        problems
    }

    fn check_limits(&self) -> Vec<Problem> {
        let limits = &self.limits;
        let mut problems = Vec::new();
        problems.extend(within("limits.fuel", limits.fuel, 1..=FUEL_CEILING));
        problems.extend(within(
            "limits.memory",
            limits.memory,
            MEMORY_FLOOR..=MEMORY_CEILING,
        ));
        problems.extend(within(
            "limits.proposals",
            u64::from(limits.proposals),
            1..=u64::from(PROPOSALS_CEILING),
        ));
        for (at, count) in [("case", self.cases.len()), ("setting", self.settings.len())] {
            if count > DECLARATIONS_CEILING {
                problems.push(Problem::new(at, format!("at most {DECLARATIONS_CEILING}")));
            }
        }
        problems
    }
}

fn within(at: &str, given: u64, allowed: RangeInclusive<u64>) -> Option<Problem> {
    (!allowed.contains(&given)).then(|| {
        let said = format!(
            "{given} is outside {} to {}",
            allowed.start(),
            allowed.end()
        );
        Problem::new(at, said)
    })
}

/// `[a-z0-9-]`, 1 to 64 bytes.
pub(super) fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// ` (did you mean `X`?)` or nothing.
pub(super) fn did_you_mean<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(given, known)
        .map(|name| format!(" (did you mean `{name}`?)"))
        .unwrap_or_default()
}

/// The known name that `given` is most likely a slip of; `None` when nothing is near.
#[must_use]
pub fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase().replace('_', "-");
    let allowed = (given.chars().count() / 3).max(1);
    known
        .map(|name| {
            (
                distance(&given, &name.to_lowercase().replace('_', "-")),
                name,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i.saturating_add(1)];
        for ((to, above), diagonal) in b.iter().zip(row.iter().skip(1)).zip(row.iter()) {
            let left = next.last().copied().unwrap_or_default();
            let substituted = diagonal.saturating_add(usize::from(from != *to));
            next.push(
                substituted
                    .min(above.saturating_add(1))
                    .min(left.saturating_add(1)),
            );
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
