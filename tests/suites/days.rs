//! A day of mailboxes whose server has its bad moments, in seconds.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: a panic with its message is how a failure is reported"
)]

use liaison_tests::days::{Plan, run};

/// Mail comes, connections break, fall silent and are refused, the server is away for minutes, and
/// some messages are shown late: in the end each is one event, no willing mailbox was ever without
/// proof, and nothing is left running that was not there in the morning.
#[test]
fn a_day_of_mailboxes_leaves_nothing_behind_but_mail() {
    let told = run(Plan {
        mailboxes: 12,
        hours: 32,
        mail_until_hour: 31,
        mail_every_minutes: 40,
        trouble_every_minutes: 80,
        heap: || 0,
    });
    assert!(told.wrong.is_empty(), "{}", told.wrong.join("\n"));
    let troubles = told.troubles;
    for (what, count) in [
        ("cuts", troubles.cuts),
        ("silences", troubles.silences),
        ("busy servers", troubles.throttles),
        ("refused logins", troubles.refusals),
        ("late messages", troubles.late),
        ("outages", troubles.outages),
    ] {
        assert!(count > 0, "no {what}: {troubles:?}");
    }
    let (first, last) = (told.samples[0], told.samples[told.samples.len() - 1]);
    assert!(last.delivered > first.delivered + 100, "{last:?}");
    assert_eq!(
        (first.tasks, first.connections),
        (last.tasks, last.connections),
        "{:?}",
        told.samples
    );
}
