//! What each target does with its input, and what must hold whatever the input is.
//!
//! The fuzzer calls these functions, and so does the suite `fuzz` with every file of `corpus`.

use jiff::fmt::rfc2822;
use liaison_core::calendar::feed::split_feed;
use liaison_core::calendar::gate::gate;
use liaison_core::calendar::{CalendarEvent, Edit, LineTree, NewProperty};
use liaison_core::mail::reply::divide_text;
use liaison_core::mail::{
    Address, BodyParts, MessageView, ParseLimits, inspect_json, parse_message,
};

/// A function that takes any bytes and panics when something does not hold.
pub type Target = fn(&[u8]);

/// All targets by the name of their folder in `corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("address", address),
    ("charset", charset),
    ("classifier", classifier),
    ("date", date),
    ("feed", feed),
    ("flowed", flowed),
    ("header", header),
    ("html", html),
    ("icalendar", icalendar),
    ("icalendar_edit", icalendar_edit),
    ("mime", mime),
    ("reply", reply),
    #[cfg(feature = "daemon")]
    ("imap", imap),
];

/// Limits that a small input can meet.
const LIMITS: ParseLimits = ParseLimits {
    max_message_bytes: 256 * 1024,
    max_parts: 50,
    max_headers: 100,
    max_field_bytes: 4 * 1024,
    max_text_bytes: 16 * 1024,
};

/// A whole message.
pub fn mime(data: &[u8]) {
    checked(data);
    drop(inspect_json(data));
}

/// A header section.
pub fn header(data: &[u8]) {
    let view = checked(&message(&[data], b"Hello.\r\n"));
    let fields = view.headers.len();
    assert!(fields <= LIMITS.max_headers, "{fields} fields");
}

/// The value of an address field, and an address as an operator types it.
pub fn address(data: &[u8]) {
    let view = checked(&message(&[b"From: ", data, b"\r\nTo: ", data], b""));
    for named in view.from.iter().chain(&view.to) {
        again(&named.address);
    }
    if let Ok(address) = Address::parse(&String::from_utf8_lossy(data)) {
        again(&address);
    }
}

/// An address is the same after it was printed and read again.
fn again(address: &Address) {
    let printed = address.to_string();
    assert!(!printed.contains(char::is_control), "{printed:?}");
    assert_eq!(
        Address::parse(&printed).as_ref(),
        Ok(address),
        "{printed:?}"
    );
}

/// The value of a Date field.
pub fn date(data: &[u8]) {
    let view = checked(&message(&[b"Date: ", data], b""));
    let Some(date) = view.date else { return };
    let offset = view.date_offset_minutes.unwrap_or_default();
    assert!(offset.abs() < 25 * 60, "{offset} minutes");
    let time = jiff::Timestamp::from_millisecond(date.0).expect("a time that can be shown");
    let whole_seconds = time.subsec_nanosecond() == 0;
    if let Ok(printed) = rfc2822::DateTimePrinter::new().timestamp_to_string(&time)
        && whole_seconds
    {
        let again = checked(&message(&[b"Date: ", printed.as_bytes()], b""));
        assert_eq!(again.date, Some(date), "{printed}");
    }
}

/// A header section that begins like an answer of a program, and a text.
pub fn classifier(data: &[u8]) {
    let view = checked(data);
    let evidence = view.class.evidence.len();
    assert!(evidence < 100, "{evidence} pieces of evidence");
    let mut answer = b"In-Reply-To: <1@example.com>\r\n".to_vec();
    answer.extend(data);
    checked(&answer);
}

/// Plain text.
pub fn reply(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    covered(&divide_text(&text), &text);
}

/// The body of an HTML message.
pub fn html(data: &[u8]) {
    let view = checked(&message(&[b"Content-Type: text/html; charset=utf-8"], data));
    assert!(view.text.len() <= 2 * LIMITS.max_text_bytes + 1024);
}

/// A body under a charset, which the first line of the input names.
pub fn charset(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (label, body) = data.split_at(end.unwrap_or(data.len()));
    let kind = [&b"Content-Type: text/plain; charset=\""[..], label, b"\""];
    checked(&message(&kind, body));
}

/// The body of a flowed message; nothing but spaces and quote marks may go.
pub fn flowed(data: &[u8]) {
    let kind: &[u8] = b"Content-Type: text/plain; format=flowed; charset=utf-8";
    let view = checked(&message(&[kind], data));
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
    if !view.truncated && view.problems.is_empty() {
        assert_eq!(letters(&view.text), letters(&String::from_utf8_lossy(data)));
    }
}

/// A calendar object.
pub fn icalendar(data: &[u8]) {
    let gated = gate(data);
    drop(gated);
    let zone = jiff::tz::TimeZone::UTC;
    let shown = liaison_core::calendar::inspect::inspect_json(data, None, &zone);
    let text = shown.to_string();
    let again: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(again, shown);
}

/// A feed: each of its objects is one, and says the same when it comes alone.
pub fn feed(data: &[u8]) {
    let Ok(feed) = split_feed(data) else { return };
    let mut names: Vec<&str> = feed
        .objects
        .iter()
        .map(|one| one.identity.as_str())
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "two objects with one identity");
    for object in &feed.objects {
        let again = split_feed(&object.data).expect("a whole calendar");
        assert_eq!(again.troubles, [], "{:?}", object.identity);
        let [alone] = again.objects.as_slice() else {
            panic!("{} objects of {:?}", again.objects.len(), object.identity);
        };
        assert_eq!(alone.version, object.version, "{:?}", object.identity);
        assert_eq!(alone.data, object.data, "{:?}", object.identity);
    }
}

/// An object of others in which one event gets another title: the first line of the input.
pub fn icalendar_edit(data: &[u8]) {
    let title = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let title = String::from_utf8_lossy(title);
    let Ok(tree) = LineTree::read(data) else {
        return;
    };
    let problems = tree.object().problems.len();
    for event in tree.object().events.iter().take(3) {
        let recurrence = event.recurrence_id.as_ref();
        let edits = [Edit::Set(NewProperty::text("SUMMARY", &title))];
        let Ok(edited) = tree.edit(&event.uid, recurrence, &edits) else {
            continue;
        };
        // Everything else says what it said.
        let others = |tree: &LineTree| -> Vec<CalendarEvent> {
            let mut events = tree.object().events.clone();
            for known in &mut events {
                known.line = 0;
                known.summary = None;
            }
            events
        };
        assert_eq!(others(&edited), others(&tree));
        let object = edited.object();
        assert!(object.problems.len() <= problems, "{:?}", object.problems);
        // The same once more changes no byte.
        let again = edited.edit(&event.uid, recurrence, &edits);
        assert_eq!(again.expect("what was set").bytes(), edited.bytes());
    }
}

/// What a server says.
#[cfg(feature = "daemon")]
pub fn imap(data: &[u8]) {
    let told = liaison::source::imap::read_answers(data);
    assert!(told.answers * 3 <= data.len(), "{} answers", told.answers);
    assert!(told.body_bytes <= data.len(), "{} bytes", told.body_bytes);
}

fn message(header: &[&[u8]], body: &[u8]) -> Vec<u8> {
    let mut bytes = header.concat();
    bytes.extend(b"\r\n\r\n");
    bytes.extend(body);
    bytes
}

/// Reads a message and checks what holds for all.
fn checked(bytes: &[u8]) -> MessageView {
    let view = parse_message(bytes, &LIMITS);
    covered(&view.body, &view.text);
    assert!(view.text.len() <= 2 * LIMITS.max_text_bytes + 1024);
    assert!(
        view.problems.len() <= 100,
        "{} problems",
        view.problems.len()
    );
    assert!(view.attachments.len() <= LIMITS.max_parts);
    assert!(view.forwarded.len() <= LIMITS.max_parts);
    let lists = [
        &view.from,
        &view.sender,
        &view.reply_to,
        &view.to,
        &view.cc,
        &view.bcc,
    ];
    for named in lists.into_iter().flatten() {
        single_line(&named.address.to_string());
        single_line(named.name.as_deref().unwrap_or_default());
    }
    single_line(&view.subject);
    single_line(&view.base_subject);
    let ids = view.message_id.iter().chain(&view.in_reply_to);
    ids.chain(&view.references).for_each(|id| single_line(id));
    for (name, value) in &view.headers {
        single_line(name);
        single_line(value);
    }
    for attachment in &view.attachments {
        single_line(attachment.filename.as_deref().unwrap_or_default());
    }
    let printed = serde_json::to_string(&view).expect("a view can be printed");
    let again: MessageView = serde_json::from_str(&printed).expect("and read again");
    assert_eq!(again, view);
    view
}

/// Nothing that ends a line or steers a terminal.
fn single_line(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
}

/// The spans cover all of the text, in order and on borders of characters.
fn covered(parts: &BodyParts, text: &str) {
    let mut at = 0;
    for span in &parts.spans {
        assert_eq!(span.start, at, "{:?}", parts.spans);
        assert!(text.get(span.start..span.end).is_some(), "{span:?}");
        at = span.end;
    }
    assert_eq!(at, text.len(), "{:?}", parts.spans);
    let all = parts.reply.len() + parts.quoted.len() + parts.signature.len();
    assert!(
        all <= text.len() + 2 * parts.spans.len(),
        "more than there is"
    );
}
