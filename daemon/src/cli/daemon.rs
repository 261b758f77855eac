//! The commands that start the daemon's own parts.

use std::path::Path;

use super::{Done, FAILURE, Failure};

pub(super) async fn demo(_dir: Option<&Path>, _stay: bool) -> Result<Done, Failure> {
    Err(not_wired("demo"))
}

pub(super) async fn run(_config: Option<&Path>) -> Result<Done, Failure> {
    Err(not_wired("run"))
}

pub(super) async fn check(
    _config: Option<&Path>,
    _online: bool,
    _json: bool,
) -> Result<Done, Failure> {
    Err(not_wired("check"))
}

fn not_wired(command: &str) -> Failure {
    Failure::new(FAILURE, format!("`{command}` is not part of this build"))
}
