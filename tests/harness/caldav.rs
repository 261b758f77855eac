//! The CalDAV servers that differ most, all seen in the same way, and a vdir beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::net::{self, free_port};
use crate::process::{self, Server};
use crate::radicale::{Answer, USERS, exchange, head};
use crate::smtp_sink::PYTHON;
use crate::wait;

/// How long one may take to come up.
const READY: Duration = Duration::from_secs(40);
/// Another process may take a port between our look and the server's bind.
const TRIES: usize = 3;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaldavKind {
    /// Radicale of Debian 12 (3.1.8): a PUT over an object answers 201, its tokens are 403.
    RadicaleDebian,
    /// Radicale of PyPI (3.9).
    RadicaleNew,
    /// Xandikos of Debian 12 (0.2.8): refusals inside a 207, 500 for a token, no MOVE.
    XandikosDebian,
    /// Xandikos of PyPI (0.4.10).
    XandikosNew,
    /// Our own, with habits that real ones have seldom (`odd_caldav.py` lists them).
    Odd(&'static [&'static str]),
}

/// A running CalDAV server with one user, the first of [`USERS`].
#[derive(Debug)]
pub struct CaldavServer {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    kind: CaldavKind,
    servers: Vec<Server>,
    dir: TempDir,
}

impl CaldavServer {
    /// Starts one.
    ///
    /// # Panics
    /// If it is not installed or does not come up.
    pub fn start(kind: CaldavKind) -> CaldavServer {
        let dir = tempfile::Builder::new()
            .prefix("liaison-caldav-")
            .tempdir()
            .expect("temp dir");
        let mut server = CaldavServer {
            port: 0,
            kind,
            servers: Vec::new(),
            dir,
        };
        let mut why = String::new();
        for _ in 0..TRIES {
            server.servers.clear();
            match server.run() {
                Ok(()) => return server,
                Err(reason) => why = reason,
            }
        }
        panic!("{kind:?}: {why}");
    }

    fn run(&mut self) -> Result<(), String> {
        let dir = self.dir.path().to_owned();
        self.port = free_port();
        match self.kind {
            CaldavKind::RadicaleDebian => {
                process::installed(&["/usr/bin/radicale"], "radicale");
                self.radicale(&[PYTHON, "/usr/bin/radicale"], &dir);
            }
            CaldavKind::RadicaleNew => {
                let program = from_pypi("radicale");
                self.radicale(&[path(&program)], &dir);
            }
            CaldavKind::XandikosDebian => {
                process::installed(&["/usr/bin/xandikos"], "xandikos");
                self.xandikos(&[PYTHON, "/usr/bin/xandikos"], &dir)?;
            }
            CaldavKind::XandikosNew => {
                let program = from_pypi("xandikos");
                let state = dir.join("state");
                let words = [path(&program), "serve", "--state-dir", path(&state)];
                self.xandikos(&words, &dir)?;
            }
            CaldavKind::Odd(habits) => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/odd_caldav.py");
                let (user, password) = USERS[0];
                let (port, login) = (self.port.to_string(), format!("{user}:{password}"));
                let command = [&[PYTHON, path(&script), &port, &login], habits].concat();
                let log = dir.join("server.out");
                self.servers
                    .push(Server::start("odd server", &command, &log));
            }
        }
        let (user, port) = (USERS[0].0, self.port);
        let server = self.servers.last_mut().ok_or("nothing started")?;
        server.wait_ready(READY, || {
            let head = head(port, user, ("OPTIONS", "/"), &[], b"");
            let wire = Box::new(net::connect(port).ok()?);
            exchange(wire, head.as_bytes(), b"").ok()
        })?;
        Ok(())
    }

    fn radicale(&mut self, program: &[&str], dir: &Path) {
        let base = dir.display();
        let (user, password) = USERS[0];
        fs::write(dir.join("users"), format!("{user}:{password}\n")).expect("write the users");
        let config = format!(
            "[server]\nhosts = 127.0.0.1:{}\n\
             [auth]\ntype = htpasswd\nhtpasswd_filename = {base}/users\n\
             htpasswd_encryption = plain\ndelay = 0\n\
             [rights]\ntype = owner_only\n\
             [storage]\nfilesystem_folder = {base}/data\n\
             [web]\ntype = none\n",
            self.port,
        );
        let file = dir.join("config");
        fs::write(&file, config).expect("write the configuration");
        let command = [program, &["--config", path(&file)]].concat();
        let log = dir.join("server.out");
        self.servers.push(Server::start("radicale", &command, &log));
    }

    /// It has no login of its own in clear text: a proxy asks for one.
    fn xandikos(&mut self, program: &[&str], dir: &Path) -> Result<(), String> {
        let (user, password) = USERS[0];
        let (behind, before) = (free_port(), self.port.to_string());
        let (port, principal, data) = (behind.to_string(), format!("/{user}/"), dir.join("data"));
        let words = [
            "-d",
            path(&data),
            "--defaults",
            "--current-user-principal",
            &principal,
            "-l",
            "127.0.0.1",
            "-p",
            &port,
        ];
        let command = [program, &words].concat();
        let log = dir.join("server.out");
        let mut server = Server::start("xandikos", &command, &log);
        server.wait_ready(READY, || net::connect(behind).ok())?;
        self.servers.push(server);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/auth_proxy.py");
        let login = format!("{user}:{password}");
        let command = [PYTHON, path(&script), &before, &port, &login];
        let log = dir.join("proxy.out");
        self.servers
            .push(Server::start("auth proxy", &command, &log));
        Ok(())
    }

    /// The server's address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a calendar and returns its path.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn mkcalendar(&self, name: &str) -> String {
        let user = USERS[0].0;
        let path = match self.kind {
            CaldavKind::RadicaleDebian | CaldavKind::RadicaleNew | CaldavKind::Odd(_) => {
                format!("/{user}/{name}/")
            }
            CaldavKind::XandikosDebian | CaldavKind::XandikosNew => {
                format!("/{user}/calendars/{name}/")
            }
        };
        let answer = self.request("MKCALENDAR", &path, &[], b"");
        assert_eq!(answer.status, 201, "MKCALENDAR {path}: {}", answer.text());
        path
    }

    /// One request, on a connection of its own.
    ///
    /// # Panics
    /// If the server does not answer HTTP.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        // Only our own server asks: its habits are for Liaison.
        let headers = [headers, &[("X-Person", "yes")]].concat();
        let head = head(self.port, USERS[0].0, (method, path), &headers, body);
        let answered = net::connect(self.port)
            .and_then(|wire| exchange(Box::new(wire), head.as_bytes(), body));
        answered.unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()))
    }

    /// Puts an object, over whatever is there.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn put(&self, path: &str, calendar: &str) {
        let kind = [("Content-Type", "text/calendar; charset=utf-8")];
        let answer = self.request("PUT", path, &kind, calendar.as_bytes());
        let done = matches!(answer.status, 200 | 201 | 204);
        assert!(done, "PUT {path}: {} {}", answer.status, answer.text());
    }

    /// Removes an object, as a person would in their calendar.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn delete(&self, path: &str) {
        let answer = self.request("DELETE", path, &[], b"");
        let done = matches!(answer.status, 200 | 204);
        assert!(done, "DELETE {path}: {} {}", answer.status, answer.text());
    }

    /// All objects of a calendar as (path, text), by path.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn list(&self, calendar: &str) -> Vec<(String, String)> {
        let object = |href: String| {
            let answer = self.request("GET", &href, &[], b"");
            (answer.status == 200).then(|| (href, answer.text()))
        };
        self.hrefs(calendar)
            .into_iter()
            .filter_map(object)
            .collect()
    }

    /// The paths of all objects of a calendar.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn hrefs(&self, calendar: &str) -> Vec<String> {
        let body =
            br#"<?xml version="1.0"?><d:propfind xmlns:d="DAV:"><d:prop><d:getetag/></d:prop></d:propfind>"#;
        let headers = [("Depth", "1"), ("Content-Type", "application/xml")];
        let answer = self.request("PROPFIND", calendar, &headers, body);
        assert_eq!(answer.status, 207, "PROPFIND {calendar}: {}", answer.text());
        let text = answer.text();
        let mut hrefs: Vec<String> = text
            .split("href>")
            .filter_map(|part| part.split_once("</"))
            .map(|(href, _)| href.to_owned())
            .filter(|href| href.starts_with(calendar) && href.ends_with(".ics"))
            .collect();
        hrefs.sort();
        hrefs.dedup();
        hrefs
    }

    /// What it printed.
    pub fn log(&self) -> String {
        let logs: Vec<String> = self.servers.iter().map(Server::log).collect();
        logs.join("\n")
    }
}

impl Drop for CaldavServer {
    fn drop(&mut self) {
        wait::tell_if_failing(&format!("{:?}", self.kind), || self.log());
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of letters")
}

/// A program of `tests/setup/caldav.txt`.
fn from_pypi(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let target = test.ancestors().nth(3).expect("target");
    let program = target.join("caldav/bin").join(name);
    assert!(
        program.exists(),
        "{} is not there: run `make caldav`",
        program.display()
    );
    program
}
