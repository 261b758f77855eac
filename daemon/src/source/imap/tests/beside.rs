//! The work connection beside the one that watches.

use std::time::Duration;

use super::peer::FakeMailbox;
use super::server::{End, Fault, Server, Side};
use super::stage::{Stage, has_all, message, play};
use crate::source::BatchMode;
use crate::source::backfill::Backfill;
use crate::source::imap::wire::Command;
use crate::source::imap::work::WorkError;
use liaison_core::time::Timestamp;

/// A look of the test.
const SOON: Duration = Duration::from_secs(2);
/// More than a poll and a backoff.
const MINUTES: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3600);

/// A stage on a server with `count` old messages, and what happens on it.
fn on_stage<T>(
    count: u32,
    prepare: impl FnOnce(&Server),
    acts: impl AsyncFnOnce(&Stage) -> T,
) -> T {
    play(|| async {
        let (server, callers) = Server::new(FakeMailbox::with(7, count));
        prepare(&server);
        let acts = async {
            let stage = Stage::open(&server, |_| ());
            let told = acts(&stage).await;
            stage.close().await;
            told
        };
        tokio::select! {
            () = server.clone().serve(callers) => unreachable!("the server ended"),
            told = acts => told,
        }
    })
}

#[test]
fn a_work_connection_that_hangs_holds_up_no_news() {
    let hang = |server: &Server| {
        server.world().fault = Some(Fault {
            connection: 1,
            side: Side::Server,
            at: 900,
            end: End::Stall,
        });
    };
    on_stage(50, hang, async |stage| {
        stage.pass(Duration::from_secs(5)).await;
        assert!(stage.ledger.table().first.is_empty(), "history hangs");
        stage.server.deliver("INBOX", message("news", 10));
        assert!(stage.until(SOON, |table| has_all(table, &["news"])).await);
        assert_eq!(stage.server.world().connections.len(), 2);
        // In its own time the other side notices, and all is recorded.
        let all = |table: &super::ledger::Table| table.first.len() == 51;
        assert!(stage.until(MINUTES, all).await);
        let watching = stage.server.world().connections[0].clone();
        assert!(!watching.text.is_empty());
        assert_eq!(stage.ledger.table().first["news"], BatchMode::Live);
    });
}

#[test]
fn a_lost_watch_leaves_the_work_alone_and_the_other_way_round() {
    for connection in [0, 1] {
        let cut = |server: &Server| {
            server.world().fault = Some(Fault {
                connection,
                side: Side::Server,
                at: 1_500,
                end: End::Cut,
            });
        };
        on_stage(50, cut, async |stage| {
            assert!(stage.until(MINUTES, |table| table.first.len() == 50).await);
            // The one that was cut came again, the other went on.
            stage.server.deliver("INBOX", message("news", 10));
            assert!(
                stage
                    .until(MINUTES, |table| has_all(table, &["news"]))
                    .await
            );
            assert!(stage.server.world().connections.len() <= 3, "{connection}");
        });
    }
}

#[test]
fn an_idle_mailbox_is_one_connection() {
    on_stage(
        5,
        |_| (),
        async |stage| {
            assert!(stage.until(MINUTES, |table| table.first.len() == 5).await);
            assert_eq!(stage.server.world().open, 2);
            stage.pass(Duration::from_secs(120)).await;
            assert_eq!(stage.server.world().open, 1);
            // What is new in Sent is fetched on another one.
            stage.server.deliver("Sent", message("sent by hand", 10));
            let wanted = |table: &super::ledger::Table| has_all(table, &["sent by hand"]);
            assert!(stage.until(MINUTES, wanted).await);
            assert_eq!(stage.server.world().connections.len(), 3);
            stage.pass(Duration::from_secs(120)).await;
            assert_eq!(stage.server.world().open, 1);
        },
    );
}

#[test]
fn where_a_second_connection_is_refused_one_does_everything() {
    let one = |server: &Server| server.world().connections_max = Some(1);
    on_stage(250, one, async |stage| {
        assert!(stage.until(MINUTES, |table| table.first.len() == 250).await);
        stage.server.deliver("INBOX", message("news", 10));
        stage.server.deliver("Sent", message("sent by hand", 10));
        let both = |table: &super::ledger::Table| has_all(table, &["news", "sent by hand"]);
        assert!(stage.until(MINUTES, both).await);
        stage.pass(HOUR / 2).await;
        let tries = stage.server.world().connections.len();
        assert_eq!(tries, 2, "asked once for a second one, and not for an hour");
        let said = stage.source.on_work_connection(|connection| {
            Box::pin(async move { connection.plain(Command::new("NOOP")).await.is_ok() })
        });
        assert!(said.await.unwrap(), "a job runs on the only connection");
    });
}

#[test]
fn jobs_run_one_after_the_other_and_a_lost_one_spoils_no_other() {
    on_stage(
        5,
        |_| (),
        async |stage| {
            assert!(stage.until(MINUTES, |table| table.first.len() == 5).await);
            let open = |name: &'static str| {
                stage.source.on_work_connection(move |connection| {
                    Box::pin(async move {
                        let command = Command::new("SELECT").mailbox(name);
                        connection.plain(command).await.map(|answer| answer.is_ok())
                    })
                })
            };
            let (one, other) = tokio::join!(open("Sent"), open("Nowhere"));
            assert!(one.unwrap().unwrap() && !other.unwrap().unwrap());
            // Given up in the middle of a command: the next gets another connection.
            {
                let hung = stage.source.on_work_connection(|connection| {
                    Box::pin(async move { connection.plain(Command::new("IDLE")).await.is_ok() })
                });
                let hung = tokio::time::timeout(SOON, hung).await;
                assert!(hung.is_err());
            }
            assert!(open("Sent").await.unwrap().unwrap());
            let refuse = |world: &mut super::server::World| world.connections_max = Some(0);
            stage.server.change(refuse);
            stage.server.kick();
            stage.pass(Duration::from_secs(90)).await;
            let lost = tokio::time::timeout(MINUTES, open("Sent")).await;
            // Nobody can do it now: it waits for the watch, or says why it cannot be done.
            assert!(!matches!(lost, Ok(Ok(_))), "{lost:?}");
            assert!(!matches!(lost, Ok(Err(WorkError::Lost))));
        },
    );
}

#[test]
fn old_messages_are_shown_in_their_order_and_each_once() {
    let many = |server: &Server| {
        let mut world = server.world();
        let sent = world.peer.boxes.get_mut("Sent").unwrap();
        sent.deliver("old sent");
    };
    for history in [0, 10_000] {
        play(|| async {
            let (server, callers) = Server::new(FakeMailbox::with(7, 230));
            many(&server);
            let acts = async {
                let stage = Stage::open(&server, |settings| {
                    settings.history_messages_max = history;
                });
                stage.ledger.table().backfill = Some(Backfill {
                    since: Timestamp(0),
                    folders: Vec::new(),
                    rest: false,
                });
                stage.source.backfill();
                let drawn = |table: &super::ledger::Table| table.cursors.contains_key("INBOX");
                assert!(stage.until(MINUTES, drawn).await);
                stage.server.deliver("INBOX", message("news", 10));
                let done = |table: &super::ledger::Table| {
                    table.backfill.is_none() && has_all(table, &["news"])
                };
                assert!(stage.until(MINUTES, done).await);
                {
                    let table = stage.ledger.table();
                    let mut expected: Vec<String> = (1..=230).map(|n| format!("old {n}")).collect();
                    expected.push("old sent".to_owned());
                    let mut shown = table.rehearsed.clone();
                    shown.retain(|subject| subject != "news");
                    assert_eq!(shown, expected, "history {history}");
                    assert_eq!(table.first["old 7"], BatchMode::History);
                    assert_eq!(table.first["news"], BatchMode::Live);
                }
                stage.close().await;
            };
            tokio::select! {
                () = server.clone().serve(callers) => unreachable!("the server ended"),
                () = acts => {}
            }
        });
    }
}
