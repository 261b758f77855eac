//! The commands that start the daemon's own parts.

use std::io;
use std::path::Path;

use super::access::load;
use super::{Done, FAILURE, Failure};
use crate::app::RealEdges;
use crate::app::service;
use crate::check::{check as look, online};
use crate::config::config_path;
use crate::demo::{DemoError, DemoOptions};

pub(super) async fn demo(dir: Option<&Path>, stay: bool) -> Result<Done, Failure> {
    let options = DemoOptions {
        dir: dir.map(Path::to_owned),
        stay,
        plugins: None,
    };
    // Printed as it happens.
    let played = Box::pin(crate::demo::run(options, &mut std::io::stdout())).await;
    let end = match played {
        // Whoever watched has seen enough (`| head`).
        Err(DemoError::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(Done::text(String::new()));
        }
        played => played.map_err(|error| Failure::of(FAILURE, &error))?,
    };
    if stay {
        return run(Some(&end.config)).await;
    }
    Ok(Done::text(String::new()))
}

pub(super) async fn run(config: Option<&Path>) -> Result<Done, Failure> {
    let config = load(&config_path(config))?;
    log_to_stderr(&config.log)?;
    let ended = Box::pin(service::run(&config)).await;
    ended
        .map(|()| Done::text(String::new()))
        .map_err(|error| Failure::of(FAILURE, &error))
}

pub(super) async fn check(
    config: Option<&Path>,
    online: bool,
    json: bool,
) -> Result<Done, Failure> {
    let file = config_path(config);
    // Compiling components takes a while; awaited right here.
    let looked = tokio::task::spawn_blocking(move || look(&file, None)).await;
    let (mut report, config) = looked.map_err(|error| Failure::of(FAILURE, &error))?;
    if online && let Some(config) = &config {
        report
            .findings
            .extend(online::check_online(config, &RealEdges).await);
    }
    let mut text = Vec::new();
    let written = if json {
        report.write_json(&mut text)
    } else {
        report.write_text(&mut text)
    };
    written.map_err(|error| Failure::of(FAILURE, &error))?;
    let done = Done::text(String::from_utf8_lossy(&text).into_owned());
    Ok(done.code(report.exit_code()))
}

/// The service's log goes to the standard error stream: systemd and terminals both keep it.
fn log_to_stderr(filter: &str) -> Result<(), Failure> {
    // At trace level async-imap prints what servers say, and that is people's mail.
    let filter = format!("{filter},async_imap=info,lettre=info");
    let filter = tracing_subscriber::EnvFilter::try_new(&filter).map_err(|error| {
        Failure::new(super::CONFIGURATION, format!("`log` is no filter: {error}"))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init()
        .map_err(|error| Failure::new(FAILURE, error.to_string()))
}
