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
