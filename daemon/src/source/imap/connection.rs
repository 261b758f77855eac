//! One IMAP connection: commands out, every answer accounted for.
//!
//! The parser and its buffer are async-imap's. Its commands are not used, because they drop the
//! tagged status: a refusal and a closed socket look like an empty answer there. Commands are
//! written straight to the stream, so that no password passes through its trace log.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_imap::Client;
use futures_util::FutureExt;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{Answer, Condition, Tagged, Untagged, Verdict, answer};
use super::bounds::{Bounded, TooMuch};
use super::suspects::Link;
use super::wire::{Command, Piece};
use crate::dial::Wire;

mod sasl;

/// How long the greeting may take.
pub(crate) const GREETING_LIMIT: Duration = Duration::from_secs(30);
/// How long each answer of an ordinary command may take.
pub(crate) const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// How long each answer of a FETCH may take; one holds at most a chunk of 1 MiB.
pub(crate) const FETCH_LIMIT: Duration = Duration::from_secs(120);
/// How many times the limit of one answer a whole command may take; a server that says something
/// once a minute is not at work on it.
const COMMAND_LIMITS_MAX: u32 = 10;
/// Untagged answers to one command, besides those that the messages of a mailbox make.
const UNTAGGED_MAX: u64 = 20_000;
/// Untagged answers to one command for each message of the open mailbox: what was asked for, and
/// flags that change meanwhile.
const UNTAGGED_PER_MESSAGE: u64 = 4;
/// Most messages for which a server is believed to have them.
const MESSAGES_MAX: u32 = 5_000_000;
/// A stay in IDLE that is shorter was none.
const HASTY: Duration = Duration::from_millis(50);
/// Such stays, one after the other, until there is a wait before the next, and until it grows.
const HASTY_IDLES_MAX: u32 = 50;
/// The wait; a server that always has news is then looked at ten times a second, later less.
const HASTY_WAIT: Duration = Duration::from_millis(100);
/// How many times as long the wait can become.
const HASTY_WAITS_MAX: u32 = 50;
/// Bytes written at once; each block has its own limit.
const BLOCK_BYTES: usize = 64 * 1024;
/// How long the server may take to enter IDLE.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// How long a goodbye is waited for: it is a courtesy.
const GOODBYE_LIMIT: Duration = Duration::from_secs(2);
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
    #[error("an answer to {step} is more than we take: {source}")]
    TooMuch {
        step: String,
        #[source]
        source: TooMuch,
    },
    #[error("more than {count} answers to {step}, and no end")]
    Flood { step: String, count: u64 },
    #[error("the messages are together much larger than the server stated")]
    LargerThanStated,
    #[error("an earlier command on this connection did not end")]
    OutOfStep,
    /// For what is no use without its answer.
    #[error("{step} was refused: {text}")]
    Refused { step: &'static str, text: String },
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
    client: Client<Bounded>,
    last_tag: u32,
    /// Untagged answers to the running command.
    untagged: u64,
    /// Stays in IDLE, one after the other, that were shorter than [`HASTY`].
    hasty: u32,
    /// Words of the capability list, in capitals.
    pub(crate) capabilities: BTreeSet<String>,
    /// An EXISTS arrived since the caller last cleared this.
    pub(crate) news: bool,
    /// Messages in the open mailbox.
    pub(crate) exists: u32,
    /// What it is used for.
    pub(crate) link: Link,
    in_step: bool,
}

impl Connection {
    pub(crate) fn new(stream: Box<dyn Wire>) -> Connection {
        Connection {
            client: Client::new(Bounded::new(stream)),
            last_tag: 0,
            untagged: 0,
            hasty: 0,
            capabilities: BTreeSet::new(),
            news: false,
            exists: 0,
            link: Link::Watch,
            in_step: true,
        }
    }

    pub(crate) fn can(&self, capability: &str) -> bool {
        self.capabilities.contains(capability)
    }

    /// Whether the last command came to its end; a connection of which one did not is lost.
    pub(crate) fn is_in_step(&self) -> bool {
        self.in_step
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
    /// each answer, ten times as much for all of them. `NO` and `BAD` are values; an error or a
    /// cancelled call ends the connection.
    pub(crate) async fn exec(
        &mut self,
        command: Command,
        limit: Duration,
        each: impl FnMut(Untagged) + Send,
    ) -> Result<Tagged, ConnectionError> {
        if !std::mem::replace(&mut self.in_step, false) {
            return Err(ConnectionError::OutOfStep);
        }
        let step = step_name(&command);
        let most = limit.saturating_mul(COMMAND_LIMITS_MAX);
        timeout(most, self.converse(command, &step, limit, each))
            .await
            .unwrap_or_else(|_| Err(silent(&step, most)))
    }

    async fn converse(
        &mut self,
        command: Command,
        step: &str,
        limit: Duration,
        mut each: impl FnMut(Untagged) + Send,
    ) -> Result<Tagged, ConnectionError> {
        let tag = self.next_tag();
        let mut out = format!("{tag} ").into_bytes();
        for piece in command.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Literal(bytes) => {
                    out.extend_from_slice(format!("{{{}}}\r\n", bytes.len()).as_bytes());
                    self.write(&out, step).await?;
                    out = bytes;
                    if let Some(tagged) = self.until_go_ahead(&tag, step, &mut each).await? {
                        self.in_step = true;
                        return Ok(tagged);
                    }
                }
            }
        }
        out.extend_from_slice(b"\r\n");
        self.write(&out, step).await?;
        loop {
            let answer = self.read(step, limit).await?;
            if let Some(tagged) = self.sort(answer, &tag, step, &mut each)? {
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
                    if let Some(tagged) = self.sort(other, tag, step, each)? {
                        return Ok(Some(tagged));
                    }
                }
            }
        }
    }

    /// IDLE (RFC 2177) until the server has news, `length` is over or `wake` completes. Where IDLE
    /// ends again and again as soon as it began, there is a growing wait before it.
    pub(crate) async fn idle(
        &mut self,
        length: Duration,
        wake: impl Future<Output = ()> + Send,
    ) -> Result<IdleEnd, ConnectionError> {
        tokio::pin!(wake);
        let times = self.hasty.checked_div(HASTY_IDLES_MAX).unwrap_or_default();
        let pause = HASTY_WAIT.saturating_mul(times.min(HASTY_WAITS_MAX));
        if times > 0 && timeout(pause, &mut wake).await.is_ok() {
            return Ok(IdleEnd::Woken);
        }
        let began = Instant::now();
        let end = self.idle_once(length, wake).await;
        self.hasty = match began.elapsed() < HASTY {
            true => self.hasty.saturating_add(1),
            false => 0,
        };
        end
    }

    async fn idle_once(
        &mut self,
        length: Duration,
        mut wake: impl Future<Output = ()> + Send + Unpin,
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
                    if self.sort(read?, &tag, "IDLE", &mut |_| ())?.is_some() {
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
                if self.sort(answer, tag, "DONE", &mut |_| ())?.is_some() {
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
        let _ = timeout(GOODBYE_LIMIT, self.plain(Command::new("LOGOUT"))).await;
    }

    fn next_tag(&mut self) -> String {
        self.untagged = 0;
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

    /// How many untagged answers a command may have.
    fn untagged_max(&self) -> u64 {
        let messages = u64::from(self.exists.min(MESSAGES_MAX));
        UNTAGGED_MAX.saturating_add(messages.saturating_mul(UNTAGGED_PER_MESSAGE))
    }

    /// The tagged answer to `tag`, or `None` after an untagged one went to `each`.
    fn sort(
        &mut self,
        answer: Answer,
        tag: &str,
        step: &str,
        each: &mut (impl FnMut(Untagged) + Send),
    ) -> Result<Option<Tagged>, ConnectionError> {
        self.untagged = self.untagged.saturating_add(1);
        if self.untagged > self.untagged_max() {
            return Err(ConnectionError::Flood {
                step: step.to_owned(),
                count: self.untagged_max(),
            });
        }
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

/// Next answer. Cancel-safe: what was read of it so far stays in the client. Some answers make the
/// parser panic; those are unreadable like others.
async fn next_answer(client: &mut Client<Bounded>, step: &str) -> Result<Answer, ConnectionError> {
    let read = async {
        let data = client.read_response().await?;
        Ok(data.map(|data| answer(data.parsed())))
    };
    match AssertUnwindSafe(read).catch_unwind().await {
        Ok(Ok(Some(answer))) => Ok(answer),
        Ok(Ok(None)) => Err(ConnectionError::Closed),
        Ok(Err(error)) => Err(read_error(error, step)),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().map_or("", String::as_str);
            Err(unreadable(step, words))
        }
    }
}

/// Hands every answer in `bytes` to `each` and gives what ended them.
pub(crate) fn read_to_end(bytes: &[u8], mut each: impl FnMut(Answer)) -> ConnectionError {
    let stream = io::Cursor::new(bytes.to_vec());
    let mut client = Client::new(Bounded::new(Box::new(stream)));
    loop {
        // Reading from memory never waits.
        match next_answer(&mut client, "nothing").now_or_never() {
            Some(Ok(answer)) => each(answer),
            Some(Err(error)) => return error,
            None => return ConnectionError::Closed,
        }
    }
}

fn read_error(error: io::Error, step: &str) -> ConnectionError {
    let too_much = error.get_ref().and_then(|e| e.downcast_ref::<TooMuch>());
    match (too_much, error.kind()) {
        (Some(source), _) => ConnectionError::TooMuch {
            step: step.to_owned(),
            source: *source,
        },
        (None, io::ErrorKind::UnexpectedEof) => ConnectionError::Closed,
        // async-imap reports what it cannot parse as `Other`, with all the bytes in the text.
        (None, io::ErrorKind::Other) => unreadable(step, &error.to_string()),
        (None, _) => ConnectionError::Io(error),
    }
}

fn unreadable(step: &str, words: &str) -> ConnectionError {
    let digest = blake3::hash(words.as_bytes()).to_hex();
    ConnectionError::Unreadable {
        step: step.to_owned(),
        digest: digest.chars().take(16).collect(),
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
