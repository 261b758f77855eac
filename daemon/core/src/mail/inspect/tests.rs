use super::*;

#[test]
fn all_promised_fields_are_there_for_any_bytes() {
    const FIELDS: &[&str] = &[
        "from",
        "to",
        "cc",
        "reply_to",
        "subject",
        "message_id",
        "in_reply_to",
        "references",
        "date",
        "class",
        "text",
        "reply",
        "quoted",
        "signature",
        "attachments",
        "problems",
        "key",
        "thread_id",
        "bounce",
        "out_of_office",
        "forwarded",
        "calendar",
        "class_evidence",
    ];
    for bytes in [
        b"".as_slice(),
        b"From: bob@example.net\n\nhello",
        b"\xff\x00\x01",
    ] {
        let seen = inspect_json(bytes);
        for field in FIELDS {
            assert!(seen.get(field).is_some(), "{field} of {bytes:?}");
        }
    }
    let seen =
        inspect_json(b"From: Bob <bob@example.net>\nDate: Mon, 2 Mar 2026 10:00:00 +0100\n\nhello");
    assert_eq!(seen["date"], "2026-03-02T09:00:00Z");
    assert_eq!(seen["class"], "human");
    assert_eq!(seen["from"][0]["address"], "bob@example.net");
    assert!(seen["message_id"].is_null());
    assert_eq!(seen["reply_to"], json!([]));
    assert_eq!(seen["problems"][0]["kind"], "no_message_id");
}
