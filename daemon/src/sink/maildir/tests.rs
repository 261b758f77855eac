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
        assert!(!folders.contains(folder, ID).await.unwrap());
        folders.place(folder, ID, MAIL).await.unwrap();
        let path = root.path().join(name);
        let [place] = files(&path).try_into().unwrap();
        assert!(place.starts_with("cur/liaison.") && place.ends_with(flags));
        let flagged = place.replace(flags, ":2,FS");
        fs::rename(path.join(place), path.join(flagged)).unwrap();
        folders.place(folder, ID, MAIL).await.unwrap();
        assert_eq!(files(&path).len(), 1);
        assert!(folders.contains(folder, ID).await.unwrap());
        assert!(path.join("maildirfolder").exists());
    }
    assert!(!folders.remove_draft(ID, b"changed").await.unwrap());
    assert!(folders.remove_draft(ID, MAIL).await.unwrap());
    assert!(!folders.remove_draft(ID, MAIL).await.unwrap());
    assert!(!folders.contains(OwnFolder::Drafts, ID).await.unwrap());
    assert!(folders.contains(OwnFolder::Sent, ID).await.unwrap());
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
    assert!(!folders.contains(OwnFolder::Sent, ID).await.unwrap());
    fs::write(root.path().join(".Drafts/cur/2:2,D"), MAIL).unwrap();
    assert!(folders.contains(OwnFolder::Drafts, ID).await.unwrap());
    folders.place(OwnFolder::Drafts, ID, MAIL).await.unwrap();
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
    let contains = || folders.contains(OwnFolder::Sent, ID);
    fs::write(
        sent.join("cur/1:2,S"),
        "Message-ID: <other@example.com>\r\n\r\n",
    )
    .unwrap();
    assert!(!contains().await.unwrap());
    assert!(!contains().await.unwrap());
    fs::write(sent.join("new/2"), MAIL).unwrap();
    assert!(contains().await.unwrap());
    fs::rename(sent.join("new/2"), sent.join("cur/2:2,RS")).unwrap();
    assert!(contains().await.unwrap());
    fs::remove_file(sent.join("cur/2:2,RS")).unwrap();
    assert!(!contains().await.unwrap());
    fs::write(sent.join("cur/3:2,S"), MAIL).unwrap();
    assert!(contains().await.unwrap());
}

#[tokio::test]
async fn a_missing_maildir_is_not_made_behind_a_mount_point() {
    let root = tempfile::tempdir().unwrap();
    let folders = MaildirFolders::new(MaildirSettings::at(root.path()));
    let error = folders.place(OwnFolder::Sent, ID, MAIL).await.unwrap_err();
    assert!(error.to_string().contains("is not there"), "{error}");
    assert!(fs::read_dir(root.path()).unwrap().next().is_none());
}
