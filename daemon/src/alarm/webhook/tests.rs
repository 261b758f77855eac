use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use liaison_core::time::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::alarm::{AlarmSettings, AlarmWay, Alarms, Known, NoticeKind};
use crate::books::Books;
use crate::clock::ManualClock;
use crate::freshness::{Freshness, SourceKind};
use crate::store::content::ContentStore;
use crate::store::memory::MemoryStore;
use crate::store::{Fence, ShardId};

/// A request as it came: its first line and headers, and its body.
type Heard = Arc<Mutex<Vec<(String, Value)>>>;

/// Answers one request after the other with these; the last one again and again.
async fn receiver(answers: &'static [&'static str]) -> (u16, Heard) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Heard::default();
    let kept = heard.clone();
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let (head, body) = loop {
                let mut part = [0; 4096];
                let count = stream.read(&mut part).await.unwrap();
                bytes.extend(&part[..count]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n")
                    && let Ok(body) = serde_json::from_str(body)
                {
                    break (head.to_owned(), body);
                }
                // A handshake of TLS is no request.
                if count == 0 || bytes.first() == Some(&0x16) {
                    break (text, Value::Null);
                }
            };
            kept.lock().unwrap().push((head, body));
            let answer = answers[answers.len().min(number + 1) - 1];
            // A client that hangs up early is one of the cases.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, heard)
}

fn at(address: String) -> Webhook {
    Webhook {
        address: WebhookAddress::Open(address),
        token: None,
        ca_file: None,
    }
}

fn notice() -> Notice {
    Notice {
        kind: NoticeKind::Raised,
        firm: "Example".to_owned(),
        source_kind: "mail".to_owned(),
        source: "sales".to_owned(),
        stale: true,
        what: "INBOX is not \"proven\"".to_owned(),
        since: Timestamp(1_772_442_000_000),
        at: Timestamp(1_772_442_060_000),
    }
}

const TAKEN: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[tokio::test]
async fn everything_that_is_known_arrives_with_the_token_and_in_words() {
    let (port, heard) = receiver(&[TAKEN]).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        SecretRef::File(path)
    };
    let address = format!("http://127.0.0.1:{port}/T000/canary?x=1");
    let webhook = Webhook {
        address: WebhookAddress::Secret(secret("address", &address)),
        token: Some(secret("token", "canary-token")),
        ca_file: None,
    };
    webhook.probe().await.unwrap();
    webhook.tell(&notice()).await.unwrap();
    let heard = heard.lock().unwrap().clone();
    // The probe said nothing.
    assert_eq!(heard[0].1, Value::Null);
    let (head, body) = &heard[1];
    assert!(
        head.starts_with("POST /T000/canary?x=1 HTTP/1.1\r\n"),
        "{head}"
    );
    let head = head.to_ascii_lowercase();
    assert!(
        head.contains("\r\nauthorization: bearer canary-token"),
        "{head}"
    );
    assert!(
        head.contains("\r\ncontent-type: application/json"),
        "{head}"
    );
    let expected = serde_json::json!({
        "kind": "raised", "firm": "Example", "source_kind": "mail", "source": "sales",
        "stale": true, "what": "INBOX is not \"proven\"",
        "since": "2026-03-02T09:00:00Z", "at": "2026-03-02T09:01:00Z",
        "text": notice().text(),
    });
    assert_eq!(*body, expected);
}

#[tokio::test]
async fn anything_but_success_is_an_error_that_shows_no_secret() {
    let long: &'static str = Box::leak(
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n{}",
            "x".repeat(70_000)
        )
        .into_boxed_str(),
    );
    let rows: [(&'static [&'static str], &str); 5] = [
        (
            &["HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"],
            "answered 500",
        ),
        (
            &["HTTP/1.1 404 No\r\nContent-Length: 6\r\n\r\ncanary"],
            "answered 404",
        ),
        // Not followed: who we are would go elsewhere.
        (
            &["HTTP/1.1 302 Found\r\nLocation: https://example.org/\r\nContent-Length: 0\r\n\r\n"],
            "answered 302",
        ),
        (&[""], "did not take it"),
        (Box::leak(Box::new([long])), "longer than"),
    ];
    for (answers, words) in rows {
        let (port, _) = receiver(answers).await;
        let webhook = at(format!("http://localhost:{port}/canary"));
        let error = chain(&webhook.tell(&notice()).await.unwrap_err());
        assert!(
            error.contains(words) && !error.contains("canary"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_address_in_the_clear_is_for_this_machine_only() {
    for (address, words) in [
        ("http://hooks.example.com/canary", "not encrypted"),
        ("https://user:canary@hooks.example.com/", "login"),
        ("hooks.example.com/canary", "no https address"),
        ("ftp://hooks.example.com/canary", "no https address"),
        ("", "no https address"),
    ] {
        let error = WebhookError::of_address(address).unwrap();
        let told = at(address.to_owned()).tell(&notice()).await.unwrap_err();
        for error in [error, told] {
            let error = error.to_string();
            assert!(
                error.contains(words) && !error.contains("canary"),
                "{error}"
            );
        }
    }
    for address in [
        "https://hooks.example.com/x?y=1",
        "http://[::1]:80/",
        "http://127.0.0.1/",
    ] {
        assert!(WebhookError::of_address(address).is_none(), "{address}");
    }
}

/// TLS from the first byte: who answers in clear gets nothing.
#[tokio::test]
async fn a_server_without_tls_gets_no_alarm() {
    let (port, heard) = receiver(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
    let mut webhook = at(format!("https://localhost:{port}/canary"));
    webhook.token = Some(SecretRef::Env("PATH".to_owned()));
    assert!(webhook.probe().await.is_err());
    let error = chain(&webhook.tell(&notice()).await.unwrap_err());
    assert!(error.contains("no TLS with localhost"), "{error}");
    let heard = format!("{:?}", heard.lock().unwrap());
    assert!(
        !heard.contains("POST") && !heard.contains("Bearer"),
        "{heard}"
    );
}

/// The alarms of one mailbox that is overdue, over this webhook.
fn alarms(webhook: Webhook, place: &std::path::Path, clock: &ManualClock) -> Alarms {
    let store = Arc::new(MemoryStore::new());
    let fence = Fence {
        shard: ShardId::SINGLE,
        epoch: store.epoch(),
    };
    let content = ContentStore::open(&place.join("content")).unwrap();
    Alarms {
        books: Books::new(store, content, fence),
        clock: Arc::new(clock.clone()),
        freshness: Arc::new(Freshness::default()),
        settings: AlarmSettings {
            ways: vec![AlarmWay::Webhook(webhook)],
            ..AlarmSettings::default()
        },
        watched: vec![crate::freshness::Watched {
            kind: SourceKind::Mail,
            source: "sales".to_owned(),
            stale_after_ms: 60_000,
        }],
        firm: "Example".to_owned(),
        trouble: Mutex::default(),
        by_use: std::collections::BTreeSet::new(),
        known: tokio::sync::Mutex::default(),
    }
}

/// Refused twice, then taken: told until it was taken, and not once more.
#[tokio::test]
async fn a_refused_alarm_is_tried_again_and_one_that_was_taken_is_not() {
    let refused = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n";
    let answers: &'static [&'static str] = Box::leak(Box::new([refused, refused, TAKEN]));
    let (port, heard) = receiver(answers).await;
    let folder = tempfile::tempdir().unwrap();
    let begin = Timestamp(1_772_442_000_000);
    let clock = ManualClock::at(begin);
    let webhook = at(format!("http://localhost:{port}/"));
    let alarms = alarms(webhook, folder.path(), &clock);
    alarms.begin().await.unwrap();
    let mut troubles = BTreeMap::new();
    let folder = crate::source::FolderRef {
        mailbox: "sales".into(),
        folder: "INBOX".to_owned(),
        role: crate::source::FolderRole::Inbox,
    };
    // Overdue for ten minutes and a look every fifteen seconds, then well for a while.
    for look in 0..60 {
        let now = begin.plus_millis(70_000 + look * 15_000);
        if look >= 40 {
            alarms.freshness.mail_proven(&folder, now, "IDLE");
        }
        alarms.look(now).await;
        troubles.insert(look, alarms.trouble());
    }
    let kinds: Vec<String> = heard
        .lock()
        .unwrap()
        .iter()
        .map(|(_, body)| body["kind"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(kinds, ["raised", "raised", "raised", "cleared"]);
    assert!(troubles[&0].as_deref().unwrap().contains("answered 503"));
    assert_eq!((&troubles[&10], &troubles[&59]), (&None, &None));
    // What was told is durable: another look, with nothing remembered, says nothing.
    let now = begin.plus_millis(70_000 + 61 * 15_000);
    *alarms.known.lock().await = Known::read(&alarms.books).await.unwrap();
    alarms.look(now).await;
    assert_eq!(heard.lock().unwrap().len(), 4);
}
