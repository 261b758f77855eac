use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::*;
use crate::clock::SystemClock;
use crate::source::backfill::{Backfill, Rehearsal};
use crate::source::listed::Listed;
use crate::source::{Content, Taken, Unread};

/// Remembers what it was given; refuses after `takes_left` batches, as a crash would.
#[derive(Debug)]
struct Table {
    taken: Mutex<Vec<(BatchMode, String, Vec<u8>)>>,
    cursors: Mutex<BTreeMap<String, Cursor>>,
    takes_left: Mutex<usize>,
    looks: watch::Sender<usize>,
    trouble: Mutex<Vec<String>>,
    unread: Mutex<BTreeMap<String, Unread>>,
    backfill: Mutex<Option<Backfill>>,
    rehearsed: Mutex<Vec<String>>,
}

impl Table {
    fn new() -> Arc<Table> {
        Arc::new(Table {
            taken: Mutex::default(),
            cursors: Mutex::default(),
            takes_left: Mutex::new(usize::MAX),
            looks: watch::channel(0).0,
            trouble: Mutex::default(),
            unread: Mutex::default(),
            backfill: Mutex::default(),
            rehearsed: Mutex::default(),
        })
    }

    fn taken(&self, mode: BatchMode) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        let of_mode = taken.iter().filter(|(its, ..)| *its == mode);
        of_mode.map(|(_, locator, _)| locator.clone()).collect()
    }
}

impl Intake for Table {
    fn cursor<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Option<Cursor>, IntakeError>> {
        let cursor = self.cursors.lock().unwrap().get(&folder.folder).copied();
        Box::pin(async move { Ok(cursor) })
    }

    fn line<'a>(&'a self, _: &'a FolderRef) -> BoxFuture<'a, Result<Option<u32>, IntakeError>> {
        Box::pin(async { Ok(None) })
    }

    fn unknown<'a>(
        &'a self,
        _: &'a FolderRef,
        locators: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<String>, IntakeError>> {
        assert!(locators.len() <= NAMES_ASKED_MAX);
        let taken = self.taken.lock().unwrap();
        let known: HashSet<&String> = taken.iter().map(|(_, locator, _)| locator).collect();
        let unknown = locators.into_iter().filter(|one| !known.contains(one));
        let unknown: Vec<String> = unknown.collect();
        Box::pin(async move { Ok(unknown) })
    }

    fn unread<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Vec<Unread>, IntakeError>> {
        let unread = self.unread.lock().unwrap();
        let of_folder = unread.values().filter(|_| folder.role == FolderRole::Inbox);
        let of_folder = of_folder.cloned().collect();
        Box::pin(async move { Ok(of_folder) })
    }

    fn take(&self, batch: Batch) -> BoxFuture<'_, Result<Taken, IntakeError>> {
        assert!(batch.arrived.len() <= crate::source::BATCH_MESSAGES_MAX);
        let mut left = self.takes_left.lock().unwrap();
        if *left == 0 {
            let (mailbox, why) = (batch.folder.mailbox, "crash".to_owned());
            return Box::pin(async move { Err(IntakeError { mailbox, why }) });
        }
        *left -= 1;
        let mut cursors = self.cursors.lock().unwrap();
        let cursor = batch
            .cursor
            .map(|cursor| (batch.folder.folder.clone(), cursor));
        cursors.extend(cursor);
        for arrived in batch.arrived {
            let mut unread = self.unread.lock().unwrap();
            unread.remove(&arrived.locator);
            let bytes = match arrived.content {
                Content::NotNow { .. } => {
                    let (locator, mode, due) = (arrived.locator, batch.mode, Timestamp(0));
                    let place = locator.clone();
                    unread.insert(place, Unread { locator, mode, due });
                    continue;
                }
                Content::Vanished => b"vanished".to_vec(),
                Content::Message(bytes) => bytes.to_vec(),
                Content::HeaderOnly { header, .. } => header.to_vec(),
                Content::Unfetchable { reason } => reason.into_bytes(),
            };
            let mut taken = self.taken.lock().unwrap();
            taken.push((batch.mode, arrived.locator, bytes));
        }
        Box::pin(async { Ok(Taken::default()) })
    }

    fn watches(&self, _mailbox: &MailboxId, _folders: &[&str]) {}

    fn keep_listed<'a>(
        &'a self,
        _folder: &'a FolderRef,
        _listed: Listed,
    ) -> BoxFuture<'a, Result<(), IntakeError>> {
        Box::pin(async { Ok(()) })
    }

    fn listed<'a>(
        &'a self,
        _folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Option<Listed>, IntakeError>> {
        Box::pin(async { Ok(None) })
    }

    fn backfill<'a>(
        &'a self,
        _mailbox: &'a MailboxId,
    ) -> BoxFuture<'a, Result<Option<Backfill>, IntakeError>> {
        let asked = self.backfill.lock().unwrap().clone();
        Box::pin(async move { Ok(asked) })
    }

    fn rehearse(&self, step: Rehearsal) -> BoxFuture<'_, Result<(), IntakeError>> {
        self.rehearsed.lock().unwrap().extend(step.locators);
        let mut job = self.backfill.lock().unwrap();
        if let Some(job) = job.as_mut() {
            job.folders
                .retain(|known| known.folder != step.progress.folder);
            job.folders.push(step.progress);
        }
        if step.ends {
            *job = None;
        }
        Box::pin(async { Ok(()) })
    }

    fn drafts_compared(&self, _mailbox: &MailboxId, _folder: &str) {}

    fn proven_fresh(&self, folder: &FolderRef, _: &'static str) {
        if folder.role == FolderRole::Sent {
            self.looks.send_modify(|looks| *looks += 1);
        }
    }

    fn trouble(&self, _: &MailboxId, _: Option<&str>, what: String, _: bool) {
        self.trouble.lock().unwrap().push(what);
        self.looks.send_modify(|looks| *looks += 1);
    }
}

fn maildir() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for subfolder in ["new", "cur", "tmp", ".Sent/new", ".Sent/cur"] {
        fs::create_dir_all(root.path().join(subfolder)).unwrap();
    }
    root
}

fn put(root: &Path, place: &str, age_secs: u64) {
    let path = root.join(place);
    fs::write(&path, format!("Subject: {place}\r\n\r\nHello")).unwrap();
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(modified - Duration::from_secs(age_secs))
        .unwrap();
}

fn source(root: &Path, table: &Arc<Table>) -> Arc<MaildirSource> {
    let settings = MaildirSettings::at(root);
    let clock = Arc::new(SystemClock);
    Arc::new(MaildirSource::new(
        "team".into(),
        settings,
        table.clone(),
        clock,
    ))
}

/// One run that ends after its first look at everything.
async fn look_once(root: &Path, table: &Arc<Table>) {
    let (stop, mut looks) = (Stop::new(), table.looks.subscribe());
    looks.mark_unchanged();
    let run = source(root, table).run(stop.clone());
    tokio::join!(run, async {
        looks.changed().await.unwrap();
        stop.trigger();
    });
}

#[tokio::test]
async fn the_first_visit_is_history_and_what_comes_later_is_live() {
    let (root, table) = (maildir(), Table::new());
    put(root.path(), "cur/1:2,S", 3000);
    put(root.path(), "new/2", 2000);
    put(root.path(), "tmp/3", 0);
    put(root.path(), "new/.4", 0);
    fs::create_dir(root.path().join("new/5")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.path().join("new/6")).unwrap();
    look_once(root.path(), &table).await;
    assert_eq!(table.taken(BatchMode::History), ["1", "2"]);

    fs::rename(root.path().join("new/2"), root.path().join("cur/2:2,S")).unwrap();
    put(root.path(), "cur/2:2,FS", 0); // the same message in two places
    put(root.path(), "new/7", 0);
    put(root.path(), ".Sent/cur/8:2,S", 0);
    look_once(root.path(), &table).await;
    assert_eq!(table.taken(BatchMode::History), ["1", "2"]);
    assert_eq!(table.taken(BatchMode::Live), ["7", "8"]);
    assert!(root.path().join("new/7").exists() && root.path().join("cur/2:2,S").exists());
}

#[tokio::test]
async fn a_crash_in_the_middle_of_history_neither_revives_old_mail_nor_loses_new_mail() {
    let (root, table) = (maildir(), Table::new());
    for number in 0..250 {
        put(root.path(), &format!("new/old{number:03}"), 3600);
    }
    *table.takes_left.lock().unwrap() = 2; // the line, and one portion
    look_once(root.path(), &table).await;
    assert_eq!(table.taken(BatchMode::History).len(), 100);
    assert!(table.trouble.lock().unwrap()[0].contains("crash"));

    // While it is down, a person reads an old message, and a new one arrives.
    fs::rename(
        root.path().join("new/old200"),
        root.path().join("cur/old200:2,S"),
    )
    .unwrap();
    put(root.path(), "new/fresh", 0);
    *table.takes_left.lock().unwrap() = usize::MAX;
    look_once(root.path(), &table).await;
    assert_eq!(table.taken(BatchMode::History).len(), 250);
    assert_eq!(table.taken(BatchMode::Live), ["fresh"]);
}

#[tokio::test]
async fn an_empty_maildir_draws_its_line_and_a_missing_one_does_not() {
    let (root, table) = (maildir(), Table::new());
    look_once(&root.path().join("nowhere"), &table).await;
    assert!(table.cursors.lock().unwrap().is_empty());
    let trouble = table.trouble.lock().unwrap()[0].clone();
    assert!(
        trouble.contains("nowhere") && trouble.contains("mounted"),
        "{trouble}"
    );

    fs::remove_dir_all(root.path().join(".Sent")).unwrap();
    look_once(root.path(), &table).await;
    assert_eq!(table.cursors.lock().unwrap().len(), 2);
    fs::create_dir_all(root.path().join(".Sent/cur")).unwrap();
    put(root.path(), ".Sent/cur/first:2,S", 0);
    look_once(root.path(), &table).await;
    assert_eq!(table.taken(BatchMode::Live), ["first"]);
}

#[tokio::test]
async fn two_thousand_files_come_oldest_first_and_once() {
    let (root, table) = (maildir(), Table::new());
    look_once(root.path(), &table).await;
    let base = fs::metadata(root.path()).unwrap().modified().unwrap();
    let age = |number: u64| (number * 7) % 500;
    for number in 0..2000 {
        let path = root.path().join(format!("new/{number:04}"));
        let file = fs::File::create(path).unwrap();
        file.set_modified(base - Duration::from_secs(age(number)))
            .unwrap();
    }
    look_once(root.path(), &table).await;
    look_once(root.path(), &table).await;
    let live = table.taken(BatchMode::Live);
    assert_eq!(live.len(), 2000);
    assert!(live.is_sorted_by_key(|name| std::cmp::Reverse(age(name.parse().unwrap()))));
}

#[tokio::test]
async fn a_delivery_is_noticed_while_it_runs() {
    let (root, table) = (maildir(), Table::new());
    let (stop, mut looks) = (Stop::new(), table.looks.subscribe());
    let run = source(root.path(), &table).run(stop.clone());
    let deliver = async {
        looks.changed().await.unwrap();
        put(root.path(), "tmp/9", 0);
        fs::rename(root.path().join("tmp/9"), root.path().join("new/9")).unwrap();
        while table.taken(BatchMode::Live).is_empty() {
            looks.changed().await.unwrap();
        }
        stop.trigger();
    };
    let limit = Duration::from_secs(20); // well below rescan_secs
    let both = async { tokio::join!(run, deliver) };
    tokio::time::timeout(limit, both)
        .await
        .expect("seen by inotify");
    assert_eq!(table.taken(BatchMode::Live), ["9"]);
}

#[tokio::test]
async fn a_poke_makes_it_look_at_once() {
    let (root, table) = (maildir(), Table::new());
    let (stop, mut looks) = (Stop::new(), table.looks.subscribe());
    let source = source(root.path(), &table);
    let poke = source.poke_handle();
    let run = source.run(stop.clone());
    let limit = Duration::from_secs(20); // well below rescan_secs
    let both = async {
        tokio::join!(run, async {
            looks.changed().await.unwrap();
            poke.poke();
            looks.changed().await.unwrap();
            stop.trigger();
        })
    };
    tokio::time::timeout(limit, both).await.expect("poked");
}

#[test]
fn the_line_parts_old_from_new() {
    let line = Timestamp(100 * MINUTE_MS);
    let minute = |minutes: i64| Timestamp(minutes * MINUTE_MS);
    for (modified, changed, history, case) in [
        (50, 50, true, "lay there"),
        (50, 101, true, "old, renamed by a reader after the line"),
        (500, 50, true, "lay there, dated into the future"),
        (101, 101, false, "delivered after the line"),
        (99, 101, false, "being delivered when the line was drawn"),
    ] {
        let times = Times {
            modified: minute(modified),
            changed: minute(changed),
        };
        assert_eq!(times.before_line(line), history, "{case}");
    }
}

#[test]
fn what_moved_is_found_and_what_cannot_be_read_is_named() {
    let root = maildir();
    for place in ["new/moved", "new/deleted", "new/odd", "new/denied"] {
        put(root.path(), place, 5);
    }
    let listed = listing::list(root.path(), Subfolders::MustExist).unwrap();
    let fresh = content::with_times(root.path(), listed).unwrap().fresh;
    let at = |place: &str| root.path().join(place);
    fs::rename(at("new/moved"), at("cur/moved:2,RS")).unwrap();
    fs::remove_file(at("new/deleted")).unwrap();
    fs::remove_file(at("new/odd")).unwrap();
    fs::create_dir(at("new/odd")).unwrap();
    fs::set_permissions(at("new/denied"), fs::Permissions::from_mode(0o000)).unwrap();
    let arrived = content::read(root.path(), fresh).unwrap();
    let of = |locator: &str| arrived.iter().find(|one| one.locator == locator);
    assert_eq!(of("moved").unwrap().flags, ["R", "S"]);
    assert!(matches!(of("moved").unwrap().content, Content::Message(_)));
    assert!(matches!(of("deleted").unwrap().content, Content::Vanished));
    let Content::Unfetchable { reason } = &of("odd").unwrap().content else {
        panic!("a folder is no message");
    };
    assert!(reason.contains("new/odd"), "{reason}");
}

/// What an error says of a file, and what of us.
#[test]
fn errors_of_a_read_are_told_apart() {
    use content::{Meaning, meaning};
    let error = std::io::Error::from_raw_os_error;
    for (error, expected) in [
        (error(libc::ENOENT), Meaning::Gone),
        (error(libc::EMFILE), Meaning::Shortage),
        (error(libc::ENFILE), Meaning::Shortage),
        (error(libc::ENOMEM), Meaning::Shortage),
        (error(libc::EIO), Meaning::NotNow),
        (error(libc::EACCES), Meaning::NotNow),
        (error(libc::ESTALE), Meaning::NotNow),
        (error(libc::ELOOP), Meaning::Never),
        (std::io::Error::other("it is no plain file"), Meaning::Never),
    ] {
        assert_eq!(meaning(&error), expected, "{error}");
    }
}

/// A file that is waited for: read when it can be, in the mode of its first try, and told when it
/// is gone for good. One that is not due is left alone.
#[tokio::test]
async fn what_could_not_be_read_is_read_again_when_it_is_due() {
    let (root, table) = (maildir(), Table::new());
    look_once(root.path(), &table).await;
    for place in ["new/due", "new/later", "new/gone"] {
        put(root.path(), place, 0);
    }
    let now = SystemClock.now();
    let hour = |hours: i64| now.plus_millis(hours * 60 * MINUTE_MS);
    for (locator, mode, due) in [
        ("due", BatchMode::History, hour(-1)),
        ("later", BatchMode::Live, hour(1)),
        ("gone", BatchMode::Live, hour(-1)),
    ] {
        let locator = locator.to_owned();
        let (place, unread) = (locator.clone(), Unread { locator, mode, due });
        table.unread.lock().unwrap().insert(place, unread);
    }
    fs::remove_file(root.path().join("new/gone")).unwrap();
    look_once(root.path(), &table).await;
    assert_eq!(table.taken(BatchMode::History), ["due"]);
    let taken = table.taken.lock().unwrap();
    let gone: Vec<_> = taken
        .iter()
        .filter(|(.., bytes)| bytes == b"vanished")
        .collect();
    assert!(matches!(&gone[..], [(BatchMode::Live, name, _)] if name == "gone"));
    assert!(table.unread.lock().unwrap().contains_key("later"));
}

#[tokio::test]
async fn the_line_is_drawn_before_anything_is_read_and_only_the_newest_history_is_recorded() {
    let (root, table) = (maildir(), Table::new());
    for number in 0..30 {
        put(
            root.path(),
            &format!("new/old{number:02}"),
            3_000 - number * 10,
        );
    }
    let look = async |root: &Path| {
        let (stop, mut looks) = (Stop::new(), table.looks.subscribe());
        looks.mark_unchanged();
        let mut settings = MaildirSettings::at(root);
        settings.history_messages_max = 5;
        let clock = Arc::new(SystemClock);
        let source = MaildirSource::new("team".into(), settings, table.clone(), clock);
        tokio::join!(Arc::new(source).run(stop.clone()), async {
            looks.changed().await.unwrap();
            stop.trigger();
        });
    };
    *table.takes_left.lock().unwrap() = 1;
    look(root.path()).await;
    assert_eq!(table.cursors.lock().unwrap().len(), 1, "the line alone");
    assert!(table.taken.lock().unwrap().is_empty());
    *table.takes_left.lock().unwrap() = usize::MAX;
    let newest = ["old25", "old26", "old27", "old28", "old29"];
    for _ in 0..2 {
        look(root.path()).await;
        assert_eq!(table.taken(BatchMode::History), newest);
    }
    put(root.path(), "new/fresh", 0);
    look(root.path()).await;
    assert_eq!(table.taken(BatchMode::History), newest);
    assert_eq!(table.taken(BatchMode::Live), ["fresh"]);
}

#[test]
fn a_message_over_the_cap_gives_its_header() {
    let root = maildir();
    put(root.path(), "new/big", 0);
    let file = fs::File::options()
        .write(true)
        .open(root.path().join("new/big"))
        .unwrap();
    file.set_len(MESSAGE_BYTES_MAX + 1).unwrap();
    let listed = listing::list(root.path(), Subfolders::MustExist).unwrap();
    let fresh = content::with_times(root.path(), listed).unwrap().fresh;
    let arrived = content::read(root.path(), fresh).unwrap();
    let Content::HeaderOnly { header, size } = &arrived[0].content else {
        panic!("over the cap");
    };
    assert_eq!(&header[..], b"Subject: new/big\r\n\r\n");
    assert_eq!(*size, MESSAGE_BYTES_MAX + 1);
}

#[test]
fn settings_say_what_is_wrong_with_them() {
    let parsed: MaildirSettings = toml::from_str("path = \"/m\"\nsent = \"\"").unwrap();
    assert_eq!(
        (parsed.drafts.as_str(), parsed.rescan_secs),
        (".Drafts", 60)
    );
    assert!(parsed.problems().is_empty());
    assert!(toml::from_str::<MaildirSettings>("path = \"/m\"\nfolder = 1").is_err());
    let mut wrong = MaildirSettings::at("/m");
    wrong.sent = "../Sent".to_owned();
    wrong.rescan_secs = 0;
    assert_eq!(wrong.problems().len(), 2);
}
