//! The daily look at everything from the line on.

use super::*;
use crate::clock::ManualClock;
use crate::source::{BATCH_MESSAGES_MAX, FolderRole};
use liaison_core::time::{HOUR_MS, Timestamp};

const START: Timestamp = Timestamp(1_772_442_000_000);

/// A look now and one `hours` later, with the same folder; how each message was taken, by subject.
async fn two_looks(
    ledger: &Arc<Ledger>,
    inbox: FakeMailbox,
    hours: i64,
) -> Vec<(String, BatchMode)> {
    let clock = Arc::new(ManualClock::at(START));
    let source = ImapSource::new(
        MailboxId("alice".to_owned()),
        settings(),
        ledger.clone(),
        clock.clone(),
    );
    let mut peer = peer(inbox);
    let (ours, theirs) = duplex(PIPE_BYTES);
    let client = async {
        let mut connection = Connection::new(Box::new(ours));
        let mut inbox = source.folder(FolderRole::Inbox, "INBOX");
        source.visit(&mut connection, &mut inbox).await.unwrap();
        source.reconcile(&mut connection, &mut inbox).await.unwrap();
        clock.set(START.plus_millis(hours * HOUR_MS));
        source.reconcile(&mut connection, &mut inbox).await.unwrap();
    };
    tokio::join!(client, peer.serve(theirs));
    let table = ledger.table();
    let first = table.first.iter();
    first
        .map(|(subject, mode)| (subject.clone(), *mode))
        .collect()
}

#[tokio::test]
async fn a_message_that_a_server_showed_late_is_found_within_the_day() {
    for (line, hours, found) in [
        (Some(1), 1, vec!["old 2"]),
        (Some(2), 1, vec!["old 2"]),
        // Not yet: what was just read was just compared.
        (Some(1), 0, vec![]),
        // Below the line is history.
        (Some(3), 1, vec![]),
        (None, 1, vec![]),
    ] {
        let ledger = Arc::new(Ledger::default());
        {
            let mut table = ledger.table();
            let cursor = Cursor::Imap {
                uid_validity: 7,
                next_uid: 4,
            };
            table.cursors.insert("INBOX".to_owned(), cursor);
            if let Some(line) = line {
                table.lines.insert("INBOX".to_owned(), line);
            }
            for uid in [1, 3] {
                let place = ("INBOX".to_owned(), format!("7/{uid}"));
                table.places.insert(place, format!("old {uid}"));
            }
        }
        let taken = two_looks(&ledger, FakeMailbox::with(7, 3), hours).await;
        let expected: Vec<(String, BatchMode)> = found
            .iter()
            .map(|subject| ((*subject).to_owned(), BatchMode::Live))
            .collect();
        assert_eq!(taken, expected, "{line:?} after {hours} h");
    }
}

/// Without IDLE an empty mailbox is asked for nothing but a NOOP, which a dead link does not answer.
#[tokio::test]
async fn an_empty_mailbox_is_proven_by_an_answer_only() {
    let ledger = Arc::new(Ledger::default());
    let clock = Arc::new(ManualClock::at(START));
    let source = ImapSource::new(
        MailboxId("alice".to_owned()),
        settings(),
        ledger.clone(),
        clock,
    );
    let mut peer = peer(FakeMailbox::with(7, 0));
    let (ours, theirs) = duplex(PIPE_BYTES);
    let mut connection = Connection::new(Box::new(ours));
    let mut inbox = source.folder(FolderRole::Inbox, "INBOX");
    tokio::select! {
        visited = source.visit(&mut connection, &mut inbox) => visited.unwrap(),
        () = peer.serve(theirs) => panic!("the server went first"),
    }
    let proofs = ledger.table().fresh.len();
    assert_eq!(proofs, 1);
    // The server is gone.
    let looked = source.catch_up(&mut connection, &mut inbox).await;
    assert!(looked.is_err(), "{looked:?}");
    assert_eq!(ledger.table().fresh.len(), proofs);
}

/// How many walks it takes to compare three times, a day after the other; between them the
/// mailbox is changed.
async fn walks(first: Option<u64>, change: fn(&mut FakeMailbox), offered: bool) -> Vec<usize> {
    let ledger = Arc::new(Ledger::default());
    {
        let mut table = ledger.table();
        table.lines.insert("INBOX".to_owned(), 1);
        for uid in 1..=3 {
            let place = ("INBOX".to_owned(), format!("7/{uid}"));
            table.places.insert(place, format!("old {uid}"));
        }
    }
    let clock = Arc::new(ManualClock::at(START));
    let source = ImapSource::new(
        MailboxId("alice".to_owned()),
        settings(),
        ledger.clone(),
        clock.clone(),
    );
    let mut inbox = source.folder(FolderRole::Inbox, "INBOX");
    let mut mailbox = FakeMailbox::with(7, 3);
    mailbox.mod_seq = first;
    let mut peer = peer(mailbox);
    let mut walks = Vec::new();
    for day in 0..3 {
        if day == 2 {
            change(peer.boxes.get_mut("INBOX").unwrap());
        }
        peer.seen.clear();
        let (ours, theirs) = duplex(PIPE_BYTES);
        let client = async {
            let mut connection = Connection::new(Box::new(ours));
            if offered {
                connection.capabilities.insert("CONDSTORE".to_owned());
            }
            for hours in [0, 2] {
                clock.set(START.plus_millis((day * 25 + hours) * HOUR_MS));
                source.visit(&mut connection, &mut inbox).await.unwrap();
                source.reconcile(&mut connection, &mut inbox).await.unwrap();
            }
        };
        tokio::join!(client, peer.serve(theirs));
        let walk = |line: &&String| line.starts_with("UID FETCH 1:3 ");
        walks.push(peer.seen.iter().filter(walk).count());
    }
    walks
}

#[tokio::test]
async fn where_nothing_changed_since_nothing_is_walked() {
    for (first, change, offered, expected) in [
        (Some(5), (|_| ()) as fn(&mut FakeMailbox), true, [1, 0, 0]),
        // Something changed, or a message is there that has no newer number.
        (Some(5), |inbox| inbox.mod_seq = Some(6), true, [1, 0, 1]),
        (
            Some(5),
            |inbox| drop(inbox.messages.remove(&1)),
            true,
            [1, 0, 1],
        ),
        // The server went back: it proves nothing any more.
        (Some(5), |inbox| inbox.mod_seq = Some(4), true, [1, 0, 1]),
        // It keeps no numbers here, has none in spite of what it offers, or offers none.
        (Some(0), |_| (), true, [1, 1, 1]),
        (None, |_| (), true, [1, 1, 1]),
        (Some(5), |_| (), false, [1, 1, 1]),
    ] {
        let walks = walks(first, change, offered).await;
        assert_eq!(walks, expected, "{first:?} {offered}");
    }
}

#[tokio::test]
async fn what_was_listed_and_is_gone_after_a_crash_has_its_outcome() {
    for (count, listed) in [(BATCH_MESSAGES_MAX as u32, false), (250, true)] {
        let ledger = Arc::new(Ledger::default());
        let mut peer = peer(FakeMailbox::with(7, 0));
        session(&source(&ledger), &mut peer).await;
        let inbox = peer.boxes.get_mut("INBOX").unwrap();
        for n in 0..count {
            inbox.deliver(&format!("new {n}"));
        }
        // The connection dies, and the program with it, while the bodies are read.
        peer.fuse = Some(usize::try_from(count).unwrap() + 30);
        session(&source(&ledger), &mut peer).await;
        assert_eq!(ledger.table().listed.contains_key("INBOX"), listed);
        assert!(
            ledger.table().first.is_empty(),
            "{:?}",
            ledger.table().first
        );
        peer.fuse = None;
        let inbox = peer.boxes.get_mut("INBOX").unwrap();
        for uid in [2, count] {
            inbox.messages.remove(&uid);
        }
        for _ in 0..2 {
            session(&source(&ledger), &mut peer).await;
        }
        let table = ledger.table();
        let gone = table.first.keys().filter(|key| key.starts_with("vanished"));
        let expected = match listed {
            true => vec!["vanished 7/2".to_owned(), format!("vanished 7/{count}")],
            false => Vec::new(),
        };
        assert_eq!(gone.cloned().collect::<Vec<_>>(), expected);
        assert_eq!(table.first.len() - expected.len(), count as usize - 2);
    }
}
