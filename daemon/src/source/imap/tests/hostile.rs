//! Servers that say what no server should, one case at a time, against the watcher as it runs.
//! Whatever it is: nothing is lost, nothing doubled, little is buffered, and it is told in words.

use std::time::Duration;

use super::peer::FakeMailbox;
use super::server::{Server, Spell, Twist};
use super::stage::{Stage, has_all, message, play, unharmed};
use crate::source::BatchMode;
use cases::{FETCH, FOLDERS, GREETING, IDLE, LOGIN};

mod cases;

/// How long the server misbehaves.
const EVIL: Duration = Duration::from_secs(10 * 60);
/// Longest wait before it is tried again: a refused login is parked for an hour.
const RECOVERY: Duration = Duration::from_secs(65 * 60);
/// Most bytes that a server can make us take on one connection.
const WRITTEN_MAX: u64 = 24 * 1024 * 1024;

struct Case {
    name: &'static str,
    on: &'static str,
    twist: Twist,
    /// Words that the operator reads; empty where it does not matter to us.
    says: &'static str,
}

/// Plays every case from the first connection on, and after a good one.
fn run_all(cases: &[Case]) {
    let mut failed = Vec::new();
    for (case, early) in cases.iter().flat_map(|case| [(case, true), (case, false)]) {
        if std::panic::catch_unwind(|| play(|| run(case, early))).is_err() {
            failed.push((case.on, case.name, early));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

async fn run(case: &Case, early: bool) {
    let name = format!("{}: {} (early: {early})", case.on, case.name);
    eprintln!("{name}");
    let mut inbox = FakeMailbox::with(7, 0);
    inbox.uid_next = 4;
    let old = ["old 1", "old 2", "old 3"];
    for (uid, subject) in (1..).zip(old) {
        inbox.messages.insert(uid, message(subject, 20));
    }
    let (server, callers) = Server::new(inbox);
    let acts = async {
        let spell = Some(Spell {
            on: case.on,
            twist: case.twist,
        });
        if early {
            server.world().spell = spell;
        }
        let stage = Stage::open(&server, |_| ());
        if !early {
            assert!(
                stage.until(EVIL, |table| has_all(table, &old)).await,
                "{name}"
            );
            server.world().spell = spell;
            if matches!(
                case.on,
                "greeting" | "CAPABILITY" | "LOGIN" | "ID" | "LIST" | "EXAMINE" | "EXAMINE \"INBOX"
            ) {
                server.kick();
            }
        }
        stage.pass(Duration::from_secs(1)).await;
        for subject in ["new 1", "new 2"] {
            server.deliver("INBOX", message(subject, 20));
        }
        stage.pass(EVIL).await;
        assert!(server.world().bewitched > 0, "{name}: nothing happened");
        let written = server
            .world()
            .connections
            .iter()
            .map(|said| said.written)
            .max();
        assert!(written <= Some(WRITTEN_MAX), "{name}: {written:?} bytes");
        {
            let table = stage.ledger.table();
            let told = table
                .troubles
                .iter()
                .any(|(text, _)| text.contains(case.says));
            assert!(
                told || case.says.is_empty(),
                "{name}: {:?}",
                table.troubles.first()
            );
        }
        server.world().spell = None;
        server.deliver("INBOX", message("after", 20));
        server.deliver("Sent", message("sent after", 20));
        let all = [
            "old 1",
            "old 2",
            "old 3",
            "new 1",
            "new 2",
            "after",
            "sent after",
        ];
        // What the server took back before it was read is gone.
        let gone = if case.name.contains("expunged") { 3 } else { 0 };
        let there = stage
            .until(RECOVERY, |table| has_all(table, &all[gone..]))
            .await;
        assert!(there, "{name}: {:?}", stage.ledger.table().first);
        stage.pass(Duration::from_secs(65)).await;
        check(&stage, &name, early);
        stage.close().await;
    };
    tokio::select! {
        () = server.clone().serve(callers) => unreachable!("the server ended"),
        () = acts => {}
    }
}

fn check(stage: &Stage, name: &str, early: bool) {
    let table = stage.ledger.table();
    for (subject, mode) in &table.first {
        let old = subject.starts_with("old");
        assert!(
            *mode != BatchMode::Live || !old,
            "{name}: {subject} is taken for new"
        );
        let reacted = *mode != BatchMode::History;
        assert!(
            reacted || old || early,
            "{name}: {subject} is taken for old"
        );
    }
    let mut lived = std::collections::BTreeSet::new();
    let live = table
        .batches
        .iter()
        .filter(|batch| batch.mode == BatchMode::Live);
    for arrived in live.flat_map(|batch| &batch.arrived) {
        let subject = super::ledger::subject(arrived);
        assert!(
            subject.contains(" 7/") || lived.insert(subject.clone()),
            "{name}: {subject} twice"
        );
    }
    let strange = name.contains("rows of others") || name.contains("UID 0");
    assert!(
        strange || unharmed(&table, &stage.server),
        "{name}: {:?}",
        table.first
    );
    assert!(table.unread.is_empty(), "{name}: {:?}", table.unread);
}

#[test]
fn greetings() {
    run_all(GREETING);
}

#[test]
fn logins() {
    run_all(LOGIN);
}

#[test]
fn mailboxes() {
    run_all(FOLDERS);
}

#[test]
fn messages() {
    run_all(FETCH);
}

#[test]
fn idling() {
    run_all(IDLE);
}
