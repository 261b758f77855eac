//! The harness proves itself against the real servers, so that a red suite means the daemon.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "test code, also outside of test functions; measures waiting by the real clock"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use liaison_tests::chance::Chance;
use liaison_tests::daemon::{Daemon, DaemonOptions};
use liaison_tests::dovecot::{Dovecot, ServerOptions};
use liaison_tests::imap_client::{ImapClient, Refused};
use liaison_tests::mail::{self, Mail, cast};
use liaison_tests::maildir::Maildir;
use liaison_tests::net;
use liaison_tests::proxy::{Fault, Proxy};
use liaison_tests::radicale::Radicale;
use liaison_tests::smtp_sink::{Behaviour, PYTHON, SinkMode, SinkTls, SmtpSink};
use liaison_tests::tls::Ca;
use liaison_tests::vdir::Vdir;
use liaison_tests::wait::{eventually, never_within};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn mail_delivered_by_lmtp_is_read_by_imap_byte_for_byte() {
    let dovecot = Dovecot::start(&ServerOptions::default());
    let dotted =
        Mail::new("a@example.com", cast::ALICE, "Grüße").body(".\n..\nFrom here\nliteral {3}\n)\n");
    let sent = [
        cast::enquiry(1).build(),
        cast::nda_with_document(1).build(),
        dotted.build(),
    ];
    assert_eq!(dovecot.deliver_many("alice@example.test", &sent), 3);

    let mut client = dovecot.client("alice@example.test");
    let got = client.fetch_all("INBOX");
    assert_eq!(got.len(), 3);
    for (got, sent) in got.iter().zip(&sent) {
        assert!(
            got.bytes.ends_with(sent),
            "{}",
            String::from_utf8_lossy(&got.bytes)
        );
        assert_eq!(got.flags, Vec::<String>::new());
    }
    assert_eq!(
        got[0].header("message-id").as_deref(),
        Some("<enquiry-1@example.com>")
    );
    assert_eq!(
        got[2].header("Subject").as_deref(),
        Some("=?utf-8?B?R3LDvMOfZQ==?=")
    );
    assert!(dovecot.imap_dir("alice@example.test").join("new").is_dir());
}

#[test]
fn the_imap_client_changes_what_a_person_would() {
    let dovecot = Dovecot::start(&ServerOptions::default());
    let mut client = dovecot.client("bob@example.test");
    let note = Mail::new("bob@example.test", "a@example.com", "note")
        .message_id("n1@x")
        .build();
    client.append("Drafts", r"\Draft \Seen", &note);
    let state = client.select("Drafts");
    assert_eq!((state.exists, state.uid_next), (1, 2));
    assert!(state.uid_validity > 0);
    assert_eq!(client.search("HEADER Message-ID \"<n1@x>\""), [1]);
    assert!(client.search("HEADER Message-ID \"<n2@x>\"").is_empty());

    client.store("1", r"+FLAGS (\Flagged)");
    client.copy("1", "INBOX");
    client.create("Customers");
    client.move_to("1", "Customers");
    assert!(client.fetch_all("Drafts").is_empty());
    let moved = client.fetch_all("Customers");
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].bytes, note);
    assert!(
        moved[0].flags.contains(&r"\Flagged".to_owned()),
        "{:?}",
        moved[0].flags
    );
    client.select("INBOX");
    client.delete("1");
    assert_eq!(client.examine("INBOX").exists, 0);

    let mut stranger = ImapClient::connect(dovecot.ports.imap).unwrap();
    let Err(Refused(why)) = stranger.login("bob@example.test", "wrong") else {
        panic!("a wrong password was accepted")
    };
    assert!(why.starts_with("NO [AUTHENTICATIONFAILED]"), "{why}");
}

#[test]
fn tls_is_verified_with_the_ca_and_refused_without() {
    let dovecot = Dovecot::start(&ServerOptions::default());
    let mut client = ImapClient::connect_tls(dovecot.ports.imaps, &dovecot.ca).unwrap();
    client.login("alice@example.test", "pw-alice").unwrap();
    for name in ["localhost", "127.0.0.1"] {
        net::connect_tls(dovecot.ports.submissions, name, &dovecot.ca).unwrap();
    }

    let elsewhere = tempfile::tempdir().unwrap();
    let other = Ca::create(elsewhere.path());
    let refused = net::connect_tls(dovecot.ports.imaps, "localhost", &other).unwrap_err();
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    let wrong_name = net::connect_tls(dovecot.ports.imaps, "example.com", &dovecot.ca).unwrap_err();
    assert!(
        wrong_name.to_string().contains("not valid for name"),
        "{wrong_name}"
    );
}

#[test]
fn dovecot_survives_stop_kill_and_a_new_uidvalidity() {
    let mut dovecot = Dovecot::start(&ServerOptions::default());
    dovecot.deliver_lmtp("alice@example.test", &cast::enquiry(1).build());
    dovecot.stop();
    assert!(
        net::connect(dovecot.ports.imap).is_err(),
        "still listening after stop"
    );
    dovecot.restart();
    dovecot.kill_hard();
    assert!(
        net::connect(dovecot.ports.imap).is_err(),
        "still listening after kill"
    );
    dovecot.restart();

    let before = dovecot.client("alice@example.test").examine("INBOX");
    dovecot.reset_uidvalidity("alice@example.test", "INBOX");
    let after = dovecot.client("alice@example.test").examine("INBOX");
    assert_eq!((before.exists, after.exists), (1, 1));
    assert_ne!(before.uid_validity, after.uid_validity);
}

/// An independent client, so that the sink is not only right with ours.
fn smtplib(sink: &SmtpSink, tls: &str, rcpt: &str, password: &str, message: &[u8]) -> Output {
    submit((sink.port, &sink.ca), tls, rcpt, password, message)
}

fn submit(to: (u16, &Ca), tls: &str, rcpt: &str, password: &str, message: &[u8]) -> Output {
    const PROGRAM: &str = r#"
import smtplib, ssl, sys
port, tls, ca, rcpt, password, path = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if tls == "implicit":
    client = smtplib.SMTP_SSL("localhost", int(port), context=context)
else:
    client = smtplib.SMTP("localhost", int(port))
if tls == "starttls":
    client.starttls(context=context)
if password:
    client.login("alice@example.test", password)
with open(path, "rb") as file:
    client.sendmail("alice@example.test", [rcpt], file.read())
"#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message.eml");
    fs::write(&file, message).unwrap();
    Command::new(PYTHON)
        .args(["-c", PROGRAM, &to.0.to_string(), tls])
        .arg(&to.1.ca_file)
        .args([rcpt, password])
        .arg(file)
        .output()
        .unwrap()
}

#[test]
fn the_sink_keeps_what_it_accepts_over_every_kind_of_tls() {
    let message = cast::enquiry(7).build();
    let cases = [
        (
            SinkTls::StartTls,
            "starttls",
            "pw-alice",
            "alice@example.test",
        ),
        (
            SinkTls::Implicit,
            "implicit",
            "pw-alice",
            "alice@example.test",
        ),
        (SinkTls::None, "none", "", ""),
    ];
    for (tls, word, password, user) in cases {
        let mut sink = SmtpSink::start(tls);
        let output = smtplib(&sink, word, "carol@example.com", password, &message);
        assert!(
            output.status.success(),
            "{word}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let kept = sink.messages();
        assert_eq!(kept.len(), 1, "{word}");
        assert_eq!(kept[0].envelope_from, "alice@example.test");
        assert_eq!(kept[0].rcpt, ["carol@example.com"]);
        assert_eq!(kept[0].message_id, "<enquiry-7@example.com>");
        assert_eq!(kept[0].bytes(), message);
        assert_eq!(kept[0].user, user);

        // A restart keeps the port and goes on with the log.
        sink.restart();
        let again = smtplib(&sink, word, "carol@example.com", password, &message);
        assert!(
            again.status.success(),
            "{word}: {}",
            String::from_utf8_lossy(&again.stderr)
        );
        assert_eq!(sink.messages().len(), 2, "{word}");
        assert_eq!(sink.sent_twice(), ["<enquiry-7@example.com>"], "{word}");
    }
}

#[test]
fn mail_submitted_to_dovecot_reaches_the_sink() {
    let sink = SmtpSink::start(SinkTls::None);
    let options = ServerOptions {
        relay_port: Some(sink.port),
        ..ServerOptions::default()
    };
    let dovecot = Dovecot::start(&options);
    let message = cast::enquiry(3).build();
    let ports = [
        (dovecot.ports.submission, "starttls"),
        (dovecot.ports.submissions, "implicit"),
    ];
    for (port, tls) in ports {
        let to = (port, &dovecot.ca);
        let output = submit(to, tls, "carol@example.com", "pw-alice", &message);
        assert!(
            output.status.success(),
            "{tls}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let kept = sink.messages();
    assert_eq!(kept.len(), 2);
    assert!(
        kept.iter().all(|mail| mail.bytes().ends_with(&message)),
        "{kept:#?}"
    );
}

#[test]
fn the_sink_refuses_as_told() {
    let sink = SmtpSink::start(SinkTls::StartTls);
    let message = cast::enquiry(8).build();
    let cases = [
        ("bounce@example.com", "pw-alice", "550"),
        ("later@example.com", "pw-alice", "451"),
        ("carol@example.com", "wrong", "535"),
        ("carol@example.com", "", "530"),
    ];
    for (rcpt, password, code) in cases {
        let output = smtplib(&sink, "starttls", rcpt, password, &message);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(code),
            "{rcpt} {password}: {said}"
        );
    }
    assert!(sink.messages().is_empty());
}

#[test]
fn the_sink_lies_as_told_and_only_as_often() {
    let sink = SmtpSink::start(SinkTls::StartTls);
    let message = cast::enquiry(9).build();
    let send = || smtplib(&sink, "starttls", "carol@example.com", "pw-alice", &message);
    let cases = [
        (SinkMode::LoseReply, 1),
        (SinkMode::Drop, 0),
        (SinkMode::Reject, 0),
    ];
    let mut kept = 0;
    for (mode, adds) in cases {
        sink.behave(Behaviour {
            mode,
            times: Some(1),
            delay_ms: 5,
        });
        assert!(!send().status.success(), "{mode:?} said yes");
        kept += adds;
        assert_eq!(sink.messages().len(), kept, "{mode:?}");
        let second = send();
        assert!(
            second.status.success(),
            "{}",
            String::from_utf8_lossy(&second.stderr)
        );
        kept += 1;
        assert_eq!(sink.messages().len(), kept, "after {mode:?}");
    }
}

const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example.test//EN\r\n\
    BEGIN:VEVENT\r\nUID:hold-1@example.test\r\nDTSTAMP:20260801T080000Z\r\n\
    DTSTART:20260803T080000Z\r\nDTEND:20260803T090000Z\r\nSUMMARY:Hold\r\n\
    END:VEVENT\r\nEND:VCALENDAR\r\n";

#[test]
fn radicale_creates_once_and_guards_its_owner() {
    for mut radicale in [Radicale::start(), Radicale::start_tls()] {
        let calendar = radicale.mkcalendar("alice", "work");
        let path = format!("{calendar}hold-1.ics");
        let create = [("If-None-Match", "*")];
        let first = radicale.put("alice", &path, &create, EVENT);
        assert_eq!(first.status, 201, "{}", first.text());
        assert!(first.header("etag").is_some(), "{:?}", first.headers);
        assert_eq!(radicale.put("alice", &path, &create, EVENT).status, 412);
        assert_eq!(radicale.put("bob", &path, &[], EVENT).status, 403);
        assert_eq!(
            radicale.request("nobody", "GET", &path, &[], b"").status,
            401
        );

        radicale.restart();
        let listed = radicale.list("alice", "work");
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].0, path);
        assert!(
            listed[0].1.contains("UID:hold-1@example.test"),
            "{}",
            listed[0].1
        );
        radicale.delete("alice", &path);
        assert_eq!(radicale.get("alice", &path), None);
        assert!(radicale.list("alice", "work").is_empty());
    }
}

#[test]
fn maildir_and_vdir_look_as_other_programs_leave_them() {
    let folder = tempfile::tempdir().unwrap();
    let maildir = Maildir::create(&folder.path().join("mail"));
    let message = cast::newsletter(1).build();
    let name = maildir.deliver(&message);
    maildir.deliver(&cast::enquiry(1).build());
    maildir.save("Sent", &message);
    let inbox = maildir.list("");
    assert_eq!(inbox.len(), 2);
    let first = inbox.iter().find(|found| found.name == name).unwrap();
    assert!(first.is_new && first.flags.is_empty() && first.bytes == message);
    let sent = maildir.list("Sent");
    assert_eq!(
        (sent.len(), sent[0].is_new, sent[0].flags.as_str()),
        (1, false, "S")
    );
    assert_eq!(
        sent[0].header("list-id").as_deref(),
        Some("The Weekly <weekly.example.org>")
    );
    assert!(maildir.list("Drafts").is_empty());

    let vdir = Vdir::create(&folder.path().join("cal"), "Work");
    vdir.put("hold-1", EVENT);
    assert_eq!(vdir.list(), [("hold-1".to_owned(), EVENT.to_owned())]);
    vdir.remove("hold-1");
    assert!(vdir.list().is_empty());
}

#[test]
fn the_cast_is_well_formed() {
    let messages = [
        cast::enquiry(1),
        cast::nda_request(1),
        cast::nda_with_document(1),
        cast::newsletter(1),
        cast::out_of_office(1, "ours@example.test"),
        cast::bounce(1, "ours@example.test", "nobody@example.com"),
        cast::customer_reply(1, "ours@example.test"),
        cast::spoof(1, "Nora North <nora1@example.com>"),
        cast::old_mail(1),
    ];
    for message in messages.map(|mail| mail.build()) {
        let text = String::from_utf8(message.clone()).unwrap();
        assert!(
            !text.replace("\r\n", "").contains(['\r', '\n']),
            "bare line ends in\n{text}"
        );
        for name in [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "MIME-Version",
        ] {
            let count = text.matches(&format!("\r\n{name}:")).count();
            let first = usize::from(text.starts_with(&format!("{name}:")));
            // A bounce quotes the headers of what came back.
            assert!(count + first >= 1, "{name} in\n{text}");
        }
        assert!(text.contains("Content-Type: "), "{text}");
        assert!(text.lines().all(|line| line.len() <= 998), "{text}");
    }
    let reply = cast::customer_reply(1, "ours@example.test").build();
    assert_eq!(
        mail::header(&reply, "References").as_deref(),
        Some("<enquiry-1@example.com> <ours@example.test>")
    );
    assert!(mail::body_of(&reply).starts_with("Thank you"));
}

#[test]
fn the_proxy_passes_cuts_and_swallows() {
    let dovecot = Dovecot::start(&ServerOptions::default());
    let proxy = Proxy::start(dovecot.ports.imap);
    let mut client = ImapClient::connect(proxy.port).unwrap();
    client.login("alice@example.test", "pw-alice").unwrap();
    assert_eq!(proxy.connections(), 1);
    let before = proxy.received();

    proxy.set(Fault::Slow(64));
    client.examine("INBOX");
    assert!(proxy.received() > before);

    proxy.set(Fault::CutAfterReceived(10));
    assert!(client.command("NOOP").is_err());
    let Err(Refused(why)) = ImapClient::connect(proxy.port) else {
        panic!("ten bytes greeted")
    };
    assert!(why.starts_with("connection:"), "{why}");

    proxy.set(Fault::Refuse);
    assert!(ImapClient::connect(proxy.port).is_err());

    proxy.set(Fault::BlackHole);
    let hole = net::connect(proxy.port).unwrap();
    hole.set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let silence = std::io::Read::read(&mut &hole, &mut [0; 1]).unwrap_err();
    assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock);
    proxy.set(Fault::None);
    hole.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(
        std::io::Read::read(&mut &hole, &mut [0; 1]).unwrap(),
        1,
        "the hole opens again"
    );
}

#[test]
fn servers_end_with_what_started_them() {
    let dovecot = Dovecot::start(&ServerOptions::default());
    let (port, folder) = (dovecot.ports.imap, dovecot.imap_dir(""));
    drop(dovecot);
    eventually("Dovecot is gone", LIMIT, || {
        net::connect(port).is_err().then_some(())
    });
    assert!(!folder.exists(), "its folder is left behind");
}

#[test]
fn waiting_ends_at_the_condition_or_at_the_limit() {
    let mut looks = 0;
    let found = eventually("the third look", LIMIT, || {
        looks += 1;
        (looks == 3).then_some(looks)
    });
    assert_eq!(found, 3);
    let begin = Instant::now();
    assert_eq!(
        never_within(Duration::from_millis(50), || None::<u32>),
        Ok(())
    );
    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert_eq!(never_within(LIMIT, || Some("too early")), Err("too early"));
}

/// A program with the daemon's outer behaviour: the handle on the daemon is tested with it, since
/// the daemon itself is what the other suites test.
const STAND_IN: &str = r#"#!/bin/sh
folder=$(dirname "$2")
case "$3" in
run)
    echo "started with $LEVEL"
    trap 'rm -f "$folder/up"; exit 0' TERM
    trap 'touch "$folder/signalled"' USR1
    echo $$ >"$folder/up"
    while :; do sleep 0.05; done ;;
status)
    kill -0 "$(cat "$folder/up")" 2>/dev/null || exit 5
    echo '{"ready": true}' ;;
*)
    echo "no such command: $3" >&2
    exit 2 ;;
esac
"#;

fn stand_in(folder: &Path) -> DaemonOptions {
    let binary = folder.join("liaison");
    fs::write(&binary, STAND_IN).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    DaemonOptions {
        config: folder.join("liaison.toml"),
        logs: folder.to_owned(),
        socket: None,
        env: vec![("LEVEL".to_owned(), "debug".to_owned())],
        binary,
    }
}

#[test]
fn the_handle_on_the_daemon_starts_kills_and_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(stand_in(folder.path()));
    assert_eq!(daemon.cli_json(["status"])["ready"], true);
    assert_eq!(daemon.cli(["nonsense"]).status.code(), Some(2));
    // Not HUP: a shell cannot trap what was ignored when it began, as under nohup.
    daemon.signal("USR1");
    eventually("the signal", LIMIT, || {
        folder.path().join("signalled").exists().then_some(())
    });

    daemon.kill9();
    daemon.respawn();
    daemon.wait_ready();
    daemon.crash_after(Duration::from_millis(30));
    daemon.wait_ready();
    daemon.terminate();
    assert_eq!(daemon.cli(["status"]).status.code(), Some(5));
    assert_eq!(daemon.transcript().matches("started with debug").count(), 3);

    let socket = folder.path().join("liaison.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let options = DaemonOptions {
        socket: Some(socket),
        ..stand_in(folder.path())
    };
    drop(Daemon::start(options));
    assert!(
        listener.accept().is_ok(),
        "readiness was not asked at the socket"
    );
}

#[test]
fn the_same_seed_gives_the_same_choices() {
    let draw = |seed| {
        let mut chance = Chance::seeded(seed);
        [
            chance.within(20..800),
            chance.within(20..800),
            chance.within(20..800),
        ]
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    assert!(draw(3).iter().all(|number| (20..800).contains(number)));
}
