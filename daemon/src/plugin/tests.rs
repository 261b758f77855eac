//! Guests that misbehave, in the real sandbox.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use serde_json::Map;

use super::sample::received;
use super::world::NoWorld;
use super::*;

const GUESTS: [&str; 6] = [
    "flood",
    "loop-forever",
    "memory-bomb",
    "obeys",
    "panics",
    "sleeper",
];
const BUNDLED: [&str; 3] = ["follow-up", "lead-triage", "nda-desk"];

/// Builds the guests once and returns the folder of their components.
pub(crate) fn components() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        build.args(["build", "--profile", "plugin", "--target", "wasm32-wasip2"]);
        build.args(["--message-format", "json"]);
        for guest in GUESTS.iter().chain(&BUNDLED) {
            build.args(["-p", guest]);
        }
        let output = build.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let wasm = text
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter_map(|message| message["filenames"][0].as_str().map(PathBuf::from))
            .find(|file| {
                file.extension()
                    .is_some_and(|extension| extension == "wasm")
            });
        wasm.expect("cargo names a component")
            .parent()
            .unwrap()
            .to_owned()
    })
}

fn guest(engine: &Engine, name: &str) -> Plugin {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/plugins")
        .join(name);
    let component = components().join(format!("{}.wasm", name.replace('-', "_")));
    Plugin::load(engine, &folder.join("plugin.toml"), &component).unwrap()
}

fn engine() -> (Engine, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Engine::start(&dir.path().join("code")).unwrap(), dir)
}

#[test]
fn each_misbehaving_guest_is_stopped_and_named_and_the_next_call_works() {
    let (engine, _dir) = engine();
    let cases = [
        ("loop-forever", CrashKind::WorkLimit, "used up its fuel"),
        (
            "memory-bomb",
            CrashKind::MemoryLimit,
            "more memory than it may have",
        ),
        ("flood", CrashKind::BadOutput, ""),
        ("panics", CrashKind::Panic, "panicked at "),
        ("sleeper", CrashKind::Refused, "may not sleep"),
    ];
    let plugins = cases.map(|(name, ..)| guest(&engine, name));
    for round in 0..2 {
        for ((name, expected, part), plugin) in cases.iter().zip(&plugins) {
            let settings = plugin.settings(&Map::new()).unwrap();
            let report = plugin.call(&received(), settings, Box::new(NoWorld));
            let CallOutcome::Crashed { kind, said, at } = &report.outcome else {
                panic!("{name} in round {round}: {:?}", report.outcome);
            };
            assert_eq!(kind, expected, "{name}: {said}");
            assert!(
                said.contains(part) && !said.contains("RUST_BACKTRACE"),
                "{name}: {said}"
            );
            assert!(
                *name == "flood" || at.iter().any(|at| at.contains("handle")),
                "{name}: {at:?}"
            );
            assert_eq!(kind.retryable(), Retry::Never, "{name}");
            assert!(report.kv_writes.is_empty());
            assert!(
                report.peak_memory <= plugin.manifest().limits.memory,
                "{name}"
            );
        }
    }
}

#[test]
fn a_guest_with_fuel_for_hours_ends_at_the_time_limit() {
    let (engine, _dir) = engine();
    let plugin = guest(&engine, "loop-forever").with_fuel(u64::MAX / 2);
    let settings = plugin.settings(&Map::new()).unwrap();
    let report = plugin.call(&received(), settings, Box::new(NoWorld));
    let CallOutcome::Crashed { kind, said, .. } = &report.outcome else {
        panic!("{:?}", report.outcome);
    };
    assert_eq!(
        (*kind, kind.retryable()),
        (CrashKind::TimeLimit, Retry::Once),
        "{said}"
    );
    assert!(report.took_us > 1_000_000, "{} us", report.took_us);
}

#[test]
fn a_case_that_ends_in_a_panic_is_shown_with_its_place() {
    let (engine, dir) = engine();
    let plugin = guest(&engine, "panics");
    std::fs::write(
        dir.path().join("a.toml"),
        "[[step]]\nmail = { from = \"a@example.com\", class = \"bulk\" }\nexpect-none = true\n\
         [[step]]\nmail = { from = \"a@example.com\", subject = \"Hi\" }\n",
    )
    .unwrap();
    std::fs::write(dir.path().join("b.toml"), "[[step]]\nadvanse = \"1 day\"\n").unwrap();
    let results = cases::run(&plugin, dir.path()).unwrap();
    assert_eq!(
        results
            .iter()
            .map(cases::CaseResult::passed)
            .collect::<Vec<_>>(),
        [false, false]
    );
    let mut shown = Vec::new();
    cases::print(&results, &mut shown).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    for part in [
        "a.toml\n",
        "step 1  message-received  0 proposals   not called   ok",
        "k fuel (0.0 % of 50 M)   1088 KiB",
        "DIFFERS\n    it was stopped (panic): thread",
        "panicked at tests/plugins/panics/src/lib.rs",
        "2 | advanse",
        "did you mean `advance`?",
        "0 of 2 cases passed",
    ] {
        assert!(shown.contains(part), "`{part}` is not in\n{shown}");
    }
}

#[test]
fn the_bundled_plugins_pass_their_own_cases_in_the_sandbox() {
    let (engine, _dir) = engine();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    for name in BUNDLED {
        let component = components().join(format!("{}.wasm", name.replace('-', "_")));
        let folder = root.join(name);
        let plugin = Plugin::load(&engine, &folder.join("plugin.toml"), &component).unwrap();
        let results = cases::run(&plugin, &folder.join("cases")).unwrap();
        let mut shown = Vec::new();
        cases::print(&results, &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(
            results.iter().all(cases::CaseResult::passed),
            "{name}\n{shown}"
        );
    }
}

#[test]
fn calls_go_through_the_threads_and_one_that_crashes_does_not_hold_up_others() {
    let (engine, _dir) = engine();
    let plugin = Arc::new(guest(&engine, "panics"));
    let settings = plugin.settings(&Map::new()).unwrap();
    let workers = Workers::start(2).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let call = || {
            workers.call(Call {
                plugin: plugin.clone(),
                event: received(),
                settings: settings.clone(),
                world: Box::new(NoWorld),
            })
        };
        let reports = futures_util::future::join_all((0..50).map(|_| call())).await;
        let fuel: Vec<u64> = reports
            .into_iter()
            .map(|report| report.unwrap().fuel_used)
            .collect();
        assert!(
            fuel.iter().all(|used| *used == fuel[0] && *used > 0),
            "{fuel:?}"
        );
    });
    workers.stop();
}

#[test]
fn compiled_code_is_kept_and_a_folder_open_to_others_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (engine, dir) = engine();
    let code = dir.path().join("code");
    let files = || {
        let names = std::fs::read_dir(&code).unwrap();
        names
            .map(|entry| entry.unwrap().file_name())
            .collect::<Vec<_>>()
    };
    let first = guest(&engine, "sleeper");
    assert_eq!(files().len(), 1);
    let kept = code.join(&files()[0]);
    let written = std::fs::metadata(&kept).unwrap().modified().unwrap();
    let again = guest(&engine, "sleeper");
    assert_eq!(
        std::fs::metadata(&kept).unwrap().modified().unwrap(),
        written
    );
    assert_eq!(first.digest(), again.digest());
    assert!(first.digest().starts_with("sha256:"));

    // In place of the file, never into it: the old bytes are mapped as code.
    std::fs::remove_file(&kept).unwrap();
    std::fs::write(&kept, b"\x7fELF cut short").unwrap();
    guest(&engine, "sleeper");
    assert!(
        std::fs::metadata(&kept).unwrap().len() > 1_000,
        "compiled anew"
    );

    std::fs::set_permissions(&code, std::fs::Permissions::from_mode(0o755)).unwrap();
    let said = Engine::start(&code).unwrap_err().to_string();
    assert!(said.contains("755") && said.contains("chmod 700"), "{said}");
}

#[test]
fn what_is_no_component_is_refused_with_a_remedy() {
    let (engine, dir) = engine();
    let manifest = dir.path().join("plugin.toml");
    std::fs::write(
        &manifest,
        "manifest = 1\n[plugin]\nname = \"x\"\nversion = \"1\"\nrequires = \"0.1.0\"\n\
         summary = \"x\"\n[events]\nsubscribe = [\"timer-fired\"]\n",
    )
    .unwrap();
    let said = Plugin::open(&engine, dir.path()).unwrap_err().to_string();
    assert!(said.contains("component.wasm or x.wasm"), "{said}");
    let cases: [(&[u8], &str); 3] = [
        (b"\0asm\x01\0\0\0", "build it for wasm32-wasip2"),
        (
            b"\0asm\x0d\0\x01\0",
            "does not export `liaison:plugin/handler@",
        ),
        (b"#!/bin/sh", "is no plugin for this daemon"),
    ];
    for (bytes, part) in cases {
        std::fs::write(dir.path().join("component.wasm"), bytes).unwrap();
        let said = Plugin::open(&engine, dir.path()).unwrap_err().to_string();
        assert!(said.contains(part), "{said}");
    }
}
