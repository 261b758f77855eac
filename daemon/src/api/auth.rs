//! Logins by OAuth2: a person agrees, sees how they stand, has them forgotten.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Nothing};
use crate::accounts::audit;
use crate::books::chain;
use crate::books::rows::AuditRow;
use crate::oauth::{Flow, Progress, Standing};

/// What `auth-begin` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    name: String,
    #[serde(default)]
    flow: Option<Flow>,
    /// Where a browser is to come back: `http://127.0.0.1:PORT`.
    #[serde(default)]
    redirect: Option<String>,
}

/// What `auth-go-on` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GoOn {
    session: String,
}

/// What `auth-finish` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Finish {
    session: String,
    /// With what the browser came back.
    query: String,
}

/// What `auth-forget` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Name {
    name: String,
}

pub(super) async fn status(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let all: Vec<Standing> = context
        .credentials
        .iter()
        .map(|one| one.standing())
        .collect();
    Ok(json!({ "logins": all, "running": context.live.is_some() }))
}

pub(super) async fn begin(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Begin,
) -> Result<Value, ApiError> {
    let Begin {
        name,
        flow,
        redirect,
    } = arguments;
    let begun = context.credentials.begin(&name, flow, redirect).await?;
    Ok(json!(begun))
}

pub(super) async fn go_on(
    context: &ApiContext,
    caller: &Caller,
    arguments: GoOn,
) -> Result<Value, ApiError> {
    let progress = context.credentials.go_on(&arguments.session).await?;
    answer(context, caller, &progress).await
}

pub(super) async fn finish(
    context: &ApiContext,
    caller: &Caller,
    arguments: Finish,
) -> Result<Value, ApiError> {
    let Finish { session, query } = arguments;
    let progress = context.credentials.finish(&session, &query).await?;
    answer(context, caller, &progress).await
}

async fn answer(
    context: &ApiContext,
    caller: &Caller,
    progress: &Progress,
) -> Result<Value, ApiError> {
    let mut answer = json!(progress);
    if let (Progress::Done { name }, Some(answer)) = (progress, answer.as_object_mut()) {
        let changed =
            format!("a person agreed: `{name}` has access tokens, and its login is stored");
        note(context, caller, format!("auth login {name}")).await?;
        answer.insert("changed".to_owned(), json!(changed));
        answer.insert(
            "undo".to_owned(),
            json!(format!("liaison auth forget {name}")),
        );
    }
    Ok(answer)
}

pub(super) async fn forget(
    context: &ApiContext,
    caller: &Caller,
    arguments: Name,
) -> Result<Value, ApiError> {
    let credential = context.credentials.find(&arguments.name)?;
    let forgotten = credential.forget().await;
    let had = forgotten.map_err(|error| ApiError::NotNow(chain(&error)))?;
    let name = credential.name();
    note(context, caller, format!("auth forget {name}")).await?;
    let changed = match had {
        true => format!(
            "the stored login `{name}` is removed; connections that are open go on. The provider \
             still lists the consent: withdraw it there as well"
        ),
        false => format!("nothing: there was no stored login `{name}`"),
    };
    let undo = credential.settings().command();
    Ok(json!({ "name": name, "forgotten": had, "changed": changed, "undo": undo }))
}

/// For the audit, where there are books: a command that found no daemon opens none.
async fn note(context: &ApiContext, caller: &Caller, what: String) -> Result<(), ApiError> {
    if context.live.is_none() {
        return Ok(());
    }
    let row = AuditRow {
        at: context.now(),
        who: caller.who.clone(),
        what,
        why: String::new(),
    };
    let mut batch = context.books.batch();
    audit(&context.books, &mut batch, "oauth", &row).await?;
    context.books.commit(batch).await?;
    Ok(())
}
