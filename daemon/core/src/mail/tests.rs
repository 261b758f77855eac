use serde_json::Value;

use super::*;

mod limits;
mod malformed;

macro_rules! fixtures {
    ($($name:literal)*) => {
        &[$(($name, include_bytes!(concat!("../../fixtures/mail/", $name, ".eml")))),*]
    };
}

/// One oddity per file.
const FIXTURES: &[(&str, &[u8])] = fixtures! {
    "alternative"
    "alternative-blank-plain"
    "attachments"
    "bad-base64"
    "bad-date"
    "flowed"
    "forwarded"
    "forwarded-inline"
    "group"
    "header-only"
    "html-only"
    "idn"
    "invitation"
    "iso-2022-jp"
    "leading-blank-line"
    "mbox-line"
    "name-injection"
    "no-blank-line"
    "no-boundary"
    "no-header"
    "nul-bytes"
    "plain"
    "raw-latin1"
    "raw-utf8"
    "several-from"
    "split-encoded-word"
    "tnef"
    "unclosed-multipart"
    "unknown-charset"
    "wrong-charset"
};

fn fixture(name: &str) -> Vec<u8> {
    FIXTURES
        .iter()
        .find(|(n, _)| *n == name)
        .unwrap()
        .1
        .to_vec()
}

fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|&b| {
            if b == b'\n' {
                vec![b'\r', b'\n']
            } else {
                vec![b]
            }
        })
        .collect()
}

fn parse(bytes: &[u8]) -> MessageView {
    parse_message(bytes, &ParseLimits::default())
}

/// Fixture, path into the JSON of `inspect`, expected value as JSON.
const SEEN: &[(&str, &str, &str)] = &[
    ("plain", "/text", r#""Can you come?""#),
    ("plain", "/date", r#""2026-03-02T09:00:00Z""#),
    ("plain", "/date_offset_minutes", "60"),
    (
        "plain",
        "/from",
        r#"[{"name":"Bob Example","address":"bob@example.net"}]"#,
    ),
    ("plain", "/problems", "[]"),
    (
        "no-blank-line",
        "/text",
        r#""Can you come on Monday?\nI hope so.""#,
    ),
    ("no-blank-line", "/problems/0/kind", r#""no_blank_line""#),
    ("mbox-line", "/subject", r#""Visit""#),
    ("mbox-line", "/problems/0/kind", r#""mbox_line""#),
    ("leading-blank-line", "/subject", r#""Visit""#),
    ("leading-blank-line", "/text", r#""Can you come?""#),
    (
        "no-header",
        "/text",
        r#""Hello, I have no header.\n\nNone at all.""#,
    ),
    ("no-header", "/problems/0/kind", r#""no_header""#),
    ("header-only", "/subject", r#""Visit""#),
    ("header-only", "/text", r#""""#),
    ("header-only", "/attachments", "[]"),
    ("several-from", "/from_field_count", "2"),
    ("several-from", "/problems/0/kind", r#""several_from""#),
    ("raw-latin1", "/subject", r#""Grüße""#),
    ("raw-latin1", "/text", r#""Schöne Grüße""#),
    ("raw-latin1", "/problems/0/kind", r#""raw_eight_bit""#),
    ("raw-utf8", "/subject", r#""Grüße""#),
    ("raw-utf8", "/text", r#""Schöne Grüße""#),
    ("unknown-charset", "/subject", r#""Grüße""#),
    ("unknown-charset", "/text", r#""Schöne Grüße""#),
    ("unknown-charset", "/problems/0/kind", r#""charset""#),
    ("wrong-charset", "/text", r#""Schöne Grüße""#),
    ("split-encoded-word", "/subject", r#""Grüße an alle""#),
    (
        "name-injection",
        "/from/0/name",
        r#""Bob Bcc: eve@example.org""#,
    ),
    (
        "name-injection",
        "/to",
        r#"[{"name":"Example, Alice","address":"alice@example.com"}]"#,
    ),
    ("name-injection", "/subject", r#""Visit X-Evil: 1""#),
    ("group", "/to/1/address", r#""carol@example.com""#),
    ("idn", "/from/0/address", r#""bob@xn--bcher-kva.example""#),
    (
        "flowed",
        "/text",
        r#""This is one paragraph.\n\n> quoted text\n-- \nBob""#,
    ),
    ("flowed", "/reply", r#""This is one paragraph.""#),
    ("flowed", "/signature", r#""-- \nBob""#),
    ("html-only", "/text", r#""Can you come?""#),
    ("alternative", "/text", r#""plain form""#),
    ("alternative", "/attachments", "[]"),
    ("alternative-blank-plain", "/text", r#""html form""#),
    ("attachments", "/text", r#""See attached.""#),
    ("attachments", "/attachments/0/filename", r#""Grüße.pdf""#),
    ("attachments", "/attachments/0/size", "5"),
    ("attachments", "/attachments/0/inline", "false"),
    ("attachments", "/attachments/1/filename", r#""cod.exe""#),
    ("attachments", "/attachments/2/filename", r#""passwd""#),
    ("attachments", "/attachments/3/inline", "true"),
    ("attachments", "/attachments/3/media_type", r#""image/png""#),
    ("unclosed-multipart", "/text", r#""Can you come?""#),
    (
        "unclosed-multipart",
        "/problems/0/kind",
        r#""unclosed_multipart""#,
    ),
    ("no-boundary", "/text", r#""Can you come?""#),
    ("no-boundary", "/problems/0/kind", r#""no_boundary""#),
    ("bad-base64", "/text", r#""Can you come?""#),
    ("bad-date", "/date", "null"),
    ("bad-date", "/date_raw", r#""yesterday at noon""#),
    ("bad-date", "/message_id", r#""bare-id@example.net""#),
    ("nul-bytes", "/subject", r#""ab""#),
    ("nul-bytes", "/text", r#""Can you come?""#),
    ("nul-bytes", "/problems/0/kind", r#""nul_bytes""#),
    (
        "forwarded",
        "/forwarded/0/from/address",
        r#""carol@example.org""#,
    ),
    ("forwarded", "/forwarded/0/message_id", r#""0@example.org""#),
    ("forwarded", "/forwarded/0/trusted", "true"),
    ("forwarded", "/text", r#""For you.""#),
    (
        "forwarded-inline",
        "/forwarded/0/from/address",
        r#""carol@example.org""#,
    ),
    ("forwarded-inline", "/forwarded/0/trusted", "false"),
    ("forwarded-inline", "/reply", r#""For you.""#),
    ("invitation", "/class", r#""calendar""#),
    ("invitation", "/calendar/0/method", r#""REQUEST""#),
    ("invitation", "/text", r#""You are invited.""#),
    ("tnef", "/problems/0/kind", r#""tnef""#),
    ("iso-2022-jp", "/subject", r#""北日""#),
    ("iso-2022-jp", "/text", r#""日本""#),
];

#[test]
fn oddities_are_understood_and_listed_with_either_line_end() {
    let mut wrong = Vec::new();
    for (name, path, want) in SEEN {
        let lf = fixture(name);
        let want: Value = serde_json::from_str(want).unwrap();
        for (ends, bytes) in [("LF", lf.clone()), ("CRLF", with_crlf(&lf))] {
            let seen = inspect_json(&bytes);
            if seen.pointer(path) != Some(&want) {
                let found = seen.pointer(path);
                wrong.push(format!(
                    "{name} {ends} {path}: {found:?} {}",
                    seen["problems"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_key_is_that_of_the_content_not_of_the_transport() {
    let lf = fixture("plain");
    let key = parse(&lf).key();
    assert_eq!(parse(&with_crlf(&lf)).key(), key, "line ends");
    let stamped = [b"Received: from a by b\nX-Spam: no\n".as_slice(), &lf].concat();
    assert_eq!(parse(&stamped).key(), key, "headers on the way");
    let other = String::from_utf8(lf)
        .unwrap()
        .replace("Can you", "Will you");
    assert_ne!(parse(other.as_bytes()).key(), key, "another body");
}

#[test]
fn attachments_come_back_byte_by_byte() {
    let bytes = fixture("attachments");
    let limits = ParseLimits::default();
    for (index, want) in [b"Hello".as_slice(), b"x", b"root", b"png"]
        .into_iter()
        .enumerate()
    {
        let found = attachment_bytes(&bytes, &limits, index).unwrap();
        assert_eq!(found, want);
        let view = parse(&bytes);
        assert_eq!(
            view.attachments[index].hash,
            blake3::hash(want).to_hex().to_string()
        );
    }
    assert_eq!(attachment_bytes(&bytes, &limits, 4), None);
}

#[test]
fn base_subjects_lose_their_prefixes() {
    for (subject, want) in [
        ("Re: AW: Visit", "Visit"),
        ("Fwd: [users] Re: Visit", "Visit"),
        ("Visit", "Visit"),
        ("Re:", "Re:"),
        ("", ""),
        ("SV: VS: 回复: Visit (fwd)", "Visit"),
    ] {
        assert_eq!(base_subject(subject), want, "{subject}");
    }
}

/// Numbers without a clock: the same on every run (xorshift).
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

#[test]
fn any_bytes_give_a_view() {
    for seed in 1..300 {
        let bytes = noise(seed, 2_000);
        assert!(inspect_json(&bytes).is_object());
        let behind_header = [
            b"From: bob@example.net\nContent-Type: multipart/mixed; boundary=b\n\n--b\n",
            bytes.as_slice(),
        ]
        .concat();
        assert!(inspect_json(&behind_header).is_object());
    }
    for bytes in [
        b"".as_slice(),
        b"\n",
        b"\r\n\r\n",
        b"\r",
        b":",
        b"a:",
        b"From:",
        b"\0\0",
        b"--",
        b"\xff\xfe",
        b"From: <\n\n",
    ] {
        assert!(inspect_json(bytes).is_object(), "{bytes:?}");
    }
    assert_eq!(parse(b"").problems[0].kind, ProblemKind::Empty);
    // Every cut of every fixture, and every byte of it turned over.
    for (_, bytes) in FIXTURES {
        for cut in (0..bytes.len()).step_by(7) {
            parse(&bytes[..cut]);
            let mut flipped = bytes.to_vec();
            flipped[cut] ^= 0x55;
            parse(&flipped);
        }
    }
}

#[test]
fn hostile_sizes_are_cut_and_listed() {
    let has = |view: &MessageView, kind| view.problems.iter().any(|p| p.kind == kind);
    let mut nested = String::from("From: bob@example.net\n");
    for level in 0..10_000 {
        nested.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n"
        ));
    }
    let view = parse(nested.as_bytes());
    assert!(has(&view, ProblemKind::TooDeep) && view.truncated);

    let mut parts =
        String::from("From: bob@example.net\nContent-Type: multipart/mixed; boundary=b\n\n");
    parts.push_str(&"--b\n\nx\n".repeat(50_000));
    let view = parse(parts.as_bytes());
    assert!(has(&view, ProblemKind::TooManyParts) && view.truncated);

    let headers = format!(
        "From: bob@example.net\n{}\nhello",
        "X-A: b\n".repeat(300_000)
    );
    let view = parse(headers.as_bytes());
    assert!(has(&view, ProblemKind::TooManyHeaders));
    assert_eq!(view.headers.len(), ParseLimits::MAX_HEADERS);
    assert_eq!(view.text, "hello");

    let long = format!(
        "From: bob@example.net\nSubject: {}\n\nhello",
        "é".repeat(100_000)
    );
    let view = parse(long.as_bytes());
    assert!(has(&view, ProblemKind::FieldTooLong));
    assert!(view.subject.len() <= ParseLimits::MAX_FIELD_BYTES);

    let enclosed = format!(
        "From: bob@example.net\n{}",
        "Content-Type: message/rfc822\n\n".repeat(100_000)
    );
    parse(enclosed.as_bytes());

    let many = format!(
        "From: bob@example.net\nTo: {}\n\nx",
        "a@example.com,".repeat(100_000)
    );
    assert!(parse(many.as_bytes()).to.len() <= 5_000);

    let html = format!(
        "From: bob@example.net\nContent-Type: text/html\n\n{}hello",
        "<div>".repeat(100_000)
    );
    assert_eq!(parse(html.as_bytes()).text, "hello");

    let quotes = format!("From: bob@example.net\n\n{}", "> x\ny\n\n".repeat(200_000));
    assert!(!parse(quotes.as_bytes()).body.reply.is_empty());

    for pattern in [
        "-- \n",
        "On 1.1.2020 10:00 <a@b.example> wrote:\n> x\n",
        "From: a@b.example\n",
        "\n",
        "Thanks,\n\n",
        "This e-mail is confidential.\n\n",
        "Sent from my iPhone\n",
    ] {
        let lines = format!(
            "From: bob@example.net\n\n{}",
            pattern.repeat(1_000_000 / pattern.len())
        );
        parse(lines.as_bytes());
    }
    let words = format!(
        "From: bob@example.net\n{}\nx",
        format!("Subject: {}\n", "=?a?Q?x ".repeat(8_000)).repeat(100)
    );
    assert_eq!(parse(words.as_bytes()).text, "x");
    let junk = format!("From: bob@example.net\n{}", "junk\nX-A: b\n".repeat(5_000));
    assert_eq!(parse(junk.as_bytes()).problems.len(), MAX_PROBLEMS);

    let limits = ParseLimits {
        max_message_bytes: 100,
        max_text_bytes: 10,
        ..ParseLimits::default()
    };
    let large = format!(
        "From: bob@example.net\nSubject: Visit\n\n{}",
        "x".repeat(100)
    );
    let view = parse_message(large.as_bytes(), &limits);
    assert_eq!((view.subject.as_str(), view.text.as_str()), ("Visit", ""));
    assert!(has(&view, ProblemKind::MessageTooLarge));
    let view = parse_message(b"From: bob@example.net\n\nhello hello hello", &limits);
    assert!(has(&view, ProblemKind::TextTooLong));
}
