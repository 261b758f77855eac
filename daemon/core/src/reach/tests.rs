use super::*;
use crate::time::{HOUR_MS, MINUTE_MS};

const ANN: &str = "ann@example.com";

fn at(minutes: i64) -> Timestamp {
    Timestamp(1_780_000_000_000).plus_millis(minutes.saturating_mul(MINUTE_MS))
}

fn said(recipient: Option<&str>, kind: BounceKind, status: Option<&str>) -> BouncedRecipient {
    BouncedRecipient {
        recipient: recipient.map(|email| Address::parse(email).unwrap()),
        kind,
        action: None,
        status: status.map(str::to_owned),
        diagnostic: None,
    }
}

fn facts() -> ReportFacts {
    ReportFacts {
        named: Some(NamedMail {
            recipients: vec![ANN.to_owned()],
            handed_over: true,
            came_home: true,
        }),
        historical: false,
        liar: false,
        one_of_us: false,
    }
}

fn reported(report: &str, meaning: Meaning, at: Timestamp) -> Reported {
    let said = said(Some(ANN), BounceKind::Hard, Some("5.1.1"));
    Reported::of(&said, (ANN, meaning), (&report.into(), at))
}

#[test]
fn a_report_counts_only_for_a_recipient_of_the_mail_that_it_names() {
    type Row = (
        &'static str,
        fn(&mut ReportFacts),
        Option<&'static str>,
        WhyNot,
    );
    fn named(facts: &mut ReportFacts) -> &mut NamedMail {
        facts.named.as_mut().unwrap()
    }
    let rows: [Row; 8] = [
        (
            "no mail of ours",
            |f| f.named = None,
            Some(ANN),
            WhyNot::NoMailOfOurs,
        ),
        (
            "another address",
            |_| {},
            Some("bob@example.com"),
            WhyNot::OtherRecipient,
        ),
        ("nobody", |_| {}, None, WhyNot::NoRecipient),
        (
            "still with us",
            |f| named(f).handed_over = false,
            Some(ANN),
            WhyNot::NeverHandedOver,
        ),
        (
            "elsewhere",
            |f| named(f).came_home = false,
            Some(ANN),
            WhyNot::OtherMailbox,
        ),
        ("a liar", |f| f.liar = true, Some(ANN), WhyNot::Liar),
        (
            "a colleague",
            |f| f.one_of_us = true,
            Some(ANN),
            WhyNot::OneOfUs,
        ),
        (
            "history",
            |f| f.historical = true,
            Some(ANN),
            WhyNot::History,
        ),
    ];
    for (what, change, recipient, why) in rows {
        let mut facts = facts();
        change(&mut facts);
        for kind in [BounceKind::Hard, BounceKind::Soft, BounceKind::Other] {
            let (_, meaning) = judge(&said(recipient, kind, Some("5.1.1")), &facts);
            assert_eq!(meaning, Meaning::Nothing(why), "{what}");
            assert!(!meaning.proves_sent() && !meaning.came_back(), "{what}");
        }
    }
}

#[test]
fn what_a_report_means_follows_from_its_kind_and_status() {
    use BounceKind::{Hard, Other, Soft};
    for (kind, status, meaning) in [
        (Hard, Some("5.1.1"), Meaning::Undeliverable),
        (Hard, Some("5.1.10"), Meaning::Undeliverable),
        (Hard, Some("5.4.1"), Meaning::Undeliverable),
        // Refused as such: it would be refused again.
        (Hard, Some("5.7.1"), Meaning::Undeliverable),
        (Hard, Some("5.5.0"), Meaning::Undeliverable),
        (Hard, None, Meaning::Undeliverable),
        // Too large, or not to the taste of a filter: the address lives.
        (Hard, Some("5.3.4"), Meaning::Returned),
        (Hard, Some("5.6.1"), Meaning::Returned),
        (Hard, Some("5.1.8"), Meaning::Returned),
        (Soft, Some("4.2.2"), Meaning::NotNow),
        (Soft, Some("5.2.2"), Meaning::NotNow),
        (Other, Some("4.4.1"), Meaning::OnItsWay),
        (Other, Some("2.0.0"), Meaning::OnItsWay),
    ] {
        let (recipient, found) = judge(&said(Some(ANN), kind, status), &facts());
        assert_eq!(found, meaning, "{status:?}");
        assert_eq!(recipient.as_deref(), Some(ANN));
        assert!(found.proves_sent());
    }
}

#[test]
fn a_tag_that_the_server_left_out_is_no_other_recipient() {
    let mut facts = facts();
    let tagged = "ann+crm@example.com".to_owned();
    facts.named.as_mut().unwrap().recipients = vec![tagged.clone()];
    let hard = |email| said(Some(email), BounceKind::Hard, Some("5.1.1"));
    let expected = (Some(tagged), Meaning::Undeliverable);
    assert_eq!(judge(&hard("Ann+CRM@example.com"), &facts), expected);
    assert_eq!(judge(&hard(ANN), &facts), expected);
    let (_, other) = judge(&hard("ann+news@example.com"), &facts);
    assert_eq!(other, Meaning::Nothing(WhyNot::OtherRecipient));
}

#[test]
fn an_address_is_stopped_once_until_a_person_allows_it() {
    let first = reported("r1", Meaning::Undeliverable, at(0));
    let mut reach = Reach::new(ANN, &first);
    assert_eq!(reach.refusal(), None);
    assert_eq!(reach.heed(&first), Some(News::Undeliverable));
    let why = reach.refusal().unwrap();
    for part in [ANN, "5.1.1", "liaison addresses allow ann@example.com"] {
        assert!(why.contains(part), "{why}");
    }
    // A server on the way writes, too; and a soft one changes nothing for the better.
    assert_eq!(
        reach.heed(&reported("r2", Meaning::Undeliverable, at(1))),
        None
    );
    assert_eq!(reach.heed(&reported("r3", Meaning::OnItsWay, at(2))), None);
    assert!(reach.refusal().is_some());
    assert_eq!(reach.returned, 1);
    reach.allow("sam", at(3));
    assert_eq!(reach.refusal(), None);
    let again = reported("r4", Meaning::Undeliverable, at(4));
    assert_eq!(reach.heed(&again), Some(News::Undeliverable));
    assert_ne!(
        reach.task_id(News::Undeliverable, &first),
        reach.task_id(News::Undeliverable, &again)
    );
}

#[test]
fn three_soft_reports_within_a_week_are_told_and_stop_nothing() {
    let soft = |report: &str, minutes| reported(report, Meaning::NotNow, at(minutes));
    let day = 24 * 60;
    let mut reach = Reach::new(ANN, &soft("r0", 0));
    for (report, minutes, news) in [
        ("r1", 0, None),
        ("r2", day, None),
        // The first is more than a week old by then.
        ("r3", 7 * day, None),
        ("r4", 7 * day + 60, Some(News::OftenNotNow)),
        // Told; counting begins anew.
        ("r5", 7 * day + 61, None),
        ("r6", 7 * day + 62, None),
        ("r7", 7 * day + 63, Some(News::OftenNotNow)),
    ] {
        assert_eq!(reach.heed(&soft(report, minutes)), news, "{report}");
        assert_eq!(reach.refusal(), None, "{report}");
    }
}

#[test]
fn a_mail_that_is_refused_for_its_own_sake_is_told_and_stops_nothing() {
    let mut reach = Reach::new(ANN, &reported("r0", Meaning::OnItsWay, at(0)));
    let refused = |report: &str, minutes| reported(report, Meaning::Returned, at(minutes));
    assert_eq!(reach.heed(&refused("r1", 0)), Some(News::Returned));
    assert_eq!(reach.heed(&refused("r2", 5)), None);
    assert_eq!(
        reach.heed(&refused("r3", 24 * 60 + 5)),
        Some(News::Returned)
    );
    assert_eq!(reach.refusal(), None);
}

#[test]
fn who_sends_reports_about_their_own_copy_all_day_is_told_and_counted_once() {
    let mut reach = Reach::new(ANN, &reported("r0", Meaning::OnItsWay, at(0)));
    let mut counted = 0;
    for nth in 0..20 {
        let meaning = match nth % 2 {
            0 => Meaning::Returned,
            _ => Meaning::NotNow,
        };
        let report = reported(&format!("r{}", nth + 1), meaning, at(nth * 60));
        let known = reach.was_told(&report);
        if reach.heed(&report) == Some(News::Returned) {
            assert!(!known);
            counted += 1;
        }
    }
    assert_eq!(counted, 1);
    // The address is stopped by a report of another kind, and its domain has counted it.
    let dead = reported("r99", Meaning::Undeliverable, at(20 * 60));
    assert!(reach.was_told(&dead));
    assert_eq!(reach.heed(&dead), Some(News::Undeliverable));
}

#[test]
fn a_domain_is_stopped_by_so_many_returns_within_a_day_and_never_released_by_time() {
    let back = |minutes| reported("r", Meaning::Undeliverable, at(minutes));
    let mut reach = Reach::new("@example.com", &back(0));
    let heed = |reach: &mut Reach, minutes| reach.heed_domain(&back(minutes), DOMAIN_RETURNS_MAX);
    assert_eq!(heed(&mut reach, 0), None);
    assert_eq!(heed(&mut reach, 60), None);
    // A day after the first.
    assert_eq!(heed(&mut reach, 24 * 60), None);
    assert_eq!(reach.refusal(), None);
    assert_eq!(heed(&mut reach, 24 * 60 + 1), Some(News::DomainStopped));
    assert_eq!(heed(&mut reach, 24 * 60 + 2), None);
    let why = reach.refusal().unwrap();
    assert!(
        why.contains("liaison addresses allow @example.com"),
        "{why}"
    );
    reach.allow("sam", at(26 * 60));
    // What was counted before is forgotten.
    assert_eq!(heed(&mut reach, 26 * 60 + 1), None);
    assert_eq!(reach.refusal(), None);
}

#[test]
fn what_is_kept_fits_into_a_row_whatever_a_report_says() {
    let long = BouncedRecipient {
        diagnostic: Some("\u{1F4E7}".repeat(500)),
        ..said(Some(ANN), BounceKind::Hard, Some("5.123.123"))
    };
    let recipient = format!("{}@{}", "a".repeat(256), "b".repeat(253));
    let key = "0123456789abcdef0123456789abcdef".into();
    let kept = Reported::of(&long, (&recipient, Meaning::Undeliverable), (&key, at(0)));
    let mut row = ReturnRecord::new(key.as_str());
    for _ in 0..10 {
        row.add(&kept);
    }
    assert_eq!((row.count, row.reports.len()), (10, REPORTS_KEPT));
    let mut reach = Reach::new(&recipient, &kept);
    for hour in 0..100 {
        let soft = Reported {
            at: Timestamp(hour * HOUR_MS / 100),
            ..kept.clone()
        };
        reach.heed_domain(&soft, usize::MAX);
    }
    reach.heed(&kept);
    reach.allow(&"w".repeat(200), at(0));
    reach.heed(&kept);
    let copy = ReportedCopy {
        recipient: Some(recipient),
        status: kept.status.clone(),
        meaning: Meaning::Nothing(WhyNot::OtherRecipient),
    };
    let report = ReportRecord {
        report: key.clone(),
        at: at(0),
        mail: Some("e".repeat(64).as_str().into()),
        message: Some(key),
        copies: vec![copy; COPIES_MAX],
        left: 1,
    };
    for bytes in [
        serde_json::to_vec(&row).unwrap().len(),
        serde_json::to_vec(&reach).unwrap().len(),
        serde_json::to_vec(&report).unwrap().len(),
    ] {
        // JSON has the names of the fields besides.
        assert!(bytes < 4_096, "{bytes}");
    }
}
