//! Alice of example.com, her servers, and a customer at example.net.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use liaison_core::business_time::{BusinessCalendar, QuietHours, WorkInterval, WorkTime};
use liaison_core::effect::{Audience, Cause, HoldEffect, HoldState, MailEffect, MailMode};
use liaison_core::happening::{Subject, UserView};
use liaison_core::ids::{
    CalendarId, EffectId, HoldGroupId, MailboxId, MessageKey, PluginName, ThreadId, TransportId,
};
use liaison_core::mailbox::{MailboxChange, MailboxEffect, MailboxGrants, MailboxState};
use liaison_core::message::ThreadRecord;
use liaison_core::outbox::MailState;
use liaison_core::outbox::approval::Patience;
use liaison_core::policy::{Firm, Limits, Route};
use liaison_core::time::{HOUR_MS, MINUTE_MS, Timestamp, Window};
use tokio::sync::Notify;

use super::fakes::{FakeCalendar, FakeFolders, FakeTransport, Mortal, MortalStore};
use super::mailboxes::FakeMailbox;
use crate::books::rows::AuditRow;
use crate::books::{Books, keys, replace};
use crate::calendars::{CalendarMirror, Calendars};
use crate::clock::{Clock, ManualClock};
use crate::delivery::{Delivery, Parts};
use crate::freshness::Freshness;
use crate::office::{MailboxRoute, Office, Person};
use crate::outbox::ledger::stage_ledgers;
use crate::outbox::{stage_new_hold, stage_new_mail};
use crate::sink::MailTransport;
use crate::store::content::ContentStore;
use crate::store::memory::MemoryStore;
use crate::store::{Fence, ShardId};

pub const START: Timestamp = Timestamp(1_772_445_600_000);

pub struct World {
    pub store: Arc<MortalStore>,
    pub books: Books,
    pub clock: ManualClock,
    pub transport: Arc<FakeTransport>,
    pub folders: Arc<FakeFolders>,
    pub mailboxes: Arc<FakeMailbox>,
    pub calendar: Arc<FakeCalendar>,
    pub sent_poke: Arc<Notify>,
    pub freshness: Arc<Freshness>,
    pub delivery: Delivery,
    _dir: tempfile::TempDir,
}

pub fn office() -> Office {
    let always = || vec![WorkInterval { from: 0, to: 1440 }];
    let hours = || std::array::from_fn(|_| always());
    let day = |zone: &str| BusinessCalendar::new(zone, hours(), BTreeMap::new()).unwrap();
    let alice = "alice@example.com".to_owned();
    let route = Route {
        transport: TransportId::from("smtp"),
        from: alice.clone(),
        drafts: true,
    };
    let person = Person {
        user: UserView {
            name: "Alice".to_owned(),
            email: alice.clone(),
            zone: "Europe/Berlin".to_owned(),
        },
        addresses: vec!["alice@example.com".to_owned()],
        work: WorkTime::at(day("Europe/Berlin")),
        signature: None,
        calendars: vec![CalendarId::from("alice")],
        hold_calendar: Some(CalendarId::from("alice")),
    };
    Office {
        firm: Firm {
            own_domains: ["example.com".to_owned()].into(),
            own_addresses: [].into(),
            sending_domain: "example.com".to_owned(),
            business: day("UTC"),
            quiet: QuietHours::none(),
            send_delay_ms: 0,
        },
        // Tests send many at one instant; those of the ceilings set them.
        limits: Limits {
            login_mails_per_minute: 0,
            login_mails_per_day: 0,
            domain_mails_per_day: 0,
            ..Limits::default()
        },
        authserv_ids: Vec::new(),
        dkim: None,
        free_mail: Default::default(),
        forms: Default::default(),
        review_days: 3,
        threads_by_subject: true,
        html: false,
        meetings: Default::default(),
        people: [(alice.clone(), person)].into(),
        mailboxes: [(
            MailboxId::from("alice"),
            MailboxRoute {
                owner: Some(alice),
                route: Some(route),
                reply_to: None,
                file_sent_copy: true,
                if_uncertain: Default::default(),
            },
        )]
        .into(),
        staff_route: None,
        signature: None,
        approval: Patience {
            escalate_to: Some("boss@example.com".to_owned()),
            ..Patience::default()
        },
        unsubscribe: Default::default(),
    }
}

impl World {
    pub fn new() -> World {
        World::made(|_| {}, None)
    }

    /// With another transport than the fake one.
    pub fn sending_through(other: Arc<dyn MailTransport>) -> World {
        World::made(|_| {}, Some(other))
    }

    /// A world in which something about ourselves is different.
    pub fn with(change: impl FnOnce(&mut Office)) -> World {
        World::made(change, None)
    }

    fn made(change: impl FnOnce(&mut Office), other: Option<Arc<dyn MailTransport>>) -> World {
        let mut office = office();
        change(&mut office);
        let dir = tempfile::tempdir().unwrap();
        let memory = MemoryStore::new();
        let fence = Fence {
            shard: ShardId::SINGLE,
            epoch: memory.epoch(),
        };
        let store = Arc::new(MortalStore {
            base: Arc::new(memory),
            fate: Mortal::new(),
        });
        let content = ContentStore::open(&dir.path().join("content")).unwrap();
        let books = Books::new(store.clone(), content, fence);
        let clock = ManualClock::at(START);
        let transport = Arc::new(FakeTransport::default());
        let folders = Arc::new(FakeFolders::default());
        let mailboxes = Arc::new(FakeMailbox::default());
        let calendar = Arc::new(FakeCalendar::default());
        let freshness = Arc::new(Freshness::default());
        let sent_poke = Arc::new(Notify::new());
        let id = CalendarId::from("alice");
        let mirror = CalendarMirror::new(
            id.clone(),
            calendar.clone(),
            "alice@example.com".to_owned(),
            "Europe/Berlin".to_owned(),
        );
        let mailbox = MailboxId::from("alice");
        let delivery = Delivery::new(Parts {
            books: books.clone(),
            clock: Arc::new(clock.clone()),
            office: Arc::new(office),
            transports: [(
                TransportId::from("smtp"),
                other.unwrap_or_else(|| transport.clone()),
            )]
            .into(),
            folders: [(mailbox.clone(), folders.clone() as _)].into(),
            mailboxes: [(mailbox.clone(), mailboxes.clone() as _)].into(),
            changes: [(cause("x").plugin, granted())].into(),
            mail_modes: [(cause("x").plugin, MailMode::Send)].into(),
            calendars: Calendars {
                mirrors: [(id, Arc::new(mirror))].into(),
            },
            wake: Arc::default(),
            calendar_changed: Arc::default(),
            events: Arc::default(),
            look_at_sent: [(mailbox, sent_poke.clone())].into(),
            freshness: freshness.clone(),
        });
        World {
            store,
            books,
            clock,
            transport,
            folders,
            mailboxes,
            calendar,
            sent_poke,
            freshness,
            delivery,
            _dir: dir,
        }
    }

    pub async fn add_mail(&self, id: &str, change: impl FnOnce(&mut MailEffect)) -> EffectId {
        let bytes = format!("Message-ID: <liaison.{id}@example.com>\r\nSubject: x\r\n\r\nx\r\n");
        let content = self.books.keep(Bytes::from(bytes));
        let mut mail = mail(id, &content.await.unwrap(), self.clock.now());
        change(&mut mail);
        let mut writes = self.books.batch();
        stage_new_mail(&mut writes, &mail).unwrap();
        let free_mail = Default::default();
        let at = (mail.created, &free_mail);
        stage_ledgers(&self.books, &mut writes, &mail, at)
            .await
            .unwrap();
        self.books.commit(writes).await.unwrap();
        mail.id
    }

    pub async fn add_hold(&self, id: &str, start: Timestamp) -> EffectId {
        let hold = hold(id, start, self.clock.now());
        let mut writes = self.books.batch();
        stage_new_hold(&mut writes, &hold).unwrap();
        self.books.commit(writes).await.unwrap();
        hold.id
    }

    pub async fn add_message(&self, key: &str) -> MessageKey {
        let mut message = crate::api::tests::message(key, "human");
        message.mailbox = "alice".into();
        let mut writes = self.books.batch();
        replace(&mut writes, keys::message(&message.key), None, &message).unwrap();
        self.books.commit(writes).await.unwrap();
        message.key
    }

    pub async fn add_thread(&self, change: impl FnOnce(&mut ThreadRecord)) {
        let mut thread = ThreadRecord {
            id: ThreadId::from("thread"),
            subject: "Offer".to_owned(),
            account: None,
            messages: 1,
            last_human_inbound: None,
            last_human_outbound: None,
            automatic_since_human: 0,
            last: START,
            closed: None,
        };
        change(&mut thread);
        let mut writes = self.books.batch();
        let key = keys::thread(&thread.id);
        let seen = self.books.get::<ThreadRecord>(key.clone()).await.unwrap();
        let version = seen.map(|row| row.version);
        replace(&mut writes, key, version, &thread).unwrap();
        self.books.commit(writes).await.unwrap();
    }

    /// Turns the panic switch.
    pub async fn panic(&self, on: bool) {
        let mut writes = self.books.batch();
        let row = AuditRow {
            at: self.clock.now(),
            who: "alice@example.com".to_owned(),
            what: "panic on".to_owned(),
            why: String::new(),
        };
        let key = keys::setting("panic");
        match on {
            true => replace(&mut writes, key, None, &row).unwrap(),
            false => {
                writes.del(key);
            }
        }
        self.books.commit(writes).await.unwrap();
    }

    pub async fn mail(&self, id: &EffectId) -> MailEffect {
        self.books.mail(id).await.unwrap().unwrap()
    }

    pub async fn hold(&self, id: &EffectId) -> HoldEffect {
        self.books.hold(id).await.unwrap().unwrap()
    }

    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn settle(&self) -> usize {
        self.delivery.settle_due().await
    }

    pub async fn settle_after(&self, millis: i64) {
        self.clock.set(self.clock.now().plus_millis(millis));
        self.settle().await;
    }

    /// Lets the process die in the middle of an attempt, and starts it again.
    pub async fn settle_until_crash(&self) {
        tokio::select! {
            biased;
            () = self.transport.crash.notified() => {}
            handled = self.delivery.settle_due() => panic!("no crash after {handled} steps"),
        }
    }
}

fn cause(id: &str) -> Cause {
    Cause {
        plugin: PluginName::from("follow-up"),
        plugin_version: "1.0.0".to_owned(),
        plugin_digest: "0123456789ab".to_owned(),
        label: id.to_owned(),
        event_seq: 7,
        cause: "event".to_owned(),
        subject: Subject {
            thread: Some(ThreadId::from("thread")),
            counterpart: Some("bob@example.net".to_owned()),
            mailbox: Some("alice".to_owned()),
            ..Subject::default()
        },
        reason: "because".to_owned(),
        rule: None,
    }
}

/// Keywords and moves.
fn granted() -> MailboxGrants {
    MailboxGrants::parse(&["keyword:*".to_owned(), "move:*".to_owned()]).unwrap()
}

pub fn mailbox_effect(id: &str, change: MailboxChange, message: &MessageKey) -> MailboxEffect {
    MailboxEffect {
        id: EffectId::from(id),
        cause: cause(id),
        message: message.clone(),
        mailbox: MailboxId::from("alice"),
        change,
        state: MailboxState::Planned,
        since: START,
        attempts: 0,
        declined: 0,
        not_before: START,
        last_trouble: None,
        created: START,
    }
}

pub fn mail(id: &str, content: &str, now: Timestamp) -> MailEffect {
    MailEffect {
        id: EffectId::from(id),
        cause: cause(id),
        audience: Audience::Counterpart,
        mode: MailMode::Send,
        transport: TransportId::from("smtp"),
        message_id: format!("liaison.{id}@example.com"),
        from: "alice@example.com".to_owned(),
        recipient: "bob@example.net".to_owned(),
        subject_line: "Offer".to_owned(),
        content: content.to_owned(),
        answers: None,
        cancel_on_reply: true,
        requires: Vec::new(),
        exempt_from_cap: false,
        state: MailState::Scheduled,
        since: now,
        not_before: now,
        attempts: 0,
        looks: 0,
        last_reply: None,
        created: now,
        known_as: Vec::new(),
        resends_left: 1,
        missing_since: None,
    }
}

pub fn hold(id: &str, start: Timestamp, now: Timestamp) -> HoldEffect {
    HoldEffect {
        id: EffectId::from(id),
        cause: cause(id),
        calendar: CalendarId::from("alice"),
        uid: format!("hold.{id}@example.com"),
        group: HoldGroupId::from("group"),
        group_name: "intro".to_owned(),
        title: "Acme intro call".to_owned(),
        note: "Two times were offered.".to_owned(),
        when: Window {
            start,
            end: start.plus_millis(30 * MINUTE_MS),
        },
        zone: "Europe/Berlin".to_owned(),
        expires: start.minus_millis(2 * HOUR_MS),
        href: None,
        etag: None,
        state: HoldState::Planned,
        since: now,
        attempts: 0,
        not_before: now,
        last_trouble: None,
        created: now,
        generation: 1,
    }
}
