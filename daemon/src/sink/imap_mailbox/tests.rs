use liaison_core::mailbox::MailFlag;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

const OK: &str = "{tag} OK\r\n";
const OPEN: &str = "* FLAGS (\\Seen \\Flagged $Junk)\r\n* 3 EXISTS\r\n* OK [PERMANENTFLAGS (\\Seen \
                    \\Flagged \\Answered \\Deleted $Junk \\*)] x\r\n* OK [UIDVALIDITY 7] x\r\n{tag} OK \
                    [READ-WRITE]\r\n";
const STRICT: &str = "* 3 EXISTS\r\n* OK [PERMANENTFLAGS (\\Seen old)] x\r\n* OK [UIDVALIDITY 7] \
                      x\r\n{tag} OK [READ-WRITE]\r\n";
const READ_ONLY: &str = "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n{tag} OK [READ-ONLY]\r\n";
const RENUMBERED: &str = "* 3 EXISTS\r\n* OK [UIDVALIDITY 8] x\r\n{tag} OK [READ-WRITE]\r\n";
const THERE: &str = "* 2 FETCH (UID 42)\r\n{tag} OK\r\n";
const PLAIN: &str = "* 2 FETCH (UID 42 FLAGS (\\Recent))\r\n{tag} OK\r\n";
const SEEN: &str = "* 2 FETCH (UID 42 FLAGS (\\seen vip))\r\n{tag} OK\r\n";
const FOUND: &str = "* SEARCH 5\r\n{tag} OK\r\n";
const OURS: &str = "* 2 FETCH (UID 5 FLAGS () BODY[HEADER.FIELDS (MESSAGE-ID)] {25}\r\nMessage-ID:\
                    \r\n <1@x.y>\r\n\r\n)\r\n{tag} OK\r\n";
const NOTHING: &str = "* SEARCH\r\n{tag} OK\r\n";
const MOVED: &str = "* OK [COPYUID 9 42 3] Moved\r\n* 2 EXPUNGE\r\n{tag} OK Done\r\n";
const TAGGED: &str = "* 2 EXPUNGE\r\n{tag} OK [COPYUID 9 42 3] Moved\r\n";
const COPIED: &str = "{tag} OK [COPYUID 9 42 3] Copied\r\n";

/// Gives these answers in turn; returns the commands that were heard.
async fn recite(mut stream: DuplexStream, answers: &[&str]) -> Vec<String> {
    let (mut heard, mut tag) = (Vec::new(), String::new());
    for answer in answers {
        let mut bytes = vec![0; 4096];
        let length = stream.read(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let (word, command) = text.split_once(' ').unwrap();
        word.clone_into(&mut tag);
        heard.push(command.trim_end().to_owned());
        let answer = answer.replace("{tag}", &tag);
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    heard
}

struct Play<'a> {
    change: MailboxChange,
    can: &'a str,
    again: bool,
    message_id: Option<&'a str>,
    answers: &'a [&'a str],
}

async fn play(play: Play<'_>) -> (Result<Changed, FolderError>, Vec<String>) {
    let (ours, theirs) = duplex(64 * 1024);
    let mut connection = Connection::new(Box::new(ours));
    let words = play.can.split(' ').map(str::to_owned);
    connection.capabilities = words.collect();
    let order = Order {
        change: play.change,
        place: Place {
            folder: "INBOX".to_owned(),
            locator: "7/42".to_owned(),
        },
        message_id: play.message_id.map(str::to_owned),
        again: play.again,
    };
    let asked = async move {
        let done = Hand::new(&mut connection).change(&order).await;
        done.map_err(|failure| said(&order.change.to_string(), "alice on h:1", &failure))
    };
    tokio::join!(asked, recite(theirs, play.answers))
}

fn seen(on: bool) -> MailboxChange {
    let flag = MailFlag::Seen;
    MailboxChange::Flag { flag, on }
}

fn keyword(word: &str) -> MailboxChange {
    let keyword = word.to_owned();
    MailboxChange::Keyword { keyword, on: true }
}

fn word(changed: &Result<Changed, FolderError>) -> &'static str {
    match changed {
        Ok(Changed::Done { .. }) => "done",
        Ok(Changed::Refused(_)) => "refused",
        Ok(Changed::Gone(_)) => "gone",
        Ok(Changed::Declined(_)) => "declined",
        Err(_) => "error",
    }
}

#[tokio::test]
async fn a_mark_is_made_once_and_looked_at_afterwards() {
    type Row<'a> = (MailboxChange, &'a [&'a str], &'a str, Option<&'a str>);
    let rows: [Row<'_>; 16] = [
        (
            seen(true),
            &[OPEN, THERE, PLAIN, OK, SEEN],
            "done",
            Some("UID STORE 42 +FLAGS.SILENT (\\Seen)"),
        ),
        (seen(true), &[OPEN, THERE, SEEN], "done", None),
        (
            seen(false),
            &[OPEN, THERE, SEEN, OK, PLAIN],
            "done",
            Some("UID STORE 42 -FLAGS.SILENT (\\Seen)"),
        ),
        (seen(false), &[OPEN, THERE, PLAIN], "done", None),
        (
            keyword("vip"),
            &[OPEN, THERE, PLAIN, OK, SEEN],
            "done",
            Some("UID STORE 42 +FLAGS.SILENT (vip)"),
        ),
        // A folder that keeps no keywords, or not this one.
        (keyword("vip"), &[STRICT, THERE, PLAIN], "refused", None),
        (
            MailboxChange::Flag {
                flag: MailFlag::Flagged,
                on: true,
            },
            &[STRICT, THERE, PLAIN],
            "refused",
            None,
        ),
        (seen(true), &[READ_ONLY, THERE, PLAIN], "refused", None),
        // The server says OK and does nothing, or no.
        (
            seen(true),
            &[OPEN, THERE, PLAIN, OK, PLAIN],
            "declined",
            Some("UID STORE 42 +FLAGS.SILENT (\\Seen)"),
        ),
        (
            seen(true),
            &[OPEN, THERE, PLAIN, "{tag} NO [NOPERM] no\r\n"],
            "declined",
            Some("UID STORE 42 +FLAGS.SILENT (\\Seen)"),
        ),
        (
            seen(true),
            &["{tag} NO no such mailbox\r\n"],
            "declined",
            None,
        ),
        // Gone, and gone between two looks.
        (seen(true), &[OPEN, OK], "gone", None),
        (seen(true), &[OPEN, THERE, OK], "gone", None),
        // A refused look: not for ever.
        (
            seen(true),
            &[OPEN, "{tag} NO [SERVERBUG] x\r\n"],
            "declined",
            None,
        ),
        // It is there, and its flags cannot be read: set all the same, and not believed.
        (
            seen(true),
            &[OPEN, THERE, THERE, OK, SEEN],
            "done",
            Some("UID STORE 42 +FLAGS.SILENT (\\Seen)"),
        ),
        (
            seen(true),
            &[OPEN, THERE, PLAIN, OK, THERE],
            "declined",
            Some("UID STORE 42 +FLAGS.SILENT (\\Seen)"),
        ),
    ];
    for (change, answers, expected, stored) in rows {
        let (changed, heard) = play(Play {
            change: change.clone(),
            can: "MOVE UIDPLUS",
            again: false,
            message_id: Some("1@x.y"),
            answers,
        })
        .await;
        assert_eq!(word(&changed), expected, "{change}: {changed:?} {heard:?}");
        let stores = heard.iter().filter(|line| line.starts_with("UID STORE"));
        let stores: Vec<&str> = stores.map(String::as_str).collect();
        assert_eq!(stores, Vec::from_iter(stored), "{change}");
        assert!(heard[0] == "SELECT \"INBOX\"", "{heard:?}");
    }
}

#[tokio::test]
async fn under_another_uidvalidity_nothing_is_guessed() {
    for (change, id) in [
        (seen(true), Some("1@x.y")),
        (seen(true), None),
        (MailboxChange::Move("Archive".to_owned()), Some("1@x.y")),
    ] {
        let (changed, heard) = play(Play {
            change,
            can: "MOVE UIDPLUS",
            again: true,
            message_id: id,
            answers: &[RENUMBERED],
        })
        .await;
        assert_eq!(word(&changed), "declined", "{changed:?} {heard:?}");
        assert_eq!(heard.len(), 1, "{heard:?}");
    }
}

#[tokio::test]
async fn a_message_is_moved_and_never_lost_on_the_way() {
    type Row<'a> = (&'a str, bool, &'a [&'a str], &'a str, Option<&'a str>);
    const FACE: &str =
        "* 2 FETCH (UID 42 RFC822.SIZE 9 BODY[HEADER] {8}\r\nA: 1\r\n\r\n)\r\n{tag} OK\r\n";
    const SAME: &str =
        "* 2 FETCH (UID 5 RFC822.SIZE 9 BODY[HEADER] {8}\r\nA: 1\r\n\r\n)\r\n{tag} OK\r\n";
    const OTHER_SIZE: &str =
        "* 2 FETCH (UID 5 RFC822.SIZE 8 BODY[HEADER] {8}\r\nA: 1\r\n\r\n)\r\n{tag} OK\r\n";
    const DECOY: &str =
        "* 2 FETCH (UID 5 RFC822.SIZE 9 BODY[HEADER] {8}\r\nA: 2\r\n\r\n)\r\n{tag} OK\r\n";
    const NO: &str = "{tag} NO no\r\n";
    const NOT_DELETED: &str = "* 3 EXISTS\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] x\r\n* OK [UIDVALIDITY 7] x\r\n{tag} OK\r\n";
    const THERE_NOW: &str = "* 9 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n{tag} OK\r\n";
    let rows: [Row<'_>; 18] = [
        (
            "MOVE UIDPLUS",
            false,
            &[OPEN, THERE, MOVED],
            "done",
            Some("9/3"),
        ),
        (
            "MOVE UIDPLUS",
            false,
            &[OPEN, THERE, TAGGED],
            "done",
            Some("9/3"),
        ),
        // OK without COPYUID: it is there, it is still here, it was gone.
        (
            "MOVE",
            false,
            &[OPEN, THERE, OK, OK, THERE_NOW, FOUND, OURS],
            "done",
            Some("9/5"),
        ),
        ("MOVE", false, &[OPEN, THERE, OK, THERE], "declined", None),
        (
            "MOVE",
            false,
            &[OPEN, THERE, OK, OK, THERE_NOW, NOTHING],
            "done",
            None,
        ),
        ("MOVE", false, &[OPEN, THERE, OK, OK, NO], "done", None),
        (
            "MOVE",
            false,
            &[OPEN, THERE, "{tag} NO [TRYCREATE] no such mailbox\r\n"],
            "declined",
            None,
        ),
        // Moved by a try whose end was not recorded.
        (
            "MOVE UIDPLUS",
            true,
            &[OPEN, OK, THERE_NOW, FOUND, OURS],
            "done",
            Some("9/5"),
        ),
        ("MOVE", true, &[READ_ONLY, THERE], "refused", None),
        // Without MOVE.
        (
            "UIDPLUS",
            false,
            &[OPEN, THERE, COPIED, OK, OK, OK],
            "done",
            Some("9/3"),
        ),
        ("UIDPLUS", false, &[OPEN, THERE, OK], "declined", None),
        ("IMAP4REV1", false, &[OPEN, THERE], "refused", None),
        // The copy of an earlier try is taken for what it is; one of another size is not.
        (
            "UIDPLUS",
            true,
            &[
                OPEN, THERE, FACE, THERE_NOW, FOUND, OURS, SAME, OPEN, OK, OK, OK,
            ],
            "done",
            Some("9/5"),
        ),
        (
            "UIDPLUS",
            true,
            &[
                OPEN, THERE, FACE, THERE_NOW, FOUND, OURS, DECOY, OPEN, COPIED, OK, OK, OK,
            ],
            "done",
            Some("9/3"),
        ),
        // Its UIDs are others when it is opened again: nothing is removed.
        (
            "UIDPLUS",
            true,
            &[OPEN, THERE, FACE, THERE_NOW, FOUND, OURS, SAME, RENUMBERED],
            "declined",
            None,
        ),
        // Removing is refused: what was marked is not left so.
        (
            "UIDPLUS",
            false,
            &[OPEN, THERE, COPIED, OK, NO, OK],
            "declined",
            None,
        ),
        ("UIDPLUS", false, &[NOT_DELETED, THERE], "refused", None),
        (
            "UIDPLUS",
            true,
            &[
                OPEN, THERE, FACE, THERE_NOW, FOUND, OURS, OTHER_SIZE, OPEN, COPIED, OK, OK, OK,
            ],
            "done",
            Some("9/3"),
        ),
    ];
    for (can, again, answers, expected, place) in rows {
        let (changed, heard) = play(Play {
            change: MailboxChange::Move("Archive".to_owned()),
            can,
            again,
            message_id: Some("1@x.y"),
            answers,
        })
        .await;
        assert_eq!(word(&changed), expected, "{changed:?} {heard:?}");
        let told = match &changed {
            Ok(Changed::Done { place, .. }) => place.as_ref().map(|place| place.locator.as_str()),
            _ => None,
        };
        assert_eq!(told, place, "{heard:?}");
        // Nothing is removed but the one message, and only after its copy was told.
        let expunged = heard.iter().position(|line| line.contains("EXPUNGE"));
        assert!(
            heard
                .iter()
                .all(|line| line != "EXPUNGE" && line != "CLOSE")
        );
        if let Some(at) = expunged {
            assert_eq!(heard[at], "UID EXPUNGE 42");
            let copied = heard[..at].iter().any(|line| line.starts_with("UID COPY"));
            assert!(copied || again, "{heard:?}");
        }
    }
}

#[tokio::test]
async fn without_a_message_id_nothing_is_copied() {
    let (changed, heard) = play(Play {
        change: MailboxChange::Move("Archive".to_owned()),
        can: "UIDPLUS",
        again: false,
        message_id: None,
        answers: &[OPEN, THERE],
    })
    .await;
    assert_eq!(word(&changed), "refused", "{heard:?}");
}

#[tokio::test]
async fn a_label_is_added_where_the_server_has_labels() {
    const NONE: &str = "* 2 FETCH (X-GM-LABELS (\\Inbox) UID 42)\r\n{tag} OK\r\n";
    const LABELS: &str =
        "* 2 FETCH (X-GM-LABELS (\\Inbox \"Gr&APYA3w-e Leads\") UID 42)\r\n{tag} OK\r\n";
    const UPPER: &str = "* 2 FETCH (X-GM-LABELS (\"GR&ANYA3w-E LEADS\") UID 42)\r\n{tag} OK\r\n";
    const TWICE: &str = "* 2 FETCH (X-GM-LABELS (\"Gr&APYA3w-e Leads\") UID 42)\r\n* 2 FETCH (UID 42 FLAGS ())\r\n{tag} OK\r\n";
    let label = || MailboxChange::Label("Größe Leads".to_owned());
    for (can, answers, expected) in [
        ("UIDPLUS", &[] as &[&str], "refused"),
        ("X-GM-EXT-1", &[OPEN, THERE, NONE, OK, LABELS], "done"),
        ("X-GM-EXT-1", &[OPEN, THERE, LABELS], "done"),
        // In other letters, told of with its flags, not told at all.
        ("X-GM-EXT-1", &[OPEN, THERE, UPPER], "done"),
        ("X-GM-EXT-1", &[OPEN, THERE, NONE, OK, TWICE], "done"),
        ("X-GM-EXT-1", &[OPEN, THERE, NONE, OK, THERE], "done"),
        ("X-GM-EXT-1", &[OPEN, THERE, NONE, OK, NONE], "declined"),
    ] {
        let (changed, heard) = play(Play {
            change: label(),
            can,
            again: false,
            message_id: Some("1@x.y"),
            answers,
        })
        .await;
        assert_eq!(word(&changed), expected, "{changed:?} {heard:?}");
        let store = "UID STORE 42 +X-GM-LABELS (\"Gr&APYA3w-e Leads\")".to_owned();
        assert_eq!(heard.contains(&store), answers.len() == 5, "{heard:?}");
    }
}

#[tokio::test]
async fn a_lost_connection_is_an_error_and_says_where() {
    let (changed, _) = play(Play {
        change: seen(true),
        can: "UIDPLUS",
        again: false,
        message_id: None,
        answers: &[OPEN, THERE, PLAIN],
    })
    .await;
    let error = changed.unwrap_err();
    assert!(error.what.contains("set \\Seen of alice on h:1"), "{error}");
    assert!(!error.needs_person, "{error}");
}
