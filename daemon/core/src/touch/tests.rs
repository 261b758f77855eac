//! What counts as contact, row by row.

use super::*;
use crate::ids::{MailboxId, MessageKey, ThreadId};
use crate::message::Person;
use crate::proposal::Value;

fn activity(kind: &str, held: Option<bool>) -> CrmRecord {
    let mut record = CrmRecord::new(Kind::Activity, "act-1".to_owned(), Timestamp(1));
    let mut set = |field: &str, value: Value| record.fields.insert(field.to_owned(), value);
    set("account", Value::Text("acc-1".to_owned()));
    set("kind", Value::Text(kind.to_owned()));
    set("at", Value::At(Timestamp(7)));
    set("contacts", Value::Texts(vec!["con-1".to_owned()]));
    set("person", Value::Text("alice@example.com".to_owned()));
    if let Some(held) = held {
        set("held", Value::Flag(held));
    }
    record
}

#[test]
fn activities_count_as_contact_or_do_not() {
    let cases = [
        ("call", None, Some(Way::Call)),
        ("call", Some(true), Some(Way::Call)),
        ("call", Some(false), None),
        ("meeting", None, None),
        ("meeting", Some(true), Some(Way::Meeting)),
        ("meeting", Some(false), None),
        ("love", None, Some(Way::Love)),
        ("email", None, Some(Way::MailOut)),
        ("task", None, None),
        ("note", Some(true), None),
    ];
    for (kind, held, way) in cases {
        let touch = touch_of(&activity(kind, held));
        assert_eq!(
            touch.as_ref().map(|touch| touch.way),
            way,
            "{kind} {held:?}"
        );
        if let Some(touch) = touch {
            assert_eq!((touch.at, touch.id.as_str()), (Timestamp(7), "act-1"));
            assert_eq!(touch.person.as_deref(), Some("alice@example.com"));
            assert_eq!(touch.contacts, [ContactId::from("con-1")]);
        }
    }
    let mut merged = activity("call", None);
    merged.merged_into = Some("act-2".to_owned());
    assert_eq!(touch_of(&merged), None);
    // Liaison saw this mail itself.
    let mut seen = activity("email", None);
    seen.fields.insert(
        "message".to_owned(),
        Value::Text("a@example.com".to_owned()),
    );
    assert_eq!(touch_of(&seen), None);
}

fn message(class: &str, outbound: bool) -> MessageRecord {
    MessageRecord {
        key: MessageKey::from("key-1"),
        message_id: None,
        thread: ThreadId::from("thread"),
        mailbox: MailboxId::from("alice"),
        outbound,
        historical: false,
        date: Timestamp(1),
        received: Timestamp(9),
        subject: String::new(),
        from: Some(Person {
            name: None,
            email: "bob@example.com".to_owned(),
        }),
        from_count: 1,
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        references: Vec::new(),
        class: class.to_owned(),
        class_evidence: Vec::new(),
        no_automatic_answer: false,
        authenticity: "none".to_owned(),
        out_of_office: None,
        effect: None,
        plugin: None,
        account: Some(AccountId::from("acc-1")),
        contact: Some(ContactId::from("con-1")),
        content: String::new(),
        size: 1,
        attachments: 0,
        tags: Vec::new(),
        problems: Vec::new(),
        threading: Default::default(),
    }
}

#[test]
fn only_mail_of_people_counts_and_no_forged_one() {
    let way = |message: &MessageRecord| touch_of_message(message).map(|touch| touch.way);
    assert_eq!(way(&message("human", false)), Some(Way::MailIn));
    assert_eq!(way(&message("human", true)), Some(Way::MailOut));
    for class in [
        "auto-reply",
        "out-of-office",
        "bounce",
        "list",
        "newsletter",
        "calendar",
    ] {
        assert_eq!(way(&message(class, false)), None, "{class}");
        assert_eq!(way(&message(class, true)), None, "{class}");
    }
    let mut forged = message("human", false);
    forged.authenticity = "fail".to_owned();
    assert_eq!(way(&forged), None);
    let mut unknown = message("human", false);
    unknown.account = None;
    assert_eq!(way(&unknown), None);
}

#[test]
fn a_mail_says_who_of_us_it_was_with() {
    let person = |outbound| {
        touch_of_message(&message("human", outbound))
            .unwrap()
            .person
    };
    assert_eq!(person(true).as_deref(), Some("bob@example.com"));
    assert_eq!(person(false).as_deref(), Some("mailbox:alice"));
}

#[test]
fn the_words_of_ways_read_back() {
    for way in Way::ALL {
        assert_eq!(Way::from_word(way.word()), Some(way));
    }
    assert_eq!(Way::from_word("fax"), None);
}
