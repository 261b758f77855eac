//! Mail that keeps to no standard: what is read all the same, and what is said about it.

use super::*;

const BASE: &str = "Message-ID: <1@example.net>\nDate: Mon, 2 Mar 2026 10:00:00 +0100\n";

/// Name, message (with `BASE` put in for `@@`), path into the JSON of `inspect`, value, and the
/// kind of problem listed; an empty kind stands for none.
const SEEN: &[(&str, &[u8], &str, &str, &str)] = &[
    (
        "byte order mark",
        b"\xEF\xBB\xBFFrom: bob@example.net\n@@\nhello",
        "/from/0/address",
        r#""bob@example.net""#,
        "byte_order_mark",
    ),
    (
        "utf-16",
        b"\xFF\xFEF\0r\0o\0m\0:\0b\0@\0c\0.\0d\0e\0\n\0\n\0x\0",
        "/from/0/address",
        r#""b@c.de""#,
        "byte_order_mark",
    ),
    (
        "blank line first and nothing but text",
        b"\nJust a body\n",
        "/text",
        r#""Just a body""#,
        "no_header",
    ),
    (
        "a blank fold inside a field",
        b"From: bob@example.net\n@@Subject: one\n \n two\nTo: alice@example.com\n\nbody",
        "/to/0/address",
        r#""alice@example.com""#,
        "bad_header_line",
    ),
    (
        "the subject around a blank fold",
        b"From: bob@example.net\n@@Subject: one\n \t\n two\nTo: alice@example.com\n\nbody",
        "/subject",
        r#""one two""#,
        "bad_header_line",
    ),
    (
        "an indented body below a line of blanks",
        b"From: bob@example.net\n@@Subject: one\n \n  two\nthree",
        "/text",
        r#""  two\nthree""#,
        "",
    ),
    (
        "CR alone ends a line of the header",
        b"From: bob@example.net\r\n@@Subject: one\rTo: alice@example.com\r\n\r\nbody",
        "/to/0/address",
        r#""alice@example.com""#,
        "bare_carriage_return",
    ),
    (
        "CR alone in a field that goes on",
        b"From: bob@example.net\r\n@@Subject: one\rtwo\r\n\r\nbody",
        "/subject",
        r#""one two""#,
        "",
    ),
    (
        "a field smuggled in behind CR makes the sender unknown",
        b"From: bob@example.net\n@@Subject: x\rFrom: eve@example.org\n\nbody",
        "/from_field_count",
        "2",
        "several_from",
    ),
    (
        "CR CR LF",
        b"From: bob@example.net\r\r\n@@Subject: one\r\r\n\r\r\nbody\r\r\n",
        "/subject",
        r#""one""#,
        "",
    ),
    (
        "two-digit year and a named zone",
        b"From: bob@example.net\nMessage-ID: <1@example.net>\nDate: 2 Nov 26 10:00 EST\n\nx",
        "/date",
        r#""2026-11-02T15:00:00Z""#,
        "",
    ),
    (
        "an offset that no place has",
        b"From: bob@example.net\nMessage-ID: <1@example.net>\nDate: Mon, 2 Nov 2026 10:00:00 +9999\n\nx",
        "/date",
        r#""2026-11-02T10:00:00Z""#,
        "bad_date",
    ),
    (
        "a boundary that never occurs",
        b"From: bob@example.net\n@@Content-Type: multipart/mixed; boundary=abc\n\nhello, no parts\n",
        "/text",
        r#""hello, no parts""#,
        "no_boundary",
    ),
    (
        "a boundary that is not named",
        b"From: bob@example.net\n@@Content-Type: multipart/mixed\n\n--x\nContent-Type: text/plain\n\nhello\n--x\nContent-Type: text/html\nContent-Disposition: attachment; filename=a.html\n\n<p>\n--x--\n",
        "/text",
        r#""hello""#,
        "no_boundary",
    ),
    (
        "a boundary under another name",
        b"From: bob@example.net\n@@Content-Type: multipart/mixed; boundary=\"y\"\n\npreamble\n--x\nContent-Type: text/plain\n\nhello\n--x--\n",
        "/text",
        r#""hello""#,
        "no_boundary",
    ),
    (
        "an inner multipart without its delimiter",
        b"From: bob@example.net\n@@Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; boundary=b\n\nhello\n--a--\n",
        "/text",
        r#""hello""#,
        "no_boundary",
    ),
    (
        "charset in the html alone",
        b"From: bob@example.net\n@@Content-Type: text/html\n\n<meta charset=\"windows-1251\"><p>\xCF\xF0\xE8\xE2\xE5\xF2</p>",
        "/text",
        r#""\u041f\u0440\u0438\u0432\u0435\u0442""#,
        "",
    ),
    (
        "charset in the html, the old way",
        b"From: bob@example.net\n@@Content-Type: text/html; charset=us-ascii\n\n<META http-equiv=Content-Type content='text/html; charset=koi8-r'><p>\xF0\xD2\xC9\xD7\xC5\xD4",
        "/text",
        r#""\u041f\u0440\u0438\u0432\u0435\u0442""#,
        "",
    ),
    (
        "utf-8 with a spoiled byte stays utf-8",
        b"From: bob@example.net\n@@Content-Type: text/plain; charset=utf-8\n\nGr\xC3\xBC\xC3\x9Fe aus K\xC3\xB6ln \xC3",
        "/text",
        r#""Gr\u00fc\u00dfe aus K\u00f6ln \ufffd""#,
        "charset",
    ),
    (
        "a charset name that only Windows knows",
        b"From: bob@example.net\n@@Content-Type: text/plain; charset=cp932\n\n\x93\xFA\x96\x7B",
        "/text",
        r#""\u65e5\u672c""#,
        "",
    ),
    (
        "a quoted local part with @",
        b"From: \"a@b\"@example.net\n@@\nx",
        "/from/0/address",
        r#""\"a@b\"@example.net""#,
        "bad_address",
    ),
    (
        "an address without brackets behind a name",
        b"From: Bob Example bob@example.net\n@@\nx",
        "/from/0",
        r#"{"name":"Bob Example","address":"bob@example.net"}"#,
        "bad_address",
    ),
    (
        "two addresses in one are none",
        b"From: Bob <bob@example.net> <eve@example.org>\n@@\nx",
        "/from",
        "[]",
        "bad_address",
    ),
    (
        "an unquoted comma in a name",
        b"From: Example, Bob <bob@example.net>\n@@\nx",
        "/from",
        r#"[{"name":"Example, Bob","address":"bob@example.net"}]"#,
        "bad_address",
    ),
    (
        "an old route",
        b"From: Bob <@relay.example:bob@example.net>\n@@\nx",
        "/from/0/address",
        r#""bob@example.net""#,
        "bad_address",
    ),
];

#[test]
fn broken_mail_loses_nothing_that_can_be_read() {
    let mut wrong = Vec::new();
    for (name, bytes, path, want, kind) in SEEN {
        let text: Vec<u8> = match bytes.windows(2).position(|w| w == b"@@") {
            Some(at) => [&bytes[..at], BASE.as_bytes(), &bytes[at + 2..]].concat(),
            None => bytes.to_vec(),
        };
        let seen = inspect_json(&text);
        let want: Value = serde_json::from_str(want).unwrap();
        let kinds: Vec<&str> = seen["problems"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|p| p["kind"].as_str())
            .collect();
        let told = match *kind {
            "" => kinds.is_empty(),
            kind => kinds.contains(&kind),
        };
        if seen.pointer(path) != Some(&want) || !told {
            wrong.push(format!("{name}: {:?} {kinds:?}", seen.pointer(path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rows_of_carriage_returns_cost_no_more_than_other_text() {
    let rows = format!("From: bob@example.net\n{}x\n\nhello", "\r".repeat(900_000));
    assert!(parse(rows.as_bytes()).truncated || !parse(rows.as_bytes()).from.is_empty());
    let fields = format!(
        "From: bob@example.net\n{}x\n\nhello",
        "X-A: y\r".repeat(100_000)
    );
    assert!(parse(fields.as_bytes()).headers.len() > 1);
}

/// One change after another, the same on every run: bytes turned over, cut, doubled, moved, and
/// words put in that readers look for.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "small numbers of a test that is to fail where they overflow"
)]
fn mutated(seed: u64, from: &[u8]) -> Vec<u8> {
    const WORDS: &[&[u8]] = &[
        b"\r",
        b"\n\n",
        b"\0",
        b"=?utf-8?Q?=?=",
        b"<",
        b">>>",
        b"-- \n",
        b"\"",
        b"boundary=",
        b"Content-Type: multipart/mixed\n",
        b"--b--\n",
        b"\xF0\x9F",
        b":",
        b"=\n",
        b"On 1 Mar 2026, 10:00 <a@b.example> wrote:\n",
        b"<div style=\"font-size:0\">",
        b"charset=",
        b"\xEF\xBB\xBF",
        b"begin 644 x\n",
        "\u{202e}".as_bytes(),
    ];
    let mut out = from.to_vec();
    let mut dice = noise(seed, 64).into_iter().map(usize::from);
    let mut roll = |sides: usize| {
        let (high, low) = (dice.next().unwrap_or(3), dice.next().unwrap_or(5));
        (high * 256 + low) % sides.max(1)
    };
    for _ in 0..1 + roll(4) {
        let at = roll(out.len() + 1);
        let len = roll(40).min(out.len() - at.min(out.len()));
        match roll(5) {
            0 => out.truncate(at),
            1 => drop(out.drain(at..at + len)),
            2 => {
                let piece = out[at..at + len].to_vec();
                let to = roll(out.len() + 1);
                out.splice(to..to, piece);
            }
            3 => {
                let word = WORDS[roll(WORDS.len())];
                out.splice(at..at, word.iter().copied());
            }
            _ => {
                if let Some(byte) = out.get_mut(at) {
                    *byte ^= 1 << roll(8);
                }
            }
        }
    }
    out
}

#[test]
fn changed_fixtures_give_a_view_whose_spans_cover_the_text() {
    /// Changes of each fixture.
    const ROUNDS: u64 = 40;
    for (name, bytes) in FIXTURES {
        for seed in 1..=ROUNDS {
            let changed = mutated(seed, bytes);
            let view = parse(&changed);
            let mut end = 0;
            for span in &view.body.spans {
                assert_eq!(span.start, end, "{name} {seed}");
                assert!(
                    view.text.get(span.start..span.end).is_some(),
                    "{name} {seed}"
                );
                end = span.end;
            }
            assert!(
                end == view.text.len() || view.body.spans.is_empty(),
                "{name} {seed}"
            );
            assert!(!view.subject.contains(['\r', '\n', '\0']), "{name} {seed}");
            assert!(view.problems.len() <= MAX_PROBLEMS, "{name} {seed}");
        }
    }
}
