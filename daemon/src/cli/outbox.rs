//! `liaison outbox edit`, and decisions on many mails at once: what takes more than one question to
//! the daemon. The editor runs here, as the caller; the daemon gets only text.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, IsTerminal, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use liaison_core::diff::unified;
use liaison_core::outbox::words::Words;
use serde_json::{Value, json};

use super::access::ask;
use super::args::{Decision, Edit, Outbox};
use super::display::{at, items, safe, safe_lines, table, wrapped};
use super::wording::Wording;
use super::{ATTENTION, Done, FAILURE, Failure, USAGE, read_file};

/// The editor where neither `$VISUAL` nor `$EDITOR` names one.
const EDITOR: &str = "vi";
/// Longest answer to a question, in bytes.
const ANSWER_BYTES_MAX: u64 = 100;

/// A decision on one mail.
pub(super) fn one(on: &Decision) -> Value {
    json!({ "id": on.id, "why": on.why })
}

/// A decision on all mails that fit, and its word.
pub(super) fn many_of(command: &Outbox) -> Option<(&'static str, &Decision)> {
    let (way, decision) = match command {
        Outbox::Approve(decision) => ("approve", decision),
        Outbox::Reject(decision) => ("reject", decision),
        Outbox::Cancel(decision) => ("cancel", decision),
        _ => return None,
    };
    decision.id.is_none().then_some((way, decision))
}

/// Shows what fits, asks, and has each decided.
pub(super) async fn many(
    config: Option<&Path>,
    way: &str,
    wish: &Decision,
    as_json: bool,
) -> Result<Done, Failure> {
    let which = &wish.which;
    let arguments = json!({
        "way": way,
        "plugin": which.plugin,
        "rule": which.rule,
        "account": which.account,
        "older_than": which.older_than,
        "state": which.state,
        "all_held": which.all_held,
    });
    let (chosen, wording) = ask(config, "outbox-select", arguments).await?;
    let mails = items(&chosen, "/mails");
    if as_json && (wish.dry_run || mails.is_empty()) {
        return Ok(Done::json(&chosen));
    }
    if mails.is_empty() {
        let text = format!("No mail that can be {} fits.\n", done_word(way));
        return Ok(Done::text(text));
    }
    let mut shown = chosen_text(way, &wording.of(&chosen));
    if wish.dry_run {
        shown.push_str("Nothing was changed. To do it: the same command with --yes\n");
        return Ok(Done::text(shown));
    }
    if !wish.yes {
        confirm(&shown, &format!("{way} these {}?", mails.len()), as_json)?;
    }
    let ids: Vec<String> = mails.iter().map(|mail| text_of(mail, "/id")).collect();
    let arguments = json!({ "way": way, "ids": ids, "why": wish.why });
    let (answer, wording) = ask(config, "outbox-decide-many", arguments).await?;
    let code = match answer.get("refused").and_then(Value::as_u64) {
        Some(0) => 0,
        _ => ATTENTION,
    };
    if as_json {
        return Ok(Done::json(&answer).code(code));
    }
    let mut text = decided_text(&wording.of(&answer));
    if chosen.get("more") == Some(&json!(true)) {
        let left = at(&chosen, "/left");
        let _ = writeln!(
            text,
            "{left} more fit: the same command again goes on with them."
        );
    }
    Ok(Done::text(text).code(code))
}

fn done_word(way: &str) -> &str {
    match way {
        "approve" => "approved",
        "reject" => "rejected",
        _ => "called off",
    }
}

fn chosen_text(way: &str, chosen: &Value) -> String {
    let rows = items(chosen, "/mails");
    let mut out = table(
        rows,
        &[
            ("ID", "/id"),
            ("STATE", "/state"),
            ("SINCE", "/since"),
            ("TO", "/recipient"),
            ("SUBJECT", "/subject"),
        ],
    );
    let (count, shown) = (at(chosen, "/count"), rows.len());
    let _ = match chosen.get("more") == Some(&json!(true)) {
        true => writeln!(out, "To {way}: the oldest {shown} of {count} that fit"),
        false => writeln!(out, "To {way}: {count}"),
    };
    out
}

fn decided_text(answer: &Value) -> String {
    let mut out = String::new();
    for row in items(answer, "/mails") {
        let mark = match row.get("done") == Some(&json!(true)) {
            true => "done",
            false => "NOT DONE",
        };
        let line = format!("{mark}  {}: {}", at(row, "/id"), at(row, "/text"));
        out.push_str(&wrapped(&line, 0));
    }
    out.push_str(&wrapped(&at(answer, "/changed"), 0));
    out.push_str(&wrapped(&format!("Undo: {}", at(answer, "/undo")), 0));
    out
}

/// Asks on the terminal; anything but a yes ends the command with nothing changed.
fn confirm(shown: &str, question: &str, as_json: bool) -> Result<(), Failure> {
    can_be_asked(as_json)?;
    let asked = write!(io::stderr().lock(), "{shown}{question} [y/N] ");
    asked.map_err(|error| Failure::of(FAILURE, &error))?;
    let mut answer = String::new();
    let mut input = io::Read::take(io::stdin().lock(), ANSWER_BYTES_MAX);
    let read = input.read_line(&mut answer);
    read.map_err(|error| Failure::of(FAILURE, &error))?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(FAILURE, "no yes: nothing was changed")),
    }
}

fn can_be_asked(as_json: bool) -> Result<(), Failure> {
    if as_json || !io::stdin().is_terminal() {
        let why = "nobody can be asked here, so nothing was changed: say --yes";
        return Err(Failure::new(USAGE, why));
    }
    Ok(())
}

fn text_of(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// Where the words come from, and where they are when the change is refused.
enum Draft {
    /// A file of the caller, or the input.
    Given(PathBuf),
    /// A file of ours, which an editor changed.
    Edited(PathBuf),
}

impl Draft {
    fn path(&self) -> &Path {
        match self {
            Draft::Given(path) | Draft::Edited(path) => path,
        }
    }

    /// What is in it is with the daemon, or was not wanted.
    fn done(&self) {
        if let Draft::Edited(path) = self
            && let Err(error) = fs::remove_file(path)
        {
            tracing::debug!(file = %path.display(), %error, "not removed");
        }
    }
}

/// Changes the words of a mail.
pub(super) async fn edit(
    config: Option<&Path>,
    edit: &Edit,
    as_json: bool,
) -> Result<Done, Failure> {
    let (shown, wording) = ask(config, "outbox-show", json!({ "id": edit.id })).await?;
    let id = text_of(&shown, "/mail/id");
    if let Some(refused) = shown.pointer("/edit/refused").and_then(Value::as_str) {
        return Err(Failure::new(FAILURE, wording.sentence(refused)).word("not_now"));
    }
    let before = document(
        &text_of(&shown, "/edit/subject"),
        &text_of(&shown, "/edit/text"),
    );
    let draft = match &edit.file {
        Some(file) => Draft::Given(file.clone()),
        None => {
            // Before anybody writes what then could not be agreed to.
            if !edit.yes {
                can_be_asked(as_json)?;
            }
            Draft::Edited(edited(&id, &before)?)
        }
    };
    let sent = send(config, edit, (&id, &shown), (&before, &draft), as_json).await;
    match (sent, &draft) {
        (Ok(done), draft) => {
            draft.done();
            Ok(done)
        }
        (Err(failure), Draft::Edited(path)) => Err(kept(failure, &id, path, &wording)),
        (Err(failure), Draft::Given(_)) => Err(failure),
    }
}

/// The refusal, and where the words are that somebody took pains over.
fn kept(failure: Failure, id: &str, path: &Path, wording: &Wording) -> Failure {
    let file = super::shell_word(path.as_os_str());
    let command = wording.commands(&format!("`liaison outbox edit {id} --file {file}`"));
    Failure {
        message: format!(
            "{}\nWhat you wrote is kept in {file}; {command} takes it from there.",
            failure.message
        ),
        ..failure
    }
}

async fn send(
    config: Option<&Path>,
    edit: &Edit,
    (id, shown): (&str, &Value),
    (before, draft): (&str, &Draft),
    as_json: bool,
) -> Result<Done, Failure> {
    let bytes = read_file(draft.path())?;
    let words = String::from_utf8(bytes).ok().as_deref().and_then(words);
    let words = words.ok_or_else(|| {
        let why = "its first line must be `Subject: ...`, then an empty line, then the text, in \
                   UTF-8";
        Failure::new(USAGE, format!("{}: {why}", draft.path().display()))
    })?;
    let diff = unified(before, &document(&words.subject, &words.text));
    let diff = safe_lines(&diff, "");
    if diff.is_empty() {
        let nothing = "nothing: subject and text are as they were";
        return Ok(match as_json {
            true => Done::json(&json!({ "mail": shown.get("mail"), "changed": nothing })),
            false => Done::text("Nothing was changed.\n".to_owned()),
        });
    }
    // Before anybody is asked: what is refused anyway need not be agreed to.
    let faults = words.faults();
    if !faults.is_empty() {
        let faults = faults.join("; ");
        return Err(Failure::new(
            USAGE,
            format!("the mail cannot go out like this: {faults}"),
        ));
    }
    if !edit.yes {
        confirm(&diff, "Take this over?", as_json)?;
    }
    let arguments = json!({
        "id": id,
        "seen": text_of(shown, "/edit/seen"),
        "subject": words.subject,
        "text": words.text,
        "why": edit.why,
    });
    let (answer, wording) = ask(config, "outbox-edit", arguments).await?;
    if as_json {
        return Ok(Done::json(&answer));
    }
    let answer = wording.of(&answer);
    let mut text = match edit.yes {
        true => diff,
        false => String::new(),
    };
    text.push_str(&wrapped(&at(&answer, "/changed"), 0));
    text.push_str(&wrapped(&format!("Undo: {}", at(&answer, "/undo")), 0));
    Ok(Done::text(text))
}

/// Subject and text as they are edited.
fn document(subject: &str, text: &str) -> String {
    format!("Subject: {subject}\n\n{text}")
}

/// Subject and text of an edited file.
fn words(document: &str) -> Option<Words> {
    let document = document.trim_start_matches('\u{FEFF}');
    let (first, rest) = document.split_once('\n')?;
    let (name, subject) = first.split_once(':')?;
    let (empty, text) = rest.split_once('\n').unwrap_or((rest, ""));
    let is_form = name.trim().eq_ignore_ascii_case("subject") && empty.trim().is_empty();
    is_form.then(|| Words::tidy(subject, text))
}

/// Has the caller's editor change a file with the words; only the caller can read it.
fn edited(id: &str, document: &str) -> Result<PathBuf, Failure> {
    let short = id.get(..12).unwrap_or(id);
    let name = format!("liaison-{}-{}.txt", safe(short), std::process::id());
    let path = std::env::temp_dir().join(name);
    let failed = |error: io::Error| Failure::new(FAILURE, format!("{}: {error}", path.display()));
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(document.as_bytes()))
        .map_err(failed)?;
    let set = |name: &str| {
        std::env::var(name)
            .ok()
            .filter(|text| !text.trim().is_empty())
    };
    let editor = set("VISUAL").or_else(|| set("EDITOR"));
    let editor = editor.unwrap_or_else(|| EDITOR.to_owned());
    // By the shell, as everywhere: the variable may hold options and quotes.
    let ended = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$@\""))
        .arg(&editor)
        .arg(&path)
        .status();
    let why = match ended {
        Ok(status) if status.success() => return Ok(path),
        Ok(status) => format!("the editor `{editor}` ended with {status}"),
        Err(error) => format!("the editor `{editor}` cannot be started: {error}"),
    };
    let why = format!(
        "{}: nothing was changed; $VISUAL or $EDITOR names another editor",
        safe(&why)
    );
    let written = fs::read(&path).is_ok_and(|now| now != document.as_bytes());
    let draft = Draft::Edited(path);
    if !written {
        draft.done();
        return Err(Failure::new(FAILURE, why));
    }
    let kept = draft.path().display();
    Err(Failure::new(
        FAILURE,
        format!("{why}. What was written is kept in {kept}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_edited_comes_back_as_it_was_written() {
        let text = "Hello,\n\nas agreed: 3.\n\n-- \nAlice\n";
        let read = words(&document("Re: Offer: two", text)).unwrap();
        assert_eq!(read, Words::tidy("Re: Offer: two", text));
        let dos = document("A", "one\ntwo\n").replace('\n', "\r\n");
        assert_eq!(words(&dos).unwrap(), Words::tidy("A", "one\ntwo\n"));
        let marked = "\u{FEFF}subject: A\n\ntext";
        assert_eq!(words(marked).unwrap(), Words::tidy("A", "text\n"));
        for wrong in ["", "Hello", "Hello Bob\n\ntext", "Subject: A\ntext"] {
            assert_eq!(words(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn of_many_each_has_its_line_and_what_failed_stands_out() {
        let answer = json!({
            "mails": [
                { "id": "a1", "done": true, "text": "the mail is approved" },
                { "id": "b2", "done": false, "text": "bob decided on it" },
            ],
            "changed": "1 done, 1 could not be",
            "undo": "none",
        });
        assert_eq!(
            decided_text(&answer),
            "done  a1: the mail is approved\nNOT DONE  b2: bob decided on it\n\
             1 done, 1 could not be\nUndo: none\n"
        );
    }
}
