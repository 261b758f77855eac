//! A real CalDAV server (Radicale) and a tiny HTTP client to look into it.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::net::{self, Wire, free_port};
use crate::process::{self, Server};
use crate::smtp_sink::PYTHON;
use crate::tls::Ca;
use crate::wait;

/// Radicale takes up to 4 s to come up on an idle machine.
const READY: Duration = Duration::from_secs(30);

/// Another process may take the port between our look and Radicale's bind.
const TRIES: usize = 3;

/// Who can log in, with which password. Home is `/NAME/`.
pub const USERS: [(&str, &str); 2] = [("alice", "secret"), ("bob", "secret2")];

/// A running Radicale.
#[derive(Debug)]
pub struct Radicale {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// The CA of its certificate; `None` for plain HTTP.
    pub ca: Option<Ca>,
    server: Option<Server>,
    dir: TempDir,
}

/// An HTTP answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Radicale {
    /// Starts one over plain HTTP.
    ///
    /// # Panics
    /// If Radicale is not installed or does not come up.
    pub fn start() -> Radicale {
        Radicale::launch(false)
    }

    /// Starts one over HTTPS.
    ///
    /// # Panics
    /// As [`Radicale::start`].
    pub fn start_tls() -> Radicale {
        Radicale::launch(true)
    }

    fn launch(tls: bool) -> Radicale {
        let dir = tempfile::Builder::new()
            .prefix("liaison-radicale-")
            .tempdir()
            .expect("temp dir");
        let ca = tls.then(|| Ca::create(dir.path()));
        let mut radicale = Radicale {
            port: 0,
            ca,
            server: None,
            dir,
        };
        let mut why = String::new();
        for _ in 0..TRIES {
            radicale.port = free_port();
            match radicale.run() {
                Ok(()) => return radicale,
                Err(reason) => why = reason,
            }
        }
        panic!("{why}");
    }

    /// Stops it; calendars stay.
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
        self.run().unwrap_or_else(|why| panic!("{why}"));
    }

    /// The server's address, without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Makes a calendar and returns its path.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn mkcalendar(&self, user: &str, name: &str) -> String {
        let path = collection(user, name);
        let answer = self.request(user, "MKCALENDAR", &path, &[], b"");
        assert_eq!(answer.status, 201, "MKCALENDAR {path}: {}", answer.text());
        path
    }

    /// Puts objects into a calendar as Radicale stores them, for whom thousands of `PUT`s are too
    /// many.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn plant(
        &self,
        user: &str,
        calendar: &str,
        objects: impl IntoIterator<Item = (String, String)>,
    ) {
        let root = self.dir.path().join("data/collection-root");
        let folder = root.join(user).join(calendar);
        for (name, text) in objects {
            fs::write(folder.join(name), text).expect("write an object");
        }
    }

    /// `PUT` of one calendar object, with extra headers such as `("If-None-Match", "*")`.
    pub fn put(&self, user: &str, path: &str, headers: &[(&str, &str)], calendar: &str) -> Answer {
        let mut all = vec![("Content-Type", "text/calendar; charset=utf-8")];
        all.extend_from_slice(headers);
        self.request(user, "PUT", path, &all, calendar.as_bytes())
    }

    /// `GET` of one object; `None` where there is none.
    ///
    /// # Panics
    /// If the server answers anything else.
    pub fn get(&self, user: &str, path: &str) -> Option<String> {
        let answer = self.request(user, "GET", path, &[], b"");
        match answer.status {
            200 => Some(answer.text()),
            404 => None,
            status => panic!("GET {path}: {status} {}", answer.text()),
        }
    }

    /// Removes one object, as a person would in their calendar.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn delete(&self, user: &str, path: &str) {
        let answer = self.request(user, "DELETE", path, &[], b"");
        assert_eq!(answer.status, 200, "DELETE {path}: {}", answer.text());
    }

    /// All objects of a calendar as (path, text), by path.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn list(&self, user: &str, calendar: &str) -> Vec<(String, String)> {
        let path = collection(user, calendar);
        let answer = self.request(user, "PROPFIND", &path, &[("Depth", "1")], PROPFIND);
        assert_eq!(answer.status, 207, "PROPFIND {path}: {}", answer.text());
        let text = answer.text();
        let mut hrefs: Vec<_> = text
            .split("<href>")
            .skip(1)
            .filter_map(|rest| rest.split_once("</href>"))
            .map(|(href, _)| href.to_owned())
            .filter(|href| !href.ends_with('/'))
            .collect();
        hrefs.sort();
        hrefs.dedup();
        let object = |href: String| self.get(user, &href).map(|text| (href, text));
        hrefs.into_iter().filter_map(object).collect()
    }

    /// One request with Basic authentication of `user`, on a connection of its own.
    ///
    /// # Panics
    /// If the server does not answer HTTP.
    pub fn request(
        &self,
        user: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let head = head(self.port, user, (method, path), headers, body);
        self.exchange(head.as_bytes(), body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()))
    }

    /// What Radicale printed.
    pub fn log(&self) -> String {
        self.server.as_ref().map(Server::log).unwrap_or_default()
    }

    fn exchange(&self, head: &[u8], body: &[u8]) -> io::Result<Answer> {
        let wire: Box<dyn Wire> = match &self.ca {
            Some(ca) => Box::new(net::connect_tls(self.port, "127.0.0.1", ca)?),
            None => Box::new(net::connect(self.port)?),
        };
        exchange(wire, head, body)
    }

    fn run(&mut self) -> Result<(), String> {
        process::installed(&["/usr/bin/radicale"], "radicale");
        let dir = self.dir.path();
        let users: String = USERS
            .iter()
            .map(|(name, word)| format!("{name}:{word}\n"))
            .collect();
        fs::write(dir.join("users"), users).expect("write the users");
        let config = dir.join("config");
        fs::write(&config, self.config()).expect("write the configuration");
        let config = config.display().to_string();
        let command = [PYTHON, "/usr/bin/radicale", "--config", &config];
        let mut server = Server::start("Radicale", &command, &dir.join("radicale.out"));
        let port = self.port;
        server.wait_ready(READY, || {
            // The port alone may be somebody else's: ask for an answer.
            net::connect(port).ok()?;
            let head = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            self.exchange(head, b"").ok()
        })?;
        self.server = Some(server);
        Ok(())
    }

    fn config(&self) -> String {
        let base = self.dir.path().display();
        let ssl = self.ca.as_ref().map_or_else(String::new, |ca| {
            let (cert, key) = (ca.cert_file.display(), ca.key_file.display());
            format!("ssl = True\ncertificate = {cert}\nkey = {key}\n")
        });
        format!(
            "[server]\nhosts = 127.0.0.1:{}\n{ssl}\
             [auth]\ntype = htpasswd\nhtpasswd_filename = {base}/users\n\
             htpasswd_encryption = plain\ndelay = 0\n\
             [rights]\ntype = owner_only\n\
             [storage]\nfilesystem_folder = {base}/data\n\
             [web]\ntype = none\n",
            self.port,
        )
    }
}

impl Drop for Radicale {
    fn drop(&mut self) {
        wait::tell_if_failing("Radicale", || self.log());
    }
}

const PROPFIND: &[u8] =
    br#"<?xml version="1.0"?><propfind xmlns="DAV:"><prop><getetag/></prop></propfind>"#;

fn collection(user: &str, name: &str) -> String {
    format!("/{user}/{name}/")
}

/// The head of a request with Basic authentication of one of [`USERS`].
pub(crate) fn head(
    port: u16,
    user: &str,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> String {
    let password = USERS
        .iter()
        .find(|(name, _)| *name == user)
        .map_or("", |(_, word)| word);
    let login = STANDARD.encode(format!("{user}:{password}"));
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Authorization: Basic {login}\r\nContent-Length: {}\r\n",
        body.len(),
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head
}

/// One request and its answer on a connection of its own.
pub(crate) fn exchange(mut wire: Box<dyn Wire>, head: &[u8], body: &[u8]) -> io::Result<Answer> {
    wire.write_all(head)?;
    wire.write_all(body)?;
    wire.flush()?;
    read_answer(&mut BufReader::new(wire))
}

/// An answer on a connection that closes after it, or that tells its length.
fn read_answer(stream: &mut BufReader<Box<dyn Wire>>) -> io::Result<Answer> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line
        .split_whitespace()
        .nth(1)
        .and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no HTTP status in {line:?}")))?;
    let mut answer = Answer {
        status,
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        answer
            .headers
            .push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    match answer
        .header("content-length")
        .and_then(|size| size.parse().ok())
    {
        Some(size) => {
            answer.body = vec![0; size];
            stream.read_exact(&mut answer.body)?;
        }
        None => {
            stream.read_to_end(&mut answer.body)?;
        }
    }
    Ok(answer)
}
