//! `import`, `export` and `contacts suggest`: files on this side, records where the store is.

mod progress;

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use liaison_core::crm::Kind;
use serde_json::{Value, json};

use super::access::Session;
use super::args::{ExportFile, Format, ImportFile, Suggest};
use super::display::{at, items, safe, table, wrapped};
use super::wording::Wording;
use super::{ATTENTION, Done, FAILURE, Failure, USAGE, show};
use crate::exchange::export::{Exporter, Writing};
use crate::exchange::mapping::{MAPPING_BYTES_MAX, Mapping, MappingError};
use crate::exchange::reading::Reading;
use crate::exchange::taking::Taken;
use crate::exchange::{Rejected, presets};
use progress::Progress;

fn failed(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::of(FAILURE, error)
}

/// Takes a file.
pub(super) async fn import(
    config: Option<&Path>,
    kind: Kind,
    wish: &ImportFile,
    as_json: bool,
) -> Result<Done, Failure> {
    let mapping = mapping(kind, wish)?;
    let file = opened(&wish.file)?;
    let reading = Reading::open(file, kind, mapping.as_ref(), wish.dry_run);
    let mut reading = reading
        .map_err(|error| Failure::of(FAILURE, &error).word("refused"))?
        .links_later(wish.links_later);
    let mut rejects = Rejects::new(wish.rejects.as_deref())?;
    let mut session = Session::begin(config, true)?;
    let name = wish.file.display().to_string();
    let ended = put_all(
        &mut session,
        &mut reading,
        &mut rejects,
        (&name, wish.dry_run),
    )
    .await;
    let wording = session.wording().clone();
    let closed = session.end().await;
    if let Err(failure) = ended.and(closed).and(rejects.end()) {
        let report = reading.report();
        let done = match wish.dry_run {
            true => String::new(),
            false => format!(
                "\nThe file is taken up to line {}: run the same command again, it completes the \
                 rest and changes nothing that is in.",
                report.done_line
            ),
        };
        return Err(Failure {
            message: format!("{}{done}", failure.message.trim_end()),
            ..failure
        });
    }
    let answer = reading.finish().answer(kind);
    let done = match as_json {
        true => Done::json(&answer),
        false => Done::text(show::answer("import", &wording.of(&answer), &wording)),
    };
    let look = !items(&answer, "/rejected").is_empty();
    Ok(done.code(if look { ATTENTION } else { 0 }))
}

/// Sends portion after portion, until the file is at its end or somebody interrupts.
async fn put_all(
    session: &mut Session,
    reading: &mut Reading<File>,
    rejects: &mut Rejects,
    (name, dry_run): (&str, bool),
) -> Result<(), Failure> {
    let mut progress = Progress::new(reading.progress().1);
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut run: Option<String> = None;
    loop {
        let portion = reading.portion(&mut |line, raw| rejects.add(line, raw));
        if !portion.map_err(|error| failed(&error))? {
            break;
        }
        let arguments =
            json!({ "file": name, "dry_run": dry_run, "run": run, "rows": reading.rows() });
        let answer = session.call("records-put-many", arguments).await?;
        let taken: Taken = serde_json::from_value(answer).map_err(|error| failed(&error))?;
        run.clone_from(&taken.run);
        reading.took(taken, &mut |line, raw| rejects.add(line, raw));
        progress.at(reading.progress().0);
        let pending = futures_util::poll!(interrupted.as_mut()).is_pending();
        if !pending {
            progress.end();
            return Err(Failure::new(FAILURE, "interrupted"));
        }
    }
    progress.end();
    if run.is_some() {
        let arguments = json!({ "dry_run": true, "run": run, "ends": true, "rows": [] });
        session.call("records-put-many", arguments).await?;
    }
    Ok(())
}

fn mapping(kind: Kind, wish: &ImportFile) -> Result<Option<Mapping>, Failure> {
    let usage = |text: String| Failure::new(USAGE, text);
    let (text, place) = match (&wish.preset, &wish.mapping) {
        (None, None) if wish.dates.is_empty() => return Ok(None),
        (None, None) => {
            let text = "--dates needs --preset or --mapping: without them dates are YYYY-MM-DD";
            return Err(usage(text.to_owned()));
        }
        (Some(name), _) => match presets::text(name) {
            Some(text) => (text.to_owned(), format!("preset {name}")),
            None => {
                let names = presets::names();
                let near = liaison_core::manifest::nearest(name, names.iter().copied())
                    .map_or(String::new(), |near| format!(", did you mean {near}?"));
                let names = names.join(", ");
                return Err(usage(format!(
                    "there is no preset `{name}`{near}; there are {names}"
                )));
            }
        },
        (None, Some(path)) => {
            let file = File::open(path).map_err(|error| unreadable(path, &error))?;
            let mut text = String::new();
            file.take(MAPPING_BYTES_MAX)
                .read_to_string(&mut text)
                .map_err(|error| unreadable(path, &error))?;
            (text, path.display().to_string())
        }
    };
    let read = Mapping::parse(&text, kind).and_then(|mapping| match wish.dates.is_empty() {
        true => Ok(mapping),
        false => mapping.with_dates(&wish.dates),
    });
    read.map(Some)
        .map_err(|error: MappingError| usage(format!("{place}: {error}")))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(FAILURE, format!("{}: {error}", path.display()))
}

/// The file; the input is copied to a file without a name, because it is read twice.
fn opened(path: &Path) -> Result<File, Failure> {
    let unreadable = |error: io::Error| unreadable(path, &error);
    if path != Path::new("-") {
        let file = File::open(path).map_err(unreadable)?;
        let kind = file.metadata().map_err(unreadable)?;
        if kind.is_file() {
            return Ok(file);
        }
        return spooled(file).map_err(unreadable);
    }
    spooled(io::stdin().lock()).map_err(unreadable)
}

fn spooled(mut from: impl Read) -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("liaison-import-{}", std::process::id()));
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path)?;
    std::fs::remove_file(&path)?;
    io::copy(&mut from, &mut file)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// The file of lines that were not taken.
struct Rejects {
    to: Option<(PathBuf, csv::Writer<BufWriter<File>>)>,
    failed: Option<csv::Error>,
}

impl Rejects {
    fn new(path: Option<&Path>) -> Result<Rejects, Failure> {
        let to = match path {
            None => None,
            Some(path) => {
                let file = File::create(path).map_err(|error| unreadable(path, &error))?;
                let mut writer = csv::Writer::from_writer(BufWriter::new(file));
                writer
                    .write_record(["line", "column", "value", "reason", "original"])
                    .map_err(|error| failed(&error))?;
                Some((path.to_owned(), writer))
            }
        };
        Ok(Rejects { to, failed: None })
    }

    fn add(&mut self, rejected: &Rejected, raw: &str) {
        let Some((_, writer)) = &mut self.to else {
            return;
        };
        let line = rejected.line.to_string();
        let column = rejected.column.as_deref().unwrap_or_default();
        let record = [&line, column, &rejected.value, &rejected.reason, raw];
        if let Err(error) = writer.write_record(record) {
            self.failed.get_or_insert(error);
        }
    }

    fn end(self) -> Result<(), Failure> {
        let Some((path, mut writer)) = self.to else {
            return Ok(());
        };
        let written = match self.failed {
            Some(error) => Err(error.into()),
            None => writer.flush(),
        };
        written.map_err(|error: io::Error| unreadable(&path, &error))
    }
}

/// Writes a file.
pub(super) async fn export(
    config: Option<&Path>,
    kind: Kind,
    wish: &ExportFile,
    as_json: bool,
) -> Result<Done, Failure> {
    let format = format_of(kind, wish)?;
    let mut session = Session::begin(config, false)?;
    let written = match &wish.file {
        None => {
            let out = BufWriter::new(io::stdout().lock());
            write_all(&mut session, kind, Exporter::new(out, kind, format)).await
        }
        Some(path) => {
            // Complete, or as it was.
            let mut part = path.clone().into_os_string();
            part.push(".part");
            let part = PathBuf::from(part);
            let file = File::create(&part).map_err(|error| unreadable(&part, &error))?;
            let exporter = Exporter::new(BufWriter::new(file), kind, format);
            let written = write_all(&mut session, kind, exporter).await;
            let kept = |count| match std::fs::rename(&part, path) {
                Ok(()) => Ok(count),
                Err(error) => Err(unreadable(path, &error)),
            };
            let written = written.and_then(kept);
            if written.is_err()
                && let Err(error) = std::fs::remove_file(&part)
            {
                tracing::debug!(file = %part.display(), %error, "not removed");
            }
            written
        }
    };
    session.end().await?;
    let count = written?;
    let Some(path) = &wish.file else {
        return Ok(Done::text(String::new()));
    };
    let answer = json!({ "records": count, "kind": kind.word(), "file": path });
    Ok(match as_json {
        true => Done::json(&answer),
        false => Done::text(format!(
            "{count} {} are in {}.\n",
            kind.plural(),
            path.display()
        )),
    })
}

fn format_of(kind: Kind, wish: &ExportFile) -> Result<Writing, Failure> {
    let extension = wish.file.as_deref().and_then(Path::extension);
    let extension = extension.map(|word| word.to_string_lossy().to_lowercase());
    let format = wish.format.unwrap_or(match extension.as_deref() {
        Some("json" | "jsonl") => Format::Json,
        Some("vcf" | "vcard") => Format::Vcard,
        _ => Format::Csv,
    });
    match format {
        Format::Csv => Ok(Writing::Csv),
        Format::Json => Ok(Writing::Json),
        Format::Vcard | Format::Vcard3 if kind != Kind::Contact => {
            let text = format!(
                "vCards are people: {} are written as csv or json",
                kind.plural()
            );
            Err(Failure::new(USAGE, text))
        }
        Format::Vcard => Ok(Writing::Vcard4),
        Format::Vcard3 => Ok(Writing::Vcard3),
    }
}

async fn write_all<W: Write>(
    session: &mut Session,
    kind: Kind,
    mut exporter: Exporter<W>,
) -> Result<u64, Failure> {
    let mut after = Value::Null;
    loop {
        let arguments = json!({ "kind": kind, "after": after });
        let answer = session.call("records-page", arguments).await?;
        let page = serde_json::from_value(answer).map_err(|error| failed(&error))?;
        match exporter.page(page).map_err(|error| failed(&error))? {
            Some(next) => after = json!(next),
            None => break,
        }
    }
    exporter.end().map_err(|error| failed(&error))
}

/// First contacts of the recorded mail.
pub(super) async fn suggest(
    config: Option<&Path>,
    wish: &Suggest,
    as_json: bool,
) -> Result<Done, Failure> {
    let mut session = Session::begin(config, wish.accept_all || !wish.accept.is_empty())?;
    let arguments = json!({
        "mailbox": wish.mailbox,
        "since": wish.since,
        "accept": wish.accept,
        "accept_all": wish.accept_all,
    });
    let command = match wish.accept_all || !wish.accept.is_empty() {
        true => "contacts-accept",
        false => "contacts-suggest",
    };
    let answer = session.call(command, arguments).await;
    let wording = session.wording().clone();
    session.end().await?;
    let answer = answer?;
    Ok(match as_json {
        true => Done::json(&answer),
        false => Done::text(suggested(&wording.of(&answer), &wording)),
    })
}

fn suggested(answer: &Value, _wording: &Wording) -> String {
    let mut out = String::new();
    let people = items(answer, "/people");
    if !people.is_empty() {
        out.push_str(&table(
            people,
            &[
                ("ADDRESS", "/address"),
                ("NAME", "/name"),
                ("FROM THEM", "/received"),
                ("TO THEM", "/sent"),
                ("LAST", "/last"),
                ("ACCOUNT", "/account"),
            ],
        ));
    }
    for line in items(answer, "/changed") {
        out.push_str(&wrapped(&safe(line.as_str().unwrap_or_default()), 0));
    }
    let count = at(answer, "/count");
    if answer.get("changed").is_none() {
        out.push_str(&wrapped(
            &format!(
                "{count} people of {} messages are no contacts yet. Record some of them with \
                 `liaison contacts suggest --accept ADDRESS`, or those of known accounts with \
                 --accept-all.",
                at(answer, "/messages")
            ),
            0,
        ));
    }
    out
}
