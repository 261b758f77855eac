//! Complete counts, and lists that say when they are cut.

use super::*;

/// What a status shows of long families comes from counters and indexes.
#[tokio::test]
async fn status_tells_what_cannot_be_read_and_what_was_set_aside() {
    use crate::books::rows::{CallEnd, CounterRow, PluginResultRow, UnreadRow};
    let desk = desk();
    let folder = crate::source::FolderRef {
        mailbox: "sam".into(),
        folder: "INBOX".to_owned(),
        role: crate::source::FolderRole::Inbox,
    };
    let unread = |locator: &str, since: i64| UnreadRow {
        mailbox: "sam".into(),
        folder: "INBOX".to_owned(),
        locator: locator.to_owned(),
        mode: crate::source::BatchMode::Live,
        last_look: None,
        since: NOW.plus_millis(since),
        tries: 3,
        due: NOW.plus_millis(240_000),
        reason: format!("NO [UNAVAILABLE] {locator}"),
    };
    let plugin = PluginName::from("lead-triage");
    let parked = |seq: u64| PluginResultRow {
        plugin: plugin.clone(),
        version: "1.0.0".to_owned(),
        digest: String::new(),
        at: NOW,
        end: CallEnd::Parked(format!("fuel, event {seq}")),
        verdicts: Vec::new(),
        verdicts_cut: 0,
        log: Vec::new(),
        fuel: (0, 0),
        attempt: 1,
    };
    let count = |next| CounterRow { next };
    desk.commit(|batch| {
        for row in [unread("7/9", 0), unread("7/2", -60_000)] {
            let key = keys::unread(&folder, &row.locator);
            batch.put_record(key, &row).unwrap();
        }
        for (name, next) in [
            ("event-next", 900),
            ("pipeline-next", 890),
            ("recorded-only", 50),
        ] {
            batch.put_record(keys::setting(name), &count(next)).unwrap();
        }
        for seq in 0..150 {
            batch.put(keys::parked(seq, &plugin), Vec::new());
            let key = keys::plugin_result(seq, &plugin);
            batch.put_record(key, &parked(seq)).unwrap();
        }
    })
    .await;
    let status = desk.ask("status", Value::Null).await.unwrap();
    assert_eq!(
        status["events"],
        json!({ "known": 950, "open": 10, "waiting": 0 })
    );
    let unread = &status["unread"];
    assert_eq!(unread.as_array().map(Vec::len), Some(1), "{unread}");
    assert_eq!(
        (&unread[0]["count"], &unread[0]["tries"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(
        unread[0]["reason"], "NO [UNAVAILABLE] 7/2",
        "the one tried longest"
    );
    let shown = status["needs_person"].as_array().unwrap();
    let texts: Vec<&str> = shown
        .iter()
        .filter_map(|item| item["text"].as_str())
        .collect();
    let told: Vec<&&str> = texts
        .iter()
        .filter(|text| text.contains("set aside"))
        .collect();
    assert_eq!(told.len(), 1, "one line for a plugin: {texts:?}");
    assert!(told[0].starts_with("150 event(s) set aside"), "{told:?}");
    assert!(told[0].contains("event 149"), "{told:?}");
    assert!(told[0].contains("`liaison plugin unpark "), "{told:?}");
}

#[test]
fn a_list_shows_the_first_rows_of_its_order_and_says_how_many_there_are() {
    let mut shown = Shown::new("rows");
    for n in 0..2_500_u64 {
        shown.offer((n * 7_919) % 2_500, || json!((n * 7_919) % 2_500));
    }
    let answer = shown.answer();
    let rows = answer["rows"].as_array().unwrap();
    let first: Vec<Value> = (0..ANSWER_ROWS_MAX).map(|n| json!(n)).collect();
    assert_eq!(*rows, first);
    assert_eq!(
        (&answer["count"], &answer["more"]),
        (&json!(2_500), &json!(true))
    );
}

#[tokio::test]
async fn status_says_of_a_held_mail_when_it_waits_for_too_long() {
    let desk = desk();
    desk.mail(MailState::Held).await;
    for (hours, late) in [(1, false), (3 * 24, true)] {
        desk.clock.set(NOW.plus_millis(hours * 3_600_000));
        let status = desk.ask("status", Value::Null).await.unwrap();
        let text = status["needs_person"][0]["text"].as_str().unwrap();
        let says = text.contains("longer than 1 business day without a decision");
        assert_eq!(says, late, "{text}");
    }
}
