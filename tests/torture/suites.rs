//! The ways of hurting, the oracle, and the table.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use liaison::store::planted::Bug;
use liaison::store::sled::{Recovery, SledStore};
use liaison::store::{Ns, Store};
use liaison_tests::chance::Chance;

use super::image::Image;
use super::program::{Model, Rows, cursor_key, number_of};
use super::space;
use super::writer::{GROW, options};

/// Longest that a writer may take to end after its store failed, or a suite to hear of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lines of a writer that wait to be heard; then it waits, too.
const LINES_MAX: usize = 100_000;

/// One way of hurting.
pub struct Suite {
    pub name: &'static str,
    pub rounds: u64,
    run: fn(&mut Run<'_>) -> Result<(), String>,
}

pub const ALL: &[Suite] = &[
    Suite {
        name: "kill",
        rounds: 250,
        run: kill,
    },
    Suite {
        name: "opening",
        rounds: 60,
        run: opening,
    },
    Suite {
        name: "cut",
        rounds: 200,
        run: cut,
    },
    Suite {
        name: "full",
        rounds: 20,
        run: full,
    },
    Suite {
        name: "sync",
        rounds: 100,
        run: sync,
    },
    Suite {
        name: "flip",
        rounds: 1_000,
        run: flip,
    },
    Suite {
        name: "space",
        rounds: 1,
        run: space::run,
    },
    Suite {
        name: "bugs",
        rounds: Bug::ALL.len() as u64,
        run: bugs,
    },
];

/// What has to be there beside us.
pub struct Tools {
    pub program: PathBuf,
}

impl Tools {
    pub fn find() -> Result<Tools, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        Ok(Tools { program })
    }
}

/// The rounds of a suite.
pub struct Run<'a> {
    pub rounds: u64,
    tools: &'a Tools,
    pub chance: &'a mut Chance,
    passed: u64,
    failures: Vec<String>,
    notes: BTreeMap<&'static str, u64>,
}

impl Run<'_> {
    pub fn round(&mut self, number: u64, result: Result<(), String>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(error) => {
                eprintln!("  round {number}: {error}");
                self.failures.push(error);
            }
        }
    }

    pub fn note(&mut self, what: &'static str, count: u64) {
        *self.notes.entry(what).or_default() += count;
    }

    fn noted(&mut self, recovery: &Recovery) {
        self.note("frames repeated", recovery.replayed);
        self.note("ends cut", u64::from(recovery.cut_bytes > 0));
        self.note("rebuilt", u64::from(recovery.rebuilt.is_some()));
    }
}

#[derive(Default)]
pub struct Table {
    lines: Vec<(String, u64, u64, String)>,
}

impl Table {
    pub fn run(&mut self, suite: &Suite, rounds: u64, tools: &Tools, chance: &mut Chance) {
        eprintln!("{} ({rounds} rounds)", suite.name);
        let mut run = Run {
            rounds,
            tools,
            chance,
            passed: 0,
            failures: Vec::new(),
            notes: BTreeMap::new(),
        };
        if let Err(error) = (suite.run)(&mut run) {
            eprintln!("  cannot go on: {error}");
            run.failures.push(error);
        }
        let notes = run
            .notes
            .iter()
            .map(|(what, count)| format!("{count} {what}"));
        let notes: Vec<String> = notes.collect();
        let failed = run.failures.len() as u64;
        self.lines
            .push((suite.name.to_owned(), run.passed, failed, notes.join(", ")));
    }

    pub fn failed(&self) -> u64 {
        self.lines.iter().map(|(_, _, failed, _)| failed).sum()
    }

    pub fn print(&self) {
        println!("{:<10} {:>7} {:>7}  seen", "suite", "passed", "failed");
        for (name, passed, failed, notes) in &self.lines {
            println!("{name:<10} {passed:>7} {failed:>7}  {notes}");
        }
        let passed: u64 = self.lines.iter().map(|(_, passed, _, _)| passed).sum();
        println!("{passed} passed, {} failed", self.failed());
    }
}

/// A running writer.
struct Writer {
    child: Child,
    lines: Receiver<String>,
    acknowledged: u64,
    opened: bool,
    failed: Option<String>,
}

impl Writer {
    fn start(command: &mut Command) -> Result<Writer, String> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let output = child.stdout.take().ok_or("no output")?;
        let (send, lines) = sync_channel(LINES_MAX);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Writer {
            child,
            lines,
            acknowledged: 0,
            opened: false,
            failed: None,
        })
    }

    fn heard(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("ack", number)) => self.acknowledged = number.parse().unwrap_or(0),
            Some(("failed", why)) => self.failed = Some(why.to_owned()),
            _ => self.opened |= line == "open",
        }
    }

    /// Listens until the writer has opened and acknowledged something.
    fn warm(&mut self) {
        while self.acknowledged == 0 && self.failed.is_none() {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                return;
            };
            self.heard(&line);
        }
    }

    fn signal(&self, name: &str) {
        let _ = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
    }

    /// Everything that it said, after it has ended.
    fn end(mut self) -> Writer {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.heard(&line);
        }
        let _ = self.child.wait();
        self
    }

    fn kill(mut self) -> Writer {
        let _ = self.child.kill();
        self.end()
    }
}

fn command(run: &Run<'_>, dir: &Path, seed: u64) -> Command {
    let mut command = Command::new(&run.tools.program);
    command.args(["write", dir.to_str().expect("a text"), &seed.to_string()]);
    command
}

/// The rows of a store, with what its start found.
fn rows_of(dir: &Path) -> Result<(Rows, Recovery), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| error.to_string())?;
    let store = SledStore::open(dir, options())
        .map_err(|error| format!("does not open: {}", liaison::books::chain(&error)))?;
    let recovery = store.recovery().clone();
    let rows = runtime.block_on(async {
        let mut rows = Rows::new();
        let shared: &dyn Store = &store;
        for ns in Ns::ALL.iter().filter(|ns| **ns != Ns::Meta) {
            let found = shared.scan_prefix(*ns, b"", usize::MAX).await;
            for (key, row) in found.map_err(|error| error.to_string())? {
                rows.insert((ns.id(), key.to_vec()), row.value.to_vec());
            }
        }
        let verified = store.verify().await.map_err(|error| error.to_string())?;
        if !verified.altered.is_empty() || !verified.bad.is_empty() {
            return Err(format!("verify found {verified:?}"));
        }
        store.close().await.map_err(|error| error.to_string())?;
        Ok(rows)
    })?;
    Ok((rows, recovery))
}

/// The store must be in the state after some transaction, and not before `acknowledged`.
fn check(dir: &Path, model: &mut Model, acknowledged: u64) -> Result<Recovery, String> {
    let (rows, recovery) = rows_of(dir)?;
    let cursor = cursor_key();
    let reached = rows
        .get(&(cursor.ns.id(), cursor.k.to_vec()))
        .map_or(Some(0), |value| number_of(value))
        .ok_or("the cursor is no number")?;
    if reached < acknowledged.max(model.number) {
        let known = acknowledged.max(model.number);
        return Err(format!("{known} were acknowledged, {reached} are there"));
    }
    model.advance(reached);
    if recovery.needs_person() {
        return Err(format!(
            "nothing was damaged, and yet: {}",
            recovery.words().join("; ")
        ));
    }
    compare(&rows, &model.rows).map(|()| recovery)
}

fn compare(found: &Rows, expected: &Rows) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let name = |(ns, key): &(u8, Vec<u8>)| {
        format!(
            "{}/{}",
            Ns::from_id(*ns).map_or("?", Ns::name),
            key.escape_ascii()
        )
    };
    let missing = expected.keys().filter(|key| !found.contains_key(*key));
    let extra = found.keys().filter(|key| !expected.contains_key(*key));
    let first = missing.clone().chain(extra.clone()).next().map(name);
    Err(format!(
        "{} rows missing, {} too many, others differ; first {first:?}",
        missing.count(),
        extra.count(),
    ))
}

fn kill(run: &mut Run<'_>) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let seed = run.chance.draw();
    let mut model = Model::new(seed);
    for round in 0..run.rounds {
        let mut writer = Writer::start(&mut command(run, dir.path(), seed))?;
        writer.warm();
        thread::sleep(run.chance.millis(1..250));
        let writer = writer.kill();
        run.note(
            "acknowledged",
            writer.acknowledged.saturating_sub(model.number),
        );
        if round % 5 == 0 {
            tear(dir.path(), run.chance)?;
        }
        let checked = check(dir.path(), &mut model, writer.acknowledged);
        if let Ok(recovery) = &checked {
            run.noted(recovery);
        }
        run.round(round, checked.map(drop));
    }
    Ok(())
}

/// Writes half a frame after the last one, as a kill in the middle of a write does.
fn tear(dir: &Path, chance: &mut Chance) -> Result<(), String> {
    let files = fs::read_dir(dir.join("journal")).map_err(|error| error.to_string())?;
    let newest = files
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .max();
    let newest = newest.ok_or("no segment")?;
    let bytes = fs::read(&newest).map_err(|error| error.to_string())?;
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(64, |last| last + 1);
    let end = used.next_multiple_of(8).max(64) as u64;
    let mut half = b"LjF1\0\0\x10\0".to_vec();
    half.extend((0..chance.within(1..2_000)).map(|_| chance.draw() as u8));
    let opened = fs::OpenOptions::new().write(true).open(&newest);
    let written = opened.and_then(|opened| opened.write_all_at(&half, end));
    written.map_err(|error| error.to_string())
}

/// Kills while the store opens; much is to be repeated each time.
fn opening(run: &mut Run<'_>) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let seed = run.chance.draw();
    let mut model = Model::new(seed);
    for round in 0..run.rounds {
        let mut writer = Writer::start(&mut command(run, dir.path(), seed))?;
        writer.warm();
        thread::sleep(run.chance.millis(1..60));
        let mut acknowledged = writer.kill().acknowledged;
        for _ in 0..3 {
            let writer = Writer::start(&mut command(run, dir.path(), seed))?;
            thread::sleep(run.chance.millis(1..40));
            let writer = writer.kill();
            run.note("killed while opening", u64::from(!writer.opened));
            acknowledged = acknowledged.max(writer.acknowledged);
        }
        let checked = check(dir.path(), &mut model, acknowledged);
        if let Ok(recovery) = &checked {
            run.noted(recovery);
        }
        run.round(round, checked.map(drop));
    }
    Ok(())
}

/// A power cut: the disk of this moment, without what the kernel still holds.
fn cut(run: &mut Run<'_>) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let seed = run.chance.draw();
    let mut model = Model::new(seed);
    let mut image = Image::make(dir.path(), "a", 192)?;
    for round in 0..run.rounds {
        let store = image.mount.join("store");
        let mut writer = Writer::start(&mut command(run, &store, seed))?;
        writer.warm();
        thread::sleep(run.chance.millis(1..200));
        writer.signal("-STOP");
        let name = ["b", "a"][(round % 2) as usize];
        let disk = dir.path().join(format!("{name}.ext4"));
        let copied = image.cut(&disk);
        let writer = writer.kill();
        copied?;
        drop(image);
        image = Image::mount(dir.path(), name, disk)?;
        let checked = check(&image.mount.join("store"), &mut model, writer.acknowledged);
        if let Ok(recovery) = &checked {
            run.noted(recovery);
        }
        let broken = checked.is_err();
        run.round(round, checked.map(drop));
        if broken || round % 50 == 49 {
            // The small disk would fill up.
            drop(image);
            model = Model::new(seed);
            image = Image::make(dir.path(), name, 192)?;
        }
    }
    Ok(())
}

fn full(run: &mut Run<'_>) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    for round in 0..run.rounds {
        let seed = run.chance.draw();
        let image = Image::make(dir.path(), &format!("full{round}"), 40)?;
        let ballast = image.mount.join("ballast");
        let bytes = (run.chance.within(4..12) as usize) << 20;
        fs::write(&ballast, vec![1; bytes]).map_err(|error| error.to_string())?;
        let store = image.mount.join("store");
        let mut command = command(run, &store, seed);
        let writer = Writer::start(command.env(GROW, "1"))?.end();
        let told = writer.failed.clone().unwrap_or_default();
        run.note("acknowledged", writer.acknowledged);
        let mut result = match told.contains("full") || told.contains("space") {
            true => Ok(()),
            false => Err(format!("a full disk was told as `{told}`")),
        };
        fs::remove_file(&ballast).map_err(|error| error.to_string())?;
        if result.is_ok() {
            let mut model = Model::new(seed);
            result = check(&store, &mut model, writer.acknowledged).map(drop);
        }
        run.round(round, result);
        let file = image.file.clone();
        drop(image);
        let _ = fs::remove_file(file);
    }
    Ok(())
}

/// The n-th sync fails, with an error of the disk or for lack of space.
fn sync(run: &mut Run<'_>) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    for round in 0..run.rounds {
        let seed = run.chance.draw();
        let store = dir.path().join(round.to_string());
        let error = ["EIO", "ENOSPC"][(round % 2) as usize];
        let fault = format!("inject=fdatasync,fsync:error={error}:when={}", round + 1);
        let mut command = Command::new("strace");
        command.args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=fdatasync,fsync",
            "-e",
            &fault,
        ]);
        command.arg(&run.tools.program);
        command.args([
            "write",
            store.to_str().expect("a text"),
            &seed.to_string(),
            "300",
        ]);
        let writer = Writer::start(&mut command)?.end();
        run.note("failed at the sync", u64::from(writer.failed.is_some()));
        let mut model = Model::new(seed);
        let result = check(&store, &mut model, writer.acknowledged);
        run.round(round, result.map(drop));
        let _ = fs::remove_dir_all(&store);
    }
    Ok(())
}

/// A killed store, of which one bit of one file is another.
fn flip(run: &mut Run<'_>) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let seed = run.chance.draw();
    let whole = dir.path().join("whole");
    let mut writer = Writer::start(&mut command(run, &whole, seed))?;
    // Exports, dropped segments, and commits that only the journal has.
    while writer.acknowledged < 12_000 && writer.failed.is_none() {
        let line = writer
            .lines
            .recv_timeout(PATIENCE)
            .map_err(|error| error.to_string())?;
        writer.heard(&line);
    }
    let acknowledged = writer.kill().acknowledged;
    let mut model = Model::new(seed);
    let (rows, old) = (whole.join("sled"), whole.join("sled.old"));
    if !rows.exists() {
        // Killed while the rows got new files; what is to be hurt needs its name.
        fs::rename(old, rows).map_err(|error| error.to_string())?;
    }
    let image = dir.path().join("image");
    copy_tree(&whole, &image).map_err(|error| error.to_string())?;
    check(&image, &mut model, acknowledged)?;
    for round in 0..run.rounds {
        let copy = dir.path().join("copy");
        let _ = fs::remove_dir_all(&copy);
        copy_tree(&whole, &copy).map_err(|error| error.to_string())?;
        let part = ["sled", "journal", "exports"][(round % 3) as usize];
        let place = flip_one(&copy.join(part), run.chance)?;
        if part == "exports" {
            // The newest is bad, and is needed: the older one and the journal say the same.
            fs::remove_file(copy.join("sled/db")).map_err(|error| error.to_string())?;
        }
        let outcome = std::panic::catch_unwind(|| rows_of(&copy));
        let result = match outcome {
            Err(_) => Err(format!("{place}: a panic came through")),
            // The journal is whole: nothing may be refused.
            Ok(Err(error)) if part != "journal" => Err(format!("{place}: {error}")),
            Ok(Err(_)) => {
                run.note("refused with words", 1);
                Ok(())
            }
            Ok(Ok((rows, recovery))) => {
                let told = recovery != Recovery::default();
                run.note("found and mended", u64::from(told));
                run.note("without effect", u64::from(!told));
                match compare(&rows, &model.rows) {
                    Ok(()) => Ok(()),
                    Err(_) if recovery.cut_bytes > 0 => Ok(()),
                    Err(error) => Err(format!("{place}: {error}")),
                }
            }
        };
        run.round(round, result);
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}

/// Flips one bit of what is in use in one of the files.
fn flip_one(dir: &Path, chance: &mut Chance) -> Result<String, String> {
    let files = fs::read_dir(dir).map_err(|error| error.to_string())?;
    let mut files: Vec<PathBuf> = files
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    if dir.ends_with("exports") {
        // The newest.
        files.drain(..files.len().saturating_sub(1));
    }
    let file = &files[chance.within(0..files.len() as u64) as usize];
    let mut bytes = fs::read(file).map_err(|error| error.to_string())?;
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(1, |last| last + 1);
    let at = chance.within(0..used as u64) as usize;
    bytes[at] ^= 1 << chance.within(0..8);
    let opened = fs::OpenOptions::new().write(true).open(file);
    let written = opened.and_then(|opened| opened.write_all_at(&bytes[at..=at], at as u64));
    written.map_err(|error| error.to_string())?;
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    Ok(format!("{name}, byte {at}"))
}

/// Each planted bug must be found by the suite that looks for its kind.
fn bugs(run: &mut Run<'_>) -> Result<(), String> {
    if !cfg!(feature = "torture-bugs") {
        return Err(
            "this build has no planted bugs: build with --features torture-bugs".to_owned(),
        );
    }
    for (round, (name, bug)) in Bug::ALL.iter().enumerate() {
        let only = match bug {
            Bug::SkipSync | Bug::EarlyAnswer => "cut",
            Bug::SkipChecks | Bug::DropSegments => "flip",
            Bug::CutTooMuch | Bug::SkipReplay | Bug::SkipDeletes | Bug::SkipExpect => "kill",
        };
        let output = Command::new(&run.tools.program)
            .args(["store", "--only", only, "--rounds", "10"])
            .env("LIAISON_TORTURE_BUG", name)
            .output()
            .map_err(|error| error.to_string())?;
        let found = !output.status.success();
        let result = match found {
            true => Ok(()),
            false => Err(format!(
                "the planted bug `{name}` was not found by `{only}`"
            )),
        };
        run.note("bugs found", u64::from(found));
        run.round(round as u64, result);
    }
    Ok(())
}
