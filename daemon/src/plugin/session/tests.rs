use liaison_core::happening::Happening;
use liaison_core::proposal::Value;

use super::*;
use crate::plugin::sample::{account, manifest, received};
use crate::plugin::world::NoWorld;

/// Holds one account, one contact, one case, one busy hour and a nearly full memory.
struct Small;

fn kind(kind: &str) -> Entity {
    Entity {
        kind: kind.to_owned(),
        id: format!("{kind}-1"),
        ..account()
    }
}

impl PluginWorld for Small {
    fn entity(&mut self, id: &str) -> Result<Option<Entity>, String> {
        Ok(["account", "contact", "lead"]
            .map(kind)
            .into_iter()
            .find(|entity| entity.id == id))
    }
    fn by_address(&mut self, _: &str) -> Result<Vec<Entity>, String> {
        Ok(vec![kind("account"), kind("contact")])
    }
    fn cases(&mut self, _: &str, _: &[Condition], _: usize) -> Result<Vec<Entity>, String> {
        Ok(vec![kind("lead")])
    }
    fn message(&mut self, _: &str) -> Result<Option<PluginMessage>, String> {
        Ok(match received().happening {
            Happening::MessageReceived { message, .. } => Some(message),
            _ => None,
        })
    }
    fn thread(&mut self, _: &str, newest: usize) -> Result<Vec<PluginMessage>, String> {
        let message = self.message("")?;
        Ok(message.into_iter().cycle().take(newest).collect())
    }
    fn busy(&mut self, _: &str, span: Window) -> Result<Vec<Window>, String> {
        Ok(vec![span])
    }
    fn free_slots(&mut self, request: &SlotRequest) -> Result<Vec<Window>, String> {
        let window = Window {
            start: Timestamp(0),
            end: Timestamp(1),
        };
        Ok(vec![window; usize::try_from(request.count).unwrap()])
    }
    fn calendar_events(
        &mut self,
        _: &str,
        _: Window,
        _: usize,
    ) -> Result<Vec<PluginCalendarEvent>, String> {
        Ok(Vec::new())
    }
    fn kv_get(&mut self, _: KvScope, key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok((key == "old").then(|| vec![7; 1_000]))
    }
    fn kv_keys(&mut self, _: KvScope, prefix: &str) -> Result<Vec<String>, String> {
        Ok(["old"]
            .iter()
            .filter(|key| key.starts_with(prefix))
            .map(|&key| key.into())
            .collect())
    }
    fn kv_size(&mut self, _: KvScope) -> Result<u64, String> {
        Ok(SPACE_BYTES - 500)
    }
    fn working_time(&mut self, at: Timestamp, _: u32) -> Result<Timestamp, String> {
        Ok(at)
    }
    fn working_hours(&mut self, at: Timestamp, _: u32) -> Result<Timestamp, String> {
        Ok(at)
    }
}

fn session(reads: &str) -> Session {
    let manifest = manifest(reads);
    assert_eq!(manifest.validate(), []);
    Session::new(
        Arc::new(manifest),
        "{}".into(),
        Box::new(Small),
        &received(),
    )
}

fn denied<T: std::fmt::Debug>(answer: Answer<T>) -> bool {
    matches!(answer.unwrap(), Err(ReadError::Denied(_)))
}

#[test]
fn only_what_the_manifest_asks_for_is_given() {
    let span = Window {
        start: Timestamp(0),
        end: Timestamp(10),
    };
    let owner = || Some("sam@example.net".to_owned());
    let mut none = session("");
    assert!(denied(none.entity("account-1")));
    assert!(denied(none.by_address("a@example.com")));
    assert!(denied(none.busy(owner(), span)));
    let message = none.message("m1").unwrap().unwrap().unwrap();
    assert_eq!(
        (message.text.as_str(), message.subject.as_str()),
        ("", "An offer")
    );

    let mut some = session(
        "message = \"text\"\ntext-limit = 10\ncalendars = \"busy\"\nheaders = []\n\
         records = { account = [\"name\"] }",
    );
    let given = some.entity("account-1").unwrap().unwrap().unwrap();
    assert_eq!(given.fields.keys().collect::<Vec<_>>(), ["name"]);
    assert!(denied(some.entity("contact-1")));
    assert_eq!(some.entity("account-9").unwrap(), Ok(None));
    let kinds = some.by_address("a@example.com").unwrap().unwrap();
    assert_eq!(
        kinds.iter().map(|e| e.kind.as_str()).collect::<Vec<_>>(),
        ["account"]
    );
    assert!(
        some.entity("lead-1")
            .unwrap()
            .unwrap()
            .unwrap()
            .fields
            .contains_key("tier")
    );
    let message = some.message("m1").unwrap().unwrap().unwrap();
    assert_eq!(
        (message.text.as_str(), message.truncated),
        ("Could you ", true)
    );
    assert_eq!(some.busy(owner(), span).unwrap().unwrap(), [span]);
    assert!(denied(some.calendar_events(owner(), span)));
    assert!(matches!(
        some.busy(None, span).unwrap(),
        Err(ReadError::Invalid(_))
    ));
    assert_eq!(some.thread("t1", 1_000).unwrap().unwrap().len(), LIST_MAX);
}

#[test]
fn reads_are_counted_and_questions_checked() {
    let mut two = session("per-event = 2");
    assert!(two.cases("lead", &[]).unwrap().is_ok());
    let odd = Condition {
        field: "ned".to_owned(),
        value: Value::Null,
    };
    let said = two.cases("lead", &[odd]).unwrap();
    assert!(matches!(said, Err(ReadError::Invalid(said)) if said.contains("`ned`")));
    assert_eq!(two.message("m1").unwrap(), Err(ReadError::Exhausted));
    assert_eq!(two.reads, 2);
    let mut more = session("calendars = \"busy\"");
    assert!(matches!(
        more.cases("nda", &[]).unwrap(),
        Err(ReadError::Invalid(_))
    ));
    let ask = |minutes, count| SlotRequest {
        owner: String::new(),
        minutes,
        days_ahead_min: 1,
        days_ahead_max: 5,
        count,
    };
    let owner = || Some("sam@example.net".to_owned());
    assert!(matches!(
        more.free_slots(owner(), ask(0, 1)).unwrap(),
        Err(ReadError::Invalid(_))
    ));
    assert_eq!(
        more.free_slots(owner(), ask(60, 99))
            .unwrap()
            .unwrap()
            .len(),
        10
    );
}

#[test]
fn memory_is_bounded_seen_at_once_and_returned_once_per_key() {
    let mut session = session("");
    let plugin = KvScope::Plugin;
    let mut set = |key: &str, len: usize| session.kv_set(plugin, key, Some(vec![1; len])).unwrap();
    let too_large = |answer: Result<(), KvError>| matches!(answer, Err(KvError::TooLarge(_)));
    assert!(too_large(set("", 1)));
    assert!(too_large(set(&"k".repeat(257), 1)));
    assert!(too_large(set("new", 2_049)));
    assert!(too_large(set("new", 600)), "the space has 500 bytes left");
    assert_eq!(set("new", 300), Ok(()));
    assert_eq!(set("new", 400), Ok(()));
    assert!(too_large(set("newer", 200)));
    assert_eq!(session.kv_set(plugin, "old", None).unwrap(), Ok(()));
    assert_eq!(session.kv_set(plugin, "never", None).unwrap(), Ok(()));
    assert_eq!(
        session.kv_set(plugin, "newer", Some(vec![2; 200])).unwrap(),
        Ok(())
    );
    assert_eq!(
        session.kv_get(plugin, "new").unwrap(),
        Ok(Some(vec![1; 400]))
    );
    assert_eq!(session.kv_get(plugin, "old").unwrap(), Ok(None));
    let keys = session.kv_keys(plugin, "").unwrap().unwrap();
    assert_eq!(keys, ["new", "newer"]);
    let account = session.kv_get(KvScope::Account, "new").unwrap();
    assert_eq!(account, Err(KvError::NoAccount));
    let writes = session.take_writes();
    let told: Vec<_> = writes
        .iter()
        .map(|w| (w.key.as_str(), w.value.as_ref().map(Vec::len)))
        .collect();
    assert_eq!(
        told,
        [("new", Some(400)), ("newer", Some(200)), ("old", None)]
    );
}

#[test]
fn the_log_is_bounded_and_has_no_control_characters() {
    let mut session = Session::new(
        Arc::new(manifest("")),
        "{}".into(),
        Box::new(NoWorld),
        &received(),
    );
    session.write_log(LogLevel::Info, "two\nlines \u{1b}[31m");
    session.write_log(LogLevel::Info, &"ü".repeat(LOG_LINE_BYTES));
    for _ in 0..100 {
        session.write_log(LogLevel::Debug, "x");
    }
    assert_eq!(session.log[0].message, "two lines  [31m");
    assert_eq!(session.log[1].message.len(), LOG_LINE_BYTES);
    assert_eq!((session.log.len(), session.log_dropped), (LOG_LINES, 38));
}
