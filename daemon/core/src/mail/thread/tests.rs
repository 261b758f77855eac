use super::*;
use crate::account::free_mail::FreeMail;
use crate::mail::{ParseLimits, parse_message};

fn mail(header: &str) -> MessageView {
    parse_message(
        format!("From: bob@example.net\n{header}\n\nx").as_bytes(),
        &ParseLimits::default(),
    )
}

#[test]
fn candidates_come_strongest_first_and_once() {
    let view = mail(
        "Message-ID: <3@x>\nIn-Reply-To: <2@x>\nReferences: <1@x> <3@x> <2@x>\nSubject: AW: Re: [list] Visit\n\
         Thread-Index: AQHYabcdefghijklmnopqrstuvwxyz0123456789",
    );
    assert_eq!(
        thread_candidates(&view),
        [
            ThreadEvidence::InReplyTo("2@x".into()),
            ThreadEvidence::Reference("1@x".into()),
            ThreadEvidence::ThreadIndex("0101d869b71d79f8218a39259a7a29aabb2dbafc31cb".into()),
            ThreadEvidence::BaseSubject("visit".into()),
        ]
    );
    assert_eq!(
        thread_candidates(&mail("Message-ID: <3@x>\nSubject: Visit")),
        []
    );
}

#[test]
fn all_messages_of_a_thread_derive_one_id() {
    let root = mail("Message-ID: <1@x>\nSubject: Visit");
    for header in [
        "Message-ID: <2@x>\nIn-Reply-To: <1@x>",
        "Message-ID: <3@x>\nReferences: <1@x> <2@x>",
        "Message-ID: <4@x>\nReferences: <4@x> <1@x>",
    ] {
        assert_eq!(
            new_thread_id(&mail(header)),
            new_thread_id(&root),
            "{header}"
        );
    }
    assert_ne!(
        new_thread_id(&mail("Subject: a")),
        new_thread_id(&mail("Subject: b\nDate: Mon, 2 Mar 2026 09:00:00 +0000"))
    );
}

#[test]
fn long_lists_keep_their_ends() {
    let ids: Vec<String> = (0..100).map(|n| format!("{n}@x")).collect();
    let capped = cap_references(&ids);
    assert_eq!(
        (capped.len(), capped[0].as_str(), capped[39].as_str()),
        (40, "0@x", "99@x")
    );
}

#[test]
fn standing_is_kept_by_person_and_by_organisation() {
    let rows = [
        ("Bob@Example.com", "bob@example.com", Some("@example.com")),
        (
            "bob+1@mail.example.com",
            "bob@mail.example.com",
            Some("@example.com"),
        ),
        ("ann@gmail.com", "ann@gmail.com", None),
        ("ann@co.uk", "ann@co.uk", None),
    ];
    for (text, own, shared) in rows {
        let names = standing_names(&Address::parse(text).unwrap(), &FreeMail::default());
        assert_eq!(
            (names.0.as_str(), names.1.as_deref()),
            (own, shared),
            "{text}"
        );
    }
    for code in 0..=4 {
        let standing = Standing::from_code(code);
        assert_eq!(standing.code(), if code < 4 { code } else { 0 });
        assert_eq!(standing.may_answer(), (1..4).contains(&code));
    }
}

#[test]
fn a_thread_index_names_its_conversation_or_nothing() {
    let of = |value: &str| thread_index_prefix(value);
    let own = of("AdqpZEThy7yBmpE6RbyWWk5rlmSeqw==");
    assert_eq!(
        own.as_deref(),
        Some("01daa96444e1cbbc819a913a45bc965a4e6b96649eab")
    );
    assert_eq!(of("AdqpZEThy7yBmpE6RbyWWk5rlmSeqwAAgeaA"), own);
    assert_eq!(of("AdqpZEThy7yBmpE6RbyW\r\n Wk5rlmSeqwAAgeaA"), own);
    assert_ne!(of("AdqpZEThAAAAAJE6RbyWWk5rlmSeqwAAgeaA"), own);
    for broken in [
        "",
        "AdqpZEThy7yBmpE6RbyW",
        "no index at all, whatever it is, but long",
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
    ] {
        assert_eq!(of(broken), None, "{broken}");
    }
}

#[test]
fn subject_and_people_tell_only_soon_and_among_the_same() {
    let answer = |from: &str, to: &str| {
        let text = format!("From: {from}\nTo: {to}\nSubject: Re: Visit\n\nx");
        parse_message(text.as_bytes(), &ParseLimits::default())
    };
    let earlier = ["sam@example.com", "ann@example.net"];
    let days = |days: i64| Timestamp(days * DAY_MS);
    let rows = [
        ("ann@example.net", "sam@example.com", 14, true),
        ("ann+work@example.net", "sam@example.com", 1, true),
        ("ann@example.net", "sam@example.com", 15, false),
        ("ann@example.net", "sam@example.com", -1, false),
        ("bob@example.net", "sam@example.com", 1, false),
        ("ann@example.net", "tom@example.com", 1, false),
        ("ann@example.net", "ann@example.net", 1, false),
    ];
    for (from, to, after, expected) in rows {
        let view = answer(from, to);
        let got = may_continue(&view, days(100 + after), (&earlier, days(100)));
        assert_eq!(got, expected, "{from} to {to} after {after} days");
    }
}

#[test]
fn base_subjects_of_many_languages_are_one() {
    for prefix in [
        "Re: ",
        "RE: ",
        "AW: ",
        "Aw: ",
        "WG: ",
        "SV: ",
        "VS: ",
        "VB: ",
        "Antw: ",
        "Antwort: ",
        "TR: ",
        "RV: ",
        "RES: ",
        "ENC: ",
        "R: ",
        "I: ",
        "Odp: ",
        "PD: ",
        "YNT: ",
        "İLT: ",
        "回复: ",
        "答复: ",
        "转发: ",
        "Fwd: ",
        "FW: ",
        "Re[2]: ",
        "Re: AW: SV: ",
        "[users] Re: ",
        "Ответ: ",
        "HA: ",
        "Vá: ",
        "Továbbítás: ",
        "Vl: ",
        "Doorst: ",
        "Videresendt: ",
    ] {
        assert_eq!(
            crate::mail::base_subject(&format!("{prefix}Visit")),
            "Visit",
            "{prefix}"
        );
    }
}

#[test]
fn ids_that_servers_give_are_told_from_queue_ids() {
    let rows: [(&str, &[&str]); 6] = [
        (
            "250 Ok 0102018e0a1b2c3d-1111-2222-000000",
            &["0102018e0a1b2c3d-1111-2222-000000"],
        ),
        (
            "250 2.0.0 OK <AM0PR01MB1234567@x.example.com> [Hostname=AM0PR01MB1234567.example.com]",
            &["AM0PR01MB1234567@x.example.com"],
        ),
        ("250 2.0.0 Ok: queued as 4XyZ12abc", &[]),
        ("550 5.1.1 0102018e0a1b2c3d-1111-2222-000000", &[]),
        ("found in the Sent mailbox of somebody", &[]),
        ("", &[]),
    ];
    for (reply, ids) in rows {
        assert_eq!(server_ids(reply), ids, "{reply}");
    }
}
