//! One event, one store, one instance, one report.

use liaison_core::happening::PluginEvent;
use wasmtime::{Store, Trap, WasmBacktrace};

use super::bindings::Linked;
use super::instance::{Cx, NotAllowed};
use super::load::Plugin;
use super::report::{CallOutcome, CallReport, CrashKind, Failure};
use super::session::{Session, Unreadable};
use super::{grants, output};
use crate::clock::{Clock, SystemClock};

/// Wall time of one call in ticks of 10 ms: 2 s. A backstop only, fuel ends a loop in 10 ms.
const TIME_LIMIT_TICKS: u64 = 200;
/// Component-model handles that one call may hold.
const HANDLES: usize = 1_000;
/// Innermost functions named in a crash.
const FRAMES: usize = 12;
/// Functions that say nothing about a plugin.
const LIBRARY: [&str; 6] = ["abort", "std::", "core::", "alloc::", "__rust", "rust_"];
/// What Rust adds to a panic for people who can set its environment.
const BACKTRACE_NOTE: &str = "note: run with `RUST_BACKTRACE=1`";
/// Bytes of a sentence that a plugin gives with a failure.
const WHY_BYTES: usize = 1 << 10;
/// Longest wait that a plugin may ask for: a day.
const AGAIN_LATER_MS: u64 = 24 * 60 * 60 * 1000;

/// A store with all limits set.
pub(super) fn bounded(engine: &wasmtime::Engine, cx: Cx, fuel: u64) -> wasmtime::Result<Store<Cx>> {
    let mut store = Store::new(engine, cx);
    store.limiter(|cx| &mut cx.limits);
    store.set_fuel(fuel)?;
    store.set_epoch_deadline(TIME_LIMIT_TICKS);
    store.set_hostcall_fuel(output::CROSSING_BYTES);
    store.set_max_component_handles(HANDLES);
    Ok(store)
}

pub(super) fn run(
    plugin: &Plugin,
    linked: &Linked,
    session: Session,
    event: &PluginEvent,
) -> CallReport {
    let started = SystemClock.monotonic();
    let limits = &plugin.manifest().limits;
    let mut report = CallReport {
        outcome: CallOutcome::Proposals(Vec::new()),
        fuel_used: 0,
        fuel_budget: limits.fuel,
        peak_memory: 0,
        took_us: 0,
        reads: 0,
        kv_writes: Vec::new(),
        log: Vec::new(),
        log_dropped: 0,
    };
    let given = grants::event(plugin.manifest(), event);
    match plugin.store(session, event) {
        Ok(mut store) => {
            let answer = linked.handle(&mut store, &given);
            report.outcome = match answer {
                Ok(Ok(proposals)) => match output::check(&proposals, limits.proposals) {
                    Ok(()) => CallOutcome::Proposals(proposals),
                    Err(said) => CallOutcome::Crashed {
                        kind: CrashKind::BadOutput,
                        said,
                        at: Vec::new(),
                    },
                },
                Ok(Err(failure)) => CallOutcome::Failed(bounded_failure(failure)),
                Err(error) => {
                    let (kind, said, at) = crash(&error, store.data());
                    CallOutcome::Crashed { kind, said, at }
                }
            };
            report.fuel_used = limits
                .fuel
                .saturating_sub(store.get_fuel().unwrap_or_default());
            let mut cx = store.into_data();
            report.peak_memory = cx.limits.peak;
            report.reads = cx.session.reads;
            if matches!(report.outcome, CallOutcome::Proposals(_)) {
                report.kv_writes = cx.session.take_writes();
            }
            report.log = std::mem::take(&mut cx.session.log);
            report.log_dropped = cx.session.log_dropped;
        }
        Err(error) => {
            let said = format!("{error:#}");
            report.outcome = CallOutcome::Crashed {
                kind: CrashKind::Refused,
                said,
                at: Vec::new(),
            };
        }
    }
    let took = SystemClock.monotonic().saturating_sub(started);
    report.took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    report
}

fn bounded_failure(failure: Failure) -> Failure {
    let short = |mut why: String| {
        why.truncate(why.floor_char_boundary(WHY_BYTES));
        why
    };
    match failure {
        Failure::Settings(why) => Failure::Settings(short(why)),
        Failure::Poison(why) => Failure::Poison(short(why)),
        Failure::AgainLater { after_ms, why } => Failure::AgainLater {
            after_ms: after_ms.min(AGAIN_LATER_MS),
            why: short(why),
        },
    }
}

/// Why a call ended without an answer, what it said, and where.
pub(super) fn crash(error: &wasmtime::Error, cx: &Cx) -> (CrashKind, String, Vec<String>) {
    let stderr = cx.said();
    let stderr = stderr
        .lines()
        .filter(|line| !line.starts_with(BACKTRACE_NOTE));
    let stderr = stderr.collect::<Vec<_>>().join("\n");
    let or_said = |sentence: &str| {
        if stderr.is_empty() {
            sentence.to_owned()
        } else {
            format!("{sentence}: {stderr}")
        }
    };
    let root = error.root_cause().to_string();
    let at = frames(error);
    if error.downcast_ref::<Unreadable>().is_some() {
        return (CrashKind::CouldNotRead, root, at);
    }
    if let Some(refused) = error.downcast_ref::<NotAllowed>() {
        return (CrashKind::Refused, refused.to_string(), at);
    }
    // First: a failed allocation ends as an ordinary trap.
    if cx.limits.hit {
        return (
            CrashKind::MemoryLimit,
            or_said("it wanted more memory than it may have"),
            at,
        );
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => (
            CrashKind::WorkLimit,
            or_said("it used up its fuel without an answer"),
            at,
        ),
        Some(Trap::Interrupt) => (
            CrashKind::TimeLimit,
            or_said("it did not answer in time"),
            at,
        ),
        Some(Trap::StackOverflow) => (
            CrashKind::StackOverflow,
            or_said("its functions call one another without end"),
            at,
        ),
        Some(trap) => {
            let said = if stderr.is_empty() {
                trap.to_string()
            } else {
                stderr
            };
            (CrashKind::Panic, said, at)
        }
        // wasmtime keeps the type of this one to itself.
        None if root.contains("fuel allocated for hostcalls") => {
            let most = output::CROSSING_BYTES;
            let said = format!("it handed over more than {most} bytes at once");
            (CrashKind::BadOutput, said, at)
        }
        None => (CrashKind::Refused, or_said(&root), at),
    }
}

/// Names of the innermost functions, demangled, without those of Rust's own library.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    backtrace
        .to_string()
        .lines()
        .filter_map(|line| line.split_once('!'))
        .map(|(_, name)| readable(name.trim()))
        .filter(|name| !LIBRARY.iter().any(|library| name.starts_with(library)))
        .take(FRAMES)
        .collect()
}

/// A name without the hashes that tell builds apart.
fn readable(name: &str) -> String {
    let hash = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let name = match name.rsplit_once("::h") {
        Some((plain, tail)) if hash(tail) => plain,
        _ => name,
    };
    let mut parts = name.split('[');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(']') {
            Some((inside, after)) if hash(inside) => plain.push_str(after),
            _ => {
                plain.push('[');
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn names_of_functions_lose_their_hashes_only() {
        let cases = [
            (
                "alloc::vec::from_elem::h0b3eeb7801ebced9",
                "alloc::vec::from_elem",
            ),
            (
                "std[d123b7a1a2ed1472]::process::abort",
                "std::process::abort",
            ),
            (
                "<[u8] as core[6d9e98711c484d2e]::Clone>::clone",
                "<[u8] as core::Clone>::clone",
            ),
            (
                "liaison:plugin/handler@0.1.0#handle",
                "liaison:plugin/handler@0.1.0#handle",
            ),
        ];
        for (given, expected) in cases {
            assert_eq!(readable(given), expected);
        }
    }
}
