//! Questions to a running daemon: over its commands, as a person would ask, and where there are
//! hundreds, over its socket, as a program would.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use crate::daemon::Daemon;
use crate::wait;

/// How long the daemon may take for anything that a test waits for. What is looked for is usually
/// there within a second; a loaded machine gets plenty.
pub const LIMIT: Duration = Duration::from_secs(60);

impl Daemon {
    /// Looks until `look` gives a value.
    ///
    /// # Panics
    /// With `what` and everything that the daemon printed, after [`LIMIT`].
    pub fn eventually<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.eventually_within(LIMIT, what, look)
    }

    /// As [`Daemon::eventually`], with another limit.
    ///
    /// # Panics
    /// As there.
    pub fn eventually_within<T>(
        &self,
        limit: Duration,
        what: &str,
        look: impl FnMut() -> Option<T>,
    ) -> T {
        wait::eventually_or(what, limit, look, || {
            let status = self.cli(["status", "--json"]);
            let status = String::from_utf8_lossy(&status.stdout).into_owned();
            format!("--- status ---\n{status}\n{}", self.transcript())
        })
    }

    /// `liaison status --json`.
    ///
    /// # Panics
    /// If it fails.
    pub fn status(&self) -> Value {
        self.cli_json(["status"])
    }

    /// Rows of a listing such as `outbox list`: the one list in its answer beside that of `columns`,
    /// which fields were asked for.
    ///
    /// # Panics
    /// If the command fails or lists nothing that is a list.
    pub fn rows(&self, words: &[&str]) -> Vec<Value> {
        let answer = self.cli_json(words);
        let lists = answer.as_object().into_iter().flatten();
        let lists = lists.filter(|(name, _)| *name != "columns");
        let list = lists.filter_map(|(_, value)| value.as_array()).next();
        list.unwrap_or_else(|| panic!("no list in the answer to {words:?}: {answer}"))
            .clone()
    }

    /// Waits until so many folders of a mailbox (a calendar: 0) are proven up to date: from then
    /// on what comes is new.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn watched(&self, source: &str, folders: usize) {
        self.eventually(&format!("{source} is watched"), || {
            let status = self.status();
            let sources = status["daemon"]["sources"].as_array()?;
            let fresh = sources
                .iter()
                .filter(|one| one["source"] == source && !one["fresh_at"].is_null());
            let of_mail = fresh.clone().filter(|one| !one["folder"].is_null()).count();
            let done = match folders {
                0 => fresh.count() > 0,
                _ => of_mail >= folders,
            };
            done.then_some(())
        });
    }

    /// `liaison why ID --json`; `None` while nothing is known under it.
    ///
    /// # Panics
    /// If what is printed is no JSON.
    pub fn why(&self, id: &str) -> Option<Value> {
        let output = self.cli(["why", id, "--json"]);
        output.status.success().then(|| {
            serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|error| panic!("why {id}: {error}\n{}", self.transcript()))
        })
    }

    /// One command over the control socket; `None` when it was refused.
    ///
    /// # Panics
    /// If nobody answers, or no JSON comes back.
    pub fn call(&self, command: &str, arguments: &Value) -> Option<Value> {
        let socket = self.socket().expect("a test that names the socket");
        let mut stream = UnixStream::connect(socket).expect("connect to the daemon");
        let (status, body) = post(&mut stream, command, &arguments.to_string())
            .unwrap_or_else(|error| panic!("{command}: {error}\n{}", self.transcript()));
        (status == 200).then(|| {
            serde_json::from_slice(&body)
                .unwrap_or_else(|error| panic!("{command}: {error}\n{}", self.transcript()))
        })
    }

    /// Waits until the event of a message is closed, and returns its `why`.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn settled(&self, message_id: &str) -> Value {
        self.eventually(&format!("the outcome of {message_id} is closed"), || {
            self.why(message_id)
                .filter(|why| !why["events"][0]["outcome"]["closed"].is_null())
        })
    }

    /// The one row of a listing for which `is` holds, once it is there.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn row(&self, words: &[&str], what: &str, is: impl Fn(&Value) -> bool) -> Value {
        self.eventually(what, || self.rows(words).into_iter().find(|row| is(row)))
    }
}

/// One request of HTTP/1.1 on a connection that closes after it.
fn post(stream: &mut UnixStream, command: &str, body: &str) -> io::Result<(u16, Vec<u8>)> {
    let request = format!(
        "POST /v1/{command} HTTP/1.1\r\nHost: liaison\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = String::from_utf8_lossy(&answer[..head])
        .split_whitespace()
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, answer[head + 4..].to_vec()))
}

/// What a plugin said about the first event of a `why`.
///
/// # Panics
/// If it was not asked.
pub fn said_by<'a>(why: &'a Value, plugin: &str) -> &'a Value {
    let plugins = why["events"][0]["plugins"].as_array();
    plugins
        .into_iter()
        .flatten()
        .find(|one| one["plugin"] == plugin)
        .unwrap_or_else(|| panic!("{plugin} was not asked:\n{why:#}"))
}

/// The verdict on a plugin's proposal of this kind.
///
/// # Panics
/// If it made none.
pub fn verdict<'a>(said: &'a Value, kind: &str) -> &'a Value {
    let verdicts = said["verdicts"].as_array();
    verdicts
        .into_iter()
        .flatten()
        .find(|one| one["kind"] == kind)
        .unwrap_or_else(|| panic!("it proposed no {kind}:\n{said:#}"))
}

/// The text at a JSON pointer.
///
/// # Panics
/// If there is none.
pub fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {pointer} in\n{value:#}"))
}
