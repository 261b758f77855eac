//! A submission server in memory for tests: real dialogues, one transaction after the other, cut
//! after a byte of either side or made to say something else at a step.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use crate::dial::{DialError, Reach, Reached, TlsSettings, Wire};

const PIPE_BYTES: usize = 64 * 1024;
/// Connections that may wait to be served.
const BACKLOG: usize = 64;

/// Where in the dialogue something is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Greeting,
    Ehlo,
    Auth,
    Mail,
    Rcpt,
    Data,
    Verdict,
}

/// After how many bytes the connection ends, counted over all connections from
/// [`SmtpServer::cut`] on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Of what the server reads.
    Read(usize),
    /// Of what it writes.
    Written(usize),
}

/// What the server was told to do, and what it has.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Message-IDs of the mails that it has whole, in order.
    pub(crate) kept: Vec<String>,
    /// Connections so far.
    pub(crate) connections: usize,
    /// Said once in place of the usual answer.
    pub(crate) says: VecDeque<(At, String)>,
    /// Bytes since the last [`SmtpServer::cut`].
    pub(crate) read: usize,
    pub(crate) written: usize,
    cut: Option<Cut>,
}

impl Book {
    fn is_read_up(&self) -> bool {
        matches!(self.cut, Some(Cut::Read(most)) if self.read >= most)
    }
}

#[derive(Debug)]
pub(crate) struct SmtpServer {
    book: Mutex<Book>,
    accept: mpsc::Sender<DuplexStream>,
}

impl SmtpServer {
    pub(crate) fn new() -> (Arc<SmtpServer>, mpsc::Receiver<DuplexStream>) {
        let (accept, callers) = mpsc::channel(BACKLOG);
        let server = SmtpServer {
            book: Mutex::default(),
            accept,
        };
        (Arc::new(server), callers)
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// How often it has this mail.
    pub(crate) fn kept(&self, message_id: &str) -> usize {
        let book = self.book();
        book.kept.iter().filter(|id| *id == message_id).count()
    }

    /// Says `answer` once at a step.
    pub(crate) fn says(&self, at: At, answer: &str) {
        self.book().says.push_back((at, answer.to_owned()));
    }

    /// Counts from here on, and ends the connection there; `None`: never.
    pub(crate) fn cut(&self, cut: Option<Cut>) {
        let mut book = self.book();
        (book.read, book.written, book.cut) = (0, 0, cut);
    }

    /// Serves everybody, for ever.
    pub(crate) async fn serve(self: Arc<Self>, mut callers: mpsc::Receiver<DuplexStream>) {
        let mut talks = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(stream) = callers.recv() => {
                    self.book().connections += 1;
                    let mut talk = Talk { server: self.clone(), stream };
                    talks.push(async move {
                        let Err(Over) = talk.converse().await;
                    });
                }
                Some(()) = talks.next(), if !talks.is_empty() => {}
            }
        }
    }
}

impl Reach for SmtpServer {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Reached<'a> {
        Box::pin(async move {
            let (ours, theirs) = duplex(PIPE_BYTES);
            let gone = |_| DialError::Connect {
                host: host.to_owned(),
                port,
                source: std::io::ErrorKind::ConnectionRefused.into(),
            };
            self.accept.send(theirs).await.map_err(gone)?;
            Ok(Box::new(ours) as Box<dyn Wire>)
        })
    }

    fn secure<'a>(
        &'a self,
        stream: Box<dyn Wire>,
        _tls: &'a TlsSettings,
        _host: &'a str,
        _port: u16,
    ) -> Reached<'a> {
        Box::pin(std::future::ready(Ok(stream)))
    }
}

struct Talk {
    server: Arc<SmtpServer>,
    stream: DuplexStream,
}

struct Over;

impl Talk {
    async fn converse(&mut self) -> Result<std::convert::Infallible, Over> {
        self.answer(At::Greeting, "220 mx.example.com ready")
            .await?;
        loop {
            let line = self.line().await?;
            let verb = line.split(' ').next().unwrap_or("").to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let offers = "250-mx.example.com\r\n250-8BITMIME\r\n250-STARTTLS\r\n\
                                  250 AUTH PLAIN";
                    self.answer(At::Ehlo, offers).await?;
                }
                "STARTTLS" => self.write("220 go\r\n").await?,
                "AUTH" => {
                    self.answer(At::Auth, "235 2.7.0 welcome").await?;
                }
                "MAIL" => {
                    self.answer(At::Mail, "250 2.1.0 ok").await?;
                }
                "RCPT" => {
                    self.answer(At::Rcpt, "250 2.1.5 ok").await?;
                }
                "DATA" => {
                    if self.answer(At::Data, "354 go").await?.starts_with("354") {
                        self.body().await?;
                    }
                }
                "QUIT" => {
                    self.write("221 bye\r\n").await?;
                    return Err(Over);
                }
                _ => self.write("500 what\r\n").await?,
            }
        }
    }

    async fn body(&mut self) -> Result<(), Over> {
        let mut id = String::new();
        loop {
            let line = self.line().await?;
            if let Some(value) = line.strip_prefix("Message-ID: ") {
                id = value.trim_matches(['<', '>']).to_owned();
            }
            if line == "." {
                break;
            }
        }
        let verdict = self.said(At::Verdict, "250 2.0.0 queued");
        if verdict.starts_with("250") {
            self.server.book().kept.push(id);
        }
        self.write(&format!("{verdict}\r\n")).await
    }

    fn said(&self, at: At, usual: &str) -> String {
        let mut book = self.server.book();
        let place = book.says.iter().position(|(when, _)| *when == at);
        let told = place.and_then(|place| book.says.remove(place));
        told.map_or_else(|| usual.to_owned(), |(_, answer)| answer)
    }

    async fn answer(&mut self, at: At, usual: &str) -> Result<String, Over> {
        let answer = self.said(at, usual);
        self.write(&format!("{answer}\r\n")).await?;
        // What says 421 closes (RFC 5321 section 3.8).
        if answer.starts_with("421") {
            return Err(Over);
        }
        Ok(answer)
    }

    async fn line(&mut self) -> Result<String, Over> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if self.server.book().is_read_up() {
                return Err(Over);
            }
            let byte = self.stream.read_u8().await.map_err(|_| Over)?;
            self.server.book().read += 1;
            line.push(byte);
        }
        let text = String::from_utf8(line).map_err(|_| Over)?;
        Ok(text.trim_end_matches("\r\n").to_owned())
    }

    async fn write(&mut self, text: &str) -> Result<(), Over> {
        let (now, whole) = {
            let mut book = self.server.book();
            let room = match book.cut {
                Some(Cut::Written(most)) => most.saturating_sub(book.written),
                _ => text.len(),
            };
            let now = text.len().min(room);
            book.written += now;
            (now, now == text.len())
        };
        let written = self.stream.write_all(&text.as_bytes()[..now]).await;
        written.map_err(|_| Over)?;
        if whole { Ok(()) } else { Err(Over) }
    }
}
