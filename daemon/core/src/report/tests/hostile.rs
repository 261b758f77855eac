//! What others write into records, and what there is too much of.

use unicode_width::UnicodeWidthStr;

use super::*;

/// Everything that each report needs.
fn everything() -> Params {
    Params {
        account: Some("mills".to_owned()),
        product: Some("portal".to_owned()),
        deal: Some("o1".to_owned()),
        contact: Some(("erin".to_owned(), Vec::new())),
        amount: Some(1),
        ..today()
    }
}

#[test]
fn an_empty_book_is_an_answer() {
    for spec in all() {
        for params in [today(), everything()] {
            let report = World::default().ask(spec.name, &params);
            let text = render::text(&report);
            assert!(text.contains(TODAY_SHOWN), "{text}");
            assert!(
                report
                    .sections
                    .iter()
                    .all(|section| section.columns.len() > 1)
            );
            let read: Report =
                serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
            assert_eq!(read, report);
        }
    }
}

const TODAY_SHOWN: &str = "(2026-03-02)";

#[test]
fn no_line_is_wider_than_a_terminal_and_nothing_moves_the_cursor() {
    let mut world = sample();
    let wide = "名前が長い会社".repeat(12);
    let nasty = [
        "\u{1b}[2J",
        "a\tb\nc\r",
        "\u{202E}gnp",
        wide.as_str(),
        "=1+1",
        "e\u{301}",
    ];
    for (at, record) in world.records.iter_mut().enumerate() {
        let text = format!(
            "{}{}",
            nasty[at % nasty.len()],
            "long words here ".repeat(20)
        );
        for field in [
            "name",
            "title",
            "subject",
            "reason",
            "text",
            "role",
            "next_step",
            "blocker",
        ] {
            if record.kind.spec().field(field).is_some() {
                let value = crate::proposal::Value::Text(text.clone());
                record.fields.insert(field.to_owned(), value);
            }
        }
    }
    for spec in all() {
        for params in [today(), everything()] {
            let text = render::text(&world.ask(spec.name, &params));
            for line in text.lines() {
                assert!(line.width() <= render::COLUMNS, "{}: {line}", spec.name);
                assert!(
                    !line.chars().any(|c| c.is_control() || c == '\u{202E}'),
                    "{line:?}"
                );
            }
        }
    }
}

#[test]
fn many_units_come_below_each_other_with_the_product_before_each() {
    let mut lines = vec![
        "product p: name=Portal".to_owned(),
        "account a: name=A".to_owned(),
    ];
    for at in 0..30 {
        lines.push(format!("unit u{at}: account=a | name=Unit number {at:02}"));
        lines.push(format!(
            "footprint f{at}: account=a | unit=u{at} | product=p | state=purchased"
        ));
    }
    let world = World::of(&lines.join("\n"));
    let text = render::text(&world.ask("whitespace", &for_account("a")));
    assert!(text.matches("PRODUCT").count() > 3, "{text}");
    assert!(text.lines().all(|line| line.width() <= render::COLUMNS));
    assert_eq!(text.matches("purchased").count() / 2, 30, "{text}");
}

#[test]
fn amounts_at_the_end_of_the_range_are_not_summed_wrongly() {
    let mut world = World::of(
        "account a: name=A | tier=key | lifecycle=active\n\
         invoice i1: account=a | number=1 | issued=2026-01-01 | amount=1 | cost=1 | currency=EUR\n\
         invoice i2: account=a | number=2 | issued=2026-01-01 | amount=1 | cost=1 | currency=EUR\n\
         opportunity o1: account=a | name=O | value=1 | currency=EUR | close_date=2026-03-03\n\
         opportunity o2: account=a | name=P | value=1 | currency=EUR | close_date=2026-03-03",
    );
    for extreme in [i64::MAX, i64::MIN] {
        for record in &mut world.records {
            for field in ["amount", "value"] {
                if record.get(field).is_some() {
                    let value = crate::proposal::Value::Integer(extreme);
                    record.fields.insert(field.to_owned(), value);
                }
            }
        }
        for spec in all() {
            assert!(!render::text(&world.ask(spec.name, &everything())).is_empty());
        }
        assert_eq!(
            column(&world.ask("pipeline", &today()), 0, 2),
            ["too large"]
        );
        assert_eq!(column(&world.ask("profit", &today()), 0, 4), ["too large"]);
    }
}

#[test]
fn a_spreadsheet_finds_no_formula_from_strangers() {
    let starts = [
        "=cmd|' /C calc'!A0",
        "+1",
        "-1",
        "@SUM(A1)",
        "＝1",
        " =1",
        "\t=1",
        "plain",
    ];
    for start in starts {
        let mut world = World::of("account a: name=A | lifecycle=active");
        let value = crate::proposal::Value::Text(start.to_owned());
        world.records[0].fields.insert("name".to_owned(), value);
        let csv = render::csv(&world.ask("silent", &today()));
        let cell = csv.lines().nth(1).unwrap().trim_start_matches('"');
        assert_eq!(cell.starts_with('\''), start != "plain", "{csv:?}");
    }
    // Our own figures stay figures.
    let world = World::of(
        "account a: name=A\n\
         invoice i: account=a | number=1 | issued=2026-01-01 | amount=5 | cost=9 | currency=EUR",
    );
    let csv = render::csv(&world.ask("profit", &today()));
    assert!(csv.contains(",-4.00,EUR,5.00,EUR,-80\r\n"), "{csv}");
}

#[test]
fn csv_keeps_every_character_of_a_text() {
    let mut world = World::of("account a: name=A | lifecycle=active");
    let value = crate::proposal::Value::Text("Say \"hi\",\nthen; go".to_owned());
    world.records[0].fields.insert("name".to_owned(), value);
    let csv = render::csv(&world.ask("silent", &today()));
    assert!(csv.contains("\"Say \"\"hi\"\",\nthen; go\","), "{csv:?}");
}

#[test]
fn a_long_list_is_cut_and_says_so_while_its_sums_are_of_all() {
    let rows = rows::ROWS_MAX as u64 + 7;
    let mut records = vec![record("account a: name=A")];
    let one = record("opportunity o: account=a | name=O | value=1 | currency=EUR");
    records.extend((0..rows).map(|at| crate::crm::CrmRecord {
        id: format!("o{at}"),
        ..one.clone()
    }));
    let report = World::with(records).ask("pipeline", &today());
    assert_eq!(column(&report, 0, 1), [rows.to_string()]);
    assert_eq!(report.sections[1].rows.len(), rows::ROWS_MAX);
    assert!(render::text(&report).ends_with("... and 7 more\n"));
}
