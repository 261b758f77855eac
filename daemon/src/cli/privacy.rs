//! `liaison privacy`: what is kept of one person, shown or erased.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::access::{ask, ask_daemon};
use super::args::Privacy;
use super::display::{at, items, safe, table};
use super::{ATTENTION, Done, FAILURE, Failure};
use crate::clock::{Clock, SystemClock};
use crate::supervisor::Stop;

/// Pause between two questions whether it is done.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How long holds and drafts may take to leave calendars and Drafts before a person is told.
const CLEAR_LIMIT: Duration = Duration::from_secs(120);
/// How long an erasure is waited for: all content is read, and all rows are written anew.
const ERASE_LIMIT: Duration = Duration::from_secs(3_600);
/// What no command can reach.
const BEYOND: &str = "Not reached by it: the copies in your mailboxes and calendars, backups made \
                      before (erase again after a restore), logs, and a name that stands alone in \
                      the mail of others.\n";

pub(super) async fn run(
    config: Option<&Path>,
    command: Privacy,
    as_json: bool,
) -> Result<Done, Failure> {
    match command {
        Privacy::Export { address, out } => export(config, &address, out.as_deref(), as_json).await,
        Privacy::Erase { address, yes, .. } => match yes {
            true => erase(config, &address, as_json).await,
            false => would_erase(config, &address, as_json).await,
        },
        Privacy::Erasures => erasures(config, as_json).await,
    }
}

async fn export(
    config: Option<&Path>,
    address: &str,
    out: Option<&Path>,
    as_json: bool,
) -> Result<Done, Failure> {
    let is_file = |path: &&Path| path.extension().is_some_and(|ending| ending == "json");
    let folder = out.filter(|path| !is_file(path)).map(std::path::absolute);
    let folder = folder
        .transpose()
        .map_err(|error| Failure::of(FAILURE, &error))?;
    let arguments = json!({ "address": address, "folder": folder });
    let (answer, _) = ask(config, "privacy-export", arguments).await?;
    let Some(out) = out else {
        return Ok(Done::json(&answer));
    };
    if folder.is_none() {
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(out)
            .and_then(|mut file| file.write_all(format!("{answer:#}\n").as_bytes()));
        let failed = |error| Failure::new(FAILURE, format!("{}: {error}", out.display()));
        written.map_err(failed)?;
    }
    if as_json {
        return Ok(Done::json(&answer));
    }
    let mut text = found(&answer);
    let _ = writeln!(text, "Written to {}.", out.display());
    Ok(Done::text(text))
}

/// What was found, by family, and what was looked through.
fn found(answer: &Value) -> String {
    let mut text = String::from("Kept of this person, under ");
    let addresses = items(answer, "/addresses").iter().filter_map(Value::as_str);
    text.push_str(&addresses.map(safe).collect::<Vec<_>>().join(", "));
    text.push('\n');
    let counts = answer.get("counts").and_then(Value::as_object);
    let rows: Vec<Value> = counts
        .into_iter()
        .flatten()
        .map(|(kind, count)| {
            let would = |what: &str| {
                let pointer = format!("/erase_would/{what}/{kind}");
                answer.pointer(&pointer).cloned().unwrap_or(json!(0))
            };
            json!({
                "kind": kind,
                "count": count,
                "remove": would("remove"),
                "rewrite": would("rewrite"),
            })
        })
        .collect();
    match rows.is_empty() {
        true => text.push_str("nothing\n"),
        false => text.push_str(&table(
            &rows,
            &[
                ("KIND", "/kind"),
                ("ROWS", "/count"),
                ("ERASE REMOVES", "/remove"),
                ("ERASE REWRITES", "/rewrite"),
            ],
        )),
    }
    let looked = answer.get("looked_through").and_then(Value::as_object);
    let all: u64 = looked
        .into_iter()
        .flatten()
        .filter_map(|(_, count)| count.as_u64())
        .sum();
    let families = looked.map_or(0, serde_json::Map::len);
    let _ = writeln!(
        text,
        "{} messages and mails with their bytes; named in {} of others.\n\
         Looked through: {all} rows of {families} kinds, and all content.",
        at(answer, "/messages_with_bytes"),
        items(answer, "/named_in").len(),
    );
    text
}

async fn would_erase(config: Option<&Path>, address: &str, as_json: bool) -> Result<Done, Failure> {
    let arguments = json!({ "address": address, "dry_run": true });
    let (answer, wording) = ask(config, "privacy-erase", arguments).await?;
    if as_json {
        return Ok(Done::json(&answer));
    }
    let mut text = found(&wording.of(&answer));
    text.push_str(BEYOND);
    text.push_str("Nothing was changed. To erase: the same command with --yes\n");
    Ok(Done::text(text))
}

async fn erase(config: Option<&Path>, address: &str, as_json: bool) -> Result<Done, Failure> {
    let (clock, stop) = (SystemClock, Stop::new());
    let begun = clock.monotonic();
    let asked = loop {
        let arguments = json!({ "address": address });
        let (answer, _) = ask(config, "privacy-erase", arguments).await?;
        if answer.get("state") != Some(&json!("clearing")) {
            break answer;
        }
        let running = answer.get("running") == Some(&json!(true));
        if !running || clock.monotonic().saturating_sub(begun) >= CLEAR_LIMIT {
            return Ok(still_clearing(&answer, running, as_json));
        }
        stop.sleep(ASK_EVERY).await;
    };
    let id = at(&asked, "/id");
    let running = asked.get("running") == Some(&json!(true));
    loop {
        // Without a daemon the store is opened here, and the erasure done by that.
        let answer = match running {
            true => ask_daemon(config, "privacy-erasures").await?,
            false => Some(ask(config, "privacy-erasures", json!({})).await?.0),
        };
        let rows = answer
            .as_ref()
            .map_or(&[][..], |answer| items(answer, "/erasures"));
        let done = rows
            .iter()
            .find(|row| at(row, "/id") == id && row.get("state") == Some(&json!("done")));
        if let Some(done) = done {
            return Ok(erased(done, as_json));
        }
        if clock.monotonic().saturating_sub(begun) >= ERASE_LIMIT {
            let text = format!(
                "the erasure {id} is recorded and not done yet: see `liaison privacy erasures`; it \
                 is finished at the next start at the latest"
            );
            return Err(Failure::new(FAILURE, text));
        }
        stop.sleep(ASK_EVERY).await;
    }
}

fn still_clearing(answer: &Value, running: bool, as_json: bool) -> Done {
    if as_json {
        return Done::json(answer).code(ATTENTION);
    }
    let mut text = String::from("Not erased yet. First:\n");
    for what in items(answer, "/waits_for") {
        let _ = writeln!(text, "  {}", safe(what.as_str().unwrap_or_default()));
    }
    text.push_str(match running {
        true => "See `liaison status` for what is in the way, and ask again.\n",
        false => "Only a running daemon can do that: start it with `liaison run`, and ask again.\n",
    });
    Done::text(text).code(ATTENTION)
}

fn erased(row: &Value, as_json: bool) -> Done {
    if as_json {
        return Done::json(row);
    }
    let counts = row.get("rows").and_then(Value::as_object);
    let all: u64 = counts
        .into_iter()
        .flatten()
        .filter_map(|(_, count)| count.as_u64())
        .sum();
    let mut text = format!(
        "Erased ({}): {all} rows removed or rewritten, {} contents removed; journal, exports and \
         the files of the store were written anew.\n",
        at(row, "/id"),
        at(row, "/contents"),
    );
    text.push_str(BEYOND);
    text.push_str(
        "The address is not taken in again. Undo: none, but a backup made before has the data.\n",
    );
    Done::text(text)
}

async fn erasures(config: Option<&Path>, as_json: bool) -> Result<Done, Failure> {
    let (answer, wording) = ask(config, "privacy-erasures", json!({})).await?;
    if as_json {
        return Ok(Done::json(&answer));
    }
    let answer = wording.of(&answer);
    let rows = items(&answer, "/erasures");
    if rows.is_empty() {
        return Ok(Done::text("No erasure was asked for.\n".to_owned()));
    }
    Ok(Done::text(table(
        rows,
        &[
            ("ID", "/id"),
            ("ASKED", "/asked"),
            ("BY", "/who"),
            ("STATE", "/state"),
            ("FINISHED", "/finished"),
        ],
    )))
}
