//! The daily look at everything from the line on.

use super::*;
use crate::clock::ManualClock;
use crate::source::FolderRole;
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
