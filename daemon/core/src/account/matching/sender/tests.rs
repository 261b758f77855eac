use super::*;
use crate::account::matching::tests::look_up;
use crate::account::matching::{FreeMail, Match, MatchOutcome, match_sender};
use crate::ids::AccountId;
use crate::mail::{ParseLimits, parse_message};

/// A mail with these header lines and this body.
fn mail(header: &[&str], body: &str) -> MessageView {
    let rest = [
        "Message-ID: <m@example.com>",
        "Date: Mon, 2 Mar 2026 09:00:00 +0000",
    ];
    let lines = [header, &rest].concat().join("\r\n");
    parse_message(
        format!("{lines}\r\n\r\n{body}").as_bytes(),
        &ParseLimits::default(),
    )
}

fn owns(address: &Address) -> bool {
    address.domain().as_str() == "ourfirm.example"
}

/// As the daemon does it: the first of the tries whom the records know.
fn matched(view: &MessageView) -> (Match, Option<String>) {
    let forms = FormSenders::new(["web@ourfirm.example", "forms.example"].map(str::to_owned));
    let us = Ourselves {
        owns: &owns,
        forms: &forms,
    };
    let senders = senders(view, us);
    let mut results: Vec<_> = senders
        .tries
        .iter()
        .map(|sender| {
            let found = sender.address.as_ref().map(look_up).unwrap_or_default();
            let matched = match_sender(sender, &found, &FreeMail::default());
            (matched, sender.address.as_ref().map(Address::key))
        })
        .collect();
    let first = results.iter().position(|(matched, _)| matched.found());
    results.swap_remove(first.unwrap_or(senders.otherwise))
}

const ENCLOSED: &str = "--b\r\nContent-Type: text/plain\r\n\r\nsee below\r\n--b\r\n\
    Content-Type: message/rfc822\r\n\r\nFrom: Bob <bob@example.com>\r\nSubject: Hi\r\n\
    Message-ID: <o@example.com>\r\n\r\nHello\r\n--b--\r\n";
const MIXED: &str = "Content-Type: multipart/mixed; boundary=b";
const FROM_SAM: &str = "From: Sam <sam@ourfirm.example>";
const TO_US: &str = "To: sales@ourfirm.example";
const QUOTED: &str = "FYI\r\n\r\n---------- Forwarded message ---------\r\n\
    From: Bob <bob@example.com>\r\nDate: Mon, 2 Mar 2026\r\nSubject: Hi\r\n\
    To: sam@ourfirm.example\r\n\r\nHello\r\n";

/// What a message says, and whose it is: (symptom, header, body, outcome, account, about, evidence,
/// can mail leave by itself).
type Row = (
    &'static str,
    &'static [&'static str],
    &'static str,
    MatchOutcome,
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
    bool,
);

const ROWS: &[Row] = &[
    (
        "plain mail",
        &["From: Bob <bob@example.com>", TO_US],
        "Hi",
        MatchOutcome::Account,
        Some("acme"),
        Some("bob@example.com"),
        "address",
        true,
    ),
    (
        "a colleague's forward was the colleague's",
        &[FROM_SAM, TO_US, MIXED],
        ENCLOSED,
        MatchOutcome::Account,
        Some("acme"),
        Some("bob@example.com"),
        "forwarded",
        false,
    ),
    (
        "a customer's forward was that of whom it encloses",
        &["From: dora@gmail.com", TO_US, MIXED],
        ENCLOSED,
        MatchOutcome::Account,
        Some("solo"),
        Some("dora@gmail.com"),
        "address",
        true,
    ),
    (
        "a quoted From line was believed like a header",
        &[FROM_SAM, TO_US, "Subject: Fwd: Hi"],
        QUOTED,
        MatchOutcome::Account,
        Some("acme"),
        Some("bob@example.com"),
        "forwarded-text",
        false,
    ),
    (
        "a stranger's quoted From line made him the customer",
        &["From: x@spam.example", TO_US, "Subject: Fwd: Hi"],
        QUOTED,
        MatchOutcome::Unknown,
        None,
        Some("x@spam.example"),
        "unknown",
        false,
    ),
    (
        "a stranger's X-Original-Sender made him the customer",
        &[
            "From: x@spam.example",
            TO_US,
            "X-Original-Sender: bob@example.com",
        ],
        "Hi",
        MatchOutcome::Unknown,
        None,
        Some("x@spam.example"),
        "unknown",
        false,
    ),
    (
        "what our own server passed on was ours",
        &[
            "From: help@ourfirm.example",
            TO_US,
            "X-Original-Sender: bob@example.com",
        ],
        "Hi",
        MatchOutcome::Account,
        Some("acme"),
        Some("bob@example.com"),
        "forwarded-header",
        false,
    ),
    (
        "X-Forwarded-For names us first",
        &[
            FROM_SAM,
            TO_US,
            "X-Forwarded-For: sam@ourfirm.example bob@example.com",
        ],
        "Hi",
        MatchOutcome::Account,
        Some("acme"),
        Some("bob@example.com"),
        "forwarded-header",
        false,
    ),
    (
        "a forward of a stranger's mail was nobody's",
        &[FROM_SAM, TO_US, "X-Original-Sender: x@spam.example"],
        "Hi",
        MatchOutcome::Own,
        None,
        Some("sam@ourfirm.example"),
        "own",
        false,
    ),
    (
        "a colleague's mail was a customer's",
        &[FROM_SAM, TO_US],
        "Hi",
        MatchOutcome::Own,
        None,
        Some("sam@ourfirm.example"),
        "own",
        false,
    ),
    (
        "another installation of this program counted as ours",
        &[
            "From: bob@example.com",
            TO_US,
            "X-Liaison-Id: 0123456789abcdef",
        ],
        "Hi",
        MatchOutcome::Account,
        Some("acme"),
        Some("bob@example.com"),
        "address",
        true,
    ),
    (
        "mail to oneself was two conversations",
        &["From: bob@example.com", "To: Bob <BOB@example.com>"],
        "Note",
        MatchOutcome::Account,
        Some("acme"),
        Some("bob@example.com"),
        "self-addressed",
        true,
    ),
    (
        "our note to ourselves was mail of a customer",
        &[FROM_SAM, "To: sam@ourfirm.example"],
        "Note",
        MatchOutcome::Own,
        None,
        Some("sam@ourfirm.example"),
        "self-addressed",
        false,
    ),
    (
        "a second From field was not noticed",
        &["From: bob@example.com", "From: dora@gmail.com", TO_US],
        "Hi",
        MatchOutcome::Unknown,
        None,
        Some("bob@example.com"),
        "several-from",
        false,
    ),
    (
        "two people in one From were the first of them",
        &["From: bob@example.com, dora@gmail.com", TO_US],
        "Hi",
        MatchOutcome::Unknown,
        None,
        Some("bob@example.com"),
        "several-from",
        false,
    ),
    (
        "mail without From was somebody's",
        &[TO_US, "Sender: bob@example.com"],
        "Hi",
        MatchOutcome::Unknown,
        None,
        None,
        "no-sender",
        false,
    ),
    (
        "a list in From was the sender",
        &[
            "From: Bob via Users <users@lists.example>",
            "List-Post: <mailto:users@lists.example>",
            "List-Id: <users.lists.example>",
            "Reply-To: Bob <bob@example.com>",
        ],
        "Hi",
        MatchOutcome::Automatic,
        Some("acme"),
        Some("bob@example.com"),
        "list-rewritten",
        false,
    ),
    (
        "a Google group of ours was one of us",
        &[
            "From: 'Bob' via Sales <sales@ourfirm.example>",
            "X-Original-From: Bob <bob@example.com>",
            "X-Original-Sender: bob@example.com",
        ],
        "Hi",
        MatchOutcome::Account,
        Some("acme"),
        Some("bob@example.com"),
        "list-rewritten",
        false,
    ),
    (
        "Reply-To of the list itself was the author",
        &[
            "From: Bob via Users <users@lists.example>",
            "List-Post: <mailto:users@lists.example>",
            "Reply-To: users@lists.example",
        ],
        "Hi",
        MatchOutcome::Unknown,
        None,
        Some("users@lists.example"),
        "unknown",
        false,
    ),
    (
        "the form was the sender",
        &[
            "From: Website <web@ourfirm.example>",
            "Reply-To: bob@example.com",
            TO_US,
        ],
        "I want a demo",
        MatchOutcome::Account,
        Some("acme"),
        Some("bob@example.com"),
        "form-reply-to",
        false,
    ),
    (
        "a form of another service was a stranger",
        &[
            "From: notify@forms.example",
            "Reply-To: dora@gmail.com",
            TO_US,
        ],
        "I want a demo",
        MatchOutcome::Account,
        Some("solo"),
        Some("dora@gmail.com"),
        "form-reply-to",
        false,
    ),
    (
        "a form without Reply-To was one of us",
        &["From: web@ourfirm.example", TO_US],
        "Name: Bob\r\nE-mail: bob@example.com.\r\n",
        MatchOutcome::Account,
        Some("acme"),
        Some("bob@example.com"),
        "form-body",
        false,
    ),
    (
        "of two addresses in a form the first was taken",
        &["From: web@ourfirm.example", TO_US],
        "bob@example.com, dora@gmail.com",
        MatchOutcome::Unknown,
        None,
        None,
        "form-body",
        false,
    ),
    (
        "a stranger in a form was one of us",
        &[
            "From: web@ourfirm.example",
            "Reply-To: x@new.example",
            TO_US,
        ],
        "Hi",
        MatchOutcome::Unknown,
        None,
        Some("x@new.example"),
        "form-reply-to",
        false,
    ),
    (
        "a robot's Reply-To was not looked at",
        &[
            "From: noreply@sitebuilder.example",
            "Reply-To: bob@example.com",
            TO_US,
        ],
        "Hi",
        MatchOutcome::Automatic,
        Some("acme"),
        Some("bob@example.com"),
        "form-reply-to",
        false,
    ),
    (
        "a customer's robot was whoever its Reply-To names",
        &[
            "From: noreply@example.com",
            "Reply-To: dora@gmail.com",
            TO_US,
        ],
        "Hi",
        MatchOutcome::Automatic,
        Some("acme"),
        Some("noreply@example.com"),
        "domain",
        false,
    ),
    (
        "Reply-To of a person was the sender",
        &["From: bob@example.com", "Reply-To: dora@gmail.com", TO_US],
        "Hi",
        MatchOutcome::Account,
        Some("acme"),
        Some("bob@example.com"),
        "address",
        true,
    ),
];

#[test]
fn of_all_that_a_message_names_the_right_one_is_it() {
    for (symptom, header, body, outcome, account, about, kind, firm) in ROWS {
        let (result, address) = matched(&mail(header, body));
        let found = (
            result.outcome,
            result.account.as_ref().map(AccountId::as_str),
            address.as_deref(),
        );
        assert_eq!(found, (*outcome, *account, *about), "{symptom}: {result:?}");
        let has = result.evidence.iter().any(|one| one.kind == *kind);
        assert!(has, "{symptom}: no {kind} in {result:?}");
        let may = result.is_firm() && result.outcome == MatchOutcome::Account;
        assert_eq!(may, *firm, "{symptom}: {result:?}");
    }
}

#[test]
fn enclosed_messages_of_several_people_are_nobodys() {
    let two = ENCLOSED.replace(
        "--b--",
        "--b\r\nContent-Type: message/rfc822\r\n\r\n\
        From: dora@gmail.com\r\nSubject: Hi\r\n\r\nHello\r\n--b--",
    );
    let (result, _) = matched(&mail(&[FROM_SAM, TO_US, MIXED], &two));
    assert_eq!(result.outcome, MatchOutcome::Own);
    assert_eq!(result.evidence[0].kind, "several-originals");
}

#[test]
fn a_form_sender_is_an_address_or_a_domain() {
    for (text, entry) in [
        ("Web@Example.com", Some("Web@Example.com".to_lowercase())),
        ("forms.Example", Some("forms.example".to_owned())),
        ("no domain", None),
        ("a@@", None),
    ] {
        assert_eq!(form_sender(text).ok(), entry, "{text}");
    }
}
