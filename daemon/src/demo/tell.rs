//! The account of what happens, for a reader who sees Liaison for the first time.
//!
//! It is read from the answers of `liaison why` and the lists, and says less: one line for what one
//! plugin proposed of one kind. Plain text, at most [`COLUMNS`] wide.
#![expect(
    clippy::indexing_slicing,
    reason = "a JSON value answers null for a key that it does not have"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use liaison_core::mail::{ParseLimits, clean_text, parse_message};
use liaison_core::message::{MessageRecord, cut_text};
use liaison_core::time::Timestamp;
use serde_json::{Value, json};

use super::DemoError;
use super::samples::{DRAFTS, OUTGOING};
use super::stage::Stage;
use crate::cli::wording::with_instants;
use crate::config::Config;
use crate::store::Ns;

/// Widest line, in characters. Paths and commands are never cut.
const COLUMNS: usize = 100;
/// Column at which the text of a field begins.
const INDENT: usize = 16;
/// Most lines of one field: `liaison why` has the rest.
const FIELD_LINES_MAX: usize = 2;
/// Longest head of a scene, in characters: the time stands before it.
const HEAD_CHARS_MAX: usize = COLUMNS - 18;
/// Longest mark of a machine that is quoted, in characters: it shares its line with a Message-ID.
const EVIDENCE_CHARS_MAX: usize = 38;
/// Most lines of a warning.
const WARNING_LINES_MAX: usize = 4;

/// Writes the account.
pub(super) struct Tell<'a> {
    out: &'a mut dyn Write,
    dir: PathBuf,
    zone: TimeZone,
    /// What was told already: a thread brings its older effects along.
    told: BTreeSet<String>,
}

impl<'a> Tell<'a> {
    pub(super) fn new(out: &'a mut dyn Write, dir: &Path, zone: TimeZone) -> Tell<'a> {
        Tell {
            out,
            dir: dir.to_owned(),
            zone,
            told: BTreeSet::new(),
        }
    }

    /// One line as it is.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", text.trim_end())?;
        self.out.flush()
    }

    /// A label with its text, broken between words and cut.
    fn field(&mut self, label: &str, text: &str) -> io::Result<()> {
        self.lines(label, text, FIELD_LINES_MAX)
    }

    fn lines(&mut self, label: &str, text: &str, most: usize) -> io::Result<()> {
        let text = with_instants(text, |at| self.moment(at));
        for (n, line) in broken(&text, most).iter().enumerate() {
            let label = if n == 0 { label } else { "" };
            self.line(&format!("  {label:<width$}{line}", width = INDENT - 2))?;
        }
        Ok(())
    }

    pub(super) fn opening(&mut self, config: &Config) -> io::Result<()> {
        let firm = &config.firm;
        self.line(&format!(
            "Liaison demo: {}, {} people, times in {}. Nothing leaves this machine.",
            firm.name,
            config.users.len(),
            firm.zone
        ))?;
        self.field("folder", &self.dir.display().to_string())?;
        let modes = config
            .plugins
            .iter()
            .map(|plugin| format!("{} {}", plugin.name, plugin.modes.mail.as_str()));
        let modes = modes.collect::<Vec<_>>().join(", ");
        self.field("plugins", &format!("{modes} (mode of mail)"))
    }

    /// What is counted before the story begins.
    pub(super) fn note(&mut self, label: &str, text: &str) -> io::Result<()> {
        self.field(label, text)
    }

    /// Time passes.
    pub(super) fn jump(&mut self, words: &str) -> io::Result<()> {
        self.line("")?;
        let rule = COLUMNS.saturating_sub(words.chars().count() + 6);
        self.line(&format!("---- {words} {}", "-".repeat(rule)))
    }

    /// The head of a scene.
    pub(super) fn scene(&mut self, at: Timestamp, words: &str) -> io::Result<()> {
        self.line("")?;
        let at = self.moment(at);
        self.line(&cut_text(&format!("{at}  {words}"), COLUMNS - 1))
    }

    /// A message from outside: who wrote what, what was seen, decided, and where it lies.
    pub(super) async fn arrival(&mut self, stage: &Stage, id: &str) -> Result<(), DemoError> {
        let why = stage.ask("why", json!({ "id": id })).await?;
        let (name, email) = (
            text(&why, "/message/from/name"),
            text(&why, "/message/from/email"),
        );
        let subject = text(&why, "/message/subject");
        let head = format!("{name} <{email}>: \"{subject}\"");
        if head.chars().count() <= HEAD_CHARS_MAX {
            self.scene(stage.now(), &head)?;
        } else {
            self.scene(stage.now(), &format!("{name} <{email}>"))?;
            self.field("subject", &subject)?;
        }
        self.field("seen as", &seen(&why))?;
        self.decided(&why)?;
        self.results(stage, &why)
    }

    /// What plugins proposed and what was decided, of all events that were not told yet.
    pub(super) fn decided(&mut self, why: &Value) -> Result<(), DemoError> {
        self.decided_in(why, FIELD_LINES_MAX)
    }

    /// The same, one line each.
    pub(super) fn decided_briefly(&mut self, why: &Value) -> Result<(), DemoError> {
        self.decided_in(why, 1)
    }

    fn decided_in(&mut self, why: &Value, most: usize) -> Result<(), DemoError> {
        let mut said = false;
        for event in items(why, "/events") {
            if !self.told.insert(format!("event {}", event["seq"])) {
                continue;
            }
            for plugin in items(event, "/plugins") {
                let mut label = text(plugin, "/plugin");
                for words in verdicts(plugin) {
                    self.lines(&label, &words, most)?;
                    label = String::new();
                    said = true;
                }
            }
        }
        if let (false, Some(nothing)) = (said, why["nothing"].as_str()) {
            self.field("nothing done", &format!("because {nothing}"))?;
        }
        Ok(())
    }

    /// What came of it, and where it lies.
    pub(super) fn results(&mut self, stage: &Stage, why: &Value) -> Result<(), DemoError> {
        for hold in items(why, "/holds") {
            if self.is_news(hold) {
                let span = format!(
                    "{}-{}",
                    self.moment_in(hold, "/start"),
                    self.clock_in(hold, "/end")
                );
                let (calendar, href) = (text(hold, "/calendar"), text(hold, "/href"));
                self.field("=> hold", &format!("{span}, {}", text(hold, "/state")))?;
                self.path(&format!("calendars/{calendar}/{href}"))?;
            }
        }
        for mail in items(why, "/mails") {
            if self.is_news(mail) {
                let (state, to) = (text(mail, "/state"), text(mail, "/recipient"));
                let state = match state.as_str() {
                    "held" => "waits for approval".to_owned(),
                    "drafted" => "lies in Alice's Drafts".to_owned(),
                    _ => text(mail, "/state_text"),
                };
                let words = format!("{state}: \"{}\" to {to}", text(mail, "/subject"));
                self.field("=> mail", &words)?;
                for folder in [DRAFTS, OUTGOING] {
                    if let Some(file) = stage.file_of(folder, &text(mail, "/message_id"))? {
                        let bytes = std::fs::read(stage.dir.join(&file))?;
                        self.path(&file.display().to_string())?;
                        self.path(&format!("({})", file_words(&bytes)))?;
                    }
                }
            }
        }
        let records: Vec<&Value> = items(why, "/records")
            .iter()
            .filter(|r| self.is_news(r))
            .collect();
        for warning in records.iter().filter(|record| record["urgent"] == true) {
            self.lines("!! warning", &text(warning, "/body"), WARNING_LINES_MAX)?;
        }
        if !records.is_empty() {
            let words: Vec<String> = records.into_iter().map(record_words).collect();
            self.field("=> records", &words.join(", "))?;
        }
        Ok(())
    }

    fn path(&mut self, path: &str) -> io::Result<()> {
        self.line(&format!("{:INDENT$}{path}", ""))
    }

    fn is_news(&mut self, row: &Value) -> bool {
        self.told
            .insert(format!("{} {}", text(row, "/id"), row["state"]))
    }

    pub(super) fn moment(&self, at: Timestamp) -> String {
        at.to_jiff()
            .to_zoned(self.zone.clone())
            .strftime("%a %d %b %H:%M")
            .to_string()
    }

    fn moment_in(&self, row: &Value, pointer: &str) -> String {
        let at = text(row, pointer).parse::<Timestamp>();
        at.map_or_else(|_| "?".to_owned(), |at| self.moment(at))
    }

    fn clock_in(&self, row: &Value, pointer: &str) -> String {
        let moment = self.moment_in(row, pointer);
        moment.rsplit(' ').next().unwrap_or_default().to_owned()
    }

    /// The numbers at the end.
    pub(super) async fn summary(&mut self, stage: &Stage) -> Result<(), DemoError> {
        let status = stage.ask("status", json!({})).await?;
        let cases = stage.ask("cases-list", json!({})).await?;
        let messages: Vec<MessageRecord> = stage.api.books.all(Ns::Message).await?;
        let history = messages.iter().filter(|message| message.historical).count();
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for case in items(&cases, "/cases") {
            *kinds.entry(text(case, "/kind")).or_default() += 1;
        }
        let kinds: Vec<String> = kinds
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let (known, open) = (&status["events"]["known"], &status["events"]["open"]);
        self.jump(&format!("now ({})", self.moment(stage.now())))?;
        self.field(
            "messages",
            &format!("{} recorded, {history} of them history", messages.len()),
        )?;
        self.field(
            "outcomes",
            &format!("{known} events, each with one outcome; {open} open"),
        )?;
        self.field("mails", &counted(&status["mails"]))?;
        self.field("holds", &counted(&status["holds"]))?;
        self.field("cases", &kinds.join(", "))?;
        let (tasks, timers) = (&status["tasks"], &status["timers"]);
        self.field(
            "tasks",
            &format!("{} open, {} of them urgent", tasks["open"], tasks["urgent"]),
        )?;
        let next = self.moment_in(timers, "/next");
        self.field(
            "timers",
            &format!("{} waiting, the next on {next}", timers["waiting"]),
        )?;
        Ok(())
    }
}

/// What the program saw in a message.
fn seen(why: &Value) -> String {
    let (class, matched) = (text(why, "/message/class"), &why["match"]);
    let mut words = match class.as_str() {
        "human" => "human mail".to_owned(),
        class => format!("{class} mail ({})", text(why, "/message/class_evidence/0")),
    };
    if class == "human" {
        let _ = write!(
            words,
            ", authenticity {}",
            text(why, "/message/authenticity")
        );
    }
    match matched["account"]["name"].as_str() {
        Some(name) => {
            let _ = write!(
                words,
                "; account {}, {} %",
                clean_text(name),
                matched["confidence"]
            );
        }
        None => words.push_str("; nobody on file"),
    }
    // That neither address nor domain is known is said by then.
    let evidence: Vec<String> = items(matched, "/evidence")
        .iter()
        .filter(|evidence| evidence["kind"] != "automatic" && evidence["kind"] != "unknown")
        .map(|evidence| text(evidence, "/text"))
        .collect();
    if !evidence.is_empty() {
        let _ = write!(words, ": {}", evidence.join("; "));
    }
    words
}

/// What only keeps order, told in one line after the rest.
const QUIET: [&str; 3] = ["notify", "tag-message", "set-timer"];

/// One line for all proposals of a plugin of the same kind that were decided alike.
fn verdicts(plugin: &Value) -> Vec<String> {
    let mut groups: Vec<(String, String, String, usize)> = Vec::new();
    for verdict in items(plugin, "/verdicts") {
        let (kind, result) = (text(verdict, "/kind"), text(verdict, "/result"));
        let known = groups
            .iter_mut()
            .find(|group| group.0 == kind && group.1 == result);
        match known {
            Some(group) => group.3 += 1,
            None => groups.push((kind, result, reasons(verdict), 1)),
        }
    }
    let is_quiet = |kind: &str, result: &str| QUIET.contains(&kind) && result == "applied";
    let only_quiet = groups
        .iter()
        .all(|(kind, result, ..)| is_quiet(kind, result));
    let (mut lines, mut quiet) = (Vec::<(String, String)>::new(), Vec::new());
    for (kind, result, why, count) in groups {
        let mut head = kind.clone();
        if count > 1 {
            let _ = write!(head, " x{count}");
        }
        if !matches!(result.as_str(), "applied" | "effect") {
            let _ = write!(head, " {result}");
        }
        if is_quiet(&kind, &result) && !only_quiet {
            quiet.push(head);
        } else {
            match lines.last_mut() {
                Some((heads, reason)) if *reason == why => {
                    let _ = write!(heads, ", {head}");
                }
                _ => lines.push((head, why)),
            }
        }
    }
    let said = |(heads, reason): (String, String)| format!("{heads}: {reason}");
    let mut lines: Vec<String> = lines.into_iter().map(said).collect();
    if !quiet.is_empty() {
        lines.push(format!("also {}", quiet.join(", ")));
    }
    if let Some(why) = plugin["why"].as_str() {
        lines.push(format!("{}: {}", text(plugin, "/end"), clean_text(why)));
    }
    lines
}

/// The decisive reason comes first where something was not done as proposed.
fn reasons(verdict: &Value) -> String {
    let all = items(verdict, "/reasons");
    let mut words: Vec<String> = all
        .iter()
        .filter_map(Value::as_str)
        .map(clean_text)
        .collect();
    if matches!(verdict["result"].as_str(), Some("refused" | "deferred")) {
        words.reverse();
    }
    words.join("; ")
}

/// What a mail of ours carries that a reader cannot see from its subject.
fn file_words(bytes: &[u8]) -> String {
    let view = parse_message(bytes, &ParseLimits::default());
    let mut words = Vec::new();
    if let Some(answered) = view.in_reply_to.first() {
        words.push(format!("In-Reply-To: <{}>", clean_text(answered)));
    }
    if view.class.class.is_automatic() {
        let evidence = &view.class.evidence;
        let marked = evidence
            .iter()
            .find(|mark| mark.starts_with("Auto-Submitted"));
        let told = marked.or(evidence.first());
        words.extend(told.map(|mark| cut_text(mark, EVIDENCE_CHARS_MAX)));
    }
    let names = view
        .attachments
        .iter()
        .filter_map(|part| part.filename.as_deref());
    words.extend(names.map(|name| format!("attached: {}", clean_text(name))));
    words.join(", ")
}

fn record_words(record: &Value) -> String {
    let title = text(record, "/title");
    match (
        record["record"].as_str(),
        record["notification"].as_bool(),
        record["urgent"].as_bool(),
    ) {
        (Some("case"), ..) => {
            format!(
                "{} case \"{}\"",
                text(record, "/kind"),
                text(record, "/state")
            )
        }
        (_, Some(true), Some(true)) => format!("urgent note to {}", text(record, "/owner")),
        (_, Some(true), _) => format!("note to {}", text(record, "/owner")),
        _ => format!("task \"{title}\""),
    }
}

fn counted(states: &Value) -> String {
    let states = states.as_object();
    let words = states
        .into_iter()
        .flatten()
        .map(|(state, count)| format!("{count} {state}"));
    words.collect::<Vec<_>>().join(", ")
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(clean_text)
        .unwrap_or_default()
}

fn items<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// Broken between words into at most `most` lines; a cut is marked.
fn broken(text: &str, most: usize) -> Vec<String> {
    let room = COLUMNS - INDENT;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines.len() == most;
        let Some(line) = lines.last_mut() else { break };
        // Room for the mark of a cut in the last line.
        let limit = if full { room.saturating_sub(1) } else { room };
        let wider = line.chars().count() + 1 + word.chars().count();
        if line.is_empty() {
            line.push_str(word);
        } else if wider <= limit {
            line.push(' ');
            line.push_str(word);
        } else if full {
            line.push('…');
            break;
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
