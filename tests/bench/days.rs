//! `make bench`: three days of a thousand mailboxes under simulated time, in minutes. Connections
//! break, fall silent and are refused, the server is away once a day; in the end each message is
//! one event, and nothing has grown but what is kept of mail.
//!
//! Two runs: in the first no mail comes after the eighth hour, so that whatever grows is a leak;
//! in the second it comes all the time, and growth is told per message.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a program that measures by the real clock and prints"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use liaison_tests::days::{Plan, SAMPLE_HOURS, Sample, Told, run};
use liaison_tests::report::{Bound, Report};

/// Mailboxes; `LIAISON_BENCH_MAILBOXES` for another number.
const MAILBOXES: usize = 1_000;
/// Hours; `LIAISON_BENCH_HOURS` for another number, a multiple of [`SAMPLE_HOURS`].
const HOURS: u64 = 72;
/// Minutes between two messages of one mailbox, on average: 18,000 messages in all.
const MAIL_EVERY_MINUTES: u64 = 4 * 60;
/// Minutes between two troubles of one mailbox, on average.
const TROUBLE_EVERY_MINUTES: u64 = 6 * 60;
/// What may be in use at the end, beside what was at hour 8, where no mail came in between.
const QUIET_GROWTH: f64 = 1.03;
/// Bytes in use that one more message may leave: the store's index of where its rows lie.
const PER_MESSAGE: f64 = 4_096.0;

/// Counts the bytes in use; of the process, the server of the run included.
struct Counting;

static IN_USE: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator as it came; only sizes are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        IN_USE.fetch_add(size as u64, Ordering::Relaxed);
        IN_USE.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().expect("a number"))
    };
    let mailboxes = number("LIAISON_BENCH_MAILBOXES").map_or(MAILBOXES, |n| n as usize);
    let hours = number("LIAISON_BENCH_HOURS").unwrap_or(HOURS);
    let plan = Plan {
        mailboxes,
        hours,
        mail_until_hour: SAMPLE_HOURS,
        mail_every_minutes: MAIL_EVERY_MINUTES,
        trouble_every_minutes: TROUBLE_EVERY_MINUTES,
        heap: || IN_USE.load(Ordering::Relaxed),
    };
    let mut report = Report::default();

    report.head(&format!(
        "{mailboxes} mailboxes for {hours} h, no mail after hour {SAMPLE_HOURS}"
    ));
    let quiet = timed(plan, &mut report);
    let (first, last) = ends(&quiet);
    let growth = last.heap as f64 / first.heap as f64;
    let what = format!("in use at hour {}, of hour {}", last.hour, first.hour);
    report.beside(&what, growth, Bound::AtMost(QUIET_GROWTH));
    let mut holds = growth <= QUIET_GROWTH && is_sound(&quiet, &mut report);

    report.head(&format!("{mailboxes} mailboxes for {hours} h, with mail"));
    let busy = timed(
        Plan {
            mail_until_hour: hours,
            ..plan
        },
        &mut report,
    );
    let (first, last) = ends(&busy);
    let messages = last.delivered.saturating_sub(first.delivered).max(1) as f64;
    let each = (last.heap as f64 - first.heap as f64) / messages;
    report.line("bytes in use for each message", &format!("{each:.0}"));
    report.beside("of 4 KiB", each / PER_MESSAGE, Bound::AtMost(1.0));
    holds &= each <= PER_MESSAGE && is_sound(&busy, &mut report);
    report.end();
    match holds {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn ends(told: &Told) -> (Sample, Sample) {
    let last = told.samples.len() - 1;
    (told.samples[0], told.samples[last])
}

fn timed(plan: Plan, report: &mut Report) -> Told {
    let begin = Instant::now();
    let told = run(plan);
    println!(
        "  {:>5} {:>8} {:>12} {:>12} {:>10} {:>10} {:>10}",
        "hour", "tasks", "connections", "KiB in use", "messages", "dialled", "commands"
    );
    for sample in &told.samples {
        println!(
            "  {:>5} {:>8} {:>12} {:>12} {:>10} {:>10} {:>10}",
            sample.hour,
            sample.tasks,
            sample.connections,
            sample.heap / 1_024,
            sample.delivered,
            sample.traffic.dialled,
            sample.traffic.commands
        );
    }
    let took = format!("{:.0} s", begin.elapsed().as_secs_f64());
    report.line("took", &took);
    let troubles = told.troubles;
    report.line("connections cut", &troubles.cuts.to_string());
    report.line("connections fallen silent", &troubles.silences.to_string());
    report.line("servers busy", &troubles.throttles.to_string());
    report.line("logins refused", &troubles.refusals.to_string());
    report.line("messages shown late", &troubles.late.to_string());
    report.line("server away", &troubles.outages.to_string());
    let oldest = format!("{} s", told.oldest_proof.as_secs());
    report.line("oldest proof of a willing mailbox", &oldest);
    told
}

/// Each message one event, each mailbox proven, and as many tasks and connections as at first.
fn is_sound(told: &Told, report: &mut Report) -> bool {
    let (first, last) = ends(told);
    let tasks = last.tasks as f64 / first.tasks as f64;
    report.beside("tasks, of those at first", tasks, Bound::AtMost(1.0));
    let connections = last.connections as f64 / first.connections as f64;
    report.beside("connections", connections, Bound::AtMost(1.0));
    for words in &told.wrong {
        println!("  WRONG: {words}");
    }
    let wrong = told.wrong.len() as f64;
    report.beside(
        "messages and mailboxes in a wrong state",
        wrong,
        Bound::AtMost(0.0),
    );
    tasks <= 1.0 && connections <= 1.0 && told.wrong.is_empty()
}
