//! Reports over records in memory.

mod cases;
mod documentation;
mod hostile;
mod world;

use super::*;
use world::{World, record, sample, today};

/// The cells of a section as text, line by line.
fn lines(report: &Report, section: usize) -> Vec<Vec<String>> {
    let section = &report.sections[section];
    let cell = |cell: &Cell| match cell {
        Cell::Blank => "-".to_owned(),
        Cell::Number(number) => number.to_string(),
        Cell::Amount(amount) => render::readable(amount),
        Cell::Text(text) => text.clone(),
    };
    section
        .rows
        .iter()
        .map(|row| row.iter().map(cell).collect())
        .collect()
}

/// One column of a section.
fn column(report: &Report, section: usize, at: usize) -> Vec<String> {
    lines(report, section)
        .into_iter()
        .map(|mut row| row.swap_remove(at))
        .collect()
}

fn for_account(account: &str) -> Params {
    Params {
        account: Some(account.to_owned()),
        ..today()
    }
}

#[test]
fn the_list_of_reports_is_sound() {
    let mut names = std::collections::BTreeSet::new();
    for spec in all() {
        assert!(names.insert(spec.name), "{}", spec.name);
        assert_eq!(
            spec.days.is_some(),
            spec.takes.contains(&Given::Days),
            "{}",
            spec.name
        );
        assert_eq!(
            spec.about.contains("{days} days"),
            spec.days.is_some(),
            "{}",
            spec.name
        );
        assert!(!spec.question("N days").contains('{'), "{}", spec.name);
    }
    let error = find("pipelin").unwrap_err().to_string();
    assert!(error.contains("did you mean `pipeline`?"), "{error}");
    assert!(
        find("zzz")
            .unwrap_err()
            .to_string()
            .contains("whitespace, pipeline")
    );
}

#[test]
fn what_a_report_does_not_heed_is_refused() {
    let cases: [(&str, &[Given], &str); 5] = [
        ("whitespace", &[], "needs --account"),
        (
            "deal",
            &[Given::Deal, Given::Days],
            "takes no --days; it takes --deal",
        ),
        ("profit", &[Given::Account], "takes no --account"),
        ("sign-off", &[Given::Account], "needs --amount"),
        ("pipeline", &[Given::Product], "takes no --product"),
    ];
    for (name, given, said) in cases {
        let error = find(name).unwrap().check(given).unwrap_err().to_string();
        assert!(error.contains(said), "{name}: {error}");
    }
    assert_eq!(
        find("silent").unwrap().check(&[Given::Days, Given::Person]),
        Ok(())
    );
}

#[test]
fn quarters_are_read_and_follow_each_other() {
    for (text, next) in [("2026-Q1", "2026-Q2"), ("2026-q4", "2027-Q1")] {
        assert_eq!(Quarter::parse(text).unwrap().next().to_string(), next);
    }
    for text in ["2026", "2026-Q5", "Q1-2026", "26-Q1", "2026-Q0", ""] {
        assert!(Quarter::parse(text).is_err(), "{text}");
    }
    assert_eq!(
        Quarter::of("2026-12-31".parse().unwrap()).to_string(),
        "2026-Q4"
    );
}
