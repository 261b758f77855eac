//! What is wrong with a configuration, with its place.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::read::Section;

/// One problem of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigProblem {
    /// Line, from 1; `None` when the problem is not at a place in the file.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// Path of keys, such as `mailbox.sales.port`; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

/// Everything that is wrong with a configuration file. Displays one line per problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The file.
    pub file: PathBuf,
    /// In the order of the file; never empty.
    pub problems: Vec<ConfigProblem>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:", self.file.display())?;
            if let (Some(line), Some(column)) = (problem.line, problem.column) {
                write!(f, "{line}:{column}:")?;
            }
            write!(f, " {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects problems of one file.
#[derive(Debug)]
pub(super) struct Problems<'t> {
    text: &'t str,
    list: Vec<ConfigProblem>,
}

impl<'t> Problems<'t> {
    pub(super) fn of(text: &'t str) -> Problems<'t> {
        Problems {
            text,
            list: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// A problem of a key in a section; of the section itself when the key is not there.
    pub(super) fn add(
        &mut self,
        section: &Section<'_>,
        key: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let place = section.place(key);
        self.add_at(place, section.path(key), what, remedy);
    }

    pub(super) fn add_at(
        &mut self,
        place: Range<usize>,
        key: String,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (line, column) = self.line_and_column(place.start);
        self.list.push(ConfigProblem {
            line: Some(line),
            column: Some(column),
            key,
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    /// Line and column of an offset, both from 1.
    pub(super) fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let last_line = before.rsplit('\n').next().unwrap_or_default();
        (
            before.matches('\n').count().saturating_add(1),
            last_line.chars().count().saturating_add(1),
        )
    }

    /// The problems in the order of the file, or nothing when there are none.
    pub(super) fn into_errors(mut self, file: &Path) -> Option<ConfigErrors> {
        self.list
            .sort_by_key(|problem| (problem.line, problem.column));
        self.list.dedup();
        (!self.list.is_empty()).then(|| ConfigErrors {
            file: file.to_owned(),
            problems: self.list,
        })
    }
}

/// A problem of the file as a whole.
pub(super) fn whole_file(file: &Path, what: String, remedy: &str) -> ConfigErrors {
    ConfigErrors {
        file: file.to_owned(),
        problems: vec![ConfigProblem {
            line: None,
            column: None,
            key: String::new(),
            what,
            remedy: remedy.to_owned(),
        }],
    }
}
