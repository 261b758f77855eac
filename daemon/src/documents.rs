//! What the documents say is compared with the program: their configuration loads, their commands
//! exist, and what they point at is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use liaison_core::crm::Kind;

use crate::config::Config;

/// Documents, from the root of the repository.
const DOCUMENTS: [&str; 10] = [
    "README.md",
    "daemon/ARCHITECTURE.md",
    "daemon/CHANGELOG.md",
    "daemon/SECURITY.md",
    "daemon/SYMPTOMS.md",
    "sdk/README.md",
    "sdk/CHANGELOG.md",
    "plugins/follow-up/README.md",
    "plugins/lead-triage/README.md",
    "plugins/nda-desk/README.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    let file = root().join(name);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Fenced blocks of one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let parts = text.split("```").skip(1).step_by(2);
    let mut found = Vec::new();
    for part in parts {
        let (head, body) = part.split_once('\n').unwrap_or((part, ""));
        if head == language {
            found.push(body.to_owned());
        }
    }
    found
}

/// Code in running text, between backticks.
fn spans(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let lines = prose.lines();
    lines
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_configuration_of_the_readme_loads() {
    let folder = tempfile::tempdir().unwrap();
    let shown = blocks(&read("README.md"), "toml");
    assert_eq!(shown.len(), 4);
    let mapping = crate::exchange::mapping::Mapping::parse(&shown[2], Kind::Opportunity);
    assert!(mapping.is_ok(), "{mapping:?}");
    let file = folder.path().join("liaison.toml");
    fs::write(&file, &shown[0]).unwrap();
    let config = Config::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((config.plugins.len(), config.calendars.len()), (2, 1));
    fs::write(&file, format!("{}\n{}", shown[0], shown[1])).unwrap();
    let config = Config::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.credentials.iter().count(), 1);
    fs::write(&file, format!("{}\n{}", shown[0], shown[3])).unwrap();
    let config = Config::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(!config.plugins[2].mailbox.is_empty());
}

#[test]
fn the_plugin_of_the_readme_is_the_one_that_the_sdk_compiles() {
    let shown = blocks(&read("README.md"), "rust");
    let compiled = blocks(&read("sdk/README.md"), "rust");
    assert_eq!(shown.len(), 1);
    assert_eq!(shown.first(), compiled.first());
}

/// Words after `liaison` that must be a command: up to the first that is an argument.
fn complaint(words: &str) -> Option<String> {
    let mut command = crate::cli::Cli::command();
    command.build();
    let mut here = &command;
    for word in words.split_whitespace() {
        if let Some(option) = word.strip_prefix("--") {
            let known = |arg: &clap::Arg| arg.get_long() == Some(option);
            let builtin = ["help", "version"].contains(&option);
            if !builtin && !here.get_arguments().any(known) {
                return Some(format!("`{}` has no --{option}", here.get_name()));
            }
        } else if let Some(next) = here.find_subcommand(word) {
            here = next;
        } else if here.has_subcommands() && here.get_positionals().next().is_none() {
            return Some(format!("`{}` has no command `{word}`", here.get_name()));
        }
    }
    None
}

#[test]
fn a_command_that_does_not_exist_is_noticed() {
    for known in [
        "status",
        "cases lead list",
        "plugin test FOLDER --json",
        "why ID",
    ] {
        assert_eq!(complaint(known), None, "{known}");
    }
    for unknown in ["statsu", "outbox explode", "check --offline"] {
        assert!(complaint(unknown).is_some(), "{unknown}");
    }
}

#[test]
fn every_command_in_the_documents_exists() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for name in DOCUMENTS {
        let text = read(name);
        let shown = blocks(&text, "sh").join("\n");
        let typed = shown.lines().map(str::to_owned).chain(spans(&text));
        for line in typed {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(words) = line.strip_prefix("liaison ") {
                seen += 1;
                wrong.extend(complaint(words).map(|why| format!("{name}: liaison {words}: {why}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 20, "{seen}");
}

#[test]
fn every_target_of_make_in_the_documents_exists() {
    let makefile = read("Makefile");
    let mut seen = 0;
    for name in DOCUMENTS {
        let text = read(name);
        let shown = blocks(&text, "sh").join("\n");
        for line in shown.lines().map(str::to_owned).chain(spans(&text)) {
            if let Some(rest) = line.strip_prefix("make ") {
                let target = rest.split_whitespace().next().unwrap_or_default();
                let rule = format!("\n{target}:");
                assert!(makefile.contains(&rule), "{name}: make {target}");
                seen += 1;
            }
        }
    }
    assert!(seen > 3, "{seen}");
}

/// Targets of `[text](target)` that are files here.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .collect()
}

#[test]
fn every_link_and_file_in_the_documents_is_there() {
    for name in DOCUMENTS {
        let (text, file) = (read(name), root().join(name));
        let folder = file.parent().unwrap();
        for target in links(&text) {
            assert!(folder.join(target).exists(), "{name} links to {target}");
        }
    }
    // ARCHITECTURE names files from `daemon/`, its `src/`, its `core/`, or the root.
    let places = ["daemon", "daemon/src", "."].map(|place| root().join(place));
    for span in spans(&read("daemon/ARCHITECTURE.md")) {
        let is_file = [".rs", ".wit", ".toml", ".md"]
            .iter()
            .any(|end| span.ends_with(end));
        let is_folder = span.ends_with('/');
        if (is_file || is_folder) && span.contains('/') {
            let there = places.iter().any(|place| place.join(&span).exists());
            let beside = span.starts_with("tests/");
            assert!(there || beside, "ARCHITECTURE names {span}");
        }
    }
}

fn test_names(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            test_names(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for line in fs::read_to_string(&path).unwrap().lines() {
                let line = line.trim_start();
                let line = line.strip_prefix("pub ").unwrap_or(line);
                let line = line.strip_prefix("async ").unwrap_or(line);
                if let Some((name, _)) = line.strip_prefix("fn ").and_then(|l| l.split_once('(')) {
                    let name = name.split('<').next().unwrap_or(name);
                    names.insert(name.to_owned());
                }
            }
        }
    }
}

#[test]
fn every_test_named_for_a_crash_window_or_a_symptom_exists() {
    let mut known = BTreeSet::new();
    for folder in ["daemon/src", "daemon/core/src", "tests/suites"] {
        test_names(&root().join(folder), &mut known);
    }
    let of = |document: &str, begins: &[&str]| -> Vec<String> {
        let text = read(document);
        let is_row = |line: &&str| begins.iter().any(|begin| line.starts_with(begin));
        text.lines().filter(is_row).map(str::to_owned).collect()
    };
    let mut rows = of("daemon/ARCHITECTURE.md", &["| W"]);
    assert_eq!(rows.len(), 21);
    rows.extend(of("daemon/SYMPTOMS.md", &["| A", "| E", "| G", "| H"]));
    assert_eq!(rows.len(), 21 + 29);
    for row in &rows {
        assert!(row.contains('`'), "no test: {row}");
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for name in last.split('`').skip(1).step_by(2) {
            assert!(known.contains(name), "no test is called {name}: {row}");
        }
    }
}

#[test]
fn a_line_of_a_document_holds_one_sentence_at_most() {
    for name in ["README.md", "daemon/ARCHITECTURE.md", "daemon/SECURITY.md"] {
        let text: String = read(name).split("```").step_by(2).collect();
        for line in text.lines() {
            let is_prose = line.starts_with(|c: char| c.is_ascii_uppercase());
            let sentences = line.matches(". ").count();
            assert!(!is_prose || sentences == 0, "{name}: {line}");
        }
    }
}
