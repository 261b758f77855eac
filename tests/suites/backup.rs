//! A backup that is taken while mail comes in and goes out, and is restored elsewhere.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use liaison::store::Ns;
use liaison::store::export::{self, Ended, ExportError};
use liaison::store::journal::{Group, JournalError, Segments};
use liaison::store::sled::{SledOptions, SledStore};
use liaison_tests::ask::text_at;
use liaison_tests::daemon::{Daemon, DaemonOptions, cli, cli_json};
use liaison_tests::firm::{Firm, NO_CEILINGS, SALES};
use liaison_tests::mail::cast;
use liaison_tests::maildir::Maildir;
use liaison_tests::wait;
use serde_json::{Value, json};

/// Mails that have gone out before the backup is asked for, and that come after it.
const BEFORE: usize = 5;
const AFTER: u32 = 5;

/// Messages that may wait to be answered: the daemon is always busy, and the test ends.
const AHEAD_MAX: usize = 40;
/// Between two looks at whether the load is to end.
const PAUSE: Duration = Duration::from_secs(1);

/// Version and value by family and key.
type Rows = BTreeMap<(u8, Vec<u8>), (u64, Vec<u8>)>;

/// What the export says at its end, and its rows.
fn export_rows(file: &Path) -> (Ended, Rows) {
    let mut rows = Rows::new();
    let ended = export::read(file, &mut |row| -> Result<(), ExportError> {
        let key = (row.ns.id(), row.key.to_vec());
        match row.row {
            Some((version, value)) => rows.insert(key, (version, value.to_vec())),
            None => rows.remove(&key),
        };
        Ok(())
    });
    (ended.unwrap(), rows)
}

/// The rows after frame `last`, from nothing but the journal of the store.
fn journal_rows(store: &Path, last: u64) -> Rows {
    let segments = Segments::list(&store.join("journal")).unwrap();
    assert_eq!(segments.first(), Some(1), "the whole journal is there");
    let mut rows = Rows::new();
    let mut take = |frame: u64, group: &Group<'_>| -> Result<(), JournalError> {
        if frame > last {
            return Ok(());
        }
        for change in &group.changes {
            for (ns, key) in &change.dels {
                rows.remove(&(*ns, key.0.to_vec()));
            }
            for (ns, key, value) in &change.puts {
                let row = (change.commit, value.0.to_vec());
                rows.insert((*ns, key.0.to_vec()), row);
            }
        }
        Ok(())
    };
    let tail = segments.read(None, 0, &mut take).unwrap();
    assert!(tail.position.frame > last, "nothing came after the backup");
    rows
}

fn names(outgoing: &Maildir) -> BTreeSet<String> {
    let messages = outgoing.list("");
    messages.into_iter().map(|message| message.name).collect()
}

/// Waits until no event is open and no mail on its way.
fn at_rest(daemon: &Daemon, known: u64) {
    daemon.eventually("everything is worked off", || {
        let status = daemon.call("status", &json!({}))?;
        let moving = ["proposed", "approved", "scheduled", "leased", "deferred"];
        let moving = moving.iter().any(|state| !status["mails"][state].is_null());
        let done = status["events"]["open"] == 0 && status["events"]["known"].as_u64()? >= known;
        (done && !moving).then_some(())
    });
}

/// The same firm with its state in another folder.
fn elsewhere(firm: &Firm) -> DaemonOptions {
    let folder = firm.dir().join("elsewhere");
    fs::create_dir(&folder).unwrap();
    let state = folder.join("state");
    let text = fs::read_to_string(firm.config()).unwrap();
    let there = format!("state_dir = \"{}\"", state.display());
    let changed = text.replacen("state_dir = \"state\"", &there, 1);
    assert_ne!(changed, text);
    // Beside the first one, so that its other paths mean the same.
    let config = firm.dir().join("elsewhere.toml");
    fs::write(&config, changed).unwrap();
    fs::create_dir(&state).unwrap();
    DaemonOptions {
        logs: folder,
        socket: Some(state.join("liaison.sock")),
        ..DaemonOptions::new(&config)
    }
}

/// Delivers requests, one after the other, until `stop`; takes a backup in the middle.
fn backup_under_load(daemon: &Daemon, mail: &Maildir, outgoing: &Maildir, folder: &Path) -> u32 {
    let (stop, delivered) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let ahead = delivered.load(Ordering::Relaxed) as usize;
                let near = || (outgoing.list("").len() + AHEAD_MAX > ahead).then_some(());
                if wait::within(PAUSE, near).is_none() {
                    continue;
                }
                let number = delivered.fetch_add(1, Ordering::Relaxed);
                mail.deliver(&cast::nda_request(number).build());
            }
        });
        let out = |count: usize| move || (outgoing.list("").len() >= count).then_some(());
        daemon.eventually("mail goes out", out(BEFORE));
        let before = delivered.load(Ordering::Relaxed);
        let made = daemon.cli_json([Path::new("backup"), folder]);
        assert_eq!(made["missing"], 0, "{made:#}");
        daemon.eventually("mail came meanwhile and after", || {
            (delivered.load(Ordering::Relaxed) >= before + AFTER).then_some(())
        });
        stop.store(true, Ordering::Relaxed);
    });
    delivered.load(Ordering::Relaxed)
}

#[test]
fn a_backup_taken_under_load_is_whole_and_sends_nothing_where_it_is_restored() {
    let mut firm = Firm::new();
    firm.add(NO_CEILINGS);
    let outgoing = firm.files("files");
    let mail = firm.maildir(Some("files"));
    firm.vdir();
    firm.plugins(&["nda-desk"], "send");
    firm.plugins(&["lead-triage"], "approve");
    let mut daemon = firm.start();
    daemon.watched(SALES, 2);
    mail.deliver(&cast::enquiry(1).build());
    let held = daemon.row(&["outbox", "list"], "the answer waits for a yes", |mail| {
        mail["state"] == "held"
    });
    let held = text_at(&held, "/id").to_owned();

    let folder = firm.dir().join("backup");
    let delivered = backup_under_load(&daemon, &mail, &outgoing, &folder);
    // It leaves after the backup, which does not know of it.
    daemon.cli_json(["outbox", "approve", &held]);
    at_rest(&daemon, u64::from(delivered) + 1);
    let out = daemon.eventually("all answers are out", || {
        let out = names(&outgoing);
        (out.len() as u32 == delivered + 1).then_some(out)
    });
    daemon.terminate();

    // The rows of the backup are those of its frame, as the journal of the source has them.
    let manifest: Value =
        serde_json::from_slice(&fs::read(folder.join("backup.json")).unwrap()).unwrap();
    let frame = manifest["frame"].as_u64().unwrap();
    let file = folder.join(text_at(&manifest, "/export"));
    let (ended, rows) = export_rows(&file);
    assert_eq!(ended.frame, frame);
    let source = journal_rows(&firm.dir().join("state").join("store"), frame);
    assert!(
        rows == source,
        "{} rows, {} there",
        rows.len(),
        source.len()
    );
    assert!(rows.keys().any(|(ns, _)| *ns == Ns::Effect.id()));
    again_equal(firm.dir(), &file, &rows);

    let options = elsewhere(&firm);
    let restored = cli_json(&options, [Path::new("restore"), &folder]);
    let uncertain = restored["uncertain"].as_u64().unwrap();
    assert!(uncertain >= 1, "{restored:#}");
    let looked = cli(&options, ["verify", "--json"]);
    let words = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert_eq!(looked.status.code(), Some(0), "{words}");
    let looked: Value = serde_json::from_slice(&looked.stdout).unwrap();
    assert_eq!(looked["clean"], true, "{looked:#}");
    let shown = cli_json(&options, ["outbox", "list", "--state", "uncertain"]);
    let shown = shown.to_string();
    assert_eq!(
        shown.matches("\"state\":\"uncertain\"").count() as u64,
        uncertain
    );
    assert!(shown.contains(&held), "{shown}");

    let daemon = Daemon::start(options);
    daemon.watched(SALES, 2);
    at_rest(&daemon, u64::from(delivered) + 1);
    assert_eq!(names(&outgoing), out, "something was sent a second time");
    let mails = daemon.rows(&["outbox", "list"]);
    let of_held = mails
        .iter()
        .find(|mail| mail["id"] == held.as_str())
        .unwrap();
    // Found in Sent, or shown to a person: never on its way again.
    let state = text_at(of_held, "/state");
    assert!(
        ["uncertain", "held", "sent"].contains(&state),
        "{of_held:#}"
    );
}

/// What is loaded from an export makes an equal export.
fn again_equal(dir: &Path, file: &Path, rows: &Rows) {
    let place = dir.join("again");
    SledStore::load(&place, SledOptions::default(), file).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let made = runtime.block_on(async {
        let store = SledStore::open(&place, SledOptions::default()).unwrap();
        let made = store.save(&place.join("export")).await.unwrap();
        liaison::store::Store::close(&store).await.unwrap();
        made
    });
    let (_, again) = export_rows(&made.path);
    assert!(
        again == *rows,
        "{} rows, {} before",
        again.len(),
        rows.len()
    );
}
