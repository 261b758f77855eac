//! Each limit of reading is met before the work is done, holds, and is told.

use super::*;

const SMALL: ParseLimits = ParseLimits {
    max_message_bytes: 200_000,
    max_parts: 10,
    max_headers: 20,
    max_field_bytes: 100,
    max_text_bytes: 1_000,
};

fn has(view: &MessageView, kind: ProblemKind) -> bool {
    view.problems.iter().any(|problem| problem.kind == kind)
}

fn text_part(number: usize) -> String {
    format!("--b\nContent-Type: text/plain\n\npart {number}\n")
}

#[test]
fn each_limit_holds_and_is_told() {
    type Amount = fn(&MessageView) -> usize;
    let from = "From: bob@example.net\n";
    let parts: String = (0..500).map(text_part).collect();
    let mixed = format!("{from}Content-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n");
    let nested: String = (0..500)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"))
        .collect();
    let long_page = format!(
        "{from}Content-Type: text/html\n\n{}",
        "<p>word".repeat(20_000)
    );
    let rows: [(&str, String, ProblemKind, Amount, usize); 8] = [
        (
            "a message",
            format!("{from}\n{}", "x".repeat(300_000)),
            ProblemKind::MessageTooLarge,
            |view| view.text.len(),
            0,
        ),
        (
            "parts",
            mixed,
            ProblemKind::TooManyParts,
            |view| view.attachments.len() + view.text.lines().count(),
            30,
        ),
        (
            "depth",
            format!("{from}{nested}"),
            ProblemKind::TooManyParts,
            |view| view.text.len(),
            SMALL.max_text_bytes,
        ),
        (
            "fields",
            format!("{}{from}\nx", "X-A: b\n".repeat(500)),
            ProblemKind::TooManyHeaders,
            |view| view.headers.len(),
            SMALL.max_headers,
        ),
        (
            "a field",
            format!("{from}Subject: {}\n\nx", "s".repeat(5_000)),
            ProblemKind::FieldTooLong,
            |view| view.subject.len(),
            SMALL.max_field_bytes,
        ),
        (
            "a folded field",
            format!("{from}Subject: s{}\n\nx", "\n ssssssss".repeat(500)),
            ProblemKind::FieldTooLong,
            |view| view.subject.len(),
            SMALL.max_field_bytes,
        ),
        (
            "text",
            format!("{from}\n{}", "word ".repeat(1_000)),
            ProblemKind::TextTooLong,
            |view| view.text.len(),
            SMALL.max_text_bytes,
        ),
        (
            "text of a page",
            long_page,
            ProblemKind::TextTooLong,
            |view| view.text.len(),
            2 * SMALL.max_text_bytes,
        ),
    ];
    for (name, text, kind, amount, most) in rows {
        let view = parse_message(text.as_bytes(), &SMALL);
        assert!(has(&view, kind), "{name}: {:?}", view.problems);
        assert!(
            view.truncated
                || matches!(
                    kind,
                    ProblemKind::FieldTooLong | ProblemKind::TooManyHeaders
                ),
            "{name}"
        );
        assert!(amount(&view) <= most, "{name}: {}", amount(&view));
        assert!(view.problems.len() <= MAX_PROBLEMS, "{name}");
    }
}

/// Ten times the input is at most ten times the output; nothing multiplies.
#[test]
fn what_is_read_grows_no_faster_than_what_is_there() {
    let shapes: [fn(usize) -> String; 6] = [
        |n| format!("To: {}\n\nx", "a@example.com, ".repeat(n)),
        |n| format!("References: {}\n\nx", "<a@example.com> ".repeat(n)),
        |n| format!("Subject: {}\n\nx", "=?utf-8?Q?a?= ".repeat(n)),
        |n| format!("Content-Type: text/html\n\n{}", "<blockquote>a".repeat(n)),
        |n| format!("From: a@example.com\n\n{}", "> a\nb\n".repeat(n)),
        |n| format!("Content-Type: text/html\n\n{}", "<li>&amp;<td>".repeat(n)),
    ];
    for (number, shape) in shapes.into_iter().enumerate() {
        let size = |n: usize| {
            let view = parse_message(shape(n).as_bytes(), &ParseLimits::default());
            serde_json::to_string(&view).unwrap().len()
        };
        let (small, large) = (size(200), size(2_000));
        assert!(large <= 11 * small, "shape {number}: {small} to {large}");
    }
}
