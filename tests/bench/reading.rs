//! `make bench`: what reading finds in mail of many programs and languages, beside what a person
//! wrote down: replies, classes with the day of return, delivery reports. Every miss is listed.
#![allow(clippy::print_stdout, reason = "a program that prints tables")]

use liaison_tests::reading::{bounces, cases, classes, confusion, replies};

fn main() {
    let found = replies(&cases("reply"));
    println!("{}", found.text("replies", ("text lost", "quote kept")));
    let written = cases("class");
    let found = classes(&written);
    println!("{}", found.text("classes", ("class wrong", "day wrong")));
    println!("{}", confusion(&written));
    let found = bounces(&cases("bounce"));
    println!(
        "{}",
        found.text("delivery reports", ("people wrong", "id wrong"))
    );
}
