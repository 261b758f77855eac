use liaison_core::ids::MailboxId;

use super::*;

fn folder(name: &str) -> FolderRef {
    FolderRef {
        mailbox: MailboxId::from("sales"),
        folder: name.to_owned(),
        role: match name {
            "INBOX" => FolderRole::Inbox,
            _ => FolderRole::Sent,
        },
    }
}

fn sales() -> Watched {
    Watched {
        kind: SourceKind::Mail,
        source: "sales".to_owned(),
        stale_after_ms: 60_000,
    }
}

/// Watches `sales` from 0 on.
fn watching() -> Freshness {
    let freshness = Freshness::default();
    freshness.watch(vec![sales()], &[], Timestamp(0), Timestamp(5_000));
    freshness
}

fn words(freshness: &Freshness, at: i64) -> Vec<String> {
    let faults = freshness.faults(Timestamp(at));
    faults.into_iter().map(|fault| fault.what).collect()
}

fn refused(freshness: &Freshness, folder: Option<&str>) {
    let trouble = ("refused".to_owned(), true);
    freshness.mail_trouble(&MailboxId::from("sales"), folder, trouble);
}

#[test]
fn a_mailbox_is_as_fresh_as_its_oldest_folder() {
    let freshness = watching();
    assert!(words(&freshness, 60_000).is_empty());
    let never = words(&freshness, 61_000);
    assert!(never[0].contains("since the start"), "{never:?}");
    freshness.mail_proven(&folder("INBOX"), Timestamp(50_000), "IDLE");
    freshness.mail_proven(&folder("Sent"), Timestamp(10_000), "IDLE");
    let sent = words(&freshness, 71_000);
    assert!(sent[0].starts_with("Sent is not proven"), "{sent:?}");
    freshness.folders(&MailboxId::from("sales"), &["INBOX"], Timestamp(71_000));
    assert!(words(&freshness, 71_000).is_empty(), "it has no Sent now");
    freshness.not_overdue_before(Timestamp(200_000));
    assert!(words(&freshness, 190_000).is_empty(), "just woken up");
    let trouble = ("no route".to_owned(), false);
    freshness.mail_trouble(&MailboxId::from("sales"), None, trouble);
    let late = words(&freshness, 200_000);
    assert!(late[0].ends_with("allowed): no route"), "{late:?}");
}

#[test]
fn what_was_proven_before_the_start_counts_and_a_refusal_is_told_at_once() {
    let freshness = Freshness::default();
    let before = [(sales(), "INBOX".to_owned(), Timestamp(0))];
    freshness.watch(vec![sales()], &before, Timestamp(50_000), Timestamp(55_000));
    assert_eq!(words(&freshness, 61_000).len(), 1);
    refused(&freshness, None);
    for at in [52_000, 61_000] {
        let faults = freshness.faults(Timestamp(at));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(!faults[0].stale && faults[0].what.contains("refused"));
    }
}

#[test]
fn the_trouble_of_a_folder_ends_with_its_own_proof_and_that_of_the_mailbox_with_the_inbox() {
    // Where the trouble is, what is proven, whether it is over.
    for (troubled, proven, over) in [
        (Some("Sent"), "INBOX", false),
        (Some("Sent"), "Sent", true),
        (Some("INBOX"), "Sent", false),
        (Some("INBOX"), "INBOX", true),
        (None, "Sent", false),
        (None, "INBOX", true),
    ] {
        let freshness = watching();
        refused(&freshness, troubled);
        freshness.mail_proven(&folder(proven), Timestamp(1_000), "IDLE");
        let left = freshness.trouble_of(&MailboxId::from("sales"));
        assert_eq!(left.is_none(), over, "{troubled:?} {proven}");
        assert_eq!(words(&freshness, 2_000).is_empty(), over, "{troubled:?}");
    }
}

#[test]
fn a_folder_that_was_never_proven_is_overdue_when_it_had_its_time() {
    let freshness = watching();
    let mailbox = MailboxId::from("sales");
    for named in [100_000, 150_000] {
        freshness.folders(&mailbox, &["INBOX", "Sent"], Timestamp(named));
    }
    freshness.mail_proven(&folder("INBOX"), Timestamp(155_000), "IDLE");
    assert!(words(&freshness, 160_000).is_empty(), "it has its time");
    let sent = words(&freshness, 161_000);
    assert!(sent[0].starts_with("Sent is not proven"), "{sent:?}");
}

/// An owner who leaves Sent as it is for months still hears of a dead inbox.
#[test]
fn a_folder_that_waits_for_a_person_hides_no_other_that_is_overdue() {
    let freshness = watching();
    let mailbox = MailboxId::from("sales");
    freshness.folders(&mailbox, &["INBOX", "Sent"], Timestamp(0));
    freshness.mail_proven(&folder("INBOX"), Timestamp(0), "IDLE");
    refused(&freshness, Some("Sent"));
    assert_eq!(words(&freshness, 60_000), ["refused"]);
    let both = words(&freshness, 61_000);
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both[1].starts_with("INBOX is not proven"), "{both:?}");
}

#[test]
fn a_clock_that_was_ahead_makes_no_source_fresh() {
    let hour = 3_600_000;
    // Known from before a start, at which the clock is right again.
    let freshness = Freshness::default();
    let before = [(sales(), "INBOX".to_owned(), Timestamp(hour))];
    freshness.watch(vec![sales()], &before, Timestamp(0), Timestamp(5_000));
    assert!(words(&freshness, 60_000).is_empty());
    assert_eq!(words(&freshness, 61_000).len(), 1);
    // Set back while it runs.
    let freshness = watching();
    freshness.mail_proven(&folder("INBOX"), Timestamp(hour), "IDLE");
    freshness.not_overdue_before(Timestamp(hour));
    freshness.set_back(Timestamp(10_000), Timestamp(15_000));
    assert!(freshness.is_settled(Timestamp(15_000)));
    assert!(words(&freshness, 70_000).is_empty());
    assert_eq!(words(&freshness, 71_000).len(), 1);
    // A little ahead, as what was proven a moment after `now` was asked for.
    let freshness = watching();
    freshness.mail_proven(&folder("INBOX"), Timestamp(61_001), "IDLE");
    assert!(words(&freshness, 61_000).is_empty());
    // Nobody set it back.
    freshness.mail_proven(&folder("INBOX"), Timestamp(hour), "IDLE");
    assert_eq!(words(&freshness, 61_000).len(), 1);
}

#[test]
fn one_of_each_kind_may_have_the_same_name() {
    let freshness = watching();
    refused(&freshness, None);
    freshness.transport_trouble("sales", "no SMTP".to_owned(), true);
    freshness.calendar_trouble("sales", "no CalDAV".to_owned(), true);
    let mailbox = MailboxId::from("sales");
    freshness.filing_trouble(&mailbox, "Drafts", "no Drafts".to_owned());
    freshness.filing_trouble(&mailbox, "copies in Sent", "no Sent".to_owned());
    let known = || words(&freshness, 1_000);
    let all = ["refused", "no CalDAV", "no SMTP", "no Drafts", "no Sent"];
    assert_eq!(known(), all);
    assert!(freshness.transport_works("sales"));
    assert!(!freshness.transport_works("sales"), "no news");
    freshness.filing_works(&mailbox, "Drafts");
    freshness.mail_proven(&folder("INBOX"), Timestamp(900), "IDLE");
    assert_eq!(known(), ["no CalDAV", "no Sent"]);
}
