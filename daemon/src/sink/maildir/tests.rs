use std::fs;
use std::path::Path;

use bytes::Bytes;

use super::*;

const ID: &str = "liaison.0af@example.com";
const MAIL: &[u8] =
    b"Subject: Hello\r\nMessage-ID:\r\n <liaison.0af@example.com>\r\n\r\nGood morning\r\n";

struct NoPhase;

impl PhaseLog for NoPhase {
    fn entering_body(&mut self) -> BoxFuture<'_, Result<(), String>> {
        unreachable!("a Maildir has no dot")
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = ["tmp", "new", "cur"]
        .iter()
        .filter_map(|subfolder| fs::read_dir(folder.join(subfolder)).ok())
        .flat_map(|entries| entries.map(|entry| entry.unwrap().path()))
        .map(|path| path.strip_prefix(folder).unwrap().display().to_string())
        .collect();
    names.sort();
    names
}

fn own() -> OwnMail {
    OwnMail {
        message_id: ID.to_owned(),
        stamp: "0af".to_owned(),
        recipient: "bob@example.net".to_owned(),
        since: liaison_core::time::Timestamp(0),
    }
}

async fn is_in(folders: &MaildirFolders, folder: OwnFolder) -> bool {
    folders.find(folder, &own()).await.unwrap().is_some()
}

fn mail(recipient: &str) -> OutgoingMail {
    OutgoingMail {
        message_id: ID.to_owned(),
        from: "alice@example.com".to_owned(),
        recipient: recipient.to_owned(),
        bytes: Bytes::from_static(MAIL),
    }
}

#[tokio::test]
async fn a_mail_sent_again_after_a_crash_is_one_file() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("deep/out");
    let transport = MaildirTransport::new(MaildirTransportSettings { path: path.clone() });
    transport.probe().await.unwrap();
    assert!(files(&path).is_empty());
    let to_bob = mail("bob@example.net");
    for _ in 0..2 {
        let outcome = transport.send(&to_bob, &mut NoPhase).await;
        assert!(
            matches!(outcome, SendOutcome::Accepted { .. }),
            "{outcome:?}"
        );
    }
    let [name] = files(&path).try_into().unwrap();
    assert_eq!(fs::read(path.join(&name)).unwrap(), MAIL);

    // A reader saw it, a crash left half a file, and the same mail goes to somebody else too.
    let stem = name.strip_prefix("new/").unwrap();
    fs::rename(path.join(&name), path.join(format!("cur/{stem}:2,RS"))).unwrap();
    fs::write(path.join("tmp").join(stem), b"Subj").unwrap();
    transport.send(&to_bob, &mut NoPhase).await;
    transport
        .send(&mail("carol@example.net"), &mut NoPhase)
        .await;
    let seen = files(&path);
    assert_eq!(seen.iter().filter(|name| name.contains(stem)).count(), 2);
    assert_eq!(
        seen.iter().filter(|name| name.starts_with("new/")).count(),
        1
    );
}

#[tokio::test]
async fn a_transport_that_cannot_write_says_that_nothing_was_sent() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("file");
    fs::write(&path, b"").unwrap();
    let transport = MaildirTransport::new(MaildirTransportSettings { path });
    let outcome = transport.send(&mail("bob@example.net"), &mut NoPhase).await;
    let SendOutcome::NotSent { why, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(why.contains("file"), "{why}");
    assert!(transport.probe().await.is_err());
}

#[tokio::test]
async fn drafts_and_sent_hold_one_copy_under_any_flags() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("cur")).unwrap();
    let folders = MaildirFolders::new(MaildirSettings::at(root.path()));
    for (folder, name, flags) in [
        (OwnFolder::Drafts, ".Drafts", ":2,DS"),
        (OwnFolder::Sent, ".Sent", ":2,S"),
    ] {
        assert!(!is_in(&folders, folder).await);
        folders.place(folder, &own(), MAIL).await.unwrap();
        let path = root.path().join(name);
        let [place] = files(&path).try_into().unwrap();
        assert!(place.starts_with("cur/liaison.") && place.ends_with(flags));
        let flagged = place.replace(flags, ":2,FS");
        fs::rename(path.join(place), path.join(flagged)).unwrap();
        folders.place(folder, &own(), MAIL).await.unwrap();
        assert_eq!(files(&path).len(), 1);
        assert!(is_in(&folders, folder).await);
        assert!(path.join("maildirfolder").exists());
    }
    assert!(!folders.remove_draft(ID, b"changed").await.unwrap());
    assert!(folders.remove_draft(ID, MAIL).await.unwrap());
    assert!(!folders.remove_draft(ID, MAIL).await.unwrap());
    assert!(!is_in(&folders, OwnFolder::Drafts).await);
    assert!(is_in(&folders, OwnFolder::Sent).await);
}

#[tokio::test]
async fn a_copy_that_another_program_filed_counts_and_is_not_ours_to_remove() {
    let root = tempfile::tempdir().unwrap();
    for folder in ["cur", ".Drafts/cur", ".Sent/cur"] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    let folders = MaildirFolders::new(MaildirSettings::at(root.path()));
    let quoting = b"Subject: Re\r\nIn-Reply-To: <liaison.0af@example.com>\r\n\r\nMessage-ID: \
                    <liaison.0af@example.com>\r\n";
    fs::write(root.path().join(".Sent/cur/1:2,S"), quoting).unwrap();
    assert!(!is_in(&folders, OwnFolder::Sent).await);
    fs::write(root.path().join(".Drafts/cur/2:2,D"), MAIL).unwrap();
    assert!(is_in(&folders, OwnFolder::Drafts).await);
    folders
        .place(OwnFolder::Drafts, &own(), MAIL)
        .await
        .unwrap();
    assert_eq!(files(&root.path().join(".Drafts")), ["cur/2:2,D"]);
    assert!(!folders.remove_draft(ID, MAIL).await.unwrap());
}

/// A file is read once; what comes, moves and goes is seen all the same.
#[tokio::test]
async fn what_was_read_before_is_found_again_and_not_when_it_is_gone() {
    let root = tempfile::tempdir().unwrap();
    for folder in ["cur", ".Sent/cur", ".Sent/new"] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    let sent = root.path().join(".Sent");
    let folders = MaildirFolders::new(MaildirSettings::at(root.path()));
    let contains = || is_in(&folders, OwnFolder::Sent);
    fs::write(
        sent.join("cur/1:2,S"),
        "Message-ID: <other@example.com>\r\n\r\n",
    )
    .unwrap();
    assert!(!contains().await);
    assert!(!contains().await);
    fs::write(sent.join("new/2"), MAIL).unwrap();
    assert!(contains().await);
    fs::rename(sent.join("new/2"), sent.join("cur/2:2,RS")).unwrap();
    assert!(contains().await);
    fs::remove_file(sent.join("cur/2:2,RS")).unwrap();
    assert!(!contains().await);
    fs::write(sent.join("cur/3:2,S"), MAIL).unwrap();
    assert!(contains().await);
}

#[tokio::test]
async fn a_missing_maildir_is_not_made_behind_a_mount_point() {
    let root = tempfile::tempdir().unwrap();
    let folders = MaildirFolders::new(MaildirSettings::at(root.path()));
    let error = folders
        .place(OwnFolder::Sent, &own(), MAIL)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("is not there"), "{error}");
    assert!(fs::read_dir(root.path()).unwrap().next().is_none());
}

/// A server or a program gave it another Message-ID; the stamp alone may have been copied.
#[tokio::test]
async fn a_mail_under_another_id_is_known_by_our_stamp_and_its_recipient() {
    for (to, id) in [
        ("Bob <BOB@example.net>", Some("real@ses.example")),
        ("carol@example.net", None),
    ] {
        let root = tempfile::tempdir().unwrap();
        for folder in ["cur", ".Sent/cur"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let folders = MaildirFolders::new(MaildirSettings::at(root.path()));
        let text = format!(
            "To: {to}\r\nX-Liaison-ID:\r\n 0af\r\nMessage-ID: <real@ses.example>\r\n\r\nx\r\n"
        );
        fs::write(root.path().join(".Sent/cur/1:2,S"), text).unwrap();
        // The second time it is told without reading the file.
        for _ in 0..2 {
            let found = folders.find(OwnFolder::Sent, &own()).await.unwrap();
            assert_eq!(found.map(|found| found.message_id).as_deref(), id, "{to}");
        }
        folders.place(OwnFolder::Sent, &own(), MAIL).await.unwrap();
        let count = files(&root.path().join(".Sent")).len();
        assert_eq!(count, if id.is_some() { 1 } else { 2 }, "{to}");
    }
}

#[tokio::test]
async fn messages_to_the_recipient_are_given_and_others_are_not() {
    let root = tempfile::tempdir().unwrap();
    for folder in ["cur", ".Drafts/cur"] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    for (name, to) in [("1:2,D", "bob@example.net"), ("2:2,D", "carol@example.net")] {
        let text = format!("To: {to}\r\nSubject: x\r\n\r\nx\r\n");
        fs::write(root.path().join(".Drafts/cur").join(name), text).unwrap();
    }
    let folders = MaildirFolders::new(MaildirSettings::at(root.path()));
    let given = folders.to_recipient(OwnFolder::Drafts, &own()).await;
    let given = given.unwrap();
    assert_eq!(given.len(), 1);
    assert!(given[0].starts_with(b"To: bob"));
}
