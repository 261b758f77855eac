use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};

use super::session::Session;
use super::start_tls::start_tls;
use super::stream::Recorded;
use super::*;
use crate::secret::SecretRef;
use liaison_core::outbox::Refusal;

/// Small, so that a body larger than it cannot be written to a server that does not read.
const PIPE_BYTES: usize = 4 * 1024;
const OFFERS: &str = "250-mx.example.com\r\n250-8bitmime\r\n250 auth plain\r\n";

/// What the server says at each step; an empty text closes the connection there.
#[derive(Clone, Copy)]
struct Script {
    mail: &'static [u8],
    rcpt: &'static [u8],
    data: &'static [u8],
    verdict: &'static [u8],
    /// Close after `354` without reading the body.
    deaf: bool,
    /// Keep the connection open and silent in place of the verdict.
    mute: bool,
    /// Close after this many bytes of the body.
    cut: Option<usize>,
    pipe_bytes: usize,
}

const GOOD: Script = Script {
    mail: b"250 2.1.0 ok\r\n",
    rcpt: b"250 2.1.5 ok\r\n",
    data: b"354 go\r\n",
    verdict: b"250 2.0.0 queued as 1\r\n",
    deaf: false,
    mute: false,
    cut: None,
    pipe_bytes: PIPE_BYTES,
};

#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    body: Vec<u8>,
    recorded_before_body: bool,
}

struct Phase {
    entered: Arc<AtomicBool>,
    fails: bool,
}

impl PhaseLog for Phase {
    fn entering_body(&mut self) -> BoxFuture<'_, Result<(), String>> {
        assert!(!self.entered.swap(true, Ordering::SeqCst), "called once");
        let result = match self.fails {
            true => Err("disk full".to_owned()),
            false => Ok(()),
        };
        Box::pin(async { result })
    }
}

/// Some text that is set everywhere; reading a file would let paused time run.
async fn secret() -> Proof {
    Proof::Password(SecretRef::Env("PATH".to_owned()).fetch().await.unwrap())
}

fn entry(proof: &Proof) -> Entry<'_> {
    let to = ShownTo {
        user: "u",
        host: "h",
        port: 465,
    };
    Entry { to, proof }
}

fn mail(bytes: &[u8]) -> OutgoingMail {
    OutgoingMail {
        message_id: "1@example.com".to_owned(),
        from: "alice@example.com".to_owned(),
        recipient: "bob@example.net".to_owned(),
        bytes: Bytes::copy_from_slice(bytes),
    }
}

async fn serve(stream: DuplexStream, script: Script, entered: Arc<AtomicBool>) -> Heard {
    let mut stream = BufReader::new(stream);
    let mut heard = Heard::default();
    let steps: [&[u8]; 5] = [
        OFFERS.as_bytes(),
        b"235 welcome\r\n",
        script.mail,
        script.rcpt,
        script.data,
    ];
    for step in steps {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 || step.is_empty() {
            return heard;
        }
        if line == "QUIT\r\n" {
            return heard;
        }
        heard.lines.push(line);
        assert!(!entered.load(Ordering::SeqCst), "phase before 354");
        stream.get_mut().write_all(step).await.unwrap();
    }
    if script.deaf || !script.data.starts_with(b"354") {
        return heard;
    }
    let first = stream.fill_buf().await.unwrap_or_default().len();
    heard.recorded_before_body = first > 0 && entered.load(Ordering::SeqCst);
    if let Some(most) = script.cut {
        let mut body = (&mut stream).take(u64::try_from(most).unwrap());
        body.read_to_end(&mut heard.body).await.unwrap();
        return heard;
    }
    while !heard.body.ends_with(b"\r\n.\r\n") {
        if stream.read_until(b'\n', &mut heard.body).await.unwrap_or(0) == 0 {
            return heard;
        }
    }
    stream.get_mut().write_all(script.verdict).await.unwrap();
    if script.mute {
        let mut rest = String::new();
        stream.read_line(&mut rest).await.unwrap();
    }
    heard
}

async fn send(script: Script, mail: &OutgoingMail, fails: bool) -> (SendOutcome, Heard) {
    let (ours, theirs) = duplex(script.pipe_bytes);
    let entered = Arc::new(AtomicBool::new(false));
    let transport = SmtpTransport::new(
        toml::from_str("host = 'h'\nuser = 'u'\npassword = { env = 'P' }").unwrap(),
    );
    let (hello, password) = (
        ClientId::Domain("me.example.com".to_owned()),
        secret().await,
    );
    let mut phase = Phase {
        entered: entered.clone(),
        fails,
    };
    let client = async {
        let stream = Recorded::with_greeting(Box::new(ours));
        let mut session = Session::begin(stream, &hello, entry(&password))
            .await
            .unwrap();
        let body = canonical(&mail.bytes);
        match session.mail(mail, &body).await {
            Ok(None) => transport.finish(session, mail, (&body, &mut phase)).await,
            Ok(Some(refused)) => refused,
            Err(not_sent) => transport.not_sent(not_sent),
        }
    };
    tokio::join!(client, serve(theirs, script, entered))
}

fn shape(outcome: &SendOutcome) -> String {
    match outcome {
        SendOutcome::Accepted { reply } => format!("accepted {reply}"),
        SendOutcome::Refused {
            code,
            enhanced,
            refusal,
            ..
        } => format!(
            "refused {code} {} {}",
            enhanced.as_deref().unwrap_or("-"),
            match refusal {
                Refusal::ForNow => "for now",
                Refusal::OfLogin => "for now, of the login",
                Refusal::ForGood => "for good",
            }
        ),
        SendOutcome::NotSent { needs_person, .. } => match needs_person {
            true => "not sent, person".to_owned(),
            false => "not sent".to_owned(),
        },
        SendOutcome::Unknown { .. } => "unknown".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn every_end_of_a_transaction_has_its_outcome() {
    let with = |change: fn(&mut Script)| {
        let mut script = GOOD;
        change(&mut script);
        script
    };
    let rows: Vec<(Script, &str)> = vec![
        (GOOD, "accepted 250 2.0.0 queued as 1"),
        (
            with(|s| s.verdict = b"250-a\r\n250 b\r\n"),
            "accepted 250 a b",
        ),
        (
            with(|s| s.verdict = b"250 caf\xe9\r\n"),
            "accepted 250 caf\u{fffd}",
        ),
        (
            with(|s| s.mail = b"451 4.3.0 later\r\n"),
            "refused 451 4.3.0 for now",
        ),
        (
            with(|s| s.rcpt = b"550 5.1.1 no such user\r\n"),
            "refused 550 5.1.1 for good",
        ),
        (
            with(|s| s.rcpt = b"571 blocked\r\n"),
            "refused 571 - for good",
        ),
        (
            with(|s| s.data = b"554 5.7.1 no\r\n"),
            "refused 554 5.7.1 for good",
        ),
        (
            with(|s| s.verdict = b"452 4.2.2 full\r\n"),
            "refused 452 4.2.2 for now",
        ),
        (
            with(|s| s.verdict = b"571 5.7.1 spam\r\n"),
            "refused 571 5.7.1 for good",
        ),
        (
            with(|s| s.mail = b"530 5.7.0 log in first\r\n"),
            "not sent, person",
        ),
        (with(|s| s.mail = b""), "not sent"),
        (with(|s| s.rcpt = b""), "not sent"),
        (with(|s| s.data = b""), "not sent"),
        (with(|s| s.data = b"250 what\r\n"), "not sent"),
        (with(|s| s.data = b"354 go\r\n250 ok\r\n"), "not sent"),
        (with(|s| s.verdict = b""), "unknown"),
        (with(|s| s.verdict = b"25"), "unknown"),
        (with(|s| s.verdict = b"250-half\r\n"), "unknown"),
        (with(|s| s.verdict = b"354 what\r\n"), "unknown"),
        (with(|s| (s.verdict, s.mute) = (b"", true)), "unknown"),
    ];
    for (script, expected) in rows {
        let message = mail(b"Subject: hi\r\n\r\nHello.\r\n");
        let (outcome, heard) = send(script, &message, false).await;
        assert_eq!(shape(&outcome), expected, "{outcome:?}");
        assert_eq!(heard.recorded_before_body, !heard.body.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_before_the_dot_sent_nothing() {
    let mut deaf = GOOD;
    deaf.deaf = true;
    let large = vec![b'x'; 300 * 1024];
    let (outcome, _) = send(deaf, &mail(&large), false).await;
    assert_eq!(shape(&outcome), "not sent", "{outcome:?}");
}

/// The bar that matters: nothing is called unsent of which the server has the end, and nothing is
/// called accepted without a verdict.
#[tokio::test]
async fn a_cut_at_any_byte_of_the_body_is_never_called_wrongly() {
    let message = mail(b"Subject: hi\r\n\r\n.Hello\r\n.\r\n");
    let whole = b"Subject: hi\r\n\r\n..Hello\r\n..\r\n.\r\n";
    let mut seen = std::collections::BTreeSet::new();
    for pipe_bytes in [1, 7, PIPE_BYTES] {
        for cut in 0..=whole.len() {
            let script = Script {
                cut: Some(cut),
                pipe_bytes,
                ..GOOD
            };
            let (outcome, heard) = send(script, &message, false).await;
            assert_eq!(heard.body, whole[..cut]);
            let ended = cut == whole.len();
            match shape(&outcome).as_str() {
                "unknown" => {}
                "not sent" => assert!(!ended, "cut {cut}, pipe {pipe_bytes}"),
                other => panic!("{other} at {cut}"),
            }
            seen.insert(shape(&outcome));
        }
    }
    assert_eq!(seen.len(), 2, "both kinds occur: {seen:?}");
}

#[tokio::test]
async fn no_byte_of_the_body_leaves_before_the_phase_is_durable() {
    let (outcome, heard) = send(GOOD, &mail(b"Subject: hi\r\n\r\n"), true).await;
    assert_eq!(shape(&outcome), "not sent");
    assert!(heard.body.is_empty());
}

#[tokio::test]
async fn any_bytes_arrive_as_they_were() {
    for bytes in [
        &b".\r\n..\r\n.a\r\n\r\n.\r\n"[..],
        b"a\r\n.\r\nMAIL FROM:<mallory@example.com>\r\n",
        b"Subject: hi\r\n\r\ngr\xfc\xdfe\r\n",
        &[b"x".repeat(64 * 1024 - 1), b"\r\n.y\r\n".to_vec()].concat(),
    ] {
        let (outcome, heard) = send(GOOD, &mail(bytes), false).await;
        assert!(shape(&outcome).starts_with("accepted"), "{outcome:?}");
        let text = heard.body.strip_suffix(b".\r\n").unwrap();
        let plain: Vec<u8> = text
            .split_inclusive(|byte| *byte == b'\n')
            .flat_map(|line| line.strip_prefix(b".").unwrap_or(line))
            .copied()
            .collect();
        assert_eq!(plain, bytes);
        let is_8bit = !bytes.is_ascii();
        assert_eq!(heard.lines[2].contains("BODY=8BITMIME"), is_8bit);
    }
}

#[tokio::test]
async fn a_bare_line_feed_cannot_end_the_message() {
    let smuggled = b"a\n.\nMAIL FROM:<mallory@example.com>\n.\r\r\n";
    let (_, heard) = send(GOOD, &mail(smuggled), false).await;
    assert_eq!(
        heard.body,
        b"a\r\n..\r\nMAIL FROM:<mallory@example.com>\r\n..\r\n\r\n.\r\n"
    );
}

#[tokio::test]
async fn what_no_server_could_take_is_refused_without_asking() {
    let mut message = mail(b"Subject: hi\r\n\r\n");
    message.recipient = "b@example.net>\r\nRCPT TO:<c@example.net".to_owned();
    let (outcome, heard) = send(GOOD, &message, false).await;
    assert_eq!(shape(&outcome), "refused 553 5.1.3 for good");
    assert_eq!(heard.lines.len(), 2, "nothing after the login");
    message.recipient = "jürgen@example.net".to_owned();
    let (outcome, _) = send(GOOD, &message, false).await;
    assert_eq!(shape(&outcome), "refused 553 5.6.7 for good");
}

#[tokio::test]
async fn a_login_ends_in_a_session_or_says_who_must_act() {
    let rows: [(&str, &[&str], &str); 9] = [
        ("250 AUTH PLAIN\r\n", &["235 ok\r\n"], "in"),
        (
            "250 auth login\r\n",
            &["334 VXNlcjo=\r\n", "334 UGFzcw==\r\n", "235 ok\r\n"],
            "in",
        ),
        ("250 AUTH=LOGIN PLAIN\r\n", &["235 ok\r\n"], "in"),
        ("250 AUTH PLAIN\r\n", &["535 5.7.8 wrong\r\n"], "person"),
        ("250 AUTH PLAIN\r\n", &["454 4.7.0 later\r\n"], "later"),
        ("250 AUTH XOAUTH2\r\n", &[], "person"),
        ("554 5.7.1 we do not know you\r\n", &[], "person"),
        ("571 we do not know you\r\n", &[], "person"),
        ("421 4.3.2 too busy\r\n", &[], "later"),
    ];
    for (offer, replies, expected) in rows {
        let (ours, theirs) = duplex(PIPE_BYTES);
        let server = async {
            let mut stream = BufReader::new(theirs);
            for reply in std::iter::once(&offer).chain(replies) {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                stream.get_mut().write_all(reply.as_bytes()).await.unwrap();
            }
        };
        let (hello, password) = (ClientId::Domain("me".to_owned()), secret().await);
        let stream = Recorded::with_greeting(Box::new(ours));
        let login = Session::begin(stream, &hello, entry(&password));
        let (result, ()) = tokio::join!(login, server);
        let found = match &result {
            Ok(_) => "in",
            Err(not_sent) if not_sent.needs_person => "person",
            Err(_) => "later",
        };
        assert_eq!(found, expected, "{offer} {replies:?}");
    }
}

#[tokio::test]
async fn start_tls_believes_nothing_that_was_said_in_clear() {
    for (greeting, offer, agreement, word) in [
        ("220 hi\r\n", "250-x\r\n250 starttls\r\n", "220 go\r\n", ""),
        (
            "220 hi\r\n",
            "250-x\r\n250 STARTTLS\r\n",
            "220 go\r\n235 in\r\n",
            "clear text",
        ),
        ("220 hi\r\n", "250 SIZE\r\n", "", "no STARTTLS"),
        ("220 hi\r\n", "250 STARTTLS\r\n", "454 later\r\n", "454"),
        ("554 go away\r\n", "", "", "554"),
    ] {
        let (ours, theirs) = duplex(PIPE_BYTES);
        let server = async {
            let mut stream = BufReader::new(theirs);
            stream
                .get_mut()
                .write_all(greeting.as_bytes())
                .await
                .unwrap();
            for reply in [offer, agreement] {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap() == 0 {
                    return;
                }
                stream.get_mut().write_all(reply.as_bytes()).await.unwrap();
            }
        };
        let (result, ()) = tokio::join!(start_tls(ours, "me"), server);
        match result {
            Ok(_) => assert_eq!(word, ""),
            Err(error) => assert!(!word.is_empty() && error.why.contains(word), "{error:?}"),
        }
    }
}
