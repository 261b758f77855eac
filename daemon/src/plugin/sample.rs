//! An event, a manifest and a store that fails, for the tests of the host.

use liaison_core::happening::{
    Entity, EventContext, Happening, MatchView, PluginCalendarEvent, PluginEvent, PluginMessage,
};
use liaison_core::ids::{MessageKey, ThreadId};
use liaison_core::manifest::Manifest;
use liaison_core::proposal::{PlainAddress, Value};
use liaison_core::time::{Timestamp, Window};

use super::{Condition, KvScope, PluginWorld, SlotRequest};

pub(super) fn manifest(reads: &str) -> Manifest {
    let text = format!(
        "manifest = 1\n[plugin]\nname = \"x\"\nversion = \"1\"\nrequires = \"0.1.0\"\n\
         summary = \"x\"\n[events]\nsubscribe = [\"message-received\"]\n[reads]\n{reads}\n\
         [[case]]\nkind = \"lead\"\ntitle = \"Lead\"\n\
         [[case.field]]\nname = \"need\"\ntype = \"text\"\n"
    );
    toml::from_str(&text).unwrap()
}

pub(super) fn account() -> Entity {
    let fields = [
        ("name".to_owned(), Value::Text("Example Ltd".to_owned())),
        ("tier".to_owned(), Value::Text("gold".to_owned())),
    ];
    Entity {
        id: "account-1".to_owned(),
        kind: "account".to_owned(),
        revision: 3,
        state: String::new(),
        fields: fields.into(),
    }
}

pub(super) fn received() -> PluginEvent {
    let address = |email: &str| PlainAddress {
        name: None,
        email: email.to_owned(),
    };
    let message = PluginMessage {
        id: MessageKey::from("m1"),
        thread: ThreadId::from("t1"),
        mailbox: "INBOX".to_owned(),
        outbound: false,
        date: Timestamp(1_772_442_000_000),
        subject: "An offer".to_owned(),
        sender: address("alice@example.com"),
        to: vec![address("sam@example.net")],
        cc: Vec::new(),
        reply_to: Vec::new(),
        headers: Vec::new(),
        text: "Could you send us an offer?".to_owned(),
        signature: String::new(),
        truncated: false,
        attachments: Vec::new(),
        tags: Vec::new(),
        class: "human".to_owned(),
        out_of_office: None,
    };
    PluginEvent {
        id: "event-1".to_owned(),
        at: Timestamp(1_772_442_000_000),
        attempt: 1,
        happening: Happening::MessageReceived {
            message,
            thread_length: 1,
            answers_us: false,
        },
        context: EventContext {
            matched: MatchView {
                outcome: "unknown".to_owned(),
                account: None,
                contact: None,
                candidates: Vec::new(),
                confidence: 0,
                evidence: Vec::new(),
                authenticity: "pass".to_owned(),
            },
            ourselves: vec![address("sam@example.net")],
            owner: None,
            zone: "Europe/Berlin".to_owned(),
            rehearsal: false,
        },
    }
}

/// A store that cannot be read.
pub(super) struct FailingWorld;

fn fail<T>() -> Result<T, String> {
    Err("disk on fire".to_owned())
}

impl PluginWorld for FailingWorld {
    fn entity(&mut self, _: &str) -> Result<Option<Entity>, String> {
        fail()
    }

    fn by_address(&mut self, _: &str) -> Result<Vec<Entity>, String> {
        fail()
    }

    fn cases(&mut self, _: &str, _: &[Condition], _: usize) -> Result<Vec<Entity>, String> {
        fail()
    }

    fn message(&mut self, _: &str) -> Result<Option<PluginMessage>, String> {
        fail()
    }

    fn thread(&mut self, _: &str, _: usize) -> Result<Vec<PluginMessage>, String> {
        fail()
    }

    fn busy(&mut self, _: &str, _: Window) -> Result<Vec<Window>, String> {
        fail()
    }

    fn free_slots(&mut self, _: &SlotRequest) -> Result<Vec<Window>, String> {
        fail()
    }

    fn calendar_events(
        &mut self,
        _: &str,
        _: Window,
        _: usize,
    ) -> Result<Vec<PluginCalendarEvent>, String> {
        fail()
    }

    fn kv_get(&mut self, _: KvScope, _: &str) -> Result<Option<Vec<u8>>, String> {
        fail()
    }

    fn kv_keys(&mut self, _: KvScope, _: &str) -> Result<Vec<String>, String> {
        fail()
    }

    fn kv_size(&mut self, _: KvScope) -> Result<u64, String> {
        fail()
    }

    fn working_time(&mut self, _: Timestamp, _: u32) -> Result<Timestamp, String> {
        fail()
    }

    fn working_hours(&mut self, _: Timestamp, _: u32) -> Result<Timestamp, String> {
        fail()
    }
}
