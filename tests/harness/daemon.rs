//! The built `liaison` binary, as an operator and a user handle it.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::wait;

/// Environment variable with the path of the binary, for a test of an installed one.
pub const BIN_VARIABLE: &str = "LIAISON_BIN";

/// Start-up opens the store and compiles plugins; a loaded machine gets plenty.
const READY: Duration = Duration::from_secs(60);

/// Draining on SIGTERM has to be over by then, or a service manager would kill it.
const DRAIN: Duration = Duration::from_secs(30);

/// How to start the daemon.
#[derive(Debug, Clone)]
pub struct DaemonOptions {
    /// The configuration file.
    pub config: PathBuf,
    /// Folder for the daemon's standard output and error.
    pub logs: PathBuf,
    /// The daemon's socket. With it, "ready" is that somebody listens there; without it, that
    /// `liaison status` succeeds, which may look into the store itself where no daemon runs.
    pub socket: Option<PathBuf>,
    /// Environment variables added for the daemon and the commands.
    pub env: Vec<(String, String)>,
    /// The binary; [`binary`] unless a test has its own.
    pub binary: PathBuf,
}

impl DaemonOptions {
    /// The built binary with this configuration, output beside it.
    ///
    /// # Panics
    /// If the binary is not built.
    pub fn new(config: &Path) -> DaemonOptions {
        DaemonOptions::of(config, binary())
    }

    /// Another program with this configuration.
    pub fn of(config: &Path, binary: PathBuf) -> DaemonOptions {
        let logs = config.parent().unwrap_or(Path::new(".")).to_owned();
        let (config, env) = (config.to_owned(), Vec::new());
        DaemonOptions {
            config,
            logs,
            socket: None,
            env,
            binary,
        }
    }
}

/// The `liaison` binary: `$LIAISON_BIN`, else the one built beside this test.
///
/// # Panics
/// If it is not there.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os(BIN_VARIABLE) {
        return PathBuf::from(path);
    }
    let built = target_dir().join("liaison");
    assert!(
        built.exists(),
        "{} is not built: run `make build`",
        built.display()
    );
    built
}

/// A folder of staged components: `plugins`, or `test-plugins` for the hostile ones.
///
/// # Panics
/// If it is not there.
pub fn staged(folder: &str) -> PathBuf {
    let path = target_dir().with_file_name(folder);
    assert!(
        path.exists(),
        "{} is not there: run `make plugins test-plugins`",
        path.display()
    );
    path
}

/// `target/debug`, from the place of the running test.
fn target_dir() -> PathBuf {
    let test = env::current_exe().expect("the test's own path");
    let deps = test.parent().expect("a test lies in deps/");
    deps.parent()
        .expect("deps/ lies in the profile's folder")
        .to_owned()
}

/// A daemon under test; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    options: DaemonOptions,
    child: Child,
}

impl Daemon {
    /// Starts `liaison --config F run` and returns at once.
    ///
    /// # Panics
    /// If the process cannot be started.
    pub fn spawn(options: DaemonOptions) -> Daemon {
        let child = launch(&options);
        Daemon { options, child }
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// If it does not, with what it printed.
    pub fn start(options: DaemonOptions) -> Daemon {
        let mut daemon = Daemon::spawn(options);
        daemon.wait_ready();
        daemon
    }

    /// Waits until it is ready, as [`DaemonOptions::socket`] tells.
    ///
    /// # Panics
    /// If the daemon ends or does not answer in time, with what it printed.
    pub fn wait_ready(&mut self) {
        let ended = wait::within(READY, || {
            if let Some(status) = self.exit_status() {
                return Some(Some(status));
            }
            self.is_ready().then_some(None)
        });
        match ended {
            Some(None) => {}
            Some(Some(status)) => panic!("liaison ended with {status}\n{}", self.transcript()),
            None => panic!(
                "liaison does not answer after {READY:?}\n{}",
                self.transcript()
            ),
        }
    }

    fn is_ready(&self) -> bool {
        if let Some(socket) = &self.options.socket
            && UnixStream::connect(socket).is_err()
        {
            return false;
        }
        let status = self.cli(["status", "--json"]);
        let read: Option<serde_json::Value> = serde_json::from_slice(&status.stdout).ok();
        // Exit code 4 is "needs attention": it runs.
        matches!(status.status.code(), Some(0 | 4))
            && read.is_some_and(|status| status.get("starting").is_none())
    }

    /// Where it listens, if the test said so.
    pub fn socket(&self) -> Option<&Path> {
        self.options.socket.as_deref()
    }

    /// How it ended, if it did.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("look at the daemon")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, as in a crash; returns when it is gone.
    ///
    /// # Panics
    /// If it had already ended by itself.
    pub fn kill9(&mut self) {
        self.child.kill().expect("kill the daemon");
        let status = self.child.wait().expect("wait for the daemon");
        assert_eq!(
            status.signal(),
            Some(9),
            "it had ended before\n{}",
            self.transcript()
        );
    }

    /// Lets it work for `span`, kills it with SIGKILL and starts it again, without waiting for it.
    ///
    /// # Panics
    /// If it ended by itself, with what it printed.
    pub fn crash_after(&mut self, span: Duration) {
        if let Some(status) = wait::within(span, || self.exit_status()) {
            panic!(
                "liaison ended by itself with {status}\n{}",
                self.transcript()
            );
        }
        self.kill9();
        self.respawn();
    }

    /// Starts it again after [`Daemon::kill9`] or [`Daemon::terminate`], without waiting.
    ///
    /// # Panics
    /// If it still runs.
    pub fn respawn(&mut self) {
        assert!(self.exit_status().is_some(), "the daemon still runs");
        self.child = launch(&self.options);
    }

    /// Sends a signal such as `HUP`.
    pub fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        crate::process::run(Command::new("/bin/sh").args(["-c", &kill]));
    }

    /// SIGTERM, then waits for the orderly end.
    ///
    /// # Panics
    /// If it takes too long or the exit code is not 0.
    pub fn terminate(&mut self) {
        self.signal("TERM");
        let Some(status) = wait::within(DRAIN, || self.exit_status()) else {
            panic!(
                "liaison did not end on SIGTERM within {DRAIN:?}\n{}",
                self.transcript()
            );
        };
        assert!(
            status.success(),
            "liaison ended with {status}\n{}",
            self.transcript()
        );
    }

    /// Runs `liaison --config F ARGS...` to its end.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn cli<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        cli(&self.options, args)
    }

    /// Runs a command with `--json` and returns what it printed.
    ///
    /// # Panics
    /// If it fails or prints no JSON, with what it and the daemon printed.
    pub fn cli_json<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Value {
        json_of(&self.options, args, || self.transcript())
    }

    /// What the daemon printed over all its starts: standard output, then standard error.
    pub fn transcript(&self) -> String {
        let read = |name: &str| fs::read(self.options.logs.join(name)).unwrap_or_default();
        let (out, err) = (read(OUT), read(ERR));
        format!(
            "--- daemon, stdout ---\n{}--- daemon, stderr ---\n{}",
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(&err),
        )
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        wait::tell_if_failing("liaison", || self.transcript());
        // A daemon that ended already cannot be killed, and that is all right.
        drop(self.child.kill());
        if let Err(error) = self.child.wait() {
            eprintln!("the daemon could not be waited for: {error}");
        }
    }
}

const OUT: &str = "daemon.out";
const ERR: &str = "daemon.err";

/// Runs `liaison --config F ARGS...` to its end, with or without a daemon.
///
/// # Panics
/// If it cannot be started.
pub fn cli<A: AsRef<OsStr>>(options: &DaemonOptions, args: impl IntoIterator<Item = A>) -> Output {
    let mut command = command(options);
    command.args(args).stdin(Stdio::null());
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"))
}

/// Starts `liaison --config F ARGS...`, with or without a daemon, and returns at once; what it
/// prints on standard error can be read.
///
/// # Panics
/// If it cannot be started.
pub fn begin<A: AsRef<OsStr>>(options: &DaemonOptions, args: impl IntoIterator<Item = A>) -> Child {
    let mut command = command(options);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"))
}

/// Like [`Daemon::cli_json`], with or without a daemon.
///
/// # Panics
/// If the command fails or prints no JSON.
pub fn cli_json<A: AsRef<OsStr>>(
    options: &DaemonOptions,
    args: impl IntoIterator<Item = A>,
) -> Value {
    json_of(options, args, String::new)
}

fn json_of<A: AsRef<OsStr>>(
    options: &DaemonOptions,
    args: impl IntoIterator<Item = A>,
    transcript: impl Fn() -> String,
) -> Value {
    let mut words: Vec<_> = args
        .into_iter()
        .map(|word| word.as_ref().to_owned())
        .collect();
    words.push("--json".into());
    let output = cli(options, &words);
    let show = || {
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        format!(
            "liaison {words:?}: {}\n{out}\n{err}\n{}",
            output.status,
            transcript()
        )
    };
    // Exit code 4 is "needs attention": the answer is there all the same.
    let answered = matches!(output.status.code(), Some(0 | 4));
    assert!(answered, "{}", show());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {}", show()))
}

fn command(options: &DaemonOptions) -> Command {
    let mut command = Command::new(&options.binary);
    command.arg("--config").arg(&options.config);
    command.envs(options.env.iter().map(|(name, value)| (name, value)));
    command
}

fn launch(options: &DaemonOptions) -> Child {
    let log = |name: &str| {
        let path = options.logs.join(name);
        File::options()
            .create(true)
            .append(true)
            .open(path)
            .expect("open the daemon's log")
    };
    let mut command = command(options);
    command
        .arg("run")
        .stdin(Stdio::null())
        .stdout(log(OUT))
        .stderr(log(ERR));
    command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"))
}
