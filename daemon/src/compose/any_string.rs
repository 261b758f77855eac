//! Any string in any field: what two parsers read is what was meant, and nothing besides.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use liaison_core::mail::address::Address;
use liaison_core::mail::{MessageView, NamedAddress};
use liaison_core::message::{Person, SUBJECT_CHARS_MAX, cut_text};
use serde::Deserialize;

use super::*;
use crate::delivery::tests::world;

/// Debian's Python, as the real peers of the suites use it.
const PYTHON: &str = "/usr/bin/python3";
const SECOND_PARSER: &str = include_str!("any_string.py");
const NOW: Timestamp = Timestamp(1_772_445_600_000);
const CASES: u32 = 600;
const SEED: u64 = 0x11a1_50e5_2026_1123;

/// What is in a field of a liar, of a careless person, or of somebody far away.
const PIECES: [&str; 40] = [
    "\r\nBcc: evil@example.org\r\n",
    "\nX-Evil: yes",
    "\r\rTo: evil@example.org",
    "\r\n\r\nbody",
    "\0",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "\u{feff}",
    "\u{200b}",
    "\t",
    "  ",
    " ",
    "\"",
    "\\",
    "\\\"",
    ",",
    ";",
    ":",
    "<",
    ">",
    "@",
    "(",
    ")",
    "=?utf-8?q?Bcc:_evil@example.org?=",
    "=?utf-8?b?DQpCY2M6IGV2aWxAZXhhbXBsZS5vcmc=?=",
    "=?",
    "?=",
    "evil@example.org",
    "<evil@example.org>,",
    "Gr\u{fc}\u{df}e",
    "\u{65e5}\u{672c}\u{8a9e}",
    "\u{1f4e8}",
    "e\u{301}",
    "From ",
    ".",
    "--",
    "-- \n",
    "> quoted",
    "\u{7f}",
];

struct Chance(u64);

impl Chance {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % count
    }

    fn string(&mut self) -> String {
        let mut out = String::new();
        for _ in 0..self.below(9) {
            match self.below(4) {
                0 => out.push_str(&"word ".repeat(self.below(30))),
                1 => {
                    out.extend((0..self.below(90)).map(|_| char::from(b'a' + self.below(26) as u8)))
                }
                2 => out.extend(char::from_u32(self.below(0x11_0000) as u32)),
                _ => out.push_str(PIECES[self.below(PIECES.len())]),
            }
        }
        out
    }

    fn maybe(&mut self) -> Option<String> {
        (self.below(3) > 0).then(|| self.string())
    }

    /// As long as names are kept.
    fn name(&mut self) -> String {
        cut_text(&self.string(), 200)
    }

    /// An address as the rules hand it on: parsed once, or no address at all.
    fn address(&mut self) -> String {
        let text = match self.below(10) {
            0..=3 => return "bob@example.net".to_owned(),
            4 => self.string(),
            5 => format!("{}@b\u{fc}ro.example", self.string()),
            _ => {
                let odd = [
                    "o'neil",
                    "a+b",
                    "\"a b\"",
                    "\"a\\\"b\"",
                    "gr\u{fc}n",
                    "x=y",
                    "{a}",
                    "-",
                    "a..b",
                ];
                format!("{}@example.net", odd[self.below(odd.len())])
            }
        };
        Address::parse(&text).map_or(text, |address| address.key())
    }

    fn id(&mut self) -> String {
        match self.below(3) {
            0 => self.string(),
            1 => format!("{}@example.net", "x".repeat(self.below(600))),
            _ => format!("{}@example.net", self.below(10_000)),
        }
    }
}

struct Case {
    office: Office,
    plan: MailPlan,
}

fn case(chance: &mut Chance) -> Case {
    let mut office = world::office();
    for person in office.people.values_mut() {
        person.user.name = chance.name();
        person.signature = chance.maybe();
    }
    office.signature = chance.maybe();
    office.html = chance.below(2) == 0;
    if chance.below(2) == 0 {
        for mailbox in office.mailboxes.values_mut() {
            mailbox.reply_to = Some("team@example.com".to_owned());
        }
    }
    let mut effect = world::mail("one", "", NOW);
    effect.recipient = chance.address();
    effect.subject_line = cut_text(&chance.string(), SUBJECT_CHARS_MAX);
    if chance.below(2) == 0 {
        effect.mode = MailMode::Approve;
    }
    let content = match chance.below(2) {
        0 => Content::Text(chance.string()),
        _ => Content::Template {
            name: "offer".to_owned(),
            variables: serde_json::json!({ "name": chance.string() }).to_string(),
        },
    };
    let answers = (chance.below(2) == 0).then(|| {
        let mut message = crate::api::tests::message("answered", "human");
        message.content = String::new();
        message.message_id = Some(chance.id());
        message.references = (0..chance.below(10)).map(|_| chance.id()).collect();
        message.from = Some(Person {
            name: chance.maybe(),
            email: chance.address(),
        });
        message
    });
    let attach = match chance.below(3) {
        0 => vec!["plain".to_owned(), "odd".to_owned()],
        _ => Vec::new(),
    };
    let plan = MailPlan {
        effect,
        recipient_name: (chance.below(3) > 0).then(|| chance.name()),
        content,
        attach,
        answers,
        is_reply: chance.below(2) == 0,
    };
    Case { office, plan }
}

/// What the second parser read.
#[derive(Debug, Deserialize)]
struct Seen {
    names: Vec<String>,
    from: Vec<(String, String)>,
    to: Vec<(String, String)>,
    reply_to: Vec<(String, String)>,
    subject: String,
    message_id: String,
    in_reply_to: Vec<String>,
    references: Vec<String>,
    date: f64,
    text: String,
    html: Option<String>,
    files: Vec<String>,
}

fn second_parser(mails: &[Bytes]) -> Vec<Seen> {
    let mut child = Command::new(PYTHON)
        .args(["-I", "-c", SECOND_PARSER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> = mails.iter().map(|mail| STANDARD.encode(mail)).collect();
    let mut stdin = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || stdin.write_all(lines.join("\n").as_bytes()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Fields that a mail has once, and fields that it may have once.
const ALWAYS: [&str; 8] = [
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "x-liaison-id",
    "mime-version",
    "content-type",
];
const SOMETIMES: [&str; 6] = [
    "reply-to",
    "content-transfer-encoding",
    "in-reply-to",
    "references",
    "auto-submitted",
    "x-auto-response-suppress",
];

fn named(name: Option<&str>, address: &str) -> Vec<(String, String)> {
    let name = name.map(|name| clean_text(&clean_text(name).replace("=?", "= ?")));
    vec![(name.unwrap_or_default(), address.to_owned())]
}

#[tokio::test]
async fn whatever_the_fields_say_two_parsers_read_what_was_meant() {
    println!("seed {SEED:#x}");
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("attachments");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        dir.path().join("offer.txt"),
        "Hello {{ name }},\n{{ name }}\n",
    )
    .unwrap();
    fs::write(folder.join("plain.pdf"), [0, 1, 2, 255]).unwrap();
    fs::write(folder.join("odd.t\u{fc}r\"\r\nX-Evil: yes"), b"x").unwrap();
    let templates = Templates::new(Some(dir.path()), None);
    let world = world::World::new();

    let mut chance = Chance(SEED);
    let (mut cases, mut mails, mut refused) = (Vec::new(), Vec::new(), 0_u32);
    for _ in 0..CASES {
        let case = case(&mut chance);
        match compose(&case.plan, &world.books, &case.office, &templates, NOW).await {
            Ok(bytes) => {
                cases.push(case);
                mails.push(bytes);
            }
            // Refused with words that name it, never written in another way.
            Err(ComposeError::Address { address, .. }) => {
                assert_eq!(address, case.plan.effect.recipient);
                assert_ne!(address, "bob@example.net");
                refused += 1;
            }
            Err(error) => panic!("{error}: {:?}", case.plan),
        }
    }
    assert!(
        mails.len() > refused as usize && refused > 0,
        "{refused} are no addresses"
    );
    let seen = second_parser(&mails);
    assert_eq!(seen.len(), mails.len());
    for ((case, bytes), seen) in cases.iter().zip(&mails).zip(seen) {
        let ours = crate::reader::read(bytes.clone()).await.unwrap();
        agree(case, bytes, (&seen, &ours), &templates);
    }
}

fn agree(case: &Case, bytes: &Bytes, (seen, ours): (&Seen, &MessageView), templates: &Templates) {
    let raw = String::from_utf8_lossy(bytes);
    let plan = &case.plan;
    let mut count = BTreeMap::new();
    for name in &seen.names {
        *count.entry(name.as_str()).or_insert(0) += 1;
    }
    assert!(
        ALWAYS.iter().all(|name| count.remove(name) == Some(1)),
        "{raw}"
    );
    assert!(
        SOMETIMES
            .iter()
            .all(|name| count.remove(name).unwrap_or(1) == 1),
        "{raw}"
    );
    assert!(count.is_empty(), "{count:?}\n{raw}");

    let from = case.office.people[&plan.effect.from].user.name.as_str();
    let subject = clean_text(&plan.effect.subject_line);
    let safe = |id: &String| is_safe_id(id);
    let mut references: Vec<String> = Vec::new();
    let mut in_reply_to = Vec::new();
    if let Some(answered) = &plan.answers
        && let Some(id) = answered.message_id.clone().filter(safe)
    {
        let older = answered
            .references
            .iter()
            .filter(|one| safe(one) && **one != id);
        references.extend(older.cloned());
        references.push(id.clone());
        in_reply_to.push(id);
    }
    let bracketed = |ids: &[String]| ids.iter().map(|id| format!("<{id}>")).collect::<Vec<_>>();
    assert_eq!(seen.from, named(Some(from), &plan.effect.from), "{raw}");
    assert_eq!(
        seen.to,
        named(plan.recipient_name.as_deref(), &plan.effect.recipient),
        "{raw}"
    );
    let configured = case.office.mailboxes.values().next().unwrap();
    let configured = configured.reply_to.iter();
    let configured: Vec<_> = configured.map(|to| (String::new(), to.clone())).collect();
    assert_eq!(seen.reply_to, configured, "{raw}");
    assert_eq!(seen.subject, subject, "{raw}");
    assert_eq!(seen.message_id, format!("<{}>", plan.effect.message_id));
    assert_eq!(seen.in_reply_to, bracketed(&in_reply_to), "{raw}");
    assert_eq!(seen.references, bracketed(&references), "{raw}");
    assert_eq!(seen.date as i64 * 1_000, NOW.0);
    let text = match &plan.content {
        Content::Text(text) => text.clone(),
        Content::Template { name, variables } => templates.render(name, variables, "UTC").unwrap(),
    };
    let whole = with_signature(&text, signature(plan, &case.office));
    let meant = flow(&whole).replace("\r\n", "\n");
    assert_eq!(seen.text.trim_end(), meant.trim_end(), "{raw}");
    // The HTML form says the same, and has no markup but ours.
    let letters = |text: &str| -> String {
        text.chars()
            .filter(|c| !c.is_whitespace() && *c != '>')
            .collect()
    };
    let html = seen.html.as_deref().map(letters);
    assert_eq!(
        html,
        case.office.html.then(|| letters(&without_controls(&whole))),
        "{raw}"
    );
    let files: &[&str] = match plan.attach.is_empty() {
        true => &[],
        false => &["plain.pdf", "odd.t\u{fc}r\" X-Evil: yes"],
    };
    assert_eq!(seen.files, files, "{raw}");

    assert_eq!(ours.problems, Vec::new(), "{raw}");
    let people = |people: &[NamedAddress]| {
        let of = |one: &liaison_core::mail::NamedAddress| {
            (
                one.name.clone().unwrap_or_default(),
                one.address.to_string(),
            )
        };
        people.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(people(&ours.from), seen.from, "{raw}");
    assert_eq!(people(&ours.to), seen.to, "{raw}");
    assert_eq!(people(&ours.reply_to), seen.reply_to, "{raw}");
    assert!(ours.cc.is_empty() && ours.bcc.is_empty(), "{raw}");
    assert_eq!(ours.subject, subject, "{raw}");
    assert_eq!(
        ours.message_id.as_deref(),
        Some(plan.effect.message_id.as_str())
    );
    assert_eq!(
        (&ours.in_reply_to, &ours.references),
        (&in_reply_to, &references),
        "{raw}"
    );
}
