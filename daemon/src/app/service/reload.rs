//! Reading the configuration again without ending the process.

use std::sync::Arc;

use crate::app::{App, StartError};
use crate::books::{Books, chain};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;

/// All parts for `config`, not yet running.
pub(super) async fn build(config: &Config, books: &Books) -> Result<Arc<App>, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let app = Box::pin(App::build(config, books.clone(), clock)).await?;
    Ok(Arc::new(app))
}

/// The file of `running` read again; why it cannot be used, in words for the operator.
pub(super) fn usable(running: &Config) -> Result<Config, String> {
    let new = Config::load(&running.file).map_err(|errors| errors.to_string())?;
    let keys = running.needs_restart(&new);
    if keys.is_empty() {
        return Ok(new);
    }
    Err(format!(
        "{}: {} cannot change while the daemon runs: restart it, or put the old value back",
        new.file.display(),
        keys.join(" and ")
    ))
}

/// What is to run next, built and not yet started.
pub(super) async fn read_again(
    running: &Config,
    books: &Books,
) -> Result<(Config, Arc<App>), String> {
    let new = usable(running)?;
    let differences = running.differences(&new);
    match differences.is_empty() {
        true => tracing::info!("reload: the file says the same; plugins are loaded anew"),
        false => tracing::info!(changes = %differences.join("; "), "reload"),
    }
    if running.log != new.log {
        tracing::warn!("reload: `log` is taken by the next start only");
    }
    let app = build(&new, books).await.map_err(|error| chain(&error))?;
    Ok((new, app))
}
