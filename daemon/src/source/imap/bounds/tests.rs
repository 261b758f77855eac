use super::*;

/// The verdict on `text`, the same however it is cut.
fn verdict(text: &[u8]) -> Result<(), TooMuch> {
    let whole = Framing::default().accept(text);
    for step in [1, 2, 7, 4096] {
        let mut framing = Framing::default();
        let in_pieces = text
            .chunks(step)
            .try_for_each(|piece| framing.accept(piece));
        assert_eq!(in_pieces, whole, "in pieces of {step}");
    }
    whole
}

#[test]
fn what_servers_say_passes_and_what_would_hurt_the_parser_does_not() {
    let megabyte = usize::try_from(LINE_BYTES_MAX).unwrap();
    let body = |length: usize| {
        let mut row = format!("* 1 FETCH (UID 1 BODY[] {{{length}}}\r\n").into_bytes();
        row.extend(std::iter::repeat_n(b'(', length));
        row.extend(b")\r\n");
        row
    };
    let rows: [(&str, Vec<u8>, Result<(), TooMuch>); 16] = [
        ("a condition", b"* OK [UIDNEXT 4] next\r\n".to_vec(), Ok(())),
        ("a body of parentheses", body(5000), Ok(())),
        ("an empty body", body(0), Ok(())),
        ("a body at the limit", body(4 * megabyte), Ok(())),
        (
            "4 GiB announced",
            b"* 1 FETCH (BODY[] {4294967296}\r\n".to_vec(),
            Err(TooMuch::Literal(4_294_967_296)),
        ),
        (
            "a size beyond all numbers",
            format!("* 1 FETCH (BODY[] {{{}}}\r\n", "9".repeat(50)).into_bytes(),
            Err(TooMuch::Literal(u64::MAX)),
        ),
        (
            "without CR",
            b"* 1 FETCH (BODY[] {4294967296}\n".to_vec(),
            Err(TooMuch::Literal(4_294_967_296)),
        ),
        (
            "words in braces",
            b"* OK free {99999999999}\r\n".to_vec(),
            Ok(()),
        ),
        (
            "a literal in a code",
            b"* OK [BADCHARSET ({7}\r\n".to_vec(),
            Err(TooMuch::Misplaced),
        ),
        (
            "a literal in the code of a tagged answer",
            b"L0001 NO [BADCHARSET (\"]\" {7}\r\n".to_vec(),
            Err(TooMuch::Misplaced),
        ),
        (
            "a line without end",
            vec![b'x'; megabyte + 1],
            Err(TooMuch::Line),
        ),
        (
            "a long line",
            [vec![b'x'; megabyte - 2], b"\r\n".to_vec()].concat(),
            Ok(()),
        ),
        (
            "structure that nobody asked for",
            format!("* 1 FETCH (BODYSTRUCTURE {}", "(".repeat(100)).into_bytes(),
            Err(TooMuch::Parentheses),
        ),
        (
            "parentheses closed in a string",
            format!("* 1 FETCH (BODYSTRUCTURE {}", "(\")\"".repeat(100)).into_bytes(),
            Err(TooMuch::Parentheses),
        ),
        (
            "a name as a literal",
            b"* LIST () \"/\" {7}\r\nE{9}\r\nf\r\n".to_vec(),
            Ok(()),
        ),
        (
            "literals without end",
            [&b"* LIST ()"[..], &b" {1}\r\nx".repeat(65)].concat(),
            Err(TooMuch::Literals),
        ),
    ];
    for (name, text, expected) in rows {
        assert_eq!(verdict(&text), expected, "{name}");
    }
}

#[test]
fn each_answer_begins_anew() {
    let mut framing = Framing::default();
    for _ in 0..100 {
        framing
            .accept(b"* 1 FETCH (FLAGS (\\Seen) BODY[] {9}\r\n* OK [x\r\n)\r\n")
            .unwrap();
    }
    assert_eq!((framing.parentheses, framing.literal_bytes), (0, 0));
    framing.accept(b"* OK").unwrap();
    assert!(framing.is_text());
}
