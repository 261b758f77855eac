//! What figures of ours stand beside: the bare disk, and ImapFlow on the same server.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::dovecot::Dovecot;
use crate::password_of;

/// Enough for a steady figure, a few seconds in all.
const SYNCS: usize = 500;
/// What a commit of one event writes, roughly.
const RECORD_BYTES: usize = 2 * 1024;

/// Times of one kind, for p50 and p99.
#[derive(Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds one.
    pub fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// The time that so many of a hundred do not exceed; zero without any.
    pub fn at(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = sorted.len() * percent / 100;
        let last = sorted.len().saturating_sub(1);
        sorted.get(place.min(last)).copied().unwrap_or_default()
    }
}

/// Durable appends to a growing file in the folder for temporary files.
///
/// # Panics
/// If there is no room for it.
pub fn bare_syncs() -> Times {
    let folder = tempfile::tempdir().expect("temp dir");
    let mut file = File::create_new(folder.path().join("log")).expect("make a file");
    let record = [7; RECORD_BYTES];
    let mut times = Times::default();
    for _ in 0..SYNCS {
        let begin = Instant::now();
        file.write_all(&record).expect("append");
        file.sync_data().expect("fdatasync");
        times.add(begin.elapsed());
    }
    times
}

/// A script of `tests/bench` that uses ImapFlow on the mailbox of `user`; `None` where ImapFlow is
/// not installed (`tests/setup/peers.sh`).
pub fn imapflow(script: &str, dovecot: &Dovecot, user: &str) -> Option<Command> {
    let program = std::env::current_exe().ok()?;
    let folder: PathBuf = program.ancestors().nth(3)?.join("peers");
    if !folder.join("node_modules/imapflow").exists() {
        return None;
    }
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench");
    let mut command = Command::new("node");
    command
        .arg(scripts.join(script))
        .arg(folder)
        .args([&dovecot.ports.imaps.to_string(), user, &password_of(user)])
        .arg(&dovecot.ca.ca_file);
    Some(command)
}

/// `status` as JSON, unless the daemon is not that far.
pub fn status_of(daemon: &Daemon) -> Option<Value> {
    UnixStream::connect(daemon.socket()?).ok()?;
    daemon.call("status", &json!({}))
}

/// A line of `/proc/PID/status` in bytes: `VmRSS`, `VmHWM`.
///
/// # Panics
/// If the daemon is gone.
pub fn memory_of(daemon: &Daemon, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("its memory");
    let found = status.lines().find(|text| text.starts_with(line));
    let kib = found.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.expect("a figure") * 1_024
}
