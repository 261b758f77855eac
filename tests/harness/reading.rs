//! What reading a message finds, beside what a person wrote down: `tests/fixtures/reading`.
//!
//! Each `NAME.eml` has its `NAME.txt`: lines `key: value`, and for replies a blank line and the
//! text that the sender newly wrote.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use liaison_core::mail::{MessageView, ParseLimits, parse_message};

/// One fixture.
#[derive(Debug)]
pub struct Case {
    /// Name of the file without its ending.
    pub name: String,
    fields: Vec<(String, String)>,
    text: String,
    view: MessageView,
}

impl Case {
    fn all(&self, key: &'static str) -> impl Iterator<Item = &str> {
        let of_key = self.fields.iter().filter(move |(name, _)| name == key);
        of_key.map(|(_, value)| value.as_str())
    }

    fn field(&self, key: &'static str) -> &str {
        self.all(key).next().unwrap_or_default()
    }
}

/// The fixtures of a folder (`reply`, `class`, `bounce`), by name.
///
/// # Panics
/// When a file is missing: a fixture without its expectation proves nothing.
#[must_use]
pub fn cases(kind: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reading");
    cases_in(&folder.join(kind))
}

/// The same for any folder.
///
/// # Panics
/// As [`cases`].
#[must_use]
pub fn cases_in(folder: &Path) -> Vec<Case> {
    let entries = fs::read_dir(folder).expect("the fixtures are there");
    let paths = entries.map(|entry| entry.expect("a fixture").path());
    let mut mails: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "eml"))
        .collect();
    mails.sort();
    let mails = mails.iter().map(|path| {
        let bytes = fs::read(path).expect("a fixture");
        let told = fs::read_to_string(path.with_extension("txt"));
        let told = told.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (head, text) = told.split_once("\n\n").unwrap_or((&told, ""));
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        let name = path.file_stem().unwrap_or_default();
        Case {
            name: name.to_string_lossy().into_owned(),
            fields: fields.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            text: text.trim().to_owned(),
            view: parse_message(&bytes, &ParseLimits::default()),
        }
    });
    mails.collect()
}

/// How many of what was counted were right, and what was wrong with the others.
#[derive(Debug, Default)]
pub struct Table {
    /// Name of the column to the number right and the number of all, by row.
    rows: BTreeMap<String, Row>,
    /// One line per fixture that is not wholly right.
    pub failures: Vec<String>,
    /// Fixtures.
    pub cases: usize,
    /// Those that are wholly right.
    pub exact: usize,
    /// Replies of which some text was lost.
    pub lost: usize,
    /// Replies with text that is not theirs.
    pub kept: usize,
}

#[derive(Debug, Default, Clone, Copy)]
struct Row {
    cases: usize,
    exact: usize,
    lost: usize,
    kept: usize,
}

impl Table {
    fn count(&mut self, case: &Case, (lost, kept): (bool, bool), wrong: &[String]) {
        let exact = wrong.is_empty();
        let rows = [
            format!("program  {}", case.field("program")),
            format!("language {}", case.field("language")),
        ];
        for name in rows {
            let row = self.rows.entry(name).or_default();
            row.cases += 1;
            row.exact += usize::from(exact);
            row.lost += usize::from(lost);
            row.kept += usize::from(kept);
        }
        self.cases += 1;
        self.exact += usize::from(exact);
        self.lost += usize::from(lost);
        self.kept += usize::from(kept);
        if !exact {
            let line = format!("{}: {}", case.name, wrong.join("; "));
            self.failures.push(line);
        }
    }

    /// The table and the list of failures, as text.
    #[must_use]
    pub fn text(&self, title: &str, (third, fourth): (&str, &str)) -> String {
        let mut out = format!(
            "{title}: {} of {} right\n{:28}{:>7}{:>7}{third:>14}{fourth:>14}\n",
            self.exact, self.cases, "", "cases", "right"
        );
        for (name, row) in &self.rows {
            let Row {
                cases,
                exact,
                lost,
                kept,
            } = row;
            // Writing to a string never fails.
            let _ = writeln!(out, "{name:28}{cases:>7}{exact:>7}{lost:>14}{kept:>14}");
        }
        let (lost, kept) = (self.lost, self.kept);
        let _ = writeln!(
            out,
            "{:28}{:>7}{:>7}{lost:>14}{kept:>14}",
            "all", self.cases, self.exact
        );
        for failure in &self.failures {
            let _ = writeln!(out, "  wrong: {failure}");
        }
        out
    }
}

/// Lines of a text that say something, as they are compared.
fn said(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.join(" ")
    });
    lines.filter(|line| !line.is_empty()).collect()
}

/// Whether the reply is found: exactly, with text lost, with quote or signature kept.
#[must_use]
pub fn replies(cases: &[Case]) -> Table {
    let mut table = Table::default();
    for case in cases {
        let (wanted, got) = (said(&case.text), said(&case.view.body.reply));
        let lost: Vec<&String> = wanted.iter().filter(|line| !got.contains(line)).collect();
        let kept: Vec<&String> = got.iter().filter(|line| !wanted.contains(line)).collect();
        let mut wrong = Vec::new();
        if let Some(line) = lost.first() {
            wrong.push(format!("lost `{line}`"));
        }
        if let Some(line) = kept.first() {
            wrong.push(format!("kept `{line}`"));
        }
        if wrong.is_empty() && wanted != got {
            wrong.push("in another order".to_owned());
        }
        table.count(case, (!lost.is_empty(), !kept.is_empty()), &wrong);
    }
    table
}

/// Whether the class is right, and for absences the day of return and whether the person left.
#[must_use]
pub fn classes(cases: &[Case]) -> Table {
    let mut table = Table::default();
    for case in cases {
        let class = &case.view.class;
        let mut wrong = Vec::new();
        let (wanted, got) = (case.field("class"), class.class.as_str());
        if wanted != got {
            let why = class.evidence.first().map_or("no evidence", String::as_str);
            wrong.push(format!("{got} instead of {wanted} ({why})"));
        }
        let absence = class.out_of_office.clone().unwrap_or_default();
        let returns = absence.returns_on.as_deref().unwrap_or_default();
        let day = returns != case.field("returns");
        if day {
            let wanted = case.field("returns");
            wrong.push(format!("returns `{returns}` instead of `{wanted}`"));
        }
        if absence.left_company != (case.field("left") == "yes") {
            wrong.push(format!("left: {}", absence.left_company));
        }
        table.count(case, (wanted != got, day), &wrong);
    }
    table
}

/// Wanted class to class found, with how often.
#[must_use]
pub fn confusion(cases: &[Case]) -> String {
    let mut pairs: BTreeMap<(String, String), usize> = BTreeMap::new();
    for case in cases {
        let pair = (
            case.field("class").to_owned(),
            case.view.class.class.as_str().to_owned(),
        );
        *pairs.entry(pair).or_default() += 1;
    }
    let mut out = String::from("class by class (wanted, found, how often)\n");
    for ((wanted, found), count) in pairs {
        let mark = if wanted == found { "" } else { "  wrong" };
        let _ = writeln!(out, "  {wanted:16}{found:16}{count:>5}{mark}");
    }
    out
}

/// Whether a delivery report is seen as one, with its kind, its recipients and the mail it is about.
#[must_use]
pub fn bounces(cases: &[Case]) -> Table {
    let mut table = Table::default();
    for case in cases {
        let Some(report) = &case.view.class.bounce else {
            let class = case.view.class.class;
            table.count(case, (true, true), &[format!("{class}, no report")]);
            continue;
        };
        let mut wrong = Vec::new();
        let word = |kind| match kind {
            liaison_core::mail::BounceKind::Hard => "hard",
            liaison_core::mail::BounceKind::Soft => "soft",
            liaison_core::mail::BounceKind::Other => "other",
        };
        if word(report.kind) != case.field("kind") {
            wrong.push(format!(
                "{} instead of {}",
                word(report.kind),
                case.field("kind")
            ));
        }
        let wanted: Vec<&str> = case.all("recipient").collect();
        let found = report.recipients.iter().map(|one| {
            let who = one.recipient.as_ref().map(ToString::to_string);
            let line = [who.unwrap_or_default(), word(one.kind).to_owned()];
            let status = one.status.iter().cloned();
            line.into_iter().chain(status).collect::<Vec<_>>().join(" ")
        });
        let found: Vec<String> = found.collect();
        let people = wanted != found;
        if people {
            wrong.push(format!("recipients {found:?} instead of {wanted:?}"));
        }
        let original = report.original_message_id.as_deref().unwrap_or_default();
        let link = original != case.field("original");
        if link {
            wrong.push(format!("original `{original}`"));
        }
        table.count(case, (people, link), &wrong);
    }
    table
}
