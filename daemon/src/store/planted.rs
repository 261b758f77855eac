//! Bugs planted on purpose: a torture run that does not find them is worth nothing.
//!
//! They exist only in a build with the feature `torture-bugs`, and one is active only when the
//! variable `LIAISON_TORTURE_BUG` names it. In any other build [`is`] is a constant.

/// A lie that the store can be made to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Frames of the journal are not synced.
    SkipSync,
    /// Commits are answered before the journal has them.
    EarlyAnswer,
    /// Frames that the tree lacks are not applied at the start.
    SkipReplay,
    /// The last good frame is cut off with the half-written one.
    CutTooMuch,
    /// Neither the checksums of the journal nor the sums over the rows are looked at.
    SkipChecks,
    /// Removals are not applied.
    SkipDeletes,
    /// Segments are removed although no export has what is in them.
    DropSegments,
    /// Expectations are not checked.
    SkipExpect,
}

impl Bug {
    /// All of them, with their names.
    pub const ALL: &'static [(&'static str, Bug)] = &[
        ("skip-sync", Bug::SkipSync),
        ("early-answer", Bug::EarlyAnswer),
        ("skip-replay", Bug::SkipReplay),
        ("cut-too-much", Bug::CutTooMuch),
        ("skip-checks", Bug::SkipChecks),
        ("skip-deletes", Bug::SkipDeletes),
        ("drop-segments", Bug::DropSegments),
        ("skip-expect", Bug::SkipExpect),
    ];
}

/// Whether `bug` is active.
#[cfg(feature = "torture-bugs")]
#[must_use]
pub fn is(bug: Bug) -> bool {
    static ACTIVE: std::sync::OnceLock<Option<Bug>> = std::sync::OnceLock::new();
    let active = ACTIVE.get_or_init(|| {
        let name = std::env::var("LIAISON_TORTURE_BUG").ok()?;
        let found = Bug::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, bug)| *bug)
    });
    *active == Some(bug)
}

/// Whether `bug` is active: never.
#[cfg(not(feature = "torture-bugs"))]
#[must_use]
pub const fn is(_bug: Bug) -> bool {
    false
}
