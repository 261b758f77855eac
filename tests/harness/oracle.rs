//! python-dateutil and recurring-ical-events, asked for the instances of rules and calendars.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

/// What the Python libraries say to each case, in the same order (see `oracles/recurrence.py`).
///
/// # Panics
/// If they are not installed, or end before the last answer.
#[must_use]
pub fn answers(cases: &[Value]) -> Vec<Value> {
    let test = env::current_exe().expect("the test's own path");
    let folder = test.ancestors().nth(3).expect("target").join("oracles");
    let python = folder.join("bin/python");
    assert!(
        python.exists(),
        "{} is not there: run `make oracles`",
        python.display()
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/oracles/recurrence.py");
    let mut child = Command::new(python)
        .arg(script)
        // The zone database that is installed with them, not the system's, which may be old.
        .env("PYTHONTZPATH", "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start Python");
    let mut questions = child.stdin.take().expect("its input");
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    // Written beside the reading, so that neither waits for the other.
    let writer = thread::spawn(move || questions.write_all(lines.as_bytes()));
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let answers: Vec<Value> = output
        .lines()
        .map(|line| serde_json::from_str(&line.expect("a line")).expect("JSON"))
        .collect();
    writer
        .join()
        .expect("the writer")
        .expect("all questions put");
    assert!(child.wait().expect("its end").success());
    assert_eq!(answers.len(), cases.len());
    answers
}
