use super::*;

#[test]
fn dates_are_read_in_old_and_foreign_forms() {
    for (text, instant, offset, guessed) in [
        (
            "Mon, 2 Mar 2026 10:00:00 +0100",
            "2026-03-02T09:00:00Z",
            60,
            false,
        ),
        ("2 Mar 2026 10:00 +0100", "2026-03-02T09:00:00Z", 60, false),
        (
            "Mon, 02 Mar 2026 10:00:00 +0100 (CET)",
            "2026-03-02T09:00:00Z",
            60,
            false,
        ),
        (
            "Mon,2 Mar 2026 10:00:00+0100",
            "2026-03-02T09:00:00Z",
            60,
            false,
        ),
        (
            "Mon (a \n comment), 2 Mar 2026 10:00:00 (x) +0100",
            "2026-03-02T09:00:00Z",
            60,
            false,
        ),
        // RFC 5322 4.3.
        ("2 Mar 26 10:00 EST", "2026-03-02T15:00:00Z", -300, false),
        ("2 Mar 99 10:00:00 PDT", "1999-03-02T17:00:00Z", -420, false),
        ("2 Mar 126 10:00:00 GMT", "2026-03-02T10:00:00Z", 0, false),
        ("2 Mar 2026 10:00:00 UT", "2026-03-02T10:00:00Z", 0, false),
        ("2 Mar 2026 10:00:00 Z", "2026-03-02T10:00:00Z", 0, false),
        ("2 Mar 2026 10:00:00 K", "2026-03-02T10:00:00Z", 0, false),
        (
            "2 Mar 2026 10:00:00 -0000",
            "2026-03-02T10:00:00Z",
            0,
            false,
        ),
        // What programs write instead.
        ("2 Mar 2026 10:00:00 MEZ", "2026-03-02T09:00:00Z", 60, false),
        (
            "Mon, 2 Mar 2026 10:00:00 GMT+0100",
            "2026-03-02T09:00:00Z",
            60,
            false,
        ),
        (
            "Mon, 2 Mar 2026 10:00:00 +01:00",
            "2026-03-02T09:00:00Z",
            60,
            false,
        ),
        (
            "Mon, 02-Mar-26 10:00:00 GMT",
            "2026-03-02T10:00:00Z",
            0,
            false,
        ),
        (
            "Mon, 2 Mar 2026 10:00:60 +0000",
            "2026-03-02T10:00:59Z",
            0,
            false,
        ),
        (
            "Mon, 2 Mar 2026 10:00:00.123 +0000",
            "2026-03-02T10:00:00Z",
            0,
            false,
        ),
        (
            "Mo, 2 Mär 2026 10:00:00 +0100",
            "2026-03-02T09:00:00Z",
            60,
            false,
        ),
        (
            "lun., 2 déc. 2026 10:00:00 +0100",
            "2026-12-02T09:00:00Z",
            60,
            false,
        ),
        (
            "mar, 3 ago 2026 10:00:00 +0200",
            "2026-08-03T08:00:00Z",
            120,
            false,
        ),
        ("Mon Mar  2 10:00:00 2026", "2026-03-02T10:00:00Z", 0, true),
        (
            "Mon Mar  2 10:00:00 EST 2026",
            "2026-03-02T15:00:00Z",
            -300,
            false,
        ),
        (
            "Mon, 2 Mar 2026 10:00:00 PM +0000",
            "2026-03-02T22:00:00Z",
            0,
            false,
        ),
        ("Mon, 2 Mar 2026 10:00:00", "2026-03-02T10:00:00Z", 0, true),
        (
            "Mon, 2 Mar 2026 10:00:00 XYZ",
            "2026-03-02T10:00:00Z",
            0,
            true,
        ),
        (
            "Mon, 2 Mar 2026 10:00:00 +9999",
            "2026-03-02T10:00:00Z",
            0,
            true,
        ),
        (
            "Mon, 2 Mar 2026 10:00:00 +123456",
            "2026-03-02T10:00:00Z",
            0,
            true,
        ),
        (
            "2026-03-02T10:00:00+01:00",
            "2026-03-02T09:00:00Z",
            60,
            true,
        ),
        (
            "2026-03-02 10:00:00 +0100",
            "2026-03-02T09:00:00Z",
            60,
            true,
        ),
    ] {
        let read = read_date(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(read.instant.to_string(), instant, "{text}");
        assert_eq!(read.offset_minutes, offset, "{text}");
        assert_eq!(read.guess.is_some(), guessed, "{text}: {:?}", read.guess);
    }
}

#[test]
fn what_is_no_date_is_refused() {
    for text in [
        "",
        "yesterday at noon",
        "32 Foo 2026 99:99:99",
        "Mon, 30 Feb 2026 10:00:00 +0000",
        "Mon, 2 Mar 2026 25:00:00 +0100",
        "Mon, 2 Mar 2026",
        "Thu, 1 Jan 99999 00:00:00 +0000",
        "Thu, 1 Jan 1960 00:00:00 +0000",
        "2 3 2026 10:00:00 +0000",
        ":::::",
        "2 Mar 2026 -1:-1:-1 +0000",
        "2 Mar 2026 127:127 +",
        "))))((((",
    ] {
        assert_eq!(read_date(text), None, "{text}");
    }
}
