//! A whole server in memory: any number of connections on the mailboxes of one [`Peer`], from
//! greeting to logout, cut or silenced at a byte, or bewitched into saying what no server should.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::peer::{FakeMailbox, Peer};
use crate::dial::{DialError, Reach, Reached, TlsSettings, Wire};

const PIPE_BYTES: usize = 64 * 1024;
/// Connections that may wait to be served.
const BACKLOG: usize = 64;

/// Which of the two streams of a connection is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

/// What happens to a connection in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Cut,
    Stall,
}

/// A connection ends after so many bytes of one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) connection: usize,
    pub(crate) side: Side,
    pub(crate) at: u64,
    pub(crate) end: End,
}

/// Makes lines into others; the first argument is the tag.
pub(crate) type LinesTwist = fn(&str, Vec<Vec<u8>>) -> Vec<Vec<u8>>;

/// What is done to the answer to a command; `{tag}` in texts becomes the command's tag.
#[derive(Clone, Copy)]
pub(crate) enum Twist {
    /// Said before the right answer.
    Before(&'static str),
    /// Said in its place.
    Instead(&'static str),
    /// Said after it.
    After(&'static str),
    /// Said in its place, and the connection closed.
    Last(&'static str),
    /// Said again and again, without end.
    Flood(&'static str),
    /// Said again and again with a wait of so many seconds, without end.
    Trickle(&'static str, u64),
    /// The right lines, made into others; the first argument is the tag.
    Lines(LinesTwist),
    /// Nothing is said any more.
    Silence,
}

/// Misbehaviour at commands that begin with `on`; `greeting` for the greeting.
#[derive(Clone, Copy)]
pub(crate) struct Spell {
    pub(crate) on: &'static str,
    pub(crate) twist: Twist,
}

/// What the server did on one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// Everything written.
    pub(crate) text: Vec<u8>,
    /// Bytes written; more than `text` holds in a flood.
    pub(crate) written: u64,
    /// Offsets in what was written where an answer ended.
    pub(crate) borders: Vec<u64>,
    /// Bytes heard.
    pub(crate) heard: u64,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) peer: Peer,
    pub(crate) capabilities: String,
    pub(crate) connections: Vec<Said>,
    pub(crate) fault: Option<Fault>,
    /// When the fault struck, and when the next connection came.
    struck: Option<Instant>,
    back: Option<Instant>,
    pub(crate) spell: Option<Spell>,
    /// Connections that are open, and how many may be.
    pub(crate) open: usize,
    pub(crate) connections_max: Option<usize>,
    /// Connections with a smaller number are over.
    kicked: usize,
    /// How often the spell was at work.
    pub(crate) bewitched: usize,
    /// Said on every connection in place of everything, whatever is asked.
    pub(crate) recital: Option<(Vec<u8>, End)>,
    /// What arrives each time somebody idles: a mailbox, and the messages.
    pub(crate) arrivals: VecDeque<(&'static str, Vec<Vec<u8>>)>,
}

/// Most bytes kept of what was said on one connection.
const TEXT_BYTES_MAX: usize = 256 * 1024;

pub(crate) struct Server {
    world: Mutex<World>,
    changed: watch::Sender<u64>,
    accept: mpsc::Sender<DuplexStream>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

impl Reach for Server {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Reached<'a> {
        Box::pin(async move {
            let (ours, theirs) = duplex(PIPE_BYTES);
            match self.accept.send(theirs).await {
                Ok(()) => Ok(Box::new(ours) as Box<dyn Wire>),
                Err(_) => Err(DialError::Connect {
                    host: host.to_owned(),
                    port,
                    source: std::io::ErrorKind::ConnectionRefused.into(),
                }),
            }
        })
    }

    fn secure<'a>(
        &'a self,
        stream: Box<dyn Wire>,
        _tls: &'a TlsSettings,
        _host: &'a str,
        _port: u16,
    ) -> Reached<'a> {
        Box::pin(async move { Ok(stream) })
    }
}

impl Server {
    /// A server with an inbox and sent mail, and the stream of those who connect.
    pub(crate) fn new(inbox: FakeMailbox) -> (Arc<Server>, mpsc::Receiver<DuplexStream>) {
        let boxes = [
            ("INBOX".to_owned(), inbox),
            ("Sent".to_owned(), FakeMailbox::with(9, 0)),
        ];
        let world = World {
            peer: Peer {
                boxes: boxes.into(),
                ..Peer::default()
            },
            capabilities: "IMAP4rev1 IDLE ID SPECIAL-USE UIDPLUS AUTH=PLAIN".to_owned(),
            ..World::default()
        };
        let (accept, callers) = mpsc::channel(BACKLOG);
        let server = Server {
            world: Mutex::new(world),
            changed: watch::Sender::new(0),
            accept,
        };
        (Arc::new(server), callers)
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Puts a message into a mailbox and tells those who idle on it.
    pub(crate) fn deliver(&self, name: &str, message: Vec<u8>) {
        self.world().deliver(name, message);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Changes mailboxes behind the clients' backs.
    pub(crate) fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world());
        self.changed.send_modify(|count| *count += 1);
    }

    /// Ends all connections that idle.
    pub(crate) fn kick(&self) {
        self.change(|world| world.kicked = world.connections.len());
    }

    /// Serves everybody, for ever.
    pub(crate) async fn serve(self: Arc<Self>, mut callers: mpsc::Receiver<DuplexStream>) {
        let mut talks = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(stream) = callers.recv() => {
                    let connection = {
                        let mut world = self.world();
                        if world.struck.is_some() && world.back.is_none() {
                            world.back = Some(Instant::now());
                        }
                        world.connections.push(Said::default());
                        world.connections.len() - 1
                    };
                    let talk = Talk {
                        server: self.clone(),
                        connection,
                        stream,
                        unread: Vec::new(),
                        open: String::new(),
                        told: 0,
                    };
                    talks.push(talk.run());
                }
                Some(()) = talks.next(), if !talks.is_empty() => {}
            }
        }
    }
}

impl World {
    pub(crate) fn deliver(&mut self, name: &str, message: Vec<u8>) {
        let found = self.peer.boxes.get_mut(name).unwrap();
        found.messages.insert(found.uid_next, message);
        found.uid_next += 1;
    }

    /// From the fault to the next connection.
    pub(crate) fn noticed(&self) -> Option<Duration> {
        Some(self.back?.duration_since(self.struck?))
    }

    fn exists(&self, name: &str) -> usize {
        let found = self.peer.boxes.get(name);
        found.map_or(0, |found| found.messages.len())
    }
}

/// One connection, seen from the server.
struct Talk {
    server: Arc<Server>,
    connection: usize,
    stream: DuplexStream,
    unread: Vec<u8>,
    /// Name of the open mailbox.
    open: String,
    /// Messages in it, as the client was told.
    told: usize,
}

/// The connection is over.
struct Over;

impl Talk {
    async fn run(mut self) {
        let too_many = {
            let mut world = self.server.world();
            world.open += 1;
            world.connections_max.is_some_and(|most| world.open > most)
        };
        if too_many {
            let bye = b"* BYE Too many simultaneous connections\r\n";
            let _ = self.say(bye).await;
        } else {
            let Err(Over) = self.converse().await;
        }
        self.server.world().open -= 1;
    }

    async fn converse(&mut self) -> Result<std::convert::Infallible, Over> {
        let recital = self.server.world().recital.clone();
        if let Some((recital, end)) = recital {
            self.say(&recital).await?;
            return match end {
                End::Cut => Err(Over),
                End::Stall => self.hold().await.and(Err(Over)),
            };
        }
        let greeting = vec![b"* OK server.example.com ready\r\n".to_vec()];
        self.answer("", "greeting", greeting).await?;
        loop {
            let line = self.hear().await?;
            let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
            self.server.world().peer.seen.push(command.to_owned());
            if command == "IDLE" {
                self.idle(tag).await?;
            } else {
                let lines = self.lines(tag, command);
                self.answer(tag, command, lines).await?;
                if command == "LOGOUT" {
                    return Err(Over);
                }
            }
        }
    }

    fn lines(&mut self, tag: &str, command: &str) -> Vec<Vec<u8>> {
        let world = self.server.world();
        let line = |text: String| format!("{text}\r\n").into_bytes();
        let words: Vec<&str> = command.split(' ').collect();
        let name = words.get(1).map_or("", |name| name.trim_matches('"'));
        let done = line(format!("{tag} OK done"));
        match words[0] {
            "CAPABILITY" => vec![line(format!("* CAPABILITY {}", world.capabilities)), done],
            "ID" => vec![line("* ID (\"name\" \"peer\")".to_owned()), done],
            "LOGOUT" => vec![line("* BYE logging out".to_owned()), done],
            "LOGIN" | "NOOP" => vec![done],
            "LIST" => vec![
                line("* LIST (\\HasNoChildren) \"/\" INBOX".to_owned()),
                line("* LIST (\\HasNoChildren \\Sent) \"/\" Sent".to_owned()),
                done,
            ],
            "EXAMINE" | "SELECT" | "STATUS" if !world.peer.boxes.contains_key(name) => {
                vec![line(format!("{tag} NO [NONEXISTENT] no such mailbox"))]
            }
            "EXAMINE" | "SELECT" => {
                self.told = world.exists(name);
                world.peer.answers(tag, command, &mut self.open)
            }
            "STATUS" => world.peer.answers(tag, command, &mut String::new()),
            "UID" if ["FETCH", "SEARCH"].contains(&name) && !self.open.is_empty() => {
                world.peer.answers(tag, command, &mut self.open)
            }
            _ => vec![line(format!("{tag} BAD unknown command"))],
        }
    }

    async fn idle(&mut self, tag: &str) -> Result<(), Over> {
        self.answer(tag, "IDLE", vec![b"+ idling\r\n".to_vec()])
            .await?;
        let arrival = self.server.world().arrivals.pop_front();
        for message in arrival.iter().flat_map(|(_, messages)| messages) {
            let name = arrival.as_ref().map_or("", |(name, _)| name);
            self.server.deliver(name, message.clone());
        }
        let mut changed = self.server.changed.subscribe();
        loop {
            if self.connection < self.server.world().kicked {
                return Err(Over);
            }
            let exists = self.server.world().exists(&self.open);
            if exists > self.told {
                self.told = exists;
                let news = format!("* {exists} EXISTS\r\n").into_bytes();
                self.answer(tag, "news", vec![news]).await?;
            }
            tokio::select! {
                line = self.hear() => {
                    line?;
                    break;
                }
                _ = changed.changed() => {}
            }
        }
        let done = format!("{tag} OK idled\r\n").into_bytes();
        self.answer(tag, "DONE", vec![done]).await
    }

    /// Says `lines`, which answer `command`, or what a spell makes of them.
    async fn answer(
        &mut self,
        tag: &str,
        command: &str,
        mut lines: Vec<Vec<u8>>,
    ) -> Result<(), Over> {
        let twist = {
            let mut world = self.server.world();
            let spell = world.spell.filter(|spell| command.starts_with(spell.on));
            world.bewitched += usize::from(spell.is_some());
            spell.map(|spell| spell.twist)
        };
        let text = |text: &str| text.replace("{tag}", tag).into_bytes();
        match twist {
            None => {}
            Some(Twist::Before(before)) => lines.insert(0, text(before)),
            Some(Twist::Instead(instead)) => lines = vec![text(instead)],
            Some(Twist::After(after)) => lines.push(text(after)),
            Some(Twist::Last(last)) => lines = vec![text(last), Vec::new()],
            Some(Twist::Lines(change)) => lines = change(tag, lines),
            Some(Twist::Silence) => return self.hold().await,
            Some(Twist::Flood(drop)) => {
                let many = drop.repeat(1 + 4096 / drop.len()).into_bytes();
                loop {
                    self.say(&many).await?;
                }
            }
            Some(Twist::Trickle(drop, secs)) => loop {
                self.say(drop.as_bytes()).await?;
                tokio::time::timeout(Duration::from_secs(secs), self.hold())
                    .await
                    .unwrap_or(Ok(()))?;
            },
        }
        for line in lines {
            if line.is_empty() {
                return Err(Over);
            }
            self.say(&line).await?;
            let said = &mut self.server.world().connections[self.connection];
            let border = said.written;
            said.borders.push(border);
        }
        Ok(())
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), Over> {
        let left = self.left(Side::Server);
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let part = &bytes[..bytes.len().min(most)];
        {
            let said = &mut self.server.world().connections[self.connection];
            said.written += part.len() as u64;
            let room = TEXT_BYTES_MAX - said.text.len();
            said.text.extend(&part[..part.len().min(room)]);
        }
        self.stream.write_all(part).await.map_err(|_| Over)?;
        match self.left(Side::Server) {
            0 => self.end().await,
            _ => Ok(()),
        }
    }

    /// Next line. Cancel-safe.
    async fn hear(&mut self) -> Result<String, Over> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let left = self.left(Side::Client);
            if left == 0 {
                self.end().await?;
            }
            let mut bytes = [0; 4096];
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let count = self.stream.read(&mut bytes[..most]).await.unwrap_or(0);
            if count == 0 {
                return Err(Over);
            }
            self.server.world().connections[self.connection].heard += count as u64;
            self.unread.extend(&bytes[..count]);
        }
    }

    /// Bytes of a side until the fault.
    fn left(&self, side: Side) -> u64 {
        let world = self.server.world();
        let said = &world.connections[self.connection];
        match world.fault {
            Some(fault) if fault.connection == self.connection && fault.side == side => {
                let so_far = match side {
                    Side::Server => said.written,
                    Side::Client => said.heard,
                };
                fault.at.saturating_sub(so_far)
            }
            _ => u64::MAX,
        }
    }

    /// What the fault does to the connection.
    async fn end(&mut self) -> Result<(), Over> {
        let end = {
            let mut world = self.server.world();
            world.struck = Some(Instant::now());
            world.fault.map(|fault| fault.end)
        };
        match end {
            Some(End::Stall) => self.hold().await,
            _ => Err(Over),
        }
    }

    /// Says nothing and hears nothing, until the client hangs up.
    async fn hold(&mut self) -> Result<(), Over> {
        let mut bytes = [0; 4096];
        while self.stream.read(&mut bytes).await.unwrap_or(0) > 0 {}
        Err(Over)
    }
}
