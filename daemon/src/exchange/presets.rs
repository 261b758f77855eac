//! Mappings for what other programs export: files under `config/import`, compiled in.

/// The programs, with their mapping files.
pub const PRESETS: &[(&str, &str)] = &[
    ("act", include_str!("../../../config/import/act.toml")),
    (
        "dynamics",
        include_str!("../../../config/import/dynamics.toml"),
    ),
    (
        "goldmine",
        include_str!("../../../config/import/goldmine.toml"),
    ),
    (
        "hubspot",
        include_str!("../../../config/import/hubspot.toml"),
    ),
    (
        "salesforce",
        include_str!("../../../config/import/salesforce.toml"),
    ),
];

/// Their names.
#[must_use]
pub fn names() -> Vec<&'static str> {
    PRESETS.iter().map(|(name, _)| *name).collect()
}

/// The mapping file of a program.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    let found = PRESETS.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}
