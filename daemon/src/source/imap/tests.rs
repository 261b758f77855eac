use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use liaison_core::ids::MailboxId;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::answer::Verdict;
use super::connection::{Connection, ConnectionError, IdleEnd};
use super::open::{OpenError, greet_and_log_in, start_tls};
use super::suspects::Link;
use super::wire::Command;
use super::*;
use crate::clock::SystemClock;
use crate::login::Proof;
use crate::secret::SecretRef;
use crate::source::{BatchMode, Content, Cursor};
use crate::supervisor::Stop;

mod beside;
mod cuts;
mod durable;
mod hostile;
mod ledger;
mod missed;
mod mutations;
mod peer;
mod server;
mod stage;

use ledger::Ledger;
use peer::{FakeMailbox, Peer};

const PIPE_BYTES: usize = 64 * 1024;

fn settings() -> ImapSettings {
    toml::from_str(
        r#"
        host = "imap.example.com"
        user = "alice@example.com"
        password = { env = "UNUSED" }
        connections_max = 1
        "#,
    )
    .unwrap()
}

fn source(ledger: &Arc<Ledger>) -> ImapSource {
    ImapSource::new(
        MailboxId("alice".to_owned()),
        settings(),
        ledger.clone(),
        Arc::new(SystemClock),
    )
}

/// One session against `peer`, to its end; a panic counts as `run` counts it.
async fn session(source: &ImapSource, peer: &mut Peer) -> Option<WatchError> {
    let (ours, theirs) = duplex(PIPE_BYTES);
    let client = async {
        let mut connection = Connection::new(Box::new(ours));
        connection.capabilities.insert("IDLE".to_owned());
        let (mut inbox, chores) = (source.new_inbox(), source.new_chores());
        let (mut looked, stop) = (false, Stop::new());
        source.board.notes().more = true;
        let watch = source.watch(connection, (&mut inbox, &chores), &stop, &mut looked);
        AssertUnwindSafe(watch).catch_unwind().await
    };
    let (end, ()) = tokio::join!(client, peer.serve(theirs));
    match end {
        Err(_) => {
            source
                .suspects
                .failed(Link::Watch, "its answer cannot be parsed");
            None
        }
        Ok(end) => {
            let error = end.unwrap_err();
            source.suspects.failed(Link::Watch, &error.in_words());
            Some(error)
        }
    }
}

fn peer(inbox: FakeMailbox) -> Peer {
    let boxes = [
        ("INBOX".to_owned(), inbox),
        ("Sent".to_owned(), FakeMailbox::with(9, 0)),
    ];
    Peer {
        boxes: boxes.into(),
        ..Peer::default()
    }
}

/// Answers one command after the other with fixed text; `{tag}` is the command's tag.
async fn recite(mut stream: DuplexStream, answers: &[&str]) -> Vec<String> {
    let (mut heard, mut tag) = (Vec::new(), String::new());
    for answer in answers {
        let mut bytes = vec![0; 4096];
        let length = stream.read(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if let Some(word) = text.split(' ').next().filter(|word| word.starts_with('L')) {
            tag = word.to_owned();
        }
        heard.push(text);
        let answer = answer.replace("{tag}", &tag);
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    heard
}

#[tokio::test]
async fn refusals_and_lost_connections_are_told_apart_from_empty_answers() {
    type Check = fn(Result<answer::Tagged, ConnectionError>) -> bool;
    let rows: [(&str, Check); 6] = [
        ("* SEARCH\r\n{tag} OK done\r\n", |r| r.unwrap().is_ok()),
        ("{tag} NO [UNAVAILABLE] later\r\n", |r| {
            let tagged = r.unwrap();
            tagged.verdict == Verdict::No && tagged.has_code("UNAVAILABLE")
        }),
        ("{tag} BAD what\r\n", |r| r.unwrap().verdict == Verdict::Bad),
        ("* SEARCH 1 2\r\n", |r| {
            matches!(r, Err(ConnectionError::Closed))
        }),
        (
            "* BYE restarting\r\n",
            |r| matches!(r, Err(ConnectionError::Bye(text)) if text == "restarting"),
        ),
        ("* NOOP\r\n{tag} OK done\r\n", |r| {
            matches!(r, Err(ConnectionError::Unreadable { .. }))
        }),
    ];
    for (answer, check) in rows {
        let (ours, theirs) = duplex(PIPE_BYTES);
        let mut connection = Connection::new(Box::new(ours));
        let search = Command::new("UID SEARCH ALL");
        let answers = [answer];
        let (result, _) = tokio::join!(connection.plain(search), recite(theirs, &answers));
        assert!(check(result), "{answer}");
    }
}

#[tokio::test]
async fn a_failed_command_ends_the_use_of_its_connection() {
    let (ours, theirs) = duplex(PIPE_BYTES);
    let mut connection = Connection::new(Box::new(ours));
    let (first, _) = tokio::join!(
        connection.plain(Command::new("NOOP")),
        recite(theirs, &["* NOOP\r\n"])
    );
    assert!(first.is_err());
    let second = connection.plain(Command::new("NOOP")).await;
    assert!(matches!(second, Err(ConnectionError::OutOfStep)));
}

#[tokio::test]
async fn a_literal_waits_for_its_go_ahead_through_other_lines() {
    let (ours, theirs) = duplex(PIPE_BYTES);
    let mut connection = Connection::new(Box::new(ours));
    let append = Command::new("APPEND")
        .mailbox("Sent")
        .text(" ")
        .literal(b"x\r\n");
    let answers = [
        "* 3 EXISTS\r\n* OK [ALERT] hello\r\n+ go\r\n",
        "{tag} OK [APPENDUID 7 4] done\r\n",
    ];
    let (result, heard) = tokio::join!(connection.plain(append), recite(theirs, &answers));
    assert!(result.unwrap().has_code("APPENDUID"));
    assert_eq!(heard, ["L0001 APPEND \"Sent\" {3}\r\n", "x\r\n\r\n"]);
    assert!(connection.news);
}

#[tokio::test]
async fn a_refused_literal_is_not_sent() {
    let (ours, theirs) = duplex(PIPE_BYTES);
    let mut connection = Connection::new(Box::new(ours));
    let append = Command::new("APPEND").mailbox("X").text(" ").literal(b"x");
    let refusal = ["{tag} NO [TRYCREATE] no such mailbox\r\n"];
    let (result, heard) = tokio::join!(connection.plain(append), recite(theirs, &refusal));
    assert!(result.unwrap().has_code("TRYCREATE"));
    assert_eq!(heard.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn idle_ends_by_refusal_news_time_and_a_dead_server() {
    let rows: [(&[&str], Option<IdleEnd>); 5] = [
        (&["{tag} NO not here\r\n"], Some(IdleEnd::Refused)),
        (
            &[
                "+ idling\r\n* OK Still here\r\n* 4 EXISTS\r\n",
                "{tag} OK\r\n",
            ],
            Some(IdleEnd::News),
        ),
        (
            &["* 4 EXISTS\r\n+ \r\n", "{tag} OK\r\n"],
            Some(IdleEnd::News),
        ),
        (&["+ \r\n{tag} OK enough\r\n"], Some(IdleEnd::TimeUp)),
        (&["+ \r\n"], None),
    ];
    for (answers, expected) in rows {
        let (ours, theirs) = duplex(PIPE_BYTES);
        let mut connection = Connection::new(Box::new(ours));
        let idle = connection.idle(Duration::from_secs(60), std::future::pending());
        let (end, _) = tokio::join!(idle, recite(theirs, answers));
        assert_eq!(end.ok(), expected, "{answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_done_is_given_up() {
    let (ours, mut theirs) = duplex(PIPE_BYTES);
    theirs.write_all(b"+ idling\r\n").await.unwrap();
    let mut connection = Connection::new(Box::new(ours));
    let end = connection
        .idle(Duration::from_secs(60), std::future::pending())
        .await;
    assert!(
        matches!(end, Err(ConnectionError::Silent { .. })),
        "{end:?}"
    );
    drop(theirs);
}

#[tokio::test]
async fn start_tls_believes_nothing_that_was_said_in_clear() {
    for (greeting, answer, word) in [
        ("* PREAUTH welcome alice\r\n", "", "logged in already"),
        ("* OK hi\r\n", "L0000 NO not now\r\n", "not now"),
        (
            "* OK hi\r\n",
            "L0000 OK go\r\n* OK injected\r\n",
            "clear text",
        ),
        ("* BYE full\r\n", "", "full"),
    ] {
        let (ours, mut theirs) = duplex(PIPE_BYTES);
        theirs.write_all(greeting.as_bytes()).await.unwrap();
        let answers = [answer];
        let spoken: &[&str] = if answer.is_empty() { &[] } else { &answers };
        let (result, _) = tokio::join!(start_tls(ours), recite(theirs, spoken));
        let error = result.unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[tokio::test]
async fn a_refused_login_needs_a_person_and_a_throttled_one_patience() {
    for (refusal, needs_person, wait) in [
        ("{tag} NO [AUTHENTICATIONFAILED] no\r\n", true, None),
        ("{tag} NO invalid credentials\r\n", true, None),
        ("{tag} NO [UNAVAILABLE] later\r\n", false, Some(300_000)),
        (
            "{tag} NO Request is throttled. Suggested Backoff Time: 92415 milliseconds\r\n",
            false,
            Some(92_415),
        ),
    ] {
        let (ours, mut theirs) = duplex(PIPE_BYTES);
        theirs.write_all(b"* OK hi\r\n").await.unwrap();
        let capability = "* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pw");
        std::fs::write(&path, "se\"cret\n").unwrap();
        let secret = Proof::Password(SecretRef::File(path).fetch().await.unwrap());
        let answers = [capability, refusal];
        let settings = settings();
        let (result, heard) = tokio::join!(
            greet_and_log_in(Box::new(ours), &settings, &secret),
            recite(theirs, &answers)
        );
        let error = result.err().unwrap();
        assert_eq!(error.needs_person(), needs_person, "{error}");
        assert_eq!(error.wait().map(|wait| wait.as_millis()), wait, "{error}");
        assert!(!error.to_string().contains("cret"));
        assert_eq!(
            heard[1],
            "L0002 LOGIN \"alice@example.com\" \"se\\\"cret\"\r\n"
        );
        assert!(!matches!(error, OpenError::Slow));
    }
}

#[tokio::test]
async fn a_uid_below_the_cursor_is_not_new() {
    let ledger = Arc::new(Ledger::default());
    let cursor = Cursor::Imap {
        uid_validity: 7,
        next_uid: 4,
    };
    ledger.table().cursors.insert("INBOX".to_owned(), cursor);
    let source = source(&ledger);
    let mut peer = peer(FakeMailbox::with(7, 3));
    session(&source, &mut peer).await;
    let table = ledger.table();
    assert!(!table.first.values().any(|mode| *mode == BatchMode::Live));
    assert!(table.fresh.contains(&"INBOX".to_owned()));
    assert!(
        !peer
            .seen
            .iter()
            .any(|command| command.starts_with("SELECT"))
    );
}

/// Cuts the first connection after every possible number of answers; whatever is left is read by
/// an uncut one.
#[tokio::test]
async fn a_cut_at_any_point_neither_loses_mail_nor_makes_old_mail_new() {
    for fuse in 0..40 {
        let ledger = Arc::new(Ledger::default());
        let source = source(&ledger);
        let mut peer = peer(FakeMailbox::with(7, 6));
        peer.fuse = Some(fuse);
        session(&source, &mut peer).await;
        let drawn = ledger.table().cursors.contains_key("INBOX");
        let inbox = peer.boxes.get_mut("INBOX").unwrap();
        inbox.deliver("new");
        peer.fuse = Some(fuse);
        session(&source, &mut peer).await;
        peer.fuse = None;
        session(&source, &mut peer).await;
        let table = ledger.table();
        let known: Vec<&String> = table.first.keys().collect();
        assert_eq!(known.len(), 7, "fuse {fuse}: {known:?}");
        for (subject, mode) in &table.first {
            let live = subject == "new" && drawn;
            let expected = match live {
                true => BatchMode::Live,
                false => BatchMode::History,
            };
            assert_eq!(*mode, expected, "fuse {fuse}: {subject}");
        }
    }
}

#[tokio::test]
async fn only_the_newest_old_messages_are_recorded() {
    let ledger = Arc::new(Ledger::default());
    let mut source = source(&ledger);
    source.settings.history_messages_max = 2;
    session(&source, &mut peer(FakeMailbox::with(7, 5))).await;
    let known: Vec<String> = ledger.table().first.keys().cloned().collect();
    assert_eq!(known, ["old 4", "old 5"]);
}

#[tokio::test]
async fn a_new_uidvalidity_rebinds_and_the_cursor_waits_for_the_end() {
    for fuse in (0..30).map(Some).chain([None]) {
        let ledger = Arc::new(Ledger::default());
        let source = source(&ledger);
        let mut peer = peer(FakeMailbox::with(7, 3));
        session(&source, &mut peer).await;
        let mut renumbered = FakeMailbox::with(8, 3);
        renumbered.deliver("new");
        peer.boxes.insert("INBOX".to_owned(), renumbered);
        peer.fuse = fuse;
        session(&source, &mut peer).await;
        peer.fuse = None;
        session(&source, &mut peer).await;
        let table = ledger.table();
        assert_eq!(table.first["new"], BatchMode::Rebind, "fuse {fuse:?}");
        assert_eq!(table.first["old 1"], BatchMode::History);
        let cursor = Cursor::Imap {
            uid_validity: 8,
            next_uid: 5,
        };
        assert_eq!(table.cursors["INBOX"], cursor, "fuse {fuse:?}");
    }
}

#[tokio::test]
async fn a_message_that_no_parser_survives_stops_nothing() {
    let ledger = Arc::new(Ledger::default());
    let source = source(&ledger);
    let mut peer = peer(FakeMailbox::with(7, 0));
    session(&source, &mut peer).await;
    let inbox = peer.boxes.get_mut("INBOX").unwrap();
    for subject in ["before", "poison", "after"] {
        inbox.deliver(subject);
    }
    inbox.dateless.push(2);
    for _ in 0..6 {
        session(&source, &mut peer).await;
    }
    let table = ledger.table();
    let known: Vec<&String> = table.first.keys().collect();
    assert_eq!(known, ["after", "before", "poison"]);
}

#[tokio::test]
async fn a_message_that_the_server_withholds_is_asked_for_again_and_an_outage_waited_out() {
    let ledger = Arc::new(Ledger::default());
    let source = source(&ledger);
    let mut peer = peer(FakeMailbox::with(7, 0));
    session(&source, &mut peer).await;
    let inbox = peer.boxes.get_mut("INBOX").unwrap();
    for subject in ["before", "withheld", "after"] {
        inbox.deliver(subject);
    }
    inbox.refused = vec![1, 2, 3];
    for _ in 0..10 {
        let end = session(&source, &mut peer).await.unwrap();
        assert!(end.to_string().contains("SERVERBUG"), "{end}");
    }
    assert!(ledger.table().first.is_empty(), "an outage loses nothing");
    peer.boxes.get_mut("INBOX").unwrap().refused = vec![2];
    session(&source, &mut peer).await;
    let place = ("INBOX".to_owned(), "7/2".to_owned());
    let known = || ledger.table().first.keys().cloned().collect::<Vec<_>>();
    assert_eq!(known(), ["after", "before"]);
    let tries = |table: &ledger::Table| table.unread.get(&place).map(|row| row.2);
    assert!(tries(&ledger.table()) >= Some(1), "kept for another try");
    // What comes meanwhile is taken, and the message when it can be had, at its old place.
    peer.boxes.get_mut("INBOX").unwrap().deliver("meanwhile");
    session(&source, &mut peer).await;
    assert_eq!(known(), ["after", "before", "meanwhile"]);
    peer.boxes.get_mut("INBOX").unwrap().refused.clear();
    session(&source, &mut peer).await;
    assert_eq!(known(), ["after", "before", "meanwhile", "withheld"]);
    assert_eq!(ledger.table().first["withheld"], BatchMode::Live);
    assert_eq!(tries(&ledger.table()), None);
}

/// One message of which the server dies: it costs some connections and a place in the list, and
/// nothing else waits.
#[tokio::test]
async fn a_message_on_which_the_server_dies_is_asked_for_again_later() {
    let ledger = Arc::new(Ledger::default());
    let source = source(&ledger);
    let mut peer = peer(FakeMailbox::with(7, 0));
    session(&source, &mut peer).await;
    let inbox = peer.boxes.get_mut("INBOX").unwrap();
    for subject in ["before", "deadly", "after"] {
        inbox.deliver(subject);
    }
    inbox.fatal = vec![2];
    let place = ("INBOX".to_owned(), "7/2".to_owned());
    let mut tries = Vec::new();
    for _ in 0..16 {
        session(&source, &mut peer).await;
        tries.extend(ledger.table().unread.get(&place).map(|row| row.2));
    }
    let known = || ledger.table().first.keys().cloned().collect::<Vec<_>>();
    assert_eq!(known(), ["after", "before"]);
    assert!(tries.is_sorted() && tries.last() >= Some(&3), "{tries:?}");
    peer.boxes.get_mut("INBOX").unwrap().fatal.clear();
    for _ in 0..3 {
        session(&source, &mut peer).await;
    }
    assert_eq!(known(), ["after", "before", "deadly"]);
    assert!(ledger.table().unread.is_empty());
}

#[tokio::test]
async fn a_message_that_is_gone_when_it_is_asked_for_is_told_apart() {
    let ledger = Arc::new(Ledger::default());
    let source = source(&ledger);
    let mut peer = peer(FakeMailbox::with(7, 0));
    session(&source, &mut peer).await;
    let inbox = peer.boxes.get_mut("INBOX").unwrap();
    inbox.deliver("here");
    inbox.deliver("gone");
    inbox.expunged = vec![2];
    session(&source, &mut peer).await;
    let table = ledger.table();
    let known: Vec<&String> = table.first.keys().collect();
    assert_eq!(known, ["here", "vanished 7/2"]);
    assert!(table.unread.is_empty());
}

#[tokio::test]
async fn a_message_above_the_cap_comes_as_its_header() {
    let ledger = Arc::new(Ledger::default());
    let mut source = source(&ledger);
    source.settings.message_bytes_max = 10;
    session(&source, &mut peer(FakeMailbox::with(7, 1))).await;
    let table = ledger.table();
    assert_eq!(table.first.keys().collect::<Vec<_>>(), ["header of 7/1"]);
}

#[tokio::test]
async fn a_large_message_comes_in_pieces_and_whole() {
    let ledger = Arc::new(Ledger::default());
    let source = source(&ledger);
    let mut peer = peer(FakeMailbox::with(7, 0));
    let inbox = peer.boxes.get_mut("INBOX").unwrap();
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| b'a' + (n % 23) as u8).collect();
    inbox.messages.insert(1, body.clone());
    inbox.uid_next = 2;
    session(&source, &mut peer).await;
    let table = ledger.table();
    let arrived: Vec<_> = table.batches.iter().flat_map(|b| &b.arrived).collect();
    assert!(matches!(&arrived[..], [one] if matches!(&one.content,
        Content::Message(bytes) if bytes[..] == body[..])));
    let pieces = peer
        .seen
        .iter()
        .filter(|line| line.contains("BODY"))
        .count();
    assert_eq!(pieces, 3);
}
