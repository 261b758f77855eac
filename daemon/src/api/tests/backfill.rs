//! What `backfill` refuses.

use serde_json::json;

use super::desk;

#[tokio::test]
async fn a_backfill_names_a_mailbox_and_a_day_of_the_past() {
    let desk = desk();
    let refused = [
        (
            "backfill-start",
            json!({ "mailbox": "nobody", "since": "2020-01-01" }),
            "nobody",
        ),
        (
            "backfill-cancel",
            json!({ "mailbox": "nobody" }),
            "no backfill",
        ),
        ("backfill-start", json!({ "mailbox": "nobody" }), "since"),
    ];
    for (command, arguments, says) in refused {
        let error = desk.ask(command, arguments).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let listed = desk.ask("backfill-list", json!({})).await.unwrap();
    assert_eq!(listed["backfills"], json!([]));
}
