//! `reload`.

use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Nothing};

/// Has the daemon read its configuration and its plugins again.
pub(super) async fn reload(
    context: &ApiContext,
    caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let live = context.live.as_ref().ok_or(ApiError::NotRunning)?;
    let differences = live.reload().map_err(ApiError::Configuration)?;
    tracing::info!(who = %caller.who, "reload asked for");
    let changed = match differences.is_empty() {
        true => "the file says the same; the plugins are loaded anew".to_owned(),
        false => differences.join("; "),
    };
    Ok(json!({
        "differences": differences,
        "changed": changed,
        "undo": "put the file back as it was, and `liaison reload` once more; `liaison status` \
                 tells when something of it could not be used",
    }))
}
