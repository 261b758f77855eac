//! A small firm in memory: mail goes in through the real ingest, the real plugins decide.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use liaison_core::business_time::{BusinessCalendar, QuietHours, WorkTime};
use liaison_core::effect::{HoldEffect, MailEffect, MailMode, RecordMode};
use liaison_core::happening::UserView;
use liaison_core::mailbox::MailboxGrants;
use liaison_core::message::MessageRecord;
use liaison_core::outbox::{Input, MailState};
use liaison_core::policy::{Firm, Limits, Modes, Recheck, Route, as_judged, recheck};
use liaison_core::records::{CaseRecord, TaskRecord, TimerRecord};
use liaison_core::time::{HOUR_MS, Timestamp};
use tokio::sync::Notify;

use crate::accounts::{AccountBook, AccountDraft, By, ContactDraft, DomainRules};
use crate::api::{ApiContext, Caller, Role, call};
use crate::books::rows::{OutcomeRow, PluginResultRow, PluginStateRow, WaitRow};
use crate::books::{Books, keys};
use crate::calendars::{CalendarMirror, Calendars};
use crate::clock::{Clock, ManualClock};
use crate::delivery::SecondLook;
use crate::dkim::{DkimSettings, DkimVerifier};
use crate::freshness::Freshness;
use crate::ingest::Ingest;
use crate::office::{MailboxRoute, Office, Person};
use crate::outbox::{Step, stage_mail, stage_mail_record};
use crate::pipeline::{ActivePlugin, Parts, Pipeline};
use crate::plugin::{Engine, Plugin, Workers};
use crate::sink::vdir::{VdirCalendar, VdirSettings};
use crate::source::{
    Arrived, Batch, BatchMode, Content, Cursor, FolderRef, FolderRole, Intake, Taken,
};
use crate::store::codec::Record;
use crate::store::content::ContentStore;
use crate::store::memory::MemoryStore;
use crate::store::{Fence, Ns, ShardId};
use crate::supervisor::Stop;
use crate::templates::Templates;

/// A Monday, 10:00 in Berlin.
pub(crate) const MONDAY: &str = "2026-03-02T09:00:00Z";
pub(crate) const BUNDLED: [&str; 3] = ["follow-up", "lead-triage", "nda-desk"];

/// Plugins are compiled once for all tests; with another version than theirs if one is named.
fn plugin(name: &str, version: Option<&str>) -> Arc<Plugin> {
    static ENGINE: OnceLock<(Engine, tempfile::TempDir)> = OnceLock::new();
    static LOADED: OnceLock<std::sync::Mutex<BTreeMap<String, Arc<Plugin>>>> = OnceLock::new();
    let (engine, dir) = ENGINE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        (Engine::start(&dir.path().join("code")).unwrap(), dir)
    });
    let mut loaded = LOADED
        .get_or_init(Default::default)
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let load = || {
        let file = format!("{}.wasm", name.replace('-', "_"));
        let component = crate::plugin::tests::components().join(file);
        let mut manifest = folder(name).join("plugin.toml");
        if let Some(version) = version {
            let text = std::fs::read_to_string(&manifest).unwrap();
            let text = text.replacen(
                "version = \"0.1.0\"",
                &format!("version = \"{version}\""),
                1,
            );
            manifest = dir.path().join(format!("{name}-{version}.toml"));
            std::fs::write(&manifest, text).unwrap();
        }
        Arc::new(Plugin::load(engine, &manifest, &component).unwrap())
    };
    let key = format!("{name} {}", version.unwrap_or_default());
    loaded.entry(key).or_insert_with(load).clone()
}

fn folder(name: &str) -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match BUNDLED.contains(&name) {
        true => root.join("plugins").join(name),
        false => root.join("tests/plugins").join(name),
    }
}

pub(crate) struct House {
    pub books: Books,
    pub clock: ManualClock,
    pub office: Arc<Office>,
    pub modes: Modes,
    pub mailbox: MailboxGrants,
    pub ingest: Ingest,
    calendars: Calendars,
    next_uid: u32,
    /// The version that all plugins have instead of their own.
    pub plugin_version: Option<&'static str>,
    /// Where templates are looked for instead of with the plugin.
    pub templates: Option<std::path::PathBuf>,
    _dir: Option<tempfile::TempDir>,
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl House {
    pub async fn new() -> House {
        House::with(office()).await
    }

    /// One that checks signatures itself, and believes these servers besides.
    pub async fn checking(dns: std::net::SocketAddr, authserv_ids: &[&str]) -> House {
        let settings = DkimSettings { dns: vec![dns] };
        House::with(Office {
            authserv_ids: authserv_ids.iter().map(|id| (*id).to_owned()).collect(),
            dkim: Some(Arc::new(DkimVerifier::new(&settings))),
            ..office()
        })
        .await
    }

    /// One whose operator does not want equal subjects to say anything.
    pub async fn without_subjects() -> House {
        House::with(Office {
            threads_by_subject: false,
            ..office()
        })
        .await
    }

    /// One in which something about ourselves is different.
    pub async fn changed(change: impl FnOnce(&mut Office)) -> House {
        let mut office = office();
        change(&mut office);
        House::with(office).await
    }

    async fn with(office: Office) -> House {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(MemoryStore::new());
        let fence = Fence {
            shard: ShardId::SINGLE,
            epoch: store.epoch(),
        };
        let content = ContentStore::open(&dir.path().join("content")).unwrap();
        let books = Books::new(store, content, fence);
        let place = dir.path().to_owned();
        House {
            _dir: Some(dir),
            ..House::of(books, &place, office).await
        }
    }

    /// One over these books; its calendar lies in `place`.
    pub async fn over(books: Books, place: &Path) -> House {
        House::of(books, place, office()).await
    }

    async fn of(books: Books, place: &Path, office: Office) -> House {
        let clock = ManualClock::at(at(MONDAY));
        let office = Arc::new(office);
        let ingest = Ingest::new(
            books.clone(),
            Arc::new(clock.clone()),
            office.clone(),
            Arc::new(Freshness::default()),
            Arc::new(Notify::new()),
        );
        let folder = place.join("calendar");
        std::fs::create_dir_all(&folder).unwrap();
        let store = Arc::new(VdirCalendar::new("sam".into(), VdirSettings::at(folder)));
        let zone = "Europe/Berlin".to_owned();
        let mirror = CalendarMirror::new("sam".into(), store, "sam@example.net".to_owned(), zone);
        mirror.look(clock.now()).await.unwrap();
        House {
            books,
            clock,
            office,
            modes: Modes {
                mail: MailMode::Send,
                records: RecordMode::Apply,
                tasks: RecordMode::Apply,
                holds: RecordMode::Apply,
                mailbox: RecordMode::Apply,
            },
            mailbox: MailboxGrants::default(),
            ingest,
            calendars: Calendars {
                mirrors: [("sam".into(), Arc::new(mirror))].into(),
            },
            next_uid: 1,
            plugin_version: None,
            templates: None,
            _dir: None,
        }
    }

    /// As after a reload with another configuration.
    pub fn change_office(&mut self, office: Office) {
        self.office = Arc::new(office);
        self.ingest = Ingest::new(
            self.books.clone(),
            Arc::new(self.clock.clone()),
            self.office.clone(),
            Arc::new(Freshness::default()),
            Arc::new(Notify::new()),
        );
    }

    pub fn pipeline(&self, plugins: &[&str]) -> Pipeline {
        let active = |name: &&str| {
            let plugin = plugin(name, self.plugin_version);
            let settings = plugin.settings(&serde_json::Map::new()).unwrap();
            let own = folder(name).join("templates");
            let templates = Templates::new(None, Some(self.templates.as_ref().unwrap_or(&own)));
            ActivePlugin {
                plugin,
                settings,
                modes: self.modes,
                mailbox: self.mailbox.clone(),
                templates,
            }
        };
        Pipeline::new(Parts {
            books: self.books.clone(),
            clock: Arc::new(self.clock.clone()),
            office: self.office.clone(),
            calendars: self.calendars.clone(),
            plugins: plugins.iter().map(active).collect(),
            workers: Arc::new(Workers::start(2).unwrap()),
            events: Arc::new(Notify::new()),
            delivery: Arc::new(Notify::new()),
        })
    }

    /// A command of sam's.
    pub async fn ask(&self, command: &str, arguments: serde_json::Value) -> serde_json::Value {
        let context = ApiContext {
            accounts: AccountBook::new(self.books.clone(), DomainRules::of(&self.office)),
            books: self.books.clone(),
            clock: Arc::new(self.clock.clone()),
            office: self.office.clone(),
            case_kinds: Arc::default(),
            dry_runs: Arc::default(),
            credentials: Default::default(),
            tallies: Arc::default(),
            live: None,
        };
        let sam = Caller {
            who: "sam".to_owned(),
            role: Role::Admin,
        };
        call(&context, &sam, command, arguments).await.unwrap()
    }

    /// A new pipeline works until nothing is left to do now, as after a restart.
    pub async fn settle(&self, plugins: &[&str]) {
        self.pipeline(plugins).settle(&Stop::new()).await.unwrap();
    }

    pub async fn hand_in(
        &mut self,
        (mailbox, role, mode): (&str, FolderRole, BatchMode),
        contents: Vec<Content>,
    ) -> Taken {
        let arrived = contents.into_iter().map(|content| {
            let uid = self.next_uid;
            self.next_uid += 1;
            Arrived {
                locator: format!("7/{uid}"),
                received_at: self.clock.now(),
                flags: Vec::new(),
                content,
            }
        });
        let arrived = arrived.collect();
        let cursor = Cursor::Imap {
            uid_validity: 7,
            next_uid: self.next_uid,
        };
        let folder = if role == FolderRole::Inbox {
            "INBOX"
        } else {
            "Sent"
        };
        let folder = FolderRef {
            mailbox: mailbox.into(),
            folder: folder.to_owned(),
            role,
        };
        self.ingest
            .take(Batch {
                folder,
                mode,
                arrived,
                cursor: Some(cursor),
            })
            .await
            .unwrap()
    }

    /// Mail reaches sam.
    pub async fn receive(&mut self, mail: &str) -> Taken {
        let place = ("sam", FolderRole::Inbox, BatchMode::Live);
        self.hand_in(place, vec![bytes(mail)]).await
    }

    /// Mail of sam's is found in Sent.
    pub async fn sent(&mut self, mail: &str) -> Taken {
        let place = ("sam", FolderRole::Sent, BatchMode::Live);
        self.hand_in(place, vec![bytes(mail)]).await
    }

    /// An object stands in sam's calendar, and was seen there.
    pub async fn lay_into_calendar(&self, uid: &str, object: &str) {
        let mirror = self.calendars.mirrors.values().next().unwrap();
        mirror.store.create(uid, object).await.unwrap();
        mirror.look(self.clock.now()).await.unwrap();
    }

    /// The same after a person changed or removed it.
    pub async fn change_in_calendar(&self, uid: &str, object: Option<&str>) {
        let mirror = self.calendars.mirrors.values().next().unwrap();
        let file = mirror
            .store
            .fetch(&format!("{uid}.ics"))
            .await
            .unwrap()
            .unwrap();
        match object {
            Some(object) => drop(
                mirror
                    .store
                    .update(&file.href, &file.etag, object)
                    .await
                    .unwrap(),
            ),
            None => drop(mirror.store.delete(&file.href, &file.etag).await.unwrap()),
        }
        mirror.look(self.clock.now()).await.unwrap();
    }

    pub fn advance(&self, hours: i64) {
        self.clock
            .set(self.clock.now().plus_millis(hours * HOUR_MS));
    }

    pub async fn all<T: Record>(&self, ns: Ns) -> Vec<T> {
        self.books.all(ns).await.unwrap()
    }

    pub async fn mails(&self) -> Vec<MailEffect> {
        self.all(Ns::Effect).await
    }

    /// Writes a mail as somebody left it.
    pub async fn set_mail(&self, mail: &MailEffect) {
        let key = keys::mail(&mail.id);
        let seen = self.books.get::<MailEffect>(key).await.unwrap().unwrap();
        let mut writes = self.books.batch();
        stage_mail_record(&mut writes, &seen, mail).unwrap();
        self.books.commit(writes).await.unwrap();
    }

    /// The last look before a mail leaves.
    pub async fn look_again(&self, mail: &MailEffect) -> Recheck {
        let look = SecondLook {
            books: &self.books,
            office: &self.office,
        };
        let facts = look.facts(mail, 0, self.clock.now()).await.unwrap();
        recheck(&as_judged(mail), &facts)
    }

    pub async fn holds(&self) -> Vec<HoldEffect> {
        self.all(Ns::Hold).await
    }

    pub async fn cases(&self) -> Vec<CaseRecord> {
        self.all(Ns::CaseRecord).await
    }

    pub async fn tasks(&self) -> Vec<TaskRecord> {
        self.all(Ns::Task).await
    }

    pub async fn timers(&self) -> Vec<TimerRecord> {
        self.all(Ns::Timer).await
    }

    pub async fn outcomes(&self) -> Vec<OutcomeRow> {
        self.all(Ns::Outcome).await
    }

    pub async fn waits(&self) -> Vec<WaitRow> {
        self.all(Ns::Wait).await
    }

    pub async fn message(&self, id: &str) -> MessageRecord {
        self.books
            .message_by_id(&format!("{id}@example.com"))
            .await
            .unwrap()
            .unwrap()
    }

    pub async fn outcome(&self, id: &str) -> OutcomeRow {
        let key = self.message(id).await.key;
        self.books.outcome(key.as_str()).await.unwrap().unwrap()
    }

    pub async fn results(&self, id: &str) -> Vec<PluginResultRow> {
        let seq = self.outcome(id).await.seq.unwrap();
        self.books.plugin_results(seq).await.unwrap()
    }

    pub async fn standing(&self, name: &str) -> PluginStateRow {
        self.books
            .plugin_state(&name.into())
            .await
            .unwrap()
            .unwrap_or_default()
    }

    /// Everything that was decided, in words that do not depend on when it was looked at.
    pub async fn effects(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mails = self.mails().await.into_iter();
        all.extend(mails.map(|mail| format!("mail {} {}", mail.id, mail.recipient)));
        all.extend(
            self.holds()
                .await
                .into_iter()
                .map(|hold| format!("hold {}", hold.id)),
        );
        let cases = self.cases().await.into_iter();
        all.extend(cases.map(|case| format!("case {} r{}", case.id, case.revision)));
        all.extend(
            self.tasks()
                .await
                .into_iter()
                .map(|task| format!("task {}", task.id)),
        );
        let timers = self.timers().await.into_iter();
        all.extend(timers.map(|timer| format!("timer {} {}", timer.id, timer.due)));
        all
    }

    /// The mail goes out, and its copy is found in Sent.
    pub async fn carry_out(&mut self, mail: &MailEffect) {
        let now = self.clock.now();
        let mut inputs = vec![Input::Lease, Input::EnterBody, Input::Accepted];
        if mail.state == MailState::Proposed {
            inputs.insert(0, Input::Ready { approval: false });
        }
        for input in inputs {
            let key = crate::books::keys::mail(&mail.id);
            let stored = self.books.get::<MailEffect>(key).await.unwrap().unwrap();
            let mut writes = self.books.batch();
            let step = Step {
                input,
                who: "test",
                why: String::new(),
                not_before: None,
                found_as: None,
            };
            stage_mail(&self.books, &mut writes, &stored, step, now)
                .await
                .unwrap();
            self.books.commit(writes).await.unwrap();
        }
        let copy = self.books.bytes(&mail.content).await.unwrap().unwrap();
        let place = ("sam", FolderRole::Sent, BatchMode::Live);
        self.hand_in(place, vec![Content::Message(copy)]).await;
    }

    /// Records the clinic with its one contact, ann.
    pub async fn know_the_clinic(&self) -> liaison_core::ids::AccountId {
        let book = AccountBook::new(self.books.clone(), DomainRules::default());
        let by = By {
            who: "sam".to_owned(),
            why: "test".to_owned(),
            now: self.clock.now(),
            source: liaison_core::crm::Source::Person,
        };
        let draft = AccountDraft {
            name: "Clinic Ltd".to_owned(),
            ..AccountDraft::default()
        };
        let (account, _) = book.upsert_account(&draft, &by).await.unwrap();
        let ann = ContactDraft {
            email: liaison_core::mail::Address::parse("ann@clinic.example.com").unwrap(),
            name: Some("Ann Smith".to_owned()),
            role: None,
            do_not_contact: None,
        };
        book.add_contact(&account.id, &ann, &by).await.unwrap();
        account.id
    }
}

pub(crate) fn bytes(mail: &str) -> Content {
    Content::Message(bytes::Bytes::copy_from_slice(mail.as_bytes()))
}

/// A mail of ann's to sam; `extra` are header lines of its own.
pub(crate) fn from_ann(id: &str, subject: &str, text: &str, extra: &str) -> String {
    mail(
        &["Ann Smith <ann@clinic.example.com>", "sam@example.net"],
        id,
        subject,
        text,
        extra,
    )
}

/// A mail of sam's to ann.
pub(crate) fn from_sam(id: &str, subject: &str, text: &str, extra: &str) -> String {
    mail(
        &["Sam <sam@example.net>", "ann@clinic.example.com"],
        id,
        subject,
        text,
        extra,
    )
}

pub(crate) fn mail(people: &[&str; 2], id: &str, subject: &str, text: &str, extra: &str) -> String {
    let [from, to] = people;
    let domain = from.trim_end_matches('>').rsplit('@').next().unwrap();
    let mut lines = format!(
        "Authentication-Results: mx.example.net; dmarc=pass header.from={domain};\r\n\
         \x20dkim=pass header.d={domain}\r\n\
         From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\n\
         Date: Mon, 2 Mar 2026 09:00:00 +0000\r\nMessage-ID: <{id}@example.com>\r\n"
    );
    for line in extra.lines().filter(|line| !line.is_empty()) {
        lines.push_str(line);
        lines.push_str("\r\n");
    }
    format!("{lines}\r\n{}\r\n", text.replace('\n', "\r\n"))
}

pub(crate) const ENQUIRY: &str = "Hello, we are looking for somebody to build a booking system \
                                  for our clinics. Could you help us?";

fn office() -> Office {
    let business =
        BusinessCalendar::weekdays("Europe/Berlin", "09:00-17:00".parse().unwrap()).unwrap();
    let sam = Person {
        user: UserView {
            name: "Sam".to_owned(),
            email: "sam@example.net".to_owned(),
            zone: "Europe/Berlin".to_owned(),
        },
        addresses: vec!["sam@example.net".to_owned()],
        work: WorkTime::at(business.clone()),
        signature: None,
        calendars: vec!["sam".into()],
        hold_calendar: Some("sam".into()),
    };
    let route = |name: &str| {
        let from = format!("{name}@example.net");
        let route = Route {
            transport: "smtp".into(),
            from,
            drafts: true,
        };
        let owner = Some("sam@example.net".to_owned());
        (
            name.into(),
            MailboxRoute {
                owner,
                route: Some(route),
                reply_to: None,
                file_sent_copy: true,
                if_uncertain: Default::default(),
            },
        )
    };
    Office {
        firm: Firm {
            own_domains: ["example.net".to_owned()].into(),
            own_addresses: Default::default(),
            sending_domain: "example.net".to_owned(),
            business,
            quiet: QuietHours::default(),
            send_delay_ms: 0,
        },
        limits: Limits::default(),
        authserv_ids: vec!["mx.example.net".to_owned()],
        dkim: None,
        free_mail: Default::default(),
        forms: Default::default(),
        review_days: 3,
        threads_by_subject: true,
        html: false,
        meetings: Default::default(),
        people: [("sam@example.net".to_owned(), sam)].into(),
        mailboxes: ["sam", "kim"].map(route).into(),
        staff_route: None,
        signature: None,
        approval: Default::default(),
        unsubscribe: Default::default(),
    }
}
