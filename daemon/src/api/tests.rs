mod addresses;
mod backfill;
mod recovery;
mod schedule;
mod work;

use std::sync::Mutex;

use liaison_core::business_time::{BusinessCalendar, QuietHours, WorkInterval};
use liaison_core::effect::{Audience, Cause, HoldEffect, HoldState, MailEffect, MailMode};
use liaison_core::happening::Subject;
use liaison_core::ids::{EffectId, MailboxId, PluginName};
use liaison_core::message::{MessageRecord, Person, ThreadRecord};
use liaison_core::outbox::MailState;
use liaison_core::policy::{Firm, Limits, Verdict, VerdictResult};
use liaison_core::records::{TaskRecord, TimerRecord};
use liaison_core::time::Window;
use serde_json::json;

use super::*;
use crate::accounts::DomainRules;
use crate::books::rows::{CallEnd, EventBody, EventRow, OutcomeRow, PluginResultRow};
use crate::books::{keys, replace};
use crate::calendars::Calendars;
use crate::clock::ManualClock;
use crate::outbox::{stage_new_hold, stage_new_mail};
use crate::store::Ns;
use crate::store::content::ContentStore;
use crate::store::memory::MemoryStore;
use crate::store::{Fence, ShardId};

pub(crate) const NOW: Timestamp = Timestamp(1_772_000_000_000);

#[derive(Debug)]
struct Woken(Mutex<Vec<Wake>>, Result<Vec<String>, String>);

impl Live for Woken {
    fn reopen(&self) {}

    fn wake(&self, what: Wake) {
        self.0.lock().unwrap().push(what);
    }

    fn calendars(&self) -> Option<Calendars> {
        None
    }

    fn may_hide_an_answer(&self, mailbox: &MailboxId) -> bool {
        mailbox.as_str() == "stale"
    }

    fn status(&self) -> Value {
        json!({
            "sources": [{ "source": "sales", "needs_person": true, "trouble": "login refused" }],
            "plugins": [{ "name": "new-bytes", "digest": "sha256:new" }],
            "plugin_troubles": [
                { "plugin": "torn", "why": "no component", "runs": false },
                { "plugin": "other", "why": "another component", "runs": true },
            ],
            "reload_trouble": "liaison.toml:3:1: prot",
        })
    }

    fn reload(&self) -> Result<Vec<String>, String> {
        self.1.clone()
    }
}

pub(crate) struct Desk {
    pub(crate) context: ApiContext,
    pub(super) clock: ManualClock,
    woken: Arc<Woken>,
    _dir: tempfile::TempDir,
}

pub(crate) fn office() -> Office {
    let week = std::array::from_fn(|_| {
        vec![WorkInterval {
            from: 540,
            to: 1020,
        }]
    });
    Office {
        firm: Firm {
            own_domains: ["ourfirm.example".to_owned()].into(),
            own_addresses: Default::default(),
            sending_domain: "ourfirm.example".to_owned(),
            business: BusinessCalendar::new("UTC", week, Default::default()).unwrap(),
            quiet: QuietHours::none(),
            send_delay_ms: 0,
        },
        limits: Limits::default(),
        authserv_ids: Vec::new(),
        dkim: None,
        free_mail: Default::default(),
        forms: Default::default(),
        review_days: 3,
        threads_by_subject: true,
        html: false,
        meetings: Default::default(),
        people: Default::default(),
        mailboxes: Default::default(),
        staff_route: None,
        signature: None,
        approval: Default::default(),
        unsubscribe: Default::default(),
    }
}

/// The manifest of a plugin that keeps leads.
pub(crate) fn manifest() -> liaison_core::manifest::Manifest {
    let text = r#"
        manifest = 1
        [plugin]
        name = "lead-triage"
        version = "1.0.0"
        summary = "Leads"
        requires = "0.1.0"
        [events]
        subscribe = ["message-received"]
        [[case]]
        kind = "lead"
        title = "Lead"
        states = ["New", "Qualified", "Lost"]
        transitions = [["New", "Qualified"], ["Qualified", "Lost"]]
        indexes = ["state", "account"]
        [[case.field]]
        name = "address"
        type = "text"
        index = true
        [[case.field]]
        name = "heat"
        type = "choice"
        choices = ["cold", "hot"]
    "#;
    crate::plugin::parse_manifest(text, std::path::Path::new("plugin.toml")).unwrap()
}

pub(crate) fn desk() -> Desk {
    let dir = tempfile::tempdir().unwrap();
    let fence = Fence {
        shard: ShardId::SINGLE,
        epoch: 0,
    };
    let content = ContentStore::open(dir.path()).unwrap();
    let books = Books::new(Arc::new(MemoryStore::new()), content, fence);
    let changes = vec!["mailbox sales: changed".to_owned()];
    let (clock, woken) = (
        ManualClock::at(NOW),
        Arc::new(Woken(Mutex::default(), Ok(changes))),
    );
    Desk {
        context: ApiContext {
            accounts: AccountBook::new(books.clone(), DomainRules::default()),
            books,
            clock: Arc::new(clock.clone()),
            office: Arc::new(office()),
            case_kinds: Arc::new(crate::cases::CaseKinds::of([manifest()])),
            dry_runs: Arc::default(),
            credentials: Default::default(),
            tallies: Arc::default(),
            live: Some(woken.clone()),
        },
        clock,
        woken,
        _dir: dir,
    }
}

pub(super) fn caller(who: &str, role: Role) -> Caller {
    Caller {
        who: who.to_owned(),
        role,
    }
}

impl Desk {
    pub(crate) async fn ask(&self, command: &str, arguments: Value) -> Result<Value, ApiError> {
        call(
            &self.context,
            &caller("uid 7", Role::Admin),
            command,
            arguments,
        )
        .await
    }

    pub(super) async fn commit(&self, fill: impl FnOnce(&mut crate::store::Batch)) {
        let mut batch = self.context.books.batch();
        fill(&mut batch);
        self.context.books.commit(batch).await.unwrap();
    }

    pub(super) async fn mail(&self, state: MailState) -> MailEffect {
        let mut mail = mail(state);
        let tried = matches!(
            mail.state,
            MailState::Uncertain | MailState::Failed | MailState::Leased(_)
        );
        mail.attempts = u32::from(tried);
        self.commit(|batch| stage_new_mail(batch, &mail).unwrap())
            .await;
        mail
    }

    async fn due(&self) -> Vec<EffectId> {
        let due = self.due_at().await;
        due.into_iter().map(|(_, id)| id).collect()
    }

    /// Mails and holds by when they are looked at.
    pub(super) async fn due_at(&self) -> Vec<(Timestamp, EffectId)> {
        let rows = self
            .context
            .books
            .keys_under(keys::effects_due(NOW.plus_millis(1 << 40)), 10)
            .await
            .unwrap();
        let due = rows.iter().map(|key| keys::due_effect(key).unwrap());
        let due = due.filter(|(_, kind, _)| *kind != keys::DueKind::Approval);
        due.map(|(at, _, id)| (at, id)).collect()
    }
}

fn cause() -> Cause {
    Cause {
        plugin: PluginName::from("lead-triage"),
        plugin_version: "1.0.0".to_owned(),
        plugin_digest: "0123456789ab".to_owned(),
        label: "reply".to_owned(),
        event_seq: 4,
        cause: "m".to_owned(),
        subject: Subject {
            message: Some("cafe01".into()),
            thread: Some("thread1".into()),
            account: None,
            contact: None,
            counterpart: Some("bob@example.net".to_owned()),
            mailbox: None,
        },
        reason: "they asked for a quote".to_owned(),
        rule: Some("R03".to_owned()),
    }
}

pub(crate) fn mail(state: MailState) -> MailEffect {
    MailEffect {
        id: "aaaaaa1111".into(),
        cause: cause(),
        audience: Audience::Counterpart,
        mode: MailMode::Approve,
        transport: "smtp".into(),
        message_id: "liaison.aaaaaa1111@ourfirm.example".to_owned(),
        from: "alice@ourfirm.example".to_owned(),
        recipient: "bob@example.net".to_owned(),
        subject_line: "Re: Enquiry".to_owned(),
        content: String::new(),
        answers: None,
        cancel_on_reply: true,
        requires: vec!["bbbbbb2222".into()],
        exempt_from_cap: false,
        state,
        since: NOW,
        not_before: NOW,
        attempts: 0,
        looks: 0,
        last_reply: None,
        created: NOW,
        known_as: Vec::new(),
        resends_left: 1,
        missing_since: None,
    }
}

pub(crate) fn hold() -> HoldEffect {
    HoldEffect {
        id: "bbbbbb2222".into(),
        cause: cause(),
        calendar: "alice".into(),
        uid: "hold.bbbbbb2222@ourfirm.example".to_owned(),
        group: "group".into(),
        group_name: "offer".to_owned(),
        title: "Call with Bob".to_owned(),
        note: String::new(),
        when: Window {
            start: NOW.plus_millis(86_400_000),
            end: NOW.plus_millis(90_000_000),
        },
        zone: "UTC".to_owned(),
        expires: NOW.plus_millis(80_000_000),
        href: None,
        etag: None,
        state: HoldState::Placed,
        since: NOW,
        attempts: 1,
        not_before: NOW,
        last_trouble: None,
        created: NOW,
        generation: 1,
    }
}

/// A message of a stranger.
pub(crate) fn message(key: &str, class: &str) -> MessageRecord {
    MessageRecord {
        key: key.into(),
        message_id: Some(format!("{key}@example.net")),
        thread: "thread1".into(),
        mailbox: "sales".into(),
        outbound: false,
        historical: false,
        date: NOW,
        received: NOW,
        subject: "Enquiry".to_owned(),
        from: Some(Person {
            name: None,
            email: "bob@example.net".to_owned(),
        }),
        from_count: 1,
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        references: Vec::new(),
        class: class.to_owned(),
        no_automatic_answer: false,
        class_evidence: vec!["Auto-Submitted: no".to_owned()],
        authenticity: "pass".to_owned(),
        out_of_office: None,
        effect: None,
        plugin: None,
        account: None,
        contact: None,
        content: String::new(),
        size: 10,
        attachments: 0,
        tags: Vec::new(),
        problems: Vec::new(),
        threading: Default::default(),
    }
}

fn outcome(key: &str, seq: Option<u64>, summary: &str) -> OutcomeRow {
    OutcomeRow {
        event_key: key.to_owned(),
        seq,
        message: Some(key.into()),
        matched: None,
        summary: summary.to_owned(),
        closed: Some(NOW),
    }
}

/// A message with its event, one plugin result, a mail, a hold and a timer.
pub(crate) async fn story(desk: &Desk) {
    let message = message("cafe01", "human");
    let thread = ThreadRecord {
        id: "thread1".into(),
        subject: "Enquiry".to_owned(),
        account: None,
        messages: 1,
        last_human_inbound: Some(NOW),
        last_human_outbound: None,
        automatic_since_human: 0,
        last: NOW,
        closed: None,
    };
    let result = PluginResultRow {
        plugin: PluginName::from("lead-triage"),
        version: "1.0.0".to_owned(),
        digest: "0123456789ab".to_owned(),
        at: NOW,
        end: CallEnd::Answered,
        verdicts: vec![Verdict {
            label: "reply".to_owned(),
            kind: "email".to_owned(),
            result: VerdictResult::Effect("aaaaaa1111".into()),
            reasons: vec!["they asked for a quote".to_owned()],
        }],
        verdicts_cut: 0,
        log: Vec::new(),
        fuel: (10, 100),
        attempt: 1,
    };
    let timer = TimerRecord {
        id: "dddddd4444".into(),
        plugin: PluginName::from("follow-up"),
        name: "silence".to_owned(),
        due: NOW.plus_millis(1000),
        generation: 1,
        payload: "{}".to_owned(),
        subject: cause().subject,
        reason: "no answer yet".to_owned(),
        set_at: NOW,
    };
    let event = EventRow {
        seq: 4,
        key: "cafe01".to_owned(),
        at: NOW,
        body: EventBody::Message("cafe01".into()),
    };
    desk.commit(|batch| {
        replace(batch, keys::message(&message.key), None, &message).unwrap();
        batch.put(keys::msgid("cafe01@example.net", &message.key), Vec::new());
        replace(batch, keys::thread(&thread.id), None, &thread).unwrap();
        batch.put(
            keys::thread_member(&thread.id, NOW, &message.key),
            Vec::new(),
        );
        replace(batch, keys::event(&4), None, &event).unwrap();
        let closed = outcome("cafe01", Some(4), "1 mail decided");
        replace(batch, keys::outcome("cafe01"), None, &closed).unwrap();
        let key = keys::plugin_result(4, &result.plugin);
        replace(batch, key, None, &result).unwrap();
        replace(batch, keys::timer(&timer.id), None, &timer).unwrap();
        stage_new_mail(batch, &mail(MailState::Held)).unwrap();
    })
    .await;
    desk.commit(|batch| stage_new_hold(batch, &hold()).unwrap())
        .await;
}

#[tokio::test]
async fn of_two_who_decide_at_once_one_wins_and_the_other_is_told_by_whom_and_when() {
    let desk = desk();
    let mail = desk.mail(MailState::Held).await;
    let arguments = json!({ "id": "aaaaaa" });
    let (alice, bob) = (caller("alice", Role::Approve), caller("bob", Role::Approve));
    let (first, second) = tokio::join!(
        call(&desk.context, &alice, "outbox-approve", arguments.clone()),
        call(&desk.context, &bob, "outbox-reject", arguments.clone()),
    );
    let refused = [&first, &second].into_iter().find_map(|r| r.as_ref().err());
    let refused = refused.expect("one of them must lose").to_string();
    let winner = if first.is_ok() { "alice" } else { "bob" };
    assert!(first.is_ok() != second.is_ok());
    assert!(
        refused.contains(winner) && refused.contains(&NOW.to_string()),
        "{refused}"
    );
    let audit = desk.context.books.audit_of(mail.id.as_str()).await.unwrap();
    assert_eq!(audit.len(), 1, "{audit:?}");
}

#[tokio::test]
async fn an_approved_mail_is_due_now_and_a_rejected_one_never() {
    for (command, state, due, woken) in [
        ("outbox-approve", "approved", true, 1),
        // The holds too: what it offered is given up.
        ("outbox-reject", "rejected", false, 2),
    ] {
        let desk = desk();
        let mail = desk.mail(MailState::Held).await;
        desk.clock.set(NOW.plus_millis(5_000));
        // By the Message-ID, too, with brackets.
        let id = format!("<{}>", mail.message_id);
        let answer = desk.ask(command, json!({ "id": id })).await.unwrap();
        assert_eq!(answer["mail"]["state"], state);
        assert!(answer["changed"].is_string() && answer["undo"].is_string());
        assert_eq!(desk.due().await.contains(&mail.id), due, "{command}");
        assert_eq!(desk.woken.0.lock().unwrap().len(), woken);
        let listed = desk
            .ask("outbox-list", json!({ "state": state }))
            .await
            .unwrap();
        assert_eq!(listed["count"], 1);
    }
}

#[tokio::test]
async fn a_hold_is_released_once() {
    let desk = desk();
    story(&desk).await;
    let id = json!({ "id": "hold.bbbbbb2222@ourfirm.example" });
    let answer = desk.ask("holds-release", id.clone()).await.unwrap();
    assert_eq!(answer["hold"]["state"], "releasing");
    assert_eq!(answer["offered_in"], json!(["aaaaaa1111"]));
    assert!(desk.due().await.contains(&"bbbbbb2222".into()));
    let again = desk.ask("holds-release", id).await.unwrap_err();
    assert_eq!(again.code(), "not_now");
}

#[tokio::test]
async fn a_whole_group_is_released_by_one_command_which_goes_on_after_a_crash() {
    let desk = desk();
    story(&desk).await;
    for (id, group) in [
        ("cccccc3333", hold().group),
        ("dddddd4444", "another".into()),
    ] {
        let other = HoldEffect {
            id: id.into(),
            uid: format!("hold.{id}@ourfirm.example"),
            group,
            ..hold()
        };
        desk.commit(|batch| stage_new_hold(batch, &other).unwrap())
            .await;
    }
    // The first step was made, then the daemon died.
    let one = json!({ "id": "bbbbbb2222" });
    desk.ask("holds-release", one.clone()).await.unwrap();
    let all = json!({ "id": "bbbbbb2222", "alternatives": true, "why": "moved to spring" });
    let answer = desk.ask("holds-release", all.clone()).await.unwrap();
    assert_eq!(answer["holds"][0]["id"], "cccccc3333", "{answer:#}");
    assert_eq!(answer["holds"].as_array().unwrap().len(), 1);
    assert!(desk.due().await.contains(&"cccccc3333".into()));
    let again = desk.ask("holds-release", all).await.unwrap_err();
    assert_eq!(again.code(), "not_now");
    let others = json!({ "id": "dddddd4444" });
    let other = desk.ask("holds-show", others).await.unwrap();
    assert_ne!(
        other["hold"]["state"], "releasing",
        "another group is no business of it"
    );
}

#[tokio::test]
async fn a_time_is_chosen_once_and_who_comes_second_is_told_of_the_first() {
    let desk = desk();
    story(&desk).await;
    let other = HoldEffect {
        id: "cccccc3333".into(),
        uid: "hold.cccccc3333@ourfirm.example".to_owned(),
        ..hold()
    };
    desk.commit(|batch| stage_new_hold(batch, &other).unwrap())
        .await;
    let one = json!({ "id": "bbbbbb2222" });
    let answer = desk.ask("holds-confirm", one.clone()).await.unwrap();
    assert_eq!(answer["hold"]["state"], "confirming");
    assert_eq!(answer["hold"]["group_state"], "choosing");
    assert_eq!(answer["alternatives"], 1);
    assert!(desk.due().await.contains(&"bbbbbb2222".into()));
    for (id, says) in [
        ("bbbbbb2222", "chose this time at"),
        ("cccccc3333", "(hold bbbbbb2222)"),
    ] {
        let again = desk.ask("holds-confirm", json!({ "id": id })).await;
        let again = again.unwrap_err();
        assert_eq!(again.code(), "not_now");
        assert!(again.to_string().contains(says), "{again}");
    }
    for command in ["holds-release", "holds-extend"] {
        let refused = desk.ask(command, one.clone()).await.unwrap_err();
        assert!(refused.to_string().contains("`confirming`"), "{refused}");
    }
    let shown = desk.ask("holds-show", json!({ "id": "cccccc3333" })).await;
    assert_eq!(shown.unwrap()["hold"]["chosen"]["hold"], "bbbbbb2222");
    let listed = desk
        .ask("holds-list", json!({ "state": "confirming" }))
        .await;
    assert_eq!(listed.unwrap()["holds"][0]["group_state"], "choosing");
}

#[tokio::test]
async fn a_hold_is_extended_until_its_time_begins_and_no_further() {
    let desk = desk();
    story(&desk).await;
    let extend = |how: serde_json::Value| {
        let mut arguments = how;
        arguments["id"] = json!("bbbbbb2222");
        desk.ask("holds-extend", arguments)
    };
    for (how, says) in [
        (json!({}), "--until TIME or --hours HOURS"),
        (json!({ "until": "tomorrow" }), "is no time"),
        (json!({ "until": NOW }), "already"),
        (json!({ "hours": 0 }), "already"),
        (json!({ "hours": 5 }), "it can stand until then"),
    ] {
        let refused = extend(how.clone()).await.unwrap_err();
        assert_eq!(refused.code(), "arguments", "{how}");
        assert!(refused.to_string().contains(says), "{how}: {refused}");
    }
    let answer = extend(json!({ "hours": 1, "alternatives": true }));
    let answer = answer.await.unwrap();
    let expires = NOW.plus_millis(83_600_000);
    assert_eq!(answer["holds"][0]["expires"], json!(expires));
    // The daemon looks at it then, and no sooner.
    let hold = desk
        .context
        .books
        .hold(&"bbbbbb2222".into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(hold.expires, expires);
    assert_eq!(crate::books::indexes::hold_due(&hold), Some(expires));
}

#[tokio::test]
async fn why_tells_the_same_chain_from_any_end() {
    let desk = desk();
    story(&desk).await;
    for (id, kind) in [
        ("cafe01@example.net", "message"),
        ("<cafe01@example.net>", "message"),
        ("cafe01", "message"),
        ("aaaaaa1111", "mail"),
        ("aaaaaa", "mail"),
        ("<liaison.aaaaaa1111@ourfirm.example>", "mail"),
        ("hold.bbbbbb2222@ourfirm.example", "hold"),
        ("dddddd", "timer"),
    ] {
        let why = desk.ask("why", json!({ "id": id })).await.unwrap();
        assert_eq!(why["subject"]["kind"], kind, "{id}");
        assert_eq!(why["message"]["subject"], "Enquiry", "{id}");
        let plugin = &why["events"][0]["plugins"][0];
        assert_eq!(
            plugin["verdicts"][0]["reasons"][0], "they asked for a quote",
            "{id}"
        );
        assert_eq!(why["mails"][0]["rule"], "R03", "{id}");
        assert_eq!(
            why["holds"][0]["uid"], "hold.bbbbbb2222@ourfirm.example",
            "{id}"
        );
        assert_eq!(why["timers"][0]["name"], "silence", "{id}");
        assert_eq!(why["nothing"], Value::Null, "{id}");
    }
    for (id, code) in [
        ("aaa", "not_found"),
        ("nobody@example.net", "not_found"),
        ("", "not_found"),
    ] {
        let error = desk.ask("why", json!({ "id": id })).await.unwrap_err();
        assert_eq!(error.code(), code, "{id}");
    }
}

#[tokio::test]
async fn why_says_why_nothing_happened() {
    for (class, seq, summary, says) in [
        (
            "human",
            None,
            "nothing done: it is from before the first start",
            "before the first",
        ),
        (
            "list",
            Some(1),
            "nothing done: no plugin wants it",
            "automatic mail (list)",
        ),
        (
            "human",
            Some(1),
            "nothing done: all plugins are off",
            "plugins are off",
        ),
    ] {
        let desk = desk();
        let message = message("beef02", class);
        desk.commit(|batch| {
            replace(batch, keys::message(&message.key), None, &message).unwrap();
            let row = outcome("beef02", seq, summary);
            replace(batch, keys::outcome("beef02"), None, &row).unwrap();
        })
        .await;
        let why = desk.ask("why", json!({ "id": "beef02" })).await.unwrap();
        let nothing = why["nothing"].as_str().unwrap_or_default();
        assert!(nothing.contains(says), "{class}: {nothing}");
    }
}

#[tokio::test]
async fn an_id_with_two_meanings_is_not_guessed() {
    let desk = desk();
    let (one, two) = (message("abcdef01", "human"), message("abcdef02", "human"));
    desk.commit(|batch| {
        for message in [&one, &two] {
            replace(batch, keys::message(&message.key), None, message).unwrap();
        }
    })
    .await;
    let error = desk
        .ask("why", json!({ "id": "abcdef" }))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "not_unique");
    assert!(error.to_string().contains("abcdef02"));
}

#[tokio::test]
async fn tasks_are_done_once_and_can_be_reopened() {
    let desk = desk();
    let task = TaskRecord {
        title: "Check their form".to_owned(),
        ..TaskRecord::new("cccccc3333".into(), cause(), NOW)
    };
    desk.commit(|batch| replace(batch, keys::task(&task.id), None, &task).unwrap())
        .await;
    let id = json!({ "id": "cccccc" });
    desk.ask("tasks-done", id.clone()).await.unwrap();
    let listed = desk.ask("tasks-list", json!({})).await.unwrap();
    assert_eq!(listed["count"], 0);
    let again = desk.ask("tasks-done", id).await.unwrap_err();
    assert!(again.to_string().contains("uid 7"), "{again}");
    let reopen = json!({ "id": "cccccc", "reopen": true });
    desk.ask("tasks-done", reopen).await.unwrap();
    let all: Vec<TaskRecord> = desk.context.books.all(Ns::Task).await.unwrap();
    assert_eq!(all[0].done, None);
}

#[tokio::test]
async fn status_counts_states_and_names_what_needs_a_person() {
    let desk = desk();
    desk.mail(MailState::Uncertain).await;
    desk.ask("panic", json!({ "on": true, "why": "drill" }))
        .await
        .unwrap();
    let status = desk.ask("status", Value::Null).await.unwrap();
    assert_eq!(status["mails"]["uncertain"], 1);
    let kinds: Vec<&str> = status["needs_person"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["kind"].as_str().unwrap())
        .collect();
    let live = ["source", "plugin", "new_component", "reload"];
    assert_eq!(kinds, [["uncertain", "panic"].as_slice(), &live].concat());
    let first = status["needs_person"][0]["text"].as_str().unwrap();
    assert!(
        first.contains("`liaison outbox resolve aaaaaa1111 sent|not-sent`"),
        "{first}"
    );
    desk.ask("panic", json!({ "on": false })).await.unwrap();
    assert!(desk.context.books.panic().await.unwrap().is_none());
    assert_eq!(desk.context.books.audit_of("panic").await.unwrap().len(), 2);
}

#[tokio::test]
async fn accounts_are_added_shown_and_matched() {
    let desk = desk();
    let arguments = json!({
        "name": "Acme", "domains": ["acme.example.com"], "contact_email": "bob@example.net",
    });
    let added = desk.ask("accounts-add", arguments).await.unwrap();
    assert_eq!(
        added["changed"],
        "account Acme created; contact bob@example.net created"
    );
    for (address, outcome, name) in [
        ("bob@example.net", "account", json!("Acme")),
        ("x@mail.acme.example.com", "account", json!("Acme")),
        ("Bob <bob@example.net>", "account", json!("Acme")),
        ("\"A, B\" <bob@example.net>", "account", json!("Acme")),
        ("alice@ourfirm.example", "own", Value::Null),
        ("eve@example.org", "unknown", Value::Null),
    ] {
        let matched = desk
            .ask("match", json!({ "address": address }))
            .await
            .unwrap();
        assert_eq!(matched["outcome"], outcome, "{address}");
        assert_eq!(matched["account"]["name"], name, "{address}");
        assert!(matched["evidence"][0]["text"].is_string(), "{address}");
    }
    let shown = desk
        .ask("accounts-show", json!({ "id": "acme" }))
        .await
        .unwrap();
    assert_eq!(shown["contacts"][0]["addresses"][0], "bob@example.net");
    let wrong = desk
        .ask("accounts-add", json!({ "name": "B", "domains": ["co.uk"] }))
        .await;
    assert!(wrong.unwrap_err().to_string().contains("public suffix"));
}

#[tokio::test]
async fn wrong_arguments_and_unknown_commands_are_named() {
    let desk = desk();
    for (command, arguments, says) in [
        ("nonsense", json!({}), "nonsense"),
        ("why", json!({ "idd": 1 }), "idd"),
        ("match", json!({}), "address"),
        ("accounts-import", json!({ "csv": "*" }), "base64"),
        (
            "cases-list",
            json!({ "kind": "leads" }),
            "did you mean `lead`?",
        ),
        (
            "cases-list",
            json!({ "kind": "frobs" }),
            "known are all, lead",
        ),
        (
            "outbox-list",
            json!({ "state": "helt" }),
            "did you mean `held`?",
        ),
        (
            "holds-list",
            json!({ "state": "held" }),
            "known are planned",
        ),
    ] {
        let error = desk.ask(command, arguments).await.unwrap_err();
        assert!(error.to_string().contains(says), "{command}: {error}");
    }
}

#[test]
fn roles_allow_what_they_should() {
    for (role, command, allowed) in [
        (Role::Observe, "why", true),
        (Role::Observe, "outbox-approve", false),
        (Role::Observe, "panic", false),
        (Role::Approve, "outbox-approve", true),
        (Role::Approve, "holds-release", true),
        (Role::Approve, "holds-confirm", true),
        (Role::Observe, "holds-extend", false),
        (Role::Approve, "accounts-import", false),
        (Role::Admin, "accounts-import", true),
        (Role::Admin, "panic", true),
    ] {
        assert_eq!(allow(role, command).is_ok(), allowed, "{role:?} {command}");
    }
}

mod status;
mod unsubscribe;
