use super::*;

fn events(gated: &Gated) -> usize {
    gated
        .calendars
        .iter()
        .flat_map(|c| &c.children)
        .filter(|c| c.name == "VEVENT")
        .count()
}

fn says(gated: &Gated, what: &str) -> bool {
    gated
        .problems
        .iter()
        .any(|problem| problem.to_string().contains(what))
}

#[test]
fn every_line_end_bom_and_fold_reads_the_same() {
    let text = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Caf\u{e9} at\r\n  nine\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let with_bom = format!("\u{feff}{text}");
    // A fold in the middle of a character: é is C3 A9.
    let split = text.replace('\u{e9}', "SPLIT").into_bytes();
    let at = split.windows(5).position(|w| w == b"SPLIT").unwrap();
    let split = [&split[..at], b"\xC3\r\n \xA9", &split[at + 5..]].concat();
    let cases: Vec<Vec<u8>> = vec![
        text.into(),
        text.replace("\r\n", "\n").into(),
        text.replace("\r\n", "\r").into(),
        text.replace("\r\n", "\r\n\r\n").into(),
        with_bom.into(),
        split,
    ];
    for case in cases {
        let gated = gate(&case);
        let line = &gated.calendars[0].children[0].lines[0];
        assert_eq!(
            line.text,
            "SUMMARY:Caf\u{e9} at nine",
            "{:?}",
            String::from_utf8_lossy(&case)
        );
        assert!(gated.problems.is_empty(), "{:?}", gated.problems);
    }
}

#[test]
fn limits_leave_out_what_breaks_them_and_nothing_else() {
    let good = "BEGIN:VEVENT\nUID:ok\nEND:VEVENT\n";
    let long = format!(
        "BEGIN:VEVENT\nUID:ok\nDESCRIPTION:{}\nEND:VEVENT\n",
        "x".repeat(70_000)
    );
    let folded = format!(
        "BEGIN:VEVENT\nUID:ok\nATTACH:\n{}END:VEVENT\n",
        " yyyyyyyy\n".repeat(9_000)
    );
    let deep = format!("{}{}", "BEGIN:X\n".repeat(3_000), "END:X\n".repeat(3_000));
    for (name, middle, kept, what) in [
        (
            "a long line",
            long,
            3,
            "line 7: the line is longer than 65536 bytes",
        ),
        ("a long folded line", folded, 3, "longer than 65536 bytes"),
        ("deep nesting", deep, 2, "deeper than 8"),
        (
            "a missing END",
            "BEGIN:VEVENT\nUID:ok\n".into(),
            3,
            "END of another component is missing",
        ),
        (
            "a lone END",
            "END:VALARM\n".into(),
            2,
            "END:VALARM without its BEGIN",
        ),
    ] {
        let text = format!("BEGIN:VCALENDAR\n{good}{middle}{good}END:VCALENDAR\n");
        let gated = gate(text.as_bytes());
        assert_eq!(events(&gated), kept, "{name}");
        assert!(says(&gated, what), "{name}: {:?}", gated.problems);
    }
}

#[test]
fn too_many_components_and_too_many_bytes_are_cut() {
    let many = "BEGIN:VEVENT\nEND:VEVENT\n".repeat(MAX_COMPONENTS + 5);
    let gated = gate(format!("BEGIN:VCALENDAR\n{many}END:VCALENDAR\n").as_bytes());
    assert_eq!(events(&gated), MAX_COMPONENTS - 1);
    assert!(says(&gated, "more than 20000 components"));

    let big = format!(
        "BEGIN:VEVENT\nDESCRIPTION:{}\nEND:VEVENT\n",
        "z".repeat(50_000)
    )
    .repeat(50);
    let gated = gate(format!("BEGIN:VCALENDAR\n{big}END:VCALENDAR\n").as_bytes());
    // 2 MiB hold 41 of them; the one cut in two is left out rather than half read.
    assert_eq!(events(&gated), 41);
    assert!(says(&gated, "only the first 2097152 were read") && says(&gated, "it was left out"));
}

#[test]
fn any_bytes_pass() {
    let noise: Vec<u8> = (0..60_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for bytes in [
        &noise[..],
        b"",
        b"\r",
        b"BEGIN",
        b"BEGIN:",
        b"END:",
        b":::",
        b" \n \n",
        b"\xff\xfe",
    ] {
        assert!(
            gate(bytes)
                .calendars
                .iter()
                .all(|calendar| calendar.name == "VCALENDAR")
        );
    }
}
