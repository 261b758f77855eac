//! A value of each shape that is stored: every variant, every optional field once there and once
//! not. Their bytes are in `golden.txt`.
//!
//! A new version of a type keeps its values here as they read today; the lines of the older
//! versions stay in the file, and must read as the same values.

use std::collections::BTreeMap;

use liaison_core::account::matching::{AddressHit, Evidence, Match, MatchOutcome};
use liaison_core::account::{Account, Contact, ContactStatus, Details, Lifecycle};
use liaison_core::calendar::PartStat;
use liaison_core::calendar::itip::{Attending, Mark};
use liaison_core::crm::{CrmRecord, FieldChange, Kind, Source};
use liaison_core::effect::{Audience, Cause, HoldEffect, HoldState, MailEffect, MailMode};
use liaison_core::happening::{SettledOutcome, Subject};
use liaison_core::hold::{Choice, GroupState, HoldGroup};
use liaison_core::mailbox::{MailFlag, MailboxChange, MailboxEffect, MailboxState};
use liaison_core::meeting::{Meeting, News, Occurrence, What};
use liaison_core::message::{MessageRecord, Person, ThreadClosed, ThreadRecord, Threading};
use liaison_core::optout::{AllowedAgain, AskedBy, OptOut};
use liaison_core::outbox::{MailState, Phase};
use liaison_core::policy::{Verdict, VerdictResult};
use liaison_core::proposal::Value;
use liaison_core::reach::{
    Allowed, Meaning, Reach, ReportRecord, Reported, ReportedCopy, ReturnRecord, Stop, WhyNot,
};
use liaison_core::records::{CaseRecord, TaskPriority, TaskRecord, TimerRecord};
use liaison_core::time::{Timestamp, Window};

use crate::books::rows::*;
use crate::keeping::sweep::LetGo;
use crate::source::backfill::BackfillFolder;
use crate::source::listed::Listed;
use crate::source::{BatchMode, Cursor, FolderRole};

/// A named value.
pub(in crate::books) struct Case<T> {
    pub(in crate::books) name: &'static str,
    pub(in crate::books) value: T,
}

fn case<T>(name: &'static str, value: T) -> Case<T> {
    Case { name, value }
}

/// 2026-05-28T20:26:40Z and so many minutes.
fn at(minutes: i64) -> Timestamp {
    Timestamp(1_780_000_000_000 + minutes * 60_000)
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

fn subject() -> Subject {
    Subject {
        message: Some("m1".into()),
        thread: Some("t1".into()),
        account: Some("acc-1".into()),
        contact: Some("con-1".into()),
        counterpart: text("alice@example.com"),
        mailbox: text("office"),
    }
}

fn cause() -> Cause {
    Cause {
        plugin: "follow-up".into(),
        plugin_version: "0.1.0".to_owned(),
        plugin_digest: "0123456789ab".to_owned(),
        label: "remind".to_owned(),
        event_seq: 300,
        cause: "m1".to_owned(),
        subject: subject(),
        reason: "no answer for three days".to_owned(),
        rule: text("R31"),
    }
}

fn plain_cause() -> Cause {
    Cause {
        subject: Subject::default(),
        rule: None,
        ..cause()
    }
}

fn person(name: Option<&str>, email: &str) -> Person {
    Person {
        name: name.map(str::to_owned),
        email: email.to_owned(),
    }
}

pub(in crate::books) fn versions() -> Vec<Case<VersionsRow>> {
    vec![case(
        "two",
        VersionsRow {
            seen: vec![(10, 1), (11, 300)],
            swept: vec![(10, 1)],
        },
    )]
}

pub(in crate::books) fn messages() -> Vec<Case<MessageRecord>> {
    let full = MessageRecord {
        key: "m1".into(),
        message_id: text("1@example.com"),
        thread: "t1".into(),
        mailbox: "office".into(),
        outbound: false,
        historical: false,
        date: at(0),
        received: at(1),
        subject: "Größe".to_owned(),
        from: Some(person(Some("Alice"), "alice@example.com")),
        from_count: 1,
        reply_to: vec![person(None, "a@example.com")],
        to: vec![person(None, "bob@example.org")],
        cc: vec![person(None, "carol@example.com")],
        references: texts(&["0@example.com"]),
        class: "human".to_owned(),
        class_evidence: texts(&["no list header"]),
        no_automatic_answer: true,
        authenticity: "pass".to_owned(),
        out_of_office: Some((Some(at(60)), true)),
        effect: Some("e1".into()),
        plugin: Some("follow-up".into()),
        account: Some("acc-1".into()),
        contact: Some("con-1".into()),
        content: "b3".to_owned(),
        size: 70_000,
        attachments: 2,
        tags: texts(&["lead"]),
        problems: texts(&["no date"]),
        threading: Threading::default(),
    };
    let bare = MessageRecord {
        message_id: None,
        outbound: true,
        historical: true,
        from: None,
        from_count: 0,
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        references: Vec::new(),
        class_evidence: Vec::new(),
        no_automatic_answer: false,
        out_of_office: None,
        effect: None,
        plugin: None,
        account: None,
        contact: None,
        content: String::new(),
        size: 0,
        attachments: 0,
        tags: Vec::new(),
        problems: Vec::new(),
        ..full.clone()
    };
    let left = MessageRecord {
        out_of_office: Some((None, false)),
        ..bare.clone()
    };
    let threaded = MessageRecord {
        threading: Threading {
            by: Some(("in_reply_to".to_owned(), "0@example.com".to_owned())),
            index: text("01d8"),
            perhaps: Some(("t2".into(), "m2".into())),
        },
        ..bare.clone()
    };
    vec![
        case("full", full),
        case("bare", bare),
        case("left", left),
        case("threaded", threaded),
    ]
}

pub(in crate::books) fn threads() -> Vec<Case<ThreadRecord>> {
    let full = ThreadRecord {
        id: "t1".into(),
        subject: "Offer".to_owned(),
        account: Some(("acc-1".into(), "1@example.com".to_owned())),
        messages: 4,
        last_human_inbound: Some(at(0)),
        last_human_outbound: Some(at(-5)),
        automatic_since_human: 1,
        last: at(2),
        closed: None,
    };
    let bare = ThreadRecord {
        account: None,
        last_human_inbound: None,
        last_human_outbound: None,
        ..full.clone()
    };
    let closed = ThreadRecord {
        closed: Some(ThreadClosed {
            at: at(3),
            who: "alice@example.com".to_owned(),
            why: "they chose another".to_owned(),
        }),
        ..full.clone()
    };
    vec![
        case("full", full),
        case("bare", bare),
        case("closed", closed),
    ]
}

pub(in crate::books) fn deliveries() -> Vec<Case<DeliveryRow>> {
    let inbox = DeliveryRow {
        mailbox: "office".into(),
        folder: "INBOX".to_owned(),
        role: FolderRole::Inbox,
        locator: "7/12".to_owned(),
        seen: at(1),
        copy: false,
    };
    let sent = DeliveryRow {
        folder: "Sent".to_owned(),
        role: FolderRole::Sent,
        copy: true,
        ..inbox.clone()
    };
    vec![case("inbox", inbox), case("sent", sent)]
}

pub(in crate::books) fn cursors() -> Vec<Case<CursorRow>> {
    let imap = Cursor::Imap {
        uid_validity: 4_000_000_000,
        next_uid: 17,
    };
    let maildir = Cursor::Maildir { drawn_at: at(0) };
    let row = |cursor, line| CursorRow {
        cursor,
        at: at(1),
        line,
    };
    vec![
        // From before the line was remembered, it is the cursor.
        case("imap", row(imap, Some(17))),
        case("maildir", row(maildir, None)),
        case("imap-line", row(imap, Some(9))),
    ]
}

fn event(body: EventBody) -> EventRow {
    EventRow {
        seq: 300,
        key: "m1".to_owned(),
        at: at(1),
        body,
    }
}

fn settled(outcome: SettledOutcome) -> EventRow {
    event(EventBody::Settled {
        effect: "e1".into(),
        plugin: "follow-up".into(),
        label: "remind".to_owned(),
        outcome,
        subject: subject(),
    })
}

pub(in crate::books) fn events() -> Vec<Case<EventRow>> {
    let timer = EventBody::Timer {
        timer: "timer-1".into(),
        plugin: "follow-up".into(),
        name: "remind m1".to_owned(),
        due: at(0),
        payload: "{}".to_owned(),
        subject: Subject::default(),
    };
    let why = || "why".to_owned();
    vec![
        case("message", event(EventBody::Message("m1".into()))),
        case("timer", event(timer)),
        case("done", settled(SettledOutcome::Done)),
        case("drafted", settled(SettledOutcome::Drafted)),
        case("rejected", settled(SettledOutcome::Rejected(why()))),
        case("cancelled", settled(SettledOutcome::Cancelled(why()))),
        case("adopted", settled(SettledOutcome::Adopted(why()))),
        case("failed", settled(SettledOutcome::Failed(why()))),
        case("meeting", event(meeting_event(What::Moved))),
        case("meeting-created", event(meeting_event(What::Created))),
        case("meeting-changed", event(meeting_event(What::Changed))),
        case("meeting-off", event(meeting_event(What::Cancelled))),
        case("meeting-answered", event(meeting_event(What::Answered))),
        case("meeting-countered", event(meeting_event(What::Countered))),
        case(
            "meeting-declined",
            event(meeting_event(What::CounterDeclined)),
        ),
        case("meeting-uninvited", event(meeting_event(What::Uninvited))),
        case("meeting-ended", event(meeting_event(What::Ended))),
    ]
}

fn meeting_event(what: What) -> EventBody {
    let news = News {
        what,
        at: Some(at(3)),
        who: Some(Person {
            name: text("Ann"),
            email: "ann@acme.example".to_owned(),
        }),
        answer: Some(PartStat::Accepted),
        before: Some(hour(1)),
        when: Some(hour(3)),
    };
    EventBody::Meeting {
        meeting: "meeting-1".to_owned(),
        news,
        subject: subject(),
    }
}

fn hour(from: i64) -> Window {
    Window {
        start: at(from),
        end: at(from + 1),
    }
}

pub(in crate::books) fn meetings() -> Vec<Case<Meeting>> {
    let person = |name: &str| Person {
        name: text(name),
        email: format!("{name}@acme.example"),
    };
    let mark = |sequence| Mark {
        sequence,
        stamp: at(2),
    };
    let attending = |name: &str, answer, answered| Attending {
        person: person(name),
        answer,
        optional: answered,
        answered: answered.then(|| mark(1)),
    };
    let occurrence = |at, people| Occurrence {
        at,
        when: Some(hour(5)),
        all_day: false,
        rule: "r1".to_owned(),
        mark: mark(2),
        moved: mark(1),
        cancelled: at.is_some(),
        people,
    };
    let full = Meeting {
        id: "meeting-1".to_owned(),
        uid: "uid-1".to_owned(),
        title: "Visit".to_owned(),
        organizer: Some(person("ann")),
        whole: Some(occurrence(
            None,
            vec![
                attending("sam", PartStat::NeedsAction, false),
                attending("kim", PartStat::Accepted, true),
                attending("pat", PartStat::Declined, true),
                attending("lee", PartStat::Tentative, true),
                attending("max", PartStat::Delegated, true),
            ],
        )),
        exceptions: vec![occurrence(Some(at(9)), Vec::new())],
        left_out: 3,
        account: Some("acme".into()),
        contact: Some("ann".into()),
        thread: Some("t1".into()),
        message: Some("m1".into()),
        calendar: Some("sam".into()),
        owner: text("sam@example.net"),
        created: at(1),
        changed: at(4),
        ended: Some(at(6)),
    };
    let plain = Meeting {
        organizer: None,
        whole: None,
        exceptions: Vec::new(),
        account: None,
        contact: None,
        thread: None,
        message: None,
        calendar: None,
        owner: None,
        ended: None,
        ..full.clone()
    };
    let mut due = Meeting {
        ended: None,
        ..full.clone()
    };
    if let Some(whole) = &mut due.whole {
        whole.rule.clear();
    }
    vec![case("full", full), case("plain", plain), case("due", due)]
}

fn outcome(outcome: MatchOutcome) -> OutcomeRow {
    OutcomeRow {
        event_key: "m1".to_owned(),
        seq: Some(300),
        message: Some("m1".into()),
        matched: Some(Match {
            outcome,
            account: Some("acc-1".into()),
            contact: Some("con-1".into()),
            candidates: vec!["acc-1".into(), "acc-2".into()],
            confidence: 90,
            evidence: vec![Evidence {
                kind: "address".to_owned(),
                text: "alice@example.com is recorded".to_owned(),
            }],
        }),
        summary: "answered".to_owned(),
        closed: Some(at(2)),
    }
}

pub(in crate::books) fn outcomes() -> Vec<Case<OutcomeRow>> {
    let open = OutcomeRow {
        seq: None,
        message: None,
        matched: None,
        closed: None,
        ..outcome(MatchOutcome::Unknown)
    };
    let mut nobody = outcome(MatchOutcome::Unknown);
    if let Some(matched) = &mut nobody.matched {
        (matched.account, matched.contact) = (None, None);
    }
    vec![
        case("account", outcome(MatchOutcome::Account)),
        case("ambiguous", outcome(MatchOutcome::Ambiguous)),
        case("unknown", nobody),
        case("own", outcome(MatchOutcome::Own)),
        case("automatic", outcome(MatchOutcome::Automatic)),
        case("open", open),
    ]
}

fn verdict(result: VerdictResult) -> Verdict {
    Verdict {
        label: "remind".to_owned(),
        kind: "email".to_owned(),
        result,
        reasons: texts(&["no answer", "within the hours"]),
    }
}

pub(in crate::books) fn plugin_results() -> Vec<Case<PluginResultRow>> {
    let row = |end| PluginResultRow {
        plugin: "follow-up".into(),
        version: "0.1.0".to_owned(),
        digest: "0123456789ab".to_owned(),
        at: at(2),
        end,
        verdicts: Vec::new(),
        verdicts_cut: 0,
        log: Vec::new(),
        fuel: (12_000, 1_000_000_000),
        attempt: 1,
    };
    let mut answered = row(CallEnd::Answered);
    answered.verdicts = vec![
        verdict(VerdictResult::Effect("e1".into())),
        verdict(VerdictResult::Deferred("e2".into(), at(9))),
        verdict(VerdictResult::Applied("case-1".to_owned())),
        verdict(VerdictResult::Rehearsed),
        verdict(VerdictResult::Refused),
        verdict(VerdictResult::Repeated("e1".into())),
    ];
    answered.verdicts_cut = 3;
    answered.log = texts(&["looked"]);
    let why = || "why".to_owned();
    vec![
        case("answered", answered),
        case("skipped", row(CallEnd::Skipped(why()))),
        case("waiting", row(CallEnd::Waiting(at(9), why()))),
        case("parked", row(CallEnd::Parked(why()))),
    ]
}

pub(in crate::books) fn plugin_states() -> Vec<Case<PluginStateRow>> {
    let suspended = PluginStateRow {
        strikes: 3,
        suspended: Some((at(0), "fuel".to_owned())),
        digest: "0123456789ab".to_owned(),
    };
    vec![
        case("suspended", suspended),
        case("working", PluginStateRow::default()),
    ]
}

fn mail(state: MailState) -> MailEffect {
    MailEffect {
        id: "e1".into(),
        cause: cause(),
        audience: Audience::Counterpart,
        mode: MailMode::Send,
        transport: "smtp".into(),
        message_id: "e1@example.org".to_owned(),
        from: "bob@example.org".to_owned(),
        recipient: "alice@example.com".to_owned(),
        subject_line: "Re: Offer".to_owned(),
        content: "b3".to_owned(),
        answers: Some("m1".into()),
        cancel_on_reply: true,
        requires: vec!["e9".into()],
        exempt_from_cap: false,
        state,
        since: at(2),
        not_before: at(3),
        attempts: 2,
        looks: 1,
        last_reply: text("250 2.0.0 ok"),
        created: at(1),
        known_as: Vec::new(),
        resends_left: 0,
        missing_since: None,
    }
}

pub(in crate::books) fn mails() -> Vec<Case<MailEffect>> {
    let staff = |mode| MailEffect {
        cause: plain_cause(),
        audience: Audience::Staff,
        mode,
        answers: None,
        cancel_on_reply: false,
        requires: Vec::new(),
        exempt_from_cap: true,
        last_reply: None,
        ..mail(MailState::Proposed)
    };
    let cancelled = MailState::Cancelled {
        by: "alice@example.com".to_owned(),
        why: "answered".to_owned(),
    };
    let missed = MailEffect {
        known_as: vec!["0102018e0a1b2c3d-000000".to_owned()],
        resends_left: 1,
        missing_since: Some(at(4)),
        ..mail(MailState::Drafted)
    };
    vec![
        case("missed", missed),
        case("proposed", mail(MailState::Proposed)),
        case("held", mail(MailState::Held)),
        case("drafted", mail(MailState::Drafted)),
        case("approved", mail(MailState::Approved)),
        case("scheduled", mail(MailState::Scheduled)),
        case("before-dot", mail(MailState::Leased(Phase::BeforeDot))),
        case("after-dot", mail(MailState::Leased(Phase::AfterDot))),
        case("sent", mail(MailState::Sent)),
        case("deferred", mail(MailState::Deferred)),
        case("failed", mail(MailState::Failed)),
        case("uncertain", mail(MailState::Uncertain)),
        case("resolved", mail(MailState::Resolved { sent: true })),
        case("rejected", mail(MailState::Rejected)),
        case("cancelled", mail(cancelled)),
        case("superseded", mail(MailState::Superseded)),
        case("expired", mail(MailState::Expired)),
        case("mode-off", staff(MailMode::Off)),
        case("mode-rehearse", staff(MailMode::Rehearse)),
        case("mode-notify", staff(MailMode::Notify)),
        case("mode-draft", staff(MailMode::Draft)),
        case("mode-approve", staff(MailMode::Approve)),
    ]
}

pub(in crate::books) fn holds() -> Vec<Case<HoldEffect>> {
    let hold = |state| HoldEffect {
        id: "e9".into(),
        cause: cause(),
        calendar: "bob".into(),
        uid: "e9@liaison".to_owned(),
        group: "g1".into(),
        group_name: "offer".to_owned(),
        title: "Call".to_owned(),
        note: "with Alice".to_owned(),
        when: Window {
            start: at(60),
            end: at(90),
        },
        zone: "Europe/Berlin".to_owned(),
        expires: at(600),
        href: text("/bob/e9.ics"),
        etag: text("\"1\""),
        state,
        since: at(2),
        attempts: 1,
        not_before: at(3),
        last_trouble: text("423 Locked"),
        created: at(1),
        generation: 1,
    };
    let why = || "why".to_owned();
    let confirming = HoldEffect {
        generation: 2,
        ..hold(HoldState::Confirming("bob@example.com".to_owned()))
    };
    let planned = HoldEffect {
        cause: plain_cause(),
        href: None,
        etag: None,
        last_trouble: None,
        ..hold(HoldState::Planned)
    };
    vec![
        case("planned", planned),
        case("placed", hold(HoldState::Placed)),
        case("confirmed", hold(HoldState::Confirmed)),
        case("released", hold(HoldState::Released(why()))),
        case("releasing", hold(HoldState::Releasing(why()))),
        case("expired", hold(HoldState::Expired)),
        case("adopted", hold(HoldState::Adopted(why()))),
        case("lost", hold(HoldState::Lost(why()))),
        case("confirming", confirming),
    ]
}

pub(in crate::books) fn hold_groups() -> Vec<Case<HoldGroup>> {
    let choice = || Choice {
        hold: "e9".into(),
        who: "bob@example.com".to_owned(),
        at: at(5),
    };
    let group = |state| HoldGroup {
        id: "g1".into(),
        plugin: "lead-triage".into(),
        generation: 2,
        state,
        since: at(6),
        created: at(1),
    };
    vec![
        case("open", group(GroupState::Open)),
        case("choosing", group(GroupState::Choosing(choice()))),
        case("confirmed", group(GroupState::Confirmed(choice()))),
        case("abandoned", group(GroupState::Abandoned)),
    ]
}

pub(in crate::books) fn mailbox_effects() -> Vec<Case<MailboxEffect>> {
    let effect = |change, state| MailboxEffect {
        id: "e10".into(),
        cause: cause(),
        message: "m1".into(),
        mailbox: "sales".into(),
        change,
        state,
        since: at(2),
        attempts: 3,
        declined: 1,
        not_before: at(3),
        last_trouble: text("NO [TRYCREATE]"),
        created: at(1),
    };
    let why = || "why".to_owned();
    let flag = |flag| MailboxChange::Flag { flag, on: true };
    let keyword = MailboxChange::Keyword {
        keyword: "customer-acme".to_owned(),
        on: false,
    };
    let planned = MailboxEffect {
        cause: plain_cause(),
        last_trouble: None,
        ..effect(flag(MailFlag::Seen), MailboxState::Planned)
    };
    let archive = MailboxChange::Move("Archive".to_owned());
    let leads = MailboxChange::Label("Leads".to_owned());
    vec![
        case("planned", planned),
        case("done", effect(keyword, MailboxState::Done)),
        case("refused", effect(leads, MailboxState::Refused(why()))),
        case("gone", effect(archive, MailboxState::Gone(why()))),
        case(
            "failed",
            effect(flag(MailFlag::Flagged), MailboxState::Failed(why())),
        ),
        case(
            "answered",
            effect(flag(MailFlag::Answered), MailboxState::Done),
        ),
    ]
}

pub(in crate::books) fn cases() -> Vec<Case<CaseRecord>> {
    let fields = [
        ("none", Value::Null),
        ("flag", Value::Flag(true)),
        ("count", Value::Integer(-5)),
        ("text", Value::Text("lead".to_owned())),
        ("at", Value::At(at(5))),
        ("texts", Value::Texts(texts(&["a", "b"]))),
    ];
    let full = CaseRecord {
        id: "case-1".into(),
        plugin: "lead-triage".into(),
        kind: "lead".to_owned(),
        title: "Acme".to_owned(),
        state: "new".to_owned(),
        fields: fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        account: Some("acc-1".into()),
        subject: subject(),
        revision: 2,
        steps: vec![(at(1), "new".to_owned(), "asked".to_owned())],
        created: at(1),
        updated: at(2),
        by_person: Vec::new(),
        indexed: Vec::new(),
    };
    let changed = CaseRecord {
        by_person: texts(&["text"]),
        indexed: texts(&["state", "text"]),
        ..full.clone()
    };
    let bare = CaseRecord {
        fields: BTreeMap::new(),
        account: None,
        subject: Subject::default(),
        steps: Vec::new(),
        ..full.clone()
    };
    vec![
        case("full", full),
        case("bare", bare),
        case("changed", changed),
    ]
}

pub(in crate::books) fn case_indexes() -> Vec<Case<CaseIndexRow>> {
    let row = CaseIndexRow {
        kind: "lead".to_owned(),
        fields: texts(&["address", "state"]),
    };
    vec![case("lead", row)]
}

pub(in crate::books) fn tasks() -> Vec<Case<TaskRecord>> {
    let done = TaskRecord {
        id: "task-1".into(),
        cause: cause(),
        notification: false,
        urgent: true,
        title: "Sign".to_owned(),
        body: "the contract".to_owned(),
        checklist: texts(&["name", "date"]),
        due: Some(at(99)),
        owner: text("bob@example.org"),
        done: Some((at(5), "uid 1000".to_owned())),
        created: at(1),
        priority: None,
        declined: None,
        account: Some("acc-1".into()),
        contact: Some("con-1".into()),
        about: Vec::new(),
        revision: 1,
        updated: at(5),
    };
    let declined = |priority| TaskRecord {
        done: None,
        priority: Some(priority),
        declined: Some((at(6), "uid 1000".to_owned(), "too late".to_owned())),
        about: texts(&["opp-1"]),
        revision: 3,
        updated: at(6),
        ..done.clone()
    };
    let by_priority = [
        case("client", declined(TaskPriority::Client)),
        case("prospect", declined(TaskPriority::Prospect)),
        case("internal", declined(TaskPriority::Internal)),
    ];
    let open = TaskRecord {
        cause: plain_cause(),
        notification: true,
        urgent: false,
        checklist: Vec::new(),
        due: None,
        owner: None,
        done: None,
        account: None,
        contact: None,
        updated: at(1),
        ..done.clone()
    };
    let first = [case("done", done), case("open", open)];
    first.into_iter().chain(by_priority).collect()
}

pub(in crate::books) fn timers() -> Vec<Case<TimerRecord>> {
    vec![case(
        "set",
        TimerRecord {
            id: "timer-1".into(),
            plugin: "follow-up".into(),
            name: "remind m1".to_owned(),
            due: at(99),
            generation: 2,
            payload: "{}".to_owned(),
            subject: subject(),
            reason: "in three days".to_owned(),
            set_at: at(1),
        },
    )]
}

pub(in crate::books) fn ledger() -> Vec<Case<LedgerRow>> {
    vec![case(
        "mail",
        LedgerRow {
            at: at(1),
            effect: "e1".into(),
        },
    )]
}

pub(in crate::books) fn audits() -> Vec<Case<AuditRow>> {
    vec![case(
        "step",
        AuditRow {
            at: at(1),
            who: "uid 1000".to_owned(),
            what: "held -> approved".to_owned(),
            why: "read it".to_owned(),
        },
    )]
}

pub(in crate::books) fn timeline() -> Vec<Case<TimelineRow>> {
    vec![case(
        "mail",
        TimelineRow {
            at: at(1),
            kind: "mail-in".to_owned(),
            text: "alice@example.com: Offer".to_owned(),
            id: "m1".to_owned(),
        },
    )]
}

fn details() -> Details {
    Details {
        fields: crm_fields(),
        by_person: texts(&["industry"]),
        revision: 300,
        merged_into: text("acc-2"),
    }
}

fn crm_fields() -> BTreeMap<String, Value> {
    let values = [
        ("a", Value::Flag(true)),
        ("b", Value::Integer(-300)),
        ("c", Value::Text("Größe".to_owned())),
        ("d", Value::At(at(3))),
        ("e", Value::Texts(texts(&["one", "two"]))),
        ("f", Value::Null),
    ];
    values
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

pub(in crate::books) fn crm_records() -> Vec<Case<CrmRecord>> {
    let record = |kind| CrmRecord {
        kind,
        id: "opp-0123456789abcdef".to_owned(),
        fields: crm_fields(),
        by_person: texts(&["a"]),
        revision: 2,
        merged_into: text("opp-1"),
        steps: vec![(at(1), "Won".to_owned())],
        created: at(1),
        updated: at(2),
    };
    let named = Kind::ALL
        .iter()
        .map(|kind| case(kind.word(), record(*kind)));
    let bare = CrmRecord::new(Kind::Product, "prd-1".to_owned(), at(0));
    named.chain([case("bare", bare)]).collect()
}

pub(in crate::books) fn merges() -> Vec<Case<MergeRow>> {
    let taken = FieldChange {
        field: "industry".to_owned(),
        old: Value::Null,
        new: Value::Text("bakery".to_owned()),
    };
    let row = MergeRow {
        kind: Kind::Account,
        from: "acc-1".to_owned(),
        into: "acc-2".to_owned(),
        taken: vec![taken],
        at: at(1),
        who: "uid 0".to_owned(),
    };
    vec![case("one", row)]
}

pub(in crate::books) fn watched() -> Vec<Case<WatchRow>> {
    let alarm = AlarmState {
        open: true,
        stale: true,
        what: "INBOX is not proven up to date".to_owned(),
        since: at(2),
        told: at(3),
    };
    let row = |alarm| WatchRow {
        proven: vec![("INBOX".to_owned(), at(1))],
        alarm,
    };
    vec![case("quiet", row(None)), case("alarm", row(Some(alarm)))]
}

pub(in crate::books) fn backfills() -> Vec<Case<BackfillRow>> {
    let folder = BackfillFolder {
        folder: "INBOX".to_owned(),
        uid_validity: 7,
        after: "42".to_owned(),
        done: 40,
        total: 90,
        finished: false,
    };
    let row = |state, folders, ended| BackfillRow {
        mailbox: "sam".into(),
        since: at(1),
        asked: at(2),
        who: "uid 1000".to_owned(),
        state,
        folders,
        rehearsed: 38,
        ended,
    };
    vec![
        case("running", row(BackfillState::Running, vec![folder], None)),
        case("done", row(BackfillState::Done, Vec::new(), Some(at(3)))),
        case(
            "cancelled",
            row(BackfillState::Cancelled, Vec::new(), Some(at(3))),
        ),
    ]
}

pub(in crate::books) fn listings() -> Vec<Case<ListedRow>> {
    let listed = Listed {
        uid_validity: 7,
        ranges: vec![(3, 5), (9, 9)],
    };
    let row = ListedRow {
        mailbox: "sam".into(),
        folder: "INBOX".to_owned(),
        listed,
    };
    vec![case("two-ranges", row)]
}

pub(in crate::books) fn changes() -> Vec<Case<ChangeRow>> {
    let row = |source, decided| ChangeRow {
        id: "chg-1".to_owned(),
        kind: AnyKind::Core(Kind::Account),
        record: "acc-1".to_owned(),
        field: "industry".to_owned(),
        old: Value::Text("bakery".to_owned()),
        new: Value::Null,
        source,
        who: "import".to_owned(),
        why: "crm.csv".to_owned(),
        at: at(1),
        decided,
    };
    let decided = Some((at(2), "uid 0".to_owned(), true));
    let of_case = ChangeRow {
        kind: AnyKind::Case("lead".to_owned()),
        record: "lead-1".to_owned(),
        ..row(Source::Plugin, None)
    };
    vec![
        case("case", of_case),
        case("import", row(Source::Import, None)),
        case("plugin", row(Source::Plugin, decided)),
        case("person", row(Source::Person, None)),
    ]
}

pub(in crate::books) fn accounts() -> Vec<Case<Account>> {
    let account = |lifecycle| Account {
        id: "acc-1".into(),
        name: "Acme GmbH".to_owned(),
        domains: texts(&["example.com"]),
        lifecycle,
        owner: text("bob@example.org"),
        do_not_contact: true,
        external_id: text("17"),
        created: at(1),
        updated: at(2),
        details: Details::default(),
    };
    let bare = Account {
        domains: Vec::new(),
        owner: None,
        do_not_contact: false,
        external_id: None,
        ..account(Lifecycle::Prospect)
    };
    vec![
        case("prospect", bare),
        case("active", account(Lifecycle::Active)),
        case("past", account(Lifecycle::Past)),
        case("lost", account(Lifecycle::Lost)),
        case(
            "details",
            Account {
                details: details(),
                ..account(Lifecycle::Active)
            },
        ),
    ]
}

pub(in crate::books) fn contacts() -> Vec<Case<Contact>> {
    let active = Contact {
        id: "con-1".into(),
        account: "acc-1".into(),
        name: text("Alice"),
        addresses: texts(&["alice@example.com"]),
        role: text("Buyer"),
        status: ContactStatus::Active,
        do_not_contact: false,
        created: at(1),
        updated: at(2),
        details: Details::default(),
    };
    let left = Contact {
        name: None,
        addresses: Vec::new(),
        role: None,
        status: ContactStatus::Left,
        do_not_contact: true,
        ..active.clone()
    };
    let known = Contact {
        details: details(),
        ..active.clone()
    };
    vec![
        case("active", active),
        case("left", left),
        case("details", known),
    ]
}

pub(in crate::books) fn by_addr() -> Vec<Case<ByAddrRow>> {
    let hit = |contact: Option<&str>| AddressHit {
        account: "acc-1".into(),
        contact: contact.map(Into::into),
    };
    let hits = vec![hit(Some("con-1")), hit(None)];
    let two = ByAddrRow {
        hits,
        decided: None,
    };
    let decided = ByAddrRow {
        decided: Some("acc-1".into()),
        ..two.clone()
    };
    vec![case("two", two), case("decided", decided)]
}

pub(in crate::books) fn by_domain() -> Vec<Case<ByDomainRow>> {
    let accounts = vec!["acc-1".into(), "acc-2".into()];
    let two = ByDomainRow {
        accounts,
        decided: None,
    };
    let decided = ByDomainRow {
        decided: Some("acc-1".into()),
        ..two.clone()
    };
    vec![case("two", two), case("decided", decided)]
}

pub(in crate::books) fn counters() -> Vec<Case<CounterRow>> {
    vec![case("next", CounterRow { next: 300 })]
}

pub(in crate::books) fn waits() -> Vec<Case<WaitRow>> {
    let full = WaitRow {
        seq: 300,
        plugin: "follow-up".into(),
        thread: text("t1"),
        account: Some("acc-1".into()),
        attempt: 2,
        due: at(9),
    };
    let bare = WaitRow {
        thread: None,
        account: None,
        ..full.clone()
    };
    vec![case("full", full), case("bare", bare)]
}

pub(in crate::books) fn unread() -> Vec<Case<UnreadRow>> {
    let row = |mode, last_look| UnreadRow {
        mailbox: "office".into(),
        folder: "INBOX".to_owned(),
        locator: "7/12".to_owned(),
        mode,
        last_look,
        since: at(1),
        tries: 2,
        due: at(9),
        reason: "the server gave no body".to_owned(),
    };
    vec![
        case("live", row(BatchMode::Live, None)),
        case("history", row(BatchMode::History, None)),
        case("rebind", row(BatchMode::Rebind, Some(at(0)))),
    ]
}

pub(in crate::books) fn looked() -> Vec<Case<LookedRow>> {
    let row = LookedRow {
        at: at(0),
        clean: false,
        faults: texts(&["content missing: 1"]),
        rows: 118,
        contents: 7,
        let_go: LetGo {
            by_age: 1,
            by_size: 2,
            rows: 3,
            contents: 4,
            bytes: 500,
        },
    };
    let clean = LookedRow {
        clean: true,
        faults: Vec::new(),
        let_go: LetGo::default(),
        ..row.clone()
    };
    vec![case("faults", row), case("clean", clean)]
}

pub(in crate::books) fn salts() -> Vec<Case<SaltRow>> {
    vec![case("salt", SaltRow { salt: [7; 32] })]
}

pub(in crate::books) fn erasures() -> Vec<Case<ErasureRow>> {
    let row = ErasureRow {
        id: "0123456789ab".to_owned(),
        asked: at(0),
        who: "uid 1000".to_owned(),
        state: ErasureState::Asked,
        addresses: texts(&["alice@example.com"]),
        rows: BTreeMap::new(),
        contents: 0,
        finished: None,
    };
    let files = ErasureRow {
        state: ErasureState::Files,
        addresses: Vec::new(),
        rows: BTreeMap::from([("message".to_owned(), 3)]),
        contents: 2,
        ..row.clone()
    };
    let done = ErasureRow {
        state: ErasureState::Done,
        finished: Some(at(1)),
        ..files.clone()
    };
    vec![case("asked", row), case("files", files), case("done", done)]
}

pub(in crate::books) fn reviews() -> Vec<Case<ReviewRow>> {
    let open = ReviewRow {
        id: "0123456789abcdef".to_owned(),
        address: "carol@example.com".to_owned(),
        candidates: vec!["acc-1".into(), "acc-2".into()],
        evidence: vec![Evidence {
            kind: "domain".to_owned(),
            text: "example.com is a domain of 2 accounts".to_owned(),
        }],
        first: at(0),
        last: at(1),
        count: 2,
        messages: vec!["m1".into()],
        state: ReviewState::Open,
    };
    let resolved = ReviewRow {
        state: ReviewState::Resolved {
            account: "acc-1".into(),
            subject: "example.com".to_owned(),
            at: at(2),
            who: "uid 1000".to_owned(),
        },
        ..open.clone()
    };
    let dismissed = ReviewRow {
        state: ReviewState::Dismissed {
            at: at(2),
            who: "uid 1000".to_owned(),
        },
        ..open.clone()
    };
    vec![
        case("open", open),
        case("resolved", resolved),
        case("dismissed", dismissed),
    ]
}

pub(in crate::books) fn match_rules() -> Vec<Case<MatchRuleRow>> {
    let rule = MatchRuleRow {
        subject: "carol@example.com".to_owned(),
        account: "acc-1".into(),
        at: at(2),
        who: "uid 1000".to_owned(),
        why: "she said so".to_owned(),
        review: "0123456789abcdef".to_owned(),
    };
    vec![case("address", rule)]
}

fn reported(meaning: Meaning) -> Reported {
    Reported {
        at: at(3),
        report: "m9".into(),
        recipient: "carol@example.com".to_owned(),
        meaning,
        status: text("5.1.1"),
        diagnostic: text("smtp; 550 5.1.1 no such user"),
    }
}

pub(in crate::books) fn reaches() -> Vec<Case<Reach>> {
    let stopped = Reach {
        subject: "carol@example.com".to_owned(),
        stopped: Some(Stop {
            since: at(3),
            by: reported(Meaning::Undeliverable),
        }),
        returned: 1,
        recent: Vec::new(),
        last: reported(Meaning::Undeliverable),
        allowed: None,
    };
    let allowed = Reach {
        subject: "@example.com".to_owned(),
        stopped: None,
        recent: vec![at(2), at(3)],
        last: Reported {
            status: None,
            diagnostic: None,
            ..reported(Meaning::NotNow)
        },
        allowed: Some(Allowed {
            at: at(4),
            who: "uid 1000".to_owned(),
        }),
        ..stopped.clone()
    };
    vec![case("stopped", stopped), case("allowed", allowed)]
}

pub(in crate::books) fn reports() -> Vec<Case<ReportRecord>> {
    let copy = |meaning| ReportedCopy {
        recipient: text("carol@example.com"),
        status: text("5.1.1"),
        meaning,
    };
    let nothing = |why| ReportedCopy {
        recipient: None,
        status: None,
        meaning: Meaning::Nothing(why),
    };
    let mail = ReportRecord {
        report: "m9".into(),
        at: at(3),
        mail: Some("e1".into()),
        message: None,
        copies: vec![
            copy(Meaning::Undeliverable),
            copy(Meaning::Returned),
            copy(Meaning::NotNow),
            copy(Meaning::OnItsWay),
        ],
        left: 2,
    };
    let message = ReportRecord {
        mail: None,
        message: Some("m1".into()),
        copies: vec![
            nothing(WhyNot::NoMailOfOurs),
            nothing(WhyNot::OtherRecipient),
            nothing(WhyNot::NoRecipient),
            nothing(WhyNot::NeverHandedOver),
        ],
        ..mail.clone()
    };
    let ignored = ReportRecord {
        copies: vec![
            nothing(WhyNot::OtherMailbox),
            nothing(WhyNot::Liar),
            nothing(WhyNot::OneOfUs),
            nothing(WhyNot::History),
        ],
        ..message.clone()
    };
    vec![
        case("mail", mail),
        case("message", message),
        case("ignored", ignored),
    ]
}

pub(in crate::books) fn returns() -> Vec<Case<ReturnRecord>> {
    let row = ReturnRecord {
        id: "e1".to_owned(),
        reports: vec![reported(Meaning::NotNow), reported(Meaning::Undeliverable)],
        count: 4,
    };
    vec![case("twice", row)]
}

pub(in crate::books) fn opt_outs() -> Vec<Case<OptOut>> {
    let stands = OptOut {
        address: "carol@example.com".to_owned(),
        at: at(3),
        by: AskedBy::Message("m9".into()),
        mail: "e1".into(),
        allowed: None,
    };
    let allowed = OptOut {
        by: AskedBy::HandedIn("uid 33".to_owned()),
        allowed: Some(AllowedAgain {
            at: at(4),
            who: "uid 1000".to_owned(),
            why: "she called".to_owned(),
        }),
        ..stands.clone()
    };
    vec![case("stands", stands), case("allowed", allowed)]
}
