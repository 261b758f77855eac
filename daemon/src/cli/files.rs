//! Commands on the files of the store, which only work while no daemon has it.

use std::path::Path;

use serde_json::{Value, json};

use super::access::load;
use super::{Done, FAILURE, Failure};
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

fn told(text: String, answer: &Value, as_json: bool) -> Done {
    match as_json {
        true => Done::json(answer),
        false => Done::text(text),
    }
}
