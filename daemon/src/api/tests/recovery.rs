//! The ways out of states that nothing leaves by itself.

use liaison_core::outbox::Phase;

use super::*;
use crate::books::rows::{AuditRow, PluginStateRow, WaitRow};

#[tokio::test]
async fn a_person_gets_a_mail_out_of_every_state_that_waits_for_one() {
    use MailState as S;
    let resolve = |sent: bool| json!({ "id": "aaaaaa", "sent": sent, "why": "asked them" });
    let plain = || json!({ "id": "aaaaaa", "why": "asked them" });
    for (state, command, arguments, after, due) in [
        (
            S::Uncertain,
            "outbox-resolve",
            resolve(true),
            Some("resolved"),
            // Its copy is to be filed into Sent.
            true,
        ),
        (
            S::Uncertain,
            "outbox-resolve",
            resolve(false),
            Some("approved"),
            true,
        ),
        (
            S::Held,
            "outbox-resolve",
            resolve(true),
            Some("resolved"),
            false,
        ),
        (
            S::Failed,
            "outbox-resolve",
            resolve(false),
            Some("resolved"),
            false,
        ),
        (S::Uncertain, "outbox-retry", plain(), Some("held"), false),
        (S::Failed, "outbox-retry", plain(), Some("approved"), true),
        (S::Deferred, "outbox-retry", plain(), Some("deferred"), true),
        (
            S::Scheduled,
            "outbox-retry",
            plain(),
            Some("scheduled"),
            true,
        ),
        (
            S::Scheduled,
            "outbox-cancel",
            plain(),
            Some("cancelled"),
            false,
        ),
        (
            S::Deferred,
            "outbox-cancel",
            plain(),
            Some("cancelled"),
            false,
        ),
        (S::Held, "outbox-cancel", plain(), Some("cancelled"), false),
        (
            S::Drafted,
            "outbox-cancel",
            plain(),
            Some("cancelled"),
            // The draft is taken out of the mailbox.
            true,
        ),
        (S::Sent, "outbox-cancel", plain(), None, false),
        (S::Sent, "outbox-retry", plain(), None, false),
        (S::Sent, "outbox-resolve", resolve(true), None, false),
        (S::Uncertain, "outbox-cancel", plain(), None, true),
        // Until nobody has decided for too long.
        (S::Held, "outbox-retry", plain(), None, true),
        (
            S::Leased(Phase::AfterDot),
            "outbox-cancel",
            plain(),
            None,
            true,
        ),
        (S::Rejected, "outbox-retry", plain(), None, false),
    ] {
        let desk = desk();
        let mail = desk.mail(state.clone()).await;
        desk.clock.set(NOW.plus_millis(5_000));
        let answer = desk.ask(command, arguments).await;
        let case = format!("{command} of {state}: {answer:?}");
        match after {
            Some(after) => {
                let answer = answer.unwrap();
                assert_eq!(answer["mail"]["state"], after, "{case}");
                assert!(answer["undo"].is_string(), "{case}");
                let why = desk.ask("why", json!({ "id": "aaaaaa" })).await.unwrap();
                let steps = why["mails"][0]["audit"].to_string();
                assert!(steps.contains("asked them"), "{case}: {steps}");
                assert!(steps.contains("uid 7"), "{case}: {steps}");
            }
            None => assert_eq!(answer.unwrap_err().code(), "not_now", "{case}"),
        }
        assert_eq!(desk.due().await.contains(&mail.id), due, "{case}");
    }
}

#[tokio::test]
async fn nobody_is_told_twice_that_a_mail_failed() {
    for (state, sent, events) in [
        (MailState::Failed, false, 0),
        (MailState::Failed, true, 1),
        (MailState::Uncertain, false, 0),
        (MailState::Uncertain, true, 1),
    ] {
        let desk = desk();
        desk.mail(state.clone()).await;
        let arguments = json!({ "id": "aaaaaa", "sent": sent });
        desk.ask("outbox-resolve", arguments).await.unwrap();
        let rows: Vec<EventRow> = desk.context.books.all(Ns::Event).await.unwrap();
        assert_eq!(rows.len(), events, "{state} {sent}");
    }
}

/// A plugin with strikes and a suspension.
async fn suspended(desk: &Desk, name: &str, digest: &str) {
    let row = PluginStateRow {
        strikes: 3,
        suspended: Some((NOW, "3 strikes in a row".to_owned())),
        digest: digest.to_owned(),
    };
    let key = keys::plugin_state(&PluginName::from(name));
    desk.commit(|batch| replace(batch, key, None, &row).unwrap())
        .await;
}

/// The event of the story, set aside for a plugin.
async fn parked(desk: &Desk, name: &str) {
    let plugin = PluginName::from(name);
    let row = PluginResultRow {
        plugin: plugin.clone(),
        version: "1.0.0".to_owned(),
        digest: "0123456789ab".to_owned(),
        at: NOW,
        end: CallEnd::Parked("work limit".to_owned()),
        verdicts: Vec::new(),
        verdicts_cut: 0,
        log: Vec::new(),
        fuel: (1, 1),
        attempt: 3,
    };
    let key = keys::plugin_result(4, &plugin);
    desk.commit(|batch| {
        replace(batch, key, None, &row).unwrap();
        batch.put(keys::parked(4, &plugin), Vec::new());
    })
    .await;
}

#[tokio::test]
async fn a_suspended_plugin_comes_back_and_its_events_are_tried_again() {
    let desk = desk();
    story(&desk).await;
    suspended(&desk, "slow", "sha256:old").await;
    parked(&desk, "slow").await;
    let status = desk.ask("status", json!({})).await.unwrap();
    let text = status["needs_person"].to_string();
    assert!(text.contains("`liaison plugin resume slow`"), "{text}");
    assert!(text.contains("`liaison plugin unpark slow`"), "{text}");
    let listed = desk.ask("plugin-parked", json!({})).await.unwrap();
    assert_eq!(listed["parked"][0]["event"], "cafe01");

    let early = desk.ask("plugin-unpark", json!({ "id": "slow" })).await;
    assert!(
        early
            .unwrap_err()
            .to_string()
            .contains("plugin resume slow")
    );
    let resumed = desk
        .ask("plugin-resume", json!({ "name": "slow", "why": "mended" }))
        .await
        .unwrap();
    assert_eq!(resumed["parked"], 1);
    let again = desk.ask("plugin-resume", json!({ "name": "slow" })).await;
    assert_eq!(again.unwrap_err().code(), "not_now");
    let standing = desk.context.books.plugin_state(&"slow".into()).await;
    assert_eq!(
        standing.unwrap().unwrap(),
        PluginStateRow {
            strikes: 0,
            suspended: None,
            digest: "sha256:old".to_owned(),
        }
    );

    for (id, unparked) in [("nobody", 0), ("<cafe01@example.net>", 1), ("slow", 0)] {
        let answer = desk.ask("plugin-unpark", json!({ "id": id })).await;
        match unparked {
            0 => assert_eq!(answer.unwrap_err().code(), "not_found", "{id}"),
            _ => assert_eq!(answer.unwrap()["unparked"], unparked, "{id}"),
        }
    }
    let waits: Vec<WaitRow> = desk.context.books.all(Ns::Wait).await.unwrap();
    assert_eq!(waits.len(), 1);
    assert_eq!((waits[0].seq, waits[0].due, waits[0].attempt), (4, NOW, 0));
    let outcome = desk.context.books.outcome("cafe01").await.unwrap();
    assert_eq!(outcome.unwrap().closed, None);
    let audit = desk.context.books.audit_of("plugin slow").await.unwrap();
    assert_eq!(audit.len(), 2, "{audit:?}");
    assert_eq!(audit[0].who, "uid 7");
}

#[tokio::test]
async fn a_suspension_of_bytes_that_are_gone_is_none() {
    let desk = desk();
    suspended(&desk, "new-bytes", "sha256:old").await;
    let status = desk.ask("status", json!({})).await.unwrap();
    assert_eq!(status["plugins"][0]["suspended"], Value::Null);
    assert!(!status["needs_person"].to_string().contains("suspended"));
}

#[tokio::test]
async fn a_component_is_accepted_once_and_the_daemon_reads_it_again() {
    let desk = desk();
    let accept = |digest: &str| json!({ "name": "slow", "digest": digest, "why": "looked at it" });
    for digest in ["sha256:one", "sha256:two"] {
        let answer = desk.ask("plugin-accept", accept(digest)).await.unwrap();
        assert_eq!(answer["accepted"], digest);
        let again = desk.ask("plugin-accept", accept(digest)).await;
        assert_eq!(again.unwrap_err().code(), "not_now");
    }
    let key = crate::app::accepted::accepted_key(&PluginName::from("slow"));
    let row = desk.context.books.get::<AuditRow>(key).await.unwrap();
    assert_eq!(row.unwrap().record.what, "sha256:two");
}

#[tokio::test]
async fn a_reload_needs_a_daemon_and_a_file_that_can_be_used() {
    let mut desk = desk();
    let answer = desk.ask("reload", json!({})).await.unwrap();
    assert_eq!(answer["changed"], "mailbox sales: changed");
    let broken = Err("liaison.toml:3:1: prot".to_owned());
    desk.context.live = Some(Arc::new(Woken(Mutex::default(), broken)));
    let refused = desk.ask("reload", json!({})).await.unwrap_err();
    assert_eq!(refused.code(), "configuration");
    assert!(refused.to_string().contains("3:1"));
    desk.context.live = None;
    let refused = desk.ask("reload", json!({})).await.unwrap_err();
    assert_eq!(refused.code(), "not_running");
}
