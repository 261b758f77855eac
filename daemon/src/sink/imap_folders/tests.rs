use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

const LIST: &str = "* LIST (\\Drafts) \"/\" Drafts\r\n* LIST (\\Sent) \"/\" Sent\r\n{tag} OK\r\n";
const OPEN: &str = "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n{tag} OK\r\n";
const OK: &str = "{tag} OK\r\n";
const NOTHING: &str = "* SEARCH\r\n{tag} OK\r\n";
const FOUND: &str = "* SEARCH 2\r\n{tag} OK\r\n";
const OURS: &str = "* 2 FETCH (UID 2 FLAGS (\\Draft) BODY[HEADER.FIELDS (MESSAGE-ID)] {25}\r\n\
                    Message-ID:\r\n <1@x.y>\r\n\r\n)\r\n{tag} OK\r\n";
const OTHER: &str = "* 2 FETCH (UID 2 FLAGS () BODY[HEADER.FIELDS (MESSAGE-ID)] {24}\r\n\
                     Message-ID: <11@x.y>\r\n\r\n)\r\n{tag} OK\r\n";

/// Runs `job` on a connection whose server gives these answers in turn.
async fn run(job: Job<'_>, answers: &[&str]) -> (Result<Done, FolderError>, Vec<String>) {
    let (ours, theirs) = duplex(64 * 1024);
    let settings =
        toml::from_str("host = 'h'\nport = 1\nuser = 'u'\npassword = { env = 'UNSET_HERE' }");
    let folders = ImapFolders::new(settings.unwrap());
    let mut connection = Connection::new(Box::new(ours));
    connection.capabilities.insert("UIDPLUS".to_owned());
    let since = Instant::now();
    *folders.kept.lock().await = Some(Kept { connection, since });
    tokio::join!(folders.run_job(&job), recite(theirs, answers))
}

async fn recite(mut stream: DuplexStream, answers: &[&str]) -> Vec<String> {
    let (mut heard, mut tag) = (Vec::new(), String::new());
    for answer in std::iter::once(&OK).chain(answers) {
        let mut bytes = vec![0; 4096];
        let length = stream.read(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        match text.split_once(' ') {
            Some((word, command)) if word.starts_with('L') => {
                word.clone_into(&mut tag);
                heard.push(command.trim_end().to_owned());
            }
            _ => heard.push(text),
        }
        let answer = answer.replace("{tag}", &tag);
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    heard
}

fn own() -> &'static OwnMail {
    static OWN: std::sync::LazyLock<OwnMail> = std::sync::LazyLock::new(|| OwnMail {
        message_id: "1@x.y".to_owned(),
        stamp: "abc".to_owned(),
        recipient: "bob@example.net".to_owned(),
        since: liaison_core::time::Timestamp(1_772_442_000_000),
    });
    &OWN
}

fn job(action: Action<'_>) -> Job<'_> {
    in_folder(OwnFolder::Drafts, action)
}

fn in_folder(folder: OwnFolder, action: Action<'_>) -> Job<'_> {
    Job {
        action,
        folder,
        mail: Sought::Mail(own()),
    }
}

/// The answer to the look for our stamp: it has another id, and goes to `to`.
fn stamped(to: &str, flags: &str) -> String {
    let header = format!("Message-ID: <9@ses>\r\nX-Liaison-Id: abc\r\nTo: {to}\r\n\r\n");
    format!(
        "* 2 FETCH (UID 2 FLAGS ({flags}) BODY[HEADER.FIELDS (MESSAGE-ID)] {{{}}}\r\n{header})\r\n\
         {{tag}} OK\r\n",
        header.len()
    )
}

#[tokio::test]
async fn not_there_is_said_only_after_a_whole_look() {
    let by_stamp = stamped("bob@example.net", "");
    let to_another = stamped("carol@example.net", "");
    const REFUSED: &str = "{tag} BAD what\r\n";
    let rows: [(&[&str], Option<bool>); 13] = [
        (
            &[LIST, OPEN, NOTHING, REFUSED, FOUND, &by_stamp],
            Some(true),
        ),
        (&[LIST, OPEN, NOTHING, REFUSED, NOTHING], Some(false)),
        (&[LIST, OPEN, FOUND, OURS], Some(true)),
        (&[LIST, OPEN, FOUND, OTHER, NOTHING], Some(false)),
        (&[LIST, OPEN, NOTHING, NOTHING], Some(false)),
        (&[LIST, OPEN, NOTHING, FOUND, &by_stamp], Some(true)),
        (&[LIST, OPEN, NOTHING, FOUND, &to_another], Some(false)),
        (&[LIST, OPEN, NOTHING, "{tag} NO cannot search\r\n"], None),
        (&[LIST, OPEN, NOTHING, "* SEARCH\r\n"], None),
        (&[LIST, OPEN, "{tag} NO [UNAVAILABLE] later\r\n"], None),
        (&[LIST, OPEN, "* SEARCH\r\n"], None),
        (&[LIST, "{tag} NO no such mailbox\r\n"], None),
        (&[LIST, OPEN, FOUND, "{tag} NO [SERVERBUG] no\r\n"], None),
    ];
    for (answers, expected) in rows {
        let (result, _) = run(job(Action::Look), answers).await;
        let found = result.ok().map(|done| match done {
            Done::Looked(found) => found.is_some(),
            _ => panic!("{answers:?}"),
        });
        assert_eq!(found, expected, "{answers:?}");
    }
}

/// As Gmail has it: what is in no folder lies there, and so do drafts.
#[tokio::test]
async fn what_is_not_in_sent_is_looked_for_among_all_messages() {
    const ALL: &str = "* LIST (\\Sent) \"/\" Sent\r\n* LIST (\\All) \"/\" All\r\n{tag} OK\r\n";
    let (sent, draft) = (
        stamped("bob@example.net", ""),
        stamped("bob@example.net", "\\Draft"),
    );
    let empty = [ALL, OPEN, NOTHING, NOTHING, ALL];
    let rows: [(&[&str], Option<bool>); 5] = [
        // The draft has the id, and what was sent has another.
        (&[OPEN, FOUND, OURS, FOUND, &sent], Some(true)),
        (&[OPEN, NOTHING, FOUND, &sent], Some(true)),
        (&[OPEN, NOTHING, FOUND, &draft], Some(false)),
        (&[OPEN, NOTHING, NOTHING], Some(false)),
        (&["{tag} NO not now\r\n"], None),
    ];
    for (answers, expected) in rows {
        let answers: Vec<&str> = empty.iter().chain(answers).copied().collect();
        let (result, heard) = run(in_folder(OwnFolder::Sent, Action::Look), &answers).await;
        assert!(
            heard.iter().any(|line| line == "EXAMINE \"All\""),
            "{heard:?}"
        );
        let found = result.ok().map(|done| match done {
            Done::Looked(found) => found,
            _ => panic!("{answers:?}"),
        });
        let is_there = found.as_ref().map(Option::is_some);
        assert_eq!(is_there, expected, "{answers:?}");
        if let Some(Some(found)) = found {
            assert_eq!(
                (found.message_id.as_str(), found.in_all_mail),
                ("9@ses", true)
            );
        }
    }
}

#[tokio::test]
async fn messages_to_the_recipient_are_read_to_a_bound_and_nothing_is_an_answer() {
    const WHOLE: &str = "* 2 FETCH (UID 2 BODY[] {3}\r\nx\r\n)\r\n{tag} OK\r\n";
    for (answers, expected) in [
        (&[LIST, OPEN, FOUND, WHOLE][..], Some(1)),
        (&[LIST, OPEN, NOTHING], Some(0)),
        (&[LIST, OPEN, "{tag} NO later\r\n"], None),
    ] {
        let (result, heard) = run(job(Action::List), answers).await;
        let given = result.ok().map(|done| match done {
            Done::Listed(messages) => messages.len(),
            _ => panic!("{answers:?}"),
        });
        assert_eq!(given, expected, "{answers:?}");
        let search = "UID SEARCH SINCE 2-Mar-2026 TO \"bob@example.net\"";
        assert_eq!(heard[3], search);
    }
}

#[tokio::test]
async fn a_message_is_placed_once_and_its_mailbox_made_when_missing() {
    let there: &[&str] = &[LIST, OPEN, FOUND, OURS];
    let (result, heard) = run(job(Action::Put(b"x\r\n")), there).await;
    assert!(result.is_ok() && !heard.iter().any(|line| line.starts_with("APPEND")));

    let missing: &[&str] = &[
        LIST,
        "{tag} NO no such mailbox\r\n",
        OK,
        "* 1 EXISTS\r\n+ go\r\n",
        OK,
    ];
    let (result, heard) = run(job(Action::Put(b"x\r\n")), missing).await;
    assert!(result.is_ok());
    assert_eq!(
        heard[3..5],
        ["CREATE \"Drafts\"", "APPEND \"Drafts\" (\\Draft) {3}"]
    );

    let full: &[&str] = &[
        LIST,
        OPEN,
        NOTHING,
        NOTHING,
        "{tag} NO [OVERQUOTA] full\r\n",
    ];
    let (result, _) = run(job(Action::Put(b"x\r\n")), full).await;
    assert!(result.err().unwrap().needs_person);

    // Under another id, also where the server cannot look for that.
    let by_stamp = stamped("bob@example.net", "");
    let there: &[&str] = &[LIST, OPEN, NOTHING, FOUND, &by_stamp];
    let (result, heard) = run(job(Action::Put(b"x\r\n")), there).await;
    assert!(result.is_ok() && !heard.iter().any(|line| line.starts_with("APPEND")));
    const POOR: &str = "{tag} BAD what\r\n";
    for (rest, laid) in [
        (&[FOUND, by_stamp.as_str()][..], false),
        (&[NOTHING, "+ go\r\n", OK], true),
    ] {
        let answers: Vec<&str> = [LIST, OPEN, NOTHING, POOR]
            .iter()
            .chain(rest)
            .copied()
            .collect();
        let (result, heard) = run(job(Action::Put(b"x\r\n")), &answers).await;
        let appended = heard.iter().any(|line| line.starts_with("APPEND"));
        assert!(result.is_ok() && appended == laid, "{heard:?}");
    }
}

#[tokio::test]
async fn only_our_own_draft_is_removed_and_only_unchanged() {
    const WHOLE: &str = "* 2 FETCH (UID 2 BODY[] {3}\r\nx\r\n)\r\n{tag} OK\r\n";
    let ours: &[&str] = &[LIST, OPEN, FOUND, OURS, WHOLE, OK, OK];
    let (result, heard) = run(job(Action::TakeOut(b"x\r\n")), ours).await;
    assert!(result.unwrap().did());
    assert_eq!(
        heard[5..],
        [
            "UID FETCH 2 (UID BODY.PEEK[]<0.4>)",
            "UID STORE 2 +FLAGS.SILENT (\\Deleted)",
            "UID EXPUNGE 2"
        ]
    );
    let changed = &ours[..5];
    let (result, heard) = run(job(Action::TakeOut(b"y\r\n")), changed).await;
    assert_eq!((result.unwrap().did(), heard.len()), (false, 6));
    let sent_by_hand = OURS.replace("\\Draft", "\\Seen");
    let answers: &[&str] = &[LIST, OPEN, FOUND, &sent_by_hand];
    let (result, heard) = run(job(Action::TakeOut(b"x\r\n")), answers).await;
    assert_eq!((result.unwrap().did(), heard.len()), (false, 5));
}

/// Where nobody said which mailboxes there are none is missing: a second Sent beside the right one
/// would be made, and a draft that its owner sent would be laid there again.
#[tokio::test]
async fn a_refused_list_is_no_word_on_what_is_there() {
    let refused = "{tag} NO [UNAVAILABLE] try later\r\n";
    let broken_off = format!("* LIST () \"/\" Archive\r\n{refused}");
    for list in [refused, &broken_off] {
        for action in [Action::Look, Action::Put(b"x\r\n")] {
            let (result, heard) = run(job(action), &[list]).await;
            let error = result.err().unwrap();
            assert!(
                error
                    .why
                    .contains("LIST was refused: [UNAVAILABLE] try later"),
                "{error}"
            );
            assert!(!error.no_folder && !error.needs_person, "{error}");
            assert_eq!(heard.len(), 2, "{heard:?}");
        }
    }
}
