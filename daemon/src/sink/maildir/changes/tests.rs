use super::*;

struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new(folders: &[&str]) -> Home {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["."].iter().chain(folders) {
            for part in ["tmp", "new", "cur"] {
                fs::create_dir_all(dir.path().join(folder).join(part)).unwrap();
            }
        }
        Home { dir }
    }

    fn put(&self, place: &str) {
        fs::write(self.dir.path().join(place), b"Subject: x\r\n\r\nx\r\n").unwrap();
    }

    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        for folder in fs::read_dir(self.dir.path()).unwrap() {
            let folder = folder.unwrap().file_name().into_string().unwrap();
            let parts: &[&str] = match folder.as_str() {
                "new" | "cur" | "tmp" => &[""],
                _ => &["new", "cur", "tmp"],
            };
            for part in parts {
                let path = Path::new(&folder).join(part);
                for file in fs::read_dir(self.dir.path().join(&path)).unwrap() {
                    let path = path.join(file.unwrap().file_name());
                    found.push(path.to_string_lossy().into_owned());
                }
            }
        }
        found.sort();
        found
    }

    fn change(&self, change: MailboxChange, locator: &str) -> Changed {
        let order = Order {
            change,
            place: Place {
                folder: "INBOX".to_owned(),
                locator: locator.to_owned(),
            },
            message_id: None,
            again: false,
        };
        super::change(self.dir.path(), &order).unwrap()
    }
}

fn flag(flag: MailFlag, on: bool) -> MailboxChange {
    MailboxChange::Flag { flag, on }
}

fn archive() -> MailboxChange {
    MailboxChange::Move("Archive".to_owned())
}

#[test]
fn a_flag_is_a_letter_and_everything_else_of_the_name_stays() {
    for (before, change, after) in [
        ("new/1.a.h", flag(MailFlag::Seen, true), "cur/1.a.h:2,S"),
        ("new/1.a.h", flag(MailFlag::Flagged, true), "cur/1.a.h:2,F"),
        ("new/1.a.h", flag(MailFlag::Seen, false), "new/1.a.h"),
        (
            "cur/1.a.h:2,FS",
            flag(MailFlag::Answered, true),
            "cur/1.a.h:2,FRS",
        ),
        (
            "cur/1.a.h:2,FRS",
            flag(MailFlag::Seen, false),
            "cur/1.a.h:2,FR",
        ),
        (
            "cur/1.a.h:2,Sab",
            flag(MailFlag::Flagged, true),
            "cur/1.a.h:2,FSab",
        ),
        ("cur/1.a.h:2,S", flag(MailFlag::Seen, true), "cur/1.a.h:2,S"),
    ] {
        let mailbox = Home::new(&[]);
        mailbox.put(before);
        let changed = mailbox.change(change.clone(), "1.a.h");
        assert!(
            matches!(changed, Changed::Done { .. }),
            "{before}: {changed:?}"
        );
        assert_eq!(mailbox.files(), [after], "{before} {change}");
        mailbox.change(change, "1.a.h");
        assert_eq!(mailbox.files(), [after], "{before} again");
    }
}

#[test]
fn what_a_maildir_cannot_do_is_refused_and_changes_nothing() {
    let keyword = MailboxChange::Keyword {
        keyword: "vip".to_owned(),
        on: true,
    };
    let label = MailboxChange::Label("Leads".to_owned());
    let mailbox = Home::new(&[]);
    mailbox.put("cur/1.a.h:2,");
    mailbox.put("cur/2.a.h:1,x");
    for change in [keyword, label] {
        let changed = mailbox.change(change, "1.a.h");
        assert!(matches!(changed, Changed::Refused(_)), "{changed:?}");
    }
    let changed = mailbox.change(flag(MailFlag::Seen, true), "2.a.h");
    assert!(matches!(changed, Changed::Refused(_)), "{changed:?}");
    let changed = mailbox.change(flag(MailFlag::Seen, true), "3.a.h");
    assert!(matches!(changed, Changed::Gone(_)), "{changed:?}");
    let changed = mailbox.change(archive(), "1.a.h");
    assert!(matches!(&changed, Changed::Declined(why) if why.contains("no folder Archive")));
    assert_eq!(mailbox.files(), ["cur/1.a.h:2,", "cur/2.a.h:1,x"]);
}

#[test]
fn a_message_is_moved_with_its_flags_and_replaces_nothing() {
    for (before, there, after, locator) in [
        ("new/1.a.h", None, ".Archive/cur/1.a.h:2,", "1.a.h"),
        ("cur/1.a.h:2,FS", None, ".Archive/cur/1.a.h:2,FS", "1.a.h"),
        (
            "cur/1.a.h:2,S",
            Some(".Archive/cur/1.a.h:2,F"),
            ".Archive/cur/1.a.h_l1:2,S",
            "1.a.h_l1",
        ),
    ] {
        let mailbox = Home::new(&[".Archive"]);
        mailbox.put(before);
        if let Some(there) = there {
            mailbox.put(there);
        }
        let Changed::Done { place, .. } = mailbox.change(archive(), "1.a.h") else {
            panic!("{before}");
        };
        let place = place.unwrap();
        assert_eq!(
            (place.folder.as_str(), place.locator.as_str()),
            (".Archive", locator)
        );
        let mut expected: Vec<&str> = there.into_iter().chain([after]).collect();
        expected.sort_unstable();
        assert_eq!(mailbox.files(), expected, "{before}");
        // Again, as after a crash: it is where it should be.
        let again = mailbox.change(archive(), "1.a.h");
        assert!(matches!(again, Changed::Done { .. }), "{again:?}");
        assert_eq!(mailbox.files(), expected, "{before} again");
    }
}

#[test]
fn folders_are_found_under_the_names_that_people_give_them() {
    let root = Path::new("/m");
    for (name, path) in [
        ("INBOX", "/m"),
        ("inbox", "/m"),
        ("Archive", "/m/.Archive"),
        (".Archive", "/m/.Archive"),
        ("Customers/Acme", "/m/.Customers.Acme"),
    ] {
        assert_eq!(folder_of(root, name), Path::new(path), "{name}");
    }
}

#[tokio::test]
async fn a_disk_that_is_not_mounted_is_trouble_and_no_empty_mailbox() {
    let dir = tempfile::tempdir().unwrap();
    let mailbox = MaildirMailbox::new(MaildirSettings::at(dir.path().join("absent")));
    let error = mailbox.open().await.err().unwrap();
    assert!(
        !error.needs_person && error.what.contains("absent"),
        "{error}"
    );
}

#[test]
fn a_moved_file_takes_neither_the_uid_nor_the_keywords_of_its_old_folder_along() {
    let home = Home::new(&[".Archive"]);
    home.put("cur/1.host,S=5,U=7:2,Sab");
    let moved = home.change(archive(), "1.host,S=5,U=7");
    let Changed::Done { place, .. } = moved else {
        panic!("{moved:?}")
    };
    assert_eq!(place.unwrap().locator, "1.host,S=5");
    assert_eq!(home.files(), [".Archive/cur/1.host,S=5:2,S"]);
    // A try whose end was not recorded.
    let again = home.change(archive(), "1.host,S=5,U=7");
    assert!(matches!(again, Changed::Done { .. }), "{again:?}");
}

#[test]
fn a_file_that_was_given_a_uid_meanwhile_is_the_same() {
    let home = Home::new(&[]);
    home.put("cur/1.host,U=7:2,");
    let changed = home.change(flag(MailFlag::Seen, true), "1.host");
    assert_eq!(changed, Changed::done("renamed"));
    assert_eq!(home.files(), ["cur/1.host,U=7:2,S"]);
    home.put("cur/2.host,U=8:2,");
    home.put("cur/2.host,U=9:2,");
    let changed = home.change(flag(MailFlag::Seen, true), "2.host");
    assert!(matches!(changed, Changed::Gone(_)), "{changed:?}");
}

#[test]
fn a_folder_that_is_not_there_is_a_disk_that_is_not_mounted() {
    let home = Home::new(&[]);
    fs::remove_dir(home.dir.path().join("cur")).unwrap();
    let order = Order {
        change: flag(MailFlag::Seen, true),
        place: Place {
            folder: "INBOX".to_owned(),
            locator: "1.host".to_owned(),
        },
        message_id: None,
        again: false,
    };
    assert!(super::change(home.dir.path(), &order).is_err());
}
