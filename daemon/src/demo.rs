//! `liaison demo`: a sample firm, messages that arrive while you watch, and what came of them.
//!
//! Everything that happens is done by the product itself: the demo writes the files that the world
//! would write (a configuration, an account list, mail, calendars), moves the clock, and lets
//! sources, pipeline and delivery settle. What it prints is read back with the same functions that
//! the commands use. Its state stays, so that they can be tried on it.
//!
//! It sends nothing anywhere: the sample firm's transport files mail into a folder beside it.

mod place;
mod samples;
mod stage;
mod story;
mod tell;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::api::ApiError;
use crate::app::StartError;
use crate::books::BooksError;
use crate::cli::shell_word;
use crate::config::{ConfigErrors, default_plugin_dir};
use crate::store::CommitError;
use place::{Place, PlaceError};
use stage::Stage;
use tell::Tell;

/// Name of the configuration that the demo writes into its folder.
pub const CONFIG_FILE: &str = "liaison.toml";

/// How the demo is to be played.
#[derive(Debug, Clone, Default)]
pub struct DemoOptions {
    /// Folder for everything it makes; `None`: in the user's state folder, else a temporary one.
    pub dir: Option<PathBuf>,
    /// The caller goes on to run the daemon on the demo's configuration.
    pub stay: bool,
    /// Folder of the plugins; `None`: where the daemon looks without being told.
    pub plugins: Option<PathBuf>,
}

/// What the demo leaves behind.
#[derive(Debug, Clone)]
pub struct DemoEnd {
    /// Where everything lies.
    pub dir: PathBuf,
    /// The configuration that the other commands are given; with `stay` the one to run.
    pub config: PathBuf,
}

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Its folder cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The configuration that it wrote is not accepted.
    #[error("the demo's configuration is not accepted: a long --dir is the usual reason\n{0}")]
    Config(ConfigErrors),
    /// The daemon's parts do not start.
    #[error("the demo's daemon does not start")]
    Start(#[from] StartError),
    /// A plugin cannot run.
    #[error("the plugin {plugin} cannot run: {why} (looked in {}; `make plugins` builds it)", .dir.display())]
    Plugin {
        /// Which.
        plugin: String,
        /// Why.
        why: String,
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// A sample file cannot be written or read.
    #[error("{} cannot be used", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The records cannot be used.
    #[error("the demo's records cannot be used")]
    Books(#[from] BooksError),
    /// A command was refused.
    #[error("a step of the demo was refused")]
    Api(#[from] ApiError),
    /// The story did not go as it must.
    #[error("the demo did not go as it should: {0}; please report this")]
    Story(String),
    /// The store did not close.
    #[error("the demo's store did not close in order")]
    Close(#[source] CommitError),
    /// The account of it cannot be printed.
    #[error("the demo's account cannot be printed")]
    Print(#[from] io::Error),
}

/// Plays the demo from beginning to end and closes its store.
///
/// A folder that an earlier demo made is used again, without what that one left; no other folder
/// with anything in it is touched.
///
/// # Errors
/// [`DemoError`]; what was made so far stays for looking at.
pub async fn run(options: DemoOptions, out: &mut dyn Write) -> Result<DemoEnd, DemoError> {
    let place = Place::take(options.dir.as_deref())?;
    let plugins = options.plugins.clone().unwrap_or_else(default_plugin_dir);
    let plugins = std::path::absolute(&plugins).map_err(|source| DemoError::File {
        path: plugins.clone(),
        source,
    })?;
    let (config, days) = samples::write(place.dir(), &plugins)?;
    let mut tell = Tell::new(out, place.dir(), config.firm.business.zone().clone());
    tell.opening(&config)?;
    let stage = Box::pin(Stage::build(place.dir(), config, days)).await?;
    let played = match Box::pin(story::play(&stage, &mut tell)).await {
        Ok(played) => Box::pin(ending(&stage, &mut tell, &played, &options)).await,
        Err(error) => Err(error),
    };
    // Closed whatever happened, so that the commands can look at what is there.
    let closed = stage.close().await;
    played?;
    closed?;
    let config = place.dir().join(CONFIG_FILE);
    Ok(DemoEnd {
        dir: place.dir().to_owned(),
        config,
    })
}

async fn ending(
    stage: &Stage,
    tell: &mut Tell<'_>,
    enquiry: &str,
    options: &DemoOptions,
) -> Result<(), DemoError> {
    tell.summary(stage).await?;
    let config = stage.dir.join(CONFIG_FILE);
    let begin = format!(
        "{} --config {}",
        shell_word(&program()),
        shell_word(config.as_os_str())
    );
    tell.line("")?;
    tell.line(&format!("Everything lies in {}", stage.dir.display()))?;
    tell.line(if options.stay {
        "The daemon now goes on with it until Ctrl-C. To try next, in another terminal:"
    } else {
        "and stays for the other commands. To try next:"
    })?;
    for command in [
        &format!("why {}", shell_word(enquiry.as_ref())),
        "outbox list",
        "plugin inspect lead-triage",
    ] {
        tell.line(&format!("  {begin} {command}"))?;
    }
    Ok(())
}

/// The program as it was called, so that the commands can be copied.
fn program() -> OsString {
    std::env::args_os()
        .next()
        .unwrap_or_else(|| "liaison".into())
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> DemoError + '_ {
    move |source| DemoError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
