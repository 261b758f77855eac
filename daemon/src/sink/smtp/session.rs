//! One connection: login, transactions one after the other, goodbye.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use lettre::transport::smtp;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Quit};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use liaison_core::outbox::Refusal;
use tokio::time::timeout;

use super::reply::{Reply, failed_reply, is_one_reply, reply};
use super::stream::{Record, Recorded};
use super::{Entry, NotSent, SmtpSettings};
use crate::login::{Bearer, Proof};
use crate::oauth::sasl::{Mechanism, ShownTo};
use crate::secret::Secret;
use crate::sink::{OutgoingMail, PhaseLog, SendOutcome};

// RFC 5321 section 4.5.3.2: slow relays use these minutes, and a shorter limit doubles mail.
/// Greeting and EHLO.
const GREETING_LIMIT: Duration = Duration::from_secs(5 * 60);
/// Each step of the login.
const AUTH_LIMIT: Duration = Duration::from_secs(2 * 60);
/// Longest command with its line end (RFC 5321 section 4.5.3.1.4). A first message of a login
/// that does not fit into it is sent after the server's `334` (RFC 4954 section 4).
const COMMAND_BYTES_MAX: usize = 512;
/// MAIL.
const MAIL_LIMIT: Duration = Duration::from_secs(5 * 60);
/// MAIL over a connection that rested: what forgot it in between does not even say so, and a new
/// connection may take its time.
const MAIL_AGAIN_LIMIT: Duration = Duration::from_secs(15);
/// RCPT.
const RCPT_LIMIT: Duration = Duration::from_secs(5 * 60);
/// DATA until `354`.
const DATA_LIMIT: Duration = Duration::from_secs(2 * 60);
/// Each block of the body.
const BLOCK_LIMIT: Duration = Duration::from_secs(3 * 60);
/// From the dot to the verdict.
const VERDICT_LIMIT: Duration = Duration::from_secs(10 * 60);
/// A goodbye is not worth more.
const QUIT_LIMIT: Duration = Duration::from_secs(2);
/// Bytes of the body written at once.
const BLOCK_BYTES: usize = 64 * 1024;

/// A logged-in connection.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    record: Record,
    offers: Offers,
    mails: u32,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Session");
        debug.field("mails", &self.mails).finish_non_exhaustive()
    }
}

/// What the server offered in EHLO, in capitals.
#[derive(Debug, Default)]
struct Offers {
    keywords: BTreeSet<String>,
    mechanisms: BTreeSet<String>,
}

/// Name for EHLO.
pub(super) fn hello_name(settings: &SmtpSettings) -> Result<ClientId, NotSent> {
    let Some(name) = &settings.hello_name else {
        return Ok(ClientId::default());
    };
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(ClientId::Domain(name.clone()))
    } else {
        Err(NotSent::lasting(format!(
            "`hello_name` {name:?} is no host name; correct it or leave it out"
        )))
    }
}

impl Session {
    /// Reads the greeting, says hello and logs in.
    pub(super) async fn begin(
        stream: Recorded,
        hello: &ClientId,
        entry: Entry<'_>,
    ) -> Result<Session, NotSent> {
        let record = stream.record.clone();
        let hail = AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello);
        let connection = match timeout(GREETING_LIMIT, Box::pin(hail)).await {
            Err(_) => return Err(NotSent::passing("no greeting in time")),
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(no_hello(&error, &record)),
        };
        let offers = Offers::read(&record.text());
        let mut session = Session {
            connection,
            record,
            offers,
            mails: 0,
        };
        session.log_in(entry).await?;
        Ok(session)
    }

    async fn log_in(&mut self, entry: Entry<'_>) -> Result<(), NotSent> {
        match entry.proof {
            Proof::Password(password) => self.by_password(entry.to.user, password).await,
            Proof::Token(bearer) => self.by_token(entry.to, bearer).await,
        }
    }

    /// XOAUTH2 or OAUTHBEARER (RFC 7628), in our own words: lettre takes the challenge that tells
    /// of a failure for an error of the client.
    async fn by_token(&mut self, to: ShownTo<'_>, bearer: &Bearer) -> Result<(), NotSent> {
        let mechanism = Mechanism::choose(&self.offers.mechanisms).ok_or_else(|| {
            NotSent::lasting("the server offers neither AUTH XOAUTH2 nor AUTH OAUTHBEARER")
        })?;
        let message = BASE64.encode(mechanism.message(to, &bearer.token));
        let whole = format!("AUTH {} {message}\r\n", mechanism.name());
        let mut reply = if whole.len() <= COMMAND_BYTES_MAX {
            self.command(whole, AUTH_LIMIT, "the login").await?
        } else {
            let first = format!("AUTH {}\r\n", mechanism.name());
            let reply = self.command(first, AUTH_LIMIT, "the login").await?;
            match reply.code {
                334 => {
                    let second = format!("{message}\r\n");
                    self.command(second, AUTH_LIMIT, "the login").await?
                }
                _ => reply,
            }
        };
        if reply.code == 334 {
            let answer = format!("{}\r\n", mechanism.after_failure());
            reply = self.command(answer, AUTH_LIMIT, "the login").await?;
        }
        match reply.code {
            235 => Ok(()),
            _ if reply.is_transient() => Err(login_refused(&reply)),
            _ => Err(NotSent {
                login_failed: true,
                ..NotSent::lasting(format!(
                    "the access token of `{}` was refused ({}): check `user`, the scopes of its \
                     [[oauth]], and that SMTP is allowed for the mailbox",
                    bearer.name(),
                    reply.words()
                ))
            }),
        }
    }

    async fn by_password(&mut self, user: &str, password: &Secret) -> Result<(), NotSent> {
        let password = password.expose();
        let lines = if self.offers.mechanisms.contains("PLAIN") {
            let identity = BASE64.encode(format!("\0{user}\0{password}"));
            vec![format!("AUTH PLAIN {identity}\r\n")]
        } else if self.offers.mechanisms.contains("LOGIN") {
            let (user, password) = (BASE64.encode(user), BASE64.encode(password));
            vec![
                "AUTH LOGIN\r\n".to_owned(),
                format!("{user}\r\n"),
                format!("{password}\r\n"),
            ]
        } else {
            return Err(NotSent::lasting(
                "the server offers no login that we have (AUTH PLAIN, AUTH LOGIN); is this its \
                 submission port?",
            ));
        };
        let last = lines.len().saturating_sub(1);
        for (number, line) in lines.into_iter().enumerate() {
            let reply = self.command(line, AUTH_LIMIT, "the login").await?;
            let wanted = if number == last { 235 } else { 334 };
            if reply.code != wanted {
                return Err(login_refused(&reply));
            }
        }
        Ok(())
    }

    /// How many mails were begun over it.
    pub(super) fn mails(&self) -> u32 {
        self.mails
    }

    /// Whether nothing was read beyond the last reply, which the next command would take for its
    /// own.
    pub(super) fn is_clean(&self) -> bool {
        is_one_reply(&self.record.text())
    }

    /// Begins the transaction of a mail whose bytes on the wire are `body`; `Some` when it was
    /// refused.
    pub(super) async fn mail(
        &mut self,
        mail: &OutgoingMail,
        body: &[u8],
    ) -> Result<Option<SendOutcome>, NotSent> {
        self.mail_within(mail, body, MAIL_LIMIT).await
    }

    /// The same over a connection that carried another mail before.
    pub(super) async fn mail_again(
        &mut self,
        mail: &OutgoingMail,
        body: &[u8],
    ) -> Result<Option<SendOutcome>, NotSent> {
        self.mail_within(mail, body, MAIL_AGAIN_LIMIT).await
    }

    async fn mail_within(
        &mut self,
        mail: &OutgoingMail,
        body: &[u8],
        limit: Duration,
    ) -> Result<Option<SendOutcome>, NotSent> {
        if let Some(refusal) = self.cannot_carry(mail) {
            return Ok(Some(refusal));
        }
        self.mails = self.mails.saturating_add(1);
        let from = self.mail_command(mail, body);
        let answer = self.command(from, limit, "MAIL").await?;
        refusal(answer, 200..300, "MAIL")
    }

    /// Recipient and message, after MAIL. `Err` means that the dot was not sent.
    pub(super) async fn hand_over(
        &mut self,
        mail: &OutgoingMail,
        body: &[u8],
        phase: &mut dyn PhaseLog,
    ) -> Result<SendOutcome, NotSent> {
        let to = format!("RCPT TO:<{}>\r\n", mail.recipient);
        let answer = self.command(to, RCPT_LIMIT, "RCPT").await?;
        if let Some(end) = refusal(answer, 200..300, "RCPT")? {
            return Ok(end);
        }
        let answer = self.command(Data, DATA_LIMIT, "DATA").await?;
        if let Some(end) = refusal(answer, 354..355, "DATA")? {
            return Ok(end);
        }
        if !self.is_clean() {
            let why = "lost at DATA: the server said more than the one answer, so that nobody could \
                       tell which one is its verdict on the mail";
            return Err(NotSent::passing(why.to_owned()));
        }
        phase.entering_body().await.map_err(|why| {
            NotSent::passing(format!("the outbox could not record the attempt ({why})"))
        })?;
        self.body(body).await
    }

    /// What SMTP or this server has no form for; refused by us, since no server will mend it.
    fn cannot_carry(&self, mail: &OutgoingMail) -> Option<SendOutcome> {
        let refuse = |code, enhanced: &str, text: String| {
            Some(SendOutcome::Refused {
                code,
                enhanced: Some(enhanced.to_owned()),
                text: format!("{enhanced} not tried: {text}"),
                refusal: Refusal::ForGood,
            })
        };
        for (address, code) in [(&mail.from, "5.1.7"), (&mail.recipient, "5.1.3")] {
            if !is_address(address) {
                return refuse(553, code, format!("`{address}` is no address"));
            }
            if !address.is_ascii() && !self.offers.keywords.contains("SMTPUTF8") {
                let text = format!("`{address}` needs SMTPUTF8, which the server does not offer");
                return refuse(553, "5.6.7", text);
            }
        }
        if !mail.bytes.is_ascii() && !self.offers.keywords.contains("8BITMIME") {
            let text = "the message is 8-bit, and the server takes 7-bit only".to_owned();
            return refuse(554, "5.6.3", text);
        }
        None
    }

    fn mail_command(&self, mail: &OutgoingMail, body: &[u8]) -> String {
        let mut command = format!("MAIL FROM:<{}>", mail.from);
        if self.offers.keywords.contains("SIZE") {
            command.push_str(&format!(" SIZE={}", body.len()));
        }
        if !body.is_ascii() {
            command.push_str(" BODY=8BITMIME");
        }
        if !mail.from.is_ascii() || !mail.recipient.is_ascii() {
            command.push_str(" SMTPUTF8");
        }
        command.push_str("\r\n");
        command
    }

    async fn body(&mut self, body: &[u8]) -> Result<SendOutcome, NotSent> {
        let progress = Progress::default();
        self.record.clear();
        let blocks = Blocks {
            rest: body.chunks(BLOCK_BYTES),
            progress: &progress,
        };
        let sending = self.connection.message_iter(blocks);
        let result = with_progress(sending, &progress).await;
        let answer = match result {
            Some(result) => reply(result, &self.record),
            None => Err("no answer in time".to_owned()),
        };
        if !progress.is_past_dot() {
            let why = answer.map_or_else(|why| why, |reply| reply.words());
            return Err(NotSent::passing(format!(
                "lost before the final dot: {why}"
            )));
        }
        Ok(match answer {
            Ok(reply) if reply.is_completion() && reply.complete => SendOutcome::Accepted {
                reply: reply.words(),
            },
            Ok(reply) if reply.is_refusal() => reply.into_refused(),
            Ok(reply) => unknown(&format!("an answer that is no verdict: {}", reply.words())),
            Err(why) => unknown(&why),
        })
    }

    async fn command(
        &mut self,
        command: impl std::fmt::Display,
        limit: Duration,
        step: &str,
    ) -> Result<Reply, NotSent> {
        self.record.clear();
        match timeout(limit, self.connection.command(command)).await {
            Err(_) => Err(NotSent::passing(format!("no answer to {step} in time"))),
            Ok(result) => reply(result, &self.record)
                .map_err(|why| NotSent::passing(format!("lost at {step}: {why}"))),
        }
    }

    /// Says goodbye. Nothing depends on it.
    pub(super) async fn quit(mut self) {
        let _ = timeout(QUIT_LIMIT, self.connection.command(Quit)).await;
    }
}

/// A refusal as the outcome of the transaction; `None` when the code is a wanted one.
fn refusal(
    reply: Reply,
    wanted: std::ops::Range<u16>,
    step: &str,
) -> Result<Option<SendOutcome>, NotSent> {
    match reply.code {
        code if wanted.contains(&code) && reply.complete => Ok(None),
        // The login does not suffice: a matter of the transport, not of this mail.
        530 | 535 | 538 => Err(NotSent::lasting(format!(
            "{step} was refused for want of a login: {}",
            reply.words()
        ))),
        _ if reply.is_refusal() => Ok(Some(reply.into_refused())),
        _ => Err(NotSent::passing(format!(
            "an answer to {step} that makes no sense: {}",
            reply.words()
        ))),
    }
}

fn unknown(why: &str) -> SendOutcome {
    SendOutcome::Unknown {
        why: format!("no verdict after the final dot: {why}"),
    }
}

fn no_hello(error: &smtp::Error, record: &Record) -> NotSent {
    let read = record.text();
    let is_greeting = |line: &&str| line.starts_with("220");
    let after_greeting: String = read.split_inclusive('\n').skip_while(is_greeting).collect();
    match failed_reply(error, &after_greeting) {
        Ok(reply) if reply.is_refusal() => NotSent {
            needs_person: !reply.is_transient(),
            ..NotSent::passing(format!("the server turned us away: {}", reply.words()))
        },
        Ok(reply) => NotSent::passing(format!("no agreement on EHLO: {}", reply.words())),
        Err(why) => NotSent::passing(format!("no greeting: {why}")),
    }
}

fn login_refused(reply: &Reply) -> NotSent {
    if reply.is_transient() {
        NotSent::passing(format!("the login is not possible now: {}", reply.words()))
    } else {
        NotSent {
            login_failed: true,
            ..NotSent::lasting(format!(
                "the login was refused ({}): check `user` and `password`",
                reply.words()
            ))
        }
    }
}

impl Offers {
    /// Keywords of the EHLO reply; lettre compares them in capitals only, servers do not.
    fn read(text: &str) -> Offers {
        let mut offers = Offers::default();
        for line in text.lines().filter(|line| line.starts_with("250")) {
            let line = line.get(4..).unwrap_or_default().to_ascii_uppercase();
            let mut words = line.split([' ', '=']);
            let keyword = words.next().unwrap_or_default().to_owned();
            if keyword == "AUTH" {
                offers.mechanisms.extend(words.map(str::to_owned));
            }
            offers.keywords.insert(keyword);
        }
        offers
    }
}

/// Whether SMTP can carry it between angle brackets; the finer grammar is the server's.
fn is_address(address: &str) -> bool {
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>');
    let local_and_domain = address.rsplit_once('@');
    local_and_domain.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !address.contains(forbidden)
}

/// The message with CRLF line ends only, without its last one: that is written with the dot.
/// A bare CR or LF would be a line end to some servers and none to others (SMTP smuggling).
pub(super) fn canonical(bytes: &[u8]) -> Cow<'_, [u8]> {
    let is_bare = |at: usize, byte: u8| match byte {
        b'\r' => bytes.get(at.saturating_add(1)) != Some(&b'\n'),
        b'\n' => at.checked_sub(1).and_then(|before| bytes.get(before)) != Some(&b'\r'),
        _ => false,
    };
    if !bytes
        .iter()
        .enumerate()
        .any(|(at, byte)| is_bare(at, *byte))
    {
        return Cow::Borrowed(bytes.strip_suffix(b"\r\n").unwrap_or(bytes));
    }
    let mut clean = Vec::with_capacity(bytes.len().saturating_add(64));
    for (at, byte) in bytes.iter().enumerate() {
        if is_bare(at, *byte) {
            clean.extend_from_slice(b"\r\n");
        } else {
            clean.push(*byte);
        }
    }
    if clean.ends_with(b"\r\n") {
        clean.truncate(clean.len().saturating_sub(2));
    }
    Cow::Owned(clean)
}

/// How far the body is.
#[derive(Debug, Default)]
struct Progress {
    blocks: AtomicUsize,
    /// The dot is about to be written, or was.
    dot: AtomicBool,
}

impl Progress {
    fn blocks(&self) -> usize {
        self.blocks.load(Ordering::Relaxed)
    }

    fn is_past_dot(&self) -> bool {
        self.dot.load(Ordering::Relaxed)
    }
}

/// Blocks of the body. lettre asks for the next one when the last was written, and writes the
/// dot when there is none: that is the moment from which the verdict is the server's.
struct Blocks<'a> {
    rest: std::slice::Chunks<'a, u8>,
    progress: &'a Progress,
}

impl<'a> Iterator for Blocks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.progress.blocks.fetch_add(1, Ordering::Relaxed);
        let next = self.rest.next();
        if next.is_none() {
            self.progress.dot.store(true, Ordering::Relaxed);
        }
        next
    }
}

/// Runs `sending` as long as blocks leave in time, and for the verdict's time after the dot.
async fn with_progress(
    sending: impl Future<Output = Result<Response, smtp::Error>>,
    progress: &Progress,
) -> Option<Result<Response, smtp::Error>> {
    let mut sending = Box::pin(sending);
    loop {
        let before = progress.blocks();
        let limit = if progress.is_past_dot() {
            VERDICT_LIMIT
        } else {
            BLOCK_LIMIT
        };
        match timeout(limit, &mut sending).await {
            Ok(result) => return Some(result),
            Err(_) if progress.blocks() != before => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_crlf_and_the_last_one_is_left_to_the_dot() {
        for (bytes, expected) in [
            (&b"a\r\nb\r\n"[..], &b"a\r\nb"[..]),
            (b"a\r\n\r\n", b"a\r\n"),
            (b"a\n.\nb\n", b"a\r\n.\r\nb"),
            (b"a\r.\r\n", b"a\r\n."),
            (b"a\r\r\n", b"a\r\n"),
            (b"", b""),
        ] {
            assert_eq!(&*canonical(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn addresses_cannot_leave_their_brackets() {
        for (address, good) in [
            ("alice@example.com", true),
            ("jürgen@example.com", true),
            ("a>\r\nRCPT TO:<b@example.com", false),
            ("a b@example.com", false),
            ("@example.com", false),
            ("alice", false),
        ] {
            assert_eq!(is_address(address), good, "{address}");
        }
    }
}
