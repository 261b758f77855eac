use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use liaison_core::account::matching::MatchOutcome;
use liaison_core::account::{Account, Contact, ContactStatus, Lifecycle};
use liaison_core::calendar::PartStat;
use liaison_core::crm::{CrmRecord, Kind, Source};
use liaison_core::effect::{Audience, HoldEffect, HoldState, MailEffect, MailMode};
use liaison_core::happening::SettledOutcome;
use liaison_core::hold::{GroupState, HoldGroup};
use liaison_core::mailbox::{MailFlag, MailboxChange, MailboxEffect, MailboxState};
use liaison_core::meeting::{Meeting, What};
use liaison_core::message::{MessageRecord, ThreadRecord};
use liaison_core::optout::{AskedBy, OptOut};
use liaison_core::outbox::{MailState, Phase};
use liaison_core::policy::VerdictResult;
use liaison_core::proposal;
use liaison_core::reach::{Meaning, Reach, ReportRecord, ReturnRecord, WhyNot};
use liaison_core::records::{CaseRecord, TaskPriority, TaskRecord, TimerRecord};
use serde_reflection::{Samples, Tracer, TracerConfig};

use super::golden::{self, Case};
use super::*;
use crate::books::rows::*;
use crate::source::{BatchMode, Cursor, FolderRole};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/books/registry")
}

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap();
    (0..text.len()).step_by(2).map(pair).collect()
}

/// The lines of `golden.txt`: type, version and name to the bytes.
fn on_disk() -> BTreeMap<(u8, u16, String), Vec<u8>> {
    let text = text("golden.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split(' ').collect();
            let [kind, version, name, bytes] = parts[..] else {
                panic!("golden.txt: {line}")
            };
            let key = (
                kind.parse().unwrap(),
                version.parse().unwrap(),
                name.to_owned(),
            );
            (key, unhex(bytes))
        })
        .collect()
}

struct Golden {
    disk: BTreeMap<(u8, u16, String), Vec<u8>>,
    looked: BTreeSet<(u8, u16, String)>,
    missing: String,
    /// What the hand-written values have between them.
    seen: Tracer,
}

impl Golden {
    /// Every version of these values that is on disk reads as they are, and the latest is what is
    /// written today.
    fn check<T: Record + PartialEq + Debug>(&mut self, cases: Vec<Case<T>>) {
        for Case { name, value } in cases {
            let place = format!("{} `{name}`", std::any::type_name::<T>());
            self.seen
                .trace_value(&mut Samples::new(), &value)
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            let written = codec::encode(&value).unwrap();
            let latest = (T::TYPE, T::VERSION, name.to_owned());
            if !self.disk.contains_key(&latest) {
                let line = format!("{} {} {name} {}\n", T::TYPE, T::VERSION, hex(&written));
                self.missing.push_str(&line);
            }
            for version in 1..=T::VERSION {
                let key = (T::TYPE, version, name.to_owned());
                let Some(bytes) = self.disk.get(&key) else {
                    continue;
                };
                let read = codec::decode::<T>(bytes);
                assert_eq!(
                    read.as_ref(),
                    Ok(&value),
                    "{place}: version {version} on disk"
                );
                if version == T::VERSION {
                    assert_eq!(
                        hex(&written),
                        hex(bytes),
                        "{place} is written in another way than before: give the new shape a new \
                         version, and keep the old one frozen (ARCHITECTURE, section 6)"
                    );
                }
                self.looked.insert(key);
            }
        }
    }
}

fn check_all() -> Golden {
    let mut golden = Golden {
        disk: on_disk(),
        looked: BTreeSet::new(),
        missing: String::new(),
        seen: Tracer::new(TracerConfig::default()),
    };
    golden.check::<VersionsRow>(golden::versions());
    golden.check::<MessageRecord>(golden::messages());
    golden.check::<ThreadRecord>(golden::threads());
    golden.check::<DeliveryRow>(golden::deliveries());
    golden.check::<CursorRow>(golden::cursors());
    golden.check::<EventRow>(golden::events());
    golden.check::<OutcomeRow>(golden::outcomes());
    golden.check::<PluginResultRow>(golden::plugin_results());
    golden.check::<PluginStateRow>(golden::plugin_states());
    golden.check::<MailEffect>(golden::mails());
    golden.check::<HoldEffect>(golden::holds());
    golden.check::<MailboxEffect>(golden::mailbox_effects());
    golden.check::<CaseRecord>(golden::cases());
    golden.check::<CaseIndexRow>(golden::case_indexes());
    golden.check::<TaskRecord>(golden::tasks());
    golden.check::<TimerRecord>(golden::timers());
    golden.check::<LedgerRow>(golden::ledger());
    golden.check::<AuditRow>(golden::audits());
    golden.check::<TimelineRow>(golden::timeline());
    golden.check::<Account>(golden::accounts());
    golden.check::<Contact>(golden::contacts());
    golden.check::<ByAddrRow>(golden::by_addr());
    golden.check::<ByDomainRow>(golden::by_domain());
    golden.check::<CounterRow>(golden::counters());
    golden.check::<WaitRow>(golden::waits());
    golden.check::<UnreadRow>(golden::unread());
    golden.check::<LookedRow>(golden::looked());
    golden.check::<SaltRow>(golden::salts());
    golden.check::<ErasureRow>(golden::erasures());
    golden.check::<CrmRecord>(golden::crm_records());
    golden.check::<ChangeRow>(golden::changes());
    golden.check::<MergeRow>(golden::merges());
    golden.check::<WatchRow>(golden::watched());
    golden.check::<BackfillRow>(golden::backfills());
    golden.check::<ListedRow>(golden::listings());
    golden.check::<ReviewRow>(golden::reviews());
    golden.check::<MatchRuleRow>(golden::match_rules());
    golden.check::<Reach>(golden::reaches());
    golden.check::<ReportRecord>(golden::reports());
    golden.check::<ReturnRecord>(golden::returns());
    golden.check::<OptOut>(golden::opt_outs());
    golden.check::<HoldGroup>(golden::hold_groups());
    golden.check::<Meeting>(golden::meetings());
    golden
}

#[test]
fn every_stored_byte_of_every_release_reads_as_it_was_meant() {
    let golden = check_all();
    assert!(
        golden.missing.is_empty(),
        "add to golden.txt:\n{}",
        golden.missing
    );
    let unread = golden
        .disk
        .keys()
        .filter(|key| !golden.looked.contains(*key));
    let unread: Vec<_> = unread.collect();
    assert!(unread.is_empty(), "nobody reads {unread:?} of golden.txt");
    let types: BTreeSet<u8> = golden.looked.iter().map(|(kind, ..)| *kind).collect();
    let known: BTreeSet<u8> = KINDS.iter().map(|kind| kind.number).collect();
    assert_eq!(types, known, "each type has values in golden.rs");
}

/// The shapes of all records, as serde writes them.
fn shapes() -> serde_reflection::Registry {
    let mut tracer = Tracer::new(TracerConfig::default());
    macro_rules! trace {
        ($($type:ty),* $(,)?) => {$(tracer.trace_simple_type::<$type>().unwrap();)*};
    }
    // The enums first: each of their variants is looked for.
    trace!(
        Audience,
        BatchMode, CallEnd, ContactStatus, Cursor, EventBody, FolderRole, HoldState
    );
    trace!(
        Lifecycle,
        MailFlag,
        MailMode,
        MailboxChange,
        MailboxState,
        MailState,
        MatchOutcome,
        Phase,
        SettledOutcome,
        VerdictResult
    );
    trace!(
        proposal::Value,
        TaskPriority, Kind, AnyKind, WhyNot, Meaning, AskedBy
    );
    trace!(
        VersionsRow,
        MessageRecord, ThreadRecord, DeliveryRow, CursorRow, EventRow, OutcomeRow
    );
    trace!(
        PluginResultRow,
        PluginStateRow, MailEffect, HoldEffect, CaseRecord, TaskRecord
    );
    trace!(
        TimerRecord,
        LedgerRow, AuditRow, TimelineRow, Account, Contact, ByAddrRow
    );
    trace!(
        ByDomainRow,
        CounterRow,
        WaitRow,
        UnreadRow,
        LookedRow,
        SaltRow,
        ErasureState,
        ErasureRow,
        ReviewState,
        ReviewRow,
        MatchRuleRow,
        Source,
        CrmRecord,
        ChangeRow,
        CaseIndexRow,
        MergeRow,
        AlarmState,
        WatchRow,
        BackfillState,
        BackfillRow,
        ListedRow,
        MailboxEffect,
        Reach,
        ReportRecord,
        ReturnRecord,
        OptOut,
        GroupState,
        HoldGroup,
        PartStat,
        What,
        Meeting
    );
    tracer.registry().unwrap()
}

/// Names of all types that `name` is made of, itself included.
fn parts(shapes: &serde_reflection::Registry, name: &str, found: &mut BTreeSet<String>) {
    use serde_reflection::{Format, FormatHolder as _};
    if !found.insert(name.to_owned()) {
        return;
    }
    let mut inner = Vec::new();
    shapes[name]
        .visit(&mut |format| {
            if let Format::TypeName(name) = format {
                inner.push(name.clone());
            }
            Ok(())
        })
        .unwrap();
    for name in inner {
        parts(shapes, &name, found);
    }
}

/// One line for each record, with a hash of its shape and of everything in it, then the shapes.
fn shapes_text() -> String {
    let shapes = shapes();
    let mut text = String::new();
    for kind in KINDS {
        let mut names = BTreeSet::new();
        parts(&shapes, kind.name, &mut names);
        let mut hasher = blake3::Hasher::new();
        for name in names {
            hasher.update(format!("{name} {:?}\n", shapes[&name]).as_bytes());
        }
        let hash = hasher.finalize().to_hex();
        let (number, version, name) = (kind.number, kind.version, kind.name);
        text.push_str(&format!(
            "record {number} {name} = {version}: {}\n",
            hash.get(..16).unwrap()
        ));
    }
    for (name, shape) in &shapes {
        text.push_str(&format!("{name}: {shape:?}\n"));
    }
    text
}

#[test]
fn a_changed_shape_needs_a_new_version() {
    let (kept, found) = (text("shapes.txt"), shapes_text());
    let kept_lines: Vec<&str> = kept.lines().filter(|line| !line.starts_with('#')).collect();
    let found_lines: Vec<&str> = found.lines().collect();
    let new: Vec<&&str> = found_lines
        .iter()
        .filter(|line| !kept_lines.contains(line))
        .collect();
    assert_eq!(
        kept_lines, found_lines,
        "stored types changed. A field or variant was added, removed or moved: give each record \
         named below a new version, keep the old shape frozen (ARCHITECTURE, section 6), and put \
         these lines into shapes.txt:\n{new:#?}"
    );
}

#[test]
fn the_values_have_every_variant_and_every_optional_field() {
    let all = shapes();
    let seen = check_all().seen.registry().unwrap_or_else(|error| {
        panic!("a field that is never there, or a list that is always empty, in golden.rs: {error}")
    });
    for (name, shape) in &all {
        assert_eq!(
            seen.get(name),
            Some(shape),
            "golden.rs lacks some of `{name}`"
        );
    }
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_type_is_listed_once() {
    let numbers: BTreeSet<u8> = KINDS.iter().map(|kind| kind.number).collect();
    assert_eq!(numbers.len(), KINDS.len());
    // The store's own, see `store/sled/open.rs` and `compact.rs` beside it.
    assert!([1, 2, 4].iter().all(|own| !numbers.contains(own)));
    let mut files = Vec::new();
    for part in ["src", "core/src"] {
        sources(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(part),
            &mut files,
        );
    }
    let needle = ["Record", "for"].join(" ");
    let by_hand: Vec<_> = files
        .iter()
        .filter(|file| !file.to_string_lossy().contains("tests"))
        .filter(|file| {
            fs::read_to_string(file)
                .unwrap()
                .contains(&format!("{needle} "))
        })
        .map(|file| file.file_name().unwrap().to_str().unwrap())
        .collect();
    let by_hand: BTreeSet<_> = by_hand.into_iter().collect();
    let own = BTreeSet::from(["compact.rs", "open.rs", "registry.rs"]);
    assert_eq!(by_hand, own, "list it in `records!`");
}
