//! Dry runs over several portions.

use std::time::Duration;

use super::*;
use crate::exchange::PORTION_ROWS_MAX;
use crate::exchange::dry::{DryRun, DryRuns};

/// People who are told of twice, portions apart, each time by something else.
fn file(people: usize) -> String {
    let mut file = "account.name,account.external_id,name,emails,role,external_id\n".to_owned();
    for nth in 0..people {
        let firm = nth % 40;
        file.push_str(&format!(
            "Firm {firm},f{firm},Person {nth},p{nth}@firm{firm}.example,,c{nth}\n"
        ));
    }
    for nth in 0..people {
        let firm = nth % 40;
        // Known by name and address only; each third with a role that is new.
        let role = if nth % 3 == 0 { "Buyer" } else { "" };
        file.push_str(&format!(
            "Firm {firm},,Person {nth},p{nth}@firm{firm}.example,{role},\n"
        ));
    }
    // A bad row, one firm with another's domain, and one more firm.
    file.push_str("Firm 1,,Bad,not an address,,\nNewcomer,,Nia,nia@newcomer.example,,\n");
    file
}

async fn dry(desk: &Desk, kind: Kind, file: &str, run: &DryRun) -> ImportReport {
    let mut reading = Reading::open(Cursor::new(file.as_bytes()), kind, None, true).unwrap();
    let by = by(Source::Import);
    while reading.portion(&mut |_, _| {}).unwrap() {
        let taken = take(&desk.records, reading.rows(), (&by, Some(run))).await;
        reading.took(taken.unwrap(), &mut |_, _| {});
    }
    reading.finish()
}

#[tokio::test]
async fn a_dry_run_sees_the_rows_of_earlier_portions() {
    let people = PORTION_ROWS_MAX + 100;
    let parents: String = (0..people)
        .map(|nth| format!("Part {nth},Part {}\n", nth + 1))
        .collect();
    let parents = format!("name,parent\n{parents}Part {people},\n");
    for (kind, file) in [(Kind::Contact, file(people)), (Kind::Account, parents)] {
        let desk = Desk::new();
        let told = dry(&desk, kind, &file, &DryRun::new(&desk.books)).await;
        let again = dry(&desk, kind, &file, &DryRun::new(&desk.books)).await;
        assert_eq!(told, again, "nothing was written");
        let real = desk.import(kind, &file).await;
        assert!(real.rows > 1_000 || kind == Kind::Account);
        let counted = |report: &ImportReport| {
            let rejected: Vec<u64> = report.rejected.iter().map(|one| one.line).collect();
            let kinds = (report.accounts, report.others);
            (kinds, report.repeated, report.proposals, rejected)
        };
        assert_eq!(counted(&told), counted(&real), "{kind:?}");
        assert_eq!(told.notes, real.notes);
        let later = dry(&desk, kind, &file, &DryRun::new(&desk.books)).await;
        assert_eq!((later.accounts.created, later.others.created), (0, 0));
    }
}

#[tokio::test]
async fn a_dry_run_without_room_says_from_where_on_it_sees_less() {
    let desk = Desk::new();
    let run = DryRun::with_room(&desk.books, 100_000);
    let file = file(PORTION_ROWS_MAX * 3);
    let told = dry(&desk, Kind::Contact, &file, &run).await;
    let notes: Vec<_> = told
        .notes
        .iter()
        .filter(|note| note.text.contains("dry run"))
        .collect();
    let [note] = notes.as_slice() else {
        panic!("{:?}", told.notes);
    };
    assert_eq!(note.line, Some(PORTION_ROWS_MAX as u64 + 2));
    let real = desk.import(Kind::Contact, &file).await;
    assert!(told.others.created > real.others.created);
}

#[test]
fn dry_runs_are_few_and_forgotten() {
    let desk = Desk::new();
    let runs = DryRuns::default();
    let at = Duration::from_secs;
    let first = runs.begin(&desk.books, at(1)).0;
    let second = runs.begin(&desk.books, at(1)).0;
    assert_ne!(first, second);
    assert!(runs.again(&first, at(2)).is_some());
    let third = runs.begin(&desk.books, at(3)).0;
    assert!(runs.again(&second, at(3)).is_none(), "the idle one went");
    assert!(runs.again(&first, at(3)).is_some(), "it goes on");
    runs.end(&first, at(4));
    assert!(runs.again(&first, at(4)).is_none());
    assert!(runs.again(&third, at(500)).is_some());
    assert!(runs.again(&third, at(1_100)).is_none(), "idle");
}
