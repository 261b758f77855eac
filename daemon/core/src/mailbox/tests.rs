use super::*;
use crate::happening::Subject;
use crate::time::MINUTE_MS;

const NOW: Timestamp = Timestamp(1_772_445_600_000);

fn flag(flag: MailFlag, on: bool) -> MailboxChange {
    MailboxChange::Flag { flag, on }
}

fn keyword(keyword: &str) -> MailboxChange {
    MailboxChange::Keyword {
        keyword: keyword.to_owned(),
        on: true,
    }
}

fn folder(name: &str) -> MailboxChange {
    MailboxChange::Move(name.to_owned())
}

fn label(name: &str) -> MailboxChange {
    MailboxChange::Label(name.to_owned())
}

fn effect(id: &str, change: MailboxChange) -> MailboxEffect {
    MailboxEffect {
        id: id.into(),
        cause: Cause {
            plugin: "filer".into(),
            plugin_version: "1".to_owned(),
            plugin_digest: String::new(),
            label: id.to_owned(),
            event_seq: 1,
            cause: "m1".to_owned(),
            subject: Subject::default(),
            reason: String::new(),
            rule: None,
        },
        message: "m1".into(),
        mailbox: "sales".into(),
        change,
        state: MailboxState::Planned,
        since: NOW,
        attempts: 0,
        declined: 0,
        not_before: NOW,
        last_trouble: None,
        created: NOW,
    }
}

#[test]
fn only_names_that_can_do_no_harm_reach_a_mailbox() {
    let long = "k".repeat(KEYWORD_BYTES_MAX);
    let deep = "d".repeat(FOLDER_CHARS_MAX);
    for (change, fits) in [
        (flag(MailFlag::Seen, true), true),
        (keyword("customer-acme"), true),
        (keyword("$Forwarded"), true),
        (keyword(&long), true),
        (keyword(&format!("{long}k")), false),
        (keyword(""), false),
        (keyword("two words"), false),
        (keyword("\\Deleted"), false),
        (keyword("a)b"), false),
        (keyword("a]"), false),
        (keyword("a\r\nX LOGOUT"), false),
        (keyword("größe"), false),
        (folder("Archive"), true),
        (folder("INBOX"), true),
        (folder("Kunden/Müller & Söhne"), true),
        (folder(".Archive.2026"), true),
        (folder(&deep), true),
        (folder(&format!("{deep}d")), false),
        (folder(""), false),
        (folder(" Archive"), false),
        (folder("/etc"), false),
        (folder("a/../b"), false),
        (folder("Arch*"), false),
        (folder("a\nb"), false),
        (label("Leads"), true),
        (label("Größe \"1\""), true),
        (label("\\Trash"), false),
        (label("a\u{0}"), false),
        (label(""), false),
    ] {
        assert_eq!(change.problem().is_none(), fits, "{change:?}");
    }
}

#[test]
fn a_move_leads_to_the_folder_that_a_source_calls_by_another_name() {
    for (to, source, same) in [
        ("Archive", "Archive", true),
        ("Archive", ".Archive", true),
        ("Customers/Acme", ".Customers.Acme", true),
        ("inbox", "INBOX", true),
        ("Sent", "INBOX", false),
        ("archive", "Archive", false),
    ] {
        assert_eq!(folder(to).leads_to(source), same, "{to} {source}");
    }
    assert!(!label("Sent").leads_to("Sent"));
}

#[test]
fn a_grant_permits_what_it_names_and_nothing_else() {
    let changes = [
        flag(MailFlag::Seen, true),
        flag(MailFlag::Flagged, false),
        keyword("customer-acme"),
        keyword("customer"),
        keyword("$Junk"),
        folder("Archive"),
        folder("Archive/2026"),
        label("Leads"),
    ];
    for (word, permitted) in [
        ("flag", vec![0, 1]),
        ("flag:flagged", vec![1]),
        ("keyword:customer-*", vec![2]),
        ("keyword:*", vec![2, 3]),
        ("keyword:$*", vec![4]),
        ("keyword:$Junk", vec![4]),
        ("move:Archive", vec![5]),
        ("move:Archive/*", vec![6]),
        ("move:*", vec![5, 6]),
        ("label:Leads", vec![7]),
        ("label:*", vec![7]),
    ] {
        let grants = MailboxGrants::parse(&[word.to_owned()]).unwrap();
        let found = changes.iter().enumerate();
        let found: Vec<usize> = found
            .filter(|(_, change)| grants.permit(change))
            .map(|(at, _)| at)
            .collect();
        assert_eq!(found, permitted, "{word}");
    }
    assert!(!MailboxGrants::default().permit(&changes[0]));
    for change in &changes {
        let word = MailboxGrants::word_for(change);
        let grants = MailboxGrants::parse(std::slice::from_ref(&word)).unwrap();
        assert!(grants.permit(change), "{word}");
    }
}

#[test]
fn a_word_that_is_no_grant_is_named() {
    for word in [
        "",
        "flags",
        "flag:deleted",
        "flag:*",
        "keyword",
        "keyword:",
        "keyword:a b",
        "keyword:a*b",
        "move:",
        "move:../x",
        "label:\\Trash",
        "delete",
    ] {
        let words = ["flag".to_owned(), word.to_owned()];
        let errors = MailboxGrants::parse(&words).unwrap_err();
        assert_eq!(errors.len(), 1, "{word}");
        assert_eq!(errors[0].word, word);
    }
    let many = vec!["flag".to_owned(); 101];
    assert_eq!(MailboxGrants::parse(&many).unwrap_err().len(), 1);
}

#[test]
fn each_end_of_a_try_has_its_state_and_its_next_time() {
    let why = || "why".to_owned();
    let dead = |needs_person| Tried::Unreachable {
        why: why(),
        needs_person,
    };
    let later = NOW.plus_millis(7);
    for (tried, state, wait, declined) in [
        (Tried::Done, MailboxState::Done, 0, 0),
        (Tried::Refused(why()), MailboxState::Refused(why()), 0, 0),
        (Tried::Gone(why()), MailboxState::Gone(why()), 0, 0),
        (Tried::Declined(why()), MailboxState::Planned, MINUTE_MS, 1),
        (dead(false), MailboxState::Planned, MINUTE_MS, 0),
        (dead(true), MailboxState::Planned, HOUR_MS, 0),
        (Tried::NotYet(later), MailboxState::Planned, 7, 0),
    ] {
        let before = effect("e", keyword("a")).begun().unwrap();
        let after = before.after(tried.clone(), NOW, 0).unwrap();
        assert_eq!(after.state, state, "{tried:?}");
        assert_eq!(after.not_before.since(NOW), wait, "{tried:?}");
        assert_eq!((after.attempts, after.declined), (1, declined), "{tried:?}");
        let is_trouble = !after.state.is_final() && !matches!(tried, Tried::NotYet(_));
        assert_eq!(after.last_trouble.is_some(), is_trouble, "{tried:?}");
        if after.state.is_final() {
            assert_eq!(after.begun(), None, "{tried:?}");
            assert_eq!(after.after(Tried::Done, NOW, 0), None, "{tried:?}");
        }
    }
}

#[test]
fn a_dead_server_is_waited_for_without_end_and_a_refusing_one_is_not() {
    let mut waiting = effect("e", folder("Archive"));
    for _ in 0..1_000 {
        let dead = Tried::Unreachable {
            why: "no connection".to_owned(),
            needs_person: false,
        };
        waiting = waiting.begun().unwrap().after(dead, NOW, 0).unwrap();
        assert!(waiting.not_before.since(NOW) <= 5 * MINUTE_MS);
    }
    assert_eq!(waiting.state, MailboxState::Planned);
    let mut tries = 0;
    while !waiting.state.is_final() {
        let no = Tried::Declined("no such mailbox".to_owned());
        waiting = waiting.begun().unwrap().after(no, NOW, 0).unwrap();
        tries += 1;
    }
    assert_eq!(tries, DECLINED_MAX);
    assert_eq!(waiting.state.as_str(), "failed");
    assert_eq!(waiting.state.why(), Some("no such mailbox"));
}

#[test]
fn a_move_waits_for_what_is_to_be_done_where_the_message_lies() {
    let moving = effect("a", folder("Archive"));
    let mut marking = effect("b", keyword("k"));
    marking.not_before = NOW.plus_millis(MINUTE_MS);
    let others = [moving.clone(), marking.clone()];
    assert_eq!(moving.waits_for(&others), Some(marking.not_before));
    assert_eq!(marking.waits_for(&others), None);
    let done = MailboxEffect {
        state: MailboxState::Done,
        ..marking.clone()
    };
    let elsewhere = MailboxEffect {
        mailbox: "support".into(),
        ..marking
    };
    let second = effect("c", folder("INBOX"));
    assert_eq!(moving.waits_for(&[done, elsewhere, second]), None);
}
