//! A real Dovecot: IMAP, LMTP and submission on free ports of 127.0.0.1.
//!
//! Started by root it runs as the user `dovecot`, because mail processes refuse uid 0; otherwise
//! as whoever runs the test.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::chance;
use crate::imap_client::ImapClient;
use crate::net::{self, free_port};
use crate::process::{self, Server};
use crate::tls::Ca;
use crate::{PEOPLE, password_of, wait};

mod config;

/// Dovecot answers in under a second; a loaded machine gets more.
const READY: Duration = Duration::from_secs(20);

/// Another process may take a port between our look and Dovecot's bind.
const TRIES: usize = 3;

/// What a test may want different.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Seconds between two `* OK Still here` on an idle connection.
    pub idle_notify_secs: u32,
    /// Where the submission service relays to: a plain port of 127.0.0.1, such as that of
    /// [`crate::smtp_sink::SmtpSink`]. Without it, submission accepts logins and no mail.
    pub relay_port: Option<u16>,
    /// Lines added to the end of `dovecot.conf`.
    pub extra_config: String,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            idle_notify_secs: 5,
            relay_port: None,
            extra_config: String::new(),
        }
    }
}

/// Ports of one Dovecot, all on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// IMAP, plain, with STARTTLS.
    pub imap: u16,
    /// IMAP over TLS.
    pub imaps: u16,
    /// LMTP, plain, no login.
    pub lmtp: u16,
    /// Submission, plain, with STARTTLS.
    pub submission: u16,
    /// Submission over TLS.
    pub submissions: u16,
}

impl Ports {
    fn pick() -> Ports {
        Ports {
            imap: free_port(),
            imaps: free_port(),
            lmtp: free_port(),
            submission: free_port(),
            submissions: free_port(),
        }
    }
}

/// A running Dovecot with the mailboxes of [`PEOPLE`], each with INBOX, Sent, Drafts and Trash.
#[derive(Debug)]
pub struct Dovecot {
    /// Where it listens.
    pub ports: Ports,
    /// The CA that issued its certificate.
    pub ca: Ca,
    server: Option<Server>,
    options: ServerOptions,
    dir: TempDir,
}

impl Dovecot {
    /// Starts one and waits until every listener greets.
    ///
    /// # Panics
    /// If Dovecot is not installed or does not come up, with its log.
    pub fn start(options: &ServerOptions) -> Dovecot {
        let dir = tempfile::Builder::new()
            .prefix("liaison-dovecot-")
            .disable_cleanup(chance::keeps_files())
            .tempdir()
            .expect("temp dir");
        let ca = Ca::create(dir.path());
        let mut why = String::new();
        for _ in 0..TRIES {
            let ports = Ports::pick();
            match launch(dir.path(), &ca, ports, options) {
                Ok(server) => {
                    let (server, options) = (Some(server), options.clone());
                    return Dovecot {
                        ports,
                        ca,
                        server,
                        options,
                        dir,
                    };
                }
                Err(reason) => why = reason,
            }
        }
        panic!("{why}");
    }

    /// Orderly stop; connections are closed, mail stays.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.stop();
        }
    }

    /// SIGKILL to all its processes; mail stays.
    pub fn kill_hard(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill_hard();
        }
    }

    /// Starts it again on the same ports with the same mail, stopping it first if it runs.
    ///
    /// # Panics
    /// If it does not come up, with its log.
    pub fn restart(&mut self) {
        self.stop();
        let server = launch(self.dir.path(), &self.ca, self.ports, &self.options)
            .unwrap_or_else(|why| panic!("{why}"));
        self.server = Some(server);
    }

    /// Freezes (`false`: thaws) every process, so that connections stall without closing.
    pub fn freeze(&self, frozen: bool) {
        if let Some(server) = &self.server {
            server.freeze(frozen);
        }
    }

    /// Dovecot's own log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("dovecot.log")).unwrap_or_default()
    }

    /// The folder with the Maildir of `user`.
    pub fn imap_dir(&self, user: &str) -> PathBuf {
        self.dir.path().join("mail").join(user)
    }

    /// A logged-in client on the plain port.
    ///
    /// # Panics
    /// If the login fails.
    pub fn client(&self, user: &str) -> ImapClient {
        let mut client = ImapClient::connect(self.ports.imap).expect("connect to Dovecot");
        client
            .login(user, &password_of(user))
            .expect("log in to Dovecot");
        client
    }

    /// Delivers one message to `rcpt` over LMTP, from the address in its From field; from the null
    /// sender when it is a report that says so (`Return-Path: <>`).
    ///
    /// # Panics
    /// If it is not accepted.
    pub fn deliver_lmtp(&self, rcpt: &str, message: &[u8]) {
        self.deliver_many(rcpt, [message]);
    }

    /// Delivers messages to `rcpt`, in order, over one LMTP connection; returns how many.
    ///
    /// # Panics
    /// If one is not accepted.
    pub fn deliver_many<M: AsRef<[u8]>>(
        &self,
        rcpt: &str,
        messages: impl IntoIterator<Item = M>,
    ) -> usize {
        let mut lmtp = Lmtp::connect(self.ports.lmtp).expect("connect to LMTP");
        let mut count = 0;
        for message in messages {
            lmtp.deliver(rcpt, message.as_ref())
                .expect("deliver over LMTP");
            count += 1;
        }
        count
    }

    /// Lays a message into the inbox of `user` as something else on the machine would, without
    /// speaking to the server.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn lay(&self, user: &str, name: &str, message: &[u8]) {
        lay(&self.imap_dir(user), name, message);
    }

    /// Makes Dovecot forget the UIDs of a mailbox: a new UIDVALIDITY, with the same messages.
    ///
    /// The server is stopped meanwhile, so every connection is cut.
    ///
    /// # Panics
    /// If UIDVALIDITY is the same afterwards.
    pub fn reset_uidvalidity(&mut self, user: &str, mailbox: &str) {
        self.reset_uidvalidity_while(user, mailbox, &[]);
    }

    /// As [`Dovecot::reset_uidvalidity`], and `arriving` are laid into the mailbox by something
    /// else while the server is down.
    ///
    /// # Panics
    /// As there.
    pub fn reset_uidvalidity_while(&mut self, user: &str, mailbox: &str, arriving: &[Vec<u8>]) {
        let before = self.client(user).examine(mailbox).uid_validity;
        self.stop();
        let mut folder = self.imap_dir(user);
        if !mailbox.eq_ignore_ascii_case("INBOX") {
            folder.push(format!(".{}", mailbox.replace('/', ".")));
        }
        for entry in fs::read_dir(&folder).expect("read the Maildir").flatten() {
            if entry.file_name().to_string_lossy().starts_with("dovecot") {
                fs::remove_file(entry.path()).expect("remove Dovecot's own file");
            }
        }
        for (n, message) in arriving.iter().enumerate() {
            lay(
                &folder,
                &format!("{before}.arriving-{n}.localhost"),
                message,
            );
        }
        // UIDVALIDITY is the second of its making: in the same second it would come back the same.
        wait::eventually("another second", Duration::from_secs(3), || {
            (jiff::Timestamp::now().as_second() > i64::from(before)).then_some(())
        });
        self.restart();
        let after = self.client(user).examine(mailbox).uid_validity;
        assert_ne!(before, after, "UIDVALIDITY of {mailbox} was to change");
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        wait::tell_if_failing("Dovecot", || self.log());
    }
}

fn lay(maildir: &Path, name: &str, message: &[u8]) {
    let (tmp, new) = (
        maildir.join("tmp").join(name),
        maildir.join("new").join(name),
    );
    fs::write(&tmp, message).expect("write a message into the Maildir");
    if id("-u") == "0" {
        let (uid, gid) = (Some(id_of("-u")), Some(id_of("-g")));
        chown(&tmp, uid, gid).expect("give Dovecot its file");
    }
    fs::rename(&tmp, &new).expect("deliver the message");
}

/// Writes the configuration, starts the server and waits for all five greetings.
fn launch(dir: &Path, ca: &Ca, ports: Ports, options: &ServerOptions) -> Result<Server, String> {
    let dovecot = process::installed(&["/usr/sbin/dovecot"], "dovecot-imapd");
    process::installed(&["/usr/lib/dovecot/lmtp"], "dovecot-lmtpd");
    process::installed(&["/usr/lib/dovecot/submission"], "dovecot-submissiond");
    let as_root = id("-u") == "0";
    let user = if as_root {
        "dovecot".to_owned()
    } else {
        id("-un")
    };
    let group = if as_root {
        "dovecot".to_owned()
    } else {
        id("-gn")
    };

    let users: String = PEOPLE
        .iter()
        .map(|who| format!("{who}:{{PLAIN}}{}\n", password_of(who)))
        .collect();
    fs::write(dir.join("users"), users).expect("write the users");
    let text = config::render(dir, ca, ports, options, (&user, &group));
    let file = dir.join("dovecot.conf");
    fs::write(&file, text).expect("write dovecot.conf");
    if as_root {
        give_away(dir);
    }

    // Left by a kill; and a zombie that nobody collects would count as running.
    let pid_file = dir.join("run/master.pid");
    if pid_file.exists() {
        fs::remove_file(pid_file).expect("remove Dovecot's pid file");
    }

    let (dovecot, file) = (dovecot.display().to_string(), file.display().to_string());
    let mut command = vec![
        "setpriv",
        "--reuid=dovecot",
        "--regid=dovecot",
        "--clear-groups",
    ];
    if !as_root {
        command.clear();
    }
    command.extend([dovecot.as_str(), "-F", "-c", file.as_str()]);
    let mut server = Server::start("Dovecot", &command, &dir.join("dovecot.out"));
    for port in [ports.imap, ports.lmtp, ports.submission] {
        server
            .wait_ready(READY, || greeting(port).ok())
            .map_err(|why| format!("{why}\n{}", log_of(dir)))?;
    }
    for port in [ports.imaps, ports.submissions] {
        server
            .wait_ready(READY, || net::connect_tls(port, "localhost", ca).ok())
            .map_err(|why| format!("{why}\n{}", log_of(dir)))?;
    }
    Ok(server)
}

fn log_of(dir: &Path) -> String {
    fs::read_to_string(dir.join("dovecot.log")).unwrap_or_default()
}

fn id(what: &str) -> String {
    process::run(Command::new("id").arg(what)).trim().to_owned()
}

/// Hands the folder and all in it to the user that Dovecot runs as.
fn give_away(dir: &Path) {
    let uid = id_of("-u");
    let gid = id_of("-g");
    let mut open = vec![dir.to_owned()];
    while let Some(path) = open.pop() {
        chown(&path, Some(uid), Some(gid)).expect("give Dovecot its folder");
        if path.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .expect("list")
                    .flatten()
                    .map(|entry| entry.path()),
            );
        }
    }
}

fn id_of(what: &str) -> u32 {
    let number = process::run(Command::new("id").args([what, "dovecot"]));
    number.trim().parse().expect("a number from id")
}

fn greeting(port: u16) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(net::connect(port)?).read_line(&mut line)?;
    if line.is_empty() {
        Err(io::ErrorKind::UnexpectedEof.into())
    } else {
        Ok(line)
    }
}

/// What the sender's server would have said in `MAIL FROM`.
fn envelope_sender(message: &[u8]) -> String {
    if crate::mail::header(message, "Return-Path").as_deref() == Some("<>") {
        return String::new();
    }
    let from = crate::mail::header(message, "From").unwrap_or_default();
    let address = match from.rsplit_once('<') {
        Some((_, rest)) => rest.trim_end_matches('>'),
        None => &from,
    };
    // Broken messages have senders too, only nobody can say which.
    let plain = address.contains('@') && !address.contains([' ', '<', '>']);
    if plain {
        address.to_owned()
    } else {
        String::new()
    }
}

/// One LMTP connection (RFC 2033).
struct Lmtp {
    stream: BufReader<TcpStream>,
}

impl Lmtp {
    fn connect(port: u16) -> io::Result<Lmtp> {
        let mut lmtp = Lmtp {
            stream: BufReader::new(net::connect(port)?),
        };
        lmtp.expect('2')?;
        lmtp.say("LHLO localhost", '2')?;
        Ok(lmtp)
    }

    fn deliver(&mut self, rcpt: &str, message: &[u8]) -> io::Result<()> {
        self.say(&format!("MAIL FROM:<{}>", envelope_sender(message)), '2')?;
        self.say(&format!("RCPT TO:<{rcpt}>"), '2')?;
        self.say("DATA", '3')?;
        let mut wire = Vec::with_capacity(message.len() + 64);
        for line in message.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b".") {
                wire.push(b'.');
            }
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            wire.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b".\r\n");
        self.stream.get_mut().write_all(&wire)?;
        self.expect('2')
    }

    fn say(&mut self, command: &str, want: char) -> io::Result<()> {
        self.stream
            .get_mut()
            .write_all(format!("{command}\r\n").as_bytes())?;
        self.expect(want)
    }

    fn expect(&mut self, want: char) -> io::Result<()> {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            if line.as_bytes().get(3) == Some(&b'-') {
                continue;
            }
            if line.starts_with(want) {
                return Ok(());
            }
            return Err(io::Error::other(format!("LMTP answered {line:?}")));
        }
    }
}
