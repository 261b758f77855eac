//! An IMAP server in memory, for thousands of accounts: enough of RFC 3501 and 2177 for the
//! watcher, any number of connections to each, and bad days on demand.
//!
//! Messages are made when they are asked for, so that the server needs no memory for them.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use liaison::dial::{DialError, Reach, Reached, TlsSettings, Wire};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf};
use tokio::io::{WriteHalf, duplex, split};
use tokio::sync::watch;

/// Bytes on their way in one direction of a connection.
const PIPE_BYTES: usize = 16 * 1024;
/// Bytes of a command that are read at once.
const READ_BYTES: usize = 512;
/// Messages that every INBOX has from the start.
pub const OLD_MESSAGES: u32 = 2;

/// What an account has, and what is wrong with it now.
#[derive(Debug, Clone)]
struct State {
    /// UIDs below were given.
    uid_next: u32,
    /// UIDs that the server does not show yet.
    hidden: Vec<u32>,
    /// Messages in Sent.
    sent: u32,
    /// Answered to LOGIN.
    refusal: Option<&'static str>,
    /// Connections opened so far.
    opened: u64,
    /// Those with smaller numbers are over.
    cut: u64,
    /// Those with smaller numbers say nothing more.
    silent: u64,
}

#[derive(Debug)]
struct Account {
    // Short locks without await.
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

impl Account {
    fn new() -> Account {
        Account {
            state: Mutex::new(State {
                uid_next: OLD_MESSAGES + 1,
                hidden: Vec::new(),
                sent: 0,
                refusal: None,
                opened: 0,
                cut: 0,
                silent: 0,
            }),
            changed: watch::Sender::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.state());
        self.changed.send_replace(());
        done
    }
}

/// The server; account `n` logs in as `m<n>`.
pub struct Server {
    accounts: Vec<Account>,
    down: AtomicBool,
    open: AtomicUsize,
    idle: AtomicUsize,
    dialled: AtomicU64,
    commands: AtomicU64,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

/// What went over the connections so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic {
    /// Connections.
    pub dialled: u64,
    /// Commands.
    pub commands: u64,
}

impl Server {
    /// One with so many accounts.
    pub fn new(accounts: usize) -> Arc<Server> {
        Arc::new(Server {
            accounts: (0..accounts).map(|_| Account::new()).collect(),
            down: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            dialled: AtomicU64::new(0),
            commands: AtomicU64::new(0),
        })
    }

    /// A message into the INBOX of an account; its UID.
    pub fn deliver(&self, account: usize) -> u32 {
        self.accounts[account].change(State::give_uid)
    }

    /// A message into Sent; its UID.
    pub fn deliver_to_sent(&self, account: usize) -> u32 {
        self.accounts[account].change(|state| {
            state.sent += 1;
            state.sent
        })
    }

    /// A message that has its UID and that the server does not show until [`Server::reveal`], as
    /// some do while they copy; with one behind it, so that a look passes it by. Both UIDs.
    pub fn deliver_late(&self, account: usize) -> [u32; 2] {
        self.accounts[account].change(|state| {
            let late = state.give_uid();
            state.hidden.push(late);
            [late, state.give_uid()]
        })
    }

    /// Shows everything, without a word.
    pub fn reveal(&self, account: usize) {
        self.accounts[account].state().hidden.clear();
    }

    /// Ends all connections of an account in the middle of a line.
    pub fn cut(&self, account: usize) {
        self.accounts[account].change(|state| state.cut = state.opened + 1);
    }

    /// Says nothing more on the connections that an account has.
    pub fn fall_silent(&self, account: usize) {
        self.accounts[account].change(|state| state.silent = state.opened + 1);
    }

    /// Answers logins with this from now on, after ending all connections; `None`: as usual.
    pub fn refuse(&self, account: usize, refusal: Option<&'static str>) {
        self.accounts[account].change(|state| {
            state.refusal = refusal;
            if refusal.is_some() {
                state.cut = state.opened + 1;
            }
        });
    }

    /// Whether the whole server is away.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
        if down {
            for account in 0..self.accounts.len() {
                self.cut(account);
            }
        }
    }

    /// Connections in IDLE now.
    pub fn idle(&self) -> usize {
        self.idle.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// So far.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            dialled: self.dialled.load(Ordering::SeqCst),
            commands: self.commands.load(Ordering::SeqCst),
        }
    }
}

impl Reach for Way {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Reached<'a> {
        Box::pin(async move {
            if self.0.down.load(Ordering::SeqCst) {
                return Err(DialError::Connect {
                    host: host.to_owned(),
                    port,
                    source: std::io::ErrorKind::ConnectionRefused.into(),
                });
            }
            let (ours, theirs) = duplex(PIPE_BYTES);
            let server = self.0.clone();
            tokio::spawn(async move {
                server.dialled.fetch_add(1, Ordering::SeqCst);
                server.open.fetch_add(1, Ordering::SeqCst);
                Session::new(&server, theirs).run().await;
                server.open.fetch_sub(1, Ordering::SeqCst);
            });
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
        Box::pin(async move { Ok(stream) })
    }
}

/// The way to the server.
#[derive(Debug)]
pub struct Way(pub Arc<Server>);

impl State {
    fn give_uid(&mut self) -> u32 {
        let uid = self.uid_next;
        self.uid_next += 1;
        uid
    }

    /// UIDs of a mailbox, ascending.
    fn shown(&self, mailbox: &str) -> Vec<u32> {
        match mailbox {
            "INBOX" => (1..self.uid_next)
                .filter(|uid| !self.hidden.contains(uid))
                .collect(),
            _ => (1..=self.sent).collect(),
        }
    }

    fn uid_next_of(&self, mailbox: &str) -> u32 {
        match mailbox {
            "INBOX" => self.uid_next,
            _ => self.sent + 1,
        }
    }
}

/// What is said of the messages of one mailbox.
pub fn message_id(account: usize, mailbox: &str, uid: u32) -> String {
    format!(
        "{}-{uid}-{account}@customer.example",
        mailbox.to_lowercase()
    )
}

fn message(account: usize, mailbox: &str, uid: u32) -> String {
    let id = message_id(account, mailbox, uid);
    let (ours, theirs) = ("alice@example.test", "nora@customer.example");
    let (from, to) = match mailbox {
        "INBOX" => (theirs, ours),
        _ => (ours, theirs),
    };
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: Message {uid} of {account}\r\nMessage-ID: <{id}>\r\n\
         Date: Mon, 02 Mar 2026 09:00:00 +0000\r\n\r\nHello, this is message {uid}.\r\n"
    )
}

/// The connection is over.
struct Over;

/// One connection.
struct Session<'a> {
    server: &'a Server,
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    out: WriteHalf<DuplexStream>,
    /// Who logged in, and the number of this connection of theirs.
    user: Option<(usize, u64)>,
    mailbox: Option<&'static str>,
}

impl<'a> Session<'a> {
    fn new(server: &'a Server, stream: DuplexStream) -> Session<'a> {
        let (read, out) = split(stream);
        Session {
            server,
            lines: BufReader::with_capacity(READ_BYTES, read).lines(),
            out,
            user: None,
            mailbox: None,
        }
    }

    async fn run(mut self) {
        let Err(Over) = self.converse().await;
    }

    async fn converse(&mut self) -> Result<std::convert::Infallible, Over> {
        self.say("* OK ready\r\n").await?;
        loop {
            let line = self.hear().await?;
            self.server.commands.fetch_add(1, Ordering::SeqCst);
            let (tag, command) = line.split_once(' ').ok_or(Over)?;
            match command {
                "IDLE" => self.idle(tag).await?,
                "LOGOUT" => {
                    let bye = format!("* BYE see you\r\n{tag} OK done\r\n");
                    self.say(&bye).await?;
                    return Err(Over);
                }
                _ => {
                    let answer = self.answer(tag, command);
                    self.say(&answer).await?;
                }
            }
        }
    }

    async fn say(&mut self, text: &str) -> Result<(), Over> {
        self.out.write_all(text.as_bytes()).await.map_err(|_| Over)
    }

    /// The next line. Cancel-safe.
    async fn next_line(&mut self) -> Result<String, Over> {
        self.lines.next_line().await.ok().flatten().ok_or(Over)
    }

    /// The next line, or what befalls the connection before.
    async fn hear(&mut self) -> Result<String, Over> {
        let server = self.server;
        let Some((account, _)) = self.user else {
            return self.next_line().await;
        };
        let mut changed = server.accounts[account].changed.subscribe();
        loop {
            self.suffer().await?;
            tokio::select! {
                line = self.next_line() => return line,
                _ = changed.changed() => {}
            }
        }
    }

    /// Ends or holds the connection, if that is its lot.
    async fn suffer(&mut self) -> Result<(), Over> {
        let Some((account, number)) = self.user else {
            return Ok(());
        };
        let (cut, silent) = {
            let state = self.server.accounts[account].state();
            (number < state.cut, number < state.silent)
        };
        if cut {
            self.say("* 17 EXI").await?;
            return Err(Over);
        }
        if silent {
            loop {
                self.next_line().await?;
            }
        }
        Ok(())
    }

    async fn idle(&mut self, tag: &str) -> Result<(), Over> {
        let Some((account, _)) = self.user else {
            return self.say(&format!("{tag} BAD not logged in\r\n")).await;
        };
        let server = self.server;
        let mut changed = server.accounts[account].changed.subscribe();
        let mut told = self.exists();
        self.say("+ idling\r\n").await?;
        server.idle.fetch_add(1, Ordering::SeqCst);
        let end = loop {
            if let Err(over) = self.suffer().await {
                break Err(over);
            }
            let exists = self.exists();
            if exists > told {
                told = exists;
                if let Err(over) = self.say(&format!("* {exists} EXISTS\r\n")).await {
                    break Err(over);
                }
            }
            tokio::select! {
                line = self.next_line() => break line.map(drop),
                _ = changed.changed() => {}
            }
        };
        server.idle.fetch_sub(1, Ordering::SeqCst);
        end?;
        self.say(&format!("{tag} OK done\r\n")).await
    }

    fn exists(&self) -> usize {
        match (self.user, self.mailbox) {
            (Some((account, _)), Some(mailbox)) => {
                self.server.accounts[account].state().shown(mailbox).len()
            }
            _ => 0,
        }
    }

    fn answer(&mut self, tag: &str, command: &str) -> String {
        let words: Vec<&str> = command.split(' ').collect();
        let name = words.get(1).map_or("", |word| word.trim_matches('"'));
        let done = format!("{tag} OK done\r\n");
        match (words[0], self.user) {
            ("CAPABILITY", _) => {
                format!("* CAPABILITY IMAP4rev1 IDLE ID SPECIAL-USE UIDPLUS\r\n{done}")
            }
            ("ID" | "NOOP", _) => done,
            ("LOGIN", None) => self.log_in(tag, name),
            ("LIST", Some(_)) => {
                format!("* LIST () \"/\" INBOX\r\n* LIST (\\Sent) \"/\" Sent\r\n{done}")
            }
            ("EXAMINE" | "SELECT" | "STATUS", Some(_)) if own(name).is_none() => {
                format!("{tag} NO [NONEXISTENT] no such mailbox\r\n")
            }
            ("EXAMINE" | "SELECT", Some((account, _))) => {
                self.mailbox = own(name);
                let next = self.server.accounts[account].state().uid_next_of(name);
                let exists = self.exists();
                format!(
                    "* {exists} EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT {next}] x\r\n{done}"
                )
            }
            ("STATUS", Some((account, _))) => {
                let next = self.server.accounts[account].state().uid_next_of(name);
                format!("* STATUS {name} (UIDNEXT {next} UIDVALIDITY 7)\r\n{done}")
            }
            ("UID", Some((account, _))) if name == "FETCH" && self.mailbox.is_some() => {
                let mut rows = self.rows(account, &words, command);
                rows.push_str(&done);
                rows
            }
            _ => format!("{tag} BAD unknown command\r\n"),
        }
    }

    fn log_in(&mut self, tag: &str, user: &str) -> String {
        let account = user.strip_prefix('m').and_then(|n| n.parse::<usize>().ok());
        let Some(account) = account.filter(|account| *account < self.server.accounts.len()) else {
            return format!("{tag} NO [AUTHENTICATIONFAILED] who is that\r\n");
        };
        let mut state = self.server.accounts[account].state();
        if let Some(refusal) = state.refusal {
            return format!("{tag} NO {refusal}\r\n");
        }
        state.opened += 1;
        drop(state);
        let number = self.server.accounts[account].state().opened;
        self.user = Some((account, number));
        format!("{tag} OK done\r\n")
    }

    fn rows(&self, account: usize, words: &[&str], command: &str) -> String {
        let Some(mailbox) = self.mailbox else {
            return String::new();
        };
        let shown = self.server.accounts[account].state().shown(mailbox);
        let set = words.get(2).copied().unwrap_or_default();
        let last = shown.last().copied().unwrap_or(0);
        let mut rows = String::new();
        for (number, uid) in (1..).zip(&shown) {
            if !has(set, *uid, last) {
                continue;
            }
            let text = message(account, mailbox, *uid);
            let size = text.len();
            rows.push_str(&format!("* {number} FETCH (UID {uid} RFC822.SIZE {size}"));
            rows.push_str(" FLAGS () INTERNALDATE \"02-Mar-2026 09:00:00 +0000\"");
            if command.contains("BODY.PEEK[]") {
                rows.push_str(&format!(" BODY[] {{{size}}}\r\n{text}"));
            }
            rows.push_str(")\r\n");
        }
        rows
    }
}

fn own(name: &str) -> Option<&'static str> {
    ["INBOX", "Sent"].into_iter().find(|own| *own == name)
}

/// Whether a set of UIDs has one; `n:*` has the last message whatever n is.
fn has(set: &str, uid: u32, last: u32) -> bool {
    set.split(',').any(|part| {
        let (from, to) = part.split_once(':').unwrap_or((part, part));
        let number = |text: &str| text.parse::<u32>().unwrap_or(last);
        let (from, to) = (number(from), number(to));
        (from.min(to)..=from.max(to)).contains(&uid)
    })
}
