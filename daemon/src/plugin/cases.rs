//! `liaison plugin test`: the case files of a plugin, in the real sandbox.
//!
//! A case is a small story: a firm with its accounts, then steps (a mail arrives, a mail of ours
//! goes out, time passes, a proposal is settled), each with the proposals expected. What a plugin
//! keeps between steps (memory, timers, cases, tags) is kept here in memory; mails and holds are
//! not carried out. Each call is made twice, and must answer the same.

mod compare;
mod format;
mod mail;
mod state;
mod story;
mod view;
mod working;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::load::with_hint;
use super::{CallReport, Plugin};

/// Bytes of one case file.
const CASE_BYTES: u64 = 1 << 20;
/// Most case files in one folder.
const CASES_MAX: usize = 1_000;

/// What came of one case file.
#[derive(Debug, Clone, Serialize)]
pub struct CaseResult {
    /// File name.
    pub file: String,
    /// Why the case could not be run at all.
    pub problem: Option<String>,
    /// Its steps, up to the first that failed.
    pub steps: Vec<StepResult>,
}

impl CaseResult {
    /// Whether all went as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problem.is_none() && self.steps.iter().all(|step| step.difference.is_none())
    }
}

/// What came of one step.
#[derive(Debug, Clone, Serialize)]
pub struct StepResult {
    /// From 1.
    pub number: usize,
    /// Kind of event; several timers may fire in one step.
    pub event: String,
    /// The proposals, as objects in the manifest's words.
    pub proposals: Vec<serde_json::Value>,
    /// Calls made; none when the plugin does not subscribe to the event.
    pub calls: Vec<CallReport>,
    /// What was not as expected, for people.
    pub difference: Option<String>,
}

/// A folder of cases cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// A file or folder cannot be read.
    #[error("{file} cannot be read")]
    Read {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is nothing to run.
    #[error("{folder} has no *.toml: write a case, or name one")]
    Empty {
        /// The folder.
        folder: String,
    },
    /// The thread for the calls does not start.
    #[error("the thread that runs the cases does not start")]
    Spawn(#[source] io::Error),
}

/// Runs a case file, or all `*.toml` of a folder in order of their names.
///
/// Blocks; may be called from anywhere, since the calls are made on a thread of their own.
///
/// # Errors
/// When there is nothing to read; what is wrong inside a file is in its result.
pub fn run(plugin: &Plugin, path: &Path) -> Result<Vec<CaseResult>, CasesError> {
    let files = if path.is_dir() {
        listed(path)?
    } else {
        vec![path.to_owned()]
    };
    let mut texts = Vec::with_capacity(files.len());
    for file in files {
        let text = read(&file)?;
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        texts.push((name, text));
    }
    // WASI's output blocks on a runtime of its own and must not meet another one.
    std::thread::scope(|scope| {
        let runner = std::thread::Builder::new()
            .name("plugin-test".to_owned())
            .spawn_scoped(scope, || {
                texts
                    .into_iter()
                    .map(|(file, text)| case(plugin, file, &text))
                    .collect::<Vec<_>>()
            });
        match runner.map_err(CasesError::Spawn)?.join() {
            Ok(results) => Ok(results),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, CasesError> {
    let failed = |source| CasesError::Read {
        file: folder.display().to_string(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "toml")
            && files.len() < CASES_MAX
        {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(CasesError::Empty {
            folder: folder.display().to_string(),
        });
    }
    Ok(files)
}

fn read(file: &Path) -> Result<String, CasesError> {
    let failed = |source| CasesError::Read {
        file: file.display().to_string(),
        source,
    };
    let large = fs::metadata(file).map_err(failed)?.len() > CASE_BYTES;
    if large {
        let source = io::Error::new(io::ErrorKind::FileTooLarge, "a case has at most 1 MiB");
        return Err(failed(source));
    }
    fs::read_to_string(file).map_err(failed)
}

fn case(plugin: &Plugin, file: String, text: &str) -> CaseResult {
    let failed = |file: &str, problem: String| CaseResult {
        file: file.to_owned(),
        problem: Some(problem),
        steps: Vec::new(),
    };
    let case: format::Case = match toml::from_str(text) {
        Ok(case) => case,
        Err(error) => {
            let hint = with_hint(error.message());
            let shown = error.to_string().replace(error.message(), &hint);
            return failed(&file, shown);
        }
    };
    let settings: Arc<str> = match plugin.settings(&case.settings) {
        Ok(settings) => settings,
        Err(problems) => {
            let all = problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ");
            return failed(&file, all);
        }
    };
    match story::Story::new(plugin, settings, &case) {
        Ok(story) => CaseResult {
            steps: story.tell(&case.step),
            file,
            problem: None,
        },
        Err(problem) => failed(&file, problem),
    }
}

/// Prints results for people: per step what was called, what it cost and what differed.
///
/// # Errors
/// When `out` cannot be written.
pub fn print(results: &[CaseResult], out: &mut dyn Write) -> io::Result<()> {
    for result in results {
        writeln!(out, "{}", result.file)?;
        if let Some(problem) = &result.problem {
            writeln!(out, "  {}", indented(problem, "  "))?;
        }
        for step in &result.steps {
            print_step(step, out)?;
        }
    }
    let passed = results.iter().filter(|result| result.passed()).count();
    writeln!(out, "{passed} of {} cases passed", results.len())
}

fn print_step(step: &StepResult, out: &mut dyn Write) -> io::Result<()> {
    let verdict = if step.difference.is_none() {
        "ok"
    } else {
        "DIFFERS"
    };
    let count = step.proposals.len();
    let plural = if count == 1 { "" } else { "s" };
    write!(
        out,
        "  step {:<2} {:<17} {count} proposal{plural}",
        step.number, step.event
    )?;
    if step.calls.is_empty() {
        write!(out, "   not called")?;
    }
    for call in &step.calls {
        let percent = share(call.fuel_used, call.fuel_budget);
        write!(
            out,
            "   {} k fuel ({percent} of {} M)   {} KiB   {}.{:02} ms",
            call.fuel_used / 1_000,
            call.fuel_budget / 1_000_000,
            call.peak_memory >> 10,
            call.took_us / 1_000,
            call.took_us % 1_000 / 10,
        )?;
    }
    writeln!(out, "   {verdict}")?;
    for line in step.calls.iter().flat_map(|call| &call.log) {
        writeln!(out, "    log {:?}: {}", line.level, line.message)?;
    }
    match &step.difference {
        Some(difference) => writeln!(out, "    {}", indented(difference, "    ")),
        None => Ok(()),
    }
}

fn indented(text: &str, by: &str) -> String {
    text.trim_end().replace('\n', &format!("\n{by}"))
}

/// In per cent with one digit.
fn share(part: u64, whole: u64) -> String {
    let tenths = part
        .saturating_mul(1_000)
        .checked_div(whole)
        .unwrap_or_default();
    format!("{}.{} %", tenths / 10, tenths % 10)
}
