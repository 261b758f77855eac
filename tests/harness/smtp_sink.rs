//! A real SMTP server (aiosmtpd) that keeps what it accepts and can be told to misbehave.
//!
//! Its log is the oracle about what was sent: each line reaches the disk before the 250 goes out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tempfile::TempDir;

use crate::process::{self, Server};
use crate::tls::Ca;
use crate::{PEOPLE, password_of, wait};

/// Debian's Python, because Debian's aiosmtpd is installed for that one.
pub const PYTHON: &str = "/usr/bin/python3";

/// Python with asyncio starts in under a second; a loaded machine gets more.
const READY: Duration = Duration::from_secs(20);

const PROGRAM: &str = include_str!("smtp_sink.py");

/// How a connection to the sink is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SinkTls {
    /// Plain, then STARTTLS, which is required.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None, and no login either: a relay for [`crate::dovecot::ServerOptions::relay_port`].
    None,
}

/// What the sink does with a mail after its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SinkMode {
    /// Keeps it and says 250.
    #[default]
    Normal,
    /// Cuts the connection and keeps nothing.
    Drop,
    /// Keeps it, then cuts the connection instead of answering.
    LoseReply,
    /// Says 554.
    Reject,
    /// Keeps it and says 250 twice.
    Twice,
}

/// The sink's behaviour from the next mail on.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Behaviour {
    /// What happens after the data.
    pub mode: SinkMode,
    /// For how many mails; afterwards it is normal again. `None` is for ever.
    pub times: Option<u32>,
    /// How long the answer takes, in milliseconds.
    pub delay_ms: u32,
}

/// One mail that the sink accepted.
#[derive(Debug, Clone, Deserialize)]
pub struct SunkMail {
    /// `MAIL FROM`.
    pub envelope_from: String,
    /// `RCPT TO`, in order.
    pub rcpt: Vec<String>,
    /// The `Message-ID` header with its angle brackets; empty without one.
    pub message_id: String,
    /// File with the message, byte for byte.
    pub path: String,
    /// SHA-256 of those bytes, hexadecimal.
    pub sha256: String,
    /// When its last byte had arrived, seconds since 1970.
    pub arrived: f64,
    /// When it was accepted, seconds since 1970.
    pub time: f64,
    /// Who was logged in; empty without a login.
    pub user: String,
}

impl SunkMail {
    /// The message.
    ///
    /// # Panics
    /// If its file is gone.
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).expect("read the kept mail")
    }

    /// The unfolded value of the first header of this name.
    pub fn header(&self, name: &str) -> Option<String> {
        crate::mail::header(&self.bytes(), name)
    }
}

/// A running sink. [`PEOPLE`] can log in. Recipients `bounce*` get 550, `later*` get 451.
#[derive(Debug)]
pub struct SmtpSink {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// The CA that issued its certificate.
    pub ca: Ca,
    tls: SinkTls,
    server: Option<Server>,
    dir: TempDir,
}

impl SmtpSink {
    /// Starts one.
    ///
    /// # Panics
    /// If aiosmtpd is not installed or does not come up.
    pub fn start(tls: SinkTls) -> SmtpSink {
        let dir = tempfile::Builder::new()
            .prefix("liaison-sink-")
            .tempdir()
            .expect("temp dir");
        let ca = Ca::create(dir.path());
        fs::write(dir.path().join("smtp_sink.py"), PROGRAM).expect("write the sink's program");
        let mut sink = SmtpSink {
            port: 0,
            ca,
            tls,
            server: None,
            dir,
        };
        sink.behave(Behaviour::default());
        sink.restart();
        sink
    }

    /// Sets what happens from the next mail on.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn behave(&self, behaviour: Behaviour) {
        let text = serde_json::to_string(&behaviour).expect("encode the behaviour");
        let fresh = self.dir.path().join("behaviour.new");
        fs::write(&fresh, text).expect("write the behaviour");
        fs::rename(fresh, self.dir.path().join("behaviour.json")).expect("set the behaviour");
    }

    /// Everything accepted so far, in order, read from the log.
    ///
    /// # Panics
    /// If a line of the log is broken.
    pub fn messages(&self) -> Vec<SunkMail> {
        let log = fs::read_to_string(self.dir.path().join("sink.log")).unwrap_or_default();
        let whole = log
            .rsplit_once('\n')
            .map(|(whole, _)| whole)
            .unwrap_or_default();
        whole
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of the log"))
            .collect()
    }

    /// How many were accepted so far.
    pub fn count(&self) -> usize {
        let log = fs::read(self.dir.path().join("sink.log")).unwrap_or_default();
        log.iter().filter(|byte| **byte == b'\n').count()
    }

    /// Message-IDs that were accepted more than once for the same recipients: mails sent twice.
    ///
    /// # Panics
    /// As [`SmtpSink::messages`].
    pub fn sent_twice(&self) -> Vec<String> {
        let mut counts = BTreeMap::new();
        for mail in self.messages() {
            *counts.entry((mail.message_id, mail.rcpt)).or_insert(0) += 1;
        }
        counts
            .into_iter()
            .filter(|(_, count)| *count > 1)
            .map(|((id, _), _)| id)
            .collect()
    }

    /// Stops it; what it kept stays.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.stop();
        }
    }

    /// Starts it again on the same port, stopping it first if it runs.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn restart(&mut self) {
        self.stop();
        process::installed(
            &["/usr/lib/python3/dist-packages/aiosmtpd"],
            "python3-aiosmtpd",
        );
        let dir = self.dir.path();
        fs::write(dir.join("sink.json"), self.settings().to_string()).expect("write the settings");
        let port_file = dir.join("port");
        if port_file.exists() {
            fs::remove_file(&port_file).expect("remove the old port");
        }
        let program = dir.join("smtp_sink.py").display().to_string();
        let folder = dir.display().to_string();
        let log = dir.join("sink.out");
        let mut server = Server::start("the SMTP sink", &[PYTHON, &program, &folder], &log);
        self.port = server
            .wait_ready(READY, || read_port(&port_file))
            .unwrap_or_else(|why| panic!("{why}\n(installed? `make servers`)"));
        self.server = Some(server);
    }

    fn settings(&self) -> serde_json::Value {
        let users: BTreeMap<_, _> = match self.tls {
            SinkTls::None => BTreeMap::new(),
            _ => PEOPLE.iter().map(|who| (*who, password_of(who))).collect(),
        };
        let tls = match self.tls {
            SinkTls::StartTls => "starttls",
            SinkTls::Implicit => "implicit",
            SinkTls::None => "none",
        };
        json!({
            "port": self.port,
            "tls": tls,
            "cert": self.ca.cert_file,
            "key": self.ca.key_file,
            "users": users,
        })
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        wait::tell_if_failing("the SMTP sink", || {
            let log = self.server.as_ref().map(Server::log).unwrap_or_default();
            format!("{log}kept: {:#?}", self.messages())
        });
    }
}

fn read_port(file: &Path) -> Option<u16> {
    fs::read_to_string(file).ok()?.parse().ok()
}
