//! What each report must say, one table of cases after the other.

use super::*;

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// AC-GR1: 4 products, 3 units, 10 contacts, blanks included.
#[test]
fn the_eight_questions_are_answered_blanks_included() {
    let report = sample().ask("whitespace", &for_account("mills"));
    let titles: Vec<&str> = report
        .sections
        .iter()
        .map(|one| one.title.as_str())
        .collect();
    assert_eq!(titles.len(), 10, "{titles:?}");
    let matrix = lines(&report, 0);
    // Columns: product, Accounts office, Plant East, Research.
    assert_eq!(
        matrix,
        [
            strings(&["Customer portal", "-", "-", "Rival Systems"]),
            strings(&["Planner", "-", "trial", "-"]),
            strings(&["Safety course", "-", "-", "-"]),
            strings(&["Support plan", "-", "purchased", "none"]),
        ]
    );
    let depth = lines(&report, 1);
    assert_eq!(depth.len(), 10);
    let erin = depth.iter().find(|row| row[1] == "Erin Hall").unwrap();
    assert_eq!(
        erin[..],
        strings(&[
            "Plant East",
            "Erin Hall",
            "2025-12-12",
            "2026-01-20",
            "-",
            "-"
        ])
    );
    let nora = depth.iter().find(|row| row[1] == "Nora Vale").unwrap();
    assert_eq!(
        nora[..],
        strings(&["(no unit)", "Nora Vale", "-", "-", "-", "-"])
    );
    assert_eq!(
        lines(&report, 2),
        [
            strings(&["(no unit)", "invoice, project, won"]),
            strings(&["Plant East", "purchased"]),
        ]
    );
    assert_eq!(column(&report, 3, 0), ["Accounts office", "Research"]);
    assert_eq!(
        lines(&report, 4)[0],
        strings(&["Accounts office", "-", "finance", "-", "-"])
    );
    assert_eq!(
        lines(&report, 5),
        [
            strings(&["Accounts office", "-", "-", "-"]),
            strings(&["Plant East", "Support plan", "2024-05-01", "12,000 EUR"]),
            strings(&["Research", "-", "-", "-"]),
        ]
    );
    // 4 products in 3 units, and one of them bought.
    assert_eq!(lines(&report, 6).len(), 11);
    let support = strings(&["Research", "Support plan", "none", "Plant East"]);
    assert!(lines(&report, 6).contains(&support));
    assert_eq!(lines(&report, 7).len(), 10);
    let asked = lines(&report, 8);
    assert_eq!(asked.len(), 10);
    assert_eq!(asked.iter().filter(|row| row[2] == "-").count(), 8);
    assert_eq!(
        lines(&report, 9),
        [strings(&[
            "Ivan Petit",
            "testimonial",
            "2025-10-09",
            "They kept every date.",
            "Plant East, Accounts office"
        ])]
    );
}

/// AC-GR2: 80 days ago is not selected, 95 days ago is.
#[test]
fn who_was_shown_a_product_lately_is_not_shown_it_again() {
    let cases = [(0, false), (80, false), (89, false), (90, true), (95, true)];
    for (ago, selected) in cases {
        let today = today();
        let on = today
            .today
            .checked_sub(jiff::Span::new().days(ago))
            .unwrap();
        let world = World::of(&format!(
            "account a: name=A\n\
             product x: name=X\n\
             product y: name=Y\n\
             contact c: account=a | name=C\n\
             exposure old: contact=c | product=x | on=2024-01-01\n\
             exposure e: contact=c | product=x | on={on}"
        ));
        let with = |product: Option<&str>| Params {
            product: product.map(str::to_owned),
            ..today.clone()
        };
        for (product, expected) in [(Some("x"), selected), (None, selected), (Some("y"), true)] {
            let report = world.ask("exposure", &with(product));
            let found = column(&report, 0, 1) == ["C"];
            assert_eq!(found, expected, "{ago} days ago, {product:?}");
        }
    }
    let report = sample().ask("exposure", &today());
    assert!(!column(&report, 0, 1).contains(&"Kofi Sand".to_owned()));
    assert!(!column(&report, 0, 1).contains(&"Otto Wren".to_owned()));
    assert_eq!(report.notes, ["1 contact left out: do not contact."]);
}

/// AC-GR7: 31 key accounts: a warning that names the one with the least profit.
#[test]
fn too_many_key_accounts_name_the_one_with_the_least_profit() {
    for (count, said) in [
        (19, "fewer than 20"),
        (20, ""),
        (30, ""),
        (
            31,
            "more than 30: the least profit brings Account 17 (-5 EUR)",
        ),
    ] {
        let mut text = String::new();
        for at in 0..count {
            let owner = ["alice", "bob"][at % 2];
            let cost = if at == 17 { 1_005 } else { 900 };
            text.push_str(&format!(
                "account k{at}: name=Account {at} | tier=key | owner={owner}@example.com\n\
                 invoice i{at}: account=k{at} | number={at} | issued=2026-01-01 | amount=1000 | \
                 cost={cost} | currency=EUR\n"
            ));
        }
        let report = World::of(&text).ask("key-portfolio", &today());
        let notes = report.notes.join("\n");
        assert_eq!(notes.is_empty(), said.is_empty(), "{count}: {notes}");
        assert!(notes.contains(said), "{count}: {notes}");
        let managers: u64 = column(&report, 0, 1)
            .iter()
            .map(|n| n.parse::<u64>().unwrap())
            .sum();
        assert_eq!(managers, count as u64);
    }
}

/// AC-GR8: third by revenue and first by profit is shown as such; currencies stay apart.
#[test]
fn profit_is_ranked_beside_revenue() {
    let report = sample().ask("profit", &today());
    assert_eq!(
        lines(&report, 0),
        [
            strings(&["1", "1", "Lake Clinic", "15,000 CHF", "55,000 CHF", "27"]),
            strings(&["1", "3", "Tern Resellers", "30,000 EUR", "60,000 EUR", "50"]),
            strings(&[
                "2",
                "1",
                "Northern Mills",
                "14,000 EUR",
                "102,000 EUR",
                "14"
            ]),
            strings(&[
                "3",
                "2",
                "Harbour Logistics",
                "4,000 EUR",
                "70,000 EUR",
                "6"
            ]),
            strings(&["-", "4", "Gull Partners", "-", "20,000 EUR", "-"]),
        ]
    );
    assert!(report.notes[0].starts_with("1 account with an invoice that does not say"));
}

#[test]
fn shares_are_of_one_currency_each() {
    let report = sample().ask("concentration", &today());
    let mills = strings(&["Northern Mills", "102,000 EUR", "40"]);
    assert!(
        lines(&report, 0).contains(&mills),
        "{:?}",
        lines(&report, 0)
    );
    assert!(lines(&report, 1).contains(&strings(&["health", "55,000 CHF", "100"])));
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("Northern Mills brings 40%"))
    );
    assert!(!report.notes.iter().any(|note| note.contains("Harbour")));
}

#[test]
fn silence_is_counted_from_the_last_contact_that_counts() {
    let report = sample().ask("silent", &today());
    // The cancelled visit of Harbour does not count; Mills had a call three days ago.
    assert_eq!(
        column(&report, 0, 0),
        [
            "Gull Partners",
            "Tern Resellers",
            "Harbour Logistics",
            "Lake Clinic"
        ]
    );
    assert_eq!(column(&report, 0, 3), ["-", "-", "18", "10"]);
    let cases = [(6, true), (7, true), (8, false)];
    for (days, found) in cases {
        let world = World::of(
            "account a: name=A | lifecycle=active\n\
             activity t: account=a | kind=call | at=2026-02-23T10:00:00Z",
        );
        let params = Params {
            days: Some(days),
            ..today()
        };
        assert_eq!(
            !lines(&world.ask("silent", &params), 0).is_empty(),
            found,
            "{days}"
        );
    }
}

#[test]
fn a_past_client_was_called_or_not_whatever_was_written() {
    let report = sample().ask("past-clients", &today());
    assert_eq!(column(&report, 0, 0), ["Quarry Stone", "Orchard Foods"]);
    assert_eq!(column(&report, 0, 7), ["6 months", "3 months"]);
    assert_eq!(column(&report, 0, 2), ["2025-07-01", "2025-11-20"]);
}

#[test]
fn the_pipeline_goes_by_stage_and_currency() {
    let report = sample().ask("pipeline", &today());
    assert_eq!(
        lines(&report, 0),
        [
            strings(&["Initial Phone Call", "1", "0", "1", "3"]),
            strings(&["Initial Meeting - Booked", "1", "40,000 EUR", "0", "56"]),
            strings(&["Spec Review - Booked", "1", "85,000 EUR", "0", "10"]),
            strings(&[
                "Project Proposal - Waiting for Approval",
                "1",
                "60,000 CHF",
                "0",
                "5"
            ]),
        ]
    );
    let bob = Params {
        person: Some("bob@example.com".to_owned()),
        ..today()
    };
    assert_eq!(
        column(&sample().ask("pipeline", &bob), 1, 2),
        ["Embedded viewer", "Booking portal"]
    );
}

#[test]
fn what_stands_still_is_found() {
    let report = sample().ask("ageing", &today());
    let undated = lines(&report, 0);
    assert_eq!(undated[0][5], "was due 2026-02-16");
    assert_eq!(
        (undated[1][1].as_str(), undated[1][5].as_str()),
        ("Embedded viewer", "-")
    );
    assert_eq!(undated.len(), 2);
    assert_eq!(column(&report, 1, 5), ["3"]);
    assert_eq!(column(&report, 2, 1), ["Yard planner"]);
}

#[test]
fn a_deal_is_told_in_five_lines() {
    let deal = |id: &str| {
        let params = Params {
            deal: Some(id.to_owned()),
            ..today()
        };
        lines(&sample().ask("deal", &params), 0)
    };
    let open = deal("o1");
    assert_eq!(open.len(), 5);
    assert_eq!(
        open[0][1],
        "Northern Mills, 85,000 EUR, larger, fixed-price"
    );
    assert_eq!(
        open[1][1],
        "Spec Review - Booked since 2026-02-20, 60%, commit, closes 2026-03-27"
    );
    assert_eq!(
        open[2][1],
        "alice@example.com, Ivan Petit + Lena Tull, against Rival Systems"
    );
    assert_eq!(
        open[3][1],
        "Spec review, on 2026-03-05, a commitment of the customer"
    );
    assert_eq!(open[4][1], "nothing recorded");
    assert_eq!(deal("o2")[4][1], "Budget not released, stalled 3 times");
    assert_eq!(deal("o4")[0][1], "Lumen Optics, no value");
    assert_eq!(deal("o6")[3][1], "decided on 2026-02-03, Price");
}

#[test]
fn a_quarter_is_foretold_against_the_quota() {
    let report = sample().ask("forecast", &today());
    assert_eq!(
        lines(&report, 0),
        [
            strings(&[
                "alice@example.com",
                "100,000 EUR",
                "12,000 EUR",
                "12",
                "85,000 EUR",
                "0 EUR",
                "0 EUR"
            ]),
            strings(&[
                "bob@example.com",
                "80,000 CHF",
                "0 CHF",
                "0",
                "0 CHF",
                "60,000 CHF",
                "0 CHF"
            ]),
        ]
    );
    assert_eq!(
        lines(&report, 1)[0],
        strings(&[
            "alice@example.com",
            "2026-02-02",
            "0 EUR",
            "35,000 EUR",
            "-20,000 EUR",
            "-40,000 EUR"
        ])
    );
    assert_eq!(lines(&report, 1)[1][1], "-");
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("alice@example.com: 12% of EUR closed"))
    );
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.starts_with("1 open opportunity without a day"))
    );
    let next = Params {
        period: Some(Quarter::parse("2026-Q2").unwrap()),
        ..today()
    };
    assert_eq!(
        column(&sample().ask("forecast", &next), 0, 6),
        ["40,000 EUR"]
    );
}

#[test]
fn what_is_created_fills_the_next_quarter() {
    let report = sample().ask("pipeline-created", &today());
    assert_eq!(column(&report, 0, 0)[0], "2026-Q1");
    assert_eq!(
        lines(&report, 1),
        [strings(&["40,000 EUR", "100,000 EUR", "40"])]
    );
    assert!(report.notes[0].contains("covers 40%"));
}

/// What comes from another program was created there, not on the day of the import.
#[test]
fn an_imported_deal_counts_in_the_quarter_in_which_it_began() {
    let deal = |id: &str, more: &str| {
        format!(
            "opportunity {id}: account=mills | name={id} | value=100 | currency=CHF | \
             @created=2026-03-01{more}"
        )
    };
    let deals = [deal("old", " | created_on=2025-08-07"), deal("new", "")];
    let report = World::of(&deals.join("\n")).ask("pipeline-created", &today());
    assert_eq!(
        lines(&report, 0),
        [
            strings(&["2026-Q1", "1", "100 CHF"]),
            strings(&["2025-Q3", "1", "100 CHF"]),
        ]
    );
}

#[test]
fn ends_have_their_reasons() {
    let report = sample().ask("won-lost", &today());
    assert_eq!(
        lines(&report, 0),
        [
            strings(&["Won", "they trust us", "1", "12,000 EUR"]),
            strings(&["Lost", "price", "1", "9,000 EUR"]),
        ]
    );
    assert_eq!(column(&report, 1, 6), ["Cheap Code, Rival Systems", "-"]);
    let period = Params {
        period: Some(Quarter::parse("2025-Q4").unwrap()),
        ..today()
    };
    let report = sample().ask("won-lost", &period);
    assert!(
        lines(&report, 0).is_empty() && report.title.contains("2025-Q4"),
        "{}",
        report.title
    );
}

#[test]
fn agreements_are_due_missing_or_in_force() {
    let report = sample().ask("agreements", &today());
    // Terms signed two years ago, a support plan that ends; the NDA until 2028 is not due.
    assert_eq!(column(&report, 0, 2), ["Terms 2024", "Support"]);
    assert_eq!(column(&report, 0, 5), ["18", "29"]);
    assert_eq!(
        lines(&report, 1),
        [strings(&[
            "Lake Clinic",
            "terms not complete",
            "2",
            "2026-03-04",
            "bob@example.com"
        ])]
    );
    assert_eq!(column(&report, 2, 1), ["NDA research", "NDA viewer"]);
    assert_eq!(column(&report, 2, 4), ["2028-01-09", "-"]);
}

#[test]
fn terms_hold_or_do_not() {
    let cases = [
        ("", "no terms"),
        ("kind=terms | state=sent", "terms sent, not signed"),
        (
            "kind=terms | state=complete | expires=2026-03-01",
            "terms expired (2026-03-01)",
        ),
        (
            "kind=terms | state=complete | complete_copy=no",
            "terms not complete",
        ),
        ("kind=nda | state=complete | complete_copy=yes", "no terms"),
        ("kind=client-terms | state=complete | complete_copy=yes", ""),
        ("kind=terms | state=complete | expires=2026-03-02", ""),
    ];
    for (agreement, said) in cases {
        let agreement = match agreement {
            "" => String::new(),
            fields => format!("agreement g: account=a | title=T | {fields}\n"),
        };
        let world = World::of(&format!(
            "account a: name=A\n{agreement}\
             booking b: account=a | person=bob@example.com | billable=yes | \
             from=2026-03-10T08:00:00Z | to=2026-03-10T16:00:00Z"
        ));
        let missing = column(&world.ask("agreements", &today()), 1, 1);
        let expected: &[&str] = if said.is_empty() { &[] } else { &[said] };
        assert_eq!(missing, expected, "{agreement}");
    }
}

#[test]
fn bookings_that_cannot_be_are_found() {
    let report = sample().ask("bookings", &today());
    assert_eq!(
        lines(&report, 0),
        [strings(&[
            "2026-03-04",
            "alice@example.com",
            "Lake Clinic",
            "Go-live",
            "3:00 h"
        ])]
    );
    assert_eq!(
        lines(&report, 1),
        [strings(&[
            "2026-03-04",
            "alice@example.com",
            "Northern Mills",
            "Lake Clinic",
            "Go-live",
            "tentative against confirmed"
        ])]
    );
    assert_eq!(column(&report, 2, 3), ["Yard visit"]);
    // Back to back is no conflict; a long one conflicts with each within it.
    let cases = [
        (&["08/12", "12/16"][..], 0),
        (&["08/16", "09/10", "11/12"][..], 2),
        (&["08/10", "08/10"][..], 1),
    ];
    for (slots, conflicts) in cases {
        let mut text = String::from("account a: name=A\n");
        for (at, slot) in slots.iter().enumerate() {
            let (from, to) = slot.split_once('/').unwrap();
            text.push_str(&format!(
                "booking b{at}: account=a | person=bob@example.com | \
                 from=2026-03-04T{from}:00:00Z | to=2026-03-04T{to}:00:00Z\n"
            ));
        }
        let report = World::of(&text).ask("bookings", &today());
        assert_eq!(lines(&report, 1).len(), conflicts, "{slots:?}");
    }
}

#[test]
fn warranties_end_soon_or_ended_unseen() {
    let report = sample().ask("warranties", &today());
    assert_eq!(column(&report, 0, 1), ["Ward lists", "Silo control"]);
    assert_eq!(column(&report, 0, 4), ["-10", "18"]);
}

#[test]
fn accounts_that_hang_on_one_person_are_found() {
    let report = sample().ask("single-contact", &today());
    // Key accounts first; past clients are not courted.
    assert_eq!(
        column(&report, 0, 0),
        [
            "Harbour Logistics",
            "Gull Partners",
            "Lumen Optics",
            "Tern Resellers"
        ]
    );
    assert_eq!(
        lines(&report, 1),
        [strings(&[
            "Lake Clinic",
            "-",
            "bob@example.com",
            "operations, product-development"
        ])]
    );
}

#[test]
fn references_are_asked_given_and_not_asked_again() {
    let report = sample().ask("references", &today());
    assert_eq!(column(&report, 0, 4), ["given", "no answer yet", "refused"]);
    // Erin and Ivan were asked within a year; Pia two years ago.
    assert_eq!(column(&report, 1, 1), ["Pia Xu", "Faye Ito"]);
}

#[test]
fn what_is_blank_of_an_account_is_told() {
    let report = sample().ask("unknown", &today());
    let rows = lines(&report, 0);
    assert_eq!(rows[0][0], "Harbour Logistics");
    assert!(rows[0][3].contains("who signs off") && rows[0][3].contains("people of influence"));
    assert!(!rows[0][3].contains("fiscal year"));
    assert_eq!(report.notes, ["Of 1 account everything is known."]);
}

#[test]
fn fiscal_years_end() {
    let report = sample().ask("fiscal", &today());
    assert_eq!(column(&report, 0, 0), ["Northern Mills", "Lumen Optics"]);
    assert_eq!(column(&report, 0, 3), ["2026-03-31", "2026-04-14"]);
    let cases = [
        ("01-01", "2026-12-31"),
        ("03-02", "2027-03-01"),
        ("03-03", "2026-03-02"),
        ("02-29", "2027-02-28"),
    ];
    for (start, end) in cases {
        let world = World::of(&format!("account a: name=A | fiscal_year_start={start}"));
        let params = Params {
            days: Some(400),
            ..today()
        };
        assert_eq!(
            column(&world.ask("fiscal", &params), 0, 3),
            [end],
            "{start}"
        );
    }
}

#[test]
fn an_amount_finds_who_signs_it() {
    let cases = [
        (
            1_000_000,
            &["Erin Hall", "Head of IT", "Lena Tull", "Board"][..],
        ),
        (5_000_000, &["Lena Tull", "Board"][..]),
        (99_000_000, &[][..]),
    ];
    for (amount, who) in cases {
        let params = Params {
            amount: Some(amount),
            ..for_account("mills")
        };
        let report = sample().ask("sign-off", &params);
        assert_eq!(column(&report, 0, 0), who);
        assert_eq!(
            report.notes[0].starts_with("Nobody signs 990,000 EUR"),
            who.is_empty()
        );
    }
    let params = Params {
        amount: Some(1),
        ..for_account("clinic")
    };
    assert_eq!(
        sample().ask("sign-off", &params).notes,
        ["Nobody is known who signs 0.01 CHF."]
    );
}

#[test]
fn resellers_need_a_plan() {
    let report = sample().ask("resellers", &today());
    assert_eq!(column(&report, 0, 0), ["Tern Resellers"]);
    assert_eq!(report.notes, ["1 reseller with a plan."]);
}

#[test]
fn mails_wait_for_their_owner() {
    let report = sample().ask("approvals", &today());
    assert_eq!(column(&report, 0, 4), ["Re: Your NDA"]);
    assert_eq!(column(&report, 1, 2), ["Harbour Logistics"]);
    let bob = Params {
        person: Some("bob@example.com".to_owned()),
        ..today()
    };
    assert!(lines(&sample().ask("approvals", &bob), 0).is_empty());
}

#[test]
fn todays_follow_ups_go_by_whom_they_are_about() {
    let report = sample().ask("followups", &today());
    let what = |section| column(&report, section, 2);
    assert_eq!(
        what(0),
        [
            "Yard planner: Call Pia",
            "Booking portal: Answer to the proposal",
            "Call about the silo alarm"
        ]
    );
    assert_eq!(what(1), ["Send the viewer demo"]);
    assert_eq!(what(2), ["Book the training room"]);
}

#[test]
fn only_what_went_out_was_sent() {
    let params = Params {
        contact: Some(("erin".to_owned(), vec!["erin@mills.example".to_owned()])),
        ..today()
    };
    let report = sample().ask("sent", &params);
    assert_eq!(column(&report, 0, 2), ["Our NDA for you to sign"]);
    assert_eq!(column(&report, 0, 3), ["nda-desk, R31"]);
}
