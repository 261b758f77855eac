use super::*;
use crate::mail::{
    MessageClass, MessageView, ParseLimits, ProblemKind, attachment_bytes, parse_message,
};

/// Writes containers as Outlook lays them out (MS-OXTNEF 2.1.3).
struct Writer(Vec<u8>);

impl Writer {
    fn new() -> Writer {
        let mut out = Writer(SIGNATURE.to_le_bytes().to_vec());
        out.0.extend(0x1234u16.to_le_bytes());
        out.attribute(1, 0x0008_9006, &0x0001_0000u32.to_le_bytes())
            .attribute(1, attribute::OEM_CODEPAGE, &[0xE4, 4, 0, 0, 0, 0, 0, 0]);
        out
    }

    fn attribute(&mut self, level: u8, id: u32, data: &[u8]) -> &mut Writer {
        self.0.push(level);
        self.0.extend(id.to_le_bytes());
        self.0
            .extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        self.0.extend(data);
        self.0.extend(checksum(data).to_le_bytes());
        self
    }

    fn message(&mut self, properties: &[Vec<u8>]) -> &mut Writer {
        let data = list(properties);
        self.attribute(1, attribute::MESSAGE_PROPERTIES, &data)
    }

    fn file(&mut self, title: &str, data: &[u8], properties: &[Vec<u8>]) -> &mut Writer {
        let title = [title.as_bytes(), &[0]].concat();
        self.attribute(
            2,
            attribute::FILE_BEGINS,
            &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        )
        .attribute(2, attribute::FILE_TITLE, &title)
        .attribute(2, attribute::FILE_DATA, data);
        let data = list(properties);
        self.attribute(2, attribute::FILE_PROPERTIES, &data)
    }
}

fn list(properties: &[Vec<u8>]) -> Vec<u8> {
    let mut out = u32::try_from(properties.len())
        .unwrap()
        .to_le_bytes()
        .to_vec();
    out.extend(properties.concat());
    out
}

fn counted(value: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(value.len()).unwrap().to_le_bytes().to_vec();
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn head(kind: u16, id: u16) -> Vec<u8> {
    [kind.to_le_bytes(), id.to_le_bytes()].concat()
}

fn variable(kind: u16, id: u16, value: &[u8]) -> Vec<u8> {
    [head(kind, id), 1u32.to_le_bytes().to_vec(), counted(value)].concat()
}

fn wide(id: u16, text: &str) -> Vec<u8> {
    let units = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes);
    variable(0x1F, id, &units.collect::<Vec<u8>>())
}

fn narrow(id: u16, text: &[u8]) -> Vec<u8> {
    variable(0x1E, id, &[text, &[0]].concat())
}

fn long(id: u16, value: u32) -> Vec<u8> {
    [head(3, id), value.to_le_bytes().to_vec()].concat()
}

fn filetime(millis: i64) -> [u8; 8] {
    let since_1601 = millis.saturating_add(11_644_473_600_000);
    since_1601.saturating_mul(10_000).to_le_bytes()
}

/// A property named by a number in a set.
fn numbered(kind: u16, set: [u8; 16], number: u32, value: &[u8]) -> Vec<u8> {
    let mut out = head(kind, 0x8001);
    out.extend(set);
    out.extend(0u32.to_le_bytes());
    out.extend(number.to_le_bytes());
    out.extend(value);
    out
}

/// A mail with the container as Exchange sends it.
fn mail(header: &str, text: &str, container: &[u8]) -> Vec<u8> {
    let encoded: String = container.iter().fold(String::new(), |mut out, octet| {
        use std::fmt::Write;
        write!(out, "={octet:02X}").unwrap();
        if out.len().is_multiple_of(75) {
            out.push_str("=\r\n");
        }
        out
    });
    format!(
        "From: Bob <bob@example.net>\r\nTo: ann@example.com\r\nMessage-ID: <1@example.net>\r\n\
         {header}Content-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n\
         --b\r\nContent-Type: application/ms-tnef; name=\"winmail.dat\"\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n{encoded}\r\n--b--\r\n"
    )
    .into_bytes()
}

fn read(bytes: &[u8]) -> MessageView {
    parse_message(bytes, &ParseLimits::default())
}

fn files(view: &MessageView) -> Vec<(&str, &str, usize)> {
    view.attachments
        .iter()
        .map(|a| {
            let name = a.filename.as_deref().unwrap_or_default();
            (name, a.media_type.as_str(), a.size)
        })
        .collect()
}

fn offer() -> Vec<u8> {
    let mut writer = Writer::new();
    writer
        .message(&[
            wide(property::MESSAGE_CLASS, "IPM.Note"),
            wide(property::SUBJECT, "Angebot für März"),
            [
                head(0x40, property::SUBMITTED),
                filetime(1_772_442_000_000).to_vec(),
            ]
            .concat(),
            // Several values, and a name in text: passed over without losing the place.
            [
                head(0x1003, 0x6000),
                2u32.to_le_bytes().to_vec(),
                vec![7; 8],
            ]
            .concat(),
            [
                head(0x0B, 0x8005),
                vec![1; 16],
                1u32.to_le_bytes().to_vec(),
                counted(b"a\0b\0c\0"),
                1u32.to_le_bytes().to_vec(),
            ]
            .concat(),
            wide(property::BODY, "Guten Tag,\r\nanbei das Angebot.\r\n"),
        ])
        .file(
            "ANGEBO~1.PDF",
            b"%PDF-1.7 offer",
            &[
                wide(property::LONG_FILE_NAME, "Angebot Müller & Söhne.pdf"),
                wide(property::MEDIA_TYPE, "Application/PDF"),
            ],
        )
        .file(
            "notes.txt",
            b"notes",
            &[narrow(property::DISPLAY_NAME, b"x")],
        );
    std::mem::take(&mut writer.0)
}

#[test]
fn what_a_container_holds_is_body_and_attachments_of_the_message() {
    let bytes = mail("", "", &offer());
    let view = read(&bytes);
    assert_eq!(view.text, "Guten Tag,\nanbei das Angebot.");
    assert_eq!(
        files(&view),
        [
            ("Angebot Müller & Söhne.pdf", "application/pdf", 14),
            ("notes.txt", "text/plain", 5),
        ]
    );
    assert_eq!(view.subject, "Angebot für März");
    assert_eq!(
        view.date.map(|at| at.to_string()).as_deref(),
        Some("2026-03-02T09:00:00Z")
    );
    let limits = ParseLimits::default();
    assert_eq!(
        attachment_bytes(&bytes, &limits, 0).unwrap(),
        b"%PDF-1.7 offer"
    );
    assert_eq!(attachment_bytes(&bytes, &limits, 1).unwrap(), b"notes");
    assert_eq!(attachment_bytes(&bytes, &limits, 2), None);
    assert!(
        !view.problems.iter().any(|p| p.kind == ProblemKind::Tnef),
        "{:?}",
        view.problems
    );
}

#[test]
fn a_text_beside_the_container_is_the_better_one() {
    let view = read(&mail(
        "Subject: Offer\r\n",
        "Hello from the sender",
        &offer(),
    ));
    assert_eq!(
        (view.text.as_str(), view.subject.as_str()),
        ("Hello from the sender", "Offer")
    );
    assert_eq!(view.attachments.len(), 2);
}

#[test]
fn a_damaged_container_is_told_and_listed_and_what_can_be_read_is() {
    let whole = offer();
    let damaged = |container: &[u8]| {
        let view = read(&mail("Subject: s\r\n", "the text", container));
        assert_eq!(view.text, "the text");
        assert_eq!(
            view.attachments.first().unwrap().filename.as_deref(),
            Some("winmail.dat")
        );
        assert!(view.problems.iter().any(|p| p.kind == ProblemKind::Tnef));
        view
    };
    // Within an attribute everything before it is there.
    for cut in 0..whole.len() {
        // Cut between two attributes it is whole, as far as anybody can see.
        let view = read(&mail("Subject: s\r\n", "the text", &whole[..cut]));
        assert_eq!(view.text, "the text");
        assert!(!view.attachments.is_empty() || cut > 6, "{cut}");
    }
    let view = damaged(&whole[..whole.len() - 3]);
    assert_eq!(files(&view)[1].0, "Angebot Müller & Söhne.pdf");
    let mut wrong_sum = whole.clone();
    *wrong_sum.last_mut().unwrap() ^= 1;
    let view = damaged(&wrong_sum);
    assert_eq!(view.attachments.len(), 3);
    damaged(b"no container at all");
    let mut loops = Writer::new();
    loops.attribute(1, attribute::MESSAGE_PROPERTIES, &u32::MAX.to_le_bytes());
    damaged(&loops.0);
}

fn meeting(class: &str, id: &[u8]) -> Vec<u8> {
    let appointment = [
        0x02, 0x20, 0x06, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46,
    ];
    let set = [
        0x90, 0xDA, 0xD8, 0x6E, 0x0B, 0x45, 0x1B, 0x10, 0x98, 0xDA, 0x00, 0xAA, 0x00, 0x3F, 0x13,
        0x05,
    ];
    let place: Vec<u8> = "Raum 3, Wien\0"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let one = |value: &[u8]| [1u32.to_le_bytes().to_vec(), counted(value)].concat();
    let mut writer = Writer::new();
    writer.message(&[
        narrow(property::MESSAGE_CLASS, class.as_bytes()),
        numbered(0x40, appointment, 0x820D, &filetime(1_772_442_000_000)),
        numbered(0x40, appointment, 0x820E, &filetime(1_772_445_600_000)),
        numbered(0x1F, appointment, 0x8208, &one(&place)),
        numbered(0x03, appointment, 0x8201, &2u32.to_le_bytes()),
        numbered(0x102, set, 0x0003, &one(id)),
    ]);
    std::mem::take(&mut writer.0)
}

#[test]
fn a_meeting_in_a_container_is_a_calendar_object() {
    let own = [&[4u8, 0, 0, 0][..], &[7; 12], &[7, 0xEA, 3, 2], &[9; 20]].concat();
    let foreign = [
        &[0u8; 40][..],
        b"vCal-Uid\x01\0\0\0",
        b"hold.e1@example.com\0",
    ]
    .concat();
    let expected_own = format!("UID:04000000{}00000000{}", "07".repeat(12), "09".repeat(20));
    let rows: [(&str, &[u8], &str, &str, &str); 4] = [
        (
            "IPM.Schedule.Meeting.Request",
            &own,
            "REQUEST",
            &expected_own,
            "ORGANIZER:mailto:bob@example.net",
        ),
        (
            "IPM.Microsoft Schedule.MtgCncl",
            &foreign,
            "CANCEL",
            "UID:hold.e1@example.com",
            "STATUS:CANCELLED",
        ),
        (
            "IPM.Schedule.Meeting.Resp.Pos",
            &foreign,
            "REPLY",
            "UID:hold.e1@example.com",
            "ATTENDEE;PARTSTAT=ACCEPTED:mailto:bob@example.net",
        ),
        (
            "IPM.Schedule.Meeting.Resp.Neg",
            &foreign,
            "REPLY",
            "DTSTART:20260302T090000Z",
            "LOCATION:Raum 3\\, Wien",
        ),
    ];
    for (class, id, method, first, second) in rows {
        let view = read(&mail("Subject: Treffen\r\n", "", &meeting(class, id)));
        assert_eq!(view.class.class, MessageClass::Calendar, "{class}");
        let [part] = view.calendar_parts.as_slice() else {
            panic!("{class}: {:?}", view.calendar_parts)
        };
        assert_eq!(part.method.as_deref(), Some(method), "{class}");
        let unfolded = part.text.replace("\n ", "");
        for line in [first, second, "SUMMARY:Treffen", "SEQUENCE:2"] {
            assert!(
                unfolded.lines().any(|l| l == line),
                "{class}: {line} in {unfolded}"
            );
        }
    }
    let plain = read(&mail("", "", &meeting("IPM.Note", &own)));
    assert_eq!(
        (plain.class.class, plain.calendar_parts.len()),
        (MessageClass::Human, 0)
    );
}

#[test]
fn an_answer_of_an_outlook_rule_is_automatic() {
    for (class, expected) in [
        ("IPM.Note.Rules.OofTemplate.Microsoft", MessageClass::Ooo),
        (
            "IPM.Note.Rules.ReplyTemplate.Microsoft",
            MessageClass::AutoReply,
        ),
        ("IPM.Note", MessageClass::Human),
    ] {
        let mut writer = Writer::new();
        let class_text = [class.as_bytes(), &[0]].concat();
        writer.attribute(1, attribute::MESSAGE_CLASS, &class_text);
        let view = read(&mail("Subject: Visit\r\n", "Thank you.", &writer.0));
        assert_eq!(view.class.class, expected, "{class}");
    }
}

#[test]
fn a_message_in_the_container_is_a_file_and_so_are_its_files() {
    let inner = offer();
    let object = [&[0u8; 16][..], &inner].concat();
    let mut writer = Writer::new();
    writer.file(
        "Weitergeleitet",
        b"",
        &[
            long(property::FILE_METHOD, property::METHOD_MESSAGE),
            variable(0x0D, property::FILE_DATA, &object),
            wide(property::DISPLAY_NAME, "Angebot"),
        ],
    );
    let view = read(&mail("", "see below", &writer.0));
    let names: Vec<&str> = files(&view).iter().map(|(name, ..)| *name).collect();
    assert_eq!(
        names,
        ["Angebot Müller & Söhne.pdf", "notes.txt", "Weitergeleitet"]
    );
    // Deeper than anybody forwards: told, not opened.
    let mut deep = offer();
    for _ in 0..6 {
        let object = [&[0u8; 16][..], &deep].concat();
        let mut writer = Writer::new();
        writer.file(
            "m",
            b"",
            &[
                long(property::FILE_METHOD, property::METHOD_MESSAGE),
                variable(0x0D, property::FILE_DATA, &object),
            ],
        );
        deep = std::mem::take(&mut writer.0);
    }
    let view = read(&mail("", "see below", &deep));
    assert!(
        view.problems.iter().any(|p| p.detail.contains("4 deep")),
        "{:?}",
        view.problems
    );
}

#[test]
fn compressed_rtf_is_unpacked() {
    // The two examples of MS-OXRTFCP 3.
    let rows: [(&[u8], &str); 2] = [
        (
            &[
                0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03,
                0x00, 0x0a, 0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3,
                0x20, 0x68, 0x65, 0x6c, 0x09, 0x00, 0x20, 0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d,
                0x0a, 0x80, 0x0f, 0xa0,
            ],
            "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n",
        ),
        (
            &[
                0x1a, 0, 0, 0, 0x1c, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xe2, 0xd4, 0x4b, 0x51, 0x41,
                0x00, 0x04, 0x20, 0x57, 0x58, 0x59, 0x5a, 0x0d, 0x6e, 0x7d, 0x01, 0x0e, 0xb0,
            ],
            "{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}",
        ),
    ];
    for (packed, expected) in rows {
        let unpacked = rtf::unpack(packed).unwrap();
        assert_eq!(String::from_utf8_lossy(&unpacked.rtf), expected);
        assert_eq!(unpacked.fault, None);
        for cut in 0..packed.len() {
            let told = rtf::unpack(&packed[..cut]);
            assert!(told.is_err() || told.unwrap().fault.is_some(), "{cut}");
        }
    }
}

/// RTF as Outlook stores it when it does not compress.
fn plain_rtf(rtf: &str) -> Vec<u8> {
    let size = u32::try_from(rtf.len()).unwrap();
    let mut out = [size.saturating_add(12), size, 0x414C_454D, 0]
        .map(u32::to_le_bytes)
        .concat();
    out.extend(rtf.as_bytes());
    out
}

#[test]
fn rtf_becomes_text() {
    let rows = [
        (
            r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fswiss Arial;}}\pard Gr\'fc\'dfe,\par Bob\tab X\par}",
            "Grüße,\nBob\tX",
        ),
        (
            r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 A;}{\f1\fcharset204 B;}}\f1 \'cf\'f0\'e8\'e2\'e5\'f2\f0  ok}",
            "Привет ok",
        ),
        (
            r"{\rtf1\ansi\uc1 \u8364?20 \u-10179?\u-8704? {\*\generator X;}{\info{\title T}}\{a\}}",
            "€20 😀 {a}",
        ),
        (
            r"{\rtf1 one\line two {\pict\bin4 }}}}} three}",
            "one\ntwo  three",
        ),
    ];
    for (rtf, expected) in rows {
        let mut writer = Writer::new();
        let rich = variable(0x102, property::RTF_COMPRESSED, &plain_rtf(rtf));
        writer.message(&[rich]);
        let view = read(&mail("", "", &writer.0));
        assert_eq!(view.text, expected, "{rtf}");
    }
}

#[test]
fn html_in_rtf_is_read_as_the_html_it_was() {
    let rtf = r"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0 Arial;}}{\*\htmltag19 <html>}{\*\htmltag50 <body>}{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Hello{\*\htmltag84 &nbsp;}\htmlrtf \'a0\htmlrtf0 there\htmlrtf\par}\htmlrtf0{\*\htmltag72 </p>}{\*\htmltag64 <p>}Bye{\*\htmltag72 </p>}{\*\htmltag58 </body>}}";
    let mut writer = Writer::new();
    writer.message(&[variable(0x102, property::RTF_COMPRESSED, &plain_rtf(rtf))]);
    let view = read(&mail("", "", &writer.0));
    assert_eq!(view.text.replace('\u{a0}', " "), "Hello there\n\nBye");
    let deep = format!("{{\\rtf1 {}", "{".repeat(100_000));
    let mut writer = Writer::new();
    writer.message(&[variable(0x102, property::RTF_COMPRESSED, &plain_rtf(&deep))]);
    assert!(
        read(&mail("", "", &writer.0))
            .problems
            .iter()
            .any(|p| p.detail.contains("deep"))
    );
}

#[test]
fn html_is_read_in_the_charset_of_the_message() {
    let mut writer = Writer::new();
    let html = b"<p>Gr\xc3\xbc\xc3\x9fe</p>";
    writer.message(&[
        long(property::INTERNET_CODEPAGE, 65001),
        variable(0x102, property::HTML, html),
    ]);
    assert_eq!(read(&mail("", "", &writer.0)).text, "Grüße");
}
