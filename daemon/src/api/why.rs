//! `why`: the whole chain from a message to what came of it, or to why nothing did.

mod chain;
pub(in crate::api) mod find;

use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Id};
use chain::Chain;
pub(super) use find::resolve;
use find::{Found, find};

/// The chain of whatever has this id.
///
/// `subject` (`kind`, `id`), `message`, `report` (what became of a delivery report), `match`, `deliveries[]`, `thread`, `events[]` (each with
/// `what`, `outcome` and `plugins[]`: result, verdicts with reasons, log), `mails[]`, `holds[]`,
/// `changes[]`, `records[]` (each with `audit[]`), `timers[]` and `nothing` (why nothing happened, else null).
pub(super) async fn of(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Id,
) -> Result<Value, ApiError> {
    let found = find(context, &arguments.id).await?;
    let mut chain = Chain::default();
    chain.subject = json!({ "kind": found.kind(), "id": found.id() });
    match &found {
        Found::Message(message) => chain.follow_message(context, message, true).await?,
        Found::Mail(mail) => {
            chain.add_mail(context, mail).await?;
            chain.follow_cause(context, &mail.cause).await?;
        }
        Found::Hold(hold) => {
            chain.add_hold(context, hold).await?;
            chain.follow_cause(context, &hold.cause).await?;
        }
        Found::Change(effect) => {
            chain.add_change(context, effect).await?;
            chain.follow_cause(context, &effect.cause).await?;
        }
        Found::Task(task) => {
            chain.add_task(context, task).await?;
            chain.follow_cause(context, &task.cause).await?;
        }
        Found::Case(case) => {
            chain.add_case(context, case).await?;
            chain.follow_subject(context, &case.subject).await?;
        }
        Found::Timer(timer) => {
            chain.add_timer(timer);
            chain.follow_subject(context, &timer.subject).await?;
        }
    }
    Ok(chain.finish())
}
