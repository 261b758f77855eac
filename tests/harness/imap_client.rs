//! A small blocking IMAP client (RFC 3501) for looking into mailboxes.
//!
//! It shares nothing with the daemon's own IMAP code, so that both cannot be wrong the same way.
//! Helpers panic with the server's words; [`ImapClient::command`] returns them.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};

use crate::net::{self, Wire};
use crate::tls::Ca;

/// A connection to one server.
pub struct ImapClient {
    stream: BufReader<Box<dyn Wire>>,
    tag: u32,
}

impl fmt::Debug for ImapClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapClient")
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}

/// The server said `NO` or `BAD`, or the connection broke: its words.
#[derive(Debug)]
pub struct Refused(pub String);

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused(format!("connection: {error}"))
    }
}

/// One response line with its literals.
#[derive(Debug, Default, Clone)]
pub struct Response {
    /// The line, with each literal left out after its `{n}`.
    pub text: String,
    /// The literals, in order.
    pub literals: Vec<Vec<u8>>,
}

/// A message as `FETCH` gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedMessage {
    /// UID.
    pub uid: u32,
    /// Flags, such as `\Seen`; never `\Recent`.
    pub flags: Vec<String>,
    /// The whole message, byte for byte.
    pub bytes: Vec<u8>,
}

impl FetchedMessage {
    /// The unfolded value of the first header of this name.
    pub fn header(&self, name: &str) -> Option<String> {
        crate::mail::header(&self.bytes, name)
    }
}

/// What `SELECT` and `EXAMINE` say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MailboxState {
    /// Number of messages.
    pub exists: u32,
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// UIDNEXT.
    pub uid_next: u32,
}

impl ImapClient {
    /// Connects without TLS and reads the greeting.
    ///
    /// # Errors
    /// The greeting, if it is not `OK`.
    pub fn connect(port: u16) -> Result<ImapClient, Refused> {
        ImapClient::over(Box::new(net::connect(port)?))
    }

    /// Connects with TLS to `localhost`, trusting `ca` alone, and reads the greeting.
    ///
    /// # Errors
    /// As [`ImapClient::connect`]; an unknown issuer is a connection error.
    pub fn connect_tls(port: u16, ca: &Ca) -> Result<ImapClient, Refused> {
        ImapClient::over(Box::new(net::connect_tls(port, "localhost", ca)?))
    }

    fn over(wire: Box<dyn Wire>) -> Result<ImapClient, Refused> {
        let mut client = ImapClient {
            stream: BufReader::new(wire),
            tag: 0,
        };
        let greeting = client.response()?;
        if greeting.text.starts_with("* OK") {
            Ok(client)
        } else {
            Err(Refused(greeting.text))
        }
    }

    /// Logs in.
    ///
    /// # Errors
    /// What the server answered, such as `NO [AUTHENTICATIONFAILED] ...`.
    pub fn login(&mut self, user: &str, password: &str) -> Result<(), Refused> {
        self.command(&format!("LOGIN {} {}", quoted(user), quoted(password)))
            .map(drop)
    }

    /// Sends one command and returns the untagged responses before its `OK`, and that `OK` last.
    ///
    /// # Errors
    /// The server's `NO` or `BAD`.
    pub fn command(&mut self, command: &str) -> Result<Vec<Response>, Refused> {
        let tag = self.send_tagged(command)?;
        self.finish(&tag)
    }

    /// `SELECT`.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn select(&mut self, mailbox: &str) -> MailboxState {
        self.open("SELECT", mailbox)
    }

    /// `EXAMINE`: like select, and changes nothing.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn examine(&mut self, mailbox: &str) -> MailboxState {
        self.open("EXAMINE", mailbox)
    }

    /// UIDs in the open mailbox that match, such as `UNSEEN` or `HEADER Message-ID "<a@b>"`.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn search(&mut self, criteria: &str) -> Vec<u32> {
        let responses = self.must(&format!("UID SEARCH {criteria}"));
        let mut lines = responses
            .iter()
            .filter_map(|r| r.text.strip_prefix("* SEARCH"));
        let found = lines.next().unwrap_or_default();
        found
            .split_whitespace()
            .map(|uid| uid.parse().expect("a UID"))
            .collect()
    }

    /// All messages of a mailbox with their bytes, by UID; marks nothing as seen.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn fetch_all(&mut self, mailbox: &str) -> Vec<FetchedMessage> {
        if self.examine(mailbox).exists == 0 {
            return Vec::new();
        }
        let responses = self.must("UID FETCH 1:* (UID FLAGS BODY.PEEK[])");
        let mut messages: Vec<_> = responses.iter().filter_map(fetched).collect();
        messages.sort_by_key(|message| message.uid);
        messages
    }

    /// Adds a message to a mailbox with flags such as `\Seen \Draft`.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn append(&mut self, mailbox: &str, flags: &str, message: &[u8]) {
        let command = format!("APPEND {} ({flags}) {{{}}}", quoted(mailbox), message.len());
        let tag = self.send_tagged(&command).expect("send APPEND");
        let go = self.response().expect("answer to APPEND");
        assert!(go.text.starts_with('+'), "APPEND was refused: {}", go.text);
        self.stream
            .get_mut()
            .write_all(message)
            .expect("send the message");
        self.stream
            .get_mut()
            .write_all(b"\r\n")
            .expect("send the line end");
        self.stream.get_mut().flush().expect("flush");
        self.finish(&tag).expect("APPEND");
    }

    /// Copies messages of the open mailbox to another.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn copy(&mut self, uids: &str, mailbox: &str) {
        self.must(&format!("UID COPY {uids} {}", quoted(mailbox)));
    }

    /// Moves messages of the open mailbox to another (RFC 6851).
    ///
    /// # Panics
    /// If the server refuses.
    pub fn move_to(&mut self, uids: &str, mailbox: &str) {
        self.must(&format!("UID MOVE {uids} {}", quoted(mailbox)));
    }

    /// Changes flags in the open mailbox: `change` is such as `+FLAGS (\Seen)`.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn store(&mut self, uids: &str, change: &str) {
        self.must(&format!("UID STORE {uids} {change}"));
    }

    /// Removes messages of the open mailbox for good.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn delete(&mut self, uids: &str) {
        self.store(uids, r"+FLAGS.SILENT (\Deleted)");
        self.must(&format!("UID EXPUNGE {uids}"));
    }

    /// Makes a mailbox.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn create(&mut self, mailbox: &str) {
        self.must(&format!("CREATE {}", quoted(mailbox)));
    }

    fn open(&mut self, command: &str, mailbox: &str) -> MailboxState {
        let mut state = MailboxState::default();
        for response in self.must(&format!("{command} {}", quoted(mailbox))) {
            let text = response.text;
            if let Some(exists) = text.strip_suffix(" EXISTS") {
                state.exists = number(exists.trim_start_matches("* "));
            }
            state.uid_validity = code(&text, "[UIDVALIDITY ").unwrap_or(state.uid_validity);
            state.uid_next = code(&text, "[UIDNEXT ").unwrap_or(state.uid_next);
        }
        state
    }

    fn must(&mut self, command: &str) -> Vec<Response> {
        self.command(command)
            .unwrap_or_else(|Refused(why)| panic!("{command}: {why}"))
    }

    fn send_tagged(&mut self, command: &str) -> io::Result<String> {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        let wire = self.stream.get_mut();
        wire.write_all(format!("{tag} {command}\r\n").as_bytes())?;
        wire.flush()?;
        Ok(tag)
    }

    fn finish(&mut self, tag: &str) -> Result<Vec<Response>, Refused> {
        let mut responses = Vec::new();
        loop {
            let response = self.response()?;
            let Some(status) = response.text.strip_prefix(tag) else {
                responses.push(response);
                continue;
            };
            if !status.starts_with(" OK") {
                return Err(Refused(status.trim().to_owned()));
            }
            responses.push(response);
            return Ok(responses);
        }
    }

    fn response(&mut self) -> io::Result<Response> {
        let mut response = Response::default();
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line)?;
            if !line.ends_with(b"\n") {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            response
                .text
                .push_str(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
            let Some(size) = literal_size(&response.text) else {
                return Ok(response);
            };
            let mut literal = vec![0; size];
            self.stream.read_exact(&mut literal)?;
            response.literals.push(literal);
        }
    }
}

/// The size that a line ending in `{n}` announces.
fn literal_size(line: &str) -> Option<usize> {
    line.strip_suffix('}')?.rsplit_once('{')?.1.parse().ok()
}

fn fetched(response: &Response) -> Option<FetchedMessage> {
    let (_, items) = response.text.strip_prefix("* ")?.split_once(" FETCH ")?;
    let flags = items.split_once("FLAGS (")?.1.split_once(')')?.0;
    let flags = flags.split_whitespace().filter(|flag| *flag != r"\Recent");
    Some(FetchedMessage {
        uid: code(items, "UID ")?,
        flags: flags.map(str::to_owned).collect(),
        bytes: response.literals.first()?.clone(),
    })
}

/// The number after `key`.
fn code(text: &str, key: &str) -> Option<u32> {
    let rest = text.split_once(key)?.1;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn number(text: &str) -> u32 {
    text.parse()
        .unwrap_or_else(|_| panic!("{text:?} is not a number"))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}
