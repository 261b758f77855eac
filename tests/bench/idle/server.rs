//! An IMAP server over TLS that holds thousands of sessions in little memory: enough of RFC 3501
//! and 2177 for one watcher each. No real server holds that many beside what is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use liaison_tests::tls::Ca;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What every INBOX holds: nothing, then one message per announcement.
#[derive(Debug)]
pub struct Server {
    pub port: u16,
    state: Arc<State>,
    _runtime: Runtime,
}

#[derive(Debug)]
struct State {
    /// Messages in every INBOX.
    messages: watch::Sender<u32>,
    idle: AtomicUsize,
    announced: AtomicU32,
}

impl Server {
    pub fn start(ca: &Ca) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let acceptor = acceptor(ca);
        let listener = runtime
            .block_on(TcpListener::bind(("127.0.0.1", 0)))
            .expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State {
            messages: watch::channel(0).0,
            idle: AtomicUsize::new(0),
            announced: AtomicU32::new(0),
        });
        let shared = state.clone();
        runtime.spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let (acceptor, state) = (acceptor.clone(), shared.clone());
                tokio::spawn(async move {
                    // A client that leaves ends its session, as with any server.
                    let _ = serve(stream, &acceptor, &state).await;
                });
            }
        });
        Server {
            port,
            state,
            _runtime: runtime,
        }
    }

    /// Sessions in IDLE now.
    pub fn idle(&self) -> usize {
        self.state.idle.load(Ordering::Acquire)
    }

    /// One more message in every INBOX, told to everybody who is in IDLE.
    pub fn deliver_to_all(&self) {
        self.state.announced.store(0, Ordering::Release);
        self.state.messages.send_modify(|count| *count += 1);
    }

    /// Sessions that were told of the last message.
    pub fn announced(&self) -> u32 {
        self.state.announced.load(Ordering::Acquire)
    }
}

fn acceptor(ca: &Ca) -> TlsAcceptor {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(&ca.cert_file)
        .expect("the certificate")
        .map(|one| one.expect("a PEM certificate"))
        .collect();
    let key = PrivateKeyDer::from_pem_file(&ca.key_file).expect("the key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}

/// The `n`th message: the same in all mailboxes when `n` is even, else one for each.
fn message(n: u32, user: &str) -> String {
    let whose = if n.is_multiple_of(2) { "all" } else { user };
    format!(
        "From: Nora North <nora@customer.example>\r\nTo: {user}@example.test\r\n\
         Subject: Message {n}\r\nMessage-ID: <{n}-{whose}@customer.example>\r\n\
         Date: Mon, 02 Mar 2026 09:00:00 +0000\r\n\r\nHello {whose}, this is message {n}.\r\n"
    )
}

struct Session<S> {
    stream: BufReader<S>,
    user: String,
    open: bool,
}

async fn serve(stream: TcpStream, acceptor: &TlsAcceptor, state: &State) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let mut session = Session {
        stream: BufReader::with_capacity(512, stream),
        user: String::new(),
        open: false,
    };
    session.say("* OK ready\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if session.stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let Some((tag, command)) = line.trim_end().split_once(' ') else {
            return Ok(());
        };
        let (tag, command) = (tag.to_owned(), command.to_owned());
        if command == "IDLE" {
            session.idle(&tag, state).await?;
        } else {
            let count = *state.messages.borrow();
            let answer = session.answer(&command, count);
            session.say(&format!("{answer}{tag} OK done\r\n")).await?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    async fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes()).await?;
        self.stream.get_mut().flush().await
    }

    fn answer(&mut self, command: &str, count: u32) -> String {
        let words: Vec<&str> = command.split(' ').collect();
        match words[0] {
            "CAPABILITY" => "* CAPABILITY IMAP4rev1 IDLE ID SPECIAL-USE\r\n".to_owned(),
            "LOGIN" => {
                self.user = words[1].trim_matches('"').to_owned();
                String::new()
            }
            "LIST" => "* LIST (\\Sent) \"/\" Sent\r\n* LIST (\\Drafts) \"/\" Drafts\r\n".to_owned(),
            "EXAMINE" | "SELECT" => {
                self.open = words[1].trim_matches('"') == "INBOX";
                let count = if self.open { count } else { 0 };
                let next = count + 1;
                format!("* {count} EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT {next}] x\r\n")
            }
            "STATUS" => {
                let name = words[1].trim_matches('"');
                let next = if name == "INBOX" { count + 1 } else { 1 };
                format!("* STATUS {name} (UIDNEXT {next} UIDVALIDITY 7)\r\n")
            }
            "UID" if words[1] == "FETCH" && self.open => self.rows(&words, command, count),
            _ => String::new(),
        }
    }

    fn rows(&self, words: &[&str], command: &str, count: u32) -> String {
        let (from, to) = words[2].split_once(':').unwrap_or((words[2], words[2]));
        let number = |text: &str| text.parse::<u32>().unwrap_or(count);
        let (from, to) = (number(from).min(count), number(to).min(count));
        let mut rows = String::new();
        for uid in from.max(1)..=to {
            let text = message(uid, &self.user);
            let size = text.len();
            rows.push_str(&format!("* {uid} FETCH (UID {uid} RFC822.SIZE {size}"));
            if command.contains("BODY.PEEK[]") {
                rows.push_str(&format!(
                    " FLAGS () INTERNALDATE \"02-Mar-2026 09:00:00 +0000\" BODY[] {{{size}}}\r\n{text}"
                ));
            }
            rows.push_str(")\r\n");
        }
        rows
    }

    async fn idle(&mut self, tag: &str, state: &State) -> std::io::Result<()> {
        let mut news = state.messages.subscribe();
        self.say("+ idling\r\n").await?;
        state.idle.fetch_add(1, Ordering::AcqRel);
        let mut line = String::new();
        let ended = loop {
            tokio::select! {
                read = self.stream.read_line(&mut line) => break read,
                changed = news.changed() => {
                    if changed.is_err() {
                        break Ok(0);
                    }
                    let count = *news.borrow_and_update();
                    state.announced.fetch_add(1, Ordering::AcqRel);
                    self.say(&format!("* {count} EXISTS\r\n")).await?;
                }
            }
        };
        state.idle.fetch_sub(1, Ordering::AcqRel);
        ended?;
        self.say(&format!("{tag} OK done\r\n")).await
    }
}
