//! `liaison check`: everything that can be known before the daemon runs, each with its remedy.
//!
//! [`check`] reads the configuration, looks at the files it names, and loads every plugin for
//! real. [`online`] logs in everywhere. Both only look; what they find is a [`Report`].

mod files;
pub mod online;
mod plugins;

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::display::{safe, wrapped};
use crate::config::{Config, ConfigProblem};

/// Where the details of a finding begin, in columns.
const DETAIL_INDENT: usize = 13;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, and may not be what was meant.
    Note,
    /// Does not work; the rest of the daemon does.
    Attention,
    /// The configuration cannot be used.
    Problem,
}

impl Level {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Attention => "attention",
            Level::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// Path of keys in the configuration, such as `plugin.lead-triage`.
    pub key: String,
    /// What was found.
    pub what: String,
    /// More of it, a line each.
    pub details: Vec<String>,
    /// What to do; empty when there is nothing to do.
    pub remedy: String,
    /// Line in the configuration file.
    pub line: Option<usize>,
    /// Column.
    pub column: Option<usize>,
}

impl From<ConfigProblem> for Finding {
    fn from(problem: ConfigProblem) -> Finding {
        Finding {
            level: Level::Problem,
            key: problem.key,
            what: problem.what,
            details: Vec::new(),
            remedy: problem.remedy,
            line: problem.line,
            column: problem.column,
        }
    }
}

/// What a check found, in the order of looking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The configuration file.
    pub file: PathBuf,
    /// Everything that was looked at.
    pub findings: Vec<Finding>,
}

impl Report {
    /// What matters most.
    #[must_use]
    pub fn level(&self) -> Level {
        let levels = self.findings.iter().map(|finding| finding.level);
        levels.max().unwrap_or(Level::Ok)
    }

    /// 3 when the configuration cannot be used, 4 when something needs attention, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.level() {
            Level::Problem => 3,
            Level::Attention => 4,
            Level::Ok | Level::Note => 0,
        }
    }

    /// Writes one line per finding, its details below it, and a verdict. What the file holds is
    /// escaped where it could steer a terminal.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_text(&self, out: &mut dyn io::Write) -> io::Result<()> {
        for finding in &self.findings {
            write!(out, "{:<9}  ", finding.level.as_str())?;
            if finding.level > Level::Ok {
                write!(out, "{}:", self.file.display())?;
                if let (Some(line), Some(column)) = (finding.line, finding.column) {
                    write!(out, "{line}:{column}:")?;
                }
                write!(out, " ")?;
            }
            if !finding.key.is_empty() {
                write!(out, "{}: ", safe(&finding.key))?;
            }
            write!(out, "{}", safe(&finding.what))?;
            if !finding.remedy.is_empty() {
                write!(out, "; {}", safe(&finding.remedy))?;
            }
            writeln!(out)?;
            for detail in &finding.details {
                let text = wrapped(&safe(detail), DETAIL_INDENT);
                let body = text.get(DETAIL_INDENT..).unwrap_or(&text);
                write!(out, "{:1$}- {body}", "", DETAIL_INDENT - 2)?;
            }
        }
        let count = |level| {
            let same = self
                .findings
                .iter()
                .filter(|finding| finding.level == level);
            same.count()
        };
        let verdict = match self.level() {
            Level::Ok | Level::Note => "ready to run",
            Level::Attention => "it would run, but not all of it works",
            Level::Problem => "it cannot run",
        };
        writeln!(
            out,
            "{}: {verdict} ({} ok, {} to note, {} need attention, {} problems)",
            self.file.display(),
            count(Level::Ok),
            count(Level::Note),
            count(Level::Attention),
            count(Level::Problem),
        )
    }

    /// Writes everything as one JSON object: `file`, `level`, `exit_code`, `findings`.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let object = serde_json::json!({
            "file": self.file,
            "level": self.level(),
            "exit_code": self.exit_code(),
            "findings": self.findings,
        });
        serde_json::to_writer_pretty(&mut *out, &object)?;
        writeln!(out)
    }
}

/// Findings about one configuration.
struct Findings<'c> {
    config: &'c Config,
    list: Vec<Finding>,
}

impl<'c> Findings<'c> {
    fn of(config: &'c Config) -> Findings<'c> {
        Findings {
            config,
            list: Vec::new(),
        }
    }

    fn add(
        &mut self,
        level: Level,
        key: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let key = key.into();
        // The place of the key, or of the nearest thing around it that stands in the file.
        let mut near = key.as_str();
        let place = loop {
            if let Some(place) = self.config.places.get(near) {
                break Some(*place);
            }
            match near.rsplit_once(['.', '[']) {
                Some((around, _)) => near = around,
                None => break None,
            }
        };
        self.list.push(Finding {
            level,
            what: what.into(),
            details: Vec::new(),
            remedy: remedy.into(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            key,
        });
    }

    fn ok(&mut self, key: impl Into<String>, what: impl Into<String>) {
        self.add(Level::Ok, key, what, "");
    }

    fn ok_with(&mut self, key: impl Into<String>, what: String, details: Vec<String>) {
        self.ok(key, what);
        if let Some(finding) = self.list.last_mut() {
            finding.details = details;
        }
    }
}

/// Looks at everything that needs no network; `plugin_dir` takes the place of the configured one.
///
/// Compiles components and runs plugins' own checks: not for an async thread. Writes nothing but
/// the cache of compiled code, where there is one already.
#[must_use]
pub fn check(file: &Path, plugin_dir: Option<&Path>) -> (Report, Option<Config>) {
    let mut config = match Config::load(file) {
        Ok(config) => config,
        Err(errors) => {
            let report = Report {
                file: errors.file,
                findings: errors.problems.into_iter().map(Finding::from).collect(),
            };
            return (report, None);
        }
    };
    if let Some(folder) = plugin_dir {
        config.plugin_dir = folder.to_owned();
    }
    let mut findings = Findings::of(&config);
    findings.ok("", understood(&config));
    files::look(&mut findings);
    plugins::look(&mut findings);
    let report = Report {
        file: config.file.clone(),
        findings: findings.list,
    };
    (report, Some(config))
}

/// What the file describes.
fn understood(config: &Config) -> String {
    let counts = [
        (config.users.len(), "user", "users"),
        (config.mailboxes.len(), "mailbox", "mailboxes"),
        (config.calendars.len(), "calendar", "calendars"),
        (config.transports.len(), "transport", "transports"),
        (config.plugins.len(), "plugin", "plugins"),
    ];
    let words = counts.map(|(count, one, several)| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {several}"),
    });
    format!("the file is understood: {}", words.join(", "))
}

#[cfg(test)]
mod tests;
