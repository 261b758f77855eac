use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use tokio::net::UnixListener;

use super::client::{Client, ClientError};
use super::server::{BindError, ControlSocket, Counter};
use super::*;
use crate::api::tests::desk;
use crate::config::{Control, Role};
use crate::supervisor::Stop;

fn access() -> Control {
    Control {
        admin_uids: [1].into(),
        approve_uids: [2].into(),
        observe_uids: [3].into(),
        observe_gids: [40].into(),
    }
}

#[test]
fn roles_follow_the_credentials_of_the_peer() {
    for (uid, gid, role) in [
        (0, 0, Some(Role::Admin)),
        (900, 900, Some(Role::Admin)),
        (1, 1, Some(Role::Admin)),
        (2, 2, Some(Role::Approve)),
        (2, 40, Some(Role::Approve)),
        (3, 3, Some(Role::Observe)),
        (77, 40, Some(Role::Observe)),
        (77, 77, None),
    ] {
        assert_eq!(access().role(uid, gid, 900), role, "uid {uid} gid {gid}");
    }
}

/// Runs `asks` against a server, then stops it.
async fn served<T>(socket: &Path, asks: impl Future<Output = T>) -> T {
    let desk = desk();
    let (stop, bound) = (Stop::new(), ControlSocket::bind(socket).await.unwrap());
    let counter = Counter::new(desk.context.clone(), access());
    let serving = bound.serve(counter, stop.clone());
    let asking = async {
        let answer = asks.await;
        stop.trigger();
        answer
    };
    let (ended, answer) = tokio::join!(serving, asking);
    ended.unwrap();
    answer
}

#[tokio::test]
async fn commands_travel_and_errors_keep_their_words() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    let client = Client::new(&socket);
    served(&socket, async {
        let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let named = json!({ "name": "Acme", "domains": ["acme.example.com"] });
        let added = client.call("accounts-add", &named).await.unwrap();
        assert_eq!(added["account"]["name"], "Acme");
        let matched = json!({ "address": "bob@acme.example.com" });
        let matched = client.call("match", &matched).await.unwrap();
        assert_eq!(matched["account"]["name"], "Acme");
        let shown = client
            .call("accounts-show", &json!({ "id": "Acme" }))
            .await
            .unwrap();
        let who = shown["audit"][0]["who"].as_str().unwrap();
        assert!(
            who.contains(&format!("pid {}", std::process::id())),
            "{who}"
        );
        let status = client.call("status", &Value::Null).await.unwrap();
        assert_eq!(status["running"], true);
        for (command, arguments, code) in [
            ("why", json!({ "id": "nobody@example.net" }), "not_found"),
            ("why", json!({}), "arguments"),
            ("nonsense", json!({}), "no_command"),
        ] {
            match client.call(command, &arguments).await {
                Err(ClientError::Daemon { code: got, message }) => {
                    assert_eq!(got, code);
                    assert!(!message.is_empty());
                }
                other => panic!("{command}: {other:?}"),
            }
        }
    })
    .await;
    assert!(!socket.exists(), "the socket file stays behind");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_and_the_next_one_served() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    let client = Client::new(&socket);
    served(&socket, async {
        let large = json!({ "csv": "A".repeat(REQUEST_BYTES_MAX + 1) });
        assert!(client.call("accounts-import", &large).await.is_err());
        assert!(client.call("status", &Value::Null).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_socket_left_over_is_replaced_a_living_one_and_a_file_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    let client = Client::new(&socket);
    let not_running = |result| matches!(result, Err(ClientError::NotRunning(_)));
    assert!(not_running(client.call("status", &Value::Null).await));
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    assert!(not_running(client.call("status", &Value::Null).await));
    let living = ControlSocket::bind(&socket).await.unwrap();
    let second = ControlSocket::bind(&socket).await;
    assert!(matches!(second, Err(BindError::InUse(_))));
    drop(living);
    std::fs::write(&socket, "precious").unwrap();
    let third = ControlSocket::bind(&socket).await;
    assert!(matches!(third, Err(BindError::NoSocket(_))));
    assert_eq!(std::fs::read(&socket).unwrap(), b"precious");
}
