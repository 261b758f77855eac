//! Portions of an import, one request each.

use serde_json::{Value, json};

use super::super::tests::desk;
use crate::store::{Ns, Range};

fn portion(run: &Value, ends: bool, names: &[&str]) -> Value {
    let row = |(nth, name): (usize, &&str)| {
        let part = json!({ "kind": "account", "fields": [["name", name]] });
        json!({ "line": nth + 2, "parts": [part] })
    };
    let rows: Vec<Value> = names.iter().enumerate().map(row).collect();
    json!({ "dry_run": true, "run": run, "ends": ends, "rows": rows })
}

#[tokio::test]
async fn the_portions_of_a_dry_run_see_one_another_until_it_ends() {
    let desk = desk();
    let put = async |arguments| desk.ask("records-put-many", arguments).await;
    let first = put(portion(&Value::Null, false, &["Acme", "Beta"]))
        .await
        .unwrap();
    assert_eq!(first["outcomes"], json!([["created"], ["created"]]));
    let run = &first["run"];
    let next = put(portion(run, false, &["Beta", "Gamma"])).await.unwrap();
    assert_eq!(next["outcomes"], json!([["unchanged"], ["created"]]));
    assert_eq!(&next["run"], run);
    // Another run sees nothing of it.
    let other = put(portion(&Value::Null, true, &["Acme"])).await.unwrap();
    assert_eq!(other["outcomes"], json!([["created"]]));

    put(portion(run, true, &[])).await.unwrap();
    let refused = put(portion(run, false, &["Delta"])).await.unwrap_err();
    assert!(refused.to_string().contains("run it again"), "{refused}");
    let written = desk
        .context
        .books
        .keys_under(Range::all(Ns::Account), 1)
        .await;
    assert!(written.unwrap().is_empty());
}
