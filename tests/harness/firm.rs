//! The firm `example.test` and its configuration file.
//!
//! It is open at every hour of every day, so that no test depends on when it runs; it believes the
//! verdicts of [`cast::AUTHSERV_ID`], and counts `example.com` and its neighbours as free-mail
//! domains, so that each sender of a test is somebody else.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::caldav::CaldavServer;
use crate::chance;
use crate::daemon::{self, Daemon, DaemonOptions};
use crate::dovecot::{Dovecot, Ports};
use crate::mail::cast;
use crate::maildir::Maildir;
use crate::radicale::{Radicale, USERS};
use crate::smtp_sink::SmtpSink;
use crate::token_endpoint::{CLIENT_SECRET, TokenEndpoint};
use crate::vdir::Vdir;
use crate::{PEOPLE, password_of};

/// The person whose mailbox, calendar and customers these are.
pub const ALICE: &str = PEOPLE[0];

/// `[limits]` for tests that send more than anybody should: other keys of the section may follow.
pub const NO_CEILINGS: &str = "[limits]\nautomatic_per_hour = 1000000\n\
                               login_mails_per_minute = 0\nlogin_mails_per_day = 0\n\
                               domain_mails_per_day = 0";

/// Name of the mailbox and of the calendar of [`ALICE`] in the configuration.
pub const SALES: &str = "sales";

/// A configuration being written, and the folder with everything of the daemon.
#[derive(Debug)]
pub struct Firm {
    dir: TempDir,
    top: String,
    sections: Vec<String>,
}

impl Default for Firm {
    fn default() -> Firm {
        Firm::new()
    }
}

impl Firm {
    /// The firm with its one person, and nothing to watch yet.
    ///
    /// # Panics
    /// If there is no room for a temporary folder.
    pub fn new() -> Firm {
        let dir = tempfile::Builder::new()
            .prefix("liaison-firm-")
            .disable_cleanup(chance::keeps_files())
            .tempdir()
            .expect("temp dir");
        let plugins = daemon::staged("plugins");
        let top = format!(
            "state_dir = \"state\"\nplugin_dir = \"{}\"\nlog = \"info,liaison=debug\"\n",
            plugins.display()
        );
        let mut firm = Firm {
            dir,
            top,
            sections: Vec::new(),
        };
        firm.add(&format!(
            r#"[firm]
name = "Example Consulting"
zone = "Europe/Berlin"
domains = ["example.test"]
authserv_ids = ["{}"]
free_mail = ["example.com", "example.net", "example.org"]
signature = "Example Consulting"
send_delay_secs = 0
[firm.working_hours]
{}
[quiet_hours]
night = "none"
weekends = false
[[user]]
name = "Alice Ames"
address = "{ALICE}""#,
            cast::AUTHSERV_ID,
            ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
                .map(|day| format!("{day} = [\"00:00-24:00\"]"))
                .join("\n"),
        ));
        firm
    }

    /// The folder that holds the configuration, the state and the file-based edges.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.dir().join("liaison.toml")
    }

    /// Adds a section as it stands in the file.
    pub fn add(&mut self, section: &str) {
        self.sections.push(section.to_owned());
    }

    /// Writes a secret and returns the reference to it.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn secret(&self, name: &str, value: &str) -> String {
        let file = self.dir().join(name);
        fs::write(&file, format!("{value}\n")).expect("write the secret");
        format!("{{ file = \"{}\" }}", file.display())
    }

    /// Watches the mailbox of [`ALICE`] on a real server; with a transport that carries its mail.
    pub fn imap(&mut self, dovecot: &Dovecot, transport: Option<&str>) {
        let transport =
            transport.map_or_else(String::new, |name| format!("transport = \"{name}\""));
        self.imap_of(ALICE, SALES, dovecot.ports.imaps, dovecot, &transport);
    }

    /// Watches the mailbox of one of [`PEOPLE`] on a real server, on a port that leads there.
    pub fn imap_of(&mut self, who: &str, name: &str, port: u16, dovecot: &Dovecot, more: &str) {
        let password = self.secret(&format!("imap-password-{name}"), &password_of(who));
        self.add(&format!(
            r#"[[mailbox]]
name = "{name}"
kind = "imap"
owner = "{ALICE}"
host = "localhost"
port = {port}
user = "{who}"
password = {password}
tls.ca_file = "{}"
poll_interval_secs = 2
{more}"#,
            dovecot.ca.ca_file.display(),
        ));
    }

    /// The `[[oauth]]` called `work`, at a provider of the harness.
    pub fn oauth(&mut self, endpoint: &TokenEndpoint, flow: &str) {
        let secret = self.secret("client-secret", CLIENT_SECRET);
        self.add(&format!(
            "[[oauth]]\nname = \"work\"\nflow = \"{flow}\"\nclient_secret = {secret}\n{}",
            endpoint.settings()
        ));
    }

    /// Watches the mailbox of [`ALICE`] on a real server, and sends through it, both with tokens
    /// of `work`.
    pub fn mail_by_token(&mut self, dovecot: &Dovecot) {
        let ca = dovecot.ca.ca_file.display();
        let Ports {
            imaps, submissions, ..
        } = dovecot.ports;
        self.add(&format!(
            r#"[[transport]]
name = "submission"
kind = "smtp"
host = "localhost"
port = {submissions}
user = "{ALICE}"
oauth = "work"
tls.ca_file = "{ca}"

[[mailbox]]
name = "{SALES}"
kind = "imap"
owner = "{ALICE}"
host = "localhost"
port = {imaps}
user = "{ALICE}"
oauth = "work"
tls.ca_file = "{ca}"
poll_interval_secs = 2
transport = "submission""#
        ));
    }

    /// Sends through a real server with STARTTLS.
    pub fn smtp(&mut self, name: &str, sink: &SmtpSink) {
        self.smtp_with(name, sink, "");
    }

    /// The same with more keys.
    pub fn smtp_with(&mut self, name: &str, sink: &SmtpSink, more: &str) {
        let password = self.secret("smtp-password", &password_of(ALICE));
        self.add(&format!(
            r#"[[transport]]
name = "{name}"
kind = "smtp"
host = "localhost"
port = {}
user = "{ALICE}"
password = {password}
tls.mode = "starttls"
tls.ca_file = "{}"
{more}"#,
            sink.port,
            sink.ca.ca_file.display(),
        ));
    }

    /// The calendar of [`ALICE`], made on a real server.
    pub fn caldav(&mut self, radicale: &Radicale) {
        let (user, password) = USERS[0];
        let path = radicale.mkcalendar(user, "work");
        let password = self.secret("dav-password", password);
        let tls = radicale.ca.as_ref().map_or_else(String::new, |ca| {
            format!("tls.ca_file = \"{}\"", ca.ca_file.display())
        });
        self.add(&format!(
            r#"[[calendar]]
name = "{SALES}"
kind = "caldav"
owner = "{ALICE}"
holds = true
url = "{}{path}"
user = "{user}"
password = {password}
poll_secs = 5
{tls}"#,
            radicale.url(),
        ));
    }

    /// The calendar of [`ALICE`], made on any of the servers; returns its path there.
    pub fn calendar_on(&mut self, server: &CaldavServer) -> String {
        self.calendar_at(server, server.port)
    }

    /// The same, reached by another port.
    pub fn calendar_at(&mut self, server: &CaldavServer, port: u16) -> String {
        let (user, password) = USERS[0];
        let path = server.mkcalendar("work");
        let password = self.secret("dav-password", password);
        self.add(&format!(
            "[[calendar]]\nname = \"{SALES}\"\nkind = \"caldav\"\nowner = \"{ALICE}\"\n\
             holds = true\nurl = \"http://127.0.0.1:{port}{path}\"\nuser = \"{user}\"\n\
             password = {password}\npoll_secs = 5",
        ));
        path
    }

    /// Watches a Maildir of this machine.
    pub fn maildir(&mut self, transport: Option<&str>) -> Maildir {
        let maildir = Maildir::create(&self.dir().join("mail"));
        let transport =
            transport.map_or_else(String::new, |name| format!("transport = \"{name}\""));
        self.add(&format!(
            r#"[[mailbox]]
name = "{SALES}"
kind = "maildir"
owner = "{ALICE}"
path = "mail"
{transport}"#
        ));
        maildir
    }

    /// "Sends" into the files of a Maildir, and returns it.
    pub fn files(&mut self, name: &str) -> Maildir {
        self.add(&format!(
            "[[transport]]\nname = \"{name}\"\nkind = \"maildir\"\npath = \"outgoing\""
        ));
        Maildir::create(&self.dir().join("outgoing"))
    }

    /// The calendar of [`ALICE`] as a folder.
    pub fn vdir(&mut self) -> Vdir {
        let vdir = Vdir::create(&self.dir().join("calendar"), "Work");
        self.add(&format!(
            "[[calendar]]\nname = \"{SALES}\"\nkind = \"vdir\"\nowner = \"{ALICE}\"\n\
             holds = true\npath = \"calendar\""
        ));
        vdir
    }

    /// Loads the bundled plugins, each with the same mode for mail; everything else is applied.
    pub fn plugins(&mut self, names: &[&str], mail: &str) {
        for name in names {
            self.add(&format!(
                "[[plugin]]\nname = \"{name}\"\nmode = {{ mail = \"{mail}\", records = \"apply\", \
                 tasks = \"apply\", holds = \"apply\" }}"
            ));
        }
    }

    /// Loads one of the plugins that misbehave on purpose.
    pub fn hostile(&mut self, name: &str) {
        let folder = daemon::staged("test-plugins").join(name);
        self.add(&format!(
            "[[plugin]]\nname = \"{name}\"\npath = \"{}\"",
            folder.display()
        ));
    }

    /// Writes the file and says how to run the daemon with it.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn options(&self) -> DaemonOptions {
        self.options_of(daemon::binary())
    }

    /// As [`Firm::options`], for another program than the built one.
    ///
    /// # Panics
    /// As there.
    pub fn options_of(&self, binary: PathBuf) -> DaemonOptions {
        let text = format!("{}\n{}\n", self.top, self.sections.join("\n\n"));
        fs::write(self.config(), text).expect("write the configuration");
        DaemonOptions {
            socket: Some(self.dir().join("state").join("liaison.sock")),
            ..DaemonOptions::of(&self.config(), binary)
        }
    }

    /// Writes the file, starts the daemon and waits until it answers.
    ///
    /// # Panics
    /// As [`Daemon::start`].
    pub fn start(&self) -> Daemon {
        Daemon::start(self.options())
    }
}
