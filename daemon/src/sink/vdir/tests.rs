use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::*;

const UID: &str = "hold.0af@example.com";
const FILE: &str = "hold.0af@example.com.ics";

fn object(summary: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:{UID}\r\nSUMMARY:{summary}\r\nEND:VEVENT\r\n\
         END:VCALENDAR\r\n"
    )
}

fn calendar(root: &Path) -> VdirCalendar {
    VdirCalendar::new("team".into(), VdirSettings::at(root))
}

fn known(changes: &CalendarChanges) -> BTreeMap<String, String> {
    let changed = changes.changed.iter();
    changed
        .map(|file| (file.href.clone(), file.etag.clone()))
        .collect()
}

fn hrefs(files: &[CalendarFile]) -> Vec<&str> {
    let mut hrefs: Vec<&str> = files.iter().map(|file| file.href.as_str()).collect();
    hrefs.sort_unstable();
    hrefs
}

fn names(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn set_time(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

#[tokio::test]
async fn changes_are_what_differs_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let calendar = calendar(root.path());
    for name in [
        "a.ics",
        "B.ICS",
        "c.ics",
        "d.tmp",
        ".e.ics",
        "noext",
        "f.ics.tmp",
    ] {
        fs::write(root.path().join(name), object(name)).unwrap();
    }
    fs::create_dir(root.path().join("folder.ics")).unwrap();
    let first = calendar.changes(&BTreeMap::new()).await.unwrap();
    assert_eq!(hrefs(&first.changed), ["B.ICS", "a.ics", "c.ics"]);
    let known = known(&first);
    let none = calendar.changes(&known).await.unwrap();
    assert!(none.changed.is_empty() && none.removed.is_empty());

    fs::remove_file(root.path().join("a.ics")).unwrap();
    fs::write(root.path().join("c.ics"), object("moved")).unwrap();
    set_time(&root.path().join("B.ICS"), 1000); // touched: the same bytes
    let second = calendar.changes(&known).await.unwrap();
    assert_eq!(hrefs(&second.changed), ["c.ics"]);
    assert_eq!(second.removed, ["a.ics"]);
}

#[tokio::test]
async fn a_second_write_within_the_same_tick_is_seen() {
    let root = tempfile::tempdir().unwrap();
    let (calendar, path) = (calendar(root.path()), root.path().join("a.ics"));
    fs::write(&path, object("one")).unwrap();
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    let known = known(&calendar.changes(&BTreeMap::new()).await.unwrap());
    fs::write(&path, object("two")).unwrap(); // the same inode and size
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(written).unwrap();
    let second = calendar.changes(&known).await.unwrap();
    assert_eq!(hrefs(&second.changed), ["a.ics"]);
}

#[tokio::test]
async fn an_unreadable_object_is_named_and_keeps_its_last_good_copy() {
    let root = tempfile::tempdir().unwrap();
    let calendar = calendar(root.path());
    fs::write(root.path().join("a.ics"), object("whole")).unwrap();
    let known = known(&calendar.changes(&BTreeMap::new()).await.unwrap());
    fs::write(root.path().join("a.ics"), "BEGIN:VCALENDAR\r\nBEGIN:VEV").unwrap();
    let changes = calendar.changes(&known).await.unwrap();
    assert!(changes.changed.is_empty() && changes.removed.is_empty());
    let [(href, problem)] = changes.unreadable.try_into().unwrap();
    assert!(href == "a.ics" && problem.contains("END:VCALENDAR"));
}

#[tokio::test]
async fn two_thousand_objects_and_a_folder_that_empties_at_once() {
    let root = tempfile::tempdir().unwrap();
    let mut calendar = calendar(root.path());
    for number in 0..2000 {
        fs::write(root.path().join(format!("{number}.ics")), object("x")).unwrap();
    }
    let first = calendar.changes(&BTreeMap::new()).await.unwrap();
    assert_eq!(first.changed.len(), 2000);
    let known = known(&first);
    for number in 0..1001 {
        fs::remove_file(root.path().join(format!("{number}.ics"))).unwrap();
    }
    let error = calendar.changes(&known).await.unwrap_err();
    assert!(
        error.permanent && error.why.contains("1001 of 2000"),
        "{error}"
    );
    calendar.settings.gone_percent_max = 100;
    assert_eq!(calendar.changes(&known).await.unwrap().removed.len(), 1001);

    fs::remove_dir_all(root.path()).unwrap();
    let error = calendar.changes(&known).await.unwrap_err();
    assert!(error.why.contains("mounted") && !error.permanent, "{error}");
}

#[tokio::test]
async fn creating_again_finds_what_is_there() {
    let root = tempfile::tempdir().unwrap();
    let calendar = calendar(root.path());
    fs::write(root.path().join(format!(".{FILE}.tmp")), "half a f").unwrap(); // a crash
    let created = calendar.create(UID, &object("hold")).await.unwrap();
    let Created::New(CalendarFile { href, etag, .. }) = created else {
        panic!("{created:?}");
    };
    assert_eq!(
        (href.as_str(), names(root.path())),
        (FILE, vec![FILE.to_owned()])
    );
    fs::write(root.path().join(FILE), object("edited")).unwrap();
    let created = calendar.create(UID, &object("hold")).await.unwrap();
    let Created::Exists(there) = created else {
        panic!("{created:?}");
    };
    assert_eq!(there.data, object("edited"));
    assert_ne!(there.etag, etag);
    assert_eq!(calendar.fetch(FILE).await.unwrap(), Some(there));
    assert_eq!(calendar.fetch("other.ics").await.unwrap(), None);
}

#[tokio::test]
async fn a_persons_edit_wins_over_a_deletion() {
    let root = tempfile::tempdir().unwrap();
    let calendar = calendar(root.path());
    let created = calendar.create(UID, &object("hold")).await.unwrap();
    let Created::New(CalendarFile { href, etag, .. }) = created else {
        panic!("{created:?}");
    };
    fs::write(root.path().join(FILE), object("edited")).unwrap();
    let deleted = calendar.delete(&href, &etag).await.unwrap();
    let Deleted::Changed(current) = deleted else {
        panic!("{deleted:?}");
    };
    assert_eq!(current.data, object("edited"));
    set_time(&root.path().join(FILE), 1000); // touched, not edited
    for _ in 0..2 {
        let gone = calendar.delete(&href, &current.etag).await.unwrap();
        assert_eq!(gone, Deleted::Gone);
        assert!(names(root.path()).is_empty());
    }
}

#[tokio::test]
async fn a_file_is_replaced_only_while_it_is_as_known() {
    let root = tempfile::tempdir().unwrap();
    let calendar = calendar(root.path());
    let created = calendar.create(UID, &object("hold")).await.unwrap();
    let Created::New(CalendarFile { href, etag, .. }) = created else {
        panic!("{created:?}");
    };
    let updated = calendar.update(&href, &etag, &object("meeting")).await;
    let Updated::Done(done) = updated.unwrap() else {
        panic!("not replaced");
    };
    assert_eq!(done.data, object("meeting"));
    assert_eq!(names(root.path()), [FILE]);
    fs::write(root.path().join(FILE), object("edited")).unwrap();
    for known in [&etag, &done.etag] {
        let updated = calendar.update(&href, known, &object("again")).await;
        let Updated::Changed(current) = updated.unwrap() else {
            panic!("an edit was overwritten");
        };
        assert_eq!(current.data, object("edited"));
    }
    fs::remove_file(root.path().join(FILE)).unwrap();
    let updated = calendar.update(&href, &done.etag, &object("again")).await;
    assert_eq!(updated.unwrap(), Updated::Gone);
    assert!(
        names(root.path()).is_empty(),
        "what was removed is not made again"
    );
}

#[tokio::test]
async fn a_file_that_a_crash_left_aside_comes_back_unless_a_newer_one_is_there() {
    let root = tempfile::tempdir().unwrap();
    let calendar = calendar(root.path());
    let aside = root.path().join(format!(".{FILE}.liaison-aside.tmp"));
    fs::write(&aside, object("older")).unwrap();
    let changes = calendar.changes(&BTreeMap::new()).await.unwrap();
    assert_eq!(changes.changed[0].data, object("older"));
    assert!(!aside.exists());

    fs::write(&aside, object("older edit")).unwrap();
    fs::write(root.path().join(FILE), object("newer edit")).unwrap();
    let changes = calendar.changes(&BTreeMap::new()).await.unwrap();
    assert_eq!(hrefs(&changes.changed), [FILE]);
    assert_eq!(changes.changed[0].data, object("newer edit"));
    assert!(
        names(root.path())
            .iter()
            .any(|name| name.ends_with(".kept.tmp"))
    );
}

#[tokio::test]
async fn names_that_lead_out_of_the_folder_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let calendar = calendar(root.path());
    for href in ["../a.ics", "/etc/passwd", ".a.ics", "a.txt", ""] {
        assert!(calendar.fetch(href).await.unwrap_err().permanent, "{href}");
        let etag = "1-1-1-s-00";
        assert!(
            calendar.delete(href, etag).await.unwrap_err().permanent,
            "{href}"
        );
    }
    assert!(
        calendar
            .delete(FILE, "\"abc\"")
            .await
            .unwrap_err()
            .permanent
    );
}

#[tokio::test]
async fn a_saved_file_ends_the_wait() {
    let root = tempfile::tempdir().unwrap();
    let calendar = calendar(root.path());
    calendar.probe().await.unwrap();
    calendar.changes(&BTreeMap::new()).await.unwrap();
    fs::write(root.path().join("a.ics"), object("new")).unwrap();
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, calendar.wait(&|| crate::sink::Pace::Usual))
        .await
        .expect("seen by inotify");
}

#[test]
fn settings_say_what_is_wrong_with_them() {
    let parsed: VdirSettings = toml::from_str("path = '/c'").unwrap();
    assert_eq!((parsed.rescan_secs, parsed.gone_percent_max), (600, 50));
    assert!(parsed.problems().is_empty());
    assert!(toml::from_str::<VdirSettings>("path = '/c'\nurl = 'x'").is_err());
    let wrong = "path = ''\nrescan_secs = 0\ngone_percent_max = 101";
    let wrong: VdirSettings = toml::from_str(wrong).unwrap();
    assert_eq!(wrong.problems().len(), 3);
}
