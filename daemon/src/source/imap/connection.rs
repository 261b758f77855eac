//! One IMAP connection: commands out, every answer accounted for.
//!
//! The parser and its buffer are async-imap's. Its commands are not used, because they drop the
//! tagged status: a refusal and a closed socket look like an empty answer there. Commands are
//! written straight to the stream, so that no password passes through its trace log.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::time::Duration;

use async_imap::Client;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{Answer, Condition, Tagged, Untagged, Verdict, answer};
use super::wire::{Command, Piece};
use crate::dial::Wire;

mod sasl;

/// How long the greeting may take.
pub(crate) const GREETING_LIMIT: Duration = Duration::from_secs(30);
/// How long each answer of an ordinary command may take.
pub(crate) const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// How long each answer of a FETCH may take; one holds at most a chunk of 1 MiB.
pub(crate) const FETCH_LIMIT: Duration = Duration::from_secs(120);
/// Bytes written at once; each block has its own limit.
const BLOCK_BYTES: usize = 64 * 1024;
/// How long the server may take to enter IDLE.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// How long the server may take to leave IDLE. A stopped server is seen here and nowhere else.
const DONE_LIMIT: Duration = Duration::from_secs(15);

/// The connection is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("the server closed the connection")]
    Closed,
    #[error("the connection broke")]
    Io(#[source] io::Error),
    #[error("no answer to {step} within {} s", limit.as_secs())]
    Silent { step: String, limit: Duration },
    #[error("the server said goodbye: {0}")]
    Bye(String),
    /// Without the bytes: they may be somebody's mail.
    #[error("an answer to {step} is no IMAP that we understand (digest {digest})")]
    Unreadable { step: String, digest: String },
    #[error("an earlier command on this connection did not end")]
    OutOfStep,
}

/// How a stay in IDLE ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdleEnd {
    /// The server told of messages.
    News,
    /// The time was up, or the server ended it.
    TimeUp,
    /// The caller's future completed.
    Woken,
    /// The server does not want to.
    Refused,
}

/// A connection to one server, logged in or not.
pub(crate) struct Connection {
    client: Client<Box<dyn Wire>>,
    last_tag: u32,
    /// Words of the capability list, in capitals.
    pub(crate) capabilities: BTreeSet<String>,
    /// An EXISTS arrived since the caller last cleared this.
    pub(crate) news: bool,
    /// Messages in the open mailbox.
    pub(crate) exists: u32,
    in_step: bool,
}

impl Connection {
    pub(crate) fn new(stream: Box<dyn Wire>) -> Connection {
        Connection {
            client: Client::new(stream),
            last_tag: 0,
            capabilities: BTreeSet::new(),
            news: false,
            exists: 0,
            in_step: true,
        }
    }

    pub(crate) fn can(&self, capability: &str) -> bool {
        self.capabilities.contains(capability)
    }

    /// The server's first line.
    pub(crate) async fn greeting(&mut self) -> Result<(Condition, String), ConnectionError> {
        match self.read("its greeting", GREETING_LIMIT).await? {
            Answer::Condition {
                condition, text, ..
            } => Ok((condition, text)),
            _ => Ok((Condition::Refusal, "no greeting".to_owned())),
        }
    }

    /// Runs a command to its tagged answer and hands every untagged one to `each`. `limit` is for
    /// each answer. `NO` and `BAD` are values; an error or a cancelled call ends the connection.
    pub(crate) async fn exec(
        &mut self,
        command: Command,
        limit: Duration,
        mut each: impl FnMut(Untagged) + Send,
    ) -> Result<Tagged, ConnectionError> {
        if !std::mem::replace(&mut self.in_step, false) {
            return Err(ConnectionError::OutOfStep);
        }
        let step = step_name(&command);
        let tag = self.next_tag();
        let mut out = format!("{tag} ").into_bytes();
        for piece in command.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Literal(bytes) => {
                    out.extend_from_slice(format!("{{{}}}\r\n", bytes.len()).as_bytes());
                    self.write(&out, &step).await?;
                    out = bytes;
                    if let Some(tagged) = self.until_go_ahead(&tag, &step, &mut each).await? {
                        self.in_step = true;
                        return Ok(tagged);
                    }
                }
            }
        }
        out.extend_from_slice(b"\r\n");
        self.write(&out, &step).await?;
        loop {
            let answer = self.read(&step, limit).await?;
            if let Some(tagged) = self.sort(answer, &tag, &mut each)? {
                self.in_step = true;
                return Ok(tagged);
            }
        }
    }

    /// Like [`Connection::exec`], for commands whose untagged answers do not matter.
    pub(crate) async fn plain(&mut self, command: Command) -> Result<Tagged, ConnectionError> {
        self.exec(command, COMMAND_LIMIT, |_| ()).await
    }

    /// Reads to `+`; a tagged answer in its place is returned.
    async fn until_go_ahead(
        &mut self,
        tag: &str,
        step: &str,
        each: &mut (impl FnMut(Untagged) + Send),
    ) -> Result<Option<Tagged>, ConnectionError> {
        loop {
            match self.read(step, COMMAND_LIMIT).await? {
                Answer::GoAhead => return Ok(None),
                other => {
                    if let Some(tagged) = self.sort(other, tag, each)? {
                        return Ok(Some(tagged));
                    }
                }
            }
        }
    }

    /// IDLE (RFC 2177) until the server has news, `length` is over or `wake` completes.
    pub(crate) async fn idle(
        &mut self,
        length: Duration,
        wake: impl Future<Output = ()> + Send,
    ) -> Result<IdleEnd, ConnectionError> {
        if !std::mem::replace(&mut self.in_step, false) {
            return Err(ConnectionError::OutOfStep);
        }
        let tag = self.next_tag();
        self.write(format!("{tag} IDLE\r\n").as_bytes(), "IDLE")
            .await?;
        let go_ahead = timeout(IDLE_LIMIT, self.until_go_ahead(&tag, "IDLE", &mut |_| ())).await;
        let go_ahead = go_ahead.map_err(|_| silent("IDLE", IDLE_LIMIT))??;
        if let Some(tagged) = go_ahead {
            self.in_step = true;
            return Ok(match tagged.verdict {
                Verdict::Ok => IdleEnd::TimeUp,
                Verdict::No | Verdict::Bad => IdleEnd::Refused,
            });
        }
        let until = Instant::now() + length;
        tokio::pin!(wake);
        let end = loop {
            if self.news {
                break IdleEnd::News;
            }
            let read_or_wake = async {
                tokio::select! {
                    biased;
                    read = next_answer(&mut self.client, "IDLE") => Some(read),
                    () = &mut wake => None,
                }
            };
            match timeout_at(until, read_or_wake).await {
                Ok(Some(read)) => {
                    if self.sort(read?, &tag, &mut |_| ())?.is_some() {
                        self.in_step = true;
                        return Ok(IdleEnd::TimeUp);
                    }
                }
                Ok(None) => break IdleEnd::Woken,
                Err(_) => break IdleEnd::TimeUp,
            }
        };
        self.leave_idle(&tag).await?;
        self.in_step = true;
        Ok(if self.news { IdleEnd::News } else { end })
    }

    async fn leave_idle(&mut self, tag: &str) -> Result<(), ConnectionError> {
        self.write(b"DONE\r\n", "DONE").await?;
        let to_the_tag = async {
            loop {
                let answer = self.read("DONE", DONE_LIMIT).await?;
                if self.sort(answer, tag, &mut |_| ())?.is_some() {
                    return Ok(());
                }
            }
        };
        timeout(DONE_LIMIT, to_the_tag)
            .await
            .unwrap_or_else(|_| Err(silent("DONE", DONE_LIMIT)))
    }

    /// Asks the server to end, without waiting long for it.
    pub(crate) async fn log_out(mut self) {
        // A goodbye that is not answered changes nothing: the connection is dropped either way.
        let _ = timeout(DONE_LIMIT, self.plain(Command::new("LOGOUT"))).await;
    }

    fn next_tag(&mut self) -> String {
        self.last_tag = self.last_tag.wrapping_add(1);
        format!("L{:04}", self.last_tag)
    }

    async fn write(&mut self, bytes: &[u8], step: &str) -> Result<(), ConnectionError> {
        let stream = self.client.get_mut();
        for block in bytes.chunks(BLOCK_BYTES) {
            let write = async {
                stream.write_all(block).await?;
                stream.flush().await
            };
            match timeout(COMMAND_LIMIT, write).await {
                Ok(written) => written.map_err(ConnectionError::Io)?,
                Err(_) => return Err(silent(step, COMMAND_LIMIT)),
            }
        }
        Ok(())
    }

    async fn read(&mut self, step: &str, limit: Duration) -> Result<Answer, ConnectionError> {
        timeout(limit, next_answer(&mut self.client, step))
            .await
            .unwrap_or_else(|_| Err(silent(step, limit)))
    }

    /// The tagged answer to `tag`, or `None` after an untagged one went to `each`.
    fn sort(
        &mut self,
        answer: Answer,
        tag: &str,
        each: &mut (impl FnMut(Untagged) + Send),
    ) -> Result<Option<Tagged>, ConnectionError> {
        match answer {
            Answer::Tagged { tag: found, tagged } if found == tag => return Ok(Some(tagged)),
            Answer::Tagged { .. } => return Err(ConnectionError::OutOfStep),
            Answer::Condition {
                condition: Condition::Bye,
                text,
                ..
            } => return Err(ConnectionError::Bye(text)),
            Answer::Condition { code, .. } => each(Untagged::Condition(code)),
            Answer::GoAhead => {}
            Answer::Untagged(untagged) => {
                match untagged {
                    Untagged::Exists(count) => {
                        self.news = true;
                        self.exists = count;
                    }
                    Untagged::Expunge => self.exists = self.exists.saturating_sub(1),
                    _ => {}
                }
                each(untagged);
            }
        }
        Ok(None)
    }
}

fn silent(step: &str, limit: Duration) -> ConnectionError {
    ConnectionError::Silent {
        step: step.to_owned(),
        limit,
    }
}

/// Next answer. Cancel-safe: what was read of it so far stays in the client.
async fn next_answer(
    client: &mut Client<Box<dyn Wire>>,
    step: &str,
) -> Result<Answer, ConnectionError> {
    match client.read_response().await {
        Ok(Some(data)) => Ok(answer(data.parsed())),
        Ok(None) => Err(ConnectionError::Closed),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ConnectionError::Closed),
        // async-imap reports what it cannot parse as `Other`, with all the bytes in the text.
        Err(error) if error.kind() == io::ErrorKind::Other => {
            let digest = blake3::hash(error.to_string().as_bytes()).to_hex();
            Err(ConnectionError::Unreadable {
                step: step.to_owned(),
                digest: digest.chars().take(16).collect(),
            })
        }
        Err(error) => Err(ConnectionError::Io(error)),
    }
}

/// The first two words of a command: never its arguments, which may be secret.
fn step_name(command: &Command) -> String {
    let Some(Piece::Text(text)) = command.pieces.first() else {
        return "a command".to_owned();
    };
    let mut words = text.split(' ');
    let first = words.next().unwrap_or_default();
    match (first, words.next()) {
        ("UID", Some(second)) => format!("UID {second}"),
        _ => first.to_owned(),
    }
}
