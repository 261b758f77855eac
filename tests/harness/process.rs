//! Child processes that cannot outlive the test.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::wait;

/// How long a server gets to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the server and waits for it; kills the whole group when the server ends, or when whoever
/// holds our standard input does. The server alone gets the default SIGTERM.
const GUARD: &str = r#"
exec 3<&0
trap : TERM
"$@" 3<&- </dev/null & server=$!
(trap '' TERM; cat >/dev/null; kill -KILL 0) <&3 &
exec 3<&-
while kill -0 $server 2>/dev/null; do wait $server; done
kill -KILL 0
"#;

/// A server with all its children in a process group of its own.
///
/// The group ends with this value, and also when the test process itself is killed: a guard
/// holds a pipe from us and kills the group when the pipe closes.
#[derive(Debug)]
pub struct Server {
    name: String,
    guard: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `command` (program and arguments) with output appended to the file `log`.
    ///
    /// # Panics
    /// If the process cannot be started.
    pub fn start(name: &str, command: &[&str], log: &Path) -> Server {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("open the log");
        let err = out.try_clone().expect("share the log");
        let guard = Command::new("/bin/sh")
            .args(["-c", GUARD, name])
            .args(command)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Server {
            name: name.to_owned(),
            guard,
            log: log.to_owned(),
        }
    }

    /// Whether the server still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.guard.try_wait(), Ok(None))
    }

    /// What the server printed so far.
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|b| String::from_utf8_lossy(&b).into_owned())
            .unwrap_or_default()
    }

    /// Waits until `ready` gives a value.
    ///
    /// # Errors
    /// The server's output, if it ended first or `limit` passed.
    pub fn wait_ready<T>(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T, String> {
        let answer = wait::within(limit, || {
            if let Some(value) = ready() {
                return Some(Some(value));
            }
            (!self.is_running()).then_some(None)
        });
        match answer {
            Some(Some(value)) => Ok(value),
            Some(None) => Err(format!(
                "{} ended at once. It said:\n{}",
                self.name,
                self.log()
            )),
            None => Err(format!(
                "{} is not ready. It said:\n{}",
                self.name,
                self.log()
            )),
        }
    }

    /// SIGTERM to the whole group, SIGKILL if that is not enough; returns when all are gone.
    pub fn stop(&mut self) {
        self.signal("TERM");
        if wait::within(GRACE, || self.is_gone().then_some(())).is_none() {
            self.kill_hard();
        }
    }

    /// SIGKILL to the whole group; returns when all are gone.
    ///
    /// # Panics
    /// If they survive it.
    pub fn kill_hard(&mut self) {
        self.signal("KILL");
        wait::eventually(&format!("{} is gone", self.name), GRACE, || {
            self.is_gone().then_some(())
        });
    }

    /// Stops (`false`: continues) every process of the group, so that connections stall.
    pub fn freeze(&self, frozen: bool) {
        self.signal(if frozen { "STOP" } else { "CONT" });
    }

    fn signal(&self, signal: &str) {
        // `kill` is a builtin of the shell, so no package is needed for it. It fails when the
        // group is gone already, which is what its callers want.
        let kill = format!("kill -{signal} -{} 2>/dev/null || true", self.guard.id());
        run(Command::new("/bin/sh").args(["-c", &kill]));
    }

    fn is_gone(&mut self) -> bool {
        !self.is_running() && !group_lives(self.guard.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal("KILL");
        if let Err(error) = self.guard.wait() {
            eprintln!("{} could not be waited for: {error}", self.name);
        }
    }
}

/// Whether a process of the group still runs. Zombies do not count: in a container nobody may
/// collect them.
fn group_lives(group: u32) -> bool {
    let group = group.to_string();
    let Ok(processes) = fs::read_dir("/proc") else {
        return false;
    };
    processes.flatten().any(|entry| {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            return false;
        };
        // "pid (name) state parent group ...", and a name may hold anything.
        let mut fields = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        fields.next() != Some("Z") && fields.nth(1) == Some(group.as_str())
    })
}

/// Runs a program to its end and returns its standard output.
///
/// # Panics
/// With its whole output if it fails.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The path of a program that a Debian package brings.
///
/// # Panics
/// With the package's name if it is not there.
pub fn installed(paths: &[&str], package: &str) -> PathBuf {
    paths
        .iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .unwrap_or_else(|| {
            panic!(
                "{} is not installed (Debian package {package}): run `make servers`",
                paths[0]
            )
        })
}
