//! Tables of what is accepted, deferred and refused, and in which words.

mod machines;
mod mail;
mod mailbox;
mod other;
mod random;
mod recheck;
mod schedule;
mod times;

use serde_json::json;

use super::*;
use crate::account::matching::MatchOutcome;
use crate::happening::Subject;
use crate::ids::{AccountId, PluginName, ThreadId};
use crate::proposal::{CreateCase, EmailProposal, HoldProposal, Notify, PlainAddress};
use crate::time::{HOUR_MS, Window};

const ALICE: &str = "alice@example.com";
const SAM: &str = "sam@firm.example";
/// A Monday, 10:00 in Berlin.
const NOW: &str = "2026-03-02T09:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hours(count: i64) -> Timestamp {
    at(NOW).plus_millis(count.saturating_mul(HOUR_MS))
}

fn person(email: &str) -> Person {
    Person {
        name: None,
        email: email.to_owned(),
    }
}

/// A mail of alice to sam, an hour ago.
fn message(key: &str) -> MessageRecord {
    MessageRecord {
        key: MessageKey::from(key),
        message_id: Some(format!("{key}@example.com")),
        thread: ThreadId::from("thread-1"),
        mailbox: "sam".into(),
        outbound: false,
        historical: false,
        date: hours(-1),
        received: hours(-1),
        subject: "Booking system".to_owned(),
        from: Some(person(ALICE)),
        from_count: 1,
        reply_to: Vec::new(),
        to: vec![person(SAM)],
        cc: Vec::new(),
        references: Vec::new(),
        class: "human".to_owned(),
        class_evidence: vec!["nothing says otherwise".to_owned()],
        no_automatic_answer: false,
        authenticity: "pass".to_owned(),
        out_of_office: None,
        effect: None,
        plugin: None,
        account: None,
        contact: None,
        content: String::new(),
        size: 100,
        attachments: 0,
        tags: Vec::new(),
        problems: Vec::new(),
        threading: Default::default(),
    }
}

/// The same thread from our side.
fn ours(key: &str) -> MessageRecord {
    MessageRecord {
        outbound: true,
        from: Some(person(SAM)),
        to: vec![person("kim@firm.example"), person(ALICE)],
        ..message(key)
    }
}

fn manifest() -> serde_json::Value {
    json!({
        "manifest": 1,
        "plugin": { "name": "lead-triage", "version": "0.1.0", "requires": "0.1.0",
                    "summary": "Enquiries become leads." },
        "proposals": {
            "email": { "why": "w", "recipients": "thread", "purpose": "opportunity" },
            "hold": { "why": "w" }, "release-holds": { "why": "w" },
            "create-case": { "why": "w" }, "update-case": { "why": "w" },
            "create-task": { "why": "w" }, "set-timer": { "why": "w" },
            "cancel-timer": { "why": "w" }, "tag-message": { "why": "w" },
            "notify": { "why": "w" }, "change-mailbox": { "why": "w" },
        },
        "case": [{
            "kind": "lead", "title": "Lead", "states": ["New", "Qualified", "Lost"],
            "transitions": [["New", "Qualified"], ["New", "Lost"]],
            "field": [{ "name": "need", "type": "text" }, { "name": "source", "type": "text" }],
        }],
    })
}

/// Everything that one decision looks at; tests change what they are about.
struct Scene {
    manifest: serde_json::Value,
    modes: Modes,
    mailbox: Vec<String>,
    limits: Limits,
    send_delay_ms: i64,
    now: Timestamp,
    trigger: Option<MessageRecord>,
    origin: Option<MessageRecord>,
    outsider: Option<String>,
    answered: BTreeMap<MessageKey, MessageRecord>,
    recipients: BTreeMap<String, RecipientFacts>,
    thread: Option<ThreadRecord>,
    staff_mails: BTreeMap<String, Vec<Timestamp>>,
    restored: Option<Timestamp>,
    authenticity: &'static str,
    matched: Match,
    warnings: BTreeMap<MessageKey, String>,
    owner: Option<OwnerFacts>,
    route: Option<Route>,
    staff_route: Option<Route>,
    seen: BTreeMap<EffectId, String>,
    cases: BTreeMap<String, CaseRecord>,
    mailbox_changes: u32,
    holds_open: HoldsOpen,
}

impl Scene {
    /// An enquiry of alice's, everything granted, mail in mode `send`.
    fn new() -> Scene {
        let apply = RecordMode::Apply;
        let route = Route {
            transport: "smtp".into(),
            from: SAM.to_owned(),
            drafts: true,
        };
        Scene {
            manifest: manifest(),
            modes: Modes {
                mail: MailMode::Send,
                records: apply,
                tasks: apply,
                holds: apply,
                mailbox: apply,
            },
            mailbox: ["flag", "keyword:customer-*", "move:Archive", "label:Leads"]
                .map(str::to_owned)
                .into(),
            limits: Limits::default(),
            send_delay_ms: 0,
            now: at(NOW),
            trigger: Some(message("m1")),
            origin: None,
            outsider: None,
            answered: BTreeMap::from([("m1".into(), message("m1"))]),
            recipients: BTreeMap::new(),
            thread: None,
            staff_mails: BTreeMap::new(),
            restored: None,
            authenticity: "pass",
            matched: Match {
                outcome: MatchOutcome::Unknown,
                account: None,
                contact: None,
                candidates: Vec::new(),
                confidence: 0,
                evidence: Vec::new(),
            },
            warnings: BTreeMap::new(),
            owner: Some(owner()),
            route: Some(route),
            staff_route: None,
            seen: BTreeMap::new(),
            cases: BTreeMap::new(),
            mailbox_changes: 0,
            holds_open: HoldsOpen::default(),
        }
    }

    fn known(&mut self) -> &mut RecipientFacts {
        self.recipients.entry(ALICE.to_owned()).or_default()
    }

    /// Answers `record` instead of alice's mail.
    fn answering(&mut self, record: MessageRecord) {
        self.trigger = (!record.outbound).then(|| record.clone());
        self.answered = BTreeMap::from([("m1".into(), record)]);
    }

    fn resolved(&self, proposals: Vec<Proposal>) -> Vec<Resolved> {
        resolve(proposals, &cause(), &firm(), &self.answered)
    }

    fn decide(&self, proposals: Vec<Proposal>) -> Decision {
        let manifest: Manifest = serde_json::from_value(self.manifest.clone()).unwrap();
        let firm = Firm {
            send_delay_ms: self.send_delay_ms,
            ..firm()
        };
        let mailbox = MailboxGrants::parse(&self.mailbox).unwrap();
        let rules = Rules {
            manifest: &manifest,
            modes: self.modes,
            mailbox: &mailbox,
            limits: &self.limits,
            firm: &firm,
        };
        let facts = Facts {
            now: self.now,
            cause: cause(),
            trigger: self.trigger.as_ref(),
            origin: self.origin.as_ref(),
            outsider: self.outsider.clone(),
            answered: self.answered.clone(),
            recipients: self.recipients.clone(),
            thread: self.thread.as_ref(),
            participants: [ALICE, SAM].map(str::to_owned).into(),
            staff_mails: self.staff_mails.clone(),
            restored: self.restored,
            matched: &self.matched,
            authenticity: self.authenticity,
            warnings: self.warnings.clone(),
            owner: self.owner.clone(),
            users: self
                .owner
                .iter()
                .map(|one| (SAM.to_owned(), one.clone()))
                .collect(),
            route: self.route.clone(),
            staff_route: self.staff_route.clone(),
            seen: self.seen.clone(),
            cases: self.cases.clone(),
            mailbox_changes: self.mailbox_changes,
            holds_open: self.holds_open,
        };
        decide(&rules, &facts, self.resolved(proposals))
    }
}

fn firm() -> Firm {
    Firm {
        own_domains: ["firm.example".to_owned()].into(),
        own_addresses: ["sam.private@example.org".to_owned()].into(),
        sending_domain: "firm.example".to_owned(),
        business: BusinessCalendar::weekdays("Europe/Berlin", "09:00-17:00".parse().unwrap())
            .unwrap(),
        quiet: QuietHours::default(),
        send_delay_ms: 0,
    }
}

fn owner() -> OwnerFacts {
    OwnerFacts {
        user: UserView {
            name: "Sam".to_owned(),
            email: SAM.to_owned(),
            zone: "Europe/Berlin".to_owned(),
        },
        calendar: Some("sam".into()),
        holds_open: 0,
    }
}

fn cause() -> Cause {
    Cause {
        plugin: PluginName::from("lead-triage"),
        plugin_version: "0.1.0".to_owned(),
        plugin_digest: "0123456789ab".to_owned(),
        label: String::new(),
        event_seq: 7,
        cause: "m1".to_owned(),
        subject: Subject {
            message: Some("m1".into()),
            thread: Some("thread-1".into()),
            account: Some(AccountId::from("acme")),
            ..Subject::default()
        },
        reason: String::new(),
        rule: None,
    }
}

fn closed() -> crate::message::ThreadClosed {
    crate::message::ThreadClosed {
        at: hours(-1),
        who: "alice".to_owned(),
        why: "they chose another".to_owned(),
    }
}

fn thread() -> ThreadRecord {
    ThreadRecord {
        id: "thread-1".into(),
        subject: "Booking system".to_owned(),
        account: None,
        messages: 2,
        last_human_inbound: None,
        last_human_outbound: None,
        automatic_since_human: 0,
        last: hours(-1),
        closed: None,
    }
}

fn proposal(label: &str, action: Action) -> Proposal {
    Proposal {
        label: label.to_owned(),
        action,
        reason: "because".to_owned(),
        rule: Some("R03".to_owned()),
        once: None,
    }
}

fn email() -> EmailProposal {
    EmailProposal {
        in_reply_to: Some("m1".into()),
        to: Vec::new(),
        cc: Vec::new(),
        subject: None,
        content: Content::Text("Hello Alice".to_owned()),
        attach: Vec::new(),
        not_before: None,
        cancel_on_reply: true,
        requires: Vec::new(),
    }
}

fn hold() -> HoldProposal {
    HoldProposal {
        title: "Meeting\r\nwith Alice".to_owned(),
        when: Window {
            start: hours(96),
            end: hours(97),
        },
        zone: None,
        owner: None,
        group: "first-meeting".to_owned(),
        note: String::new(),
        expires: None,
    }
}

fn lead() -> CreateCase {
    CreateCase {
        kind: "lead".to_owned(),
        title: "Alice".to_owned(),
        state: None,
        fields: [(
            "need".to_owned(),
            crate::proposal::Value::Text("a system".to_owned()),
        )]
        .into(),
    }
}

fn plain(email: &str) -> PlainAddress {
    PlainAddress {
        name: None,
        email: email.to_owned(),
    }
}

/// One word for a verdict, and all its reasons in one line.
fn word(verdict: &Verdict) -> (&'static str, String) {
    let word = match verdict.result {
        VerdictResult::Effect(_) => "effect",
        VerdictResult::Deferred(..) => "deferred",
        VerdictResult::Applied(_) => "applied",
        VerdictResult::Rehearsed => "rehearsed",
        VerdictResult::Refused => "refused",
        VerdictResult::Repeated(_) => "repeated",
    };
    (word, verdict.reasons.join(" | "))
}

/// Asserts the word of the last verdict and a part of its reasons.
fn expect(what: &str, decision: &Decision, expected: (&str, &str)) {
    let (got, reasons) = word(decision.verdicts.last().unwrap());
    assert_eq!(got, expected.0, "{what}: {reasons}");
    assert!(reasons.starts_with("because"), "{what}: {reasons}");
    assert!(reasons.contains(expected.1), "{what}: {reasons}");
}

fn mails(decision: &Decision) -> Vec<&MailPlan> {
    let mail = |plan: &'_ Plan| matches!(plan, Plan::Mail(_));
    let plans = decision.plans.iter().filter(|plan| mail(plan));
    plans
        .map(|plan| match plan {
            Plan::Mail(mail) => &**mail,
            _ => unreachable!(),
        })
        .collect()
}

fn holds(decision: &Decision) -> Vec<&HoldEffect> {
    let holds = decision.plans.iter().filter_map(|plan| match plan {
        Plan::Hold(hold) => Some(&**hold),
        _ => None,
    });
    holds.collect()
}

#[test]
fn what_the_manifest_does_not_ask_for_is_refused_by_name() {
    let kinds = [
        Action::Email(email()),
        Action::Hold(hold()),
        Action::ReleaseHolds("g".to_owned()),
        Action::CreateCase(lead()),
        Action::CancelTimer("t".to_owned()),
        Action::Notify(notify("x")),
        Action::Extension("fly-to-the-moon".to_owned()),
    ];
    for action in kinds {
        let mut scene = Scene::new();
        let part = format!("no [proposals.{}]", action.kind());
        scene.manifest["proposals"] = json!({});
        let decision = scene.decide(vec![proposal("a", action)]);
        expect(&part, &decision, ("refused", &part));
        assert!(decision.plans.is_empty());
    }
    let mut scene = Scene::new();
    scene.manifest["proposals"]["extension"] = json!({ "why": "w" });
    let action = Action::Extension("fly-to-the-moon".to_owned());
    let decision = scene.decide(vec![proposal("a", action)]);
    expect(
        "extension",
        &decision,
        ("refused", "no proposal of kind `fly-to-the-moon`"),
    );
}

#[test]
fn no_more_than_max_of_a_kind_and_the_other_kinds_go_on() {
    let mut scene = Scene::new();
    scene.manifest["proposals"]["notify"]["max"] = json!(2);
    let mut list: Vec<_> = (0..4)
        .map(|n| proposal(&format!("n{n}"), Action::Notify(notify("x"))))
        .collect();
    list.push(proposal("mail", Action::Email(email())));
    let decision = scene.decide(list);
    let words: Vec<_> = decision.verdicts.iter().map(|v| word(v).0).collect();
    assert_eq!(
        words,
        ["applied", "applied", "refused", "refused", "effect"]
    );
    let (_, reasons) = word(&decision.verdicts[2]);
    assert!(
        reasons.contains("more than max = 2 of [proposals.notify]"),
        "{reasons}"
    );
}

#[test]
fn what_was_decided_before_is_not_decided_again() {
    let list = || {
        vec![
            proposal("mail", Action::Email(email())),
            proposal("hold", Action::Hold(hold())),
            proposal("case", Action::CreateCase(lead())),
            proposal("note", Action::Notify(notify("x"))),
        ]
    };
    let mut scene = Scene::new();
    let ids = scene.resolved(list()).into_iter().map(|item| item.id);
    scene.seen = ids.map(|id| (id, "it is sent".to_owned())).collect();
    let decision = scene.decide(list());
    for verdict in &decision.verdicts {
        let (word, reasons) = word(verdict);
        assert_eq!(
            (word, reasons.as_str()),
            ("repeated", "because | decided before: it is sent")
        );
    }
    assert!(decision.plans.is_empty());
}

#[test]
fn effect_keys_follow_plugin_cause_label_and_recipient_and_once_replaces_the_cause() {
    let scene = Scene::new();
    let id = |label: &str, once: Option<&str>, cause_text: &str| {
        let mut one = proposal(label, Action::Email(email()));
        one.once = once.map(str::to_owned);
        let mut cause = cause();
        cause.cause = cause_text.to_owned();
        cause.plugin_version = format!("0.{}.0", cause_text.len());
        resolve(vec![one], &cause, &firm(), &scene.answered)
            .remove(0)
            .id
    };
    assert_eq!(id("a", None, "m1"), id("a", None, "m1"));
    assert_ne!(id("a", None, "m1"), id("b", None, "m1"));
    assert_ne!(id("a", None, "m1"), id("a", None, "m22"));
    assert_eq!(
        id("a", Some("2026-03"), "m1"),
        id("a", Some("2026-03"), "m22")
    );
    assert_ne!(
        id("a", Some("2026-03"), "m1"),
        id("a", Some("2026-04"), "m1")
    );
    // Frozen: an upgrade that changes these would send everything again.
    assert_eq!(
        id("a", None, "m1").as_str(),
        "85a82281afb5b253c067651fd0364ec6"
    );
    let plans = scene.decide(vec![proposal("a", Action::Email(email()))]);
    let effect = &mails(&plans)[0].effect;
    assert_eq!(
        effect.message_id,
        format!("liaison.{}@firm.example", effect.id)
    );
}

fn notify(text: &str) -> Notify {
    Notify {
        text: text.to_owned(),
        urgent: false,
        to: None,
    }
}
