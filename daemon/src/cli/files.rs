//! Commands on the files of the store, which only work while no daemon has it.

use std::path::Path;

use serde_json::{Value, json};

use super::access::load;
use super::{ATTENTION, Done, FAILURE, Failure};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, config_path};
use crate::keeping;
use crate::store::Store;
use crate::store::sled::{SledOptions, SledStore};

fn config_of(config: Option<&Path>) -> Result<Config, Failure> {
    load(&config_path(config))
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::of(FAILURE, error)
}

/// Makes the state from a backup.
pub(super) async fn restore(
    config: Option<&Path>,
    folder: &Path,
    as_json: bool,
) -> Result<Done, Failure> {
    let config = config_of(config)?;
    let restored = keeping::restore(folder, &config.state_dir, SystemClock.now()).await;
    let restored = restored.map_err(|error| failed(&error))?;
    let text = format!(
        "{} rows of the backup of {} are in {}.\n\
         {} mails that may have gone out since are uncertain: `liaison outbox list --state uncertain`\n\
         {} holds that may have been placed since were given up.\n\
         What people refused by one click since then is not in it: hand those requests in again \
         with `liaison unsubscribe take` as soon as the daemon runs.\n\
         Undo: remove {}/store and {}/content.\n",
        restored.rows,
        restored.made_at,
        config.state_dir.display(),
        restored.uncertain,
        restored.holds,
        config.state_dir.display(),
        config.state_dir.display(),
    );
    Ok(told(text, &json!(restored), as_json))
}

/// Makes the rows anew.
pub(super) async fn rebuild(
    config: Option<&Path>,
    accept_loss: bool,
    as_json: bool,
) -> Result<Done, Failure> {
    let set = |usual| SledOptions {
        rebuild: true,
        accept_loss,
        ..usual
    };
    opened(config, set, as_json).await
}

async fn opened(
    config: Option<&Path>,
    set: impl Fn(SledOptions) -> SledOptions,
    as_json: bool,
) -> Result<Done, Failure> {
    let config = config_of(config)?;
    let (dir, options) = (config.state_dir.join("store"), set(config.store));
    if !dir.exists() {
        let text = format!("{} does not exist: there is no store yet", dir.display());
        return Err(Failure::new(FAILURE, text));
    }
    let opened = tokio::task::spawn_blocking(move || SledStore::open(&dir, options)).await;
    let store = opened
        .map_err(|error| failed(&error))?
        .map_err(|error| failed(&error))?;
    let words = store.recovery().words();
    let (bytes, rows) = store.live();
    store.close().await.map_err(|error| failed(&error))?;
    let mut text = String::new();
    for word in &words {
        text.push_str(&format!("{word}\n"));
    }
    text.push_str(&format!("The store has {rows} rows of {bytes} bytes.\n"));
    let answer = json!({ "done": words, "rows": rows, "row_bytes": bytes });
    Ok(told(text, &answer, as_json))
}

/// Makes the store of an exported file.
pub(super) async fn import(
    config: Option<&Path>,
    file: &Path,
    as_json: bool,
) -> Result<Done, Failure> {
    let config = config_of(config)?;
    let (from, state_dir) = (file.to_owned(), config.state_dir.clone());
    let imported =
        tokio::task::spawn_blocking(move || keeping::import_rows(&from, &state_dir)).await;
    let imported = imported
        .map_err(|error| failed(&error))?
        .map_err(|error| failed(&error))?;
    let rows: u64 = imported.families.iter().map(|family| family.rows).sum();
    let state_dir = config.state_dir.display();
    let text = format!(
        "{rows} rows of {} are in {state_dir}, without the content of messages.\n\
         The first `liaison run` makes what was on its way uncertain: it may have gone out since.\n\
         Undo: remove {state_dir}/store.\n",
        file.display(),
    );
    Ok(told(text, &json!(imported), as_json))
}

/// Tells what this release would change.
pub(super) async fn migrate(
    config: Option<&Path>,
    file: Option<&Path>,
    as_json: bool,
) -> Result<Done, Failure> {
    let state_dir = match file {
        Some(_) => None,
        None => Some(config_of(config)?.state_dir),
    };
    let file = file.map(Path::to_owned);
    let checked = tokio::task::spawn_blocking(move || match (file, state_dir) {
        (Some(file), _) => keeping::check_export(&file),
        (None, state_dir) => keeping::check_store(&state_dir.unwrap_or_default()),
    });
    let checked = checked
        .await
        .map_err(|error| failed(&error))?
        .map_err(|error| failed(&error))?;
    let code = if checked.is_clean() { 0 } else { ATTENTION };
    Ok(told(migration(&checked), &json!(checked), as_json).code(code))
}

fn migration(checked: &keeping::Checked) -> String {
    let mut text = format!(
        "{}: schema {}, this liaison knows {}.\n",
        checked.source.display(),
        checked.schema,
        checked.knows_schema
    );
    if !checked.schema_fits {
        text.push_str(
            "This liaison does not open it: start the release that wrote it or a later one, or \
             restore a backup that this one made.\n",
        );
        return text;
    }
    for family in &checked.families {
        text.push_str(&format!("{}: {} rows\n", family.family, family.rows));
        for records in &family.records {
            let what = match (records.is, records.written) {
                ("older", Some(version)) => format!("would become version {version}"),
                ("newer", _) => "written by a newer liaison, would be left alone".to_owned(),
                _ => "as they are".to_owned(),
            };
            text.push_str(&format!(
                "  {} {}, version {}: {what}\n",
                records.rows, records.kind, records.version
            ));
        }
    }
    text.push_str(&format!(
        "{} rows; {} records would be rewritten, {} left alone, {} cannot be read.\n",
        checked.rows, checked.older, checked.newer, checked.unreadable
    ));
    text
}

fn told(text: String, answer: &Value, as_json: bool) -> Done {
    match as_json {
        true => Done::json(answer),
        false => Done::text(text),
    }
}
