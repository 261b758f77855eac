//! What was read rightly once stays so: the numbers that `make bench` prints have a floor.

use liaison_tests::reading::{Table, bounces, cases, classes, replies};

/// At least as many fixtures, and no more of them wrong.
fn holds(table: &Table, title: &str, (cases, wrong): (usize, usize)) {
    let text = table.text(title, ("", ""));
    assert!(
        table.cases >= cases,
        "{title}: fixtures are missing\n{text}"
    );
    assert!(table.failures.len() <= wrong, "{text}");
}

#[test]
fn replies_of_many_programs_and_languages_are_found() {
    let table = replies(&cases("reply"));
    holds(&table, "replies", REPLIES);
    let text = table.text("replies", ("text lost", "quote kept"));
    assert!(
        table.lost <= REPLIES_LOST,
        "text of the sender is lost\n{text}"
    );
}

#[test]
fn classes_and_days_of_return_are_found() {
    holds(&classes(&cases("class")), "classes", CLASSES);
}

#[test]
fn delivery_reports_tell_whom_and_which_mail() {
    holds(&bounces(&cases("bounce")), "delivery reports", BOUNCES);
}

/// Fixtures, and those that are known to be read wrongly.
const REPLIES: (usize, usize) = (120, 1);
/// Replies of which a line is known to be lost.
const REPLIES_LOST: usize = 1;
/// As [`REPLIES`].
const CLASSES: (usize, usize) = (95, 0);
/// As [`REPLIES`].
const BOUNCES: (usize, usize) = (33, 0);
